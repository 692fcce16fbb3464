//! A finding with its source lines, even if they are in several files.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};

use super::{Report, clean};
use crate::rule::{Finding, Label, Severity};
use crate::source::show::Excerpt;
use crate::source::{SourceFile, Span};

/// Labels in one file that are more than this many lines apart are shown separately.
const GAP: usize = 30;
/// A range of more bytes than this (a line of a mebibyte) is named but not shown.
const WIDEST: usize = 16 << 10;
/// The most places of a finding that are shown. Further ones are only counted: nobody reads them
/// all, and showing them would take quadratic time.
const MOST: usize = 100;

/// Renders a finding's head and its source lines.
pub(super) fn render(report: &Report, finding: &Finding, color: bool) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let title = level.primary_title(clean(&finding.message)).id(finding.rule.code);
    let mut elements: Vec<Element> = Vec::new();
    let mut columns = Vec::new();
    for (index, cluster) in clusters(report, &finding.labels).into_iter().enumerate() {
        let (element, moved) = element(report, &cluster, index == 0);
        elements.push(element);
        columns.push(moved);
    }
    if let Some(left) = left_out(&finding.labels) {
        elements.push(Level::NOTE.message(left).into());
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let group = if elements.is_empty() {
        annotate_snippets::Group::with_title(title)
    } else {
        title.elements(elements)
    };
    real_columns(&renderer.decor_style(DecorStyle::Ascii).render(&[group]), &columns)
}

/// For each heading of an excerpt, the position with the column in the text as shown, and the
/// position with the column in the file, which editors need.
type Moved = Vec<(String, String)>;

/// Corrects the columns in the headings: the library counts them in the text as shown, in which
/// secrets are masked.
fn real_columns(text: &str, columns: &[Moved]) -> String {
    if columns.iter().all(Vec::is_empty) {
        return text.to_owned();
    }
    let mut elements = columns.iter();
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let head = line.contains("--> ") || line.contains("::: ");
        let moved = if head { elements.next() } else { None };
        let found = moved.into_iter().flatten().find(|(shown, _)| {
            let rest = line.split_once(shown.as_str()).map(|(_, rest)| rest);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        });
        lines.push(match found {
            Some((shown, real)) => line.replacen(shown.as_str(), real, 1),
            None => line.to_owned(),
        });
    }
    lines.join("\n")
}

/// The labels whose columns differ between the file and the text as shown.
fn moved(file: &SourceFile, excerpt: &Excerpt, path: &str, cluster: &[&Label]) -> Moved {
    let column = |text: &str| text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let mut moved = Vec::new();
    for label in cluster {
        let at = file.position(label.span.start);
        let before = file.line_span(at.line).start;
        let real = column(&String::from_utf8_lossy(file.slice(Span {
            start: before,
            end: label.span.start,
            ..label.span
        })));
        let shown = excerpt.text.get(..excerpt.locate(label.span).start).map_or(real, column);
        let place = |column: usize| format!("{path}:{}:{column}", at.line);
        if shown != real {
            moved.push((place(shown), place(real)));
        }
    }
    moved
}

/// A note about the places that are not shown.
pub(super) fn left_out(labels: &[Label]) -> Option<String> {
    let more = labels.len().checked_sub(MOST).filter(|more| *more > 0)?;
    Some(format!("and {more} more {}", if more == 1 { "place" } else { "places" }))
}

/// The first labels, grouped by file and proximity, with the primary label's group first.
pub(super) fn clusters<'a>(report: &Report, labels: &'a [Label]) -> Vec<Vec<&'a Label>> {
    let mut clusters: Vec<Vec<&Label>> = Vec::new();
    for label in labels.iter().take(MOST) {
        let line = line_of(report, label.span);
        let near = clusters.iter_mut().find(|cluster| {
            cluster.iter().any(|other| {
                other.span.file == label.span.file
                    && line_of(report, other.span).abs_diff(line) <= GAP
            })
        });
        match near {
            Some(cluster) => cluster.push(label),
            None => clusters.push(vec![label]),
        }
    }
    clusters
}

fn line_of(report: &Report, span: Span) -> usize {
    report.sources.file(span.file).position(span.start).line
}

fn element(report: &Report, cluster: &[&Label], first: bool) -> (Element<'static>, Moved) {
    let id = cluster[0].span.file;
    let file = report.sources.file(id);
    let path = clean(&file.path.to_string_lossy());
    let range = whole_lines(&file, cluster);
    let position = file.position(range.start);
    if (range.end - range.start) as usize > WIDEST {
        let at = file.position(cluster[0].span.start);
        return (Origin::path(path).line(at.line).char_column(at.column).into(), Vec::new());
    }
    let excerpt = Excerpt::new(&file, &report.sources.hidden(id), range);
    let annotations: Vec<_> = cluster
        .iter()
        .enumerate()
        .map(|(index, label)| {
            let kind =
                if first && index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let at = excerpt.locate(label.span);
            let annotation = kind.span(at);
            if label.note.is_empty() { annotation } else { annotation.label(clean(&label.note)) }
        })
        .collect();
    let moved = moved(&file, &excerpt, &path, cluster);
    let snippet = Snippet::source(excerpt.text).line_start(position.line).path(path).fold(true);
    (snippet.annotations(annotations).into(), moved)
}

/// The range from the start of the first label's line to the end of the last one's.
fn whole_lines(file: &SourceFile, cluster: &[&Label]) -> Span {
    let all = cluster.iter().skip(1).fold(cluster[0].span, |all, label| all.to(label.span));
    let start = file.line_span(file.position(all.start).line);
    let last = all.end.max(all.start + 1) - 1;
    start.to(file.line_span(file.position(last).line))
}
