//! How often the site is asked: so seldom that its visitors do not notice.

use std::time::{Duration, Instant};

use super::before::Ready;
use super::probing::Probing;
use super::{EarlyEnd, Run, Step};
use crate::probe::Report;

/// The most requests a second that nobody asked for.
const MOST: f64 = 50.0;
/// Requests a second of the trial, and of a site that answers none.
const TRIAL: f64 = 5.0;
/// How long the trial takes, and how long its answers are waited for.
const TRIAL_TIME: Duration = Duration::from_secs(1);
const TRIAL_PATIENCE: Duration = Duration::from_secs(5);
/// The share of what gunicorn can answer at most that probes may take.
const SHARE: f64 = 0.2;
/// Above this share one probe a second is more than a site can bear.
const TOO_MUCH: f64 = 0.5;

impl Run<'_> {
    /// The rate of the probes, by how long a few answers take.
    pub(super) fn rate(
        &mut self,
        ready: &Ready,
        urls: &[String],
        site: Option<&str>,
    ) -> Result<f64, EarlyEnd> {
        if let Some(rate) = self.request.rate {
            return Ok(rate);
        }
        let incomplete = |why| EarlyEnd::of(super::Ending::Incomplete, why);
        let trial = Probing::start(urls, self.request, &ready.standing.hidden, site, TRIAL)
            .map_err(incomplete)?;
        let began = Instant::now();
        std::thread::sleep(TRIAL_TIME);
        while trial.is_open_before(began + TRIAL_TIME) && began.elapsed() < TRIAL_PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let Some(seconds) = typical(&trial.break_off()) else { return Ok(TRIAL) };
        let Some(at_a_time) = ready.standing.at_a_time else { return Ok(MOST) };
        let load = seconds / at_a_time;
        if load > TOO_MUCH && !self.request.tolerates() {
            return Err(EarlyEnd::refused(format!(
                "an answer takes {seconds:.1} s, and gunicorn works on {at_a_time} at a time: probes \
                 would keep visitors waiting; nothing was touched. Name a page that is answered \
                 faster: --probe http://HOST/PATH; or take that on: --rate 1"
            )));
        }
        let rate = (SHARE / load).floor().clamp(1.0, MOST);
        if rate < MOST {
            let text = format!(
                "an answer takes {seconds:.2} s, and gunicorn works on {at_a_time} at a time: probing \
                 at {rate}/s, so that visitors do not wait for it (--rate sets another)"
            );
            self.say(Step::Baseline, &text);
        }
        Ok(rate)
    }
}

/// How long half of the answers took at most, in seconds; `None` if there was none in time.
fn typical(report: &Report) -> Option<f64> {
    let latency = report.total.latency.as_ref().filter(|_| report.total.ok > 0)?;
    Some((latency.p50_ms / 1000.0).max(0.001))
}
