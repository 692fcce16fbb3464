//! Changes are made all or not at all, and taken back to the last byte, owner, mode and attribute.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/fault.rs"]
mod fault;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use deploy_doctor::fix::history::Outcome;
use deploy_doctor::fix::transaction::UndoError;
use deploy_doctor::fix::{Change, Content};
use deploy_doctor::host::disk::TreeDisk;
use fault::*;

/// A unit, a site with its link, an environment file, and something to be removed.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, "/etc/systemd/system/myapp.service", "[Service]\nUser=www-data\n", 0o644);
    put(root, "/etc/nginx/sites-available/myapp", "server {}\n", 0o640);
    fs::create_dir_all(root.join("etc/nginx/sites-enabled")).unwrap();
    symlink("../sites-available/myapp", root.join("etc/nginx/sites-enabled/myapp")).unwrap();
    put(root, "/etc/myapp.env", "SECRET_KEY=canary-1\n", 0o600);
    put(root, "/etc/old.conf", "old\n", 0o644);
    put(root, "/srv/untouched", "untouched\n", 0o604);
    dir
}

/// One change of each kind.
fn changes(root: &Path) -> Vec<Change> {
    let drop_in = "/etc/systemd/system/myapp.service.d";
    vec![
        change(root, drop_in, own_directory(0o755)),
        change(root, &format!("{drop_in}/50-deploy-doctor.conf"), own_file("[Service]\n", 0o644)),
        rewrite(root, "/etc/nginx/sites-available/myapp", "server { listen 80; }\n"),
        rewrite(root, "/etc/myapp.env", "SECRET_KEY=canary-2\n"),
        change(root, "/etc/old.conf", Content::Absent),
        change(root, "/srv/untouched", own_file("untouched\n", 0o640)),
        change(
            root,
            "/etc/nginx/sites-enabled/myapp",
            Content::Link { target: "../sites-available/other".into() },
        ),
        change(root, "/etc/new-link", Content::Link { target: "/etc/myapp.env".into() }),
    ]
}

#[test]
fn every_kind_of_change_is_made_and_taken_back() {
    let dir = tree();
    let root = dir.path();
    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk);
    let before = snapshot(root);
    let changes = changes(root);
    let id = store.apply(&changes, &describe("eight changes")).unwrap();
    for change in &changes {
        let path = change.path.to_str().unwrap();
        assert!(standing(root, path) == change.after, "{path}");
    }
    assert_eq!(temporaries(root), Vec::<PathBuf>::new());
    let history = store.history().unwrap();
    assert_eq!((history.len(), history[0].id, history[0].outcome), (1, id, Outcome::Applied));
    assert_eq!(history[0].title, "eight changes");
    assert_eq!(history[0].paths.len(), 8);

    let undone = store.undo().unwrap();
    assert_eq!((undone.id, undone.left.len(), undone.paths.len()), (id, 0, 8));
    assert_eq!(snapshot(root), before);
    assert_eq!(store.history().unwrap()[0].outcome, Outcome::Undone);
    assert_eq!(store.undo(), Err(UndoError::Nothing));
}
