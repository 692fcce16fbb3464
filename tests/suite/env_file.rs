//! The environment file reader: what it says about each line beyond its value, and that its spans
//! can be edited. `env_systemd.rs` holds the values against systemd itself.

use std::time::{Duration, Instant};

use crate::support::env_files::generated;
use deploy_doctor::source::env_file::{
    Dialect, EnvFile, ExpansionKind, FaultKind, IgnoredKind, Quoting, parse,
};
use deploy_doctor::source::{FileId, SourceFile, Span};

fn source(bytes: impl AsRef<[u8]>) -> SourceFile {
    SourceFile::new(FileId(0), "/etc/app.env", bytes.as_ref())
}

fn read(bytes: impl AsRef<[u8]>) -> EnvFile {
    parse(&source(bytes), Dialect::Since254)
}

fn value<'f>(file: &'f EnvFile, name: &str) -> Option<&'f str> {
    file.get(name).and_then(|assignment| assignment.value.expose_str())
}

fn text(bytes: &str, span: Span) -> &str {
    &bytes[span.start as usize..span.end as usize]
}

#[test]
fn the_last_of_a_name_decides_and_the_others_stay_visible() {
    let file = read("A=1\nB=2\nA=3\nA=4\n");
    assert_eq!(value(&file, "A"), Some("4"));
    let effective: Vec<&str> = file.effective().map(|a| a.name.value.as_str()).collect();
    assert_eq!(effective, ["B", "A"]);
    let lines: Vec<usize> = file.duplicates()[0].iter().map(|a| *a.lines.start()).collect();
    assert_eq!((file.duplicates().len(), lines), (1, vec![1, 3, 4]));
    assert_eq!(file.get("C"), None);
}

#[test]
fn spans_are_the_bytes_of_the_file() {
    for (text_of_file, value_text, line, lines) in [
        ("A=x\n", "x", "A=x", 1..=1),
        ("# c\n  A = x y  \r\nB=2\n", "x y", "  A = x y  ", 2..=2),
        ("A=\n", "", "A=", 1..=1),
        ("A=  \n", "", "A=  ", 1..=1),
        ("A= \"x y\"  \n", "\"x y\"", "A= \"x y\"  ", 1..=1),
        ("A=\"x\" 'y' z\n", "\"x\" 'y' z", "A=\"x\" 'y' z", 1..=1),
        ("A='1\n2\n'\nB=2", "'1\n2\n'", "A='1\n2\n'", 1..=3),
        ("A=l1\\\n l2\n", "l1\\\n l2", "A=l1\\\n l2", 1..=2),
        ("A=l1\\\n\nB=2", "l1\\\n", "A=l1\\\n", 1..=2),
        ("A=\"x\nB=1", "\"x\nB=1", "A=\"x\nB=1", 1..=2),
        ("A=\"", "\"", "A=\"", 1..=1),
        ("A=x\\", "x\\", "A=x\\", 1..=1),
    ] {
        let file = read(text_of_file);
        let assignment = file.get("A").unwrap();
        assert_eq!(text(text_of_file, assignment.value_span), value_text, "{text_of_file:?}");
        assert_eq!(text(text_of_file, assignment.span), line, "{text_of_file:?}");
        assert_eq!(text(text_of_file, assignment.name.span), "A");
        assert_eq!(assignment.lines, lines, "{text_of_file:?}");
    }
}

