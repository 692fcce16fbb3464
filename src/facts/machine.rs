//! Facts about the whole host: accounts, versions, the files systemd creates at boot.

mod kernel;
mod manager;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::place::Identity;
use super::{HostNames, Known, Origin, Problem, Why};
use crate::host::{FileKind, HostErrorKind, Outcome};
use crate::source::unit::time::TimeSpan;
use crate::source::{Sources, Text, tmpfiles, unit};

use self::manager::Manager;

pub use self::kernel::{Kernel, OutgoingPorts};
pub use crate::source::accounts::Accounts;
pub use crate::source::tmpfiles::Directory;

/// The program behind `/bin/sh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shell {
    /// Debian's: stays the main process even for one simple command.
    Dash,
    /// Replaces itself with the last simple command of `-c`.
    Bash,
    /// Any other.
    Other(String),
}

/// How many starts in which time systemd allows a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct StartLimit {
    /// The time.
    pub interval: TimeSpan,
    /// The starts.
    pub burst: u64,
}

/// The host as a whole.
#[derive(Debug)]
pub struct Machine {
    /// Users and groups.
    pub accounts: Known<Accounts>,
    /// That no other source than those files has accounts: why there may be one.
    pub other_accounts: Known<()>,
    /// Names of accounts that systemd-sysusers makes at boot.
    pub made_accounts: HashSet<String>,
    /// Are owners and modes those of the deployment? Not in a tree that an ordinary user made.
    pub owners_known: bool,
    /// Is this a whole machine (this host or a tree), and not just files of a repository?
    pub whole: bool,
    /// systemd's version.
    pub systemd: Known<u32>,
    /// The kernel's version, where /proc shows.
    pub kernel: Known<(u32, u32)>,
    /// What it allows and has left.
    pub limits: Kernel,
    /// What `/bin/sh` is.
    pub shell: Known<Shell>,
    /// The directories that `tmpfiles.d` makes.
    pub tmpfiles: Known<Vec<tmpfiles::Directory>>,
    /// All paths that it makes, and whether what is below one may come with it.
    pub made_at_boot: Vec<(String, bool)>,
    /// `DefaultTimeoutStopSec=`.
    pub default_stop_timeout: Known<TimeSpan>,
    /// `DefaultRestartSec=`.
    pub default_restart: Known<TimeSpan>,
    /// `DefaultStartLimitIntervalSec=` and `DefaultStartLimitBurst=`.
    pub start_limit: Known<StartLimit>,
    /// `DefaultEnvironment=`: what every service's environment begins with.
    pub default_environment: Known<Vec<Text>>,
    /// Processors, where /proc shows.
    pub processors: Known<u32>,
    /// The host names that its own files tell.
    pub names: Known<HostNames>,
}

impl Machine {
    /// Reads what there is. `whole` is false for files of a repository.
    pub fn read(sources: &Sources, whole: bool, problems: &mut Vec<Problem>) -> Self {
        if !whole {
            let unread = "only the files given were read";
            return Self {
                accounts: Known::Unknown(Why::not_read(unread)),
                other_accounts: Known::Unknown(Why::not_read(unread)),
                made_accounts: HashSet::new(),
                owners_known: false,
                whole,
                systemd: Known::Unknown(Why::not_read(unread)),
                kernel: Known::Unknown(Why::not_read(unread)),
                limits: Kernel::unknown(),
                shell: Known::Unknown(Why::not_read(unread)),
                tmpfiles: Known::Unknown(Why::not_read(unread)),
                made_at_boot: Vec::new(),
                default_stop_timeout: Known::Unknown(Why::not_read(unread)),
                default_restart: Known::Unknown(Why::not_read(unread)),
                start_limit: Known::Unknown(Why::not_read(unread)),
                default_environment: Known::Unknown(Why::not_read(unread)),
                processors: Known::Unknown(Why::not_read(unread)),
                names: Known::Unknown(Why::not_read(unread)),
            };
        }
        let manager = Manager::read(sources, problems);
        let (tmpfiles, made_at_boot) = tmpfiles(sources, problems);
        Self {
            accounts: accounts(sources, problems),
            other_accounts: other_accounts(sources),
            made_accounts: made_accounts(sources),
            owners_known: owners_known(sources),
            whole,
            systemd: systemd_version(sources),
            kernel: kernel(sources),
            limits: Kernel::read(sources),
            shell: shell(sources),
            tmpfiles,
            made_at_boot,
            default_stop_timeout: manager.seconds("DefaultTimeoutStopSec", 90_000_000),
            default_restart: manager.seconds("DefaultRestartSec", 100_000),
            start_limit: manager.start_limit(),
            default_environment: manager.environment(),
            processors: processors(sources),
            names: HostNames::read(sources),
        }
    }

