//! Whatever a value is changed to, wherever it is set and however it is written there: read again
//! it is the wanted one, and no other byte has changed. Where that cannot be, it is refused with a
//! reason.

use std::path::Path;

use deploy_doctor::facts::{self, App, Endpoint, Request, Scope};
use deploy_doctor::fix::{self, Content};
use deploy_doctor::host::{Host, MemoryHost};
use deploy_doctor::rule::{Edit, Value};
use deploy_doctor::source::Sources;
use deploy_doctor::source::gunicorn::SettingValue;

use crate::support::case::{Case, RELEASE};
use crate::support::fix::{DROP_IN, ENVIRONMENT, SITE, UNIT};

const GUNICORN: &str = "/srv/myapp/.venv/bin/gunicorn";
const REST: &str = "--bind unix:/run/myapp/gunicorn.sock wsgi:app";
const SCRIPT: &str = "/srv/myapp/bin/start";
const SECRETS: &str = "SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\n\
                       DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db\n";

/// A file in which a value stands, as what is before and behind it.
struct Place {
    what: String,
    case: Case,
    path: String,
    before: String,
    behind: String,
}

/// Splits a text at the mark that stands for the value, and puts the value there.
fn place(what: &str, value: &str, path: &str, text: &str, make: impl Fn(Case) -> Case) -> Place {
    let (before, behind) = text.split_once('@').unwrap();
    let case = make(Case::healthy()).file(path, format!("{before}{value}{behind}"));
    let case = match path {
        ENVIRONMENT => case.own(ENVIRONMENT, 0o640, 0, 0),
        SCRIPT => case.own(SCRIPT, 0o755, 0, 0),
        _ => case,
    };
    let what = format!("{what}: {text}");
    Place { what, case, path: path.to_owned(), before: before.into(), behind: behind.into() }
}

fn started(arguments: &str) -> String {
    format!("ExecStart=\nExecStart={GUNICORN} {arguments} {REST}\n")
}

fn drop_in(lines: &str) -> String {
    format!("[Service]\n{lines}")
}

/// Every spelling of a flag with a value, `@` in the value's place.
fn flags(long: &str, short: Option<&str>) -> Vec<String> {
    let mut all = Vec::new();
    for quoted in ["@", "'@'", "\"@\""] {
        all.push(format!("{long} {quoted}"));
        all.push(format!("{long}={quoted}"));
        all.extend(short.map(|short| format!("{short} {quoted}")));
    }
    all.extend(short.map(|short| format!("{short}@")));
    all.extend(short.map(|short| format!("'{short}@'")));
    all.push(format!("\"{long}=@\""));
    all.push(format!("'{long}=@'"));
    all
}

