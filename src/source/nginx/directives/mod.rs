//! What `ngx_conf_handler` checks of every directive: that it is known, that it may stand in its
//! block, that it has a block or none, and how many arguments it takes.
//!
//! Modules that are not nginx's own are many. A name that nginx does not have is called unknown
//! only where it is surely a slip: a letter away from one that nginx has.

mod table;
mod typo;

use std::collections::HashMap;
use std::sync::OnceLock;

use self::table::DIRECTIVES;
use super::build::Scope;
use super::config::{Config, DirectiveRef};
use super::fault::{Fault, FaultKind};
use super::tree::Body;

const BLOCK: u32 = 0x0000_0100;
const FLAG: u32 = 0x0000_0200;
const ANY: u32 = 0x0000_0400;
const ONE_OR_MORE: u32 = 0x0000_0800;
const TWO_OR_MORE: u32 = 0x0000_1000;
const MAIN: u32 = 0x0004_0000;
const HTTP: u32 = 0x0200_0000;
const SERVER: u32 = 0x0400_0000;
const LOCATION: u32 = 0x0800_0000;
const UPSTREAM: u32 = 0x1000_0000;
const SERVER_IF: u32 = 0x2000_0000;
const LOCATION_IF: u32 = 0x4000_0000;
const LIMIT_EXCEPT: u32 = 0x8000_0000;
const ANY_HTTP: u32 = HTTP | SERVER | LOCATION | UPSTREAM | SERVER_IF | LOCATION_IF | LIMIT_EXCEPT;

/// Those that later versions take in more places, or with other arguments, than the table says.
const WIDENED: &[&str] =
    &["include", "resolver", "resolver_timeout", "zone", "state", "queue", "sticky"];

/// Those that may stand once in a block, of the ones that sites set.
const ONCE: &[&str] = &[
    "alias",
    "client_body_timeout",
    "client_header_timeout",
    "client_max_body_size",
    "keepalive_timeout",
    "pid",
    "proxy_buffering",
    "proxy_connect_timeout",
    "proxy_http_version",
    "proxy_pass",
    "proxy_read_timeout",
    "proxy_send_timeout",
    "root",
    "send_timeout",
    "user",
    "worker_connections",
    "worker_processes",
];

pub(super) fn check(config: &Config, scopes: &[Scope], faults: &mut Vec<Fault>) {
    let mut typos = typo::Typos::default();
    let mut once = HashMap::new();
    for directive in config.directives() {
        if directive.is_data() {
            continue;
        }
        let parent = directive.parent();
        let around = match &parent {
            Some(parent) => scopes.get(parent.id.0 as usize).copied().unwrap_or(Scope::Other),
            None if directive.inclusion().1 => Scope::Fragment,
            None => Scope::Main,
        };
        if around == Scope::Other {
            continue;
        }
        let name = directive.name();
        let Ok(name) = std::str::from_utf8(&name) else { continue };
        let Some(known) = known(name) else {
            faults.extend(typos.check(&directive, name));
            continue;
        };
        let forms = known.forms;
        faults.extend(form(&directive, name, forms, mask(around, parent.as_ref())));
        if known.once {
            let key = (parent.map(|parent| parent.id), known.name);
            let first = *once.entry(key).or_insert(directive.head_span());
            if first != directive.head_span() {
                let message = format!("\"{name}\" directive is duplicate");
                let kind = FaultKind::DuplicateDirective;
                faults.push(Fault::new(kind, directive.head_span(), message).with([first]));
            }
        }
    }
}

/// What is known of one directive.
struct Entry {
    name: &'static str,
    forms: &'static [u32],
    once: bool,
}

fn known(name: &str) -> Option<&'static Entry> {
    static BY_NAME: OnceLock<HashMap<&'static str, Entry>> = OnceLock::new();
    let entry = |(name, forms): &(&'static str, &'static [u32])| {
        (*name, Entry { name, forms, once: ONCE.contains(name) })
    };
    BY_NAME.get_or_init(|| DIRECTIVES.iter().map(entry).collect()).get(name)
}

/// The bits of the block a directive stands in.
fn mask(around: Scope, parent: Option<&DirectiveRef<'_>>) -> u32 {
    match around {
        Scope::Main => MAIN,
        // Whatever may be round it.
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

fn form(directive: &DirectiveRef<'_>, name: &str, forms: &[u32], mask: u32) -> Option<Fault> {
    let count = directive.arguments().len();
    let block = directive.body() != Body::None;
    let here = || forms.iter().copied().filter(|form| form & mask != 0);
    let shaped = || here().filter(|form| (form & BLOCK != 0) == block);
    let Some(form) = shaped().find(|form| takes(*form, count)) else {
        return misplaced(directive, name, here().next().is_some(), shaped().next().is_some());
    };
    let flag = directive.argument(0).filter(|_| form & FLAG != 0)?;
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
    let widened = WIDENED.contains(&name);
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

fn takes(form: u32, count: usize) -> bool {
    form & ANY != 0
        || (form & FLAG != 0 && count == 1)
        || (form & ONE_OR_MORE != 0 && count >= 1)
        || (form & TWO_OR_MORE != 0 && count >= 2)
        || (count < 8 && form & (1 << count) != 0)
}

/// Too many arguments often mean that the line before lacks its `;`.
fn count_fault(directive: &DirectiveRef<'_>, name: &str) -> Fault {
    let mut message = format!("invalid number of arguments in \"{name}\" directive");
    let mut related = Vec::new();
    let file = &directive.tree().file;
    let mut before = directive.name_span();
    for word in directive.arguments() {
        let span = word.span();
        let between = crate::source::Span { file: span.file, start: before.end, end: span.start };
        let value = word.value();
        let known = std::str::from_utf8(&value).is_ok_and(|word| self::known(word).is_some());
        if known && file.slice(between).contains(&b'\n') {
            message.push_str(": a \";\" is missing before the next line");
            related.push(before);
            break;
        }
        before = span;
    }
    Fault::new(FaultKind::ArgumentCount, directive.head_span(), message).with(related)
}
