use super::start;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The new gunicorn is installed but not running: no reload loads it.
    ///
    /// SIGHUP forks new workers from the master, which has gunicorn's code in memory. Measured:
    /// after `pip install` of 27.0.1 over a running 20.1.0, 23.0.0 or 25.3.0, and of 23.0.0 over
    /// 27.0.1, the workers still ran the previous version after the reload, with `sync` and
    /// `gthread`. Repairs in the new version (a security hole, requests lost on reload) are not in
    /// effect, and an option that only the new version has is not checked until the next start.
    ///
    /// Detected by the times of the environment's files: gunicorn was installed after the master
    /// started, into an environment that existed before.
    ///
    /// By hand: `systemctl restart myapp`, once.
    ///
    /// ```tree,bad
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info/ mtime=1776005000
    /// ```
    /// ```proc,bad
    /// 800 start=100
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info/ mtime=1776005000
    /// ```
    /// ```proc,fixed
    /// 800 start=5100
    /// 811 start=5101
    /// 812 start=5101
    /// 813 start=5101
    /// ```
    /// The same version, reinstalled:
    ///
    /// ```tree,good
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info/ mtime=1776005000
    /// ```
    /// ```proc,good
    /// 800 start=100
    /// ```
    /// ```text,good,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,good,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [11] [INFO] Starting gunicorn 23.0.0"}
    /// ```
    ///
    /// Healthy: an environment created as a whole after that start belongs to another gunicorn:
    ///
    /// ```tree,good
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info/ mtime=1776005000
    /// /srv/myapp/.venv/pyvenv.cfg mtime=1776004990
    /// ```
    /// ```proc,good
    /// 800 start=100
    /// ```
    P511 "gunicorn-upgraded-on-disk" {
        severity: Warning, impact: StaleRelease, fix: Some(Manual), item: ReleaseServes, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// By how much the clocks of processes and files may differ, in seconds.
const TOLERANCE: i64 = 2;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    let Some(master) = processes.masters.last() else { return Ok(()) };
    let Some(installed) = app.gunicorn.installed else { return Ok(()) };
    let started = *master.process.started.get()?;
    let after = |time: i64| started.saturating_add(TOLERANCE) < time;
    if !after(installed.gunicorn) || after(installed.environment) {
        return Ok(());
    }
    // Through the release link it is the environment of another release: R715's.
    let venv = &app.gunicorn.venv.get()?.path;
    if app.release.link.as_ref().is_some_and(|link| venv.starts_with(&link.path)) {
        return Ok(());
    }
    // The same version, installed once more.
    let told = app.journal.ok().and_then(|journal| journal.version.as_deref());
    let on_disk = app.gunicorn.version.ok().map(ToString::to_string);
    if told.is_some() && told == on_disk.as_deref() {
        return Ok(());
    }
    let version =
        app.gunicorn.version.ok().map_or_else(String::new, |version| format!(" {version}"));
    let (stem, pid) = (app.stem(), master.process.pid);
    let ago = installed.gunicorn.saturating_sub(started);
    out.report(format!(
        "gunicorn{version} is installed but not running: the master started earlier, and a reload \
         keeps the version in memory"
    ))
    .at_some(start(app), "runs from the next start on")
    .evidence(
        EvidenceKind::Process,
        format!("installed in {} {ago} s after master {pid} started", venv.display()),
    )
    .help(format!("systemctl restart {stem}"))
    .fix(Safety::Manual, format!("systemctl restart {stem}"));
    Ok(())
}
