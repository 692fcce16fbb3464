use std::time::Duration;

use crate::facts::preflight::Preflight;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Severity, Sink};

/// A shorter stall goes unnoticed.
const LIMIT: Duration = Duration::from_millis(500);

crate::rule! {
    /// Every reload stalls the site for as long as the application takes to boot.
    ///
    /// Measured: at SIGHUP gunicorn sends the old workers SIGTERM at once and does not wait until
    /// the new ones have booted. With an import of 3 seconds no request is served for 3 seconds; at
    /// 200 requests a second none was lost with the default backlog, and the slowest took 3
    /// seconds. The USR2 hand-over does not stall (the slowest request took 23 ms).
    ///
    /// gunicorn logs when a worker is forked, not when it serves, so the journal does not show the
    /// time. It is measured with `--preflight`: how long the import of the application takes in a
    /// fresh process that has already loaded gunicorn, as a worker has at SIGHUP.
    ///
    /// By hand: load heavy modules when they are first used, or hand over with USR2 instead of
    /// HUP.
    ///
    /// Proved by `slow-boot`: the reload returned 0, and for three seconds no request was answered:
    /// gunicorn ends the old workers before the new ones have booted.
    ///
    /// ```text,bad,command=import
    /// {"stage": "done", "seconds": 3.1}
    /// ```
    /// ```text,fixed,command=import
    /// {"stage": "done", "seconds": 0.3}
    /// ```
    /// ```text,good,command=import
    /// {"stage": "done", "seconds": 0.5}
    /// ```
    G222 "slow-boot" {
        severity: Warning, impact: Slow, fix: Some(Manual), item: MultipleWorkers, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Preflight::Imported(took) = app.preflight.get()? else {
        return Err(Why::not_understood("the application cannot be imported"));
    };
    if *took <= LIMIT {
        return Ok(());
    }
    let seconds = took.as_secs_f64();
    out.report(format!(
        "every reload stalls the site for about {seconds:.1} s: booting takes that long, and the \
         old workers do not wait"
    ))
    .severity(Severity::Warning)
    .at_some(app.gunicorn.launch.span(), "imports the application")
    .evidence(EvidenceKind::Command, format!("preflight of {}: {seconds:.2} s", app.name))
    .subject("boot")
    .help(
        "find the slow imports: python -X importtime -c 'import …'\nimport them where they are \
         first used",
    )
    .fix(Safety::Manual, "speed up the import, or hand over to a second master with USR2");
    Ok(())
}
