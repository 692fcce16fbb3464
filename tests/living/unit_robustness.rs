//! Hostile and broken units: no panic, no endless loop, nothing lost in silence.

#![allow(clippy::unwrap_used)] // helpers of a test may stop it, too

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use deploy_doctor::host::{FileKind, MemoryHost};
use deploy_doctor::source::unit::{self, FaultKind, LoadError, Refusal, UnitName, UnitPaths};
use deploy_doctor::source::{FileId, SourceFile, Sources};
use watched::{Question, Watched};

use crate::support::watched;

fn parse(bytes: impl Into<Vec<u8>>) -> unit::UnitFile {
    unit::parse(Arc::new(SourceFile::new(FileId(0), "x.service", bytes)))
}

fn kinds(bytes: impl Into<Vec<u8>>) -> Vec<FaultKind> {
    parse(bytes).faults.iter().map(|fault| fault.kind).collect()
}

fn name(text: &str) -> UnitName {
    UnitName::parse(text).unwrap()
}

#[test]
fn every_fault_is_named() {
    use FaultKind::*;
    assert_eq!(kinds("[Service] # c\nA=1\n"), [HeaderFollowedByText]);
    assert_eq!(kinds("[Service\nA=1\n"), [HeaderUnclosed]);
    assert_eq!(kinds("[Ser'vice]\nA=1\n"), [HeaderBadCharacters]);
    assert_eq!(kinds(b"[S]\nA=\xff\n"), [NotUtf8]);
    assert_eq!(kinds("[S]\nA\n"), [NoEquals]);
    assert_eq!(kinds("[S]\n=1\n"), [EmptyKey]);
    assert_eq!(kinds("A=1\n[S]\n"), [OutsideSection]);
    assert_eq!(kinds("[S]\nA=1 \\ \nB=1\n"), [BlankAfterBackslash]);
    assert_eq!(kinds("[S]\nA=1 \\\n[Install]\n"), [HeaderInContinuation]);
    assert_eq!(kinds(b"\xef\xbb\xbf[S]\nA=1\n"), [ByteOrderMark]);
    assert_eq!(kinds("[S]\nA=1 \\"), [EndsInContinuation]);
    assert_eq!(kinds("[S]\nA=1\0B=2\0\n"), [Nul]);
    assert_eq!(kinds(format!("[S]\nA={}\n", "x".repeat(1 << 20))), [LineTooLong]);
    assert_eq!(kinds(""), []);
}

#[test]
fn newer_versions_refuse_a_header_that_names_no_section() {
    let read = |text: &str, version| {
        let file = Arc::new(SourceFile::new(FileId(0), "x.service", text));
        let read = unit::parse_as(file, version);
        (read.fatal().map(|fault| fault.kind), read.assignments.len())
    };
    for header in ["[]", "[[Service]]", "[[Service]"] {
        let text = format!("[Unit]\nA=1\n{header}\nB=1\n");
        assert_eq!(read(&text, Some(262)), (Some(FaultKind::HeaderNoName), 1), "{header}");
        for older in [None, Some(252)] {
            assert_eq!(read(&text, older), (None, 2), "{header}");
        }
    }
    assert_eq!(read("[Service]]\nA=1\n", Some(262)), (None, 1));
}

#[test]
fn a_fault_knows_its_place() {
    let file = parse("[S]\nA=1 \\  \nB=1\nnothing\n");
    let places: Vec<_> = file.faults.iter().map(|f| file.file.position(f.span.start)).collect();
    let places: Vec<_> = places.iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(places, [(2, 6), (4, 1)]);
}

#[test]
fn ten_megabytes_are_read() {
    let text = "[Service]\n".to_owned() + &"Environment=A=1 \\\n  B=2\n".repeat(430_000);
    assert!(text.len() > 10_000_000);
    assert_eq!(parse(text).assignments.len(), 430_000);
    // One name of nearly 1 MiB over very many assignments, and very many faults.
    let text = format!("[{}]\n", "s".repeat(1_000_000)) + &"a=\nb\n".repeat(500_000);
    let file = parse(text);
    assert_eq!((file.assignments.len(), file.faults.len()), (500_000, 500_000));
}

