//! Finds names that are a typo away from one of nginx's own.

use std::collections::HashMap;

use super::super::config::DirectiveRef;
use super::super::fault::{Fault, FaultKind};
use super::table::{DIRECTIVES, OF_MODULES};
use crate::source::similar::nearest_within;

/// Names that are in neither table: those of nginx's commercial version, of builds that Debian does
/// not have, and of modules whose names are close to one of nginx's own.
const OTHERS: &[&str] = &[
    "api",
    "drizzle_pass",
    "google_perftools_profiles",
    "health_check",
    "keyval",
    "keyval_zone",
    "least_time",
    "limit_zone",
    "match",
    "mp4_limit_rate",
    "mp4_limit_rate_after",
    "openssl_cache",
    "otel_trace",
    "proxy_bind_dynamic",
    "queue",
    "rds_json",
    "redis2_pass",
    "redis_pass",
    "server_names",
    "session_log",
    "spdy_headers_comp",
    "ssl_key_log",
    "state",
    "status",
    "status_zone",
    "sub_filters",
    "upload_pass",
    "zone_sync",
    "zone_sync_ssl_name",
];

/// How many different unknown names are compared. A file with more of them has no mere typo.
const LIMIT: usize = 500;
/// Shorter names are too close to too many others.
const SHORTEST: usize = 4;

/// The result for each unknown name.
#[derive(Default)]
pub(super) struct Typos {
    known: HashMap<String, Option<&'static str>>,
}

impl Typos {
    /// Returns a fault if the name is a typo.
    pub(super) fn check(&mut self, directive: &DirectiveRef<'_>, name: &str) -> Option<Fault> {
        if directive.words().next().is_some_and(|word| word.has_placeholder()) {
            return None;
        }
        let near = match self.known.get(name) {
            Some(near) => *near,
            None if self.known.len() >= LIMIT => None,
            None => {
                let near = nearest(name);
                self.known.insert(name.to_owned(), near);
                near
            }
        }?;
        let message = format!("unknown directive \"{name}\", did you mean \"{near}\"?");
        Some(Fault::new(FaultKind::UnknownDirective, directive.name_span(), message))
    }
}

fn is_of_others(name: &str) -> bool {
    OTHERS.contains(&name) || OF_MODULES.binary_search(&name).is_ok()
}

fn nearest(name: &str) -> Option<&'static str> {
    if name.len() < SHORTEST || is_of_others(name) {
        return None;
    }
    let known = DIRECTIVES.iter().map(|known| known.name).filter(|known| known.len() >= SHORTEST);
    nearest_within(name, if name.len() >= 10 { 2 } else { 1 }, known)
}
