//! `deploy-doctor config`: the settings file itself.

use std::path::Path;

use super::arguments::{ConfigArguments, ConfigCommand, WhereArguments};
use super::{CommandError, Exit, known, print, read, repository, settings};
use crate::config::{Config, HOME, NAME, SCHEMA, TEMPLATE};
use crate::facts::Problem;
use crate::host::{Host, tidy, write};
use crate::source::Sources;

/// Writes a settings file, checks one, or prints the schema.
pub(super) fn run(arguments: &ConfigArguments) -> Result<Exit, CommandError> {
    match &arguments.command {
        ConfigCommand::Schema => print(SCHEMA)?,
        ConfigCommand::Init { print: true, .. } => print(TEMPLATE)?,
        ConfigCommand::Init { directory, force, .. } => init(directory, *force)?,
        ConfigCommand::Check { file } => return check(file.as_deref()),
    }
    Ok(Exit::Success)
}

fn init(directory: &Path, force: bool) -> Result<(), CommandError> {
    let files: [write::Wanted; 1] = [(NAME, 0o644, TEMPLATE.as_bytes())];
    let done = match force {
        true => write::replace_all(directory, &files),
        false => write::create_all(directory, &files),
    };
    done.map_err(|error| {
        let path = error.path.display();
        CommandError::usage(match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!("{path} already exists: nothing was written (--force replaces it)")
            }
            _ => format!("{path}: {}", error.error),
        })
    })?;
    print(&format!("{}\n", directory.join(NAME).display()))
}

fn check(file: Option<&Path>) -> Result<Exit, CommandError> {
    let host = read::this_host()?;
    let working = read::working_directory()?;
    let path = match file {
        Some(path) => path.to_path_buf(),
        None => match settings::nearest(&host, &working)? {
            Some(path) => path,
            None if host.look(Path::new(HOME)).metadata().is_some() => HOME.into(),
            None => {
                return Err(CommandError::incomplete(format!(
                    "no {NAME} here or above, and no {HOME}: deploy-doctor config init writes one"
                )));
            }
        },
    };
    let config = settings::parse(&host, &path, &working)?;
    let mut wrong: Vec<String> = config
        .files()
        .filter(|(path, _)| host.look(&working.join(path)).metadata().is_none())
        .map(|(path, line)| {
            let (file, path) = (config.path.display(), path.display());
            format!("{file}:{line}: there is no {path}")
        })
        .collect();
    // If a file is missing, its content is not known, so names are not compared with it.
    if wrong.is_empty() {
        wrong = strangers(&config, &path, &working)?;
    }
    let known = config.baseline.as_deref().map(known::read);
    if let Some(Err(error)) = known {
        let place = format!("{}:{}", config.path.display(), config.baseline_line);
        wrong.push(format!("{place}: baseline: {}", error.message));
        return Err(CommandError::usage(wrong.join("\n")));
    }
    if !wrong.is_empty() {
        return Err(CommandError::incomplete(wrong.join("\n")));
    }
    print(&summary(&config))?;
    Ok(Exit::Success)
}

/// The names in the file that belong to no application of its repository.
fn strangers(config: &Config, path: &Path, working: &Path) -> Result<Vec<String>, CommandError> {
    let full = tidy(&working.join(path));
    let Some(directory) = full.parent().filter(|_| path != Path::new(HOME)) else {
        return Ok(Vec::new());
    };
    let directory = match directory.strip_prefix(working) {
        Ok(below) if below.as_os_str().is_empty() => Path::new("."),
        Ok(below) => below,
        Err(_) => directory,
    };
    let apps = vec![format!("{}/", directory.display())];
    let mut place = WhereArguments { apps, ..WhereArguments::default() };
    repository::settle(&mut place, Some(path))?;
    if !settings::whole(Some(config), &place) {
        return Ok(Vec::new());
    }
    let host = read::open(&place)?;
    let sources = Sources::new(&*host);
    let mut deployments = read::deployments(&place, &sources);
    settings::apply(Some(config), &place, &sources, &mut deployments);
    let apps = || deployments.iter().flat_map(|deployment| &deployment.apps);
    let problems = deployments.iter().flat_map(|deployment| &deployment.problems);
    // The names of listed units have been compared already.
    let listed = |problem: &&Problem| {
        let mut listed = config.apps.iter().filter(|app| !app.files.units.is_empty());
        listed.any(|app| problem.line == Some(app.line))
    };
    let mut lines: Vec<String> = problems
        .filter(|problem| problem.path == config.path && !listed(problem))
        .map(|problem| {
            let (file, line) = (problem.path.display(), problem.line.unwrap_or(1));
            format!("{file}:{line}: {}", problem.message)
        })
        .collect();
    for ignore in &config.ignores {
        let Some(app) = &ignore.app else { continue };
        if !apps().any(|one| app.is(&one.name, Some(&one.service.unit.path))) {
            let meant = app.meant(apps().map(|app| app.name.as_str()));
            let (file, line) = (ignore.place.0.display(), ignore.place.1);
            let word = &app.word;
            lines.push(format!("{file}:{line}: no application is called {word}{meant}"));
        }
    }
    Ok(lines)
}

fn summary(config: &Config) -> String {
    let count = |number: usize, one: &str, many: &str| match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    };
    let ended = match config.ended(&settings::today()) {
        0 => String::new(),
        ended => format!(" ({ended} ended)"),
    };
    format!(
        "{}: {}, {}, {}{ended}\n",
        config.path.display(),
        count(config.apps.len(), "application", "applications"),
        count(config.severities.len(), "severity", "severities"),
        count(config.ignores.len(), "ignore", "ignores"),
    )
}
