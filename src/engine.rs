//! Runs the rules and computes the verdict: which rules run, what is suppressed, and the status of
//! each item of the checklist.

mod anchor;
mod baseline;
mod checklist;
mod day;
mod each;
mod fingerprint;
mod held;
mod ignore;
mod selection;
mod suppression;

pub use anchor::Anchor;
pub use baseline::Baseline;
pub use checklist::{ChecklistItem, SeenIn, Status, Verdict};
pub use day::Day;
pub use each::run_each;
pub use held::{Acceptance, Suppressed};
pub use ignore::{Ignore, IgnoredFile, Named, is_named};
pub use selection::{Selection, SelectionError};

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use checklist::Concern;
use each::Part;
use ignore::Looked;

use crate::facts::{Deployment, Problem, Why};
use crate::rule::{Check, Finding, Item, Rule, Severity, Sink, Skip};
use crate::source::{FileId, Sources};

/// What the user asked a check to do.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Which rules run.
    pub selection: Selection,
    /// Severities that the user changed, by the rules' codes.
    pub severities: BTreeMap<&'static str, Severity>,
    /// Findings that are accepted.
    pub ignores: Vec<Ignore>,
    /// The day of the check; before all other days if nothing expires.
    pub today: Day,
    /// Known findings.
    pub baseline: Option<Baseline>,
    /// Whether all applications were checked, so that one which was not found no longer exists.
    pub all_apps: bool,
    /// Whether everything that the settings file may mention was read, so that a name of no
    /// application is a typo.
    pub whole: bool,
    /// The directory relative to which fingerprints name files.
    pub anchor: Anchor,
}

