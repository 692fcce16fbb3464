//! Shows the plan: the fixes, the diff, the commands that must follow, and what is not fixed.

use std::fmt::Write;

use owo_colors::OwoColorize;

use crate::facts::Problem;
use crate::fix::actions::{Action, Reached};
use crate::fix::{self, Left, Plan, Proposal, Reason};
use crate::source::show;

/// The plan as text: fixes, diff, commands that must follow, findings that remain.
pub(super) fn plan(plan: &Plan, color: bool) -> String {
    let mut out = String::new();
    for fix in &plan.fixes {
        let _ = writeln!(out, "{}", head(fix, color));
    }
    if !plan.changes.is_empty() {
        out.push('\n');
        out.push_str(&painted(&plan.diff, color));
        if !plan.actions.is_empty() {
            let _ = writeln!(out, "\n{}\n{}", FOLLOWS, steps(&plan.actions));
        }
        out.push_str(&others(&plan.others));
    }
    left(plan, color, &mut out);
    out
}

/// The heading of the commands that run after the files were written.
pub(super) const FOLLOWS: &str = "To make it take effect:";

/// The services that were not named, and what is left to a person for them.
pub(super) fn others(others: &[Reached]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let names: Vec<String> = others.iter().map(|other| show::line(&other.name)).collect();
    let mut out = format!("\nThis also changes {}, which you did not name", names.join(", "));
    let actions: Vec<Action> =
        others.iter().flat_map(|other| other.actions.iter().cloned()).collect();
    match actions.is_empty() {
        true => out.push_str(".\n"),
        false => {
            let _ = write!(out, ". To make it take effect there:\n{}\n", steps(&actions));
        }
    }
    out
}

/// Commands, one per line, each with its reason.
pub(super) fn steps(actions: &[Action]) -> String {
    let lines: Vec<String> =
        actions.iter().map(|action| show::line(&action.command.to_string())).collect();
    let width = lines.iter().map(String::len).max().unwrap_or_default();
    let line = |(line, action): (&String, &Action)| format!("  {line:width$}  # {}", action.why);
    lines.iter().zip(actions).map(line).collect::<Vec<_>>().join("\n")
}

/// A fix on one line: rule, application, title.
pub(super) fn head(fix: &Proposal, color: bool) -> String {
    let code = match color {
        true => fix.rule.code.green().bold().to_string(),
        false => fix.rule.code.to_owned(),
    };
    let app = fix.app.as_deref().map(|app| format!("{}: ", show::line(app))).unwrap_or_default();
    format!("{code} {} fix: {app}{}", fix.safety.word(), show::line(&fix.title))
}

fn painted(diff: &str, color: bool) -> String {
    if !color {
        return diff.to_owned();
    }
    let paint = |line: &str| match line.as_bytes().first() {
        _ if line.starts_with("---") || line.starts_with("+++") => line.bold().to_string(),
        Some(b'+') => line.green().to_string(),
        Some(b'-') => line.red().to_string(),
        Some(b'@') => line.cyan().to_string(),
        _ => line.to_owned(),
    };
    diff.lines().map(|line| paint(line) + "\n").collect()
}

fn left(plan: &Plan, color: bool, out: &mut String) {
    let heads =
        [(false, "Not fixed:"), (true, "Seen on the running host; check again afterwards:")];
    for (live, head) in heads {
        let of: Vec<&Left> = plan.left.iter().filter(|left| left.proposal.live == live).collect();
        if !of.is_empty() {
            let _ = writeln!(out, "\n{head}");
            left_lines(&of, color, out);
        }
    }
}

fn left_lines(all: &[&Left], color: bool, out: &mut String) {
    for left in all {
        let fix = &left.proposal;
        let code = match color {
            true => fix.rule.code.yellow().bold().to_string(),
            false => fix.rule.code.to_owned(),
        };
        let app = fix.app.as_deref().unwrap_or("the host");
        let _ = writeln!(out, "  {code} {}: {}", show::line(app), show::line(&fix.message));
        for line in why(left).lines() {
            let _ = writeln!(out, "       {}", show::line(line));
        }
    }
}

fn why(left: &Left) -> String {
    let fix = &left.proposal;
    let by_hand = match fix.help.lines().count() {
        0 => String::new(),
        1 => format!("by hand: {}", fix.help),
        _ => format!("by hand:\n  {}", fix.help.replace('\n', "\n  ")),
    };
    match &left.reason {
        Reason::Manual => match &fix.refused {
            Some(why) => format!("not fixed here: {why}\n{by_hand}"),
            None => by_hand,
        },
        Reason::Unsafe => {
            format!("--unsafe would also: {} (this changes more than the fault)", fix.title)
        }
        Reason::Declined => "not taken".to_owned(),
        Reason::Impossible(why) => format!("not fixed here: {why}\n{by_hand}"),
    }
}

/// The last line if nothing was written.
pub(super) fn not_written(plan: &Plan) -> String {
    if plan.changes.is_empty() {
        let looked_at = plan.problems.iter().all(|problem| problem.note);
        return match plan.left.is_empty() {
            true if looked_at => "Nothing to fix.\n".to_owned(),
            true => "Nothing to fix in what could be read.\n".to_owned(),
            false => "\nNothing can be fixed here.\n".to_owned(),
        };
    }
    format!(
        "\n{} in {}; nothing was written. The same command with --apply writes {}.\n",
        count(plan.fixes.len(), "fix", "fixes"),
        count(plan.changes.len(), "path", "paths"),
        if plan.fixes.len() == 1 { "it" } else { "them" },
    )
}

/// The last line for a capture, to which nothing can be written.
pub(super) fn of_capture(plan: &Plan, host: &str) -> String {
    match plan.changes.is_empty() {
        true => not_written(plan),
        false => format!(
            "\n{} in {}, to be made on {}: deploy-doctor fix shows the same there.\n",
            count(plan.fixes.len(), "fix", "fixes"),
            count(plan.changes.len(), "path", "paths"),
            show::line(host),
        ),
    }
}

/// A number with its noun.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Something that could not be read, on one line.
pub(super) fn problem(problem: &Problem) -> String {
    // A problem that concerns no file is listed without one.
    if problem.path.as_os_str().is_empty() {
        return show::line(&problem.message);
    }
    let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
    let path = fix::shown_path(&problem.path);
    show::line(&format!("{path}{line}: {}", problem.message))
}
