use std::path::Path;

use crate::facts::gunicorn::ApplicationObject;
use crate::facts::release::code::{Binding, DefinitionKind};
use crate::facts::release::{Application, Resolution, SearchReason};
use crate::facts::{App, State, Why};
use crate::rule::prelude::nearest;
use crate::rule::{Finding, Safety, Sink};

crate::rule! {
    /// gunicorn cannot find the application it is told to import: a reload takes the site down.
    ///
    /// On HUP the old workers are stopped before the new ones have imported anything. When the
    /// import fails, the master exits (with status 3 or 1: both were seen, from 24.1.1 on mostly 1): a full outage 0.3 to 4 seconds after the
    /// reload, measured in every version and with any number of workers.
    ///
    /// `module:name` is looked for in the directory that gunicorn changes to (`--chdir`, else the
    /// working directory) and along `--pythonpath` and `PYTHONPATH`. The name must be defined at
    /// the top level of the module. It is a plain name, or a call with literal arguments
    /// (`wsgi:create_app("production")`), which must not return `None`, as a function without
    /// `return app` does. `wsgi` alone means `wsgi:application`. If the module may define names in
    /// ways that are not followed (`from x import *`, a branch), nothing is reported. In a
    /// repository, where the installed packages are not known, a missing module is reported only if
    /// a file has a similar name.
    ///
    /// By hand: correct the name, or the directory; `ls` shows which modules exist. Then try it
    /// before the reload: `cd /srv/myapp/current && .venv/bin/python -c 'from wsgi import app'`.
    ///
    /// Proved by `app-not-found`: gunicorn found no `application` in wsgi.py and exited, and every
    /// request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wgsi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// The module has no `application`, the default name:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// The new release renamed it:
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    /// application = Flask(__name__)
    /// ```
    /// ```python,fixed
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// ```
    ///
    /// A factory without `return app` (`Failed to find application object`, measured with gunicorn 27):
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    ///
    /// def create_app():
    ///     app = Flask(__name__)
    ///
    ///     @app.route("/")
    ///     def index():
    ///         return "hello"
    ///
    ///
    /// app = create_app()
    /// ```
    /// ```python,fixed
    /// from flask import Flask
    ///
    ///
    /// def create_app():
    ///     app = Flask(__name__)
    ///
    ///     @app.route("/")
    ///     def index():
    ///         return "hello"
    ///
    ///     return app
    ///
    ///
    /// app = create_app()
    /// ```
    ///
    /// More arguments than it takes:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock 'wsgi:create_app("production", False)'
    /// ```
    /// ```python,bad
    /// from flask import Flask
    ///
    ///
    /// def create_app(config="production"):
    ///     return Flask(__name__)
    /// ```
    ///
    /// Healthy: a factory that is called, in a package, with an argument; and a name that only some
    /// paths through the module define.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock 'shop.web:create_app("production")'
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/shop/__init__.py
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/shop/web.py
    /// from flask import Flask
    ///
    ///
    /// def create_app(config, testing=False):
    ///     return Flask(__name__)
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-14/shop/web.py
    /// create_app = None
    /// ```
    ///
    /// ```python,good
    /// try:
    ///     from shop import app
    /// except ImportError:
    ///     from flask import Flask
    ///
    ///     app = Flask(__name__)
    /// ```
    G210 "app-not-found" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

const CONSEQUENCE: &str = "gunicorn cannot start, and a reload takes the site down";

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    if directory_missing(app, out)? {
        return Ok(());
    }
    let application = app.release.code.application.get()?;
    if starts_at_the_top(app) && matches!(application.resolution, Resolution::File(_)) {
        let module = &application.name.module;
        out.report(format!(
            "{CONSEQUENCE}: it starts in /, where there is no module {module}, and nothing says \
             where the application is"
        ))
        .at_first([
            (app.release.code.application.span(), "names the application"),
            (app.gunicorn.started_at(), ""),
        ])
        .help("In [Service], name the directory it is deployed to:\nWorkingDirectory=/srv/APP")
        .subject("WorkingDirectory")
        .fix(Safety::Manual, "set a working directory");
        return Ok(());
    }
    let (module, cause) = (&application.name.module, cause(application)?);
    let Some(cause) = cause else { return Ok(()) };
    let shown = |text: String| match application.secret {
        true => "the application that a variable names does not exist".to_owned(),
        false => text,
    };
    let named = &app.release.code.application;
    let nothing = application.nothing.as_ref().map(|(_, span)| *span);
    let finding = out
        .report(format!("{CONSEQUENCE}: {}", shown(cause)))
        .at_first([(named.span(), "names the application"), (app.gunicorn.started_at(), "")])
        .at_some(nothing, "no `return` with a value");
    if let Resolution::Missing(searched) = &application.resolution {
        show_searched(searched, finding);
    }
    for obstacle in &application.obstacles {
        finding.evidence(crate::rule::EvidenceKind::File, obstacle);
    }
    let mut help = Vec::new();
    if !application.secret && nothing.is_none() {
        help.extend(suggestion(application).map(|name| format!("Did you mean {name}?")));
    }
    match &application.resolution {
        Resolution::File(_) if nothing.is_some() => {
            help.push("end the function with the application it makes: return app".to_owned());
        }
        Resolution::File(path) => {
            help.push(format!(
                "See what the module defines: grep -nE '^(def |class |[A-Za-z_]+ *=)' {}",
                path.display()
            ));
        }
        Resolution::Missing(searched) => {
            let first = searched.first().map(|path| path.as_path()).unwrap_or(Path::new("."));
            help.push(format!(
                "See which modules exist: ls {}/*.py {0}/*/__init__.py",
                first.display()
            ));
        }
    }
    finding.help(help.join("\n"));
    if !application.secret {
        finding.subject(format!("{module}:{}", application.name.attribute().unwrap_or_default()));
    }
    finding.fix(Safety::Manual, "name the application as the code does");
    Ok(())
}

