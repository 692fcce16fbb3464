//! Validates a change with the programs' own checks before and after: a change that makes their
//! results worse is undone.

use std::collections::BTreeSet;
use std::time::Duration;

use super::owners::Concerned;
use crate::host::{Command, Host, Program, RunError};
use crate::source::nginx_test;

/// How long `systemd-analyze verify` may take; it loads every unit that the checked units refer to.
const LIMIT: Duration = Duration::from_secs(60);

/// The result of one program's check of the files as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Opinion {
    command: String,
    accepts: bool,
    lines: BTreeSet<String>,
}

/// The results of the programs' checks of the files as they are.
#[derive(Debug, Clone, Default)]
pub struct Opinions {
    opinions: Vec<Opinion>,
    /// Programs that were not run, and why.
    pub skipped: Vec<String>,
}

impl Opinions {
    /// Runs `systemd-analyze verify` for the units with a changed file, and `nginx -t` if a file of
    /// nginx changes. Only a live host has programs to run.
    pub fn ask(host: &dyn Host, concerned: &Concerned) -> Self {
        let mut opinions = Self::default();
        for unit in &concerned.units {
            let arguments = ["verify", "--man=no", "--recursive-errors=no", unit];
            opinions.one(host, Command::new(Program::SystemdAnalyze, arguments).within(LIMIT));
        }
        if let Some(options) = &concerned.nginx {
            opinions.one(host, nginx_test::command(options));
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

    /// What is worse than before: a program refuses what it accepted, or reports more.
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

    /// The programs that accept the files as they are now, each by its first words: `nginx -t`.
    pub fn agreeing(&self) -> BTreeSet<String> {
        let short =
            |opinion: &Opinion| opinion.command.split(' ').take(2).collect::<Vec<_>>().join(" ");
        self.opinions.iter().filter(|opinion| opinion.accepts).map(short).collect()
    }
}
