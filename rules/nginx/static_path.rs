//! Directories that nginx serves files from.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::facts::front::location_title;
use crate::facts::nginx::unreached::error_page_answers;
use crate::facts::nginx::{
    Location, LocationId, LocationKind, Model, ServerId, StaticRoot, is_literal,
};
use crate::facts::release::django_files::LookedIn;
use crate::facts::release::own_statics::{Framework, Misplaced};
use crate::facts::{App, Deployment, Identity, State, Want, Why};
use crate::host::FileKind;
use crate::rule::prelude::Span;
use crate::rule::{EvidenceKind, Safety, Severity, Sink};

crate::rule! {
    /// Static files answer 404 or 403, or every file of the release can be fetched.
    ///
    /// nginx serves `root` and `alias` itself, as its own user: a missing directory means 404 for
    /// each style sheet and script, one that its user cannot pass through means 403. `location
    /// /static` without a trailing slash and `alias …/static/` with one is a hole:
    /// `/static../wsgi.py` is `…/static/../wsgi.py`, so the code, and an environment file next to
    /// it, can be downloaded (error).
    ///
    /// Django's pages link to `STATIC_URL`: if nginx serves the same directory at another location, those
    /// requests reach Django, which answers 404 (unless WhiteNoise or a view of its own serves them).
    ///
    /// In a repository the site is compared with the application's own settings: Django's
    /// `STATIC_ROOT`, which `collectstatic` copies to, and the `static` directory next to the
    /// module that makes Flask's application. Only a directory below the one that gunicorn starts
    /// in is checked, because a deployment may copy files to any other place.
    ///
    /// On a host, Django's own settings say where its files are. Below `STATIC_URL` nginx must find what
    /// `collectstatic` copied to `STATIC_ROOT` (the admin's style sheet, or what is in that directory), and
    /// below `MEDIA_URL` what Django saved in `MEDIA_ROOT`. If no location serves them, nginx asks Django,
    /// which serves no files when `DEBUG` is off. Another storage (S3) is left out.
    ///
    /// Proved by `django-static-elsewhere`: every request for the admin's style sheet got 404, while the
    /// pages were answered.
    ///
    /// Proved by `django-media-elsewhere`: every request for an uploaded file got 404, while the pages were
    /// answered.
    ///
    /// Proved by `static-missing`: every request for a style sheet got 404, while the pages
    /// were answered.
    ///
    /// Proved by `static-unreadable`: every request for a style sheet got 403, while the
    /// pages were answered.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location /static { alias /srv/myapp/current/static/; }
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
    /// The reverse, `location /static/` with `alias …/staticfiles`, makes nginx look for
    /// `…/staticfilessite.css`: each file gets 404 (a warning).
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location /static/ { alias /srv/myapp/current/static; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     root /var/www/not-there;
    ///     location /static { alias /srv/myapp/current/static; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// A missing directory that `try_files` only tries first harms nobody: nginx asks the application next.
    ///
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     root /srv/myapp/current/public;
    ///     location / { try_files $uri @app; }
    ///     location @app {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// nginx appends the request's whole path to `root`, so a `root` that ends in the location's path
    /// looks for that path twice (`…/static/static/site.css`): every file gets 404.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location /static/ { root /srv/myapp/current/static; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location /static/ { root /srv/myapp/current; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// A regular expression is chosen before a prefix, and one without its own directory uses
    /// nginx's default one; and a `root` for the whole site with `try_files` serves everything
    /// below it:
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location /static/ { alias /srv/myapp/current/static/; }
    ///     location ~* \.(css|js)$ { expires 1y; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     root /srv/myapp/current;
    ///     location / { try_files $uri @app; }
    ///     location @app {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     root /srv/myapp/current/static;
    ///     location ^~ /static/ { alias /srv/myapp/current/static/; }
    ///     location ~* \.(css|js)$ { expires 1y; }
    ///     location / { try_files $uri @app; }
    ///     location @app {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N312 "static-path" {
        severity: Warning, impact: Hygiene, fix: Some(Manual), item: StaticAssets, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

/// Is an alias wrong for its location?
type Wrong = fn(&Location, &Path) -> bool;
type StaticReport = fn(&Model, &Location, Span, &Path, &mut Sink);

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let model = deployment.nginx.model.get()?;
    let owners = Owners::of(deployment);
    let mut seen = HashSet::new();
    for (wrong, report) in
        [(escapes as Wrong, traversal as StaticReport), (runs_together, together)]
    {
        for location in &model.locations {
            if let Some(alias) = &location.handling.alias
                && wrong(location, &alias.value)
                && seen.insert(alias.span)
            {
                out.about(owners.first(location.server));
                report(model, location, alias.span, &alias.value, out);
            }
        }
    }
    for directory in deployment.nginx.statics.iter().filter(|one| is_used(model, one)) {
        if let Some((app, exposed)) = hands_out(&owners, model, directory)
            && seen.insert(directory.span)
        {
            out.about(Some(app));
            report_handed_out(app, &exposed, directory, out);
        }
    }
    for app in &deployment.apps {
        for (directory, exposed) in handed_out_whole(deployment, app) {
            if seen.insert(directory.span) {
                out.about(Some(app));
                report_handed_out(app, &exposed, directory, out);
            }
        }
        for misplaced in &app.release.misplaced {
            if let Some(directory) = deployment.nginx.statics.get(misplaced.root)
                && !falls_back(model, misplaced.within)
                && seen.insert(directory.span)
            {
                out.about(Some(app));
                report_misplaced(misplaced, directory, out);
            }
        }
        let other_url = crate::rules::static_url::check(deployment, app, &mut seen, out);
        let answered = |model: &Model, at: &LookedIn| falls_back(model, at.within);
        crate::rules::django_files::check(deployment, app, (other_url, &answered), &mut seen, out);
    }
    rootless(deployment, &owners, &mut seen, out);
    // What is at a path, only the machine itself tells.
    if !deployment.machine.whole {
        return Ok(());
    }
    for directory in &deployment.nginx.statics {
        if seen.contains(&directory.span) || !is_used(model, directory) {
            continue;
        }
        seen.insert(directory.span);
        out.about(owners.first(directory.server));
        if let Err(why) = look(deployment, model, directory, out) {
            out.skip(&why);
        }
    }
    Ok(())
}

/// Does a directory whose files nginx serves hold the application itself? With what can be fetched.
fn hands_out<'d>(
    owners: &Owners<'d>,
    model: &Model,
    directory: &StaticRoot,
) -> Option<(&'d App, PathBuf)> {
    let location = directory.location.and_then(|id| model.location(id));
    let exposed = match (location, directory.alias) {
        (Some(location), true) if prefix(location).is_some() => directory.place.path.clone(),
        (Some(location), false) => {
            directory.place.path.join(prefix(location)?.trim_start_matches('/'))
        }
        _ => return None,
    };
    let exposed = crate::facts::place::tidy(&exposed);
    let lies_there = |app: &&App| {
        let started = app.service.working_directory.ok().and_then(Option::as_ref);
        started.is_some_and(|started| {
            started.path.starts_with(&exposed) || started.resolved.starts_with(&exposed)
        })
    };
    // Only a site of the application's own is looked at.
    let app = owners.of_server(directory.server).iter().copied().find(lies_there)?;
    Some((app, exposed))
}

