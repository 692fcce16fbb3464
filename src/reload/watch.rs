//! What is watched after gunicorn was reloaded: the probes, the unit, the workers of both releases,
//! and whether the new release answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::before::Ready;
use super::cause::{self, Mark};
use super::deaths;
use super::failure::Failure;
use super::probing::{self, Probing};
use super::unit::{self, Id, Observer, State};
use super::{EarlyEnd, Ending, Lifetime, Request, Run, Stage, Step, Strategy};
use crate::host::Host;
use crate::probe::Report;

/// How often the processes are looked at.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// How often systemd is asked.
const ASK: Duration = Duration::from_millis(500);
/// How long old workers may take over their last requests before that is a matter of its own.
const LINGER: Duration = Duration::from_secs(60);
/// What is on its way when the first probe fails says what is wrong.
const EVIDENCE: Duration = Duration::from_millis(300);
/// How long the answers are looked through for the version.
const VERIFY: Duration = Duration::from_secs(1);
/// A worker without gunicorn's heartbeat counts as up once it has lived this long.
const STANDS: Duration = Duration::from_secs(2);
/// Once all new workers are up, failures after this time are theirs.
const GRACE: Duration = Duration::from_secs(1);
/// How often the logs are asked after a worker was gone: gunicorn's message may come a moment later.
const HEARINGS: u32 = 3;
/// How long the old master of a restart may take to end: systemd itself kills it after 90 s by default.
const LONGEST_STOP: Duration = Duration::from_secs(600);
/// How long a restart may take until the first answer, once the old master has ended.
const START: Duration = Duration::from_secs(30);

/// What was reported, and what can be seen now.
pub(super) struct Handed {
    /// The workers that were there before.
    pub old: BTreeSet<Id>,
    /// The main process that must be there afterwards; none: another than before.
    pub main: Option<Id>,
    /// The main process before; 0 where there was none.
    pub before: u32,
    /// The position in the journal.
    pub mark: Mark,
    /// When gunicorn was reloaded.
    pub at: Instant,
}

/// Watches one hand-over.
pub(super) struct Watcher<'h> {
    host: &'h dyn Host,
    request: &'h Request,
    observer: Observer,
    handed: Handed,
    strategy: Strategy,
    state: Option<State>,
    asked: Option<Instant>,
    /// How many workers of the new release must be up.
    wanted: usize,
    /// Since when all of them are up.
    standing: Option<Instant>,
    /// Since when the new main process runs: a restart waits until the old one has ended.
    started: Option<Instant>,
    /// How workers of the new release died, by process.
    deaths: BTreeMap<u32, String>,
    /// When the logs were asked for deaths.
    heard: Heard,
}

/// What was seen to the end.
pub(super) struct Watched {
    /// The workers' lives.
    workers: Vec<super::unit::Worker>,
    handed: Handed,
    /// Old workers were still at work when the time was over.
    lingering: usize,
    /// Somebody asked to stop before the end.
    pub(super) stopped: bool,
    /// Until every worker of the new release had loaded the application.
    ready: Option<Duration>,
    /// How many probes had failed before the present workers were up.
    excused: u64,
    /// Where the link leads that somebody else moved in the meantime.
    pub(super) moved_on: Option<PathBuf>,
    /// How a worker of the new release died, where not so many did that it is taken back.
    died: Option<String>,
}

/// When the logs were asked how workers died, and how often since the last one was gone.
#[derive(Debug, Default, Clone, Copy)]
struct Heard {
    gone: usize,
    times: u32,
    at: Option<Instant>,
}

/// The state at one look.
enum Now {
    /// Go on.
    Going,
    /// Old workers are gone, new ones are up.
    Done,
}

impl<'h> Watcher<'h> {
    pub(super) fn new(
        host: &'h dyn Host,
        request: &'h Request,
        observer: Observer,
        handed: Handed,
        strategy: Strategy,
    ) -> Self {
        let wanted = handed.old.len().max(1);
        let (state, asked, standing, started) = (None, None, None, None);
        let (deaths, heard) = (BTreeMap::new(), Heard::default());
        Self {
            host,
            request,
            observer,
            handed,
            strategy,
            state,
            asked,
            wanted,
            standing,
            started,
            deaths,
            heard,
        }
    }

