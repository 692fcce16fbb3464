//! Wrong alarms that were found on real files (`docs/false-alarms.md`), as small cases that stay
//! silent, each with its neighbour that must not.

use crate::support::case::{Case, Seen};
use deploy_doctor::facts::Given;

const UNIT: &str = "/repo/web.service";

/// `check --unit web.service`, with other files beside it.
fn unit(text: &str, others: &[(&str, &str)]) -> Seen {
    let mut case = Case::empty().file(UNIT, text);
    let mut given = Given { units: vec![UNIT.into()], ..Given::default() };
    for (path, text) in others {
        case = case.file(path, text);
        given.units.push(path.into());
    }
    case.check_files(given)
}

const ACTIVATED: &str = "[Unit]\nRequires=web.socket\n[Service]\nUser=ubuntu\nPrivateTmp=true\n\
                         ExecStart=/srv/venv/bin/gunicorn --bind unix:/run/web.sock wsgi:app\n";

/// The layout of a much copied tutorial: `gunicorn.socket` makes `/run/gunicorn.sock` as root and
/// hands it over, and the `--bind` beside it is not used.
#[test]
fn a_socket_unit_that_was_not_given_makes_the_bind_unknown() {
    let seen = unit(ACTIVATED, &[]);
    seen.skipped("U117");
    let reason = seen.skips.iter().find(|skip| skip.0 == "U117").map(|skip| skip.1.text());
    assert!(reason.is_some_and(|reason| reason.contains("web.socket")), "{reason:?}");

    let seen = unit(&ACTIVATED.replace("/run/", "/tmp/"), &[]);
    seen.skipped("U118");
}

#[test]
fn a_socket_unit_that_was_given_makes_the_socket_itself() {
    let socket = "[Socket]\nListenStream=/run/web.sock\n[Install]\nWantedBy=sockets.target\n";
    unit(ACTIVATED, &[("/repo/web.socket", socket)]).passes("U117");
}

#[test]
fn without_a_socket_unit_the_bind_is_gunicorns_own() {
    let seen = unit(&ACTIVATED.replace("Requires=web.socket", "After=network.target"), &[]);
    seen.only("U117").at(UNIT, 6);
}

#[test]
fn a_script_that_runs_once_is_no_server() {
    let backup = "[Service]\nType=oneshot\nExecStart=/srv/web/backup.sh\n";
    let seen = unit(backup, &[]);
    assert!(seen.hits.is_empty(), "{seen:#?}");
    assert!(seen.problems[0].contains("does not run gunicorn"), "{:?}", seen.problems);
}

#[test]
fn a_script_that_stays_is_judged() {
    let start = "[Service]\nType=simple\nExecStart=/srv/web/start.sh\n";
    unit(start, &[]).only("U101");
}

/// systemd stops at the first fatal line: ExecStart= below it is not read, and that is the fault,
/// not that the unit runs something else.
#[test]
fn a_unit_that_systemd_refuses_before_exec_start_is_judged_all_the_same() {
    let refused = "[Service]\nWorkingDirectory=app/src\nExecStart=/srv/venv/bin/gunicorn wsgi:app\n\
                   ExecReload=/bin/kill -HUP $MAINPID\n";
    let seen = unit(refused, &[]);
    seen.only("U128").at(UNIT, 2);
    assert!(seen.of("U101").is_empty(), "{seen:#?}");
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
}

#[test]
fn a_placeholder_in_angle_brackets_is_no_relative_path() {
    let template = "[Service]\nWorkingDirectory=<project_path>/src\n\
                    ExecStart=/srv/venv/bin/gunicorn wsgi:app\n";
    assert!(unit(template, &[]).of("U128").is_empty());
    unit(&template.replace(['<', '>'], ""), &[]).only("U128");
}
