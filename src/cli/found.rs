//! Describes the files found in a repository.

use std::fmt::Write;

use super::arguments::{Found, WhereArguments};
use crate::facts::Given;
use crate::report::shell_words;
use crate::source::show;

/// At most this many files are named; for more, only their number is shown.
const NAMED: usize = 6;

/// The line above a report, or with `verbose` everything that was used and left out.
pub(super) fn said(place: &WhereArguments, verbose: bool) -> String {
    let (taken, left, beside) = match &place.found {
        Some(Found { survey, .. }) => (&survey.taken, survey.left.as_slice(), ""),
        None => (&place.beside, [].as_slice(), "in addition to deploy-doctor.toml's list, "),
    };
    let line = |path: &std::path::Path| show::line(&path.to_string_lossy());
    if !verbose {
        let mut names: Vec<String> = taken.iter().map(|taken| line(&taken.file)).collect();
        names.sort();
        names.dedup();
        let what = match names.len() {
            0 => return String::new(),
            number if number > NAMED => format!("{number} files"),
            _ => show::listed(&names),
        };
        let left = if beside.is_empty() { ", and what was left out" } else { "" };
        return format!("{beside}read {what} (-v says why{left})\n\n");
    }
    let mut out = String::new();
    for taken in taken {
        let of = taken.unit.as_ref().map_or_else(String::new, |unit| format!(" of {}", line(unit)));
        let why =
            taken.why.as_ref().map_or_else(String::new, |why| format!(": {}", show::line(why)));
        let _ = writeln!(out, "read {} as {}{of}{why}", line(&taken.file), taken.what);
    }
    for left in left {
        let _ = writeln!(out, "left out {}: {}", line(&left.file), show::line(&left.why));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// The options that name the files of a deployment by hand.
pub(super) fn by_hand(given: &Given) -> String {
    let mut words = Vec::new();
    let mut add = |option: &str, path: &std::path::Path| {
        words.extend([option.to_owned(), super::read::word(path)]);
    };
    given.units.iter().for_each(|path| add("--unit", path));
    given.nginx.iter().for_each(|path| add("--nginx", path));
    for own in &given.each {
        own.env_files.iter().for_each(|path| add("--env-file", path));
        own.app_dir.iter().for_each(|path| add("--app-dir", path));
        own.gunicorn_conf.iter().for_each(|path| add("--gunicorn-conf", path));
        own.requirements.iter().for_each(|path| add("--requirements", path));
    }
    shell_words(&words)
}
