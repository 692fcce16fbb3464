use std::path::Path;

use crate::facts::release::{Sqlite, importer};
use crate::facts::server::{Writer, Writes, WrittenPath};
use crate::facts::{App, Identity, Place, State, Want, Why};
use crate::host::FileKind;
use crate::rule::{Edit, EvidenceKind, Safety, Severity, Sink};

crate::rule! {
    /// The site does not start: gunicorn or the application cannot write a log, a pid file or the
    /// workers' heartbeats.
    ///
    /// gunicorn opens the files of `accesslog` and `errorlog` before it listens, creates its pid
    /// file in the directory of `pidfile`, the files of a logging configuration (`logconfig`,
    /// `logconfig_dict`, `logconfig_json`), and a heartbeat file for each worker in
    /// `worker_tmp_dir`, all as the user that `User=` names. It does not create a missing
    /// directory. It exits with 1 and logs `… isn't writable` or `Can't create pidfile`. The usual
    /// cause is a log that root created, by logrotate or in a first start by hand.
    ///
    /// The application opens its logs (`logging.FileHandler` and the like, `basicConfig(filename=…)`,
    /// `dictConfig`) and makes its directories (`os.makedirs`, `Path.mkdir`) when a worker imports it:
    /// at the top level of a module, or in `create_app()`. As the service's user it often may not,
    /// because the release belongs to whoever deployed it. Where the code may catch the error (`try`),
    /// nothing is reported. What it does only where debug mode is off (`if not app.debug:`) is a warning
    /// if the code or the environment may turn debug mode on.
    ///
    /// Django opens the files of its own `LOGGING` when a worker imports it (`Unable to configure
    /// handler`): gunicorn's master exits with 3, and after a reload the site is down. A single
    /// `manage.py` run as root creates the log with root as its owner.
    ///
    /// A SQLite database needs its file and the directory around it to be writable: otherwise every
    /// request that writes gets 500, `attempt to write a readonly database`, while the others are
    /// answered. This is a warning.
    ///
    /// On a live host the file system of the heartbeat files is looked at as the running master sees
    /// it: if it has become read-only, or has fewer free inodes than there are workers, the next reload
    /// ends the master.
    ///
    /// Proved by `heartbeats-read-only`: the reload returned 0, the master exited, gunicorn did not come
    /// back (`No usable temporary directory found`), and every request got 502.
    ///
    /// Proved by `heartbeats-without-inodes`: the reload returned 0, the master exited (`No space left on
    /// device`), and every request got 502 until systemd had restarted it.
    ///
    /// Proved by `log-not-writable`: gunicorn exited with `isn't writable`, and every request got
    /// 502.
    ///
    /// Proved by `logging-file-not-writable`: gunicorn exited with `Unable to configure handler`,
    /// and every request got 502.
    ///
    /// Proved by `django-log-not-writable`: the reload returned 0, the master exited with `Unable to
    /// configure handler`, and every request got 502.
    ///
    /// Proved by `flask-log-not-writable`: the reload returned 0, the master exited with
    /// `PermissionError`, and every request got 502.
    ///
    /// Proved by `application-directory-not-made`: the reload returned 0, the master exited with
    /// `PermissionError`, and every request got 502.
    ///
    /// Proved by `sqlite-not-writable`: every request that wrote got 500 (`attempt to write a readonly
    /// database`), while the others were answered.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --error-logfile /var/log/myapp/error.log \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// The files of a logging configuration (`logconfig`, `logconfig_json`, `logconfig_dict`):
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --log-config /srv/myapp/current/logging.ini \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```text,bad,file=/srv/myapp/releases/2026-04-21/logging.ini
    /// [loggers]
    /// keys=root
    ///
    /// [handlers]
    /// keys=file
    ///
    /// [formatters]
    /// keys=
    ///
    /// [logger_root]
    /// handlers=file
    ///
    /// [handler_file]
    /// class=handlers.WatchedFileHandler
    /// args=('/var/log/myapp/gunicorn.log',)
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// logconfig_dict = {
    ///     "version": 1,
    ///     "handlers": {
    ///         "file": {"class": "logging.FileHandler", "filename": "/var/log/myapp/gunicorn.log"},
    ///     },
    ///     "root": {"handlers": ["file"]},
    ///     "loggers": {},
    /// }
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// logconfig_dict = {
    ///     "version": 1,
    ///     "handlers": {
    ///         "console": {"class": "logging.StreamHandler"},
    ///         "error_console": {"class": "logging.StreamHandler"},
    ///         "later": {
    ///             "class": "logging.FileHandler",
    ///             "filename": "/var/log/myapp/gunicorn.log",
    ///             "delay": True,
    ///         },
    ///     },
    ///     "root": {"handlers": ["console", "later"]},
    /// }
    /// ```
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// LogsDirectory=myapp
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --error-logfile /var/log/myapp/error.log \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// Django's own logs:
    ///
    /// ```python,bad
    /// import os
    ///
    /// from django.core.wsgi import get_wsgi_application
    ///
    /// os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
    /// app = get_wsgi_application()
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/settings.py
    /// LOGGING = {
    ///     "version": 1,
    ///     "handlers": {
    ///         "file": {"class": "logging.FileHandler", "filename": "/var/log/myapp/django.log"},
    ///     },
    /// }
    /// ```
    /// ```python,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/django/core/wsgi.py
    /// ```
    ///
    /// A Flask application's own log, and a directory that it makes:
    ///
    /// ```python,bad
    /// import logging
    /// from logging.handlers import RotatingFileHandler
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// if not app.debug:
    ///     app.logger.addHandler(RotatingFileHandler("/var/log/myapp/app.log", maxBytes=10240))
    /// ```
    /// ```python,bad
    /// import os
    ///
    /// from flask import Flask
    ///
    /// UPLOADS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "uploads")
    ///
    ///
    /// def create_app():
    ///     app = Flask(__name__)
    ///     os.makedirs(UPLOADS, exist_ok=True)
    ///     return app
    ///
    ///
    /// app = create_app()
    /// ```
    /// ```python,good
    /// import logging
    /// import os
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// try:
    ///     os.makedirs("uploads")
    ///     app.logger.addHandler(logging.FileHandler("uploads/app.log"))
    /// except OSError:
    ///     pass
    /// logging.basicConfig(level=logging.INFO)
    /// os.makedirs(os.path.dirname(os.path.abspath(__file__)), exist_ok=True)
    /// ```
    /// A database that is root's (where the code or Django's settings name it; what a variable holds is
    /// not looked up):
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:////srv/myapp/shared/myapp.db"
    /// ```
    /// ```tree,bad
    /// /srv/myapp/shared/myapp.db mode=0644
    /// ```
    /// ```python,good
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:////srv/myapp/shared/myapp.db"
    /// ```
    /// ```tree,good
    /// /srv/myapp/shared/ mode=0755 owner=33:33
    /// /srv/myapp/shared/myapp.db mode=0644 owner=33:33
    /// ```
    ///
    /// Healthy: the journal, and a pid file in the unit's own directory.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --access-logfile - --pid /run/myapp/gunicorn.pid \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    G230 "path-not-writable" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    if let Err(why) = heartbeats(app, out)
        && app.processes.ok().is_some()
        && !why.kind().needs_more()
    {
        out.skip(&why);
    }
    let service = &app.service;
    let database = named_database(app);
    if app.gunicorn.paths.is_empty() && app.release.written.is_empty() && database.is_none() {
        return Ok(());
    }
    let privileged =
        service.exec_start.last().is_some_and(|command| command.line.prefixes.full_privileges);
    let root = Identity::root();
    let user = if privileged { &root } else { service.user.get()? };
    for path in &app.gunicorn.paths {
        if let Err(why) = judge(app, user, path, out) {
            out.skip(&why);
        }
    }
    // Full privileges are the command's own, whoever it is said to be.
    let importer = match privileged {
        true => None,
        false => importer(&app.machine, service, &app.gunicorn)?,
    };
    let Some(user) = importer else { return Ok(()) };
    for path in &app.release.written {
        if let Err(why) = judge(app, &user, path, out) {
            out.skip(&why);
        }
    }
    if let Some(database) = database
        && let Err(why) = read_only(app, database, &user, out)
    {
        out.skip(&why);
    }
    Ok(())
}

