//! Reports whose cause is gunicorn: its command line, its configuration file, the application.

use super::{
    BIND, Case, RELEASES, Report, SITE, UNIT, WORKERS, broken, deployment, error, gunicorn_version,
    in_releases, package, program, risky, silent, warning, with_unit, without,
};
use deploy_doctor::rule::Item;

const FASTAPI: &str = "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get(\"/\")\n\
                       async def root():\n    return {\"ok\": True}\n";
const KEY: &str = "import os\n\nfrom flask import Flask\n\napp = Flask(__name__)\n\
                   app.config[\"KEY\"] = os.environ[\"EXTRA_KEY\"]\n";

pub fn reports() -> Vec<Report> {
    let mut all = application();
    all.extend(refused());
    all.extend(configuration_file());
    all
}

fn application() -> Vec<Report> {
    vec![
        broken(
            "server-run-at-import",
            || {
                let run = "from flask import Flask\n\napp = Flask(__name__)\n\n\
                           app.run(host=\"127.0.0.1\", port=5000)\n";
                in_releases(deployment(), "wsgi.py", run)
            },
            vec![error(&["G231"], &["app.run"])],
        ),
        broken(
            "asgi-application-with-gevent",
            || fastapi("gevent", &["gevent"]),
            vec![error(&["G229"], &["main:app"])],
        ),
        broken(
            "uvicorn-not-installed",
            || fastapi("uvicorn.workers.UvicornWorker", &[]),
            vec![error(&["G208"], &["uvicorn"])],
        )
        .unpassed(&[Item::Dependencies]),
        broken(
            "python-upgraded-under-the-venv",
            python_upgraded,
            vec![error(&["G228", "R712"], &["3.12"])],
        )
        .unpassed(&[Item::Dependencies]),
        risky(
            "reuse-port-with-a-unix-socket",
            || with_option("--reuse-port"),
            vec![warning(&["G232"], &["reuse"])],
        ),
        broken(
            "gevent-without-packaging",
            gevent_without_packaging,
            vec![error(&["G208"], &["packaging"])],
        ),
        broken("two-units-on-one-port", two_units, vec![error(&["G225"], &["8000"])]),
        broken(
            "log-file-not-writable",
            || with_option("--log-file /var/log/myapp.log"),
            vec![error(&["G230"], &["/var/log/myapp.log"])],
        ),
        broken(
            "user-without-root",
            || with_option("--user deploy --group www-data"),
            vec![error(&["G220"], &["deploy"])],
        ),
    ]
}

fn refused() -> Vec<Report> {
    vec![
        broken(
            "bind-is-a-port-alone",
            || {
                newest(BIND, "    --bind 8000 \\\n").replace(
                    SITE,
                    "unix:/run/myapp/gunicorn.sock",
                    "127.0.0.1:8000",
                )
            },
            vec![error(&["G234"], &["0.0.31.64"])],
        ),
        broken("group-missing", || file("group = \"nginx\"\n"), vec![error(&["G209"], &["nginx"])]),
        broken(
            "workers-not-a-number",
            || newest("--workers 3", "--workers abc"),
            vec![error(&["G209"], &["abc"])],
        ),
        broken(
            "no-application",
            || newest("    wsgi:app\n", "    --timeout 30\n"),
            vec![error(&["G209"], &["application"])],
        ),
        broken(
            "option-misspelt",
            || newest(WORKERS, "    --workers 3 \\\n    --grace-timeout 60 \\\n"),
            vec![error(&["G209"], &["--grace-timeout"])],
        ),
        broken(
            "option-for-workers-misspelt",
            || newest("--workers 3", "--wrokers 3"),
            vec![error(&["G209"], &["--wrokers"])],
        )
        .never(&["G201"]),
        broken(
            "proxy-protocol-takes-the-application",
            || newest("    wsgi:app\n", "    --proxy-protocol wsgi:app\n"),
            vec![error(&["G209"], &["--proxy-protocol"])],
        ),
    ]
}

fn configuration_file() -> Vec<Report> {
    vec![
        broken(
            "environment-that-is-no-setting",
            env_not_raw_env,
            vec![
                error(&["E410"], &["SECRET_KEY", "raw_env"])
                    .at("/srv/myapp/current/gunicorn_config.py", "env"),
                warning(&["G209"], &["env"]),
            ],
        )
        .unsaid(&["set nowhere"]),
        broken(
            "configuration-file-missing",
            || newest(WORKERS, "    --workers 3 \\\n    -c /srv/myapp/current/nofile.py \\\n"),
            vec![error(&["G212"], &["nofile.py"])],
        ),
        broken(
            "configuration-file-syntax",
            || file("workers = 3\ntimeout = = 30\n"),
            // gunicorn looks for it in getcwd(), which is the release and not the link.
            vec![
                error(&["G212"], &["SyntaxError"])
                    .at("/srv/myapp/releases/2026-04-21/gunicorn.conf.py", "timeout"),
            ],
        ),
        broken(
            "configuration-file-key-error",
            || {
                newest(WORKERS, "").in_release(
                    "gunicorn.conf.py",
                    "import os\n\nworkers = os.environ[\"GUNICORN_WORKERS\"]\n",
                )
            },
            vec![error(&["G212"], &["GUNICORN_WORKERS"])],
        )
        .never(&["G201"]),
        silent("dotenv-workers", || {
            dotenv("workers = int(os.getenv(\"WORKERS\", \"1\"))\n", WORKERS)
        })
        .or_unknown()
        .never(&["G201"]),
        silent("dotenv-bind", || dotenv("bind = os.getenv(\"BIND\", \"127.0.0.1:8000\")\n", BIND))
            .or_unknown()
            .never(&["N301"]),
        silent("dotenv-all", || {
            let case = dotenv(
                "workers = int(os.getenv(\"WORKERS\"))\nbind = os.getenv(\"BIND\")\n\
                 forwarded_allow_ips = \"*\"\n",
                BIND,
            );
            case.replace(UNIT, WORKERS, "")
        })
        .or_unknown()
        .never(&["G201", "N301"]),
        silent("dotenv-for-the-application", || in_releases(dotenv("", ""), "wsgi.py", KEY))
            .or_unknown()
            .never(&["E410"]),
        silent("environ-for-the-application", || {
            let case = file("import os\n\nos.environ[\"EXTRA_KEY\"] = \"1\"\n");
            in_releases(case, "wsgi.py", KEY)
        })
        .or_unknown()
        .never(&["E410"]),
        broken(
            "environ-update",
            || {
                newest(WORKERS, "").in_release(
                    "gunicorn.conf.py",
                    "import os\n\nos.environ.update(WORKERS=\"1\")\n\
                     workers = int(os.environ.get(\"WORKERS\", 4))\n",
                )
            },
            vec![error(&["G201"], &["1 worker"])],
        )
        .unsaid(&["4 workers"]),
        broken(
            "bind-from-the-files-own-path",
            bind_from_file,
            vec![error(&["N301"], &["/home/deploy/shop/shop.sock"])],
        ),
    ]
}

