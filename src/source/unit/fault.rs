//! Syntax faults of a unit file.

use std::fmt;

use crate::source::Span;

/// Something in a unit file that systemd does not read, or reads differently from how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The place of the fault.
    pub span: Span,
    /// Whether systemd stops reading the file here: then it refuses a unit whose fragment has the
    /// fault, and a drop-in takes effect only up to this place.
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
    /// there; older ones ignore such a section.
    HeaderNoName,
    /// A line that is not UTF-8.
    NotUtf8,
    /// A line of 1 MiB or more, possibly joined from continuations.
    LineTooLong,
    /// A line that is neither a header nor `Key=value`.
    NoEquals,
    /// `=value`: nothing before the equals sign.
    EmptyKey,
    /// An assignment before the first header.
    OutsideSection,
    /// White space after a backslash at the end of a line, which looks like a continuation but is
    /// none.
    BlankAfterBackslash,
    /// A header in the line after a backslash: systemd reads the header as part of the value before
    /// it.
    HeaderInContinuation,
    /// A byte order mark; systemd skips the first one.
    ByteOrderMark,
    /// The file ends in a backslash.
    EndsInContinuation,
    /// A NUL byte; systemd ends the line there.
    Nul,
}

impl FaultKind {
    /// Whether systemd stops reading the file at this fault.
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

    /// Whether the fault is worth knowing but harmless.
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
