//! `--apply` and `--interactive`: writes a plan, checks the result, and runs the commands that must
//! follow.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::arguments::FixArguments;
use super::super::{CommandError, Exit, colored, print, read};
use super::act::act;
use super::ask::{Questions, confirm};
use super::{Done, show, store};
use crate::engine::Settings;
use crate::facts::Scope;
use crate::fix::actions::Action;
use crate::fix::plan::{self, Read};
use crate::fix::transaction::{ApplyError, Description, Store, TransactionId};
use crate::fix::validate::Opinions;
use crate::fix::{Plan, Proposal, shown_path};
use crate::host::{Command, Host, OverlayHost, Program};
use crate::rule::{Finding, Severity};
use crate::source::show::line as show_line;

/// How often, and at what interval, the host is checked after a restart until nothing is found.
const LOOKS: u32 = 8;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Plans, writes all changes or none, and checks again; undoes everything if the result is worse.
pub(super) fn run(
    arguments: &FixArguments,
    settings: &Settings,
    read: Read,
) -> Result<Done, CommandError> {
    let color = colored(arguments.color);
    let questions = arguments.interactive.then(|| Questions::new(color)).transpose()?;
    let disk = store::disk(&arguments.place)?;
    let store = store::open(&disk, arguments)?;
    // Files that are to be changed are read only from here on.
    let host = read::open(&arguments.place)?;
    let accept = |fix: &Proposal| questions.as_ref().is_none_or(|asked| asked.accept(fix));
    let plan = super::plan(arguments, settings, &*host, read, Some(&accept))?;
    let incomplete = super::problems(&plan);
    print(&show::plan(&plan, color))?;
    if plan.changes.is_empty() {
        print(&show::not_written(&plan))?;
        return Ok(ended(super::exit(arguments, &plan, incomplete, false), plan));
    }
    if arguments.interactive && !confirm("\nWrite this? [y/N] ") {
        print("Nothing was written.\n")?;
        return Ok(ended(super::exit(arguments, &plan, incomplete, false), plan));
    }
    let notices = store.check(&plan.changes).map_err(|error| refused(&error))?;
    for notice in notices {
        print(&format!("note: {}\n", show_line(&notice.to_string())))?;
    }
    let before = Opinions::ask(&*host, &plan.concerned);
    let running = if arguments.run_actions { running(&*host, &plan) } else { Vec::new() };
    let id = store.apply(&plan.changes, &description(&plan)).map_err(|error| refused(&error))?;
    // A new host, so that nothing is cached from before.
    let host = read::open(&arguments.place)?;
    let after = Opinions::ask(&*host, &plan.concerned);
    let mut worse = plan::worse(&OverlayHost::new(&*host), read, &plan);
    worse.extend(after.worse_than(&before));
    if !worse.is_empty() {
        return Ok(ended(roll_back(&store, id, &worse)?, plan));
    }
    print(&written(&plan, &after, arguments))?;
    if arguments.run_actions {
        let done = act(&*host, &plan.actions)?;
        let down: Vec<String> =
            running.into_iter().filter(|service| !is_active(&*host, service)).collect();
        if !done || !down.is_empty() {
            let exit = after_failed_action(&store, id, &*host, &plan.actions, &down)?;
            return Ok(Done { exit, plan, stopped: true });
        }
        let stays = look_again(arguments, settings, read)?;
        print(&show::others(&plan.others))?;
        let done = if stays { Exit::Findings } else { Exit::Success };
        let incomplete = incomplete && !arguments.allow_incomplete;
        return Ok(ended(if incomplete { Exit::Incomplete } else { done }, plan));
    } else if !plan.actions.is_empty() {
        print(match read::request(&arguments.place).scope {
            Scope::Live => {
                "It takes effect once the steps above are done (--run-actions does \
                 them).\n"
            }
            Scope::Root => "It takes effect once the steps above are done.\n",
            Scope::Files(_) => {
                "It takes effect once this is deployed and the steps above are done on the host.\n"
            }
        })?;
    }
    Ok(ended(super::exit(arguments, &plan, incomplete, true), plan))
}

fn ended(exit: Exit, plan: Plan) -> Done {
    Done { exit, plan, stopped: false }
}

