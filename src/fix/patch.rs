//! A finding's fix as the lines that it changes, for reports that include fixes.

use similar::{Algorithm, DiffOp};

use super::{Change, diff, edited};
use crate::facts::Deployment;
use crate::report::{Patch, PatchedFile, Replacement};
use crate::rule::{Finding, Safety};
use crate::source::{Sources, Span, redact, show};

/// The changes that a safe fix makes to existing files, as text. `None` if the fix also creates a
/// file, or changes a mode or a packaged file, or if a changed line contains something hidden: no
/// report contains the value of a variable.
pub fn patch(sources: &Sources, deployment: &Deployment, finding: &Finding) -> Option<Patch> {
    let fix = finding.fix.as_ref().filter(|fix| fix.safety == Safety::Safe)?;
    if fix.edits.is_empty() {
        return None;
    }
    let changes = edited::edited(sources.host(), sources, deployment, &fix.edits).ok()?;
    let files = changes.iter().map(|change| file(sources, change)).collect::<Option<Vec<_>>>()?;
    (!files.is_empty()).then_some(Patch { files })
}

fn file(sources: &Sources, change: &Change) -> Option<PatchedFile> {
    let (before, after) = (change.before.bytes()?, change.after.bytes()?);
    let packaged = ["/usr", "/lib"].iter().any(|top| change.path.starts_with(top));
    if packaged || change.before.mode() != change.after.mode() || before == after {
        return None;
    }
    let hidden = hidden(sources, change, before)?;
    let (old, new) = (diff::lines(before), diff::lines(after));
    // A last line without a line ending cannot be expressed as a whole line.
    if !before.ends_with(b"\n") || !after.ends_with(b"\n") {
        return None;
    }
    let operations = similar::capture_diff_slices(Algorithm::Myers, &old, &new);
    let mut replacements = Vec::new();
    for operation in operations.iter().filter(|one| !matches!(one, DiffOp::Equal { .. })) {
        let (goes, comes) = (operation.old_range(), operation.new_range());
        let (start, end) = (bytes(&old[..goes.start]), bytes(&old[..goes.end]));
        if hidden.iter().any(|span| (span.start as usize) < end && start < span.end as usize) {
            return None;
        }
        let text = String::from_utf8(new[comes].concat()).ok()?;
        if !redact::ranges(&change.path, text.as_bytes()).is_empty() || !is_shown_whole(&text) {
            return None;
        }
        replacements.push(Replacement { line: goes.start + 1, lines: goes.len(), text });
    }
    Some(PatchedFile { path: change.path.clone(), replacements })
}

/// The hidden ranges of a file; `None` if the file was not read, so that they are not known.
fn hidden(sources: &Sources, change: &Change, before: &[u8]) -> Option<Vec<Span>> {
    let files = sources.files();
    let mut read =
        files.iter().filter(|file| sources.real_path(&file.path) == change.path).peekable();
    read.peek()?;
    let mut spans = Vec::new();
    for file in read {
        if file.bytes != before {
            return None;
        }
        spans.extend(sources.hidden(file.id).iter().copied());
    }
    Some(spans)
}

/// Whether output would show the text completely, which it does not if an address contains a
/// password.
fn is_shown_whole(text: &str) -> bool {
    let whole = |line: &str| show::line(line) == line.replace('\t', " ").replace('\r', "");
    text.split('\n').all(whole)
}

fn bytes(lines: &[&[u8]]) -> usize {
    lines.iter().map(|line| line.len()).sum()
}
