//! Changes are made all or not at all, and taken back to the last byte, owner, mode and attribute.

use crate::support::fault;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use deploy_doctor::fix::history::{self, Outcome};
use deploy_doctor::fix::transaction::{
    ApplyError, HISTORY_LIMIT, Store, StoreError, UndoError, Why,
};
use deploy_doctor::fix::{Change, Content};
use deploy_doctor::host::disk::{DiskErrorKind, TreeDisk};
use fault::*;

/// A unit, a site with its link, an environment file, and something to be removed.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    build(dir.path());
    dir
}

fn build(root: &Path) {
    put(root, "/etc/systemd/system/myapp.service", "[Service]\nUser=www-data\n", 0o644);
    put(root, "/etc/nginx/sites-available/myapp", "server {}\n", 0o640);
    fs::create_dir_all(root.join("etc/nginx/sites-enabled")).unwrap();
    symlink("../sites-available/myapp", root.join("etc/nginx/sites-enabled/myapp")).unwrap();
    put(root, "/etc/myapp.env", "SECRET_KEY=canary-1\n", 0o600);
    put(root, "/etc/old.conf", "old\n", 0o644);
    put(root, "/etc/old.d/one.conf", "one\n", 0o644);
    put(root, "/srv/untouched", "untouched\n", 0o604);
    fs::create_dir_all(root.join("var/lib")).unwrap();
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
        change(root, "/etc/old.d", Content::Absent),
        change(root, "/etc/old.d/one.conf", Content::Absent),
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
    let id = store.apply(&changes, &describe("ten changes")).unwrap();
    for change in &changes {
        let path = change.path.to_str().unwrap();
        assert!(standing(root, path) == change.after, "{path}");
    }
    assert_eq!(temporaries(root), Vec::<PathBuf>::new());
    let history = store.history().unwrap();
    assert_eq!((history.len(), history[0].id, history[0].outcome), (1, id, Outcome::Applied));
    assert_eq!(history[0].title, "ten changes");
    assert_eq!(history[0].paths.len(), 10);

    let undone = store.undo().unwrap();
    assert_eq!((undone.id, undone.left.len(), undone.paths.len()), (id, 0, 10));
    assert_same(&snapshot(root), &before);
    assert_eq!(store.history().unwrap()[0].outcome, Outcome::Undone);
    assert_eq!(store.undo(), Err(UndoError::Nothing));
}

#[test]
fn undo_goes_back_one_transaction_after_the_other() {
    let dir = tree();
    let root = dir.path();
    let disk = TreeDisk::open(root).unwrap();
    let unit = "/etc/systemd/system/myapp.service";
    let mut states = vec![snapshot(root)];
    let mut ids = Vec::new();
    for text in ["one\n", "two\n", "three\n"] {
        // Each in a run of its own.
        let store = store(&disk);
        ids.push(store.apply(&[rewrite(root, unit, text)], &describe(text)).unwrap());
        states.push(snapshot(root));
    }
    assert!(ids.is_sorted());
    for (id, state) in ids.iter().zip(&states).rev() {
        let undone = store(&disk).undo().unwrap();
        assert_eq!(undone.id, *id);
        assert_same(&snapshot(root), state);
    }
    assert_eq!(store(&disk).undo(), Err(UndoError::Nothing));
    // A new one after them is the last again.
    store(&disk).apply(&[rewrite(root, unit, "four\n")], &describe("four")).unwrap();
    store(&disk).undo().unwrap();
    assert_same(&snapshot(root), &states[0]);
    let outcomes: Vec<_> = store(&disk).history().unwrap().iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, [Outcome::Undone; 4]);
}

