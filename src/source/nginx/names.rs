//! Names that a directive uses and something else must define, or nginx refuses to load the
//! configuration: variables, zones, log formats.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::config::{Config, DirectiveId, DirectiveRef, WordRef};
use super::directives;
use super::fault::{Fault, FaultKind};
use super::interner::Interner;
use super::known_variables::{NEWEST, OF_FAMILIES, OWN_MODULES, VARIABLES, is_known};
use super::scope::Scope;
use super::variables::{Part, parts};
use crate::source::similar::nearest_within;

/// The index of a directive's first argument that may contain variables; `None` for other
/// directives.
fn used_from(directive: &[u8]) -> Option<usize> {
    match directive {
        b"alias" | b"limit_conn_zone" | b"limit_req_zone" | b"map" | b"proxy_cache_key"
        | b"proxy_pass" | b"proxy_redirect" | b"return" | b"root" | b"try_files" => Some(0),
        b"add_header" | b"fastcgi_param" | b"log_format" | b"proxy_set_header" | b"rewrite"
        | b"set" | b"uwsgi_param" => Some(1),
        _ => None,
    }
}

/// Shorter names are too close to too many others.
const SHORTEST: usize = 4;
/// How many different unknown names are compared. A file with more of them has no mere typo.
const LIMIT: usize = 500;

pub(super) fn check(config: &Config, scopes: &[Scope], faults: &mut Vec<Fault>) {
    let whole = config.is_whole();
    // Finding the source means looking at every line, so this is done only if some variable is
    // unknown.
    let source = || source_of_variables(config, scopes, whole);
    variables(config, unknown_variables(config, scopes), source, faults);
    let of_http: Vec<DirectiveRef<'_>> =
        config.named_any(matters).filter(|directive| is_of_http(directive, scopes)).collect();
    defined(&of_http, whole, faults);
}

/// Whether a directive uses or defines the name of a zone or a format.
fn matters(name: &[u8]) -> bool {
    matches!(
        name,
        b"limit_req" | b"limit_conn" | b"limit_req_zone" | b"limit_conn_zone" | b"log_format"
    ) || name == b"access_log"
        || name.ends_with(b"_cache")
        || name.ends_with(b"_cache_path")
}

/// `stream`, and the blocks that third-party modules have next to `http`, have names of their own.
fn is_of_http(directive: &DirectiveRef<'_>, scopes: &[Scope]) -> bool {
    let around = |parent: DirectiveId| scopes.get(parent.0 as usize) != Some(&Scope::Other);
    directive.parent_id().is_none_or(around)
}

/// Where a variable may come from that is not in the list and that nothing defines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum VariableSource {
    /// From files that were not read, or from a third-party module.
    Elsewhere,
    /// From a newer nginx: the installed version is not known, or newer than the list.
    OtherVersion,
    /// From nowhere.
    Listed,
}

fn source_of_variables(config: &Config, scopes: &[Scope], whole: bool) -> VariableSource {
    let own = |line: DirectiveRef<'_>| {
        let name = line.name();
        if name.as_ref() == b"load_module" {
            let file = line.argument(0).map(|word| word.text().into_owned()).unwrap_or_default();
            return OWN_MODULES.iter().any(|own| file.rsplit('/').next() == Some(*own));
        }
        line.is_data() || !is_of_http(&line, scopes) || directives::is_own(&name)
    };
    match config.version {
        _ if !whole || !config.directives().all(own) => VariableSource::Elsewhere,
        Some(version) if version <= NEWEST => VariableSource::Listed,
        _ => VariableSource::OtherVersion,
    }
}

