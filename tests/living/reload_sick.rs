//! Sites that are not well: what a guarded reload leaves of them, and the way back from there.

use crate::guarded_reload::{PROBE, RELEASES, answers, link, release, reload, rollback, site};
use crate::support::container::Container;

const FAILS: &str = "sed -i 's/return {\"release/1 \\/ 0; return {\"release/' wsgi.py";

/// The site as it is where somebody deployed by hand what does not work.
fn deployed_by_hand(container: &Container, name: &str) {
    container.sh_ok(&format!(
        "ln -sfn {RELEASES}/{name} /srv/myapp/current; systemctl restart myapp || true"
    ));
}

/// A restart cannot but fail requests for a moment; what fails once the new workers stand is the
/// release's doing.
#[test]
fn what_fails_after_a_restart_is_taken_back() {
    let Some(container) = site("reload-restart-fails", "") else { return };
    let served = link(&container);
    container.sh_ok("echo NEW_SETTING=1 >>/etc/myapp.env");
    release(&container, "errors", FAILS);
    let options = format!("--release {RELEASES}/errors --probe http://127.0.0.1/");
    let ran = reload(&container, &options);
    ran.ends(5, "rolled-back").says("5xx");
    assert_eq!(ran.story["strategy"], "restart", "{}", ran.said);
    assert_eq!(link(&container), served);
    // A master that ends as soon as it starts is seen as such.
    release(&container, "import", "sed -i '1i import stripe_that_is_not_there' wsgi.py");
    let ran = reload(
        &container,
        &format!(
            "--release {RELEASES}/import --probe http://127.0.0.1/ --strategy restart --force G223,R717"
        ),
    );
    ran.ends(5, "rolled-back").says("stripe_that_is_not_there");
    assert!(!ran.said.contains("new ones up"), "{}", ran.said);
    assert!(answers(&container).contains("2026-04-21"));
}

/// A rollback is for sites that do not work: it goes, whatever the site answers, and is watched.
#[test]
fn a_rollback_mends_what_does_not_work() {
    let Some(container) = site("rollback-sick", "") else { return };
    let back = format!("--to {RELEASES}/2026-04-21 {PROBE} 2026-04-21 --settle 1");
    release(&container, "errors", FAILS);
    deployed_by_hand(&container, "errors");
    let ran = reload(&container, &format!("--release {RELEASES}/2026-04-21 {PROBE} x"));
    ran.ends(1, "refused").says("deploy-doctor rollback myapp.service").says("--force baseline");
    rollback(&container, &back).ends(0, "reloaded").says("is not healthy");
    assert!(answers(&container).contains("2026-04-21"));
    // One whose master ends at once, over and over.
    release(&container, "import", "sed -i '1i import stripe_that_is_not_there' wsgi.py");
    deployed_by_hand(&container, "import");
    let ran = rollback(&container, &back);
    ran.ends(0, "reloaded");
    assert_eq!(ran.story["strategy"], "restart", "{}", ran.said);
    assert!(answers(&container).contains("2026-04-21"));
    // And one that was stopped.
    container.sh_ok("systemctl stop myapp");
    rollback(&container, &back).ends(0, "reloaded").says("started again");
    assert!(answers(&container).contains("2026-04-21"));
}

/// Where the way back leads is kept, whatever happens on the way there.
#[test]
fn the_release_before_is_not_forgotten() {
    let Some(container) = site("rollback-target", "") else { return };
    release(&container, "one", "");
    let there = format!("--release {RELEASES}/one {PROBE} one --settle 1");
    reload(&container, &there).ends(0, "reloaded");
    // Once more to where it is already, as one does after a run that was killed.
    reload(&container, &there).ends(0, "reloaded");
    rollback(&container, &format!("{PROBE} 2026-04-21 --settle 1")).ends(0, "reloaded");
    assert!(link(&container).ends_with("2026-04-21"));
    let again = rollback(&container, "");
    assert_eq!(again.code, Some(3), "{}", again.said);
    again.says("was a rollback").says("--to DIR");
    assert!(link(&container).ends_with("2026-04-21"));
}

