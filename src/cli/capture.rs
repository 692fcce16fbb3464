//! `deploy-doctor capture`: writes everything that a check read; `--capture FILE` replays it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

use serde_json::Value;

use super::arguments::{CaptureArguments, WhereArguments};
use super::{CommandError, Exit, fix, formats, known, print, read, settings};
use crate::capture::{Asked, Capture, LIMIT, Masked, Taken, redact};
use crate::engine::{self, Selection, Settings};
use crate::fix::{self as fixes, Options, Placement};
use crate::host::{Host, Recording, RecordingHost, tidy, write};
use crate::report::{self, Format, Report, SourceInfo, Style, Times, View, shell_words};
use crate::source::{Sources, show};

/// With more findings, the plan of their fixes is not recorded, because it needs a check for each
/// of them.
const MOST_FIXES: usize = 100;

/// Reads a capture.
pub(super) fn load(file: &Path) -> Result<Rc<Capture>, CommandError> {
    let shown = file.display();
    let absolute = tidy(&read::working_directory()?.join(file));
    let bytes = read::this_host()?
        .read(&absolute, LIMIT)
        .map_err(|error| CommandError::incomplete(format!("--capture {shown}: {}", error.kind)))?;
    let capture = Capture::read(&bytes)
        .map_err(|error| CommandError::incomplete(format!("--capture {shown} {error}")))?;
    Ok(Rc::new(capture))
}

/// Checks, records what was read, masks it, and compares the replayed check with the original
/// before writing.
pub(super) fn run(arguments: &CaptureArguments) -> Result<Exit, CommandError> {
    let place = &arguments.place;
    if place.capture.is_some() {
        return Err(CommandError::usage("--capture reads a capture: there is nothing to capture"));
    }
    let to_terminal = || std::io::IsTerminal::is_terminal(&std::io::stdout());
    let standard = arguments.output == Path::new("-");
    if standard && to_terminal() {
        return Err(CommandError::usage(
            "-o - writes to standard output, which is a terminal: name a file, or use a pipe",
        ));
    }
    let file = settings::file(place, arguments.config.as_deref())?;
    let config = settings::load(place, arguments.config.as_deref())?;
    let baseline = known::path(None, config.as_ref()).map(known::bytes).transpose()?;
    let host = read::open(place)?;
    let recorder = RecordingHost::new(&*host);
    let sources = Sources::new(&recorder);
    let seen = Judged::of(place, arguments.config.as_deref(), &sources)?;
    if seen.findings <= MOST_FIXES {
        plan(place, arguments.config.as_deref(), &recorder)?;
    }
    let mut recording = recorder.recording();
    let mut asked = Asked {
        requests: read::requests(place),
        problems: read::beforehand(place),
        anchor: settings::anchored(place)?,
        whole: settings::whole(config.as_ref(), place),
        settings: file,
        baseline,
    };
    let mut masked = redact(&mut recording, &mut asked, &sources);
    let SourceInfo { mode, host, time, .. } = read::source_info(place);
    let capture = Capture {
        version: env!("CARGO_PKG_VERSION").into(),
        taken: Taken { mode: mode.into(), host, time },
        asked,
        recording: Rc::new(recording),
    };
    let text = capture
        .write()
        .map_err(|error| CommandError::usage(format!("the capture as JSON: {error}")))?;
    let again = replayed(&text)?;
    if let Some(difference) = seen.differs(&again, &mut masked) {
        return Err(CommandError::incomplete(format!(
            "nothing was written: with its secrets masked, the capture would give other results \
             than this host: {difference}. Please report this, without the files"
        )));
    }
    if standard {
        print(&text)?;
    } else {
        write::private(&arguments.output, text.as_bytes()).map_err(|error| {
            CommandError::usage(format!("-o {}: {error}", arguments.output.display()))
        })?;
    }
    if !arguments.quiet {
        let table = table(&capture.recording, &masked, arguments.verbose);
        let text = format!("{table}\n{}", last_words(arguments, text.len(), &seen));
        match standard {
            true => eprint!("{text}"),
            false => print(&text)?,
        }
    }
    let complete = !seen.incomplete || arguments.allow_incomplete;
    Ok(if complete { Exit::Success } else { Exit::Incomplete })
}