/// The files that the running master needs at the next reload, one for each worker. Unlike what is
/// written when the site starts, they may have become impossible since.
fn heartbeats(app: &App, out: &mut Sink) -> Result<(), Why> {
    if app.processes.get()?.masters.is_empty() {
        return Ok(());
    }
    let found = app.heartbeats.get()?;
    let workers = u64::try_from(*app.gunicorn.workers().get()?).unwrap_or(u64::MAX);
    // A variable's value is not shown.
    let each = match app.gunicorn.settings.is_secret("workers") || workers == 1 {
        true => "each new worker".to_owned(),
        false => format!("each of {workers} new workers"),
    };
    let directory = match found.secret {
        true => "the directory for temporary files".to_owned(),
        false => found.directory.display().to_string(),
    };
    let room = &found.room;
    let (cause, short) = if room.read_only {
        (format!("{directory} is read-only now"), "read-only".to_owned())
    } else if room.files > 0 && room.files_left < workers {
        let left = match room.files_left {
            0 => "no file".to_owned(),
            1 => "only 1 file".to_owned(),
            count => format!("only {count} files"),
        };
        (
            format!("{left} can still be created in {directory}"),
            format!("{} of {} inodes are left", room.files_left, room.files),
        )
    } else {
        return Ok(());
    };
    let typed = match found.secret {
        true => "\"${TMPDIR:-/tmp}\"".to_owned(),
        false => directory.clone(),
    };
    let help = match room.read_only {
        true => format!(
            "findmnt -T {typed}; dmesg | tail -n 50 (why it became read-only)\n\
             then, if its disk is sound: mount -o remount,rw \
             \"$(findmnt -n -o TARGET -T {typed})\"\n\
             do not reload or restart gunicorn before"
        ),
        false => format!(
            "df -i {typed}, then remove what nobody needs there; do not reload gunicorn before"
        ),
    };
    out.report(format!(
        "the next reload takes the site down: gunicorn creates a heartbeat file for {each}, and {cause}"
    ))
    .observed(EvidenceKind::File, format!("{directory}, as gunicorn's master sees it: {short}"))
    .subject("heartbeats")
    .help(help)
    .fix(Safety::Manual, format!("make {directory} writable again"));
    Ok(())
}

