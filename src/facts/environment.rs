//! The environment that a service's processes get, and which file sets what.

mod misread;
mod random;
mod seen;
mod seen_by_application;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lost::{self, LostAssignment};
use super::place::{Place, tidy};
use super::{Known, Machine, Problem, Service, Why};
use crate::host::{FileKind, HostErrorKind, Outcome, holds_git};
use crate::source::env_file::{self, Dialect, EnvFile};
use crate::source::unit::Expansion;
use crate::source::unit::environment::{EnvironmentAssignment, assignments, passed, unset};
use crate::source::{Secret, SourceFile, Sources, Span, Spanned, Text, placeholder};

pub use misread::{MeantFile, Misread, Misreading};
pub use random::looks_random;
pub use seen::SetVariable;
pub(super) use seen::as_lookup;

pub use crate::source::Lookup;
pub use crate::source::env_file::{
    EnvAssignment, Expansion as ShellText, ExpansionKind, FaultKind as LoadFaultKind, Ignored,
    IgnoredKind, SwallowingComment,
};
pub use crate::source::secretive::PLACEHOLDER_PARTS;

/// What an `EnvironmentFile=` line names.
#[derive(Debug)]
pub struct EnvironmentFile {
    /// The value in the unit; none for a file given on the command line that no line names.
    pub directive: Option<Span>,
    /// A missing file is not a fault: the path starts with `-`.
    pub optional: bool,
    /// systemd ignores the line: the path is not absolute, or quoted.
    pub ignored: bool,
    /// Where it does, or takes several paths for one: what was meant.
    pub misread: Option<Misread>,
    /// The path, or the pattern.
    pub path: Known<PathBuf>,
    /// What is there; more than one for a pattern.
    pub places: Vec<Place>,
    /// What was read, in order.
    pub files: Vec<ReadFile>,
}

/// An environment file that was read.
#[derive(Debug)]
pub struct ReadFile {
    /// Its bytes.
    pub source: Arc<SourceFile>,
    /// How systemd understands it.
    pub content: EnvFile,
    /// Mode, owner and the way there.
    pub place: Place,
    /// The working tree of git that it is in; none too where only files were given.
    pub git_tree: Option<PathBuf>,
}

impl ReadFile {
    /// The name that a dropped line was meant to set, and where it is, if it may be shown.
    pub fn meant(&self, line: &Ignored) -> Option<Spanned<String>> {
        meant(&self.source, line)
    }

    /// Why systemd cannot load it, in which line, and that line's first byte: where in the line it is
    /// would tell how long a hidden value is.
    pub fn fault(&self) -> Option<(LoadFaultKind, usize, Span)> {
        let fault = self.content.fatal?;
        let line = self.source.position(fault.span.start).line;
        let start = self.source.line_span(line).start;
        Some((fault.kind, line, Span { start, end: start + 1, ..fault.span }))
    }
}

/// A text with spaces in it may as well be a part of a secret of several words.
fn meant(source: &SourceFile, line: &Ignored) -> Option<Spanned<String>> {
    let name = line.name.as_ref().filter(|name| !name.contains(' '))?;
    let text = source.slice(line.name_span);
    // Behind `NAME:` the value follows, which may contain the name again; before it, `export` may.
    let at = if line.kind == IgnoredKind::Colon {
        memchr::memmem::find(text, name.as_bytes())?
    } else {
        memchr::memmem::rfind(text, name.as_bytes())?
    };
    let start = line.name_span.start as usize + at;
    let span = Span::new(source.id, start, start + name.len());
    Some(Spanned { value: name.clone(), span })
}

/// Where a variable comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetBy {
    /// `Environment=` in the unit.
    Unit,
    /// An environment file.
    File,
    /// systemd itself sets it for every service: PATH, HOME, USER …
    Manager,
    /// `DefaultEnvironment=` in systemd's own settings.
    Defaults,
}

/// A variable of the service's environment. Its value is never shown.
#[derive(Debug, Clone)]
pub struct Variable {
    /// The value.
    pub value: Secret,
    /// Where its name is; none for systemd's own.
    pub span: Option<Span>,
    /// Where its value is, quotes of an environment file included; none for systemd's own.
    pub value_span: Option<Span>,
    /// Who sets it.
    pub set_by: SetBy,
    /// Why the value is not known although the name is: a placeholder or specifier.
    pub unknown: Option<Why>,
}

