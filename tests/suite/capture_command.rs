//! The command `capture`, and `--capture` of the commands that read: files, options, exit statuses,
//! and captures that are none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use serde_json::Value;

use crate::support::command::{Copied, Ran, finish, program, run};
use crate::support::generate::Generator;
use deploy_doctor::capture::{Capture, ReadError};
use deploy_doctor::host::{Host, HostErrorKind, Outcome, Recording, ReplayHost};

/// Runs the program in a directory.
fn run_in(directory: &Path, arguments: &[&str]) -> Ran {
    let mut process = Command::new(program());
    process.args(arguments).current_dir(directory);
    finish(process)
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.all()))
}

/// The report without where it was read, and that itself.
fn parted(ran: &Ran) -> (Value, Value) {
    let mut report = report(ran);
    let source = report.as_object_mut().unwrap().remove("source").unwrap();
    (report, source)
}

/// The healthy tree with a fault or two, and its capture.
fn captured() -> (Copied, String) {
    let tree = Copied::of("guide");
    let file = tree.directory.path().join("capture.json").to_str().unwrap().to_owned();
    let ran = run(&["capture", "--root", tree.root().to_str().unwrap(), "-o", &file]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    (tree, file)
}

#[test]
fn a_capture_of_a_tree_is_checked_elsewhere() {
    let (tree, file) = captured();
    let here = tree.check(&["--format", "json"]);
    // Nothing of the tree is needed any more.
    fs::remove_dir_all(tree.root()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let again = run_in(elsewhere.path(), &["check", "--capture", &file, "--format", "json"]);
    assert_eq!((here.code, again.code), (Some(1), Some(1)), "{}", again.all());
    let ((one, _), (two, source)) = (parted(&here), parted(&again));
    assert_eq!(one, two);
    assert_eq!(source["mode"], "capture");
    assert_eq!(source["host"], tree.root().to_str().unwrap());
    let once_more = run(&["check", "--capture", &file, "--format", "json"]);
    assert_eq!(again.stdout, once_more.stdout, "byte for byte, also the time");
    let text = run(&["check", "--capture", &file]);
    assert!(text.stdout.contains(&format!("--capture {file}")), "{}", text.stdout);
}

#[test]
fn facts_and_fixes_are_shown_and_nothing_is_written() {
    let (tree, file) = captured();
    let root = tree.root();
    let here = run(&["fix", "--root", root.to_str().unwrap()]);
    let again = run(&["fix", "--capture", &file]);
    let without_last = |text: &str| text.trim_end().rsplit_once('\n').unwrap().0.to_owned();
    assert_eq!(without_last(&here.stdout), without_last(&again.stdout));
    assert_eq!((here.code, again.code), (Some(1), Some(1)));
    assert!(again.stdout.contains("to be made on"), "{}", again.stdout);
    let facts = run(&["facts", "--capture", &file]);
    assert_eq!(facts.code, Some(0), "{}", facts.all());
    assert_eq!(report(&facts)["apps"][0]["name"], "myapp.service");
    for wrong in [
        &["fix", "--apply"][..],
        &["fix", "--interactive"],
        &["fix", "--undo"],
        &["fix", "--history"],
        &["check", "--root", "/"],
        &["check", "--no-exec"],
        &["check", "--unit", "x.service"],
        &["check", "--probe", "http://127.0.0.1/"],
        &["check", "--preflight"],
        &["check", "./directory"],
        &["capture", "-o", "x.json"],
    ] {
        let mut arguments = wrong.to_vec();
        arguments.extend(["--capture", &file]);
        let ran = run(&arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.all());
    }
}

#[test]
fn a_repository_its_settings_and_known_findings_go_along() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/repository");
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("shop");
    assert!(Command::new("cp").arg("-r").args([&repository, &place]).status().unwrap().success());
    let unit = place.join("deploy/shop.service");
    let text = fs::read_to_string(&unit).unwrap();
    let lines =
        text.lines().filter(|line| !line.starts_with("ExecReload") && !line.starts_with("User"));
    fs::write(&unit, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let file = directory.path().join("capture.json");
    let (file, check) = (file.to_str().unwrap(), ["check", ".", "--format", "json"]);
    let capture = || {
        let ran = run_in(&place, &["capture", ".", "-o", file, "-q"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{}", ran.all());
        let ran = run_in(Path::new("/"), &["check", "--capture", file, "--format", "json"]);
        (ran.code, parted(&ran).0)
    };
    let here = || {
        let ran = run_in(&place, &check);
        (ran.code, parted(&ran).0)
    };
    let bare = here();
    let codes = |report: &Value| {
        let all = report["findings"].as_array().unwrap().iter();
        all.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(codes(&bare.1).len() > 1, "{}", bare.1);
    assert_eq!(capture(), bare);
    // A severity, an accepted finding, and a known one.
    let first = codes(&bare.1)[0].clone();
    fs::write(
        place.join("deploy-doctor.toml"),
        format!(
            "baseline = \"known.json\"\n[severity]\n{} = \"info\"\n[[ignore]]\nrule = \"{first}\"\nreason = \
             \"meant\"\nuntil = \"2999-01-01\"\n",
            codes(&bare.1)[1]
        ),
    )
    .unwrap();
    let ran = run_in(&place, &["baseline", "write", ".", "--baseline", "known.json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let settled = here();
    assert_ne!(settled, bare);
    assert_eq!(capture(), settled);
}

#[test]
fn where_it_is_written() {
    let (tree, file) = captured();
    let root = tree.root();
    let root = root.to_str().unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    // What was there is replaced as a whole.
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(run(&["capture", "--root", root, "-o", &file]).code, Some(0));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    // What is listed goes elsewhere where the capture goes to standard output.
    let ran = run(&["capture", "--root", root, "-o", "-"]);
    assert_eq!(ran.code, Some(0));
    assert!(Capture::read(ran.stdout.as_bytes()).is_ok());
    assert!(
        ran.stderr.contains("/etc/myapp.env") && !ran.stderr.contains("less"),
        "{}",
        ran.stderr
    );
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let missing = directory.path().join("none/x.json");
    for wrong in [directory.path(), &link, &missing, Path::new("/dev/null")] {
        let ran = run(&["capture", "--root", root, "-o", wrong.to_str().unwrap()]);
        assert_eq!(ran.code, Some(2), "{}: {}", wrong.display(), ran.all());
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left lying there");
}

/// What could not be read is in the capture, and not silently.
#[test]
fn an_incomplete_capture_says_so() {
    let tree = Copied::of("guide");
    let (root, file) = (tree.root(), tree.directory.path().join("x.json"));
    let (root, file) = (root.to_str().unwrap(), file.to_str().unwrap());
    let arguments = ["capture", "nosuch", "myapp", "--root", root, "-o", file];
    let ran = run(&arguments);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert!(ran.stdout.contains("something could not be read"), "{}", ran.stdout);
    let lenient = run(&[&arguments[..], &["--allow-incomplete"]].concat());
    assert_eq!(lenient.code, Some(0));
    let again = run(&["check", "--capture", file, "--format", "json"]);
    let here = tree.check(&["nosuch", "myapp", "--format", "json"]);
    assert_eq!((here.code, again.code), (Some(3), Some(3)));
    assert_eq!(parted(&here).0, parted(&again).0);
}

/// What was never asked is not known, and never absent.
#[test]
fn what_was_not_asked_is_not_in_the_capture() {
    let host = ReplayHost::new(Rc::new(Recording::default()));
    let path = Path::new("/etc/passwd");
    let kind = |error: deploy_doctor::host::HostError| error.kind;
    assert_eq!(host.read(path, 1).map_err(kind), Err(HostErrorKind::NotCaptured));
    assert_eq!(host.list(path).map_err(kind), Err(HostErrorKind::NotCaptured));
    assert_eq!(host.read_link(path).map_err(kind), Err(HostErrorKind::NotCaptured));
    assert_eq!(host.glob(Path::new("/etc/*")).map_err(kind), Err(HostErrorKind::NotCaptured));
    assert_eq!(host.room(path).map_err(kind), Err(HostErrorKind::NotCaptured));
    assert!(matches!(host.look(path).outcome, Outcome::Failed(error)
        if error.kind.to_string() == "not in the capture"));
    // A file less in a capture: the check is incomplete, and says why.
    let (_tree, file) = captured();
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    document["files"].as_object_mut().unwrap().remove("/etc/systemd/system/myapp.service").unwrap();
    fs::write(&file, document.to_string()).unwrap();
    let ran = run(&["check", "--capture", &file]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert!(ran.stdout.contains("not in the capture"), "{}", ran.stdout);
}

#[test]
fn what_is_no_capture_is_refused_without_being_quoted() {
    let (tree, file) = captured();
    let text = fs::read_to_string(&file).unwrap();
    let newer = text.replacen("\"capture\": 1", "\"capture\": 2", 1);
    let other = |from: &str, to: &str| text.replacen(from, to, 1);
    for (text, said) in [
        (newer.as_str(), "is a capture of format 2"),
        ("{\"capture\": 99, \"kanary\": [1]}", "is a capture of format 99"),
        ("", "ends too soon"),
        (&text[..text.len() / 2], "ends too soon"),
        ("kanary", "is not JSON"),
        ("{\"kanary\": 1}", "does not match the format"),
        ("[1, 2]", "does not match the format"),
        (&other("\"whole\": true", "\"whole\": \"kanary\""), "does not match the format"),
        (&other("directory 755", "kanary 755"), "is not a deploy-doctor capture"),
        (&other("directory 755", "directory kanary"), "is not a deploy-doctor capture"),
        (&other("\"not-found\"", "\"kanary\""), "is not a deploy-doctor capture"),
    ] {
        fs::write(&file, text).unwrap();
        let ran = run(&["check", "--capture", &file]);
        assert_eq!(ran.code, Some(3), "{said}: {}", ran.all());
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        assert!(!ran.all().contains("kanary"), "{}", ran.all());
    }
    // One that is too large is not read, one that is not there is none.
    let large = fs::File::create(&file).unwrap();
    large.set_len(300 << 20).unwrap();
    let ran = run(&["check", "--capture", &file]);
    assert!(ran.code == Some(3) && ran.stderr.contains("more than"), "{}", ran.all());
    assert_eq!(run(&["check", "--capture", "/nowhere.json"]).code, Some(3));
    let directory = tree.root();
    assert_eq!(run(&["check", "--capture", directory.to_str().unwrap()]).code, Some(3));
}

/// Any damage: an error, or answers that the check takes as such; never a panic, never a hang.
#[test]
fn a_damaged_capture_never_ends_the_program() {
    let (_tree, file) = captured();
    let text = fs::read(&file).unwrap();
    let mut dice = Generator::new(7);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..100 {
        let mut damaged = text.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(damaged.len());
            match dice.below(4) {
                0 => damaged[at] = b"0/\"{}[]:,\\ x"[dice.below(12)],
                1 => drop(damaged.drain(at..(at + 1 + dice.below(40)).min(text.len() - 400))),
                2 => {
                    let from = dice.below(damaged.len() - 100);
                    let piece = damaged[from..from + 60].to_vec();
                    damaged.splice(at..at, piece);
                }
                _ => damaged[at] = damaged[at].wrapping_add(1),
            }
        }
        match Capture::read(&damaged) {
            Err(ReadError::Broken(_) | ReadError::Newer { .. }) => refused += 1,
            Ok(capture) => {
                read += 1;
                let host = ReplayHost::new(capture.recording);
                let sources = deploy_doctor::source::Sources::new(&host);
                for request in capture.asked.requests.iter().take(1) {
                    crate::support::replayed::report(request, &sources);
                }
            }
        }
    }
    assert!(read > 5 && refused > 5, "{read} read, {refused} refused");
}
