//! The static program on the roots of other Debians than those that are booted: it needs nothing of them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::archive::unpacked;
use super::{ok, top, version};

fn runs_on(suite: &str) {
    let made = ok(Command::new(top().join("packages/root")).arg(suite));
    let root = PathBuf::from(made.trim());
    let place = root.join("opt/deploy-doctor");
    let _ = fs::remove_dir_all(&place);
    ok(Command::new("cp").arg("-r").arg(unpacked().path()).arg(&place));
    let program = "/opt/deploy-doctor/deploy-doctor";
    for tree in ["repository", "guide"] {
        ok(Command::new("cp").arg("-a").arg(top().join("testdata").join(tree)).arg(&place));
    }
    let in_root = |arguments: &[&str]| {
        let mut command = Command::new("chroot");
        command.arg(&root).arg(program).args(arguments);
        command
    };
    assert_eq!(ok(&mut in_root(&["--version"])), version(), "{suite}");
    ok(&mut in_root(&["check", "/opt/deploy-doctor/repository"]));
    let guide = ["check", "--root", "/opt/deploy-doctor/guide", "--format", "concise"];
    let output = in_root(&guide).output().unwrap();
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{suite}: {found}");
    for code in ["U113", "U117", "E407"] {
        assert!(found.contains(code), "{suite}: {found}");
    }
}

#[test]
#[ignore = "packages/test runs it"]
fn the_archive_s_program_runs_on_the_oldest_debian() {
    runs_on("bullseye");
}
