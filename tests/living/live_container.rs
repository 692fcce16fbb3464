//! A real gunicorn under a real systemd, read from inside the container as root and as ordinary
//! users, and from outside through `--root`.

use crate::support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::container::Container;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_deploy-doctor");
const LIVE: &str = "P,S,U122,E411";
const UNIT: &str = "\
[Unit]
Description=Gunicorn for myapp

[Service]
Type=notify
NotifyAccess=main
User=www-data
Group=www-data
RuntimeDirectory=myapp
WorkingDirectory=/srv/myapp/current
EnvironmentFile=/etc/myapp.env
ExecStart=/srv/venvs/gunicorn-23/bin/gunicorn --workers 2 --chdir /srv/myapp/current \\
    --bind unix:/run/myapp/gunicorn.sock wsgi:app
ExecReload=/bin/sh -c 'kill -s HUP $MAINPID'
KillMode=mixed
TimeoutStopSec=40

[Install]
WantedBy=multi-user.target
";
const SITE: &str = "\
server {
    listen 80 default_server;
    location / {
        proxy_pass http://unix:/run/myapp/gunicorn.sock;
        proxy_set_header Host $host;
    }
}
";

fn set_up(root: &Path) {
    for release in ["2026-04-14", "2026-04-21"] {
        let directory = root.join("srv/myapp/releases").join(release);
        fs::create_dir_all(&directory).unwrap();
        let text =
            format!("from flask import Flask\napp = Flask(__name__)\nRELEASE = '{release}'\n");
        fs::write(directory.join("wsgi.py"), text).unwrap();
    }
    symlink("releases/2026-04-14", root.join("srv/myapp/current")).unwrap();
    fs::write(root.join("etc/myapp.env"), "SECRET_KEY=first-value\n").unwrap();
    fs::write(root.join("etc/systemd/system/myapp.service"), UNIT).unwrap();
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink("/etc/systemd/system/myapp.service", wants.join("myapp.service")).unwrap();
    let _ = fs::remove_file(root.join("etc/nginx/sites-enabled/default"));
    fs::write(root.join("etc/nginx/sites-enabled/myapp"), SITE).unwrap();
    fs::copy(BINARY, root.join("usr/local/bin/deploy-doctor")).unwrap();
}

/// Are there so many processes of gunicorn? After SIGUSR2 they are called `python`, so by their
/// command line; the brackets keep the question itself out.
fn running(count: usize) -> String {
    format!(
        "test \"$(for line in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$line; echo; done 2>/dev/null | \
         grep -c '^[^ ]*python[^ ]* [^ ]*bin/[g]unicorn')\" = {count}"
    )
}

fn booted(case: &str) -> Option<Container> {
    let container = Container::boot(case, set_up).map_err(support::skip).ok()?;
    container.eventually(20, &running(3));
    Some(container)
}

/// Codes and skips of the live rules.
struct Seen {
    codes: Vec<String>,
    skips: Vec<(String, String)>,
    text: String,
}

fn seen(output: &Output) -> Seen {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    let word = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| document[key].as_array().unwrap().clone();
    let mut codes: Vec<String> = list("findings").iter().map(|f| word(f, "code")).collect();
    codes.sort();
    let skips = list("skipped").iter().map(|s| (word(s, "code"), word(s, "reason"))).collect();
    Seen { codes, skips, text }
}

fn inside(container: &Container, user: &str) -> Seen {
    let check = format!("deploy-doctor check myapp --no-exec --format json --select {LIVE}");
    let command = match user {
        "root" => check,
        _ => format!("setpriv --reuid={user} --regid={user} --clear-groups {check}"),
    };
    seen(&container.sh(&command.replace("--regid=nobody", "--regid=nogroup")))
}

fn outside(container: &Container) -> Seen {
    let output = Command::new(BINARY)
        .args(["check", "myapp", "--format", "json", "--select", LIVE, "--root"])
        .arg(container.live_root())
        .output()
        .unwrap();
    seen(&output)
}

/// The same from inside and from outside.
#[track_caller]
fn both(container: &Container, codes: &[&str]) -> Seen {
    let (inner, outer) = (inside(container, "root"), outside(container));
    assert_eq!(inner.codes, codes, "inside: {:?} {}", inner.skips, inner.text);
    assert_eq!(outer.codes, codes, "outside: {:?} {}", outer.skips, outer.text);
    outer
}

