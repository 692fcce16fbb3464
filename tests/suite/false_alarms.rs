//! Wrong alarms that were found on real files (`docs/false-alarms.md`), as small cases that stay
//! silent, each with its neighbour that must not.

use crate::support::case::{Case, Seen};
use deploy_doctor::facts::Given;
use deploy_doctor::rule::Severity;

const UNIT: &str = "/repo/web.service";

/// `check --unit web.service`, with other files beside it.
fn unit(text: &str, others: &[(&str, &str)]) -> Seen {
    let mut case = Case::empty().file(UNIT, text);
    let mut given = Given { units: vec![UNIT.into()], ..Given::default() };
    for (path, text) in others {
        case = case.file(path, text);
        given.units.push(path.into());
    }
    case.check_files(given)
}

const ACTIVATED: &str = "[Unit]\nRequires=web.socket\n[Service]\nUser=ubuntu\nPrivateTmp=true\n\
                         ExecStart=/srv/venv/bin/gunicorn --bind unix:/run/web.sock wsgi:app\n";

/// The layout of a much copied tutorial: `gunicorn.socket` makes `/run/gunicorn.sock` as root and
/// hands it over, and the `--bind` beside it is not used.
#[test]
fn a_socket_unit_that_was_not_given_makes_the_bind_unknown() {
    let seen = unit(ACTIVATED, &[]);
    seen.skipped("U117");
    let reason = seen.skips.iter().find(|skip| skip.0 == "U117").map(|skip| skip.1.text());
    assert!(reason.is_some_and(|reason| reason.contains("web.socket")), "{reason:?}");

    let seen = unit(&ACTIVATED.replace("/run/", "/tmp/"), &[]);
    seen.skipped("U118");
}

#[test]
fn a_socket_unit_that_was_given_makes_the_socket_itself() {
    let socket = "[Socket]\nListenStream=/run/web.sock\n[Install]\nWantedBy=sockets.target\n";
    unit(ACTIVATED, &[("/repo/web.socket", socket)]).passes("U117");
}

#[test]
fn without_a_socket_unit_the_bind_is_gunicorns_own() {
    let seen = unit(&ACTIVATED.replace("Requires=web.socket", "After=network.target"), &[]);
    seen.only("U117").at(UNIT, 6);
}

#[test]
fn a_script_that_runs_once_is_no_server() {
    let backup = "[Service]\nType=oneshot\nExecStart=/srv/web/backup.sh\n";
    let seen = unit(backup, &[]);
    assert!(seen.hits.is_empty(), "{seen:#?}");
    assert!(seen.problems[0].contains("does not run gunicorn"), "{:?}", seen.problems);
}

#[test]
fn a_script_that_stays_is_judged() {
    let start = "[Service]\nType=simple\nExecStart=/srv/web/start.sh\n";
    unit(start, &[]).only("U101");
}

/// systemd stops at the first fatal line: ExecStart= below it is not read, and that is the fault,
/// not that the unit runs something else.
#[test]
fn a_unit_that_systemd_refuses_before_exec_start_is_judged_all_the_same() {
    let refused = "[Service]\nWorkingDirectory=app/src\nExecStart=/srv/venv/bin/gunicorn wsgi:app\n\
                   ExecReload=/bin/kill -HUP $MAINPID\n";
    let seen = unit(refused, &[]);
    seen.only("U128").at(UNIT, 2);
    assert!(seen.of("U101").is_empty(), "{seen:#?}");
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
}

#[test]
fn a_placeholder_in_angle_brackets_is_no_relative_path() {
    let template = "[Service]\nWorkingDirectory=<project_path>/src\n\
                    ExecStart=/srv/venv/bin/gunicorn wsgi:app\n";
    assert!(unit(template, &[]).of("U128").is_empty());
    unit(&template.replace(['<', '>'], ""), &[]).only("U128");
}

/// A service unit given by itself, with this in place of its `ExecStart=`.
fn started(lines: &str) -> Seen {
    unit(&format!("[Service]\nUser=www-data\n{lines}\nRestart=always\n"), &[])
}

#[test]
fn a_placeholder_is_never_guessed() {
    let start = "ExecStart=/srv/venv/bin/gunicorn -w 3 wsgi:app";
    for directory in ["${X}/app", "$X/app", "{{ x }}", "@X@/app", "__X__/app", "<%= x %>/app"] {
        let seen = started(&format!("WorkingDirectory={directory}\n{start}"));
        assert!(seen.of("U128").is_empty() && seen.of("U112").is_empty(), "{seen:#?}");
    }
    for program in [
        "@X@/bin/gunicorn",
        "@GUNICORN@",
        "-@X@/bin/gunicorn",
        "{{ x }}/bin/gunicorn",
        "{{x}}/bin/gunicorn",
        "{{ x | default('/srv') }}/bin/gunicorn",
        "${X}/bin/gunicorn",
        "<venv>/bin/gunicorn",
        "__X__/bin/gunicorn",
    ] {
        let seen = started(&format!("ExecStart={program} -w 3 wsgi:app"));
        let wrong = ["U103", "U124", "U128"].into_iter().find(|code| !seen.of(code).is_empty());
        assert_eq!(wrong, None, "{program}: {seen:#?}");
    }
    // Without one, the same lines are judged.
    started(&format!("WorkingDirectory=X/app\n{start}")).only("U128");
    started("ExecStart=X/bin/gunicorn -w 3 wsgi:app").only("U124");
    started("ExecStart=@X/bin/gunicorn gunicorn -w 3 wsgi:app").only("U124");
    started("ExecStart=/bin/sh -c '/srv/venv/bin/gunicorn -w 3 wsgi:app; true'").only("U103");
}

