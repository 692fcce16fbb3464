//! A capture that was taken inside a booted Debian says outside what `check` said inside, and holds
//! none of the secrets that are there.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::certificate::{self, Wanted};
use crate::support::command::run;
use crate::support::container::Container;
use crate::support::proof::at_work;

const SECRETS: [&str; 9] = [
    "kq7Zw2canaryA1x9",
    "correcthorsecanary",
    "5f0e9a7c3b1d4canaryb82e6",
    "canary-pa55-word",
    "c4nary!with~signs",
    "canaryofthejournal",
    "Y2FuYXJ5YmFzaWNhdXRo",
    "canaryinacomment",
    "canaryinargument",
];

fn prepare() -> String {
    let [token, pass, key, db, signs, journal, basic, comment, argument] = SECRETS;
    format!(
        "set -e
         cat >> /etc/myapp.env <<'END'
# {comment}
API_TOKEN={token}
MAIL_PASSWORD=\"{pass}\"
DATABASE_URL=postgresql://shop:{db}@localhost/shop
SIGNS='{signs}'
END
         mkdir -p /etc/systemd/system/myapp.service.d
         printf '[Service]\\nEnvironment=IN_UNIT={key}\\n' > /etc/systemd/system/myapp.service.d/10.conf
         printf 'SECRET_KEY = \"{key}\"\\nprint(\"up with\", \"{}\"[::-1], flush=True)\\n' \
             >> /srv/myapp/releases/2026-04-21/wsgi.py
         sed -i 's|proxy_pass |proxy_set_header Authorization \"Basic {basic}\"; proxy_pass |' \
             /etc/nginx/sites-available/myapp
         sed -i 's|wsgi:app|--env ARGUMENT={argument} wsgi:app|' /etc/systemd/system/myapp.service",
        // Backwards in the code, so that the journal alone has it.
        journal.chars().rev().collect::<String>(),
    )
}

/// Its report as JSON, without where and when.
fn document(text: &str) -> Value {
    let mut document: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    document.as_object_mut().unwrap().remove("source");
    document
}

fn check(container: &Container) -> Value {
    let output = container.sh("deploy-doctor check --format json; true");
    document(&String::from_utf8(output.stdout).unwrap())
}

/// Captures a state, and returns the codes that the capture shows.
fn captured(container: &Container, state: &str) -> Vec<String> {
    // What moves by itself (memory, times) is given a few chances to stand still meanwhile.
    let (before, file) = (0..5)
        .find_map(|_| {
            let before = check(container);
            let ran =
                container.sh("deploy-doctor capture -o /root/capture.json --allow-incomplete");
            let said = String::from_utf8_lossy(&ran.stdout).into_owned();
            let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert_eq!(ran.status.code(), Some(0), "{state}: {said}{errors}");
            assert!(said.contains("/etc/myapp.env"), "{said}");
            let still = check(container) == before;
            still.then(|| (before, container.root().join("root/capture.json")))
        })
        .unwrap_or_else(|| panic!("{state}: the host did not stand still"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let bytes = fs::read(&file).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{state}: {secret} is in the capture");
    }
    assert!(!text.contains("PRIVATE KEY-----"), "{state}: a private key is in the capture");
    // Elsewhere: nothing of that host is here.
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("capture.json");
    fs::copy(&file, &copied).unwrap();
    let ran = run(&["check", "--capture", copied.to_str().unwrap(), "--format", "json"]);
    let again = document(&ran.stdout);
    assert!(again == before, "{state}: inside\n{before:#}\noutside\n{again:#}\n{}", ran.stderr);
    let findings = again["findings"].as_array().unwrap().iter();
    eprintln!("{state}: {} KiB, {} findings", text.len() / 1024, findings.clone().count());
    findings.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_living_host_says_the_same_again() {
    let Some(container) = at_work("capture", &prepare()) else { return };
    let (chain, key) = certificate::make(&Wanted::default());
    fs::write(container.root().join("etc/ssl/a.pem"), chain).unwrap();
    fs::write(container.root().join("etc/ssl/a.key"), key).unwrap();
    container.sh_ok(
        "sed -i 's|listen 80\\(.*\\);|listen 80\\1; listen 443 ssl; ssl_certificate /etc/ssl/a.pem; \
         ssl_certificate_key /etc/ssl/a.key;|' /etc/nginx/sites-available/myapp && nginx -t && \
         systemctl reload nginx",
    );
    container.eventually(10, "curl -fsS -H 'Host: example.com' http://127.0.0.1/");
    container.sh_ok("sleep 1.2; grep -q 443 /etc/nginx/sites-available/myapp");
    let has = |codes: &[String], code: &str| codes.iter().any(|one| one == code);
    captured(&container, "at work");

    container.sh_ok("echo TimeoutStopSec=50 >> /etc/systemd/system/myapp.service.d/10.conf");
    assert!(has(&captured(&container, "unit changed"), "U121"));
    container.sh_ok("systemctl daemon-reload");

    container.sh_ok("sed -i 's/^API_TOKEN=.*/API_TOKEN=other-c4nary!with~signs/' /etc/myapp.env");
    assert!(has(&captured(&container, "environment changed"), "E411"));

    container.sh_ok("printf 'server {\\n  prox_pass x;\\n}\\n' > /etc/nginx/sites-enabled/broken");
    assert!(has(&captured(&container, "nginx refuses"), "N319"));
    container.sh_ok("rm /etc/nginx/sites-enabled/broken");

    container.sh_ok(
        "sleep 1.1; chmod 0700 /run/myapp; chown root /run/myapp; \
         curl -s -o /dev/null -H 'Host: example.com' 'http://127.0.0.1/?token=canaryinargument'",
    );
    assert!(has(&captured(&container, "out of reach"), "L804"));
    container.sh_ok("chmod 0755 /run/myapp; chown www-data /run/myapp");

    container.sh_ok(
        "sed -i '1i import nowhere.at_all' /srv/myapp/current/wsgi.py; systemctl reload myapp; sleep 2",
    );
    assert!(has(&captured(&container, "import breaks"), "L801"));
}
