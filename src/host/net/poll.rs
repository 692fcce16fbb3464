//! Waits for sockets, for a point in time, and for a wake-up from another thread.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::{Errno, read, write};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::Channel;

/// The tokens of the poller's own descriptors; those of connections count from 0.
const WAKER: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;

/// The most events taken at a time, including the poller's own two.
const ROOM: usize = 256;

/// Waits for many sockets at once, in constant time for each event.
pub struct Poller {
    epoll: OwnedFd,
    /// epoll itself waits in whole milliseconds, which would make a probe start late.
    timer: OwnedFd,
    waker: Arc<OwnedFd>,
}

/// Ends a wait from another thread.
#[derive(Debug, Clone)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Ends the current wait, or the next one.
    pub fn wake(&self) {
        let _ = write(&*self.0, &1_u64.to_ne_bytes());
    }
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

impl Poller {
    /// If a wait returns this many tokens, there may be more.
    pub const BATCH: usize = ROOM - 2;

    /// A poller without sockets.
    pub fn new() -> Result<Self, std::io::Error> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let own = epoll::EventFlags::IN;
        epoll::add(&epoll, &waker, epoll::EventData::new_u64(WAKER), own)?;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), own)?;
        Ok(Self { epoll, timer, waker: Arc::new(waker) })
    }

    /// Returns what ends a wait from another thread.
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.waker))
    }

    /// Watches a connection, for which [`Poller::wait`] returns `token`.
    pub fn add(&self, channel: &Channel, token: usize) -> Result<(), std::io::Error> {
        let data = epoll::EventData::new_u64(token as u64);
        Ok(epoll::add(&self.epoll, channel.as_fd(), data, interest(channel))?)
    }

    /// Updates which events are watched to those for which the connection now waits.
    pub fn update(&self, channel: &Channel, token: usize) -> Result<(), std::io::Error> {
        let data = epoll::EventData::new_u64(token as u64);
        Ok(epoll::modify(&self.epoll, channel.as_fd(), data, interest(channel))?)
    }

    /// Waits until something happens, at most `limit`, and adds the tokens of the connections that
    /// can continue to `into`.
    pub fn wait(&self, limit: Duration, into: &mut Vec<usize>) -> Result<(), std::io::Error> {
        into.clear();
        let now = limit.is_zero();
        if !now {
            let it_value = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
            let moment = Itimerspec { it_interval, it_value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &moment)?;
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut room = [const { MaybeUninit::<epoll::Event>::uninit() }; ROOM];
        let events = match epoll::wait(&self.epoll, &mut room, now.then_some(&zero)) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        for event in events {
            // The struct is packed, so its field is copied out.
            let data = event.data;
            match data.u64() {
                WAKER => drain(&*self.waker),
                TIMER => drain(&self.timer),
                token => into.extend(usize::try_from(token)),
            }
        }
        Ok(())
    }
}

fn interest(channel: &Channel) -> epoll::EventFlags {
    let reading = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
    if channel.wants_to_write() { reading | epoll::EventFlags::OUT } else { reading }
}

/// Resets the counter of an event's or a timer's descriptor.
fn drain(fd: impl AsFd) {
    let mut count = [0_u8; 8];
    let _ = read(fd, &mut count);
}
