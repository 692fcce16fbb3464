//! The settings that systemd knows, by section, and what values they take.
//!
//! The list is `known-settings.txt`, which `known-settings.sh` writes from what systemd itself
//! says (`--dump-configuration-items`).

use super::exec::has_placeholder;
use super::time::parse_seconds;
use super::value::{self, KillMode, NotifyAccess, Restart, ServiceType};

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its section.
    pub section: &'static str,
    /// Its name.
    pub key: &'static str,
    /// The first version asked that knows it.
    pub since: u32,
    /// The last version that knows it, where the newest asked no longer does.
    pub until: Option<u32>,
    /// What systemd says it takes: `BOOLEAN`, `SECONDS`, `PATH [...]`.
    pub takes: &'static str,
}

/// What systemd does with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingLookup {
    /// It reads it.
    Known(Setting),
    /// `X-…`: it passes over it in silence.
    Private,
    /// It ignores the section.
    UnknownSection {
        /// A section with nearly this name.
        did_you_mean: Option<&'static str>,
    },
    /// It ignores the setting.
    UnknownKey {
        /// A setting of the section with nearly this name.
        did_you_mean: Option<&'static str>,
    },
    /// It ignores the setting here; there are sections that have it.
    WrongSection {
        /// Those sections.
        right: Vec<&'static str>,
    },
}

/// A value that systemd ignores, keeping what was set before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueFault {
    /// What the setting takes.
    pub expected: &'static str,
}

const DATA: &str = include_str!("known-settings.txt");