/// Somebody's own change after ours is not lost to an undo.
#[test]
fn undo_is_refused_where_something_changed_since() {
    type Touch = fn(&Path);
    let touches: [(&str, Touch, &str); 5] = [
        ("etc/myapp.env", |path| fs::write(path, "mine\n").unwrap(), "its content"),
        (
            "etc/myapp.env",
            |path| fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap(),
            "its mode",
        ),
        ("etc/nginx/sites-available/myapp", |path| fs::remove_file(path).unwrap(), "it is gone"),
        ("etc/old.conf", |path| fs::write(path, "mine\n").unwrap(), "something is there now"),
        (
            "etc/new-link",
            |path| {
                fs::remove_file(path).unwrap();
                symlink("elsewhere", path).unwrap();
            },
            "where the link leads",
        ),
    ];
    for (path, touch, what) in touches {
        let dir = tree();
        let root = dir.path();
        let disk = TreeDisk::open(root).unwrap();
        let store = store(&disk);
        store.apply(&changes(root), &describe("changes")).unwrap();
        touch(&root.join(path));
        let touched = snapshot(root);
        let Err(UndoError::Refused(refusals)) = store.undo() else { panic!("{path}: undone") };
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert_eq!(refusals[0].path, Path::new("/").join(path));
        assert_eq!(refusals[0].why, Why::Changed(what));
        assert_same(&snapshot(root), &touched);
        assert_eq!(store.history().unwrap()[0].outcome, Outcome::Applied);
    }
}

#[test]
fn a_directory_that_was_made_stays_when_somebody_uses_it() {
    let dir = tree();
    let root = dir.path();
    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk);
    store.apply(&changes(root), &describe("changes")).unwrap();
    let own = root.join("etc/systemd/system/myapp.service.d/own.conf");
    fs::write(&own, "[Service]\n").unwrap();
    let undone = store.undo().unwrap();
    let left: Vec<_> = undone.left.iter().map(|left| left.path.as_path()).collect();
    assert_eq!(left, [Path::new("/etc/systemd/system/myapp.service.d")]);
    assert!(own.exists());
    assert!(!own.with_file_name("50-deploy-doctor.conf").exists());
}

/// Whatever differs from what was read refuses the whole, before anything is written.
#[test]
fn a_path_that_changed_since_it_was_read_refuses_all() {
    type Touch = fn(&Path);
    let fifo = |path: &Path| {
        fs::remove_file(path).unwrap();
        let mode = rustix::fs::Mode::from(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let touches: [(&str, Touch, &str); 7] = [
        ("etc/myapp.env", |path| fs::write(path, "SECRET_KEY=canary-3\n").unwrap(), "its content"),
        (
            "etc/myapp.env",
            |path| fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap(),
            "its mode",
        ),
        ("etc/myapp.env", |path| fs::remove_file(path).unwrap(), "it is gone"),
        ("etc/myapp.env", fifo, "it is a different kind of file"),
        (
            "etc/myapp.env",
            |path| {
                fs::rename(path, path.with_extension("real")).unwrap();
                symlink("myapp.real", path).unwrap();
            },
            "it is a different kind of file",
        ),
        (
            "etc/myapp.env",
            |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            },
            "it is a different kind of file",
        ),
        ("etc/new-link", |path| fs::write(path, "mine\n").unwrap(), "something is there now"),
    ];
    for (path, touch, what) in touches {
        let dir = tree();
        let root = dir.path();
        let disk = TreeDisk::open(root).unwrap();
        let store = store(&disk);
        let changes = changes(root);
        touch(&root.join(path));
        let touched = snapshot(root);
        let Err(ApplyError::Refused(refusals)) = store.apply(&changes, &describe("changes")) else {
            panic!("{path}: written")
        };
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert_eq!(
            (&*refusals[0].path, &refusals[0].why),
            (&*Path::new("/").join(path), &Why::Changed(what))
        );
        assert_eq!(store.check(&changes), Err(ApplyError::Refused(refusals)));
        assert_same(&snapshot(root), &touched);
        assert_eq!(store.history().unwrap(), []);
    }
}

#[test]
fn what_did_not_validate_goes_back_but_for_what_others_changed() {
    let dir = tree();
    let root = dir.path();
    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk);
    let before = snapshot(root);
    let id = store.apply(&changes(root), &describe("first")).unwrap();
    assert_eq!(store.roll_back(id).unwrap().left, []);
    assert_same(&snapshot(root), &before);
    assert_eq!(store.history().unwrap()[0].outcome, Outcome::RolledBack);
    assert_eq!(store.undo(), Err(UndoError::Nothing), "it does not count for undo");
    assert_eq!(store.roll_back(id), Err(UndoError::Store(StoreError::NotThere(id))));

    let id = store.apply(&changes(root), &describe("second")).unwrap();
    fs::write(root.join("etc/myapp.env"), "mine\n").unwrap();
    let rolled_back = store.roll_back(id).unwrap();
    assert_eq!(rolled_back.left.len(), 1, "{:?}", rolled_back.left);
    assert_eq!(fs::read(root.join("etc/myapp.env")).unwrap(), b"mine\n");
    let mut now = snapshot(root);
    now.insert("etc/myapp.env".into(), before[Path::new("etc/myapp.env")].clone());
    assert_same(&now, &before);
}

