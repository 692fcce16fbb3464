//! Settings of Django and Flask that are spread over several files: what one file takes over from
//! another is followed, as far as that is certain.

use crate::support::case::{Case, RELEASE};
use deploy_doctor::rule::Severity;

const CURRENT: &str = "/srv/myapp/current";
const SITE: &str = "/etc/nginx/sites-available/myapp";
const WSGI: &str = "import os\nfrom django.core.wsgi import get_wsgi_application\n\
                    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings.production')\n\
                    app = get_wsgi_application()\n";

/// The deployment with a Django project whose production settings take over a base.
fn split(base: &str, production: &str) -> Case {
    Case::healthy()
        .in_release("wsgi.py", WSGI)
        .in_release("shop/__init__.py", "")
        .in_release("shop/settings/__init__.py", "")
        .in_release("shop/settings/base.py", base)
        .in_release("shop/settings/production.py", production)
}

#[test]
fn debug_mode_is_found_in_the_settings_that_are_taken_over() {
    let base = format!("{CURRENT}/shop/settings/base.py");
    let own = format!("{CURRENT}/shop/settings/production.py");
    for take in [
        "from .base import *\n",
        "from shop.settings.base import *\n",
        "from ..settings.base import *\n",
        "from .base import DEBUG\n",
        "from .base import SWITCH as DEBUG\n",
        "try:\n    from .base import *\nexcept ImportError:\n    pass\n",
        "try:\n    from .local import *\nexcept ImportError:\n    from .base import *\n",
    ] {
        let seen = split("DEBUG = True\nSWITCH = True\n", take).check();
        let line = seen.only("E408").places[0].clone();
        assert_eq!(line.file, base, "{take}");
    }
    let seen = split("DEBUG = False\n", "from .base import *\nDEBUG = True\n").check();
    seen.only("E408").at(&own, 2);
    for production in [
        "from .base import *\nDEBUG = False\n",
        "DEBUG = True\nfrom .base import *\nDEBUG = False\n",
        "from .base import SECRET_KEY\n",
    ] {
        split("DEBUG = True\nSECRET_KEY = 'x'\n", production).check().passes("E408");
    }
    split("DEBUG = False\n", "DEBUG = True\nfrom .base import *\n").check().passes("E408");
}

#[test]
fn what_settings_take_from_elsewhere_is_not_guessed() {
    // What is installed, what writes into the names by itself, and what takes over itself.
    for production in [
        "from company_settings.base import *\n",
        "from .base import *\nfrom company_settings import *\n",
        "from .base import *\nfrom .loops import *\n",
    ] {
        let seen = split("DEBUG = True\n", production)
            .in_release("shop/settings/loops.py", "from .production import *\n")
            .check();
        seen.skipped("E408");
    }
    let includes = "from split_settings.tools import include\ninclude('x.py')\nDEBUG = True\n";
    split(includes, "from .base import *\n").check().skipped("E408");
    // A list may be changed where it was made.
    let hosts = "ALLOWED_HOSTS = ['example.com']\n";
    let changes = "from .base import ALLOWED_HOSTS\nALLOWED_HOSTS.append('myapp')\n";
    let without = |case: Case| case.replace(SITE, "        proxy_set_header Host $host;\n", "");
    let seen = without(split(hosts, "from .base import *\nfrom .more import *\n"))
        .in_release("shop/settings/more.py", changes)
        .check();
    seen.only("N303").is(Severity::Warning);
}

#[test]
fn other_settings_are_followed_as_well() {
    let base = "import os\nfrom pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent\n\
                ALLOWED_HOSTS = ['example.com']\n__all__ = ['ALLOWED_HOSTS', 'BASE_DIR', 'os']\n\
                USE_X_FORWARDED_HOST = True\n";
    let without = |case: Case| case.replace(SITE, "        proxy_set_header Host $host;\n", "");
    let production = "from .base import *\nSTATIC_ROOT = os.path.join(BASE_DIR, 'static')\n";
    without(split(base, production)).check().only("N303").is(Severity::Error).says("400");
    // What stands before `import *` may be taken over, what stands behind it is the last word.
    let more = "from .base import *\nALLOWED_HOSTS += ['myapp']\n";
    without(split(base, more)).check().only("N303").is(Severity::Warning);
    let twice = "from .base import *\nfrom .base import ALLOWED_HOSTS\n";
    without(split(base, twice)).check().only("N303").is(Severity::Error);
}

