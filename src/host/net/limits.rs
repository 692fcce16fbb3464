//! How many connections may be open at a time.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors reserved for everything that is not a connection.
const KEPT: u64 = 64;

/// Makes room for `wanted` connections as far as the system allows (the soft limit on open files is
/// raised up to the hard one), and returns how many connections there is room for.
pub fn make_room(wanted: usize) -> usize {
    let needed = (wanted as u64).saturating_add(KEPT);
    let now = getrlimit(Resource::Nofile);
    let Some(current) = now.current else { return wanted };
    if current >= needed {
        return wanted;
    }
    let raised = now.maximum.map_or(needed, |most| most.min(needed));
    let limit = Rlimit { current: Some(raised), maximum: now.maximum };
    let room = if setrlimit(Resource::Nofile, limit).is_ok() { raised } else { current };
    usize::try_from(room.saturating_sub(KEPT)).unwrap_or(wanted).clamp(1, wanted.max(1))
}
