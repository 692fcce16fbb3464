//! The open connections, each in a slot of its own.

use std::time::Duration;

use super::answer::Reader;
use super::schedule::Due;
use crate::host::net::Channel;
use crate::host::net::poll::Poller;

/// A probe in flight.
#[derive(Debug)]
pub(super) struct Asking {
    /// The number of the probe, because a slot is reused.
    pub number: u64,
    pub due: Due,
    pub reader: Reader,
    /// Whether the connection had been used before.
    pub reused: bool,
    /// How many addresses were tried without success.
    pub tried: usize,
    /// The index of the address that is being tried.
    pub address: usize,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub channel: Channel,
    pub site: usize,
    /// The probe in flight; `None` while the connection is idle.
    pub asking: Option<Asking>,
    /// Whether the poller watches for the socket to become writable.
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

    /// The number of open connections.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Adds a connection and watches it.
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

    /// Replaces a connection that could not be established by another one.
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

    /// The connection in a slot; `None` if it is gone, because an event may still arrive for it.
    pub(super) fn get(&mut self, index: usize) -> Option<&mut Connection> {
        self.slots.get_mut(index)?.as_mut()
    }

    /// Removes a connection from its slot; dropping it closes it.
    pub(super) fn remove(&mut self, index: usize) -> Option<Connection> {
        let connection = self.slots.get_mut(index)?.take()?;
        self.free.push(index);
        Some(connection)
    }

    /// Updates which events are watched to those for which the connection now waits.
    pub(super) fn watch(&mut self, poller: &Poller, index: usize) {
        let Some(connection) = self.get(index) else { return };
        let writing = connection.channel.wants_to_write();
        if connection.writing != writing {
            connection.writing = writing;
            // The connection was added, so this cannot fail; even then, the probe would only time
            // out.
            let _ = poller.update(&connection.channel, index);
        }
    }

    /// The slots with a probe in flight.
    pub(super) fn asking(&self) -> Vec<usize> {
        let busy = |slot: &Option<Connection>| slot.as_ref().is_some_and(|c| c.asking.is_some());
        (0..self.slots.len()).filter(|index| self.slots.get(*index).is_some_and(busy)).collect()
    }
}

/// Deadlines in the order in which they were added, which is the order in time because all waits
/// are equally long.
#[derive(Debug, Default)]
pub(super) struct Deadlines(std::collections::VecDeque<(Duration, usize, u64)>);

impl Deadlines {
    /// Adds the deadline `at` of the probe `number` in `slot`.
    pub(super) fn push(&mut self, at: Duration, slot: usize, number: u64) {
        self.0.push_back((at, slot, number));
    }

    /// The next deadline that has passed, if any.
    pub(super) fn over(&mut self, now: Duration) -> Option<(usize, u64)> {
        let (at, slot, number) = *self.0.front()?;
        (at <= now).then(|| {
            self.0.pop_front();
            (slot, number)
        })
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.front().map(|(at, ..)| *at)
    }
}