#[test]
fn what_systemd_drops_is_named_with_its_reason() {
    use IgnoredKind::{BadName, Bom, Colon, EmptyName, Export, NoEquals, Section};
    for (line, kind, name, logged) in [
        ("export A=1", Export, Some("A"), true),
        ("export\tA = 1", Export, Some("A"), true),
        ("export A", Export, Some("A"), false),
        ("\u{feff}A=1", Bom, Some("A"), true),
        ("\u{feff}# c", Bom, None, false),
        ("A: 1", Colon, Some("A"), false),
        ("A: x=1", Colon, Some("A"), true),
        ("[x]", Section, None, false),
        ("=x", EmptyName, None, false),
        ("=x=1", EmptyName, None, true),
        ("FOO BAR=1", BadName, Some("FOO BAR"), true),
        ("1A=1", BadName, Some("1A"), true),
        ("foo.bar=1", BadName, Some("foo.bar"), true),
        ("postgres://me:secret@db/x?a=1", BadName, None, true),
        ("5PmT0k3n==", BadName, None, true),
        ("5PmT0k3nAbCdEfGhI=", BadName, None, true),
        ("word", NoEquals, None, false),
    ] {
        let file = read(format!("{line}\n\nB=2\n"));
        assert_eq!(file.ignored.len(), 1, "{line}");
        let ignored = &file.ignored[0];
        assert_eq!((ignored.kind, ignored.name.as_deref()), (kind, name), "{line}");
        assert_eq!(ignored.logged, logged, "{line}");
        assert_eq!(text(line, ignored.span), line);
        assert_eq!(value(&file, "B"), Some("2"), "{line}");
        assert_eq!(file.assignments.len(), 1, "{line}");
    }
}

#[test]
fn what_makes_the_unit_fail_is_a_fault_with_its_place() {
    for (bytes, kind, start, end) in [
        (b"A=1\nB= \xff \n".as_slice(), FaultKind::NonUtf8, 7, 8),
        (b"A=1\nB\xc3=1\nC=\xff", FaultKind::NonUtf8, 4, 6),
        (b"A=\xef\xb7\x90\n", FaultKind::NonUtf8, 2, 5),
        (b"A=1\nB=\xff\nC=\0\n", FaultKind::Nul, 10, 11),
        (b"# \0\n", FaultKind::Nul, 2, 3),
    ] {
        let fault = read(bytes).fatal.unwrap();
        assert_eq!((fault.kind, fault.span.start, fault.span.end), (kind, start, end));
    }
    for bytes in [b"# \xff\nA=1\n".as_slice(), b"no equals \xff\nA=1", b"A=\xc3\xbc"] {
        let file = read(bytes);
        assert_eq!(file.fatal, None);
        assert!(file.get("A").is_some());
    }
}

#[test]
fn texts_that_a_shell_would_expand_are_found() {
    use ExpansionKind::{Backticks, Braced, Command, Tilde, Variable};
    for (written, expected) in [
        (
            "$A x ${B:-1} $(id -u) `id`",
            vec![(Variable, "$A"), (Braced, "${B:-1}"), (Command, "$(id -u)"), (Backticks, "`id`")],
        ),
        ("\"$HOME/x\"", vec![(Variable, "$HOME")]),
        ("$(echo $A)", vec![(Command, "$(echo $A)")]),
        ("~/app", vec![(Tilde, "~")]),
        ("~", vec![(Tilde, "~")]),
        ("x~/app a~", vec![]),
        ("\\$A \"\\$B\" $1 $ cost$ a$%b ${ $( `", vec![]),
        ("pa$$word", vec![(Variable, "$word")]),
    ] {
        let line = format!("A={written}\nB=1 }} ) `\n");
        let file = read(&line);
        let found: Vec<_> = file.get("A").unwrap().expansions.iter().collect();
        let texts: Vec<_> = found.iter().map(|e| (e.kind, text(&line, e.span))).collect();
        assert_eq!(texts, expected, "{written}");
        assert!(found.iter().all(|expansion| !expansion.single_quoted));
    }
    assert!(read("A='$B'").get("A").unwrap().expansions[0].single_quoted);
}

#[test]
fn comments_in_values_are_found_and_numbers_of_colours_are_not() {
    for (line, comment) in [
        ("A=x # c", Some("# c")),
        ("A=x\t#c # d  ", Some("#c # d")),
        ("A=\"x\" # c", Some("# c")),
        ("A= # c", Some("# c")),
        ("A=#fff", None),
        ("A=x#y", None),
        ("A=\"x # c\"", None),
        ("A='x # c'", None),
        ("A=x \\# c", None),
    ] {
        let file = read(line);
        let found = file.get("A").unwrap().comment.map(|span| text(line, span));
        assert_eq!(found, comment, "{line}");
    }
}

