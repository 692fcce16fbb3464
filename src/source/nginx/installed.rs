//! Which nginx is installed, according to the host's files: the text in the program itself,
//! otherwise the databases of the package managers.

use std::path::{Path, PathBuf};

use super::version::Version;
use crate::host::Host;

/// The paths of nginx's program; the distributions use the first.
const PROGRAMS: [&str; 4] =
    ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx", "/usr/local/nginx/sbin/nginx"];
/// nginx has about 1.5 MB, and some 20 MB with everything linked into it.
const PROGRAM_LIMIT: u64 = 64 << 20;
/// Large enough for the database of a machine with everything installed.
const DATABASE_LIMIT: u64 = 256 << 20;
/// The packages that contain the program, by the names of all distributions. The commercial package
/// is not among them: it has more directives than its version number says.
const PACKAGES: [&str; 7] = [
    "nginx",
    "nginx-core",
    "nginx-light",
    "nginx-full",
    "nginx-extras",
    "nginx-mainline",
    "nginx-common",
];

/// The installed version, and the file that shows it.
pub fn find(host: &dyn Host) -> Option<(Version, PathBuf)> {
    let program = PROGRAMS.iter().find_map(|path| {
        let bytes = host.read(Path::new(path), PROGRAM_LIMIT).ok()?;
        Some((in_program(&bytes)?, PathBuf::from(path)))
    });
    program.or_else(|| in_databases(host))
}

/// The version in the text that `nginx -v` prints and the `Server` header contains: `nginx/1.22.1`.
/// `None` for the commercial version, which has more directives than its version number says.
pub fn in_program(bytes: &[u8]) -> Option<Version> {
    if memchr::memmem::find(bytes, b"(nginx-plus-").is_some() {
        return None;
    }
    const BEFORE: &[u8] = b"nginx/";
    positions(bytes, BEFORE).find_map(|found| {
        let at = found + BEFORE.len();
        let rest = bytes.get(at..at + 16).or_else(|| bytes.get(at..))?;
        let end = rest.iter().position(|b| !b.is_ascii_digit() && *b != b'.')?;
        Version::parse(std::str::from_utf8(rest.get(..end)?).ok()?)
    })
}

fn in_databases(host: &dyn Host) -> Option<(Version, PathBuf)> {
    let read = |path: &str, of: fn(&[u8]) -> Option<Version>| {
        let bytes = host.read(Path::new(path), DATABASE_LIMIT).ok()?;
        Some((of(&bytes)?, PathBuf::from(path)))
    };
    read("/var/lib/dpkg/status", in_dpkg)
        .or_else(|| read("/usr/lib/apk/db/installed", in_apk))
        .or_else(|| read("/lib/apk/db/installed", in_apk))
        .or_else(|| read("/usr/lib/sysimage/rpm/rpmdb.sqlite", in_rpm))
        .or_else(|| read("/var/lib/rpm/rpmdb.sqlite", in_rpm))
        .or_else(|| read("/usr/lib/sysimage/rpm/Packages.db", in_rpm))
        .or_else(|| read("/var/lib/rpm/Packages.db", in_rpm))
        .or_else(|| read("/var/lib/rpm/Packages", in_rpm))
        .or_else(|| in_pacman(host))
}

/// The version in a stanza of dpkg's status file, if the package is installed and not merely its
/// configuration left behind.
fn in_dpkg(bytes: &[u8]) -> Option<Version> {
    stanzas(bytes, b"Package: nginx").find_map(|stanza| {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        let installed = field("Status: ").is_some_and(|status| status.ends_with(" installed"));
        let named = PACKAGES.contains(&field("Package: ")?.trim());
        Version::parse(field("Version: ")?).filter(|_| installed && named)
    })
}

/// The version in an entry of Alpine's database: `P:nginx`, `V:1.24.0-r15`.
fn in_apk(bytes: &[u8]) -> Option<Version> {
    stanzas(bytes, b"P:nginx").find_map(|stanza| {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        PACKAGES.contains(&field("P:")?).then(|| Version::parse(field("V:")?))?
    })
}

