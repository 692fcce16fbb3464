//! The options of `deploy-doctor nagios`, named as users of monitoring plugins know them.

use std::time::Duration;

use clap::Args;

use super::{CheckArguments, Color, FILES, FailOn, JudgeArguments, WhereArguments};
use crate::report::Format;

/// The check as a monitoring plugin, for Nagios, Icinga, Naemon and anything else that runs their
/// plugins.
///
/// Prints a line with the state and performance data, then one line per finding. Exit status: 0 OK,
/// 1 WARNING (warnings), 2 CRITICAL (errors), 3 UNKNOWN: something could not be read, the time
/// limit passed, wrong usage, and for this help.
#[derive(Debug, Args)]
#[command(version)]
pub(in crate::cli) struct NagiosArguments {
    #[command(flatten)]
    pub place: WhereArguments,
    /// Ask this URL, and each application's sockets, for an answer (repeatable) [default: those of
    /// the settings, if any]
    #[arg(long, value_name = "URL", conflicts_with_all = ["root", "capture"], conflicts_with_all = FILES)]
    pub probe: Vec<String>,
    /// Answer UNKNOWN after this long: seconds, or 5s, 2m
    #[arg(short, long, value_name = "SECONDS", default_value = "30", value_parser = limit)]
    pub timeout: Duration,
    #[command(flatten)]
    pub judge: JudgeArguments,
    /// Not UNKNOWN when something could not be read
    #[arg(long)]
    pub allow_incomplete: bool,
    /// Accepted, as by every plugin; the answer already has all details
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How long an answer may take.
fn limit(text: &str) -> Result<Duration, String> {
    let limit = super::probe::duration(text)?;
    let fits = limit >= Duration::from_secs(1) && limit <= Duration::from_secs(3600);
    fits.then_some(limit).ok_or_else(|| "at least a second, and at most an hour".to_owned())
}

impl NagiosArguments {
    /// The same question as `check` asks it.
    pub(in crate::cli) fn into_check(self) -> CheckArguments {
        CheckArguments {
            place: self.place,
            // A site that does not answer is reported before the plugin's own time is up.
            timeout: (!self.probe.is_empty()).then(|| self.timeout / 2),
            probe: self.probe,
            expect_version: None,
            wait: None,
            preflight: false,
            since: None,
            format: Format::Text,
            judge: self.judge,
            fail_on: Some(FailOn::Warning),
            allow_incomplete: self.allow_incomplete,
            show_suppressed: false,
            color: Color::Never,
            quiet: false,
            verbose: false,
        }
    }
}
