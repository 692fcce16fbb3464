//! `deploy-doctor man [COMMAND…]`: the manual, generated from the options.

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::arguments::{Arguments, ManArguments};
use super::{CommandError, Exit, print};
use crate::host::write;

const NAME: &str = "deploy-doctor";

/// The exit statuses of the commands; the page of `nagios` describes the statuses of that command.
const STATUSES: [(&str, &str); 7] = [
    ("0", "nothing at or above --fail-on; nothing left to fix; reloaded and verified"),
    ("1", "findings; fixes shown but not written; a reload refused; lsp: an editor that went away"),
    ("2", "wrong usage or settings, or an internal error"),
    ("3", "something could not be read"),
    ("4", "fix: a fix did not validate and was rolled back"),
    ("5, 6", "reload, rollback: failed and rolled back; failed, and the rollback failed too"),
    ("7", "reload, rollback: reloaded, but degraded"),
];
/// The files that the manual lists.
const FILES: [(&str, &str); 2] = [
    ("deploy-doctor.toml", "settings, in the working directory or above it, else in /etc"),
    ("/var/lib/deploy-doctor", "the state for fix --undo and rollback; readable only by root"),
];

/// Prints one page, or writes all of them.
pub(super) fn run(arguments: &ManArguments) -> Result<Exit, CommandError> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    if let Some(directory) = &arguments.output {
        let mut pages = Vec::new();
        write_down(&program, &mut pages)?;
        let wanted: Vec<_> =
            pages.iter().map(|(name, page)| (name.as_str(), 0o644, &page[..])).collect();
        write::replace_all(directory, &wanted).map_err(|error| {
            CommandError::usage(format!("{}: {}", error.path.display(), error.error))
        })?;
        return Ok(Exit::Success);
    }
    let mut at = &program;
    for word in &arguments.command {
        at = at.find_subcommand(word).ok_or_else(|| none(word, at))?;
    }
    print(&String::from_utf8_lossy(&page(at)?))?;
    Ok(Exit::Success)
}

fn none(word: &str, of: &Command) -> CommandError {
    let name = of.get_display_name().unwrap_or(NAME);
    let known: Vec<_> = of.get_subcommands().map(Command::get_name).collect();
    CommandError::usage(if known.is_empty() {
        format!("{word} is not a command: {name} has none")
    } else {
        format!("{word} is not a command: {name} has {}", known.join(", "))
    })
}

/// The page of a command and those of its subcommands, by the names under which `man` finds them.
fn write_down(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), CommandError> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    pages.push((format!("{name}.1"), page(command)?));
    command.get_subcommands().try_for_each(|each| write_down(each, pages))
}

fn page(command: &Command) -> Result<Vec<u8>, CommandError> {
    let failed = |error: std::io::Error| CommandError::usage(error.to_string());
    let source = concat!("deploy-doctor ", env!("CARGO_PKG_VERSION"));
    let manual = "deploy-doctor's manual";
    let mut page = Vec::new();
    // An empty date would be left out, and the next field would take its place.
    let man = Man::new(command.clone()).date(" ").source(source).manual(manual);
    man.render(&mut page).map_err(failed)?;
    let mut end = Roff::new();
    if command.get_name() == NAME {
        listed(&mut end, "EXIT STATUS", &STATUSES);
        listed(&mut end, "FILES", &FILES);
    } else {
        end.control("SH", ["SEE ALSO"]).text([bold(NAME), roman("(1): exit statuses and files")]);
    }
    end.to_writer(&mut page).map_err(failed)?;
    Ok(page)
}

fn listed(page: &mut Roff, heading: &str, entries: &[(&str, &str)]) {
    page.control("SH", [heading]);
    for (name, text) in entries {
        page.control("TP", []).text([roman(*name)]).text([roman(*text)]);
    }
}
