//! The JSON document: its structure, its limits, and the errors for a document that cannot be read.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bytes::{Body, path_of, path_text};
use super::{Asked, Capture, SettingsFile, Taken, stat};
use crate::facts::{Problem, Request};
use crate::host::recording::Bound;
use crate::host::{
    HostError, HostErrorKind, LinkHop, Lookup, Metadata, Outcome, Output, Program, Recording, Room,
    RunError, Step,
};

/// The version of the format. A document with a later version is refused.
pub const FORMAT: u32 = 1;
/// The largest document that is read, in bytes.
pub const LIMIT: u64 = 256 << 20;

/// Why a document is not a capture that this program can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// The document has a later format.
    Newer {
        /// The version of its format.
        format: u64,
        /// The version of the program that wrote it.
        version: String,
    },
    /// The document is malformed: the place and the reason.
    Broken(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { format, version } => write!(
                f,
                "is a capture of format {format}, written by deploy-doctor {version}; this version \
                 reads formats up to {FORMAT}: replay the capture with {version} or later"
            ),
            Self::Broken(why) => write!(f, "is not a deploy-doctor capture: {why}"),
        }
    }
}

/// The fields that are read first, whatever else the document contains.
#[derive(Deserialize)]
struct Head {
    capture: u64,
    tool: Option<Tool>,
}

#[derive(Serialize, Deserialize)]
struct Tool {
    name: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
struct CaptureDocument {
    capture: u32,
    tool: Tool,
    source: Taken,
    asked: AskedEntry,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now: Option<i64>,
    #[serde(default)]
    files: BTreeMap<String, RecordedAnswer<Body>>,
    #[serde(default)]
    tails: BTreeMap<String, RecordedAnswer<Body>>,
    #[serde(default)]
    commands: BTreeMap<String, Ran>,
    #[serde(default)]
    lists: BTreeMap<String, RecordedAnswer<Vec<String>>>,
    #[serde(default)]
    links: BTreeMap<String, RecordedAnswer<String>>,
    #[serde(default)]
    targets: BTreeMap<String, RecordedAnswer<Vec<String>>>,
    #[serde(default)]
    bound: BTreeMap<String, RecordedAnswer<Bound>>,
    #[serde(default)]
    rooms: BTreeMap<String, RecordedAnswer<Room>>,
    #[serde(default)]
    inodes: BTreeMap<String, RecordedAnswer<String>>,
    /// Mode, owner, size and time of the paths that lookups cross and find.
    #[serde(default)]
    found: BTreeMap<String, String>,
    #[serde(default)]
    looks: BTreeMap<String, Look>,
}

#[derive(Serialize, Deserialize)]
struct AskedEntry {
    requests: Vec<Request>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor: Option<(PathBuf, PathBuf)>,
    whole: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<SettingsEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baseline: Option<Body>,
}

#[derive(Serialize, Deserialize)]
struct SettingsEntry {
    shown: PathBuf,
    base: PathBuf,
    working: PathBuf,
    content: Body,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RecordedAnswer<T> {
    Failed { error: Fault },
    Given(T),
}

#[derive(Serialize, Deserialize)]
struct Fault {
    kind: String,
    /// The path in the error, if it is not the path asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct Look {
    /// The resolved path, if it differs from the path asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolved: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<(String, String)>,
    /// The directories that were crossed, if they are not simply those above the resolved path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<(String, String)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
    /// What was found, if another lookup found something else there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    found: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Ran {
    Failed { error: RunFault },
    Given { status: Option<i32>, stdout: Body, stderr: Body, cut: bool },
}

#[derive(Serialize, Deserialize)]
struct RunFault {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    what: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    milliseconds: Option<u64>,
}

impl Capture {
    /// The document, ending in a line feed. Fails if a path of the request is not UTF-8.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        let asked = &self.asked;
        let notes = &self.recording;
        let found = common(notes);
        let document = CaptureDocument {
            capture: FORMAT,
            tool: Tool { name: "deploy-doctor".into(), version: self.version.clone() },
            source: self.taken.clone(),
            asked: AskedEntry {
                requests: asked.requests.clone(),
                problems: asked.problems.clone(),
                anchor: asked.anchor.clone(),
                whole: asked.whole,
                settings: asked.settings.as_ref().map(|settings| SettingsEntry {
                    shown: settings.shown.clone(),
                    base: settings.base.clone(),
                    working: settings.working.clone(),
                    content: Body::of(&settings.text),
                }),
                baseline: asked.baseline.as_deref().map(Body::of),
            },
            now: notes.now,
            files: answers(&notes.files, |bytes| Body::of(bytes)),
            tails: answers(&notes.tails, |bytes| Body::of(bytes)),
            commands: notes.commands.iter().map(|(line, ran)| (line.clone(), ran.into())).collect(),
            lists: answers(&notes.lists, |names| {
                names.iter().map(|name| path_text(Path::new(name))).collect()
            }),
            links: answers(&notes.links, |target| path_text(target)),
            targets: answers(&notes.targets, |all| all.iter().map(|one| path_text(one)).collect()),
            bound: answers(&notes.bound, Clone::clone),
            rooms: answers(&notes.rooms, |room| *room),
            inodes: answers(&notes.inodes, stat::text),
            looks: notes
                .looks
                .iter()
                .map(|(path, lookup)| (path_text(path), Look::new(lookup, &found)))
                .collect(),
            found: found.iter().map(|(path, one)| (path_text(path), stat::text(one))).collect(),
        };
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    /// Reads a document. Its content is not trusted: whatever does not fit the format is an error.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let broken = |error: serde_json::Error| ReadError::Broken(place(&error));
        let head: Head = serde_json::from_slice(bytes).map_err(broken)?;
        if head.capture > u64::from(FORMAT) {
            let version = head.tool.map_or_else(|| "?".to_owned(), |tool| tool.version);
            return Err(ReadError::Newer { format: head.capture, version });
        }
        let document: CaptureDocument = serde_json::from_slice(bytes).map_err(broken)?;
        document.capture().map_err(ReadError::Broken)
    }
}

/// The place at which JSON is malformed. serde's own message is not used, because it quotes the
/// content.
fn place(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Eof => format!("it ends too soon, in line {line}"),
        serde_json::error::Category::Syntax => format!("line {line}:{column} is not JSON"),
        _ if line == 0 => "its content does not match the format".to_owned(),
        _ => format!("the content before line {line}:{column} does not match the format"),
    }
}

