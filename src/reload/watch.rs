//! The watch over one reload: until old workers are gone, new ones are up and the probes were answered for
//! as long as `--settle` asks, or until something failed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::before::Ready;
use super::deaths;
use super::failure::Failure;
use super::probing::{self, Probing};
use super::unit::{Observer, Worker};
use super::watcher::{Handed, Now, Watcher};
use super::{Lifetime, Run, Step, Strategy};

/// How often the processes are looked at.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// How long old workers may take over their last requests before that is a matter of its own.
const LINGER: Duration = Duration::from_secs(60);
/// What is on its way when the first probe fails says what is wrong.
const EVIDENCE: Duration = Duration::from_millis(300);
/// How long the old master of a restart may take to end: systemd itself kills it after 90 s by default.
const LONGEST_STOP: Duration = Duration::from_secs(600);
/// How long a restart may take until the first answer, once the old master has ended.
const START: Duration = Duration::from_secs(30);

/// What was seen to the end.
pub(super) struct Watched {
    /// The workers' lives.
    pub(super) workers: Vec<Worker>,
    pub(super) handed: Handed,
    /// Old workers were still at work when the time was over.
    pub(super) lingering: usize,
    /// Somebody asked to stop before the end.
    pub(super) stopped: bool,
    /// Until every worker of the new release had loaded the application.
    pub(super) ready: Option<Duration>,
    /// How many probes had failed before the present workers were up.
    pub(super) excused: u64,
    /// Where the link leads that somebody else moved in the meantime.
    pub(super) moved_on: Option<PathBuf>,
    /// How a worker of the new release died, where not so many did that it is taken back.
    pub(super) died: Option<String>,
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
}
