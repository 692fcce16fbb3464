//! `deploy-doctor fix` as scripts and people use it: what it shows, writes and takes back, and with
//! which exit status.

use crate::support::command;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use command::{Copied, Ran, finish, program, run};

const UNIT: &str = "/etc/systemd/system/myapp.service";
const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/50-deploy-doctor.conf";
const ENVIRONMENT: &str = "/etc/myapp.env";
const SITE: &str = "/etc/nginx/sites-available/myapp";

/// The healthy deployment without ExecReload=.
fn wrong() -> Copied {
    let tree = Copied::of("healthy");
    tree.edit(UNIT, "ExecReload=/bin/kill -s HUP $MAINPID\n", "");
    tree
}

fn fix(tree: &Copied, options: &[&str]) -> Ran {
    let root = tree.root();
    run(&[&["fix", "--root", root.to_str().unwrap()], options].concat())
}

fn exit(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{}", ran.all());
}

/// Every path below a directory with kind, mode, owner and bytes; what the program keeps for itself
/// is left out.
fn state(top: &Path) -> BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut todo = vec![top.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("var/lib/deploy-doctor") {
                continue;
            }
            let metadata = path.symlink_metadata().unwrap();
            let content = if metadata.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if metadata.is_file() {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            if metadata.is_dir() {
                todo.push(path.clone());
            }
            found.insert(path, (metadata.mode(), metadata.uid(), metadata.gid(), content));
        }
    }
    // They come into being with the state directory.
    for parent in ["var", "var/lib"] {
        found.remove(&top.join(parent));
    }
    found
}

#[test]
fn without_apply_the_diff_is_shown_and_nothing_written() {
    let tree = wrong();
    let before = state(&tree.root());
    let ran = fix(&tree, &[]);
    exit(&ran, 1);
    for words in [
        "U101 safe fix: myapp.service: ExecReload=/bin/kill -s HUP $MAINPID",
        "--- /dev/null\n+++ /etc/systemd/system/myapp.service.d/50-deploy-doctor.conf\n@@ -0,0 +1,2 @@",
        "+[Service]\n+ExecReload=/bin/kill -s HUP $MAINPID\n",
        "  systemctl daemon-reload  # ",
        "nothing was written",
    ] {
        assert!(ran.stdout.contains(words), "{words}\n---\n{}", ran.all());
    }
    assert!(!ran.stdout.contains("systemctl restart"), "no restart is needed: {}", ran.all());
    assert_eq!(state(&tree.root()), before);
    assert!(!tree.at("/var/lib/deploy-doctor").exists(), "not even a state directory");
}

#[test]
fn what_a_crash_left_is_said_and_mended_by_the_next_writing_run() {
    let tree = wrong();
    let before = state(&tree.root());
    exit(&fix(&tree, &["--apply"]), 0);
    assert!(!fix(&tree, &[]).all().contains("interrupted"));
    // As far as a run comes that is killed before its last step.
    fs::write(tree.at("/var/lib/deploy-doctor/transactions/00000001/state"), "prepared").unwrap();
    let ran = fix(&tree, &[]);
    assert!(ran.stdout.contains("An earlier change was interrupted."), "{}", ran.all());
    assert!(fix(&tree, &["--history"]).stdout.contains("interrupted"));
    // There is nothing else to undo, and the tree is as it was.
    let ran = fix(&tree, &["--undo"]);
    exit(&ran, 1);
    assert!(ran.stderr.contains("an interrupted change has been undone"));
    assert_eq!(state(&tree.root()), before);
}

#[test]
fn apply_writes_and_undo_brings_all_back() {
    let tree = wrong();
    let before = state(&tree.root());
    let ran = fix(&tree, &["--apply"]);
    exit(&ran, 0);
    let drop_in = fs::read_to_string(tree.at(DROP_IN)).unwrap();
    assert_eq!(drop_in, "[Service]\nExecReload=/bin/kill -s HUP $MAINPID\n");
    exit(&tree.check(&["--select", "U101"]), 0);
    let fixed = state(&tree.root());
    // Nothing is left to do.
    let again = fix(&tree, &["--apply"]);
    exit(&again, 0);
    assert!(again.stdout.contains("Nothing to fix"), "{}", again.all());
    assert_eq!(state(&tree.root()), fixed);
    exit(&fix(&tree, &[]), 0);
    let history = fix(&tree, &["--history"]);
    exit(&history, 0);
    assert!(history.stdout.contains("applied") && history.stdout.contains(DROP_IN));
    let undone = fix(&tree, &["--undo"]);
    exit(&undone, 0);
    assert_eq!(state(&tree.root()), before);
    assert!(fix(&tree, &["--history"]).stdout.contains("undone"));
    let nothing = fix(&tree, &["--undo"]);
    exit(&nothing, 1);
    assert!(nothing.stdout.contains("no change"), "{}", nothing.all());
}

