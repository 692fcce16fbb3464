//! Where gunicorn is installed: its program, its virtual environment, its version.

use std::path::{Path, PathBuf};

use super::super::discovery::Candidate;
use super::super::gunicorn::Launch;
use super::super::place::tidy;
use super::super::{Given, Known, Machine, Origin, Place, Problem, Why};
use super::managed_venv;
use crate::host::{HostErrorKind, Outcome};
use crate::source::Sources;
use crate::source::gunicorn::{ArgumentWord, Version};
use crate::source::requirements;
use crate::source::venv::{self, Venv};

/// The file behind the gunicorn program, where its path is absolute or relative to the working
/// directory of a shell.
pub(super) fn program(
    sources: &Sources,
    machine: &Machine,
    candidate: &Candidate,
    launch: Option<&Launch>,
) -> Option<Place> {
    let launch = launch?;
    let word = launch.gunicorn.as_ref()?;
    // systemd itself looks for the bare name: ExecSearchPath=, or a path of its own.
    if launch.wrappers.is_empty() && !word.value()?.contains('/') {
        return candidate.service.exec_start.last()?.executable.place.clone();
    }
    let path = absolute(candidate, launch, word.value()?)?;
    Some(Place::look(sources.host(), &path, machine.owners_known))
}

/// A path as the started program sees it; nothing for a bare name, which PATH decides.
pub(super) fn absolute(candidate: &Candidate, launch: &Launch, text: &str) -> Option<PathBuf> {
    if text.starts_with('/') {
        return Some(PathBuf::from(text));
    }
    if !text.contains('/') {
        return None;
    }
    let start = candidate.service.working_directory.ok()?.as_ref()?.path.clone();
    let base = match &launch.working_directory {
        Some(word) => tidy(&start.join(word.value()?)),
        None => start,
    };
    Some(tidy(&base.join(text)))
}

/// The directory, usually `bin` of a virtual environment, whose Python runs gunicorn: of the one
/// that is named on the command line, else of the one in the program's `#!` line. Which packages
/// are seen depends on this, and not on where the program is.
pub(super) fn interpreter(
    sources: &Sources,
    machine: &Machine,
    candidate: &Candidate,
    launch: Option<&Launch>,
    program: Option<&Place>,
) -> Option<Interpreter> {
    let look = |path: &Path| Place::look(sources.host(), path, machine.owners_known);
    let named =
        |path: &Path| Some(Interpreter { place: look(path), directory: look(path.parent()?) });
    let launch = launch?;
    if let Some(word) = &launch.interpreter {
        return named(&absolute(candidate, launch, word.value()?)?);
    }
    let program = program?;
    let file = sources.load(&program.resolved).ok()?;
    let line = venv::shebang(&file.bytes)?;
    match line.beside_script {
        true => named(&program.resolved.parent()?.join(&line.interpreter)),
        false => line.interpreter.is_absolute().then(|| named(&line.interpreter)).flatten(),
    }
}

/// The Python that runs gunicorn.
#[derive(Debug, Clone)]
pub struct Interpreter {
    /// The program, as it is named.
    pub place: Place,
    /// The directory that it is named in: the environment's, also where the program is a link.
    pub directory: Place,
}

/// `bin/gunicorn` or the interpreter is in the environment; else the `#!` line says.
pub(super) fn find_venv(
    sources: &Sources,
    given: &Given,
    candidate: &Candidate,
    launch: Option<&Launch>,
    program: Option<&Place>,
) -> Known<PathBuf> {
    if let Some(path) = &given.venv {
        return Known::Value(path.clone(), Origin::Option("--venv"));
    }
    let Some(launch) = launch else {
        return Known::Unknown(Why::not_understood("ExecStart= is not known"));
    };
    let mut tools = Vec::new();
    if let Some(place) = program {
        tools.push(place.path.clone());
    }
    if let Some(path) = launch.interpreter.as_ref().and_then(ArgumentWord::value)
        && path.starts_with('/')
    {
        tools.push(PathBuf::from(path));
    }
    // `. venv/bin/activate`
    for file in &launch.sourced {
        if let Some(path) = file.value()
            && path.starts_with('/')
            && path.ends_with("/bin/activate")
        {
            tools.push(PathBuf::from(path));
        }
    }
    for tool in &tools {
        if let Some(venv) = venv_of(sources, tool) {
            return venv;
        }
        let Ok(file) = sources.load(tool) else { continue };
        let interpreter = venv::shebang(&file.bytes).map(|shebang| shebang.interpreter);
        if let Some(venv) = interpreter.and_then(|path| venv_of(sources, &path)) {
            return venv;
        }
    }
    if let Some(venv) = managed_venv::find(sources, candidate, launch) {
        return venv;
    }
    Known::Unknown(Why::not_there("no virtual environment was found"))
}

