//! What the application imports when it starts: R717 and its neighbours.

use deploy_doctor::rule::Severity;

use crate::support::case::{Case, RELEASE};

const SITE: &str = "/srv/myapp/.venv/lib/python3.11/site-packages";
const UNIT: &str = "/etc/systemd/system/myapp.service";

fn hits(case: &Case, code: &str) -> Vec<String> {
    let seen = case.check();
    seen.hits.iter().filter(|hit| hit.code == code).map(|hit| hit.message.clone()).collect()
}

fn skips(case: &Case, code: &str) -> Vec<String> {
    let seen = case.check();
    seen.skips.iter().filter(|(rule, _)| *rule == code).map(|(_, why)| why.to_string()).collect()
}

fn app(text: &str) -> Case {
    let flask = "from flask import Flask\napp = Flask(__name__)\n";
    Case::healthy().in_release("wsgi.py", format!("{text}{flask}"))
}

#[test]
fn the_chain_leads_from_the_loaded_module_to_the_missing_one() {
    let case = app("import os\nimport shop\n")
        .in_release("shop/__init__.py", "from . import payment\n")
        .in_release("shop/payment.py", "\n\nimport stripe\n");
    let found = hits(&case, "R717");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("wsgi.py:2 → shop/__init__.py:1 → shop/payment.py:3 → stripe"));
}

#[test]
fn what_certainly_fails_is_found() {
    let wrong = [
        "import stripe\n",
        "import stripe.error\n",
        "from stripe import Charge as C\n",
        "from .settings import X\n",
        "import cgi, imaginary\n",
        "if True:\n    import stripe\n",
        "import sys\nif sys.version_info >= (3, 8):\n    import stripe\n",
        "import sys\nif sys.platform == 'win32':\n    pass\nelse:\n    import stripe\n",
        "try:\n    import stripe\nfinally:\n    pass\n",
        "try:\n    import stripe\nexcept ImportError as e:\n    raise RuntimeError('x') from e\n",
        "class A:\n    import stripe\n",
        "from flask import Flask\nwith Flask('x').app_context():\n    import stripe\n",
    ];
    for text in wrong {
        assert_eq!(hits(&app(text), "R717").len(), 1, "{text}");
    }
}

