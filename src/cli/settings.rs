//! Merges the settings file and the options, which override it, into the engine's settings.

use std::path::{Path, PathBuf};

use super::arguments::{self, WhereArguments};
use super::{CommandError, read};
use crate::capture::SettingsFile;
use crate::config::{self, Config, ConfigError, FailOn, Places};
use crate::engine::{Anchor, Day, Selection, Settings};
use crate::facts::{Deployment, Problem, Scope};
use crate::host::{Host, HostErrorKind, tidy};
use crate::rule::Severity;
use crate::source::Sources;

/// The largest settings file; real ones are far smaller.
const LIMIT: u64 = 1 << 20;

/// The settings file: the named one, otherwise the nearest, otherwise the host's; `None` if there
/// is none.
pub(super) fn load(
    place: &WhereArguments,
    named: Option<&Path>,
) -> Result<Option<Config>, CommandError> {
    file(place, named)?.as_ref().map(understood).transpose()
}

/// Like [`load`], but unparsed. A capture contains its own settings file.
pub(super) fn file(
    place: &WhereArguments,
    named: Option<&Path>,
) -> Result<Option<SettingsFile>, CommandError> {
    let working = read::working_directory()?;
    let live = read::around(place)?;
    if let Some(capture) = &place.replayed {
        return match named {
            Some(_) => near(&*live, named, &working, &working),
            None => Ok(capture.asked.settings.clone()),
        };
    }
    let start = place.repository.as_deref().unwrap_or(Path::new("."));
    let nearest = near(&*live, named, &tidy(&working.join(start)), &working)?;
    match (nearest, read::request(place).scope) {
        (Some(file), _) => Ok(Some(file)),
        _ if place.repository.is_some() => Ok(None),
        (None, Scope::Files(_)) => Ok(None),
        (None, Scope::Live) => of_host(&*live, &working),
        (None, Scope::Root) => of_host(&*read::open(place)?, &working),
    }
}

/// Like [`load`], for the host that the program runs on.
pub(super) fn of_this_host(named: Option<&Path>) -> Result<Option<Config>, CommandError> {
    let working = read::working_directory()?;
    let live = read::this_host()?;
    let file = match near(&live, named, &working, &working)? {
        Some(file) => Some(file),
        None => of_host(&live, &working)?,
    };
    file.as_ref().map(understood).transpose()
}

/// The file that was named, otherwise the nearest.
fn near(
    live: &dyn Host,
    named: Option<&Path>,
    start: &Path,
    working: &Path,
) -> Result<Option<SettingsFile>, CommandError> {
    let found = match named {
        Some(path) => Some(path.to_path_buf()),
        None => nearest(live, start)?,
    };
    found.map(|path| at(live, &path, working)).transpose()
}

/// The nearest file from here upwards.
pub(super) fn nearest(host: &dyn Host, start: &Path) -> Result<Option<PathBuf>, CommandError> {
    let me = rustix::process::geteuid().as_raw();
    config::find(host, start, me).map_err(|error| match error {
        config::FindError::Unreadable(_) => CommandError::incomplete(error.to_string()),
        config::FindError::Foreign { .. } => CommandError::usage(error.to_string()),
    })
}

/// The host's own file, if it exists.
fn of_host(host: &dyn Host, working: &Path) -> Result<Option<SettingsFile>, CommandError> {
    match host.read(Path::new(config::HOME), LIMIT) {
        Ok(text) => Ok(Some(SettingsFile {
            shown: config::HOME.into(),
            base: "/etc".into(),
            working: working.into(),
            text,
        })),
        Err(error) if error.kind == HostErrorKind::NotFound => Ok(None),
        Err(error) => Err(CommandError::incomplete(error.to_string())),
    }
}

/// Reads a settings file of this machine.
pub(super) fn parse(host: &dyn Host, path: &Path, working: &Path) -> Result<Config, CommandError> {
    understood(&at(host, path, working)?)
}

fn at(host: &dyn Host, path: &Path, working: &Path) -> Result<SettingsFile, CommandError> {
    let absolute = tidy(&working.join(path));
    let text = host
        .read(&absolute, LIMIT)
        .map_err(|error| CommandError::usage(format!("{}: {}", path.display(), error.kind)))?;
    Ok(SettingsFile {
        shown: absolute.strip_prefix(working).unwrap_or(&absolute).into(),
        base: absolute.parent().unwrap_or(Path::new("/")).into(),
        working: working.into(),
        text,
    })
}

fn understood(file: &SettingsFile) -> Result<Config, CommandError> {
    let SettingsFile { shown, base, working, text } = file;
    judged(Config::parse(text, Places { shown, base, working }))
}

fn judged(parsed: Result<Config, Vec<ConfigError>>) -> Result<Config, CommandError> {
    parsed.map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let at = |error: ConfigError| Problem {
            line: Some(error.line),
            ..Problem::new(&error.path, error.message)
        };
        CommandError {
            at: errors.into_iter().map(at).collect(),
            ..CommandError::usage(lines.join("\n"))
        }
    })
}

/// The directory relative to which fingerprints name files: for given files, the top of their
/// repository, so that fingerprints are the same in every clone.
pub(super) fn anchor(place: &WhereArguments) -> Result<Anchor, CommandError> {
    Ok(anchored(place)?.map_or_else(Anchor::default, |(working, top)| Anchor::new(working, top)))
}

