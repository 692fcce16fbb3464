use std::path::{Path, PathBuf};

use crate::facts::ReleaseLink;
use crate::rule::prelude::*;

crate::rule! {
    /// The new code runs with the packages of another release.
    ///
    /// The interpreter's location decides which packages Python sees, and for a script the
    /// interpreter is the path in its first line (`#!`), wherever the script itself is. A virtual
    /// environment copied from the previous release (`cp -a`) has scripts that still name the old
    /// one; `pip install` in the copy installs into the copy, where gunicorn does not look. And
    /// once the old release is pruned, the site does not start.
    ///
    /// A running gunicorn keeps the Python it was started with: if each release has its own
    /// environment, named by the release's directory and not through the link, a reload picks up
    /// the new code but the old packages stay. Only a restart changes them.
    ///
    /// By hand: recreate the environment instead of copying it (`python3 -m venv --clear
    /// /srv/myapp/current/.venv`, then `pip install`), named through the link, so that reloads
    /// follow; then `systemctl restart myapp`.
    ///
    /// Proved by `venv-of-other-release`: the package was installed in the new release's
    /// environment, the reload returned 0, the workers found the old package (`cannot import
    /// name`), and the site answered 502.
    ///
    /// Proved by `venv-of-other-release-reload`: the reload returned 0, and every answer came from
    /// the new code with the old release's package.
    ///
    /// A script in the release's own environment that names the release and not the link is a warning
    /// before that happens: it is right until the link moves.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/current/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```text,bad,file=/srv/myapp/releases/2026-04-21/.venv/bin/gunicorn
    /// #!/srv/myapp/releases/2026-04-14/.venv/bin/python
    /// ```
    /// ```tree,bad
    /// /srv/myapp/releases/2026-04-21/.venv/bin/gunicorn mode=0755
    /// /srv/myapp/releases/2026-04-14/.venv/bin/python -> /usr/bin/python3.11
    /// /usr/bin/python3.11 mode=0755
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/current/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```text,fixed,file=/srv/myapp/releases/2026-04-21/.venv/bin/gunicorn
    /// #!/srv/myapp/current/.venv/bin/python
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/releases/2026-04-21/.venv/bin/gunicorn mode=0755
    /// /srv/myapp/releases/2026-04-21/.venv/bin/python -> /usr/bin/python3.11
    /// /usr/bin/python3.11 mode=0755
    /// ```
    ///
    /// Each release has its own environment, as `python3 -m venv` makes it:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/current/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```text,bad,file=/srv/myapp/releases/2026-04-21/.venv/bin/gunicorn
    /// #!/srv/myapp/releases/2026-04-21/.venv/bin/python
    /// ```
    /// ```tree,bad
    /// /srv/myapp/releases/2026-04-21/.venv/bin/gunicorn mode=0755
    /// /srv/myapp/releases/2026-04-21/.venv/bin/python -> /usr/bin/python3.11
    /// /usr/bin/python3.11 mode=0755
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/current/.venv/bin/python -m gunicorn --workers 3 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```tree,good
    /// /srv/myapp/releases/2026-04-21/.venv/bin/python -> /usr/bin/python3.11
    /// /usr/bin/python3.11 mode=0755
    /// ```
    ///
    /// The running gunicorn was started with the previous release's Python:
    ///
    /// ```proc,bad
    /// 800 exe=/usr/bin/python3.11 : /srv/myapp/releases/2026-04-14/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```proc,fixed
    /// ```
    R715 "venv-of-other-release" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: Dependencies, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(link) = &app.release.link else { return Ok(()) };
    app.gunicorn.launch.get()?;
    // One that is not there starts nothing: U124.
    if let Some(python) = &app.gunicorn.interpreter
        && python.place.exists()?
        && let Some(release) = other_release(app, link, &python.directory.resolved)?
    {
        at_start(app, link, &python.place.path, &release, out);
        return Ok(());
    }
    if let Some(python) = &app.gunicorn.interpreter
        && pins_its_release(app, link, &python.place.path, &python.directory.resolved)
    {
        after_the_next(app, link, &python.place.path, out);
    }
    let Ok(processes) = app.processes.get() else { return Ok(()) };
    for master in &processes.masters {
        let Some(python) = &master.running.get()?.interpreter else { continue };
        if let Some(release) = other_release(app, link, Path::new(python))? {
            running(app, link, master.process.pid, python, &release, out);
        }
    }
    Ok(())
}

