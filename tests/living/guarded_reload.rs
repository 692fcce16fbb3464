//! `deploy-doctor reload` on a real systemd, nginx and gunicorn: releases that survive, releases
//! that do not, and what is left of each.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::support::container::Container;
use crate::support::proof;

pub const RELEASES: &str = "/srv/myapp/releases";
pub const PROBE: &str = "--probe http://127.0.0.1/ --expect-version";

/// The healthy deployment at work, changed by a shell script before it starts, once it answers.
pub fn site(name: &str, change: &str) -> Option<Container> {
    let container = proof::at_work(name, change)?;
    container.eventually(20, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
    Some(container)
}

/// Makes a release: the one that serves, copied, under this name, changed by a script that runs in
/// its directory.
pub fn release(container: &Container, name: &str, change: &str) {
    container.sh_ok(&format!(
        "cp -a {RELEASES}/2026-04-21 {RELEASES}/{name} && cd {RELEASES}/{name} &&
         sed -i 's/\"release\": \"[^\"]*\"/\"release\": \"{name}\"/' wsgi.py &&
         {change} && touch -d '2026-05-01 {time}' {RELEASES}/{name}",
        change = if change.is_empty() { "true" } else { change },
        time = format_args!("10:{:02}:00", name.bytes().map(u32::from).sum::<u32>() % 60),
    ));
}

/// What a run came to.
pub struct Ran {
    pub code: Option<i32>,
    pub story: Value,
    pub said: String,
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let said = format!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
        let story = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { code: output.status.code(), story, said }
    }

    #[track_caller]
    pub fn ends(&self, code: i32, ending: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.said);
        assert_eq!(self.story["ending"], ending, "{}", self.said);
        self
    }

    #[track_caller]
    pub fn says(&self, part: &str) -> &Self {
        assert!(self.said.contains(part), "`{part}` is not in\n{}", self.said);
        self
    }

    pub fn why(&self) -> &str {
        self.story["why"].as_str().unwrap_or_default()
    }
}

pub fn reload(container: &Container, options: &str) -> Ran {
    guarded(container, "", &format!("reload myapp {options}"))
}

pub fn rollback(container: &Container, options: &str) -> Ran {
    guarded(container, "", &format!("rollback myapp {options}"))
}

/// A reload, and a shell script that goes on at the same time.
pub fn reload_while(container: &Container, script: &str, options: &str) -> Ran {
    guarded(container, &format!("({script}) &"), &format!("reload myapp {options}"))
}

/// Runs a guarded command after the beginning of a shell script.
pub fn guarded(container: &Container, first: &str, command: &str) -> Ran {
    // The machine that runs the tests is busy: only where a stall is the matter one counts.
    let stall = if command.contains("--max-stall") { "" } else { "--max-stall 20" };
    let script = format!("{first} deploy-doctor {command} --format json {stall}");
    Ran::of(&container.run_for(170, &["sh", "-c", &script]))
}

pub fn link(container: &Container) -> String {
    container.sh_ok("readlink /srv/myapp/current").trim().to_owned()
}

pub fn answers(container: &Container) -> String {
    container.sh_ok("curl -s --max-time 5 -H 'Host: example.com' http://127.0.0.1/")
}

#[test]
fn a_good_release_serves_and_nothing_is_lost() {
    let Some(container) = site("reload-good", "") else { return };
    for name in ["one", "two", "three"] {
        release(&container, name, "");
        let ran = reload(
            &container,
            &format!("--release {RELEASES}/{name} {PROBE} {name} --settle 1 --rate 200"),
        );
        ran.ends(0, "reloaded").says("fewer than");
        assert!(answers(&container).contains(name));
        assert!(link(&container).ends_with(name));
    }
    // Back by the same guarded way, to the release before.
    let ran = rollback(&container, &format!("{PROBE} two --settle 1"));
    ran.ends(0, "reloaded");
    assert!(answers(&container).contains("two"));
    // Every line of the log is whole, and nobody else may read it.
    let log = container.sh_ok("cat /var/lib/deploy-doctor/reload/myapp.service.jsonl");
    let ends = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["event"] == "end")
        .count();
    assert_eq!(ends, 4, "{log}");
    let mode = container.sh_ok("stat -c %a /var/lib/deploy-doctor/reload/myapp.service.jsonl");
    assert_eq!(mode.trim(), "600");
}

