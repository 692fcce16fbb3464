//! The wheel, as pip, uv and pipx install it and start what is in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ok, package, said, the_gate_works, version};
use crate::support;
use crate::support::venv;

const INSTALLERS: [&str; 3] = ["pip==26.3", "uv==0.13.9", "pipx==1.18.4"];
/// The program's name, and the distribution's, which `uvx` looks for.
const NAMES: [&str; 2] = ["deploy-doctor", "deploy-doctor-cli"];

pub(super) fn wheel() -> PathBuf {
    package("deploy_doctor_cli-", ".whl")
}

/// The environment with the installers, or `None` (said loudly).
pub(super) fn installers() -> Option<PathBuf> {
    let venv = venv::with("installers-venv", &INSTALLERS);
    if venv.is_none() {
        support::skip("pip cannot install uv and pipx");
    }
    venv
}

/// Both names answer, and the gate works under each.
fn works(bin: &Path) {
    for name in NAMES {
        let program = bin.join(name);
        assert_eq!(ok(Command::new(&program).arg("--version")), version());
        the_gate_works(Command::new(program));
    }
}

#[test]
#[ignore = "packages/test runs it"]
fn pip_installs_it() {
    let Some(tools) = installers() else { return };
    let folder = tempfile::tempdir().unwrap();
    ok(Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(folder.path()));
    let pip = || {
        let mut pip = Command::new(tools.join("bin/pip"));
        pip.arg("--python")
            .arg(folder.path().join("bin/python"))
            .arg("--disable-pip-version-check");
        pip
    };
    ok(pip().args(["install", "--no-index"]).arg(wheel()));
    works(&folder.path().join("bin"));
    assert!(folder.path().join("share/man/man1/deploy-doctor.1").exists());
    let shown = ok(pip().args(["show", "--files", "deploy-doctor-cli"]));
    for wanted in ["MIT OR Apache-2.0", "THIRD-PARTY-LICENSES.txt", "LICENSE-MIT", "sboms/"] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    ok(pip().args(["uninstall", "--yes", "deploy-doctor-cli"]));
    assert!(NAMES.iter().all(|name| !folder.path().join("bin").join(name).exists()));
}

#[test]
#[ignore = "packages/test runs it"]
fn uv_installs_it_and_uvx_runs_it() {
    let Some(tools) = installers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let uv = |words: &[&str]| {
        let mut uv = Command::new(tools.join("bin/uv"));
        uv.args(words).arg("--offline").env("UV_TOOL_DIR", folder.path().join("tools"));
        uv.env("UV_TOOL_BIN_DIR", folder.path().join("bin"));
        uv.env("UV_CACHE_DIR", folder.path().join("cache"));
        uv
    };
    ok(uv(&["tool", "install"]).arg(wheel()));
    works(&folder.path().join("bin"));
    // As `uvx deploy-doctor-cli` will be once it is published: found in a directory here.
    let found = wheel().parent().unwrap().to_owned();
    let mut uvx = uv(&["tool", "run"]);
    uvx.args(["--quiet", "--isolated", "--no-index", "--find-links"]).arg(found);
    uvx.arg("deploy-doctor-cli");
    the_gate_works(uvx);
}

#[test]
#[ignore = "packages/test runs it"]
fn pipx_installs_it() {
    let Some(tools) = installers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut pipx = Command::new(tools.join("bin/pipx"));
    for (name, place) in [("PIPX_HOME", "home"), ("PIPX_BIN_DIR", "bin"), ("PIPX_MAN_DIR", "man")] {
        pipx.env(name, folder.path().join(place));
    }
    ok(pipx.arg("install").arg(wheel()));
    works(&folder.path().join("bin"));
    assert!(folder.path().join("man/man1/deploy-doctor-check.1").exists());
}

#[test]
#[ignore = "packages/test runs it"]
fn pip_takes_it_for_musl_and_for_glibc_and_for_nothing_else() {
    let Some(tools) = installers() else { return };
    let architecture = std::env::consts::ARCH;
    let fetch = |platform: &str| {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(tools.join("bin/pip"))
            .args(["download", "--no-deps", "--no-index", "--only-binary=:all:", "--find-links"])
            .arg(wheel().parent().unwrap())
            .args([
                "--platform",
                &format!("{platform}_{architecture}"),
                "deploy-doctor-cli",
                "--dest",
            ])
            .arg(folder.path())
            .output()
            .unwrap();
        let there = fs::read_dir(folder.path()).unwrap().count() == 1;
        assert_eq!(output.status.success(), there, "{}", said(&output));
        there
    };
    for platform in ["musllinux_1_2", "manylinux2014", "manylinux_2_17"] {
        assert!(fetch(platform), "{platform}");
    }
    for platform in ["musllinux_1_1", "manylinux2010", "macosx_11_0"] {
        assert!(!fetch(platform), "{platform}");
    }
}
