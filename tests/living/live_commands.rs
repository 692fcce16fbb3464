//! What commands, logs and requests tell: canned answers, near misses, and what may never be
//! shown. `tests/live_host.rs` has the same on a real host.

use crate::support;
use crate::support::answers;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use crate::support::case::{Case, Seen};
use answers::output;
use deploy_doctor::facts::Why;
use deploy_doctor::facts::probe;
use deploy_doctor::host::{
    Command, Host, HttpError, HttpRequest, HttpTarget, MemoryHost, Output, Program, RunError,
    TreeHost,
};
use deploy_doctor::rule::Severity;
use deploy_doctor::source::nginx_log::{self, Failure, Upstream};
use deploy_doctor::source::traceback::{PythonError, Reader};
use deploy_doctor::source::{journal, nginx_test, systemctl};

const RUNNING: &str = "Id=myapp.service\nNames=myapp.service\nLoadState=loaded\nActiveState=active\n\
    SubState=running\nNeedDaemonReload=no\nResult=success\nReloadResult=success\nNRestarts=0\n\
    InvocationID=run2\nDropInPaths=\n\
    ExecMainStartTimestamp=Tue 2026-04-21 09:15:00 CEST\n\
    StateChangeTimestamp=Tue 2026-04-21 09:15:01 CEST\n";

/// The healthy deployment, with systemctl and the journal.
fn living(show: &str, lines: &[&str]) -> Case {
    let mut text = String::new();
    for line in lines {
        let line = serde_json::json!({ "MESSAGE": line, "_SYSTEMD_INVOCATION_ID": "run2" });
        text.push_str(&format!("{line}\n"));
    }
    Case::healthy().living(|host| {
        host.command("systemctl show", Ok(output(0, show)));
        host.command("journalctl", Ok(output(0, &text)));
        host.command("nginx -t", Ok(output(0, "")));
    })
}

fn running(lines: &[&str]) -> Seen {
    living(RUNNING, lines).check()
}

#[test]
fn a_file_tree_says_that_only_a_living_host_shows_it() {
    let seen = Case::healthy().check();
    for code in ["U121", "L801", "L804", "L807", "N319"] {
        assert_eq!(seen.reasons(code), [Why::not_live().text()], "{code}");
    }
    for code in ["G222", "G223", "L805", "L806"] {
        assert!(seen.reasons(code)[0].starts_with("only --p"), "{code}");
    }
}

#[test]
fn a_healthy_host_passes() {
    let seen = running(&["Started myapp.service", "[INFO] Booting worker with pid: 7"]);
    for code in ["U121", "L801", "L804", "L807", "N319"] {
        seen.passes(code);
    }
}

#[test]
fn a_command_that_fails_is_a_reason_and_no_failure() {
    let case = |error: RunError| {
        Case::healthy().living(|host| {
            host.command("systemctl show", Err(error));
        })
    };
    let seen = case(RunError::Missing("systemctl")).check();
    assert_eq!(seen.reasons("U121"), ["systemctl is not installed"]);
    assert_eq!(seen.reasons("L801"), ["systemctl is not installed"]);
    let seen = case(RunError::TimedOut("systemctl".into(), Duration::from_secs(5))).check();
    assert_eq!(seen.reasons("L807"), ["systemctl did not answer within 5 s"]);
    let no_systemd = Output {
        status: Some(1),
        stderr: b"System has not been booted with systemd as init system (PID 1).\n".to_vec(),
        ..Output::default()
    };
    let seen = Case::healthy().living(|h| {
        h.command("systemctl show", Ok(no_systemd));
    });
    assert!(seen.check().reasons("U121")[0].contains("ended with status 1: System has not been"));
    assert!(seen.check().problems.is_empty());
}

