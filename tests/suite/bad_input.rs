//! Whatever stands in a file's place, the program ends in time, without a signal, with 0, 1 or 3,
//! says which file it could not read, and reads nothing outside the tree.

use crate::support::command;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use command::{Copied, Ran, run, run_as_nobody, set_mode};

const UNIT: &str = "/etc/systemd/system/myapp.service";
const CODE: &str = "/srv/myapp/releases/2026-04-21";

/// Every kind of file that is read, by its path in the tree.
const PLACES: [&str; 10] = [
    UNIT,
    "/etc/systemd/system/myapp.service.d/10-more.conf",
    "/etc/nginx/nginx.conf",
    "/etc/nginx/sites-available/myapp",
    "/etc/myapp.env",
    "/srv/myapp/releases/2026-04-21/gunicorn.conf.py",
    "/srv/myapp/releases/2026-04-21/wsgi.py",
    "/srv/myapp/releases/2026-04-21/requirements.txt",
    "/srv/myapp/.venv/pyvenv.cfg",
    "/etc/passwd",
];

/// The healthy tree, with a drop-in and a configuration file of gunicorn in it too.
fn tree() -> Copied {
    let tree = Copied::of("healthy");
    tree.write(PLACES[1], "[Service]\nRestartSec=4\n");
    tree.write(PLACES[5], "workers = 3\n");
    tree
}

fn sound(what: &str, ran: &Ran) {
    assert!(!ran.killed, "{what}: did not end in time");
    assert_eq!(ran.signal, None, "{what}: {}", ran.stderr);
    assert!(matches!(ran.code, Some(0 | 1 | 3)), "{what}: {:?}\n{}", ran.code, ran.all());
    assert!(!ran.stderr.contains("internal error"), "{what}: {}", ran.stderr);
}

/// The options of files mode for the file at `path` in the tree, besides a sound unit.
fn files_mode(tree: &Copied, path: &str) -> Option<Vec<String>> {
    let at = |path: &str| tree.at(path).to_str().unwrap().to_owned();
    let option = match path {
        UNIT => return Some(vec!["--unit".into(), at(UNIT)]),
        path if path.contains("nginx") => ("--nginx", at(path)),
        "/etc/myapp.env" => ("--env-file", at(path)),
        path if path.ends_with(".conf.py") => ("--gunicorn-conf", at(path)),
        path if path.ends_with("wsgi.py") => ("--app-dir", at(CODE)),
        path if path.ends_with("requirements.txt") => ("--requirements", at(path)),
        path if path.ends_with("pyvenv.cfg") => ("--venv", at("/srv/myapp/.venv")),
        _ => return None,
    };
    let mut options = vec!["--unit".into(), at(UNIT), option.0.into(), option.1];
    if path != "/etc/myapp.env" {
        options.extend(["--env-file".into(), at("/etc/myapp.env")]);
    }
    Some(options)
}

/// Runs every command in both modes; returns what `check --root` and `check` in files mode gave.
fn both(tree: &Copied, path: &str, what: &str) -> (Ran, Option<Ran>) {
    let what = format!("{path}: {what}");
    let root = tree.check(&["-v"]);
    sound(&what, &root);
    sound(&what, &tree.check(&["--format", "json"]));
    sound(&what, &run(&["facts", "--root", tree.root().to_str().unwrap()]));
    let files = files_mode(tree, path).map(|options| {
        let mut arguments = vec!["check", "-v"];
        arguments.extend(options.iter().map(String::as_str));
        let ran = run(&arguments);
        sound(&format!("{what} (files)"), &ran);
        ran
    });
    (root, files)
}

/// Was the reader told: a problem or finding that names the file, and exit 1 or 3? If not, why not.
fn told(path: &str, what: &str, ran: &Ran) -> Option<String> {
    let name = Path::new(path).file_name().unwrap().to_str().unwrap();
    let named = |line: &str| {
        line.contains(name)
            && ["problem: ", "--> ", "error[", "warning[", "    = "]
                .iter()
                .any(|word| line.contains(word))
    };
    if ran.all().lines().any(named) && matches!(ran.code, Some(1 | 3)) {
        return None;
    }
    Some(format!("{path}: {what}: exit {:?}, and not a word about it:\n{}", ran.code, brief(ran)))
}

