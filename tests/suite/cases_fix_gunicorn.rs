//! What the fixes of the rules on gunicorn make of files, form by form.

use case::{Case, RELEASE};
use fix::{DROP_IN, ENVIRONMENT, OURS, Repair, UNIT, is_manual};

use crate::support::case;
use crate::support::fix;

const SECRETS: &str = "SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\n\
                       DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db\n";
const REST: &str = "--chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app";

fn config() -> String {
    format!("{RELEASE}/gunicorn.conf.py")
}

/// A drop-in with these lines.
fn unit(lines: &str) -> Case {
    Case::healthy().file(DROP_IN, format!("[Service]\n{lines}"))
}

/// gunicorn started with these arguments before the others.
fn started(arguments: &str) -> String {
    format!("ExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn {arguments} {REST}\n")
}

fn environment(case: Case, lines: &str) -> Case {
    case.file(ENVIRONMENT, format!("{SECRETS}{lines}")).own(ENVIRONMENT, 0o640, 0, 0)
}

/// In the drop-in `from` becomes `to`, wherever a unit's changes go.
#[track_caller]
fn in_drop_in(code: &str, from: &str, to: &str) {
    let repair = Repair::of(unit(&started(from))).rule(code);
    let after = format!("[Service]\n{}", started(to));
    repair.in_place().only(&[(DROP_IN, &after)]);
    repair.drop_in().only(&[(DROP_IN, &after)]);
}

#[test]
fn the_number_of_workers_is_changed_in_every_form_of_the_flag() {
    for (from, to) in [
        ("--workers 1", "--workers 3"),
        ("--workers=1", "--workers=3"),
        ("-w 1", "-w 3"),
        ("-w1", "-w3"),
        ("-w=1", "-w=3"),
        ("\"-w1\"", "\"-w3\""),
        ("-w \"1\"", "-w \"3\""),
        ("--workers='1'", "--workers='3'"),
        ("\"--workers\" \\\n    1 \\\n   ", "\"--workers\" \\\n    3 \\\n   "),
        ("-w 4 -w\t1", "-w 4 -w\t3"),
        ("--workers 01", "--workers 3"),
    ] {
        in_drop_in("G201", from, to);
    }
}

#[test]
fn a_fragments_number_of_workers_is_changed_in_a_drop_in() {
    let case = || Case::healthy().replace(UNIT, "--workers 3", "--workers 1");
    let repair = Repair::of(case()).rule("G201");
    repair.in_place().becomes(UNIT, "--workers 1", "--workers 3");
    let repaired = repair.drop_in();
    let text = repaired.text(OURS);
    assert!(text.starts_with("[Service]\nExecStart=\nExecStart=/srv"), "{text}");
    assert!(text.contains("--workers 3"), "{text}");
    assert_eq!(repaired.paths(), [OURS]);
}

#[test]
fn windows_ends_of_lines_stay() {
    let before = format!("[Service]\r\n{}", started("-w 1").replace('\n', "\r\n"));
    let repair = Repair::of(Case::healthy().file(DROP_IN, &before)).rule("G201");
    repair.in_place().only(&[(DROP_IN, &before.replace("-w 1", "-w 3"))]);
}

#[test]
fn the_number_of_workers_is_changed_where_it_comes_from() {
    // The environment file, by gunicorn's own variable.
    for (from, to) in [
        ("WEB_CONCURRENCY=1\n", "WEB_CONCURRENCY=3\n"),
        ("WEB_CONCURRENCY = \"1\"\r\n", "WEB_CONCURRENCY = \"3\"\r\n"),
    ] {
        let repair = Repair::of(environment(unit(&started("")), from)).rule("G201");
        repair.drop_in().becomes(ENVIRONMENT, from, to);
    }
    // The unit's Environment=.
    let lines = format!("Environment=A=1 'WEB_CONCURRENCY=1' B=2\n{}", started(""));
    let repair = Repair::of(unit(&lines)).rule("G201");
    repair.in_place().becomes(DROP_IN, "WEB_CONCURRENCY=1", "WEB_CONCURRENCY=3");
    // A variable on the command line.
    for word in ["${WORKERS}", "$WORKERS"] {
        let case = environment(unit(&started(&format!("-w {word}"))), "WORKERS='1' \n");
        Repair::of(case).rule("G201").in_place().becomes(ENVIRONMENT, "'1'", "'3'");
    }
    // The configuration file.
    let text = "import os\n\nworkers = 1  # for now\nthreads = 1\n";
    let repair = Repair::of(unit(&started("")).file(&config(), text)).rule("G201");
    repair.in_place().becomes(&config(), "workers = 1", "workers = 3");
    // GUNICORN_CMD_ARGS, between other quoted words.
    let line = "GUNICORN_CMD_ARGS=\"--name 'my app' -w 1 --capture-output\"\n";
    let repair = Repair::of(environment(unit(&started("")), line)).rule("G201");
    repair.in_place().becomes(ENVIRONMENT, "-w 1", "-w 3");
}

