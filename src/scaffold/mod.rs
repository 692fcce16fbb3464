//! The files of a new deployment: unit, nginx site, environment template and a README of the
//! release layout, as text. Each choice in them is what the rules and the measurements say is
//! right; `tests/suite/init.rs` checks them with the rules, `tests/living/init_real.rs` on a real
//! host.
//!
//! This layer knows nothing of the others: values in, text out.

mod template;
mod value;

pub use value::Refused;

use template::fill;

/// What is asked for, as typed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `MODULE:ATTR`, what gunicorn imports.
    pub app: &'a str,
    /// The unit's name, without `.service`.
    pub name: &'a str,
    /// The site's host name, or `_` for every request that no other site takes.
    pub domain: Option<&'a str>,
    /// The user that gunicorn runs as.
    pub user: Option<&'a str>,
    /// Where releases are.
    pub dir: Option<&'a str>,
    /// Whether systemd holds the socket.
    pub socket_activation: bool,
}

/// A deployment whose every value is harmless in a unit, in nginx's configuration and in a shell.
#[derive(Debug, Clone)]
pub struct Deployment {
    app: String,
    name: String,
    domain: String,
    /// Whether the domain was chosen here.
    local: bool,
    user: String,
    dir: String,
    activated: bool,
}

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name; all are in one directory.
    pub name: String,
    /// Its permission bits.
    pub mode: u32,
    /// Its content.
    pub text: String,
}

impl Deployment {
    /// Checks what is asked for, and chooses what is not.
    pub fn new(request: Request) -> Result<Self, Refused> {
        let app = value::app(request.app)?;
        let name = value::name(request.name)?;
        let domain = request.domain.map(value::domain).transpose()?;
        Ok(Self {
            app,
            local: domain.is_none(),
            // Browsers and curl take every name below localhost to this host (RFC 6761), and no
            // other site loses a request to it, as it would to a default server.
            domain: domain
                .unwrap_or_else(|| format!("{}.localhost", name.replace('_', "-").to_lowercase())),
            user: value::user(request.user.unwrap_or("www-data"))?,
            dir: value::dir(request.dir.unwrap_or(&format!("/srv/{name}")))?,
            activated: request.socket_activation,
            name,
        })
    }

    /// All files, in the order in which they are installed; the README comes last.
    pub fn files(&self) -> Vec<File> {
        let file = |suffix: &str, mode, template| File {
            name: format!("{}.{suffix}", self.name),
            mode,
            text: self.text(template),
        };
        let mut files = vec![file("service", 0o644, include_str!("templates/service"))];
        if self.activated {
            files.push(file("socket", 0o644, include_str!("templates/socket")));
        }
        files.push(file("nginx.conf", 0o644, include_str!("templates/nginx")));
        files.push(file("env", 0o640, include_str!("templates/env")));
        files.push(File {
            name: "README.md".into(),
            mode: 0o644,
            text: self.text(include_str!("templates/readme.md")),
        });
        files
    }

    /// The commands that check and install the files, to be typed in their directory.
    pub fn install(&self) -> String {
        self.text(include_str!("templates/install"))
    }

    fn text(&self, template: &str) -> String {
        let with_install = if template.contains("{{install}}") {
            template.replace("{{install}}", include_str!("templates/install"))
        } else {
            template.to_owned()
        };
        let name = &self.name;
        let socket = if self.activated {
            // Not in a RuntimeDirectory=, which would go, with the socket, when gunicorn stops.
            format!("/run/{name}.sock")
        } else {
            format!("/run/{name}/gunicorn.sock")
        };
        let (units, started) = if self.activated {
            (
                format!("--unit {name}.service --unit {name}.socket"),
                format!("{name}.socket {name}.service"),
            )
        } else {
            (format!("--unit {name}.service"), name.clone())
        };
        let default = if self.domain == "_" { " default_server" } else { "" };
        let values = [
            ("app", self.app.as_str()),
            ("name", name),
            ("domain", &self.domain),
            ("user", &self.user),
            ("dir", &self.dir),
            ("socket", &socket),
            ("static", &self.static_folder()),
            ("default", default),
            ("units", &units),
            ("started", &started),
            ("visit", &self.visit()),
            ("tls", &self.tls()),
        ];
        let flags = [
            ("activated", self.activated),
            ("own", !self.activated),
            // Debian's www-data has a group of that name; of other users only they know.
            ("group", self.user == "www-data"),
            ("account", self.user != "www-data"),
            ("home", !self.dir.starts_with("/home/")),
            ("all", self.domain == "_"),
        ];
        fill(&with_install, &values, &flags)
    }

    /// Where `Flask(__name__)` looks for static files: next to the module that makes it.
    fn static_folder(&self) -> String {
        let module = self.app.split(':').next().unwrap_or_default();
        match module.rsplit_once('.') {
            Some((package, _)) => format!("{}/static", package.replace('.', "/")),
            None => "static".into(),
        }
    }

    fn visit(&self) -> String {
        let domain = &self.domain;
        if self.local {
            format!(
                "No domain was given, so the site answers to `http://{domain}/`, on the host itself:\n\
                 `curl http://{domain}/`. With `--domain` it answers to its own name, with `--domain _`\n\
                 to every request that no other site takes."
            )
        } else if domain == "_" {
            "The site answers to every request that no other site takes: `curl http://127.0.0.1/`."
                .into()
        } else {
            format!("Then `curl -H 'Host: {domain}' http://127.0.0.1/` answers.")
        }
    }

    fn tls(&self) -> String {
        if self.local || self.domain == "_" {
            "A certificate needs a domain: `deploy-doctor init --domain`.".into()
        } else {
            format!(
                "`certbot --nginx -d {}` adds the certificate and the redirection to the installed site.",
                self.domain
            )
        }
    }
}