#[test]
fn a_second_run_is_told_at_once_who_is_at_it() {
    let dir = tree();
    let disk = TreeDisk::open(dir.path()).unwrap();
    let first = store(&disk);
    let began = std::time::Instant::now();
    let Err(error) = Store::open(&disk, Path::new(STATE)) else { panic!("two at once") };
    assert_eq!(error, StoreError::Busy { holder: format!("process {}", std::process::id()) });
    assert!(began.elapsed().as_secs() < 5);
    // Reading the history needs no lock.
    assert_eq!(history::read(&disk, Path::new(STATE)).unwrap(), []);
    drop(first);
    store(&disk);
}

#[test]
fn the_last_hundred_are_kept() {
    let dir = tree();
    let root = dir.path();
    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk);
    for number in 0..HISTORY_LIMIT + 5 {
        let change = rewrite(root, "/etc/myapp.env", &format!("NUMBER={number}\n"));
        store.apply(&[change], &describe("again")).unwrap();
    }
    let history = store.history().unwrap();
    assert_eq!(history.len(), HISTORY_LIMIT);
    assert_eq!(history[0].id.0, 105);
    store.undo().unwrap();
    assert_eq!(fs::read(root.join("etc/myapp.env")).unwrap(), b"NUMBER=103\n");
}

#[test]
fn a_backup_beside_the_file_never_overwrites_one() {
    let dir = tree();
    let root = dir.path();
    put(root, "/etc/.myapp.env.orig", "older\n", 0o644);
    let before = snapshot(root);
    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk).with_backup_beside(true);
    store.apply(&changes(root), &describe("changes")).unwrap();
    assert_eq!(fs::read(root.join("etc/.myapp.env.orig")).unwrap(), b"older\n");
    let backup = root.join("etc/.myapp.env.orig.1");
    assert_eq!(fs::read(&backup).unwrap(), b"SECRET_KEY=canary-1\n");
    assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o7777, 0o600, "as the file itself");
    assert_eq!(fs::read(root.join("etc/.old.conf.orig")).unwrap(), b"old\n");
    assert!(!root.join("srv/.untouched.orig").exists(), "its bytes did not change");
    store.undo().unwrap();
    assert_same(&snapshot(root), &before);
}

/// An access list as the kernel keeps it (acl(5), linux/posix_acl_xattr.h): user::rw-,
/// user:1234:r--, group::r--, mask::r--, other::---.
fn access_list() -> Vec<u8> {
    let mut list = 2_u32.to_le_bytes().to_vec();
    let none = u32::MAX;
    for (tag, rights, id) in
        [(1, 6, none), (2, 4, 1234), (4, 4, none), (16, 4, none), (32, 0, none)]
    {
        list.extend(u16::to_le_bytes(tag));
        list.extend(u16::to_le_bytes(rights));
        list.extend(u32::to_le_bytes(id));
    }
    list
}

