//! `--format markdown`: a comment for a pull request, with the verdicts and the findings, each
//! finding with its lines collapsed.
//!
//! No text from files becomes markup: it is escaped, so that it mentions nobody (`@name`) and links
//! to no issues (`#12`). Lines of files are in fenced blocks that no line can close.

use std::fmt::Write;

use super::plural::plural;
use super::view::Finding;
use super::{Severity, View};

/// GitHub accepts comments of up to 65,536 characters.
const ROOM: usize = 60_000;
/// A longer message is cut.
const LONGEST: usize = 1_000;

/// The comment. Its first line lets programs find the comment that they are to replace.
pub(super) fn markdown(view: &View) -> String {
    let mut out = "<!-- deploy-doctor -->\n".to_owned();
    let _ = writeln!(out, "### deploy-doctor: {}\n", view.summary.words());
    if !view.apps.is_empty() {
        out.push_str("| application | verdict |\n|---|---|\n");
        for app in view.apps.iter().take(100) {
            let _ = writeln!(out, "| {} | {} |", escaped(app.name), verdict(app.verdict));
        }
        out.push('\n');
    }
    for problem in view.problems.iter().take(50) {
        let place = view.place_of(problem).map_or_else(String::new, |place| code(&place.text()));
        let word = if problem.of.note { "note" } else { "**not checked**" };
        let _ = writeln!(out, "- {word} {place} {}", escaped(&problem.message));
    }
    if view.problems.len() > 50 {
        let _ = writeln!(out, "- and {} more", view.problems.len() - 50);
    }
    out.push('\n');
    let foot = foot(view);
    let mut room = ROOM.saturating_sub(out.chars().count() + foot.chars().count());
    let (mut told, findings) = (0, view.worst_first());
    for finding in &findings {
        let text = entry(view, finding);
        let Some(left) = room.checked_sub(text.chars().count()) else { break };
        room = left;
        out.push_str(&text);
        told += 1;
    }
    if told < findings.len() {
        let more = plural(findings.len() - told, "more finding");
        let _ = writeln!(out, "…and {more} that do not fit into a comment.\n");
    }
    out.push_str(&foot);
    out
}

fn foot(view: &View) -> String {
    match view.summary.skipped {
        0 => String::new(),
        skipped => {
            format!(
                "{} skipped: not everything was available to check.\n",
                plural(skipped, "check")
            )
        }
    }
}

fn entry(view: &View, finding: &Finding) -> String {
    let place = view.place(finding);
    let mark = match finding.severity {
        Severity::Error => "❌",
        Severity::Warning => "⚠️",
        Severity::Info => "ℹ️",
    };
    let mut out = format!("#### {mark} {} {}\n\n", code(finding.code), escaped(&finding.message));
    let app = finding.app.map_or_else(|| "the host".to_owned(), escaped);
    let _ = writeln!(out, "{} · {app} · {}\n", code(&place.text()), escaped(finding.name));
    out.push_str("<details><summary>Where, and what to do</summary>\n\n");
    out.push_str(&fenced(&view.snippet(finding)));
    for evidence in &finding.evidence {
        let _ = writeln!(out, "- {}", escaped(&evidence.text));
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(out, "\nFix ({}): {}\n", fix.safety.word(), escaped(&fix.title));
    }
    if !finding.help.is_empty() {
        out.push_str(&fenced(&finding.help));
    }
    out.push_str("</details>\n\n");
    out
}

fn verdict(word: &str) -> String {
    let mark = match word {
        "zero-downtime" => "✅",
        "at-risk" => "⚠️",
        "will-break" => "❌",
        _ => "❔",
    };
    format!("{mark} {word}")
}

/// Escapes text so that none of it is markup.
fn escaped(text: &str) -> String {
    let (text, cut) = shortened(text);
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A backslash would not prevent a mention or a link.
            '@' | '#' => {
                out.push(c);
                out.push_str("<!-- -->");
            }
            '\n' | '\r' => out.push(' '),
            c if c.is_ascii_punctuation() && !".,:;/-=()'\"%+?".contains(c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    if cut { out + "…" } else { out }
}

fn shortened(text: &str) -> (&str, bool) {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => (&text[..at], true),
        None => (text, false),
    }
}

/// A word or path in the typeface of code.
fn code(text: &str) -> String {
    let ticks = "`".repeat(longest_run(text) + 1);
    // In a table cell, a bar would end the cell, even within code.
    let text = text.replace('|', "¦").replace('\n', " ");
    match ticks.len() {
        1 => format!("`{text}`"),
        _ => format!("{ticks} {text} {ticks}"),
    }
}

/// Lines as they are, in a fence longer than any in the lines.
fn fenced(text: &str) -> String {
    let fence = "`".repeat((longest_run(text) + 1).max(3));
    let lines = text.trim_end().lines().map(|line| shortened(line).0);
    format!("{fence}text\n{}\n{fence}\n\n", lines.collect::<Vec<_>>().join("\n"))
}

/// The most backticks in a row.
fn longest_run(text: &str) -> usize {
    let mut runs = (0, 0);
    for c in text.chars() {
        runs.0 = if c == '`' { runs.0 + 1 } else { 0 };
        runs.1 = runs.1.max(runs.0);
    }
    runs.1
}
