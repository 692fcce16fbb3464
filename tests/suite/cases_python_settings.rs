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
