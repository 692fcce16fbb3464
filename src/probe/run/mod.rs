//! The prober's thread: sends probes that are due, follows those in flight, and gives up those that
//! take too long.

mod follow;
mod send;

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::connection::{Deadlines, Slots};
use super::kind::Kind;
use super::record::Record;
use super::schedule::Schedule;
use super::settings::Settings;
use super::shared::{Shared, Stop};
use super::site::Site;
use crate::host::net::poll::Poller;

/// The longest wait, so that a clock that jumps does no harm.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How many bytes are read in one step.
const STEP: usize = 16 << 10;

/// Everything that the thread works on.
pub(super) struct Run {
    pub settings: Settings,
    pub sites: Vec<Site>,
    pub poller: Poller,
    pub shared: Arc<Shared>,
    /// The most connections that may be open.
    pub most_open: usize,
    schedule: Schedule,
    slots: Slots,
    deadlines: Deadlines,
    /// Deadlines after which connections give way to the target's next address.
    attempts: Deadlines,
    number: u64,
    scratch: Box<[u8]>,
    busy: usize,
}

impl Run {
    pub(super) fn new(
        settings: Settings,
        sites: Vec<Site>,
        poller: Poller,
        shared: Arc<Shared>,
        most_open: usize,
    ) -> Self {
        let schedule = Schedule::new(&settings);
        Self {
            settings,
            sites,
            poller,
            shared,
            most_open,
            schedule,
            slots: Slots::new(),
            deadlines: Deadlines::default(),
            attempts: Deadlines::default(),
            number: 0,
            scratch: vec![0; STEP].into_boxed_slice(),
            busy: 0,
        }
    }

    /// Runs to the end.
    pub(super) fn run(mut self) {
        if let Err(error) = self.turn() {
            self.record().broken = Some(error.to_string());
        }
        self.give_up(Kind::Unanswered);
    }

    fn turn(&mut self) -> Result<(), std::io::Error> {
        let mut ready = Vec::new();
        let mut sending = true;
        loop {
            let now = self.now();
            let stop = self.shared.stop();
            if sending && stop != Stop::No {
                sending = false;
                self.record().until = Some(now);
            }
            if sending {
                sending = self.send_due();
            }
            self.expire();
            if stop == Stop::Now || (!sending && self.busy == 0) {
                return Ok(());
            }
            self.poller.wait(self.idle_for(sending), &mut ready)?;
            self.go_on_with(&mut ready)?;
        }
    }

    /// Continues everything that can continue before anything else is sent: a prober that cannot
    /// keep up should send late, which it notices, rather than read late.
    fn go_on_with(&mut self, ready: &mut Vec<usize>) -> Result<(), std::io::Error> {
        loop {
            let all = ready.len() < Poller::BATCH;
            for slot in ready.drain(..) {
                self.go_on(slot);
            }
            if all {
                return Ok(());
            }
            self.poller.wait(Duration::ZERO, ready)?;
        }
    }

    /// How long the thread can wait if no event arrives.
    fn idle_for(&self, sending: bool) -> Duration {
        let due = self.schedule.peek().filter(|_| sending).map(|due| due.at);
        let next = [due, self.deadlines.next(), self.attempts.next()].into_iter().flatten().min();
        let now = self.now();
        next.map_or(LONGEST_WAIT, |next| next.saturating_sub(now).min(LONGEST_WAIT))
    }

    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.shared.started)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.shared.record()
    }

    /// Sends every probe that is due. Returns whether there are probes left for later.
    fn send_due(&mut self) -> bool {
        loop {
            let Some(due) = self.schedule.peek() else {
                // The last interval belongs to the run too.
                let end = self.settings.duration.unwrap_or_default();
                self.record().until.get_or_insert(end);
                return false;
            };
            let now = self.now();
            if due.at > now {
                return true;
            }
            self.schedule.advance();
            self.send(due, now - due.at);
        }
    }

    /// Gives up probes that have waited too long.
    fn expire(&mut self) {
        let now = self.now();
        while let Some((slot, number)) = self.attempts.over(now) {
            self.give_way(slot, number);
        }
        while let Some((slot, number)) = self.deadlines.over(now) {
            if self.is(slot, number) {
                // The response may have arrived without being read: then the prober was late, not
                // the site.
                self.go_on(slot);
            }
            if self.is(slot, number) {
                self.fail(slot, Kind::Timeout, None);
            }
        }
    }

    fn is(&mut self, slot: usize, number: u64) -> bool {
        let asking = self.slots.get(slot).and_then(|connection| connection.asking.as_ref());
        asking.is_some_and(|asking| asking.number == number)
    }

    /// Ends all probes in flight.
    fn give_up(&mut self, kind: Kind) {
        for slot in self.slots.asking() {
            self.fail(slot, kind, None);
        }
        self.shared.ended.store(true, Ordering::Release);
    }
}
