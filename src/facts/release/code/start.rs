//! The modules gunicorn itself imports before the application: those of its configuration file, and
//! the module of its worker class.

use super::super::super::server::Gunicorn;
use super::super::super::{Known, Problem, Why};
use super::super::finder::{Found, Owner};
use super::super::graph::NEWEST;
use super::super::standard_library;
use super::super::unresolved::ImportCheck;
use super::{CodeReader, SearchEntry, Surroundings};
use crate::source::python::{self, PythonVersion};
use crate::source::{SourceFile, Sources};

/// Whether what gunicorn imports by itself is there.
#[derive(Debug)]
pub struct StartImports {
    /// What the configuration file imports while it is read.
    pub configuration: Known<ImportCheck>,
    /// The module of the worker class that is nowhere, where it is a class by its dotted path.
    pub worker_class: Known<Option<String>>,
}

impl StartImports {
    pub(super) fn unknown(why: &Why) -> Self {
        Self {
            configuration: Known::Unknown(why.clone()),
            worker_class: Known::Unknown(why.clone()),
        }
    }
}

/// The file's own path names no module.
const NAME: &str = "__config__";

pub(super) fn read(
    sources: &Sources,
    gunicorn: &Gunicorn,
    entries: Result<&[SearchEntry], &Why>,
    surroundings: &Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> StartImports {
    StartImports {
        configuration: configuration(sources, gunicorn, entries, surroundings, problems),
        worker_class: worker_class(sources, gunicorn, entries, surroundings),
    }
}

/// gunicorn puts the directory where it was started on the path before it reads the file; the
/// application's own comes behind, so what is there is taken for found, too.
fn configuration(
    sources: &Sources,
    gunicorn: &Gunicorn,
    entries: Result<&[SearchEntry], &Why>,
    surroundings: &Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Known<ImportCheck> {
    let config = match gunicorn.config.get() {
        Ok(config) => config.as_ref(),
        Err(why) => return Known::Unknown(why),
    };
    let file = config.filter(|config| config.faults.is_empty());
    let file = file.and_then(|config| Some((config, config.file.as_ref()?)));
    let check = match file.filter(|(_, file)| !is_plain(file, gunicorn)) {
        None => ImportCheck::default(),
        Some((config, _)) => {
            let entries = match entries {
                Ok(entries) => entries,
                Err(why) => return Known::Unknown(why.clone()),
            };
            let mut reader = CodeReader::new(sources, gunicorn, entries, surroundings);
            if let Some(directory) = surroundings.working_directory {
                reader.graph.finder.add(directory.to_path_buf(), Owner::Release);
            }
            reader.graph.start(NAME, &config.place.path, problems);
            reader.graph.check(&reader.judge)
        }
    };
    Known::Observed(check, "the configuration's imports")
}

/// Does it import nothing but Python's own modules, as most do?
fn is_plain(file: &SourceFile, gunicorn: &Gunicorn) -> bool {
    let version = gunicorn.python.ok().map(|(major, minor)| PythonVersion::new(*major, *minor));
    let module = python::parse(file, version.unwrap_or(NEWEST));
    module.imports(version).iter().all(|import| {
        let top = import.module.split('.').next().unwrap_or_default();
        import.level == 0 && standard_library::has(top, version)
    })
}

/// `package.module.Class`: is the module anywhere?
fn worker_class(
    sources: &Sources,
    gunicorn: &Gunicorn,
    entries: Result<&[SearchEntry], &Why>,
    surroundings: &Surroundings<'_>,
) -> Known<Option<String>> {
    let known = gunicorn.settings.worker_class_setting();
    let class = match known.get() {
        Ok(class) => class.as_str(),
        Err(why) => return Known::Unknown(why),
    };
    let is_name =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let module = class.rsplit_once('.').map(|(module, _)| module);
    let module = module.filter(|module| module.split('.').all(is_name));
    let Some(module) = module.filter(|module| !module.starts_with("gunicorn.")) else {
        return Known::Observed(None, "gunicorn's own worker classes");
    };
    let entries = match entries {
        Ok(entries) => entries,
        Err(why) => return Known::Unknown(why.clone()),
    };
    let reader = CodeReader::new(sources, gunicorn, entries, surroundings);
    let missing = match reader.graph.finder.find(module) {
        Found::Missing(name) => match reader.judge.is_nowhere(&reader.graph, &name) {
            Ok(()) => Some(name),
            Err(None) => None,
            Err(Some(why)) => return Known::Unknown(why),
        },
        Found::Unknown(why) => return Known::Unknown(why),
        _ => None,
    };
    Known::Observed(missing, "the search path")
}
