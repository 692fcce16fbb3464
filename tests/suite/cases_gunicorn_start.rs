//! What keeps gunicorn from starting, in whichever layer it stands; and that nothing is said beside
//! it which only follows from it.

use crate::support::case;

use case::{Case, Seen};
use deploy_doctor::facts::Given;
use deploy_doctor::rule::Severity;

const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/10-start.conf";
const UNIT: &str = "/etc/systemd/system/myapp.service";
const PACKAGES: &str = "/srv/myapp/.venv/lib/python3.11/site-packages";
const CONFIG: &str = "/srv/myapp/releases/2026-04-21/gunicorn.conf.py";

fn start(arguments: &str, more: &str) -> Case {
    let line = format!(
        "[Service]\n{more}\nExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn {arguments}\n"
    );
    Case::healthy().file(DROP_IN, line)
}

const REST: &str = "--chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock";

fn started(arguments: &str) -> Seen {
    start(&format!("{REST} {arguments}"), "").check()
}

fn configured(config: &str) -> Seen {
    start(&format!("-w 3 {REST} wsgi:app"), "").in_release("gunicorn.conf.py", config).check()
}

fn version(case: Case, version: &str) -> Case {
    let metadata = format!("Metadata-Version: 2.1\nName: gunicorn\nVersion: {version}\n");
    case.remove(&format!("{PACKAGES}/gunicorn-23.0.0.dist-info"))
        .file(&format!("{PACKAGES}/gunicorn-{version}.dist-info/METADATA"), metadata)
        .in_release("requirements.txt", "Flask==3.0.3\n")
}

#[test]
fn an_option_that_is_none_is_named_in_every_layer() {
    for arguments in
        ["--wrokers 3 wsgi:app", "wsgi:app --wrokers=3", "-w 3 --max-request 500 wsgi:app"]
    {
        let seen = started(arguments);
        seen.only("G209").at(DROP_IN, 4).says("status 2");
        // What was meant to be set, and which word is the application, follows from it.
        assert!(seen.of("G201").is_empty() && seen.of("G210").is_empty(), "{seen:#?}");
    }
    let line = format!("{REST} wsgi:app");
    let args = start(&line, "Environment=\"GUNICORN_CMD_ARGS=--worker 3\"").check();
    args.only("G209").at(DROP_IN, 2);
    assert!(args.of("G201").is_empty(), "{args:#?}");
    // An option of another version.
    started("-w 3 --http2-cleartext on wsgi:app").only("G209");
    let newer = start(&format!("-w 3 {REST} --http2-cleartext on wsgi:app"), "");
    version(newer, "27.0.1").check().passes("G209");
    // The beginning of one option alone.
    started("--worke 3 wsgi:app").only("G209");
    started("--workers=3 --graceful 20 --thr 1 wsgi:app").passes("G209");
}

#[test]
fn a_value_that_is_refused_is_named_in_every_layer() {
    started("-w three wsgi:app").only("G209").says("status 2");
    let environment = |value: &str| {
        start(&format!("-w 3 {REST} wsgi:app"), &format!("Environment=WEB_CONCURRENCY={value}"))
            .check()
    };
    for value in ["abc", "2.5", ""] {
        environment(value).only("G209").says("status 1");
    }
    environment("2").passes("G209");
    for config in
        ["preload_app = 0\n", "import os\nkeepalive = os.getenv('NONE')\n", "bind = 8000\n"]
    {
        configured(config).only("G209").says("status 1");
    }
    for config in ["preload_app = False\n", "keepalive = '5'\n", "bind = []\n"] {
        assert!(configured(config).of("G209").is_empty(), "{config}");
    }
    started("-w 3 --user nosuch wsgi:app").only("G209").says("no user nosuch");
    started("-w 3 --group nosuch wsgi:app").only("G209").says("no group nosuch");
    let network = "forwarded_allow_ips = '10.0.0.0/8'\n";
    configured(network).only("G209");
    let newer = start(&format!("-w 3 {REST} wsgi:app"), "").file(CONFIG, network);
    version(newer, "27.0.1").check().passes("G209");
}

