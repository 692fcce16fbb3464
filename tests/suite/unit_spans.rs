//! Every value, word and fault of the corpus' units slices back to the text it came from.

#![allow(clippy::unwrap_used)] // helpers of a test may stop it, too

use std::path::Path;
use std::sync::Arc;

use deploy_doctor::source::unit::{self, Specifiers, UnitName};
use deploy_doctor::source::{FileId, SourceFile};

#[test]
fn spans_of_real_units_slice_back_to_their_text() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/systemd");
    let Ok(entries) = std::fs::read_dir(&corpus) else {
        eprintln!("SKIPPED: no corpus of real units beside the project");
        return;
    };
    let (mut files, mut words) = (0, 0);
    for entry in entries.flatten() {
        let bytes = std::fs::read(entry.path()).unwrap();
        let file = Arc::new(SourceFile::new(FileId(7), entry.path(), bytes));
        let read = unit::parse(Arc::clone(&file));
        let shown = entry.path().display().to_string();
        for section in &read.sections {
            let header = format!("[{}]", section.value);
            assert_eq!(file.slice(section.span), header.as_bytes(), "{shown}");
        }
        for comment in &read.comments {
            let text = String::from_utf8_lossy(file.slice(*comment)).into_owned();
            assert!(text.trim_start().starts_with(['#', ';']), "{shown}: {text}");
        }
        for assignment in &read.assignments {
            assert_eq!(file.slice(assignment.key.span), assignment.key.value.as_bytes());
            let value = &assignment.value;
            for (at, character) in value.as_str().char_indices() {
                let span = value.span_of(at..at + character.len_utf8());
                let written = String::from_utf8_lossy(file.slice(span)).into_owned();
                // A continuation's backslash became a space.
                let same =
                    written == character.to_string() || (written == "\\" && character == ' ');
                assert!(same, "{shown}: {character:?} is {written:?} at {at} of {value:?}");
            }
            if !assignment.key.value.starts_with("Exec") {
                continue;
            }
            let specifiers = Specifiers::new(UnitName::parse("app").unwrap());
            for command in unit::commands(value, &specifiers).unwrap_or_else(|f| f.before) {
                for word in command.arguments.iter().chain([&command.program]) {
                    let written = String::from_utf8_lossy(file.slice(word.span)).into_owned();
                    let plain = !written.contains(['"', '\'', '\\', '%']);
                    let same =
                        written == word.text.as_str() || written.ends_with(word.text.as_str());
                    assert!(!plain || same, "{shown}: {written:?} is not {:?}", word.text.as_str());
                    words += 1;
                }
            }
        }
        files += 1;
    }
    assert!(files > 100 && words > 500, "{files} files, {words} words");
}
