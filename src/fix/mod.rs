//! Repairs: plans the fixes that rules propose, writes them all or not at all, and takes them
//! back.

pub mod change;

pub use change::{Change, Content};
