use crate::facts::{App, Known, Why};
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// No worker boots: gunicorn is told to switch its user or group, but is not allowed to.
    ///
    /// `--user` and `--group` are for a master that runs as root. If the unit's `User=` has already
    /// made it another user, the change is refused ("Operation not permitted"), each worker ends,
    /// and gunicorn gives up with status 3; a unix socket cannot be given to the other user either.
    /// A group that the user merely belongs to is refused as well. The same user and group as the
    /// unit's are fine.
    ///
    /// Proved by `user-option`: the change was not permitted, no worker booted, and every request
    /// got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --user root --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// Healthy: the unit's own user.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --user www-data \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    G220 "user-conflict" {
        severity: Warning, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let settings = &app.gunicorn.settings;
    let (user, group) = (settings.user(), settings.group());
    if user.get()?.is_none() && group.get()?.is_none() {
        return Ok(());
    }
    let runs_as = app.service.user.get()?;
    let command = app.service.exec_start.last();
    if runs_as.is_root() || command.is_some_and(|command| command.line.prefixes.full_privileges) {
        return Ok(());
    }
    if app.service.unit.last("Service", "AmbientCapabilities").is_some() {
        return Err(Why::depends("AmbientCapabilities= may allow it"));
    }
    let accounts = app.machine.accounts.get();
    if let Some(wanted) = user.ok().and_then(Option::as_ref)
        && *wanted != runs_as.name
    {
        let number = match wanted.parse() {
            Ok(number) => Some(number),
            Err(_) if wanted == "root" => Some(0),
            Err(_) => accounts.clone()?.user(wanted).map(|user| user.uid),
        };
        // One that is not there is G209's.
        match (number, runs_as.uid) {
            (Some(0), _) => report(app, "user", &user, "root", out),
            (Some(number), Some(own)) if number != own => {
                report(app, "user", &user, wanted, out);
            }
            (Some(_), None) => {
                return Err(Why::not_read(format!(
                    "the uid of user {} is not known",
                    runs_as.name
                )));
            }
            _ => {}
        }
    }
    if let Some(wanted) = group.ok().and_then(Option::as_ref) {
        let accounts = accounts?;
        let number = match wanted.parse() {
            Ok(number) => Some(number),
            Err(_) if wanted == "root" => Some(0),
            Err(_) => accounts.group(wanted).map(|group| group.gid),
        };
        let own = primary(app, accounts)?;
        // 0 stands for none.
        if number.is_some_and(|number| number != 0 && number != own) {
            report(app, "group", &group, wanted, out);
        }
    }
    Ok(())
}

/// The group that the unit gives its processes.
fn primary(app: &App, accounts: &crate::facts::machine::Accounts) -> Result<u32, Why> {
    if let Some(text) = app.service.text("Group").get()? {
        let name = text.as_str();
        let number = name.parse().ok();
        let number = number.or_else(|| accounts.group(name).map(|group| group.gid));
        return number.ok_or_else(|| Why::not_there(format!("there is no group {name}")));
    }
    let user = app.service.user.get()?;
    let account = accounts.user(&user.name);
    account
        .map(|account| account.gid)
        .ok_or_else(|| Why::not_there(format!("there is no user {}", user.name)))
}

fn report(
    app: &App,
    what: &'static str,
    setting: &Known<Option<String>>,
    wanted: &str,
    out: &mut Sink,
) {
    let settings = &app.gunicorn.settings;
    let runs_as = app.service.user.ok().map_or("", |user| user.name.as_str());
    let shown = if settings.is_secret(what) { "another one" } else { wanted };
    let edits = Edit::unset(app, what);
    out.report(format!(
        "no worker boots: gunicorn is told to switch its {what} to {shown}, which only root can \
         do, but it runs as {runs_as}"
    ))
    .severity(Severity::Error)
    .at_some(setting.span().or_else(|| app.gunicorn.started_at()), "told to switch to this")
    .at_known(&app.service.user, "the unit runs gunicorn as this user")
    .help(format!(
        "Remove the {what} from gunicorn's settings: the unit's User= and Group= decide."
    ))
    .by_hand(setting.span().or_else(|| app.gunicorn.started_at()))
    .subject(what)
    .fix_or_why(Safety::Safe, format!("remove the {what} from gunicorn's settings"), edits);
}
