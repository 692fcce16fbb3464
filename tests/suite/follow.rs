//! What must follow a change before it holds: the last line of the help, and what `--run-actions`
//! does.

use std::fs;
use std::path::Path;

use crate::support::case::{Case, RELEASE};
use crate::support::fix::{DROP_IN, ENVIRONMENT, Repair, UNIT};

const GUNICORN: &str = "/srv/myapp/.venv/bin/gunicorn";
const REST: &str = "--chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app";
const SECRETS: &str = "SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\n\
                       DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db\n";
const BOTH: &str = "systemctl daemon-reload && systemctl restart myapp.service";
const RESTART: &str = "systemctl restart myapp.service";
const RELOAD: &str = "systemctl reload myapp.service";

/// gunicorn with these arguments before the others, and these lines before it.
fn unit(lines: &str, arguments: &str) -> Case {
    let start = format!("ExecStart=\nExecStart={GUNICORN} {arguments} {REST}\n");
    Case::healthy().file(DROP_IN, format!("[Service]\n{lines}{start}"))
}

fn config(case: Case, text: &str) -> Case {
    case.file(&format!("{RELEASE}/gunicorn.conf.py"), text)
}

/// What the help ends with and what is run are both this.
#[track_caller]
fn follows(case: Case, code: &str, wanted: &str) {
    let repair = Repair::of(case).rule(code);
    let repaired = repair.in_place();
    let actions: Vec<String> =
        repaired.plan.actions.iter().map(|action| action.command.to_string()).collect();
    assert_eq!(actions.join(" && "), wanted, "actions of {code}");
    let help = &repaired.plan.fixes.first().expect("a fix").help;
    assert_eq!(help.lines().last(), Some(&*format!("then: {wanted}")), "{code}:\n{help}");
}

/// What the help ends with where a person has to do it.
#[track_caller]
fn said(case: Case, code: &str, wanted: &str) {
    let repair = Repair::of(case).rule(code);
    let repaired = repair.in_place();
    assert!(repaired.plan.fixes.is_empty(), "{code} was fixed");
    let help = &repaired.plan.left.first().expect("a finding").proposal.help;
    assert_eq!(help.lines().last(), Some(&*format!("then: {wanted}")), "{code}:\n{help}");
}

#[test]
fn what_the_master_preloaded_goes_with_the_master_alone() {
    // On 23.0.0 and 27.0.1 the next deployment's HUP serves the old code after a mere reload.
    follows(config(unit("", "-w 3"), "preload_app = True\n"), "G203", RESTART);
    follows(unit("", "--preload -w 3"), "G203", BOTH);
    let text = "import os\npreload_app = bool(os.environ.get('HOME', 'x'))\n";
    said(config(unit("Environment=HOME=/\n", "-w 3"), text), "G203", RESTART);
}

#[test]
fn a_number_of_workers_holds_from_where_it_is_set() {
    follows(config(unit("", ""), "workers = 1\n"), "G201", RELOAD);
    follows(unit("", "-w 1"), "G201", BOTH);
    follows(unit("", ""), "G201", BOTH);
    follows(unit("Environment=GUNICORN_CMD_ARGS=--workers=1\n", ""), "G201", BOTH);
    follows(unit("Environment=WEB_CONCURRENCY=1\n", ""), "G201", BOTH);
    let environment = |line: &str| {
        let text = format!("{SECRETS}{line}\n");
        unit("", "").file(ENVIRONMENT, text).own(ENVIRONMENT, 0o640, 0, 0)
    };
    follows(environment("GUNICORN_CMD_ARGS=-w 1"), "G201", RESTART);
    follows(environment("WEB_CONCURRENCY=1"), "G201", RESTART);
}

#[test]
fn a_file_that_no_reload_reads_again_needs_a_restart() {
    let without = |text: &str| {
        let case = config(unit("ExecReload=\n", ""), text);
        case.replace(UNIT, "ExecReload=/bin/kill -s HUP $MAINPID\n", "")
    };
    follows(without("workers = 1\n"), "G201", RESTART);
    // A script has run long ago.
    const SCRIPT: &str = "/srv/myapp/bin/start";
    let script = Case::healthy()
        .file(DROP_IN, format!("[Service]\nExecStart=\nExecStart={SCRIPT}\n"))
        .file(SCRIPT, format!("#!/bin/sh\nexec {GUNICORN} -w 1 {REST}\n"))
        .own(SCRIPT, 0o755, 0, 0);
    follows(script, "G201", RESTART);
}

