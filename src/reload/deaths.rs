//! Workers of the new release that died after they had loaded the application: they are replaced, so that
//! every probe may be answered, and each took its requests with it.

use std::collections::BTreeMap;

use crate::host::Host;

use super::cause::Mark;

/// More deaths than this are the new release's doing: one may have been killed by somebody.
pub(super) const TOLERATED: usize = 1;

/// How workers died since the mark, as gunicorn says, by process. One that ends after
/// `max_requests`, or because it was told to, exits with 0, and gunicorn says nothing like that.
pub(super) fn since(host: &dyn Host, mark: &Mark) -> BTreeMap<u32, String> {
    let mut deaths = BTreeMap::new();
    for (_, line) in mark.lines(host) {
        if let Some((pid, how)) = death(&line) {
            // A timeout comes first, and says more than the signal that follows.
            deaths.entry(pid).or_insert(how);
        }
    }
    deaths
}

/// gunicorn 20.1: `Worker with pid 12 was terminated due to signal 9`; later ones: `Worker (pid:12)
/// was sent SIGKILL!` and `Worker (pid:12) exited with code 3`; all: `WORKER TIMEOUT (pid:12)`.
fn death(line: &str) -> Option<(u32, String)> {
    if let Some((_, rest)) = line.split_once("WORKER TIMEOUT (pid:") {
        return Some((number(rest)?, "WORKER TIMEOUT".into()));
    }
    if let Some((_, rest)) = line.split_once("Worker with pid ") {
        let (_, signal) = rest.split_once(" was terminated due to signal ")?;
        let signal = number(signal)?;
        // Those by which gunicorn itself ends a worker.
        return (![3, 15].contains(&signal)).then(|| Some((number(rest)?, name(signal))))?;
    }
    let (_, rest) = line.split_once("Worker (pid:")?;
    let pid = number(rest)?;
    if let Some((_, signal)) = rest.split_once(") was sent ") {
        let signal = signal.split('!').next()?;
        let told = ["SIGTERM", "SIGQUIT"].contains(&signal);
        let known = signal.starts_with("SIG")
            && signal.len() <= 12
            && signal.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return (known && !told).then(|| (pid, signal.to_owned()));
    }
    let (_, code) = rest.split_once(") exited with code ")?;
    let code = number(code).filter(|code| *code != 0)?;
    Some((pid, format!("exit status {code}")))
}

fn number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

fn name(signal: u32) -> String {
    match signal {
        6 => "SIGABRT".into(),
        9 => "SIGKILL".into(),
        11 => "SIGSEGV".into(),
        other => format!("signal {other}"),
    }
}

/// Deaths in words: `SIGKILL (out of memory?)`, or the first two kinds.
pub(super) fn words(deaths: &[&String]) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for how in deaths {
        if !kinds.contains(&how.as_str()) {
            kinds.push(how);
        }
    }
    kinds.truncate(2);
    let words = kinds.iter().map(|how| match *how {
        "SIGKILL" => "SIGKILL (out of memory?)",
        other => other,
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::death;

    #[test]
    fn what_gunicorn_says_of_a_death() {
        let said = |line| death(line).map(|(pid, how)| format!("{pid} {how}"));
        let lines = [
            (
                "[2026-12-01 03:00:01 +0000] [10] [ERROR] Worker (pid:12) was sent SIGKILL! Perhaps \
              out of memory?",
                Some("12 SIGKILL"),
            ),
            (
                "[2026-12-01 03:00:01 +0000] [10] [ERROR] Worker (pid:12) exited with code 9.",
                Some("12 exit status 9"),
            ),
            (
                "[10] [WARNING] Worker with pid 12 was terminated due to signal 9",
                Some("12 SIGKILL"),
            ),
            ("[10] [CRITICAL] WORKER TIMEOUT (pid:12)", Some("12 WORKER TIMEOUT")),
            ("[10] [ERROR] Worker (pid:12) was sent SIGTERM!", None),
            ("[10] [WARNING] Worker with pid 12 was terminated due to signal 15", None),
            ("[10] [ERROR] Worker (pid:12) exited with code 0.", None),
            ("[12] [INFO] Worker exiting (pid: 12)", None),
            ("[12] [INFO] Autorestarting worker after current request.", None),
        ];
        for (line, expected) in lines {
            assert_eq!(said(line).as_deref(), expected, "{line}");
        }
    }
}
