//! A unit and its drop-ins: the values stand where they are said to, commands are cut, merged and
//! expanded. The first file is the fragment; each named one is a drop-in.

use std::collections::HashMap;
use std::sync::Arc;

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::unit::{
    self, Specifiers, Unit, UnitFile, UnitName, environment, known, time, value,
};
use deploy_doctor::source::{FileId, Lookup, Secret, SourceFile, Sources, Text};

use crate::pack::sections;
use crate::spans::{all_inside, inside};

const FRAGMENT: &str = "/etc/systemd/system/myapp@.service";

pub fn run(input: &[u8]) {
    let sections = sections(input);
    let mut host = MemoryHost::new();
    host.file(FRAGMENT, sections[0].bytes);
    for (number, section) in sections.iter().enumerate().skip(1) {
        let directory = ["myapp@a-b.service.d", "myapp@.service.d", "service.d"][number % 3];
        host.file(format!("/etc/systemd/system/{directory}/{number}.conf"), section.bytes);
    }
    for section in &sections {
        let file = Arc::new(SourceFile::new(FileId(0), FRAGMENT, section.bytes));
        sliced(&unit::parse(Arc::clone(&file)));
        sliced(&unit::parse_as(file, Some(262)));
    }
    let sources = Sources::new(&host);
    for name in ["myapp@a-b.service", "myapp@.service"] {
        let Some(name) = UnitName::exact(name) else { continue };
        if let Ok(unit) = unit::load(&sources, &name) {
            ask(&unit, &sources);
        }
    }
    unit::list(&sources);
    if let Ok(unit) = unit::from_file(&sources, FRAGMENT.as_ref()) {
        ask(&unit, &sources);
    }
}

/// Sections, names and values stand in the file where they are said to.
fn sliced(read: &UnitFile) {
    let file = &read.file;
    for section in &read.sections {
        inside(file, section.span);
    }
    all_inside(file, read.comments.iter().copied());
    all_inside(file, read.faults.iter().map(|fault| fault.span));
    let mut last = 0;
    for assignment in &read.assignments {
        inside(file, assignment.key.span);
        inside(file, assignment.span);
        assert!(assignment.span.start >= last, "assignments out of order");
        last = assignment.span.start;
        read.behind_header(assignment.span);
        read.backslash_above(assignment.span);
        stands(file, &assignment.value);
    }
}

/// Each character of a value stands where it is said to; a continuation became a space.
fn stands(file: &SourceFile, value: &Text) {
    inside(file, value.span());
    for (at, character) in value.as_str().char_indices() {
        let span = value.span_of(at..at + character.len_utf8());
        inside(file, span);
        let mut buffer = [0; 4];
        let wanted = character.encode_utf8(&mut buffer).as_bytes();
        let written = file.slice(span);
        let same = written == wanted
            || (character == ' ' && written.starts_with(b"\\"))
            || character == char::REPLACEMENT_CHARACTER;
        assert!(same, "{character:?} at {at} is written {:?}", written.escape_ascii().to_string());
    }
}

fn ask(unit: &Unit, sources: &Sources) {
    unit.refusal();
    unit.is_installable();
    let canary = Secret::new("c4n4ry d34d");
    let set: HashMap<&str, &Secret> = HashMap::from([("A", &canary), ("PATH", &canary)]);
    for file in unit.files() {
        for (number, assignment) in file.assignments.iter().enumerate() {
            let (section, key) = (&*assignment.section, assignment.key.value.as_str());
            let text = assignment.value.as_str();
            // Of a name that is not known it is asked which was meant, among a thousand.
            if number < 4 {
                known::lookup(section, key);
            }
            known::check_value(section, key, text);
            time::parse_seconds(text);
            value::parse_boolean(text);
            value::parse_mode(text);
            value::parse_size(text);
            value::parse_signal(text);
            UnitName::parse(text).map(|name| name.drop_in_directories());
            environments(&assignment.value, &unit.specifiers, sources);
            // What is asked of one line stands for all; asking for each takes the square.
            if file.assignments.len() < 64 {
                unit.last(section, key);
                unit.list(section, key);
                for (at, command) in unit.commands(section, key) {
                    let file = sources.file(at.span.file);
                    for word in command.arguments.iter().chain([&command.program]) {
                        inside(&file, word.span);
                    }
                    let lookup = |name: &str| match set.get(name) {
                        Some(value) => Lookup::Set(*value),
                        None => Lookup::Unset,
                    };
                    let words = unit::expand(&command, lookup);
                    assert!(!format!("{words:?}").contains("c4n4ry"), "a value is shown");
                }
            }
        }
    }
}

/// The words of an assignment as those of `Environment=` and its like.
fn environments(value: &Text, specifiers: &Specifiers, sources: &Sources) {
    let file = sources.file(value.file());
    let (found, faults) = environment::assignments(value, specifiers);
    for one in &found {
        inside(&file, one.name.span);
        inside(&file, one.value_span);
        assert!(environment::is_name(&one.name.value));
    }
    all_inside(&file, faults.iter().map(|fault| fault.span));
    let (_, faults) = environment::passed(value, specifiers);
    all_inside(&file, faults.iter().map(|fault| fault.span));
    let (found, _) = environment::unset(value, specifiers);
    all_inside(&file, found.iter().map(|one| one.name.span));
    if let Ok(commands) = unit::commands(value, specifiers) {
        for command in commands {
            all_inside(&file, command.arguments.iter().map(|word| word.span));
        }
    }
}
