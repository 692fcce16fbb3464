//! Several deployments of one repository: each is checked on its own, and one report shows all.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::facts::Deployment;
use crate::rule::{Finding, Rule, Skip};
use crate::source::{FileId, Sources, Span};

use super::{Outcome, Settings, conclude, look};

/// The findings in one deployment.
pub(super) struct Part {
    /// The names of its applications.
    pub apps: HashSet<String>,
    /// The files of its nginx.
    files: HashSet<FileId>,
    pub findings: Vec<Finding>,
    pub skips: Vec<Skip>,
}

impl Part {
    /// Runs rules over a deployment.
    pub fn look(selected: &[&'static Rule], deployment: &Deployment) -> Self {
        let (mut findings, skips) = look(selected, deployment);
        crate::rule::follow::complete(&mut findings, deployment);
        let apps = deployment.apps.iter().map(|app| app.name.clone()).collect();
        let files = deployment.nginx.files().into_iter().collect();
        Self { apps, files, findings, skips }
    }

    /// The files of its nginx.
    pub fn nginx(&self) -> Vec<FileId> {
        self.files.iter().copied().collect()
    }

    /// Whether a finding of the host concerns these applications.
    pub fn has(&self, finding: &Finding) -> bool {
        let first = finding.labels.first();
        first.is_none_or(|label| self.files.contains(&label.span.file))
    }

    /// Renames units that share a name, so that their file paths distinguish them.
    fn rename(&mut self, names: &HashMap<String, String>) {
        let rename = |name: &mut String| {
            if let Some(file) = names.get(name) {
                name.clone_from(file);
            }
        };
        self.apps = self.apps.iter().map(|name| names.get(name).unwrap_or(name).clone()).collect();
        self.skips.iter_mut().filter_map(|skip| skip.app.as_mut()).for_each(rename);
        self.findings.iter_mut().filter_map(|finding| finding.app.as_mut()).for_each(rename);
    }
}

/// Runs `rules` over each of the deployments. `None` if there are no deployments.
pub fn run_each(
    rules: &[&'static Rule],
    deployments: Vec<Deployment>,
    sources: &Sources,
    settings: &Settings,
) -> Option<(Deployment, Outcome)> {
    let selected = settings.selected(rules);
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for app in deployments.iter().flat_map(|deployment| &deployment.apps) {
        *count.entry(app.name.clone()).or_default() += 1;
    }
    let several = deployments.len() > 1;
    let mut joined: Option<Deployment> = None;
    let mut parts = Vec::with_capacity(deployments.len());
    for mut deployment in deployments {
        let mut part = Part::look(&selected, &deployment);
        let mut names = HashMap::new();
        let alike = |name: &String| several && count.get(name) > Some(&1);
        for app in deployment.apps.iter_mut().filter(|app| alike(&app.name)) {
            let file = app.service.unit.path.display().to_string();
            names.insert(std::mem::replace(&mut app.name, file.clone()), file);
        }
        part.rename(&names);
        parts.push(part);
        match &mut joined {
            None => joined = Some(deployment),
            Some(joined) => add(joined, deployment),
        }
    }
    let deployment = joined?;
    let outcome = conclude(rules, &selected, &deployment, parts, sources, settings);
    Some((deployment, outcome))
}

fn add(deployment: &mut Deployment, other: Deployment) {
    deployment.apps.extend(other.apps);
    deployment.files.extend(other.files);
    deployment.files.sort_unstable();
    deployment.files.dedup();
    for problem in other.problems {
        if !deployment.problems.contains(&problem) {
            deployment.problems.push(problem);
        }
    }
}

/// All findings. An nginx file that serves several deployments was judged with each of them.
pub(super) fn findings(parts: &mut [Part]) -> Vec<Finding> {
    let several = parts.len() > 1;
    let all = parts.iter_mut().flat_map(|part| std::mem::take(&mut part.findings));
    if !several {
        return all.collect();
    }
    let mut seen: HashSet<(&'static str, Option<String>, String, Vec<Span>)> = HashSet::new();
    let mut new = |finding: &Finding| {
        let spans = finding.labels.iter().map(|label| label.span).collect();
        seen.insert((finding.rule.code, finding.app.clone(), finding.message.clone(), spans))
    };
    all.filter(|finding| new(finding)).collect()
}

/// Removes the skips of rules that had nothing to judge, and returns them.
pub(super) fn take_idle(parts: &mut [Part]) -> Vec<Skip> {
    let mut idle: Vec<Skip> = Vec::new();
    for part in parts {
        let closed = |skip: &mut Skip| !skip.reason.kind().is_open();
        for skip in part.skips.extract_if(.., closed) {
            if !idle.iter().any(|one| (one.code, &one.app) == (skip.code, &skip.app)) {
                idle.push(skip);
            }
        }
    }
    idle
}

/// All skips, without duplicates.
pub(super) fn skips(parts: &[Part]) -> Vec<Skip> {
    let all = parts.iter().flat_map(|part| part.skips.iter().cloned());
    if parts.len() < 2 {
        return all.collect();
    }
    let mut seen = HashSet::new();
    all.filter(|skip| seen.insert((skip.code, skip.app.clone(), skip.reason.text().to_owned())))
        .collect()
}
