//! Whether the packages that a repository lists provide a module: without a virtual environment to
//! look into, the list says what pip will install.

use std::collections::HashSet;
use std::path::PathBuf;

use super::requirements_file::RequirementsFile;
use crate::source::requirements::{Format, Requirement};

/// A distribution, the modules that it has, and the distributions that it has brought along in any
/// of its versions, where those are among these (PyPI's metadata of 2026-11, and of older versions).
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

const ROWS: &[Row] = &[
    ("alembic", &["alembic"], &["mako", "sqlalchemy", "python-dateutil"]),
    ("amqp", &[], &["vine"]),
    ("aniso8601", &[], &[]),
    ("annotated-doc", &[], &[]),
    ("annotated-types", &[], &[]),
    ("anyio", &[], &["idna", "sniffio", "exceptiongroup"]),
    ("apscheduler", &["apscheduler"], &["pytz", "tzlocal", "six"]),
    ("asgiref", &[], &[]),
    ("async-timeout", &[], &[]),
    ("babel", &["babel"], &["pytz"]),
    ("backports-zoneinfo", &[], &[]),
    ("bcrypt", &["bcrypt"], &["cffi", "six"]),
    ("beautifulsoup4", &["bs4"], &["soupsieve"]),
    ("billiard", &[], &[]),
    ("bleach", &["bleach"], &["webencodings", "six", "packaging", "html5lib"]),
    ("blinker", &[], &[]),
    ("boto3", &["boto3"], &["botocore", "jmespath", "s3transfer"]),
    ("botocore", &["botocore"], &["jmespath", "python-dateutil", "urllib3", "docutils", "six"]),
    ("brotli", &[], &[]),
    ("cachelib", &[], &[]),
    (
        "celery",
        &["celery"],
        &[
            "billiard",
            "click",
            "click-didyoumean",
            "click-plugins",
            "click-repl",
            "exceptiongroup",
            "kombu",
            "python-dateutil",
            "tzlocal",
            "tzdata",
            "vine",
            "pytz",
            "backports-zoneinfo",
        ],
    ),
    ("certifi", &[], &[]),
    ("cffi", &[], &["pycparser"]),
    ("chardet", &[], &[]),
    ("charset-normalizer", &[], &[]),
    ("click", &[], &["importlib-metadata", "colorama"]),
    ("click-didyoumean", &[], &["click"]),
    ("click-plugins", &[], &["click"]),
    ("click-repl", &[], &["click", "prompt-toolkit", "six"]),
    ("colorama", &[], &[]),
    ("croniter", &[], &["python-dateutil", "pytz", "natsort"]),
    ("cryptography", &["cryptography"], &["cffi", "six", "idna"]),
    ("deprecated", &[], &["wrapt"]),
    ("dj-database-url", &["dj_database_url"], &["django", "typing-extensions"]),
    ("django", &["django"], &["asgiref", "sqlparse", "tzdata", "pytz", "backports-zoneinfo"]),
    ("django-cors-headers", &["corsheaders"], &["asgiref", "django"]),
    ("django-debug-toolbar", &["debug_toolbar"], &["django", "sqlparse"]),
    ("django-environ", &["environ"], &[]),
    ("django-filter", &["django_filters"], &["django"]),
    ("django-redis", &["django_redis"], &["django", "redis"]),
    ("django-storages", &["storages"], &["django"]),
    ("djangorestframework", &["rest_framework"], &["django", "pytz", "backports-zoneinfo"]),
    ("dnspython", &[], &[]),
    ("docutils", &[], &[]),
    ("email-validator", &["email_validator"], &["dnspython", "idna"]),
    ("environs", &["environs"], &["marshmallow", "python-dotenv"]),
    ("eventlet", &["eventlet"], &["dnspython", "greenlet", "six", "monotonic"]),
    ("exceptiongroup", &[], &[]),
    (
        "flask",
        &["flask"],
        &[
            "blinker",
            "click",
            "importlib-metadata",
            "itsdangerous",
            "jinja2",
            "markupsafe",
            "werkzeug",
        ],
    ),
    ("flask-admin", &["flask_admin"], &["flask", "wtforms", "jinja2", "markupsafe", "werkzeug"]),
    ("flask-babel", &["flask_babel"], &["babel", "flask", "jinja2", "pytz"]),
    ("flask-bcrypt", &["flask_bcrypt"], &["bcrypt", "flask"]),
    ("flask-caching", &["flask_caching"], &["cachelib", "flask"]),
    ("flask-compress", &["flask_compress"], &["brotli", "flask"]),
    ("flask-cors", &["flask_cors"], &["flask", "six", "werkzeug"]),
    ("flask-jwt-extended", &["flask_jwt_extended"], &["flask", "pyjwt", "werkzeug", "six"]),
    ("flask-limiter", &["flask_limiter"], &["flask", "limits", "ordered-set", "rich", "six"]),
    ("flask-login", &["flask_login"], &["flask", "werkzeug"]),
    ("flask-mail", &["flask_mail"], &["blinker", "flask"]),
    ("flask-marshmallow", &["flask_marshmallow"], &["flask", "marshmallow", "six", "packaging"]),
    ("flask-migrate", &["flask_migrate"], &["alembic", "flask", "flask-sqlalchemy"]),
    ("flask-restful", &["flask_restful"], &["aniso8601", "flask", "pytz", "six"]),
    ("flask-session", &["flask_session"], &["cachelib", "flask", "msgspec"]),
    ("flask-sqlalchemy", &["flask_sqlalchemy"], &["flask", "sqlalchemy"]),
    ("flask-talisman", &["flask_talisman"], &["six"]),
    ("flask-wtf", &["flask_wtf"], &["flask", "itsdangerous", "wtforms"]),
    ("gevent", &["gevent"], &["cffi", "greenlet", "zope-event", "zope-interface"]),
    ("gevent-websocket", &["geventwebsocket"], &["gevent"]),
    ("greenlet", &[], &[]),
    ("gunicorn", &["gunicorn"], &["packaging", "setuptools", "importlib-metadata"]),
    ("h11", &[], &[]),
    ("html5lib", &[], &["six", "webencodings"]),
    ("idna", &[], &[]),
    ("importlib-metadata", &[], &["zipp", "typing-extensions"]),
    ("itsdangerous", &["itsdangerous"], &[]),
    ("jinja2", &["jinja2"], &["markupsafe"]),
    ("jmespath", &[], &[]),
    ("kombu", &["kombu"], &["amqp", "tzdata", "vine", "packaging", "importlib-metadata"]),
    ("limits", &[], &["deprecated", "packaging", "six", "importlib-resources"]),
    ("lxml", &["lxml"], &[]),
    ("mako", &[], &["markupsafe"]),
    ("markdown", &["markdown"], &["importlib-metadata"]),
    ("markdown-it-py", &[], &[]),
    ("markupsafe", &["markupsafe"], &[]),
    ("marshmallow", &["marshmallow"], &["packaging"]),
    ("monotonic", &[], &[]),
    ("msgspec", &[], &[]),
    ("mysqlclient", &["MySQLdb"], &[]),
    ("numpy", &["numpy"], &[]),
    ("ordered-set", &[], &[]),
    ("packaging", &["packaging"], &["pyparsing", "six"]),
    ("pandas", &["pandas"], &["numpy", "python-dateutil", "pytz", "tzdata"]),
    ("pillow", &["PIL"], &[]),
    ("prometheus-client", &["prometheus_client"], &[]),
    ("prompt-toolkit", &[], &["wcwidth"]),
    ("psycopg", &["psycopg"], &["tzdata", "typing-extensions", "backports-zoneinfo"]),
    ("psycopg-binary", &[], &[]),
    ("psycopg2", &["psycopg2"], &[]),
    ("psycopg2-binary", &["psycopg2"], &[]),
    ("pycparser", &[], &[]),
    ("pygments", &[], &[]),
    ("pyjwt", &["jwt"], &["typing-extensions"]),
    ("pymongo", &["pymongo"], &["dnspython"]),
    ("pymysql", &["pymysql"], &[]),
    ("pyparsing", &[], &[]),
    ("python-dateutil", &["dateutil"], &["six"]),
    ("python-decouple", &["decouple"], &[]),
    ("python-dotenv", &["dotenv"], &[]),
    ("python-json-logger", &["pythonjsonlogger"], &["typing-extensions"]),
    ("pytz", &["pytz"], &[]),
    ("pyyaml", &["yaml"], &[]),
    ("redis", &["redis"], &["async-timeout", "packaging", "deprecated", "pyjwt"]),
    ("requests", &["requests"], &["certifi", "chardet", "charset-normalizer", "idna", "urllib3"]),
    ("rich", &[], &["pygments", "markdown-it-py", "typing-extensions"]),
    ("rq", &["rq"], &["click", "croniter", "redis"]),
    ("s3transfer", &[], &["botocore"]),
    ("sentry-sdk", &["sentry_sdk"], &["certifi", "urllib3"]),
    ("setuptools", &[], &[]),
    ("six", &["six"], &[]),
    ("sniffio", &[], &[]),
    ("soupsieve", &[], &[]),
    ("sqlalchemy", &["sqlalchemy"], &["greenlet", "typing-extensions", "importlib-metadata"]),
    ("sqlparse", &[], &[]),
    ("stripe", &["stripe"], &["requests", "typing-extensions"]),
    ("structlog", &["structlog"], &["typing-extensions"]),
    ("typing-extensions", &[], &[]),
    ("tzdata", &[], &[]),
    ("tzlocal", &[], &["tzdata", "pytz"]),
    ("urllib3", &["urllib3"], &[]),
    ("vine", &[], &[]),
    ("wcwidth", &[], &[]),
    ("webencodings", &[], &[]),
    ("werkzeug", &["werkzeug"], &["markupsafe"]),
    ("whitenoise", &["whitenoise"], &["brotli"]),
    ("wrapt", &[], &[]),
    ("wtforms", &["wtforms"], &["markupsafe"]),
    ("zipp", &[], &[]),
    ("zope-event", &[], &["setuptools"]),
    ("zope-interface", &[], &["setuptools"]),
];