/// The database of SQLite's, on a whole machine. What is not known of it is not this rule's alone to say.
fn named_database(app: &App) -> Option<&Sqlite> {
    // A path that a variable holds is masked in a capture, which would then say something else.
    let database = app.release.sqlite.ok()?.as_ref()?;
    (app.machine.whole && database.variable.is_none()).then_some(database)
}

/// SQLite writes its file, and files of its own beside it.
fn read_only(app: &App, database: &Sqlite, user: &Identity, out: &mut Sink) -> Result<(), Why> {
    let directory = &database.directory;
    // What is not there yet, a deployment or the application may make.
    if !database.place.exists()? || app.service.managed(&directory.path)?.is_some() {
        return Ok(());
    }
    app.service.untouched_before_the_start(&directory.path)?;
    let closed = |place: &Place, want: Want| Ok::<_, Why>(!place.accessible(user, want)?);
    let wall = if closed(&database.place, Want::Write)? {
        &database.place
    } else if closed(directory, Want::Write)? || closed(directory, Want::Execute)? {
        directory
    } else {
        return Ok(());
    };
    let (shown, at) = (database.place.path.display(), directory.path.display());
    out.report(format!(
        "every write to the database gets 500: {} cannot write the SQLite file {shown} \
         (attempt to write a readonly database)",
        user.name
    ))
    .severity(Severity::Warning)
    .at_some(database.span, "the database")
    .at_known(&app.service.user, "gunicorn runs as this user")
    .evidence(EvidenceKind::File, modes(wall, user)?)
    .help(format!(
        "SQLite also writes files next to it. If {at} contains nothing else:\n\
         chown {0}: {at} {shown}\n\
         otherwise move the database to a directory of its own (StateDirectory= makes one for {0})",
        user.name
    ))
    .subject("database")
    .fix(Safety::Manual, format!("let {} write the database and its directory", user.name));
    Ok(())
}

