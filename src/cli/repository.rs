//! `deploy-doctor check DIR`: the files of a repository, as its settings file lists them or as they
//! are found.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::arguments::{Found, WhereArguments};
use super::{CommandError, read, settings};
use crate::facts::{Given, Problem};
use crate::host::walk::walk;
use crate::host::{FileKind, Outcome, tidy};
use crate::repository::{self, Survey, Taken};
use crate::source::Sources;
use crate::source::placeholder::plain_name;
use crate::source::unit::{self, UnitName};

/// Replaces arguments that are directories or contain a `/` by the files of these repositories.
pub(super) fn settle(
    place: &mut WhereArguments,
    config: Option<&Path>,
) -> Result<(), CommandError> {
    if let Some(file) = &place.capture {
        place.replayed = Some(super::capture::load(file)?);
        return match place.apps.iter().find(|word| word.contains('/')) {
            Some(word) => Err(CommandError::usage(format!(
                "{word}: with --capture, name a unit that the capture contains, or none"
            ))),
            None => Ok(()),
        };
    }
    let host = read::around(place)?;
    let working = read::working_directory()?;
    let found = |word: &str| host.look(&tidy(&working.join(word))).outcome;
    let is_directory = |outcome: &Outcome| matches!(outcome, Outcome::Present(found) if found.kind == FileKind::Directory);
    // With --root, a word is the name of a unit, even if there is such a directory here.
    let is_repository =
        |word: &String| word.contains('/') || (place.root.is_none() && is_directory(&found(word)));
    let (directories, apps): (Vec<String>, Vec<String>) =
        std::mem::take(&mut place.apps).into_iter().partition(is_repository);
    place.apps = apps;
    // Units with the same name are distinguished by their files.
    let is_unit = |word: &String| {
        let named = Path::new(word)
            .file_name()
            .is_some_and(|name| UnitName::exact(&name.to_string_lossy()).is_some());
        named && matches!(found(word), Outcome::Present(there) if there.kind == FileKind::File)
    };
    let (units, directories): (Vec<String>, Vec<String>) = match directories.iter().all(is_unit) {
        true => (Vec::new(), directories),
        false => directories.into_iter().partition(is_unit),
    };
    let Some(shown) = directories.first() else { return Ok(()) };
    if place.root.is_some() || place.names_files() {
        return Err(CommandError::usage(format!(
            "{shown} is a repository: do not combine it with --root or options that name files \
             (--unit …)"
        )));
    }
    for word in &directories {
        match found(word) {
            outcome if is_directory(&outcome) => {}
            Outcome::Present(_) => {
                return Err(CommandError::usage(format!(
                    "{word} is not a directory: name the directory it is in, or the file itself \
                     with --unit, --nginx, --env-file …"
                )));
            }
            Outcome::Missing { .. } => {
                return Err(CommandError::incomplete(format!("{word}: no such directory")));
            }
            Outcome::Failed(error) => return Err(CommandError::incomplete(error.to_string())),
        }
    }
    let directories = outermost(&directories, &working);
    place.repository = directories.first().cloned();
    let mut listed = match directories.as_slice() {
        [directory] => listed(place, config, &tidy(&working.join(directory)), &working)?,
        _ => Vec::new(),
    };
    if listed.is_empty() {
        return find(place, directories, &units);
    }
    let survey = survey(place, &directories)?;
    if place.apps.is_empty() && units.is_empty() {
        place.unlisted = unlisted(&survey, &listed, &working);
    }
    place.beside = listed.iter_mut().flat_map(|given| complete(given, &survey, &working)).collect();
    place.apps.extend(units.iter().map(|unit| name_of(unit)));
    for given in &listed {
        let own = given.units.iter().filter(|unit| !place.unit.contains(unit));
        place.unit.extend(own.cloned().collect::<Vec<_>>());
        let own = given.nginx.iter().filter(|site| !place.nginx.contains(site));
        place.nginx.extend(own.cloned().collect::<Vec<_>>());
    }
    place.each = listed;
    Ok(())
}

/// The directories, written as short as possible (`.` stays). A directory inside another one is
/// left out, because it is searched with the other.
fn outermost(words: &[String], working: &Path) -> Vec<PathBuf> {
    let shortest = |word: &String| match tidy(Path::new(word)) {
        path if path.as_os_str().is_empty() => PathBuf::from("."),
        path => path,
    };
    let named: Vec<PathBuf> = words.iter().map(shortest).collect();
    let full: Vec<PathBuf> = named.iter().map(|path| tidy(&working.join(path))).collect();
    let inside = |at: usize| {
        full.iter().enumerate().any(|(other, around)| {
            let same = full[at] == *around;
            full[at].starts_with(around) && if same { other < at } else { other != at }
        })
    };
    let outer = named.iter().enumerate().filter(|(at, _)| !inside(*at));
    outer.map(|(_, path)| path.clone()).collect()
}

/// The files of the applications that the settings file lists.
fn listed(
    place: &WhereArguments,
    config: Option<&Path>,
    top: &Path,
    working: &Path,
) -> Result<Vec<Given>, CommandError> {
    let config = settings::load(place, config)?;
    let lies_below =
        |given: &Given| given.units.iter().any(|unit| tidy(&working.join(unit)).starts_with(top));
    let apps = config.iter().flat_map(|config| &config.apps);
    Ok(apps.map(|app| app.files.clone()).filter(lies_below).collect())
}

