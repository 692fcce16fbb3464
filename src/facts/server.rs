//! gunicorn as this application runs it: how it is started, its version, its settings, where it
//! listens.

mod bounds;
mod config;
mod installation;
mod launched;
mod logging;
mod managed_venv;
mod paths;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::config::ConfigReader;
use super::discovery::Candidate;
use super::endpoint::Bound;
use super::gunicorn::{Inputs, Launch, Settings, config_choice};
use super::place::tidy;
use super::written::Writings;
use super::{Environment, Given, Known, Machine, Origin, Place, Problem, Whose, Why};
use crate::source::gunicorn::{ArgumentWord, Version};
use crate::source::python::evaluate::{ConfigFile, OwnEnvironment, OwnVariable};
use crate::source::python::{Lookup, PythonVersion};
use crate::source::unit::VariableValue;
use crate::source::venv::Venv;
use crate::source::{FileId, Secret, SourceFile, Sources, Span};

pub use config::ConfigSource;
pub use launched::{Launched, launch};
pub use paths::{Writes, WrittenPath};

/// The file of words that stand in none.
const NOWHERE: FileId = FileId(u32::MAX);

/// gunicorn as this application runs it.
pub struct Gunicorn {
    /// How it is started; unknown where that could not be seen through.
    pub launch: Known<Launch>,
    /// The file in which the word that starts gunicorn stands: the unit's, or a script.
    pub started_in: Option<Arc<SourceFile>>,
    /// The gunicorn program, where its path is known.
    pub program: Option<Place>,
    /// The virtual environment that it belongs to.
    pub venv: Known<Venv>,
    /// Its Python.
    pub python: Known<(u8, u8)>,
    /// GUNICORN_CMD_ARGS as gunicorn sees it.
    pub cmd_args: Known<Option<Secret>>,
    /// The installed version.
    pub version: Known<Version>,
    /// The configuration file; none where there is none.
    pub config: Known<Option<ConfigSource>>,
    /// Its settings.
    pub settings: Settings,
    /// What the configuration file, or a hook in it, does to the environment.
    pub own_environment: OwnEnvironment,
    /// The paths that it writes to before it serves.
    pub paths: Vec<WrittenPath>,
    /// Where it listens.
    pub bounds: Known<Vec<Bound>>,
}

impl std::fmt::Debug for Gunicorn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gunicorn").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Gunicorn {
    /// How many workers it starts.
    pub fn workers(&self) -> Known<i64> {
        self.settings.workers()
    }

    /// The word that starts gunicorn: its program, or the interpreter of `python -m gunicorn`.
    pub fn started_at(&self) -> Option<Span> {
        let launch = self.launch.ok()?;
        let word = launch.gunicorn.as_ref().or(launch.interpreter.as_ref());
        word.map(|word| word.span).or_else(|| self.launch.span())
    }

    /// A variable as gunicorn sees it: set on the way to it, or by the unit.
    pub fn variable<'a>(
        &'a self,
        candidate: &'a Candidate,
        name: &str,
    ) -> Result<Option<&'a Secret>, Why> {
        variable(self.launch.ok(), &candidate.environment, name)
    }
}

/// A variable as the application in a worker sees it.
#[derive(Debug, Clone)]
pub struct WorkerVariable {
    /// Its value.
    pub value: Secret,
    /// Where it is set.
    pub span: Option<Span>,
}

impl Gunicorn {
    /// A variable as the application sees it: by gunicorn's `raw_env`, set on the way to gunicorn,
    /// or by the unit and its files.
    pub fn worker_variable(
        &self,
        environment: &Environment,
        name: &str,
    ) -> Result<Option<WorkerVariable>, Why> {
        self.launch.get()?;
        let raw = self.settings.raw_env();
        if let Some((_, value)) = raw.get()?.iter().rev().find(|(set, _)| set == name) {
            return Ok(Some(WorkerVariable { value: value.clone(), span: raw.span() }));
        }
        let started_with = variable(self.launch.ok(), environment, name);
        let set = matches!(started_with, Ok(Some(_)));
        if let Some(changed) = changed_by_config(&self.own_environment, name, set) {
            return changed;
        }
        let Some(value) = started_with? else { return Ok(None) };
        let on_the_way = self
            .launch
            .ok()
            .and_then(|launch| launch.environment.iter().rev().find(|(set, ..)| set == name))
            .map(|(_, _, span)| *span);
        let span = on_the_way
            .or_else(|| environment.variables.get(name).and_then(|variable| variable.span));
        Ok(Some(WorkerVariable { value: value.clone(), span }))
    }
}

