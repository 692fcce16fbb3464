//! A run that produced no report, for formats whose readers expect one.

/// A run that produced no report.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was meant to be checked.
    pub scope: String,
    /// The time, in seconds since 1970.
    pub seconds: u64,
    /// The reason.
    pub message: String,
}
