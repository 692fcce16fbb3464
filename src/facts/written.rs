//! How what decides a setting is written, and where: what a fix changes. Nothing is said where it
//! is not certain that other text in its place would mean what it says.

use super::App;
use super::gunicorn::Layer;
use crate::source::gunicorn::{
    Argument, ArgumentWord, Arguments, SettingValue, parse_arguments, shlex,
};
use crate::source::{FileId, Secret, SourceFile, Span, Text};

/// One place that switches something on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// A word of a command line, which is to go.
    Word(Span),
    /// A part of a variable's value, which is to go.
    Part(Span),
    /// The value in gunicorn's configuration file, which is to be `False`.
    Value(Span),
}

impl App {
    /// The bytes of a range of the files that decide how gunicorn is run.
    pub fn written(&self, span: Span) -> Option<&[u8]> {
        if let Some(file) = self.file_of(span) {
            return Some(file.slice(span));
        }
        let scripts: &[Text] = self.gunicorn.launch.ok().map_or(&[], |launch| &launch.scripts);
        let script = scripts.iter().find(|script| script.file() == span.file)?;
        script.as_str().as_bytes().get(span.start as usize..span.end as usize)
    }

    /// A file of its units, of nginx, of its environment, of gunicorn's configuration, or the
    /// script that starts gunicorn.
    pub fn source_file(&self, id: FileId) -> Option<&SourceFile> {
        let sockets = self.service.sockets.iter().flat_map(|unit| unit.files());
        let units = self.service.unit.files().chain(sockets).map(|file| &*file.file);
        let trees = self.nginx.model.ok().into_iter().flat_map(|model| &model.config.trees);
        let environment = self.environment.read_files().map(|read| &*read.source);
        let config = self.gunicorn.config.ok().and_then(Option::as_ref);
        let config = config.and_then(|config| config.file.as_deref());
        let started = self.gunicorn.started_in.as_deref();
        let trees = trees.map(|tree| &*tree.file);
        let mut all = units.chain(environment).chain(config).chain(started).chain(trees);
        all.find(|file| file.id == id)
    }

    fn file_of(&self, span: Span) -> Option<&SourceFile> {
        self.source_file(span.file)
    }

    /// Where the digits of a number stand, in whichever layer it was set.
    pub fn number_written(&self, setting: &str) -> Option<Span> {
        let settings = &self.gunicorn.settings;
        let SettingValue::Int(number) = *settings.get(setting).ok()? else { return None };
        let found = match settings.layer(setting)? {
            Layer::Default => return None,
            Layer::Environment => self.variable_written("WEB_CONCURRENCY")?,
            Layer::ConfigFile => {
                let span = settings.get(setting).span()?;
                self.is_plain_line(setting, span).then_some(span)?
            }
            Layer::CmdArgs => last(&self.cmd_args()?, setting)?.value_span,
            Layer::CommandLine => {
                let span = last(&self.command_line()?, setting)?.value_span;
                self.variable_in(span).unwrap_or(span)
            }
        };
        let (span, text) = unquoted(found, self.written(found)?);
        is_number(std::str::from_utf8(text).ok()?, number).then_some(span)
    }

    /// Every place that switches a setting on, or nothing where one of them cannot be told.
    pub fn switches(&self, setting: &str) -> Option<Vec<Switch>> {
        let mut found = Vec::new();
        for argument in self.command_line()?.set().filter(|a| a.setting == setting) {
            let word = self.written(argument.span)?;
            let letters = word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
            let plain = letters && (word.starts_with(b"--") || matches!(word, [b'-', _]));
            found.push(Switch::Word(plain.then_some(argument.span)?));
        }
        if self.cmd_args_set(setting)? {
            found.extend(self.switches_of_cmd_args(setting)?);
        }
        let settings = &self.gunicorn.settings;
        let decides = settings.layer(setting) == Some(Layer::ConfigFile);
        let own = decides.then(|| settings.get(setting).span());
        let lost = settings.overridden.iter().filter(|lost| {
            lost.setting == setting && lost.layer == Layer::ConfigFile && lost.same == Some(true)
        });
        for span in own.into_iter().chain(lost.map(|lost| lost.origin.span())) {
            let span = span?;
            let text = unquoted(span, self.written(span)?).1;
            let on = text.eq_ignore_ascii_case(b"true") && self.is_plain_line(setting, span);
            found.push(Switch::Value(on.then_some(span)?));
        }
        (!found.is_empty()).then_some(found)
    }

