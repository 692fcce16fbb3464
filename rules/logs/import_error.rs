use crate::facts::journal::RequestError;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// Requests get 500: code that only they run cannot be imported, or lacks a variable.
    ///
    /// An import inside a function, a view that is loaded on first use, or a variable that is read
    /// in a request does not affect the start: gunicorn boots, the reload returns 0, and the pages
    /// that need it fail. Errors that keep the workers from booting are reported by L801.
    ///
    /// ModuleNotFoundError, ImportError, SyntaxError, and KeyError of a variable that the code
    /// reads are reported if the log shows that a request ended with it (Flask's `Exception on
    /// /path`, Django's `Internal Server Error`, gunicorn's `Error handling request`, `Exception in
    /// ASGI application`). A logged failure of an optional import does not count. The journal is
    /// read from the unit's last start or reload on; if errors of requests go to a file, the
    /// journal contains none.
    ///
    /// By hand: install or set what the exception names, then `systemctl reload myapp` (`restart`
    /// for a variable).
    ///
    /// Proved by `import-error`: the reload returned 0, the workers booted, and every request to that
    /// page got 500.
    ///
    /// ```text,bad,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,bad,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [14] [INFO] Booting worker with pid: 14"}
    /// {"MESSAGE": "[2026-04-21 09:21:00,112] ERROR in app: Exception on /invoice [GET]"}
    /// {"MESSAGE": "Traceback (most recent call last):"}
    /// {"MESSAGE": "  File \"/srv/myapp/current/wsgi.py\", line 12, in invoice"}
    /// {"MESSAGE": "ModuleNotFoundError: No module named 'weasyprint'"}
    /// ```
    /// ```text,fixed,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,fixed,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [14] [INFO] Booting worker with pid: 14"}
    /// ```
    /// Healthy: a fault of another kind, and an optional package that the program can do without:
    ///
    /// ```text,good,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,good,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [14] [INFO] Booting worker with pid: 14"}
    /// {"MESSAGE": "Traceback (most recent call last):"}
    /// {"MESSAGE": "  File \"/srv/myapp/current/wsgi.py\", line 3, in <module>"}
    /// {"MESSAGE": "ModuleNotFoundError: No module named 'ujson'"}
    /// {"MESSAGE": "[2026-04-21 09:21:00,112] ERROR in app: Exception on / [GET]"}
    /// {"MESSAGE": "Traceback (most recent call last):"}
    /// {"MESSAGE": "  File \"/srv/myapp/current/wsgi.py\", line 12, in index"}
    /// {"MESSAGE": "KeyError: 'customer'"}
    /// ```
    L802 "import-error" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CleanLogs, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let journal = app.journal.get()?;
    // Where workers do not boot, L801 says why.
    if !journal.boot_failures.is_empty() {
        return Ok(());
    }
    for failed in journal.request_errors.iter().filter(|failed| of_import(app, failed)) {
        report(app, failed, out);
    }
    // What is not among what was read may be there all the same.
    journal.whole()
}

fn of_import(app: &App, failed: &RequestError) -> bool {
    let error = &failed.error;
    match error.kind.as_str() {
        "ModuleNotFoundError" | "ImportError" | "SyntaxError" | "IndentationError" | "TabError" => {
            true
        }
        "KeyError" => error.name.as_deref().is_some_and(|name| reads(app, name)),
        _ => false,
    }
}

/// Does the code read this variable?
fn reads(app: &App, name: &str) -> bool {
    let modules = app.release.code.modules.iter();
    modules.flat_map(|module| &module.environment.variables).any(|read| read.name == name)
}

fn report(app: &App, failed: &RequestError, out: &mut Sink) {
    let (error, name) = (&failed.error, &app.name);
    let times = match failed.count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let of_variable = error.kind == "KeyError";
    let (mend, command) = match of_variable {
        true => ("set the variable in the service's environment", "restart"),
        false => ("install or correct the module it names", "reload"),
    };
    out.report(format!(
        "requests are answered with 500, {times} since the last start or reload: {error}"
    ))
    .at_some(app.gunicorn.launch.span(), "starts gunicorn")
    .evidence(EvidenceKind::Journal, format!("journal of {name}: {}, {times}", error.kind))
    .subject(format!("{} {}", error.kind, error.name.as_deref().unwrap_or_default()))
    .help(format!(
        "the whole traceback: journalctl -u {name} | grep -B 20 {}\n{mend}, then: systemctl \
             {command} {name}",
        error.kind
    ))
    .fix(Safety::Manual, mend);
}
