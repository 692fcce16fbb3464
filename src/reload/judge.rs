//! The check before a reload: it checks what *will* run, on the host as it is, with the link as it
//! will be.

use crate::engine::{self, Selection, Verdict};
use crate::facts::{self, App, Deployment, Known, Preflight, Problem, Request, Scope};
use crate::host::Host;
use crate::rule::{Finding, Rule, Severity};
use crate::source::Sources;

use super::Strategy;

/// What the reload itself cures: workers of the previous release, of two releases, and what the
/// last reload left.
const CURED: [&str; 2] = ["P503", "P504"];
/// What a HUP does not apply or does not survive, and what does: a second master is a new process
/// that imports everything again, with the environment and in the directory of the first; a restart
/// begins with nothing.
const NEEDS: [(&str, Strategy, &str); 6] = [
    (
        "E411",
        Strategy::Restart,
        "the environment files changed since gunicorn started, and only a restart reads them",
    ),
    ("P506", Strategy::Restart, "the directory gunicorn started in is gone: a HUP would end it"),
    (
        "G203",
        Strategy::Usr2,
        "the application is preloaded: a HUP serves the code the master has loaded",
    ),
    (
        "R716",
        Strategy::Usr2,
        "both releases have the same modification time: a HUP would not find new modules",
    ),
    ("U101", Strategy::Usr2, "the unit has no ExecReload="),
    ("U106", Strategy::Usr2, "the unit's reload waits for a message that gunicorn never sends"),
];
/// What logs tell of the past, and what nginx's own reload would bring. Whether the site is well now,
/// the probes before the reload show.
const PAST: [&str; 5] = ["L801", "L802", "L803", "L804", "N318"];
/// Findings that concern only the reload, if another strategy is used.
const OF_THE_RELOAD: [&str; 4] = ["U102", "G207", "G222", "P509"];

/// How the processes, their sockets and the answers are at this moment: where a site is brought back
/// to life that says nothing of what will be.
fn of_now(rule: &Rule) -> bool {
    matches!(rule.area(), "processes" | "logs")
        || ["N333", "S601", "S602", "S607"].contains(&rule.code)
}

/// What the check came to.
#[derive(Debug)]
pub struct Judgement {
    /// What blocks the reload, the worst first.
    pub refusals: Vec<Said>,
    /// What was overruled by `--force`.
    pub forced: Vec<Said>,
    /// What may lose requests, but does not block the reload.
    pub warnings: Vec<Said>,
    /// How many findings somebody accepted, by a comment or in the settings file.
    pub accepted: usize,
    /// What could not be read.
    pub problems: Vec<String>,
    /// What is needed in place of a HUP, and why, where the check shows it.
    pub needs: Option<(Strategy, &'static str)>,
    /// How long the application takes to import, in seconds, where it was imported.
    pub boot: Option<f64>,
    /// What stays unknown of the import, and why.
    pub not_imported: Option<String>,
    /// The database's revision, where it said it.
    pub revision: Option<String>,
    /// Does gunicorn keep workers that are well? It does not with `max_requests`.
    pub keeps_workers: bool,
}

/// A finding in a few words.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Said {
    /// The rule's code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Said {
    fn of(finding: &Finding) -> Self {
        Self {
            code: finding.rule.code.into(),
            message: finding.message.clone(),
            help: finding.help.clone(),
        }
    }
}

