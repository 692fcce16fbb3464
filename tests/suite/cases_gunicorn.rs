//! Rules of gunicorn's settings and of the release, where the deciding place lies elsewhere than
//! in the examples of their documentation.

use crate::support::case;

use std::fs;

use case::{Case, Hit};
use deploy_doctor::engine::{self, Settings};
use deploy_doctor::facts::{self, Given, Request, Scope};
use deploy_doctor::host::FilesHost;
use deploy_doctor::rule::Severity;
use deploy_doctor::rules;
use deploy_doctor::source::Sources;

const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/10-start.conf";
const CONFIG: &str = "/srv/myapp/releases/2026-04-21/gunicorn.conf.py";
const SITE: &str = "/etc/nginx/sites-available/myapp";
const PACKAGES: &str = "/srv/myapp/.venv/lib/python3.11/site-packages";

/// The healthy deployment, started by these arguments.
fn started(arguments: &str) -> Case {
    unit(&format!(
        "ExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn --chdir /srv/myapp/current \
         --bind unix:/run/myapp/gunicorn.sock {arguments}\n"
    ))
}

fn unit(lines: &str) -> Case {
    Case::healthy().file(DROP_IN, format!("[Service]\n{lines}"))
}

fn version(case: Case, version: &str) -> Case {
    let metadata = format!("Metadata-Version: 2.1\nName: gunicorn\nVersion: {version}\n");
    case.remove(&format!("{PACKAGES}/gunicorn-23.0.0.dist-info"))
        .file(&format!("{PACKAGES}/gunicorn-{version}.dist-info/METADATA"), metadata)
        .in_release("requirements.txt", "Flask==3.0.3\n")
}

/// nginx keeps its connections to gunicorn open.
fn kept_alive(case: Case) -> Case {
    let site = "upstream myapp {
    server unix:/run/myapp/gunicorn.sock fail_timeout=0;
    keepalive 8;
}
server {
    listen 80 default_server;
    server_name example.com;
    location / {
        proxy_pass http://myapp;
        proxy_http_version 1.1;
        proxy_read_timeout 75s;
        proxy_set_header Connection \"\";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
    }
}
";
    case.file(SITE, site)
}

fn at(found: &Hit) -> (&str, usize) {
    (found.places[0].file.as_str(), found.places[0].line)
}

#[test]
fn one_worker_is_reported_where_the_number_is_decided() {
    let short = started("-w1 wsgi:app").check();
    assert_eq!(at(short.only("G201")), (DROP_IN, 3));
    assert!(short.only("G201").message.ends_with("the command line asks for 1 worker"));

    // The last flag wins; a file that says more does not help.
    let last = started("-w 4 --workers=1 wsgi:app").file(CONFIG, "workers = 8\n").check();
    assert_eq!(at(last.only("G201")), (DROP_IN, 3));

    let config = started("wsgi:app").file(CONFIG, "import os\n\nworkers = 1\n").check();
    assert_eq!(at(config.only("G201")), (CONFIG, 3));
    assert!(config.only("G201").help.contains("systemctl reload myapp.service"));

    let named = started("-c /etc/myapp/gunicorn.py wsgi:app")
        .file("/etc/myapp/gunicorn.py", "# one\r\nworkers = 1\r\n")
        .check();
    assert_eq!(at(named.only("G201")), ("/etc/myapp/gunicorn.py", 2));

    let nothing = started("wsgi:app").check();
    assert_eq!(at(nothing.only("G201")), (DROP_IN, 3));
    assert!(nothing.only("G201").message.contains("default is 1"));
}

#[test]
fn a_variable_decides_and_its_value_is_not_shown() {
    let environment = "SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\r\n\
                       DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db\r\nWEB_CONCURRENCY=1\r\n";
    let file = started("wsgi:app").file("/etc/myapp.env", environment).check();
    let found = file.only("G201");
    assert_eq!(at(found), ("/etc/myapp.env", 3));
    assert!(found.message.contains("WEB_CONCURRENCY asks for fewer than 2 workers"));

    // The weakest place of all: a configuration file beats it.
    let beaten = started("wsgi:app")
        .file("/etc/myapp.env", environment)
        .file(CONFIG, "workers = 2\n")
        .check();
    beaten.passes("G201");

    let from_config = "import os\nworkers = int(os.environ.get('WEB_CONCURRENCY', 3))\n";
    let through = started("wsgi:app").file("/etc/myapp.env", environment).file(CONFIG, from_config);
    assert_eq!(at(through.check().only("G201")), (CONFIG, 2));
    started("wsgi:app").file(CONFIG, from_config).check().passes("G201");
}

