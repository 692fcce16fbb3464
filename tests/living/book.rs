//! The book that `docs/build` has made, in Debian's Chromium: every page on a phone, every rule by the
//! search. These run after the build, by name: `docs/test`. Pictures stay in `target/tmp/book-pictures`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use deploy_doctor::rules;
use serde_json::Value;

/// What readers ask for in words, and the page that has to be among the first five answers.
const ASKED: [(&str, &str); 6] = [
    ("old release reload", "docs/rules/U113.html"),
    ("socket create user", "docs/rules/U117.html"),
    ("exit status", "docs/exit-status.html"),
    ("SARIF", "docs/formats.html"),
    ("gitlab", "integrations/gitlab/index.html"),
    ("gixy", "docs/peers.html"),
];
/// Pages that axe-core looks at and that are pictured: the first six of the list.
const FIRST: [&str; 6] = [
    "index.html",
    "docs/first-check.html",
    "docs/formats.html",
    "docs/checklist.html",
    "docs/rules/U113.html",
    "docs/peers.html",
];
/// A page at which the reader has to find something; it lies beside the book.
const WRONG: &str = "../book-work/wrong.html";

fn target() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    given.unwrap_or_else(|| top().join("target"))
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The built site.
fn site() -> PathBuf {
    let site = target().join("book");
    assert!(site.join("index.html").exists(), "{}: docs/build makes it", site.display());
    site
}

/// The paths of all pages below a directory, relative to the site.
fn pages(site: &Path, below: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(site.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            pages(site, &path, found);
        } else if path.ends_with(".html") && !["404.html", "toc.html"].contains(&&*path) {
            found.push(path);
        }
    }
}

/// What the browser saw, once for all tests.
fn seen() -> &'static Value {
    static SEEN: OnceLock<Value> = OnceLock::new();
    SEEN.get_or_init(|| {
        let site = site();
        let mut rest = Vec::new();
        pages(&site, "", &mut rest);
        rest.retain(|page| !FIRST.contains(&&**page));
        rest.sort();
        let mut all: Vec<&str> = FIRST.to_vec();
        all.extend(rest.iter().map(String::as_str));
        let wrong = "<!doctype html><title>x</title><main><div style='width: 900px'>wide</div>\
                     <div style='overflow: hidden'><p style='width: 800px'>cut</p></div>\
                     <img src=gone.png alt=gone></main><script>console.log('said')</script>";
        fs::write(site.join(WRONG), wrong).unwrap();
        all.push(WRONG);
        let mut queries: Vec<&str> = rules::all().iter().map(|rule| rule.code).collect();
        queries.extend(ASKED.map(|(query, _)| query));
        queries.push("xyzzy");
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("book-pictures");
        fs::create_dir_all(&pictures).unwrap();
        let output = Command::new("node")
            .arg(top().join("tests/html_support/book.mjs"))
            .args([target().join("book-tools/node_modules"), site, pictures])
            .args([serde_json::to_string(&all).unwrap(), serde_json::to_string(&queries).unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(seen["seen"].as_array().unwrap().len(), all.len());
        seen
    })
}

#[test]
#[ignore = "docs/test builds the book first"]
fn every_page_fits_a_phone_and_loads_nothing_from_outside() {
    let pages = seen()["seen"].as_array().unwrap();
    assert!(pages.len() > rules::all().len() + 30, "{} pages", pages.len());
    for page in pages {
        let number = |key: &str| page[key].as_i64().unwrap();
        let empty = |key: &str| page[key].as_array().unwrap().is_empty();
        if page["page"] == WRONG {
            assert!(number("wider") > 400 && number("cut") > 0 && number("empty") == 1, "{page:#}");
            assert!(!empty("said"), "{page:#}");
            continue;
        }
        assert!(number("wider") <= 0 && number("cut") == 0, "{page:#}");
        assert!(number("empty") == 0 && empty("outside") && empty("said"), "{page:#}");
        assert!(number("chapters") > rules::all().len() as i64, "{page:#}");
        let faults = page["faults"].as_array().unwrap().iter().map(|fault| fault.as_str().unwrap());
        // A table whose columns need no name has empty headings: axe calls that minor.
        let faults: Vec<_> = faults.filter(|fault| !fault.starts_with("minor:")).collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", page["page"]);
    }
}

#[test]
#[ignore = "docs/test builds the book first"]
fn the_search_finds_every_rule_and_what_readers_ask_for() {
    let seen = seen();
    assert_eq!((&seen["said"], &seen["outside"]), (&serde_json::json!([]), &serde_json::json!([])));
    let found = |query: &str| -> Vec<&str> {
        let links = seen["found"][query].as_array().unwrap();
        links.iter().map(|link| link.as_str().unwrap()).collect()
    };
    let page = |code: &str| format!("docs/rules/{code}.html");
    for rule in rules::all() {
        assert_eq!(found(rule.code).first(), Some(&&*page(rule.code)), "{}", rule.code);
    }
    for (query, wanted) in ASKED {
        let links = found(query);
        assert!(links.iter().take(5).any(|link| *link == wanted), "{query}: {links:#?}");
    }
    assert_eq!(found("xyzzy"), [""; 0]);
}

/// `docs/book/links.py` over a directory.
fn links(directory: &Path) -> Output {
    let script = top().join("docs/book/links.py");
    Command::new("python3").arg(script).arg(directory).output().unwrap()
}

#[test]
#[ignore = "docs/test builds the book first"]
fn every_link_leads_somewhere_and_a_broken_one_is_told() {
    let ran = links(&site());
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("b.html", "<h1 id=there>b</h1>");
    for (body, told) in [
        ("<a href='b.html#there'>b</a>", None),
        ("<a href='gone.html'>x</a>", Some("gone.html: no such file")),
        ("<a href='b.html#gone'>x</a>", Some("b.html#gone: no such anchor")),
        ("<a href='#gone'>x</a>", Some("#gone: no such anchor")),
        ("<a href='b.html'><img src=p.svg alt=p></a>", Some("p.svg: no such file")),
        ("<a href='b.html'><img src=b.html></a>", Some("a picture without words")),
        ("<a href='b.html'>b</a><p id=a><p id=a>", Some("`a` is there twice")),
        ("<a href='b.html'>b</a><a href='http://example.com'>x</a>", Some("not https")),
        ("<a href='b.html'>b</a><a href='https://localhost/'>x</a>", Some("no host")),
        ("nothing", Some("no link")),
    ] {
        write("a.html", body);
        let ran = links(directory.path());
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.success(), told.is_none(), "{body}: {said}");
        assert!(said.contains(told.unwrap_or_default()), "{body}: {said}");
    }
}