/// Checks the live host after the commands. New workers need a moment, and another check costs
/// little. Returns whether a finding of at least a warning remains.
fn look_again(
    arguments: &FixArguments,
    settings: &Settings,
    read: Read,
) -> Result<bool, CommandError> {
    let selection = super::selection(arguments)?;
    let matters = |finding: &Finding| finding.severity >= Severity::Warning;
    let mut found = Vec::new();
    for attempt in 0..LOOKS {
        if attempt > 0 {
            std::thread::sleep(BETWEEN_LOOKS);
        }
        let host = read::open(&arguments.place)?;
        found = plan::found(&*host, read, &selection, settings);
        found.retain(matters);
        if found.is_empty() {
            print("Checked again on the running host: nothing found.\n")?;
            return Ok(false);
        }
    }
    let mut out = String::from("\nChecked again on the running host, found:\n");
    for finding in &found {
        let app = finding.app.as_deref().unwrap_or("the host");
        let (app, message) = (show_line(app), show_line(&finding.message));
        out.push_str(&format!("  {} {app}: {message}\n", finding.rule.code));
    }
    print(&out)?;
    Ok(true)
}

fn description(plan: &Plan) -> Description {
    let all = |of: fn(&Proposal) -> Option<String>| {
        let all: BTreeSet<String> = plan.fixes.iter().filter_map(of).collect();
        all.into_iter().collect::<Vec<_>>()
    };
    let codes = all(|fix| Some(fix.rule.code.to_owned()));
    let apps = all(|fix| fix.app.clone());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let title = format!("{} for {}", codes.join(", "), apps.join(", "));
    let title = if apps.is_empty() { codes.join(", ") } else { title };
    Description { title, codes, apps, time: now.as_secs() }
}

fn refused(error: &ApplyError) -> CommandError {
    CommandError::incomplete(format!("nothing was changed: {error}"))
}

fn written(plan: &Plan, opinions: &Opinions, arguments: &FixArguments) -> String {
    let mut out = String::from("\nWritten, and checked again");
    for command in opinions.agreeing() {
        out.push_str(&format!("; {command} agrees"));
    }
    out.push_str(".\n");
    for change in &plan.changes {
        out.push_str(&format!("  {}\n", shown_path(&change.path)));
    }
    for skipped in &opinions.skipped {
        out.push_str(&format!("not run: {}\n", show_line(skipped)));
    }
    let place = crate::report::shell_words(&read::options(&arguments.place));
    let place = if place.is_empty() { place } else { format!(" {place}") };
    out.push_str(&format!("`deploy-doctor fix{} --undo` undoes it.\n", show_line(&place)));
    out
}

fn roll_back(store: &Store, id: TransactionId, worse: &[String]) -> Result<Exit, CommandError> {
    let undone = store.roll_back(id).map_err(|error| {
        let why = worse.join("\n");
        CommandError::incomplete(format!("{why}\nand it could not be rolled back: {error}"))
    })?;
    let mut text = String::from("\nRolled back: once written, it made things worse:\n");
    for line in worse.iter().flat_map(|text| text.lines()) {
        text.push_str(&format!("  {line}\n"));
    }
    for left in &undone.left {
        text.push_str(&format!("  left: {}: {}\n", shown_path(&left.path), left.why));
    }
    print(&text)?;
    Ok(Exit::RolledBack)
}

/// The services that run now and must run afterwards too.
fn running(host: &dyn Host, plan: &Plan) -> Vec<String> {
    let apps: BTreeSet<&String> = plan.fixes.iter().filter_map(|fix| fix.app.as_ref()).collect();
    let nginx = "nginx.service".to_owned();
    let services = apps.into_iter().chain(std::iter::once(&nginx));
    services.filter(|service| is_active(host, service)).cloned().collect()
}

fn is_active(host: &dyn Host, service: &str) -> bool {
    let command = Command::new(Program::Systemctl, ["is-active", "--quiet", service]);
    host.run(&command).is_ok_and(|output| output.status == Some(0))
}

/// Restores the old files of a service that ran before and does not run now. A service that did not
/// run before keeps the changes: undoing them would not make it run.
fn after_failed_action(
    store: &Store,
    id: TransactionId,
    host: &dyn Host,
    actions: &[Action],
    down: &[String],
) -> Result<Exit, CommandError> {
    if down.is_empty() {
        print(
            "The files stay changed: everything that was running still is. Repair the cause, then \
             run the steps again.\n",
        )?;
        return Ok(Exit::Findings);
    }
    let worse: Vec<String> =
        down.iter().map(|service| format!("{service} ran before and is not running now")).collect();
    let exit = roll_back(store, id, &worse)?;
    act(host, actions)?;
    Ok(exit)
}
