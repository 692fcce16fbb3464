//! Reads the facts from the place that the options select.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::CommandError;
use super::arguments::WhereArguments;
use crate::facts::{self, Deployment, Given, Problem, Request, Scope};
use crate::host::{FilesHost, Host, ReplayHost, TreeHost};
use crate::report::SourceInfo;
use crate::source::{Sources, mounts};

/// The directory at which relative paths start.
pub(super) fn working_directory() -> Result<PathBuf, CommandError> {
    std::env::current_dir()
        .map_err(|error| CommandError::incomplete(format!("the working directory: {error}")))
}

/// This machine, as it is.
pub(super) fn this_host() -> Result<TreeHost, CommandError> {
    TreeHost::live().map_err(|error| CommandError::incomplete(error.to_string()))
}

/// This machine, with the unsaved texts of an editor.
pub(super) fn around(place: &WhereArguments) -> Result<Box<dyn Host>, CommandError> {
    Ok(edited(place, Box::new(this_host()?)))
}

/// The files of repositories, and nothing outside of them.
pub(super) fn fenced(
    place: &WhereArguments,
    directories: &[PathBuf],
) -> Result<Box<dyn Host>, CommandError> {
    let host = FilesHost::fenced(working_directory()?, directories)
        .map_err(|error| CommandError::incomplete(error.to_string()))?;
    Ok(edited(place, Box::new(host)))
}

fn edited(place: &WhereArguments, host: Box<dyn Host>) -> Box<dyn Host> {
    match &place.unsaved {
        Some(unsaved) => Box::new(unsaved.over(host)),
        None => host,
    }
}

/// Opens the host that the options select.
pub(super) fn open(place: &WhereArguments) -> Result<Box<dyn Host>, CommandError> {
    if let Some(capture) = &place.replayed {
        return Ok(Box::new(ReplayHost::new(Rc::clone(&capture.recording))));
    }
    if let Some(found) = &place.found {
        return fenced(place, &found.directories);
    }
    let given = given_paths(place);
    if let Some(root) = &place.root {
        let host = TreeHost::open(root)
            .map_err(|error| CommandError::incomplete(format!("--root {error}")))?;
        return Ok(mounts::without(Box::new(host)));
    }
    if given.is_empty() {
        let host = this_host()?;
        let host = if place.no_exec { host.without_commands() } else { host };
        return Ok(Box::new(host));
    }
    let directory = working_directory()?;
    // The drop-ins next to a unit belong to it.
    let beside = place.unit.iter().map(|unit| {
        let mut path = unit.as_os_str().to_owned();
        path.push(".d");
        PathBuf::from(path)
    });
    let given: Vec<PathBuf> = given.into_iter().chain(beside).collect();
    let host = FilesHost::new(directory, &given)
        .map_err(|error| CommandError::incomplete(error.to_string()))?;
    Ok(edited(place, Box::new(host)))
}

/// Reads the deployments of the host: one, or those of a repository. Problems found before that
/// belong to the first.
pub(super) fn deployments(place: &WhereArguments, sources: &Sources) -> Vec<Deployment> {
    let mut read: Vec<Deployment> =
        requests(place).iter().map(|request| facts::read(sources, request)).collect();
    if let Some(first) = read.first_mut() {
        first.problems.splice(0..0, beforehand(place));
    }
    read
}

/// Problems found before anything was read.
pub(super) fn beforehand(place: &WhereArguments) -> Vec<Problem> {
    if let Some(capture) = &place.replayed {
        return capture.asked.problems.clone();
    }
    let found = place.found.iter().flat_map(|found| &found.survey.problems);
    found.chain(&place.unlisted).cloned().collect()
}

/// The requests, each read together: one for each deployment of a repository, or a single one for
/// everything else.
pub(super) fn requests(place: &WhereArguments) -> Vec<Request> {
    if let Some(capture) = &place.replayed {
        let named = |request: &Request| match place.apps.is_empty() {
            true => request.clone(),
            false => Request { apps: place.apps.clone(), ..request.clone() },
        };
        return capture.asked.requests.iter().map(named).collect();
    }
    let Some(found) = &place.found else { return vec![request(place)] };
    let requests = found.survey.sites.iter().map(|given| files(place, given.clone()));
    let requests: Vec<Request> = requests.collect();
    if requests.is_empty() { vec![request(place)] } else { requests }
}