    fn switches_of_cmd_args(&self, setting: &str) -> Option<Vec<Switch>> {
        let words = self.cmd_args_words()?;
        let arguments = parse_arguments(&words, self.gunicorn.settings.table());
        let mut found = Vec::new();
        for argument in arguments.set().filter(|argument| argument.setting == setting) {
            let at = words.iter().position(|word| word.span == argument.span)?;
            // With the blanks before it, or behind it where it is the first.
            let part = match (at.checked_sub(1).and_then(|at| words.get(at)), words.get(at + 1)) {
                (Some(before), _) => Span { start: before.span.end, ..argument.span },
                (None, Some(next)) => Span { end: next.span.start, ..argument.span },
                (None, None) => argument.span,
            };
            found.push(Switch::Part(part));
        }
        (!found.is_empty()).then_some(found)
    }

    /// Where the value of a variable stands as gunicorn sees it, without the quotes round it, if
    /// it is written there just as it is.
    pub fn variable_written(&self, name: &str) -> Option<Span> {
        let launch = self.gunicorn.launch.ok()?;
        let mut set = launch.environment.iter().rev();
        if let Some((_, value, span)) = set.find(|(set, ..)| set == name) {
            return self.assigned(name, value, *span);
        }
        let unknown = launch.environment_unknown.iter().any(|(set, ..)| set == name)
            || launch.unset.iter().any(|unset| unset == name)
            || launch.cleared;
        if unknown { None } else { self.variable_of_unit(name) }
    }

    /// The same as the application sees it: gunicorn's `raw_env` comes before all.
    pub fn worker_variable_written(&self, name: &str) -> Option<Span> {
        let settings = &self.gunicorn.settings;
        let raw = settings.raw_env();
        let list = raw.ok()?.iter().rev().find(|(set, _)| set == name);
        let Some((_, value)) = list else {
            let own = &self.gunicorn.own_environment;
            let changed = own.variables.contains_key(name) || own.changes.is_some();
            return if changed { None } else { self.variable_written(name) };
        };
        let named = |argument: &&Argument| {
            let word = self.written(argument.value_span).unwrap_or_default();
            argument.setting == "raw_env"
                && unquoted(argument.value_span, word).1.starts_with(format!("{name}=").as_bytes())
        };
        let span = match settings.layer("raw_env")? {
            Layer::CommandLine => self.command_line()?.set().filter(named).last()?.value_span,
            Layer::CmdArgs => self.cmd_args()?.set().filter(named).last()?.value_span,
            _ => return self.item_of_list(name, value, raw.span()?),
        };
        self.assigned(name, value, span)
    }

    /// The value in `NAME=value`, quotes round the whole or round the value.
    fn assigned(&self, name: &str, value: &Secret, word: Span) -> Option<Span> {
        let (word, text) = unquoted(word, self.written(word)?);
        let before = name.len() + 1;
        let rest = text.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        let (span, rest) = unquoted(from(word, before), rest);
        (rest == value.expose()).then_some(span)
    }

    /// The value in `"NAME=value"`, which stands once in a list of gunicorn's configuration file.
    fn item_of_list(&self, name: &str, value: &Secret, list: Span) -> Option<Span> {
        let text = self.written(list)?;
        let item = [name.as_bytes(), b"=", value.expose()].concat();
        let mut found = memchr::memmem::find_iter(text, &item).filter(|at| {
            let before = at.checked_sub(1).and_then(|at| text.get(at));
            let after = text.get(at + item.len());
            before == after && matches!(before, Some(b'"' | b'\''))
        });
        let (at, None) = (found.next()?, found.next()) else { return None };
        let start = Span::new(list.file, list.start as usize + at + name.len() + 1, 0).start;
        let end = Span::new(list.file, list.start as usize + at + item.len(), 0).start;
        Some(Span { start, end, ..list })
    }

    fn variable_of_unit(&self, name: &str) -> Option<Span> {
        let variable = self.environment.variables.get(name)?;
        if variable.unknown.is_some() {
            return None;
        }
        let whole = variable.value_span?;
        let text = self.written(whole)?;
        if text == variable.value.expose() {
            return Some(whole);
        }
        let (span, text) = unquoted(whole, text);
        (text == variable.value.expose()).then_some(span)
    }

