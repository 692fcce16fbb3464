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

/// nginx is installed, and none of its processes runs.
fn without_nginx(changes: &str, state: Option<&str>) -> Case {
    let mut case = world(&format!("- 500\n{changes}"));
    case.host.file("/lib/systemd/system/nginx.service", "[Service]\nExecStart=/usr/sbin/nginx\n");
    if let Some(state) = state {
        let show = format!("Id=nginx.service\nNames=nginx.service\n{state}\n");
        case.host.command("systemctl show", Ok(output(0, &show)));
    }
    case
}

#[test]
fn nginx_that_does_not_run_is_named_with_its_units_state() {
    let killed = "LoadState=loaded\nActiveState=failed\nResult=signal\nExecMainCode=2\n\
                  ExecMainStatus=9\nUnitFileState=enabled";
    let masked = "LoadState=masked\nActiveState=inactive\nResult=success\nUnitFileState=masked";
    for (state, says, helps) in [
        (killed, "nginx.service has failed (signal KILL)", "nginx -t"),
        (
            "LoadState=loaded\nActiveState=failed\nResult=exit-code\nUnitFileState=disabled",
            "nginx.service has failed (Result=exit-code)",
            "journalctl -u nginx",
        ),
        (
            "LoadState=loaded\nActiveState=inactive\nResult=success\nUnitFileState=enabled",
            "nginx.service is stopped, and nothing listens on 0.0.0.0:80",
            "systemctl start nginx",
        ),
        (masked, "nginx.service is stopped and masked", "systemctl unmask nginx"),
    ] {
        let seen = without_nginx("", Some(state)).check();
        seen.only("N333").is(Severity::Error).says("the site is down").says(says).helps(helps);
        assert_eq!(seen.apps[0].1, "will-break", "{seen:?}");
    }
    let left = "LoadState=loaded\nActiveState=inactive\nResult=success\nUnitFileState=disabled";
    let seen = without_nginx("", Some(left)).check();
    let hit = seen.only("N333");
    hit.is(Severity::Warning).says("stopped and disabled").helps("remove its site");
    assert!(!hit.message.contains("the site is down"), "{hit:#?}");
}

#[test]
fn what_may_be_in_front_instead_of_nginx_is_not_accused() {
    let idle = "LoadState=loaded\nActiveState=inactive\nResult=success\nUnitFileState=enabled";
    let gone = "LoadState=not-found\nActiveState=inactive\nResult=success\nUnitFileState=";
    let starts = "LoadState=loaded\nActiveState=activating\nResult=success\nUnitFileState=enabled";
    let container = "600 parent=1 unit=docker-1f3a.scope user=0 start=50 name=nginx : nginx: master \
                     process nginx";
    let no_systemd = "1 name=tini : tini -- gunicorn";
    for (changes, state, says) in [
        ("listen 0.0.0.0:80 inode=40009", idle, "another program listens on 0.0.0.0:80"),
        ("listen [::]:80 inode=40009", idle, "another program listens on 0.0.0.0:80"),
        (container, idle, "nginx runs outside nginx.service"),
        ("", gone, "there is no nginx.service"),
        ("", starts, "is activating"),
        (no_systemd, idle, "is not systemd"),
    ] {
        let seen = without_nginx(changes, Some(state)).check();
        let reasons = seen.reasons("N333");
        assert!(reasons.len() == 1 && reasons[0].contains(says), "{changes}: {reasons:?}");
    }
    // Its configuration leads elsewhere.
    let mut other = without_nginx("", Some(idle));
    other.host.file("/etc/nginx/sites-available/myapp", "server { listen 80; }\n");
    other.check().passes("N333");
    // An image's files say nothing of it.
    assert_eq!(Case::healthy().check().reasons("N333").len(), 1);
}

const TCP: &str = "127.0.0.1:8000";

