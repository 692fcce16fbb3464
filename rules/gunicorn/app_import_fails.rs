use crate::facts::preflight::{Preflight, Stage};
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The next reload takes the site down: the application cannot be imported.
    ///
    /// Measured on gunicorn 20.1 to 27.0: new code that fails at import ends the master 0.3 to 4
    /// seconds after SIGHUP, with any number of workers, while `systemctl reload` returns 0. An
    /// import that calls `sys.exit()` is worse: the master survives and keeps starting about 18
    /// workers per second.
    ///
    /// Checked only with `--preflight`, on a live host: the application is imported as the
    /// service's user and never as root, with the service's directory, environment and Python,
    /// through gunicorn's own loader, in its own session that is killed after 30 seconds. No socket
    /// is opened. `gunicorn --check-config` does less: it runs as the caller, returns 0 for
    /// `SystemExit(0)` and for an unknown worker class, and fails if `--pythonpath` or `raw_env` is
    /// needed. The exception's type, the missing name and the place are shown, but never the
    /// exception's text.
    ///
    /// By hand: repair the import, and reload only then.
    ///
    /// Proved by `app-import-denied`: imported by root the code worked, the reload returned 0,
    /// gunicorn's workers got PermissionError, and the site answered 502 for the rest of the run.
    ///
    /// Proved by `app-import-exits`: `gunicorn --check-config` and the reload returned 0, the unit
    /// stayed active, and no request was answered any more: gunicorn starts workers for ever.
    ///
    /// Proved by `app-import-fails`: `--preflight` had named the KeyError; the reload returned 0,
    /// the master exited, and the site answered 502 for the rest of the run.
    ///
    /// ```text,bad,command=import
    /// {"stage": "import", "kind": "ModuleNotFoundError", "text": "No module named 'stripe'",
    ///  "file": "/srv/myapp/current/wsgi.py", "line": 2}
    /// ```
    /// ```text,fixed,command=import
    /// {"stage": "done", "seconds": 0.2}
    /// ```
    /// ```text,bad,command=import
    /// {"stage": "import", "kind": "SystemExit", "text": "0",
    ///  "file": "/srv/myapp/current/wsgi.py", "line": 9}
    /// ```
    /// ```text,good,command=import
    /// {"stage": "done", "seconds": 0.0}
    /// ```
    G223 "app-import-fails" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let cause = match app.preflight.get()? {
        Preflight::Imported(_) => return Ok(()),
        Preflight::Failed(stage, error) => format!("{}: {error}", what(*stage)),
        Preflight::Ended(Some(status)) => {
            format!("the import ends the process with status {status}")
        }
        Preflight::Ended(None) => "a signal ended the import".to_owned(),
        Preflight::TimedOut(limit) => {
            format!("the import has not finished after {} s", limit.as_secs())
        }
    };
    let launch = app.gunicorn.launch.span();
    out.report(format!("the next reload takes the site down: {cause}"))
        .at_some(launch, "imports the application")
        .evidence(EvidenceKind::Command, format!("preflight of {}: {cause}", app.name))
        .subject(cause)
        .help("do not reload; repair the import, then: deploy-doctor check --preflight")
        .fix(Safety::Manual, "repair the import");
    Ok(())
}

fn what(stage: Stage) -> &'static str {
    match stage {
        Stage::Directory => "the service's user cannot enter its working directory",
        Stage::Gunicorn => "gunicorn cannot be imported",
        Stage::Settings => "gunicorn does not accept its settings",
        Stage::WorkerClass => "the worker class cannot be imported",
        Stage::Import | Stage::Done => "the application cannot be imported",
    }
}
