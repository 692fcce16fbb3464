//! What the fixes of the rules on units make of files, form by form.

use case::Case;
use deploy_doctor::facts::Given;
use fix::{DROP_IN, ENVIRONMENT, OURS, Repair, UNIT};

#[path = "support/case.rs"]
mod case;
#[path = "support/fix.rs"]
mod fix;

#[test]
fn a_setting_of_a_drop_in_is_changed_there_and_a_fragments_in_a_drop_in() {
    let case = || Case::healthy().file(DROP_IN, "[Service]\nKillMode=none\n");
    for fixed in [Repair::of(case()).in_place(), Repair::of(case()).drop_in()] {
        fixed.only(&[(DROP_IN, "[Service]\nKillMode=mixed\n")]);
    }
    let repair = Repair::of(Case::healthy().replace(UNIT, "KillMode=mixed", "KillMode=none"));
    repair.in_place().becomes(UNIT, "KillMode=none", "KillMode=mixed");
    repair.drop_in().only(&[(OURS, "[Service]\nKillMode=mixed\n")]);
}

/// The healthy unit's first lines of a command.
const START: &str = "ExecStart=/srv/myapp/.venv/bin/gunicorn";
const CHDIR: &str = "    --chdir /srv/myapp/current \\\n";
const LINE: &str = "/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind \
                    unix:/run/myapp/gunicorn.sock wsgi:app";

/// The healthy deployment with a drop-in.
fn drop_in(text: &str) -> Case {
    Case::healthy().file(DROP_IN, text)
}

/// The healthy unit with other pieces.
fn unit(changes: &[(&str, &str)]) -> Case {
    changes.iter().fold(Case::healthy(), |case, (from, to)| case.replace(UNIT, from, to))
}

/// The same change of a drop-in, wherever changes are to go.
#[track_caller]
fn mends(code: &str, case: impl Fn() -> Case, path: &str, from: &str, to: &str) {
    let repair = Repair::of(case()).rule(code);
    repair.in_place().becomes(path, from, to);
    repair.drop_in().becomes(path, from, to);
}

#[track_caller]
fn stays(code: &str, case: Case) {
    let repair = Repair::of(case).rule(code);
    repair.in_place().stays();
    repair.drop_in().stays();
}

#[test]
fn reloads_become_a_signal() {
    for wrong in [
        "/bin/kill -s TERM $MAINPID",
        "-/usr/bin/killall -HUP gunicorn",
        "/bin/kill -HUP \\\n    $PID",
        "/bin/systemctl restart myapp",
        "/bin/true",
        "/bin/sh -c 'kill -HUP `cat /run/myapp/gunicorn.pid`'",
    ] {
        let case = || drop_in(&format!("[Service]\nExecReload=\nExecReload={wrong}\n# end\n"));
        mends("U102", case, DROP_IN, wrong, "/bin/kill -s HUP $MAINPID");
    }
    // What else the line does, stays.
    for (wrong, right) in [
        (
            "/bin/sh -c 'echo \"now\"; kill -TERM $MAINPID; sleep 1'",
            "/bin/sh -c 'echo \"now\"; kill -s HUP $MAINPID; sleep 1'",
        ),
        (
            "/bin/bash -c \"pkill -HUP gunicorn && touch /run/myapp/reloaded\"",
            "/bin/bash -c \"kill -s HUP $MAINPID && touch /run/myapp/reloaded\"",
        ),
    ] {
        let case = || drop_in(&format!("[Service]\nExecReload=\nExecReload={wrong}\n"));
        mends("U102", case, DROP_IN, wrong, right);
    }
    // A command that does something else gets the signal behind it, with the file's ends of lines.
    let case = || drop_in("[Service]\r\nExecReload=\r\nExecReload=/bin/touch /run/x\r\n");
    let to = "/run/x\r\nExecReload=/bin/kill -s HUP $MAINPID\r\n";
    mends("U102", case, DROP_IN, "/run/x\r\n", to);
    // One signal is enough.
    let case = || drop_in("[Service]\nExecReload=/usr/bin/pkill -HUP gunicorn\nKillMode=mixed\n");
    mends("U102", case, DROP_IN, "ExecReload=/usr/bin/pkill -HUP gunicorn\n", "");
    let wrong = "ExecReload=/bin/kill -TERM $MAINPID\nExecReload=/usr/bin/pkill -HUP gunicorn\n";
    let case = || drop_in(&format!("[Service]\nExecReload=\n{wrong}"));
    mends("U102", case, DROP_IN, wrong, "ExecReload=/bin/kill -s HUP $MAINPID\n");
    // In the fragment.
    let repair = Repair::of(unit(&[("kill -s HUP", "kill -s TERM")]));
    repair.in_place().becomes(UNIT, "kill -s TERM", "kill -s HUP");
    let ours = "[Service]\nExecReload=\nExecReload=/bin/kill -s HUP $MAINPID\n";
    repair.drop_in().only(&[(OURS, ours)]);
    // A quote that begins in the command and ends behind it.
    let wrong = "/bin/sh -c 'echo a; pkill -f \"gunicorn: master\"; sleep 1'";
    stays("U102", drop_in(&format!("[Service]\nExecReload=\nExecReload={wrong}\n")));
}

