//! The source lines of a finding, with its ranges marked.

use std::fmt::Write;
use std::ops::Range;

use super::{escape, escaped};
use crate::report::{Report, snippet};
use crate::rule::{Finding, Label};
use crate::source::SourceFile;
use crate::source::show::Excerpt;

/// Only this many bytes of a longer line are shown.
const WIDEST: usize = 4 << 10;

/// All places of a finding, file by file.
pub(super) fn excerpts(report: &Report, finding: &Finding) -> String {
    let clusters = snippet::clusters(report, &finding.labels);
    let mut out: String = clusters.iter().map(|cluster| excerpt(report, cluster)).collect();
    if let Some(left) = snippet::left_out(&finding.labels) {
        out.push_str(&format!("<p>{left}</p>\n"));
    }
    out
}

fn excerpt(report: &Report, cluster: &[&Label]) -> String {
    let file = report.sources.file(cluster[0].span.file);
    let line = |label: &Label| file.position(label.span.start).line;
    let place = format!("{}:{}", file.path.to_string_lossy(), line(cluster[0]));
    let place = escape(&place);
    let mut out = format!(
        "<figure class=\"lines\">\n<figcaption><code>{place}</code></figcaption>\n\
         <pre tabindex=\"0\" role=\"group\" aria-label=\"{place}\">"
    );
    let mut lines: Vec<usize> = cluster.iter().map(|label| line(label)).collect();
    lines.sort_unstable();
    lines.dedup();
    let mut before = None;
    for number in lines {
        if before.is_some_and(|before| before + 1 < number) {
            out.push_str("<span class=\"number\">  ...</span>\n");
        }
        before = Some(number);
        out.push_str(&shown(report, &file, number, cluster));
    }
    out.push_str("</pre>\n</figure>\n");
    out
}

/// One line with its number, and the labels below it.
fn shown(report: &Report, file: &SourceFile, number: usize, cluster: &[&Label]) -> String {
    let whole = file.line_span(number);
    let excerpt = Excerpt::new(file, &report.sources.hidden(file.id), whole);
    let mine = || {
        cluster.iter().enumerate().filter(|(_, label)| {
            file.position(label.span.start).line == number && label.span.file == file.id
        })
    };
    let mut marks: Vec<Range<usize>> = mine()
        .map(|(_, label)| excerpt.locate(label.span))
        .filter(|mark| mark.start < mark.end)
        .collect();
    marks.sort_by_key(|mark| (mark.start, mark.end));
    let text = excerpt.text.as_str();
    let cut = (0..=WIDEST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let mut out = format!("<span class=\"number\">{number:>5}</span> ");
    let mut at = 0;
    for mark in marks {
        let (start, end) = (mark.start.clamp(at, cut), mark.end.clamp(at, cut));
        out.push_str(&escaped(&text[at..start]));
        if start < end {
            let _ = write!(out, "<mark>{}</mark>", escaped(&text[start..end]));
        }
        at = end;
    }
    out.push_str(&escaped(&text[at..cut]));
    if cut < text.len() {
        out.push('…');
    }
    out.push('\n');
    for (_, label) in mine().filter(|(_, label)| !label.note.is_empty()) {
        let _ = writeln!(out, "<span class=\"note\">      ^ {}</span>", escape(&label.note));
    }
    out
}
