//! gunicorn as this application runs it: how it is started, its version, its settings, where it
//! listens.

use std::path::{Path, PathBuf};

use super::discovery::Candidate;
use super::endpoint::{Bound, Endpoint, TcpHost};
use super::gunicorn::launcher::{Script, Shell as LaunchShell};
use super::gunicorn::{
    ConfigChoice, Inputs, Launch, LaunchContext, NotLaunched, Settings, config_choice, see_through,
};
use super::machine::Shell;
use super::place::tidy;
use super::{Environment, Given, Known, Machine, Origin, Place, Problem, Service, Why};
use crate::host::{HostErrorKind, Outcome};
use crate::source::gunicorn::{ArgumentWord, BindAddress, Version};
use crate::source::python::evaluate::{self, ConfigFile, Surroundings};
use crate::source::python::{self, Lookup, PythonVersion};
use crate::source::unit::{Unit, VariableValue, expand};
use crate::source::venv::{self, Venv};
use crate::source::{Secret, Sources, Span, Text};

/// The largest script that is looked into, in bytes.
const SCRIPT_LIMIT: u64 = 256 << 10;

/// What a unit's ExecStart starts.
#[derive(Debug)]
pub enum Launched {
    /// gunicorn, and how.
    Gunicorn(Box<Launch>),
    /// Something else, named.
    Other(String),
    /// It cannot be told, and why.
    Unknown(String),
}

/// gunicorn's configuration file.
#[derive(Debug)]
pub struct ConfigSource {
    /// Its path.
    pub place: Place,
    /// Was it not named, but picked up from the working directory?
    pub implicit: bool,
    /// The word that names it.
    pub span: Option<Span>,
    /// Errors in its syntax, and what it raises when it is run.
    pub faults: Vec<(String, Span)>,
}

/// gunicorn as this application runs it.
pub struct Gunicorn {
    /// How it is started; unknown where that could not be seen through.
    pub launch: Known<Launch>,
    /// The gunicorn program, where its path is known.
    pub program: Option<Place>,
    /// The virtual environment that it belongs to.
    pub venv: Known<Venv>,
    /// Its Python.
    pub python: Known<(u8, u8)>,
    /// The installed version.
    pub version: Known<Version>,
    /// The configuration file; none where there is none.
    pub config: Known<Option<ConfigSource>>,
    /// Its settings.
    pub settings: Settings,
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
        let Some(value) = variable(self.launch.ok(), environment, name)? else { return Ok(None) };
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
        Err(why) => Lookup::Unknown(why.0),
    }
}

/// What ExecStart starts.
pub fn launch(
    sources: &Sources,
    machine: &Machine,
    service: &Service,
    environment: &Environment,
) -> Launched {
    let Some(command) = service.exec_start.last() else {
        return match service.unit.exec_faults.first() {
            Some((_, fault)) => Launched::Unknown(format!("ExecStart=: {fault}")),
            None if service.unit.is_refused() => {
                Launched::Unknown("systemd refuses the unit".to_owned())
            }
            None => Launched::Other("it has no ExecStart=".to_owned()),
        };
    };
    let words: Vec<ArgumentWord> = if command.line.prefixes.no_environment {
        let plain = expand(&command.line, |_| VariableValue::Unset);
        plain.into_iter().map(argument).collect()
    } else {
        expand(&command.line, |name| environment.lookup(name)).into_iter().map(argument).collect()
    };
    hide_assignments(sources, &words);
    let sh = match machine.shell.ok() {
        Some(Shell::Dash) => Some(LaunchShell::Dash),
        Some(Shell::Bash) => Some(LaunchShell::Bash),
        _ => None,
    };
    let context = LaunchContext {
        sh,
        variable: &|name| as_lookup(variable(None, environment, name)),
        script: &|path| script(sources, machine, service, path),
    };
    match see_through(&words, &context) {
        Ok(launch) => Launched::Gunicorn(Box::new(launch)),
        Err(NotLaunched::NotGunicorn) => {
            let program = command.line.program.text.as_str();
            Launched::Other(format!("it runs {program}"))
        }
        // What is done once is no server, whatever the script is called: a backup, a migration.
        Err(NotLaunched::Unknown(_)) if service.kind().ok().is_some_and(|k| k == "oneshot") => {
            let program = command.line.program.text.as_str();
            Launched::Other(format!("it runs {program} once, Type=oneshot"))
        }
        Err(NotLaunched::Unknown(why)) => Launched::Unknown(why),
    }
}

