//! `deny.toml` stays true and every direct dependency has its reason in `docs/dependencies.md`.
//!
//! `cargo deny check licenses bans sources` asks the same and more; this needs nothing installed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What users install: the packages that normal dependencies lead to on Linux.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-musl"])
        .current_dir(project())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let mut reached = vec![metadata["resolve"]["root"].as_str().unwrap().to_owned()];
    let mut at = 0;
    while at < reached.len() {
        let node = nodes.iter().find(|node| node["id"] == *reached[at]).unwrap();
        for dependency in node["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            let id = dependency["pkg"].as_str().unwrap().to_owned();
            if kinds.iter().any(|kind| kind["kind"].is_null()) && !reached.contains(&id) {
                reached.push(id);
            }
        }
        at += 1;
    }
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().filter(|p| reached.iter().any(|id| p["id"] == **id)).cloned().collect()
}

fn deny() -> toml::Table {
    std::fs::read_to_string(project().join("deny.toml")).unwrap().parse().unwrap()
}

fn strings<'a>(list: &'a toml::Value, key: Option<&str>) -> Vec<&'a str> {
    let entry = |value: &'a toml::Value| match key {
        Some(key) => value.get(key).and_then(toml::Value::as_str).unwrap(),
        None => value.as_str().unwrap(),
    };
    list.as_array().unwrap().iter().map(entry).collect()
}

/// Is an SPDX expression satisfied by the licences allowed?
fn allowed(expression: &str, allow: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = expression.split_whitespace().peekable();
    let satisfied = any(&mut words, allow);
    assert_eq!(words.next(), None, "{expression}");
    satisfied
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words, allow: &[&str]) -> bool {
    let mut satisfied = all(words, allow);
    while words.next_if_eq(&"OR").is_some() {
        satisfied |= all(words, allow);
    }
    satisfied
}

fn all(words: &mut Words, allow: &[&str]) -> bool {
    let mut satisfied = one(words, allow);
    while words.next_if_eq(&"AND").is_some() {
        satisfied &= one(words, allow);
    }
    satisfied
}

fn one(words: &mut Words, allow: &[&str]) -> bool {
    let Some(licence) = words.next() else { return false };
    if licence == "(" {
        let satisfied = any(words, allow);
        assert_eq!(words.next(), Some(")"));
        return satisfied;
    }
    let exception = words.next_if_eq(&"WITH").and_then(|_| words.next());
    let named = exception.map_or_else(|| licence.to_owned(), |it| format!("{licence} WITH {it}"));
    allow.contains(&named.as_str())
}

#[test]
fn parts_of_a_licence_that_are_bound_by_and_all_count() {
    let allow = ["MIT", "Apache-2.0 WITH LLVM-exception"];
    for (expression, fits) in [
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR Apache-2.0) AND GPL-3.0", false),
        ("GPL-3.0 OR (MIT AND Apache-2.0 WITH LLVM-exception)", true),
        ("", false),
    ] {
        assert_eq!(allowed(expression, &allow), fits, "{expression}");
    }
}

#[test]
fn licences_bans_and_sources_hold() {
    let deny = deny();
    let allow = strings(&deny["licenses"]["allow"], None);
    let banned = strings(&deny["bans"]["deny"], Some("crate"));
    let packages = packages();
    assert!(packages.len() > 20);
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(allowed(licence, &allow), "{name}: {licence}");
        assert!(!banned.contains(&name), "{name} is banned");
        let own = name == env!("CARGO_PKG_NAME");
        let source = package["source"].as_str().unwrap_or_default();
        assert!(own || source.starts_with("registry+"), "{name} comes from {source:?}");
    }
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let manifest: toml::Table =
        std::fs::read_to_string(project().join("Cargo.toml")).unwrap().parse().unwrap();
    let reasons = std::fs::read_to_string(project().join("docs/dependencies.md")).unwrap();
    for section in ["dependencies", "dev-dependencies"] {
        for name in manifest[section].as_table().unwrap().keys() {
            let short = name.trim_start_matches("ruff_python");
            assert!(
                reasons.contains(name.as_str()) || reasons.contains(short),
                "{name} is not in docs/dependencies.md"
            );
        }
    }
}

/// What newcomers wait for: packages that nothing of ours calls are kept out of a first build.
#[test]
fn a_first_build_compiles_nothing_that_only_build_scripts_of_others_want() {
    let lock: toml::Table =
        std::fs::read_to_string(project().join("Cargo.lock")).unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for (pulled_in, again) in
        [("object", "psm --precise 0.1.26"), ("zerocopy", "ppv-lite86 --precise 0.2.17")]
    {
        assert!(
            !names.contains(&pulled_in),
            "Cargo.lock has {pulled_in}, which costs seconds of a first build (docs/dependencies.md): \
             cargo update -p {again}"
        );
    }
}