fn judge(app: &App, user: &Identity, path: &WrittenPath, out: &mut Sink) -> Result<(), Why> {
    let directory = &path.directory.path;
    let makes = path.writer == Writer::Application && path.writes == Writes::Directory;
    // Made for this user when the unit starts; anybody may write in the last ones.
    let open = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock"];
    if app.service.managed(directory)?.is_some()
        || makes && is_prepared(app, path)?
        || open.iter().any(|open| directory == Path::new(open))
            && (path.writes == Writes::Directory || directory_is_missing(path)?)
    {
        return Ok(());
    }
    app.service.untouched_before_the_start(if makes { &path.place.path } else { directory })?;
    // What is root's alone by tmpfiles.d, as /var/log is, is judged as it is.
    let mut boot = app.machine.tmpfiles.ok().into_iter().flatten();
    let made = boot.find(|line| Path::new(&line.path) == directory);
    if made.is_some_and(|line| line.user != "root" || line.mode & 0o022 != 0) {
        return Err(Why::depends(format!("tmpfiles.d makes {}", directory.display())));
    }
    let (shown, evidence, made) = match path.directory.state.get()? {
        // systemd makes it at boot, also where a tree was copied without it.
        State::Missing { .. } if *directory == Path::new("/run") => {
            if user.is_root() {
                return Ok(());
            }
            let what = "systemd makes /run at boot for root, mode 0755";
            (what.to_owned(), what.to_owned(), None)
        }
        State::Missing { at, .. } if at == Path::new("/run") => {
            let what = format!("nothing makes {}", directory.display());
            (what.clone(), what, managed_by(directory))
        }
        State::Missing { at, .. } => {
            let made = managed_by(directory);
            (
                format!("{} does not exist", directory.display()),
                format!("{} does not exist", at.display()),
                made,
            )
        }
        State::Broken { reason } => (reason.clone(), reason.clone(), None),
        State::Present(metadata) if metadata.kind != FileKind::Directory => {
            let what = format!("{} is {}", directory.display(), metadata.kind);
            (what.clone(), what, None)
        }
        State::Present(_) => match wall(user, path)? {
            None => return Ok(()),
            Some((place, what)) => (what, modes(place, user)?, None),
        },
    };
    let edit = made.as_ref().map(|(key, name)| Edit::set(&app.service.unit, key, name.clone()));
    // The directory is made for the unit's user, who may not be the one that gunicorn's workers become.
    let edit =
        edit.filter(|_| app.service.user.ok().is_some_and(|of_unit| of_unit.name == user.name));
    // A second value of the setting would be lost.
    let edit = edit.filter(|_| {
        made.as_ref().is_some_and(|(key, _)| app.service.unit.list("Service", key).is_empty())
    });
    let help = match (&made, path.writes) {
        (Some((key, value)), _) => format!("In [Service]:\n{key}={value}"),
        (None, Writes::File) => format!(
            "install -d -o {0} -g {0} {1} && chown {0}: {2}",
            user.name,
            directory.display(),
            path.place.path.display()
        ),
        (None, Writes::Directory) if makes => {
            format!("install -d -o {0} -g {0} {1}", user.name, path.place.path.display())
        }
        (None, Writes::Directory) => {
            format!("install -d -o {0} -g {0} {1}", user.name, directory.display())
        }
    };
    let setting = path.setting;
    let cause = if path.secret { format!("the path of {setting}") } else { shown };
    let (consequence, when) = match path.writer {
        Writer::Master => ("gunicorn does not start", "gunicorn writes here before it listens"),
        Writer::Application => (
            "no worker boots after a reload",
            match makes {
                true => "made when a worker imports the application",
                false => "opened when a worker imports the application",
            },
        ),
    };
    let message = match makes {
        true => format!(
            "{consequence}: {} cannot make {} ({cause})",
            user.name,
            path.place.path.display()
        ),
        false => format!("{consequence}: {} cannot write {setting} ({cause})", user.name),
    };
    out.report(message)
        .severity(if path.unless_debug { Severity::Warning } else { Severity::Error })
        .at_some(path.span, when)
        .at_known(&app.service.user, "gunicorn runs as this user")
        .evidence(EvidenceKind::File, if path.secret { setting.to_owned() } else { evidence })
        .help(help)
        .by_hand(app.gunicorn.started_at())
        .subject(setting)
        .fix_if(Safety::Safe, format!("let {} write the {setting}", user.name), edit);
    Ok(())
}

