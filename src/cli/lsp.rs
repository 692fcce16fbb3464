//! `deploy-doctor lsp`: how an editor uses `check DIR` and `fix DIR`.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::rc::Rc;

use clap::Parser;

use super::arguments::{Arguments, CheckArguments, Command, LspArguments, WhereArguments};
use super::formats::Formats;
use super::{CommandError, Exit, check, fix, read, repository, settings};
use crate::fix::{Change, Content, Left, Options, Placement, Proposal, Reason};
use crate::host::Unsaved;
use crate::lsp::{Checker, Ended, Failure, One, Wanted};
use crate::report::{Format, Report};
use crate::source::Sources;

/// Serves an editor until it ends the session.
pub(super) fn run(_: &LspArguments) -> Result<Exit, CommandError> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(CommandError::usage(
            "lsp is started by an editor, which speaks the Language Server Protocol; a terminal \
             does not. To set up an editor: integrations/editors/README.md. For the same findings \
             here: deploy-doctor check .",
        ));
    }
    let ended = crate::lsp::serve(&Commands, input, std::io::stdout());
    Ok(match ended {
        Ended::Asked => Exit::Success,
        Ended::Abruptly => Exit::Abandoned,
        Ended::NotUnderstood(why) => {
            // The process that started this one may be gone, so that nobody reads the message.
            let _ = writeln!(
                std::io::stderr(),
                "deploy-doctor: lsp speaks the Language Server Protocol on its standard input: {why}"
            );
            Exit::Usage
        }
    })
}

/// The commands, run as from the command line.
struct Commands;

impl Checker for Commands {
    fn check(
        &self,
        folder: &Path,
        unsaved: &Rc<Unsaved>,
        hand_on: &mut dyn FnMut(&Report),
    ) -> Result<bool, Failure> {
        checked(folder, unsaved, hand_on)
            .map_err(|error| Failure { message: error.message, at: error.at })
    }

    fn changes(
        &self,
        folder: &Path,
        unsaved: &Rc<Unsaved>,
        wanted: &Wanted,
    ) -> Result<Vec<Change>, String> {
        changes(folder, unsaved, wanted).map_err(|error| error.message)
    }
}

/// `check .` in a folder.
fn asked(folder: &Path, unsaved: &Rc<Unsaved>) -> Result<CheckArguments, CommandError> {
    // Relative paths in settings files and messages start at this directory.
    std::env::set_current_dir(folder)
        .map_err(|error| CommandError::incomplete(format!("it cannot be entered: {error}")))?;
    let words = ["deploy-doctor", "check", "."];
    let Ok(Arguments { command: Command::Check(mut arguments) }) = Arguments::try_parse_from(words)
    else {
        return Err(CommandError::usage("check . is not understood"));
    };
    arguments.place.unsaved = Some(Rc::clone(unsaved));
    repository::settle(&mut arguments.place, None)?;
    Ok(arguments)
}

fn checked(
    folder: &Path,
    unsaved: &Rc<Unsaved>,
    hand_on: &mut dyn FnMut(&Report),
) -> Result<bool, CommandError> {
    let arguments = asked(folder, unsaved)?;
    let formats = Formats::new(Format::Json, &[])?;
    check::judge(&arguments, &formats, &mut |view| {
        hand_on(view.report());
        Ok(())
    })?;
    let found = arguments.place.found.as_ref();
    Ok(found.is_none_or(|found| !found.survey.sites.is_empty()))
}

/// `fix .` in a folder, for one deployment after another.
fn changes(
    folder: &Path,
    unsaved: &Rc<Unsaved>,
    wanted: &Wanted,
) -> Result<Vec<Change>, CommandError> {
    let mut place = asked(folder, unsaved)?.place;
    let sites = place.found.as_ref().map_or(1, |found| found.survey.sites.len());
    let mut all: Vec<Change> = Vec::new();
    let mut refused = None;
    for site in 0..sites {
        let (changes, why) = planned(&one_site(&place, site), wanted)?;
        refused = refused.or(why);
        // The next deployment's fixes must see what these changed.
        let mut after = place.unsaved.as_deref().cloned().unwrap_or_default();
        for change in changes {
            if let Content::File { bytes, .. } = &change.after {
                after.put(&change.path, bytes.as_slice());
            }
            match all.iter_mut().find(|earlier| earlier.path == change.path) {
                Some(earlier) => earlier.after = change.after,
                None => all.push(change),
            }
        }
        place.unsaved = Some(Rc::new(after));
    }
    match (all.is_empty(), refused) {
        (true, Some(why)) => Err(CommandError::incomplete(why)),
        (true, None) => Err(CommandError::incomplete("the finding is gone")),
        (false, _) => Ok(all),
    }
}

/// The place reduced to one of its deployments.
fn one_site(place: &WhereArguments, site: usize) -> WhereArguments {
    let mut one = place.clone();
    if let Some(found) = &mut one.found {
        let sites = std::mem::take(&mut found.survey.sites);
        found.survey.sites = sites.into_iter().skip(site).take(1).collect();
    }
    one
}

/// The changes that the wanted fixes make to one deployment, and why there are not more of them.
fn planned(
    place: &WhereArguments,
    wanted: &Wanted,
) -> Result<(Vec<Change>, Option<String>), CommandError> {
    let config = settings::load(place, None)?;
    let select: &[String] = match wanted {
        Wanted::One(one) => std::slice::from_ref(&one.code),
        Wanted::File(_) | Wanted::All => &[],
    };
    let accept = |proposal: &Proposal| is_wanted(wanted, proposal);
    let options = Options {
        selection: settings::selection(select, &[])?,
        include_unsafe: matches!(wanted, Wanted::One(one) if one.is_unsafe),
        placement: Placement::InPlace,
        repository: true,
        accept: Some(&accept),
        settings: settings::engine(config.as_ref(), &[], &[], &[])?,
    };
    let host = read::open(place)?;
    let read =
        |sources: &Sources, live: bool| fix::deployment(place, config.as_ref(), sources, live);
    let plan = crate::fix::plan(&*host, &read, &options).map_err(CommandError::incomplete)?;
    let left = plan.left.iter().find(|left| is_wanted(wanted, &left.proposal));
    Ok((plan.changes, left.map(why)))
}

fn is_wanted(wanted: &Wanted, proposal: &Proposal) -> bool {
    let Some(files) = proposal.texts() else { return false };
    match wanted {
        Wanted::One(One { code, place, title, .. }) => {
            proposal.rule.code == code && proposal.place == *place && proposal.title == *title
        }
        Wanted::File(file) => files.iter().all(|changed| *changed == file),
        Wanted::All => true,
    }
}

fn why(left: &Left) -> String {
    match &left.reason {
        Reason::Impossible(why) => why.clone(),
        Reason::Manual | Reason::Unsafe | Reason::Declined => "only a person can do it".to_owned(),
    }
}
