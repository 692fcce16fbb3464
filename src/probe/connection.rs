//! The open connections, each in a slot of its own.

use std::time::Duration;

use super::answer::Reader;
use super::schedule::Due;
use crate::host::net::Channel;
use crate::host::net::poll::Poller;

/// A probe that is on its way.
#[derive(Debug)]
pub(super) struct Asking {
    /// The probe's own number: a slot is used again.
    pub number: u64,
    pub due: Due,
    pub reader: Reader,
    /// The connection had served before.
    pub reused: bool,
    /// Addresses that were tried in vain.
    pub tried: usize,
    /// The address that is tried now.
    pub address: usize,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub channel: Channel,
    pub site: usize,
    /// The probe that is on its way; none while it is idle.
    pub asking: Option<Asking>,
    /// The poller watches for the right to write.
    writing: bool,
}

/// All open connections.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a connection in and has it watched.
    pub(super) fn insert(
        &mut self,
        poller: &Poller,
        channel: Channel,
        site: usize,
        asking: Option<Asking>,
    ) -> Result<usize, std::io::Error> {
        let index = self.free.last().copied().unwrap_or(self.slots.len());
        poller.add(&channel, index)?;
        let writing = channel.wants_to_write();
        let connection = Some(Connection { channel, site, asking, writing });
        match self.free.pop() {
            Some(index) => self.slots[index] = connection,
            None => self.slots.push(connection),
        }
        Ok(index)
    }

    /// Puts another connection in the place of one that did not come about.
    pub(super) fn replace(
        &mut self,
        poller: &Poller,
        index: usize,
        channel: Channel,
    ) -> Result<(), std::io::Error> {
        if let Some(connection) = self.get(index) {
            poller.add(&channel, index)?;
            connection.writing = channel.wants_to_write();
            connection.channel = channel;
        }
        Ok(())
    }

    /// The connection in a slot; an event may still come for one that is gone.
    pub(super) fn get(&mut self, index: usize) -> Option<&mut Connection> {
        self.slots.get_mut(index)?.as_mut()
    }

    /// Takes a connection out; dropping it closes it.
    pub(super) fn remove(&mut self, index: usize) -> Option<Connection> {
        let connection = self.slots.get_mut(index)?.take()?;
        self.free.push(index);
        Some(connection)
    }

    /// Watches for what the connection waits for now.
    pub(super) fn watch(&mut self, poller: &Poller, index: usize) {
        let Some(connection) = self.get(index) else { return };
        let writing = connection.channel.wants_to_write();
        if connection.writing != writing {
            connection.writing = writing;
            // It was added, so it can be changed; a probe that is not woken times out.
            let _ = poller.update(&connection.channel, index);
        }
    }

    /// The slots in which a probe is on its way.
    pub(super) fn asking(&self) -> Vec<usize> {
        let busy = |slot: &Option<Connection>| slot.as_ref().is_some_and(|c| c.asking.is_some());
        (0..self.slots.len()).filter(|index| self.slots.get(*index).is_some_and(busy)).collect()
    }
}

/// What is due at a time in the order in which it was put in: each waits equally long.
#[derive(Debug, Default)]
pub(super) struct Deadlines(std::collections::VecDeque<(Duration, usize, u64)>);

impl Deadlines {
    /// The probe `number` in `slot` waits until `at`.
    pub(super) fn push(&mut self, at: Duration, slot: usize, number: u64) {
        self.0.push_back((at, slot, number));
    }

    /// The next that is over, if it is.
    pub(super) fn over(&mut self, now: Duration) -> Option<(usize, u64)> {
        let (at, slot, number) = *self.0.front()?;
        (at <= now).then(|| {
            self.0.pop_front();
            (slot, number)
        })
    }

    /// When the next is over.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.front().map(|(at, ..)| *at)
    }
}
