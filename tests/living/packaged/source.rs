//! From source, by those who have Rust.

use std::process::Command;

use super::{as_in_a_shell, ok, the_gate_works, version};

#[test]
#[ignore = "packages/test runs it"]
fn cargo_installs_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut cargo = as_in_a_shell(env!("CARGO"));
    // Unoptimised, as it was built for these tests already.
    cargo.args(["install", "--path", ".", "--debug", "--locked", "--offline", "--root"]);
    ok(cargo.arg(folder.path()));
    let program = folder.path().join("bin/deploy-doctor");
    assert_eq!(ok(Command::new(&program).arg("--version")), version());
    the_gate_works(Command::new(program));
    // One program: `deploy-doctor-cli` is the wheel's alone.
    assert_eq!(folder.path().join("bin").read_dir().unwrap().count(), 1);
}
