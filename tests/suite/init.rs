//! What `init` writes passes every rule: over a matrix of options its files, put where its README
//! puts them, give no finding, no problem, and no skip but those of whatever is not a living host.
//! Hostile values are refused, and nothing is overwritten unasked.

use crate::support::command;

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use command::{Copied, Ran, finish, program, run, set_mode};
use serde_json::Value;

/// One deployment of the matrix.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    app: &'static str,
    /// Where the module and its static files lie in a release.
    module: &'static str,
    statics: &'static str,
    name: &'static str,
    domain: Option<&'static str>,
    user: Option<&'static str>,
    dir: Option<&'static str>,
    activated: bool,
    /// One venv for all releases, by a link.
    shared_venv: bool,
}

const PLAIN: Wanted = Wanted {
    app: "wsgi:app",
    module: "wsgi.py",
    statics: "static",
    name: "myapp",
    domain: None,
    user: None,
    dir: None,
    activated: false,
    shared_venv: false,
};

fn matrix() -> Vec<Wanted> {
    let apps = [
        ("wsgi:app", "wsgi.py", "static"),
        ("shop.web:application", "shop/web.py", "shop/static"),
        ("shop:create_app()", "shop.py", "static"),
        ("shop.sites.web:make()", "shop/sites/web.py", "shop/sites/static"),
    ];
    let places = [
        ("myapp", None, None),
        ("my-app", Some("deploy"), Some("/opt/apps/my-app")),
        ("Shop.v2", Some("_web-1"), Some("/home/deploy/shop@2+x")),
        ("a_b", None, Some("/var/www/a_b")),
    ];
    let mut all = Vec::new();
    for (app, module, statics) in apps {
        for (name, user, dir) in places {
            for domain in [None, Some("shop.example.com"), Some("_")] {
                for activated in [false, true] {
                    let shared_venv = all.len() % 3 == 0;
                    all.push(Wanted {
                        app,
                        module,
                        statics,
                        name,
                        domain,
                        user,
                        dir,
                        activated,
                        shared_venv,
                    });
                }
            }
        }
    }
    all
}

