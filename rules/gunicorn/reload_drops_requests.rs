use super::super::kept_connections::{Kept, by_default, kept};
use super::super::losses::{self, Kind, Measured};
use crate::facts::gunicorn::{Version, is_gthread, is_sync};
use crate::facts::{App, Endpoint, Known, Origin, TcpHost, Why};
use crate::rule::prelude::Span;
use crate::rule::{EvidenceKind, Severity, Sink};

crate::rule! {
    /// This version of gunicorn loses requests at every reload with this kind of worker.
    ///
    /// Measured: how many of 1,276 POSTs were lost over ten reloads, at 150 requests a second, half
    /// of them POSTs. nginx 1.22.1 keeps connections open where `keepalive` says so; 1.30.6 does so
    /// for every `upstream {}` by default (from 1.29.7 on), unless the upstream has `keepalive 0`.
    ///
    /// | gthread workers | 20.1 | 21.2 | 22.0 | 23.0 | 24.1 | 25.3 | 26.2 | 27.0 |
    /// |---|---|---|---|---|---|---|---|---|
    /// | nginx 1.22.1, kept | 66 | 85 | 53 | 36 | 1 | 1 | 1 to 2 | 0 |
    /// | nginx 1.30.6, kept | 66 | 57 | 47 | 43 | 1 | 0 to 1 | 2 to 4 | 0 |
    /// | nginx 1.22.1, closed | 0 | 13 | 12 | 14 | 0 | 0 | 0 | 0 |
    /// | nginx 1.30.6, closed | 0 | 13 | 11 | 13 | 0 | 0 | 0 | 0 |
    /// | `max_requests`, kept, no reload, of 901 | 46 to 48 | 29 to 39 | 41 to 53 | 35 to 43 | 1 to 2 | 0 to 1 | 2 | 0 |
    /// | `max_requests`, closed, no reload, of 901 | 0 | 4 to 9 | 3 to 7 | 2 to 13 | 0 | 0 | 0 | 0 |
    /// | direct, three reloads, 300 requests/s | 0 | 4 to 6 | 4 to 6 | 4 to 6 | 0 | 0 | 0 | 0 |
    /// | direct, clients that keep connections | 19 | 16 | 16 | 16 | 6 | 6 | 6 | 0 |
    ///
    /// sync workers lost none in any of these, in any version. `reuse_port` loses 1 to 3 in three
    /// reloads of 27.0. When connections are closed, as many GETs are lost as POSTs; when they are
    /// kept, nginx repeats most GETs itself, but must not repeat a POST. `e2e/measure` repeats the
    /// counts; the finding shows those of the exact combination.
    ///
    /// `threads` above 1 turns sync workers into gthread. nginx keeps no connections if
    /// `proxy_pass` names the address or socket itself. Other worker classes were not measured: the
    /// rule is skipped for them.
    ///
    /// By hand: install 27.0 or later and restart once (a reload keeps the master's version), or
    /// use sync workers, but more of them; with 20.1 and from 24.1 on it is enough if nginx closes
    /// its connections. 25.1 to 26.0 leak file descriptors at each reload.
    ///
    /// Proved by `gthread-drops-requests`: POSTs were answered with 502 at every reload;
    /// gunicorn 27.0.1 lost none.
    ///
    /// Proved by `gthread-kept-by-default`: POSTs were answered with 502 at the reloads, though no
    /// line of nginx's configuration asks for keepalive; with `keepalive 0` none was.
    ///
    /// Proved by `gthread-max-requests`: requests were answered with 502 again and again, though
    /// nobody reloaded anything; gunicorn 27.0.1 lost none.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --threads 4 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 12 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// The same workers in a version that loses none:
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --threads 4 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```tree,good
    /// - /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-27.0.1.dist-info/
    /// ```
    /// ```text,good,file=/srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-27.0.1.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: gunicorn
    /// Version: 27.0.1
    /// ```
    /// ```text,good,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask==3.0.3
    /// ```
    ///
    /// One thread is not a gthread worker:
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --threads 1 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    G207 "reload-drops-requests" {
        severity: Error, impact: DroppedRequests, fix: Some(Manual), item: WorkersReplaced,
        hop: Workers, since: "0.1.0", check: App(check)
    }
}

