//! Deployments as careful people write them: every legal choice of listener, unit, settings,
//! installer, framework and version, put together by a seed.

#![allow(dead_code)] // each test binary uses a part of it

use super::case::Case;
use super::certificate::{Wanted, make};
use super::generate::Generator;

const SITE_PACKAGES: &str = "/srv/myapp/.venv/lib/python3.11/site-packages";
const RELEASES: [&str; 2] = ["2026-04-14", "2026-04-21"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    Unix,
    Tcp,
    Activated,
    ActivatedTcp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    CommandLine,
    File,
    Environment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installer {
    Pip,
    Uv,
    Poetry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    Flask,
    Django,
    FastApi,
}

/// One deployment's choices.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub listener: Listener,
    pub notify: bool,
    pub template: bool,
    pub written: Written,
    pub installer: Installer,
    pub framework: Framework,
    pub gunicorn: &'static str,
    pub systemd: Option<u32>,
    pub nginx: &'static str,
    pub tls: bool,
}

impl Shape {
    /// A choice for each number.
    pub fn new(number: usize) -> Self {
        use Framework::{Django, FastApi, Flask};
        use Installer::{Pip, Poetry, Uv};
        use Listener::{Activated, ActivatedTcp, Tcp, Unix};
        fn one<T: Copy>(dice: &mut Generator, values: &[T]) -> T {
            values[dice.below(values.len())]
        }
        let mut dice = Generator::new(number as u64 + 1);
        let dice = &mut dice;
        Self {
            listener: one(dice, &[Unix, Tcp, Activated, ActivatedTcp]),
            notify: !dice.once_in(3),
            template: dice.once_in(3),
            written: one(dice, &[Written::CommandLine, Written::File, Written::Environment]),
            installer: one(dice, &[Pip, Uv, Poetry]),
            framework: one(dice, &[Flask, Django, FastApi]),
            gunicorn: one(dice, &["20.1.0", "21.2.0", "22.0.0", "23.0.0", "26.2.0", "27.0.1"]),
            systemd: one(dice, &[Some(252), Some(257), Some(262), None]),
            nginx: one(dice, &["1.22.1", "1.26.3", "1.30.6"]),
            tls: dice.once_in(2),
        }
    }

