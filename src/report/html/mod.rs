//! `--format html`: one page that needs nothing else: no network, no script, no font. It can be
//! read on a phone, in dark and light mode, and printed.
//!
//! All text from files goes through [`escape`]; the page's own policy forbids loading anything.

mod picture;
mod source;

use std::fmt::Write;

use super::plural::plural;
use super::text::{Tone, command, not_known, verdict_words};
use super::{Report, clean};
use crate::engine::{AppOutcome, ChecklistItem, Reported, SeenIn, Status};
use crate::facts::App;
use crate::rule::{Finding, Severity};
use crate::source::show;

const STYLE: &str = include_str!("page.css");
/// The page's own policy: it loads nothing, whatever its content.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The whole page.
pub fn html(report: &Report) -> String {
    let counts = counts(report);
    let mut body = head(report, &counts);
    let apps: Vec<(&App, &AppOutcome)> =
        report.deployment.apps.iter().zip(&report.outcome.apps).collect();
    if apps.len() > 1 {
        body.push_str(&contents(report, &apps));
    }
    for (number, (app, result)) in apps.iter().enumerate() {
        body.push_str(&section(report, number, app, result));
    }
    body.push_str(&host(report));
    body.push_str(&problems(report));
    body.push_str(&known(report));
    body.push_str(&skipped(report));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{} - deploy-doctor</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <main>\n{body}</main>\n</body>\n</html>\n",
        escape(&counts)
    )
}

/// Escapes text for HTML, also within an attribute in double quotes; the text is on one line, and
/// its secrets are hidden.
pub fn escape(text: &str) -> String {
    escaped(&show::line(text))
}

/// Like [`escape`], for text that is already safe to show.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// `2 errors, 1 warning, 3 known`.
fn counts(report: &Report) -> String {
    let outcome = report.outcome;
    let mut parts = vec![
        plural(outcome.count(Severity::Error), "error"),
        plural(outcome.count(Severity::Warning), "warning"),
    ];
    let unread = report.problems().filter(|problem| !problem.note).count();
    for (number, word) in [
        (unread, "not read"),
        (outcome.count(Severity::Info), "info"),
        (outcome.suppressed.len(), "suppressed"),
        (outcome.known.len(), "known"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    parts.join(", ")
}

fn head(report: &Report, counts: &str) -> String {
    let source = &report.source;
    let what = match source.mode {
        "live" => "the live host",
        "root" => "the tree",
        "capture" => "a capture of",
        _ => "the files",
    };
    format!(
        "<header>\n<h1>{}</h1>\n<p class=\"source\">deploy-doctor {} read {what} <code>{}</code> at \
         <time>{}</time>.</p>\n</header>\n",
        escape(counts),
        env!("CARGO_PKG_VERSION"),
        escape(&source.host),
        escape(&source.time)
    )
}

fn contents(report: &Report, apps: &[(&App, &AppOutcome)]) -> String {
    let mut out = String::from("<nav aria-label=\"Applications\">\n<ul>\n");
    for (number, (_, result)) in apps.iter().enumerate() {
        let (says, tone) = verdict_words(result, report.outcome);
        let _ = writeln!(
            out,
            "<li><a href=\"#app-{number}\">{}</a> <span class=\"{}\">{}</span></li>",
            escape(&result.name),
            tone_class(tone),
            escape(says)
        );
    }
    out.push_str("</ul>\n</nav>\n");
    out
}

fn section(report: &Report, number: usize, app: &App, result: &AppOutcome) -> String {
    let (says, tone) = verdict_words(result, report.outcome);
    let class = tone_class(tone);
    let mut out = format!(
        "<section aria-labelledby=\"app-{number}\">\n<h2 id=\"app-{number}\">{}</h2>\n\
         <p class=\"verdict {class}\"><strong>{}</strong></p>\n",
        escape(&result.name),
        escape(says)
    );
    out.push_str(&picture::path(number, app, report.outcome));
    let mine = report.outcome.findings.iter();
    for reported in mine.filter(|f| f.finding.app.as_deref() == Some(&result.name)) {
        out.push_str(&finding(report, reported));
    }
    out.push_str(&checklist(result));
    out.push_str("</section>\n");
    out
}

fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Fair => "fair",
        Tone::Bad => "bad",
    }
}

