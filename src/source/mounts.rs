//! The mount points of a machine, according to `/etc/fstab` (fstab(5)) and its `.mount` units.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Sources;
use super::unit::paths::SEARCH_PATH;
use super::unit::{Expansion, UnitKind, UnitPaths};
use crate::host::{FileKind, Host, Outcome, UnmountedHost, tidy};

/// Kinds of file systems that are empty until something running fills them.
const WITHOUT_FILES: [&str; 8] =
    ["swap", "tmpfs", "ramfs", "proc", "sysfs", "devpts", "devtmpfs", "cgroup2"];

/// A tree without the file systems that were not copied with it.
pub fn without<'h>(tree: Box<dyn Host + 'h>) -> Box<dyn Host + 'h> {
    let points = absent(&*tree);
    match points.is_empty() {
        true => tree,
        false => Box::new(UnmountedHost::over(tree, points)),
    }
}

/// Like [`without`], for a borrowed tree.
pub fn around(tree: &dyn Host) -> UnmountedHost<'_> {
    UnmountedHost::new(tree, absent(tree))
}

/// The mount points that are empty in the tree, because the mounted file systems were not copied
/// with it.
fn absent(tree: &dyn Host) -> Vec<PathBuf> {
    let sources = Sources::new(tree);
    let mut points = of_fstab(&sources);
    points.extend(of_units(&sources));
    points.retain(|point| {
        let lookup = tree.look(point);
        match lookup.outcome {
            Outcome::Missing { .. } => true,
            Outcome::Present(metadata) => {
                metadata.kind == FileKind::Directory
                    && tree.list(point).is_ok_and(|names| names.is_empty())
            }
            Outcome::Failed(_) => false,
        }
    });
    points
}

fn of_fstab(sources: &Sources) -> Vec<PathBuf> {
    let Ok(file) = sources.load(Path::new("/etc/fstab")) else { return Vec::new() };
    let text = String::from_utf8_lossy(&file.bytes);
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    let points = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (_, point, kind) = (words.next()?, words.next()?, words.next()?);
        mount_point(&unescaped(point), kind)
    });
    points.collect()
}

fn of_units(sources: &Sources) -> Vec<PathBuf> {
    let mut points = Vec::new();
    // Most trees have no mount units. For them, this skips a scan of the whole search path, which
    // is scanned again later.
    let is_mount = |name: &OsString| name.as_bytes().ends_with(b".mount");
    let has_mounts = |directory: &&str| {
        let names = sources.host().list(Path::new(directory));
        names.is_ok_and(|names| names.iter().any(is_mount))
    };
    if !SEARCH_PATH.iter().any(has_mounts) {
        return points;
    }
    let paths = UnitPaths::scan(sources);
    for name in &paths.list_units().units {
        if name.kind() != UnitKind::Mount {
            continue;
        }
        let Ok(unit) = paths.load(sources, name) else { continue };
        let word = |key| unit.last("Mount", key).map(|line| unit.specifiers.expand(&line.value));
        let Some(Expansion::Known(point)) = word("Where") else { continue };
        let kind = match word("Type") {
            Some(Expansion::Known(kind)) => kind.as_str().to_owned(),
            _ => String::new(),
        };
        points.extend(mount_point(point.as_str(), &kind));
    }
    points
}

/// A mount point below the root with a file system that contains files. Those that the kernel fills
/// do not count.
fn mount_point(point: &str, kind: &str) -> Option<PathBuf> {
    let path = tidy(Path::new(point));
    let own = ["/proc", "/sys", "/dev", "/run"].iter().any(|top| path.starts_with(top));
    let holds = point.starts_with('/') && path != Path::new("/") && !own;
    (holds && !WITHOUT_FILES.contains(&kind)).then_some(path)
}

/// Decodes a word of fstab, in which white space is written in octal: `\040`.
fn unescaped(word: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\134", "\\")]
        .iter()
        .fold(word.to_owned(), |word, (written, meant)| word.replace(written, meant))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{absent, around};
    use crate::host::{Host, HostErrorKind, MemoryHost, Outcome};

    #[test]
    fn what_is_mounted_and_not_there_is_not_known() {
        let mut tree = MemoryHost::new();
        tree.file(
            "/etc/fstab",
            "# <file system> <mount point>\nUUID=1 / ext4 defaults 0 1\n\
             nas:/www /srv nfs4 _netdev 0 0\nUUID=2 /home ext4 defaults 0 2\n\
             tmpfs /var/cache tmpfs noexec 0 0\nUUID=3 none swap sw 0 0\n\
             UUID=4 /opt/my\\040app ext4 nofail 0 2\n",
        );
        tree.file(
            "/etc/systemd/system/mnt-data.mount",
            "[Mount]\nWhat=/dev/sdb1\nWhere=/mnt/data\nType=ext4\n",
        );
        tree.directory("/srv").file("/home/deploy/a", "");
        let points = ["/srv", "/opt/my app", "/mnt/data"].map(Path::new);
        assert_eq!(absent(&tree), points);
        let host = around(&tree);
        let outcome = |path: &str| host.look(Path::new(path)).outcome;
        let unknown = |path: &str| matches!(outcome(path), Outcome::Failed(e) if e.kind == HostErrorKind::NotMounted);
        assert!(unknown("/srv/myapp/current/wsgi.py"));
        assert!(unknown("/mnt/data/x"));
        assert!(!unknown("/home/deploy/b"));
        assert!(!unknown("/var/cache/x"));
        assert!(host.list(Path::new("/srv")).is_err());
    }
}
