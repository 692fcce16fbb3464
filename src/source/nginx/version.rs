//! nginx's version, as nginx itself prints it (`nginx/1.22.1`) or as a package spells it
//! (`1.22.1-9+deb12u1`).

use std::fmt;

/// A version such as `1.22.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads three numbers, which may have a package's epoch before them and a package's suffix
    /// after them; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let upstream = text.split_once(':').map_or(text, |(_, rest)| rest);
        let end = upstream.find(|c: char| !c.is_ascii_digit() && c != '.');
        let mut numbers = upstream[..end.unwrap_or(upstream.len())].split('.');
        let mut next = || numbers.next()?.parse().ok();
        let version = Self(next()?, next()?, next()?);
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_as_packages_have_them() {
        for text in ["1.22.1", "1.22.1-9+deb12u11", "2:1.22.1-r0", "1.22.1~trixie"] {
            assert_eq!(Version::parse(text), Some(Version(1, 22, 1)), "{text}");
        }
        for text in ["", "1.22", "1.22.1.4", "x", "1..2", "99999999999.1.1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        assert!(Version(1, 30, 0) > Version(1, 29, 7));
    }
}
