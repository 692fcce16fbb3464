use std::path::Path;

use crate::facts::service::ManagedDirectory;
use crate::facts::{App, Endpoint, Identity, Place, State, Want, Why};
use crate::rule::prelude::{Span, Value};
use crate::rule::{Edit, EvidenceKind, Safety, Sink};

crate::rule! {
    /// Every request gets 502: nginx's user cannot enter the directory of gunicorn's socket.
    ///
    /// nginx logs `connect() failed (13: Permission denied)`. Connecting needs the right to pass
    /// through every directory on the way; home directories usually have mode 0750 or 0700 today,
    /// and the socket's own mode, 0777, does not help there. This rule checks the files, without a
    /// live host; S606 checks the socket itself on a live one.
    ///
    /// By hand: put the socket under /run (`RuntimeDirectory=`), here and in nginx; or let nginx's
    /// user pass: `chmod o+x` on the directory named.
    ///
    /// Proved by `socket-directory-mode`: gunicorn served and its socket had mode 0777, yet nginx logged
    /// `13: Permission denied` and every request got 502.
    ///
    /// Proved by `socket-mode`: the socket had mode 0770 and did not belong to nginx's user: every
    /// request got 502; without the option its mode is 0777, whatever UMask= says.
    ///
    /// Proved by `umask-in-file`: the file was corrected and reloaded, and gunicorn 23.0.0 kept the
    /// socket that it had made, with mode 0770: every request went on getting 502; a restart
    /// creates a new socket.
    ///
    /// Proved by `umask-in-file-27`: the file was corrected and reloaded, and gunicorn 27.0.1 kept
    /// the socket that it had made, with mode 0770: every request went on getting 502; a restart
    /// creates a new socket.
    ///
    /// Proved by `socket-in-home`: gunicorn served, nginx logged `13: Permission denied`, and every
    /// request got 502.
    ///
    /// Proved by `dynamic-user-directory`: gunicorn served as a user that systemd had made up, nginx could
    /// not enter its directory, and every request got 502.
    ///
    /// ```tree,bad
    /// /home/deploy/ mode=0750 owner=1000:1000
    /// ```
    /// ```text,bad,file=/etc/passwd
    /// root:x:0:0:root:/root:/bin/bash
    /// www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
    /// deploy:x:1000:1000::/home/deploy:/bin/bash
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// User=deploy
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/home/deploy/gunicorn.sock wsgi:app
    /// ```
    /// ```nginx,bad
    /// upstream myapp {
    ///     server unix:/home/deploy/gunicorn.sock fail_timeout=0;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location /static/ {
    ///         alias /srv/myapp/current/static/;
    ///     }
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_read_timeout 75s;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// Healthy: the unit's own directory under /run.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// RuntimeDirectoryMode=0755
    /// ```
    /// The unit's own directory with a mode that lets no other user in, when nginx is another user:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// User=root
    /// Group=root
    /// RuntimeDirectoryMode=0700
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// User=root
    /// Group=root
    /// RuntimeDirectoryMode=0755
    /// ```
    ///
    /// A user that systemd makes up is none that nginx shares anything with:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// User=
    /// Group=
    /// DynamicUser=yes
    /// RuntimeDirectoryMode=0750
    /// ```
    /// ```python,bad
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// User=
    /// DynamicUser=yes
    /// Group=www-data
    /// RuntimeDirectoryMode=0750
    /// PrivateTmp=yes
    /// ```
    /// ```python,good
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// ```
    G215 "socket-unreachable-by-nginx" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let bounds = app.bounds().get()?;
    // Where sockets live, S606 looks at the very file.
    let lives = app.sockets.ok().is_some();
    let mut seen = std::collections::HashSet::new();
    for route in app.routes.iter().filter(|_| !lives) {
        let Some(bound) = bounds.get(route.bound) else { continue };
        let Endpoint::Unix(path) = &bound.endpoint else { continue };
        let Some((_, place)) =
            app.socket_directories.iter().find(|(index, _)| *index == route.bound)
        else {
            continue;
        };
        // Several ways through nginx to one socket are one fault.
        if !seen.insert(route.bound) {
            continue;
        }
        if let Err(why) = judge(app, place, route.peer, bound.origin.span(), path, out) {
            out.skip(&why);
        }
    }
    Ok(())
}

