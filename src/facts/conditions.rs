//! Paths that must exist for systemd to start a unit: `ConditionPathExists=` and similar settings.
//!
//! Source: systemd.unit(5), "Conditions and Asserts"; each compared with `systemd-analyze
//! condition` of 252.

use std::path::{Path, PathBuf};

use super::{Machine, Place, State};
use crate::host::{FileKind, HostErrorKind};
use crate::source::unit::{Assignment, Expansion, Unit};
use crate::source::{Sources, Span, placeholder};

/// A condition on a path that does not hold.
#[derive(Debug, Clone)]
pub struct FailedCondition {
    /// The setting.
    pub setting: String,
    /// `Assert…=`: the start fails. Else it is ignored, and counts as done.
    pub asserted: bool,
    /// `!`: it must not be so.
    pub negated: bool,
    /// The path.
    pub path: PathBuf,
    /// Its place in the unit.
    pub span: Span,
    /// What it asks for, and what is so: `is not there`, `is empty`.
    pub is: &'static str,
    /// What may see to the path before the unit is started; filled in once all units are known.
    pub maker: Option<String>,
}

/// Files do not show what the kernel or a boot creates, or what other services keep.
const MADE: [&str; 8] =
    ["/run/", "/sys/", "/dev/", "/proc/", "/tmp/", "/var/run/", "/var/lib/", "/var/cache/"];

/// Those of a unit on a whole machine.
pub(super) fn failed(sources: &Sources, machine: &Machine, unit: &Unit) -> Vec<FailedCondition> {
    if !machine.whole {
        return Vec::new();
    }
    let mut found: Vec<FailedCondition> = Vec::new();
    for family in ["Condition", "Assert"] {
        found.extend(of_family(sources, machine, unit, family));
    }
    found
}

fn of_family(
    sources: &Sources,
    machine: &Machine,
    unit: &Unit,
    family: &str,
) -> Vec<FailedCondition> {
    let mut found = Vec::new();
    // Of those with `|` one is enough: they fail only if each is known to fail.
    let mut triggers: Option<Vec<FailedCondition>> = None;
    let mut open = false;
    for line in in_effect(unit, family) {
        let trigger = line.value.as_str().trim_start().starts_with('|');
        let judged = judge(sources, machine, unit, family, line);
        match (trigger, judged) {
            (false, ConditionVerdict::Fails(condition)) => found.push(condition),
            (false, _) => {}
            (true, ConditionVerdict::Fails(condition)) => {
                triggers.get_or_insert_default().push(condition);
            }
            (true, _) => open = true,
        }
    }
    if !open {
        found.extend(triggers.into_iter().flatten().next());
    }
    found
}

/// The lines of all conditions, or of all asserts, that count: one without a value takes all those
/// above it back, whatever they ask for.
fn in_effect<'u>(unit: &'u Unit, family: &str) -> Vec<&'u Assignment> {
    let mut lines = Vec::new();
    for line in unit.assignments().filter(|line| *line.section == *"Unit") {
        if !line.key.value.starts_with(family) {
            continue;
        }
        match line.value.as_str().trim().is_empty() {
            true => lines.clear(),
            false => lines.push(line),
        }
    }
    lines
}

enum ConditionVerdict {
    Holds,
    Fails(FailedCondition),
    NotKnown,
}

fn judge(
    sources: &Sources,
    machine: &Machine,
    unit: &Unit,
    family: &str,
    line: &Assignment,
) -> ConditionVerdict {
    let Expansion::Known(text) = unit.specifiers.expand(&line.value) else {
        return ConditionVerdict::NotKnown;
    };
    let text = text.as_str().trim();
    let text = text.strip_prefix('|').unwrap_or(text).trim_start();
    let (negated, path) = match text.strip_prefix('!') {
        Some(path) => (true, path.trim()),
        None => (false, text),
    };
    let made = MADE.iter().any(|top| path.starts_with(top));
    if !path.starts_with('/') || placeholder::holds_in_path(path) || made {
        return ConditionVerdict::NotKnown;
    }
    let asks = line.key.value.strip_prefix(family).unwrap_or_default();
    let Some((holds, is)) = holds(sources, machine, asks, Path::new(path)) else {
        return ConditionVerdict::NotKnown;
    };
    if holds != negated {
        return ConditionVerdict::Holds;
    }
    ConditionVerdict::Fails(FailedCondition {
        setting: line.key.value.clone(),
        asserted: family == "Assert",
        negated,
        path: path.into(),
        span: line.value.span(),
        is,
        maker: None,
    })
}

/// Does what is asked for hold, and what is so? None if it is not known.
fn holds(
    sources: &Sources,
    machine: &Machine,
    asks: &str,
    path: &Path,
) -> Option<(bool, &'static str)> {
    if asks == "PathExistsGlob" {
        // systemd's patterns have braces, which are letters here.
        let plain = !path.to_string_lossy().contains('{');
        return match sources.host().glob(path) {
            Ok(matches) if plain && matches.is_empty() => Some((false, "matches nothing")),
            Ok(_) if plain => Some((true, "matches something")),
            _ => None,
        };
    }
    let place = Place::look(sources.host(), path, machine.owners_known);
    let metadata = match place.state.get().ok()? {
        State::Missing { .. } if place.is_missing() != Ok(true) => return None,
        State::Missing { .. } => None,
        State::Broken { .. } => return None,
        State::Present(metadata) => Some(metadata),
    };
    let (kind, size) = (metadata.map(|m| m.kind), metadata.map_or(0, |m| m.size));
    Some(match (asks, kind) {
        ("PathExists", Some(_)) => (true, "exists"),
        (
            "PathExists" | "PathIsDirectory" | "FileNotEmpty" | "DirectoryNotEmpty"
            | "FileIsExecutable",
            None,
        ) => (false, "does not exist"),
        ("PathIsDirectory", Some(FileKind::Directory)) => (true, "is a directory"),
        ("PathIsDirectory", Some(_)) => (false, "is not a directory"),
        ("FileNotEmpty", Some(FileKind::File)) if size > 0 => (true, "is not empty"),
        ("FileNotEmpty", Some(FileKind::File)) => (false, "is empty"),
        ("FileNotEmpty" | "FileIsExecutable", Some(kind)) if kind != FileKind::File => {
            (false, "is not a file")
        }
        ("DirectoryNotEmpty", Some(FileKind::Directory)) => match sources.host().list(path) {
            Ok(names) if names.is_empty() => (false, "is empty"),
            Ok(_) => (true, "is not empty"),
            Err(error) if error.kind == HostErrorKind::TooMany => (true, "is not empty"),
            Err(_) => return None,
        },
        ("DirectoryNotEmpty", Some(_)) => (false, "is not a directory"),
        // Modes of a tree need not be the machine's.
        _ => return None,
    })
}
