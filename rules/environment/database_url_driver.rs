use std::collections::BTreeMap;

use crate::facts::WhyKind;
use crate::facts::release::packages::Venv;
use crate::rule::prelude::*;

crate::rule! {
    /// The database's URL asks for something that is not installed: the application fails when it
    /// connects, most often while it is imported.
    ///
    /// SQLAlchemy takes the driver from the URL's scheme, and imports it when the engine is made:
    ///
    /// - `postgres://` has not been a dialect since SQLAlchemy 1.4 (*Can't load plugin:
    ///   sqlalchemy.dialects:postgres*); write `postgresql://`;
    /// - `postgresql://` means psycopg2 up to SQLAlchemy 2.0, and psycopg 3 from 2.1 on;
    /// - `postgresql+asyncpg://`, `mysql+pymysql://` and the like name the driver.
    ///
    /// The variables for databases, such as DATABASE_URL, are checked; if the code is not known to
    /// read one at startup, this is a warning. Nothing is reported if the code itself names a
    /// scheme, because it may change the environment's value. Only the scheme of the value is read,
    /// and nothing is shown.
    ///
    /// By hand: write the scheme that names the installed driver (`postgresql+psycopg2://`), or
    /// install the driver.
    ///
    /// Django names an engine instead (`ENGINE` of `DATABASES`), and imports its driver with the first
    /// model: `django.db.backends.postgresql` needs psycopg or psycopg2, `mysql` needs mysqlclient.
    ///
    /// Proved by `django-driver-missing`: the reload returned 0, the master exited with
    /// `ImproperlyConfigured`, and the site answered 502 for the rest of the run.
    ///
    /// Proved by `database-url-driver`: the reload returned 0, the master exited, and the site
    /// answered 502 for the rest of the run.
    ///
    /// ```env,bad
    /// SECRET_KEY=7f1c9a52f0b84d3f9d0e6c1a5b2e8f47
    /// DATABASE_URL=postgres://myapp:hunter2@127.0.0.1/myapp
    /// ```
    /// ```python,bad
    /// import os
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
    /// app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    /// ```
    /// ```python,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/psycopg2/__init__.py
    /// ```
    /// ```text,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/SQLAlchemy-2.0.30.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: SQLAlchemy
    /// Version: 2.0.30
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=7f1c9a52f0b84d3f9d0e6c1a5b2e8f47
    /// DATABASE_URL=postgresql://myapp:hunter2@127.0.0.1/myapp
    /// ```
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
    /// DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "myapp"}}
    /// ```
    /// ```python,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/django/core/wsgi.py
    /// ```
    ///
    /// Healthy: the code itself corrects the scheme.
    ///
    /// ```env,good
    /// SECRET_KEY=7f1c9a52f0b84d3f9d0e6c1a5b2e8f47
    /// DATABASE_URL=postgres://myapp:hunter2@127.0.0.1/myapp
    /// ```
    /// ```python,good
    /// import os
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
    /// app.config["SQLALCHEMY_DATABASE_URI"] = url
    /// ```
    /// ```text,good,file=/srv/myapp/.venv/lib/python3.11/site-packages/SQLAlchemy-2.0.30.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: SQLAlchemy
    /// Version: 2.0.30
    /// ```
    E413 "database-url-driver" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

/// What a URL's scheme asks for, and how sure it is that the application fails.
struct WantedDriver {
    cause: String,
    severity: Severity,
    help: &'static str,
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    if let Err(why) = engine(app, out) {
        out.skip(&why);
    }
    let code = &app.release.code;
    let certain = || code.modules.iter().filter(|module| module.certain);
    let reads = certain().flat_map(|module| &module.environment.variables);
    // What is set and not read for certain may still be read by a library or in a function.
    let set = app.environment.variables.keys().map(|name| (name.to_string(), None));
    let mut names: BTreeMap<String, Option<Span>> = set.collect();
    names.extend(reads.map(|read| (read.name.clone(), Some(read.span))));
    names.retain(|name, _| names_database(name));
    if names.is_empty() {
        return Ok(());
    }
    let venv = match app.gunicorn.venv.get() {
        Ok(venv) => venv,
        Err(why) if why.kind() == WhyKind::NotRead => return Err(why),
        Err(_) => return Ok(()),
    };
    // What an upgrade that was broken off left has no metadata.
    let whole = venv.find("sqlalchemy").find(|found| found.metadata_present);
    let Some(version) = whole.and_then(|found| found.version.as_ref()) else {
        return Ok(());
    };
    // dj-database-url knows schemes of its own, and so does what the code itself names.
    if venv.find("django").next().is_some() || code.modules.iter().any(|m| m.names_scheme) {
        return Ok(());
    }
    let release = version.release();
    let version = (release.first().copied().unwrap_or(0), release.get(1).copied().unwrap_or(0));
    for (name, read) in names {
        let Some(variable) = app.variable(&name)? else {
            continue;
        };
        let value = variable.value.expose_str().unwrap_or_default();
        let Some((scheme, _)) = value.split_once("://") else { continue };
        let Some(wanted) = wanted(scheme, version, venv)? else { continue };
        let severity = if read.is_some() { wanted.severity } else { Severity::Warning };
        out.report(format!(
            "the next reload takes the site down if the code connects at startup: {name} {}",
            wanted.cause
        ))
        .severity(severity)
        .at_first([(variable.span, "set here"), (read, "read here")])
        .help(wanted.help)
        .subject(name)
        .fix(Safety::Manual, "write a scheme whose driver is installed, or install the driver");
    }
    Ok(())
}

/// Django imports the driver of its `ENGINE` with the first model, which is when it starts.
fn engine(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(django) = &app.release.django else { return Ok(()) };
    // What is not known of it is no driver that is missing.
    let Some(engine) = django.engine.ok() else { return Ok(()) };
    let drivers: &[&str] = match engine.rsplit('.').next().unwrap_or(engine) {
        "postgresql" | "postgresql_psycopg2" | "postgis" => &["psycopg", "psycopg2"],
        "mysql" => &["MySQLdb", "pymysql"],
        "oracle" => &["oracledb", "cx_Oracle"],
        _ => return Ok(()),
    };
    let own = engine.starts_with("django.db.backends.")
        || engine.starts_with("django.contrib.gis.db.backends.");
    let Ok(venv) = app.gunicorn.venv.get() else { return Ok(()) };
    if !own || drivers.iter().any(|driver| venv.has_entry(driver)) {
        return Ok(());
    }
    let Some(first) = drivers.first().copied() else { return Ok(()) };
    if let Some(why) = venv.absence_unknown() {
        return Err(Why::not_understood(why));
    }
    if let Some(path) = venv.path_file_that_adds() {
        return Err(Why::depends(format!("{} may add the directory of {first}", path.display())));
    }
    let (package, or) = match first {
        "MySQLdb" => ("mysqlclient", ""),
        "psycopg" => ("psycopg[binary]", ", nor psycopg2"),
        _ => (first, ""),
    };
    out.report(format!(
        "the next reload takes the site down: Django's database engine is {engine}, and its driver \
         {first} is not in {}{or}",
        venv.path.display()
    ))
    .at_some(django.engine.span(), "names the engine")
    .at_some(app.gunicorn.started_at(), "in this environment")
    .help(format!(
        "{}/bin/python -m pip install '{package}'\nand add it to the release's requirements",
        venv.path.display()
    ))
    .subject("ENGINE")
    .fix(Safety::Manual, format!("install {package}"));
    Ok(())
}

fn names_database(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["DATABASE_URL", "DATABASE_URI", "DB_URL", "DB_URI", "SQLALCHEMY_URL"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn wanted(scheme: &str, version: (u64, u64), venv: &Venv) -> Result<Option<WantedDriver>, Why> {
    if scheme == "postgres" {
        return Ok((version >= (1, 4)).then(|| WantedDriver {
            cause: "begins with postgres://, which SQLAlchemy does not accept since 1.4".into(),
            severity: Severity::Error,
            help: "Write postgresql:// instead of postgres://, then restart.",
        }));
    }
    let (driver, by_default) = match scheme {
        "postgresql" if version >= (2, 1) => ("psycopg", true),
        "postgresql" => ("psycopg2", true),
        "mysql" | "mariadb" => ("MySQLdb", true),
        "postgresql+psycopg2" => ("psycopg2", false),
        "postgresql+psycopg" | "postgresql+psycopg_async" => ("psycopg", false),
        "postgresql+asyncpg" => ("asyncpg", false),
        "postgresql+pg8000" => ("pg8000", false),
        "mysql+pymysql" | "mariadb+pymysql" => ("pymysql", false),
        "mysql+mysqldb" => ("MySQLdb", false),
        "sqlite+aiosqlite" => ("aiosqlite", false),
        _ => return Ok(None),
    };
    if venv.has_entry(driver) {
        return Ok(None);
    }
    if let Some(why) = venv.absence_unknown() {
        return Err(Why::not_understood(why));
    }
    if let Some(path) = venv.path_file_that_adds() {
        return Err(Why::depends(format!("{} may add the directory of {driver}", path.display())));
    }
    let other = venv.has_entry("psycopg2") && driver == "psycopg";
    let cause = match (by_default, other) {
        (true, true) => format!(
            "uses the driver psycopg (3) since SQLAlchemy 2.1, but only psycopg2 is installed in \
             {}",
            venv.path.display()
        ),
        _ => format!("uses the driver {driver}, which is not in {}", venv.path.display()),
    };
    Ok(Some(WantedDriver {
        cause,
        // What the code does with a URL without a driver is its own affair.
        severity: if by_default { Severity::Warning } else { Severity::Error },
        help: match other {
            true => "Write postgresql+psycopg2:// instead of postgresql://, or install psycopg.",
            false => {
                "Install the driver in that environment, or write the scheme of a driver that \
                 is installed."
            }
        },
    }))
}