/// A variable that gunicorn's configuration file, or a hook in it, changes before the application
/// is loaded; nothing where it leaves it alone.
fn changed_by_config(
    own: &OwnEnvironment,
    name: &str,
    set: bool,
) -> Option<Result<Option<WorkerVariable>, Why>> {
    match own.variables.get(name) {
        Some(OwnVariable::Set(value)) => {
            return Some(Ok(Some(WorkerVariable { value: value.clone(), span: None })));
        }
        Some(OwnVariable::Removed) => {
            let why = "gunicorn's configuration file takes it out of the environment";
            return Some(Err(Why::new(why)));
        }
        Some(OwnVariable::Unknown(why)) => return Some(Err(in_config(why))),
        None => {}
    }
    let open = own.changes.as_ref().or(own.fills.as_ref().filter(|_| !set));
    open.map(|why| Err(in_config(why)))
}

fn in_config(why: &str) -> Why {
    Why::new(why).about("gunicorn's configuration")
}

/// A variable as gunicorn sees it.
fn variable<'a>(
    launch: Option<&'a Launch>,
    environment: &'a Environment,
    name: &str,
) -> Result<Option<&'a Secret>, Why> {
    if let Some(launch) = launch {
        if let Some((_, value, _)) = launch.environment.iter().rev().find(|(n, _, _)| n == name) {
            return Ok(Some(value));
        }
        let unknown = launch.environment_unknown.iter().find(|(n, _, _)| n == name);
        if let Some((_, why, _)) = unknown {
            return Err(Why::new(why.clone()));
        }
        if let Some(file) = launch.sourced.first() {
            let name = file.value().unwrap_or("a file");
            // A virtual environment's own script sets nothing that matters here.
            if !name.ends_with("bin/activate") {
                return Err(Why::new(format!("{name} is sourced and may set it")));
            }
        }
        if launch.cleared || launch.unset.iter().any(|unset| unset == name) {
            return Ok(None);
        }
    }
    match environment.lookup(name) {
        VariableValue::Set(value) => Ok(Some(value)),
        VariableValue::Unset => Ok(None),
        VariableValue::NotKnown(why) => Err(Why::new(why)),
    }
}

fn as_lookup(value: Result<Option<&Secret>, Why>) -> Lookup {
    match value {
        Ok(Some(value)) => Lookup::Set(value.clone()),
        Ok(None) => Lookup::Unset,
        Err(why) => Lookup::Unknown(why.text().to_owned()),
    }
}

