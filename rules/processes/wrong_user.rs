use super::start;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The next restart runs gunicorn as a different user, which may have no access to files the
    /// current one wrote.
    ///
    /// `User=` applies from the next start on; a reload keeps the user, and so does SIGUSR2. Files
    /// that the current user created (logs, uploads, a database file, the socket's directory)
    /// belong to it, and what only root could do (listen on a port below 1024, read a key) keeps
    /// working until the restart, which comes at night or at the next boot, when nobody expects it.
    ///
    /// By hand: give the files the application writes to the new user, then `systemctl restart
    /// myapp` while you watch.
    ///
    /// ```proc,bad
    /// 800 user=0
    /// 811 user=0
    /// 812 user=0
    /// 813 user=0
    /// ```
    /// ```proc,fixed
    /// ```
    /// Healthy: the master runs as root, because gunicorn itself changes the workers' user:
    ///
    /// ```proc,good
    /// 800 user=0
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// User=
    /// Group=
    /// ```
    P510 "wrong-user" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    let Some(master) = processes.masters.last() else { return Ok(()) };
    let command = app.service.exec_start.last();
    let privileged = command.is_some_and(|command| command.line.prefixes.full_privileges);
    let launch = app.gunicorn.launch.ok();
    // What is before gunicorn may change the user, and so may a name space of users.
    if privileged || launch.is_none_or(|launch| !launch.wrappers.is_empty()) {
        return Ok(());
    }
    if *processes.first.get()? != 0 {
        return Err(Why::depends("users have their own numbering here (a user namespace)"));
    }
    let user = app.service.user.get()?;
    let runs = *master.process.uid.get()?;
    let number = || Why::not_read(format!("the uid of user {} is not known", user.name));
    let wanted = user.uid.ok_or_else(number)?;
    if wanted == runs {
        return Ok(());
    }
    let accounts = app.machine.accounts.ok();
    let name = accounts.and_then(|all| all.user_by_number(runs));
    let now = name.map_or_else(|| format!("user {runs}"), |user| user.name.clone());
    let stem = app.stem();
    out.report(format!(
        "the next restart runs gunicorn as {}, but now it runs as {now}: the new user may have no \
         access to files that {now} wrote",
        user.name
    ))
    .at_some(app.service.user.span().or_else(|| start(app)), "applies from the next start on")
    .evidence(
        EvidenceKind::Process,
        format!("master {} runs as uid {runs}, not {wanted}", master.process.pid),
    )
    .help(format!(
        "find DIRECTORY -user {runs}   finds the files in each directory the application writes \
         to; give them to {}, then restart and watch:\nsystemctl restart {stem}",
        user.name
    ))
    .fix(Safety::Manual, format!("systemctl restart {stem}"));
    Ok(())
}
