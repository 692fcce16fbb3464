//! The plan: merges the fixes of all selected findings, with a new check after each round, until
//! nothing more changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::actions::{Action, Reached};
use super::draft::Draft;
use super::owners::{Concerned, Owners};
use super::resolve::{Places, Resolver, Step};
use super::{Change, Placement, actions, diff, resolve};
use crate::engine::{self, Outcome, Selection, Settings};
use crate::facts::{Deployment, Problem};
use crate::host::{Host, OverlayHost};
use crate::rule::{Edit, Finding, Rule, Safety, Uncovers};
use crate::source::Sources;

/// The most rounds of fixing and checking again.
pub const ROUNDS: usize = 10;

/// Reads a host's facts. The second argument says whether to read what is running too.
pub type Read<'a> = &'a dyn Fn(&Sources, bool) -> Deployment;

/// What the user chose.
pub struct Options<'a> {
    /// The rules whose findings are to be fixed.
    pub selection: Selection,
    /// Whether to include fixes that change behaviour beyond their finding.
    pub include_unsafe: bool,
    /// Where changes to units are written.
    pub placement: Placement,
    /// Whether these are a repository's files, none of which belongs to a package.
    pub repository: bool,
    /// Called for each fix to ask whether to make it; without it, all fixes are made.
    pub accept: Option<&'a dyn Fn(&Proposal) -> bool>,
    /// Accepted findings and changed severities, from the settings file. All rules run.
    pub settings: Settings,
}

/// A finding and the changes that its fix would make.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The rule.
    pub rule: &'static Rule,
    /// The application; `None` for the host.
    pub app: Option<String>,
    /// The finding's message.
    pub message: String,
    /// The finding's help.
    pub help: String,
    /// What the fix does, in one line.
    pub title: String,
    /// How it may be applied.
    pub safety: Safety,
    /// Why the rule makes no change here, if it would make one elsewhere.
    pub refused: Option<String>,
    /// Whether only the live host shows the finding. Only the commands after the fixes can remove
    /// such a finding.
    pub live: bool,
    /// The finding's severity.
    pub severity: crate::rule::Severity,
    /// The place of the finding: the path of the file as it was read, and the offset of the byte.
    pub place: Option<(PathBuf, u32)>,
    fingerprint: String,
    steps: Result<Vec<Step>, String>,
    /// Whether the fix moves text that may be a secret.
    lifts: bool,
    uncovers: Uncovers,
}

impl Proposal {
    /// The files that the fix changes, with links resolved, if it changes only text: no mode, and
    /// no text that may be a secret.
    pub fn texts(&self) -> Option<BTreeSet<&Path>> {
        let steps = self.steps.as_ref().ok().filter(|_| !self.lifts)?;
        resolve::texts(steps)
    }
}

/// Why a finding remains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its rule has no fix that a program can make.
    Manual,
    /// Its fix changes behaviour beyond the finding, and the user did not ask for such fixes.
    Unsafe,
    /// The user declined the fix.
    Declined,
    /// The fix cannot be made here, or would not help.
    Impossible(String),
}

/// A finding that remains, and why.
#[derive(Debug, Clone)]
pub struct Left {
    /// The finding.
    pub proposal: Proposal,
    /// Why it remains.
    pub reason: Reason,
}

/// The changes that would be made.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The changes, by path.
    pub changes: Vec<Change>,
    /// The fixes that make these changes, in the order in which they were added.
    pub fixes: Vec<Proposal>,
    /// The findings that remain.
    pub left: Vec<Left>,
    /// How many rounds were needed.
    pub rounds: usize,
    /// The changes as a unified diff, without hidden values.
    pub diff: String,
    /// The commands that make the changes take effect.
    pub actions: Vec<Action>,
    /// The services that it reaches and that were not named.
    pub others: Vec<Reached>,
    /// The programs that can judge the changes.
    pub concerned: Concerned,
    /// Files that could not be read, in their present state.
    pub problems: Vec<Problem>,
    predicted: Counts,
    settings: Settings,
}