    /// Does systemd-sysusers make this account before any service starts?
    pub fn is_made_at_boot(&self, name: &str) -> bool {
        self.made_accounts.contains(name)
    }

    /// Is there no user of this name, in files or from elsewhere?
    pub fn lacks_user(&self, name: &str) -> Result<bool, Why> {
        let known = self.accounts.get()?.user(name).is_some();
        self.lacks(name, known)
    }

    /// Is there no group of this name, in files or from elsewhere?
    pub fn lacks_group(&self, name: &str) -> Result<bool, Why> {
        let known = self.accounts.get()?.group(name).is_some();
        self.lacks(name, known)
    }

    fn lacks(&self, name: &str, known: bool) -> Result<bool, Why> {
        if known {
            return Ok(false);
        }
        self.other_accounts.get()?;
        Ok(!self.is_made_at_boot(name))
    }

    /// The user of a name or number.
    pub fn identity(&self, name: &str) -> Identity {
        if name == "root" || name == "0" {
            return Identity::root();
        }
        let number = name.parse().ok();
        match self.accounts.ok() {
            Some(accounts) => match accounts.user(name) {
                Some(user) => Identity {
                    name: user.name.clone(),
                    uid: Some(user.uid),
                    groups: Some(accounts.groups_of(user)),
                },
                None => Identity { name: name.into(), uid: number, groups: None },
            },
            None => Identity { name: name.into(), uid: number, groups: None },
        }
    }
}

/// Do root's own directories belong to root? The top of a tree does not tell: it is whose
/// directory the tree was put into.
fn owners_known(sources: &Sources) -> bool {
    let owner = |path: &str| sources.host().look(Path::new(path)).metadata().map(|m| m.uid);
    ["/etc", "/usr", "/"].into_iter().find_map(owner) == Some(0)
}

fn accounts(sources: &Sources, problems: &mut Vec<Problem>) -> Known<Accounts> {
    let passwd = Path::new("/etc/passwd");
    if matches!(sources.host().look(passwd).outcome, Outcome::Missing { .. }) {
        return Known::Unknown(Why::not_there("there is no /etc/passwd"));
    }
    let accounts = Accounts::load(sources);
    for problem in &accounts.problems {
        // A tree without /etc/group is not a failure: groups just stay unknown.
        if problem.kind != HostErrorKind::NotFound {
            problems.push(Problem::unreadable(problem));
        }
    }
    match accounts.problems.iter().find(|problem| problem.path == passwd) {
        Some(problem) => Known::Unknown(Why::not_read(problem.to_string())),
        None => Known::Value(accounts, Origin::Path(passwd.into())),
    }
}

/// nsswitch.conf(5): accounts from elsewhere (LDAP, SSSD, systemd-homed) are in no file. Of
/// `systemd` only what is in its own directories counts: what else it knows it makes up itself.
fn other_accounts(sources: &Sources) -> Known<()> {
    let path = Path::new("/etc/nsswitch.conf");
    let text = match sources.host().read(path, MAX_ACCOUNTS) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind == HostErrorKind::NotFound => String::new(),
        Err(error) => return Known::Unknown(Why::not_read(format!("{error}"))),
    };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some((database, services)) = line.split_once(':') else { continue };
        if !matches!(database.trim(), "passwd" | "group") {
            continue;
        }
        let mut services = services.split_whitespace().filter(|word| !word.starts_with('['));
        let own = ["files", "systemd", "compat"];
        if let Some(other) = services.find(|service| !own.contains(service)) {
            return Known::Unknown(Why::depends(format!(
                "accounts come from `{other}` too (nsswitch.conf)"
            )));
        }
    }
    let places = ["/etc/userdb", "/run/userdb", "/usr/lib/userdb", "/var/lib/systemd/home"];
    for place in places {
        if sources.host().list(Path::new(place)).is_ok_and(|names| !names.is_empty()) {
            return Known::Unknown(Why::depends(format!("accounts are defined in {place} too")));
        }
    }
    Known::Observed((), "/etc/nsswitch.conf")
}

