//! Rules of the area `unit`.

use crate::facts::Service;
use crate::facts::service::ExecCommand;
use crate::rule::prelude::{Span, placeholder};

crate::area![
    exec_reload_missing,
    exec_reload_not_graceful,
    main_process_not_gunicorn,
    daemonized,
    type_notify_reload,
    no_restart_policy,
    kill_mode,
    stop_timeout_too_short,
    working_directory,
    reload_keeps_old_release,
    environment_file_missing,
    socket_directory,
    private_tmp_socket,
    setting_ignored,
    daemon_reload_needed,
    executable_missing,
    exec_start_twice,
    sandbox_hides_app,
    unit_syntax,
    shell_syntax_without_shell,
    running_command_differs,
    watchdog,
    user_missing,
    notify_without_ready,
    output_file,
    kill_signal,
    unit_dependency_missing,
    unit_masked,
    runtime_directory_removes_socket,
    socket_unit_mismatch,
    systemd_version,
    environment_assignment_lost,
    environment_file_ignored,
    exec_variable_unset,
    release_pinned,
    restart_gives_up,
    migrate_in_exec_start_pre,
    not_enabled,
    runs_as_root,
    secret_in_unit,
    tasks_max_too_small,
];

/// What the generator of rules begins one with; compiled here so that it keeps up.
#[cfg(test)]
#[allow(dead_code)]
#[path = "../../examples/new-rule/unit.rs"]
mod new_rule;

/// What a command of ExecReload= has to be.
const RELOAD: &str = "ExecReload=/bin/kill -s HUP $MAINPID";
const HUP: &str = "/bin/kill -s HUP $MAINPID";

/// Where a setting would have to be added: the last line that takes it back or that systemd
/// ignores, else the section's header.
fn place_for(service: &Service, key: &str) -> Option<Span> {
    let unit = &service.unit;
    let last = unit.all("Service", key).last().map(|assignment| assignment.span);
    last.or_else(|| {
        let sections = unit.fragment.iter().flat_map(|file| &file.sections);
        sections.filter(|section| section.value == "Service").map(|section| section.span).next()
    })
}

/// May this stand in a unit, a shell's text or gunicorn's settings as it is, without quotes?
pub(super) fn plain(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@:,=".contains(&byte);
    !text.is_empty() && text.bytes().all(safe) && placeholder::find(text).is_none()
}

/// Is it a template's line, of which nobody knows yet what it will be?
fn is_template(text: &[u8]) -> bool {
    placeholder::holds(&String::from_utf8_lossy(text))
}

/// Every command of every Exec setting, with the setting's name.
fn all_commands(service: &Service) -> impl Iterator<Item = (&'static str, &ExecCommand)> {
    const SETTINGS: [&str; 8] = [
        "ExecCondition",
        "ExecStartPre",
        "ExecStart",
        "ExecStartPost",
        "ExecReload",
        "ExecReloadPost",
        "ExecStop",
        "ExecStopPost",
    ];
    SETTINGS.into_iter().flat_map(move |key| {
        service.unit.commands("Service", key).into_iter().map(move |(_, command)| (key, command))
    })
}

/// The consequence when a command of this setting fails.
fn consequence(setting: &str) -> &'static str {
    match setting {
        "ExecStart" => "gunicorn does not start",
        "ExecStartPre" | "ExecCondition" => "the unit does not start",
        "ExecStartPost" => "the start fails",
        "ExecReload" => "`systemctl reload` fails and nothing is reloaded",
        "ExecReloadPost" => "`systemctl reload` returns 1 although gunicorn was asked to reload",
        _ => "the stop is not clean",
    }
}
