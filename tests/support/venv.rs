//! Makes a real virtual environment under `target/` for tests that measure against Python.

use std::path::PathBuf;
use std::process::Command;

use super::installed;

/// A venv with these packages, or `None` (said loudly) where Python or the index cannot be had.
pub fn with(name: &str, packages: &[&str]) -> Option<PathBuf> {
    installed::once(name, packages.join(" ").as_bytes(), |path| {
        let made = Command::new("python3").arg("-m").arg("venv").arg(path).output();
        if !made.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: python3 -m venv cannot make {}", path.display());
            return false;
        }
        let installed = Command::new(path.join("bin/python"))
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check"])
            .args(packages)
            .output();
        let done = installed.is_ok_and(|output| output.status.success());
        if !done {
            eprintln!("SKIPPED: pip cannot install {packages:?}");
        }
        done
    })
}
