//! systemd units: how systemd itself reads, merges and understands them.
//!
//! Sources: systemd.syntax(7), systemd.unit(5), systemd.exec(5), systemd.service(5), and
//! measurements on systemd 252 and 257. If a man page and a measurement differ, the measurement
//! counts. The tests compare this reader with systemd itself.

pub mod effective;
pub mod environment;
pub mod exec;
mod expand;
pub mod fault;
pub mod known;
mod lines;
pub mod load;
pub mod name;
pub mod paths;
mod refused;
pub mod specifier;
pub mod syntax;
mod template;
pub mod time;
pub mod value;
pub mod version;
mod word;

pub use effective::{Refusal, Unit};
pub use exec::{ExecCommand, ExecFault, Variable, Word, commands};
pub use expand::{ExpandedWord, expand};
pub use fault::{Fault, FaultKind};
pub use load::{LoadError, from_file, list, load, name_of_file};
pub use name::{UnitKind, UnitName};
pub use paths::UnitPaths;
pub use specifier::{Expansion, Specifiers};
pub use syntax::{Assignment, UnitFile, parse, parse_as};
