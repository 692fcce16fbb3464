use crate::facts::{App, Why};
use crate::rule::{Edit, Safety, Sink};

crate::rule! {
    /// A crash of gunicorn's master leaves the site down until somebody starts it by hand.
    ///
    /// Without `Restart=` systemd does nothing when the main process is gone: whether it was killed
    /// because memory ran out, or exited because the new code could not be imported on reload.
    ///
    /// `on-failure` counts as a policy here, but it has a gap (measured): when SIGHUP kills the
    /// main process, because it is a shell and not gunicorn, the unit ends with `Result=success`
    /// and `on-failure` does not fire. `always` does. `on-success` and `on-watchdog` never fire on
    /// a crash. A unit with a `.socket` unit is started again by the next connection.
    ///
    /// By hand: `Restart=always` and `RestartSec=3` in `[Service]`, then `systemctl
    /// daemon-reload`.
    ///
    /// Proved by `no-restart`: after the master was killed the unit stayed failed and every
    /// request got 502; with Restart=always it was back.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Restart=no
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Restart=always
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Restart=on-success
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// Restart=no
    /// Restart=on-failure
    /// ```
    U107 "no-restart-policy" {
        severity: Warning, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    service.whole()?;
    let restart = service.restart();
    let word = restart.get()?;
    if !matches!(word.as_str(), "no" | "on-success" | "on-watchdog") || !service.sockets.is_empty()
    {
        return Ok(());
    }
    // With a socket the next connection starts it.
    service.sockets_read()?;
    let cause = match (restart.is_set(), word.as_str()) {
        (false, _) => "there is no Restart=".to_owned(),
        (true, "no") => "Restart=no".to_owned(),
        (true, other) => format!("Restart={other} does not fire on a crash"),
    };
    let place = restart.span().or_else(|| super::place_for(service, "Restart"));
    // systemd's own 100 ms would use up its few starts at once: U108.
    let delay = app.service.unit.last("Service", "RestartSec").is_none();
    let delay = delay.then(|| Edit::set(&app.service.unit, "RestartSec", "3"));
    let note = if restart.is_set() { "" } else { "no effective Restart=" };
    out.report(format!("when gunicorn's master dies, the site stays down: {cause}"))
        .at_some(place, note)
        .help("In [Service]:\nRestart=always\nRestartSec=3")
        .fix(Safety::Safe, "Restart=always")
        .edit(Edit::set(&app.service.unit, "Restart", "always"))
        .edits(delay);
    Ok(())
}
