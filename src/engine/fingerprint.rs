//! Identifies a finding even when lines move.

use std::collections::HashMap;

use super::{Anchor, Reported};
use crate::rule::Finding;
use crate::source::Sources;

/// Gives every finding its fingerprint, computed from its rule, application, file and subject.
/// Identical findings are distinguished by their order.
pub(super) fn stamp(findings: Vec<Finding>, sources: &Sources, anchor: &Anchor) -> Vec<Reported> {
    let mut seen: HashMap<u64, u32> = HashMap::new();
    findings
        .into_iter()
        .map(|finding| {
            let mut hash = Fnv::new();
            hash.text(finding.rule.code.as_bytes());
            hash.text(anchor.app(finding.app.as_deref().unwrap_or_default()).as_bytes());
            if let Some(label) = finding.labels.first() {
                let file = sources.file(label.span.file);
                hash.text(anchor.name(&file.path).as_os_str().as_encoded_bytes());
                if finding.subject.is_empty() {
                    // Text that is hidden in output is hidden here too: the hash of a short secret
                    // could be guessed.
                    hash.text(sources.shown(label.span).as_bytes());
                }
            }
            hash.text(finding.subject.as_bytes());
            let alike = format!("{:016x}", hash.0);
            let nth = seen.entry(hash.0).or_default();
            if *nth > 0 {
                hash.text(&nth.to_le_bytes());
            }
            *nth += 1;
            Reported { fingerprint: format!("{:016x}", hash.0), alike, finding }
        })
        .collect()
}

/// FNV-1a, 64 bit: stable forever, unlike the standard library's hashers, and not meant to keep
/// anything secret.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn text(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
