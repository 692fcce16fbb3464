//! Deployments that the rules of the unit judge, beyond the examples in their documentation:
//! values from drop-ins, configuration files and environment files, files of a repository, healthy
//! near misses.

use std::path::PathBuf;

use crate::support::case::{Case, Hit, Place, Seen};
use deploy_doctor::engine::{self, Settings};
use deploy_doctor::facts::{self, Given, Request, Scope};
use deploy_doctor::host::FilesHost;
use deploy_doctor::rule::Severity;
use deploy_doctor::rules;
use deploy_doctor::source::Sources;

const RELEASE: &str = "/srv/myapp/releases/2026-04-21";

const UNIT: &str = "/etc/systemd/system/myapp.service";
const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/10-local.conf";

/// The healthy deployment with a drop-in.
fn drop_in(text: &str) -> Seen {
    Case::healthy().file(DROP_IN, text).check()
}

/// A whole unit in the healthy deployment; `{}` of the text is gunicorn's path.
fn unit(service: &str) -> Case {
    let text = format!(
        "[Service]\nType=notify\nNotifyAccess=main\nUser=www-data\nGroup=www-data\n\
         WorkingDirectory=/srv/myapp/current\nEnvironmentFile=/etc/myapp.env\n\
         ExecReload=/bin/kill -s HUP $MAINPID\nTimeoutStopSec=40\nRestart=always\n{}\n\
         [Install]\nWantedBy=multi-user.target\n",
        service.replace("{}", "/srv/myapp/.venv/bin/gunicorn")
    );
    Case::healthy().file(UNIT, text)
}

/// Files of a repository, as `--unit` takes them.
fn files(units: &[(&str, &str)]) -> Seen {
    let directory = tempfile::tempdir().unwrap();
    let units: Vec<PathBuf> = units
        .iter()
        .map(|(name, text)| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect();
    let host = FilesHost::new("/".into(), &units).unwrap();
    let sources = Sources::new(&host);
    let scope = Scope::Files(Given { units, ..Given::default() });
    let request = Request { apps: Vec::new(), scope, database_revision: None };
    let deployment = facts::read(&sources, &request);
    let outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
    let findings = outcome.findings.iter().map(|reported| {
        let finding = &reported.finding;
        let places = finding.labels.iter().map(|label| {
            let file = sources.file(label.span.file);
            let name = file.path.file_name().unwrap().to_string_lossy().into_owned();
            let line = file.position(label.span.start).line;
            Place { file: name, line, note: label.note.clone() }
        });
        Hit {
            code: finding.rule.code,
            severity: finding.severity,
            message: finding.message.clone(),
            help: finding.help.clone(),
            places: places.collect(),
            app: finding.app.clone(),
            evidence: Vec::new(),
        }
    });
    Seen {
        hits: findings.collect(),
        skips: outcome.skips.iter().map(|skip| (skip.code, skip.reason.clone())).collect(),
        problems: deployment.problems.iter().map(|p| p.message.clone()).collect(),
        apps: Vec::new(),
        exit: u8::from(outcome.reaches(Severity::Error)),
    }
}

/// File and line of the primary place.
fn place(finding: &Hit) -> (&str, usize) {
    (&finding.places[0].file, finding.places[0].line)
}

#[test]
fn a_drop_in_that_takes_exec_reload_away_is_where_it_is_missing() {
    let seen = drop_in("[Service]\r\nExecReload=\r\n");
    assert_eq!(place(seen.only("U101")), (DROP_IN, 2));
    drop_in("[Service]\r\nExecReload=\r\nExecReload=/bin/kill -HUP $MAINPID\r\n").passes("U101");
}

#[test]
fn type_notify_reload_needs_no_exec_reload() {
    drop_in("[Service]\nExecReload=\nType=notify-reload\n").passes("U101");
}

#[test]
fn a_drop_in_cut_by_a_fault_proves_nothing_absent() {
    let seen =
        drop_in("[Service]\nExecReload=\n[Service] # again\nExecReload=/bin/kill -HUP $MAINPID\n");
    seen.skipped("U101");
    assert_eq!(place(seen.only("U128")), (DROP_IN, 3));
}

#[test]
fn reloads_that_do_not_reload() {
    let cases = [
        ("/bin/kill -TERM $MAINPID", "takes the site down"),
        ("/bin/kill $MAINPID", "SIGTERM"),
        ("/bin/kill -9 $MAINPID", "SIGKILL"),
        ("/bin/kill -s USR1 $MAINPID", "the old code keeps running"),
        ("/bin/kill -HUP -${MAINPID}", "process group"),
        ("/usr/bin/killall -HUP gunicorn", "killall"),
        ("/bin/sh -c 'kill -HUP $(pgrep -o gunicorn)'", "by a name"),
        ("/bin/systemctl restart myapp", "`restart`"),
        ("/bin/sh -c 'systemctl reload myapp.service'", "waits for itself"),
        ("/bin/true", "sends gunicorn no signal"),
        ("/bin/kill -HUP 4711", "4711"),
        (":/bin/kill -HUP $MAINPID", "not $MAINPID"),
    ];
    for (command, part) in cases {
        let seen = drop_in(&format!("[Service]\nExecReload=\nExecReload={command}\n"));
        let finding = seen.only("U102");
        assert!(finding.message.contains(part), "{command}: {}", finding.message);
        assert_eq!(finding.severity, Severity::Error, "{command}");
        assert_eq!(place(finding), (DROP_IN, 3), "{command}");
    }
}

#[test]
fn reloads_that_reload() {
    let cases = [
        "-/bin/kill -s HUP $MAINPID",
        "/bin/kill --signal SIGHUP ${MAINPID}",
        "/bin/kill -n 1 $MAINPID",
        "/bin/sh -c 'kill -HUP $MAINPID'",
        "/bin/sh -c \"kill -HUP $$MAINPID && echo done\"",
        "/usr/bin/env kill -HUP $MAINPID",
    ];
    for command in cases {
        drop_in(&format!("[Service]\nExecReload=\nExecReload={command}\n")).passes("U102");
    }
    let seen = drop_in("[Service]\nExecReload=\nExecReload=/srv/myapp/reload.sh\n");
    seen.skipped("U102");
}

#[test]
fn wrappers_are_judged_by_what_they_were_measured_to_do() {
    let start_as = |kind: &str, command: &str| {
        let mut case = unit(&format!("RuntimeDirectory=myapp\nType={kind}\nExecStart={command}"));
        for shell in ["/bin/dash", "/bin/bash", "/usr/bin/uv", "/usr/bin/poetry"] {
            case = case.file(shell, "").own(shell, 0o755, 0, 0);
        }
        case.link("/bin/sh", "dash").check()
    };
    let start = |command: &str| start_as("exec", command);
    let rest = "--chdir /srv/myapp/current -w 3 -b unix:/run/myapp/gunicorn.sock wsgi:app";
    let gunicorn = format!("/srv/myapp/.venv/bin/gunicorn {rest}");
    for command in [
        format!("/bin/sh -c '{gunicorn}'"),
        format!("/bin/bash -c 'sleep 1; {gunicorn}; echo gone'"),
        format!("/bin/bash -c '{gunicorn} > /tmp/log'"),
    ] {
        let seen = start(&command);
        let finding = seen.only("U103");
        assert_eq!(finding.severity, Severity::Error, "{command}");
        assert!(finding.message.contains("takes the site down"), "{}", finding.message);
        assert_eq!(place(finding), (UNIT, 13), "{command}");
        // READY=1 of a child is not heard, so it does not get that far.
        for kind in ["notify", "notify\nNotifyAccess=exec"] {
            let seen = start_as(kind, &command);
            seen.only("U103").is(Severity::Error).says("the start times out");
        }
        start_as("notify\nNotifyAccess=all", &command).only("U103").says("takes the site down");
    }
    for command in [
        format!("/bin/sh -c 'exec {gunicorn}'"),
        format!("/bin/bash -c 'echo starting && {gunicorn}'"),
        format!("/usr/bin/poetry run {gunicorn}"),
    ] {
        start(&command).passes("U103");
    }
    start(&format!("/usr/bin/uv run {gunicorn}")).passes("U103");
    let seen = start_as("notify", &format!("/usr/bin/uv run {gunicorn}"));
    assert!(seen.only("U103").message.contains("Type=notify listens to `uv run`"));
}

#[test]
fn which_shell_sh_is_decides() {
    let seen = files(&[(
        "a.service",
        "[Service]\nExecStart=/bin/sh -c 'gunicorn a:b'\nExecReload=/bin/kill -HUP $MAINPID\n",
    )]);
    let finding = seen.only("U103");
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.message.contains("bash or dash"), "{}", finding.message);
}

