//! What several parts need to know is known in one place: no second path normaliser, no second "did
//! you mean".

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::rust_files;

/// What only the one home of a piece of knowledge holds, the files that may hold it, and what the
/// others call.
const HOMES: [(&str, &[&str], &str); 4] = [
    ("strsim::", &["src/source/similar.rs"], "crate::source::similar"),
    (
        "Component::ParentDir",
        // The tree of a host follows links itself.
        &["src/host/disk/tree.rs", "src/host/mod.rs"],
        "crate::host::tidy",
    ),
    (
        // An edit's intent, in `edit.rs`, is no answer.
        "\n    Unset,\n",
        &["src/rule/edit.rs", "src/source/lookup.rs"],
        "crate::source::Lookup",
    ),
    (
        "launch.environment_unknown",
        // `--preflight` hands all of them on; the launcher writes them down.
        &[
            "src/facts/environment/seen.rs",
            "src/facts/gunicorn/launcher.rs",
            "src/facts/gunicorn/launcher/text.rs",
            "src/facts/preflight.rs",
        ],
        "Environment::seen_by_gunicorn or seen_by_application",
    ),
];

#[test]
fn each_piece_of_knowledge_has_one_home() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&top.join("src"), &mut files);
    rust_files(&top.join("rules"), &mut files);
    for (mark, homes, instead) in HOMES {
        let holds = |path: &&std::path::PathBuf| fs::read_to_string(path).unwrap().contains(mark);
        let seen: BTreeSet<&str> = files
            .iter()
            .filter(holds)
            .map(|path| path.strip_prefix(top).unwrap().to_str().unwrap())
            .collect();
        let homes: BTreeSet<&str> = homes.iter().copied().collect();
        assert_eq!(seen, homes, "`{mark}`: call {instead} instead");
    }
}
