//! From a value back to the text that it was made from: the variable, the line, the word.

use memchr::memmem;

use super::App;
use crate::source::Span;

impl App {
    /// Where a variable's value is written, for the place of its name; other places as they are.
    pub fn value_written(&self, name: Span) -> Span {
        let mut lines = self.environment.read_files().flat_map(|file| &file.content.assignments);
        if let Some(line) = lines.find(|line| line.name.span == name) {
            return line.value_span;
        }
        let mut settings = self.service.unit.files().flat_map(|file| &file.assignments);
        let around = settings.find(|setting| {
            setting.is("Service", "Environment")
                && setting.span.file == name.file
                && (setting.span.start..setting.span.end).contains(&name.start)
        });
        around.map_or(name, |setting| Span { start: name.end, end: setting.span.end, ..name })
    }

    /// The places from which a value was made, beginning with the one that names it: itself, and
    /// those of the variables in it.
    pub fn sources_of(&self, at: Span) -> Vec<Span> {
        let at = self.value_written(at);
        let mut found = vec![at];
        let text = String::from_utf8_lossy(self.written(at).unwrap_or_default());
        for (dollar, _) in text.match_indices('$').take(16) {
            let rest = text.get(dollar + 1..).unwrap_or_default().trim_start_matches('{');
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let variable = self.environment.variables.get(name);
            found.extend(variable.and_then(|v| v.span).map(|span| self.value_written(span)));
        }
        found
    }

    /// Where a text stands in a value, or in the variable that it comes from. None where it does
    /// not stand there as it is, exactly once and as a word of its own.
    pub fn find_written(&self, at: Span, text: &str) -> Option<Span> {
        self.sources_of(at).into_iter().find_map(|at| {
            let bytes = self.written(at)?;
            let mut found = memmem::find_iter(bytes, text).filter(|start| {
                let before = start.checked_sub(1).and_then(|at| bytes.get(at));
                let after = bytes.get(start + text.len());
                !before.is_some_and(is_of_path) && !after.is_some_and(is_of_path)
            });
            let start = at.start + u32::try_from(found.next()?).ok()?;
            let end = start + u32::try_from(text.len()).ok()?;
            found.next().is_none().then_some(Span { start, end, ..at })
        })
    }
}

/// Does this byte go on with a path or a word?
fn is_of_path(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/')
}
