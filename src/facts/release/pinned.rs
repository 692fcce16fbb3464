//! Places in the unit that name one release, although a link next to the releases leads to the one
//! to serve.

use std::path::{Path, PathBuf};

use super::super::{Known, Service, Why};
use super::link::{DIRECTORIES, LINKS};
use crate::host::{FileKind, HostErrorKind};
use crate::source::{Sources, Span, Text};

/// A place that names a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The unit's setting.
    pub setting: &'static str,
    /// Where the release's path is.
    pub span: Span,
    /// The release.
    pub release: PathBuf,
    /// The link next to it.
    pub link: PathBuf,
    /// The release that the link leads to.
    pub served: PathBuf,
    /// It is written there as it is read.
    pub verbatim: bool,
}

/// Looks through the paths of the working directory, the environment files and the command line.
pub(super) fn read(sources: &Sources, service: &Service) -> Known<Vec<Pinned>> {
    let unit = &service.unit;
    let lines =
        |key: &'static str| unit.list("Service", key).into_iter().map(move |a| (key, &a.value));
    let directory = unit.last("Service", "WorkingDirectory");
    let directory = directory.map(|line| ("WorkingDirectory", &line.value));
    let commands = service.exec_start.iter().map(|command| &command.line);
    let words = commands.flat_map(|line| std::iter::once(&line.program).chain(&line.arguments));
    // The place of its socket has nothing to do with what it serves.
    let judged =
        words.filter(|word| word.unknown.is_none() && !word.text.as_str().contains("unix:"));
    let words = judged.map(|word| ("ExecStart", &word.text));
    let mut found = Vec::new();
    for (setting, text) in directory.into_iter().chain(words).chain(lines("EnvironmentFile")) {
        for (at, release) in releases(text.as_str()) {
            match judge(sources, service, setting, text, at, release) {
                Ok(pinned) => found.extend(pinned),
                Err(why) => return Known::Unknown(why),
            }
        }
    }
    Known::Observed(found, "the unit's paths")
}

fn judge(
    sources: &Sources,
    service: &Service,
    setting: &'static str,
    text: &Text,
    at: usize,
    release: &Path,
) -> Result<Option<Pinned>, Why> {
    let host = sources.host();
    match host.link_metadata(release) {
        Ok(metadata) if metadata.kind == FileKind::Directory => {}
        Err(error) if error.kind == HostErrorKind::NotGiven => {
            return Err(Why::not_read(format!("{} was not given", release.display())));
        }
        _ => return Ok(None),
    }
    let Some(releases) = release.parent() else { return Ok(None) };
    let own = host.look(releases).resolved;
    let beside = [releases.parent().unwrap_or(releases), releases];
    let links = beside.iter().flat_map(|directory| LINKS.map(|name| directory.join(name)));
    for link in links {
        if !host.link_metadata(&link).is_ok_and(|metadata| metadata.kind == FileKind::Link) {
            continue;
        }
        let lookup = host.look(&link);
        if lookup.resolved.parent() == Some(&*own) {
            let span = text.span_of(at..at + release.as_os_str().len());
            let file = service.unit.files().find(|file| file.file.id == span.file);
            let written = file.map(|file| file.file.slice(span));
            return Ok(Some(Pinned {
                setting,
                span,
                release: release.to_path_buf(),
                link,
                served: lookup.resolved,
                verbatim: written == Some(release.as_os_str().as_encoded_bytes()),
            }));
        }
    }
    Ok(None)
}

/// The directories of releases in a text, and where each path starts: `/srv/myapp/releases/2026-04-21`.
fn releases(text: &str) -> Vec<(usize, &Path)> {
    let ends =
        |c: char| c.is_whitespace() || matches!(c, ':' | ',' | ';' | '"' | '\'' | '=' | '%' | '$');
    let mut found: Vec<(usize, &Path)> = Vec::new();
    for name in DIRECTORIES {
        let inner = format!("/{name}/");
        for (at, _) in text.match_indices(&inner) {
            let start = text[..at].rfind(ends).map_or(0, |before| before + 1);
            // `-/srv/…`, `@/srv/…`: prefixes of the setting.
            let start = start + text[start..].find('/').unwrap_or(0);
            let behind = &text[at + inner.len()..];
            let length = behind.find(|c: char| c == '/' || ends(c)).unwrap_or(behind.len());
            let own = &behind[..length];
            let end = at + inner.len() + length;
            let other = found.iter().any(|(before, _)| *before == start);
            if !own.is_empty() && !LINKS.contains(&own) && start < at && !other {
                found.push((start, Path::new(&text[start..end])));
            }
        }
    }
    found
}
