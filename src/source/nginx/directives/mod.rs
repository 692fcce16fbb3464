//! What `ngx_conf_handler` checks of every directive: that it is known, that it is allowed in its
//! block, whether it must have a block of its own, and how many arguments it takes.
//!
//! The table is nginx's own, by version. There are many third-party modules, so a name that nginx
//! does not have is reported as unknown only if it is surely a typo, one letter away from a name
//! that nginx has, or if the installed version does not have it yet, or no longer has it.

mod parameters;
mod table;
mod typo;
mod values;
mod words;

use rustc_hash::FxHashMap;

use self::parameters::Parameter;
use self::table::DIRECTIVES;
use self::words::{
    ANY, ANY_HTTP, BLOCK, Directive, FLAG, HTTP, LIMIT_EXCEPT, LOCATION, LOCATION_IF, MAIN,
    ONE_OR_MORE, SERVER, SERVER_IF, TWO_OR_MORE, UPSTREAM,
};
use super::config::{Config, DirectiveId, DirectiveRef};
use super::fault::{Fault, FaultKind};
use super::scope::Scope;
use super::tree::Body;
use super::version::Version;
use crate::source::Span;

/// Directives that third-party modules also provide, even for versions of nginx that lack them, or
/// that distributions have backported to older versions.
const ALSO_OF_OTHERS: &[&str] = &["sticky", "max_headers", "zone", "resolver", "resolver_timeout"];

pub(super) fn check(config: &Config, scopes: &[Scope], faults: &mut Vec<Fault>) {
    let mut typos = typo::Typos::default();
    let version = config.version;
    // Thousands of sites use the same few dozen names, so each name is looked up once.
    let names = config.names.all().map(|(name, _)| std::str::from_utf8(name).ok());
    let looked: Vec<Option<Looked<'_>>> =
        names.map(|name| Some(Looked::up(name?, version))).collect();
    let doubles = doubles(config, &looked);
    let mut before = None;
    for directive in config.directives() {
        let Some(Some(found)) = looked.get(directive.name_id().index()) else { continue };
        let block = directive.parent_id();
        let around = match before {
            // What is around a line is around the next line of the block, too.
            Some((last, around)) if last == block && block.is_some() => around,
            _ => Around::of(&directive, scopes),
        };
        before = Some((block, around));
        if around.scope == Scope::Other {
            if around.events && found.lines.is_empty() {
                faults.extend(typos.check(&directive, found.name));
            }
            continue;
        }
        let Some(first) = found.lines.first() else {
            let conflict = conflict(&directive, found.name);
            faults.extend(conflict.or_else(|| typos.check(&directive, found.name)));
            continue;
        };
        if !found.fits {
            faults.push(not_in_version(&directive, found.name, first, version));
            continue;
        }
        if let Some(newer) = found.gone {
            let message = format!("nginx {newer} no longer has the directive \"{}\"", found.name);
            faults.push(Fault::new(FaultKind::GoneWithNewer, directive.name_span(), message));
        }
        match form(&directive, found.name, &found.forms, around.mask) {
            Some(fault) => faults.push(fault),
            None if found.parameter.is_any() => {}
            None => faults.extend(found.parameter.check(&directive, found.name, version)),
        }
        if let Some(first) = doubles.get(&directive.id) {
            let message = format!("\"{}\" directive is duplicate", found.name);
            let kind = FaultKind::DuplicateDirective;
            faults.push(Fault::new(kind, directive.head_span(), message).with([*first]));
        }
    }
}

