//! Variables that somebody meant to set, and that are lost on the way to the application.

use super::App;
use crate::source::unit::environment::{EnvironmentFaultKind, assignments};
use crate::source::{Span, Spanned};

/// A variable that a line was meant to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Where it stands.
    pub span: Span,
    /// How it is lost.
    pub how: HowLost,
}

/// How a variable is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HowLost {
    /// `Environment=A=p%23`: systemd has no such specifier and drops the assignment.
    Specifier,
    /// `Environment="A=1 B=2"`: B is a part of A's value.
    InQuotesOf(String),
    /// `env = {"A": "1"}` in gunicorn's configuration file, where this name is no setting.
    NoSetting(String),
}

/// Names under which people look for gunicorn's `raw_env`.
const TAKEN_FOR_RAW_ENV: [&str; 4] = ["env", "environ", "environment", "raw_environ"];

/// The names of variables that a setting of gunicorn's configuration file holds which gunicorn
/// does not have, with that setting's name.
pub(super) fn in_no_setting(
    name: &Spanned<String>,
    value: &crate::source::python::ConfigValue,
) -> Vec<(String, Spanned<String>)> {
    use crate::source::python::ConfigValue;
    if !TAKEN_FOR_RAW_ENV.contains(&name.value.as_str()) {
        return Vec::new();
    }
    let variables: Vec<&str> = match value {
        ConfigValue::Dict(items) => items.iter().filter_map(|(key, _)| text(key)).collect(),
        ConfigValue::List(items) => {
            let items = items.iter().filter_map(text);
            items.filter_map(|item| Some(item.split_once('=')?.0)).collect()
        }
        _ => Vec::new(),
    };
    variables.into_iter().map(|variable| (variable.to_owned(), name.clone())).collect()
}

fn text(value: &crate::source::python::ConfigValue) -> Option<&str> {
    match value {
        crate::source::python::ConfigValue::Str(text) => Some(text),
        _ => None,
    }
}

impl App {
    /// Where a variable that nothing sets was meant to be set.
    pub fn lost_variable(&self, name: &str) -> Option<Lost> {
        self.lost_in_unit(name).or_else(|| {
            let config = self.gunicorn.config.ok()?.as_ref()?;
            let (_, setting) = config.mistaken.iter().find(|(variable, _)| variable == name)?;
            Some(Lost { span: setting.span, how: HowLost::NoSetting(setting.value.clone()) })
        })
    }

    fn lost_in_unit(&self, name: &str) -> Option<Lost> {
        let unit = &self.service.unit;
        for line in unit.list("Service", "Environment") {
            let (found, faults) = assignments(&line.value, &unit.specifiers);
            for fault in faults {
                let file = unit.files().find(|file| file.file.id == fault.span.file)?;
                let word = file.file.slice(fault.span);
                let quotes = word.iter().take_while(|byte| matches!(byte, b'"' | b'\'')).count();
                let assigned = word.get(quotes..).and_then(|w| w.strip_prefix(name.as_bytes()));
                if fault.kind == EnvironmentFaultKind::UnknownSpecifier
                    && assigned.is_some_and(|rest| rest.starts_with(b"="))
                {
                    return Some(Lost { span: fault.span, how: HowLost::Specifier });
                }
            }
            let holds = |value: &str| {
                let mut words = value.split([' ', '\t']).skip(1);
                words.any(|word| word.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
            };
            let around = found.into_iter().find(|one| one.value.expose_str().is_some_and(holds));
            if let Some(around) = around {
                let how = HowLost::InQuotesOf(around.name.value);
                return Some(Lost { span: around.name.span, how });
            }
        }
        None
    }
}