#[test]
fn what_would_not_start_is_refused_before_anything_is_touched() {
    let Some(container) = site("reload-refused", "") else { return };
    let before = container.sh_ok("systemctl show -p MainPID,ExecMainStartTimestamp myapp");
    let served = link(&container);
    for (name, change, part) in [
        (
            "import",
            "sed -i '1i import stripe_that_is_not_there' wsgi.py",
            "stripe_that_is_not_there",
        ),
        ("syntax", "echo 'def (' >>wsgi.py", "wsgi.py"),
        ("exits", "printf '\\nimport sys\\nsys.exit(1)\\n' >>wsgi.py", "SystemExit"),
        ("hangs", "printf '\\nimport time\\ntime.sleep(600)\\n' >>wsgi.py", "import"),
        (
            "variable",
            "printf '\\nKEY = os.environ[\"PAYMENT_KEY_OF_NOBODY\"]\\n' >>wsgi.py",
            "PAYMENT_KEY_OF_NOBODY",
        ),
        ("package", "echo 'celery==5.4.0' >>requirements.txt", "celery"),
        ("class", "echo 'worker_class = \"gevent\"' >gunicorn.conf.py", "gevent"),
    ] {
        release(&container, name, change);
        let ran = reload(&container, &format!("--release {RELEASES}/{name} {PROBE} {name}"));
        ran.ends(1, "refused");
        assert!(ran.why().contains(part), "{name}: {}", ran.said);
        assert_eq!(link(&container), served, "{name}");
    }
    assert_eq!(container.sh_ok("systemctl show -p MainPID,ExecMainStartTimestamp myapp"), before);
    // Only looked at.
    release(&container, "good", "");
    reload(&container, &format!("--release {RELEASES}/good {PROBE} good --dry-run"))
        .ends(0, "would-reload");
    assert_eq!(link(&container), served);
    assert_eq!(container.sh_ok("systemctl show -p MainPID,ExecMainStartTimestamp myapp"), before);
}

#[test]
fn what_breaks_all_the_same_is_taken_back() {
    let Some(container) = site("reload-back", "") else { return };
    let served = link(&container);
    for (name, change, options, part) in [
        (
            "import",
            "sed -i '1i import stripe_that_is_not_there' wsgi.py",
            "--force G223,R717",
            "stripe_that_is_not_there",
        ),
        (
            "exits",
            "printf '\\nimport sys\\nsys.exit(1)\\n' >>wsgi.py",
            "--force G223 --no-preflight",
            "new workers",
        ),
        // What does not even end when it is told to is killed.
        (
            "deaf",
            "printf '\\nimport signal, time\\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\\n\
             time.sleep(600)\\n' >>wsgi.py",
            "--no-preflight --timeout 3",
            "no answer in time",
        ),
        // It answers, and is not the release that was meant.
        ("other", "", "--expect-version a-third-release", "the wrong release answers"),
        ("errors", "sed -i 's/return {\"release/1 \\/ 0; return {\"release/' wsgi.py", "", "5xx"),
    ] {
        release(&container, name, change);
        let options = format!("--release {RELEASES}/{name} --probe http://127.0.0.1/ {options}");
        let ran = reload(&container, &options);
        if ran.code != Some(5) {
            println!(
                "{}\n{}",
                container.journal("myapp"),
                container.sh_ok("systemctl status myapp nginx; ls -la /run/myapp; tail -5 /var/log/nginx/error.log; true")
            );
        }
        ran.ends(5, "rolled-back");
        assert!(ran.why().contains(part), "{name}: {}", ran.said);
        assert_eq!(link(&container), served, "{name}");
        assert!(answers(&container).contains("2026-04-21"), "{name}");
        assert!(!ran.story["evidence"].as_array().unwrap().is_empty(), "{name}: {}", ran.said);
    }
    // The same command with a release that is well goes through afterwards.
    release(&container, "good", "");
    reload(&container, &format!("--release {RELEASES}/good {PROBE} good --settle 1"))
        .ends(0, "reloaded");
}

