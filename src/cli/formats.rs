//! `--format` and `--output`: what is written and where, even if a run fails.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::arguments::WhereArguments;
use super::{CommandError, read};
use crate::engine::{Outcome, Settings};
use crate::facts::Deployment;
use crate::host::write::{is_same, report as report_to};
use crate::report::{self, Asked, Base, Failure, Format, Patch, Style, View};
use crate::rule::Severity;
use crate::source::Sources;

/// `--format` and each `--output FORMAT=PATH`.
pub(super) struct Formats {
    printed: Format,
    files: Vec<(Format, PathBuf)>,
}

impl Formats {
    /// Reads the words of the command line.
    pub(super) fn new(printed: Format, outputs: &[String]) -> Result<Self, CommandError> {
        let files = outputs.iter().map(|word| {
            let (format, path) = word.split_once('=').ok_or_else(|| {
                CommandError::usage(format!("--output {word}: write FORMAT=PATH"))
            })?;
            let format = Format::from_str(format, false).map_err(|_| {
                let known = Format::all().iter().filter_map(ValueEnum::to_possible_value);
                let known: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
                let known = known.join(", ");
                CommandError::usage(format!(
                    "--output {word}: no such format; the formats are \
                     {known}"
                ))
            })?;
            match path {
                "" => Err(CommandError::usage(format!("--output {word}: write FORMAT=PATH"))),
                "-" => {
                    let name = format.to_possible_value().map(|value| value.get_name().to_owned());
                    let name = name.unwrap_or_default();
                    Err(CommandError::usage(format!(
                        "--output {word}: it writes to a file; --format {name} prints it"
                    )))
                }
                _ => Ok((format, PathBuf::from(path))),
            }
        });
        let files: Vec<(Format, PathBuf)> = files.collect::<Result<_, _>>()?;
        for (at, (_, path)) in files.iter().enumerate() {
            if files.iter().take(at).any(|(_, other)| is_same(path, other)) {
                return Err(CommandError::usage(format!(
                    "--output: two reports would go to {}, and one would be lost",
                    path.display()
                )));
            }
        }
        Ok(Self { printed, files })
    }

    /// Whether the format is among the selected ones.
    pub(super) fn any(&self, wanted: Format) -> bool {
        self.printed == wanted || self.files.iter().any(|(format, _)| *format == wanted)
    }

    /// Writes all files that can be written. Returns what is wrong with the others.
    pub(super) fn write(&self, view: &View, style: Style) -> Result<(), CommandError> {
        let write = |(format, path): &(Format, PathBuf)| {
            let text = render(view, *format, Style { color: false, ..style })?;
            replace(path, &text)
        };
        let failed = self.files.iter().filter_map(|file| write(file).err());
        let failed: Vec<String> = failed.map(|error| error.message).collect();
        if failed.is_empty() { Ok(()) } else { Err(CommandError::usage(failed.join("\n"))) }
    }

    /// Prints to standard output.
    pub(super) fn print(&self, view: &View, style: Style) -> Result<(), CommandError> {
        super::print(&render(view, self.printed, style)?)
    }

    /// Reports a run that produced no report to readers who would not notice the failure otherwise.
    pub(super) fn tell_failure(&self, place: &WhereArguments, error: &CommandError) {
        let failure = self.tell_failure_in_files(place, error);
        if let Some(text) = report::write_failure(self.printed, &failure) {
            let _ = super::print(&text);
        }
    }

    /// Like [`Self::tell_failure`], for files alone.
    pub(super) fn tell_failure_in_files(
        &self,
        place: &WhereArguments,
        error: &CommandError,
    ) -> Failure {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let failure = Failure {
            scope: scope(place),
            seconds: now.map_or(0, |since| since.as_secs()),
            message: error.message.clone(),
        };
        for (format, path) in &self.files {
            // The error of the run is what matters, so an error of this file does not replace it.
            if let Some(text) = report::write_failure(*format, &failure)
                && let Err(error) = replace(path, &text)
            {
                eprintln!("deploy-doctor: {}", error.message);
            }
        }
        failure
    }
}

fn render(view: &View, format: Format, style: Style) -> Result<String, CommandError> {
    report::write(view, format, style).map_err(|error| CommandError::usage(error.to_string()))
}

fn replace(path: &Path, text: &str) -> Result<(), CommandError> {
    let shown = path.display();
    report_to(path, text.as_bytes()).map_err(|error| {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        match directory.filter(|parent| !parent.exists()) {
            Some(missing) => {
                let missing = report::shell_words(&[missing.display().to_string()]);
                CommandError::usage(format!(
                    "--output {shown}: no such directory; mkdir -p {missing} creates it"
                ))
            }
            None => CommandError::usage(format!("--output {shown}: {error}")),
        }
    })
}

/// The options that some formats report.
pub(super) fn asked(
    place: &WhereArguments,
    settings: &Settings,
    threshold: Option<Severity>,
    allow_incomplete: bool,
) -> Asked {
    let rules = crate::rules::all().iter().filter(|rule| settings.selection.includes(rule));
    let severity = |code| settings.severities.get(code).copied();
    Asked {
        rules: rules.map(|rule| (*rule, severity(rule.code).unwrap_or(rule.severity))).collect(),
        threshold,
        allow_incomplete,
        suppressed: false,
        base: base(place),
        scope: scope(place),
        patches: HashMap::new(),
    }
}

/// The directories that paths are relative to.
fn base(place: &WhereArguments) -> Base {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    Base {
        directory: std::env::current_dir().map_or_else(|_| PathBuf::from("/"), |path| real(&path)),
        root: place.root.as_deref().map(real),
    }
}

/// What was meant to be checked, in a word or two.
fn scope(place: &WhereArguments) -> String {
    let mut words = Vec::new();
    words.extend(place.capture.iter().map(|file| file.display().to_string()));
    words.extend(place.root.iter().map(|root| root.display().to_string()));
    match (&place.found, &place.repository) {
        (Some(found), _) => {
            words.extend(found.directories.iter().map(|path| path.display().to_string()));
        }
        (None, Some(directory)) => words.push(directory.display().to_string()),
        (None, None) => {
            words.extend(read::given_paths(place).iter().map(|path| path.display().to_string()));
        }
    }
    words.extend(place.apps.iter().cloned());
    match words.is_empty() {
        true => "host".to_owned(),
        false => words.join(" "),
    }
}

/// The changes that safe fixes make to the files, by fingerprint.
pub(super) fn patches(
    sources: &Sources,
    deployment: &Deployment,
    outcome: &Outcome,
) -> HashMap<String, Patch> {
    let patch = |reported: &crate::engine::Reported| {
        let patch = crate::fix::patch(sources, deployment, &reported.finding)?;
        Some((reported.fingerprint.clone(), patch))
    };
    // Each change is computed separately: a site with more findings needs `fix` rather than these.
    outcome.findings.iter().take(MOST_PATCHES).filter_map(patch).collect()
}

/// The most fixes that a report contains.
const MOST_PATCHES: usize = 500;
