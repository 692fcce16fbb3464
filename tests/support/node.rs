//! Packages of npm under `target/`, for tests that look at what was written through others' eyes.

use std::path::PathBuf;
use std::process::Command;

use super::installed;

/// A directory with these packages (`NAME@VERSION`) in its `node_modules`, or `None` (said loudly)
/// where npm or the registry cannot be had. No script of theirs is run.
pub fn with(name: &str, packages: &[&str]) -> Option<PathBuf> {
    installed::once(name, packages.join(" ").as_bytes(), |path| {
        let options = ["--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", "--prefix"];
        let mut npm = Command::new("npm");
        let installed = npm.arg("install").args(options).arg(path).args(packages).output();
        let done = installed.is_ok_and(|output| output.status.success());
        if !done {
            eprintln!("SKIPPED: npm cannot install {packages:?}");
        }
        done
    })
}