    fn failure(&self, why: impl Into<String>) -> Failure {
        let said = cause::since(self.host, &self.handed.mark);
        let why = why.into();
        let why = said.cause().map_or(why.clone(), |cause| format!("{cause}: {why}"));
        let loaded =
            |w: &super::unit::Worker| !self.handed.old.contains(&w.id) && w.loaded.is_some();
        let serving = self.observer.living().any(loaded);
        Failure { why, untouched: false, serving, mark: Some(self.handed.mark.clone()) }
    }

    /// Looks once at unit and processes.
    fn look(&mut self) -> Result<Now, Failure> {
        if self.asked.is_none_or(|asked| asked.elapsed() >= ASK) {
            self.asked = Some(Instant::now());
            let state = unit::state(self.host, &self.request.unit).map_err(|w| self.failure(w))?;
            let judged = self.judge_unit(&state);
            let replaced = state.main_pid != 0 && state.main_pid != self.handed.before;
            if self.started.is_none() && (replaced || self.strategy != Strategy::Restart) {
                self.started = Some(Instant::now());
            }
            self.observer.follow(&state);
            self.state = Some(state);
            // What is wrong now is asked for again at once: it may be over, or it stays.
            judged.inspect_err(|_| self.asked = None)?;
        }
        let Some(state) = &self.state else { return Ok(Now::Going) };
        let (main, busy) = (state.main_pid, state.busy);
        let old_master = self.handed.main.map(|main| main.pid);
        let masters: Vec<u32> = [Some(main), old_master].into_iter().flatten().collect();
        self.observer.look(&masters);
        self.judge_workers()?;
        self.hear_of_deaths();
        self.judge_deaths()?;
        let old = &self.handed.old;
        let living = || self.observer.living();
        let gone = living().all(|worker| !old.contains(&worker.id));
        let new: Vec<_> = living().filter(|worker| !old.contains(&worker.id)).collect();
        // A worker class without gunicorn's heartbeat shows nothing; that it lives on does.
        let beats = new.iter().any(|worker| worker.beats());
        let aged = |worker: &&super::unit::Worker| worker.seen.elapsed() >= STANDS;
        let stands = |worker: &&super::unit::Worker| match beats {
            true => worker.loaded.is_some(),
            false => aged(worker),
        };
        // Fewer than before are all there are where no more came for a while.
        let enough = new.len() >= self.wanted || (!new.is_empty() && new.iter().all(aged));
        let all = enough && !busy && new.iter().all(stands);
        self.standing = all.then(|| self.standing.unwrap_or_else(Instant::now));
        Ok(if gone && all { Now::Done } else { Now::Going })
    }

    /// Are the workers of the new release up, so that failures are theirs?
    fn settled(&self) -> bool {
        self.standing.is_some_and(|since| since.elapsed() >= GRACE)
    }

    fn judge_unit(&self, state: &State) -> Result<(), Failure> {
        if state.busy {
            return Ok(());
        }
        let after = self.handed.at.elapsed();
        if !state.is_up() && (self.strategy != Strategy::Restart || after > Duration::from_secs(2))
        {
            let how = match state.result.as_str() {
                "" | "success" => String::new(),
                result => format!(" ({result})"),
            };
            let word = if state.sub == "auto-restart" { "auto-restart" } else { &state.active };
            return Err(self.failure(format!("gunicorn's master exited, the unit is {word}{how}")));
        }
        if !matches!(state.reload_result.as_str(), "" | "success") && self.strategy == Strategy::Hup
        {
            return Err(self.failure(format!("the reload failed ({})", state.reload_result)));
        }
        if let Some(main) = self.handed.main {
            let same = state.main_pid == main.pid && self.observer.process(main.pid) == Some(main);
            if !same {
                let why = "gunicorn's master exited, and systemd restarted it";
                return Err(self.failure(why));
            }
        }
        Ok(())
    }

    /// Workers that end as soon as they start are replaced for ever.
    fn judge_workers(&self) -> Result<(), Failure> {
        let new = |id: &Id| !self.handed.old.contains(id);
        let gone = self
            .observer
            .workers
            .values()
            .filter(|worker| new(&worker.id) && worker.gone.is_some() && worker.loaded.is_none())
            .count();
        if gone > self.wanted * 2 + 2 {
            let why = format!("{gone} new workers exited before they had loaded the application");
            return Err(self.failure(why));
        }
        Ok(())
    }
}

