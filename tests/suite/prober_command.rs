//! `deploy-doctor probe` as it is typed: its exit status, its words, its JSON.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::command::{Ran, program, run};
use crate::support::scripted::{Deed, Scripted, answer};

fn probe(arguments: &[&str]) -> Ran {
    run(&[&["probe"], arguments].concat())
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.all()))
}

#[test]
fn the_exit_status_says_whether_anything_failed() {
    let good = Scripted::tcp(|_| Deed::ok());
    let ran = probe(&[&good.url("/"), "-d", "200ms", "--rate", "100", "--timeout", "60"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stdout.contains("every probe was answered (20)"), "{}", ran.stdout);
    let promise = "0 of 20 failed at 100/s: fewer than 15.0 % with 95 % confidence (rule of three)";
    assert!(ran.stdout.contains(promise), "{}", ran.stdout);
    let bad = Scripted::tcp(|asked| match asked.number {
        3 => Deed::status(502),
        _ => Deed::ok(),
    });
    let ran = probe(&[&bad.url("/"), "-d", "0.2", "-r", "100", "-t", "60s"]);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert!(ran.stdout.contains("1 of 20 probes failed"), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 x 502 Bad Gateway"), "{}", ran.stdout);
    assert!(ran.stdout.contains("status 502: sorry"), "{}", ran.stdout);
    for (wrong, says) in [
        (vec![], "<URL>"),
        (vec!["example.com"], "http://host/path"),
        (vec!["http://x/", "--rate", "0"], "rate"),
        (vec!["http://x/", "--rate", "nan"], "rate"),
        (vec!["http://x/", "-d", "0"], "duration"),
        (vec!["http://x/", "-t", "1d"], "timeout"),
        (vec!["http://x/", "-X", "POST"], "POST"),
        (vec!["http://x/", "-X", "head", "--expect-body", "x"], "HEAD"),
        (vec!["http://x/", "--expect-status", "20"], "20"),
        (vec!["http://x/", "-H", "no colon"], "NAME: VALUE"),
        (vec!["http://x/", "-H", "Content-Length: 5"], "sets it itself"),
        (vec!["http://x/", "--resolve", "x:80"], "HOST:PORT:ADDRESS"),
        (vec!["http://x/", "-k", "--cacert", "x"], "--cacert"),
    ] {
        let ran = probe(&wrong);
        assert_eq!(ran.code, Some(2), "{wrong:?}: {}", ran.all());
        assert!(ran.stderr.contains(says), "{wrong:?}: {}", ran.stderr);
    }
    let ran = probe(&["http://no-such-host.invalid/"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
}

#[test]
fn a_header_is_sent_and_never_shown() {
    let server = Scripted::tcp(|asked| Deed::Answer(answer(500, &asked.head)));
    let header = "X-Api-Key: kanary1";
    for format in ["text", "json"] {
        let url = server.url("/");
        let ran = probe(&[
            &url,
            "-d",
            "100ms",
            "-H",
            header,
            "-H",
            "Host: a.example",
            "--format",
            format,
        ]);
        assert_eq!(ran.code, Some(1), "{}", ran.all());
        assert!(!ran.all().contains("kanary"), "{}", ran.all());
    }
    let head = &server.log()[0].asked.head;
    assert!(head.contains("\r\nX-Api-Key: kanary1\r\n"), "{head}");
    assert_eq!(head.matches("Host: ").count(), 1, "{head}");
    assert!(head.contains("\r\nHost: a.example\r\n"), "{head}");
    for wrong in ["kanary2", "X-A: kanary3\nX-B: y", "X A: kanary4"] {
        let ran = probe(&["http://127.0.0.1:1/", "-H", wrong]);
        assert_eq!(ran.code, Some(2));
        assert!(!ran.all().contains("kanary"), "{}", ran.all());
    }
    let ran = probe(&["http://user:kanary5@127.0.0.1:1/"]);
    assert!(ran.code == Some(2) && !ran.all().contains("kanary"), "{}", ran.all());
}

/// A prober that the machine holds up for some time, once the server has heard this many requests.
fn held_up(server: &Scripted, options: &[&str], heard: usize, pause: Duration) -> Output {
    let child = Command::new(program())
        .args(["probe", &server.url("/"), "-r", "50", "--format", "json"])
        .args(options)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while server.log().len() < heard {
        std::thread::sleep(Duration::from_millis(5));
    }
    // The machine holds the prober up, not the site.
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::STOP).unwrap();
    std::thread::sleep(pause);
    rustix::process::kill_process(id, rustix::process::Signal::CONT).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_prober_that_was_late_says_so() {
    let server = Scripted::tcp(|_| Deed::ok());
    let options = ["-d", "1.5", "-t", "60"];
    let output = held_up(&server, &options, 5, Duration::from_millis(600));
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["total"]["sent"], 75, "what was due meanwhile is sent all the same");
    let late = &report["lateness"];
    assert!(late["late"].as_u64().unwrap() >= 20, "{late}");
    assert!(late["worst_ms"].as_f64().unwrap() >= 500.0, "{late}");
    // Their latency counts from when they were due.
    assert!(report["total"]["latency"]["max_ms"].as_f64().unwrap() >= 500.0);
}

#[test]
fn a_prober_that_was_held_up_blames_itself() {
    let server = Scripted::tcp(|asked| {
        Deed::AnswerAt(asked.at + Duration::from_millis(100), answer(200, "hello"))
    });
    let output = held_up(&server, &["-d", "4", "-t", "2"], 10, Duration::from_millis(2600));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    // What the site answered meanwhile has not failed; what was due a timeout ago is not sent.
    assert_eq!(report["total"]["failed"], 0, "{report}");
    assert!(report["total"]["not_sent"]["too_late"].as_u64().unwrap() > 10, "{report}");
    assert_eq!(output.status.code(), Some(3), "not all was asked");
}

#[test]
fn what_was_seen_before_an_interrupt_is_reported() {
    let server = Scripted::tcp(|_| Deed::ok());
    let child = Command::new(program())
        .args(["probe", &server.url("/"), "-d", "1h", "-t", "60", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while server.log().len() < 10 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["total"]["sent"].as_u64().unwrap(), server.log().len() as u64);
    assert!(report["total"]["ok"].as_u64().unwrap() >= 9, "{report}");
}

#[test]
fn the_json_holds_all_of_the_run() {
    let server = Scripted::tcp(|asked| match asked.number {
        5 => Deed::Close,
        _ => Deed::ok(),
    });
    let url = server.url("/");
    let ran = probe(&[&url, "unix:/no/such.sock", "-d", "1", "-t", "60", "--format", "json"]);
    assert_eq!(ran.code, Some(1));
    let report = json(&ran);
    assert_eq!(report["total"]["sent"], 100);
    assert_eq!(report["total"]["failed"], 51);
    assert_eq!(report["targets"][0]["url"], *url);
    assert_eq!(report["targets"][0]["status"], 200);
    assert_eq!(report["targets"][1]["total"]["latency"], Value::Null);
    let failure = &report["targets"][0]["total"]["failures"][0];
    assert_eq!((&failure["kind"], &failure["count"]), (&"closed".into(), &1.into()));
    assert!(failure["first"]["time"].as_str().unwrap().ends_with('Z'));
    let ms: f64 = failure["first"]["offset_ms"].as_f64().unwrap();
    assert!((0.0..1000.0).contains(&ms));
    assert_eq!(report["upper_bound"]["method"], "clopper-pearson");
    assert_eq!(report["timeline"].as_array().unwrap().len(), 10);
    let due: u64 = report["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| bucket["ok"].as_u64().unwrap() + bucket["failed"].as_u64().unwrap())
        .sum();
    assert_eq!(due, 100);
}
