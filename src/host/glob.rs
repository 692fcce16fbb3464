//! `glob(3)` over any [`Host`].

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::{Host, HostError, HostErrorKind, LIST_LIMIT, Outcome};

/// Whether this word contains a character that `glob(3)` treats as a pattern.
pub fn has_magic(name: &OsStr) -> bool {
    name.as_bytes().iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

pub(super) fn glob<H: Host + ?Sized>(host: &H, pattern: &Path) -> Result<Vec<PathBuf>, HostError> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            for path in &mut found {
                path.push(component);
            }
            continue;
        };
        if !has_magic(name) {
            for path in &mut found {
                path.push(name);
            }
            continue;
        }
        let matcher = NameMatcher::new(pattern, name)?;
        let mut next = Vec::new();
        for directory in &found {
            match host.list(directory) {
                Ok(names) => next
                    .extend(names.iter().filter(|n| matcher.matches(n)).map(|n| directory.join(n))),
                // glob(3) ignores what is missing or not a directory. But a directory that cannot
                // be read is not the same as an empty one.
                Err(error) => match error.kind {
                    HostErrorKind::NotFound | HostErrorKind::NotADirectory => {}
                    _ => return Err(error),
                },
            }
            if next.len() > LIST_LIMIT {
                return Err(HostError { path: pattern.into(), kind: HostErrorKind::TooMany });
            }
        }
        found = next;
    }
    let mut kept = Vec::with_capacity(found.len());
    for path in found {
        match host.link_metadata(&path) {
            Ok(_) => kept.push(path),
            Err(error) => match error.kind {
                HostErrorKind::NotFound | HostErrorKind::NotADirectory => {}
                HostErrorKind::NotGiven
                | HostErrorKind::NotMounted
                | HostErrorKind::PermissionDenied => return Err(error),
                _ if matches!(host.look(&path).outcome, Outcome::Missing { .. }) => {}
                _ => return Err(error),
            },
        }
    }
    kept.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(kept)
}

struct NameMatcher {
    glob: Glob,
    dot: bool,
}

enum Glob {
    /// The text before, between and after the `*`, as in `*.conf`. Nearly all patterns are like
    /// this and need no regular expression.
    Stars(Vec<Vec<u8>>),
    Other(globset::GlobMatcher),
}

impl Glob {
    fn stars(name: &[u8]) -> Option<Self> {
        if name.iter().any(|byte| matches!(byte, b'?' | b'[' | b'\\')) {
            return None;
        }
        Some(Self::Stars(name.split(|byte| *byte == b'*').map(<[u8]>::to_vec).collect()))
    }
}

impl NameMatcher {
    fn new(pattern: &Path, name: &OsStr) -> Result<Self, HostError> {
        let fail =
            |text: String| HostError { path: pattern.into(), kind: HostErrorKind::Other(text) };
        let text = name.to_str().ok_or_else(|| fail("the pattern is not UTF-8".into()))?;
        let dot = text.starts_with('.');
        if let Some(glob) = Glob::stars(text.as_bytes()) {
            return Ok(Self { glob, dot });
        }
        // Braces have no meaning in glob(3) without GLOB_BRACE, which neither nginx nor systemd
        // sets.
        let text = text.replace('{', "[{]").replace('}', "[}]");
        let glob = globset::GlobBuilder::new(&text)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| fail(error.kind().to_string()))?;
        Ok(Self { glob: Glob::Other(glob.compile_matcher()), dot })
    }

    fn matches(&self, name: &OsString) -> bool {
        let bytes = name.as_bytes();
        let matches = || match &self.glob {
            Glob::Stars(parts) => in_order(parts, bytes),
            Glob::Other(glob) => glob.is_match(Path::new(name)),
        };
        (self.dot || !bytes.starts_with(b".")) && matches()
    }
}

/// Whether the parts are in a name one after the other, the first at its start and the last at its
/// end. For the parts between them, the first match is as good as any.
fn in_order(parts: &[Vec<u8>], name: &[u8]) -> bool {
    let [first, between @ .., last] = parts else {
        return parts.first().is_some_and(|only| only == name);
    };
    let inner =
        name.strip_prefix(first.as_slice()).and_then(|rest| rest.strip_suffix(last.as_slice()));
    let Some(mut rest) = inner else { return false };
    for part in between {
        let Some(at) = memchr::memmem::find(rest, part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::{Glob, NameMatcher};

    #[test]
    fn stars_match_what_a_whole_pattern_matches() {
        let names = ["", "a", "b", "ab", "ba", "aba", "abab", "a.b", "x86_64-linux-gnu", ".a"];
        for pattern in ["*", "a*", "*a", "a*a", "*b*", "a*b*", "**", "a*b*a", "*-linux-*", "ab"] {
            let ours = NameMatcher::new(Path::new(pattern), pattern.as_ref()).unwrap();
            assert!(matches!(ours.glob, Glob::Stars(_)));
            let whole = globset::Glob::new(&pattern.replace("**", "*")).unwrap().compile_matcher();
            for name in names {
                let theirs = whole.is_match(name) && !name.starts_with('.');
                assert_eq!(ours.matches(&OsString::from(name)), theirs, "{pattern} {name}");
            }
        }
    }
}
