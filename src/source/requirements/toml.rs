//! Small helpers for walking TOML values with positions.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::Requirements;
use crate::source::{SourceFile, Span};

/// Parses a file; a syntax error becomes a fault, and the result is `None`.
pub(super) fn parse<'t>(
    file: &SourceFile,
    text: &'t str,
    found: &mut Requirements,
) -> Option<DeTable<'t>> {
    match DeTable::parse(text) {
        Ok(table) => Some(table.into_inner()),
        Err(error) => {
            let range = error.span().unwrap_or(0..0);
            let span = Span::new(file.id, range.start, range.end);
            found.fault(span, format!("is not TOML: {}", error.message()));
            None
        }
    }
}

/// A table under a key.
pub(super) fn table<'a, 't>(table: &'a DeTable<'t>, key: &str) -> Option<&'a DeTable<'t>> {
    table.get(key)?.get_ref().as_table()
}

/// A string under a key.
pub(super) fn string<'a>(table: &'a DeTable<'_>, key: &str) -> Option<&'a str> {
    table.get(key)?.get_ref().as_str()
}

/// A boolean under a key; false if there is none.
pub(super) fn flag(table: &DeTable<'_>, key: &str) -> bool {
    table.get(key).and_then(|value| value.get_ref().as_bool()).unwrap_or(false)
}

/// The values of an array under a key; empty if there is no array.
pub(super) fn array<'a, 't>(
    table: &'a DeTable<'t>,
    key: &str,
) -> impl Iterator<Item = &'a Spanned<DeValue<'t>>> {
    table.get(key).and_then(|value| value.get_ref().as_array()).into_iter().flat_map(|a| a.iter())
}

/// The strings of an array under a key.
pub(super) fn strings(table: &DeTable<'_>, key: &str) -> Vec<String> {
    array(table, key).filter_map(|value| value.get_ref().as_str()).map(str::to_owned).collect()
}

/// The place of a value.
pub(super) fn span(file: &SourceFile, value: &Spanned<DeValue<'_>>) -> Span {
    let range = value.span();
    Span::new(file.id, range.start, range.end)
}
