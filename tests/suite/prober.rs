//! The prober against a server whose failures and stalls are known: the server's own log is the
//! truth, never the wall clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use deploy_doctor::probe::{Connections, Expect, Kind, Method, Prober, Report, Settings, Target};

use crate::support::scripted::{Deed, Scripted, answer};

/// Settings that no crowded machine runs out of time with.
pub fn settings(urls: &[&str]) -> Settings {
    let targets = urls.iter().map(|url| Target::parse(url).unwrap()).collect();
    Settings {
        rate: 100.0,
        duration: Some(Duration::from_secs(1)),
        timeout: Duration::from_secs(60),
        ..Settings::new(targets)
    }
}

/// Runs to the end of its duration and through everything that is on its way.
pub fn run(settings: Settings) -> Report {
    let prober = Prober::start(settings).unwrap();
    while !prober.wait(Duration::from_secs(1)) {}
    prober.finish()
}

pub fn failures(report: &Report) -> BTreeMap<Kind, u64> {
    report.total.failures.iter().map(|failure| (failure.kind, failure.count)).collect()
}

#[test]
fn a_healthy_site_has_no_failures() {
    let server = Scripted::tcp(|_| Deed::ok());
    let report = run(settings(&[&server.url("/")]));
    assert_eq!((report.total.sent, report.total.ok, report.total.failed), (100, 100, 0));
    assert_eq!(server.log().len(), 100);
    assert!(report.is_complete());
    assert_eq!(
        report.promise(),
        "0 of 100 failed at 100/s: fewer than 3.0 % with 95 % confidence (rule of three)"
    );
    let [new, kept] = report.targets[0].series.as_slice() else { panic!("two series") };
    assert_eq!((new.total.ok, kept.total.ok), (50, 50));
    assert!(kept.kept.unwrap().reused > 30, "{:?}", kept.kept);
    let first_on_connection = server.log().iter().filter(|e| e.asked.on_connection == 0).count();
    assert_eq!(first_on_connection as u64, 100 - kept.kept.unwrap().reused);
    assert_eq!(report.timeline.iter().map(|bucket| bucket.ok).sum::<u64>(), 100);
    assert_eq!(report.timeline.len(), 10);
}

#[test]
fn every_kind_is_counted_as_often_as_the_server_did_it() {
    let deeds = [
        Deed::ok(),
        Deed::status(502),
        Deed::ok(),
        Deed::Reset,
        Deed::status(503),
        Deed::Close,
        Deed::ok(),
        Deed::status(504),
        Deed::status(500),
        Deed::ok(),
        Deed::status(404),
        Deed::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_vec()),
        Deed::Answer(answer(200, "another text")),
        Deed::Answer(b"SSH-2.0-x\r\n\r\n".to_vec()),
    ];
    let script = deeds.clone();
    let server = Scripted::tcp(move |asked| script[asked.number % script.len()].clone());
    let expect = Expect { body: Some("hello".into()), ..Expect::default() };
    let report = run(Settings {
        expect: Expect { status: vec![200], ..expect },
        duration: Some(Duration::from_secs(2)),
        ..settings(&[&server.url("/")])
    });
    let kinds = [
        (Kind::BadGateway, &deeds[1]),
        (Kind::Reset, &deeds[3]),
        (Kind::Unavailable, &deeds[4]),
        (Kind::Closed, &deeds[5]),
        (Kind::GatewayTimeout, &deeds[7]),
        (Kind::ServerError, &deeds[8]),
        (Kind::Status, &deeds[10]),
        (Kind::CutShort, &deeds[11]),
        (Kind::Body, &deeds[12]),
        (Kind::BadAnswer, &deeds[13]),
    ];
    let truth: BTreeMap<Kind, u64> =
        kinds.iter().map(|(kind, deed)| (*kind, server.count(deed))).collect();
    assert_eq!(failures(&report), truth);
    assert_eq!(report.total.ok, server.count(&Deed::ok()));
    assert_eq!(report.total.sent, 200);
    assert_eq!(report.total.sent, report.total.ok + report.total.failed);
    assert_eq!(report.targets[0].evidence.len(), kinds.len());
    for failure in &report.total.failures {
        assert!(failure.first.offset <= failure.last.offset);
        assert!(failure.last.offset < Duration::from_secs(2), "when it was due");
    }
}

#[test]
fn a_stall_is_as_long_as_in_the_servers_own_log() {
    // A crowded machine may hold the prober itself up: what it says of itself then decides.
    let mut seen = Vec::new();
    for _ in 0..5 {
        let (gap, truth, report) = stall(Duration::from_millis(600));
        let off = gap.abs_diff(truth);
        // The prober's clock and the server's log disagree by no more than the machine's delays.
        assert!(off < truth, "{gap:?} for {truth:?}");
        assert_eq!(report.total.failed, 0);
        if off <= Duration::from_millis(20).max(truth / 50) {
            return;
        }
        seen.push((gap, truth, report.lateness));
    }
    panic!("not once within 20 ms: {seen:?}");
}