#[test]
fn what_may_not_run_or_is_caught_is_no_error() {
    let right = [
        "try:\n    import stripe\nexcept ImportError:\n    pass\n",
        "try:\n    import stripe\nexcept (ValueError, ModuleNotFoundError):\n    pass\n",
        "try:\n    import stripe\nexcept Exception:\n    pass\n",
        "try:\n    import stripe\nexcept:\n    pass\n",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import stripe\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import stripe\n",
        "import typing as t\nif t.TYPE_CHECKING:\n    import stripe\n",
        "import os\nif os.environ.get('X'):\n    import stripe\n",
        "import sys\nif sys.version_info < (3, 8):\n    import stripe\n",
        "import sys\nif sys.version_info[0] == 2:\n    import stripe\n",
        "import os\nif os.name == 'nt':\n    import stripe\n",
        "if __name__ == '__main__':\n    import stripe\n",
        "def f():\n    import stripe\n",
        "f = lambda: __import__('stripe')\n",
        "import sys\nsys.modules['stripe'] = None\nimport stripe\n",
        "import json, email.mime.text, xml.etree.ElementTree as E, concurrent.futures\n",
        "from __future__ import annotations\n",
    ];
    for text in right {
        let found = hits(&app(text), "R717");
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}

#[test]
fn installed_modules_of_every_form_are_found() {
    let case = app("import a, b, c.d, e, f.g\n")
        .file(&format!("{SITE}/a/__init__.py"), "")
        .file(&format!("{SITE}/b.py"), "")
        .file(&format!("{SITE}/c/d/__init__.py"), "")
        .file(&format!("{SITE}/e.cpython-311-x86_64-linux-gnu.so"), "")
        .file("/srv/lib/f/g.py", "")
        .file(&format!("{SITE}/x.pth"), "# ours\n/srv/lib\n");
    assert!(hits(&case, "R717").is_empty());
    let other = app("import e\n").file(&format!("{SITE}/e.cpython-39-x86_64-linux-gnu.so"), "");
    assert_eq!(hits(&other, "R717").len(), 1);
}

#[test]
fn editable_installs_are_followed() {
    let finder = "MAPPING: dict[str, str] = {'shop': '/srv/src/shop'}\nNAMESPACES: dict[str, list[str]] = {}\n";
    let pth = "import __editable___shop_1_0_finder; __editable___shop_1_0_finder.install()\n";
    let editable = |text| {
        app(text)
            .file(&format!("{SITE}/__editable__.shop-1.0.pth"), pth)
            .file(&format!("{SITE}/__editable___shop_1_0_finder.py"), finder)
    };
    let there = editable("import shop.db\n").file("/srv/src/shop/__init__.py", "");
    let there = there.file("/srv/src/shop/db.py", "");
    assert!(hits(&there, "R717").is_empty());
    // Its directory was pruned.
    assert_eq!(hits(&editable("import shop\n"), "R717").len(), 1);
}

#[test]
fn what_cannot_be_followed_is_said_and_no_guess() {
    let unknown = [
        app("import sys, os\nsys.path.insert(0, os.environ['LIB'])\nimport stripe\n"),
        app("import sys\nsys.meta_path.append(object())\nimport stripe\n"),
        app("import stripe\n").file(&format!("{SITE}/x.pth"), "import magic; magic.install()\n"),
        app("import stripe\n").in_release("stripe.pyx", ""),
    ];
    for case in unknown {
        assert!(hits(&case, "R717").is_empty());
        assert_eq!(skips(&case, "R717").len(), 1);
    }
    let system = "home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11.2\n";
    let system = app("import stripe\n").file("/srv/myapp/.venv/pyvenv.cfg", system);
    assert!(hits(&system, "R717").is_empty() && !skips(&system, "R717").is_empty());
}

#[test]
fn directories_that_the_code_adds_are_followed() {
    let ways = [
        "import sys\nsys.path.append('/srv/myapp/current/lib')\nimport pricing\n",
        "import os, sys\nHERE = os.path.dirname(os.path.abspath(__file__))\nsys.path.insert(0, os.path.join(HERE, 'lib'))\nimport pricing\n",
        "import sys\nfrom pathlib import Path\nBASE = Path(__file__).resolve().parent\nsys.path.insert(0, str(BASE / 'lib'))\nimport pricing\n",
        "import sys\nsys.path += ['lib']\nimport pricing\n",
        "import sys\nfrom pathlib import Path\nsys.path.extend([str(Path(__file__).parents[0].joinpath('lib'))])\nimport pricing\n",
    ];
    for text in ways {
        let there = app(text).in_release("lib/pricing.py", "");
        assert!(hits(&there, "R717").is_empty(), "{text}");
        assert_eq!(hits(&app(text), "R717").len(), 1, "{text}");
    }
}

#[test]
fn names_of_the_releases_own_modules_are_looked_at() {
    let wrong = app("from shop import Order\n").in_release("shop.py", "class Orders:\n    pass\n");
    assert_eq!(hits(&wrong, "R717").len(), 1);
    let open = [
        "from os.path import *\n",
        "def __getattr__(name):\n    return name\n",
        "import sys\nif sys.argv:\n    Order = 1\n",
        "globals()['Order'] = 1\n",
        "try:\n    from x import Order\nexcept ImportError:\n    Order = None\n",
    ];
    for text in open {
        let case = app("from shop import Order\n").in_release("shop.py", text);
        assert!(hits(&case, "R717").is_empty(), "{text}");
    }
    let set = app("import shop\nshop.Order = 1\nfrom shop import Order\n");
    assert!(hits(&set.in_release("shop.py", ""), "R717").is_empty());
}

fn django(settings: &str) -> Case {
    let wsgi = "import os\nfrom django.core.wsgi import get_wsgi_application\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_.settings')\napp = get_wsgi_application()\n";
    let mut case = Case::healthy()
        .in_release("wsgi.py", wsgi)
        .in_release("site_/__init__.py", "")
        .in_release("site_/urls.py", "urlpatterns = []\n")
        .in_release("site_/settings.py", settings);
    for file in
        ["__init__", "core/__init__", "core/wsgi", "contrib/__init__", "contrib/auth/__init__"]
    {
        case = case.file(&format!("{SITE}/django/{file}.py"), "");
    }
    case
}

#[test]
fn djangos_settings_name_modules_too() {
    let wrong = [
        "INSTALLED_APPS = ['django.contrib.auth', 'django_extensions']\n",
        "INSTALLED_APPS = ['django.contrib.auth']\nINSTALLED_APPS += ['django_extensions']\n",
        "A = ['django.contrib.auth']\nB = ('django_extensions',)\nINSTALLED_APPS = A + list(B)\n",
        "INSTALLED_APPS = ['django_extensions.apps.ExtensionsConfig']\n",
        "MIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware']\n",
        "ROOT_URLCONF = 'site_.url'\n",
        "ROOT_URLCONF = 'site_.urls'\nimport django_extensions\n",
    ];
    for settings in wrong {
        let found = hits(&django(settings), "R717");
        assert_eq!(found.len(), 1, "{settings}");
        assert!(found[0].contains("wsgi.py:3 → site_/settings.py:"), "{found:?}");
    }
    let right = [
        "import os\nINSTALLED_APPS = ['django.contrib.auth']\nif os.environ.get('D'):\n    INSTALLED_APPS += ['django_extensions']\n",
        "INSTALLED_APPS = ['django.contrib.auth', 'django_extensions']\nINSTALLED_APPS.remove('django_extensions')\n",
        "INSTALLED_APPS = ['a']\nINSTALLED_APPS = [x for x in INSTALLED_APPS if x]\n",
        "ROOT_URLCONF = 'site_.urls'\n",
    ];
    for settings in right {
        let found = hits(&django(settings), "R717");
        assert!(found.is_empty(), "{settings}: {found:?}");
    }
    let split = django("from .base import *\nROOT_URLCONF = 'site_.urls'\n");
    let split = split.in_release("site_/base.py", "INSTALLED_APPS = ['django_extensions']\n");
    assert_eq!(hits(&split, "R717").len(), 1);
    let named = "Environment=DJANGO_SETTINGS_MODULE=site_.gone\n[Install]";
    let other = django("").replace(UNIT, "[Install]", named);
    assert_eq!(hits(&other, "R717").len(), 1);
}

#[test]
fn equal_times_are_an_error_where_a_module_is_new() {
    let times = |case: Case| {
        case.living(|host| {
            host.touch("/srv/myapp/releases/2026-04-14", 1_777_000_000);
            host.touch(RELEASE, 1_777_000_000);
        })
    };
    let severity =
        |case: &Case| case.check().hits.iter().find(|h| h.code == "R716").map(|h| h.severity);
    let new = app("import billing\n").in_release("billing.py", "");
    assert_eq!(severity(&times(new)), Some(Severity::Error));
    assert_eq!(severity(&times(app(""))), Some(Severity::Warning));
    assert_eq!(severity(&app("import billing\n").in_release("billing.py", "")), None);
}

#[test]
fn what_the_application_is_follows_factories_and_modules() {
    let asgi = |text: &str| {
        Case::healthy().in_release("wsgi.py", text).file(&format!("{SITE}/fastapi/__init__.py"), "")
    };
    let wrong = [
        "import fastapi as f\napp: f.FastAPI = f.FastAPI(title='x')\n",
        "from fastapi import FastAPI\ndef create_app():\n    app = FastAPI()\n    return app\napp = create_app()\n",
        "async def app(scope, receive, send):\n    pass\n",
    ];
    for text in wrong {
        assert_eq!(hits(&asgi(text), "G229").len(), 1, "{text}");
    }
    let moved = asgi("from shop.main import api as app\n");
    let moved = moved.in_release("shop/main.py", "from fastapi import FastAPI\napi = FastAPI()\n");
    assert_eq!(hits(&moved, "G229").len(), 1);
    let right = [
        "from fastapi import FastAPI\napp = FastAPI()\napp = wrap(app)\n",
        "def app(environ, start_response):\n    pass\n",
    ];
    for text in right {
        assert!(hits(&asgi(text), "G229").is_empty(), "{text}");
    }
}
