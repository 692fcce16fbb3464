//! The archive with the binary, what `cargo binstall` makes of it, the image, and that everything is packed
//! to the same bytes once more.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{as_in_a_shell, directory, ok, package, said, the_gate_works, top, version};

fn archive() -> PathBuf {
    package(&format!("deploy-doctor-{}-", env!("CARGO_PKG_VERSION")), ".tar.gz")
}

/// The archive's own directory.
pub fn unpacked() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    ok(tar.args(["--strip-components=1", "-xzf"]).arg(archive()).arg("-C").arg(folder.path()));
    folder
}

#[test]
#[ignore = "packages/test runs it"]
fn the_binary_works_from_the_archive() {
    let folder = unpacked();
    the_gate_works(Command::new(folder.path().join("deploy-doctor")));
    let notices = fs::read_to_string(folder.path().join("THIRD-PARTY-LICENSES.txt")).unwrap();
    for wanted in
        ["  ruff_python_parser ", "Charles Marsh", "Rich Felker", "The Rust Standard Library"]
    {
        assert!(notices.contains(wanted), "{wanted}");
    }
}

#[test]
#[ignore = "packages/test runs it"]
fn the_binary_needs_nothing_beside_itself() {
    // Alone in a root of its own and as nobody, as in the image of packages/container.
    let root = tempfile::tempdir().unwrap();
    ok(Command::new("chmod").arg("755").arg(root.path()));
    let repository = top().join("testdata/repository");
    ok(Command::new("cp").arg("-r").arg(repository).arg(root.path().join("work")));
    fs::copy(directory().join("deploy-doctor"), root.path().join("deploy-doctor")).unwrap();
    let mut alone = Command::new("chroot");
    let alone = alone.arg("--userspec=65534:65534").arg(root.path());
    let alone = alone.args(["/deploy-doctor", "check", "work"]).output().unwrap();
    let beside = Command::new(env!("CARGO_BIN_EXE_deploy-doctor"))
        .args(["check", "work"])
        .current_dir(root.path())
        .output()
        .unwrap();
    assert_eq!(said(&alone), said(&beside));
    assert_eq!(alone.status.code(), beside.status.code());
    let recipe = fs::read_to_string(top().join("packages/container/Containerfile")).unwrap();
    assert!(recipe.contains("\nFROM scratch\nCOPY deploy-doctor /deploy-doctor\n"));
}

/// `cargo binstall` fills this into the address and the path of what it fetches.
fn filled(template: &str) -> String {
    let name = archive().file_name().unwrap().to_string_lossy().into_owned();
    let target = name.strip_suffix(".tar.gz").unwrap();
    let target =
        target.strip_prefix(&format!("deploy-doctor-{}-", env!("CARGO_PKG_VERSION"))).unwrap();
    let values = [
        ("{ name }", "deploy-doctor"),
        ("{ version }", env!("CARGO_PKG_VERSION")),
        ("{ target }", target),
        ("{ bin }", "deploy-doctor"),
        ("{ binary-ext }", ""),
        ("{ repo }", ""),
    ];
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
}

#[test]
#[ignore = "packages/test runs it"]
fn binstall_finds_the_binary_where_the_manifest_says() {
    let manifest: toml::Table =
        fs::read_to_string(top().join("Cargo.toml")).unwrap().parse().unwrap();
    let binstall = &manifest["package"]["metadata"]["binstall"];
    let address = filled(binstall["pkg-url"].as_str().unwrap());
    let name = archive().file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(address.rsplit('/').next(), Some(name.as_str()));
    assert_eq!(binstall["pkg-fmt"].as_str(), Some("tgz"));
    let path = filled(binstall["bin-dir"].as_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    ok(Command::new("tar").arg("-xzf").arg(archive()).arg("-C").arg(folder.path()).arg(&path));
    assert_eq!(ok(Command::new(folder.path().join(path)).arg("--version")), version());
}

#[test]
#[ignore = "packages/test runs it"]
fn the_bill_of_materials_names_every_crate() {
    let text = fs::read_to_string(package("deploy-doctor-", ".cdx.json")).unwrap();
    let bill: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert_eq!(bill["metadata"]["component"]["name"], "deploy-doctor");
    let components = bill["components"].as_array().unwrap();
    let named = |crate_: &str| {
        components.iter().any(|one| one["name"] == crate_ && one["licenses"].is_array())
    };
    // What is linked, by cargo's own word; what only the compiler runs is no part of it.
    let mut tree = Command::new(env!("CARGO"));
    tree.args([
        "tree",
        "--locked",
        "--edges=normal,no-proc-macro",
        "--prefix=none",
        "--format={p}",
    ]);
    let tree = ok(tree.args(["--target", "x86_64-unknown-linux-musl"]).current_dir(top()));
    let mut missing: Vec<&str> = tree
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !named(name))
        .collect();
    missing.sort();
    missing.dedup();
    assert_eq!(missing, Vec::<&str>::new());
    assert!(
        !text.contains(top().to_str().unwrap()),
        "the directory of the build is nobody's business"
    );
}

#[test]
#[ignore = "packages/test runs it"]
fn everything_is_packed_to_the_same_bytes_again() {
    let again = tempfile::tempdir().unwrap();
    // Another time, time zone, language and mask.
    let mut build = as_in_a_shell("sh");
    build.args(["-c", "umask 077 && exec packages/build"]);
    build.env("OUT", again.path()).env("REVISION", "1");
    ok(build.env("TZ", "Pacific/Auckland").env("LC_ALL", "C.UTF-8").env("LANG", "C.UTF-8"));
    let mut count = 0;
    for entry in again.path().read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        // The sums beside the packages of two revisions are of more files.
        if name != "SHA256SUMS" {
            count += 1;
            let before = fs::read(directory().join(name)).unwrap();
            assert!(fs::read(&path).unwrap() == before, "{} differs", path.display());
        }
    }
    assert_eq!(count, 6);
}
