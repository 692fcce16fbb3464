//! nginx's error log: the lines that say how an upstream failed (ngx_http_upstream.c,
//! ngx_event_connect.c). Nothing else in a line is used, because it contains clients and requests.

use std::path::PathBuf;

/// How many bytes of the log's end are read.
pub const TAIL: u64 = 256 << 10;

/// How nginx failed to get a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// `connect() … failed (2: No such file or directory)`.
    NoSocket,
    /// `connect() … failed (13: Permission denied)`.
    PermissionDenied,
    /// `connect() … failed (111: Connection refused)`.
    Refused,
    /// `connect() … failed (11: Resource temporarily unavailable)`.
    QueueFull,
    /// `recv() failed (104: Connection reset by peer)`, `writev() failed (32: Broken pipe)`, or the
    /// connection closed early; no part of the response had arrived yet.
    Reset,
    /// The connection closed in the middle of a response, of which the visitor received a part.
    CutOff,
    /// `upstream sent too large http2 frame`: nginx speaks HTTP/2 and gunicorn does not.
    Http2,
    /// `no live upstreams`.
    NoneLeft,
}

/// The name of a peer, as in the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Upstream {
    /// A unix socket.
    Unix(PathBuf),
    /// A host and a port, or an upstream's name if no peer was left.
    Name(String),
}

/// One failed attempt to get a response from a peer. nginx tries the next peer if there is one, so
/// a request may fail several times and be answered in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `2026-04-21 09:15:00`, in the machine's own time zone.
    pub time: String,
    /// nginx's process and the visitor's connection, `7#7: *3`; empty if the line has none.
    pub connection: String,
    /// The kind of failure.
    pub failure: Failure,
    /// The peer that nginx tried.
    pub upstream: Upstream,
}

/// By how much a line may be earlier than one before it: workers write to one file.
const OUT_OF_ORDER: i64 = 60;

/// Reads the end of a log. If the first line is cut off, it yields no entry. A line that is later than
/// one below it is of another time zone, or of a clock that was put right since: it is left out.
pub fn parse(tail: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut below: Option<i64> = None;
    for line in tail.rsplit(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let Some(at) = time(&line).as_deref().and_then(seconds) else { continue };
        if below.is_some_and(|below| at > below + OUT_OF_ORDER) {
            continue;
        }
        below = Some(below.map_or(at, |below| below.min(at)));
        found.extend(entry(&line));
    }
    found.reverse();
    found
}

/// The time of the newest line, as in [`Entry::time`].
pub fn newest(tail: &[u8]) -> Option<String> {
    tail.rsplit(|byte| *byte == b'\n').find_map(|line| time(&String::from_utf8_lossy(line)))
}

/// Seconds since 1970 of a time as it is written, `2026-04-21 09:15:00`, as if it were UTC.
pub fn seconds(time: &str) -> Option<i64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) {
        return None;
    }
    // Years begin in March, so that the day that may be missing is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// By how many seconds a clock is ahead of UTC that shows this time at that moment; `None` if that is no
/// time zone: the two are not of the same moment.
pub fn ahead_of_utc(time: &str, moment: i64) -> Option<i64> {
    const QUARTER: i64 = 15 * 60;
    let ahead = seconds(time)? - moment;
    let zone = (ahead + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    ((ahead - zone).abs() <= 2 && zone.abs() <= 14 * 3600).then_some(zone)
}

/// `2026/04/21 09:15:00 [error] 12#12: *3 connect() failed (111: …) while …, upstream: "…", …`.
fn entry(line: &str) -> Option<Entry> {
    let time = time(line)?;
    let failure = failure(line)?;
    // The request, which is under a visitor's control, precedes the upstream, and nginx escapes its
    // quotes; the upstream is followed by the host and the referrer, which a visitor controls too.
    let from = line.find(", upstream: \"")? + ", upstream: \"".len();
    let rest = line.get(from..)?;
    let url = rest.get(..rest.find('"')?)?;
    Some(Entry { time, connection: connection(line), failure, upstream: upstream(url)? })
}

impl Entry {
    /// The second of the day.
    pub fn second(&self) -> Option<u32> {
        let digits = |at: usize| self.time.get(at..at + 2).and_then(|two| two.parse::<u32>().ok());
        Some(digits(11)? * 3600 + digits(14)? * 60 + digits(17)?)
    }
}

fn connection(line: &str) -> String {
    let words = line.split_once("] ").map_or("", |(_, rest)| rest);
    let mut ends = words.match_indices(' ').map(|(at, _)| at);
    let id = ends.nth(1).and_then(|end| words.get(..end)).unwrap_or_default();
    if id.contains(": *") { id.to_owned() } else { String::new() }
}

fn time(line: &str) -> Option<String> {
    let head = line.get(..19)?;
    let fits = head.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'/',
        10 => byte == b' ',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    fits.then(|| head.replace('/', "-"))
}

fn failure(line: &str) -> Option<Failure> {
    // nginx's own message precedes the first field.
    let said = line.split(", client: ").next()?;
    if said.contains("no live upstreams while connecting to upstream") {
        return Some(Failure::NoneLeft);
    }
    if said.contains("upstream prematurely closed connection while reading response header") {
        return Some(Failure::Reset);
    }
    if said.contains("upstream prematurely closed connection while reading upstream") {
        return Some(Failure::CutOff);
    }
    if said.contains("upstream sent too large http2 frame") {
        return Some(Failure::Http2);
    }
    let errno = said.split(" failed (").nth(1)?.split(':').next()?;
    let connecting = said.contains("connect() ") && said.contains("while connecting to upstream");
    match errno {
        "2" if connecting => Some(Failure::NoSocket),
        "13" if connecting => Some(Failure::PermissionDenied),
        "111" if connecting => Some(Failure::Refused),
        "11" if connecting => Some(Failure::QueueFull),
        // This also happens after a complete response to an upload that the application did not
        // read: the kernel resets a connection that is closed with unread data. The visitor has
        // received the 200.
        "104" if said.contains("while reading upstream") => None,
        "104" | "32" if said.contains("upstream") => Some(Failure::Reset),
        _ => None,
    }
}

/// The peer of `http://unix:/run/x.sock:/path` or `http://127.0.0.1:8000/path`.
fn upstream(url: &str) -> Option<Upstream> {
    let rest = url.split_once("://")?.1;
    if let Some(path) = rest.strip_prefix("unix:") {
        let path = path.split(':').next().filter(|path| path.starts_with('/'))?;
        return Some(Upstream::Unix(path.into()));
    }
    let name = rest.split('/').next().filter(|name| !name.is_empty())?;
    Some(Upstream::Name(name.to_owned()))
}
