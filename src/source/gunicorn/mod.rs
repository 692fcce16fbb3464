//! gunicorn's own languages: its settings, its command line, addresses, application names.
//!
//! Taken from gunicorn's source (`config.py`, `util.py`, `app/base.py`) and Python's `argparse` and
//! `shlex`, and tested against real gunicorns.

pub mod address;
pub mod application;
pub mod arguments;
mod row;
pub mod settings;
pub mod shlex;
mod table;
pub mod value;
pub mod version;

pub use address::{AddressFault, BindAddress, parse_address};
pub use application::{ApplicationName, ApplicationObject};
pub use arguments::{
    Application, Argument, ArgumentFault, ArgumentWord, Arguments, Event, FaultKind,
    parse_arguments,
};
pub use settings::{Action, Kind, Setting, SettingTable};
pub use value::{RawValue, SettingValue, Validated, is_hook, validate};
pub use version::Version;