/// The healthy deployment on a port.
fn on_a_port(changes: &str) -> Case {
    let site = "/etc/nginx/sites-available/myapp";
    let unit = "/etc/systemd/system/myapp.service";
    let mut case = Case::healthy().replace(site, "unix:/run/myapp/gunicorn.sock", TCP).replace(
        unit,
        "unix:/run/myapp/gunicorn.sock",
        TCP,
    );
    let mut world = World::healthy(&case.host);
    let command = "800 : /srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --workers 3 \
                   --chdir /srv/myapp/current --bind 127.0.0.1:8000 wsgi:app";
    world.change("- listen unix:/run/myapp/gunicorn.sock").change(command).change(changes);
    world.write(&mut case.host);
    case
}

#[test]
fn sockets_of_gunicorns_own_network_are_seen_there() {
    let own = "800 net=4026532100\n- listen unix:/run/myapp/gunicorn.sock\n";
    let seen =
        world(&format!("{own}listen unix:/run/myapp/gunicorn.sock inode=40001 of=800")).check();
    for code in ["S601", "S602", "S603", "S606", "S607", "P507"] {
        seen.passes(code);
    }
    // Nothing listens there either.
    let seen = world(&format!("{own}listen unix:/run/other.sock inode=40001 of=800")).check();
    seen.only("S602");

    // A port is reached from its own network alone.
    let apart = "800 net=4026532100\nlisten 127.0.0.1:8000 inode=40001 of=800";
    on_a_port("listen 127.0.0.1:8000 inode=40001").check().passes("S601");
    on_a_port(apart).check().only("S601").says("in a network of its own").helps("unix socket");
    // nginx may be in the same one.
    on_a_port(&format!("{apart}\n500 net=4026532100")).check().passes("S601");
    on_a_port("listen 127.0.0.1:8000 inode=40001\n500 net=4026532100").check().only("S601");
    // Another program may pass on what it gets: systemd-socket-proxyd.
    let proxy = "listen 127.0.0.1:8000 inode=40900\n700 parent=1 unit=proxy.service user=0 start=50 \
                 sockets=40900 : /lib/systemd/systemd-socket-proxyd";
    let seen = on_a_port(&format!("{apart}\n{proxy}")).check();
    assert!(seen.reasons("S603")[0].contains("a network of its own"), "{seen:?}");
    seen.passes("S601");
}

/// The healthy deployment at work, and another server behind the same upstream.
fn two_servers(servers: &str, pass: &str, changes: &str) -> Case {
    let site = "/etc/nginx/sites-available/myapp";
    let own = "server unix:/run/myapp/gunicorn.sock fail_timeout=0;";
    let mut case = Case::healthy().replace(site, own, &format!("{own} {servers}")).replace(
        site,
        "proxy_pass http://myapp;",
        &format!("proxy_pass http://myapp; {pass}"),
    );
    let mut world = World::healthy(&case.host);
    world.change(changes);
    world.write(&mut case.host);
    case
}

