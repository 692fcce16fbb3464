//! `fix --apply` on a real host where something goes wrong behind it: what a validator refuses, and
//! what does not start any more, is rolled back, and exit status 4 says so.

#![allow(clippy::unwrap_used)]

mod support;

use support::container::Container;
use support::proof;

/// The healthy deployment at work, changed by a shell script before it starts.
fn site(name: &str, change: &str) -> Option<Container> {
    let booted = Container::boot(name, |root| {
        proof::base(root);
        std::fs::copy(proof::program(), root.join("usr/local/bin/deploy-doctor")).unwrap();
    });
    let container = match booted {
        Ok(container) => container,
        Err(skip) => {
            support::skip(skip);
            return None;
        }
    };
    container.sh_ok(change);
    container.sh_ok("systemctl daemon-reload && systemctl start nginx myapp");
    Some(container)
}

/// Bytes, modes and owners below /etc, which a fix may touch.
fn etc(container: &Container) -> String {
    container.sh_ok(
        "find /etc -xdev -printf '%p %y %m %U:%G %l\\n' | sort
         find /etc -xdev -type f -print0 | sort -z | xargs -0 sha256sum",
    )
}

fn fix(container: &Container, options: &str) -> (Option<i32>, String) {
    let output = container.sh(&format!("deploy-doctor fix {options} 2>&1"));
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn what_a_validator_refuses_is_rolled_back() {
    // systemd's own verdict, which turns at the second time it is asked: after the writing.
    let change = r#"
        sed -i /^ExecReload=/d /etc/systemd/system/myapp.service
        mv /usr/bin/systemd-analyze /usr/bin/systemd-analyze.real
        cat >/usr/bin/systemd-analyze <<'END'
#!/bin/sh
echo >>/run/asked
[ $(wc -l </run/asked) -gt 1 ] || exec /usr/bin/systemd-analyze.real "$@"
echo "myapp.service: this does not hold" >&2
exit 1
END
        chmod 755 /usr/bin/systemd-analyze"#;
    let Some(container) = site("fix-refused", change) else { return };
    let before = etc(&container);
    let (code, said) = fix(&container, "--apply");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("Rolled back") && said.contains("this does not hold"), "{said}");
    assert_eq!(etc(&container), before);
    let (_, history) = fix(&container, "--history");
    assert!(history.contains("rolled back"), "{history}");
    // Nothing is left of it to be taken back.
    let (code, said) = fix(&container, "--undo");
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn what_ran_before_runs_afterwards_or_all_is_rolled_back() {
    // With the drop-in that the fix writes, the unit does not start.
    let change = r#"
        sed -i 's/--workers 3/--workers 1/' /etc/systemd/system/myapp.service
        mkdir /etc/systemd/system/myapp.service.d
        cat >/etc/systemd/system/myapp.service.d/10-check.conf <<'END'
[Service]
ExecStartPre=/usr/bin/test ! -e /etc/systemd/system/myapp.service.d/50-deploy-doctor.conf
Restart=no
END"#;
    let Some(container) = site("fix-down", change) else { return };
    let before = etc(&container);
    let (code, said) = fix(&container, "--apply --run-actions --select G201");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("failed: systemctl restart myapp.service"), "{said}");
    assert!(said.contains("myapp.service ran before and does not run now"), "{said}");
    assert_eq!(etc(&container), before);
    container.sh_ok("systemctl is-active myapp");
    container.eventually(10, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let change = "sed -i '/^ExecReload=/d; /^Restart=/d' /etc/systemd/system/myapp.service";
    let Some(container) = site("fix-twice", change) else { return };
    let said = container.sh_ok(
        "deploy-doctor fix --apply --select U101 >/tmp/one 2>&1 & one=$!
         deploy-doctor fix --apply --select U107 >/tmp/two 2>&1 & two=$!
         wait $one; echo one $?; wait $two; echo two $?; cat /tmp/one /tmp/two",
    );
    let ended = |name: &str, code: i32| said.contains(&format!("{name} {code}\n"));
    // One after the other, or the second says that another run holds the lock.
    let one_only = ended("one", 0) != ended("two", 0);
    let refused = said.contains("another run is making changes");
    assert!((ended("one", 0) && ended("two", 0)) || (one_only && refused), "{said}");
    let drop_in = container.sh_ok("cat /etc/systemd/system/myapp.service.d/50-deploy-doctor.conf");
    assert!(drop_in.starts_with("[Service]\n"), "{drop_in}");
    let written = ["ExecReload=", "Restart="].iter().filter(|key| drop_in.contains(**key)).count();
    assert_eq!(written, 1 + usize::from(!one_only), "{drop_in}\n{said}");
}
