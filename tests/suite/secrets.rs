//! No value of an environment variable, no password and no key reaches any output, whatever is
//! wrong with the line that it stands on. Every secret here holds the word `kanary`.

use crate::support::command;

use std::fs;

use command::{Copied, Ran, finish, program, run};

const UNIT: &str = "/etc/systemd/system/myapp.service";
const SITE: &str = "/etc/nginx/sites-available/myapp";
const WSGI: &str = "/srv/myapp/releases/2026-04-21/wsgi.py";

const ENVIRONMENT: &str = r#"# kanary01 in a comment
; kanary02
export SECRET_KEY=kanary03
FOO-BAR=kanary04
1A=kanary05
MAIL: kanary06
kanary07
=kanary08
[kanary09]
A=kanary10 # kanary11
B="kanary12" # kanary13
C='kanary14
kanary15
INNER=kanary16'
D=kanary17\
kanary18\
  kanary19
FLASK_DEBUG=kanary20
FLASK_ENV=development
DATABASE_URL=postgres://user:kanary21@db/kanary22
DATABASE_URL=postgres://user:kanary23@db/kanary24
https://kanary25:kanary26@example.com/=kanary27
E=$kanary28 ${kanary29} $(kanary30) ~/kanary31
# deploy-doctor: ignore[E401]
kanary32 export X=kanary33
GUNICORN_CMD_ARGS=--env G=kanary34 --kanary35 --workers kanary36
WEB_CONCURRENCY=kanary37
F="kanary38
AFTER=kanary39
"#;

const DROP_IN: &str = r#"[Service]
Environment=A=kanary40 "B=kanary41 kanary42" 'C=kanary43'
Environment="D=kanary44
Environment=kanary45 1E=kanary46
Environment=F=kanary47 \
    G=kanary48 \
    "H=kanary49 kanary50"
Enviroment=I=kanary51
 environment = J=kanary52
#Environment=K=kanary53
Environment=L=%Zkanary54
UnsetEnvironment=M=kanary55
PassEnvironment=PASSED
Environment='FLASK_DEBUG=kanary57' FLASK_ENV=development
EnvironmentFile=/etc/nul.env
EnvironmentFile=-/etc/latin.env
EnvironmentFile=/etc/myapp.env
EnvironmentFile=SECRET=kanary55a
EnvironmentFile="/etc/quoted.env" "kanary55b=c
[Unit]
Environment=N=kanary58
"#;

/// Secrets in what Exec lines run, each firing rules on that very line.
pub(crate) const EXECS: [&str; 6] = [
    "ExecStart=/usr/bin/env A=kanary60 \"B=kanary61 kanary62\" C=\"kanary63 kanary64\" /srv/myapp/.venv/bin/gunicorn \
     --env D=kanary65 -e E=kanary66 -eF=kanary67 --env=G=kanary68 --workers 1 --reload --bind unix:/run/x.sock wsgi:app",
    "ExecStart=/bin/sh -c 'H=kanary69 I=\"kanary70\" gunicorn -w 1 --env TOKEN=kanary71 -b unix:/run/x.sock wsgi:app'",
    "ExecStart=/bin/bash -c \"export SECRET=kanary72; exec gunicorn -w 1 -b unix:/run/x.sock wsgi:app\"",
    "ExecStart=env J=kanary73 gunicorn && K=kanary74 gunicorn",
    "ExecStart=/usr/bin/env K=kanary75 \\\n    L=kanary76 \\\n    # SECRET=kanary77 \\\n    /srv/myapp/.venv/bin/gunicorn -w 1 \\\n    --env M=kanary78 \\\n    wsgi:nothing",
    "ExecStart=/srv/myapp/.venv/bin/gunicorn --env \"N=kanary79 -w 1 wsgi:app",
];

