use crate::facts::gunicorn::Version;
use crate::facts::release::packages::Venv;
use crate::facts::{App, Why};
use crate::rule::prelude::nearest_within;
use crate::rule::{Finding, Item, Safety, Severity, Sink};

crate::rule! {
    /// gunicorn does not start: it has no such worker class, or a package that the class needs is
    /// not installed.
    ///
    /// `-k` names one of gunicorn's own classes or a class by its dotted path. gunicorn loads it
    /// before it listens and exits with 1 if it cannot; `--check-config` does not notice. Its own
    /// classes: sync, gthread, gevent (gevent_wsgi, gevent_pywsgi), tornado, eventlet up to 25,
    /// asgi from 24 on. gevent, eventlet and tornado need the package of the same name; from 26.1
    /// on gevent also needs `packaging`, which pip does not includes.
    ///
    /// In a repository the class is compared with the list of packages: a miss is an error if that
    /// list is a lock.
    ///
    /// Proved by `worker-class-missing`: gunicorn exited with status 1 at startup, and every
    /// request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 -k uvicorn.workers.UvicornWorker \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 -k gevnt --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// worker_class = "gevent"
    /// ```
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// worker_class = "shop.workers.ShopWorker"
    /// ```
    ///
    /// Healthy: gunicorn's own class, by its name and by its path.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 -k sync --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// worker_class = "gunicorn.workers.sync.SyncWorker"
    /// ```
    G208 "worker-class-missing" {
        severity: Error, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

/// gunicorn's own classes: name, module, the package that it wants.
const OWN: [(&str, &str, Option<&str>); 8] = [
    ("sync", "sync", None),
    ("gthread", "gthread", None),
    ("gevent", "ggevent", Some("gevent")),
    ("gevent_wsgi", "ggevent", Some("gevent")),
    ("gevent_pywsgi", "ggevent", Some("gevent")),
    ("tornado", "gtornado", Some("tornado")),
    ("eventlet", "geventlet", Some("eventlet")),
    ("asgi", "gasgi", None),
];

/// Packages that bring worker classes, by the first part of the class's path.
const OTHERS: [(&str, &[&str]); 6] = [
    ("uvicorn", &["uvicorn"]),
    ("uvicorn_worker", &["uvicorn-worker", "uvicorn"]),
    ("aiohttp", &["aiohttp"]),
    ("meinheld", &["meinheld"]),
    ("sanic", &["sanic"]),
    ("geventwebsocket", &["gevent-websocket", "gevent"]),
];

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let gunicorn = &app.gunicorn;
    let class = gunicorn.settings.worker_class_setting();
    let name = class.get()?.as_str();
    // gunicorn's own entry points; a class of the release's own is the application's code.
    if name.starts_with("egg:") {
        return Ok(());
    }
    let version = gunicorn.version.ok();
    let shown =
        if gunicorn.settings.is_secret("worker_class") { "the class that is set" } else { name };
    let wanted = match own(name) {
        Some((kind, package)) => {
            if let Some(why) = gone(kind, version) {
                report(app, out, shown, &why, "use another class, such as gthread");
                return Ok(());
            }
            package.into_iter().chain(packaging(kind, version)).collect::<Vec<_>>()
        }
        None if name.contains('.') => match OTHERS.iter().find(|(top, _)| first(name) == *top) {
            Some((_, packages)) => packages.to_vec(),
            None => return dotted(app, out, shown),
        },
        None => {
            let there = OWN.iter().filter(|(own, ..)| gone(own, version).is_none());
            let help = match nearest_within(name, 2, there.map(|(own, ..)| *own)) {
                Some(own) => format!("did you mean {own}?"),
                None => "use a class that gunicorn has".to_owned(),
            };
            report(app, out, shown, "does not exist in gunicorn", &help);
            return Ok(());
        }
    };
    if wanted.is_empty() {
        return Ok(());
    }
    if let Some(listed) = &app.release.packages.listed {
        // A list with a package of which it is not known what it brings is none at all.
        if let Some(package) = wanted.into_iter().find(|package| listed.lacks(package)) {
            let file = listed.file.display();
            let why = format!("needs {package}, which nothing in {file} provides");
            let help = format!("Add {package} to {file}");
            let finding = report(app, out, shown, &why, &help).also(Item::Dependencies);
            // What is asked for elsewhere, in a Dockerfile or a playbook, is not known.
            if !listed.locked {
                finding.severity(Severity::Warning);
            }
        }
        return Ok(());
    }
    let venv = gunicorn.venv.get()?;
    if let Some(package) = wanted.into_iter().find(|package| !is_there(venv, package)) {
        if let Some(why) = venv.absence_unknown() {
            return Err(Why::not_understood(why));
        }
        if let Some(path) = venv.path_file_that_adds() {
            return Err(Why::depends(format!(
                "{} may add the directory of {package}",
                path.display()
            )));
        }
        let place = venv.path.display();
        let why = format!("needs {package}, which is not installed in {place}");
        let help = format!("{place}/bin/python -m pip install {package}");
        report(app, out, shown, &why, &help).also(Item::Dependencies);
    }
    Ok(())
}

/// A class of somebody else's: is there such a module at all?
fn dotted(app: &App, out: &mut Sink, shown: &str) -> Result<(), Why> {
    let Some(module) = app.release.code.start.worker_class.get()? else { return Ok(()) };
    let module = match app.gunicorn.settings.is_secret("worker_class") {
        true => "its module",
        false => module.as_str(),
    };
    let why = format!("is in {module}, which is neither installed nor in the release");
    let help = format!("Install the package that provides {module}, or name the right class");
    report(app, out, shown, &why, &help);
    Ok(())
}

fn report<'s>(app: &App, out: &'s mut Sink, class: &str, why: &str, help: &str) -> &'s mut Finding {
    let setting = app.gunicorn.settings.worker_class_setting();
    let finding = out
        .report(format!("gunicorn does not start: worker class {class} {why}"))
        .at_some(setting.span().or_else(|| app.gunicorn.started_at()), "the worker class")
        .help(format!("{help}\nthen: systemctl restart {}", app.name))
        .subject(class);
    finding.fix(Safety::Manual, format!("install what {class} needs"));
    finding
}

