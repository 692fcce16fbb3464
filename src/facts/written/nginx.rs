//! Words of nginx's configuration that are written as they are read.

use super::spelling::{Quote, Spelling, Syntax, part, unquoted};
use crate::source::Span;
use crate::source::nginx::Model;
use crate::source::placeholder;

/// A word that is written as it is read: where it is without the quotes around it, and its text.
/// `None` if it holds an escape or a template's placeholder.
pub fn word(model: &Model, word: Span) -> Option<(Spelling, &str)> {
    let file = model.config.trees.iter().map(|tree| &tree.file).find(|f| f.id == word.file)?;
    let written = file.slice(word);
    let (span, text) = unquoted(word, written);
    let text = std::str::from_utf8(text).ok()?;
    let holds = |marks: &[char]| text.contains(marks);
    let plain = !holds(&['\\', '"', '\'', '\n', '\r', '{', '}', '<', '>'])
        && placeholder::find(text).is_none();
    plain.then(|| (part_of(word, written, span), text))
}

/// A part of a word, which is written between the word's own quotes.
pub(super) fn part_of(word: Span, written: &[u8], part: Span) -> Spelling {
    let quoted = unquoted(word, written).0 != word;
    let quote = written.first().filter(|_| quoted).and_then(|byte| Quote::of(*byte));
    Spelling { span: part, syntax: Syntax::Nginx, quote, within: None }
}

/// The first place in such a word where a text is.
pub fn text_in(model: &Model, at: Span, text: &str) -> Option<Spelling> {
    let (spelling, own) = word(model, at)?;
    let start = own.find(text)?;
    Some(Spelling { span: part(spelling.span, start..start + text.len()), ..spelling })
}

/// The beginning of such a word, up to this text at its end.
pub fn before_end(model: &Model, at: Span, end: &str) -> Option<Spelling> {
    let (spelling, own) = word(model, at)?;
    let length = own.strip_suffix(end)?.len();
    Some(Spelling { span: part(spelling.span, 0..length), ..spelling })
}

/// This text at the end of such a word.
pub fn end(model: &Model, at: Span, end: &str) -> Option<Spelling> {
    let (spelling, own) = word(model, at)?;
    let length = own.strip_suffix(end)?.len();
    Some(Spelling { span: part(spelling.span, length..own.len()), ..spelling })
}