#[test]
fn a_variable_holds_from_the_start_on() {
    follows(unit("Environment=FLASK_DEBUG=1\n", "-w 3"), "E408", BOTH);
    let text = format!("{SECRETS}FLASK_DEBUG=1\n");
    let case = unit("", "-w 3").file(ENVIRONMENT, text).own(ENVIRONMENT, 0o640, 0, 0);
    follows(case, "E408", RESTART);
    let case = config(unit("", "-w 3"), "raw_env = [\"FLASK_DEBUG=1\"]\n");
    follows(case, "E408", RELOAD);
}

/// Rules whose help is itself such a command, each with the reason why no edit says it.
const OWN_WORDS: [(&str, &str); 29] = [
    ("environment/changed_since_start", "the files are right: only the restart is missing"),
    ("gunicorn/backlog_too_small", "the kernel's limit is raised: no file that is read changes"),
    ("gunicorn/preload_blocks_reload", "what each deployment needs as long as it is not mended"),
    ("gunicorn/reload_drops_requests", "a package is installed: no file that is read changes"),
    ("gunicorn/worker_class_missing", "a package is installed: no file that is read changes"),
    ("logs/import_error", "a package is installed or the code repaired, which is no setting"),
    ("logs/worker_boot_failed", "the code is to be repaired, which is no setting"),
    ("nginx/certificate_expiring", "a certificate is issued: no file that is read changes"),
    ("nginx/certificate_not_reloaded", "the files are right: only the reload is missing"),
    ("nginx/enabled_backup_file", "a file is moved: no file that is read changes"),
    ("nginx/nginx_not_reloaded", "the files are right: only the reload is missing"),
    ("nginx/nginx_test_fails", "what nginx -t names may stand in a file that was not read"),
    ("nginx/old_workers_linger", "a line at the top of nginx.conf, which no edit adds"),
    ("nginx/site_not_enabled", "a link is made: no file that is read changes"),
    ("processes/boot_loop", "the code is to be repaired, which is no setting"),
    ("processes/deleted_release", "the files are right: only the restart is missing"),
    ("processes/fewer_workers", "the files are right: only the reload is missing"),
    ("processes/gunicorn_upgraded_on_disk", "the files are right: only the restart is missing"),
    ("processes/mixed_releases_or_generations", "the files are right: only the reload is missing"),
    ("processes/orphan_workers", "processes are to end: no file changes"),
    ("processes/wrong_user", "the files are right: only the restart is missing"),
    ("release/venv_of_other_release", "an environment is made anew: no file that is read changes"),
    ("sockets/foreign_listener", "a process is to end: no file changes"),
    ("sockets/not_listening", "the files are right: only the restart is missing"),
    ("sockets/socket_replaced", "the files are right: only the restart is missing"),
    ("sockets/stale_socket_file", "the files are right: only the restart is missing"),
    ("unit/daemon_reload_needed", "the files are right: systemd is to read them"),
    ("unit/running_command_differs", "the files are right: only the restart is missing"),
    ("unit/user_missing", "an account is made, or else a name corrected: one of two ways"),
];

#[test]
fn rules_do_not_spell_what_must_follow() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut found = Vec::new();
    for area in fs::read_dir(&top).unwrap().map(|entry| entry.unwrap().path()) {
        let files = match area.is_dir() {
            true => fs::read_dir(&area).unwrap().map(|entry| entry.unwrap().path()).collect(),
            false => vec![area],
        };
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            // In backticks it is the subject of a sentence, and nothing to type.
            let code = code.map(|line| line.replace("`systemctl reload", ""));
            let spelt = ["systemctl re", "systemctl daemon-re", "systemctl \\"];
            if code.clone().any(|line| spelt.iter().any(|words| line.contains(words))) {
                let name = file.strip_prefix(&top).unwrap().to_str().unwrap();
                found.push(name.trim_end_matches(".rs").to_owned());
            }
        }
    }
    found.sort();
    assert_eq!(found, OWN_WORDS.map(|(name, _)| name));
}
