//! Where a Django project on a host keeps its static files and its uploads, and whether nginx looks for
//! them there.

use std::path::{Path, PathBuf};

use super::super::nginx::{Location, LocationId, LocationKind, ServerId, StaticRoot};
use super::super::place::tidy;
use super::super::{Known, Nginx, Route};
use super::Django;
use crate::host::{FileKind, Outcome};
use crate::source::{Sources, Span};

/// What the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DjangoFiles {
    /// `STATIC_ROOT`, which `collectstatic` fills.
    Static,
    /// `MEDIA_ROOT`, where uploads are saved.
    Media,
}

/// Files of a project that nginx does not look for where they are.
#[derive(Debug)]
pub struct Unserved {
    /// What they are.
    pub what: DjangoFiles,
    /// Where the settings name the directory.
    pub said: Span,
    /// The directory.
    pub directory: PathBuf,
    /// What their requests begin with, with a slash at both ends.
    pub url: String,
    /// The server that is asked.
    pub server: ServerId,
    /// Where nginx looks for them; `None` if it hands out no file for such a request.
    pub looked_in: Option<LookedIn>,
    /// A file, or a directory of files, that is requested, below `url`. None for uploads: their names are
    /// nobody's business.
    pub example: Option<String>,
}

/// A directory that nginx looks in.
#[derive(Debug)]
pub struct LookedIn {
    /// Its index in [`Nginx::statics`](super::super::Nginx::statics).
    pub root: usize,
    /// The location that nginx chooses.
    pub within: LocationId,
    /// The directory.
    pub path: PathBuf,
    /// Is it the very directory that the settings name?
    pub same: bool,
}

/// The admin's own files, which `collectstatic` copies.
const ADMIN: &str = "admin/css/base.css";

pub(in super::super) fn unserved(
    sources: &Sources,
    django: &Django,
    nginx: &Nginx,
    routes: &[Route],
) -> Vec<Unserved> {
    let mut servers: Vec<ServerId> = routes.iter().map(|route| route.server).collect();
    servers.sort_unstable();
    servers.dedup();
    let mut found = Vec::new();
    for (what, url, root) in [
        (DjangoFiles::Static, &django.static_url, &django.static_root),
        (DjangoFiles::Media, &django.media_url, &django.media_root),
    ] {
        let (Some((url, said)), Some(root)) = (path_of(url, root), absolute(root)) else {
            continue;
        };
        for server in &servers {
            let asked = AskedFiles { sources, django, nginx, server: *server, what };
            if let Some((looked_in, example)) = asked.below(&url, &root) {
                let (directory, url) = (root.clone(), url.clone());
                found.push(Unserved {
                    what,
                    said,
                    directory,
                    url,
                    server: *server,
                    looked_in,
                    example,
                });
                break;
            }
        }
    }
    found
}

/// The path of requests; not another host's, nor one that nobody wrote.
fn path_of(url: &Known<Option<String>>, root: &Known<Option<PathBuf>>) -> Option<(String, Span)> {
    let text = url.ok()?.as_deref()?;
    let path = text.trim_matches('/');
    let own = !path.is_empty() && !text.contains("//");
    own.then(|| Some((format!("/{path}/"), root.span()?)))?
}

fn absolute(root: &Known<Option<PathBuf>>) -> Option<PathBuf> {
    let root = root.ok()?.as_ref()?;
    root.is_absolute().then(|| tidy(root))
}

struct AskedFiles<'a> {
    sources: &'a Sources<'a>,
    django: &'a Django,
    nginx: &'a Nginx,
    server: ServerId,
    what: DjangoFiles,
}

impl AskedFiles<'_> {
    /// Where nginx looks instead, and what it does not find there.
    fn below(&self, url: &str, root: &Path) -> Option<(Option<LookedIn>, Option<String>)> {
        let own = self.directory(root);
        let example = self.example(root, own.is_some());
        // With nothing in the directory there is nothing to miss.
        match self.what {
            DjangoFiles::Static => drop(example.as_ref()?),
            DjangoFiles::Media => drop(own.as_ref()?),
        }
        let file = example.clone().unwrap_or_else(|| "file".to_owned());
        let Some((index, chosen, location)) =
            self.nginx.file_root(self.server, &format!("{url}{file}"))
        else {
            return Some((None, example));
        };
        let path = looked_in(chosen, location, url)?;
        // What is not there at all is told of where nginx names it.
        let there = self.directory(&path)?;
        let same = own.as_ref() == Some(&there);
        let lacks = match self.what {
            DjangoFiles::Static => self.is_missing(&path.join(&file)),
            DjangoFiles::Media => !same,
        };
        let at = LookedIn { root: index, within: location.id, path, same };
        lacks.then_some((Some(at), example))
    }

    /// A file that is requested below the path.
    fn example(&self, root: &Path, is_there: bool) -> Option<String> {
        if self.what == DjangoFiles::Media {
            return None;
        }
        if self.django.admin.ok() == Some(&true) {
            return Some(ADMIN.to_owned());
        }
        let names = if is_there { self.sources.host().list(root).ok()? } else { return None };
        let name =
            names.iter().filter_map(|name| name.to_str()).find(|name| !name.starts_with('.'));
        name.map(str::to_owned)
    }

    /// A directory without its links, where there is one.
    fn directory(&self, path: &Path) -> Option<PathBuf> {
        let found = self.sources.host().look(path);
        match found.outcome {
            Outcome::Present(metadata) if metadata.kind == FileKind::Directory => {
                Some(found.resolved)
            }
            _ => None,
        }
    }

    fn is_missing(&self, path: &Path) -> bool {
        matches!(self.sources.host().look(path).outcome, Outcome::Missing { .. })
    }
}

/// The directory in which nginx looks for what is asked for below a path.
fn looked_in(root: &StaticRoot, location: &Location, url: &str) -> Option<PathBuf> {
    let below = match root.alias {
        false => url.trim_start_matches('/'),
        true if matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop) => {
            url.strip_prefix(location.pattern.value.as_str())?
        }
        true => return None,
    };
    Some(tidy(&root.place.path.join(below)))
}