#[test]
fn no_application_and_one_that_was_swallowed() {
    started("-w 3").only("G209").says("no application");
    let swallowed = start(&format!("-w 3 {REST} --proxy-protocol wsgi:app"), "");
    version(swallowed, "24.1.1").check().only("G209").says("--proxy-protocol takes the next word");
    started("-w 3 --proxy-protocol wsgi:app").passes("G209");
    // The configuration file may name it.
    let named = start(&format!("-w 3 {REST}"), "").file(CONFIG, "wsgi_app = 'wsgi:app'\n");
    named.check().passes("G209");
}

#[test]
fn a_name_that_is_no_setting_is_a_warning() {
    for (name, meant) in [
        ("PIDFile", "pidfile"),
        ("log_level", "loglevel"),
        ("env", "raw_env"),
        ("tiemout", "timeout"),
    ] {
        let seen = configured(&format!("{name} = 'x'\n"));
        seen.only("G209").is(Severity::Warning).says(meant).at(CONFIG, 1);
    }
    for config in [
        "worker_count = 4\nworkers = worker_count\n",
        "preload = True\npreload_app = False\n",
        "port = 8000\nservice = 'shop'\n",
        "_env = {}\n",
        "tiemout = 30\nprint(tiemout)\n",
    ] {
        configured(config).passes("G209");
    }
}

#[test]
fn a_configuration_file_that_fails_is_named() {
    let gone = start(&format!("-c /etc/shop/gunicorn.py -w 3 {REST} wsgi:app"), "");
    gone.check().only("G212").says("does not exist");
    let there = start(&format!("-c /etc/shop/gunicorn.py -w 3 {REST} wsgi:app"), "");
    there.file("/etc/shop/gunicorn.py", "workers = 3\n").check().passes("G212");
    for config in [
        "workers = = 3\n",
        "import os\nworkers = os.environ['NONE']\n",
        "import os\nworkers = int(os.getenv('NONE'))\n",
        "workers = wokers\n",
    ] {
        let seen = start(&format!("{REST} wsgi:app"), "").file(CONFIG, config).check();
        seen.only("G212").at(CONFIG, config.lines().count());
        assert!(seen.of("G201").is_empty() && seen.of("G209").is_empty(), "{seen:#?}");
    }
    // It may not be read.
    let closed = start(&format!("-c /etc/shop/gunicorn.py -w 3 {REST} wsgi:app"), "");
    let closed = closed.file("/etc/shop/gunicorn.py", "timeout = 30\n");
    closed
        .own("/etc/shop/gunicorn.py", 0o600, 0, 0)
        .check()
        .only("G212")
        .says("www-data cannot read");
}

fn class(class: &str, installed: &[&str], gunicorn: &str) -> Seen {
    let mut case = start(&format!("-w 3 -k {class} {REST} wsgi:app"), "");
    for package in installed {
        let metadata = format!("Metadata-Version: 2.1\nName: {package}\nVersion: 25.0\n");
        case = case.file(&format!("{PACKAGES}/{package}-25.0.dist-info/METADATA"), metadata);
    }
    version(case, gunicorn).check()
}

#[test]
fn a_file_that_was_not_given_leaves_what_it_cannot_change() {
    let unit = |config: &str| {
        let case = start("-c /etc/gunicorn.py --chdir /srv/myapp/current", "");
        // It may set GUNICORN_CMD_ARGS, which beats the configuration file.
        let case = case.remove("/etc/myapp.env").directory("/etc/myapp.env");
        case.file("/etc/gunicorn.py", config).check()
    };
    let seen = unit("wsgi_app = 'nowhere:app'\npreload_app = True\nreload = True\nworkers = 1\n");
    for code in ["G203", "G204"] {
        seen.only(code);
    }
    // The number of workers may be another.
    seen.skipped("G201");
    // No option names the application, and nothing beside Python's own modules is imported.
    assert!(seen.reasons("G212").is_empty(), "{seen:#?}");
    unit("workers = = 1\n").only("G212").says("SyntaxError");
}

