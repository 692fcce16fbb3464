//! The paths of settings that list some: `ReadWritePaths=`, `NoExecPaths=`, `BindPaths=` and their like.

use std::path::PathBuf;

use crate::facts::service::expanded;
use crate::rule::prelude::*;

/// The paths of a list of them, without `-` and `+`.
pub(super) fn paths(app: &App, key: &str) -> Result<Vec<(PathBuf, Span)>, Why> {
    let unit = &app.service.unit;
    let mut found = Vec::new();
    for line in unit.list("Service", key) {
        let text = expanded(unit, line)?;
        for word in text.as_str().split_whitespace() {
            // `from:to`: what is there is what comes behind.
            let path = word.trim_start_matches(['-', '+', '"']).trim_end_matches('"');
            let path = match key {
                "TemporaryFileSystem" => path.split(':').next().unwrap_or(path),
                _ if key.starts_with("Bind") => path.split(':').nth(1).unwrap_or(path),
                _ => path,
            };
            found.push((PathBuf::from(path), text.span()));
        }
    }
    Ok(found)
}