    /// Where the value stands of the one variable of which this word consists.
    fn variable_in(&self, word: Span) -> Option<Span> {
        let text = std::str::from_utf8(unquoted(word, self.written(word)?).1).ok()?;
        let name = text.strip_prefix('$')?;
        let name = match name.strip_prefix('{') {
            Some(name) => name.strip_suffix('}')?,
            None => name,
        };
        self.variable_written(name)
    }

    fn command_line(&self) -> Option<Arguments> {
        let launch = self.gunicorn.launch.ok()?;
        Some(parse_arguments(&launch.arguments, self.gunicorn.settings.table()))
    }

    /// Does GUNICORN_CMD_ARGS set it? Nothing where that is not known.
    fn cmd_args_set(&self, setting: &str) -> Option<bool> {
        let value = match self.gunicorn.cmd_args.ok()? {
            None => return Some(false),
            Some(value) => value,
        };
        let words = shlex::split(value.expose_str()?)?;
        let nowhere = |word: &String| {
            let file = crate::source::FileId(u32::MAX);
            ArgumentWord { secret: true, ..ArgumentWord::known(Text::verbatim(file, word, 0)) }
        };
        let words: Vec<ArgumentWord> = words.iter().map(nowhere).collect();
        let arguments = parse_arguments(&words, self.gunicorn.settings.table());
        Some(arguments.set().any(|argument| argument.setting == setting))
    }

    fn cmd_args(&self) -> Option<Arguments> {
        Some(parse_arguments(&self.cmd_args_words()?, self.gunicorn.settings.table()))
    }

    /// The words of GUNICORN_CMD_ARGS where they stand.
    fn cmd_args_words(&self) -> Option<Vec<ArgumentWord>> {
        let at = self.variable_written("GUNICORN_CMD_ARGS")?;
        let text = std::str::from_utf8(self.written(at)?).ok()?;
        let mut words = Vec::new();
        for range in shell_words(text) {
            let raw = text.get(range.clone())?;
            let [word] = shlex::split(raw)?.try_into().ok()?;
            let start = at.start as usize + range.start;
            let mut value = Text::empty(at.file, start);
            if word == raw {
                value = Text::verbatim(at.file, raw, start);
            } else {
                value.push_str(&word, start, at.start as usize + range.end);
            }
            let span = Span::new(at.file, start, at.start as usize + range.end);
            words.push(ArgumentWord { span, secret: true, ..ArgumentWord::known(value) });
        }
        Some(words)
    }

    /// The arguments of the command line that make a setting, each with its value, where nothing
    /// else makes it.
    pub fn argument_words(&self, setting: &str) -> Option<Vec<Span>> {
        let settings = &self.gunicorn.settings;
        let elsewhere = |lost: &super::gunicorn::Overridden| {
            lost.setting == setting && lost.layer != Layer::CommandLine
        };
        if settings.layer(setting) != Some(Layer::CommandLine)
            || settings.overridden.iter().any(elsewhere)
        {
            return None;
        }
        let arguments = self.command_line()?;
        let words = arguments.set().filter(|argument| argument.setting == setting);
        words.map(|argument| self.file_of(argument.span).map(|_| argument.span)).collect()
    }

    /// Where an argument of gunicorn's can be added, and with which blanks.
    pub fn with_argument(&self, argument: &str) -> Option<(Span, String)> {
        // A line that gunicorn refuses is to be mended, not added to.
        if !self.command_line()?.faults.is_empty() {
            return None;
        }
        let launch = self.gunicorn.launch.ok()?;
        if let Some(program) = &launch.gunicorn {
            let name = unquoted(program.span, self.written(program.span)?).1;
            let name = name.rsplit(|byte| *byte == b'/').next()?;
            let plain = name.starts_with(b"gunicorn") && program.unknown.is_none();
            let at = Span { start: program.span.end, ..program.span };
            let next = self.file_of(at)?.bytes.get(at.end as usize);
            let ends = next.is_none_or(|byte| byte.is_ascii_whitespace());
            return (plain && ends).then(|| (at, format!(" {argument}")));
        }
        let first = launch.arguments.first().filter(|word| !word.secret)?;
        let plain = self.written(first.span)? == first.value()?.as_bytes();
        plain.then(|| (Span { end: first.span.start, ..first.span }, format!("{argument} ")))
    }

