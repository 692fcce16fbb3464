//! From a value back to the text that it was made from: the variable, the line, the word.

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
}
