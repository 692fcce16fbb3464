//! Changes to files as a `WorkspaceEdit`. An edit contains only what differs, because the lines
//! around it may contain secrets that must not appear elsewhere, such as in a client's log.

use std::collections::HashMap;
use std::ops::Range;

use super::protocol::{
    OptionalVersionedTextDocumentIdentifier, TextDocumentEdit, TextEdit, Uri, WorkspaceEdit,
};
use similar::{Algorithm, DiffOp};

use super::client::Client;
use super::documents::{Document, Documents};
use super::names::Names;
use super::position::{Encoding, Lines};
use crate::fix::Change;

/// The edit that the client is to make, or why it cannot be expressed.
pub(super) fn workspace_edit(
    changes: &[Change],
    names: &Names,
    documents: &Documents,
    client: &Client,
) -> Result<WorkspaceEdit, String> {
    let mut by_document = Vec::new();
    for change in changes {
        let shown = crate::fix::shown_path(&change.path);
        let text = |bytes: Option<&[u8]>| {
            let bytes = bytes.ok_or_else(|| format!("{shown} is not an existing file"))?;
            let text = std::str::from_utf8(bytes);
            text.map(str::to_owned).map_err(|_| format!("{shown} is not UTF-8"))
        };
        let (before, after) = (text(change.before.bytes())?, text(change.after.bytes())?);
        if change.before.mode() != change.after.mode() {
            return Err(format!("the mode of {shown} would change, which no editor does"));
        }
        let named = names.of(&change.path);
        let version = documents.all().find(|one| one.uri == named.uri).map(|one| one.version);
        by_document.push((named.uri, version, text_edits(&before, &after, client.encoding)));
    }
    if by_document.is_empty() {
        return Err("nothing would change".to_owned());
    }
    Ok(written(by_document, client))
}

/// An edit with a single change to an open text.
pub(super) fn one_edit(document: &Document, edit: TextEdit, client: &Client) -> WorkspaceEdit {
    written(vec![(document.uri.clone(), Some(document.version), vec![edit])], client)
}

type Edits = (Uri, Option<i32>, Vec<TextEdit>);

fn written(by_document: Vec<Edits>, client: &Client) -> WorkspaceEdit {
    if !client.versions {
        let changes: HashMap<_, _> =
            by_document.into_iter().map(|(uri, _, edits)| (uri, edits)).collect();
        return WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() };
    }
    let changes = by_document.into_iter().map(|(uri, version, edits)| {
        let text_document = OptionalVersionedTextDocumentIdentifier { uri, version };
        TextDocumentEdit { text_document, edits }
    });
    WorkspaceEdit { document_changes: Some(changes.collect()), ..WorkspaceEdit::default() }
}

fn text_edits(before: &str, after: &str, encoding: Encoding) -> Vec<TextEdit> {
    let lines = Lines::of(before.as_bytes(), encoding);
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let starts = |lines: &[&str]| {
        let mut starts = vec![0];
        starts.extend(lines.iter().scan(0, |at, line| {
            *at += line.len();
            Some(*at)
        }));
        starts
    };
    let (old_starts, new_starts) = (starts(&old), starts(&new));
    let operations = similar::capture_diff_slices(Algorithm::Myers, &old, &new);
    let differ = operations.iter().filter(|one| !matches!(one, DiffOp::Equal { .. }));
    let edits = differ.map(|operation| {
        let bytes = |starts: &[usize], lines: Range<usize>| starts[lines.start]..starts[lines.end];
        let goes = bytes(&old_starts, operation.old_range());
        let comes = bytes(&new_starts, operation.new_range());
        let (front, back) = same(&before[goes.clone()], &after[comes.clone()]);
        let goes = goes.start + front..goes.end - back;
        let comes = comes.start + front..comes.end - back;
        TextEdit { range: lines.range(goes.start, goes.end), new_text: after[comes].to_owned() }
    });
    edits.collect()
}

/// How many bytes two texts share at their beginnings and at their ends, in whole characters and
/// without splitting a `\r\n`.
fn same(old: &str, new: &str) -> (usize, usize) {
    let shared = |pair: &(char, char)| pair.0 == pair.1;
    let length = |pairs: &mut dyn Iterator<Item = (char, char)>| -> usize {
        pairs.take_while(shared).map(|(character, _)| character.len_utf8()).sum()
    };
    let mut front = length(&mut old.chars().zip(new.chars()));
    if old[..front].ends_with('\r') {
        front -= 1;
    }
    let (old, new) = (&old[front..], &new[front..]);
    let mut back = length(&mut old.chars().rev().zip(new.chars().rev()));
    let halves = |text: &str| text[..text.len() - back].ends_with('\r');
    if old[old.len() - back..].starts_with('\n') && (halves(old) || halves(new)) {
        back -= 1;
    }
    (front, back)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::lsp::protocol::TextDocumentContentChangeEvent;

    #[test]
    fn an_edit_holds_what_differs_alone() {
        let edits = |before, after| text_edits(before, after, Encoding::Utf16);
        let one = edits("a\nKEY=é1 # x\nb\n", "a\nKEY=é2 # x\nb\n");
        let [edit] = one.as_slice() else { panic!("{one:?}") };
        assert_eq!(edit.new_text, "2");
        assert_eq!((edit.range.start.line, edit.range.start.character), (1, 5));
        assert_eq!((edit.range.end.line, edit.range.end.character), (1, 6));
        // A new line after a last line without a line ending.
        let one = edits("a", "a\nb");
        assert_eq!(one[0].new_text, "\nb");
        // `\r\n` is not split.
        let one = edits("a\r\n", "a\n");
        assert_eq!((one[0].new_text.as_str(), one[0].range.end.line), ("\n", 1));
    }

    #[test]
    fn edits_make_of_one_text_the_other() {
        let mut state = 11_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let parts = ["a", "b=1", "\n", "\n", "\r\n", "é", "🦀", "x y"];
        for _ in 0..5_000 {
            let mut text = || -> String {
                let count = next(12);
                (0..count).map(|_| parts[next(8) as usize]).collect()
            };
            let (before, after) = (text(), text());
            for encoding in [Encoding::Utf8, Encoding::Utf16] {
                let edits = text_edits(&before, &after, encoding);
                let changes = edits.into_iter().rev().map(|edit| TextDocumentContentChangeEvent {
                    range: Some(edit.range),
                    text: edit.new_text,
                });
                let mut document = Document::new(Uri("file:///x".into()), 1, "/x".into(), &before);
                document.change(2, changes.collect(), encoding);
                assert_eq!(&*document.text(), after.as_bytes(), "{before:?}");
            }
        }
    }
}
