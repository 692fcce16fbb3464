use crate::facts::gunicorn::Version;
use crate::facts::release::{Application, Resolution};
use crate::facts::{App, Why};
use crate::rule::{Edit, Safety, Sink};

crate::rule! {
    /// Debug mode is on: exceptions bypass the application's error handlers, and debug toolbars or
    /// debug pages may be on too.
    ///
    /// Flask treats `FLASK_DEBUG` as true unless it is empty, `0`, `false` or `no`, in upper or
    /// lower case: `off` and `n` turn debugging **on** (`flask.helpers.get_debug_flag`). Before
    /// Flask 2.3 `FLASK_ENV=development` turned it on too, and code still chooses configuration
    /// classes by it. Most settings modules read `DEBUG=1`; if none of the application's modules
    /// mentions `DEBUG`, the variable turns nothing on. Measured under gunicorn: no traceback is
    /// shown, but a request that lacks a field gets 500 where it got 400.
    ///
    /// Proved by `debug-in-production`: a request without a field was answered with 500 instead of
    /// 400, because debug mode lets the exception through.
    ///
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// FLASK_DEBUG=1
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// FLASK_DEBUG=0
    /// ```
    /// ```env,good
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// FLASK_DEBUG=False
    /// FLASK_ENV=production
    /// DEBUG=
    /// ```
    /// A word that looks like "off" but is not:
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// FLASK_DEBUG=off
    /// ```
    /// `FLASK_ENV` in the unit, in code that chooses its configuration by it (Flask itself no
    /// longer reads it from 2.3 on):
    /// ```python,bad
    /// import os
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config.from_object(f"config.{os.environ.get('FLASK_ENV', 'production')}")
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment=FLASK_ENV=development
    /// ```
    /// Here nothing reads `FLASK_ENV`:
    /// ```ini,good,drop-in
    /// [Service]
    /// Environment=FLASK_ENV=development
    /// ```
    /// Nor does anything read `DEBUG`, which only the application could:
    /// ```env,good
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// DEBUG=1
    /// ```
    /// ```python,bad
    /// import os
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config["PROPAGATE_EXCEPTIONS"] = os.environ.get("DEBUG") == "1"
    /// ```
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// DEBUG=1
    /// ```
    /// Here the environment file overrides the unit and turns debug mode off again:
    /// ```ini,good,drop-in
    /// [Service]
    /// Environment=DEBUG=1
    /// ```
    /// ```env,good
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// DEBUG=0
    /// ```
    /// On gunicorn's command line, which overrides them all:
    /// ```ini,bad
    /// [Unit]
    /// Description=Gunicorn for myapp
    /// After=network.target
    ///
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn \
    ///     --workers 3 \
    ///     --env FLASK_DEBUG=1 \
    ///     --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock \
    ///     wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// KillMode=mixed
    /// TimeoutStopSec=40
    /// Restart=always
    /// RestartSec=3
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// Debug mode in the code itself; under `if __name__ == "__main__":` it applies only to `python
    /// app.py`:
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config["DEBUG"] = True
    /// ```
    /// ```python,good
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    ///
    /// if __name__ == "__main__":
    ///     app.run(debug=True)
    /// ```
    /// Debug mode in the configuration that the code loads; a configuration that nothing loads does
    /// not count:
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config.from_object("config.Development")
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/config.py
    /// class Base:
    ///     DEBUG = False
    ///
    ///
    /// class Development(Base):
    ///     DEBUG = True
    ///
    ///
    /// class Production(Base):
    ///     pass
    /// ```
    /// ```python,good
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config.from_object("config.Production")
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/config.py
    /// class Base:
    ///     DEBUG = False
    ///
    ///
    /// class Development(Base):
    ///     DEBUG = True
    ///
    ///
    /// class Production(Base):
    ///     pass
    /// ```
    /// The configuration may be chosen by a variable, which this service sets nowhere, so that the
    /// default is taken:
    ///
    /// ```python,bad
    /// import os
    ///
    /// from factory import create_app
    ///
    /// app = create_app(os.getenv("APP_CONFIG") or "default")
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/factory.py
    /// from flask import Flask
    ///
    /// from config import config
    ///
    ///
    /// def create_app(name="production"):
    ///     app = Flask(__name__)
    ///     app.config.from_object(config[name])
    ///     return app
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/config.py
    /// class Development:
    ///     DEBUG = True
    ///
    ///
    /// class Production:
    ///     DEBUG = False
    ///
    ///
    /// config = {"production": Production, "default": Development}
    /// ```
    /// ```python,good
    /// import os
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config.from_object(os.environ.get("APP_SETTINGS", "config.Production"))
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/config.py
    /// class Development:
    ///     DEBUG = True
    ///
    ///
    /// class Production:
    ///     DEBUG = False
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// Environment=APP_SETTINGS=config.Production
    /// ```
    ///
    /// Django's `DEBUG`, in the settings this application starts with: error pages show source code
    /// and settings to anyone who causes an error (measured on Django 5.2), and every query is kept
    /// in memory.
    E408 "debug-in-production" {
        severity: Error, impact: Exposure, fix: Some(Safe), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

/// A variable's name, which values turn debug mode on, and one that turns it off.
type Switch = (&'static str, fn(&str) -> bool, &'static str);

/// The variables that turn debug mode on.
const SWITCHES: [Switch; 3] = [
    ("FLASK_DEBUG", is_true_to_flask, "0"),
    ("FLASK_ENV", is_development, "production"),
    ("DEBUG", is_true, "0"),
];

/// `flask.helpers.get_debug_flag`: only these are false.
fn is_true_to_flask(value: &str) -> bool {
    !value.is_empty() && !["0", "false", "no"].contains(&value.to_lowercase().as_str())
}

fn is_development(value: &str) -> bool {
    value == "development"
}

/// What the usual readers of settings take for true; `DEBUG=app:*` is another program's.
fn is_true(value: &str) -> bool {
    ["1", "true", "yes", "on", "y", "t"].contains(&value.to_lowercase().as_str())
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let reported = variables(app, out);
    // The same thing twice, where the settings take it from that variable.
    if let Some(debug) = app.release.django.as_ref().map(|django| &django.debug)
        && !reported
        && *debug.get()?
    {
        out.report(
            "visitors see source code and settings on error pages: DEBUG is on in the settings that \
             this application starts with",
        )
        .at_known(debug, "debug mode in production")
        .help("write DEBUG = False there, or read it from the environment, with off as the default")
        .subject("DEBUG in settings")
        .fix(Safety::Manual, "set DEBUG = False in Django's settings");
    }
    let made = app.release.code.made.ok().and_then(Option::as_ref);
    let mut certain = app.release.code.modules.iter().filter(|module| module.certain);
    if made.is_some_and(|made| made.maker == "Flask")
        && let Some(on) = certain.find_map(|module| module.flask_debug)
    {
        match on.configuration {
            None => out
                .report(
                    "exceptions bypass the application's error handlers: its code turns debug mode on, \
                     whatever the environment says",
                )
                .at(on.span, "debug mode in production")
                .help("remove the line: FLASK_DEBUG=1 turns it on for development"),
            Some(configuration) => out
                .report(
                    "exceptions bypass the application's error handlers: the configuration that its \
                     code loads turns debug mode on",
                )
                .at(on.span, "loads this configuration in production")
                .at(configuration, "debug mode")
                .help(
                    "load a configuration without DEBUG = True here; if a variable chooses it, set that \
                     variable for the service",
                ),
        }
        .subject("debug in the code")
        .fix(Safety::Manual, "remove debug mode from the code");
    }
    Ok(())
}

/// Variables that turn debug mode on; returns whether one does.
fn variables(app: &App, out: &mut Sink) -> bool {
    let mut reported = false;
    for (name, turns_on, off) in SWITCHES {
        let variable = match app.variable(name) {
            Ok(Some(variable)) => variable,
            Ok(None) => continue,
            Err(why) => {
                out.skip(&why.about(name));
                continue;
            }
        };
        if !variable.value.expose_str().is_some_and(turns_on) {
            continue;
        }
        if name == "FLASK_ENV" {
            match reads_flask_env(app) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(why) => {
                    out.skip(&why);
                    continue;
                }
            }
        }
        if name == "DEBUG" && nobody_reads_debug(app) {
            continue;
        }
        // A comment that became part of the value is E403's, and not to be lost.
        let commented = variable.value.expose_str().is_some_and(|value| value.contains(" #"));
        let edits = match commented {
            true => {
                Err(Why::not_understood("a comment that became part of the value would be lost"))
            }
            false => Edit::variable(app, name, off).map(|edit| vec![edit]),
        };
        out.report(format!(
            "visitors may see source code and settings instead of the application's error pages: \
             {name} turns debug mode on"
        ))
        .at_some(variable.span, "debug mode in production")
        .help(help(name, off))
        .by_hand(variable.span)
        .subject(name)
        .fix_or_why(Safety::Safe, format!("{name}={off}"), edits);
        reported = true;
    }
    reported
}

/// `DEBUG` is the application's own: does none of its modules mention it?
fn nobody_reads_debug(app: &App) -> bool {
    let code = &app.release.code;
    let read = |application: &Application| matches!(application.resolution, Resolution::File(_));
    code.application.ok().is_some_and(read)
        && code.open.is_none()
        && code.imports.ok().is_some_and(|imports| imports.unknown.is_empty())
        && !code.modules.iter().any(|module| module.may_read_debug || module.not_judged.is_some())
}

/// Does anything look at FLASK_ENV: the application itself, or a Flask before 2.3?
fn reads_flask_env(app: &App) -> Result<bool, Why> {
    let code = &app.release.code;
    let mut reads = code.modules.iter().flat_map(|module| &module.environment.variables);
    if reads.any(|read| read.name == "FLASK_ENV") {
        return Ok(true);
    }
    let unknown = |what: &str| Why::not_understood(format!("FLASK_ENV: {what} is not known"));
    let venv = app.gunicorn.venv.get().map_err(|_| unknown("Flask's version"))?;
    if let Some(flask) = venv.find("flask").next() {
        let version = flask.version.as_ref().ok_or_else(|| unknown("Flask's version"))?;
        let version = Version::parse(&version.to_string());
        let new = version.and_then(|version| version.at_least("2.3"));
        if !new.ok_or_else(|| unknown("Flask's version"))? {
            return Ok(true);
        }
    }
    match code.application.ok() {
        Some(_) if code.open.is_none() => Ok(false),
        _ => Err(unknown("whether the code reads it")),
    }
}

fn help(name: &str, off: &str) -> String {
    let flask = if name == "FLASK_DEBUG" {
        "\nFlask treats any value but empty, 0, false or no as true"
    } else {
        ""
    };
    format!("set {name}={off}{flask}")
}