#[test]
fn owner_mode_access_list_and_attributes_stay() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    build(root);
    let path = root.join("etc/myapp.env");
    if is_root() {
        std::os::unix::fs::chown(&path, Some(33), Some(34)).unwrap();
        let link = root.join("etc/nginx/sites-enabled/myapp");
        std::os::unix::fs::lchown(link, Some(33), Some(34)).unwrap();
    } else {
        skip("only root can try other owners");
    }
    let set = |path: &Path, name: &str, value: &[u8]| {
        rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty())
    };
    if set(&path, "user.note", b"kept\xff").is_err()
        || set(&path, "system.posix_acl_access", &access_list()).is_err()
    {
        return skip("no extended attributes or access lists on this file system");
    }
    // What is made in this directory gets an access list by itself.
    set(&root.join("etc"), "system.posix_acl_default", &access_list()).unwrap();
    put(root, "/etc/bare.conf", "bare\n", 0o640);
    rustix::fs::removexattr(root.join("etc/bare.conf"), "system.posix_acl_access").unwrap();
    fs::set_permissions(root.join("etc/bare.conf"), fs::Permissions::from_mode(0o640)).unwrap();
    let before = snapshot(root);
    assert_eq!(before[Path::new("etc/myapp.env")].attributes.len(), 2);
    assert_eq!(before[Path::new("etc/bare.conf")].attributes, []);

    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk);
    let changes = [
        rewrite(root, "/etc/myapp.env", "SECRET_KEY=canary-2\n"),
        rewrite(root, "/etc/bare.conf", "changed\n"),
        change(root, "/etc/old.conf", Content::Absent),
        change(
            root,
            "/etc/nginx/sites-enabled/myapp",
            Content::Link { target: "../sites-available/other".into() },
        ),
    ];
    store.apply(&changes, &describe("content only")).unwrap();
    let after = snapshot(root);
    for path in ["etc/myapp.env", "etc/bare.conf", "etc/nginx/sites-enabled/myapp"] {
        let (then, now) = (&before[Path::new(path)], &after[Path::new(path)]);
        assert_ne!(then.content, now.content);
        assert_eq!(*then, Standing { content: then.content.clone(), ..now.clone() });
    }
    store.undo().unwrap();
    assert_same(&snapshot(root), &before);
}

#[test]
fn hard_links_are_parted_or_refused() {
    let dir = tree();
    let root = dir.path();
    let path = root.join("etc/myapp.env");
    let other = root.join("srv/other-name");
    fs::hard_link(&path, &other).unwrap();
    let before = snapshot(root);
    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk);
    // Another owner or mode would be that of the other name, too.
    let wider = change(root, "/etc/myapp.env", own_file("SECRET_KEY=canary-1\n", 0o644));
    let refused = store.apply(&[wider], &describe("mode")).unwrap_err();
    let ApplyError::Refused(refusals) = refused else { panic!("{refused}") };
    assert_eq!(refusals[0].why, Why::HardLinks(2));
    assert_same(&snapshot(root), &before);
    // Another content is for this name alone.
    let content = [rewrite(root, "/etc/myapp.env", "NEW=1\n")];
    let notices = store.check(&content).unwrap();
    assert_eq!((notices.len(), notices[0].names), (1, 2));
    store.apply(&content, &describe("content")).unwrap();
    assert_eq!(fs::read(&other).unwrap(), b"SECRET_KEY=canary-1\n");
    store.undo().unwrap();
    assert_same(&snapshot(root), &before);
}

#[test]
fn names_may_hold_anything() {
    let dir = tree();
    let root = dir.path();
    let names: [&[u8]; 5] =
        [b"with space", b"\"quotes\" and 'more'", b"new\nline", b"\xff\xfe", b"-rf $(x)"];
    let mut changes = Vec::new();
    for name in names {
        let name = Path::new(OsStr::from_bytes(name));
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join(name), b"before\xff").unwrap();
        fs::set_permissions(root.join(name).join(name), fs::Permissions::from_mode(0o644)).unwrap();
        let (uid, gid) = own();
        let file = |bytes: &[u8]| Content::File { bytes: bytes.into(), mode: 0o644, uid, gid };
        changes.push(Change {
            path: Path::new("/").join(name).join(name),
            before: file(b"before\xff"),
            after: file(b"after\xfe\n"),
        });
        changes.push(Change {
            path: Path::new("/").join(name).join("link"),
            before: Content::Absent,
            after: Content::Link { target: name.into() },
        });
    }
    let before = snapshot(root);
    let disk = TreeDisk::open(root).unwrap();
    store(&disk).apply(&changes, &describe("names")).unwrap();
    assert_ne!(snapshot(root), before);
    let paths = &history::read(&disk, Path::new(STATE)).unwrap()[0].paths;
    assert!(paths.iter().eq(changes.iter().map(|change| &change.path)));
    store(&disk).undo().unwrap();
    assert_same(&snapshot(root), &before);
}

