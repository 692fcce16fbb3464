//! The environment: what the examples on the rules' pages do not show.

use crate::support::case;

use case::{Case, Seen};
use deploy_doctor::rule::Severity;

const FILE: &str = "/etc/myapp.env";
const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/20-case.conf";
const NEEDED: &str =
    "SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\nDATABASE_URL=sqlite:////srv/x.db\n";

/// The environment file with these lines below the needed ones.
fn with(lines: &str) -> Case {
    let mut case = Case::healthy().file(FILE, format!("{NEEDED}{lines}"));
    case = case.own(FILE, 0o640, 0, 0);
    case
}

fn with_unit(lines: &str) -> Case {
    Case::healthy().file(DROP_IN, format!("[Service]\n{lines}\n"))
}

fn lines_of(seen: &Seen, code: &str) -> Vec<(String, usize)> {
    seen.of(code).iter().map(|found| (found.places[0].file.clone(), found.places[0].line)).collect()
}

#[test]
fn dropped_lines_are_found_with_crlf_and_in_every_file() {
    let mut case = with("export A=1\r\nB-C=2\r\nD: 3\r\n")
        .file(DROP_IN, "[Service]\nEnvironmentFile=-/etc/more/*.env\n")
        .file("/etc/more/a.env", "\u{feff}E=1\nF=2\n")
        .file("/etc/more/b.env", "export G=1\n");
    for path in ["/etc/more/a.env", "/etc/more/b.env"] {
        case = case.own(path, 0o600, 0, 0);
    }
    let seen = case.check();
    let expected =
        [("/etc/more/a.env", 1), ("/etc/more/b.env", 1), (FILE, 3), (FILE, 4), (FILE, 5)];
    assert_eq!(lines_of(&seen, "E401"), expected.map(|(file, line)| (file.to_owned(), line)));
    assert!(seen.of("E401").iter().all(|found| found.severity == Severity::Error));
}

#[test]
fn a_dropped_line_is_milder_where_nothing_is_lost() {
    let seen = with("export SECRET_KEY=1\n").check();
    assert_eq!(seen.only("E401").severity, Severity::Warning);
    let seen = with("[section]\n").check();
    assert_eq!(seen.only("E401").severity, Severity::Warning);
    let seen = with("a line of a key that lost its quotes\n").check();
    assert!(!seen.only("E401").message.contains("key"), "{:?}", seen.only("E401"));
}

#[test]
fn a_dropped_line_that_the_code_needs_is_told_once() {
    let mut case =
        Case::healthy().file(FILE, "export SECRET_KEY=1\nDATABASE_URL=sqlite:////srv/x.db\n");
    case = case.own(FILE, 0o640, 0, 0);
    let seen = case.check();
    seen.only("E401").at(FILE, 1);
    assert!(seen.of("E410").is_empty());
}

#[test]
fn a_comment_counts_only_where_it_reaches_the_process() {
    let seen = with("A=1 # one\nA=2\nB=x#y\nC=#fff\nD='x # y'\nE=1\t# tab\nF= # empty\r\n").check();
    assert_eq!(lines_of(&seen, "E403"), [(FILE.to_owned(), 8), (FILE.to_owned(), 9)]);
}

#[test]
fn an_open_quote_names_what_it_swallows() {
    let seen = with("A='x\nB=1\nC=2\n").check();
    let found = seen.only("E404");
    assert_eq!(found.places[0].line, 3);
    assert!(found.message.starts_with("B and 1 more are not set"), "{}", found.message);
    assert_eq!(found.severity, Severity::Error);
    // The last line of the file: the value is wrong, nothing else is lost.
    assert_eq!(with("A=\"x").check().only("E404").severity, Severity::Warning);
}

#[test]
fn quotes_that_are_meant_are_left_alone() {
    let key = "K=\"-----BEGIN KEY-----\nabc=\n-----END KEY-----\"\n";
    with(&format!("A=it's\nB=\"a\\\"b\"\n{key}S=\"#!/bin/sh\nX=1\n\"\n")).check().passes("E404");
}

