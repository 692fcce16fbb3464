//! What is looked at after gunicorn was reloaded: the unit and the workers of both releases.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::before::Ready;
use super::cause::{self, Mark};
use super::deaths;
use super::failure::Failure;
use super::unit::{self, Id, Observer, State, Worker};
use super::{Request, Strategy};
use crate::host::Host;

/// How often systemd is asked.
const ASK: Duration = Duration::from_millis(500);
/// A worker without gunicorn's heartbeat counts as up once it has lived this long.
const STANDS: Duration = Duration::from_secs(2);
/// Once all new workers are up, failures after this time are theirs.
const GRACE: Duration = Duration::from_secs(1);
/// How often the logs are asked after a worker was gone: gunicorn's message may come a moment later.
const HEARINGS: u32 = 3;

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
    pub(super) observer: Observer,
    pub(super) handed: Handed,
    strategy: Strategy,
    /// Does gunicorn keep workers that are well?
    keeps_workers: bool,
    state: Option<State>,
    asked: Option<Instant>,
    /// How many workers of the new release must be up.
    wanted: usize,
    /// Since when all of them are up.
    standing: Option<Instant>,
    /// Since when the new main process runs: a restart waits until the old one has ended.
    pub(super) started: Option<Instant>,
    /// How workers of the new release died, by process.
    pub(super) deaths: BTreeMap<u32, String>,
    /// When the logs were asked for deaths.
    heard: Heard,
}

/// When the logs were asked how workers died, and how often since the last one was gone.
#[derive(Debug, Default, Clone, Copy)]
struct Heard {
    gone: usize,
    times: u32,
    at: Option<Instant>,
}

/// The state at one look.
pub(super) enum Now {
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
        ready: &Ready,
    ) -> Self {
        let wanted = handed.old.len().max(1);
        let (state, asked, standing, started) = (None, None, None, None);
        let (deaths, heard) = (BTreeMap::new(), Heard::default());
        Self {
            host,
            request,
            observer,
            handed,
            strategy: ready.strategy,
            keeps_workers: ready.keeps_workers,
            state,
            asked,
            wanted,
            standing,
            started,
            deaths,
            heard,
        }
    }

    pub(super) fn failure(&self, why: impl Into<String>) -> Failure {
        let said = cause::since(self.host, &self.handed.mark);
        let why = why.into();
        let why = said.cause().map_or(why.clone(), |cause| format!("{cause}: {why}"));
        let loaded = |w: &Worker| !self.handed.old.contains(&w.id) && w.loaded.is_some();
        let serving = self.observer.living().any(loaded);
        Failure { why, untouched: false, serving, mark: Some(self.handed.mark.clone()) }
    }

    /// Looks once at unit and processes.
    pub(super) fn look(&mut self) -> Result<Now, Failure> {
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
        let aged = |worker: &&Worker| worker.seen.elapsed() >= STANDS;
        let stands = |worker: &&Worker| match beats {
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
    pub(super) fn settled(&self) -> bool {
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

    /// Workers that end are replaced for ever. Two whole sets of them are more than another reload by
    /// somebody else would end.
    fn judge_workers(&self) -> Result<(), Failure> {
        let most = self.wanted * 2 + 2;
        let unloaded = self.gone().filter(|worker| worker.loaded.is_none()).count();
        if unloaded > most {
            let why =
                format!("{unloaded} new workers exited before they had loaded the application");
            return Err(self.failure(why));
        }
        // gunicorn is silent about those that exit with 0, and 20.1 about every exit.
        let gone = self.gone().count();
        if self.keeps_workers && gone > most {
            let why = format!(
                "{gone} workers of the new release exited by themselves, one after another"
            );
            return Err(self.failure(why));
        }
        Ok(())
    }
}

impl Watcher<'_> {
    /// Workers of the new release that are gone.
    fn gone(&self) -> impl Iterator<Item = &Worker> {
        let workers = self.observer.workers.values();
        workers.filter(|worker| !self.handed.old.contains(&worker.id) && worker.gone.is_some())
    }

    /// Asks the logs how they went, where some did. gunicorn may say so a moment later.
    fn hear_of_deaths(&mut self) {
        let served = self.gone().filter(|worker| worker.loaded.is_some());
        let gone: BTreeSet<u32> = served.map(|worker| worker.id.pid).collect();
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
