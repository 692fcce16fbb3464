//! The rooms know of each other in one direction only: host → source → facts → rule → rules →
//! engine → report, fix, scaffold → cli. A `use crate::…` that points up fails here.

use std::fs;
use std::path::{Path, PathBuf};

const ORDER: [&str; 10] =
    ["host", "source", "facts", "rule", "rules", "engine", "report", "fix", "scaffold", "cli"];

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

/// The rooms that a file's text names through `crate::room`.
fn named_rooms(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")).flat_map(
        |(number, line)| {
            line.match_indices("crate::").map(move |(at, found)| {
                let rest = &line[at + found.len()..];
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                (number + 1, &rest[..end.unwrap_or(rest.len())])
            })
        },
    )
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
        for (line, named) in named_rooms(&text) {
            if rank(named).is_some_and(|named| named > own) {
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
    let text = "use crate::host::Host;\nlet x = crate::report::json();\n// crate::cli\n";
    let named: Vec<_> = named_rooms(text).collect();
    assert_eq!(named, [(1, "host"), (2, "report")]);
}