#[test]
fn modes_count_only_where_they_are_the_deployments() {
    let mut case = with("");
    case = case.own(FILE, 0o604, 0, 0);
    let found = case.check();
    assert!(found.only("E407").message.contains("mode is 0604"));
    case = case.own(FILE, 0o602, 0, 0);
    assert!(case.check().only("E407").message.contains("can change"));
    // A group that is neither the service's nor root's own.
    case = case.own(FILE, 0o640, 0, 1234);
    case.check().passes("E407");
    // A tree that an ordinary user checked out.
    case = case.own(FILE, 0o644, 1000, 1000);
    case = case.own("/etc", 0o755, 1000, 1000);
    let seen = case.check();
    assert!(seen.of("E407").is_empty());
    assert_eq!(seen.reasons("E407").len(), 1);
}

#[test]
fn a_file_without_secrets_may_be_read() {
    let mut case = Case::healthy()
        .file(DROP_IN, "[Service]\nEnvironmentFile=/etc/default/myapp\n")
        .file("/etc/default/myapp", "PORT=8000\nWEB_CONCURRENCY=4\nPYTHONUNBUFFERED=1\n");
    case = case.own("/etc/default/myapp", 0o644, 0, 0);
    case.check().passes("E407");
}

/// The environment file lies where nginx serves files from.
fn served(location: &str) -> Seen {
    let mut case = Case::healthy()
        .file(DROP_IN, "[Service]\nEnvironmentFile=/srv/files/.env\n")
        .file("/srv/files/.env", "API_TOKEN=abcdef\n")
        .file(
            "/etc/nginx/conf.d/files.conf",
            format!("server {{ listen 81; server_name files.example.com; {location} }}\n"),
        );
    case = case.own("/srv/files/.env", 0o600, 0, 0);
    case.check()
}

#[test]
fn a_file_under_a_static_root_is_found() {
    for location in [
        "root /srv/files;",
        "location / { root /srv/files; }",
        "location /f/ { alias /srv/files/; }",
        "root /srv/files; location / { try_files $uri @app; } location @app { proxy_pass http://myapp; }",
    ] {
        let seen = served(location);
        assert!(seen.only("E407").message.contains("nginx serves files"), "{location}");
    }
    for location in [
        "root /srv/files; location / { proxy_pass http://myapp; }",
        "root /srv/files; location ~ /\\. { deny all; }",
        "root /srv/files; return 301 https://example.com$request_uri;",
        "location /f/ { alias /srv/files/static/; }",
        "location /static/ { root /srv/files; }",
    ] {
        assert!(served(location).of("E407").is_empty(), "{location}");
    }
}

#[test]
fn a_file_in_the_release_is_found() {
    let mut case = Case::healthy()
        .file(DROP_IN, "[Service]\nEnvironmentFile=/srv/myapp/current/.env\n")
        .in_release(".env", "API_TOKEN=abcdef\n");
    case = case.own("/srv/myapp/releases/2026-04-21/.env", 0o600, 0, 0);
    assert!(case.check().only("E407").message.contains("are inside a release"));
    // A link in the release to a file beside it is how it is done.
    let mut case = Case::healthy()
        .file(DROP_IN, "[Service]\nEnvironmentFile=/srv/myapp/current/.env\n")
        .file("/srv/myapp/shared/.env", "API_TOKEN=abcdef\n");
    case = case.own("/srv/myapp/shared/.env", 0o600, 0, 0);
    case = case.link("/srv/myapp/releases/2026-04-21/.env", "/srv/myapp/shared/.env");
    case.check().passes("E407");
}

