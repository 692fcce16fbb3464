//! R717 against Python itself: releases made at random, and every module of real packages.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use deploy_doctor::facts::release::Missing;
use deploy_doctor::facts::{self, Given, Request, Scope};
use deploy_doctor::host::FilesHost;
use deploy_doctor::source::Sources;

use crate::support::generate::Generator;
use crate::support::venv as support;

/// Twenty packages with all kinds of layouts, and what they bring.
const PACKAGES: [&str; 20] = [
    "Flask==3.0.3",
    "Flask-SQLAlchemy==3.1.1",
    "gunicorn==23.0.0",
    "requests==2.32.3",
    "python-dateutil==2.9.0",
    "ruamel.yaml==0.18.6",
    "zope.interface==7.0.3",
    "attrs==24.2.0",
    "PyYAML==6.0.2",
    "Pillow==10.4.0",
    "python-dotenv==1.0.1",
    "Django==4.2.16",
    "djangorestframework==3.15.2",
    "celery==5.4.0",
    "redis==5.0.8",
    "boto3==1.35.0",
    "cryptography==43.0.0",
    "sentry-sdk==2.13.0",
    "whitenoise==6.7.0",
    "PyMySQL==1.1.1",
];

/// What R717 says of a release: what is missing, and why something could not be told.
fn missing(venv: &Path, release: &Path) -> (Vec<Missing>, Vec<String>) {
    let unit = release.join("app.service");
    let start = venv.join("bin/gunicorn");
    let text = format!(
        "[Service]\nType=notify\nWorkingDirectory={}\nExecStart={} wsgi:app\n",
        release.display(),
        start.display()
    );
    std::fs::write(&unit, text).unwrap();
    let given = [unit.clone(), release.to_path_buf(), venv.to_path_buf()];
    let host = FilesHost::new(PathBuf::from("/"), &given).unwrap();
    let sources = Sources::new(&host);
    let request = Request {
        apps: Vec::new(),
        scope: Scope::Files(Given {
            units: vec![unit],
            app_dir: Some(release.to_path_buf()),
            venv: Some(venv.to_path_buf()),
            ..Given::default()
        }),
        database_revision: None,
    };
    let deployment = facts::read(&sources, &request);
    let imports = deployment.apps[0].release.code.imports.get().unwrap().clone();
    let unknown = imports.unknown.iter().map(ToString::to_string).collect();
    (imports.unresolved.into_iter().map(|one| one.missing).collect(), unknown)
}

/// What `python -c "import wsgi"` says: nothing, or the last line of its traceback.
fn python(venv: &Path, release: &Path) -> Option<String> {
    let output = Command::new(venv.join("bin/python"))
        .args(["-B", "-c", "import wsgi"])
        .current_dir(release)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then(|| errors.lines().last().unwrap_or_default().to_owned())
}