impl Wanted {
    fn options(&self) -> Vec<&'static str> {
        let mut options = vec!["init", "--app", self.app, "--name", self.name];
        let rest = [("--domain", self.domain), ("--user", self.user), ("--dir", self.dir)];
        for (option, value) in rest {
            options.extend(value.into_iter().flat_map(|value| [option, value]));
        }
        options.extend(self.activated.then_some("--socket-activation"));
        options
    }

    fn write(&self, output: &Path) -> Ran {
        let ran = run(&[&self.options()[..], &["--output", output.to_str().unwrap()]].concat());
        assert_eq!(ran.code, Some(0), "{self:?}: {}", ran.all());
        ran
    }

    fn dir(&self) -> String {
        self.dir.map_or_else(|| format!("/srv/{}", self.name), str::to_owned)
    }

    fn user(&self) -> &'static str {
        self.user.unwrap_or("www-data")
    }

    fn units(&self) -> Vec<String> {
        let suffixes: &[&str] = if self.activated { &["service", "socket"] } else { &["service"] };
        suffixes.iter().map(|suffix| format!("{}.{suffix}", self.name)).collect()
    }

    /// The healthy tree with these files, and releases that match, in the place of its own.
    fn tree(&self) -> Copied {
        let tree = Copied::of("healthy");
        let output = tree.directory.path().join("deploy");
        self.write(&output);
        let venv = tree.directory.path().join("venv");
        fs::rename(tree.at("/srv/myapp/.venv"), &venv).unwrap();
        for gone in [
            "/srv",
            "/etc/myapp.env",
            "/etc/nginx/sites-available/myapp",
            "/etc/nginx/sites-enabled/myapp",
            "/etc/systemd/system/myapp.service",
            "/etc/systemd/system/multi-user.target.wants/myapp.service",
        ] {
            tree.remove(gone);
        }
        self.account(&tree);
        self.releases(&tree, &venv);
        self.install(&tree, &output);
        tree
    }

    fn account(&self, tree: &Copied) {
        let user = self.user();
        if user != "www-data" {
            let passwd = fs::read_to_string(tree.at("/etc/passwd")).unwrap();
            tree.write(
                "/etc/passwd",
                format!("{passwd}{user}:x:998:998::/srv:/usr/sbin/nologin\n"),
            );
            let group = fs::read_to_string(tree.at("/etc/group")).unwrap();
            tree.write("/etc/group", format!("{group}{user}:x:998:\n"));
        }
    }

    fn releases(&self, tree: &Copied, venv: &Path) {
        let dir = self.dir();
        for release in ["20260414093000", "20260421093000"] {
            let at = format!("{dir}/releases/{release}");
            let name = self.app.split_once(':').unwrap().1;
            let code = match name.strip_suffix("()") {
                Some(factory) => format!("def {factory}():\n    return Flask(__name__)\n"),
                None => format!("{name} = Flask(__name__)\n"),
            };
            let code = format!(
                "import os\n\nfrom flask import Flask\n\nKEY = os.environ[\"SECRET_KEY\"]\n\n\n{code}"
            );
            tree.write(&format!("{at}/{}", self.module), code);
            for package in Path::new(self.module).ancestors().skip(1) {
                if package != Path::new("") {
                    tree.write(&format!("{at}/{}/__init__.py", package.display()), "");
                }
            }
            tree.write(&format!("{at}/{}/site.css", self.statics), "body {}\n");
            tree.write(&format!("{at}/requirements.txt"), "Flask==3.0.3\ngunicorn==23.0.0\n");
            if self.shared_venv {
                tree.link(&format!("{at}/.venv"), "../../venv");
            } else {
                self.venv(tree, venv, &format!("{at}/.venv"));
            }
        }
        if self.shared_venv {
            self.venv(tree, venv, &format!("{dir}/venv"));
        }
        tree.link(&format!("{dir}/current"), "releases/20260421093000");
        tree.write(&format!("{dir}/previous"), "releases/20260414093000\n");
    }

    /// The healthy tree's venv as it would be had it been made here.
    fn venv(&self, tree: &Copied, venv: &Path, at: &str) {
        let copied = Command::new("cp").arg("-a").arg(venv).arg(tree.at(at)).status().unwrap();
        assert!(copied.success());
        for file in ["bin/gunicorn", "pyvenv.cfg"] {
            tree.edit(&format!("{at}/{file}"), "/srv/myapp/.venv", at);
        }
    }

    fn install(&self, tree: &Copied, output: &Path) {
        let name = self.name;
        let text = |file: String| fs::read_to_string(output.join(file)).unwrap();
        for (unit, target) in self.units().iter().zip(["multi-user.target", "sockets.target"]) {
            let path = format!("/etc/systemd/system/{unit}");
            tree.write(&path, text(unit.clone()));
            fs::create_dir_all(tree.at(&format!("/etc/systemd/system/{target}.wants"))).unwrap();
            tree.link(&format!("/etc/systemd/system/{target}.wants/{unit}"), &path);
        }
        let site = format!("/etc/nginx/sites-available/{name}");
        tree.write(&site, text(format!("{name}.nginx.conf")));
        tree.link(
            &format!("/etc/nginx/sites-enabled/{name}"),
            &format!("../sites-available/{name}"),
        );
        let environment = format!("/etc/{name}.env");
        let secret = "SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\n";
        tree.write(&environment, text(format!("{name}.env")) + secret);
        set_mode(&tree.at(&environment), 0o640);
    }
}

/// What is not as it must be in a report.
fn complaints(ran: &Ran, skips: bool) -> String {
    let report: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.all()));
    let mut out = String::new();
    if ran.code != Some(0) {
        let _ = writeln!(out, "exit {:?}: {}", ran.code, ran.stderr);
    }
    let list = |name: &str| report[name].as_array().unwrap().clone();
    assert_eq!(list("apps").len(), 1, "{report}");
    for finding in list("findings") {
        let _ = writeln!(out, "{} {}", finding["code"], finding["message"]);
    }
    for problem in list("problems") {
        let _ = writeln!(out, "{problem}");
    }
    let inherent = |skip: &Value| skip["kind"].as_str().unwrap().starts_with("needs-");
    for skip in list("skipped").iter().filter(|skip| skips && !inherent(skip)) {
        let _ = writeln!(out, "{skip}");
    }
    out
}