#[test]
fn a_variable_that_the_start_may_load_does_not_decide() {
    let base = "import os\nDEBUG = os.environ.get('SHOP_DEBUG', '1') == '1'\n";
    split(base, "from .base import *\n").check().only("E408");
    let loads = format!("from dotenv import load_dotenv\nload_dotenv()\n{WSGI}");
    split(base, "from .base import *\n").in_release("wsgi.py", loads).check().skipped("E408");
}

/// The deployment with a Flask application that loads its configuration like this.
fn flask(load: &str, config: &str) -> Case {
    let app = format!(
        "from flask import Flask\n\n\ndef create_app():\n    app = Flask(__name__)\n{load}    return app\n"
    );
    Case::healthy()
        .in_release("wsgi.py", "from shop import create_app\n\napp = create_app()\n")
        .in_release("shop/__init__.py", app)
        .in_release("shop/config.py", config)
        .in_release("config.py", config)
}

#[test]
fn debug_mode_is_found_in_the_configuration_that_flask_loads() {
    let config = "class Config:\n    DEBUG = False\n\n\nclass Dev(Config):\n    DEBUG: bool = True\n\n\n\
                  class Staging(Dev):\n    TESTING = False\n\n\nclass Prod(Config):\n    pass\n";
    let debug = |load: &str| flask(&format!("    {load}\n"), config);
    for on in [
        "app.config.from_object('config.Dev')",
        "app.config.from_object('shop.config.Dev')",
        "app.config.from_object('config.Staging')",
        "app.config['DEBUG'] = False\n    app.config.from_object('config.Dev')",
    ] {
        let seen = debug(on).check();
        let hit = seen.only("E408");
        assert!(hit.places[0].file.ends_with("shop/__init__.py"), "{hit:#?}");
        assert!(hit.places[1].file.ends_with("config.py"), "{hit:#?}");
    }
    for named in
        ["from .config import Dev", "from shop.config import Dev", "from config import Dev"]
    {
        let case = debug("app.config.from_object(Dev)");
        let text = case.text(&format!("{RELEASE}/shop/__init__.py"));
        case.in_release("shop/__init__.py", format!("{named}\n{text}")).check().only("E408");
    }
    for (import, object) in
        [("import config", "config.Dev"), ("from . import config", "config.Dev")]
    {
        let case = debug(&format!("app.config.from_object({object})"));
        let text = case.text(&format!("{RELEASE}/shop/__init__.py"));
        case.in_release("shop/__init__.py", format!("{import}\n{text}")).check().only("E408");
    }
    for off in [
        "app.config.from_object('config.Prod')",
        "app.config.from_object('config.Absent')",
        "app.config.from_object('elsewhere.Dev')",
        "app.config.from_object(f'config.{name}')",
        "app.config.from_object('config.Dev')\n    app.config['DEBUG'] = False",
        "app.config.from_object('config.Dev')\n    app.config.from_object('config.Prod')",
        "app.config.from_object('config.Dev')\n    app.config.from_envvar('SETTINGS')",
        "if app.testing:\n        app.config.from_object('config.Dev')",
    ] {
        let seen = debug(off).check();
        assert!(seen.of("E408").is_empty(), "{off}: {seen:#?}");
    }
    flask("    app.config.from_object('config')\n", "DEBUG = True\n").check().only("E408");
    flask("    app.config.from_object('config')\n", "DEBUG = False\n").check().passes("E408");
}

#[test]
fn debug_mode_that_is_turned_on_behind_the_factory_is_found() {
    let wsgi = |text: &str| flask("", "").in_release("wsgi.py", text).check();
    let made = "from shop import create_app\n\napp = create_app()\n";
    wsgi(&format!("{made}app.debug = True\n")).only("E408").at(&format!("{CURRENT}/wsgi.py"), 4);
    wsgi(&format!("{made}app.config['DEBUG'] = True\n")).only("E408");
    wsgi(&format!("{made}app.debug = False\n")).passes("E408");
    wsgi(&format!("{made}other = create_app()\nother.debug = True\n")).passes("E408");
    wsgi(&format!("{made}app.debug = True\napp = create_app()\n")).passes("E408");
    wsgi(&format!("{made}if __name__ == '__main__':\n    app.debug = True\n    app.run()\n"))
        .passes("E408");
}