/// The directory above `bin/` where it has a `pyvenv.cfg`.
fn venv_of(sources: &Sources, tool: &Path) -> Option<Known<PathBuf>> {
    let bin = tool.parent()?;
    if bin.file_name()? != "bin" {
        return None;
    }
    let venv = bin.parent()?;
    let lookup = sources.host().look(&venv.join("pyvenv.cfg"));
    match lookup.outcome {
        Outcome::Present(_) => {
            Some(Known::Value(venv.to_path_buf(), Origin::Path(venv.join("pyvenv.cfg"))))
        }
        // Reading it says what is wrong.
        Outcome::Failed(_) => Some(Known::Observed(venv.to_path_buf(), "the file system")),
        Outcome::Missing { .. } => None,
    }
}

pub(super) fn read_venv(
    sources: &Sources,
    path: Known<PathBuf>,
    given: &Given,
    problems: &mut Vec<Problem>,
) -> Known<Venv> {
    let (path, origin) = match path {
        Known::Unknown(why) => return Known::Unknown(why),
        Known::Value(path, origin) => (path, origin),
        Known::Default(path, _) | Known::Observed(path, _) => (path.clone(), Origin::Path(path)),
    };
    // Without it it cannot be said which packages are seen; that it is missing is a rule's to say.
    if let Err(error) = sources.load(&path.join("pyvenv.cfg"))
        && !matches!(
            error.kind,
            HostErrorKind::NotFound
                | HostErrorKind::NotGiven
                | HostErrorKind::NotMounted
                | HostErrorKind::NotADirectory
        )
    {
        problems.push(Problem::unreadable(&error));
    }
    match venv::read(sources.host(), sources, &path) {
        Ok(venv) => Known::Value(venv, origin),
        Err(error) => {
            let absent = matches!(
                error.kind,
                HostErrorKind::NotFound
                    | HostErrorKind::NotGiven
                    | HostErrorKind::NotMounted
                    | HostErrorKind::NotADirectory
            );
            if given.venv.is_some() || !absent {
                problems.push(Problem::unreadable(&error));
            }
            let why = format!("the venv {error}");
            Known::Unknown(match error.kind {
                HostErrorKind::NotFound | HostErrorKind::NotADirectory => Why::not_there(why),
                _ => Why::not_read(why),
            })
        }
    }
}

pub(super) fn python_of(venv: &Known<Venv>) -> Known<(u8, u8)> {
    match venv {
        Known::Value(read, origin) => match venv::python_version(read) {
            Some(version) => Known::Value(version, origin.clone()),
            None => Known::Unknown(Why::not_understood("the venv's Python is not known")),
        },
        Known::Default(..) | Known::Observed(..) => {
            Known::Unknown(Why::not_understood("the venv's Python is not known"))
        }
        Known::Unknown(why) => Known::Unknown(why.clone()),
    }
}

/// From the directory's name `gunicorn-23.0.0.dist-info`.
pub(super) fn version(venv: &Known<Venv>) -> Known<Version> {
    let venv = match venv.get() {
        Ok(venv) => venv,
        Err(why) => return Known::Unknown(why),
    };
    let mut found = venv.find("gunicorn");
    let Some(distribution) = found.next() else {
        return Known::Unknown(Why::not_there(format!(
            "gunicorn is not installed in {}",
            venv.path.display()
        )));
    };
    if found.next().is_some() {
        return Known::Unknown(Why::not_understood("gunicorn is installed twice"));
    }
    let version =
        distribution.version.as_ref().and_then(|version| Version::parse(&version.to_string()));
    match version {
        Some(version) => Known::Value(version, Origin::Path(distribution.path.clone())),
        None => Known::Unknown(Why::depends("gunicorn's version is not known")),
    }
}

/// The one version that the list of packages allows, where it allows one on every machine.
pub(super) fn pinned(sources: &Sources, given: &Given) -> Option<Known<Version>> {
    let path = match (&given.requirements, &given.app_dir) {
        (Some(path), _) => path.clone(),
        (None, Some(directory)) => requirements::find(sources.host(), directory).ok()??,
        (None, None) => return None,
    };
    let list = requirements::read(sources, &path).ok()?;
    let mut named = list.requirements.iter().filter(|one| one.name.as_deref() == Some("gunicorn"));
    let one = named.next().filter(|_| named.next().is_none())?;
    let version = Version::parse(&one.pinned()?.to_string())?;
    Some(Known::Value(version, Origin::text(one.span)))
}

/// When an environment was made, and gunicorn installed in it; seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    /// The last change of `pyvenv.cfg`, which is written once.
    pub environment: i64,
    /// The last change of gunicorn's `*.dist-info`, which each installation makes new.
    pub gunicorn: i64,
}

/// From the times of what an installation writes. `None` if gunicorn is there twice.
pub(super) fn installed(sources: &Sources, venv: &Known<Venv>) -> Option<Installed> {
    let venv = venv.ok()?;
    let mut found = venv.find("gunicorn");
    let distribution = found.next().filter(|_| found.next().is_none())?;
    let changed = |path: &Path| Some(sources.host().look(path).metadata()?.mtime);
    Some(Installed {
        environment: changed(&venv.path.join("pyvenv.cfg"))?,
        gunicorn: changed(&distribution.path)?,
    })
}
