use std::path::Path;

use crate::facts::gunicorn::Stays;
use crate::facts::{App, Endpoint, Known, Why};
use crate::rule::prelude::Text;
use crate::rule::{Edit, Finding, Safety, Sink};

crate::rule! {
    /// gunicorn goes into the background while systemd expects it in the foreground, or the
    /// reverse, and the unit stops or never becomes ready.
    ///
    /// Measured: `--daemon` with `Type=simple` ends the unit at once with `Result=success`, and
    /// systemd kills the process in the background; the same happens with `Type=forking` without
    /// `PIDFile=`. With `Type=forking` but without `--daemon` the start times out, because gunicorn
    /// never forks away. It also times out if gunicorn (`--pid`) does not write the file named in
    /// `PIDFile=`.
    ///
    /// By hand: remove `--daemon` and `PIDFile=`, set `Type=notify` and `NotifyAccess=main`; then
    /// `systemctl daemon-reload` and one restart.
    ///
    /// Proved by `daemonized`: the unit ended at once and took gunicorn with it, again and
    /// again: at least nine of ten requests got 502.
    ///
    /// ```ini,bad
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn -D --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```ini,fixed
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Type=forking
    /// PIDFile=/run/myapp/gunicorn.pid
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Type=notify
    /// ```
    /// ```ini,good
    /// [Service]
    /// Type=forking
    /// PIDFile=/run/myapp/gunicorn.pid
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --daemon --pid /run/myapp/gunicorn.pid --workers 3 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    U104 "daemonized" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let kind = app.service.kind();
    let daemon = app.gunicorn.settings.daemon();
    let background = *daemon.get()?;
    let forking = kind.get()? == "forking";
    let pid_file = app.service.text("PIDFile");
    let type_line = format!("Type={}", kind.get()?);
    if background && !forking {
        let finding = out
            .report(format!(
                "the unit stops as soon as it starts: gunicorn goes into the background under \
             {type_line}"
            ))
            .at_known(&daemon, "systemd loses sight of gunicorn")
            .at_known(&kind, "when this process ends, systemd regards the service as ended")
            .help("Remove --daemon (-D, daemon = True).")
            .by_hand(daemon.span());
        fix(finding, "remove --daemon", in_front(app));
    } else if forking && !background {
        // A shell that starts it with `&` forks in its stead.
        if app.gunicorn.launch.get()?.stays() != Stays::Never {
            return Err(Why::not_understood(
                "whether a wrapper goes into the background is not known",
            ));
        }
        out.report(
            "the start times out: Type=forking waits for gunicorn to go into the background",
        )
        .at_known(&kind, "gunicorn stays in the foreground: no --daemon")
        .help("In [Service]:\nType=notify\nNotifyAccess=main\nand remove PIDFile=")
        .fix(Safety::Safe, "set Type=notify, NotifyAccess=main")
        .edits(notify(app));
    } else if forking {
        pid_file_fits(app, &kind, &pid_file, out)?;
    }
    Ok(())
}

fn pid_file_fits(
    app: &App,
    kind: &Known<String>,
    pid_file: &Known<Option<Text>>,
    out: &mut Sink,
) -> Result<(), Why> {
    let written = app.gunicorn.settings.pidfile();
    let cause = match (pid_file.get()?, written.get()?) {
        (None, _) => "Type=forking has no PIDFile=, so systemd guesses the main process",
        (Some(_), None) => "gunicorn writes no PIDFile=",
        (Some(text), Some(written)) => {
            let expected = Path::new("/run").join(text.as_str());
            let same = Endpoint::unix(&expected) == Endpoint::unix(Path::new(written));
            if same || !written.starts_with('/') {
                return Ok(());
            }
            "gunicorn writes another pid file than PIDFile="
        }
    };
    let consequence = match pid_file.get()? {
        None => "the unit may stop as soon as it starts",
        Some(_) => "the start times out",
    };
    let finding = out
        .report(format!("{consequence}: {cause}"))
        .at_some(pid_file.span().or(kind.span()), "")
        .at_known(&written, "set in gunicorn")
        .help("In [Service]:\nType=notify\nNotifyAccess=main\nand remove PIDFile= and --daemon")
        .by_hand(pid_file.span().or(kind.span()));
    let edits = in_front(app).map(|edits| notify(app).into_iter().chain(edits).collect());
    fix(finding, "set Type=notify, NotifyAccess=main, and remove --daemon", edits);
    Ok(())
}

fn fix(finding: &mut Finding, title: &str, edits: Option<Vec<Edit>>) {
    finding.fix_if(Safety::Safe, title, edits.unwrap_or_default());
}

/// The type that gunicorn in front speaks, and no pid file.
fn notify(app: &App) -> Vec<Edit> {
    let unit = &app.service.unit;
    let mut edits = vec![Edit::set(unit, "Type", "notify")];
    let access = app.service.word("NotifyAccess", "none");
    if !access.ok().is_some_and(|word| ["main", "exec", "all"].contains(&word.as_str())) {
        edits.push(Edit::set(unit, "NotifyAccess", "main"));
    }
    edits.extend(unit.list("Service", "PIDFile").into_iter().map(|line| Edit::remove(line.span)));
    edits
}

/// Whatever sends gunicorn into the background goes away. None where it is not there as one would
/// write it.
fn in_front(app: &App) -> Option<Vec<Edit>> {
    // What lost and is not known would hold then.
    let mut lost = app.gunicorn.settings.lost("daemon");
    let edits = Edit::switch_off(app, "daemon").ok()?;
    lost.all(|lost| lost.same == Some(true)).then_some(edits)
}
