//! The options of `baseline`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::WhereArguments;

#[derive(Debug, Args)]
pub(in super::super) struct BaselineArguments {
    #[command(subcommand)]
    pub command: BaselineCommand,
}

#[derive(Debug, Subcommand)]
pub(in super::super) enum BaselineCommand {
    /// Record all present findings as known
    Write(KnownArguments),
    /// Remove findings that are gone
    Prune(KnownArguments),
}

#[derive(Debug, Args)]
pub(in super::super) struct KnownArguments {
    #[command(flatten)]
    pub place: WhereArguments,
    /// The file of known findings [default: that of the settings, else
    /// deploy-doctor-baseline.json]
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Read the settings here [default: the nearest deploy-doctor.toml, then /etc's]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Continue if something could not be read
    #[arg(long)]
    pub allow_incomplete: bool,
}