/// Does a repository's unit start gunicorn in `/`, with nothing that leads to the code? Where the
/// code may be installed as a package it needs no such thing.
fn starts_at_the_top(app: &App) -> bool {
    let gunicorn = &app.gunicorn;
    let Some(launch) = gunicorn.launch.ok() else { return false };
    let unset =
        |name: &str| matches!(app.environment.seen_by_gunicorn(Some(launch), name), Ok(None));
    let listed = app.release.packages.listed.as_ref();
    !app.machine.whole
        && matches!(app.service.working_directory.ok(), Some(None))
        && launch.working_directory.is_none()
        && !gunicorn.settings.get("chdir").is_set()
        && !gunicorn.settings.get("pythonpath").is_set()
        && unset("PYTHONPATH")
        && listed.is_some_and(|listed| !listed.locked)
}

/// gunicorn changes to a directory that is not there. A working directory of the unit and a link
/// that leads nowhere have rules of their own.
fn directory_missing(app: &App, out: &mut Sink) -> Result<bool, Why> {
    let directory = app.release.directory.get()?;
    let reason =
        app.release.search_path.ok().and_then(|path| path.first()).map(|entry| entry.reason);
    match directory.state.get()? {
        State::Missing { link: None, at }
            if reason == Some(SearchReason::Chdir) && directory.is_missing()? =>
        {
            let path = directory.path.display();
            out.report(format!(
                "{CONSEQUENCE}: it changes to {path}, and {} does not exist",
                at.display()
            ))
            .at_known(&app.release.directory, "gunicorn changes to this directory first")
            .help(format!("Correct the path, or create the directory: namei -l {path}"))
            .fix(Safety::Manual, "name an existing directory");
            Ok(true)
        }
        State::Present(_) => Ok(false),
        _ => Err(Why::not_there(format!("{} does not exist", directory.path.display()))),
    }
}