/// The working directory and the top of the repository.
pub(super) fn anchored(place: &WhereArguments) -> Result<Option<(PathBuf, PathBuf)>, CommandError> {
    if let Some(capture) = &place.replayed {
        return Ok(capture.asked.anchor.clone());
    }
    if !matches!(read::request(place).scope, Scope::Files(_)) {
        return Ok(None);
    }
    let working = read::working_directory()?;
    let named = place.repository.as_deref().unwrap_or(Path::new("."));
    let start = tidy(&working.join(named));
    let top = config::top(&read::this_host()?, &start);
    Ok(Some((working, top)))
}

/// An absolute path.
pub(super) fn full(path: &Path) -> Result<PathBuf, CommandError> {
    Ok(tidy(&read::working_directory()?.join(path)))
}

/// Today, in UTC.
pub(super) fn today() -> Day {
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    Day(now.chars().take(10).collect())
}

/// The day of the check; for a capture, the day on which it was taken.
pub(super) fn day(place: &WhereArguments) -> Day {
    let of = |time: &String| Day(time.chars().take(10).collect());
    place.replayed.as_ref().map_or_else(today, |capture| of(&capture.taken.time))
}

/// Adds to the settings what depends on the place: which applications are checked, the anchor of
/// fingerprints, and the day.
pub(super) fn placed(settings: Settings, place: &WhereArguments) -> Result<Settings, CommandError> {
    Ok(Settings {
        all_apps: place.apps.is_empty(),
        anchor: anchor(place)?,
        today: day(place),
        ..settings
    })
}

/// The rules that `--select` and `--ignore` leave.
pub(super) fn selection(select: &[String], ignore: &[String]) -> Result<Selection, CommandError> {
    let rules = crate::rules::all();
    let selection = Selection::new(rules, select, ignore)
        .map_err(|error| CommandError::usage(error.to_string()))?;
    match rules.iter().any(|rule| selection.includes(rule)) {
        true => Ok(selection),
        false => Err(CommandError::usage(
            "--ignore leaves out every rule, or every rule that --select names: nothing would be \
             checked",
        )),
    }
}

/// The engine's settings: those of the file, overridden by the options.
pub(super) fn engine(
    config: Option<&Config>,
    select: &[String],
    ignore: &[String],
    severity: &[String],
) -> Result<Settings, CommandError> {
    let rules = crate::rules::all();
    let selection = selection(select, ignore)?;
    let mut severities = config.map(|config| config.severities.clone()).unwrap_or_default();
    for word in severity {
        let wrong = || CommandError::usage(format!("--severity {word}: RULE=error|warning|info"));
        let (rules_word, level) = word.split_once('=').ok_or_else(wrong)?;
        let severity = Severity::named(level).ok_or_else(wrong)?;
        let named = Selection::new(rules, &[rules_word.to_owned()], &[])
            .map_err(|error| CommandError::usage(format!("--severity {error}")))?;
        severities.extend(
            rules.iter().filter(|rule| named.includes(rule)).map(|rule| (rule.code, severity)),
        );
    }
    let ignores = config.map(|config| config.ignores.clone()).unwrap_or_default();
    Ok(Settings { selection, severities, ignores, today: today(), ..Settings::default() })
}

/// Applies the settings file to deployments that are read together.
pub(super) fn apply(
    config: Option<&Config>,
    place: &WhereArguments,
    sources: &Sources,
    deployments: &mut [Deployment],
) {
    let Some(config) = config else { return };
    config.apply(sources, deployments, whole(Some(config), place));
}

/// Whether everything that the file may mention is read: the host, or the repository that contains
/// the file. If the repository contains no unit, the file may mention the host that the repository
/// is deployed to.
pub(super) fn whole(config: Option<&Config>, place: &WhereArguments) -> bool {
    if !place.apps.is_empty() {
        return false;
    }
    if let Some(capture) = &place.replayed {
        return capture.asked.whole;
    }
    if !matches!(read::request(place).scope, Scope::Files(_)) {
        return true;
    }
    let (Some(config), Ok(working)) = (config, read::working_directory()) else { return false };
    let full = |path: &Path| tidy(&working.join(path));
    let of = full(&config.path);
    let directories: Vec<&Path> = match (&place.found, &place.repository) {
        (Some(found), _) if found.survey.sites.iter().all(|given| given.units.is_empty()) => {
            Vec::new()
        }
        (Some(found), _) => found.directories.iter().map(PathBuf::as_path).collect(),
        (None, repository) => repository.iter().map(PathBuf::as_path).collect(),
    };
    directories.into_iter().any(|directory| of.starts_with(full(directory)))
}

/// Which findings make a check fail: according to the option, otherwise the file, otherwise errors.
pub(super) fn fail_on(config: Option<&Config>, option: Option<arguments::FailOn>) -> FailOn {
    let said = option.map(|word| match word {
        arguments::FailOn::Error => FailOn::Severity(Severity::Error),
        arguments::FailOn::Warning => FailOn::Severity(Severity::Warning),
        arguments::FailOn::Info => FailOn::Severity(Severity::Info),
        arguments::FailOn::Never => FailOn::Never,
    });
    said.or_else(|| config?.fail_on).unwrap_or(FailOn::Severity(Severity::Error))
}
