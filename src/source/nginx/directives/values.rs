//! Checks the values of directives that take a number or one of a few words.

use super::super::config::{DirectiveRef, WordRef};
use super::super::fault::{Fault, FaultKind};
use super::super::has_variable;

const NEXT: &[&str] = &[
    "error",
    "timeout",
    "invalid_header",
    "non_idempotent",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "http_403",
    "http_404",
    "http_429",
    "updating",
    "off",
];
const PROTOCOLS: &[&str] = &["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
const PROXIED: &[&str] = &[
    "off",
    "expired",
    "no-cache",
    "no-store",
    "private",
    "no_last_modified",
    "no_etag",
    "auth",
    "any",
];
const STALE: &[&str] = &[
    "error",
    "timeout",
    "invalid_header",
    "updating",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "http_403",
    "http_404",
    "http_429",
    "off",
];

/// The words of which a directive accepts nothing else.
fn words_of(directive: &str) -> Option<&'static [&'static str]> {
    Some(match directive {
        "ssl_protocols" | "proxy_ssl_protocols" => PROTOCOLS,
        "proxy_next_upstream" => NEXT,
        "proxy_cache_use_stale" => STALE,
        "gzip_proxied" => PROXIED,
        "satisfy" => &["all", "any"],
        "server_tokens" => &["on", "off", "build"],
        "ssl_verify_client" => &["on", "off", "optional", "optional_no_ca"],
        "if_modified_since" => &["off", "exact", "before"],
        _ => return None,
    })
}

fn takes_a_number(directive: &str) -> bool {
    matches!(
        directive,
        "gzip_comp_level"
            | "keepalive_requests"
            | "proxy_headers_hash_bucket_size"
            | "proxy_headers_hash_max_size"
            | "server_names_hash_bucket_size"
            | "server_names_hash_max_size"
            | "ssl_verify_depth"
            | "types_hash_bucket_size"
            | "types_hash_max_size"
            | "variables_hash_bucket_size"
            | "variables_hash_max_size"
            | "worker_connections"
            | "worker_rlimit_nofile"
    )
}

/// What a directive takes that takes a number or certain words.
#[derive(Debug, Clone, Copy)]
pub(super) enum CheckedValue {
    /// Nothing but these words.
    Words(&'static [&'static str]),
    /// Numbers.
    Number,
    /// `worker_processes`: a number or `auto`.
    Processes,
    /// `rewrite`: the flag behind the replacement.
    RewriteFlag,
    /// `return`: a status or a URL.
    Status,
    /// `if`: a condition.
    Condition,
    /// `error_log`: the level behind the file.
    LogLevel,
}

impl CheckedValue {
    /// That of the directive with this name; `None` if it takes anything else.
    pub(super) fn of(name: &str) -> Option<Self> {
        if let Some(words) = words_of(name) {
            return Some(Self::Words(words));
        }
        if takes_a_number(name) {
            return Some(Self::Number);
        }
        Some(match name {
            "worker_processes" => Self::Processes,
            "rewrite" => Self::RewriteFlag,
            "return" => Self::Status,
            "if" => Self::Condition,
            "error_log" => Self::LogLevel,
            _ => return None,
        })
    }

    /// What nginx says about a value that it refuses.
    pub(super) fn check(self, directive: &DirectiveRef<'_>, name: &str) -> Option<Fault> {
        match self {
            Self::Words(words) => {
                let known = |word: &WordRef<'_>| {
                    words.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(&word.value()))
                };
                let wrong = fixed(directive).find(|word| !known(word))?;
                Some(invalid(name, &wrong))
            }
            Self::Number => {
                let number = |word: &WordRef<'_>| word.value().iter().all(u8::is_ascii_digit);
                let wrong = fixed(directive).find(|word| !number(word))?;
                let message = format!("\"{name}\" directive invalid number \"{}\"", wrong.text());
                Some(Fault::new(FaultKind::InvalidParameter, wrong.span(), message))
            }
            Self::Processes => {
                let word = fixed(directive).next()?;
                let number = word.value().iter().all(u8::is_ascii_digit);
                (!number && word.value().as_ref() != b"auto").then(|| invalid(name, &word))
            }
            Self::RewriteFlag => {
                let flag = directive.argument(2).filter(|word| !word.has_placeholder())?;
                let fits = ["last", "break", "redirect", "permanent"];
                (!fits.iter().any(|one| one.as_bytes() == flag.value().as_ref())).then(|| {
                    let message = format!("invalid parameter \"{}\"", flag.text());
                    Fault::new(FaultKind::InvalidParameter, flag.span(), message)
                })
            }
            Self::Status => code(directive),
            Self::Condition => condition(directive),
            Self::LogLevel => log_level(directive),
        }
    }
}

