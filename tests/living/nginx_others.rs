//! The reader beside others: crossplane (the words) and the `nginx-config` crate (the
//! directives). Both are fetched when they can be; where they cannot, that is said.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use deploy_doctor::source::nginx::tree::Tree;
use deploy_doctor::source::{FileId, SourceFile};

const CORPUS: &str = "../shared/corpus/nginx";

#[test]
fn the_same_directives_as_nginx_config() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/differential/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    if !manifest.exists() || Command::new(&cargo).arg("--version").output().is_err() {
        eprintln!("SKIPPED: no cargo or no fuzz/differential, nginx-config was not compared");
        return;
    }
    let fetched = Command::new(&cargo)
        .args(["fetch", "--quiet", "--locked", "--manifest-path"])
        .arg(&manifest)
        .status()
        .unwrap();
    if !fetched.success() {
        eprintln!("SKIPPED: the crates of fuzz/differential cannot be fetched");
        return;
    }
    // The main package's, whose compiled dependencies are used again.
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let output = Command::new(cargo)
        .args(["test", "--quiet", "--locked", "--manifest-path"])
        .arg(&manifest)
        .env("CARGO_TARGET_DIR", target)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let tail = |text: &str| {
        text.chars().skip(text.chars().count().saturating_sub(3000)).collect::<String>()
    };
    assert!(output.status.success(), "{}\n{}", tail(&text), tail(&errors));
}

/// A Python with crossplane, in an environment of its own under `target/`.
fn crossplane() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/crossplane");
    let python = directory.join("bin/python");
    let works = |python: &Path| {
        let output = Command::new(python).args(["-c", "import crossplane"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !works(&python) {
        let _ = Command::new("python3").args(["-m", "venv"]).arg(&directory).output();
        let _ = Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "crossplane==0.5.8"])
            .output();
    }
    works(&python).then_some(python)
}

/// Prints each file's words as JSON: a list of words, or null where crossplane refuses it.
const SCRIPT: &str = r#"
import json, sys
from crossplane.lexer import lex
for path in sys.argv[1:]:
    try:
        words = [w for w, line, quoted in lex(path) if quoted or not (w.startswith('#') or w in ';{}')]
        # Comments carry their sign and are never quoted; marks are words of their own.
    except Exception:
        words = None
    print(json.dumps(words))
"#;

/// Where crossplane 0.5.8 is known to be wrong, and why:
/// - it joins `\` with what follows and does not decode `\"`, `\'`, `\\`, `\t`, `\r` and `\n`
///   outside quotes, nor all of them inside;
/// - it takes `#` right behind a mark (`;#c`) otherwise than nginx does.
fn beyond_crossplane(bytes: &[u8]) -> bool {
    bytes.contains(&b'\\')
        || bytes.windows(2).any(|pair| matches!(pair, b";#" | b"{#" | b"}#"))
        || std::str::from_utf8(bytes).is_err()
}

#[test]
fn the_same_words_as_crossplane() {
    let Ok(files) = std::fs::read_dir(CORPUS) else {
        eprintln!("SKIPPED: the corpus of real nginx files is not here");
        return;
    };
    let Some(python) = crossplane() else {
        eprintln!("SKIPPED: crossplane cannot be installed, its words were not compared");
        return;
    };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let output = Command::new(python).args(["-c", SCRIPT]).args(&paths).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut compared = 0;
    for (path, line) in paths.iter().zip(String::from_utf8_lossy(&output.stdout).lines()) {
        let bytes = std::fs::read(path).unwrap();
        let theirs: Option<Vec<String>> = serde_json::from_str(line).unwrap();
        let tree = Tree::parse(Arc::new(SourceFile::new(FileId(0), path, bytes.clone())));
        if tree.fault.is_some() || beyond_crossplane(&bytes) {
            continue;
        }
        let words = tree.words.iter().map(|word| word.value(&bytes));
        let ours: Vec<_> = words.map(|w| String::from_utf8_lossy(&w).into_owned()).collect();
        let theirs = theirs.unwrap_or_else(|| panic!("crossplane refuses {}", path.display()));
        let differ = ours.iter().zip(&theirs).find(|(a, b)| a != b);
        assert!(differ.is_none() && ours.len() == theirs.len(), "{}: {differ:?}", path.display());
        compared += 1;
    }
    eprintln!("{compared} of {} files have crossplane's words", paths.len());
    assert!(compared > 80, "{compared}");
}
