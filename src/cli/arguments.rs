//! The options of the command line. Their doc comments are the help texts.

mod capture;
mod config;
mod known;
mod nagios;
mod probe;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::capture::Capture;
use crate::facts::{Given, Problem};
use crate::host::Unsaved;
use crate::report::Format;
use crate::repository::{Survey, Taken};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(super) use capture::CaptureArguments;
pub(super) use config::{ConfigArguments, ConfigCommand};
pub(super) use known::{BaselineArguments, BaselineCommand, KnownArguments};
pub(super) use nagios::NagiosArguments;
pub(super) use probe::{AskArguments, ProbeArguments, ProbeConnections, ProbeFormat, ProbeMethod};

/// Tells whether the next reload of a Flask + Gunicorn + Nginx + systemd site loses requests,
/// serves old code or takes it down, and why.
#[derive(Debug, Parser)]
#[command(name = "deploy-doctor", version)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read the deployment and report what breaks a zero-downtime reload
    Check(CheckArguments),
    /// Show the fixes as a unified diff; --apply makes them, checked and reversible
    Fix(FixArguments),
    /// Probe a site at a constant rate: what fails, and the longest time without a success
    Probe(ProbeArguments),
    /// Reload only if it will survive; watch it, verify it, roll it back if it fails
    Reload(ReloadArguments),
    /// Go back to the previous release, guarded in the same way
    Rollback(RollbackArguments),
    /// Write all that a check reads into one file, secrets masked: check --capture FILE replays it
    Capture(CaptureArguments),
    /// Print the model that the rules see as JSON, secrets redacted
    Facts(FactsArguments),
    /// List the rules
    Rules(RulesArguments),
    /// Explain one rule in full
    Explain(ExplainArguments),
    /// Write unit, nginx site, environment template and README of a deployment that passes every rule
    Init(InitArguments),
    /// Known findings: record them, remove those that are gone
    Baseline(BaselineArguments),
    /// The settings file: write one, check it, print its schema
    Config(ConfigArguments),
    /// The check as a monitoring plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    Nagios(NagiosArguments),
    /// Serve an editor: findings as you type, quick fixes, explain on hover
    ///
    /// An editor starts it and speaks the Language Server Protocol with it. It shows what `check .`
    /// finds in each folder of the workspace, in the texts as they are in the editor, saved or not.
    /// To set up an editor see integrations/editors/README.md; for Neovim 0.11 and later it is
    /// vim.lsp.config('deploy_doctor', { cmd = { 'deploy-doctor', 'lsp' }, root_markers = { '.git' } })
    /// and vim.lsp.enable('deploy_doctor').
    Lsp(LspArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
    /// Print the manual, to be read with `man -l -`
    Man(ManArguments),
}

/// Where to read; the default is this host.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct WhereArguments {
    /// Units to check, with or without .service; none: every unit that runs gunicorn. A directory
    /// is a repository, whose deployment is found by itself (check .)
    #[arg(value_name = "APP", value_parser = app)]
    pub apps: Vec<String>,
    /// What was found in the repositories among them, which are no units.
    #[arg(skip)]
    pub found: Option<Found>,
    /// Read a file tree (an image, a container's root) instead of this host
    #[arg(long, value_name = "DIR", conflicts_with_all = FILES)]
    pub root: Option<PathBuf>,
    /// Read a unit file of a repository
    #[arg(long, value_name = "FILE")]
    pub unit: Vec<PathBuf>,
    /// Read an nginx configuration, or a fragment of one
    #[arg(long, value_name = "FILE")]
    pub nginx: Vec<PathBuf>,
    /// Read an environment file instead of the unit's
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Read the application's code here
    #[arg(long, value_name = "DIR")]
    pub app_dir: Option<PathBuf>,
    /// Read gunicorn's configuration file here
    #[arg(long, value_name = "FILE")]
    pub gunicorn_conf: Option<PathBuf>,
    /// Read the application's requirements here
    #[arg(long, value_name = "FILE")]
    pub requirements: Option<PathBuf>,
    /// Read the virtual environment here
    #[arg(long, value_name = "DIR")]
    pub venv: Option<PathBuf>,
    /// Run no command (systemctl, journalctl, nginx -t)
    #[arg(long)]
    pub no_exec: bool,
    /// Read what `deploy-doctor capture` wrote, wherever that was
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["root", "no_exec", "db_revision"],
        conflicts_with_all = FILES
    )]
    pub capture: Option<PathBuf>,
    /// What is in it.
    #[arg(skip)]
    pub replayed: Option<Rc<Capture>>,
    /// The database's migration, as `flask db current` or `manage.py showmigrations --plan` prints it
    #[arg(long, value_name = "REV")]
    pub db_revision: Option<String>,
    /// The repository among the arguments.
    #[arg(skip)]
    pub repository: Option<PathBuf>,
    /// The files of each of its applications.
    #[arg(skip)]
    pub each: Vec<Given>,
    /// Those of them that the settings file leaves unsaid.
    #[arg(skip)]
    pub beside: Vec<Taken>,
    /// What the repository holds next to them.
    #[arg(skip)]
    pub unlisted: Vec<Problem>,
    /// What an editor has not written yet.
    #[arg(skip)]
    pub unsaved: Option<Rc<Unsaved>>,
}

