//! The file of the SQLite database that the application keeps its data in.

use std::path::Path;

use super::super::place::tidy;
use super::super::server::Gunicorn;
use super::super::{Environment, Known, Machine, Origin, Place, Why};
use super::{Code, Django};
use crate::source::Span;

/// A SQLite database.
#[derive(Debug, Clone)]
pub struct Sqlite {
    /// Its file.
    pub place: Place,
    /// The directory of the file, in which SQLite makes files of its own.
    pub directory: Place,
    /// Where it is named.
    pub span: Option<Span>,
    /// The variable that names it, whose value is not shown.
    pub variable: Option<String>,
}

/// The variables that a database is named by.
const VARIABLES: [&str; 3] = ["DATABASE_URL", "SQLALCHEMY_DATABASE_URI", "SQLALCHEMY_DATABASE_URL"];

/// It, where it is known; none where the application names none, or another database.
pub(super) fn read(
    machine: &Machine,
    gunicorn: &Gunicorn,
    environment: &Environment,
    (code, django): (&Code, Option<&Django>),
    look: &dyn Fn(&Path) -> Place,
) -> Known<Option<Sqlite>> {
    let known = |path: &Path, span: Option<Span>, variable: Option<&str>| {
        let directory = look(path.parent().unwrap_or(Path::new("/")));
        let variable = variable.map(str::to_owned);
        let found = Some(Sqlite { place: look(path), directory, span, variable });
        match span {
            Some(span) => Known::Value(found, Origin::text(span)),
            None => Known::Observed(found, "the application's settings"),
        }
    };
    let none = || Known::Observed(None, "the application's code");
    if let Some(django) = django {
        let name = match django.sqlite.get() {
            Ok(Some(name)) => name,
            Ok(None) => return none(),
            Err(why) => return Known::Unknown(why),
        };
        // Where a repository's files will be is another matter.
        let absolute = match (name.is_absolute(), gunicorn.settings.chdir().get()) {
            (true, _) if !name.starts_with(super::django_settings::HERE) => name.clone(),
            (false, Ok(here)) if machine.whole => tidy(&here.join(name)),
            _ => return Known::Unknown(Why::depends("it is not known where the database will be")),
        };
        return known(&absolute, django.sqlite.span(), None);
    }
    let certain = || code.modules.iter().filter(|module| module.certain);
    if let Some(written) = certain().find_map(|module| module.sqlite.as_ref()) {
        return known(Path::new(&written.value), Some(written.span), None);
    }
    for name in VARIABLES {
        let read = certain().any(|m| m.environment.variables.iter().any(|one| one.name == name));
        let Ok(Some(variable)) = environment.seen_by_application(gunicorn, name) else { continue };
        let url = variable.value.expose_str().filter(|_| read);
        if let Some(path) = url.and_then(crate::source::python::flask::sqlite_file) {
            return known(Path::new(path), variable.span, Some(name));
        }
    }
    none()
}