#[test]
fn a_journal_that_may_not_be_read_proves_nothing() {
    let hint = "Hint: You are currently not seeing messages from other users and the system.\n";
    let denied = Output { status: Some(0), stderr: hint.into(), ..Output::default() };
    let case = living(RUNNING, &[]).living(|host| {
        host.command("journalctl", Ok(denied));
    });
    assert!(case.check().reasons("L801")[0].contains("cannot read the journal"));
    // Nothing at all is no proof either: systemd's own words at least are there.
    assert!(running(&[]).reasons("L801")[0].contains("contains nothing of myapp.service"));
    // Nor is a journal that is longer than what is read.
    let long = Output { cut: true, ..output(0, "{\"MESSAGE\": \"x\"}\n") };
    let case = living(RUNNING, &[]).living(|host| {
        host.command("journalctl", Ok(long));
    });
    assert!(case.check().reasons("L801")[0].contains("longer than the part that is read"));
}

#[test]
fn a_log_that_is_elsewhere_proves_nothing() {
    let drop_in = "/etc/systemd/system/myapp.service.d/10-log.conf";
    let show = RUNNING.replace("DropInPaths=", &format!("DropInPaths={drop_in}"));
    let quiet = ["Started myapp.service"];
    let case = living(&show, &quiet).file(drop_in, "[Service]\nStandardError=append:/var/log/x\n");
    assert!(case.check().reasons("L801")[0].contains("StandardError=append:/var/log/x"));
    let unit = "/etc/systemd/system/myapp.service";
    let case = living(RUNNING, &quiet).replace(unit, "wsgi:app", "--error-logfile /x.log wsgi:app");
    assert!(case.check().reasons("L801")[0].contains("logs to a file"));
    let case = living(RUNNING, &quiet).replace(unit, "wsgi:app", "--error-logfile - wsgi:app");
    case.check().passes("L801");
}

const TRACEBACK: [&str; 5] = [
    "[2026-04-21 09:15:02 +0200] [7] [ERROR] Exception in worker process",
    "Traceback (most recent call last):",
    "  File \"/srv/myapp/current/wsgi.py\", line 3, in <module>",
    "    stripe.api_key = 'sk_live_SECRET'",
    "KeyError: 'STRIPE_KEY'",
];

#[test]
fn a_failed_boot_is_named_and_nothing_else_is_shown() {
    let mut lines = TRACEBACK.to_vec();
    lines.push("[2026-04-21 09:15:03 +0200] [6] [ERROR] Reason: Worker failed to boot.");
    let seen = running(&lines);
    let hit = seen.only("L801");
    assert!(hit.message.contains("KeyError: STRIPE_KEY (/srv/myapp/current/wsgi.py line 3)"));
    assert!(!format!("{seen:?}").contains("SECRET"), "{seen:?}");
    // A reload that followed has overcome it.
    lines.push("[2026-04-21 09:20:00 +0200] [6] [INFO] Handling signal: hup");
    running(&lines).passes("L801");
    // The free text of any other exception stays where it is.
    let seen = running(&[
        "Traceback (most recent call last):",
        "  File \"/srv/myapp/current/wsgi.py\", line 3, in <module>",
        "sqlalchemy.exc.OperationalError: postgres://u:SECRET@db/x refused",
        "Reason: Worker failed to boot.",
    ]);
    assert!(
        seen.only("L801").message.ends_with("OperationalError (/srv/myapp/current/wsgi.py line 3)")
    );
    assert!(!format!("{seen:?}").contains("SECRET"), "{seen:?}");
}

#[test]
fn a_traceback_of_a_request_is_no_failed_boot() {
    running(&TRACEBACK).passes("L801");
    running(&["the word failed to boot, in a visitor's text"]).passes("L801");
}

