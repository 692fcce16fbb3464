//! `fix --apply` on a real host where something goes wrong behind it: what a validator refuses, and
//! what does not start any more, is rolled back, and exit status 4 says so.

use crate::support;

use crate::support::container::Container;
use crate::support::proof;

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
    let Some(container) = proof::at_work("fix-refused", change) else { return };
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
    let Some(container) = proof::at_work("fix-down", change) else { return };
    let before = etc(&container);
    let (code, said) = fix(&container, "--apply --run-actions --select G201");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("failed: systemctl restart myapp.service"), "{said}");
    assert!(said.contains("myapp.service ran before and is not running now"), "{said}");
    assert_eq!(etc(&container), before);
    container.sh_ok("systemctl is-active myapp");
    container.eventually(10, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let change = "sed -i '/^ExecReload=/d; /^Restart=/d' /etc/systemd/system/myapp.service";
    let Some(container) = proof::at_work("fix-twice", change) else { return };
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

#[test]
fn nobody_looks_at_a_copy() {
    // Where nginx includes whatever lies there, and beside a drop-in.
    let change = r#"
        rm /etc/nginx/sites-enabled/myapp
        sed '/X-Forwarded-Proto/d' /etc/nginx/sites-available/myapp >/etc/nginx/sites-enabled/myapp
        mkdir /etc/systemd/system/myapp.service.d
        printf '[Service]\nKillMode=none\n' >/etc/systemd/system/myapp.service.d/10-own.conf"#;
    let Some(container) = proof::at_work("fix-backup", change) else { return };
    let before = etc(&container);
    let (code, said) =
        fix(&container, "--apply --backup --unsafe --run-actions --allow-incomplete");
    assert_eq!(code, Some(0), "{said}");
    let copies = container.sh_ok("find /etc -name '*.orig' | sort");
    let wanted = [
        "/etc/nginx/sites-enabled/.myapp.orig",
        "/etc/systemd/system/myapp.service.d/.10-own.conf.orig",
    ];
    assert_eq!(copies.lines().collect::<Vec<_>>(), wanted, "{said}");
    let test = container.sh_ok("nginx -t 2>&1");
    assert!(!test.contains("warn") && !test.contains("orig"), "{test}");
    let verified = container.sh_ok("systemd-analyze verify --man=no myapp.service 2>&1");
    assert!(!verified.contains("orig"), "{verified}");
    container.eventually(10, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
    assert_eq!(fix(&container, "--undo --run-actions").0, Some(0));
    assert_eq!(etc(&container), before);
}

/// The well-known guide's own deployment, whose every request got 502.
#[test]
fn the_guide_is_mended_by_fix_alone() {
    let guide = proof::project().join("testdata/guide");
    let read = |path: &str| std::fs::read_to_string(guide.join(path)).unwrap();
    let booted = Container::boot("fix-guide", |root| {
        proof::base(root);
        std::fs::copy(proof::program(), root.join("usr/local/bin/deploy-doctor")).unwrap();
        for path in ["etc/systemd/system/myapp.service", "etc/nginx/sites-available/myapp"] {
            std::fs::write(root.join(path), read(path)).unwrap();
        }
    });
    let container = match booted {
        Ok(container) => container,
        Err(skip) => return support::skip(skip),
    };
    container.sh("systemctl daemon-reload; systemctl enable -q myapp");
    container.sh("systemctl start nginx; systemctl start myapp");
    assert!(proof::answers(&container, "502"), "the guide's site is down at first");
    let (code, said) = fix(&container, "--apply --run-actions");
    assert_eq!(code, Some(0), "{said}");
    assert!(proof::answers(&container, "200"), "{said}\n{}", container.journal("myapp"));
    container.sh(proof::SETTLE);
    let step = "ln -sfn releases/2026-04-14 /srv/myapp/current.new &&
        mv -T /srv/myapp/current.new /srv/myapp/current && systemctl reload myapp";
    let answers = proof::load(&container, &proof::Load::default(), step);
    assert_eq!((answers.lost, answers.exit), (0, 0), "{answers:?}");
    let end = answers.at_end.get("200 2026-04-14").copied().unwrap_or(0);
    assert!(end > 0 && answers.sent > 50, "the new release answers in the end: {answers:?}");
    // Pruning the release that the master was started in, which gunicorn would go back to at every
    // reload with `--chdir` alone, and die of.
    let step = "rm -r /srv/myapp/releases/2026-04-21 && systemctl reload myapp";
    let answers = proof::load(&container, &proof::Load::default(), step);
    assert_eq!((answers.lost, answers.exit), (0, 0), "{answers:?}");
    assert!(proof::answers(&container, "200"), "{}", container.journal("myapp"));
    // And back to where it was.
    let (code, said) = fix(&container, "--undo --run-actions");
    assert!(matches!(code, Some(0 | 1)), "{said}");
    for path in ["etc/systemd/system/myapp.service", "etc/nginx/sites-available/myapp"] {
        assert_eq!(std::fs::read_to_string(container.root().join(path)).unwrap(), read(path));
    }
    assert!(!container.root().join("etc/systemd/system/myapp.service.d").exists());
}

/// Two instances of one template: a fix that wrote the one's directory into the template would make
/// the other serve its code.
#[test]
fn a_template_is_mended_for_every_instance() {
    let booted = Container::boot("fix-template", |root| {
        proof::base(root);
        std::fs::copy(proof::program(), root.join("usr/local/bin/deploy-doctor")).unwrap();
    });
    let container = match booted {
        Ok(container) => container,
        Err(skip) => return support::skip(skip),
    };
    container.sh_ok(
        r#"set -e
        cd /etc/systemd/system
        sed '/--chdir/d; s/myapp/%i/' myapp.service >app@.service
        sed -i 's/myapp/%i/g' app@.service
        rm myapp.service
        site=$(sed 's/ default_server//' /etc/nginx/sites-available/myapp)
        rm /etc/nginx/sites-enabled/myapp
        for i in blue green; do
            cp -a /srv/myapp /srv/$i
            sed "s/myapp/$i/" /etc/myapp.env >/etc/$i.env
            chmod 640 /etc/$i.env
            echo "$site" | sed "s/myapp/$i/g; s/example.com/$i.example.com/" \
                >/etc/nginx/sites-enabled/$i
            sed -i "s/return {\"release\": \"/&$i /" /srv/$i/releases/*/wsgi.py
        done
        systemctl daemon-reload
        systemctl enable --now app@blue app@green
        systemctl start nginx"#,
    );
    let get = "curl -sf -H 'Host: green.example.com' http://127.0.0.1/";
    container.eventually(10, get);
    let (_, said) = fix(&container, "app@blue");
    let told = "This also changes app@green.service, which you did not name.";
    assert!(said.contains(told) && said.contains("systemctl restart app@green.service"), "{said}");
    let (code, said) = fix(&container, "--apply --run-actions");
    assert_eq!(code, Some(0), "{said}");
    // Deployed anew, and the release of the start pruned.
    container.sh_ok(
        "ln -sfn releases/2026-04-14 /srv/blue/new && mv -T /srv/blue/new /srv/blue/current
         systemctl reload app@blue && sleep 2
         rm -r /srv/blue/releases/2026-04-21
         systemctl reload app@blue && sleep 2",
    );
    for (instance, release) in [("blue", "2026-04-14"), ("green", "2026-04-21")] {
        let answer = container.sh_ok(&get.replace("green", instance));
        assert!(answer.contains(&format!("{instance} {release}")), "{answer}\n{said}");
    }
}
