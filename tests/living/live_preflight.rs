//! `--preflight` sees what systemd gives the service: its variables, its mounts, its /tmp; and where it
//! cannot, it does not blame the code.

use serde_json::Value;

use crate::guarded_reload::site;
use crate::support::container::Container;

/// A service that lives from what systemd gives it.
const CHANGE: &str = r#"
mkdir -p /etc/systemd/system/myapp.service.d /srv/real && echo 1 >/srv/real/f && echo s >/etc/secret
cat >/etc/systemd/system/myapp.service.d/given.conf <<'END'
[Service]
LoadCredential=secret:/etc/secret
StateDirectory=myapp
BindReadOnlyPaths=/srv/real:/opt/data
PrivateTmp=yes
ExecStartPre=/bin/sh -c "echo 1 >/tmp/made"
END
for release in /srv/myapp/releases/*; do
    printf '\nopen(os.environ["CREDENTIALS_DIRECTORY"] + "/secret").read()\nopen(os.environ["STATE_DIRECTORY"] + "/x", "w")\nos.environ["INVOCATION_ID"]\nopen("/opt/data/f").read()\nopen("/tmp/made").read()\n' >>$release/wsgi.py
done
touch -d '2026-04-14 10:14' /srv/myapp/releases/2026-04-14; touch -d '2026-04-21 10:21' /srv/myapp/releases/2026-04-21
"#;

fn report(container: &Container) -> Value {
    let output = container.sh_ok("deploy-doctor check --preflight --format json || true");
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

fn finds(report: &Value) -> bool {
    report["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == "G223")
}

#[test]
fn what_systemd_gives_at_the_start_is_there() {
    let Some(container) = site("live-preflight", CHANGE) else { return };
    assert!(!finds(&report(&container)), "{:#}", report(&container));
    let reload = "deploy-doctor reload myapp --dry-run --probe http://127.0.0.1/";
    assert!(container.sh_ok(reload).contains("would reload"));
    // The code's own faults are still seen.
    container.sh_ok("echo 'open(\"/opt/data/missing\")' >>/srv/myapp/current/wsgi.py");
    assert!(finds(&report(&container)));
    container.sh_ok("sed -i '$d' /srv/myapp/current/wsgi.py");
    // Nothing runs whose view could be taken: not known, and no error.
    container.sh_ok("systemctl stop myapp");
    let report = report(&container);
    assert!(!finds(&report), "{report:#}");
    let skips = report["skipped"].as_array().unwrap();
    let skip = skips.iter().find(|skip| skip["code"] == "G223").unwrap();
    assert!(skip["reason"].as_str().unwrap().contains("CREDENTIALS_DIRECTORY"), "{skip}");
}
