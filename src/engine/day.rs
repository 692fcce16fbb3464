//! The day until which something is accepted.

/// A day as it is written, `2026-05-01`: in this form the order of texts is the order of time. The
/// empty day comes before all others.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub String);
