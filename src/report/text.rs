//! The text output: verdict, path of a request, findings with their lines, checklist.

use std::fmt::Write;

use comfy_table::{Cell, Table, presets};
use owo_colors::OwoColorize;

use super::concise::{self, problem_line};
use super::plural::plural;
use super::view::Summary;
use super::{Report, clean, path, snippet};
use crate::engine::{AppOutcome, ChecklistItem, Outcome, Reported, SeenIn, Status, Verdict};
use crate::facts::{App, WhyKind};
use crate::rule::{Finding, Hop, Impact, Safety, Severity};
use crate::source::show;

/// The style of the text output.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether it has colours.
    pub color: bool,
    /// Whether it has only the findings and the last line.
    pub quiet: bool,
    /// Whether it has every reason for which a rule was skipped.
    pub verbose: bool,
    /// Whether it has the suppressed findings.
    pub suppressed: bool,
}

impl Style {
    fn paint(self, text: &str, paint: impl Fn(&str) -> String) -> String {
        if self.color { paint(text) } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.paint(text, |t| t.bold().to_string())
    }

    fn red(self, text: &str) -> String {
        self.paint(text, |t| t.red().bold().to_string())
    }

    fn yellow(self, text: &str) -> String {
        self.paint(text, |t| t.yellow().bold().to_string())
    }

    fn green(self, text: &str) -> String {
        self.paint(text, |t| t.green().to_string())
    }

    fn dim(self, text: &str) -> String {
        self.paint(text, |t| t.dimmed().to_string())
    }
}

/// The whole report.
pub fn text(report: &Report, style: Style) -> String {
    let mut out = String::new();
    let outcome = report.outcome;
    let of_host = |reported: &&Reported| reported.finding.app.is_none();
    let one = outcome.apps.len() == 1;
    if !one {
        // Findings that concern all applications come before those of any single one.
        for reported in outcome.findings.iter().filter(of_host) {
            finding(report, &reported.finding, style, &mut out);
        }
    }
    for (app, result) in report.deployment.apps.iter().zip(&outcome.apps) {
        let mine: Vec<&Reported> = outcome
            .findings
            .iter()
            .filter(|f| f.finding.app.as_deref() == Some(&result.name) || one && of_host(f))
            .collect();
        if !style.quiet {
            let not_asked = not_asked(report, result);
            let _ = writeln!(out, "{}", headline(result, outcome, not_asked.is_some(), style));
            let _ = writeln!(out, "\n  {}\n", path_line(app, outcome, style));
        }
        for reported in mine {
            finding(report, &reported.finding, style, &mut out);
        }
        if !style.quiet {
            checklist(result, &not_asked(report, result).unwrap_or_default(), style, &mut out);
        }
    }
    problems(report, style, &mut out);
    summary(report, style, &mut out);
    out
}

/// On a live host, the rules that would have needed a response but were not allowed to send a
/// request; `None` if there are none, or if the host is not live.
fn not_asked(report: &Report, result: &AppOutcome) -> Option<Vec<&'static str>> {
    if report.source.mode != "live" {
        return None;
    }
    let mine = report.outcome.skips.iter().filter(|skip| {
        skip.reason.kind() == WhyKind::NeedsProbe
            && skip.app.as_deref().is_none_or(|app| app == result.name)
    });
    let codes: Vec<&'static str> = mine.map(|skip| skip.code).collect();
    (!codes.is_empty()).then_some(codes)
}

/// The severity of a statement, for its color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Fair,
    Bad,
}

