//! The Debian package, by dpkg on a booted Debian: installed, its timer's service run, upgraded, removed
//! and purged; and judged by Debian's own lintian.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{debian, ok, version};
use crate::support;
use crate::support::container::Container;
use crate::support::suite::Suite;

const METRICS: &str = "/var/lib/prometheus/node-exporter/deploy-doctor.prom";
const UNIT: &str = "[Service]
User=www-data
RuntimeDirectory=myapp
WorkingDirectory=/srv/myapp
ExecStart=/srv/venvs/gunicorn-23/bin/gunicorn --workers 2 --bind unix:/run/myapp/gunicorn.sock wsgi:app
[Install]
WantedBy=multi-user.target
";
const APPLICATION: &str = "def app(environ, start_response):
    start_response('200 OK', [])
    return [b'well']
";
/// nginx asks where nobody listens.
const SITE: &str = "server {
    listen 80 default_server;
    location / { proxy_pass http://unix:/run/myapp/other.sock; }
}
";

/// A host with a site that gives 502, the packages in two revisions and node_exporter beside it.
fn lay_out(root: &Path) {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("etc/systemd/system/myapp.service", UNIT);
    write("srv/myapp/wsgi.py", APPLICATION);
    let _ = fs::remove_file(root.join("etc/nginx/sites-enabled/default"));
    write("etc/nginx/conf.d/myapp.conf", SITE);
    for revision in [1, 2] {
        fs::copy(debian(revision), root.join(format!("opt/{revision}.deb"))).unwrap();
    }
    fs::copy("/usr/bin/prometheus-node-exporter", root.join("opt/node-exporter")).unwrap();
    fs::create_dir_all(root.join(METRICS.trim_start_matches('/')).parent().unwrap()).unwrap();
}

/// Every file of the host but those that a running one writes by itself.
fn files(host: &Container) -> String {
    host.sh_ok(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp \
         -o -path /var/log -o -path /var/lib/systemd -o -path '/var/lib/dpkg/*-old' \\) -prune \
         -o -print | sort",
    )
}

/// What was found, without the times at which it was.
fn findings(metrics: &str) -> Vec<&str> {
    let timed = |line: &&str| line.contains("timestamp") || line.contains("duration");
    let kept: Vec<&str> = metrics.lines().filter(|line| !timed(line)).collect();
    assert!(
        kept.iter().any(|line| line.contains("rule=\"N301\"") && line.ends_with(" 1")),
        "{metrics}"
    );
    kept
}