/// The deployment with a Django project whose settings have these lines beside `CommonMiddleware`.
fn asked_for_its_host(settings: &str) -> Case {
    let common = "MIDDLEWARE = ['django.middleware.common.CommonMiddleware']\n";
    split(&format!("{common}{settings}"), "from .base import *\n")
}

#[test]
fn a_django_that_allows_no_host_answers_nobody() {
    for none in ["ALLOWED_HOSTS = []\n", "DEBUG = False\n", "ALLOWED_HOSTS = ()\nDEBUG = False\n"] {
        let seen = asked_for_its_host(none).check();
        seen.only("N303")
            .is(Severity::Error)
            .says("ALLOWED_HOSTS is empty")
            .helps("\"example.com\"");
    }
    for answers in [
        "ALLOWED_HOSTS = []\nMIDDLEWARE = []\n",
        "ALLOWED_HOSTS = hosts()\n",
        "ALLOWED_HOSTS = ['*']\n",
    ] {
        let seen = asked_for_its_host(answers).check();
        assert!(seen.of("N303").is_empty(), "{answers}: {seen:#?}");
    }
    // The header that nginx does not set would not help.
    let without = asked_for_its_host("ALLOWED_HOSTS = []\n");
    let seen = without.replace(SITE, "        proxy_set_header Host $host;\n", "").check();
    let errors = seen.of("N303").into_iter().filter(|hit| hit.severity == Severity::Error);
    assert_eq!(errors.count(), 1, "{seen:#?}");
}

#[test]
fn a_site_s_names_are_held_against_those_that_django_allows() {
    let named = |names: &str, hosts: &str| {
        asked_for_its_host(&format!("ALLOWED_HOSTS = [{hosts}]\n")).replace(
            SITE,
            "server_name example.com;",
            &format!("server_name {names};"),
        )
    };
    let seen = named("example.com www.example.com", "'example.org'").check();
    seen.only("N303").is(Severity::Error).says("example.com, www.example.com");
    let seen = named("example.com www.example.com", "'example.com'").check();
    seen.only("N303").is(Severity::Warning).says("every request for www.example.com");
    named("203.0.113.7", "'example.com'").check().only("N303").is(Severity::Error);
    for (names, hosts) in [
        ("example.com www.example.com", "'.example.com'"),
        ("example.com 203.0.113.7 localhost", "'example.com'"),
        ("_", "'example.com'"),
        ("*.example.com ~^x", "'www.example.com'"),
        ("example.com", "*hosts(), 'example.org'"),
    ] {
        named(names, hosts).check().passes("N303");
    }
    let pair = || named("example.com www.example.com", "'example.com'");
    let set = "        proxy_set_header Host $host;\n";
    for (from, to) in [
        (set, "        proxy_set_header Host example.com;\n"),
        (
            set,
            "        proxy_set_header Host $host;\n        if ($host = www.example.com) { return 301 https://example.com$request_uri; }\n",
        ),
    ] {
        pair().replace(SITE, from, to).check().passes("N303");
    }
    let seen = pair().in_release(
        "shop/settings/production.py",
        "from .base import *\nUSE_X_FORWARDED_HOST = True\n",
    );
    seen.check().passes("N303");
}

#[test]
fn a_module_that_django_s_settings_name_and_that_is_nowhere_is_found() {
    for (line, missing) in [
        ("ROOT_URLCONF = 'shop.urlz'\n", "shop.urlz"),
        ("INSTALLED_APPS = ['shop.basket']\n", "shop.basket"),
        ("INSTALLED_APPS = ['baskets']\n", "baskets"),
        ("INSTALLED_APPS = ['shop.apps.ShopConfig']\n", "shop.apps"),
        ("MIDDLEWARE = ['shop.middle.Ware']\n", "shop.middle"),
    ] {
        let seen = split(line, "from .base import *\nALLOWED_HOSTS = ['example.com']\n").check();
        let hit = seen.of("R717");
        assert!(hit.iter().any(|hit| hit.message.contains(missing)), "{line}: {seen:#?}");
    }
}

