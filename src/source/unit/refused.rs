//! Values for which systemd refuses a whole unit instead of ignoring the line: those of `User=`,
//! `Group=` and `WorkingDirectory=` (`-ENOEXEC` in `load-fragment.c`; measured).

use super::known::ValueFault;
use super::specifier::{Expansion, Specifiers};
use super::syntax::Assignment;
use crate::source::placeholder;

/// Returns a fault if systemd refuses the unit because of this assignment. Unknown values are not
/// judged.
pub(super) fn check(assignment: &Assignment, specifiers: &Specifiers) -> Option<ValueFault> {
    let value = assignment.value.as_str();
    let user = matches!(assignment.key.value.as_str(), "User" | "Group");
    let directory = assignment.key.value == "WorkingDirectory";
    if value.is_empty() || placeholder::holds(value) || !(user || directory) {
        return None;
    }
    // `-` before a directory makes every fault of it harmless.
    if directory && (value.starts_with('-') || value == "~") {
        return None;
    }
    let resolved = match specifiers.expand(&assignment.value) {
        Expansion::Known(text) => text,
        Expansion::NotKnown { .. } => return None,
        Expansion::Invalid(_) => {
            return Some(ValueFault { expected: "a specifier that systemd has" });
        }
    };
    let resolved = resolved.as_str();
    match user {
        true => (!is_account(resolved))
            .then_some(ValueFault { expected: "the name or number of an account" }),
        false => {
            (!resolved.starts_with('/')).then_some(ValueFault { expected: "an absolute path or ~" })
        }
    }
}

/// Whether the name is valid for `valid_user_group_name()` in its relaxed form, or is a number.
fn is_account(name: &str) -> bool {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        return name.parse::<u32>().is_ok_and(|number| number != u32::MAX && number != 0xffff);
    }
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    !name.is_empty()
        && !name.starts_with(blank)
        && !name.ends_with(blank)
        && !name.starts_with('-')
        && !matches!(name, "." | "..")
        && !name.chars().any(|c| c.is_control() || matches!(c, ':' | '/'))
}
