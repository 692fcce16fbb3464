//! The certificates and keys that nginx loads when it starts and when it reloads.

mod served;

pub(super) use served::path as path_of;
pub(super) use served::read as served;
pub use served::{LackingIssuer, ServedCertificate};

use std::collections::HashSet;

use super::super::{Machine, Place};
use crate::source::nginx::{Model, Place as Level};
use crate::source::{Sources, Span};

/// Directives that name a file that nginx loads with its configuration.
const DIRECTIVES: [&str; 6] = [
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_dhparam",
    "ssl_trusted_certificate",
    "ssl_client_certificate",
    "ssl_crl",
];

/// A file that nginx loads with its configuration.
#[derive(Debug, Clone)]
pub struct CertificateFile {
    /// The directive's name.
    pub directive: &'static str,
    /// The word that names the file.
    pub span: Span,
    /// The file.
    pub place: Place,
}

/// Those of the servers that have a certificate.
pub(super) fn read(sources: &Sources, machine: &Machine, model: &Model) -> Vec<CertificateFile> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for server in &model.servers {
        let level = Level::Server(server.id);
        // Without a certificate nginx ignores the others.
        if model.effective_directive(level, "ssl_certificate").is_none() {
            continue;
        }
        for name in DIRECTIVES {
            for word in served::words(model, level, name) {
                let Some(path) = served::path(&word) else { continue };
                if !seen.insert((word.span(), name)) {
                    continue;
                }
                let place = Place::look(sources.host(), &path, machine.owners_known);
                found.push(CertificateFile { directive: name, span: word.span(), place });
            }
        }
    }
    found
}
