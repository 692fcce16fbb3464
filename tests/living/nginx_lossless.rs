//! nginx's files come out byte for byte, and hostile ones do no harm.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::env_files::Random;
use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::nginx::tree::{PieceKind, Tree};
use deploy_doctor::source::nginx::{FaultKind, Model, load, load_fragments};
use deploy_doctor::source::{FileId, SourceFile, Sources};

fn tree(bytes: impl Into<Vec<u8>>) -> Tree {
    Tree::parse(Arc::new(SourceFile::new(FileId(0), "/x.conf", bytes)))
}

fn model(bytes: impl Into<Vec<u8>>) -> Model {
    let mut host = MemoryHost::new();
    host.file("/etc/nginx/nginx.conf", bytes);
    let sources = Sources::new(&host);
    Model::new(load(&sources, Path::new("/etc/nginx/nginx.conf"), Path::new("/etc/nginx")).unwrap())
}

/// The pieces join to the file, without gaps, and nothing but white space counts as blank.
fn lossless(bytes: &[u8], what: &str) -> Tree {
    let tree = tree(bytes);
    let mut joined = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for (kind, span) in tree.pieces() {
        assert_eq!(span.start, at, "{what}: a gap or an overlap before {span:?}");
        at = span.end;
        let piece = tree.file.slice(span);
        match kind {
            PieceKind::Blank => assert!(
                piece.iter().all(|b| b" \t\r\n".contains(b)),
                "{what}: {:?} is not blank",
                String::from_utf8_lossy(piece)
            ),
            PieceKind::Mark => assert!(matches!(piece, b";" | b"{" | b"}"), "{what}"),
            PieceKind::Comment => assert!(piece.starts_with(b"#"), "{what}"),
            PieceKind::Unread => assert!(tree.fault.is_some(), "{what}: unread without a fault"),
            PieceKind::Word | PieceKind::Raw => assert!(!piece.is_empty(), "{what}"),
        }
        joined.extend_from_slice(piece);
    }
    assert!(joined == bytes, "{what}: lost or changed");
    tree
}

#[test]
fn real_files_are_read_without_loss() {
    let Ok(files) = std::fs::read_dir("../shared/corpus/nginx") else {
        eprintln!("SKIPPED: the corpus of real nginx files is not here");
        return;
    };
    let (mut count, mut faults) = (0, Vec::new());
    for file in files {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let tree = lossless(&bytes, &path.display().to_string());
        faults.extend(tree.fault.map(|fault| (path, fault)));
        count += 1;
    }
    assert!(count > 100, "{count} files only");
    // One of them is BIND's.
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].0.to_string_lossy().contains("named.conf"));
}

const PARTS: &[&str] = &[
    "a",
    "server",
    "location",
    "/",
    " ",
    " ",
    "\n",
    "\r\n",
    "\t",
    ";",
    ";",
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "$",
    "${",
    "#",
    "# c\n",
    "\\\"",
    "\\n",
    "~",
    "^~",
    "=",
    "proxy_pass",
    "http://",
    "unix:/p",
    ":",
    "{{ x }}",
    "{% if %}",
    "map $a $b",
    "content_by_lua_block",
    "[[",
    "]]",
    "--",
    "\0",
    "\u{feff}",
    "é",
    ")",
    "if ($x)",
    "set $x",
    "include",
    "x;",
    "upstream u",
];

#[test]
fn generated_files_are_read_without_loss_or_panic() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut clean = 0;
    for round in 0..20_000 {
        let text: String =
            (0..random.below(40)).map(|_| PARTS[random.below(PARTS.len())]).collect();
        let tree = lossless(text.as_bytes(), &format!("round {round}: {text:?}"));
        clean += usize::from(tree.fault.is_none());
        if round % 10 == 0 {
            let mut host = MemoryHost::new();
            host.file("/x.conf", text);
            let sources = Sources::new(&host);
            Model::new(load_fragments(&sources, &[PathBuf::from("/x.conf")]).unwrap());
        }
    }
    assert!(clean > 300, "only {clean} files without a fault: the generator is no use");
}

#[test]
fn a_hundred_thousand_blocks_deep() {
    for body in ["a {", "location / {", "if ($x) {", "http { server { location / {"] {
        let text = body.repeat(100_000);
        let tree = lossless(text.as_bytes(), "open blocks");
        assert_eq!(tree.fault.unwrap().kind, FaultKind::UnexpectedEnd);
    }
    let text = format!(
        "events {{}} http {{ server {{ {} proxy_pass http://h; {} }} }}",
        "location /a {".repeat(100_000),
        "}".repeat(100_000)
    );
    let model = model(text);
    assert_eq!(model.locations.len(), 100_000);
    let located = model.locate(model.servers[0].id, "/a");
    assert_eq!(located.location, Some(model.locations[99_999].id));
}

#[test]
fn large_files_and_words() {
    let line = "proxy_set_header X-Name \"some value\"; # and a comment\n";
    let text = line.repeat(10 * 1024 * 1024 / line.len());
    let tree = lossless(text.as_bytes(), "10 MiB");
    assert!(tree.fault.is_none());
    assert_eq!(tree.words.len(), tree.directives.len() * 3);
    let tree = lossless(format!("a {};", "x".repeat(1 << 20)).as_bytes(), "a word of 1 MiB");
    assert_eq!(tree.fault.unwrap().kind, FaultKind::TooLongParameter);
}

#[test]
fn odd_bytes() {
    assert!(lossless(b"", "empty").fault.is_none());
    assert!(lossless(b" \r\n\t", "blank").fault.is_none());
    let tree = lossless(b"a \0\xff;\r\nb c;\r\n", "NUL, not UTF-8, CRLF");
    assert!(tree.fault.is_none());
    assert_eq!(tree.words[1].value(&tree.file.bytes).as_ref(), b"\0\xff");
    assert_eq!(tree.directives.len(), 2);
    let tree = lossless(b"\xef\xbb\xbfuser x;", "a byte order mark");
    assert_eq!(tree.fault.as_ref().unwrap().kind, FaultKind::ByteOrderMark);
    assert_eq!(tree.directives.len(), 1);
    let tree = lossless(b"a 'b", "an open quote");
    assert_eq!(tree.fault.unwrap().kind, FaultKind::UnterminatedQuote);
}

#[test]
fn lua_is_not_looked_into() {
    let text = b"location / { content_by_lua_block {\n local a = \"}\" -- }\n local t = {[[ } ]]} \
                 --[==[ } ]==]\n } proxy_pass http://x; }";
    let tree = lossless(text, "Lua");
    assert!(tree.fault.is_none(), "{:?}", tree.fault);
    assert_eq!(tree.directives.len(), 3);
    let open = lossless(b"content_by_lua_block { a = { }", "open Lua");
    assert_eq!(open.fault.unwrap().kind, FaultKind::UnexpectedEnd);
}

#[test]
fn templates() {
    let tree = lossless(b"server { listen {{ port }}; server_name a.{{ x }}.b; }", "values");
    assert!(tree.fault.is_none() && tree.template, "{:?}", tree.fault);
    for text in ["server {\n{% if x %}\nlisten 80;\n{% endif %}\n}", "{{ x }}\nserver {}"] {
        let tree = lossless(text.as_bytes(), text);
        assert_eq!(tree.fault.unwrap().kind, FaultKind::Template, "{text}");
    }
    // Not a template: nginx takes this as it is.
    let tree = lossless(b"a '{{ x }}';", "quoted");
    assert!(tree.fault.is_none() && !tree.template);
}