/// What loses requests, and how many were lost where that was measured.
struct Loss {
    /// At what, as the message begins.
    when: &'static str,
    /// What gunicorn runs with.
    with: String,
    /// What was measured, in words.
    measured: String,
    severity: Severity,
    at: Option<Span>,
    /// Where nginx's connections stay open.
    kept: Kept,
    help: String,
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let version = app.gunicorn.version.get()?;
    if !from(version, "20.0") {
        return Err(Why::not_understood(format!(
            "reloads of gunicorn {version} were not measured"
        )));
    }
    match shared_port(app, version) {
        Ok(Some(loss)) => report(app, version, &loss, out),
        Ok(None) => {}
        Err(why) => out.skip(&why),
    }
    let class = app.gunicorn.settings.worker_class();
    let name = class.get()?;
    let measured = if is_sync(name) {
        "sync"
    } else if is_gthread(name) {
        "gthread"
    } else {
        return Err(Why::not_understood(format!("reloads of {name} workers were not measured")));
    };
    if let Some(loss) = replaced(app, version, measured, class.span())? {
        report(app, version, &loss, out);
    }
    Ok(())
}

fn from(version: &Version, first: &str) -> bool {
    version.at_least(first) == Some(true)
}

/// `reuse_port`, which acts on TCP sockets that gunicorn opens itself.
fn shared_port(app: &App, version: &Version) -> Result<Option<Loss>, Why> {
    let reuse = app.gunicorn.settings.reuse_port();
    if !from(version, "27.0") || !*reuse.get()? {
        return Ok(None);
    }
    let opens_tcp = |bound: &crate::facts::Bound| {
        matches!(bound.endpoint, Endpoint::Tcp { .. }) && !bound.activated
    };
    if !app.bounds().get()?.iter().any(opens_tcp) {
        return Ok(None);
    }
    Ok(Some(Loss {
        when: "each reload",
        with: "reuse_port".into(),
        measured: "lost 1 to 3 requests in 3 reloads at 300 requests/s".into(),
        severity: Severity::Error,
        at: reuse.span(),
        kept: Kept::No,
        help: "Remove reuse_port: without it gunicorn's workers share one socket and lose none."
            .into(),
    }))
}

/// What the replacement of workers loses, at a reload or by `max_requests`.
fn replaced(
    app: &App,
    version: &Version,
    class: &'static str,
    at: Option<Span>,
) -> Result<Option<Loss>, Why> {
    if direct(app)? {
        return Ok(
            losses::direct(version, class).map(|seen| directly(app, version, class, seen, at))
        );
    }
    let kept = kept(app);
    let newer_nginx = by_default(&app.nginx.version) == Ok(true);
    let requests = app.gunicorn.settings.max_requests();
    let seen = |kept, max_requests, reloads| {
        let kind = Kind { class, kept, newer_nginx, max_requests, reloads };
        losses::lost(version, kind)
    };
    let seen_by = |kept: bool| {
        let limited = requests.ok().is_some_and(|requests| *requests > 0);
        (seen(kept, limited, true), if limited { seen(kept, true, false) } else { None })
    };
    // Where it depends on something unknown, what is lost in any case is reported.
    let found = seen_by(matches!(kept, Ok(Kept::Here(_) | Kept::ByDefault(_))));
    if found == (None, None) {
        let could = [(true, false, true), (true, true, true), (true, true, false)];
        let limits = [(false, true, true), (false, true, false)];
        if could.iter().any(|(kept, max, reloads)| seen(*kept, *max, *reloads).is_some()) {
            kept.as_ref().map_err(Clone::clone)?;
        }
        let kept = !matches!(kept, Ok(Kept::No));
        if limits.iter().any(|(_, max, reloads)| seen(kept, *max, *reloads).is_some()) {
            requests.get()?;
        }
        return Ok(None);
    }
    let kept = kept.unwrap_or(Kept::No);
    let closing_helps = kept != Kept::No && seen_by(false) == (None, None);
    let (when, measured) = in_words(found, kept);
    let limited = found.1.is_some();
    Ok(Some(Loss {
        when,
        with: if limited { format!("{class} and max_requests") } else { class.into() },
        measured,
        severity: Severity::Error,
        at: if found.0.is_none() { requests.span().or(at) } else { at },
        kept,
        help: help(app, closing_helps.then_some(kept)),
    }))
}

/// What runs came to: with reloads, and without any.
fn in_words(
    (reloads, limit): (Option<Measured>, Option<Measured>),
    kept: Kept,
) -> (&'static str, String) {
    let lost = |seen: &Measured| match (seen.posts, seen.gets) {
        (posts, 0) => format!("{posts} of {} POSTs", seen.sent),
        (posts, gets) => {
            format!("{posts} of {} POSTs and {gets} of an equal number of GETs", seen.sent)
        }
    };
    let how = if kept == Kept::No { "" } else { ", which kept its connections," };
    let behind = |seen: &Measured| {
        format!("gunicorn {} behind nginx {}{how} lost {}", seen.gunicorn, seen.nginx, lost(seen))
    };
    let alone =
        |seen: &Measured| format!("in {} s without a reload (max_requests = 100)", seen.seconds);
    let rate = "150 requests/s";
    match (&reloads, &limit) {
        (Some(seen), None) => {
            ("each reload", format!("{} in {} reloads at {rate}", behind(seen), seen.reloads))
        }
        (Some(seen), Some(limit)) => (
            "each reload and each worker that max_requests ends",
            format!(
                "{} in {} reloads at {rate}, {} {}",
                behind(seen),
                seen.reloads,
                lost(limit),
                alone(limit)
            ),
        ),
        (None, Some(limit)) => (
            "each worker that max_requests ends",
            format!("{} {} at {rate}", behind(limit), alone(limit)),
        ),
        (None, None) => ("each reload", String::new()),
    }
}

