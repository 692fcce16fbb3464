//! The definition of a rule: its documentation and its check in one static, and its findings.

mod docs;
mod edit;
mod finding;
pub mod follow;
mod hand;
#[macro_use]
mod macros;
pub mod prelude;
mod sink;

pub use docs::{Example, ExampleKind, address, examples, page, paragraphs, summary};
pub use edit::{Edit, Value};
pub use finding::{Evidence, EvidenceKind, Finding, Fix, Label, Safety, Uncovers};
pub use hand::Hand;
pub use sink::{Draft, Sink, Skip};

use serde::Serialize;

use crate::facts::{App, Deployment, Passing, Why};

/// The severity of a finding.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Does harm under load, later, or on the next change.
    Warning,
    /// Loses requests, serves old code or takes the site down.
    Error,
}

impl Severity {
    /// The word used in every output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The severity with this word.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Error, Self::Warning, Self::Info].into_iter().find(|one| one.word() == word)
    }
}

/// What a finding does to the people who use the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// The whole site is down.
    Outage,
    /// nginx answers 502 or 504.
    BadGateway,
    /// Requests in flight are lost.
    DroppedRequests,
    /// Old code, old packages or old settings remain in use.
    StaleRelease,
    /// Responses take longer.
    Slow,
    /// Somebody can read or reach what they should not.
    Exposure,
    /// Nothing yet, but the next fault becomes likelier.
    Hygiene,
}

impl Impact {
    /// The word used in every output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::BadGateway => "bad-gateway",
            Self::DroppedRequests => "dropped-requests",
            Self::StaleRelease => "stale-release",
            Self::Slow => "slow",
            Self::Exposure => "exposure",
            Self::Hygiene => "hygiene",
        }
    }

    /// Whether a reload with this impact loses requests, serves old code or takes the site down.
    pub fn breaks_reload(self) -> bool {
        matches!(self, Self::Outage | Self::BadGateway | Self::DroppedRequests | Self::StaleRelease)
    }
}

/// The items of the zero-downtime checklist, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// `systemctl reload` reaches gunicorn and is graceful.
    ExecReload,
    /// A second worker serves while the first is replaced.
    MultipleWorkers,
    /// nginx's upstream stays the same during a reload and bridges a short gap.
    UpstreamStable,
    /// What the application requires is installed.
    Dependencies,
    /// The database fits the code.
    Migrations,
    /// The environment arrives as intended.
    Environment,
    /// A reload follows the release link.
    ReleasePath,
    /// Static files belong to the release that is served.
    StaticAssets,
    /// The new code can be imported.
    CodeBoots,
    /// The last reload succeeded, and the next one can succeed.
    ReloadSucceeds,
    /// All workers belong to the new generation.
    WorkersReplaced,
    /// nginx reaches gunicorn.
    #[serde(rename = "no-502")]
    No502,
    /// The intended release is the one that answers.
    ReleaseServes,
    /// The logs mention no fault since the last start. Only for rules that read logs: files alone
    /// cannot show this.
    CleanLogs,
    /// There is a release to roll back to.
    RollbackPath,
}

impl Item {
    /// Every item in order.
    pub const ALL: [Self; 15] = [
        Self::ExecReload,
        Self::MultipleWorkers,
        Self::UpstreamStable,
        Self::Dependencies,
        Self::Migrations,
        Self::Environment,
        Self::ReleasePath,
        Self::StaticAssets,
        Self::CodeBoots,
        Self::ReloadSucceeds,
        Self::WorkersReplaced,
        Self::No502,
        Self::ReleaseServes,
        Self::CleanLogs,
        Self::RollbackPath,
    ];

    /// The question that the item answers, in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::ExecReload => "systemctl reload reaches gunicorn",
            Self::MultipleWorkers => "another worker serves on reload",
            Self::UpstreamStable => "nginx's upstream bridges the reload",
            Self::Dependencies => "requirements are installed",
            Self::Migrations => "database and code match",
            Self::Environment => "variables arrive as intended",
            Self::ReleasePath => "a reload follows the release link",
            Self::StaticAssets => "static files belong to the release",
            Self::CodeBoots => "the new code can start",
            Self::ReloadSucceeds => "the reload itself can succeed",
            Self::WorkersReplaced => "all old workers go away",
            Self::No502 => "nginx reaches gunicorn",
            Self::ReleaseServes => "the intended release is served",
            Self::CleanLogs => "the logs are clean",
            Self::RollbackPath => "there is a release to go back to",
        }
    }
}

/// The hops of a request, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hop {
    /// The server and location that the request meets.
    Nginx,
    /// The `upstream` or the address that the request is passed to.
    Upstream,
    /// The socket between the two.
    Socket,
    /// gunicorn's master, and the unit that starts it.
    Master,
    /// gunicorn's workers.
    Workers,
    /// The code.
    Release,
}

/// What a rule examines.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// Runs once for each application.
    App(fn(&App, &mut Sink) -> Result<(), Why>),
    /// Runs once for each application as nginx meets it: see [`Passing`].
    Passing(fn(&Passing, &mut Sink) -> Result<(), Why>),
    /// Runs once for the whole host.
    Host(fn(&Deployment, &mut Sink) -> Result<(), Why>),
}

/// One rule, declared by [`rule!`](crate::rule!) in its own file under `rules/`.
#[derive(Debug)]
pub struct Rule {
    /// `U101`.
    pub code: &'static str,
    /// `exec-reload-missing`.
    pub name: &'static str,
    /// The severity, unless the finding or the user changes it.
    pub severity: Severity,
    /// What the fault does to the people who use the site.
    pub impact: Impact,
    /// How its fix may be applied; `None` if the rule has no fix.
    pub fix: Option<Safety>,
    /// The item of the checklist that it decides.
    pub item: Item,
    /// The hop of the request's path that it breaks.
    pub hop: Hop,
    /// The first version of this program that has the rule.
    pub since: &'static str,
    /// The documentation in Markdown; each line starts with one space.
    pub docs: &'static str,
    /// The check itself.
    pub check: Check,
}

impl Rule {
    /// `unit`, `gunicorn`, `nginx`, `environment`, `processes`, `sockets`, `release` or `logs`.
    pub fn area(&self) -> &'static str {
        match self.code.as_bytes().first() {
            Some(b'U') => "unit",
            Some(b'G') => "gunicorn",
            Some(b'N') => "nginx",
            Some(b'E') => "environment",
            Some(b'P') => "processes",
            Some(b'S') => "sockets",
            Some(b'R') => "release",
            _ => "logs",
        }
    }

    /// The address of its page; `None` if the package names neither repository nor homepage.
    pub fn url(&self) -> Option<String> {
        address(env!("CARGO_PKG_REPOSITORY"), env!("CARGO_PKG_HOMEPAGE"), &self.page())
    }

    /// The path of its page in the repository.
    pub fn page(&self) -> String {
        format!("docs/rules/{}.md", self.code)
    }
}
