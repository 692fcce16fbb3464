//! GUNICORN_CMD_ARGS, as gunicorn splits it.

use super::super::Origin;
use crate::source::gunicorn::{ArgumentWord, shlex};
use crate::source::{FileId, Secret, Span, Text};

/// GUNICORN_CMD_ARGS as words; all of them stand where the variable is set.
pub(super) fn cmd_args_words(secret: &Secret, origin: &Origin) -> Option<Vec<ArgumentWord>> {
    let text = secret.expose_str()?;
    let nowhere = Span { file: FileId(u32::MAX), start: 0, end: 0 };
    let span = origin.span().unwrap_or(nowhere);
    let words = shlex::split(text)?.into_iter().map(|word| {
        let mut text = Text::empty(span.file, span.start as usize);
        text.push_str(&word, span.start as usize, span.end as usize);
        ArgumentWord { text, span, secret: true, unknown: None, many: false }
    });
    Some(words.collect())
}
