//! Hostile surroundings: links planted in place of files and directories, files replaced in the
//! last moment, a state directory that somebody else prepared, full and read-only disks.
//! Nothing but the named files is written, and nothing of anybody's is lost.

use crate::support::fault;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deploy_doctor::fix::transaction::{ApplyError, Refusal, Store, StoreError, Why};
use deploy_doctor::fix::{Change, Content};
use deploy_doctor::host::disk::{DiskErrorKind, TreeDisk};
use fault::*;
use rustix::fs::CWD;

/// A tree, and beside it what must never change.
fn tree_and_outside() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    for top in [&root, &outside] {
        put(top, "/srv/app/.env", "A=1\n", 0o600);
        put(top, "/srv/app/gunicorn.conf.py", "workers = 1\n", 0o644);
        put(top, "/etc/site", "server {}\n", 0o644);
    }
    fs::create_dir_all(root.join("var/lib")).unwrap();
    (dir, root, outside)
}

fn site_changes(root: &Path) -> Vec<Change> {
    vec![
        rewrite(root, "/etc/site", "server { listen 80; }\n"),
        rewrite(root, "/srv/app/.env", "A=2\n"),
        change(root, "/srv/app/gunicorn.conf.py", own_file("workers = 1\n", 0o600)),
        change(root, "/srv/app/new", own_file("new\n", 0o644)),
    ]
}

fn refusals(result: Result<impl Sized, ApplyError>) -> Vec<Refusal> {
    match result {
        Err(ApplyError::Refused(refusals)) => refusals,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[test]
fn no_link_is_followed_wherever_it_stands() {
    type Plant = fn(&Path, &Path);
    let plants: [(&str, Plant); 4] = [
        ("the file", |root, outside| {
            fs::remove_file(root.join("srv/app/.env")).unwrap();
            symlink(outside.join("srv/app/.env"), root.join("srv/app/.env")).unwrap();
        }),
        ("its directory", |root, outside| {
            fs::rename(root.join("srv/app"), root.join("srv/moved")).unwrap();
            symlink(outside.join("srv/app"), root.join("srv/app")).unwrap();
        }),
        ("a directory above", |root, outside| {
            fs::rename(root.join("srv"), root.join("moved")).unwrap();
            symlink(outside.join("srv"), root.join("srv")).unwrap();
        }),
        ("a directory above, by dots", |root, _| {
            fs::rename(root.join("srv"), root.join("moved")).unwrap();
            symlink("../outside/srv", root.join("srv")).unwrap();
        }),
    ];
    for (name, plant) in plants {
        let (_dir, root, outside) = tree_and_outside();
        let changes = site_changes(&root);
        plant(&root, &outside);
        let (inside, beyond) = (snapshot(&root), snapshot(&outside));
        let disk = TreeDisk::open(&root).unwrap();
        let refusals = refusals(store(&disk).apply(&changes, &describe(name)));
        assert!(!refusals.is_empty(), "{name}");
        assert_same(&snapshot(&outside), &beyond);
        assert_same(&snapshot(&root), &inside);
    }
    // `..` does not lead out either.
    let (_dir, root, outside) = tree_and_outside();
    let beyond = snapshot(&outside);
    let disk = TreeDisk::open(&root).unwrap();
    let out = Change { path: "/../outside/etc/site".into(), ..rewrite(&root, "/etc/site", "x\n") };
    let refusals = refusals(store(&disk).apply(&[out], &describe("dots")));
    assert_eq!(refusals[0].path, Path::new("/outside/etc/site"));
    assert_same(&snapshot(&outside), &beyond);
}

/// Somebody who may write in the directory swaps it, and the file in it, for links to places
/// outside, as fast as they can.
#[test]
fn links_that_are_swapped_in_a_loop_lead_nowhere() {
    let (_dir, root, outside) = tree_and_outside();
    let beyond = snapshot(&outside);
    let disk = TreeDisk::open(&root).unwrap();
    let store = store(&disk);
    let done = AtomicBool::new(false);
    // Held while something is swapped, so that the tree can be put in order between two attempts.
    let swapping = Mutex::new(());
    let (mut made, mut refused) = (0, 0);
    symlink(outside.join("srv/app"), root.join("srv/swapped")).unwrap();
    symlink(outside.join("srv/app/.env"), root.join("srv/env-link")).unwrap();
    let changes = [rewrite(&root, "/srv/app/.env", "A=2\n"), rewrite(&root, "/srv/app/new", "n\n")];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = |a: &Path, b: &Path| {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let _ = rustix::fs::renameat_with(CWD, a, CWD, b, flags);
            };
            let (app, swapped) = (root.join("srv/app"), root.join("srv/swapped"));
            let (file, link) = (app.join(".env"), root.join("srv/env-link"));
            for round in 0_u64.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let held = swapping.lock().unwrap();
                let (a, b) = if round % 2 == 0 { (&app, &swapped) } else { (&file, &link) };
                exchange(a, b);
                std::thread::sleep(Duration::from_micros(round % 50));
                exchange(a, b);
                drop(held);
                std::thread::sleep(Duration::from_micros(round * 37 % 1500));
            }
        });
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && !(made > 50 && refused > 50) {
            match store.apply(&changes, &describe("race")) {
                Ok(_) => made += 1,
                Err(_) => refused += 1,
            }
            let _held = swapping.lock().unwrap();
            let _ = store.recover();
            let _ = fs::remove_file(root.join("srv/app/new"));
            for name in ["srv/app/.env", "srv/env-link"] {
                let _ = fs::remove_file(root.join(name));
            }
            put(&root, "/srv/app/.env", "A=1\n", 0o600);
            symlink(outside.join("srv/app/.env"), root.join("srv/env-link")).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{made} made, {refused} refused");
    assert!(made > 0 && refused > 0, "{made} made, {refused} refused");
    assert_same(&snapshot(&outside), &beyond);
}

