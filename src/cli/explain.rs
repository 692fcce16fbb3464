//! `deploy-doctor explain RULE`: one rule in full.

use super::arguments::ExplainArguments;
use super::{CommandError, Exit, print};
use crate::rule::{self, Rule};

/// Prints a rule's page.
pub(super) fn run(arguments: &ExplainArguments) -> Result<Exit, CommandError> {
    let wanted = arguments.rule.trim();
    let rule = crate::rules::all()
        .iter()
        .find(|rule| rule.code.eq_ignore_ascii_case(wanted) || rule.name == wanted)
        .ok_or_else(|| {
            CommandError::usage(format!(
                "`{wanted}` is no rule's code or name; `deploy-doctor rules` lists them"
            ))
        })?;
    print(&page(rule))?;
    Ok(Exit::Success)
}

/// A rule's page in Markdown; the pages under `docs/rules/` are the same text.
pub fn page(rule: &Rule) -> String {
    format!(
        "# {} {}\n\n{} · {} · fix: {} · checks {} · since {}\n\n{}\n",
        rule.code,
        rule.name,
        rule.severity.word(),
        rule.impact.word(),
        rule.fix.map_or("none", rule::Safety::word),
        match rule.check {
            rule::Check::App(_) | rule::Check::Passing(_) => "each application",
            rule::Check::Host(_) => "the host",
        },
        rule.since,
        rule::paragraphs(rule).trim_end(),
    )
}
