//! What the process table and the sockets of a host tell: near misses, other layouts, fewer
//! rights, images.

use crate::support::case::{Case, Seen};
use crate::support::living::World;
use deploy_doctor::engine::{self, Settings, Verdict};
use deploy_doctor::facts::{self, Request, Scope, Why};
use deploy_doctor::rule::Severity;
use deploy_doctor::rules;
use deploy_doctor::source::Sources;
use deploy_doctor::source::proc::{
    HashKey, Local, RunningEnvironment, command_line, parse_stat, tcp_listeners, unix_listeners,
};

const LIVE: [&str; 14] = [
    "P501", "P502", "P503", "P506", "P507", "P509", "S601", "S602", "S603", "S606", "S607", "U122",
    "E411", "P508",
];
const SCRIPT: &str = "/srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn";

/// The healthy deployment at work, changed.
fn living(change: &str) -> Case {
    let mut case = Case::healthy();
    World::healthy(&case.host).change(change).write(&mut case.host);
    case
}

#[track_caller]
fn silent(seen: &Seen) {
    for code in LIVE {
        seen.passes(code);
    }
}

fn verdict(case: &Case) -> Verdict {
    let sources = Sources::new(&case.host);
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
    let deployment = facts::read(&sources, &request);
    engine::run(rules::all(), &deployment, &sources, &Settings::default()).apps[0].verdict
}

#[test]
fn an_image_is_judged_without_what_lives() {
    let seen = Case::healthy().check();
    for code in LIVE {
        assert_eq!(seen.reasons(code), [Why::not_live().text()], "{code}");
    }
    assert_eq!(verdict(&Case::healthy()), Verdict::ZeroDowntime);
    // An image may have an empty /proc, or a file in it.
    let mut case = Case::healthy();
    case.host.file("/proc/cpuinfo", "processor : 0\n");
    assert_eq!(case.check().reasons("P501"), [Why::not_live().text()]);
    assert_eq!(verdict(&living("")), Verdict::ZeroDowntime);
}

#[test]
fn another_reason_takes_the_verdict_away() {
    let mut case = Case::healthy();
    let mut world = World::healthy(&case.host);
    world.ordinary_user = true;
    world.write(&mut case.host);
    let seen = case.check();
    assert!(seen.hits.is_empty(), "{:#?}", seen.hits);
    for code in ["P503", "P506", "E411"] {
        assert!(!seen.reasons(code).is_empty(), "{code}");
        assert_ne!(seen.reasons(code), [Why::not_live().text()], "{code}");
    }
    for code in ["P501", "P502", "S601", "S602", "S606", "U122"] {
        seen.passes(code);
    }
    assert_eq!(verdict(&case), Verdict::Unknown);
}

#[test]
fn hidden_processes_are_not_missing_ones() {
    let mut case = living("");
    for pid in [1, 800, 811, 812, 813] {
        case = case.remove(&format!("/proc/{pid}/stat"));
    }
    let seen = case.check();
    assert!(seen.of("P501").is_empty());
    assert!(seen.reasons("P501")[0].contains("hidepid"), "{:?}", seen.reasons("P501"));
}

#[test]
fn a_process_that_ends_while_it_is_read_is_none() {
    // Its directory was listed, and nothing can be read of it any more.
    let mut case = living("");
    case.host.directory("/proc/4711");
    silent(&case.check());
    let mut case = living("");
    case.host.file("/proc/813/stat", "813 (gunicorn) Z 800 broken");
    assert_eq!(case.check().only("P502").severity, Severity::Warning);
}

#[test]
fn a_wrapper_and_other_forms_of_the_command_line() {
    for words in [
        format!(
            "{SCRIPT} --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app"
        ),
        format!(
            "/usr/bin/python3.11 -X dev -W ignore {} --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app",
            "/srv/myapp/.venv/bin/gunicorn"
        ),
    ] {
        silent(&living(&format!("800 name=python3.11 : {words}")).check());
    }
}

