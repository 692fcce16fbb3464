//! nginx connects to one socket, and gunicorn listens on another.

use std::path::Path;

use super::super::expected_upstream;
use crate::facts::nginx::{Destination, Model, PeerEndpoint, Protocol, Target};
use crate::facts::{App, Bound, Deployment, Endpoint, TcpHost, Why, written};
use crate::rule::prelude::{apart, nearest};
use crate::rule::{Edit, Safety, Sink};

crate::rule! {
    /// Every request gets 502: nginx connects to the wrong socket, not to gunicorn's.
    ///
    /// None of the addresses that nginx passes requests to is one that gunicorn binds (or its
    /// `.socket` unit listens on). The finding names the most similar peer: one with the same
    /// directory or file name, the same port on another address, an upstream with the application's
    /// name, a port that differs by a digit, or a port that the application's own site leads to and
    /// on which nothing is known to listen. Paths are compared as the kernel sees them: `/var/run`
    /// is `/run`, doubled slashes count once, `127.0.0.1:8000` reaches `0.0.0.0:8000`. The right
    /// port over the wrong protocol, IPv4 or IPv6, is S604.
    ///
    /// If `expected-upstream` in deploy-doctor.toml names the socket, both sides are compared with
    /// that.
    ///
    /// Proved by `upstream-mismatch`: gunicorn was up, and every request got 502.
    ///
    /// The configuration is the one that nginx reads: where it is started with `-c`, that file, and not
    /// /etc/nginx/nginx.conf.
    ///
    /// Proved by `nginx-other-configuration`: nothing in /etc/nginx was wrong, and every request got
    /// 502: nginx ran with `-c /srv/nginx/nginx.conf`.
    ///
    /// ```nginx,bad
    /// upstream myapp { server unix:/run/myapp.sock fail_timeout=0; }
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
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
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
    /// The fix keeps a URI part, after the colon that a socket needs before it:
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location /app/ {
    ///         proxy_pass http://127.0.0.1:8000/;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location /app/ {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock:/;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// upstream myapp { server unix:/var/run/myapp//gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    ///     location /grafana/ { proxy_pass http://127.0.0.1:3000; }
    /// }
    /// ```
    N301 "upstream-mismatch" {
        severity: Error, impact: BadGateway, fix: Some(Safe), item: No502, hop: Upstream,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    for app in &deployment.apps {
        out.about(Some(app));
        let before = out.found();
        // Where gunicorn is not where it is expected, nginx is not to follow it there.
        if !expected_upstream::is_elsewhere(app)
            && let Err(why) = judge(deployment, app, out)
        {
            out.skip(&why);
        }
        if out.found() == before
            && let Err(why) = expected_upstream::check(deployment, app, out)
        {
            out.skip(&why);
        }
    }
    Ok(())
}

/// The rank of a port that only looks like the application's.
const SLIPPED: u8 = 6;

/// A peer that may have been meant, the likeliest first.
struct Candidate<'d> {
    rank: u8,
    pass: &'d Destination,
    peer: &'d PeerEndpoint,
    bound: &'d Bound,
}

/// Does nginx lead to a socket that looks like the application's, and to none of its own?
pub(super) fn is_mismatched(deployment: &Deployment, app: &App) -> Result<bool, Why> {
    Ok(!candidates(deployment, app)?.is_empty())
}

fn judge(deployment: &Deployment, app: &App, out: &mut Sink) -> Result<(), Why> {
    let candidates = candidates(deployment, app)?;
    let Some(best) = candidates.iter().min_by_key(|candidate| candidate.rank) else {
        return Ok(());
    };
    // Another application whose sockets are not known may be the one that is meant.
    if let Some(why) = deployment.apps.iter().find_map(|other| other.bounds().get().err()) {
        return Err(why);
    }
    report(app, deployment.nginx.model.get()?, best, &candidates, out);
    Ok(())
}

fn candidates<'d>(deployment: &'d Deployment, app: &'d App) -> Result<Vec<Candidate<'d>>, Why> {
    let bounds = app.bounds().get()?;
    if bounds.is_empty() || !app.routes.is_empty() {
        return Ok(Vec::new());
    }
    app.service.lines_kept()?;
    // What gunicorn refuses says nothing of where it would listen.
    if let Some(refused) = app.gunicorn.settings.refused() {
        return Err(Why::depends(format!("gunicorn does not start with its settings: {refused}")));
    }
    let nginx = &deployment.nginx;
    let model = nginx.all_passes()?;
    let free: Vec<&Destination> = nginx
        .destinations
        .iter()
        .filter(|pass| !pass.claimed && is_http(pass) && is_sound(model, pass))
        .collect();
    if let Some(why) = free.iter().find_map(|pass| pass.open.as_ref()) {
        return Err(why.clone());
    }
    let peers: Vec<(&Destination, &PeerEndpoint)> =
        free.iter().flat_map(|pass| pass.peers.iter().map(|peer| (*pass, peer))).collect();
    for (_, peer) in &peers {
        if bounds.iter().any(|bound| may_be_here(&peer.endpoint, &bound.endpoint)) {
            let why = format!("only a resolver can tell whether {} is this machine", peer.endpoint);
            return Err(Why::depends(why));
        }
    }
    let by_family = |peer: &PeerEndpoint| {
        bounds.iter().any(|bound| peer.endpoint.misses_family(&bound.endpoint))
    };
    if peers.iter().any(|(_, peer)| by_family(peer)) {
        // The right port over the wrong protocol: S604 says it.
        return Ok(Vec::new());
    }
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    let alone = are_alone(deployment, &peers);
    for (pass, peer) in peers {
        for bound in bounds {
            let slip = || slipped(model, app, pass, peer, bound, alone).then_some(SLIPPED);
            if let Some(rank) = rank(model, app, pass, peer, bound).or_else(slip) {
                candidates.push(Candidate { rank, pass, peer, bound });
            }
        }
    }
    Ok(candidates)
}

fn report(app: &App, model: &Model, best: &Candidate<'_>, all: &[Candidate<'_>], out: &mut Sink) {
    let (to, on) = (&best.peer.endpoint, &best.bound.endpoint);
    let finding = out
        .report(format!(
            "every request gets 502: nginx connects to {to}, but gunicorn of {} listens on {on}",
            app.name
        ))
        .at(best.peer.span, "nginx connects here");
    if best.pass.word != best.peer.span {
        finding.at(best.pass.word, "passed on here");
    }
    let listens =
        if best.bound.activated { "systemd listens here" } else { "gunicorn listens here" };
    finding.at_some(best.bound.origin.span(), listens);
    let mut same: Vec<_> = all
        .iter()
        .filter(|other| other.peer.endpoint == *to && other.peer.span != best.peer.span)
        .map(|other| other.peer.span)
        .collect();
    same.sort_unstable();
    same.dedup();
    for span in same {
        finding.at(span, "and here");
    }
    let scheme = if best.peer.span == best.pass.word { "proxy_pass http://" } else { "server " };
    let right = as_peer(on);
    finding.help(format!(
        "in nginx: {scheme}{right};\nor make gunicorn listen where nginx connects: --bind {to}"
    ));
    let wrong = all.iter().filter(|other| other.peer.endpoint == *to);
    let edits: Option<Vec<Edit>> =
        wrong.map(|other| rewrite(model, other.pass, other.peer, &right)).collect();
    // Of two ports that only look alike, either may be the wrong one.
    let safety = if best.rank == SLIPPED { Safety::Unsafe } else { Safety::Safe };
    // As long as nothing led to the application, how it is led there was not judged.
    finding
        .fix_if(safety, format!("make nginx connect to {right}"), edits.unwrap_or_default())
        .uncovers_rules(&super::ON_THE_WAY);
}

