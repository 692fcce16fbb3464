//! The options of `capture`.

use std::path::PathBuf;

use clap::Args;

use super::WhereArguments;

/// Writes all that a check reads into one file, with secrets masked.
///
/// The file is JSON, mode 0600. `check --capture FILE` gives the same findings from it, anywhere,
/// and without touching anything: attach it to a ticket. Values of variables, passwords, tokens and
/// private keys are masked, but the application's code and configuration are in it: look through it
/// before you pass it on. docs/capture.md says what is masked and what is not.
///
/// Exit status: 0 written; 2 wrong usage; 3 something could not be read (the file is still written,
/// and records that), or the masked file would give other findings (it is not written).
#[derive(Debug, Args)]
// A capture of a capture is the same file.
#[command(mut_arg("capture", |argument| argument.hide(true)))]
pub(in crate::cli) struct CaptureArguments {
    #[command(flatten)]
    pub place: WhereArguments,
    /// The file that is written; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The settings that apply to it [default: the nearest deploy-doctor.toml, then /etc's]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Do not exit with 3 when something could not be read
    #[arg(long)]
    pub allow_incomplete: bool,
    /// Only report problems
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// List every file, including those of installed packages and processes
    #[arg(short, long)]
    pub verbose: bool,
}