fn directly(
    app: &App,
    version: &Version,
    class: &'static str,
    lost: &'static str,
    at: Option<Span>,
) -> Loss {
    let always = from(version, "21.0") && !from(version, "24.0");
    Loss {
        when: "each reload",
        with: if always {
            class.into()
        } else {
            format!("{class} and clients that keep their connections")
        },
        measured: format!("lost {lost} requests in 3 reloads at 300 requests/s"),
        severity: if always { Severity::Error } else { Severity::Warning },
        at,
        kept: Kept::No,
        help: help(app, None),
    }
}

/// Do clients connect to gunicorn itself, with no nginx of this host between?
fn direct(app: &App) -> Result<bool, Why> {
    if !app.routes.is_empty() {
        return Ok(false);
    }
    let exposed = app.bounds().get()?.iter().any(|bound| {
        matches!(&bound.endpoint, Endpoint::Tcp { host: TcpHost::AnyV4 | TcpHost::AnyV6 { .. }, .. })
            || matches!(&bound.endpoint, Endpoint::Tcp { host: TcpHost::Address(ip), .. } if !ip.is_loopback())
    });
    if !exposed {
        return Ok(false);
    }
    // A host without nginx is one, too, but files that were not given are not.
    match app.nginx.model.ok() {
        Some(_) => app.nginx.all_passes().map(|_| true),
        None if app.machine.whole => Ok(true),
        None => Err(Why::not_read("nginx's configuration was not read")),
    }
}

/// What to do about it; `closing` where it is enough that nginx closes its connections.
fn help(app: &App, closing: Option<Kept>) -> String {
    let pip = match app.gunicorn.venv.ok() {
        Some(venv) => format!("{}/bin/pip", venv.path.display()),
        None => "pip".to_owned(),
    };
    let name = &app.name;
    let mut help = format!(
        "27.0 is the first version that loses none: {pip} install 'gunicorn>=27.0'\n\
         Raise the version in the requirements too; then: systemctl restart {name}\n\
         Or use sync workers (no threads), but more of them: they lose none in any version."
    );
    let close = match closing {
        Some(Kept::ByDefault(_)) => "write `keepalive 0;` in the upstream block",
        Some(Kept::Here(_)) if by_default(&app.nginx.version) == Ok(true) => {
            "write `keepalive 0;` instead of it in the upstream block"
        }
        Some(Kept::Here(_)) => "remove `keepalive` from the upstream block",
        Some(Kept::No) | None => return help,
    };
    help.push_str(&format!(
        "\nOr let nginx close its connections, which costs nothing on a socket of this host: {close}, then: \
         nginx -t && systemctl reload nginx"
    ));
    help
}

fn report(app: &App, version: &Version, loss: &Loss, out: &mut Sink) {
    let Loss { when, with, measured, .. } = loss;
    let finding = out
        .report(format!("{when} drops requests under gunicorn {version} with {with}: {measured}"))
        .severity(loss.severity)
        .at_some(loss.at.or_else(|| app.gunicorn.started_at()), with.clone());
    match loss.kept {
        Kept::No => {}
        Kept::Here(at) => {
            finding.at_some(
                Some(at),
                "nginx still uses these connections when a stopping worker \
                                       closes them",
            );
        }
        Kept::ByDefault(at) => {
            finding.at_some(Some(at), "from 1.29.7 on nginx keeps connections by default");
        }
    }
    if let Some(Origin::Path(path)) = app.gunicorn.version.origin() {
        finding.evidence(EvidenceKind::File, format!("gunicorn {version}: {}", path.display()));
    }
    if let (Known::Value(nginx, Origin::Path(path)), false) =
        (&app.nginx.version, loss.kept == Kept::No)
    {
        finding.evidence(EvidenceKind::File, format!("nginx {nginx}: {}", path.display()));
    }
    finding.help(loss.help.clone());
    if with == "reuse_port" {
        finding.by_hand(loss.at);
    } else {
        finding.fix(crate::rule::Safety::Manual, "install gunicorn 27.0 or later".to_owned());
    }
}