/// What a reload does now, in one sentence.
pub(super) fn verdict_words(result: &AppOutcome, outcome: &Outcome) -> (&'static str, Tone) {
    let errors = || {
        let all = outcome.all().map(|reported| &reported.finding);
        all.filter(|f| f.severity == Severity::Error)
            .filter(|f| f.app.as_deref().is_none_or(|app| app == result.name))
    };
    let worst = errors().map(|f| f.rule.impact).min_by_key(|impact| match impact {
        Impact::Outage => 0,
        Impact::BadGateway => 1,
        Impact::DroppedRequests => 2,
        Impact::StaleRelease => 3,
        _ => 4,
    });
    // In this case nginx itself answers, and not with 502, because the fault is in nginx.
    let in_nginx = || {
        let mut bad = errors().filter(|f| f.rule.impact == Impact::BadGateway);
        bad.all(|f| f.rule.hop == Hop::Nginx)
    };
    match (result.verdict, worst) {
        (Verdict::WillBreak, Some(Impact::Outage)) => {
            ("the next reload or start takes the site down", Tone::Bad)
        }
        (Verdict::WillBreak, Some(Impact::BadGateway)) if in_nginx() => {
            ("requests do not reach the application", Tone::Bad)
        }
        (Verdict::WillBreak, Some(Impact::BadGateway)) => {
            ("requests get 502 instead of an answer", Tone::Bad)
        }
        (Verdict::WillBreak, Some(Impact::DroppedRequests)) => {
            ("a reload now loses requests", Tone::Bad)
        }
        (Verdict::WillBreak, _) => ("a reload now keeps serving the old release", Tone::Bad),
        (Verdict::AtRisk, _) => ("a reload is at risk", Tone::Fair),
        (Verdict::ZeroDowntime, _) => {
            ("a reload loses nothing, as far as these files show", Tone::Good)
        }
        (Verdict::Unknown, _) if result.checklist.iter().any(|item| !item.accepted.is_empty()) => {
            ("nothing wrong was seen except accepted findings", Tone::Fair)
        }
        (Verdict::Unknown, _) => {
            ("nothing wrong was seen, but not everything could be read", Tone::Fair)
        }
    }
}

fn headline(result: &AppOutcome, outcome: &Outcome, not_asked: bool, style: Style) -> String {
    let name = style.bold(&clean(&result.name));
    let (says, tone) = verdict_words(result, outcome);
    let says = match tone {
        Tone::Good => style.green(says),
        Tone::Fair => style.yellow(says),
        Tone::Bad => style.red(says),
    };
    let unseen = match (result.verdict, not_asked) {
        (Verdict::WillBreak, _) | (_, false) => "",
        _ => " (no answer of the site was checked: --probe URL does that)",
    };
    format!("{name}: {says}{unseen}")
}

/// `client -> nginx … -> socket ✗ gunicorn …`: the arrow to a broken hop is a cross.
fn path_line(app: &App, outcome: &Outcome, style: Style) -> String {
    let mut line = "client".to_owned();
    for hop in path::hops(app, outcome) {
        let arrow = if hop.ok { style.dim("->") } else { style.red("✗") };
        let text = clean(&hop.text);
        let text = if hop.ok { text } else { style.red(&text) };
        let _ = write!(line, " {arrow} {text}");
    }
    line
}

fn finding(report: &Report, finding: &Finding, style: Style, out: &mut String) {
    let _ = writeln!(out, "{}", snippet::render(report, finding, style.color));
    for evidence in &finding.evidence {
        let _ = writeln!(out, "    {} {}", style.dim("="), clean(&evidence.text));
    }
    if let Some(fix) = &finding.fix {
        let head = format!("fix ({})", fix.safety.word());
        let _ =
            writeln!(out, "    {} {}: {}", style.dim("="), style.bold(&head), clean(&fix.title));
        if !fix.edits.is_empty() {
            let _ = writeln!(out, "      {}", clean(&command(report, finding, fix.safety)));
            let _ = writeln!(out, "      or by hand:");
        }
    }
    for line in show::block(&finding.help).lines() {
        let _ = writeln!(out, "      {line}");
    }
    out.push('\n');
}

/// The command that shows a finding's fix and, with `--apply`, makes it.
pub(super) fn command(report: &Report, finding: &Finding, safety: Safety) -> String {
    let mut words = vec!["deploy-doctor fix".to_owned()];
    // With a repository, the unit's full name is needed, because a directory often has the name
    // without the suffix.
    let beside = report.source.options.first().is_some_and(|word| !word.starts_with("--"));
    if let Some(app) = finding.app.as_deref().or_else(|| behind(report, finding)) {
        let short = app.strip_suffix(".service").filter(|_| !beside);
        // Several units of a repository with one name are each named by their files.
        let dashed = if app.starts_with('-') && app.contains('/') { "./" } else { "" };
        words.push(shell_word(&format!("{dashed}{}", short.unwrap_or(app))));
    }
    words.extend(Some(shell_words(&report.source.options)).filter(|words| !words.is_empty()));
    words.push(format!("--select {}", finding.rule.code));
    if safety == Safety::Unsafe {
        words.push("--unsafe".to_owned());
    }
    words.join(" ")
}

