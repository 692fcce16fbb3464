use crate::facts::{App, Endpoint, Known, TcpHost, Why};
use crate::rule::{EvidenceKind, Severity, Sink};
use crate::source::Span;
use crate::source::gunicorn::Version;
use crate::source::nginx::{Model, Place};

crate::rule! {
    /// This version of gunicorn loses requests at every reload with this kind of worker.
    ///
    /// Measured: requests lost in three reloads under 300 requests a second.
    ///
    /// | workers | 20.1 | 21.2 to 23.0 | 24.1 to 26.2 | 27.0 |
    /// |---|---|---|---|---|
    /// | sync, however it is reached | 0 | 0 | 0 | 0 |
    /// | gthread, through nginx | 0 | 5 to 6 × 502 | 0 | 0 |
    /// | gthread, nginx with `keepalive` to it, POST | 14 to 27 × 502 | 18 to 19 × 502 | 0 | 0 |
    /// | gthread, direct | 0 | 4 to 6 | 0 | 0 |
    /// | gthread, direct, clients with keep-alive | 19 | 16 | 6 | 0 |
    /// | gthread, `max_requests`, nginx with `keepalive`, POST | | | 3 to 5 × 502 | 0 |
    /// | `reuse_port` | 0 | | | 1 to 3 |
    ///
    /// `threads` above 1 turns sync workers into gthread. nginx repeats a lost GET by itself; a
    /// POST it does not. Other worker classes were not measured: the rule is skipped for them.
    ///
    /// By hand: install a version that loses none and restart once (the master keeps the version
    /// that it was started with over a reload), or use sync workers, more of them. 25.1 to 26.0
    /// lose nothing either, but leak file descriptors at each reload.
    ///
    /// Proved by `gthread-drops-requests`: POSTs were answered with 502 at every reload;
    /// gunicorn 27.0.1 lost none.
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
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-26.2.0.dist-info/
    /// ```
    /// ```text,good,file=/srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-26.2.0.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: gunicorn
    /// Version: 26.2.0
    /// ```
    /// ```text,good,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask==3.0.3
    /// ```
    ///
    /// One thread is no gthread worker:
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

/// What was measured for a version and a way of running it.
struct Loss {
    /// What loses requests, in words.
    with: String,
    /// How many.
    lost: &'static str,
    severity: Severity,
    at: Option<Span>,
    /// Where nginx keeps its connections, where that matters.
    keepalive: Option<Span>,
    /// At what: a reload, or the replacement of a worker.
    when: &'static str,
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let version = app.gunicorn.version.get()?;
    if !from(version, "20.0") {
        return Err(Why::new(format!("reloads of gunicorn {version} were not measured")));
    }
    match shared_port(app, version) {
        Ok(Some(loss)) => report(app, version, &loss, out),
        Ok(None) => {}
        Err(why) => out.skip(&why),
    }
    let class = app.gunicorn.settings.worker_class();
    let name = class.get()?;
    if name == "sync" || name.ends_with("SyncWorker") {
        return Ok(());
    }
    if name != "gthread" && !name.ends_with("ThreadWorker") {
        return Err(Why::new(format!("reloads of {name} workers were not measured")));
    }
    if let Some(loss) = threads(app, version, &class)? {
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
        with: "reuse_port".into(),
        lost: "1 to 3",
        severity: Severity::Error,
        at: reuse.span(),
        keepalive: None,
        when: "each reload",
    }))
}

fn threads(app: &App, version: &Version, class: &Known<String>) -> Result<Option<Loss>, Why> {
    let loss = |with: &str, lost, severity, keepalive| {
        let (with, at, when) = (with.to_owned(), class.span(), "each reload");
        Some(Loss { with, lost, severity, at, keepalive, when })
    };
    if from(version, "27.0") {
        return Ok(None);
    }
    let keepalive = kept_alive(app);
    let kept = keepalive.as_ref().ok().copied().flatten();
    if from(version, "21.0") && !from(version, "24.0") {
        let lost = if kept.is_some() { "18 to 19" } else { "4 to 6" };
        let with = if kept.is_some() { "gthread and nginx's keepalive" } else { "gthread" };
        return Ok(loss(with, lost, Severity::Error, kept));
    }
    if direct(app)? {
        let lost = if from(version, "24.0") { "up to 6" } else { "up to 19" };
        let with = "gthread and clients that keep their connections";
        return Ok(loss(with, lost, Severity::Warning, None));
    }
    if !from(version, "21.0") {
        let Some(kept) = keepalive? else { return Ok(None) };
        return Ok(loss("gthread and nginx's keepalive", "14 to 27", Severity::Error, Some(kept)));
    }
    let requests = app.gunicorn.settings.max_requests();
    if !from(version, "24.1") || *requests.get()? == 0 {
        return Ok(None);
    }
    let Some(kept) = keepalive? else { return Ok(None) };
    let with = "gthread, max_requests and nginx's keepalive";
    let found = loss(with, "3 to 5", Severity::Error, Some(kept));
    Ok(found.map(|loss| Loss {
        at: requests.span().or(loss.at),
        when: "each replacement by max_requests",
        ..loss
    }))
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
        None => Err(Why::new("nginx's configuration was not read")),
    }
}

