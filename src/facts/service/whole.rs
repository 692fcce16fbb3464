//! Whether all of a unit was read, its lines and its sockets.

use super::{FaultKind, Service, Why};

/// Sockets of other programs that a web application may ask for.
const FOREIGN: [&str; 5] =
    ["dbus.socket", "docker.socket", "podman.socket", "syslog.socket", "systemd-journald.socket"];

impl Service {
    /// Was all of the unit read? Where it was not, what is absent proves nothing.
    pub fn whole(&self) -> Result<(), Why> {
        if let Some(problem) = self.unit.problems.first() {
            return Err(Why::not_read(problem.to_string()));
        }
        match self.unit.files().find(|file| file.fatal().is_some()) {
            Some(file) => Err(Why::not_understood(format!(
                "systemd stops reading {} at a fault in it",
                file.file.path.display()
            ))),
            None => Ok(()),
        }
    }

    /// Does systemd take every line as it was meant? Where it drops or cuts some (the next line
    /// after a backslash with a space behind it), what is missing then has that one cause.
    pub fn lines_kept(&self) -> Result<(), Why> {
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
                Err(Why::not_understood(format!("systemd loses lines of the unit: {fault}")))
            }
            None => Ok(()),
        }
    }

    /// Were all the `.socket` units read that the unit mentions? With one of them systemd listens
    /// in gunicorn's stead. On a whole machine such a unit is there or does not exist; of a
    /// repository's files one may just not have been given.
    pub fn sockets_read(&self) -> Result<(), Why> {
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
                    return Err(Why::not_read(format!("{name} was not read")));
                }
            }
        }
        Ok(())
    }
}
