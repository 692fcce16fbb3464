use crate::facts::gunicorn::Layer;
use crate::facts::{App, Why};
use crate::rule::{Edit, Hand, Safety, Sink, Value};

crate::rule! {
    /// With `--reload` all workers stop when a file changes, even in mid-deployment.
    ///
    /// The option is made for development: every worker watches the files of all modules that it
    /// imported and exits when one of them changes. A deployment that writes into the release, or a
    /// `pip install`, then stops all workers at once, with half of the files new and half old.
    /// Until new workers have booted, no request is answered; and if the half-written code cannot
    /// be imported, the master gives up and the site is down (measured for every import that
    /// fails). A syntax error is answered with a traceback in each response instead.
    ///
    /// By hand: remove `--reload` (`reload = True`) and restart once. `systemctl reload` does
    /// not need it.
    ///
    /// Proved by `dev-reload`: a file that was half copied took the site down, though
    /// nobody had reloaded anything: every request got 500.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --reload --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// reload = True
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// reload = False
    /// ```
    ///
    /// Healthy: settings that do not turn it on.
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// import os
    ///
    /// reload = os.environ.get("RELOAD", "") == "1"
    /// reload_engine = "poll"
    /// ```
    G204 "dev-reload" {
        severity: Error, impact: DroppedRequests, fix: Some(Safe), item: WorkersReplaced,
        hop: Workers, since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let settings = &app.gunicorn.settings;
    let reload = settings.reload();
    if !*reload.get()? {
        return Ok(());
    }
    let cause = match settings.layer("reload") {
        Some(Layer::ConfigFile) => "reload = True",
        Some(Layer::CmdArgs) => "--reload in GUNICORN_CMD_ARGS",
        _ => "--reload",
    };
    let hand = Hand::of(app, "reload", &Value::Off);
    let finding = out
        .report(format!(
            "all workers stop whenever a file changes, even in the middle of a deployment: {cause}"
        ))
        .at_first([(reload.span(), "made for development"), (app.gunicorn.started_at(), "")]);
    if settings.layer("reload") == Some(Layer::CmdArgs) {
        finding.subject("GUNICORN_CMD_ARGS");
    }
    finding.help(hand.line()).by_hand(reload.span().or_else(|| app.gunicorn.started_at()));
    let edits = Edit::switch_off(app, "reload");
    finding.fix_or_why(Safety::Safe, hand.title(), edits);
    Ok(())
}
