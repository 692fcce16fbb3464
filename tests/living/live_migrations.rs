//! `--preflight` asks a real Flask-Migrate with SQLite, as the service's user, where the database
//! is: behind, at the newest migration, ahead, not there, not answering.

use crate::support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::container::Container;
use serde_json::Value;

const UNIT: &str = "[Unit]\nAfter=network.target\n\n[Service]\nType=notify\nNotifyAccess=main\n\
    User=www-data\nGroup=www-data\nRuntimeDirectory=myapp\nStateDirectory=myapp\n\
    WorkingDirectory=/srv/myapp\nEnvironment=PYTHONDONTWRITEBYTECODE=1\n\
    EnvironmentFile=/etc/myapp.env\n\
    ExecStart=/srv/venvs/gunicorn-23/bin/gunicorn --workers 2 \
    --bind unix:/run/myapp/gunicorn.sock wsgi:app\n\
    ExecReload=/bin/kill -s HUP $MAINPID\nRestart=always\n\n\
    [Install]\nWantedBy=multi-user.target\n";
// The middleware hides Flask's own object.
const CODE: &str = "\
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

flask = Flask(__name__)
flask.config['SQLALCHEMY_DATABASE_URI'] = os.environ['DATABASE_URL']
db = SQLAlchemy(flask)
Migrate(flask, db)


class Middleware:
    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start):
        return self.app(environ, start)


app = Middleware(flask)
";
const MIGRATION: &str = "\
from alembic import op
import sqlalchemy as sa

revision = 'REVISION'
down_revision = DOWN


def upgrade():
    op.create_table('TABLE', sa.Column('id', sa.Integer()))
";
const PASSWORD: &str = "pa55word-of-the-test";
const FLASK: &str = "cd /srv/myapp && setpriv --reuid=www-data --regid=www-data --clear-groups \
    env DATABASE_URL=sqlite:////var/lib/myapp/app.db PYTHONDONTWRITEBYTECODE=1 \
    /srv/venvs/gunicorn-23/bin/flask --app wsgi:flask db";

fn prepare(root: &Path) {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("etc/systemd/system/myapp.service", UNIT);
    write("etc/myapp.env", "DATABASE_URL=sqlite:////var/lib/myapp/app.db\n");
    fs::set_permissions(root.join("etc/myapp.env"), fs::Permissions::from_mode(0o600)).unwrap();
    write("srv/myapp/wsgi.py", CODE);
    for (revision, down, table) in
        [("a1f0c2d4e6b8", "None", "users"), ("b2e1d3c5f7a9", "'a1f0c2d4e6b8'", "groups")]
    {
        let text = MIGRATION.replace("REVISION", revision).replace("DOWN", down);
        let path = format!("srv/myapp/migrations/versions/{revision}_.py");
        write(&path, &text.replace("TABLE", table));
    }
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink("/etc/systemd/system/myapp.service", wants.join("myapp.service")).unwrap();
    let binary = env!("CARGO_BIN_EXE_deploy-doctor");
    fs::copy(binary, root.join("usr/local/bin/deploy-doctor")).unwrap();
}

/// Puts Flask-Migrate beside the Flask and the Alembic that are there.
fn install(root: &Path) -> Result<(), String> {
    let site = root.join("srv/venvs/gunicorn-23/lib");
    let python = fs::read_dir(&site).map_err(|error| format!("{}: {error}", site.display()))?;
    let python = python.flatten().next().ok_or("the venv is empty")?.path();
    let site = python.join("site-packages");
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target"])
        .arg(&site)
        .args(["flask-migrate==4.1.0", "flask-sqlalchemy==3.1.1"])
        .output();
    match pip {
        Ok(output) if output.status.success() => {}
        Ok(output) => return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => return Err(format!("python3: {error}")),
    }
    // What `flask db init` would make.
    let template = site.join("flask_migrate/templates/flask");
    let migrations = root.join("srv/myapp/migrations");
    for (from, to) in [
        ("alembic.ini.mako", "alembic.ini"),
        ("env.py", "env.py"),
        ("script.py.mako", "script.py.mako"),
    ] {
        let error = |error| format!("{}: {error}", template.join(from).display());
        fs::copy(template.join(from), migrations.join(to)).map_err(error)?;
    }
    Ok(())
}