/// How many findings there are, by rule and application.
type Counts = BTreeMap<(&'static str, Option<String>), usize>;

/// Makes a plan. Fails only if a file changes in the meantime.
pub fn plan(host: &dyn Host, read: Read, options: &Options) -> Result<Plan, String> {
    let still = OverlayHost::new(host);
    let sources = Sources::new(&still);
    let deployment = read(&sources, false);
    let mut planner = Planner {
        host,
        read,
        options,
        refused: BTreeMap::new(),
        accepted: BTreeSet::new(),
        fixes: Vec::new(),
    };
    let first = planner.see(&still, &sources, &deployment);
    let Rounds { draft, rounds, last, predicted } = planner.rounds(first);
    let left = planner.left(last, rounds);
    let mut plan = Plan {
        changes: draft.changes(host)?,
        fixes: planner.fixes,
        left,
        rounds,
        problems: deployment.problems.clone(),
        predicted,
        settings: options.settings.clone(),
        ..Plan::default()
    };
    if !plan.changes.is_empty() {
        let after = draft.overlay(host);
        let after_sources = Sources::new(&after);
        let changed = read(&after_sources, false);
        let owners = Owners::of(&changed, &after_sources);
        plan.diff = diff::text(&plan.changes, &sources, &after_sources, &owners);
        plan.actions = actions::after(&plan.changes, [&deployment, &changed], &owners);
        let paths = plan.changes.iter().map(|change| change.path.as_path());
        plan.concerned = owners.concerned(paths);
    }
    Ok(plan)
}

/// The findings of a check of the host as it is now, including what is running.
pub fn found(
    host: &dyn Host,
    read: Read,
    selection: &Selection,
    settings: &Settings,
) -> Vec<Finding> {
    let sources = Sources::new(host);
    let deployment = read(&sources, true);
    let outcome = engine::run(crate::rules::all(), &deployment, &sources, settings);
    let chosen = outcome.findings.into_iter().map(|reported| reported.finding);
    chosen.filter(|finding| selection.includes(finding.rule)).collect()
}

/// The findings on the host after the plan was written that the plan did not predict.
pub fn worse(host: &dyn Host, read: Read, plan: &Plan) -> Vec<String> {
    let sources = Sources::new(host);
    let deployment = read(&sources, false);
    let outcome = engine::run(crate::rules::all(), &deployment, &sources, &plan.settings);
    let mut worse = Vec::new();
    for (key, count) in counts(&outcome) {
        if count > plan.predicted.get(&key).copied().unwrap_or(0) {
            let of = |f: &&engine::Reported| f.finding.rule.code == key.0 && f.finding.app == key.1;
            let message = outcome.findings.iter().find(of).map(|f| f.finding.message.clone());
            worse.push(format!("{}: {}", key.0, message.unwrap_or_default()));
        }
    }
    worse
}

struct Planner<'a> {
    host: &'a dyn Host,
    read: Read<'a>,
    options: &'a Options<'a>,
    /// Fixes that are not tried, or not again, by fingerprint.
    refused: BTreeMap<String, Reason>,
    /// Fixes that the user accepted, by fingerprint.
    accepted: BTreeSet<String>,
    fixes: Vec<Proposal>,
}

/// The result of all rounds.
struct Rounds {
    draft: Draft,
    rounds: usize,
    /// The findings after the last round.
    last: Vec<Proposal>,
    predicted: Counts,
}

/// Fixes that work together, and their result.
struct Good {
    taken: Vec<Proposal>,
    reached: Option<(Draft, Seen)>,
}

/// The result of one check.
struct Seen {
    counts: Counts,
    proposals: Vec<Proposal>,
    places: Places,
}