#[test]
fn a_title_hides_command_line_and_environment() {
    let mut case = living("");
    case.host.file("/proc/800/cmdline", "gunicorn: master [wsgi:app]\0\0\0\0");
    case.host.file("/proc/800/environ", "\0\0\0\0");
    for pid in 811..=813 {
        case.host.file(format!("/proc/{pid}/cmdline"), "gunicorn: worker [wsgi:app]\0\0\0");
    }
    let seen = case.check();
    assert!(seen.hits.is_empty(), "{:#?}", seen.hits);
    assert!(seen.reasons("U122")[0].contains("setproctitle"));
    assert!(seen.reasons("E411")[0].contains("setproctitle"));
    seen.passes("P502");
}

#[test]
fn numbers_of_another_namespace_are_not_believed() {
    let mut case = living("");
    // Read from outside a container, cgroup.procs numbers processes as the outside does.
    case.host.file("/sys/fs/cgroup/system.slice/myapp.service/cgroup.procs", "70800\n70811\n");
    silent(&case.check());
    let case = case.remove("/sys/fs/cgroup");
    silent(&case.check());
}

#[test]
fn the_hybrid_layout_and_nested_groups() {
    let mut case = living("").remove("/sys/fs/cgroup");
    let group = "/sys/fs/cgroup/unified/system.slice/myapp.service";
    case.host.file(format!("{group}/cgroup.procs"), "");
    case.host.file(format!("{group}/main/cgroup.procs"), "800\n811\n812\n813\n");
    for pid in [800, 811, 812, 813] {
        case.host.file(
            format!("/proc/{pid}/cgroup"),
            "3:cpu,cpuacct:/\n1:name=systemd:/system.slice/myapp.service/main\n\
             0::/system.slice/myapp.service/main\n",
        );
    }
    silent(&case.check());
}

#[test]
fn unrecognised_processes_are_not_called_absent() {
    let seen = living(
        "- 800\n820 parent=1 unit=myapp.service user=33 start=100 : /srv/myapp/server --port 1",
    )
    .check();
    assert!(seen.of("P501").is_empty());
    assert!(seen.reasons("P501")[0].contains("recognised"), "{:?}", seen.reasons("P501"));
}

#[test]
fn children_of_workers_are_no_workers() {
    // multiprocessing in a worker: the same command line, a worker as parent.
    silent(&living("830 like=811 parent=811 start=200").check());
    let seen = living("- 813\n830 like=811 parent=811 start=200").check();
    assert_eq!(seen.only("P502").severity, Severity::Warning);
    assert!(seen.only("P502").message.contains("2 workers live of 3"));
}

#[test]
fn workers_that_start_are_not_missing() {
    let seen = living("800 start=9998\n- 812\n- 813").check();
    assert!(seen.of("P502").is_empty());
    assert_eq!(seen.reasons("P502"), ["gunicorn has just started"]);
}

#[test]
fn a_link_that_is_not_followed_needs_a_restart() {
    let unit = "[Service]\nUser=www-data\nWorkingDirectory=/srv/myapp/current\n\
                EnvironmentFile=/etc/myapp.env\nRuntimeDirectory=myapp\nRestart=always\n\
                ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 \
                --bind unix:/run/myapp/gunicorn.sock wsgi:app\n\
                ExecReload=/bin/kill -s HUP $MAINPID\n";
    let old = "cwd=/srv/myapp/releases/2026-04-14";
    let change = format!(
        "touch /srv/myapp/current 5000\n800 {old} : {SCRIPT} --workers 3 --bind \
         unix:/run/myapp/gunicorn.sock wsgi:app\n811 {old} start=5010\n812 {old} start=5010\n813 \
         {old} start=5010"
    );
    let seen = living(&change).file("/etc/systemd/system/myapp.service", unit).check();
    let finding = seen.only("P503");
    // Started after the link moved, and the old release all the same.
    assert_eq!(finding.severity, Severity::Error);
    assert!(finding.help.contains("systemctl restart"), "{}", finding.help);
    assert!(finding.message.contains("release 2026-04-14"), "{}", finding.message);
}