/// Mode, owner, size and time by path, as the first lookup found them.
fn common(notes: &Recording) -> BTreeMap<PathBuf, Metadata> {
    let mut found = BTreeMap::new();
    for lookup in notes.looks.values() {
        for step in &lookup.steps {
            found.entry(step.path.clone()).or_insert(step.metadata);
        }
        if let Outcome::Present(metadata) = &lookup.outcome {
            found.entry(lookup.resolved.clone()).or_insert(*metadata);
        }
    }
    found
}

/// The directories above the end of a path.
fn above(end: &Path, found: &BTreeMap<PathBuf, Metadata>) -> Option<Vec<Step>> {
    let mut all: Vec<&Path> = end.ancestors().skip(1).collect();
    all.reverse();
    let step = |path: &Path| Some(Step { path: path.into(), metadata: *found.get(path)? });
    all.into_iter().map(step).collect()
}

impl Look {
    fn new(lookup: &Lookup, found: &BTreeMap<PathBuf, Metadata>) -> Self {
        let mut look = Self::default();
        if lookup.resolved != lookup.path {
            look.resolved = Some(path_text(&lookup.resolved));
        }
        let hop = |hop: &LinkHop| (path_text(&hop.link), path_text(&hop.target));
        look.links = lookup.links.iter().map(hop).collect();
        let mut end = lookup.resolved.as_path();
        match &lookup.outcome {
            Outcome::Present(metadata) if found.get(&lookup.resolved) == Some(metadata) => {}
            Outcome::Present(metadata) => look.found = Some(stat::text(metadata)),
            Outcome::Missing { at } => {
                end = at;
                look.missing = Some(path_text(at));
            }
            Outcome::Failed(error) => look.error = Some(Fault::new(error, &lookup.path)),
        }
        if above(end, found).as_ref() != Some(&lookup.steps) {
            let step = |step: &Step| (path_text(&step.path), stat::text(&step.metadata));
            look.steps = Some(lookup.steps.iter().map(step).collect());
        }
        look
    }

    fn lookup(self, path: &Path, found: &BTreeMap<PathBuf, Metadata>) -> Result<Lookup, String> {
        let resolved = match &self.resolved {
            Some(text) => path_of(text)?,
            None => path.to_path_buf(),
        };
        let missing = self.missing.as_deref().map(path_of).transpose()?;
        let unsaid = || format!("it does not say what {} is", path.display());
        let outcome = match (self.error, &missing, &self.found) {
            (Some(fault), ..) => Outcome::Failed(fault.error(path)?),
            (None, Some(at), _) => Outcome::Missing { at: at.clone() },
            (None, None, Some(text)) => Outcome::Present(stat::parse(text)?),
            (None, None, None) => Outcome::Present(*found.get(&resolved).ok_or_else(unsaid)?),
        };
        let steps = match self.steps {
            Some(steps) => {
                let step = |(path, text): (String, String)| {
                    Ok(Step { path: path_of(&path)?, metadata: stat::parse(&text)? })
                };
                steps.into_iter().map(step).collect::<Result<_, String>>()?
            }
            None => above(missing.as_deref().unwrap_or(&resolved), found).ok_or_else(unsaid)?,
        };
        let hop = |(link, target): (String, String)| {
            Ok(LinkHop { link: path_of(&link)?, target: path_of(&target)? })
        };
        let links = self.links.into_iter().map(hop).collect::<Result<_, String>>()?;
        Ok(Lookup { path: path.into(), resolved, links, steps, outcome })
    }
}

