//! `--interactive`: asks before each fix.

use std::cell::Cell;
use std::io::{BufRead, IsTerminal, Write};

use super::super::CommandError;
use super::show;
use crate::fix::Proposal;
use crate::source::show::line;

/// The user's answer so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Ask,
    TakeAll,
    LeaveAll,
}

/// Asks about one fix after another.
pub(super) struct Questions {
    mood: Cell<Mood>,
    color: bool,
}

impl Questions {
    /// Fails unless there is a person at a terminal to ask.
    pub fn new(color: bool) -> Result<Self, CommandError> {
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            return Err(CommandError::usage(
                "--interactive needs a terminal; --apply writes without asking",
            ));
        }
        Ok(Self { mood: Cell::new(Mood::Ask), color })
    }

    /// Whether to make this fix.
    pub fn accept(&self, fix: &Proposal) -> bool {
        match self.mood.get() {
            Mood::TakeAll => return true,
            Mood::LeaveAll => return false,
            Mood::Ask => {}
        }
        println!("\n{}\n  {}", line(&fix.message), show::head(fix, self.color));
        loop {
            match ask("  take it? [y]es, [n]o, [a]ll the rest, [q]uit asking: ").as_deref() {
                Some("y" | "yes") => return true,
                Some("n" | "no") => return false,
                Some("a" | "all") => {
                    self.mood.set(Mood::TakeAll);
                    return true;
                }
                Some("q" | "quit") | None => {
                    self.mood.set(Mood::LeaveAll);
                    return false;
                }
                Some(_) => {}
            }
        }
    }
}

/// Asks for a yes before anything is written.
pub(super) fn confirm(question: &str) -> bool {
    matches!(ask(question).as_deref(), Some("y" | "yes"))
}

fn ask(question: &str) -> Option<String> {
    print!("{question}");
    std::io::stdout().flush().ok()?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer).ok()?;
    (read > 0).then(|| answer.trim().to_lowercase())
}
