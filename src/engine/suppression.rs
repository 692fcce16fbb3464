//! `# deploy-doctor: ignore[U108] reason`: comments in the checked files that suppress a finding.
//!
//! The comment is on the line before the finding's primary line, or on the same line. The reason is
//! required, and a comment that suppresses nothing is itself a problem.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use super::ignore::Looked;
use super::{Acceptance, selection};
use crate::facts::Problem;
use crate::rule::{Finding, Rule};
use crate::source::similar::nearest_within;
use crate::source::{FileId, SourceFile, Sources};

const MARK: &[u8] = b"deploy-doctor: ignore[";
const NAME: &[u8] = b"deploy-doctor";

struct Comment {
    file: FileId,
    line: usize,
    matchers: Vec<globset::GlobMatcher>,
    words: String,
    /// The reason; empty if none is given.
    reason: String,
    used: bool,
}

/// Removes the findings that a comment suppresses. Returns the remaining findings, the suppressed
/// ones, and what is wrong with the comments themselves.
pub(super) fn apply(
    findings: Vec<Finding>,
    rules: &[&'static Rule],
    looked: &Looked<'_>,
) -> (Vec<Finding>, Vec<(Finding, Acceptance)>, Vec<Problem>) {
    let sources = looked.sources;
    let mut problems = Vec::new();
    let mut comments = Vec::new();
    for file in files(&findings, looked) {
        collect(file, rules, sources, &mut comments, &mut problems);
    }
    if comments.is_empty() {
        return (findings, Vec::new(), problems);
    }
    let mut kept = Vec::with_capacity(findings.len());
    let mut held = Vec::new();
    for finding in findings {
        match held_back(&finding, &mut comments, sources) {
            Some(by) => held.push((finding, by)),
            None => kept.push(finding),
        }
    }
    for comment in comments.iter().filter(|comment| !comment.used) {
        if !comment.reason.is_empty()
            && !comment.matchers.is_empty()
            && looked.judged(|rule| names(comment, rule), None)
        {
            problems.push(Problem {
                path: sources.file(comment.file).path.clone(),
                line: Some(comment.line),
                message: format!(
                    "ignore[{}] suppresses no finding: remove the comment",
                    comment.words
                ),
                note: true,
            });
        }
    }
    (kept, held, problems)
}

/// The deployment's files, those of the application's own code that were read, and the files to
/// which findings point.
fn files(findings: &[Finding], looked: &Looked<'_>) -> BTreeSet<FileId> {
    let mut files: BTreeSet<FileId> = looked.deployment.files.iter().copied().collect();
    let first = |finding: &Finding| finding.labels.first().map(|label| label.span.file);
    files.extend(findings.iter().filter_map(first));
    let code = looked.sources.files();
    let own = code.iter().filter(|file| is_own_code(&file.path));
    files.extend(own.map(|file| file.id));
    files
}

/// Whether the code belongs to the application: comments in an installed library suppress nothing.
fn is_own_code(path: &Path) -> bool {
    let installed = |part: &OsStr| part == "site-packages" || part == "dist-packages";
    path.extension().is_some_and(|extension| extension == "py")
        && !path.iter().any(installed)
        && !path.starts_with("/usr")
}

fn names(comment: &Comment, rule: &Rule) -> bool {
    comment.matchers.iter().any(|matcher| selection::names(matcher, rule))
}

/// The first comment that suppresses the finding. All comments that would do so are marked as used.
fn held_back(finding: &Finding, comments: &mut [Comment], sources: &Sources) -> Option<Acceptance> {
    let label = finding.labels.first()?;
    let line = sources.file(label.span.file).position(label.span.start).line;
    let mut held = None;
    for comment in comments.iter_mut() {
        let near =
            comment.file == label.span.file && (comment.line == line || comment.line + 1 == line);
        if near && !comment.reason.is_empty() && names(comment, finding.rule) {
            comment.used = true;
            held.get_or_insert_with(|| Acceptance {
                comment: true,
                file: sources.file(comment.file).path.clone(),
                line: comment.line,
                reason: comment.reason.clone(),
                until: None,
            });
        }
    }
    held
}

/// Where the program's name is in a file, and behind each the offset after it.
fn names_in(file: &SourceFile) -> Vec<(usize, usize)> {
    let ends = [b"octor".as_slice(), b"OCTOR"];
    let ends = ends.into_iter().flat_map(|end| memchr::memmem::find_iter(&file.bytes, end));
    let ranges = ends.map(|at| at + b"octor".len()).filter_map(|end| {
        let at = end.checked_sub(NAME.len())?;
        file.bytes[at..end].eq_ignore_ascii_case(NAME).then_some((at, end))
    });
    ranges.collect()
}

/// Reports comments that look as if they suppress a finding but do not.
fn near_misses(file: &SourceFile, names: &[(usize, usize)], problems: &mut Vec<Problem>) {
    for (at, end) in names.iter().copied() {
        if file.bytes[at..].starts_with(MARK) {
            continue;
        }
        let line = file.position(u32::try_from(at).unwrap_or(u32::MAX)).line;
        let text = file.slice(file.line_span(line));
        let start = file.line_span(line).start as usize;
        let Some(before) = text.get(..at - start) else { continue };
        let begun = before.trim_ascii_end().last();
        if !begun.is_some_and(|byte| matches!(byte, b'#' | b';')) {
            continue;
        }
        let rest = text.get(end - start..).unwrap_or_default().trim_ascii_start();
        let colon = rest.starts_with(b":");
        let rest = rest.strip_prefix(b":").unwrap_or(rest).trim_ascii_start();
        let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = String::from_utf8_lossy(&rest[..letters]);
        let behind = rest[letters..].trim_ascii_start();
        let is_meant = nearest_within(&word, 2, ["ignore"].into_iter()).is_some();
        // Without the colon, it may be any sentence that contains the program's name.
        if !is_meant || !(colon || behind.starts_with(b"[")) {
            continue;
        }
        let problem = Problem {
            path: file.path.clone(),
            line: Some(line),
            message: "this comment suppresses nothing; did you mean \
                      `deploy-doctor: ignore[CODE] reason`?"
                .to_owned(),
            note: true,
        };
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}

fn collect(
    id: FileId,
    rules: &[&'static Rule],
    sources: &Sources,
    comments: &mut Vec<Comment>,
    problems: &mut Vec<Problem>,
) {
    let file = sources.file(id);
    let named = names_in(&file);
    near_misses(&file, &named, problems);
    let marks = named.iter().map(|(at, _)| *at).filter(|at| file.bytes[*at..].starts_with(MARK));
    for at in marks {
        let position = file.position(u32::try_from(at).unwrap_or(u32::MAX));
        let line = file.slice(file.line_span(position.line));
        let Some(before) = line.get(..position.column - 1) else { continue };
        if !before.iter().any(|byte| matches!(byte, b'#' | b';')) {
            continue;
        }
        let mut problem = |message: String| {
            problems.push(Problem {
                path: file.path.clone(),
                line: Some(position.line),
                message,
                note: true,
            });
        };
        let rest = line.get(position.column - 1 + MARK.len()..).unwrap_or_default();
        let rest = String::from_utf8_lossy(rest);
        let Some((words, reason)) = rest.split_once(']') else {
            problem("this ignore comment has no `]`: it suppresses nothing".into());
            continue;
        };
        if reason.trim().is_empty() {
            problem(format!(
                "ignore[{words}] gives no reason, so it suppresses nothing: write the reason after \
                 the `]`"
            ));
        }
        let mut matchers = Vec::new();
        for word in words.split(',') {
            match selection::matcher(rules, word) {
                Ok(matcher) => matchers.push(matcher),
                Err(error) => problem(format!("in this ignore comment {error}")),
            }
        }
        comments.push(Comment {
            file: id,
            line: position.line,
            matchers,
            words: words.to_owned(),
            reason: reason.trim().to_owned(),
            used: false,
        });
    }
}