#[test]
fn what_is_not_known_is_skipped() {
    let open = started("wsgi:app").file(CONFIG, "from settings import *\n").check();
    for code in ["G201", "G203", "G204"] {
        assert!(open.of(code).is_empty(), "{open:#?}");
        assert_eq!(open.reasons(code).len(), 1, "{code}");
    }
    let class = started("-w 3 -k gevent wsgi:app").check();
    assert!(class.of("G207").is_empty());
    assert_eq!(class.reasons("G207"), ["reloads of gevent workers were not measured"]);
    let unversioned = started("-w 3 --threads 4 wsgi:app")
        .remove(&format!("{PACKAGES}/gunicorn-23.0.0.dist-info"))
        .check();
    assert!(unversioned.of("G207").is_empty());
    assert_eq!(unversioned.reasons("G207").len(), 1);
}

#[test]
fn preload_and_reload_are_found_in_every_layer() {
    let arguments = unit("Environment=\"GUNICORN_CMD_ARGS=--preload --reload\"\n").check();
    assert_eq!(at(arguments.only("G203")), (DROP_IN, 2));
    assert_eq!(at(arguments.only("G204")), (DROP_IN, 2));
    let file = Case::healthy().file(CONFIG, "preload_app = True\nreload = 1 == 1\n").check();
    assert_eq!(at(file.only("G203")), (CONFIG, 1));
    let abbreviated = started("-w 3 --prel wsgi:app").check();
    assert_eq!(at(abbreviated.only("G203")), (DROP_IN, 3));
    // A second master imports the code anew.
    let handed_over = started("-w 3 --preload wsgi:app").file(
        "/etc/systemd/system/myapp.service.d/20-reload.conf",
        "[Service]\nExecReload=\nExecReload=/bin/kill -s USR2 $MAINPID\n",
    );
    handed_over.check().passes("G203");
}

/// What dpkg says of nginx.
fn nginx(case: Case, version: &str) -> Case {
    let status = format!("Package: nginx\nStatus: install ok installed\nVersion: {version}-1\n\n");
    case.file("/var/lib/dpkg/status", status)
}

/// The site with other lines in the group and in the location.
fn site(case: Case, group: &str, location: &str) -> Case {
    let text = fs::read_to_string("testdata/healthy/etc/nginx/sites-available/myapp").unwrap();
    let pass = "        proxy_pass http://myapp;\n";
    assert!(text.contains("fail_timeout=0;\n") && text.contains(pass));
    let text = text.replace("fail_timeout=0;\n", &format!("fail_timeout=0;\n    {group}\n"));
    case.file(SITE, text.replace(pass, &format!("{pass}        {location}\n")))
}

const THREADS: &str = "-w 3 --threads 4 wsgi:app";

#[test]
fn lost_requests_follow_the_table() {
    let now = nginx(started(THREADS), "1.22.1").check();
    let found = now.only("G207");
    assert_eq!((at(found), found.severity), ((DROP_IN, 3), Severity::Error));
    assert!(found.message.contains("gunicorn 23.0.0 behind nginx 1.22.1 lost "), "{found:?}");
    assert!(found.help.contains("gunicorn>=27.0"), "{}", found.help);
    assert!(!found.help.contains("keepalive"), "no way of nginx's helps: {}", found.help);
    let worst = nginx(kept_alive(started(THREADS)), "1.22.1").check();
    let found = worst.only("G207");
    assert!(found.message.contains("nginx 1.22.1, which kept its connections, lost "), "{found:?}");
    assert_eq!(
        (&*found.places[1].file, found.places[1].line),
        ("/etc/nginx/sites-enabled/myapp", 3)
    );

    let class = Case::healthy().file(CONFIG, "worker_class = 'gthread'\n").check();
    assert_eq!(at(class.only("G207")), (CONFIG, 1));

    for (gunicorn, measured) in
        [("20.1.0", "20.1.0"), ("24.1.0", "24.1.1"), ("25.0.3", "25.3.0"), ("26.2.2", "26.2.0")]
    {
        let threads = || version(started(THREADS), gunicorn);
        nginx(threads(), "1.22.1").check().passes("G207");
        let kept = nginx(kept_alive(threads()), "1.22.1").check();
        let found = kept.only("G207");
        let words = format!("under gunicorn {gunicorn} with gthread: gunicorn {measured} behind");
        assert!(found.message.contains(&words), "{}", found.message);
        assert!(found.help.contains("27.0 is the first version that loses none"));
        assert!(found.help.contains("remove `keepalive`"), "{}", found.help);
    }
    nginx(kept_alive(version(started(THREADS), "27.0.1")), "1.22.1").check().passes("G207");
    nginx(kept_alive(version(started("-w 3 wsgi:app"), "20.1.0")), "1.22.1").check().passes("G207");
}

