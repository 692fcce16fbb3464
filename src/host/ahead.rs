//! The components of a path that have yet to be followed.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The components ahead, as the path's text. Empty components and `.` do not count, `..` does.
pub(super) struct Ahead<'p> {
    text: Cow<'p, [u8]>,
    at: usize,
}

impl<'p> Ahead<'p> {
    pub fn new(path: &'p Path) -> Self {
        let mut ahead = Self { text: path.as_os_str().as_bytes().into(), at: 0 };
        ahead.pass_over();
        ahead
    }

    /// Moves to the first byte of the next component, or to the end.
    fn pass_over(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            self.at += match rest {
                [b'/', ..] => 1,
                [b'.', b'/', ..] => 2,
                [b'.'] => 1,
                _ => return,
            };
        }
    }

    pub fn is_empty(&self) -> bool {
        self.at == self.text.len()
    }

    /// Takes the next component. The component stays borrowed from `self`, so what has to outlive
    /// the borrow is copied.
    pub fn next(&mut self) -> Option<&OsStr> {
        if self.is_empty() {
            return None;
        }
        let start = self.at;
        let rest = &self.text[start..];
        let end = start + memchr::memchr(b'/', rest).unwrap_or(rest.len());
        self.at = end;
        self.pass_over();
        Some(OsStr::from_bytes(&self.text[start..end]))
    }

    /// Puts a link's target in front of the remaining components.
    pub fn first(&mut self, target: &Path) {
        let mut text = Vec::with_capacity(target.as_os_str().len() + 1 + self.text.len() - self.at);
        text.extend_from_slice(target.as_os_str().as_bytes());
        text.push(b'/');
        text.extend_from_slice(&self.text[self.at..]);
        *self = Self { text: text.into(), at: 0 };
        self.pass_over();
    }

    /// Appends all remaining components to a path.
    pub fn append_to(mut self, path: &mut std::path::PathBuf) {
        while let Some(name) = self.next() {
            path.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ahead;
    use std::path::{Component, Path, PathBuf};

    #[test]
    fn the_components_are_those_of_the_standard_library() {
        for text in [
            "",
            "/",
            "//",
            ".",
            "./",
            "..",
            "/..",
            "a",
            "/a//b/",
            "a/./b/.",
            "./a",
            "/.a/..b/...",
            ".//./a/../b/.",
            "a/.b/.",
            "/./",
            "a/..",
            "a/.",
            "..a/.",
            "./..",
        ] {
            let wanted: Vec<&str> = Path::new(text)
                .components()
                .filter(|component| !matches!(component, Component::RootDir | Component::CurDir))
                .map(|component| component.as_os_str().to_str().unwrap())
                .collect();
            let mut ahead = Ahead::new(Path::new(text));
            let mut found = Vec::new();
            while let Some(name) = ahead.next() {
                found.push(name.to_str().unwrap().to_owned());
                assert_eq!(ahead.is_empty(), found.len() == wanted.len(), "{text}");
            }
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn a_links_target_comes_first() {
        let mut ahead = Ahead::new(Path::new("/link/./rest/of"));
        assert_eq!(ahead.next().unwrap(), "link");
        ahead.first(Path::new("to/it/"));
        assert_eq!(ahead.next().unwrap(), "to");
        let mut left = PathBuf::from("/to");
        ahead.append_to(&mut left);
        assert_eq!(left, Path::new("/to/it/rest/of"));
    }
}
