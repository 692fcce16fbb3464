//! The texts that are open in the editor.
//!
//! A text is stored as lines, and a change touches only its own lines, so that thousands of changes
//! to a long file cost no more than the length of the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::protocol::{Position, Range, TextDocumentContentChangeEvent, Uri};

use super::position::{Encoding, first_line};
use crate::host::{Host, Unsaved};

/// One open text.
pub(super) struct Document {
    /// The URI under which the client opened it.
    pub uri: Uri,
    /// The client's version number for this text.
    pub version: i32,
    /// Its path with links resolved.
    pub real: PathBuf,
    /// Its lines, at least one; all but the last have a line ending.
    lines: Vec<String>,
    whole: Option<Arc<[u8]>>,
}

impl Document {
    /// A newly opened text.
    pub fn new(uri: Uri, version: i32, real: PathBuf, text: &str) -> Self {
        Self { uri, version, real, lines: split(text), whole: None }
    }

    /// Applies changes in their order.
    pub fn change(
        &mut self,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
        encoding: Encoding,
    ) {
        self.version = version;
        self.whole = None;
        for change in changes {
            match change.range {
                Some(range) => self.replace(range, &change.text, encoding),
                None => self.lines = split(&change.text),
            }
        }
    }

    fn place(&self, position: Position, encoding: Encoding) -> (usize, usize) {
        match self.lines.get(position.line as usize) {
            Some(line) => (position.line as usize, encoding.byte(line, position.character)),
            None => {
                let last = self.lines.len() - 1;
                (last, self.lines[last].len())
            }
        }
    }

    fn replace(&mut self, range: Range, text: &str, encoding: Encoding) {
        let start = self.place(range.start, encoding);
        let end = self.place(range.end, encoding).max(start);
        let (mut first, mut last) = (start.0, end.0);
        let mut with = self.lines[first][..start.1].to_owned();
        with.push_str(text);
        with.push_str(&self.lines[last][end.1..]);
        // A `\r` and a `\n` that become adjacent are one line ending.
        if with.starts_with('\n') && first > 0 && self.lines[first - 1].ends_with('\r') {
            first -= 1;
            with.insert_str(0, &self.lines[first]);
        }
        if with.ends_with('\r') && self.lines.get(last + 1).is_some_and(|line| line == "\n") {
            last += 1;
            with.push('\n');
        }
        let mut new = split(&with);
        if last + 1 < self.lines.len() {
            // The next existing line takes the place of an empty last one.
            new.pop_if(|line| line.is_empty());
        }
        if let ([line], true) = (new.as_mut_slice(), first == last) {
            self.lines[first] = std::mem::take(line);
        } else {
            self.lines.splice(first..=last, new);
        }
    }

    /// The whole text.
    pub fn text(&mut self) -> Arc<[u8]> {
        let lines = &self.lines;
        Arc::clone(self.whole.get_or_insert_with(|| lines.concat().into_bytes().into()))
    }

    /// A line, counted from 0, with its line ending.
    pub fn line(&self, line: u32) -> Option<&str> {
        self.lines.get(line as usize).map(String::as_str)
    }
}

/// The lines with their line endings, and what follows the last line ending.
fn split(mut text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let (line, rest) = text.split_at(first_line(text.as_bytes()));
        lines.push(line.to_owned());
        let ended = line.ends_with(['\n', '\r']);
        text = rest;
        if !ended {
            return lines;
        }
    }
}

/// All open texts, by their paths.
#[derive(Default)]
pub(super) struct Documents {
    by_path: BTreeMap<PathBuf, Document>,
}

impl Documents {
    /// The text at a path.
    pub fn get(&self, path: &Path) -> Option<&Document> {
        self.by_path.get(path)
    }

    /// Mutable access to the text at a path.
    pub fn get_mut(&mut self, path: &Path) -> Option<&mut Document> {
        self.by_path.get_mut(path)
    }

    /// Opens a text.
    pub fn open(&mut self, path: PathBuf, document: Document) {
        self.by_path.insert(path, document);
    }

    /// Closes a text; from now on the file on the disk counts.
    pub fn close(&mut self, path: &Path) -> Option<Document> {
        self.by_path.remove(path)
    }

    /// All open texts.
    pub fn all(&self) -> impl Iterator<Item = &Document> {
        self.by_path.values()
    }

    /// All open texts, to be read in place of the files on the disk.
    pub fn unsaved(&mut self) -> Unsaved {
        let mut unsaved = Unsaved::default();
        for document in self.by_path.values_mut() {
            let text = document.text();
            unsaved.put(&document.real, text);
        }
        unsaved
    }
}