/// At every step of the writing somebody replaces one of the files, or writes into it. Whatever
/// comes of it, their content stands in the end, and the others are all before or all after.
#[test]
fn what_somebody_else_writes_meanwhile_is_never_lost() {
    type Write = fn(&Path);
    let writes: [(&str, Write); 3] = [
        ("replaced", |path| {
            fs::write(path.with_extension("foreign"), "foreign\n").unwrap();
            fs::rename(path.with_extension("foreign"), path).unwrap();
        }),
        ("written into", |path| fs::write(path, "foreign\n").unwrap()),
        ("removed and made again", |path| {
            let _ = fs::remove_file(path);
            fs::write(path, "foreign\n").unwrap();
        }),
    ];
    let (_dir, root, _) = tree_and_outside();
    let disk = FaultDisk::new(&root, Fault::None);
    let begun = {
        let store = store(&disk);
        let begun = disk.steps();
        store.apply(&site_changes(&root), &describe("counted")).unwrap();
        begun
    };
    let after = snapshot(&root);
    let (mut lost_races, mut won) = (0, 0);
    for at in begun..disk.steps() {
        for name in ["etc/site", "srv/app/.env", "srv/app/gunicorn.conf.py", "srv/app/new"] {
            for (how, write) in writes {
                let (_dir, root, _) = tree_and_outside();
                let before = snapshot(&root);
                let changes = site_changes(&root);
                let path = root.join(name);
                let disk =
                    FaultDisk::new(&root, Fault::Meanwhile(at, Box::new(move || write(&path))));
                let result = store(&disk).apply(&changes, &describe("race"));
                let step = &disk.log.borrow()[at];
                let now = snapshot(&root);
                let theirs = &now[Path::new(name)];
                assert_eq!(theirs.content, b"foreign\n", "{name} {how} before {step}: {result:?}");
                let mut expected = if result.is_ok() { after.clone() } else { before };
                expected.insert(name.into(), theirs.clone());
                let differences = differences(&now, &expected);
                assert!(differences.is_empty(), "{name} {how} before {step}: {differences:#?}");
                if result.is_ok() { won += 1 } else { lost_races += 1 }
            }
        }
    }
    assert!(lost_races > 50 && won > 20, "{lost_races} {won}");
}