/// The environment that a service's processes get.
#[derive(Debug, Default)]
pub struct Environment {
    /// The files in the unit's order.
    pub files: Vec<EnvironmentFile>,
    /// The variables by name; a file beats `Environment=`, the last file beats the earlier ones.
    pub variables: BTreeMap<String, Variable>,
    /// Those that `UnsetEnvironment=` takes away again.
    pub unset: BTreeMap<String, Variable>,
    /// What the unit's own `Environment=` does not mean.
    pub lost: Vec<LostAssignment>,
    /// Why there may be other variables, or other values.
    pub open: Option<Why>,
}

/// The first systemd that applies `UnsetEnvironment=` after it expanded the command line.
const UNSETS_LAST: u32 = 262;

impl Environment {
    /// What a name is set to when the service starts.
    pub fn lookup(&self, name: &str) -> Lookup<&Secret> {
        match self.variables.get(name) {
            Some(Variable { unknown: Some(why), .. }) => Lookup::Unknown(why.text().to_owned()),
            Some(variable) => Lookup::Set(&variable.value),
            None => match &self.open {
                Some(why) => Lookup::Unknown(why.text().to_owned()),
                None => Lookup::Unset,
            },
        }
    }

    /// What `${NAME}` in an `Exec…=` line becomes: from systemd 262 on, also what `UnsetEnvironment=`
    /// takes away only afterwards (measured on 252 and 262).
    pub fn lookup_in_exec(&self, name: &str, systemd: Option<u32>) -> Lookup<&Secret> {
        match (self.lookup(name), self.unset.get(name), systemd) {
            (Lookup::Unset, Some(variable), Some(UNSETS_LAST..)) => match &variable.unknown {
                Some(why) => Lookup::Unknown(why.text().to_owned()),
                None => Lookup::Set(&variable.value),
            },
            (Lookup::Unset, Some(_), None) => Lookup::Unknown(format!(
                "UnsetEnvironment= removes {name}, before or after ExecStart= depending on \
                 systemd's version"
            )),
            (found, _, _) => found,
        }
    }

    /// Is there certainly nothing in its place in an `Exec…=` line?
    pub fn is_unset_in_exec(&self, name: &str, systemd: Option<u32>) -> Result<bool, Why> {
        match self.lookup_in_exec(name, systemd) {
            Lookup::Unset => Ok(true),
            Lookup::Set(_) => Ok(false),
            // Where only its value is not known, it is set.
            Lookup::Unknown(_) if self.variables.contains_key(name) => Ok(false),
            Lookup::Unknown(why) => Err(Why::depends(why)),
        }
    }

    /// Does this place in a file decide what the name is set to?
    pub fn decides(&self, name: &str, span: Span) -> bool {
        self.variables.get(name).is_some_and(|variable| variable.span == Some(span))
    }

    /// Every environment file that was read.
    pub fn read_files(&self) -> impl Iterator<Item = &ReadFile> {
        self.files.iter().flat_map(|file| &file.files)
    }
}

/// Names that systemd sets for a service of the system manager (systemd.exec(5), "Environment
/// Variables Set or Propagated by the Service Manager"). PWD is not among them: measured.
const MANAGER: [&str; 14] = [
    "PATH",
    "LANG",
    "USER",
    "LOGNAME",
    "HOME",
    "SHELL",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "NOTIFY_SOCKET",
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "LISTEN_FDS",
    // gunicorn's own, for CGI's sake.
    "SERVER_SOFTWARE",
];

/// Names that it sets where one of these settings is.
const BY_SETTING: [(&str, &[&str]); 5] = [
    ("CACHE_DIRECTORY", &["CacheDirectory"]),
    ("LOGS_DIRECTORY", &["LogsDirectory"]),
    ("CONFIGURATION_DIRECTORY", &["ConfigurationDirectory"]),
    (
        "CREDENTIALS_DIRECTORY",
        &[
            "LoadCredential",
            "LoadCredentialEncrypted",
            "SetCredential",
            "SetCredentialEncrypted",
            "ImportCredential",
        ],
    ),
    ("MEMORY_PRESSURE_WATCH", &["MemoryPressureWatch"]),
];

