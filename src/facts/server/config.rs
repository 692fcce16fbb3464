//! gunicorn's configuration file: which one is used, and the settings it results in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::gunicorn::ConfigChoice;
use super::super::place::tidy;
use super::super::release::standard_library;
use super::super::{Given, Known, Machine, Origin, Place, Problem, Whose, Why};
use super::logging::{self, LoggingFault};
use crate::host::{HostErrorKind, Outcome};
use crate::source::gunicorn::is_hook;
use crate::source::python::environ::EnvironmentWrite;
use crate::source::python::evaluate::{
    self, ConfigFile, FileText, FromImport, Surroundings, TakenModule,
};
use crate::source::python::{self, PythonVersion};
use crate::source::{Lookup, SourceFile, Sources, Span};

/// How deep imports of a configuration file are followed.
const IMPORTS_DEPTH: usize = 6;

/// gunicorn's configuration file.
#[derive(Debug)]
pub struct ConfigSource {
    /// Its path.
    pub place: Place,
    /// Was it not named, but picked up from the working directory?
    pub implicit: bool,
    /// The word that names it.
    pub span: Option<Span>,
    /// Its bytes, where it was read.
    pub file: Option<Arc<SourceFile>>,
    /// If there is no file with its name: the one that was probably meant.
    pub near: Option<PathBuf>,
    /// Errors in its syntax, and what it raises when it is run.
    pub faults: Vec<(String, Span)>,
    /// A logger of `logconfig_dict`, or of gunicorn's own below it, whose handler is not there.
    pub logging: Option<LoggingFault>,
}

pub(super) struct ConfigReader<'a> {
    pub sources: &'a Sources<'a>,
    pub machine: &'a Machine,
    pub given: &'a Given,
    pub lookup: &'a dyn Fn(&str) -> Lookup,
    pub working_directory: Option<&'a PathBuf>,
    /// The environment's Python; the newest grammar where that is not known: what it refuses, all
    /// do.
    pub python: PythonVersion,
}

