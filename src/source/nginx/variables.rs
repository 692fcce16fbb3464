//! The values that variables can have, as far as `set`, `map`, `geo` and `split_clients` in the
//! configuration show them.

use std::collections::HashMap;

use super::config::{DirectiveId, DirectiveRef};
use super::id::{LocationId, ServerId};
use crate::source::{Span, Spanned};

/// The most values that are considered for one text.
const VALUE_LIMIT: usize = 256;
/// How deeply variables are followed into other variables.
const DEPTH_LIMIT: usize = 16;

/// A variable that the configuration derives from others: `map`, `geo`, `split_clients`.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name, without `$`.
    pub name: String,
    /// The `map`, `geo` or `split_clients` directive.
    pub directive: DirectiveId,
    /// What the value is derived from: a `map`'s source.
    pub source: Option<Spanned<String>>,
    /// The key and value of each line, in order, `default` included.
    pub entries: Vec<(Spanned<String>, Spanned<String>)>,
    /// Whether all of its lines were read.
    pub complete: bool,
}

impl Table {
    /// The value for `default`.
    pub fn default(&self) -> Option<&Spanned<String>> {
        self.entries.iter().find(|(key, _)| key.value == "default").map(|(_, value)| value)
    }

    /// The value that a `map` gives for a key, as far as its lines are plain words. A regex or
    /// wildcard makes the value unknown unless a plain line matches, which nginx prefers according
    /// to its documentation.
    pub fn lookup(&self, key: &str) -> Lookup<'_> {
        let plain = |text: &str| text.strip_prefix('\\').unwrap_or(text).to_ascii_lowercase();
        let lines = || self.entries.iter().filter(|(k, _)| k.value != "default");
        let wanted = key.to_ascii_lowercase();
        if let Some((_, value)) =
            lines().find(|(k, _)| !k.value.starts_with('~') && plain(&k.value) == wanted)
        {
            return Lookup::Value(value);
        }
        if !self.complete
            || lines().any(|(k, _)| k.value.starts_with(['~', '*', '.']) || k.value.ends_with(".*"))
        {
            return Lookup::Unknown;
        }
        self.default().map_or(Lookup::Empty, Lookup::Value)
    }
}

/// What a [`Table`] gives for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// This value.
    Value(&'a Spanned<String>),
    /// No line matches and there is no default: the empty string.
    Empty,
    /// Not known.
    Unknown,
}

/// One `set`.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The directive.
    pub directive: DirectiveId,
    /// The server it is in.
    pub server: ServerId,
    /// The location or `if` it is in.
    pub location: Option<LocationId>,
    /// The value as written.
    pub value: Spanned<String>,
}

/// All variables that the configuration sets.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// `map`, `geo` and `split_clients`, by name.
    pub tables: HashMap<String, Table>,
    /// `set`, by variable name, grouped by server.
    pub assignments: HashMap<String, Vec<Assignment>>,
}

/// The values that a text with variables can have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expansion {
    /// Each value, with the places that it was made from.
    pub values: Vec<(String, Vec<Span>)>,
    /// Whether these are all values.
    pub complete: bool,
}

/// Whether a text contains a variable, `$x` or `${x}`.
pub fn has_variable(text: &str) -> bool {
    text.contains('$')
}

impl Variables {
    pub(super) fn add_assignment(
        &mut self,
        directive: &DirectiveRef<'_>,
        server: ServerId,
        location: Option<LocationId>,
    ) {
        let (Some(name), Some(value)) = (directive.argument(0), directive.argument(1)) else {
            return;
        };
        let value = Spanned { value: value.text().into_owned(), span: value.span() };
        let name = name.text().trim_start_matches('$').to_ascii_lowercase();
        let assignment = Assignment { directive: directive.id, server, location, value };
        self.assignments.entry(name).or_default().push(assignment);
    }

