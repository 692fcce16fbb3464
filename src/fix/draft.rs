//! The state of a plan: which paths are changed so far, and how.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::resolve::{Places, Step};
use super::text::{Splice, spliced};
use super::unit::{self, DROP_IN, Placing};
use super::{Change, Content, Placement, resolve};
use crate::host::overlay::Entry;
use crate::host::{FileKind, Host, Metadata, Outcome, OverlayHost, READ_LIMIT};

/// The changes so far, on top of a host.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Draft {
    /// The host as it would be with the changes.
    pub fn overlay<'h>(&self, base: &'h dyn Host) -> OverlayHost<'h> {
        let mut overlay = OverlayHost::new(base);
        for (path, entry) in &self.entries {
            overlay.put(path, entry.clone());
        }
        overlay
    }

    /// The draft with additional steps.
    pub fn with(
        &self,
        overlay: &OverlayHost,
        steps: &[Step],
        places: &Places,
        placement: Placement,
    ) -> Result<Self, String> {
        let mut next = self.clone();
        let mut splices: BTreeMap<&Path, Vec<Splice>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Splice { path, splice } => {
                    splices.entry(path).or_default().push(splice.clone());
                }
                Step::Mode { path, mode } => {
                    let mut entry = present(overlay, path)?;
                    entry.metadata.mode = *mode;
                    next.entries.insert(path.clone(), entry);
                }
            }
        }
        for (path, splices) in splices {
            next.splice(overlay, path, &splices, places, placement)?;
        }
        Ok(next)
    }

    fn splice(
        &mut self,
        overlay: &OverlayHost,
        path: &Path,
        splices: &[Splice],
        places: &Places,
        placement: Placement,
    ) -> Result<(), String> {
        let entry = match self.entries.get(path) {
            Some(entry) => entry.clone(),
            None => present(overlay, path)?,
        };
        let after = spliced(&entry.bytes, splices);
        let placing = match placement {
            Placement::InPlace => None,
            Placement::DropIn => places.units.get(path).and_then(Option::as_ref),
        };
        if let Some(placing) = placing {
            match self.drop_in(overlay, &entry, &after, placing) {
                Ok(()) => return Ok(()),
                Err(why) if resolve::is_packaged(path) => return Err(why),
                // What no drop-in can express is changed in the file itself, if it is the
                // operator's own.
                Err(_) => {}
            }
        }
        self.put(path.into(), entry, after);
        Ok(())
    }

    /// Records an entry with new bytes.
    fn put(&mut self, path: PathBuf, mut entry: Entry, bytes: Vec<u8>) {
        entry.metadata.size = bytes.len() as u64;
        entry.bytes = bytes.into();
        self.entries.insert(path, entry);
    }

    fn drop_in(
        &mut self,
        overlay: &OverlayHost,
        fragment: &Entry,
        after: &[u8],
        placing: &Placing,
    ) -> Result<(), String> {
        let earlier = placing.drop_ins.iter().filter(|path| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes() < DROP_IN.as_bytes())
        });
        let mut drop_ins = Vec::new();
        for path in earlier {
            drop_ins.push(overlay.read(path, READ_LIMIT).map_err(|error| error.to_string())?);
        }
        let lines = unit::as_drop_in(&fragment.bytes, after, &drop_ins)?;
        let directory = overlay.resolve(&placing.directory);
        let path = overlay.resolve(&directory.join(DROP_IN));
        let old = match self.entries.get(&path) {
            Some(entry) => Some(entry.clone()),
            None => match overlay.look(&path).outcome {
                Outcome::Missing { .. } => None,
                _ => Some(present(overlay, &path)?),
            },
        };
        if matches!(overlay.look(&directory).outcome, Outcome::Missing { .. })
            && !self.entries.contains_key(&directory)
        {
            let entry = self.new_entry(overlay, &directory, FileKind::Directory, fragment)?;
            self.entries.insert(directory, entry);
        }
        let bytes = unit::with_lines(old.as_ref().map(|entry| &*entry.bytes), &lines);
        let entry = match old {
            Some(entry) => entry,
            None => self.new_entry(overlay, &path, FileKind::File, fragment)?,
        };
        self.put(path, entry, bytes);
        Ok(())
    }

    /// A new entry belongs to the owner of the directory around it, or, if that directory was not
    /// given to be read, to the owner of the unit's file.
    fn new_entry(
        &self,
        overlay: &OverlayHost,
        path: &Path,
        kind: FileKind,
        fragment: &Entry,
    ) -> Result<Entry, String> {
        let parent = path.parent().ok_or("there is nothing above it")?;
        let around = match (self.entries.get(parent), overlay.look(parent).outcome) {
            (Some(entry), _) => entry.metadata,
            (None, Outcome::Present(metadata)) if metadata.kind == FileKind::Directory => metadata,
            (None, Outcome::Failed(_)) => fragment.metadata,
            _ => return Err(format!("{} is not a directory", parent.display())),
        };
        let mode = if kind == FileKind::Directory { 0o755 } else { 0o644 };
        let metadata = Metadata {
            kind,
            mode,
            uid: around.uid,
            gid: around.gid,
            size: 0,
            mtime: 0,
            mtime_nanos: 0,
        };
        Ok(Entry { metadata, bytes: Arc::default() })
    }

    /// The resulting changes on the disk, directories first.
    pub fn changes(&self, base: &dyn Host) -> Result<Vec<Change>, String> {
        let mut changes = Vec::with_capacity(self.entries.len());
        for (path, entry) in &self.entries {
            let before = Content::read(base, path).map_err(|error| error.to_string())?;
            let after = Content::new(entry.metadata, entry.bytes.to_vec());
            if before != after {
                changes.push(Change { path: path.clone(), before, after });
            }
        }
        Ok(changes)
    }
}

fn present(overlay: &OverlayHost, path: &Path) -> Result<Entry, String> {
    let Outcome::Present(metadata) = overlay.look(path).outcome else {
        return Err(format!("{} does not exist", path.display()));
    };
    let bytes = match metadata.kind {
        FileKind::File => overlay.read(path, READ_LIMIT).map_err(|error| error.to_string())?,
        FileKind::Directory => Vec::new(),
        kind => return Err(format!("{} is {kind}", path.display())),
    };
    Ok(Entry { metadata, bytes: bytes.into() })
}