/// `location ~* \.(css|js)$ { expires 1y; }` goes before `location /static/` and has no directory.
fn rootless(deployment: &Deployment, owners: &Owners, seen: &mut HashSet<Span>, out: &mut Sink) {
    let nginx = &deployment.nginx;
    let Ok(model) = nginx.model.get() else { return };
    for directory in nginx.statics.iter().filter(|one| one.alias) {
        let location = directory.location.and_then(|id| model.location(id));
        let Some(location) = location.filter(|here| here.kind == LocationKind::Prefix) else {
            continue;
        };
        let asked = format!("{}/app.css", location.pattern.value.trim_end_matches('/'));
        let Some(taken) = nginx.rootless(location.server, &asked) else { continue };
        if taken.id == location.id
            || error_page_answers(model, taken.id, 404)
            || !seen.insert(taken.span)
        {
            continue;
        }
        let title = location_title(model, taken.id);
        out.about(owners.first(location.server));
        out.report(format!(
            "static files get 404: {title} takes requests such as {asked} from {}, and names no \
             directory",
            location_title(model, location.id)
        ))
        .at(taken.span, "the regular expression is tried first")
        .at(directory.span, "never searched for these files")
        .help(format!(
            "write location ^~ {} {{ with the same content: no regular expression is tried after \
             it",
            location.pattern.value
        ))
        .fix(Safety::Manual, "give the prefix priority over the regex");
    }
}

