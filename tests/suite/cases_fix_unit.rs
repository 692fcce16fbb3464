//! What the fixes of the rules on units make of files, form by form.

use case::Case;
use deploy_doctor::facts::Given;
use deploy_doctor::fix::Reason;
use deploy_doctor::host::Host;
use fix::{DROP_IN, ENVIRONMENT, OURS, Repair, SITE, UNIT};
use living::World;

use crate::support::case;
use crate::support::fix;
use crate::support::living;

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

/// What lets gunicorn take the link for the directory that it was started in.
const PWD: &str = "Environment=PWD=/srv/myapp/current\n";

/// The healthy unit's text, changed, with PWD behind its working directory.
fn with_pwd(case: &Case) -> String {
    let unit = String::from_utf8(case.host.read(UNIT.as_ref(), u64::MAX).unwrap()).unwrap();
    unit.replace("/current\nEnvironmentFile", &format!("/current\n{PWD}EnvironmentFile"))
}

/// The change that takes `--chdir` through the link, wherever changes of units are to go, and PWD.
#[track_caller]
fn goes_through_the_link(case: impl Fn() -> Case, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(case().host.read(path.as_ref(), u64::MAX).unwrap()).unwrap();
    let text = text.replacen(from, to, 1);
    let repair = Repair::of(case()).rule("U113");
    let (unit, ours) = (with_pwd(&case()), format!("[Service]\n{PWD}"));
    let mut in_place = [(path, &*text), (UNIT, &*unit)];
    let mut drop_in = [(path, &*text), (OURS, &*ours)];
    in_place.sort_unstable();
    drop_in.sort_unstable();
    repair.in_place().only(&in_place);
    repair.drop_in().only(&drop_in);
}

#[test]
fn the_diff_shows_the_line_that_the_tool_chose() {
    let repair = Repair::of(unit(&[(CHDIR, "")])).rule("U113");
    for repaired in [repair.in_place(), repair.drop_in()] {
        let diff = &repaired.plan.diff;
        assert!(diff.contains("+Environment=PWD=/srv/myapp/current\n"), "{diff}");
    }
    // Anybody else's value stays hidden.
    let lines = "WorkingDirectory=/srv/myapp/current\nEnvironment=PWD=/srv A=/srv/myapp/current";
    let case = unit(&[(CHDIR, ""), ("WorkingDirectory=/srv/myapp/current", lines)]);
    let diff = Repair::of(case).rule("U113").in_place().plan.diff;
    assert!(diff.contains("Environment=PWD=***") && !diff.contains("A=/srv"), "{diff}");
}

#[test]
fn chdir_goes_through_the_link() {
    let repair = Repair::of(unit(&[(CHDIR, "")])).rule("U113");
    let start = format!("{START} --chdir /srv/myapp/current");
    repair.in_place().only(&[(UNIT, &with_pwd(&unit(&[(CHDIR, "")])).replace(START, &start))]);
    let ours = format!(
        "[Service]\n{PWD}ExecStart=\n{start} \\\n    --workers 3 \\\n    --bind \
         unix:/run/myapp/gunicorn.sock \\\n    wsgi:app\n"
    );
    repair.drop_in().only(&[(OURS, &ours)]);
    // `python -m gunicorn`, and a shell's text.
    let line = LINE.replace(" --chdir /srv/myapp/current", "");
    let module = line.replace("bin/gunicorn", "bin/python -m gunicorn");
    let start = |line: &str| drop_in(&format!("[Service]\nExecStart=\nExecStart={line}\n"));
    let added = "-m gunicorn --chdir /srv/myapp/current --workers";
    goes_through_the_link(|| start(&module), DROP_IN, "-m gunicorn --workers", added);
    let text = format!("/bin/sh -c 'exec {line}'");
    let added = "gunicorn --chdir /srv/myapp/current --workers";
    goes_through_the_link(|| start(&text), DROP_IN, "gunicorn --workers", added);
    // One that names the release.
    let release = "/srv/myapp/releases/2026-04-21";
    for wrong in [format!("--chdir={release}/"), "--chdir .".to_owned()] {
        let case = || start(&LINE.replace("--chdir /srv/myapp/current", &wrong));
        let value = wrong.trim_start_matches("--chdir").trim_start_matches(['=', ' ']);
        let right = wrong.replace(value, "/srv/myapp/current");
        goes_through_the_link(case, DROP_IN, &wrong, &right);
    }
    let file = "/srv/myapp/releases/2026-04-21/gunicorn.conf.py";
    let case = || {
        let text = format!("chdir = '{release}'\n");
        unit(&[(CHDIR, "")]).file(file, text)
    };
    goes_through_the_link(case, file, release, "/srv/myapp/current");
    // From a variable.
    let case = || {
        start(&LINE.replace("--chdir /srv/myapp/current", "--chdir ${CODE}"))
            .replace(ENVIRONMENT, "SECRET_KEY", &format!("CODE={release}\nSECRET_KEY"))
            .own(ENVIRONMENT, 0o640, 0, 0)
    };
    goes_through_the_link(case, ENVIRONMENT, release, "/srv/myapp/current");
    // A repository's unit.
    let given = Given { units: vec![UNIT.into()], ..Given::default() };
    let repair = Repair::of(unit(&[(CHDIR, "")])).rule("U113").given(given);
    let start = format!("{START} --chdir /srv/myapp/current");
    repair.in_place().only(&[(UNIT, &with_pwd(&unit(&[(CHDIR, "")])).replace(START, &start))]);
}

