//! A small repository, and what people do to it: one change each, and the rule that has to tell.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

const UNIT: &str = "[Unit]\nAfter=network.target\n[Service]\nType=notify\nNotifyAccess=main\nUser=app\n\
    WorkingDirectory=/srv/app\nExecStart=/srv/app/venv/bin/gunicorn -w 3 -b 127.0.0.1:8000 app:app\n\
    ExecReload=/bin/kill -s HUP $MAINPID\nKillMode=mixed\nTimeoutStopSec=40\nRestart=always\nRestartSec=2\n\
    [Install]\nWantedBy=multi-user.target\n";
const SITE: &str = "server {\n    listen 80;\n    server_name app.example.com;\n    location / {\n        \
    proxy_pass http://127.0.0.1:8000;\n        proxy_set_header Host $host;\n        proxy_set_header \
    X-Forwarded-For $proxy_add_x_forwarded_for;\n        proxy_set_header X-Forwarded-Proto $scheme;\n        \
    proxy_read_timeout 75s;\n    }\n}\n";
const APP: &str = "from flask import Flask\napp = Flask(__name__)\n";

/// Files that are written over the healthy ones; none takes one away.
type Changes<'a> = &'a [(&'a str, Option<&'a str>)];

struct Ran {
    code: Option<i32>,
    report: Value,
    nagios: String,
}

impl Ran {
    fn found(&self) -> Vec<(&str, &str)> {
        let all = self.report["findings"].as_array().unwrap().iter();
        let word = |one: &'_ Value| one.as_str().unwrap_or_default().len();
        all.filter(|one| word(&one["code"]) > 0)
            .map(|one| (one["code"].as_str().unwrap(), one["severity"].as_str().unwrap()))
            .collect()
    }
}

fn check(changes: Changes) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let mut files = vec![
        ("deploy/app.service", Some(UNIT)),
        ("deploy/app.conf", Some(SITE)),
        ("app.py", Some(APP)),
        ("requirements.txt", Some("flask\ngunicorn==23.0.0\n")),
    ];
    files.retain(|(path, _)| !changes.iter().any(|(changed, _)| changed == path));
    for (path, text) in files.iter().chain(changes) {
        let Some(text) = text else { continue };
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_deploy-doctor"))
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, json) = run(&["check", ".", "--format", "json"]);
    let report = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    Ran { code, report, nagios: run(&["nagios", "."]).1 }
}

fn unit(from: &str, to: &str) -> String {
    assert!(UNIT.contains(from), "{from}");
    UNIT.replace(from, to)
}

fn site(from: &str, to: &str) -> String {
    assert!(SITE.contains(from), "{from}");
    SITE.replace(from, to)
}

#[track_caller]
fn tells(what: &str, changes: Changes, code: &str) {
    let ran = check(changes);
    let found = ran.found();
    assert!(
        found.iter().any(|(one, _)| *one == code),
        "{what}: {found:?} {}",
        ran.report["problems"]
    );
    let errors: Vec<_> = found.iter().filter(|(_, severity)| *severity == "error").collect();
    assert!(errors.iter().all(|(one, _)| *one == code), "{what}: {errors:?}");
}

#[track_caller]
fn is_silent(what: &str, changes: Changes) {
    let ran = check(changes);
    assert_eq!(ran.found(), [], "{what}");
    assert_eq!(ran.code, Some(0), "{what}: {}", ran.report["problems"]);
}

#[test]
fn the_repository_itself_is_healthy() {
    is_silent("as it is", &[]);
}

#[test]
fn the_list_of_packages_says_which_gunicorn_it_will_be() {
    // gunicorn speaks uwsgi as of 24.1, where it is told to.
    let uwsgi = site("proxy_pass http://127.0.0.1:8000", "uwsgi_pass 127.0.0.1:8000");
    let with = |list| check(&[("deploy/app.conf", Some(&uwsgi)), ("requirements.txt", Some(list))]);
    for old in ["gunicorn==23.0.0\nflask\n", "gunicorn[gevent] === 20.1.0\n"] {
        let ran = with(old);
        assert!(ran.found().contains(&("N305", "error")), "{old}: {:?}", ran.found());
    }
    for open in [
        "gunicorn>=23\nflask\n",
        "gunicorn==23.*\n",
        "gunicorn==23.0.0; python_version < '3.9'\ngunicorn==25.0.0; python_version >= '3.9'\n",
        "gunicorn==23.0.0; python_version < '3.9'\n",
    ] {
        assert!(with(open).found().iter().all(|(code, _)| *code != "N305"), "{open}");
    }
}

