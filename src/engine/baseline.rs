//! Known findings: a file that lists the findings that existed when it was written, so that only
//! new ones count. A finding is recognised by its fingerprint, which does not change when lines
//! move; of several identical findings, as many are known as were counted.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::ignore::Looked;
use super::{Anchor, Reported, Settings};
use crate::facts::Deployment;
use crate::rule::Severity;
use crate::source::Sources;

/// The version of the file format.
const SCHEMA: u32 = 1;

/// The known findings, by fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    entries: BTreeMap<String, BaselineEntry>,
}

/// The entry of all identical findings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BaselineEntry {
    app: Option<String>,
    code: String,
    file: Option<String>,
    /// The severity when the file was written: a finding that got worse is new.
    severity: Severity,
    count: usize,
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    findings: Vec<BaselineEntry>,
}

/// Findings, separated into new and known ones.
pub(super) struct Sorted {
    pub new: Vec<Reported>,
    pub known: Vec<Reported>,
}

impl Baseline {
    /// A baseline in which all of these findings are known.
    pub fn of(findings: &[Reported], sources: &Sources, anchor: &Anchor) -> Self {
        let mut entries: BTreeMap<String, BaselineEntry> = BTreeMap::new();
        for Reported { finding, alike, .. } in findings {
            let file = finding.labels.first().map(|label| sources.file(label.span.file));
            let entry = entries.entry(alike.clone()).or_insert_with(|| BaselineEntry {
                app: finding.app.as_deref().map(|app| anchor.app(app).into_owned()),
                code: finding.rule.code.to_owned(),
                file: file.map(|file| anchor.name(&file.path).to_string_lossy().into_owned()),
                severity: finding.severity,
                count: 0,
                fingerprint: alike.clone(),
            });
            entry.count += 1;
            entry.severity = entry.severity.max(finding.severity);
        }
        Self { entries }
    }

    /// Reads the file. The error is one line.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let file: File = serde_json::from_slice(bytes).map_err(|error| {
            format!("is not a file of known findings (line {})", error.line().max(1))
        })?;
        if file.schema != SCHEMA {
            return Err(format!("has schema {}, but this program reads {SCHEMA}", file.schema));
        }
        let mut entries: BTreeMap<String, BaselineEntry> = BTreeMap::new();
        for entry in file.findings {
            // Two merged branches may both contain the entry.
            let known = entries.entry(entry.fingerprint.clone()).or_insert_with(|| entry.clone());
            known.count = known.count.max(entry.count);
        }
        Ok(Self { entries })
    }

    /// The file's content, ordered by application, code and place, so that its diffs are readable.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        let mut findings: Vec<BaselineEntry> = self.entries.values().cloned().collect();
        findings.sort();
        Ok(serde_json::to_string_pretty(&File { schema: SCHEMA, findings })? + "\n")
    }

    /// If none of the applications and files in the baseline was examined, the name of the first of
    /// them. An entry that names neither could belong to any repository.
    pub fn foreign(
        &self,
        deployment: &Deployment,
        sources: &Sources,
        anchor: &Anchor,
    ) -> Option<String> {
        let apps: HashSet<String> =
            deployment.apps.iter().map(|app| anchor.app(&app.name).into_owned()).collect();
        let read = sources.files();
        let files: HashSet<String> = read
            .iter()
            .map(|file| anchor.name(&file.path).to_string_lossy().into_owned())
            .collect();
        let ours = |entry: &BaselineEntry| {
            entry.app.as_ref().is_some_and(|app| apps.contains(app))
                || entry.file.as_ref().is_some_and(|file| files.contains(file))
        };
        if self.entries.values().any(ours) {
            return None;
        }
        self.entries.values().find_map(|entry| entry.app.clone().or_else(|| entry.file.clone()))
    }

    /// How many findings are known.
    pub fn count(&self) -> usize {
        self.entries.values().map(|entry| entry.count).sum()
    }

    /// Separates the known findings from the new ones.
    pub(super) fn sort(&self, findings: Vec<Reported>) -> Sorted {
        let mut left: HashMap<&str, usize> =
            self.entries.iter().map(|(of, entry)| (of.as_str(), entry.count)).collect();
        let (known, new) = findings.into_iter().partition(|reported| {
            let Some(entry) = self.entries.get(&reported.alike) else { return false };
            let Some(left) = left.get_mut(reported.alike.as_str()) else { return false };
            if *left == 0 || reported.finding.severity > entry.severity {
                return false;
            }
            *left -= 1;
            true
        });
        Sorted { new, known }
    }

    /// The baseline without findings that no longer exist: each entry counts as many as were found,
    /// unless its rule could not judge or its application was not examined.
    pub(super) fn pruned(
        &self,
        found: &[Reported],
        looked: &Looked<'_>,
        settings: &Settings,
    ) -> Self {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for reported in found {
            *counts.entry(reported.alike.as_str()).or_default() += 1;
        }
        let apps = &looked.deployment.apps;
        let keep = |entry: &BaselineEntry| {
            let app = entry.app.as_deref().map(|known| {
                apps.iter().find(|app| settings.anchor.app(&app.name) == known).ok_or(known)
            });
            if settings.all_apps && matches!(app, Some(Err(_))) {
                return false;
            }
            let is = |rule: &crate::rule::Rule| rule.code == entry.code;
            let exists = crate::rules::all().iter().any(|rule| is(rule));
            let name = app.map(|app| app.map_or_else(|known| known, |app| app.name.as_str()));
            let mine = |other: &str| name.is_some_and(|name| super::is_named(name, other));
            let mine: Option<&dyn Fn(&str) -> bool> = name.is_some().then_some(&mine);
            exists && !looked.judged(is, mine)
        };
        let entries = self.entries.iter().filter_map(|(of, entry)| {
            let count = counts.get(of.as_str()).copied().unwrap_or(0).min(entry.count);
            let count = if keep(entry) { entry.count } else { count };
            (count > 0).then(|| (of.clone(), BaselineEntry { count, ..entry.clone() }))
        });
        Self { entries: entries.collect() }
    }
}
