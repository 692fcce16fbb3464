//! The editor: the Language Server Protocol over a pair of streams.
//!
//! What `check DIR` finds in each folder of a workspace is published as diagnostics, what `fix DIR`
//! would write is offered as quick fixes, and a hover shows `explain`. All work on the texts in the
//! editor, saved or not. The check itself is passed in as a [`Checker`], so that nothing here knows
//! about options and exit statuses.
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

/// What checks and fixes a folder, as the command line does.
pub trait Checker {
    /// Checks a folder and passes on what is found. Returns whether it holds any deployment.
    fn check(
        &self,
        folder: &Path,
        unsaved: &Rc<Unsaved>,
        hand_on: &mut dyn FnMut(&Report),
    ) -> Result<bool, Failure>;

    /// What the wanted fixes make of the files, checked as `fix` checks what it writes; or why they
    /// cannot be made. A fix that is more than a change of text is none of them.
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
    /// In words.
    pub message: String,
    /// The same by the places that it is about, where it is about places in files.
    pub at: Vec<Problem>,
}

/// Which fixes are to be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// That of one finding.
    One(One),
    /// The safe ones that change this file alone, named free of links.
    File(PathBuf),
    /// Every safe one.
    All,
}

/// A finding that can be told from the others of the same check.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct One {
    /// Its rule's code.
    pub code: String,
    /// Where it is: the file as it was read, and the byte.
    pub place: Option<(PathBuf, u32)>,
    /// What its fix does.
    pub title: String,
    /// Does the fix change behaviour beyond the finding?
    pub is_unsafe: bool,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The client asked for it, with `shutdown` and then `exit`.
    Asked,
    /// The client said `exit` without `shutdown`, or went away.
    Abruptly,
    /// What came was not the protocol, for this reason.
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
    // All that was said is to be written before the process ends.
    let _ = writer.join();
    ended
}
