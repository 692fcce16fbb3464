//! How many requests were lost when a reload or `max_requests` replaced workers, as `e2e/measure`
//! counted them.

use crate::facts::gunicorn::Version;

/// One line a kind of run; the first lines say what the columns are.
const TABLE: &str = include_str!("losses.txt");

/// The gunicorn that was measured for all from a release on to the next line.
const SERIES: [(&str, &str); 8] = [
    ("20.0", "20.1.0"),
    ("21.0", "21.2.0"),
    ("22.0", "22.0.0"),
    ("23.0", "23.0.0"),
    ("24.0", "24.1.1"),
    ("25.0", "25.3.0"),
    ("26.0", "26.2.0"),
    ("27.0", "27.0.1"),
];

/// A way of running gunicorn behind nginx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// `gthread` or `sync`.
    pub class: &'static str,
    /// Does nginx keep its connections open?
    pub kept: bool,
    /// One that keeps them by default (1.30), or an older one (1.22).
    pub newer_nginx: bool,
    /// Is `max_requests` set?
    pub max_requests: bool,
    /// Is it reloaded, or are workers replaced by `max_requests` alone?
    pub reloads: bool,
}

/// What runs of one kind came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub gunicorn: &'static str,
    pub nginx: &'static str,
    /// HUPs in all runs.
    pub reloads: u32,
    pub seconds: u32,
    /// Requests that were not answered with 200.
    pub gets: u32,
    pub posts: u32,
    /// POSTs sent; as many GETs were.
    pub sent: u32,
}

impl Measured {
    fn lost(&self) -> bool {
        self.gets + self.posts > 0
    }
}

/// What a version's series was seen to lose; `None` if it loses none. A gunicorn that loses
/// once in a thousand kept connections may have been lucky behind one nginx: then it is the other.
pub(super) fn lost(version: &Version, kind: Kind) -> Option<Measured> {
    let series = SERIES.iter().rev().find(|(first, _)| version.at_least(first) == Some(true));
    let (_, gunicorn) = series?;
    let other = Kind { newer_nginx: !kind.newer_nginx, ..kind };
    let seen = |kind: Kind| {
        // Which kind a line is of is in its first words; the numbers are for one line alone.
        let first = kind.class.len() + gunicorn.len() + 2;
        let may_be = |line: &&str| {
            let words = line.get(first..).and_then(|rest| rest.split_once(' '));
            words.is_some_and(|(nginx, rest)| {
                nginx.starts_with("1.30") == kind.newer_nginx
                    && rest.starts_with("kept") == kind.kept
            })
        };
        let mut rows = of(kind.class, gunicorn).filter(may_be).filter_map(begin);
        rows.find(|row| row.kind == kind).and_then(LossRow::measured)
    };
    seen(kind).filter(Measured::lost).or_else(|| seen(other).filter(Measured::lost))
}

/// What clients without an nginx lost (three reloads at 300 requests a second, clients that keep
/// their connections, but for the versions that lost without that, too).
pub(super) fn direct(version: &Version, class: &str) -> Option<&'static str> {
    let from = |first: &str| version.at_least(first) == Some(true);
    let lost = match () {
        () if class != "gthread" || from("27.0") => return None,
        () if from("24.0") => "up to 6",
        () if from("21.0") => "4 to 6",
        () => "up to 19",
    };
    Some(lost)
}

/// The lines of one worker class and one gunicorn, which are together: every check asks, so no
/// other is parsed.
fn of(class: &str, gunicorn: &str) -> impl Iterator<Item = &'static str> {
    let begins = format!("\n{class} {gunicorn} ");
    let at = memchr::memmem::find(TABLE.as_bytes(), begins.as_bytes());
    let rest = at.map_or("", |at| &TABLE[at + 1..]);
    rest.lines().take_while(move |line| line.starts_with(&begins[1..]))
}

/// A line whose kind is known, and its words from the number of reloads on.
struct LossRow {
    kind: Kind,
    gunicorn: &'static str,
    nginx: &'static str,
    numbers: [&'static str; 5],
}

fn begin(line: &'static str) -> Option<LossRow> {
    let mut words = line.split_ascii_whitespace();
    let [class, gunicorn, nginx, way, max_requests] =
        std::array::from_fn(|_| words.next().unwrap_or_default());
    let numbers: [&str; 5] = std::array::from_fn(|_| words.next().unwrap_or_default());
    if words.next().is_some() {
        return None;
    }
    let kept = match way {
        "kept" => true,
        "closed" => false,
        _ => return None,
    };
    let [reloads, ..] = numbers;
    let kind = Kind {
        class,
        kept,
        newer_nginx: nginx.starts_with("1.30"),
        max_requests: max_requests != "0",
        reloads: reloads != "0",
    };
    Some(LossRow { kind, gunicorn, nginx, numbers })
}

impl LossRow {
    fn measured(self) -> Option<Measured> {
        let Self { gunicorn, nginx, numbers, .. } = self;
        let [reloads, seconds, gets, posts, sent] = numbers.map(|word| word.parse::<u32>().ok());
        let (reloads, seconds, gets) = (reloads?, seconds?, gets?);
        Some(Measured { gunicorn, nginx, reloads, seconds, gets, posts: posts?, sent: sent? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Measured, SERIES, TABLE, begin, of};

    fn read(line: &'static str) -> Option<(Kind, Measured)> {
        let row = begin(line)?;
        Some((row.kind, row.measured()?))
    }

    #[test]
    fn the_table_is_whole() {
        let lines = || TABLE.lines().filter(|line| !line.starts_with('#'));
        let rows: Vec<_> =
            lines().map(|line| read(line).unwrap_or_else(|| panic!("{line}"))).collect();
        for (number, (kind, row)) in rows.iter().enumerate() {
            let twice = rows[..number].iter().any(|(k, r)| k == kind && r.gunicorn == row.gunicorn);
            assert!(!twice, "{kind:?} {}", row.gunicorn);
            assert!(
                of(kind.class, row.gunicorn).filter_map(read).any(|(k, _)| k == *kind),
                "{kind:?}"
            );
            assert!(row.sent > 500 && row.posts <= row.sent && row.gets <= row.sent, "{row:?}");
        }
        for (_, gunicorn) in SERIES {
            let of = |class| {
                move |(kind, row): &&(super::Kind, super::Measured)| {
                    row.gunicorn == gunicorn && kind.class == class
                }
            };
            // Kept or not, each nginx; reloads, `max_requests`, both.
            assert_eq!(rows.iter().filter(of("gthread")).count(), 12, "{gunicorn}");
            assert!(rows.iter().filter(of("sync")).count() >= 4, "{gunicorn}");
        }
    }
}
