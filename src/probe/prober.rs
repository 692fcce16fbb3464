//! The handle of a running prober.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::kind::Kind;
use super::report::{self, Report};
use super::run::Run;
use super::settings::{Settings, StartError};
use super::shared::{Shared, Stop};
use super::site::Site;
use crate::host::net::limits;
use crate::host::net::poll::{Poller, Waker};

/// The most connections that are ever open at the same time.
const MOST_OPEN: usize = 16_384;

/// A running prober. Dropping it ends the run.
#[derive(Debug)]
pub struct Prober {
    shared: Arc<Shared>,
    settings: Settings,
    most_open: usize,
    marks: Mutex<Vec<(String, Duration)>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// The results so far, over all targets and series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// The time since the start.
    pub elapsed: Duration,
    /// Probes sent.
    pub sent: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Failed, with any kind of failure.
    pub failed: u64,
    /// Due but not sent, through the prober's own fault.
    pub not_sent: u64,
    /// In flight.
    pub in_flight: u64,
    /// The kind of the last failure.
    pub last_failure: Option<Kind>,
    /// The time since the last success, on the target for which that is longest.
    pub without_success: Duration,
    /// The longest time without a success so far, on any target.
    pub longest_gap: Duration,
    /// Responses with the watched text (`Expect::watch`).
    pub watched: u64,
    /// Responses without the watched text.
    pub unwatched: u64,
    /// Whether the run is over: every probe has an outcome.
    pub ended: bool,
}

impl Prober {
    /// Looks up names, reads certificates, and starts to send probes in a thread of its own. The
    /// first probe is due at once.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        settings.validate()?;
        let sites: Vec<Site> = settings
            .targets
            .iter()
            .map(|target| Site::new(target, &settings))
            .collect::<Result<_, _>>()?;
        let system = |error: std::io::Error| StartError::System(error.to_string());
        let poller = Poller::new().map_err(system)?;
        let waker = poller.waker();
        let most_open = limits::make_room(wanted(&settings));
        let shared = Arc::new(Shared::new(sites.len()));
        let run = Run::new(settings.clone(), sites, poller, Arc::clone(&shared), most_open);
        let thread = std::thread::Builder::new()
            .name("prober".into())
            .spawn(move || run.run())
            .map_err(system)?;
        let marks = Mutex::new(Vec::new());
        Ok(Self { shared, settings, most_open, marks, waker, thread: Some(thread) })
    }

    /// The results so far. Cheap enough for a display that is updated ten times a second.
    pub fn counts(&self) -> Counts {
        let elapsed = self.shared.started.elapsed();
        let record = self.shared.record();
        let mut counts = Counts {
            elapsed,
            sent: 0,
            ok: 0,
            failed: 0,
            not_sent: 0,
            in_flight: record.in_flight,
            last_failure: record.last_failure,
            without_success: Duration::ZERO,
            longest_gap: Duration::ZERO,
            watched: 0,
            unwatched: 0,
            ended: self.shared.ended.load(Ordering::Acquire),
        };
        let now = record.until.map_or(elapsed, |until| until.min(elapsed));
        for target in &record.targets {
            for series in &target.series {
                counts.sent += series.sent;
                counts.ok += series.ok;
                counts.failed += series.failed();
                counts.not_sent += series.not_sent.iter().sum::<u64>();
            }
            counts.watched += target.watched.count;
            counts.unwatched += target.unwatched.count;
            counts.without_success = counts.without_success.max(target.gap.since(now));
            let longest = target.gap.longest(now);
            counts.longest_gap = counts.longest_gap.max(longest.to - longest.from);
        }
        counts
    }

    /// Whether a probe that was due before this moment still has no outcome.
    pub fn is_open_before(&self, moment: Duration) -> bool {
        let record = self.shared.record();
        let mut series = record.targets.iter().flat_map(|target| &target.series);
        series.any(|series| series.is_open_before(moment))
    }

    /// Adds a named moment to the timeline: now.
    pub fn mark(&self, name: &str) {
        let at = self.shared.started.elapsed();
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push((name.to_owned(), at));
    }

    /// Restarts the measurement of the longest time without a success, so that earlier gaps are not
    /// attributed to this reload. A gap that is still going on keeps its whole length.
    pub fn forget_gaps(&self) {
        for target in &mut self.shared.record().targets {
            target.gap.forget();
            for series in &mut target.series {
                series.gap.forget();
            }
        }
    }

    /// The wall clock when the first probe was due.
    pub fn started(&self) -> SystemTime {
        self.shared.started_at
    }

    /// Waits until the run is over by itself (`Settings::duration`), but at most this long. Returns
    /// whether the run is over.
    pub fn wait(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
    }

    /// Sends no more probes. Probes in flight continue; [`Prober::wait`] returns once they have an
    /// outcome.
    pub fn stop(&self) {
        self.tell(Stop::Sending);
    }

    fn tell(&self, stop: Stop) {
        self.shared.tell(stop);
        self.waker.wake();
    }

    /// Sends no more probes, waits for those in flight (at most the timeout), and returns the
    /// report.
    pub fn finish(mut self) -> Report {
        self.end(Stop::Sending);
        self.report()
    }

    /// Ends at once: probes in flight count as failed, "unanswered at the end".
    pub fn finish_now(mut self) -> Report {
        self.end(Stop::Now);
        self.report()
    }

    fn end(&mut self, stop: Stop) {
        self.tell(stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            self.shared.record().broken = Some("the prober's thread failed".to_owned());
        }
    }

    fn report(&self) -> Report {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let started = (self.shared.started_at, self.shared.started.elapsed());
        let record = self.shared.record();
        report::build(&self.settings, &record, started, self.most_open, marks)
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.end(Stop::Now);
    }
}

/// The most connections that can be needed: every probe within a timeout may hang, and some
/// connections are kept.
fn wanted(settings: &Settings) -> usize {
    let hanging = settings.rate * settings.timeout.as_secs_f64() * settings.targets.len() as f64;
    let wanted = hanging as usize + 16 * settings.targets.len() + 16;
    settings.most_open.unwrap_or(wanted).clamp(1, MOST_OPEN)
}
