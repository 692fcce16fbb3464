use crate::facts::release::{Listed, Missing, Unresolved};
use crate::rule::prelude::*;

crate::rule! {
    /// The next reload takes the site down: the application imports something that does not exist.
    ///
    /// The imports are followed as Python does, from the module that gunicorn loads through the
    /// release's own modules: packages with and without `__init__.py`, relative imports, `from
    /// package import module`. A module may be in the release, along `--pythonpath` and
    /// `PYTHONPATH`, in the virtual environment (also through `.pth` files and editable installs,
    /// or as an extension module for that Python), or in Python's own library: `cgi` is gone from
    /// 3.13 on, `imp` and `distutils` from 3.12 on. Names in the release's own modules are checked
    /// too: `from shop.models import Order` fails where nothing there defines `Order`.
    ///
    /// Only what certainly runs when a worker starts is an error. Imports in functions, under `if
    /// TYPE_CHECKING:`, in `try … except ImportError`, and under conditions known only at run time
    /// are ignored; conditions on `sys.version_info` and `sys.platform` are evaluated. Directories
    /// that the code adds to `sys.path` are followed if their paths can be worked out; if not, the
    /// rule is skipped, with that reason, for modules that it did not find. Nothing is imported or
    /// run; `--preflight` does that.
    ///
    /// In a repository there is no environment to inspect: the imports are compared with what pip
    /// will install. A miss is an error against a lock, and a warning against a list of packages
    /// whose contents are known, because a Dockerfile may install more.
    ///
    /// By hand: install the package, or remove the import, and try it before the reload:
    /// `cd /srv/myapp/current && /srv/myapp/.venv/bin/python -c 'import wsgi'`.
    ///
    /// Proved by `import-unresolved`: the reload returned 0, the master exited with
    /// ModuleNotFoundError, and the site answered 502 for the rest of the run.
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    /// import stripe
    ///
    /// app = Flask(__name__)
    /// ```
    /// ```python,fixed
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// ```
    ///
    /// Flask imports the settings that a text names:
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config.from_object("config.Production")
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/config.py
    /// class Development:
    ///     DEBUG = True
    /// ```
    /// ```python,good
    /// import os
    ///
    /// from flask import Flask
    ///
    ///
    /// def create_app(settings="config.Production"):
    ///     app = Flask(__name__)
    ///     app.config.from_object(settings)
    ///     app.config.from_object("config.Production")
    ///     app.config.from_object("config")
    ///     if app.testing:
    ///         app.config.from_object("config.Testing")
    ///     return app
    ///
    ///
    /// app = create_app()
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/config.py
    /// class Production:
    ///     pass
    /// ```
    ///
    /// A package of the release, three imports away; and a name that its module no longer has:
    ///
    /// ```python,bad
    /// from shop import app
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/shop/__init__.py
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    ///
    /// from . import views
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/shop/views.py
    /// from .models.order import Order
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/shop/models/__init__.py
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/shop/models/order.py
    /// class Order:
    ///     pass
    /// ```
    ///
    /// ```python,bad
    /// from flask import Flask
    /// from settings import PORT
    ///
    /// app = Flask(__name__)
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/settings.py
    /// HOST = "127.0.0.1"
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/settings.py
    /// HOST, PORT = "127.0.0.1", 8000
    /// ```
    ///
    /// Healthy: imports that are caught, only for type checkers, for another Python, in a function,
    /// or in a directory that the code itself adds.
    ///
    /// ```python,good
    /// import os
    /// import sys
    /// from typing import TYPE_CHECKING
    ///
    /// from flask import Flask
    ///
    /// sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
    /// import pricing
    ///
    /// if TYPE_CHECKING:
    ///     from stripe import Charge
    /// if sys.version_info < (3, 9):
    ///     import backports.zoneinfo as zoneinfo
    /// try:
    ///     import ujson as json
    /// except ImportError:
    ///     import json
    ///
    /// app = Flask(__name__)
    ///
    ///
    /// def pay(amount):
    ///     import stripe
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/lib/pricing.py
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-14/lib/pricing.py
    /// ```
    R717 "import-unresolved" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let imports = app.release.code.imports.get()?;
    for why in &imports.unknown {
        out.skip(why);
    }
    for unresolved in &imports.unresolved {
        let message = format!(
            "the next reload takes the site down: {}: {}",
            cause(app, unresolved),
            unresolved.way
        );
        // The import that fails is what has to be changed; the others lead there.
        let spans = unresolved.chain.iter().rev().enumerate().map(|(number, span)| match number {
            0 => (*span, note(unresolved)),
            _ => (*span, "imports it at startup".to_owned()),
        });
        help(app, unresolved, out.report(message).at_each(spans));
    }
    if let Some(listed) = &app.release.packages.listed {
        for (unresolved, distribution) in &imports.unlisted {
            unlisted(unresolved, distribution, listed, out);
        }
    }
    Ok(())
}