#[test]
fn flask_takes_nearly_everything_for_true() {
    for value in ["1", "true", "on", "off", "n", "2", "\"1\"", "'yes'"] {
        let seen = with(&format!("FLASK_DEBUG={value}\n")).check();
        seen.only("E408").at(FILE, 3);
    }
    for value in ["", "0", "false", "FALSE", "no", "No", "\"\""] {
        with(&format!("FLASK_DEBUG={value}\n")).check().passes("E408");
    }
    for value in ["0", "off", "app:*", "False", ""] {
        with(&format!("DEBUG={value}\n")).check().passes("E408");
    }
    let wsgi = "/srv/myapp/releases/2026-04-21/wsgi.py";
    let reads = "import os\nfrom flask import Flask\napp = Flask(__name__)\n\
                 app.debug = os.environ.get('DEBUG') in ('1', 'True', 'YES')\n";
    for value in ["1", "True", "YES"] {
        // Of the application's own variable, its code says whether anybody looks at it.
        with(&format!("DEBUG={value}\n")).check().passes("E408");
        with(&format!("DEBUG={value}\n")).file(wsgi, reads).check().only("E408");
    }
    with("FLASK_ENV=production\n").check().passes("E408");
}

/// What `wsgi.py` calls, the body of the factory, a line of the unit: is debug mode on?
#[test]
fn the_configuration_that_code_chooses_is_followed() {
    const CONFIG: &str = "class Config:\n    pass\n\n\nclass Development(Config):\n    DEBUG = True\n\n\n\
         class Production(Config):\n    pass\n\n\n\
         config = {\"development\": Development, \"production\": Production, \"default\": Development}\n\
         by_name = dict(dev=Development, prod=Production)\n";
    let by_variable = "create_app(os.getenv('APP_CONFIG', 'default'))";
    let entry = "app.config.from_object(config[name])";
    let if_none = |default: &str| {
        format!(
            "if name is None:\n        name = os.getenv('APP_CONFIG', '{default}')\n    \
             app.config.from_object(config.get(name))"
        )
    };
    let doubled = format!(
        "text = 'aaaa'\n    {}app.config.from_object(text)",
        "text = text + text\n    ".repeat(80)
    );
    let cases: Vec<(&str, String, &str, bool)> = vec![
        (by_variable, entry.into(), "", true),
        (by_variable, entry.into(), "Environment=APP_CONFIG=development", true),
        (by_variable, entry.into(), "Environment=APP_CONFIG=production", false),
        ("create_app(name='development')", entry.into(), "", true),
        ("create_app(name='production')", entry.into(), "", false),
        ("create_app(*['production'])", entry.into(), "", false),
        ("create_app()", if_none("development"), "", true),
        ("create_app()", if_none("production"), "", false),
        ("create_app()", "found = by_name[os.environ.get('MODE') or 'dev']\n    app.config.from_object(found)".into(), "", true),
        ("create_app()", "app.config.from_object(os.getenv('SETTINGS', 'config.Development'))".into(), "", true),
        ("create_app()", "kind = os.getenv('KIND', 'Development')\n    app.config.from_object(f'config.{kind}')".into(), "", true),
        // A class of that name there is not.
        ("create_app()", "kind = os.getenv('KIND', 'Development').lower()\n    app.config.from_object('config.' + kind)".into(), "", false),
        // Something later may turn it off again.
        (by_variable, format!("{entry}\n    app.config.from_envvar('MORE', silent=True)"), "", false),
        ("create_app()", doubled, "", false),
    ];
    for (call, body, unit, on) in cases {
        let factory = format!(
            "import os\nfrom flask import Flask\nfrom config import by_name, config\n\n\n\
             def create_app(name=None):\n    app = Flask(__name__)\n    {body}\n    return app\n"
        );
        let wsgi = |before: &str| {
            format!("import os\n{before}from factory import create_app\napp = {call}\n")
        };
        let deployed = |before: &str| {
            with_unit(unit)
                .in_release("config.py", CONFIG)
                .in_release("factory.py", &factory)
                .in_release("wsgi.py", wsgi(before))
        };
        let seen = deployed("").check();
        assert_eq!(!seen.of("E408").is_empty(), on, "{call}: {body} ({unit})");
        // What code sets, or a file that it loads, is not known.
        if call == by_variable && unit.is_empty() {
            for before in [
                "os.environ['APP_CONFIG'] = 'production'\n",
                "from dotenv import load_dotenv\nload_dotenv()\n",
            ] {
                assert!(deployed(before).check().of("E408").is_empty(), "{before}");
            }
        }
    }
}