/// The lines that may be in their block only once, but follow another of their name there, each with
/// the place of the first.
fn doubles(config: &Config, looked: &[Option<Looked<'_>>]) -> FxHashMap<DirectiveId, Span> {
    let mut doubles = FxHashMap::default();
    for ((_, lines), found) in config.names.all().zip(looked) {
        let Some(found) = found else { continue };
        if !found.fits || !found.lines.first().is_some_and(|line| line.once) {
            continue;
        }
        let blocks = lines.chunk_by(|one, next| one.0 == next.0);
        for lines in blocks.filter(|lines| lines.len() > 1) {
            let mut spans = lines.iter().filter_map(|(_, id)| {
                let line = config.get(DirectiveId(*id))?;
                Some((line.id, line.head_span()))
            });
            let Some((_, first)) = spans.next() else { continue };
            // A file that is included twice has the same line twice.
            doubles.extend(spans.filter(|(_, span)| *span != first).map(|(id, _)| (id, first)));
        }
    }
    doubles
}

/// What a line's block says about it.
#[derive(Clone, Copy)]
struct Around {
    scope: Scope,
    /// The bit of the block.
    mask: u32,
    /// Whether the block is `events`. The table does not contain the contexts inside it, so only
    /// the names are checked there.
    events: bool,
}

impl Around {
    fn of(directive: &DirectiveRef<'_>, scopes: &[Scope]) -> Self {
        let parent = directive.parent();
        let scope = match &parent {
            Some(parent) => scopes.get(parent.id.0 as usize).copied().unwrap_or(Scope::Other),
            None if directive.inclusion().1 => Scope::Fragment,
            None => Scope::Main,
        };
        let outermost = parent.filter(|block| block.parent().is_none());
        let events = outermost.is_some_and(|block| block.name().as_ref() == b"events");
        Self { scope, mask: mask(scope, parent.as_ref()), events }
    }
}

/// Whether nginx's own modules have a directive of this name.
pub(super) fn is_own(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| !lines(name).is_empty())
}

/// What the table contains for a name.
struct Looked<'n> {
    name: &'n str,
    lines: &'static [Directive],
    /// The forms in the installed version, or those of all versions if the installed one has none.
    forms: Vec<u32>,
    /// Whether the installed version may have the directive.
    fits: bool,
    /// The version without the directive, if there is one and the installed one is not known.
    gone: Option<Version>,
    /// What it takes.
    parameter: Parameter,
}

impl<'n> Looked<'n> {
    fn up(name: &'n str, version: Option<Version>) -> Self {
        let lines = lines(name);
        let fits = lines.iter().any(|line| line.fits(version));
        let mine = lines.iter().filter(|line| !fits || line.fits(version));
        let gone = lines.last().filter(|_| version.is_none()).and_then(|line| line.until.by());
        Self {
            name,
            lines,
            forms: mine.flat_map(|line| line.forms).copied().collect(),
            fits: fits || ALSO_OF_OTHERS.contains(&name),
            gone,
            parameter: Parameter::of(name),
        }
    }
}

/// A merge conflict marker, which nginx takes for a directive.
fn conflict(directive: &DirectiveRef<'_>, name: &str) -> Option<Fault> {
    let marker = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].contains(&name);
    marker.then(|| {
        let message =
            format!("unknown directive \"{name}\": a merge conflict that was not resolved");
        Fault::new(FaultKind::UnknownDirective, directive.name_span(), message)
    })
}

/// The table's lines for one directive: one for each range of versions.
fn lines(name: &str) -> &'static [Directive] {
    let start = DIRECTIVES.partition_point(|line| line.name < name);
    let rest = DIRECTIVES.get(start..).unwrap_or_default();
    let count = rest.iter().take_while(|line| line.name == name).count();
    rest.get(..count).unwrap_or_default()
}

fn not_in_version(
    directive: &DirectiveRef<'_>,
    name: &str,
    line: &Directive,
    version: Option<Version>,
) -> Fault {
    let installed = version.map_or_else(String::new, |version| format!("nginx {version} "));
    let when = match line.since.seen_by(version) {
        Some(false) => "does not have it yet",
        _ => "no longer has it",
    };
    let message = format!("unknown directive \"{name}\": {installed}{when}");
    Fault::new(FaultKind::NotInVersion, directive.name_span(), message)
}

