use crate::facts::gunicorn::Layer;
use crate::facts::{App, Why};
use crate::rule::{Edit, Hand, Safety, Severity, Sink, Value};

crate::rule! {
    /// With a single worker, no request is answered while that worker is busy, restarting or being
    /// replaced.
    ///
    /// gunicorn starts one worker unless told otherwise. On reload that worker is stopped at once,
    /// before its successor has imported the application; when it crashes, runs into `timeout` or
    /// reaches `max_requests`, there is no other. Until the next worker has booted, every request
    /// waits, and a request is lost if nginx or the client gives up first, or the listen queue is
    /// full.
    ///
    /// The number may come from the command line, the configuration file, `GUNICORN_CMD_ARGS` or
    /// `WEB_CONCURRENCY`, of which the last is the weakest. By hand: set `--workers 3` (gunicorn's
    /// own advice is 2 × CPUs + 1) where the finding points, and restart once: a reload does not
    /// change a command line or a variable.
    ///
    /// Applications with Socket.IO (Flask-SocketIO) have to stay with one, because a session is known
    /// to the process that made it alone (G202): for them this is an info.
    ///
    /// Proved by `single-worker`: one request of three seconds held up every other one;
    /// with two workers they were answered meanwhile.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 1 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// Nothing sets the number:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// The configuration file says 3, `GUNICORN_CMD_ARGS` overrides it with 1:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment="GUNICORN_CMD_ARGS=--workers=1"
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// workers = 3
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Environment="GUNICORN_CMD_ARGS=--workers=3"
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// workers = 3
    /// ```
    ///
    /// Healthy: the command line, the configuration file or the environment asks for more than one.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn -w2 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// workers = 4
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// Environment=WEB_CONCURRENCY=2
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    G201 "single-worker" {
        severity: Error, impact: DroppedRequests, fix: Some(Safe), item: MultipleWorkers,
        hop: Workers, since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let gunicorn = &app.gunicorn;
    let workers = gunicorn.workers();
    let number = *workers.get()?;
    if number >= 2 {
        return Ok(());
    }
    // A session of Socket.IO's is known to one process: there is no second worker to be had.
    let joins = app.release.code.modules.iter().find(|m| m.certain && m.socket_io.is_some());
    if number == 1 && joins.is_some() {
        out.report(
            "while the only worker is replaced every request waits: Socket.IO allows no second one",
        )
        .severity(Severity::Info)
        .at_first([(workers.span(), "the only one"), (gunicorn.started_at(), "starts 1 worker")])
        .help(
            "Keep one worker. Give it threads (--threads 100), and clients long enough to connect \
             again after a reload.",
        );
        return Ok(());
    }
    let layer = gunicorn.settings.layer("workers").unwrap_or(Layer::Default);
    // What was meant to set it may be the very line that gunicorn does not understand.
    if layer == Layer::Default && gunicorn.settings.refused().is_some() {
        return Err(Why::not_understood(
            "gunicorn refuses a setting, which may be the number of workers",
        ));
    }
    let variable = match layer {
        Layer::Environment => Some("WEB_CONCURRENCY"),
        Layer::CmdArgs => Some("GUNICORN_CMD_ARGS"),
        _ => None,
    };
    let amount = match number {
        // A variable's value is not shown, nor what is made of one.
        _ if gunicorn.settings.is_secret("workers") || variable.is_some() => "fewer than 2 workers",
        0 => "no worker at all",
        _ => "1 worker",
    };
    let cause = match (layer, variable) {
        (_, Some(variable)) => format!("{variable} asks for {amount}"),
        (Layer::Default, _) => {
            "nothing sets the number of workers, and gunicorn's default is 1".to_owned()
        }
        (Layer::ConfigFile, _) if gunicorn.settings.is_secret("workers") => {
            format!("a variable that gunicorn's configuration file reads asks for {amount}")
        }
        (Layer::ConfigFile, _) => format!("gunicorn's configuration file asks for {amount}"),
        _ => format!("the command line asks for {amount}"),
    };
    let hand = Hand::of(app, "workers", &Value::Number(3));
    let finding = out
        .report(match number {
            0 => format!("no request is ever answered: {cause}"),
            _ => format!(
                "no request is answered while the only worker is busy or being replaced: {cause}"
            ),
        })
        .at_first([
            (workers.span(), "decides how many workers there are"),
            (gunicorn.started_at(), "starts 1 worker"),
        ]);
    if let Some(variable) = variable {
        finding.subject(variable);
    }
    finding
        .help(format!("{}  (2 x CPUs + 1 is the usual number)", hand.line()))
        .by_hand(workers.span().or_else(|| gunicorn.started_at()));
    let edits = Edit::setting(app, "workers", Value::Number(3)).map(|edit| vec![edit]);
    // That another place said otherwise before was no matter as long as one worker came of it.
    finding.fix_or_why(Safety::Safe, hand.title(), edits).uncovers_rules(&["G214"]);
    Ok(())
}
