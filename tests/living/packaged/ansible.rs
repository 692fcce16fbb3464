//! The collection with the static binary in it, packed and installed as users do; what it does on hosts,
//! `tests/living/ansible.rs` shows.

use std::process::Command;

use serde_json::Value;

use super::{directory, ok, top};
use crate::ansible::ANSIBLE;
use crate::support::{self, venv};

#[test]
#[ignore = "packages/test runs it"]
fn ansible_galaxy_packs_and_installs_the_collection() {
    let Some(venv) = venv::with("ansible-venv", &ANSIBLE) else {
        return support::skip("pip cannot install ansible-core");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}:{}", venv.join("bin").display(), std::env::var("PATH").unwrap());
    let command = |program: &str| {
        let mut command = Command::new(program);
        command
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("LC_ALL", "C.UTF-8")
            .env("ANSIBLE_HOME", folder.path().join("home"))
            .env("ANSIBLE_COLLECTIONS_PATH", folder.path().join("collections"));
        command
    };
    let build = top().join("integrations/ansible/build");
    ok(command(build.to_str().unwrap())
        .env("BINARY", directory().join("deploy-doctor"))
        .env("OUT", folder.path()));
    let archive = format!("deploy_doctor-site-{}.tar.gz", env!("CARGO_PKG_VERSION"));
    ok(command("ansible-galaxy").args(["collection", "install", "--offline", &archive]));
    // This machine is the host: nothing of a unit by that name is known here, and the module says so.
    let words =
        ["localhost", "-c", "local", "-m", "deploy_doctor.site.deploy_doctor", "--one-line"];
    let mut module = command("ansible");
    let output = module.args(words).args(["-a", "apps=no-such-unit"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let (head, answer) = text.split_once(" => ").unwrap_or_else(|| panic!("{text}"));
    assert!(head.contains("FAILED"), "{text}");
    let answer: Value = serde_json::from_str(answer.trim()).unwrap();
    let message = answer["msg"].as_str().unwrap();
    assert!(message.contains("no unit no-such-unit.service"), "{message}");
}