fn answers<T, E>(
    all: &BTreeMap<PathBuf, Result<T, HostError>>,
    entry: impl Fn(&T) -> E,
) -> BTreeMap<String, RecordedAnswer<E>> {
    let one = |(path, answer): (&PathBuf, &Result<T, HostError>)| {
        let answer = match answer {
            Ok(given) => RecordedAnswer::Given(entry(given)),
            Err(error) => RecordedAnswer::Failed { error: Fault::new(error, path) },
        };
        (path_text(path), answer)
    };
    all.iter().map(one).collect()
}

type Answers<T> = Result<BTreeMap<PathBuf, Result<T, HostError>>, String>;

fn given<T, E>(
    all: BTreeMap<String, RecordedAnswer<E>>,
    value: impl Fn(E) -> Result<T, String>,
) -> Answers<T> {
    let one = |(text, answer): (String, RecordedAnswer<E>)| {
        let path = path_of(&text)?;
        let answer = match answer {
            RecordedAnswer::Given(entry) => {
                Ok(value(entry).map_err(|why| format!("{text}: {why}"))?)
            }
            RecordedAnswer::Failed { error } => Err(error.error(&path)?),
        };
        Ok((path, answer))
    };
    all.into_iter().map(one).collect()
}

impl Fault {
    fn new(error: &HostError, asked: &Path) -> Self {
        let path = (error.path != asked).then(|| path_text(&error.path));
        let bare = |kind: &str| Self {
            kind: kind.to_owned(),
            path: path.clone(),
            is: None,
            size: None,
            limit: None,
            text: None,
        };
        match &error.kind {
            HostErrorKind::NotFound => bare("not-found"),
            HostErrorKind::PermissionDenied => bare("permission-denied"),
            HostErrorKind::NotADirectory => bare("not-a-directory"),
            HostErrorKind::NotAFile(kind) => {
                Self { is: Some(stat::kind_word(*kind).into()), ..bare("not-a-file") }
            }
            HostErrorKind::LinkLoop => bare("link-loop"),
            HostErrorKind::TooLarge { size, limit } => {
                Self { size: Some(*size), limit: Some(*limit), ..bare("too-large") }
            }
            HostErrorKind::TooMany => bare("too-many"),
            HostErrorKind::NotGiven => bare("not-given"),
            HostErrorKind::NotMounted => bare("not-mounted"),
            HostErrorKind::NotCaptured => bare("not-captured"),
            // What one service sees is worked out again when the capture is read.
            HostErrorKind::NotSeen(text) | HostErrorKind::Other(text) => {
                Self { text: Some(text.clone()), ..bare("other") }
            }
        }
    }

    fn error(self, asked: &Path) -> Result<HostError, String> {
        let kind = match self.kind.as_str() {
            "not-found" => HostErrorKind::NotFound,
            "permission-denied" => HostErrorKind::PermissionDenied,
            "not-a-directory" => HostErrorKind::NotADirectory,
            "not-a-file" => {
                HostErrorKind::NotAFile(stat::kind_of(self.is.as_deref().unwrap_or(""))?)
            }
            "link-loop" => HostErrorKind::LinkLoop,
            "too-large" => HostErrorKind::TooLarge {
                size: self.size.unwrap_or_default(),
                limit: self.limit.unwrap_or_default(),
            },
            "too-many" => HostErrorKind::TooMany,
            "not-given" => HostErrorKind::NotGiven,
            "not-mounted" => HostErrorKind::NotMounted,
            "not-captured" => HostErrorKind::NotCaptured,
            "other" => HostErrorKind::Other(self.text.unwrap_or_default()),
            _ => return Err(format!("{}: a kind of error is not known", asked.display())),
        };
        let path = self.path.as_deref().map_or_else(|| Ok(asked.to_path_buf()), path_of)?;
        Ok(HostError { path, kind })
    }
}

