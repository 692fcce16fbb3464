//! Ten seconds of 502 after every short gap, because nginx counts failures.

use std::net::IpAddr;

use crate::facts::nginx::{Address, Destination, Host, Model, Peer, Target, Upstream, UpstreamId};
use crate::facts::{Endpoint, Passing, TcpHost, Why, written};
use crate::rule::prelude::Span;
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// Every restart of gunicorn costs 10 s of 502: nginx takes the peers out for that long.
    ///
    /// In an `upstream` with several peers, nginx drops a peer for `fail_timeout` (10 s) after
    /// `max_fails` (1) failures. When gunicorn is down for a moment, each peer fails once, and then
    /// nginx answers `no live upstreams` itself although gunicorn has long been back. Measured time
    /// until the first 200 after a gap of three requests: one server 10 ms, two servers 9,992 ms,
    /// one server and a `backup` 9,952 ms, `localhost` with two addresses 9,983 ms; with
    /// `max_fails=0` none. `fail_timeout=0` does not cure it, as many believe: nginx compares whole
    /// seconds, and skips a failed peer for the rest of that second. Measured after twelve gaps of
    /// 0.3 s each: 502 continued for up to 917 ms with `fail_timeout=0`, for up to 1,647 ms with
    /// `fail_timeout=1s`, and for 0 ms with `max_fails=0`. Only an `upstream` with one peer is not
    /// affected. A `backup` and a `down` server count as peers, and a host name counts as many
    /// peers as it has addresses. Each of nginx's workers counts for itself (unless the `upstream`
    /// has a `zone`), so after a short gap half of the requests may be lost.
    ///
    /// A warning if peers are on other machines, which keep serving unless all are restarted
    /// together, or if `fail_timeout` is below 3 s; an info if it is 0. With a peer on another
    /// machine the fix is not safe: while that machine is off, requests would go on waiting for it.
    ///
    /// Proved by `localhost-blackout`: after a restart nginx answered 502 for 10 s, though gunicorn
    /// was back after one second.
    ///
    /// Proved by `restart-blackout`: nginx took both peers out and answered 502 for 10 s, though
    /// gunicorn was back after one second.
    ///
    /// ```nginx,bad
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock;
    ///     server 127.0.0.1:8001 backup;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock max_fails=0;
    ///     server 127.0.0.1:8001 backup max_fails=0;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N307 "restart-blackout" {
        severity: Error, impact: BadGateway, fix: Some(Safe), item: UpstreamStable, hop: Upstream,
        since: "0.1.0", check: Passing(check)
    }
}

/// Below this a blackout is an annoyance.
const SHORT_SECONDS: u64 = 3;

fn check(front: &Passing, out: &mut Sink) -> Result<(), Why> {
    let model = front.model;
    let names = front.deployment.machine.names.ok();
    let localhost = names.map_or(&[] as &[IpAddr], |names| names.localhost());
    let mut groups: Vec<UpstreamId> = Vec::new();
    for pass in &front.passes {
        match pass.upstream.and_then(|id| model.upstream(id)) {
            Some(group) if !groups.contains(&group.id) => {
                groups.push(group.id);
                judge(group, &own_peers(front, group.id), localhost, (model, pass), out);
            }
            Some(_) => {}
            None => to_localhost(model, front, pass, localhost, out),
        }
    }
    Ok(())
}

/// The words of the peers that are the application's sockets.
fn own_peers(front: &Passing<'_>, group: UpstreamId) -> Vec<Span> {
    let routes = front.app.map_or(&[] as &[_], |app| app.routes.as_slice());
    routes.iter().filter(|r| r.upstream == Some(group)).map(|r| r.peer).collect()
}

fn judge(
    group: &Upstream,
    own: &[Span],
    localhost: &[IpAddr],
    (model, pass): (&Model, &Destination),
    out: &mut Sink,
) {
    let count: usize = group.peers.iter().map(|peer| addresses(peer, localhost)).sum();
    if count < 2 {
        // A peer in an include that was not read would make it two.
        if !group.complete {
            out.skip(&Why::not_read(format!(
                "not all peers of upstream {} are known",
                group.name.value
            )));
        }
        return;
    }
    // Where gunicorn is known, its own peers decide; else all that are asked first.
    let deciding: Vec<&Peer> = group
        .peers
        .iter()
        .filter(|peer| if own.is_empty() { !peer.backup } else { own.contains(&peer.word) })
        .filter(|peer| !peer.down)
        .collect();
    // One peer that is asked again at once is enough.
    let (Some(first), true) = (deciding.first(), deciding.iter().all(|peer| counts(peer))) else {
        return;
    };
    let seconds = deciding.iter().map(|peer| timeout(peer)).min().unwrap_or(10);
    let group_has = format!("upstream {} has {count} peers", group.name.value);
    let message = match seconds {
        0 => format!(
            "up to 1 s of 502 after every restart of gunicorn: {group_has}, and even with \
             fail_timeout=0 nginx skips a peer that failed for the rest of that second"
        ),
        _ => format!(
            "{seconds} s of 502 after every restart of gunicorn: {group_has}, and nginx drops one \
             for {seconds} s after {}",
            failures(first),
        ),
    };
    let finding = out.report(message).at(first.span, settings_in_words(first));
    for other in group.peers.iter().filter(|peer| peer.word != first.word) {
        let what = match (other.backup, other.down) {
            (true, _) => "a backup is a peer too",
            (_, true) => "a server marked down is a peer too",
            _ => "another peer",
        };
        finding.at(other.span, what);
    }
    if group.peers.len() == 1 {
        finding.at(pass.word, "localhost is 127.0.0.1 and ::1: two peers");
    }
    let far = group.peers.iter().any(|peer| !peer.backup && !peer.down && is_far(peer));
    match (far, seconds) {
        (_, 0) => finding.severity(Severity::Info),
        (true, _) | (_, ..SHORT_SECONDS) => finding.severity(Severity::Warning),
        _ => finding,
    };
    finding.help(format!(
        "write max_fails=0 on each server of upstream {}, as in: server ADDRESS max_fails=0;",
        group.name.value
    ));
    let counting = group.peers.iter().filter(|peer| counts(peer));
    let edits: Option<Vec<Edit>> = counting.map(|peer| never_counted(model, peer)).collect();
    let safety = if far { Safety::Unsafe } else { Safety::Safe };
    let title = "set max_fails=0 on each server of the upstream";
    finding.fix_if(safety, title, edits.unwrap_or_default());
}

