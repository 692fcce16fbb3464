//! The readers of report formats that npm and PyPI have, installed under `target/` as the lists in
//! `tests/readers` pin them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::venv;

/// Tests run side by side, and the first makes it for all.
static MAKING: Mutex<()> = Mutex::new(());

/// pytest's sources, whose tests hold the schema of Jenkins' xUnit plugin.
const WITH_SCHEMA: &str = "pytest==8.4.2";

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
    let _one_at_a_time = MAKING.lock();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readers-npm");
    let modules = path.join("node_modules");
    let lock = fs::read(list("package-lock.json")).unwrap();
    let done = modules.join("complete");
    if fs::read(&done).is_ok_and(|installed| installed == lock) {
        return Some(modules);
    }
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    for name in ["package.json", "package-lock.json"] {
        fs::copy(list(name), path.join(name)).unwrap();
    }
    let installed = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&path)
        .output();
    if !installed.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: npm cannot install {}", list("package.json").display());
        return None;
    }
    fs::write(done, lock).unwrap();
    Some(modules)
}

/// The schema of Jenkins' xUnit plugin, or `None` (said loudly). It is fetched and never committed.
pub fn junit_schema() -> Option<PathBuf> {
    let venv = python()?;
    let _one_at_a_time = MAKING.lock();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readers-pytest");
    let schema = path.join("junit-10.xsd");
    if schema.exists() {
        return Some(schema);
    }
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    let fetched = Command::new(venv.join("bin/pip"))
        .args([
            "download",
            "-q",
            "--disable-pip-version-check",
            "--no-deps",
            "--no-binary",
            ":all:",
        ])
        .args([WITH_SCHEMA, "-d"])
        .arg(&path)
        .output();
    let unpacked = Command::new("sh")
        .args(["-c", "tar -xzf pytest-*.tar.gz --wildcards --strip-components=3 '*/junit-10.xsd'"])
        .current_dir(&path)
        .output();
    match (fetched, unpacked) {
        (Ok(fetched), Ok(_)) if fetched.status.success() && schema.exists() => Some(schema),
        _ => {
            eprintln!("SKIPPED: pip cannot fetch the sources of {WITH_SCHEMA}");
            None
        }
    }
}
