//! The vocabulary of the table of directives: nginx's contexts and numbers of arguments
//! (`ngx_conf_file.h`, `ngx_http_config.h`), and the range of versions that a line applies to.

use crate::source::nginx::version::Version;

/// A directive as some versions of nginx have it. A directive that changed has several lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Directive {
    /// Its name.
    pub name: &'static str,
    /// The version that introduced this form.
    pub since: Change,
    /// The first version without this form.
    pub until: Change,
    /// Whether a second line in the same block is a duplicate.
    pub once: bool,
    /// Where it may be and what it takes there: one bit set for each form.
    pub forms: &'static [u32],
}

/// When something changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// Not within the versions that were examined.
    Never,
    /// With this version.
    From((u32, u32, u32)),
    /// After the first version, and in the second at the latest.
    Between((u32, u32, u32), (u32, u32, u32)),
}

pub(super) use Change::{Between, From};

/// The oldest version that was examined has the directive already.
pub(super) const ALWAYS: Change = Change::Never;
/// The newest version that was examined still has the directive.
pub(super) const STILL: Change = Change::Never;

impl Change {
    /// Whether the change certainly has (or has not) happened in a version; `None` if that is not
    /// known.
    fn seen(self, version: Version) -> Option<bool> {
        let version = (version.0, version.1, version.2);
        match self {
            Self::Never => None,
            From(at) => Some(version >= at),
            Between(before, _) if version <= before => Some(false),
            Between(_, after) => (version >= after).then_some(true),
        }
    }
}

impl Change {
    /// Like [`Self::seen`], for a version that may be unknown.
    pub(super) fn seen_by(self, version: Option<Version>) -> Option<bool> {
        self.seen(version?)
    }
}

impl Change {
    /// The first version in which the change certainly has happened, if there is one.
    pub(super) fn by(self) -> Option<Version> {
        match self {
            Self::Never => None,
            From((major, minor, patch)) | Between(_, (major, minor, patch)) => {
                Some(Version(major, minor, patch))
            }
        }
    }
}

impl Directive {
    /// Whether a version may have the directive in this form.
    pub(super) fn fits(&self, version: Option<Version>) -> bool {
        version.is_none_or(|version| {
            self.since.seen(version) != Some(false) && self.until.seen(version) != Some(true)
        })
    }
}

pub(super) const NONE: u32 = 0x0000_0001;
pub(super) const TAKES_1: u32 = 0x0000_0002;
pub(super) const TAKES_2: u32 = 0x0000_0004;
pub(super) const TAKES_3: u32 = 0x0000_0008;
pub(super) const TAKES_4: u32 = 0x0000_0010;
pub(super) const BLOCK: u32 = 0x0000_0100;
pub(super) const FLAG: u32 = 0x0000_0200;
pub(super) const ANY: u32 = 0x0000_0400;
pub(super) const ONE_OR_MORE: u32 = 0x0000_0800;
pub(super) const TWO_OR_MORE: u32 = 0x0000_1000;
/// In `events`, `mail` or `stream`, which are not checked.
pub(super) const ELSEWHERE: u32 = 0x0010_0000;
pub(super) const MAIN: u32 = 0x0100_0000;
pub(super) const HTTP: u32 = 0x0200_0000;
pub(super) const SERVER: u32 = 0x0400_0000;
pub(super) const LOCATION: u32 = 0x0800_0000;
pub(super) const UPSTREAM: u32 = 0x1000_0000;
pub(super) const SERVER_IF: u32 = 0x2000_0000;
pub(super) const LOCATION_IF: u32 = 0x4000_0000;
pub(super) const LIMIT_EXCEPT: u32 = 0x8000_0000;
/// Anywhere in `http`.
pub(super) const ANY_HTTP: u32 =
    HTTP | SERVER | LOCATION | UPSTREAM | SERVER_IF | LOCATION_IF | LIMIT_EXCEPT;
