//! Makes a real virtual environment under `target/` for tests that measure against Python.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Tests of one file run side by side, and the first makes the environment for all.
static MAKING: Mutex<()> = Mutex::new(());

/// A venv with these packages, or `None` (said loudly) where Python or the index cannot be had.
pub fn with(name: &str, packages: &[&str]) -> Option<PathBuf> {
    let _one_at_a_time = MAKING.lock();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let done = path.join("complete");
    if std::fs::read_to_string(&done).is_ok_and(|list| list == packages.join(" ")) {
        return Some(path);
    }
    let _ = std::fs::remove_dir_all(&path);
    let made = Command::new("python3").arg("-m").arg("venv").arg(&path).output();
    if !made.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: python3 -m venv cannot make {}", path.display());
        return None;
    }
    let installed = Command::new(path.join("bin/python"))
        .args(["-m", "pip", "install", "-q", "--disable-pip-version-check"])
        .args(packages)
        .output();
    match installed {
        Ok(output) if output.status.success() => {
            std::fs::write(done, packages.join(" ")).unwrap();
            Some(path)
        }
        _ => {
            eprintln!("SKIPPED: pip cannot install {packages:?}");
            None
        }
    }
}