/// The Django project whose static files nginx serves from `static`, asked for below `url`.
fn statics(url: &str) -> Case {
    let base = format!(
        "from pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent.parent\n\
         DEBUG = False\nALLOWED_HOSTS = ['example.com']\nSTATIC_ROOT = BASE_DIR / 'static'\n\
         STATIC_URL = '{url}'\n"
    );
    split(&base, "from .base import *\n")
}

#[test]
fn static_files_that_django_asks_for_elsewhere_are_told() {
    for url in ["/assets/", "assets/", "/assets"] {
        let seen = statics(url).check();
        seen.only("N312")
            .is(Severity::Warning)
            .says("below /assets/")
            .helps("STATIC_URL = \"/static/\"");
    }
    for url in ["/static/", "static/", "https://cdn.example.com/assets/", "/static/v2/"] {
        statics(url).check().passes("N312");
    }
    // Somebody else serves them.
    let white = "MIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware']\n";
    let with = |more: &str| {
        let production = format!("from .base import *\n{more}");
        statics("/assets/").in_release("shop/settings/production.py", production)
    };
    with(white).check().passes("N312");
    let debug = with("DEBUG = True\n").check();
    assert!(debug.of("N312").is_empty(), "{debug:#?}");
    let both = "    location /assets/ { alias /srv/myapp/current/static/; }\n    location / {";
    statics("/assets/").replace(SITE, "    location / {", both).check().passes("N312");
    let rewritten = "    rewrite ^/assets/(.*)$ /static/$1;\n    location / {";
    statics("/assets/").replace(SITE, "    location / {", rewritten).check().passes("N312");
    // The application is mounted below a path that Django puts before it.
    let unit = "/etc/systemd/system/myapp.service";
    let mounted = "[Service]\nEnvironment=SCRIPT_NAME=/shop\n";
    let seen = statics("assets/").replace(unit, "[Service]\n", mounted).check();
    assert!(seen.of("N312").is_empty(), "{seen:#?}");
}

#[test]
fn a_sqlite_file_that_may_not_be_written_is_told() {
    let sandbox = |lines: &str| format!("[Service]\nPrivateTmp=yes\n{lines}");
    let named = |name: &str, lines: &str| {
        let base = format!(
            "from pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent.parent\n\
             DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': {name}}}}}\n"
        );
        split(&base, "from .base import *\n")
            .replace("/etc/systemd/system/myapp.service", "[Service]\n", &sandbox(lines))
            .directory("/srv/myapp/shared")
            .check()
    };
    for (name, lines) in [
        ("BASE_DIR / 'db.sqlite3'", "ProtectSystem=strict\n"),
        ("'/srv/myapp/shared/db.sqlite3'", "ReadOnlyPaths=/srv\n"),
        ("'db.sqlite3'", "ProtectSystem=strict\nReadWritePaths=/srv/myapp/shared\n"),
        ("'/etc/myapp/db.sqlite3'", "ProtectSystem=full\n"),
    ] {
        let seen = named(name, lines);
        seen.only("U126").is(Severity::Warning).says("attempt to write a readonly database");
    }
    for (name, lines) in [
        ("BASE_DIR / 'db.sqlite3'", "ProtectSystem=full\n"),
        ("BASE_DIR / 'db.sqlite3'", ""),
        ("'/srv/myapp/shared/db.sqlite3'", "ProtectSystem=strict\nReadWritePaths=/srv/myapp\n"),
        ("'/var/lib/myapp/db.sqlite3'", "ProtectSystem=strict\nStateDirectory=myapp\n"),
        ("':memory:'", "ProtectSystem=strict\n"),
        ("'file:x?mode=ro'", "ProtectSystem=strict\n"),
    ] {
        named(name, lines).passes("U126");
    }
    assert!(named("where()", "ProtectSystem=strict\n").of("U126").is_empty());
}

#[test]
fn a_sqlite_file_that_a_variable_names_is_not_shown() {
    let unit = "/etc/systemd/system/myapp.service";
    let strict = "[Service]\nPrivateTmp=yes\nProtectSystem=strict\n";
    let seen = Case::healthy().replace(unit, "[Service]\n", strict).check();
    let hit = seen.only("U126").says("DATABASE_URL");
    assert!(!format!("{hit:?}").contains("shared/myapp.db"), "{hit:#?}");
    let open = format!("{strict}ReadWritePaths=/srv/myapp/shared\n");
    let made = Case::healthy().directory("/srv/myapp/shared");
    made.replace(unit, "[Service]\n", &open).check().passes("U126");
}

