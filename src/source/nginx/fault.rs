//! What nginx would refuse, or understand differently than intended, in nginx's own words where it
//! has some (nginx 1.22 sources: `ngx_conf_file.c`, `ngx_http.c`, `ngx_inet.c`).

use crate::source::Span;

/// Something in the configuration that nginx refuses, or that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// The place.
    pub span: Span,
    /// Other places that belong to the fault: the first of two duplicates, the chain of includes.
    pub related: Vec<Span>,
    /// The message, in nginx's words if nginx has any.
    pub message: String,
}

impl Fault {
    /// A fault at one place.
    pub fn new(kind: FaultKind, span: Span, message: impl Into<String>) -> Self {
        Self { kind, span, related: Vec::new(), message: message.into() }
    }

    /// Adds other places that belong to the fault.
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
    /// Syntax of a template language: only the file rendered from the template is without it.
    Template,
    /// An included file that does not exist, or a dangling link.
    IncludeMissing,
    /// An included path, or a match of its pattern, that is a directory or another non-file.
    IncludeNotAFile,
    /// A file that includes itself, directly or through others.
    IncludeLoop,
    /// More includes or directives than this program reads.
    TooLarge,
    /// A name that no module has and that is a typo away from one that nginx has.
    UnknownDirective,
    /// A directive that may not be in this block.
    NotAllowedHere,
    /// Too many or too few arguments.
    ArgumentCount,
    /// A block where a `;` belongs.
    NotTerminated,
    /// A `;` where a block belongs.
    NoBlock,
    /// A directive that the installed version does not have yet, or no longer has.
    NotInVersion,
    /// A directive that newer versions of nginx no longer have, if the installed version is not
    /// known.
    GoneWithNewer,
    /// A value or parameter that a directive does not take.
    InvalidParameter,
    /// Sizes of buffers that do not fit each other.
    BufferSizes,
    /// A server name that is too long for the table of names.
    NamesHash,
    /// A flag that is neither `on` nor `off`.
    InvalidValue,
    /// A directive that may be only once in its block.
    DuplicateDirective,
    /// Two `upstream` blocks with one name.
    DuplicateUpstream,
    /// Two locations with the same kind and pattern in one block.
    DuplicateLocation,
    /// Two `default_server`s on one address.
    DuplicateDefaultServer,
    /// The same address twice in one server.
    DuplicateListen,
    /// One name twice on one address: nginx warns and ignores the second.
    ConflictingServerName,
    /// A location that nginx refuses: an unknown modifier, or nested where it may not be.
    InvalidLocation,
    /// An upstream without servers, or with only backups.
    EmptyUpstream,
    /// A `server` of an `upstream` with an address or a parameter that nginx refuses.
    InvalidPeer,
    /// `resolve` in an `upstream` that has no `zone`, or no resolver.
    CannotResolve,
    /// `backup` in an `upstream` whose load-balancing method has no backups.
    BackupNotSupported,
    /// A `proxy_pass` (`uwsgi_pass` …) that nginx refuses.
    InvalidPass,
    /// A variable that nothing defines.
    UnknownVariable,
    /// A variable that nothing known here defines, although the version of nginx that reads the
    /// configuration may.
    UnexplainedVariable,
    /// A zone or a log format that is used but defined nowhere.
    NotDefined,
    /// A pattern that PCRE refuses.
    InvalidRegex,
    /// A `listen` that nginx refuses.
    InvalidListen,
}

impl FaultKind {
    /// Whether nginx stops reading the file at this fault, so that the rest of the file is not
    /// known.
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

    /// Whether nginx refuses the configuration because of this fault. Of the others, nginx only
    /// warns, or only this program reports them.
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
