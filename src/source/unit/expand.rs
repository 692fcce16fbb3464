//! Variables in command lines, expanded as systemd does when it starts the command
//! (`replace_env_argv()`).

use std::fmt;

use super::exec::{ExecCommand, Variable, Word};
use super::specifier::copy;
use crate::source::{Lookup, Secret, Span, Text};

/// A word of a command line as the process sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct ExpandedWord {
    /// The text; `None` if it is not known.
    pub text: Option<Text>,
    /// The text with its unknown parts left as written, which is enough to recognise options.
    pub written: Text,
    /// The word it came from.
    pub span: Span,
    /// Whether the text contains a variable's value and must not be printed.
    pub secret: bool,
    /// Why the text is not known.
    pub unknown: Option<String>,
    /// Whether the word can become any number of words, including none.
    pub splits: bool,
}

impl fmt::Debug for ExpandedWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ExpandedWord");
        if !self.secret {
            shown.field("text", &self.text).field("written", &self.written);
        }
        shown
            .field("span", &self.span)
            .field("secret", &self.secret)
            .field("unknown", &self.unknown)
            .field("splits", &self.splits)
            .finish()
    }
}

/// Expands the program and the arguments of a command. The program itself is never expanded, and
/// the name after the prefix `@` is left out.
pub fn expand<'a>(
    command: &ExecCommand,
    lookup: impl Fn(&str) -> Lookup<&'a Secret>,
) -> Vec<ExpandedWord> {
    let mut words = vec![plain(&command.program)];
    for word in &command.arguments {
        if command.prefixes.no_environment {
            words.push(plain(word));
            continue;
        }
        match word.variables.as_slice() {
            [variable] if variable.splits => split(word, variable, &lookup, &mut words),
            variables => words.push(replace(word, variables, &lookup)),
        }
    }
    words
}

fn plain(word: &Word) -> ExpandedWord {
    ExpandedWord {
        text: word.unknown.is_none().then(|| word.text.clone()),
        written: word.text.clone(),
        span: word.span,
        secret: false,
        unknown: word.unknown.clone(),
        splits: false,
    }
}

/// Expands `$NAME` as a whole word: the value is split at white space, and its quotes are removed.
fn split<'a>(
    word: &Word,
    variable: &Variable,
    lookup: &impl Fn(&str) -> Lookup<&'a Secret>,
    words: &mut Vec<ExpandedWord>,
) {
    let unknown =
        |why: String| ExpandedWord { text: None, unknown: Some(why), splits: true, ..plain(word) };
    if let Some(why) = &word.unknown {
        words.push(unknown(why.clone()));
        return;
    }
    match lookup(&variable.name) {
        Lookup::Unset => {}
        Lookup::Unknown(why) => words.push(unknown(why)),
        Lookup::Set(value) => match value.expose_str() {
            None => words.push(unknown(not_utf8(&variable.name))),
            Some(value) => words.extend(split_value(value).into_iter().map(|part| {
                let mut text = Text::empty(word.text.file(), variable.span.start as usize);
                push(&mut text, &part, variable.span);
                let written = text.clone();
                ExpandedWord { text: Some(text), written, secret: true, ..plain(word) }
            })),
        },
    }
}

/// `strv_split_full(EXTRACT_RELAX | EXTRACT_UNQUOTE)`: backslashes are removed, and an unclosed
/// quote ends with the value.
fn split_value(value: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part: Option<String> = None;
    let mut quote = None;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', _) => {
                part.get_or_insert_default().extend(characters.next());
            }
            (_, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(character);
                part.get_or_insert_default();
            }
            (' ' | '\t' | '\n' | '\r', None) => parts.extend(part.take()),
            _ => part.get_or_insert_default().push(character),
        }
    }
    parts.extend(part);
    parts
}

/// Expands `${NAME}` within a word, and `$$`.
fn replace<'a>(
    word: &Word,
    variables: &[Variable],
    lookup: &impl Fn(&str) -> Lookup<&'a Secret>,
) -> ExpandedWord {
    let mut expanded = plain(word);
    let mut text = Text::empty(word.text.file(), word.text.span().start as usize);
    let mut at = 0;
    for variable in variables {
        copy_plain(&mut text, &word.text, at, variable.range.start);
        at = variable.range.end;
        match lookup(&variable.name) {
            Lookup::Unset => {}
            Lookup::Set(value) => {
                expanded.secret = true;
                match value.expose_str() {
                    Some(value) => push(&mut text, value, variable.span),
                    None => expanded.unknown = Some(not_utf8(&variable.name)),
                }
            }
            Lookup::Unknown(why) => {
                expanded.unknown.get_or_insert(why);
                copy(&mut text, &word.text, variable.range.start, variable.range.end);
            }
        }
    }
    copy_plain(&mut text, &word.text, at, word.text.as_str().len());
    expanded.text = expanded.unknown.is_none().then(|| text.clone());
    expanded.written = text;
    expanded
}

/// Copies text, with `$$` replaced by `$`.
fn copy_plain(to: &mut Text, from: &Text, start: usize, end: usize) {
    let mut at = start;
    while let Some(found) = from.as_str().get(at..end).and_then(|rest| rest.find("$$")) {
        copy(to, from, at, at + found + 1);
        at += found + 2;
    }
    copy(to, from, at, end);
}

/// Appends a variable's value. The place of each of its characters is the place of the variable.
fn push(text: &mut Text, value: &str, span: Span) {
    let mut buffer = [0; 4];
    for character in value.chars() {
        text.push_str(character.encode_utf8(&mut buffer), span.start as usize, span.end as usize);
    }
}

fn not_utf8(name: &str) -> String {
    format!("the value of {name} is not UTF-8")
}
