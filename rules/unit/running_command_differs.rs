use super::super::running_command::difference;
use crate::facts::processes::shown;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// A reload does not apply the change: the running master was started with another command
    /// line, and SIGHUP does not reread `ExecStart=`.
    ///
    /// Measured: on SIGHUP gunicorn keeps its command line and its environment; it rereads only its
    /// configuration file and the application's code. `systemctl daemon-reload` alone changes
    /// nothing in a running process.
    ///
    /// By hand: `systemctl daemon-reload && systemctl restart myapp`.
    ///
    /// Proved by `running-command-differs`: the reload returned 0 and the master went on with
    /// its old command line: three workers instead of four.
    ///
    /// ```proc,bad
    /// 800 : /srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --timeout 30 --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```proc,fixed
    /// ```
    /// ```proc,bad
    /// 800 : /opt/old/bin/python /opt/old/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// Healthy: an interpreter with options of its own in the `#!` line, and otherwise the same
    /// words:
    ///
    /// ```proc,good
    /// 800 : /srv/myapp/.venv/bin/python3 -I /srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    U122 "running-command-differs" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: ExecReload, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    let Some(master) = processes.masters.last() else { return Ok(()) };
    let running = master.running.get()?;
    let Some((span, note)) = difference(app, running)? else { return Ok(()) };
    let stem = app.stem();
    let secret = app.gunicorn.launch.get()?.arguments.iter().any(|word| word.secret);
    let finding = out.report(format!(
        "a reload does not apply ExecStart=: gunicorn's master {} runs with another command line",
        master.process.pid
    )).at(span, note);
    if !secret {
        let words: Vec<String> =
            running.program.iter().chain(&running.arguments).cloned().collect();
        finding.evidence(EvidenceKind::Process, format!("it runs: {}", shown(&words)));
    }
    finding
        .help(format!("systemctl daemon-reload && systemctl restart {stem}"))
        .fix(Safety::Manual, format!("systemctl restart {stem}"));
    Ok(())
}
