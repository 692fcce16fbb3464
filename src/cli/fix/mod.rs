//! `deploy-doctor fix`: shows the fixes as a diff, writes them, undoes them.

mod act;
mod ask;
mod show;
mod store;
mod write;

use super::arguments::{FixArguments, WhereArguments};
use super::{CommandError, Exit, colored, print, read, settings};
use crate::config::Config;
use crate::engine::{Selection, Settings};
use crate::facts::{self, Deployment, Scope};
use crate::fix::actions::Reached;
use crate::fix::plan::Read;
use crate::fix::{self, Options, Placement, Plan, Proposal};
use crate::host::Host;
use crate::report::shell_words;
use crate::rule::Severity;
use crate::source::Sources;
use crate::source::unit::UnitName;

/// The result of a run.
pub(super) struct Done {
    /// The exit status.
    pub exit: Exit,
    /// The plan.
    pub plan: Plan,
    /// Whether the plan was written but a command that must follow failed.
    pub stopped: bool,
}

/// Plans, shows and, if requested, writes the fixes.
pub(super) fn run(arguments: &FixArguments) -> Result<Exit, CommandError> {
    if arguments.history {
        return store::history(arguments);
    }
    if arguments.undo {
        return store::undo(arguments);
    }
    Ok(done(arguments)?.exit)
}

/// Plans, shows and writes the fixes.
pub(super) fn done(arguments: &FixArguments) -> Result<Done, CommandError> {
    if arguments.run_actions && !(arguments.apply || arguments.interactive) {
        return Err(CommandError::usage("--run-actions needs --apply, --interactive or --undo"));
    }
    // Wrong usage is reported before anything is opened for writing.
    selection(arguments)?;
    one_at_a_time(arguments)?;
    let place = &arguments.place;
    let config = settings::load(place, arguments.config.as_deref())?;
    // All rules run: a finding that a fix uncovers counts, whatever findings were selected to be
    // fixed.
    let mut settings = settings::engine(config.as_ref(), &[], &[], &[])?;
    settings.today = settings::day(place);
    let read = |sources: &Sources, live: bool| deployment(place, config.as_ref(), sources, live);
    if arguments.interactive || arguments.apply {
        return write::run(arguments, &settings, &read);
    }
    let host = read::open(place)?;
    let plan = plan(arguments, &settings, &*host, &read, None)?;
    let incomplete = problems(&plan);
    let shown = show::plan(&plan, colored(arguments.color));
    let (pending, not_written) = match &place.replayed {
        Some(capture) => (String::new(), show::of_capture(&plan, &capture.taken.host)),
        None => (store::pending(arguments), show::not_written(&plan)),
    };
    print(&format!("{shown}{pending}{not_written}"))?;
    Ok(Done { exit: exit(arguments, &plan, incomplete, false), plan, stopped: false })
}

/// Refuses a repository with several deployments, or with none.
fn one_at_a_time(arguments: &FixArguments) -> Result<(), CommandError> {
    let Some(found) = &arguments.place.found else { return Ok(()) };
    if let Some(problem) = found.survey.problems.iter().find(|problem| !problem.note) {
        return Err(CommandError::incomplete(show::problem(problem)));
    }
    let sites = &found.survey.sites;
    if sites.len() < 2 {
        return Ok(());
    }
    let commands = sites.iter().map(|given| {
        let options = shell_words(&options(arguments));
        let place = match given.units.is_empty() {
            true => super::found::by_hand(given),
            false => {
                let units = given.units.iter().map(|path| read::word(path));
                shell_words(&units.chain(read::options(&arguments.place)).collect::<Vec<_>>())
            }
        };
        let words: Vec<String> = [place, options].into_iter().filter(|w| !w.is_empty()).collect();
        format!("\n  deploy-doctor fix {}", words.join(" "))
    });
    Err(CommandError::usage(format!(
        "{} deployments were found, and only one can be fixed at a time:{}",
        sites.len(),
        commands.collect::<String>()
    )))
}

