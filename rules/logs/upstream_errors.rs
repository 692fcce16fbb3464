use std::collections::{BTreeMap, BTreeSet, HashMap};

use memchr::memmem;

use crate::facts::error_log::{Entry, Failure, Upstream};
use crate::facts::{App, Endpoint, Route, TcpHost, Why};
use crate::rule::prelude::Span;
use crate::rule::{EvidenceKind, Safety, Severity, Sink};

crate::rule! {
    /// Visitors got 502 since the last start or reload: nginx could not reach gunicorn, or was cut
    /// off.
    ///
    /// nginx's error log names the cause by its number: 2, the socket does not exist; 13, nginx
    /// cannot connect to it; 111, nothing listens; 11, the listen queue is full; 104 or
    /// "prematurely closed", gunicorn closed the connection before it answered; "no live
    /// upstreams", nginx regards every peer as dead for 10 seconds after a short outage.
    /// "Prematurely closed" while nginx read the answer means that the page was cut off. A reset at
    /// that point does not count: nginx also logs a reset after a complete answer to an upload that
    /// the application did not read.
    ///
    /// The last 256 KiB of the logs that the configuration names are read, and only lines count
    /// that are newer than the unit's last start or reload and name one of the application's
    /// sockets. Visitors' requests are not shown. Only a running systemd knows when the unit
    /// started, so the rule is skipped for a file tree.
    ///
    /// nginx keeps the time zone that it was started in until it is reloaded. Where the host's is another
    /// by now, its times are converted.
    ///
    /// If nginx has several peers (several servers in an `upstream`, or `localhost` with two
    /// addresses) and another one answered, nothing was lost, and this is a warning: every request
    /// that goes to the dead peer first takes a detour, and one more failure is an outage.
    ///
    /// By hand: follow the finding's help for that cause.
    ///
    /// Proved by `nginx-time-zone`: the visitor got 502, and nginx's log gave the time in the zone that the
    /// host no longer has, nine hours before gunicorn was started.
    ///
    /// Proved by `bind-changed`: both reloads returned 0, gunicorn kept its old socket, nginx went
    /// to the new one, and every request got 502.
    ///
    /// Proved by `restart-blackout`: nginx took both peers out and answered 502 for 10 s, though
    /// gunicorn was back after one second.
    ///
    /// Proved by `second-master`: the second master took the requests, and when it stopped it
    /// deleted the socket: every request got 502 while the unit was active.
    ///
    /// Proved by `slow-boot-small-backlog`: at the reload the queue ran full, and nginx answered
    /// 502 (`11: Resource temporarily unavailable`) until the new workers had booted.
    ///
    /// Proved by `socket-directory-mode`: gunicorn served and its socket had mode 0777, yet nginx
    /// logged `13: Permission denied` and every request got 502.
    ///
    /// Proved by `stale-socket-file`: the file existed, nothing listened on it, and every request
    /// got 502 (connection refused).
    ///
    /// Proved by `worker-killed`: the visitor whose request the worker was handling got 502, and
    /// the unit stayed active; where nothing was killed the same request got its answer.
    ///
    /// Proved by `worker-killed-mid-answer`: the visitor got 200 and only a part of the page, and
    /// the unit stayed active; where nothing was killed the page was whole.
    ///
    /// ```text,bad,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:15:00 UTC
    /// StateChangeTimestamp=Tue 2026-04-21 09:15:01 UTC
    /// ```
    /// ```text,bad,file=/var/log/nginx/error.log
    /// 2026/04/21 09:16:02 [error] 7#7: *3 connect() to unix:/run/myapp/gunicorn.sock failed (111: Connection refused) while connecting to upstream, client: 192.0.2.7, server: example.com, request: "GET / HTTP/1.1", upstream: "http://unix:/run/myapp/gunicorn.sock:/", host: "example.com"
    /// ```
    /// ```text,fixed,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// StateChangeTimestamp=Tue 2026-04-21 09:20:01 UTC
    /// ```
    /// ```text,fixed,file=/var/log/nginx/error.log
    /// 2026/04/21 09:16:02 [error] 7#7: *3 connect() to unix:/run/myapp/gunicorn.sock failed (111: Connection refused) while connecting to upstream, client: 192.0.2.7, server: example.com, request: "GET / HTTP/1.1", upstream: "http://unix:/run/myapp/gunicorn.sock:/", host: "example.com"
    /// ```
    /// ```text,good,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:15:00 UTC
    /// ```
    /// ```text,good,file=/var/log/nginx/error.log
    /// 2026/04/21 09:16:02 [error] 7#7: *3 connect() to unix:/run/other.sock failed (2: No such file or directory) while connecting to upstream, client: 192.0.2.7, server: other.example, request: "GET / HTTP/1.1", upstream: "http://unix:/run/other.sock:/", host: "other.example"
    /// 2026/04/21 09:16:03 [error] 7#7: *4 open() "/srv/myapp/current/static/x" failed (2: No such file or directory), client: 192.0.2.7, server: example.com, request: "GET /static/x HTTP/1.1", host: "example.com"
    /// ```
    L804 "upstream-errors" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: CleanLogs, hop: Upstream,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let state = app.state.get()?;
    let log = app.nginx.log.get()?;
    let since = state.settled().ok_or_else(|| Why::not_there("the unit never started"))?;
    app.bounds().get()?;
    let entries = log.after(since, app.clock_ahead());
    let entries: Vec<&Entry> = entries.filter(|e| leads_here(app, &e.upstream)).collect();
    let mut failures: BTreeMap<(bool, Failure, &Upstream), (usize, &str)> = BTreeMap::new();
    let attempts = Attempts::of(app, &entries);
    for entry in &entries {
        let passed_on = attempts.was_passed_on(entry);
        let key = (passed_on, entry.failure, &entry.upstream);
        let seen = failures.entry(key).or_insert((0, ""));
        *seen = (seen.0 + 1, &entry.time);
    }
    if let (true, Some(why)) = (failures.is_empty(), &log.incomplete) {
        return Err(why.clone());
    }
    for ((passed_on, failure, upstream), (count, last)) in failures {
        let peer = match upstream {
            Upstream::Unix(path) => format!("unix:{}", path.display()),
            Upstream::Name(name) => name.clone(),
        };
        let (cause, help) = explain(failure, &peer, app);
        let (requests, has) = match count {
            1 => ("1 request".to_owned(), "has"),
            _ => (format!("{count} requests"), "have"),
        };
        let (severity, happened, help) = match passed_on {
            false => (Severity::Error, format!("{requests} {has} failed"), help),
            true => (
                Severity::Warning,
                format!("nginx had to pass {requests} to another server"),
                format!("remove {peer} from nginx's configuration, or make gunicorn listen there"),
            ),
        };
        out.report(format!("{happened} since {since}: {cause}"))
            .severity(severity)
            .at_some(place(app), "nginx connects here")
            .evidence(
                EvidenceKind::Journal,
                format!("nginx's error log: such lines: {count}, the last at {last}"),
            )
            .subject(format!("{failure:?} {peer}"))
            .help(help)
            .fix(Safety::Manual, "remove the cause");
    }
    Ok(())
}

