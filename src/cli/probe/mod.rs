//! `deploy-doctor probe URL…`: the prober on its own.

mod text;

use std::net::IpAddr;
use std::time::Duration;

use super::arguments::{AskArguments, ProbeArguments, ProbeConnections, ProbeFormat, ProbeMethod};
use super::{CommandError, Exit, print};
use crate::host::act::Interrupts;
use crate::probe::settings::{Asking, StartError, trust};
use crate::probe::{Connections, Expect, Method, Prober, Report, Settings, Target};
use crate::source::Secret;

/// How often to check whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How long probes in flight are waited for after that.
const GRACE: Duration = Duration::from_secs(1);

/// Sends the probes, waits, and reports.
pub(super) fn run(arguments: ProbeArguments) -> Result<Exit, CommandError> {
    let format = arguments.format;
    let prober = Prober::start(settings(arguments)?).map_err(|error| match error {
        StartError::Unresolved { .. } => CommandError::incomplete(error.to_string()),
        _ => CommandError::usage(error.to_string()),
    })?;
    let report = wait(prober)?;
    print(&match format {
        ProbeFormat::Text => text::render(&report),
        ProbeFormat::Json => json(&report)?,
    })?;
    Ok(if report.total.failed > 0 {
        Exit::Findings
    } else if report.is_complete() {
        Exit::Success
    } else {
        Exit::Incomplete
    })
}

/// Waits until the run ends or the user stops it; in both cases, the results are reported.
fn wait(prober: Prober) -> Result<Report, CommandError> {
    let interrupts = Interrupts::catch()
        .map_err(|error| CommandError::usage(format!("signals cannot be caught: {error}")))?;
    while !prober.wait(LOOK) {
        if interrupts.heard() {
            prober.stop();
            prober.wait(GRACE);
            eprintln!("stopped by a signal: the results below cover the time until then");
            return Ok(prober.finish_now());
        }
    }
    Ok(prober.finish())
}

fn json(report: &Report) -> Result<String, CommandError> {
    serde_json::to_string_pretty(report)
        .map(|text| text + "\n")
        .map_err(|error| CommandError::usage(format!("the report as JSON: {error}")))
}

fn settings(arguments: ProbeArguments) -> Result<Settings, CommandError> {
    let targets = arguments
        .urls
        .iter()
        .map(|url| Target::parse(url))
        .collect::<Result<_, _>>()
        .map_err(|error| CommandError::usage(error.to_string()))?;
    let asking = asking(&arguments.ask)?;
    Ok(Settings {
        rate: arguments.rate,
        duration: Some(arguments.duration),
        timeout: arguments.timeout,
        method: match arguments.method {
            ProbeMethod::Get => Method::Get,
            ProbeMethod::Head => Method::Head,
        },
        headers: asking.headers,
        trust: asking.trust,
        resolve: asking.resolve,
        connections: match arguments.connections {
            ProbeConnections::Both => Connections::Both,
            ProbeConnections::New => Connections::New,
            ProbeConnections::Kept => Connections::Kept,
        },
        expect: Expect {
            status: arguments.expect_status,
            version: arguments.expect_version,
            body: arguments.expect_body,
            watch: None,
        },
        ..Settings::new(targets)
    })
}

/// The settings with which requests are sent.
pub(super) fn asking(arguments: &AskArguments) -> Result<Asking, CommandError> {
    Ok(Asking {
        headers: arguments.header.iter().map(|line| header(line)).collect::<Result<_, _>>()?,
        trust: trust(arguments.cacert.clone(), arguments.insecure),
        resolve: arguments.resolve.iter().map(|word| resolve(word)).collect::<Result<_, _>>()?,
    })
}

/// Reads a header. Its value is a secret, so a malformed line is not quoted either.
fn header(line: &str) -> Result<(String, Secret), CommandError> {
    let (name, value) = line
        .split_once(':')
        .ok_or_else(|| CommandError::usage("--header: write NAME: VALUE".to_owned()))?;
    Ok((name.trim().to_owned(), Secret::new(value.trim())))
}

/// Reads `HOST:PORT:ADDRESS[,ADDRESS]`, in which an IPv6 address may be with or without brackets.
fn resolve(word: &str) -> Result<(String, u16, Vec<IpAddr>), CommandError> {
    let parse = || {
        let mut parts = word.splitn(3, ':');
        let (host, port, addresses) = (parts.next()?, parts.next()?, parts.next()?);
        let address = |text: &str| text.trim_matches(|c| c == '[' || c == ']').parse().ok();
        let addresses = addresses.split(',').map(address).collect::<Option<Vec<_>>>()?;
        (!host.is_empty()).then_some((host.to_owned(), port.parse().ok()?, addresses))
    };
    parse().ok_or_else(|| {
        CommandError::usage(format!("--resolve {word}: write HOST:PORT:ADDRESS[,ADDRESS]"))
    })
}
