//! The paths that must exist for systemd to set up a service's sandbox.
//!
//! Source: systemd.exec(5); seen with systemd 252 and 262: a missing path without a `-` before it
//! makes the start fail with 226/NAMESPACE, a missing credential file with 243/CREDENTIALS.

use std::path::Path;

use super::{Machine, Place};
use crate::source::unit::{Expansion, Unit};
use crate::source::{Sources, Span, placeholder};

/// A path that the sandbox is made of.
#[derive(Debug)]
pub struct SandboxPath {
    /// The setting.
    pub setting: &'static str,
    /// What is there.
    pub place: Place,
    /// The word that names it.
    pub span: Span,
}

impl SandboxPath {
    /// The status with which the start ends without it.
    pub fn status(&self) -> &'static str {
        match self.setting {
            "LoadCredential" | "LoadCredentialEncrypted" => "243/CREDENTIALS",
            _ => "226/NAMESPACE",
        }
    }
}

const SETTINGS: [&str; 9] = [
    "ReadWritePaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "ExecPaths",
    "NoExecPaths",
    "BindPaths",
    "BindReadOnlyPaths",
    "LoadCredential",
    "LoadCredentialEncrypted",
];

/// Those of a whole machine's unit that have to be there. What a boot makes may be there when the unit
/// starts.
pub(super) fn read(sources: &Sources, machine: &Machine, unit: &Unit) -> Vec<SandboxPath> {
    let mut found = Vec::new();
    if !machine.whole {
        return found;
    }
    for setting in SETTINGS {
        for line in unit.list("Service", setting) {
            let Expansion::Known(text) = unit.specifiers.expand(&line.value) else { continue };
            for (at, word) in super::words::words(text.as_str()) {
                let Some(path) = path(setting, word) else { continue };
                let made = ["/run", "/sys", "/dev", "/proc", "/tmp", "/var/tmp", "/var/run"];
                if placeholder::holds_in_path(path)
                    || made.iter().any(|top| Path::new(path).starts_with(top))
                {
                    continue;
                }
                found.push(SandboxPath {
                    setting,
                    place: Place::look(sources.host(), Path::new(path), machine.owners_known),
                    span: text.span_of(at..at + word.len()),
                });
            }
        }
    }
    found
}

/// The path on the host that a word names, where it has to be there.
fn path<'w>(setting: &str, word: &'w str) -> Option<&'w str> {
    let word = word.trim_matches(['"', '\'']);
    let path = match setting {
        "LoadCredential" | "LoadCredentialEncrypted" => word.split_once(':')?.1,
        _ if setting.starts_with("Bind") => word.split(':').next()?,
        _ => word,
    };
    // `+` counts from RootDirectory=, and `\:` is another matter.
    (path.starts_with('/') && !path.contains('\\')).then_some(path)
}
