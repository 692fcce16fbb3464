use std::path::Path;

use crate::facts::release::Pinned;
use crate::rule::prelude::*;

crate::rule! {
    /// A deployment moves the link, but gunicorn keeps using the release that the unit names.
    ///
    /// If releases are side by side and a link (`current`) leads to the one to serve, a deployment
    /// consists of moving the link and reloading. A unit that names one of the releases does not
    /// follow the link: a reload returns 0 and serves the code, the packages or the variables of
    /// the old one. When that release is pruned the next start fails: 200/CHDIR, 203/EXEC, or
    /// `Failed to load environment files`.
    ///
    /// By hand: name the link, `WorkingDirectory=/srv/myapp/current`, and `--chdir
    /// /srv/myapp/current` in `ExecStart=` (U113 says why both); then `systemctl daemon-reload` and
    /// `systemctl restart`.
    ///
    /// Proved by `release-pinned`: after the link moved, the reload returned 0 and the old release
    /// went on answering every request.
    ///
    /// ```ini,bad
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/releases/2026-04-21
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/releases/2026-04-21 \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    /// RestartSec=3
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```ini,fixed
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    /// RestartSec=3
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    ///
    /// An environment file in a release:
    ///
    /// ```tree,bad
    /// /srv/myapp/releases/2026-04-21/deploy.env mode=0640
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// EnvironmentFile=/srv/myapp/releases/2026-04-21/deploy.env
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/releases/2026-04-21/deploy.env mode=0640
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// EnvironmentFile=/srv/myapp/current/deploy.env
    /// ```
    ///
    /// Healthy: without a link next to it, a release is just a directory:
    ///
    /// ```tree,good
    /// /opt/python/versions/3.11/
    /// /opt/python/versions/3.11/site.env mode=0640
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// EnvironmentFile=/opt/python/versions/3.11/site.env
    /// ```
    U114 "release-pinned" {
        severity: Error, impact: StaleRelease, fix: Some(Unsafe), item: ReleasePath, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let all = app.release.pinned.get()?;
    for (at, first) in all.iter().enumerate() {
        if all[..at].iter().all(|before| before.release != first.release) {
            let own: Vec<&Pinned> =
                all.iter().filter(|pinned| pinned.release == first.release).collect();
            report(app, first, &own, out);
        }
    }
    Ok(())
}

fn report(app: &App, first: &Pinned, own: &[&Pinned], out: &mut Sink) {
    let (release, link) = (show::name(&first.release), first.link.display());
    let mut settings: Vec<String> = Vec::new();
    for pinned in own {
        let setting = format!("{}=", pinned.setting);
        if !settings.contains(&setting) {
            settings.push(setting);
        }
    }
    let verb = if settings.len() == 1 { "names" } else { "name" };
    let settings = settings.join(" and ");
    let consequence = match (serves(app, &first.release), first.served == first.release) {
        (true, true) => format!("a reload keeps serving {release} after the next deployment"),
        (true, false) => format!(
            "a reload serves {release}, not {}, where {link} leads",
            show::name(&first.served)
        ),
        (false, _) => {
            format!(
                "gunicorn keeps using files of {release}, and will not start once that is pruned"
            )
        }
    };
    let edits = edits(first, own);
    let finding = out
        .report(format!("{consequence}: {settings} {verb} that release, and not the link {link}"))
        .at_each(own.iter().map(|pinned| (pinned.span, "one release")));
    finding
        .help(format!("Write {link} instead of {}.", first.release.display()))
        .by_hand(Some(first.span))
        .subject(first.release.display().to_string())
        .fix_if(
            Safety::Unsafe,
            format!("write {link} instead of the release"),
            edits.unwrap_or_default(),
        )
        .uncovers_rules(&["G213", "U113"]);
}

/// Is it this release's code that gunicorn imports?
fn serves(app: &App, release: &Path) -> bool {
    let first = app.release.search_path.ok().and_then(|entries| entries.first());
    first.is_some_and(|first| first.place.links.is_empty() && first.place.path.starts_with(release))
}

fn edits(first: &Pinned, own: &[&Pinned]) -> Option<Vec<Edit>> {
    let link = first.link.to_str().filter(|link| super::plain(link))?;
    let whole = own.iter().all(|pinned| pinned.verbatim);
    whole.then(|| own.iter().map(|pinned| Edit::replace(pinned.span, link)).collect())
}