#[test]
fn relative_paths_start_where_the_user_stands() {
    let dir = tree();
    let root = dir.path().canonicalize().unwrap();
    let change =
        Change { path: "../myapp.env".into(), ..rewrite(&root, "/etc/myapp.env", "NEW=1\n") };
    let disk = TreeDisk::live().unwrap().at(&root.join("etc/nginx"));
    let state = root.join("state/deploy-doctor");
    Store::open(&disk, &state).unwrap().apply(&[change], &describe("relative")).unwrap();
    assert_eq!(fs::read(root.join("etc/myapp.env")).unwrap(), b"NEW=1\n");
    // From anywhere else it is the same file.
    let disk = TreeDisk::live().unwrap().at(Path::new("/"));
    let undone = Store::open(&disk, &state).unwrap().undo().unwrap();
    assert_eq!(undone.paths, [root.join("etc/myapp.env")]);
    assert_eq!(fs::read(root.join("etc/myapp.env")).unwrap(), b"SECRET_KEY=canary-1\n");
}

#[test]
fn nothing_to_do_leaves_no_trace() {
    let dir = tree();
    let root = dir.path();
    let disk = TreeDisk::open(root).unwrap();
    assert_eq!(history::read(&disk, Path::new(STATE)).unwrap(), []);
    assert!(!root.join("var/lib/deploy-doctor").exists(), "looking makes nothing");
    let same =
        Change { after: standing(root, "/etc/myapp.env"), ..rewrite(root, "/etc/myapp.env", "") };
    let store = store(&disk);
    assert_eq!(store.apply(std::slice::from_ref(&same), &describe("x")), Err(ApplyError::Nothing));
    let unit = rewrite(root, "/etc/systemd/system/myapp.service", "[Service]\n");
    let twice = [unit.clone(), unit.clone()];
    let Err(ApplyError::Refused(refusals)) = store.apply(&twice, &describe("x")) else { panic!() };
    assert_eq!(refusals[0].why, Why::Twice);
    assert_eq!(store.history().unwrap(), []);
    // What stays is looked at all the same.
    store.apply(&[same.clone(), unit], &describe("x")).unwrap();
    assert_eq!(store.history().unwrap()[0].paths.len(), 1);
    fs::write(root.join("etc/myapp.env"), "other").unwrap();
    assert!(matches!(store.apply(&[same], &describe("x")), Err(ApplyError::Refused(_))));
}

#[test]
fn backups_are_for_the_owner_alone_and_errors_hold_no_content() {
    let dir = tree();
    let root = dir.path();
    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk);
    store.apply(&changes(root), &describe("changes")).unwrap();
    let mut todo = vec![root.join(STATE.trim_start_matches('/'))];
    let mut files = 0;
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            assert_eq!(meta.mode() & 0o7777, 0o700, "{}", path.display());
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            assert_eq!(meta.mode() & 0o7777, 0o600, "{}", path.display());
            files += 1;
        }
    }
    assert!(files >= 6, "{files} files");
    fs::write(root.join("etc/myapp.env"), "SECRET_KEY=canary-4\n").unwrap();
    let refused = store.undo().unwrap_err();
    let journal = root.join("var/lib/deploy-doctor/transactions/00000001/journal.json");
    let text = fs::read_to_string(&journal).unwrap();
    assert!(text.contains("canary-2"), "the journal knows it");
    fs::write(&journal, text.replace("\"after\": {", "\"after\": {\"canary-5\": ")).unwrap();
    let damaged = store.undo().unwrap_err();
    assert!(matches!(damaged, UndoError::Store(StoreError::Damaged { .. })), "{damaged}");
    for text in [format!("{refused} {refused:?}"), format!("{damaged} {damaged:?}")] {
        assert!(!text.contains("canary"), "{text}");
    }
}

