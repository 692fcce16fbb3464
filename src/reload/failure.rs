//! Why a reload is rolled back.

use super::cause::Mark;

/// Why the new release is not to stay.
#[derive(Debug)]
pub(super) struct Failure {
    /// In one line, the cause first.
    pub why: String,
    /// The master that serves is one that was never reloaded: taking the code back needs no reload.
    pub untouched: bool,
    /// Workers of the new release have loaded it and answer, be it wrongly.
    pub serving: bool,
    /// The position in the journal before the reload.
    pub mark: Option<Mark>,
}
