//! The model as JSON, for `deploy-doctor facts`. Names of variables, never their values.

use serde_json::{Map, Value, json};

use super::gunicorn::Layer;
use super::processes::Master;
use super::sockets::{Listener, Sockets};
use super::{App, Deployment, Known, Nginx, Origin};
use crate::source::{Lookup, Sources, show};

/// The facts as one JSON document, with a newline at its end. A known value is as `{"value": …,
/// "at": "file:line"}` where somebody set it, as `{"default": …, "of": "gunicorn 23.0.0"}` where
/// nobody did, as `{"observed": …, "in": "/proc"}` where it is to be seen on the host; what is not
/// known as `{"unknown": "why"}`.
pub fn json(deployment: &Deployment, sources: &Sources) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&document(deployment, sources))? + "\n")
}

/// The same document as a value.
pub fn document(deployment: &Deployment, sources: &Sources) -> Value {
    let machine = &deployment.machine;
    json!({
        "schema": 1,
        "machine": {
            "systemd": known(sources, &machine.systemd, |v| json!(v)),
            "shell": known(sources, &machine.shell, |v| json!(v)),
            "processors": known(sources, &machine.processors, |v| json!(v)),
            "owners_known": machine.owners_known,
        },
        "nginx": nginx(sources, &deployment.nginx),
        "apps": deployment.apps.iter().map(|app| one_app(sources, app)).collect::<Vec<_>>(),
        "problems": deployment.problems.iter().map(|problem| json!({
            "file": problem.path.to_string_lossy(),
            "line": problem.line,
            "message": show::line(&problem.message),
        })).collect::<Vec<_>>(),
    })
}

fn known<T>(sources: &Sources, value: &Known<T>, shown: impl Fn(&T) -> Value) -> Value {
    match value {
        Known::Value(value, origin) => {
            json!({ "value": shown(value), "at": place(sources, origin) })
        }
        Known::Default(value, whose) => {
            json!({ "default": shown(value), "of": whose.to_string() })
        }
        Known::Observed(value, from) => json!({ "observed": shown(value), "in": *from }),
        Known::Unknown(why) => json!({ "unknown": show::line(why.text()) }),
    }
}

fn place(sources: &Sources, origin: &Origin) -> String {
    match origin {
        Origin::Text(span) => {
            let file = sources.file(span.file);
            format!("{}:{}", file.path.display(), file.position(span.start).line)
        }
        Origin::Path(path) => path.display().to_string(),
        Origin::Default(whose) => format!("{whose}'s default"),
        Origin::Command(command) => (*command).to_owned(),
        Origin::Option(option) => (*option).to_owned(),
    }
}

fn one_app(sources: &Sources, app: &App) -> Value {
    let service = &app.service;
    let path = app.path();
    json!({
        "name": app.name,
        "service": {
            "files": service.unit.files()
                .map(|file| file.file.path.to_string_lossy().into_owned())
                .collect::<Vec<_>>(),
            "sockets": service.sockets.iter().map(|unit| unit.name.to_string()).collect::<Vec<_>>(),
            "user": known(sources, &service.user, |v| json!(v)),
            "working_directory": known(sources, &service.working_directory, |v| json!(v)),
            "type": known(sources, &service.kind(), |v| json!(v)),
            "restart": known(sources, &service.restart(), |v| json!(v)),
            "kill_mode": known(sources, &service.kill_mode(), |v| json!(v)),
            "directories": known(sources, &service.directories, |v| {
                json!(v.iter().map(|d| d.path.to_string_lossy()).collect::<Vec<_>>())
            }),
            "enabled": service.unit.is_enabled(),
        },
        "gunicorn": gunicorn(sources, app),
        "environment": environment(sources, app),
        "state": known(sources, &app.state, |v| json!(v)),
        "journal": known(sources, &app.journal, |journal| json!({
            "boot_failures": journal.boot_failures.iter().map(|failure| json!({
                "sentence": failure.sentence, "error": failure.error,
            })).collect::<Vec<_>>(),
            "cut": journal.cut,
        })),
        "release": release(sources, app),
        "routes": app.routes.iter().map(|route| json!({
            "endpoint": route.endpoint,
            "at": place(sources, &Origin::text(route.peer)),
        })).collect::<Vec<_>>(),
        "path": {
            "nginx": path.nginx, "upstream": path.upstream, "socket": path.socket,
            "master": path.master, "workers": path.workers, "release": path.release,
        },
        "processes": known(sources, &app.processes, |processes| json!({
            "masters": processes.masters.iter().map(|m| master(m)).collect::<Vec<_>>(),
            "others": processes.others.iter().map(|m| master(m)).collect::<Vec<_>>(),
            "orphans": processes.orphans.iter().map(|o| json!(o.process)).collect::<Vec<_>>(),
            "main": known(sources, &processes.main, |main| json!(main)),
            "members": known(sources, &processes.members, |count| json!(count)),
        })),
        "sockets": known(sources, &app.sockets, |sockets| json!({
            "listeners": own_listeners(app, sockets),
            "files": sockets.files,
        })),
    })
}