#[test]
fn a_long_line_with_many_continuations_is_read() {
    let text = "[S]\nExecStart=/bin/x ".to_owned() + &"word \\\n".repeat(100_000) + "last\n";
    let file = parse(text);
    let commands =
        unit::commands(&file.assignments[0].value, &unit::Specifiers::new(name("x"))).unwrap();
    assert_eq!(commands[0].arguments.len(), 100_001);
    let last = commands[0].arguments.last().unwrap();
    assert_eq!(file.file.slice(last.span), b"last");
    assert_eq!(file.file.position(last.span.start).line, 100_002);
}

#[test]
fn a_hundred_thousand_assignments_merge() {
    let mut host = MemoryHost::new();
    host.file("/etc/systemd/system/a.service", "[Service]\nExecStart=/bin/true\n");
    let many = "[Service]\n".to_owned() + &"Environment=A=1\n".repeat(100_000);
    host.file("/etc/systemd/system/a.service.d/x.conf", many);
    let sources = Sources::new(&host);
    let unit = unit::load(&sources, &name("a")).unwrap();
    assert_eq!(unit.list("Service", "Environment").len(), 100_000);
}

#[test]
fn link_loops_end() {
    let mut host = MemoryHost::new();
    host.link("/etc/systemd/system/a.service", "b.service")
        .link("/etc/systemd/system/b.service", "a.service")
        .link("/etc/systemd/system/self.service", "self.service")
        .link("/etc/systemd/system/outside.service", "/srv/loop")
        .link("/srv/loop", "/srv/loop");
    let sources = Sources::new(&host);
    let paths = UnitPaths::scan(&sources);
    for unit in ["a", "b", "self"] {
        let error = paths.load(&sources, &name(unit)).unwrap_err();
        assert!(matches!(error, LoadError::NotFound { .. }), "{unit}");
    }
    let unit = paths.load(&sources, &name("outside")).unwrap();
    assert!(unit.fragment.is_none());
    assert!(!unit.problems.is_empty());
    assert!(!paths.list_units().problems.is_empty());
}

#[test]
fn what_is_no_file_is_no_unit() {
    let mut host = MemoryHost::new();
    host.directory("/etc/systemd/system/directory.service")
        .special("/etc/systemd/system/fifo.service", FileKind::Fifo)
        .file("/usr/lib/systemd/system/fifo.service", "[Service]\nExecStart=/bin/true\n")
        .file("/etc/systemd/system/notes.txt", "x")
        .file("/etc/systemd/system/real.service", "[Service]\nExecStart=/bin/true\n");
    let sources = Sources::new(&host);
    let listing = unit::list(&sources);
    assert_eq!(listing.units, [name("fifo"), name("real")]);
    assert!(unit::load(&sources, &name("directory")).is_err());
    let fifo = unit::load(&sources, &name("fifo")).unwrap();
    assert_eq!(fifo.path, Path::new("/usr/lib/systemd/system/fifo.service"));
}

#[test]
fn a_drop_in_that_is_a_directory_is_reported() {
    let mut host = MemoryHost::new();
    host.file("/etc/systemd/system/a.service", "[Service]\nExecStart=/bin/true\n")
        .directory("/etc/systemd/system/a.service.d/x.conf");
    let unit = unit::load(&Sources::new(&host), &name("a")).unwrap();
    assert_eq!(unit.problems.len(), 1);
}

#[test]
fn a_directory_linked_twice_is_listed_once() {
    let mut host = MemoryHost::new();
    host.link("/lib", "usr/lib")
        .file("/usr/lib/systemd/system/a.service", "[Service]\nExecStart=/bin/true\n")
        .file("/usr/lib/systemd/system/a.service.d/x.conf", "[Service]\nEnvironment=A=1\n");
    let sources = Sources::new(&host);
    let paths = UnitPaths::scan(&sources);
    assert_eq!(paths.directories(), [Path::new("/lib/systemd/system")]);
    let unit = paths.load(&sources, &name("a")).unwrap();
    assert_eq!(unit.drop_ins.len(), 1);
}

