//! `deploy-doctor config`: the file of settings itself.

use std::path::Path;

use super::arguments::{ConfigArguments, ConfigCommand};
use super::{CommandError, Exit, print, read, settings};
use crate::config::{Config, HOME, NAME, SCHEMA, TEMPLATE};
use crate::host::{Host, write};

/// Writes one, checks one, prints the schema.
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
                format!("{path} is there already: nothing was written (--force replaces it)")
            }
            _ => format!("{path}: {}", error.error),
        })
    })?;
    print(&format!("{}\n", directory.join(NAME).display()))
}

fn check(file: Option<&Path>) -> Result<Exit, CommandError> {
    let host = read::this_host()?;
    let working = settings::working_directory()?;
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
    let missing: Vec<String> = config
        .files()
        .filter(|(path, _)| host.look(&working.join(path)).metadata().is_none())
        .map(|(path, line)| {
            let (file, path) = (config.path.display(), path.display());
            format!("{file}:{line}: there is no {path}")
        })
        .collect();
    if !missing.is_empty() {
        return Err(CommandError::incomplete(missing.join("\n")));
    }
    print(&summary(&config))?;
    Ok(Exit::Success)
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
