use crate::facts::environment::SetBy;
use crate::facts::gunicorn::{Layer, Overridden};
use crate::rule::prelude::*;

crate::rule! {
    /// A gunicorn setting has no effect: it is set again elsewhere, with another value.
    ///
    /// gunicorn uses `WEB_CONCURRENCY` as its default, then the configuration file, then
    /// `GUNICORN_CMD_ARGS`, then the command line; the last of these counts, and when the command
    /// line has the same option twice, the second counts. Setting `GUNICORN_CMD_ARGS` or
    /// `WEB_CONCURRENCY` has no effect when the command line says otherwise, and neither has an
    /// option that is set again further to the right. Nothing is logged. A command line that
    /// overrides the configuration file is normal and not reported. (Measured with gunicorn 20.1.0,
    /// 23.0.0 and 27.0.1.)
    ///
    /// By hand: remove the setting that you do not want, then restart.
    ///
    /// Proved by `setting-overridden`: `GUNICORN_CMD_ARGS` asked for five workers, and three ran.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment="GUNICORN_CMD_ARGS=--workers=5"
    /// ```
    ///
    /// The same option twice:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --timeout 20 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock --timeout 30 wsgi:app
    /// ```
    ///
    /// The number of workers from a variable:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment=WEB_CONCURRENCY=5
    /// ```
    ///
    /// Healthy: the command line overrides the configuration file, and the others agree or set
    /// something else.
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// workers = 1
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// Environment=WEB_CONCURRENCY=3 "GUNICORN_CMD_ARGS=--timeout=30 --workers=3"
    /// ```
    G214 "setting-overridden" {
        severity: Warning, impact: Hygiene, fix: Some(Manual), item: Environment, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// What decides them is judged by rules of its own, wherever it is.
const JUDGED: [&str; 4] = ["config", "reload", "preload_app", "daemon"];

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let settings = &app.gunicorn.settings;
    // A bind that is ignored altogether is G226's.
    let activated = !app.service.sockets.is_empty();
    for lost in &settings.overridden {
        let layered = lost.layer == Layer::ConfigFile;
        let judged = JUDGED.contains(&lost.setting) || (activated && lost.setting == "bind");
        if !layered && !judged && lost.same == Some(false) && !is_too_few(app, lost.setting) {
            report(app, lost, out);
        }
    }
    concurrency(app, out);
    Ok(())
}

/// A single worker is G201's, which names what starts it.
fn is_too_few(app: &App, setting: &str) -> bool {
    setting == "workers" && app.gunicorn.workers().ok().is_some_and(|number| *number < 2)
}

fn place(layer: Layer) -> &'static str {
    match layer {
        Layer::Default => "gunicorn's default",
        Layer::Environment => "a variable",
        Layer::ConfigFile => "the configuration file",
        Layer::CmdArgs => "GUNICORN_CMD_ARGS",
        Layer::CommandLine => "the command line",
    }
}

fn report(app: &App, lost: &Overridden, out: &mut Sink) {
    let setting = lost.setting;
    let flags = app.gunicorn.settings.table().get(setting).map_or(&[] as &[_], |one| one.flags);
    let flag = flags.iter().rev().find(|flag| flag.starts_with("--")).copied().unwrap_or(setting);
    let winner = match lost.winner == lost.layer {
        true => format!("{} sets it again further to the right", place(lost.layer)),
        false => format!("{} overrides it", place(lost.winner)),
    };
    let value = app.gunicorn.settings.get(setting);
    out.report(format!("{flag} of {} has no effect: {winner}", place(lost.layer)))
        .at_first([(lost.origin.span(), "no effect"), (app.gunicorn.started_at(), "")])
        .at_known(&value, "counts")
        .subject(setting)
        .help(format!("Remove the {flag} that you do not want."))
        .by_hand(lost.origin.span())
        .fix(Safety::Manual, format!("keep one {flag}"));
}

/// `WEB_CONCURRENCY`, which all else beats.
fn concurrency(app: &App, out: &mut Sink) {
    const NAME: &str = "WEB_CONCURRENCY";
    let settings = &app.gunicorn.settings;
    let workers = settings.workers();
    let (Some(layer), Some(number)) = (settings.layer("workers"), workers.ok()) else { return };
    let Some(variable) = app.environment.variables.get(NAME) else { return };
    let Ok(Some(seen)) = app.environment.seen_by_gunicorn(app.gunicorn.launch.ok(), NAME) else {
        return;
    };
    let asked = seen.value.expose_str().and_then(|text| text.trim().parse::<i64>().ok());
    let beaten = layer >= Layer::ConfigFile;
    let differs = asked.is_some_and(|asked| asked != *number);
    if !beaten || !differs || variable.set_by == SetBy::Manager || *number < 2 {
        return;
    }
    out.report(format!(
        "{NAME} has no effect: {} sets the number of workers and overrides it",
        place(layer)
    ))
    .at_some(seen.span, "no effect")
    .at_known(&workers, "counts")
    .subject(NAME)
    .help(format!("Remove {NAME}, or remove --workers if you want {NAME}."))
    .by_hand(seen.span)
    .fix(Safety::Manual, format!("remove {NAME} or --workers"));
}