/// Where a setting with a value can stand, in every layer and spelling.
fn places(setting: &str, long: &str, short: Option<&str>, value: &str) -> Vec<Place> {
    let mut all = Vec::new();
    for flag in flags(long, short) {
        let line = drop_in(&started(&flag));
        all.push(place("command line", value, DROP_IN, &line, |case| case));
        let windows = line.replace('\n', "\r\n");
        all.push(place("command line, CRLF", value, DROP_IN, &windows, |case| case));
        let script = format!("#!/bin/sh\nexec {GUNICORN} {flag} {REST}\n");
        let runs = drop_in(&format!("ExecStart=\nExecStart={SCRIPT}\n"));
        all.push(place("script", value, SCRIPT, &script, |case| case.file(DROP_IN, &runs)));
        for outer in ["'", "\"", ""] {
            // Quotes in the same quotes would have to be escaped, which nobody writes by hand.
            if !outer.is_empty() && flag.contains(outer) || outer.is_empty() && flag.contains(' ') {
                continue;
            }
            let variable = format!("{outer}GUNICORN_CMD_ARGS=--threads=1 {flag}{outer}");
            let variable = match outer {
                // Nothing but one word.
                "" => format!("GUNICORN_CMD_ARGS={flag}"),
                _ => variable,
            };
            if outer.is_empty() && flag.contains(['\'', '"']) {
                continue;
            }
            let line = drop_in(&format!("Environment=A=1 {variable} B=2\n{}", started("")));
            all.push(place("GUNICORN_CMD_ARGS of the unit", value, DROP_IN, &line, |case| case));
        }
        for outer in ["'", "\"", ""] {
            let starts = flag.starts_with(['\'', '"']);
            if !outer.is_empty() && flag.contains(outer) || outer.is_empty() && starts {
                continue;
            }
            let text = format!("{SECRETS}GUNICORN_CMD_ARGS={outer}{flag} --threads 1{outer}\n");
            let runs = drop_in(&started(""));
            let what = "GUNICORN_CMD_ARGS of a file";
            all.push(place(what, value, ENVIRONMENT, &text, |case| case.file(DROP_IN, &runs)));
            let windows = text.replace('\n', "\r\n");
            all.push(place(what, value, ENVIRONMENT, &windows, |case| case.file(DROP_IN, &runs)));
        }
    }
    let number = value.bytes().all(|byte| byte.is_ascii_digit());
    for quote in if number { &[""] as &[_] } else { &["'", "\""] } {
        for text in [
            format!("{setting} = {quote}@{quote}  # as it is\nthreads = 1\n"),
            format!("import os\r\n{setting}={quote}@{quote}\r\n"),
        ] {
            let runs = drop_in(&started(""));
            let path = format!("{RELEASE}/gunicorn.conf.py");
            all.push(place("the file", value, &path, &text, |case| case.file(DROP_IN, &runs)));
        }
    }
    for quoted in ["@", "'@'", "\"@\""] {
        let text = format!("{SECRETS}VALUE={quoted}\n");
        let runs = drop_in(&started(&format!("{long} ${{VALUE}}")));
        let what = "a variable";
        all.push(place(what, value, ENVIRONMENT, &text, |case| case.file(DROP_IN, &runs)));
    }
    all
}

/// Where a variable can be set.
fn variables(name: &str, value: &str) -> Vec<Place> {
    let mut all = Vec::new();
    let runs = drop_in(&started("-w 3"));
    for quoted in ["N=@", "'N=@'", "\"N=@\""] {
        let word = quoted.replace('N', name);
        let line = drop_in(&format!("Environment=A=1 {word} B=2\n{}", started("-w 3")));
        all.push(place("Environment=", value, DROP_IN, &line, |case| case));
        let windows = line.replace('\n', "\r\n");
        all.push(place("Environment=, CRLF", value, DROP_IN, &windows, |case| case));
        let line = drop_in(&started(&format!("--env {word}")));
        all.push(place("--env", value, DROP_IN, &line, |case| case));
        let start = format!("ExecStart=\nExecStart=/usr/bin/env {word} {GUNICORN} -w 3 {REST}\n");
        all.push(place("env", value, DROP_IN, &drop_in(&start), |case| case));
    }
    for quoted in ["@", "'@'", "\"@\""] {
        for end in ["\n", "\r\n"] {
            let text = format!("{SECRETS}{name} = {quoted} \nB=2\n").replace('\n', end);
            let what = "an environment file";
            all.push(place(what, value, ENVIRONMENT, &text, |case| case.file(DROP_IN, &runs)));
        }
    }
    for quote in ["'", "\""] {
        let text = format!("raw_env = [\n    {quote}A=1{quote},\n    {quote}{name}=@{quote},\n]\n");
        let path = format!("{RELEASE}/gunicorn.conf.py");
        all.push(place("raw_env", value, &path, &text, |case| case.file(DROP_IN, &runs)));
    }
    all
}

fn with_app<T>(host: &dyn Host, ask: impl FnOnce(&Sources, &facts::Deployment, &App) -> T) -> T {
    let sources = Sources::new(host);
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
    let deployment = facts::read(&sources, &request);
    let [app] = deployment.apps.as_slice() else { panic!("{:?}", deployment.problems) };
    ask(&sources, &deployment, app)
}

type Propose<'a> = &'a dyn Fn(&App) -> Result<Vec<Edit>, facts::Why>;

