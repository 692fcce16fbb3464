use crate::facts::{App, Place, State, Why};
use crate::host::FileKind;
use crate::rule::{Edit, EvidenceKind, Safety, Severity, Sink};

crate::rule! {
    /// systemd cannot enter the working directory, so gunicorn does not start.
    ///
    /// Measured: if `WorkingDirectory=` is absent, is not a directory, or cannot be entered by
    /// `User=`, the unit ends with status 200/CHDIR; with `Type=simple`, `systemctl start` still
    /// returns 0, and the site stays down. With a `-` before the path an absent directory is
    /// ignored and gunicorn starts in `/` (a warning).
    ///
    /// By hand: create the directory, or repair the link, or let the user in: `namei -l
    /// /srv/myapp/current` shows who can enter each directory.
    ///
    /// Proved by `working-directory-missing`: gunicorn did not start (status 200/CHDIR),
    /// and every request got 502.
    ///
    /// ```ini,bad
    /// [Unit]
    /// Description=Gunicorn for myapp
    ///
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myap/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```ini,fixed
    /// [Unit]
    /// Description=Gunicorn for myapp
    ///
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    ///
    /// A directory that only its owner can enter:
    ///
    /// ```tree,bad,also=N312
    /// /srv/myapp/releases/2026-04-21/ mode=0700
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/releases/2026-04-21/ mode=0755
    /// ```
    /// ```tree,good
    /// /srv/myapp/releases/2026-04-21/ mode=0700 owner=33:33
    /// ```
    U112 "working-directory" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let directory = &app.service.working_directory;
    let Some(place) = directory.get()? else { return Ok(()) };
    let Some(written) = app.service.unit.last("Service", "WorkingDirectory") else {
        return Ok(());
    };
    let optional = written.value.as_str().starts_with('-');
    let (path, user) = (place.path.display(), app.service.user.ok());
    let (cause, help) = match place.state.get()? {
        State::Present(metadata) if metadata.kind != FileKind::Directory => (
            format!("{path} is {}, not a directory", metadata.kind),
            "Name the directory that contains the application.".to_owned(),
        ),
        State::Present(_) => return blocked(app, place, out),
        State::Broken { reason } => {
            (format!("{path}: {reason}"), format!("Find where it breaks: namei -l {path}"))
        }
        State::Missing { .. } if comment(place).is_some() => (
            format!("{path} does not exist: the intended comment is part of the path"),
            "Put the comment on its own line: systemd has no comments after a value.".to_owned(),
        ),
        State::Missing { link: Some(link), .. } => (
            format!(
                "{} points to {}, which does not exist",
                link.link.display(),
                link.target.display()
            ),
            format!("Point the link to a release: ln -sfn RELEASE {}", link.link.display()),
        ),
        State::Missing { at, .. } => {
            let owner = user.map_or("root", |user| user.name.as_str());
            (
                format!("{} does not exist", at.display()),
                format!("Correct the path, or create it: install -d -o {owner} {path}"),
            )
        }
    };
    let (consequence, severity) = match optional {
        false => ("gunicorn does not start (200/CHDIR)", Severity::Error),
        true => ("gunicorn starts in / instead of its directory", Severity::Warning),
    };
    let draft = out.report(format!("{consequence}: {cause}")).severity(severity);
    let finding = draft.at(written.value.span(), "").help(help.clone());
    let lift = comment(place).and_then(|at| {
        let start = written.value.as_str().find(at)?;
        let comment = start + at.len() - at.trim_start().len();
        Some(Edit::Lift {
            statement: written.span,
            text: written.value.span_of(comment..written.value.as_str().len()),
        })
    });
    if let Some(edit) = lift {
        finding.fix(Safety::Safe, help).edit(edit).uncovers();
    }
    Ok(())
}

/// What was meant as a comment behind the path, with the spaces before it.
fn comment(place: &Place) -> Option<&str> {
    let text = place.path.to_str()?;
    let at = text.find(" #").or_else(|| text.find("\t#"))?;
    let blanks = text.get(..at)?.trim_end().len();
    text.get(blanks..)
}

/// The directory is there: may the user enter it?
fn blocked(app: &App, place: &Place, out: &mut Sink) -> Result<(), Why> {
    let user = app.service.user.get()?;
    if user.is_root() {
        return Ok(());
    }
    let wall = match place.blocked_at(user)? {
        Some(step) => Some((step.path.clone(), step.metadata)),
        None if !place.accessible(user, crate::facts::Want::Execute)? => {
            place.metadata().map(|metadata| (place.resolved.clone(), *metadata))
        }
        None => None,
    };
    let Some((wall, metadata)) = wall else { return Ok(()) };
    let (name, wall) = (&user.name, wall.display());
    out.report(format!("gunicorn does not start (200/CHDIR): {name} cannot enter {wall}"))
        .at_known(&app.service.working_directory, format!("below {wall}"))
        .at_known(&app.service.user, "gunicorn runs as this user")
        .evidence(
            EvidenceKind::File,
            format!("{wall}: mode {:04o}, owner {}:{}", metadata.mode, metadata.uid, metadata.gid),
        )
        .help(format!(
            "Let the user pass through: chmod o+x {wall}\n\
             or, only for this user: setfacl -m u:{name}:x {wall}"
        ));
    Ok(())
}