#[test]
fn where_nothing_sets_the_number_of_workers_an_argument_does() {
    in_drop_in("G201", "--threads 1", "--workers 3 --threads 1");
    let through = |program: &str, arguments: &str| {
        format!("ExecStart=\nExecStart={program} {arguments}--threads 1 {REST}\n")
    };
    for program in [
        "/srv/myapp/.venv/bin/python -m gunicorn",
        "\"/srv/myapp/.venv/bin/gunicorn\"",
        "/usr/bin/env A=1 /srv/myapp/.venv/bin/gunicorn",
    ] {
        let repair = Repair::of(unit(&through(program, ""))).rule("G201");
        let after = format!("[Service]\n{}", through(program, "--workers 3 "));
        repair.in_place().only(&[(DROP_IN, &after)]);
    }
}

#[test]
fn a_wrapper_script_is_changed_where_it_starts_gunicorn() {
    const SCRIPT: &str = "/srv/myapp/bin/start";
    let text = |workers: &str| {
        format!("#!/bin/sh\n# start\nexec /srv/myapp/.venv/bin/gunicorn {workers}{REST}\n")
    };
    for (from, to) in [("-w 1 ", "-w 3 "), ("", "--workers 3 ")] {
        let case = unit(&format!("ExecStart=\nExecStart={SCRIPT}\n"))
            .file(SCRIPT, text(from))
            .own(SCRIPT, 0o755, 0, 0);
        Repair::of(case).rule("G201").drop_in().only(&[(SCRIPT, &text(to))]);
    }
    let inside = |workers: &str| {
        format!(
            "ExecStart=\nExecStart=/bin/sh -c 'exec /srv/myapp/.venv/bin/gunicorn {workers}{REST}'\n"
        )
    };
    let repair = Repair::of(unit(&inside("--workers=1 "))).rule("G201");
    repair.in_place().only(&[(DROP_IN, &format!("[Service]\n{}", inside("--workers=3 ")))]);
}

#[test]
fn a_change_that_is_not_made_says_why() {
    let unit = unit(&started("")).file(&config(), "workers = threads = 1\n");
    let repair = Repair::of(unit).rule("G201");
    let left = &repair.in_place().plan.left;
    let why = left.first().and_then(|left| left.proposal.refused.as_deref());
    let wanted = "the file does more with workers than set it on its own line";
    assert_eq!(why, Some(wanted));
}

#[test]
fn what_a_number_is_made_of_is_not_guessed() {
    let python = |text: &str| unit(&started("")).file(&config(), text);
    is_manual(python("import os\nworkers = int(os.environ.get('WORKERS', 1))\n"), "G201");
    is_manual(python("workers = threads = 1\n"), "G201");
    is_manual(python("workers = 1\nthreads = workers * 2\n"), "G201");
    is_manual(python("one = 1\nworkers = one\n"), "G201");
    is_manual(python("workers = 1; threads = 2\n"), "G201");
    // A part of a variable's value on the command line.
    is_manual(environment(unit(&started("$OPTIONS")), "OPTIONS=-w 1\n"), "G201");
    // An escape in the value.
    let line = "GUNICORN_CMD_ARGS=\"--name \\\"a\\\" -w 1\"\n";
    is_manual(environment(unit(&started("")), line), "G201");
}