#[test]
fn a_reload_by_pid_file_goes_past_the_shell() {
    let seen = files(&[(
        "a.service",
        "[Service]\nExecStart=/bin/dash -c 'gunicorn --pid /run/a/a.pid a:b'\n\
         ExecReload=/bin/sh -c 'kill -HUP $(cat /run/a/a.pid)'\n",
    )]);
    let finding = seen.only("U103");
    finding.is(Severity::Warning).says("a stop kills requests");
}

#[test]
fn daemon_in_the_configuration_file() {
    let case = unit("RuntimeDirectory=myapp\nExecStart={} -c /etc/gunicorn.py wsgi:app");
    let seen = case
        .file(
            "/etc/gunicorn.py",
            "workers = 3\ndaemon = True\nbind = 'unix:/run/myapp/gunicorn.sock'\n",
        )
        .check();
    let finding = seen.only("U104");
    assert_eq!(place(finding), ("/etc/gunicorn.py", 2));
    assert!(finding.message.contains("Type=notify"), "{}", finding.message);
}

#[test]
fn forking_wants_the_pid_file_that_gunicorn_writes() {
    let of = |pid: &str| {
        unit(&format!(
            "Type=forking\nPIDFile=/run/myapp/a.pid\nRuntimeDirectory=myapp\nExecStart={{}} -D \
             --pid {pid} -w 3 -b unix:/run/myapp/gunicorn.sock --chdir /srv/myapp/current wsgi:app"
        ))
        .check()
    };
    of("/var/run/myapp/a.pid").passes("U104");
    assert!(of("/run/myapp/b.pid").only("U104").message.contains("another pid file"));
}

#[test]
fn restart_policies() {
    assert_eq!(place(drop_in("[Service]\nRestart=no\n").only("U107")), (DROP_IN, 2));
    // A value that systemd ignores leaves what was there.
    drop_in("[Service]\nRestart=never\n").passes("U107");
    drop_in("[Service]\nRestart=on-failure\n").passes("U107");
    let socket = "[Socket]\nListenStream=/run/myapp/gunicorn.sock\n";
    Case::healthy()
        .file("/etc/systemd/system/myapp.socket", socket)
        .file(DROP_IN, "[Service]\nRestart=no\n")
        .check()
        .passes("U107");
}

#[test]
fn kill_modes() {
    assert_eq!(drop_in("[Service]\nKillMode=none\n").only("U109").severity, Severity::Error);
    assert_eq!(drop_in("[Service]\nKillMode=process\n").only("U109").severity, Severity::Warning);
    drop_in("[Service]\nKillMode=control-group\n").passes("U109");
}