const JSON: [&str; 4] = ["--format", "json", "--fail-on", "info"];

#[test]
fn every_combination_passes_every_rule_as_a_tree() {
    let mut wrong = String::new();
    for wanted in matrix() {
        let complaints = complaints(&wanted.tree().check(&JSON), true);
        if !complaints.is_empty() {
            let _ = writeln!(wrong, "{wanted:?}:\n{complaints}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The tree test can fail: the same with one line taken out.
#[test]
fn without_what_it_writes_rules_fire() {
    let tree = PLAIN.tree();
    let unit = "/etc/systemd/system/myapp.service";
    for (lines, code) in [
        (
            &["    --chdir /srv/myapp/current \\\n", "Environment=PWD=/srv/myapp/current\n"][..],
            "U113",
        ),
        (&["RuntimeDirectory=myapp\n"], "U117"),
        (&["ExecReload=/bin/kill -s HUP $MAINPID\n"], "U101"),
        (&["Restart=always\n"], "U107"),
        (&["    --workers 3 \\\n"], "G201"),
    ] {
        let before = fs::read_to_string(tree.at(unit)).unwrap();
        for line in lines {
            tree.edit(unit, line, "");
        }
        let found = complaints(&tree.check(&JSON), true);
        assert!(found.contains(code), "without {lines:?}: {found}");
        tree.write(unit, before);
    }
}

#[test]
fn every_combination_passes_its_own_gate() {
    let mut wrong = String::new();
    for wanted in matrix() {
        let directory = tempfile::tempdir().unwrap();
        wanted.write(directory.path());
        let readme = fs::read_to_string(directory.path().join("README.md")).unwrap();
        let gate =
            readme.lines().find(|line| line.starts_with("deploy-doctor check --unit")).unwrap();
        let words: Vec<_> = gate.trim_end_matches(" &&").split(' ').skip(1).chain(JSON).collect();
        let mut command = Command::new(program());
        command.args(words).current_dir(directory.path());
        let complaints = complaints(&finish(command), false);
        if !complaints.is_empty() {
            let _ = writeln!(wrong, "{wanted:?}:\n{complaints}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Each value of each option, in fewer combinations: for what is slow.
fn some() -> impl Iterator<Item = Wanted> {
    matrix().into_iter().step_by(5)
}

fn has(program: &str) -> bool {
    Command::new(program).arg("-v").output().is_ok()
        || Command::new(program).arg("--version").output().is_ok()
}

#[test]
fn systemd_takes_the_units() {
    if !has("systemd-analyze") {
        eprintln!("SKIPPED: systemd_takes_the_units: there is no systemd-analyze");
        return;
    }
    for wanted in some() {
        let directory = tempfile::tempdir().unwrap();
        wanted.write(directory.path());
        // The program of a venv that is not here: any other stands in for it.
        let unit = directory.path().join(&wanted.units()[0]);
        let python = format!("{}/current/.venv/bin/python ", wanted.dir());
        let text = fs::read_to_string(&unit).unwrap();
        assert!(text.contains(&python));
        fs::write(&unit, text.replace(&python, "/bin/true ")).unwrap();
        let output = Command::new("systemd-analyze")
            .arg("verify")
            .args(wanted.units().iter().map(|unit| directory.path().join(unit)))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // What else this machine's units are told is not about ours.
        let ours = said.lines().filter(|line| line.contains(wanted.name)).collect::<Vec<_>>();
        assert!(ours.is_empty(), "{wanted:?}: {ours:?}");
    }
}

#[test]
fn nginx_takes_the_sites() {
    if !has("nginx") || !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: nginx_takes_the_sites: there is no nginx, or this is not root");
        return;
    }
    for wanted in some() {
        let directory = tempfile::tempdir().unwrap();
        wanted.write(directory.path());
        let at = directory.path();
        let site = at.join(format!("{}.nginx.conf", wanted.name));
        // Where this machine has no IPv6 the line goes, as its comment says.
        if !Path::new("/proc/net/if_inet6").exists() {
            let text = fs::read_to_string(&site).unwrap();
            let without: Vec<_> = text.lines().filter(|line| !line.contains("[::]")).collect();
            fs::write(&site, without.join("\n")).unwrap();
        }
        let main = format!(
            "pid {at}/pid;\nevents {{}}\nhttp {{\naccess_log off;\ninclude {site};\n}}\n",
            at = at.display(),
            site = site.display()
        );
        fs::write(at.join("nginx.conf"), main).unwrap();
        let output = Command::new("nginx")
            .args(["-t", "-q", "-e", "stderr", "-p"])
            .arg(at)
            .arg("-c")
            .arg(at.join("nginx.conf"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("[warn]"), "{wanted:?}: {said}");
    }
}

/// Names in a directory, with their modes.
fn listing(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
            format!("{} {mode:04o}", entry.file_name().into_string().unwrap())
        })
        .collect();
    names.sort();
    names
}

/// Runs the program in a directory, under the umask given.
fn run_in(directory: &Path, umask: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("umask {umask} && exec \"$@\""), "sh", program()])
        .args(arguments)
        .current_dir(directory);
    finish(command)
}

#[test]
fn files_have_their_modes_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let directory = tempfile::tempdir().unwrap();
        let ran = run_in(directory.path(), umask, &PLAIN.options());
        assert_eq!(ran.code, Some(0), "{}", ran.all());
        assert_eq!(
            listing(&directory.path().join("deploy")),
            ["README.md 0644", "myapp.env 0640", "myapp.nginx.conf 0644", "myapp.service 0644"]
        );
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn print_shows_all_files_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for wanted in [PLAIN, Wanted { activated: true, ..PLAIN }] {
        let ran = run_in(directory.path(), "022", &[&wanted.options()[..], &["--print"]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.all());
        assert_eq!(listing(directory.path()), [] as [&str; 0]);
        // The same bytes as are written.
        let output = tempfile::tempdir().unwrap();
        wanted.write(output.path());
        let mut names = wanted.units();
        names.extend(["myapp.nginx.conf", "myapp.env", "README.md"].map(str::to_owned));
        let parts: Vec<_> = names
            .iter()
            .map(|name| {
                let text = fs::read_to_string(output.path().join(name)).unwrap();
                format!("==> {name} <==\n{text}")
            })
            .collect();
        assert_eq!(ran.stdout, parts.join("\n"));
        assert!(!ran.stdout.contains("{{"), "a placeholder is left");
    }
    let both = [&PLAIN.options()[..], &["--print", "--force"]].concat();
    assert_eq!(run(&both).code, Some(2));
}

#[test]
fn nothing_is_overwritten_unless_forced() {
    let names = ["myapp.service", "myapp.nginx.conf", "myapp.env", "README.md"];
    for taken in names {
        for kind in ["file", "link", "dangling", "directory"] {
            let directory = tempfile::tempdir().unwrap();
            let deploy = directory.path().join("deploy");
            let precious = directory.path().join("precious");
            fs::create_dir(&deploy).unwrap();
            match kind {
                "file" => fs::write(deploy.join(taken), "mine").unwrap(),
                "directory" => fs::create_dir(deploy.join(taken)).unwrap(),
                "link" => {
                    fs::write(&precious, "mine").unwrap();
                    symlink(&precious, deploy.join(taken)).unwrap();
                }
                _ => symlink(&precious, deploy.join(taken)).unwrap(),
            }
            let before = listing(&deploy);
            let ran = run_in(directory.path(), "022", &PLAIN.options());
            assert_eq!(ran.code, Some(2), "{taken} {kind}: {}", ran.all());
            assert!(ran.stderr.contains(taken) && ran.stderr.contains("--force"), "{}", ran.stderr);
            assert_eq!(ran.stdout, "");
            assert_eq!(listing(&deploy), before, "{taken} {kind}: something was left");
            let forced = [&PLAIN.options()[..], &["--force"]].concat();
            let ran = run_in(directory.path(), "022", &forced);
            if kind == "directory" {
                assert_eq!(ran.code, Some(2), "{}", ran.all());
                continue;
            }
            assert_eq!(ran.code, Some(0), "{taken} {kind}: {}", ran.all());
            assert_eq!(listing(&deploy).len(), names.len(), "a temporary file was left");
            assert!(deploy.join(taken).symlink_metadata().unwrap().is_file());
            // Replaced and not written through: a link's target stays as it was.
            match kind {
                "link" => assert_eq!(fs::read_to_string(&precious).unwrap(), "mine"),
                _ => assert!(!precious.exists()),
            }
        }
    }
}

#[test]
fn where_nothing_can_be_written_it_says_so() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("deploy"), "a file").unwrap();
    let ran = run_in(directory.path(), "022", &PLAIN.options());
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stderr.contains("deploy"), "{}", ran.stderr);
    let ran = run(&[&PLAIN.options()[..], &["--output", "/proc/nosuch/x"]].concat());
    assert_eq!(ran.code, Some(2), "{}", ran.all());
}

/// What must not reach a unit, nginx's configuration or a shell in any value.
const HOSTILE: [&str; 24] = [
    "", " ", "a b", "a\tb", "a\nb", "a\rb", "../x", "a/../b", "a;b", "a%ib", "%i", "$X", "a$X",
    "\"", "a\"b", "a'b", "a\\b", "`id`", "$(id)", "a{b}", "a#b", "a|b", "{{dir}}", "é",
];

fn refused(option: &str, value: &str) {
    let directory = tempfile::tempdir().unwrap();
    let with = format!("{option}={value}");
    let mut words = PLAIN.options();
    if let Some(at) = words.iter().position(|word| *word == option) {
        words.drain(at..at + 2);
    }
    words.push(&with);
    let ran = run_in(directory.path(), "022", &words);
    assert_eq!(ran.code, Some(2), "{with:?}: {}", ran.all());
    assert!(ran.stderr.contains(option), "{with:?}: {}", ran.stderr);
    assert_eq!(ran.stdout, "", "{with:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{with:?}: {}", ran.stderr);
    assert_eq!(listing(directory.path()), [] as [&str; 0], "{with:?} wrote something");
}

#[test]
fn hostile_values_are_refused() {
    for option in ["--app", "--name", "--domain", "--user", "--dir"] {
        for value in HOSTILE {
            refused(option, value);
            if option == "--app" {
                refused(option, &format!("wsgi:{value}"));
                refused(option, &format!("{value}:app"));
            }
            if option == "--dir" && !["", "é"].contains(&value) {
                refused(option, &format!("/srv/{value}/x"));
            }
        }
    }
}

#[test]
fn values_that_would_not_work_are_refused() {
    for (option, values) in [
        (
            "--app",
            &[
                "wsgi",
                "wsgi:",
                ":app",
                "wsgi:app:x",
                "a..b:app",
                ".a:app",
                "1a:app",
                "a-b:app",
                "wsgi:app.wsgi_app",
                "wsgi:class",
                "wsgi:create_app(",
                "wsgi:create_app('x')",
                "wsgi:()",
                "wsgi.py:app()()",
            ][..],
        ),
        (
            "--name",
            &[
                "nginx",
                "default",
                "user",
                "lock",
                "dbus",
                "systemd",
                "Systemd-x",
                "myapp.service",
                "a@",
                "a@b",
                "1a",
                "-a",
                ".a",
                "a.",
                "a..b",
                "a-",
                "a/b",
                "a:b",
            ],
        ),
        (
            "--domain",
            &[
                "a_b.example.com",
                "-a.example.com",
                "a..b",
                ".example.com",
                "example.com.",
                "*.example.com",
                "~^x$",
                "a.example.com b.example.com",
                "__",
                "example.com:80",
                "http://example.com",
            ],
        ),
        ("--user", &["root", "0", "33", "-a", "a.b", "a:b", "a@b"]),
        (
            "--dir",
            &[
                "srv/x",
                "./x",
                "~/x",
                "/",
                "//",
                "/srv",
                "/srv//x",
                "/srv/./x",
                "/tmp/x",
                "/etc",
                "/etc/x",
                "/run/x",
                "/var/run/x",
                "/root",
                "/root/x",
                "/usr/local/x",
                "/proc/x",
                "/var/tmp/x",
                "/var/lib/",
            ],
        ),
    ] {
        for value in values {
            refused(option, value);
        }
    }
    refused("--name", &"a".repeat(65));
    refused("--user", &"a".repeat(32));
    refused("--dir", &format!("/srv/{}", "a".repeat(60)));
    refused("--domain", &format!("{}.example.com", "a".repeat(64)));
    refused("--app", &format!("{}:app", "a".repeat(300)));
}

#[test]
fn what_is_missing_is_wrong_usage() {
    for words in [&["init"][..], &["init", "--app", "wsgi:app"], &["init", "--name", "x"]] {
        assert_eq!(run(words).code, Some(2));
    }
}

/// The longest names still make a socket path that the kernel takes.
#[test]
fn the_longest_names_are_taken() {
    let (name, dir) = ("a".repeat(64), format!("/srv/{}", "d".repeat(59)));
    let ran = run(&["init", "--app", "wsgi:app", "--name", &name, "--dir", &dir, "--print"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let bind =
        ran.stdout.lines().find_map(|line| line.trim().strip_prefix("--bind unix:")).unwrap();
    assert!(bind.trim_end_matches(" \\").len() <= 107, "{bind}");
    let program = ran.stdout.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let release = program.replace("/current/", "/releases/20260421093000/");
    assert!("#!".len() + release.split(' ').next().unwrap().len() <= 127, "{release}");
}

/// No value of a variable, and no name set to nothing, is in the template.
#[test]
fn the_environment_template_sets_nothing() {
    for wanted in matrix() {
        let directory = tempfile::tempdir().unwrap();
        wanted.write(directory.path());
        let text =
            fs::read_to_string(directory.path().join(format!("{}.env", wanted.name))).unwrap();
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
        assert!(text.contains("\n#SECRET_KEY=\n"));
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/init").join(name)
}

/// What is written does not change unseen. `UPDATE_DOCS=1 cargo test --test suite init::` writes the files.
#[test]
fn the_output_is_stable() {
    for (name, wanted) in [
        ("default", PLAIN),
        (
            "socket-activation",
            Wanted {
                app: "shop.web:create_app()",
                name: "shop",
                domain: Some("shop.example.com"),
                user: Some("deploy"),
                dir: Some("/home/deploy/shop"),
                activated: true,
                ..PLAIN
            },
        ),
    ] {
        let first = run(&[&wanted.options()[..], &["--print"]].concat()).stdout;
        assert_eq!(first, run(&[&wanted.options()[..], &["--print"]].concat()).stdout);
        let path = golden(name);
        if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &first).unwrap();
        }
        assert_eq!(first, fs::read_to_string(&path).unwrap(), "{}", path.display());
    }
}

/// What it says at the end are the very commands of the README, and a directory is quoted.
#[test]
fn the_closing_text_has_the_readmes_commands() {
    let directory = tempfile::tempdir().unwrap();
    for output in ["deploy", "a b's"] {
        let ran = run_in(
            directory.path(),
            "022",
            &[&PLAIN.options()[..], &["--output", output]].concat(),
        );
        let readme = fs::read_to_string(directory.path().join(output).join("README.md")).unwrap();
        let commands = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
        assert!(ran.stdout.contains(commands), "{}", ran.stdout);
        let line = ran.stdout.lines().find(|line| line.starts_with("cd ")).unwrap();
        let shell = format!("{} pwd", line);
        let there =
            Command::new("sh").args(["-c", &shell]).current_dir(directory.path()).output().unwrap();
        assert!(String::from_utf8_lossy(&there.stdout).trim_end().ends_with(output), "{line}");
    }
}