/// The newest gunicorn that was looked at, with a piece of its command line replaced.
fn newest(from: &str, to: &str) -> Case {
    gunicorn_version(deployment(), "27.0.1").replace(UNIT, from, to)
}

/// The same with this as `gunicorn.conf.py` of the release, which gunicorn reads unasked.
fn file(text: &str) -> Case {
    gunicorn_version(deployment(), "27.0.1").in_release("gunicorn.conf.py", text)
}

fn with_option(option: &str) -> Case {
    with_unit(WORKERS, &format!("{WORKERS}    {option} \\\n"))
}

/// A configuration file that loads `.env` of the release, and a command line without this option.
fn dotenv(text: &str, option: &str) -> Case {
    let configuration =
        format!("import os\nfrom dotenv import load_dotenv\n\nload_dotenv()\n{text}");
    let case = package(file(&configuration), "python-dotenv", "1.2.1")
        .file(&format!("{}/dotenv/__init__.py", super::PACKAGES), "def load_dotenv(): ...\n")
        .in_release(".env", "WORKERS=4\nBIND=unix:/run/myapp/gunicorn.sock\nEXTRA_KEY=1\n");
    case.replace(UNIT, option, "")
}

fn fastapi(class: &str, packages: &[&str]) -> Case {
    let case =
        with_option(&format!("--worker-class {class}")).replace(UNIT, "wsgi:app", "main:app");
    let mut case = without(in_releases(case, "main.py", FASTAPI), "wsgi.py");
    let mut asked = "fastapi\ngunicorn==24.1.1\n".to_owned();
    for (name, version) in [("fastapi", "0.110.0"), ("starlette", "0.36.3")] {
        case = package(case, name, version);
    }
    for name in packages {
        case = package(case, name, "24.2.1");
        asked += name;
        asked += "\n";
    }
    in_releases(case, "requirements.txt", &asked)
}

fn python_upgraded() -> Case {
    program(deployment().remove("/usr/bin/python3.11"), "/usr/bin/python3.12")
        .link("/usr/bin/python3", "python3.12")
}

fn gevent_without_packaging() -> Case {
    let case = newest(WORKERS, "    --workers 3 \\\n    --worker-class gevent \\\n");
    package(case, "gevent", "26.9.0")
        .remove(&format!("{}/packaging", super::PACKAGES))
        .remove(&format!("{}/packaging-24.1.dist-info", super::PACKAGES))
}

fn two_units() -> Case {
    let case = with_unit("unix:/run/myapp/gunicorn.sock", "127.0.0.1:8000").replace(
        SITE,
        "unix:/run/myapp/gunicorn.sock",
        "127.0.0.1:8000",
    );
    let other = case.text(UNIT).replace("RuntimeDirectory=myapp", "RuntimeDirectory=old-shop");
    case.file("/etc/systemd/system/old-shop.service", other).link(
        "/etc/systemd/system/multi-user.target.wants/old-shop.service",
        "/etc/systemd/system/old-shop.service",
    )
}

fn env_not_raw_env() -> Case {
    let text = "bind = \"unix:/run/myapp/gunicorn.sock\"\nworkers = 3\nenv = {\n    \
                \"SECRET_KEY\": \"9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\",\n}\n";
    let case = with_unit(BIND, "    --config /srv/myapp/current/gunicorn_config.py \\\n").replace(
        UNIT,
        "EnvironmentFile=/etc/myapp.env\n",
        "Environment=DATABASE_URL=sqlite://\n",
    );
    in_releases(case, "gunicorn_config.py", text)
}

fn bind_from_file() -> Case {
    let text = "import os\nfrom pathlib import Path\n\n\
                BASE_DIR = Path(__file__).resolve().parent\n\
                bind = f'unix:{os.getenv(\"GUNICORN_SOCKET\", str(BASE_DIR / \"shop.sock\"))}'\n\
                workers = 3\n";
    with_unit(BIND, "    --config /srv/myapp/current/gunicorn.conf.py \\\n")
        .in_release("gunicorn.conf.py", text)
        .own(RELEASES[1], 0o755, 33, 33)
        .replace(SITE, "unix:/run/myapp/gunicorn.sock", "unix:/home/deploy/shop/shop.sock")
}