#[test]
fn the_stop_timeout_is_held_against_gunicorns() {
    let seen = Case::healthy()
        .file(&format!("{RELEASE}/gunicorn.conf.py"), "graceful_timeout = 120\n")
        .check();
    let finding = seen.only("U110");
    assert_eq!(place(finding), (UNIT, 20));
    assert_eq!(finding.places[1].file, "/srv/myapp/releases/2026-04-21/gunicorn.conf.py");
    assert!(finding.message.contains("120 s"), "{}", finding.message);
    let default = Case::healthy()
        .file("/etc/systemd/system.conf", "[Manager]\nDefaultTimeoutStopSec=10s\n")
        .file(UNIT, unit_text().replace("TimeoutStopSec=40\n", ""))
        .check();
    assert_eq!(place(default.only("U110")), ("/etc/systemd/system.conf", 2));
    drop_in("[Service]\nTimeoutStopSec=30\n").passes("U110");
    drop_in("[Service]\nTimeoutStopSec=0\n").passes("U110");
}

fn unit_text() -> String {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/healthy/etc/systemd/system/myapp.service");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn working_directories() {
    let seen = drop_in("[Service]\nWorkingDirectory=/srv/other\n");
    assert!(seen.only("U112").message.contains("/srv/other does not exist"));
    let seen = drop_in("[Service]\nWorkingDirectory=/etc/myapp.env\n");
    assert!(seen.only("U112").message.contains("not a directory"));
    let seen = drop_in("[Service]\nWorkingDirectory=-/srv/other\n");
    assert_eq!(seen.only("U112").severity, Severity::Warning);
    let dangling = Case::healthy().remove(RELEASE).check();
    assert!(dangling.only("U112").message.contains("/srv/myapp/current points to"));
    drop_in("[Service]\nUser=root\n").passes("U112");
    let seen = files(&[(
        "a.service",
        "[Service]\nWorkingDirectory={{ home }}/app\nExecStart=/v/bin/gunicorn a:b\n",
    )]);
    seen.skipped("U112");
}

const LINKED: &str = "RuntimeDirectory=myapp\nExecStart={} -w 3 -b unix:/run/myapp/gunicorn.sock";

#[test]
fn what_puts_the_link_on_the_search_path() {
    let with = |options: &str| unit(&format!("{LINKED} {options} wsgi:app"));
    let seen = with("").check();
    let finding = seen.only("U113");
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(place(finding), (UNIT, 12));
    assert!(finding.message.contains("releases/2026-04-21"), "{}", finding.message);
    assert!(finding.help.contains("--chdir /srv/myapp/current"), "{}", finding.help);
    with("--chdir=/srv/myapp/current").check().passes("U113");
    with("--pythonpath /srv/myapp/current").check().passes("U113");
    // PYTHONPATH comes after the directory itself, so it helps only with a directory of its own.
    let path = |text: &str| with("").file("/etc/myapp.env", text).check();
    let seen = path("PYTHONPATH=/srv/myapp/current\n");
    let message = &seen.only("U113").message;
    assert!(message.contains("PYTHONPATH comes after"), "{message}");
    path("PYTHONPATH=/srv/myapp/current/static\n").passes("U113");
    with("-c /etc/g.py").file("/etc/g.py", "chdir = '/srv/myapp/current'\n").check().passes("U113");
    // The release itself, and what is relative to it, do not follow the link.
    with("--chdir .").check().only("U113");
    with(&format!("--chdir {RELEASE}")).check().only("U113");
    let cd = unit(
        "RuntimeDirectory=myapp\nExecStart=/bin/bash -c 'cd /srv/myapp/current && exec {} -w 3 -b \
         unix:/run/myapp/gunicorn.sock wsgi:app'",
    );
    cd.file("/bin/bash", "").own("/bin/bash", 0o755, 0, 0).check().passes("U113");
}

#[test]
fn a_working_directory_that_is_no_link_needs_nothing() {
    let text = unit_text()
        .replace("WorkingDirectory=/srv/myapp/current", &format!("WorkingDirectory={RELEASE}"))
        .replace("    --chdir /srv/myapp/current \\\n", "");
    let seen = Case::healthy().file(UNIT, text).check();
    assert!(seen.of("U113").is_empty(), "{seen:#?}");
}

#[test]
fn in_a_repository_a_link_is_suspected_by_its_name() {
    let text = |directory: &str, options: &str| {
        format!(
            "[Service]\nUser=a\nWorkingDirectory={directory}\nExecStart=/v/bin/gunicorn {options} a:b\n\
             ExecReload=/bin/kill -HUP $MAINPID\n"
        )
    };
    let seen = files(&[("a.service", &text("/srv/a/current", ""))]);
    let finding = seen.only("U113");
    assert_eq!(finding.severity, Severity::Warning);
    assert!(
        finding
            .message
            .starts_with("if /srv/a/current is a link to a release (the path was not read)")
    );
    assert_eq!(place(finding), ("a.service", 4));
    assert_eq!(files(&[("a.service", &text("/srv/a/current/web", ""))]).of("U113").len(), 1);
    let chdir = files(&[("a.service", &text("/srv/a/current", "--chdir /srv/a/current"))]);
    assert!(chdir.of("U113").is_empty());
    let named = files(&[("a.service", &text("/srv/a/current", "-c /etc/a.py"))]);
    named.skipped("U113");
    let plain = files(&[("a.service", &text("/srv/a", ""))]);
    plain.skipped("U113");
}

