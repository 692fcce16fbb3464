//! The place of a part of a migration.

use ruff_text_size::TextRange;

use crate::source::{SourceFile, Span};

/// A range of the syntax tree as a span of its file.
pub(super) fn span(file: &SourceFile, range: TextRange) -> Span {
    Span::new(file.id, range.start().to_usize(), range.end().to_usize())
}
