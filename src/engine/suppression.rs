//! `# deploy-doctor: ignore[U108] reason`: comments in the checked files that hold a finding back.
//!
//! The comment stands on the line before the finding's primary line, or on the same one. The
//! reason is required, and a comment that holds nothing back is itself a problem.

use super::ignore::Looked;
use super::selection;
use crate::facts::Problem;
use crate::rule::{Finding, Rule};
use crate::source::{FileId, Sources};

const MARK: &[u8] = b"deploy-doctor: ignore[";

struct Comment {
    file: FileId,
    line: usize,
    matchers: Vec<globset::GlobMatcher>,
    words: String,
    reason: bool,
    used: bool,
}

/// Takes out what a comment holds back. Returns what is left, how many were held back, and what
/// is wrong with the comments themselves.
pub(super) fn apply(
    findings: Vec<Finding>,
    rules: &[&'static Rule],
    looked: &Looked<'_>,
) -> (Vec<Finding>, usize, Vec<Problem>) {
    let sources = looked.sources;
    let mut problems = Vec::new();
    let mut comments = Vec::new();
    for file in &looked.deployment.files {
        collect(*file, rules, sources, &mut comments, &mut problems);
    }
    if comments.is_empty() {
        return (findings, 0, problems);
    }
    let before = findings.len();
    let kept: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| !held_back(finding, &mut comments, sources))
        .collect();
    for comment in comments.iter().filter(|comment| !comment.used) {
        if comment.reason && looked.judged(|rule| names(comment, rule), None) {
            problems.push(Problem {
                path: sources.file(comment.file).path.clone(),
                line: Some(comment.line),
                message: format!(
                    "ignore[{}] holds no finding back: remove the comment",
                    comment.words
                ),
                note: true,
            });
        }
    }
    let suppressed = before - kept.len();
    (kept, suppressed, problems)
}

fn names(comment: &Comment, rule: &Rule) -> bool {
    comment.matchers.iter().any(|matcher| selection::names(matcher, rule))
}

fn held_back(finding: &Finding, comments: &mut [Comment], sources: &Sources) -> bool {
    let Some(label) = finding.labels.first() else { return false };
    let line = sources.file(label.span.file).position(label.span.start).line;
    let mut held = false;
    for comment in comments.iter_mut() {
        let near =
            comment.file == label.span.file && (comment.line == line || comment.line + 1 == line);
        if near && comment.reason && names(comment, finding.rule) {
            comment.used = true;
            held = true;
        }
    }
    held
}

fn collect(
    id: FileId,
    rules: &[&'static Rule],
    sources: &Sources,
    comments: &mut Vec<Comment>,
    problems: &mut Vec<Problem>,
) {
    let file = sources.file(id);
    for at in memchr::memmem::find_iter(&file.bytes, MARK) {
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
            problem("this ignore comment has no `]`: it holds nothing back".into());
            continue;
        };
        if reason.trim().is_empty() {
            problem(format!(
                "ignore[{words}] gives no reason, so it holds nothing back: write why after the `]`"
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
            reason: !reason.trim().is_empty(),
            used: false,
        });
    }
}