const NGINX: &str = r#"upstream myapp {
    server unix:/run/other/gunicorn.sock;
}
# proxy_set_header Authorization "Basic kanary80";
server {
    listen 80 default_server;
    server_name example.com;
    set $api_key kanary81;
    location /static/ { alias /srv/nowhere/static/; }
    if ($http_x_api_key != "kanary82") { return 403; }
    location /a/ { proxy_set_header Authorization "Basic kanary83"; proxy_pass http://user:kanary84@nowhere; }
    location /b/ {
        proxy_set_header X-Api-Key kanary85; proxy_pass http://user:kanary86@127.0.0.1:8000/;
        proxy_set_header Cookie "session=kanary87";
    }
    location / {
        proxy_set_header X-Auth-Token 'kanary88'; proxy_pass http://myapp; nosuchdirective kanary_free;
    }
}
"#;

const CONFIG: &str = r#"import os
raw_env = ["A=kanary90", 'B=kanary91',
           "TOKEN=kanary92"]
raw_env += ["LATE=kanary93"]
SECRET_KEY = "kanary94"
workers = 1; api_key = "kanary95"
wrokers = "x"; password = 'kanary96'
bind = "unix:/run/x.sock"; proxy = "http://user:kanary97@proxy:3128/"
reload = True
preload_app = True
timeout = "kanary98 is not a number" if False else 30
"#;

pub(crate) fn rot(tree: &Copied) {
    tree.write("/etc/myapp.env", ENVIRONMENT);
    tree.write("/etc/nul.env", b"A=kanary001\0\nB=kanary002\n");
    tree.write("/etc/latin.env", b"A=kanary003\xe4\nB=kanary004\nexport C=kanary005\n");
    tree.write(&format!("{UNIT}.d/10-secrets.conf"), DROP_IN);
    tree.write(SITE, NGINX.replace("nosuchdirective kanary_free;", ""));
    tree.write("/srv/myapp/releases/2026-04-21/gunicorn.conf.py", CONFIG);
    tree.write(
        "/srv/myapp/releases/2026-04-21/.env.example",
        "SECRET_KEY=kanary006\nNEW=kanary007\n",
    );
    tree.write(
        "/srv/myapp/releases/2026-04-21/requirements.txt",
        "--index-url https://user:kanary008@pypi.example/simple\n\
         --extra-index-url https://kanary009@pypi.example/simple\n\
         nosuchpackage==1.0\n\
         private @ https://user:kanary010@example.com/private-1.0.tar.gz\n\
         git+https://kanary011:kanary012@example.com/x.git#egg=x\n\
         https://user:kanary013@[bad\n",
    );
    tree.write(WSGI, r#"import os
from flask import Flask
app = Flask(__name__); app.config["SECRET_KEY"] = "kanary100"; needed = os.environ["NEEDED_A"]
app.config.update(SECRET_KEY="kanary101", API_TOKEN='kanary102'); other = os.environ["NEEDED_B"]
db = os.environ["NEEDED_C"] + os.environ.get("DB_PASSWORD", "kanary103") + "postgres://u:kanary104@db/x"
"#);
}

/// All outputs of all commands that read a deployment.
fn outputs(place: &[&str], directory: &std::path::Path) -> Vec<(String, Ran)> {
    let mut seen = Vec::new();
    let all = [
        "text",
        "concise",
        "json",
        "sarif",
        "github",
        "gitlab",
        "junit",
        "tap",
        "prometheus",
        "markdown",
        "html",
    ];
    let files: Vec<_> = all
        .iter()
        .map(|format| {
            (format!("{format}={}", directory.join(format).display()), directory.join(format))
        })
        .collect();
    for format in ["text", "concise", "json"] {
        for extra in [&["-v"][..], &["--color", "always"], &["-q"], &["--select", "E", "-v"]] {
            let mut arguments = vec!["check", "--format", format];
            arguments.extend(extra);
            arguments.extend(place);
            for (option, _) in &files {
                arguments.extend(["--output", option]);
            }
            let mut ran = run(&arguments);
            for (_, path) in &files {
                ran.stdout += &fs::read_to_string(path).unwrap_or_default();
            }
            seen.push((arguments.join(" "), ran));
        }
    }
    // The last ones change the files, and bring them back.
    for command in [
        &["facts"][..],
        &["nagios"],
        &["fix", "--unsafe"],
        &["fix", "--unsafe", "--in-place"],
        &["fix", "--unsafe", "--apply", "--in-place"],
        &["fix", "--history"],
        &["fix", "--undo"],
    ] {
        let mut command = command.to_vec();
        command.extend(place);
        let mut process = std::process::Command::new(program());
        process.args(&command).env("XDG_STATE_HOME", directory.join("state"));
        seen.push((command.join(" "), finish(process)));
    }
    seen
}

fn leaks(
    name: &str,
    place: &[&str],
    directory: &std::path::Path,
    codes: &mut Vec<String>,
) -> Vec<String> {
    let mut leaks = Vec::new();
    for (arguments, ran) in outputs(place, directory) {
        let critical = arguments.starts_with("nagios") && ran.code == Some(2);
        assert!(critical || matches!(ran.code, Some(0 | 1 | 3)), "{name}: {arguments}: {ran:?}");
        for line in ran.all().lines() {
            if line.to_lowercase().contains("kanary") && !line.contains("\"host\":") {
                leaks.push(format!("{name}: {line}"));
            }
            for (at, _) in line.match_indices('[') {
                codes.extend(line.get(at + 1..at + 5).map(str::to_owned));
            }
        }
    }
    leaks.sort();
    leaks.dedup();
    leaks
}

fn judge(leaks: Vec<String>) {
    assert!(leaks.is_empty(), "{} lines with secrets:\n{}", leaks.len(), leaks.join("\n"));
}

#[test]
fn no_output_of_a_tree_shows_a_secret() {
    let mut found = Vec::new();
    let mut codes = Vec::new();
    for (number, exec) in EXECS.iter().enumerate() {
        let tree = Copied::of("healthy");
        rot(&tree);
        let unit = fs::read_to_string(tree.at(UNIT)).unwrap();
        let start = unit.find("ExecStart=").unwrap();
        let end = unit.find("ExecReload=").unwrap();
        let reload =
            "ExecReload=/bin/sh -c 'TOKEN=kanary110 /bin/kill -TERM $MAINPID'\nkanary111\n";
        tree.write(UNIT, format!("{}{exec}\n{reload}{}", &unit[..start], &unit[end..]));
        let root = tree.root();
        found.extend(leaks(
            &format!("exec {number}"),
            &["--root", root.to_str().unwrap()],
            tree.directory.path(),
            &mut codes,
        ));
    }
    judge(found);
    // The rules did look at those lines.
    for code in ["E401", "E403", "E404", "E408"] {
        assert!(codes.iter().any(|c| c == code), "{code} did not fire");
    }
}

#[test]
fn no_output_of_files_shows_a_secret() {
    let tree = Copied::of("healthy");
    rot(&tree);
    tree.edit(UNIT, "--workers 3", "--env A=kanary120 --workers 1");
    let at = |path: &str| tree.at(path).to_str().unwrap().to_owned();
    let files = [
        ("--unit", at(UNIT)),
        ("--nginx", at(SITE)),
        ("--env-file", at("/etc/myapp.env")),
        ("--app-dir", at("/srv/myapp/releases/2026-04-21")),
        ("--gunicorn-conf", at("/srv/myapp/releases/2026-04-21/gunicorn.conf.py")),
        ("--requirements", at("/srv/myapp/releases/2026-04-21/requirements.txt")),
    ];
    let place: Vec<&str> =
        files.iter().flat_map(|(option, path)| [*option, path.as_str()]).collect();
    let mut codes = Vec::new();
    judge(leaks("files", &place, tree.directory.path(), &mut codes));
    assert!(codes.iter().any(|code| code == "E401"), "E401 did not fire");
}

/// A syntax error in the configuration is reported, and its line is not shown bare.
#[test]
fn broken_files_show_no_secret() {
    let mut found = Vec::new();
    let mut codes = Vec::new();
    let broken = [
        (WSGI, "SECRET_KEY = \"kanary130\"; def (\n"),
        ("/srv/myapp/releases/2026-04-21/gunicorn.conf.py", "raw_env = [\"A=kanary131\"; x = (\n"),
        (SITE, "server { proxy_set_header Authorization \"Basic kanary132\" location / { } }\n"),
        (SITE, "server { location / { proxy_set_header X-Api-Key kanary133\n"),
        (UNIT, "[Service] # kanary134\nEnvironment=A=kanary135\n"),
        (
            UNIT,
            "Environment=A=kanary136\n[Service\nExecStart=/usr/bin/gunicorn --env A=kanary137\n",
        ),
    ];
    for (path, text) in broken {
        let tree = Copied::of("healthy");
        tree.write(path, text);
        let root = tree.root();
        found.extend(leaks(
            path,
            &["--root", root.to_str().unwrap()],
            tree.directory.path(),
            &mut codes,
        ));
    }
    judge(found);
}