    /// The unit's file.
    pub fn unit_path(&self) -> &'static str {
        match self.template {
            true => "/etc/systemd/system/web@.service",
            false => "/etc/systemd/system/myapp.service",
        }
    }

    /// The unit's name.
    pub fn unit_name(&self) -> &'static str {
        if self.template { "web@myapp.service" } else { "myapp.service" }
    }

    fn socket(&self) -> &'static str {
        match self.listener {
            Listener::Unix => "unix:/run/myapp/gunicorn.sock",
            Listener::Activated => "unix:/run/myapp.sock",
            Listener::Tcp | Listener::ActivatedTcp => "127.0.0.1:8000",
        }
    }

    /// Does systemd hold the socket?
    pub fn is_activated(&self) -> bool {
        matches!(self.listener, Listener::Activated | Listener::ActivatedTcp)
    }

    fn app(&self) -> &'static str {
        match self.framework {
            Framework::Flask => "wsgi:app",
            Framework::Django => "shop.wsgi:application",
            Framework::FastApi => "main:app",
        }
    }

    /// gunicorn's settings: name, value.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("workers", "3".to_owned())];
        if !self.is_activated() {
            settings.push(("bind", self.socket().to_owned()));
        }
        settings.push(("chdir", "/srv/myapp/current".to_owned()));
        if self.framework == Framework::FastApi {
            settings.push(("worker_class", "uvicorn_worker.UvicornWorker".to_owned()));
        }
        settings
    }

    fn options(&self) -> String {
        let option =
            |(name, value): &(&str, String)| format!("--{} {value}", name.replace('_', "-"));
        self.settings().iter().map(option).collect::<Vec<_>>().join(" ")
    }

    fn unit(&self) -> String {
        let instance = |text: &str| match self.template {
            true => text.replace("myapp", "%i"),
            false => text.to_owned(),
        };
        let mut lines = vec!["[Unit]".to_owned(), "Description=The shop".to_owned()];
        if self.is_activated() {
            let socket = self.unit_name().replace(".service", ".socket");
            let socket = if self.template { "web@%i.socket".to_owned() } else { socket };
            lines.push(format!("Requires={socket}"));
            lines.push(format!("After=network.target {socket}"));
        } else {
            lines.push("After=network.target".to_owned());
        }
        lines.extend(["", "[Service]"].map(str::to_owned));
        match self.notify {
            true => lines.extend(["Type=notify", "NotifyAccess=main"].map(str::to_owned)),
            false => lines.push("Type=exec".to_owned()),
        }
        lines.extend(["User=www-data", "Group=www-data"].map(str::to_owned));
        if self.listener == Listener::Unix {
            lines.push(instance("RuntimeDirectory=myapp"));
        }
        lines.push(instance("WorkingDirectory=/srv/myapp/current"));
        lines.push(instance("EnvironmentFile=/etc/myapp.env"));
        let program = instance("/srv/myapp/.venv/bin/gunicorn");
        let app = self.app();
        lines.push(match self.written {
            Written::CommandLine => {
                format!("ExecStart={program} \\\n    {} \\\n    {app}", instance(&self.options()))
            }
            Written::File => format!("ExecStart={program} -c /etc/myapp.conf.py {app}"),
            Written::Environment => format!("ExecStart={program} {app}"),
        });
        lines.extend(
            [
                "ExecReload=/bin/kill -s HUP $MAINPID",
                "KillMode=mixed",
                "TimeoutStopSec=40",
                "Restart=always",
                "RestartSec=3",
                "",
                "[Install]",
                "WantedBy=multi-user.target",
                "",
            ]
            .map(str::to_owned),
        );
        lines.join("\n")
    }

    fn environment(&self) -> String {
        let mut text = "SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\n\
                        DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db\n"
            .to_owned();
        if self.written == Written::Environment {
            text += &format!("GUNICORN_CMD_ARGS={}\n", self.options());
        }
        text
    }

    fn configuration(&self) -> String {
        let setting = |(name, value): &(&str, String)| match value.parse::<u32>() {
            Ok(number) => format!("{name} = {number}\n"),
            Err(_) => format!("{name} = \"{value}\"\n"),
        };
        self.settings().iter().map(setting).collect()
    }

    fn site(&self) -> String {
        let upstream = self.socket();
        let listens = match self.tls {
            true => {
                "    listen 443 ssl default_server;\n    ssl_certificate /etc/ssl/site/fullchain.pem;\n    \
                 ssl_certificate_key /etc/ssl/site/privkey.pem;\n"
            }
            false => "    listen 80 default_server;\n",
        };
        let redirect = match self.tls {
            true => {
                "server {\n    listen 80 default_server;\n    server_name example.com;\n    return 301 \
                 https://$host$request_uri;\n}\n\n"
            }
            false => "",
        };
        format!(
            "upstream myapp {{\n    server {upstream} fail_timeout=0;\n}}\n\n{redirect}server {{\n{listens}    \
             server_name example.com;\n\n    location /static/ {{\n        alias \
             /srv/myapp/current/static/;\n    }}\n\n    location / {{\n        proxy_pass http://myapp;\n        \
             proxy_read_timeout 75s;\n        proxy_set_header Host $host;\n        proxy_set_header \
             X-Real-IP $remote_addr;\n        proxy_set_header X-Forwarded-For \
             $proxy_add_x_forwarded_for;\n        proxy_set_header X-Forwarded-Proto $scheme;\n    }}\n}}\n"
        )
    }

    fn code(&self, mut case: Case) -> Case {
        for release in RELEASES {
            let at = |file: &str| format!("/srv/myapp/releases/{release}/{file}");
            case = match self.framework {
                Framework::Flask => case,
                Framework::FastApi => case.remove(&at("wsgi.py")).file(
                    &at("main.py"),
                    "import os\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\nKEY = \
                     os.environ[\"SECRET_KEY\"]\n\n\n@app.get(\"/\")\ndef index():\n    return {}\n",
                ),
                Framework::Django => case
                    .remove(&at("wsgi.py"))
                    .file(&at("shop/__init__.py"), "")
                    .file(&at("shop/urls.py"), "urlpatterns = []\n")
                    .file(
                        &at("shop/settings.py"),
                        "import os\nfrom pathlib import Path\n\nBASE_DIR = \
                         Path(__file__).resolve().parent.parent\nSECRET_KEY = \
                         os.environ[\"SECRET_KEY\"]\nDEBUG = False\nALLOWED_HOSTS = \
                         [\"example.com\"]\nROOT_URLCONF = \"shop.urls\"\nINSTALLED_APPS = \
                         [\"django.contrib.staticfiles\"]\nSTATIC_URL = \"/static/\"\nSTATIC_ROOT = \
                         BASE_DIR / \"static\"\n",
                    )
                    .file(
                        &at("shop/wsgi.py"),
                        "import os\n\nfrom django.core.wsgi import \
                         get_wsgi_application\n\nos.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", \
                         \"shop.settings\")\napplication = get_wsgi_application()\n",
                    ),
            };
            let (name, version) = self.package();
            let mut wanted =
                vec![format!("{name}=={version}"), format!("gunicorn=={}", self.gunicorn)];
            if self.framework == Framework::FastApi {
                wanted.push("uvicorn-worker==0.3.0".into());
            }
            case = match self.installer {
                Installer::Pip => case.file(&at("requirements.txt"), wanted.join("\n") + "\n"),
                Installer::Uv => {
                    let listed: Vec<String> =
                        wanted.iter().map(|one| format!("\"{one}\"")).collect();
                    case.remove(&at("requirements.txt")).file(
                        &at("pyproject.toml"),
                        format!(
                            "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \
                             \">=3.11\"\ndependencies = [{}]\n",
                            listed.join(", ")
                        ),
                    )
                }
                Installer::Poetry => {
                    let listed: Vec<String> =
                        wanted.iter().map(|one| one.replace("==", " = \"") + "\"\n").collect();
                    case.remove(&at("requirements.txt")).file(
                        &at("pyproject.toml"),
                        format!(
                            "[tool.poetry]\nname = \"shop\"\nversion = \
                             \"1\"\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = \"^3.11\"\n{}",
                            listed.concat()
                        ),
                    )
                }
            };
        }
        case
    }

    fn package(&self) -> (&'static str, &'static str) {
        match self.framework {
            Framework::Flask => ("Flask", "3.0.3"),
            Framework::Django => ("Django", "5.0.4"),
            Framework::FastApi => ("fastapi", "0.110.2"),
        }
    }

    fn packages(&self, mut case: Case) -> Case {
        let mut add = |name: &str, version: &str, module: &str| {
            let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
            let path = format!("{SITE_PACKAGES}/{name}-{version}.dist-info/METADATA");
            case.host.file(path, metadata);
            case.host.file(format!("{SITE_PACKAGES}/{module}/__init__.py"), "# stand-in\n");
        };
        match self.framework {
            Framework::Flask => {}
            Framework::Django => {
                add("Django", "5.0.4", "django");
            }
            Framework::FastApi => {
                add("fastapi", "0.110.2", "fastapi");
                add("uvicorn", "0.29.0", "uvicorn");
                add("uvicorn_worker", "0.3.0", "uvicorn_worker");
            }
        }
        if self.gunicorn == "20.1.0" {
            add("setuptools", "66.1.1", "setuptools");
            add("pkg_resources_stub", "1", "pkg_resources");
        }
        if self.framework == Framework::Django {
            for module in ["core", "contrib", "contrib/staticfiles"] {
                case.host.file(format!("{SITE_PACKAGES}/django/{module}/__init__.py"), "");
            }
            case.host.file(format!("{SITE_PACKAGES}/django/core/wsgi.py"), "");
        }
        let metadata =
            format!("Metadata-Version: 2.1\nName: gunicorn\nVersion: {}\n", self.gunicorn);
        let path = format!("{SITE_PACKAGES}/gunicorn-{}.dist-info/METADATA", self.gunicorn);
        case.host.remove(format!("{SITE_PACKAGES}/gunicorn-23.0.0.dist-info"));
        case.host.file(path, metadata);
        case
    }

    /// The deployment.
    pub fn case(&self) -> Case {
        let mut case = Case::healthy();
        case = self.packages(self.code(case));
        if self.template || self.is_activated() {
            case = case
                .remove("/etc/systemd/system/myapp.service")
                .remove("/etc/systemd/system/multi-user.target.wants/myapp.service");
        }
        case = case.file(self.unit_path(), self.unit()).file("/etc/myapp.env", self.environment());
        case = case.own("/etc/myapp.env", 0o640, 0, 0);
        let wants = format!("/etc/systemd/system/multi-user.target.wants/{}", self.unit_name());
        case = case.link(&wants, self.unit_path());
        if self.is_activated() {
            let path = self.unit_path().replace(".service", ".socket");
            let (listen, owner) = match self.listener {
                Listener::Activated => (
                    "/run/myapp.sock",
                    "SocketUser=www-data\nSocketGroup=www-data\nSocketMode=0660\n",
                ),
                _ => ("127.0.0.1:8000", ""),
            };
            let text = format!(
                "[Unit]\nDescription=The shop's socket\n\n[Socket]\nListenStream={listen}\n{owner}\n[Install]\n\
                 WantedBy=sockets.target\n"
            );
            let name = self.unit_name().replace(".service", ".socket");
            case = case
                .file(&path, text)
                .link(&format!("/etc/systemd/system/sockets.target.wants/{name}"), &path);
        }
        if self.written == Written::File {
            case = case.file("/etc/myapp.conf.py", self.configuration());
        }
        if let Some(version) = self.systemd {
            let library =
                format!("/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-{version}.so");
            case = case.file(&library, "");
        }
        for unit in ["basic.target", "network.target", "multi-user.target", "sockets.target"] {
            case = case.file(&format!("/usr/lib/systemd/system/{unit}"), "[Unit]\n");
        }
        let status =
            format!("Package: nginx\nStatus: install ok installed\nVersion: {}-2\n\n", self.nginx);
        case = case.file("/var/lib/dpkg/status", status);
        if self.tls {
            let wanted = Wanted { names: vec!["example.com"], ..Wanted::default() };
            let (chain, key) = make(&wanted);
            case = case
                .file("/etc/ssl/site/fullchain.pem", chain)
                .file("/etc/ssl/site/privkey.pem", key)
                .own("/etc/ssl/site/privkey.pem", 0o600, 0, 0);
        }
        case.file("/etc/nginx/sites-available/myapp", self.site())
    }
}
