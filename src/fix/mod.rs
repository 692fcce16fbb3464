//! Repairs: plans the fixes that rules propose, writes all of them or none, and undoes them.

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

/// Where a change to a unit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In the file that contains the setting.
    InPlace,
    /// A change to a fragment goes into a drop-in on this machine; a change to a drop-in goes into
    /// the drop-in itself.
    DropIn,
}

/// A path in printable form, with control characters escaped.
pub fn shown_path(path: &std::path::Path) -> String {
    crate::source::show::line(&path.display().to_string())
}
