//! Syntax faults of a unit file, in plain words.

use std::fmt;

use crate::source::Span;

/// Something in a unit file that systemd does not read, or does not read the way it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it is.
    pub kind: FaultKind,
    /// Where it is.
    pub span: Span,
    /// systemd stops reading the file here: a unit whose fragment has such a fault is refused,
    /// a drop-in counts up to this place.
    pub fatal: bool,
}

/// The kinds of [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// `[Service] # text`: something follows the closing bracket.
    HeaderFollowedByText,
    /// `[Service`: no closing bracket.
    HeaderUnclosed,
    /// A header with a quote, a backslash or a control character in it.
    HeaderBadCharacters,
    /// `[]`, `[[Service]]`: a header without a name or with a `[` in it. Only newer versions stop
    /// there; older ones pass over such a section.
    HeaderNoName,
    /// A line that is not UTF-8.
    NotUtf8,
    /// A line of 1 MiB or more, also one that came about by continuations.
    LineTooLong,
    /// A line that is neither a header nor `Key=value`.
    NoEquals,
    /// `=value`: nothing before the equals sign.
    EmptyKey,
    /// An assignment before the first header.
    OutsideSection,
    /// White space after a backslash at the end of a line: it looks like a continuation.
    BlankAfterBackslash,
    /// A header in the line after a backslash: it is part of the value before it.
    HeaderInContinuation,
    /// A byte order mark; systemd skips the first one.
    ByteOrderMark,
    /// The file ends in a backslash.
    EndsInContinuation,
    /// A NUL byte; systemd ends the line there.
    Nul,
}

impl FaultKind {
    /// Does systemd stop reading the file at this fault?
    pub fn is_fatal(self) -> bool {
        matches!(
            self,
            Self::HeaderFollowedByText
                | Self::HeaderUnclosed
                | Self::HeaderBadCharacters
                | Self::HeaderNoName
                | Self::NotUtf8
                | Self::LineTooLong
        )
    }

    /// Is it worth knowing, but harmless?
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::ByteOrderMark)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeaderFollowedByText => {
                "a section header must be alone on its line, without even a comment"
            }
            Self::HeaderUnclosed => "the section header has no closing bracket",
            Self::HeaderBadCharacters => {
                "a section header cannot contain quotes, backslashes or control characters"
            }
            Self::HeaderNoName => "a section header cannot be empty or contain a second `[`",
            Self::NotUtf8 => "the line is not valid UTF-8",
            Self::LineTooLong => "the line is 1 MiB or longer",
            Self::NoEquals => "a line without `=` is ignored",
            Self::EmptyKey => "a line without a name before `=` is ignored",
            Self::OutsideSection => "a setting before the first section header is ignored",
            Self::BlankAfterBackslash => {
                "white space after the backslash: the line is not continued"
            }
            Self::HeaderInContinuation => {
                "the line before ends in a backslash, so this header is part of its value"
            }
            Self::ByteOrderMark => "the file starts with a byte order mark, which systemd skips",
            Self::EndsInContinuation => "the file ends in a continued line",
            Self::Nul => "a NUL byte ends the line here",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}
