//! `deploy-doctor facts`: the model that the rules see.

use serde_json::{Value, json};

use super::arguments::FactsArguments;
use super::{CommandError, Exit, print, read};
use crate::facts::{Deployment, document};
use crate::source::Sources;

/// Prints the facts as JSON.
pub(super) fn run(arguments: &FactsArguments) -> Result<Exit, CommandError> {
    let host = read::open(&arguments.place)?;
    let sources = Sources::new(&*host);
    let deployments = read::deployments(&arguments.place, &sources);
    let text = text(arguments, &deployments, &sources)
        .map_err(|error| CommandError::usage(format!("the facts as JSON: {error}")))?;
    print(&text)?;
    let mut problems = deployments.iter().flat_map(|deployment| &deployment.problems);
    let incomplete = problems.any(|problem| !problem.note);
    Ok(if incomplete { Exit::Incomplete } else { Exit::Success })
}

/// One JSON document. For a repository, it contains how each file was classified; for several
/// deployments, it is a list of them.
fn text(
    arguments: &FactsArguments,
    deployments: &[Deployment],
    sources: &Sources,
) -> Result<String, serde_json::Error> {
    let documents = deployments.iter().map(|deployment| document(deployment, sources));
    let mut documents: Vec<Value> = documents.collect();
    let mut all = match documents.len() {
        1 => documents.remove(0),
        _ => json!({ "schema": 1, "deployments": documents }),
    };
    if let Some(found) = &arguments.place.found {
        let survey = &found.survey;
        all["repository"] = json!({
            "directories": found.directories,
            "taken": survey.taken,
            "left_out": survey.left,
        });
    }
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}
