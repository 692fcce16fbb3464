//! The file an `EnvironmentFile=` line should name, when systemd reads it differently: as no path
//! at all, or as one path that contains spaces (systemd.exec(5): one absolute path, without
//! quotes).

use std::path::{Path, PathBuf};

use super::super::place::tidy;
use super::super::{Machine, Place, Service, State};
use super::EnvironmentFile;
use crate::host::Host;
use crate::source::{Span, Text};

/// How systemd takes the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misreading {
    /// The path is in quotes, so it does not begin with a slash: ignored.
    Quoted,
    /// Not absolute: ignored.
    Relative,
    /// A specifier that systemd does not have: ignored.
    Specifier,
    /// Several paths, taken for one.
    Several,
    /// A comment behind the path, taken for a part of it.
    Comment,
}

impl Misreading {
    /// Does systemd pass over the whole line?
    pub fn is_ignored(self) -> bool {
        matches!(self, Self::Quoted | Self::Relative | Self::Specifier)
    }
}

/// A file that was meant.
#[derive(Debug, Clone)]
pub struct MeantFile {
    /// Where it is, quotes and `-` included.
    pub span: Span,
    /// What begins a path that is not absolute, `~/` or `./`; empty before any other.
    pub lead: Span,
    /// The quotes around it.
    pub quotes: Vec<Span>,
    /// Where it is to be looked for, where it does not say so itself.
    pub below: Option<PathBuf>,
    /// What is there; `None` if it is not known where it is.
    pub place: Option<Place>,
}

/// A line that does not mean what was written.
#[derive(Debug, Clone)]
pub struct Misread {
    /// How it is taken.
    pub kind: Misreading,
    /// The files that were meant.
    pub files: Vec<MeantFile>,
    /// The comment behind them.
    pub comment: Option<Span>,
}

/// Looks at a line as it is after its specifiers were expanded; `text` is `None` if one of them
/// does not exist.
pub(super) fn read(
    host: &dyn Host,
    machine: &Machine,
    service: &Service,
    file: &EnvironmentFile,
    text: Option<&Text>,
) -> Option<Misread> {
    let Some(text) = text else {
        return Some(Misread { kind: Misreading::Specifier, files: Vec::new(), comment: None });
    };
    let looks = |path: &Path| Place::look(host, path, machine.owners_known);
    let (words, comment) = words(text.as_str());
    let kind = match words.as_slice() {
        _ if file.ignored && words.iter().any(|word| word.quoted) => Misreading::Quoted,
        _ if file.ignored => Misreading::Relative,
        [_] if comment.is_none() => return None,
        [_] => Misreading::Comment,
        [_, ..] if words.iter().all(|word| word.path.starts_with('/')) => Misreading::Several,
        _ => return None,
    };
    // A file may have a space in its name.
    if !kind.is_ignored() {
        let whole = looks(file.path.ok()?);
        if !matches!(whole.state.ok(), Some(State::Missing { .. })) && machine.whole {
            return None;
        }
    }
    let files = words.iter().map(|word| {
        let absolute = word.path.starts_with('/');
        let below = if absolute { None } else { below(machine, service, word.path) };
        let path = match &below {
            Some(below) => Some(tidy(&below.join(&word.path[lead(word.path)..]))),
            None => absolute.then(|| PathBuf::from(word.path)),
        };
        let part = |from: usize, to: usize| text.span_of(from..to);
        let end = word.at + word.path.len();
        MeantFile {
            span: part(word.start, word.end),
            lead: part(word.at, word.at + lead(word.path)),
            quotes: match word.quoted {
                true => vec![part(word.at - 1, word.at), part(end, end + 1)],
                false => Vec::new(),
            },
            below,
            place: path.map(|path| looks(&path)),
        }
    });
    let comment = comment.map(|at| text.span_of(at..text.as_str().len()));
    Some(Misread { kind, files: files.collect(), comment })
}

/// A path in the line.
struct Written<'t> {
    /// Where it starts, with its `-`.
    start: usize,
    end: usize,
    /// Where the path itself starts.
    at: usize,
    path: &'t str,
    quoted: bool,
}

/// The paths in a line, and where a comment behind them starts.
fn words(text: &str) -> (Vec<Written<'_>>, Option<usize>) {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let blanks = rest.len() - rest.trim_start().len();
        let (start, rest) = (at + blanks, &rest[blanks..]);
        if rest.is_empty() {
            break;
        }
        if rest.starts_with('#') && !found.is_empty() {
            return (found, Some(start));
        }
        let dash = usize::from(rest.starts_with('-'));
        let path = &rest[dash..];
        let quote = path.chars().next().filter(|first| matches!(first, '"' | '\''));
        let closed = quote.and_then(|quote| Some((1, path.get(1..)?.find(quote)?)));
        let (open, length) =
            closed.unwrap_or_else(|| (0, path.find(char::is_whitespace).unwrap_or(path.len())));
        let first = start + dash + open;
        let end = first + length + open;
        found.push(Written {
            start,
            end,
            at: first,
            path: &path[open..open + length],
            quoted: open > 0,
        });
        at = end;
    }
    (found, None)
}

/// How long what begins a path that is not absolute is.
fn lead(path: &str) -> usize {
    if path.starts_with("~/") || path.starts_with("./") { 2 } else { 0 }
}

/// The directory that a relative path was meant to be in: the working directory, or the user's home
/// where it starts with `~/`.
fn below(machine: &Machine, service: &Service, path: &str) -> Option<PathBuf> {
    if path.starts_with("~/") {
        let user = service.user.ok()?;
        return Some(machine.accounts.ok()?.user(&user.name)?.home.clone());
    }
    let odd = path.starts_with(['~', '$']) || path.is_empty();
    let place = service.working_directory.ok()?.as_ref().filter(|_| !odd)?;
    Some(place.path.clone())
}