fn brief(ran: &Ran) -> String {
    let text = ran.all();
    let line = |line: &&str| {
        line.contains("problem: ")
            || line.starts_with("skipped")
            || line.contains("error[")
            || line.contains("warning[")
    };
    text.lines().filter(line).map(|line| format!("    {line}\n")).collect()
}

fn all_told(untold: Vec<Option<String>>) {
    let untold: Vec<String> = untold.into_iter().flatten().collect();
    assert!(untold.is_empty(), "{} not told:\n{}", untold.len(), untold.join("\n"));
}

/// Does the unit's own directory stand in for the file in files mode?
fn given_itself(path: &str) -> bool {
    !path.ends_with("wsgi.py") && !path.ends_with("pyvenv.cfg")
}

#[test]
fn odd_bytes_are_survived() {
    for path in PLACES {
        let original = fs::read(tree().at(path)).unwrap();
        let with = |before: &[u8], after: &[u8]| [before, &original, after].concat();
        let crlf = String::from_utf8_lossy(&original).replace('\n', "\r\n").into_bytes();
        let cases: [(&str, Vec<u8>); 9] = [
            ("non-UTF-8", with(b"\xff\xfe\xe4=\xe4\n", b"\xe4\xf6\xfc")),
            ("BOM", with(b"\xef\xbb\xbf", b"")),
            ("CRLF", crlf),
            ("NUL", with(b"A\0B=\0\n", b"\0")),
            ("empty", Vec::new()),
            ("one NUL", vec![0]),
            ("UTF-16", original.iter().flat_map(|byte| [*byte, 0]).collect()),
            ("no end of line", original.trim_ascii_end().to_vec()),
            ("backslash at the end", with(b"", b"A=b\\")),
        ];
        for (what, bytes) in cases {
            let tree = tree();
            tree.write(path, bytes);
            both(&tree, path, what);
        }
    }
}

