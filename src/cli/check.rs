//! `deploy-doctor check`.

use std::path::Path;
use std::time::{Duration, Instant};

use super::arguments::CheckArguments;
use super::formats::{self, Formats};
use super::{CommandError, Exit, asked, known, print, read, settings};
use crate::config::{Config, FailOn};
use crate::engine::{self, Outcome, Settings};
use crate::facts::{self, Deployment};
use crate::report::{Format, Report, Style, Times, View};
use crate::rule::Severity;
use crate::source::Sources;

/// How long `--wait` waits before the next check.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Everything that one check needs.
struct CheckQuestion<'a> {
    arguments: &'a CheckArguments,
    config: Option<&'a Config>,
    settings: Settings,
    /// The path of the baseline.
    baseline: Option<&'a Path>,
    formats: &'a Formats,
    probes: Vec<facts::probe::Question>,
}

/// The function that outputs a report.
type Tell<'a> = &'a mut dyn FnMut(&View) -> Result<(), CommandError>;

/// Reads, judges and reports; with `--wait` repeatedly, until the check passes.
pub(super) fn run(arguments: &CheckArguments) -> Result<Exit, CommandError> {
    let color = super::colored(arguments.color);
    let style = Style {
        color,
        quiet: arguments.quiet,
        verbose: arguments.verbose,
        suppressed: arguments.show_suppressed,
    };
    let formats = Formats::new(arguments.format, &arguments.judge.output)?;
    let mut written = Ok(());
    let result = judge(arguments, &formats, &mut |view| {
        // A file that cannot be written does not suppress the output on the screen.
        written = formats.write(view, style);
        if arguments.format == Format::Text && !arguments.quiet {
            print(&super::found::said(&arguments.place, arguments.verbose))?;
        }
        formats.print(view, style)
    });
    if let Err(error) = &result {
        formats.tell_failure(&arguments.place, error);
    }
    result.and_then(|exit| written.map(|()| exit))
}

/// Reports a check that failed before it began.
pub(super) fn tell_failure(arguments: &CheckArguments, error: &CommandError) {
    if let Ok(formats) = Formats::new(arguments.format, &arguments.judge.output) {
        formats.tell_failure(&arguments.place, error);
    }
}

/// Reads and judges, and passes the findings to `report`.
pub(super) fn judge(
    arguments: &CheckArguments,
    formats: &Formats,
    report: Tell,
) -> Result<Exit, CommandError> {
    if arguments.place.found.is_some() && (!arguments.probe.is_empty() || arguments.preflight) {
        return Err(CommandError::usage(
            "--probe and --preflight are for a running host, not for a repository",
        ));
    }
    let asked = &arguments.judge;
    let config = settings::load(&arguments.place, asked.config.as_deref())?;
    let config = config.as_ref();
    let settings = settings::engine(config, &asked.select, &asked.ignore, &asked.severity)?;
    let mut settings = settings::placed(settings, &arguments.place)?;
    settings.whole = settings::whole(config, &arguments.place);
    let baseline = known::path(asked.baseline.as_deref(), config);
    settings.baseline = known::of(&arguments.place, asked.baseline.as_deref(), config)?;
    let question = CheckQuestion {
        arguments,
        config,
        settings,
        baseline,
        formats,
        probes: asked::questions(arguments, config)?,
    };
    let until = Instant::now() + arguments.wait.unwrap_or_default();
    let mut told = None;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let exit = question.look(left.is_zero(), &mut told, report)?;
        match exit {
            Some(exit) => return Ok(exit),
            // `look` opens a new host each time, so that nothing is cached from the previous check.
            None => std::thread::sleep(BETWEEN_LOOKS.min(left)),
        }
    }
}

impl CheckQuestion<'_> {
    /// Checks once. If the check does not pass and is not the last, nothing is reported, and `None`
    /// is returned.
    fn look(
        &self,
        last: bool,
        told: &mut Option<String>,
        hand_on: Tell,
    ) -> Result<Option<Exit>, CommandError> {
        let arguments = self.arguments;
        let began = Instant::now();
        let host = read::open(&arguments.place)?;
        let sources = Sources::new(&*host);
        let deployments = self.deployments(&sources)?;
        let rules = crate::rules::all();
        let judged = engine::run_each(rules, deployments, &sources, &self.settings);
        let (deployment, mut outcome) =
            judged.ok_or_else(|| CommandError::incomplete("nothing to read was found"))?;
        outcome.problems.extend(known::gone(
            self.baseline,
            self.settings.baseline.as_ref(),
            outcome.baseline.as_ref(),
        ));
        let exit = self.exit(&deployment, &outcome);
        if exit != Exit::Success && !last {
            self.tell(&deployment, &outcome, told);
            return Ok(None);
        }
        let report = Report {
            source: read::source_info(&arguments.place),
            deployment: &deployment,
            sources: &sources,
            outcome: &outcome,
            times: Times::new(began.elapsed(), host.asked()),
        };
        let threshold = self.threshold();
        let lenient = arguments.allow_incomplete;
        let mut asked = formats::asked(&arguments.place, &self.settings, threshold, lenient);
        asked.suppressed = arguments.show_suppressed;
        if self.formats.any(Format::Sarif) {
            asked.patches = formats::patches(&sources, &deployment, &outcome);
        }
        let view = View::new(&report, &asked);
        let handed_on = hand_on(&view);
        // The process ends here: freeing thousands of values one by one would take a thirtieth of a
        // check's time.
        std::mem::forget(view);
        std::mem::forget((deployment, outcome, sources));
        std::mem::forget(host);
        handed_on.map(|()| Some(exit))
    }

    fn deployments(&self, sources: &Sources) -> Result<Vec<Deployment>, CommandError> {
        let arguments = self.arguments;
        let mut deployments = read::deployments(&arguments.place, sources);
        settings::apply(self.config, &arguments.place, sources, &mut deployments);
        for deployment in &mut deployments {
            for app in &mut deployment.apps {
                app.release.since.clone_from(&arguments.since);
            }
            asked::ask(arguments, &self.probes, sources, deployment)?;
            if arguments.preflight {
                facts::preflight::run(sources, deployment);
            }
        }
        Ok(deployments)
    }

    fn exit(&self, deployment: &Deployment, outcome: &Outcome) -> Exit {
        let mut problems = deployment.problems.iter().chain(&outcome.problems);
        if !self.arguments.allow_incomplete && problems.any(|problem| !problem.note) {
            return Exit::Incomplete;
        }
        let fails = self.threshold().is_some_and(|threshold| outcome.reaches(threshold));
        if fails { Exit::Findings } else { Exit::Success }
    }

    /// Findings of this severity or worse make the check fail; with `None`, no finding does.
    fn threshold(&self) -> Option<Severity> {
        match settings::fail_on(self.config, self.arguments.fail_on) {
            FailOn::Severity(threshold) => Some(threshold),
            FailOn::Never => None,
        }
    }

    /// Says why the check is repeated, once for each reason.
    fn tell(&self, deployment: &Deployment, outcome: &Outcome, told: &mut Option<String>) {
        let first = outcome.findings.first().map(|reported| {
            let finding = &reported.finding;
            format!("{} {}", finding.rule.code, finding.message)
        });
        let problem = || {
            let mut problems = deployment.problems.iter().filter(|problem| !problem.note);
            problems.next().map(|problem| problem.message.clone())
        };
        let says = first.or_else(problem);
        if says != *told && !self.arguments.quiet {
            let why = says.as_deref().unwrap_or_default();
            eprintln!("deploy-doctor: not yet: {}", crate::source::show::line(why));
        }
        *told = says;
    }
}