#[test]
fn debug_is_seen_wherever_it_is_set() {
    let seen = with_unit("Environment=A=1 \"FLASK_DEBUG=1\"").check();
    assert_eq!(seen.only("E408").places[0].file, DROP_IN);
    let unit = "/etc/systemd/system/myapp.service";
    let start = "/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
                 --bind unix:/run/myapp/gunicorn.sock wsgi:app";
    for exec in [
        format!("/usr/bin/env FLASK_DEBUG=1 {start}"),
        start.replace("--workers", "-e FLASK_DEBUG=1 --workers"),
        start.replace("--workers", "--env=FLASK_DEBUG=1 --workers"),
    ] {
        let seen = with_unit(&format!("ExecStart=\nExecStart={exec}")).check();
        assert_eq!(seen.only("E408").places[0].file, DROP_IN, "{exec}");
    }
    let seen = Case::healthy()
        .in_release("gunicorn.conf.py", "raw_env = [\"A=1\", \"FLASK_DEBUG=1\"]\n")
        .check();
    assert!(seen.only("E408").places[0].file.ends_with("gunicorn.conf.py"));
    // The stronger place turns it off again.
    let seen = with("FLASK_DEBUG=1\n")
        .in_release("gunicorn.conf.py", "raw_env = [\"FLASK_DEBUG=0\"]\n")
        .check();
    assert!(seen.of("E408").is_empty(), "{unit}");
    with_unit("Environment=FLASK_DEBUG=1\nUnsetEnvironment=FLASK_DEBUG").check().passes("E408");
    with_unit("Environment=FLASK_DEBUG=1\nEnvironment=").check().passes("E408");
}

fn app(code: &str) -> Case {
    Case::healthy().in_release(
        "wsgi.py",
        format!("import os\nfrom flask import Flask\n{code}\napp = Flask(__name__)\n"),
    )
}

#[test]
fn what_the_code_needs_is_found_in_its_modules_too() {
    let seen = app("import settings")
        .in_release("settings.py", "import os\nA = os.environ['NEEDED_A']\r\n")
        .check();
    let found = seen.only("E410");
    assert!(found.places[0].file.ends_with("settings.py"), "{found:?}");
    assert!(found.help.contains(FILE), "{}", found.help);
}

#[test]
fn a_file_that_is_not_taken_is_mended_before_variables_are_added() {
    let unit = "[Service]\nEnvironmentFile=\nEnvironmentFile=\"/etc/other.env\"\n";
    let seen = app("A = os.environ['NEEDED_A']")
        .file(DROP_IN, unit)
        .file("/etc/other.env", "NEEDED_A=1\n")
        .check();
    let help = &seen.of("E410")[0].help;
    assert!(help.starts_with("fix EnvironmentFile= first (U116)"), "{help}");
}

#[test]
fn what_is_set_on_the_way_is_there() {
    let needs = "A = os.environ['NEEDED_A']";
    app(needs).check().only("E410");
    for (path, text) in [
        (DROP_IN, "[Service]\nEnvironment=NEEDED_A=1\n"),
        ("/srv/myapp/releases/2026-04-21/gunicorn.conf.py", "raw_env = ['NEEDED_A=1']\n"),
    ] {
        app(needs).file(path, text).check().passes("E410");
    }
    let seen = app(needs).file(DROP_IN, "[Service]\nEnvironment=NEEDED_A=\n").check();
    assert_eq!(seen.only("E410").severity, Severity::Warning);
    // systemd's own, and one whose value is not known.
    app("A = os.environ['HOME']").check().passes("E410");
    app(needs).file(DROP_IN, "[Service]\nPassEnvironment=NEEDED_A\n").check().passes("E410");
}

