//! The program inside a booted Debian: what systemctl, the journal, nginx and the application
//! itself say while the harm is there, and that it is silent when the harm is gone.

use crate::support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::support::container::Container;
use serde_json::Value;

const UNIT: &str = "[Unit]\nDescription=Gunicorn for myapp\nAfter=network.target\n\n[Service]\n\
    Type=notify\nNotifyAccess=main\nUser=www-data\nGroup=www-data\nRuntimeDirectory=myapp\n\
    WorkingDirectory=/srv/myapp/current\nEnvironment=PYTHONDONTWRITEBYTECODE=1\n\
    EnvironmentFile=/etc/myapp.env\n\
    ExecStart=/srv/venvs/gunicorn-23/bin/gunicorn --workers 2 --chdir /srv/myapp/current \
    --bind unix:/run/myapp/gunicorn.sock wsgi:app\n\
    ExecReload=/bin/bash -c 'kill -s HUP $MAINPID'\nKillMode=mixed\nTimeoutStopSec=40\nRestart=always\n\
    RestartSec=2\n\n[Install]\nWantedBy=multi-user.target\n";
const SITE: &str = "server {\n    listen 80 default_server;\n    server_name _;\n    location / {\n\
    \x20       proxy_set_header Host $http_host;\n\
    \x20       proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
    \x20       proxy_set_header X-Forwarded-Proto $scheme;\n\
    \x20       proxy_read_timeout 90s;\n\
    \x20       proxy_pass http://unix:/run/myapp/gunicorn.sock;\n    }\n}\n";
const CODE: &str = "import os\nTOKEN = os.environ[\"API_TOKEN\"]\n\ndef app(environ, start):\n    \
    start(\"200 OK\", [(\"Content-Type\", \"text/plain\")])\n    return [b\"hello\\n\"]\n";
const SECRET: &str = "s3cr3t-token-of-the-test";

fn prepare(root: &Path) {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("etc/systemd/system/myapp.service", UNIT);
    write("etc/nginx/sites-available/myapp", SITE);
    write("etc/myapp.env", &format!("API_TOKEN={SECRET}\n"));
    fs::set_permissions(root.join("etc/myapp.env"), fs::Permissions::from_mode(0o640)).unwrap();
    write("srv/myapp/releases/1/wsgi.py", CODE);
    write("srv/myapp/releases/0/wsgi.py", CODE);
    symlink("releases/1", root.join("srv/myapp/current")).unwrap();
    let enabled = root.join("etc/nginx/sites-enabled");
    fs::remove_file(enabled.join("default")).unwrap();
    symlink("../sites-available/myapp", enabled.join("myapp")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_deploy-doctor"), root.join("usr/local/bin/deploy-doctor"))
        .unwrap();
}

/// What a check inside says.
struct Report {
    document: Value,
    text: String,
}

impl Report {
    fn of(container: &Container, options: &str) -> Self {
        let output =
            container.sh(&format!("deploy-doctor check myapp --format json {options}; true"));
        let text = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let document = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("check {options}: {error}\n{text}\n{said}");
        });
        assert!(!text.contains(SECRET), "a secret is shown:\n{text}");
        Self { document, text }
    }

    fn messages(&self, code: &str) -> Vec<&str> {
        let findings = self.document["findings"].as_array().unwrap().iter();
        let mine = findings.filter(|finding| finding["code"] == code);
        mine.map(|finding| finding["message"].as_str().unwrap()).collect()
    }

    /// The one finding of a rule says this.
    #[track_caller]
    fn says(&self, code: &str, words: &[&str]) {
        let messages = self.messages(code);
        assert_eq!(messages.len(), 1, "{code}\n{}", self.text);
        for word in words {
            assert!(messages[0].contains(word), "{code}: {word}: {}", messages[0]);
        }
    }

    /// None of these rules fires or is skipped.
    #[track_caller]
    fn silent(&self, codes: &[&str]) {
        let skipped = self.document["skipped"].as_array().unwrap();
        for code in codes {
            assert!(self.messages(code).is_empty(), "{code}: {:?}", self.messages(code));
            let why: Vec<_> = skipped.iter().filter(|skip| skip["code"] == *code).collect();
            assert!(why.is_empty(), "{code}: {why:?}");
        }
    }
}

/// Every rule of this test.
const ALL: [&str; 9] = ["U121", "N319", "G222", "G223", "L801", "L804", "L805", "L806", "L807"];
const ASK: &str = "--preflight --probe http://127.0.0.1/";

#[test]
fn the_living_host_is_read() {
    let container = match Container::boot("live-host", prepare) {
        Ok(container) => container,
        Err(skip) => return support::skip(skip),
    };
    container.sh_ok("systemctl enable --now myapp nginx");
    container.eventually(10, "curl -fsS http://127.0.0.1/");
    Report::of(&container, ASK).silent(&ALL);

    unit_changed(&container);
    socket_unit_changed(&container);
    reload_fails(&container);
    nginx_refuses(&container);
    socket_out_of_reach(&container);
    another_server_answers(&container);
    import_breaks(&container);
    without_commands(&container);
}

