//! Time spans as `parse_time()` of systemd reads them (systemd.time(7), "Parsing time spans").

use std::time::Duration;

/// A time span: a number of microseconds, or infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeSpan {
    /// Microseconds.
    Microseconds(u64),
    /// `infinity`.
    Infinity,
}

impl TimeSpan {
    /// The time span as a duration; `None` for `infinity`.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Microseconds(count) => Some(Duration::from_micros(count)),
            Self::Infinity => None,
        }
    }
}

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Units of time. Of two units that start alike, the longer comes first.
const UNITS: [(&str, u64); 31] = [
    ("seconds", SECOND),
    ("second", SECOND),
    ("sec", SECOND),
    ("s", SECOND),
    ("minutes", MINUTE),
    ("minute", MINUTE),
    ("min", MINUTE),
    ("months", 2_629_800 * SECOND),
    ("month", 2_629_800 * SECOND),
    ("M", 2_629_800 * SECOND),
    ("msec", 1_000),
    ("ms", 1_000),
    ("m", MINUTE),
    ("hours", HOUR),
    ("hour", HOUR),
    ("hr", HOUR),
    ("h", HOUR),
    ("days", DAY),
    ("day", DAY),
    ("d", DAY),
    ("weeks", 7 * DAY),
    ("week", 7 * DAY),
    ("w", 7 * DAY),
    ("years", 31_557_600 * SECOND),
    ("year", 31_557_600 * SECOND),
    ("y", 31_557_600 * SECOND),
    ("usec", 1),
    ("us", 1),
    ("\u{3bc}s", 1),
    ("\u{b5}s", 1),
    ("", 0),
];

/// Reads a time span whose default unit is the second. `None` if systemd refuses it.
pub fn parse_seconds(text: &str) -> Option<TimeSpan> {
    const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];
    let mut rest = text.trim_start_matches(BLANK);
    if let Some(after) = rest.strip_prefix("infinity") {
        return after.trim_start_matches(BLANK).is_empty().then_some(TimeSpan::Infinity);
    }
    let mut total: u64 = 0;
    let mut something = false;
    loop {
        rest = rest.trim_start_matches(BLANK);
        if rest.is_empty() {
            return something.then_some(TimeSpan::Microseconds(total));
        }
        // strtoll(3) accepts a sign, but systemd refuses a minus.
        let unsigned = match rest.strip_prefix('+') {
            Some(after) if after.starts_with(|c: char| c.is_ascii_digit()) => after,
            _ => rest,
        };
        let (digits, after) = digits(unsigned);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => self::digits(after),
            None if digits.is_empty() => return None,
            None => ("", after),
        };
        let pointed = unsigned.get(digits.len()..).is_some_and(|rest| rest.starts_with('.'));
        if pointed && fraction.is_empty() {
            return None;
        }
        let whole: u64 = match digits {
            "" => 0,
            digits => digits.parse::<i64>().ok()?.try_into().ok()?,
        };
        let spaced = after.trim_start_matches(BLANK);
        let (name, factor) = *UNITS.iter().find(|(name, _)| spaced.starts_with(name))?;
        let factor = if name.is_empty() { SECOND } else { factor };
        let next = spaced.get(name.len()..)?;
        if next.len() == after.len() && !next.is_empty() {
            return None;
        }
        total = add(total, scale(whole, factor)?)?;
        let mut part = factor / 10;
        for digit in fraction.bytes() {
            total = add(total, u64::from(digit - b'0').checked_mul(part)?)?;
            part /= 10;
        }
        something = true;
        rest = next;
    }
}

fn digits(text: &str) -> (&str, &str) {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(length)
}

fn scale(count: u64, factor: u64) -> Option<u64> {
    (count < u64::MAX / factor).then(|| count.checked_mul(factor)).flatten()
}

fn add(a: u64, b: u64) -> Option<u64> {
    a.checked_add(b).filter(|sum| *sum < u64::MAX)
}
