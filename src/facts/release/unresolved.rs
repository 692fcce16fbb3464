//! Imports that certainly run when a worker starts and cannot be found.

use std::path::{Path, PathBuf};

use super::super::Why;
use super::finder::{Found, Owner};
use super::graph::Graph;
use super::listed::Listed;
use super::standard_library;
use crate::source::python::PythonVersion;
use crate::source::venv::Venv;
use crate::source::{Sources, Span};

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// A module, by its dotted name: `ModuleNotFoundError`.
    Module(String),
    /// A module that a variable names, whose value is not shown.
    NamedBy(&'static str),
    /// A name that a module of the application does not define: `ImportError`.
    Name {
        /// The module.
        module: String,
        /// The name.
        name: String,
        /// The module's file.
        path: PathBuf,
    },
    /// A relative import that leads above the top, or is in no package: `ImportError`.
    Relative {
        /// How many dots it has.
        level: u32,
    },
}

/// An import that leads to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// What is missing.
    pub missing: Missing,
    /// The imports that lead there, from the module that gunicorn loads; the last one fails.
    pub chain: Vec<Span>,
    /// The same in words: `wsgi.py:3 → shop/__init__.py:1 → stripe`.
    pub way: String,
    /// The last minor version of Python 3 that brought the module itself, where newer ones do not.
    pub last_python: Option<u8>,
}

impl Missing {
    /// It as it is at the end of the chain.
    pub fn shown(&self) -> String {
        match self {
            Self::Module(name) => name.clone(),
            Self::NamedBy(variable) => format!("the module that {variable} names"),
            Self::Name { module, name, .. } => format!("{module}.{name}"),
            Self::Relative { level } => ".".repeat(*level as usize),
        }
    }
}

/// All imports that certainly run when a worker starts.
#[derive(Debug, Clone, Default)]
pub struct ImportCheck {
    /// Those that lead to nothing.
    pub unresolved: Vec<Unresolved>,
    /// Those that nothing in a repository's list of packages brings, with the distribution that is
    /// wanted.
    pub unlisted: Vec<(Unresolved, &'static str)>,
    /// Why others are not known, each reason once.
    pub unknown: Vec<Why>,
}

/// The most that are kept of each; nobody reads more.
const LIMIT: usize = 50;

impl ImportCheck {
    /// Adds one, unless the same thing is missing already.
    pub(super) fn add(&mut self, unresolved: Unresolved) {
        let known = self.unresolved.iter().any(|known| known.missing == unresolved.missing);
        if !known && self.unresolved.len() < LIMIT {
            self.unresolved.push(unresolved);
        }
    }

    pub(super) fn add_unlisted(&mut self, unresolved: Unresolved, distribution: &'static str) {
        let known = self.unlisted.iter().any(|(known, _)| known.missing == unresolved.missing);
        if !known && self.unlisted.len() < LIMIT {
            self.unlisted.push((unresolved, distribution));
        }
    }

    pub(super) fn skip(&mut self, why: Why) {
        if !self.unknown.contains(&why) && self.unknown.len() < LIMIT {
            self.unknown.push(why);
        }
    }
}

/// Says whether a module that was not found is nowhere at all.
pub(super) struct Judge<'a> {
    pub sources: &'a Sources<'a>,
    pub version: Option<PythonVersion>,
    /// Why installed packages are not all known.
    pub site: Option<Why>,
    /// What a repository lists, where there is no environment to look into.
    pub listed: Option<&'a Listed>,
    /// The virtual environment, where it is known.
    pub venv: Option<&'a Venv>,
}

/// The most modules of a package that are looked through.
const BESIDE_LIMIT: usize = 200;

/// Words in a package's source by which it may bring submodules that have no file.
const BRINGS: [&str; 6] =
    ["__path__", "sys.modules", "meta_path", "path_hooks", "LazyLoader", "declare_namespace"];

