//! The readers of report formats that npm and PyPI have, installed under `target/` as the lists in
//! `tests/readers` pin them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{installed, venv};

/// pytest's sources, whose tests hold the schema of Jenkins' xUnit plugin.
const WITH_SCHEMA: &str = "pytest==8.4.2";
const SCHEMA: &str = "junit-10.xsd";

fn list(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(name)
}

/// The virtual environment with the Python readers, or `None` (said loudly).
pub fn python() -> Option<PathBuf> {
    let pins = fs::read_to_string(list("requirements.txt")).unwrap();
    venv::with("readers-venv", &pins.lines().collect::<Vec<_>>())
}

/// The folder `node_modules` with the readers of npm, or `None` (said loudly).
pub fn npm() -> Option<PathBuf> {
    let lock = fs::read(list("package-lock.json")).unwrap();
    let path = installed::once("readers-npm", &lock, |path| {
        for name in ["package.json", "package-lock.json"] {
            fs::copy(list(name), path.join(name)).unwrap();
        }
        let installed = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(path)
            .output();
        let done = installed.is_ok_and(|output| output.status.success());
        if !done {
            eprintln!("SKIPPED: npm cannot install {}", list("package.json").display());
        }
        done
    })?;
    Some(path.join("node_modules"))
}

/// The schema of Jenkins' xUnit plugin, or `None` (said loudly). It is fetched and never committed.
pub fn junit_schema() -> Option<PathBuf> {
    let venv = python()?;
    let path = installed::once("readers-pytest", WITH_SCHEMA.as_bytes(), |path| {
        let fetched = Command::new(venv.join("bin/pip"))
            .args(["download", "-q", "--disable-pip-version-check", "--no-deps"])
            .args(["--no-binary", ":all:", WITH_SCHEMA, "-d"])
            .arg(path)
            .output();
        let unpack = "tar -xzf pytest-*.tar.gz --wildcards --strip-components=3 '*/junit-10.xsd'";
        let unpacked = Command::new("sh").args(["-c", unpack]).current_dir(path).output();
        let done = fetched.is_ok_and(|output| output.status.success())
            && unpacked.is_ok()
            && path.join(SCHEMA).exists();
        if !done {
            eprintln!("SKIPPED: pip cannot fetch the sources of {WITH_SCHEMA}");
        }
        done
    })?;
    Some(path.join(SCHEMA))
}