/// Statements of which each fails at import or not for reasons of its own.
const STATEMENTS: [&str; 30] = [
    "import os, json, email.mime.text",
    "import flask",
    "import flask.views",
    "from flask import Flask, request",
    "import zope.interface",
    "from zope import interface",
    "import yaml, PIL.Image",
    "import shop",
    "import shop.models",
    "from shop import models",
    "from shop import models, NAME",
    "from shop.models import Order",
    "from lib import tools",
    "from lib.tools import *",
    "import stripe",
    "import shop.gone",
    "from shop.gone import x",
    "from shop.models import Gone",
    "from lib import gone",
    "from flask.gone import x",
    "try:\n    import stripe\nexcept ImportError:\n    stripe = None",
    "try:\n    from shop import gone\nexcept Exception:\n    pass",
    "def late():\n    import stripe",
    "import sys\nif sys.version_info < (3, 5):\n    import stripe",
    "import sys\nif sys.platform == 'linux':\n    import json\nelse:\n    import stripe",
    "import typing\nif typing.TYPE_CHECKING:\n    from stripe import Charge",
    "import sys\nsys.path.insert(0, 'more')\nimport extra",
    "import os, sys\nsys.path.append(os.path.join(os.path.dirname(__file__), 'more'))\nimport extra",
    "import extra",
    "if __name__ == '__main__':\n    import stripe",
];

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn generated_releases_fail_exactly_where_it_is_said() {
    let Some(venv) = support::with("imports-venv", &PACKAGES) else { return };
    let mut wrong = String::new();
    let mut failed = 0;
    for seed in 1..=150 {
        let mut random = Generator::new(seed);
        let directory = tempfile::tempdir().unwrap();
        let release = directory.path();
        // Mostly what works, so that what fails lies deep now and then.
        let mut block = |count: usize| {
            let mut text = String::new();
            for _ in 0..random.below(count) + 1 {
                let limit = if random.once_in(4) { STATEMENTS.len() } else { 13 };
                writeln!(text, "{}", STATEMENTS[random.below(limit)]).unwrap();
            }
            text
        };
        write(release.join("wsgi.py"), &format!("{}app = 1\n", block(4)));
        write(release.join("shop/__init__.py"), "NAME = 1\n");
        write(release.join("shop/models.py"), "Order = 1\n");
        write(release.join("lib/tools.py"), &block(2).replace("from lib.tools import *", ""));
        write(release.join("more/extra.py"), "");
        let (missing, unknown) = missing(&venv, release);
        let python = python(&venv, release);
        failed += usize::from(python.is_some());
        if python.is_some() == missing.is_empty() || !unknown.is_empty() {
            let text = std::fs::read_to_string(release.join("wsgi.py")).unwrap();
            writeln!(wrong, "{seed}: {python:?} against {missing:?}, {unknown:?}\n{text}").unwrap();
        }
    }
    assert!((20..130).contains(&failed), "{failed} of 150 fail: nothing is compared");
    assert!(wrong.is_empty(), "{wrong}");
}

/// Every module below site-packages by its dotted name, a sample of them, and names that are none.
fn names(venv: &Path) -> Vec<String> {
    let site = venv.join("lib");
    let script = r#"
import pkgutil, sys
for info in pkgutil.walk_packages([p for p in sys.path if "site-packages" in p], onerror=lambda name: None):
    print(info.name)
"#;
    let output = Command::new(venv.join("bin/python")).args(["-B", "-c", script]).output().unwrap();
    assert!(site.is_dir());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let all: BTreeSet<&str> = text.lines().filter(|name| !name.contains("__main__")).collect();
    let mut names = Vec::new();
    for (at, name) in all.iter().enumerate() {
        if at % 7 == 0 || !name.contains('.') {
            names.push((*name).to_owned());
        }
        if at % 41 == 0 {
            names.push(format!("{name}_gone"));
            names.push(format!("{name}.gone"));
        }
    }
    names
}

/// Those of the names of which Python finds no file, or says nothing.
fn not_found(venv: &Path, names: &[String]) -> BTreeSet<String> {
    let script = r#"
import importlib.util, sys
for name in sys.stdin.read().split():
    try:
        found = importlib.util.find_spec(name)
    except BaseException:
        # It is not there, or a package above it fails for a reason of its own (a package that it
        # wants is not installed): then Python says nothing of the name.
        found = None
    if found is None:
        print(name)
"#;
    use std::io::Write as _;
    let mut child = Command::new(venv.join("bin/python"))
        .args(["-B", "-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(names.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn modules_of_real_packages_are_found_as_python_finds_them() {
    let Some(venv) = support::with("imports-venv", &PACKAGES) else { return };
    let names = names(&venv);
    assert!(names.len() > 300, "{} names", names.len());
    let absent = not_found(&venv, &names);
    let directory = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    // So few at once that none of what is missing is left out.
    for names in names.chunks(30) {
        let lines: String = names.iter().map(|name| format!("import {name}\n")).collect();
        std::fs::write(directory.path().join("wsgi.py"), format!("{lines}app = 1\n")).unwrap();
        let (missing, _) = missing(&venv, directory.path());
        for one in missing {
            match one {
                // What is not there is named by its first part that is not.
                Missing::Module(name)
                    if names.iter().any(|asked| {
                        absent.contains(asked)
                            && (*asked == name || asked.starts_with(&format!("{name}.")))
                    }) => {}
                other => wrong.push(other),
            }
        }
    }
    assert!(wrong.is_empty(), "said to be missing, and Python finds them: {wrong:?}");
}