/// sysusers.d(5): the names of its `u` and `g` lines.
fn made_accounts(sources: &Sources) -> HashSet<String> {
    let mut found = HashSet::new();
    for place in ["/etc/sysusers.d", "/run/sysusers.d", "/usr/lib/sysusers.d"] {
        for name in sources.host().list(Path::new(place)).unwrap_or_default() {
            let Ok(bytes) = sources.host().read(&Path::new(place).join(name), MAX_ACCOUNTS) else {
                continue;
            };
            for line in String::from_utf8_lossy(&bytes).lines() {
                let mut words = line.split_whitespace();
                let kind = words.next().unwrap_or_default();
                if matches!(kind.trim_end_matches('!'), "u" | "g") {
                    found.extend(words.next().map(|name| name.trim_matches('"').to_owned()));
                }
            }
        }
    }
    found
}

/// As much as any file about accounts has.
const MAX_ACCOUNTS: u64 = 1 << 20;

fn systemd_version(sources: &Sources) -> Known<u32> {
    match unit::version::find(sources.host()) {
        Some((version, path)) => Known::Value(version, Origin::Path(path)),
        None => Known::Unknown(Why::not_read("systemd's version was not found")),
    }
}

fn shell(sources: &Sources) -> Known<Shell> {
    let path = Path::new("/bin/sh");
    let lookup = sources.host().look(path);
    if lookup.metadata().is_none_or(|metadata| metadata.kind != FileKind::File) {
        return Known::Unknown(Why::not_read("the program behind /bin/sh was not found"));
    }
    let name = lookup.resolved.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let shell = match name.as_str() {
        "dash" => Shell::Dash,
        "bash" => Shell::Bash,
        "sh" => {
            return Known::Unknown(Why::not_read("it was not found out which shell /bin/sh is"));
        }
        _ => Shell::Other(name),
    };
    Known::Value(shell, Origin::Path(path.into()))
}

fn tmpfiles(
    sources: &Sources,
    problems: &mut Vec<Problem>,
) -> (Known<Vec<tmpfiles::Directory>>, Vec<(String, bool)>) {
    let mut seen: Vec<std::ffi::OsString> = Vec::new();
    let mut found = Vec::new();
    let mut made = Vec::new();
    let mut unread = None;
    for directory in ["/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/lib/tmpfiles.d"] {
        let names = match sources.host().list(Path::new(directory)) {
            Ok(names) => names,
            Err(error) if error.kind == HostErrorKind::NotFound => continue,
            Err(error) => {
                unread.get_or_insert(Why::not_read(error.to_string()));
                continue;
            }
        };
        for name in names {
            // The same name in an earlier directory hides the later file (tmpfiles.d(5)).
            let path = Path::new(directory).join(&name);
            if path.extension().is_none_or(|extension| extension != "conf") || seen.contains(&name)
            {
                continue;
            }
            seen.push(name);
            match sources.load(&path) {
                Ok(file) => {
                    found.extend(tmpfiles::directories(&file));
                    made.extend(tmpfiles::made(&file));
                }
                Err(error) if matches!(error.kind, HostErrorKind::NotAFile(_)) => {}
                Err(error) => {
                    problems.push(Problem::unreadable(&error));
                    unread.get_or_insert(Why::not_read(error.to_string()));
                }
            }
        }
    }
    let directories = match unread {
        Some(why) => Known::Unknown(why),
        None => Known::Value(found, Origin::Path(PathBuf::from("/etc/tmpfiles.d"))),
    };
    (directories, made)
}

fn kernel(sources: &Sources) -> Known<(u32, u32)> {
    let path = Path::new("/proc/sys/kernel/osrelease");
    let unknown = || Known::Unknown(Why::not_read("the kernel's version was not read"));
    let Ok(bytes) = sources.host().read(path, 4096) else { return unknown() };
    let text = String::from_utf8_lossy(&bytes);
    let mut numbers = text.split(['.', '-']).map(|part| part.trim().parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => Known::Value((major, minor), Origin::Path(path.into())),
        _ => unknown(),
    }
}

fn processors(sources: &Sources) -> Known<u32> {
    let path = Path::new("/proc/cpuinfo");
    let Ok(bytes) = sources.host().read(path, 4 << 20) else {
        return Known::Unknown(Why::not_read("the number of processors was not read"));
    };
    let count = bytes.split(|b| *b == b'\n').filter(|l| l.starts_with(b"processor")).count();
    match u32::try_from(count) {
        Ok(count @ 1..) => Known::Value(count, Origin::Path(path.into())),
        _ => Known::Unknown(Why::not_read("the number of processors was not read")),
    }
}
