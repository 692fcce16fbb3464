//! The rules: one file each, listed by area.

mod allowed_hosts;
mod django_files;
pub mod environment;
mod expected_upstream;
mod flask_server_name;
pub mod gunicorn;
mod https_redirect;
mod kept_connections;
mod listed_paths;
pub mod logs;
mod losses;
pub mod nginx;
mod no_exec_paths;
mod private_users;
pub mod processes;
mod refused_names;
pub mod release;
mod running_command;
mod runtime_directory;
mod script_name;
mod shell_syntax;
pub mod sockets;
mod static_url;
pub mod unit;
mod without_shell;

/// What the generator begins a rule of the other areas with; compiled here so that it keeps up.
#[cfg(test)]
#[allow(dead_code)]
#[path = "../examples/new-rule/application.rs"]
mod new_rule;

use std::sync::OnceLock;

use crate::rule::Rule;

/// Every rule, by area and code.
pub fn all() -> &'static [&'static Rule] {
    static ALL: OnceLock<Vec<&'static Rule>> = OnceLock::new();
    ALL.get_or_init(|| {
        [
            unit::RULES,
            gunicorn::RULES,
            nginx::RULES,
            environment::RULES,
            processes::RULES,
            sockets::RULES,
            release::RULES,
            logs::RULES,
        ]
        .concat()
    })
}
