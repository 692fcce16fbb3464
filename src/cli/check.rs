//! `deploy-doctor check`.

use std::path::Path;
use std::time::{Duration, Instant};

use super::arguments::{CheckArguments, Format};
use super::{CommandError, Exit, asked, known, print, read, settings};
use crate::config::{Config, FailOn};
use crate::engine::{self, Outcome, Settings};
use crate::facts::{self, Deployment};
use crate::report::{self, Report, Style, Times};
use crate::source::Sources;

/// How long `--wait` waits for the next look.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// All that is asked of each look.
struct Question<'a> {
    arguments: &'a CheckArguments,
    config: Option<&'a Config>,
    settings: Settings,
    outputs: Vec<(Format, &'a str)>,
    probes: Vec<facts::probe::Question>,
}

/// Reads, judges, reports; with `--wait` again and again, until it passes.
pub(super) fn run(arguments: &CheckArguments) -> Result<Exit, CommandError> {
    if arguments.place.found.is_some() && (!arguments.probe.is_empty() || arguments.preflight) {
        return Err(CommandError::usage(
            "--probe and --preflight are for a running host, not for a repository",
        ));
    }
    let config = settings::load(&arguments.place, arguments.config.as_deref())?;
    let config = config.as_ref();
    let mut settings =
        settings::engine(config, &arguments.select, &arguments.ignore, &arguments.severity)?;
    settings.all_apps = arguments.place.apps.is_empty();
    let baseline = known::path(arguments.baseline.as_deref(), config);
    settings.baseline = baseline.map(known::read).transpose()?;
    let question = Question {
        arguments,
        config,
        settings,
        outputs: outputs(arguments)?,
        probes: asked::questions(arguments, config)?,
    };
    let until = Instant::now() + arguments.wait.unwrap_or_default();
    let mut told = None;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let exit = question.look(left.is_zero(), &mut told)?;
        match exit {
            Some(exit) => return Ok(exit),
            // A new door each time: nothing of what the last one remembers holds any more.
            None => std::thread::sleep(BETWEEN_LOOKS.min(left)),
        }
    }
}

impl Question<'_> {
    /// One look. Nothing is reported, and none is returned, where it does not pass and is not the
    /// last.
    fn look(&self, last: bool, told: &mut Option<String>) -> Result<Option<Exit>, CommandError> {
        let arguments = self.arguments;
        let began = Instant::now();
        let host = read::open(&arguments.place)?;
        let sources = Sources::new(&*host);
        let deployments = self.deployments(&sources)?;
        let rules = crate::rules::all();
        let judged = engine::run_each(rules, deployments, &sources, &self.settings);
        let (deployment, mut outcome) =
            judged.ok_or_else(|| CommandError::incomplete("nothing was found to be read"))?;
        outcome.problems.extend(known::gone(
            known::path(arguments.baseline.as_deref(), self.config),
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
        let style = Style { color: false, quiet: arguments.quiet, verbose: arguments.verbose };
        for (format, path) in &self.outputs {
            let text = render(&report, *format, style)?;
            crate::host::write::replace(Path::new(path), text.as_bytes())
                .map_err(|error| CommandError::usage(format!("--output {path}: {error}")))?;
        }
        if let Some(found) = &arguments.place.found
            && arguments.format == Format::Text
            && !arguments.quiet
        {
            print(&super::found::said(&found.survey, arguments.verbose))?;
        }
        let color = super::colored(arguments.color);
        print(&render(&report, arguments.format, Style { color, ..style })?)?;
        Ok(Some(exit))
    }

    fn deployments(&self, sources: &Sources) -> Result<Vec<Deployment>, CommandError> {
        let arguments = self.arguments;
        let mut deployments = read::deployments(&arguments.place, sources);
        for deployment in &mut deployments {
            settings::apply(self.config, &arguments.place, sources, deployment);
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
        let fails = match settings::fail_on(self.config, self.arguments.fail_on) {
            FailOn::Severity(threshold) => outcome.reaches(threshold),
            FailOn::Never => false,
        };
        if fails { Exit::Findings } else { Exit::Success }
    }

    /// Says why it goes on, once for each reason.
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

fn render(report: &Report, format: Format, style: Style) -> Result<String, CommandError> {
    match format {
        Format::Text => Ok(report::text(report, style)),
        Format::Concise => Ok(report::concise(report)),
        Format::Html => Ok(report::html(report)),
        Format::Json => report::json(report)
            .map_err(|error| CommandError::usage(format!("the report as JSON: {error}"))),
    }
}

fn outputs(arguments: &CheckArguments) -> Result<Vec<(Format, &str)>, CommandError> {
    use clap::ValueEnum;
    arguments
        .output
        .iter()
        .map(|word| {
            let (format, path) = word.split_once('=').ok_or_else(|| {
                CommandError::usage(format!("--output {word}: write FORMAT=PATH"))
            })?;
            let format = Format::from_str(format, false)
                .map_err(|_| CommandError::usage(format!("--output {word}: no such format")))?;
            Ok((format, path))
        })
        .collect()
}
