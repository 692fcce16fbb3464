//! The service: the result of the unit's fragment and drop-ins, as systemd merges them.

mod settings;
mod whole;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::conditions::{self, FailedCondition};
use super::dependencies::{self, Dependency};
use super::executable::Executable;
use super::place::{Identity, Place, tidy};
use super::sandbox::{self, SandboxPath};
use super::view;
use super::words::words;
use super::{Known, Machine, Origin, Whose, Why};
use crate::host::View;
use crate::source::unit::time::TimeSpan;
use crate::source::{Sources, Span, placeholder};

pub use settings::expanded;

// What a unit's files say, as systemd reads them.
pub use crate::source::unit::effective::Refusal;
pub use crate::source::unit::exec::{
    ExecCommand, ExecFault, ExecFaultKind, ExecPrefixes, Variable, Word,
};
pub use crate::source::unit::{Assignment, Expansion, Fault, FaultKind, Unit, UnitFile, UnitKind};

/// A directory that systemd makes for the service before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedDirectory {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// Is it read-only for the service (`NAME::ro`, from systemd 257 on)? None where that depends
    /// on a version that is not known.
    pub read_only: Option<bool>,
    /// The word in `RuntimeDirectory=`, `StateDirectory=` …
    pub span: Span,
}

/// A directory of /run that another unit takes away when it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedDirectory {
    /// The other unit's name.
    pub unit: String,
    /// Does it start at boot?
    pub enabled: bool,
    /// Does a restart of it keep the directory (`RuntimeDirectoryPreserve=restart`)?
    pub kept_on_restart: bool,
    /// The directory.
    pub path: PathBuf,
    /// The word in its `RuntimeDirectory=`.
    pub span: Span,
}

/// A command of an Exec setting, split but not expanded.
#[derive(Debug, Clone)]
pub struct Command {
    /// The words.
    pub line: ExecCommand,
    /// The program's file, where its path is absolute and known.
    pub program: Option<Place>,
    /// Where it was looked for, and what runs it.
    pub executable: Executable,
}

/// A file that `StandardOutput=` or `StandardError=` names.
#[derive(Debug, Clone)]
pub struct OutputFile {
    /// The setting.
    pub setting: &'static str,
    /// Where the path is.
    pub span: Span,
    /// The file.
    pub file: Place,
    /// The directory that it must be in.
    pub directory: Place,
}

/// A service unit as systemd sees it.
#[derive(Debug)]
pub struct Service {
    /// The unit: fragment and drop-ins.
    pub unit: Unit,
    /// The `.socket` units that start it, loaded.
    pub sockets: Vec<Unit>,
    /// The names of those of them that no unit of this machine starts.
    pub unstarted_sockets: Vec<String>,
    /// Nothing on this machine starts it at boot, although other units are started then.
    pub idle_at_boot: bool,
    /// Was it found on a whole machine, and not among files of a repository?
    pub on_machine: bool,
    /// Who the processes run as.
    pub user: Known<Identity>,
    /// Where they start; none: `/`.
    pub working_directory: Known<Option<Place>>,
    /// `ExecStart=`.
    pub exec_start: Vec<Command>,
    /// `ExecStartPre=`.
    pub exec_start_pre: Vec<Command>,
    /// `ExecCondition=`.
    pub exec_condition: Vec<Command>,
    /// `ExecStartPost=`.
    pub exec_start_post: Vec<Command>,
    /// `ExecReload=`.
    pub exec_reload: Vec<Command>,
    /// `ExecReloadPost=`, from systemd 259 on.
    pub exec_reload_post: Vec<Command>,
    /// `ExecStop=`, which runs before systemd sends a signal of its own.
    pub exec_stop: Vec<Command>,
    /// The directories that systemd makes for it.
    pub directories: Known<Vec<ManagedDirectory>>,
    /// Those of them that another unit takes away when it stops.
    pub shared_directories: Vec<SharedDirectory>,
    /// The files that systemd writes its output to.
    pub outputs: Vec<OutputFile>,
    /// The units that it names.
    pub dependencies: Known<Vec<Dependency>>,
    /// Those whose names are surely misspelt, where the host's units were not read.
    pub misspelt: Vec<Dependency>,
    /// What it sees of the machine's files.
    pub view: Rc<View>,
    /// The paths that its sandbox is made of.
    pub sandbox: Vec<SandboxPath>,
    /// What has to be there, or not, for it to be started, and is not so.
    pub failed_conditions: Vec<FailedCondition>,
}

/// The first systemd that knows `RuntimeDirectory=NAME::ro`.
const READ_ONLY_SINCE: u32 = 257;

