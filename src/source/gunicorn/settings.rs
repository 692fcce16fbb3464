//! Which settings a version of gunicorn has, their flags, types and defaults.

use std::cmp::Ordering;

pub use super::row::{Action, Default, Kind, Row};
use super::table::{TABLE, VERSIONS};
use super::version::Version;
use crate::source::similar::{apart, nearest};

/// One setting of one version, or of all when the version is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name in a configuration file.
    pub name: &'static str,
    /// Its flags, the short one first.
    pub flags: &'static [&'static str],
    /// What its flag does.
    pub action: Action,
    /// What values it accepts.
    pub kind: Kind,
    /// Its default; `None` if the versions that are possible differ.
    pub default: Option<Default>,
}

impl Setting {
    /// Does its flag take a value, so that the next word is one?
    pub fn takes_value(&self) -> bool {
        matches!(self.action, Action::Text | Action::Int | Action::AutoInt | Action::Append)
    }
}

/// How a version relates to those that were examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// It is one of them.
    Known,
    /// It is between two of them; the older one's settings are taken.
    Between,
    /// Newer than the newest of them, whose settings are taken.
    Newer,
    /// Older than the oldest of them, whose settings are taken.
    Older,
    /// The version is not known: only what all versions have in common is said.
    AnyVersion,
}

/// The settings of one version of gunicorn.
#[derive(Debug, Clone)]
pub struct SettingTable {
    settings: Vec<Setting>,
    /// Settings that some versions have, when the version is not known.
    sometimes: Vec<Setting>,
    coverage: Coverage,
}

impl SettingTable {
    /// The settings of a version that was looked at; of one between two of them what both have, and
    /// besides the oldest and the newest theirs.
    pub fn for_version(version: &Version) -> Self {
        let (mut index, mut coverage) = (0, Coverage::Older);
        for (at, known) in VERSIONS.iter().enumerate() {
            let Some(known) = Version::parse(known) else { continue };
            match version.compare_release(&known) {
                Ordering::Less => break,
                Ordering::Equal => (index, coverage) = (at, Coverage::Known),
                Ordering::Greater => {
                    let last = at + 1 == VERSIONS.len();
                    coverage = if last { Coverage::Newer } else { Coverage::Between };
                    index = at;
                }
            }
        }
        if coverage == Coverage::Between {
            return Self::between(index, index + 1);
        }
        let settings = TABLE.iter().filter(|row| row.covers(index)).map(Row::setting).collect();
        Self { settings, sometimes: Vec::new(), coverage }
    }

    /// What two versions have in common, and what came or went between them: which of the releases
    /// between did it nobody looked at.
    fn between(before: usize, after: usize) -> Self {
        let (mut settings, mut sometimes) = (Vec::new(), Vec::new());
        for row in TABLE.iter().filter(|row| row.covers(before) || row.covers(after)) {
            let mut setting = row.setting();
            if row.covers(before) && row.covers(after) {
                settings.push(setting);
                continue;
            }
            let same = |other: &&Row| other.name == row.name && other.covers(after);
            let later = TABLE.iter().filter(|_| row.covers(before)).find(same);
            let earlier = |other: &Row| other.name == row.name && other.covers(before);
            match later {
                // It has changed: what it takes, or only its default.
                Some(later)
                    if (later.action, later.kind, later.flags)
                        == (row.action, row.kind, row.flags) =>
                {
                    setting.default = None;
                    settings.push(setting);
                }
                Some(_) => sometimes.push(setting),
                None if row.covers(after) && TABLE.iter().any(earlier) => {}
                None => sometimes.push(setting),
            }
        }
        Self { settings, sometimes, coverage: Coverage::Between }
    }

    /// What all versions have in common.
    pub fn any_version() -> Self {
        let (mut settings, mut sometimes) = (Vec::new(), Vec::new());
        let mut rows = TABLE.iter().peekable();
        while let Some(first) = rows.next() {
            let mut always = first.covers(0) && first.covers(VERSIONS.len() - 1);
            let mut setting = first.setting();
            while let Some(next) = rows.peek().filter(|next| next.name == first.name) {
                // Another range of the same setting: it exists throughout, but it changed.
                always = first.covers(0) && next.covers(VERSIONS.len() - 1);
                if next.action != first.action || next.kind != first.kind {
                    always = false;
                }
                setting.default = None;
                rows.next();
            }
            if always { settings.push(setting) } else { sometimes.push(setting) }
        }
        Self { settings, sometimes, coverage: Coverage::AnyVersion }
    }

    /// How the version relates to those that were examined.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// All settings, by name.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Settings that only some versions have, or have differently; empty for a known version.
    pub fn sometimes(&self) -> &[Setting] {
        &self.sometimes
    }

    /// The setting of this name.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// Does some version that is possible have a setting of this name?
    pub fn may_have(&self, name: &str) -> bool {
        self.get(name).is_some() || self.sometimes.iter().any(|setting| setting.name == name)
    }

    /// The setting that is probably meant by a name that is none: other capitals or underscores,
    /// the name of its option (`log_level`, `env`, `access_logfile`), or one letter amiss.
    pub fn meant_name(&self, name: &str) -> Option<&'static str> {
        if name.len() > 64 {
            return None;
        }
        let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
        let wanted = plain(name);
        let mut same = self.settings.iter().filter(|setting| {
            plain(setting.name) == wanted
                || setting.flags.iter().any(|flag| flag.len() > 3 && plain(flag) == wanted)
        });
        let near = |setting: &&Setting| {
            wanted.len() > 4 && apart(&wanted, &plain(setting.name)) == Some(1)
        };
        same.next().or_else(|| self.settings.iter().find(near)).map(|setting| setting.name)
    }

    /// The flag that is most like this one.
    pub fn nearest_flag(&self, flag: &str) -> Option<&'static str> {
        nearest(flag, self.settings.iter().flat_map(|setting| setting.flags.iter().copied()))
    }
}

impl Row {
    fn covers(&self, version: usize) -> bool {
        let at = |text| VERSIONS.iter().position(|known| *known == text);
        at(self.from).is_some_and(|from| from <= version)
            && at(self.to).is_some_and(|to| version <= to)
    }

    fn setting(&self) -> Setting {
        Setting {
            name: self.name,
            flags: self.flags,
            action: self.action,
            kind: self.kind,
            default: Some(self.default),
        }
    }
}
