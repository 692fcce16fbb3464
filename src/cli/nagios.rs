//! `deploy-doctor nagios`: whatever happens is reported in one line on standard output, and the
//! exit status is one of the four that monitoring knows. No output with status 0 would mean OK.

use std::ffi::OsStr;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use super::arguments::NagiosArguments;
use super::formats::Formats;
use super::{check, repository};
use crate::report::nagios::{State, answer, unknown};
use crate::report::{Format, Style};

/// Was the answer given? There is one, from whoever is first.
static ANSWERED: AtomicBool = AtomicBool::new(false);

/// Is this what was called? Asked before the arguments are understood.
pub(super) fn is_called() -> bool {
    std::env::args_os().nth(1).as_deref() == Some(OsStr::new("nagios"))
}

/// Checks and answers, or answers that it could not.
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

/// Help and wrong usage: neither says anything about the site.
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

/// An internal error, where no answer was given yet.
pub(super) fn broke(place: &str) -> ! {
    let line = unknown(&format!("internal error{place}: please report it"));
    let state = first(State::Unknown, &line).unwrap_or(State::Unknown);
    std::process::exit(state.status().into());
}

/// Answers. Where the time is up already, that is being said, and the program ends with it.
fn say(state: State, text: &str) -> State {
    match first(state, text) {
        Some(state) => state,
        None => loop {
            std::thread::park();
        },
    }
}

/// Prints the answer; `None` if there is one already. What cannot be printed is not an answer.
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
