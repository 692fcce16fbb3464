use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The next reload kills gunicorn: the directory that its master works in was deleted.
    ///
    /// Measured: once the release the master was started in is pruned, `/proc/PID/cwd` ends in `
    /// (deleted)` and the next SIGHUP ends the master with FileNotFoundError, exit 1, even with
    /// `--chdir`. If nobody ever restarts, pruning reaches that release sooner or later. Recreating
    /// a directory of the same name does not help. A Python that was removed rather than replaced
    /// by an upgrade has the same effect: new workers cannot import what they need.
    ///
    /// This rule cannot see one case: with `--chdir` through the link, the first reload takes the
    /// master into the new release, and `/proc/PID/cwd` with it. On every reload gunicorn still
    /// changes to the directory it was started in, and once that is pruned the next reload ends it
    /// with `can't chdir to …` (measured). Nothing outside the process shows that directory any
    /// more. With both `Environment=PWD=/srv/myapp/current` and `--chdir /srv/myapp/current`, as
    /// `fix` and `init` write them, or with `WorkingDirectory=` set to a directory that stays
    /// (`/srv/myapp`), the same pruning does no harm (measured).
    ///
    /// By hand: `systemctl restart myapp`, once; then keep the release that the master was started
    /// in (`readlink /proc/$(systemctl show -P MainPID myapp)/cwd`), or put one of the two settings
    /// above into the unit.
    ///
    /// Proved by `release-pruned`: the reload returned 0, the master exited with FileNotFoundError,
    /// and the site answered 502 until Restart= brought it back.
    ///
    /// ```proc,bad
    /// 800 cwd=/srv/myapp/releases/2026-03-01(deleted)
    /// ```
    /// ```proc,fixed
    /// ```
    /// ```proc,bad
    /// 800 exe=/opt/python3.10/bin/python3.10(deleted)
    /// ```
    ///
    /// Healthy: an upgrade replaced Python; the master still runs the old one and SIGHUP works:
    ///
    /// ```proc,good
    /// 800 exe=/usr/bin/python3(deleted)
    /// ```
    P506 "deleted-release" {
        severity: Error, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for master in &app.processes.get()?.masters {
        let (pid, process) = (master.process.pid, &master.process);
        let directory = match process.directory.get() {
            Ok(directory) => directory,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        };
        let stem = app.stem();
        let (what, path) = match process.executable.ok() {
            _ if directory.deleted => ("working directory", &directory.path),
            Some(program) if program.deleted && !program.replaced => ("Python", &program.path),
            Some(_) => continue,
            None => {
                process.executable.get()?;
                continue;
            }
        };
        out.report(format!(
            "the next reload takes the site down: the {what} of gunicorn's master, {}, was deleted",
            path.display()
        ))
        .at_known(&app.service.working_directory, "resolved once, when gunicorn started")
        .evidence(
            EvidenceKind::Process,
            format!("the {what} of master {pid} is {} (deleted)", path.display()),
        )
        .help(format!("Do not reload. Instead, once:\nsystemctl restart {stem}"))
        .subject(what)
        .fix(Safety::Manual, format!("systemctl restart {stem}"));
    }
    Ok(())
}
