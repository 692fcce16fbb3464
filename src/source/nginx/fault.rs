//! What nginx would refuse, or understand differently than intended, in its own words if it has any
//! (nginx 1.22 sources: `ngx_conf_file.c`, `ngx_http.c`, `ngx_inet.c`).

use crate::source::Span;

/// Something in the configuration that nginx refuses, or that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// The place.
    pub span: Span,
    /// Other places that belong to it: the first of two duplicates, the chain of includes.
    pub related: Vec<Span>,
    /// What is wrong, in nginx's words where it has some.
    pub message: String,
}

impl Fault {
    /// A fault at one place.
    pub fn new(kind: FaultKind, span: Span, message: impl Into<String>) -> Self {
        Self { kind, span, related: Vec::new(), message: message.into() }
    }

    /// Another place that belongs to it.
    #[must_use]
    pub fn with(mut self, related: impl IntoIterator<Item = Span>) -> Self {
        self.related.extend(related);
        self
    }
}

/// The kinds of [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The file ends inside a directive or a block.
    UnexpectedEnd,
    /// A `;`, `{` or `}` where none may be.
    UnexpectedCharacter,
    /// Something other than a space, `;`, `{` or `)` right after a closing quote.
    AfterQuote,
    /// The file ends inside quotes.
    UnterminatedQuote,
    /// A word, or a comment, of 4096 bytes or more.
    TooLongParameter,
    /// A byte order mark, which nginx takes as part of the first name.
    ByteOrderMark,
    /// Syntax of a template language, which only its output is free of.
    Template,
    /// An included file that does not exist, or a dangling link.
    IncludeMissing,
    /// An included path, or a match of its pattern, that is a directory or another non-file.
    IncludeNotAFile,
    /// A file that includes itself, directly or through others.
    IncludeLoop,
    /// More includes or directives than are read.
    TooLarge,
    /// A name that no module has and that is next to one that nginx has.
    UnknownDirective,
    /// A directive that may not be in this block.
    NotAllowedHere,
    /// Too many or too few arguments.
    ArgumentCount,
    /// A block where a `;` belongs.
    NotTerminated,
    /// A `;` where a block belongs.
    NoBlock,
    /// A directive that the installed version does not have yet, or no longer.
    NotInVersion,
    /// A directive that newer versions of nginx no longer have, where the installed one is not known.
    GoneWithNewer,
    /// A value or parameter that a directive does not take.
    InvalidParameter,
    /// Sizes of buffers that do not fit each other.
    BufferSizes,
    /// A flag that is neither `on` nor `off`.
    InvalidValue,
    /// A directive that may be only once in its block.
    DuplicateDirective,
    /// Two upstream groups of one name.
    DuplicateUpstream,
    /// Two locations of one kind and pattern in one block.
    DuplicateLocation,
    /// Two `default_server` on one address.
    DuplicateDefaultServer,
    /// One address twice in one server.
    DuplicateListen,
    /// One name twice on one address: nginx warns and ignores the later one.
    ConflictingServerName,
    /// A location that nginx does not take: unknown modifier, nested where it may not be.
    InvalidLocation,
    /// An upstream without servers, or with only backups.
    EmptyUpstream,
    /// A `server` of a group with an address or a parameter that nginx refuses.
    InvalidPeer,
    /// `resolve` in a group that has no `zone`, or no resolver.
    CannotResolve,
    /// `backup` in a group whose method has none.
    BackupNotSupported,
    /// A `proxy_pass` (`uwsgi_pass` …) that nginx refuses.
    InvalidPass,
    /// A variable that nothing brings.
    UnknownVariable,
    /// A variable that nothing here brings: the nginx that reads it may.
    UnexplainedVariable,
    /// A zone or a log format that is used and nowhere defined.
    NotDefined,
    /// A pattern that PCRE refuses.
    InvalidRegex,
    /// A `listen` that nginx refuses.
    InvalidListen,
}

impl FaultKind {
    /// Does the file end for nginx where it is, so that the rest is not known?
    pub fn is_syntax(self) -> bool {
        matches!(
            self,
            Self::UnexpectedEnd
                | Self::UnexpectedCharacter
                | Self::AfterQuote
                | Self::UnterminatedQuote
                | Self::TooLongParameter
        )
    }

    /// Does nginx refuse the configuration for it? (The others it warns of, or they are ours.)
    pub fn is_fatal(self) -> bool {
        !matches!(
            self,
            Self::ConflictingServerName
                | Self::GoneWithNewer
                | Self::UnexplainedVariable
                | Self::Template
                | Self::TooLarge
        )
    }
}