/// An application behind the nginx file of a finding of the host, if one report covers several
/// deployments of a repository: `fix` handles one deployment at a time.
fn behind<'r>(report: &Report<'r>, finding: &Finding) -> Option<&'r str> {
    let file = finding.labels.first()?.span.file;
    let apps = &report.outcome.apps;
    apps.iter().find(|app| app.nginx.contains(&file)).map(|app| app.name.as_str())
}

/// Quotes words for a shell.
pub fn shell_words(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a shell.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@:=+,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

fn checklist(result: &AppOutcome, not_asked: &[&str], style: Style, out: &mut String) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let (open, shown): (Vec<_>, Vec<_>) = result.checklist.iter().partition(|item| item.needs_host);
    for item in &shown {
        let note = match item.status {
            Status::Pass if item.seen == Some(SeenIn::Files) => "as far as files show".to_owned(),
            Status::Unknown if item.skipped.iter().any(|code| not_asked.contains(code)) => {
                "no answer was checked: --probe URL".to_owned()
            }
            Status::Unknown if item.findings.is_empty() => not_known(item),
            _ => item.findings.join(" "),
        };
        table.add_row([
            Cell::new(mark(item.status)),
            Cell::new(item.item.title()),
            Cell::new(note),
        ]);
    }
    // The marks are coloured afterwards, because escape sequences would count as width.
    for (line, item) in table.to_string().lines().zip(&shown) {
        let plain = mark(item.status);
        let painted = match item.status {
            Status::Pass => style.green(plain),
            Status::Fail => style.red(plain),
            Status::Warn => style.yellow(plain),
            Status::Unknown => style.dim(plain),
        };
        let _ = writeln!(out, "  {}", line.trim_end().replacen(plain, &painted, 1));
    }
    if !open.is_empty() {
        let items = plural(open.len(), "item");
        let _ = writeln!(out, "   {items} to check on a running host: run this there");
    }
    out.push('\n');
}

/// A text that says that an item is not known, and why.
pub(super) fn not_known(item: &ChecklistItem) -> String {
    match &item.why {
        _ if !item.accepted.is_empty() => {
            format!("accepted, not fixed: {}", item.accepted.join(" "))
        }
        Some(why) => format!("not known: {}", clean(why)),
        None => "not known".to_owned(),
    }
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Pass => "✓",
        Status::Fail => "✗",
        Status::Warn => "!",
        Status::Unknown => "?",
    }
}

fn problems(report: &Report, style: Style, out: &mut String) {
    let mut any = false;
    for problem in report.problems() {
        let line = problem_line(problem);
        let line = if problem.note { line } else { style.yellow(&line) };
        let _ = writeln!(out, "{line}");
        any = true;
    }
    if any {
        out.push('\n');
    }
}

fn summary(report: &Report, style: Style, out: &mut String) {
    let outcome = report.outcome;
    if style.verbose {
        for skip in &outcome.skips {
            let app = skip.app.as_deref().map_or_else(String::new, |app| format!(" {app}"));
            let _ = writeln!(out, "skipped {}{app}: {}", skip.code, clean(skip.reason.text()));
        }
    }
    if style.verbose || style.suppressed {
        for one in &outcome.suppressed {
            let (line, by) = (concise::line(report, &one.reported.finding), &one.by);
            let file = clean(&by.file.to_string_lossy());
            let until =
                by.until.as_ref().map_or_else(String::new, |day| format!(" until {}", day.0));
            let reason = clean(&by.reason);
            let _ = writeln!(out, "suppressed{until} {line} ({file}:{}: {reason})", by.line);
        }
        for reported in &outcome.known {
            let _ = writeln!(out, "known {}", concise::line(report, &reported.finding));
        }
    }
    let mut parts = vec![Summary::of(outcome).words()];
    let skipped = outcome.skips.len();
    if skipped > 0 {
        let hint = if style.verbose { "" } else { " (-v says why)" };
        parts.push(format!("{} skipped{hint}", plural(skipped, "check")));
    }
    let _ = writeln!(out, "{}", parts.join(", "));
    if style.verbose {
        let _ = writeln!(out, "{}", style.dim(&report.times.to_string()));
    }
}