#[test]
fn a_drop_in_that_is_there_is_merged_with() {
    let tree = wrong();
    let own = "# ours\n[Unit]\nDescription=x\n\n[Service]\nNice=5\n\n[Service]\nUMask=0027\n";
    tree.write(DROP_IN, own);
    exit(&fix(&tree, &["--apply"]), 0);
    let merged = fs::read_to_string(tree.at(DROP_IN)).unwrap();
    assert_eq!(merged, format!("{own}ExecReload=/bin/kill -s HUP $MAINPID\n"));
    assert!(fs::read_to_string(tree.at(UNIT)).unwrap() == wrong_unit(&tree), "the unit stays");
}

fn wrong_unit(tree: &Copied) -> String {
    let unit = fs::read_to_string(tree.at(UNIT)).unwrap();
    assert!(!unit.contains("ExecReload"));
    unit
}

#[test]
fn in_place_changes_the_unit_itself() {
    let tree = wrong();
    exit(&fix(&tree, &["--apply", "--in-place"]), 0);
    assert!(!tree.at(DROP_IN).exists());
    let unit = fs::read_to_string(tree.at(UNIT)).unwrap();
    let healthy = Copied::of("healthy");
    assert_eq!(unit, fs::read_to_string(healthy.at(UNIT)).unwrap());
}

#[test]
fn a_packages_unit_gets_a_drop_in_and_is_never_edited() {
    let tree = wrong();
    let packaged = "/usr/lib/systemd/system/myapp.service";
    tree.write(packaged, fs::read(tree.at(UNIT)).unwrap());
    fs::remove_file(tree.at(UNIT)).unwrap();
    let before = fs::read(tree.at(packaged)).unwrap();
    let refused = fix(&tree, &["--apply", "--in-place"]);
    exit(&refused, 1);
    assert!(refused.stdout.contains("belongs to a package"), "{}", refused.all());
    assert_eq!(fs::read(tree.at(packaged)).unwrap(), before);
    exit(&fix(&tree, &["--apply"]), 0);
    assert_eq!(fs::read(tree.at(packaged)).unwrap(), before);
    assert!(tree.at(DROP_IN).exists());
}

#[test]
fn a_value_is_changed_where_it_comes_from() {
    let tree = Copied::of("healthy");
    let local = "/etc/systemd/system/myapp.service.d/90-local.conf";
    tree.write(local, "# slow disks\n[Service]\nTimeoutStopSec=5  \n# end\n");
    exit(&fix(&tree, &["--apply"]), 0);
    let text = fs::read_to_string(tree.at(local)).unwrap();
    assert_eq!(text, "# slow disks\n[Service]\nTimeoutStopSec=40  \n# end\n");
    assert!(!tree.at(DROP_IN).exists());
}

#[test]
fn select_and_ignore_choose() {
    let tree = wrong();
    tree.edit(UNIT, "Restart=always\n", "");
    exit(&fix(&tree, &["--apply", "--select", "U107"]), 0);
    let drop_in = fs::read_to_string(tree.at(DROP_IN)).unwrap();
    assert_eq!(drop_in, "[Service]\nRestart=always\n");
    exit(&fix(&tree, &["--apply", "--ignore", "U101"]), 0);
    assert_eq!(fs::read_to_string(tree.at(DROP_IN)).unwrap(), drop_in);
    exit(&fix(&tree, &["--apply", "exec-reload-missing", "--select", "U101"]), 3);
    exit(&fix(&tree, &["--apply", "myapp", "--select", "exec-reload-missing"]), 0);
}

#[test]
fn no_secret_is_shown() {
    let tree = Copied::of("healthy");
    let secret = "hunter2-swordfish";
    let text = fs::read_to_string(tree.at(ENVIRONMENT)).unwrap();
    tree.write(
        ENVIRONMENT,
        format!("{text}export MAIL_PASSWORD={secret}\nexport B='{secret}\n'\n"),
    );
    for options in [&[][..], &["--apply"], &["--history"], &["--undo"], &[]] {
        let ran = fix(&tree, options);
        assert!(!ran.all().contains("hunter2"), "{}", ran.all());
        assert!(!ran.all().contains("9f2c1b7e5d8a4f03"), "{}", ran.all());
    }
    // What is kept for an undo is for the owner alone.
    let mut todo = vec![tree.at("/var/lib/deploy-doctor")];
    assert_eq!(todo[0].metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    let mut files = 0;
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let mode = path.metadata().unwrap().permissions().mode() & 0o077;
            assert_eq!(mode, 0, "{}", path.display());
            files += usize::from(path.is_file());
            if path.is_dir() {
                todo.push(path);
            }
        }
    }
    assert!(files > 1);
}

