use crate::facts::environment::{SetBy, Variable};
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// A reload does not apply the new values: gunicorn's master was started with the old ones.
    ///
    /// Measured: `EnvironmentFile=` and `Environment=` reach gunicorn only at startup. SIGHUP
    /// reloads the application with the master's old environment; SIGUSR2 keeps it too. Values are
    /// compared without being stored or shown. A removed variable is not reported: systemd may have
    /// set it from elsewhere.
    ///
    /// By hand: `systemctl daemon-reload && systemctl restart myapp`.
    ///
    /// Proved by `environment-changed`: the reload returned 0 and the workers kept the old
    /// value; a restart brought the new one.
    ///
    /// ```env,bad,live
    /// SECRET_KEY=changed-after-the-start
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```env,fixed,live,restarted
    /// SECRET_KEY=changed-after-the-start
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```ini,bad,drop-in,live
    /// [Service]
    /// Environment=MAIL_SERVER=mail.example.com
    /// ```
    ///
    /// Quotes belong to systemd and are not part of the value:
    ///
    /// ```env,good,live
    /// SECRET_KEY="9f2c1b7e5d8a4f03b6c7d1e2a5f4988c"
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    E411 "changed-since-start" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: Environment, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// What shells and wrappers set by themselves on the way to gunicorn.
const WRAPPERS_OWN: [&str; 8] =
    ["PATH", "VIRTUAL_ENV", "PYTHONHOME", "PWD", "OLDPWD", "SHLVL", "_", "PS1"];

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    let Some(master) = processes.masters.last() else { return Ok(()) };
    let launch = app.gunicorn.launch.get()?;
    if let Some(why) = &app.environment.open {
        return Err(why.clone());
    }
    if let Some(file) = launch.sourced.iter().find(|f| !f.certain().ends_with("bin/activate")) {
        return Err(Why::not_read(format!(
            "a shell reads {} before it starts gunicorn",
            file.certain()
        )));
    }
    let running = master.environment.get()?;
    let reaches_gunicorn = |name: &str, set: &Variable| {
        let seen = app.environment.seen_by_gunicorn(Some(launch), name).ok().flatten();
        seen.is_some_and(|seen| seen.span == set.span)
            && (launch.wrappers.is_empty() || !WRAPPERS_OWN.contains(&name))
    };
    let changed: Vec<_> = app
        .environment
        .variables
        .iter()
        .filter(|(name, variable)| {
            variable.set_by != SetBy::Manager
                && variable.unknown.is_none()
                && reaches_gunicorn(name, variable)
                && !running.holds(name, &variable.value)
        })
        .collect();
    let Some((first, _)) = changed.first() else { return Ok(()) };
    let names: Vec<&str> = changed.iter().map(|(name, _)| name.as_str()).collect();
    let stem = app.stem();
    let list = match names.as_slice() {
        [a, b, c, _, ..] => format!("{a}, {b}, {c} and {} more", names.len() - 3),
        names => names.join(", "),
    };
    let places = changed.iter().take(5).filter_map(|(name, variable)| {
        let note =
            if running.has(name) { "changed since the start" } else { "new since the start" };
        Some((variable.span?, note))
    });
    out.report(format!(
        "a reload does not apply {list}: gunicorn's master {} was started with other values",
        master.process.pid
    ))
    .at_each(places)
    .evidence(
        EvidenceKind::Process,
        format!("master {} has other values, or none, for: {list}", master.process.pid),
    )
    .help(format!("systemctl daemon-reload && systemctl restart {stem}"))
    .subject(first.as_str())
    .fix(Safety::Manual, format!("systemctl restart {stem}"));
    Ok(())
}
