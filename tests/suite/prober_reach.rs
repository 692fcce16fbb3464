//! Where probes go: unix sockets, TLS, several addresses, and places where nobody listens.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use deploy_doctor::host::Host;
use deploy_doctor::host::net::tls::Trust;
use deploy_doctor::probe::settings::StartError;
use deploy_doctor::probe::{Connections, Kind, Prober, Report, Settings};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::prober::{failures, run, settings};
use crate::support::scripted::{Deed, Scripted};

fn short(urls: &[&str]) -> Settings {
    Settings { duration: Some(Duration::from_millis(200)), ..settings(urls) }
}

fn only(report: &Report) -> (Kind, u64) {
    let failures = failures(report);
    assert_eq!(failures.len(), 1, "{failures:?}");
    failures.into_iter().next().unwrap()
}

#[test]
fn a_unix_socket_is_asked_straight() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let url = format!("unix:{}:/health", path.display());
    assert_eq!(only(&run(short(&[&url]))), (Kind::NoSocket, 20));
    let server = Scripted::unix(&path, |_| Deed::ok());
    let report = run(short(&[&url]));
    assert_eq!((report.total.ok, report.total.failed), (20, 0));
    let log = server.log();
    assert_eq!(log.len(), 20);
    assert!(log.iter().all(|entry| entry.asked.path() == "/health"));
    assert!(log[0].asked.head.contains("\r\nHost: localhost\r\n"));

    let stale = directory.path().join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    let report = run(short(&[&format!("unix:{}", stale.display())]));
    assert_eq!(only(&report), (Kind::Refused, 20));
}

#[test]
fn a_full_queue_fails_at_once_as_it_does_for_nginx() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let listener = UnixListener::bind(&path).unwrap();
    // Room for one, and one more: unix(7) counts that way.
    rustix::net::listen(&listener, 1).unwrap();
    let report = run(Settings {
        connections: Connections::New,
        timeout: Duration::from_millis(500),
        ..short(&[&format!("unix:{}", path.display())])
    });
    let failures = failures(&report);
    assert_eq!(failures[&Kind::QueueFull], 18, "{failures:?}");
    assert_eq!(failures[&Kind::Timeout], 2, "{failures:?}");
}

#[test]
fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = run(short(&[&format!("http://{free}/")]));
    assert_eq!(only(&report), (Kind::Refused, 20));
    let gap = report.targets[0].longest_gap;
    assert!(gap.from_start && gap.to_end);
}

#[test]
fn the_address_that_answers_is_used() {
    let server = Scripted::tcp(|_| Deed::ok());
    let port = server.address.unwrap().port();
    let nowhere = "127.0.0.9".parse().unwrap();
    let there = "127.0.0.1".parse().unwrap();
    let url = format!("http://site.example:{port}/");
    let resolve = vec![("site.example".to_owned(), port, vec![nowhere, there])];
    let report = run(Settings { resolve, ..short(&[&url]) });
    assert_eq!((report.total.ok, report.total.failed), (20, 0));
    let head = &server.log()[0].asked.head;
    assert!(head.contains(&format!("\r\nHost: site.example:{port}\r\n")), "{head}");
    let resolve = vec![("site.example".to_owned(), port, vec![nowhere])];
    let report = run(Settings { resolve, ..short(&[&url]) });
    assert_eq!(only(&report), (Kind::Refused, 20));
}

#[test]
fn a_name_without_an_address_does_not_start() {
    let error = Prober::start(short(&["http://no-such-host.invalid/"])).unwrap_err();
    let StartError::Unresolved { host, .. } = error else { panic!("{error}") };
    assert_eq!(host, "no-such-host.invalid");
}

/// A certificate that signed itself, as PEM, and a server that shows it.
fn certified(names: &[&str], authority: bool) -> (String, Arc<ServerConfig>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    if authority {
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .unwrap();
    (pem(certificate.der()), Arc::new(config))
}

fn pem(der: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        for part in line.chunks(3) {
            let bits = part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - part.len()));
            for at in 0..4 {
                let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize] as char;
                text.push(if at > part.len() { '=' } else { letter });
            }
        }
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