fn judge(
    app: &App,
    place: &Place,
    peer: Span,
    bind: Option<Span>,
    path: &Path,
    out: &mut Sink,
) -> Result<(), Why> {
    // The unit's own directories are newly created, with their own mode.
    if let Some(made) = app.service.managed(&place.path)? {
        // Whose it is does not matter where everybody may pass.
        if made.mode & 0o001 == 0 {
            let user = app.nginx.user.get()?;
            let (uid, gid) = owner(app)?;
            if !user.may(Want::Execute, made.mode, uid, gid)? {
                report_made(app, made, (user, peer), bind, path, out);
                return Ok(());
            }
        }
        return umask(app, peer, bind, path, out);
    }
    // What is not there is U117's.
    if !matches!(place.state.get()?, State::Present(_)) {
        return Ok(());
    }
    let user = app.nginx.user.get()?;
    let blocked = place.blocked_at(user)?.map(|step| (step.path.clone(), step.metadata));
    let last = place.metadata().map(|metadata| (place.path.clone(), *metadata));
    let enters = place.accessible(user, Want::Execute)?;
    let Some((wall, metadata)) = blocked.or(last.filter(|_| !enters)) else {
        return umask(app, peer, bind, path, out);
    };
    let shown = wall.display();
    out.report(format!(
        "every request gets 502: nginx's user {} cannot pass through {shown}, where the socket is",
        user.name
    ))
    .at_some(bind, "gunicorn's socket")
    .at(peer, format!("nginx connects here as {}", user.name))
    .evidence(
        EvidenceKind::File,
        format!("{shown}: mode {:04o}, owner {}:{}", metadata.mode, metadata.uid, metadata.gid),
    )
    .subject(path.display().to_string())
    .help(format!(
        "Move the socket to a directory under /run (RuntimeDirectory=), here and in nginx; or:\n\
         chmod o+x {shown}"
    ))
    .fix(Safety::Manual, format!("let {} pass through {shown}", user.name));
    Ok(())
}

/// A number that no account has.
const NOBODY: u32 = u32::MAX - 1;

/// `DynamicUser=yes` makes a user up whose name no account has: nginx is surely another one.
fn is_made_up(app: &App) -> Result<bool, Why> {
    let service = &app.service;
    let named = service.unit.last("Service", "User").map(|line| line.value.as_str());
    let known = named.is_some_and(|name| !name.is_empty());
    Ok(*service.boolean("DynamicUser", false).get()? && !known)
}

/// The numbers of the user and the group that systemd makes directories for and gunicorn its socket.
fn owner(app: &App) -> Result<(u32, u32), Why> {
    let unknown = || Why::not_read("the service's user and group are not known by number");
    let accounts = app.machine.accounts.get()?;
    let named = app.service.unit.last("Service", "Group").map(|line| line.value.as_str());
    if is_made_up(app)? {
        let group = named.filter(|name| !name.is_empty()).map(|name| accounts.group(name));
        return Ok((NOBODY, group.flatten().map_or(NOBODY, |group| group.gid)));
    }
    let uid = app.service.user.get()?.uid.ok_or_else(unknown)?;
    let gid = match named.filter(|name| !name.is_empty()) {
        Some(name) => accounts.group(name).map(|group| group.gid).or_else(|| name.parse().ok()),
        None if uid == 0 => Some(0),
        None => accounts.user(&app.service.user.get()?.name).map(|user| user.gid),
    };
    Ok((uid, gid.ok_or_else(unknown)?))
}

/// `RuntimeDirectoryMode=0700`.
fn report_made(
    app: &App,
    made: &ManagedDirectory,
    (user, peer): (&Identity, Span),
    bind: Option<Span>,
    path: &Path,
    out: &mut Sink,
) {
    let shown = made.path.display();
    let setting = app.service.unit.last("Service", "RuntimeDirectoryMode").map(|line| line.span);
    let edit = setting.map(|_| Edit::set(&app.service.unit, "RuntimeDirectoryMode", "0755"));
    out.report(format!(
        "every request gets 502: nginx's user {} cannot pass through {shown}, which systemd \
         creates with mode {:04o}",
        user.name, made.mode
    ))
    .at_first([(setting, "closed to everyone else"), (Some(made.span), "created by systemd")])
    .at(peer, format!("nginx connects here as {}", user.name))
    .at_some(bind, "gunicorn's socket")
    .subject(path.display().to_string())
    .help(
        "In [Service]:\nRuntimeDirectoryMode=0755\nor put nginx's user into the service's group \
         (Group=), with mode 0750",
    )
    .fix_if(Safety::Safe, "RuntimeDirectoryMode=0755", edit);
}

/// `--umask 007`, which counts for the socket.
fn umask(
    app: &App,
    peer: Span,
    bind: Option<Span>,
    path: &Path,
    out: &mut Sink,
) -> Result<(), Why> {
    let umask = app.gunicorn.settings.umask();
    let Some(mask) = umask.ok().filter(|mask| umask.is_set() && **mask > 0) else { return Ok(()) };
    let mode = 0o777 & !u32::try_from(*mask).unwrap_or_default();
    if mode & 0o002 != 0 {
        return Ok(());
    }
    let user = app.nginx.user.get()?;
    let (uid, gid) = owner(app)?;
    if user.may(Want::Write, mode, uid, gid)? {
        return Ok(());
    }
    let edit = Edit::setting(app, "umask", Value::Number(0)).ok();
    out.report(format!(
        "every request gets 502: nginx's user {} cannot write to the socket, which --umask creates \
         with mode {mode:04o}",
        user.name
    ))
    .at_first([(umask.span(), "applies to the socket"), (bind, "gunicorn's socket")])
    .at(peer, format!("nginx connects here as {}", user.name))
    .subject(path.display().to_string())
    .help("Remove --umask, or give the socket to nginx's group: Group=www-data in [Service]")
    .by_hand(umask.span().or(bind))
    .fix_if(Safety::Unsafe, "set --umask 0", edit);
    Ok(())
}
