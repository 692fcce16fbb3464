//! Creates a file or link under its temporary name, and sets a file's owner, attributes and mode.

use super::Content;
use super::step::Step;
use crate::host::disk::{Attribute, Directory, Disk, DiskError, DiskErrorKind, OpenFile};

/// Creates one file or link under its temporary name.
pub(super) fn stage(
    disk: &dyn Disk,
    directory: &Directory,
    step: &Step,
) -> Result<Option<OpenFile>, DiskError> {
    match &step.target {
        Content::File { bytes, mode, uid, gid } => {
            let file = disk.create(directory, &step.temporary)?;
            // Owner and mode are set while the file is empty, so that nobody can ever read content
            // that they must not see. Writing clears the set-user-id bits, so these are set again.
            dress(disk, &file, (*uid, *gid, *mode), step.attributes.as_deref(), true)?;
            disk.write(&file, bytes)?;
            if mode & 0o6000 != 0 {
                disk.set_mode(&file, *mode)?;
            }
            Ok(Some(file))
        }
        Content::Link { target } => {
            disk.symlink(directory, &step.temporary, target)?;
            match step.link_owner {
                Some((uid, gid)) if uid != disk.user() => {
                    disk.set_link_owner(directory, &step.temporary, uid, gid)?;
                }
                _ => {}
            }
            Ok(None)
        }
        Content::Absent | Content::Directory { .. } => Ok(None),
    }
}

/// Sets the owner, then the attributes (including access control lists), then the mode.
pub(super) fn dress(
    disk: &dyn Disk,
    file: &OpenFile,
    (uid, gid, mode): (u32, u32, u32),
    wanted: Option<&[Attribute]>,
    fresh: bool,
) -> Result<(), DiskError> {
    disk.set_owner(file, uid, gid)?;
    if let Some(wanted) = wanted {
        let has = disk.attributes(file)?;
        for attribute in wanted.iter().filter(|attribute| !has.contains(attribute)) {
            match disk.set_attribute(file, attribute) {
                Err(error) if may_be_missing(attribute, &error) => {}
                other => other?,
            }
        }
        // A directory may pass access control lists on to files created in it.
        let extra = |one: &&Attribute| wanted.iter().all(|wanted| wanted.name != one.name);
        for attribute in has.iter().filter(extra) {
            if fresh && attribute.name == "system.posix_acl_access" {
                disk.remove_attribute(file, &attribute.name)?;
            }
        }
    }
    disk.set_mode(file, mode)
}

/// Whether it is a label of a security module, which only root may set and which the kernel assigns
/// by itself.
fn may_be_missing(attribute: &Attribute, error: &DiskError) -> bool {
    let name = attribute.name.as_encoded_bytes();
    (name.starts_with(b"security.") || name.starts_with(b"trusted."))
        && matches!(error.kind, DiskErrorKind::PermissionDenied | DiskErrorKind::Unsupported)
}