/// The stanzas, separated by empty lines, that contain a line with this beginning.
fn stanzas<'a>(bytes: &'a [u8], line: &'a [u8]) -> impl Iterator<Item = String> + 'a {
    positions(bytes, line).filter(|at| *at == 0 || bytes.get(at - 1) == Some(&b'\n')).map(|at| {
        let start = positions_back(bytes, at);
        let rest = bytes.get(start..).unwrap_or_default();
        let end = positions(rest, b"\n\n").next().unwrap_or(rest.len());
        String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned()
    })
}

/// The offset at which the stanza around a line begins.
fn positions_back(bytes: &[u8], at: usize) -> usize {
    let before = bytes.get(..at).unwrap_or_default();
    before.windows(2).rposition(|pair| pair == b"\n\n").map_or(0, |found| found + 2)
}

/// The version in a header of rpm's database, which begins with the name, the version and the
/// release, each followed by a zero byte.
fn in_rpm(bytes: &[u8]) -> Option<Version> {
    positions(bytes, b"nginx").find_map(|at| {
        let rest = bytes.get(at..at + 80).or_else(|| bytes.get(at..))?;
        let mut texts = rest.split(|b| *b == 0);
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let (name, version) = (text(texts.next()?)?, text(texts.next()?)?);
        let before = at == 0 || bytes.get(at - 1) == Some(&0);
        let whole = version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        (before && whole && PACKAGES.contains(&name)).then(|| Version::parse(version))?
    })
}

/// The version in the name of a directory of pacman's database: `nginx-1.26.2-1`.
fn in_pacman(host: &dyn Host) -> Option<(Version, PathBuf)> {
    let database = Path::new("/var/lib/pacman/local");
    host.list(database).ok()?.iter().find_map(|entry| {
        let mut parts = entry.to_str()?.rsplitn(3, '-').skip(1);
        let (version, name) = (parts.next()?, parts.next()?);
        let version = PACKAGES.contains(&name).then(|| Version::parse(version))??;
        Some((version, database.join(entry)))
    })
}

/// All offsets at which a text occurs.
fn positions<'a>(bytes: &'a [u8], text: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    memchr::memmem::find_iter(bytes, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::MemoryHost;

    #[test]
    fn what_is_installed_tells_it() {
        let dpkg = "Package: libnginx-mod-stream\nStatus: install ok installed\nVersion: 1.9.9\n\n\
            Package: nginx\nStatus: deinstall ok config-files\nVersion: 1.18.0-6\n\n\
            Package: nginx-core\nStatus: install ok installed\nArchitecture: amd64\n\
            Version: 1.24.0-2ubuntu7.1\n\n";
        let apk = "C:Q1\nP:nginx-mod-x\nV:9.9.9-r0\n\nC:Q1\nP:nginx\nV:1.26.3-r0\nA:x86_64\n\n";
        let rpm = "junk\0C\0nginx-mod-y\x009.9.9\x001\0C\0nginx\x001.20.1\x0022.el9\0more";
        let program = "\x7fELF..nginx/\0nginx version: nginx/1.30.6\0";
        for (path, text, wanted) in [
            ("/var/lib/dpkg/status", dpkg, "1.24.0"),
            ("/lib/apk/db/installed", apk, "1.26.3"),
            ("/var/lib/rpm/rpmdb.sqlite", rpm, "1.20.1"),
            ("/usr/sbin/nginx", program, "1.30.6"),
            ("/var/lib/pacman/local/nginx-1.28.0-2/desc", "", "1.28.0"),
        ] {
            let mut host = MemoryHost::new();
            host.file(path, text);
            let found = find(&host).map(|(version, _)| version.to_string());
            assert_eq!(found.as_deref(), Some(wanted), "{path}");
        }
        let mut host = MemoryHost::new();
        host.file("/usr/sbin/nginx", "\x7fELF");
        assert_eq!(find(&host), None);
        host.file("/usr/sbin/nginx", "nginx version: nginx/1.25.5 (nginx-plus-r32)\0");
        assert_eq!(find(&host), None);
    }
}
