//! `deploy-doctor reload` and `deploy-doctor rollback`.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::{
    GuardArguments, ReloadArguments, ReloadFormat, RollbackArguments, StrategyWord,
};
use super::{CommandError, Exit, colored, print, settings};
use crate::engine::Selection;
use crate::host::act::Interrupts;
use crate::host::disk::{Disk, TreeDisk};
use crate::host::{Host, Relinked, TreeHost};
use crate::probe::Target;
use crate::reload::{
    self, Doors, Ending, Probes, Request, Stage, Step, Story, Strategy, Tell, timeline,
};
use crate::source::show;

/// Where locks, states and logs are stored.
const STATE: &str = "/var/lib/deploy-doctor";

/// `deploy-doctor reload`.
pub(super) fn run(arguments: &ReloadArguments) -> Result<Exit, CommandError> {
    let release = arguments.release.as_deref().map(absolute).transpose()?;
    guarded(&arguments.guard, release, false)
}

/// `deploy-doctor rollback`.
pub(super) fn rollback(arguments: &RollbackArguments) -> Result<Exit, CommandError> {
    let unit = unit(&arguments.guard.app)?;
    root(&unit, "rollback")?;
    let release = match arguments.to.as_deref() {
        Some(to) => absolute(to)?,
        None => before(&unit)?,
    };
    guarded(&arguments.guard, Some(release), true)
}

/// The release before the last reload, as it was recorded.
fn before(unit: &str) -> Result<PathBuf, CommandError> {
    let none = |why: &str| {
        CommandError::incomplete(format!(
            "{unit}: {why}; name the release: deploy-doctor rollback {unit} --to DIR"
        ))
    };
    let disk = TreeDisk::live().map_err(|error| CommandError::incomplete(error.to_string()))?;
    let record = reload::last(&disk, Path::new(STATE), unit).map_err(CommandError::incomplete)?;
    let record = record.ok_or_else(|| none("no reload by this program is on record"))?;
    if record.stage == Stage::RolledBack {
        return Err(none("the last reload was already rolled back"));
    }
    if record.rollback {
        return Err(none("the last run was a rollback, and only one reload can be undone"));
    }
    let (Some(link), Some(before)) = (record.link, record.before) else {
        return Err(none("the last reload moved no link"));
    };
    Ok(link.parent().unwrap_or(Path::new("/")).join(before))
}

fn guarded(
    arguments: &GuardArguments,
    release: Option<PathBuf>,
    rollback: bool,
) -> Result<Exit, CommandError> {
    let unit = unit(&arguments.app)?;
    root(&unit, if rollback { "rollback" } else { "reload" })?;
    let request = request(arguments, unit, release, rollback)?;
    let host = super::read::this_host()?;
    let disk = TreeDisk::live().map_err(|error| CommandError::incomplete(error.to_string()))?;
    let with_link = |moved: Relinked| -> Result<Box<dyn Host>, String> {
        let host = TreeHost::live().map_err(|error| error.to_string())?;
        Ok(Box::new(host.relinked(moved)))
    };
    let interrupts = Interrupts::catch()
        .map_err(|error| CommandError::incomplete(format!("signals: {error}")))?;
    let doors = Doors {
        host: &host,
        with_link: &with_link,
        disk: &disk as &dyn Disk,
        interrupts: &interrupts,
    };
    let mut teller = Teller::new(arguments);
    let story = reload::run(&doors, &request, &mut teller)
        .map_err(|reload::Usage(why)| CommandError::incomplete(why))?;
    teller.done();
    finish(arguments, &story)
}

fn finish(arguments: &GuardArguments, story: &Story) -> Result<Exit, CommandError> {
    if let Some(path) = &arguments.report {
        let html = timeline::html(story);
        crate::host::write::report(path, html.as_bytes()).map_err(|error| {
            CommandError::usage(format!("--report {}: {error}", path.display()))
        })?;
    }
    match arguments.format {
        ReloadFormat::Json => {
            let text = serde_json::to_string_pretty(story)
                .map_err(|error| CommandError::usage(format!("the report as JSON: {error}")))?;
            print(&format!("{text}\n"))?;
        }
        ReloadFormat::Text => print(&text(story, colored(arguments.color)))?,
    }
    Ok(match story.ending {
        Ending::Reloaded | Ending::WouldReload => Exit::Success,
        Ending::Degraded => Exit::Degraded,
        Ending::Refused => Exit::Findings,
        Ending::Incomplete => Exit::Incomplete,
        Ending::RolledBack => Exit::ReloadRolledBack,
        Ending::RollbackFailed => Exit::RollbackFailed,
    })
}

/// The end in words: what happened and why, what was observed, what to type.
fn text(story: &Story, color: bool) -> String {
    let mut out = String::new();
    out.push_str(&timeline::text(story, color));
    let word = match story.ending {
        Ending::Reloaded => "reloaded",
        Ending::WouldReload => "would reload",
        Ending::Degraded => "reloaded, degraded",
        Ending::Refused => "refused",
        Ending::Incomplete => "not checked",
        Ending::RolledBack => "FAILED, rolled back",
        Ending::RollbackFailed => "FAILED, NOT ROLLED BACK",
    };
    let _ = writeln!(out, "{}: {word}: {}", show::line(&story.unit), show::line(&story.why));
    for said in &story.refusals {
        let _ = writeln!(out, "  {} {}", said.code, show::line(&said.message));
        for line in said.help.lines() {
            let _ = writeln!(out, "       {}", show::line(line));
        }
    }
    if story.ending == Ending::Refused && !story.refusals.is_empty() {
        let codes: Vec<&str> = story.refusals.iter().map(|said| said.code.as_str()).collect();
        let _ = writeln!(out, "  --force {} continues anyway", codes.join(","));
        if let (Some(release), Some(before)) = (&story.release, &story.before)
            && release != before
        {
            let _ = writeln!(
                out,
                "  note: checked as if the link led to {}; it still leads to {}, so commands tried \
                 by hand belong in the new directory",
                show::line(&release.display().to_string()),
                show::line(&before.display().to_string())
            );
        }
    }
    for line in &story.evidence {
        let _ = writeln!(out, "  seen: {}", show::line(line));
    }
    for line in &story.notes {
        let _ = writeln!(out, "  note: {}", show::line(line));
    }
    for line in &story.next {
        let _ = writeln!(out, "  type: {}", show::line(line));
    }
    if let Some(path) = &story.audit {
        let _ = writeln!(out, "  log:  {}", show::line(&path.display().to_string()));
    }
    out
}

