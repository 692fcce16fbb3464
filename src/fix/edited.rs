//! Changes that are made directly, without a plan around them.

use super::draft::Draft;
use std::path::{Path, PathBuf};

use super::resolve::{Places, Resolver, texts};
use super::{Change, Placement};
use crate::facts::Deployment;
use crate::host::{Host, OverlayHost};
use crate::rule::Edit;
use crate::source::Sources;

/// The changes that these edits alone make to the files, each in the file itself; or why one of
/// them cannot be made.
pub fn edited(
    host: &dyn Host,
    sources: &Sources,
    deployment: &Deployment,
    edits: &[Edit],
) -> Result<Vec<Change>, String> {
    let overlay = OverlayHost::new(host);
    let places = Places::of(deployment, &overlay, false);
    let placement = Placement::InPlace;
    let (overlay, places, repository) = (&overlay, &places, false);
    let resolver = Resolver { sources, overlay, deployment, places, placement, repository };
    let steps = resolver.steps(edits)?;
    Draft::default().with(overlay, &steps, places, placement)?.changes(host)
}

/// Answers for one fix after another which files it changes.
pub struct Reach<'a, 'h> {
    sources: &'a Sources<'h>,
    deployment: &'a Deployment,
    overlay: OverlayHost<'h>,
    places: Places,
}

impl<'a, 'h> Reach<'a, 'h> {
    /// For the files of a repository.
    pub fn new(sources: &'a Sources<'h>, deployment: &'a Deployment) -> Self {
        let overlay = OverlayHost::new(sources.machine());
        let places = Places::of(deployment, &overlay, true);
        Self { sources, deployment, overlay, places }
    }

    /// The files whose text the edits change, with links resolved. `None` if the edits cannot be
    /// made, are more than changes of text, or move text that may be a secret.
    pub fn texts(&self, edits: &[Edit]) -> Option<Vec<PathBuf>> {
        if edits.iter().any(|edit| matches!(edit, Edit::Lift { .. })) {
            return None;
        }
        let Self { sources, deployment, overlay, places } = self;
        let placement = Placement::InPlace;
        let resolver =
            Resolver { sources, overlay, deployment, places, placement, repository: true };
        let steps = resolver.steps(edits).ok()?;
        Some(texts(&steps)?.into_iter().map(Path::to_path_buf).collect())
    }
}
