//! `pyvenv.cfg`, as Python's `site` module reads it (PEP 405): `key = value` lines, keys are
//! case-insensitive, and the last value of a key counts. `venv` writes `version`, `virtualenv` and
//! `uv` write `version_info`.

use super::Fault;
use crate::source::{SourceFile, Span, Spanned};

/// The content of `pyvenv.cfg`.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `home`: the directory of the Python that created the environment.
    pub home: Option<Spanned<String>>,
    /// `version`, otherwise `version_info`.
    pub version: Option<Spanned<String>>,
    /// `executable`: the interpreter behind the environment (Python 3.11 and later).
    pub executable: Option<Spanned<String>>,
    /// `command`: how the environment was created (Python 3.11 and later), with the directory in
    /// which it was created.
    pub command: Option<Spanned<String>>,
    /// `include-system-site-packages`.
    pub system_site_packages: bool,
}

impl Config {
    /// The major and minor version in the file.
    pub fn minor(&self) -> Option<(u8, u8)> {
        minor_of(&self.version.as_ref()?.value)
    }

    /// The directory in which the environment was created, if `command` contains it. It differs
    /// from the environment's present directory if the environment was moved or copied.
    pub fn made_in(&self) -> Option<&str> {
        let command = self.command.as_ref()?.value.as_str();
        let (_, rest) = command.split_once(" -m venv ")?;
        // The options precede the directory, which is last and unquoted.
        rest.find('/').and_then(|start| rest.get(start..)).map(str::trim_end)
    }
}

/// Reads the file's bytes.
pub(super) fn parse(file: &SourceFile, faults: &mut Vec<Fault>) -> Config {
    let mut config = Config::default();
    let mut version_info = None;
    let mut start = 0;
    for line in file.bytes.split_inclusive(|byte| *byte == b'\n') {
        let span = Span::new(file.id, start, start + line.trim_ascii_end().len());
        start += line.len();
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else {
            faults.push(fault(file, span, "is not UTF-8"));
            continue;
        };
        let Some((key, value)) = text.split_once('=') else {
            if !text.trim().is_empty() && !text.trim_start().starts_with('#') {
                faults.push(fault(file, span, "is not `key = value`"));
            }
            continue;
        };
        let spanned = Some(Spanned { value: value.trim().to_owned(), span });
        match key.trim().to_ascii_lowercase().as_str() {
            "home" => config.home = spanned,
            "version" => config.version = spanned,
            "version_info" => version_info = spanned,
            "executable" => config.executable = spanned,
            "command" => config.command = spanned,
            // For `site`, everything but `true` means false.
            "include-system-site-packages" => {
                config.system_site_packages = value.trim().eq_ignore_ascii_case("true");
            }
            _ => {}
        }
    }
    config.version = config.version.or(version_info);
    config
}

/// The major and minor version in `3.11`, `3.11.7`, `3.12.0.final.0`, `3.13.0rc1` or `3.13t`.
pub(super) fn minor_of(text: &str) -> Option<(u8, u8)> {
    let (major, rest) = text.trim().split_once('.')?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (minor, after) = rest.split_at(digits);
    if !(after.is_empty() || after.starts_with('.') || after == "t") {
        return None;
    }
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn fault(file: &SourceFile, span: Span, message: &str) -> Fault {
    Fault { path: file.path.clone(), span: Some(span), message: message.into() }
}
