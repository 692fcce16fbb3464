use crate::facts::release::Unreadable;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The next reload takes the site down: the service's user cannot read a module of the release.
    ///
    /// If root unpacked a release with a umask of 077, copied it from a home directory or wrote it
    /// with `sudo`, the release exists but is closed to the user gunicorn runs as: the worker exits
    /// with PermissionError or ModuleNotFoundError, and the master with it. A check run as root
    /// finds nothing wrong (`gunicorn --check-config` returns 0). Only modules that the application
    /// certainly imports when it starts are checked. Python reads a module's compiled form if that
    /// is up to date, so a module with a readable `__pycache__` is left out.
    ///
    /// U112 reports a closed working directory, G212 the configuration file, and N312 the static
    /// files, which nginx's user must read.
    ///
    /// By hand: `chmod -R u=rwX,go=rX` the release, or `chgrp -R` it to the service's group; check
    /// with `sudo -u www-data cat FILE`.
    ///
    /// Proved by `unreadable-release`: root's check returned 0 and so did the reload, the workers
    /// got PermissionError, and the site answered 502 for the rest of the run.
    ///
    /// ```tree,bad
    /// /srv/myapp/releases/2026-04-21/wsgi.py mode=0600
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/releases/2026-04-21/wsgi.py mode=0640 owner=0:33
    /// ```
    /// ```tree,good
    /// /srv/myapp/releases/2026-04-21/wsgi.py mode=0400 owner=33:33
    /// /srv/myapp/releases/2026-04-21/tasks.py mode=0600
    /// ```
    R711 "unreadable-release" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let unreadable = app.release.unreadable.get()?;
    let Some(first) = unreadable.first() else { return Ok(()) };
    // One that may not even be entered keeps systemd from starting it.
    let start = app.service.working_directory.ok().and_then(Option::as_ref);
    if start.is_some_and(|place| place.resolved.starts_with(&first.wall)) {
        return Ok(());
    }
    report(app, first, unreadable.len(), out);
    Ok(())
}

fn report(app: &App, first: &Unreadable, count: usize, out: &mut Sink) {
    let (user, wall) = (&first.user, first.wall.display());
    let file = first.path.display();
    let more = match count {
        1 => String::new(),
        2 => ", nor 1 other module".to_owned(),
        count => format!(", nor {} other modules", count - 1),
    };
    let what = match first.wall == first.path {
        true => format!("{user} cannot read {file}{more}"),
        false => format!("{user} cannot pass {wall}, which leads to {file}{more}"),
    };
    let root =
        app.release.root().map_or_else(|_| wall.to_string(), |root| root.display().to_string());
    out.report(format!("the next reload takes the site down: {what}"))
        .at_known(&app.release.code.application, "imports it")
        .evidence(
            EvidenceKind::File,
            format!(
                "{wall}: mode {:04o}, owner {}:{}",
                first.metadata.mode, first.metadata.uid, first.metadata.gid
            ),
        )
        .help(format!(
            "Open the release to {user}, then check:\nchmod -R go+rX {root}\nsudo -u {user} cat \
             {file} >/dev/null"
        ))
        .subject(first.path.to_string_lossy())
        .fix(Safety::Manual, format!("let {user} read the release"));
}