#[test]
fn pwd_goes_where_the_environment_is_set_and_only_where_nothing_sets_it() {
    let fixed = |environment: &str| {
        let case =
            unit(&[(CHDIR, ""), ("EnvironmentFile", &format!("{environment}EnvironmentFile"))]);
        let repaired = Repair::of(case).rule("U113");
        repaired.in_place().text(UNIT)
    };
    let text = fixed("Environment=A=1\nEnvironment=\n");
    assert!(text.contains(&format!("A=1\nEnvironment=\n{PWD}EnvironmentFile")), "{text}");
    // Set, and of no use to gunicorn: it is somebody's intent.
    let text = fixed("Environment=PWD=/srv\n");
    assert!(text.contains("--chdir /srv/myapp/current") && !text.contains(PWD), "{text}");
    // `env -i` takes away what the unit sets.
    let line = LINE.replace(" --chdir /srv/myapp/current", "");
    let wrapped = format!("[Service]\nExecStart=\nExecStart=/usr/bin/env -i A=1 {line}\n");
    let repair = Repair::of(drop_in(&wrapped)).rule("U113");
    repair.in_place().becomes(DROP_IN, "gunicorn --w", "gunicorn --chdir /srv/myapp/current --w");
    // A shell sets it at `cd`.
    let release = "/srv/myapp/releases/2026-04-21";
    let shell =
        format!("[Service]\nExecStart=\nExecStart=/bin/sh -c 'cd {release} && exec {line}'\n");
    let repair = Repair::of(drop_in(&shell)).rule("U113");
    repair.in_place().becomes(DROP_IN, "gunicorn --w", "gunicorn --chdir /srv/myapp/current --w");
}

/// The deployment as the instance `myapp` of a template whose lines say `%i`.
fn instance(changes: &[(&str, &str)]) -> Case {
    let case = unit(changes);
    let text = String::from_utf8(case.host.read(UNIT.as_ref(), u64::MAX).unwrap()).unwrap();
    case.remove(UNIT)
        .file(TEMPLATE, text.replace("/current\nEnv", "/current/.\nEnv").replace("myapp", "%i"))
        .directory("/etc/systemd/system/multi-user.target.wants")
        .link("/etc/systemd/system/multi-user.target.wants/web@myapp.service", TEMPLATE)
}

const TEMPLATE: &str = "/etc/systemd/system/web@.service";

#[test]
fn an_instances_directory_stays_a_specifier_in_its_template() {
    let repair = Repair::of(instance(&[(CHDIR, "")])).rule("U113");
    let ours = "/etc/systemd/system/web@.service.d/50-deploy-doctor.conf";
    for text in [repair.in_place().text(TEMPLATE), repair.drop_in().text(ours)] {
        assert!(text.contains("gunicorn --chdir /srv/%i/current/. \\\n"), "{text}");
        assert!(text.contains("\nEnvironment=PWD=/srv/%i/current/.\n"), "{text}");
        assert!(!text.contains("myapp"), "{text}");
    }
    // What is said of one instance alone does not go into the file of all.
    let own = "[Service]\nWorkingDirectory=/srv/myapp/current\n";
    let case = instance(&[(CHDIR, "")]).file("/etc/systemd/system/web@myapp.service.d/a.conf", own);
    let repair = Repair::of(case).rule("U113");
    let plan = repair.in_place().plan;
    let [left] = plan.left.as_slice() else { panic!("{plan:#?}") };
    let Reason::Impossible(why) = &left.reason else { panic!("{left:#?}") };
    assert!(why.contains("web@.service is shared by all instances"), "{why}");
    assert!(plan.changes.is_empty(), "{plan:#?}");
}

