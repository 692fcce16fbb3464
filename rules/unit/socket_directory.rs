use std::path::Path;

use crate::facts::machine::Directory;
use crate::facts::{App, Bound, Endpoint, Identity, Place, State, Want, Why};
use crate::rule::prelude::Span;
use crate::rule::{Edit, EvidenceKind, Safety, Severity, Sink};
use crate::rules::runtime_directory;

crate::rule! {
    /// gunicorn's user cannot create the socket, so gunicorn does not start and every request gets
    /// 502.
    ///
    /// /run belongs to root, mode 0755, and is empty after each boot. Measured with
    /// `User=www-data` and `--bind unix:/run/myapp.sock`: `systemctl start` returns 0, gunicorn
    /// logs `Retrying in 1 second.` five times and then `Can't connect to /run/myapp.sock`. With
    /// `RuntimeDirectory=myapp` systemd creates `/run/myapp` for the user before each start, keeps
    /// it on reload and removes it on stop. A tmpfiles.d line or a `.socket` unit works too; a
    /// directory made by `ExecStartPre=` is not checked.
    ///
    /// By hand: `RuntimeDirectory=myapp` in `[Service]`, `--bind unix:/run/myapp/gunicorn.sock`,
    /// the same path in nginx; `systemctl daemon-reload`, restart, `nginx -s reload`.
    ///
    /// Proved by `guide`: `systemctl start` returned 0, gunicorn could not create its
    /// socket, and every request got 502.
    ///
    /// ```ini,bad
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
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
    /// ```ini,fixed
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
    /// A directory other than the socket's does not help:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// RuntimeDirectory=
    /// RuntimeDirectory=gunicorn
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// RuntimeDirectory=
    /// RuntimeDirectory=gunicorn myapp
    /// ```
    /// ```text,good,file=/etc/tmpfiles.d/myapp.conf
    /// d /run/myapp 0750 www-data www-data -
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// RuntimeDirectory=
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// User=root
    /// RuntimeDirectory=
    /// ```
    ///
    /// `RuntimeDirectory=NAME:LINK` creates both; `NAME::ro` makes the directory read-only for the
    /// service from systemd 257 on, and older versions ignore it.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// RuntimeDirectory=
    /// RuntimeDirectory=gunicorn:myapp
    /// ```
    /// ```text,bad,file=/usr/lib64/systemd/libsystemd-shared-262-1.fc46.so
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// RuntimeDirectory=
    /// RuntimeDirectory=myapp::ro
    /// ```
    /// ```text,good,file=/usr/lib/aarch64-linux-gnu/systemd/libsystemd-shared-252.so
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// RuntimeDirectory=
    /// RuntimeDirectory=myapp::ro
    /// ```
    U117 "socket-directory" {
        severity: Error, impact: BadGateway, fix: Some(Safe), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let bounds = app.bounds().get()?;
    for (index, place) in &app.socket_directories {
        let Some(bound) = bounds.get(*index).filter(|bound| !bound.activated) else { continue };
        if let Err(why) = judge(app, *index, bound, place, out) {
            out.skip(&why);
        }
    }
    Ok(())
}

/// Why the user cannot create the socket, and where that is to be seen.
struct Wall {
    note: String,
    evidence: Option<String>,
    other: Option<(Span, String)>,
    severity: Severity,
    /// May systemd make the directory, as nobody else does?
    free: bool,
}

fn judge(app: &App, index: usize, bound: &Bound, place: &Place, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    let privileged =
        service.exec_start.last().is_some_and(|command| command.line.prefixes.full_privileges);
    let user = service.user.get()?;
    if user.is_root() || privileged {
        return Ok(());
    }
    if let Some(why) = service.view.hides(&place.path) {
        return Err(Why::depends(why));
    }
    if let Some(made) = service.managed(&place.path)? {
        let Some(read_only) = made.read_only else {
            return Err(Why::depends("whether this systemd accepts :ro depends on its version"));
        };
        if read_only {
            let wall = Wall {
                note: format!("systemd makes {} read-only for the service", place.path.display()),
                evidence: None,
                other: Some((made.span, "`:ro`".to_owned())),
                severity: Severity::Error,
                free: false,
            };
            read_only_directory(app, bound, user, &wall, made.span, out);
        }
        return Ok(());
    }
    let Some(wall) = wall(app, user, place)? else { return Ok(()) };
    report(app, index, bound, user, &wall, out);
    Ok(())
}

fn wall(app: &App, user: &Identity, place: &Place) -> Result<Option<Wall>, Why> {
    let directory = place.path.as_path();
    if let Some(wall) = boot_wall(app, directory) {
        return Ok(wall);
    }
    app.service.untouched_before_the_start(directory)?;
    if let Some(line) = tmpfiles_line(app, directory)? {
        if suits(user, app, line)? {
            return Ok(None);
        }
        return Ok(Some(Wall {
            note: format!(
                "{} belongs to {}, mode {:04o}",
                directory.display(),
                line.user,
                line.mode
            ),
            evidence: None,
            other: Some((line.span, "created like this at boot".to_owned())),
            severity: Severity::Error,
            free: false,
        }));
    }
    if let Some(wall) = other_runtime_directory(app, directory) {
        return Ok(Some(wall));
    }
    let shown = directory.display();
    match place.state.get()? {
        State::Present(metadata) => {
            let writes = place.accessible(user, Want::Write)?;
            if writes && place.accessible(user, Want::Execute)? {
                return Ok(None);
            }
            let (wall, metadata) = match place.blocked_at(user)? {
                Some(step) => (step.path.display().to_string(), step.metadata),
                None => (shown.to_string(), *metadata),
            };
            let note = format!("{} cannot write in {shown}", user.name);
            let evidence = format!(
                "{wall}: mode {:04o}, owner {}:{}",
                metadata.mode, metadata.uid, metadata.gid
            );
            let severity = Severity::Error;
            // Whoever made one of the unit's own name made it for this unit.
            let own = app.stem();
            let free = directory == Path::new("/run").join(own);
            Ok(Some(Wall { note, evidence: Some(evidence), other: None, severity, free }))
        }
        State::Missing { at, .. } => Ok(Some(Wall {
            note: format!("nothing creates {shown}"),
            // A tree without /run is one of a machine that is not running.
            evidence: (at != Path::new("/run")).then(|| format!("{} does not exist", at.display())),
            other: runtime_directory(app),
            severity: Severity::Error,
            free: true,
        })),
        State::Broken { reason } => Ok(Some(Wall {
            note: format!("{shown}: {reason}"),
            evidence: None,
            other: None,
            severity: Severity::Error,
            free: false,
        })),
    }
}

/// Directories that are the same on every machine with systemd, whatever was read.
fn boot_wall(app: &App, directory: &Path) -> Option<Option<Wall>> {
    let open = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock"];
    if open.iter().any(|open| directory == Path::new(open)) {
        return Some(None);
    }
    if directory != Path::new("/run") {
        return None;
    }
    let other = runtime_directory(app);
    Some(Some(Wall {
        note: "systemd makes /run at boot for root, mode 0755".to_owned(),
        evidence: None,
        other,
        severity: Severity::Error,
        free: false,
    }))
}

/// What `RuntimeDirectory=` makes, and where it says so.
fn runtime_directory(app: &App) -> Option<(Span, String)> {
    let made = app.service.directories.ok()?;
    let made = made.iter().find(|directory| directory.path.starts_with("/run"))?;
    Some((
        made.span,
        format!("creates {}, which is not the socket's directory", made.path.display()),
    ))
}

/// A `RuntimeDirectory=` that makes another directory of /run than the socket's.
fn other_runtime_directory(app: &App, directory: &Path) -> Option<Wall> {
    // Where more than the unit was read, what is there counts.
    if app.machine.whole || !directory.starts_with("/run") {
        return None;
    }
    Some(Wall {
        note: format!("nothing in the unit creates {}", directory.display()),
        evidence: None,
        other: Some(runtime_directory(app)?),
        severity: Severity::Warning,
        free: true,
    })
}

fn tmpfiles_line<'a>(app: &'a App, directory: &Path) -> Result<Option<&'a Directory>, Why> {
    let lines = match app.machine.tmpfiles.get() {
        Ok(lines) => lines,
        // A directory of a repository's own is judged by what is there.
        Err(_) if !app.machine.whole => return Ok(None),
        Err(why) => return Err(why),
    };
    let same =
        |line: &&Directory| Endpoint::unix(Path::new(&line.path)) == Endpoint::unix(directory);
    Ok(lines.iter().find(same))
}

