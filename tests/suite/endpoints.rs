//! Which client reaches which listener: the model's table is held against the kernel's own sockets.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use deploy_doctor::facts::{Endpoint, TcpHost};
use rustix::net::{self, AddressFamily, SocketType, sockopt};

/// A listener as gunicorn (`--bind`) or systemd (`BindIPv6Only=`) makes it: what is written, the
/// address that the kernel is given, and whether the socket is for IPv6 alone.
const LISTENERS: [(&str, &str, bool); 7] = [
    ("127.0.0.1", "127.0.0.1", false),
    ("[::1]", "::1", false),
    ("0.0.0.0", "0.0.0.0", false),
    ("[::]", "::", false),
    ("[::]", "::", true),
    // gunicorn asks for an IPv4 socket unless an IPv6 address is written.
    ("localhost", "127.0.0.1", false),
    ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1", false),
];

/// What nginx is told to connect to, and the addresses that it then tries.
const CLIENTS: [(&str, &[&str]); 8] = [
    ("127.0.0.1", &["127.0.0.1"]),
    ("127.0.0.2", &["127.0.0.2"]),
    ("[::1]", &["::1"]),
    ("0.0.0.0", &["0.0.0.0"]),
    ("[::]", &["::"]),
    ("localhost", &["127.0.0.1", "::1"]),
    ("[::ffff:127.0.0.1]", &["::ffff:127.0.0.1"]),
    ("[::ffff:127.0.0.2]", &["::ffff:127.0.0.2"]),
];

fn listen(address: &str, only: bool) -> rustix::io::Result<(OwnedFd, u16)> {
    let address: SocketAddr = SocketAddr::new(address.parse().unwrap(), 0);
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = net::socket(family, SocketType::STREAM, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, only)?;
    }
    net::bind(&socket, &address)?;
    net::listen(&socket, 8)?;
    let bound: SocketAddr = net::getsockname(&socket)?.try_into()?;
    Ok((socket, bound.port()))
}

fn host(text: &str, only: bool) -> TcpHost {
    match TcpHost::parse(text) {
        TcpHost::AnyV6 { .. } => TcpHost::AnyV6 { only },
        host => host,
    }
}

fn has_ipv6() -> bool {
    listen("::1", false).is_ok()
}

#[test]
fn who_reaches_whom_is_what_the_kernel_says() {
    if !has_ipv6() {
        return crate::support::skip("this machine has no IPv6");
    }
    let mut table = Vec::new();
    for (written, address, only) in LISTENERS {
        let (_socket, port) = listen(address, only).unwrap();
        let listener = Endpoint::Tcp { host: host(written, only), port };
        for (client, addresses) in CLIENTS {
            let connects =
                |ip: &&str| TcpStream::connect(SocketAddr::new(ip.parse().unwrap(), port)).is_ok();
            let kernel = addresses.iter().any(connects);
            let model = Endpoint::Tcp { host: TcpHost::parse(client), port }.reaches(&listener);
            table.push((client, written, only, kernel, model));
        }
    }
    let wrong: Vec<_> =
        table.iter().filter(|(.., kernel, model)| *model != Some(*kernel)).collect();
    assert!(wrong.is_empty(), "client, listener, IPv6 alone, kernel, model: {wrong:#?}");
    // The table tells something: each listener is out of somebody's reach.
    for (written, _, only) in LISTENERS {
        let mut own = table.iter().filter(|row| row.1 == written && row.2 == only);
        let refused = own.clone().any(|row| !row.3);
        assert!(own.any(|row| row.3), "nobody reaches {written}");
        assert!(refused || (written == "[::]" && !only), "everybody reaches {written}");
    }
}

#[test]
fn a_unix_socket_is_reached_by_its_path_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gunicorn.sock");
    let _socket = UnixListener::bind(&path).unwrap();
    let listener = Endpoint::unix(&path);
    let way_round = directory.path().join(".//gunicorn.sock");
    for (client, reached) in [(path.as_path(), true), (&way_round, true), (Path::new("/x"), false)]
    {
        assert_eq!(UnixStream::connect(client).is_ok(), reached);
        assert_eq!(Endpoint::unix(client).reaches(&listener), Some(reached));
    }
    let (_socket, port) = listen("127.0.0.1", false).unwrap();
    let tcp = Endpoint::Tcp { host: TcpHost::Localhost, port };
    assert_eq!(tcp.reaches(&listener), Some(false));
    assert_eq!(listener.reaches(&tcp), Some(false));
}

#[test]
fn only_a_resolver_knows_where_a_name_leads() {
    let at = |text: &str| Endpoint::Tcp { host: TcpHost::parse(text), port: 8000 };
    for (client, listener, reached) in [
        ("app.internal", "0.0.0.0", None),
        ("app.internal", "app.internal", Some(true)),
        ("127.0.0.1", "app.internal", None),
        // gunicorn makes an IPv4 socket for a name.
        ("[::1]", "app.internal", Some(false)),
        // Whether an address is this machine's, files do not tell.
        ("10.0.0.7", "0.0.0.0", None),
        ("10.0.0.7", "[::]", None),
        ("10.0.0.7", "127.0.0.1", Some(false)),
        ("[2001:db8::7]", "[::]", None),
        ("[2001:db8::7]", "0.0.0.0", Some(false)),
    ] {
        assert_eq!(at(client).reaches(&at(listener)), reached, "{client} to {listener}");
    }
}
