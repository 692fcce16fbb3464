//! The path of a request as a picture: a box for each hop from the client downwards, and a cross on
//! the arrow into a broken hop. It is vertical, so that a phone can show all of it.

use std::fmt::Write;

use super::{escape, escaped};
use crate::engine::Outcome;
use crate::facts::App;
use crate::report::{clean, path};
use crate::rule::{Hop, Severity};

/// Widths in the picture's own units; the whole picture is about as wide as a phone.
const WIDTH: usize = 360;
const BOX: usize = 328;
const LEFT: usize = 16;
const ARROW: usize = 36;
/// The most characters in a line of a box, and the most lines.
const LINE: usize = 42;
const LINES: usize = 3;

struct Shape {
    title: &'static str,
    lines: Vec<String>,
    /// The rules whose findings break this hop.
    broken: Vec<&'static str>,
    ok: bool,
}

impl Shape {
    fn height(&self) -> usize {
        let more = usize::from(!self.broken.is_empty());
        24 + 16 * (self.lines.len() + more) + 6
    }
}

/// The picture of an application's path.
pub(super) fn path(number: usize, app: &App, outcome: &Outcome) -> String {
    let client = Shape { title: "client", lines: Vec::new(), broken: Vec::new(), ok: true };
    let hops = path::hops(app, outcome).into_iter().map(|hop| Shape {
        title: title(hop.hop),
        lines: wrapped(&clean(&hop.text)),
        broken: if hop.ok { Vec::new() } else { breaks(app, outcome, hop.hop) },
        ok: hop.ok,
    });
    let shapes: Vec<Shape> = std::iter::once(client).chain(hops).collect();
    let height: usize =
        shapes.iter().map(|shape| shape.height() + ARROW).sum::<usize>() - ARROW + 8;
    let says = description(&shapes);
    let mut out = format!(
        "<figure class=\"path\">\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"path-{number}-title path-{number}-text\">\n\
         <title id=\"path-{number}-title\">A request's path</title>\n\
         <desc id=\"path-{number}-text\">{}</desc>\n",
        escape(&says)
    );
    let mut top = 4;
    for (index, shape) in shapes.iter().enumerate() {
        if index > 0 {
            out.push_str(&arrow(top, shape.ok));
            top += ARROW;
        }
        out.push_str(&drawn(top, shape));
        top += shape.height();
    }
    let _ = writeln!(out, "</svg>\n<figcaption>{}</figcaption>\n</figure>", escape(&says));
    out
}

fn title(hop: Hop) -> &'static str {
    match hop {
        Hop::Nginx => "site",
        Hop::Upstream => "upstream",
        Hop::Socket => "socket",
        Hop::Master => "master",
        Hop::Workers => "workers",
        Hop::Release => "release",
    }
}

fn breaks(app: &App, outcome: &Outcome, hop: Hop) -> Vec<&'static str> {
    let mut codes: Vec<&'static str> = outcome
        .all()
        .map(|reported| &reported.finding)
        .filter(|finding| finding.rule.hop == hop && finding.severity == Severity::Error)
        .filter(|finding| finding.app.as_deref().is_none_or(|name| name == app.name))
        .map(|finding| finding.rule.code)
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes.truncate(6);
    codes
}

/// What the picture shows, in words.
fn description(shapes: &[Shape]) -> String {
    let broken: Vec<String> = shapes
        .iter()
        .filter(|shape| !shape.ok)
        .map(|shape| format!("{} ({})", shape.title, shape.broken.join(" ")))
        .collect();
    match broken.is_empty() {
        true => "From the client to the release, no hop is known to be broken.".to_owned(),
        false => format!("From the client to the release, broken at: {}.", broken.join(", ")),
    }
}

fn drawn(top: usize, shape: &Shape) -> String {
    let class = if shape.ok { "hop" } else { "hop broken" };
    let height = shape.height();
    let mut out = format!(
        "<g class=\"{class}\"><rect x=\"{LEFT}\" y=\"{top}\" width=\"{BOX}\" height=\"{height}\" \
         rx=\"6\"/><text class=\"title\" x=\"{}\" y=\"{}\">{}</text>",
        LEFT + 10,
        top + 18,
        shape.title
    );
    let mut y = top + 18;
    for line in &shape.lines {
        y += 16;
        let _ = write!(out, "<text x=\"{}\" y=\"{y}\">{}</text>", LEFT + 10, escaped(line));
    }
    if !shape.broken.is_empty() {
        y += 16;
        let codes = shape.broken.join(" ");
        let _ =
            write!(out, "<text class=\"why\" x=\"{}\" y=\"{y}\">broken: {codes}</text>", LEFT + 10);
    }
    out.push_str("</g>\n");
    out
}

fn arrow(top: usize, ok: bool) -> String {
    let middle = WIDTH / 2;
    let (from, to) = (top + 2, top + ARROW - 3);
    let class = if ok { "arrow" } else { "arrow broken" };
    let mut out = format!(
        "<g class=\"{class}\"><path d=\"M{middle} {from}V{to}M{} {}L{middle} {to}L{} {}\"/>",
        middle - 5,
        to - 6,
        middle + 5,
        to - 6
    );
    if !ok {
        let y = top + ARROW / 2 - 1;
        let _ = write!(
            out,
            "<circle cx=\"{middle}\" cy=\"{y}\" r=\"9\"/><path d=\"M{} {}L{} {}M{} {}L{} {}\"/>",
            middle - 4,
            y - 4,
            middle + 4,
            y + 4,
            middle + 4,
            y - 4,
            middle - 4,
            y + 4
        );
    }
    out.push_str("</g>\n");
    out
}

/// Wraps a text into the lines of a box. A text that is too long loses its middle, because both
/// ends of a path are the most informative.
fn wrapped(text: &str) -> Vec<String> {
    let most = LINE * LINES;
    let letters: Vec<char> = text.chars().collect();
    let letters = match letters.len() > most {
        true => {
            let half = most / 2 - 1;
            let end = letters.len() - half;
            [&letters[..half], &['…'], &letters[end..]].concat()
        }
        false => letters,
    };
    let mut lines = Vec::new();
    let mut rest = letters.as_slice();
    while rest.len() > LINE && lines.len() + 1 < LINES {
        // Breaks the line after a space or a `/` if there is one in its second half.
        let fits = rest.iter().take(LINE).rposition(|c| matches!(c, ' ' | '/'));
        let at = fits.filter(|at| *at >= LINE / 2).map_or(LINE, |at| at + 1);
        let (line, more) = rest.split_at(at);
        lines.push(line.iter().collect::<String>().trim_end().to_owned());
        rest = more;
    }
    lines.push(rest.iter().collect());
    lines
}
