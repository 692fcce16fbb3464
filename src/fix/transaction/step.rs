//! One step of a transaction: a path, its present content, its new content, and the operations
//! needed.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Content;
use crate::host::disk::{Attribute, Found, Held};

/// One path on its way from the present content to the new one.
pub(super) struct Step {
    pub(super) path: PathBuf,
    pub(super) parent: PathBuf,
    pub(super) name: OsString,
    /// The name under which the new content is created, or to which the old content is moved.
    pub(super) temporary: OsString,
    pub(super) current: Option<Found>,
    pub(super) target: Content,
    /// The extended attributes that it must have; `None` for those that a new file gets.
    pub(super) attributes: Option<Vec<Attribute>>,
    /// The owner of a link.
    pub(super) link_owner: Option<(u32, u32)>,
}

/// The operation needed for a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    MakeDirectory,
    RemoveDirectory,
    /// Set owner, mode and attributes of what exists.
    Dress,
    /// Create a new file or link and put it in place.
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
