//! The options of `deploy-doctor probe`, named as users of curl, hey and vegeta know them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Probes each URL at a constant rate, in two series: new connections and kept ones. A probe is
/// sent when it is due, even if earlier ones hang, and its latency counts from that moment.
#[derive(Debug, Args)]
pub(in crate::cli) struct ProbeArguments {
    /// http://host/path, https://host/path, or directly to gunicorn: unix:/run/x.sock[:/path]
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<String>,
    /// Probes per second for each URL, both series together
    #[arg(short, long, value_name = "N", default_value_t = 50.0)]
    pub rate: f64,
    /// How long: 10s, 2m, or seconds
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// How long an answer may take, to its last byte: 5s, 500ms, or seconds
    #[arg(short, long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub timeout: Duration,
    /// GET or HEAD
    #[arg(short = 'X', long, value_enum, ignore_case = true, default_value_t = ProbeMethod::Get)]
    pub method: ProbeMethod,
    /// New connections, kept ones, or both in turns
    #[arg(long, value_enum, default_value_t = ProbeConnections::Both)]
    pub connections: ProbeConnections,
    /// The status of a success [default: the first answer's, if it is below 400]
    #[arg(long, value_name = "CODE", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(100..600))]
    pub expect_status: Vec<u16>,
    /// The body or a header must contain this text: the release that should answer
    #[arg(long, value_name = "TEXT", value_parser = expected)]
    pub expect_version: Option<String>,
    /// The body must contain this text
    #[arg(long, value_name = "TEXT")]
    pub expect_body: Option<String>,
    #[command(flatten)]
    pub ask: AskArguments,
    /// The output's format
    #[arg(long, value_enum, default_value_t = ProbeFormat::Text)]
    pub format: ProbeFormat,
}

/// How a site is asked, by `probe` and by a guarded reload.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct AskArguments {
    /// Send a header, NAME: VALUE (repeatable); its value is never shown
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub header: Vec<String>,
    /// Use these addresses for a host and port, as curl does (repeatable)
    #[arg(long, value_name = "HOST:PORT:ADDRESS[,ADDRESS]")]
    pub resolve: Vec<String>,
    /// Trust only the certificate authorities in this PEM file
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub cacert: Option<PathBuf>,
    /// Trust any certificate
    #[arg(short = 'k', long)]
    pub insecure: bool,
}

/// A text that an answer has to hold.
pub(super) fn expected(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("every answer contains an empty text".to_owned());
    }
    Ok(text.to_owned())
}

/// `10s`, `1m 30s`, `500ms`, or a number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| "not a length of time".to_owned());
    }
    humantime::parse_duration(text).map_err(|_| "write 10s, 2m, 500ms or seconds".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ProbeMethod {
    #[value(name = "GET")]
    Get,
    #[value(name = "HEAD")]
    Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ProbeConnections {
    Both,
    New,
    Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ProbeFormat {
    Text,
    Json,
}
