//! The units that run gunicorn, among all units in a repository.

use std::path::{Path, PathBuf};

use super::kind::SIZE_LIMIT;
use super::{Contents, Survey};
use crate::facts::{self, Deployment, Given, Request, Scope};
use crate::source::Sources;

/// A unit that runs gunicorn.
#[derive(Debug)]
pub(super) struct AppUnit {
    pub path: PathBuf,
    /// The unit's name, `.service` included.
    pub name: String,
    /// The words of its commands' lines; what it starts may be in the repository.
    pub why: Option<String>,
    /// Its drop-ins, in the order in which they apply.
    pub drop_ins: Vec<PathBuf>,
}

/// Reads files of the repository as they would be read when they are named by hand.
pub(super) fn read(sources: &Sources, given: Given) -> Deployment {
    let scope = Scope::Files(given);
    facts::read(sources, &Request { apps: Vec::new(), scope, database_revision: None })
}

pub(super) fn find(sources: &Sources, contents: &Contents, survey: &mut Survey) -> Vec<AppUnit> {
    let mut found = Vec::new();
    for path in &contents.services {
        let deployment = read(sources, Given { units: vec![path.clone()], ..Given::default() });
        let Some(app) = deployment.apps.first() else {
            let said = deployment.problems.first().map(|problem| problem.message.as_str());
            let said = said.unwrap_or("does not run gunicorn");
            let said = said.strip_suffix(": nothing in it was checked").unwrap_or(said);
            survey.leave(path, said);
            continue;
        };
        let name = app.name.clone();
        let drop_ins: Vec<PathBuf> =
            app.service.unit.drop_ins.iter().map(|own| own.file.path.clone()).collect();
        let unit = |why| AppUnit { path: path.clone(), name, why, drop_ins };
        match &app.gunicorn.launch {
            facts::Known::Unknown(why) if !speaks_of_gunicorn(sources, path) => {
                match started_script(sources, contents, path) {
                    Some(script) => {
                        let why =
                            Some(format!("it starts {}, which runs gunicorn", script.display()));
                        found.push(unit(why));
                    }
                    None => survey.leave(
                        path,
                        format!(
                            "it is not known whether it runs gunicorn: \
                                                    {why}"
                        ),
                    ),
                }
            }
            _ => found.push(unit(None)),
        }
    }
    found
}

fn speaks_of_gunicorn(sources: &Sources, path: &Path) -> bool {
    let file = sources.load(path);
    file.is_ok_and(|file| memchr::memmem::find(&file.bytes, b"gunicorn").is_some())
}

/// A file of the repository that bears the name of a word in ExecStart= and mentions gunicorn.
fn started_script(sources: &Sources, contents: &Contents, unit: &Path) -> Option<PathBuf> {
    let file = sources.load(unit).ok()?;
    let text = String::from_utf8_lossy(&file.bytes);
    let words = text.lines().filter(|line| line.starts_with("ExecStart=")).flat_map(|line| {
        let words = line.split(|c: char| c.is_whitespace() || "=\"';&|".contains(c));
        words.filter_map(|word| Path::new(word).file_name())
    });
    let mut named: Vec<&PathBuf> = words
        .flat_map(|word| contents.files.iter().filter(move |file| file.file_name() == Some(word)))
        .collect();
    named.sort();
    named.dedup();
    let speaks = |file: &&PathBuf| {
        let bytes = sources.host().read(file, SIZE_LIMIT);
        bytes.is_ok_and(|bytes| memchr::memmem::find(&bytes, b"gunicorn").is_some())
    };
    named.into_iter().find(speaks).cloned()
}