fn argument(word: crate::source::unit::ExpandedWord) -> ArgumentWord {
    ArgumentWord {
        text: word.text.unwrap_or(word.written),
        span: word.span,
        secret: word.secret,
        unknown: word.unknown,
        many: word.splits,
    }
}

/// `NAME=value` in a command line (`env A=b`, `--env A=b`, `A=b gunicorn` in a script): the value
/// is a variable's, and is not shown.
fn hide_assignments(sources: &Sources, words: &[ArgumentWord]) {
    for word in words {
        let text = word.text.as_str();
        for (at, _) in text.match_indices('=') {
            let before = &text[..at];
            let name = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next();
            let is_variable = name.is_some_and(|name| {
                name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
                    && !name.chars().any(|c| c.is_ascii_lowercase())
            });
            if !is_variable {
                continue;
            }
            let rest = &text[at + 1..];
            let whole = at + 1 + rest.len();
            // In a script other words follow; a word of its own is the value to its end.
            let is_script = text[..at].contains(char::is_whitespace);
            let end = match rest.find(char::is_whitespace) {
                Some(length) if is_script && !rest.starts_with(['"', '\'']) => at + 1 + length,
                Some(_) if is_script => closing_quote(text, at + 1),
                _ => whole,
            };
            sources.hide(word.text.span_of(at + 1..end));
        }
    }
}

fn closing_quote(text: &str, from: usize) -> usize {
    let quote = text.as_bytes().get(from).copied().unwrap_or(b' ');
    let rest = text.as_bytes().get(from + 1..).unwrap_or_default();
    match rest.iter().position(|byte| *byte == quote) {
        Some(length) => from + 1 + length + 1,
        None => text.len(),
    }
}

/// The text of a program that may be a script.
fn script(sources: &Sources, machine: &Machine, service: &Service, path: &str) -> Script {
    let base = service.working_directory.ok().and_then(Option::as_ref);
    let path = match base {
        _ if path.starts_with('/') => PathBuf::from(path),
        Some(base) => tidy(&base.path.join(path)),
        None => return Script::Unknown(format!("{path} was not read")),
    };
    let place = Place::look(sources.host(), &path, machine.owners_known);
    let Some(metadata) = place.metadata() else {
        return Script::Unknown(format!("{} was not read", path.display()));
    };
    if metadata.size > SCRIPT_LIMIT {
        return Script::Other;
    }
    match sources.load(&path) {
        Ok(file) if file.bytes.starts_with(b"#!") => match std::str::from_utf8(&file.bytes) {
            Ok(text) => Script::Text(Text::verbatim(file.id, text, 0)),
            Err(_) => Script::Unknown(format!("{} is not UTF-8", path.display())),
        },
        Ok(_) => Script::Other,
        Err(error) => Script::Unknown(error.to_string()),
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
            match origin {
                Some(span) => Known::Value((**launch).clone(), Origin::text(span)),
                None => Known::Default((**launch).clone()),
            }
        }
        Launched::Other(what) => Known::unknown(what.clone()),
        Launched::Unknown(why) => Known::unknown(why.clone()),
    };
    let program = program(sources, machine, candidate, launch.ok());
    let venv = find_venv(sources, given, launch.ok(), program.as_ref());
    let venv = read_venv(sources, venv, given, problems);
    let python = python_of(&venv);
    let version = version(&venv);
    let arguments: &[ArgumentWord] = launch.ok().map_or(&[], |launch| &launch.arguments);
    let environment = &candidate.environment;
    let cmd_args = match variable(launch.ok(), environment, "GUNICORN_CMD_ARGS") {
        Ok(Some(value)) => match origin_of(launch.ok(), environment, "GUNICORN_CMD_ARGS") {
            Some(origin) => Known::Value(Some(value.clone()), origin),
            None => Known::Default(Some(value.clone())),
        },
        Ok(None) => Known::Default(None),
        Err(why) => Known::Unknown(why),
    };
    let working_directory = working_directory(sources, machine, candidate, launch.ok());
    let lookup = |name: &str| as_lookup(variable(launch.ok(), environment, name));
    let reader = ConfigReader {
        sources,
        machine,
        given,
        lookup: &lookup,
        working_directory: working_directory.ok(),
    };
    let choice = config_choice(&version, arguments, &cmd_args);
    let (config, content) = match &launch {
        Known::Unknown(why) => (Known::Unknown(why.clone()), Known::Unknown(why.clone())),
        _ => reader.read(&choice, problems),
    };
    let unlaunched = launch.ok().is_none();
    let settings = Settings::merge(&Inputs {
        version: version.clone(),
        arguments,
        cmd_args: if unlaunched { Known::unknown("ExecStart= is not known") } else { cmd_args },
        variable: &lookup,
        variable_origin: &|name| origin_of(launch.ok(), environment, name),
        config: content,
        working_directory,
    });
    let bounds = bounds(&candidate.service, &settings, launch.ok());
    Gunicorn { launch, program, venv, python, version, config, settings, bounds }
}

