//! What is published: every file of it must be there wherever it is unpacked.

use std::path::Path;
use std::process::Command;

/// The files that cargo would put into the package.
fn packaged() -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--list", "--allow-dirty", "--offline", "--quiet"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_package_holds_no_link_that_leads_out_of_it() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = packaged();
    for needed in ["src/main.rs", "rules/mod.rs", "README.md", "src/source/unit/known/settings.txt"]
    {
        assert!(files.iter().any(|file| file == needed), "{needed} is missing");
    }
    // cargo reads what a link leads to, so one that leads nowhere ends `cargo package`.
    let linked = |file: &&String| {
        top.join(file).symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
    };
    assert_eq!(files.iter().filter(linked).collect::<Vec<_>>(), Vec::<&String>::new());
}
