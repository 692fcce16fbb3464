//! The prober's thread: sends what is due, follows what is on its way, gives up what is late.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::answer::{Answer, Cut, Reader};
use super::connection::{Asking, Connection, Deadlines, Slots};
use super::kind::Kind;
use super::prober::{Shared, Stop};
use super::record::{FirstFailure, NotSent, Record};
use super::schedule::{Due, Schedule, Series};
use super::settings::Settings;
use super::site::Site;
use super::{evidence, judge};
use crate::host::net::poll::Poller;
use crate::host::net::{Channel, NetError, Received};

/// The longest wait: a clock that jumps does no harm.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How long an address that has never answered may take to connect before the next is tried.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// Everything that the thread works on.
pub(super) struct Run {
    pub settings: Settings,
    pub sites: Vec<Site>,
    pub poller: Poller,
    pub shared: Arc<Shared>,
    /// The most open connections.
    pub most_open: usize,
    schedule: Schedule,
    slots: Slots,
    deadlines: Deadlines,
    /// Connections that may give way to another address.
    attempts: Deadlines,
    number: u64,
    scratch: Vec<u8>,
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
            scratch: Vec::new(),
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
            for slot in ready.drain(..) {
                self.go_on(slot);
            }
        }
    }

    /// How long nothing has to be done of our own accord.
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

    /// Sends every probe that is due. Is there a probe left for later?
    fn send_due(&mut self) -> bool {
        loop {
            let Some(due) = self.schedule.peek() else {
                let end = self.settings.duration.unwrap_or_default();
                if self.now() < end {
                    // The last interval belongs to the run.
                    self.record().until.get_or_insert(end);
                }
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

    fn send(&mut self, due: Due, late: Duration) {
        let (target, series) = (due.target, due.series);
        if late > self.settings.timeout {
            self.record().not_sent(target, series, due.at, NotSent::TooLate);
            return;
        }
        let idle = match series {
            Series::Kept => self.fresh_idle(target),
            Series::New => None,
        };
        if idle.is_none() && self.slots.len() >= self.most_open {
            self.record().not_sent(target, series, due.at, NotSent::NoRoom);
            return;
        }
        self.record().sent(target, series, due.at, late);
        self.busy += 1;
        self.number += 1;
        let asking = Asking {
            number: self.number,
            due,
            reader: Reader::new(self.settings.method, &self.settings.expect),
            reused: idle.is_some(),
            tried: 0,
            address: self.sites[target].preferred,
        };
        match idle {
            Some(slot) => self.send_again(slot, asking),
            None => self.open(asking),
        }
    }

    /// A kept connection that the server has not closed, as far as anyone can know before asking.
    fn fresh_idle(&mut self, target: usize) -> Option<usize> {
        while let Some(slot) = self.sites[target].idle.pop_front() {
            match self.still_open(slot) {
                true => return Some(slot),
                false => self.renew(slot),
            }
        }
        None
    }

    /// Reads what an idle connection has to say: nothing, or that it is over.
    fn still_open(&mut self, slot: usize) -> bool {
        let Some(connection) = self.slots.get(slot) else { return false };
        self.scratch.clear();
        loop {
            match connection.channel.receive(&mut self.scratch) {
                // TLS sends tickets of its own; an answer that nobody asked for is an end.
                Ok(Received::More) if self.scratch.is_empty() => {}
                Ok(Received::Open) => return self.scratch.is_empty(),
                _ => return false,
            }
        }
    }

    /// The server closed a kept connection before anything was asked on it: no failure.
    fn renew(&mut self, slot: usize) {
        if let Some(connection) = self.slots.remove(slot) {
            self.record().targets[connection.site].series[Series::Kept as usize].renewed += 1;
        }
    }

    /// Asks on a connection that has served before.
    fn send_again(&mut self, slot: usize, asking: Asking) {
        let site = asking.due.target;
        let request = &self.sites[site].requests[1];
        let Some(connection) = self.slots.get(slot) else { return self.open(asking) };
        let sent = connection.channel.send(request).and_then(|()| connection.channel.advance());
        if sent.is_err() {
            // The kernel took nothing: the connection was over before the request was sent.
            self.renew(slot);
            return self.open(Asking { reused: false, ..asking });
        }
        self.deadlines.push(asking.due.at + self.settings.timeout, slot, asking.number);
        connection.asking = Some(asking);
        self.slots.watch(&self.poller, slot);
        self.record().targets[site].series[Series::Kept as usize].reused += 1;
    }

    fn channel(&self, asking: &Asking) -> Result<Channel, NetError> {
        let site = &self.sites[asking.due.target];
        let mut channel = Channel::open(&site.addresses[asking.address], site.tls.as_ref())?;
        channel.send(&site.requests[asking.due.series as usize])?;
        if channel.connected() {
            channel.advance()?;
        }
        Ok(channel)
    }

    /// Asks on a new connection.
    fn open(&mut self, mut asking: Asking) {
        let channel = loop {
            match self.channel(&asking) {
                Ok(channel) => break channel,
                Err(error) => match self.next_address(&asking, &error) {
                    Some(address) => {
                        asking.tried += 1;
                        asking.address = address;
                    }
                    None => return self.broken(&asking, &error),
                },
            }
        };
        let (due, number, site) = (asking.due.at, asking.number, asking.due.target);
        let inserted = self.slots.insert(&self.poller, channel, site, Some(asking));
        let slot = match inserted {
            Ok(slot) => slot,
            Err(error) => {
                // The probe went down with its connection: the slot was not taken.
                self.record().broken = Some(error.to_string());
                self.busy = self.busy.saturating_sub(1);
                return;
            }
        };
        let open = self.slots.len();
        {
            let mut record = self.shared.record();
            record.most_open = record.most_open.max(open);
        }
        self.deadlines.push(due + self.settings.timeout, slot, number);
        let site = &self.sites[site];
        if site.addresses.len() > 1 && !site.proven {
            self.attempts.push(self.now() + NEXT_ADDRESS, slot, number);
        }
    }

    /// The target's next address, where there is one and the error speaks for it.
    fn next_address(&self, asking: &Asking, error: &NetError) -> Option<usize> {
        let passed_by = matches!(
            error,
            NetError::Refused | NetError::Unreachable | NetError::TimedOut | NetError::Other(_)
        );
        let all = self.sites[asking.due.target].addresses.len();
        (passed_by && asking.tried + 1 < all).then_some((asking.address + 1) % all)
    }

    /// Gives up what has waited for too long.
    fn expire(&mut self) {
        let now = self.now();
        while let Some((slot, number)) = self.attempts.over(now) {
            self.give_way(slot, number);
        }
        while let Some((slot, number)) = self.deadlines.over(now) {
            if self.is(slot, number) {
                self.fail(slot, Kind::Timeout, None);
            }
        }
    }

    fn is(&mut self, slot: usize, number: u64) -> bool {
        let asking = self.slots.get(slot).and_then(|connection| connection.asking.as_ref());
        asking.is_some_and(|asking| asking.number == number)
    }

    /// An address that has never answered does not connect: the next one is tried.
    fn give_way(&mut self, slot: usize, number: u64) {
        if !self.is(slot, number) {
            return;
        }
        let connecting = self.slots.get(slot).is_some_and(|c| !c.channel.connected());
        if connecting {
            self.try_elsewhere(slot, &NetError::TimedOut);
        }
    }

    /// Puts a connection to the next address in a slot. False: there is none that connects.
    fn try_elsewhere(&mut self, slot: usize, error: &NetError) -> bool {
        let taken = self.slots.get(slot).and_then(|connection| connection.asking.take());
        let Some(mut asking) = taken else { return false };
        let number = asking.number;
        let mut moved = false;
        while let Some(address) = self.next_address(&asking, error)
            && !moved
        {
            (asking.tried, asking.address) = (asking.tried + 1, address);
            if let Ok(channel) = self.channel(&asking) {
                moved = self.slots.replace(&self.poller, slot, channel).is_ok();
            }
        }
        if let Some(connection) = self.slots.get(slot) {
            connection.asking = Some(asking);
        }
        if moved {
            self.attempts.push(self.now() + NEXT_ADDRESS, slot, number);
        }
        moved
    }

    /// Something happened on a connection.
    fn go_on(&mut self, slot: usize) {
        let Some(connection) = self.slots.get(slot) else { return };
        if connection.asking.is_none() {
            if !self.still_open(slot) {
                self.forget_idle(slot);
                self.renew(slot);
            }
            return;
        }
        let connecting = !connection.channel.connected();
        match step(connection, &mut self.scratch) {
            Ok(Step::Waiting) => self.slots.watch(&self.poller, slot),
            Ok(Step::Answered(answer)) => self.answered(slot, answer),
            Ok(Step::Cut(cut)) => self.fail(slot, judge::cut(cut), None),
            Ok(Step::Malformed(why)) => self.fail(slot, Kind::BadAnswer, Some(why.to_owned())),
            Err(error) => {
                if connecting && self.try_elsewhere(slot, &error) {
                    return;
                }
                match judge::error(&error) {
                    Some(kind) => self.fail(slot, kind, Some(error.to_string())),
                    None => self.not_sent(slot),
                }
            }
        }
    }

    fn forget_idle(&mut self, slot: usize) {
        let Some(site) = self.slots.get(slot).map(|connection| connection.site) else { return };
        self.sites[site].idle.retain(|idle| *idle != slot);
    }

    /// A whole answer is there.
    fn answered(&mut self, slot: usize, answer: Answer) {
        let Some(connection) = self.slots.get(slot) else { return };
        let Some(asking) = connection.asking.take() else { return };
        let now = self.now();
        self.busy = self.busy.saturating_sub(1);
        let (target, series, due) = (asking.due.target, asking.due.series, asking.due.at);
        let site = &mut self.sites[target];
        (site.preferred, site.proven) = (asking.address, true);
        let keep = series == Series::Kept && answer.keep_alive && site.idle.len() < site.keep;
        if keep {
            site.idle.push_back(slot);
            self.slots.watch(&self.poller, slot);
        } else {
            self.slots.remove(slot);
        }
        let mut record = self.shared.record();
        record.watched(target, series, due, &answer);
        let learned = &mut record.targets[target].status;
        match judge::answer(&answer, &self.settings.expect, learned) {
            None => record.succeeded(target, series, due, now),
            Some(kind) => {
                let body = evidence::body(&answer.first_bytes, &self.settings.headers);
                let status = Some(answer.status);
                let failure = FirstFailure { kind, series, at: due, status, words: None, body };
                record.failed(target, failure, now);
            }
        }
    }

    /// The probe in a slot has failed, and its connection is closed.
    fn fail(&mut self, slot: usize, kind: Kind, words: Option<String>) {
        let Some(Connection { asking: Some(asking), .. }) = self.slots.remove(slot) else { return };
        self.failed(&asking, kind, words);
    }

    /// A connection did not come about.
    fn broken(&mut self, asking: &Asking, error: &NetError) {
        match judge::error(error) {
            Some(kind) => self.failed(asking, kind, Some(error.to_string())),
            None => {
                self.busy = self.busy.saturating_sub(1);
                let due = asking.due;
                self.record().not_sent_after_all(due.target, due.series, due.at);
            }
        }
    }

    fn not_sent(&mut self, slot: usize) {
        let Some(Connection { asking: Some(asking), .. }) = self.slots.remove(slot) else { return };
        self.busy = self.busy.saturating_sub(1);
        let due = asking.due;
        self.record().not_sent_after_all(due.target, due.series, due.at);
    }

    fn failed(&mut self, asking: &Asking, kind: Kind, words: Option<String>) {
        let now = self.now();
        self.busy = self.busy.saturating_sub(1);
        let failure = FirstFailure {
            kind,
            series: asking.due.series,
            at: asking.due.at,
            status: asking.reader.status(),
            words: words.map(|words| evidence::words(&words)),
            body: evidence::body(asking.reader.first_bytes(), &self.settings.headers),
        };
        let target = asking.due.target;
        let mut record = self.record();
        let hidden = asking.reused && asking.reader.untouched();
        if hidden && matches!(kind, Kind::Closed | Kind::Reset) {
            record.targets[target].series[Series::Kept as usize].repeatable += 1;
        }
        record.failed(target, failure, now);
    }

    /// Ends everything that is on its way.
    fn give_up(&mut self, kind: Kind) {
        for slot in self.slots.asking() {
            self.fail(slot, kind, None);
        }
        self.shared.ended.store(true, Ordering::Release);
    }
}

/// How far a probe came.
enum Step {
    Waiting,
    Answered(Answer),
    Cut(Cut),
    Malformed(&'static str),
}

/// Writes and reads as far as that goes without waiting.
fn step(connection: &mut Connection, scratch: &mut Vec<u8>) -> Result<Step, NetError> {
    let Some(asking) = &mut connection.asking else { return Ok(Step::Waiting) };
    let channel = &mut connection.channel;
    // A server may answer and close before it has read the request: its answer counts.
    let written = channel.advance();
    if !channel.connected() {
        return written.map(|()| Step::Waiting);
    }
    loop {
        scratch.clear();
        let received = match channel.receive(scratch) {
            Ok(received) => received,
            Err(error) => return Err(written.err().unwrap_or(error)),
        };
        match asking.reader.push(scratch) {
            Ok(None) => {}
            Ok(Some(answer)) => return Ok(Step::Answered(answer)),
            Err(why) => return Ok(Step::Malformed(why.0)),
        }
        match received {
            Received::More => {}
            Received::Open => {
                // TLS may have something to say to what was read.
                written?;
                channel.advance()?;
                return Ok(Step::Waiting);
            }
            Received::End => {
                return Ok(asking.reader.end().map_or_else(Step::Cut, Step::Answered));
            }
        }
    }
}
