//! A hundred runs against scripts drawn by lot: run by hand, its numbers stand in
//! `docs/performance.md`.
//!
//! ```text
//! cargo test --release --test suite prober_many:: -- --ignored --nocapture
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use deploy_doctor::probe::{Connections, Expect, Kind, Settings};

use super::prober::{failures, run, settings};
use crate::support::scripted::{Deed, Scripted, answer};

/// How many runs; `RUNS=5` for a look.
fn runs() -> u64 {
    std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(100)
}

/// Numbers drawn by lot, the same ones every time (splitmix64).
struct Lot(u64);

impl Lot {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn kind_of(deed: &Deed) -> Option<Kind> {
    Some(match deed {
        Deed::Close => Kind::Closed,
        Deed::Reset => Kind::Reset,
        deed if *deed == Deed::status(500) => Kind::ServerError,
        deed if *deed == Deed::status(502) => Kind::BadGateway,
        deed if *deed == Deed::status(503) => Kind::Unavailable,
        deed if *deed == Deed::status(504) => Kind::GatewayTimeout,
        deed if *deed == Deed::status(403) => Kind::Status,
        deed if *deed == Deed::Answer(answer(200, "old")) => Kind::Version,
        _ => return None,
    })
}

/// Every request gets a deed by lot, and for a while all answers are held back.
fn one(seed: u64) -> (bool, Duration, Duration, f64) {
    let mut lot = Lot(seed);
    let bad = [
        Deed::Close,
        Deed::Reset,
        Deed::status(500),
        Deed::status(502),
        Deed::status(503),
        Deed::status(504),
        Deed::status(403),
        Deed::Answer(answer(200, "old")),
    ];
    // One in ten fails.
    let deeds: Vec<Deed> = (0..1000)
        .map(|_| match lot.below(10) {
            0 => bad[usize::try_from(lot.below(bad.len() as u64)).unwrap()].clone(),
            _ => Deed::Answer(answer(200, "new")),
        })
        .collect();
    let stall = Duration::from_millis(300 + lot.below(1200));
    let begin = Instant::now() + Duration::from_millis(300 + lot.below(400));
    let end = begin + stall;
    let script = deeds.clone();
    let server = Scripted::tcp(move |asked| match &script[asked.number] {
        Deed::Answer(bytes) if asked.at >= begin && asked.at < end => {
            Deed::AnswerAt(end, bytes.clone())
        }
        deed => deed.clone(),
    });
    let report = run(Settings {
        rate: 200.0,
        duration: Some(Duration::from_millis(700) + stall + Duration::from_millis(300)),
        connections: Connections::Both,
        expect: Expect { status: vec![200], version: Some("new".into()), ..Expect::default() },
        ..settings(&[&server.url("/")])
    });
    let log = server.log();
    let mut truth: BTreeMap<Kind, u64> = BTreeMap::new();
    for kind in (0..log.len()).filter_map(|number| kind_of(&deeds[number])) {
        *truth.entry(kind).or_default() += 1;
    }
    let exact = failures(&report) == truth && report.total.sent == log.len() as u64;
    let mut answered: Vec<Instant> = log
        .iter()
        .filter(|entry| kind_of(&deeds[entry.asked.number]).is_none())
        .filter_map(|entry| entry.answered)
        .collect();
    answered.sort();
    let longest = answered.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    (exact, report.targets[0].longest_gap.length(), longest, report.lateness.worst_ms)
}

#[test]
#[ignore = "minutes long; its numbers stand in docs/performance.md"]
fn a_hundred_runs() {
    let (mut exact, mut within, mut off) = (0, 0, Vec::new());
    for seed in 0..runs() {
        let (counted, gap, truth, late) = one(seed);
        let error = gap.abs_diff(truth);
        exact += u64::from(counted);
        within += u64::from(error <= Duration::from_millis(20).max(truth / 50));
        off.push(error);
        println!(
            "{seed}: counted {counted}, gap {gap:?} for {truth:?}, late by {late} ms at worst"
        );
    }
    off.sort();
    let (median, worst) = (off[off.len() / 2], off[off.len() - 1]);
    println!("failures exact in {exact} of {} runs", runs());
    println!(
        "the stall within 2 % or 20 ms in {within}; off by {median:?} (median), {worst:?} (worst)"
    );
    assert_eq!(exact, runs());
}
