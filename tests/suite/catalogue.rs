//! The catalogue of rules against the program: every code is built, or `docs/rules-not-built.md` says
//! why it is not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use deploy_doctor::rules;

/// Code and name of each row of a table that begins with a code, with or without a mark before it.
fn catalogue(text: &str) -> BTreeMap<String, String> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let code = cells.next()?.trim_start_matches(['●', ' ']).to_owned();
        let digits = code.get(1..)?;
        let letter = code.starts_with(|first: char| "UGNEPSRL".contains(first));
        let is_code = letter && digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
        is_code.then(|| Some((code, cells.next()?.to_owned())))?
    };
    text.lines().filter_map(row).collect()
}

/// The headings of the page.
fn not_built() -> BTreeMap<String, String> {
    let page = include_str!("../../docs/rules-not-built.md");
    let headings = page.lines().filter_map(|line| line.strip_prefix("## "));
    headings.filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.into(), b.into())).collect()
}

#[test]
fn what_is_not_built_is_no_rule() {
    let page = not_built();
    assert!(page.len() >= 3, "{page:?}");
    let built: Vec<&str> = rules::all().iter().map(|rule| rule.code).collect();
    let both: Vec<&String> = page.keys().filter(|code| built.contains(&code.as_str())).collect();
    assert!(both.is_empty(), "built and not built: {both:?}");
}

/// Rules that were added since, in order.
const ADDED: [&str; 7] = ["G235", "G236", "N332", "N333", "N334", "U142", "U143"];

#[test]
fn every_code_is_built_or_said_why_not() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/rules.md");
    let Ok(text) = fs::read_to_string(path) else {
        eprintln!("SKIPPED: the catalogue is not here; it would be held against the rules");
        return;
    };
    let wanted = catalogue(&text);
    assert!(wanted.len() > 150, "{} rows", wanted.len());
    let mut have = not_built();
    have.extend(rules::all().iter().map(|rule| (rule.code.to_owned(), rule.name.to_owned())));
    let open: Vec<String> = wanted
        .iter()
        .filter(|(code, name)| have.get(*code) != Some(name))
        .map(|(code, name)| format!("{code} {name}"))
        .collect();
    assert!(open.is_empty(), "{} of {}: {open:?}", open.len(), wanted.len());
    let extra: Vec<&str> =
        have.keys().filter(|code| !wanted.contains_key(*code)).map(String::as_str).collect();
    assert_eq!(extra, ADDED, "rules that the catalogue does not have are listed in ADDED");
}
