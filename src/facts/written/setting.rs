//! Where a gunicorn setting has to be changed. There is no answer unless a different value at that
//! position would certainly mean what it says.

use super::spelling::{Spelling, Syntax, open_quote, unquoted};
use crate::facts::gunicorn::{Layer, Statement};
use crate::facts::{App, Why};
use crate::source::gunicorn::{SettingValue, shlex};
use crate::source::{Secret, Span};

/// Where a setting is made or can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// A statement makes it.
    Made {
        /// In which layer.
        layer: Layer,
        /// All of it.
        whole: Span,
        /// Its value; of a switch the flag.
        value: Spelling,
    },
    /// Nothing makes it: this flag can go next to a word of the command line.
    Free {
        /// The word.
        word: Span,
        /// Which side of it.
        side: Side,
        /// The flag.
        flag: &'static str,
    },
}

/// A side of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before it.
    Before,
    /// Behind it.
    Behind,
}

impl Site {
    /// The place itself.
    pub fn span(&self) -> Span {
        match *self {
            Self::Made { value, .. } => value.span,
            Self::Free { word, side: Side::Before, .. } => Span { end: word.start, ..word },
            Self::Free { word, side: Side::Behind, .. } => Span { start: word.end, ..word },
        }
    }
}

impl App {
    /// Where what decides a setting is written, or where it can be set where nothing sets it.
    pub fn setting_site(&self, setting: &str) -> Result<Site, Why> {
        let settings = &self.gunicorn.settings;
        match settings.layer(setting) {
            Some(Layer::Default) => return self.free_site(setting),
            None => return Err(Why::not_there(format!("gunicorn has no setting {setting}"))),
            Some(_) => {}
        }
        let value = settings.get(setting);
        let value = value.get()?;
        let [statement] = settings.statements(setting) else { return Err(cannot_tell(setting)) };
        let site = self.site(setting, statement)?;
        let Site::Made { value: written, .. } = site else { return Err(cannot_tell(setting)) };
        let text = self.written(written.span).unwrap_or_default();
        match reads_as(text, value) {
            true => Ok(site),
            false => Err(Why::not_understood(format!("{setting} is not set by a plain value"))),
        }
    }

    /// One item of a list, where a statement of its own makes it.
    pub fn item_site(&self, setting: &str, item: &str) -> Result<Site, Why> {
        let mut found = Vec::new();
        for statement in self.gunicorn.settings.statements(setting) {
            if statement.layer == Layer::CommandLine {
                let site = self.site(setting, statement)?;
                if self.written(site.span()) == Some(item.as_bytes()) {
                    found.push(site);
                }
            }
        }
        match found.as_slice() {
            [site] => Ok(*site),
            _ => Err(cannot_tell(setting)),
        }
    }

    fn site(&self, setting: &str, statement: &Statement) -> Result<Site, Why> {
        let Statement { layer, whole, value, variable } = *statement;
        self.with_writings(|writings| {
            let value = match (layer, variable) {
                (Layer::CmdArgs, Some(variable)) => {
                    let text = writings.text(value)?;
                    let span = unquoted(value, &text).0;
                    let before = Span { end: span.start, ..variable.span };
                    let quote = open_quote(&writings.text(before)?);
                    Spelling { span, syntax: Syntax::Words, quote, within: Some(variable.into()) }
                }
                (_, Some(variable)) => variable,
                (Layer::CommandLine, None) => {
                    writings.variable_in(value).unwrap_or_else(|| writings.spelling(value))?
                }
                _ if self.is_plain_line(setting, value) => writings.spelling(value)?,
                _ => {
                    let why =
                        format!("the file does more with {setting} than set it on its own line");
                    return Err(Why::not_understood(why));
                }
            };
            Ok(Site::Made { layer, whole, value })
        })
    }

    /// Every place that switches a setting on.
    pub fn switches(&self, setting: &str) -> Result<Vec<Site>, Why> {
        let settings = &self.gunicorn.settings;
        // What GUNICORN_CMD_ARGS says is to be known, whoever wins.
        let cmd_args = self.gunicorn.cmd_args.get()?;
        let cut = |value: &Secret| value.expose_str().and_then(shlex::split).is_some();
        if cmd_args.as_ref().is_some_and(|value| !cut(value)) {
            return Err(Why::not_understood("GUNICORN_CMD_ARGS is not understood"));
        }
        let mut statements = Vec::new();
        if settings.layer(setting) > Some(Layer::Environment) {
            statements.push(settings.statements(setting));
        }
        for lost in settings.lost(setting) {
            // What the file says otherwise does not switch it on.
            if lost.layer != Layer::ConfigFile || lost.same == Some(true) {
                statements.push(&lost.statements);
            }
        }
        // Told apart from what is made and cannot be found.
        if statements.is_empty() || statements.iter().any(|of| of.is_empty()) {
            return Err(cannot_tell(setting));
        }
        statements.into_iter().flatten().map(|of| self.switch(setting, of)).collect()
    }