#[test]
fn what_a_traceback_names() {
    let read = |lines: &[&str]| {
        let mut reader = Reader::default();
        lines.iter().fold(None, |last, line| reader.line(line).or(last))
    };
    let start = "Traceback (most recent call last):";
    let of = |line: &str| read(&[start, line]).map(|error| (error.kind, error.name));
    let named = |kind: &str, name: &str| Some((kind.to_owned(), Some(name.to_owned())));
    let bare = |kind: &str| Some((kind.to_owned(), None));
    assert_eq!(
        of("ModuleNotFoundError: No module named 'a.b'"),
        named("ModuleNotFoundError", "a.b")
    );
    assert_eq!(
        of("ImportError: cannot import name 'x' from 'y' (/z.py)"),
        named("ImportError", "x")
    );
    assert_eq!(of("NameError: name 'foo' is not defined"), named("NameError", "foo"));
    assert_eq!(of("KeyError: 'DATABASE_URL'"), named("KeyError", "DATABASE_URL"));
    // Keys that could be values.
    assert_eq!(of("KeyError: 'hunter2'"), bare("KeyError"));
    assert_eq!(of("KeyError: 'AKIA1234567890'"), bare("KeyError"));
    assert_eq!(of("ModuleNotFoundError: No module named 'a b'"), bare("ModuleNotFoundError"));
    assert_eq!(of("SystemExit: 3"), bare("SystemExit"));
    assert_eq!(of("RuntimeError"), bare("RuntimeError"));
    // gunicorn's own log, into whose writing a signal came, is not what keeps workers from booting.
    let reentrant = "RuntimeError: reentrant call inside <_io.BufferedWriter name='<stderr>'>";
    assert_eq!(of(reentrant), None);
    let both = read(&[start, "KeyError: 'DATABASE_URL'", "[ERROR]", start, reentrant]);
    assert_eq!(both.map(|error| error.kind), Some("KeyError".to_owned()));
    assert_eq!(of("  KeyError: 'INDENTED'"), None);
    assert_eq!(of("hunter2: x"), None);
    assert_eq!(read(&["KeyError: 'OUTSIDE'"]), None);
    let syntax = read(&[start, "  File \"/a.py\", line 4", "    x = = 1", "SyntaxError: bad"]);
    let place = Some(("/a.py".into(), 4));
    assert_eq!(syntax, Some(PythonError { kind: "SyntaxError".into(), name: None, place }));
    let missing = read(&["Failed to find attribute 'app' in 'wsgi'."]).unwrap();
    assert_eq!(missing.to_string(), "AppImportError: app");
}

fn with_log(lines: &str) -> Seen {
    living(RUNNING, &["Started"]).file("/var/log/nginx/error.log", lines).check()
}

fn line(time: &str, said: &str, upstream: &str) -> String {
    format!(
        "2026/04/21 {time} [error] 7#7: *3 {said}, client: 192.0.2.7, server: example.com, \
         request: \"GET /?token=SECRET HTTP/1.1\", upstream: \"{upstream}?token=SECRET\", \
         host: \"example.com\"\n"
    )
}

#[test]
fn each_cause_in_nginx_log_is_named() {
    let socket = "http://unix:/run/myapp/gunicorn.sock:/";
    let connect = |error: &str| {
        let said = format!(
            "connect() to unix:/run/myapp/gunicorn.sock failed ({error}) while connecting to upstream"
        );
        line("09:16:00", &said, socket)
    };
    for (text, words) in [
        (connect("2: No such file or directory"), "did not exist (2)"),
        (connect("13: Permission denied"), "cannot connect"),
        (connect("111: Connection refused"), "nothing listened"),
        (connect("11: Resource temporarily unavailable"), "was full (11)"),
        (
            line(
                "09:16:00",
                "recv() failed (104: Connection reset by peer) while reading response header \
                 from upstream",
                socket,
            ),
            "closed the connection",
        ),
        (
            line(
                "09:16:00",
                "upstream prematurely closed connection while reading response header from \
                 upstream",
                socket,
            ),
            "closed the connection",
        ),
    ] {
        let seen = with_log(&text);
        let hit = seen.only("L804");
        assert!(hit.message.contains(words), "{}", hit.message);
        hit.at("/etc/nginx/sites-enabled/myapp", 2);
        assert!(!format!("{seen:?}").contains("SECRET"), "{seen:?}");
    }
    // The same cause is one finding; another cause is another.
    let three = [connect("2: x"), connect("2: x"), connect("111: x")].concat();
    let seen = with_log(&three);
    let messages: Vec<_> = seen.of("L804").iter().map(|hit| hit.message.clone()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("2 requests")), "{messages:?}");
}

