//! Which setting of a variable takes effect for gunicorn, and where it is.

use std::path::{Path, PathBuf};

use super::{Environment, Variable};
use crate::facts::gunicorn::Launch;
use crate::facts::{Why, WhyKind};
use crate::source::{Lookup, Secret, Span};

/// A variable that is set.
#[derive(Debug, Clone)]
pub struct SetVariable {
    /// Its value.
    pub value: Secret,
    /// Where it is set; `None` if that is not a place in a file.
    pub span: Option<Span>,
}

impl Environment {
    /// A variable as gunicorn sees it, where what a repository says is judged as it is there: one
    /// that only a file of the unit may set, which the repository does not have, is taken as not
    /// set. With the reason why that is not certain.
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
}

/// Reduces the result of looking up a variable to its value, for callers that need no position.
pub(in crate::facts) fn as_lookup(seen: Result<Option<SetVariable>, Why>) -> Lookup {
    match seen {
        Ok(Some(variable)) => Lookup::Set(variable.value),
        Ok(None) => Lookup::Unset,
        Err(why) => Lookup::Unknown(why.text().to_owned()),
    }
}