/// The `root` of a whole site, below which the application is: `try_files $uri @app` hands its
/// files out before the application is asked.
fn handed_out_whole<'d>(deployment: &'d Deployment, app: &App) -> Vec<(&'d StaticRoot, PathBuf)> {
    let started = app.service.working_directory.ok().and_then(Option::as_ref);
    let Some(started) = started else { return Vec::new() };
    let nginx = &deployment.nginx;
    let own = |root: &&StaticRoot| {
        !root.alias && app.routes.iter().any(|route| route.server == root.server)
    };
    let mut found = Vec::new();
    for root in nginx.statics.iter().filter(own) {
        let below = started
            .path
            .strip_prefix(&root.place.path)
            .or_else(|_| started.resolved.strip_prefix(&root.place.resolved));
        let Ok(below) = below else { continue };
        let asked = Path::new("/").join(below).join(".env");
        let chosen = nginx.file_root(root.server, &asked.to_string_lossy());
        if chosen.is_some_and(|(_, chosen, _)| chosen.span == root.span) {
            found.push((root, root.place.path.clone()));
        }
    }
    found
}

/// The text of a location that takes what begins with it.
fn prefix(location: &Location) -> Option<&str> {
    let begins = matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop);
    (begins && !location.unknown).then_some(location.pattern.value.as_str())
}

fn report_handed_out(app: &App, exposed: &Path, directory: &StaticRoot, out: &mut Sink) {
    let word = if directory.alias { "alias" } else { "root" };
    out.report(format!(
        "anyone can fetch the source of {}, its configuration and its .env: nginx serves every \
         file below {}",
        app.name,
        exposed.display()
    ))
    .at(directory.span, format!("this {word} contains the application"))
    .at_known(&app.service.working_directory, "the application is here")
    .severity(Severity::Error)
    .help("name only the directory of the static files: …/static/")
    .fix(Safety::Manual, format!("point {word} to a directory with only static files"));
}

/// Does something else answer where the file is not there: `try_files $uri @app`, `error_page 404`?
fn falls_back(model: &Model, location: LocationId) -> bool {
    let tries = model.location(location).is_some_and(|here| !here.handling.try_files.is_empty());
    tries || error_page_answers(model, location, 404)
}

