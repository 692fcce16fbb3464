//! What is true of a deployment: the files' contents joined into one model. Rules see only this.

pub mod known;

pub use known::{Known, Origin, Why};
