//! Changes of one's own, without a plan round them.

use super::draft::Draft;
use super::resolve::{Places, Resolver};
use super::{Change, Placement};
use crate::facts::Deployment;
use crate::host::{Host, OverlayHost};
use crate::rule::Edit;
use crate::source::Sources;

/// What these edits alone make of the files, each where it stands; or why one of them cannot be
/// made.
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
