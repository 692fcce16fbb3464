//! A unit as systemd merges it: its fragment, then its drop-ins, with resets applied.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::exec::{self, ExecCommand, ExecFault};
use super::fault::Fault;
use super::known::{self, ValueFault};
use super::name::{UnitKind, UnitName};
use super::paths::Pull;
use super::refused;
use super::specifier::Specifiers;
use super::syntax::{Assignment, UnitFile};
use super::value::{Restart, ServiceType, parse_boolean};
use crate::host::HostError;
use crate::source::Span;

/// A unit with all of its files.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its own name, even if it was requested by an alias.
    pub name: UnitName,
    /// Its other names.
    pub aliases: Vec<UnitName>,
    /// Its fragment; `None` if it could not be read or is masked.
    pub fragment: Option<UnitFile>,
    /// Its drop-ins in the order in which they apply.
    pub drop_ins: Vec<UnitFile>,
    /// Empty drop-ins and links to `/dev/null`, which hide drop-ins of the same name in directories
    /// of lower priority.
    pub masked_drop_ins: Vec<PathBuf>,
    /// Whether it is masked.
    pub masked: bool,
    /// The path of its fragment, or of the file that masks it.
    pub path: PathBuf,
    /// The links by which other units pull it in; an enabled service has at least one.
    pub pulled_by: Vec<Pull>,
    /// Faults in `Exec…=` lines, each with the assignment that contains it.
    pub exec_faults: Vec<(Span, ExecFault)>,
    /// `User=`, `Group=` and `WorkingDirectory=` with a value for which systemd refuses the unit.
    pub value_faults: Vec<(Span, ValueFault)>,
    /// Files and directories that could not be read and may be part of this unit.
    pub problems: Vec<HostError>,
    /// What its specifiers are expanded from.
    pub specifiers: Specifiers,
    /// The commands of each `Exec…=` line, up to the first that systemd does not accept.
    commands: BTreeMap<Span, Vec<ExecCommand>>,
    /// For each drop-in, how many of its assignments take effect.
    stopped: Vec<usize>,
    /// The index of the fragment's assignment at which systemd stops.
    fragment_stop: usize,
}

/// Why systemd refuses a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The fragment's syntax.
    Syntax(Fault),
    /// A fault in a command line in the fragment.
    Exec(ExecFault),
    /// The assignment of a value in the fragment for which systemd refuses the whole unit.
    Value(Span, ValueFault),
    /// More than one `ExecStart=` without `Type=oneshot`: the span is the second one's.
    ExecStartTwice(Span),
    /// Neither `ExecStart=`, `ExecStop=` nor `SuccessAction=`.
    NothingToStart,
    /// No `ExecStart=` and no `RemainAfterExit=yes`, which alone would allow that.
    NoExecStart,
    /// `Restart=always` or `on-success` with `Type=oneshot`: the span is that of `Restart=`.
    OneshotRestart(Span),
    /// `Type=dbus` without `BusName=`: the span is that of `Type=`.
    DbusWithoutName(Span),
}

impl Unit {
    pub(super) fn new(name: UnitName, path: PathBuf, specifiers: Specifiers) -> Self {
        Self {
            name,
            aliases: Vec::new(),
            fragment: None,
            drop_ins: Vec::new(),
            masked_drop_ins: Vec::new(),
            value_faults: Vec::new(),
            masked: false,
            path,
            pulled_by: Vec::new(),
            exec_faults: Vec::new(),
            problems: Vec::new(),
            specifiers,
            commands: BTreeMap::new(),
            stopped: Vec::new(),
            fragment_stop: usize::MAX,
        }
    }

    /// Checks every setting that can make systemd refuse a unit. systemd stops reading a file at
    /// such a setting.
    pub(super) fn check_commands(&mut self) {
        let mut fragment = Faults::default();
        let mut drop_ins = Faults::default();
        for file in self.fragment.iter() {
            self.fragment_stop = fragment.read(file, self.name.kind(), &self.specifiers);
        }
        for file in &self.drop_ins {
            let stop = drop_ins.read(file, self.name.kind(), &self.specifiers);
            // The commands before a refused one take effect, even if they are on the same line.
            let commands = file.assignments.get(stop).is_some_and(is_exec);
            self.stopped.push(stop.saturating_add(usize::from(commands)));
        }
        self.exec_faults = fragment.exec;
        self.exec_faults.extend(drop_ins.exec);
        self.value_faults = fragment.value;
        self.value_faults.extend(drop_ins.value);
        self.commands = fragment.commands;
        self.commands.extend(drop_ins.commands);
    }

