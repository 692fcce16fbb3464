//! Variables that gunicorn's configuration file sets or loads itself: what can be followed is
//! known, what cannot is not known, and the default is never taken for it.

use crate::support::case;

use case::{Case, RELEASE, Seen};

const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/10-start.conf";

fn started(config: &str) -> Case {
    let line = "[Service]\nExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn --chdir \
                /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app\n";
    Case::healthy().file(DROP_IN, line).in_release("gunicorn.conf.py", config)
}

fn workers(before: &str) -> Seen {
    started(&format!("import os\n{before}\nworkers = int(os.getenv('WORKERS', '1'))\n"))
        .in_release(".env", "# how many\nexport WORKERS=4 # four\nexport OTHER='x'\n")
        .check()
}

#[test]
fn what_the_file_sets_is_known() {
    for before in [
        "os.environ['WORKERS'] = '4'",
        "os.environ.update(WORKERS='4')",
        "os.environ.update({'WORKERS': '4'})",
        "os.environ |= {'WORKERS': '4'}",
        "os.environ.setdefault('WORKERS', '4')",
        "from os import environ\nenviron['WORKERS'] = '4'",
        "environment = os.environ\nenvironment['WORKERS'] = '4'",
        "os.environ['WORKERS'] = '1'\nos.environ.pop('WORKERS')\nos.environ.setdefault('WORKERS', '2')",
        "from dotenv import load_dotenv\nload_dotenv()",
        "import dotenv\ndotenv.load_dotenv(dotenv.find_dotenv())",
        "from dotenv import load_dotenv\nload_dotenv('/srv/myapp/current/.env', override=True)",
        "from pathlib import Path\nfrom dotenv import load_dotenv\n\
         load_dotenv(Path(__file__).parent / '.env')",
    ] {
        workers(before).passes("G201");
    }
    for before in [
        "os.environ.update(WORKERS='1')",
        "os.environ['WORKERS'] = '4'\ndel os.environ['WORKERS']",
        "os.environ['WORKERS'] = '4'\nos.environ.pop('WORKERS', None)",
        // Only programs that are started later see this.
        "os.putenv('WORKERS', '4')",
        // It does not beat what is set.
        "from dotenv import load_dotenv\nos.environ['WORKERS'] = '1'\nload_dotenv()",
        "from dotenv import load_dotenv\nload_dotenv('/srv/myapp/none.env')",
    ] {
        workers(before).only("G201");
    }
}

#[test]
fn what_is_not_followed_is_not_the_default() {
    for before in [
        "for name in ('WORKERS',):\n    os.environ[name] = '4'",
        "def prepare():\n    os.environ['WORKERS'] = '4'\nprepare()",
        "with open('/etc/x') as file:\n    os.environ['WORKERS'] = file.read()",
        "if os.path.exists('/etc/x'):\n    os.environ['WORKERS'] = '4'",
        "import settings",
        "from settings import loaded",
        "import read\nread.into(os.environ)",
        "from environs import Env\nenv = Env()\nenv.read_env()",
        "from dotenv import load_dotenv\nload_dotenv(os.path.expanduser('~/.env'))",
        "try:\n    from dotenv import load_dotenv\n    load_dotenv()\nexcept ImportError:\n    pass",
        "class Settings:\n    os.environ['WORKERS'] = '4'",
        "os.environ.update(dict(line.split('=') for line in open('/etc/x')))",
    ] {
        workers(before).skipped("G201");
    }
    // What is set before stands: `load_dotenv()` fills up only.
    let line = "os.environ['WORKERS'] = '1'\nfrom environs import Env\nEnv.read_env()";
    workers(line).only("G201");
}

#[test]
fn a_module_of_the_release_is_looked_into() {
    let config = "import os\nimport defaults\n\nworkers = int(os.getenv('WORKERS', '1'))\n";
    let plain = started(config).in_release("defaults.py", "import logging\n\nPORT = 8000\n");
    plain.check().only("G201");
    let sets = "import os\n\nos.environ['WORKERS'] = '3'\n";
    started(config).in_release("defaults.py", sets).check().skipped("G201");
    let loads = "from dotenv import load_dotenv\n\nload_dotenv()\n";
    started(config).in_release("defaults.py", loads).check().skipped("G201");
}

#[test]
fn what_the_file_sets_the_application_has() {
    let code = "import os\n\nfrom flask import Flask\n\napp = Flask(__name__)\n\
                app.config['K'] = os.environ['EXTRA_KEY']\n";
    let with = |config: &str| {
        started(&format!("import os\n\nworkers = 3\n{config}\n"))
            .in_release("wsgi.py", code)
            .in_release(".env", "EXTRA_KEY=1\n")
    };
    with("").check().only("E410");
    for config in [
        "os.environ['EXTRA_KEY'] = '1'",
        "os.environ.setdefault('EXTRA_KEY', '1')",
        "from dotenv import load_dotenv\nload_dotenv()",
        "raw_env = ['EXTRA_KEY=1']",
    ] {
        with(config).check().passes("E410");
    }
    for config in [
        "def post_fork(server, worker):\n    os.environ['EXTRA_KEY'] = '1'",
        "def on_starting(server):\n    from dotenv import load_dotenv\n    load_dotenv()",
        "for name in ('EXTRA_KEY',):\n    os.environ[name] = '1'",
    ] {
        with(config).check().skipped("E410");
    }
    // Another variable of the file's is no help.
    with("os.environ['EXTRA'] = '1'").check().only("E410");
}

#[test]
fn no_value_of_a_loaded_file_is_shown() {
    let config = "import os\nfrom dotenv import load_dotenv\n\nload_dotenv()\n\
                  workers = int(os.getenv('WORKERS', '1'))\nbind = os.getenv('BIND')\n";
    let seen = started(config)
        .file(&format!("{RELEASE}/.env"), "WORKERS=1\nBIND=unix:/run/hidden-name.sock\n")
        .check();
    assert!(!format!("{:?}", seen.only("G201")).contains("hidden-name"));
}

#[test]
fn a_variable_under_a_name_that_is_no_setting_is_pointed_at() {
    let code = "import os\n\nfrom flask import Flask\n\napp = Flask(__name__)\n\
                app.config['K'] = os.environ['EXTRA_KEY']\n";
    for config in
        ["workers = 3\nenv = {'EXTRA_KEY': '1'}\n", "workers = 3\nenv = ['EXTRA_KEY=1']\n"]
    {
        let seen = started(config).in_release("wsgi.py", code).check();
        let file = format!("{RELEASE}/gunicorn.conf.py");
        seen.only("E410").says("raw_env").also_at(&file, 2);
        seen.only("G209").at(&file, 2);
    }
}
