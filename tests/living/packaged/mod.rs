//! What `packages/build` has made, installed by those who install it: dpkg on a booted Debian, rpm, pip,
//! uv and pipx. These run after the build, by name: `packages/test`.

mod ansible;
mod archive;
mod deb;
mod manual;
mod pipelines;
mod roots;
mod rpm;
mod source;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where `packages/build` leaves them.
fn directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| top().join("target")).join("packages")
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The one package whose name begins and ends so.
fn package(begin: &str, end: &str) -> PathBuf {
    let directory = directory();
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| {
        panic!("{}: {error}: packages/build makes it", directory.display())
    });
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(begin) && name.ends_with(end)
    };
    let found: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(named).collect();
    assert_eq!(found.len(), 1, "{begin}…{end} in {}: {found:?}", directory.display());
    found.into_iter().next().unwrap()
}

/// The Debian package of a revision of this version.
fn debian(revision: u32) -> PathBuf {
    package(&format!("deploy-doctor_{}-{revision}_", env!("CARGO_PKG_VERSION")), ".deb")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Runs a command that has to succeed; its standard output.
fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A command as in a shell: without the variables that cargo sets for tests, at which build scripts of
/// crates look, so that everything would be built again.
fn as_in_a_shell(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO") && !["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command.current_dir(top());
    command
}

/// What `--version` prints.
fn version() -> String {
    format!("deploy-doctor {}\n", env!("CARGO_PKG_VERSION"))
}

/// The gate, as a user of the package runs it in a clone, says the same as the program of these tests.
fn the_gate_works(mut program: Command) {
    let repository = top().join("testdata/repository");
    let check = |command: &mut Command| {
        let output = command.args(["check", "."]).current_dir(&repository).output();
        output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    };
    let ours = check(&mut Command::new(env!("CARGO_BIN_EXE_deploy-doctor")));
    let theirs = check(&mut program);
    assert_eq!(said(&theirs), said(&ours));
    assert_eq!(theirs.status.code(), ours.status.code());
    assert!(!theirs.stdout.is_empty());
}