/// The healthy deployment whose socket is elsewhere, in its unit and in nginx.
fn socket_at(path: &str) -> Case {
    unit(&[("RuntimeDirectory=myapp\n", ""), ("unix:/run/myapp/gunicorn.sock", path)]).replace(
        SITE,
        "unix:/run/myapp/gunicorn.sock",
        path,
    )
}

/// All files of a case are as those of another one.
#[track_caller]
fn becomes(repair: &Repair, right: Case, paths: &[&str]) {
    let right = right.into_host();
    let mut texts: Vec<(&str, String)> = Vec::new();
    for path in paths {
        let bytes = Host::read(&right, path.as_ref(), u64::MAX).unwrap();
        texts.push((path, String::from_utf8(bytes).unwrap()));
    }
    let texts: Vec<_> = texts.iter().map(|(path, text)| (*path, text.as_str())).collect();
    repair.in_place().only(&texts);
}

#[test]
fn systemd_makes_the_sockets_directory() {
    let repair = Repair::of(unit(&[("RuntimeDirectory=myapp\n", "")])).rule("U117");
    becomes(&repair, Case::healthy(), &[UNIT]);
    repair.drop_in().only(&[(OURS, "[Service]\nRuntimeDirectory=myapp\n")]);
    // Another name than the unit's.
    let case = socket_at("unix:/run/web/app.sock");
    let repair = Repair::of(case).rule("U117");
    repair.in_place().becomes(UNIT, "Group=www-data\n", "Group=www-data\nRuntimeDirectory=web\n");
    // Beside another one, wherever that is said.
    let case = || drop_in("[Service]\nRuntimeDirectory=\nRuntimeDirectory=a b\n");
    mends("U117", case, DROP_IN, "=a b", "=a b myapp");
    let repair = Repair::of(unit(&[("RuntimeDirectory=myapp", "RuntimeDirectory=a")])).rule("U117");
    repair.in_place().becomes(UNIT, "RuntimeDirectory=a", "RuntimeDirectory=a myapp");
    let ours = "[Service]\nRuntimeDirectory=\nRuntimeDirectory=a myapp\n";
    repair.drop_in().only(&[(OURS, ours)]);
    // A directory that somebody else makes is not systemd's to remove.
    let line = "d /run/web 0755 root root -\n";
    let case = socket_at("unix:/run/web/app.sock").file("/etc/tmpfiles.d/web.conf", line);
    becomes(&Repair::of(case).rule("U117"), Case::healthy(), &[SITE, UNIT]);
}

#[test]
fn a_socket_moves_with_all_who_name_it() {
    let right = || Case::healthy();
    for wrong in ["unix:/run/myapp.sock", "unix:/srv/myapp/x.sock"] {
        let repair = Repair::of(socket_at(wrong)).rule("U117");
        becomes(&repair, right(), &[SITE, UNIT]);
        let ours = "[Service]\nRuntimeDirectory=myapp\nExecStart=\n".to_owned()
            + "ExecStart=/srv/myapp/.venv/bin/gunicorn \\\n    --workers 3 \\\n"
            + CHDIR
            + "    --bind unix:/run/myapp/gunicorn.sock \\\n    wsgi:app\n";
        let repaired = repair.drop_in();
        assert_eq!(repaired.paths(), [SITE, OURS]);
        assert_eq!(repaired.text(OURS), ours);
    }
    // Every peer: in groups, in a pass with a URI, commented, on one line, in quotes.
    let sites = |path: &str| {
        format!(
            "upstream a {{ server unix:{path}; server unix:{path} backup; }} # unix:{path}\n\
             upstream unused {{\n\tserver \"unix:{path}\" down;\n}}\n\
             server {{\r\n  listen 81;\r\n  location /x/ {{ proxy_pass http://unix:{path}:/y/; }}\n\
             location / {{ proxy_pass http://a; }}\n}}\n"
        )
    };
    let more = "/etc/nginx/conf.d/more.conf";
    let case = socket_at("unix:/run/myapp.sock").file(more, sites("/var/run/myapp.sock"));
    let sorted = sites("/run/myapp/gunicorn.sock")
        .replace("# unix:/run/myapp/gunicorn.sock", "# unix:/var/run/myapp.sock");
    let right_sites = right().file(more, &sorted);
    becomes(&Repair::of(case).rule("U117"), right_sites, &[more, SITE, UNIT]);
    // The unit's other lines.
    let post = |path: &str| format!("ExecStartPost=-/bin/chmod 0666 {path}\nExecReload");
    let with = |case: Case, path: &str| case.replace(UNIT, "ExecReload", &post(path));
    let case = with(socket_at("unix:/run/myapp.sock"), "/run/myapp.sock");
    let wanted = with(right(), "/run/myapp/gunicorn.sock");
    becomes(&Repair::of(case).rule("U117"), wanted, &[SITE, UNIT]);
    // A directory that is made already takes it in.
    let made = |case: Case| {
        case.replace(UNIT, "Group=www-data\n", "Group=www-data\nRuntimeDirectory=web\n")
    };
    let case = made(socket_at("unix:/run/myapp.sock"));
    let wanted = made(socket_at("unix:/run/web/gunicorn.sock"));
    becomes(&Repair::of(case).rule("U117"), wanted, &[SITE, UNIT]);
}