/// A master without its command line and environment: both may contain secrets.
fn master(master: &Master) -> Value {
    json!({
        "process": master.process,
        "workers": master.workers,
        "successor": master.successor,
    })
}

/// Those that the application binds or that nginx reaches it by; the host has others.
fn own_listeners<'s>(app: &App, sockets: &'s Sockets) -> Vec<&'s Listener> {
    let bounds = app.bounds().ok().into_iter().flatten().map(|bound| &bound.endpoint);
    let wanted: Vec<_> = bounds.chain(app.routes.iter().map(|route| &route.endpoint)).collect();
    let mine = |listener: &&Listener| {
        wanted.iter().any(|endpoint| endpoint.reaches(&listener.endpoint) == Some(true))
    };
    sockets.listeners.iter().filter(mine).collect()
}

fn gunicorn(sources: &Sources, app: &App) -> Value {
    let gunicorn = &app.gunicorn;
    let mut settings = Map::new();
    for (name, value) in gunicorn.settings.all() {
        // What is at its default for everybody is left out; raw_env holds variables.
        let layer = gunicorn.settings.layer(name);
        if layer.is_none_or(|layer| layer == Layer::Default) && !matches!(value, Known::Unknown(_))
        {
            continue;
        }
        let secret = gunicorn.settings.is_secret(name)
            || name == "raw_env"
            || layer == Some(Layer::Environment);
        let shown =
            known(sources, value, |value| if secret { json!("(redacted)") } else { json!(value) });
        settings.insert(name.to_owned(), shown);
    }
    json!({
        "version": known(sources, &gunicorn.version, |v| json!(v.to_string())),
        "python": known(sources, &gunicorn.python, |(major, minor)| {
            json!(format!("{major}.{minor}"))
        }),
        "venv": known(sources, &gunicorn.venv, |v| json!(v.path.to_string_lossy())),
        "program": gunicorn.program,
        "config": known(sources, &gunicorn.config, |config| match config {
            Some(config) => json!({ "path": config.place, "implicit": config.implicit }),
            None => Value::Null,
        }),
        "listens": known(sources, &gunicorn.bounds, |v| json!(v)),
        "workers": if gunicorn.settings.layer("workers") == Some(Layer::Environment) {
            json!("(redacted)")
        } else {
            known(sources, &gunicorn.workers(), |v| json!(v))
        },
        "worker_class": known(sources, &gunicorn.settings.worker_class(), |v| json!(v)),
        "settings": settings,
    })
}