fn report_misplaced(misplaced: &Misplaced, directory: &StaticRoot, out: &mut Sink) {
    let (own, looked_in) = (misplaced.directory.display(), misplaced.looked_in.display());
    let location = &misplaced.location;
    let word = if directory.alias { "alias" } else { "root" };
    let message = match (misplaced.by, misplaced.is_there) {
        (Framework::Django, false) => format!(
            "static files get 404: nginx looks for {location} in {looked_in}, but collectstatic \
             copies them to {own}"
        ),
        (Framework::Django, true) => format!(
            "static files of Django's admin and of packages get 404: nginx looks for {location} in \
             {looked_in}, but collectstatic copies them to {own}"
        ),
        (Framework::Flask, _) => format!(
            "static files get 404: nginx looks for {location} in {looked_in}, which is not in the \
             repository; Flask's static files are in {own}"
        ),
    };
    let said = match misplaced.by {
        Framework::Django => "collectstatic copies to this directory",
        Framework::Flask => "Flask's static files are next to this module",
    };
    out.report(message)
        .at(directory.span, format!("this {word} names another directory"))
        .at(misplaced.said, said)
        .help(match directory.alias {
            true => format!("alias {own}/;\nthen check with: nginx -t"),
            false => format!("alias {own}/; instead of the root\nthen check with: nginx -t"),
        })
        .fix(Safety::Manual, format!("make nginx look in {own}"));
}

/// The applications that each server passes requests to.
struct Owners<'d>(HashMap<ServerId, Vec<&'d App>>);

impl<'d> Owners<'d> {
    fn of(deployment: &'d Deployment) -> Self {
        let mut owners: HashMap<ServerId, Vec<&App>> = HashMap::new();
        for app in &deployment.apps {
            for route in &app.routes {
                let own = owners.entry(route.server).or_default();
                if own.last().is_none_or(|last| !std::ptr::eq(*last, app)) {
                    own.push(app);
                }
            }
        }
        Self(owners)
    }

    fn of_server(&self, server: ServerId) -> &[&'d App] {
        self.0.get(&server).map_or(&[], Vec::as_slice)
    }

    fn first(&self, server: ServerId) -> Option<&'d App> {
        self.of_server(server).first().copied()
    }
}

/// `location /x` with `alias …/`.
fn escapes(location: &Location, alias: &Path) -> bool {
    let prefix = matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop);
    let pattern = &location.pattern.value;
    prefix
        && !location.unknown
        && !pattern.is_empty()
        && !pattern.ends_with('/')
        && alias.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// `location /x/` with `alias …/y`: nginx puts what follows the prefix right behind it.
fn runs_together(location: &Location, alias: &Path) -> bool {
    let prefix = matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop);
    let pattern = &location.pattern.value;
    let text = alias.to_string_lossy();
    prefix
        && !location.unknown
        && pattern.ends_with('/')
        && !text.ends_with('/')
        && is_literal(&text)
}

fn together(model: &Model, location: &Location, span: Span, alias: &Path, out: &mut Sink) {
    let pattern = &location.pattern.value;
    let alias = alias.display();
    let finding = out
        .report(format!(
            "every file below {pattern} gets 404: nginx looks for {pattern}a.css at \
         {alias}a.css"
        ))
        .at(span, "no slash at its end");
    finding.at(location.span, "a slash at its end");
    finding.help(format!("end both with a slash: alias {alias}/;\nthen check with: nginx -t"));
    let word = crate::facts::written::nginx::word(model, span);
    let edit = word.and_then(|(at, text)| crate::rule::Edit::word_at(at, format!("{text}/")));
    let title = format!("add a slash after {alias}");
    finding.fix_if(Safety::Safe, title, edit).uncovers_rules(&["N312"]);
}

fn traversal(model: &Model, location: &Location, span: Span, alias: &Path, out: &mut Sink) {
    let pattern = &location.pattern.value;
    let above = alias.parent().unwrap_or(alias).display().to_string();
    let finding = out
        .report(format!(
            "every file under {above} can be fetched: {pattern}../x is {}../x",
            alias.display()
        ))
        .at(location.span, "no slash at its end");
    finding.at(span, "a slash at its end");
    finding.severity(Severity::Error);
    let kind = if location.kind == LocationKind::PrefixStop { "^~ " } else { "" };
    finding.help(format!("end both with a slash: location {kind}{pattern}/ {{"));
    finding.fix(Safety::Manual, format!("write {}/ instead", location_title(model, location.id)));
}

