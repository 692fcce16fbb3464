//! `deploy-doctor explain RULE`: one rule in full.

use super::arguments::ExplainArguments;
use super::{CommandError, Exit, print};
use crate::rule;

/// Prints a rule's page.
pub(super) fn run(arguments: &ExplainArguments) -> Result<Exit, CommandError> {
    let wanted = arguments.rule.trim();
    let rule = crate::rules::all()
        .iter()
        .find(|rule| rule.code.eq_ignore_ascii_case(wanted) || rule.name == wanted)
        .ok_or_else(|| {
            CommandError::usage(format!(
                "`{wanted}` is not a rule's code or name; `deploy-doctor rules` lists them"
            ))
        })?;
    print(&rule::page(rule))?;
    Ok(Exit::Success)
}
