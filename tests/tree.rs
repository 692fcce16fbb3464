//! The tests' own file trees are what the host's door sees under `--root`.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use deploy_doctor::host::{FileKind, Host, Outcome};
use support::tree::{Tree, can_own};

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
            panic!("{path} is not there")
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