/// Where nginx keeps connections to the application open, if it does: `keepalive` in the group,
/// HTTP/1.1, and a `Connection` header other than nginx's own `close`.
fn kept_alive(app: &App) -> Result<Option<Span>, Why> {
    if app.routes.is_empty() {
        return app.nginx.all_passes().map(|_| None);
    }
    let model = app.nginx.model.get()?;
    for route in &app.routes {
        let group = route.upstream.and_then(|id| model.upstream(id));
        let Some(keepalive) = group.and_then(|group| group.keepalive.as_ref()) else { continue };
        let place = route.location.map_or(Place::Server(route.server), Place::Location);
        if keepalive.value != Some(0) && speaks_keepalive(model, place)? {
            return Ok(Some(keepalive.span));
        }
    }
    // Another way to it, or what stands in the group, may not have been read.
    app.nginx.all_passes().and_then(|_| app.nginx.all_upstreams()).map(|_| None)
}

fn speaks_keepalive(model: &Model, place: Place) -> Result<bool, Why> {
    let unread = || Why::new("not all of nginx's configuration was read");
    let version = model.effective(place, "proxy_http_version");
    let headers = model.effective(place, "proxy_set_header");
    if version.incomplete || headers.incomplete {
        return Err(unread());
    }
    let word = |id, at| {
        let directive = model.config.get(id)?;
        directive.argument(at).map(|word| word.text().into_owned())
    };
    let newer = version.last().and_then(|id| word(id, 0)).is_some_and(|text| text != "1.0");
    let connection = headers
        .directives
        .iter()
        .rev()
        .find(|id| word(**id, 0).is_some_and(|name| name.eq_ignore_ascii_case("connection")));
    let kept = connection.and_then(|id| word(*id, 1));
    Ok(newer && kept.is_some_and(|value| !value.eq_ignore_ascii_case("close")))
}

fn report(app: &App, version: &Version, loss: &Loss, out: &mut Sink) {
    let Loss { with, lost, when, .. } = loss;
    let finding = out.report(format!(
        "{when} drops requests: gunicorn {version} with {with} lost {lost} requests in 3 reloads at 300 requests/s"
    )).severity(loss.severity).at_some(loss.at.or_else(|| app.gunicorn.started_at()), with.clone());
    finding.at_some(loss.keepalive, "connections that a stopping worker closes under nginx");
    if let Some(crate::facts::Origin::Path(path)) = app.gunicorn.version.origin() {
        finding.evidence(EvidenceKind::File, format!("gunicorn {version}: {}", path.display()));
    }
    if with == "reuse_port" {
        finding
            .help("Take reuse_port away: gunicorn's workers share one socket without it, and lose none.")
            .by_hand(loss.at);
        return;
    }
    let wanted = if with.contains("max_requests") || loss.severity == Severity::Warning {
        "27.0"
    } else {
        "26.2"
    };
    let pip = match app.gunicorn.venv.ok() {
        Some(venv) => format!("{}/bin/pip", venv.path.display()),
        None => "pip".to_owned(),
    };
    let first = if wanted == "26.2" { "24.1 is the first version that loses none; " } else { "" };
    finding.help(format!(
        "{first}install {wanted} or later: {pip} install 'gunicorn>={wanted}'\n\
         Raise it in the requirements, too; then: systemctl restart {}\n\
         Or use sync workers (no threads), more of them: they lose none in any version.",
        app.name
    ));
    finding.fix(crate::rule::Safety::Manual, format!("gunicorn {wanted} or later"));
}
