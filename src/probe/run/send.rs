//! Sends a probe: on a kept connection if there is one, otherwise on a new one.

use std::time::Duration;

use super::super::answer::Reader;
use super::super::connection::Asking;
use super::super::record::NotSent;
use super::super::schedule::{Due, Series};
use super::Run;
use crate::host::net::{Channel, NetError, Received};

/// How long an address that has never answered may take to connect before the next address is
/// tried.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

impl Run {
    pub(super) fn send(&mut self, due: Due, late: Duration) {
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

    /// A kept connection that the server has not closed, as far as can be known before sending a
    /// request.
    fn fresh_idle(&mut self, target: usize) -> Option<usize> {
        while let Some(slot) = self.sites[target].idle.pop_front() {
            match self.still_open(slot) {
                true => return Some(slot),
                false => self.renew(slot),
            }
        }
        None
    }

    /// Reads from an idle connection, and returns whether it is still open.
    pub(super) fn still_open(&mut self, slot: usize) -> bool {
        let Some(connection) = self.slots.get(slot) else { return false };
        loop {
            match connection.channel.receive(&mut self.scratch) {
                // TLS sends session tickets unasked; any other unrequested data means that the
                // connection is over.
                Ok((0, Received::More)) => {}
                Ok((0, Received::Open)) => return true,
                _ => return false,
            }
        }
    }

    /// Replaces a kept connection that the server closed before a request was sent on it, which is
    /// no failure.
    pub(super) fn renew(&mut self, slot: usize) {
        if let Some(connection) = self.slots.remove(slot) {
            self.record().targets[connection.site].series[Series::Kept as usize].renewed += 1;
        }
    }

    /// Sends a probe on a connection that was used before.
    fn send_again(&mut self, slot: usize, asking: Asking) {
        let (site, now) = (asking.due.target, self.now());
        let request = &self.sites[site].requests[1];
        let Some(connection) = self.slots.get(slot) else { return self.open(asking) };
        let sent = connection.channel.send(request).and_then(|()| connection.channel.advance());
        if sent.is_err() {
            // The kernel accepted nothing: the connection was over before the request was sent.
            self.renew(slot);
            return self.open(Asking { reused: false, ..asking });
        }
        // Even if the prober sent the probe late, the site gets the whole timeout.
        self.deadlines.push(now + self.settings.timeout, slot, asking.number);
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

    /// Sends a probe on a new connection.
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
        let (number, site) = (asking.number, asking.due.target);
        let inserted = self.slots.insert(&self.poller, channel, site, Some(asking));
        let slot = match inserted {
            Ok(slot) => slot,
            Err(error) => {
                // The connection could not be added, so the probe is lost with it and no slot is
                // taken.
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
        self.deadlines.push(self.now() + self.settings.timeout, slot, number);
        let site = &self.sites[site];
        if site.addresses.len() > 1 && !site.proven {
            self.attempts.push(self.now() + NEXT_ADDRESS, slot, number);
        }
    }

    /// The target's next address, if there is one and the error suggests trying it.
    fn next_address(&self, asking: &Asking, error: &NetError) -> Option<usize> {
        let passed_by = matches!(
            error,
            NetError::Refused | NetError::Unreachable | NetError::TimedOut | NetError::Other(_)
        );
        let all = self.sites[asking.due.target].addresses.len();
        (passed_by && asking.tried + 1 < all).then_some((asking.address + 1) % all)
    }

    /// Tries the next address because the current one, which has never answered, does not connect.
    pub(super) fn give_way(&mut self, slot: usize, number: u64) {
        if !self.is(slot, number) {
            return;
        }
        let connecting = self.slots.get(slot).is_some_and(|c| !c.channel.connected());
        if connecting {
            self.try_elsewhere(slot, &NetError::TimedOut);
        }
    }

    /// Puts a connection to the next address in the slot. Returns false if no address connects.
    pub(super) fn try_elsewhere(&mut self, slot: usize, error: &NetError) -> bool {
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
}