/// A setting by its section and key: a binary search in the list, which is sorted. Making a map of
/// it would cost more than a whole check does otherwise.
fn find(section: &str, key: &str) -> Option<Setting> {
    let (mut low, mut high) = (0, DATA.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start =
            DATA.as_bytes()[..middle].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let rest = &DATA[start..];
        let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
        // The head's lines begin with `#`, which stands before every letter.
        let order = match parse(line) {
            Some(setting) => (setting.section, setting.key).cmp(&(section, key)),
            None => std::cmp::Ordering::Less,
        };
        match order {
            std::cmp::Ordering::Equal => return parse(line),
            std::cmp::Ordering::Less => low = (start + line.len() + 1).max(low + 1),
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

fn parse(line: &'static str) -> Option<Setting> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = line.split('\t');
    Some(Setting {
        section: fields.next()?,
        key: fields.next()?,
        since: fields.next()?.parse().ok()?,
        until: fields.next()?.parse().ok(),
        takes: fields.next()?,
    })
}

/// Every setting of the list.
pub fn settings() -> impl Iterator<Item = Setting> {
    DATA.lines().filter_map(parse)
}

/// What systemd does with a setting in a section.
pub fn lookup(section: &str, key: &str) -> SettingLookup {
    if section.starts_with("X-") {
        return SettingLookup::Private;
    }
    if let Some(setting) = find(section, key) {
        return SettingLookup::Known(setting);
    }
    if !settings().any(|setting| setting.section == section) {
        let did_you_mean = nearest(section, settings().map(|setting| setting.section));
        return SettingLookup::UnknownSection { did_you_mean };
    }
    if key.starts_with("X-") {
        return SettingLookup::Private;
    }
    let mut right: Vec<&'static str> =
        settings().filter(|setting| setting.key == key).map(|setting| setting.section).collect();
    if !right.is_empty() {
        right.sort_unstable();
        return SettingLookup::WrongSection { right };
    }
    let keys = settings().filter(|setting| setting.section == section);
    SettingLookup::UnknownKey { did_you_mean: nearest(key, keys.map(|setting| setting.key)) }
}

/// The name that differs least, by two letters at most.
fn nearest(name: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    names
        .filter(|known| known.len().abs_diff(name.len()) <= 2)
        .filter_map(|known| {
            let distance = strsim::osa_distance(&known.to_ascii_lowercase(), &lower);
            // In a short name two letters make another word.
            (distance <= 2.min(name.len() / 4).max(1)).then_some((distance, known))
        })
        .min()
        .map(|(_, known)| known)
}

/// What a setting takes, in the words of `systemd --dump-configuration-items`; empty where that is
/// not known.
pub fn takes(section: &str, key: &str) -> &'static str {
    find(section, key).map_or("", |setting| setting.takes)
}

/// Does an empty assignment take back what was set before? (Elsewhere it is ignored with a
/// warning, or means nothing.)
pub fn empty_resets(section: &str, key: &str) -> bool {
    let kept = [
        "BOOLEAN",
        "SECONDS",
        "MODE",
        "SIGNAL",
        "UNSIGNED",
        "INTEGER",
        "SERVICETYPE",
        "SERVICERESTART",
        "SERVICERESTARTMODE",
        "SERVICEEXITTYPE",
        "ACCESS",
        "TIMEOUTMODE",
        "ACTION",
        "UNIT [...]",
    ];
    let other = [
        "TimeoutStopSec",
        "TimeoutAbortSec",
        "NotifyAccess",
        "OOMPolicy",
        "ProtectHome",
        "ProtectSystem",
        "PrivateTmp",
        "PrivateUsers",
        "PrivateMounts",
        "ProtectControlGroups",
    ];
    !kept.contains(&takes(section, key)) && !other.contains(&key)
}

/// Is a value one that systemd ignores? A value with a specifier or a placeholder is not judged,
/// nor is a setting whose values are not known here; nor an empty value (see [`empty_resets`]).
pub fn check_value(section: &str, key: &str, value: &str) -> Option<ValueFault> {
    if value.is_empty() || value.contains('%') || value.contains('$') || has_placeholder(value) {
        return None;
    }
    let fault = |ok: bool, expected| (!ok).then_some(ValueFault { expected });
    match (key, takes(section, key)) {
        ("ProtectSystem", _) => fault(
            value::parse_boolean(value).is_some() || ["full", "strict"].contains(&value),
            "a boolean, full or strict",
        ),
        ("ProtectHome", _) => fault(
            value::parse_boolean(value).is_some() || ["read-only", "tmpfs"].contains(&value),
            "a boolean, read-only or tmpfs",
        ),
        ("PrivateTmp", _) => fault(
            value::parse_boolean(value).is_some() || value == "disconnected",
            "a boolean or disconnected",
        ),
        ("NotifyAccess", _) => {
            fault(NotifyAccess::parse(value).is_some(), "none, main, exec or all")
        }
        ("TimeoutStopSec" | "TimeoutAbortSec", _) => seconds(value),
        ("WorkingDirectory", _) => {
            fault(value.trim_start_matches('-').starts_with(['/', '~']), "an absolute path or ~")
        }
        ("EnvironmentFile", _) => fault(
            value.strip_prefix('-').unwrap_or(value).starts_with('/'),
            "one absolute path without quotes",
        ),
        ("RootDirectory", _) => fault(value.starts_with('/'), "an absolute path"),
        (_, "BOOLEAN") => fault(value::parse_boolean(value).is_some(), "a boolean: yes or no"),
        (_, "SECONDS") => seconds(value),
        (_, "MODE") => fault(value::parse_mode(value).is_some(), "an octal mode such as 0755"),
        (_, "SIGNAL") => fault(value::parse_signal(value).is_some(), "a signal such as SIGTERM"),
        (_, "KILLMODE") => {
            fault(KillMode::parse(value).is_some(), "control-group, mixed, process or none")
        }
        (_, "SERVICETYPE") => fault(
            ServiceType::parse(value).is_some(),
            "simple, exec, forking, oneshot, dbus, notify, notify-reload or idle",
        ),
        (_, "SERVICERESTART") => fault(
            Restart::parse(value).is_some(),
            "no, always, on-success, on-failure, on-abnormal, on-abort or on-watchdog",
        ),
        _ => None,
    }
}

fn seconds(value: &str) -> Option<ValueFault> {
    parse_seconds(value)
        .is_none()
        .then_some(ValueFault { expected: "a time span such as 30 or 1min 30s" })
}