/// Reads gunicorn's settings from all the places that they come from.
pub fn read(
    sources: &Sources,
    machine: &Machine,
    candidate: &Candidate,
    given: &Given,
    problems: &mut Vec<Problem>,
) -> Gunicorn {
    let launch = match &candidate.launched {
        Launched::Gunicorn(launch) => {
            let origin = candidate.service.exec_start.last().map(|command| command.line.span);
            Known::at((**launch).clone(), origin.map(Origin::text), "the unit")
        }
        Launched::Other(what) => Known::unknown(what.clone()),
        Launched::Unknown(why) => Known::unknown(why.clone()),
    };
    let program = installation::program(sources, machine, candidate, launch.ok());
    let venv = installation::find_venv(sources, given, candidate, launch.ok(), program.as_ref());
    let venv = installation::read_venv(sources, venv, given, problems);
    let python = installation::python_of(&venv);
    let version = installation::version(&venv);
    let arguments: &[ArgumentWord] = launch.ok().map_or(&[], |launch| &launch.arguments);
    let environment = &candidate.environment;
    let cmd_args = match variable(launch.ok(), environment, "GUNICORN_CMD_ARGS") {
        Ok(Some(value)) => {
            let origin = origin_of(launch.ok(), environment, "GUNICORN_CMD_ARGS");
            Known::at(Some(value.clone()), origin, "the environment")
        }
        Ok(None) => Known::Default(None, Whose::GUNICORN),
        Err(why) => Known::Unknown(why),
    };
    let working_directory = working_directory(sources, machine, candidate, launch.ok());
    let lookup = |name: &str| as_lookup(variable(launch.ok(), environment, name));
    let seen = cmd_args.clone();
    let reader = ConfigReader {
        sources,
        machine,
        given,
        lookup: &lookup,
        working_directory: working_directory.ok(),
        python: python
            .ok()
            .map_or(PythonVersion::new(3, 14), |(major, minor)| PythonVersion::new(*major, *minor)),
    };
    let choice = config_choice(&version, arguments, &cmd_args);
    let (config, content) = match &launch {
        Known::Unknown(why) => (Known::Unknown(why.clone()), Known::Unknown(why.clone())),
        _ => reader.read(&choice, problems),
    };
    let evaluated = content.clone();
    let unlaunched = launch.ok().is_none();
    let own = |content: &Option<ConfigFile>| content.as_ref().map(|c| c.environment.clone());
    let own_environment = content.ok().and_then(own).unwrap_or_default();
    let file = |content: &Option<ConfigSource>| content.as_ref()?.file.as_ref().map(|f| f.id);
    let writings = Writings {
        unit: &candidate.service.unit,
        environment,
        launch: launch.ok(),
        config: config.ok().and_then(file),
        bytes: &|span| (span.file != NOWHERE).then(|| sources.file(span.file).slice(span).to_vec()),
    };
    let settings = Settings::merge(&Inputs {
        version: version.clone(),
        arguments,
        cmd_args: if unlaunched { Known::unknown("ExecStart= is not known") } else { cmd_args },
        variable: &lookup,
        variable_origin: &|name| origin_of(launch.ok(), environment, name),
        variable_written: &|name| writings.variable(name).ok(),
        cmd_args_written: writings.cmd_args(),
        config: content,
        working_directory,
    });
    let paths = paths::read(sources, machine, &settings, &evaluated);
    let bounds = bounds::bounds(&candidate.service, &settings, launch.ok());
    let word = launch.ok().and_then(|l| l.gunicorn.as_ref().or(l.interpreter.as_ref()));
    let file = word.map(|word| word.span.file).filter(|file| *file != NOWHERE);
    let started_in = file.map(|file| sources.file(file));
    let cmd_args = seen;
    Gunicorn {
        launch,
        cmd_args,
        started_in,
        program,
        venv,
        python,
        version,
        config,
        settings,
        own_environment,
        paths,
        bounds,
    }
}

fn origin_of(launch: Option<&Launch>, environment: &Environment, name: &str) -> Option<Origin> {
    let own = launch.and_then(|launch| {
        launch.environment.iter().rev().find(|(n, _, _)| n == name).map(|(_, _, span)| *span)
    });
    own.or_else(|| environment.variables.get(name).and_then(|v| v.span)).map(Origin::text)
}

/// The working directory as gunicorn sees it: `$PWD` where that leads to the same directory (a
/// shell's `cd` sets it, systemd does not), else as the kernel resolves it.
fn working_directory(
    sources: &Sources,
    machine: &Machine,
    candidate: &Candidate,
    launch: Option<&Launch>,
) -> Known<PathBuf> {
    let (start, origin) = match &candidate.service.working_directory {
        Known::Unknown(why) => return Known::Unknown(why.clone()),
        Known::Value(Some(place), origin) => (place.clone(), Some(origin.clone())),
        _ => (Place::look(sources.host(), Path::new("/"), machine.owners_known), None),
    };
    let known = |path: PathBuf| match &origin {
        Some(origin) => Known::Value(path, origin.clone()),
        None => Known::Default(path, Whose::SYSTEMD),
    };
    if let Some(word) = launch.and_then(|launch| launch.working_directory.as_ref()) {
        let Some(text) = word.value() else {
            return Known::unknown("the directory that a shell changes to is not known");
        };
        // `cd` keeps the name with its links in PWD.
        return Known::Value(tidy(&start.path.join(text)), Origin::text(word.span));
    }
    match variable(launch, &candidate.environment, "PWD") {
        Ok(Some(value)) => {
            let pwd = value.expose_str().map(PathBuf::from).filter(|path| path.is_absolute());
            if let Some(pwd) = pwd
                && sources.host().look(&pwd).resolved == start.resolved
            {
                let origin = origin_of(launch, &candidate.environment, "PWD");
                return Known::at(pwd, origin, "the environment");
            }
        }
        Ok(None) => {}
        // Whatever else is not known about the environment: a unit that sets PWD is rare, and
        // systemd itself does not.
        Err(_) => {}
    }
    if start.state.ok().is_none() {
        // Not read: its name is known, where its links lead is not.
        return known(start.path);
    }
    known(start.resolved)
}