impl Watcher<'_> {
    /// Workers of the new release that had loaded the application and are gone.
    fn gone(&self) -> BTreeSet<u32> {
        let workers = self.observer.workers.values();
        let fallen = workers.filter(|worker| {
            !self.handed.old.contains(&worker.id)
                && worker.gone.is_some()
                && worker.loaded.is_some()
        });
        fallen.map(|worker| worker.id.pid).collect()
    }

    /// Asks the logs how they went, where some did. gunicorn may say so a moment later.
    fn hear_of_deaths(&mut self) {
        let gone = self.gone();
        if self.heard.gone != gone.len() {
            self.heard = Heard { gone: gone.len(), times: 0, ..self.heard };
        }
        // Workers that ended well leave no message, so the logs are asked a few times and no more.
        let told = gone.iter().all(|pid| self.deaths.contains_key(pid));
        let lately = self.heard.at.is_some_and(|at| at.elapsed() < ASK);
        if told || lately || self.heard.times == HEARINGS {
            return;
        }
        self.heard.times += 1;
        self.heard.at = Some(Instant::now());
        let mut deaths = deaths::since(self.host, &self.handed.mark);
        deaths.retain(|pid, _| gone.contains(pid));
        self.deaths = deaths;
    }

    /// A release whose workers die is not to stay, though others answer in their place.
    fn judge_deaths(&self) -> Result<(), Failure> {
        if self.deaths.len() <= deaths::TOLERATED {
            return Ok(());
        }
        let how: Vec<&String> = self.deaths.values().collect();
        let why = format!(
            "{} workers of the new release died after they had loaded the application: {}",
            how.len(),
            deaths::words(&how)
        );
        Err(self.failure(why))
    }
}

impl<'a> Run<'a> {
    pub(super) fn watch(
        &mut self,
        ready: &Ready,
        mut watcher: Watcher<'a>,
        probing: &mut Probing,
    ) -> Result<Watched, Failure> {
        let mut began = probing.counts();
        let mut settled = false;
        let mut done: Option<Instant> = None;
        let mut settled_at: Option<Instant> = None;
        let mut failing: Option<Instant> = None;
        let mut lingering = 0;
        let mut took = None;
        let stopped = loop {
            std::thread::sleep(LOOK);
            let counts = probing.counts();
            self.tell.tick(Step::Watch, &counts);
            let result = watcher.look().map(|now| matches!(now, Now::Done));
            // Until then a restart, or a site that was not well before, could not but fail some.
            if self.excused(ready, &watcher, &counts) {
                settled = false;
            } else if !std::mem::replace(&mut settled, true) && self.may_fail(ready) {
                began = counts.clone();
            }
            let failed = counts.failed - began.failed;
            let over = failed > self.request.max_failed && !self.excused(ready, &watcher, &counts);
            if over || result.is_err() {
                let since = *failing.get_or_insert_with(Instant::now);
                if since.elapsed() >= EVIDENCE {
                    self.lives(&watcher.observer, &watcher.handed, probing);
                    let what = format!("{failed} of {} probes failed", counts.sent - began.sent);
                    let what = match counts.last_failure.as_deref() {
                        Some(kind) => format!("{what} ({kind})"),
                        None => what,
                    };
                    return Err(match result {
                        Err(failure) => failure,
                        Ok(_) => watcher.failure(what),
                    });
                }
                continue;
            }
            failing = None;
            if let Some(gap) = counts.since_success
                && gap > self.request.timeout.max(Duration::from_secs(1)) + EVIDENCE
                && !self.excused(ready, &watcher, &counts)
            {
                self.lives(&watcher.observer, &watcher.handed, probing);
                let gap = gap.as_secs_f64();
                let why = format!("no answer in time: no probe succeeded for {gap:.1} s");
                return Err(watcher.failure(why));
            }
            if self.doors.interrupts.heard() {
                break true;
            }
            match (result, done) {
                (Ok(true), None) => {
                    took = Some(watcher.handed.at.elapsed());
                    done = Some(Instant::now());
                    probing.mark("handed over");
                    let text = format!(
                        "old workers gone, new ones up after {:.1} s; watching {} s more",
                        watcher.handed.at.elapsed().as_secs_f64(),
                        self.request.settle.as_secs()
                    );
                    self.say(Step::Watch, &text);
                }
                (Ok(true), Some(since)) if since.elapsed() >= self.request.settle => {
                    // Probes that hang fail only when their time is over: what was asked so far
                    // decides, not what was answered so far.
                    let until = *settled_at.get_or_insert_with(Instant::now);
                    let patience = self.request.timeout + Duration::from_secs(1);
                    if !probing.is_open_before(until) || until.elapsed() > patience {
                        break false;
                    }
                }
                (Ok(false), _)
                    if watcher.started.is_some_and(|started| started.elapsed() > LINGER) =>
                {
                    let old = &watcher.handed.old;
                    lingering = watcher.observer.living().filter(|w| old.contains(&w.id)).count();
                    if lingering > 0 && lingering == watcher.observer.living().count() {
                        let why = "no worker was started after the reload: gunicorn's master did not \
                                   act on it";
                        return Err(watcher.failure(why));
                    }
                    if lingering == 0 {
                        let why = "the new release's workers were not up within a minute";
                        return Err(watcher.failure(why));
                    }
                    break false;
                }
                _ => {}
            }
        };
        self.lives(&watcher.observer, &watcher.handed, probing);
        let moved_on = ready.moved.as_ref().and_then(|moved| {
            let now = self.doors.host.read_link(&moved.link).ok()?;
            (now != moved.to).then_some(now)
        });
        let died: Vec<String> = watcher.deaths.into_values().collect();
        Ok(Watched {
            workers: watcher.observer.workers.into_values().collect(),
            handed: watcher.handed,
            lingering,
            stopped,
            ready: took,
            excused: began.failed,
            moved_on,
            died: (!died.is_empty()).then(|| deaths::words(&died.iter().collect::<Vec<_>>())),
        })
    }

