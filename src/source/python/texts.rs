//! The parts of a Python file that are not code: strings and comments.

use std::ops::Range;

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, ParseOptions};

use super::{STACK_SIZE, depth, encoding};
use crate::source::SourceFile;

/// The places of strings and comments, in the order of the file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Texts {
    /// Strings with their quotes and prefixes; for strings with values in them (`f"…"`), the pieces
    /// between the values.
    pub strings: Vec<Range<usize>>,
    /// Comments.
    pub comments: Vec<Range<usize>>,
}

/// Finds strings and comments. `None` if the offsets in the file are not those in the text (another
/// encoding), or if the file nests too deeply.
pub fn texts(file: &SourceFile) -> Option<Texts> {
    let encoding::Decoded::Text(text) = encoding::decode(file) else { return None };
    let same = text.as_bytes() == file.bytes;
    if !same || !matches!(depth::check(file.id, &text), depth::Depth::Fine) {
        return None;
    }
    let find = || {
        let options = ParseOptions::from(Mode::Module);
        let parsed = ruff_python_parser::parse_unchecked(&text, options);
        let mut found = Texts::default();
        for token in parsed.tokens() {
            let range = token.as_tuple().1;
            let range = range.start().to_usize()..range.end().to_usize();
            match token.kind() {
                TokenKind::String | TokenKind::FStringMiddle | TokenKind::TStringMiddle => {
                    found.strings.push(range);
                }
                TokenKind::Comment => found.comments.push(range),
                _ => {}
            }
        }
        found
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_SIZE);
        thread.spawn_scoped(scope, find).ok()?.join().ok()
    })
}