#[test]
fn wrong_usage_is_2() {
    let tree = wrong();
    for options in [
        &["--run-actions"][..],
        &["--apply", "--run-actions"],
        &["--apply", "--select", "U999"],
        &["--in-place", "--drop-in"],
        &["--undo", "--apply"],
        &["--history", "--undo"],
        &["--interactive"],
    ] {
        exit(&fix(&tree, options), 2);
    }
    assert!(!tree.at("/var/lib/deploy-doctor").exists(), "none of them wrote");
}

#[test]
fn what_could_not_be_read_is_3() {
    let tree = wrong();
    tree.write("/etc/nginx/sites-available/myapp", "server {");
    let ran = fix(&tree, &["--allow-incomplete"]);
    exit(&ran, 1);
    fs::remove_file(tree.at("/etc/nginx/nginx.conf")).unwrap();
    symlink("nginx.conf", tree.at("/etc/nginx/nginx.conf")).unwrap();
    exit(&fix(&tree, &[]), 3);
}

#[test]
fn a_file_that_changed_since_the_transaction_is_not_taken_back() {
    let tree = wrong();
    exit(&fix(&tree, &["--apply"]), 0);
    let mine = "[Service]\nNice=1\n";
    tree.write(DROP_IN, mine);
    let refused = fix(&tree, &["--undo"]);
    exit(&refused, 3);
    assert!(refused.stderr.contains("changed since"), "{}", refused.all());
    assert_eq!(fs::read_to_string(tree.at(DROP_IN)).unwrap(), mine);
}

#[test]
fn files_of_a_repository_are_edited_in_place() {
    let tree = wrong();
    let repository = tree.directory.path().join("repository");
    fs::create_dir(&repository).unwrap();
    let unit = fs::read_to_string(tree.at(UNIT)).unwrap().replace('\n', "\r\n");
    fs::write(repository.join("myapp.service"), &unit).unwrap();
    fs::copy(tree.at(SITE), repository.join("site.conf")).unwrap();
    let state_home = tree.directory.path().join("state");
    let command = |options: &[&str]| {
        let mut command = Command::new(program());
        command.current_dir(&repository).arg("fix");
        command.args(["--unit", "myapp.service", "--nginx", "site.conf"]).args(options);
        command.env("XDG_STATE_HOME", &state_home);
        finish(command)
    };
    let shown = command(&[]);
    exit(&shown, 1);
    assert!(shown.stdout.contains("+ExecReload="), "{}", shown.all());
    assert!(!shown.stdout.contains("+ExecReload=/bin/kill -s HUP $MAINPID\r"), "{}", shown.all());
    exit(&command(&["--apply", "--backup"]), 0);
    let fixed = fs::read_to_string(repository.join("myapp.service")).unwrap();
    assert_eq!(fixed.replace("ExecReload=/bin/kill -s HUP $MAINPID\r\n", ""), unit);
    assert_eq!(fs::read_to_string(repository.join(".myapp.service.orig")).unwrap(), unit);
    exit(&command(&["--undo"]), 0);
    assert_eq!(fs::read_to_string(repository.join("myapp.service")).unwrap(), unit);
    // Or by a drop-in beside it, which a check then reads, too.
    exit(&command(&["--apply", "--drop-in"]), 0);
    assert!(repository.join("myapp.service.d/50-deploy-doctor.conf").exists());
    assert_eq!(fs::read_to_string(repository.join("myapp.service")).unwrap(), unit);
    exit(&command(&[]), 0);
    exit(&command(&["--undo"]), 0);
    assert!(!repository.join("myapp.service.d").exists());
}

#[test]
fn on_a_terminal_each_fix_is_asked_for() {
    let Ok(script) = which("script") else {
        return eprintln!("SKIPPED: on_a_terminal_each_fix_is_asked_for: no script(1) here");
    };
    let tree = wrong();
    tree.edit(UNIT, "Restart=always\n", "");
    let answer = |answers: &str| {
        let line = format!("{} fix --root {} --interactive", program(), tree.root().display());
        let mut command = Command::new(&script);
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), answers.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (_, said) = answer("n\nn\n");
    assert!(said.contains("take it?") && !tree.at(DROP_IN).exists(), "{said}");
    let (_, said) = answer("y\nn\nn\n");
    assert!(said.contains("Nothing was written") && !tree.at(DROP_IN).exists(), "{said}");
    let (code, said) = answer("n\ny\ny\n");
    let drop_in = fs::read_to_string(tree.at(DROP_IN)).unwrap();
    assert_eq!(drop_in, "[Service]\nRestart=always\n", "{said}");
    assert_eq!(code, Some(1), "one was not taken: {said}");
    let (code, said) = answer("a\ny\n");
    assert_eq!(code, Some(0), "{said}");
}

