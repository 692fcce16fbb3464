//! The tokenizer against nginx itself: the one that is installed, and those of the roots that the
//! end-to-end tests boot.
//!
//! The text stands in `types { … }`, which takes any words, so that only the tokenizer can refuse
//! it; what follows a `}` that closes the block may be refused for other reasons.

use std::path::Path;
use std::sync::Arc;

use crate::support::env_files::Random;
use crate::support::peers::Peer;
use deploy_doctor::source::nginx::FaultKind;
use deploy_doctor::source::nginx::tree::Tree;
use deploy_doctor::source::{FileId, SourceFile};

/// One version of nginx, and a directory to work in.
struct Nginx {
    peer: Peer,
    version: String,
    directory: tempfile::TempDir,
}

/// Every nginx that there is, each version once.
fn installed() -> Vec<Nginx> {
    let mut found: Vec<Nginx> = Vec::new();
    for peer in Peer::all() {
        let program = peer.path("/usr/sbin/nginx");
        let Ok(output) = peer.command(&program).arg("-v").output() else { continue };
        let version = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if version.contains("nginx/") && found.iter().all(|known| known.version != version) {
            found.push(Nginx { peer, version, directory: tempfile::tempdir().unwrap() });
        }
    }
    if found.is_empty() {
        eprintln!("SKIPPED: nginx is not installed, the tokenizer was not compared with it");
    }
    found
}

/// nginx's first error: its words and its line. `None` where it finds nothing wrong.
fn judged(nginx: &Nginx, text: &[u8]) -> Option<(String, usize)> {
    let directory: &Path = nginx.directory.path();
    let path = directory.join("nginx.conf");
    std::fs::write(&path, text).unwrap();
    let output = nginx
        .peer
        .command(&nginx.peer.path("/usr/sbin/nginx"))
        .args(["-t", "-q", "-e", "stderr", "-p"])
        .arg(directory)
        .arg("-c")
        .arg(&path)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = errors.split("[emerg] ").nth(1)?;
    let (words, place) = line.split_once(" in /")?;
    let words = words.split_once(": ").map_or(words, |(_, words)| words);
    let number = place.lines().next()?.rsplit(':').next()?.trim().parse().ok()?;
    Some((words.to_owned(), number))
}

fn is_tokenizers(words: &str) -> bool {
    words.starts_with("unexpected ") || words.starts_with("too long parameter")
}

/// Do nginx and the tree agree on this file?
fn agree(nginx: &Nginx, text: &[u8]) -> bool {
    let version = &nginx.version;
    let tree = Tree::parse(Arc::new(SourceFile::new(FileId(0), "/x", text)));
    let shown = String::from_utf8_lossy(&text[..text.len().min(300)]).into_owned();
    let theirs = judged(nginx, text);
    let ours = tree.fault.as_ref();
    if ours.is_some_and(|fault| fault.kind == FaultKind::Template) {
        return false;
    }
    match (&theirs, ours) {
        (Some((words, line)), ours) if is_tokenizers(words) => {
            let Some(ours) = ours else {
                panic!("{version}: {words}:{line}, we: nothing: {shown:?}")
            };
            assert_eq!(&ours.message, words, "{version}: {shown:?}");
            // nginx counts an end of file as the last line, and a long word where it starts.
            if !words.contains("end of file") {
                let at = tree.file.position(ours.span.start).line;
                assert_eq!(at, *line, "{version}: {words}: {shown:?}");
            }
            true
        }
        // nginx stops at something that is no affair of the tokenizer: ours must not be before.
        (Some((words, line)), Some(ours)) => {
            let at = tree.file.position(ours.span.end).line;
            assert!(at >= *line, "{version}: {words}:{line}, we: {ours:?}: {shown:?}");
            false
        }
        (Some(_), None) => false,
        (None, Some(ours)) => panic!("{version} takes it, we: {ours:?}: {shown:?}"),
        (None, None) => true,
    }
}

fn in_types(text: &str) -> Vec<u8> {
    format!("events {{}}\nhttp {{ types {{\n{text}\n}} }}\n").into_bytes()
}

const PARTS: &[&str] = &[
    "a",
    "b",
    "text/html",
    " ",
    " ",
    "\n",
    "\r\n",
    "\t",
    ";",
    ";\n",
    "; ",
    "{",
    "}",
    "\"",
    "'",
    "\"q\"",
    "'q'",
    "\\",
    "$",
    "${",
    "$x",
    "${x}",
    "#",
    "# c\n",
    "\\\"",
    "\\n",
    "\\{",
    ")",
    "(",
    "\"a\")",
    "a#b",
    ";#c\n",
    "é",
    "\"a{b}\"",
    "'a;b'",
    "a}b",
    "a\"b",
    "\\\n",
    "$\\{",
];

#[test]
fn generated_files_are_judged_as_nginx_judges_them() {
    for nginx in installed() {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let mut judged = 0;
        for _ in 0..600 {
            let mut text: String =
                (0..random.below(14)).map(|_| PARTS[random.below(PARTS.len())]).collect();
            if random.below(2) == 0 {
                text.push_str(" z;");
            }
            judged += usize::from(agree(&nginx, &in_types(&text)));
        }
        assert!(judged > 300, "only {judged} files came to a judgement");
    }
}

#[test]
fn words_are_too_long_where_they_are_for_nginx() {
    for nginx in installed() {
        let mut refused = 0;
        for length in 4092..=4098 {
            let long = "x".repeat(length);
            for text in [
                format!("a {long};"),
                format!("a {long} ;"),
                format!("a {long}\n\n;"),
                format!("a \"{long}\";"),
                format!("a \"{long}\" ;"),
                format!("a '{long}'\n;"),
                format!("a b; #{long}\n"),
                format!("a \"{long}"),
                format!("a {long}"),
            ] {
                let bytes = in_types(&text);
                agree(&nginx, &bytes);
                let tree = Tree::parse(Arc::new(SourceFile::new(FileId(0), "/x", bytes)));
                refused += usize::from(
                    tree.fault.is_some_and(|fault| fault.kind == FaultKind::TooLongParameter),
                );
            }
        }
        assert!(refused > 10, "{refused}");
    }
}

#[test]
fn decoded_words_are_nginxs() {
    for nginx in installed() {
        for word in [
            r"plain",
            r"a\tb",
            r"a\'b",
            r#"a\"b"#,
            r"a\\b",
            r"a\qb",
            r"a\;b",
            r"a\{b",
            r"\#a",
            r"a\$b",
            r#""a\"b""#,
            r"'a\'b'",
            r"'a\nb'",
            r#""a\ b""#,
            r"$x{y",
            "a}b",
            r"a\\\\b",
            r"\\",
            "${a}b",
        ] {
            let text = format!("events {{}}\n{word} 1;\n");
            let tree = Tree::parse(Arc::new(SourceFile::new(FileId(0), "/x", text.as_bytes())));
            let ours = tree.words[1].value(&tree.file.bytes).into_owned();
            let (theirs, _) = judged(&nginx, text.as_bytes()).unwrap();
            let ours = format!("unknown directive \"{}\"", String::from_utf8(ours).unwrap());
            assert_eq!(theirs, ours, "{word}");
        }
    }
}