/// The number of the first step of these words, and of the whole.
fn step_of(word: &str, part: &str, changes: fn(&Path) -> Vec<Change>) -> usize {
    let (_dir, root, _) = tree_and_outside();
    let disk = FaultDisk::new(&root, Fault::None);
    store(&disk).apply(&changes(&root), &describe("counted")).unwrap();
    let log = disk.log.borrow();
    log.iter().position(|step| step.starts_with(word) && step.contains(part)).unwrap()
}

fn env_change(root: &Path) -> Vec<Change> {
    vec![rewrite(root, "/srv/app/.env", "A=2\n"), rewrite(root, "/etc/site", "2\n")]
}

/// The directory is moved away, and another put in its place, while it is written.
#[test]
fn a_directory_that_is_moved_meanwhile_takes_everything_back() {
    let at = step_of("rename(Exchange)", "/srv/app/.env", env_change);
    let (_dir, root, _) = tree_and_outside();
    let changes = env_change(&root);
    let before = snapshot(&root);
    let (app, moved) = (root.join("srv/app"), root.join("srv/moved"));
    let act = {
        let (app, moved) = (app.clone(), moved.clone());
        move || {
            fs::rename(&app, &moved).unwrap();
            fs::create_dir(&app).unwrap();
        }
    };
    let disk = FaultDisk::new(&root, Fault::Meanwhile(at, Box::new(act)));
    let error = store(&disk).apply(&changes, &describe("moved")).unwrap_err();
    assert!(error.to_string().contains("the directory was moved"), "{error}");
    assert!(fs::read_dir(&app).unwrap().next().is_none(), "nothing is made in the other one");
    fs::remove_dir(&app).unwrap();
    fs::rename(&moved, &app).unwrap();
    assert_same(&snapshot(&root), &before);
}

/// The temporary file is replaced by a link before it is put in its place: the link is not what
/// comes to stand there.
#[test]
fn a_temporary_file_that_is_replaced_is_not_put_in_place() {
    let at = step_of("rename(Exchange)", "/srv/app/.env", env_change);
    let (_dir, root, outside) = tree_and_outside();
    let changes = env_change(&root);
    let (before, beyond) = (snapshot(&root), snapshot(&outside));
    let act = {
        let (app, target) = (root.join("srv/app"), outside.join("srv/app/.env"));
        move || {
            let temporary = temporary_in(&app);
            fs::remove_file(&temporary).unwrap();
            symlink(&target, &temporary).unwrap();
        }
    };
    let disk = FaultDisk::new(&root, Fault::Meanwhile(at, Box::new(act)));
    let error = store(&disk).apply(&changes, &describe("replaced")).unwrap_err();
    let ApplyError::Failed { left, .. } = &error else { panic!("{error}") };
    assert_eq!(left.len(), 1, "the link that somebody put there is named: {error}");
    let link = temporary_in(&root.join("srv/app"));
    assert!(link.is_symlink());
    fs::remove_file(link).unwrap();
    assert_same(&snapshot(&root), &before);
    assert_same(&snapshot(&outside), &beyond);
}