fn finding(report: &Report, reported: &Reported) -> String {
    let Finding { severity, rule, message, evidence, fix, help, .. } = &reported.finding;
    let code = match rule.url() {
        Some(url) => format!("<a href=\"{}\">{}</a>", escape(&url), rule.code),
        None => rule.code.to_owned(),
    };
    let word = severity.word();
    let mut out = format!(
        "<article class=\"{word}\" id=\"finding-{}\">\n<h3><span class=\"severity\">{word}</span> \
         <span class=\"code\">{code}</span> {}</h3>\n",
        reported.fingerprint,
        escape(message)
    );
    out.push_str(&source::excerpts(report, &reported.finding));
    if !evidence.is_empty() {
        out.push_str("<ul class=\"evidence\">\n");
        for one in evidence {
            let _ = writeln!(out, "<li>{}</li>", escape(&one.text));
        }
        out.push_str("</ul>\n");
    }
    if let Some(fix) = fix {
        let _ = writeln!(
            out,
            "<p class=\"fix\"><strong>Fix ({}):</strong> {}</p>",
            fix.safety.word(),
            escape(&fix.title)
        );
        if !fix.edits.is_empty() {
            let command = command(report, &reported.finding, fix.safety);
            let _ = writeln!(out, "{}", block("The command", &clean(&command)));
        }
    }
    if !help.is_empty() {
        let _ = writeln!(out, "{}", block("What to do", &show::block(help)));
    }
    out.push_str("</article>\n");
    out
}

/// Lines as they are, in a box with its own scroll bar; `text` must be safe to show.
fn block(label: &str, text: &str) -> String {
    format!(
        "<pre tabindex=\"0\" role=\"group\" aria-label=\"{label}\">{}</pre>",
        escaped(text.trim_end())
    )
}

fn checklist(result: &AppOutcome) -> String {
    let mut out = String::from("<h3>Checklist</h3>\n<ul class=\"checklist\">\n");
    for item in &result.checklist {
        let unknown = not_known(item);
        let (class, mark, word) = match item.status {
            Status::Pass if item.seen == Some(SeenIn::Files) => {
                ("good", "✓", "passed, as far as files show")
            }
            Status::Pass => ("good", "✓", "passed"),
            Status::Fail => ("bad", "✗", "failed"),
            Status::Warn => ("fair", "!", "at risk"),
            Status::Unknown if item.needs_host => ("soft", "?", "only a running host can answer"),
            Status::Unknown => ("soft", "?", unknown.as_str()),
        };
        let _ = writeln!(
            out,
            "<li><span class=\"mark {class}\" aria-hidden=\"true\">{mark}</span> {} \
             <span class=\"note\">{}</span></li>",
            item.item.title(),
            escape(&note(item, word))
        );
    }
    out.push_str("</ul>\n");
    out
}

/// The status as a word for readers who cannot see the mark, and the rules that decided it.
fn note(item: &ChecklistItem, word: &str) -> String {
    match item.findings.is_empty() {
        true => word.to_owned(),
        false => format!("{word}: {}", item.findings.join(" ")),
    }
}

fn host(report: &Report) -> String {
    let mine: Vec<&Reported> =
        report.outcome.findings.iter().filter(|f| f.finding.app.is_none()).collect();
    if mine.is_empty() {
        return String::new();
    }
    let mut out =
        String::from("<section aria-labelledby=\"host\">\n<h2 id=\"host\">The host</h2>\n");
    for reported in mine {
        out.push_str(&finding(report, reported));
    }
    out.push_str("</section>\n");
    out
}

fn problems(report: &Report) -> String {
    let mut out = String::new();
    for (note, id, title) in [(false, "problems", "Could not be read"), (true, "notes", "Notes")] {
        let mine: Vec<_> = report.problems().filter(|problem| problem.note == note).collect();
        if mine.is_empty() {
            continue;
        }
        let _ =
            write!(out, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n<ul>\n");
        for problem in mine {
            let line = problem.line.map_or_else(String::new, |line| format!(":{line}"));
            let path = problem.path.to_string_lossy();
            let place = match path.is_empty() {
                true => String::new(),
                false => format!("<code>{}{line}</code> ", escape(&path)),
            };
            let _ = writeln!(out, "<li>{place}{}</li>", escape(&problem.message));
        }
        out.push_str("</ul>\n</section>\n");
    }
    out
}

/// The findings that a baseline accepts, collapsed.
fn known(report: &Report) -> String {
    let known = &report.outcome.known;
    if known.is_empty() {
        return String::new();
    }
    let lines = known.iter().map(|reported| {
        let line = super::concise::line(report, &reported.finding);
        format!("<li>{}</li>\n", escape(&line))
    });
    folded(&format!("{} known, not counted", plural(known.len(), "finding")), lines)
}

/// The rules that could not judge, collapsed.
fn skipped(report: &Report) -> String {
    let skips = &report.outcome.skips;
    if skips.is_empty() {
        return String::new();
    }
    let lines = skips.iter().map(|skip| {
        let app = skip.app.as_deref().map_or_else(String::new, |app| format!(" {}", escape(app)));
        format!("<li><code>{}{app}</code> {}</li>\n", skip.code, escape(skip.reason.text()))
    });
    folded(&format!("{} skipped, and why", plural(skips.len(), "check")), lines)
}

fn folded(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: String = lines.collect();
    format!("<details>\n<summary>{}</summary>\n<ul>\n{lines}</ul>\n</details>\n", escape(title))
}