fn origin_of(launch: Option<&Launch>, environment: &Environment, name: &str) -> Option<Origin> {
    let own = launch.and_then(|launch| {
        launch.environment.iter().rev().find(|(n, _, _)| n == name).map(|(_, _, span)| *span)
    });
    own.or_else(|| environment.variables.get(name).and_then(|v| v.span)).map(Origin::text)
}

/// The file behind the gunicorn program, where its path is absolute or relative to the working
/// directory of a shell.
fn program(
    sources: &Sources,
    machine: &Machine,
    candidate: &Candidate,
    launch: Option<&Launch>,
) -> Option<Place> {
    let word = launch?.gunicorn.as_ref()?;
    let path = absolute(candidate, launch?, word.value()?)?;
    Some(Place::look(sources.host(), &path, machine.owners_known))
}

/// A path as the started program sees it; nothing for a bare name, which PATH decides.
fn absolute(candidate: &Candidate, launch: &Launch, text: &str) -> Option<PathBuf> {
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

/// `bin/gunicorn` or the interpreter lies in the environment; else the `#!` line says.
fn find_venv(
    sources: &Sources,
    given: &Given,
    launch: Option<&Launch>,
    program: Option<&Place>,
) -> Known<PathBuf> {
    if let Some(path) = &given.venv {
        return Known::Value(path.clone(), Origin::Option("--venv"));
    }
    let Some(launch) = launch else { return Known::unknown("ExecStart= is not known") };
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
    Known::unknown("no virtual environment was found")
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
        Outcome::Failed(_) => Some(Known::Default(venv.to_path_buf())),
        Outcome::Missing { .. } => None,
    }
}

fn read_venv(
    sources: &Sources,
    path: Known<PathBuf>,
    given: &Given,
    problems: &mut Vec<Problem>,
) -> Known<Venv> {
    let (path, origin) = match path {
        Known::Unknown(why) => return Known::Unknown(why),
        Known::Value(path, origin) => (path, origin),
        Known::Default(path) => (path.clone(), Origin::Path(path)),
    };
    // Without it nobody can say which packages are seen; that it is missing is a rule's to say.
    if let Err(error) = sources.load(&path.join("pyvenv.cfg"))
        && !matches!(
            error.kind,
            HostErrorKind::NotFound | HostErrorKind::NotGiven | HostErrorKind::NotADirectory
        )
    {
        problems.push(Problem::unreadable(&error));
    }
    match venv::read(sources.host(), sources, &path) {
        Ok(venv) => Known::Value(venv, origin),
        Err(error) => {
            let absent = matches!(
                error.kind,
                HostErrorKind::NotFound | HostErrorKind::NotGiven | HostErrorKind::NotADirectory
            );
            if given.venv.is_some() || !absent {
                problems.push(Problem::unreadable(&error));
            }
            Known::unknown(format!("the venv {error}"))
        }
    }
}

