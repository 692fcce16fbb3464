//! Specifiers (`%i`, `%n`, `%t` …) as the system manager expands them (systemd.unit(5)).

use std::path::{Path, PathBuf};

use super::name::{self, UnitName};
use crate::source::{Span, Text};

/// What is needed to expand specifiers: the unit, and the systemd that expands them.
#[derive(Debug, Clone)]
pub struct Specifiers {
    /// The unit's name.
    pub name: UnitName,
    /// Its fragment's path on the machine that runs the unit, if known.
    pub fragment: Option<PathBuf>,
    /// The version of the systemd that reads the unit, if known.
    pub systemd: Option<u32>,
}

/// The result of expanding a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expansion {
    /// All of it is known.
    Known(Text),
    /// Something in the text depends on the machine or on a template's instance.
    NotKnown {
        /// The text, with the unknown specifiers left as written.
        written: Text,
        /// The first unknown specifier and why it is not known.
        why: String,
    },
    /// A specifier that systemd does not have: it refuses the value.
    Invalid(Span),
}

/// The expansion of one specifier.
enum One {
    Value(String),
    NotKnown(&'static str),
    Invalid,
    /// A `%` before something that is not a letter or digit, which stays as it is.
    Literal,
}

impl Specifiers {
    /// For a unit whose fragment's path is not known.
    pub fn new(name: UnitName) -> Self {
        Self { name, fragment: None, systemd: None }
    }

    /// Expands the specifiers of a text.
    pub fn expand(&self, text: &Text) -> Expansion {
        let value = text.as_str();
        let mut expanded = Text::empty(text.file(), text.span().start as usize);
        let mut why = None;
        let mut at = 0;
        while let Some(found) = value.get(at..).and_then(|rest| rest.find('%')) {
            let percent = at + found;
            copy(&mut expanded, text, at, percent);
            let letter = value.get(percent + 1..).and_then(|rest| rest.chars().next());
            let end = percent + 1 + letter.map_or(0, char::len_utf8);
            let span = text.span_of(percent..end);
            match letter.map_or(One::Literal, |letter| self.one(letter)) {
                One::Value(value) => {
                    expanded.push_str(&value, span.start as usize, span.end as usize);
                }
                One::Literal => copy(&mut expanded, text, percent, end),
                One::Invalid => return Expansion::Invalid(span),
                One::NotKnown(reason) => {
                    why.get_or_insert_with(|| {
                        format!("{} is {reason}", value.get(percent..end).unwrap_or("%"))
                    });
                    copy(&mut expanded, text, percent, end);
                }
            }
            at = end;
        }
        copy(&mut expanded, text, at, value.len());
        match why {
            Some(why) => Expansion::NotKnown { written: expanded, why },
            None => Expansion::Known(expanded),
        }
    }

    fn one(&self, letter: char) -> One {
        let value = |text: &str| One::Value(text.to_owned());
        let name = &self.name;
        match letter {
            '%' => value("%"),
            'n' => self.unless_template(name.to_string()),
            'N' => self.unless_template(name.stem()),
            'p' => value(name.prefix()),
            'P' => unescaped(name.prefix()),
            'i' => self.unless_template(name.instance().unwrap_or("").to_owned()),
            'I' if name.is_template() => One::NotKnown("the template's instance"),
            'I' => unescaped(name.instance().unwrap_or("")),
            'f' => self.path(),
            'j' => value(name.last_component()),
            'J' => unescaped(name.last_component()),
            'y' => self.fragment_path(|path| Some(path)),
            'Y' => self.fragment_path(Path::parent),
            't' => value("/run"),
            'S' => value("/var/lib"),
            'C' => value("/var/cache"),
            'L' => value("/var/log"),
            'E' => value("/etc"),
            'T' => value("/tmp"),
            'V' => value("/var/tmp"),
            'h' => value("/root"),
            'u' | 'g' => value("root"),
            'U' | 'G' => value("0"),
            's' => One::NotKnown("root's shell"),
            'd' => self.unless_template(format!("/run/credentials/{name}")),
            'c' | 'r' | 'R' => One::NotKnown("a path of the machine's control groups"),
            'D' => One::NotKnown("known to newer versions of systemd only"),
            'a' | 'A' | 'b' | 'B' | 'H' | 'l' | 'm' | 'M' | 'o' | 'q' | 'v' | 'w' | 'W' => {
                One::NotKnown("a property of the machine")
            }
            letter if letter.is_ascii_alphanumeric() => One::Invalid,
            _ => One::Literal,
        }
    }

    fn unless_template(&self, value: String) -> One {
        match self.name.is_template() {
            true => One::NotKnown("the template's instance"),
            false => One::Value(value),
        }
    }

    /// `%f`: the unescaped instance, or the prefix, as an absolute path.
    fn path(&self) -> One {
        if self.name.is_template() {
            return One::NotKnown("the template's instance");
        }
        let escaped = self.name.instance().unwrap_or(self.name.prefix());
        match name::unescape(escaped) {
            Some(path) if path.starts_with('/') => One::Value(path),
            Some(path) => One::Value(format!("/{path}")),
            None => One::NotKnown("a name with a broken escape"),
        }
    }

    fn fragment_path(&self, part: impl Fn(&Path) -> Option<&Path>) -> One {
        match self.fragment.as_deref().and_then(part).and_then(Path::to_str) {
            Some(path) => One::Value(path.to_owned()),
            None => One::NotKnown("the place of the unit's file"),
        }
    }
}

fn unescaped(text: &str) -> One {
    match name::unescape(text) {
        Some(text) => One::Value(text),
        None => One::NotKnown("a name with a broken escape"),
    }
}

/// Copies a part of a text together with its map to the file.
pub(super) fn copy(to: &mut Text, from: &Text, start: usize, end: usize) {
    let Some(part) = from.as_str().get(start..end) else { return };
    // The copy is split where the map jumps: copying in one piece would lose the jump.
    let mut run = start;
    let mut last = from.offset(start);
    let mut at = start;
    for character in part.chars() {
        let here = from.offset(at);
        if at > run && here != last {
            push(to, from, run, at);
            run = at;
        }
        at += character.len_utf8();
        last = from.offset(at - 1).saturating_add(1);
    }
    push(to, from, run, end);
}

fn push(to: &mut Text, from: &Text, start: usize, end: usize) {
    let Some(part) = from.as_str().get(start..end) else { return };
    let span = from.span_of(start..end);
    to.push_str(part, span.start as usize, span.end as usize);
}