#[test]
fn the_files_of_a_logging_configuration() {
    let json = |handler: &str| {
        start(&format!("-w 3 --log-config-json /etc/myapp/log.json {REST} wsgi:app"), "")
            .file("/etc/myapp/log.json", format!("{{\"handlers\": {{\"a\": {handler}}}}}"))
            .check()
    };
    let file = "\"filename\": \"/var/log/myapp.log\"";
    let rotating = "\"class\": \"logging.handlers.RotatingFileHandler\"";
    json(&format!("{{{rotating}, {file}}}")).only("G230").says("logging configuration's file");
    json(&format!("{{{rotating}, {file}, \"delay\": true}}")).passes("G230");
    json("{\"class\": \"logging.StreamHandler\"}").passes("G230");
    json(&format!("{{\"class\": \"shop.logs.FileHandler\", {file}}}")).passes("G230");
    // One that no list names is not made.
    let ini = |keys: &str| {
        start(&format!("-w 3 --log-config /etc/myapp/log.ini {REST} wsgi:app"), "")
            .file(
                "/etc/myapp/log.ini",
                format!(
                    "[handlers]\nkeys = {keys}\n[handler_a]\nclass = FileHandler\n\
                     args = ('/var/log/myapp.log', 'a')\n"
                ),
            )
            .check()
    };
    ini("console, a").only("G230").at("/etc/myapp/log.ini", 5);
    ini("console").passes("G230");
}

#[test]
fn what_the_configuration_file_imports_has_to_be_there() {
    let text = "import os\nfrom shop.conf import workers\n";
    let seen = configured(text);
    seen.only("G212").says("shop is not installed").at(CONFIG, 2);
    let own = start(&format!("-w 3 {REST} wsgi:app"), "").file(CONFIG, text);
    let own = own.in_release("shop/conf.py", "import flask\nworkers = 3\n");
    own.check().passes("G212");
    // What it imports imports in turn.
    let own = own.in_release("shop/conf.py", "import redis\nworkers = 3\n").check();
    own.only("G212").says("redis is not installed");
    // A module instead of a file.
    let module = |text: &str| {
        start(&format!("-c python:shop.conf {REST} wsgi:app"), "")
            .in_release("shop/conf.py", text)
            .check()
    };
    module("workers = 3\n").passes("G201");
    module("workers = 1\n").only("G201");
    module("workers = 3\nimport redis\n").only("G212").says("redis");
    start(&format!("-c python:nowhere.conf {REST} wsgi:app"), "").check().skipped("G212");
}

#[test]
fn a_worker_class_that_is_missing_is_named() {
    for (name, installed, version) in [
        ("gevent", &[][..], "23.0.0"),
        ("gevnt", &["gevent"], "23.0.0"),
        ("asgi", &[], "23.0.0"),
        ("eventlet", &["eventlet"], "26.2.0"),
        ("gunicorn.workers.geventlet.EventletWorker", &["eventlet"], "26.2.0"),
        ("uvicorn.workers.UvicornWorker", &[], "23.0.0"),
        ("uvicorn_worker.UvicornWorker", &["uvicorn"], "23.0.0"),
        ("tornado", &[], "27.0.1"),
        ("shop.workers.Worker", &[], "23.0.0"),
    ] {
        class(name, installed, version).only("G208").at(DROP_IN, 4);
    }
    for (name, installed, version) in [
        ("gevent", &["gevent"][..], "23.0.0"),
        ("gthread", &[], "27.0.1"),
        ("asgi", &[], "27.0.1"),
        ("eventlet", &["eventlet"], "25.3.0"),
        ("uvicorn.workers.UvicornWorker", &["uvicorn"], "23.0.0"),
    ] {
        class(name, installed, version).passes("G208");
    }
    // A class of the release's own.
    start(&format!("-w 3 -k shop.workers.Worker {REST} wsgi:app"), "")
        .in_release("shop/workers.py", "class Worker: ...\n")
        .check()
        .passes("G208");
    // The healthy environment has `packaging`; without it newer versions have no gevent.
    class("gevent", &["gevent"], "26.2.0").passes("G208");
    let bare = start(&format!("-w 3 -k gevent {REST} wsgi:app"), "")
        .remove(&format!("{PACKAGES}/packaging-24.1.dist-info"))
        .remove(&format!("{PACKAGES}/packaging"))
        .file(
            &format!("{PACKAGES}/gevent-25.0.dist-info/METADATA"),
            "Name: gevent\nVersion: 25.0\n",
        );
    version(bare, "26.2.0").check().only("G208").says("packaging");
}

