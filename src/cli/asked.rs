//! The requests `check` sends to the live site: the URLs of `--probe` or of the settings file, and
//! which release answers.

use std::time::Duration;

use super::CommandError;
use super::arguments::CheckArguments;
use super::read;
use crate::config::Config;
use crate::engine::is_named;
use crate::facts::probe::{self, Question, Version};
use crate::facts::{Deployment, Scope};
use crate::probe::{Connections, Expect, Prober, Settings, Target};
use crate::source::Sources;

/// How often the version of each URL is requested, and how many requests are sent per second.
const ANSWERS: u32 = 10;
const RATE: f64 = 20.0;

/// The URLs to request.
pub(super) fn questions(
    arguments: &CheckArguments,
    config: Option<&Config>,
) -> Result<Vec<Question>, CommandError> {
    let mut questions: Vec<Question> =
        arguments.probe.iter().map(|url| Question { url: url.clone(), app: None }).collect();
    // A capture cannot answer new requests.
    let live = arguments.place.replayed.is_none()
        && matches!(read::request(&arguments.place).scope, Scope::Live);
    if questions.is_empty() && live {
        let apps = config.map(|config| config.apps.as_slice()).unwrap_or_default();
        for app in apps {
            let of = |url: &String| Question { url: url.clone(), app: Some(app.name.clone()) };
            questions.extend(app.probes.iter().map(of));
        }
    }
    for (option, given) in [
        ("--expect-version", arguments.expect_version.is_some()),
        ("--timeout", arguments.timeout.is_some()),
    ] {
        if given && questions.is_empty() {
            return Err(CommandError::usage(format!("{option} needs --probe URL")));
        }
    }
    Ok(questions)
}

/// Sends the requests.
pub(super) fn ask(
    arguments: &CheckArguments,
    questions: &[Question],
    sources: &Sources,
    deployment: &mut Deployment,
) -> Result<(), CommandError> {
    if questions.is_empty() {
        return Ok(());
    }
    let named = &arguments.place.apps;
    let name = |app: &String| deployment.apps.iter().find(|one| is_named(app, &one.name));
    // URLs of applications that were not selected are not requested.
    let mine: Vec<Question> = questions
        .iter()
        .filter(|question| {
            question.app.as_ref().is_none_or(|app| named.is_empty() || name(app).is_some())
        })
        .map(|question| Question {
            url: question.url.clone(),
            app: question.app.as_ref().map(|app| name(app).map_or(app, |one| &one.name).clone()),
        })
        .collect();
    probe::run(sources, deployment, &mine, arguments.timeout)
        .map_err(|error| CommandError::usage(error.to_string()))?;
    if let Some(expected) = &arguments.expect_version {
        for question in &mine {
            let version = version(&question.url, expected, arguments.timeout)?;
            probe::look_for(deployment, &question.url, &version);
        }
    }
    Ok(())
}

/// Compares the versions in the responses of a URL.
fn version(url: &str, expected: &str, timeout: Option<Duration>) -> Result<Version, CommandError> {
    let usage = |error: &dyn std::fmt::Display| CommandError::usage(format!("--probe {error}"));
    let target = Target::parse(url).map_err(|error| usage(&error))?;
    let settings = Settings {
        rate: RATE,
        duration: Some(Duration::from_secs_f64(f64::from(ANSWERS) / RATE)),
        timeout: timeout.unwrap_or(crate::host::http::TIME_LIMIT),
        connections: Connections::New,
        expect: Expect { watch: Some(expected.to_owned()), ..Expect::default() },
        ..Settings::new(vec![target])
    };
    // A name that does not resolve was already reported for the earlier request.
    let most = settings.timeout + Duration::from_secs(2);
    let watched = Prober::start(settings)
        .ok()
        .map(|prober| {
            prober.wait(most);
            prober.finish()
        })
        .and_then(|report| report.targets.into_iter().next()?.watched);
    let (with, without) = watched.map_or((0, 0), |watched| (watched.with, watched.without));
    Ok(Version { expected: expected.to_owned(), with, without })
}