/// A reload is watched from its own beginning on, whatever the site did before.
#[test]
fn a_stall_from_before_the_reload_does_not_count() {
    let start = Instant::now();
    let (from, to) = (start + Duration::from_millis(300), start + Duration::from_millis(1500));
    let server = Scripted::tcp(move |asked| {
        let held = asked.at >= from && asked.at < to;
        if held { Deed::AnswerAt(to, answer(200, "hello")) } else { Deed::ok() }
    });
    let prober = Prober::start(settings(&[&server.url("/")])).unwrap();
    // Answered anew, as long as a crowded machine takes.
    while start.elapsed() < Duration::from_millis(1800) || prober.counts().in_flight > 2 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = prober.counts().longest_gap;
    assert!(before >= Duration::from_millis(900), "{before:?}");
    prober.mark("reload");
    prober.forget_gaps();
    std::thread::sleep(Duration::from_millis(400));
    let report = prober.finish();
    let after = report.targets[0].longest_gap.length();
    assert!(after < before, "{after:?}, and {before:?} before");
    assert!(report.targets[0].longest_gap.start.offset >= Duration::from_millis(1400));
}

/// What the prober says of a stall, and what the server's log says.
fn stall(length: Duration) -> (Duration, Duration, Report) {
    let start = Instant::now();
    let (from, to) =
        (start + Duration::from_millis(400), start + Duration::from_millis(400) + length);
    let server = Scripted::tcp(move |asked| {
        let held = asked.at >= from && asked.at < to;
        if held { Deed::AnswerAt(to, answer(200, "hello")) } else { Deed::ok() }
    });
    let report = run(Settings {
        duration: Some(length + Duration::from_millis(800)),
        ..settings(&[&server.url("/")])
    });
    let mut answered: Vec<Instant> = server.log().iter().filter_map(|e| e.answered).collect();
    answered.sort();
    let truth = answered.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    // Latency counts from when a probe was due: no request waited longer on the server.
    let held = server.log().iter().map(|e| e.answered.unwrap() - e.asked.at).max().unwrap();
    let worst = report.total.latency.unwrap().max_ms;
    assert!(worst >= held.as_secs_f64() * 1e3 * 0.999 - 1.0, "{worst} ms, {held:?} on the server");
    let gap = report.targets[0].longest_gap;
    assert!(!gap.from_start && !gap.to_end);
    (gap.length(), truth, report)
}

#[test]
fn probes_are_sent_when_due_though_all_before_them_hang() {
    let server = Scripted::tcp(|_| Deed::Hang);
    let report = run(Settings { timeout: Duration::from_secs(2), ..settings(&[&server.url("/")]) });
    assert_eq!(failures(&report), BTreeMap::from([(Kind::Timeout, 100)]));
    assert_eq!(server.log().len(), 100);
    // All were on their way at the same time: none waited for another.
    assert_eq!(report.open.most, 100);
    let latency = report.total.latency.unwrap();
    assert!(latency.p50_ms >= 2000.0, "the time waited counts: {latency:?}");
    let gap = report.targets[0].longest_gap;
    assert!(gap.from_start && gap.to_end, "{gap:?}");
    assert_eq!(gap.length(), Duration::from_secs(1));
}

#[test]
fn a_bound_that_was_hit_is_said() {
    let server = Scripted::tcp(|_| Deed::Hang);
    let report = run(Settings {
        most_open: Some(10),
        timeout: Duration::from_secs(2),
        ..settings(&[&server.url("/")])
    });
    assert_eq!(report.open.most, 10);
    assert!(report.open.limit_reached && !report.is_complete());
    assert_eq!((report.total.failed, report.total.not_sent.no_room), (10, 90));
    assert_eq!(report.timeline.iter().map(|bucket| bucket.not_sent).sum::<u64>(), 90);
}

#[test]
fn what_is_unanswered_when_the_run_is_broken_off_has_failed() {
    let server = Scripted::tcp(|_| Deed::Hang);
    let prober =
        Prober::start(Settings { duration: None, ..settings(&[&server.url("/")]) }).unwrap();
    prober.mark("reload");
    while prober.counts().sent < 20 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let counts = prober.counts();
    assert!(counts.in_flight >= 20 && counts.ok == 0 && !counts.ended, "{counts:?}");
    let report = prober.finish_now();
    assert_eq!(failures(&report), BTreeMap::from([(Kind::Unanswered, report.total.sent)]));
    assert_eq!(report.marks.len(), 1);
    assert!(report.marks[0].name == "reload" && report.marks[0].at.offset < report.ended.offset);
}

#[test]
fn finishing_waits_for_what_is_on_its_way() {
    let start = Instant::now();
    let at = start + Duration::from_millis(700);
    let server = Scripted::tcp(move |_| Deed::AnswerAt(at, answer(200, "late")));
    let prober =
        Prober::start(Settings { duration: None, ..settings(&[&server.url("/")]) }).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let report = prober.finish();
    assert!(report.total.sent > 5);
    assert_eq!(report.total.ok, report.total.sent);
    assert_eq!(server.log().len() as u64, report.total.sent);
}

