//! One step of a transaction: a path, its present content, its new content, and the operations
//! needed.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Content;
use crate::host::disk::{Attribute, Found, Held};

/// One path on its way from what is to what is to be.
pub(super) struct Step {
    pub(super) path: PathBuf,
    pub(super) parent: PathBuf,
    pub(super) name: OsString,
    /// The name under which the new content is made, or the old one is put aside.
    pub(super) temporary: OsString,
    pub(super) current: Option<Found>,
    pub(super) target: Content,
    /// The extended attributes it is meant to have; none: those that a new file gets.
    pub(super) attributes: Option<Vec<Attribute>>,
    /// The owner of a link.
    pub(super) link_owner: Option<(u32, u32)>,
}

/// What has to be done for a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    MakeDirectory,
    RemoveDirectory,
    /// Owner, mode and attributes of what is there.
    Dress,
    /// A file or link that is newly created and put in place.
    Place,
    Remove,
}

impl Step {
    pub(super) fn action(&self) -> Action {
        match (&self.current, &self.target) {
            (None, Content::Directory { .. }) => Action::MakeDirectory,
            (Some(_), Content::Directory { .. }) => Action::Dress,
            (Some(Found { held: Held::Nothing, .. }), Content::Absent) => Action::RemoveDirectory,
            (_, Content::Absent) => Action::Remove,
            (Some(Found { held: Held::Bytes(held), .. }), Content::File { bytes, .. })
                if held == bytes =>
            {
                Action::Dress
            }
            _ => Action::Place,
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.path.components().count()
    }
}
