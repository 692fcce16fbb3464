//! What programs say: journald, systemctl, `nginx -t`, nginx's error log, Python's tracebacks. A
//! password in a message is never shown, whatever stands around it.

use deploy_doctor::host::Output;
use deploy_doctor::source::{
    SourceFile, exit_status, journal, last_words, nginx_log, nginx_test, redact, show, systemctl,
    traceback,
};

use crate::pack::sections;

pub fn run(input: &[u8]) {
    for section in sections(input) {
        said(section.bytes);
    }
}

fn said(bytes: &[u8]) {
    for entry in journal::parse(bytes) {
        lines(&String::from_utf8_lossy(entry.message.expose()));
    }
    lines(&String::from_utf8_lossy(bytes));
    journal::denied(bytes);
    for entry in nginx_log::parse(bytes) {
        entry.second();
    }
    for status in [None, Some(0), Some(1)] {
        let output = Output { status, stderr: bytes.into(), ..Output::default() };
        nginx_test::parse(&output);
    }
    for shown in systemctl::parse(bytes) {
        for property in ["ExecMainStartTimestamp", "MainPID", "NeedDaemonReload", "Id"] {
            shown.local_time(property);
            shown.number(property);
            shown.boolean(property);
        }
        shown.is_named("myapp.service");
    }
    let number = bytes.iter().take(8).fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    exit_status::Exit::new(number >> 32, number & 0xffff_ffff);
    for range in redact::ranges_of_message(bytes).into_iter().chain(redact::tokens(bytes)) {
        assert!(range.start <= range.end && range.end <= bytes.len(), "{range:?}");
    }
    shown(bytes);
}

fn lines(text: &str) {
    let mut reader = traceback::Reader::default();
    for line in text.lines() {
        if let Some(error) = reader.line(line) {
            error.to_string();
        }
        last_words::last_words(line);
    }
}

/// What is shown of a message has one line, nothing that a terminal obeys, and no password.
fn shown(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let line = show::line(&text);
    assert!(!line.chars().any(char::is_control), "{line:?}");
    let block = show::block(&text);
    assert!(!block.chars().any(|c| c.is_control() && c != '\n'), "{block:?}");
    show::answer(&text);
    if text.contains("c4n4ry") {
        return;
    }
    let with = format!("{text}\npostgres://someone:c4n4ry-d34d@db.example.com/x {text}");
    for shown in [show::line(&with), show::block(&with), show::answer(&with)] {
        assert!(!shown.contains("c4n4ry"), "{shown:?}");
    }
    let file = SourceFile::new(deploy_doctor::source::FileId(0), "/x", with);
    let whole = show::Excerpt::new(&file, &[], file.span());
    assert!(!whole.text.contains("c4n4ry"), "{:?}", whole.text);
}
