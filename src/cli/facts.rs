//! `deploy-doctor facts`: the model that the rules see.

use super::arguments::FactsArguments;
use super::{CommandError, Exit, print, read};
use crate::source::Sources;

/// Prints the facts as JSON.
pub(super) fn run(arguments: &FactsArguments) -> Result<Exit, CommandError> {
    let host = read::open(&arguments.place)?;
    let sources = Sources::new(&*host);
    let deployment = read::deployment(&arguments.place, &sources);
    let text = crate::facts::json(&deployment, &sources)
        .map_err(|error| CommandError::usage(format!("the facts as JSON: {error}")))?;
    print(&text)?;
    let incomplete = deployment.problems.iter().any(|problem| !problem.note);
    Ok(if incomplete { Exit::Incomplete } else { Exit::Success })
}
