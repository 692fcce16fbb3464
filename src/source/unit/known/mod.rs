//! The settings that systemd knows, by section and range of versions, and the properties of each:
//! whether it is a list, whether an empty line clears it, whether it takes effect without a
//! restart.
//!
//! All settings are in one table, `settings.txt`, which `settings.py` writes from the output of
//! systemd 252, 257 and 262 itself (`--dump-configuration-items`) and its manual pages.

mod value;

use std::cell::RefCell;
use std::ops::RangeInclusive;

use rustc_hash::FxHashMap;

use crate::source::similar::nearest;

pub use value::{ValueFault, check_value};

/// The newest systemd whose settings are known here.
pub const NEWEST: u32 = 262;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its section.
    pub section: &'static str,
    /// Its name.
    pub key: &'static str,
    /// The version that introduced it, or the range of versions within which it was introduced;
    /// `252..=252` if the oldest version that was examined has it.
    pub since: RangeInclusive<u32>,
    /// The range of versions within which it was last known; `None` if the newest version still
    /// knows it.
    pub until: Option<RangeInclusive<u32>>,
    /// What the setting takes, in systemd's words: `BOOLEAN`, `SECONDS`, `PATH [...]`.
    pub takes: &'static str,
    traits: &'static str,
}

/// Whether a version of systemd knows a setting or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The version knows it.
    Known,
    /// The version is too old to know it.
    NotYet,
    /// The version is newer and no longer knows it.
    Gone,
    /// The version is between two versions that were examined, so this is not known.
    Unsure,
}

impl Setting {
    fn has(&self, word: &str) -> bool {
        self.traits.split(',').any(|found| found == word)
    }

    /// Whether a line of this setting contains a command.
    pub fn is_command(&self) -> bool {
        self.has("command")
    }

    /// Whether every line of this setting adds to a list.
    pub fn is_list(&self) -> bool {
        self.has("list")
    }

    /// Whether an empty line resets what was set before. (For other settings an empty line is
    /// ignored with a warning, or means nothing.)
    pub fn resets(&self) -> bool {
        self.has("resets")
    }

    /// Whether there can be several lines of this setting, none of which overrides another.
    pub fn adds_up(&self) -> bool {
        self.has("adds-up")
    }

    /// Whether a change takes effect with `daemon-reload`, without a restart of the service.
    pub fn holds_without_restart(&self) -> bool {
        self.has("no-restart")
    }

    /// Whether the start, the reload or the environment of a service depends on this setting.
    pub fn matters(&self) -> bool {
        self.has("matters")
    }

    /// Its place in the customary order of the settings of its section.
    pub fn order(&self) -> Option<usize> {
        self.traits.split(',').find_map(|word| word.strip_prefix("order=")?.parse().ok())
    }

    /// Whether this version knows the setting.
    pub fn in_version(&self, version: u32) -> Presence {
        // A setting of the oldest version that was examined may be as old as systemd.
        if version < *self.since.start() && *self.since.start() > OLDEST {
            return Presence::NotYet;
        }
        let unsure = version < *self.since.end() && *self.since.end() > OLDEST;
        match &self.until {
            Some(until) if version > *until.end() => Presence::Gone,
            Some(until) if version > *until.start() => Presence::Unsure,
            _ if unsure => Presence::Unsure,
            _ => Presence::Known,
        }
    }

    /// The version that introduced a value, if that was later than the setting itself.
    pub fn value_since(&self, value: &str) -> Option<u32> {
        self.traits.split(',').find_map(|word| {
            let (of, since) = word.split_once('@')?;
            (of == value).then(|| since.parse().ok())?
        })
    }

    /// The first version that certainly knows the setting, in words: `259`, `253 to 257`.
    pub fn since_words(&self) -> String {
        match self.since.start() == self.since.end() {
            true => self.since.start().to_string(),
            false => format!("{} to {}", self.since.start(), self.since.end()),
        }
    }
}

/// The oldest version of systemd that was examined.
pub const OLDEST: u32 = 252;