fn which(name: &str) -> Result<PathBuf, ()> {
    let found = ["/usr/bin", "/bin"].iter().map(|d| Path::new(d).join(name)).find(|p| p.exists());
    found.ok_or(())
}

/// Over every deployment of testdata: what a program can fix is fixed, no other finding appears, and
/// every file that no fix names is byte for byte as it was.
#[test]
fn over_all_of_testdata_a_fix_brings_nothing_new() {
    let codes = |tree: &Copied| -> BTreeMap<String, usize> {
        let ran = tree.check(&["--format", "json", "--fail-on", "never", "--allow-incomplete"]);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let mut codes = BTreeMap::new();
        for finding in report["findings"].as_array().unwrap() {
            *codes.entry(finding["code"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        codes
    };
    for case in ["activated", "capistrano", "guide", "healthy"] {
        let tree = Copied::of(case);
        let (before, files) = (codes(&tree), state(&tree.root()));
        let ran = fix(&tree, &["--apply", "--unsafe", "--allow-incomplete"]);
        let (after, now) = (codes(&tree), state(&tree.root()));
        for (code, count) in &after {
            assert!(before.get(code).is_some_and(|b| b >= count), "{case}: {code}\n{}", ran.all());
        }
        let history = fix(&tree, &["--history"]).stdout;
        for path in files.keys().chain(now.keys()).filter(|path| files.get(*path) != now.get(*path))
        {
            let named = Path::new("/").join(path.strip_prefix(tree.root()).unwrap());
            assert!(history.contains(named.to_str().unwrap()), "{case}: {}", path.display());
        }
        let again = fix(&tree, &["--apply", "--unsafe", "--allow-incomplete"]);
        assert_eq!(state(&tree.root()), now, "{case}: {}", again.all());
        if case == "healthy" {
            assert_eq!(files, now);
        }
    }
}

#[test]
fn a_unit_that_is_not_there_is_named_and_not_called_healthy() {
    let tree = wrong();
    // The healthy deployment has a unit of this name.
    let named = |name: &str| {
        let ran = fix(&tree, &[name]);
        exit(&ran, 3);
        assert!(ran.stdout.contains("in what could be read"), "{}", ran.all());
        ran.stderr
    };
    let told = "deploy-doctor: there is no unit myap.service in ";
    assert!(named("myap").starts_with(told), "{}", named("myap"));
    assert!(named("myap").ends_with("did you mean myapp.service?\n"), "{}", named("myap"));
    assert!(!named("shop-and-more").contains("did you mean"));
}

/// The healthy unit as a template with two instances.
fn two_instances() -> Copied {
    let tree = wrong();
    let systemd = tree.at("/etc/systemd/system");
    fs::rename(systemd.join("myapp.service"), systemd.join("app@.service")).unwrap();
    fs::remove_file(systemd.join("multi-user.target.wants/myapp.service")).unwrap();
    for name in ["app@1.service", "app@2.service"] {
        let link = systemd.join("multi-user.target.wants").join(name);
        symlink("/etc/systemd/system/app@.service", link).unwrap();
    }
    tree.edit("/etc/systemd/system/app@.service", "--workers 3", "--workers 1");
    tree
}

#[test]
fn whoever_else_a_change_reaches_is_named() {
    let tree = two_instances();
    let root = tree.root();
    let one = ["fix", "app@1", "--root", root.to_str().unwrap(), "--select", "G201"];
    let both = ["fix", "--root", root.to_str().unwrap(), "--select", "G201"];
    let told = "This also changes app@2.service, which you did not name. To make it take effect there:\n  \
                systemctl restart app@2.service";
    let ran = run(&one);
    assert!(ran.stdout.contains(told), "{}", ran.all());
    let ran = run(&both);
    assert!(ran.stdout.contains("systemctl restart app@2.service"), "{}", ran.all());
    assert!(!ran.stdout.contains("also changes"), "{}", ran.all());
    let ran = run(&[&one[..], &["--apply"]].concat());
    assert!(ran.stdout.contains(told), "{}", ran.all());
    let ran = run(&["fix", "app@1", "--root", root.to_str().unwrap(), "--undo"]);
    assert!(ran.stdout.contains(told), "{}", ran.all());
}
