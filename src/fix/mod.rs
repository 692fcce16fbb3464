//! Repairs: plans the fixes that rules propose, writes them all or not at all, and undoes them.

pub mod actions;
pub mod change;
pub mod diff;
mod draft;
mod edited;
mod nginx;
pub mod others;
pub mod owners;
mod patch;
pub mod plan;
mod resolve;
mod setting;
mod spell;
mod text;
pub mod transaction;
mod unit;
pub mod validate;

pub use change::{Change, Content};
pub use edited::{Reach, edited};
pub use patch::patch;
pub use plan::{Left, Options, Plan, Proposal, Reason, plan};
pub use transaction::history;

/// Where the change of a unit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In the file where the setting is.
    InPlace,
    /// A fragment's change in a drop-in of this machine; a drop-in's in the drop-in.
    DropIn,
}

/// A path as it may be printed: control characters spelt out.
pub fn shown_path(path: &std::path::Path) -> String {
    crate::source::show::line(&path.display().to_string())
}
