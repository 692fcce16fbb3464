use super::start;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The next reload takes the site down: the unit's main process is not gunicorn's master, so
    /// SIGHUP hits something else.
    ///
    /// `$MAINPID` is the process that `ExecStart=` started. When that is a shell or a script that
    /// waits for gunicorn, SIGHUP kills it, systemd ends the rest of the unit, and `systemctl
    /// reload` returns 0 (measured). This rule sees that in the process table, even if a script
    /// hides it from U103. `uv run` passes SIGHUP on.
    ///
    /// By hand: put `exec` before gunicorn in the script, or put gunicorn itself in `ExecStart=`,
    /// then restart once.
    ///
    /// Proved by `shell-stays-main-process`: the reload returned 0 (on systemd 262 sometimes 1),
    /// its SIGHUP killed dash, and the site answered 502 for more than two seconds; with
    /// `bash -c`, which gunicorn replaced, nothing was lost.
    ///
    /// ```proc,bad
    /// 790 parent=1 unit=myapp.service user=33 start=99 : bash /usr/local/bin/start-myapp
    /// 800 parent=790
    /// ```
    /// ```proc,fixed
    /// ```
    /// ```proc,good
    /// 790 parent=1 unit=myapp.service user=33 start=99 name=uv : /usr/local/bin/uv run gunicorn wsgi:app
    /// 800 parent=790
    /// ```
    P509 "main-pid-not-master" {
        severity: Error, impact: Outage, fix: Some(Manual), item: ExecReload, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// Programs that stay, and pass SIGHUP on.
const FORWARDERS: [&str; 1] = ["uv"];

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    // There the main process is whoever the pid file names.
    if processes.masters.is_empty() || app.service.kind().get()? == "forking" {
        return Ok(());
    }
    let reload = app.service.unit.list("Service", "ExecReload");
    let reload = reload.iter().find(|command| command.value.as_str().contains("MAINPID"));
    let by_systemd = app.service.kind().get()? == "notify-reload";
    if reload.is_none() && !by_systemd {
        return Ok(());
    }
    let Some(main) = processes.main.get()? else { return Ok(()) };
    let is_master = processes.masters.iter().any(|master| master.process.pid == main.pid);
    if is_master || FORWARDERS.contains(&main.name.as_str()) {
        return Ok(());
    }
    if !main.words.is_empty() {
        return Err(Why::depends(format!("the main process {} is an orphaned worker", main.pid)));
    }
    let master = processes.master()?.process.pid;
    out.report(format!(
        "a reload takes the site down, even if it returns 0: SIGHUP hits {}, the main process, not \
         gunicorn's master {master}",
        main.name
    ))
    .at_some(reload.map(|command| command.span), format!("goes to {}", main.name))
    .at_some(start(app), format!("starts {}, which stays running", main.name))
    .evidence(EvidenceKind::Process, format!("{} is {}, the main process", main.pid, main.name))
    .evidence(EvidenceKind::Process, format!("{master} is gunicorn's master"))
    .help("Put gunicorn itself in ExecStart=, or `exec` before it in the script")
    .by_hand(start(app))
    .fix(Safety::Manual, "start gunicorn directly, or with exec");
    Ok(())
}