#[test]
fn what_may_come_from_elsewhere_is_skipped() {
    let seen =
        app("from dotenv import load_dotenv\nload_dotenv()\nA = os.environ['NEEDED_A']").check();
    assert!(seen.of("E410").is_empty(), "{:?}", seen.of("E410"));
    assert!(!seen.reasons("E410").is_empty());
    let seen = app("A = os.environ['NEEDED_A']")
        .file(DROP_IN, "[Service]\nEnvironmentFile=/etc/{{ app }}.env\n")
        .check();
    assert!(seen.of("E410").is_empty());
    assert!(!seen.reasons("E410").is_empty());
}

#[test]
fn an_example_file_lists_what_is_needed_later() {
    let code = "def send():\n    return os.environ['MAIL_TOKEN'], os.environ.get('OTHER')";
    app(code).check().passes("E410");
    let seen =
        app(code).in_release(".env.example", "MAIL_TOKEN=\nOTHER=\nONLY_COMPOSE=1\n").check();
    let found = seen.only("E410");
    assert_eq!(found.severity, Severity::Warning);
    assert!(found.places[1].file.ends_with(".env.example"), "{found:?}");
}

#[test]
fn a_file_that_cannot_be_loaded_says_where_and_what_to_type() {
    let nul = with("A=1\nB=\0\n").check();
    nul.only("E412").at(FILE, 4).says("gunicorn does not start").helps("tr -d '\\000'");
    let wide: Vec<u8> = "\u{feff}A=1\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = Case::healthy().file(FILE, wide).own(FILE, 0o640, 0, 0).check();
    wide.only("E412").at(FILE, 1).helps("iconv -f utf-16 -t utf-8 < /etc/myapp.env");
    let long = with(&format!("A={}\n", "x".repeat(200_000))).check();
    long.only("E412").at(FILE, 3).says("128 KiB");
    // Of a file that may be absent, systemd says nothing.
    let case = with_unit("EnvironmentFile=-/etc/more.env").file("/etc/more.env", b"A=\xe9\n");
    let seen = case.own("/etc/more.env", 0o640, 0, 0).check();
    seen.only("E412").says("the application gets no variable of /etc/more.env");
}

#[test]
fn a_line_that_names_no_file_says_what_was_meant() {
    let given = |line: &str| {
        let case = with_unit(&format!("EnvironmentFile={line}"));
        case.file("/srv/myapp/.env", "A=1\n").own("/srv/myapp/.env", 0o640, 0, 0).check()
    };
    for (line, cause) in [
        ("'/srv/myapp/.env'", "quotes"),
        ("-\"/srv/myapp/.env\"", "quotes"),
        (".env", "does not start with a slash"),
        ("~/.env", "does not start with a slash"),
        ("/srv/myapp/%Z.env", "specifier"),
        ("/srv/myapp/.env /etc/myapp.env", "one path"),
        ("-/srv/myapp/.env -/etc/myapp.env", "one path"),
        ("/srv/myapp/.env # secrets", "comment"),
    ] {
        let seen = given(line);
        seen.only("U116").at(DROP_IN, 2).says(cause);
        seen.passes("U115");
        seen.passes("U119");
    }
    given("-/srv/myapp/.env -/etc/myapp.env").only("U116").says("gets no variable");
    given("/srv/myapp/.env /etc/myapp.env").only("U116").says("gunicorn does not start");
    // What is plainly one path is not there, or is a placeholder.
    given("/srv/my app/.env").passes("U116");
    given("{{ env_file }}").passes("U116");
    given("$HOME/.env").passes("U116");
}

