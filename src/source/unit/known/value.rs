//! Values that systemd ignores.

use super::super::time::parse_seconds;
use super::super::value::{self, KillMode, NotifyAccess, Restart, ServiceType};
use super::takes;
use crate::source::placeholder;

/// A value that systemd ignores; the previous value remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueFault {
    /// What the setting takes.
    pub expected: &'static str,
}

/// Returns a fault if systemd ignores the value. A value with a specifier or a placeholder is not
/// judged, nor is a setting whose values are not known here, nor an empty value (see
/// [`empty_resets`]).
pub fn check_value(section: &str, key: &str, value: &str) -> Option<ValueFault> {
    if value.is_empty() || value.contains('%') || value.contains('$') || placeholder::holds(value) {
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
        ("ProtectHostname", _) => fault(
            value::parse_boolean(value).is_some()
                || value.split(':').next().is_some_and(|word| {
                    word == "private" || value::parse_boolean(word) == Some(true)
                }),
            "a boolean or private",
        ),
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