    /// A restart without socket activation cannot but fail some requests, and a site that is not well
    /// fails them until it is.
    fn may_fail(&self, ready: &Ready) -> bool {
        self.sick || (ready.strategy == Strategy::Restart && !ready.standing.socket_activated)
    }

    /// This holds until the new workers are up.
    fn excused(&self, ready: &Ready, watcher: &Watcher, counts: &probing::Probes) -> bool {
        self.may_fail(ready)
            && !watcher.settled()
            && watcher.started.is_none_or(|started| started.elapsed() < START)
            && watcher.handed.at.elapsed() < LONGEST_STOP
            && (self.sick || counts.failed_after_recovery <= self.request.max_failed)
    }

    /// Keeps the workers' lives.
    fn lives(&mut self, observer: &Observer, handed: &Handed, probing: &Probing) {
        let zero = probing.began();
        let since = |at: Instant| at.saturating_duration_since(zero).as_secs_f64();
        self.story.workers = observer
            .workers
            .values()
            .map(|worker| Lifetime {
                pid: worker.id.pid,
                old: handed.old.contains(&worker.id),
                from: if handed.old.contains(&worker.id) { 0.0 } else { since(worker.seen) },
                loaded: worker.loaded.map(since),
                to: worker.gone.map(since),
            })
            .collect();
    }

