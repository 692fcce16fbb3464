use crate::rule::prelude::*;

crate::rule! {
    /// After a deployment a reload keeps using the old release's `gunicorn.conf.py`.
    ///
    /// Without `-c`, gunicorn reads `gunicorn.conf.py` in the directory it was started in. systemd
    /// resolves the release link when it starts the service, so that directory is the release that
    /// was current then. A reload rereads the file from there: the code may come from the new
    /// release (`--chdir /srv/myapp/current`), but its settings do not, until the next restart. If
    /// the code stays the old release's too, see U113 or U114.
    ///
    /// By hand: `--config /srv/myapp/current/gunicorn.conf.py` in ExecStart=, then restart once. A
    /// path with the link in it is followed at each reload. If PWD names the link
    /// (`Environment=PWD=/srv/myapp/current`), gunicorn looks for the file there.
    ///
    /// Proved by `config-file-implicit`: after the reload the new release answered with the
    /// settings of the old one's gunicorn.conf.py.
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// timeout = 20
    /// graceful_timeout = 20
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --config /srv/myapp/current/gunicorn.conf.py \
    ///     --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// timeout = 20
    /// graceful_timeout = 20
    /// ```
    G213 "config-file-implicit" {
        severity: Info, impact: StaleRelease, fix: Some(Manual), item: ReleaseServes, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    // Without a link there is no other release's file.
    let Some(link) = &app.release.link else { return Ok(()) };
    let config = app.gunicorn.config.get()?;
    let Some(config) = config.as_ref().filter(|config| config.implicit) else { return Ok(()) };
    // Found by the link's own name (a shell's `cd`, PWD) it is looked for there again.
    if !config.place.path.starts_with(&link.resolved) || !*app.release.follows_link.get()? {
        return Ok(());
    }
    let named = link
        .path
        .join(config.place.path.strip_prefix(&link.resolved).unwrap_or(&config.place.path));
    let (path, named) = (config.place.path.display(), named.display());
    out.report(format!(
        "after {} moves, a reload keeps the settings of {path}: no --config names it, so gunicorn \
         looks where it was started",
        link.path.display()
    ))
    .at_first([
        (app.gunicorn.started_at(), "no --config"),
        (app.service.working_directory.span(), ""),
    ])
    .at_known(&app.service.working_directory, "resolved once, at startup")
    .help(format!("Add to gunicorn's options in ExecStart=:\n--config {named}"))
    .by_hand(app.gunicorn.started_at())
    .fix(Safety::Manual, format!("add --config {named}"));
    Ok(())
}
