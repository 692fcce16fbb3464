//! The list of variables against nginx itself: every word in its program that may be the name of one is
//! asked for by `nginx -t`, and what it takes for one has to stand in the list.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::peers::Peer;

const LIST: &str = include_str!("../../src/source/nginx/known_variables.rs");

/// The names of the list, and the beginnings behind which any name is one.
fn listed() -> (BTreeSet<&'static str>, Vec<&'static str>) {
    let (names, rest) = LIST.split_once("const FAMILIES").unwrap();
    let (families, _) = rest.split_once("];").unwrap();
    let words = |text: &'static str| text.split('"').skip(1).step_by(2);
    (words(names).collect(), words(families).collect())
}

/// The words of a program's text, and what they end in: the linker lays `args` into `is_args`.
fn words(program: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in program.split(|byte| *byte == 0) {
        let part = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
        let length = text.iter().rev().take_while(|byte| part(byte)).count();
        let word = String::from_utf8_lossy(&text[text.len() - length..]).into_owned();
        if !(3..=40).contains(&word.len()) {
            continue;
        }
        found.extend(word.match_indices('_').map(|(at, _)| word[at + 1..].to_owned()));
        found.insert(word);
    }
    found.retain(|word| word.len() >= 3 && word.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}

fn takes(peer: &Peer, program: &Path, directory: &Path, name: &str) -> bool {
    let path = directory.join("nginx.conf");
    let text =
        "events { } http { server { listen 127.0.0.1:1; location / { return 200 \"$@\"; } } }";
    std::fs::write(&path, text.replace('@', name)).unwrap();
    let mut command = peer.command(program);
    command.args(["-t", "-q", "-e", "stderr", "-p"]).arg(directory).arg("-c").arg(&path);
    let output = command.output().unwrap();
    !String::from_utf8_lossy(&output.stderr).contains(&format!("unknown \"{name}\" variable"))
}

#[test]
fn every_variable_of_nginx_is_in_the_list() {
    let (names, families) = listed();
    for peer in Peer::all() {
        let program = peer.path("/usr/sbin/nginx");
        let Ok(bytes) = std::fs::read(&program) else {
            println!("{}: no nginx", program.display());
            continue;
        };
        let directory = tempfile::tempdir().unwrap();
        let words = words(&bytes);
        let known = |word: &str| families.iter().any(|family| word.starts_with(family));
        let taken: Vec<&String> = words
            .iter()
            .filter(|word| !known(word) && takes(&peer, &program, directory.path(), word))
            .collect();
        println!("{}: {} words, {} variables", program.display(), words.len(), taken.len());
        assert!(taken.len() > 80, "{}", taken.len());
        let lacking: Vec<_> = taken.iter().filter(|word| !names.contains(word.as_str())).collect();
        assert!(lacking.is_empty(), "{}: {lacking:?}", program.display());
    }
}
