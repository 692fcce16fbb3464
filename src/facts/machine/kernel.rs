//! The kernel's limits and free resources, from /proc.

use std::path::Path;

use crate::facts::{Known, Origin, Why};
use crate::source::Sources;

/// As much as any of these files has; `/proc/meminfo` is the longest.
const MAX_FILE: u64 = 1 << 16;

/// What the kernel allows and has left.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// `net.core.somaxconn`: no listen queue is longer.
    pub longest_queue: Known<i64>,
    /// The ports that outgoing connections take.
    pub outgoing_ports: Known<OutgoingPorts>,
    /// Bytes of memory and swap that are left for programs.
    pub memory_left: Known<u64>,
}

/// `net.ipv4.ip_local_port_range`, but for `net.ipv4.ip_local_reserved_ports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingPorts {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
    reserved: Vec<(u16, u16)>,
}

impl OutgoingPorts {
    /// May an outgoing connection take this port?
    pub fn hold(&self, port: u16) -> bool {
        let within = |(first, last): (u16, u16)| (first..=last).contains(&port);
        within((self.first, self.last)) && !self.reserved.iter().any(|range| within(*range))
    }
}

impl Kernel {
    /// For files that were given by hand, the kernel is not known.
    pub(super) fn unknown() -> Self {
        Self {
            longest_queue: Known::Unknown(Why::not_live()),
            outgoing_ports: Known::Unknown(Why::not_live()),
            memory_left: Known::Unknown(Why::not_live()),
        }
    }

    pub(super) fn read(sources: &Sources) -> Self {
        let range = text(sources, "/proc/sys/net/ipv4/ip_local_port_range");
        let reserved = text(sources, "/proc/sys/net/ipv4/ip_local_reserved_ports");
        Self {
            longest_queue: known(sources, "/proc/sys/net/core/somaxconn", |text| {
                text.trim().parse().ok()
            }),
            outgoing_ports: match (range, reserved) {
                (Some(range), reserved) => match ports(&range, &reserved.unwrap_or_default()) {
                    Some(ports) => Known::Observed(ports, "/proc/sys/net/ipv4"),
                    None => Known::Unknown(Why::not_understood("ip_local_port_range")),
                },
                (None, _) => Known::Unknown(Why::not_live()),
            },
            memory_left: known(sources, "/proc/meminfo", memory_left),
        }
    }
}

fn text(sources: &Sources, path: &str) -> Option<String> {
    let bytes = sources.host().read(Path::new(path), MAX_FILE).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a file of /proc says. Where it is not there, no host lives.
fn known<T>(sources: &Sources, path: &str, read: impl Fn(&str) -> Option<T>) -> Known<T> {
    match text(sources, path) {
        None => Known::Unknown(Why::not_live()),
        Some(text) => match read(&text) {
            Some(value) => Known::Value(value, Origin::Path(path.into())),
            None => Known::Unknown(Why::not_understood(path)),
        },
    }
}

/// `32768\t60999`, and `8080,9148-9150`.
fn ports(range: &str, reserved: &str) -> Option<OutgoingPorts> {
    let mut ends = range.split_whitespace().map(|word| word.parse().ok());
    let (first, last) = (ends.next()??, ends.next()??);
    let one = |word: &str| {
        let (from, to) = word.split_once('-').unwrap_or((word, word));
        Some((from.parse().ok()?, to.parse().ok()?))
    };
    let reserved = reserved.trim().split(',').filter_map(one).collect();
    Some(OutgoingPorts { first, last, reserved })
}

/// `MemAvailable` and `SwapFree`, which are in kibibytes.
fn memory_left(text: &str) -> Option<u64> {
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let left = of("MemAvailable")?.saturating_add(of("SwapFree").unwrap_or(0));
    Some(left.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::{memory_left, ports};

    #[test]
    fn ports_that_are_reserved_are_not_taken() {
        let ports = ports("32768\t60999\n", "40000,50000-50010\n").unwrap();
        assert!(ports.hold(32768) && ports.hold(60999) && ports.hold(50011));
        assert!(!ports.hold(8000) && !ports.hold(40000) && !ports.hold(50010));
        assert_eq!(super::ports("32768", ""), None);
    }

    #[test]
    fn memory_is_what_programs_may_take() {
        let text = "MemTotal: 8000 kB\nMemFree: 1 kB\nMemAvailable:    100 kB\nSwapFree: 20 kB\n";
        assert_eq!(memory_left(text), Some(120 * 1024));
        assert_eq!(memory_left("MemTotal: 8000 kB\n"), None);
    }
}
