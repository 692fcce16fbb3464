//! What is true of a deployment: the files' contents joined into one model. Rules see only this.

pub mod gunicorn;
pub mod known;

pub use known::{Known, Origin, Why};