/// Reads the host and judges the unit on it, as the settings file says. Where the site is `sick`
/// already, its present state blocks nothing.
pub fn judge(host: &dyn Host, asked: &super::Request) -> Result<Judgement, String> {
    let (unit, force, sick) = (&*asked.unit, asked.forced_rules(), asked.tolerates());
    let sources = Sources::new(host);
    let units = std::slice::from_ref(&asked.unit);
    let mut deployment = read(&sources, units, asked.db_revision.as_deref());
    if let Some(config) = &asked.config {
        config.apply(&sources, std::slice::from_mut(&mut deployment), false);
    }
    if asked.preflight {
        facts::preflight::run(&sources, &mut deployment);
    }
    let rules = crate::rules::all();
    let forced = Selection::new(rules, &force, &[]).map_err(|error| error.to_string())?;
    let is_forced = |finding: &Finding| !force.is_empty() && forced.includes(finding.rule);
    let outcome = engine::run(rules, &deployment, &sources, &asked.settings);
    let findings: Vec<&Finding> = outcome
        .findings
        .iter()
        .map(|reported| &reported.finding)
        .filter(|finding| finding.app.is_none() || finding.app.as_deref() == Some(unit))
        .filter(|finding| !CURED.contains(&finding.rule.code))
        .filter(|finding| !(sick && of_now(finding.rule)))
        .collect();
    let of = |finding: &&Finding| {
        let code = finding.rule.code;
        NEEDS.iter().find(|(known, ..)| *known == code).map(|(_, what, why)| (*what, *why))
    };
    let found = || findings.iter().filter_map(of);
    let needs = found().find(|(what, _)| *what == Strategy::Restart).or_else(|| found().next());
    let taken = match asked.strategy {
        Strategy::Auto => needs.map_or(Strategy::Hup, |(what, _)| what),
        other => other,
    };
    let counts = |finding: &&Finding| {
        let code = finding.rule.code;
        let of_reload = OF_THE_RELOAD.contains(&code);
        match (taken, of(finding)) {
            (Strategy::Restart, needs) => needs.is_none() && !of_reload,
            (Strategy::Usr2, Some((what, _))) => what == Strategy::Restart,
            (Strategy::Usr2, None) => !of_reload,
            (Strategy::Auto | Strategy::Hup, _) => true,
        }
    };
    let breaks = |finding: &&&Finding| {
        finding.severity == Severity::Error
            && finding.rule.impact.breaks_reload()
            && !PAST.contains(&finding.rule.code)
    };
    let mut judgement = Judgement {
        refusals: Vec::new(),
        forced: Vec::new(),
        warnings: Vec::new(),
        accepted: outcome.suppressed.len(),
        problems: outcome
            .problems
            .iter()
            .chain(&deployment.problems)
            .filter(|problem| !problem.note)
            .map(problem)
            .collect(),
        needs,
        boot: None,
        not_imported: None,
        revision: None,
        keeps_workers: false,
    };
    let counting: Vec<&Finding> = findings.iter().copied().filter(|f| counts(f)).collect();
    for finding in counting.iter().filter(breaks) {
        let kept = if is_forced(finding) { &mut judgement.forced } else { &mut judgement.refusals };
        kept.push(Said::of(finding));
    }
    let warns = counting.iter().filter(|f| !breaks(f) && f.severity >= Severity::Warning);
    judgement.warnings = warns.map(|finding| Said::of(finding)).collect();
    if let Some(app) = deployment.apps.iter().find(|app| app.name == unit) {
        judgement.imported(app);
        judgement.keeps_workers = app.gunicorn.settings.max_requests().ok() == Some(&0);
    }
    Ok(judgement)
}

/// Reads the deployment of these units on a live host; of all that run gunicorn if none is named.
pub fn read(sources: &Sources, units: &[String], revision: Option<&str>) -> Deployment {
    let request = Request {
        apps: units.to_vec(),
        scope: Scope::Live,
        database_revision: revision.map(str::to_owned),
    };
    facts::read(sources, &request)
}

fn problem(problem: &Problem) -> String {
    let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
    let path = crate::fix::shown_path(&problem.path);
    crate::source::show::line(&format!("{path}{line}: {}", problem.message))
}

impl Judgement {
    fn imported(&mut self, app: &App) {
        match &app.preflight {
            Known::Value(Preflight::Imported(took), _) => self.boot = Some(took.as_secs_f64()),
            Known::Unknown(why) => self.not_imported = Some(why.text().to_owned()),
            _ => {}
        }
        self.revision = app.release.database_revision.ok().cloned();
    }

    /// Is the site in such a state, by the check, that a reload may be tried at all?
    pub fn verdict(&self) -> Verdict {
        match (self.refusals.is_empty() && self.forced.is_empty(), self.warnings.is_empty()) {
            (false, _) => Verdict::WillBreak,
            (true, false) => Verdict::AtRisk,
            (true, true) => Verdict::ZeroDowntime,
        }
    }
}