/// Makes the change; the text of the changed file, or the reason why there is none.
fn changed(host: &MemoryHost, propose: Propose, path: &str) -> Result<String, String> {
    let changes = with_app(host, |sources, deployment, app| {
        let edits = propose(app).map_err(|why| why.text().to_owned())?;
        fix::edited(host, sources, deployment, &edits)
    })?;
    let [change] = changes.as_slice() else { panic!("{changes:#?}") };
    assert_eq!(change.path, Path::new(path), "another file");
    let Content::File { bytes, .. } = &change.after else { panic!("{change:#?}") };
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// How often a value got through, and how often it was refused.
#[derive(Debug, Default)]
struct Tally {
    made: usize,
    refused: Vec<String>,
}

fn try_place(place: Place, propose: Propose, holds: &dyn Fn(&App) -> bool, tally: &mut Tally) {
    let Place { what, case, path, before, behind } = place;
    let mut host = case.into_host();
    match changed(&host, propose, &path) {
        Ok(text) => {
            assert!(text.starts_with(&before) && text.ends_with(&behind), "{what} became\n{text}");
            host.file(&path, text.as_bytes());
            let right = with_app(&host, |_, _, app| holds(app));
            assert!(right, "{what}: read again it is another value:\n{text}");
            tally.made += 1;
        }
        Err(why) => {
            assert!(why.len() > 10, "{what}: no reason");
            tally.refused.push(format!("{what}: {why}"));
        }
    }
}

#[test]
fn a_number_is_the_wanted_one_in_every_layer_and_spelling() {
    for (setting, long, short) in [
        ("workers", "--workers", Some("-w")),
        ("umask", "--umask", Some("-m")),
        ("graceful_timeout", "--graceful-timeout", None),
    ] {
        let mut tally = Tally::default();
        for place in places(setting, long, short, "1") {
            let propose = |app: &App| Ok(vec![Edit::setting(app, setting, Value::Number(7))?]);
            let holds =
                |app: &App| app.gunicorn.settings.get(setting).ok() == Some(&SettingValue::Int(7));
            try_place(place, &propose, &holds, &mut tally);
        }
        assert!(tally.refused.is_empty(), "{setting}: {:#?}", tally.refused);
        assert!(tally.made > 50, "{setting}: {tally:?}");
    }
    // gunicorn's own variable.
    for quoted in ["@", "'@'", "\"@\""] {
        let text = format!("{SECRETS}WEB_CONCURRENCY={quoted}\r\n");
        let runs = drop_in(&started(""));
        let place = place("", "1", ENVIRONMENT, &text, |case| case.file(DROP_IN, &runs));
        let propose = |app: &App| Ok(vec![Edit::setting(app, "workers", Value::Number(7))?]);
        let holds = |app: &App| app.gunicorn.workers().ok() == Some(&7);
        let mut tally = Tally::default();
        try_place(place, &propose, &holds, &mut tally);
        assert_eq!(tally.made, 1, "{tally:?}");
    }
}

/// What has to be quoted or escaped somewhere.
const AWKWARD: [&str; 8] = [
    "/srv/my app",
    "/srv/100%i",
    "/srv/$HOME",
    "/srv/it's",
    "/srv/a\"b",
    "/srv/back\\slash",
    "/srv/a #b",
    "/srv/\u{e9}t\u{e9}",
];

/// What gunicorn itself would cut.
const CUT: &str = " /srv/ends ";

#[test]
fn a_text_is_the_wanted_one_or_is_refused() {
    for wanted in ["/srv/myapp/other", CUT].into_iter().chain(AWKWARD) {
        let mut tally = Tally::default();
        for place in places("chdir", "--chdir", None, "/srv/myapp/current") {
            let to = || Value::Text(wanted.to_owned());
            let propose = |app: &App| Ok(vec![Edit::setting(app, "chdir", to())?]);
            let holds = |app: &App| {
                let value = app.gunicorn.settings.get("chdir");
                matches!(value.ok(), Some(SettingValue::Text(text)) if text == wanted)
            };
            try_place(place, &propose, &holds, &mut tally);
        }
        match wanted {
            "/srv/myapp/other" => assert!(tally.refused.is_empty(), "{:#?}", tally.refused),
            CUT => assert_eq!(tally.made, 0),
            _ => assert!(tally.made > 10, "{wanted}: {tally:#?}"),
        }
    }
}

#[test]
fn a_variable_is_the_wanted_one_or_is_refused() {
    const NAME: &str = "FLASK_DEBUG";
    for wanted in ["0", "a=b", "", CUT].into_iter().chain(AWKWARD) {
        let mut tally = Tally::default();
        for place in variables(NAME, "1") {
            let propose = |app: &App| Ok(vec![Edit::variable(app, NAME, wanted)?]);
            let holds = |app: &App| {
                let variable = app.variable(NAME);
                let value = variable.unwrap().expect("it is set").value.clone();
                value.expose_str() == Some(wanted)
            };
            try_place(place, &propose, &holds, &mut tally);
        }
        match wanted {
            "0" | "a=b" => assert!(tally.refused.is_empty(), "{:#?}", tally.refused),
            CUT => assert_eq!(tally.made, 0),
            _ => assert!(tally.made > 5, "{wanted}: {tally:#?}"),
        }
    }
}

#[test]
fn a_switch_is_off_and_nothing_else_is_gone() {
    let mut places = Vec::new();
    for end in ["\n", "\r\n"] {
        // The mark stands where the blanks go with the word.
        for line in [
            format!("ExecStart=\nExecStart={GUNICORN}@ -w 3 {REST}\n"),
            format!("ExecStart=\nExecStart={GUNICORN} -w 3@ {REST}\n"),
            format!("ExecStart=\nExecStart={GUNICORN} -w 3@ \\\n    {REST}\n"),
            format!("Environment=\"GUNICORN_CMD_ARGS=-w 3@ -b :1\"\n{}", started("")),
            format!("Environment='GUNICORN_CMD_ARGS=-w 3@'\n{}", started("")),
        ] {
            let text = drop_in(&line).replace('\n', end);
            places.push(place("a switch", " --preload", DROP_IN, &text, |case| case));
        }
        let runs = drop_in(&started(""));
        for line in ["GUNICORN_CMD_ARGS=-w 3@", "GUNICORN_CMD_ARGS='-w 3@ -b :1'"] {
            let text = format!("{SECRETS}{line}\nA=1\n").replace('\n', end);
            let make = |case: Case| case.file(DROP_IN, &runs);
            places.push(place("a switch", " --preload", ENVIRONMENT, &text, make));
        }
        let first = "GUNICORN_CMD_ARGS = \"@-w 3\"";
        let text = format!("{SECRETS}{first}\nA=1\n").replace('\n', end);
        let make = |case: Case| case.file(DROP_IN, &runs);
        places.push(place("a switch", "--preload ", ENVIRONMENT, &text, make));
        let text = "if True:\n    preload_app = @  # why\n".replace('\n', end);
        let path = format!("{RELEASE}/gunicorn.conf.py");
        places.push(place("a switch", "True", &path, &text, |case| case.file(DROP_IN, &runs)));
    }
    let mut tally = Tally::default();
    for place in places {
        let propose = |app: &App| Edit::switch_off(app, "preload_app");
        let holds = |app: &App| app.gunicorn.settings.preload_app().ok() == Some(&false);
        let length = place.before.len() + place.behind.len();
        let (host, path) = (place.case.host.clone(), place.path.clone());
        let text = changed(&host, &propose, &path).unwrap();
        let kept = if path.ends_with(".py") { length + "False".len() } else { length };
        assert_eq!(text.len(), kept, "{}:\n{text}", place.what);
        try_place(place, &propose, &holds, &mut tally);
    }
    assert!(tally.refused.is_empty() && tally.made == 18, "{tally:#?}");
}

#[test]
fn what_cannot_be_told_is_refused_with_a_reason() {
    let python = |text: &str| {
        let path = format!("{RELEASE}/gunicorn.conf.py");
        Case::healthy().file(DROP_IN, drop_in(&started(""))).file(&path, text)
    };
    let unit = |lines: &str| Case::healthy().file(DROP_IN, drop_in(lines));
    for case in [
        python("import os\nworkers = int(os.environ.get('W', 1))\n"),
        python("workers = threads = 1\n"),
        python("workers = 1\nthreads = workers * 2\n"),
        python("workers = 1; threads = 2\n"),
        unit(&format!("Environment=N=1\n{}", started("-w 1$N"))),
        unit(&started("-w $NOBODY")),
        unit(&format!("Environment=GUNICORN_CMD_ARGS=--workers=%%1\n{}", started(""))),
        unit(&started("--no-such-option")),
    ] {
        let host = case.into_host();
        let propose = |app: &App| Ok(vec![Edit::setting(app, "workers", Value::Number(7))?]);
        let why = changed(&host, &propose, DROP_IN).expect_err("it was changed");
        assert!(why.len() > 10, "{why:?}");
    }
}

#[test]
fn a_socket_is_another_one_for_systemd_gunicorn_and_nginx_alike() {
    const OLD: &str = "/run/myapp/gunicorn.sock";
    const NEW: &str = "/run/other/g.sock";
    let python = format!("{RELEASE}/gunicorn.conf.py");
    let bare = format!("ExecStart=\nExecStart={GUNICORN} -w 3 wsgi:app\n");
    let socket = "/etc/systemd/system/myapp.socket";
    let with = |arguments: &str| format!("ExecStart=\nExecStart={GUNICORN} {arguments} wsgi:app\n");
    for (path, text, start) in [
        (DROP_IN, drop_in(&with(&format!("--bind unix:{OLD}"))), None),
        (DROP_IN, drop_in(&with(&format!("\"--bind=unix:{OLD}\""))).replace('\n', "\r\n"), None),
        (DROP_IN, drop_in(&with(&format!("-b 'unix:{OLD}' -b 127.0.0.1:9000"))), None),
        (&*python, format!("bind = ['unix:{OLD}']\n"), Some(&bare)),
        (&*python, format!("bind = \"unix:{OLD}\"  # here\r\n"), Some(&bare)),
        (socket, format!("[Socket]\nListenStream={OLD}\n[Install]\n"), Some(&bare)),
    ] {
        let case = match start {
            Some(start) => Case::healthy().file(DROP_IN, drop_in(start)),
            None => Case::healthy(),
        };
        let case = match path {
            "/etc/systemd/system/myapp.socket" => {
                case.replace(UNIT, "[Unit]", "[Unit]\nRequires=myapp.socket")
            }
            _ => case,
        };
        let mut host = case.file(path, &text).into_host();
        let site = String::from_utf8(host.read(Path::new(SITE), 1 << 20).unwrap()).unwrap();
        let changes = with_app(&host, |sources, deployment, app| {
            let bound = app.bounds().ok().unwrap().first().expect("a socket");
            let edits = Edit::socket(app, bound, NEW).unwrap();
            fix::edited(&host, sources, deployment, &edits).unwrap()
        });
        assert!(site.contains(OLD));
        for change in &changes {
            let before = host.read(&change.path, 1 << 20).unwrap();
            let before = String::from_utf8(before).unwrap();
            let Content::File { bytes, .. } = &change.after else { panic!("{change:#?}") };
            assert_eq!(String::from_utf8_lossy(bytes), before.replace(OLD, NEW));
            host.file(&change.path, bytes.to_vec());
        }
        let changed: Vec<&Path> = changes.iter().map(|change| change.path.as_path()).collect();
        assert!(changed.contains(&Path::new(path)) && changed.contains(&Path::new(SITE)), "{text}");
        with_app(&host, |_, _, app| {
            let bounds = app.bounds().ok().unwrap();
            assert_eq!(bounds[0].endpoint, Endpoint::unix(Path::new(NEW)), "{text}");
            assert!(!app.routes.is_empty(), "nginx went elsewhere: {text}");
        });
    }
}
