//! Packages of npm under `target/`, for tests that look at what was written through others' eyes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Tests of one file run side by side, and the first installs for all.
static INSTALLING: Mutex<()> = Mutex::new(());

/// A directory with these packages (`NAME@VERSION`) in its `node_modules`, or `None` (said loudly)
/// where npm or the registry cannot be had. No script of theirs is run.
pub fn with(name: &str, packages: &[&str]) -> Option<PathBuf> {
    let _one_at_a_time = INSTALLING.lock();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let done = path.join("complete");
    if std::fs::read_to_string(&done).is_ok_and(|list| list == packages.join(" ")) {
        return Some(path);
    }
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    let installed = Command::new("npm")
        .args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--save-exact",
            "--prefix",
        ])
        .arg(&path)
        .args(packages)
        .output();
    match installed {
        Ok(output) if output.status.success() => {
            std::fs::write(done, packages.join(" ")).unwrap();
            Some(path)
        }
        _ => {
            eprintln!("SKIPPED: npm cannot install {packages:?}");
            None
        }
    }
}