impl WhereArguments {
    /// Does an option name a file?
    pub fn names_files(&self) -> bool {
        let single = [&self.app_dir, &self.gunicorn_conf, &self.requirements, &self.venv];
        let many = [&self.unit, &self.nginx, &self.env_file];
        many.into_iter().any(|files| !files.is_empty()) || single.into_iter().any(Option::is_some)
    }
}

/// Repositories, and what was found in them.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The directories, as they were written.
    pub directories: Vec<PathBuf>,
    /// What they hold.
    pub survey: Survey,
}

const FILES: [&str; 7] =
    ["unit", "nginx", "env_file", "app_dir", "gunicorn_conf", "requirements", "venv"];

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub place: WhereArguments,
    /// Probe this URL and each application's sockets (repeatable) [default: those of the settings,
    /// if any]
    #[arg(long, value_name = "URL", conflicts_with_all = ["root", "capture"], conflicts_with_all = FILES)]
    pub probe: Vec<String>,
    /// How long an answer may take: 5s, 500ms, or seconds [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = limit)]
    pub timeout: Option<Duration>,
    /// A text that every answer of the intended release contains, in its body or a header
    #[arg(long, value_name = "TEXT", value_parser = probe::expected)]
    pub expect_version: Option<String>,
    /// Repeat until it passes, at most this long: for use after a start
    #[arg(long, value_name = "SECONDS", value_parser = wait)]
    pub wait: Option<Duration>,
    /// Import each application as its service's user; the only option of check that executes any of
    /// it
    #[arg(
        long,
        conflicts_with_all = ["root", "no_exec", "capture"],
        conflicts_with_all = FILES
    )]
    pub preflight: bool,
    /// Treat the migrations after this revision as new if the database's own is not known
    #[arg(long, value_name = "REV", conflicts_with = "db_revision")]
    pub since: Option<String>,
    /// The output's format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[command(flatten)]
    pub judge: JudgeArguments,
    /// Exit with 1 at findings of this severity or worse [default: error]
    #[arg(long, value_enum)]
    pub fail_on: Option<FailOn>,
    /// Do not exit with 3 when something could not be read
    #[arg(long)]
    pub allow_incomplete: bool,
    /// Colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Also show what comments, the settings and known findings suppress (text, json, sarif)
    #[arg(long)]
    pub show_suppressed: bool,
    /// Only findings and the last line
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show why each skipped rule was skipped, and how long the check took
    #[arg(short, long)]
    pub verbose: bool,
}

