//! The programs of Exec settings: where systemd looks for them and which interpreter runs them.

use std::path::{Path, PathBuf};

use super::Machine;
use super::place::{Place, tidy};
use super::shell::{ShellTask, base_name, is_shell, task};
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

/// Python's options whose value is the next word.
pub const PYTHON_TAKES_A_VALUE: [&str; 4] = ["-W", "-X", "-Q", "--check-hash-based-pycs"];

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

    /// Looks for the file that the program is told to run. A relative path counts from the directory that
    /// the command starts in.
    pub fn find_script(
        &mut self,
        sources: &Sources,
        machine: &Machine,
        command: &ExecCommand,
        directory: Option<&Path>,
    ) {
        self.script = script(command).and_then(|word| {
            let named = Path::new(word.text.as_str());
            let path = match named.is_absolute() {
                true => named.to_path_buf(),
                false => tidy(&directory?.join(named)),
            };
            let place = Place::look(sources.host(), &path, machine.owners_known);
            Some(Script { place, span: word.span })
        });
    }
}

/// The word that names the file which a shell or Python is told to run.
fn script(command: &ExecCommand) -> Option<&Word> {
    let name = base_name(command.program.text.as_str());
    // What is not known may be an option.
    let known = |word: &&Word| {
        let text = word.text.as_str();
        word.unknown.is_none() && word.variables.is_empty() && !text.contains('$')
    };
    let words = command.arguments.iter().take_while(known).map(|word| word.text.as_str());
    let at = match is_python(name) {
        true => python_file(words)?,
        false if !is_shell(name) => return None,
        false => match task(words)? {
            ShellTask::File(at) => at,
            ShellTask::Text(_) => return None,
        },
    };
    command.arguments.get(at).filter(|word| placeholder::find(word.text.as_str()).is_none())
}

/// Passes over Python's options; nothing if one of them says what it runs.
fn python_file<'w>(words: impl Iterator<Item = &'w str>) -> Option<usize> {
    let mut words = words.enumerate();
    loop {
        let (at, word) = words.next()?;
        if PYTHON_TAKES_A_VALUE.contains(&word) {
            words.next();
        } else if word == "--" {
            return words.next().map(|(at, _)| at);
        } else if !word.starts_with('-') {
            return Some(at);
        } else if word == "-" || is_switch(word) && word.contains(['c', 'm']) {
            return None;
        }
    }
}

/// Letters of which each is an option, as in `-um`, and none has its value behind it.
fn is_switch(word: &str) -> bool {
    !["--", "-W", "-X"].iter().any(|start| word.starts_with(start))
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
