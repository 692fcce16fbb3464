//! Does a change hold? The programs' own checks before and after: what worsens is taken back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::facts::Deployment;
use crate::host::{Command, Host, Program, RunError};
use crate::source::Sources;

/// How long `systemd-analyze verify` may take; it loads every unit that is referred to.
const LIMIT: Duration = Duration::from_secs(60);

/// What one program says of the files as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Opinion {
    command: String,
    accepts: bool,
    lines: BTreeSet<String>,
}

/// What the programs say of the files as they stand.
#[derive(Debug, Clone, Default)]
pub struct Opinions {
    opinions: Vec<Opinion>,
    /// Programs that were not asked, and why.
    pub skipped: Vec<String>,
}

impl Opinions {
    /// Asks `systemd-analyze verify` of the units with a changed file, and `nginx -t` where a file
    /// of nginx changes. Only a living host has programs to ask.
    pub fn ask(host: &dyn Host, concerned: &Concerned) -> Self {
        let mut opinions = Self::default();
        for unit in &concerned.units {
            let arguments = ["verify", "--man=no", "--recursive-errors=no", unit];
            opinions.one(host, Command::new(Program::SystemdAnalyze, arguments).within(LIMIT));
        }
        if concerned.nginx {
            let test = Command::new(Program::Nginx, ["-t"]);
            opinions.one(host, Command { needs_root: true, ..test });
        }
        opinions
    }

    fn one(&mut self, host: &dyn Host, command: Command) {
        match host.run(&command) {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                self.opinions.push(Opinion {
                    command: command.to_string(),
                    accepts: output.status == Some(0),
                    lines: said.lines().map(crate::source::show::line).collect(),
                });
            }
            Err(RunError::NotHere) => {}
            Err(error) => self.skipped.push(format!("{command}: {error}")),
        }
    }

    /// What is worse now than it was: a program refuses what it accepted, or finds more.
    pub fn worse_than(&self, before: &Self) -> Vec<String> {
        let mut worse = Vec::new();
        for now in self.opinions.iter().filter(|opinion| !opinion.accepts) {
            let was = before.opinions.iter().find(|opinion| opinion.command == now.command);
            let known = |line: &String| was.is_some_and(|was| was.lines.contains(line));
            let new: Vec<&str> =
                now.lines.iter().filter(|line| !known(line)).map(String::as_str).collect();
            if was.is_none_or(|was| was.accepts) || !new.is_empty() {
                worse.push(format!("{}:\n{}", now.command, new.join("\n")));
            }
        }
        worse
    }

    /// The programs that accept what stands now, each by its first words: `nginx -t`.
    pub fn agreeing(&self) -> BTreeSet<String> {
        let short =
            |opinion: &Opinion| opinion.command.split(' ').take(2).collect::<Vec<_>>().join(" ");
        self.opinions.iter().filter(|opinion| opinion.accepts).map(short).collect()
    }
}

/// The programs that have a say in a change: systemd in units, nginx in its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concerned {
    /// The units with a changed file.
    pub units: BTreeSet<String>,
    /// Does a file of nginx change?
    pub nginx: bool,
}

/// Which files are systemd's and which nginx's, by path free of links.
#[derive(Debug, Default)]
pub struct Owners {
    units: HashMap<PathBuf, Vec<String>>,
    nginx: HashSet<PathBuf>,
}

impl Owners {
    /// Of all files that were read.
    pub fn of(deployment: &Deployment, sources: &Sources) -> Self {
        let resolved = |path: &Path| sources.host().look(path).resolved;
        let mut owners = Self::default();
        let files = deployment.nginx.files().into_iter();
        owners.nginx.extend(files.map(|id| resolved(&sources.file(id).path)));
        for app in &deployment.apps {
            for unit in std::iter::once(&app.service.unit).chain(&app.service.sockets) {
                for file in unit.files() {
                    let path = resolved(&file.file.path);
                    owners.units.entry(path).or_default().push(unit.name.to_string());
                }
            }
        }
        owners
    }

    /// Does one of the two read it?
    pub fn holds(&self, path: &Path) -> bool {
        self.units.contains_key(path) || self.nginx.contains(path)
    }

    /// Whom changes of these paths concern.
    pub fn concerned<'a>(&self, paths: impl Iterator<Item = &'a Path>) -> Concerned {
        let mut concerned = Concerned::default();
        for path in paths {
            concerned.nginx |= self.nginx.contains(path);
            concerned.units.extend(self.units.get(path).into_iter().flatten().cloned());
        }
        concerned
    }
}
