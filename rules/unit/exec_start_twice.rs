use crate::facts::service::{Refusal, Unit};
use crate::facts::{App, Why};
use crate::rule::prelude::Span;
use crate::rule::{Edit, Safety, Sink};

crate::rule! {
    /// systemd refuses a unit with two `ExecStart=` lines, so the unit can neither be started nor
    /// reloaded.
    ///
    /// Such settings add up: an `ExecStart=` in a drop-in does not replace the one in the unit file
    /// but comes after it, and only `Type=oneshot` may have two. A running unit lasts until its
    /// next restart. The same applies to a lone `;` in the line, which separates two commands.
    ///
    /// By hand: an empty `ExecStart=` before the new one clears the old one. If one file has two,
    /// remove one: only you know which.
    ///
    /// Proved by `exec-start-twice`: systemd refused the unit, and every request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 5 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    U125 "exec-start-twice" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let unit = &app.service.unit;
    let Some(Refusal::ExecStartTwice(second)) = unit.refusal() else { return Ok(()) };
    let first = unit.commands("Service", "ExecStart").first().map(|(_, command)| command.span);
    let finding = out
        .report(format!("systemd refuses {}: it has two ExecStart= lines", app.name))
        .at(second, "added to the first, does not replace it")
        .at_some(first, "the first")
        .help("Put an empty ExecStart= before the command that systemd must run:\nExecStart=");
    match meant(unit) {
        Some(at) => finding
            .fix(Safety::Safe, "put an empty ExecStart= before the second one")
            .edit(Edit::Before { at, line: "ExecStart=".to_owned() }),
        None => finding.fix(Safety::Manual, "keep one ExecStart="),
    };
    Ok(())
}

/// The assignment that is to hold: the only one of the last file, as that came to change the
/// others. Of two in one file either may be meant.
fn meant(unit: &Unit) -> Option<Span> {
    let commands = unit.commands("Service", "ExecStart");
    let last = commands.last()?.0.span;
    let beside = commands.iter().filter(|(line, _)| line.span.file == last.file).count();
    (beside == 1).then_some(last)
}
