//! `Environment=`, `PassEnvironment=` and `UnsetEnvironment=` (systemd.exec(5)).

use std::fmt;

use super::specifier::{Expansion, Specifiers};
use super::word::{self, Escapes, RawWord, Words};
use crate::source::{Secret, Span, Spanned, Text, placeholder};

/// One variable that `Environment=` sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentAssignment {
    /// Its name.
    pub name: Spanned<String>,
    /// Its value without quotes, with escapes and specifiers expanded.
    pub value: Secret,
    /// Where the value is.
    pub value_span: Span,
    /// The whole word, with its quotes.
    pub span: Span,
    /// Why the value is not known: a specifier that depends on the machine, a placeholder.
    pub unknown: Option<String>,
}

/// A word that systemd ignores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvironmentFault {
    /// What is wrong.
    pub kind: EnvironmentFaultKind,
    /// The word.
    pub span: Span,
}

/// The kinds of [`EnvironmentFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnvironmentFaultKind {
    /// A quote is not closed or an escape is unknown: the rest of the line is ignored.
    Syntax,
    /// No `=`.
    NoEquals,
    /// The name contains something other than letters, digits and underscores, or starts with a
    /// digit.
    BadName,
    /// A specifier that systemd does not have.
    UnknownSpecifier,
    /// The value is not UTF-8.
    NotUtf8,
}

impl fmt::Display for EnvironmentFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "a quote is not closed or an escape not known: the rest is ignored",
            Self::NoEquals => "a word without `=` is ignored",
            Self::BadName => "not a valid name for a variable: ignored",
            Self::UnknownSpecifier => "systemd has no such specifier: ignored",
            Self::NotUtf8 => "not UTF-8: ignored",
        })
    }
}

/// What `Environment=` sets, in order, and what systemd ignores.
pub fn assignments(
    value: &Text,
    specifiers: &Specifiers,
) -> (Vec<EnvironmentAssignment>, Vec<EnvironmentFault>) {
    let mut found = Vec::new();
    let mut faults = Vec::new();
    each(value, Escapes::Strict, &mut faults, |raw| {
        let (text, unknown) = resolve(value, raw, specifiers)?;
        let span = raw.span(value);
        let fail = |kind| EnvironmentFault { kind, span };
        let Some(equals) = text.as_str().find('=') else {
            return Err(fail(EnvironmentFaultKind::NoEquals));
        };
        let name = text.slice(0..equals);
        if !is_name(name.as_str()) {
            return Err(fail(EnvironmentFaultKind::BadName));
        }
        let content = text.slice(equals + 1..text.as_str().len());
        found.push(EnvironmentAssignment {
            name: Spanned { value: name.as_str().to_owned(), span: name.span() },
            value: Secret::new(content.as_str()),
            value_span: content.span(),
            span,
            unknown,
        });
        Ok(())
    });
    (found, faults)
}

/// The names in `PassEnvironment=`, and what systemd ignores.
pub fn passed(
    value: &Text,
    specifiers: &Specifiers,
) -> (Vec<Spanned<String>>, Vec<EnvironmentFault>) {
    let mut found = Vec::new();
    let mut faults = Vec::new();
    each(value, Escapes::Dropped, &mut faults, |raw| {
        let (text, unknown) = resolve(value, raw, specifiers)?;
        let span = raw.span(value);
        if unknown.is_none() && !is_name(text.as_str()) {
            return Err(EnvironmentFault { kind: EnvironmentFaultKind::BadName, span });
        }
        found.push(Spanned { value: text.as_str().to_owned(), span });
        Ok(())
    });
    (found, faults)
}

/// A word of `UnsetEnvironment=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unset {
    /// The name of the variable.
    pub name: Spanned<String>,
    /// The value with which alone the variable is removed; `None` removes it whatever its value.
    pub value: Option<Secret>,
}

/// The words of `UnsetEnvironment=`, and what systemd ignores.
pub fn unset(value: &Text, specifiers: &Specifiers) -> (Vec<Unset>, Vec<EnvironmentFault>) {
    let mut found = Vec::new();
    let mut faults = Vec::new();
    each(value, Escapes::Strict, &mut faults, |raw| {
        let (text, _) = resolve(value, raw, specifiers)?;
        let span = raw.span(value);
        let (name, content) = match text.as_str().split_once('=') {
            Some((name, content)) => (name, Some(Secret::new(content))),
            None => (text.as_str(), None),
        };
        if !is_name(name) {
            return Err(EnvironmentFault { kind: EnvironmentFaultKind::BadName, span });
        }
        found.push(Unset { name: Spanned { value: name.to_owned(), span }, value: content });
        Ok(())
    });
    (found, faults)
}

fn each(
    value: &Text,
    escapes: Escapes,
    faults: &mut Vec<EnvironmentFault>,
    mut take: impl FnMut(&RawWord) -> Result<(), EnvironmentFault>,
) {
    let mut words = Words::new(value.as_str());
    loop {
        words.skip_blanks();
        let start = words.at;
        match words.next(escapes) {
            Ok(Some(raw)) => faults.extend(take(&raw).err()),
            Ok(None) => return,
            Err(_) => {
                let span = word::span_of(value, start, value.as_str().len());
                faults.push(EnvironmentFault { kind: EnvironmentFaultKind::Syntax, span });
                return;
            }
        }
    }
}

/// The word's text with its specifiers expanded, and why the text is not known, if so.
fn resolve(
    value: &Text,
    raw: &RawWord,
    specifiers: &Specifiers,
) -> Result<(Text, Option<String>), EnvironmentFault> {
    let (text, utf8) = raw.text(value);
    let fail = |kind| EnvironmentFault { kind, span: raw.span(value) };
    let placeholder = placeholder::holds(text.as_str());
    let (text, mut unknown) = match specifiers.expand(&text) {
        Expansion::Known(text) => (text, None),
        Expansion::NotKnown { written, why } => (written, Some(why)),
        Expansion::Invalid(_) if placeholder => (text, None),
        Expansion::Invalid(_) => return Err(fail(EnvironmentFaultKind::UnknownSpecifier)),
    };
    if !utf8 {
        return Err(fail(EnvironmentFaultKind::NotUtf8));
    }
    if placeholder {
        unknown = Some("it contains a template's placeholder".into());
    }
    Ok((text, unknown))
}

/// Whether `env_name_is_valid()` accepts the name.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
