//! Answers of every shape, whole and broken, on new connections and on kept ones.

use std::time::Duration;

use deploy_doctor::probe::{Expect, Kind, Settings};

use super::prober::{run, settings};
use crate::support::scripted::{Deed, Scripted, answer};

/// What is answered, and what the prober has to make of it.
fn shapes() -> Vec<(&'static str, Deed, Option<Kind>)> {
    let raw = |text: &str| Deed::Answer(text.as_bytes().to_vec());
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    let chunked = head("Transfer-Encoding: chunked\r\n");
    let long = format!("X-Long: {}\r\n", "a".repeat(1000));
    let many = "X-A: b\r\n".repeat(257);
    vec![
        ("whole", Deed::ok(), None),
        ("byte by byte", Deed::Dribble(answer(200, "hello")), None),
        ("chunked", raw(&format!("{chunked}2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n")), None),
        (
            "chunks byte by byte, with a trailer",
            Deed::Dribble(format!("{chunked}2\r\nhe\r\n3\r\nllo\r\n0\r\nX-A: b\r\n\r\n").into()),
            None,
        ),
        ("a chunk of no size", raw(&format!("{chunked}x\r\n")), Some(Kind::BadAnswer)),
        ("a chunk too long", raw(&format!("{chunked}1\r\nhello\r\n")), Some(Kind::BadAnswer)),
        ("chunks without an end", raw(&format!("{chunked}5\r\nhello\r\n")), Some(Kind::CutShort)),
        ("until the end of the connection", raw(&format!("{}hello", head(""))), None),
        ("HTTP/1.0", raw("HTTP/1.0 200 OK\r\n\r\nhello"), None),
        (
            "shorter than its length",
            raw(&format!("{}hello", head("Content-Length: 6\r\n"))),
            Some(Kind::CutShort),
        ),
        // What follows belongs to no answer: the connection is not used again.
        ("longer than its length", raw(&format!("{}hello!", head("Content-Length: 5\r\n"))), None),
        (
            "two lengths",
            raw(&format!("{}hello", head("Content-Length: 5\r\nContent-Length: 6\r\n"))),
            Some(Kind::BadAnswer),
        ),
        (
            "a length of -1",
            raw(&format!("{}hello", head("Content-Length: -1\r\n"))),
            Some(Kind::BadAnswer),
        ),
        (
            "interim answers first",
            raw(&format!(
                "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n{}hello",
                head("Content-Length: 5\r\n")
            )),
            None,
        ),
        ("an interim answer alone", raw("HTTP/1.1 100 Continue\r\n\r\n"), Some(Kind::CutShort)),
        ("headers of 20 kB", raw(&format!("{}hello", head(&long.repeat(20)))), None),
        ("headers without an end", raw(&head(&long.repeat(80))), Some(Kind::BadAnswer)),
        ("257 headers", raw(&format!("{}hello", head(&many))), Some(Kind::BadAnswer)),
        ("half a head", raw("HTTP/1.1 200 OK\r\nContent-Le"), Some(Kind::CutShort)),
        ("not HTTP", raw("220 mail.example.com ESMTP\r\n"), Some(Kind::BadAnswer)),
        ("HTTP/2", raw("\0\0\x12\x04\0\0\0\0\0"), Some(Kind::BadAnswer)),
        ("nothing", Deed::Close, Some(Kind::Closed)),
        ("a reset", Deed::Reset, Some(Kind::Reset)),
        ("another body", Deed::Answer(answer(200, "hell")), Some(Kind::Body)),
        ("a status of its own", Deed::Answer(answer(299, "hello")), Some(Kind::Status)),
    ]
}