#[test]
fn a_slow_import_stalls_a_reload_and_no_hand_over() {
    // nginx itself says how long nothing was answered.
    let log = "printf '%s\n' \"log_format truth '\\$msec \\$status';\" \
        'access_log /var/log/nginx/truth.log truth;' >/etc/nginx/conf.d/truth.conf";
    let Some(container) = site("reload-slow", log) else { return };
    let slow = "printf '\\nimport time\\ntime.sleep(3)\\n' >>wsgi.py";
    release(&container, "slow", slow);
    let common = format!("{PROBE} slow --settle 1");
    let ran = reload(
        &container,
        &format!("--release {RELEASES}/slow {common} --strategy hup --max-stall 1"),
    );
    ran.ends(7, "degraded").says("stalled");
    let seen = ran.story["probes"]["targets"][0]["longest_gap"]["ms"].as_f64().unwrap() / 1000.0;
    let log = container.sh_ok("awk '$2 == 200 { print $1 }' /var/log/nginx/truth.log | sort -n");
    let times: Vec<f64> = log.lines().map(|line| line.parse().unwrap()).collect();
    // From the first probe on; what the test itself asked before lies apart.
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    let truth = gaps.skip(5).fold(0.0, f64::max);
    assert!((seen - truth).abs() <= truth * 0.1, "{seen} s seen, {truth} s by nginx's own log");
    // By itself it takes the way without a stall.
    release(&container, "slower", slow);
    let ran = reload(&container, &format!("--release {RELEASES}/slower {PROBE} slower --settle 1"));
    ran.ends(0, "reloaded");
    assert_eq!(ran.story["strategy"], "usr2", "{}", ran.said);
    // The unit has the new master as its main process, and the next reload reaches it.
    let main = container.sh_ok("systemctl show -P MainPID myapp");
    let workers = container.sh_ok(&format!("pgrep -P {}", main.trim()));
    assert_eq!(workers.lines().count(), 3);
    container.sh_ok("systemctl is-active myapp");
    release(&container, "next", "");
    reload(
        &container,
        &format!("--release {RELEASES}/next {PROBE} next --settle 1 --strategy hup"),
    )
    .ends(0, "reloaded");
    // A second master whose code does not start changes nothing.
    release(&container, "broken", "sed -i '1i import stripe_that_is_not_there' wsgi.py");
    let ran = reload(
        &container,
        &format!("--release {RELEASES}/broken {PROBE} next --strategy usr2 --force G223,R717"),
    );
    ran.ends(5, "rolled-back");
    assert_eq!(ran.story["probes"]["total"]["failed"], 0, "{}", ran.said);
    assert!(answers(&container).contains("next"));
}

#[test]
fn where_there_is_no_way_back_it_says_what_to_type() {
    let Some(container) = site("reload-lost", "") else { return };
    // The release before goes away while the new one is tried.
    let change = "printf '\\nimport shutil, os\\nos.system(\"touch /tmp/tried\")\\n' >>wsgi.py;
        sed -i 's/return {\"release/1 \\/ 0; return {\"release/' wsgi.py";
    release(&container, "errors", change);
    container.sh_ok(
        "(while ! readlink /srv/myapp/current | grep -q errors; do sleep 0.02; done
          mv /srv/myapp/releases/2026-04-21 /srv/pruned) >/dev/null 2>&1 &",
    );
    let ran = reload(&container, &format!("--release {RELEASES}/errors --probe http://127.0.0.1/"));
    ran.ends(6, "rollback-failed").says("ln -sfn").says("systemctl restart myapp.service");
}

