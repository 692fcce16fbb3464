//! `--preflight`: the application, imported as its service would import it.
//!
//! The only place where application code is executed: as the service's user and never
//! as root, in its working directory, with its environment and its Python, through gunicorn's own
//! loader, in its own session with a time limit.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::SetBy;
use super::processes::Master;
use super::{App, Deployment, Known, Origin, Why};
use crate::host::{Import, Output, READ_LIMIT, RunError};
use crate::source::gunicorn::ArgumentWord;
use crate::source::traceback::{PythonError, missing_name};
use crate::source::{Sources, show, venv};

/// How long an import may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The program that Python runs.
const SCRIPT: &str = include_str!("preflight.py");
/// systemd's own search path for services (systemd.exec(5), `Environment=PATH`).
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";

/// How far the import came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Entering the working directory.
    Directory,
    /// Importing gunicorn itself.
    Gunicorn,
    /// Reading gunicorn's settings.
    Settings,
    /// Importing the worker class.
    WorkerClass,
    /// Importing the application.
    Import,
    /// Everything.
    Done,
}

/// What the import came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preflight {
    /// The application is there; how long its import took.
    Imported(Duration),
    /// It is not.
    Failed(Stage, PythonError),
    /// It ended the process, or was killed.
    Ended(Option<i32>),
    /// It took longer than the limit.
    TimedOut(Duration),
}

/// What the script says.
#[derive(serde::Deserialize)]
struct ImportAnswer {
    stage: Stage,
    seconds: Option<f64>,
    kind: Option<String>,
    text: Option<String>,
    file: Option<PathBuf>,
    line: Option<u32>,
}

/// What the script says about the database, once the application is imported.
#[derive(Default, serde::Deserialize)]
struct Database {
    revisions: Option<Vec<String>>,
    /// Django's migrations: is it applied, its application, its name.
    plan: Option<Vec<(bool, String, String)>>,
    /// The script's own reason.
    failed: Option<String>,
    /// The class of an exception; its text may contain a password.
    error: Option<String>,
}

/// Imports every application, and asks the databases where Flask-Migrate or Django is there.
pub fn run(sources: &Sources, deployment: &mut Deployment) {
    for app in &mut deployment.apps {
        let output = import(sources, app).map(|import| sources.host().import(&import));
        // Who said the revision knows better.
        if let Ok(Ok(output)) = &output
            && !app.release.database_revision.is_set()
        {
            app.release.database_revision = database(&output.stdout);
        }
        let judged = output.and_then(judge).and_then(|preflight| as_started(app, preflight));
        app.preflight = match judged {
            Ok(preflight) => Known::Value(preflight, Origin::Option("--preflight")),
            Err(why) => Known::Unknown(why),
        };
    }
}

/// Variables that systemd gives to one process alone, and that an import has no use for.
const OF_THE_MASTER: [&str; 7] = [
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "SYSTEMD_EXEC_PID",
];
/// What only a start by systemd gives a service: files, mounts and rights.
const GIVEN_AT_START: [&str; 16] = [
    "AmbientCapabilities",
    "BindPaths",
    "BindReadOnlyPaths",
    "ExtensionDirectories",
    "ExtensionImages",
    "LoadCredential",
    "LoadCredentialEncrypted",
    "MountImages",
    "NetworkNamespacePath",
    "OpenFile",
    "PrivateTmp",
    "RootDirectory",
    "RootImage",
    "SetCredential",
    "SetCredentialEncrypted",
    "TemporaryFileSystem",
];

/// The master that runs, in whose place the import is made.
fn running(app: &App) -> Option<&Master> {
    app.processes.ok()?.master().ok()
}

/// Takes back a failure that may come from what systemd gives the service and the import did not have.
fn as_started(app: &App, preflight: Preflight) -> Result<Preflight, Why> {
    let Preflight::Failed(_, error) = &preflight else { return Ok(preflight) };
    let variable = error.name.as_ref().filter(|_| error.kind == "KeyError");
    if let Some(name) = variable
        && let Some(set) = app.environment.variables.get(name.as_str())
        && set.set_by == SetBy::Manager
    {
        return Err(Why::depends(format!("systemd sets {name} when it starts the service")));
    }
    let of_files = ["FileNotFoundError", "PermissionError", "NotADirectoryError", "OSError"];
    let given = GIVEN_AT_START.iter().find(|key| {
        let lines = app.service.unit.list("Service", key);
        lines.iter().any(|line| !matches!(line.value.as_str(), "" | "no" | "false" | "off" | "0"))
    });
    // In the view of a master that runs, all of it is there but the rights.
    let seen = running(app).is_some() && given != Some(&"AmbientCapabilities");
    match given {
        Some(key) if of_files.contains(&error.kind.as_str()) && !seen => {
            Err(Why::depends(format!(
                "the import failed with {}, and {key}= gives the service more than an import has",
                error.kind
            )))
        }
        _ => Ok(preflight),
    }
}

