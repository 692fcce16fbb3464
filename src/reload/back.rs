//! Rolls back: the recorded link first, then gunicorn, then the probes again. Migrations are never
//! rolled back.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::before::Ready;
use super::failure::Failure;
use super::probing::{self, Probing};
use super::unit;
use super::watch::LOOK;
use super::{EarlyEnd, Ending, Move, Run, Stage, Step, Strategy, cause};
use crate::host::act;

/// How long the site may take to answer again.
const RECOVER: Duration = Duration::from_secs(30);
/// How long a reload may take to bring answers back before a restart does.
const PATIENCE: Duration = Duration::from_millis(1500);
/// This share of what was sent is answered where a site is well again.
const ENOUGH: f64 = 0.7;
/// What is said where the probes fail and gunicorn does not.
const IN_FRONT: &str =
    "gunicorn's own sockets answer: what fails is in front of it (systemctl status nginx)";
/// So long with answers to most probes, it has recovered.
const STEADY: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Takes it back, and ends the story.
    pub(super) fn back(
        &mut self,
        ready: &Ready,
        failure: Failure,
        mut probing: Probing,
    ) -> Result<(), EarlyEnd> {
        probing.mark("failed");
        self.evidence(&failure, &probing);
        self.say(Step::Rollback, &format!("failed: {}", failure.why));
        self.note_event("failed", json!({ "why": failure.why, "evidence": self.story.evidence }));
        self.note_record(Stage::RollingBack, ready.moved.as_ref());
        let result = self.undo(ready, &failure, &mut probing);
        let report = probing.finish();
        let all =
            format!("{} of {} probes failed in total", probing::failed(&report), report.total.sent);
        self.story.evidence.push(all);
        self.story.evidence.extend(probing::evidence(&report));
        self.story.probes = Some(report);
        match result {
            Ok(seconds) => {
                self.note_record(Stage::RolledBack, ready.moved.as_ref());
                let serves = self.story.before.as_deref().map(super::name);
                let serves = serves.unwrap_or_else(|| "the previous code".into());
                let again = match seconds {
                    Some(seconds) => format!(" again after {seconds:.1} s"),
                    None => String::new(),
                };
                let why = format!("{}; rolled back: {serves} serves{again}", failure.why);
                self.story.end(Ending::RolledBack, why);
            }
            Err((why, next)) => {
                self.note_record(Stage::Failed, ready.moved.as_ref());
                self.story.next.extend(next);
                let why = format!("{}; and not rolled back: {why}", failure.why);
                self.story.end(Ending::RollbackFailed, why);
            }
        }
        Ok(())
    }

    /// What the failed attempt left to see: it is gone once the previous release serves again.
    fn evidence(&mut self, failure: &Failure, probing: &Probing) {
        if let Some(mark) = &failure.mark {
            self.story.evidence.extend(cause::since(self.doors.host, mark).lines());
            self.story.next.extend(mark.command());
        }
        if let Some(kind) = probing.counts().last_failure {
            self.story.evidence.push(format!("last failed probe: {kind}"));
        }
    }

    /// The seconds until the site answered again, where it had not; or why not, and what to type.
    fn undo(
        &mut self,
        ready: &Ready,
        failure: &Failure,
        probing: &mut Probing,
    ) -> Result<Option<f64>, (String, Vec<String>)> {
        let began = Instant::now();
        let unit = self.request.unit.clone();
        let way = ready.moved.as_ref().or(ready.way_back.as_ref());
        // A rollback from a site that did not answer never ends there.
        if self.request.rollback && self.sick && !failure.untouched {
            let target = way.map(|moved| moved.to.display().to_string());
            let target = target.unwrap_or_else(|| "the code that was asked for".into());
            return Err((
                format!("what served before did not answer either, so {target} stays"),
                vec![format!("systemctl status {unit}"), format!("journalctl -u {unit} -n 50")],
            ));
        }
        if let Some(moved) = way {
            self.link_back(ready, moved)?;
        } else if !failure.untouched {
            return Err((
                "no release link was moved, so there is no earlier code to go back to".into(),
                vec![format!("put the previous code back, then: systemctl restart {unit}")],
            ));
        }
        if failure.untouched {
            return Ok(None);
        }
        let typed = vec![format!("systemctl status {unit}"), format!("systemctl restart {unit}")];
        // Where new workers serve, wrongly, a reload replaces them without a gap. Where they do not
        // even start, the master is about to end, and takes nothing in any more.
        let verb =
            if failure.serving && ready.strategy == Strategy::Hup { "reload" } else { "restart" };
        probing.mark("rollback");
        self.say_and_run(verb).map_err(|why| (why, typed.clone()))?;
        self.recover(ready, probing, verb == "restart").map_err(|why| (why, typed))?;
        Ok(Some((began.elapsed().saturating_sub(STEADY)).as_secs_f64()))
    }

    fn say_and_run(&mut self, verb: &str) -> Result<(), String> {
        let unit = &self.request.unit;
        let text = format!("systemctl {verb} {unit}");
        self.say(Step::Rollback, &text);
        self.note_event("rollback", json!({ "command": text }));
        self.systemctl(verb)
    }

    /// The link says again what it said.
    fn link_back(&mut self, ready: &Ready, moved: &Move) -> Result<(), (String, Vec<String>)> {
        let by_hand = |target: &Path| {
            vec![
                format!("ln -sfn {} {}", target.display(), moved.link.display()),
                format!("systemctl restart {}", self.request.unit),
            ]
        };
        if let Some(why) = &ready.no_way_back {
            return Err((
                why.clone(),
                vec![format!(
                    "repair the new release, then: deploy-doctor reload {} --release DIR",
                    self.request.unit
                )],
            ));
        }
        if !act::is_directory(&moved.now) {
            let why = format!("the previous release, {}, is gone", moved.now.display());
            let next = by_hand(Path::new("/PATH/OF/A/RELEASE/THAT/WORKS"));
            return Err((why, next));
        }
        act::move_link(&moved.link, &moved.before).map_err(|error| {
            let why = format!("{} could not be moved back: {error}", moved.link.display());
            let mut next = by_hand(&moved.before);
            if error.kind() == std::io::ErrorKind::StorageFull {
                let directory = moved.link.parent().unwrap_or(Path::new("/"));
                next.insert(
                    0,
                    format!("free space where df -hi {} shows 100 %", directory.display()),
                );
            }
            (why, next)
        })?;
        self.note_event("link", json!({ "link": moved.link, "to": moved.before, "back": true }));
        let text = format!("{} -> {}", moved.link.display(), moved.before.display());
        self.say(Step::Rollback, &text);
        Ok(())
    }

    /// Does what failed hold up the restart? It may ignore SIGTERM until systemd's patience ends.
    fn is_stopping(&self) -> bool {
        unit::state(self.doors.host, &self.request.unit)
            .is_ok_and(|state| state.active == "deactivating")
    }

    /// Until the probes are answered again, steadily. A reload that does not bring that about is
    /// followed by a restart, and what does not end for that is killed: nothing is served in the
    /// meantime.
    fn recover(
        &mut self,
        ready: &Ready,
        probing: &Probing,
        mut restarted: bool,
    ) -> Result<(), String> {
        let began = Instant::now();
        let mut seen: Vec<(Instant, u64, u64)> = Vec::new();
        let (mut killed, mut in_front) = (false, false);
        while began.elapsed() < RECOVER {
            std::thread::sleep(LOOK);
            let counts = probing.counts();
            self.tell.tick(Step::Rollback, &counts);
            let now = Instant::now();
            seen.push((now, counts.sent, counts.ok));
            let before = seen.iter().rev().find(|(at, ..)| now.duration_since(*at) >= STEADY);
            // Probes that hung in the meantime are given up late and tell nothing of now, so
            // failures are not counted.
            if let Some((_, sent, ok)) = before {
                let (sent, ok) = (counts.sent - sent, counts.ok - ok);
                if sent > 0 && ok as f64 >= sent as f64 * ENOUGH {
                    return Ok(());
                }
            }
            let silent = counts.since_success.is_none_or(|gap| gap >= PATIENCE);
            if !silent || began.elapsed() < PATIENCE || in_front {
                continue;
            }
            // No restart of gunicorn cures what is in front of it.
            if ready.standing.behind.is_well(self.doors.host) {
                in_front = true;
                self.say(Step::Rollback, IN_FRONT);
                self.story.note(IN_FRONT);
                continue;
            }
            if !restarted {
                restarted = true;
                self.say_and_run("restart")?;
            } else if !killed && self.is_stopping() {
                killed = true;
                self.say_and_run("kill --signal=KILL")?;
            }
        }
        let last = probing.counts().last_failure.unwrap_or_else(|| "no answer".into());
        let seconds = RECOVER.as_secs();
        Err(format!("the site does not answer {seconds} s after the rollback ({last})"))
    }
}
