//! `deploy-doctor nagios`: whatever happens is reported in one line on standard output, and the
//! exit status is one of the four that monitoring systems know. No output with status 0 would mean
//! OK.

use std::ffi::OsStr;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use super::arguments::NagiosArguments;
use super::formats::Formats;
use super::{check, repository};
use crate::report::nagios::{State, answer, unknown};
use crate::report::{Format, Style};

/// Whether the answer was printed. Only the first one is.
static ANSWERED: AtomicBool = AtomicBool::new(false);

/// Whether this command was called. Used before the arguments are parsed.
pub(super) fn is_called() -> bool {
    std::env::args_os().nth(1).as_deref() == Some(OsStr::new("nagios"))
}

/// Checks and prints the result, or that the check failed.
pub(super) fn run(mut arguments: NagiosArguments) -> State {
    let limit = arguments.timeout;
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        let seconds = limit.as_secs_f64();
        let line = unknown(&format!("no answer within {seconds} s (--timeout)"));
        if let Some(state) = first(State::Unknown, &line) {
            std::process::exit(state.status().into());
        }
    });
    let settled = repository::settle(&mut arguments.place, arguments.judge.config.as_deref());
    let arguments = arguments.into_check();
    let formats = match Formats::new(Format::Text, &arguments.judge.output) {
        Ok(formats) => formats,
        Err(error) => return say(State::Unknown, &unknown(&error.message)),
    };
    let mut given = None;
    let mut written = Ok(());
    let looked = settled.and_then(|()| {
        check::judge(&arguments, &formats, &mut |view| {
            written = formats.write(view, Style::default());
            given = Some(answer(view));
            Ok(())
        })
    });
    if let (Ok(_), Err(error)) = (&looked, &written) {
        return say(State::Unknown, &unknown(&error.message));
    }
    match (looked, given) {
        (Ok(_), Some((state, text))) => say(state, &text),
        (Ok(_), None) => say(State::Unknown, &unknown("nothing was checked")),
        (Err(error), _) => {
            formats.tell_failure_in_files(&arguments.place, &error);
            say(State::Unknown, &unknown(&error.message))
        }
    }
}

/// Handles help and wrong usage: neither says anything about the site.
pub(super) fn misused(error: &clap::Error) -> State {
    let text = error.render().to_string();
    match error.use_stderr() {
        false => say(State::Unknown, &text),
        true => {
            let said: Vec<&str> = text.split_whitespace().collect();
            say(State::Unknown, &unknown(&said.join(" ")))
        }
    }
}

/// Reports an internal error, unless an answer was printed already.
pub(super) fn broke(place: &str) -> ! {
    let line = unknown(&format!("internal error{place}: please report it"));
    let state = first(State::Unknown, &line).unwrap_or(State::Unknown);
    std::process::exit(state.status().into());
}

/// Prints the answer. If the time limit was reached first, another thread is printing that and
/// ending the program.
fn say(state: State, text: &str) -> State {
    match first(state, text) {
        Some(state) => state,
        None => loop {
            std::thread::park();
        },
    }
}

/// Prints the answer; returns `None` if another was printed first. An answer that cannot be printed
/// becomes `Unknown`.
fn first(state: State, text: &str) -> Option<State> {
    if ANSWERED.swap(true, Ordering::SeqCst) {
        return None;
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Some(state),
        Err(_) => Some(State::Unknown),
    }
}