/// Does systemd make the directory, or one that it is to be made in, or may a command before the start?
fn is_prepared(app: &App, path: &WrittenPath) -> Result<bool, Why> {
    let there = &path.directory.path;
    for step in path.place.path.ancestors().take_while(|step| step.starts_with(there)) {
        if app.service.managed(step)?.is_some() {
            return Ok(true);
        }
        if app.service.names_before_the_start(step) {
            return Err(Why::depends(format!("ExecStartPre= may make {}", step.display())));
        }
    }
    Ok(false)
}

/// A tree may have been copied without what is made at each boot.
fn directory_is_missing(path: &WrittenPath) -> Result<bool, Why> {
    Ok(!path.directory.exists()?)
}

/// What keeps the user from writing: the file where it is there, else the directory.
fn wall<'p>(user: &Identity, path: &'p WrittenPath) -> Result<Option<(&'p Place, String)>, Why> {
    let file = path.writes == Writes::File && path.place.exists()?;
    let place = if file { &path.place } else { &path.directory };
    let free =
        place.accessible(user, Want::Write)? && (file || place.accessible(user, Want::Execute)?);
    let what = match place.blocked_at(user)? {
        Some(step) => format!("{} cannot pass through {}", user.name, step.path.display()),
        None if file => format!("{} does not belong to {}", place.path.display(), user.name),
        None => format!("{} cannot write in {}", user.name, place.path.display()),
    };
    Ok((!free).then_some((place, what)))
}

fn modes(place: &Place, user: &Identity) -> Result<String, Why> {
    let step = place.blocked_at(user)?;
    let (path, metadata) = match (step, place.metadata()) {
        (Some(step), _) => (step.path.as_path(), step.metadata),
        (None, Some(metadata)) => (place.path.as_path(), *metadata),
        (None, None) => return Ok(String::new()),
    };
    Ok(format!(
        "{}: mode {:04o}, owner {}:{}",
        path.display(),
        metadata.mode,
        metadata.uid,
        metadata.gid
    ))
}

/// The setting of the unit that makes such a directory for its user.
fn managed_by(directory: &Path) -> Option<(&'static str, String)> {
    let tops = [
        ("/run", "RuntimeDirectory"),
        ("/var/log", "LogsDirectory"),
        ("/var/lib", "StateDirectory"),
        ("/var/cache", "CacheDirectory"),
    ];
    tops.into_iter().find_map(|(top, key)| {
        let name = directory.strip_prefix(top).ok()?.to_str()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        (!name.is_empty() && name.chars().all(plain)).then(|| (key, name.to_owned()))
    })
}