#[test]
fn what_is_no_file_is_told() {
    let mut untold = Vec::new();
    for path in PLACES {
        let tree = tree();
        tree.remove(path);
        fs::create_dir(tree.at(path)).unwrap();
        let (root, files) = both(&tree, path, "a directory");
        // gunicorn itself takes no directory for its implicit configuration, nor does a drop-in count.
        if !path.ends_with("conf.py") {
            untold.push(told(path, "a directory", &root));
        }
        if let Some(ran) = files.filter(|_| given_itself(path)) {
            untold.push(told(path, "a directory (files)", &ran));
        }
    }
    all_told(untold);
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn a_fifo_is_not_opened_and_told() {
    let mut untold = Vec::new();
    for path in PLACES {
        let tree = tree();
        tree.remove(path);
        fifo(&tree.at(path));
        let (root, files) = both(&tree, path, "a fifo");
        untold.push(told(path, "a fifo", &root));
        if let Some(ran) = files.filter(|_| given_itself(path)) {
            untold.push(told(path, "a fifo (files)", &ran));
        }
    }
    all_told(untold);
}

#[test]
fn a_link_loop_is_told() {
    let mut untold = Vec::new();
    for path in PLACES {
        let tree = tree();
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        tree.link(path, &format!("{name}~"));
        symlink(name, tree.at(&format!("{path}~"))).unwrap();
        let (root, files) = both(&tree, path, "a link loop");
        untold.push(told(path, "a link loop", &root));
        if let Some(ran) = files.filter(|_| given_itself(path)) {
            untold.push(told(path, "a link loop (files)", &ran));
        }
    }
    all_told(untold);
}

#[test]
fn what_may_not_be_read_is_told() {
    let mut untold = Vec::new();
    // A copy of the program where another account can reach it.
    let place = tempfile::tempdir().unwrap();
    set_mode(place.path(), 0o755);
    let program = place.path().join("deploy-doctor");
    fs::copy(command::program(), &program).unwrap();
    set_mode(&program, 0o755);
    let as_root = fs::metadata("/proc/self").is_ok_and(|m| {
        use std::os::unix::fs::MetadataExt;
        m.uid() == 0
    });
    for path in PLACES {
        let tree = tree();
        set_mode(&tree.at("/etc/myapp.env"), 0o644);
        set_mode(&tree.at(path), 0o000);
        let root = tree.root();
        let arguments = ["check", "-v", "--root", root.to_str().unwrap()];
        let ran = if as_root { run_as_nobody(&program, &arguments) } else { run(&arguments) };
        sound(path, &ran);
        untold.push(told(path, "no permission", &ran));
        if let Some(options) = files_mode(&tree, path) {
            let mut arguments = vec!["check", "-v"];
            arguments.extend(options.iter().map(String::as_str));
            let ran = if as_root { run_as_nobody(&program, &arguments) } else { run(&arguments) };
            sound(path, &ran);
            untold.push(told(path, "no permission (files)", &ran));
        }
    }
    all_told(untold);
}

#[test]
fn large_files_end_in_time() {
    for path in PLACES {
        let original = fs::read(tree().at(path)).unwrap();
        for (what, line) in [
            ("10 MB of lines", "# 0123456789 0123456789 0123456789 0123456789 0123456789\n"),
            ("10 MB of words", "abc=def ghi "),
            ("10 MB of quotes", "\"'\\\"{ "),
        ] {
            let tree = tree();
            let filler = line.repeat((10 << 20) / line.len());
            tree.write(path, [original.as_slice(), b"\n", filler.as_bytes()].concat());
            sound(&format!("{path}: {what}"), &tree.check(&["-v"]));
        }
    }
}

/// Findings by the thousand, and one finding with as many places: all are told or counted.
#[test]
fn very_many_findings_and_places_end_in_time() {
    let lines = |line: &dyn Fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    let tree = tree();
    tree.write("/etc/myapp.env", lines(&|number| format!("NAME=x{number}\n")));
    let ran = tree.check(&["-v"]);
    sound("one name 20,000 times", &ran);
    assert!(ran.stdout.contains("more places"), "{}", ran.all());

    let tree = self::tree();
    tree.write("/etc/myapp.env", lines(&|number| format!("export V{number}=$X\n")));
    let ran = tree.check(&["-v"]);
    sound("20,000 lines that are dropped", &ran);
    assert!(ran.stdout.contains("V19999"), "the last is told");

    // As many names that the code needs, each nearly one that is set.
    let tree = self::tree();
    tree.write("/etc/myapp.env", lines(&|number| format!("NEADED_{number}=x\n")));
    let needed: String =
        (0..4_000).map(|number| format!("os.environ[\"NEEDED_{number}\"]\n")).collect();
    let wsgi = "/srv/myapp/releases/2026-04-21/wsgi.py";
    tree.write(
        wsgi,
        format!("import os\nfrom flask import Flask\napp = Flask(__name__)\n{needed}"),
    );
    let ran = tree.check(&["--select", "E410"]);
    sound("4,000 variables that are needed, 20,000 that are set", &ran);
    assert!(ran.stdout.contains("NEEDED_3999"), "the last is told");

    // Units each of which lacks something that any of the others might make.
    let tree = self::tree();
    let unit = fs::read_to_string(tree.at(UNIT)).unwrap();
    let unit = unit.replace("[Unit]", "[Unit]\nConditionPathExists=/etc/nowhere");
    for number in 0..600 {
        tree.write(&format!("/etc/systemd/system/app{number}.service"), unit.as_bytes());
    }
    let ran = tree.check(&["--select", "U138"]);
    sound("600 units with a condition that is not met", &ran);
    assert!(ran.stdout.contains("600 errors"), "{}", ran.all());
}

#[test]
fn hostile_shapes_end_in_time() {
    let mut untold = Vec::new();
    let tree = tree();
    let nested = "location / { ".repeat(100_000);
    tree.write("/etc/nginx/sites-available/myapp", format!("server {{ {nested}"));
    let (root, _) = both(&tree, "/etc/nginx/sites-available/myapp", "100,000 blocks");
    untold.push(told("/etc/nginx/sites-available/myapp", "100,000 blocks", &root));

    let tree = self::tree();
    let closed = format!("{nested}{}", "}".repeat(100_000));
    tree.write("/etc/nginx/sites-available/myapp", format!("server {{ {closed} }}"));
    both(&tree, "/etc/nginx/sites-available/myapp", "100,000 closed blocks");

    let tree = self::tree();
    tree.write("/etc/nginx/sites-available/myapp", "include /etc/nginx/sites-enabled/*;\n");
    let (root, _) = both(&tree, "/etc/nginx/sites-available/myapp", "an include loop");
    untold.push(told("/etc/nginx/sites-available/myapp", "an include loop", &root));

    let tree = self::tree();
    let mut file = fs::File::create(tree.at(UNIT)).unwrap();
    file.write_all(b"[Service]\nExecStart=/srv/myapp/.venv/bin/gunicorn wsgi:app\n").unwrap();
    for _ in 0..8 {
        file.write_all(b"Environment=A=").unwrap();
        file.write_all(&vec![b'x'; 1 << 20]).unwrap();
        file.write_all(b"\n").unwrap();
    }
    drop(file);
    let (root, _) = both(&tree, UNIT, "lines of 1 MiB");
    untold.push(told(UNIT, "lines of 1 MiB", &root));

    let tree = self::tree();
    let words = "A=b ".repeat(200_000);
    tree.write(
        UNIT,
        format!(
            "[Service]\nEnvironment={words}\nExecStart=/usr/bin/env {words} gunicorn wsgi:app\n"
        ),
    );
    both(&tree, UNIT, "200,000 variables");

    for (what, text) in [
        ("nested calls", format!("x = {}1{}\n", "f(".repeat(50_000), ")".repeat(50_000))),
        ("a long sum", format!("x = {}1\n", "1+".repeat(300_000))),
        ("nested lists", format!("workers = {}\n", "[".repeat(200_000))),
        ("nested blocks", (0..2_000).map(|n| format!("{}if x:\n", " ".repeat(n))).collect()),
    ] {
        for path in [PLACES[5], PLACES[6]] {
            let tree = self::tree();
            tree.write(path, &text);
            both(&tree, path, what);
        }
    }
    all_told(untold);
}

/// A file outside the tree, and links to it from every place: nothing of it may show.
#[test]
fn nothing_outside_the_tree_is_read() {
    for path in PLACES {
        for style in ["absolute", "dots", "directory"] {
            let tree = tree();
            let outside = tree.directory.path().join("outside");
            fs::create_dir(&outside).unwrap();
            let name = Path::new(path).file_name().unwrap();
            let secret = outside.join(name);
            // It would be seen: as a fault, a bad line or a rule's finding at it.
            let text = "outside_canary = (\nexport OUTSIDE_CANARY=1\n[outside_canary\n";
            fs::write(&secret, text).unwrap();
            let dots = "../".repeat(40);
            let to = |target: &Path| match style {
                "dots" => PathBuf::from(format!(
                    "{dots}{}",
                    target.display().to_string().trim_start_matches('/')
                )),
                _ => target.to_path_buf(),
            };
            if style == "directory" {
                let parent = Path::new(path).parent().unwrap().to_str().unwrap();
                tree.remove(parent);
                symlink(to(&outside), tree.at(parent)).unwrap();
            } else {
                tree.remove(path);
                symlink(to(&secret), tree.at(path)).unwrap();
            }
            let root = tree.root();
            for arguments in [
                vec!["check", "-v", "--root", root.to_str().unwrap()],
                vec!["check", "--format", "json", "--root", root.to_str().unwrap()],
                vec!["facts", "--root", root.to_str().unwrap()],
            ] {
                let ran = run(&arguments);
                sound(&format!("{path} {style}"), &ran);
                let text = ran.all().to_lowercase();
                assert!(!text.contains("outside_canary"), "{path} {style}:\n{}", ran.all());
            }
        }
    }
}

/// The same canary inside the tree does show: the test above can fail.
#[test]
fn the_canary_is_seen_inside() {
    let tree = tree();
    tree.write("/etc/myapp.env", "export OUTSIDE_CANARY=1\n");
    let ran = tree.check(&[]);
    assert!(ran.all().contains("OUTSIDE_CANARY"), "{}", ran.all());
}