    /// The fragment and the drop-ins, in the order in which they apply.
    pub fn files(&self) -> impl Iterator<Item = &UnitFile> {
        self.fragment.iter().chain(&self.drop_ins)
    }

    /// Every assignment that systemd reads, in order.
    pub fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        let fragment = self.fragment.iter().flat_map(|file| &file.assignments);
        let drop_ins = self.drop_ins.iter().enumerate().flat_map(|(index, file)| {
            let count = self.stopped.get(index).copied().unwrap_or(usize::MAX);
            file.assignments.iter().take(count)
        });
        fragment.chain(drop_ins)
    }

    /// Every assignment of a setting, in order, including those that a later one resets or
    /// replaces.
    pub fn all(&self, section: &str, key: &str) -> Vec<&Assignment> {
        self.assignments().filter(|a| a.is(section, key)).collect()
    }

    /// The assignment that decides a setting with one value. An empty assignment resets the setting
    /// if systemd resets it that way, and is otherwise skipped; values that systemd ignores are
    /// skipped.
    pub fn last(&self, section: &str, key: &str) -> Option<&Assignment> {
        // Looked up only for an empty assignment, which is rare.
        let resets = || known::empty_resets(section, key);
        // `RuntimeDirectory=` without a value resets `RuntimeDirectoryMode=` too.
        let directory = key.strip_suffix("Mode").filter(|name| name.ends_with("Directory"));
        let mut last = None;
        for assignment in self.assignments() {
            let named = assignment.key.value.as_str();
            if (named != key && directory != Some(named)) || *assignment.section != *section {
                continue;
            }
            let value = assignment.value.as_str();
            if named != key {
                last = if value.is_empty() { None } else { last };
                continue;
            }
            if value.is_empty() {
                last = if resets() { None } else { last };
            } else if known::check_value(section, key, value).is_none()
                && self.holds(section, key, value)
            {
                last = Some(assignment);
            }
        }
        last
    }

    /// The last of the assignments that decide these settings, which all control the same thing.
    pub fn last_of(&self, section: &str, keys: &[&str]) -> Option<&Assignment> {
        let decisive: Vec<&Assignment> =
            keys.iter().filter_map(|key| self.last(section, key)).collect();
        self.assignments().filter(|a| decisive.iter().any(|d| std::ptr::eq(*d, *a))).last()
    }

    /// Whether the host's systemd accepts the setting with this value. A version that is too old
    /// ignores the line.
    fn holds(&self, section: &str, key: &str, value: &str) -> bool {
        known::holds(section, key, value, self.specifiers.systemd)
    }

    /// The assignments that make up a setting with a list of values, in order, after resets.
    pub fn list(&self, section: &str, key: &str) -> Vec<&Assignment> {
        // Looked up only for an empty assignment, which is rare.
        let resets = || known::empty_resets(section, key);
        let mut list = Vec::new();
        for assignment in self.assignments().filter(|a| a.is(section, key)) {
            let value = assignment.value.as_str();
            if !value.is_empty() {
                list.extend(self.holds(section, key, value).then_some(assignment));
            } else if resets() {
                list.clear();
            }
        }
        list
    }

    /// The commands of an `Exec…=` setting after resets, each with its assignment. Those that
    /// systemd does not accept are left out; they are in [`Unit::exec_faults`].
    pub fn commands(&self, section: &str, key: &str) -> Vec<(&Assignment, &ExecCommand)> {
        let of =
            |assignment: &Assignment| self.commands.get(&assignment.span).into_iter().flatten();
        let lines = self.list(section, key).into_iter();
        lines.flat_map(|line| of(line).map(move |command| (line, command))).collect()
    }

    /// Whether another unit pulls the unit in, as `systemctl enable` arranges.
    pub fn is_enabled(&self) -> bool {
        !self.pulled_by.is_empty()
    }

    /// Whether it has a setting that `systemctl enable` could act on.
    pub fn is_installable(&self) -> bool {
        ["WantedBy", "RequiredBy", "UpheldBy", "Alias", "Also"]
            .iter()
            .any(|key| !self.list("Install", key).is_empty())
    }

    /// Whether systemd refuses to load the unit.
    pub fn is_refused(&self) -> bool {
        self.refusal().is_some()
    }

    /// Why systemd refuses to load the unit. What depends on an unknown value is not judged.
    pub fn refusal(&self) -> Option<Refusal> {
        let fragment = self.fragment.as_ref()?;
        // systemd stops at whichever fault comes first in the file. A line with a fatal syntax
        // fault is the last line of its file, so a bad assignment comes before it.
        if let Some(assignment) = fragment.assignments.get(self.fragment_stop) {
            let at = |span: &Span| *span == assignment.span;
            let exec = self.exec_faults.iter().find(|(span, _)| at(span));
            let value = self.value_faults.iter().find(|(span, _)| at(span));
            return match (exec, value) {
                (Some((_, fault)), _) => Some(Refusal::Exec(fault.clone())),
                (None, Some((span, fault))) => Some(Refusal::Value(*span, *fault)),
                (None, None) => None,
            };
        }
        match fragment.fatal() {
            Some(fault) => Some(Refusal::Syntax(fault.clone())),
            None if self.name.kind() == UnitKind::Service => self.service_refusal(),
            None => None,
        }
    }

    /// The checks of `service_verify()`.
    fn service_refusal(&self) -> Option<Refusal> {
        let starts = self.commands("Service", "ExecStart");
        if starts.is_empty() {
            let stops = !self.commands("Service", "ExecStop").is_empty();
            if !stops && self.last("Unit", "SuccessAction").is_none() {
                return Some(Refusal::NothingToStart);
            }
            let remains = self.last("Service", "RemainAfterExit");
            let remains = remains.map_or(Some(false), |a| parse_boolean(a.value.as_str()));
            return (remains == Some(false) && !self.is_failure_only())
                .then_some(Refusal::NoExecStart);
        }
        let kind = self.last("Service", "Type");
        let bus_name = self.last("Service", "BusName");
        let parsed = match kind {
            Some(kind) => ServiceType::parse(kind.value.as_str())?,
            None if bus_name.is_some() => ServiceType::Dbus,
            None => ServiceType::Simple,
        };
        if parsed != ServiceType::Oneshot {
            if let Some((_, second)) = starts.get(1) {
                return Some(Refusal::ExecStartTwice(second.span));
            }
            return (parsed == ServiceType::Dbus && bus_name.is_none())
                .then(|| kind.map(|kind| Refusal::DbusWithoutName(kind.span)))
                .flatten();
        }
        let restart = self.last("Service", "Restart")?;
        matches!(Restart::parse(restart.value.as_str()), Some(Restart::Always | Restart::OnSuccess))
            .then_some(Refusal::OneshotRestart(restart.span))
    }

    /// Whether the unit needs no `RemainAfterExit=yes` without `ExecStart=`, because it has a
    /// `SuccessAction=`.
    fn is_failure_only(&self) -> bool {
        self.last("Unit", "SuccessAction").is_some()
    }
}