    fn switch(&self, setting: &str, statement: &Statement) -> Result<Site, Why> {
        let site = self.site(setting, statement)?;
        let text = self.written(site.span()).unwrap_or_default();
        let is_on = match statement.layer {
            Layer::ConfigFile => text.eq_ignore_ascii_case(b"true"),
            // `-DR` is two switches in one word.
            Layer::CommandLine => {
                let letters = text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
                letters && (text.starts_with(b"--") || matches!(text, [b'-', _]))
            }
            _ => true,
        };
        is_on.then_some(site).ok_or_else(|| cannot_tell(setting))
    }

    /// Every argument of the command line that makes a setting, where nothing else makes it.
    pub fn argument_sites(&self, setting: &str) -> Result<Vec<Site>, Why> {
        let settings = &self.gunicorn.settings;
        let own = settings.statements(setting);
        let lost: Vec<&Statement> = settings.lost(setting).flat_map(|l| &l.statements).collect();
        let elsewhere = settings.lost(setting).any(|lost| lost.layer != Layer::CommandLine);
        if settings.layer(setting) != Some(Layer::CommandLine) || elsewhere || own.is_empty() {
            return Err(Why::depends(format!(
                "more than arguments of the command line may set {setting}"
            )));
        }
        let all = lost.into_iter().chain(own);
        let site = |statement: &Statement| {
            let Statement { layer, whole, value, .. } = *statement;
            self.file_of(whole).ok_or_else(|| cannot_tell(setting))?;
            let value = self.with_writings(|writings| writings.spelling(value))?;
            Ok(Site::Made { layer, whole, value })
        };
        all.map(site).collect()
    }

    /// Where an argument of gunicorn's can be added.
    pub fn free_site(&self, setting: &str) -> Result<Site, Why> {
        let flags = self.gunicorn.settings.table().get(setting).map(|setting| setting.flags);
        let flag = flags.and_then(|flags| flags.iter().rev().find(|flag| flag.starts_with("--")));
        let flag = flag.ok_or_else(|| Why::not_there(format!("no option sets {setting}")))?;
        // A line that gunicorn refuses is to be repaired, not added to.
        let faults = &self.gunicorn.settings.faults;
        if faults.iter().any(|fault| fault.layer == Layer::CommandLine && fault.exit_status == 2) {
            return Err(Why::not_understood("gunicorn refuses its command line"));
        }
        let launch = self.gunicorn.launch.get()?;
        let unclear = || Why::not_understood("the command line is not made of plain words");
        if let Some(program) = &launch.gunicorn {
            let text = self.written(program.span).ok_or_else(unclear)?;
            let name = unquoted(program.span, text).1;
            let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let file = self.file_of(program.span).ok_or_else(unclear)?;
            let next = file.bytes.get(program.span.end as usize);
            let ends = next.is_none_or(|byte| byte.is_ascii_whitespace());
            if !name.starts_with(b"gunicorn") || program.unknown.is_some() || !ends {
                return Err(unclear());
            }
            return Ok(Site::Free { word: program.span, side: Side::Behind, flag });
        }
        let first = launch.arguments.first().filter(|word| !word.secret).ok_or_else(unclear)?;
        let plain = self.written(first.span) == first.value().map(str::as_bytes);
        let site = Site::Free { word: first.span, side: Side::Before, flag };
        plain.then_some(site).ok_or_else(unclear)
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

fn cannot_tell(setting: &str) -> Why {
    Why::not_understood(format!("the places that set {setting} are not all known"))
}

/// Does a text mean just this value where it is?
fn reads_as(text: &[u8], value: &SettingValue) -> bool {
    let text = std::str::from_utf8(text).ok();
    text.is_some_and(|text| match value {
        SettingValue::Int(number) => is_number(text, *number),
        SettingValue::Text(own) => text == own,
        _ => false,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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
