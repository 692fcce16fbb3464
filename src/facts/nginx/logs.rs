//! Logs that nginx opens when it starts, although their directories do not exist.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::Machine;
use super::is_literal;
use crate::host::Outcome;
use crate::source::nginx::Model;
use crate::source::unit::Unit;
use crate::source::{Sources, Span};

/// A log that nginx cannot make.
#[derive(Debug, Clone)]
pub struct UnopenedLog {
    /// The path, where it is named.
    pub span: Span,
    /// The directory that does not exist.
    pub directory: PathBuf,
}

/// Those of a whole machine. nginx makes the file of a log and no directory; a path with a variable
/// is opened for each request, and a relative one counts from a prefix that files do not show.
pub(super) fn unopened(
    sources: &Sources,
    machine: &Machine,
    unit: Option<&Unit>,
    model: &Model,
) -> Vec<UnopenedLog> {
    // `LogsDirectory=` of nginx's unit, or a line of tmpfiles.d, makes one before nginx starts.
    let by_unit = ["LogsDirectory", "StateDirectory", "CacheDirectory", "ExecStartPre"];
    let made = |directory: &Path| {
        let of_unit = |key: &&str| {
            let name = directory.file_name().unwrap_or_default().to_string_lossy();
            let lines = unit.map(|unit| unit.list("Service", key)).unwrap_or_default();
            lines.iter().any(|line| line.value.as_str().contains(&*name))
        };
        by_unit.iter().any(of_unit)
            || match machine.tmpfiles.ok() {
                Some(lines) => {
                    lines.iter().any(|line| Path::new(&line.path).starts_with(directory))
                }
                None => true,
            }
    };
    // A tree without /var/log says nothing of what is in it.
    let exists =
        |path: &Path| !matches!(sources.host().look(path).outcome, Outcome::Missing { .. });
    let mut known: HashMap<PathBuf, bool> = HashMap::new();
    let mut found = Vec::new();
    let is_log = |name: &[u8]| matches!(name, b"access_log" | b"error_log");
    for line in model.config.named_any(is_log) {
        let Some(word) = line.argument(0).filter(|word| !word.has_placeholder()) else { continue };
        let text = word.text();
        if !text.starts_with('/') || !is_literal(&text) || text.contains('$') {
            continue;
        }
        let Some(directory) = Path::new(text.as_ref()).parent() else { continue };
        let missing = *known.entry(directory.to_owned()).or_insert_with(|| {
            // nginx's own package brings its directory, and backups leave it out.
            directory != Path::new("/var/log/nginx")
                && !exists(directory)
                && directory.parent().is_some_and(exists)
                && !made(directory)
        });
        if missing {
            found.push(UnopenedLog { span: word.span(), directory: directory.to_owned() });
        }
    }
    found
}
