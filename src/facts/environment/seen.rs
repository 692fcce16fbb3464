//! Who sets a variable in the end, and where: as gunicorn sees it, and as the application in a
//! worker does.

use std::path::{Path, PathBuf};

use super::{Environment, Variable};
use crate::facts::gunicorn::Launch;
use crate::facts::{App, Gunicorn, Why, WhyKind};
use crate::source::python::evaluate::OwnEnvironment;
use crate::source::{Lookup, Secret, Span};

/// A variable that is set.
#[derive(Debug, Clone)]
pub struct SetVariable {
    /// Its value.
    pub value: Secret,
    /// Where it is set; `None` if that is no place in a file.
    pub span: Option<Span>,
}

impl App {
    /// A variable as the application in a worker sees it.
    pub fn variable(&self, name: &str) -> Result<Option<SetVariable>, Why> {
        self.environment.seen_by_application(&self.gunicorn, name)
    }
}

impl Environment {
    /// A variable as gunicorn sees it, where what a repository says is judged as it stands there: one
    /// that only a file of the unit may set, which the repository does not have, is taken as not set.
    /// With the reason why that is not certain.
    pub fn seen_here(
        &self,
        whole: bool,
        launch: Option<&Launch>,
        name: &str,
    ) -> (Result<Option<SetVariable>, Why>, Option<Why>) {
        match self.seen_by_gunicorn(launch, name) {
            // On a whole host such a file is a gap.
            Err(why)
                if !whole
                    && why.kind() == WhyKind::NotRead
                    && self.open.as_ref() == Some(&why)
                    && !self.variables.contains_key(name) =>
            {
                (Ok(None), Some(why))
            }
            seen => (seen, None),
        }
    }

    /// The files of the unit that were not among those to read.
    pub fn files_elsewhere(&self) -> impl Iterator<Item = &Path> {
        let unread = self.files.iter().filter(|file| !file.ignored && file.files.is_empty());
        unread.filter_map(|file| file.path.ok()).map(PathBuf::as_path)
    }

    /// A variable as gunicorn sees it: set or taken away on the way to it, else by the unit and its
    /// files.
    pub fn seen_by_gunicorn(
        &self,
        launch: Option<&Launch>,
        name: &str,
    ) -> Result<Option<SetVariable>, Why> {
        if let Some(launch) = launch {
            let set = launch.environment.iter().rev().find(|(set, ..)| set == name);
            if let Some((_, value, span)) = set {
                return Ok(Some(SetVariable { value: value.clone(), span: Some(*span) }));
            }
            let unknown = launch.environment_unknown.iter().find(|(set, ..)| set == name);
            if let Some((_, why, _)) = unknown {
                return Err(Why::not_understood(why.clone()));
            }
            if let Some(file) = launch.sourced.first() {
                let file = file.value().unwrap_or("a file");
                // A virtual environment's own script sets nothing that matters here.
                if !file.ends_with("bin/activate") {
                    return Err(Why::not_read(format!("{file} is sourced and may set it")));
                }
            }
            if launch.cleared || launch.unset.iter().any(|unset| unset == name) {
                return Ok(None);
            }
        }
        let why = match self.variables.get(name) {
            Some(Variable { value, span, unknown: None, .. }) => {
                return Ok(Some(SetVariable { value: value.clone(), span: *span }));
            }
            Some(variable) => &variable.unknown,
            None => &self.open,
        };
        why.as_ref().map_or(Ok(None), |why| Err(why.clone()))
    }

    /// A variable as the application sees it: by gunicorn's `raw_env`, by its configuration file, or
    /// as gunicorn itself sees it.
    pub fn seen_by_application(
        &self,
        gunicorn: &Gunicorn,
        name: &str,
    ) -> Result<Option<SetVariable>, Why> {
        let launch = gunicorn.launch.get()?;
        let raw = gunicorn.settings.raw_env();
        if let Some((_, value)) = raw.get()?.iter().rev().find(|(set, _)| set == name) {
            return Ok(Some(SetVariable { value: value.clone(), span: raw.span() }));
        }
        let started_with = self.seen_by_gunicorn(Some(launch), name);
        let is_set = matches!(started_with, Ok(Some(_)));
        changed_by_config(&gunicorn.own_environment, name, is_set).unwrap_or(started_with)
    }
}

/// A variable that gunicorn's configuration file, or a hook in it, changes before the application
/// is loaded; `None` if it leaves it alone.
fn changed_by_config(
    own: &OwnEnvironment,
    name: &str,
    is_set: bool,
) -> Option<Result<Option<SetVariable>, Why>> {
    let changed = match own.variables.get(name) {
        Some(Lookup::Set(value)) => Ok(Some(SetVariable { value: value.clone(), span: None })),
        Some(Lookup::Unset) => {
            let why = "gunicorn's configuration file takes it out of the environment";
            Err(Why::depends(why))
        }
        Some(Lookup::Unknown(why)) => Err(in_config(why)),
        None => {
            let open = own.changes.as_ref().or(own.fills.as_ref().filter(|_| !is_set));
            Err(in_config(open?))
        }
    };
    Some(changed)
}

fn in_config(why: &str) -> Why {
    Why::not_understood(why).about("gunicorn's configuration")
}

/// The same for who only asks what it is set to.
pub(in crate::facts) fn as_lookup(seen: Result<Option<SetVariable>, Why>) -> Lookup {
    match seen {
        Ok(Some(variable)) => Lookup::Set(variable.value),
        Ok(None) => Lookup::Unset,
        Err(why) => Lookup::Unknown(why.text().to_owned()),
    }
}
