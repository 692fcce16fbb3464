//! How a reload uses the prober.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::Request;
use crate::facts::{App, Endpoint};
use crate::probe::{Expect, Kind, Prober, Report, Settings, Target};
use crate::source::Secret;

/// Answers come steadily again once that many looks in a row saw none fail.
const STEADY: u32 = 10;
/// A success that is no older than this counts as recent.
const FRESH: Duration = Duration::from_millis(400);

/// What was seen so far.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    /// Probes sent.
    pub sent: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// Those that failed once the site had answered steadily again after others had failed.
    pub failed_after_recovery: u64,
    /// How long the last success is ago; `None` if there was none.
    pub since_success: Option<Duration>,
    /// The last failure, in words.
    pub last_failure: Option<String>,
    /// Answers with the text of `--expect-version`.
    pub with_version: u64,
    /// Answers without it.
    pub without_version: u64,
}

/// A prober at work.
pub(super) struct Probing {
    prober: Prober,
    began: Instant,
    /// Failures at the last look, and for how many looks there were no more.
    quiet: Cell<(u64, u32)>,
    /// Failures when the site had recovered.
    recovered: Cell<Option<u64>>,
}

impl Probing {
    /// Asks all of these from now on, by the `name` of the site where one is given. An answer with
    /// the version in it is noted, and so is one without.
    pub(super) fn start(
        urls: &[String],
        request: &Request,
        hidden: &[Secret],
        name: Option<&str>,
        rate: f64,
    ) -> Result<Self, String> {
        let asking = request.asking.clone();
        let targets = urls.iter().map(|url| {
            let mut target = Target::parse(url).map_err(|error| error.to_string())?;
            if let Some(name) = name {
                name.clone_into(&mut target.request.host);
            }
            Ok::<Target, String>(target)
        });
        let settings = Settings {
            rate,
            timeout: request.timeout,
            headers: asking.headers,
            trust: asking.trust,
            resolve: asking.resolve,
            hidden: hidden.to_vec(),
            expect: Expect { watch: request.expect_version.clone(), ..Expect::default() },
            ..Settings::new(targets.collect::<Result<_, _>>()?)
        };
        let prober = Prober::start(settings).map_err(|error| error.to_string())?;
        let began = Instant::now();
        Ok(Self { prober, began, quiet: Cell::default(), recovered: Cell::default() })
    }

    /// What was seen so far; to be asked ten times a second.
    pub(super) fn counts(&self) -> Probes {
        let counts = self.prober.counts();
        let fresh = counts.without_success < FRESH;
        let (failed, looks) = self.quiet.get();
        let looks = if counts.failed == failed && fresh { looks + 1 } else { 0 };
        self.quiet.set((counts.failed, looks));
        if counts.failed > 0 && looks >= STEADY && self.recovered.get().is_none() {
            self.recovered.set(Some(counts.failed));
        }
        let recovered = self.recovered.get();
        Probes {
            sent: counts.sent,
            ok: counts.ok,
            failed: counts.failed,
            failed_after_recovery: recovered.map_or(0, |at| counts.failed - at.min(counts.failed)),
            since_success: (counts.ok > 0).then_some(counts.without_success),
            last_failure: counts.last_failure.map(|kind: Kind| kind.text().to_owned()),
            with_version: counts.watched,
            without_version: counts.unwatched,
        }
    }

    /// Has a probe that was due before this moment no outcome yet?
    pub(super) fn is_open_before(&self, moment: Instant) -> bool {
        self.prober.is_open_before(moment.saturating_duration_since(self.began))
    }

    pub(super) fn mark(&self, name: &str) {
        self.prober.mark(name);
    }

    /// The moment that gaps count from.
    pub(super) fn reload_begins(&self) {
        self.mark("reload");
        self.prober.forget_gaps();
    }

    /// When the first probe was due.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Waits for what is on its way.
    pub(super) fn finish(self) -> Report {
        self.prober.finish()
    }