const STATICS: &str =
    "location /static/ {\n        alias /srv/app/static/;\n    }\n    location / {";
const SETTINGS: &str = "from pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\n\
    ALLOWED_HOSTS = [\"app.example.com\"]\nSTATIC_URL = \"static/\"\n";
const WSGI: &str = "import os\nfrom django.core.wsgi import get_wsgi_application\n\
    os.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", \"shop.settings\")\n\
    app = get_wsgi_application()\n";

#[test]
fn a_site_that_looks_for_djangos_static_files_elsewhere_is_told() {
    let unit = unit("app:app", "shop.wsgi:app");
    let nginx = site("location / {", STATICS);
    let with = |root: &str, site: &str, there: &str| {
        let settings = format!("import os\n{SETTINGS}{root}");
        check(&[
            ("deploy/app.service", Some(&unit)),
            ("deploy/app.conf", Some(site)),
            ("shop/settings.py", Some(&settings)),
            ("shop/__init__.py", Some("")),
            ("shop/wsgi.py", Some(WSGI)),
            (there, Some("")),
            ("requirements.txt", Some("django==5.2\ngunicorn==23.0.0\n")),
        ])
    };
    let message = |ran: &Ran| {
        let first = &ran.report["findings"][0];
        assert!(ran.found().len() < 2, "{:?}", ran.found());
        (first["code"] == "N312").then(|| first["message"].as_str().unwrap().to_owned())
    };
    for root in [
        "STATIC_ROOT = BASE_DIR / 'staticfiles'\n",
        "STATIC_ROOT = os.path.join(BASE_DIR, 'staticfiles')\n",
        "STATIC_ROOT = '/srv/app/staticfiles/'\n",
    ] {
        let told = message(&with(root, &nginx, "README")).unwrap();
        assert!(told.starts_with("static files get 404") && told.contains("/srv/app/staticfiles"));
        let told = message(&with(root, &nginx, "static/site.css")).unwrap();
        assert!(told.starts_with("static files of Django's admin"), "{told}");
        let right = nginx.replace("/srv/app/static/", "/srv/app/staticfiles/");
        assert_eq!(message(&with(root, &right, "README")), None);
        let by_root = nginx.replace("alias /srv/app/static/", "root /srv/app");
        assert!(message(&with(root, &by_root, "README")).is_some());
        let tries = nginx
            .replace("staticfiles", "static")
            .replace("/srv/app/static/;", "/srv/app/static/;\n        try_files $uri @app;");
        assert_eq!(message(&with(root, &tries, "README")), None);
        // A page for what is missing may come from the application; one of another site does not.
        let page = "error_page 404 = /missing;";
        let own =
            nginx.replace("alias /srv/app/static/;", &format!("alias /srv/app/static/; {page}"));
        assert_eq!(message(&with(root, &own, "README")), None);
        let others = format!("{nginx}server {{ listen 81; server_name b.example.com; {page} }}\n");
        assert!(message(&with(root, &others, "README")).is_some());
        // Whoever deploys may copy them to anywhere outside of the release.
        let outside = nginx.replace("/srv/app/static/", "/var/www/app/");
        assert_eq!(message(&with(root, &outside, "README")), None);
    }
    for open in ["", "STATIC_ROOT = None\n", "STATIC_ROOT = os.environ['STATIC_ROOT']\n"] {
        let ran = with(open, &nginx, "README");
        assert!(ran.found().iter().all(|(code, _)| *code != "N312"), "{open}");
    }
}

#[test]
fn a_site_that_looks_for_flasks_static_files_elsewhere_is_told() {
    let unit = unit("app:app", "shop.web:app");
    let nginx = site("location / {", STATICS);
    let with = |made: &str, there: &str, site: &str| {
        let code = format!("from flask import Flask\napp = Flask({made})\n");
        let ran = check(&[
            ("deploy/app.service", Some(&unit)),
            ("deploy/app.conf", Some(site)),
            ("shop/web.py", Some(&code)),
            ("shop/__init__.py", Some("")),
            (there, Some("")),
        ]);
        assert!(ran.found().len() < 2, "{:?}", ran.found());
        ran.found().first().map(|(code, _)| (*code).to_owned())
    };
    let told = Some("N312".to_owned());
    assert_eq!(with("__name__", "shop/static/site.css", &nginx), told);
    assert_eq!(with("__name__, static_folder='assets'", "shop/assets/a.css", &nginx), None);
    let under = "__name__, static_folder='assets', static_url_path='/static'";
    assert_eq!(with(under, "shop/assets/a.css", &nginx), told);
    assert_eq!(with("__name__, static_folder='../static'", "static/a.css", &nginx), None);
    assert_eq!(with("__name__, static_folder=FOLDER", "shop/static/a.css", &nginx), None);
    // The repository has what nginx looks for, or nothing at all.
    assert_eq!(with("__name__", "static/site.css", &nginx), None);
    assert_eq!(with("__name__", "README", &nginx), None);
    let right = nginx.replace("/srv/app/static/", "/srv/app/shop/static/");
    assert_eq!(with("__name__", "shop/static/site.css", &right), None);
    // Whichever location nginx chooses for such a file.
    let by_ending = |root: &str| {
        let location = format!("location ~* \\.(css|js)$ {{ root {root}; }}\n    location / {{");
        site("location / {", &location)
    };
    assert_eq!(with("__name__", "shop/static/site.css", &by_ending("/srv/app")), told);
    assert_eq!(with("__name__", "shop/static/site.css", &by_ending("/srv/app/shop")), None);
    assert_eq!(with("__name__", "shop/static/site.css", &by_ending("/var/www/html")), None);
}

