//! The file that a setting of gunicorn's names.

use std::path::{Path, PathBuf};

use super::super::gunicorn::Settings;
use super::super::place::tidy;

/// The file that is meant; nothing for `-`, for devices, and where the directory is not known.
pub(super) fn absolute(settings: &Settings, text: &str) -> Option<PathBuf> {
    if text.is_empty() || text == "-" {
        return None;
    }
    let path = match text.starts_with('/') {
        true => tidy(Path::new(text)),
        false => tidy(&settings.chdir().ok()?.join(text)),
    };
    let virtual_file = ["/dev", "/proc", "/sys"].iter().any(|top| path.starts_with(top));
    (path.is_absolute() && !virtual_file).then_some(path)
}