#[test]
fn a_server_whose_requests_another_takes_is_no_outage() {
    let down = "- 800\n- listen unix:/run/myapp/gunicorn.sock\n- file /run/myapp/gunicorn.sock\n";
    let other = "server unix:/run/other.sock;";
    let at_work =
        "listen unix:/run/other.sock inode=40009\nfile /run/other.sock mode=0777 owner=33:33\n";
    let both = format!("{down}{at_work}");

    let seen = two_servers(other, "", &both).check();
    for code in ["P501", "S601"] {
        let hit = seen.only(code);
        hit.is(Severity::Warning)
            .says("one of the 2 servers of upstream myapp does not answer")
            .says("nginx passes its requests to the other");
        assert!(!hit.message.contains("every request") && !hit.message.contains("is down"));
    }
    // The file is there and dead.
    let stale = format!("- 800\n- listen unix:/run/myapp/gunicorn.sock\n{at_work}");
    two_servers(other, "", &stale).check().only("S602").is(Severity::Warning);

    let many = format!("{other} server 127.0.0.1:9000;");
    let third = format!("{both}listen 127.0.0.1:9000 inode=40010\n");
    two_servers(&many, "", &third).check().only("S601").says("one of the 3").says("the others");
    two_servers(&many, "", &both).check().only("S601").says("to another");

    // It does not answer either, it is not asked, or nginx may not ask it.
    let seen = two_servers(other, "", down).check();
    seen.only("S601").is(Severity::Error).says("every request gets 502");
    seen.only("P501").says("the site is down");
    let marked = two_servers("server unix:/run/other.sock down;", "", &both).check();
    marked.only("S601").is(Severity::Error).says("every request gets 502");
    for pass in ["proxy_next_upstream off;", "proxy_next_upstream_tries 1;"] {
        let seen = two_servers(other, pass, &both).check();
        seen.only("S601")
            .is(Severity::Error)
            .says("one of the 2 servers of upstream myapp get 502");
        seen.only("P501").is(Severity::Error).says("forbids to pass them on");
    }
    two_servers(other, "proxy_next_upstream error timeout http_502;", &both)
        .check()
        .only("S601")
        .is(Severity::Warning);
    // The file of the other's socket is gone: nginx does not reach it.
    let gone = format!("{both}- file /run/other.sock\n");
    two_servers(other, "", &gone).check().only("S601").is(Severity::Error).says("every request");
    // Of another host nothing is known.
    let far = two_servers("server 10.0.0.2:8000;", "", down).check();
    far.only("S601").is(Severity::Error).says("on other hosts, which are not checked here");
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

#[test]
fn lines_of_another_time_zone_are_told_apart() {
    let line = |time: &str| {
        format!(
            "2026/04/21 {time} [crit] 7#7: *3 connect() to unix:/run/myapp/gunicorn.sock failed (2: No \
             such file or directory) while connecting to upstream, client: 192.0.2.7, server: _, \
             request: \"GET / HTTP/1.1\", upstream: \"http://unix:/run/myapp/gunicorn.sock:/\"\n"
        )
    };
    let times = |log: &str| {
        let found = nginx_log::parse(log.as_bytes()).into_iter();
        found.map(|entry| entry.time[11..].to_owned()).collect::<Vec<_>>()
    };
    // Written in UTC, then, after a reload, in New York.
    let west = [line("09:15:00"), line("09:15:01"), line("05:16:00")].concat();
    assert_eq!(times(&west), ["05:16:00"]);
    let notice = "2026/04/21 05:17:00 [notice] 1#1: signal process started\n";
    assert_eq!(times(&format!("{}{notice}", line("09:15:00"))), Vec::<String>::new());
    // Two workers write to one file.
    let mixed = [line("09:15:02"), line("09:15:01")].concat();
    assert_eq!(times(&mixed), ["09:15:02", "09:15:01"]);
    assert_eq!(nginx_log::newest(west.as_bytes()).as_deref(), Some("2026-04-21 05:16:00"));
    // 2026-04-21 09:15:00 UTC, by `date +%s`.
    const MOMENT: i64 = 1_776_762_900;
    assert_eq!(nginx_log::seconds("2026-04-21 09:15:00"), Some(MOMENT));
    assert_eq!(nginx_log::seconds("2024-02-29 23:59:59"), Some(1_709_251_199));
    let ahead = |time: &str| nginx_log::ahead_of_utc(&format!("2026-04-21 {time}"), MOMENT);
    assert_eq!(ahead("09:15:01"), Some(0));
    assert_eq!(ahead("18:15:00"), Some(9 * 3600));
    assert_eq!(ahead("05:14:59"), Some(-4 * 3600));
    assert_eq!(ahead("15:00:00"), Some(5 * 3600 + 45 * 60));
    // Of another moment.
    assert_eq!(ahead("09:20:00"), None);
}