fn python_of(venv: &Known<Venv>) -> Known<(u8, u8)> {
    match venv {
        Known::Value(read, origin) => match venv::python_version(read) {
            Some(version) => Known::Value(version, origin.clone()),
            None => Known::unknown("the venv's Python is not known"),
        },
        Known::Default(_) => Known::unknown("the venv's Python is not known"),
        Known::Unknown(why) => Known::Unknown(why.clone()),
    }
}

/// From the directory's name `gunicorn-23.0.0.dist-info`.
fn version(venv: &Known<Venv>) -> Known<Version> {
    let venv = match venv.get() {
        Ok(venv) => venv,
        Err(why) => return Known::Unknown(why),
    };
    let mut found = venv.find("gunicorn");
    let Some(distribution) = found.next() else {
        return Known::unknown(format!("gunicorn is not installed in {}", venv.path.display()));
    };
    if found.next().is_some() {
        return Known::unknown("gunicorn is installed twice");
    }
    let version =
        distribution.version.as_ref().and_then(|version| Version::parse(&version.to_string()));
    match version {
        Some(version) => Known::Value(version, Origin::Path(distribution.path.clone())),
        None => Known::unknown("gunicorn's version is not known"),
    }
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
        None => Known::Default(path),
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
                return match origin {
                    Some(origin) => Known::Value(pwd, origin),
                    None => Known::Default(pwd),
                };
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

struct ConfigReader<'a> {
    sources: &'a Sources<'a>,
    machine: &'a Machine,
    given: &'a Given,
    lookup: &'a dyn Fn(&str) -> Lookup,
    working_directory: Option<&'a PathBuf>,
}

impl ConfigReader<'_> {
    /// Reads the configuration file that the command line names, or `./gunicorn.conf.py`.
    fn read(
        &self,
        choice: &Known<ConfigChoice>,
        problems: &mut Vec<Problem>,
    ) -> (Known<Option<ConfigSource>>, Known<Option<ConfigFile>>) {
        let unknown = |why: Why| (Known::Unknown(why.clone()), Known::Unknown(why));
        let span = choice.span();
        let (path, implicit) = match (&self.given.gunicorn_conf, choice) {
            (Some(path), _) => (path.clone(), false),
            (None, Known::Unknown(why)) => return unknown(why.clone()),
            (None, Known::Value(choice, _) | Known::Default(choice)) => match choice {
                ConfigChoice::Module(module) => {
                    return unknown(Why::new(format!(
                        "the configuration is the module {module}, which is not read"
                    )));
                }
                ConfigChoice::File(text) if text.starts_with('/') => (PathBuf::from(text), false),
                ConfigChoice::File(text) => match self.working_directory {
                    Some(base) => (tidy(&base.join(text)), false),
                    None => return unknown(Why::new("the working directory is not known")),
                },
                ConfigChoice::Implicit => match (&self.given.app_dir, self.working_directory) {
                    (Some(directory), _) => (directory.join("gunicorn.conf.py"), true),
                    (None, Some(base)) => (base.join("gunicorn.conf.py"), true),
                    (None, None) => return unknown(Why::new("the working directory is not known")),
                },
            },
        };
        let place = Place::look(self.sources.host(), &path, self.machine.owners_known);
        let file = match self.sources.load(&path) {
            Ok(file) => file,
            Err(error) => {
                let missing = error.kind == HostErrorKind::NotFound;
                if implicit && missing {
                    return (Known::Default(None), Known::Default(None));
                }
                let not_given = error.kind == HostErrorKind::NotGiven;
                if self.given.gunicorn_conf.is_some() || !(missing || not_given) {
                    problems.push(Problem::unreadable(&error));
                }
                let why = Why::new(format!("gunicorn's configuration file {error}"));
                let source = ConfigSource { place, implicit, span, faults: Vec::new() };
                return (Known::Value(Some(source), Origin::Path(path)), Known::Unknown(why));
            }
        };
        // Its Python is the environment's; syntax that only some versions have is rare here.
        let module = python::parse(&file, PythonVersion::new(3, 13));
        let resolve = |path: &Path| {
            let lookup = self.sources.host().look(path);
            matches!(lookup.outcome, Outcome::Present(_)).then_some(lookup.resolved)
        };
        let content = evaluate::evaluate(
            &module,
            &Surroundings {
                variable: self.lookup,
                cpu_count: self.machine.processors.ok().copied(),
                working_directory: self.working_directory.cloned(),
                resolve: &resolve,
            },
        );
        let mut faults: Vec<(String, Span)> =
            module.faults().iter().map(|fault| (fault.message.clone(), fault.span)).collect();
        if let Some(raises) = &content.raises {
            faults.push((raises.message.clone(), raises.span));
        }
        for assignment in content.values.iter().filter(|a| a.name.value == "raw_env") {
            self.sources.hide(assignment.value_span);
        }
        let source = ConfigSource { place, implicit, span, faults };
        let origin = Origin::Path(path);
        (Known::Value(Some(source), origin.clone()), Known::Value(Some(content), origin))
    }
}

