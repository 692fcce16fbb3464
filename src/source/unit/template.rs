//! Unit files generated from a template: lines between `{% if … %}` and `{% endif %}` may be
//! present or not, so their values are not known yet.
//!
//! Sources: Jinja's block statements, ERB's `<% if … %>`, Go's `{{ if … }}`, Mustache's `{{#x}}`.

use std::collections::HashSet;

use super::syntax::{Assignment, UnitFile};
use crate::source::{SourceFile, Text};

/// The value that takes the place of such a value: some placeholder.
const VALUE: &str = "{% if %}";

/// The effect of a template's line on the lines after it.
#[derive(Debug, PartialEq, Eq)]
enum TemplateStep {
    Opens,
    Closes,
    /// `else`, a comment, a statement without a block.
    Neither,
}

/// Removes the lines of the template's own language, and makes values that depend on them unknown.
/// If several lines inside blocks set one setting (`if` and `else`), one of them is kept.
pub(super) fn open(unit: &mut UnitFile) {
    let Some(lines) = steps(&unit.file) else { return };
    let mut depth = 0_usize;
    let mut hanging: Vec<(u32, u32)> = Vec::new();
    let mut own: HashSet<u32> = HashSet::new();
    let mut from = 0;
    for (start, step) in &lines {
        own.insert(*start);
        match step {
            TemplateStep::Opens => {
                depth += 1;
                if depth == 1 {
                    from = *start;
                }
            }
            TemplateStep::Closes => {
                if depth == 1 {
                    hanging.push((from, *start));
                }
                depth = depth.saturating_sub(1);
            }
            TemplateStep::Neither => {}
        }
    }
    if depth > 0 {
        hanging.push((from, u32::MAX));
    }
    unit.assignments.retain(|line| !own.contains(&line.span.start));
    unit.faults.retain(|fault| !own.contains(&fault.span.start));
    // The blocks are in order and do not nest.
    let hangs = |line: &Assignment| {
        let behind = hanging.partition_point(|(_, to)| *to <= line.span.start);
        hanging.get(behind).is_some_and(|(from, _)| *from <= line.span.start)
    };
    let mut seen = HashSet::new();
    unit.assignments.retain_mut(|line| {
        if !hangs(line) {
            return true;
        }
        let span = line.value.span();
        let mut value = Text::empty(line.value.file(), span.start as usize);
        value.push_str(VALUE, span.start as usize, span.end as usize);
        line.value = value;
        seen.insert((line.section.clone(), line.key.value.clone()))
    });
}

/// The lines of the template's language, by the offset of their first byte that is not a space;
/// `None` if there are no such lines.
fn steps(file: &SourceFile) -> Option<Vec<(u32, TemplateStep)>> {
    let mut steps = Vec::new();
    let mut at = 0;
    for line in file.bytes.split_inclusive(|byte| *byte == b'\n') {
        let blank = line.len() - line.trim_ascii_start().len();
        if let Some(step) = step(line.trim_ascii()) {
            steps.push((u32::try_from(at + blank).unwrap_or(u32::MAX), step));
        }
        at += line.len();
    }
    (!steps.is_empty()).then_some(steps)
}

fn step(line: &[u8]) -> Option<TemplateStep> {
    let text = std::str::from_utf8(line).ok()?;
    let whole = |open: &str, close: &str| {
        let inner = text.strip_prefix(open)?.strip_suffix(close)?;
        // `{{ a }} … {{ b }}`, `{% if x %}Name=value{% endif %}`: these are not lines of the
        // template's own language.
        (!inner.contains(close)).then(|| inner.trim_matches(['-', '+', '~', ' ', '\t']))
    };
    if let Some(words) = whole("{%", "%}") {
        let first = words.split_whitespace().next().unwrap_or_default();
        return Some(match first {
            "if" | "for" | "block" | "macro" | "call" | "filter" | "with" | "raw" => {
                TemplateStep::Opens
            }
            _ if first.starts_with("end") => TemplateStep::Closes,
            _ => TemplateStep::Neither,
        });
    }
    if let Some(words) = whole("<%", "%>").filter(|words| !words.starts_with('=')) {
        let first = words.split_whitespace().next().unwrap_or_default();
        return Some(match first {
            "if" | "unless" | "for" | "while" | "case" => TemplateStep::Opens,
            "end" => TemplateStep::Closes,
            _ if words.ends_with(" do") || words.ends_with('|') => TemplateStep::Opens,
            _ => TemplateStep::Neither,
        });
    }
    if whole("{#", "#}").is_some() {
        return Some(TemplateStep::Neither);
    }
    let words = whole("{{", "}}")?;
    let first = words.split_whitespace().next().unwrap_or_default();
    match first {
        "if" | "range" | "with" | "define" => Some(TemplateStep::Opens),
        "end" => Some(TemplateStep::Closes),
        "else" => Some(TemplateStep::Neither),
        _ if first.starts_with(['#', '^']) => Some(TemplateStep::Opens),
        _ if first.starts_with('/') => Some(TemplateStep::Closes),
        _ if first.starts_with('!') => Some(TemplateStep::Neither),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::FileId;
    use crate::source::unit::syntax;

    fn settings(text: &str) -> Vec<(String, String)> {
        let file = SourceFile::new(FileId(0), "/a.service.j2", text.as_bytes().to_vec());
        let mut unit = syntax::parse(Arc::new(file));
        open(&mut unit);
        assert!(unit.faults.is_empty(), "{:?}", unit.faults);
        let of = |line: &Assignment| (line.key.value.clone(), line.value.as_str().to_owned());
        unit.assignments.iter().map(of).collect()
    }

    #[test]
    fn what_stands_in_a_block_is_not_known() {
        for text in [
            "[Service]\nA=1\n{% if x == 1 %}\nB=2\n{% else %}\nB=3\n{%- endif %}\nC=4\n",
            "[Service]\nA=1\n<% if x %>\nB=2\n<% end -%>\nC=4\n",
            "[Service]\nA=1\n{{ if .X }}\n  B=2\n{{- end }}\nC=4\n",
            "[Service]\nA=1\n{{#x}}\nB=2\n{{/x}}\nC=4\n",
            "[Service]\nA=1\n{% for a in b %}\n{% if a %}\nB=2\n{% endif %}\n{% endfor %}\n{# c #}\nC=4\n",
        ] {
            let found = settings(text);
            let shown: Vec<(&str, &str)> =
                found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(shown, [("A", "1"), ("B", VALUE), ("C", "4")], "{text}");
        }
    }

    #[test]
    fn a_value_that_is_put_in_hides_nothing_else() {
        let text = "[Service]\nA={{ a }}\n{{ line }}=1\n{% set x = 1 %}\nB=2\n";
        let found = settings(text);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[2], ("B".to_owned(), "2".to_owned()));
    }
}