#[test]
fn what_was_before_the_start_or_is_another_site_does_not_count() {
    let refused = "connect() failed (111: Connection refused) while connecting to upstream";
    let mine = "http://unix:/run/myapp/gunicorn.sock:/";
    with_log(&line("09:15:01", refused, mine)).passes("L804");
    with_log(&line("09:15:02", refused, mine)).only("L804");
    with_log(&line("09:16:00", refused, "http://127.0.0.1:9000/")).passes("L804");
    with_log(&line("09:16:00", refused, "http://unix:/run/myapp/gunicorn.sock.old:/"))
        .passes("L804");
    // A visitor's words do not count: nginx's own stand before the client.
    let said = "open() \"/x\" failed (2: No such file or directory)";
    with_log(&line("09:16:00", said, mine)).passes("L804");
}

#[test]
fn what_another_server_answered_was_not_lost() {
    let refused = "connect() failed (111: Connection refused) while connecting to upstream";
    let none_left = "no live upstreams while connecting to upstream";
    let (six, four) = ("http://[::1]:8000/", "http://127.0.0.1:8000/");
    let (unit, site) = ("/etc/systemd/system/myapp.service", "/etc/nginx/sites-available/myapp");
    let case = |lines: &[String], more: &str| {
        let group = format!("server localhost:8000 fail_timeout=0;{more}");
        living(RUNNING, &["Started"])
            .replace(unit, "unix:/run/myapp/gunicorn.sock", "127.0.0.1:8000")
            .replace(site, "server unix:/run/myapp/gunicorn.sock fail_timeout=0;", &group)
            .file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
            .file("/var/log/nginx/error.log", lines.concat())
    };
    let lines = |lines: &[(&str, &str, &str)]| -> Vec<String> {
        lines.iter().map(|(time, said, upstream)| line(time, said, upstream)).collect()
    };
    let one = lines(&[("09:16:00", refused, six)]);
    let seen = case(&one, "").check();
    let hit = seen.only("L804").is(Severity::Warning);
    hit.says("had to pass 1 request to another server").helps("remove [::1]:8000");
    // On one connection, one request after the other.
    let two = lines(&[("09:16:00", refused, six), ("09:16:07", refused, four)]);
    let both = case(&two, "").check();
    assert!(both.of("L804").iter().all(|hit| hit.severity == Severity::Warning), "{both:?}");
    // One request that both refused, and one that nobody was left for.
    for (time, said, upstream) in [
        ("09:16:00", refused, four),
        ("09:16:01", refused, four),
        ("09:16:00", none_left, "http://myapp/"),
    ] {
        let two = lines(&[("09:16:00", refused, six), (time, said, upstream)]);
        let seen = case(&two, "").check();
        assert!(seen.of("L804").iter().all(|hit| hit.severity == Severity::Error), "{seen:?}");
        assert!(!seen.of("L804").is_empty());
    }
    // Where nginx is told not to, or where it is not known how many there are, it is an error.
    for (from, more) in [
        ("proxy_read_timeout 75s;", "proxy_read_timeout 75s; proxy_next_upstream off;"),
        ("proxy_read_timeout 75s;", "proxy_read_timeout 75s; proxy_next_upstream_tries 1;"),
    ] {
        case(&one, "").replace(site, from, more).check().only("L804").is(Severity::Error);
    }
    case(&one, "server backend.example.net:80;").check().only("L804").is(Severity::Error);
    case(&one, "").file("/etc/hosts", "::1 localhost\n").check().only("L804").is(Severity::Error);
    // What was sent may have been done already: nginx does not send every request again.
    let reset =
        "upstream prematurely closed connection while reading response header from upstream";
    case(&lines(&[("09:16:00", reset, six)]), "").check().only("L804").is(Severity::Error);
}

#[test]
fn a_log_that_leaves_errors_out_proves_nothing() {
    let main = "/etc/nginx/nginx.conf";
    let from = "error_log /var/log/nginx/error.log";
    let case = |to: &str| living(RUNNING, &["Started"]).replace(main, from, to).check();
    assert!(case("error_log syslog:server=10.0.0.1").reasons("L804")[0].contains("syslog"));
    assert!(case("error_log /var/log/x.log crit").reasons("L804")[0].contains("leaves errors out"));
    case("error_log /var/log/x.log warn").passes("L804");
}

