//! What a living host shows: how units end, what gunicorn says last, who serves in whose place.

use deploy_doctor::engine::{self, Settings};
use deploy_doctor::facts::{self, Request, Scope};
use deploy_doctor::host::MemoryHost;
use deploy_doctor::report::{self, Report, SourceInfo, Style, Times};
use deploy_doctor::rule::Severity;
use deploy_doctor::rules;
use deploy_doctor::source::Sources;
use deploy_doctor::source::exit_status::Exit;
use deploy_doctor::source::last_words::last_words;
use deploy_doctor::source::nginx_log::{self, Failure};

use crate::support::answers::output;
use crate::support::case::Case;
use crate::support::living::World;

fn world(changes: &str) -> Case {
    let mut case = Case::healthy();
    let mut world = World::healthy(&case.host);
    world.change(changes);
    world.write(&mut case.host);
    case
}

fn shown(state: &str, lines: &[&str]) -> impl FnOnce(&mut MemoryHost) {
    let show = format!(
        "Id=myapp.service\nNames=myapp.service\nReloadResult=success\nInvocationID=run2\n\
         ExecMainStartTimestamp=Tue 2026-04-21 09:15:00 CEST\n{state}\n"
    );
    let line = |line: &&str| {
        let line = serde_json::json!({ "MESSAGE": line, "_SYSTEMD_INVOCATION_ID": "run2" });
        format!("{line}\n")
    };
    let journal: String = lines.iter().map(line).collect();
    move |host| {
        host.command("systemctl show", Ok(output(0, &show)));
        host.command("journalctl", Ok(output(0, &journal)));
    }
}

#[test]
fn a_unit_that_is_left_over_is_no_outage() {
    let seen = world(
        "- 800\n\
         900 parent=1 unit=old.service user=33 start=50 sockets=40001 cwd=/srv/old : \
         /srv/old/.venv/bin/python /srv/old/.venv/bin/gunicorn --bind \
         unix:/run/myapp/gunicorn.sock wsgi:app",
    )
    .check();
    let hit = seen.only("P501");
    hit.is(Severity::Warning).says("old.service holds its socket").helps("systemctl disable myapp");
    assert!(!hit.message.contains("the site is down"), "{hit:#?}");
    let down = world("- 800\n- listen unix:/run/myapp/gunicorn.sock").check();
    down.only("P501").is(Severity::Error).says("the site is down");
    down.only("S602").helps("journalctl -u myapp");
}

#[test]
fn a_dead_socket_beside_a_gunicorn_that_runs_needs_a_restart_alone() {
    let seen = world("- listen unix:/run/myapp/gunicorn.sock").check();
    let hit = seen.only("S602");
    assert!(hit.help.starts_with("systemctl restart myapp"), "{hit:#?}");
}

#[test]
fn each_state_of_a_unit_is_named_as_it_is() {
    for (state, says, never) in [
        ("ActiveState=failed\nSubState=failed\nResult=exit-code", "is down", "is up"),
        (
            "ActiveState=activating\nSubState=auto-restart\nResult=exit-code",
            "keeps restarting",
            "up,",
        ),
        ("ActiveState=activating\nSubState=start\nResult=timeout", "is being started", "is up"),
        (
            "ActiveState=deactivating\nSubState=stop-sigkill\nResult=timeout",
            "being stopped",
            "is up",
        ),
        ("ActiveState=inactive\nSubState=dead\nResult=signal", "is stopped", "is up"),
        ("ActiveState=active\nSubState=running\nResult=exit-code", "is up, but", "is down"),
    ] {
        let seen = Case::healthy().living(shown(state, &["Started myapp.service."])).check();
        let hit = seen.only("L807").says(says);
        assert!(!hit.message.contains(never), "{hit:#?}");
    }
}

#[test]
fn systemds_statuses_have_names_and_meanings() {
    for (status, says) in [
        (200, "200/CHDIR: WorkingDirectory="),
        (203, "203/EXEC: the program"),
        (209, "209/STDOUT: the file of StandardOutput="),
        (216, "216/GROUP: the group"),
        (217, "217/USER: the user"),
        (226, "226/NAMESPACE: a path"),
        (3, "status 3"),
    ] {
        let state = format!(
            "ActiveState=failed\nSubState=failed\nResult=exit-code\nExecMainCode=1\n\
             ExecMainStatus={status}"
        );
        let seen = Case::healthy().living(shown(&state, &["x"])).check();
        seen.only("L807").says(says);
    }
    assert_eq!(Exit::new(2, 9).unwrap().to_string(), "signal KILL");
    assert_eq!(Exit::new(0, 0), None);
    assert_eq!(Exit::new(1, 70_000), None);
}

