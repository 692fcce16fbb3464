//! What is true of every place that a reader names.

use deploy_doctor::source::{SourceFile, Span};

/// It lies in its file, and does not end before it begins.
#[track_caller]
pub fn inside(file: &SourceFile, span: Span) {
    assert_eq!(span.file, file.id);
    let length = file.bytes.len();
    assert!(span.start <= span.end && span.end as usize <= length, "{span:?} of {length} bytes");
}

/// All of them do.
#[track_caller]
pub fn all_inside(file: &SourceFile, spans: impl IntoIterator<Item = Span>) {
    for span in spans {
        inside(file, span);
    }
}