#[test]
fn keys_that_can_be_guessed_are_named_and_never_shown() {
    let weak = [
        "dev",
        "your-very-secret-flask-key",
        "your_django_secret_key_here",
        "CHANGE_ME_generate_with_python_c_import_secrets",
        "django-insecure-8fk2l0vq93nfh1s7xz6bqpw5t4r8yu2i",
        "abababababababababababababab",
        "k7Q!x9",
    ];
    for key in weak {
        let seen = Case::healthy().replace(FILE, "9f2c1b7e5d8a4f03b6c7d1e2a5f4988c", key).check();
        let found = seen.only("E409");
        found.is(Severity::Warning).at(FILE, 1);
        assert!(!format!("{found:?}").contains(key), "{found:#?}");
    }
    for key in ["x8:Vq$n2;Lr7(w0z", "q3Jt_Zs0-changes-Wm8xKp", "'4f1d9c07e5a2b86d # 3c90aa71'"] {
        let seen = Case::healthy().replace(FILE, "9f2c1b7e5d8a4f03b6c7d1e2a5f4988c", key).check();
        assert!(seen.of("E409").is_empty(), "{key}: {seen:#?}");
    }
}

#[test]
fn what_a_shell_would_expand_is_named_where_it_is_certainly_meant() {
    for line in ["A=$HOME/x\n", "A=\"${HOME}/x\"\n", "A=${DATABASE_URL}\n", "A=`cat /etc/x`\n"] {
        with(line).check().only("E402").says("in A literally");
    }
    // Passwords, quotes, a variable that is nowhere set, and what may be expanded after all.
    for line in ["A=pa$$word\n", "A=x$Q9(z)\n", "A='$HOME'\n", "A=$Nothing\n", "A=a~/b\n"] {
        assert!(with(line).check().of("E402").is_empty(), "{line}");
    }
    let environ = "/srv/myapp/.venv/lib/python3.11/site-packages/django_environ-0.11.2.dist-info";
    let metadata = "Metadata-Version: 2.1\nName: django-environ\nVersion: 0.11.2\n";
    let seen = with("A=$HOME\n").file(&format!("{environ}/METADATA"), metadata).check();
    assert!(seen.of("E402").is_empty(), "{seen:#?}");
    seen.skipped("E402");
}

#[test]
fn of_two_lines_the_one_that_counts_is_told() {
    let seen = with("A=1\nB=2\nA=3\n").check();
    let found = seen.only("E406");
    found.says("line 3 of /etc/myapp.env has no effect: line 5 sets A again").at(FILE, 5);
    // Another file sets it anew; a template writes one of two lines.
    let other = with("A=1\nA=2\n")
        .file(DROP_IN, "[Service]\nEnvironmentFile=/etc/more.env\n")
        .file("/etc/more.env", "A=3\n")
        .own("/etc/more.env", 0o600, 0, 0);
    assert!(other.check().of("E406").is_empty());
    let template = with("{% if x %}\nA=1\n{% else %}\nA=2\n{% endif %}\n").check();
    assert!(template.of("E406").is_empty(), "{template:#?}");
}

/// `DefaultEnvironment=` adds up, and an empty one takes back what came before.
#[test]
fn what_systemd_gives_every_service_is_set() {
    let needs = "import os\n\nfrom flask import Flask\n\napp = Flask(__name__)\n\
                 app.config[\"A\"] = os.environ[\"A\"]\napp.config[\"B\"] = os.environ[\"B\"]\n";
    let check = |main: &str, drop_in: &str| {
        Case::healthy()
            .file("/srv/myapp/releases/2026-04-21/wsgi.py", needs)
            .file("/etc/systemd/system.conf", format!("[Manager]\n{main}\n"))
            .file("/etc/systemd/system.conf.d/site.conf", format!("[Manager]\n{drop_in}\n"))
            .check()
    };
    check("DefaultEnvironment=A=1", "DefaultEnvironment=\"B=two words\"").passes("E410");
    let seen = check("DefaultEnvironment=A=1", "DefaultEnvironment=\nDefaultEnvironment=B=2");
    assert!(seen.only("E410").message.contains("A is set nowhere"), "{:?}", seen.of("E410"));
    let text = format!("{seen:?}");
    assert!(!text.contains("two words"), "{text}");
}