#[test]
fn gunicorns_last_words_are_in_the_finding_and_nothing_else_of_the_line() {
    for (line, words) in [
        (
            "Error: Error: '/var/log/myapp.log' isn't writable [PermissionError(13, 'Permission denied')]",
            Some("/var/log/myapp.log isn't writable (PermissionError)"),
        ),
        (
            "Error: /run/none does not exist. Can't create pidfile.",
            Some("/run/none does not exist: can't create pidfile"),
        ),
        (
            "gunicorn: error: unrecognized arguments: --wrokers 3 --token=hunter2",
            Some("unrecognized arguments: --wrokers --token"),
        ),
        ("gunicorn: error: unrecognized arguments: hunter2", Some("unrecognized arguments")),
        ("/srv/venv/bin/python: No module named gunicorn", Some("No module named gunicorn")),
        (
            "ModuleNotFoundError: No module named 'shop.hunter2 x'",
            Some("No module named shop.hunter2"),
        ),
        ("the plugin said: No module named hunter2", None),
        ("ValueError: '/run/myapp' is not a socket", Some("/run/myapp is not a socket")),
        (
            "[2026-04-21 09:15:00 +0000] [12] [ERROR] Connection in use: ('127.0.0.1', 8000)",
            Some("127.0.0.1:8000 is already in use"),
        ),
        (
            "[2026-04-21 09:15:00 +0000] [12] [ERROR] Connection in use: ('::1', 8000, 0, 0)",
            Some("[::1]:8000 is already in use"),
        ),
        (
            "Error: Already running on PID 77 (or pid file '/run/x' is stale)",
            Some("already running on PID 77, by its pidfile"),
        ),
        (
            "Error: class uri 'gevnet' invalid or not found: ",
            Some("class uri gevnet invalid or not found"),
        ),
        ("connecting with password hunter2", None),
    ] {
        assert_eq!(last_words(line).as_deref(), words, "{line}");
    }
    let state =
        "ActiveState=failed\nSubState=failed\nResult=exit-code\nExecMainCode=1\nExecMainStatus=1";
    let line = "Error: Error: '/var/log/myapp.log' isn't writable [PermissionError(13, 'no')]";
    let seen = Case::healthy().living(shown(state, &["Started.", line])).check();
    seen.only("L807").says("status 1").says("/var/log/myapp.log isn't writable");
    // What was said long before the end is no reason for it.
    let mut lines = vec![line];
    lines.extend([r#"GET / 200"#; 40]);
    let seen = Case::healthy().living(shown(state, &lines)).check();
    assert!(!seen.only("L807").message.contains("isn't writable"));
}

#[test]
fn workers_that_are_replaced_for_a_reason_are_no_loop() {
    let up = "ActiveState=active\nSubState=running\nResult=success";
    let boot = "[2026-04-21 09:15:00 +0000] [12] [INFO] Booting worker with pid: 12";
    let limit =
        "[2026-04-21 09:15:00 +0000] [12] [INFO] Autorestarting worker after current request.";
    let run = |lines: &[&str]| Case::healthy().living(shown(up, lines)).check();
    run(&[boot; 20]).only("P505").says("20 workers").says("ask for 3");
    run(&[boot; 6]).passes("P505");
    run(&[boot, limit].repeat(30)).passes("P505");
    // A reload begins anew.
    let mut lines = vec![boot; 9];
    lines.push("[2026-04-21 09:16:00 +0000] [1] [INFO] Handling signal: hup");
    lines.extend([boot; 9]);
    run(&lines).passes("P505");
}

/// How an upstream failed, by what nginx says of it.
fn failure(said: &str) -> Option<Failure> {
    let line = format!(
        "2026/04/21 09:15:00 [error] 7#7: *3 {said}, client: 127.0.0.1, server: _, request: \
         \"GET / HTTP/1.1\", upstream: \"http://unix:/run/myapp/gunicorn.sock:/\", host: \"x\"\n"
    );
    nginx_log::parse(line.as_bytes()).first().map(|entry| entry.failure)
}

#[test]
fn nginx_names_a_peer_that_does_not_speak_http2_and_a_broken_pipe() {
    let http2 =
        "upstream sent too large http2 frame: 4740180 while reading response header from upstream";
    assert_eq!(failure(http2), Some(Failure::Http2));
    let pipe = "writev() failed (32: Broken pipe) while sending request to upstream";
    assert_eq!(failure(pipe), Some(Failure::Reset));
    assert_eq!(failure("send() failed (32: Broken pipe) while sending to client"), None);
}

#[test]
fn a_page_that_broke_off_is_none_that_came_whole() {
    let broke_off = "upstream prematurely closed connection while reading upstream";
    assert_eq!(failure(broke_off), Some(Failure::CutOff));
    // nginx 1.22 and gunicorn 23: 20 uploads that the application did not read, 20 x 200, and this
    // line for most of them.
    let whole = "readv() failed (104: Connection reset by peer) while reading upstream";
    assert_eq!(failure(whole), None);
    let none =
        "recv() failed (104: Connection reset by peer) while reading response header from upstream";
    assert_eq!(failure(none), Some(Failure::Reset));
}

#[test]
fn without_probe_it_is_said_that_no_answer_was_looked_at() {
    let case = world("");
    let sources = Sources::new(&case.host);
    let request = Request { apps: Vec::new(), scope: Scope::Live, database_revision: None };
    let deployment = facts::read(&sources, &request);
    let outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
    let text = |mode| {
        let source =
            SourceInfo { mode, host: "host".into(), time: String::new(), options: Vec::new() };
        let times = Times::new(std::time::Duration::ZERO, Vec::new());
        let report =
            Report { source, deployment: &deployment, sources: &sources, outcome: &outcome, times };
        report::text(&report, Style::default())
    };
    let live = text("live");
    let verdict = live.lines().next().unwrap();
    assert!(verdict.contains("no answer of the site was checked: --probe URL"), "{live}");
    assert!(live.contains("no answer was checked: --probe URL"), "{live}");
    assert!(!text("root").contains("--probe"), "{}", text("root"));
}

#[test]
fn the_file_of_a_socket_that_systemd_holds_is_made_anew_by_the_socket_unit_alone() {
    let activated = |changes: &str| {
        let unit = "[Socket]\nListenStream=/run/myapp/gunicorn.sock\n\n[Install]\n\
                    WantedBy=sockets.target\n";
        let mut case = Case::healthy().file("/etc/systemd/system/myapp.socket", unit);
        let mut world = World::healthy(&case.host);
        world.change(changes);
        world.write(&mut case.host);
        case.check()
    };
    // While gunicorn runs, and while it waits for its first request.
    for changes in ["", "- 800\n1 sockets=40001\n"] {
        let gone = activated(&format!("{changes}\n- file /run/myapp/gunicorn.sock"));
        gone.only("S607")
            .is(Severity::Error)
            .says("systemd keeps listening without it")
            .helps("systemctl stop myapp myapp.socket && systemctl start myapp.socket myapp");
        activated(changes).passes("S607");
    }
}

/// One connection that waits in the queue of a `.socket` unit is none too many, whatever its length.
#[test]
fn a_queue_of_systemds_is_judged_only_where_it_may_be_full() {
    let socket = "[Socket]\nListenStream=/run/myapp.sock\nBacklog=2\n";
    let case = |waiting: usize| {
        let case = Case::healthy()
            .replace(
                "/etc/systemd/system/myapp.service",
                "After=network.target",
                "Requires=myapp.socket",
            )
            .replace(
                "/etc/nginx/sites-available/myapp",
                "/run/myapp/gunicorn.sock",
                "/run/myapp.sock",
            )
            .file("/etc/systemd/system/myapp.socket", socket);
        case.living(|host| {
            let mut world = World::healthy(host);
            world.change("- listen unix:/run/myapp/gunicorn.sock");
            world.change("listen unix:/run/myapp.sock inode=40001");
            for _ in 0..waiting {
                world.change("waiting unix:/run/myapp.sock");
            }
            world.write(host);
        })
    };
    case(1).check().passes("S605");
    case(2).check().skipped("S605");
}

#[test]
fn fewer_workers_by_another_command_line_need_a_restart() {
    let one = "800 parent=1 unit=myapp.service user=33 start=100 cwd=/srv/myapp/releases/2026-04-21 \
               sockets=40001 : /srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --workers 1 \
               --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app\n- 812\n- 813";
    let seen = world(one).check();
    assert!(seen.of("P502").is_empty(), "{seen:#?}");
    seen.only("U122").helps("systemctl restart myapp");
    seen.skipped("P502");
    world("- 812\n- 813").check().only("P502");
}