#[test]
fn a_socket_is_changed_where_it_is_set() {
    let bind = "    --bind unix:/run/myapp/gunicorn.sock \\\n";
    let bare =
        |path: &str| unit(&[(bind, "")]).replace(SITE, "unix:/run/myapp/gunicorn.sock", path);
    let wrong = |path: &str| bare(path).replace(UNIT, "RuntimeDirectory=myapp\n", "");
    let (old, new) = ("unix:/run/myapp.sock", "unix:/run/myapp/gunicorn.sock");
    let file = "/srv/myapp/releases/2026-04-21/gunicorn.conf.py";
    for text in ["bind = 'OLD'\n", "bind = [\n    \"OLD\",  # nginx\n    '127.0.0.1:8000',\n]\n"] {
        let case = wrong(old).file(file, text.replace("OLD", old));
        let right = bare(new).file(file, text.replace("OLD", new));
        becomes(&Repair::of(case).rule("U117"), right, &[SITE, UNIT, file]);
    }
    let environment = |case: Case, line: &str| {
        case.replace(ENVIRONMENT, "SECRET_KEY", &format!("{line}\nSECRET_KEY")).own(
            ENVIRONMENT,
            0o640,
            0,
            0,
        )
    };
    for line in ["GUNICORN_CMD_ARGS=\"-b OLD --threads 1\"", "GUNICORN_CMD_ARGS='--bind=OLD'"] {
        let case = environment(wrong(old), &line.replace("OLD", old));
        let right = environment(bare(new), &line.replace("OLD", new));
        becomes(&Repair::of(case).rule("U117"), right, &[ENVIRONMENT, SITE, UNIT]);
    }
    // A variable in the command line, set by the unit or by a file.
    let variable = |case: Case| case.replace(UNIT, "    wsgi:app", "    -b ${BIND} wsgi:app");
    let case = environment(variable(wrong(old)), &format!("BIND={old}"));
    let right = environment(variable(bare(new)), &format!("BIND={new}"));
    becomes(&Repair::of(case).rule("U117"), right, &[ENVIRONMENT, SITE, UNIT]);
    let set = |case: Case, path: &str| {
        let line = format!("Environment=A=1 \"BIND={path}\"\nExecStart=");
        variable(case).replace(UNIT, "ExecStart=", &line)
    };
    becomes(&Repair::of(set(wrong(old), old)).rule("U117"), set(bare(new), new), &[SITE, UNIT]);
    // Half of it from elsewhere: nobody can tell what else hangs on it.
    let case = environment(wrong(old), "NAME=myapp");
    let case = case.replace(UNIT, "    wsgi:app", "    -b unix:/run/${NAME}.sock wsgi:app");
    stays("U117", case);
    let case = wrong(old).file(file, "n = 'myapp'\nbind = f'unix:/run/{n}.sock'\n");
    stays("U117", case);
}

#[test]
fn a_socket_stays_where_not_all_who_name_it_are_known() {
    // A repository's unit without nginx's files.
    let given = Given { units: vec![UNIT.into()], ..Given::default() };
    let repair = Repair::of(socket_at("unix:/run/myapp.sock")).rule("U117").given(given);
    repair.in_place().stays();
    let given = Given { units: vec![UNIT.into()], nginx: vec![SITE.into()], ..Given::default() };
    let repair = Repair::of(socket_at("unix:/run/myapp.sock")).rule("U117").given(given);
    becomes(&repair, Case::healthy(), &[SITE, UNIT]);
    // A path that nginx makes of a variable.
    let case =
        socket_at("unix:/run/myapp.sock").replace(SITE, "http://myapp", "http://$where").replace(
            SITE,
            "    location / {",
            "    set $where unix:/run/myapp.sock;\n    location / {",
        );
    stays("U117", case);
}

