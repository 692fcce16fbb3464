//! systemd-system.conf(5) with its drop-ins: defaults for units that set nothing themselves.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::StartLimit;
use crate::facts::{Known, Origin, Problem, Whose, Why};
use crate::host::HostErrorKind;
use crate::source::unit::time::{TimeSpan, parse_seconds};
use crate::source::{Sources, Spanned, Text, unit};

/// The last assignment of each setting of `[Manager]`.
pub(super) struct Manager {
    settings: Result<HashMap<String, Spanned<String>>, Why>,
    /// `DefaultEnvironment=`, which adds to what the earlier lines set.
    environment: Vec<Text>,
}

impl Manager {
    pub(super) fn read(sources: &Sources, problems: &mut Vec<Problem>) -> Self {
        let mut environment = Vec::new();
        let settings = settings(sources, &mut environment, problems);
        Self { settings, environment }
    }

    /// What every unit's environment begins with; why it is not known.
    pub(super) fn environment(&self) -> Known<Vec<Text>> {
        match &self.settings {
            Err(why) => Known::Unknown(why.clone()),
            Ok(_) => Known::Observed(self.environment.clone(), "systemd's own settings"),
        }
    }

    fn get(&self, key: &str) -> Result<Option<&Spanned<String>>, Why> {
        let settings = self.settings.as_ref().map_err(Clone::clone)?;
        // An empty value leaves it at its default.
        Ok(settings.get(key).filter(|setting| !setting.value.is_empty()))
    }

    /// A time span; the default in microseconds where nothing says.
    pub(super) fn seconds(&self, key: &str, default: u64) -> Known<TimeSpan> {
        match self.get(key) {
            Err(why) => Known::Unknown(why),
            Ok(None) => Known::Default(TimeSpan::Microseconds(default), Whose::SYSTEMD),
            Ok(Some(set)) => match parse_seconds(&set.value) {
                Some(span) => Known::Value(span, Origin::text(set.span)),
                None => Known::Unknown(Why::not_understood(format!("{key}= is not a time span"))),
            },
        }
    }

    /// How many starts in which time: five in ten seconds where nothing says.
    pub(super) fn start_limit(&self) -> Known<StartLimit> {
        let interval = match self.seconds("DefaultStartLimitIntervalSec", 10_000_000).take() {
            Ok((interval, _)) => interval,
            Err(why) => return Known::Unknown(why),
        };
        match self.get("DefaultStartLimitBurst") {
            Err(why) => Known::Unknown(why),
            Ok(None) => Known::Default(StartLimit { interval, burst: 5 }, Whose::SYSTEMD),
            Ok(Some(set)) => match set.value.parse() {
                Ok(burst) => Known::Value(StartLimit { interval, burst }, Origin::text(set.span)),
                Err(_) => {
                    Known::Unknown(Why::not_understood("DefaultStartLimitBurst= is not a number"))
                }
            },
        }
    }
}

fn settings(
    sources: &Sources,
    environment: &mut Vec<Text>,
    problems: &mut Vec<Problem>,
) -> Result<HashMap<String, Spanned<String>>, Why> {
    let mut paths = vec![PathBuf::from("/etc/systemd/system.conf")];
    for directory in ["/usr/lib/systemd/system.conf.d", "/etc/systemd/system.conf.d"] {
        let found = sources.host().glob(&Path::new(directory).join("*.conf"));
        paths.extend(found.map_err(|error| Why::not_read(error.to_string()))?);
    }
    let mut settings = HashMap::new();
    for path in paths {
        let file = match sources.load(&path) {
            Ok(file) => file,
            Err(error) if error.kind == HostErrorKind::NotFound => continue,
            Err(error) => {
                problems.push(Problem::unreadable(&error));
                return Err(Why::not_read(error.to_string()));
            }
        };
        for assignment in unit::parse(file).assignments {
            if *assignment.section == *"Manager" {
                if assignment.key.value == "DefaultEnvironment" {
                    match assignment.value.as_str().is_empty() {
                        true => environment.clear(),
                        false => environment.push(assignment.value),
                    }
                    continue;
                }
                let span = assignment.value.span();
                // systemd's own variables are no more to be shown than others.
                if assignment.key.value == "ManagerEnvironment" {
                    sources.hide(span);
                }
                let value = assignment.value.as_str().to_owned();
                settings.insert(assignment.key.value, Spanned { value, span });
            }
        }
    }
    Ok(settings)
}
