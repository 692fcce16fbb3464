use crate::facts::service::Command;
use crate::facts::{App, Why};
use crate::rule::{Safety, Sink};

crate::rule! {
    /// Each start waits for a migration or an installation, and if that fails the site stays down.
    ///
    /// `ExecStartPre=` runs before every start, even when systemd restarts gunicorn after a crash,
    /// and at boot. This work belongs to a deployment, not to a start: an unreachable database or
    /// package index, a lock that somebody holds, or a rolled-back release that lacks the
    /// database's revision (`Can't locate revision identified by …`, exit 1, measured) keeps the
    /// site down, and `Restart=` tries the same again. If it takes longer than `TimeoutStartSec=`
    /// (90 s) systemd kills it in the middle. A reload does not run it at all, so reloaded code
    /// meets an unmigrated database.
    ///
    /// With a `-` before the command a failure does not count, and nothing is reported.
    ///
    /// By hand: remove the line, and let the deployment run that command before the reload.
    ///
    /// Proved by `migrate-in-exec-start-pre`: the migration failed, gunicorn was not started, and
    /// every request got 502 for the rest of the run; without the line the restart served the
    /// release.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh -c "/srv/myapp/.venv/bin/flask --app wsgi db upgrade"
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh -c "/srv/myapp/.venv/bin/pip install -q -r requirements.txt"
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=/srv/myapp/.venv/bin/python manage.py migrate --noinput
    /// ```
    /// ```tree,bad
    /// /srv/myapp/releases/2026-04-21/manage.py mode=0644
    /// ```
    ///
    /// Healthy: commands that only check, or that may fail:
    ///
    /// ```tree,good
    /// /srv/myapp/releases/2026-04-21/manage.py mode=0644
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStartPre=-/bin/sh -c "/srv/myapp/.venv/bin/flask --app wsgi db upgrade"
    /// ExecStartPre=/bin/sh -c "/srv/myapp/.venv/bin/flask --app wsgi db current"
    /// ExecStartPre=/srv/myapp/.venv/bin/python manage.py migrate --check
    /// ```
    U130 "migrate-in-exec-start-pre" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// What such a line does, and with what a deployment does it.
struct Work {
    what: &'static str,
    command: &'static str,
}

const MIGRATES: &str = "migrates the database";
const INSTALLS: &str = "installs packages";

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for command in &app.service.exec_start_pre {
        if command.line.prefixes.ignore_failure {
            continue;
        }
        let Some(work) = work(command) else { continue };
        out.report(format!(
            "a restart keeps the site down while {} runs, and for good if that fails: \
             ExecStartPre= {} before each start, even after a crash",
            work.command, work.what
        ))
        .at(command.line.span, work.what)
        .subject(work.command)
        .help(format!(
            "Remove the line, and run {} in the deployment, before it reloads gunicorn.",
            work.command
        ))
        .by_hand(Some(command.line.span))
        .fix(Safety::Manual, format!("run {} in the deployment", work.command));
    }
    Ok(())
}

/// The work of a command, its own or that of a shell's text, where its words tell it.
fn work(command: &Command) -> Option<Work> {
    let words = std::iter::once(&command.line.program).chain(&command.line.arguments);
    // One command of a shell's text follows the other.
    let text: Vec<&str> = words.map(|word| word.text.as_str()).collect();
    let text = text.join(" ");
    text.split(['|', ';', '&']).find_map(work_of)
}

fn work_of(text: &str) -> Option<Work> {
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| word.trim_matches(|c| matches!(c, '"' | '\'' | '(' | ')')))
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .collect();
    let has = |word: &str| words.contains(&word);
    let then = |first: &str, second: &str| words.windows(2).any(|pair| pair == [first, second]);
    let looks = ["--check", "--plan", "--dry-run", "--sql", "--help"];
    if looks.iter().any(|word| has(word)) {
        return None;
    }
    let pip = words.iter().any(|word| {
        let digits = |rest: &str| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        word.strip_prefix("pip").is_some_and(digits)
    });
    let work = |what, command| Some(Work { what, command });
    if then("db", "upgrade") && has("flask") {
        work(MIGRATES, "flask db upgrade")
    } else if has("alembic") && has("upgrade") {
        work(MIGRATES, "alembic upgrade")
    } else if then("manage.py", "migrate") || then("django-admin", "migrate") {
        work(MIGRATES, "manage.py migrate")
    } else if pip && has("install") {
        work(INSTALLS, "pip install")
    } else if then("uv", "sync") {
        work(INSTALLS, "uv sync")
    } else if then("poetry", "install") {
        work(INSTALLS, "poetry install")
    } else if then("pipenv", "install") || then("pipenv", "sync") {
        work(INSTALLS, "pipenv sync")
    } else {
        None
    }
}