impl Service {
    /// Joins what the unit says with what is on the machine.
    pub fn read(sources: &Sources, machine: &Machine, unit: Unit, sockets: Vec<Unit>) -> Self {
        // Files of a repository are the service's own.
        let view = if machine.whole { view::read(&unit) } else { Rc::default() };
        let commands =
            |key: &str| sources.seen_as(&view, || read_commands(sources, machine, &unit, key));
        let mut service = Self {
            user: Known::Default(Identity::root(), Whose::SYSTEMD),
            working_directory: Known::Default(None, Whose::SYSTEMD),
            exec_start: commands("ExecStart"),
            exec_start_pre: commands("ExecStartPre"),
            exec_condition: commands("ExecCondition"),
            exec_start_post: commands("ExecStartPost"),
            exec_reload: commands("ExecReload"),
            exec_reload_post: commands("ExecReloadPost"),
            exec_stop: commands("ExecStop"),
            directories: Known::Default(Vec::new(), Whose::SYSTEMD),
            shared_directories: Vec::new(),
            outputs: Vec::new(),
            dependencies: Known::Observed(Vec::new(), "the unit's files"),
            misspelt: Vec::new(),
            failed_conditions: conditions::failed(sources, machine, &unit),
            sandbox: sandbox::read(sources, machine, &unit),
            on_machine: machine.whole,
            view: Rc::clone(&view),
            unit,
            sockets,
            unstarted_sockets: Vec::new(),
            idle_at_boot: false,
        };
        service.user = service.read_user(machine);
        service.working_directory =
            sources.seen_as(&view, || service.read_working_directory(sources, machine));
        sources.seen_as(&view, || service.find_scripts(sources, machine));
        service.directories = service.read_directories();
        service.outputs = service.read_outputs(sources, machine);
        service.misspelt =
            dependencies::misspelt(sources, machine, &service.unit, &service.sockets);
        service.dependencies =
            dependencies::read(sources, machine, &service.unit, &service.sockets);
        service
    }

    /// Where it is defined: the header of the fragment's `[Service]`, else what comes first in its
    /// files. The place of what belongs to the unit as a whole.
    pub fn defined_at(&self) -> Option<Span> {
        let mut sections = self.unit.files().flat_map(|file| &file.sections);
        let first = self.unit.files().flat_map(|file| &file.sections).next();
        let service = sections.find(|section| section.value == "Service");
        service.or(first).map(|section| section.span)
    }

    /// `Type=`. systemd.service(5): `simple` where ExecStart= is set and BusName= is not.
    pub fn kind(&self) -> Known<String> {
        let default = if self.unit.last("Service", "BusName").is_some() {
            "dbus"
        } else if self.unit.list("Service", "ExecStart").is_empty() {
            "oneshot"
        } else {
            "simple"
        };
        self.word("Type", default)
    }

    /// `KillMode=`.
    pub fn kill_mode(&self) -> Known<String> {
        self.word("KillMode", "control-group")
    }

    /// `Restart=`.
    pub fn restart(&self) -> Known<String> {
        self.word("Restart", "no")
    }

    /// Does it have a limit of its own for its starts, or delays that grow from start to start?
    pub fn limits_starts(&self) -> bool {
        [
            ("Unit", "StartLimitIntervalSec"),
            ("Unit", "StartLimitInterval"),
            ("Unit", "StartLimitBurst"),
            ("Service", "StartLimitInterval"),
            ("Service", "StartLimitBurst"),
            ("Service", "RestartSteps"),
            ("Service", "RestartMaxDelaySec"),
        ]
        .iter()
        .any(|(section, key)| self.unit.last(section, key).is_some())
    }

    /// `TimeoutStopSec=`, or `TimeoutSec=`, whichever is last; else the manager's default. `0`
    /// means without end, as `infinity` does.
    pub fn stop_timeout(&self, machine: &Machine) -> Known<TimeSpan> {
        let keys = ["TimeoutStopSec", "TimeoutSec"];
        let last = self.unit.last_of("Service", &keys);
        let default = machine.default_stop_timeout.clone();
        let span = match last {
            Some(assignment) => self.seconds(&assignment.key.value, default),
            None => default,
        };
        span.map(|span| if span == TimeSpan::Microseconds(0) { TimeSpan::Infinity } else { span })
    }

