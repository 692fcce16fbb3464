//! Which files of a repository are a deployment (`check .`): found by name and content, and joined
//! into what `--unit`, `--nginx`, `--env-file`, `--gunicorn-conf`, `--app-dir` and `--requirements`
//! name by hand, so that everything after that works the same way.
//!
//! Nothing is guessed. What belongs together is decided by what the files say (a socket's path, the
//! name of an environment file, the module that gunicorn loads) and by where they are. If two files
//! match equally well, neither is taken, what depends on them stays unknown, and the report says
//! so.

mod kind;
mod own;
mod sites;
mod units;
mod web;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::facts::{Given, Problem};
use crate::host::walk::Walked;
use crate::host::{HostErrorKind, tidy};
use crate::source::{FileId, SourceFile, Sources, show};

use kind::Kind;

/// The most files that are opened to be looked at.
const OPEN_LIMIT: usize = 20_000;
/// The most bytes that are read to be looked at.
const BYTE_LIMIT: usize = 64 << 20;

/// A file that was taken for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The file or directory.
    pub file: PathBuf,
    /// What for: `unit`, `nginx`, `environment file` …
    #[serde(rename = "as")]
    pub what: &'static str,
    /// The unit that it belongs to; `None` if it is one, or belongs to none.
    #[serde(rename = "of", skip_serializing_if = "Option::is_none")]
    pub unit: Option<PathBuf>,
    /// Why, where that is more than its name and content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A file that looks like a part of a deployment and was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

/// What was found in a repository.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The deployments: files that are read together, as one host would.
    pub sites: Vec<Given>,
    /// What was taken for what.
    pub taken: Vec<Taken>,
    /// What was left out, and why.
    pub left: Vec<LeftOut>,
    /// What keeps it from being all, or that there is nothing.
    pub problems: Vec<Problem>,
}

impl Survey {
    fn leave(&mut self, file: &Path, why: impl Into<String>) {
        self.left.push(LeftOut { file: file.into(), why: why.into() });
    }

    fn take(&mut self, file: &Path, what: &'static str, unit: Option<&Path>, why: Option<String>) {
        let unit = unit.map(Path::to_path_buf);
        self.taken.push(Taken { file: file.into(), what, unit, why });
    }
}

/// Everything in a repository, sorted by kind.
#[derive(Debug, Default)]
struct Contents {
    /// The directory, as the user wrote it.
    directory: PathBuf,
    /// Every file.
    files: Vec<PathBuf>,
    services: Vec<PathBuf>,
    sockets: Vec<PathBuf>,
    nginx: Vec<PathBuf>,
    snippets: Vec<PathBuf>,
    /// Those that bear a unit's name and were left out as `.gitignore` names them.
    ignored_units: Vec<PathBuf>,
    environment: Vec<PathBuf>,
}

/// Looks a repository through.
pub fn survey(sources: &Sources, directory: &Path, walked: &Walked) -> Survey {
    let mut survey = Survey::default();
    let contents = sort(sources, directory, walked, &mut survey);
    let units = units::find(sources, &contents, &mut survey);
    let web = web::read_all(sources, &contents, &mut survey);
    sites::join(sources, &contents, units, web, &mut survey);
    if survey.sites.is_empty() {
        survey.problems.push(nothing(&contents.directory, walked.files.len()));
    }
    survey.left.sort_by(|a, b| a.file.cmp(&b.file));
    survey.left.dedup();
    survey
}

/// Words on what was looked for in vain.
fn nothing(directory: &Path, files: usize) -> Problem {
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    Problem::new(
        directory,
        format!(
            "no deployment was found in {files}: looked for a systemd unit that runs gunicorn \
             ([Service] with ExecStart=, even as a template) and for nginx configuration that \
             passes requests to an application; left out are tests, documentation and what \
             .gitignore names (-v lists them); --unit and --nginx name files directly"
        ),
    )
}

