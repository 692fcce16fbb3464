//! gunicorn as a deployment runs it: through which wrappers it is started, and with which resulting
//! settings.

mod cmd_args;
pub mod launcher;
mod merge;
pub mod settings;
pub mod shell;
mod stays;
mod wrappers;

pub use launcher::{Launch, LaunchContext, NotLaunched, Stays, Wrapper, WrapperKind, see_through};
pub use settings::{
    Bind, ConfigChoice, Inputs, Layer, Overridden, SettingFault, Settings, Statement, UnknownName,
    config_choice, is_gthread, is_sync,
};

pub use crate::source::gunicorn::settings::Coverage;
pub use crate::source::gunicorn::{
    ApplicationName, ApplicationObject, BindAddress, SettingValue, Version,
};