/// A directory that was just made is swapped for one of somebody else's: its owner and mode stay.
#[test]
fn a_directory_that_is_swapped_when_it_is_made_is_not_given_away() {
    let changes = |root: &Path| {
        let made = Content::Directory { mode: 0o777, uid: own().0, gid: own().1 };
        vec![change(root, "/srv/made", made)]
    };
    let at = step_of("mkdir", "/srv/made", changes);
    type Prepare = fn(&Path);
    let prepared: [(&str, Prepare); 2] = [
        ("not empty", |path| put(path, "/secret", "1\n", 0o600)),
        ("of another mode", |path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o711)).unwrap();
        }),
    ];
    for (name, prepare) in prepared {
        let (_dir, root, _) = tree_and_outside();
        let changes = changes(&root);
        let (made, theirs) = (root.join("srv/made"), root.join("srv/theirs"));
        fs::create_dir(&theirs).unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o700)).unwrap();
        prepare(&theirs);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let then = mode(&theirs);
        let act = {
            let (made, theirs) = (made.clone(), theirs.clone());
            move || {
                fs::remove_dir(&made).unwrap();
                fs::rename(&theirs, &made).unwrap();
            }
        };
        let disk = FaultDisk::new(&root, Fault::AfterMkdir(at, Box::new(act)));
        let result = store(&disk).apply(&changes, &describe(name));
        assert!(result.is_err(), "{name}");
        if made.exists() {
            assert_eq!(mode(&made), then, "{name}");
        } else {
            assert_eq!(name, "of another mode", "an empty one may go");
        }
    }
}

#[test]
fn a_state_directory_that_somebody_else_prepared_is_refused() {
    let state = STATE.trim_start_matches('/');
    type Prepare = fn(&Path, &Path);
    let prepared: [(&str, Prepare); 6] = [
        ("a link", |state, outside| symlink(outside, state).unwrap()),
        ("a link to nothing", |state, outside| symlink(outside.join("none"), state).unwrap()),
        ("a file", |state, _| fs::write(state, "").unwrap()),
        ("writable by all", |state, _| {
            fs::create_dir(state).unwrap();
            fs::set_permissions(state, fs::Permissions::from_mode(0o777)).unwrap();
        }),
        ("readable by all", |state, _| {
            fs::create_dir(state).unwrap();
            fs::set_permissions(state, fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("with a link in it", |state, outside| {
            fs::create_dir(state).unwrap();
            fs::set_permissions(state, fs::Permissions::from_mode(0o700)).unwrap();
            symlink(outside, state.join("transactions")).unwrap();
        }),
    ];
    for (name, prepare) in prepared {
        let (_dir, root, outside) = tree_and_outside();
        prepare(&root.join(state), &outside);
        let (inside, beyond) = (snapshot(&root), snapshot(&outside));
        let disk = TreeDisk::open(&root).unwrap();
        match Store::open(&disk, Path::new(STATE)) {
            Err(StoreError::Untrusted { .. }) => {}
            Err(other) => panic!("{name}: {other}"),
            Ok(_) => panic!("{name}: trusted"),
        }
        assert_same(&snapshot(&root), &inside);
        assert_same(&snapshot(&outside), &beyond);
    }
    if !is_root() {
        return skip("only root can make a directory that belongs to somebody else");
    }
    let (_dir, root, _) = tree_and_outside();
    fs::create_dir(root.join(state)).unwrap();
    fs::set_permissions(root.join(state), fs::Permissions::from_mode(0o700)).unwrap();
    chown(root.join(state), Some(33), Some(33)).unwrap();
    let disk = TreeDisk::open(&root).unwrap();
    assert!(matches!(Store::open(&disk, Path::new(STATE)), Err(StoreError::Untrusted { .. })));
    let read = deploy_doctor::fix::history::read(&disk, Path::new(STATE));
    assert!(matches!(read, Err(StoreError::Untrusted { .. })));
}

/// `/var` may be a link; then the state directory is where that leads, inside the root.
#[test]
fn the_way_to_the_state_directory_may_hold_links() {
    let (_dir, root, outside) = tree_and_outside();
    fs::remove_dir_all(root.join("var")).unwrap();
    fs::create_dir(root.join("elsewhere")).unwrap();
    symlink("/elsewhere", root.join("var")).unwrap();
    let beyond = snapshot(&outside);
    let disk = TreeDisk::open(&root).unwrap();
    store(&disk).apply(&site_changes(&root), &describe("x")).unwrap();
    assert!(root.join("elsewhere/lib/deploy-doctor/transactions").is_dir());
    let mode = fs::metadata(root.join("elsewhere/lib")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, if is_root() { 0o755 } else { 0o700 });
    assert_same(&snapshot(&outside), &beyond);
}

#[test]
fn what_is_immutable_or_append_only_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let chattr = |flag: &str, path: &str| {
        let path = root.join(path.trim_start_matches('/'));
        Command::new("chattr").arg(flag).arg(path).output().is_ok_and(|out| out.status.success())
    };
    put(root, "/etc/fixed", "1\n", 0o644);
    put(root, "/etc/log", "1\n", 0o644);
    put(root, "/etc/d/inside", "1\n", 0o644);
    put(root, "/etc/other", "1\n", 0o644);
    fs::create_dir_all(root.join("var/lib")).unwrap();
    let flags = [("i", "/etc/fixed"), ("a", "/etc/log"), ("i", "/etc/d")];
    if !flags.iter().all(|(flag, path)| chattr(&format!("+{flag}"), path)) {
        for (flag, path) in flags {
            chattr(&format!("-{flag}"), path);
        }
        return skip("chattr +i and +a do not work here (no root, or not on this file system)");
    }
    let changes: Vec<Change> =
        ["/etc/fixed", "/etc/log", "/etc/d/inside", "/etc/d/new", "/etc/other"]
            .iter()
            .map(|path| rewrite(root, path, "2\n"))
            .collect();
    let disk = TreeDisk::open(root).unwrap();
    let before = snapshot(root);
    let result = store(&disk).apply(&changes, &describe("x"));
    let same = snapshot(root) == before;
    flags.iter().for_each(|(flag, path)| assert!(chattr(&format!("-{flag}"), path)));
    let refusals = refusals(result);
    let whys: Vec<_> = refusals.iter().map(|one| (one.path.to_str().unwrap(), &one.why)).collect();
    assert_eq!(
        whys,
        [
            ("/etc/fixed", &Why::Immutable),
            ("/etc/log", &Why::AppendOnly),
            ("/etc/d/inside", &Why::Immutable),
            ("/etc/d/new", &Why::Immutable),
        ]
    );
    assert!(same, "nothing was written");
}

const SPACE: &str = "FAULT_NAMESPACE";

/// Runs a test of this file again, where `prepare` has put the process.
fn again(name: &str, mut command: Command) -> bool {
    let status = command
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("fix_transaction_hostile::{name}"), "--nocapture"])
        .env(SPACE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success(), "{text}{}", String::from_utf8_lossy(&status.stderr));
    assert!(text.contains("1 passed"), "{text}");
    true
}

