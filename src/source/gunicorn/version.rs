//! gunicorn's version, compared by the rules of Python packages (PEP 440).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A version such as `23.0.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pep440_rs::Version);

impl Version {
    /// Reads a version; `None` if the text is not a version.
    pub fn parse(text: &str) -> Option<Self> {
        pep440_rs::Version::from_str(text.trim()).ok().map(Self)
    }

    /// Compares the release numbers alone: `24.0` equals `24.0.0rc1`.
    pub fn compare_release(&self, other: &Self) -> Ordering {
        let (a, b) = (self.0.release(), other.0.release());
        let length = a.len().max(b.len());
        let number = |release: &[u64], at| release.get(at).copied().unwrap_or(0);
        let mut order = (0..length).map(|at| number(a, at).cmp(&number(b, at)));
        order.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Whether this is the given release or a later one. `None` if the text is not a version.
    pub fn at_least(&self, text: &str) -> Option<bool> {
        Self::parse(text).map(|other| self.compare_release(&other).is_ge())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
