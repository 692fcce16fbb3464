use super::start;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The site is down: the unit is enabled, and no gunicorn runs in it.
    ///
    /// The control group of the unit is empty. Either it was stopped, or gunicorn ended: after a
    /// reload with code that cannot be imported the master exits 3, and without `Restart=` nothing
    /// starts it again. A unit that a `.socket` unit starts at the first request may well be idle.
    ///
    /// By hand: `journalctl -u myapp -n 50` says why it ended, then `systemctl start myapp`.
    ///
    /// Proved by `no-restart`: after the master was killed the unit stayed failed and every request
    /// got 502; with Restart=always it was back.
    ///
    /// ```proc,bad,also=S601
    /// - 800
    /// - listen unix:/run/myapp/gunicorn.sock
    /// - file /run/myapp/gunicorn.sock
    /// ```
    /// ```proc,fixed
    /// ```
    /// ```ini,good,live,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp/gunicorn.sock
    ///
    /// [Install]
    /// WantedBy=sockets.target
    /// ```
    /// ```proc,good
    /// - 800
    /// ```
    P501 "not-running" {
        severity: Error, impact: Outage, fix: Some(Manual), item: No502, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    let idle = !app.service.unit.is_enabled() || !app.service.sockets.is_empty();
    if !processes.masters.is_empty() || idle {
        return Ok(());
    }
    if !processes.systemd {
        return Err(Why::new("the first process here is not systemd"));
    }
    let members = *processes.members.get()?;
    if members > 0 {
        return Err(Why::new(format!(
            "none of the {members} processes of {} was recognised as gunicorn",
            app.name
        )));
    }
    let stem = app.name.strip_suffix(".service").unwrap_or(&app.name);
    out.report(format!("the site is down: {} is enabled and runs no process", app.name))
        .at_some(start(app), "nothing of this runs")
        .evidence(EvidenceKind::Process, format!("the control group of {} is empty", app.name))
        .help(format!(
            "journalctl -u {stem} -n 50   says why it ended; then:\nsystemctl start {stem}"
        ))
        .fix(Safety::Manual, format!("systemctl start {stem}"));
    Ok(())
}