#[test]
fn what_a_build_makes_is_not_missed_in_a_clone() {
    let nginx = site("location / {", STATICS);
    let with = |ignored: &str, wanted: &[(&str, &str)]| {
        told(
            &[
                ("deploy/app.conf", Some(&nginx)),
                ("deploy/app.service", Some(&unit("app:app", "shop.web:app"))),
                ("shop/web.py", Some(APP)),
                ("shop/__init__.py", Some("")),
                ("shop/static/site.css", Some("")),
                (".gitignore", Some(ignored)),
            ],
            wanted,
        );
    };
    with("__pycache__/\n", &[("N312", "warning")]);
    with("/static/\n", &[]);
    with("# made by npm\nstatic/\n!shop/static/\n", &[]);
}

#[test]
fn what_came_between_two_versions_that_are_known_is_no_error() {
    // gunicorn 25.1.0 has these options, and neither 24.1.1 nor all of 25 does.
    let unit = unit("-w 3", "-w 3 --no-control-socket --dirty-workers 0");
    for list in ["gunicorn==25.1.0\nflask\n", "gunicorn==25.3.0\nflask\n"] {
        let ran = check(&[("deploy/app.service", Some(&unit)), ("requirements.txt", Some(list))]);
        assert_eq!(ran.found(), [], "{list}");
    }
    let old = "gunicorn==23.0.0\nflask\n";
    tells("older", &[("deploy/app.service", Some(&unit)), ("requirements.txt", Some(old))], "G209");
}

#[test]
fn a_kill_that_may_not_happen_is_no_error() {
    for stop in [
        "ExecStop=/bin/sh -c 'kill -TERM $MAINPID || kill -9 $MAINPID'",
        "ExecStop=/bin/sh -c 'kill -TERM $MAINPID; sleep 30; kill -9 $MAINPID'",
        "ExecStop=/bin/sh -c 'kill -9 $(cat /run/celery.pid); kill -TERM $MAINPID'",
    ] {
        is_silent(
            stop,
            &[("deploy/app.service", Some(&unit("KillMode", &format!("{stop}\nKillMode"))))],
        );
    }
    let stop = unit("KillMode", "ExecStop=/bin/kill -9 $MAINPID\nKillMode");
    tells("kill -9", &[("deploy/app.service", Some(&stop))], "U137");
}

