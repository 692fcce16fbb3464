//! The process is killed (SIGKILL) before every step of making, taking back and recovering
//! changes, and within every write. The next run finds all as before or all as after, cleans up,
//! and goes on.

use crate::support::fault;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use deploy_doctor::fix::history::Outcome;
use deploy_doctor::fix::transaction::Recovered;
use deploy_doctor::fix::{Change, Content};
use deploy_doctor::host::disk::TreeDisk;
use fault::*;

const ROOT: &str = "FAULT_ROOT";
const SCENE: &str = "FAULT_SCENE";
const ACT: &str = "FAULT_ACT";
const FAULT: &str = "FAULT_AT";

/// A tree and what is to be changed in it.
struct Scene {
    name: &'static str,
    build: fn(&Path),
    changes: fn(&Path) -> Vec<Change>,
    /// Does the file system know how to exchange two names?
    exchange: bool,
}

const SCENES: [Scene; 4] = [
    Scene { name: "site", build: build_site, changes: site, exchange: true },
    Scene { name: "dressed", build: build_dressed, changes: dressed, exchange: true },
    Scene { name: "removal", build: build_removal, changes: removal, exchange: true },
    Scene { name: "site without exchange", build: build_site, changes: site, exchange: false },
];

/// The socket's path in unit and site, a drop-in with its directory, an environment file, links.
fn build_site(root: &Path) {
    put(root, "/etc/systemd/system/myapp.service", "[Service]\nUser=www-data\n", 0o644);
    put(root, "/etc/nginx/sites-available/myapp", "server {}\n", 0o640);
    fs::create_dir_all(root.join("etc/nginx/sites-enabled")).unwrap();
    symlink("../sites-available/myapp", root.join("etc/nginx/sites-enabled/myapp")).unwrap();
    put(root, "/etc/myapp.env", "SECRET_KEY=canary-1\n", 0o600);
}

fn site(root: &Path) -> Vec<Change> {
    let drop_in = "/etc/systemd/system/myapp.service.d";
    vec![
        change(root, drop_in, own_directory(0o755)),
        change(root, &format!("{drop_in}/50-deploy-doctor.conf"), own_file("[Service]\n", 0o644)),
        rewrite(root, "/etc/nginx/sites-available/myapp", "server { listen 80; }\n"),
        rewrite(root, "/etc/myapp.env", "SECRET_KEY=canary-2\n"),
        change(
            root,
            "/etc/nginx/sites-enabled/myapp",
            Content::Link { target: "../sites-available/other".into() },
        ),
        change(root, "/etc/new-link", Content::Link { target: "/etc/myapp.env".into() }),
    ]
}

