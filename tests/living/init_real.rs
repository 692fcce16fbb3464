//! A fresh Debian with systemd and nginx is given what `init` writes, by the very commands of the
//! README that it writes: the site starts, and switching to a release and back under load loses no
//! request, serves the release meant with its own packages, and keeps nothing of the one before.

use crate::support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::container::Container;
use crate::support::proof::Answers;
use crate::support::suite::Suite;
use serde_json::Value;

/// The application: its release, the version of a package, and whether a module is there that only
/// the first release has.
const APPLICATION: &str = r#"import os

import flavour
from flask import Flask, request

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]

try:
    import gone
    OLD = "-old"
except ImportError:
    OLD = ""


@app.get("/")
def index():
    return {"release": "RELEASE-%s%s" % (flavour.VERSION, OLD)}


@app.get("/writes")
def writes():
    def may(path):
        try:
            open(path, "w").close()
            return "yes"
        except OSError as error:
            return error.strerror
    return {path: may(path) for path in ("SHARED/x", "/tmp/x", "/usr/x", "/etc/x", "CURRENT/x")}


@app.get("/seen")
def seen():
    return dict(request.headers)
"#;

/// Wheels of what a venv of the prepared root holds, for a pip without a network, and of a package
/// in two versions.
const WHEELS: &str = r#"
import base64, csv, glob, hashlib, io, os, sys, zipfile
os.makedirs("/opt/wheels")
site = glob.glob("/srv/venvs/gunicorn-%s/lib/python3*/site-packages" % sys.argv[1])[0]

