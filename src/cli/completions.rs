//! `deploy-doctor completions SHELL`.

use clap::CommandFactory;

use super::arguments::{Arguments, CompletionsArguments};
use super::{CommandError, Exit, print};

/// Prints the completion script.
pub(super) fn run(arguments: &CompletionsArguments) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "deploy-doctor", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