#[test]
fn an_address_and_a_group_in_the_log() {
    let entries = nginx_log::parse(
        [
            line(
                "09:16:00",
                "connect() failed (111: x) while connecting to upstream",
                "http://[::1]:80/a",
            ),
            line("09:16:01", "no live upstreams while connecting to upstream", "http://backend/a"),
            "2026/04/21 cut".to_owned(),
            "no time at all".to_owned(),
        ]
        .concat()
        .as_bytes(),
    );
    let seen: Vec<_> = entries.iter().map(|e| (e.failure, e.upstream.clone())).collect();
    let name = |text: &str| Upstream::Name(text.into());
    assert_eq!(seen, [(Failure::Refused, name("[::1]:80")), (Failure::NoneLeft, name("backend"))]);
    assert_eq!(entries[0].time, "2026-04-21 09:16:00");
    let text = line("09:16:00", "no live upstreams while connecting to upstream", "http://MYAPP/a");
    let seen = with_log(&text);
    assert!(seen.only("L804").message.contains("no live upstreams"));
}

#[test]
fn systemctl_is_read_by_name() {
    let text = format!("{RUNNING}\nId=other.service\nNames=other.service alias.service\n");
    let units = systemctl::parse(text.as_bytes());
    assert_eq!(units.len(), 2);
    assert!(units[1].is_named("alias.service") && !units[0].is_named("alias.service"));
    let time = |text: &str| systemctl::parse(format!("T={text}\n").as_bytes())[0].local_time("T");
    assert_eq!(time("Tue 2026-04-21 09:15:00 CEST").unwrap(), "2026-04-21 09:15:00");
    for never in ["", "n/a", "@1776755700", "Tue 2026-4-21 09:15:00", "Tue 2026-04-21"] {
        assert_eq!(time(never), None, "{never}");
    }
    assert!(systemctl::parse(b"").is_empty());
}

#[test]
fn a_journal_line_may_be_bytes_or_broken() {
    let entries = journal::parse(
        b"{\"MESSAGE\": [82, 255, 82], \"__REALTIME_TIMESTAMP\": \"12\"}\nnot json\n\
          {\"MESSAGE\": null}\n{\"MESSAGE\": \"cut",
    );
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].message.expose(), [82, 255, 82]);
    assert_eq!(entries[0].time, 12);
    assert!(!format!("{entries:?}").contains("82"));
}

#[test]
fn what_nginx_refuses() {
    let parse = |text: &str| {
        let output = Output { status: Some(1), stderr: text.into(), ..Output::default() };
        match nginx_test::parse(&output) {
            Some(nginx_test::Verdict::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    };
    let refusal =
        parse("nginx: [emerg] unknown directive \"x\" in /etc/nginx/a b.conf:3\n").unwrap();
    assert_eq!(refusal.message, "unknown directive \"x\"");
    assert_eq!(refusal.place, Some(("/etc/nginx/a b.conf".into(), 3)));
    let text = "2026/04/21 09:15:00 [emerg] 12#12: cannot load certificate \"/x\": no in y:z\n";
    let refusal = parse(text).unwrap();
    assert_eq!(refusal.message, "cannot load certificate \"/x\": no in y:z");
    assert_eq!(refusal.place, None);
    assert_eq!(parse("nothing\n"), None);
    assert_eq!(nginx_test::parse(&Output::default()), None, "ended by a signal");
}

#[test]
fn a_url_is_read() {
    let http = |url: &str| probe::parse(url).unwrap_or_else(|error| panic!("{error}"));
    let tcp = |host: &str, port| HttpTarget::Tcp { host: host.into(), port };
    let request = http("http://example.com");
    assert_eq!((request.target, request.path.as_str()), (tcp("example.com", 80), "/"));
    let request = http("http://[::1]:8000?q=1#top");
    assert_eq!((request.target, request.path.as_str()), (tcp("::1", 8000), "/?q=1"));
    assert_eq!(request.host, "[::1]:8000");
    let request = http("unix:/run/x.sock:/health");
    assert_eq!(
        (request.target, request.path.as_str()),
        (HttpTarget::Unix("/run/x.sock".into()), "/health")
    );
    assert_eq!(http("http://unix:/run/x.sock").path, "/");
    let request = http("https://example.com/x");
    assert_eq!((request.target, request.tls), (tcp("example.com", 443), true));
    assert_eq!(http("https://[::1]:8443").target, tcp("::1", 8443));
    assert!(!http("http://example.com").tls && !http("unix:/run/x.sock").tls);
    for bad in [
        "example.com",
        "ftp://x",
        "http://",
        "http://x:99999/",
        "http://u:p@x/",
        "unix:x",
        "http://x/\r\nHost: y",
        "http://[::1/",
    ] {
        assert!(probe::parse(bad).is_err(), "{bad}");
    }
    // A password is not repeated in the error either.
    let error = probe::parse("https://user:kanary@example.com/").unwrap_err().to_string();
    assert!(!error.contains("kanary"), "{error}");
}

/// Answers each connection so, and then hangs up.
fn serve(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        }
    });
    port
}