fn is_exec(assignment: &Assignment) -> bool {
    let key = assignment.key.value.as_str();
    // Most lines contain no command, which their first letters show.
    key.starts_with("Exec")
        && known::find(&assignment.section, key).is_some_and(|setting| setting.is_command())
}

#[derive(Default)]
struct Faults {
    exec: Vec<(Span, ExecFault)>,
    value: Vec<(Span, ValueFault)>,
    commands: BTreeMap<Span, Vec<ExecCommand>>,
}

impl Faults {
    /// Collects a file's faults and returns the index of the assignment that stops it.
    fn read(&mut self, file: &UnitFile, kind: UnitKind, specifiers: &Specifiers) -> usize {
        let own = match kind {
            UnitKind::Service => "Service",
            UnitKind::Socket => "Socket",
            _ => return usize::MAX,
        };
        let mut stop = usize::MAX;
        for (index, assignment) in file.assignments.iter().enumerate() {
            if *assignment.section != *own {
                continue;
            }
            let commands =
                is_exec(assignment).then(|| exec::commands(&assignment.value, specifiers));
            if stop == usize::MAX && self.stops(assignment, commands.as_ref(), specifiers) {
                stop = index;
            }
            if let Some(commands) = commands {
                let commands = commands.unwrap_or_else(|fault| fault.before);
                self.commands.insert(assignment.span, commands);
            }
        }
        stop
    }

    /// Whether systemd stops at this assignment. `commands` is `None` if the setting takes no
    /// commands.
    fn stops(
        &mut self,
        assignment: &Assignment,
        commands: Option<&Result<Vec<ExecCommand>, ExecFault>>,
        specifiers: &Specifiers,
    ) -> bool {
        match commands {
            Some(Ok(_)) => false,
            Some(Err(fault)) => {
                self.exec.push((assignment.span, fault.clone()));
                fault.refuses
            }
            None => {
                let fault = refused::check(assignment, specifiers);
                self.value.extend(fault.map(|fault| (assignment.span, fault)));
                fault.is_some()
            }
        }
    }
}
