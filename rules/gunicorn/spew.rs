use crate::facts::gunicorn::{Layer, SettingValue};
use crate::rule::prelude::*;

crate::rule! {
    /// Every request takes several times as long, and the journal loses gunicorn's errors: with
    /// `--spew` gunicorn prints each line of Python that it executes.
    ///
    /// The option is made for debugging gunicorn itself. Measured with gunicorn 23.0.0 (20.1.0 and
    /// 27.0.1 are much the same), three workers and a small Flask application: a request took 6.6 ms
    /// instead of 0.9 ms and printed about 2,500 lines (150 KB). A start printed 1.1 million lines
    /// (63 MB) and took 3 s instead of 0.2 s; a reload stalled the site for 1.7 s instead of 0.14 s.
    /// No request was lost.
    ///
    /// journald keeps 10,000 messages of a service in 30 s and drops the rest (`Suppressed 1068367
    /// messages from myapp.service`): the line that a worker had been killed was among those that
    /// were dropped. Output that goes to a file fills the disk.
    ///
    /// By hand: remove `--spew` (`spew = True`) and restart once. A reload is not enough: gunicorn
    /// never turns the tracing of a running master off.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --spew --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// The same in the configuration file:
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// spew = True
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// spew = False
    /// ```
    ///
    /// In a variable, whose other content is not shown:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment="GUNICORN_CMD_ARGS=--spew --log-level warning"
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Environment="GUNICORN_CMD_ARGS=--log-level warning"
    /// ```
    ///
    /// Healthy: switched off, or on only where a developer asks for it.
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// spew = False
    /// loglevel = "debug"
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// import os
    ///
    /// spew = os.environ.get("SPEW", "") == "1"
    /// ```
    G235 "spew" {
        severity: Warning, impact: Slow, fix: Some(Safe), item: WorkersReplaced, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let settings = &app.gunicorn.settings;
    let spew = settings.get("spew");
    if *spew.get()? != SettingValue::Bool(true) {
        return Ok(());
    }
    let cause = match settings.layer("spew") {
        Some(Layer::ConfigFile) => "spew = True",
        Some(Layer::CmdArgs) => "--spew in GUNICORN_CMD_ARGS",
        _ => "--spew",
    };
    let hand = Hand::of(app, "spew", &Value::Off);
    let at = spew.span().or_else(|| app.gunicorn.started_at());
    out.report(format!(
        "every request takes several times as long, and the journal drops gunicorn's errors: {cause} \
         prints each line of Python that is executed"
    ))
    .at_some(at, "about 2,500 lines for a request, a million for a start")
    .help(hand.line())
    .by_hand(at)
    .fix_or_why(Safety::Safe, hand.title(), Edit::switch_off(app, "spew"));
    Ok(())
}