fn get(target: HttpTarget) -> Result<u16, HttpError> {
    let request = HttpRequest {
        target,
        host: "example.com".into(),
        path: "/".into(),
        tls: false,
        limit: deploy_doctor::host::http::TIME_LIMIT,
    };
    TreeHost::live().unwrap().http(&request).map(|answer| answer.status)
}

#[test]
fn requests_are_made_over_tcp_and_unix_sockets() {
    let tcp = |port| HttpTarget::Tcp { host: "127.0.0.1".into(), port };
    assert_eq!(get(tcp(serve(b"HTTP/1.1 503 Sorry\r\n\r\n"))), Ok(503));
    assert_eq!(get(tcp(serve(b"SSH-2.0-x\r\n"))), Err(HttpError::NotHttp));
    assert_eq!(get(tcp(serve(b""))), Err(HttpError::Closed));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(get(tcp(free)), Err(HttpError::Refused));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    assert_eq!(get(HttpTarget::Unix(path.clone())), Err(HttpError::NoSocket));
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 4096];
        let length = stream.read(&mut asked).unwrap();
        stream.write_all(b"HTTP/1.0 204 No Content\r\n\r\n").unwrap();
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    assert_eq!(get(HttpTarget::Unix(path.clone())), Ok(204));
    let asked = server.join().unwrap();
    assert!(asked.starts_with("GET / HTTP/1.1\r\nHost: example.com\r\n"), "{asked}");
    assert_eq!(get(HttpTarget::Unix(path)), Err(HttpError::Refused), "the file is stale");
}

#[test]
fn only_the_living_host_runs_commands() {
    let command = Command::new(Program::Systemctl, ["--version"]);
    let live = TreeHost::live().unwrap().without_commands();
    assert_eq!(live.run(&command), Err(RunError::NotHere));
    let tree = TreeHost::open(std::path::Path::new("/")).unwrap();
    assert_eq!(tree.run(&command), Err(RunError::NotHere));
    let began = Instant::now();
    match TreeHost::live().unwrap().run(&command) {
        Ok(output) => assert!(output.stdout.starts_with(b"systemd "), "{output:?}"),
        Err(RunError::Missing(name)) => support::skip(format!("{name} is not installed")),
        Err(error) => panic!("{error}"),
    }
    assert!(began.elapsed() < Duration::from_secs(6));
}

#[test]
fn the_end_of_a_file_is_read_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("log"), b"0123456789").unwrap();
    let tree = TreeHost::open(directory.path()).unwrap();
    let mut memory = MemoryHost::new();
    memory.file("/log", "0123456789");
    for host in [&tree as &dyn Host, &memory] {
        let tail = |limit| host.read_tail("/log".as_ref(), limit).unwrap();
        assert_eq!(tail(3), b"789");
        assert_eq!(tail(0), b"");
        assert_eq!(tail(100), b"0123456789");
        assert!(host.read_tail("/missing".as_ref(), 3).is_err());
    }
}