#[test]
fn from_1_29_7_on_nginx_keeps_connections_unless_told_not_to() {
    for gunicorn in ["20.1.0", "24.1.1", "25.3.0", "26.2.2"] {
        let threads = || version(started(THREADS), gunicorn);
        for newer in ["1.29.7", "1.30.6", "1.31.0"] {
            let kept = nginx(threads(), newer).check();
            let found = kept.only("G207");
            assert!(found.message.contains("which kept its connections"), "{}", found.message);
            assert_eq!(
                (&*found.places[1].file, found.places[1].line),
                ("/etc/nginx/sites-enabled/myapp", 1)
            );
            assert!(found.help.contains("write `keepalive 0;`"), "{}", found.help);
        }
        nginx(threads(), "1.29.6").check().passes("G207");
        let closing = [
            ("keepalive 0;", ""),
            ("", "proxy_http_version 1.0;"),
            ("", "proxy_set_header Connection close;"),
        ];
        for (group, location) in closing {
            let case = site(nginx(threads(), "1.30.6"), group, location);
            case.check().passes("G207");
        }
        let number = site(nginx(threads(), "1.30.6"), "keepalive 8;", "").check();
        assert_eq!(number.only("G207").places[1].line, 3);
        let straight = SITE_STRAIGHT.to_owned();
        nginx(threads(), "1.30.6").file(SITE, straight).check().passes("G207");
        // Not known, not told.
        assert!(threads().check().of("G207").is_empty());
        assert!(threads().check().reasons("G207")[0].contains("nginx's version is not known"));
        let upgraded = site(
            nginx(threads(), "1.30.6"),
            "",
            "proxy_set_header Connection $connection_upgrade;",
        );
        assert!(upgraded.check().reasons("G207")[0].contains("$connection_upgrade"));
    }
    nginx(version(started(THREADS), "27.0.1"), "1.30.6").check().passes("G207");
}

const SITE_STRAIGHT: &str = "server {
    listen 80 default_server;
    server_name example.com;
    location / {
        proxy_pass http://unix:/run/myapp/gunicorn.sock;
        proxy_read_timeout 75s;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
    }
}
";

#[test]
fn workers_that_max_requests_ends_lose_requests_without_a_reload() {
    let limited = "-w 3 --threads 4 --max-requests 200 wsgi:app";
    let now = nginx(started(limited), "1.22.1").check();
    let found = now.only("G207");
    assert!(
        found
            .message
            .starts_with("each reload and each worker that max_requests ends drops requests"),
        "{}",
        found.message
    );
    assert!(found.message.contains("without a reload (max_requests = 100)"), "{}", found.message);
    nginx(version(started(limited), "25.3.0"), "1.22.1").check().passes("G207");
    let kept = nginx(version(started(limited), "26.2.2"), "1.30.6").check();
    assert!(kept.only("G207").message.contains("max_requests"));
    nginx(kept_alive(version(started(limited), "27.0.1")), "1.22.1").check().passes("G207");
}

#[test]
fn a_shared_port_loses_requests_in_one_version_only() {
    let tcp = "ExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn -w 3 --chdir /srv/myapp/current \
               --bind 127.0.0.1:8000 --reuse-port wsgi:app\n";
    let new = version(unit(tcp), "27.0.1").check();
    assert_eq!(at(new.only("G207")), (DROP_IN, 3));
    assert!(version(unit(tcp), "20.1.0").check().of("G207").is_empty());
    // SO_REUSEPORT means nothing to a unix socket.
    version(started("-w 3 --reuse-port wsgi:app"), "27.0.1").check().passes("G207");
}

