//! A run that produced no report, for formats whose readers expect one.

/// A run that came to no report.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was meant to be checked.
    pub scope: String,
    /// When, in seconds since 1970.
    pub seconds: u64,
    /// Why not.
    pub message: String,
}
