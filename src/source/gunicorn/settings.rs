//! Which settings a version of gunicorn has, their flags, types and defaults.

use std::cmp::Ordering;

pub use super::row::{Action, Default, Kind, Row};
use super::table::{TABLE, VERSIONS};
use super::version::Version;
use crate::source::similar::{apart, nearest};

/// One setting of one version, or of all versions if the version is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name in a configuration file.
    pub name: &'static str,
    /// Its flags, the short one first.
    pub flags: &'static [&'static str],
    /// The action of its flag.
    pub action: Action,
    /// The values that it accepts.
    pub kind: Kind,
    /// Its default; `None` if the possible versions differ.
    pub default: Option<Default>,
}

impl Setting {
    /// Whether its flag takes a value, so that the next word is that value.
    pub fn takes_value(&self) -> bool {
        matches!(self.action, Action::Text | Action::Int | Action::AutoInt | Action::Append)
    }
}

/// How a version relates to the examined versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// It was examined.
    Known,
    /// It is between two examined versions; what both have counts.
    Between,
    /// It is newer than the newest examined version, whose settings are assumed.
    Newer,
    /// It is older than the oldest examined version, whose settings are assumed.
    Older,
    /// The version is not known: only what all versions have in common counts.
    AnyVersion,
}

/// The settings of one version of gunicorn.
#[derive(Debug, Clone)]
pub struct SettingTable {
    settings: Vec<Setting>,
    /// Settings that only some of the possible versions have, if the version is not known exactly.
    sometimes: Vec<Setting>,
    coverage: Coverage,
}

impl SettingTable {
    /// The settings of an examined version; for a version between two examined ones, what both
    /// have; for an older or newer version, those of the oldest or newest.
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

    /// What two versions have in common, and what was added or removed between them: which of the
    /// releases between them did so was not examined.
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
                // The setting has changed: either what it takes, or only its default.
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

    /// The settings that all versions have in common.
    pub fn any_version() -> Self {
        let (mut settings, mut sometimes) = (Vec::new(), Vec::new());
        let mut rows = TABLE.iter().peekable();
        while let Some(first) = rows.next() {
            let mut always = first.covers(0) && first.covers(VERSIONS.len() - 1);
            let mut setting = first.setting();
            while let Some(next) = rows.peek().filter(|next| next.name == first.name) {
                // The next row is another range of the same setting: the setting exists throughout,
                // but has changed.
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

    /// How the version relates to the examined versions.
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

    /// The setting with this name.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// Whether some possible version has a setting with this name.
    pub fn may_have(&self, name: &str) -> bool {
        self.get(name).is_some() || self.sometimes.iter().any(|setting| setting.name == name)
    }

    /// The setting that was probably meant by an unknown name: different capitals or underscores,
    /// the name of its option (`log_level`, `env`, `access_logfile`), or one wrong letter.
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

    /// The flag that is most similar to this one.
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
