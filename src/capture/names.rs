//! Names and words that decide how values are masked: the variables that the rules use, and words
//! that are public.

/// Variables whose values affect gunicorn, Python or the frameworks, and in which no one keeps a
/// secret.
pub(super) const NEEDED: [&str; 44] = [
    "ALLOWED_HOSTS",
    "APP_ENV",
    "DEBUG",
    "DJANGO_ALLOWED_HOSTS",
    "DJANGO_CONFIGURATION",
    "DJANGO_DEBUG",
    "DJANGO_SETTINGS_MODULE",
    "ENV",
    "ENVIRONMENT",
    "FLASK_APP",
    "FLASK_DEBUG",
    "FLASK_ENV",
    "FLASK_RUN_HOST",
    "FLASK_RUN_PORT",
    "GUNICORN_CMD_ARGS",
    "GUNICORN_FD",
    "GUNICORN_PID",
    "HOME",
    "HOST",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LOGNAME",
    "NOTIFY_SOCKET",
    "OLDPWD",
    "PATH",
    "PORT",
    "PWD",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "PYTHONSAFEPATH",
    "PYTHONUNBUFFERED",
    "PYTHONUSERBASE",
    "SERVER_SOFTWARE",
    "SHELL",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
    "WEB_CONCURRENCY",
];

/// The schemes of URLs: databases, queues and their drivers, and the web.
pub(super) const SCHEMES: [&str; 45] = [
    "aiomysql",
    "aiosqlite",
    "amqp",
    "amqps",
    "asyncpg",
    "cockroachdb",
    "cx_oracle",
    "file",
    "ftp",
    "git",
    "http",
    "https",
    "mariadb",
    "memcached",
    "mongodb",
    "mssql",
    "mysql",
    "mysqlclient",
    "mysqlconnector",
    "mysqldb",
    "oracle",
    "oracledb",
    "pg8000",
    "postgis",
    "postgres",
    "postgresql",
    "psycopg",
    "psycopg2",
    "psycopg_async",
    "psycopg2cffi",
    "pymssql",
    "pymysql",
    "pyodbc",
    "redis",
    "rediss",
    "redshift",
    "smtp",
    "smtps",
    "sqlite",
    "srv",
    "ssh",
    "tcp",
    "unix",
    "ws",
    "wss",
];

/// Values that mean yes, no or nothing.
pub(super) const PLAIN: [&str; 14] =
    ["", "0", "1", "f", "false", "n", "no", "none", "null", "off", "on", "t", "true", "y"];

/// Words of placeholders in tutorials, and of comments about placeholders. They are public.
pub(super) const PLACEHOLDERS: [&str; 29] = [
    "change",
    "changeit",
    "changeme",
    "changethis",
    "default",
    "dev",
    "development",
    "django",
    // A word of a shell that may precede a name by mistake.
    "export",
    "in",
    "insecure",
    "it",
    "key",
    "me",
    "my",
    "password",
    "placeholder",
    "production",
    "replace",
    "replaceme",
    "replacewith",
    "secret",
    "secretkey",
    "super",
    "supersecret",
    "this",
    "with",
    "yes",
    "your",
];

pub(super) fn is_word_of(list: &[&str], word: &[u8]) -> bool {
    let lower = word.to_ascii_lowercase();
    list.iter().any(|one| one.as_bytes() == lower.as_slice())
}

/// Whether a variable of this name is a number or a switch.
pub(super) fn is_number(name: &str) -> bool {
    let ends = ["CONCURRENCY", "DEBUG", "_FD", "_FDS", "_PID", "PORT"];
    ends.iter().any(|end| name.ends_with(end))
}