#[test]
fn answers_of_every_shape_are_told_apart() {
    let shapes = shapes();
    let script: Vec<Deed> = shapes.iter().map(|(_, deed, _)| deed.clone()).collect();
    let server = Scripted::tcp(move |asked| {
        let shape: usize = asked.path().trim_start_matches('/').parse().unwrap();
        script[shape].clone()
    });
    let urls: Vec<String> =
        (0..shapes.len()).map(|shape| server.url(&format!("/{shape}"))).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let report = run(Settings {
        rate: 10.0,
        duration: Some(Duration::from_millis(600)),
        expect: Expect { status: vec![200], body: Some("hello".into()), ..Expect::default() },
        ..settings(&urls)
    });
    for ((name, _, wanted), target) in shapes.iter().zip(&report.targets) {
        let kinds: Vec<(Kind, u64)> =
            target.total.failures.iter().map(|failure| (failure.kind, failure.count)).collect();
        let wanted: Vec<(Kind, u64)> = wanted.iter().map(|kind| (*kind, 6)).collect();
        assert_eq!(kinds, wanted, "{name}");
        assert_eq!(target.total.sent, 6, "{name}");
    }
    // Answers that say where they end are asked for again on the same connection.
    let reused = |name: &str| {
        let at = shapes.iter().position(|(shape, ..)| *shape == name).unwrap();
        report.targets[at].series[1].kept.unwrap().reused
    };
    for name in ["whole", "byte by byte", "interim answers first"] {
        assert!(reused(name) >= 1, "{name}");
    }
    for name in ["until the end of the connection", "HTTP/1.0", "longer than its length"] {
        assert_eq!(reused(name), 0, "{name}");
    }
}

#[test]
fn a_body_that_never_ends_costs_no_memory_and_times_out() {
    // The text that is expected stands on the border of two pieces.
    let start = std::time::Instant::now();
    let server = Scripted::tcp(move |_| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_vec();
        bytes.resize(4 << 20, b'x');
        Deed::AnswerAt(start, bytes)
    });
    let report = run(Settings {
        rate: 10.0,
        duration: Some(Duration::from_millis(300)),
        ..settings(&[&server.url("/")])
    });
    assert_eq!(super::prober::failures(&report)[&Kind::CutShort], 3);
    let body = report.targets[0].evidence[0].body.as_ref().unwrap();
    assert!(body.len() <= 1000, "{}", body.len());
}

#[test]
fn a_text_that_comes_in_pieces_is_found() {
    let server = Scripted::tcp(|_| {
        let body = format!("{}he\r\n3\r\nllo\r\n0\r\n\r\n", "4\r\nhehe\r\n".repeat(50) + "2\r\n");
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Deed::Dribble(format!("{head}{body}").into_bytes())
    });
    let report = run(Settings {
        rate: 10.0,
        duration: Some(Duration::from_millis(200)),
        expect: Expect { body: Some("hehello".into()), ..Expect::default() },
        ..settings(&[&server.url("/")])
    });
    assert_eq!((report.total.ok, report.total.failed), (2, 0));
}

#[test]
fn the_evidence_of_a_failure_holds_no_secret() {
    let page = "<html><style>p { color: red }</style><table><tr><td>SECRET_KEY</td>\
                <td><pre>'kanary1'</pre></td></tr></table><p>You sent Bearer kanary2</p>\
                DATABASE_URL=postgres://user:kanary3@db/x token: kanary4 \u{1b}[31m</html>";
    let server = Scripted::tcp(move |_| Deed::Answer(answer(500, page)));
    let headers =
        vec![("Authorization".to_owned(), deploy_doctor::source::Secret::new("Bearer kanary2"))];
    let report = run(Settings {
        headers,
        duration: Some(Duration::from_millis(100)),
        ..settings(&[&server.url("/")])
    });
    let evidence = &report.targets[0].evidence[0];
    assert_eq!((evidence.kind, evidence.status), (Kind::ServerError, Some(500)));
    let shown = serde_json::to_string(&report).unwrap();
    assert!(!shown.contains("kanary") && !shown.contains("\\u001b"), "{shown}");
    let body = evidence.body.as_ref().unwrap();
    assert!(body.contains("SECRET_KEY") && !body.contains("color"), "{body}");
    assert!(server.log()[0].asked.head.contains("Authorization: Bearer kanary2"));
}
