//! pip's `requirements.txt`: requirements, options, and other files that `-r` and `-c` include.
//! Measured on pip 23.2 (`_internal/req/req_file.py`).

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{OptionLine, Requirements, line, pep508};
use crate::host::tidy;
use crate::source::{SourceFile, Sources, Span};

/// The deepest chain of `-r` that is followed.
const DEPTH_LIMIT: usize = 50;

/// The long form, the short form, and whether a value follows.
const OPTIONS: [(&str, &str, bool); 15] = [
    ("--index-url", "-i", true),
    ("--pypi-url", "", true),
    ("--extra-index-url", "", true),
    ("--no-index", "", false),
    ("--find-links", "-f", true),
    ("--no-binary", "", true),
    ("--only-binary", "", true),
    ("--prefer-binary", "", false),
    ("--require-hashes", "", false),
    ("--pre", "", false),
    ("--trusted-host", "", true),
    ("--use-feature", "", true),
    ("--requirement", "-r", true),
    ("--constraint", "-c", true),
    ("--editable", "-e", true),
];

/// A file to read, and how it was reached.
struct Included {
    file: Arc<SourceFile>,
    constraint: bool,
    via: Vec<Span>,
    /// The files that include it, to distinguish a loop from a file that is included twice.
    above: Vec<PathBuf>,
}

/// Reads a file and everything that it includes.
pub(super) fn read(sources: &Sources<'_>, file: &Arc<SourceFile>, found: &mut Requirements) {
    let mut seen = HashSet::new();
    seen.insert((file.path.clone(), false));
    let mut listed: HashSet<PathBuf> = found.files.iter().cloned().collect();
    let mut todo = vec![Included {
        file: Arc::clone(file),
        constraint: false,
        via: Vec::new(),
        above: vec![file.path.clone()],
    }];
    while let Some(included) = todo.pop() {
        if listed.insert(included.file.path.clone()) {
            found.files.push(included.file.path.clone());
        }
        let (lines, bad) = line::lines(&included.file);
        for fault in bad {
            found.fault(fault.span, fault.message);
        }
        let mut next = Vec::new();
        for line in lines {
            if let Some(include) = read_line(&line, &included, found) {
                next.extend(open(sources, include, &included, &mut seen, found));
            }
        }
        // The first include is read first.
        next.reverse();
        todo.append(&mut next);
    }
}

struct Include {
    name: String,
    constraint: bool,
    span: Span,
}

fn open(
    sources: &Sources<'_>,
    include: Include,
    from: &Included,
    seen: &mut HashSet<(PathBuf, bool)>,
    found: &mut Requirements,
) -> Option<Included> {
    if include.name.contains("://") {
        found.fault(include.span, "includes a URL, which is not fetched");
        return None;
    }
    if include.name.contains("${") {
        found.fault(include.span, "contains a variable, whose value is not known");
        return None;
    }
    let name = include.name.strip_prefix("file:").unwrap_or(&include.name);
    let path = tidy(&from.file.path.parent().unwrap_or(Path::new("")).join(name));
    if from.above.contains(&path) {
        found.fault(include.span, "includes a file that includes this one: pip refuses it");
        return None;
    }
    if from.above.len() >= DEPTH_LIMIT {
        found.fault(include.span, format!("is nested deeper than {DEPTH_LIMIT} files"));
        return None;
    }
    let constraint = include.constraint || from.constraint;
    if !seen.insert((path.clone(), constraint)) {
        return None;
    }
    match sources.load(&path) {
        Ok(file) => {
            let mut via = from.via.clone();
            via.push(include.span);
            let mut above = from.above.clone();
            above.push(path);
            Some(Included { file, constraint, via, above })
        }
        Err(error) => {
            found.fault(include.span, error.to_string());
            None
        }
    }
}

/// Reads one line; returns the include in it, if any.
fn read_line(line: &line::Line, from: &Included, found: &mut Requirements) -> Option<Include> {
    if line.text.starts_with('-') {
        return read_option(line, from, found);
    }
    let text = without_options(&line.text);
    match pep508::parse(text, line.span) {
        Ok(mut requirement) => {
            requirement.via.clone_from(&from.via);
            let list =
                if from.constraint { &mut found.constraints } else { &mut found.requirements };
            list.push(requirement);
        }
        Err(reason) => found.fault(line.span, format!("is not a requirement: {reason}")),
    }
    None
}

/// pip ends a requirement at the first word that begins with `-`, where the requirement's own
/// options begin.
fn without_options(text: &str) -> &str {
    let mut after_blank = false;
    for (at, c) in text.char_indices() {
        if c == '-' && after_blank {
            return text.get(..at).unwrap_or(text).trim_end();
        }
        after_blank = c == ' ' || c == '\t';
    }
    text
}

/// Reads the options of a line. If a line has several includes, pip reads only the first.
fn read_option(line: &line::Line, from: &Included, found: &mut Requirements) -> Option<Include> {
    let mut text = line.text.as_str();
    loop {
        let Some((name, value, rest)) = option(text) else {
            let word = text.split([' ', '=']).next().unwrap_or_default();
            let shown: String = word.chars().take(40).collect();
            let shown = super::redact(&shown);
            found.fault(line.span, format!("{shown} is not an option that pip reads here"));
            return None;
        };
        match name {
            "--requirement" | "--constraint" | "--editable" if value.is_empty() => {
                found.fault(line.span, format!("{name} needs a value"));
                return None;
            }
            "--requirement" | "--constraint" => {
                let constraint = name == "--constraint";
                return Some(Include { name: value.to_owned(), constraint, span: line.span });
            }
            "--editable" => {
                let mut requirement = pep508::editable(without_options(value), line.span);
                requirement.via.clone_from(&from.via);
                found.requirements.push(requirement);
                return None;
            }
            _ => found.options.push(OptionLine { name: name.to_owned(), span: line.span }),
        }
        match rest {
            Some(rest) if !rest.is_empty() => text = rest,
            _ => return None,
        }
    }
}

/// The first option of a text: its long name, its value, and the rest of the text.
fn option(text: &str) -> Option<(&'static str, &str, Option<&str>)> {
    for (long, short, takes_value) in OPTIONS {
        for name in [long, short] {
            let Some(rest) = text.strip_prefix(name).filter(|_| !name.is_empty()) else { continue };
            let separate = rest.is_empty() || rest.starts_with([' ', '\t', '=']);
            // `-rfile` is one word; `--requirementfile` is not an option.
            if !separate && (name == long || !takes_value) {
                continue;
            }
            if !takes_value {
                return Some((long, "", Some(rest.trim_start())));
            }
            let rest = rest.trim_start_matches([' ', '\t']);
            let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
            let (value, rest) = word(rest, long == "--editable");
            return Some((long, value, rest));
        }
    }
    None
}

/// One word as a shell splits it, without quotes; with `whole` (the value of `-e`), all text up to
/// the end of the line.
fn word(text: &str, whole: bool) -> (&str, Option<&str>) {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\''))
        && let Some(end) = text.get(1..).and_then(|rest| rest.find(quote))
    {
        return (text.get(1..=end).unwrap_or_default(), text.get(end + 2..).map(str::trim_start));
    }
    if whole {
        return (text, None);
    }
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, Some(rest.trim_start())),
        None => (text, None),
    }
}
