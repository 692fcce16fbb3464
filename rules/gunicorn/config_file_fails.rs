use crate::facts::release::Missing;
use crate::facts::server::{ConfigSource, LogConfig, LoggingFault};
use crate::facts::{App, Known, State, Want, Why};
use crate::host::FileKind;
use crate::rule::prelude::show;
use crate::rule::{EvidenceKind, Sink};

crate::rule! {
    /// gunicorn does not start, and dies on reload: its configuration file cannot be loaded.
    ///
    /// gunicorn runs the file that `-c` names, or `gunicorn.conf.py` in its working directory, at
    /// startup and again on HUP. If the file does not exist, cannot be read by the service's user,
    /// is not Python or raises, gunicorn exits with 1. On HUP it exits at once, and takes the
    /// running workers with it. A path after `-c` starts at the working directory, not at
    /// `--chdir`. In a repository a missing file is reported only if another has a similar name.
    ///
    /// Only code certain to raise is reported: `os.environ["X"]` when nothing sets X, `int()` of an
    /// unset variable, an undefined name, an import that is neither installed nor in the directory
    /// where gunicorn starts. Unknown values are not reported.
    ///
    /// `logconfig_dict` is merged over gunicorn's own logging, key by key: your `handlers` replaces
    /// gunicorn's handlers, and its root logger then names a handler that is gone.
    ///
    /// Proved by `logging-without-root`: gunicorn exited with "Unable to configure root logger",
    /// and every request got 502.
    ///
    /// Proved by `config-file-raises`: gunicorn failed with KeyError at startup, and every request
    /// got 502.
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// import os
    ///
    /// timeout = int(os.environ["GUNICORN_TIMEOUT"])
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// import os
    ///
    /// timeout = int(os.environ.get("GUNICORN_TIMEOUT", "30"))
    /// ```
    ///
    /// Handlers without a root logger:
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// logconfig_dict = {
    ///     "version": 1,
    ///     "handlers": {"plain": {"class": "logging.StreamHandler"}},
    ///     "loggers": {"gunicorn.error": {"handlers": ["plain"], "level": "INFO"}},
    /// }
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// logconfig_dict = {
    ///     "version": 1,
    ///     "root": {"handlers": ["plain"], "level": "INFO"},
    ///     "handlers": {"plain": {"class": "logging.StreamHandler"}},
    ///     "loggers": {"gunicorn.error": {"handlers": ["plain"], "level": "INFO"}},
    /// }
    /// ```
    ///
    /// A package that is not installed (caught errors and imports in a hook do not count):
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// import multiprocessing
    ///
    /// from prometheus_client import multiprocess
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// import multiprocessing
    ///
    /// try:
    ///     import prometheus_client
    /// except ImportError:
    ///     prometheus_client = None
    ///
    ///
    /// def child_exit(server, worker):
    ///     from prometheus_client import multiprocess
    ///
    ///     multiprocess.mark_process_dead(worker.pid)
    /// ```
    ///
    /// A file that does not exist:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn -c /etc/myapp/gunicorn.py --workers 3 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// A file of `--log-config` (`logconfig`) that does not exist, on which gunicorn exits too:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --log-config logging.ini --workers 3 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// Healthy: the variable is set, by the unit or by the file itself.
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// import os
    ///
    /// os.environ.setdefault("GUNICORN_TIMEOUT", "30")
    /// timeout = int(os.environ["GUNICORN_TIMEOUT"])
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// import os
    ///
    /// try:
    ///     timeout = int(os.environ["GUNICORN_TIMEOUT"])
    /// except KeyError:
    ///     timeout = 30
    /// ```
    G212 "config-file-fails" {
        severity: Error, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    log_config(app, out);
    let Some(config) = app.gunicorn.config.get()? else { return Ok(()) };
    if unreadable(app, config, out)? {
        return Ok(());
    }
    let Some((message, span)) = config.faults.first() else {
        logging(app, config, out);
        return missing_import(app, config, out);
    };
    let path = config.place.path.display();
    out.report(format!(
        "a start fails, and a reload ends gunicorn: its configuration file fails with {message}"
    ))
    .at(*span, "raised here")
    .at_some(config.span, "names the file")
    .help(format!(
        "Fix {path}; before reloading, test it as the service:\n  \
         gunicorn --check-config -c {path} …"
    ))
    .fix(crate::rule::Safety::Manual, format!("repair {path}"));
    Ok(())
}

/// Is the file of `--log-config` not there?
fn log_config(app: &App, out: &mut Sink) {
    let Some(LogConfig { place, span, secret }) = &app.gunicorn.log_config else { return };
    match (place.is_missing(), place.state.ok()) {
        (Ok(true), _) => {}
        (Ok(false), Some(State::Missing { at, .. })) => return out.skip(&not_copied(at)),
        (Ok(false), _) => return,
        (Err(why), _) => return out.skip(&why),
    }
    let path = match secret {
        true => "the file of logconfig".to_owned(),
        false => place.path.display().to_string(),
    };
    out.report(format!("gunicorn does not start: its logging configuration {path} does not exist"))
        .at_first([(*span, "names the file"), (app.gunicorn.started_at(), "started here")])
        .help("Correct the path (relative to --chdir), or remove --log-config")
        .by_hand(span.or_else(|| app.gunicorn.started_at()))
        .subject("logconfig")
        .fix(crate::rule::Safety::Manual, "correct --log-config");
}

/// A tree without `/srv` says nothing of what is in it.
fn not_copied(at: &std::path::Path) -> Why {
    Why::not_read(format!("{} is not in the tree that was read", at.display()))
}

/// Does a logger name a handler that is not there? A class of one's own may log in another way.
fn logging(app: &App, config: &ConfigSource, out: &mut Sink) {
    let plain = matches!(app.gunicorn.settings.get("logger_class"), Known::Default(..));
    let Some(fault) = config.logging.as_ref().filter(|_| plain) else { return };
    let LoggingFault { logger, handler, own, span } = fault;
    let (path, word) = (config.place.path.display(), show::line(handler));
    let name = match logger.as_str() {
        "root" => "the root logger".to_owned(),
        name => format!("the logger {}", show::line(name)),
    };
    let (whose, help) = match own {
        true => (
            format!(
                "gunicorn's own entry for {name} is kept, but the handler {word} that it names \
                     is replaced"
            ),
            format!(
                "Give logconfig_dict a \"root\" and \"loggers\" that name your handlers, or a handler \
                 called \"{word}\""
            ),
        ),
        false => (
            format!("{name} names the handler {word}, which is not among \"handlers\""),
            format!("Define the handler {word}, or correct its name"),
        ),
    };
    out.report(format!("gunicorn does not start: it cannot set up logging: {whose}"))
        .at(*span, "merged over gunicorn's own dictionary, key by key")
        .at_some(config.span, "names the file")
        .help(format!("{help}; otherwise gunicorn logs \"Unable to configure\" and exits with 1"))
        .subject(handler.clone())
        .fix(crate::rule::Safety::Manual, format!("complete logconfig_dict in {path}"));
}

/// Does it import, while it is read, what is nowhere?
fn missing_import(app: &App, config: &ConfigSource, out: &mut Sink) -> Result<(), Why> {
    let imports = app.release.code.start.configuration.get()?;
    for why in &imports.unknown {
        out.skip(why);
    }
    let Some(unresolved) = imports.unresolved.first() else { return Ok(()) };
    let (path, name) = (config.place.path.display(), unresolved.missing.shown());
    let (cause, help) = match &unresolved.missing {
        Missing::Module(_) => (
            format!("{name} is not installed and not in the release: {}", unresolved.way),
            format!(
                "Install the package that provides {name} into the environment gunicorn runs in, \
                 or remove the import from {path}"
            ),
        ),
        _ => (
            format!("{name} is not defined: {}", unresolved.way),
            format!("Correct the import of {name}"),
        ),
    };
    out.report(format!(
        "a start fails, and a reload ends gunicorn: its configuration file cannot be loaded \
         ({cause})"
    ))
    .at_each(unresolved.chain.iter().rev().map(|span| (*span, "imported while the file is read")))
    .at_some(config.span, "names the file")
    .help(help)
    .subject(name.clone())
    .fix(crate::rule::Safety::Manual, format!("repair {path}"));
    Ok(())
}

/// Is the file not there, or not to be read by the service's user?
fn unreadable(app: &App, config: &ConfigSource, out: &mut Sink) -> Result<bool, Why> {
    let path = config.place.path.display();
    if let Some(near) = &config.near {
        out.report(format!(
            "gunicorn does not start: its configuration file {path} does not exist, but {} does",
            near.display()
        ))
        .at_some(config.span.or_else(|| app.gunicorn.started_at()), "the file is named here")
        .help(format!("Name the right file, or give {} that name", near.display()))
        .fix(crate::rule::Safety::Manual, "name an existing file");
        return Ok(true);
    }
    let (what, evidence) = match config.place.state.get()? {
        State::Missing { at, .. } if !config.place.is_missing()? => return Err(not_copied(at)),
        State::Missing { at, .. } => {
            (format!("{path} does not exist"), format!("{} does not exist", at.display()))
        }
        State::Broken { reason } => (format!("{path}: {reason}"), format!("{path}: {reason}")),
        // gunicorn ignores a directory of the name that it looks for by itself.
        State::Present(metadata) if metadata.kind == FileKind::Directory => {
            if config.implicit {
                return Ok(true);
            }
            (format!("{path} is a directory"), format!("{path}: {}", metadata.kind))
        }
        State::Present(metadata) => {
            let Some(user) = app.service.user.ok() else { return Ok(false) };
            match config.place.accessible(user, Want::Read) {
                Ok(false) => {}
                // Where that is not known the content counts all the same.
                Ok(true) | Err(_) => return Ok(false),
            }
            let (wall, metadata) = match config.place.blocked_at(user)? {
                Some(step) => (step.path.display().to_string(), step.metadata),
                None => (path.to_string(), *metadata),
            };
            let shown = format!(
                "{wall}: mode {:04o}, owner {}:{}",
                metadata.mode, metadata.uid, metadata.gid
            );
            (format!("{} cannot read {path}", user.name), shown)
        }
    };
    out.report(format!("gunicorn does not start: {what}, its configuration file"))
        .at_some(config.span.or_else(|| app.gunicorn.started_at()), "the file is named here")
        .evidence(EvidenceKind::File, evidence)
        .help(
            "Put the file there, or name the right one (a relative path starts at \
             WorkingDirectory=, not --chdir)",
        )
        .by_hand(config.span.or_else(|| app.gunicorn.started_at()))
        .fix(crate::rule::Safety::Manual, format!("put {path} where gunicorn looks for it"));
    Ok(true)
}
