//! `ExecReload=` reads the process from a pid file: what is in it on a live host.

use deploy_doctor::facts::{Request, Scope};
use deploy_doctor::rule::Severity;

use crate::support::case::{Case, Seen};
use crate::support::living::World;
use crate::support::replayed::both;

const LIVE: Request = Request { apps: Vec::new(), scope: Scope::Live, database_revision: None };

fn with_file(reload: &str, content: Option<&str>) -> (Case, Seen) {
    let mut case = Case::healthy().file(
        "/etc/systemd/system/myapp.service.d/reload.conf",
        format!("[Service]\nExecReload=\nExecReload={reload}\n"),
    );
    World::healthy(&case.host).write(&mut case.host);
    if let Some(content) = content {
        case.host.file("/proc/800/root/run/myapp/gunicorn.pid", content);
    }
    let captured = both(&case.host, &LIVE);
    assert_eq!(captured.first, captured.again, "{}", captured.difference());
    let seen = case.check();
    (case, seen)
}

const RELOAD: &str = "/bin/sh -c 'kill -HUP $(cat /run/myapp/gunicorn.pid)'";

#[test]
fn a_pid_file_that_is_right_may_still_become_stale() {
    let (_, seen) = with_file(RELOAD, Some("800\n"));
    seen.only("U102").is(Severity::Warning).says("with a stale pid file");
}

#[test]
fn a_pid_file_that_is_wrong_now_is_an_error() {
    let cases = [
        (None, "/run/myapp/gunicorn.pid, which does not exist"),
        (Some(""), "which names none"),
        (Some("4711\n"), "names process 4711, which does not run"),
        (Some("811\n"), "names process 811 (gunicorn), which is not gunicorn's master"),
        (Some("501\n"), "names process 501 (nginx)"),
    ];
    for (content, says) in cases {
        let (_, seen) = with_file(RELOAD, content);
        seen.only("U102").is(Severity::Error).says(says).says("the old code keeps running");
    }
    let (_, seen) = with_file("/bin/sh -c 'kill -HUP `cat /run/myapp/gunicorn.pid`'", None);
    seen.only("U102").is(Severity::Error);
}

#[test]
fn what_is_not_known_stays_a_warning() {
    // The signal reaches the master all the same; the path is not known; the numbers are others.
    for reload in [
        "/bin/sh -c 'kill -HUP $(cat /run/myapp/gunicorn.pid) || kill -HUP $MAINPID'",
        "/bin/sh -c 'cd /run/myapp; kill -HUP $(cat gunicorn.pid)'",
        &format!("{RELOAD}\nPrivatePIDs=yes"),
    ] {
        let (_, seen) = with_file(reload, None);
        assert!(seen.hits.iter().all(|hit| hit.severity < Severity::Error), "{reload}: {seen:#?}");
        seen.only("U102");
    }
}

#[test]
fn a_capture_has_nothing_but_a_number_of_it() {
    let (case, _) = with_file(RELOAD, Some("KEY=c4n4ry-0f-a-pid-file\n"));
    let captured = both(&case.host, &LIVE);
    assert!(!captured.document.contains("c4n4ry"), "{}", captured.document);
}
