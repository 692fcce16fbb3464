use crate::facts::gunicorn::{ApplicationName, ApplicationObject};
use crate::facts::release::code::{Binding, DefinitionKind};
use crate::facts::release::interface::Interface;
use crate::rule::prelude::*;

crate::rule! {
    /// Every request gets 500: the worker class and the application use different interfaces.
    ///
    /// An ASGI application (FastAPI, Starlette, Quart, Django's `get_asgi_application()`) is called
    /// as `application(scope, receive, send)` and needs a worker that does so:
    /// `uvicorn.workers.UvicornWorker` or gunicorn's own `asgi` (from 24.1). `sync`, `gthread`,
    /// `gevent` and the others call `application(environ, start_response)`, which is what WSGI
    /// applications (Flask, Django's `get_wsgi_application()`) need. gunicorn notices nothing: it
    /// starts, the reload succeeds, and each request ends in a TypeError.
    ///
    /// The kind of application is read from the code, through the release's own modules and
    /// factories; adapters (`WsgiToAsgi`, `a2wsgi`) are known. When in doubt, nothing is reported.
    ///
    /// By hand: `--worker-class uvicorn.workers.UvicornWorker` (with the package uvicorn-worker:
    /// `uvicorn_worker.UvicornWorker`) for an ASGI application; for WSGI no `--worker-class`, or
    /// `gthread`.
    ///
    /// Proved by `app-interface-mismatch`: gunicorn started and the reload returned 0, and every
    /// request got 500.
    ///
    /// ```python,bad
    /// from fastapi import FastAPI
    ///
    /// app = FastAPI()
    /// ```
    /// ```python,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/fastapi/__init__.py
    /// ```
    /// ```python,fixed
    /// from a2wsgi import ASGIMiddleware
    /// from fastapi import FastAPI
    ///
    /// app = ASGIMiddleware(FastAPI())
    /// ```
    /// ```python,fixed,file=/srv/myapp/.venv/lib/python3.11/site-packages/a2wsgi/__init__.py
    /// ```
    /// ```python,fixed,file=/srv/myapp/.venv/lib/python3.11/site-packages/fastapi/__init__.py
    /// ```
    ///
    /// The reverse:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     -k uvicorn.workers.UvicornWorker --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/uvicorn/workers.py
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// Healthy: an application chosen at run time, whose kind is not known.
    ///
    /// ```python,good
    /// import os
    ///
    /// from flask import Flask
    ///
    /// if os.environ.get("ASYNC"):
    ///     from quart import Quart
    ///     app = Quart(__name__)
    /// else:
    ///     app = Flask(__name__)
    /// ```
    G229 "app-interface-mismatch" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    if uncalled(app, out) {
        return Ok(());
    }
    let Some(made) = app.release.code.made.get()? else { return Ok(()) };
    let known = app.gunicorn.settings.worker_class();
    let class = known.get()?;
    let Some(speaks) = speaks(class) else { return Ok(()) };
    if speaks == made.interface {
        return Ok(());
    }
    // Workers that do not start answer nothing at all: that is another rule's.
    let needs = if class.starts_with("uvicorn_worker.") { "uvicorn_worker" } else { "uvicorn" };
    if class.starts_with("uvicorn") && !app.gunicorn.venv.get()?.has_entry(needs) {
        return Ok(());
    }
    let application = app.release.code.application.get()?;
    let (wants, speaks) = (made.interface.name(), speaks.name());
    let named = match application.secret {
        true => "the application".to_owned(),
        false => shown(&application.name),
    };
    let message = format!(
        "every request gets 500: {named} speaks {wants} ({}), but worker class {class} speaks \
         {speaks}",
        made.maker
    );
    let places = [(known.span(), "sets the worker class"), (app.gunicorn.started_at(), "")];
    let finding = out.report(message).at_first(places);
    if let Some(Binding::Defined(span)) = application.attribute {
        finding.at(span, format!("the application is {wants}"));
    }
    let help = match made.interface {
        Interface::Asgi => {
            "Start ASGI workers: pip install uvicorn uvicorn-worker, then\n  --worker-class \
             uvicorn_worker.UvicornWorker"
        }
        Interface::Wsgi => {
            "Start WSGI workers: --worker-class gthread, or no --worker-class \
                            (sync)"
        }
    };
    finding
        .help(format!("{help}\nand restart: a reload keeps the worker class of the command line."))
        .subject(format!("{class} {wants}"))
        .fix(Safety::Manual, format!("use a worker class that speaks {wants}"));
    Ok(())
}

/// `main:app`; of a factory only the name, its arguments may be anything.
fn shown(name: &ApplicationName) -> String {
    match &name.object {
        ApplicationObject::Name { name: object, .. } => format!("{}:{object}", name.module),
        ApplicationObject::Call { name: object, .. } => format!("{}:{object}()", name.module),
        ApplicationObject::Invalid(_) => name.module.clone(),
    }
}

/// What a worker class calls, for those that are known.
fn speaks(class: &str) -> Option<Interface> {
    let class = class.strip_prefix("egg:gunicorn#").unwrap_or(class);
    match class {
        "sync"
        | "gthread"
        | "gevent"
        | "gevent_wsgi"
        | "gevent_pywsgi"
        | "eventlet"
        | "tornado"
        | "gunicorn.workers.sync.SyncWorker"
        | "gunicorn.workers.gthread.ThreadWorker"
        | "gunicorn.workers.ggevent.GeventWorker"
        | "gunicorn.workers.geventlet.EventletWorker" => Some(Interface::Wsgi),
        "asgi"
        | "uvicorn.workers.UvicornWorker"
        | "uvicorn.workers.UvicornH11Worker"
        | "uvicorn_worker.UvicornWorker"
        | "uvicorn_worker.UvicornH11Worker" => Some(Interface::Asgi),
        _ => None,
    }
}

/// A factory that gunicorn is meant to call as if it were the application: a WSGI server gives two
/// arguments.
fn uncalled(app: &App, out: &mut Sink) -> bool {
    let Some(application) = app.release.code.application.ok() else { return false };
    let here = match application.attribute {
        Some(Binding::Defined(span)) => application.kind.map(|kind| (kind, span)),
        _ => None,
    };
    let (
        Some((DefinitionKind::Function { required, most, is_async: false, .. }, defined)),
        ApplicationObject::Name { name, .. },
    ) = (application.imported.or(here), &application.name.object)
    else {
        return false;
    };
    let wsgi = app.gunicorn.settings.worker_class();
    let is_wsgi = wsgi.ok().and_then(|class| speaks(class)) == Some(Interface::Wsgi);
    if !is_wsgi || (required <= 2 && most.is_none_or(|most| most >= 2)) || application.secret {
        return false;
    }
    let module = &application.name.module;
    let places =
        [(app.release.code.application.span(), "names it"), (app.gunicorn.started_at(), "")];
    let finding = out
        .report(format!(
            "every request gets 500: {module}:{name} is a function that makes the application, but \
             gunicorn calls it as the application itself"
        ))
        .at_first(places)
        .at(defined, "does not take the two arguments of a WSGI application");
    finding
        .help(format!("make gunicorn call it: '{module}:{name}()', in quotes"))
        .subject(format!("{module}:{name}"))
        .fix(Safety::Manual, "make gunicorn call the factory");
    true
}
