//! A Python traceback in a log: the exception's type, the name that is missing, and the location.
//!
//! Nothing else in the traceback is used. An exception's text comes from the program and may
//! contain anything, even a password; only the phrases that Python itself puts around a name are
//! recognised.

use std::path::{Path, PathBuf};

/// The useful content of a traceback.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PythonError {
    /// `ModuleNotFoundError`.
    pub kind: String,
    /// The module, variable or attribute that is missing.
    pub name: Option<String>,
    /// The innermost file and line of the application's own code; of any code if there is none.
    pub place: Option<(PathBuf, u32)>,
}

impl std::fmt::Display for PythonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        if let Some(name) = &self.name {
            write!(f, ": {name}")?;
        }
        if let Some((file, line)) = &self.place {
            write!(f, " ({} line {line})", file.display())?;
        }
        Ok(())
    }
}

/// Reads a log's lines one by one.
#[derive(Debug, Default)]
pub struct Reader {
    inside: bool,
    /// The innermost file.
    place: Option<(PathBuf, u32)>,
    /// The innermost file that belongs to no library.
    own: Option<(PathBuf, u32)>,
}

impl Reader {
    /// Reads a line; returns the error if the line ends a traceback.
    pub fn line(&mut self, line: &str) -> Option<PythonError> {
        let line = line.trim_end();
        if line.ends_with("Traceback (most recent call last):") {
            *self = Self { inside: true, ..Self::default() };
            return None;
        }
        if let Some(rest) = line.trim_start().strip_prefix("File \"") {
            // Python's own frozen modules have no file: `<frozen os>`, in which `os.environ` fails.
            if let Some(place) = place(rest).filter(|(file, _)| !is_frozen(file)) {
                self.own = (!is_library(&place.0)).then(|| place.clone()).or(self.own.take());
                self.place = Some(place);
            }
            return None;
        }
        // gunicorn's own sentence for an application name that refers to nothing.
        if let Some(name) = line.strip_prefix("Failed to find attribute '") {
            let name = name.split('\'').next().and_then(identifier);
            return Some(PythonError { kind: "AppImportError".into(), name, place: None });
        }
        if !self.inside || line.is_empty() || line.starts_with(char::is_whitespace) {
            return None;
        }
        let (kind, text) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
        let kind = exception(kind)?;
        // A signal arrived while gunicorn wrote a line of its log. Python complains about that
        // line, which is not a fault of the application, whose own traceback came before.
        if kind == "RuntimeError" && text.starts_with("reentrant call") {
            *self = Self::default();
            return None;
        }
        let name = missing_name(kind, text);
        // A syntax error is in the file that is named last, whichever file imported it.
        let syntax = matches!(kind, "SyntaxError" | "IndentationError" | "TabError");
        let Self { place, own, .. } = std::mem::take(self);
        let place = if syntax { place } else { own.or(place) };
        Some(PythonError { kind: kind.to_owned(), name, place })
    }
}

/// Whether the file is a frozen module: `<frozen importlib._bootstrap>`.
fn is_frozen(file: &Path) -> bool {
    file.to_string_lossy().starts_with("<frozen ")
}

/// Whether the file belongs to Python's own library or to an installed package.
fn is_library(file: &Path) -> bool {
    let file = file.to_string_lossy();
    file.contains("/site-packages/")
        || file.contains("/dist-packages/")
        || file.contains("/lib/python")
}

/// The name in an exception's text, if Python itself wrote the text.
pub fn missing_name(kind: &str, text: &str) -> Option<String> {
    let quoted = |start: &str| {
        let rest = text.strip_prefix(start)?.strip_prefix('\'')?;
        identifier(rest.split('\'').next()?)
    };
    match kind.rsplit('.').next()? {
        "ModuleNotFoundError" => quoted("No module named "),
        "ImportError" => quoted("cannot import name ").or_else(|| quoted("No module named ")),
        "NameError" | "UnboundLocalError" => quoted("name "),
        "KeyError" => variable(text.strip_prefix('\'')?.strip_suffix('\'')?),
        _ => None,
    }
}

/// The exception without its modules: `NoCredentialsError` for
/// `botocore.exceptions.NoCredentialsError`.
fn exception(word: &str) -> Option<&str> {
    identifier(word)?;
    let last = word.rsplit('.').next()?;
    last.starts_with(|first: char| first.is_ascii_uppercase()).then_some(last)
}

/// A dotted name of at most 100 characters.
fn identifier(word: &str) -> Option<String> {
    let fits = !word.is_empty()
        && word.len() <= 100
        && word.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with(|first: char| first.is_ascii_digit())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
    fits.then(|| word.to_owned())
}

/// The name of an environment variable. A key of any other kind could be a value, even a secret.
fn variable(word: &str) -> Option<String> {
    let fits = word.len() <= 64
        && word.starts_with(|first: char| first.is_ascii_uppercase())
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && (word.contains('_') || !word.bytes().any(|byte| byte.is_ascii_digit()));
    fits.then(|| word.to_owned())
}

/// `/srv/myapp/wsgi.py", line 3, in <module>`.
fn place(rest: &str) -> Option<(PathBuf, u32)> {
    let (file, rest) = rest.split_once("\", line ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((file.into(), digits.parse().ok()?))
}
