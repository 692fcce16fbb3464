//! `deploy-doctor baseline`, and `check --baseline`: the baseline file of known findings.

use std::path::{Path, PathBuf};

use super::arguments::{BaselineArguments, BaselineCommand, KnownArguments, WhereArguments};
use super::{CommandError, Exit, print, read, settings};
use crate::config::Config;
use crate::engine::{self, Anchor, Baseline};
use crate::facts::{Deployment, Problem};
use crate::host::{Host, HostErrorKind, tidy, write};
use crate::source::Sources;

/// The default name of the file.
const NAME: &str = "deploy-doctor-baseline.json";
/// A larger file is not a baseline.
const LIMIT: u64 = 64 << 20;

/// The baseline's path: from the option, otherwise from the settings file.
pub(super) fn path<'a>(option: Option<&'a Path>, config: Option<&'a Config>) -> Option<&'a Path> {
    option.or_else(|| config?.baseline.as_deref())
}

/// The known findings: of the file that the option names, otherwise of the settings file's. A
/// capture contains the latter.
pub(super) fn of(
    place: &WhereArguments,
    option: Option<&Path>,
    config: Option<&Config>,
) -> Result<Option<Baseline>, CommandError> {
    match (option, &place.replayed) {
        (None, Some(capture)) => {
            let recorded = capture.asked.baseline.as_deref().map(Baseline::parse).transpose();
            recorded.map_err(|why| CommandError::usage(format!("the known findings {why}")))
        }
        _ => path(option, config).map(read).transpose(),
    }
}

/// Reads a baseline.
pub(super) fn read(path: &Path) -> Result<Baseline, CommandError> {
    let bytes = bytes(path)?;
    let shown = path.display();
    Baseline::parse(&bytes).map_err(|why| CommandError::usage(format!("{shown} {why}")))
}

/// The file's bytes.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, CommandError> {
    let host = read::this_host()?;
    let shown = path.display();
    let absolute = tidy(&read::working_directory()?.join(path));
    host.read(&absolute, LIMIT).map_err(|error| match error.kind {
        HostErrorKind::NotFound => CommandError::usage(format!(
            "{shown}: no such file: deploy-doctor baseline write --baseline {shown} writes it"
        )),
        kind => CommandError::usage(format!("{shown}: {kind}")),
    })
}

/// Checks that the file may be overwritten: its present content must be a baseline, or empty.
fn replaceable(path: &Path) -> Result<(), CommandError> {
    let shown = path.display();
    let refused = |why: &str| {
        CommandError::usage(format!(
            "{shown} {why}: nothing was written. Name another file: --baseline {NAME}"
        ))
    };
    let absolute = tidy(&read::working_directory()?.join(path));
    match read::this_host()?.read(&absolute, LIMIT) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(()),
        Ok(bytes) => Baseline::parse(&bytes).map(|_| ()).map_err(|why| refused(&why)),
        Err(error) if error.kind == HostErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused(&format!("exists but cannot be read ({})", error.kind))),
    }
}

/// Refuses a baseline of other files: if none of its findings was examined, all would seem to be
/// gone.
fn same_place(
    path: &Path,
    baseline: &Baseline,
    deployment: &Deployment,
    sources: &Sources,
    anchor: &Anchor,
) -> Result<(), CommandError> {
    let Some(of) = baseline.foreign(deployment, sources, anchor) else { return Ok(()) };
    let shown = path.display();
    Err(CommandError::usage(format!(
        "{shown}: nothing was removed: none of its applications and files was checked (the first \
         is {of}). Do they belong to another repository or host? Check which directory and which \
         --baseline belong together; if all of them are gone, deploy-doctor baseline write \
         rewrites the file"
    )))
}

/// A note about known findings that no longer exist.
pub(super) fn gone(
    path: Option<&Path>,
    before: Option<&Baseline>,
    now: Option<&Baseline>,
) -> Option<Problem> {
    let gone = before?.count() - now?.count();
    let message = match gone {
        0 => return None,
        1 => "one known finding is gone: deploy-doctor baseline prune removes it".to_owned(),
        _ => format!("{gone} known findings are gone: deploy-doctor baseline prune removes them"),
    };
    let path = path?.to_path_buf();
    Some(Problem { path, line: None, message, note: true })
}

/// Writes the file, or removes findings from it that no longer exist.
pub(super) fn run(arguments: &BaselineArguments) -> Result<Exit, CommandError> {
    let (arguments, prune) = match &arguments.command {
        BaselineCommand::Write(arguments) => (arguments, false),
        BaselineCommand::Prune(arguments) => (arguments, true),
    };
    let config = settings::load(&arguments.place, arguments.config.as_deref())?;
    let config = config.as_ref();
    let settings = settings::engine(config, &[], &[], &[])?;
    let mut settings = settings::placed(settings, &arguments.place)?;
    let path = path(arguments.baseline.as_deref(), config)
        .map_or_else(|| PathBuf::from(NAME), Path::to_path_buf);
    match prune {
        true => settings.baseline = Some(read(&path)?),
        false => replaceable(&path)?,
    }
    let before = settings.baseline.as_ref().map_or(0, Baseline::count);
    let host = read::open(&arguments.place)?;
    let sources = Sources::new(&*host);
    let mut deployments = read::deployments(&arguments.place, &sources);
    settings::apply(config, &arguments.place, &sources, &mut deployments);
    for deployment in &deployments {
        complete(arguments, &deployment.problems)?;
    }
    let judged = engine::run_each(crate::rules::all(), deployments, &sources, &settings);
    let (deployment, outcome) =
        judged.ok_or_else(|| CommandError::incomplete("nothing to read was found"))?;
    if let Some(known) = &settings.baseline {
        same_place(&path, known, &deployment, &sources, &settings.anchor)?;
    }
    let baseline = match outcome.baseline {
        Some(pruned) => pruned,
        None => Baseline::of(&outcome.findings, &sources, &settings.anchor),
    };
    let text = baseline
        .json()
        .map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))?;
    write::replace(&path, text.as_bytes())
        .map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))?;
    let count = baseline.count();
    let plural = if count == 1 { "" } else { "s" };
    let gone = match prune {
        true => format!(", {} removed", before - count),
        false => String::new(),
    };
    print(&format!("{}: {count} known finding{plural}{gone}\n", path.display()))?;
    Ok(Exit::Success)
}

/// Fails if something was not read: its findings would be missing in the file, or be removed from
/// it.
fn complete(arguments: &KnownArguments, problems: &[Problem]) -> Result<(), CommandError> {
    let Some(problem) = problems.iter().find(|problem| !problem.note) else { return Ok(()) };
    if arguments.allow_incomplete {
        return Ok(());
    }
    let path = problem.path.display();
    Err(CommandError::incomplete(format!(
        "nothing was written, because not everything could be read (--allow-incomplete continues): \
         {path}: {}",
        problem.message
    )))
}
