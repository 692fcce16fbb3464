//! What probes that are answered do not show, and what they show wrongly: releases that hang, whose workers
//! die, that a cache hides; applications that check the host; units that share a link.

use crate::guarded_reload::{
    PROBE, RELEASES, answers, guarded, link, release, reload, reload_while, rollback, site,
};
use crate::support::container::Container;
use crate::support::proof;

/// A release whose every request hangs, and one that answers 500.
const HANGS: &str = "printf '\\nimport time\\napp.view_functions[\"index\"] = lambda: time.sleep(100)\\n' \
                     >>wsgi.py";
const FAILS: &str =
    "printf '\\napp.view_functions[\"index\"] = lambda: (\"broken\", 500)\\n' >>wsgi.py";

/// A probe that hangs fails when its time is over, and the verdict waits for that.
#[test]
fn a_release_that_hangs_is_taken_back() {
    let Some(container) = site("reload-hangs", "") else { return };
    let served = link(&container);
    release(&container, "hangs", HANGS);
    // Probes of gunicorn's own socket are alone in seeing it, after the settling is over.
    let socket = "--probe unix:/run/myapp/gunicorn.sock --timeout 4 --settle 1";
    let ran = reload(&container, &format!("--release {RELEASES}/hangs {socket}"));
    ran.ends(5, "rolled-back").says("no answer in time").says("old workers gone");
    assert_eq!(link(&container), served);
    // The workers that hang would be among the old ones of the next reload.
    container.sh_ok("systemctl kill --signal=KILL myapp; sleep 1; systemctl restart myapp");
    container.eventually(20, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
    let options =
        format!("--release {RELEASES}/hangs --probe http://127.0.0.1/ --timeout 4 --settle 1");
    let ran = reload(&container, &options);
    ran.ends(5, "rolled-back").says("no answer in time");
    assert_eq!(link(&container), served);
    assert!(answers(&container).contains("2026-04-21"));
    // One request of two hangs: each second is one of the others answered.
    let half = "printf '\\nimport itertools, time\\nturns = itertools.count()\\n@app.before_request\\n\
                def turn():\\n    next(turns) %% 2 or time.sleep(100)\\n' >>wsgi.py";
    release(&container, "half", half);
    let options =
        format!("--release {RELEASES}/half --probe http://127.0.0.1/ --timeout 4 --settle 1");
    reload(&container, &options).ends(5, "rolled-back").says("no answer in time");
    assert!(answers(&container).contains("2026-04-21"));
}

/// Others answer in the place of a worker that dies, and each takes its requests with it.
#[test]
fn a_release_whose_workers_die_is_taken_back() {
    let Some(container) = site("reload-workers-die", "") else { return };
    let served = link(&container);
    let dies = "printf '\\nimport os, threading, time\\ndef die():\\n    time.sleep(1.5)\\n    \
                os.kill(os.getpid(), 9)\\nthreading.Thread(target=die, daemon=True).start()\\n' >>wsgi.py";
    release(&container, "dies", dies);
    let options = format!("--release {RELEASES}/dies --probe http://127.0.0.1/ --max-failed 100");
    let ran = reload(&container, &options);
    ran.ends(5, "rolled-back").says("died after they had loaded the application: SIGKILL");
    assert_eq!(link(&container), served);
    // The same where gunicorn logs to a file of its own.
    container.sh_ok(
        "cd /srv/myapp/releases && for r in 2026-04-21 dies; do
             echo 'errorlog = \"/run/myapp/error.log\"' >>$r/gunicorn.conf.py; done
         touch -d '2026-05-01 11:01' dies 2026-04-21; systemctl restart myapp",
    );
    container.eventually(20, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
    let ran = reload(&container, &options);
    ran.ends(5, "rolled-back").says("died after they had loaded the application: SIGKILL");
    // gunicorn says nothing of workers that exit with 0.
    let exits = dies.replace("os.kill(os.getpid(), 9)", "os._exit(0)");
    release(&container, "exits", &exits.replace("sleep(1.5)", "sleep(.7)"));
    let options =
        format!("--release {RELEASES}/exits --probe http://127.0.0.1/ --max-failed 100 --settle 9");
    reload(&container, &options).ends(5, "rolled-back").says("exited by themselves");
    assert_eq!(link(&container), served);
    // Workers that `max_requests` replaces end well.
    release(&container, "renews", "echo 'max_requests = 10' >>gunicorn.conf.py");
    let options = format!("--release {RELEASES}/renews {PROBE} renews --force G207 --settle 9");
    reload(&container, &options).ends(0, "reloaded");
}

/// nginx answers from its cache what the application answers with 500.
#[test]
fn a_cache_does_not_hide_a_release_that_fails() {
    let change = "sed -i 's|^upstream|proxy_cache_path /var/cache/nginx-x keys_zone=k:1m; upstream|; \
                  s|proxy_pass .*|proxy_pass http://myapp; proxy_cache k; proxy_cache_valid 200 1s; \
                  proxy_cache_use_stale error timeout updating http_500 http_502 http_503;|' \
                  /etc/nginx/sites-available/myapp";
    let Some(container) = site("reload-cache", change) else { return };
    let served = link(&container);
    release(&container, "fails", FAILS);
    let options = format!("--release {RELEASES}/fails --probe http://127.0.0.1/ --settle 1");
    let ran = reload(&container, &options);
    ran.ends(5, "rolled-back").says("nginx hides that").says("answered 500, 3 of 3 times");
    assert_eq!(link(&container), served);
    // A healthy one passes.
    release(&container, "good", "");
    let options = format!("--release {RELEASES}/good --probe http://127.0.0.1/ --settle 1");
    reload(&container, &options).ends(0, "reloaded");
}

/// An application that checks the host, as Django does, is asked by the name that its visitors use.
#[test]
fn an_application_that_checks_the_host_is_asked_by_its_name() {
    let check = "for wsgi in /srv/myapp/releases/*/wsgi.py; do printf '\\nfrom flask import abort\\n\
                 @app.before_request\\ndef host():\\n    if request.host != \"example.com\": abort(400)\\n' \
                 >>$wsgi; done";
    let Some(container) = site("reload-host", check) else { return };
    release(&container, "good", "");
    let ran = reload(&container, &format!("--release {RELEASES}/good --settle 1"));
    ran.ends(0, "reloaded").says("directly as example.com");
    // Asked by another name, it says which to take, and no way back is advised.
    let ran = reload(&container, "--probe http://127.0.0.1/");
    ran.ends(1, "refused").says("asked as 127.0.0.1");
    ran.says("--probe http://example.com/ --resolve example.com:80:127.0.0.1");
    assert!(!ran.said.contains("deploy-doctor rollback"), "{}", ran.said);
    let named = "--probe http://example.com/ --resolve example.com:80:127.0.0.1";
    reload(&container, &format!("{named} --settle 1")).ends(0, "reloaded");
    // nginx limits the rate.
    container.sh_ok(
        "sed -i 's|^upstream|limit_req_zone $binary_remote_addr zone=l:1m rate=10r/s; upstream|; \
         s|proxy_pass|limit_req zone=l burst=5 nodelay; proxy_pass|' /etc/nginx/sites-available/myapp
         nginx -t && systemctl reload nginx && sleep 1",
    );
    let ran = reload(&container, named);
    ran.ends(1, "refused").says("limit_req").says("--rate 5");
    assert!(!ran.said.contains("deploy-doctor rollback"), "{}", ran.said);
    reload(&container, &format!("{named} --rate 5 --settle 1")).ends(0, "reloaded");
}

/// Two instances of a template run from one link: reloading one leaves the other behind.
#[test]
fn units_that_share_the_link_are_named() {
    let change = "cd /etc/systemd/system && sed 's|^ExecStart=.*|ExecStart=/srv/myapp/.venv/bin/gunicorn \
                  --workers 2 --chdir /srv/myapp/current --bind unix:/run/myapp-%i/gunicorn.sock wsgi:app|; \
                  /^    /d; s|RuntimeDirectory=.*|RuntimeDirectory=myapp-%i|' myapp.service >app@.service && \
                  rm myapp.service && \
                  sed -i 's|server unix:.*|server unix:/run/myapp-1/gunicorn.sock max_fails=0; \
                  server unix:/run/myapp-2/gunicorn.sock max_fails=0;|' /etc/nginx/sites-available/myapp";
    let Some(container) = proof::boot("reload-shared", change) else { return };
    container.sh_ok("systemctl daemon-reload; systemctl start app@1 app@2 nginx");
    container.eventually(20, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
    release(&container, "good", "");
    let run = |unit: &str, options: &str| {
        guarded(&container, "", &format!("reload {unit} --settle 1 {options}"))
    };
    let there = format!("--release {RELEASES}/good");
    // Through nginx the other one answers, too, and is named.
    let ran = run("app@1", &format!("{there} {PROBE} good"));
    ran.ends(5, "rolled-back").says("app@2.service still runs the previous release");
    // Its own socket shows that it serves.
    let ran = run("app@1", &format!("{there} --expect-version good"));
    ran.ends(0, "reloaded").says("app@2.service follows the same link");
    ran.says("deploy-doctor reload app@2.service");
    let ran = run("app@2", "--expect-version good");
    ran.ends(0, "reloaded");
    assert!(!ran.said.contains("follows the same link"), "{}", ran.said);
    both_serve(&container, "good");
}

fn both_serve(container: &Container, name: &str) {
    for _ in 0..6 {
        assert!(answers(container).contains(name));
    }
}

/// `uv run` stays as the main process and passes signals on: gunicorn's master is its child.
#[test]
fn a_master_below_the_main_process_is_no_worker() {
    // What uv does, without its download.
    let change = r#"cat >/usr/local/bin/uv <<'END'
#!/usr/bin/python3
import signal, subprocess, sys
child = subprocess.Popen(["/srv/myapp/.venv/bin/gunicorn", *sys.argv[sys.argv.index("gunicorn") + 1:]])
for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR2):
    signal.signal(number, lambda number, frame: child.send_signal(number))
sys.exit(child.wait())
END
chmod 755 /usr/local/bin/uv
for release in /srv/myapp/releases/*; do
    printf '[project]\nname = "myapp"\nversion = "1"\nrequires-python = ">=3.11"\n' >$release/pyproject.toml
    ln -s /srv/myapp/.venv $release/.venv
done
sed -i '/^    /d; s|^ExecStart=.*|ExecStart=/usr/local/bin/uv run --no-sync --frozen gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app|; s/^NotifyAccess=.*/NotifyAccess=all/' /etc/systemd/system/myapp.service"#;
    let Some(container) = site("reload-wrapped", change) else { return };
    release(&container, "good", "");
    let ran = reload(&container, &format!("--release {RELEASES}/good {PROBE} good --settle 1"));
    ran.ends(0, "reloaded");
    release(&container, "next", "");
    let ran =
        reload(&container, &format!("--release {RELEASES}/next {PROBE} next --strategy usr2"));
    ran.ends(1, "refused").says("the unit's main process is not gunicorn's master");
    assert!(answers(&container).contains("good"));
    // Where a second master would be needed, it is restarted.
    container.sh_ok("touch -d '2026-01-01' /srv/myapp/releases/*");
    let ran = reload(&container, &format!("--release {RELEASES}/next {PROBE} next --settle 1"));
    assert_eq!(ran.story["strategy"], "restart", "{}", ran.said);
    assert!(answers(&container).contains("next"));
}

/// gunicorn cannot pass on sockets that systemd gave it, so a slow import is no reason for a second master.
#[test]
fn sockets_of_systemd_are_not_passed_on() {
    let change = r#"printf '[Socket]\nListenStream=/run/myapp/gunicorn.sock\nSocketUser=www-data\n[Install]\nWantedBy=sockets.target\n' >/etc/systemd/system/myapp.socket
sed -i '/^RuntimeDirectory/d; /--bind/d; s/^After=.*/After=network.target\nRequires=myapp.socket/' /etc/systemd/system/myapp.service
systemctl daemon-reload; systemctl enable -q --now myapp.socket"#;
    let Some(container) = site("reload-activated", change) else { return };
    release(&container, "slow", "sed -i '1a import time; time.sleep(2)' wsgi.py");
    let ran = reload(&container, &format!("--release {RELEASES}/slow {PROBE} slow --settle 1"));
    ran.ends(0, "reloaded").says("gunicorn cannot pass them on to a second master");
    assert_eq!(ran.story["strategy"], "hup", "{}", ran.said);
    let ran = reload(&container, &format!("{PROBE} slow --strategy usr2"));
    ran.ends(1, "refused").says("gunicorn cannot pass them on to a second master");
}

/// Somebody else deploys while a reload is watched: what serves then is not this release.
#[test]
fn a_link_that_others_move_is_told() {
    let Some(container) = site("reload-moved", "") else { return };
    release(&container, "mine", "");
    let others = "until readlink /srv/myapp/current | grep -q mine; do sleep 0.1; done; sleep 2; \
                  ln -sfn releases/2026-04-14 /srv/myapp/current; systemctl reload myapp";
    let options = format!("--settle 6 --release {RELEASES}/mine --probe http://127.0.0.1/");
    let ran = reload_while(&container, others, &options);
    ran.ends(7, "degraded").says("somebody else moved /srv/myapp/current to releases/2026-04-14");
    ran.says("it was not seen whether mine serves");
    assert!(link(&container).ends_with("2026-04-14"));
}

/// nginx goes down in the meantime: gunicorn is well, and is not killed for that.
#[test]
fn a_gunicorn_that_answers_is_not_killed_for_nginx() {
    let Some(container) = site("reload-nginx-down", "") else { return };
    release(&container, "good", "");
    let others = "until readlink /srv/myapp/current | grep -q good; do sleep 0.1; done; sleep 2; \
                  systemctl stop nginx; sleep 8; systemctl start nginx";
    let options = format!("--settle 6 --release {RELEASES}/good --probe http://127.0.0.1/");
    let ran = reload_while(&container, others, &options);
    ran.ends(5, "rolled-back").says("what fails is in front of it (systemctl status nginx)");
    assert!(!ran.said.contains("signal=KILL"), "{}", ran.said);
    assert!(!ran.said.contains("systemctl restart myapp"), "{}", ran.said);
}

/// The way back from a release that hangs is a restart, which takes as long as the hanging workers may take.
#[test]
fn a_rollback_from_a_release_that_hangs_ends_at_its_target() {
    let Some(container) = site("rollback-hangs", "") else { return };
    release(&container, "hangs", HANGS);
    container.sh_ok(&format!(
        "ln -sfn {RELEASES}/hangs /srv/myapp/current; systemctl reload myapp; sleep 3"
    ));
    let to = format!("--to {RELEASES}/2026-04-21 --probe http://127.0.0.1/");
    let ran = rollback(&container, &format!("{to} --max-stall 60 --settle 1 --timeout 4"));
    ran.ends(0, "reloaded");
    assert!(link(&container).ends_with("2026-04-21"));
    assert!(answers(&container).contains("2026-04-21"));
}

/// An upgrade by SIGUSR2 that was not finished: a rollback ends the second master.
#[test]
fn a_rollback_ends_a_second_master() {
    let Some(container) = site("rollback-second", "") else { return };
    release(&container, "fails", FAILS);
    container.sh_ok(&format!(
        "ln -sfn {RELEASES}/fails /srv/myapp/current; kill -USR2 $(systemctl show -P MainPID myapp); sleep 3"
    ));
    let to = format!("--to {RELEASES}/2026-04-21 --probe http://127.0.0.1/");
    let ran = rollback(&container, &format!("{to} --max-stall 60 --settle 1"));
    ran.ends(0, "reloaded").says("a second master that was left over");
    for _ in 0..10 {
        assert!(answers(&container).contains("2026-04-21"));
    }
}

/// Probes take a fifth of what gunicorn can answer, and no visitor waits for them.
#[test]
fn probes_leave_room_for_visitors() {
    let slow =
        "for release in /srv/myapp/releases/*; do printf '\\nimport time\\n@app.before_request\\n\
                def slow():\\n    time.sleep(0.3)\\n' >>$release/wsgi.py; done
                touch -d '2026-04-14 10:14' /srv/myapp/releases/2026-04-14
                touch -d '2026-04-21 10:21' /srv/myapp/releases/2026-04-21";
    let Some(container) = site("reload-slow-pages", slow) else { return };
    release(&container, "good", "");
    let visitors = "for i in $(seq 20); do curl -s -o /dev/null --max-time 9 -w '%{http_code} %{time_total}\\n' \
                    http://127.0.0.1/; sleep 0.3; done >/tmp/visitors";
    let options = format!("--settle 2 --release {RELEASES}/good {PROBE} good");
    let ran = reload_while(&container, visitors, &options);
    ran.ends(0, "reloaded").says("so that visitors do not wait for it");
    container.eventually(30, "test $(wc -l </tmp/visitors) = 20");
    let seen = container.sh_ok("cat /tmp/visitors");
    for line in seen.lines() {
        let (status, seconds) = line.split_once(' ').unwrap();
        assert_eq!(status, "200", "{seen}");
        assert!(seconds.parse::<f64>().unwrap() < 4.0, "{seen}");
    }
}

/// A master that does not act on the reload: nothing of the new release was started.
#[test]
fn a_master_that_does_nothing_is_told() {
    let Some(container) = site("reload-nothing", "") else { return };
    release(&container, "good", "");
    container.sh_ok("kill -STOP $(systemctl show -P MainPID myapp)");
    let ran = reload(&container, &format!("--release {RELEASES}/good --probe http://127.0.0.1/"));
    ran.ends(5, "rolled-back").says("no worker was started after the reload");
    assert!(link(&container).ends_with("2026-04-21"));
    container.sh_ok("kill -CONT $(systemctl show -P MainPID myapp)");
}

/// nginx that is down keeps nobody from going back: gunicorn's own sockets are asked.
#[test]
fn a_rollback_goes_although_nginx_is_down() {
    let Some(container) = site("rollback-nginx-down", "") else { return };
    container.sh_ok("systemctl kill --signal=KILL nginx; sleep 1");
    let to = format!("{RELEASES}/2026-04-14");
    reload(&container, &format!("--release {to}")).ends(1, "refused").says("N333");
    rollback(&container, &format!("--settle 1 --to {to}")).ends(0, "reloaded");
    assert!(link(&container).ends_with("2026-04-14"));
}
