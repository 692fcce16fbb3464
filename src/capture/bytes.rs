//! Represents bytes and paths in JSON: text as its lines, so that people can read it; other bytes
//! with one character per byte.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Marks a path that is not UTF-8.
const RAW: char = '\u{fffd}';

/// The content of a file, or the output of a program.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Body {
    /// UTF-8, split at line feeds.
    Text(Vec<String>),
    /// Any bytes, each as the character with its number (Latin-1), split at line feeds.
    Bytes(Vec<String>),
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn from_latin(text: &str) -> Result<Vec<u8>, String> {
    let byte = |c: char| u8::try_from(u32::from(c)).map_err(|_| format!("{c:?} is not a byte"));
    text.chars().map(byte).collect()
}

impl Body {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.split('\n').map(str::to_owned).collect()),
            Err(_) => Self::Bytes(bytes.split(|byte| *byte == b'\n').map(latin).collect()),
        }
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(lines) => Ok(lines.join("\n").into_bytes()),
            Self::Bytes(lines) => from_latin(&lines.join("\n")),
        }
    }
}

/// A path or a name in a directory as text.
pub(super) fn path_text(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.starts_with(RAW) => text.to_owned(),
        _ => format!("{RAW}{}", latin(path.as_os_str().as_bytes())),
    }
}

/// The path that a text represents.
pub(super) fn path_of(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix(RAW) {
        Some(raw) => Ok(OsString::from_vec(from_latin(raw)?).into()),
        None => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        for bytes in [&b""[..], b"\n", b"a\nb", b"a\r\n", b"\xff\n\0\x80", "ä\n€".as_bytes()] {
            let json = serde_json::to_string(&Body::of(bytes)).unwrap();
            let body: Body = serde_json::from_str(&json).unwrap();
            assert_eq!(body.bytes().unwrap(), bytes);
        }
        for path in [&b"/a/b"[..], b"/\xff", "/\u{fffd}x".as_bytes(), "\u{fffd}x".as_bytes()] {
            let path = PathBuf::from(OsString::from_vec(path.to_vec()));
            assert_eq!(path_of(&path_text(&path)).unwrap(), path);
        }
        assert!(path_of("\u{fffd}€").is_err());
    }
}
