use crate::facts::Machine;
use crate::facts::service::{Unit, expanded};
use crate::rule::prelude::*;

crate::rule! {
    /// gunicorn does not start: the account it is meant to run as does not exist.
    ///
    /// systemd looks up the names of `User=`, `Group=` and `SupplementaryGroups=` at each start. If
    /// one of them does not exist, the process ends before gunicorn runs, with status 217/USER or
    /// 216/GROUP; under `Type=simple` `systemctl start` still returns 0. A `.socket` with such a
    /// `SocketUser=` or `SocketGroup=` does not listen. Names differ from one distribution to
    /// another: nginx's account is www-data on Debian and nginx on Fedora.
    ///
    /// systemd takes quotes and spaces as part of the name (`User="www-data"`).
    ///
    /// Accounts that are not in /etc/passwd and /etc/group (LDAP, SSSD, systemd-homed) are not
    /// checked if /etc/nsswitch.conf names such a source.
    ///
    /// By hand: correct the name, or create the account: `useradd --system --shell
    /// /usr/sbin/nologin NAME`; then `systemctl daemon-reload` and `systemctl restart`.
    ///
    /// Proved by `user-missing`: the unit failed with 217/USER, and every request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// User=myapp
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Group=nginx
    /// ```
    ///
    /// Healthy: an existing account, a number, and an account that systemd creates itself.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// User=root
    /// User=www-data
    /// Group=33
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// User=myapp
    /// Group=
    /// DynamicUser=yes
    /// ```
    U131 "user-missing" {
        severity: Error, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    if service.unit.masked {
        return Ok(());
    }
    if !*service.boolean("DynamicUser", false).get()? {
        let unit = &service.unit;
        for (key, kind) in [
            ("User", AccountKind::User),
            ("Group", AccountKind::Group),
            ("SupplementaryGroups", AccountKind::Group),
        ] {
            let refused = format!("gunicorn does not start ({})", kind.status());
            judge(app, unit, ("Service", key), kind, &refused, out)?;
        }
    }
    for unit in &service.sockets {
        for (key, kind) in [("SocketUser", AccountKind::User), ("SocketGroup", AccountKind::Group)]
        {
            judge(app, unit, ("Socket", key), kind, "nothing listens where nginx connects", out)?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AccountKind {
    User,
    Group,
}

impl AccountKind {
    /// The word for it.
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }

    /// The exit status that systemd gives then.
    fn status(self) -> &'static str {
        match self {
            Self::User => "217/USER",
            Self::Group => "216/GROUP",
        }
    }
}

fn judge(
    app: &App,
    unit: &Unit,
    (section, key): (&'static str, &'static str),
    kind: AccountKind,
    consequence: &str,
    out: &mut Sink,
) -> Result<(), Why> {
    let lines = match key {
        "SupplementaryGroups" => unit.list(section, key),
        _ => unit.last(section, key).into_iter().collect(),
    };
    for line in lines {
        let text = expanded(unit, line)?;
        let names: Vec<&str> = match key {
            "SupplementaryGroups" => text.as_str().split_whitespace().collect(),
            // One name, spaces and all.
            _ => vec![text.as_str().trim()],
        };
        for name in names {
            if is_no_name(name, kind) || is_missing(&app.machine, kind, name)? {
                report(app, kind, name, (key, text.span()), consequence, out);
            }
        }
    }
    Ok(())
}

/// Is it no name that an account could have? Quotes are part of it for systemd, and of users even
/// those of a directory service have no spaces; groups may.
fn is_no_name(name: &str, kind: AccountKind) -> bool {
    let blank = kind == AccountKind::User && name.contains(char::is_whitespace);
    !placeholder::holds(name) && (name.contains(['"', '\'']) || blank)
}

/// Numbers need no name, and root is everywhere.
fn is_missing(machine: &Machine, kind: AccountKind, name: &str) -> Result<bool, Why> {
    let own = ["root", "nobody", "nogroup"];
    if name.is_empty() || own.contains(&name) || name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(false);
    }
    match kind {
        AccountKind::User => machine.lacks_user(name),
        AccountKind::Group => machine.lacks_group(name),
    }
}

fn report(
    app: &App,
    kind: AccountKind,
    name: &str,
    (key, span): (&str, Span),
    consequence: &str,
    out: &mut Sink,
) {
    let word = kind.word();
    let near = app.machine.accounts.ok().and_then(|accounts| match kind {
        AccountKind::User => nearest(name, accounts.users.iter().map(|user| user.name.as_str())),
        AccountKind::Group => {
            nearest(name, accounts.groups.iter().map(|group| group.name.as_str()))
        }
    });
    let make = match kind {
        AccountKind::User => format!("useradd --system --shell /usr/sbin/nologin {name}"),
        AccountKind::Group => format!("groupadd --system {name}"),
    };
    if is_no_name(name, kind) {
        out.report(format!("{consequence}: {name} is not a valid {word} name"))
            .at(span, "systemd takes every character literally")
            .subject(format!("{key} {name}"))
            .help(format!("{key}= takes one name, without quotes or spaces"))
            .fix(Safety::Manual, format!("write the name of a {word}"));
        return;
    }
    let guess = near.map_or_else(String::new, |near| format!("Did you mean {key}={near}?\n"));
    let stem = app.stem();
    out.report(format!("{consequence}: there is no {word} {name} on this host"))
        .at(
            span,
            format!(
                "no such {word} in /etc/{}",
                if kind == AccountKind::User { "passwd" } else { "group" }
            ),
        )
        .subject(format!("{key} {name}"))
        .help(format!(
            "{guess}Correct the name (systemctl daemon-reload), or create the \
             {word}:\n{make}\nthen: systemctl restart {stem}"
        ))
        .fix(Safety::Manual, format!("create the {word} {name}, or name another"));
}