/// Distributions that only a lock is judged by: what their versions bring varies too much.
const LOCKED: &[Row] = &[
    ("fastapi", &["fastapi"], &[]),
    ("httpx", &["httpx"], &[]),
    ("pydantic", &["pydantic"], &[]),
    ("pydantic-settings", &["pydantic_settings"], &[]),
    ("starlette", &["starlette"], &[]),
    ("tornado", &["tornado"], &[]),
    ("uvicorn", &["uvicorn"], &[]),
    ("uvicorn-worker", &["uvicorn_worker"], &[]),
];

/// What a repository's list of packages provides.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The file.
    pub file: PathBuf,
    /// Does it name everything, and not only what is asked for?
    pub locked: bool,
    /// All that is installed by it.
    names: HashSet<String>,
}

impl Listed {
    /// `None` if the list may bring more than is known here.
    pub(super) fn of(file: &RequirementsFile) -> Option<Self> {
        let requirements = &file.requirements;
        let format = Format::of(&file.path);
        let locked = !matches!(format, Format::Text | Format::PyProject);
        if !requirements.faults.is_empty() || format == Format::PyProject {
            return None;
        }
        let mut names = HashSet::new();
        for requirement in &requirements.requirements {
            let name = requirement.name.as_deref()?;
            if locked {
                names.insert(name.to_owned());
            } else {
                add(name, requirement, &mut names)?;
            }
        }
        // A list without the program that runs it is not all that is installed.
        let whole = names.contains("gunicorn");
        whole.then(|| Self { file: file.path.clone(), locked, names })
    }

