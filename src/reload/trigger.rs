//! Makes gunicorn load the new release: by a HUP, by a second master alongside the first, or by a
//! restart.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::before::Ready;
use super::cause::Mark;
use super::failure::Failure;
use super::probing::Probing;
use super::unit::{self, Id, Observer};
use super::watch::LOOK;
use super::watcher::{Handed, Watcher};
use super::{EarlyEnd, Run, Stage, Step, Strategy};
use crate::host::act::{self, Send};
use crate::host::{Command, Program};

/// How long a command of systemctl's may take that waits for nothing.
const COMMAND: Duration = Duration::from_secs(20);
/// How long a second master may take to appear, and systemd to take it as the main process.
const APPEAR: Duration = Duration::from_secs(10);

/// How long a second master that failed may take to end.
const ENDS: Duration = Duration::from_secs(3);

/// A strategy in words, with what it does.
pub(super) fn words(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Usr2 => "a second master next to the first (usr2)",
        Strategy::Restart => "a restart",
        Strategy::Auto | Strategy::Hup => "a reload (hup)",
    }
}

impl<'a> Run<'a> {
    pub(super) fn trigger(
        &mut self,
        ready: &Ready,
        probing: &mut Probing,
    ) -> Result<Watcher<'a>, Failure> {
        let host = self.doors.host;
        let mut observer = Observer::new(&ready.state, ready.standing.wrapped);
        observer.look(&[ready.state.main_pid]);
        // Whoever rolls back wants one release to serve.
        if self.request.tolerates()
            && let Some(second) = ready.standing.second.and_then(|pid| observer.process(pid))
        {
            self.say(
                Step::Trigger,
                &format!(
                    "process {}, a second master that was left over, and its workers are ended",
                    second.pid
                ),
            );
            self.end_second(&mut observer, second);
        }
        let old: BTreeSet<Id> = observer.living().map(|worker| worker.id).collect();
        let log = ready.standing.error_log.clone();
        let mark = Mark::now(host, &self.request.unit, log).without(old.iter().map(|id| id.pid));
        let failure =
            |why: String, untouched: bool| Failure { why, untouched, serving: false, mark: None };
        if self.doors.interrupts.heard() {
            let why = "stopped by a signal before gunicorn was reloaded";
            return Err(failure(why.into(), true));
        }
        if let Err(EarlyEnd { why, .. }) = self.record(Stage::Triggered, ready.moved.as_ref()) {
            return Err(failure(why, true));
        }
        self.note_event("trigger", json!({ "strategy": ready.strategy.word() }));
        probing.reload_begins();
        let at = Instant::now();
        let main = observer.process(ready.state.main_pid);
        let before = ready.state.main_pid;
        let mut handed = Handed { old, main, before, mark, at };
        match ready.strategy {
            Strategy::Auto | Strategy::Hup => {
                self.say(Step::Trigger, &format!("systemctl reload {}", self.request.unit));
                self.systemctl("reload").map_err(|why| failure(why, true))?;
            }
            Strategy::Restart => {
                if !ready.standing.socket_activated {
                    self.say(
                        Step::Trigger,
                        "a restart: requests fail until gunicorn listens again",
                    );
                }
                self.say(Step::Trigger, &format!("systemctl restart {}", self.request.unit));
                handed.main = None;
                self.systemctl("restart").map_err(|why| failure(why, false))?;
            }
            Strategy::Usr2 => {
                let new = self.second_master(ready, &mut observer, probing, &handed)?;
                handed.main = Some(new);
            }
        }
        Ok(Watcher::new(self.doors.host, self.request, observer, handed, ready))
    }

    /// Gives systemd a job, by a verb and its options; what comes of it is watched.
    pub(super) fn systemctl(&self, verb: &str) -> Result<(), String> {
        let unit = &self.request.unit;
        let words = verb.split(' ');
        let arguments = ["--no-block"].into_iter().chain(words).chain(["--", unit]);
        let command = Command::new(Program::Systemctl, arguments).within(COMMAND);
        let output = self.doors.host.run(&command).map_err(|error| error.to_string())?;
        if output.status == Some(0) {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = crate::source::show::line(said.lines().next().unwrap_or_default());
        Err(format!("systemctl {verb} {unit}: {said}"))
    }

    /// SIGUSR2, and all that has to follow before the first master may go.
    fn second_master(
        &mut self,
        ready: &Ready,
        observer: &mut Observer,
        probing: &Probing,
        handed: &Handed,
    ) -> Result<Id, Failure> {
        let mark = || Some(handed.mark.clone());
        let untouched = |why: String| Failure { why, untouched: true, serving: true, mark: mark() };
        ready.standing.may_hand_over(&ready.state).map_err(untouched)?;
        let old = handed.main.ok_or_else(|| untouched("gunicorn's master is gone".into()))?;
        let children: BTreeSet<Id> = observer.children(old.pid).into_iter().collect();
        self.say(Step::Trigger, &format!("SIGUSR2 to process {}: a second master", old.pid));
        act::signal(old.pid, old.started, Send::Usr2)
            .map_err(|error| untouched(format!("SIGUSR2 to process {}: {error}", old.pid)))?;
        let new = self.appear(observer, old, &children).map_err(untouched)?;
        let result = self.wait_for_workers(ready, observer, probing, old, new);
        let result = result.and_then(|()| self.hand_over(old, new));
        if let Err(why) = result {
            // The first master serves on; the second one goes as it came.
            self.end_second(observer, new);
            return Err(untouched(why));
        }
        self.say(Step::Trigger, &format!("process {} answers: process {} stops", new.pid, old.pid));
        act::signal(old.pid, old.started, Send::Term)
            .map_err(|error| untouched(format!("SIGTERM to process {}: {error}", old.pid)))?;
        Ok(new)
    }

    /// A second master and its workers end, told or killed: what hangs in an import does not hear.
    fn end_second(&mut self, observer: &mut Observer, new: Id) {
        let _ = act::signal(new.pid, new.started, Send::Term);
        let deadline = Instant::now() + ENDS;
        let mut left: Vec<Id> = observer.children(new.pid);
        left.push(new);
        while Instant::now() < deadline {
            std::thread::sleep(LOOK);
            left.extend(observer.children(new.pid));
            left.sort_unstable();
            left.dedup();
            left.retain(|id| observer.process(id.pid) == Some(*id));
            if left.is_empty() {
                return;
            }
        }
        self.say(Step::Trigger, "the second master does not exit: it and its workers are killed");
        // The master first: it would start others in their place.
        left.sort_by_key(|id| *id != new);
        for id in left {
            let _ = act::signal(id.pid, id.started, Send::Kill);
        }
    }

    /// The second master: a child of the first that was not there before, and has children or
    /// stays. A new worker of the first would be a child of it, too, and never has any.
    fn appear(
        &self,
        observer: &mut Observer,
        old: Id,
        before: &BTreeSet<Id>,
    ) -> Result<Id, String> {
        let deadline = Instant::now() + APPEAR;
        while Instant::now() < deadline {
            std::thread::sleep(LOOK);
            let new = observer.children(old.pid).into_iter().filter(|id| !before.contains(id));
            let master = new.into_iter().find(|id| !observer.children(id.pid).is_empty());
            if let Some(master) = master {
                return Ok(master);
            }
        }
        Err("gunicorn started no second master: it exited at once, or SIGUSR2 did not reach it"
            .into())
    }

    /// Until every worker of the second master has loaded the application.
    fn wait_for_workers(
        &mut self,
        ready: &Ready,
        observer: &mut Observer,
        probing: &Probing,
        old: Id,
        new: Id,
    ) -> Result<(), String> {
        let limit = Duration::from_secs_f64(ready.boot.unwrap_or(10.0) * 3.0)
            + self.request.timeout.max(Duration::from_secs(10));
        let deadline = Instant::now() + limit;
        let wanted =
            ready_workers(observer, old).min(ready.standing.workers.unwrap_or(usize::MAX)).max(1);
        let mut died = 0;
        while Instant::now() < deadline {
            std::thread::sleep(LOOK);
            observer.look(&[old.pid, new.pid]);
            self.tell.tick(Step::Trigger, &probing.counts());
            if observer.process(new.pid) != Some(new) {
                return Err("the second master exited: the new release does not start".into());
            }
            if self.doors.interrupts.heard() {
                return Err("stopped by a signal before the new release served".into());
            }
            let mine = || observer.workers.values().filter(|worker| worker.master == new.pid);
            let gone = mine().filter(|worker| worker.gone.is_some()).count();
            if gone > died.max(wanted) {
                return Err("the new release's workers exit as soon as they start".into());
            }
            died = died.max(gone.min(wanted));
            let loaded =
                mine().filter(|worker| worker.gone.is_none() && worker.loaded.is_some()).count();
            if loaded >= wanted {
                return Ok(());
            }
        }
        Err(format!("the new release's workers were not ready within {} s", limit.as_secs()))
    }

    /// Tells systemd, and sees that it has heard.
    fn hand_over(&mut self, old: Id, new: Id) -> Result<(), String> {
        act::hand_over(old.pid, new.pid)
            .map_err(|error| format!("systemd was not notified: {error}"))?;
        let deadline = Instant::now() + APPEAR;
        while Instant::now() < deadline {
            let state = unit::state(self.doors.host, &self.request.unit)?;
            if state.main_pid == new.pid {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err("systemd did not accept the second master as the unit's main process".into())
    }
}

/// How many workers the first master has, at least one.
fn ready_workers(observer: &Observer, old: Id) -> usize {
    observer.living().filter(|worker| worker.master == old.pid).count().max(1)
}