#[test]
fn quotes_that_swallow_lines_are_found() {
    let lines = "A=\"x\nexport B=1\n  C_D = 2\nC_D=2\nMIIabc==\nno\n";
    let file = read(lines);
    let assignment = file.get("A").unwrap();
    assert_eq!(assignment.open_quote.map(|span| text(lines, span)), Some("\""));
    let names: Vec<&str> = assignment.swallowed.iter().map(|n| n.value.as_str()).collect();
    assert_eq!(names, ["B", "C_D"]);
    assert!(assignment.swallowed.iter().all(|name| text(lines, name.span) == name.value));

    // The quote of a later line closes it: no quote is open, and B is lost all the same.
    let file = read("A=\"x\nB=\"y\"\nC=1\n");
    assert_eq!(file.get("A").unwrap().open_quote, None);
    assert_eq!(file.get("A").unwrap().swallowed[0].value, "B");
    assert_eq!((value(&file, "A"), value(&file, "B")), (Some("x\nB=y\""), None));
    assert_eq!(value(&file, "C"), Some("1"));
}

#[test]
fn quoting_and_backslashes_are_told() {
    for (written, quoting) in [
        ("x", Quoting::Unquoted),
        ("x\"y\"", Quoting::Unquoted),
        ("'x'", Quoting::Single),
        ("'x' 'y'", Quoting::Single),
        ("\"x\"", Quoting::Double),
        ("\"x\\", Quoting::Double),
        ("\"x\"y", Quoting::Mixed),
        ("\"x\"'y'", Quoting::Mixed),
    ] {
        let file = read(format!("A={written}"));
        assert_eq!(file.get("A").unwrap().quoting, quoting, "{written}");
    }
    let file = read("A=C:\\temp\nB=a\\ b\\\"\nC=x\\\ny\nD=x\\\r\ny\r\nE=\"x\\\r\ny\"\nF=it's\n");
    let get = |name| file.get(name).unwrap();
    assert_eq!(get("A").dropped_backslash.map(|s| (s.start, s.end)), Some((4, 5)));
    assert_eq!(get("B").dropped_backslash, None);
    assert_eq!((get("C").continuations.len(), get("C").lost_continuations.len()), (1, 0));
    assert_eq!((get("D").continuations.len(), get("D").lost_continuations.len()), (0, 1));
    assert_eq!(get("E").lost_continuations.len(), 1);
    assert_eq!(get("F").literal_quote.map(|s| s.end - s.start), Some(1));
}

#[test]
fn a_comment_that_ends_in_a_backslash_depends_on_the_version() {
    let bytes = "A=1\n# c \\\nA=2\nB=3\n";
    let old = parse(&source(bytes), Dialect::of_version(Some(253)));
    let new = parse(&source(bytes), Dialect::of_version(Some(254)));
    let unknown = parse(&source(bytes), Dialect::of_version(None));
    assert_eq!((value(&old, "A"), value(&new, "A")), (Some("1"), Some("2")));
    assert_eq!(text(bytes, old.comments[0]), "# c \\\nA=2");
    assert_eq!(text(bytes, new.comments[0]), "# c \\");
    assert_eq!(value(&unknown, "A"), Some("2"));
    assert_eq!(value(unknown.before_254.as_ref().unwrap(), "A"), Some("1"));
    assert!(unknown.depends_on_version("A") && !unknown.depends_on_version("B"));
    assert!(old.before_254.is_none() && new.before_254.is_none());
    for same in ["# c \\\r\nA=1\n", "# c \\\n# d\nA=1\n", "# c \\\n\nA=1\n", "# c \\ \nA=1\n"] {
        assert!(parse(&source(same), Dialect::Unknown).before_254.is_none(), "{same:?}");
    }
    // The swallowed line may also be what opens a quote, or what keeps the unit from starting.
    let quote = parse(&source("# c \\\nA=\"\nB=1\n"), Dialect::Unknown);
    assert!(quote.depends_on_version("A") && quote.depends_on_version("B"));
    let fatal = parse(&source(b"# c \\\nA=\xff\n"), Dialect::Unknown);
    assert!(fatal.fatal.is_some() && fatal.before_254.unwrap().fatal.is_none());
}

