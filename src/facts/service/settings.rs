//! The resulting value of a single service setting: its text, a word, a boolean, a signal, a time
//! span.

use super::{Assignment, ExecCommand, Expansion, Service, Unit};
use crate::facts::{Known, Origin, Whose, Why};
use crate::source::unit::commands;
use crate::source::unit::environment::unset;
use crate::source::unit::time::{TimeSpan, parse_seconds};
use crate::source::unit::value::{parse_boolean, parse_signal};
use crate::source::{Span, Text, placeholder};

/// The value of a line, its specifiers expanded.
pub fn expanded(unit: &Unit, line: &Assignment) -> Result<Text, Why> {
    let key = &line.key.value;
    if placeholder::find_with_dollar(line.value.as_str()).is_some() {
        return Err(Why::not_understood(format!("{key}= contains a placeholder")));
    }
    match unit.specifiers.expand(&line.value) {
        Expansion::Known(text) => Ok(text),
        Expansion::NotKnown { why, .. } => {
            Err(Why::not_understood(why).about(format_args!("{key}=")))
        }
        Expansion::Invalid(_) => Err(Why::not_understood(format!(
            "{key}= contains a specifier that systemd does not \
                 have"
        ))),
    }
}

impl Service {
    /// Does `AmbientCapabilities=`, whose lines add up, give its processes this capability?
    pub fn gives(&self, capability: &str) -> bool {
        let lines = self.unit.list("Service", "AmbientCapabilities");
        lines.iter().any(|line| line.value.as_str().to_ascii_uppercase().contains(capability))
    }

    /// The effective text of a `[Service]` setting, its specifiers expanded.
    pub fn text(&self, key: &str) -> Known<Option<Text>> {
        self.text_in("Service", key)
    }

    /// The effective text of a setting, its specifiers expanded.
    pub fn text_in(&self, section: &str, key: &str) -> Known<Option<Text>> {
        let Some(assignment) = self.unit.last(section, key) else {
            return Known::Default(None, Whose::SYSTEMD);
        };
        match expanded(&self.unit, assignment) {
            Ok(text) => {
                let span = text.span();
                Known::Value(Some(text), Origin::text(span))
            }
            Err(why) => Known::Unknown(why),
        }
    }

    /// A word such as `Restart=`'s; `default` where nothing sets it.
    pub fn word(&self, key: &str, default: &str) -> Known<String> {
        match self.text(key) {
            Known::Value(Some(text), origin) => Known::Value(text.as_str().to_owned(), origin),
            Known::Value(None, _) | Known::Default(..) | Known::Observed(..) => {
                Known::Default(default.to_owned(), Whose::SYSTEMD)
            }
            Known::Unknown(why) => Known::Unknown(why),
        }
    }

    /// A boolean; `default` where nothing sets it or systemd ignores what does.
    pub fn boolean(&self, key: &str, default: bool) -> Known<bool> {
        match self.word(key, "") {
            Known::Value(word, origin) => match parse_boolean(&word) {
                Some(value) => Known::Value(value, origin),
                None => Known::Default(default, Whose::SYSTEMD),
            },
            Known::Default(..) | Known::Observed(..) => Known::Default(default, Whose::SYSTEMD),
            Known::Unknown(why) => Known::Unknown(why),
        }
    }

    /// A signal by its full name, `SIGTERM`, as systemd reads it; `default` where nothing sets one.
    pub fn signal(&self, key: &str, default: &str) -> Known<String> {
        self.word(key, default).map(|word| parse_signal(&word).unwrap_or(word))
    }

    /// The line by which `UnsetEnvironment=` takes a variable away, whatever its value.
    pub fn unsets(&self, variable: &str) -> Option<Span> {
        let lines = self.unit.list("Service", "UnsetEnvironment");
        let line = lines.into_iter().find(|line| {
            let (names, _) = unset(&line.value, &self.unit.specifiers);
            names.iter().any(|unset| unset.name.value == variable && unset.value.is_none())
        })?;
        Some(line.span)
    }

    /// The assignment of a command that is the only one on its line (`;` separates several).
    pub fn only_command(&self, command: &ExecCommand) -> Option<&Assignment> {
        let file = self.unit.files().find(|file| file.file.id == command.span.file)?;
        let before = file.assignments.partition_point(|line| line.span.start <= command.span.start);
        let assignment = file.assignments.get(before.checked_sub(1)?)?;
        if assignment.span.end < command.span.end {
            return None;
        }
        let commands = commands(&assignment.value, &self.unit.specifiers).ok()?;
        (commands.len() == 1).then_some(assignment)
    }

    /// Does the machine's systemd take a `[Service]` setting with this value? Where its version is
    /// not known, it does.
    pub fn takes(&self, key: &str, value: &str) -> bool {
        crate::source::unit::known::holds("Service", key, value, self.unit.specifiers.systemd)
    }

    /// A time span; `default` where nothing sets it or systemd ignores what does.
    pub fn seconds(&self, key: &str, default: Known<TimeSpan>) -> Known<TimeSpan> {
        match self.word(key, "") {
            Known::Value(word, origin) => match parse_seconds(&word) {
                Some(value) => Known::Value(value, origin),
                None => default,
            },
            Known::Default(..) | Known::Observed(..) => default,
            Known::Unknown(why) => Known::Unknown(why),
        }
    }
}
