//! The programs of Exec settings: where systemd looks for them and which interpreter runs them.

use std::path::{Path, PathBuf};

use super::Machine;
use super::place::Place;
use crate::host::FileKind;
use crate::source::unit::Unit;
use crate::source::unit::exec::ExecCommand;
use crate::source::venv::shebang::shebang;
use crate::source::{Sources, placeholder};

/// systemd's own search path for bare names (`systemd-path search-binaries-default`).
const SEARCHED: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Scripts are small; a program that is larger is not a script.
const SCRIPT_LIMIT: u64 = 1 << 20;

/// Where a command's program may be.
#[derive(Debug, Clone, Default)]
pub struct Executable {
    /// The file that is run, or what is in its place; none for a bare name that is found nowhere,
    /// and where the name is not known.
    pub place: Option<Place>,
    /// For a bare name: every path at which it was looked for.
    pub searched: Vec<Place>,
    /// What the script's `#!` line names.
    pub interpreter: Option<Place>,
}

impl Executable {
    /// Looks for a command's program.
    pub fn find(sources: &Sources, machine: &Machine, unit: &Unit, command: &ExecCommand) -> Self {
        let mut found = Self::default();
        let name = command.program.text.as_str();
        let unknown = command.program.unknown.is_some() || name.contains('$');
        if unknown || placeholder::find(name).is_some() {
            return found;
        }
        let look = |path: &Path| Place::look(sources.host(), path, machine.owners_known);
        if name.starts_with('/') {
            found.place = Some(look(Path::new(name)));
        } else {
            found.searched =
                directories(unit).iter().map(|directory| look(&directory.join(name))).collect();
            found.place =
                found.searched.iter().find(|place| place.is(FileKind::File) == Ok(true)).cloned();
        }
        let Some(place) = &found.place else { return found };
        if place.is(FileKind::File) == Ok(true)
            && let Ok(bytes) = sources.host().read(&place.resolved, SCRIPT_LIMIT)
            && let Some(line) = shebang(&bytes)
            && !line.beside_script
            && line.interpreter.is_absolute()
        {
            found.interpreter = Some(look(&line.interpreter));
        }
        found
    }
}

/// `ExecSearchPath=`, or systemd's own path.
fn directories(unit: &Unit) -> Vec<PathBuf> {
    let set: Vec<PathBuf> = unit
        .list("Service", "ExecSearchPath")
        .iter()
        .flat_map(|assignment| assignment.value.as_str().split(':'))
        .map(PathBuf::from)
        .collect();
    if set.is_empty() { SEARCHED.iter().map(PathBuf::from).collect() } else { set }
}