/// The variables that nginx itself does not have, each with the words that use it.
fn unknown_variables<'c>(
    config: &'c Config,
    scopes: &[Scope],
) -> BTreeMap<String, Vec<WordRef<'c>>> {
    // `$host` is in every site: a word whose variables are all known is parsed only once.
    let mut fine = Interner::default();
    let mut found = Vec::new();
    for (name, lines) in config.names.all() {
        let Some(first) = used_from(name) else { continue };
        let lines = lines.iter().filter_map(|(_, id)| config.get(DirectiveId(*id)));
        for directive in lines {
            for word in directive.arguments().skip(first) {
                // Most words contain no variable and need no closer look.
                let value = word.value();
                if !value.contains(&b'$') || fine.find(&value).is_some() {
                    continue;
                }
                if word.has_placeholder() || !is_of_http(&directive, scopes) {
                    continue;
                }
                let before = found.len();
                for part in parts(&word.text()) {
                    let Part::Variable(variable) = part else { continue };
                    let variable = variable.to_ascii_lowercase();
                    // nginx reports a lone `$` and similar cases in other words.
                    if !variable.is_empty() && !is_known(&variable) {
                        found.push((directive.id, variable, word));
                    }
                }
                if found.len() == before {
                    fine.number_of(&value);
                }
            }
        }
    }
    // Those of a line stay in their order.
    found.sort_by_key(|(line, ..)| *line);
    let mut used: BTreeMap<String, Vec<WordRef<'_>>> = BTreeMap::new();
    for (_, variable, word) in found {
        used.entry(variable).or_default().push(word);
    }
    used
}

/// `unknown "x" variable`. Third-party modules and files that were not read may define variables.
/// Where there are such modules or files, only a name that is a typo away from a known variable is
/// reported.
fn variables(
    config: &Config,
    used: BTreeMap<String, Vec<WordRef<'_>>>,
    source: impl Fn() -> VariableSource,
    faults: &mut Vec<Fault>,
) {
    if used.is_empty() || used.len() > LIMIT {
        return;
    }
    let (own, source) = (defined_here(config), source());
    for (variable, words) in used.iter().filter(|(variable, _)| !own.contains(*variable)) {
        let letters = if variable.len() >= 10 { 2 } else { 1 };
        let builtin = VARIABLES.iter().chain(OF_FAMILIES).copied();
        // With no limit, hostile text could have very many names compared with each other.
        let own = own.iter().map(String::as_str).take(LIMIT);
        let known = builtin.chain(own);
        let known = known.filter(|known| known.len() >= SHORTEST);
        let long = variable.len() >= SHORTEST;
        // `$host2` may be a variable of the site's own, defined in a file that was not read.
        let near = nearest_within(variable, letters, known).filter(|near| {
            long && (source != VariableSource::Elsewhere || !variable.starts_with(near))
        });
        let kind = match (near, source) {
            (Some(_), _) | (None, VariableSource::Listed) => FaultKind::UnknownVariable,
            (None, VariableSource::OtherVersion) => FaultKind::UnexplainedVariable,
            (None, VariableSource::Elsewhere) => continue,
        };
        for word in words {
            let meant = near.map(|near| format!(", did you mean \"{near}\"?")).unwrap_or_default();
            let message = format!("unknown \"{variable}\" variable{meant}");
            faults.push(Fault::new(kind, word.span(), message));
        }
    }
}

/// The variables that the configuration may define: every word that is nothing but a variable,
/// unless the directive uses it there, and the named groups of patterns.
fn defined_here(config: &Config) -> HashSet<String> {
    let mut own = HashSet::new();
    for directive in config.directives() {
        let name = directive.name();
        let used_from = used_from(&name);
        for (at, word) in directive.words().enumerate() {
            let text = word.text();
            let defines = match name.as_ref() {
                // The word after the source.
                b"map" => at == 2,
                _ => used_from.is_none_or(|first| at <= first),
            };
            if defines && let Some(variable) = text.strip_prefix('$') {
                own.insert(variable.trim_matches(['{', '}']).to_ascii_lowercase());
            }
            // `limit_req_zone` and similar directives also define the variable after an `=`.
            if let Some((_, variable)) = text.split_once("=$").filter(|_| used_from.is_none()) {
                own.insert(variable.to_ascii_lowercase());
            }
            groups(&text, &mut own);
        }
    }
    own
}

/// The named groups of a pattern.
fn groups(text: &str, own: &mut HashSet<String>) {
    for (at, _) in text.match_indices("(?") {
        let rest = text.get(at + 2..).unwrap_or_default();
        let rest = rest.strip_prefix('P').unwrap_or(rest);
        let Some(name) = rest.strip_prefix(['<', '\'']) else { continue };
        let length = name.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        own.extend(name.get(..length).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase));
    }
}

/// The kinds of zones and formats that have a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum NamedKind {
    RequestZone,
    ConnectionZone,
    CacheZone,
    LogFormat,
}

