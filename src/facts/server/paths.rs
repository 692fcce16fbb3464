//! The paths that gunicorn writes to before it serves: its logs, its pid file, the directory of its
//! workers' heartbeats.

use std::path::Path;

use super::super::gunicorn::Settings;
use super::super::{Known, Machine, Place};
use super::logging;
use super::named_file::absolute;
use crate::source::gunicorn::SettingValue;
use crate::source::python::evaluate::ConfigFile;
use crate::source::{Sources, Span};

/// What gunicorn does at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Appends to the file, which it makes where there is none.
    File,
    /// Makes files of its own in the directory.
    Directory,
}

/// Who writes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// gunicorn's master, before it listens.
    Master,
    /// The application, when a worker imports it.
    Application,
}

/// A path that has to be written for the site to start.
#[derive(Debug)]
pub struct WrittenPath {
    /// Who writes there.
    pub writer: Writer,
    /// The setting.
    pub setting: &'static str,
    /// What it does there.
    pub writes: Writes,
    /// The file; for a pid file and the heartbeats the directory.
    pub place: Place,
    /// The directory that the file is in.
    pub directory: Place,
    /// Where it is set.
    pub span: Option<Span>,
    /// The path must not be shown.
    pub secret: bool,
    /// Only where the application's debug mode is off.
    pub unless_debug: bool,
}

pub(super) fn read(
    sources: &Sources,
    machine: &Machine,
    settings: &Settings,
    config: &Known<Option<ConfigFile>>,
) -> Vec<WrittenPath> {
    let look = |path: &Path| Place::look(sources.host(), path, machine.owners_known);
    let kinds = [
        ("accesslog", Writes::File),
        ("errorlog", Writes::File),
        ("pidfile", Writes::Directory),
        ("worker_tmp_dir", Writes::Directory),
    ];
    let mut found = Vec::new();
    for (setting, writes) in kinds {
        let known = settings.get(setting);
        let Some(SettingValue::Text(text)) = known.ok() else { continue };
        let Some(path) = absolute(settings, text) else { continue };
        let path = match setting {
            "pidfile" => path.parent().map(Path::to_path_buf).unwrap_or_default(),
            _ => path,
        };
        let above = match writes {
            Writes::File => path.parent().map(Path::to_path_buf).unwrap_or_default(),
            Writes::Directory => path.clone(),
        };
        found.push(WrittenPath {
            writer: Writer::Master,
            setting,
            writes,
            place: look(&path),
            directory: look(&above),
            span: known.span(),
            secret: settings.is_secret(setting),
            unless_debug: false,
        });
    }
    for file in logging::files(sources, settings, config) {
        let Some(path) = absolute(settings, &file.path) else { continue };
        found.push(WrittenPath {
            writer: Writer::Master,
            setting: "logging configuration's file",
            writes: Writes::File,
            directory: look(path.parent().unwrap_or(Path::new("/"))),
            place: look(&path),
            span: file.span,
            secret: file.secret,
            unless_debug: false,
        });
    }
    found
}

/// A file that the application opens when it is imported, where its directory is known.
pub fn of_application(
    sources: &Sources,
    machine: &Machine,
    settings: &Settings,
    (setting, path, span): (&'static str, &str, Option<Span>),
) -> Option<WrittenPath> {
    let look = |path: &Path| Place::look(sources.host(), path, machine.owners_known);
    let path = absolute(settings, path)?;
    Some(WrittenPath {
        writer: Writer::Application,
        setting,
        writes: Writes::File,
        directory: look(path.parent().unwrap_or(Path::new("/"))),
        place: look(&path),
        span,
        secret: false,
        unless_debug: false,
    })
}