#[test]
fn nobody_between_the_clients_and_gunicorn() {
    let open = "ExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn -w 3 --threads 2 \
                --chdir /srv/myapp/current --bind 0.0.0.0:8000 wsgi:app\n";
    let direct = version(unit(open), "25.3.0").remove("/etc/nginx").check();
    assert_eq!(direct.only("G207").severity, Severity::Warning);
    version(unit(open), "27.0.1").remove("/etc/nginx").check().passes("G207");
}

#[test]
fn the_application_is_looked_for_where_gunicorn_looks() {
    let misspelt = started("-w 3 wsgi:ap").check();
    let found = misspelt.only("G210");
    assert_eq!(at(found), (DROP_IN, 3));
    assert!(found.help.contains("Did you mean 'wsgi:app'?"), "{}", found.help);

    let package = started("-w 3 app:app")
        .in_release("shop/__init__.py", "")
        .in_release("shop/app.py", "app = object()\n")
        .check();
    assert!(package.only("G210").help.contains("Did you mean shop.app:app?"));

    // The same module, found along --pythonpath and PYTHONPATH.
    let elsewhere = |arguments: &str, lines: &str| {
        let start = format!(
            "{lines}ExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn -w 3 {arguments} \
             --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock web:app\n"
        );
        unit(&start).in_release("src/web.py", "app = object()\n").check()
    };
    assert_eq!(at(elsewhere("", "").only("G210")), (DROP_IN, 3));
    elsewhere("--pythonpath src", "").passes("G210");
    elsewhere("", "Environment=PYTHONPATH=/srv/myapp/current/src\n").passes("G210");

    let config = started("-w 3").file(CONFIG, "wsgi_app = 'wsgi:application'\n").check();
    assert_eq!(at(config.only("G210")), (CONFIG, 1));
}

#[test]
fn what_gunicorn_refuses_behind_the_colon() {
    let factory = "def create_app(config):\n    return config\n\n\nnothing = None\n";
    let refused = |name: &str| {
        let case = started(&format!("-w 3 '{name}'")).in_release("wsgi.py", factory);
        let seen = case.check();
        seen.of("G210").first().map(|found| found.message.clone())
    };
    assert!(
        refused("wsgi:create_app()").is_some_and(|m| m.contains("needs 1 argument and gets 0"))
    );
    assert!(refused("wsgi:nothing").is_some_and(|m| m.contains("is None")));
    assert!(refused("wsgi:web.app").is_some_and(|m| m.contains("dotted")));
    assert_eq!(refused("wsgi:create_app(\"production\")"), None);
    assert_eq!(refused("wsgi:create_app(config=1)"), None);
}

#[test]
fn names_out_of_sight_are_no_finding() {
    for text in ["from shop import *\n", "def __getattr__(name):\n    return 1\n"] {
        let seen = Case::healthy().in_release("wsgi.py", text).check();
        assert!(seen.of("G210").is_empty(), "{text}");
        assert_eq!(seen.reasons("G210").len(), 1, "{text}");
    }
    let installed = started("-w 3 flask:Flask").check();
    assert!(installed.of("G210").is_empty(), "{installed:#?}");
}

#[test]
fn a_directory_that_is_not_there() {
    let gone = unit(
        "ExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn -w 3 --chdir /srv/myap/current \
         --bind unix:/run/myapp/gunicorn.sock wsgi:app\n",
    );
    let seen = gone.check();
    assert!(seen.only("G210").message.contains("/srv/myap does not exist"));
}

#[test]
fn syntax_errors_count_where_they_are_imported() {
    let views = "def index()\n    return 1\n";
    let wsgi = |import: &str| format!("{import}\napp = object()\n");
    let certain = Case::healthy()
        .in_release("wsgi.py", wsgi("from shop import views"))
        .in_release("shop/__init__.py", "")
        .in_release("shop/views.py", views)
        .check();
    let found = certain.only("G211");
    assert_eq!((found.severity, found.places[0].line), (Severity::Error, 1));
    assert!(found.places[0].file.ends_with("/shop/views.py"), "{found:?}");
    let optional = Case::healthy()
        .in_release("wsgi.py", wsgi("try:\n    import views\nexcept Exception:\n    pass"))
        .in_release("views.py", views)
        .check();
    assert_eq!(optional.only("G211").severity, Severity::Warning);
    let later = Case::healthy().in_release("wsgi.py", "app = f'{'a'}'\r\n").check();
    assert!(later.only("G211").message.contains("Python 3.11"));
}