/// A journal that says "prepared" and cannot be understood stops everything, loudly.
#[test]
fn a_damaged_journal_is_not_passed_over() {
    let dir = tree();
    let root = dir.path();
    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk);
    store.apply(&changes(root), &describe("changes")).unwrap();
    let transaction = root.join("var/lib/deploy-doctor/transactions/00000001");
    fs::write(transaction.join("state"), "prepared").unwrap();
    let journal = fs::read(transaction.join("journal.json")).unwrap();
    fs::write(transaction.join("journal.json"), &journal[..journal.len() / 2]).unwrap();
    let now = snapshot(root);
    assert!(matches!(store.recover(), Err(StoreError::Damaged { .. })));
    let more = rewrite(root, "/srv/untouched", "more\n");
    let refused = store.apply(&[more], &describe("more"));
    assert!(matches!(refused, Err(ApplyError::Store(StoreError::Unfinished { .. }))));
    assert_same(&snapshot(root), &now);
    fs::write(transaction.join("state"), "canary").unwrap();
    assert!(matches!(store.recover(), Err(StoreError::Damaged { .. })));
}

/// Whoever reads while it is written sees the old file or the new one.
#[test]
fn a_reader_sees_old_or_new() {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let root = dir.path();
    let (old, new) = ("old\n".repeat(20_000), "new!\n".repeat(30_000));
    put(root, "/etc/big", &old, 0o644);
    let done = AtomicBool::new(false);
    let path = root.join("etc/big");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut olds, mut news) = (0_u32, 0_u32);
            while !done.load(Ordering::Relaxed) {
                match fs::read_to_string(&path).unwrap() {
                    text if text == old => olds += 1,
                    text if text == new => news += 1,
                    text => panic!("neither old nor new: {} bytes", text.len()),
                }
            }
            (olds, news)
        });
        let disk = TreeDisk::open(root).unwrap();
        let store = store(&disk);
        for _ in 0..100 {
            store.apply(&[rewrite(root, "/etc/big", &new)], &describe("new")).unwrap();
            store.undo().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        let (olds, news) = reader.join().unwrap();
        assert!(olds > 0 && news > 0, "{olds} {news}");
    });
}

/// A power failure may lose all that was not synced: nothing is put in its place before the
/// journal and the new content are on the disk, and nothing is called done before the names are.
#[test]
fn everything_is_on_the_disk_before_the_next_step_relies_on_it() {
    let dir = tree();
    let root = dir.path();
    let changes = changes(root);
    let disk = FaultDisk::new(root, Fault::None);
    store(&disk).apply(&changes, &describe("changes")).unwrap();
    let log = disk.log.take();
    let position = |what: &str| log.iter().position(|step| step == what);
    let transaction = format!("{STATE}/transactions/00000001");
    let prepared = log.iter().position(|step| step.contains("rename(Replace)")).unwrap();
    let committed = log.iter().rposition(|step| step.contains("rename(Replace)")).unwrap();
    assert!(prepared < committed);
    // The journal and what stood before, then the word "prepared".
    let mut backups = 0;
    for step in log.iter().filter(|step| step.starts_with("create") && step.contains(STATE)) {
        let path = step.trim_start_matches("create ");
        if !path.ends_with("state.new") {
            assert!(position(&format!("sync {path}")).unwrap() < prepared, "{path}");
            backups += 1;
        }
    }
    assert_eq!(backups, 6, "five files that were there, and the journal");
    let synced_after = |what: &str, from: usize, to: usize| {
        log[from..to].iter().any(|step| step == &format!("sync_directory {what}"))
    };
    assert!(synced_after(&format!("{STATE}/transactions"), 0, prepared));
    let first = log.iter().position(|step| !step.contains(STATE) && !step.ends_with("/var/lib"));
    assert!(synced_after(&transaction, prepared, first.unwrap()), "before the first change");
    // Everything new is synced before the first of it is put in its place.
    let placed =
        log.iter().position(|step| step.contains("rename(") && !step.contains("Replace")).unwrap();
    for step in log.iter().filter(|step| step.starts_with("create ") && !step.contains(STATE)) {
        let path = step.trim_start_matches("create ");
        assert!(position(&format!("sync {path}")).unwrap() < placed, "{path}");
    }
    // Every name is, before it is called done.
    for directory in ["/etc", "/etc/nginx/sites-enabled", "/etc/nginx/sites-available", "/srv"] {
        let last = log.iter().rposition(|step| {
            let path = step.split_once(' ').unwrap().1;
            Path::new(path).parent() == Some(Path::new(directory)) && !step.starts_with("sync")
        });
        assert!(synced_after(directory, last.unwrap(), committed), "{directory}");
    }
    assert!(synced_after(&transaction, committed, log.len()));
}