fn mount(arguments: &[&str], at: &Path) {
    let out = Command::new("mount").args(arguments).arg(at).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// A directory that is mounted read-only until this goes.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn new(at: PathBuf) -> Self {
        mount(&["--bind", at.to_str().unwrap()], &at);
        mount(&["-o", "remount,ro,bind"], &at);
        Self(at)
    }
}

impl Drop for ReadOnly {
    // Else the directory round it could not be removed.
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

/// Mounts are made in a mount namespace of their own, which goes with the process.
fn in_namespace(name: &str) -> bool {
    if std::env::var_os(SPACE).is_some() {
        return true;
    }
    let mut possible = Command::new("unshare");
    possible.args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]);
    if !possible.output().is_ok_and(|out| out.status.success()) {
        skip("no mount namespace can be made here");
        return false;
    }
    let mut command = Command::new("unshare");
    command.arg("-m");
    again(name, command);
    false
}

#[test]
fn a_full_disk_changes_nothing() {
    if !in_namespace("a_full_disk_changes_nothing") {
        return;
    }
    let (_dir, root, _) = tree_and_outside();
    let big = "x".repeat(300_000);
    for full in ["srv/app", "var/lib"] {
        let at = root.join(full);
        mount(&["-t", "tmpfs", "-o", "size=256k", "none"], &at);
        put(&root, "/srv/app/.env", "A=1\n", 0o600);
        let before = snapshot(&root);
        let disk = TreeDisk::open(&root).unwrap();
        {
            let store = store(&disk);
            let changes = [
                rewrite(&root, "/etc/site", "server { listen 80; }\n"),
                rewrite(&root, "/srv/app/.env", &big),
            ];
            let error = store.apply(&changes, &describe("full")).unwrap_err();
            assert!(error.to_string().contains("no space left"), "{error}");
            let told = match &error {
                ApplyError::Failed { left, .. } => left.is_empty(),
                ApplyError::Store(_) => true,
                _ => false,
            };
            assert!(told, "{error}");
            assert_same(&snapshot(&root), &before);
            assert_eq!(store.recover().unwrap(), []);
            assert_eq!(store.history().unwrap(), []);
            // What does fit, can be written.
            store.apply(&[rewrite(&root, "/srv/app/.env", "A=2\n")], &describe("fits")).unwrap();
        }
        drop(disk);
        let out = Command::new("umount").arg(&at).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn a_file_system_mounted_read_only_is_refused() {
    if !in_namespace("a_file_system_mounted_read_only_is_refused") {
        return;
    }
    let (_dir, root, _) = tree_and_outside();
    let _app = ReadOnly::new(root.join("srv/app"));
    let before = snapshot(&root);
    let disk = TreeDisk::open(&root).unwrap();
    let refusals = refusals(store(&disk).apply(&site_changes(&root), &describe("x")));
    assert_eq!(refusals.len(), 3, "{refusals:?}");
    assert!(refusals.iter().all(|one| one.why == Why::ReadOnly), "{refusals:?}");
    assert_same(&snapshot(&root), &before);
    // And where the state directory would be.
    let _state = ReadOnly::new(root.join("var"));
    let state = Path::new("/var/lib/other");
    let Err(StoreError::Disk(error)) = Store::open(&disk, state) else { panic!("opened") };
    assert_eq!(error.kind, DiskErrorKind::ReadOnly);
}

/// As an ordinary user: what is not theirs is refused, what is theirs works as it does for root.
#[test]
fn an_ordinary_user_changes_what_is_theirs() {
    if is_root() && std::env::var_os(SPACE).is_none() {
        // The tests' own directory may be closed to others.
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let copy = dir.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        let out = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&copy)
            .args([
                "--exact",
                "fix_transaction_hostile::an_ordinary_user_changes_what_is_theirs",
                "--nocapture",
            ])
            .env(SPACE, "1")
            .current_dir("/")
            .output();
        let Ok(out) = out else { return skip("setpriv is missing") };
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
        assert!(text.contains("1 passed"), "{text}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, "/repository/unit", "1\n", 0o640);
    put(root, "/closed/unit", "1\n", 0o644);
    // Writing takes this bit away from who is not root.
    put(root, "/repository/run", "1\n", 0o4755);
    let before = snapshot(root);
    let state = Path::new("/home/.local/state/deploy-doctor");
    let disk = TreeDisk::open(root).unwrap();
    let store = Store::open(&disk, state).unwrap();
    let changes = ["/repository/unit", "/closed/unit", "/repository/run"];
    let changes = changes.map(|path| rewrite(root, path, "2\n"));
    store.apply(&changes, &describe("mine")).unwrap();
    assert!(standing(root, "/repository/run") == changes[2].after, "its mode");
    store.undo().unwrap();
    let mut now = snapshot(root);
    now.retain(|path, _| !path.starts_with("home"));
    assert_same(&now, &before);

    // A directory that may not be written in, and an owner that may not be given.
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    let before = snapshot(root);
    let error = store.apply(&changes, &describe("closed")).unwrap_err();
    let ApplyError::Failed { left, .. } = &error else { panic!("{error}") };
    assert!(left.is_empty() && error.to_string().contains("permission denied"), "{error}");
    assert_same(&snapshot(root), &before);
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    let before = snapshot(root);
    let mut given = changes[0].clone();
    given.after = Content::File { bytes: b"2\n".to_vec(), mode: 0o640, uid: 0, gid: 0 };
    let error = store.apply(&[given], &describe("given away")).unwrap_err();
    assert!(error.to_string().contains("set its owner: permission denied"), "{error}");
    assert_same(&snapshot(root), &before);
}