/// The letters of a picture of a terminal: what is coloured stands in an element of its own, so blanks
/// between words are lost.
fn letters(picture: &Path) -> String {
    let text = fs::read_to_string(picture).unwrap();
    let body = text.split("-matrix\">").nth(1).unwrap();
    let parts = body.split('<').filter_map(|part| part.split_once('>'));
    let text: String = parts.map(|(_, text)| text).collect();
    let text = text
        .replace("&#160;", " ")
        .replace("&gt;", ">")
        .replace("&#x27;", "'")
        .replace("&amp;", "&");
    without_blanks(&text)
}

fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
#[ignore = "docs/test builds the book first"]
fn the_pictures_show_what_the_program_says_now() {
    for command in ["check", "fix"] {
        let output = Command::new(env!("CARGO_BIN_EXE_deploy-doctor"))
            .args([command, "--root", "testdata/guide"])
            .current_dir(top())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let shown = letters(&site().join(format!("pictures/{command}.svg")));
        let mut count = 0;
        for line in said.lines() {
            count += 1;
            let there = shown.contains(&without_blanks(line));
            assert!(there, "{command} says: {line}\nits picture: {shown}");
        }
        assert!(
            count > 10 && shown.starts_with(&format!("$deploy-doctor{command}--root")),
            "{shown}"
        );
    }
    for name in ["desk-light", "desk-dark", "phone-light", "phone-dark"] {
        let picture = fs::read(site().join(format!("pictures/html-{name}.png"))).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 20_000, "{name}");
    }
}

#[test]
#[ignore = "docs/test builds the book first"]
fn every_rule_has_its_page() {
    for rule in rules::all() {
        let page = site().join(format!("docs/rules/{}.html", rule.code));
        let text =
            fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(text.contains(&format!("<title>{} {}", rule.code, rule.name)), "{}", rule.code);
    }
}

#[test]
#[ignore = "docs/test builds the book first"]
fn other_programs_still_say_what_the_page_has() {
    let output = Command::new(top().join("benches/peers"))
        .arg("--check")
        .env("DOCTOR", env!("CARGO_BIN_EXE_deploy-doctor"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "benches/peers --write measures again: {said}");
}
