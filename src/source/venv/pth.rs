//! `*.pth` files, as Python's `site` module reads them: each line is a directory to add to
//! `sys.path`, or code if it begins with `import `.

use std::path::PathBuf;

use super::{Venv, record::is_directory};
use crate::host::{Host, HostError};
use crate::source::{Sources, Span};

/// What one line of a `.pth` file does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathEntry {
    /// Adds a directory to `sys.path`; Python ignores it if it does not exist.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Whether it exists.
        exists: bool,
        /// The line.
        span: Span,
    },
    /// Runs code at every start of Python, with unknown effects.
    Code {
        /// The line.
        span: Span,
    },
    /// A line that is not UTF-8.
    Undecodable {
        /// The line.
        span: Span,
    },
}

/// Every line of every `.pth` file of the environment.
pub fn read(
    host: &dyn Host,
    sources: &Sources<'_>,
    venv: &Venv,
) -> Result<Vec<PathEntry>, HostError> {
    let mut entries = Vec::new();
    for file in &venv.path_files {
        let file = sources.load(file)?;
        let site = file.path.parent().map(PathBuf::from).unwrap_or_default();
        let mut start = 0;
        for line in file.bytes.split_inclusive(|byte| *byte == b'\n') {
            let trimmed = line.trim_ascii_end();
            let span = Span::new(file.id, start, start + trimmed.len());
            start += line.len();
            match std::str::from_utf8(trimmed) {
                Err(_) => entries.push(PathEntry::Undecodable { span }),
                Ok(text) if text.trim().is_empty() || text.starts_with('#') => {}
                Ok(text) if text.starts_with("import ") || text.starts_with("import\t") => {
                    entries.push(PathEntry::Code { span });
                }
                Ok(text) => {
                    let path = site.join(text);
                    let exists = is_directory(host, &path);
                    entries.push(PathEntry::Directory { path, exists, span });
                }
            }
        }
    }
    Ok(entries)
}