/// What nginx tried, request by request.
struct Attempts<'e> {
    /// The peers that failed a visitor's connection in a second of the day; was nobody left?
    failed: HashMap<(&'e str, u32), (BTreeSet<&'e Upstream>, bool)>,
    /// How many peers nginx may ask where it asks this one; `None` if that is not known.
    peers: BTreeMap<&'e Upstream, Option<usize>>,
}

impl<'e> Attempts<'e> {
    fn of(app: &App, entries: &[&'e Entry]) -> Self {
        let mut attempts = Self { failed: HashMap::new(), peers: BTreeMap::new() };
        for entry in entries.iter().filter(|entry| !entry.connection.is_empty()) {
            let Some(second) = entry.second() else { continue };
            let at = attempts.failed.entry((&*entry.connection, second)).or_default();
            at.0.insert(&entry.upstream);
            at.1 |= entry.failure == Failure::NoneLeft;
        }
        let upstreams: BTreeSet<&Upstream> = entries.iter().map(|e| &e.upstream).collect();
        // It may say that nginx asks nobody else, or when.
        let told = !upstreams.is_empty()
            && app.nginx.model.ok().is_some_and(|model| {
                let says = |name: &[u8]| memmem::find(name, b"_next_upstream").is_some();
                model.config.named_any(says).next().is_some()
            });
        for upstream in upstreams {
            let count = if told { None } else { peers(app, upstream) };
            attempts.peers.insert(upstream, count);
        }
        attempts
    }

    /// Did another peer answer the request? nginx asks the next one after a failed connection; of
    /// what was sent already only some requests are sent again.
    fn was_passed_on(&self, entry: &Entry) -> bool {
        let (Some(Some(peers)), Some(second)) = (self.peers.get(&entry.upstream), entry.second())
        else {
            return false;
        };
        if matches!(entry.failure, Failure::Reset | Failure::CutOff | Failure::NoneLeft) {
            return false;
        }
        let mut asked: BTreeSet<&Upstream> = BTreeSet::new();
        // One attempt follows the other within a second, or into the next one.
        const DAY: u32 = 24 * 60 * 60;
        for near in [(second + DAY - 1) % DAY, second, (second + 1) % DAY] {
            let Some((failed, none_left)) = self.failed.get(&(&*entry.connection, near)) else {
                continue;
            };
            if *none_left {
                return false;
            }
            asked.extend(failed);
        }
        !asked.is_empty() && asked.len() < *peers
    }
}

/// How many peers nginx may ask where it asks this one, at least, if files tell.
fn peers(app: &App, upstream: &Upstream) -> Option<usize> {
    let asked = endpoint(upstream)?;
    let ways = app.routes.iter().filter(|way| way.endpoint.reaches(&asked) == Some(true));
    let counts: Option<Vec<usize>> = ways.map(|way| peers_of(app, way)).collect();
    counts?.into_iter().min()
}

fn peers_of(app: &App, way: &Route) -> Option<usize> {
    let destination = app.nginx.destinations.get(way.destination)?;
    if destination.open.is_some() {
        return None;
    }
    let mut count = 0;
    for peer in destination.peers.iter().filter(|peer| !peer.down) {
        count += match &peer.endpoint {
            Endpoint::Tcp { host: TcpHost::Localhost, .. } => {
                app.machine.names.ok()?.localhost().len().max(1)
            }
            Endpoint::Tcp { host: TcpHost::Name(_), .. } => return None,
            Endpoint::Tcp { .. } | Endpoint::Unix(_) => 1,
        };
    }
    Some(count)
}

fn place(app: &App) -> Option<Span> {
    app.routes.first().map(|route| route.peer)
}

/// Does the log's peer belong to this application?
fn leads_here(app: &App, upstream: &Upstream) -> bool {
    let Some(endpoint) = endpoint(upstream) else {
        let Upstream::Name(name) = upstream else { return false };
        let model = app.nginx.model.ok();
        let groups = app.routes.iter().filter_map(|route| route.upstream);
        let mut groups = groups.filter_map(|id| model?.upstream(id));
        return groups.any(|group| group.name.value.eq_ignore_ascii_case(name));
    };
    let bounds = app.bounds().ok().into_iter().flatten();
    app.routes.iter().any(|route| route.endpoint.reaches(&endpoint) == Some(true))
        || bounds.into_iter().any(|bound| endpoint.reaches(&bound.endpoint) == Some(true))
}

/// Where a peer is; none of a group. Of TCP the log always has the address that was tried.
fn endpoint(upstream: &Upstream) -> Option<Endpoint> {
    match upstream {
        Upstream::Unix(path) => Some(Endpoint::unix(path)),
        Upstream::Name(name) => {
            let (host, port) = name.rsplit_once(':')?;
            Some(Endpoint::Tcp { host: TcpHost::parse(host), port: port.parse().ok()? })
        }
    }
}

fn explain(failure: Failure, peer: &str, app: &App) -> (String, String) {
    let name = &app.name;
    match failure {
        Failure::NoSocket => (
            format!("{peer} did not exist (2)"),
            format!("systemctl status {name}\ncompare gunicorn's --bind with nginx's proxy_pass"),
        ),
        Failure::PermissionDenied => (
            format!("nginx's user cannot connect to {peer} (13)"),
            format!("namei -l {peer}: nginx's user needs x on each directory, rw on the socket")
                .replace("unix:", ""),
        ),
        Failure::Refused => (
            format!("nothing listened on {peer} (111)"),
            format!("systemctl status {name}\njournalctl -u {name} -n 50"),
        ),
        Failure::QueueFull => (
            format!("the listen queue of {peer} was full (11)"),
            "raise gunicorn's --backlog and net.core.somaxconn, or speed up the boot".into(),
        ),
        Failure::Reset => (
            format!("gunicorn closed the connection on {peer} before it answered"),
            format!(
                "journalctl -u {name}: look for WORKER TIMEOUT, a kill, or a reload that drops \
                 requests"
            ),
        ),
        Failure::CutOff => (
            format!("gunicorn closed the connection on {peer} in the middle of its answer"),
            format!(
                "journalctl -u {name}: look for a kill, WORKER TIMEOUT, or an answer that is \
                     too short"
            ),
        ),
        Failure::Http2 => (
            format!("nginx used HTTP/2 on {peer}, and gunicorn answers in HTTP/1.1"),
            "remove `proxy_http_version 2;`, or write 1.1".into(),
        ),
        Failure::NoneLeft => (
            format!("nginx had marked every server of {peer} as failed (no live upstreams)"),
            "keep one server in the upstream, or set max_fails=0 on each".into(),
        ),
    }
}