#[test]
fn environment_files_that_are_not_there() {
    let seen = drop_in("[Service]\nEnvironmentFile=/etc/none.env\n");
    assert_eq!(seen.only("U115").severity, Severity::Error);
    assert_eq!(place(seen.only("U115")), (DROP_IN, 2));
    let seen = drop_in("[Service]\nEnvironmentFile=-/etc/none.env\n");
    assert_eq!(seen.only("U115").severity, Severity::Info);
    let seen = drop_in("[Service]\nEnvironmentFile=/etc/nginx\n");
    assert!(seen.only("U115").message.contains("/etc/nginx is a directory"));
    let seen = drop_in("[Service]\nEnvironmentFile=/etc/none/*.env\n");
    assert!(seen.only("U115").message.contains("no file matches"));
    drop_in("[Service]\nEnvironmentFile=/etc/none.env\nEnvironmentFile=\n").passes("U115");
    let seen = files(&[(
        "a.service",
        "[Service]\nEnvironmentFile=/etc/a.env\nExecStart=/v/gunicorn a:b\n",
    )]);
    seen.skipped("U115");
}

#[test]
fn sockets_and_their_directories() {
    let bind = |extra: &str, path: &str| {
        unit(&format!(
            "{extra}\nExecStart={{}} -w 3 -b unix:{path} --chdir /srv/myapp/current wsgi:app"
        ))
    };
    for path in ["/run/myapp.sock", "/var/run/myapp.sock"] {
        let seen = bind("", path).check();
        let finding = seen.only("U117");
        assert_eq!(place(finding), (UNIT, 12));
        assert_eq!(finding.places[0].note, "systemd makes /run at boot for root, mode 0755");
        assert!(finding.message.contains("www-data cannot create /run/myapp.sock"));
    }
    let seen = bind("RuntimeDirectory=other", "/run/myapp/a.sock").check();
    assert!(seen.only("U117").places.iter().any(|place| place.note.contains("creates /run/other")));
    bind("RuntimeDirectory=other myapp", "/run/myapp/a.sock").check().passes("U117");
    bind("User=root", "/run/myapp.sock").check().passes("U117");
    bind("", "/tmp/myapp.sock").check().passes("U117");
    // Owned by another, and by the user.
    let owned = |uid| {
        let case = bind("", "/srv/myapp/run/a.sock").directory("/srv/myapp/run");
        case.own("/srv/myapp/run", 0o755, uid, 0).check()
    };
    owned(33).passes("U117");
    assert!(owned(0).only("U117").places[0].note.contains("www-data cannot write"));
    let line =
        |text: &str| bind("", "/run/myapp/a.sock").file("/usr/lib/tmpfiles.d/a.conf", text).check();
    line("d /run/myapp 0770 root www-data -\n").passes("U117");
    let seen = line("d /run/myapp 0755 root root -\n");
    assert_eq!(seen.only("U117").places[2].file, "/usr/lib/tmpfiles.d/a.conf");
    let seen = bind("ExecStartPre=+/bin/mkdir -p /run/myapp", "/run/myapp/a.sock").check();
    seen.skipped("U117");
}

#[test]
fn a_socket_unit_listens_in_gunicorns_stead() {
    let text = "[Service]\nUser=a\nExecStart=/v/bin/gunicorn -b unix:/run/a.sock a:b\n";
    let own = format!("[Unit]\nRequires=a.socket\n{text}");
    let alone = files(&[("a.service", text)]);
    assert_eq!(alone.only("U117").severity, Severity::Error);
    // Named, but not given: nobody knows.
    let named = files(&[("a.service", &own)]);
    named.skipped("U117");
    let said = named.reasons("U117").iter().any(|why| why.starts_with("a.socket was not read"));
    assert!(said, "{:#?}", named.skips);
    let socket = ("a.socket", "[Socket]\nListenStream=/run/a.sock\n");
    files(&[("a.service", &own), socket]).passes("U117");
}

#[test]
fn in_a_repository_only_the_unit_speaks_for_a_directory() {
    let text = |made: &str| {
        format!("[Service]\nUser=a\n{made}\nExecStart=/v/bin/gunicorn -b unix:/run/a/a.sock a:b\n")
    };
    files(&[("a.service", &text("RuntimeDirectory=a"))]).passes("U117");
    let seen = files(&[("a.service", &text("RuntimeDirectory=b"))]);
    assert_eq!(seen.only("U117").severity, Severity::Warning);
    let seen = files(&[("a.service", &text(""))]);
    seen.skipped("U117");
}

#[test]
fn private_directories_for_temporary_files() {
    let text = |extra: &str| {
        format!("[Service]\nUser=a\n{extra}\nExecStart=/v/bin/gunicorn -b unix:/tmp/a/a.sock a:b\n")
    };
    let seen = files(&[("a.service", &text("PrivateTmp=true"))]);
    assert_eq!(place(seen.only("U118")), ("a.service", 4));
    assert_eq!(seen.only("U118").places[1].line, 3);
    assert!(files(&[("a.service", &text("PrivateTmp=false"))]).of("U118").is_empty());
    let nginx = "[Service]\nExecStart=/usr/sbin/nginx\nPrivateTmp=true\n";
    let site = "server { listen 80 default_server; server_name example.com; location / { \
                proxy_pass http://unix:/var/tmp/a.sock; } }\n";
    let seen =
        unit("ExecStart={} -w 3 -b unix:/var/tmp/a.sock --chdir /srv/myapp/current wsgi:app")
            .file("/usr/lib/systemd/system/nginx.service", nginx)
            .file("/etc/nginx/sites-available/myapp", site)
            .check();
    let finding = seen.only("U118");
    assert!(finding.message.contains("nginx's PrivateTmp="), "{}", finding.message);
    assert_eq!(finding.places[2].file, "/etc/nginx/sites-enabled/myapp");
    // Nothing in /tmp: nobody minds.
    drop_in("[Service]\nPrivateTmp=true\n").passes("U118");
}

