//! An environment file in each dialect: what is said of a name holds together, and a value that is
//! written again reads as itself.

use std::collections::HashSet;

use deploy_doctor::source::env_file::{Dialect, EnvFile, FaultKind, is_name, parse};
use deploy_doctor::source::{FileId, SourceFile, redact};

use crate::spans::{all_inside, inside};

pub fn run(input: &[u8]) {
    let file = SourceFile::new(FileId(0), "/etc/myapp.env", input);
    let since = parse(&file, Dialect::Since254);
    let before = parse(&file, Dialect::Before254);
    let unknown = parse(&file, Dialect::Unknown);
    for read in [&since, &before, &unknown] {
        sound(&file, read);
        assert!(read.fatal.is_none_or(|f| f.kind != FaultKind::Nul || input.contains(&0)));
    }
    assert!(since.before_254.is_none() && before.before_254.is_none());
    // Where the version does not matter, both say the same.
    if unknown.before_254.is_none() {
        assert_eq!(named(&since), named(&before));
    }
    again(&since);
    let mut end = 0;
    for range in redact::ranges(&file.path, input) {
        assert!(range.start <= range.end && range.end <= input.len(), "{range:?}");
        end = end.max(range.end);
    }
}

fn named(read: &EnvFile) -> HashSet<(&str, &[u8])> {
    read.effective().map(|one| (one.name.value.as_str(), one.value.expose())).collect()
}

fn sound(file: &SourceFile, read: &EnvFile) {
    let lines = file.bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    for one in &read.assignments {
        all_inside(file, [one.name.span, one.value_span, one.span]);
        assert_eq!(file.slice(one.name.span), one.name.value.as_bytes());
        assert!(is_name(one.name.value.as_bytes()), "{:?}", one.name.value);
        all_inside(file, one.open_quote);
        all_inside(file, one.comment);
        all_inside(file, one.dropped_backslash);
        all_inside(file, one.literal_quote);
        all_inside(file, one.swallowed.iter().map(|name| name.span));
        all_inside(file, one.expansions.iter().map(|expansion| expansion.span));
        all_inside(file, one.continuations.iter().chain(&one.lost_continuations).copied());
        all_inside(file, one.joining());
        assert!(*one.lines.start() >= 1 && *one.lines.end() <= lines, "{:?}", one.lines);
        let decisive = read.get(&one.name.value).is_some_and(|last| std::ptr::eq(last, one));
        assert_eq!(decisive, !one.overridden);
    }
    for line in &read.ignored {
        all_inside(file, [line.name_span, line.span, line.start()]);
    }
    all_inside(file, read.comments.iter().chain(&read.comment_continuations).copied());
    for comment in &read.swallowing_comments {
        all_inside(file, comment.backslashes.iter().copied());
        all_inside(file, comment.names.iter().map(|name| name.span));
    }
    if let Some(fatal) = read.fatal {
        inside(file, fatal.span);
    }
    let names: Vec<&str> = read.effective().map(|one| one.name.value.as_str()).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "a name twice");
    read.duplicates();
    if let Some(other) = &read.before_254 {
        sound(file, other);
    }
}

/// `NAME="value"`, with what the quotes need escaped, reads as the value.
fn again(read: &EnvFile) {
    if read.fatal.is_some() {
        return;
    }
    let mut text = Vec::new();
    for one in read.effective() {
        text.extend_from_slice(one.name.value.as_bytes());
        text.extend_from_slice(b"=\"");
        for byte in one.value.expose() {
            if b"\"\\`$".contains(byte) {
                text.push(b'\\');
            }
            text.push(*byte);
        }
        text.extend_from_slice(b"\"\n");
    }
    let written = SourceFile::new(FileId(1), "/etc/again.env", text);
    let read_again = parse(&written, Dialect::Since254);
    assert_eq!(named(read), named(&read_again), "{}", written.bytes.escape_ascii());
}
