use std::path::PathBuf;

use crate::facts::{App, Origin, Place, State, Why};
use crate::rule::prelude::Span;
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The link to the release leads nowhere: the next restart finds no code, and a reload fails
    /// or ends gunicorn.
    ///
    /// Either the link still names a deleted release, or it was moved before the release existed,
    /// or it is relative and was written for another directory: a relative target starts at the
    /// directory the *link* is in. If `WorkingDirectory=` goes through it, a reload fails with
    /// status 200/CHDIR before the signal is sent, gunicorn keeps running, and the next restart
    /// ends in the same status. If only gunicorn goes through it (`--chdir`), the reload ends the
    /// master.
    ///
    /// Proved by `current-dangling`: the reload failed with status 200/CHDIR, and after the
    /// restart that followed every request got 502.
    ///
    /// By hand: point the link to an existing release, in one step, so that it is never missing:
    ///
    /// ```text
    /// ln -s releases/2026-04-14 /srv/myapp/current.new && mv -T /srv/myapp/current.new /srv/myapp/current
    /// ```
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// WorkingDirectory=/srv/myapp
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_read_timeout 75s;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,bad
    /// /srv/myapp/current -> releases/2026-04-28
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/current -> releases/2026-04-21
    /// ```
    ///
    /// Healthy: an absolute target, and a link that leads through another link.
    ///
    /// ```tree,good
    /// /srv/myapp/current -> /srv/myapp/live
    /// /srv/myapp/live -> releases/2026-04-21
    /// ```
    R701 "current-dangling" {
        severity: Error, impact: Outage, fix: Some(Manual), item: ReleasePath, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

/// A link that leads nowhere, and what goes through it.
struct Dangling {
    link: PathBuf,
    target: PathBuf,
    missing: PathBuf,
    named_at: Vec<Span>,
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let mut found: Vec<Dangling> = Vec::new();
    let working = &app.service.working_directory;
    if let Some(place) = working.get()? {
        add(place, working.origin(), &mut found)?;
    }
    for entry in app.release.search_path.get()? {
        add(&entry.place, entry.origin.as_ref(), &mut found)?;
    }
    for dangling in found {
        report(app, &dangling, out);
    }
    Ok(())
}

fn add(place: &Place, origin: Option<&Origin>, found: &mut Vec<Dangling>) -> Result<(), Why> {
    let State::Missing { at, link: Some(hop) } = place.state.get()? else { return Ok(()) };
    let span = origin.and_then(Origin::span);
    match found.iter_mut().find(|dangling| dangling.link == hop.link) {
        Some(dangling) => {
            dangling.named_at.extend(span.filter(|span| !dangling.named_at.contains(span)));
        }
        None => found.push(Dangling {
            link: hop.link.clone(),
            target: hop.target.clone(),
            missing: at.clone(),
            named_at: span.into_iter().collect(),
        }),
    }
    Ok(())
}

fn report(app: &App, dangling: &Dangling, out: &mut Sink) {
    let (link, target) = (dangling.link.display(), dangling.target.display());
    // systemd runs ExecReload= in the working directory, too: where that is gone the signal is
    // never sent. Any other way through the link is gunicorn's own, and ends it at the reload.
    let working = app.service.working_directory.ok().and_then(Option::as_ref);
    let stops_reload =
        working.is_some_and(|place| place.links.iter().any(|hop| hop.link == dangling.link));
    let harm = if stops_reload {
        "the next restart takes the site down, and a reload fails"
    } else {
        "the next reload or restart takes the site down"
    };
    let draft = out.report(format!("{harm}: {link} points to {target}, which does not exist"));
    let finding = match dangling.named_at.as_slice() {
        [] => draft.at_some(app.gunicorn.started_at(), ""),
        [first, more @ ..] => {
            let named = draft.at(*first, "goes through the link");
            more.iter().fold(named, |finding, span| finding.at(*span, ""))
        }
    };
    let missing = dangling.missing.display();
    finding.evidence(EvidenceKind::File, format!("{link} -> {target}; {missing} does not exist"));
    // The newest of the releases that are there.
    let releases = app.release.previous.ok();
    let newest = releases.and_then(|list| list.iter().max_by_key(|release| &release.path));
    let target = match newest {
        Some(release) => release.path.display().to_string(),
        None => "RELEASE".to_owned(),
    };
    finding
        .help(format!(
            "Point it to an existing release, in one step:\n\
             ln -s {target} {link}.new && mv -T {link}.new {link}"
        ))
        .subject(dangling.link.to_string_lossy())
        .fix(Safety::Manual, format!("point {link} to an existing release"));
}
