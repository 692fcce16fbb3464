//! Where installed packages are imported from: `site-packages`, what its `.pth` files add, the
//! maps of editable installs, and the system's packages where the environment sees them.
//!
//! Sources: Python's `site` module; setuptools' `editable_wheel` (`MAPPING`, `NAMESPACES`); the
//! package editables (`map_module`); Debian's `python3` (`dist-packages`).

use std::path::{Path, PathBuf};

use super::super::Why;
use crate::source::Sources;
use crate::source::venv::pth::{self, PathEntry};
use crate::source::venv::{Config, Venv, python_version};

/// Where installed packages are imported from.
#[derive(Debug, Default)]
pub(super) struct Site {
    /// Directories, in the order of `sys.path`.
    pub directories: Vec<PathBuf>,
    /// Modules that an editable install maps to a directory or file.
    pub mapped: Vec<(String, PathBuf)>,
    /// Modules that are there by other means.
    pub provided: Vec<&'static str>,
    /// Why a module that is not found may be there all the same.
    pub unknown: Option<Why>,
}

impl Site {
    fn unknown(&mut self, why: impl Into<String>) {
        self.unknown.get_or_insert_with(|| Why::not_understood(why));
    }
}

/// Reads what the environment adds to the search path. `home` is the home directory of the user
/// that gunicorn runs as.
pub(super) fn read(sources: &Sources, venv: &Venv, home: Option<&Path>) -> Site {
    let mut site = Site::default();
    let Some(packages) = &venv.site_packages else {
        site.unknown("site-packages of the venv was not found");
        return site;
    };
    site.directories.push(packages.clone());
    for name in ["sitecustomize.py", "usercustomize.py"] {
        if venv.has_entry(name) && changes_path(sources, &packages.join(name)) {
            site.unknown(format!("{} changes sys.path", packages.join(name).display()));
        }
    }
    follow_pth(sources, venv, &mut site);
    match &venv.config {
        None => site.unknown("pyvenv.cfg was not read"),
        Some(config) if config.system_site_packages => {
            system(sources, venv, config, home, &mut site)
        }
        Some(_) => {}
    }
    site
}

fn follow_pth(sources: &Sources, venv: &Venv, site: &mut Site) {
    let entries = match pth::read(sources.host(), sources, venv) {
        Ok(entries) => entries,
        Err(error) => return site.unknown(error.to_string()),
    };
    for entry in entries {
        match entry {
            PathEntry::Directory { path, exists: true, .. } => site.directories.push(path),
            // An archive, or nothing.
            PathEntry::Directory { path, span, .. } => {
                if sources.host().look(&path).metadata().is_some() {
                    let file = sources.file(span.file);
                    site.unknown(format!("{} adds an archive", file.path.display()));
                }
            }
            PathEntry::Undecodable { span } => {
                let file = sources.file(span.file);
                site.unknown(format!("{} is not UTF-8", file.path.display()));
            }
            PathEntry::Code { span } => {
                let file = sources.file(span.file);
                let line = String::from_utf8_lossy(file.slice(span)).into_owned();
                follow_code(sources, &file.path, &line, site);
            }
        }
    }
}

/// What a line of code in a `.pth` file does, for those that installers write.
fn follow_code(sources: &Sources, file: &Path, line: &str, site: &mut Site) {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // Old-style namespace packages: their directories are in site-packages.
    if name.ends_with("-nspkg.pth") || line.contains("coverage") || line.contains("_virtualenv") {
        return;
    }
    if line.contains("_distutils_hack") {
        return site.provided.push("distutils");
    }
    let module = line.trim_start_matches("import").trim_start();
    let module = module.split([';', ' ', '.', ',']).next().unwrap_or_default();
    let finder = module.starts_with("__editable__") || module.starts_with("_editable_impl_");
    let path = file.with_file_name(format!("{module}.py"));
    let Some(text) = finder.then(|| sources.load(&path).ok()).flatten() else {
        return site.unknown(format!("{} runs code that is not followed", file.display()));
    };
    let text = String::from_utf8_lossy(&text.bytes).into_owned();
    match maps(&text) {
        Some(found) => site.mapped.extend(found),
        None => site.unknown(format!("{} was not understood", path.display())),
    }
}

