use super::{last_words, start};
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Severity, Sink};

crate::rule! {
    /// The site is down: the unit is enabled, but no gunicorn runs in it.
    ///
    /// The control group of the unit is empty. Either the unit was stopped, or gunicorn exited:
    /// after a reload with code that cannot be imported the master exits 3, and without `Restart=`
    /// nothing starts it again. A unit that a `.socket` unit starts at the first request may be
    /// idle on purpose.
    ///
    /// If another unit's gunicorn has the socket, the site is up, and this unit is a leftover: a
    /// warning. So it is if nginx passes the requests to another server of the same `upstream`, which it
    /// does after every connection that fails, whatever the method: nothing is lost until that one stops
    /// as well.
    ///
    /// By hand: `journalctl -u myapp -n 50` shows why it exited, then `systemctl start myapp`.
    ///
    /// Proved by `no-restart`: after the master was killed the unit stayed failed and every request
    /// got 502; with Restart=always it was back.
    ///
    /// Proved by `one-server-of-two-stopped`: the unit had no process, nginx passed its requests to the
    /// other service, and none was lost, POST included.
    ///
    /// Proved by `one-server-of-two-not-passed-on`: the unit had no process, and half of the requests got
    /// 502.
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
    /// ```ini,good,drop-in
    /// [Service]
    /// RuntimeDirectoryPreserve=yes
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
        return Err(Why::not_there("the first process here is not systemd"));
    }
    let members = *processes.members.get()?;
    if !super::orphans(app, processes).is_empty() {
        // Workers whose master is gone: P508's.
        return Ok(());
    }
    if members > 0 {
        return Err(Why::not_understood(format!(
            "none of the {members} processes of {} was recognised as gunicorn",
            app.name
        )));
    }
    let stem = app.stem();
    let other = served_by(app);
    let spare = app.spare();
    let message = match &other {
        Some(other) => format!(
            "{} is enabled but has no process: {other} holds its socket and serves the site",
            app.name
        ),
        None => {
            let cause = format!("{} is enabled but has no process{}", app.name, why(app));
            super::down(spare.as_ref(), &cause)
        }
    };
    let lost = spare.is_none_or(|spare| !spare.loses_nothing());
    let finding = out
        .report(message)
        .severity(if lost { Severity::Error } else { Severity::Warning })
        .at_some(start(app), "no process of this command is running")
        .evidence(EvidenceKind::Process, format!("the control group of {} is empty", app.name));
    if let Some(words) = last_words(app) {
        finding.evidence(EvidenceKind::Journal, format!("journal of {}: {words}", app.name));
    }
    let Some(other) = other else {
        finding
            .help(format!(
                "journalctl -u {stem} -n 50   shows why it exited; repair the cause, then:\n\
                 systemctl start {stem}"
            ))
            .fix(Safety::Manual, format!("systemctl start {stem}"));
        return Ok(());
    };
    finding
        .severity(Severity::Warning)
        .help(format!(
            "if {other} should serve the site: systemctl disable {stem}\nif {stem} should: give \
             each its own socket, then: systemctl start {stem}"
        ))
        .fix(Safety::Manual, format!("systemctl disable {stem}, or give it another socket"));
    Ok(())
}

/// The unit, or process, whose gunicorn listens where this one would.
fn served_by(app: &App) -> Option<String> {
    let sockets = app.sockets.ok()?;
    let bounds = app.bounds().ok()?;
    let held = sockets.listeners.iter().find(|listener| {
        !listener.owners.is_empty()
            && !listener.apart
            && bounds.iter().any(|bound| bound.endpoint.reaches(&listener.endpoint) == Some(true))
    })?;
    let others = &app.processes.ok()?.others;
    let master = others.iter().find(|other| held.owners.contains(&other.process.pid))?;
    Some(match master.process.unit.ok() {
        Some(Some(unit)) => unit.clone(),
        _ => format!("process {}", master.process.pid),
    })
}

/// Why it ended, as far as systemd and gunicorn itself say.
fn why(app: &App) -> String {
    let failure = app.state.ok().and_then(|state| state.failure());
    match (failure, last_words(app)) {
        (None, None) => String::new(),
        (Some(failure), None) => format!(": it failed with {failure}"),
        (None, Some(words)) => format!(": gunicorn logged \"{words}\""),
        (Some(failure), Some(words)) => {
            format!(": it failed with {failure}; gunicorn logged \"{words}\"")
        }
    }
}