#[test]
fn another_user_is_refused_unless_root_starts_it() {
    let passwd = "root:x:0:0::/root:/bin/bash\nwww-data:x:33:33::/var/www:/bin/false\n\
                  deploy:x:1000:1000::/home/deploy:/bin/bash\n";
    let with = |arguments: &str, more: &str| {
        start(&format!("-w 3 {REST} {arguments} wsgi:app"), more)
            .file("/etc/passwd", passwd)
            .file("/etc/group", "root:x:0:\nwww-data:x:33:\ndeploy:x:1000:www-data\n")
            .check()
    };
    with("--user deploy", "").only("G220").is(Severity::Error).helps("User=");
    with("--user 1000", "").only("G220");
    // To belong to a group is not enough.
    with("--group deploy", "").only("G220");
    for arguments in ["--user www-data --group www-data", "--user 33", ""] {
        with(arguments, "").passes("G220");
    }
    assert!(with("--user deploy", "User=root").of("G220").is_empty());
}

#[test]
fn a_bind_that_is_something_else_is_named() {
    for text in ["8000", "/run/myapp/gunicorn.sock"] {
        let seen =
            start(&format!("-w 3 --chdir /srv/myapp/current --bind {text} wsgi:app"), "").check();
        seen.only("G234").at(DROP_IN, 4);
    }
    let file =
        start("-w 3 --chdir /srv/myapp/current wsgi:app", "").file(CONFIG, "bind = '8000'\n");
    file.check().only("G234").at(CONFIG, 1);
    for text in
        ["127.0.0.1:8000", ":8000", "localhost", "[::1]:8000", "unix:/run/myapp/gunicorn.sock"]
    {
        let seen =
            start(&format!("-w 3 --chdir /srv/myapp/current --bind {text} wsgi:app"), "").check();
        assert!(seen.of("G234").is_empty(), "{text}");
    }
}

#[test]
fn what_lies_where_the_socket_goes_is_named() {
    let line = "-w 3 --chdir /srv/myapp/current --bind unix:/srv/shop/gunicorn.sock wsgi:app";
    let with = || start(line, "").directory("/srv/shop").own("/srv/shop", 0o755, 33, 33);
    with().file("/srv/shop/gunicorn.sock", "").check().only("G233").at(DROP_IN, 4);
    with().directory("/srv/shop/gunicorn.sock").check().only("G233");
    assert!(with().check().of("G233").is_empty());
}