/// A second master that hangs in its import does not stay, and does not spoil the next reload.
#[test]
fn a_second_master_that_fails_leaves_nothing() {
    let Some(container) = site("reload-second", "") else { return };
    release(&container, "hangs", "printf '\\nimport time\\ntime.sleep(3000)\\n' >>wsgi.py");
    let main = container.sh_ok("systemctl show -P MainPID myapp");
    let ran = reload(
        &container,
        &format!(
            "--release {RELEASES}/hangs --probe http://127.0.0.1/ --no-preflight --strategy usr2 \
             --timeout 2"
        ),
    );
    ran.ends(5, "rolled-back");
    assert_eq!(ran.story["probes"]["total"]["failed"], 0, "{}", ran.said);
    assert_eq!(container.sh_ok("systemctl show -P MainPID myapp"), main);
    let left = container.sh_ok(&format!("pgrep -P {} | wc -l", main.trim()));
    assert_eq!(left.trim(), "3", "the master's workers, and no second master");
    release(&container, "good", "");
    reload(
        &container,
        &format!("--release {RELEASES}/good {PROBE} good --settle 1 --strategy usr2"),
    )
    .ends(0, "reloaded");
}

/// What nobody can mean is told before anything is looked at.
#[test]
fn wrong_usage_touches_nothing() {
    let Some(container) = site("reload-usage", "") else { return };
    let state = "ls /var/lib/deploy-doctor/reload 2>/dev/null | wc -l";
    for (options, code, part) in [
        ("myapp --probe ftp://x/", 2, "ftp://x/"),
        ("myapp --force NOPE", 2, "NOPE"),
        ("myapp --expect-version=", 2, "--expect-version"),
        ("myapp --report /nowhere/x.html", 2, "/nowhere"),
        ("myapp --report /tmp", 2, "/tmp"),
        ("myapp.socket", 2, ".service"),
        ("nosuch", 3, "there is no unit nosuch.service"),
    ] {
        let output = container.run(&["sh", "-c", &format!("deploy-doctor reload {options} 2>&1")]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{options}: {said}");
        assert!(said.contains(part), "{options}: {said}");
    }
    assert_eq!(container.sh_ok(state).trim(), "2", "of nosuch its lock and its log");
}

/// Forced past U113, the old code goes on serving: that is no success.
#[test]
fn a_link_that_nobody_looks_through_is_no_new_release() {
    let change = "sed -i '/--chdir/d' /etc/systemd/system/myapp.service";
    let Some(container) = site("reload-stale", change) else { return };
    release(&container, "new", "");
    let options = format!("--release {RELEASES}/new --probe http://127.0.0.1/ --settle 1");
    let ran = reload(&container, &format!("{options} --force U113"));
    ran.ends(5, "rolled-back").says("still serves");
    assert!(answers(&container).contains("2026-04-21"));
}

/// Killed in the middle of the way back: the next way back finds where it was, and ends it.
#[test]
fn a_rollback_that_was_killed_is_ended_by_the_next() {
    let Some(container) = site("rollback-killed", "") else { return };
    release(&container, "errors", FAILS);
    container.sh_ok(&format!(
        "deploy-doctor reload myapp --release {RELEASES}/errors --probe http://127.0.0.1/ \
             >/tmp/out 2>&1 & run=$!
         for i in $(seq 2000); do
             grep -q '\"rolling-back\"' /var/lib/deploy-doctor/reload/myapp.service.json 2>/dev/null && break
             sleep 0.01
         done
         kill -KILL $run; wait $run 2>/dev/null; true"
    ));
    let ran = rollback(&container, &format!("{PROBE} 2026-04-21 --settle 1"));
    ran.ends(0, "reloaded").says("while it was being rolled back");
    assert!(link(&container).ends_with("2026-04-21"));
    assert!(answers(&container).contains("2026-04-21"));
}
