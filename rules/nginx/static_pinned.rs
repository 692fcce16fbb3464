//! Static files from one fixed release, whichever is current.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::facts::nginx::StaticRoot;
use crate::facts::{App, Why, written};
use crate::rule::{Edit, EvidenceKind, Safety, Sink};

crate::rule! {
    /// New pages get old style sheets and scripts: nginx serves the files of one particular
    /// release.
    ///
    /// A `root` or `alias` that names `releases/2026-04-21` instead of the link `current` keeps
    /// serving that release's files when the link moves. Pages of the new release then request
    /// files that do not exist (404), or get the old ones; when old releases are pruned, all static
    /// files are gone. nginx follows links at each request, so `current` needs no reload.
    ///
    /// Proved by `static-pinned`: after the link moved and the reload, the pages were the
    /// new release's and the style sheet still the old one's.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location /static/ { alias /srv/myapp/releases/2026-04-21/static/; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
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
    ///     location /static/ { alias /srv/myapp/current/static/; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,good
    /// /srv/myapp/shared/static/
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location /static/ { alias /srv/myapp/shared/static/; }
    ///     location / {
    ///         root /srv/myapp/current/static;
    ///         try_files $uri @app;
    ///     }
    ///     location @app {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N313 "static-pinned" {
        severity: Error, impact: StaleRelease, fix: Some(Safe), item: StaticAssets, hop: Nginx,
        since: "0.1.0", check: App(check)
    }
}

/// The link that deployments move, and the directory of the releases.
struct Link {
    path: PathBuf,
    releases: PathBuf,
    /// The release that it leads to, where that is known.
    current: Option<PathBuf>,
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let model = app.nginx.model.get()?;
    let Some(link) = release_link(app) else { return Ok(()) };
    let mut seen = HashSet::new();
    for directory in &app.nginx.statics {
        let Some((release, inside)) = pinned(&link, directory) else { continue };
        if seen.contains(&directory.span) {
            continue;
        }
        seen.insert(directory.span);
        let word = written::nginx::word(model, directory.span);
        let mut right = link.path.display().to_string();
        if !inside.as_os_str().is_empty() {
            right = format!("{right}/{}", inside.display());
        }
        // `alias …/` has to keep its slash, which paths lose; one file's has none.
        if word.as_ref().is_some_and(|(_, text)| text.ends_with('/')) {
            right.push('/');
        }
        let edit = word.and_then(|(at, _)| Edit::word_at(at, right.as_str()));
        let word = if directory.alias { "alias" } else { "root" };
        let name = release.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let link_shown = link.path.display();
        let finding = out.report(format!(
            "static files still come from release {name} after {link_shown} moves: {word} names \
             the release itself"
        )).at(directory.span, format!("not through {link_shown}"));
        if let Some(current) = &link.current {
            let text = format!("{link_shown} -> {}", current.display());
            finding.evidence(EvidenceKind::File, text);
        }
        let by_link = !directory.place.path.starts_with(&release);
        if by_link {
            let (path, resolved) = (&directory.place.path, &directory.place.resolved);
            let text = format!("{} leads to {}", path.display(), resolved.display());
            finding.evidence(EvidenceKind::File, text);
        }
        finding.help(format!("{word} {right};"));
        let title = format!("serve static files through {link_shown}");
        finding.fix_if(Safety::Safe, title, edit);
    }
    Ok(())
}

/// The link as it is on the machine; of files alone, by the custom that `current` is next to
/// `releases`.
fn release_link(app: &App) -> Option<Link> {
    if let Some(link) = &app.release.link {
        return Some(Link {
            path: link.path.clone(),
            releases: link.releases.clone(),
            current: Some(link.resolved.clone()),
        });
    }
    if app.machine.whole {
        return None;
    }
    let working = app.service.working_directory.ok().and_then(Option::as_ref);
    let places = working.into_iter().chain(app.release.directory.ok());
    places.map(|place| place.path.as_path()).find_map(|path| {
        let link =
            path.ancestors().find(|path| path.file_name().is_some_and(|n| n == "current"))?;
        let releases = link.parent()?.join("releases");
        Some(Link { path: link.into(), releases, current: None })
    })
}

/// The release that a directory is in without the link, and the path inside it.
fn pinned(link: &Link, directory: &StaticRoot) -> Option<(PathBuf, PathBuf)> {
    let place = &directory.place;
    if place.path.starts_with(&link.path) || place.links.iter().any(|hop| hop.link == link.path) {
        return None;
    }
    [place.path.as_path(), place.resolved.as_path()].into_iter().find_map(|path| {
        let release = release_of(link, path)?;
        let inside = path.strip_prefix(&release).ok()?.to_path_buf();
        Some((release, inside))
    })
}

fn release_of(link: &Link, path: &Path) -> Option<PathBuf> {
    // Where link and releases share a directory, other names in it may be anything.
    if link.path.parent() == Some(&link.releases) {
        return link.current.clone().filter(|current| path.starts_with(current));
    }
    let name = path.strip_prefix(&link.releases).ok()?.components().next()?;
    Some(link.releases.join(name))
}
