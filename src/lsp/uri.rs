//! Paths as `file:` URIs, and back.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::protocol::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::host::tidy;

/// All characters except those that RFC 3986 leaves unescaped in a path.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An absolute path as a URI, whatever its bytes.
pub(super) fn of(path: &Path) -> Uri {
    let path = percent_encode(path.as_os_str().as_bytes(), ESCAPED);
    Uri(format!("file://{path}"))
}

/// The path that a URI names. `None` if the URI names no path on this machine.
pub(super) fn path(uri: &Uri) -> Option<PathBuf> {
    let (scheme, rest) = uri.0.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("file") {
        return None;
    }
    let at = rest.find('/')?;
    if !["", "localhost"].contains(&&rest[..at]) {
        return None;
    }
    let bytes: Vec<u8> = percent_decode_str(&rest[at..]).collect();
    if bytes.contains(&0) {
        return None;
    }
    Some(tidy(&PathBuf::from(OsString::from_vec(bytes))))
}
