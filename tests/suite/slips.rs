//! Slips of the hand in a repository of one application: none is silent, none destroys a file, and
//! what is printed can be typed.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::command::{Ran, finish, program};

const WSGI: &str = "import os\nfrom flask import Flask\napp = Flask(__name__)\n\
                    DATABASE_URL = os.environ[\"DATABASE_URL\"]\n";
const UNIT: &str = "[Service]\nUser=www-data\nWorkingDirectory=/srv/web\n\
                    EnvironmentFile=/etc/web.env\nExecStart=/srv/web/venv/bin/gunicorn --workers 3 \
                    --bind unix:/run/web/a.sock wsgi:app\n";
const SITE: &str = "server {\n    listen 80;\n    server_name example.com;\n    location / {\n        \
                    proxy_pass http://unix:/run/web/b.sock;\n        proxy_set_header Host \
                    $host;\n    }\n}\n";

/// A directory with repositories in it.
struct Work(tempfile::TempDir);

impl Work {
    /// `c` is the repository of one application.
    fn new() -> Self {
        let work = Self(tempfile::tempdir().unwrap());
        work.write("c/.git/HEAD", "ref: refs/heads/main\n")
            .write("c/wsgi.py", WSGI)
            .write("c/deploy/web.service", UNIT)
            .write("c/deploy/web.env", "SECRET_KEY=x\n")
            .write("c/deploy/nginx.conf", SITE);
        work
    }

    /// `m` holds two applications whose units have one name.
    fn of_two() -> Self {
        let work = Self(tempfile::tempdir().unwrap());
        work.write("m/.git/HEAD", "ref: refs/heads/main\n");
        for name in ["alpha", "beta"] {
            let unit = UNIT.replace("web", name);
            let site = SITE.replace("web", name).replace("example", name);
            work.write(&format!("m/apps/{name}/wsgi.py"), WSGI)
                .write(&format!("m/apps/{name}/deploy/app.service"), &unit)
                .write(&format!("m/apps/{name}/deploy/{name}.env"), "SECRET_KEY=x\n")
                .write(&format!("m/apps/{name}/deploy/nginx.conf"), &site);
        }
        work
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap()
    }

    /// Settings of the one application.
    fn settings(&self, text: &str) -> &Self {
        self.write("c/deploy-doctor.toml", text)
    }

    fn run(&self, below: &str, arguments: &[&str]) -> Ran {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(self.0.path().join(below)).env("NO_COLOR", "1");
        command.env("XDG_STATE_HOME", self.0.path().join("state"));
        finish(command)
    }

    /// In the repository of one application.
    fn here(&self, arguments: &[&str]) -> Ran {
        self.run("c", arguments)
    }
}

fn notes(ran: &Ran) -> Vec<String> {
    let document: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.all()));
    let problems = document["problems"].as_array().unwrap();
    problems
        .iter()
        .map(|problem| format!("{}: {}", problem["line"], problem["message"].as_str().unwrap()))
        .collect()
}