def wheel(name, files):
    info = [path for path in files if path.endswith(".dist-info/WHEEL")][0].split("/")[0]
    record = io.StringIO()
    rows = csv.writer(record)
    with zipfile.ZipFile("/opt/wheels/" + name, "w") as out:
        for path, data in files.items():
            out.writestr(path, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.writerow([path, "sha256=" + digest, len(data)])
        rows.writerow([info + "/RECORD", "", ""])
        out.writestr(info + "/RECORD", record.getvalue())

for info in glob.glob(site + "/*.dist-info"):
    base = os.path.basename(info)[:-len(".dist-info")]
    if base.split("-")[0] in ("pip", "setuptools"):
        continue
    files = {}
    for path, *_ in csv.reader(open(info + "/RECORD")):
        ours = path.endswith((".pyc", "/RECORD", "/INSTALLER", "/REQUESTED", "/direct_url.json"))
        if not path.startswith("..") and not ours:
            files[path] = open(os.path.join(site, path), "rb").read()
    tags = [line.split(": ")[1] for line in open(info + "/WHEEL").read().splitlines() if line.startswith("Tag: ")]
    wheel(base + "-" + tags[0] + ".whl", files)

for version in ("1", "2"):
    info = "flavour-%s.dist-info/" % version
    wheel("flavour-%s-py3-none-any.whl" % version, {
        "flavour.py": b"VERSION = " + version.encode() + b"\n",
        info + "METADATA": b"Metadata-Version: 2.1\nName: flavour\nVersion: " + version.encode() + b"\n",
        info + "WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    })
"#;

/// A fresh host with the files of `init` in /root/deploy, and the README's commands by heading.
struct Host {
    container: Container,
    name: &'static str,
    dir: String,
    domain: &'static str,
    gunicorn: &'static str,
    blocks: BTreeMap<String, Vec<String>>,
}

impl Host {
    fn new(
        options: &[&str],
        name: &'static str,
        dir: &str,
        domain: &'static str,
        gunicorn: &'static str,
    ) -> Option<Self> {
        Self::on(Suite::usual(), options, name, dir, domain, gunicorn)
    }

    fn on(
        suite: Suite,
        options: &[&str],
        name: &'static str,
        dir: &str,
        domain: &'static str,
        gunicorn: &'static str,
    ) -> Option<Self> {
        let booted = Container::boot_on(suite, name, |root| {
            let copies = [(Path::new(env!("CARGO_BIN_EXE_deploy-doctor")), "deploy-doctor")];
            let load = support::proof::project().join("e2e/load");
            for (from, to) in copies.into_iter().chain([(load.as_path(), "load")]) {
                let to = root.join("usr/local/bin").join(to);
                fs::copy(from, &to).unwrap();
                fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
            }
            fs::write(root.join("root/wheels.py"), WHEELS).unwrap();
            fs::write(
                root.join("etc/pip.conf"),
                "[global]\nno-index = true\nfind-links = /opt/wheels\n",
            )
            .unwrap();
        });
        let container = match booted {
            Ok(container) => container,
            Err(skip) => {
                support::skip(skip);
                return None;
            }
        };
        container.sh_ok(&format!("python3 /root/wheels.py {}", &gunicorn[..2]));
        let init =
            [&["deploy-doctor", "init", "--name", name, "--output", "/root/deploy"], options]
                .concat();
        let ran = container.run(&init);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let readme = fs::read_to_string(container.root().join("root/deploy/README.md")).unwrap();
        Some(Self { container, name, dir: dir.into(), domain, gunicorn, blocks: blocks(&readme) })
    }

    fn block(&self, heading: &str, number: usize) -> &str {
        &self.blocks[heading][number]
    }

    /// Bash, as an administrator has it; the test fails where the script does.
    fn bash(&self, script: &str) -> String {
        let output = self.container.run_for(120, &["bash", "-c", script]);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(
            output.status.success(),
            "{script}\n{}: {said}\n{}",
            output.status,
            self.container.journal(self.name)
        );
        said
    }

    /// Puts a release's code into incoming/.
    fn incoming(&self, release: &str, flavour: &str, application: &str) {
        let at = self.container.root().join(self.dir.trim_start_matches('/')).join("incoming");
        fs::create_dir_all(at.join("static")).unwrap();
        let application = application
            .replace("RELEASE", release)
            .replace("SHARED", &format!("{}/shared", self.dir))
            .replace("CURRENT", &format!("{}/current", self.dir));
        fs::write(at.join("wsgi.py"), application).unwrap();
        fs::write(at.join("static/site.css"), format!("/* {release} */\n")).unwrap();
        let requirements =
            format!("flask==3.0.3\ngunicorn=={}\nflavour=={flavour}\n", self.gunicorn);
        fs::write(at.join("requirements.txt"), requirements).unwrap();
        let gone = at.join("gone.py");
        match release {
            "A" => fs::write(gone, "").unwrap(),
            _ => drop(fs::remove_file(gone)),
        }
        // A private umask of whoever copies it must not matter.
        fs::set_permissions(at.join("wsgi.py"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A step of shell while requests come in, after `first` in the same shell.
    fn under_load(&self, first: &str, step: &str) -> Answers {
        fs::write(self.container.root().join("root/step"), step).unwrap();
        // A chain that stops at its first failure, as typed.
        let first = if first.is_empty() { "true" } else { first };
        let script = format!(
            "{{ {first}\n}} >/root/said 2>&1 && export release && load --rate 60 --tail 3 --host {} '. /root/step'",
            self.domain
        );
        let output = self.container.run_for(120, &["bash", "-c", &script]);
        let said =
            || fs::read_to_string(self.container.root().join("root/said")).unwrap_or_default();
        assert!(output.status.success(), "{first}\n{}", said());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Nothing lost, the step done, and this release in the end.
    fn judge(&self, what: &str, answers: &Answers, release: &str) {
        let line = format!(
            "{} {what}: {} of {} lost, releases {:?}, slowest {:.3} s",
            self.name, answers.lost, answers.sent, answers.releases, answers.slowest
        );
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes());
        let journal = || self.container.journal(self.name);
        assert_eq!(
            (answers.lost, answers.exit),
            (0, 0),
            "{line}\n{}\n{}",
            answers.output,
            journal()
        );
        assert!(answers.sent > 150, "{line}");
        let last: Vec<_> = answers.at_end.keys().map(String::as_str).collect();
        assert_eq!(last, [format!("200 {release}")], "{line}\n{}", journal());
    }

    /// After a reload the master stands in the release that is served, so that others may go.
    fn stands_in_current(&self) {
        let main = format!("$(systemctl show -p MainPID --value {})", self.name);
        let script =
            format!("[ $(readlink /proc/{main}/cwd) = $(readlink -f {}/current) ]", self.dir);
        self.bash(&script);
    }

    fn answers(&self, path: &str) -> String {
        self.bash(&format!("curl -sS -m 5 -H 'Host: {}' http://127.0.0.1{path}", self.domain))
    }

    /// The site answers again, from this release.
    fn comes_back(&self, release: &str) {
        let asked = format!("curl -s -m 2 -H 'Host: {}' http://127.0.0.1/", self.domain);
        let script = format!(
            "for i in $(seq 100); do {asked} | grep {release} && exit 0; sleep 0.2; done; exit 1"
        );
        let ran = self.container.run_for(20, &["sh", "-c", &script]);
        let state = self.container.sh(&format!("systemctl status -n 0 {0} {0}.socket", self.name));
        assert!(
            ran.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&state.stdout),
            self.container.journal(self.name)
        );
    }

    /// The living host has no finding but these.
    fn check(&self, known: &[&str]) {
        let ran = self.container.run(&["deploy-doctor", "check", self.name, "--format", "json"]);
        let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let found: Vec<_> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["code"].as_str().unwrap())
            .collect();
        assert_eq!(found, known, "{report:#}");
        assert_eq!(report["problems"], Value::Array(Vec::new()));
        assert_eq!(ran.status.code(), Some(0));
    }
}

/// The `sh` blocks of a README by the heading they stand under.
fn blocks(readme: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut heading = String::new();
    let mut open: Option<String> = None;
    for line in readme.lines() {
        match &mut open {
            Some(_) if line == "```" => {
                found.entry(heading.clone()).or_default().extend(open.take())
            }
            Some(body) => {
                body.push_str(line);
                body.push('\n');
            }
            None if line == "```sh" => open = Some(String::new()),
            None => {
                if let Some(words) = line.strip_prefix("## ") {
                    heading = words.split([',', ':']).next().unwrap().to_owned();
                }
            }
        }
    }
    found
}

fn from_install_to_rollback(host: &Host, activated: bool) {
    let make = host.block("Make a release", 0);
    let dir = &host.dir;

    // Install and start.
    host.bash(&format!("cd /root/deploy && {}", host.block("Install", 0)));
    host.bash(host.block("Install", 1));
    let environment = format!("/etc/{}.env", host.name);
    assert_eq!(host.bash(&format!("stat -c '%a %U:%G' {environment}")).trim(), "640 root:root");
    host.incoming("A", "1", APPLICATION);
    host.bash(&format!("{make}[ $? = 0 ] && {}", host.block("Start", 0)));
    assert!(host.answers("/").contains("A-1-old"), "{}", host.answers("/"));
    assert_eq!(host.answers("/static/site.css"), "/* A */\n");
    let seen = host.answers("/seen");
    for header in [host.domain, "X-Forwarded-For", "X-Forwarded-Proto"] {
        assert!(seen.contains(header), "{seen}");
    }
    // The application writes where it should, and nowhere else.
    let writes: BTreeMap<String, String> = serde_json::from_str(&host.answers("/writes")).unwrap();
    let yes: Vec<_> =
        writes.iter().filter(|(_, may)| *may == "yes").map(|(path, _)| path).collect();
    assert_eq!(yes, [&format!("{dir}/shared/x"), "/tmp/x"], "{writes:?}");
    assert_eq!(writes["/usr/x"], "Read-only file system");
    let main = format!("$(systemctl show -p MainPID --value {})", host.name);
    host.bash(&format!("grep -P 'NoNewPrivs:\\t1' /proc/{main}/status && ! test -e /tmp/x"));
    assert_eq!(host.bash(&format!("systemctl is-enabled {}", host.name)).trim(), "enabled");
    // That there is no way back yet is true.
    host.check(&["R702"]);
    // A second time it changes nothing that was filled in.
    let before = host.bash(&format!("cat {environment}"));
    host.bash(&format!("cd /root/deploy && {}", host.block("Install", 0)));
    host.bash(host.block("Install", 1));
    assert_eq!(host.bash(&format!("cat {environment}")), before);

    // Deploy.
    host.incoming("B", "2", APPLICATION);
    let migrate = host.block("Make a release", 1);
    assert!(migrate.contains("db upgrade"), "{migrate}");
    let flask = migrate.replace("db upgrade", "routes");
    let answers = host.under_load(&format!("{{ {make}}} && {flask}"), host.block("Deploy", 0));
    let said = fs::read_to_string(host.container.root().join("root/said")).unwrap();
    assert!(said.contains("/writes"), "flask ran before the switch: {said}");
    host.judge("deploy", &answers, "B-2");
    assert!(answers.releases.contains_key("A-1-old"), "{:?}", answers.releases);
    assert_eq!(host.answers("/static/site.css"), "/* B */\n");
    host.stands_in_current();
    host.check(&[]);

    // Seen from outside, too: the files alone, with nothing that the host could tell.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_deploy-doctor"))
        .args(["check", "--format", "json", "--fail-on", "info", "--root"])
        .arg(host.container.root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    // Roll back, and forward again by the same commands.
    let answers = host.under_load("", host.block("Roll back", 0));
    host.judge("roll back", &answers, "A-1-old");
    assert_eq!(host.answers("/static/site.css"), "/* A */\n");
    host.stands_in_current();

    // Broken code does not pass the last command of making a release, and is not served.
    host.incoming("C", "2", "import nosuch\n");
    let refused = host.container.run_for(120, &["bash", "-c", make]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&[refused.stdout, refused.stderr].concat()).into_owned();
    assert!(said.contains("nosuch"), "{said}");
    assert!(host.answers("/").contains("A-1-old"));

    // Whoever deploys it all the same gets the site back by the same commands.
    let broken = host.bash(&format!("ls -1d {dir}/releases/* | tail -n 1 | xargs basename"));
    let broken = broken.trim();
    host.bash(&format!("release={broken}\n{}", host.block("Deploy", 0)));
    let down = format!("! curl -sf -m 2 -H 'Host: {}' http://127.0.0.1/", host.domain);
    host.container.eventually(10, &down);
    host.bash(host.block("Roll back", 1));
    host.comes_back("A-1-old");

    host.bash(&format!("rm -rf {dir}/releases/{broken}"));
    let answers = host.under_load("", &format!("systemctl reload {}", host.name));
    host.judge("reload after deleting a release", &answers, "A-1-old");

    // systemd brings back what dies.
    host.bash(&format!("kill -9 $(systemctl show -p MainPID --value {})", host.name));
    host.comes_back("A-1-old");
    if activated {
        let answers = host.under_load("", &format!("systemctl restart {}", host.name));
        host.judge("restart", &answers, "A-1-old");
    }
    // Back at the first release there is none before it.
    host.check(&["R702"]);
}

#[test]
fn the_readmes_commands_on_a_fresh_host() {
    let options = ["--app", "wsgi:app", "--domain", "example.com"];
    for suite in Suite::asked() {
        let host = Host::on(suite, &options, "myapp", "/srv/myapp", "example.com", "23.0.0");
        if let Some(host) = host {
            from_install_to_rollback(&host, false);
        }
    }
}

/// POSTs, which nginx may not repeat, under each gunicorn behind each nginx: with sync workers, as
/// written, and with threads where the version itself loses none.
#[test]
fn no_post_is_lost_by_any_gunicorn_behind_any_nginx() {
    let app = "def app(environ, start_response):
    environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Length', '2')])
    return [b'ok']
";
    let options = ["--app", "wsgi:app", "--domain", "example.com"];
    for suite in Suite::asked() {
        let host = Host::on(suite, &options, "posts", "/srv/posts", "example.com", "27.0.1");
        let Some(host) = host else { return };
        host.bash(&format!("cd /root/deploy && {}", host.block("Install", 0)));
        host.bash(host.block("Install", 1));
        let release = host.container.root().join("srv/posts/releases/one");
        fs::create_dir_all(release.join("static")).unwrap();
        fs::write(release.join("wsgi.py"), app).unwrap();
        host.bash("ln -sfn releases/one /srv/posts/current && nginx -t && systemctl restart nginx");
        for (gunicorn, threads) in
            [("20", ""), ("20", "--threads 4"), ("23", ""), ("27", ""), ("27", "--threads 4")]
        {
            host.bash(&format!(
                "ln -sfn /srv/venvs/gunicorn-{gunicorn} {0}/.venv
                 mkdir -p /etc/systemd/system/posts.service.d
                 {{ echo '[Service]'; echo 'Environment=\"GUNICORN_CMD_ARGS={threads}\"'
                 }} >/etc/systemd/system/posts.service.d/threads.conf
                 systemctl daemon-reload && systemctl restart posts",
                release
                    .strip_prefix(host.container.root())
                    .map(|it| format!("/{}", it.display()))
                    .unwrap()
            ));
            host.container.eventually(10, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
            let script = "load --rate 100 --tail 2 --method POST --host example.com \
                 'for i in 1 2 3 4; do systemctl reload posts || exit; sleep 1.5; done'";
            let ran = host.container.run_for(60, &["bash", "-c", script]);
            let answers: Answers = serde_json::from_slice(&ran.stdout).unwrap();
            let what = format!("{} gunicorn {gunicorn} {threads}", suite.name());
            assert!(answers.sent > 500, "{what}: {answers:?}");
            assert_eq!((answers.lost, answers.exit), (0, 0), "{what}: {answers:?}");
        }
    }
}

/// Another account, another place, no domain, another gunicorn, and the socket in systemd's hands.
#[test]
fn the_readmes_commands_with_socket_activation() {
    let options =
        ["--app", "wsgi:app", "--user", "web-1", "--dir", "/opt/shop", "--socket-activation"];
    if let Some(host) = Host::new(&options, "Shop.v2", "/opt/shop", "shop.v2.localhost", "27.0.1") {
        from_install_to_rollback(&host, true);
    }
}

/// The site of every request: Debian's own default site makes way. All releases share a venv, by the
/// one line that the README gives for it.
#[test]
fn the_readmes_commands_without_a_name_and_with_one_venv() {
    let options = ["--app", "wsgi:app", "--domain", "_"];
    let Some(host) = Host::new(&options, "any", "/srv/any", "192.0.2.1", "27.0.1") else { return };
    host.bash(&format!("cd /root/deploy && {}", host.block("Install", 0)));
    host.bash(host.block("Install", 1));
    host.incoming("A", "1", APPLICATION);
    host.bash("python3 -m venv /srv/any/venv && /srv/any/venv/bin/pip install -r /srv/any/incoming/requirements.txt");
    let readme = fs::read_to_string(host.container.root().join("root/deploy/README.md")).unwrap();
    let link = readme.split('`').find(|words| words.starts_with("ln -s ../../venv")).unwrap();
    let make: Vec<_> = host
        .block("Make a release", 0)
        .lines()
        .filter(|line| !line.contains("bin/pip"))
        .map(|line| if line.contains("-m venv") { format!("{link} &&") } else { line.to_owned() })
        .collect();
    let make = make.join("\n") + "\n";
    host.bash(&format!("{make}[ $? = 0 ] && {}", host.block("Start", 0)));
    for request in
        ["http://127.0.0.1/", "http://[::1]/", "-H 'Host: other.example' http://127.0.0.1/"]
    {
        assert!(host.bash(&format!("curl -gsS -m 5 {request}")).contains("A-1-old"), "{request}");
    }
    host.check(&["R702"]);
    host.incoming("B", "1", APPLICATION);
    // Releases are named by the second: one more in the same second would be refused.
    host.bash("sleep 1");
    let answers = host.under_load(&make, host.block("Deploy", 0));
    host.judge("deploy with one venv", &answers, "B-1");
    host.check(&[]);
}