impl Planner<'_> {
    fn rounds(&mut self, mut seen: Seen) -> Rounds {
        let mut draft = Draft::default();
        // Findings that only the live host shows are collected once, because no change to a file
        // affects them yet.
        let live = self.only_live(&seen);
        seen.proposals.extend(live.iter().cloned());
        let mut rounds = 0;
        while rounds < ROUNDS {
            let taken = self.choose(&seen);
            if taken.is_empty() {
                break;
            }
            let Some((next, after, taken)) = self.advance(&draft, &seen, taken) else { continue };
            draft = next;
            self.fixes.extend(taken);
            seen = after;
            rounds += 1;
        }
        let (predicted, mut last) = (seen.counts, seen.proposals);
        if rounds > 0 {
            let fixed = |p: &Proposal| self.fixes.iter().any(|f| f.fingerprint == p.fingerprint);
            last.extend(live.into_iter().filter(|proposal| !fixed(proposal)));
        }
        Rounds { draft, rounds, last, predicted }
    }

    /// The findings that only processes, sockets and commands show.
    fn only_live(&self, seen: &Seen) -> Vec<Proposal> {
        let processes = self.host.list("/proc".as_ref()).unwrap_or_default();
        let is_process =
            |name: &std::ffi::OsString| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        if !processes.iter().any(is_process) {
            return Vec::new();
        }
        let known: BTreeSet<&str> =
            seen.proposals.iter().map(|proposal| proposal.fingerprint.as_str()).collect();
        let mut live = self.look(&Draft::default(), true).proposals;
        live.retain(|proposal| !known.contains(proposal.fingerprint.as_str()));
        live.iter_mut().for_each(|proposal| proposal.live = true);
        live
    }

    /// The fixes for one round: fixes that do not overlap and that uncover the same findings.
    /// Findings that appear afterwards can then be attributed to what all of these fixes uncover.
    fn choose(&mut self, seen: &Seen) -> Vec<Proposal> {
        let mut taken: Vec<Proposal> = Vec::new();
        for proposal in &seen.proposals {
            if self.reason(proposal).is_some()
                || taken.first().is_some_and(|first| first.uncovers != proposal.uncovers)
            {
                continue;
            }
            let Ok(steps) = &proposal.steps else { continue };
            let mut others = taken.iter().flat_map(|other| other.steps.iter().flatten());
            if others.all(|other| steps.iter().all(|step| step.agrees(other)))
                && self.accepts(proposal)
            {
                taken.push(proposal.clone());
            }
        }
        taken
    }

    /// Whether to make the fix. The user, if there is one to ask, is asked once for each fix.
    fn accepts(&mut self, proposal: &Proposal) -> bool {
        let Some(accept) = self.options.accept else { return true };
        if self.accepted.contains(&proposal.fingerprint) {
            return true;
        }
        let fingerprint = proposal.fingerprint.clone();
        if accept(proposal) {
            return self.accepted.insert(fingerprint);
        }
        self.refused.insert(fingerprint, Reason::Declined);
        false
    }

    /// Makes the fixes, checks again, and drops those that do not help or do harm. `None` if no fix
    /// remains. A fix that only conflicts with others waits for the next round.
    fn advance(
        &mut self,
        draft: &Draft,
        seen: &Seen,
        taken: Vec<Proposal>,
    ) -> Option<(Draft, Seen, Vec<Proposal>)> {
        let mut good = Good { taken: Vec::new(), reached: None };
        self.gather(draft, seen, &taken, &mut good);
        let (next, after) = good.reached?;
        Some((next, after, good.taken))
    }

    /// Adds the fixes of a group that do no harm to the good ones: all at once if that works,
    /// otherwise each half separately. Thus a single bad fix costs only logarithmically many
    /// checks, not one for each fix.
    fn gather(&mut self, draft: &Draft, seen: &Seen, group: &[Proposal], good: &mut Good) {
        let together: Vec<Proposal> = good.taken.iter().chain(group).cloned().collect();
        match (self.attempt(draft, seen, &together), group) {
            (Ok(reached), _) => *good = Good { taken: together, reached: Some(reached) },
            (Err(_), []) => {}
            (Err(why), [proposal]) if good.taken.is_empty() => self.refuse(proposal, why),
            (Err(_), [proposal]) => {
                if let Err(why) = self.attempt(draft, seen, std::slice::from_ref(proposal)) {
                    self.refuse(proposal, why);
                }
            }
            (Err(_), _) => {
                let (first, second) = group.split_at(group.len() / 2);
                self.gather(draft, seen, first, good);
                self.gather(draft, seen, second, good);
            }
        }
    }

    fn refuse(&mut self, proposal: &Proposal, why: String) {
        self.refused.insert(proposal.fingerprint.clone(), Reason::Impossible(why));
    }

    fn attempt(
        &self,
        draft: &Draft,
        seen: &Seen,
        taken: &[Proposal],
    ) -> Result<(Draft, Seen), String> {
        let overlay = draft.overlay(self.host);
        let steps: Vec<Step> =
            taken.iter().flat_map(|proposal| proposal.steps.iter().flatten().cloned()).collect();
        let next = draft.with(&overlay, &steps, &seen.places, self.options.placement)?;
        let after = self.look(&next, false);
        // Findings that only become visible now were there before.
        let uncovered = |code: &str| taken.iter().all(|p| p.uncovers.holds(code));
        for ((code, app), count) in after.counts.iter().filter(|((code, _), _)| !uncovered(code)) {
            let before = seen.counts.get(&(*code, app.clone())).copied().unwrap_or(0);
            if *count > before {
                return Err(format!("it would cause {code}"));
            }
        }
        for proposal in taken {
            let key = (proposal.rule.code, proposal.app.clone());
            let before = seen.counts.get(&key).copied().unwrap_or(0);
            let now = after.counts.get(&key).copied().unwrap_or(0);
            // Findings that only a live host shows are not counted here.
            if before > 0 && now >= before {
                return Err("it would not remove the finding".to_owned());
            }
        }
        Ok((next, after))
    }

    fn look(&self, draft: &Draft, live: bool) -> Seen {
        let overlay = draft.overlay(self.host);
        let base: &dyn Host = if live { self.host } else { &overlay };
        let sources = Sources::new(base);
        let deployment = (self.read)(&sources, live);
        self.see(&overlay, &sources, &deployment)
    }

    fn see(&self, overlay: &OverlayHost, sources: &Sources, deployment: &Deployment) -> Seen {
        let settings = &self.options.settings;
        let outcome = engine::run(crate::rules::all(), deployment, sources, settings);
        let places = Places::of(deployment, overlay, self.options.repository);
        let resolver = Resolver {
            sources,
            overlay,
            deployment,
            places: &places,
            placement: self.options.placement,
            repository: self.options.repository,
        };
        let proposals = self.proposals(&outcome, &resolver);
        Seen { counts: counts(&outcome), proposals, places }
    }

    fn proposals(&self, outcome: &Outcome, resolver: &Resolver) -> Vec<Proposal> {
        let chosen = outcome
            .findings
            .iter()
            .filter(|reported| self.options.selection.includes(reported.finding.rule));
        chosen
            .map(|reported| proposal(&reported.finding, &reported.fingerprint, resolver))
            .collect()
    }

    /// Why a finding is not fixed, as far as that is known in advance.
    fn reason(&self, proposal: &Proposal) -> Option<Reason> {
        if let Some(reason) = self.refused.get(&proposal.fingerprint) {
            return Some(reason.clone());
        }
        match (proposal.safety, &proposal.steps) {
            (Safety::Manual, _) => Some(Reason::Manual),
            (_, Ok(steps)) if steps.is_empty() => Some(Reason::Manual),
            (_, Err(why)) => Some(Reason::Impossible(why.clone())),
            (Safety::Unsafe, _) if !self.options.include_unsafe => Some(Reason::Unsafe),
            _ => None,
        }
    }

    fn left(&self, last: Vec<Proposal>, rounds: usize) -> Vec<Left> {
        last.into_iter()
            .map(|proposal| {
                let unfinished = || match rounds {
                    ROUNDS => Reason::Impossible(format!("not finished after {ROUNDS} rounds")),
                    _ => Reason::Impossible("it touches text that another fix changes".to_owned()),
                };
                let reason = self.reason(&proposal).unwrap_or_else(unfinished);
                Left { proposal, reason }
            })
            .collect()
    }
}