fn unit_changed(container: &Container) {
    let drop_in = "/etc/systemd/system/myapp.service.d/10-more.conf";
    container.sh_ok(&format!(
        "mkdir -p {0}; printf '[Service]\\nTimeoutStopSec=50\\n' > {drop_in}",
        "/etc/systemd/system/myapp.service.d"
    ));
    let report = Report::of(container, "");
    report.says("U121", &["systemd still runs myapp.service as it was"]);
    assert!(report.text.contains(drop_in), "{}", report.text);
    container.sh_ok("systemctl daemon-reload");
    Report::of(container, "").silent(&["U121"]);
}

fn socket_unit_changed(container: &Container) {
    const RESTART: &str = "systemctl stop myapp.service && systemctl restart myapp.socket && \
                           systemctl start myapp.service";
    let unit = "/etc/systemd/system/myapp.socket";
    container.sh_ok(&format!(
        "printf '[Socket]\\nListenStream=/run/activated.sock\\n' > {unit}; \
         systemctl daemon-reload; {RESTART}"
    ));
    Report::of(container, "").silent(&["U121"]);
    container.sh_ok(&format!("echo SocketMode=0660 >> {unit}"));
    let report = Report::of(container, "");
    report.says("U121", &["systemd still runs myapp.socket as it was"]);
    // The commands of the help are enough, also while the service is active.
    assert!(report.text.contains(RESTART), "{}", report.text);
    container.sh_ok(&format!("systemctl daemon-reload; {RESTART}"));
    assert_eq!(container.sh_ok("stat -c %a /run/activated.sock").trim(), "660");
    container.sh_ok("systemctl is-active myapp.socket myapp.service");
    Report::of(container, "").silent(&["U121"]);
    container.sh_ok(&format!(
        "systemctl stop myapp.socket myapp.service; rm {unit}; systemctl daemon-reload; \
         systemctl start myapp.service"
    ));
    container.eventually(10, "curl -fsS http://127.0.0.1/");
}

fn reload_fails(container: &Container) {
    container.sh_ok(
        "printf '[Service]\\nExecReload=\\nExecReload=/bin/false\\n' \
         > /etc/systemd/system/myapp.service.d/20-reload.conf; systemctl daemon-reload",
    );
    assert_eq!(container.sh("systemctl reload myapp").status.code(), Some(1));
    Report::of(container, "").says("L807", &["systemctl reload myapp.service", "exit-code"]);
    container.sh_ok(
        "rm /etc/systemd/system/myapp.service.d/20-reload.conf; systemctl daemon-reload; \
         systemctl reload myapp",
    );
    container.eventually(10, "curl -fsS http://127.0.0.1/");
    Report::of(container, "").silent(&["L807", "L801"]);
}

fn nginx_refuses(container: &Container) {
    container.sh_ok("printf 'server {\\n  prox_pass x;\\n}\\n' > /etc/nginx/sites-enabled/broken");
    let report = Report::of(container, "");
    report.says("N319", &["unknown directive", "prox_pass"]);
    assert!(report.text.contains("/etc/nginx/sites-enabled/broken"), "{}", report.text);
    container.sh_ok("rm /etc/nginx/sites-enabled/broken");
    Report::of(container, "").silent(&["N319"]);
}

fn socket_out_of_reach(container: &Container) {
    // Of the second of a start nothing is counted.
    container.sh_ok("sleep 1.1; chmod 0700 /run/myapp; chown root /run/myapp");
    container.sh_ok("test \"$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/)\" = 502");
    let report = Report::of(container, ASK);
    report.says("L804", &["cannot connect to unix:/run/myapp/gunicorn.sock (13)", "1 request"]);
    report.says("L805", &["http://127.0.0.1/ answers with 502"]);
    // Root reaches it all the same.
    report.silent(&["L806"]);
    container.sh_ok("chmod 0755 /run/myapp; chown www-data /run/myapp; systemctl restart myapp");
    container.eventually(10, "curl -fsS http://127.0.0.1/");
    Report::of(container, ASK).silent(&ALL);

    container
        .sh_ok("sleep 1.1; mv /run/myapp/gunicorn.sock /run/myapp/away; curl -s http://127.0.0.1/");
    Report::of(container, "").says("L804", &["did not exist (2)"]);
    container.sh_ok("systemctl restart myapp");
    container.eventually(10, "curl -fsS http://127.0.0.1/");
    // The file of a socket on which nobody listens, as kill -9 leaves it.
    container.sh_ok(
        "sleep 1.1; mv /run/myapp/gunicorn.sock /run/myapp/away; python3 -c 'import os, socket; \
         socket.socket(socket.AF_UNIX).bind(\"/run/myapp/gunicorn.sock\"); \
         os.chmod(\"/run/myapp/gunicorn.sock\", 0o777)'; curl -s http://127.0.0.1/",
    );
    Report::of(container, "").says("L804", &["nothing listened", "(111)"]);
    container.sh_ok("systemctl restart myapp");
    container.eventually(10, "curl -fsS http://127.0.0.1/");
}