fn files(place: &WhereArguments, given: Given) -> Request {
    let database_revision = place.db_revision.clone();
    Request { apps: place.apps.clone(), scope: Scope::Files(given), database_revision }
}

/// The request that the options describe.
pub(super) fn request(place: &WhereArguments) -> Request {
    if place.replayed.is_some()
        && let Some(first) = requests(place).into_iter().next()
    {
        return first;
    }
    if let Some(found) = &place.found {
        return files(place, found.survey.sites.first().cloned().unwrap_or_default());
    }
    let scope = if place.root.is_some() {
        Scope::Root
    } else if given_paths(place).is_empty() {
        Scope::Live
    } else {
        Scope::Files(Given {
            units: place.unit.clone(),
            nginx: place.nginx.clone(),
            env_files: place.env_file.clone(),
            app_dir: place.app_dir.clone(),
            gunicorn_conf: place.gunicorn_conf.clone(),
            requirements: place.requirements.clone(),
            venv: place.venv.clone(),
            each: place.each.clone(),
            ..Given::default()
        })
    };
    Request { apps: place.apps.clone(), scope, database_revision: place.db_revision.clone() }
}

/// Where the facts came from, for the heading of a report.
pub(super) fn source_info(place: &WhereArguments) -> SourceInfo {
    if let Some(capture) = &place.replayed {
        let (host, time) = (capture.taken.host.clone(), capture.taken.time.clone());
        return SourceInfo { mode: "capture", host, time, options: options(place) };
    }
    let (mode, host) = if let Some(root) = &place.root {
        ("root", root.display().to_string())
    } else {
        let found = place.found.iter().flat_map(|found| found.directories.clone());
        let given: Vec<PathBuf> = found.chain(given_paths(place)).collect();
        if let Some(repository) = place.repository.as_ref().filter(|_| place.found.is_none()) {
            ("files", repository.display().to_string())
        } else if given.is_empty() {
            ("live", hostname())
        } else {
            let names: Vec<_> = given.iter().map(|path| path.display().to_string()).collect();
            ("files", names.join(" "))
        }
    };
    let time = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    SourceInfo { mode, host, time, options: options(place) }
}

/// A path as an argument of a command line: one that begins with `-` would be an option.
pub(super) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    if text.starts_with('-') { format!("./{text}") } else { text }
}

/// The options that select the same place again.
pub(super) fn options(place: &WhereArguments) -> Vec<String> {
    if let Some(capture) = &place.capture {
        return vec!["--capture".to_owned(), word(capture)];
    }
    if let Some(found) = &place.found {
        return found.directories.iter().map(|path| word(path)).collect();
    }
    if let Some(repository) = &place.repository {
        return vec![word(repository)];
    }
    let many = |name: &str, paths: &[PathBuf]| -> Vec<String> {
        let pair = |path: &PathBuf| [name.to_owned(), word(path)];
        paths.iter().flat_map(pair).collect()
    };
    let one = |name: &str, path: &Option<PathBuf>| many(name, path.as_slice());
    [
        one("--root", &place.root),
        many("--unit", &place.unit),
        many("--nginx", &place.nginx),
        many("--env-file", &place.env_file),
        one("--app-dir", &place.app_dir),
        one("--gunicorn-conf", &place.gunicorn_conf),
        one("--requirements", &place.requirements),
        one("--venv", &place.venv),
    ]
    .concat()
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

pub(super) fn given_paths(place: &WhereArguments) -> Vec<PathBuf> {
    let of_each = place.each.iter().flat_map(|given| {
        let single = [&given.app_dir, &given.gunicorn_conf, &given.requirements, &given.venv];
        given.env_files.iter().chain(single.into_iter().flatten())
    });
    let single = [&place.app_dir, &place.gunicorn_conf, &place.requirements, &place.venv];
    place
        .unit
        .iter()
        .chain(&place.nginx)
        .chain(&place.env_file)
        .chain(single.into_iter().flatten())
        .chain(of_each)
        .map(|path| Path::new(path).to_path_buf())
        .collect()
}