/// The sockets: those of `.socket` units, which make `bind` ignored, or gunicorn's own.
fn bounds(service: &Service, settings: &Settings, launch: Option<&Launch>) -> Known<Vec<Bound>> {
    if !service.sockets.is_empty() {
        return activated(&service.sockets, launch);
    }
    if let Err(why) = service.sockets_read() {
        return Known::Unknown(why);
    }
    let (binds, origin) = match settings.bind() {
        Known::Unknown(why) => return Known::Unknown(why),
        Known::Value(binds, origin) => (binds, Some(origin)),
        Known::Default(binds) => (binds, None),
    };
    let mut found = Vec::new();
    for bind in binds {
        let endpoint = match &bind.address {
            BindAddress::Unix(path) if path.starts_with('/') => Endpoint::unix(Path::new(path)),
            BindAddress::Unix(_) => {
                return Known::unknown("the directory of a relative socket path is not known");
            }
            BindAddress::Tcp { host, port } => {
                Endpoint::Tcp { host: TcpHost::parse(host), port: *port }
            }
            BindAddress::Fd(_) => return Known::unknown("it listens on an inherited descriptor"),
        };
        let origin = match (bind.span, &origin) {
            (Some(span), _) => Origin::text(span),
            (None, Some(origin)) => origin.clone(),
            (None, None) => Origin::Default("gunicorn"),
        };
        found.push(Bound { endpoint, origin, activated: false });
    }
    match origin {
        Some(origin) => Known::Value(found, origin),
        None => Known::Default(found),
    }
}

fn activated(sockets: &[Unit], launch: Option<&Launch>) -> Known<Vec<Bound>> {
    use super::gunicorn::Stays;
    // Behind a shell that stays, LISTEN_PID is the shell's: gunicorn ignores the sockets.
    if launch.is_some_and(|launch| launch.stays() != Stays::Never) {
        return Known::unknown("whether a wrapper hands the sockets on is not known");
    }
    let mut found = Vec::new();
    let mut first = None;
    for socket in sockets {
        for assignment in socket.list("Socket", "ListenStream") {
            let text = match socket.specifiers.expand(&assignment.value) {
                crate::source::unit::Expansion::Known(text)
                    if crate::source::placeholder::find_with_dollar(text.as_str()).is_none() =>
                {
                    text
                }
                _ => return Known::unknown("ListenStream= is not known"),
            };
            let Some(endpoint) = listen_stream(text.as_str()) else {
                return Known::unknown("ListenStream= is not understood");
            };
            let origin = Origin::text(assignment.value.span());
            first.get_or_insert(origin.clone());
            found.push(Bound { endpoint, origin, activated: true });
        }
    }
    match first {
        Some(origin) => Known::Value(found, origin),
        None => Known::unknown("the socket unit has no ListenStream="),
    }
}

/// systemd.socket(5): a path, a port, `address:port` or `[address]:port`.
fn listen_stream(text: &str) -> Option<Endpoint> {
    if text.starts_with('/') {
        return Some(Endpoint::unix(Path::new(text)));
    }
    if let Ok(port) = text.parse() {
        return Some(Endpoint::Tcp { host: TcpHost::Any, port });
    }
    let (host, port) = text.rsplit_once(':')?;
    Some(Endpoint::Tcp { host: TcpHost::parse(host), port: port.parse().ok()? })
}