/// Every single step fails once, with each of the errors that disks give.
#[test]
fn a_step_that_fails_takes_everything_back() {
    let counted = tree();
    let disk = FaultDisk::new(counted.path(), Fault::None);
    let begun = {
        let store = store(&disk);
        let begun = disk.steps();
        store.apply(&changes(counted.path()), &describe("counted")).unwrap();
        begun
    };
    let kinds = [DiskErrorKind::Full, DiskErrorKind::ReadOnly, DiskErrorKind::PermissionDenied];
    let (mut failed, mut for_good) = (0, 0);
    for at in begun..disk.steps() {
        for (kind, once) in kinds.iter().flat_map(|kind| [(kind, true), (kind, false)]) {
            let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
            let root = dir.path();
            build(root);
            let before = snapshot(root);
            let changes = changes(root);
            let fault = match once {
                true => Fault::Fail(at, kind.clone()),
                false => Fault::FailFrom(at, kind.clone()),
            };
            let disk = FaultDisk::new(root, fault);
            let result = store(&disk).apply(&changes, &describe("fails"));
            let step = &disk.log.borrow()[at];
            let after = snapshot(root) != before;
            match result {
                Ok(_) => assert!(step.contains(STATE) && after, "{step} was passed over"),
                Err(ApplyError::Failed { left, .. }) if !left.is_empty() => {
                    assert!(!once, "{step} failed once: {left:?}");
                    for_good += 1;
                }
                // Told as done with: then it is.
                Err(_) => {
                    assert!(!after, "{step} {kind} {once}");
                    failed += 1;
                }
            }
            // And the next run, on a disk that works, finds what it needs.
            let disk = TreeDisk::open(root).unwrap();
            let store = store(&disk);
            for recovered in store.recover().unwrap() {
                assert_eq!(recovered.left, [], "{step}");
            }
            if store.history().unwrap().iter().any(|one| one.outcome == Outcome::Applied) {
                store.undo().unwrap();
            }
            assert_same(&snapshot(root), &before);
        }
    }
    assert!(failed > 100 && for_good > 50, "{failed} {for_good}");
}

/// A hundred findings over twenty files: what is written is written in an instant.
#[test]
fn twenty_files_are_written_in_an_instant() {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let root = dir.path();
    let line = "# a line of a file that is not small\n".repeat(200);
    for number in 0..20 {
        put(root, &format!("/etc/nginx/{}/site-{number}", number % 4), &line, 0o644);
    }
    let changes: Vec<Change> = (0..20)
        .map(|number| {
            let path = format!("/etc/nginx/{}/site-{number}", number % 4);
            rewrite(root, &path, &format!("{line}server {{}}\n"))
        })
        .collect();
    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk);
    let began = std::time::Instant::now();
    store.apply(&changes, &describe("twenty")).unwrap();
    let took = began.elapsed();
    println!("twenty files: {took:?}");
    // Forty times what it takes here without a disk, for slow machines.
    assert!(took.as_millis() < 1000, "{took:?}");
}