    /// Is `NAME = value` all that its line says, and the name used nowhere else in the file?
    fn is_plain_line(&self, name: &str, value: Span) -> bool {
        let Some(file) = self.file_of(value) else { return false };
        let (start, end) = (value.start as usize, value.end as usize);
        let (Some(before), Some(after)) = (file.bytes.get(..start), file.bytes.get(end..)) else {
            return false;
        };
        let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let rest = after.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        assigns(line, name) && (rest.is_empty() || rest.starts_with(b"#")) && {
            let lines = file.bytes.split(|byte| *byte == b'\n');
            lines.filter(|line| names(line, name)).all(|line| {
                line.iter().position(|byte| *byte == b'=').is_some_and(|equals| {
                    let (before, after) = line.split_at(equals + 1);
                    assigns(before, name) && !names(after, name)
                })
            })
        }
    }
}

/// Is it this number, as Python and gunicorn read it: `63`, `0o77`, `077`, `0x3f`?
fn is_number(text: &str, number: i64) -> bool {
    let (digits, bases): (&str, &[u32]) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(digits), _) => (digits, &[8]),
        (_, Some(digits)) => (digits, &[16]),
        // Of a umask a zero at the beginning makes it octal.
        (None, None) => (text, &[10, 8]),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain && bases.iter().any(|base| i64::from_str_radix(digits, *base) == Ok(number))
}

/// Is this `NAME =`, with nothing before the name?
fn assigns(line: &[u8], name: &str) -> bool {
    line.trim_ascii().strip_suffix(b"=").is_some_and(|left| left.trim_ascii() == name.as_bytes())
}

/// Does a line of Python name it, outside of a comment?
fn names(line: &[u8], name: &str) -> bool {
    let code = line.split(|byte| *byte == b'#').next().unwrap_or_default();
    let inside = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    memchr::memmem::find_iter(code, name.as_bytes()).any(|at| {
        let before = at.checked_sub(1).and_then(|at| code.get(at));
        !inside(before) && !inside(code.get(at + name.len()))
    })
}

/// The last argument that sets it.
fn last(arguments: &Arguments, setting: &str) -> Option<Argument> {
    arguments.set().filter(|argument| argument.setting == setting).last().cloned()
}

/// Without one pair of quotes round it.
fn unquoted(span: Span, text: &[u8]) -> (Span, &[u8]) {
    match text {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => {
            (Span { start: span.start + 1, end: span.end - 1, ..span }, inner)
        }
        _ => (span, text),
    }
}

/// The span without its first bytes.
fn from(span: Span, bytes: usize) -> Span {
    let start = span.start.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    Span { start: start.min(span.end), ..span }
}

/// The words of a text as `shlex` cuts them, quotes and backslashes included.
fn shell_words(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut words = Vec::new();
    let (mut start, mut quote, mut escaped) = (None, None, false);
    for (at, byte) in text.bytes().enumerate() {
        let blank = byte.is_ascii_whitespace() && quote.is_none() && !escaped;
        match (blank, start) {
            (true, Some(from)) => {
                words.push(from..at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
        match (escaped, byte, quote) {
            (true, ..) => escaped = false,
            (_, b'\\', None | Some(b'"')) => escaped = true,
            (_, byte, Some(open)) if byte == open => quote = None,
            (_, b'"' | b'\'', None) => quote = Some(byte),
            _ => {}
        }
    }
    words.extend(start.map(|from| from..text.len()));
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_quotes() {
        let words = |text: &str| -> Vec<String> {
            shell_words(text).into_iter().map(|range| text[range].to_owned()).collect()
        };
        assert_eq!(words(" a  'b c'\"d\\\" e\" f\\ g"), ["a", "'b c'\"d\\\" e\"", "f\\ g"]);
        assert!(words("  ").is_empty());
    }

    #[test]
    fn a_number_is_read_in_every_base() {
        for text in ["63", "0o77", "077", "0x3f"] {
            assert!(is_number(text, 63), "{text}");
        }
        for text in ["", "0o", "-63", "+63", "6_3", "0o63", "three"] {
            assert!(!is_number(text, 63), "{text}");
        }
    }

    #[test]
    fn a_name_counts_only_in_code() {
        assert!(names(b"x = workers * 2", "workers"));
        assert!(!names(b"my_workers = 2  # workers", "workers"));
        assert!(assigns(b"  workers =", "workers") && !assigns(b"a = workers =", "workers"));
    }
}
