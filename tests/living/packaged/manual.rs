//! The manual as it is packed: man, groff and mandoc have nothing to warn of.

use std::path::PathBuf;
use std::process::Command;

use super::archive::unpacked;
use super::{ok, said};

#[test]
#[ignore = "packages/test runs it"]
fn man_and_mandoc_read_every_page_without_a_warning() {
    let folder = unpacked();
    let mut pages: Vec<PathBuf> =
        folder.path().join("man").read_dir().unwrap().map(|page| page.unwrap().path()).collect();
    pages.sort();
    assert!(pages.len() >= 20, "{pages:?}");
    for page in &pages {
        let mut man = Command::new("man");
        man.args(["--warnings=all", "--encoding=UTF-8", "--local-file"]).arg(page);
        let output = man
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "80")
            .env("MANPAGER", "cat")
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        for section in ["NAME", "SYNOPSIS"] {
            assert!(text.lines().any(|line| line == section), "{}: {text}", page.display());
        }
        // A line that groff took for a request, or an escape that was none, is a word less.
        let name = page.file_stem().unwrap().to_str().unwrap();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&format!("NAME {name} - ")), "{text}");
    }
    // What it says below an error is of style: empty lines around the list of an option's values.
    ok(Command::new("mandoc").args(["-T", "lint", "-W", "error"]).args(&pages));
}