/// What the code takes from files by itself, where it is looked for and where it is not.
#[test]
fn variables_in_the_codes_own_files_are_looked_up() {
    const PACKAGES: &str = "/srv/myapp/.venv/lib/python3.11/site-packages";
    let case = |code: &str, file: &str, text: &str| {
        Case::healthy()
            .file("/srv/myapp/releases/2026-04-21/wsgi.py", code)
            .file(file, text)
            .file(&format!("{PACKAGES}/dotenv/__init__.py"), "")
            .file(&format!("{PACKAGES}/decouple.py"), "")
            .file(&format!("{PACKAGES}/environs/__init__.py"), "")
            .file(&format!("{PACKAGES}/pydantic_settings/__init__.py"), "")
    };
    let start = "import os\nfrom flask import Flask\napp = Flask(__name__)\n";
    let dotenv = |load: &str| {
        format!("{start}from dotenv import load_dotenv, find_dotenv\n{load}\nos.environ['KEY']\n")
    };
    let decouple = format!("{start}from decouple import config\nKEY = config('KEY')\n");
    let environs =
        format!("{start}from environs import Env\nenv = Env()\nenv.read_env()\nKEY = env('KEY')\n");
    let pydantic = |settings: &str, call: &str| {
        format!(
            "{start}from pydantic_settings import BaseSettings, SettingsConfigDict\n\
             class Settings(BaseSettings):\n    {settings}\n    key: str\nsettings = {call}\n"
        )
    };
    let above = "/srv/myapp/.env";
    let own = "/srv/myapp/releases/2026-04-21/.env";
    let set = "KEY=hunter2-hunter2\n";
    let looked_up = [
        (dotenv("load_dotenv()"), above),
        (dotenv("load_dotenv(find_dotenv())"), own),
        (dotenv("load_dotenv(os.path.join(os.path.dirname(__file__), '.env'))"), own),
        (dotenv("load_dotenv('/etc/site.env')"), "/etc/site.env"),
        (decouple.clone(), above),
        (environs, own),
        (pydantic("model_config = SettingsConfigDict(env_file='.env')", "Settings()"), own),
        (
            pydantic("class Config:\n        env_file = '/etc/site.env'", "Settings()"),
            "/etc/site.env",
        ),
    ];
    for (code, file) in &looked_up {
        case(code, file, set).check().passes("E410");
        for other in ["# KEY=1\n", "KEYS=1\n", ""] {
            let seen = case(code, file, other).check();
            let finding = seen.only("E410");
            let shown = file.replace("releases/2026-04-21", "current");
            let named = format!("{finding:?}");
            assert!(named.contains(file) || named.contains(&shown), "{code}: {named}");
        }
        let seen = case(code, file, "OTHER=hunter2-hunter2\n").check();
        assert!(!format!("{seen:?}").contains("hunter2"), "{seen:?}");
    }
    // A file that a tree does not have may come with the host.
    let seen = case(&decouple, "/srv/other", "").check();
    assert!(seen.of("E410").is_empty() && !seen.reasons("E410").is_empty(), "{seen:?}");
    case(&decouple, "/srv/myapp/settings.ini", "[settings]\nkey = 1\n").check().passes("E410");
    let from_elsewhere = [
        dotenv("load_dotenv(name())"),
        dotenv("load_dotenv(os.environ.get('FILE'))"),
        format!(
            "{start}from decouple import Config, RepositoryEnv\n\
                 config = Config(RepositoryEnv('/etc/x'))\nKEY = config('KEY')\n"
        ),
    ];
    for code in &from_elsewhere {
        let seen = case(code, "/srv/other", "").check();
        assert!(seen.of("E410").is_empty(), "{code}: {seen:?}");
    }
    // A value that is given, and sources that are not followed.
    for code in [
        pydantic("pass", "Settings(key='1')"),
        pydantic("model_config = SettingsConfigDict(secrets_dir='/run/secrets')", "Settings()"),
    ] {
        case(&code, "/srv/other", "").check().passes("E410");
    }
    case(&pydantic("pass", "Settings()"), "/srv/other", "").check().only("E410");
}