#[test]
fn lines_that_systemd_ignores() {
    let seen = drop_in("[Service]\nExecRelaod=/bin/kill -HUP $MAINPID\n");
    let finding = seen.only("U119");
    assert_eq!((finding.severity, place(finding)), (Severity::Error, (DROP_IN, 2)));
    assert_eq!(finding.help, "Did you mean ExecReload=?");
    let seen = drop_in("[Service]\nColour=blue\n");
    assert_eq!(seen.only("U119").severity, Severity::Warning);
    let seen = drop_in("[Servce]\nUser=www-data\nGroup=www-data\n");
    assert_eq!(seen.only("U119").severity, Severity::Error);
    assert!(seen.only("U119").message.contains("[Servce]"));
    let seen = drop_in("[Install]\nRestart=always\n");
    assert_eq!(seen.only("U119").places[0].note, "belongs in [Service]");
    let seen = drop_in("[Service]\nKillMode=gentle\nTimeoutStopSec=soon\n");
    assert_eq!(seen.of("U119").len(), 2);
    // Settings of a newer systemd, and old names that still count.
    drop_in("[Service]\nRestartMode=direct\nStartLimitInterval=0\n").passes("U119");
    let old = Case::healthy()
        .file("/usr/lib/systemd/libsystemd-shared-252.so", "")
        .file(DROP_IN, "[Service]\nRestartMode=direct\n")
        .check();
    assert!(old.only("U140").message.contains("systemd 252"));
    old.passes("U119");
    let template = files(&[(
        "a.service.j2",
        "[Service]\n{% if reload %}\nExecStart=/v/gunicorn a:b\n{% endif %}\n{{ extra }}\n",
    )]);
    template.passes("U119");
}

#[test]
fn programs_that_cannot_run() {
    let moved = Case::healthy()
        .file("/srv/myapp/.venv/bin/gunicorn", "#!/home/old/.venv/bin/python3\nimport sys\n");
    let moved = moved.own("/srv/myapp/.venv/bin/gunicorn", 0o755, 0, 0);
    let finding = moved.check().only("U124").clone();
    assert!(finding.message.contains("/home/old/.venv/bin/python3, which does not exist"));
    assert_eq!(place(&finding), (UNIT, 13));
    let gone = Case::healthy().remove("/srv/myapp/.venv/bin/python3").check();
    assert!(
        gone.only("U124").message.contains("a link to python3"),
        "{}",
        gone.only("U124").message
    );
    let plain = Case::healthy().own("/srv/myapp/.venv/bin/gunicorn", 0o644, 0, 0);
    assert!(plain.check().only("U124").message.contains("not executable (mode 0644)"));
    let seen = Case::healthy().own("/srv/myapp/.venv", 0o700, 0, 0).check();
    assert!(seen.only("U124").message.contains("www-data cannot execute"));
    let relative = files(&[("a.service", "[Service]\nExecStart=venv/bin/gunicorn a:b\n")]);
    assert_eq!(place(relative.only("U124")), ("a.service", 2));
    drop_in("[Service]\nExecStartPre=-/nowhere/at/all\n").passes("U124");
    let unread = files(&[("a.service", "[Service]\nExecStart=/v/bin/gunicorn a:b\n")]);
    unread.skipped("U124");
}

#[test]
fn units_that_systemd_refuses() {
    let case = |text: &str| Case::healthy().file(UNIT, text).check();
    let seen = case(&unit_text().replace("[Service]\n", "[Service] ; gunicorn\n"));
    assert_eq!(place(seen.only("U128")), (UNIT, 5));
    assert!(seen.only("U128").message.starts_with("systemd refuses myapp.service"));
    let seen = case(&unit_text().replace("WorkingDirectory=/srv", "WorkingDirectory=srv"));
    assert_eq!(place(seen.only("U128")), (UNIT, 11));
    let mut latin = unit_text().into_bytes();
    latin.extend_from_slice(b"[Service]\nX-Note=caf\xe9\n");
    assert!(Case::healthy().file(UNIT, latin).check().only("U128").message.contains("UTF-8"));
    let cut = unit_text().replace("gunicorn \\\n", "gunicorn \\ \n");
    let seen = case(&cut);
    assert_eq!(place(seen.only("U128")), (UNIT, 13));
    assert!(seen.of("U119").is_empty(), "{:#?}", seen.of("U119"));
    // Line ends of Windows are no white space after the backslash.
    Case::healthy().file(UNIT, unit_text().replace('\n', "\r\n")).check().passes("U128");
}

#[test]
fn a_second_exec_start_needs_a_reset() {
    let seen = drop_in("[Service]\nExecStart=/srv/myapp/.venv/bin/gunicorn -w 9 wsgi:app\n");
    assert_eq!(place(seen.only("U125")), (DROP_IN, 2));
    assert_eq!(seen.only("U125").places[1].file, UNIT);
    let one = "[Service]\nExecStart=/bin/mkdir -p /x ; /srv/myapp/.venv/bin/gunicorn a:b\n";
    assert_eq!(files(&[("a.service", one)]).of("U125").len(), 1);
}

#[test]
fn a_pid_file_may_be_stale() {
    for command in ["kill -HUP `cat /run/a.pid`", "kill -s HUP $(cat /run/a.pid)"] {
        let seen = drop_in(&format!("[Service]\nExecReload=\nExecReload=/bin/sh -c '{command}'\n"));
        assert_eq!(seen.only("U102").severity, Severity::Warning, "{command}");
    }
}

const HEALTHY: &str = "ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir \
                       /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app";

