//! Which nginx is installed, as the host's package database has it.

use std::path::Path;

use super::{Known, Origin};
use crate::source::Sources;
use crate::source::nginx::Version;

/// Debian's database of packages.
const STATUS: &str = "/var/lib/dpkg/status";

/// The packages that bring nginx's program; `nginx` alone is the program or only names one.
const PACKAGES: [&str; 6] =
    ["nginx", "nginx-core", "nginx-light", "nginx-full", "nginx-extras", "nginx-common"];

pub(super) fn read(sources: &Sources) -> Known<Version> {
    let unknown = || Known::unknown("nginx's version was not found");
    let Ok(file) = sources.load(Path::new(STATUS)) else { return unknown() };
    match from_status(&String::from_utf8_lossy(&file.bytes)) {
        Some(version) => Known::Value(version, Origin::Path(STATUS.into())),
        None => unknown(),
    }
}

/// From the first installed package of [`PACKAGES`].
fn from_status(status: &str) -> Option<Version> {
    let mut starts = status.match_indices("Package: nginx").map(|(at, _)| at);
    starts.find_map(|at| {
        let begins = at == 0 || status[..at].ends_with('\n');
        let stanza = status[at..].split("\n\n").next().filter(|_| begins)?;
        let field = |name: &str| {
            stanza.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
        };
        let ours = PACKAGES.contains(&field("Package")?);
        let installed = field("Status")?.ends_with(" installed");
        (ours && installed).then(|| Version::parse(field("Version")?))?
    })
}

#[cfg(test)]
mod tests {
    use super::{Version, from_status};

    #[test]
    fn the_installed_package_tells() {
        let status = "Package: nginx-doc\nStatus: install ok installed\nVersion: 1.1.1-1\n\n\
                      Package: nginx\nStatus: deinstall ok config-files\nVersion: 1.18.0-6\n\n\
                      Package: nginx-common\nStatus: install ok installed\nVersion: 1.22.1-9\n";
        assert_eq!(from_status(status), Some(Version(1, 22, 1)));
        assert_eq!(from_status("Package: nginx\nVersion: 1.22.1-9\n"), None);
        assert_eq!(from_status(""), None);
    }
}
