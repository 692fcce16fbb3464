//! The file system in which the running master makes its workers' heartbeat files (G230).

use deploy_doctor::facts::{Request, Scope};
use deploy_doctor::host::Room;

use crate::support::case::{Case, Seen};
use crate::support::living::World;
use crate::support::replayed::both;

const LIVE: Request = Request { apps: Vec::new(), scope: Scope::Live, database_revision: None };

/// A file system of 1 GiB with these inodes left of 1000.
fn room(files_left: u64, read_only: bool) -> Room {
    Room { size: 1 << 30, left: 1 << 29, files: 1000, files_left, read_only }
}

/// gunicorn's master 800 holds such a file, and sees this of its directory.
fn held(unit: &str, files: &[&str], seen: &[(&str, Room)]) -> Seen {
    let mut case = Case::healthy();
    World::healthy(&case.host).write(&mut case.host);
    if !unit.is_empty() {
        let path = "/etc/systemd/system/myapp.service.d/x.conf";
        case.host.file(path, format!("[Service]\n{unit}\n"));
    }
    for (number, file) in files.iter().enumerate() {
        case.host.link(format!("/proc/800/fd/{}", number + 20), file);
    }
    for (path, room) in seen {
        case.host.has_room(format!("/proc/800/root{path}"), *room);
    }
    let captured = both(&case.host, &LIVE);
    assert_eq!(captured.first, captured.again, "{}", captured.difference());
    case.check()
}

const IN_TMP: &str = "/tmp/wgunicorn-a1b2c3d4 (deleted)";

#[test]
fn a_file_system_that_became_read_only_ends_the_next_reload() {
    let seen = held("", &[IN_TMP], &[("/tmp", room(500, true))]);
    seen.only("G230")
        .says("the next reload takes the site down")
        .says("/tmp is read-only now")
        .helps("mount -o remount,rw");
}

#[test]
fn each_new_worker_needs_an_inode() {
    let seen = |left| held("", &[IN_TMP], &[("/tmp", room(left, false))]);
    seen(3).passes("G230");
    seen(2).only("G230").says("only 2 files can still be created in /tmp").helps("df -i /tmp");
    seen(0).only("G230").says("no file can still be created");
    // Nothing limits them, and no byte is written to them.
    let full = Room { size: 4096, left: 0, files: 0, files_left: 0, read_only: false };
    held("", &[IN_TMP], &[("/tmp", full)]).passes("G230");
}

#[test]
fn the_directory_is_the_one_that_the_master_has_chosen() {
    let other = "/var/tmp/wgunicorn-a1b2c3d4 (deleted)";
    let seen = held("", &[other], &[("/tmp", room(5, true)), ("/var/tmp", room(500, false))]);
    seen.passes("G230");
    // Another file system is mounted over the one with the files.
    let covered = "/wgunicorn-a1b2c3d4 (deleted)";
    held("", &[covered], &[("/tmp", room(500, true))]).only("G230").says("/tmp is read-only");
    let unit = "Environment=TMPDIR=/srv/c4n4ry";
    let seen = held(unit, &[covered], &[("/tmp", room(500, true))]);
    assert!(seen.of("G230").is_empty(), "{seen:#?}");
    seen.skipped("G230");
    let named = "/srv/c4n4ry/wgunicorn-a1b2c3d4 (deleted)";
    let seen = held(unit, &[named], &[("/srv/c4n4ry", room(500, true))]);
    let hit = seen.only("G230").says("the directory for temporary files is read-only");
    assert!(!format!("{hit:?}").contains("c4n4ry"), "{hit:#?}");
}