    /// `PrivateTmp=`.
    pub fn private_tmp(&self) -> Known<bool> {
        if self.unit.last("Service", "DynamicUser").is_some()
            && self.boolean("DynamicUser", false).ok() != Some(&false)
        {
            // DynamicUser= implies it (systemd.exec(5)).
            let span = self.unit.last("Service", "DynamicUser").map(|a| a.span);
            if let (Some(span), Some(true)) = (span, self.boolean("DynamicUser", false).ok()) {
                return Known::Value(true, Origin::text(span));
            }
            return Known::Unknown(Why::not_understood("DynamicUser= is not known"));
        }
        match self.word("PrivateTmp", "no") {
            // `disconnected` since systemd 257.
            Known::Value(word, origin) if word == "disconnected" => {
                match self.unit.specifiers.systemd {
                    Some(_) => Known::Value(true, origin),
                    None => Known::Unknown(Why::depends(
                        "whether this systemd knows PrivateTmp=disconnected",
                    )),
                }
            }
            _ => self.boolean("PrivateTmp", false),
        }
    }

    /// The directory that systemd makes and that holds this path, or is it.
    pub fn managed(&self, path: &Path) -> Result<Option<&ManagedDirectory>, Why> {
        let path = crate::facts::Endpoint::unix(path);
        let crate::facts::Endpoint::Unix(path) = path else { return Ok(None) };
        Ok(self.directories.get()?.iter().find(|directory| path == directory.path))
    }

    fn read_user(&self, machine: &Machine) -> Known<Identity> {
        if self.boolean("DynamicUser", false).ok() != Some(&false) {
            return Known::Unknown(Why::depends("DynamicUser= makes the user up at start"));
        }
        match self.text("User") {
            Known::Value(Some(text), origin) => {
                let mut identity = machine.identity(text.as_str());
                self.add_group(machine, &mut identity);
                Known::Value(identity, origin)
            }
            Known::Value(None, _) | Known::Default(..) | Known::Observed(..) => {
                Known::Default(Identity::root(), Whose::SYSTEMD)
            }
            Known::Unknown(why) => Known::Unknown(why),
        }
    }

    /// `Group=` and `SupplementaryGroups=` add to the user's own groups for what one may reach.
    fn add_group(&self, machine: &Machine, identity: &mut Identity) {
        let words = [self.text("Group"), self.text("SupplementaryGroups")];
        for word in words {
            let text = match word {
                Known::Value(Some(text), _) => text,
                Known::Unknown(_) => {
                    identity.groups = None;
                    continue;
                }
                _ => continue,
            };
            for name in text.as_str().split_whitespace() {
                let number = machine
                    .accounts
                    .ok()
                    .and_then(|accounts| accounts.group(name))
                    .map(|group| group.gid)
                    .or_else(|| name.parse().ok());
                match (number, &mut identity.groups) {
                    (Some(number), Some(groups)) => groups.push(number),
                    _ => identity.groups = None,
                }
            }
        }
    }

    fn read_working_directory(&self, sources: &Sources, machine: &Machine) -> Known<Option<Place>> {
        let (text, origin) = match self.text("WorkingDirectory") {
            Known::Value(Some(text), origin) => (text, origin),
            Known::Value(None, _) | Known::Default(..) | Known::Observed(..) => {
                return Known::Default(None, Whose::SYSTEMD);
            }
            Known::Unknown(why) => return Known::Unknown(why),
        };
        let path = text.as_str().strip_prefix('-').unwrap_or(text.as_str());
        let path = if path == "~" {
            let home = self.user.ok().and_then(|user| {
                machine.accounts.ok()?.user(&user.name).map(|account| account.home.clone())
            });
            match home {
                Some(home) => home,
                None => {
                    return Known::Unknown(Why::not_read("the user's home directory is not known"));
                }
            }
        } else {
            PathBuf::from(path)
        };
        if !path.is_absolute() {
            return Known::Unknown(Why::not_understood(
                "WorkingDirectory= is not absolute: systemd ignores it",
            ));
        }
        let place = Place::look(sources.host(), &path, machine.owners_known);
        Known::Value(Some(place), origin)
    }

    /// The flags behind a directory's second colon.
    fn read_only(&self, flags: Option<&str>) -> Option<bool> {
        match flags {
            Some("ro") => self.unit.specifiers.systemd.map(|version| version >= READ_ONLY_SINCE),
            _ => Some(false),
        }
    }

    /// Values with placeholders name no file that is known.
    fn read_outputs(&self, sources: &Sources, machine: &Machine) -> Vec<OutputFile> {
        let mut found = Vec::new();
        for setting in ["StandardOutput", "StandardError"] {
            let Some(Some(text)) = self.text(setting).ok().cloned() else { continue };
            let prefix = ["file:", "append:", "truncate:"];
            let path = prefix.iter().find_map(|prefix| text.as_str().strip_prefix(prefix));
            let Some(path) = path.map(Path::new).filter(|path| path.is_absolute()) else {
                continue;
            };
            let Some(parent) = path.parent() else { continue };
            found.push(OutputFile {
                setting,
                span: text.span(),
                file: Place::look(sources.host(), path, machine.owners_known),
                directory: Place::look(sources.host(), parent, machine.owners_known),
            });
        }
        found
    }