/// `None` if one of the parameters is there and cannot be read.
fn never_counted(model: &Model, peer: &Peer) -> Option<Edit> {
    let mut trees = model.config.trees.iter();
    let file = &trees.find(|tree| tree.file.id == peer.span.file)?.file;
    let written = |word: &[u8]| memchr::memmem::find(file.slice(peer.span), word).is_some();
    if peer.max_fails.is_none() && written(b"max_fails") {
        return None;
    }
    // A time after which failures are forgotten says nothing where none is counted.
    let stands = match &peer.max_fails {
        Some(fails) => Some(fails.span),
        None => peer.fail_timeout.as_ref().map(|timeout| timeout.span),
    };
    Some(match stands {
        Some(at) => Edit::replace(at, "max_fails=0"),
        None => Edit::append(peer.span, " max_fails=0"),
    })
}

/// `proxy_pass http://localhost:8000` where `/etc/hosts` has two addresses for it.
fn to_localhost(
    model: &Model,
    front: &Passing<'_>,
    pass: &Destination,
    localhost: &[IpAddr],
    out: &mut Sink,
) {
    let target = pass.pass(model).map(|pass| (&pass.target, &pass.word.value));
    let Some((Target::Address { host: Host::Name(name), port, .. }, url)) = target else {
        return;
    };
    if name != "localhost" || localhost.len() < 2 {
        return;
    }
    let address = address_of(front, pass);
    let right = url.replacen("localhost", address, 1);
    let names: Vec<String> = localhost.iter().map(IpAddr::to_string).collect();
    let finding = out
        .report(format!(
            "10 s of 502 after every restart of gunicorn: localhost is {} peers to nginx, which \
             drops each for 10 s after a single failure",
            localhost.len(),
        ))
        .at(pass.word, format!("{} in /etc/hosts", names.join(" and ")));
    finding.help(format!("name one address: proxy_pass {right};"));
    let at = written::nginx::text_in(model, pass.word, "localhost");
    let edit = at.and_then(|at| Edit::word_at(at, address));
    finding.fix_if(Safety::Safe, format!("write {address}:{port} instead of localhost"), edit);
}

/// The one of the two addresses on which gunicorn listens.
fn address_of(front: &Passing<'_>, pass: &Destination) -> &'static str {
    let bounds = front.app.and_then(|app| app.bounds().ok()).map_or(&[] as &[_], Vec::as_slice);
    let mut routes = front.app.iter().flat_map(|app| &app.routes);
    let bound = routes.find(|route| route.peer == pass.word).and_then(|r| bounds.get(r.bound));
    match bound.map(|bound| &bound.endpoint) {
        Some(Endpoint::Tcp { host: TcpHost::Address(IpAddr::V6(_)), .. }) => "[::1]",
        _ => "127.0.0.1",
    }
}

/// How many peers a server is to nginx. Of names other than localhost files do not tell.
fn addresses(peer: &Peer, localhost: &[IpAddr]) -> usize {
    match &peer.address {
        Some(Address::Inet { host: Host::Name(name), .. }) if name == "localhost" => {
            localhost.len().max(1)
        }
        _ => 1,
    }
}

/// Does nginx stop asking this peer after failures?
fn counts(peer: &Peer) -> bool {
    peer.max_fails.as_ref().is_none_or(|fails| fails.value > 0)
}

fn timeout(peer: &Peer) -> u64 {
    peer.fail_timeout.as_ref().map_or(10, |timeout| timeout.value.as_secs())
}

fn failures(peer: &Peer) -> String {
    match peer.max_fails.as_ref().map_or(1, |fails| fails.value) {
        1 => "a single failure".into(),
        many => format!("{many} failures"),
    }
}

fn settings_in_words(peer: &Peer) -> String {
    let fails = peer.max_fails.as_ref().map_or(1, |fails| fails.value);
    let by_default = match (&peer.max_fails, &peer.fail_timeout) {
        (None, None) => " by default",
        _ => "",
    };
    format!("max_fails={fails} fail_timeout={}s{by_default}", timeout(peer))
}

/// Is it on another machine?
fn is_far(peer: &Peer) -> bool {
    match &peer.address {
        Some(Address::Inet { host: Host::Ip(ip), .. }) => !ip.is_loopback(),
        Some(Address::Inet { host: Host::Name(name), .. }) => name != "localhost",
        _ => false,
    }
}