#[test]
fn the_second_start_resets_the_first() {
    let first = format!("[Service]\n  ExecStart={LINE}\n");
    let case = || drop_in(&first);
    mends("U125", case, DROP_IN, "  ExecStart", "  ExecStart=\n  ExecStart");
    let two = format!("[Service]\nExecStart=\nExecStart={LINE}\nExecStart={LINE}\n");
    stays("U125", drop_in(&two));
    let joined = format!("[Service]\nExecStart=\nExecStart={LINE} ; {LINE}\n");
    stays("U125", drop_in(&joined));
    // Three files: the last one is meant.
    let other = "/etc/systemd/system/myapp.service.d/60-more.conf";
    let last = format!("[Service]\nExecStart={LINE}\n");
    let case = || drop_in(&first).file(other, &last);
    mends("U125", case, other, "ExecStart", "ExecStart=\nExecStart");
}

#[test]
fn exec_lets_gunicorn_take_the_shells_place() {
    let shell = |text: &str| {
        drop_in(&format!("[Service]\nType=simple\nExecStart=\nExecStart={text}\n"))
            .file("/usr/bin/dash", "")
            .own("/usr/bin/dash", 0o755, 0, 0)
            .link("/bin/sh", "/usr/bin/dash")
    };
    for (quote, before) in [('"', ""), ('\'', "cd /srv/myapp/current && "), ('"', "umask 2; A=1 ")]
    {
        let wrong = format!("/bin/sh -c {quote}{before}{LINE}{quote}");
        let right = format!("/bin/sh -c {quote}{before}exec {LINE}{quote}");
        mends("U103", || shell(&wrong), DROP_IN, &wrong, &right);
    }
    let piped = format!("/bin/sh -c '{LINE} 2>&1 | tee /var/log/myapp.log'");
    stays("U103", shell(&piped));
    let behind = format!("/bin/sh -c '{LINE}; rm /run/x'");
    stays("U103", shell(&behind));
    // In the script that starts it.
    let script = format!("#!/bin/sh\n. /srv/env\n  {LINE}\n");
    let case =
        || shell("/srv/start.sh").file("/srv/start.sh", &script).own("/srv/start.sh", 0o755, 0, 0);
    mends("U103", case, "/srv/start.sh", "  /srv", "  exec /srv");
    // In the fragment.
    let start = format!("ExecStart=/bin/sh -c '{LINE}'\n");
    let tree = || {
        let whole = "    --workers 3 \\\n    --chdir /srv/myapp/current \\\n    --bind \
                     unix:/run/myapp/gunicorn.sock \\\n    wsgi:app\n";
        unit(&[("Type=notify", "Type=simple"), (&format!("{START} \\\n{whole}"), &start)])
            .file("/usr/bin/dash", "")
            .own("/usr/bin/dash", 0o755, 0, 0)
            .link("/bin/sh", "/usr/bin/dash")
    };
    let repair = Repair::of(tree()).rule("U103");
    repair.in_place().becomes(UNIT, "-c '", "-c 'exec ");
    let ours = format!("[Service]\nExecStart=\nExecStart=/bin/sh -c 'exec {LINE}'\n");
    repair.drop_in().only(&[(OURS, &ours)]);
    // Only with what changes more.
    let safe = Repair::of(tree()).rule("U103").safe();
    assert!(safe.in_place().plan.changes.is_empty());
}

