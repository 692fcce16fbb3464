//! The last word on a release: whether it answers, and what is told where it stays.

use std::time::Duration;

use serde_json::json;

use super::before::Ready;
use super::failure::Failure;
use super::probing::{self, Probing};
use super::unit::Worker;
use super::watch::Watched;
use super::{EarlyEnd, Ending, Run, Stage, Step, Strategy};
use crate::probe::Report;

/// How long the answers are looked through for the version.
const VERIFY: Duration = Duration::from_secs(1);

impl Run<'_> {
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
        let new = |worker: &&Worker| !watched.handed.old.contains(&worker.id);
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