/// A socket as nginx is told to connect to it: gunicorn's `0.0.0.0` is not an address to connect
/// to, and `localhost` is two.
pub(in crate::rules) fn as_peer(on: &Endpoint) -> String {
    match on {
        Endpoint::Tcp {
            host: TcpHost::AnyV4 | TcpHost::AnyV6 { only: false } | TcpHost::Localhost,
            port,
        } => format!("127.0.0.1:{port}"),
        Endpoint::Tcp { host: TcpHost::AnyV6 { only: true }, port } => format!("[::1]:{port}"),
        other => other.to_string(),
    }
}

/// Another address in place of a peer's, the URI part behind it kept.
pub(in crate::rules) fn rewrite(
    model: &Model,
    pass: &Destination,
    peer: &PeerEndpoint,
    right: &str,
) -> Option<Edit> {
    if peer.span != pass.word {
        return Edit::word(model, peer.span, right);
    }
    let pass = pass.pass(model)?;
    // What a variable holds is elsewhere, and who speaks TLS is another kind of server.
    let plain = matches!(pass.target, Target::Unix { .. } | Target::Address { .. });
    if !plain || pass.protocol != Protocol::Http {
        return None;
    }
    let to = match (&pass.uri, right.strip_prefix("unix:")) {
        (Some(_), Some(path)) if path.contains(':') => return None,
        (Some(_), Some(_)) => format!("http://{right}:"),
        _ => format!("http://{right}"),
    };
    let uri = pass.uri.as_deref().unwrap_or_default();
    Edit::word_at(written::nginx::before_end(model, peer.span, uri)?, to)
}