#[test]
fn code_that_the_master_loaded_is_not_told_by_the_workers_directory() {
    // With --chdir SIGHUP takes the master, and its new workers, to where the link leads now.
    let change = format!(
        "touch /srv/myapp/current 5000\n800 : {SCRIPT} --preload --workers 3 --chdir \
         /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app\n811 start=5010\n812 \
         start=5010\n813 start=5010"
    );
    let unit = "/etc/systemd/system/myapp.service";
    let seen = living(&change).replace(unit, "--workers 3", "--preload --workers 3").check();
    assert!(seen.of("P503").is_empty());
    assert!(seen.reasons("P503")[0].contains("preload_app"), "{seen:#?}");
}

/// Workers of a master that is gone have the parent of a master: what they handle tells.
#[test]
fn workers_without_a_master_are_no_second_master() {
    let orphans = "811 parent=1\n812 parent=1\n813 parent=1\n- 800";
    let seen = living(orphans).check();
    let found = seen.only("P508");
    assert_eq!(found.severity, Severity::Error);
    assert!(found.message.contains("holding unix:/run/myapp/gunicorn.sock"), "{}", found.message);
    assert!(found.help.contains("kill -TERM 811 812 813"), "{}", found.help);
    for code in ["P501", "P502", "P507", "P509", "S601", "S603"] {
        assert!(seen.of(code).is_empty(), "{code}: {seen:#?}");
    }
    // In the session of somebody who logged in, on the service's socket.
    let left = "711 like=811 parent=1 unit=session-1.scope start=50";
    let seen = living(left).check();
    assert!(seen.only("P508").message.contains("alongside the new"), "{seen:#?}");
    assert!(seen.of("P507").is_empty());
    // The same with nothing to tell it by (a title, another system): a second master, as before.
    let seen = living(&format!("{left} caught=0")).check();
    assert!(seen.of("P508").is_empty());
    seen.only("P507");
    // On a socket whose path leads to the new one by now; the main process is told all the same.
    let dead = "711 like=811 parent=1 start=50 sockets=39001\nlisten unix:/run/myapp/gunicorn.sock \
                inode=39001\nreplaced /run/myapp/gunicorn.sock inode=39001";
    let seen = living(dead).check();
    assert_eq!(seen.only("P508").severity, Severity::Warning);
    seen.passes("P509");
    // Workers below a program that embeds gunicorn, and of another application.
    silent(&living("711 like=811 parent=1 unit=other.service sockets=39001").check());
    silent(
        &living(
            "700 parent=1 unit=other.service start=90 caught=108314a07 name=python3 : \
             /usr/bin/python3 /srv/serve.py\n711 like=811 parent=700 unit=other.service start=91",
        )
        .check(),
    );
}

#[test]
fn a_port_is_a_socket_too() {
    let tcp = |case: Case| {
        let unit = String::from_utf8_lossy(
            &std::fs::read("testdata/healthy/etc/systemd/system/myapp.service").unwrap(),
        )
        .replace("unix:/run/myapp/gunicorn.sock", "127.0.0.1:8000");
        let site = "upstream myapp { server 127.0.0.1:8000 fail_timeout=0; }\nserver { listen 80; \
                    location / { proxy_pass http://myapp; } }\n";
        case.file("/etc/systemd/system/myapp.service", unit)
            .file("/etc/nginx/sites-available/myapp", site)
    };
    let words = "--workers 3 --chdir /srv/myapp/current --bind 127.0.0.1:8000 wsgi:app";
    let command = format!("800 : {SCRIPT} {words}\n");
    silent(&tcp(living(&format!("{command}listen 127.0.0.1:8000 inode=40001"))).check());
    silent(&tcp(living(&format!("{command}listen 0.0.0.0:8000 inode=40001"))).check());
    silent(&tcp(living(&format!("{command}listen [::ffff:127.0.0.1]:8000 inode=40001"))).check());
    let seen = tcp(living(&format!("{command}listen [::1]:8000 inode=7"))).check();
    assert!(seen.only("S601").message.contains("127.0.0.1:8000"));
    // It listens elsewhere: that is said.
    let seen = tcp(living(&format!("{command}listen 127.0.0.1:8001 inode=40001"))).check();
    assert!(seen.only("S601").message.contains("gunicorn listens on"), "{seen:#?}");
}

