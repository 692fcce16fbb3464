//! The logs that nginx opens when it starts, and whose directories are not there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::is_literal;
use crate::host::Outcome;
use crate::source::nginx::Model;
use crate::source::{Sources, Span};

/// A log that nginx cannot make.
#[derive(Debug, Clone)]
pub struct UnopenedLog {
    /// The path, where it is named.
    pub span: Span,
    /// The directory that does not exist.
    pub directory: PathBuf,
}

/// Those of a whole machine. nginx makes the file of a log and no directory; a path with a variable is
/// opened for each request, and a relative one counts from a prefix that files do not tell.
pub(super) fn unopened(sources: &Sources, model: &Model) -> Vec<UnopenedLog> {
    // A tree without /var/log says nothing of what lies in it.
    let exists =
        |path: &Path| !matches!(sources.host().look(path).outcome, Outcome::Missing { .. });
    let mut known: HashMap<PathBuf, bool> = HashMap::new();
    let mut found = Vec::new();
    for line in model.config.directives() {
        if !matches!(line.name().as_ref(), b"access_log" | b"error_log") {
            continue;
        }
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
        });
        if missing {
            found.push(UnopenedLog { span: word.span(), directory: directory.to_owned() });
        }
    }
    found
}
