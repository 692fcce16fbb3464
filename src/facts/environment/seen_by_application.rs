//! Which setting of a variable takes effect for the application in a worker, and where it is.

use super::{Environment, SetVariable};
use crate::facts::{App, Gunicorn, Why};
use crate::source::Lookup;
use crate::source::python::evaluate::OwnEnvironment;

impl App {
    /// A variable as the application in a worker sees it.
    pub fn variable(&self, name: &str) -> Result<Option<SetVariable>, Why> {
        self.environment.seen_by_application(&self.gunicorn, name)
    }
}

impl Environment {
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
            let why = "gunicorn's configuration file removes it from the environment";
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
