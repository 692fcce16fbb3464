use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The last reload or start failed, so the new code may not be served.
    ///
    /// systemd records how that ended: `ReloadResult=` if ExecReload= failed (the unit stays
    /// active, with the old code unless SIGHUP had been sent before the failure), `Result=` and the
    /// state `failed` if the main process ended. A unit that keeps restarting shows
    /// `Result=exit-code` between two tries. The next success clears both. One case is not visible
    /// here (measured): when SIGHUP kills the main process cleanly, the unit is inactive with
    /// `Result=success`.
    ///
    /// A status of 200 or more means systemd could not run the command: 200/CHDIR if
    /// WorkingDirectory= cannot be entered, 203/EXEC if the program does not exist, 217/USER if
    /// User= does not exist, 209/STDOUT, 226/NAMESPACE and others; the finding says which.
    ///
    /// By hand: `systemctl status UNIT`, repair the cause, then `systemctl restart UNIT`.
    ///
    /// Proved by `no-restart`: after the master was killed the unit stayed failed and every request
    /// got 502; with Restart=always it was back.
    ///
    /// Proved by `reload-failed`: the reload returned 1, the unit stayed active, and the old
    /// release went on answering every request.
    ///
    /// Proved by `shell-syntax-without-shell`: kill sent SIGHUP, then took `&&` for a process:
    /// `systemctl reload` returned 1, though the new release was served.
    ///
    /// ```text,bad,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// ReloadResult=exit-code
    /// ```
    /// ```text,fixed,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// ReloadResult=success
    /// ```
    /// ```text,bad,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=failed
    /// SubState=failed
    /// Result=exit-code
    /// ReloadResult=success
    /// ```
    /// ```text,good,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=inactive
    /// SubState=dead
    /// Result=success
    /// ReloadResult=success
    /// ```
    L807 "last-reload-failed" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let state = app.state.get()?;
    let name = &app.name;
    let bad = |result: &str| !matches!(result, "" | "success");
    let service = &app.service;
    let (message, commands, property) = if bad(&state.reload_result) {
        let result = &state.reload_result;
        let message = format!(
            "the last `systemctl reload {name}` failed ({result}): the new code may not be served"
        );
        (message, &service.exec_reload, format!("ReloadResult={result}"))
    } else if state.active == "failed" || bad(&state.result) {
        let result =
            if state.result.is_empty() { "failed".to_owned() } else { state.result.clone() };
        let how = state.failure().unwrap_or_else(|| result.clone());
        let message = match (state.active.as_str(), state.sub.as_str()) {
            ("failed", _) => format!("{name} is down: its last run failed ({how})"),
            (_, "auto-restart") => {
                format!("{name} keeps restarting: its last run failed ({how})")
            }
            ("deactivating", _) => {
                format!("{name} is being stopped, and that has failed ({result})")
            }
            ("activating", _) => {
                format!("{name} is being started; its last run failed ({how})")
            }
            ("inactive", _) => format!("{name} is stopped: its last run failed ({how})"),
            _ => format!("{name} is up, but part of its last run failed ({result})"),
        };
        let words = app.journal.ok().and_then(|journal| journal.last_words.as_deref());
        let message = match words.filter(|_| !state.is_active()) {
            Some(words) => format!("{message}: gunicorn logged \"{words}\""),
            None => message,
        };
        (message, &service.exec_start, format!("Result={result}"))
    } else if state.result.is_empty() {
        return Err(Why::not_read("systemctl does not report how the last run ended"));
    } else {
        return Ok(());
    };
    let place = commands.last().map(|command| command.line.span);
    let note = if commands.last().is_some() { "this failed" } else { "" };
    out.report(message)
        .at_some(place, note)
        .evidence(
            EvidenceKind::Command,
            format!("systemctl show {name}: ActiveState={} {property}", state.active),
        )
        .subject(property)
        .help(format!("systemctl status {name}\njournalctl -u {name} -n 100"))
        .fix(Safety::Manual, "repair the cause, then restart");
    Ok(())
}
