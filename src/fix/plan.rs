//! The plan: the fixes of all chosen findings merged, with a new check after each round, until
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

/// How a host's facts are read. The second argument says whether to read what is running, too.
pub type Read<'a> = &'a dyn Fn(&Sources, bool) -> Deployment;

/// What the user chose.
pub struct Options<'a> {
    /// Which rules' findings are to be fixed.
    pub selection: Selection,
    /// Also fixes that change behaviour beyond their finding.
    pub include_unsafe: bool,
    /// Where a unit's change goes.
    pub placement: Placement,
    /// Are these a repository's files, of which none is a package's?
    pub repository: bool,
    /// Asked for each fix; none takes all.
    pub accept: Option<&'a dyn Fn(&Proposal) -> bool>,
    /// What is accepted and how bad the rest is, as the settings file says. All rules run.
    pub settings: Settings,
}

/// A finding with what its fix would change.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The rule.
    pub rule: &'static Rule,
    /// The application; none for the host.
    pub app: Option<String>,
    /// The finding's message.
    pub message: String,
    /// The finding's help.
    pub help: String,
    /// What the fix does, in one line.
    pub title: String,
    /// How it may be applied.
    pub safety: Safety,
    /// Why its rule makes no change, where it would make one elsewhere.
    pub refused: Option<String>,
    /// Was it seen on only the live host? Only what follows the fixes shows whether it stays.
    pub live: bool,
    /// The finding's severity.
    pub severity: crate::rule::Severity,
    /// Where the finding is: the file as it was read, and the byte.
    pub place: Option<(PathBuf, u32)>,
    fingerprint: String,
    steps: Result<Vec<Step>, String>,
    /// Is text that may be a secret taken to another place?
    lifts: bool,
    uncovers: Uncovers,
}

impl Proposal {
    /// The files that it changes, free of links, where it is a change of text alone: no mode, and
    /// nothing that may be a secret rewritten.
    pub fn texts(&self) -> Option<BTreeSet<&Path>> {
        let steps = self.steps.as_ref().ok().filter(|_| !self.lifts)?;
        resolve::texts(steps)
    }
}

/// Why a finding stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its rule has no fix that a program can make.
    Manual,
    /// Its fix changes more than the finding, and that was not asked for.
    Unsafe,
    /// The user said no.
    Declined,
    /// It cannot be made here, or would not help.
    Impossible(String),
}

/// A finding that stays, and why.
#[derive(Debug, Clone)]
pub struct Left {
    /// The finding.
    pub proposal: Proposal,
    /// Why it stays.
    pub reason: Reason,
}

/// What would be done.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The changes, by path.
    pub changes: Vec<Change>,
    /// The fixes they come from, in the order in which they were taken in.
    pub fixes: Vec<Proposal>,
    /// The findings that stay.
    pub left: Vec<Left>,
    /// How many rounds it took.
    pub rounds: usize,
    /// The changes as a unified diff, without what is hidden from people.
    pub diff: String,
    /// What must follow before the changes hold.
    pub actions: Vec<Action>,
    /// The services that it reaches and that were not named.
    pub others: Vec<Reached>,
    /// Which programs have a say in it.
    pub concerned: Concerned,
    /// What could not be read, of the files as they are.
    pub problems: Vec<Problem>,
    predicted: Counts,
    settings: Settings,
}

/// How many findings there are, by rule and application.
type Counts = BTreeMap<(&'static str, Option<String>), usize>;

/// Makes a plan. Fails only where a file changed while the plan was made.
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

/// What a check finds now, with all that lives.
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

/// What is found on the host now that the plan did not foresee, once it was written.
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
    /// Fixes that are not tried (again), by fingerprint.
    refused: BTreeMap<String, Reason>,
    /// Fixes that somebody said yes to, by fingerprint.
    accepted: BTreeSet<String>,
    fixes: Vec<Proposal>,
}

/// What the rounds came to.
struct Rounds {
    draft: Draft,
    rounds: usize,
    /// What is still found.
    last: Vec<Proposal>,
    predicted: Counts,
}

/// The fixes that hold together, and what they come to.
struct Good {
    taken: Vec<Proposal>,
    reached: Option<(Draft, Seen)>,
}

/// What one check shows.
struct Seen {
    counts: Counts,
    proposals: Vec<Proposal>,
    places: Places,
}

impl Planner<'_> {
    fn rounds(&mut self, mut seen: Seen) -> Rounds {
        let mut draft = Draft::default();
        // What only the live host shows is looked at once: no change of a file changes it yet.
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

    /// The fixes of one round: those that do not touch each other, and that bring the same to light:
    /// what appears then is told from what one of them would bring about.
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

    /// Asks, once for each fix, where somebody is to be asked.
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

    /// Makes them, checks again, and leaves out those that do not help or do harm. Nothing where
    /// none is left. What only clashes with the others waits for the next round.
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

    /// Adds those of a group that do no harm next to the good ones: all of them at once where that
    /// holds, else each half by itself. One that spoils the rest costs as many checks as the group
    /// can be halved, not one for each member.
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
        // What only now can be seen was wrong before.
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
            // What only a live host shows is not counted here.
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

    /// Why a finding is not fixed, as far as that is known beforehand.
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