/// By what the findings are judged, and where else they go: for a check in whatever shape.
#[derive(Debug, Args)]
pub(super) struct JudgeArguments {
    /// Also write a report to a file (repeatable)
    #[arg(long, value_name = "FORMAT=PATH")]
    pub output: Vec<String>,
    /// Run only these rules: codes, names, areas, globs
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub select: Vec<String>,
    /// Leave these rules out: codes, names, areas, globs
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Change rules' severities
    #[arg(long, value_name = "RULE=LEVEL", value_delimiter = ',')]
    pub severity: Vec<String>,
    /// Known findings, which do not count; `baseline write` creates the file
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Read the settings here [default: the nearest deploy-doctor.toml, then /etc's]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A unit or a directory. A variable of a script that is not set names none.
fn app(text: &str) -> Result<String, String> {
    let named = !text.trim().is_empty();
    named.then(|| text.to_owned()).ok_or_else(|| "it is empty: is a variable not set?".to_owned())
}

/// A length of time that is waited for.
fn wait(text: &str) -> Result<Duration, String> {
    let wait = probe::duration(text)?;
    let fits = wait <= crate::probe::settings::LONGEST_RUN;
    fits.then_some(wait).ok_or_else(|| "at most a day".to_owned())
}

/// A length of time that an answer may take.
fn limit(text: &str) -> Result<Duration, String> {
    let limit = probe::duration(text)?;
    let fits = !limit.is_zero() && limit <= crate::probe::settings::LONGEST_TIMEOUT;
    fits.then_some(limit).ok_or_else(|| "more than zero, and at most ten minutes".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct FixArguments {
    #[command(flatten)]
    pub place: WhereArguments,
    /// Fix only what these rules find: codes, names, areas, globs
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub select: Vec<String>,
    /// Leave these rules out: codes, names, areas, globs
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Read the settings here [default: the nearest deploy-doctor.toml, then /etc's]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write the changes, all or none; --undo undoes them
    #[arg(long, conflicts_with = "capture")]
    pub apply: bool,
    /// Include fixes that change behaviour beyond their finding
    #[arg(long = "unsafe")]
    pub include_unsafe: bool,
    /// Ask about each fix, then write those accepted
    #[arg(short, long, conflicts_with = "capture")]
    pub interactive: bool,
    /// Also run the commands that must follow (daemon-reload, restart, nginx's reload)
    #[arg(long, conflicts_with_all = ["root", "no_exec"], conflicts_with_all = FILES)]
    pub run_actions: bool,
    /// Change the unit's own file (the default for files of a repository)
    #[arg(long, conflicts_with = "drop_in")]
    pub in_place: bool,
    /// Change units by a drop-in (the default for a host)
    #[arg(long)]
    pub drop_in: bool,
    /// Keep the old content next to each changed file, as .FILE.orig
    #[arg(long)]
    pub backup: bool,
    /// Undo the last changes
    #[arg(long, conflicts_with_all = ["apply", "interactive", "select", "ignore", "history", "capture"])]
    pub undo: bool,
    /// List the changes made
    #[arg(long, conflicts_with_all = ["apply", "interactive", "select", "ignore", "capture"])]
    pub history: bool,
    /// Do not exit with 3 when something could not be read
    #[arg(long)]
    pub allow_incomplete: bool,
    /// Colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Error,
    Warning,
    Info,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
pub(super) struct FactsArguments {
    #[command(flatten)]
    pub place: WhereArguments,
}

#[derive(Debug, Args)]
pub(super) struct RulesArguments {
    /// The output's format
    #[arg(long, value_enum, default_value_t = RulesFormat::Text)]
    pub format: RulesFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RulesFormat {
    Text,
    Json,
    Markdown,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// A rule's code or name
    #[arg(value_name = "RULE")]
    pub rule: String,
}

#[derive(Debug, Args)]
pub(super) struct LspArguments {
    /// Use standard input and output, as some editors request; it is the only way
    #[arg(long)]
    pub stdio: bool,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// The page of a command: check, baseline write [default: the program's]
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Write every page into this directory, as files that `man` finds
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// What gunicorn imports: wsgi:app, shop.web:app, shop:create_app()
    #[arg(long, value_name = "MODULE:ATTR")]
    pub app: String,
    /// The unit's name, without .service
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The site's host name, or _ for every request that no other site takes [default:
    /// NAME.localhost]
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// The account that gunicorn runs as [default: www-data]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Where the releases are on the host [default: /srv/NAME]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<String>,
    /// Let systemd own the socket: not even a restart loses a request
    #[arg(long)]
    pub socket_activation: bool,
    /// Where the files are written; nothing is installed
    #[arg(long, value_name = "DIR", default_value = "deploy")]
    pub output: PathBuf,
    /// Show the files and write nothing
    #[arg(long, conflicts_with_all = ["output", "force"])]
    pub print: bool,
    /// Replace existing files
    #[arg(long)]
    pub force: bool,
}

/// What a reload and a rollback have in common.
#[derive(Debug, Args)]
pub(super) struct GuardArguments {
    /// The unit, with or without .service
    #[arg(value_name = "APP", value_parser = app)]
    pub app: String,
    /// Probe this URL throughout (repeatable) [default: the application's own sockets]
    #[arg(long, value_name = "URL")]
    pub probe: Vec<String>,
    #[command(flatten)]
    pub ask: AskArguments,
    /// Requests per second to each URL [default: 50, or a fifth of what gunicorn can answer]
    #[arg(long, value_name = "NUMBER")]
    pub rate: Option<f64>,
    /// How long a request may take, and how long the site may be without an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub timeout: f64,
    /// How long the new release is watched once its workers are up
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub settle: f64,
    /// A text that every answer of the new release contains, in its body or a header
    #[arg(long, value_name = "TEXT", value_parser = probe::expected)]
    pub expect_version: Option<String>,
    /// How gunicorn is reloaded
    #[arg(long, value_enum, default_value_t = StrategyWord::Auto)]
    pub strategy: StrategyWord,
    /// Continue despite the findings of these rules (codes, names, areas, globs), or a site that
    /// was not healthy before (baseline)
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub force: Vec<String>,
    /// Check and probe, show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not import the application beforehand
    #[arg(long)]
    pub no_preflight: bool,
    /// Continue if something could not be read
    #[arg(long)]
    pub allow_incomplete: bool,
    /// The longest time without an answer that does not count as a stall
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub max_stall: f64,
    /// How many probes may fail before it is rolled back
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub max_failed: u64,
    /// The database's migration, as `flask db current` or `manage.py showmigrations --plan` prints it
    #[arg(long, value_name = "REV")]
    pub db_revision: Option<String>,
    /// The settings file [default: the nearest deploy-doctor.toml, else /etc/deploy-doctor.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write a report of the run as one HTML file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The output's format
    #[arg(long, value_enum, default_value_t = ReloadFormat::Text)]
    pub format: ReloadFormat,
    /// Colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

#[derive(Debug, Args)]
pub(super) struct ReloadArguments {
    #[command(flatten)]
    pub guard: GuardArguments,
    /// Move the release link here first
    #[arg(long, value_name = "DIR")]
    pub release: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArguments {
    #[command(flatten)]
    pub guard: GuardArguments,
    /// Go back to this release [default: the one before the last reload]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StrategyWord {
    /// What the deployment needs
    Auto,
    /// systemctl reload
    Hup,
    /// A second master next to the first
    Usr2,
    /// systemctl restart
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReloadFormat {
    Text,
    Json,
}
