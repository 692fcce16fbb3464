//! The paths without which systemd passes over a unit's start: `ConditionPathExists=` and its kin.
//!
//! Source: systemd.unit(5), "Conditions and Asserts".

use std::path::{Path, PathBuf};

use super::{Machine, Place, State};
use crate::host::FileKind;
use crate::source::unit::{Expansion, Unit};
use crate::source::{Sources, Span, placeholder};

/// A condition on a path that does not hold.
#[derive(Debug, Clone)]
pub struct FailedCondition {
    /// The setting.
    pub setting: &'static str,
    /// `Assert…=`: the start fails. Else it is passed over, and counts as done.
    pub asserted: bool,
    /// `!`: the path must not be there.
    pub negated: bool,
    /// The path.
    pub path: PathBuf,
    /// Its place in the unit.
    pub span: Span,
}

const SETTINGS: [(&str, bool); 6] = [
    ("ConditionPathExists", false),
    ("ConditionPathIsDirectory", false),
    ("ConditionFileNotEmpty", false),
    ("AssertPathExists", true),
    ("AssertPathIsDirectory", true),
    ("AssertFileNotEmpty", true),
];

/// Those of a unit on a whole machine. What the kernel or a boot makes (`/run`, `/sys`, `/dev`) may be
/// there when the unit starts, and of alternatives (`|`) one is enough: both are left out.
pub(super) fn failed(sources: &Sources, machine: &Machine, unit: &Unit) -> Vec<FailedCondition> {
    let mut found = Vec::new();
    if !machine.whole {
        return found;
    }
    for (setting, asserted) in SETTINGS {
        for line in unit.list("Unit", setting) {
            let Expansion::Known(text) = unit.specifiers.expand(&line.value) else { continue };
            let text = text.as_str().trim();
            let (negated, path) = match text.strip_prefix('!') {
                Some(path) => (true, path.trim()),
                None => (false, text),
            };
            // Nor is what other services keep there a matter of files.
            let made = [
                "/run/",
                "/sys/",
                "/dev/",
                "/proc/",
                "/tmp/",
                "/var/run/",
                "/var/lib/",
                "/var/cache/",
            ];
            if !path.starts_with('/')
                || placeholder::holds_in_path(path)
                || made.iter().any(|top| path.starts_with(top))
            {
                continue;
            }
            let place = Place::look(sources.host(), Path::new(path), machine.owners_known);
            let Ok(state) = place.state.get() else { continue };
            let holds = match state {
                State::Missing { .. } if place.is_missing() != Ok(true) => continue,
                State::Missing { .. } => false,
                State::Broken { .. } => continue,
                State::Present(metadata) => match setting {
                    "ConditionPathIsDirectory" | "AssertPathIsDirectory" => {
                        metadata.kind == FileKind::Directory
                    }
                    // How much is in it is not looked at.
                    _ => true,
                },
            };
            if holds == negated {
                found.push(FailedCondition {
                    setting,
                    asserted,
                    negated,
                    path: path.into(),
                    span: line.value.span(),
                });
            }
        }
    }
    found
}