fn environment(sources: &Sources, app: &App) -> Value {
    let environment = &app.environment;
    let variables: Vec<Value> = environment
        .variables
        .iter()
        .map(|(name, variable)| {
            json!({
                "name": name,
                "set_by": variable.set_by,
                "at": variable.span.map(|span| place(sources, &Origin::text(span))),
                "known": matches!(environment.lookup(name), Lookup::Set(_)),
            })
        })
        .collect();
    json!({
        "files": environment.files.iter().map(|file| json!({
            "path": known(sources, &file.path, |v| json!(v.to_string_lossy())),
            "optional": file.optional,
            "ignored_by_systemd": file.ignored,
            "places": file.places,
        })).collect::<Vec<_>>(),
        "variables": variables,
        "open": environment.open.as_ref().map(|why| why.text().to_owned()),
    })
}

fn release(sources: &Sources, app: &App) -> Value {
    let release = &app.release;
    json!({
        "directory": known(sources, &release.directory, |v| json!(v)),
        "link": release.link,
        "follows_link": known(sources, &release.follows_link, |v| json!(v)),
        "application": known(sources, &release.code.application, |application| json!({
            "module": application.name.module,
            "attribute": application.name.attribute(),
            "file": match &application.resolution {
                super::release::Resolution::File(path) => json!(path.to_string_lossy()),
                super::release::Resolution::Missing(_) => Value::Null,
            },
        })),
        "modules": release.code.modules.iter()
            .map(|module| module.path.to_string_lossy().into_owned())
            .collect::<Vec<_>>(),
        "requires_variables": release.code.required.iter()
            .map(|variable| variable.name.as_str())
            .collect::<Vec<_>>(),
        "requirements": known(sources, &release.packages.requirements, |file| match file {
            Some(file) => json!({
                "path": file.path.to_string_lossy(),
                "missing": file.missing.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(),
                "wrong_version": file.wrong_version.iter()
                    .map(|n| n.name.as_str())
                    .collect::<Vec<_>>(),
                "unknown": file.unknown.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(),
            }),
            None => Value::Null,
        }),
        "migrations": known(sources, &release.migrations, |migrations| match migrations {
            Some(migrations) => json!({
                "directories": migrations.directories,
                "revisions": migrations.revisions.revisions.len(),
                "heads": migrations.revisions.heads().unwrap_or_default(),
            }),
            None => Value::Null,
        }),
        "django_migrations": known(sources, &release.django_migrations, |found| match found {
            Some(found) => found.to_json(),
            None => Value::Null,
        }),
        "previous": known(sources, &release.previous, |previous| {
            json!(previous.iter().map(|p| p.path.to_string_lossy()).collect::<Vec<_>>())
        }),
    })
}

fn nginx(sources: &Sources, nginx: &Nginx) -> Value {
    let Some(model) = nginx.model.ok() else {
        return json!({ "unknown": nginx.model.get().err().map(|why| why.text().to_owned()) });
    };
    json!({
        "version": known(sources, &nginx.version, |v| json!(v.to_string())),
        "user": known(sources, &nginx.user, |v| json!(v)),
        "files": model.config.trees.iter()
            .map(|tree| tree.file.path.to_string_lossy().into_owned())
            .collect::<Vec<_>>(),
        "servers": model.servers.iter().map(|server| json!({
            "listens": server.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "names": server.names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>(),
            "at": place(sources, &Origin::text(server.span)),
        })).collect::<Vec<_>>(),
        "destinations": nginx.destinations.iter().map(|destination| json!({
            "at": place(sources, &Origin::text(destination.word)),
            "peers": destination.peers.iter().map(|peer| &peer.endpoint).collect::<Vec<_>>(),
            "reaches_an_app": destination.claimed,
        })).collect::<Vec<_>>(),
        "test": known(sources, &nginx.test, |verdict| {
            json!(*verdict == crate::source::nginx_test::Verdict::Passed)
        }),
        "error_log": known(sources, &nginx.log, |log| json!({
            "files": log.files, "upstream_errors": log.entries.len(),
        })),
        "incomplete": nginx.incomplete.as_ref().map(|why| why.text().to_owned()),
    })
}
