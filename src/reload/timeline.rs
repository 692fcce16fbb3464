//! The hand-over as a picture: answers and failures for each tenth of a second, the lifetimes of
//! workers, the events. In the terminal, and as one HTML file that needs nothing else.

use std::fmt::Write as _;

use owo_colors::OwoColorize;

use super::Ending;
use super::probing::{self, Slot};
use super::story::{Lifetime, Story};
use crate::report::html::escape;

/// An answer that took longer is a slow one, in milliseconds.
const SLOW: f64 = 500.0;
/// The most columns that the terminal's picture takes.
const COLUMNS: usize = 100;

/// The picture in the terminal; empty where nothing was probed while gunicorn was reloaded.
pub fn text(story: &Story, color: bool) -> String {
    let Some(report) = &story.probes else { return String::new() };
    let slots = probing::slots(report);
    let marks = probing::marks(report);
    if slots.is_empty() || marks.is_empty() {
        return String::new();
    }
    // Several slots share a column where there are too many.
    let per = slots.len().div_ceil(COLUMNS).max(1);
    let columns: Vec<Slot> = slots.chunks(per).map(probing::join).collect();
    let seconds = 0.1 * per as f64;
    let mut out = format!(
        "\nanswers, one column for {seconds:.1} s ('#' all, '~' slow, 'x' failed, '-' none)\n  "
    );
    for slot in &columns {
        let sign = sign(slot);
        let _ = match (color, sign) {
            (true, '#') => write!(out, "{}", sign.green()),
            (true, 'x') => write!(out, "{}", sign.red().bold()),
            (true, '-' | '~') => write!(out, "{}", sign.yellow()),
            _ => write!(out, "{sign}"),
        };
    }
    out.push('\n');
    let column = |at: f64| ((at / seconds) as usize).min(columns.len().saturating_sub(1));
    for (name, at) in &marks {
        let _ = writeln!(out, "  {:width$}^ {name} at {at:.1} s", "", width = column(*at));
    }
    for worker in &story.workers {
        let end = worker.to.map_or(columns.len(), |to| column(to) + 1);
        let from = column(worker.from).min(end);
        let bar: String = (from..end)
            .map(|at| match worker.loaded {
                Some(loaded) if at >= column(loaded) => '=',
                _ if worker.old => '=',
                _ => '.',
            })
            .collect();
        let kind = if worker.old { "old" } else { "new" };
        let _ = writeln!(out, "  {:from$}{bar} {kind} worker {}", "", worker.pid);
    }
    out.push('\n');
    out
}

fn sign(slot: &Slot) -> char {
    match (slot.sent, slot.failed) {
        (0, _) => ' ',
        (_, 0) if slot.ok > 0 && slot.worst > SLOW => '~',
        (_, 0) if slot.ok > 0 => '#',
        (_, 0) => '-',
        _ => 'x',
    }
}

/// The same as an HTML page of its own: no script, no font, nothing from elsewhere.
pub fn html(story: &Story) -> String {
    let (word, class) = match story.ending {
        Ending::Reloaded => ("Reloaded", "good"),
        Ending::WouldReload => ("Would reload", "good"),
        Ending::Degraded => ("Reloaded, degraded", "fair"),
        Ending::Refused => ("Refused", "fair"),
        Ending::Incomplete => ("Not checked", "fair"),
        Ending::RolledBack => ("Failed, rolled back", "bad"),
        Ending::RollbackFailed => ("Failed, not rolled back", "bad"),
    };
    let unit = escape(&story.unit);
    let mut body = format!(
        "<header><h1>{unit}</h1><p class=\"verdict {class}\"><strong>{word}.</strong> {}</p></header>\n",
        escape(&story.why)
    );
    body.push_str(&facts(story));
    body.push_str(&picture(story));
    body.push_str(&list("Seen", &story.evidence));
    body.push_str(&list("Notes", &story.notes));
    body.push_str(&list("What to type", &story.next));
    body.push_str("<section><h2>Steps</h2>\n<table><thead><tr><th scope=\"col\">Time</th><th scope=\"col\">Step</th><th scope=\"col\">What</th></tr></thead><tbody>\n");
    for event in &story.events {
        let _ = writeln!(
            body,
            "<tr><td><time>{}</time></td><td>{}</td><td>{}</td></tr>",
            escape(&event.time),
            event.step.word(),
            escape(&event.text)
        );
    }
    body.push_str("</tbody></table></section>\n");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{unit}: {word}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn facts(story: &Story) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(before) = &story.before {
        rows.push(("Previous release", before.display().to_string()));
    }
    if let Some(release) = &story.release {
        rows.push(("New release", release.display().to_string()));
    }
    if let Some(strategy) = story.strategy {
        rows.push(("Strategy", strategy.word().to_owned()));
    }
    if let Some(report) = &story.probes {
        rows.push(("Probes", probing::promise(report)));
        let gap = probing::longest_gap(report).as_secs_f64();
        rows.push(("Longest time without an answer", format!("{gap:.2} s")));
    }
    let mut out = String::from("<section><h2>In short</h2>\n<dl>\n");
    for (name, value) in rows {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    }
    out.push_str("</dl></section>\n");
    out
}

