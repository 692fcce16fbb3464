//! What the program itself is given: settings, known findings; and the small files beside a
//! deployment (accounts, certificates, manifests, tmpfiles).

use std::path::Path;
use std::sync::Arc;

use deploy_doctor::config::{Config, Places};
use deploy_doctor::engine::Baseline;
use deploy_doctor::source::accounts::Accounts;
use deploy_doctor::source::certificate::{self, Chain};
use deploy_doctor::source::{FileId, SourceFile, manifest, placeholder, tmpfiles};

use crate::pack::sections;
use crate::spans::inside;

pub fn run(input: &[u8]) {
    for section in sections(input) {
        settings(section.bytes);
        baseline(section.bytes);
        small(section.bytes);
    }
}

/// Faults have a line of the file, and quote no value.
fn settings(bytes: &[u8]) {
    let places = Places {
        shown: Path::new("deploy-doctor.toml"),
        base: Path::new("/srv/myapp"),
        working: Path::new("/srv"),
    };
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    match Config::parse(bytes, places) {
        Ok(config) => {
            config.probes("myapp.service");
            assert!(config.files().all(|(_, line)| (1..=lines).contains(line)));
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!((1..=lines).contains(&error.line), "{error}");
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}

/// What was read is written so that it reads as itself.
fn baseline(bytes: &[u8]) {
    let Ok(known) = Baseline::parse(bytes) else { return };
    let text = known.json().expect("what was read can be written");
    assert_eq!(Baseline::parse(text.as_bytes()).as_ref(), Ok(&known), "{text}");
}

fn small(bytes: &[u8]) {
    let file = Arc::new(SourceFile::new(FileId(0), "/etc/x", bytes));
    match manifest::read(&file) {
        Ok(manifest) => assert!(manifest.files.is_sorted()),
        Err(fault) => inside(&file, fault.span),
    }
    tmpfiles::directories(&file);
    let accounts = Accounts::parse(Some(&file), Some(&file));
    for name in ["www-data", "0", "root"] {
        if let Some(user) = accounts.user(name) {
            accounts.groups_of(user);
        }
    }
    certificate::is_none(bytes);
    if let Ok(chain) = Chain::parse(bytes) {
        chain.is_for("example.com");
        chain.fits(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    for found in [placeholder::find(&text), placeholder::find_with_dollar(&text)] {
        assert!(found.is_none_or(|range| text.get(range).is_some()));
    }
    placeholder::holds_in_path(&text);
}
