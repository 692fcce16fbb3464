//! The editor: the Language Server Protocol over a pair of streams.
//!
//! What `check DIR` finds in each folder of a workspace is published as diagnostics, what `fix DIR`
//! would write is offered as quick fixes, and a hover shows `explain`. All of these use the texts
//! in the editor, saved or not. The check itself is passed in as a [`Checker`], so that this module
//! needs no knowledge of options and exit statuses.
//!
//! Source: "Language Server Protocol Specification - 3.17".

mod actions;
mod client;
mod diagnostics;
mod documents;
mod edit;
mod folder;
mod names;
mod position;
mod protocol;
mod server;
mod transport;
mod uri;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::facts::Problem;
use crate::fix::Change;
use crate::host::Unsaved;
use crate::report::Report;

/// Checks and fixes a folder, as the command line does.
pub trait Checker {
    /// Checks a folder and passes on the report. Returns whether the folder contains any
    /// deployment.
    fn check(
        &self,
        folder: &Path,
        unsaved: &Rc<Unsaved>,
        hand_on: &mut dyn FnMut(&Report),
    ) -> Result<bool, Failure>;

    /// The changes that the wanted fixes make to the files, verified as `fix` verifies what it
    /// writes; or why they cannot be made. A fix that is more than a change of text is never among
    /// them.
    fn changes(
        &self,
        folder: &Path,
        unsaved: &Rc<Unsaved>,
        wanted: &Wanted,
    ) -> Result<Vec<Change>, String>;
}

/// Why a folder could not be checked at all.
#[derive(Debug)]
pub struct Failure {
    /// The reason in words.
    pub message: String,
    /// The same reason by the places in files that it is about, if there are such places.
    pub at: Vec<Problem>,
}

/// The fixes that are to be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// The fix of one finding.
    One(One),
    /// The safe fixes that change only this file, whose path has its links resolved.
    File(PathBuf),
    /// Every safe fix.
    All,
}

/// Identifies a finding among those of one check.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct One {
    /// Its rule's code.
    pub code: String,
    /// Its place: the path of the file as it was read, and the offset of the byte.
    pub place: Option<(PathBuf, u32)>,
    /// What its fix does.
    pub title: String,
    /// Whether the fix changes behaviour beyond the finding.
    pub is_unsafe: bool,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The client ended it properly, with `shutdown` and then `exit`.
    Asked,
    /// The client sent `exit` without `shutdown`, or disconnected.
    Abruptly,
    /// The client sent something that is not the protocol, for this reason.
    NotUnderstood(String),
}

/// Serves one client until it ends the session.
pub fn serve(
    checker: &dyn Checker,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> Ended {
    let incoming = transport::read(input);
    let (outgoing, writer) = transport::write(output);
    let ended = server::Server::new(checker, outgoing).run(&incoming);
    // Everything must be written before the process exits.
    let _ = writer.join();
    ended
}
