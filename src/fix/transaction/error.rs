//! Errors of a transaction, without a byte of any file's content.

use std::fmt;
use std::path::PathBuf;

use super::TransactionId;
use crate::host::disk::DiskError;

/// Why the change of one path is refused before anything is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The path.
    pub path: PathBuf,
    /// The reason.
    pub why: Why,
}

/// The reasons of a [`Refusal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The content differs from what was read; the text says how.
    Changed(&'static str),
    /// `chattr +i` on the file or its directory.
    Immutable,
    /// `chattr +a` on the file or its directory.
    AppendOnly,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The file has other names, which would get the new owner or mode too.
    HardLinks(u64),
    /// More bytes than a change may have.
    TooLarge,
    /// A file cannot become a directory in one change, nor a directory a file.
    KindChange,
    /// The path is named twice.
    Twice,
    /// The path names no entry of a directory.
    NoName,
    /// The system's error.
    Disk(DiskError),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(what) => write!(f, "changed since it was read: {what}"),
            Self::Immutable => f.write_str("is immutable (chattr +i)"),
            Self::AppendOnly => f.write_str("is append-only (chattr +a)"),
            Self::ReadOnly => f.write_str("is on a file system that is mounted read-only"),
            Self::HardLinks(count) => {
                write!(
                    f,
                    "has {count} names (hard links), all of which would get the owner and \
                           mode"
                )
            }
            Self::TooLarge => f.write_str("is too large to be changed"),
            Self::KindChange => f.write_str("cannot become a different kind of file in one change"),
            Self::Twice => f.write_str("would be changed twice at once"),
            Self::NoName => f.write_str("names nothing that can be changed"),
            Self::Disk(error) => write!(f, "cannot {}: {}", error.doing, error.kind),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

/// Something worth knowing before a change is made that does not prevent the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The path.
    pub path: PathBuf,
    /// How many names (hard links) the file has; the other names keep the old content.
    pub names: u64,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, names) = (self.path.display(), self.names);
        write!(f, "{path}: has {names} names (hard links); the others keep the old content")
    }
}

/// A path that was not restored and stays as somebody else, or a failure, left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The path.
    pub path: PathBuf,
    /// Why it was not restored.
    pub why: String,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

/// What went wrong with the state directory or the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The state directory cannot be trusted.
    Untrusted {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another run is using it.
    Busy {
        /// The process that has the lock.
        holder: String,
    },
    /// A journal that cannot be read. Nothing is written until somebody has examined it.
    Damaged {
        /// The path of the journal.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An earlier transaction is still half done and could not be undone.
    Unfinished {
        /// The transaction.
        id: TransactionId,
        /// The reason.
        why: String,
    },
    /// There is no such transaction, or its state does not allow this operation.
    NotThere(TransactionId),
    /// A step failed.
    Disk(DiskError),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted { path, why } => {
                write!(f, "{}: {why}, so nothing is kept there", path.display())
            }
            Self::Busy { holder } => write!(f, "another run is making changes: {holder}"),
            Self::Damaged { path, why } => {
                write!(f, "{}: the journal is damaged: {why}", path.display())
            }
            Self::Unfinished { id, why } => {
                write!(f, "change {id} is half done and could not be undone yet: {why}")
            }
            Self::NotThere(id) => write!(f, "there is no change {id} to undo"),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// Why changes were not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyError {
    /// There is nothing to change.
    Nothing,
    /// The changes were refused, and nothing was written.
    Refused(Vec<Refusal>),
    /// Something failed on the way, and everything was undone except the paths in `left`.
    Failed {
        /// What failed.
        cause: String,
        /// The paths that could not be restored. If empty, everything is as before.
        left: Vec<Left>,
    },
    /// The state directory or the journal is at fault; nothing was changed.
    Store(StoreError),
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("there is nothing to change"),
            Self::Refused(refusals) => {
                f.write_str("nothing was written")?;
                refusals.iter().try_for_each(|refusal| write!(f, "\n  {refusal}"))
            }
            Self::Failed { cause, left } if left.is_empty() => {
                write!(f, "{cause}; everything was undone")
            }
            Self::Failed { cause, left } => {
                write!(f, "{cause}; could not undo")?;
                left.iter().try_for_each(|left| write!(f, "\n  {left}"))
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ApplyError {}

impl<E: Into<StoreError>> From<E> for ApplyError {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

/// Why a transaction was not undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoError {
    /// There is no transaction that could be undone.
    Nothing,
    /// These paths have changed since; nothing was written.
    Refused(Vec<Refusal>),
    /// Something failed. The next run continues the undo, unless `begun` is false: then nothing was
    /// changed.
    Failed {
        /// What failed.
        cause: String,
        /// Whether paths were already restored.
        begun: bool,
    },
    /// The state directory or the journal is at fault.
    Store(StoreError),
}

impl fmt::Display for UndoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("there is no change to undo"),
            Self::Refused(refusals) => {
                f.write_str("nothing was undone")?;
                refusals.iter().try_for_each(|refusal| write!(f, "\n  {refusal}"))
            }
            Self::Failed { cause, begun: false } => write!(f, "{cause}; nothing was undone"),
            Self::Failed { cause, begun: true } => {
                write!(f, "{cause}; partly undone, the next run continues with the rest")
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UndoError {}

impl<E: Into<StoreError>> From<E> for UndoError {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}
