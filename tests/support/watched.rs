//! A host in memory that is told of every question, and may be another one at the next.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use deploy_doctor::host::{Host, HostError, Lookup, MemoryHost, Metadata};

/// What is asked of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Look,
    LinkMetadata,
    Read,
    ReadLink,
    List,
}

/// `choose` hears each question and says which of the hosts answers.
pub struct Watched<F> {
    pub hosts: Vec<MemoryHost>,
    pub choose: F,
}

impl<F: Fn(Question, &Path) -> usize> Watched<F> {
    fn at(&self, question: Question, path: &Path) -> &MemoryHost {
        &self.hosts[(self.choose)(question, path)]
    }
}

impl<F: Fn(Question, &Path) -> usize> Host for Watched<F> {
    fn look(&self, path: &Path) -> Lookup {
        self.at(Question::Look, path).look(path)
    }

    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        self.at(Question::LinkMetadata, path).link_metadata(path)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.at(Question::Read, path).read(path, limit)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        self.at(Question::ReadLink, path).read_link(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        self.at(Question::List, path).list(path)
    }
}
