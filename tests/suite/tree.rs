//! The tests' own file trees are what the host's door sees under `--root`.

use crate::support;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::tree::{Tree, can_own};
use deploy_doctor::host::{FileKind, Host, HostErrorKind, Outcome, TreeHost};

#[test]
fn a_tree_is_seen_as_it_was_written() {
    let tree = Tree::new()
        .file("/etc/app.env", "A=1\n")
        .mode(0o640)
        .modified(1_000_000)
        .directory("/srv/app/releases/1")
        .mode(0o2750)
        .link("/srv/app/current", "releases/1")
        .link("/srv/app/absolute", "/etc")
        .socket("/run/app.sock")
        .fifo("/run/pipe");
    let host = tree.host();
    assert_eq!(host.read(Path::new("/srv/app/absolute/app.env"), 100).unwrap(), b"A=1\n");
    for (path, kind, mode) in [
        ("/etc/app.env", FileKind::File, 0o640),
        ("/etc", FileKind::Directory, 0o755),
        ("/srv/app/current", FileKind::Directory, 0o2750),
        ("/run/pipe", FileKind::Fifo, 0o644),
        ("/run/app.sock", FileKind::Socket, 0o755),
    ] {
        let Outcome::Present(metadata) = host.look(Path::new(path)).outcome else {
            panic!("{path} does not exist")
        };
        assert_eq!(metadata.kind, kind, "{path}");
        if !matches!(kind, FileKind::Fifo | FileKind::Socket) {
            assert_eq!(metadata.mode, mode, "{path}");
        }
    }
    assert_eq!(host.link_metadata(Path::new("/etc/app.env")).unwrap().mtime, 1_000_000);
    assert_eq!(host.read_link(Path::new("/srv/app/current")).unwrap(), Path::new("releases/1"));
    let root = tree.root().to_owned();
    drop(tree);
    assert!(!root.exists());
}

#[test]
fn owners_are_set_where_that_is_possible() {
    if !can_own() {
        return support::skip("only root can give files away");
    }
    let tree = Tree::new().file("/etc/app.env", "").own(33, 34).link("/l", "/etc").own(1, 2);
    let owner = |path| {
        let metadata = tree.host().link_metadata(Path::new(path)).unwrap();
        (metadata.uid, metadata.gid)
    };
    assert_eq!((owner("/etc/app.env"), owner("/l")), ((33, 34), (1, 2)));
}

/// The targets of a directory's links, read one by one.
fn one_by_one(host: &dyn Host, path: &Path) -> Vec<PathBuf> {
    let names = host.list(path).unwrap();
    names.iter().filter_map(|name| host.read_link(&path.join(name)).ok()).collect()
}

#[test]
fn links_are_read_together_as_one_by_one() {
    let tree = Tree::new()
        .file("/srv/app/a.txt", "")
        .directory("/srv/app/releases/1")
        .link("/srv/app/current", "releases/1")
        .link("/srv/app/dangling", "/nowhere/at/all")
        .link("/srv/inside", "/srv/app");
    let host = tree.host();
    for path in ["/srv/app", "/srv/inside"].map(Path::new) {
        let mut targets = host.link_targets(path, 10).unwrap();
        targets.sort_unstable();
        assert_eq!(targets, ["/nowhere/at/all", "releases/1"].map(PathBuf::from));
        assert_eq!(targets.len(), one_by_one(&host, path).len());
    }
    let kind = |path: &str, limit| host.link_targets(Path::new(path), limit).unwrap_err().kind;
    assert_eq!(kind("/srv/app", 2), HostErrorKind::TooMany);
    assert_eq!(kind("/srv/app/a.txt", 2), HostErrorKind::NotADirectory);
    assert_eq!(kind("/srv/gone", 2), HostErrorKind::NotFound);
}

#[test]
fn open_files_of_a_process_are_read_together_as_one_by_one() {
    // A process of our own whose descriptors do not change meanwhile: what has answered once has
    // opened and closed all that a program opens at its start.
    let (mut ours, its) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut cat = std::process::Command::new("cat")
        .stdin(std::os::fd::OwnedFd::from(its.try_clone().unwrap()))
        .stdout(std::os::fd::OwnedFd::from(its))
        .spawn()
        .unwrap();
    ours.write_all(b"?").unwrap();
    ours.read_exact(&mut [0]).unwrap();
    let host = TreeHost::live().unwrap();
    let path = PathBuf::from(format!("/proc/{}/fd", cat.id()));
    let (mut together, mut single) =
        (host.link_targets(&path, 100).unwrap(), one_by_one(&host, &path));
    cat.kill().unwrap();
    cat.wait().unwrap();
    together.sort_unstable();
    single.sort_unstable();
    assert_eq!(together, single);
    let is_socket = |target: &PathBuf| target.to_string_lossy().starts_with("socket:[");
    assert!(together.iter().any(is_socket), "{together:?}");
}

/// `mktemp -d` makes a directory that nobody else may enter; the root it stands for is none.
#[test]
fn a_trees_own_directory_lends_it_neither_mode_nor_owner() {
    let tree = Tree::new();
    std::fs::set_permissions(tree.root(), PermissionsExt::from_mode(0o700)).unwrap();
    let tree = tree.file("/etc/app.env", "A=1\n");
    let lookup = tree.host().look(Path::new("/etc/app.env"));
    let modes: Vec<u32> = lookup.steps.iter().map(|step| step.metadata.mode).collect();
    assert_eq!(modes, [0o755, 0o755]);
    let closed = tree.directory("/etc").mode(0o700);
    let lookup = closed.host().look(Path::new("/etc/app.env"));
    assert_eq!(lookup.steps[1].metadata.mode, 0o700);
}
