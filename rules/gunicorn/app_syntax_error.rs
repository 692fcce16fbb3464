use crate::facts::release::Resolution;
use crate::facts::{App, Why};
use crate::rule::{Safety, Severity, Sink};

crate::rule! {
    /// A module of the application cannot be compiled: a reload takes the site down.
    ///
    /// On HUP the old workers are stopped before the new ones have imported anything. A
    /// `SyntaxError` then ends the new workers, and the master with them: a full outage 0.3 to 4
    /// seconds after the reload, measured in every version and with any number of workers. The
    /// virtual environment's Python decides: `match` is an error before 3.10, a nested quote in an
    /// f-string before 3.12.
    ///
    /// The module gunicorn imports is checked, and so are the application's modules that it imports
    /// in turn. If an import is in a function, a branch or a `try`, the worker may still boot: that
    /// is a warning.
    ///
    /// By hand: correct the line, and try all files with the application's own Python before the
    /// reload: `.venv/bin/python -m compileall -q /srv/myapp/current`.
    ///
    /// Proved by `app-syntax-error`: the reload returned 0, the master exited, and the site
    /// answered 502 for the rest of the run.
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    /// app = Flask(__name__
    /// app.config["DEBUG"] = False
    /// ```
    /// ```python,fixed
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config["DEBUG"] = False
    /// ```
    ///
    /// Python 3.11, as in the healthy deployment, cannot read what 3.12 can:
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// settings = {"name": "shop"}
    /// app.config["TITLE"] = f"Welcome to {settings["name"]}"
    /// ```
    /// ```python,fixed
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// settings = {"name": "shop"}
    /// app.config["TITLE"] = f"Welcome to {settings['name']}"
    /// ```
    ///
    /// In a module that the first one imports:
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    /// import views
    ///
    /// app = Flask(__name__)
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/views.py
    /// def index()
    ///     return "hello"
    /// ```
    ///
    /// Healthy: `match` in Python 3.11, and a broken file that nothing imports.
    ///
    /// ```python,good
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// match app.name:
    ///     case "wsgi":
    ///         app.config["TITLE"] = "shop"
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/notes.py
    /// print "a file of Python 2 that nobody imports"
    /// ```
    G211 "app-syntax-error" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let application = app.release.code.application.get()?;
    if let Resolution::Missing(_) = application.resolution {
        return Err(Why::not_read("the application's module was not found"));
    }
    let python = app.gunicorn.python.ok();
    let version = match python {
        Some((major, minor)) => format!("Python {major}.{minor}"),
        None => "Python".to_owned(),
    };
    for module in &app.release.code.modules {
        if let Some(what) = &module.not_judged {
            out.skip(&Why::not_understood(format!("{} is {what}", module.path.display())));
        }
        let Some(fault) = module.faults.first() else { continue };
        let (path, cause) = (module.path.display(), &fault.message);
        let (severity, consequence) = match module.certain {
            true => (Severity::Error, "a reload takes the site down"),
            false => (
                Severity::Warning,
                "a part of the application fails, or a reload takes the site down",
            ),
        };
        let tool = match app.gunicorn.venv.ok() {
            Some(venv) => format!("{}/bin/python", venv.path.display()),
            None => "python3".to_owned(),
        };
        out.report(format!("{consequence}: {version} cannot compile {path}"))
            .severity(severity)
            .at(fault.span, cause.clone())
            .help(format!("Correct it, then check that it compiles: {tool} -m py_compile {path}"))
            .fix(Safety::Manual, "correct the syntax");
    }
    // Silence about newer syntax is worth nothing where the version is not known.
    app.gunicorn.python.get().map(|_| ())
}