    /// Ends at once.
    pub(super) fn break_off(self) -> Report {
        self.prober.finish_now()
    }
}

/// The application's own sockets, as URLs that this machine can ask.
pub(super) fn of_sockets(app: &App) -> Vec<String> {
    let bounds = app.bounds().ok().map(Vec::as_slice).unwrap_or_default();
    let url = |endpoint: &Endpoint| match endpoint {
        Endpoint::Unix(path) => format!("unix:{}", path.display()),
        Endpoint::Tcp { host, port } => {
            let host = host.from_here();
            match host.contains(':') {
                true => format!("http://[{host}]:{port}/"),
                false => format!("http://{host}:{port}/"),
            }
        }
    };
    bounds.iter().map(|bound| url(&bound.endpoint)).collect()
}

/// The kinds of failure in words, the most frequent first.
pub(super) fn kinds(report: &Report) -> String {
    // What was broken off with the run says nothing of the site, where anything else does.
    let mut kinds: Vec<_> = report.total.failures.iter().collect();
    if kinds.iter().any(|failure| failure.kind != Kind::Unanswered) {
        kinds.retain(|failure| failure.kind != Kind::Unanswered);
    }
    kinds.sort_by_key(|failure| std::cmp::Reverse(failure.count));
    let words = kinds.iter().map(|failure| format!("{} × {}", failure.count, failure.text));
    words.collect::<Vec<_>>().join(", ")
}

/// The first failure of each kind: what was answered.
pub(super) fn evidence(report: &Report) -> Vec<String> {
    let all = report.targets.iter().flat_map(|target| {
        target.evidence.iter().map(move |evidence| {
            let status = evidence.status.map(|status| format!(", status {status}"));
            let error = evidence.error.as_ref().map(|error| format!(", {error}"));
            let body = evidence.body.as_ref().map(|body| format!(": {body}"));
            format!(
                "{}: {}{}{}{}",
                target.url,
                evidence.kind.text(),
                status.unwrap_or_default(),
                error.unwrap_or_default(),
                body.unwrap_or_default()
            )
        })
    });
    all.collect()
}

/// The longest time without an answer since the reload began.
pub(super) fn longest_gap(report: &Report) -> Duration {
    report.targets.iter().map(|target| target.longest_gap.length()).max().unwrap_or_default()
}

pub(super) fn failed(report: &Report) -> u64 {
    report.total.failed
}

/// What was seen, and what that rules out.
pub(super) fn promise(report: &Report) -> String {
    let (sent, failed) = (report.total.sent, report.total.failed);
    let late = match report.lateness.late {
        0 => String::new(),
        late => format!("; the prober itself was late {late} times"),
    };
    format!("{failed} of {sent} probes failed at {}/s: {}{late}", report.rate, report.upper_bound)
}

/// A tenth of a second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    /// Probes that were due in it.
    pub sent: u64,
    /// Answered.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// The longest that any of them took, in milliseconds.
    pub worst: f64,
}

/// The timeline, a tenth of a second each.
pub(super) fn slots(report: &Report) -> Vec<Slot> {
    let slot = |bucket: &crate::probe::report::Bucket| Slot {
        sent: bucket.sent,
        ok: bucket.ok,
        failed: bucket.failed,
        worst: bucket.worst_ms,
    };
    report.timeline.iter().map(slot).collect()
}

/// Several slots as one.
pub(super) fn join(slots: &[Slot]) -> Slot {
    slots.iter().fold(Slot::default(), |sum, slot| Slot {
        sent: sum.sent + slot.sent,
        ok: sum.ok + slot.ok,
        failed: sum.failed + slot.failed,
        worst: sum.worst.max(slot.worst),
    })
}

/// The named moments, in seconds.
pub(super) fn marks(report: &Report) -> Vec<(String, f64)> {
    let at = |mark: &crate::probe::report::Mark| mark.at.offset.as_secs_f64();
    report.marks.iter().map(|mark| (mark.name.clone(), at(mark))).collect()
}