#[test]
fn shell_syntax() {
    let bad = [
        ("/srv/myapp/.venv/bin/gunicorn a:b 2>&1", "`2>&1`"),
        ("/bin/mkdir -p /tmp/a && /bin/true", "`&&`"),
        ("/bin/rm -f /tmp/myapp/*.pid", "`/tmp/myapp/*.pid`"),
        ("/bin/mkdir ~/cache", "`~`"),
        ("/bin/echo $(date)", "`$(…)`"),
        ("cd /srv/myapp/current", "`cd`"),
        ("LANG=C /bin/true", "`NAME=value`"),
        ("/bin/true # why", "`#`"),
    ];
    for (command, what) in bad {
        let seen = drop_in(&format!("[Service]\nExecStartPre={command}\n"));
        let finding = seen.only("U129");
        assert!(finding.message.contains(what), "{command}: {}", finding.message);
        assert_eq!(place(finding), (DROP_IN, 2), "{command}");
    }
    let good = [
        "/bin/sh -c 'mkdir -p /tmp/a && echo $(date) > /tmp/a/b'",
        "/bin/sh -ec \"rm -f /tmp/*.pid\"",
        "/srv/myapp/.venv/bin/gunicorn --forwarded-allow-ips=* --check-config wsgi:app",
        "/srv/myapp/.venv/bin/gunicorn --check-config \"wsgi:create('a|b')\"",
        "/bin/kill -0 $MAINPID",
    ];
    for command in good {
        drop_in(&format!("[Service]\nExecStartPre={command}\n")).passes("U129");
    }
    // gunicorn passes over plain words behind the application, but reads options anywhere.
    let start = |words: &str| drop_in(&format!("[Service]\nExecStart=\n{HEALTHY} {words}\n"));
    let finding = start(">> /var/log/myapp.log 2>&1");
    assert_eq!(finding.only("U129").severity, Severity::Warning);
    let finding = start("&& rm -f /tmp/lock");
    assert_eq!(finding.only("U129").severity, Severity::Error);
    let seen = files(&[("a.service", "[Service]\nExecStart=~/venv/bin/gunicorn a:b\n")]);
    assert!(seen.only("U129").message.contains('~'));
    assert!(seen.of("U124").is_empty());
}

#[test]
fn a_link_that_leads_somewhere_is_not_to_blame() {
    let message = |target: &str| {
        let case = Case::healthy()
            .file("/srv/tools/bin/other", "")
            .file(DROP_IN, "[Service]\nExecStartPre=/opt/bin/prepare\n")
            .link("/opt/bin", target);
        case.check().only("U124").message.clone()
    };
    let there = message("/srv/tools/bin");
    assert!(there.contains("/opt/bin/prepare does not exist"), "{there}");
    let gone = message("/srv/tools/sbin");
    assert!(gone.contains("/opt/bin points to /srv/tools/sbin"), "{gone}");
}

#[test]
fn the_watchdog_is_no_fault_where_something_may_send_the_sign_of_life() {
    let seen = drop_in("[Service]\nWatchdogSec=1min 30\n");
    assert!(seen.only("U123").message.starts_with("systemd kills gunicorn every 90 s"));
    drop_in("").passes("U123");
    drop_in("[Service]\nWatchdogSec=30\nWatchdogSec=0\n").passes("U123");
    let reason = |case: Case| case.check().reasons("U123").join("; ");
    let open = "[Service]\nWatchdogSec=30\nNotifyAccess=all\n";
    assert!(reason(Case::healthy().file(DROP_IN, open)).contains("NotifyAccess=all"));
    let limit = "[Service]\nWatchdogSec=30\n";
    let hook = "def when_ready(server):\n    server.notifier.start()\n";
    let hooked = Case::healthy().file(DROP_IN, limit);
    let hooked = hooked.file(&format!("{RELEASE}/gunicorn.conf.py"), hook);
    assert!(reason(hooked).contains("a hook"));
    // A shell that stays may send it beside gunicorn.
    let command = "ExecStart=\nExecStart=/bin/sh -c \"/srv/myapp/.venv/bin/gunicorn --workers 3 \
                   --bind unix:/run/myapp/gunicorn.sock wsgi:app\"\n";
    let shell = Case::healthy().file(DROP_IN, format!("{limit}{command}"));
    assert!(reason(shell).contains("the program that starts gunicorn"));
}

#[test]
fn a_variable_that_nothing_sets_leaves_a_hole() {
    let start = |text: &str, environment: &str| {
        Case::healthy()
            .replace(UNIT, "--workers 3", text)
            .file(DROP_IN, format!("[Service]\n{environment}\n"))
            .check()
    };
    let seen = start("--workers 3 --config ${CONFIG}", "");
    seen.only("U134").says("--config gets an empty value").is(Severity::Error);
    let seen = start("--workers 3 --name ${NAME}", "");
    assert_eq!(seen.only("U134").severity, Severity::Warning);
    start("--workers 3 --access-logfile ${LOGS}/access.log", "").only("U134").says("is missing");
    start("--workers ${WORKER}", "Environment=WORKERS=3")
        .only("U134")
        .helps("Did you mean WORKERS?");
    for (text, environment) in [
        ("--workers ${WORKERS}", "Environment=WORKERS=3"),
        ("--workers 3 $OPTIONS", ""),
        ("--workers 3 --name $${NAME}", ""),
        ("--workers 3 --name ${HOME}", ""),
        ("--workers 3 --name ${NAME}", "PassEnvironment=NAME"),
    ] {
        start(text, environment).passes("U134");
    }
    // What an ExecStartPre= writes, and what a repository's template holds, is not known.
    let made = "ExecStartPre=/bin/sh -c 'echo WORKERS=3 > /srv/myapp/w.env'\n\
                EnvironmentFile=-/srv/myapp/w.env";
    start("--workers ${WORKERS}", made).skipped("U134");
    start("--workers ${WORKERS}", "EnvironmentFile=-/run/w.env").skipped("U134");
    let text = "[Service]\nExecStart=/v/gunicorn -w ${WORKERS} a:b\n";
    files(&[("a.service", text)]).skipped("U134");
}

