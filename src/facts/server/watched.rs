//! The files of `--reload-extra-file`, which must exist when gunicorn starts, with or without
//! `--reload`.

use std::path::Path;

use super::super::gunicorn::{SettingValue, Settings};
use super::super::{Machine, Place};
use crate::source::{Sources, Span};

/// A file that is to be watched.
#[derive(Debug)]
pub struct WatchedFile {
    /// The file.
    pub place: Place,
    /// Where it is named.
    pub span: Option<Span>,
}

/// Those that are named from the top. The others count from where gunicorn is started, and what comes
/// out of a variable is not shown.
pub(super) fn read(sources: &Sources, machine: &Machine, settings: &Settings) -> Vec<WatchedFile> {
    const NAME: &str = "reload_extra_files";
    let known = settings.get(NAME);
    let Some(SettingValue::List(files)) = known.ok().filter(|_| !settings.is_secret(NAME)) else {
        return Vec::new();
    };
    let absolute = files.iter().map(Path::new).filter(|file| file.is_absolute());
    absolute
        .map(|file| WatchedFile {
            place: Place::look(sources.host(), file, machine.owners_known),
            span: known.span(),
        })
        .collect()
}
