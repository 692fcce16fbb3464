//! Decides what a line is once the state machine has read it: an assignment, an ignored line, a
//! comment or a fault, as in systemd's `load_env_file_push()` and `strv_env_clean_with_callback()`.

use super::machine::{Draft, Machine, State, is_newline};
use super::{
    EnvAssignment, Fault, FaultKind, Ignored, IgnoredKind, Quoting, SwallowingComment, hints,
    is_name,
};
use crate::source::{Secret, Span, Spanned};

/// `sysconf(_SC_ARG_MAX)` with the usual stack limit of 8 MiB; the limits of `env_value_is_valid()`
/// and `env_assignment_is_valid()` are slightly lower.
const ARG_MAX: usize = 2 << 20;

impl Machine<'_> {
    fn lines(&self, span: Span) -> std::ops::RangeInclusive<usize> {
        self.file.position(span.start).line..=self.file.position(span.end).line
    }

    pub(super) fn end_comment(&mut self, at: usize) {
        let span = self.span(self.key_start, at);
        self.out.comments.push(span);
        if !self.continue_comments {
            return;
        }
        let ends = self.out.comment_continuations.iter().rev();
        let mut backslashes: Vec<Span> = ends
            .take_while(|end| end.start >= span.start)
            .map(|end| Span { end: end.start + 1, ..*end })
            .collect();
        backslashes.reverse();
        if backslashes.is_empty() {
            return;
        }
        let names = hints::swallowed(self.file, span);
        if !names.is_empty() {
            self.out.swallowing_comments.push(SwallowingComment { backslashes, names });
        }
    }

    pub(super) fn without_equals(&mut self, at: usize) {
        let key = self.bytes.get(self.key_start..self.key_end).unwrap_or_default();
        let (kind, name) = hints::why_ignored(key, self.key_start, false);
        self.ignore(at, kind, name, false);
    }

    fn ignore(&mut self, at: usize, kind: IgnoredKind, name: Option<String>, logged: bool) {
        let span = self.span(self.line_start, at);
        self.out.ignored.push(Ignored {
            kind,
            name,
            name_span: self.span(self.key_start, self.key_end),
            span,
            lines: self.lines(span),
            logged,
        });
    }

    fn fault(&mut self, kind: FaultKind, span: Span) {
        self.out.fatal.get_or_insert(Fault { kind, span });
    }

    /// Records the assignment that ends at `at`, as `load_env_file_push()` and then
    /// `strv_env_clean_with_callback()` do.
    pub(super) fn push(&mut self, at: usize) {
        let draft = std::mem::take(&mut self.draft);
        let start = draft.start.unwrap_or(self.equals + 1);
        let value_span = self.span(start, draft.end.max(start));
        let key = self.bytes.get(self.key_start..self.key_end).unwrap_or_default();
        if !hints::is_utf8(key) {
            self.fault(FaultKind::NonUtf8, self.span(self.key_start, self.key_end));
        } else if !hints::is_utf8(&draft.value) {
            self.fault(FaultKind::NonUtf8, value_span);
        } else if !is_name(key) {
            let (kind, name) = hints::why_ignored(key, self.key_start, true);
            let padding = hints::is_padding(key, &draft.value);
            self.ignore(at, kind, name.filter(|_| !padding), true);
        } else if draft.value.len() > ARG_MAX - 3 || key.len() + 1 + draft.value.len() > ARG_MAX - 1
        {
            let name = String::from_utf8_lossy(key).into_owned();
            self.ignore(at, IgnoredKind::TooLong, Some(name), true);
        } else {
            let assignment = self.assignment(at, draft, value_span);
            self.out.assignments.push(assignment);
        }
    }

    fn assignment(&self, at: usize, draft: Draft, value_span: Span) -> EnvAssignment {
        let key = self.bytes.get(self.key_start..self.key_end).unwrap_or_default();
        let span = self.span(self.line_start, at);
        let open = matches!(
            self.state,
            State::SingleQuote | State::DoubleQuote | State::DoubleQuoteEscape
        );
        let lines = self.lines(span);
        let swallowed = if lines.start() != lines.end() {
            hints::swallowed(self.file, value_span)
        } else {
            Vec::new()
        };
        EnvAssignment {
            name: Spanned {
                value: String::from_utf8_lossy(key).into_owned(),
                span: self.span(self.key_start, self.key_end),
            },
            value_span,
            span,
            lines,
            quoting: self.quoting(&draft, open),
            open_quote: open.then(|| self.span(draft.quote, draft.quote + 1)),
            swallowed,
            comment: draft.comment.map(|start| self.to_line_end(start, value_span)),
            expansions: draft.expansions.found,
            continuations: draft.continuations,
            lost_continuations: draft.lost_continuations,
            dropped_backslash: draft.dropped_backslash,
            literal_quote: draft.literal_quote,
            value: Secret::new(draft.value),
            overridden: false,
        }
    }

    fn quoting(&self, draft: &Draft, open: bool) -> Quoting {
        let single = draft.single || (open && self.state == State::SingleQuote);
        let double = draft.double || (open && self.state != State::SingleQuote);
        match (draft.unquoted, single, double) {
            (_, false, false) => Quoting::Unquoted,
            (false, true, false) => Quoting::Single,
            (false, false, true) => Quoting::Double,
            _ => Quoting::Mixed,
        }
    }

    /// The end of a comment in a value: that of the line, or that of the value if the line
    /// continues.
    fn to_line_end(&self, start: usize, value: Span) -> Span {
        let end = (value.end as usize).max(start);
        let text = self.bytes.get(start..end).unwrap_or_default();
        let length = text.iter().position(|byte| is_newline(*byte)).unwrap_or(text.len());
        self.span(start, start + length)
    }
}