/// Only a look at the machine's addresses tells whether the peer is this machine at all.
fn may_be_here(peer: &Endpoint, bound: &Endpoint) -> bool {
    use TcpHost::{Address, AnyV4, AnyV6};
    let foreign = match (peer, bound) {
        (Endpoint::Tcp { host: Address(ip), port }, Endpoint::Tcp { host, port: own }) => {
            port == own && !ip.is_loopback() && matches!(host, AnyV4 | AnyV6 { .. })
        }
        _ => false,
    };
    foreign || peer.reaches(bound).is_none()
}

fn is_http(pass: &Destination) -> bool {
    matches!(pass.protocol, Protocol::Http | Protocol::Https)
}

/// What nginx takes in another way than it was meant is N305's.
fn is_sound(model: &Model, pass: &Destination) -> bool {
    pass.pass(model).is_some_and(|pass| pass.malformed.is_none())
}

/// How like the application's socket a peer is; `None` if it is likely somebody else's.
fn rank(
    model: &Model,
    app: &App,
    pass: &Destination,
    peer: &PeerEndpoint,
    bound: &Bound,
) -> Option<u8> {
    let stem = stem(&app.name);
    let group = pass.upstream.and_then(|id| model.upstream(id));
    let named = group.is_some_and(|group| is_named(&group.name.value, &stem));
    let like = match (&peer.endpoint, &bound.endpoint) {
        (Endpoint::Unix(to), Endpoint::Unix(on)) => rank_paths(to, on, &stem),
        (Endpoint::Tcp { host, port: to }, Endpoint::Tcp { port: on, .. }) => {
            if to == on {
                Some(1)
            } else {
                (host.is_here() && is_usual(*to)).then_some(4)
            }
        }
        (Endpoint::Tcp { host, port }, Endpoint::Unix(_)) => {
            (host.is_here() && is_usual(*port)).then_some(5)
        }
        (Endpoint::Unix(to), Endpoint::Tcp { .. }) => to
            .components()
            .any(|part| is_named(&part.as_os_str().to_string_lossy(), &stem))
            .then_some(5),
    };
    like.or(named.then_some(3))
}

