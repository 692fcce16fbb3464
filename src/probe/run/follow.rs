//! Follows a probe from when it is sent to its response or its failure.

use super::super::answer::{Answer, Cut};
use super::super::connection::{Asking, Connection};
use super::super::kind::Kind;
use super::super::record::FirstFailure;
use super::super::schedule::Series;
use super::super::{evidence, judge};
use super::Run;
use crate::host::net::{NetError, Received};

impl Run {
    /// Handles an event on a connection.
    pub(super) fn go_on(&mut self, slot: usize) {
        let Some(connection) = self.slots.get(slot) else { return };
        if connection.asking.is_none() {
            if !self.still_open(slot) {
                self.forget_idle(slot);
                self.renew(slot);
            }
            return;
        }
        let connecting = !connection.channel.connected();
        match step(connection, &mut self.scratch) {
            Ok(ProbeStep::Waiting) => self.slots.watch(&self.poller, slot),
            Ok(ProbeStep::Answered(answer)) => self.answered(slot, answer),
            Ok(ProbeStep::Cut(cut)) => self.fail(slot, judge::cut(cut), None),
            Ok(ProbeStep::Malformed(why)) => self.fail(slot, Kind::BadAnswer, Some(why.to_owned())),
            Err(error) => {
                if connecting && self.try_elsewhere(slot, &error) {
                    return;
                }
                match judge::error(&error) {
                    Some(kind) => self.fail(slot, kind, Some(error.to_string())),
                    None => self.not_sent(slot),
                }
            }
        }
    }

    fn forget_idle(&mut self, slot: usize) {
        let Some(site) = self.slots.get(slot).map(|connection| connection.site) else { return };
        self.sites[site].idle.retain(|idle| *idle != slot);
    }

    /// Handles a complete response.
    fn answered(&mut self, slot: usize, answer: Answer) {
        let Some(connection) = self.slots.get(slot) else { return };
        let Some(asking) = connection.asking.take() else { return };
        let now = self.now();
        self.busy = self.busy.saturating_sub(1);
        let (target, series, due) = (asking.due.target, asking.due.series, asking.due.at);
        let site = &mut self.sites[target];
        (site.preferred, site.proven) = (asking.address, true);
        let keep = series == Series::Kept && answer.keep_alive && site.idle.len() < site.keep;
        if keep {
            site.idle.push_back(slot);
            self.slots.watch(&self.poller, slot);
        } else {
            self.slots.remove(slot);
        }
        let mut record = self.shared.record();
        record.watched(target, series, due, &answer);
        let learned = &mut record.targets[target].status;
        match judge::answer(&answer, &self.settings.expect, learned) {
            None => record.succeeded(target, series, due, now),
            Some(kind) => {
                let body = evidence::body(&answer.first_bytes, &self.settings);
                let status = Some(answer.status);
                let failure = FirstFailure { kind, series, at: due, status, words: None, body };
                record.failed(target, failure, now);
            }
        }
    }

    /// Records that the probe in a slot has failed, and closes its connection.
    pub(super) fn fail(&mut self, slot: usize, kind: Kind, words: Option<String>) {
        let Some(Connection { asking: Some(asking), .. }) = self.slots.remove(slot) else { return };
        self.failed(&asking, kind, words);
    }

    /// Handles a connection that could not be established.
    pub(super) fn broken(&mut self, asking: &Asking, error: &NetError) {
        match judge::error(error) {
            Some(kind) => self.failed(asking, kind, Some(error.to_string())),
            None => {
                self.busy = self.busy.saturating_sub(1);
                let due = asking.due;
                self.record().not_sent_after_all(due.target, due.series, due.at);
            }
        }
    }

    pub(super) fn not_sent(&mut self, slot: usize) {
        let Some(Connection { asking: Some(asking), .. }) = self.slots.remove(slot) else { return };
        self.busy = self.busy.saturating_sub(1);
        let due = asking.due;
        self.record().not_sent_after_all(due.target, due.series, due.at);
    }

    pub(super) fn failed(&mut self, asking: &Asking, kind: Kind, words: Option<String>) {
        let now = self.now();
        self.busy = self.busy.saturating_sub(1);
        let failure = FirstFailure {
            kind,
            series: asking.due.series,
            at: asking.due.at,
            status: asking.reader.status(),
            words: words.map(|words| evidence::words(&words)),
            body: evidence::body(asking.reader.first_bytes(), &self.settings),
        };
        let target = asking.due.target;
        let mut record = self.record();
        let hidden = asking.reused && asking.reader.untouched();
        if hidden && matches!(kind, Kind::Closed | Kind::Reset) {
            record.targets[target].series[Series::Kept as usize].repeatable += 1;
        }
        record.failed(target, failure, now);
    }
}

/// How far a probe has got.
enum ProbeStep {
    Waiting,
    Answered(Answer),
    Cut(Cut),
    Malformed(&'static str),
}

/// Writes and reads as far as possible without waiting.
fn step(connection: &mut Connection, scratch: &mut [u8]) -> Result<ProbeStep, NetError> {
    let Some(asking) = &mut connection.asking else { return Ok(ProbeStep::Waiting) };
    let channel = &mut connection.channel;
    // A server may respond and close before it has read the request, and the response counts.
    let written = channel.advance();
    if !channel.connected() {
        return written.map(|()| ProbeStep::Waiting);
    }
    loop {
        let (read, received) = match channel.receive(scratch) {
            Ok(received) => received,
            Err(error) => return Err(written.err().unwrap_or(error)),
        };
        match asking.reader.push(scratch.get(..read).unwrap_or_default()) {
            Ok(None) => {}
            Ok(Some(answer)) => return Ok(ProbeStep::Answered(answer)),
            Err(why) => return Ok(ProbeStep::Malformed(why.0)),
        }
        match received {
            Received::More => {}
            Received::Open => {
                // TLS may have to send something in reaction to what was read.
                written?;
                channel.advance()?;
                return Ok(ProbeStep::Waiting);
            }
            Received::End => {
                return Ok(asking.reader.end().map_or_else(ProbeStep::Cut, ProbeStep::Answered));
            }
        }
    }
}