    /// Does the new release answer?
    pub(super) fn verify(
        &mut self,
        ready: &Ready,
        watched: &Watched,
        probing: &Probing,
    ) -> Result<(), Failure> {
        let failure = |why: String| Failure {
            why,
            untouched: false,
            serving: true,
            mark: Some(watched.handed.mark.clone()),
        };
        // Then another deployment decides what serves.
        if watched.stopped || watched.moved_on.is_some() {
            return Ok(());
        }
        if let Some(fault) = ready.standing.behind.fault(self.doors.host) {
            return Err(failure(format!(
                "the new release answers no request, and nginx hides that (by a cache or an error \
                 page): asked directly, {fault}"
            )));
        }
        let shown = self.request.expect_version.is_some();
        if ready.standing.stale && ready.strategy != Strategy::Restart && !shown {
            let before = self.story.before.as_deref().map(super::name);
            return Err(failure(format!(
                "{} still serves: gunicorn does not follow the link (U113)",
                before.unwrap_or_else(|| "the previous code".into())
            )));
        }
        if shown {
            let before = probing.counts();
            std::thread::sleep(VERIFY);
            let now = probing.counts();
            let (with, without) = (
                now.with_version - before.with_version,
                now.without_version - before.without_version,
            );
            if without > 0 || with == 0 {
                let (all, none) = (now.with_version, now.without_version);
                self.story.evidence.push(format!(
                    "since the first probe {all} answers contained the text of --expect-version, \
                     {none} did not"
                ));
                let what = match with + without {
                    0 => "no probe was answered, so nothing shows which release serves".to_owned(),
                    all => format!(
                        "the wrong release answers: {without} of {all} answers lack the text of \
                         --expect-version{}",
                        ready.others()
                    ),
                };
                return Err(failure(what));
            }
            let text = format!("all {with} answers contain the text of --expect-version");
            self.say(Step::Verify, &text);
            return Ok(());
        }
        let new = |worker: &&super::unit::Worker| !watched.handed.old.contains(&worker.id);
        let living = watched.workers.iter().filter(|worker| worker.gone.is_none());
        let count = living.filter(new).count();
        let text = format!(
            "{count} workers started after the reload (--expect-version TEXT would check their \
             answers)"
        );
        self.say(Step::Verify, &text);
        Ok(())
    }

    /// The last word, where the new release stays.
    pub(super) fn conclude(
        &mut self,
        ready: &Ready,
        watched: Watched,
        report: Report,
    ) -> Result<(), EarlyEnd> {
        let mut gap = probing::longest_gap(&report);
        let mut failed = probing::failed(&report);
        let mut promise = probing::promise(&report);
        if self.sick {
            // What failed before it was repaired is not what repaired it.
            failed -= watched.excused.min(failed);
            gap = std::time::Duration::ZERO;
            promise = format!(
                "{failed} probes failed after its workers were up, {} before",
                watched.excused
            );
        }
        self.story.probes = Some(report);
        let release = self.story.release.as_deref().map(super::name);
        let release = release.unwrap_or_else(|| "the code".into());
        for other in &ready.standing.others {
            self.story.note(format!(
                "{other} follows the same link and was not reloaded: it still serves the previous \
                 release"
            ));
            self.story.next.push(format!("deploy-doctor reload {other}"));
        }
        let mut degraded = Vec::new();
        if watched.stopped {
            degraded.push("stopped by a signal before the end was seen".to_owned());
            if failed > 0 {
                self.story.next.push(format!("deploy-doctor rollback {}", self.request.unit));
            }
        }
        if let (Some(now), Some(moved)) = (&watched.moved_on, &ready.moved) {
            degraded.push(format!(
                "somebody else moved {} to {} in the meantime",
                moved.link.display(),
                now.display()
            ));
        }
        if failed > 0 {
            degraded.push(format!("{failed} probes failed"));
        }
        if gap > self.request.stall {
            degraded.push(format!(
                "the site stalled for {:.2} s (more than {:.2} s)",
                gap.as_secs_f64(),
                self.request.stall.as_secs_f64()
            ));
        }
        if let Some(how) = &watched.died {
            degraded.push(format!("a worker of it died: {how}"));
        }
        if watched.lingering > 0 {
            degraded.push(format!("{} old workers are still at work", watched.lingering));
        }
        let unseen = watched.stopped || watched.moved_on.is_some();
        let stage = if unseen { Stage::Unverified } else { Stage::Verified };
        self.note_record(stage, ready.moved.as_ref());
        if let Some(took) = watched.ready {
            self.note_event("watched", json!({ "seconds": took.as_secs_f64() }));
        }
        if degraded.is_empty() {
            self.story.end(Ending::Reloaded, format!("{release} serves: {promise}"));
        } else {
            let seen = match unseen {
                true => format!("it was not seen whether {release} serves"),
                false => format!("{release} serves"),
            };
            let why = format!("{}; {seen}: {promise}", degraded.join(", "));
            self.story.end(Ending::Degraded, why);
            let beside = ready.standing.may_hand_over(&ready.state).is_ok();
            if failed == 0 && gap > self.request.stall && ready.strategy == Strategy::Hup && beside
            {
                self.story.note(
                    "with --strategy usr2 the next reload would not stall: the new workers load \
                     the application while the old ones serve",
                );
            }
        }
        Ok(())
    }
}