#[test]
fn gunicorn_stays_in_front() {
    for (flag, gone) in [("--daemon ", ""), ("-D ", ""), ("--daem ", "")] {
        let case = || unit(&[(CHDIR, &format!("{CHDIR}    {flag}\\\n"))]);
        let repair = Repair::of(case()).rule("U104");
        repair.in_place().becomes(UNIT, &format!("    {flag}\\\n"), gone);
        let mixed = "[Service]\nExecStart=\n".to_owned()
            + "ExecStart=/srv/myapp/.venv/bin/gunicorn \\\n    --workers 3 \\\n"
            + CHDIR
            + "    --bind unix:/run/myapp/gunicorn.sock \\\n    wsgi:app\n";
        repair.drop_in().only(&[(OURS, &mixed)]);
    }
    let file = "/srv/myapp/releases/2026-04-21/gunicorn.conf.py";
    let case = || Case::healthy().file(file, "import os\nif True:\n    daemon = True  # why\n");
    mends("U104", case, file, "daemon = True", "daemon = False");
    for (before, after) in [
        ("GUNICORN_CMD_ARGS=\"-D --threads 1\"\n", "GUNICORN_CMD_ARGS=\"--threads 1\"\n"),
        ("GUNICORN_CMD_ARGS=--threads 1 --daemon\n", "GUNICORN_CMD_ARGS=--threads 1\n"),
    ] {
        let case =
            || {
                Case::healthy()
                    .replace(ENVIRONMENT, "SECRET_KEY", &format!("{before}SECRET_KEY"))
                    .own(ENVIRONMENT, 0o640, 0, 0)
            };
        mends("U104", case, ENVIRONMENT, before, after);
    }
    // A forking unit.
    let types = ("Type=notify\nNotifyAccess=main", "Type=forking\nPIDFile=/run/myapp/g.pid");
    let repair = Repair::of(unit(&[types])).rule("U104");
    repair.in_place().becomes(UNIT, types.1, types.0);
    repair.drop_in().only(&[(OURS, "[Service]\nType=notify\nNotifyAccess=main\nPIDFile=\n")]);
    let daemon = (CHDIR, &*format!("{CHDIR}    --daemon \\\n"));
    Repair::of(unit(&[types, daemon])).rule("U104").in_place().only(&[(
        UNIT,
        &String::from_utf8(
            std::fs::read("testdata/healthy/etc/systemd/system/myapp.service").unwrap(),
        )
        .unwrap(),
    )]);
}

#[test]
fn chdir_goes_through_the_link() {
    let repair = Repair::of(unit(&[(CHDIR, "")])).rule("U113");
    repair.in_place().becomes(UNIT, START, &format!("{START} --chdir /srv/myapp/current"));
    let ours = "[Service]\nExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn --chdir \
                /srv/myapp/current \\\n    --workers 3 \\\n    --bind \
                unix:/run/myapp/gunicorn.sock \\\n    wsgi:app\n";
    repair.drop_in().only(&[(OURS, ours)]);
    // `python -m gunicorn`, and a shell's text.
    let line = LINE.replace(" --chdir /srv/myapp/current", "");
    let module = line.replace("bin/gunicorn", "bin/python -m gunicorn");
    let start = |line: &str| drop_in(&format!("[Service]\nExecStart=\nExecStart={line}\n"));
    let added = "-m gunicorn --chdir /srv/myapp/current --workers";
    mends("U113", || start(&module), DROP_IN, "-m gunicorn --workers", added);
    let text = format!("/bin/sh -c 'exec {line}'");
    let added = "gunicorn --chdir /srv/myapp/current --workers";
    mends("U113", || start(&text), DROP_IN, "gunicorn --workers", added);
    // One that names the release.
    let release = "/srv/myapp/releases/2026-04-21";
    for wrong in [format!("--chdir={release}/"), "--chdir .".to_owned()] {
        let case = || start(&LINE.replace("--chdir /srv/myapp/current", &wrong));
        let value = wrong.trim_start_matches("--chdir").trim_start_matches(['=', ' ']);
        let right = wrong.replace(value, "/srv/myapp/current");
        mends("U113", case, DROP_IN, &wrong, &right);
    }
    let file = "/srv/myapp/releases/2026-04-21/gunicorn.conf.py";
    let case = || {
        let text = format!("chdir = '{release}'\n");
        unit(&[(CHDIR, "")]).file(file, text)
    };
    mends("U113", case, file, release, "/srv/myapp/current");
    // From a variable.
    let case = || {
        start(&LINE.replace("--chdir /srv/myapp/current", "--chdir ${CODE}"))
            .replace(ENVIRONMENT, "SECRET_KEY", &format!("CODE={release}\nSECRET_KEY"))
            .own(ENVIRONMENT, 0o640, 0, 0)
    };
    mends("U113", case, ENVIRONMENT, release, "/srv/myapp/current");
    // A repository's unit.
    let given = Given { units: vec![UNIT.into()], ..Given::default() };
    let repair = Repair::of(unit(&[(CHDIR, "")])).rule("U113").given(given);
    repair.in_place().becomes(UNIT, START, &format!("{START} --chdir /srv/myapp/current"));
}