    /// Is a distribution of this name not among them?
    pub fn lacks(&self, distribution: &str) -> bool {
        !self.names.contains(distribution)
    }

    /// The distribution that a module wants and that is not among them; `None` if one of those
    /// that have it is, or where nobody here knows the module.
    pub fn wanted_by(&self, module: &str) -> Option<&'static str> {
        let top = module.split('.').next().unwrap_or(module);
        let rows = ROWS.iter().chain(LOCKED.iter().filter(|_| self.locked));
        let mut having = rows.filter(|(_, modules, _)| modules.contains(&top)).map(|row| row.0);
        let first = having.next()?;
        (self.lacks(first) && having.all(|other| self.lacks(other))).then_some(first)
    }
}

/// Adds a distribution and all that it brings; `None` if that is not known.
fn add(name: &str, requirement: &Requirement, names: &mut HashSet<String>) -> Option<()> {
    let mut queue = vec![name];
    // `celery[redis]` brings redis; of other extras nobody here knows.
    for extra in &requirement.extras {
        match (name, extra.as_str()) {
            ("psycopg", "binary" | "c" | "pool") | ("sentry-sdk", _) => {}
            (_, extra) => queue.push(row(extra)?.0),
        }
    }
    while let Some(name) = queue.pop() {
        let (_, _, brings) = row(name)?;
        if names.insert(name.to_owned()) {
            // What no application imports by itself has no row.
            queue.extend(brings.iter().filter(|brought| row(brought).is_some()));
        }
    }
    Some(())
}

fn row(name: &str) -> Option<&'static Row> {
    ROWS.binary_search_by(|row| row.0.cmp(name)).ok().and_then(|at| ROWS.get(at))
}

#[cfg(test)]
mod tests {
    use super::ROWS;

    #[test]
    fn rows_are_sorted_and_lead_to_rows() {
        for pair in ROWS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} {}", pair[0].0, pair[1].0);
        }
    }
}