impl ConfigReader<'_> {
    /// Reads the configuration file that the command line names, or `./gunicorn.conf.py`.
    pub(super) fn read(
        &self,
        choice: &Known<ConfigChoice>,
        problems: &mut Vec<Problem>,
    ) -> (Known<Option<ConfigSource>>, Known<Option<ConfigFile>>) {
        let unknown = |why: Why| (Known::Unknown(why.clone()), Known::Unknown(why));
        let span = choice.span();
        let (path, implicit) = match (&self.given.gunicorn_conf, choice) {
            (Some(path), _) => (path.clone(), false),
            (None, Known::Unknown(why)) => return unknown(why.clone()),
            (
                None,
                Known::Value(choice, _) | Known::Default(choice, _) | Known::Observed(choice, _),
            ) => match choice {
                ConfigChoice::Module(module) => match self.module_file(module) {
                    Some(path) => (path, false),
                    None => {
                        return unknown(Why::not_read(format!(
                            "the configuration is the module {module}, which is not read"
                        )));
                    }
                },
                ConfigChoice::File(text) if text.starts_with('/') => (PathBuf::from(text), false),
                ConfigChoice::File(text) => match self.working_directory {
                    Some(base) => (tidy(&base.join(text)), false),
                    None => {
                        return unknown(Why::not_understood("the working directory is not known"));
                    }
                },
                ConfigChoice::Implicit => match (&self.given.app_dir, self.working_directory) {
                    (Some(directory), _) => (directory.join("gunicorn.conf.py"), true),
                    (None, Some(base)) => (base.join("gunicorn.conf.py"), true),
                    (None, None) => {
                        return unknown(Why::not_understood("the working directory is not known"));
                    }
                },
            },
        };
        let place = Place::look(self.sources.host(), &path, self.machine.owners_known);
        let file = match self.sources.load(&path) {
            Ok(file) => file,
            Err(error) => {
                let missing = error.kind == HostErrorKind::NotFound;
                if implicit && missing {
                    return (
                        Known::Default(None, Whose::GUNICORN),
                        Known::Default(None, Whose::GUNICORN),
                    );
                }
                let not_given = error.kind == HostErrorKind::NotGiven;
                let elsewhere = not_given || error.kind == HostErrorKind::NotMounted;
                if self.given.gunicorn_conf.is_some() || !(missing || elsewhere) {
                    problems.push(Problem::unreadable(&error));
                }
                let why = Why::not_read(format!("gunicorn's configuration file {error}"));
                let (faults, logging) = (Vec::new(), None);
                let near = self.given.gunicorn_conf_near.clone().filter(|_| not_given);
                let source =
                    ConfigSource { place, implicit, span, file: None, near, faults, logging };
                return (Known::Value(Some(source), Origin::Path(path)), Known::Unknown(why));
            }
        };
        let module = python::parse(&file, self.python);
        let resolve = |path: &Path| {
            let lookup = self.sources.host().look(path);
            matches!(lookup.outcome, Outcome::Present(_)).then_some(lookup.resolved)
        };
        let mut content = evaluate::evaluate(
            &module,
            &Surroundings {
                file: None,
                variable: self.lookup,
                cpu_count: self.machine.processors.ok().copied(),
                working_directory: self.working_directory.cloned(),
                resolve: &resolve,
                read: &|path| self.text(path),
                imported: &|name| self.changes_of(name, &mut Vec::new()),
                taken: &|import| self.hooks_of(import),
            },
        );
        for assignment in content.values.iter_mut().filter(|one| is_hook(&one.name.value)) {
            let function = assignment.text().and_then(|text| self.function_named(text));
            function.into_iter().for_each(|count| assignment.is_function(count));
        }
        let mut faults: Vec<(String, Span)> = module
            .faults()
            .iter()
            .map(|f| (format!("SyntaxError: {}", f.message), f.span))
            .collect();
        if let Some(raises) = &content.raises {
            faults.push((raises.message.clone(), raises.span));
        }
        for assignment in content.values.iter().filter(|a| a.name.value == "raw_env") {
            self.sources.hide(assignment.value_span);
        }
        let logging = logging::fault(&content);
        let (file, near) = (Some(file), None);
        let source = ConfigSource { place, implicit, span, file, near, faults, logging };
        let origin = Origin::Path(path);
        (Known::Value(Some(source), origin.clone()), Known::Value(Some(content), origin))
    }

    /// `python:package.module`, where it is in the directory in which gunicorn is started, which is
    /// on the path by then.
    fn module_file(&self, module: &str) -> Option<PathBuf> {
        let base = self.working_directory?.join(module.replace('.', "/"));
        let files = [base.with_extension("py"), base.join("__init__.py")];
        files.into_iter().find(|file| self.sources.load(file).is_ok())
    }

    /// `from hooks import post_fork`: a module in the directory where gunicorn is started. What a
    /// star brings is not followed: settings would be repaired where other configurations share
    /// them.
    fn hooks_of(&self, import: &FromImport<'_>) -> TakenModule {
        // Of a package, other files are run as well.
        let plain = import.level == 0 && !import.star && !import.module.contains('.');
        if !plain || standard_library::has(import.module, Some(self.python)) {
            return TakenModule::Unknown;
        }
        match self.module_file(import.module).and_then(|file| self.sources.load(&file).ok()) {
            Some(file) => TakenModule::Module(Box::new(python::parse(&file, self.python)), None),
            None => TakenModule::Unknown,
        }
    }

    /// `post_fork = "hooks.post_fork"`: how many arguments that function takes, where its module is
    /// in the directory in which gunicorn is started.
    fn function_named(&self, text: &str) -> Option<usize> {
        let (module, name) = text.rsplit_once('.')?;
        let file = self.sources.load(&self.module_file(module)?).ok()?;
        let module = python::parse(&file, self.python);
        module.takes_by_place(name)
    }

    /// The text of a file that the configuration reads itself. Nothing of it may be shown.
    fn text(&self, path: &Path) -> FileText {
        match self.sources.load(path) {
            Ok(file) => {
                self.sources.hide(file.span());
                match std::str::from_utf8(&file.bytes) {
                    Ok(text) => FileText::Text(text.to_owned()),
                    Err(_) => FileText::Unknown(format!("{} is not UTF-8", path.display())),
                }
            }
            Err(error) if error.kind == HostErrorKind::NotFound => FileText::Missing,
            Err(error) => FileText::Unknown(error.to_string()),
        }
    }

    /// What a module in the working directory, which gunicorn puts on the path before it reads its
    /// configuration, and all that it imports may do to the environment.
    fn changes_of(&self, name: &str, above: &mut Vec<String>) -> Option<Vec<EnvironmentWrite>> {
        if above.iter().any(|other| other == name) {
            return Some(Vec::new());
        }
        let base = self.working_directory.filter(|_| !name.starts_with('.') && !name.is_empty())?;
        if above.len() >= IMPORTS_DEPTH {
            return None;
        }
        above.push(name.to_owned());
        let found = self.changes_below(base, name, above);
        above.pop();
        found
    }

    fn changes_below(
        &self,
        base: &Path,
        name: &str,
        above: &mut Vec<String>,
    ) -> Option<Vec<EnvironmentWrite>> {
        let mut writes = Vec::new();
        let mut directory = base.to_path_buf();
        // The packages on the way are imported as well.
        for part in name.split('.') {
            directory.push(part);
            let file = self
                .sources
                .load(&directory.with_extension("py"))
                .or_else(|_| self.sources.load(&directory.join("__init__.py")))
                .ok()?;
            let module = python::parse(&file, self.python);
            if module.unusable().is_some() {
                return None;
            }
            writes.extend(module.environment().writes);
            for import in module.imports(Some(self.python)) {
                if import.level > 0 || import.star {
                    return None;
                }
                let top = import.module.split('.').next().unwrap_or_default();
                let harmless = evaluate::leaves_environment_alone(top)
                    || standard_library::has(top, Some(self.python));
                if !harmless {
                    writes.extend(self.changes_of(&import.module, above)?);
                }
            }
        }
        Some(writes)
    }
}
