//! The command line: reads arguments, returns an exit status. Each command has a file of its own.

mod ansible;
mod arguments;
mod asked;
mod capture;
mod check;
mod completions;
mod config;
mod explain;
mod facts;
mod fix;
mod formats;
mod found;
mod init;
mod known;
mod lsp;
mod man;
mod nagios;
mod probe;
mod read;
mod reload;
mod repository;
mod rules;
mod settings;

use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches};

use arguments::{Arguments, BaselineCommand, CheckArguments, Command};

use crate::facts::Problem;

/// The result of a command, which determines the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing at or above `--fail-on`.
    Success,
    /// Findings at or above `--fail-on`.
    Findings,
    /// Wrong usage or configuration, or an internal error.
    Usage,
    /// Something that should have been read could not be.
    Incomplete,
    /// A fix was applied, did not validate and was rolled back.
    RolledBack,
    /// A reload failed and was rolled back.
    ReloadRolledBack,
    /// A reload failed, and the rollback failed too.
    RollbackFailed,
    /// Reloaded without a failed probe, but degraded.
    Degraded,
    /// An editor disconnected without having ended its session.
    Abandoned,
    /// The state that a monitoring plugin reports.
    Plugin(crate::report::nagios::State),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Findings | Exit::Abandoned => 1,
            Exit::Usage => 2,
            Exit::Incomplete => 3,
            Exit::RolledBack => 4,
            Exit::ReloadRolledBack => 5,
            Exit::RollbackFailed => 6,
            Exit::Degraded => 7,
            Exit::Plugin(state) => state.status(),
        })
    }
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    report_panics();
    if let Some(file) = ansible::called() {
        return ansible::run(&file).into();
    }
    let mut arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) if nagios::is_called() => return Exit::Plugin(nagios::misused(&error)).into(),
        // clap itself exits with 2 on wrong usage and with 0 on --help and --version.
        Err(error) => error.exit(),
    };
    let settled = settle(&mut arguments.command);
    if let (Err(error), Command::Check(arguments)) = (&settled, &arguments.command) {
        check::tell_failure(arguments, error);
    }
    let result = settled.and_then(|()| dispatch(arguments.command));
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("deploy-doctor: {}", crate::source::show::block(&error.message));
            error.exit.into()
        }
    }
}

/// Parses a correct `check` with the options of `check` alone: building those of every command takes a
/// twentieth of a check. Anything else (help, a mistake, another command) is left to the whole tree.
fn parse_check() -> Option<Arguments> {
    std::env::args_os().nth(1).filter(|word| word == "check")?;
    let check = CheckArguments::augment_args(clap::Command::new("check"));
    let mut command = clap::Command::new("deploy-doctor").subcommand(check);
    let matches = command.try_get_matches_from_mut(std::env::args_os()).ok();
    std::mem::forget(command);
    Arguments::from_arg_matches_mut(&mut matches?).ok()
}

/// Like `Arguments::try_parse`, except that the tree of all options is freed only when the process
/// ends: freeing it piece by piece takes a fiftieth of a check's time.
fn parse() -> Result<Arguments, clap::Error> {
    if let Some(arguments) = parse_check() {
        return Ok(arguments);
    }
    let mut command = Arguments::command();
    let parsed = command.try_get_matches_from_mut(std::env::args_os()).and_then(|mut matches| {
        Arguments::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    });
    std::mem::forget(command);
    parsed
}

/// Runs a command whose repositories have been resolved to files.
fn dispatch(command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Fix(arguments) => fix::run(&arguments),
        Command::Probe(arguments) => probe::run(arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Rollback(arguments) => reload::rollback(&arguments),
        Command::Capture(arguments) => capture::run(&arguments),
        Command::Facts(arguments) => facts::run(&arguments),
        Command::Rules(arguments) => rules::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Baseline(arguments) => known::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Nagios(arguments) => Ok(Exit::Plugin(nagios::run(arguments))),
        Command::Lsp(arguments) => lsp::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// Replaces each repository in the arguments by its files.
fn settle(command: &mut Command) -> Result<(), CommandError> {
    let (place, config) = match command {
        Command::Check(arguments) => (&mut arguments.place, &arguments.judge.config),
        Command::Fix(arguments) => (&mut arguments.place, &arguments.config),
        Command::Baseline(arguments) => {
            let (BaselineCommand::Write(arguments) | BaselineCommand::Prune(arguments)) =
                &mut arguments.command;
            (&mut arguments.place, &arguments.config)
        }
        Command::Capture(arguments) => (&mut arguments.place, &arguments.config),
        Command::Facts(arguments) => (&mut arguments.place, &None),
        _ => return Ok(()),
    };
    repository::settle(place, config.as_deref())
}

/// Why a command could not do its work.
#[derive(Debug)]
pub struct CommandError {
    message: String,
    exit: Exit,
    /// The places in files that the message is about, if there are any.
    at: Vec<Problem>,
}

impl CommandError {
    /// An error of usage or configuration.
    fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Usage, at: Vec::new() }
    }

    /// An error for something that could not be read.
    fn incomplete(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Incomplete, at: Vec::new() }
    }
}

/// Makes an internal error end with status 2 and a line that says where it occurred, rather than
/// with a signal.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!(" at {at}"));
        // The panic's own text may quote what was read, so that text is not printed.
        if nagios::is_called() {
            nagios::broke(&place);
        }
        if ansible::is_called() {
            ansible::broke(&place);
        }
        eprintln!(
            "deploy-doctor: internal error{place}; please report it with the files that caused it"
        );
        std::process::exit(2);
    }));
}

/// Whether standard output is coloured.
fn colored(color: arguments::Color) -> bool {
    use std::io::IsTerminal;
    match color {
        arguments::Color::Always => true,
        arguments::Color::Never => false,
        arguments::Color::Auto => {
            std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::io::stdout().is_terminal()
        }
    }
}

/// Writes to standard output; a reader that has gone (`| head`) is not an error.
fn print(text: &str) -> Result<(), CommandError> {
    use std::io::{ErrorKind, Write};
    if ansible::keeps(text) {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CommandError::usage(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