#[test]
fn a_log_that_may_not_be_written_is_named() {
    let log = |more: &str| {
        start(&format!("-w 3 {REST} --access-logfile /var/log/shop/access.log wsgi:app"), more)
    };
    log("").check().only("G230").says("/var/log/shop does not exist");
    log("LogsDirectory=shop").check().passes("G230");
    let there =
        |mode, uid| log("").directory("/var/log/shop").own("/var/log/shop", mode, uid, uid).check();
    there(0o755, 0).only("G230").says("cannot write in /var/log/shop");
    there(0o755, 33).passes("G230");
    there(0o777, 0).passes("G230");
    let roots = log("").directory("/var/log/shop").own("/var/log/shop", 0o755, 33, 33);
    let roots = roots.file("/var/log/shop/access.log", "");
    roots
        .own("/var/log/shop/access.log", 0o644, 0, 0)
        .check()
        .only("G230")
        .says("does not belong to www-data");
    for config in [
        "pidfile = '/run/shop.pid'\n",
        "worker_tmp_dir = '/srv/none'\n",
        "errorlog = '/var/log/none/e.log'\n",
    ] {
        configured(config).only("G230").at(CONFIG, 1);
    }
    for config in [
        "pidfile = '/run/myapp/shop.pid'\n",
        "worker_tmp_dir = '/dev/shm'\n",
        "errorlog = '-'\n",
        "accesslog = '/dev/stdout'\n",
    ] {
        configured(config).passes("G230");
    }
}

#[test]
fn an_unread_file_switches_off_only_what_it_can_change() {
    let given = || Given {
        units: vec!["/repo/shop.service".into()],
        gunicorn_conf: Some("/repo/gunicorn.conf.py".into()),
        ..Given::default()
    };
    let unit = "[Service]\nUser=shop\nWorkingDirectory=/srv/shop\nEnvironmentFile=/etc/shop.env\n\
                ExecStart=/srv/shop/venv/bin/gunicorn -c gunicorn.conf.py shop:app\n\
                ExecReload=/bin/kill -HUP $MAINPID\n";
    let case = Case::empty().file("/repo/shop.service", unit);
    let case = case.file("/repo/gunicorn.conf.py", "preload_app = True\nworkers = 1\n");
    let seen = case.check_files(given());
    // GUNICORN_CMD_ARGS may say another number there: it is taken as not set, and that is said.
    seen.only("G203");
    seen.only("G201");
    // What hangs on another variable of the file is not known.
    let config = "import os\nworkers = int(os.environ.get('WORKERS', 1))\n";
    case.file("/repo/gunicorn.conf.py", config).check_files(given()).skipped("G201");
}

#[test]
fn the_environment_of_run_is_found() {
    for run in ["/usr/bin/uv run", "/usr/bin/poetry run", "/usr/bin/pipenv run", "/usr/bin/pdm run"]
    {
        let line = format!(
            "[Service]\nWorkingDirectory=/srv/shop\nExecStart=\nExecStart={run} gunicorn -k gevent -w 3 {REST} wsgi:app\n"
        );
        let case = Case::healthy()
            .file(DROP_IN, line)
            .file("/srv/shop/pyproject.toml", "[project]\nname = 'shop'\n")
            .file("/srv/shop/.venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n")
            .file(
                "/srv/shop/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info/METADATA",
                "Name: gunicorn\nVersion: 23.0.0\n",
            );
        case.check().only("G208").says("/srv/shop/.venv");
    }
}

