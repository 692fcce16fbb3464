use crate::facts::exec_reload::hands_over;
use crate::facts::gunicorn::Layer;
use crate::facts::{App, Why};
use crate::rule::{Edit, Hand, Safety, Sink, Value};

crate::rule! {
    /// With `preload_app` a reload succeeds but keeps serving the old code.
    ///
    /// The master imports the application once, before it forks. On HUP it forks new workers from
    /// what it has in memory: the code of the release that it was started with. Measured on 20.1,
    /// 23 and 27, with every way of naming the release, including `--chdir current`. Values that
    /// the application read from its environment stay the old ones too.
    ///
    /// Only a restart, or a hand-over to a second master with USR2, loads new code. By hand: remove
    /// `--preload` (`preload_app = True`) and restart once. Each worker then holds its own copy of
    /// the application in memory.
    ///
    /// Proved by `preload`: after the link moved, the reload returned 0 and the old release
    /// went on answering every request.
    ///
    /// Proved by `preload-in-file`: the file was corrected and gunicorn reloaded, and after the
    /// next deployment's reload gunicorn 23.0.0 still answered every request with the old release;
    /// with a restart in between the new code serves.
    ///
    /// Proved by `preload-in-file-27`: the file was corrected and gunicorn reloaded, and after the
    /// next deployment's reload gunicorn 27.0.1 still answered every request with the old release;
    /// with a restart in between the new code serves.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --preload --chdir /srv/myapp/current \
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
    /// preload_app = True
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// preload_app = False
    /// ```
    ///
    /// Healthy: a name that gunicorn does not know (the setting is `preload_app`), and the setting
    /// switched off.
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// preload = True
    /// preload_app = False
    /// ```
    G203 "preload-blocks-reload" {
        severity: Error, impact: StaleRelease, fix: Some(Unsafe), item: ReleaseServes,
        hop: Release, since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let settings = &app.gunicorn.settings;
    let preload = settings.preload_app();
    if !*preload.get()? || hands_over(app) {
        return Ok(());
    }
    let cause = match settings.layer("preload_app") {
        Some(Layer::ConfigFile) => "preload_app = True",
        Some(Layer::CmdArgs) => "--preload in GUNICORN_CMD_ARGS",
        _ => "--preload",
    };
    let hand = Hand::of(app, "preload_app", &Value::Off);
    let name = &app.name;
    let finding = out.report(format!(
        "a reload keeps serving the old code: with {cause} the master imports it once, at startup"
    )).at_first([
        (preload.span(), "HUP forks workers from the code already loaded"),
        (app.gunicorn.started_at(), ""),
    ]);
    if settings.layer("preload_app") == Some(Layer::CmdArgs) {
        finding.subject("GUNICORN_CMD_ARGS");
    }
    finding
        .help(format!(
            "{}\nUntil then, each deployment needs: systemctl restart {name}",
            hand.line()
        ))
        .by_hand(preload.span().or_else(|| app.gunicorn.started_at()));
    let edits = Edit::switch_off(app, "preload_app");
    finding.fix_or_why(Safety::Unsafe, hand.title(), edits);
    Ok(())
}
