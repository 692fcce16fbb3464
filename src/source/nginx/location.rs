//! `location`, `if` and `limit_except` blocks, and what a block does with a request.

use std::path::PathBuf;

use super::address::path_of;
use super::config::{DirectiveId, DirectiveRef};
use super::fault::{Fault, FaultKind};
use super::id::{LocationId, ServerId};
use super::location_kind::LocationKind;
use super::pass::Pass;
use super::says::Says;
use crate::source::{Span, Spanned};

/// A block in a server that handles some of its requests.
#[derive(Debug, Clone)]
pub struct Location {
    /// Its index.
    pub id: LocationId,
    /// The directive of its block.
    pub directive: DirectiveId,
    /// The server it is in.
    pub server: ServerId,
    /// The location around it.
    pub parent: Option<LocationId>,
    /// The locations directly inside it, in file order.
    pub children: Vec<LocationId>,
    /// Its kind.
    pub kind: LocationKind,
    /// The URI, the regex, the name with its `@`, the condition or the methods.
    pub pattern: Spanned<String>,
    /// Whether the pattern is a template's placeholder and thus not known.
    pub unknown: bool,
    /// The range from its name to the last word before the brace.
    pub span: Span,
    /// What the block does with requests.
    pub handling: Handling,
}

/// What a block itself does with requests, without what it inherits.
#[derive(Debug, Clone, Default)]
pub struct Handling {
    /// `proxy_pass` and similar directives.
    pub passes: Vec<Pass>,
    /// `return`: its words.
    pub returns: Vec<Spanned<Vec<Spanned<String>>>>,
    /// `rewrite`: its words.
    pub rewrites: Vec<Spanned<Vec<Spanned<String>>>>,
    /// `try_files`: its words. The last is where the request goes if none of the files exists.
    pub try_files: Vec<Spanned<Vec<Spanned<String>>>>,
    /// `error_page`: its words. The last is the target.
    pub error_pages: Vec<Spanned<Vec<Spanned<String>>>>,
    /// `root`.
    pub root: Option<Spanned<PathBuf>>,
    /// `alias`.
    pub alias: Option<Spanned<PathBuf>>,
    /// `internal`.
    pub internal: bool,
}

impl Handling {
    /// The named locations (`@x`) to which `try_files` and `error_page` hand requests.
    pub fn named_targets(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.try_files
            .iter()
            .chain(&self.error_pages)
            .filter_map(|words| words.value.last())
            .filter(|word| word.value.starts_with('@'))
    }

    /// Records a directive that says what happens to requests; passes are added later.
    pub(super) fn take(&mut self, directive: &DirectiveRef<'_>, says: Says) {
        match says {
            Says::Return => self.returns.push(words_of(directive)),
            Says::Rewrite => self.rewrites.push(words_of(directive)),
            Says::TryFiles => self.try_files.push(words_of(directive)),
            Says::ErrorPage => self.error_pages.push(words_of(directive)),
            Says::Root => self.root = path_argument(directive),
            Says::Alias => self.alias = path_argument(directive),
            Says::Internal => self.internal = true,
            Says::User
            | Says::Listen
            | Says::ServerName
            | Says::Set
            | Says::Pass
            | Says::Nothing => {}
        }
    }
}

/// A directive's arguments as text.
pub(super) fn words_of(directive: &DirectiveRef<'_>) -> Spanned<Vec<Spanned<String>>> {
    let value = directive
        .arguments()
        .map(|word| Spanned { value: word.text().into_owned(), span: word.span() })
        .collect();
    Spanned { value, span: directive.head_span() }
}

fn path_argument(directive: &DirectiveRef<'_>) -> Option<Spanned<PathBuf>> {
    let word = directive.argument(0)?;
    Some(Spanned { value: path_of(&word.value()), span: word.span() })
}

/// The kind and pattern of a `location` line; what nginx refuses is added to `faults`.
pub(super) fn read_head(
    directive: &DirectiveRef<'_>,
    name: &[u8],
    faults: &mut Vec<Fault>,
) -> (LocationKind, Spanned<String>, bool) {
    let unknown = directive.arguments().any(|word| word.has_placeholder());
    match name {
        b"if" => return (LocationKind::If, joined(directive), unknown),
        b"limit_except" => return (LocationKind::LimitExcept, joined(directive), unknown),
        _ => {}
    }
    let (Some(first), second) = (directive.argument(0), directive.argument(1)) else {
        return (LocationKind::Prefix, joined(directive), true);
    };
    let text = first.text();
    if let Some(second) = second {
        let pattern = Spanned { value: second.text().into_owned(), span: second.span() };
        let kind = match text.as_ref() {
            "=" => LocationKind::Exact,
            "^~" => LocationKind::PrefixStop,
            "~" => LocationKind::Regex { case_insensitive: false },
            "~*" => LocationKind::Regex { case_insensitive: true },
            _ if unknown => LocationKind::Prefix,
            _ => {
                let message = format!("invalid location modifier \"{text}\"");
                faults.push(Fault::new(FaultKind::InvalidLocation, first.span(), message));
                return (LocationKind::Prefix, pattern, true);
            }
        };
        return (kind, pattern, unknown);
    }
    let (kind, rest) = if text.starts_with('/') {
        (LocationKind::Prefix, text.as_ref())
    } else if let Some(rest) = text.strip_prefix('=') {
        (LocationKind::Exact, rest)
    } else if let Some(rest) = text.strip_prefix("^~") {
        (LocationKind::PrefixStop, rest)
    } else if let Some(rest) = text.strip_prefix("~*") {
        (LocationKind::Regex { case_insensitive: true }, rest)
    } else if let Some(rest) = text.strip_prefix('~') {
        (LocationKind::Regex { case_insensitive: false }, rest)
    } else if text.starts_with('@') {
        (LocationKind::Named, text.as_ref())
    } else {
        (LocationKind::Prefix, text.as_ref())
    };
    (kind, Spanned { value: rest.to_owned(), span: first.span() }, unknown)
}

fn joined(directive: &DirectiveRef<'_>) -> Spanned<String> {
    let mut value = String::new();
    let mut span: Option<Span> = None;
    for word in directive.arguments() {
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(&word.text());
        span = Some(span.map_or(word.span(), |span| span.to(word.span())));
    }
    Spanned { value, span: span.unwrap_or_else(|| directive.name_span()) }
}
