//! Any bytes for each reader. A target is a function, so that `examples/growth.rs` runs the same ones.
//!
//! None may panic, hang or hold more than [`memory::LIMIT`]; what else must be so is asserted.

mod capture;
mod memory;
mod pack;
mod readers;
mod reports;
mod spans;
mod tree;

pub use capture::document;
pub use memory::{LIMIT, peak_of};
pub use pack::{Section, sections, write};
pub use tree::healthy;

/// A target, by the name of its file in `fuzz_targets/`.
type Target = fn(&[u8]);

/// Every target.
pub const TARGETS: [(&str, Target); 12] = [
    ("alembic", readers::alembic::run),
    ("capture", capture::run),
    ("config", readers::config::run),
    ("env_file", readers::env_file::run),
    ("journal", readers::journal::run),
    ("nginx", readers::nginx::run),
    ("proc", readers::proc::run),
    ("python", readers::python::run),
    ("report", reports::run),
    ("requirements", readers::requirements::run),
    ("unit", readers::unit::run),
    ("whole", tree::run),
];

/// The target of this name.
pub fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("there is no target {name}")).1
}

/// Runs a target, and stops where it held too much memory at once.
pub fn run(name: &'static str, bytes: &[u8]) {
    memory::bounded(name, bytes, target(name));
}
