//! `nginx -t`: whether nginx would load its configuration (nginx(8)).

use std::path::PathBuf;

use crate::host::{Command, Output, Program};

/// The command, for the configuration that these options name. Only root gets a truthful answer:
/// other users cannot read keys and logs.
pub fn command(options: &[String]) -> Command {
    let words = ["-t"].into_iter().chain(options.iter().map(String::as_str));
    Command { needs_root: true, ..Command::new(Program::Nginx, words) }
}

/// Why nginx refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// nginx's message, without its place.
    pub message: String,
    /// The file and the line that nginx names.
    pub place: Option<(PathBuf, usize)>,
}

/// The result of nginx's check of its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// nginx would load it.
    Passed,
    /// nginx refuses it.
    Refused(Option<Refusal>),
}

/// Reads the command's output; `None` if it was killed by a signal.
pub fn parse(output: &Output) -> Option<Verdict> {
    if output.status? == 0 {
        return Some(Verdict::Passed);
    }
    let text = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    let text = String::from_utf8_lossy(&text);
    // Once the error log is open, the same line may also appear with its time.
    let line = text.lines().find_map(|line| line.split_once("[emerg] "));
    Some(Verdict::Refused(line.map(|(_, said)| refusal(said))))
}

/// `12#12: unknown directive "x" in /etc/nginx/sites-enabled/myapp:3`.
fn refusal(said: &str) -> Refusal {
    let said = match said.split_once(": ") {
        Some((number, rest)) if number.bytes().all(|b| b.is_ascii_digit() || b == b'#') => rest,
        _ => said,
    };
    let place = said.rsplit_once(" in ").and_then(|(message, place)| {
        let (file, line) = place.trim_end().rsplit_once(':')?;
        let line = line.parse().ok().filter(|line| *line > 0)?;
        file.starts_with('/').then(|| (message, PathBuf::from(file), line))
    });
    match place {
        Some((message, file, line)) => {
            Refusal { message: message.to_owned(), place: Some((file, line)) }
        }
        None => Refusal { message: said.trim_end().to_owned(), place: None },
    }
}