fn sort(sources: &Sources, directory: &Path, walked: &Walked, survey: &mut Survey) -> Contents {
    let mut contents = Contents { directory: directory.into(), ..Contents::default() };
    let cut = |why: &str| {
        Problem::new(
            directory,
            format!("not all of it was checked: {why}; name the part that is deployed"),
        )
    };
    survey.problems.extend(walked.cut.as_deref().map(cut));
    survey.problems.extend(
        walked
            .unreadable
            .iter()
            .map(|error| Problem::new(directory, format!("cannot be read: {error}"))),
    );
    for path in walked.links.iter().filter(|path| kind::is_named(path)) {
        survey.leave(
            &tidy(&directory.join(path)),
            "it is a link: its target is checked under its own path, if that is in this repository",
        );
    }
    for path in walked.ignored.iter().filter(|path| kind::is_named(path)) {
        let full = tidy(&directory.join(path));
        survey.leave(&full, ".gitignore names it and git does not track it");
        if kind::is_named_unit(path) {
            contents.ignored_units.push(full);
        }
    }
    let (mut opened, mut bytes) = (0, 0);
    for path in &walked.files {
        let full = tidy(&directory.join(path));
        contents.files.push(full.clone());
        if !kind::is_candidate(path) {
            continue;
        }
        if kind::is_environment(path) {
            if kind::aside(path).is_none() {
                contents.environment.push(full);
            }
            continue;
        }
        if opened >= OPEN_LIMIT || bytes >= BYTE_LIMIT {
            let why = format!("more than {OPEN_LIMIT} files, or {} MiB, to open", BYTE_LIMIT >> 20);
            survey.problems.push(cut(&why));
            break;
        }
        let named = kind::is_named(path);
        let limit = if named { kind::NAMED_SIZE_LIMIT } else { kind::SIZE_LIMIT };
        let read = match sources.host().read(&full, limit) {
            Ok(read) => read,
            Err(error) if matches!(error.kind, HostErrorKind::TooLarge { .. }) && !named => {
                survey.leave(
                    &full,
                    format!("a file of {} KiB or more is not a configuration", limit >> 10),
                );
                continue;
            }
            Err(error) => {
                survey.problems.push(Problem::unreadable(&error));
                continue;
            }
        };
        opened += 1;
        bytes += read.len();
        let file = Arc::new(SourceFile::new(FileId(0), full.clone(), read));
        let kind = kind::of(&file);
        if kind.is_some() && kind::is_backup(path) {
            survey.leave(&full, "it is a backup by its name");
            continue;
        }
        let Some(kind) = kind else {
            match kind::is_named_unit(path) {
                true if memchr::memchr(0, &file.bytes).is_some() => {
                    let message = "is not text: it contains NUL bytes, and nothing in it was \
                         checked";
                    survey.problems.push(Problem::new(&full, message));
                }
                true if speaks_of_gunicorn(&file) => {
                    let message = "it names gunicorn, but systemd finds no ExecStart= in a \
                                   [Service] section: the unit does not start, and nothing in it \
                                   was checked";
                    survey.problems.push(Problem::new(&full, message));
                }
                true => survey.leave(
                    &full,
                    "it has no [Service] with ExecStart= and no [Socket] with Listen…=",
                ),
                false => {}
            }
            continue;
        };
        if let Some(why) = kind::aside(path) {
            survey.leave(&full, why);
            continue;
        }
        match kind {
            Kind::Service => contents.services.push(full),
            Kind::Socket => contents.sockets.push(full),
            Kind::NginxMain | Kind::NginxSite => contents.nginx.push(full),
            Kind::NginxSnippet => contents.snippets.push(full),
        }
    }
    contents
}

/// Does a unit say gunicorn in a line that was meant to start it?
fn speaks_of_gunicorn(file: &SourceFile) -> bool {
    let mut lines = file.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.any(|line| {
        line.starts_with(b"ExecStart") && memchr::memmem::find(line, b"gunicorn").is_some()
    })
}

/// How many directories two paths share from the top on.
fn together(a: &Path, b: &Path) -> usize {
    let (a, b) = (a.parent().unwrap_or(a), b.parent().unwrap_or(b));
    a.components().zip(b.components()).take_while(|(a, b)| a == b).count()
}

/// The one that fits best; an error with all those that fit alike.
fn best<'p, K: Ord>(
    candidates: impl IntoIterator<Item = &'p PathBuf>,
    fits: impl Fn(&Path) -> K,
) -> Result<Option<&'p PathBuf>, Vec<&'p PathBuf>> {
    let mut top: Vec<&PathBuf> = Vec::new();
    for candidate in candidates {
        let order = top.first().map(|first| fits(candidate).cmp(&fits(first)));
        match order {
            None => top.push(candidate),
            Some(std::cmp::Ordering::Less) => {}
            Some(std::cmp::Ordering::Equal) => top.push(candidate),
            Some(std::cmp::Ordering::Greater) => top = vec![candidate],
        }
    }
    match top.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(top),
    }
}

/// `a, b and c`.
fn listed<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> String {
    let names: Vec<String> = paths.into_iter().map(|path| path.display().to_string()).collect();
    show::listed(&names)
}