#[test]
fn a_socket_leaves_a_private_tmp() {
    let private =
        |case: Case| case.replace(UNIT, "Restart=always\n", "Restart=always\nPrivateTmp=yes\n");
    for wrong in ["unix:/tmp/myapp.sock", "unix:/var/tmp/myapp/a.sock"] {
        let repair = Repair::of(private(socket_at(wrong))).rule("U118");
        becomes(&repair, private(Case::healthy()), &[SITE, UNIT]);
    }
    // nginx's own.
    let nginx = |case: Case| {
        let text = "[Service]\nExecStart=/usr/sbin/nginx\nPrivateTmp=true\n";
        case.file("/usr/lib/systemd/system/nginx.service", text)
    };
    let repair = Repair::of(nginx(socket_at("unix:/tmp/myapp.sock"))).rule("U118");
    becomes(&repair, nginx(Case::healthy()), &[SITE, UNIT]);
}

/// The same at work, with other modes.
fn living(mut case: Case, change: &str) -> Case {
    World::healthy(&case.host).change(change).write(&mut case.host);
    case
}

#[test]
fn nginx_may_connect() {
    let closed = "file /run/myapp/gunicorn.sock mode=0700 owner=1000:1000";
    let umask = "    --chdir /srv/myapp/current";
    for (flag, open) in [
        ("--umask=0077", "--umask=0"),
        ("-m 077", "-m 0"),
        ("-m0o77", "-m0"),
        ("--umask \\\n    63", "--umask \\\n    0"),
    ] {
        let with = |flag: &str| unit(&[(umask, &format!("    {flag} \\\n{umask}"))]);
        let repair = Repair::of(living(with(flag), closed)).rule("S606");
        becomes(&repair, with(open), &[UNIT]);
        assert!(repair.safe().in_place().plan.changes.is_empty());
    }
    let with = |line: &str| {
        Case::healthy().replace(ENVIRONMENT, "SECRET_KEY", &format!("{line}\nSECRET_KEY")).own(
            ENVIRONMENT,
            0o640,
            0,
            0,
        )
    };
    for (line, open) in [
        ("GUNICORN_CMD_ARGS=-m 0077", "GUNICORN_CMD_ARGS=-m 0"),
        (
            "GUNICORN_CMD_ARGS=\"--threads=1 --umask=077\"",
            "GUNICORN_CMD_ARGS=\"--threads=1 --umask=0\"",
        ),
    ] {
        let repair = Repair::of(living(with(line), closed)).rule("S606");
        becomes(&repair, with(open), &[ENVIRONMENT]);
    }
    // Somebody changed it.
    stays("S606", living(Case::healthy(), closed));
    // The directory.
    let case = || {
        let closed = Case::healthy().directory("/run/myapp").own("/run/myapp", 0o700, 1000, 1000);
        living(closed, "file /run/myapp/gunicorn.sock mode=0777 owner=1000:1000")
    };
    let repair = Repair::of(case()).rule("S606");
    let line = "RuntimeDirectory=myapp\n";
    repair.in_place().becomes(UNIT, line, &format!("{line}RuntimeDirectoryMode=0755\n"));
    repair.drop_in().only(&[(OURS, "[Service]\nRuntimeDirectoryMode=0755\n")]);
}

#[test]
fn what_systemd_cannot_read_is_mended_in_the_file() {
    for (wrong, right) in [
        ("[Service] # why\nKillMode=mixed\n", "# why\n[Service]\nKillMode=mixed\n"),
        ("[Service];why\r\nKillMode=mixed\r\n", ";why\r\n[Service]\r\nKillMode=mixed\r\n"),
        ("[Service\nKillMode=mixed\n", "[Service]\nKillMode=mixed\n"),
        ("[\"Service\"]\nKillMode=mixed\n", "[Service]\nKillMode=mixed\n"),
        (
            "[Unit]\nAfter=a.service \\\n[Service]\nKillMode=mixed\n",
            "[Unit]\nAfter=a.service\n[Service]\nKillMode=mixed\n",
        ),
        (
            "[Service]\nExecStartPre=/bin/sh -c 'date +%F-%m-%d %j'\n",
            "[Service]\nExecStartPre=/bin/sh -c 'date +%%F-%%m-%%d %j'\n",
        ),
        (
            "[Service]\nExecStartPre=/bin/date \"+%d.%m.%e %H:%M\" %n\n",
            "[Service]\nExecStartPre=/bin/date \"+%%d.%%m.%%e %%H:%%M\" %n\n",
        ),
    ] {
        mends("U128", || drop_in(wrong), DROP_IN, wrong, right);
    }
    for wrong in [
        "[Service] KillMode=mixed\n",
        "[Srvice\nKillMode=mixed\n",
        "[Service]\nExecStartPre=/bin/sh -c 'echo\n",
        // Which of them is meant as it stands?
        "[Service]\nExecStartPre=/bin/echo %n-%Z\n",
    ] {
        stays("U128", drop_in(wrong));
    }
    stays("U128", Case::healthy().file(DROP_IN, b"[Service]\n# \nExecStartPre=/bin/echo \xe4\n"));
    // In the fragment too a drop-in would not help.
    let both = |from: &str, to: &str| {
        let repair = Repair::of(unit(&[(to, from)])).rule("U128");
        repair.in_place().becomes(UNIT, from, to);
        repair.drop_in().becomes(UNIT, from, to);
    };
    both("[Service\n", "[Service]\n");
    both("    --workers 3 \\ \t\n", "    --workers 3 \\\n");
    let wrong = "ExecStartPre=/bin/date +%Z\nExecReload";
    let repair = Repair::of(unit(&[("ExecReload", wrong)])).rule("U128");
    repair.in_place().becomes(UNIT, "+%Z", "+%%Z");
    repair.drop_in().becomes(UNIT, "+%Z", "+%%Z");
    // White space behind a backslash that was not to continue anything.
    stays("U128", unit(&[("    wsgi:app\n", "    wsgi:app \\ \n")]));
}