#[test]
fn an_idle_connection_that_the_server_closed_is_no_failure() {
    let server = Scripted::tcp(|_| Deed::AnswerAndClose(answer(200, "hello")));
    let report = run(Settings { connections: Connections::Kept, ..settings(&[&server.url("/")]) });
    assert_eq!((report.total.sent, report.total.failed), (100, 0));
    let kept = report.targets[0].series[0].kept.unwrap();
    assert_eq!((kept.reused, kept.repeatable), (0, 0));
    assert!(kept.renewed >= 90, "{kept:?}");
}

#[test]
fn a_request_that_is_lost_on_a_kept_connection_is_a_failure() {
    let server = Scripted::tcp(|asked| match asked.on_connection {
        0..3 => Deed::ok(),
        _ => Deed::Close,
    });
    let report = run(settings(&[&server.url("/")]));
    let lost = server.count(&Deed::Close);
    assert!(lost > 3);
    assert_eq!(failures(&report), BTreeMap::from([(Kind::Closed, lost)]));
    let [new, kept] = report.targets[0].series.as_slice() else { panic!("two series") };
    assert_eq!((new.total.failed, kept.total.failed), (0, lost));
    assert_eq!(kept.kept.unwrap().repeatable, lost);
}

#[test]
fn the_release_that_takes_over_is_seen_without_a_failure() {
    let server = Scripted::tcp(|asked| {
        let release = if asked.number < 40 { "v1" } else { "v2" };
        let text = format!("HTTP/1.1 200 OK\r\nX-Release: {release}\r\nContent-Length: 0\r\n\r\n");
        Deed::Answer(text.into_bytes())
    });
    let report = run(Settings {
        expect: Expect { watch: Some("v2".into()), ..Expect::default() },
        ..settings(&[&server.url("/")])
    });
    assert_eq!(report.total.failed, 0);
    let watched = report.targets[0].watched.as_ref().unwrap();
    assert_eq!((watched.without, watched.with), (40, 60));
    assert!(watched.first_with.unwrap().offset > Duration::ZERO);
    assert_eq!(report.timeline.iter().map(|bucket| bucket.watched).sum::<u64>(), 60);
}

#[test]
fn a_version_is_looked_for_in_body_and_headers() {
    let server = Scripted::tcp(|asked| match asked.path() {
        "/body" => Deed::ok(),
        "/header" => Deed::Answer(
            b"HTTP/1.1 200 OK\r\nX-Release: hello\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        _ => Deed::Answer(answer(200, "hell")),
    });
    let report = run(Settings {
        expect: Expect { version: Some("hello".into()), ..Expect::default() },
        duration: Some(Duration::from_millis(100)),
        ..settings(&[&server.url("/body"), &server.url("/header"), &server.url("/other")])
    });
    let failed: Vec<u64> = report.targets.iter().map(|target| target.total.failed).collect();
    assert_eq!(failed, [0, 0, 10]);
    assert_eq!(failures(&report), BTreeMap::from([(Kind::Version, 10)]));
}

#[test]
fn the_first_status_below_400_has_to_stay() {
    let server = Scripted::tcp(|asked| match (asked.path(), asked.number) {
        ("/missing", _) => Deed::status(404),
        ("/login", _) => Deed::status(302),
        (_, 0..50) => Deed::ok(),
        _ => Deed::status(302),
    });
    let one = |path: &str, expect: Vec<u16>| {
        let expect = Expect { status: expect, ..Expect::default() };
        let duration = Some(Duration::from_millis(200));
        run(Settings { expect, duration, ..settings(&[&server.url(path)]) })
    };
    let missing = one("/missing", Vec::new());
    assert_eq!(failures(&missing), BTreeMap::from([(Kind::Status, 20)]));
    assert_eq!(missing.targets[0].status, None);
    assert_eq!(one("/missing", vec![404]).total.failed, 0);
    // A redirect is an answer: it is not followed.
    let login = one("/login", Vec::new());
    assert_eq!((login.total.failed, login.targets[0].status), (0, Some(302)));
    assert_eq!(server.log().len(), 60);
    let server = Scripted::tcp(|asked| match asked.number {
        0..50 => Deed::ok(),
        _ => Deed::status(302),
    });
    let report = run(settings(&[&server.url("/")]));
    assert_eq!(failures(&report), BTreeMap::from([(Kind::Status, 50)]));
}

#[test]
fn only_the_head_is_asked_for() {
    let server = Scripted::tcp(|_| {
        Deed::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nContent-Type: x\r\n\r\n".to_vec())
    });
    let report = run(Settings {
        method: Method::Head,
        connections: Connections::New,
        duration: Some(Duration::from_millis(100)),
        ..settings(&[&server.url("/")])
    });
    assert_eq!((report.total.sent, report.total.failed), (10, 0));
    assert!(server.log().iter().all(|entry| entry.asked.head.starts_with("HEAD / HTTP/1.1\r\n")));
}