#[test]
fn the_link_that_leads_nowhere() {
    let seen = Case::healthy().link("/srv/myapp/current", "releases/2026-04-28").check();
    let found = seen.only("R701");
    assert_eq!(at(found), ("/etc/systemd/system/myapp.service", 11));
    assert!(found.help.contains("ln -s /srv/myapp/releases/2026-04-21 /srv/myapp/current.new"));
    // The cause is named once: neither the application nor a syntax error is looked for in vain.
    assert!(seen.of("G210").is_empty() && seen.of("G211").is_empty(), "{seen:#?}");
    assert!(!seen.reasons("G210").is_empty());
}

#[test]
fn a_release_of_its_own_environment_is_whole_only_with_it() {
    let case = || {
        let mut case = unit(
            "ExecStart=\nExecStart=/srv/myapp/current/venv/bin/gunicorn -w 3 \
             --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app\n",
        );
        for (path, text) in [
            ("venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n"),
            ("venv/bin/gunicorn", "#!/srv/myapp/current/venv/bin/python\n"),
        ] {
            case = case.in_release(path, text);
        }
        case
    };
    let seen = case().check();
    assert!(seen.only("R702").message.contains("lacks its virtual environment"));
    let whole = case().file("/srv/myapp/releases/2026-04-14/venv/pyvenv.cfg", "home = /usr/bin\n");
    whole.check().passes("R702");
    // Without a release link nobody knows how one would go back.
    let plain = Case::healthy().remove("/srv/myapp/current").directory("/srv/myapp/current");
    let seen = plain.file("/srv/myapp/current/wsgi.py", "app = 1\n").check();
    assert!(seen.of("R702").is_empty());
    assert_eq!(seen.reasons("R702"), ["no release link is on the way"]);
}

#[test]
fn manifests_are_held_against_what_is_there() {
    let vite = r#"{"main.js": {"file": "assets/main.1a.js", "css": ["assets/main.2b.css"]}}"#;
    let half = Case::healthy()
        .in_release("static/.vite/manifest.json", vite)
        .in_release("static/assets/main.1a.js", "")
        .check();
    let found = half.only("R710");
    assert!(found.message.contains("assets/main.2b.css"), "{}", found.message);
    assert!(!found.message.contains("main.1a.js"));
    let public = r#"{"main.js": "/assets/js/main.1a.js"}"#;
    Case::healthy()
        .in_release("static/manifest.json", public)
        .in_release("static/js/main.1a.js", "")
        .check()
        .passes("R710");
    let icons = r#"{"name": "Shop", "icons": [{"src": "/static/icon.png"}]}"#;
    let seen = Case::healthy().in_release("static/manifest.json", icons).check();
    seen.passes("R710");
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
}