impl Settings {
    fn selected(&self, rules: &[&'static Rule]) -> Vec<&'static Rule> {
        rules.iter().copied().filter(|rule| self.selection.includes(rule)).collect()
    }
}

/// A finding with its lasting identity.
#[derive(Debug, Clone)]
pub struct Reported {
    /// The finding.
    pub finding: Finding,
    /// Does not change when lines move; 16 hexadecimal digits.
    pub fingerprint: String,
    /// The fingerprint of the first of all identical findings.
    pub alike: String,
}

/// The result of a check.
#[derive(Debug)]
pub struct Outcome {
    /// The new findings, ordered by application, severity, code, file, line.
    pub findings: Vec<Reported>,
    /// The known findings. They count for verdict and checklist, because an accepted fault is not
    /// repaired.
    pub known: Vec<Reported>,
    /// The known findings without those that no longer exist; `None` if no baseline was given.
    pub baseline: Option<Baseline>,
    /// Rules that could not judge.
    pub skips: Vec<Skip>,
    /// Rules that had nothing to judge: they count neither as passed nor as open.
    pub idle: Vec<Skip>,
    /// The findings that a comment in the files, or the settings file, suppressed.
    pub suppressed: Vec<Suppressed>,
    /// What is wrong with these comments and entries.
    pub problems: Vec<Problem>,
    /// For each application, in the deployment's order.
    pub apps: Vec<AppOutcome>,
}

impl Outcome {
    /// All findings, new ones first.
    pub fn all(&self) -> impl Iterator<Item = &Reported> {
        self.findings.iter().chain(&self.known)
    }

    /// How many new findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|reported| reported.finding.severity == severity).count()
    }

    /// Whether there is a new finding of at least this severity.
    pub fn reaches(&self, severity: Severity) -> bool {
        self.findings.iter().any(|reported| reported.finding.severity >= severity)
    }
}

/// The result of a check for one application.
#[derive(Debug)]
pub struct AppOutcome {
    /// The unit's name.
    pub name: String,
    /// The files of its nginx, if the report covers several deployments.
    pub nginx: Vec<FileId>,
    /// The answer in one word.
    pub verdict: Verdict,
    /// The items in order.
    pub checklist: Vec<ChecklistItem>,
}

/// Runs `rules` over a deployment.
pub fn run(
    rules: &[&'static Rule],
    deployment: &Deployment,
    sources: &Sources,
    settings: &Settings,
) -> Outcome {
    let selected = settings.selected(rules);
    let parts = vec![Part::look(&selected, deployment)];
    conclude(rules, &selected, deployment, parts, sources, settings)
}

/// Turns findings into verdicts: applies severities, suppressions and known findings.
fn conclude(
    rules: &[&'static Rule],
    selected: &[&'static Rule],
    deployment: &Deployment,
    mut parts: Vec<Part>,
    sources: &Sources,
    settings: &Settings,
) -> Outcome {
    let idle = each::take_idle(&mut parts);
    let skips = each::skips(&parts);
    let mut findings = each::findings(&mut parts);
    for finding in &mut findings {
        if let Some(severity) = settings.severities.get(finding.rule.code) {
            finding.severity = *severity;
        }
    }
    let looked = Looked { selected, skips: &skips, deployment, sources };
    let (findings, mut accepted, mut problems) = suppression::apply(findings, rules, &looked);
    let (mut findings, by_entry, more) =
        ignore::apply(findings, &settings.ignores, &settings.today, &looked, settings.whole);
    problems.extend(more);
    accepted.extend(by_entry);
    let accepted_by_app = group(&accepted, |(finding, _)| finding.app.as_deref());
    sort(&mut findings, deployment, sources);
    // Grouped once: looking through all findings for each application would take time quadratic in
    // their number.
    let by_app = group(&findings, |finding| finding.app.as_deref());
    let skips_of: Vec<_> =
        parts.iter().map(|part| group(&part.skips, |skip| skip.app.as_deref())).collect();
    let chosen: FxHashSet<&'static str> = selected.iter().map(|rule| rule.code).collect();
    let apps = deployment
        .apps
        .iter()
        .filter_map(|app| {
            let at = parts.iter().position(|part| part.apps.contains(&app.name))?;
            let (part, skips_by_app) = (parts.get(at)?, skips_of.get(at)?);
            let mut findings = concerning(&by_app, &app.name);
            // Of the host's findings, only those about its own nginx.
            let several = parts.len() > 1;
            findings.retain(|finding| !several || finding.app.is_some() || part.has(finding));
            let concern = Concern {
                findings,
                held: held::by_item(
                    concerning(&accepted_by_app, &app.name).into_iter().map(|(finding, _)| finding),
                ),
                skips: by_code(concerning(skips_by_app, &app.name)),
                living: app.processes.ok().is_some(),
            };
            let checklist = checklist::judge(rules, &chosen, &concern);
            let verdict = checklist::verdict(&checklist, &concern);
            let nginx = if several { part.nginx() } else { Vec::new() };
            Some(AppOutcome { name: app.name.clone(), nginx, verdict, checklist })
        })
        .collect();
    let kept = findings.len();
    let (accepted, by): (Vec<_>, Vec<_>) = accepted.into_iter().unzip();
    // Stamped together, so that no accepted finding shares a fingerprint with a reported one.
    findings.extend(accepted);
    let mut findings = fingerprint::stamp(findings, sources, &settings.anchor);
    let accepted = findings.split_off(kept).into_iter().zip(by);
    let suppressed = accepted.map(|(reported, by)| Suppressed { reported, by }).collect();
    let baseline = settings.baseline.as_ref();
    let pruned = baseline.map(|baseline| {
        let looked = Looked { selected, skips: &skips, deployment, sources };
        baseline.pruned(&findings, &looked, settings)
    });
    let (findings, known) = match baseline.map(|baseline| baseline.sort(findings.clone())) {
        Some(sorted) => (sorted.new, sorted.known),
        None => (findings, Vec::new()),
    };
    Outcome { findings, known, baseline: pruned, skips, idle, suppressed, problems, apps }
}

/// Runs each rule on what it examines.
fn look(rules: &[&'static Rule], deployment: &Deployment) -> (Vec<Finding>, Vec<Skip>) {
    let mut findings = Vec::new();
    let mut skips = Vec::new();
    let mut keep = |mut sink: Sink, checked: Result<(), Why>| {
        if let Err(why) = checked {
            sink.skip(&why);
        }
        let (found, skipped) = sink.close();
        findings.extend(found);
        skips.extend(skipped);
    };
    let passing = deployment.passing();
    for rule in rules {
        match (rule.check, &passing) {
            (Check::App(check), _) => {
                for app in &deployment.apps {
                    let mut sink = Sink::new(rule, Some(app));
                    let checked = check(app, &mut sink);
                    keep(sink, checked);
                }
            }
            (Check::Passing(check), Ok(passing)) => {
                for (app, passing) in passing {
                    let mut sink = Sink::new(rule, *app);
                    let checked = match passing {
                        Ok(passing) => check(passing, &mut sink),
                        Err(why) => Err(why.clone()),
                    };
                    keep(sink, checked);
                }
            }
            (Check::Passing(_), Err(why)) => keep(Sink::new(rule, None), Err(why.clone())),
            (Check::Host(check), _) => {
                let mut sink = Sink::new(rule, None);
                let checked = check(deployment, &mut sink);
                keep(sink, checked);
            }
        }
    }
    ways(rules, deployment, &findings, &mut skips);
    (findings, skips)
}

/// Adds skips for an application to which no pass is known to lead: what nginx does with its
/// requests was not judged, although the rules ran.
fn ways(
    rules: &[&'static Rule],
    deployment: &Deployment,
    findings: &[Finding],
    skips: &mut Vec<Skip>,
) {
    // All files of a whole host were read, so what the host's rules say about nginx is reliable.
    let whole = deployment.machine.whole;
    let hangs_on_it = |rule: &&&'static Rule| {
        rule.area() == "nginx"
            && matches!(rule.item, Item::UpstreamStable | Item::StaticAssets | Item::No502)
            && (!whole || matches!(rule.check, Check::Passing(_)))
    };
    let told: FxHashSet<(&str, Option<&str>)> = findings
        .iter()
        .map(|finding| (finding.rule.code, finding.app.as_deref()))
        .chain(skips.iter().map(|skip| (skip.code, skip.app.as_deref())))
        .collect();
    let mut more = Vec::new();
    for app in &deployment.apps {
        let Some(why) = deployment.way_missing(app) else { continue };
        let told = |code| told.contains(&(code, None)) || told.contains(&(code, Some(&app.name)));
        let open = rules.iter().filter(hangs_on_it).filter(|rule| !told(rule.code));
        more.extend(open.map(|rule| Skip {
            code: rule.code,
            app: Some(app.name.clone()),
            reason: why.clone(),
        }));
    }
    skips.extend(more);
}

/// Groups items by application; `None` is the host.
fn group<'a, T>(
    all: &'a [T],
    app: impl Fn(&'a T) -> Option<&'a str>,
) -> FxHashMap<Option<&'a str>, Vec<&'a T>> {
    let mut groups: FxHashMap<_, Vec<&T>> = FxHashMap::default();
    for one in all {
        groups.entry(app(one)).or_default().push(one);
    }
    groups
}

/// The items that concern an application: its own and the host's.
fn concerning<'a, T>(groups: &FxHashMap<Option<&'a str>, Vec<&'a T>>, app: &str) -> Vec<&'a T> {
    let own = groups.get(&Some(app)).into_iter().flatten();
    own.chain(groups.get(&None).into_iter().flatten()).copied().collect()
}

fn by_code(skips: Vec<&Skip>) -> FxHashMap<&'static str, Vec<&Skip>> {
    let mut found: FxHashMap<&'static str, Vec<&Skip>> = FxHashMap::default();
    for skip in skips {
        found.entry(skip.code).or_default().push(skip);
    }
    found
}

/// Sorts by application (the host's own last), severity (worst first), code, file, line.
fn sort(findings: &mut [Finding], deployment: &Deployment, sources: &Sources) {
    let places: FxHashMap<&str, usize> =
        deployment.apps.iter().enumerate().map(|(at, app)| (app.name.as_str(), at)).collect();
    let order = |name: &Option<String>| {
        let place = name.as_deref().and_then(|name| places.get(name));
        place.copied().unwrap_or(usize::MAX)
    };
    findings.sort_by_cached_key(|finding| {
        let place = finding
            .labels
            .first()
            .map(|label| (sources.file(label.span.file).path.clone(), label.span.start));
        (order(&finding.app), std::cmp::Reverse(finding.severity), finding.rule.code, place)
    });
}