/// On a host whose systemd is known.
fn on_252(case: Case) -> Case {
    case.file("/usr/lib/systemd/libsystemd-shared-252.so", "")
}

#[test]
fn settings_get_the_names_and_sections_that_were_meant() {
    for (wrong, right) in [
        ("[Service]\nTimeoutStopSecs = 60\n", "[Service]\nTimeoutStopSec = 60\n"),
        ("[Unit]\nUser=www-data\n", "[Service]\nUser=www-data\n"),
        ("[Servce]\nEnvironment=A=1\n", "[Service]\nEnvironment=A=1\n"),
        (
            "[Unit]\nAfter=a.service\nEnvironment=A=1 \\\n  B=2\n\n[Service]\n# ours\nKillMode=mixed\n# end\n",
            "[Unit]\nAfter=a.service\n\n[Service]\n# ours\nKillMode=mixed\nEnvironment=A=1 \\\n  B=2\n# end\n",
        ),
        (
            "[Service]\r\nKillMode=mixed\r\nAfter=a.service\r\n",
            "[Service]\r\nKillMode=mixed\r\n\r\n[Unit]\r\nAfter=a.service\r\n",
        ),
        // It says so already.
        ("[Unit]\nAfter=a.service\nUser=www-data\n", "[Unit]\nAfter=a.service\n"),
        ("[Service]\nRuntimeDirectory=/run/myapp\n", "[Service]\nRuntimeDirectory=myapp\n"),
    ] {
        mends("U119", || on_252(drop_in(wrong)), DROP_IN, wrong, right);
    }
    for wrong in [
        // Another one holds.
        "[Service]\nRestart=always\nRestrat=no\n",
        "[Unit]\nUser=deploy\nAfter=a.service\n[Service]\nUser=www-data\n",
        "[Service]\nExecRelod=/bin/true\n",
        "[Service]\nRestart=yes\n",
        "[Service]\nSomething=1\n",
        "[Service]\nUMosk=0022\n",
    ] {
        stays("U119", on_252(drop_in(wrong)));
    }
    // Another setting's name may be meant: this one is systemd 258's own.
    stays("U140", on_252(drop_in("[Service]\nPrivateBPF=yes\n")));
    // Which names this systemd knows is not known.
    stays("U119", drop_in("[Service]\nTimeoutStopSecs=60\n"));
    for (wrong, right) in
        [("Killmode", "KillMode"), ("KlilMode", "KillMode"), ("KilMode", "KillMode")]
    {
        let text = |key: &str| format!("[Service]\n{key}=mixed\n");
        mends("U119", || on_252(drop_in(&text(wrong))), DROP_IN, &text(wrong), &text(right));
    }
    // systemd goes on complaining of the file, whatever a drop-in says.
    let case = on_252(unit(&[("EnvironmentFile=", "EnvironmentFiles=")]));
    let repair = Repair::of(case).rule("U119");
    repair.in_place().becomes(UNIT, "EnvironmentFiles=", "EnvironmentFile=");
    repair.drop_in().becomes(UNIT, "EnvironmentFiles=", "EnvironmentFile=");
}