/// The release that a path is in, where it is not the one that the link leads to.
fn other_release(app: &App, link: &ReleaseLink, path: &Path) -> Result<Option<PathBuf>, Why> {
    let Ok(below) = path.strip_prefix(&link.releases) else { return Ok(None) };
    let Some(name) = below.components().next() else { return Ok(None) };
    let release = link.releases.join(name);
    if release == link.resolved {
        return Ok(None);
    }
    // A directory next to the releases may contain environments for all of them.
    let others = app.release.previous.get()?;
    match others.iter().find(|other| other.path == release) {
        Some(other) if *other.has_application.get()? => Ok(Some(release)),
        _ => Ok(None),
    }
}

/// The next start takes the other release's Python.
fn at_start(app: &App, link: &ReleaseLink, python: &Path, release: &Path, out: &mut Sink) {
    let (old, new) = (show::name(release), show::name(&link.resolved));
    let program = app.gunicorn.program.as_ref();
    let said = match program {
        Some(program) if app.gunicorn.launch.ok().is_some_and(|l| l.interpreter.is_none()) => {
            format!("the first line of {} names {}", program.path.display(), python.display())
        }
        _ => format!("gunicorn is started by {}", python.display()),
    };
    out.report(format!(
        "release {new} runs with the packages of {old}: gunicorn's Python is {}",
        python.display()
    ))
    .at_some(app.gunicorn.started_at(), "starts gunicorn with that Python")
    .evidence(EvidenceKind::File, said)
    .evidence(EvidenceKind::File, format!("{} -> {}", link.path.display(), link.target.display()))
    .help(format!(
        "Recreate the environment under its path through the link, reinstall, then restart:\n \
         python3 -m venv --clear {0}\n  {0}/bin/python -m pip install -r {1}/requirements.txt\n  \
         systemctl restart {2}",
        environment(link, python, release).display(),
        link.path.display(),
        app.stem()
    ))
    .subject(old)
    .fix(Safety::Manual, "give the release its own environment");
}

/// Does gunicorn's program lie in each release, and name the Python of its own?
fn pins_its_release(app: &App, link: &ReleaseLink, python: &Path, resolved: &Path) -> bool {
    let by_link = app.gunicorn.program.as_ref().is_some_and(|p| p.path.starts_with(&link.path));
    by_link && python.starts_with(&link.resolved) && resolved.starts_with(&link.resolved)
}

/// Once the link has moved, a reload takes the new code and keeps this release's Python.
fn after_the_next(app: &App, link: &ReleaseLink, python: &Path, out: &mut Sink) {
    let release = show::name(&link.resolved);
    let through =
        python.strip_prefix(&link.resolved).map_or(link.path.clone(), |rest| link.path.join(rest));
    let arguments = "-m gunicorn";
    out.report(format!(
        "after {} moves, a reload runs the new code with the packages of {release}: gunicorn's Python \
         is {}",
        link.path.display(),
        python.display()
    ))
    .severity(Severity::Warning)
    .at_some(app.gunicorn.started_at(), "its first line names this release's Python")
    .evidence(EvidenceKind::File, format!("{} -> {}", link.path.display(), link.target.display()))
    .help(format!(
        "Start it through the link in ExecStart=:\n  {} {arguments} …\nthen: systemctl \
         daemon-reload && systemctl restart {1}\nor restart {1} after each deployment, instead of a reload",
        through.display(),
        app.stem()
    ))
    .subject(release)
    .fix(Safety::Manual, "start gunicorn by the Python below the link");
}

/// The same environment in the release that the link leads to.
fn environment(link: &ReleaseLink, python: &Path, release: &Path) -> PathBuf {
    let own = python.strip_prefix(release).ok().and_then(Path::parent).and_then(Path::parent);
    link.path.join(own.unwrap_or(Path::new(".venv")))
}

/// What runs was started with the other release's Python.
fn running(app: &App, link: &ReleaseLink, pid: u32, python: &str, release: &Path, out: &mut Sink) {
    let (old, new) = (show::name(release), show::name(&link.resolved));
    let stem = app.stem();
    out.report(format!(
        "release {new} runs with the packages of {old}, and a reload does not change that: gunicorn \
         was started by {python}"
    ))
    .at_some(app.gunicorn.started_at(), "resolved once, when gunicorn started")
    .evidence(EvidenceKind::Process, format!("master {pid} was started by {python}"))
    .help(format!("systemctl restart {stem}"))
    .subject(old)
    .fix(Safety::Manual, format!("systemctl restart {stem}"));
}
