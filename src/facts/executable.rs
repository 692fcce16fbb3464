//! The programs of Exec settings: where systemd looks for them and which interpreter runs them.

use std::path::{Path, PathBuf};

use super::Machine;
use super::place::{Place, tidy};
use super::shell::{base_name, is_shell};
use crate::host::FileKind;
use crate::source::unit::Unit;
use crate::source::unit::exec::{ExecCommand, Word};
use crate::source::venv::shebang::shebang;
use crate::source::{Sources, Span, placeholder};

/// systemd's own search path for bare names (`systemd-path search-binaries-default`).
const SEARCHED: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Scripts are small; a program that is larger is not a script.
const SCRIPT_LIMIT: u64 = 1 << 20;

/// The file that a shell or Python is told to run: `sh run.sh`, `python3 -u serve.py`.
#[derive(Debug, Clone)]
pub struct Script {
    /// What is there.
    pub place: Place,
    /// The word that names it.
    pub span: Span,
}

/// Is this the name of a Python interpreter?
pub fn is_python(name: &str) -> bool {
    ["python", "pypy"].iter().any(|prefix| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
    })
}

/// Where a command's program may be.
#[derive(Debug, Clone, Default)]
pub struct Executable {
    /// The file that is run, or what is in its place; none for a bare name that is found nowhere,
    /// and where the name is not known.
    pub place: Option<Place>,
    /// For a bare name: every path at which it was looked for.
    pub searched: Vec<Place>,
    /// What the script's `#!` line names.
    pub interpreter: Option<Place>,
    /// The file that a shell or Python is told to run.
    pub script: Option<Script>,
}

impl Executable {
    /// Looks for a command's program.
    pub fn find(sources: &Sources, machine: &Machine, unit: &Unit, command: &ExecCommand) -> Self {
        let mut found = Self::default();
        let name = command.program.text.as_str();
        let unknown = command.program.unknown.is_some() || name.contains('$');
        if unknown || placeholder::find(name).is_some() {
            return found;
        }
        let look = |path: &Path| Place::look(sources.host(), path, machine.owners_known);
        if name.starts_with('/') {
            found.place = Some(look(Path::new(name)));
        } else {
            found.searched =
                directories(unit).iter().map(|directory| look(&directory.join(name))).collect();
            found.place =
                found.searched.iter().find(|place| place.is(FileKind::File) == Ok(true)).cloned();
        }
        found.script = script(command)
            .filter(|word| placeholder::find(word.text.as_str()).is_none())
            .and_then(|word| {
                let path = beside(unit, word.text.as_str())?;
                Some(Script { place: look(&path), span: word.span })
            });
        let Some(place) = &found.place else { return found };
        if place.is(FileKind::File) == Ok(true)
            && let Ok(bytes) = sources.host().read(&place.resolved, SCRIPT_LIMIT)
            && let Some(line) = shebang(&bytes)
            && !line.beside_script
            && line.interpreter.is_absolute()
        {
            found.interpreter = Some(look(&line.interpreter));
        }
        found
    }
}

/// A path as a command of the unit sees it; nothing for a relative one if its directory is not known.
fn beside(unit: &Unit, path: &str) -> Option<PathBuf> {
    if path.starts_with('/') {
        return Some(PathBuf::from(path));
    }
    let directory =
        unit.last("Service", "WorkingDirectory")?.value.as_str().trim_start_matches('-');
    directory.starts_with('/').then(|| tidy(&Path::new(directory).join(path)))
}

/// The word behind an interpreter's options, unless one of them gives it its commands.
fn script(command: &ExecCommand) -> Option<&Word> {
    let name = base_name(command.program.text.as_str());
    let python = is_python(name);
    if !python && !is_shell(name) {
        return None;
    }
    let mut words = command.arguments.iter();
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        if word.unknown.is_some() || !word.variables.is_empty() || text.contains('$') {
            return None;
        }
        let takes_next = match text {
            "--" => return words.next(),
            "-" => return None,
            "--rcfile" | "--init-file" | "--check-hash-based-pycs" => true,
            _ if text.starts_with("--") => false,
            "-W" | "-X" | "-Q" if python => true,
            _ if python && (text.starts_with("-W") || text.starts_with("-X")) => false,
            _ if text.starts_with('-') && text.contains(['c', 's', 'm']) => {
                // `python -s` is a switch; `sh -s` reads its input.
                if python && !text.contains(['c', 'm']) {
                    continue;
                }
                return None;
            }
            _ if text.starts_with(['-', '+']) => !python && text.ends_with(['o', 'O']),
            _ => return Some(word),
        };
        if takes_next {
            words.next();
        }
    }
    None
}

/// `ExecSearchPath=`, or systemd's own path.
fn directories(unit: &Unit) -> Vec<PathBuf> {
    let set: Vec<PathBuf> = unit
        .list("Service", "ExecSearchPath")
        .iter()
        .flat_map(|assignment| assignment.value.as_str().split(':'))
        .map(PathBuf::from)
        .collect();
    if set.is_empty() { SEARCHED.iter().map(PathBuf::from).collect() } else { set }
}
