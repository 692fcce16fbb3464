//! A plan as a unified diff. What is hidden in output (values of environment variables) is hidden
//! here too, so a diff of an environment file is for reading, not for `patch`.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use similar::{Algorithm, DiffOp};

use super::owners::Owners;
use super::{Change, Content};
use crate::source::{FileId, Sources, Span, show};

/// How many lines are shown around a change of a unit or an nginx file. No such lines are shown of
/// other files (environment, gunicorn's configuration, a script), because nobody knows what they
/// contain.
const CONTEXT: usize = 3;

/// The files of one reading, by their paths with links resolved.
pub struct Reading<'a, 'h> {
    sources: &'a Sources<'h>,
    files: HashMap<PathBuf, Vec<FileId>>,
}

impl<'a, 'h> Reading<'a, 'h> {
    /// All files that were read, so that what was marked as secret while reading stays hidden.
    pub fn new(sources: &'a Sources<'h>) -> Self {
        let mut files: HashMap<PathBuf, Vec<FileId>> = HashMap::new();
        for file in sources.files() {
            files.entry(sources.host().look(&file.path).resolved).or_default().push(file.id);
        }
        Self { sources, files }
    }

    /// A file's lines in a form that may be shown. Every line of a file that was not read is
    /// masked.
    fn lines(&self, path: &Path, bytes: &[u8]) -> Vec<String> {
        // A file may have been read under two names, and its secrets may be known under only one of
        // them.
        let files = self.files.get(path).into_iter().flatten().map(|id| self.sources.file(*id));
        let files: Vec<_> = files.filter(|file| file.bytes == bytes).collect();
        let Some(file) = files.first() else {
            return lines(bytes).iter().map(|_| show::MASK.to_owned()).collect();
        };
        let hidden = Span::merged(
            files.iter().flat_map(|file| self.sources.hidden(file.id).to_vec()).collect(),
        );
        let mut shown = Vec::new();
        let mut at = 0;
        for line in lines(bytes) {
            let end = at + line.len();
            let text = end - usize::from(line.ends_with(b"\n"));
            shown.push(show::Excerpt::new(file, &hidden, Span::new(file.id, at, text)).text);
            at = end;
        }
        shown
    }
}

/// The change of one path as text, in the format of `diff -u` and git.
pub fn unified(change: &Change, before: &Reading, after: &Reading, context: usize) -> String {
    let mut out = String::new();
    let shown = super::shown_path(&change.path);
    let (old, new) = (change.before.bytes(), change.after.bytes());
    let none = "/dev/null".to_owned();
    if let (Some(was), Some(is)) = (change.before.mode(), change.after.mode())
        && was != is
    {
        let _ = writeln!(out, "mode {was:04o} => {is:04o} {shown}");
    }
    if let (None, Content::Directory { mode, .. }) = (old, &change.after) {
        let _ = writeln!(out, "new directory, mode {mode:04o}: {shown}");
    }
    if old == new {
        return out;
    }
    let _ = writeln!(out, "--- {}", if old.is_some() { &shown } else { &none });
    let _ = writeln!(out, "+++ {}", if new.is_some() { &shown } else { &none });
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    let shown = [before.lines(&change.path, old), after.lines(&change.path, new)];
    let (old, new) = (lines(old), lines(new));
    let operations = similar::capture_diff_slices(Algorithm::Myers, &old, &new);
    for hunk in similar::group_diff_ops(operations, context) {
        write_hunk(&hunk, [&old, &new], &shown, &mut out);
    }
    out
}

fn write_hunk(hunk: &[DiffOp], lines: [&[&[u8]]; 2], shown: &[Vec<String>; 2], out: &mut String) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return };
    let range = |start: usize, end: usize| match end - start {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        count => format!("{},{count}", start + 1),
    };
    let old = range(first.old_range().start, last.old_range().end);
    let new = range(first.new_range().start, last.new_range().end);
    let _ = writeln!(out, "@@ -{old} +{new} @@");
    for operation in hunk {
        let same = matches!(operation, DiffOp::Equal { .. });
        let sides = [(0, '-', operation.old_range()), (1, '+', operation.new_range())];
        for (side, sign, range) in sides {
            if same && side == 1 {
                continue;
            }
            let sign = if same { ' ' } else { sign };
            for at in range {
                let text = shown[side].get(at).map_or("", String::as_str);
                let _ = writeln!(out, "{sign}{}", text.replace('\n', " "));
                if lines[side].get(at).is_some_and(|line| !line.ends_with(b"\n")) {
                    let _ = writeln!(out, "\\ No newline at end of file");
                }
            }
        }
    }
}

/// The lines with their line endings.
pub(super) fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|b| *b == b'\n').collect()
}

/// All changes as text. The facts were read from both states, so that the secrets in both are
/// known.
pub fn text(changes: &[Change], before: &Sources, after: &Sources, owners: &Owners) -> String {
    let (before, after) = (Reading::new(before), Reading::new(after));
    let context = |change: &Change| {
        let known = owners.is_nginx(&change.path) || !owners.units(&change.path).is_empty();
        if known { CONTEXT } else { 0 }
    };
    changes.iter().map(|change| unified(change, &before, &after, context(change))).collect()
}