impl Judge<'_> {
    /// Nothing is an error that says why it is not known; an empty one where it is there by other
    /// means.
    pub(super) fn is_nowhere(&self, graph: &Graph<'_>, name: &str) -> Result<(), Option<Why>> {
        let provided = |name: &str| graph.provided.contains(name);
        if provided(name) || name.match_indices('.').any(|(at, _)| provided(&name[..at])) {
            return Err(None);
        }
        if let Some(why) = &graph.unfollowed {
            return Err(Some(why.clone()));
        }
        let top = name.split('.').next().unwrap_or(name);
        let owned = matches!(graph.finder.find(top), Found::File(_, Owner::Release));
        if owned || name.contains('.') && !matches!(graph.finder.find(top), Found::Namespace(_)) {
            return self.has_no_such_part(graph, name);
        }
        if let Some(why) = &self.site {
            return Err(Some(why.clone()));
        }
        // Packages in parts are put together by more than their directories; and a package that is
        // known to be whole looks like one whose `__init__.py` was not copied.
        if name.contains('.') && graph.finder.owner_below(top) == Owner::Installed {
            return Err(Some(Why::depends(format!("{top} is installed without an __init__.py"))));
        }
        if let Some(version) = self.version
            && !standard_library::covers(self.version)
        {
            let why = format!(
                "it is not known what the library of Python {}.{} contains",
                version.major, version.minor
            );
            return Err(Some(Why::depends(why)));
        }
        match graph.finder.other_loader(top) {
            Some(why) => Err(Some(why)),
            None => Ok(()),
        }
    }

    /// Is it a module that nothing in a repository's list of packages brings? With the distribution
    /// that has it.
    pub(super) fn unlisted(
        &self,
        graph: &Graph<'_>,
        module: &str,
    ) -> Option<(Missing, &'static str)> {
        let top = module.split('.').next().unwrap_or(module);
        let nowhere = matches!(graph.finder.find(top), Found::Missing(_));
        let open = graph.unfollowed.is_some() || graph.provided.contains(top);
        let distribution = self.listed?.wanted_by(top)?;
        (nowhere && !open).then(|| (Missing::Module(top.to_owned()), distribution))
    }

    /// Packages may bring submodules that have no file of their own.
    fn has_no_such_part(&self, graph: &Graph<'_>, name: &str) -> Result<(), Option<Why>> {
        for (at, _) in name.match_indices('.') {
            let package = &name[..at];
            let Found::File(path, owner) = graph.finder.find(package) else { continue };
            let file = match self.sources.load(&path) {
                Ok(file) => file,
                Err(error) => return Err(Some(Why::not_read(error.to_string()))),
            };
            let text = String::from_utf8_lossy(&file.bytes);
            if BRINGS.iter().any(|word| text.contains(word)) {
                let why = format!("{} may bring modules that have no file", path.display());
                return Err(Some(Why::depends(why)));
            }
            if owner == Owner::Installed && !self.is_recorded(package) {
                let why = format!("no RECORD shows that {} is complete", path.display());
                return Err(Some(Why::depends(why)));
            }
            if owner == Owner::Installed
                && let Some(path) = self.brought_beside(&path)
            {
                let why = format!("{} may bring modules that have no file", path.display());
                return Err(Some(Why::not_read(why)));
            }
        }
        Ok(())
    }

    /// Does an installer's list name the package, and more of it than its `__init__.py`? Without
    /// it a tree that was copied in part looks like one in which a module is missing.
    fn is_recorded(&self, package: &str) -> bool {
        let top = package.split('.').next().unwrap_or(package);
        let start = format!("{top}/");
        let distributions = self.venv.map_or(&[][..], |venv| &venv.distributions);
        distributions.iter().filter(|one| one.record_present).any(|one| {
            let Ok(file) = self.sources.load(&one.path.join("RECORD")) else { return false };
            let text = String::from_utf8_lossy(&file.bytes);
            let inside = text.lines().filter_map(|line| line.strip_prefix(start.as_str()));
            let mut init = false;
            let mut others = false;
            for name in inside {
                match name.starts_with("__init__.py,") {
                    true => init = true,
                    false => others |= !name.starts_with("__pycache__/"),
                }
            }
            init && others
        })
    }

    /// A module of an installed package, next to its `__init__.py`, that puts others into
    /// `sys.modules`.
    fn brought_beside(&self, init: &Path) -> Option<PathBuf> {
        let directory = init.parent()?;
        let names = self.sources.host().list(directory).unwrap_or_default();
        let sources = names.iter().filter(|name| name.to_str().is_some_and(|n| n.ends_with(".py")));
        sources.take(BESIDE_LIMIT).map(|name| directory.join(name)).find(|path| {
            let Ok(file) = self.sources.load(path) else { return true };
            String::from_utf8_lossy(&file.bytes).lines().any(sets_module)
        })
    }
}

/// `sys.modules[…] = …`, `sys.modules.update(…)`.
fn sets_module(line: &str) -> bool {
    let Some((_, rest)) = line.split_once("sys.modules") else { return false };
    if rest.starts_with(".update") || rest.starts_with(".setdefault") {
        return true;
    }
    let value = rest.split_once(']').map(|(_, value)| value.trim_start());
    value.is_some_and(|value| value.starts_with('=') && !value.starts_with("=="))
}