#[test]
fn a_default_with_a_colon_is_left_to_the_shell() {
    let start = |text: &str| {
        let unit = "[Service]\nType=notify\nExecStart=/bin/bash -c 'exec \
                    /srv/myapp/.venv/bin/gunicorn -w WORKERS --chdir /srv/myapp/current -b \
                    unix:/run/myapp/gunicorn.sock wsgi:app'\n";
        Case::healthy().file(UNIT, unit.replace("WORKERS", text)).check()
    };
    for (text, code) in [("${WORKERS:-3}", "U134"), ("${WORKERS:-3}", "G209")] {
        start(text).passes(code);
    }
    start("${WORKERS-3}").only("U134").helps("$${WORKERS…} to leave the expansion to the shell");
}

#[test]
fn a_release_that_the_unit_names() {
    let unit = |from: &str, to: &str| Case::healthy().replace(UNIT, from, to);
    let release = "/srv/myapp/releases/2026-04-21";
    let seen = unit("WorkingDirectory=/srv/myapp/current", &format!("WorkingDirectory={release}"));
    // The code goes through the link all the same.
    let seen = seen.check();
    seen.only("U114").says("will not start once that is pruned").at(UNIT, 11);
    let old = "/srv/myapp/releases/2026-04-14";
    let seen = unit("--chdir /srv/myapp/current", &format!("--chdir {old}")).check();
    seen.only("U114").says("a reload serves 2026-04-14, not");
    // A socket is no matter of it, a link is none that is pinned, and without one nothing is.
    let bound = unit("/run/myapp/gunicorn.sock", "/srv/myapp/releases/2026-04-21/app.sock");
    bound.check().passes("U114");
    let direct = unit("/srv/myapp/current\n", &format!("{release}\n")).remove("/srv/myapp/current");
    direct.check().passes("U114");
    let text = format!("[Service]\nWorkingDirectory={release}\nExecStart=/v/gunicorn a:b\n");
    files(&[("a.service", &text)]).skipped("U114");
}

#[test]
fn restarts_that_systemd_gives_up() {
    let of = |lines: &str| {
        Case::healthy().replace(UNIT, "RestartSec=3", "").file(DROP_IN, lines).check()
    };
    of("").only("U108").helps("RestartSec=3").at(UNIT, 21);
    of("[Service]\nRestartSec=200ms\n").only("U108").at(DROP_IN, 2);
    for healthy in [
        "[Service]\nRestartSec=2\n",
        "[Service]\nRestart=no\n",
        "[Unit]\nStartLimitIntervalSec=0\n",
        "[Service]\nStartLimitBurst=20\n",
        "[Service]\nRestartSteps=5\nRestartMaxDelaySec=60\n",
    ] {
        of(healthy).passes("U108");
    }
    let host = |text: &str| {
        let case = Case::healthy().replace(UNIT, "RestartSec=3", "");
        case.file("/etc/systemd/system.conf", format!("[Manager]\n{text}\n")).check()
    };
    host("DefaultRestartSec=5").passes("U108");
    host("DefaultStartLimitBurst=100").passes("U108");
    host("DefaultStartLimitBurst=2").only("U108").helps("RestartSec=6");
    host("DefaultStartLimitIntervalSec=2").passes("U108");
    host("DefaultStartLimitBurst=many").skipped("U108");
    let text = "[Service]\nRestart=always\nExecStart=/v/gunicorn a:b\n";
    files(&[("a.service", text)]).skipped("U108");
}

#[test]
fn a_unit_that_looks_at_the_settings_once_is_no_server() {
    let check = |kind: &str, option: &str| {
        let text = format!(
            "[Unit]\nBefore=myapp.service\n[Service]\nType={kind}\nUser=www-data\n\
             WorkingDirectory=/srv/myapp/current\n\
             ExecStart=/srv/myapp/.venv/bin/gunicorn {option} wsgi:app\n\
             [Install]\nWantedBy=multi-user.target\n"
        );
        Case::healthy().file("/etc/systemd/system/myapp-check.service", text).check()
    };
    for option in ["--check-config", "--print-config"] {
        let seen = check("oneshot", option);
        assert!(seen.hits.is_empty(), "{:?}", seen.hits.first().map(|hit| &hit.message));
        assert_eq!(seen.apps.len(), 1);
    }
    // One that is to stay is a server that serves nobody; so is one that only starts once.
    check("exec", "--check-config").only("G209");
    assert_eq!(check("oneshot", "--workers 3").apps.len(), 2);
}

#[test]
fn what_another_unit_makes_before_is_no_failed_condition() {
    let asks = "[Unit]\nConditionPathExists=/srv/myapp/ready\n";
    let with = |unit: &str, more: &str| {
        let case = Case::healthy().file(DROP_IN, format!("{asks}{more}"));
        case.file("/etc/systemd/system/prepare.service", unit).check()
    };
    let once = "[Service]\nType=oneshot\nExecStart=/usr/local/sbin/prepare\n";
    with(once, "After=prepare.service\n").skipped("U138");
    with(&format!("[Unit]\nBefore=myapp.service\n{once}"), "").skipped("U138");
    with("[Service]\nExecStart=/bin/touch /srv/myapp/ready\n", "").skipped("U138");
    let boot = Case::healthy().file(DROP_IN, asks);
    boot.file("/etc/tmpfiles.d/a.conf", "f /srv/myapp/ready 0644 root root -\n")
        .check()
        .skipped("U138");
    // Neither before it nor with a word about the path; and one that asks for the same.
    with(once, "").only("U138").says("/srv/myapp/ready, which does not exist");
    with(&format!("{asks}[Service]\nExecStart=/bin/true\n"), "").only("U138");
    drop_in("[Unit]\nConditionPathExists=!/etc/passwd\n").only("U138").says("the path exists");
}

