//! The rooms know of each other in one direction only: host → source → facts → capture → repository →
//! rule → rules → engine → config → report, fix, scaffold → probe → reload → lsp → cli. A path that
//! points up fails here.

#[path = "circles.rs"]
mod circles;
#[path = "edits.rs"]
mod edits;
#[path = "one_source.rs"]
mod one_source;
#[path = "rules_see_facts.rs"]
mod rules_see_facts;
#[path = "type_names.rs"]
mod type_names;

use std::fs;
use std::path::{Path, PathBuf};

const ORDER: [&str; 16] = [
    "host",
    "source",
    "facts",
    "capture",
    "repository",
    "rule",
    "rules",
    "engine",
    "config",
    "report",
    "fix",
    "scaffold",
    "probe",
    "reload",
    "lsp",
    "cli",
];

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn rank(room: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == room)
}

/// The text without its comment lines, which stay empty so that lines keep their numbers.
fn without_comments(text: &str) -> String {
    let code = |line: &str| !line.trim_start().starts_with("//");
    text.lines().map(|line| if code(line) { line } else { "" }.to_owned() + "\n").collect()
}

/// The first words of what follows `crate::`: one, or those of a group in braces.
fn heads(rest: &str) -> Vec<&str> {
    let word =
        |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let Some(group) = rest.trim_start().strip_prefix('{') else {
        let rest = rest.trim_start();
        return vec![&rest[..word(rest)]];
    };
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                let part = group[from..at].trim_start();
                // Behind a last comma stands nothing.
                found.extend(Some(&part[..word(part)]).filter(|head| !head.is_empty()));
                from = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

/// The rooms that a file's text names: through `crate::room`, `crate::{room, …}`, or as many
/// `super::` as lead out of its own room. `depth` is how deep the file's module lies below the
/// crate's root.
fn named_rooms(text: &str, depth: usize) -> Vec<(usize, String)> {
    let text = without_comments(text);
    let starts_a_path = |at: usize| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
            || text[..at].ends_with("self::")
    };
    let mut found = Vec::new();
    let mut name = |at: usize, rest: &str| {
        let line = text[..at].matches('\n').count() + 1;
        found.extend(heads(rest).into_iter().map(|head| (line, head.to_owned())));
    };
    for (at, start) in text.match_indices("crate::") {
        name(at, &text[at + start.len()..]);
    }
    for (at, _) in text.match_indices("super::").filter(|(at, _)| starts_a_path(*at)) {
        let mut rest = &text[at..];
        let mut ups = 0;
        while let Some(after) = rest.trim_start().strip_prefix("super::") {
            (rest, ups) = (after, ups + 1);
        }
        if ups >= depth {
            name(at, rest);
        }
    }
    found.sort();
    found
}

/// How deep a file's module lies: `src/facts/mod.rs` is 1, `src/facts/nginx.rs` is 2.
fn depth(relative: &Path) -> usize {
    let parts: Vec<_> = relative.components().map(|part| part.as_os_str()).collect();
    let named = parts.len() - usize::from(parts[0] == "src");
    named - usize::from(relative.ends_with("mod.rs"))
}

fn offences(top: &Path) -> Vec<String> {
    let mut files = Vec::new();
    rust_files(&top.join("src"), &mut files);
    rust_files(&top.join("rules"), &mut files);
    assert!(files.len() > 20, "the sources were not found under {}", top.display());
    let mut offences = Vec::new();
    for file in files {
        let relative = file.strip_prefix(top).unwrap();
        let mut parts = relative.components().map(|part| part.as_os_str().to_str().unwrap());
        let room = match parts.next().unwrap() {
            "rules" => "rules",
            _ => parts.next().unwrap().trim_end_matches(".rs"),
        };
        let Some(own) = rank(room) else {
            assert!(["main", "lib"].contains(&room), "{room} has no place in the order");
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for (line, named) in named_rooms(&text, depth(relative)) {
            if rank(&named).is_some_and(|named| named > own) {
                offences.push(format!("{}:{line}: {room} knows of {named}", relative.display()));
            }
        }
        // Only the door touches the outside world.
        if room != "host" && room != "cli" {
            for word in ["std::fs", "std::net::Tcp", "std::process::Command", "File::open"] {
                if text.contains(word) {
                    offences.push(format!("{}: {word} outside src/host/", relative.display()));
                }
            }
        }
    }
    offences
}

#[test]
fn no_arrow_points_up() {
    let offences = offences(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn an_arrow_that_points_up_is_seen() {
    let seen = |text: &str, depth| -> Vec<(usize, String)> { named_rooms(text, depth) };
    let rooms = |list: &[(usize, &str)]| -> Vec<(usize, String)> {
        list.iter().map(|(line, room)| (*line, (*room).to_owned())).collect()
    };
    let text = "use crate::host::Host;\nlet x = crate::report::json();\n// crate::cli\n";
    assert_eq!(seen(text, 2), rooms(&[(1, "host"), (2, "report")]));
    let group = "use crate::{\n    cli::{self, read},\n    engine::run, facts,\n};\n";
    assert_eq!(seen(group, 2), rooms(&[(1, "cli"), (1, "engine"), (1, "facts")]));
    // From `src/facts/nginx.rs` two steps lead out of `facts`, one does not.
    let up = "use super::super::engine;\nuse super::place;\nuse super::super::{cli, host::Host};\n";
    assert_eq!(seen(up, 2), rooms(&[(1, "engine"), (3, "cli"), (3, "host")]));
    assert_eq!(seen("use super::engine;", 1), rooms(&[(1, "engine")]));
    assert_eq!(seen("use self::super::super::engine;", 2), rooms(&[(1, "engine")]));
    assert_eq!(seen("use super::super::engine;", 3), rooms(&[]));
}

#[test]
fn a_module_lies_as_deep_as_its_path() {
    for (file, deep) in [
        ("src/engine.rs", 1),
        ("src/facts/mod.rs", 1),
        ("src/facts/nginx.rs", 2),
        ("src/facts/server/bounds.rs", 3),
        ("rules/mod.rs", 1),
        ("rules/unit/mod.rs", 2),
        ("rules/unit/watchdog.rs", 3),
    ] {
        assert_eq!(depth(Path::new(file)), deep, "{file}");
    }
}

/// ARCHITECTURE.md has each room in a row of its table, and their order as it is held here.
#[test]
fn the_architecture_names_every_room_in_order() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(top.join("ARCHITECTURE.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for entry in fs::read_dir(top.join("src")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let room = format!("`src/{}/`", entry.file_name().to_str().unwrap());
            let told = rows.iter().filter(|row| row.contains(&room)).count();
            assert_eq!(told, 1, "{room} in the table of ARCHITECTURE.md");
        }
    }
    let order = ORDER.map(|room| format!("`{room}`")).join(", ");
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("{order}.")), "ARCHITECTURE.md has another order than {order}");
}