/// What a repository's list does not bring. A file that asks for packages may have others next to
/// it, in a Dockerfile or a playbook; a lock is all there is.
fn unlisted(unresolved: &Unresolved, distribution: &str, listed: &Listed, out: &mut Sink) {
    let (file, name) = (listed.file.display(), unresolved.missing.shown());
    let severity = if listed.locked { Severity::Error } else { Severity::Warning };
    let spans = unresolved.chain.iter().rev().enumerate().map(|(number, span)| match number {
        0 => (*span, format!("{name} comes with {distribution}")),
        _ => (*span, "imports it at startup".to_owned()),
    });
    out.report(format!(
        "the next reload takes the site down: the application imports {name}, and nothing in \
         {file} provides it: {}",
        unresolved.way
    ))
    .severity(severity)
    .at_each(spans)
    .help(format!(
        "Add {distribution} to {file}; if something else installs it: deploy-doctor check --ignore R717"
    ))
    .subject(name.clone())
    .fix(Safety::Manual, format!("install {distribution}"));
}

fn cause(app: &App, unresolved: &Unresolved) -> String {
    let python = app.gunicorn.python.ok();
    match (&unresolved.missing, unresolved.last_python, python) {
        (Missing::Module(name), Some(last), Some((major, minor))) => format!(
            "the application imports {name}, which Python {major}.{minor} no longer has \
             ({major}.{last} was the last)"
        ),
        (Missing::Module(name), ..) => {
            format!("the application imports {name}, which cannot be found")
        }
        (Missing::NamedBy(_), ..) => {
            format!("{} cannot be found", unresolved.missing.shown())
        }
        (Missing::Name { module, name, path }, ..) => format!(
            "the application imports {name} from {module}, and {} does not define it",
            path.display()
        ),
        (Missing::Relative { .. }, ..) => {
            "the application uses a relative import in a module that is in no package".to_owned()
        }
    }
}

fn note(unresolved: &Unresolved) -> String {
    match &unresolved.missing {
        Missing::Module(name) => format!("{name} is neither in the release nor installed"),
        Missing::NamedBy(_) => "it is neither in the release nor installed".to_owned(),
        Missing::Name { name, .. } => format!("{name} is not defined there"),
        Missing::Relative { .. } => "ImportError: no known parent package".to_owned(),
    }
}

fn help(app: &App, unresolved: &Unresolved, finding: &mut Finding) {
    if let Missing::NamedBy(variable) = unresolved.missing {
        finding
            .help(format!("Set {variable} to the name of a module of the release"))
            .subject(unresolved.missing.shown())
            .fix(Safety::Manual, format!("name an existing module in {variable}"));
        return;
    }
    let python = app.gunicorn.venv.ok().map(|venv| venv.path.join("bin/python"));
    let python = python.map_or("python3".to_owned(), |path| path.display().to_string());
    let module = app.release.code.application.ok().map(|application| &application.name.module);
    let directory = app.release.directory.ok().map(|place| place.path.display().to_string());
    let (Some(module), Some(directory)) = (module, directory) else { return };
    let first = match &unresolved.missing {
        Missing::Module(name) if !name.contains('.') => {
            format!("Install the package that provides {name}, or remove the import")
        }
        Missing::Relative { .. } => {
            "Make gunicorn load the module as part of its package (package.module:app), or import \
             without the dot"
                .to_owned()
        }
        _ => "Correct the import, or add the missing module or name to the release".to_owned(),
    };
    // Django looks at the URLs only when the first request comes.
    let urls = match app.release.code.django_settings {
        Some(_) => "; from django.urls import get_resolver; get_resolver().url_patterns",
        None => "",
    };
    finding
        .help(format!(
            "{first}; try it before the reload:\n  cd {directory} && {python} -c 'import \
             {module}{urls}'"
        ))
        .subject(unresolved.missing.shown())
        .fix(Safety::Manual, "install the module or correct the import");
}
