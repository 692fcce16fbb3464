//! gunicorn as this application runs it: how it is started, its version, its settings, where it
//! listens.

mod bounds;
mod config;
mod installation;
mod launched;
mod logging;
mod low_port;
mod managed_venv;
mod named_file;
mod paths;
mod watched;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::config::ConfigReader;
use super::discovery::Candidate;
use super::endpoint::Bound;
use super::environment::{SetVariable, as_lookup};
use super::gunicorn::{Inputs, Launch, Settings, config_choice};
use super::place::tidy;
use super::written::Writings;
use super::{Given, Known, Machine, Origin, Place, Problem, Whose, Why};
use crate::source::gunicorn::{ArgumentWord, Version};
use crate::source::python::PythonVersion;
use crate::source::python::evaluate::{ConfigFile, OwnEnvironment};
use crate::source::venv::Venv;
use crate::source::{FileId, Secret, SourceFile, Sources, Span};

pub use config::ConfigSource;
pub use installation::{Installed, Interpreter};
pub use launched::{Launched, launch};
pub use logging::{LogConfig, LoggingFault, opened_by};
pub use low_port::LowPort;
pub use paths::{Writer, Writes, WrittenPath, of_application};
pub use watched::WatchedFile;

/// The file of words that are in none.
const NOWHERE: FileId = FileId(u32::MAX);

/// gunicorn as this application runs it.
pub struct Gunicorn {
    /// How it is started; unknown where that could not be seen through.
    pub launch: Known<Launch>,
    /// The file in which the word that starts gunicorn is: the unit's, or a script.
    pub started_in: Option<Arc<SourceFile>>,
    /// The gunicorn program, where its path is known.
    pub program: Option<Place>,
    /// The Python that runs it, where that is named.
    pub interpreter: Option<Interpreter>,
    /// The virtual environment that it belongs to.
    pub venv: Known<Venv>,
    /// Its Python.
    pub python: Known<(u8, u8)>,
    /// GUNICORN_CMD_ARGS as gunicorn sees it.
    pub cmd_args: Known<Option<Secret>>,
    /// The installed version.
    pub version: Known<Version>,
    /// When it was installed, and its environment made; not known where the file system does not say.
    pub installed: Option<Installed>,
    /// The configuration file; `None` if there is none.
    pub config: Known<Option<ConfigSource>>,
    /// Its settings.
    pub settings: Settings,
    /// What the configuration file, or a hook in it, does to the environment.
    pub own_environment: OwnEnvironment,
    /// The paths that it writes to before it serves.
    pub paths: Vec<WrittenPath>,
    /// The file of `--log-config`, if gunicorn uses it.
    pub log_config: Option<LogConfig>,
    /// The files that it is meant to watch.
    pub watched: Vec<WatchedFile>,
    /// Where it listens.
    pub bounds: Known<Vec<Bound>>,
    /// A port that it listens on, if that takes a privilege on most hosts.
    pub low_port: Option<LowPort>,
    /// Where it would listen if it were started without the sockets of `.socket` units.
    pub own_bounds: Known<Vec<Bound>>,
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
        Launched::Other(what) => Known::Unknown(Why::not_there(what.clone())),
        Launched::Unknown(why) => Known::Unknown(Why::not_understood(why.clone())),
    };
    let program = installation::program(sources, machine, candidate, launch.ok());
    let interpreter =
        installation::interpreter(sources, machine, candidate, launch.ok(), program.as_ref());
    let venv = installation::find_venv(sources, given, candidate, launch.ok(), program.as_ref());
    let venv = installation::read_venv(sources, venv, given, problems);
    let python = installation::python_of(&venv);
    let version = match installation::version(&venv) {
        // A repository has no environment; what it pins is what will be installed.
        Known::Unknown(why) if !machine.whole && venv.ok().is_none() => {
            installation::pinned(sources, given).unwrap_or(Known::Unknown(why))
        }
        version => version,
    };
    let installed = installation::installed(sources, &venv);
    let arguments: &[ArgumentWord] = launch.ok().map_or(&[], |launch| &launch.arguments);
    let environment = &candidate.environment;
    let seen = |name: &str| environment.seen_by_gunicorn(launch.ok(), name);
    // Few set this variable, nobody keeps it in a file of secrets, and the report says what was taken.
    let (cmd_args, assumed) =
        environment.seen_here(machine.whole, launch.ok(), "GUNICORN_CMD_ARGS");
    if assumed.is_some() {
        problems.extend(environment.files_elsewhere().map(taken_as_unset));
    }
    let cmd_args = match cmd_args {
        Ok(Some(SetVariable { value, span })) => {
            Known::at(Some(value), span.map(Origin::text), "the environment")
        }
        Ok(None) => Known::Default(None, Whose::GUNICORN),
        Err(why) => Known::Unknown(why),
    };
    let working_directory = working_directory(sources, machine, candidate, launch.ok());
    let lookup = |name: &str| as_lookup(seen(name));
    let own_cmd_args = cmd_args.clone();
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
        cmd_args: if unlaunched {
            Known::Unknown(Why::not_understood("ExecStart= is not known"))
        } else {
            cmd_args
        },
        variable: &lookup,
        variable_origin: &|name| Some(Origin::text(seen(name).ok()??.span?)),
        variable_written: &|name| writings.variable(name).ok(),
        cmd_args_written: writings.cmd_args(),
        config: content,
        working_directory,
    });
    let paths = paths::read(sources, machine, &settings, &evaluated);
    let log_config = logging::configuration(sources, machine, &settings, &evaluated);
    let watched = watched::read(sources, machine, &settings);
    let bounds = bounds::bounds(&candidate.service, &settings, launch.ok());
    let own_bounds = bounds::own(&settings);
    let low_port = low_port::read(sources, &bounds);
    let word = launch.ok().and_then(|l| l.gunicorn.as_ref().or(l.interpreter.as_ref()));
    let file = word.map(|word| word.span.file).filter(|file| *file != NOWHERE);
    let started_in = file.map(|file| sources.file(file));
    Gunicorn {
        launch,
        cmd_args: own_cmd_args,
        started_in,
        program,
        interpreter,
        venv,
        python,
        version,
        installed,
        config,
        settings,
        own_environment,
        paths,
        log_config,
        watched,
        bounds,
        own_bounds,
        low_port,
    }
}

/// Words on what a file would have to set to make gunicorn's settings others.
fn taken_as_unset(file: &Path) -> Problem {
    let message = "it is not among these files: the check assumes that it sets neither \
         GUNICORN_CMD_ARGS nor PYTHONPATH";
    Problem { note: true, ..Problem::new(file, message) }
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
            return Known::Unknown(Why::not_understood(
                "the directory that a shell changes to is not known",
            ));
        };
        // `cd` keeps the name with its links in PWD.
        return Known::Value(tidy(&start.path.join(text)), Origin::text(word.span));
    }
    match candidate.environment.seen_by_gunicorn(launch, "PWD") {
        Ok(Some(SetVariable { value, span })) => {
            let pwd = value.expose_str().map(PathBuf::from).filter(|path| path.is_absolute());
            if let Some(pwd) = pwd
                && sources.host().look(&pwd).resolved == start.resolved
            {
                return Known::at(pwd, span.map(Origin::text), "the environment");
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
