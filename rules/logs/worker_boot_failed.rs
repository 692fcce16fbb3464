use crate::facts::gunicorn::SettingValue;
use crate::facts::{App, Known, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The site is down or about to be: gunicorn's workers have not booted since the last start.
    ///
    /// gunicorn's master gives up when a worker fails to boot: `Worker failed to boot` or `App
    /// failed to load`, exit status 3 or 4, or by chance 1 (from 24.1.1 on, mostly 1). Measured: on
    /// reload this ends in a full outage within 4 seconds, while `systemctl reload` returns 0.
    ///
    /// The journal is read from the unit's last start or reload on, so a failure followed by a
    /// successful start is not reported. Only the traceback's exception type, the missing module's
    /// or variable's name and the place are shown.
    ///
    /// By hand: repair what the exception reports; `journalctl -u UNIT` has the whole traceback.
    /// Then `systemctl restart UNIT`.
    ///
    /// Proved by `app-import-fails`: `--preflight` had named the KeyError; the reload returned 0,
    /// the master exited, and the site answered 502 for the rest of the run.
    ///
    /// Proved by `environment-export`: the variable never arrived, the application failed with
    /// KeyError at startup, and every request got 502.
    ///
    /// Proved by `requirement-missing`: the reload returned 0, the master exited with
    /// ModuleNotFoundError, and the site answered 502 for the rest of the run.
    ///
    /// Proved by `unreadable-release`: root's check returned 0 and so did the reload, the workers
    /// got PermissionError, and the site answered 502 for the rest of the run.
    ///
    /// ```text,bad,command=systemctl show,also=L807
    /// Id=myapp.service
    /// ActiveState=activating
    /// SubState=auto-restart
    /// Result=exit-code
    /// ReloadResult=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:15:00 UTC
    /// ```
    /// ```text,bad,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:15:00 +0000] [12] [ERROR] Exception in worker process"}
    /// {"MESSAGE": "Traceback (most recent call last):"}
    /// {"MESSAGE": "  File \"/srv/myapp/current/wsgi.py\", line 2, in <module>"}
    /// {"MESSAGE": "ModuleNotFoundError: No module named 'stripe'"}
    /// {"MESSAGE": "[2026-04-21 09:15:00 +0000] [11] [ERROR] Reason: Worker failed to boot."}
    /// ```
    /// ```text,fixed,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,fixed,command=journalctl
    /// {"MESSAGE": "Started myapp.service - Gunicorn for myapp."}
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [14] [INFO] Booting worker with pid: 14"}
    /// ```
    /// ```text,good,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// InvocationID=22222222222222222222222222222222
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,good,command=journalctl
    /// {"INVOCATION_ID": "11111111111111111111111111111111", "MESSAGE": "Reason: Worker failed to boot."}
    /// {"INVOCATION_ID": "22222222222222222222222222222222", "MESSAGE": "Booting worker with pid: 14"}
    /// ```
    L801 "worker-boot-failed" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CleanLogs, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let journal = app.journal.get()?;
    let Some(last) = journal.boot_failures.last() else {
        journal.whole()?;
        return logs_to_the_journal(app);
    };
    // Where workers die, gunicorn's master may raise an error of its own behind theirs.
    let errors = || journal.boot_failures.iter().rev().filter_map(|failure| failure.error.as_ref());
    let of_master = |error: &String| error.contains("/gunicorn/arbiter.py ");
    let with_error = errors()
        .map(ToString::to_string)
        .find(|error| !of_master(error))
        .or_else(|| errors().next().map(ToString::to_string));
    let cause = match with_error {
        Some(error) => error,
        None => format!("gunicorn logged \"{}\"", last.sentence),
    };
    let count = journal.boot_failures.len();
    let times = if count == 1 { String::new() } else { format!(", {count} times") };
    out.report(format!("gunicorn's workers do not boot: {cause}"))
        .at_some(app.gunicorn.launch.span(), "starts gunicorn")
        .evidence(
            EvidenceKind::Journal,
            format!("journal of {}: {}{times}", app.name, last.sentence),
        )
        .subject("boot")
        .help(format!(
            "the whole traceback: journalctl -u {0} -n 100\nrepair the cause, then: systemctl \
             restart {0}",
            app.name
        ))
        .fix(Safety::Manual, "repair what the exception reports");
    Ok(())
}

/// Silence of the journal proves nothing where gunicorn writes elsewhere.
fn logs_to_the_journal(app: &App) -> Result<(), Why> {
    for key in ["StandardError", "StandardOutput"] {
        let word = app.service.word(key, "journal");
        let to = word.get()?;
        if ["file:", "append:", "truncate:", "null"].iter().any(|other| to.starts_with(other)) {
            return Err(Why::not_read(format!("gunicorn does not log to the journal: {key}={to}")));
        }
    }
    match app.gunicorn.settings.get("errorlog") {
        Known::Unknown(why) => Err(why),
        Known::Default(..) | Known::Observed(..) => Ok(()),
        Known::Value(SettingValue::Text(to), _) if to == "-" => Ok(()),
        Known::Value(..) => Err(Why::not_read("gunicorn logs to a file, not to the journal")),
    }
}
