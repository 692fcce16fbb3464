//! nginx and gunicorn on one port, over different protocols (S604).

use deploy_doctor::rule::Severity;

use crate::support::case::{Case, Seen};

const UNIT: &str = "/etc/systemd/system/myapp.service";
const SOCKET: &str = "/etc/systemd/system/myapp.socket";
const SITE: &str = "/etc/nginx/sites-available/myapp";
const ENABLED: &str = "/etc/nginx/sites-enabled/myapp";
const LISTENS: &str = "--bind unix:/run/myapp/gunicorn.sock";
const CONNECTS: &str = "server unix:/run/myapp/gunicorn.sock";

fn case(bind: &str, server: &str) -> Case {
    Case::healthy().replace(UNIT, LISTENS, &format!("--bind {bind}")).replace(
        SITE,
        CONNECTS,
        &format!("server {server}"),
    )
}

fn check(bind: &str, server: &str) -> Seen {
    case(bind, server).check()
}

#[test]
fn one_port_over_the_wrong_protocol() {
    for (bind, server, right) in [
        ("0.0.0.0:8000", "[::1]:8000", "127.0.0.1:8000"),
        ("127.0.0.1:8000", "[::1]:8000", "127.0.0.1:8000"),
        ("0.0.0.0:8000", "[::]:8000", "127.0.0.1:8000"),
        (":8000", "[::1]:8000", "127.0.0.1:8000"),
        ("localhost:8000", "[::1]:8000", "127.0.0.1:8000"),
        ("[::1]:8000", "127.0.0.1:8000", "[::1]:8000"),
        ("[::1]:8000", "0.0.0.0:8000", "[::1]:8000"),
    ] {
        let seen = check(bind, server);
        let hit = seen.only("S604").at(ENABLED, 2);
        hit.is(Severity::Error).says("gets 502").helps(&format!("server {right};"));
        assert!(seen.of("N301").is_empty(), "{bind} {server}: said twice: {seen:#?}");
    }
}

#[test]
fn what_the_kernel_connects_is_no_finding() {
    for (bind, server) in [
        ("[::]:8000", "127.0.0.1:8000"),
        ("[::]:8000", "[::1]:8000"),
        ("0.0.0.0:8000", "127.0.0.1:8000"),
        ("localhost:8000", "127.0.0.1:8000"),
        ("127.0.0.1:8000", "localhost:8000"),
        ("[::1]:8000", "[::]:8000"),
        ("127.0.0.1:8000", "[::ffff:127.0.0.1]:8000"),
    ] {
        let seen = check(bind, server);
        seen.passes("S604");
        assert!(seen.of("N301").is_empty(), "{bind} {server}: {seen:#?}");
    }
}

#[test]
fn localhost_is_what_the_hosts_file_says() {
    let both = "127.0.0.1 localhost\n::1 localhost\n";
    let hosts = |text| case("[::1]:8000", "localhost:8000").file("/etc/hosts", text).check();
    hosts("127.0.0.1 localhost\n").only("S604").says("localhost:8000").helps("[::1]:8000");
    hosts(both).passes("S604");
}

#[test]
fn a_peer_that_answers_takes_the_requests_of_the_other() {
    let seen = case("127.0.0.1:8000", "127.0.0.1:8000; server [::1]:8000").check();
    assert!(seen.of("S604").is_empty(), "{seen:#?}");
}

#[test]
fn a_socket_unit_for_ipv6_alone() {
    let activated = |settings: &str| {
        case("unix:/run/unused.sock", "127.0.0.1:8000")
            .file(SOCKET, format!("[Socket]\n{settings}\n[Install]\nWantedBy=sockets.target\n"))
            .check()
    };
    for only in ["ipv6-only", "yes"] {
        let seen = activated(&format!("ListenStream=8000\nBindIPv6Only={only}"));
        seen.only("S604").helps("[::1]:8000").helps("ListenStream=127.0.0.1:8000");
    }
    for settings in ["ListenStream=8000", "ListenStream=8000\nBindIPv6Only=both"] {
        activated(settings).passes("S604");
    }
    activated("ListenStream=[::]:8000\nBindIPv6Only=ipv6-only").only("S604");
    activated("ListenStream=0.0.0.0:8000").passes("S604");
}
