//! Removes the secrets from a recording. `docs/capture.md` says what is masked and what is not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::mask::Masker;
use super::{Asked, assignments, command, keys, logs, process, scripts, value};
use crate::host::{HostError, HostErrorKind, Outcome, Output, Recording, RunError};
use crate::source::certificate::without_private_keys;
use crate::source::{Sources, redact as patterns};

/// What was masked, and where.
#[derive(Default)]
pub struct Masked {
    /// The number of masked words in each file, end of a log, or command (by its line).
    pub words: BTreeMap<String, usize>,
    masker: Masker,
}

impl Masked {
    /// Masks in a text the words that are masked wherever they occur.
    pub fn apply(&mut self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.masker.everywhere(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The ranges that the readers of the files marked as secret, by file.
type Hidden = HashMap<PathBuf, Vec<Range<usize>>>;

/// Masks the secrets in a recording, and in the settings that go with it. `sources` are those of
/// the check: they know what is secret in which file.
pub fn redact(recording: &mut Recording, asked: &mut Asked, sources: &Sources) -> Masked {
    let mut masker = Masker::default();
    let mut masked = Masked::default();
    take_paths(&mut masker, recording);
    let hidden = hidden(sources);
    masker.needed = needed(recording);
    masker.variables = variables(recording, &hidden);
    // All secrets are known only after everything was processed once; then they are masked
    // elsewhere too.
    for (path, answer) in &mut recording.files {
        if let Ok(bytes) = answer {
            file(&mut masker, path, bytes, hidden.get(path));
            masked.note(path.display().to_string(), &mut masker);
        }
    }
    for (path, answer) in &mut recording.tails {
        if let Ok(bytes) = answer {
            *bytes = logs::nginx_errors(&mut masker, bytes);
            masked.note(path.display().to_string(), &mut masker);
        }
    }
    for (line, answer) in &mut recording.commands {
        match answer {
            Ok(output) => said(&mut masker, line, output),
            Err(
                RunError::NeedsRoot(text) | RunError::TimedOut(text, _) | RunError::Failed(text),
            ) => {
                logs::said(&mut masker, text);
            }
            Err(RunError::NotHere | RunError::Missing(_)) => {}
        }
        masked.note(line.clone(), &mut masker);
    }
    if let Some(settings) = &mut asked.settings {
        unread(&mut masker, &settings.shown, &mut settings.text);
        masked.note(settings.shown.display().to_string(), &mut masker);
    }
    everywhere(&mut masker, recording, asked, &mut masked);
    masked.masker = masker;
    masked
}

impl Masked {
    fn note(&mut self, of: String, masker: &mut Masker) {
        match masker.take_count() {
            0 => {}
            count => *self.words.entry(of).or_default() += count,
        }
    }
}

/// Records the words of all existing paths.
fn take_paths(masker: &mut Masker, recording: &Recording) {
    for lookup in recording.looks.values() {
        for step in &lookup.steps {
            masker.path(step.path.as_os_str().as_bytes());
        }
        if let Outcome::Present(_) = lookup.outcome {
            masker.path(lookup.resolved.as_os_str().as_bytes());
            for hop in &lookup.links {
                masker.path(hop.link.as_os_str().as_bytes());
            }
        }
    }
    for (path, names) in &recording.lists {
        let Ok(names) = names else { continue };
        masker.path(path.as_os_str().as_bytes());
        names.iter().for_each(|name| masker.path(name.as_bytes()));
    }
}

fn hidden(sources: &Sources) -> Hidden {
    let mut hidden = Hidden::new();
    for file in sources.files() {
        let spans = sources.hidden(file.id);
        let ranges = spans.iter().map(|span| span.start as usize..span.end as usize);
        let known = hidden.entry(file.path.clone()).or_default();
        known.extend(ranges);
    }
    for ranges in hidden.values_mut() {
        ranges.sort_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
        for range in ranges.drain(..) {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        *ranges = merged;
    }
    hidden
}

/// The variables that gunicorn's command contains, in a unit or in a script that starts gunicorn,
/// and those that its configuration reads. Their values decide how gunicorn runs.
fn needed(recording: &Recording) -> HashSet<String> {
    let mut found = HashSet::new();
    for (path, answer) in &recording.files {
        let Ok(bytes) = answer else { continue };
        let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        if name.ends_with(b".py") {
            if memchr::memmem::find(name, b"gunicorn").is_some() {
                found.extend(quoted_names(bytes));
            }
            continue;
        }
        let script = bytes.starts_with(b"#!");
        for line in logical_lines(bytes) {
            let starts = memchr::memmem::find(line, b"gunicorn").is_some();
            if line.starts_with(b"ExecStart=") || (script && starts) {
                found.extend(expanded_names(line));
            }
        }
    }
    found
}

/// The lines of a file, with lines joined that end in a backslash.
fn logical_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len())) {
        let line = bytes.get(start..at).unwrap_or_default();
        if !line.ends_with(b"\\") {
            lines.push(line);
            start = at + 1;
        }
    }
    lines.extend(bytes.get(start..).filter(|rest| !rest.is_empty()));
    lines
}

/// The names of variables that are set: names in front of secret ranges, and names in `environ`.
fn variables(recording: &Recording, hidden: &Hidden) -> HashSet<Vec<u8>> {
    let mut found = HashSet::new();
    for (path, answer) in &recording.files {
        let Ok(bytes) = answer else { continue };
        let ranges = hidden.get(path).into_iter().flatten();
        let before = ranges.filter_map(|range| bytes.get(..range.start));
        found.extend(before.filter_map(name_of_value));
        if path.ends_with("environ") {
            let entries = bytes.split(|byte| *byte == 0);
            let name = |entry: &[u8]| entry.get(..value::name_length(entry)).map(<[u8]>::to_vec);
            found.extend(entries.filter_map(name));
        }
    }
    found
}

fn is_name(word: &[u8]) -> bool {
    word.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
}

fn name_at(bytes: &[u8]) -> Option<String> {
    let length = bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let word = bytes.get(..length).filter(|word| is_name(word))?;
    std::str::from_utf8(word).ok().map(str::to_owned)
}

/// The names in `$NAME`, `${NAME}`, `${NAME:-default}`.
fn expanded_names(line: &[u8]) -> Vec<String> {
    let at = memchr::memchr_iter(b'$', line);
    let name = |at: usize| {
        let rest = line.get(at + 1..)?;
        name_at(rest.strip_prefix(b"{").unwrap_or(rest))
    };
    at.filter_map(name).collect()
}

/// The names in `"NAME"`, if in capitals.
fn quoted_names(bytes: &[u8]) -> Vec<String> {
    let quoted = bytes.split(|byte| matches!(byte, b'"' | b'\'')).skip(1).step_by(1);
    let capitals = |word: &&[u8]| {
        is_name(word)
            && word.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
    };
    quoted.filter(capitals).filter_map(name_at).collect()
}

fn file(masker: &mut Masker, path: &Path, bytes: &mut Vec<u8>, hidden: Option<&Vec<Range<usize>>>) {
    let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
    if path.starts_with("/proc") || path.starts_with("/sys") {
        match name {
            // A pid file, as its process sees it: of anything else not a byte is needed.
            _ if crate::host::is_seen(path)
                && !bytes.trim_ascii().iter().all(u8::is_ascii_digit) =>
            {
                bytes.clear();
            }
            b"environ" => process::environment(masker, bytes),
            b"cmdline" if path.parent() != Some(Path::new("/proc")) => {
                process::command_line(masker, bytes);
            }
            b"cmdline" => command::command(masker, bytes),
            _ => {}
        }
        return;
    }
    match (path.parent().and_then(Path::to_str), name) {
        (Some("/etc"), b"passwd" | b"group") => return keys::accounts(masker, bytes),
        (Some("/var/lib/dpkg"), b"status") | (Some("/lib/apk/db" | "/usr/lib/apk/db"), _) => {
            *bytes = keys::cut_packages(bytes);
            return;
        }
        (_, b"METADATA" | b"PKG-INFO") => *bytes = keys::cut_description(bytes),
        _ => {}
    }
    let Some(hidden) = hidden else { return unread(masker, path, bytes) };
    let text_length = bytes.len();
    for range in hidden {
        let start = range.start.min(bytes.len());
        let (before, rest) = bytes.split_at_mut(start);
        let length = range.end.saturating_sub(range.start).min(rest.len());
        let text = rest.get_mut(..length).unwrap_or_default();
        let whole = range.start == 0 && length == text_length;
        hide(masker, path, before, text, whole);
    }
    scripts::text(masker, path, bytes);
}

/// Masks a file that no reader of its language has processed.
fn unread(masker: &mut Masker, path: &Path, bytes: &mut Vec<u8>) {
    if memchr::memchr(0, bytes).is_some() {
        *bytes = keys::cut_program(bytes);
        return;
    }
    *bytes = without_private_keys(bytes);
    for range in patterns::ranges(path, bytes) {
        let start = range.start.min(bytes.len());
        let (before, rest) = bytes.split_at_mut(start);
        let length = range.end.saturating_sub(range.start).min(rest.len());
        hide(masker, path, before, rest.get_mut(..length).unwrap_or_default(), false);
    }
    scripts::text(masker, path, bytes);
}

/// Masks a secret range of a file; `before` is the text before the range.
fn hide(masker: &mut Masker, path: &Path, before: &[u8], text: &mut [u8], whole: bool) {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let unit = matches!(ending, "service" | "socket" | "conf");
    const IGNORE: &[u8] = b"deploy-doctor: ignore";
    if memchr::memmem::find(text, IGNORE).is_some() {
        // A comment that accepts a finding takes effect, and its reason is shown, so both stay
        // readable.
        let mut first = true;
        for line in text.split_mut(|byte| *byte == b'\n') {
            match memchr::memmem::find(line, IGNORE) {
                Some(_) => command::generated(masker, line),
                None => hide(masker, path, if first { before } else { b"" }, line, whole),
            }
            first = false;
        }
        return;
    }
    // The text before may be the name of the unit's setting itself: `Environment=`.
    let name = name_of_value(before).filter(|_| !unit || !begins_setting(before));
    if unit && setting(before) == b"environmentfile" {
        return masker.path_word(text);
    }
    match (name, ending) {
        (Some(name), _) if unit && is_shell(before, &name) => {
            let is_gap = |byte: &u8| byte.is_ascii_whitespace();
            let end = text.iter().position(is_gap).unwrap_or(text.len());
            let (first, rest) = text.split_at_mut(end);
            value::value(masker, Some(&name), first, true);
            command::command(masker, rest);
        }
        (Some(name), _) if unit => assignments::value_with_others(masker, &name, text),
        (Some(name), _) => value::value(masker, Some(&name), text, false),
        (None, "py") => in_list(masker, text),
        _ if whole => assignments::assignments(masker, text, false),
        _ if unit => {
            let setting = setting(before);
            match setting.as_slice() {
                b"passenvironment" | b"unsetenvironment" => assignments::name_list(masker, text),
                name if name.ends_with(b"environment") || name.starts_with(b"env") => {
                    assignments::assignments(masker, text, true);
                }
                _ => value::value(masker, None, text, true),
            }
        }
        _ => value::value(masker, None, text, unit),
    }
}

/// Whether the `NAME=` at the end of `before` begins a shell command: `-c 'NAME=`.
fn is_shell(before: &[u8], name: &[u8]) -> bool {
    let line = logical_line(before);
    let start = line.len().saturating_sub(name.len() + 1);
    let Some((quote, line)) = line.get(..start).and_then(<[u8]>::split_last) else { return false };
    matches!(quote, b'"' | b'\'') && line.trim_ascii_end().ends_with(b"c")
}

/// Whether the `=` at the end of `before` is the first one of its line.
fn begins_setting(before: &[u8]) -> bool {
    let line = logical_line(before);
    line.iter().filter(|byte| **byte == b'=').count() == 1
}

/// The name of the setting in a unit whose logical line begins in `before`.
fn setting(before: &[u8]) -> Vec<u8> {
    let line = logical_line(before);
    let name = line.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.trim_ascii().to_ascii_lowercase()
}

fn logical_line(before: &[u8]) -> &[u8] {
    let mut end = before.len();
    let start = loop {
        match before.get(..end).and_then(|text| memchr::memrchr(b'\n', text)) {
            Some(at) if before.get(..at).is_some_and(|line| line.ends_with(b"\\")) => end = at,
            Some(at) => break at + 1,
            None => break 0,
        }
    };
    before.get(start..).unwrap_or_default()
}

/// The name in the `NAME=` or `NAME="` at the end of `before`.
fn name_of_value(before: &[u8]) -> Option<Vec<u8>> {
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    let end = before.iter().rposition(|byte| !is_quote(byte))?;
    if before.get(end) != Some(&b'=') {
        return None;
    }
    let before = before.get(..end)?;
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let start = before.iter().rposition(|byte| !fits(byte)).map_or(0, |at| at + 1);
    before.get(start..).filter(|name| is_name(name)).map(<[u8]>::to_vec)
}

/// Masks a Python list of `"NAME=value"`: the names are kept.
fn in_list(masker: &mut Masker, text: &mut [u8]) {
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    if !text.iter().any(is_quote) {
        return value::value(masker, None, text, false);
    }
    for (number, piece) in text.split_mut(is_quote).enumerate() {
        let name = piece.iter().position(|byte| *byte == b'=').map(|at| piece.split_at_mut(at + 1));
        match name {
            // Every second piece is in quotes.
            Some((name, text)) if number % 2 == 1 => {
                let name = name.get(..name.len() - 1).unwrap_or_default().to_vec();
                value::value(masker, Some(&name), text, false);
            }
            _ if number % 2 == 1 => value::value(masker, None, piece, false),
            _ => {}
        }
    }
}

fn said(masker: &mut Masker, line: &str, output: &mut Output) {
    match line.split(' ').next() {
        Some("journalctl") => logs::journal(masker, output),
        Some("systemctl") => logs::systemctl(masker, output),
        _ => logs::nginx(masker, output),
    }
}

/// Masks the secrets found anywhere in all files, names and links.
fn everywhere(
    masker: &mut Masker,
    recording: &mut Recording,
    asked: &mut Asked,
    masked: &mut Masked,
) {
    let certificate = |path: &Path, bytes: &[u8]| {
        path.starts_with("/sys") || memchr::memmem::find(bytes, b"-----BEGIN CERTIF").is_some()
    };
    for (path, answer) in recording.files.iter_mut().chain(&mut recording.tails) {
        if let Ok(bytes) = answer
            && !certificate(path, bytes)
        {
            masker.everywhere(bytes);
            masked.note(path.display().to_string(), masker);
        }
    }
    for (line, answer) in &mut recording.commands {
        if let Ok(output) = answer {
            masker.everywhere(&mut output.stdout);
            masker.everywhere(&mut output.stderr);
            masked.note(line.clone(), masker);
        }
    }
    if let Some(settings) = &mut asked.settings {
        masker.everywhere(&mut settings.text);
    }
    let looks = std::mem::take(&mut recording.looks).into_iter().map(|(path, mut lookup)| {
        lookup.path = renamed(masker, &lookup.path);
        lookup.resolved = renamed(masker, &lookup.resolved);
        for hop in &mut lookup.links {
            hop.target = renamed(masker, &hop.target);
        }
        match &mut lookup.outcome {
            Outcome::Missing { at } => *at = renamed(masker, at),
            Outcome::Failed(error) => fault(masker, error),
            Outcome::Present(_) => {}
        }
        (renamed(masker, &path), lookup)
    });
    recording.looks = looks.collect();
    keyed(masker, &mut recording.inodes, |_, _| {});
    keyed(masker, &mut recording.files, |_, _| {});
    keyed(masker, &mut recording.tails, |_, _| {});
    keyed(masker, &mut recording.links, |masker, target| *target = renamed(masker, target));
    keyed(masker, &mut recording.lists, |masker, names| {
        for name in names.iter_mut() {
            *name = renamed(masker, Path::new(name)).into_os_string();
        }
    });
    keyed(masker, &mut recording.targets, |masker, targets| {
        for target in targets.iter_mut() {
            *target = renamed(masker, target);
        }
    });
    keyed(masker, &mut recording.bound, |_, _| {});
    keyed(masker, &mut recording.rooms, |_, _| {});
    let commands = std::mem::take(&mut recording.commands).into_iter().map(|(line, ran)| {
        let mut bytes = line.into_bytes();
        masker.everywhere(&mut bytes);
        (String::from_utf8_lossy(&bytes).into_owned(), ran)
    });
    recording.commands = commands.collect();
    masked.note("names of files".to_owned(), masker);
}

fn keyed<V>(
    masker: &mut Masker,
    answers: &mut BTreeMap<PathBuf, Result<V, HostError>>,
    change: impl Fn(&mut Masker, &mut V),
) {
    let all = std::mem::take(answers).into_iter().map(|(path, mut answer)| {
        match &mut answer {
            Ok(value) => change(masker, value),
            Err(error) => fault(masker, error),
        }
        (renamed(masker, &path), answer)
    });
    *answers = all.collect();
}

fn fault(masker: &mut Masker, error: &mut HostError) {
    error.path = renamed(masker, &error.path);
    if let HostErrorKind::Other(text) = &mut error.kind {
        logs::said(masker, text);
    }
}

fn renamed(masker: &mut Masker, path: &Path) -> PathBuf {
    let mut bytes = path.as_os_str().as_bytes().to_vec();
    masker.rename(&mut bytes);
    OsString::from_vec(bytes).into()
}
