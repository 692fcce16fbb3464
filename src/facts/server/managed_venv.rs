//! The virtual environment that `uv run`, `poetry run`, `pipenv run` and `pdm run` use.
//!
//! uv: `UV_PROJECT_ENVIRONMENT`, else `.venv` next to the nearest `pyproject.toml` upward. Poetry,
//! Pipenv and PDM: an active `VIRTUAL_ENV` first, then `.venv` in the project; environments that
//! they keep in a user's home are named by a hash and are not searched for, and neither are
//! Hatch's.

use std::path::{Path, PathBuf};

use super::super::discovery::Candidate;
use super::super::environment::SetVariable;
use super::super::gunicorn::{Launch, WrapperKind};
use super::super::place::tidy;
use super::super::{Known, Origin, Why};
use crate::host::Outcome;
use crate::source::Sources;

/// How far up a project is looked for.
const UPWARD: usize = 16;

/// The environment, where such a program starts gunicorn; `None` if none does.
pub(super) fn find(
    sources: &Sources,
    candidate: &Candidate,
    launch: &Launch,
) -> Option<Known<PathBuf>> {
    let (wrapper, name) = launch.wrappers.iter().rev().find_map(|wrapper| {
        let name = match &wrapper.kind {
            WrapperKind::UvRun => "uv",
            WrapperKind::PoetryRun => "poetry",
            WrapperKind::PipenvRun => "pipenv",
            WrapperKind::Other(name) if ["pdm", "hatch", "rye"].contains(&name.as_str()) => {
                name.as_str()
            }
            _ => return None,
        };
        Some((wrapper, name))
    })?;
    let origin = Origin::text(wrapper.span);
    if name == "hatch" {
        return Some(Known::Unknown(Why::depends("hatch keeps its environments in a user's home")));
    }
    if names_project(candidate) {
        return Some(Known::Unknown(Why::depends(format!(
            "an option gives {name} another project"
        ))));
    }
    let key = if name == "uv" { "UV_PROJECT_ENVIRONMENT" } else { "VIRTUAL_ENV" };
    let base = start(candidate, launch);
    match candidate.environment.seen_by_gunicorn(Some(launch), key) {
        Ok(Some(SetVariable { value, .. })) => {
            let text = value.expose_str().map(Path::new);
            let path = text.filter(|path| path.is_absolute()).map(tidy);
            // Only the name of the variable is reported, never what it holds.
            return Some(match path {
                Some(path) => Known::Value(path, origin),
                None => Known::Unknown(Why::not_understood(format!(
                    "{key} is not an absolute \
                     path"
                ))),
            });
        }
        Ok(None) => {}
        // A file that was not read might set it, but nobody does that, so the existing environment
        // is used.
        Err(why) if candidate.environment.variables.contains_key(key) => {
            return Some(Known::Unknown(why));
        }
        Err(_) => {}
    }
    let Some(base) = base else {
        return Some(Known::Unknown(Why::not_understood(
            "the directory of the project is not known",
        )));
    };
    let there = |path: &Path| matches!(sources.host().look(path).outcome, Outcome::Present(_));
    for directory in base.ancestors().take(UPWARD) {
        let venv = directory.join(".venv");
        if there(&venv.join("pyvenv.cfg")) {
            return Some(Known::Value(venv, origin));
        }
        // The project ends here.
        if ["pyproject.toml", "Pipfile", "uv.lock"].iter().any(|file| there(&directory.join(file)))
        {
            break;
        }
    }
    Some(Known::Unknown(Why::not_read(format!(
        "the environment that {name} run uses was not found"
    ))))
}

fn start(candidate: &Candidate, launch: &Launch) -> Option<PathBuf> {
    let start = candidate.service.working_directory.ok()?.as_ref()?.path.clone();
    match &launch.working_directory {
        Some(word) => Some(tidy(&start.join(word.value()?))),
        None => Some(start),
    }
}

/// `--project`, `--directory` and the like before gunicorn.
fn names_project(candidate: &Candidate) -> bool {
    const OPTIONS: [&str; 6] = ["--project", "--directory", "-C", "-P", "--with", "--isolated"];
    let Some(command) = candidate.service.exec_start.last() else { return false };
    let words = command.line.arguments.iter().map(|word| word.text.as_str());
    words.take_while(|word| !word.ends_with("gunicorn")).any(|word| {
        OPTIONS.iter().any(|option| {
            word == *option || word.strip_prefix(option).is_some_and(|rest| rest.starts_with('='))
        })
    })
}
