//! The files and directories that the application writes when a worker imports it.

use std::path::{Path, PathBuf};

use super::super::place::tidy;
use super::super::server::{Gunicorn, Writes, WrittenPath, of_application, opened_by};
use super::super::{Environment, Machine, Place};
use super::{Code, Django, ReadModule};
use crate::source::python::opened::Written;
use crate::source::{Sources, Span};

/// A file that is opened, as it is written.
struct WrittenFile {
    setting: &'static str,
    path: String,
    span: Span,
    unless_debug: bool,
    /// Only if the root logger has no handler yet.
    root: bool,
}

pub(super) fn read(
    sources: &Sources,
    machine: &Machine,
    (gunicorn, environment): (&Gunicorn, &Environment),
    (code, django): (&Code, Option<&Django>),
) -> Vec<WrittenPath> {
    let look = |path: &Path| Place::look(sources.host(), path, machine.owners_known);
    let (files, directories) = named(machine, code, django);
    // What makes directories may have made the one of a file.
    let makes_directories = code.modules.iter().any(|module| module.makes_directories);
    let debug = may_debug(code, gunicorn, environment);
    let mut written: Vec<WrittenPath> = Vec::new();
    // gunicorn's own configuration gives the root logger its handlers.
    let logging = ["logconfig", "logconfig_dict", "logconfig_json"];
    let configured = logging.iter().any(|name| gunicorn.settings.get(name).is_set());
    for file in files {
        if file.root && configured {
            continue;
        }
        let asked = (file.setting, file.path.as_str(), Some(file.span));
        let Some(mut path) = of_application(sources, machine, &gunicorn.settings, asked) else {
            continue;
        };
        let made = makes_directories && path.directory.exists() == Ok(false);
        if !made && !written.iter().any(|known| known.place.path == path.place.path) {
            path.unless_debug = file.unless_debug && debug;
            written.push(path);
        }
    }
    for file in directories {
        let asked = (file.setting, file.path.as_str(), Some(file.span));
        let Some(mut path) = of_application(sources, machine, &gunicorn.settings, asked) else {
            continue;
        };
        // What is there need not be made, and what goes at each boot is another matter.
        let volatile =
            ["/run", "/tmp", "/var/tmp"].iter().any(|top| path.place.path.starts_with(top));
        if volatile || path.place.exists() != Ok(false) {
            continue;
        }
        let Some(above) = nearest(&path.place.path, &look) else { continue };
        if !written.iter().any(|known| known.place.path == path.place.path) {
            path.writes = Writes::Directory;
            path.directory = above;
            path.unless_debug = file.unless_debug && debug;
            written.push(path);
        }
    }
    written
}

/// The files and directories that the code names.
fn named(
    machine: &Machine,
    code: &Code,
    django: Option<&Django>,
) -> (Vec<WrittenFile>, Vec<WrittenFile>) {
    const LOG: &str = "the application's log file";
    let mut files: Vec<WrittenFile> = Vec::new();
    let mut directories: Vec<WrittenFile> = Vec::new();
    files.extend(django.iter().flat_map(|django| &django.log_files).map(|file| WrittenFile {
        setting: "Django's log file",
        path: file.value.clone(),
        span: file.span,
        unless_debug: false,
        root: false,
    }));
    // Whose a repository's directories will be is not known.
    let modules: &[ReadModule] = if machine.whole { &code.modules } else { &[] };
    let root_logs = modules.iter().map(|module| module.root_logs).sum::<usize>();
    for module in modules.iter().filter(|module| module.certain) {
        for opened in &module.opened {
            let (span, unless_debug) = (opened.span, opened.unless_debug);
            let root = matches!(opened.written, Written::RootLog(_));
            let file =
                |setting, path: String| WrittenFile { setting, path, span, unless_debug, root };
            match &opened.written {
                Written::File(path) => files.push(file(LOG, path.clone())),
                // A second one does nothing, and it is not known which comes first.
                Written::RootLog(path) if root_logs == 1 => files.push(file(LOG, path.clone())),
                Written::RootLog(_) => {}
                Written::Directory(path) => {
                    directories.push(file("a directory of the application", path.clone()));
                }
                Written::Logging(config) => {
                    files.extend(opened_by(config).into_iter().map(|path| file(LOG, path)));
                }
            }
        }
    }
    (files, directories)
}

/// The nearest directory above that is there.
fn nearest(path: &Path, look: &dyn Fn(&Path) -> Place) -> Option<Place> {
    let above: Vec<PathBuf> = tidy(path).ancestors().skip(1).map(Path::to_path_buf).collect();
    for directory in above {
        let place = look(&directory);
        match place.exists() {
            Ok(true) => return Some(place),
            Ok(false) => {}
            Err(_) => return None,
        }
    }
    None
}

/// Might debug mode be on?
fn may_debug(code: &Code, gunicorn: &Gunicorn, environment: &Environment) -> bool {
    let named = code.modules.iter().any(|module| module.names_debug);
    let set = environment.seen_by_application(gunicorn, "FLASK_DEBUG");
    named || code.open.is_some() || !matches!(set, Ok(None))
}