#[test]
fn a_socket_in_a_view_of_its_own_is_not_called_lost() {
    let mut case = living("- file /run/myapp/gunicorn.sock");
    assert!(case.check().only("S607").message.contains("was removed"));
    // As PrivateTmp= and its like give it one.
    case.host.link("/proc/800/ns/mnt", "mnt:[4026532999]");
    let seen = case.check();
    assert!(seen.of("S607").is_empty());
    assert!(seen.reasons("S607")[0].contains("its own view"), "{seen:?}");
    // Nor where a file system does not tell its inodes.
    let mut case = living("");
    case.host.binds("/run/myapp/gunicorn.sock", &[(40001, None)]);
    assert!(case.check().reasons("S607")[0].contains("is not known"));
}

#[test]
fn who_holds_a_socket_is_told_or_not_known() {
    let foreign = "- listen unix:/run/myapp/gunicorn.sock\n\
                   listen unix:/run/myapp/gunicorn.sock inode=40700\n";
    // Nobody was found: processes of another container, say.
    let seen = living(foreign).check();
    assert!(seen.of("S603").is_empty());
    assert!(seen.reasons("S603")[0].contains("was not found"), "{seen:?}");
    // systemd, for a .socket unit; a process of the unit itself.
    for holder in ["1 sockets=40700", "801 parent=800 unit=myapp.service sockets=40700 : /bin/x"] {
        living(&format!("{foreign}{holder}")).check().passes("S603");
    }
    let mut case = Case::healthy();
    let mut world = World::healthy(&case.host);
    world.ordinary_user = true;
    world.change(foreign).write(&mut case.host);
    assert!(!case.check().reasons("S603").is_empty());
}

#[test]
fn values_stay_secret_everywhere() {
    let change = format!("800 : {SCRIPT} --env TOKEN=hunter2 --workers 3 wsgi:app");
    let case = living(&change).file("/etc/myapp.env", "SECRET_KEY=hunter3\nDATABASE_URL=hunter4\n");
    let sources = Sources::new(&case.host);
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
    let deployment = facts::read(&sources, &request);
    let outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
    let text = format!("{:?}", outcome.findings.iter().map(|f| &f.finding).collect::<Vec<_>>());
    assert!(text.contains("TOKEN=***") && text.contains("SECRET_KEY"), "{text}");
    assert!(!text.contains("hunter"), "{text}");
    let json = facts::json(&deployment, &sources).unwrap();
    assert!(!json.contains("hunter"), "{json}");
    let environment = RunningEnvironment::read(b"A=hunter5\0B=hunter6\0", &HashKey::default());
    assert_eq!(format!("{environment:?}"), r#"{"A", "B"}"#);
}

#[test]
fn the_parsers_take_anything() {
    for bytes in
        [&b""[..], b"1", b"()", b"1 (", b") (", b"1 (a)", b"1 (a) ", b"(a) S 1", b"1 (\xff) S"]
    {
        assert_eq!(parse_stat(bytes), None, "{bytes:?}");
    }
    let stat = b"12 (a) b (c) S 7 12 12 0 -1 1 1 0 0 0 1 1 0 0 20 0 1 0 4200 1 1 1 1 1 0 0 0 0 0 0 0 0 0 0 17 0\n";
    let stat = parse_stat(stat).unwrap();
    assert_eq!((stat.pid, stat.name.as_str(), stat.parent, stat.started), (12, "a) b (c", 7, 4200));
    assert_eq!(command_line(b"a\0\0b c\0"), ["a", "", "b c"]);
    assert!(command_line(b"\0\0").is_empty());
    let table = b"Num\n0: 00000002 00000000 00010000 0001 01 77 /run/a b.sock\nnonsense\n\
                  0: 00000002 00000000 00000000 0001 01 78 /run/not-listening\n\
                  0: 00000002 00000000 00010000 0001 01 79 @abstract/run\n\
                  0: 00000002 00000000 00010000 0001 01 80\n\
                  0: 00000002 00000000 00000000 0001 02 0 /run/a b.sock\n";
    let found = unix_listeners(table);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].local, Local::Path("/run/a b.sock".into()));
    assert_eq!((found[0].inode, found[0].queue), (77, 1));
    assert!(tcp_listeners(b"x\n 0: zz:1 00000000:0000 0A 0:0 0:0 0 0 0 1\n\xff 0A \n").is_empty());
}
