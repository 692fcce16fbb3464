//! How many files nginx's processes can keep open.

use super::super::{Known, Machine, Origin, Whose, Why};
use crate::source::nginx::Model;
use crate::source::unit::Unit;

/// systemd's own soft limit since version 240 (`DefaultLimitNOFILE=1024:524288`).
pub const DEFAULT: u64 = 1024;

/// nginx's limits.
#[derive(Debug)]
pub struct Descriptors {
    /// How many descriptors a worker may have: `worker_rlimit_nofile`, else what nginx's unit
    /// leaves it.
    pub limit: Known<u64>,
    /// `worker_connections`.
    pub connections: Known<u64>,
}

pub(super) fn read(machine: &Machine, model: &Model, unit: Option<&Unit>) -> Descriptors {
    let main = model.config.roots().filter(|root| root.name().as_ref() == b"worker_rlimit_nofile");
    let limit = match main.last().and_then(|line| line.argument(0)) {
        Some(word) => match word.text().parse() {
            Ok(limit) => Known::Value(limit, Origin::text(word.span())),
            Err(_) => Known::Unknown(Why::not_understood("worker_rlimit_nofile is not a number")),
        },
        None => of_unit(machine, unit),
    };
    let events = model.config.roots().filter(|root| root.name().as_ref() == b"events");
    let word = events
        .flat_map(|events| events.children())
        .filter(|line| line.name().as_ref() == b"worker_connections")
        .last()
        .and_then(|line| line.argument(0));
    let connections = match word {
        Some(word) => match word.text().parse() {
            Ok(count) => Known::Value(count, Origin::text(word.span())),
            Err(_) => Known::Unknown(Why::not_understood("worker_connections is not a number")),
        },
        None => Known::Observed(512, "nginx's default"),
    };
    Descriptors { limit, connections }
}

/// `LimitNOFILE=` of nginx's unit: one number, or the soft and the hard limit. The soft one is
/// what a worker gets.
fn of_unit(machine: &Machine, unit: Option<&Unit>) -> Known<u64> {
    let Some(unit) = unit.filter(|_| machine.whole) else {
        return Known::Unknown(Why::not_read("nginx's unit was not read"));
    };
    let Some(line) = unit.last("Service", "LimitNOFILE") else {
        return Known::Default(DEFAULT, Whose::SYSTEMD);
    };
    let text = line.value.as_str();
    let soft = text.split(':').next().unwrap_or(text);
    match soft.parse() {
        Ok(limit) => Known::Value(limit, Origin::text(line.value.span())),
        Err(_) if soft == "infinity" => Known::Value(u64::MAX, Origin::text(line.value.span())),
        Err(_) => Known::Unknown(Why::not_understood("LimitNOFILE= is not a number")),
    }
}