    fn read_directories(&self) -> Known<Vec<ManagedDirectory>> {
        let settings = [
            ("RuntimeDirectory", "/run", "RuntimeDirectoryMode"),
            ("StateDirectory", "/var/lib", "StateDirectoryMode"),
            ("CacheDirectory", "/var/cache", "CacheDirectoryMode"),
            ("LogsDirectory", "/var/log", "LogsDirectoryMode"),
        ];
        let mut found = Vec::new();
        let mut origin = None;
        for (key, top, mode_key) in settings {
            let mode = match self.word(mode_key, "0755") {
                Known::Unknown(why) => return Known::Unknown(why),
                known => known.ok().and_then(|word| u32::from_str_radix(word, 8).ok()),
            };
            for assignment in self.unit.list("Service", key) {
                let text = match self.unit.specifiers.expand(&assignment.value) {
                    Expansion::Known(text) if placeholder::find(text.as_str()).is_none() => text,
                    _ => {
                        return Known::Unknown(Why::not_understood(format!("{key}= is not known")));
                    }
                };
                origin = Some(Origin::text(assignment.span));
                for (at, word) in words(text.as_str()) {
                    // `name:link` adds a link since systemd 248, `name:link:ro` may not be written
                    // in since 257; the link may be empty.
                    let mut parts = word.splitn(3, ':');
                    let name = parts.next().unwrap_or(word);
                    let link = parts.next().filter(|link| !link.is_empty());
                    let read_only = self.read_only(parts.next());
                    // systemd ignores a path that is absolute or goes up (measured on 252).
                    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
                        continue;
                    }
                    let span = text.span_of(at..at + word.len());
                    found.extend(std::iter::once(name).chain(link).map(|name| ManagedDirectory {
                        path: tidy(&Path::new(top).join(name)),
                        mode: mode.unwrap_or(0o755),
                        read_only,
                        span,
                    }));
                }
            }
        }
        match origin {
            Some(origin) => Known::Value(found, origin),
            None => Known::Default(found, Whose::SYSTEMD),
        }
    }

    /// What a command before the start may make of a directory is not known; an error where one of
    /// `ExecStartPre=` may. `/var/run` is `/run`.
    pub fn untouched_before_the_start(&self, directory: &Path) -> Result<(), Why> {
        let text = directory.to_string_lossy();
        for command in &self.exec_start_pre {
            let words = std::iter::once(&command.line.program).chain(&command.line.arguments);
            for word in words {
                let written = word.text.as_str();
                let opaque = word.unknown.is_some()
                    || !word.variables.is_empty()
                    || [".sh", ".py", ".bash"].iter().any(|end| written.ends_with(end));
                let named = written.contains(&*text)
                    || written.replace("/var/run/", "/run/").contains(&*text);
                if opaque || named {
                    return Err(Why::depends(format!("ExecStartPre= may make {text}")));
                }
            }
        }
        Ok(())
    }

    /// Does a command before the start name this very path, to make it or to give it away?
    pub fn names_before_the_start(&self, path: &Path) -> bool {
        let commands = self.exec_start_pre.iter();
        let mut words = commands.flat_map(|command| &command.line.arguments);
        words.any(|word| tidy(Path::new(word.text.as_str())) == path)
    }
}

impl Service {
    /// Looks for what shells and Python are told to run, now that it is known where they start.
    fn find_scripts(&mut self, sources: &Sources, machine: &Machine) {
        let directory = self.working_directory.ok().and_then(Option::as_ref);
        let directory = directory.map(|place| place.path.clone());
        let lists = [
            &mut self.exec_condition,
            &mut self.exec_start_pre,
            &mut self.exec_start,
            &mut self.exec_start_post,
            &mut self.exec_reload,
            &mut self.exec_reload_post,
            &mut self.exec_stop,
        ];
        for command in lists.into_iter().flatten() {
            let Command { line, executable, .. } = command;
            executable.find_script(sources, machine, line, directory.as_deref());
        }
    }
}

/// The effective commands of an Exec setting; `Unit::exec_faults` has what systemd refuses.
fn read_commands(sources: &Sources, machine: &Machine, unit: &Unit, key: &str) -> Vec<Command> {
    unit.commands("Service", key)
        .into_iter()
        .map(|(_, line)| {
            let path = PathBuf::from(line.program.text.as_str());
            let known = line.program.unknown.is_none() && path.is_absolute();
            let program = known.then(|| Place::look(sources.host(), &path, machine.owners_known));
            let executable = Executable::find(sources, machine, unit, line);
            Command { line: line.clone(), program, executable }
        })
        .collect()
}
