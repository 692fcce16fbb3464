//! nginx's times and sizes: `ngx_parse_time` and `ngx_parse_offset` (1.22).

use std::time::Duration;

/// A time as most directives take it, with a resolution of milliseconds: `60s`, `1m`, `1h30m`,
/// `500ms`, `1h 30m`. A number without a unit is in seconds.
pub fn parse_time(text: &[u8]) -> Option<Duration> {
    parse(text, false).map(Duration::from_millis)
}

/// A time in whole seconds, as `fail_timeout=` and `expires` take it: with years and months too,
/// but without milliseconds.
pub fn parse_time_seconds(text: &[u8]) -> Option<Duration> {
    parse(text, true).map(Duration::from_secs)
}

const DAY: u64 = 24 * 60 * 60;

/// The units must come in order from large to small, each at most once.
fn parse(text: &[u8], seconds: bool) -> Option<u64> {
    let mut total: u64 = 0;
    let mut value: u64 = 0;
    let mut valid = false;
    let mut step = if seconds { 0 } else { 2 };
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte.is_ascii_digit() {
            value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            valid = true;
            continue;
        }
        let (next, scale) = match byte {
            b'y' => (1, 365 * DAY),
            b'M' => (2, 30 * DAY),
            b'w' => (3, 7 * DAY),
            b'd' => (4, DAY),
            b'h' => (5, 60 * 60),
            b'm' if text.get(at) == Some(&b's') => {
                if seconds {
                    return None;
                }
                at += 1;
                (8, 0)
            }
            b'm' => (6, 60),
            b's' => (7, 1),
            b' ' => (9, 1),
            _ => return None,
        };
        let past = if next == 9 { step >= 7 } else { step >= next };
        if past {
            return None;
        }
        step = next;
        let scale = if next == 8 {
            1
        } else if seconds {
            scale
        } else {
            scale * 1000
        };
        total = total.checked_add(value.checked_mul(scale)?)?;
        value = 0;
        while text.get(at) == Some(&b' ') {
            at += 1;
        }
    }
    if !valid {
        return None;
    }
    let rest = if seconds { value } else { value.checked_mul(1000)? };
    total.checked_add(rest)
}

/// A size in bytes: `8192`, `8k`, `1m`, `1g`; the unit may be in upper or lower case.
pub fn parse_size(text: &[u8]) -> Option<u64> {
    let (digits, scale) = match text.last()?.to_ascii_lowercase() {
        b'k' => (text.get(..text.len() - 1)?, 1 << 10),
        b'm' => (text.get(..text.len() - 1)?, 1 << 20),
        b'g' => (text.get(..text.len() - 1)?, 1 << 30),
        _ => (text, 1),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    value.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::{parse_size, parse_time, parse_time_seconds};
    use std::time::Duration;

    #[test]
    fn times_are_nginxs() {
        let ms = |n| Some(Duration::from_millis(n));
        for (text, time) in [
            ("60s", ms(60_000)),
            ("60", ms(60_000)),
            ("1m", ms(60_000)),
            ("1h30m", ms(5_400_000)),
            ("1h 30m", ms(5_400_000)),
            ("500ms", ms(500)),
            ("1s500ms", ms(1500)),
            ("30m1h", None),
            ("1y", None),
            ("", None),
            ("s", None),
            ("1x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_time(text.as_bytes()), time, "{text}");
        }
        assert_eq!(parse_time_seconds(b"1y"), Some(Duration::from_secs(365 * 86_400)));
        assert_eq!(parse_time_seconds(b"500ms"), None);
    }

    #[test]
    fn sizes_are_nginxs() {
        assert_eq!(parse_size(b"8k"), Some(8192));
        assert_eq!(parse_size(b"1M"), Some(1 << 20));
        assert_eq!(parse_size(b"k"), None);
        assert_eq!(parse_size(b"-1"), None);
    }
}
