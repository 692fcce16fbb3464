//! Making a file or link under its temporary name, and giving a file its owner, attributes and
//! mode.

use super::Content;
use super::step::Step;
use crate::host::disk::{Attribute, Directory, Disk, DiskError, DiskErrorKind, OpenFile};

/// Makes one file or link under its temporary name.
pub(super) fn stage(
    disk: &dyn Disk,
    directory: &Directory,
    step: &Step,
) -> Result<Option<OpenFile>, DiskError> {
    match &step.target {
        Content::File { bytes, mode, uid, gid } => {
            let file = disk.create(directory, &step.temporary)?;
            // Dressed while it is empty, so that at no time anybody sees of the content who will
            // not be allowed to. Writing takes set-user-id bits away, so these come again.
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

/// Sets owner, then attributes (access lists among them), then mode.
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
        // A directory may hand access lists down to what is made in it.
        let extra = |one: &&Attribute| wanted.iter().all(|wanted| wanted.name != one.name);
        for attribute in has.iter().filter(extra) {
            if fresh && attribute.name == "system.posix_acl_access" {
                disk.remove_attribute(file, &attribute.name)?;
            }
        }
    }
    disk.set_mode(file, mode)
}

/// Labels of security modules, which only root may set, and which the kernel gives by itself.
fn may_be_missing(attribute: &Attribute, error: &DiskError) -> bool {
    let name = attribute.name.as_encoded_bytes();
    (name.starts_with(b"security.") || name.starts_with(b"trusted."))
        && matches!(error.kind, DiskErrorKind::PermissionDenied | DiskErrorKind::Unsupported)
}