/// Units that would have been found but that no `[[app]]` names: somebody may have added a service
/// to the repository but not to the settings file.
fn unlisted(survey: &Survey, listed: &[Given], working: &Path) -> Vec<Problem> {
    let full = |path: &PathBuf| tidy(&working.join(path));
    let known: HashSet<PathBuf> =
        listed.iter().flat_map(|given| given.units.iter().map(full)).collect();
    let units = survey.sites.iter().flat_map(|given| &given.units);
    let services = units.filter(|unit| unit.extension().is_some_and(|kind| kind == "service"));
    let others = services.filter(|unit| !known.contains(&full(unit)));
    let told = others.map(|unit| Problem {
        note: true,
        ..Problem::new(
            unit,
            "it was not checked: deploy-doctor.toml lists applications, but no [[app]] has this \
             unit",
        )
    });
    told.collect()
}

/// Adds what the settings file does not mention about an application, as found without that file:
/// naming a unit and a site does not mean that there is no configuration of gunicorn. Returns what
/// was added.
fn complete(given: &mut Given, survey: &Survey, working: &Path) -> Vec<Taken> {
    let full = |path: &Path| tidy(&working.join(path));
    let named: HashSet<PathBuf> = given.units.iter().map(|unit| full(unit)).collect();
    let is_named = |unit: &PathBuf| named.contains(&full(unit));
    let Some(site) = survey.sites.iter().find(|site| site.units.iter().any(is_named)) else {
        return Vec::new();
    };
    let Some(own) = site.each.iter().find(|own| own.units.iter().any(is_named)) else {
        return Vec::new();
    };
    let mut taken: HashSet<&Path> = HashSet::new();
    if given.units.iter().all(|unit| unit.extension().is_none_or(|kind| kind != "socket")) {
        let stems: Vec<_> = given.units.iter().filter_map(|unit| stem(unit)).collect();
        let is_socket = |unit: &&PathBuf| unit.extension().is_some_and(|kind| kind == "socket");
        let sockets = site.units.iter().filter(is_socket);
        let sockets: Vec<&PathBuf> =
            sockets.filter(|unit| stem(unit).is_some_and(|stem| stems.contains(&stem))).collect();
        taken.extend(sockets.iter().map(|unit| unit.as_path()));
        given.units.extend(sockets.into_iter().cloned());
    }
    for (mine, found) in [(&mut given.nginx, &site.nginx), (&mut given.env_files, &own.env_files)] {
        if mine.is_empty() {
            taken.extend(found.iter().map(PathBuf::as_path));
            mine.clone_from(found);
        }
    }
    for (mine, found) in [
        (&mut given.app_dir, &own.app_dir),
        (&mut given.gunicorn_conf, &own.gunicorn_conf),
        (&mut given.requirements, &own.requirements),
    ] {
        if mine.is_none() {
            taken.extend(found.as_deref());
            mine.clone_from(found);
        }
    }
    survey.taken.iter().filter(|one| taken.contains(one.file.as_path())).cloned().collect()
}

/// The name of a unit's file without its endings: `shop` for `shop.service.j2`.
fn stem(unit: &Path) -> Option<String> {
    let name = plain_name(unit);
    Some(name.rsplit_once('.')?.0.to_owned())
}

/// The unit's name according to the name of its file.
fn name_of(unit: &str) -> String {
    unit::name_of_file(Path::new(unit)).to_string()
}

/// Searches the directories.
fn survey(place: &WhereArguments, directories: &[PathBuf]) -> Result<Survey, CommandError> {
    let host = read::fenced(place, directories)?;
    let sources = Sources::new(&*host);
    let mut all = Survey::default();
    for path in directories {
        let mut walked = walk(path);
        if let Some(unsaved) = &place.unsaved {
            walked.files.extend(unsaved.new_files(&read::this_host()?, &settings::full(path)?));
            walked.files.sort();
        }
        let survey = repository::survey(&sources, path, &walked);
        all.sites.extend(survey.sites);
        all.taken.extend(survey.taken);
        all.left.extend(survey.left);
        all.problems.extend(survey.problems);
    }
    Ok(all)
}

/// Replaces the arguments by what is found in the directories.
fn find(
    place: &mut WhereArguments,
    directories: Vec<PathBuf>,
    units: &[String],
) -> Result<(), CommandError> {
    let mut all = survey(place, &directories)?;
    if !place.apps.is_empty() || !units.is_empty() {
        let host = read::fenced(place, &directories)?;
        let sources = Sources::new(&*host);
        let working = read::working_directory()?;
        let full = |path: &Path| tidy(&working.join(path));
        let files: Vec<PathBuf> = units.iter().map(|unit| full(Path::new(unit))).collect();
        let wanted: Vec<Option<UnitName>> =
            place.apps.iter().map(|app| UnitName::parse(app)).collect();
        let has = |path: &PathBuf| {
            files.contains(&full(path))
                || unit::from_file(&sources, path)
                    .is_ok_and(|unit| wanted.contains(&Some(unit.name)))
        };
        all.sites.retain(|given| given.units.iter().any(has));
    }
    place.apps.extend(units.iter().map(|unit| name_of(unit)));
    place.found = Some(Found { directories, survey: all });
    Ok(())
}
