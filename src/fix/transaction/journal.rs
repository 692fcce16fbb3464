//! The journal of one transaction: the old and new content of each path, written as JSON.
//!
//! A path or a content that is not UTF-8 is written as hexadecimal digits. The old content is kept
//! in separate files (`before-0`, `before-1` …), so that a person can retrieve it by hand.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::{Change, Content};
use super::Description;
use crate::host::disk::Attribute;

/// The version of the journal that is written and can be read.
const VERSION: u32 = 1;

/// A transaction as stored. It contains files' content, so it has no `Debug`.
pub(in crate::fix) struct Record {
    pub(in crate::fix) description: Description,
    pub(in crate::fix) entries: Vec<Entry>,
}

/// One change, with what is needed to make and to undo it.
pub(in crate::fix) struct Entry {
    pub(in crate::fix) change: Change,
    /// The extended attributes of the old file or directory.
    pub(super) attributes: Vec<Attribute>,
    /// The owner of the old link.
    pub(super) link_owner: Option<(u32, u32)>,
    /// The temporary name under which the new content is created.
    pub(super) stage: OsString,
    /// The temporary name under which the old content is restored.
    pub(super) restore: OsString,
}

/// Bytes in JSON: a string if they are UTF-8, otherwise hexadecimal digits.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Text {
    Text(String),
    Hex(String),
}

impl Text {
    fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }

    fn bytes(self) -> Option<Vec<u8>> {
        let digits = match self {
            Self::Text(text) => return Some(text.into_bytes()),
            Self::Hex(digits) => digits.into_bytes(),
        };
        let mut bytes = Vec::with_capacity(digits.len() / 2);
        let (pairs, rest) = digits.as_chunks::<2>();
        for [high, low] in pairs {
            let digit = |byte: u8| (byte as char).to_digit(16);
            bytes.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
        }
        rest.is_empty().then_some(bytes)
    }

    fn path(path: &Path) -> Self {
        Self::new(path.as_os_str().as_bytes())
    }

    fn os_string(self) -> Option<OsString> {
        self.bytes().map(OsString::from_vec)
    }
}

#[derive(Serialize, Deserialize)]
struct JournalDocument {
    version: u32,
    description: Description,
    changes: Vec<JournalLine>,
}

#[derive(Serialize, Deserialize)]
struct JournalLine {
    path: Text,
    before: Side,
    after: Side,
    attributes: Vec<(Text, Text)>,
    link_owner: Option<(u32, u32)>,
    stage: Text,
    restore: Text,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Absent,
    /// Without `bytes`, the content is in a file of its own.
    File {
        bytes: Option<Text>,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Directory {
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Link {
        target: Text,
    },
}

impl Side {
    fn new(content: &Content, with_bytes: bool) -> Self {
        match content {
            Content::Absent => Self::Absent,
            Content::File { bytes, mode, uid, gid } => Self::File {
                bytes: with_bytes.then(|| Text::new(bytes)),
                mode: *mode,
                uid: *uid,
                gid: *gid,
            },
            Content::Directory { mode, uid, gid } => {
                Self::Directory { mode: *mode, uid: *uid, gid: *gid }
            }
            Content::Link { target } => Self::Link { target: Text::path(target) },
        }
    }

    fn content(self, kept: impl FnOnce() -> Option<Vec<u8>>) -> Option<Content> {
        Some(match self {
            Self::Absent => Content::Absent,
            Self::File { bytes, mode, uid, gid } => {
                let bytes = match bytes {
                    Some(text) => text.bytes()?,
                    None => kept()?,
                };
                Content::File { bytes, mode, uid, gid }
            }
            Self::Directory { mode, uid, gid } => Content::Directory { mode, uid, gid },
            Self::Link { target } => Content::Link { target: PathBuf::from(target.os_string()?) },
        })
    }
}

/// The name of the file with the old content of this entry.
pub(super) fn before_name(number: usize) -> OsString {
    format!("before-{number}").into()
}

impl Record {
    /// The text of the journal.
    pub(super) fn write(&self) -> Result<Vec<u8>, String> {
        let changes = self.entries.iter().map(Entry::line).collect();
        let document =
            JournalDocument { version: VERSION, description: self.description.clone(), changes };
        serde_json::to_vec_pretty(&document).map_err(|error| error.to_string())
    }

    /// Reads a journal; `kept` returns the bytes of a file next to it.
    pub(super) fn read(
        bytes: &[u8],
        mut kept: impl FnMut(&OsStr) -> Option<Vec<u8>>,
    ) -> Result<Self, String> {
        // serde_json's message could quote content: only the place is reported.
        let document: JournalDocument = serde_json::from_slice(bytes).map_err(|error| {
            format!("not understood at line {}, column {}", error.line(), error.column())
        })?;
        if document.version != VERSION {
            return Err(format!("it has version {}", document.version));
        }
        let mut entries = Vec::with_capacity(document.changes.len());
        for (number, line) in document.changes.into_iter().enumerate() {
            let entry = Entry::read(line, || kept(&before_name(number)));
            entries.push(entry.ok_or_else(|| format!("change {number} is not complete"))?);
        }
        Ok(Self { description: document.description, entries })
    }
}

impl Entry {
    fn line(&self) -> JournalLine {
        let attributes = self.attributes.iter();
        JournalLine {
            path: Text::path(&self.change.path),
            before: Side::new(&self.change.before, false),
            after: Side::new(&self.change.after, true),
            attributes: attributes
                .map(|one| (Text::new(one.name.as_bytes()), Text::new(&one.value)))
                .collect(),
            link_owner: self.link_owner,
            stage: Text::new(self.stage.as_bytes()),
            restore: Text::new(self.restore.as_bytes()),
        }
    }

    fn read(line: JournalLine, kept: impl FnOnce() -> Option<Vec<u8>>) -> Option<Self> {
        let mut attributes = Vec::with_capacity(line.attributes.len());
        for (name, value) in line.attributes {
            attributes.push(Attribute { name: name.os_string()?, value: value.bytes()? });
        }
        Some(Self {
            change: Change {
                path: PathBuf::from(line.path.os_string()?),
                before: line.before.content(kept)?,
                after: line.after.content(|| None)?,
            },
            attributes,
            link_owner: line.link_owner,
            stage: line.stage.os_string()?,
            restore: line.restore.os_string()?,
        })
    }
}
