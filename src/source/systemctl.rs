//! `systemctl show`: what the running systemd has loaded, and the state of each unit (systemctl(1);
//! the properties are those of org.freedesktop.systemd1(5)).

use std::collections::BTreeMap;

use crate::host::{Command, Program};

/// The properties that are requested.
const PROPERTIES: [&str; 27] = [
    "Id",
    "Names",
    "LoadState",
    "ActiveState",
    "SubState",
    "NeedDaemonReload",
    "CanReload",
    "MainPID",
    "ExecMainCode",
    "ExecMainStatus",
    "ExecMainStartTimestamp",
    "ExecMainStartTimestampMonotonic",
    "ActiveEnterTimestamp",
    "StateChangeTimestamp",
    "ReloadResult",
    "Result",
    "NRestarts",
    "FragmentPath",
    "DropInPaths",
    "EnvironmentFiles",
    "ControlGroup",
    "UnitFileState",
    "ExecReload",
    "NotifyAccess",
    "TimeoutStopUSec",
    "KillMode",
    "InvocationID",
];

/// One command that queries several units at once.
pub fn command<'a>(units: impl IntoIterator<Item = &'a str>) -> Command {
    let head = ["show".to_owned(), format!("--property={}", PROPERTIES.join(",")), "--".into()];
    Command::new(
        Program::Systemctl,
        head.into_iter().chain(units.into_iter().map(ToOwned::to_owned)),
    )
}

/// The properties of one unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    properties: BTreeMap<String, String>,
}

impl Shown {
    /// A property's text; `None` if systemd did not print it (an older version, or another kind of
    /// unit).
    pub fn get(&self, property: &str) -> Option<&str> {
        self.properties.get(property).map(String::as_str)
    }

    /// A property with the value `yes` or `no`.
    pub fn boolean(&self, property: &str) -> Option<bool> {
        match self.get(property)? {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }
    }

    /// A property with a number.
    pub fn number(&self, property: &str) -> Option<u64> {
        self.get(property)?.parse().ok()
    }

    /// A time in the machine's own time zone, as `2026-04-21 09:15:00`; `None` if the event has
    /// never happened.
    ///
    /// systemd writes `Tue 2026-04-21 09:15:00 CEST`; nginx's log uses the same zone, so the two
    /// compare as texts.
    pub fn local_time(&self, property: &str) -> Option<String> {
        let mut words = self.get(property)?.split_whitespace();
        let (date, time) = (words.nth(1)?, words.next()?);
        let shape = |text: &str, pattern: &str| {
            text.len() == pattern.len()
                && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
                    b'0' => byte.is_ascii_digit(),
                    other => byte == other,
                })
        };
        let time = time.get(..8)?;
        (shape(date, "0000-00-00") && shape(time, "00:00:00")).then(|| format!("{date} {time}"))
    }

    /// Whether this is the unit with that name, or the name is one of its aliases.
    pub fn is_named(&self, name: &str) -> bool {
        self.get("Id") == Some(name)
            || self.get("Names").is_some_and(|names| names.split_whitespace().any(|n| n == name))
    }
}

/// Reads the command's output: a block of `Property=value` lines for each unit, separated by empty
/// lines.
pub fn parse(output: &[u8]) -> Vec<Shown> {
    let text = String::from_utf8_lossy(output);
    let mut units = Vec::new();
    let mut unit = Shown::default();
    for line in text.lines() {
        if line.is_empty() {
            if !unit.properties.is_empty() {
                units.push(std::mem::take(&mut unit));
            }
        } else if let Some((property, value)) = line.split_once('=') {
            unit.properties.insert(property.to_owned(), value.to_owned());
        }
    }
    if !unit.properties.is_empty() {
        units.push(unit);
    }
    units
}