/// The modules that an editable install's finder maps: `MAPPING … = {'shop': '/srv/shop'}`, or
/// `F.map_module('shop', '/srv/shop')`. `None` if there is more than that.
fn maps(text: &str) -> Option<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("MAPPING") {
            found.extend(pairs(braced(line)?)?);
        } else if line.starts_with("NAMESPACES") {
            // Their portions are in several directories.
            braced(line)?.trim().is_empty().then_some(())?;
        } else if let Some((_, rest)) = line.split_once("map_module(") {
            found.extend(pairs(&rest.trim_end().trim_end_matches(')').replacen(',', ":", 1))?);
        } else if line.contains("add_to_path(") {
            return None;
        }
    }
    Some(found)
}

fn braced(line: &str) -> Option<&str> {
    line.split_once('=')?.1.trim().strip_prefix('{')?.strip_suffix('}')
}

/// `'a': '/x', 'b': '/y'`, as `repr()` writes it, without anything that needs escaping.
fn pairs(text: &str) -> Option<Vec<(String, PathBuf)>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    if text.contains('\\') || text.contains('"') {
        return None;
    }
    text.trim()
        .trim_end_matches(',')
        .split(", '")
        .map(|pair| {
            let (name, path) = pair.trim().trim_matches('\'').split_once("':")?;
            let path = path.trim().trim_matches('\'');
            Some((name.to_owned(), PathBuf::from(path)))
        })
        .collect()
}

/// The directories of the Python that made the environment, which it sees too.
fn system(sources: &Sources, venv: &Venv, config: &Config, home: Option<&Path>, site: &mut Site) {
    let (Some((major, minor)), Some(base)) = (python_version(venv), &config.home) else {
        return site
            .unknown("the venv also sees the system's packages, and their place is not known");
    };
    let python = format!("python{major}.{minor}");
    let prefix = Path::new(&base.value).parent().unwrap_or(Path::new("/usr"));
    // The user's own come before the system's.
    match home {
        Some(home) => {
            site.directories.push(home.join(".local/lib").join(&python).join("site-packages"));
        }
        None => site.unknown("the venv also sees the packages of the user that gunicorn runs as"),
    }
    let mut candidates = vec![
        prefix.join("lib").join(&python).join("site-packages"),
        prefix.join("lib64").join(&python).join("site-packages"),
    ];
    if prefix == Path::new("/usr") {
        candidates.extend([
            PathBuf::from("/usr/local/lib").join(&python).join("dist-packages"),
            PathBuf::from("/usr/local/lib").join(&python).join("site-packages"),
            PathBuf::from("/usr/lib/python3/dist-packages"),
            PathBuf::from("/usr/lib").join(&python).join("dist-packages"),
        ]);
    }
    let present: Vec<PathBuf> = candidates
        .into_iter()
        .filter(|path| sources.host().look(path).metadata().is_some())
        .collect();
    if present.is_empty() {
        site.unknown("the venv also sees the system's packages, which were not found");
    }
    for directory in present {
        let names = match sources.host().list(&directory) {
            Ok(names) => names,
            Err(error) => {
                site.unknown(error.to_string());
                continue;
            }
        };
        let paths = names.iter().any(|name| name.to_str().is_some_and(|n| n.ends_with(".pth")));
        if paths {
            site.unknown(format!("a .pth file in {} is not followed", directory.display()));
        }
        site.directories.push(directory);
    }
}

fn changes_path(sources: &Sources, file: &Path) -> bool {
    let Ok(file) = sources.load(file) else { return true };
    let text = String::from_utf8_lossy(&file.bytes);
    ["sys.path", "addsitedir", "meta_path", "sys.modules"].iter().any(|word| text.contains(word))
}