fn first(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

/// One of gunicorn's own, by its name or its path: the name, and the package that it wants.
fn own(class: &str) -> Option<(&'static str, Option<&'static str>)> {
    let module = class.strip_prefix("gunicorn.workers.").and_then(|rest| rest.split('.').next());
    let bare = class.trim_start_matches('#');
    OWN.iter()
        .find(|(name, own, _)| *name == bare || module == Some(*own))
        .map(|(name, _, package)| (*name, *package))
}

/// Why this version does not have a class of its own.
fn gone(class: &str, version: Option<&Version>) -> Option<String> {
    let version = version?;
    let at_least = |text| version.at_least(text) == Some(true);
    match class {
        "eventlet" if at_least("26.0") => {
            Some(format!("is gone in gunicorn {version}, with or without eventlet"))
        }
        "asgi" if !at_least("24.0") => Some(format!("does not exist yet in gunicorn {version}")),
        _ => None,
    }
}

fn packaging(class: &str, version: Option<&Version>) -> Option<&'static str> {
    let wants = class.starts_with("gevent")
        && version.is_some_and(|version| version.at_least("26.1") == Some(true));
    wants.then_some("packaging")
}

/// What is left of a package that was removed does not count.
fn is_there(venv: &Venv, package: &str) -> bool {
    let mut distributions = venv.find(package).peekable();
    if distributions.peek().is_some() {
        return distributions.any(|distribution| distribution.metadata_present);
    }
    let entry = package.replace('-', "_");
    venv.has_entry(&entry) || venv.has_entry(&format!("{entry}.py"))
}