fn counts(outcome: &Outcome) -> Counts {
    let mut counts = Counts::new();
    for reported in &outcome.findings {
        let finding = &reported.finding;
        *counts.entry((finding.rule.code, finding.app.clone())).or_default() += 1;
    }
    counts
}

fn proposal(finding: &Finding, fingerprint: &str, resolver: &Resolver) -> Proposal {
    let (safety, title, edits) = match &finding.fix {
        Some(fix) => (fix.safety, fix.title.clone(), fix.edits.as_slice()),
        None => (Safety::Manual, String::new(), Default::default()),
    };
    let refused = finding.fix.as_ref().and_then(|fix| fix.refused.as_ref());
    let uncovers = finding.fix.as_ref().map_or(Uncovers::Nothing, |fix| fix.uncovers);
    Proposal {
        rule: finding.rule,
        app: finding.app.clone(),
        message: finding.message.clone(),
        help: finding.help.clone(),
        title,
        safety,
        refused: refused.map(|why| why.text().to_owned()),
        live: false,
        place: finding
            .labels
            .first()
            .map(|label| (resolver.sources.file(label.span.file).path.clone(), label.span.start)),
        fingerprint: fingerprint.to_owned(),
        severity: finding.severity,
        steps: resolver.steps(edits),
        lifts: edits.iter().any(|edit| matches!(edit, Edit::Lift { .. })),
        uncovers,
    }
}

/// The host as it would be with these changes.
pub fn overlay<'h>(host: &'h dyn Host, changes: &[Change]) -> OverlayHost<'h> {
    use super::Content;
    use crate::host::overlay::Entry;
    use crate::host::{FileKind, Metadata};
    let mut overlay = OverlayHost::new(host);
    for change in changes {
        let (kind, mode, uid, gid, bytes) = match &change.after {
            Content::File { bytes, mode, uid, gid } => {
                (FileKind::File, *mode, *uid, *gid, bytes.clone())
            }
            Content::Directory { mode, uid, gid } => {
                (FileKind::Directory, *mode, *uid, *gid, Vec::new())
            }
            Content::Absent | Content::Link { .. } => continue,
        };
        let size = bytes.len() as u64;
        let metadata = Metadata { kind, mode, uid, gid, size, mtime: 0, mtime_nanos: 0 };
        overlay.put(&change.path, Entry { metadata, bytes: bytes.into() });
    }
    overlay
}