#[test]
fn instances_that_are_pulled_in_are_listed() {
    let mut host = MemoryHost::new();
    host.file("/etc/systemd/system/web@.service", "[Service]\nExecStart=/bin/true %i\n").link(
        "/etc/systemd/system/multi-user.target.wants/web@blue.service",
        "/etc/systemd/system/web@.service",
    );
    let sources = Sources::new(&host);
    let paths = UnitPaths::scan(&sources);
    assert_eq!(paths.list_units().units, [name("web@.service"), name("web@blue")]);
    let unit = paths.load(&sources, &name("web@blue")).unwrap();
    assert!(unit.is_enabled());
    let (_, command) = &unit.commands("Service", "ExecStart")[0];
    assert_eq!(command.arguments[0].text.as_str(), "blue");
    // The template itself does not know its instance.
    let unit = paths.load(&sources, &name("web@.service")).unwrap();
    let (_, command) = &unit.commands("Service", "ExecStart")[0];
    assert!(command.arguments[0].unknown.is_some());
    assert!(paths.mentions(&sources, &name("web@blue"), b"/bin/true"));
    assert!(!paths.mentions(&sources, &name("web@blue"), b"gunicorn"));
}

#[test]
fn a_file_of_a_repository_is_a_unit_of_its_own() {
    let mut host = MemoryHost::new();
    host.file("/repo/app.service.j2", "[Service]\nExecStart={{ venv }}/bin/gunicorn {{ a b }} x\n");
    let sources = Sources::new(&host);
    let unit = unit::from_file(&sources, Path::new("/repo/app.service.j2")).unwrap();
    assert_eq!(unit.name, name("app"));
    assert!(!unit.is_refused());
    let (_, command) = &unit.commands("Service", "ExecStart")[0];
    assert!(command.program.unknown.is_some());
    assert!(command.arguments.last().unwrap().unknown.is_none());
}

#[test]
fn two_start_commands_are_refused() {
    let mut host = MemoryHost::new();
    host.file("/etc/systemd/system/a.service", "[Service]\nExecStart=/bin/a\nExecStart=/bin/b\n");
    let unit = unit::load(&Sources::new(&host), &name("a")).unwrap();
    let file = unit.fragment.as_ref().unwrap();
    let Some(Refusal::ExecStartTwice(span)) = unit.refusal() else { panic!() };
    assert_eq!(file.file.slice(span), b"/bin/b");
}

/// How many directories are listed until that many units are loaded.
fn listings(count: usize) -> usize {
    let mut host = MemoryHost::new();
    for number in 0..count {
        let text = format!("[Service]\nExecStart=/srv/{number}/bin/gunicorn app:app\n");
        host.file(format!("/etc/systemd/system/app{number}.service"), text);
    }
    host.file("/etc/systemd/system/service.d/all.conf", "[Service]\nRestart=always\n");
    let listed = Cell::new(0);
    let choose = |question, _: &Path| {
        listed.set(listed.get() + usize::from(question == Question::List));
        0
    };
    let host = Watched { hosts: vec![host], choose };
    let sources = Sources::new(&host);
    let paths = UnitPaths::scan(&sources);
    let units = paths.list_units().units;
    assert_eq!(units.len(), count);
    for name in &units {
        assert!(paths.mentions(&sources, name, b"gunicorn"));
        let unit = paths.load(&sources, name).unwrap();
        assert_eq!(unit.last("Service", "Restart").unwrap().value.as_str(), "always");
    }
    listed.get()
}

#[test]
fn a_thousand_units_need_no_listing_each() {
    // The search path, `service.d`, and where systemd's version is looked for.
    let (few, many) = (listings(2), listings(1000));
    assert!(few <= 20, "{few} listings");
    assert_eq!(many, few, "more units, more listings");
}

#[test]
fn hostile_words_take_no_quadratic_time() {
    let specifiers = unit::Specifiers::new(name("x"));
    for piece in ["{{", "{%", "${", "__A", "@a", "\"", "\\", "%%", "$$", "' '", "; "] {
        let text = format!("[S]\nExecStart=/b {}\n", piece.repeat(200_000 / piece.len()));
        let file = parse(text);
        let commands = unit::commands(&file.assignments[0].value, &specifiers);
        assert!(commands.is_ok() || commands.is_err_and(|fault| fault.refuses), "{piece}");
    }
}