/// May the user write in a directory that tmpfiles.d makes?
fn suits(user: &Identity, app: &App, line: &Directory) -> Result<bool, Why> {
    if line.mode & 0o002 != 0 {
        return Ok(true);
    }
    if line.user == user.name || user.uid.is_some_and(|uid| line.user == uid.to_string()) {
        return Ok(line.mode & 0o200 != 0);
    }
    if line.mode & 0o020 == 0 {
        return Ok(false);
    }
    let accounts = app.machine.accounts.get()?;
    let Some(groups) = &user.groups else {
        return Err(Why::not_read(format!("the groups of user {} are not known", user.name)));
    };
    Ok(accounts.group(&line.group).is_some_and(|group| groups.contains(&group.gid)))
}

/// systemd makes the directory, and locks it.
fn read_only_directory(
    app: &App,
    bound: &Bound,
    user: &Identity,
    wall: &Wall,
    word: Span,
    out: &mut Sink,
) {
    let Endpoint::Unix(path) = &bound.endpoint else { return };
    let open = app.without_option(word, ":ro");
    let shown = open.unwrap_or("NAME");
    out.report(format!(
        "{} cannot create {}: `:ro` makes its directory read-only for the service; gunicorn does \
         not start, every request gets 502",
        user.name,
        path.display()
    ))
    .at(word, wall.note.clone())
    .at_some(bound.origin.span(), "gunicorn should create its socket here")
    .help(format!("In [Service]:\nRuntimeDirectory={shown}"))
    .by_hand(Some(word))
    .fix_if(
        Safety::Safe,
        format!("remove `:ro` from {shown}"),
        open.map(|name| Edit::replace(word, name)),
    );
}

fn report(app: &App, index: usize, bound: &Bound, user: &Identity, wall: &Wall, out: &mut Sink) {
    let Endpoint::Unix(path) = &bound.endpoint else { return };
    let made = wall.free.then(|| runtime_directory::make(app, path)).flatten();
    let (name, path) = (&user.name, path.display());
    let message = match wall.severity {
        Severity::Error => {
            format!("{name} cannot create {path}: gunicorn does not start, every request gets 502")
        }
        _ => format!(
            "unless tmpfiles.d creates its directory, {name} cannot create {path}: gunicorn does \
             not start, every request gets 502"
        ),
    };
    let peer = app.routes.iter().find(|route| route.bound == index).map(|route| route.peer);
    let finding = out
        .report(message)
        .severity(wall.severity)
        .at_some(bound.origin.span(), wall.note.clone())
        .at_known(&app.service.user, "gunicorn runs as this user");
    if let Some((span, note)) = &wall.other {
        finding.at(*span, note.clone());
    }
    finding.at_some(peer, "nginx connects here");
    if let Some(evidence) = &wall.evidence {
        finding.evidence(EvidenceKind::File, evidence.clone());
    }
    made.unwrap_or_else(|| runtime_directory::go(app, bound)).of(finding);
}