#[test]
fn a_restart_beside_a_socket_unit_loses_nothing() {
    let socket = "[Socket]\nListenStream=/run/web.sock\n[Install]\nWantedBy=sockets.target\n";
    let given = unit(ACTIVATED, &[("/repo/web.socket", socket)]);
    let hit = given.only("U101").says("fails");
    assert!(!hit.message.contains("restart"), "{hit:#?}");
    // Of one that was not given it is not known, and without one it does lose them.
    unit(ACTIVATED, &[]).only("U101").says("may drop requests");
    let alone = ACTIVATED.replace("Requires=web.socket", "After=network.target");
    unit(&alone, &[]).only("U101").says("a restart drops requests");
}

#[test]
fn what_nothing_reloads_keeps_no_old_release_over_a_reload() {
    const UNIT: &str = "/etc/systemd/system/myapp.service";
    let case = || Case::healthy().replace(UNIT, "    --chdir /srv/myapp/current \\\n", "");
    case().check().only("U113");
    let without = case().replace(UNIT, "ExecReload=/bin/kill -s HUP $MAINPID\n", "").check();
    without.only("U101");
    without.passes("U113");
    let by_type = case().replace(UNIT, "ExecReload=/bin/kill -s HUP $MAINPID\n", "").replace(
        UNIT,
        "Type=notify",
        "Type=notify-reload",
    );
    by_type.check().only("U113");
}

#[test]
fn flask_env_is_judged_where_something_reads_it() {
    const ENV: &str = "/etc/myapp.env";
    let packages = "/srv/myapp/.venv/lib/python3.11/site-packages";
    let case = || {
        Case::healthy().file(
            ENV,
            "SECRET_KEY=9f2c1b7e5d8a4f03\nDATABASE_URL=sqlite://\nFLASK_ENV=development\n",
        )
    };
    case().check().passes("E408");
    let code = "import os\nfrom flask import Flask\napp = Flask(__name__)\n\
                app.testing = os.getenv('FLASK_ENV') == 'development'\n";
    case().in_release("wsgi.py", code).check().only("E408").at(ENV, 3);
    let old = case()
        .remove(&format!("{packages}/flask-3.0.3.dist-info"))
        .file(
            &format!("{packages}/flask-2.2.5.dist-info/METADATA"),
            "Metadata-Version: 2.1\nName: Flask\nVersion: 2.2.5\n",
        )
        .check();
    old.only("E408").at(ENV, 3);
    // Of a unit and its environment file alone, neither is known.
    let service = "[Service]\nEnvironmentFile=/etc/web.env\n\
                   ExecStart=/srv/venv/bin/gunicorn -w 3 wsgi:app\n";
    let seen = Case::empty()
        .file(UNIT, service)
        .file("/repo/web.env", "FLASK_ENV=development\n")
        .check_files(Given {
            units: vec![UNIT.into()],
            env_files: vec!["/repo/web.env".into()],
            ..Given::default()
        });
    seen.skipped("E408");
}

#[test]
fn a_comment_behind_the_working_directory_is_not_to_be_typed() {
    const UNIT: &str = "/etc/systemd/system/myapp.service";
    let seen = Case::healthy()
        .replace(
            UNIT,
            "WorkingDirectory=/srv/myapp/current",
            "WorkingDirectory=/srv/myapp/current # the link",
        )
        .check();
    let hit = seen.only("U112").says("is part of the path");
    assert!(!hit.help.contains("the link") && hit.help.contains("its own line"), "{hit:#?}");
    let missing = Case::healthy()
        .replace(UNIT, "WorkingDirectory=/srv/myapp/current", "WorkingDirectory=/srv/myapp/curent")
        .check();
    missing.only("U112").helps("install -d");
}

/// What the next line would have said is lost, and that is the fault.
#[test]
fn lines_that_systemd_loses_make_no_mismatch() {
    const UNIT: &str = "/etc/systemd/system/myapp.service";
    let cut = Case::healthy().replace(UNIT, "--workers 3 \\\n", "--workers 3 \\ \n").check();
    assert!(!cut.of("U128").is_empty(), "{cut:#?}");
    cut.skipped("N301");
    let other = Case::healthy().replace(UNIT, "/gunicorn.sock", "/other.sock").check();
    other.only("N301");
}

/// One file for development and one for production: nginx loads one of them, and files do not tell.
#[test]
fn one_group_in_two_files_is_an_error_only_where_both_are_loaded() {
    let site = |name: &str| {
        format!(
            "upstream app {{ server unix:/run/web.sock; }}\n\
             server {{ listen 80; server_name {name}; location / {{ proxy_pass http://app; }} }}\n"
        )
    };
    let judged = |main: Option<&str>| {
        let mut given = Given::default();
        let mut case = Case::empty();
        if let Some(main) = main {
            case = case.file("/repo/nginx.conf", main);
            given.nginx.push("/repo/nginx.conf".into());
        }
        for name in ["dev", "prod"] {
            case = case.file(&format!("/repo/{name}.conf"), site(name));
            given.nginx.push(format!("/repo/{name}.conf").into());
        }
        case.check_files(given)
    };
    let severity = |seen: &Seen| {
        let hit = seen.hits.iter().find(|hit| hit.code == "N317").expect("N317");
        hit.severity
    };
    assert_eq!(severity(&judged(None)), Severity::Warning);
    let both = "events {}\nhttp { include dev.conf; include prod.conf; }\n";
    assert_eq!(severity(&judged(Some(both))), Severity::Error);
}
