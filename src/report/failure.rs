//! A run that came to no report, for the formats whose readers wait for one.

/// A run that came to no report.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was to be checked.
    pub scope: String,
    /// When, in seconds since 1970.
    pub seconds: u64,
    /// Why not.
    pub message: String,
}
