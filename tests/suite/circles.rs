//! No circles among files: a file that names another is not named by it, nor by what that one needs.
//! A module and those above and below it are one family and do not count.

#[path = "module_graph.rs"]
mod module_graph;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::rust_files;
use module_graph::{File, Graph};

/// The circles that are left, each with the reason. The list only gets shorter: one that is gone or
/// smaller than it says fails too.
const LEFT: &[(&[&str], &str)] = &[
    (
        &["capture::command", "capture::value"],
        "a variable's value may be a command's options, and a command has NAME=value in it",
    ),
    (
        &["source::python::evaluate::calls", "source::python::evaluate::expressions"],
        "an expression has calls in it, and a call has expressions",
    ),
];

fn file(module: &str, text: &str) -> File {
    let module = module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    File { module, text: text.to_owned() }
}

/// `src/facts/nginx.rs` is `facts::nginx`, `rules/unit/mod.rs` is `rules::unit`.
fn module(relative: &Path) -> String {
    let mut parts: Vec<_> = relative
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_str().unwrap().to_owned())
        .collect();
    if parts[0] == "src" {
        parts.remove(0);
    }
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts.join("::")
}

fn sources(top: &Path) -> Vec<File> {
    let mut files = Vec::new();
    rust_files(&top.join("src"), &mut files);
    rust_files(&top.join("rules"), &mut files);
    let relative = |path: &Path| path.strip_prefix(top).unwrap().to_path_buf();
    // The program's file names the library from outside.
    files.retain(|path| relative(path) != Path::new("src/main.rs"));
    let read = |path: &PathBuf| file(&module(&relative(path)), &fs::read_to_string(path).unwrap());
    files.iter().map(read).collect()
}

type Circle = BTreeSet<String>;

/// What is wrong with the circles of a graph, given those that are allowed.
fn offences(graph: &Graph, left: &[(&[&str], &str)]) -> Vec<String> {
    let listed: Vec<Circle> = left
        .iter()
        .map(|(files, _)| files.iter().map(|file| (*file).to_owned()).collect())
        .collect();
    let circles = graph.circles();
    let found: Vec<Circle> =
        circles.iter().map(|circle| circle.iter().map(|path| path.join("::")).collect()).collect();
    let mut offences = Vec::new();
    for (circle, paths) in found.iter().zip(&circles) {
        if listed.iter().any(|listed| circle.is_subset(listed)) {
            continue;
        }
        let mut told = "a circle of files; move what both need into a file of its own:".to_owned();
        for from in paths {
            for (to, line) in graph.named[from].iter().filter(|(to, _)| paths.contains(*to)) {
                told += &format!("\n  {}:{line} names {}", from.join("::"), to.join("::"));
            }
        }
        offences.push(told);
    }
    for listed in listed.iter().filter(|listed| !found.contains(listed)) {
        let smaller: Vec<_> = found.iter().filter(|circle| circle.is_subset(listed)).collect();
        let now = if smaller.is_empty() { "gone".to_owned() } else { format!("{smaller:?}") };
        offences.push(format!("{listed:?} is listed and now {now}: say so in LEFT"));
    }
    offences
}

#[test]
fn there_is_no_new_circle_and_no_old_one_that_is_gone() {
    let sources = sources(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(sources.len() > 300, "the sources were not found");
    let offences = offences(&Graph::of(&sources), LEFT);
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

/// The circles among small texts, each as its modules with spaces between.
fn seen(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files.iter().map(|(module, text)| file(module, text)).collect();
    let words = |circle: BTreeSet<module_graph::Path>| -> Vec<String> {
        circle.into_iter().map(|path| path.join("::")).collect()
    };
    Graph::of(&files).circles().into_iter().map(|circle| words(circle).join(" ")).collect()
}

#[test]
fn a_circle_is_seen_however_it_is_written() {
    for (one, other) in [
        ("use super::b::B;", "use super::a::A;"),
        ("use super::b::{self, B};", "use crate::{m::{a::A, c}, other};"),
        ("pub(super) use super::{c, b as bee};", "fn f() -> crate::m::a::A {}"),
        ("mod tests { use super::super::b::*; }", "fn f(a: super::a::A) {}"),
        // A name that a `use` brought leads on.
        ("use crate::m; fn f() { m::b::g(); }", "use super::super::m::a;"),
        // Through what the module above hands on.
        ("use super::B;", "use crate::m::Aye;"),
        ("use super::{\n  /* of } */\n  B,\n};", "const T: &str = r#\"\" \\\"#; use crate::Top;"),
    ] {
        let files = [
            ("", "pub mod m; pub use m::Aye as Top;"),
            ("m", "mod a; mod b; mod c; pub use a::A as Aye; use self::b::B;"),
            ("m::a", one),
            ("m::b", other),
            ("m::c", ""),
        ];
        assert_eq!(seen(&files), ["m::a m::b"], "{one}\n{other}");
    }
}

#[test]
fn a_circle_of_three_and_one_beside_it_are_two() {
    let files = [
        ("m", ""),
        ("m::a", "use super::b::B;"),
        ("m::b", "use super::c::C; use super::d;"),
        ("m::c", "use super::a::A;"),
        ("m::d", "use crate::n::e::E;"),
        ("n", ""),
        ("n::e", "use crate::m::d::D;"),
        ("n::f", "use crate::m::a::A;"),
    ];
    assert_eq!(seen(&files), ["m::a m::b m::c", "m::d n::e"]);
}

#[test]
fn what_is_no_circle_is_none() {
    for (one, other) in [
        ("use super::b::B;", "use super::c::C;"),
        ("use super::b::B;", "// use super::a::A;\nconst T: &str = \"super::a::A\";"),
        ("use super::b::B;", "const T: char = '\"'; /* super::a */ fn f<'a>(a: &'a str) {}"),
        ("use super::b::B;", "use std::a; use a::m; fn f() { other::a::A }"),
        // The module above, and what stands in it.
        ("use super::b::B;", "use super::Family; use super::a_function;"),
        // A module of its own in braces, of the same name.
        ("use super::b::B;", "mod a {} use self::a::A; fn f() -> impl B + use<'_> { g; }"),
        ("use super::b::B;", "use self::inner::A; mod inner { pub use super::super::c::A; }"),
    ] {
        let files = [
            ("m", "mod a; mod b; mod c; pub use a::A; pub struct Family; use b::B;"),
            ("m::a", one),
            ("m::b", other),
            ("m::c", "mod d; use d::D; use super::Family;"),
            ("m::c::d", "use super::super::c; use super::f;"),
        ];
        assert!(seen(&files).is_empty(), "{one}\n{other}: {:?}", seen(&files));
    }
}

#[test]
fn the_list_holds_exactly_the_circles_that_are_left() {
    let files = [
        file("a", "use crate::b::B;"),
        file("b", "use crate::a::A;"),
        file("c", "use crate::a::A;"),
    ];
    let graph = Graph::of(&files);
    assert!(offences(&graph, &[(&["a", "b"], "")]).is_empty());
    let new = offences(&graph, &[]).join("\n");
    assert!(new.contains("\n  a:1 names b\n  b:1 names a"), "{new}");
    assert!(
        offences(&graph, &[(&["a", "c"], ""), (&["a", "b"], "")]).join("").contains("now gone")
    );
    let smaller = offences(&graph, &[(&["a", "b", "c"], "")]);
    assert_eq!(smaller.len(), 1, "{smaller:?}");
    assert!(smaller[0].contains(r#"now [{"a", "b"}]"#), "{smaller:?}");
}