#[test]
fn no_value_reaches_debug_output() {
    let file = read("A=hunter2\nexport B=hunter2\nC=\"hunter2\nD=hunter2\n");
    assert!(!format!("{file:?}").contains("hunter2"));
    assert!(format!("{file:?}").contains("Export"), "the output is not empty");
}

/// Everything that is no blank is part of something that was reported.
#[test]
fn nothing_in_a_file_is_dropped() {
    for seed in 0..3000 {
        let bytes = generated(seed);
        let file = read(&bytes);
        if file.fatal.is_some() {
            continue;
        }
        let assigned = file.assignments.iter().map(|a| a.span);
        let ignored = file.ignored.iter().map(|i| i.span);
        let mut spans: Vec<Span> =
            assigned.chain(ignored).chain(file.comments.iter().copied()).collect();
        spans.sort();
        let mut seen = 0;
        for span in spans {
            assert!(seen <= span.start as usize, "seed {seed}: overlap at {}", span.start);
            let between = &bytes[seen..span.start as usize];
            assert!(between.trim_ascii().is_empty(), "seed {seed}: {}", between.escape_ascii());
            seen = span.end as usize;
        }
        assert!(bytes[seen..].trim_ascii().is_empty(), "seed {seed}");
    }
}

/// A fixer writes over a value's span, and changes this one value only.
#[test]
fn a_value_can_be_replaced_in_place() {
    let mut replaced = 0;
    for seed in 0..3000 {
        let bytes = generated(seed);
        let file = read(&bytes);
        for (index, assignment) in file.assignments.iter().enumerate() {
            let (start, end) = (assignment.value_span.start, assignment.value_span.end);
            let mut edited = bytes[..start as usize].to_vec();
            edited.extend_from_slice(b"'new'");
            edited.extend_from_slice(&bytes[end as usize..]);
            let again = read(&edited);
            let case = || format!("seed {seed}, {index}: {}", bytes.escape_ascii());
            assert_eq!(again.assignments.len(), file.assignments.len(), "{}", case());
            for (at, (new, old)) in again.assignments.iter().zip(&file.assignments).enumerate() {
                let expected = if at == index { b"new".as_slice() } else { old.value.expose() };
                assert_eq!(new.value.expose(), expected, "{}", case());
                assert_eq!(new.name.value, old.name.value, "{}", case());
            }
            replaced += 1;
        }
    }
    assert!(replaced > 2000, "only {replaced} values");
}

#[test]
fn cost_is_linear_in_the_file() {
    const SIZE: usize = 10 << 20;
    for unit in [
        "A=1\n",
        "A$$(${a`$($x ",
        "#\\\n",
        "A=\"\nB=1\nC=",
        "A=x\\\n",
        "A=\"\\\r\n\" # ",
        "export x=\r",
        "x:",
        "`a",
    ] {
        for start in ["", "A=", "A=\"", "A='"] {
            if !start.is_empty() && unit.len() < 4 {
                continue;
            }
            let mut text = String::from(start);
            text.extend(std::iter::repeat_n(unit, SIZE / 8 / unit.len()));
            let started = Instant::now();
            let file = parse(&source(&text), Dialect::Unknown);
            let duplicates = file.duplicates().len();
            let spent = started.elapsed();
            assert!(spent < Duration::from_secs(8), "{start}{unit:?}: {spent:?}, {duplicates}");
        }
    }
    let lines: String =
        (0..100_000).map(|line| format!("NAME_{line}={}\n", "x".repeat(90))).collect();
    assert!(lines.len() > 10_000_000);
    let file = read(&lines);
    assert_eq!(
        (file.effective().count(), *file.get("NAME_99999").unwrap().lines.start()),
        (100_000, 100_000)
    );
}

/// A backslash at the end of every line makes one value of them all.
#[test]
fn ten_thousand_joined_lines_take_no_quadratic_time() {
    let lines: String = (0..10_000).map(|number| format!("V{number}=x \\\n")).collect();
    let began = Instant::now();
    let file = read(&lines);
    let joining = file.assignments[0].joining();
    assert_eq!(joining.len(), 9_999);
    for (number, span) in joining.iter().enumerate() {
        assert_eq!(text(&lines, *span), "\\");
        assert!(lines[..span.end as usize].ends_with(&format!("V{number}=x \\")), "{number}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