/// The bits of the block that a directive is in.
fn mask(around: Scope, parent: Option<&DirectiveRef<'_>>) -> u32 {
    match around {
        Scope::Main => MAIN,
        // Any block may be around a fragment.
        Scope::Fragment => MAIN | ANY_HTTP,
        Scope::Http => HTTP,
        Scope::Server(_) => SERVER,
        Scope::Upstream(_) => UPSTREAM,
        Scope::Other => 0,
        Scope::Location(_) => match parent.map(|parent| (parent, parent.name())) {
            Some((_, name)) if name.as_ref() == b"limit_except" => LIMIT_EXCEPT,
            Some((block, name)) if name.as_ref() == b"if" => match block.parent() {
                Some(outer) if outer.name().as_ref() == b"server" => SERVER_IF,
                Some(_) => LOCATION_IF,
                None => SERVER_IF | LOCATION_IF,
            },
            _ => LOCATION,
        },
    }
}

#[inline]
fn form(directive: &DirectiveRef<'_>, name: &str, forms: &[u32], mask: u32) -> Option<Fault> {
    let count = directive.argument_count();
    let block = directive.body() != Body::None;
    let is_here = |form: u32| form & mask != 0;
    let is_shaped = |form: u32| is_here(form) && (form & BLOCK != 0) == block;
    let Some(form) = forms.iter().find(|form| is_shaped(**form) && takes(**form, count)) else {
        let (allowed, shaped) =
            (forms.iter().any(|form| is_here(*form)), forms.iter().any(|form| is_shaped(*form)));
        return misplaced(directive, name, allowed, shaped);
    };
    if form & FLAG == 0 {
        return None;
    }
    let flag = directive.argument(0)?;
    let value = flag.text();
    if flag.has_placeholder()
        || value.eq_ignore_ascii_case("on")
        || value.eq_ignore_ascii_case("off")
    {
        return None;
    }
    let message =
        format!("invalid value \"{value}\" in \"{name}\" directive, it must be \"on\" or \"off\"");
    Some(Fault::new(FaultKind::InvalidValue, flag.span(), message))
}

/// Why none of a directive's forms fits.
fn misplaced(
    directive: &DirectiveRef<'_>,
    name: &str,
    allowed: bool,
    shaped: bool,
) -> Option<Fault> {
    let widened = ALSO_OF_OTHERS.contains(&name);
    if !allowed {
        let message = format!("\"{name}\" directive is not allowed here");
        let fault = Fault::new(FaultKind::NotAllowedHere, directive.name_span(), message);
        return (!widened).then_some(fault);
    }
    if shaped {
        return (!widened).then(|| count_fault(directive, name));
    }
    let (kind, message) = if directive.body() == Body::None {
        (FaultKind::NoBlock, format!("directive \"{name}\" has no opening \"{{\""))
    } else {
        (FaultKind::NotTerminated, format!("directive \"{name}\" is not terminated by \";\""))
    };
    Some(Fault::new(kind, directive.head_span(), message))
}

#[inline]
fn takes(form: u32, count: usize) -> bool {
    (count < 8 && form & (1 << count) != 0)
        || form & ANY != 0
        || (form & FLAG != 0 && count == 1)
        || (form & ONE_OR_MORE != 0 && count >= 1)
        || (form & TWO_OR_MORE != 0 && count >= 2)
}

/// The fault of a wrong number of arguments. Too many often mean that the previous line lacks its
/// `;`.
fn count_fault(directive: &DirectiveRef<'_>, name: &str) -> Fault {
    let mut message = format!("invalid number of arguments in \"{name}\" directive");
    let mut related = Vec::new();
    let file = &directive.tree().file;
    let mut before = directive.name_span();
    for word in directive.arguments() {
        let span = word.span();
        let between = crate::source::Span { file: span.file, start: before.end, end: span.start };
        let value = word.value();
        let known = std::str::from_utf8(&value).is_ok_and(|word| !lines(word).is_empty());
        if known && file.slice(between).contains(&b'\n') {
            message.push_str(": a \";\" is missing before the next line");
            related.push(before);
            break;
        }
        before = span;
    }
    Fault::new(FaultKind::ArgumentCount, directive.head_span(), message).with(related)
}