/// Does any request come to this directory? A server's own `root` often only is there.
fn is_used(model: &Model, directory: &StaticRoot) -> bool {
    let Some(id) = directory.location else { return server_root_is_used(model, directory.server) };
    let Some(location) = model.location(id) else { return false };
    // Named and inner blocks inherit it; what they do with it is not followed.
    serves_files(location) || !location.children.is_empty()
}

/// A location that hands every request on, or answers by itself, serves no file.
fn serves_files(location: &Location) -> bool {
    let handling = &location.handling;
    !handling.try_files.is_empty() || (handling.passes.is_empty() && handling.returns.is_empty())
}

fn server_root_is_used(model: &Model, server: ServerId) -> bool {
    let Some(server) = model.server(server) else { return false };
    if !server.handling.returns.is_empty() {
        return false;
    }
    let locations = |ids: &[LocationId]| -> Vec<&Location> {
        ids.iter().filter_map(|id| model.location(*id)).collect()
    };
    let catches_all = |location: &Location| {
        location.pattern.value == "/"
            && matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop)
    };
    let mut left = locations(&server.locations);
    if !server.handling.try_files.is_empty() || !left.iter().any(|here| catches_all(here)) {
        return true;
    }
    // Down through the locations that have no directory of their own.
    while let Some(location) = left.pop() {
        if location.handling.root.is_some() || location.handling.alias.is_some() {
            continue;
        }
        let inner = matches!(location.kind, LocationKind::If | LocationKind::LimitExcept);
        if !inner && serves_files(location) {
            return true;
        }
        left.extend(locations(&location.children));
    }
    false
}

fn look(
    deployment: &Deployment,
    model: &Model,
    directory: &StaticRoot,
    out: &mut Sink,
) -> Result<(), Why> {
    let place = &directory.place;
    let shown = place.path.display();
    let word = if directory.alias { "alias" } else { "root" };
    let metadata = match place.state.get()? {
        State::Present(metadata) => metadata,
        // `try_files $uri @app` asks the application for what is not there.
        State::Missing { .. } if only_tried(model, directory) => return Ok(()),
        State::Missing { at, link } => {
            let finding = out
                .report(format!("static files get 404: {shown} does not exist"))
                .at(directory.span, format!("this {word} leads to nothing"));
            match link {
                Some(link) => finding.evidence(
                    EvidenceKind::File,
                    format!("{} -> {}", link.link.display(), link.target.display()),
                ),
                None => {
                    finding.evidence(EvidenceKind::File, format!("{} does not exist", at.display()))
                }
            };
            finding.help(format!("create it, or correct the {word}; check with: ls -ld {shown}"));
            finding.fix(Safety::Manual, format!("create the directory or correct the {word}"));
            return Ok(());
        }
        State::Broken { reason } => {
            let finding = out
                .report(format!("static files get 404 or 500: {shown}: {reason}"))
                .at(directory.span, reason.clone());
            finding.help(format!("check with: namei -l {shown}"));
            finding.fix(Safety::Manual, format!("correct the {word}"));
            return Ok(());
        }
    };
    let is_directory = metadata.kind == FileKind::Directory;
    if !is_directory && !may_be_file(model, directory) {
        let finding = out
            .report(format!("static files get 404: {shown} is not a directory"))
            .at(directory.span, format!("this {word} is {}", metadata.kind));
        finding.help(format!("name the directory; check with: ls -l {shown}"));
        finding.fix(Safety::Manual, format!("correct the {word}"));
        return Ok(());
    }
    if doubled(model, directory, out)? {
        return Ok(());
    }
    unreadable(deployment, directory, is_directory, out)
}