fn lives_and_dies(suite: Suite) {
    let host = match Container::boot_on(suite, "packaged", lay_out) {
        Ok(host) => host,
        Err(reason) => return support::skip(reason),
    };
    host.sh_ok("systemctl start myapp nginx");
    host.eventually(10, "test -S /run/myapp/gunicorn.sock");
    let before = files(&host);
    let timer = |what: &str| {
        let output = host.run(&["systemctl", what, "deploy-doctor.timer"]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };

    // Installed: the program and its manual are there, nothing runs.
    host.sh_ok("dpkg --install /opt/1.deb && dpkg --verify deploy-doctor");
    assert_eq!(host.sh_ok("deploy-doctor --version"), version());
    host.sh_ok("test -s /usr/share/bash-completion/completions/deploy-doctor");
    assert_eq!([timer("is-enabled"), timer("is-active")], ["disabled", "inactive"]);
    host.sh_ok("systemd-analyze verify --man=no deploy-doctor.service deploy-doctor.timer");

    // Switched on, with the next hour a moment away: the timer itself starts the service.
    host.sh_ok(
        "mkdir -p /etc/systemd/system/deploy-doctor.timer.d && cd /etc/systemd/system/deploy-doctor.timer.d &&
         printf '[Timer]\\nOnCalendar=\\nOnActiveSec=1\\nAccuracySec=100ms\\nRandomizedDelaySec=0\\n' >soon.conf &&
         systemctl daemon-reload && systemctl enable --now deploy-doctor.timer",
    );
    host.eventually(20, &format!("test -s {METRICS}"));
    host.eventually(20, "systemctl show --property=Result deploy-doctor | grep -qx Result=success");
    assert_eq!(host.sh_ok(&format!("stat --format=%a {METRICS}")), "644\n");
    // What it says is what a check in a shell says: nothing of the host is hidden from it.
    let written = host.sh_ok(&format!("cat {METRICS}"));
    let shown = host.sh_ok("deploy-doctor check --format prometheus --fail-on never");
    assert_eq!(findings(&written), findings(&shown));
    assert!(host.journal("deploy-doctor.service").contains("N301"));
    // Debian's node_exporter hands it out.
    host.sh_ok(
        "/opt/node-exporter --collector.disable-defaults --collector.textfile --web.listen-address=127.0.0.1:9100 \
         --collector.textfile.directory=/var/lib/prometheus/node-exporter >/dev/null 2>&1 &",
    );
    host.eventually(10, "curl -fs http://127.0.0.1:9100/metrics >/tmp/scraped");
    let scraped = host.sh_ok("cat /tmp/scraped");
    assert!(scraped.contains("\nnode_textfile_scrape_error 0\n"), "{scraped}");
    assert!(
        scraped
            .lines()
            .any(|line| line.starts_with("deploy_doctor_findings{") && line.contains("N301"))
    );

    // A check that cannot look at all is a failed unit, not a quiet one.
    host.sh_ok("mv /etc/systemd/system/myapp.service /opt && systemctl daemon-reload && systemctl stop myapp");
    assert!(!host.sh("systemctl start deploy-doctor.service").status.success());
    host.sh_ok(&format!("grep -E 'deploy_doctor_run_success.* 0$' {METRICS}"));
    host.sh_ok("mv /opt/myapp.service /etc/systemd/system && systemctl daemon-reload && systemctl start myapp");
    host.eventually(10, "test -S /run/myapp/gunicorn.sock");

    // Upgraded: what was switched on stays on.
    host.sh_ok("dpkg --install /opt/2.deb && dpkg --verify deploy-doctor");
    let installed =
        host.sh_ok("dpkg-query --show --showformat '${Version} ${db:Status-Status}' deploy-doctor");
    assert_eq!(installed, format!("{}-2 installed", env!("CARGO_PKG_VERSION")));
    assert_eq!([timer("is-enabled"), timer("is-active")], ["enabled", "active"]);
    host.sh_ok(&format!(
        "rm {METRICS} && systemctl start deploy-doctor.service && test -s {METRICS}"
    ));

    // Removed: nothing runs, and no metrics stay that nobody renews; what an undo needs does.
    host.sh_ok("mkdir -p /var/lib/deploy-doctor/reload && dpkg --remove deploy-doctor");
    assert_eq!(timer("is-active"), "inactive");
    host.sh_ok(&format!(
        "test ! -e {METRICS} -a ! -e /usr/bin/deploy-doctor -a -d /var/lib/deploy-doctor"
    ));
    // Installed again it is as it was, switched on.
    host.sh_ok("dpkg --install /opt/1.deb");
    assert_eq!(timer("is-enabled"), "enabled");

    // Purged: the host is what it was, but for what the administrator wrote.
    host.sh_ok("dpkg --purge deploy-doctor && rm -r /etc/systemd/system/deploy-doctor.timer.d");
    assert_eq!(files(&host), before);
    let state = host.sh_ok("systemctl is-system-running || systemctl --failed");
    assert!(state.contains("running"), "{state}");
}

#[test]
#[ignore = "packages/test runs it"]
fn it_installs_runs_upgrades_and_purges() {
    let between = Suite::only().is_none().then_some(Suite::Trixie);
    for suite in Suite::asked().into_iter().chain(between) {
        lives_and_dies(suite);
    }
}

#[test]
#[ignore = "packages/test runs it"]
fn lintian_has_nothing_to_say() {
    let mut lintian = Command::new("lintian");
    let told = ok(lintian.args(["--fail-on", "error,warning", "--allow-root"]).arg(debian(1)));
    assert_eq!(told, "");
}