/// A port that is nobody's and was probably meant to be the application's: a digit away from it,
/// where a site of its name leads, or where all that a repository's sites lead to. Who else may
/// listen there a live host shows; of a tree both have to speak for it.
fn slipped(
    model: &Model,
    app: &App,
    pass: &Destination,
    peer: &PeerEndpoint,
    bound: &Bound,
    alone: bool,
) -> bool {
    let (Endpoint::Tcp { host, port: to }, Endpoint::Tcp { port: on, .. }) =
        (&peer.endpoint, &bound.endpoint)
    else {
        return false;
    };
    if !host.is_here() || is_of_another_kind(*to) {
        return false;
    }
    let stem = stem(&app.name);
    let server = model.server(pass.server);
    let is_its_site = server.is_some_and(|server| {
        let labels = server.names.iter().flat_map(|name| name.text.split('.'));
        labels.into_iter().any(|label| is_named(label, &stem))
    });
    let near = apart(&to.to_string(), &on.to_string()) == Some(1);
    match app.sockets.ok().map(|sockets| sockets.reached(&peer.endpoint)) {
        Some(listening) => (near || is_its_site) && listening.is_ok_and(|all| all.is_empty()),
        None if app.machine.whole => near && is_its_site,
        None => near || is_its_site || alone,
    }
}

/// Does a repository have one application that nobody leads to, and do its sites lead to one socket
/// that nobody has?
fn are_alone(deployment: &Deployment, peers: &[(&Destination, &PeerEndpoint)]) -> bool {
    let unreached = deployment.apps.iter().filter(|app| app.routes.is_empty()).count();
    let mut endpoints = peers.iter().map(|(_, peer)| &peer.endpoint);
    let first = endpoints.next();
    !deployment.machine.whole && unreached == 1 && endpoints.all(|other| Some(other) == first)
}

/// Ports on which other programs than gunicorn are at home: a JavaScript server that draws the pages,
/// a dashboard.
fn is_of_another_kind(port: u16) -> bool {
    matches!(port, 3000..=3999 | 4200 | 5173 | 5601 | 9090..=9093 | 15672)
}

fn rank_paths(to: &Path, on: &Path, stem: &str) -> Option<u8> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (to_name, on_name) = (name(to), name(on));
    let same_directory = to.parent() == on.parent();
    let of_app = |path: &Path| {
        path.components().any(|part| is_named(&part.as_os_str().to_string_lossy(), stem))
    };
    // One path that is a typo of the other, wherever it is.
    let slip =
        nearest(&to.to_string_lossy(), [on.to_string_lossy().as_ref()].into_iter()).is_some();
    if slip
        || (same_directory && (of_app(to) || to.parent().is_some_and(|p| is_named(&name(p), stem))))
    {
        return Some(0);
    }
    // `gunicorn.sock` in the directory of another application is that application's.
    if to_name == on_name {
        let own_directory = to.parent().is_some_and(|directory| {
            is_shared(directory) || of_app(directory) || on.starts_with(directory)
        });
        return own_directory.then_some(1);
    }
    of_app(to).then_some(2)
}

/// Directories that belong to nobody.
fn is_shared(directory: &Path) -> bool {
    ["/run", "/tmp", "/var/tmp", "/run/gunicorn"]
        .iter()
        .any(|shared| directory == Path::new(shared))
}

/// `myapp.service` and `myapp@1.service` are of `myapp`.
fn stem(unit: &str) -> String {
    let name = unit.strip_suffix(".service").unwrap_or(unit);
    let name = name.split('@').next().unwrap_or(name);
    let name = name.trim_start_matches("gunicorn-").trim_end_matches("-gunicorn");
    name.to_ascii_lowercase()
}

/// Is a name the application's, but for an ending: `myapp.sock`, `myapp_server`?
fn is_named(name: &str, stem: &str) -> bool {
    if stem.len() < 3 || stem == "gunicorn" {
        return false;
    }
    let flat = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
    let (name, stem) = (flat(name), flat(stem));
    name.strip_prefix(stem.as_str()).is_some_and(|rest| {
        rest.is_empty()
            || rest.starts_with('.')
            || ["server", "app", "upstream", "backend", "gunicorn", "socket", "sock", "web"]
                .iter()
                .any(|ending| rest.starts_with(ending))
    })
}

/// gunicorn's own default, and Flask's.
fn is_usual(port: u16) -> bool {
    matches!(port, 8000 | 5000)
}
