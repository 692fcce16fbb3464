//! Variables in command lines, and values that must not be shown.

#![allow(clippy::unwrap_used)] // helpers of a test may stop it, too

use deploy_doctor::source::unit::{self, ExpandedWord, Specifiers, UnitName, expand};
use deploy_doctor::source::{FileId, Lookup, Secret, Text};

fn expanded(line: &str) -> Vec<ExpandedWord> {
    let specifiers = Specifiers::new(UnitName::parse("app").unwrap());
    let command =
        unit::commands(&Text::verbatim(FileId(0), line, 100), &specifiers).unwrap().remove(0);
    let two = Secret::new("one two");
    let quoted = Secret::new("a 'b c' \\d");
    expand(&command, |name| match name {
        "TWO" => Lookup::Set(&two),
        "QUOTED" => Lookup::Set(&quoted),
        "MAINPID" => Lookup::Unknown("set when it runs".into()),
        _ => Lookup::Unset,
    })
}

fn texts(line: &str) -> Vec<Option<String>> {
    expanded(line)[1..].iter().map(|w| w.text.as_ref().map(|t| t.as_str().to_owned())).collect()
}

fn known(words: &[&str]) -> Vec<Option<String>> {
    words.iter().map(|word| Some((*word).to_owned())).collect()
}

#[test]
fn variables_are_expanded_as_systemd_does() {
    assert_eq!(texts("/b $TWO"), known(&["one", "two"]));
    assert_eq!(texts("/b \"$TWO\""), known(&["one", "two"]));
    assert_eq!(texts("/b ${TWO}"), known(&["one two"]));
    assert_eq!(texts("/b x$TWO"), known(&["x$TWO"]));
    assert_eq!(texts("/b x${TWO}y"), known(&["xone twoy"]));
    assert_eq!(texts("/b $$TWO x$$y"), known(&["$TWO", "x$y"]));
    assert_eq!(texts("/b $QUOTED"), known(&["a", "b c", "d"]));
    assert_eq!(texts("/b $NONE a ${NONE}"), known(&["a", ""]));
    assert_eq!(texts("/b $TWO/x"), known(&[]));
    assert_eq!(texts("/b ${TWO"), known(&["${TWO"]));
    assert_eq!(texts(":/b $TWO ${TWO}"), known(&["$TWO", "${TWO}"]));
    assert_eq!(texts("/b -HUP $MAINPID"), [Some("-HUP".to_owned()), None]);
}

#[test]
fn values_of_variables_are_marked_and_not_shown() {
    let words = expanded("/b --x=${TWO} plain");
    assert!(words[1].secret && !words[2].secret);
    assert!(!format!("{words:?}").contains("one two"));
    assert_eq!((words[1].span.start, words[1].span.end), (103, 113));
}