#[test]
fn paths_outside_script_name_are_told() {
    let unit = "/etc/systemd/system/myapp.service";
    let mounted = |name: &str, location: &str, pass: &str| {
        Case::healthy()
            .replace(unit, "[Service]\n", &format!("[Service]\nEnvironment=SCRIPT_NAME={name}\n"))
            .replace(SITE, "location / {", &format!("location {location} {{"))
            .replace(SITE, "proxy_pass http://myapp;", &format!("proxy_pass http://myapp{pass};"))
    };
    for (name, location, pass) in [
        ("/shop", "/app/", ""),
        ("/shop", "/shop/", "/"),
        ("shop", "/shop/", ""),
        ("/shop", "/app/", "/other/"),
        ("/shop", "= /health", ""),
    ] {
        let seen = mounted(name, location, pass).check();
        let hit = seen.only("N305").is(Severity::Error).says("500");
        assert!(!hit.message.contains(&format!("NAME {name}")), "{hit:#?}");
    }
    for (name, location, pass) in [
        ("/shop", "/shop/", ""),
        ("/shop", "/shop", ""),
        ("/shop", "/", ""),
        ("/shop", "/app/", "/shop/"),
        ("/shop/", "/shop", ""),
        ("", "/app/", ""),
    ] {
        mounted(name, location, pass).check().passes("N305");
    }
    let header = "proxy_pass http://myapp;\n        proxy_set_header SCRIPT_NAME /app;";
    mounted("/shop", "/app/", "")
        .replace(SITE, "proxy_pass http://myapp;", header)
        .check()
        .passes("N305");
    let asgi = mounted("/shop", "/app/", "").replace(
        unit,
        "--workers 3",
        "--workers 3 -k uvicorn.workers.UvicornWorker",
    );
    assert!(asgi.check().of("N305").is_empty());
}

#[test]
fn a_factory_that_gives_nothing_back_is_no_application() {
    let factory = |body: &str, app: &str| {
        let text = format!("from flask import Flask\n\n\ndef create_app():\n{body}\n\n{app}\n");
        Case::healthy().in_release("wsgi.py", text)
    };
    let made = "app = create_app()";
    for body in [
        "    app = Flask(__name__)",
        "    app = Flask(__name__)\n    return",
        "    app = Flask(__name__)\n    return None",
        "    app = Flask(__name__)\n\n    def inner():\n        return app",
    ] {
        factory(body, made).check().only("G210").says("create_app(), which returns nothing");
    }
    for body in [
        "    return Flask(__name__)",
        "    if __debug__:\n        return Flask(__name__)",
        "    try:\n        return Flask(__name__)\n    finally:\n        pass",
        "    yield Flask(__name__)",
        "    raise RuntimeError",
    ] {
        let seen = factory(body, made).check();
        assert!(seen.of("G210").is_empty(), "{body}: {seen:#?}");
    }
    let nothing = "    app = Flask(__name__)";
    for app in [
        "app = create_app() or Flask(__name__)",
        "app = create_app\napp = Flask(__name__)",
        "create_app()\napp = Flask(__name__)",
        "app = create_app()\napp = Flask(__name__)",
        "if create_app():\n    app = create_app()\nelse:\n    app = Flask(__name__)",
    ] {
        let seen = factory(nothing, app).check();
        assert!(seen.of("G210").is_empty(), "{app}: {seen:#?}");
    }
    // Called by gunicorn itself, and from another module.
    let unit = "/etc/systemd/system/myapp.service";
    let called = factory(nothing, "").replace(unit, "wsgi:app", "'wsgi:create_app()'");
    called.check().only("G210").says("create_app() returns nothing");
    let shop = "from flask import Flask\n\n\ndef create_app():\n    app = Flask(__name__)\n";
    for take in ["from shop import create_app", "from shop.factory import create_app"] {
        let seen = Case::healthy()
            .in_release("wsgi.py", format!("{take}\n\napp = create_app()\n"))
            .in_release("shop/__init__.py", "from .factory import create_app\n")
            .in_release("shop/factory.py", shop)
            .check();
        seen.only("G210").helps("return app");
    }
}