fn check(container: &Container) -> Value {
    let output = container.sh("deploy-doctor check myapp --preflight --format json; true");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(PASSWORD) && !text.contains("sqlite:"), "a value is shown: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The one finding of R708.
#[track_caller]
fn finds(report: &Value, words: &[&str]) {
    let all = report["findings"].as_array().unwrap();
    let mine: Vec<&Value> = all.iter().filter(|finding| finding["code"] == "R708").collect();
    assert_eq!(mine.len(), 1, "{report:#}");
    for word in words {
        assert!(mine[0].to_string().contains(word), "{word}: {:#}", mine[0]);
    }
}

/// Why R708 was skipped; empty where it passed.
#[track_caller]
fn skipped(report: &Value) -> String {
    let all = report["findings"].as_array().unwrap();
    assert!(all.iter().all(|finding| finding["code"] != "R708"), "{report:#}");
    assert!(all.iter().all(|finding| finding["code"] != "G223"), "{report:#}");
    let skips = report["skipped"].as_array().unwrap().iter();
    let mine = skips.filter(|skip| skip["code"] == "R708");
    mine.map(|skip| skip["reason"].as_str().unwrap()).collect()
}

#[test]
fn the_database_is_asked() {
    let mut installed = Ok(());
    let container = Container::boot("live-migrations", |root| {
        prepare(root);
        installed = install(root);
    });
    let container = match container {
        Ok(container) => container,
        Err(skip) => return support::skip(skip),
    };
    if let Err(why) = installed {
        return support::skip(support::container::Skip(format!("Flask-Migrate: {why}")));
    }
    container.eventually(20, "systemctl is-active myapp");
    let files = || container.sh_ok("find /var/lib/myapp /srv/myapp | sort");

    // Nobody made the database yet: it is not made by asking.
    let before = files();
    let why = skipped(&check(&container));
    assert!(why.contains("the SQLite file does not exist"), "{why}");
    assert_eq!(files(), before);

    // An empty database has no table of Alembic's, and gets none by asking.
    container.sh_ok(
        "setpriv --reuid=www-data --regid=www-data --clear-groups \
                     touch /var/lib/myapp/app.db",
    );
    finds(&check(&container), &["2 migrations", "--preflight: the database has no revision"]);
    assert_eq!(container.sh_ok("stat -c %s /var/lib/myapp/app.db").trim(), "0");

    container.sh_ok(&format!("{FLASK} upgrade a1f0c2d4e6b8"));
    finds(&check(&container), &["1 migration not applied, b2e1d3c5f7a9", "is at a1f0c2d4e6b8"]);
    container.sh_ok(&format!("{FLASK} upgrade"));
    assert_eq!(skipped(&check(&container)), "");

    // After a rollback of the code.
    container.sh_ok("mv /srv/myapp/migrations/versions/b2* /root");
    finds(&check(&container), &["ahead of the code", "b2e1d3c5f7a9"]);
    container.sh_ok("mv /root/b2* /srv/myapp/migrations/versions");

    broken(&container);
}

/// What goes wrong is a reason, and shows nothing of the environment.
fn broken(container: &Container) {
    let environment = |url: &str| {
        container.sh_ok(&format!("echo 'DATABASE_URL={url}' > /etc/myapp.env"));
    };
    environment(&format!("sqlite:////proc/{PASSWORD}/app.db"));
    assert!(skipped(&check(container)).contains("does not exist"));
    environment("sqlite:////etc/hostname");
    let why = skipped(&check(container));
    assert!(why.contains("DatabaseError in the code of `flask db current`"), "{why}");
    environment("sqlite:////var/lib/myapp/app.db");

    // One that does not answer: the import stands, the database is not known.
    container.sh_ok(
        "cp /srv/myapp/migrations/env.py /root; \
                     sed -i '1i import time; time.sleep(60)' /srv/myapp/migrations/env.py",
    );
    let why = skipped(&check(container));
    assert!(why.contains("did not answer --preflight in time"), "{why}");
    container.sh_ok(&format!(
        "echo 'raise RuntimeError(\"{PASSWORD}\")' > /srv/myapp/migrations/env.py"
    ));
    let why = skipped(&check(container));
    assert!(why.contains("RuntimeError in the code"), "{why}");
    container.sh_ok("cp /root/env.py /srv/myapp/migrations/env.py");

    container.sh_ok("sed -i '/^Migrate(/d' /srv/myapp/wsgi.py");
    let why = skipped(&check(container));
    assert!(why.contains("has no Flask-Migrate; add --db-revision"), "{why}");
    container.sh_ok("sed -i '1i import nowhere' /srv/myapp/wsgi.py");
    let report = check(container);
    let skips = report["skipped"].as_array().unwrap();
    let why = skips.iter().find(|skip| skip["code"] == "R708").unwrap();
    assert!(why["reason"].as_str().unwrap().contains("cannot be imported"), "{why}");
}