#[test]
fn what_lies_on_a_mount_that_is_not_in_the_tree_is_not_known() {
    let mounts = "UUID=1 / ext4 defaults 0 1\nnas:/www /srv nfs4 _netdev 0 0\n";
    let bare = || {
        let gone = ["current", ".venv", "releases"].map(|name| format!("/srv/myapp/{name}"));
        let case = gone.iter().fold(Case::healthy(), |case, path| case.remove(path));
        case.remove("/srv/myapp")
    };
    let codes = ["U112", "U124", "G210", "N312"];
    let seen = bare().file("/etc/fstab", mounts).check();
    codes.iter().for_each(|code| seen.skipped(code));
    assert!(seen.hits.is_empty(), "{:?}", seen.hits.first().map(|hit| &hit.message));
    // The same tree without the mount lacks them, and what was copied with it counts.
    let seen = bare().file("/etc/fstab", "UUID=1 / ext4 defaults 0 1\n").check();
    codes.iter().for_each(|code| _ = seen.only(code));
    let seen = Case::healthy().file("/etc/fstab", mounts).remove("/srv/myapp/.venv/bin/gunicorn");
    seen.check().only("U124");
}

#[test]
fn in_a_repository_a_slip_in_the_name_of_a_usual_unit_is_seen() {
    let of = |lines: &str| {
        let text = format!("{lines}\n[Service]\nType=notify\nExecStart=/v/gunicorn a:b\n");
        files(&[("a.service", &text)])
    };
    of("[Unit]\nAfter=netwrok.target").only("U138").helps("After=network.target");
    of("[Install]\nWantedBy=multiuser.target").only("U138").helps("WantedBy=multi-user.target");
    let slip = of("[Unit]\nRequires=postgresl.service");
    slip.only("U138").is(Severity::Warning).helps("postgresql.service");
    for fine in ["mysqld.service", "redis2.service", "postgres.service", "web.target", "b.service"]
    {
        assert!(of(&format!("[Unit]\nRequires={fine}")).of("U138").is_empty(), "{fine}");
    }
}

/// An image has no /dev/null before it is started, and a link to it masks all the same.
#[test]
fn a_link_to_dev_null_masks_in_an_image() {
    let below = "/usr/lib/systemd/system/myapp.service.d/x.conf";
    let case = Case::healthy().file(below, "[Service]\nKillMode=none\n");
    assert_eq!(case.check().of("U109").len(), 1);
    let seen = case.link("/etc/systemd/system/myapp.service.d/x.conf", "/dev/null").check();
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    assert!(seen.of("U109").is_empty(), "{:?}", seen.hits);
}

/// dash goes on after `;` and the end of a line, and stops where `set -e` or `&&` say so.
#[test]
fn dash_has_no_source_and_goes_on_where_nothing_stops_it() {
    let start = |before: &str| {
        let text = format!(
            "ExecStart=/bin/sh -c \"{before} exec {{}} --workers 3 --chdir /srv/myapp/current \
             --bind unix:/run/myapp/gunicorn.sock wsgi:app\""
        );
        unit(&format!("RuntimeDirectory=myapp\nKillMode=mixed\nRestartSec=3\n{text}"))
            .file("/usr/bin/dash", "")
            .own("/usr/bin/dash", 0o755, 0, 0)
            .remove("/bin/sh")
            .link("/bin/sh", "/usr/bin/dash")
            .check()
    };
    for stops in ["source .venv/bin/activate &&", "set -e; source .venv/bin/activate;"] {
        assert_eq!(start(stops).of("U124").len(), 1, "{stops}");
    }
    for goes_on in ["source .venv/bin/activate;", ". .venv/bin/activate &&", "cd . &&"] {
        assert!(start(goes_on).of("U124").is_empty(), "{goes_on}");
    }
}

#[test]
fn a_directory_of_two_units_is_mended_in_the_other_one() {
    let other = "/etc/systemd/system/other.service";
    let text = |more: &str| {
        format!("[Service]\nRuntimeDirectory=myapp\nExecStart=/usr/bin/sleep infinity\n{more}")
    };
    let seen = Case::healthy().file(other, text("")).check();
    let finding = seen.only("U139");
    assert_eq!(finding.places[0].file, other);
    // Nothing of this application is restarted for it.
    assert!(finding.help.ends_with("\nthen: systemctl daemon-reload"), "{}", finding.help);
    Case::healthy().file(other, text("RuntimeDirectoryPreserve=yes\n")).check().passes("U139");
}

#[test]
fn a_unit_of_systemd_run_is_not_meant_to_be_enabled() {
    let unit = Case::healthy().text("/etc/systemd/system/myapp.service");
    let nginx = "/etc/systemd/system/multi-user.target.wants/nginx.service";
    let without = || {
        Case::healthy()
            .remove("/etc/systemd/system/multi-user.target.wants/myapp.service")
            .link(nginx, "/lib/systemd/system/nginx.service")
    };
    without().check().only("U120");
    let transient = without()
        .remove("/etc/systemd/system/myapp.service")
        .file("/run/systemd/transient/myapp.service", unit);
    let seen = transient.check();
    assert!(seen.of("U120").is_empty(), "{seen:#?}");
    assert_eq!(seen.apps.len(), 1, "{seen:#?}");
}