fn list(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items: String =
        lines.iter().map(|line| format!("<li><code>{}</code></li>\n", escape(line))).collect();
    format!("<section><h2>{title}</h2>\n<ul>\n{items}</ul></section>\n")
}

/// Answers as bars, workers as lines, moments as marks, over one axis.
fn picture(story: &Story) -> String {
    let Some(report) = &story.probes else { return String::new() };
    let slots = probing::slots(report);
    if slots.is_empty() {
        return String::new();
    }
    let (width, left, bars) = (960.0, 8.0, 120.0);
    let seconds = slots.len() as f64 * 0.1;
    let x = |at: f64| left + (at / seconds).clamp(0.0, 1.0) * (width - 2.0 * left);
    let most = slots.iter().map(|slot| slot.sent).max().unwrap_or(1).max(1) as f64;
    let row = 18.0;
    let marks = probing::marks(report);
    let top = 20.0 + 16.0 * marks.len() as f64;
    let height = top + bars + 30.0 + row * story.workers.len() as f64 + 10.0;
    let total: u64 = slots.iter().map(|slot| slot.sent).sum();
    let failed: u64 = slots.iter().map(|slot| slot.failed).sum();
    let mut out = format!(
        "<section><h2>The hand-over</h2>\n<figure><div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"The hand-over as a picture\"><svg viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"picture-title picture-text\"><title id=\"picture-title\">Answers and workers over time</title>\
         <desc id=\"picture-text\">{failed} of {total} probes failed in {seconds:.1} seconds; below, the life of each worker.</desc>\n"
    );
    let base = top + bars;
    let each = (width - 2.0 * left) / slots.len() as f64;
    for (number, slot) in slots.iter().enumerate() {
        let at = left + number as f64 * each;
        let good = bars * slot.ok as f64 / most;
        let bad = bars * slot.failed as f64 / most;
        let wide = (each - 0.5).max(0.5);
        if slot.ok > 0 {
            let class = if slot.worst > SLOW { "slow" } else { "ok" };
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" x=\"{at:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"{good:.1}\"/>",
                base - good
            );
        }
        if slot.failed > 0 {
            let _ = writeln!(
                out,
                "<rect class=\"failed\" x=\"{at:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"{bad:.1}\"/>",
                base - good - bad
            );
        }
    }
    let _ = writeln!(
        out,
        "<line class=\"axis\" x1=\"{left}\" y1=\"{base}\" x2=\"{}\" y2=\"{base}\"/>",
        width - left
    );
    let step = if seconds > 40.0 {
        10.0
    } else if seconds > 12.0 {
        2.0
    } else {
        1.0
    };
    let mut at = 0.0;
    while at <= seconds {
        let anchor = if at > seconds * 0.97 { "end" } else { "start" };
        let (at_x, y) = (x(at), base + 14.0);
        let _ = writeln!(
            out,
            "<text text-anchor=\"{anchor}\" x=\"{at_x:.1}\" y=\"{y:.1}\">{at:.0} s</text>"
        );
        at += step;
    }
    for (number, (name, at)) in marks.iter().enumerate() {
        let y = 14.0 + 16.0 * number as f64;
        let anchor = if *at > seconds * 0.8 { "end" } else { "start" };
        let _ = writeln!(
            out,
            "<line class=\"mark\" x1=\"{0:.1}\" y1=\"{1:.1}\" x2=\"{0:.1}\" y2=\"{base}\"/>\
             <text class=\"name\" text-anchor=\"{anchor}\" x=\"{2:.1}\" y=\"{1:.1}\">{3} ({at:.1} s)</text>",
            x(*at),
            y,
            if anchor == "end" { x(*at) - 4.0 } else { x(*at) + 4.0 },
            escape(name)
        );
    }
    for (number, worker) in story.workers.iter().enumerate() {
        out.push_str(&life(worker, &x, base + 30.0 + row * number as f64, seconds));
    }
    out.push_str("</svg></div><figcaption>Each bar is a tenth of a second: answered probes (amber: slower than half a second), failed ones above them. Below, old workers and new ones; a thin line is a worker that has not loaded the application yet.</figcaption></figure></section>\n");
    out
}

fn life(worker: &Lifetime, x: &dyn Fn(f64) -> f64, y: f64, seconds: f64) -> String {
    let end = worker.to.unwrap_or(seconds);
    let kind = if worker.old { "old" } else { "new" };
    let loaded = if worker.old { Some(worker.from) } else { worker.loaded };
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<line class=\"thin {kind}\" x1=\"{:.1}\" y1=\"{y}\" x2=\"{:.1}\" y2=\"{y}\"/>",
        x(worker.from),
        x(end)
    );
    if let Some(loaded) = loaded {
        let _ = writeln!(
            out,
            "<line class=\"thick {kind}\" x1=\"{:.1}\" y1=\"{y}\" x2=\"{:.1}\" y2=\"{y}\"/>",
            x(loaded),
            x(end)
        );
    }
    let _ = writeln!(
        out,
        "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{kind} {}</text>",
        x(worker.from) + 4.0,
        y - 4.0,
        worker.pid
    );
    out
}

const STYLE: &str = include_str!("timeline.css");