/// A path with its links resolved, even if its end does not exist yet.
pub(super) fn real(host: &dyn Host, path: &Path) -> PathBuf {
    crate::host::OverlayHost::new(host).resolve(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The start and end of a change, and the new text.
    type TextChange<'t> = ((u32, u32), (u32, u32), &'t str);

    fn changed(text: &str, encoding: Encoding, changes: &[TextChange]) -> String {
        let mut document = Document::new(Uri("file:///x".into()), 1, "/x".into(), text);
        let position = |(line, character)| Position { line, character };
        let changes = changes.iter().map(|(start, end, text)| {
            let range = Range { start: position(*start), end: position(*end) };
            TextDocumentContentChangeEvent { range: Some(range), text: (*text).to_owned() }
        });
        document.change(2, changes.collect(), encoding);
        String::from_utf8(document.text().to_vec()).unwrap()
    }

    #[test]
    fn a_change_goes_where_the_client_counts_it() {
        let text = "a😀é=1\nb\n";
        for (encoding, start, end) in [(Encoding::Utf16, 4, 5), (Encoding::Utf8, 7, 8)] {
            assert_eq!(changed(text, encoding, &[((0, start), (0, end), ":")]), "a😀é:1\nb\n");
        }
        // A column within a character means the start of that character; after a line, its end;
        // after the text, the text's end.
        assert_eq!(changed(text, Encoding::Utf16, &[((0, 2), (0, 3), "x")]), "axé=1\nb\n");
        assert_eq!(changed(text, Encoding::Utf16, &[((0, 99), (1, 0), "; ")]), "a😀é=1; b\n");
        assert_eq!(changed(text, Encoding::Utf16, &[((9, 0), (9, 9), "c")]), "a😀é=1\nb\nc");
        // The end is before the start.
        assert_eq!(changed("ab\n", Encoding::Utf16, &[((0, 1), (0, 0), "x")]), "axb\n");
    }

    #[test]
    fn lines_come_and_go_with_their_ends() {
        let utf16 = Encoding::Utf16;
        assert_eq!(changed("a\nb\nc", utf16, &[((0, 1), (2, 0), "")]), "ac");
        assert_eq!(changed("a\r\nb", utf16, &[((0, 1), (1, 0), "\n")]), "a\nb");
        assert_eq!(changed("", utf16, &[((0, 0), (0, 0), "x\n"), ((1, 0), (1, 0), "y")]), "x\ny");
        // `\r` ends a line, and together with a following `\n` is one line ending.
        let text = "a\rb\n";
        assert_eq!(changed(text, utf16, &[((1, 0), (1, 1), "B")]), "a\rB\n");
        let joined = [((1, 0), (1, 0), "\n"), ((1, 0), (1, 1), "B")];
        assert_eq!(changed(text, utf16, &joined), "a\r\nB\n");
        let joined = [((0, 1), (0, 1), "\r"), ((1, 0), (1, 1), "B")];
        assert_eq!(changed("a\nb\n", utf16, &joined), "a\r\nB\n");
    }

    /// Applies the change to the whole text, by the wording of the protocol alone.
    fn slowly(text: &str, encoding: Encoding, change: TextChange) -> String {
        let mut starts = vec![0];
        for (at, character) in text.char_indices() {
            let ends = match character {
                '\n' => true,
                '\r' => !text[at + 1..].starts_with('\n'),
                _ => false,
            };
            starts.extend(ends.then_some(at + 1));
        }
        let byte = |(line, column): (u32, u32)| {
            let Some(start) = starts.get(line as usize) else { return text.len() };
            let (mut at, mut units) = (*start, 0);
            for character in text[at..].chars().take_while(|one| !['\r', '\n'].contains(one)) {
                units += match encoding {
                    Encoding::Utf8 => character.len_utf8(),
                    Encoding::Utf16 => character.len_utf16(),
                };
                if units > column as usize {
                    break;
                }
                at += character.len_utf8();
            }
            at
        };
        let (start, end, with) = change;
        let start = byte(start);
        let end = byte(end).max(start);
        format!("{}{with}{}", &text[..start], &text[end..])
    }

    #[test]
    fn any_change_comes_to_what_the_protocol_says() {
        let mut state = 7_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let parts = ["", "a", "b=1", "\n", "\r\n", "\r", "é", "🦀", "\n\n", "x\ry\nz", "\r\r\n"];
        let mut differ = 0;
        for _ in 0..20_000 {
            let count = next(6);
            let text: String = (0..count).map(|_| parts[next(11) as usize]).collect();
            let encoding = if next(2) == 0 { Encoding::Utf8 } else { Encoding::Utf16 };
            let mut position = || (next(6) as u32, next(6) as u32);
            let (start, end) = (position(), position());
            let first = (start, end, parts[next(11) as usize]);
            let mut position = || (next(6) as u32, next(6) as u32);
            let (start, end) = (position(), position());
            let second = (start, end, parts[next(11) as usize]);
            let once = slowly(&text, encoding, first);
            let twice = slowly(&once, encoding, second);
            assert_eq!(
                changed(&text, encoding, &[first, second]),
                twice,
                "{text:?} {first:?} {second:?}"
            );
            differ += usize::from(text != twice);
        }
        assert!(differ > 10_000);
    }
}
