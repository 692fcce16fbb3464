//! The output of a monitoring plugin: a line with the state, performance data after it, further
//! lines (monitoring-plugins.org, "Monitoring Plugins Development Guidelines").
//!
//! A `|` starts the performance data, and later lines may have their own, so no text contains one.
//! The data follows the state directly, so that a transport that cuts the output off loses only
//! text.

use super::plural::plural;
use super::{View, clean};

/// The most characters in one line of text; old transports carry only a kilobyte in total.
const LINE: usize = 300;
/// The most lines of text.
const LINES: usize = 20;

/// The state that a plugin reports; its number is the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is wrong.
    Ok,
    /// There are warnings.
    Warning,
    /// There are errors.
    Critical,
    /// Not known.
    Unknown,
}

impl State {
    /// The exit status.
    pub fn status(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The state and the whole output.
pub fn answer(view: &View) -> (State, String) {
    let summary = &view.summary;
    // A site that is known to break stays critical even if something else could not be read.
    let told_of_any = view.is_complete() && !view.apps.is_empty();
    let state = match (summary.error, told_of_any, summary.warning) {
        (1.., _, _) => State::Critical,
        (0, false, _) => State::Unknown,
        (0, true, 1..) => State::Warning,
        (0, true, 0) => State::Ok,
    };
    let findings = view.worst_first();
    let mut lines: Vec<String> = Vec::new();
    lines.extend(view.gaps().map(|problem| format!("not checked: {}", problem.words())));
    let told = findings.iter().map(|finding| {
        let app = finding.app.unwrap_or("host");
        format!("{}[{}] {app}: {}", finding.severity.word(), finding.code, finding.message)
    });
    match state {
        State::Unknown => lines.extend(told),
        _ => lines = told.chain(lines).collect(),
    }
    let first = match lines.first() {
        Some(first) => format!("{}: {first}", summary.words()),
        None => format!("{}, {}", summary.words(), plural(view.apps.len(), "application")),
    };
    let data = format!(
        "errors={};;0;0 warnings={};0;;0 infos={};;;0 skipped={};;;0",
        summary.error, summary.warning, summary.info, summary.skipped
    );
    let mut out = format!("{} | {data}\n", line(state, &first));
    // The first line is reported already.
    let rest = lines.get(1..).unwrap_or_default();
    for line in rest.iter().take(LINES) {
        out.push_str(&text(line));
        out.push('\n');
    }
    if rest.len() > LINES {
        out.push_str(&format!("and {} more\n", rest.len() - LINES));
    }
    (state, out)
}

/// The line of a run that produced no report.
pub fn unknown(message: &str) -> String {
    line(State::Unknown, message) + "\n"
}

fn line(state: State, message: &str) -> String {
    format!("DEPLOY {} - {}", state.word(), text(message))
}

/// A line of text that cannot start performance data.
fn text(message: &str) -> String {
    let message = clean(message).replace('|', "¦");
    match message.char_indices().nth(LINE) {
        Some((at, _)) => format!("{}…", &message[..at]),
        None => message,
    }
}
