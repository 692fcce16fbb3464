//! systemd's version, read from the file name of its own library, so that no program has to run.

use std::path::{Path, PathBuf};

use crate::host::Host;

/// The directories of `libsystemd-shared-252.so`: `/usr/lib/systemd` (Arch, Ubuntu),
/// `/usr/lib64/systemd` (Fedora, openSUSE, Gentoo), or the directory of the machine's architecture
/// (Debian from 12 on).
const PLACES: [&str; 4] =
    ["/usr/lib/systemd", "/usr/lib64/systemd", "/lib/systemd", "/lib64/systemd"];

/// The installed version and the file that shows it.
pub fn find(host: &dyn Host) -> Option<(u32, PathBuf)> {
    PLACES.iter().find_map(|place| in_directory(host, Path::new(place))).or_else(|| {
        let own = host.glob(Path::new("/usr/lib/*-linux-*/systemd")).ok()?;
        own.iter().find_map(|place| in_directory(host, place))
    })
}

fn in_directory(host: &dyn Host, place: &Path) -> Option<(u32, PathBuf)> {
    host.list(place).ok()?.iter().find_map(|name| {
        let rest = name.to_str()?.strip_prefix("libsystemd-shared-")?;
        // `libsystemd-shared-252.so.dpkg-tmp`, left over from an upgrade, is not the library.
        let digits = rest.strip_suffix(".so")?.split(['.', '-', '~']).next()?;
        Some((digits.parse().ok()?, place.join(name)))
    })
}
