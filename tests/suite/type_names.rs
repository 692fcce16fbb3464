//! A type's name says which thing is meant: one that stands for three things in three files has to be
//! looked up each time. The names that do are counted here, and their number only falls.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::rust_files;

/// How many names stand for more than two types. Whoever makes it less writes the new number.
const SHARED: usize = 37;

/// The types that a text declares, whatever they are for.
fn declared(text: &str) -> Vec<&str> {
    let name = |line: &str| -> Option<usize> {
        let rest = line.trim_start();
        let rest = match rest.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
            Some(rest) => rest.strip_prefix(' ')?,
            None => rest,
        };
        let kinds = ["struct ", "enum ", "trait ", "type "];
        let rest = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
        rest.starts_with(|c: char| c.is_ascii_uppercase()).then_some(line.len() - rest.len())
    };
    let mut found = Vec::new();
    for line in text.lines() {
        let Some(at) = name(line) else { continue };
        let end = line[at..].find(|c: char| !c.is_alphanumeric()).unwrap_or(line.len() - at);
        found.push(&line[at..at + end]);
    }
    found
}

#[test]
fn names_that_stand_for_several_types_get_fewer() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&top.join("src"), &mut files);
    rust_files(&top.join("rules"), &mut files);
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let shown = file.strip_prefix(top).unwrap().display().to_string();
        for name in declared(&fs::read_to_string(&file).unwrap()) {
            places.entry(name.to_owned()).or_default().push(shown.clone());
        }
    }
    assert!(places.len() > 500, "{} names: the types were not found", places.len());
    // What a trait's implementations name is the trait's word.
    let given = ["Err", "Error", "Item", "IntoIter", "Output", "Target", "Value"];
    let shared: Vec<_> = places
        .iter()
        .filter(|(name, files)| files.len() > 2 && !given.contains(&name.as_str()))
        .collect();
    assert!(
        shared.len() == SHARED,
        "{} names stand for more than two types, {SHARED} did: name a new one after what it is, or write the \
         smaller number here: {shared:#?}",
        shared.len()
    );
}

#[test]
fn a_type_is_found_however_it_is_declared() {
    let text = "pub struct One<'a> {\nenum Two;\n    pub(in super::super) trait Three: Sized {\n\
                type Four = u8;\npub type Five<T> = T;\nlet type_name = Six;\n// struct Seven\nstruct r;\n";
    assert_eq!(declared(text), ["One", "Two", "Three", "Four", "Five"]);
}
