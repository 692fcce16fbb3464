//! The options of `config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(in super::super) struct ConfigArguments {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(in super::super) enum ConfigCommand {
    /// Write a deploy-doctor.toml that explains its keys
    Init {
        /// Where it is written
        #[arg(value_name = "DIR", default_value = ".")]
        directory: PathBuf,
        /// Show it and write nothing
        #[arg(long)]
        print: bool,
        /// Replace an existing one
        #[arg(long, conflicts_with = "print")]
        force: bool,
    },
    /// Report its faults line by line, and the resulting settings
    Check {
        /// The file [default: the nearest deploy-doctor.toml, then /etc's]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print its JSON schema, for editors
    Schema,
}
