use crate::facts::{App, Origin, Why};
use crate::rule::{Safety, Sink};

crate::rule! {
    /// Anyone who breaks into the application owns the host: its workers run as root.
    ///
    /// Without `User=` systemd starts gunicorn as root, and one hole in a view or a package is
    /// enough to read every secret of the host, of other sites too, and to change the system. A
    /// port below 1024 does not require root: nginx has that port, and gunicorn has a socket of its
    /// own. Files that root has created remain (logs, `__pycache__`, uploads): after the change
    /// they must belong to the new user.
    ///
    /// gunicorn's own `--user` leaves the master as root and changes the workers' user; a unit of a
    /// user's own service manager (`WantedBy=default.target`) runs as that user. Neither is
    /// reported.
    ///
    /// By hand: `useradd --system --shell /usr/sbin/nologin myapp`, `User=myapp` and `Group=myapp` in
    /// `[Service]`, `chown` the files it writes, `systemctl daemon-reload`, `systemctl restart
    /// myapp`.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// User=
    /// Group=
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// User=root
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// User=
    /// Group=
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --user www-data --group www-data --workers 3 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    U111 "runs-as-root" {
        severity: Warning, impact: Exposure, fix: Some(Manual), item: ReloadSucceeds, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

/// Programs before gunicorn that run it as another user.
const CHANGE_USER: [&str; 8] =
    ["sudo", "su", "runuser", "setpriv", "chpst", "setuidgid", "gosu", "su-exec"];

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    service.whole()?;
    let user = &service.user;
    let Some(command) = service.exec_start.last() else { return Ok(()) };
    let privileged = command.line.prefixes.full_privileges;
    if service.boolean("DynamicUser", false).ok() == Some(&true) {
        return Ok(());
    }
    if !(privileged || user.get()?.is_root()) {
        return Ok(());
    }
    // What the way to gunicorn does to the user is not followed.
    app.gunicorn.launch.get()?;
    let words = std::iter::once(&command.line.program).chain(&command.line.arguments);
    let changes = |text: &str| {
        text.split_whitespace().any(|word| {
            let name = word.rsplit('/').next().unwrap_or(word);
            CHANGE_USER.contains(&name) || name == "s6-setuidgid"
        })
    };
    let by_wrapper = words.map(|word| word.text.as_str()).any(changes);
    let own = app.gunicorn.settings.user();
    let given_away = own.get()?.as_deref().is_some_and(|user| user != "root" && user != "0");
    let targets = service.unit.list("Install", "WantedBy");
    let of_a_user = targets.iter().any(|line| line.value.as_str().contains("default.target"));
    if by_wrapper || given_away || (of_a_user && !user.is_set()) {
        return Ok(());
    }
    let (cause, place) = match (privileged, user.origin().and_then(Origin::span)) {
        (true, _) => ("ExecStart= has a prefix that bypasses User=", Some(command.line.span)),
        (false, Some(span)) => ("User= is root", Some(span)),
        (false, None) => ("there is no User=", super::place_for(service, "User")),
    };
    let stem = app.stem();
    out.report(format!(
        "anyone who breaks into the application owns the host: gunicorn's workers run as root \
         ({cause})"
    ))
    .at_some(place, cause)
    .help(format!(
        "useradd --system --shell /usr/sbin/nologin {stem}\nin [Service]:\nUser={stem}\nGroup={stem}\n\
         and chown to {stem} the files it writes (logs, uploads, a database file)"
    ))
    .by_hand(place)
    .fix(Safety::Manual, "give the service its own user");
    Ok(())
}