fn codes(ran: &Ran) -> Vec<String> {
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn known_findings_replace_no_other_file() {
    let work = Work::new();
    let ran = work.here(&["baseline", "write", ".", "--baseline", "wsgi.py"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert_eq!(work.read("c/wsgi.py"), WSGI);
    assert!(ran.stderr.contains("wsgi.py is not a file of known findings"), "{}", ran.all());
    assert!(ran.stderr.contains("--baseline deploy-doctor-baseline.json"), "{}", ran.all());
    work.write("c/k.json", "");
    for _ in 0..2 {
        let ran = work.here(&["baseline", "write", ".", "--baseline", "k.json"]);
        assert_eq!(ran.code, Some(0), "{}", ran.all());
    }
}

#[test]
fn another_repository_s_known_findings_are_not_pruned() {
    let work = Work::new();
    let unit = UNIT.replace("web", "shop");
    work.write("h/.git/HEAD", "ref: refs/heads/main\n").write("h/ops/shop.service", &unit);
    assert_eq!(work.here(&["baseline", "write", ".", "--baseline", "k.json"]).code, Some(0));
    let before = work.read("c/k.json");
    let ran = work.here(&["baseline", "prune", "../h", "--baseline", "k.json"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert_eq!(work.read("c/k.json"), before);
    assert!(ran.stderr.contains("nothing was removed"), "{}", ran.all());
    assert_eq!(work.here(&["baseline", "prune", ".", "--baseline", "k.json"]).code, Some(0));
    assert_eq!(work.read("c/k.json"), before);
}

#[test]
fn a_name_in_the_settings_that_no_unit_of_the_repository_has_is_told() {
    let work = Work::new();
    work.settings(
        "[[app]]\nname = \"wbe\"\nrequired-variables = [\"X\"]\n[[ignore]]\nrule = \"U101\"\napp = \
         \"wbe\"\nreason = \"x\"\n",
    );
    let ran = work.here(&["check", ".", "--format", "json"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    let notes = notes(&ran);
    let told = "2: wbe: no unit of this name runs gunicorn here; did you mean `web`?";
    assert!(notes.iter().any(|note| note == told), "{notes:?}");
    let told = "the ignore entry for U101 suppresses no finding: no application is called wbe; did \
                you mean `web`?";
    assert!(notes.iter().any(|note| note == &format!("4: {told}")), "{notes:?}");
    let ran = work.here(&["config", "check"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert!(ran.stderr.contains("deploy-doctor.toml:2: wbe: no unit"), "{}", ran.all());
    assert!(ran.stderr.contains("deploy-doctor.toml:4: no application is"), "{}", ran.all());
    // What was not looked at may be there.
    let ran = work.here(&["check", "--unit", "deploy/web.service", "--format", "json"]);
    assert!(
        ran.stdout.contains("\"problems\": []") || !ran.stdout.contains("wbe"),
        "{}",
        ran.all()
    );
    work.settings("[[app]]\nname = \"web\"\n");
    assert_eq!(work.here(&["config", "check"]).code, Some(0));
}

#[test]
fn an_application_is_spoken_of_once() {
    let work = Work::new();
    work.settings("[[app]]\nname = \"web\"\n[[app]]\nname = \"web.service\"\n");
    for arguments in [["config", "check"], ["check", "."]] {
        let ran = work.here(&arguments);
        assert_eq!(ran.code, Some(2), "{}", ran.all());
        let told = "deploy-doctor.toml:4: [[app]] web.service is in line 2 already";
        assert!(ran.stderr.contains(told), "{}", ran.all());
    }
}

#[test]
fn units_of_one_name_are_named_by_their_paths() {
    let work = Work::of_two();
    let ignore = |app: &str| {
        work.write(
            "m/deploy-doctor.toml",
            &format!(
                "[[app]]\nname = \"apps/beta/deploy/app.service\"\nrequired-variables = \
                 [\"NOWHERE\"]\n[[ignore]]\nrule = \"U101\"\napp = \"{app}\"\nreason = \"x\"\n"
            ),
        );
    };
    for (below, directory) in [("m", "."), ("", "m"), ("m/apps", "..")] {
        ignore("apps/beta/deploy/app.service");
        let ran = work.run(below, &["check", directory, "--format", "json"]);
        assert_eq!(notes(&ran), Vec::<String>::new(), "{}", ran.all());
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        let of = |code: &str| -> Vec<String> {
            let findings = document["findings"].as_array().unwrap();
            let mine = findings.iter().filter(|finding| finding["code"] == code);
            mine.map(|finding| finding["app"].as_str().unwrap_or_default().to_owned()).collect()
        };
        assert!(of("U101").iter().all(|app| app.contains("alpha")), "{:?}", of("U101"));
        assert_eq!(of("U101").len(), 1, "{}", ran.all());
        let required = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["message"].as_str().unwrap().contains("NOWHERE"));
        let apps: Vec<&str> =
            required.map(|finding| finding["app"].as_str().unwrap_or_default()).collect();
        assert!(apps.len() == 1 && apps[0].contains("beta"), "{apps:?}");
    }
    // The bare name names both.
    ignore("app");
    let ran = work.run("m", &["check", ".", "--format", "json"]);
    assert!(!codes(&ran).contains(&"U101".to_owned()), "{}", ran.all());
    ignore("apps/gamma/deploy/app.service");
    let ran = work.run("m", &["check", ".", "--format", "json"]);
    assert!(notes(&ran)[0].contains("no application is called apps/gamma"), "{}", ran.all());
}

#[test]
fn an_accepted_file_is_the_same_wherever_the_program_is_called() {
    let work = Work::new();
    work.settings("[[ignore]]\nrule = \"N\"\nfile = \"deploy/nginx.conf\"\nreason = \"x\"\n");
    let full = work.0.path().join("c").display().to_string();
    for (below, directory) in [("c", "."), ("c/deploy", ".."), ("", "c"), ("", full.as_str())] {
        let ran = work.run(below, &["check", directory, "--format", "json"]);
        assert!(
            !ran.stdout.contains("suppresses no finding"),
            "{below} {directory}: {}",
            ran.all()
        );
        assert!(!ran.stdout.contains("\"N301\""), "{below} {directory}: {}", ran.all());
    }
}

#[test]
fn settings_that_name_no_known_findings_are_wrong_before_the_check() {
    let work = Work::new();
    work.settings("fail-on = \"error\"\nbaseline = \"nope.json\"\n");
    let ran = work.here(&["config", "check"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stderr.contains("deploy-doctor.toml:2: baseline: "), "{}", ran.all());
    assert!(ran.stderr.contains("nope.json: no such file"), "{}", ran.all());
}

#[test]
fn a_comment_in_python_holds_a_finding_back_where_it_points() {
    let work = Work::new();
    work.write("c/deploy-doctor.toml", "[[app]]\nname = \"web\"\nrequired-variables = []\n");
    let select = ["check", ".", "--select", "E410", "--format", "json"];
    assert_eq!(codes(&work.here(&select)), ["E410"]);
    let held = "# deploy-doctor: ignore[E410] the platform sets it\nDATABASE_URL =";
    work.write("c/wsgi.py", &WSGI.replace("DATABASE_URL =", held));
    let ran = work.here(&select);
    assert!(codes(&ran).is_empty(), "{}", ran.all());
    work.write("c/wsgi.py", &format!("# deploy-doctor: ignore[E410] too far\n\n\n{WSGI}"));
    let ran = work.here(&select);
    assert!(notes(&ran)[0].contains("suppresses no finding"), "{}", ran.all());
}

#[test]
fn a_comment_that_looks_like_an_ignore_and_is_none_is_told() {
    let work = Work::new();
    for (comment, told) in [
        ("# deploy-doctor: ignore U101 why", true),
        ("# deploy-doctor:ignore[U101] why", true),
        ("# Deploy-Doctor: ignore[U101] why", true),
        ("# deploy-doctor: ignroe[U101] why", true),
        ("; deploy-doctor: Ignore [U101] why", true),
        ("# deploy-doctor ignore[U101] why", true),
        ("# deploy-doctor: ignore[U101] why", false),
        ("# checked by deploy-doctor: see the README", false),
        ("# deploy-doctor ignores what is commented out", false),
    ] {
        work.write("c/deploy/web.service", &format!("{comment}\n{UNIT}"));
        let ran = work.here(&["check", ".", "--format", "json"]);
        let notes = notes(&ran);
        let meant =
            notes.iter().any(|note| note.starts_with("1: ") && note.contains("did you mean"));
        assert_eq!(meant, told, "{comment}: {notes:?}");
    }
}

#[test]
fn a_report_that_cannot_be_written_takes_nothing_from_the_screen() {
    let work = Work::new();
    let ran =
        work.here(&["check", ".", "--output", "json=out/x.json", "--output", "sarif=good.sarif"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stdout.contains("N301"), "{}", ran.all());
    assert!(work.read("c/good.sarif").contains("N301"));
    assert!(ran.stderr.contains("mkdir -p out creates it"), "{}", ran.all());
    for outputs in [["json=a", "sarif=./a"], ["json=a", "sarif=deploy/../a"]] {
        let ran = work.here(&["check", ".", "--output", outputs[0], "--output", outputs[1]]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.all());
    }
    let ran = work.here(&["check", ".", "--output", "json=-"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stderr.contains("--format json prints it"), "{}", ran.all());
    let pipe = work.0.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ran = work.here(&["check", ".", "--output", &format!("json={}", pipe.display())]);
    assert_eq!((ran.code, ran.killed), (Some(2), false), "{}", ran.all());
    assert!(ran.stdout.contains("N301") && ran.stderr.contains("nothing reads"), "{}", ran.all());
}

#[test]
fn nothing_is_green_because_nothing_was_asked() {
    let work = Work::new();
    for command in ["check", "fix"] {
        let ran = work.here(&[command, ".", "--select", "U101", "--ignore", "U101"]);
        assert_eq!(ran.code, Some(2), "{}", ran.all());
        assert!(ran.stderr.contains("nothing would be checked"), "{}", ran.all());
    }
    for arguments in [
        ["check", ""].as_slice(),
        &["fix", ""],
        &["facts", ""],
        &["baseline", "write", ""],
        &["reload", ""],
        &["rollback", " "],
    ] {
        let ran = work.here(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.all());
        assert!(ran.stderr.contains("is a variable not set?"), "{}", ran.all());
    }
    let severity = "N301=info,U101=error";
    let ran = work.here(&["check", ".", "--format", "json", "--severity", severity]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let n301 = findings.iter().find(|finding| finding["code"] == "N301").unwrap();
    assert_eq!(n301["severity"], "info");
    for help in [["help"].as_slice(), &["help", "check"]] {
        let ran = work.here(help);
        assert_eq!(ran.code, Some(0), "{}", ran.all());
        assert!(ran.stdout.contains("Usage: deploy-doctor"), "{}", ran.all());
    }
}

/// The commands that a text offers.
fn offered(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("deploy-doctor fix "));
    lines.map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

#[test]
fn what_is_printed_can_be_typed() {
    let work = Work::of_two();
    let ran = work.run("m", &["check", "."]);
    let commands = offered(&ran.stdout);
    assert!(commands.len() > 2, "{}", ran.all());
    for words in commands {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = work.run("m", &[&["fix"], words.as_slice()].concat());
        assert!(matches!(ran.code, Some(0 | 1)), "{words:?}: {}", ran.all());
        assert!(ran.stdout.contains("+++ "), "{words:?}: {}", ran.all());
    }
    let ran = work.run("m", &["fix", ".", "--select", "U107"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    let commands = offered(&ran.stderr);
    assert_eq!(commands.len(), 2, "{}", ran.all());
    for words in commands {
        assert!(words.ends_with(&["--select".to_owned(), "U107".to_owned()]), "{words:?}");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = work.run("m", &[&["fix"], words.as_slice()].concat());
        assert!(matches!(ran.code, Some(0 | 1)), "{words:?}: {}", ran.all());
    }
}

#[test]
fn a_directory_whose_name_begins_with_a_dash_is_no_option() {
    let work = Work::new();
    fs::rename(work.0.path().join("c"), work.0.path().join("-c")).unwrap();
    let ran = work.run("", &["check", "./-c"]);
    let commands = offered(&ran.stdout);
    assert!(!commands.is_empty(), "{}", ran.all());
    assert!(commands.iter().all(|words| words.contains(&"./-c".to_owned())), "{commands:?}");
}

#[test]
fn columns_are_the_file_s_own_also_where_a_value_is_masked() {
    let work = Work::new();
    let unit = UNIT.replace(
        "ExecStart=",
        "ExecStart=/usr/bin/env SECRET_KEY=a-very-long-secret-value-indeed ",
    );
    work.write("c/deploy/web.service", &unit);
    let ran = work.here(&["check", ".", "--format", "json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let text = work.here(&["check", ".", "--select", "N301"]).stdout;
    assert!(!text.contains("a-very-long"), "{text}");
    let findings = document["findings"].as_array().unwrap();
    let n301 = findings.iter().find(|finding| finding["code"] == "N301").unwrap();
    let at = &n301["locations"][1];
    assert!(at["column"].as_u64().unwrap() > 100, "{at}");
    let head = format!("::: deploy/web.service:{}:{}\n", at["line"], at["column"]);
    assert!(text.contains(&head), "{head}{text}");
    // The carets fit the line that is shown.
    let shown = text.lines().find(|line| line.contains("ExecStart=")).unwrap();
    let carets = text.lines().find(|line| line.contains("gunicorn listens here")).unwrap();
    let bind = shown.find("unix:/run/web/a.sock").unwrap();
    assert_eq!(carets.find('-'), Some(bind), "{text}");
}

#[test]
fn nginx_is_not_moved_away_from_where_it_is_expected() {
    let work = Work::new();
    work.settings("[[app]]\nname = \"web\"\nexpected-upstream = \"unix:/run/web/b.sock\"\n");
    let ran = work.here(&["check", ".", "--select", "N301"]);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert!(ran.stdout.contains("--bind unix:/run/web/b.sock"), "{}", ran.all());
    assert!(!ran.stdout.contains("fix (safe)"), "{}", ran.all());
    // Where gunicorn is right, nginx follows it.
    work.settings("[[app]]\nname = \"web\"\nexpected-upstream = \"unix:/run/web/a.sock\"\n");
    let ran = work.here(&["check", ".", "--select", "N301"]);
    assert!(
        ran.stdout.contains("fix (safe): make nginx connect to unix:/run/web/a.sock"),
        "{}",
        ran.all()
    );
}

#[test]
fn a_plugin_takes_the_options_that_plugins_take() {
    let work = Work::new();
    for more in [["-v", "-v"], ["-t", "5s"], ["-t", "5"], ["--timeout", "2m"]] {
        let ran = work.here(&[&["nagios", "."], more.as_slice()].concat());
        assert!(ran.stdout.starts_with("DEPLOY") || ran.code == Some(2), "{more:?}: {}", ran.all());
        assert_eq!(ran.code, Some(2), "{more:?}: {}", ran.all());
        assert!(!ran.stdout.contains("UNKNOWN"), "{more:?}: {}", ran.all());
    }
    for wrong in ["0", "2h", "500ms", "soon"] {
        assert_eq!(work.here(&["nagios", ".", "-t", wrong]).code, Some(3), "{wrong}");
    }
}