#[test]
fn https_believes_what_curl_believes() {
    let directory = tempfile::tempdir().unwrap();
    // As `openssl req -x509` makes it, and one that is no authority.
    for authority in [true, false] {
        let (text, config) = certified(&["localhost"], authority);
        let file = directory.path().join(format!("{authority}.pem"));
        std::fs::write(&file, text).unwrap();
        let server = Scripted::tls(config, |_| Deed::ok());
        let with = |trust: &Trust, host: &str| {
            run(Settings { trust: trust.clone(), ..short(&[&server.https(host)]) })
        };
        let report = with(&Trust::File(file.clone()), "localhost");
        assert_eq!(failures(&report), Default::default(), "{:?}", report.targets[0].evidence);
        assert_eq!(report.total.ok, 20);
        assert!(report.targets[0].series[1].kept.unwrap().reused > 3);
        assert_eq!(with(&Trust::Anyone, "127.0.0.1").total.ok, 20);
        let asked = server.log().len();
        // For another name than the certificate's.
        let report = with(&Trust::File(file), "127.0.0.1");
        assert_eq!(only(&report), (Kind::Tls, 20));
        let error = report.targets[0].evidence[0].error.as_ref().unwrap();
        assert!(error.contains("another name"), "{error}");
        let report = with(&Trust::System, "localhost");
        assert_eq!(only(&report), (Kind::Tls, 20));
        assert_eq!(server.log().len(), asked, "nothing is asked of a stranger");
    }
}

#[test]
fn check_asks_https_too() {
    let directory = tempfile::tempdir().unwrap();
    let (text, config) = certified(&["localhost"], true);
    let file = directory.path().join("own.pem");
    std::fs::write(&file, text).unwrap();
    let server = Scripted::tls(config, |_| Deed::status(503));
    let url = server.https("localhost");
    let request = deploy_doctor::facts::probe::parse(&url).unwrap();
    let host = deploy_doctor::host::TreeHost::live().unwrap();
    let error = host.http(&request).unwrap_err();
    assert!(matches!(error, deploy_doctor::host::HttpError::Tls(_)), "{error}");
    assert_eq!(server.log().len(), 0, "nothing is asked of a stranger");
    // An authority that the system is told of.
    let mut command = std::process::Command::new(crate::support::command::program());
    command.args(["check", "--no-exec", "--probe", &url]).env("SSL_CERT_FILE", &file);
    let ran = crate::support::command::finish(command);
    assert_eq!(server.log().len(), 1, "{}", ran.all());
    assert!(server.log()[0].asked.head.starts_with("GET / HTTP/1.1"));
}

#[test]
fn failures_within_tls_are_told_apart() {
    let (_, config) = certified(&["localhost"], false);
    let server = Scripted::tls(config, |asked| match asked.number % 2 {
        0 => Deed::status(503),
        _ => Deed::Close,
    });
    let report = run(Settings { trust: Trust::Anyone, ..short(&[&server.https("localhost")]) });
    let counts = failures(&report);
    assert_eq!(counts.get(&Kind::Unavailable), Some(&10), "{counts:?}");
    assert_eq!(counts.get(&Kind::Closed), Some(&10), "{counts:?}");
    // A server that speaks no TLS.
    let plain = Scripted::tcp(|_| Deed::ok());
    let url = plain.https("localhost");
    let report =
        run(Settings { trust: Trust::Anyone, timeout: Duration::from_secs(1), ..short(&[&url]) });
    assert!(matches!(only(&report).0, Kind::Tls | Kind::Timeout), "{:?}", failures(&report));
}

#[test]
fn certificates_that_cannot_be_read_do_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").unwrap();
    for file in [empty, directory.path().join("missing.pem"), directory.path().to_owned()] {
        let trust = Trust::File(file);
        let error = Prober::start(Settings { trust, ..short(&["https://localhost:1/"]) });
        assert!(matches!(error, Err(StartError::Trust(_))), "{error:?}");
    }
}