#[test]
fn what_only_a_shell_reads_is_said_in_systemds_words() {
    let pre = |line: &str| format!("[Service]\nExecStartPre={line}\n# end\n");
    for (wrong, right) in [
        ("/bin/true && /bin/echo a b", "/bin/true\nExecStartPre=/bin/echo a b"),
        (
            "/bin/true 'x y' \\\n   && /bin/echo a && \\\n  /bin/true",
            "/bin/true 'x y'\nExecStartPre=/bin/echo a\nExecStartPre=/bin/true",
        ),
        ("/bin/mkdir -p ~/cache --x=~/y", "/bin/mkdir -p /var/www/cache --x=/var/www/y"),
        ("~/bin/prepare", "/var/www/bin/prepare"),
    ] {
        let (wrong, right) = (pre(wrong), pre(right));
        mends("U129", || drop_in(&wrong), DROP_IN, &wrong, &right);
    }
    let wrong = pre("/bin/true #  a; b");
    mends(
        "U129",
        || drop_in(&wrong),
        DROP_IN,
        &wrong,
        &wrong.replace("ExecStartPre=/bin/true #  a; b", "#  a; b\nExecStartPre=/bin/true"),
    );
    let crlf = "[Service]\r\nExecStartPost=/bin/true && /bin/echo a\r\n";
    mends("U129", || drop_in(crlf), DROP_IN, " && ", "\r\nExecStartPost=");
    for wrong in [
        "-/bin/true && /bin/echo",
        "/bin/true && cd /srv",
        "/bin/true || /bin/echo",
        "/bin/true && /bin/echo a > /x",
        "source /srv/x",
        "/bin/rm -f /tmp/x-*",
    ] {
        stays("U129", drop_in(&pre(wrong)));
    }
    // Before gunicorn.
    let start = |line: &str| drop_in(&format!("[Service]\nExecStart=\n{line}\n"));
    let wrong = format!("ExecStart=/bin/true && {LINE}");
    let right = format!("ExecStartPre=/bin/true\nExecStart={LINE}");
    mends("U129", || start(&wrong), DROP_IN, &wrong, &right);
    // A log.
    for (words, settings) in [
        (">> /var/log/myapp.log 2>&1", "StandardOutput=append:/var/log/myapp.log\n"),
        ("&>/var/log/myapp.log &", "StandardOutput=append:/var/log/myapp.log\n"),
        (
            "1> /var/log/myapp.log",
            "StandardOutput=append:/var/log/myapp.log\nStandardError=journal\n",
        ),
        ("2>&1", ""),
        ("&", ""),
    ] {
        let line = format!("    wsgi:app {words}\n");
        let repair = Repair::of(unit(&[("    wsgi:app\n", &line)])).rule("U129");
        let end = "RestartSec=3\n";
        let right = unit(&[(end, &format!("{end}{settings}"))]);
        becomes(&repair, right, &[UNIT]);
    }
    let line = "    wsgi:app  # our application\n";
    let repair = Repair::of(unit(&[("    wsgi:app\n", line)])).rule("U129");
    let start = "ExecStart=";
    becomes(&repair, unit(&[(start, &format!("# our application\n{start}"))]), &[UNIT]);
    for words in ["| tee /var/log/myapp.log", "> /srv/log/myapp.log", "> /var/log/$NAME"] {
        stays("U129", unit(&[("    wsgi:app\n", &format!("    wsgi:app {words}\n"))]));
    }
    let line = "    wsgi:app > /var/log/myapp.log\nStandardOutput=journal\n";
    stays("U129", unit(&[("    wsgi:app\n", line)]));
}

/// The healthy deployment with a socket that systemd opens.
fn activated(path: &str, more: &str) -> Case {
    let text =
        format!("[Socket]\nListenStream={path}\n{more}\n[Install]\nWantedBy=sockets.target\n");
    Case::healthy().file("/etc/systemd/system/myapp.socket", text)
}

#[test]
fn a_socket_of_systemds_own_is_mended_in_its_unit() {
    let closed = "file /run/myapp/gunicorn.sock mode=0600 owner=0:0";
    let socket = "/etc/systemd/system/myapp.socket";
    for (more, from, to) in [
        ("SocketMode=0600\n", "SocketMode=0600", "SocketMode=0666"),
        ("", "gunicorn.sock\n", "gunicorn.sock\nSocketMode=0666\n"),
    ] {
        let case = activated("/run/myapp/gunicorn.sock", more);
        let repair = Repair::of(living(case, closed)).rule("S606");
        repair.in_place().becomes(socket, from, to);
        let ours = "/etc/systemd/system/myapp.socket.d/50-deploy-doctor.conf";
        repair.drop_in().only(&[(ours, "[Socket]\nSocketMode=0666\n")]);
    }
    // Where it lies is not gunicorn's to say.
    let nginx = "[Service]\nExecStart=/usr/sbin/nginx\nPrivateTmp=true\n";
    let case = activated("/tmp/myapp.sock", "")
        .replace(SITE, "/run/myapp/gunicorn.sock", "/tmp/myapp.sock")
        .file("/usr/lib/systemd/system/nginx.service", nginx);
    stays("U118", case);
}