#[test]
fn changes_to_the_unit_are_told() {
    for (what, text, code) in [
        ("USR2 alone", unit("HUP", "USR2"), "U102"),
        ("one dash", unit("-b 127", "-bind 127"), "G210"),
        ("TLS behind http", unit("-w 3", "-w 3 --certfile a.pem --keyfile a.key"), "N305"),
        ("no network", unit("User=app", "User=app\nPrivateNetwork=yes"), "U126"),
        ("no IPv4", unit("User=app", "User=app\nRestrictAddressFamilies=AF_UNIX"), "U126"),
        (
            "no socket for systemd",
            unit("User=app", "User=app\nRestrictAddressFamilies=AF_INET AF_INET6"),
            "U126",
        ),
        ("nothing is let through", unit("User=app", "User=app\nIPAddressDeny=any"), "U126"),
        ("nowhere", unit("WorkingDirectory=/srv/app\n", ""), "G210"),
        ("a file's name", unit("app:app", "app.py:app"), "G210"),
        ("a path", unit("app:app", "./app:app"), "G210"),
        ("a dot for the colon", unit("app:app", "app.app"), "G210"),
    ] {
        tells(what, &[("deploy/app.service", Some(&text))], code);
    }
    for (what, line) in [
        ("families", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"),
        ("what is forbidden", "RestrictAddressFamilies=~AF_PACKET"),
        ("this machine alone", "IPAddressDeny=any\nIPAddressAllow=localhost"),
    ] {
        let text = unit("User=app", &format!("User=app\n{line}"));
        is_silent(what, &[("deploy/app.service", Some(&text))]);
    }
    // Another way to the code.
    let text = unit("WorkingDirectory=/srv/app\n", "").replace("-w 3", "-w 3 --chdir /srv/app");
    is_silent("--chdir", &[("deploy/app.service", Some(&text))]);
    // What ends the old master makes it a hand-over.
    let two = "ExecReload=/bin/kill -s USR2 $MAINPID\nExecReload=/bin/sh -c 'sleep 5; kill -s WINCH \
               $MAINPID; kill -s TERM $MAINPID'";
    let text = unit("ExecReload=/bin/kill -s HUP $MAINPID", two);
    assert!(!check(&[("deploy/app.service", Some(&text))]).found().contains(&("U102", "error")));
}

/// Nothing is green where nothing was looked at.
#[test]
fn a_unit_that_drops_out_is_no_success() {
    for (what, text) in [
        ("a broken header", unit("[Service]", "[Servic]")),
        ("no header", unit("[Service]\n", "")),
        (
            "a script",
            unit("/srv/app/venv/bin/gunicorn -w 3 -b 127.0.0.1:8000 app:app", "/srv/app/run.sh"),
        ),
    ] {
        let ran = check(&[("deploy/app.service", Some(&text))]);
        assert_eq!(ran.code, Some(3), "{what}: {:?}", ran.found());
        assert!(ran.nagios.starts_with("DEPLOY UNKNOWN"), "{what}: {}", ran.nagios);
    }
    let alone = check(&[("deploy/app.service", None)]);
    assert!(alone.nagios.starts_with("DEPLOY UNKNOWN"), "{}", alone.nagios);
}

#[test]
fn changes_to_the_site_are_told() {
    for (what, text, code) in [
        ("`$` forgotten", site("$host", "host"), "N303"),
        ("a header for another word", site("X-Forwarded-Proto", "X-Forwarded-Protocol"), "N303"),
        (
            "a merge",
            site(
                "    location",
                "<<<<<<< HEAD\n    gzip on;\n=======\n    gzip off;\n>>>>>>> b\n    location",
            ),
            "N317",
        ),
        ("a letter in the port", site("listen 80", "listen 8O"), "N317"),
        ("no key", site("listen 80;", "listen 443 ssl; ssl_certificate /a.pem;"), "N325"),
        (
            "all of it",
            site("    location /", "    location /static/ { alias /srv/app/; }\n    location /"),
            "N312",
        ),
        (
            "all of it, by root",
            site(
                "    location / {",
                "    location / { root /srv/app; try_files $uri @app; }\n    location @app {",
            ),
            "N312",
        ),
        (
            "a named location",
            site("    location / {", "    location / { try_files $uri @app; }\n    location @ap {"),
            "N316",
        ),
    ] {
        tells(what, &[("deploy/app.conf", Some(&text))], code);
    }
    let port = |text: &str| text.replace("8000", "80");
    let both = [("deploy/app.service", port(UNIT)), ("deploy/app.conf", port(SITE))];
    tells("nginx's port", &[(both[0].0, Some(&both[0].1)), (both[1].0, Some(&both[1].1))], "G225");
    let socket =
        "[Socket]\nListenStream=127.0.0.1:8000\nAccept=yes\n[Install]\nWantedBy=sockets.target\n";
    tells("one service each", &[("deploy/app.socket", Some(socket))], "U127");
    // The static files alone are nobody's loss.
    let text =
        site("    location /", "    location /static/ { alias /srv/app/static/; }\n    location /");
    is_silent("static files", &[("deploy/app.conf", Some(&text))]);
}

/// Another container's nginx is not this host's, and what a template leaves open is not known.
#[test]
fn what_belongs_elsewhere_or_is_open_is_no_alarm() {
    let docker = "server {\n    listen 80;\n    location / {\n        proxy_pass http://web:8000;\n        \
                  proxy_set_header Host $host;\n        proxy_set_header X-Forwarded-For \
                  $proxy_add_x_forwarded_for;\n        proxy_set_header X-Forwarded-Proto $scheme;\n    }\n}\n";
    is_silent("docker", &[("docker/nginx.conf", Some(docker))]);
    let open = |text: &str| text.replace("8000", "${PORT}");
    let (unit, site) = (open(UNIT), open(SITE));
    let ran = check(&[
        ("deploy/app.service", None),
        ("deploy/app.conf", None),
        ("deploy/app.service.tmpl", Some(&unit)),
        ("deploy/app.conf.tmpl", Some(&site)),
    ]);
    assert_eq!(ran.found(), []);
}

/// What a factory reads and imports runs when a worker starts, wherever it stands.
#[test]
fn functions_that_run_at_the_start_are_followed() {
    let factory = "import os\nfrom flask import Flask\n\n\ndef create_app(config=None):\n    app = \
                   Flask(__name__)\n    app.secret_key = os.environ['SECRET_KEY']\n    register(app)\n    if \
                   config:\n        return app\n    app.other = os.environ['LATER']\n    return app\n\n\ndef \
                   register(app):\n    from .views import bp\n    app.register_blueprint(bp)\n";
    let codes = |changes: Changes| {
        let ran = check(changes);
        let found = ran.report["findings"].as_array().unwrap().iter();
        let mut all: Vec<String> = found
            .map(|one| {
                let message = one["message"].as_str().unwrap();
                let named =
                    ["SECRET_KEY", "LATER", "views"].into_iter().find(|w| message.contains(w));
                format!("{} {}", one["code"].as_str().unwrap(), named.unwrap_or_default())
            })
            .collect();
        all.sort();
        all
    };
    let views = ("shop/views.py", Some("bp = 1\n"));
    let called = unit("app:app", "'shop:create_app()'");
    let by_wsgi = unit("app:app", "wsgi:app");
    let wsgi = ("wsgi.py", Some("from shop import create_app\napp = create_app()\n"));
    let package = ("shop/__init__.py", Some("from .factory import create_app\n"));
    let deep = ("shop/factory.py", Some(factory));
    // What stands behind a `return` may never be reached.
    for (what, changes) in [
        (
            "by gunicorn",
            vec![
                ("deploy/app.service", Some(&*called)),
                ("shop/__init__.py", Some(factory)),
                views,
            ],
        ),
        (
            "by another module",
            vec![("deploy/app.service", Some(&*by_wsgi)), wsgi, package, deep, views],
        ),
    ] {
        let changes: Vec<_> = [vec![("app.py", None)], changes].concat();
        assert_eq!(codes(&changes), ["E410 SECRET_KEY"], "{what}");
    }
    // The blueprint's module is not there.
    let changes = [("app.py", None), ("deploy/app.service", Some(&*by_wsgi)), wsgi, package, deep];
    assert_eq!(codes(&changes), ["E410 SECRET_KEY", "R717 views"]);
    // Nobody calls it.
    let idle = format!("{factory}app = Flask(__name__)\n");
    let changes = [("app.py", Some(&*idle))];
    assert_eq!(codes(&changes), Vec::<String>::new());
    // Called without being called.
    let uncalled = unit("app:app", "app:create_app");
    let plain = "from flask import Flask\ndef create_app():\n    return Flask(__name__)\n";
    let changes = [("deploy/app.service", Some(&*uncalled)), ("app.py", Some(plain))];
    assert_eq!(codes(&changes), ["G229 "]);
}

/// A variable's value names a module that is not there: it is not shown.
#[test]
fn a_module_that_a_variable_names_is_told_without_its_value() {
    let text = unit("User=app", "User=app\nEnvironment=DJANGO_SETTINGS_MODULE=blog.secret_name");
    let text = text.replace("app:app", "blog.wsgi");
    let wsgi = "import os\nfrom django.core.wsgi import get_wsgi_application\n\
                os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'blog.settings')\napplication = \
                get_wsgi_application()\n";
    let ran = check(&[
        ("app.py", None),
        ("deploy/app.service", Some(&text)),
        ("blog/__init__.py", Some("")),
        ("blog/wsgi.py", Some(wsgi)),
        ("blog/settings.py", Some("DEBUG = False\n")),
    ]);
    assert_eq!(ran.found(), [("R717", "error")]);
    assert!(!ran.report.to_string().contains("secret_name"), "{:#}", ran.report);
    let place = &ran.report["findings"][0]["locations"][0];
    assert_eq!(place["file"], "deploy/app.service", "{place:#}");
}

/// What is told of one change, with its severity.
#[track_caller]
fn told(changes: Changes, wanted: &[(&str, &str)]) {
    let ran = check(changes);
    assert_eq!(ran.found(), wanted, "{:#}", ran.report["findings"]);
}

/// gunicorn speaks uwsgi where it is told to, and then nothing else.
#[test]
fn http_to_a_gunicorn_that_expects_uwsgi_is_a_500() {
    let with = |pass: &str, version: &str, wanted: &[(&str, &str)]| {
        let site = site("proxy_pass http://127.0.0.1:8000", pass);
        let unit = unit("-w 3", "-w 3 --protocol uwsgi");
        let list = format!("flask\ngunicorn=={version}\n");
        told(
            &[
                ("deploy/app.service", Some(&unit)),
                ("deploy/app.conf", Some(&site)),
                ("requirements.txt", Some(&list)),
            ],
            wanted,
        );
    };
    with("proxy_pass http://127.0.0.1:8000", "27.0.1", &[("N305", "error")]);
    with("uwsgi_pass 127.0.0.1:8000", "27.0.1", &[]);
    // An earlier one has no such option.
    with("proxy_pass http://127.0.0.1:8000", "23.0.0", &[("G209", "error")]);
}

#[test]
fn a_factory_that_another_module_brings_is_still_no_application() {
    let unit = unit("app:app", "wsgi:create_app");
    let package = "from flask import Flask\ndef create_app():\n    return Flask(__name__)\n";
    let with = |wsgi: &str, more: (&str, Option<&str>), wanted: &[(&str, &str)]| {
        told(
            &[
                ("app.py", None),
                ("deploy/app.service", Some(&unit)),
                ("wsgi.py", Some(wsgi)),
                ("shop/__init__.py", Some(package)),
                more,
            ],
            wanted,
        );
    };
    let none = ("shop/py.typed", Some(""));
    with("from shop import create_app\n", none, &[("G229", "error")]);
    let handed_on = ("hands.py", Some("from shop import create_app as make\n"));
    with("from hands import make as create_app\n", handed_on, &[("G229", "error")]);
    // It is called there, or may be another.
    with("import shop\ncreate_app = shop.create_app()\n", none, &[]);
    with(
        "try:\n    from shop import create_app\nexcept ImportError:\n    create_app = None\n",
        none,
        &[],
    );
    with("from shop import create_app\ncreate_app = create_app()\n", none, &[]);
}

#[test]
fn a_worker_class_needs_what_the_list_of_packages_does_not_bring() {
    let with = |class: &str, list: &str, wanted: &[(&str, &str)]| {
        let unit = unit("-w 3", &format!("-w 3 -k {class}"));
        told(&[("deploy/app.service", Some(&unit)), ("requirements.txt", Some(list))], wanted);
    };
    for class in ["tornado", "gevent", "gevent_wsgi"] {
        with(class, "flask\ngunicorn==23.0.0\n", &[("G208", "warning")]);
        // Nobody knows what else an own package brings.
        with(class, "flask\ngunicorn==23.0.0\nshop-workers\n", &[]);
    }
    with("gevent", "flask\ngunicorn[gevent]==23.0.0\n", &[]);
    with("tornado", "flask\ngunicorn[tornado]==23.0.0\n", &[]);
    with("tornado", "flask\ngunicorn==23.0.0\ntornado\n", &[]);
}

#[test]
fn debug_mode_in_the_code_is_told() {
    let app = |body: &str, wanted: &[(&str, &str)]| {
        let text = format!("import os\nfrom flask import Flask\napp = Flask(__name__)\n{body}\n");
        told(&[("app.py", Some(&text))], wanted);
    };
    let on = &[("E408", "error")];
    app("app.debug = True", on);
    app("app.config['DEBUG'] = True", on);
    app("app.config.update(DEBUG=True, TESTING=False)", on);
    for healthy in [
        "app.debug = False",
        "app.debug = True\napp.debug = False",
        "app.debug = os.environ.get('X') == '1'",
        "app.config['DEBUG'] = True\napp.config.from_object('settings')",
        "app.debug = True\nif os.environ.get('PROD'):\n    app.debug = False",
        "if __name__ == '__main__':\n    app.run(debug=True)",
        "if __name__ == '__main__':\n    app.debug = True\n    app.run()",
        "app.debug = True\ndef configure(a):\n    a.debug = False\nconfigure(app)",
    ] {
        let text =
            format!("import os\nfrom flask import Flask\napp = Flask(__name__)\n{healthy}\n");
        let found = check(&[("app.py", Some(&text)), ("settings.py", Some("DEBUG = False\n"))]);
        assert!(found.found().iter().all(|(code, _)| *code != "E408"), "{healthy}");
    }
}

#[test]
fn django_s_debug_mode_is_told_where_it_is_certain() {
    let unit = unit("app:app", "shop.wsgi:app");
    let with = |debug: &str, wanted: &[(&str, &str)]| {
        let settings =
            format!("import os\n{SETTINGS}{debug}\n").replace("STATIC_URL = \"static/\"\n", "");
        told(
            &[
                ("app.py", None),
                ("deploy/app.service", Some(&unit)),
                ("requirements.txt", Some("django==5.2\ngunicorn==23.0.0\n")),
                ("shop/settings.py", Some(&settings)),
                ("shop/__init__.py", Some("")),
                ("shop/wsgi.py", Some(WSGI)),
            ],
            wanted,
        );
    };
    with("DEBUG = True", &[("E408", "error")]);
    with("DEBUG = False", &[]);
    // A host may set what no example names.
    with("DEBUG = os.environ.get('DEBUG', '1') == '1'", &[]);
    with("DEBUG = True\nif os.environ.get('PRODUCTION'):\n    DEBUG = False", &[]);
    with("DEBUG = True\ntry:\n    from .local import *\nexcept ImportError:\n    pass", &[]);
}

#[test]
fn a_secret_in_a_repository_s_unit_is_told_where_it_is_no_placeholder() {
    let with = |line: &str| {
        let unit = unit("User=app", &format!("User=app\nEnvironment={line}"));
        let ran = check(&[("deploy/app.service", Some(&unit))]);
        let found: Vec<String> = ran.found().iter().map(|(code, _)| (*code).to_owned()).collect();
        assert!(!ran.report.to_string().contains("9f2c1b7e5d8a"), "{:#}", ran.report);
        found
    };
    assert_eq!(with("SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c"), ["U133"]);
    assert_eq!(with("DATABASE_URL=postgresql://shop:9f2c1b7e5d8a4f@db/shop"), ["U133"]);
    for open in [
        "SECRET_KEY=change-me-1234567890",
        "SECRET_KEY=your-secret-key-0123456789",
        "SECRET_KEY=<put-32-random-characters>",
        "DATABASE_URL=postgresql://shop:password@db/shop",
        "API_TOKEN_FILE=/run/9f2c1b7e5d8a4f03b6c7d1e2a5f4988c",
    ] {
        assert_eq!(with(open), Vec::<String>::new(), "{open}");
    }
}

#[test]
fn blanks_round_an_assignment_are_told() {
    let with = |line: &str, wanted: &[(&str, &str)]| {
        let unit = unit("User=app", &format!("User=app\nEnvironment={line}"));
        told(&[("deploy/app.service", Some(&unit))], wanted);
    };
    with("API_URL = abc", &[("U141", "warning")]);
    with("API_URL =abc", &[("U141", "warning")]);
    with("LANG=C API_URL = \"a b\" TZ=UTC", &[("U141", "warning")]);
    with("API_URL=abc LANG=C", &[]);
}

#[test]
fn a_stop_that_looks_processes_up_by_name_is_told() {
    let with = |line: &str, wanted: &[(&str, &str)]| {
        let unit = unit("KillMode=mixed", &format!("KillMode=mixed\nExecStop={line}"));
        told(&[("deploy/app.service", Some(&unit))], wanted);
    };
    let told = &[("U137", "error")];
    with("/usr/bin/pkill -9 gunicorn", told);
    with("/usr/bin/pkill -QUIT -f gunicorn.*app", told);
    with("/usr/bin/killall -s KILL gunicorn", told);
    with("/bin/systemctl kill -s KILL app.service", told);
    with("/bin/systemctl kill --signal=KILL app", told);
    // They finish on SIGTERM; or somebody else is meant.
    with("/usr/bin/pkill -f gunicorn", &[]);
    with("/usr/bin/killall gunicorn", &[]);
    with("/usr/bin/pkill -9 celery", &[]);
    with("/bin/systemctl kill -s KILL celery.service", &[]);
}

#[test]
fn files_that_are_tried_first_are_told() {
    let with = |lines: &str, wanted: &[(&str, &str)]| {
        let site = site("proxy_pass http", &format!("{lines}\n        proxy_pass http"));
        told(&[("deploy/app.conf", Some(&site))], wanted);
    };
    let told = &[("N316", "error")];
    with("try_files $uri =404;", told);
    with("try_files $uri $uri/ =404;", told);
    // What answers in their place, or leads on.
    with("try_files $uri $uri/ =404; error_page 404 = @other;", &[]);
    with("try_files /maintenance.html =404;", &[]);
}

#[test]
fn names_that_no_client_asks_for_are_told() {
    let with = |names: &str, wanted: &[(&str, &str)]| {
        let default = "server {\n    listen 80 default_server;\n    return 444;\n}\n";
        let site = site("server_name app.example.com;", &format!("server_name {names};"));
        told(&[("deploy/app.conf", Some(&format!("{default}{site}")))], wanted);
    };
    for names in ["a.example.com,b.example.com", "https://a.example.com", "a.example.com:80"] {
        with(names, &[("N316", "error")]);
    }
    with("a.example.com, b.example.com", &[("N316", "warning")]);
    with("a.example.com [::1] ~^b\\.", &[]);
}

#[test]
fn a_try_files_that_leads_to_itself_is_told() {
    let with = |lines: &str, wanted: &[(&str, &str)]| {
        let site =
            site("location / {", &format!("root /srv/app/pages;\n    location / {{ {lines}"));
        told(&[("deploy/app.conf", Some(&site))], wanted);
    };
    with("try_files $uri $uri/ /index.html;", &[("N316", "error")]);
    with("try_files $uri @other;", &[]);
    with("try_files $uri /index.html$is_args;", &[]);
}

#[test]
fn gunicorn_under_a_strict_sandbox_needs_a_place_for_temporary_files() {
    let with = |lines: &str, wanted: &[(&str, &str)]| {
        let unit = unit("User=app", &format!("User=app\nProtectSystem=strict\n{lines}"));
        told(&[("deploy/app.service", Some(&unit))], wanted);
    };
    with("", &[("U126", "error")]);
    with("ReadWritePaths=/srv/app/uploads", &[("U126", "error")]);
    for healthy in [
        "PrivateTmp=yes",
        "ReadWritePaths=/srv/app",
        "ReadWritePaths=/tmp",
        "TemporaryFileSystem=/tmp",
        "Environment=TMPDIR=/dev/shm",
        "DynamicUser=yes",
    ] {
        with(healthy, &[]);
    }
    let unit = unit("-w 3", "-w 3 --worker-tmp-dir /dev/shm");
    let unit = unit.replace("User=app", "User=app\nProtectSystem=strict");
    told(&[("deploy/app.service", Some(&unit))], &[]);
}

#[test]
fn the_whole_site_s_root_must_not_hold_the_application() {
    let with = |root: &str, wanted: &[(&str, &str)]| {
        let site = site(
            "location / {",
            &format!(
                "root {root};\n    location / {{ try_files $uri @app; }}\n    location @app {{"
            ),
        );
        told(&[("deploy/app.conf", Some(&site))], wanted);
    };
    with("/srv/app", &[("N312", "error")]);
    with("/srv", &[("N312", "error")]);
    with("/srv/app/static", &[]);
    with("/var/www/html", &[]);
}

#[test]
fn a_default_in_a_scheme_of_django_environ_is_one() {
    let with = |scheme: &str, read: &str, wanted: &[(&str, &str)]| {
        let text = format!("import environ\n{APP}env = environ.Env({scheme})\nVALUE = {read}\n");
        let list = "flask\ngunicorn==23.0.0\ndjango-environ\n";
        let example = ("deploy/app.env.example", Some("SECRET_KEY=\n"));
        let unit = unit("User=app", "User=app\nEnvironmentFile=/etc/app.env");
        told(
            &[
                ("app.py", Some(&text)),
                ("requirements.txt", Some(list)),
                ("deploy/app.service", Some(&unit)),
                example,
            ],
            wanted,
        );
    };
    with("DEBUG=(bool, False)", "env('DEBUG')", &[]);
    with("DEBUG=(bool, False)", "env.bool('DEBUG')", &[]);
    with("DEBUG=bool", "env('DEBUG')", &[("E410", "error")]);
    with("OTHER=(bool, False)", "env('DEBUG')", &[("E410", "error")]);
}

#[test]
fn what_cannot_be_called_is_no_application() {
    let with = |object: &str, text: &str, wanted: &[(&str, &str)]| {
        let unit = unit("app:app", object);
        told(&[("deploy/app.service", Some(&unit)), ("app.py", Some(text))], wanted);
    };
    let told = &[("G210", "error")];
    with("app:app", &format!("{APP}application = app\napp = Flask(__name__),\n"), told);
    with("app:app", "app = 'shop'\n", told);
    let factory = "from flask import Flask\nasync def create_app():\n    return Flask(__name__)\n";
    with("'app:create_app()'", factory, told);
    with("'app:create_app()'", &factory.replace("async ", ""), &[]);
    with("app:app", &format!("app = ()\n{APP}"), &[]);
    with("app:app", "from flask import Flask\napp, other = Flask(__name__), 1\n", &[]);
}
