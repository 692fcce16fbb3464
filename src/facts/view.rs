//! What a service sees of the machine's files: its unit may give it another root, or mount something over
//! the paths that gunicorn needs. Every reader of such a path goes by this.
//!
//! Source: systemd.exec(5), "Sandboxing" and "Paths"; seen with systemd 252: of nested mounts the deepest
//! is seen, and a directory that is bound to its own path is the machine's.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::service::expanded;
use super::words::words;
use crate::host::{View, tidy};
use crate::source::placeholder;
use crate::source::unit::{Assignment, Unit};

/// Reads it from the unit.
pub(super) fn read(unit: &Unit) -> Rc<View> {
    let mut view = View::default();
    let root = Path::new("/");
    for key in ["RootDirectory", "RootImage", "RootMStack"] {
        let Some(line) = unit.last("Service", key) else { continue };
        let text = expanded(unit, line).ok();
        let text = text.as_ref().map(|text| text.as_str().trim_start_matches('-'));
        if text.is_some_and(|text| text.is_empty() || tidy(Path::new(text)) == root) {
            continue;
        }
        view.mount(root.into(), Some(format!("{key}= gives the service a different file tree")));
    }
    for key in ["ExtensionImages", "ExtensionDirectories"] {
        if !unit.list("Service", key).is_empty() {
            for at in ["/usr", "/opt"] {
                view.mount(at.into(), Some(format!("{key}= adds to what the service has in {at}")));
            }
        }
    }
    for key in ["BindPaths", "BindReadOnlyPaths", "MountImages", "TemporaryFileSystem"] {
        for line in unit.list("Service", key) {
            mounts(unit, key, line, &mut view);
        }
    }
    Rc::new(view)
}

/// The mounts of one line.
fn mounts(unit: &Unit, key: &str, line: &Assignment, view: &mut View) {
    let opaque = |view: &mut View| {
        view.mount("/".into(), Some(format!("what {key}= mounts, and where, is not understood")));
    };
    let Ok(text) = expanded(unit, line) else { return opaque(view) };
    for (_, word) in words(text.as_str()) {
        let word = word.trim_matches(['"', '\'']);
        if word.contains('\\') || placeholder::holds_in_path(word) {
            opaque(view);
            continue;
        }
        let mut parts = word.trim_start_matches('-').split(':');
        let source = parts.next().unwrap_or_default();
        let at = match key {
            "TemporaryFileSystem" => source,
            "MountImages" => parts.next().unwrap_or_default(),
            _ => parts.next().filter(|at| !at.is_empty()).unwrap_or(source),
        };
        // systemd leaves out what is not absolute.
        if !at.starts_with('/') {
            continue;
        }
        let (source, at): (PathBuf, PathBuf) = (tidy(Path::new(source)), tidy(Path::new(at)));
        let why = match key {
            "TemporaryFileSystem" => {
                Some(format!("TemporaryFileSystem= gives the service an empty {}", at.display()))
            }
            "MountImages" => Some(format!("MountImages= mounts an image at {}", at.display())),
            _ if source == at => None,
            _ => Some(format!("{key}= shows the service {} at {}", source.display(), at.display())),
        };
        view.mount(at, why);
    }
}