#[test]
fn a_switch_goes_with_its_blanks_wherever_it_stands() {
    for (code, flag) in [("G203", "--preload"), ("G204", "--reload")] {
        for (from, to) in [
            (format!("-w 3 {flag} --threads 1"), "-w 3 --threads 1"),
            (format!("{flag} -w 3"), "-w 3"),
            (format!("-w 3 \\\n    {flag} \\\n   "), "-w 3 \\\n   "),
            (format!("-w 3 {flag} --threads 1 {flag}"), "-w 3 --threads 1"),
        ] {
            in_drop_in(code, &from, to);
        }
    }
}

#[test]
fn a_switch_goes_from_the_variable_that_holds_it() {
    for (from, to) in [
        ("GUNICORN_CMD_ARGS=--reload\n", "GUNICORN_CMD_ARGS=\n"),
        ("GUNICORN_CMD_ARGS=--reload --threads 1\n", "GUNICORN_CMD_ARGS=--threads 1\n"),
        ("GUNICORN_CMD_ARGS=\"--threads 1 --reload\"\n", "GUNICORN_CMD_ARGS=\"--threads 1\"\n"),
        (
            "GUNICORN_CMD_ARGS=\"--threads 1  --reload --name 'a b'\"\r\n",
            "GUNICORN_CMD_ARGS=\"--threads 1 --name 'a b'\"\r\n",
        ),
    ] {
        let repair = Repair::of(environment(Case::healthy(), from)).rule("G204");
        repair.drop_in().becomes(ENVIRONMENT, from, to);
    }
    let repair =
        Repair::of(unit("Environment=\"GUNICORN_CMD_ARGS=--reload --threads 1\"\n")).rule("G204");
    repair.in_place().becomes(DROP_IN, "--reload ", "");
}

#[test]
fn a_switch_is_off_only_when_it_is_off_everywhere() {
    let case = unit(&started("-w 3 --reload"))
        .file(&config(), "# reload = True\nreload = True # for now\n");
    Repair::of(case).rule("G204").in_place().only(&[
        (DROP_IN, &format!("[Service]\n{}", started("-w 3"))),
        (&config(), "# reload = True\nreload = False # for now\n"),
    ]);
    let python = |text: &str| Case::healthy().file(&config(), text);
    is_manual(python("import os\nreload = bool(os)\nreload = not False\n"), "G204");
    is_manual(python("preload_app = daemon = True\n"), "G203");
    is_manual(python("debug = True\nif debug: preload_app = True\n"), "G203");
    let repair = Repair::of(python("if True:\n    preload_app = 'true'\n")).rule("G203");
    repair.in_place().becomes(&config(), "'true'", "False");
    Repair::of(python("preload_app = True\n")).rule("G203").safe().in_place().is_unsafe();
}

#[test]
fn a_longer_grace_is_given_where_it_was_set_and_systemd_waits_for_it() {
    let case = |stop: &str| unit(&format!("{}{stop}", started("-w 3 -t 100")));
    let with =
        |stop: &str| format!("[Service]\n{}{stop}", started("--graceful-timeout 100 -w 3 -t 100"));
    // The fragment says TimeoutStopSec=40.
    let repair = Repair::of(case("")).rule("G206");
    let repaired = repair.drop_in();
    repaired.only(&[(DROP_IN, &with("")), (OURS, "[Service]\nTimeoutStopSec=110\n")]);
    let unit_after = {
        let repaired = repair.in_place();
        assert_eq!(repaired.text(DROP_IN), with(""));
        repaired.text(UNIT)
    };
    assert!(unit_after.contains("\nTimeoutStopSec=110\n"), "{unit_after}");
    for (from, to) in [
        ("TimeoutStopSec=1min\n", "TimeoutStopSec=110\n"),
        ("TimeoutSec=50\n", "TimeoutSec=110\n"),
        ("TimeoutStopSec=5min\n", "TimeoutStopSec=5min\n"),
        ("TimeoutStopSec=infinity\n", "TimeoutStopSec=infinity\n"),
    ] {
        Repair::of(case(from)).rule("G206").in_place().only(&[(DROP_IN, &with(to))]);
    }
    Repair::of(case("")).rule("G206").safe().in_place().is_unsafe();
    // Where a variable says how long, its value is not written elsewhere.
    let case = environment(
        unit(&format!("{}TimeoutStopSec=5min\n", started("-w 3 -t ${LONG}"))),
        "LONG=47\n",
    );
    is_manual(case, "G206");
}