/// The options that select what is to be fixed, and how.
fn options(arguments: &FixArguments) -> Vec<String> {
    let mut words = Vec::new();
    for (option, rules) in [("--select", &arguments.select), ("--ignore", &arguments.ignore)] {
        if !rules.is_empty() {
            words.extend([option.to_owned(), rules.join(",")]);
        }
    }
    if let Some(config) = &arguments.config {
        words.extend(["--config".to_owned(), read::word(config)]);
    }
    for (option, given) in [
        ("--apply", arguments.apply),
        ("--interactive", arguments.interactive),
        ("--unsafe", arguments.include_unsafe),
        ("--in-place", arguments.in_place),
        ("--drop-in", arguments.drop_in),
        ("--backup", arguments.backup),
        ("--allow-incomplete", arguments.allow_incomplete),
    ] {
        words.extend(given.then(|| option.to_owned()));
    }
    words
}

/// Reads the deployment for a fix; with `live`, what is running too.
pub(super) fn deployment(
    place: &WhereArguments,
    config: Option<&Config>,
    sources: &Sources,
    live: bool,
) -> Deployment {
    let mut request = read::request(place);
    if !live && matches!(request.scope, Scope::Live) {
        request.scope = Scope::Root;
    }
    let mut deployment = facts::read(sources, &request);
    settings::apply(config, place, sources, std::slice::from_mut(&mut deployment));
    deployment
}

fn selection(arguments: &FixArguments) -> Result<Selection, CommandError> {
    settings::selection(&arguments.select, &arguments.ignore)
}

fn plan(
    arguments: &FixArguments,
    settings: &Settings,
    host: &dyn Host,
    read: Read,
    accept: Option<&dyn Fn(&Proposal) -> bool>,
) -> Result<Plan, CommandError> {
    let selection = selection(arguments)?;
    let repository = matches!(read::request(&arguments.place).scope, Scope::Files(_));
    let placement = match (arguments.in_place, arguments.drop_in) {
        (true, _) => Placement::InPlace,
        (_, true) => Placement::DropIn,
        _ if repository => Placement::InPlace,
        _ => Placement::DropIn,
    };
    let options = Options {
        selection,
        include_unsafe: arguments.include_unsafe,
        placement,
        repository,
        accept,
        settings: settings.clone(),
    };
    let mut plan = fix::plan(host, read, &options).map_err(CommandError::incomplete)?;
    plan.others = others(&arguments.place, host, &plan.changes);
    Ok(plan)
}

/// The services that were not named and that the changes reach; none where all of a host, or files
/// alone, were asked for.
fn others(place: &WhereArguments, host: &dyn Host, changes: &[fix::Change]) -> Vec<Reached> {
    let mut request = read::request(place);
    let named = std::mem::take(&mut request.apps);
    if named.is_empty() || matches!(request.scope, Scope::Files(_)) {
        return Vec::new();
    }
    let is_named = |app: &facts::App| {
        let mut names = named.iter().filter_map(|name| UnitName::parse(name));
        names.any(|name| name.to_string() == app.name)
    };
    fix::others::reached(host, &|sources| facts::read(sources, &request), changes, &is_named)
}

/// Reports what could not be read. Returns whether there is anything.
fn problems(plan: &Plan) -> bool {
    let mut any = false;
    for problem in plan.problems.iter().filter(|problem| !problem.note) {
        any = true;
        eprintln!("deploy-doctor: {}", show::problem(problem));
    }
    any
}

/// The exit status; `done` says whether the changes were written.
fn exit(arguments: &FixArguments, plan: &Plan, incomplete: bool, done: bool) -> Exit {
    if incomplete && !arguments.allow_incomplete {
        return Exit::Incomplete;
    }
    // After writing, what the live host showed before is no longer valid.
    let counts = |left: &fix::Left| {
        left.proposal.severity >= Severity::Warning && !(done && left.proposal.live)
    };
    let stays = plan.left.iter().any(counts);
    let shown = !plan.changes.is_empty() && !done;
    if stays || shown { Exit::Findings } else { Exit::Success }
}
