//! The Debians that the end-to-end tests boot: which there are, and the root of each, which
//! `e2e/prepare` builds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde::Deserialize;

use super::container::Skip;

/// A Debian by the name of its suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// systemd 252, nginx 1.22, Python 3.11.
    Bookworm,
    /// systemd 262, nginx 1.30, Python 3.14.
    Forky,
    /// systemd 257, nginx 1.26, Python 3.13: the Debian of today, for the package alone.
    Trixie,
}

/// Names the one suite that is meant, where not each that a test is for.
const ONLY: &str = "DEPLOY_DOCTOR_SUITE";

impl Suite {
    /// Those that every case runs on, the oldest first: the two ends of what is in use.
    pub const ALL: [Self; 2] = [Self::Bookworm, Self::Forky];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Forky => "forky",
            Self::Trixie => "trixie",
        }
    }

    /// The one that `DEPLOY_DOCTOR_SUITE` names, if it is set.
    pub fn only() -> Option<Self> {
        let name = std::env::var(ONLY).ok().filter(|name| !name.is_empty())?;
        let found = Self::ALL.into_iter().find(|suite| suite.name() == name);
        Some(found.unwrap_or_else(|| panic!("{ONLY}={name}: there is no such root")))
    }

    /// The ones that a test runs on that is for all.
    pub fn asked() -> Vec<Self> {
        Self::only().map_or_else(|| Self::ALL.to_vec(), |only| vec![only])
    }

    /// Where a test runs that is for one root: on the oldest unless another is asked for.
    pub fn usual() -> Self {
        Self::only().unwrap_or(Self::Bookworm)
    }

    /// The root that `e2e/prepare` built; it is asked once a process.
    pub fn root(self) -> Result<PathBuf, Skip> {
        static ROOTS: [OnceLock<Result<PathBuf, Skip>>; 3] = [const { OnceLock::new() }; 3];
        ROOTS[self as usize].get_or_init(|| prepare(self.name())).clone()
    }
}

fn prepare(suite: &str) -> Result<PathBuf, Skip> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/prepare");
    let output = Command::new(script).arg(suite).output();
    let output = output.map_err(|error| Skip(format!("e2e/prepare: {error}")))?;
    let last =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().last().unwrap_or_default().to_owned();
    if output.status.success() {
        Ok(PathBuf::from(last(&output.stdout)))
    } else {
        Err(Skip(format!("e2e/prepare {suite} ({}): {}", output.status, last(&output.stderr))))
    }
}