/// `location /static/ { root …/static; }`: `root` keeps the location's path, and looks for it once more.
fn doubled(model: &Model, directory: &StaticRoot, out: &mut Sink) -> Result<bool, Why> {
    let Some(location) = directory.location.and_then(|id| model.location(id)) else {
        return Ok(false);
    };
    let Some(looked_in) = &directory.doubled else { return Ok(false) };
    if falls_back(model, location.id) || !looked_in.is_missing()? {
        return Ok(false);
    }
    let pattern = location.pattern.value.trim_end_matches('/');
    let root = directory.place.path.display();
    out.report(format!(
        "every file below {pattern}/ gets 404: nginx looks for {pattern}/a.css at {}/a.css",
        looked_in.path.display()
    ))
    .at(directory.span, "root keeps the location's path and adds it to this")
    .at(location.span, "the same path")
    .evidence(EvidenceKind::File, format!("{} does not exist", looked_in.path.display()))
    .help(format!(
        "location {pattern}/ {{ alias {root}/; }}\ninstead of the root, then check with: nginx -t"
    ))
    .fix(Safety::Manual, format!("alias {root}/"));
    Ok(true)
}

/// Is a file that is not there asked of something else, wherever this directory is searched?
fn only_tried(model: &Model, directory: &StaticRoot) -> bool {
    let goes_on = |location: &Location| {
        let last = location.handling.try_files.last().and_then(|line| line.value.last());
        last.is_some_and(|word| !word.value.starts_with('='))
    };
    if let Some(id) = directory.location {
        return model.location(id).is_some_and(|own| goes_on(own) && own.children.is_empty());
    }
    let Some(server) = model.server(directory.server) else { return false };
    let mut all = model.locations.iter().filter(|location| location.server == directory.server);
    server.handling.try_files.is_empty()
        && catches_all(model, &server.locations)
        && all.all(|location| {
            let own = location.handling.root.is_some() || location.handling.alias.is_some();
            own || !serves_files(location) || goes_on(location)
        })
}

/// Is there a location for every request?
fn catches_all(model: &Model, locations: &[LocationId]) -> bool {
    let mut own = locations.iter().filter_map(|id| model.location(*id));
    own.any(|location| {
        location.pattern.value == "/"
            && matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop)
    })
}

/// `location = /favicon.ico { alias …/favicon.ico; }`, and regexes, may name a file.
fn may_be_file(model: &Model, directory: &StaticRoot) -> bool {
    let location = directory.location.and_then(|id| model.location(id));
    directory.alias
        && location.is_some_and(|location| {
            !location.pattern.value.ends_with('/')
                || matches!(location.kind, LocationKind::Exact | LocationKind::Regex { .. })
        })
}

fn unreadable(
    deployment: &Deployment,
    directory: &StaticRoot,
    is_directory: bool,
    out: &mut Sink,
) -> Result<(), Why> {
    let place = &directory.place;
    let user: &Identity = deployment.nginx.user.get()?;
    let blocked = place.blocked_at(user)?;
    let (path, metadata) = match blocked {
        Some(step) => (step.path.clone(), Some(step.metadata)),
        None => {
            let want = if is_directory { Want::Execute } else { Want::Read };
            if place.accessible(user, want)? {
                return Ok(());
            }
            (place.resolved.clone(), place.metadata().copied())
        }
    };
    let finding = out
        .report(format!(
            "static files get 403: nginx's user {} has no access to {}",
            user.name,
            path.display()
        ))
        .at(directory.span, "served from here");
    finding.at_known(&deployment.nginx.user, "nginx's workers run as this user");
    if let Some(metadata) = metadata {
        finding.evidence(
            EvidenceKind::File,
            format!(
                "{} mode {:04o}, user {}, group {}",
                path.display(),
                metadata.mode & 0o7777,
                metadata.uid,
                metadata.gid
            ),
        );
    }
    let bits = if is_directory || blocked.is_some() { "x" } else { "r" };
    finding.help(format!("setfacl -m u:{}:{bits} {}", user.name, path.display()));
    finding.fix(Safety::Manual, format!("give {} access to {}", user.name, path.display()));
    Ok(())
}
