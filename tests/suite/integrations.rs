//! `integrations/`: each has a README that says what it is for, and every link of it leads somewhere.

use std::fs;
use std::path::Path;

/// The targets of Markdown's links in a text.
fn links(text: &str) -> Vec<&str> {
    let after = text.split("](").skip(1);
    after.filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://")).collect()
}

#[test]
fn every_integration_is_named_and_every_link_leads_somewhere() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let front = fs::read_to_string(top.join("README.md")).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(top.join("integrations")).unwrap() {
        let directory = entry.unwrap().path();
        let readme = directory.join("README.md");
        let text = fs::read_to_string(&readme)
            .unwrap_or_else(|error| panic!("{}: {error}", readme.display()));
        let name = readme.strip_prefix(top).unwrap().display().to_string();
        assert!(front.contains(&name), "README.md does not name {name}");
        for link in links(&text) {
            assert!(directory.join(link).exists(), "{name}: {link}");
        }
        count += 1;
    }
    assert!(count >= 8, "{count}");
}
