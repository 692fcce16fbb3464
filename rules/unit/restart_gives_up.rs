use crate::facts::machine::StartLimit;
use crate::rule::prelude::*;

crate::rule! {
    /// An outage of some seconds leaves the site down until somebody starts it by hand.
    ///
    /// After five starts within ten seconds systemd gives up (`DefaultStartLimitBurst=`,
    /// `DefaultStartLimitIntervalSec=`): `Start request repeated too quickly`, the unit is failed
    /// and `Restart=` does no more. Without `RestartSec=` it waits 100 ms between two starts, so a
    /// restarting database, or a network that is not up yet, uses up the five starts in a few
    /// seconds. With `RestartSec=3` there are never five starts in ten seconds, and systemd keeps
    /// trying.
    ///
    /// Setting `StartLimitIntervalSec=` or `StartLimitBurst=` is a choice, and is not reported.
    ///
    /// By hand: `RestartSec=3` in `[Service]`, then `systemctl daemon-reload`. For a unit that has
    /// given up: `systemctl reset-failed myapp`, `systemctl start myapp`.
    ///
    /// Proved by `restart-gives-up`: a service that the application needs was down for eight
    /// seconds, and the unit stayed failed: every request got 502 for the rest of the run; with
    /// RestartSec=3 it was back.
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
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
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
    /// RestartSec=3
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// RestartSec=500ms
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// RestartSec=3
    /// ```
    ///
    /// Healthy: without a limit, or with the unit's own:
    ///
    /// ```ini,good,drop-in
    /// [Unit]
    /// StartLimitIntervalSec=0
    ///
    /// [Service]
    /// RestartSec=500ms
    /// ```
    /// ```ini,good,drop-in
    /// [Unit]
    /// StartLimitIntervalSec=60
    /// StartLimitBurst=10
    ///
    /// [Service]
    /// RestartSec=1
    /// ```
    U108 "restart-gives-up" {
        severity: Warning, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// How long a start takes that fails, in microseconds: gunicorn ends when its first worker could
/// not import the application. Where it is more, there are fewer starts.
const FAILED_START: u64 = 1_000_000;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    service.whole()?;
    if !matches!(service.restart().get()?.as_str(), "always" | "on-failure") {
        return Ok(());
    }
    // Whoever set a limit of the unit's own, or delays that grow, has thought of it.
    if service.limits_starts() {
        return Ok(());
    }
    let StartLimit { interval, burst } = app.machine.start_limit.get()?;
    let delay = service.seconds("RestartSec", app.machine.default_restart.clone());
    let (TimeSpan::Microseconds(interval), TimeSpan::Microseconds(wait)) =
        (*interval, *delay.get()?)
    else {
        return Ok(());
    };
    if interval == 0 || *burst == 0 || (wait + FAILED_START).saturating_mul(*burst) >= interval {
        return Ok(());
    }
    let better = interval / burst / 1_000_000 + 1;
    let seconds = interval / 1_000_000;
    let cause = match delay.is_set() {
        true => "RestartSec= is so short",
        false => "there is no RestartSec=",
    };
    out.report(format!(
        "a short outage of a dependency leaves the site down for good: systemd gives up after \
         {burst} starts in {seconds} s, and {cause}"
    ))
    .at_some(
        delay.span().or_else(|| service.restart().span()),
        format!("{} ms between two starts", wait / 1000),
    )
    .help(format!("In [Service]:\nRestartSec={better}"))
    .fix(Safety::Safe, format!("RestartSec={better}"))
    .edit(Edit::set(&service.unit, "RestartSec", better.to_string()));
    Ok(())
}