/// The result of a check.
struct Judged {
    report: Value,
    findings: usize,
    incomplete: bool,
}

impl Judged {
    fn of(
        place: &WhereArguments,
        config: Option<&Path>,
        sources: &Sources,
    ) -> Result<Self, CommandError> {
        let config = settings::load(place, config)?;
        let config = config.as_ref();
        let mut asked = settings::placed(settings::engine(config, &[], &[], &[])?, place)?;
        asked.whole = settings::whole(config, place);
        asked.baseline = known::of(place, None, config)?;
        let mut deployments = read::deployments(place, sources);
        settings::apply(config, place, sources, &mut deployments);
        let judged = engine::run_each(crate::rules::all(), deployments, sources, &asked);
        let (deployment, outcome) =
            judged.ok_or_else(|| CommandError::incomplete("nothing to read was found"))?;
        let mut problems = deployment.problems.iter().chain(&outcome.problems);
        let incomplete = problems.any(|problem| !problem.note);
        let findings = outcome.findings.len();
        // The reports are compared, so the place and time of reading are left out.
        let source = SourceInfo {
            mode: "capture",
            host: String::new(),
            time: String::new(),
            options: vec![],
        };
        let report = Report {
            source,
            deployment: &deployment,
            sources,
            outcome: &outcome,
            times: Times::new(std::time::Duration::ZERO, Vec::new()),
        };
        let mut shown = formats::asked(place, &asked, None, false);
        shown.suppressed = true;
        let view = View::new(&report, &shown);
        let text = report::write(&view, Format::Json, Style::default())
            .map_err(|error| CommandError::usage(error.to_string()))?;
        let report = serde_json::from_str(&text)
            .map_err(|error| CommandError::usage(format!("the report as JSON: {error}")))?;
        Ok(Self { report, findings, incomplete })
    }

    /// The first difference from another result, named only by rule and application, because words
    /// may be secret. A text from a finding that is masked in the other result is no difference.
    fn differs(&self, other: &Self, masked: &mut Masked) -> Option<String> {
        if self.report == other.report {
            return None;
        }
        if self.without_words(masked) == other.without_words(masked) {
            return None;
        }
        let list =
            |report: &Value, name: &str| report[name].as_array().cloned().unwrap_or_default();
        for (name, what) in [
            ("findings", "a finding of"),
            ("suppressed", "an accepted finding of"),
            ("skipped", "a skip of"),
        ] {
            let (one, two) = (list(&self.report, name), list(&other.report, name));
            let lacks = |of: &[Value], from: &[Value]| -> Option<String> {
                let first = of.iter().find(|entry| !from.contains(entry))?;
                let app = first["app"].as_str().unwrap_or("the host");
                Some(format!("{what} {}, {app}", first["code"].as_str().unwrap_or("?")))
            };
            if let Some(first) = lacks(&one, &two).or_else(|| lacks(&two, &one)) {
                return Some(show::line(&first));
            }
        }
        let part = ["problems", "apps", "summary"];
        let part = part.into_iter().find(|name| self.report[*name] != other.report[*name]);
        Some(part.unwrap_or("the order of findings").to_owned())
    }
}

impl Judged {
    /// The report with secret words masked, and without fingerprints, which depend on those words.
    fn without_words(&self, masked: &mut Masked) -> Value {
        let mut report = self.report.clone();
        mask(&mut report, masked);
        for list in ["findings", "suppressed"] {
            for finding in report[list].as_array_mut().into_iter().flatten() {
                finding["fingerprint"] = Value::Null;
            }
        }
        report
    }
}