/// Owners, modes and attributes beside the content; paths that are hard to write down.
fn build_dressed(root: &Path) {
    put(root, "/srv/app/a file's \"name\"\n", "one\n", 0o640);
    put(root, "/srv/app/plain", "two\n", 0o4755);
    put(root, "/srv/app/mode-only", "three\n", 0o666);
    put(root, "/srv/app/both", "four\n", 0o644);
    for name in ["a file's \"name\"\n", "plain", "mode-only", "both"] {
        let path = root.join("srv/app").join(name);
        let flags = rustix::fs::XattrFlags::empty();
        let _ = rustix::fs::setxattr(&path, "user.note", b"kept", flags);
        if is_root() {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            chown(&path, Some(33), Some(34)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

fn dressed(root: &Path) -> Vec<Change> {
    let redress = |path: &str, text: &str, new_mode: u32| {
        let before = standing(root, path);
        let Content::File { uid, gid, .. } = before else { unreachable!() };
        let gid = if is_root() { 35 } else { gid };
        let after = Content::File { bytes: text.into(), mode: new_mode, uid, gid };
        Change { path: path.into(), before, after }
    };
    vec![
        rewrite(root, "/srv/app/a file's \"name\"\n", "one, changed\n"),
        redress("/srv/app/plain", "two\n", 0o4750),
        redress("/srv/app/mode-only", "three\n", 0o640),
        redress("/srv/app/both", "four, changed\n", 0o600),
        change(root, "/srv/app", own_directory(0o750)),
    ]
}

/// A directory that goes with all that is in it, and a link that becomes a file.
fn build_removal(root: &Path) {
    put(root, "/etc/old.d/one.conf", "one\n", 0o644);
    put(root, "/etc/old.d/two.conf", "two\n", 0o600);
    fs::create_dir_all(root.join("etc/old.d/empty")).unwrap();
    symlink("one.conf", root.join("etc/old.d/link")).unwrap();
    symlink("old.d/one.conf", root.join("etc/becomes-a-file")).unwrap();
}

fn removal(root: &Path) -> Vec<Change> {
    let gone = ["/etc/old.d", "/etc/old.d/empty", "/etc/old.d/one.conf", "/etc/old.d/two.conf"];
    let mut changes: Vec<_> = gone.iter().map(|path| change(root, path, Content::Absent)).collect();
    changes.push(change(root, "/etc/old.d/link", Content::Absent));
    changes.push(change(root, "/etc/becomes-a-file", own_file("one\n", 0o644)));
    changes
}

/// A directory in memory where there is one: a killed process loses nothing that it has written,
/// so the disk would only be slower.
fn fresh(scene: &Scene) -> tempfile::TempDir {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    (scene.build)(dir.path());
    dir
}

fn act(scene: &Scene, act: &str, root: &Path, fault: Fault) -> FaultDisk {
    let changes = (scene.changes)(root);
    let disk = FaultDisk::new(root, fault).with_exchange(scene.exchange);
    let store = store(&disk);
    match act {
        "apply" => drop(store.apply(&changes, &describe(scene.name)).unwrap()),
        "undo" => drop(store.undo().unwrap()),
        "recover" => drop(store.recover().unwrap()),
        other => unreachable!("{other}"),
    }
    drop(store);
    disk
}

/// Not a test of its own: the process that is killed.
#[test]
fn child() {
    let Some(root) = std::env::var_os(ROOT).map(PathBuf::from) else { return };
    let word = |name| std::env::var(name).unwrap();
    let scene = SCENES.iter().find(|scene| scene.name == word(SCENE)).unwrap();
    let (kind, at) = word(FAULT).rsplit_once(' ').map(|(a, b)| (a.to_owned(), b.parse())).unwrap();
    let at: usize = at.unwrap();
    let fault = match kind.as_str() {
        "before" => Fault::Kill(at),
        "within" => Fault::KillWithin(at),
        _ => {
            let path = root.join(kind);
            Fault::MeanwhileKill(at, Box::new(move || foreign(&path)))
        }
    };
    act(scene, &word(ACT), &root, fault);
}

/// What somebody else's editor does: another file takes the name.
fn foreign(path: &Path) {
    let beside = path.with_extension("foreign");
    fs::write(&beside, "foreign\n").unwrap();
    fs::rename(&beside, path).unwrap();
}

/// Runs a process that is killed at the step.
fn killed(scene: &Scene, what: &str, root: &Path, kind: &str, at: usize) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fix_transaction_crash::child", "--nocapture"])
        .env(ROOT, root)
        .env(SCENE, scene.name)
        .env(ACT, what)
        .env(FAULT, format!("{kind} {at}"))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(9), "{} {what} {kind} {at}: {status}", scene.name);
}

/// The points at which a process that does these steps can be killed.
fn points(log: &[String]) -> Vec<(&'static str, usize)> {
    let mut points = Vec::new();
    for (at, step) in log.iter().enumerate() {
        points.push(("before", at));
        if step.starts_with("write ") {
            points.push(("within", at));
        }
    }
    points
}

/// What the tree is before and after the changes.
fn states(scene: &Scene) -> (Snapshot, Snapshot, Vec<String>, Vec<String>) {
    let dir = fresh(scene);
    // The state directory's parents are made by the first run.
    fs::create_dir_all(dir.path().join("var/lib")).unwrap();
    let before = snapshot(dir.path());
    let applied = act(scene, "apply", dir.path(), Fault::None);
    let after = snapshot(dir.path());
    assert_ne!(before, after, "{}: nothing changes", scene.name);
    let undone = act(scene, "undo", dir.path(), Fault::None);
    assert_eq!(snapshot(dir.path()), before, "{}", scene.name);
    (before, after, applied.log.take(), undone.log.take())
}

/// The next run mends it, and can go on from there.
fn mended(scene: &Scene, root: &Path, before: &Snapshot, after: &Snapshot, at: &str) -> bool {
    let disk = TreeDisk::open(root).unwrap();
    let store = store(&disk);
    let recovered = store.recover().unwrap_or_else(|error| panic!("{at}: {error}"));
    let left: Vec<_> = recovered.iter().flat_map(|one: &Recovered| &one.left).collect();
    assert!(left.is_empty(), "{at}: {left:?}");
    let now = snapshot(root);
    let is_after = now == *after;
    assert!(is_after || now == *before, "{at}: a mixed state: {:#?}", differences(&now, before));
    let history = store.history().unwrap();
    assert!(history.iter().all(|entry| entry.outcome != Outcome::Interrupted), "{at}");
    assert_eq!(history.iter().any(|one| one.outcome == Outcome::Applied), is_after, "{at}");
    assert_eq!(store.recover().unwrap(), [], "{at}: it is done at once");
    if !is_after {
        store
            .apply(&(scene.changes)(root), &describe("again"))
            .unwrap_or_else(|error| panic!("{at}: {error}"));
        assert_eq!(snapshot(root), *after, "{at}: applied again");
    }
    store.undo().unwrap_or_else(|error| panic!("{at}: {error}"));
    assert_eq!(snapshot(root), *before, "{at}: undone");
    is_after
}

fn report(what: &str, count: usize) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{what}: killed at {count} points");
}

#[test]
fn killed_while_changes_are_made() {
    let mut count = 0;
    for scene in &SCENES {
        let (before, after, log, _) = states(scene);
        let mut seen_after = false;
        for (kind, at) in points(&log) {
            let dir = fresh(scene);
            fs::create_dir_all(dir.path().join("var/lib")).unwrap();
            killed(scene, "apply", dir.path(), kind, at);
            let name = format!("{} apply {kind} {at} ({})", scene.name, log[at]);
            seen_after |= mended(scene, dir.path(), &before, &after, &name);
            count += 1;
        }
        assert!(seen_after, "a kill after the last word leaves the changes made");
    }
    report("apply", count);
    assert!(count >= 200, "{count} points");
}

#[test]
fn killed_while_they_are_taken_back() {
    let mut count = 0;
    for scene in &SCENES {
        let (before, after, _, log) = states(scene);
        for (kind, at) in points(&log) {
            let dir = fresh(scene);
            fs::create_dir_all(dir.path().join("var/lib")).unwrap();
            act(scene, "apply", dir.path(), Fault::None);
            killed(scene, "undo", dir.path(), kind, at);
            let name = format!("{} undo {kind} {at} ({})", scene.name, log[at]);
            mended(scene, dir.path(), &before, &after, &name);
            count += 1;
        }
    }
    report("undo", count);
    assert!(count >= 100, "{count} points");
}

#[test]
fn killed_again_while_it_recovers() {
    let mut count = 0;
    for scene in &SCENES {
        let (before, after, made, undone) = states(scene);
        // Killed at some steps after the journal says "prepared" or "undoing" …
        for (what, log, every) in [("apply", &made, 5), ("undo", &undone, 6)] {
            let begun = log.iter().position(|step| step.contains("rename(Replace)")).unwrap();
            for first in (begun + 1..log.len()).step_by(every) {
                let broken = || {
                    let dir = fresh(scene);
                    fs::create_dir_all(dir.path().join("var/lib")).unwrap();
                    if what == "undo" {
                        act(scene, "apply", dir.path(), Fault::None);
                    }
                    killed(scene, what, dir.path(), "before", first);
                    dir
                };
                // … and then at each step of mending that.
                let dir = broken();
                let recovery = FaultDisk::new(dir.path(), Fault::None);
                let recovery = recovery.with_exchange(scene.exchange);
                store(&recovery).recover().unwrap();
                let steps = recovery.log.take();
                for (kind, at) in points(&steps) {
                    let dir = broken();
                    killed(scene, "recover", dir.path(), kind, at);
                    let name = format!(
                        "{} {what} at {first} ({}), recovery {kind} {at} ({})",
                        scene.name, log[first], steps[at]
                    );
                    mended(scene, dir.path(), &before, &after, &name);
                    count += 1;
                }
            }
        }
    }
    report("recovery", count);
    assert!(count >= 100, "{count} points");
}

/// Somebody replaces a file in the moment before it is written, and then the power goes: theirs
/// is what stands in the end, and all others are as before.
#[test]
fn killed_when_somebody_else_was_faster() {
    let mut count = 0;
    for scene in SCENES.iter().filter(|scene| scene.exchange) {
        let (before, _, made, _) = states(scene);
        let prepared = made.iter().position(|step| step.contains("rename(Replace)")).unwrap();
        let committed = made.iter().rposition(|step| step.contains("rename(Replace)")).unwrap();
        for (at, step) in made.iter().enumerate() {
            let Some((word, path)) = step.split_once(" /") else { continue };
            let path = Path::new(path);
            let file = before.get(path).is_some_and(|one| one.kind != 'd');
            // Where a file is moved aside, the step's name is the temporary one.
            let moved = word == "rename(New)" && step.contains(".deploy-doctor-");
            if !(prepared..committed).contains(&at) || !(moved || file && word.contains("rename")) {
                continue;
            }
            let files: Vec<PathBuf> = if moved {
                // One of them is that one; whichever was not yet moved away may be replaced.
                before.keys().filter(|one| one.starts_with("etc/old.d")).cloned().collect()
            } else {
                vec![path.to_owned()]
            };
            for path in files.iter().filter(|path| before[*path].kind == 'f') {
                let dir = fresh(scene);
                fs::create_dir_all(dir.path().join("var/lib")).unwrap();
                killed(scene, "apply", dir.path(), path.to_str().unwrap(), at);
                let disk = TreeDisk::open(dir.path()).unwrap();
                let recovered = store(&disk).recover().unwrap();
                let left: Vec<_> = recovered.iter().flat_map(|one| &one.left).collect();
                assert_eq!(left.len(), 1, "{} {step}: {left:?}", scene.name);
                let now = snapshot(dir.path());
                assert_eq!(now[path].content, b"foreign\n", "{} {step}", scene.name);
                let mut others = before.clone();
                others.insert(path.clone(), now[path].clone());
                assert!(now == others, "{} {step}: {:#?}", scene.name, differences(&now, &others));
                count += 1;
            }
        }
    }
    report("somebody else was faster", count);
    assert!(count >= 5, "{count} points");
}
