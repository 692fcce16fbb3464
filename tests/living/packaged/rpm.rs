//! The .rpm, by rpm: installed into a root of its own, verified, upgraded and erased.

use std::path::Path;
use std::process::Command;

use super::{ok, package, version};
use crate::support;
use crate::support::container::Container;

fn revision(number: u32) -> std::path::PathBuf {
    package(&format!("deploy-doctor-{}-{number}.", env!("CARGO_PKG_VERSION")), ".rpm")
}

#[test]
#[ignore = "packages/test runs it"]
fn it_installs_upgrades_and_is_erased() {
    // systemd does not run in it yet, as in an image that is being built.
    let lives_and_dies = |root: &Path| {
        let rpm = |words: &[&str]| {
            let mut rpm = Command::new("rpm");
            rpm.arg("--root").arg(root).args(words);
            rpm
        };
        let chroot = |words: &[&str]| ok(Command::new("chroot").arg(root).args(words));
        let package = revision(1);
        ok(Command::new("rpm").args(["--checksig", "--nosignature"]).arg(&package));
        // What a shell is called is in dpkg's records there.
        ok(rpm(&["--install", "--nosignature", "--nodeps"]).arg(&package));
        assert_eq!(chroot(&["deploy-doctor", "--version"]), version());
        assert_eq!(ok(&mut rpm(&["--verify", "--nodeps", "deploy-doctor"])), "");
        ok(rpm(&["--upgrade", "--nosignature", "--nodeps"]).arg(revision(2)));
        assert!(ok(&mut rpm(&["--query", "deploy-doctor"])).contains("-2."));
        for file in
            ["usr/share/man/man1/deploy-doctor.1.gz", "usr/lib/systemd/system/deploy-doctor.timer"]
        {
            assert!(root.join(file).exists(), "{file}");
        }
        assert!(
            !root.join("etc/systemd/system/timers.target.wants/deploy-doctor.timer").is_symlink()
        );
        ok(&mut rpm(&["--erase", "deploy-doctor"]));
        assert!(!root.join("usr/bin/deploy-doctor").exists());
        assert!(!root.join("usr/share/doc/deploy-doctor").exists());
    };
    if let Err(reason) = Container::boot("packaged-rpm", lives_and_dies) {
        support::skip(reason);
    }
}
