//! The settings that systemd knows, by section and range of versions, and the properties of each:
//! is it a list, does an empty line clear it, does it take effect without a restart?
//!
//! All of it is in one table, `settings.txt`, which `settings.py` writes from the output of systemd
//! 252, 257 and 262 itself (`--dump-configuration-items`) and its manual pages.

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
    /// The version that brought it, or the ones of which one did; `252..=252` where the oldest
    /// that was asked has it.
    pub since: RangeInclusive<u32>,
    /// The versions of which one is the last to know it, where the newest no longer does.
    pub until: Option<RangeInclusive<u32>>,
    /// What systemd says it takes: `BOOLEAN`, `SECONDS`, `PATH [...]`.
    pub takes: &'static str,
    traits: &'static str,
}

/// Does a version of systemd know a setting or a value?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It does.
    Known,
    /// It is older.
    NotYet,
    /// It is newer, and takes it no longer.
    Gone,
    /// It is one of the versions that were not examined.
    Unsure,
}

impl Setting {
    fn has(&self, word: &str) -> bool {
        self.traits.split(',').any(|found| found == word)
    }

    /// Does a line of it hold a command?
    pub fn is_command(&self) -> bool {
        self.has("command")
    }

    /// Does every line of it add to a list?
    pub fn is_list(&self) -> bool {
        self.has("list")
    }

    /// Does an empty line take back what was set before? (Elsewhere it is ignored with a warning,
    /// or means nothing.)
    pub fn resets(&self) -> bool {
        self.has("resets")
    }

    /// Can there be several lines of it, none of which overrides another?
    pub fn adds_up(&self) -> bool {
        self.has("adds-up")
    }

    /// Does it hold from a `daemon-reload` on, without a restart of the service?
    pub fn holds_without_restart(&self) -> bool {
        self.has("no-restart")
    }

    /// Does the start, the reload or the environment depend on it?
    pub fn matters(&self) -> bool {
        self.has("matters")
    }

    /// Its place among the settings of its section, as one writes them.
    pub fn order(&self) -> Option<usize> {
        self.traits.split(',').find_map(|word| word.strip_prefix("order=")?.parse().ok())
    }

    /// Does this version know it?
    pub fn in_version(&self, version: u32) -> Presence {
        // What the oldest that was asked has may be as old as systemd.
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

    /// The version that brought a value, where that came later than the setting itself.
    pub fn value_since(&self, value: &str) -> Option<u32> {
        self.traits.split(',').find_map(|word| {
            let (of, since) = word.split_once('@')?;
            (of == value).then(|| since.parse().ok())?
        })
    }

    /// The first version that surely knows it, in words: `259`, `253 to 257`.
    pub fn since_words(&self) -> String {
        match self.since.start() == self.since.end() {
            true => self.since.start().to_string(),
            false => format!("{} to {}", self.since.start(), self.since.end()),
        }
    }
}

/// The oldest systemd that was asked.
pub const OLDEST: u32 = 252;

/// What systemd does with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingLookup {
    /// It reads it.
    Known(Setting),
    /// `X-…`: it ignores it in silence.
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

/// Where each line begins, found while this is compiled.
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

/// A setting by its section and name: a binary search in the list, which is sorted. Making a map of
/// it would cost more than a whole check does otherwise.
pub fn find(section: &str, key: &str) -> Option<Setting> {
    thread_local! {
        /// What was found: each rule asks for a few dozen names, of each unit.
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

/// Units can have any number of names.
const FOUND_LIMIT: usize = 1024;

fn search(wanted: &str) -> Option<Setting> {
    let begins = |start: &u32| {
        let rest = &DATA.as_bytes()[*start as usize..];
        &rest[..wanted.len().min(rest.len())]
    };
    // The head's lines begin with `#`, which is before every letter.
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

/// `254`, or `253-257` where it is one of these; nothing for `-`.
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

/// What a setting takes, in the words of `systemd --dump-configuration-items`; empty where that is
/// not known.
pub fn takes(section: &str, key: &str) -> &'static str {
    find(section, key).map_or("", |setting| setting.takes)
}

/// Does an empty assignment take back what was set before? A setting that is not known is taken
/// for one of which it does.
pub fn empty_resets(section: &str, key: &str) -> bool {
    find(section, key).is_none_or(|setting| setting.resets())
}

/// Does every assignment of it add to a list?
pub fn is_list(section: &str, key: &str) -> bool {
    find(section, key).is_some_and(|setting| setting.is_list())
}

/// Does the start, the reload or the environment depend on it, in whichever section it belongs?
pub fn matters(key: &str) -> bool {
    ["Service", "Socket", "Install"]
        .iter()
        .any(|section| find(section, key).is_some_and(|setting| setting.matters()))
}

/// Does this version of systemd take the setting with the value? Not where it is too old for
/// either, or has lost the setting. Where that is not known, it does.
pub fn holds(section: &str, key: &str, value: &str, version: Option<u32>) -> bool {
    let Some((version, setting)) = version.zip(find(section, key)) else { return true };
    !matches!(setting.in_version(version), Presence::NotYet | Presence::Gone)
        && setting.value_since(value).is_none_or(|since| since <= version)
}
