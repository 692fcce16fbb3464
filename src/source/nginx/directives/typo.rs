//! Names that are a slip away from one of nginx's own.

use std::collections::HashMap;

use super::super::config::DirectiveRef;
use super::super::fault::{Fault, FaultKind};
use super::table::DIRECTIVES;

/// Names that the table does not have: of later versions, and of modules that are near to one of
/// nginx's own.
const OTHERS: &[&str] = &[
    "http2",
    "http3",
    "http3_hq",
    "quic_bpf",
    "quic_gso",
    "quic_host_key",
    "quic_retry",
    "ssl_conf_command",
    "ssl_reject_handshake",
    "keepalive_time",
    "keepalive_min_timeout",
    "add_header_inherit",
    "add_trailer_inherit",
    "early_hints",
    "proxy_cookie_flags",
    "ssl_key_log",
    "ssl_certificate_cache",
    "ssl_ech_file",
    "proxy_pass_trailers",
    "grpc_ssl_conf_command",
    "uwsgi_ssl_certificate_cache",
    "mp4_start_key_frame",
    "max_headers",
    "echo",
    "drizzle_pass",
    "redis_pass",
    "redis2_pass",
    "rds_json",
    "sub_filters",
    "subs_filter",
    "rtmp",
    "upload_pass",
    "geoip2",
    "server_names",
    "google_perftools_profiles",
];

/// How many different unknown names are compared; a file with more is no slip.
const LIMIT: usize = 500;
/// Shorter names are near to too many others.
const SHORTEST: usize = 4;

/// What was found of each unknown name.
#[derive(Default)]
pub(super) struct Typos {
    known: HashMap<String, Option<&'static str>>,
}

impl Typos {
    /// A fault where the name is a slip.
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

fn nearest(name: &str) -> Option<&'static str> {
    if name.len() < SHORTEST || name.len() > 64 || OTHERS.contains(&name) {
        return None;
    }
    let folded = name.to_ascii_lowercase().replace('-', "_");
    let limit = if name.len() >= 10 { 2 } else { 1 };
    let near = |limit| {
        DIRECTIVES.iter().map(|(known, _)| *known).find(|known| {
            known.len() >= SHORTEST
                && known.len().abs_diff(folded.len()) <= limit
                && strsim::osa_distance(&folded, known) <= limit
        })
    };
    near(0).or_else(|| near(1)).or_else(|| near(limit))
}