#[test]
fn health_is_seen_by_everybody() {
    let Some(container) = booted("live-healthy") else { return };
    let outer = both(&container, &[]);
    // How often systemd started the unit is systemd's own word, and no command is run here; which file
    // a socket is bound to is told to those inside alone.
    let but = |seen: Seen, codes: &[&str]| -> Vec<(String, String)> {
        seen.skips.into_iter().filter(|(code, _)| !codes.contains(&code.as_str())).collect()
    };
    assert_eq!(but(outer, &["P505", "S607"]), [], "outside");
    assert_eq!(but(inside(&container, "root"), &["P505"]), [], "root");
    // gunicorn's own user sees its processes.
    assert_eq!(inside(&container, "www-data").codes, Vec::<String>::new());
    // Anybody else sees less and says so.
    let other = inside(&container, "nobody");
    assert_eq!(other.codes, Vec::<String>::new(), "{}", other.text);
    let reason = |code: &str| other.skips.iter().find(|(c, _)| c == code).map(|(_, r)| r.clone());
    for code in ["P503", "P506", "E411", "S607"] {
        let reason = reason(code).unwrap_or_else(|| panic!("{code}: {:?}", other.skips));
        assert!(reason.contains("root"), "{code}: {reason}");
    }
    assert_eq!(reason("P502"), None);
    assert_eq!(reason("S601"), None);
}

#[test]
fn changed_files_do_not_reach_the_running_master() {
    let Some(container) = booted("live-changed") else { return };
    container.sh_ok("echo SECRET_KEY=second-value > /etc/myapp.env");
    let found = both(&container, &["E411"]);
    assert!(!found.text.contains("-value"), "{}", found.text);
    container.sh_ok("systemctl restart myapp");
    both(&container, &[]);

    container.sh_ok(
        "sed -i 's/--workers 2/--workers 2 --timeout 20/' /etc/systemd/system/myapp.service && \
         systemctl daemon-reload && systemctl reload myapp",
    );
    both(&container, &["U122"]);
    container.sh_ok("systemctl restart myapp");
    both(&container, &[]);
}

#[test]
fn the_release_link_moves_and_the_old_release_goes() {
    let Some(container) = booted("live-release") else { return };
    // Processes start some time before the link moves: the clock of the boot counts in seconds.
    container.sh_ok("sleep 4; ln -sfn releases/2026-04-21 /srv/myapp/current");
    both(&container, &["P503"]);
    container.sh_ok("systemctl reload myapp; sleep 2");
    both(&container, &[]);
    container.sh_ok("systemctl restart myapp");
    container.sh_ok("sleep 1; mv /srv/myapp/releases/2026-04-21 /srv/gone; rm -r /srv/gone");
    let found = both(&container, &["P506"]);
    assert!(found.text.contains("/srv/gone, was deleted"), "{}", found.text);
}

/// What P506 cannot see, and what its page says helps: after one reload with `--chdir` the master
/// works in the new release, but gunicorn goes on to ask for the directory it was started in.
#[test]
fn the_directory_of_the_start_is_asked_for_at_every_reload() {
    let Some(container) = booted("live-start") else { return };
    let deploy = "ln -sfn releases/2026-04-21 /srv/myapp/current; systemctl reload myapp; sleep 2; \
                  mv /srv/myapp/releases/2026-04-14 /srv/pruned";
    let unit = "/etc/systemd/system/myapp.service";
    container.sh_ok(deploy);
    both(&container, &[]);
    container.sh_ok("systemctl reload myapp; sleep 2");
    container.sh_ok("! systemctl is-active myapp");
    assert!(container.journal("myapp").contains("can't chdir to '/srv/myapp/releases/2026-04-14'"));

    container.sh_ok(&format!(
        "mv /srv/pruned /srv/myapp/releases/2026-04-14; \
         ln -sfn releases/2026-04-14 /srv/myapp/current; \
         sed -i 's|^WorkingDirectory=.*|WorkingDirectory=/srv/myapp|' {unit}; \
         systemctl daemon-reload; systemctl restart myapp"
    ));
    container.eventually(20, &running(3));
    container.sh_ok(deploy);
    container.sh_ok("systemctl reload myapp; sleep 2; systemctl is-active myapp");
    container.eventually(20, &running(3));
}