/// What systemd does with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingLookup {
    /// systemd reads the setting.
    Known(Setting),
    /// `X-…`: systemd ignores the setting silently.
    Private,
    /// systemd ignores the section.
    UnknownSection {
        /// A known section with a similar name.
        did_you_mean: Option<&'static str>,
    },
    /// systemd ignores the setting.
    UnknownKey {
        /// A setting of the section with a similar name.
        did_you_mean: Option<&'static str>,
    },
    /// systemd ignores the setting in this section; other sections have it.
    WrongSection {
        /// The sections that have the setting.
        right: Vec<&'static str>,
    },
}

const DATA: &str = include_str!("settings.txt");

/// How many lines the list has.
const LINES: usize = {
    let (mut at, mut lines) = (0, 0);
    while at < DATA.len() {
        lines += (DATA.as_bytes()[at] == b'\n') as usize;
        at += 1;
    }
    lines
};

/// Where each line begins, computed at compile time.
const STARTS: [u32; LINES] = {
    let (mut starts, mut at, mut line) = ([0; LINES], 0, 0);
    while at < DATA.len() {
        if DATA.as_bytes()[at] == b'\n' {
            line += 1;
            if line < LINES {
                starts[line] = at as u32 + 1;
            }
        }
        at += 1;
    }
    starts
};

/// The setting of this section and name, found by binary search in the sorted list. Building a map
/// would take longer than the rest of a whole check.
pub fn find(section: &str, key: &str) -> Option<Setting> {
    thread_local! {
        /// Results so far: each rule looks up a few dozen names for each unit.
        static FOUND: RefCell<FxHashMap<String, Option<Setting>>> = RefCell::default();
    }
    let wanted = [section, "\t", key, "\t"].concat();
    FOUND.with_borrow_mut(|found| {
        if let Some(setting) = found.get(&wanted) {
            return setting.clone();
        }
        if found.len() == FOUND_LIMIT {
            found.clear();
        }
        let setting = search(&wanted);
        found.insert(wanted, setting.clone());
        setting
    })
}

/// Bounds the cache, because units can contain any number of names.
const FOUND_LIMIT: usize = 1024;

fn search(wanted: &str) -> Option<Setting> {
    let begins = |start: &u32| {
        let rest = &DATA.as_bytes()[*start as usize..];
        &rest[..wanted.len().min(rest.len())]
    };
    // The lines at the head begin with `#`, which sorts before every letter.
    let line = STARTS.partition_point(|start| begins(start) < wanted.as_bytes());
    let start = STARTS.get(line).filter(|start| begins(start) == wanted.as_bytes())?;
    DATA[*start as usize..].lines().next().and_then(parse)
}

fn parse(line: &'static str) -> Option<Setting> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = line.split('\t');
    Some(Setting {
        section: fields.next()?,
        key: fields.next()?,
        since: versions(fields.next()?)?,
        until: versions(fields.next()?),
        takes: fields.next()?,
        traits: fields.next()?,
    })
}

/// Reads `254` as one version and `253-257` as a range of versions; `None` for `-`.
fn versions(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
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

/// What a setting takes, in the words of `systemd --dump-configuration-items`; empty if that is not
/// known.
pub fn takes(section: &str, key: &str) -> &'static str {
    find(section, key).map_or("", |setting| setting.takes)
}

/// Whether an empty assignment resets what was set before. An unknown setting is assumed to be
/// reset.
pub fn empty_resets(section: &str, key: &str) -> bool {
    find(section, key).is_none_or(|setting| setting.resets())
}

/// Whether every assignment of the setting adds to a list.
pub fn is_list(section: &str, key: &str) -> bool {
    find(section, key).is_some_and(|setting| setting.is_list())
}

/// Whether the start, the reload or the environment of a service depends on the setting, in
/// whichever section it belongs.
pub fn matters(key: &str) -> bool {
    ["Service", "Socket", "Install"]
        .iter()
        .any(|section| find(section, key).is_some_and(|setting| setting.matters()))
}

/// Whether this version of systemd accepts the setting with the value: false if it is too old for
/// either, or no longer has the setting; true if that is not known.
pub fn holds(section: &str, key: &str, value: &str, version: Option<u32>) -> bool {
    let Some((version, setting)) = version.zip(find(section, key)) else { return true };
    !matches!(setting.in_version(version), Presence::NotYet | Presence::Gone)
        && setting.value_since(value).is_none_or(|since| since <= version)
}
