//! Where an application's own static files are, and whether nginx looks for them there: for a
//! repository, whose directories are not yet deployed where the site looks for them.

use std::path::{Path, PathBuf};

use ignore::gitignore::GitignoreBuilder;

use super::super::nginx::{Location, LocationId, LocationKind, StaticRoot};
use super::super::place::tidy;
use super::super::{Given, Nginx, Route};
use super::django_settings::HERE;
use super::{Code, Django};
use crate::host::Outcome;
use crate::source::{Sources, Span};

/// Who says where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    /// `Flask(__name__, static_folder=…)`.
    Flask,
    /// `STATIC_ROOT`.
    Django,
}

/// Static files for which nginx looks elsewhere.
#[derive(Debug)]
pub struct Misplaced {
    /// Who says where they are.
    pub by: Framework,
    /// Where that is said.
    pub said: Span,
    /// Where they are once it is deployed.
    pub directory: PathBuf,
    /// Its index in [`Nginx::statics`](super::super::Nginx::statics).
    pub root: usize,
    /// The location that nginx chooses for them.
    pub within: LocationId,
    /// What their requests begin with.
    pub location: String,
    /// The directory that nginx looks in.
    pub looked_in: PathBuf,
    /// Does the repository have that directory?
    pub is_there: bool,
}

/// A directory that requests of this path are meant for.
struct Own {
    by: Framework,
    said: Span,
    url: String,
    directory: PathBuf,
}

/// Those of a repository's application. `started` is the directory that gunicorn starts in once it
/// is deployed, `routes` are the ways to it.
pub(in super::super) fn misplaced(
    sources: &Sources,
    given: &Given,
    started: &Path,
    (code, django): (&Code, Option<&Django>),
    nginx: &Nginx,
    routes: &[Route],
) -> Vec<Misplaced> {
    let Some(app_dir) = &given.app_dir else { return Vec::new() };
    let app_dir = if app_dir == Path::new(".") { Path::new("") } else { app_dir };
    let Some(own) = of_django(django, app_dir, started)
        .or_else(|| of_flask(sources, code, app_dir, started).filter(|_| django.is_none()))
    else {
        return Vec::new();
    };
    let started = tidy(started);
    // Shared by all releases: the deployment makes a link to it.
    if own.by == Framework::Django && !own.directory.starts_with(&started) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let url = format!("/{}/", own.url.trim_matches('/'));
    let mut servers: Vec<_> = routes.iter().map(|route| route.server).collect();
    servers.sort_unstable();
    servers.dedup();
    for server in servers {
        // Regular expressions mostly name the endings of files.
        let chosen = nginx.file_root(server, &format!("{url}app.css"));
        let Some((index, root, location)) = chosen else { continue };
        let Some(looked_in) = looked_in(root, location, &url) else { continue };
        // What is elsewhere is copied there by whoever deploys.
        let Ok(inside) = looked_in.strip_prefix(&started) else { continue };
        // With `src/` the application's directory is not the one that gunicorn starts in.
        let holds = |top: &Path| {
            matches!(sources.host().look(&top.join(inside)).outcome, Outcome::Present(_))
        };
        let is_there = app_dir.ancestors().any(holds);
        // Flask serves what is in the repository; what nginx looks for may be it.
        if looked_in == own.directory || (own.by == Framework::Flask && is_there) {
            continue;
        }
        // What a build makes is not in the clone either.
        if own.by == Framework::Flask && is_made(sources, app_dir, inside) {
            continue;
        }
        found.push(Misplaced {
            by: own.by,
            said: own.said,
            directory: own.directory.clone(),
            root: index,
            within: location.id,
            location: url.clone(),
            looked_in,
            is_there,
        });
    }
    found
}

/// Does the repository's `.gitignore` name this directory of it?
fn is_made(sources: &Sources, top: &Path, directory: &Path) -> bool {
    let Ok(file) = sources.load(&top.join(".gitignore")) else { return false };
    let mut builder = GitignoreBuilder::new("");
    for line in String::from_utf8_lossy(&file.bytes).lines() {
        // A line that is not a pattern names nothing.
        let _ = builder.add_line(None, line);
    }
    builder
        .build()
        .is_ok_and(|patterns| patterns.matched_path_or_any_parents(directory, true).is_ignore())
}

/// The directory in which nginx looks for what is asked for below a path.
fn looked_in(root: &StaticRoot, location: &Location, url: &str) -> Option<PathBuf> {
    let below = match root.alias {
        false => url.trim_start_matches('/'),
        true if matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop) => {
            url.strip_prefix(location.pattern.value.as_str()).unwrap_or_default()
        }
        true => return None,
    };
    Some(tidy(&root.place.path.join(below)))
}

fn of_django(django: Option<&Django>, app_dir: &Path, started: &Path) -> Option<Own> {
    let django = django?;
    let root = Path::new(django.static_root.ok()?.as_ref()?);
    let here = match root.strip_prefix(HERE) {
        Ok(here) => here.strip_prefix(app_dir).ok(),
        Err(_) if app_dir.is_absolute() => root.strip_prefix(app_dir).ok(),
        Err(_) => None,
    };
    let directory = match here {
        Some(inside) => tidy(&started.join(inside)),
        None if root.starts_with(HERE) || !root.is_absolute() => return None,
        None => tidy(root),
    };
    let url = django.static_url.ok()?.clone()?;
    let said = django.static_root.span()?;
    (!url.contains("//")).then_some(Own { by: Framework::Django, said, url, directory })
}

/// Of the one application that the modules make, where its directory is there.
fn of_flask(sources: &Sources, code: &Code, app_dir: &Path, started: &Path) -> Option<Own> {
    let mut all =
        code.modules.iter().flat_map(|module| module.flask.iter().map(move |one| (module, one)));
    let (module, made) = all.next().filter(|_| all.next().is_none())?;
    let statics = made.statics.as_ref()?;
    let here = tidy(&module.path.parent()?.join(&statics.folder));
    let Outcome::Present(_) = sources.host().look(&here).outcome else { return None };
    let directory = tidy(&started.join(here.strip_prefix(app_dir).ok()?));
    Some(Own { by: Framework::Flask, said: made.span, url: statics.url.clone(), directory })
}