#[test]
fn a_file_of_several_units_gets_no_name_of_one() {
    let text = |case: &Case| {
        let bytes = case.host.read(UNIT.as_ref(), u64::MAX).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    for wrong in ["unix:/run/web/app.sock", "unix:/run/web.sock"] {
        let case = socket_at(wrong);
        let unit = text(&case);
        let case = case
            .remove(UNIT)
            .file("/etc/systemd/system/web@.service", unit)
            .directory("/etc/systemd/system/multi-user.target.wants")
            .link(
                "/etc/systemd/system/multi-user.target.wants/web@blue.service",
                "/etc/systemd/system/web@.service",
            );
        // By hand, and then right for every instance.
        let repair = Repair::of(case).rule("U117");
        repair.in_place().stays();
        let plan = repair.drop_in().stays().plan.clone();
        let help = &plan.left[0].proposal.help;
        assert!(help.contains("RuntimeDirectory=web-%i\n"), "{help}");
        assert!(help.contains("--bind unix:/run/web-%i/gunicorn.sock\n"), "{help}");
        assert!(help.contains("server unix:/run/web-blue/gunicorn.sock fail"), "{help}");
    }
}

#[test]
fn systemd_waits_for_no_sign_of_life() {
    let case = || drop_in("[Service]\nWatchdogSec = 3s\n");
    mends("U123", case, DROP_IN, "3s", "0");
    let repair = Repair::of(unit(&[("RestartSec=3\n", "RestartSec=3\nWatchdogSec=3\n")]));
    let repair = repair.rule("U123");
    repair.in_place().becomes(UNIT, "WatchdogSec=3", "WatchdogSec=0");
    repair.drop_in().only(&[(OURS, "[Service]\nWatchdogSec=0\n")]);
}

/// While there is no reload, nothing speaks of what it would serve. The fix that makes one brings that
/// to light, and does not bring it about.
#[test]
fn a_reload_that_is_made_shows_what_it_would_keep() {
    let case = unit(&[("ExecReload=/bin/kill -s HUP $MAINPID\n", ""), (CHDIR, "")]);
    let repair = Repair::of(case);
    let repaired = repair.in_place();
    let mut codes: Vec<&str> = repaired.plan.fixes.iter().map(|fix| fix.rule.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["U101", "U113"]);
    assert!(repaired.plan.left.is_empty(), "{:?}", repaired.plan.left);
}

/// That a reload goes on with the old release's settings is no news where its code is the old one's.
#[test]
fn settings_of_the_release_do_not_stand_in_the_links_way() {
    let config = "/srv/myapp/releases/2026-04-21/gunicorn.conf.py";
    let case = unit(&[(CHDIR, "")]).file(config, "threads = 1\n");
    assert!(case.check().of("G213").is_empty());
    let repair = Repair::of(case).rule("U113");
    let repaired = repair.in_place();
    assert!(repaired.text(UNIT).contains("--chdir /srv/myapp/current"));
}

/// Without X-Forwarded-Proto nobody asks whether gunicorn would believe it.
#[test]
fn a_header_that_gunicorn_does_not_believe_is_set_all_the_same() {
    const SITE: &str = "/etc/nginx/sites-available/myapp";
    let tls = "listen 443 ssl; ssl_certificate /etc/ssl/a.pem; ssl_certificate_key /etc/ssl/a.key;";
    let case = Case::healthy()
        .replace(UNIT, "unix:/run/myapp/gunicorn.sock", "10.0.0.5:8000")
        .replace(SITE, "unix:/run/myapp/gunicorn.sock", "10.0.0.5:8000")
        .replace(SITE, "listen 80 default_server;", tls)
        .replace(SITE, "proxy_set_header X-Forwarded-Proto $scheme;", "")
        .file("/etc/ssl/a.pem", "")
        .file("/etc/ssl/a.key", "");
    let seen = case.check();
    seen.only("N303");
    assert!(seen.of("G217").is_empty(), "{seen:#?}");
    let repair = Repair::of(case).rule("N303");
    let repaired = repair.in_place();
    assert!(repaired.text(SITE).contains("X-Forwarded-Proto $scheme;"));
}
