//! The last day on which something is accepted.

/// A day as it is written, `2026-05-01`: sorted as text, such days are in chronological order. The
/// empty day comes before all others.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub String);