/// Zones and formats that are used but defined nowhere. For a part of a configuration, other files
/// may define them, so only typos are reported.
fn defined(of_http: &[DirectiveRef<'_>], whole: bool, faults: &mut Vec<Fault>) {
    let mut known: HashMap<NamedKind, HashSet<String>> = HashMap::new();
    let mut used = Vec::new();
    for directive in of_http {
        let name = directive.name();
        let (defines, uses) = match name.as_ref() {
            b"limit_req_zone" => (Some((NamedKind::RequestZone, "zone=")), None),
            b"limit_conn_zone" => (Some((NamedKind::ConnectionZone, "zone=")), None),
            b"proxy_cache_path"
            | b"fastcgi_cache_path"
            | b"uwsgi_cache_path"
            | b"scgi_cache_path" => (Some((NamedKind::CacheZone, "keys_zone=")), None),
            b"log_format" => (Some((NamedKind::LogFormat, "")), None),
            b"limit_req" => (None, Some(NamedKind::RequestZone)),
            b"limit_conn" => (None, Some(NamedKind::ConnectionZone)),
            b"proxy_cache" | b"fastcgi_cache" | b"uwsgi_cache" | b"scgi_cache" => {
                (None, Some(NamedKind::CacheZone))
            }
            b"access_log" => (None, Some(NamedKind::LogFormat)),
            _ => continue,
        };
        if let Some((kind, prefix)) = defines {
            let names = known.entry(kind).or_default();
            names.extend(definition(directive, prefix));
        }
        if let Some(kind) = uses
            && let Some((word, name)) = usage(directive, kind)
        {
            used.push((kind, word, name));
        }
    }
    let mut nears: HashMap<(NamedKind, String), Option<&str>> = HashMap::new();
    for (kind, word, name) in used {
        let names = known.get(&kind);
        if names.is_some_and(|names| names.contains(&name))
            || (kind == NamedKind::LogFormat && name == "combined")
        {
            continue;
        }
        let key = (kind, name.clone());
        let near = match nears.get(&key) {
            Some(near) => *near,
            None if nears.len() >= LIMIT => None,
            None => {
                let known = names.into_iter().flatten().map(String::as_str);
                let near = nearest_within(&name, 1, known.filter(|n| n.len() > 2).take(LIMIT));
                nears.insert(key, near);
                near
            }
        };
        if !whole && near.is_none() {
            continue;
        }
        let mut message = match kind {
            NamedKind::RequestZone | NamedKind::ConnectionZone => {
                format!("zero size shared memory zone \"{name}\"")
            }
            NamedKind::CacheZone => format!("cache zone \"{name}\" is unknown"),
            NamedKind::LogFormat => format!("unknown log format \"{name}\""),
        };
        if let Some(near) = near {
            message.push_str(&format!(", did you mean \"{near}\"?"));
        }
        faults.push(Fault::new(FaultKind::NotDefined, word.span(), message));
    }
}

/// The name that a directive defines.
fn definition(directive: &DirectiveRef<'_>, prefix: &str) -> Option<String> {
    let words = directive.arguments().map(|word| word.text().into_owned());
    let name = words.filter_map(|word| word.strip_prefix(prefix).map(str::to_owned)).next()?;
    Some(name.split(':').next().unwrap_or_default().to_owned())
}

/// The name that a directive uses; `None` if it uses none, or a name that is not known here.
fn usage<'c>(directive: &DirectiveRef<'c>, kind: NamedKind) -> Option<(WordRef<'c>, String)> {
    let is_known = |word: &WordRef<'_>| !word.has_placeholder() && !word.text().contains('$');
    let (word, name) = match kind {
        NamedKind::RequestZone => directive
            .arguments()
            .find_map(|word| Some((word, word.text().strip_prefix("zone=")?.to_owned())))?,
        NamedKind::ConnectionZone | NamedKind::CacheZone => {
            let word = directive.argument(0)?;
            (word, word.text().into_owned())
        }
        NamedKind::LogFormat => {
            let path = directive.argument(0)?;
            if path.value().as_ref() == b"off" {
                return None;
            }
            let word = directive.argument(1)?;
            if word.value().contains(&b'=') {
                return None;
            }
            (word, word.text().into_owned())
        }
    };
    let off = kind == NamedKind::CacheZone && name == "off";
    (!off && is_known(&word)).then_some((word, name))
}