/// Joins the unit's settings with the files that they name. `given` are files of the command line,
/// which are in for the unit's.
pub fn read(
    sources: &Sources,
    machine: &Machine,
    service: &Service,
    given: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Environment {
    let mut environment = Environment::default();
    let has = |key: &&str| service.unit.last("Service", key).is_some();
    let set = BY_SETTING.iter().filter(|(_, keys)| keys.iter().any(has)).map(|(name, _)| *name);
    for name in MANAGER.into_iter().chain(set) {
        environment.variables.insert(
            name.to_owned(),
            Variable {
                value: Secret::new(""),
                span: None,
                value_span: None,
                set_by: SetBy::Manager,
                unknown: Some(Why::depends("systemd sets it when the service starts")),
            },
        );
    }
    read_defaults(sources, machine, service, &mut environment);
    read_unit(sources, service, &mut environment);
    environment.lost = lost::read(service);
    let dialect = Dialect::of_version(machine.systemd.ok().copied());
    let directives = service.unit.list("Service", "EnvironmentFile");
    let mut given: Vec<PathBuf> = given.to_vec();
    for (index, assignment) in directives.iter().enumerate() {
        let mut file = directive(sources, machine, service, &assignment.value);
        if let Some(path) = take_given(&mut given, &file.path, directives.len() - index) {
            file.path = Known::Value(path, super::Origin::Option("--env-file"));
        }
        load(sources, machine, dialect, &mut file, problems);
        adopt(&mut environment, &file);
        environment.files.push(file);
    }
    for path in given {
        let mut file = EnvironmentFile {
            directive: None,
            optional: false,
            ignored: false,
            misread: None,
            path: Known::Value(path, super::Origin::Option("--env-file")),
            places: Vec::new(),
            files: Vec::new(),
        };
        load(sources, machine, dialect, &mut file, problems);
        adopt(&mut environment, &file);
        environment.files.push(file);
    }
    remove_unset(service, &mut environment);
    environment
}

/// The file of the command line that is in for this line: the one of the same name, or the next one
/// when there are no more lines than files.
fn take_given(given: &mut Vec<PathBuf>, path: &Known<PathBuf>, lines: usize) -> Option<PathBuf> {
    let name = path.ok().and_then(|path| path.file_name());
    let same = given.iter().position(|other| other.file_name() == name && name.is_some());
    let at = same.or_else(|| (!given.is_empty() && lines <= given.len()).then_some(0))?;
    Some(given.remove(at))
}

fn is_working_directory(service: &Service, variable: &EnvironmentAssignment) -> bool {
    let named = variable.name.value == "PWD" && variable.unknown.is_none();
    let place = service.working_directory.ok().and_then(Option::as_ref);
    let value = variable.value.expose_str().map(Path::new);
    named && value.zip(place).is_some_and(|(value, place)| tidy(value) == tidy(&place.path))
}

/// `DefaultEnvironment=`, which everything of the unit's own beats.
fn read_defaults(
    sources: &Sources,
    machine: &Machine,
    service: &Service,
    environment: &mut Environment,
) {
    match machine.default_environment.get() {
        Ok(lines) => {
            for line in lines {
                assign(sources, service, line, SetBy::Defaults, environment);
            }
        }
        // Of a repository nobody expects them.
        Err(why) if machine.whole => environment.open = Some(why),
        Err(_) => {}
    }
}

/// The assignments of one line, as `Environment=` and `DefaultEnvironment=` take them.
fn assign(
    sources: &Sources,
    service: &Service,
    line: &Text,
    set_by: SetBy,
    environment: &mut Environment,
) {
    let (found, _) = assignments(line, &service.unit.specifiers);
    // Everything but the names is hidden, also what systemd drops as no assignment.
    let mut shown: Vec<Span> = found.iter().map(|variable| variable.name.span).collect();
    // It says what WorkingDirectory= says, which is shown: a fix writes such a line.
    for own in found.iter().filter(|variable| is_working_directory(service, variable)) {
        sources.reveal(own.value_span);
    }
    shown.sort_unstable();
    hide_rest(sources, line.span(), &shown);
    for variable in found {
        environment.variables.insert(
            variable.name.value.clone(),
            Variable {
                value: variable.value,
                span: Some(variable.name.span),
                value_span: Some(variable.value_span),
                set_by,
                unknown: variable.unknown.map(Why::not_understood),
            },
        );
    }
}

fn read_unit(sources: &Sources, service: &Service, environment: &mut Environment) {
    for assignment in service.unit.list("Service", "Environment") {
        assign(sources, service, &assignment.value, SetBy::Unit, environment);
    }
    for assignment in service.unit.list("Service", "PassEnvironment") {
        for name in passed(&assignment.value, &service.unit.specifiers).0 {
            environment.variables.entry(name.value).or_insert_with(|| Variable {
                value: Secret::new(""),
                span: Some(name.span),
                value_span: None,
                set_by: SetBy::Manager,
                unknown: Some(Why::depends("it is passed on from systemd's own environment")),
            });
        }
    }
    if service.unit.last("Service", "PAMName").is_some() {
        environment.open = Some(Why::depends("PAMName= may set more variables"));
    }
}

fn remove_unset(service: &Service, environment: &mut Environment) {
    for assignment in service.unit.list("Service", "UnsetEnvironment") {
        for name in unset(&assignment.value, &service.unit.specifiers).0 {
            let remove = match (&name.value, environment.variables.get(&name.name.value)) {
                (None, _) => true,
                (Some(value), Some(variable)) => variable.value == *value,
                (Some(_), None) => false,
            };
            if remove && let Some(taken) = environment.variables.remove(&name.name.value) {
                environment.unset.insert(name.name.value, taken);
            }
        }
    }
}

/// What an `EnvironmentFile=` line means to systemd.
fn directive(
    sources: &Sources,
    machine: &Machine,
    service: &Service,
    value: &crate::source::Text,
) -> EnvironmentFile {
    let mut file = EnvironmentFile {
        directive: Some(value.span()),
        optional: false,
        ignored: false,
        misread: None,
        path: Known::Unknown(Why::not_understood("the path is not known")),
        places: Vec::new(),
        files: Vec::new(),
    };
    if placeholder::find_with_dollar(value.as_str()).is_some() {
        file.path = Known::Unknown(Why::not_understood("EnvironmentFile= contains a placeholder"));
        return file;
    }
    let text = match service.unit.specifiers.expand(value) {
        Expansion::Known(text) => Some(text),
        Expansion::NotKnown { why, .. } => {
            file.path = Known::Unknown(Why::not_understood(why).about("EnvironmentFile="));
            return file;
        }
        Expansion::Invalid(_) => None,
    };
    let written = text.as_ref().map_or("", |text| text.as_str());
    let path = written.strip_prefix('-');
    file.optional = path.is_some();
    let path = path.unwrap_or(written);
    if path.starts_with('/') {
        file.path = Known::Value(PathBuf::from(path), super::Origin::text(value.span()));
    } else {
        file.ignored = true;
        file.path =
            Known::Unknown(Why::not_understood("systemd ignores a path that is not absolute"));
    }
    file.misread = misread::read(sources.host(), machine, service, &file, text.as_ref());
    file
}

fn load(
    sources: &Sources,
    machine: &Machine,
    dialect: Dialect,
    file: &mut EnvironmentFile,
    problems: &mut Vec<Problem>,
) {
    let Some(path) = file.path.ok() else { return };
    let paths = match sources.host().glob(path) {
        Ok(paths) if paths.is_empty() => vec![path.clone()],
        Ok(paths) => paths,
        Err(_) => vec![path.clone()],
    };
    for path in paths {
        let place = Place::look(sources.host(), &path, machine.owners_known);
        match sources.load(&path) {
            Ok(source) => {
                let content = env_file::parse(&source, dialect);
                let git_tree =
                    if machine.whole { git_tree(sources, &place.resolved) } else { None };
                hide_values(sources, &source, &content);
                file.files.push(ReadFile { source, content, place: place.clone(), git_tree });
            }
            // What is not there, and what is not a file, is for the rules to judge.
            Err(error) => match error.kind {
                HostErrorKind::NotFound
                | HostErrorKind::NotAFile(FileKind::Directory)
                | HostErrorKind::NotADirectory
                | HostErrorKind::LinkLoop
                | HostErrorKind::NotGiven
                | HostErrorKind::NotMounted => {}
                _ => problems.push(Problem::unreadable(&error)),
            },
        }
        file.places.push(place);
    }
    let from_option = matches!(file.path.origin(), Some(super::Origin::Option(_)));
    if from_option && file.files.is_empty() {
        // The user named it: that it cannot be read is not a finding about the deployment.
        if let Some(place) = file.places.first() {
            let reason = match sources.host().look(&place.path).outcome {
                Outcome::Failed(error) => error.kind.to_string(),
                Outcome::Missing { .. } => HostErrorKind::NotFound.to_string(),
                Outcome::Present(metadata) => HostErrorKind::NotAFile(metadata.kind).to_string(),
            };
            problems.push(Problem::new(&place.path, format!("cannot be read: {reason}")));
        }
    }
}

/// The nearest git work tree that contains the file. `/etc` itself is ignored: a repository there is
/// etckeeper's, and only root can read it.
fn git_tree(sources: &Sources, file: &Path) -> Option<PathBuf> {
    let is_tree = |directory: &&Path| {
        **directory != *"/" && **directory != *"/etc" && holds_git(sources.host(), directory)
    };
    file.ancestors().skip(1).find(is_tree).map(Path::to_path_buf)
}

/// Takes over what a file sets, or says why it is not known.
fn adopt(environment: &mut Environment, file: &EnvironmentFile) {
    if file.ignored {
        return;
    }
    if let Known::Unknown(why) = &file.path {
        environment.open = Some(why.clone());
    }
    for read in &file.files {
        if read.content.fatal.is_some() {
            environment.open = Some(Why::not_understood("an environment file cannot be loaded"));
        }
        let template = placeholder::is_template_name(&read.source.path);
        for assignment in &read.content.assignments {
            let text = assignment.value.expose_str().unwrap_or_default();
            // What an example leaves empty, or as `<your key>`, is filled in on the host.
            let left_open = template && (text.is_empty() || placeholder::holds_in_path(text));
            let unknown = (left_open || placeholder::find(text).is_some())
                .then(|| Why::not_understood("the environment file contains a placeholder for it"));
            environment.variables.insert(
                assignment.name.value.clone(),
                Variable {
                    value: assignment.value.clone(),
                    span: Some(assignment.name.span),
                    value_span: Some(assignment.value_span),
                    set_by: SetBy::File,
                    unknown,
                },
            );
        }
    }
    if file.files.is_empty() && file.path.ok().is_some() {
        let known_missing = file.places.iter().all(|place| place.exists() == Ok(false));
        if !(known_missing && file.optional) {
            let path = file.path.ok().map(|path| path.display().to_string()).unwrap_or_default();
            environment.open = Some(Why::not_read(format!("{path} was not read")));
        }
    }
}

/// Only names may be shown of an environment file: values, comments and all else may be secret.
pub(super) fn hide_values(sources: &Sources, source: &SourceFile, content: &EnvFile) {
    let mut shown: Vec<Span> = Vec::new();
    for assignment in &content.assignments {
        shown.push(assignment.name.span);
        if assignment.is_unbalanced() || !assignment.joining().is_empty() {
            shown.extend(assignment.swallowed.iter().map(|name| name.span));
        }
    }
    for comment in &content.swallowing_comments {
        shown.extend(comment.names.iter().map(|name| name.span));
    }
    for line in &content.ignored {
        // The word `export` is worth seeing, and so is the name after it.
        if let Some(name) = meant(source, line) {
            let export = line.kind == IgnoredKind::Export;
            shown.push(if export { line.name_span } else { name.span });
        }
    }
    shown.sort_unstable();
    let mut next = 0;
    let mut start = 0;
    for line in source.bytes.split_inclusive(|byte| *byte == b'\n') {
        let end = start + line.len();
        let until = shown[next..].iter().take_while(|span| (span.start as usize) < end).count();
        let whole = Span::new(source.id, start, end - usize::from(line.ends_with(b"\n")));
        hide_rest(sources, whole, &shown[next..next + until]);
        next += until;
        start = end;
    }
}

/// Hides what is in `whole` beyond the spans shown (sorted), but for the `=` after each.
fn hide_rest(sources: &Sources, whole: Span, shown: &[Span]) {
    let mut at = whole.start;
    for span in shown {
        sources.hide(Span { end: span.start, start: at, ..whole });
        at = (span.end + 1).min(whole.end);
    }
    sources.hide(Span { start: at, ..whole });
}