impl From<&Result<Output, RunError>> for Ran {
    fn from(ran: &Result<Output, RunError>) -> Self {
        let fault = |kind: &str, what: Option<&str>, limit: Option<&Duration>| RunFault {
            kind: kind.to_owned(),
            what: what.map(str::to_owned),
            milliseconds: limit.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
        };
        let error = match ran {
            Ok(Output { status, stdout, stderr, cut }) => {
                return Self::Given {
                    status: *status,
                    stdout: Body::of(stdout),
                    stderr: Body::of(stderr),
                    cut: *cut,
                };
            }
            Err(RunError::NotHere) => fault("not-here", None, None),
            Err(RunError::Missing(name)) => fault("missing", Some(name), None),
            Err(RunError::NeedsRoot(what)) => fault("needs-root", Some(what), None),
            Err(RunError::TimedOut(what, limit)) => fault("timed-out", Some(what), Some(limit)),
            Err(RunError::Failed(text)) => fault("failed", Some(text), None),
        };
        Self::Failed { error }
    }
}

impl Ran {
    fn answer(self) -> Result<Result<Output, RunError>, String> {
        let error = match self {
            Self::Given { status, stdout, stderr, cut } => {
                let (stdout, stderr) = (stdout.bytes()?, stderr.bytes()?);
                return Ok(Ok(Output { status, stdout, stderr, cut }));
            }
            Self::Failed { error } => error,
        };
        let what = error.what.unwrap_or_default();
        Ok(Err(match error.kind.as_str() {
            "not-here" => RunError::NotHere,
            "missing" => {
                let mut known = Program::ALL.iter().map(|program| program.name());
                RunError::Missing(known.find(|name| *name == what).unwrap_or("a program"))
            }
            "needs-root" => RunError::NeedsRoot(what),
            "timed-out" => {
                let limit = Duration::from_millis(error.milliseconds.unwrap_or_default());
                RunError::TimedOut(what, limit)
            }
            "failed" => RunError::Failed(what),
            _ => return Err("a command's kind of error is not known".to_owned()),
        }))
    }
}

impl CaptureDocument {
    fn capture(self) -> Result<Capture, String> {
        let asked = self.asked;
        let settings = asked.settings.map(|entry| {
            Ok::<_, String>(SettingsFile {
                shown: entry.shown,
                base: entry.base,
                working: entry.working,
                text: entry.content.bytes()?,
            })
        });
        let asked = Asked {
            requests: asked.requests,
            problems: asked.problems,
            anchor: asked.anchor,
            whole: asked.whole,
            settings: settings.transpose()?,
            baseline: asked.baseline.map(|body| body.bytes()).transpose()?,
        };
        let found = self.found.into_iter().map(|(path, text)| {
            Ok((path_of(&path)?, stat::parse(&text).map_err(|why| format!("{path}: {why}"))?))
        });
        let found: BTreeMap<PathBuf, Metadata> = found.collect::<Result<_, String>>()?;
        let looks = self.looks.into_iter().map(|(text, look)| {
            let path = path_of(&text)?;
            let lookup = look.lookup(&path, &found).map_err(|why| format!("{text}: {why}"))?;
            Ok((path, lookup))
        });
        let commands = self.commands.into_iter().map(|(line, ran)| Ok((line, ran.answer()?)));
        let many = |texts: Vec<String>| texts.iter().map(|text| path_of(text)).collect();
        let recording = Recording {
            looks: looks.collect::<Result<_, String>>()?,
            inodes: given(self.inodes, |text| stat::parse(&text))?,
            files: given(self.files, |body| body.bytes())?,
            tails: given(self.tails, |body| body.bytes())?,
            links: given(self.links, |text| path_of(&text))?,
            lists: given(self.lists, names)?,
            targets: given(self.targets, many)?,
            bound: given(self.bound, Ok)?,
            rooms: given(self.rooms, Ok)?,
            commands: commands.collect::<Result<_, String>>()?,
            now: self.now,
        };
        Ok(Capture {
            version: self.tool.version,
            taken: self.source,
            asked,
            recording: Rc::new(recording),
        })
    }
}

/// The names in a directory: single components, in the order in which a host lists them.
fn names(texts: Vec<String>) -> Result<Vec<std::ffi::OsString>, String> {
    let name = |text: &String| {
        let path = path_of(text)?;
        let single = path.file_name() == Some(path.as_os_str());
        match single {
            true => Ok(path.into_os_string()),
            false => Err("a name in a directory is not valid".to_owned()),
        }
    };
    let mut names = texts.iter().map(name).collect::<Result<Vec<_>, String>>()?;
    names.sort_by(|a, b| bytes(a).cmp(bytes(b)));
    Ok(names)
}

fn bytes(name: &OsStr) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    name.as_bytes()
}
