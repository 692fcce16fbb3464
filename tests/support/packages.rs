//! Packages of Python's own that a case wants beside those of the prepared roots: pure ones, which
//! any Python can import.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::container::Skip;

/// Cases run side by side, and the first makes the directory for all.
static MAKING: Mutex<()> = Mutex::new(());

/// Puts the packages into the root's virtual environment of gunicorn 23.
pub fn add(root: &Path, packages: &[String]) -> Result<(), Skip> {
    if packages.is_empty() {
        return Ok(());
    }
    let from = downloaded(packages)?;
    let lib = root.join("srv/venvs/gunicorn-23/lib");
    let mut copy = Command::new("sh");
    copy.args(["-c", "exec cp -r \"$0\"/. \"$1\"/python3.*/site-packages/"]).arg(from).arg(lib);
    match copy.status().is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err(Skip(format!("{packages:?} cannot be copied"))),
    }
}

fn downloaded(packages: &[String]) -> Result<PathBuf, Skip> {
    let _one_at_a_time = MAKING.lock();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(packages.join("_"));
    if path.join("complete").exists() {
        return Ok(path);
    }
    let _ = std::fs::remove_dir_all(&path);
    // Debian's Python has no pip of its own; each virtual environment brings one.
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages-venv");
    let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).output();
    if !made.is_ok_and(|output| output.status.success()) {
        return Err(Skip("python3 -m venv does not work here".into()));
    }
    let installed = Command::new(venv.join("bin/pip"))
        .args(["install", "-q", "--disable-pip-version-check", "--no-compile"])
        .args(["--only-binary", ":all:", "--target"])
        .arg(&path)
        .args(packages)
        .output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return Err(Skip(format!("pip cannot install {packages:?}")));
    }
    std::fs::write(path.join("complete"), "").map_err(|error| Skip(error.to_string()))?;
    Ok(path)
}