fn mask(value: &mut Value, masked: &mut Masked) {
    match value {
        Value::String(text) => *text = masked.apply(text),
        Value::Array(all) => all.iter_mut().for_each(|one| mask(one, masked)),
        Value::Object(all) => all.values_mut().for_each(|one| mask(one, masked)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The result of a check of the capture's text.
fn replayed(text: &str) -> Result<Judged, CommandError> {
    let capture = Capture::read(text.as_bytes())
        .map_err(|error| CommandError::usage(format!("the file to be written {error}")))?;
    let place = WhereArguments { replayed: Some(Rc::new(capture)), ..WhereArguments::default() };
    let host = read::open(&place)?;
    let sources = Sources::new(&*host);
    Judged::of(&place, None, &sources)
}

/// Plans the fixes, so that what planning reads is recorded too. It does not matter if none can be
/// planned.
fn plan(
    place: &WhereArguments,
    config: Option<&Path>,
    recorder: &RecordingHost,
) -> Result<(), CommandError> {
    let config = settings::load(place, config)?;
    let settings: Settings = settings::engine(config.as_ref(), &[], &[], &[])?;
    let repository = matches!(read::request(place).scope, crate::facts::Scope::Files(_));
    let options = Options {
        selection: Selection::default(),
        include_unsafe: true,
        placement: if repository { Placement::InPlace } else { Placement::DropIn },
        repository,
        accept: None,
        settings,
    };
    let read =
        |sources: &Sources, live: bool| fix::deployment(place, config.as_ref(), sources, live);
    let _ = fixes::plan(recorder, &read, &options);
    Ok(())
}

/// A table of what the file contains, for the user who passes it on.
fn table(recording: &Recording, masked: &Masked, verbose: bool) -> String {
    let mut lines: Vec<(String, usize, usize)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut add = |name: String, size: usize, words: usize| {
        let at = *places.entry(name.clone()).or_insert(lines.len());
        if at == lines.len() {
            lines.push((name, 0, 0));
        }
        if let Some(line) = lines.get_mut(at) {
            (line.1, line.2) = (line.1 + size, line.2 + words);
        }
    };
    let words = |name: &str| masked.words.get(name).copied().unwrap_or_default();
    for (path, answer) in recording.files.iter().chain(&recording.tails) {
        let Ok(bytes) = answer else { continue };
        let shown = path.display().to_string();
        let name = if verbose { shown.clone() } else { group(&shown) };
        add(name, bytes.len(), words(&shown));
    }
    for (line, answer) in &recording.commands {
        if let Ok(output) = answer {
            let size = output.stdout.len() + output.stderr.len();
            let short: Vec<&str> = line.split(' ').take(2).collect();
            add(format!("$ {}", short.join(" ")), size, words(line));
        }
    }
    let width = lines.iter().map(|line| show::line(&line.0).chars().count()).max().unwrap_or(0);
    let width = width.clamp(4, 72);
    let mut out = format!("{:width$}  {:>9}  masked words\n", "file", "bytes");
    for (name, size, words) in &lines {
        let words = if *words == 0 { String::new() } else { words.to_string() };
        let line = format!("{:width$}  {size:>9}  {words}", show::line(name));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let links = recording.links.len() + recording.targets.len();
    let _ = writeln!(
        out,
        "and the types of {} paths, the contents of {} directories, the targets of {links} links",
        recording.looks.len() + recording.inodes.len(),
        recording.lists.len(),
    );
    out
}

/// Groups the files of installed packages, and those of processes.
fn group(path: &str) -> String {
    for part in ["/site-packages/", "/dist-packages/"] {
        if let Some((before, _)) = path.split_once(part) {
            return format!("{before}{part}…");
        }
    }
    let process = path.strip_prefix("/proc/").and_then(|rest| rest.split_once('/'));
    match process {
        Some((pid, name)) if pid.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("/proc/…/{name}")
        }
        _ => path.to_owned(),
    }
}

fn last_words(arguments: &CaptureArguments, size: usize, seen: &Judged) -> String {
    let file = arguments.output.display().to_string();
    let findings = match seen.findings {
        1 => "1 finding".to_owned(),
        number => format!("{number} findings"),
    };
    let mut out = format!("{}: {} KiB, {findings}", show::line(&file), size.div_ceil(1024));
    if seen.incomplete {
        out += "; something could not be read, and the capture records that";
    }
    out.push('\n');
    if file != "-" {
        let words = shell_words(&[file]);
        let _ = writeln!(
            out,
            "The capture contains the code and configuration listed above. Look through it before \
             you pass it on:\n  less {words}\n\
             Whoever receives it sees the same findings with:\n deploy-doctor check --capture \
             {words}"
        );
    }
    out
}