/// What is found in a repository, by code, file and line, and what is skipped. Unit and application
/// are given, nothing is installed.
fn repository(unit: &str, wsgi: &str) -> (Vec<(&'static str, String, usize)>, Vec<&'static str>) {
    let directory = tempfile::tempdir().unwrap();
    let (unit_file, app) = (directory.path().join("myapp.service"), directory.path().join("app"));
    fs::create_dir(&app).unwrap();
    fs::write(&unit_file, unit).unwrap();
    fs::write(app.join("wsgi.py"), wsgi).unwrap();
    let given = [unit_file.clone(), app.clone()];
    let host = FilesHost::new(directory.path().into(), &given).unwrap();
    let sources = Sources::new(&host);
    let given = Given { units: vec![unit_file], app_dir: Some(app), ..Given::default() };
    let request = Request { apps: Vec::new(), scope: Scope::Files(given), database_revision: None };
    let deployment = facts::read(&sources, &request);
    let outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
    let found = outcome.findings.iter().map(|reported| {
        let label = &reported.finding.labels[0];
        let file = sources.file(label.span.file);
        let name = file.path.file_name().unwrap().to_string_lossy().into_owned();
        (reported.finding.rule.code, name, file.position(label.span.start).line)
    });
    (found.collect(), outcome.skips.iter().map(|skip| skip.code).collect())
}

#[test]
fn a_repository_is_enough_for_the_application() {
    let template = "[Service]\nUser={{ user }}\nWorkingDirectory={{ root }}/current\n\
                    ExecStart={{ root }}/venv/bin/gunicorn -w {{ workers }} wsgi:application\n";
    let (found, skipped) = repository(template, "app = object()\n");
    assert!(!found.iter().any(|(code, ..)| *code == "G201"), "{found:?}");
    assert!(skipped.contains(&"G201"), "{skipped:?}");

    let unit = "[Service]\nExecStart=/v/bin/gunicorn -w 2 wsgi:app\n";
    let (found, _) = repository(unit, "application = object()\n");
    assert!(found.contains(&("G210", "myapp.service".into(), 2)), "{found:?}");
    // What every Python refuses, this one does, whichever it is.
    let (found, skipped) = repository(unit, "app = object(\n");
    assert!(found.iter().any(|(code, file, _)| (*code, file.as_str()) == ("G211", "wsgi.py")));
    assert!(skipped.contains(&"G211"), "{skipped:?}");
    let (found, skipped) = repository(unit, "app = f'{'a'}'\n");
    assert!(!found.iter().any(|(code, ..)| *code == "G211"), "{found:?}");
    assert!(skipped.contains(&"G211"), "{skipped:?}");
}

#[test]
fn a_port_is_exposed_only_behind_nginx_and_on_an_address_of_others() {
    let case = |bind: &str, peer: &str| {
        Case::healthy()
            .replace("/etc/systemd/system/myapp.service", "unix:/run/myapp/gunicorn.sock", bind)
            .replace(SITE, "unix:/run/myapp/gunicorn.sock", peer)
    };
    for bind in ["0.0.0.0:8000", ":8000", "[::]:8000", "203.0.113.9:8000", "[2001:db8::9]:8000"] {
        let peer = if bind.starts_with(['2', '[']) { bind } else { "127.0.0.1:8000" };
        case(bind, peer).check().only("G205").is(Severity::Warning).says("without nginx");
    }
    for bind in ["127.0.0.1:8000", "localhost:8000", "10.0.0.5:8000", "[fd00::5]:8000"] {
        let seen = case(bind, bind).check();
        assert!(seen.of("G205").is_empty(), "{bind}: {seen:#?}");
    }
    // nginx passes elsewhere: it is no finding of nginx's application.
    assert!(case("0.0.0.0:8000", "127.0.0.1:9000").check().of("G205").is_empty());
    // nginx connects to the address that would be closed: a person has to change both.
    let seen = case("203.0.113.9:8000", "203.0.113.9:8000").check();
    seen.only("G205").helps("let nginx pass to that");
}

#[test]
fn a_port_that_a_variable_opens_is_not_shown() {
    let seen = Case::healthy()
        .replace(
            "/etc/systemd/system/myapp.service",
            "    --bind unix:/run/myapp/gunicorn.sock \\\n",
            "",
        )
        .replace(SITE, "unix:/run/myapp/gunicorn.sock", "127.0.0.1:8123")
        .file(DROP_IN, "[Service]\nEnvironment=PORT=8123\n")
        .check();
    let found = seen.only("G205").helps("--bind 127.0.0.1:${PORT}");
    assert!(!found.message.contains("8123"), "{found:#?}");
}

#[test]
fn settings_that_have_no_effect_are_told_once() {
    for (lines, says) in [
        ("Environment=GUNICORN_CMD_ARGS=--timeout=40\n", None),
        ("Environment=GUNICORN_CMD_ARGS=-w8\n", Some("--workers of GUNICORN_CMD_ARGS")),
        ("Environment=WEB_CONCURRENCY=8\n", Some("WEB_CONCURRENCY has no effect")),
        ("Environment=WEB_CONCURRENCY=3\n", None),
    ] {
        let seen = unit(lines).check();
        match says {
            Some(says) => drop(seen.only("G214").says(says)),
            None => assert!(seen.of("G214").is_empty(), "{lines}: {seen:#?}"),
        }
    }
    // One worker is G201's, and a switch that another layer beats is its own rule's.
    let seen = unit("Environment=GUNICORN_CMD_ARGS=-w8\nExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn \
                     -w1 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app\n")
        .check();
    assert!(seen.of("G214").is_empty(), "{seen:#?}");
}

#[test]
fn hung_workers_are_replaced_where_threads_or_a_timeout_see_to_it() {
    started("-w 3 --timeout 0").check().only("G219").is(Severity::Warning);
    for arguments in ["-w 3", "-w 3 --timeout 3600", "-w 3 --timeout 0 --threads 4"] {
        let seen = started(arguments).check();
        assert!(seen.of("G219").is_empty(), "{arguments}: {seen:#?}");
    }
}

#[test]
fn jitter_spreads_the_restarts_of_several_workers() {
    started("-w 3 --max-requests 1000").check().only("G216").helps("--max-requests-jitter 500");
    for arguments in ["-w 3 --max-requests 1000 --max-requests-jitter 9", "-w 3 --max-requests 0"] {
        assert!(started(arguments).check().of("G216").is_empty(), "{arguments}");
    }
    assert!(started("-w 1 --max-requests 1000").check().of("G216").is_empty());
}

/// nginx speaks TLS and passes to this address; gunicorn listens at that one, with these options.
fn behind_tls(peer: &str, bind: &str) -> Case {
    let tls = "listen 443 ssl; ssl_certificate /etc/ssl/a.pem; ssl_certificate_key /etc/ssl/a.key;";
    Case::healthy()
        .replace("/etc/systemd/system/myapp.service", "unix:/run/myapp/gunicorn.sock", bind)
        .replace(SITE, "unix:/run/myapp/gunicorn.sock", peer)
        .replace(SITE, "listen 80 default_server;", tls)
        .file("/etc/ssl/a.pem", "")
        .file("/etc/ssl/a.key", "")
}

/// What gunicorn sees nginx come from was measured for each of these.
#[test]
fn https_is_lost_where_gunicorn_does_not_believe_nginx() {
    for (peer, bind, from) in [
        ("10.0.0.5:8000", "10.0.0.5:8000", "10.0.0.5"),
        ("127.0.0.1:8000", "[::]:8000", "::ffff:127.0.0.1"),
        ("127.0.0.1:8000", "127.0.0.1:8000 --forwarded-allow-ips 10.0.0.9", "127.0.0.1"),
        ("[::1]:8000", "[::1]:8000 --forwarded-allow-ips 127.0.0.1", "::1"),
    ] {
        let seen = behind_tls(peer, bind).check();
        seen.only("G217").says(&format!("nginx connects from {from},"));
    }
    for (peer, bind) in [
        ("127.0.0.1:8000", "127.0.0.1:8000"),
        ("127.0.0.5:8000", "127.0.0.5:8000"),
        ("[::1]:8000", "[::1]:8000"),
        ("10.0.0.5:8000", "10.0.0.5:8000 --forwarded-allow-ips *"),
        ("10.0.0.5:8000", "10.0.0.5:8000 --forwarded-allow-ips 127.0.0.1,10.0.0.5"),
        ("unix:/run/myapp/gunicorn.sock", "unix:/run/myapp/gunicorn.sock"),
    ] {
        let seen = behind_tls(peer, bind).check();
        assert!(seen.of("G217").is_empty(), "{peer} {bind}: {seen:#?}");
    }
    // 20.1 believes ::1 only where it is told to.
    let old = version(behind_tls("[::1]:8000", "[::1]:8000"), "20.1.0").check();
    old.only("G217").says("nginx connects from ::1,");
    // A network, from 24 on.
    let network = behind_tls("10.0.0.5:8000", "10.0.0.5:8000 --forwarded-allow-ips 10.0.0.0/8");
    assert!(version(network, "27.0.1").check().of("G217").is_empty());
    // The application reads the header itself; nginx does not speak TLS.
    let fixed = "from flask import Flask\nfrom werkzeug.middleware.proxy_fix import ProxyFix\n\n\
                 app = Flask(__name__)\napp.wsgi_app = ProxyFix(app.wsgi_app)\n";
    let seen = behind_tls("10.0.0.5:8000", "10.0.0.5:8000").in_release("wsgi.py", fixed).check();
    assert!(seen.of("G217").is_empty(), "{seen:#?}");
    let plain = behind_tls("10.0.0.5:8000", "10.0.0.5:8000").replace(SITE, "443 ssl", "80");
    assert!(plain.check().of("G217").is_empty());
}
