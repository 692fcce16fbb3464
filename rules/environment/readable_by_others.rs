use std::path::Path;

use crate::facts::environment::{EnvironmentFile, ReadFile};
use crate::facts::{App, Identity, Want, Why};
use crate::rule::{Edit, EvidenceKind, Safety, Sink};

crate::rule! {
    /// Every account on the host can read the application's secrets, or nginx serves them.
    ///
    /// systemd reads an environment file as root before it becomes the service's user: mode 0600
    /// and owner root are enough. A file inside a release disappears with the release, one in a git
    /// working tree is a `git add .` away from being published, and one under nginx's `root` can be
    /// fetched by anyone. Access through its group is assumed to be intended. A file that sets only
    /// `PORT`, `WEB_CONCURRENCY` and the like contains no secret.
    ///
    /// Proved by `environment-file-readable`: user nobody read the secret key; with mode
    /// 0640 it could not, and the service started all the same.
    ///
    /// ```tree,bad
    /// /etc/myapp.env mode=0644
    /// ```
    /// ```tree,fixed
    /// /etc/myapp.env mode=0640
    /// ```
    /// Healthy: closed by the directory above it, or readable by a group:
    /// ```ini,good,drop-in
    /// [Service]
    /// EnvironmentFile=
    /// EnvironmentFile=/etc/myapp/env
    /// ```
    /// ```env,good,file=/etc/myapp/env
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```tree,good
    /// /etc/myapp/ mode=0750 owner=0:33
    /// ```
    /// ```tree,good
    /// /etc/myapp.env mode=0640 owner=0:4
    /// ```
    /// In the working tree that the application is served from:
    /// ```ini,bad,drop-in
    /// [Service]
    /// EnvironmentFile=/srv/myapp/shared/.env
    /// ```
    /// ```env,bad,file=/srv/myapp/shared/.env
    /// MAIL_PASSWORD=8f2c1b7e5d8a4f03
    /// ```
    /// ```tree,bad
    /// /srv/myapp/shared/.env mode=0600
    /// /srv/myapp/.git/
    /// ```
    E407 "readable-by-others" {
        severity: Warning, impact: Exposure, fix: Some(Safe), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

/// Variables that tune gunicorn, Flask or Python and are no secrets.
const HARMLESS: [&str; 14] = [
    "DEBUG",
    "FLASK_APP",
    "FLASK_DEBUG",
    "FLASK_ENV",
    "GUNICORN_CMD_ARGS",
    "HOST",
    "LANG",
    "LC_ALL",
    "LOG_LEVEL",
    "PATH",
    "PORT",
    "TZ",
    "WEB_CONCURRENCY",
    "WORKERS",
];

fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name) || name.starts_with("PYTHON") || name.starts_with("GUNICORN_")
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for file in &app.environment.files {
        for read in &file.files {
            if read.content.assignments.iter().all(|a| is_harmless(&a.name.value)) {
                continue;
            }
            report_place(app, file, read, out);
            report_mode(app, file, read, out)?;
        }
    }
    Ok(())
}

/// A user that has no right but those of all others.
fn anybody() -> Identity {
    Identity { name: "nobody".into(), uid: Some(u32::MAX), groups: Some(Vec::new()) }
}

fn report_mode(
    app: &App,
    file: &EnvironmentFile,
    read: &ReadFile,
    out: &mut Sink,
) -> Result<(), Why> {
    if !app.machine.whole {
        return Err(Why::not_read("the modes of the files given are not the deployment's"));
    }
    if !read.place.owners_known {
        return Err(Why::not_read("owners and modes of this tree are not the deployment's"));
    }
    let readable = read.place.accessible(&anybody(), Want::Read)?;
    let writable = read.place.accessible(&anybody(), Want::Write)?;
    let (Some(metadata), true) = (read.place.metadata(), readable || writable) else {
        return Ok(());
    };
    let path = read.place.path.display();
    let (what, mode) = (if writable { "change" } else { "read" }, metadata.mode);
    // Owner and group keep what they have: the application may read the file by itself, too.
    let closed = mode & !0o007;
    out.report(format!(
        "every account on the host can {what} the secrets in {path}: its mode is {mode:04o}"
    ))
    .at_some(file.directive, "systemd reads it as root; nobody else needs to")
    .evidence(
        EvidenceKind::File,
        format!("{path}: mode {mode:04o}, owner {}:{}", metadata.uid, metadata.gid),
    )
    .help(format!(
        "chmod {closed:04o} {path}\nor, if only systemd reads it: chown root:root {path} \
         && chmod 0600 {path}"
    ))
    .subject(format!("mode {path}"))
    .fix(Safety::Safe, format!("set mode {closed:04o} on {path}"))
    .edit(Edit::Mode { path: read.place.path.clone(), mode: closed });
    Ok(())
}

fn report_place(app: &App, file: &EnvironmentFile, read: &ReadFile, out: &mut Sink) {
    let path = read.place.path.display();
    let resolved = &read.place.resolved;
    let served = app.nginx.serves_file(resolved);
    let (message, root) = match &served {
        Ok(Some(root)) => (
            format!("anyone can fetch the secrets in {path}: nginx serves files from there"),
            Some(root.span),
        ),
        _ if in_release(app, resolved) => (
            format!(
                "the secrets in {path} are inside a release: the next release lacks them, and \
                 copies of this one carry them"
            ),
            None,
        ),
        _ => match &read.git_tree {
            Some(tree) => (
                format!(
                    "the secrets in {path} are one `git add` away from being published: {} is a \
                     git working tree",
                    tree.display()
                ),
                None,
            ),
            None => return skip_unserved(&served, out),
        },
    };
    out.report(message)
        .at_some(file.directive, "this file")
        .at_some(root, "nginx serves everything below this")
        .help(format!(
            "install -m 0600 -o root -g root {path} /etc/{}\nname that path in EnvironmentFile=\n\
             once the service reads it from there, delete {path}, and change its secrets if it was \
             ever published",
            suggested(app)
        ))
        .by_hand(file.directive)
        .subject(format!("place {path}"));
}

fn skip_unserved<T>(served: &Result<T, Why>, out: &mut Sink) {
    if let Err(why) = served {
        out.skip(why);
    }
}

/// Only where releases come and go: a directory that is updated in place is not a release.
fn in_release(app: &App, file: &Path) -> bool {
    app.release.link.is_some()
        && app.release.directory.ok().is_some_and(|place| file.starts_with(&place.resolved))
}

fn suggested(app: &App) -> String {
    format!("{}.env", app.name.trim_end_matches(".service"))
}
