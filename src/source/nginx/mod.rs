//! nginx's configuration, read as nginx reads it.
//!
//! [`token`] follows nginx's tokenizer byte for byte, [`tree`] is one file, [`load`] reads a
//! configuration with its includes, and [`model`] contains the meaning of that configuration:
//! servers, locations, and where they pass requests. Sources: nginx's documentation and source
//! (1.22), and measurements on it.

pub mod address;
mod buffers;
mod build;
mod check;
pub mod choose;
pub mod config;
mod directives;
pub mod effective;
pub mod fault;
mod id;
mod include;
pub mod installed;
mod interner;
mod known_variables;
pub mod load;
pub mod location;
mod location_kind;
mod lua;
pub mod model;
mod name_index;
mod names;
mod names_hash;
pub mod pass;
mod pattern;
mod says;
mod scope;
pub mod server;
pub mod token;
pub mod tree;
pub mod upstream;
pub mod value;
pub mod variables;
pub mod version;

pub use address::{Address, Host};
pub use choose::{Located, Reason, Served};
pub use config::{Config, Context, DirectiveId, DirectiveRef, NotRead, NotReadReason, WordRef};
pub use effective::{Effective, Inheritance, Place};
pub use fault::{Fault, FaultKind};
pub use id::{LocationId, ServerId, UpstreamId};
pub use load::{load, load_fragments, parse};
pub use location::{Handling, Location};
pub use location_kind::LocationKind;
pub use model::Model;
pub use pass::{Malformed, Pass, Possibility, Protocol, Target};
pub use server::{Listen, Server, ServerName, ServerNameKind};
pub use tree::Tree;
pub use upstream::{Method, Peer, Upstream};
pub use value::{parse_size, parse_time};
pub use variables::has_variable;
pub use version::Version;
