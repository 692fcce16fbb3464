//! Rules see facts: what a deployment is, and not how its languages are read. The exceptions are
//! named here, each with its reason; so is what the facts hand on from the languages, which is
//! types and never a reader.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::rust_files;

/// The rules that ask a language itself.
const EXCEPTIONS: [(&str, &str); 3] = [
    (
        "rules/unit/setting_ignored.rs",
        "judges each line by systemd's own table of settings: what is wrong with it is a matter of \
         the language, and the same on every deployment",
    ),
    (
        "rules/unit/systemd_version.rs",
        "asks the same table which version of systemd knows a setting",
    ),
    (
        "rules/unit/unit_syntax.rs",
        "asks the same table whether a setting takes a command: it judges how a file is written",
    ),
];

/// The code of every file below a directory, without comments and white space, by its path.
fn code(directory: &str) -> BTreeMap<String, String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&top.join(directory), &mut files);
    assert!(files.len() > 20, "{directory} was not found");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let relative = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
        (relative, bare(&text))
    };
    files.into_iter().map(read).collect()
}

fn bare(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// Does code name `source`, as `crate::source`, or in a group behind `crate::`?
fn names_source(code: &str) -> bool {
    let word = |text: &str| {
        let text = text.trim_start();
        let rest = text.strip_prefix("source");
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    code.match_indices("crate::").any(|(at, start)| {
        let rest = &code[at + start.len()..];
        let Some(group) = rest.trim_start().strip_prefix('{') else { return word(rest) };
        let mut depth = 0;
        let end = group.find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth < 0
        });
        let group = &group[..end.unwrap_or(group.len())];
        word(group) || group.match_indices(',').any(|(at, _)| word(&group[at + 1..]))
    })
}

#[test]
fn rules_see_facts() {
    let seen: Vec<String> = code("rules")
        .into_iter()
        .filter(|(_, code)| names_source(code))
        .map(|(file, _)| file)
        .collect();
    let named: Vec<&str> = EXCEPTIONS.iter().map(|(file, _)| *file).collect();
    assert_eq!(seen, named, "left: rules that name `crate::source`; right: those that may");
    for (file, reason) in EXCEPTIONS {
        assert!(reason.len() > 40, "{file}: why?");
    }
}

/// What files hand on from the languages: the names of `pub use crate::source::…`.
fn handed_on(code: &str) -> Vec<String> {
    let uses = code.split("pub use crate::source::").skip(1);
    let mut names = Vec::new();
    for use_ in uses {
        let path = use_.split(';').next().unwrap_or_default();
        let group = path.split_once('{').map(|(_, group)| group.trim_end_matches('}'));
        let last = path.rsplit("::").next().unwrap_or(path);
        let list = group.unwrap_or(last).split(',').map(str::trim);
        names.extend(list.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    names
}

#[test]
fn facts_hand_on_types_and_no_reader() {
    let mut count = 0;
    for (file, code) in code("src/facts") {
        for name in handed_on(&code) {
            count += 1;
            let is_type = name.starts_with(|c: char| c.is_ascii_uppercase());
            assert!(is_type, "{file}: `{name}` is a reader; make what it reads a fact");
        }
    }
    assert!(count > 40, "{count} names: the facts' own `pub use` was not found");
}

#[test]
fn both_are_seen() {
    for code in [
        "use crate::source::Span;",
        "use crate::{facts::App, source::Span};",
        "use crate::{source, rule::Sink};",
        "fn f() { crate::source::show::text() }",
    ] {
        assert!(names_source(code), "{code}");
    }
    for code in [
        "use crate::facts::Span;",
        "use crate::{facts::{App, Why}, rule::Sink}; fn f(a: A, source: S) {}",
        "use crate::sources::X;",
    ] {
        assert!(!names_source(code), "{code}");
    }
    let code = "pub use crate::source::nginx::{Model, parse_time}; pub use crate::source::Span;";
    assert_eq!(handed_on(code), ["Model", "parse_time", "Span"]);
}
