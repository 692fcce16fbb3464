//! What a prober's thread and its handle share.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use super::record::Record;

/// The data that the thread and its handle share.
#[derive(Debug)]
pub(super) struct Shared {
    pub started: Instant,
    pub started_at: SystemTime,
    record: Mutex<Record>,
    stop: AtomicU8,
    pub ended: AtomicBool,
}

/// Whether the run is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    No,
    /// No more probes are sent; those in flight are waited for.
    Sending,
    /// The run ends at once.
    Now,
}

impl Shared {
    /// For a run with this many targets that begins now.
    pub(super) fn new(targets: usize) -> Self {
        Self {
            started: Instant::now(),
            started_at: SystemTime::now(),
            record: Mutex::new(Record::new(targets)),
            stop: AtomicU8::new(0),
            ended: AtomicBool::new(false),
        }
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stop(&self) -> Stop {
        match self.stop.load(Ordering::Acquire) {
            0 => Stop::No,
            1 => Stop::Sending,
            _ => Stop::Now,
        }
    }

    /// Tells the thread to end, which it notices in its next turn.
    pub(super) fn tell(&self, stop: Stop) {
        self.stop.store(stop as u8, Ordering::Release);
    }
}
