//! Python source, read without running it: what a module defines, imports and needs from its
//! environment, and the values of a `gunicorn.conf.py`.
//!
//! Files are parsed by ruff's parser, which knows what each Python version accepts. The checks that
//! Python makes before it parses (encodings, NUL, nesting) follow CPython's tokenizer and PEP 263.

pub mod called;
mod condition;
mod depth;
pub mod django;
mod encoding;
pub mod environ;
pub mod evaluate;
pub mod flask;
pub mod imports;
pub mod interface;
pub mod names;
pub mod opened;
pub mod search;
pub mod texts;
mod upload;
mod walk;

use std::collections::BTreeSet;
use std::path::Path;

use ruff_python_ast::{ModModule, Stmt};
use ruff_python_parser::{Mode, ParseOptions};
use ruff_text_size::{Ranged, TextRange};

use super::{FileId, SourceFile, Span};
use crate::host::tidy;

pub use environ::{EnvironmentUse, Need, VariableUse};
pub use evaluate::{ConfigFile, ConfigValue};
pub use imports::{Import, ImportPlace};
pub use names::{Binding, Names};

/// Larger files are not judged.
const SIZE_LIMIT: usize = 4 << 20;
/// Enough for the deepest nesting that [`depth`] lets through, in a debug build.
const STACK_SIZE: usize = 128 << 20;

/// A Python version, as far as its grammar depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PythonVersion {
    /// 3 in 3.11.
    pub major: u8,
    /// 11 in 3.11.
    pub minor: u8,
}

impl PythonVersion {
    /// A version from its two numbers.
    pub fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }
}

/// What this version of Python refuses: importing the module raises a SyntaxError.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxFault {
    /// What is wrong, in a few words.
    pub message: String,
    /// The place of the fault.
    pub span: Span,
}

/// `os.path.normpath`: the path without `.`, `..` and doubled slashes, judged by its text alone.
fn normpath(path: &str) -> String {
    match tidy(Path::new(path)).to_string_lossy() {
        tidied if tidied.is_empty() => ".".to_owned(),
        tidied => tidied.into_owned(),
    }
}

/// One parsed Python file.
#[derive(Debug)]
pub struct Module {
    file: FileId,
    path: std::path::PathBuf,
    faults: Vec<SyntaxFault>,
    not_judged: Option<String>,
    syntax: Option<ModModule>,
    /// The functions of the module that certainly run when it is imported.
    run: BTreeSet<String>,
}

impl Module {
    /// The file it was parsed from.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// The path of the file in the deployment.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// What Python refuses, in the order of the file. Also empty for a file that was not judged.
    pub fn faults(&self) -> &[SyntaxFault] {
        &self.faults
    }

    /// Why nothing can be said about this file (too large, nested too deeply, an unknown encoding).
    pub fn not_judged(&self) -> Option<&str> {
        self.not_judged.as_deref()
    }

    /// Why the statements cannot be relied on: the file was not judged, or Python refuses it.
    pub fn unusable(&self) -> Option<String> {
        match (&self.not_judged, self.faults.first()) {
            (Some(reason), _) => Some(reason.clone()),
            (None, Some(fault)) => Some(format!("syntax error: {}", fault.message)),
            (None, None) => None,
        }
    }

    pub(in crate::source) fn statements(&self) -> &[Stmt] {
        self.syntax.as_ref().map_or(&[], |module| &module.body)
    }

    pub(in crate::source) fn span(&self, node: impl Ranged) -> Span {
        span_of(self.file, node.range())
    }
}

fn span_of(file: FileId, range: TextRange) -> Span {
    Span { file, start: range.start().to_u32(), end: range.end().to_u32() }
}

/// Parses a file as this version of Python would. Never fails: [`Module::not_judged()`] says why a
/// file could not be judged.
pub fn parse(file: &SourceFile, version: PythonVersion) -> Module {
    let mut module = Module {
        file: file.id,
        path: file.path.clone(),
        faults: Vec::new(),
        not_judged: None,
        syntax: None,
        run: BTreeSet::new(),
    };
    if file.bytes.len() > SIZE_LIMIT {
        module.not_judged = Some(format!("larger than {} MiB", SIZE_LIMIT >> 20));
        return module;
    }
    let text = match encoding::decode(file) {
        encoding::Decoded::Text(text) => text,
        encoding::Decoded::Refused(fault) => {
            module.faults.push(fault);
            return module;
        }
        encoding::Decoded::Unknown(reason) => {
            module.not_judged = Some(reason);
            return module;
        }
    };
    match depth::check(file.id, &text) {
        depth::Depth::Fine => {}
        depth::Depth::Refused(fault) => {
            module.faults.push(fault);
            return module;
        }
        depth::Depth::TooDeep => {
            module.not_judged = Some("nested too deeply to be read".into());
            return module;
        }
    }
    match parse_on_large_stack(file.id, &text, version) {
        Ok((syntax, faults)) => {
            module.syntax = Some(syntax);
            module.faults = faults;
            module.follow_calls();
        }
        Err(reason) => module.not_judged = Some(reason),
    }
    module
}

fn parse_on_large_stack(
    file: FileId,
    text: &str,
    version: PythonVersion,
) -> Result<(ModModule, Vec<SyntaxFault>), String> {
    let run = || parse_text(file, text, version);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("python".into())
            .stack_size(STACK_SIZE)
            .spawn_scoped(scope, run)
            .map_err(|error| format!("no thread to parse it on: {error}"))?;
        thread.join().map_err(|_| "the parser gave up".to_owned())?
    })
}

fn parse_text(
    file: FileId,
    text: &str,
    version: PythonVersion,
) -> Result<(ModModule, Vec<SyntaxFault>), String> {
    let target = ruff_python_ast::PythonVersion::from((version.major, version.minor));
    let options = ParseOptions::from(Mode::Module).with_target_version(target);
    let parsed = ruff_python_parser::parse_unchecked(text, options)
        .try_into_module()
        .ok_or_else(|| "not a module".to_owned())?;
    let mut faults: Vec<SyntaxFault> = parsed
        .errors()
        .iter()
        .map(|error| SyntaxFault {
            message: error.error.to_string(),
            span: span_of(file, error.location),
        })
        .collect();
    faults.extend(
        parsed.unsupported_syntax_errors().iter().map(|error| SyntaxFault {
            message: error.to_string(),
            span: span_of(file, error.range),
        }),
    );
    faults.sort_by_key(|fault| fault.span);
    Ok((parsed.into_syntax(), faults))
}