/// nginx asks ::1 first every other time, where nobody listens, and then 127.0.0.1.
fn another_server_answers(container: &Container) {
    let (unit, site) = ("/etc/systemd/system/myapp.service", "/etc/nginx/sites-available/myapp");
    container.sh_ok(&format!(
        "cp {unit} /tmp/unit; cp {site} /tmp/site
         sed -i 's|--bind unix:/run/myapp/gunicorn.sock|--bind 127.0.0.1:8000|' {unit}
         sed -i 's|http://unix:.*|http://localhost:8000;|' {site}
         systemctl daemon-reload; systemctl restart myapp; nginx -s reload"
    ));
    container.eventually(10, "curl -fsS http://127.0.0.1:8000/");
    container.sh_ok("sleep 1.2; for i in 1 2 3 4; do curl -fsS http://127.0.0.1/ || exit; done");
    container.sh_ok("grep -q 'upstream: \"http://\\[::1\\]:8000/' /var/log/nginx/error.log");
    let report = Report::of(container, ASK);
    let [message] = report.messages("L804")[..] else { panic!("{}", report.text) };
    assert!(message.contains("to another server"), "{message}");
    assert!(message.contains("nothing listened on [::1]:8000 (111)"), "{message}");
    container.sh_ok(&format!(
        "cp /tmp/unit {unit}; cp /tmp/site {site}
         systemctl daemon-reload; systemctl restart myapp; nginx -s reload"
    ));
    container.eventually(10, "curl -fsS http://127.0.0.1/");
    container.sh_ok("sleep 1.1");
    Report::of(container, ASK).silent(&ALL);
}

fn import_breaks(container: &Container) {
    let code = "/srv/myapp/current/wsgi.py";
    // The second worker, too, has booted by then.
    container.sh_ok(&format!("sleep 1; sed -i '1i import nowhere.at_all' {code}"));
    let report = Report::of(container, "--preflight");
    report.says("G223", &["ModuleNotFoundError: nowhere", "wsgi.py line 1"]);
    report.silent(&["L801"]);
    // `systemctl reload` returns 0, and the site goes down.
    container.sh_ok("systemctl reload myapp");
    container.eventually(10, "! curl -fsS http://127.0.0.1/");
    container.eventually(
        10,
        "journalctl -u myapp | grep -qE 'Worker failed to boot|exited with code 3'",
    );
    container.sh_ok("sleep 0.3");
    let report = Report::of(container, "--probe http://127.0.0.1/");
    report.says("L801", &["ModuleNotFoundError: nowhere", "wsgi.py line 1"]);
    assert_eq!(report.messages("L805").len(), 1, "{}", report.text);
    assert_eq!(report.messages("L806").len(), 1, "{}", report.text);

    for (line, words) in [
        ("import sys; sys.exit(0)", vec!["SystemExit"]),
        ("import os; os._exit(0)", vec!["ends the process with status 0"]),
        ("import os; os.environ[\"DATABASE_URL\"]", vec!["KeyError: DATABASE_URL"]),
        ("raise RuntimeError(__import__(\"os\").environ[\"API_TOKEN\"])", vec!["RuntimeError (/"]),
        ("def broken(:", vec!["SyntaxError", "line 1"]),
        ("import os; assert os.getuid() == 0", vec!["AssertionError"]),
    ] {
        container.sh_ok(&format!("sed -i '1c {line}' {code}"));
        Report::of(container, "--preflight").says("G223", &words);
    }
    container.sh_ok(&format!("sed -i '1c import time; time.sleep(0.7)' {code}"));
    let report = Report::of(container, "--preflight");
    report.silent(&["G223"]);
    report.says("G222", &["stalls the site for about 0.7 s"]);

    container.sh_ok(&format!("sed -i 1d {code}; systemctl restart myapp"));
    container.eventually(10, "curl -fsS http://127.0.0.1/");
    container.sh_ok("sleep 1.1");
    Report::of(container, ASK).silent(&ALL);
    // The service's user is root: nothing is imported.
    container.sh_ok("sed -i 's/^User=.*/User=root/' /etc/systemd/system/myapp.service");
    let report = Report::of(container, "--preflight");
    assert!(report.text.contains("never imported as root"), "{}", report.text);
}

/// `--no-exec`, and an ordinary user.
fn without_commands(container: &Container) {
    // What the commands took is told apart.
    let told = container.sh("deploy-doctor check myapp -v | tail -n 1").stdout;
    let told = String::from_utf8(told).unwrap();
    assert!(told.starts_with("read and checked in "), "{told}");
    for name in ["systemctl ", "journalctl ", "nginx "] {
        assert!(told.contains(name), "{told}");
    }
    let report = Report::of(container, "--no-exec");
    assert!(report.text.contains("no command is run here (--no-exec)"), "{}", report.text);
    assert!(report.messages("U121").is_empty());
    assert_eq!(Report::of(container, "").messages("U121").len(), 1);
    let output = container.sh("setpriv --reuid=nobody --regid=nogroup --clear-groups \
         deploy-doctor check myapp --format json");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("nginx -t needs root"), "{text}");
    assert!(text.contains("cannot read the journal"), "{text}");
    assert!(text.contains("\"U121\""), "{text}");
}