/// What Flask-Migrate said, as `flask db current` would print it.
fn database(stdout: &[u8]) -> Known<String> {
    let mut lines = stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let imported = lines.next().and_then(|line| serde_json::from_slice::<ImportAnswer>(line).ok());
    if imported.is_none_or(|answer| answer.stage != Stage::Done) {
        return Known::Unknown(Why::not_read(
            "the database was not asked: the application cannot be imported",
        ));
    }
    let Some(line) = lines.next() else {
        return Known::Unknown(Why::not_read("the database did not answer --preflight in time"));
    };
    let answer: Database = serde_json::from_slice(line).unwrap_or_default();
    if let Some(plan) = answer.plan {
        return as_printed(&plan);
    }
    match answer.revisions {
        Some(revisions) if revisions.iter().all(|revision| is_revision(revision)) => {
            Known::Value(revisions.join("\n"), Origin::Option("--preflight"))
        }
        Some(_) => {
            Known::Unknown(Why::not_understood("the database has a revision of an unknown form"))
        }
        None => Known::Unknown(Why::not_read(match (answer.failed, answer.error) {
            (Some(why), _) => format!("the database was not asked: {}", show::line(&why)),
            (None, Some(kind)) if is_revision(&kind) => {
                format!("the database was not read: {kind} in the code of `flask db current`")
            }
            _ => "the database was not asked".to_owned(),
        })),
    }
}

/// What Django said, as `showmigrations --plan` would print it.
fn as_printed(plan: &[(bool, String, String)]) -> Known<String> {
    // Names of migrations may be longer than revisions.
    let fits = |text: &str| {
        let parts = text.as_bytes().chunks(64);
        !text.is_empty() && parts.map(std::str::from_utf8).all(|part| part.is_ok_and(is_revision))
    };
    if !plan.iter().all(|(_, app, name)| fits(app) && fits(name)) {
        let why = "the database has a migration with an unusual name";
        return Known::Unknown(Why::not_understood(why));
    }
    let line = |(applied, app, name): &(bool, String, String)| {
        format!("[{}]  {app}.{name}\n", if *applied { "X" } else { " " })
    };
    Known::Value(plan.iter().map(line).collect(), Origin::Option("--preflight"))
}

/// May it be shown as a revision, or the name of a class?
fn is_revision(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// What the script said, or how it ended without a word.
fn judge(output: Result<Output, RunError>) -> Result<Preflight, Why> {
    let output = match output {
        Ok(output) => output,
        Err(RunError::TimedOut(_, limit)) => return Ok(Preflight::TimedOut(limit)),
        Err(RunError::NotHere) => return Err(Why::not_live()),
        Err(error) => return Err(Why::not_read(error.to_string())),
    };
    let said = output.stdout.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(answer) = serde_json::from_slice::<ImportAnswer>(said) else {
        // Not Python's doing: setpriv or the interpreter could not be started.
        if matches!(output.status, Some(126 | 127)) {
            return Err(Why::not_read("the service's Python could not be started"));
        }
        return Ok(Preflight::Ended(output.status));
    };
    if answer.stage == Stage::Done {
        let seconds = answer.seconds.unwrap_or(0.0);
        let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        return Ok(Preflight::Imported(took));
    }
    let kind = answer.kind.unwrap_or_else(|| "an exception".into());
    let text = answer.text.unwrap_or_default();
    let name = missing_name(&kind, &text).or_else(|| attribute(&kind, &text));
    let place = answer.file.zip(answer.line);
    Ok(Preflight::Failed(answer.stage, PythonError { kind, name, place }))
}

/// gunicorn's own sentence: `Failed to find attribute 'app' in 'wsgi'.`
fn attribute(kind: &str, text: &str) -> Option<String> {
    let rest = text.strip_prefix("Failed to find attribute '").filter(|_| kind == "AppImportError");
    let name = rest?.split('\'').next()?;
    let fits = name.len() <= 100 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    fits.then(|| name.to_owned())
}

/// All that the import needs, or why it cannot be made as the service would.
fn import(sources: &Sources, app: &App) -> Result<Import, Why> {
    let launch = app.gunicorn.launch.get()?;
    let user = app.service.user.get()?;
    if user.is_root() {
        let why = "the service runs as root, and the application is never imported as root";
        return Err(Why::not_read(why));
    }
    let account = app.machine.accounts.get()?.user(&user.name);
    let account =
        account.ok_or_else(|| Why::not_there(format!("there is no user {}", user.name)))?;
    let group = match app.service.text("Group") {
        Known::Value(Some(name), _) => {
            let group = app.machine.accounts.get()?.group(name.as_str());
            group
                .map(|group| group.gid)
                .ok_or_else(|| Why::not_there("Group= is not in /etc/group"))?
        }
        Known::Unknown(why) => return Err(why),
        _ => account.gid,
    };
    let groups =
        user.groups.clone().ok_or_else(|| Why::not_read("the user's groups are not known"))?;
    let mut arguments: Vec<OsString> = Vec::new();
    arguments.push(directory(app)?.into());
    arguments.push(if launch.gunicorn.is_some() { "program" } else { "module" }.into());
    for word in &launch.arguments {
        let value = word
            .value()
            .ok_or_else(|| Why::not_understood("gunicorn's arguments are not known"))?;
        arguments.push(value.into());
    }
    Ok(Import {
        python: python(sources, app)?.into(),
        script: SCRIPT.to_owned(),
        arguments,
        uid: account.uid,
        gid: group,
        groups,
        environment: environment(sources, app, account)?,
        view_of: view(app),
        limit: TIME_LIMIT,
    })
}

/// The master, where it sees another file system than this program.
fn view(app: &App) -> Option<u32> {
    let here = app.processes.ok()?.mounts.ok()?;
    let master = running(app)?;
    let there = master.process.mounts.ok()?;
    (there != here).then_some(master.process.pid)
}

/// What systemd set when it started the master that runs.
fn set_at_start(sources: &Sources, app: &App) -> Vec<(OsString, OsString)> {
    let Some(master) = running(app) else { return Vec::new() };
    let path = format!("/proc/{}/environ", master.process.pid);
    let Ok(bytes) = sources.host().read(Path::new(&path), READ_LIMIT) else { return Vec::new() };
    let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let name = std::str::from_utf8(pair.get(..at)?).ok()?;
        let ours = app.environment.variables.get(name)?.set_by == SetBy::Manager;
        let value = pair.get(at + 1..)?.to_vec();
        (ours && !OF_THE_MASTER.contains(&name)).then(|| (name.into(), OsString::from_vec(value)))
    });
    pairs.collect()
}