#[test]
fn a_run_that_was_killed_is_found_by_the_next() {
    let Some(container) = site("reload-killed", "") else { return };
    for (number, stage) in ["linked", "triggered"].iter().enumerate() {
        let name = format!("release{number}");
        release(&container, &name, "");
        let options = format!("--release {RELEASES}/{name} {PROBE} {name} --settle 20");
        container.sh_ok(&format!(
            "deploy-doctor reload myapp {options} >/tmp/out 2>&1 & run=$!
             for i in $(seq 600); do
                 grep -q '\"{stage}\"' /var/lib/deploy-doctor/reload/myapp.service.json 2>/dev/null && break
                 sleep 0.01
             done
             kill -KILL $run; wait $run 2>/dev/null; true"
        ));
        assert!(answers(&container).contains("release"), "the site answers");
        let next = format!("after{number}");
        release(&container, &next, "");
        let ran =
            reload(&container, &format!("--release {RELEASES}/{next} {PROBE} {next} --settle 1"));
        ran.ends(0, "reloaded").says("was ended while");
    }
    let log = container.sh_ok("cat /var/lib/deploy-doctor/reload/myapp.service.jsonl");
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn a_second_run_is_refused_and_a_sick_site_too() {
    let Some(container) = site("reload-twice", "") else { return };
    release(&container, "one", "");
    let said = container.sh_ok(&format!(
        "deploy-doctor reload myapp --release {RELEASES}/one {PROBE} one --settle 3 --max-stall 20 >/tmp/one 2>&1 & one=$!
         sleep 1.5; deploy-doctor reload myapp --format json; echo second $?; wait $one; echo first $?"
    ));
    assert!(said.contains("another reload") && said.contains("second 1"), "{said}");
    assert!(said.contains("first 0"), "{said}\n{}", container.sh_ok("cat /tmp/one"));
    release(&container, "two", "");
    container.sh_ok("systemctl stop nginx");
    let ran = reload(&container, &format!("--release {RELEASES}/two {PROBE} two"));
    ran.ends(1, "refused").says("not healthy before the reload");
    assert!(link(&container).ends_with("one"));
}

/// The commands of docs/reload.md, as they stand there.
#[test]
fn the_pages_commands_do_what_it_says() {
    let Some(container) = site("reload-page", "") else { return };
    release(&container, "2026-05-01", "");
    let page = fs::read_to_string(proof::project().join("docs/reload.md")).unwrap();
    let block = page.split("```bash\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut ran = 0;
    for line in block.lines().filter(|line| line.starts_with("deploy-doctor ")) {
        ran += 1;
        let output = container.run_for(100, &["sh", "-c", &format!("{line} --max-stall 20 2>&1")]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{line}\n{said}");
        println!("{line}\n{said}");
    }
    assert_eq!(ran, 3);
    let page = container.sh_ok("cat /tmp/reload.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg"), "{page}");
    if let Some(to) = std::env::var_os("DEPLOY_DOCTOR_KEEP_REPORT") {
        fs::write(to, page).unwrap();
    }
    assert!(link(&container).ends_with("2026-04-21"));
}

/// A deployment in another shape, one release after the other under load: no probe fails. Three in
/// a row here; `DEPLOY_DOCTOR_RELOADS=20` makes it twenty, over all shapes.
#[test]
fn releases_in_a_row_lose_nothing() {
    let wanted = std::env::var("DEPLOY_DOCTOR_RELOADS").ok().and_then(|text| text.parse().ok());
    let count: usize = wanted.unwrap_or(3);
    let tcp = "sed -i 's|unix:/run/myapp/gunicorn.sock|127.0.0.1:8000|' \
                   /etc/systemd/system/myapp.service /etc/nginx/sites-available/myapp";
    let threads =
        "sed -i 's/--workers 3/--workers 3 --threads 4/' /etc/systemd/system/myapp.service";
    let shapes = [
        ("sync-unix", "23", String::new()),
        ("threads-tcp", "27", format!("{tcp}\n{threads}")),
        ("sync-tcp", "27", tcp.to_owned()),
        ("threads-unix", "27", threads.to_owned()),
        ("sync-unix", "24", String::new()),
        ("threads-tcp", "24", format!("{tcp}\n{threads}")),
        ("sync-unix", "20", String::new()),
        ("sync-tcp", "20", tcp.to_owned()),
        ("sync-tcp", "23", tcp.to_owned()),
    ];
    let all = if wanted.is_some() { shapes.len() } else { 2 };
    for (shape, version, change) in shapes.iter().take(all) {
        let name = format!("reload-{shape}-{version}");
        let venv = format!(
            "ln -sfn /srv/venvs/gunicorn-{version} /srv/myapp/.venv
             printf 'Flask\ngunicorn\n' | tee /srv/myapp/releases/*/requirements.txt"
        );
        let Some(container) = site(&name, &format!("{venv}\n{change}")) else { return };
        let began = std::time::Instant::now();
        for number in 0..count {
            let name = format!("r{number}");
            release(&container, &name, "");
            let options =
                format!("--release {RELEASES}/{name} {PROBE} {name} --settle 1 --rate 200");
            reload(&container, &options).ends(0, "reloaded").says(" failed at 200/s");
        }
        println!(
            "{shape} gunicorn {version}: {count} reloads, none lost a probe: {:?}",
            began.elapsed()
        );
    }
}

/// What only a restart applies is restarted, and said; with a socket unit not even that loses one.
#[test]
fn what_a_reload_does_not_apply_is_restarted() {
    let change = r#"
        cat >/etc/systemd/system/myapp.socket <<'END'
[Socket]
ListenStream=/run/myapp.sock
SocketUser=www-data
SocketMode=0600
[Install]
WantedBy=sockets.target
END
        sed -i 's|unix:/run/myapp/gunicorn.sock|unix:/run/myapp.sock|' /etc/nginx/sites-available/myapp
        sed -i '/--bind/d; s/^After=network.target/After=network.target\nRequires=myapp.socket/' /etc/systemd/system/myapp.service
        systemctl daemon-reload; systemctl enable --now myapp.socket"#;
    let Some(container) = site("reload-restart", change) else { return };
    container.sh_ok("echo NEW_SETTING=1 >>/etc/myapp.env");
    release(&container, "one", "");
    let ran = reload(&container, &format!("--release {RELEASES}/one {PROBE} one --settle 1"));
    ran.ends(0, "reloaded");
    assert_eq!(ran.story["strategy"], "restart", "{}", ran.said);
    assert!(answers(&container).contains("one"));
}

/// Ctrl-C leaves a named state: nothing touched, or the new release, unverified.
#[test]
fn whoever_stops_it_knows_where_the_site_stands() {
    let Some(container) = site("reload-stopped", "") else { return };
    release(&container, "one", "");
    let stop = |wait: &str| {
        container.sh_ok(&format!(
            "deploy-doctor reload myapp --release {RELEASES}/one {PROBE} one --settle 30 --max-stall 20 \
                 --format json >/tmp/out 2>&1 & run=$!
             {wait}
             kill -INT $run; wait $run; echo status $?"
        ))
    };
    let said = stop("sleep 2");
    assert!(said.contains("status 1"), "{said}");
    assert!(link(&container).ends_with("2026-04-21"));
    let wait = "for i in $(seq 600); do
                    curl -s -H 'Host: example.com' http://127.0.0.1/ | grep -q one && break; sleep 0.05
                done; sleep 2";
    let said = stop(wait);
    assert!(said.contains("status 7"), "{said}\n{}", container.sh_ok("cat /tmp/out"));
    assert!(link(&container).ends_with("one"));
    let kept = container.sh_ok("cat /var/lib/deploy-doctor/reload/myapp.service.json");
    assert!(kept.contains("unverified"), "{kept}");
    // And back from there.
    rollback(&container, &format!("{PROBE} 2026-04-21")).ends(0, "reloaded");
}

/// Both releases with one modification time, and a new module: a HUP would end the master. A second
/// master finds it.
#[test]
fn equal_times_take_a_second_master() {
    let Some(container) = site("reload-times", "") else { return };
    release(
        &container,
        "twin",
        "echo 'X = 1' >brand_new.py && sed -i '1i import brand_new' wsgi.py",
    );
    container.sh_ok(&format!("touch -r {RELEASES}/2026-04-21 {RELEASES}/twin"));
    let ran = reload(&container, &format!("--release {RELEASES}/twin {PROBE} twin --settle 1"));
    ran.ends(0, "reloaded").says("modification time");
    assert_eq!(ran.story["strategy"], "usr2", "{}", ran.said);
}

/// A page that shows what it should not, and an exception that says it: nothing of it is kept.
#[test]
fn what_a_failing_release_gives_away_is_not_kept() {
    let Some(container) = site("reload-secret", "") else { return };
    let url = "DATABASE_URL=postgresql://shop:kanary-password@127.0.0.1/shop";
    container.sh_ok(&format!(
        "sed -i '/^SECRET_KEY=/d; /^DATABASE_URL=/d' /etc/myapp.env
         printf 'SECRET_KEY=kanary-0123456789abcdef\\n{url}\\n' >>/etc/myapp.env
         systemctl restart myapp"
    ));
    container.eventually(20, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
    let gives_away = "sed -i 's/^    return {\"release.*/    print(os.environ, flush=True)\\n\
         \\x20   return repr(os.environ) + os.environ[\"SECRET_KEY\"] + \" kanary-password\", 500/' wsgi.py";
    let raises = "printf '\\nraise RuntimeError(os.environ[\"SECRET_KEY\"])\\n' >>wsgi.py";
    for (name, change, options) in
        [("page", gives_away, ""), ("raises", raises, "--force G223 --no-preflight")]
    {
        release(&container, name, change);
        let options = format!(
            "--release {RELEASES}/{name} --probe http://127.0.0.1/ {options} --report /tmp/page.html"
        );
        let ran = reload(&container, &options);
        ran.ends(5, "rolled-back");
        let kept = container.sh_ok("cat /var/lib/deploy-doctor/reload/* /tmp/page.html");
        for text in [&ran.said, &kept] {
            assert!(!text.contains("kanary"), "{name}: {text}");
        }
    }
}

/// A real database with one migration of the release that serves.
const DATABASE: &str = r#"
    cd /srv/myapp/releases/2026-04-21; mkdir -p migrations/versions
    install -d -o www-data -g www-data /srv/myapp/shared
    printf '[alembic]\nscript_location = migrations\n' >migrations/alembic.ini
    cat >migrations/env.py <<'END'
from alembic import context
from sqlalchemy import create_engine

with create_engine("sqlite:////srv/myapp/shared/myapp.db").connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
END
    cat >migrations/versions/a1_users.py <<'END'
import sqlalchemy as sa
from alembic import op

revision = "a1f0c2d4e6b8"
down_revision = None


def upgrade():
    op.create_table("users", sa.Column("id", sa.Integer()))
END"#;
/// The next one, in a release's own directory.
const MIGRATION: &str = r#"cat >migrations/versions/b2_users.py <<'END'
import sqlalchemy as sa
from alembic import op

revision = "b2e1d3c5f7a9"
down_revision = "a1f0c2d4e6b8"


def upgrade():
    op.add_column("users", sa.Column("email", sa.Text()))
END
true"#;
const ALEMBIC: &str = "/srv/myapp/.venv/bin/alembic -c migrations/alembic.ini";

/// A migration that the database lacks is refused; one that it has, and the code before does not
/// know, takes the way back away. Nothing is migrated in either direction.
#[test]
fn migrations_decide_on_the_way_there_and_back() {
    let Some(container) = site("reload-migration", DATABASE) else { return };
    container.sh_ok(&format!(
        "cd {RELEASES}/2026-04-21 && {ALEMBIC} upgrade head && chown -R www-data: /srv/myapp/shared"
    ));
    let revision = || container.sh_ok(&format!("cd /srv/myapp/current && {ALEMBIC} current"));
    let served = link(&container);
    release(&container, "ahead", MIGRATION);
    let common = "--probe http://127.0.0.1/ --db-revision";
    let ran = reload(&container, &format!("--release {RELEASES}/ahead {common} a1f0c2d4e6b8"));
    ran.ends(1, "refused");
    assert!(ran.why().contains("b2e1d3c5f7a9"), "{}", ran.said);
    assert_eq!(link(&container), served);
    assert!(revision().contains("a1f0c2d4e6b8"));

    let change = format!(
        "{MIGRATION} && sed -i 's/return {{\"release/1 \\/ 0; return {{\"release/' wsgi.py"
    );
    release(&container, "broken", &change);
    container.sh_ok(&format!("cd {RELEASES}/broken && {ALEMBIC} upgrade head"));
    let ran = reload(&container, &format!("--release {RELEASES}/broken {common} b2e1d3c5f7a9"));
    ran.ends(6, "rollback-failed").says("lacks the database's revision b2e1d3c5f7a9");
    assert!(link(&container).ends_with("broken"), "{}", ran.said);
    assert!(revision().contains("b2e1d3c5f7a9"));
}

/// No inode is left for the link when it is to go back: it says so, and what to type.
#[test]
fn a_full_disk_on_the_way_back_is_told() {
    let Some(container) = site("reload-full", "") else { return };
    container.sh_ok(
        "systemctl stop myapp && mkdir /srv/small &&
         mount -t tmpfs -o nr_inodes=4000 tmpfs /srv/small && cp -a /srv/myapp/. /srv/small/ &&
         mount --bind /srv/small /srv/myapp && systemctl start myapp",
    );
    container.eventually(20, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
    release(
        &container,
        "errors",
        "sed -i 's/return {\"release/1 \\/ 0; return {\"release/' wsgi.py",
    );
    container.sh_ok(
        "(while ! readlink /srv/myapp/current | grep -q errors; do sleep 0.02; done
          i=0; while : 2>/dev/null >/srv/myapp/full$i; do i=$((i + 1)); done) >/dev/null 2>&1 &",
    );
    let ran = reload(&container, &format!("--release {RELEASES}/errors --probe http://127.0.0.1/"));
    ran.ends(6, "rollback-failed").says("df -hi").says("ln -sfn");
    container.sh_ok("rm /srv/myapp/full*");
    // What it says to type is what helps.
    let commands = ran.story["next"].as_array().unwrap().iter();
    let commands: Vec<&str> = commands.filter_map(|line| line.as_str()).collect();
    for line in commands.iter().filter(|line| line.starts_with("ln ") || line.contains("restart")) {
        container.sh_ok(line);
    }
    container.eventually(20, "curl -sf -H 'Host: example.com' http://127.0.0.1/");
    assert!(answers(&container).contains("2026-04-21"), "{commands:?}");
}

/// The host's file of settings counts as it does in the check: what is accepted, what is wanted, whom
/// to ask.
#[test]
fn the_file_of_settings_counts() {
    let Some(container) = site("reload-settings", "") else { return };
    let settings = |text: &str| {
        fs::write(container.root().join("etc/deploy-doctor.toml"), text).unwrap();
    };
    let served = link(&container);
    release(&container, "one", "echo 'celery==5.4.0' >>requirements.txt");
    let one = format!("--release {RELEASES}/one --expect-version one --settle 1");
    let ran = reload(&container, &one);
    ran.ends(1, "refused").says("celery");
    let code = ran.story["refusals"][0]["code"].as_str().unwrap().to_owned();

    let accepted = format!(
        "[[ignore]]\nrule = \"{code}\"\nreason = \"it is imported by nobody yet\"\n\n\
         [[app]]\nname = \"myapp\"\nprobe = [\"http://127.0.0.1/\"]\n"
    );
    settings(&format!("{accepted}required-variables = [\"KEY_THAT_NOBODY_SETS\"]\n"));
    let ran = reload(&container, &one);
    ran.ends(1, "refused").says("KEY_THAT_NOBODY_SETS");
    settings(&accepted.replace("rule", "rul"));
    let ran = reload(&container, &one);
    assert_eq!(ran.code, Some(2), "{}", ran.said);
    ran.says("/etc/deploy-doctor.toml:2").says("rule");
    assert_eq!(link(&container), served);

    settings(&accepted);
    let ran = reload(&container, &one);
    ran.ends(0, "reloaded");
    assert!(answers(&container).contains("one"));
    let asked: Vec<&str> = ran.story["probes"]["targets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|target| target["name"].as_str().or(target["url"].as_str()))
        .collect();
    assert_eq!(asked, ["http://127.0.0.1/"], "{}", ran.said);
}