#[test]
fn others_take_the_socket() {
    let Some(container) = booted("live-sockets") else { return };
    let codes = |wanted: &[&str]| {
        let found = inside(&container, "root");
        assert_eq!(found.codes, wanted, "{:?} {}", found.skips, found.text);
        found
    };
    codes(&[]);
    // A second gunicorn binds the path anew, and stops.
    container.sh_ok(
        "systemd-run --quiet --unit=byhand --uid=www-data --gid=www-data \
         --working-directory=/srv/myapp/current --property=EnvironmentFile=/etc/myapp.env \
         /srv/venvs/gunicorn-23/bin/gunicorn --bind unix:/run/myapp/gunicorn.sock wsgi:app; sleep 2",
    );
    let found = codes(&["P507", "S607"]);
    assert!(found.text.contains("is no longer gunicorn's"), "{}", found.text);
    container.sh_ok("systemctl stop byhand");
    let found = codes(&["S607"]);
    assert!(found.text.contains("nothing is at"), "{}", found.text);
    container.sh_ok("systemctl restart myapp");
    codes(&[]);
    // A file that only looks like it: bound, and nobody listens.
    container.sh_ok(
        "rm /run/myapp/gunicorn.sock; python3 -c 'import os, socket; \
         socket.socket(socket.AF_UNIX).bind(\"/run/myapp/gunicorn.sock\"); \
         os.chmod(\"/run/myapp/gunicorn.sock\", 0o777)'",
    );
    codes(&["S607"]);

    // Another program in gunicorn's place.
    container.sh_ok(
        "systemctl stop myapp; mkdir -p /run/myapp; systemd-run --quiet --unit=other python3 -c \
         'import os, socket, time; s = socket.socket(socket.AF_UNIX); \
         s.bind(\"/run/myapp/gunicorn.sock\"); os.chmod(\"/run/myapp/gunicorn.sock\", 0o777); \
         s.listen(); time.sleep(600)'; sleep 1",
    );
    let found = codes(&["P501", "S603"]);
    assert!(found.text.contains("python3 of other.service"), "{}", found.text);
    // Others are not told who it is, and do not pass it.
    let seen = inside(&container, "nobody");
    assert!(seen.skips.iter().any(|(code, why)| code == "S603" && why.contains("root")));
}

#[test]
fn second_masters_shells_and_dead_sockets() {
    let Some(container) = booted("live-masters") else { return };
    let main = "$(systemctl show -P MainPID myapp)";
    container.sh_ok(&format!("kill -USR2 {main}"));
    container.eventually(20, &running(6));
    both(&container, &["P507"]);
    container.sh_ok("systemctl restart myapp");
    both(&container, &[]);

    container.sh_ok(
        "cd /srv/myapp/current && setsid /srv/venvs/gunicorn-23/bin/gunicorn \
         --bind 127.0.0.1:8001 wsgi:app >/dev/null 2>&1 & sleep 3",
    );
    // Tried by hand, on a port to which nothing passes.
    both(&container, &[]);
    container.sh_ok(
        "kill $(grep -lsz 127.0.0.1:[8]001 /proc/[0-9]*/cmdline | grep -v self | cut -d/ -f3)",
    );
    container.eventually(20, &running(3));
    both(&container, &[]);

    container.sh_ok("systemctl kill --signal=KILL myapp");
    container.eventually(20, &format!("{} && ! systemctl is-active myapp", running(0)));
    // systemd takes RuntimeDirectory= away with the unit.
    both(&container, &["P501", "S601"]);

    container.sh_ok(
        "mkdir -p /run/myapp && python3 -c \"import socket; \
         socket.socket(socket.AF_UNIX).bind('/run/myapp/gunicorn.sock')\"",
    );
    both(&container, &["P501", "S602"]);

    container.sh_ok(
        "printf '#!/bin/bash\\n/srv/venvs/gunicorn-23/bin/gunicorn \"$@\"\\n' > /usr/local/bin/start && \
         chmod +x /usr/local/bin/start && rm -r /run/myapp && \
         sed -i 's,/srv/venvs/gunicorn-23/bin/gunicorn,/usr/local/bin/start,; s/Type=notify/Type=simple/' \
         /etc/systemd/system/myapp.service && systemctl daemon-reload && systemctl start myapp",
    );
    container.eventually(20, &running(3));
    both(&container, &["P509"]);
}