fn log_level(directive: &DirectiveRef<'_>) -> Option<Fault> {
    const LEVELS: &[&str] = &["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];
    let level = directive.argument(1).filter(|word| !word.has_placeholder())?;
    let value = level.value();
    let fits =
        LEVELS.iter().any(|one| one.as_bytes() == value.as_ref()) || value.starts_with(b"debug_");
    (!fits).then(|| {
        let message = format!("invalid log level \"{}\"", level.text());
        Fault::new(FaultKind::InvalidParameter, level.span(), message)
    })
}

/// `if (…)`: a single variable, a comparison, or a test of a file
/// (`ngx_http_rewrite_if_condition`).
fn condition(directive: &DirectiveRef<'_>) -> Option<Fault> {
    let written: Vec<WordRef<'_>> = directive.arguments().collect();
    if written.iter().any(WordRef::has_placeholder) {
        return None;
    }
    let refused = |word: &WordRef<'_>, message: String| {
        Some(Fault::new(FaultKind::InvalidParameter, word.span(), message))
    };
    let mut words: Vec<Vec<u8>> = written.iter().map(|word| word.value().into_owned()).collect();
    let (first, last) = (written.first()?, written.last()?);
    if words.first()?.first() != Some(&b'(') {
        return refused(first, format!("invalid condition \"{}\"", first.text()));
    }
    words.first_mut()?.remove(0);
    // nginx names the words without their parentheses.
    if words.last()?.last() != Some(&b')') {
        let said = String::from_utf8_lossy(words.last()?).into_owned();
        return refused(last, format!("invalid condition \"{said}\""));
    }
    words.last_mut()?.pop();
    // A parenthesis may be a word of its own.
    let mut parts: Vec<(&[u8], &WordRef<'_>)> =
        words.iter().map(Vec::as_slice).zip(&written).collect();
    if parts.len() > 1 && parts.first()?.0.is_empty() {
        parts.remove(0);
    }
    if parts.len() > 1 && parts.last()?.0.is_empty() {
        parts.pop();
    }
    let (name, at) = *parts.first()?;
    let text = String::from_utf8_lossy(name);
    let invalid = || refused(at, format!("invalid condition \"{text}\""));
    match (name, parts.len()) {
        ([b'$', _, ..], 1) => None,
        ([b'$', _, ..], 3) => {
            let (operator, at) = *parts.get(1)?;
            let operators = ["=", "!=", "~", "~*", "!~", "!~*"];
            if operators.iter().any(|known| known.as_bytes() == operator) {
                return None;
            }
            let operator = String::from_utf8_lossy(operator);
            refused(at, format!("unexpected \"{operator}\" in condition"))
        }
        ([b'-', test] | [b'!', b'-', test], 2) if b"fdex".contains(test) => None,
        _ => invalid(),
    }
}

/// The words whose value is known as written.
fn fixed<'c>(directive: &DirectiveRef<'c>) -> impl Iterator<Item = WordRef<'c>> {
    directive.arguments().filter(is_fixed)
}

fn is_fixed(word: &WordRef<'_>) -> bool {
    !word.has_placeholder() && !has_variable(&word.text())
}

fn invalid(name: &str, word: &WordRef<'_>) -> Fault {
    let message = format!("invalid value \"{}\" in \"{name}\"", word.text());
    Fault::new(FaultKind::InvalidParameter, word.span(), message)
}

/// `return CODE [TEXT]`, `return URL`: an argument that is not a number must be a URL, and the only
/// argument.
fn code(directive: &DirectiveRef<'_>) -> Option<Fault> {
    let first = directive.argument(0).filter(is_fixed)?;
    let text = first.text();
    let number = text.parse::<u32>().is_ok_and(|code| code <= 999) && !text.starts_with('+');
    let url = text.starts_with("http://") || text.starts_with("https://");
    let alone = directive.argument(1).is_none();
    (!(number || alone && url)).then(|| {
        let message = format!("invalid return code \"{text}\"");
        Fault::new(FaultKind::InvalidParameter, first.span(), message)
    })
}