#[test]
fn hooks_of_another_module_are_counted_as_well() {
    let hooks = "def post_fork(worker):\n    pass\n\n\ndef fits(server, worker):\n    pass\n";
    let conf = |text: &str| {
        Case::healthy().in_release("hooks.py", hooks).in_release("gunicorn.conf.py", text).check()
    };
    for wrong in [
        "from hooks import post_fork\n",
        "from hooks import post_fork as post_fork\n",
        "post_fork = 'hooks.post_fork'\n",
    ] {
        conf(wrong).only("G209").says("a function of 2 arguments, and takes 1");
    }
    for fits in [
        "from hooks import fits as post_fork\n",
        "post_fork = 'hooks.fits'\n",
        "post_fork = 'elsewhere.post_fork'\n",
        "from hooks import *\npost_fork = fits\n",
        "from elsewhere import post_fork\n",
    ] {
        let seen = conf(fits);
        assert!(seen.of("G209").is_empty(), "{fits}: {seen:#?}");
    }
}

#[test]
fn secrets_in_the_command_are_told_by_their_names() {
    let unit = "/etc/systemd/system/myapp.service";
    let value = "sk_live_51Hc8tJ2eZvKYlo2C";
    let started = |from: &str, to: &str| Case::healthy().replace(unit, from, to).check();
    let env = format!("--env PAYMENT_API_KEY={value} --workers");
    for (from, to) in [
        ("--workers", env.clone()),
        ("--workers", format!("-e A=1 -e CACHE_URL=redis://:{value}@cache/0 --workers")),
        ("ExecStart=", format!("ExecStart=/usr/bin/env PAYMENT_API_KEY={value} ")),
    ] {
        let seen = started(from, &to);
        let hit = seen.only("U133").says("shows ExecStart= to anyone");
        assert!(!format!("{hit:?}").contains(value), "{hit:#?}");
    }
    started("--workers", "-e PAYMENT_MODE=live -e TOKEN_TTL=86400123 --workers").passes("U133");
    let both = format!("[Service]\nEnvironment=MAIL_PASSWORD={value}\n");
    let seen = Case::healthy().replace(unit, "[Service]\n", &both).replace(unit, "--workers", &env);
    seen.check()
        .only("U133")
        .says("MAIL_PASSWORD, PAYMENT_API_KEY")
        .says("Environment= and ExecStart=");
    // What an environment file sets anew is not what the application gets of the unit.
    let stand_in = "[Service]\nEnvironment=SECRET_KEY=only-a-stand-in\n";
    started("[Service]\n", stand_in).passes("U133");
}

#[test]
fn a_tree_that_was_copied_in_part_says_nothing_of_files_elsewhere() {
    let unit = "/etc/systemd/system/myapp.service";
    let named = |option: &str| {
        Case::healthy().replace(unit, "--workers", &format!("{option} --workers")).check()
    };
    for option in ["--log-config /opt/myapp/logging.conf", "-c /opt/myapp/gunicorn.py"] {
        let seen = named(option);
        assert!(seen.of("G212").is_empty(), "{option}: {seen:#?}");
        assert!(seen.reasons("G212").iter().any(|why| why.contains("/opt is not in the tree")));
    }
    named("--log-config /etc/myapp/logging.conf").only("G212").says("/etc/myapp/logging.conf");
}

#[test]
fn a_file_to_watch_has_to_be_there() {
    let unit = "/etc/systemd/system/myapp.service";
    let watches = |path: &str| {
        let option = format!("--reload-extra-file {path} --workers");
        Case::healthy().replace(unit, "--workers", &option)
    };
    watches("/srv/myapp/a.yaml").check().only("G209").says("/srv/myapp/a.yaml");
    watches("/srv/myapp/a.yaml").file("/srv/myapp/a.yaml", "").check().passes("G209");
    for elsewhere in ["/opt/a.yaml", "a.yaml"] {
        let seen = watches(elsewhere).check();
        assert!(seen.of("G209").is_empty(), "{elsewhere}: {seen:#?}");
    }
    let made = watches("/srv/myapp/a.yaml").replace(
        unit,
        "ExecStart=",
        "ExecStartPre=/usr/bin/touch /srv/myapp/a.yaml\nExecStart=",
    );
    made.check().skipped("G209");
}