/// Why the application cannot be found; `None` if it can.
fn cause(application: &Application) -> Result<Option<String>, Why> {
    let module = &application.name.module;
    let path = match &application.resolution {
        Resolution::Missing(_) => return Ok(Some(format!("there is no module {module}"))),
        Resolution::File(path) => path.display(),
    };
    if let ApplicationObject::Invalid(why) = &application.name.object {
        return Ok(Some(format!("gunicorn refuses the text after {module}: ({why})")));
    }
    let name = application.name.attribute().unwrap_or_default();
    match &application.attribute {
        Some(Binding::NotDefined) => {
            let implied = match application.name.object {
                ApplicationObject::Name { default: true, .. } => {
                    ", the default when no name is given"
                }
                _ => "",
            };
            return Ok(Some(format!("{path} defines no {name}{implied}")));
        }
        Some(Binding::Unknown(why)) => return Err(Why::not_understood(why.clone())),
        _ => {}
    }
    Ok(match (application.kind, &application.name.object) {
        (Some(DefinitionKind::None), _) => Some(format!("{name} in {path} is None")),
        (Some(DefinitionKind::Plain(what)), _) => {
            Some(format!("{name} in {path} is {what}, which cannot be called"))
        }
        (Some(DefinitionKind::Function { is_async: true, .. }), ApplicationObject::Call { .. }) => {
            Some(format!("{name} in {path} is `async`, so it does not return an application"))
        }
        (
            Some(DefinitionKind::Function { required, .. }),
            ApplicationObject::Call { positional, keywords, .. },
        ) if required > positional + keywords.len() => {
            let given = positional + keywords.len();
            let plural = if required == 1 { "" } else { "s" };
            Some(format!("{name} in {path} needs {required} argument{plural} and gets {given}"))
        }
        (
            Some(DefinitionKind::Function { most: Some(most), .. }),
            ApplicationObject::Call { positional, .. },
        ) if *positional > most => {
            let plural = if most == 1 { "" } else { "s" };
            Some(format!("{name} in {path} takes {most} argument{plural} and gets {positional}"))
        }
        _ => application.nothing.as_ref().map(|(factory, _)| match factory == name {
            true => format!("{factory}() returns nothing, so there is no application"),
            false => {
                format!("{name} in {path} is the result of {factory}(), which returns nothing")
            }
        }),
    })
}

fn show_searched(searched: &[std::path::PathBuf], finding: &mut Finding) {
    for directory in searched {
        let text = format!("looked for in {}", directory.display());
        finding.evidence(crate::rule::EvidenceKind::File, text);
    }
}

/// The name that was probably meant, as it is to be written.
fn suggestion(application: &Application) -> Option<String> {
    let near = || application.near.iter().map(String::as_str);
    let module = &application.name.module;
    match &application.resolution {
        Resolution::Missing(_) => {
            let last = module.rsplit('.').next().unwrap_or(module);
            let like = nearest(module, near());
            // `myapp.wsgi` may be right here, `wsgi` in a package, or under its usual name.
            let moved = || near().find(|name| name.rsplit('.').next() == Some(last));
            let usual = || {
                ["wsgi", "app", "application", "main"]
                    .into_iter()
                    .find(|usual| near().any(|name| name == *usual))
            };
            let found = like.or_else(moved).or_else(usual)?;
            let name = match &application.name.object {
                ApplicationObject::Name { default: true, .. } => return Some(found.to_owned()),
                _ => application.name.attribute().unwrap_or("app"),
            };
            let call = matches!(application.name.object, ApplicationObject::Call { .. });
            Some(format!("{found}:{name}{}", if call { "(…)" } else { "" }))
        }
        Resolution::File(_) => {
            let wanted = match &application.name.object {
                // `module:package.app` was probably meant as `module:app`.
                ApplicationObject::Invalid(_) => "app",
                _ => application.name.attribute().unwrap_or("app"),
            };
            let usual = || {
                let usual = ["app", "application", "create_app", "make_app"];
                usual
                    .into_iter()
                    .find(|usual| *usual != wanted && near().any(|name| name == *usual))
            };
            let found = nearest(wanted, near().filter(|name| *name != wanted)).or_else(usual)?;
            let call = if found.ends_with("_app") { "()" } else { "" };
            Some(format!("'{module}:{found}{call}'"))
        }
    }
}
