//! What a live check costs: how often it reads, and what it says of its time.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::case::Case;
use crate::support::living::World;
use crate::support::watched::{Question, Watched};
use deploy_doctor::engine::{self, Settings};
use deploy_doctor::facts::{self, Request, Scope};
use deploy_doctor::host::{FileKind, Host, HostErrorKind, TreeHost};
use deploy_doctor::rules;
use deploy_doctor::source::Sources;

#[test]
fn a_socket_that_gunicorn_closes_meanwhile_was_not_taken_away() {
    let codes = |host: &dyn Host| {
        let sources = Sources::new(host);
        let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
        let deployment = facts::read(&sources, &request);
        let outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
        let codes = outcome.findings.iter().map(|reported| reported.finding.rule.code);
        codes.collect::<Vec<_>>()
    };
    let mut case = Case::healthy();
    let mut world = World::healthy(&case.host);
    world.change("- file /run/myapp/gunicorn.sock").write(&mut case.host);
    assert_eq!(codes(&case.host), ["S607"]);
    // It ends while the host is read: its socket is closed once its descriptors were read.
    let mut ended = case.host.clone();
    for number in 0..9 {
        ended.remove(format!("/proc/800/fd/{number}"));
    }
    let asked = Cell::new(0);
    let choose = |question, path: &Path| {
        let again = question == Question::List && path == Path::new("/proc/800/fd");
        asked.set(asked.get() + usize::from(again));
        usize::from(asked.get() > 1)
    };
    assert!(codes(&Watched { hosts: vec![case.host, ended], choose }).is_empty());
    assert_eq!(asked.get(), 2);
}

/// How often a check reads below /proc on a host with so many strangers.
fn reads(strangers: u32, change: &str) -> usize {
    let mut case = Case::healthy();
    let mut world = World::healthy(&case.host);
    for pid in 5000..5000 + strangers {
        world.change(&format!(
            "{pid} parent=1 user=0 start=50 sockets={pid} : /usr/bin/worker {pid}"
        ));
    }
    world.change(change);
    world.write(&mut case.host);
    let read = Cell::new(0);
    let choose = |_: Question, path: &Path| {
        read.set(read.get() + usize::from(path.starts_with("/proc")));
        0
    };
    let host = Watched { hosts: vec![case.host], choose };
    let sources = Sources::new(&host);
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
    facts::read(&sources, &request);
    read.get()
}

#[test]
fn a_stranger_costs_one_read() {
    let (few, many) = (reads(100, ""), reads(300, ""));
    assert_eq!(many - few, 200);
    assert!(few < 250, "{few}");
}

#[test]
fn open_files_of_strangers_are_looked_at_only_where_no_gunicorn_holds_the_socket() {
    let foreign = "- listen unix:/run/myapp/gunicorn.sock\nlisten unix:/run/myapp/gunicorn.sock \
                   inode=5007";
    // The directory of open files, and the one that is open in it.
    assert_eq!(reads(300, foreign) - reads(100, foreign), 200 * 3);
}

#[test]
fn the_process_table_is_read_as_any_other_file() {
    let host = TreeHost::open(Path::new("/")).unwrap();
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    for name in ["comm", "cmdline", "environ"] {
        let path = own.join(name);
        assert_eq!(host.read(&path, 1 << 20).unwrap(), fs::read(&path).unwrap(), "{name}");
    }
    let kind = |path: PathBuf, limit| host.read(&path, limit).unwrap_err().kind;
    assert_eq!(kind(own.clone(), 9), HostErrorKind::NotAFile(FileKind::Directory));
    assert_eq!(kind(own.join("nothing"), 9), HostErrorKind::NotFound);
    assert!(matches!(kind(own.join("environ"), 2), HostErrorKind::TooLarge { limit: 2, .. }));
    let target = host.read_link(&own.join("exe")).unwrap();
    assert_eq!(target, fs::read_link(own.join("exe")).unwrap());
    // A link is followed, and one that leads nowhere is no link.
    assert!(host.read(Path::new("/proc/self/comm"), 99).is_ok());
    assert!(host.read_link(&own.join("comm")).is_err());
    assert!(host.read_link(&own.join("nothing")).is_err());
}

#[test]
fn a_tree_with_a_proc_of_its_own_is_not_left() {
    let top = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("own-proc");
    let _ = fs::remove_dir_all(&top);
    fs::create_dir_all(top.join("proc/1")).unwrap();
    fs::create_dir_all(top.join("etc")).unwrap();
    fs::write(top.join("etc/hostname"), "inside").unwrap();
    symlink("/etc/hostname", top.join("proc/1/comm")).unwrap();
    symlink("../../../../../../../../etc/hostname", top.join("proc/1/stat")).unwrap();
    let host = TreeHost::open(&top).unwrap();
    for name in ["comm", "stat"] {
        assert_eq!(host.read(&Path::new("/proc/1").join(name), 99).unwrap(), b"inside");
    }
    // All of /proc may be a link, too.
    fs::rename(top.join("proc"), top.join("elsewhere")).unwrap();
    symlink("/elsewhere", top.join("proc")).unwrap();
    let host = TreeHost::open(&top).unwrap();
    assert_eq!(host.read(Path::new("/proc/1/comm"), 99).unwrap(), b"inside");
}

#[test]
fn the_time_is_told_where_it_was_asked_for() {
    let run = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-doctor"));
        let output = command.args(["check", "--root", "testdata/guide"]).args(options).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let said = run(&["-v"]);
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("read and checked in ") && last.ends_with(" ms"), "{last}");
    assert!(!run(&[]).contains("read and checked"));
}