    pub(super) fn add_table(&mut self, directive: &DirectiveRef<'_>) -> Option<()> {
        let mut words = directive.arguments();
        let (first, last) = (words.next()?, words.last());
        let name = last.unwrap_or(first).text().trim_start_matches('$').to_ascii_lowercase();
        let source = last.map(|_| Spanned { value: first.text().into_owned(), span: first.span() });
        let mut table = Table {
            name: name.clone(),
            directive: directive.id,
            source,
            entries: Vec::new(),
            complete: true,
        };
        for line in directive.children() {
            let mut words = line.words();
            let Some(key) = words.next() else { continue };
            let Some(value) = words.next() else { continue };
            if words.next().is_some()
                || matches!(key.value().as_ref(), b"include" | b"proxy" | b"delete")
            {
                continue;
            }
            table.complete &= !key.has_placeholder() && !value.has_placeholder();
            let spanned = |word: super::config::WordRef<'_>| Spanned {
                value: word.text().into_owned(),
                span: word.span(),
            };
            table.entries.push((spanned(key), spanned(value)));
        }
        self.tables.insert(name, table);
        Some(())
    }

    /// The values that a text can have in a server. `certain` says whether a `set` always runs
    /// before the text is used.
    pub(super) fn expand(
        &self,
        text: &str,
        server: ServerId,
        certain: &dyn Fn(&Assignment) -> bool,
    ) -> Expansion {
        let mut walk = VariableWalk { variables: self, server, certain, left: VALUE_LIMIT * 4 };
        walk.text(text, 0)
    }
}

struct VariableWalk<'v> {
    variables: &'v Variables,
    server: ServerId,
    certain: &'v dyn Fn(&Assignment) -> bool,
    /// How many more steps may be taken, so that maps of maps of maps come to an end.
    left: usize,
}

impl VariableWalk<'_> {
    /// Follows variables into variables, at most [`DEPTH_LIMIT`] deep.
    fn text(&mut self, text: &str, depth: usize) -> Expansion {
        let mut all = Expansion { values: vec![(String::new(), Vec::new())], complete: true };
        for part in parts(text) {
            let choices = match part {
                Part::Text(text) => {
                    Expansion { values: vec![(text.to_owned(), Vec::new())], complete: true }
                }
                Part::Variable(name) => self.variable(&name.to_ascii_lowercase(), depth),
            };
            all.complete &= choices.complete;
            let mut next = Vec::new();
            for (head, via) in &all.values {
                for (tail, more) in &choices.values {
                    if next.len() == VALUE_LIMIT {
                        all.complete = false;
                        break;
                    }
                    let via = via.iter().chain(more).copied().collect();
                    next.push((format!("{head}{tail}"), via));
                }
            }
            all.values = next;
        }
        all
    }

    fn variable(&mut self, name: &str, depth: usize) -> Expansion {
        let mut all = Expansion { values: Vec::new(), complete: false };
        if depth >= DEPTH_LIMIT || self.left == 0 {
            return all;
        }
        self.left -= 1;
        let variables = self.variables;
        let mut parts_complete = true;
        let mut add = |walk: &mut Self, value: &Spanned<String>| {
            let inner = walk.text(&value.value, depth + 1);
            parts_complete &= inner.complete;
            for (text, via) in inner.values {
                if all.values.iter().any(|(known, _)| *known == text) {
                    continue;
                }
                if all.values.len() == VALUE_LIMIT {
                    parts_complete = false;
                    return;
                }
                all.values.push((text, std::iter::once(value.span).chain(via).collect()));
            }
        };
        let mut sure = false;
        let all_servers = variables.assignments.get(name).map_or(&[][..], Vec::as_slice);
        let start = all_servers.partition_point(|assignment| assignment.server < self.server);
        let server = self.server;
        let rest = all_servers.get(start..).unwrap_or_default();
        for assignment in rest.iter().take_while(|assignment| assignment.server == server) {
            sure |= (self.certain)(assignment);
            add(self, &assignment.value);
        }
        if let Some(table) = variables.tables.get(name) {
            for (_, value) in table.entries.iter().take(VALUE_LIMIT * 4) {
                add(self, value);
            }
            sure |= table.complete
                && table.entries.len() <= VALUE_LIMIT * 4
                && table.default().is_some();
        }
        all.complete = sure && parts_complete;
        all
    }
}

pub(super) enum Part<'t> {
    Text(&'t str),
    Variable(&'t str),
}

/// Takes a text apart as `ngx_http_script_compile` does: `$name`, `${name}`, `$1`.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        let after = &rest[at + 1..];
        if let Some(inner) = after.strip_prefix('{') {
            let end = inner.find('}').unwrap_or(inner.len());
            parts.push(Part::Variable(&inner[..end]));
            rest = inner.get(end + 1..).unwrap_or_default();
            continue;
        }
        let length = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        parts.push(Part::Variable(&after[..length]));
        rest = &after[length..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}