/// Shows the steps as they happen; on a terminal, with a progress line below them.
struct Teller {
    bar: Option<indicatif::ProgressBar>,
    quiet: bool,
}

impl Teller {
    fn new(arguments: &GuardArguments) -> Self {
        let quiet = arguments.format == ReloadFormat::Json;
        let alive = !quiet && std::io::stderr().is_terminal();
        let bar = alive.then(|| {
            let bar = indicatif::ProgressBar::new_spinner();
            let style = indicatif::ProgressStyle::with_template("{spinner} {msg}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, quiet }
    }

    fn done(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Tell for Teller {
    fn step(&mut self, step: Step, text: &str) {
        if self.quiet {
            return;
        }
        let line = format!("{:9} {}", step.word(), show::line(text));
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => {
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        }
    }

    fn tick(&mut self, step: Step, counts: &Probes) {
        let Some(bar) = &self.bar else { return };
        bar.set_message(format!(
            "{}: {} sent, {} answered, {} failed",
            step.word(),
            counts.sent,
            counts.ok,
            counts.failed
        ));
        bar.tick();
    }
}

fn request(
    arguments: &GuardArguments,
    unit: String,
    release: Option<PathBuf>,
    rollback: bool,
) -> Result<Request, CommandError> {
    let seconds = |option: &str, value: f64, least: f64| {
        let fits = value.is_finite() && (least..=3600.0).contains(&value);
        let wrong =
            || CommandError::usage(format!("--{option} {value}: from {least} to 3600 seconds"));
        fits.then(|| Duration::from_secs_f64(value)).ok_or_else(wrong)
    };
    if let Some(rate) = arguments.rate.filter(|rate| !(1.0..=1000.0).contains(rate)) {
        return Err(CommandError::usage(format!(
            "--rate {rate}: from 1 to 1000 requests a second"
        )));
    }
    let config = settings::of_this_host(arguments.config.as_deref())?;
    let settings = settings::engine(config.as_ref(), &[], &[], &[])?;
    let probes = match (arguments.probe.as_slice(), &config) {
        ([], Some(config)) => config.probes(&unit),
        (named, _) => named.to_vec(),
    };
    for url in &probes {
        Target::parse(url).map_err(|error| CommandError::usage(error.to_string()))?;
    }
    if let Some(path) = &arguments.report {
        // A file that cannot be written is reported before anything is changed.
        let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        if crate::host::act::is_directory(path) || !crate::host::act::is_directory(directory) {
            return Err(CommandError::usage(format!(
                "--report {}: {} is not a directory for a file",
                path.display(),
                directory.display()
            )));
        }
    }
    let request = Request {
        unit,
        state: STATE.into(),
        probes,
        asking: super::probe::asking(&arguments.ask)?,
        rate: arguments.rate,
        timeout: seconds("timeout", arguments.timeout, 0.1)?,
        settle: seconds("settle", arguments.settle, 0.0)?,
        release,
        expect_version: arguments.expect_version.clone(),
        strategy: match arguments.strategy {
            StrategyWord::Auto => Strategy::Auto,
            StrategyWord::Hup => Strategy::Hup,
            StrategyWord::Usr2 => Strategy::Usr2,
            StrategyWord::Restart => Strategy::Restart,
        },
        force: arguments.force.clone(),
        dry_run: arguments.dry_run,
        preflight: !arguments.no_preflight,
        allow_incomplete: arguments.allow_incomplete,
        stall: seconds("max-stall", arguments.max_stall, 0.0)?,
        max_failed: arguments.max_failed,
        db_revision: arguments.db_revision.clone(),
        rollback,
        config,
        settings,
    };
    Selection::new(crate::rules::all(), &request.forced_rules(), &[])
        .map_err(|error| CommandError::usage(error.to_string()))?;
    Ok(request)
}

/// Only root may notify systemd, move the link and examine the processes.
fn root(unit: &str, verb: &str) -> Result<(), CommandError> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(CommandError::usage(format!("{verb} needs root: sudo deploy-doctor {verb} {unit}")))
}

/// The full name of a unit, which must be neither a path nor an option.
fn unit(name: &str) -> Result<String, CommandError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "@-_.:\\".contains(c);
    if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(fits) {
        return Err(CommandError::usage(format!("{}: not a unit name", show::line(name))));
    }
    let other = [".socket", ".timer", ".target", ".path", ".mount", ".slice", ".scope"];
    if other.iter().any(|suffix| name.ends_with(suffix)) {
        let name = show::line(name);
        return Err(CommandError::usage(format!("{name}: gunicorn runs in a .service; name that")));
    }
    match name.strip_suffix(".service") {
        Some(_) => Ok(name.to_owned()),
        None => Ok(format!("{name}.service")),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, CommandError> {
    std::path::absolute(path)
        .map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))
}
