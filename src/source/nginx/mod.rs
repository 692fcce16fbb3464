//! nginx's configuration, read as nginx reads it.
//!
//! [`token`] follows nginx's tokenizer byte for byte, [`tree`] is one file, [`load`] a
//! configuration with its includes, [`model`] what it means: servers, locations, what they pass
//! requests to. Sources: nginx's documentation and source (1.22), and measurements on it.

pub mod config;
pub mod fault;
mod include;
pub mod load;
mod lua;
pub mod token;
pub mod tree;

pub use config::{Config, Context, DirectiveId, DirectiveRef, NotRead, NotReadReason, WordRef};
pub use fault::{Fault, FaultKind};
pub use load::{load, load_fragments, parse};
