//! Where the value of a variable is written, as gunicorn or the application sees it.

use super::spelling::{Spelling, Syntax, from, open_quote, part, unquoted};
use crate::facts::gunicorn::{Launch, WrapperKind};
use crate::facts::{Environment, Why};
use crate::source::gunicorn::ArgumentWord;
use crate::source::gunicorn::shlex::{self, ShellWord};
use crate::source::unit::Unit;
use crate::source::{FileId, Secret, Span, Text};

/// What decides how gunicorn is run, as it is written.
pub struct Writings<'a> {
    /// The unit.
    pub unit: &'a Unit,
    /// The environment that it gives.
    pub environment: &'a Environment,
    /// How it starts gunicorn.
    pub launch: Option<&'a Launch>,
    /// gunicorn's configuration file.
    pub config: Option<FileId>,
    /// The bytes of a place.
    pub bytes: &'a dyn Fn(Span) -> Option<Vec<u8>>,
}

impl Writings<'_> {
    /// How what is at a place is written.
    pub fn spelling(&self, at: Span) -> Result<Spelling, Why> {
        let text = self.text(at)?;
        let (span, _) = unquoted(at, &text);
        let (syntax, start) = self.syntax(span);
        // What a shell's line means before it is not looked at; of Python its line is.
        let start = match syntax {
            Syntax::Shell => at.start,
            Syntax::Python => 0,
            _ => start,
        };
        let before = self.text(Span { start, end: span.start, ..span })?;
        let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let before = if syntax == Syntax::Python { line } else { &before };
        Ok(Spelling { span, syntax, quote: open_quote(before), within: None })
    }

    pub(super) fn text(&self, at: Span) -> Result<Vec<u8>, Why> {
        (self.bytes)(at).ok_or_else(|| Why::not_read("the file that says it was not read"))
    }

    /// The language of a place, and where the text begins in which it is.
    fn syntax(&self, at: Span) -> (Syntax, u32) {
        if self.config == Some(at.file) {
            return (Syntax::Python, at.start);
        }
        if let Some(read) = self.environment.read_files().find(|read| read.source.id == at.file) {
            let lines = &read.content.assignments;
            let line = lines.iter().rev().find(|line| line.value_span.start <= at.start);
            return (Syntax::EnvironmentFile, line.map_or(at.start, |line| line.value_span.start));
        }
        let Some(file) = self.unit.files().find(|file| file.file.id == at.file) else {
            return (Syntax::Shell, at.start);
        };
        let behind = file.assignments.partition_point(|line| line.span.start <= at.start);
        let line = behind.checked_sub(1).and_then(|at| file.assignments.get(at));
        let start = line.map_or(at.start, |line| line.value.span().start);
        let shell = |kind: &WrapperKind| {
            matches!(kind, WrapperKind::Dash | WrapperKind::Bash | WrapperKind::Sh)
        };
        let runs = line.is_some_and(|line| line.key.value.starts_with("Exec"));
        let wrapped = self.launch.is_some_and(|l| l.wrappers.iter().any(|w| shell(&w.kind)));
        match (runs, wrapped) {
            (true, true) => (Syntax::Shell, start),
            (true, false) => (Syntax::Exec, start),
            (false, _) => (Syntax::Assignment, start),
        }
    }

    /// How the value of a variable is written as gunicorn sees it, if it is written there just as
    /// it is.
    pub fn variable(&self, name: &str) -> Result<Spelling, Why> {
        let launch = self
            .launch
            .ok_or_else(|| Why::not_understood("how gunicorn is started is not known"))?;
        let set = self.environment.seen_by_gunicorn(Some(launch), name)?;
        let set = set.ok_or_else(|| Why::not_there(format!("nothing sets {name}")))?;
        match set.span.filter(|span| !self.environment.decides(name, *span)) {
            Some(on_the_way) => self.assigned(name, &set.value, on_the_way),
            None => self.variable_of_unit(name),
        }
    }

    fn variable_of_unit(&self, name: &str) -> Result<Spelling, Why> {
        let variable = self.environment.variables.get(name);
        let variable = variable.ok_or_else(|| Why::not_there(format!("nothing sets {name}")))?;
        if let Some(why) = &variable.unknown {
            return Err(why.about(name));
        }
        let at = variable.value_span.ok_or_else(|| Why::depends(format!("systemd sets {name}")))?;
        let text = self.text(at)?;
        let spelling = self.spelling(at)?;
        if text == variable.value.expose() {
            // Quotes that belong to the value stay with it.
            return Ok(Spelling { span: at, ..spelling });
        }
        match unquoted(at, &text).1 == variable.value.expose() {
            true => Ok(spelling),
            false => Err(other_words(name)),
        }
    }

    /// The value in `NAME=value`, quotes around the whole or around the value.
    pub(super) fn assigned(&self, name: &str, value: &Secret, word: Span) -> Result<Spelling, Why> {
        let text = self.text(word)?;
        let outer = self.spelling(word)?;
        let (word, text) = unquoted(word, &text);
        let rest = text.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        let rest = rest.ok_or_else(|| other_words(name))?;
        let whole = from(word, name.len() + 1);
        let (span, rest) = unquoted(whole, rest);
        if rest != value.expose() {
            return Err(other_words(name));
        }
        let own = self.text(Span { end: span.start, ..whole })?;
        Ok(Spelling { span, quote: outer.quote.or_else(|| open_quote(&own)), ..outer })
    }

    /// The value in `"NAME=value"`, which is once in a list of gunicorn's configuration file.
    pub(super) fn item_of_list(
        &self,
        name: &str,
        value: &Secret,
        list: Span,
    ) -> Result<Spelling, Why> {
        let text = self.text(list)?;
        let item = [name.as_bytes(), b"=", value.expose()].concat();
        let mut found = memchr::memmem::find_iter(&text, &item).filter(|at| {
            let before = at.checked_sub(1).and_then(|at| text.get(at));
            let after = text.get(at + item.len());
            before == after && matches!(before, Some(b'"' | b'\''))
        });
        let (Some(at), None) = (found.next(), found.next()) else { return Err(other_words(name)) };
        let span = part(list, at + name.len() + 1..at + item.len());
        let quote = open_quote(text.get(at - 1..at).unwrap_or_default());
        Ok(Spelling { span, syntax: Syntax::Python, quote, within: None })
    }

    /// Where the value is of the one variable of which this word consists; `None` if it is no such
    /// word.
    pub(super) fn variable_in(&self, word: Span) -> Option<Result<Spelling, Why>> {
        let text = self.text(word).ok()?;
        let text = std::str::from_utf8(unquoted(word, &text).1).ok()?;
        let name = text.strip_prefix('$')?;
        let name = match name.strip_prefix('{') {
            Some(name) => name.strip_suffix('}')?,
            None => name,
        };
        Some(self.variable(name))
    }

    /// The words of GUNICORN_CMD_ARGS where they are, and how the variable itself is written.
    pub fn cmd_args(&self) -> Option<(Spelling, Vec<ArgumentWord>)> {
        let of = self.variable("GUNICORN_CMD_ARGS").ok()?;
        let at = of.span;
        let text = self.text(at).ok()?;
        let text = std::str::from_utf8(&text).ok()?;
        let mut words = Vec::new();
        for ShellWord { value: word, range } in shlex::words(text)? {
            let raw = text.get(range.clone())?;
            let span = part(at, range);
            let mut value = Text::empty(at.file, span.start as usize);
            let (inner, bare) = unquoted(span, raw.as_bytes());
            if word.as_bytes() == bare {
                value = Text::verbatim(at.file, &word, inner.start as usize);
            } else {
                value.push_str(&word, span.start as usize, span.end as usize);
            }
            words.push(ArgumentWord { span, secret: true, ..ArgumentWord::known(value) });
        }
        Some((of, words))
    }
}

fn other_words(name: &str) -> Why {
    Why::not_understood(format!("{name} is not set by a plain value"))
}
