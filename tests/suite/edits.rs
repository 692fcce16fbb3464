//! Rules say what is to change, and `src/fix/` how it is written: quotes, escapes, line ends and
//! indentation are decided there alone.

use std::fs;
use std::path::Path;

use super::rust_files;

/// What a rule would need to decide how something is written, and why it has no need to.
const NOT_IN_RULES: [(&str, &str); 7] = [
    ("Span {", "a place comes from the facts, with what is written there"),
    ("Span::new(", "a place comes from the facts, with what is written there"),
    (".written(", "what a text means is a fact, and how it is written is the fix's matter"),
    (".source_file(", "what a text means is a fact, and how it is written is the fix's matter"),
    ("\\r\\n", "ends of lines are those of the file: `Edit::After`, `Edit::Split`"),
    ("fn is_plain", "whether a value needs quotes is the place's: `Edit::word`, `Edit::setting`"),
    ("fn unquoted", "whether a value has quotes is the place's: `Edit::word`, `Edit::setting`"),
];

#[test]
fn rules_do_not_say_how_a_change_is_written() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut files = Vec::new();
    rust_files(&top, &mut files);
    assert!(files.len() > 100, "the rules were not found");
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            // What a function returns is no place made by hand.
            let line = line.replace("-> Span {", "");
            for (wrong, why) in NOT_IN_RULES {
                if line.contains(wrong) {
                    found.push(format!("{}: {}: {why}", file.display(), line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
