//! The programs of Exec settings: where systemd looks for them and what runs them.

use std::path::{Path, PathBuf};

use super::place::Place;
use super::{Machine, Service};
use crate::host::FileKind;
use crate::source::unit::exec::ExecCommand;
use crate::source::unit::{FaultKind, Unit};
use crate::source::venv::shebang::shebang;
use crate::source::{Sources, placeholder};

/// systemd's own search path for bare names (`systemd-path search-binaries-default`).
const SEARCHED: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Scripts are small; a program that is larger is no script.
const SCRIPT_LIMIT: u64 = 1 << 20;

/// Sockets of other programs that a web application may ask for.
const FOREIGN: [&str; 5] =
    ["dbus.socket", "docker.socket", "podman.socket", "syslog.socket", "systemd-journald.socket"];

/// Where a command's program may be.
#[derive(Debug, Clone, Default)]
pub struct Executable {
    /// The file that is run, or what stands in its place; none for a bare name that is found
    /// nowhere, and where the name is not known.
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

impl Service {
    /// Was all of the unit read? Where it was not, what is absent proves nothing.
    pub fn whole(&self) -> Result<(), super::Why> {
        if let Some(problem) = self.unit.problems.first() {
            return Err(super::Why::not_read(problem.to_string()));
        }
        match self.unit.files().find(|file| file.fatal().is_some()) {
            Some(file) => Err(super::Why::not_understood(format!(
                "systemd stops reading {} at a fault in it",
                file.file.path.display()
            ))),
            None => Ok(()),
        }
    }

    /// Does systemd take every line as it was meant? Where it drops or cuts some (the next line
    /// after a backslash with a blank behind it), what is missing then has that one cause.
    pub fn lines_kept(&self) -> Result<(), super::Why> {
        let faults = self.unit.files().flat_map(|file| &file.faults);
        let loses = |kind: FaultKind| {
            kind.is_fatal()
                || matches!(
                    kind,
                    FaultKind::BlankAfterBackslash
                        | FaultKind::HeaderInContinuation
                        | FaultKind::Nul
                )
        };
        let mut lost = faults.filter(|fault| loses(fault.kind));
        match lost.next() {
            Some(fault) => {
                Err(super::Why::not_understood(format!("systemd loses lines of the unit: {fault}")))
            }
            None => Ok(()),
        }
    }

    /// Were all the `.socket` units read that the unit speaks of? With one of them systemd listens
    /// in gunicorn's stead. On a whole machine such a unit is there or does not exist; of a
    /// repository's files one may just not have been given.
    pub fn sockets_read(&self) -> Result<(), super::Why> {
        if !self.sockets.is_empty() || self.unit.fragment.is_none() {
            return Ok(());
        }
        let own = format!("{}.socket", self.unit.name.stem());
        let settings = [
            ("Service", "Sockets"),
            ("Unit", "Requires"),
            ("Unit", "BindsTo"),
            ("Unit", "Requisite"),
            ("Unit", "PartOf"),
            ("Unit", "Wants"),
            ("Install", "Also"),
        ];
        for (section, key) in settings {
            for assignment in self.unit.list(section, key) {
                let named = assignment.value.as_str().split_whitespace().find(|name| {
                    name.ends_with(".socket") && (key == "Sockets" || !FOREIGN.contains(name))
                });
                let Some(name) = named else { continue };
                if !self.on_machine || name == own || key == "Sockets" {
                    return Err(super::Why::not_read(format!("{name} was not read")));
                }
            }
        }
        Ok(())
    }
}