/// gunicorn lays `logconfig_dict` over its own: which loggers are left without their handler.
#[test]
fn a_logging_dictionary_is_judged_as_it_lies_over_gunicorns_own() {
    let plain = r#""handlers": {"plain": {"class": "logging.StreamHandler"}}"#;
    let judged = |inside: &str| {
        let text = format!("import os\n\nlogconfig_dict = {{\"version\": 1, {inside}}}\n");
        Case::healthy().in_release("gunicorn.conf.py", text).check()
    };
    for (inside, part) in [
        (plain.to_owned(), "the logger gunicorn.error is kept, but the handler error_console"),
        (format!("{plain}, \"loggers\": {{}}"), "the root logger is kept, but the handler console"),
        (
            format!(
                r#"{plain}, "root": {{"handlers": ["plain"]}}, "loggers": {{"shop": {{"handlers": ["plian"]}}}}"#
            ),
            "the logger shop names the handler plian",
        ),
        (
            r#""root": {"handlers": ["consol"]}"#.to_owned(),
            "the root logger names the handler consol",
        ),
    ] {
        judged(&inside).only("G212").says(part);
    }
    for inside in [
        format!(r#"{plain}, "root": {{"handlers": ["plain"]}}, "loggers": {{}}"#),
        // Its own names are taken over, or all of its own are left.
        r#""handlers": {"console": {"class": "logging.StreamHandler"}, "error_console": {"class": "logging.StreamHandler"}}"#.to_owned(),
        r#""loggers": {"gunicorn.error": {"level": "DEBUG", "handlers": ["console"]}}"#.to_owned(),
        r#""root": {"level": "DEBUG", "handlers": []}"#.to_owned(),
        // What is not known tells nothing.
        r#""handlers": {os.urandom(2).hex(): {"class": "logging.StreamHandler"}}"#.to_owned(),
        r#""incremental": True, "handlers": {"plain": {"level": "INFO"}}"#.to_owned(),
    ] {
        judged(&inside).passes("G212");
    }
    let own = format!("logger_class = \"shop.log.Logger\"\nlogconfig_dict = {{{plain}}}\n");
    Case::healthy().in_release("gunicorn.conf.py", own).check().passes("G212");
}

#[test]
fn a_tree_without_run_is_not_a_machine_without_it() {
    let pid = |case: Case, path: &str| {
        let option = format!("--workers 3 --pid {path}");
        case.remove("/run").replace(UNIT, "--workers 3", &option).check()
    };
    pid(Case::healthy(), "/run/gunicorn.pid")
        .only("G230")
        .says("systemd makes /run at boot for root");
    pid(Case::healthy(), "/run/other/gunicorn.pid").only("G230").says("nothing makes /run/other");
    let root = || {
        Case::healthy().replace(UNIT, "User=www-data", "User=root").replace(
            UNIT,
            "Group=www-data",
            "",
        )
    };
    assert!(pid(root(), "/run/gunicorn.pid").of("G230").is_empty());
    let bare = Case::healthy().remove("/run").replace(UNIT, "RuntimeDirectory=myapp", "").check();
    let hit = bare.only("U117");
    assert!(!hit.evidence.iter().any(|line| line.contains("/run does not exist")), "{hit:?}");
}

/// A host may open low ports to everybody, or one user by a capability; root may always.
#[test]
fn a_port_that_only_root_may_have() {
    let low = "-w 3 --chdir /srv/myapp/current --bind 127.0.0.1:81 wsgi:app";
    start(low, "").check().only("G236").says("www-data may not listen on port 81");
    let opened = "net.ipv4.ip_unprivileged_port_start = 80\n";
    let seen = start(low, "").file("/etc/sysctl.d/ports.conf", opened).check();
    assert_eq!(
        seen.reasons("G236"),
        ["/etc/sysctl.d/ports.conf may set ip_unprivileged_port_start"]
    );
    for free in [
        "User=root",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_CHOWN",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_CHOWN",
    ] {
        start(low, free).check().passes("G236");
    }
    let other = "AmbientCapabilities=CAP_CHOWN";
    start(low, other).check().of("G236").first().expect("another capability opens no port");
}

/// What the application writes while it is imported, and what only looks like it.
#[test]
fn what_the_application_may_not_write_at_import_is_told() {
    let app = |code: &str| {
        let start = "import logging\nimport logging.config\nimport os\nfrom logging.handlers import \
                     RotatingFileHandler\nfrom pathlib import Path\n\nfrom flask import Flask\n\n\
                     app = Flask(__name__)\n";
        Case::healthy().in_release("wsgi.py", format!("{start}{code}\n")).directory("/var/log")
    };
    for (code, says) in [
        ("logging.FileHandler('/var/log/myapp/app.log')", "/var/log/myapp does not exist"),
        ("logging.basicConfig(filename='/var/log/app.log')", "cannot write in /var/log"),
        ("RotatingFileHandler('app.log', maxBytes=9)", "cannot write in /srv/myapp/current"),
        ("os.makedirs('uploads', exist_ok=True)", "cannot make /srv/myapp/current/uploads"),
        ("if not os.path.isdir('logs'):\n    os.mkdir('logs')", "cannot make"),
        ("(Path(__file__).parent / 'a').mkdir()", "cannot make /srv/myapp/current/a"),
        (
            "logging.config.dictConfig({'version': 1, 'handlers': {'f': {'class': \
             'logging.FileHandler', 'filename': '/var/log/app.log'}}})",
            "cannot write in /var/log",
        ),
        (
            "def create_app():\n    if not app.debug:\n        os.makedirs('/srv/logs')\n    return app\n\n\
             app = create_app()",
            "cannot make /srv/logs",
        ),
    ] {
        let seen = app(code).check();
        assert!(!seen.of("G230").is_empty(), "{code}");
        seen.only("G230").is(Severity::Error).says(says);
    }
    let debug = "app.config.from_envvar('SETTINGS', silent=True)\nif not app.debug:\n    os.makedirs('logs')";
    app(debug).check().only("G230").is(Severity::Warning);
    for code in [
        // Caught, under a condition, later, or in a function that nobody calls.
        "try:\n    os.makedirs('uploads')\nexcept OSError:\n    pass",
        "if os.environ.get('LOGS'):\n    logging.FileHandler('/var/log/app.log')",
        "logging.FileHandler('/var/log/app.log', delay=True)",
        "def later():\n    os.makedirs('uploads')",
        // There already, or where anybody may write.
        "os.makedirs('static', exist_ok=True)",
        "os.makedirs('/tmp/a/b')",
        "logging.FileHandler('/tmp/app.log')",
        "logging.FileHandler('/dev/stdout')",
        // From a variable, or of a name that is not logging's.
        "logging.FileHandler(os.environ.get('LOG', '/var/log/app.log'))",
        "class FileHandler:\n    pass\nFileHandler()",
        // A second call does nothing, and which one comes first is not known.
        "logging.basicConfig()\nlogging.basicConfig(filename='/var/log/app.log')",
    ] {
        let seen = app(code).check();
        assert!(seen.of("G230").is_empty(), "{code}: {seen:#?}");
    }
    // Made by systemd, or before the start.
    let unit = "/etc/systemd/system/myapp.service";
    let made = |line: &str| {
        let text = format!("[Service]\n{line}\n");
        let code = "os.makedirs('/var/lib/myapp/uploads/new', exist_ok=True)";
        app(code).directory("/var/lib").replace(unit, "[Service]\n", &text).check()
    };
    made("StateDirectory=myapp").passes("G230");
    made("StateDirectory=myapp/uploads").passes("G230");
    made("StateDirectory=other").only("G230");
    let before = made("ExecStartPre=+/usr/bin/install -d -o www-data /var/lib/myapp");
    assert!(before.of("G230").is_empty() && !before.reasons("G230").is_empty(), "{before:#?}");
}

/// What only follows from a unit that systemd refuses, or from a line that no shell reads, is not said.
#[test]
fn nothing_is_said_of_what_never_comes_about() {
    let arguments = format!("-w 3 {REST} wsgi:app");
    let line = format!("[Service]\nExecStart=\nExecStart=source /srv/a && gunicorn {arguments}\n");
    let seen = Case::healthy().file(DROP_IN, line).check();
    seen.only("U129");
    assert!(seen.of("U103").is_empty(), "{seen:#?}");
    for address in ["localhost:8000", "unix:/run/myapp.sock", "*:8000"] {
        let socket = format!("[Socket]\nListenStream={address}\n");
        let seen = start("-w 3 --chdir /srv/myapp/current wsgi:app", "")
            .file("/etc/systemd/system/myapp.socket", socket)
            .check();
        seen.only("U127").says(&format!("`{address}` is no address"));
        assert!(seen.of("N301").is_empty(), "{seen:#?}");
    }
}