/// Where gunicorn starts: the unit's directory, then where a shell on the way goes.
fn directory(app: &App) -> Result<PathBuf, Why> {
    let start = app.service.working_directory.get()?.as_ref();
    let start = start.map_or_else(|| PathBuf::from("/"), |place| place.path.clone());
    match &app.gunicorn.launch.get()?.working_directory {
        Some(word) => {
            let to = word.value().ok_or_else(|| {
                Why::not_understood(
                    "the directory that the shell changes to is not \
                                                    known",
                )
            })?;
            Ok(start.join(to))
        }
        None => Ok(start),
    }
}

/// The interpreter: named on the command line, or by the program's `#!` line.
fn python(sources: &Sources, app: &App) -> Result<PathBuf, Why> {
    let unknown = || Why::not_understood("the service's Python is not known");
    let launch = app.gunicorn.launch.get()?;
    let named = launch.interpreter.as_ref().and_then(ArgumentWord::value).map(PathBuf::from);
    let path = match named {
        Some(path) => path,
        None => {
            let program = app.gunicorn.program.as_ref().ok_or_else(unknown)?;
            let file =
                sources.load(&program.path).map_err(|error| Why::not_read(error.to_string()))?;
            venv::shebang(&file.bytes).ok_or_else(unknown)?.interpreter
        }
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if path.is_absolute() && name.starts_with("python") { Ok(path) } else { Err(unknown()) }
}

/// The environment that gunicorn gets; an error where any of it is not known.
fn environment(
    sources: &Sources,
    app: &App,
    account: &crate::source::accounts::User,
) -> Result<Vec<(OsString, OsString)>, Why> {
    if let Some(why) = &app.environment.open {
        return Err(why.clone());
    }
    let launch = app.gunicorn.launch.get()?;
    if let Some((name, why, _)) = launch.environment_unknown.first() {
        return Err(Why::not_understood(why.as_str()).about(name));
    }
    let sourced = launch.sourced.iter().filter_map(ArgumentWord::value);
    if launch.sourced.iter().any(|word| word.value().is_none()) {
        return Err(Why::depends("a file is sourced and may set variables"));
    }
    if let Some(file) = sourced.into_iter().find(|file| !file.ends_with("bin/activate")) {
        return Err(Why::depends(format!("{file} is sourced and may set variables")));
    }
    let mut environment: Vec<(OsString, OsString)> = Vec::new();
    if !launch.cleared {
        let shell = account.shell.clone().into_os_string();
        environment.push(("PATH".into(), SEARCH_PATH.into()));
        environment.push(("LANG".into(), "C.UTF-8".into()));
        environment.push(("HOME".into(), account.home.clone().into_os_string()));
        environment.push(("USER".into(), account.name.clone().into()));
        environment.push(("LOGNAME".into(), account.name.clone().into()));
        environment.push(("SHELL".into(), shell));
        let known: Vec<OsString> = environment.iter().map(|(name, _)| name.clone()).collect();
        let more = set_at_start(sources, app).into_iter();
        environment.extend(more.filter(|(name, _)| !known.contains(name)));
        for (name, variable) in &app.environment.variables {
            if variable.set_by == SetBy::Manager {
                continue;
            }
            if let Some(why) = &variable.unknown {
                return Err(why.about(name));
            }
            let value = OsString::from_vec(variable.value.expose().to_vec());
            environment.push((name.into(), value));
        }
    }
    for (name, value, _) in &launch.environment {
        environment.push((name.into(), OsString::from_vec(value.expose().to_vec())));
    }
    environment.retain(|(name, _)| !launch.unset.iter().any(|unset| *name == **unset));
    Ok(environment)
}
