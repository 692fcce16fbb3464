//! The certificates that nginx shows to clients, and what is in them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::running::last_change;
use crate::facts::place::tidy;
use crate::facts::{Known, Origin, Why};
use crate::host::{Host, HostErrorKind};
use crate::source::certificate::{self, Chain};
use crate::source::nginx::{DirectiveId, Model, Place as Level, ServerId, WordRef, has_variable};
use crate::source::{Sources, Span};

/// The largest file that is read for a certificate or a key, in bytes.
const LIMIT: u64 = 1 << 20;

/// A certificate with its key, as servers of nginx show it.
#[derive(Debug, Clone)]
pub struct ServedCertificate {
    /// The servers.
    pub servers: Vec<ServerId>,
    /// The word that names the certificate.
    pub span: Span,
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub chain: Known<Chain>,
    /// It holds no certificate at all.
    pub is_none: bool,
    /// The word that names its key.
    pub key_span: Option<Span>,
    /// Is that its key?
    pub key_fits: Known<bool>,
    /// When the file, or a link on the way to it, was changed last, in seconds since 1970.
    pub changed: Option<i64>,
}

/// Those of all servers that listen for TLS, each once.
pub(in crate::facts) fn read(sources: &Sources, model: &Model) -> Vec<ServedCertificate> {
    let mut found: Vec<ServedCertificate> = Vec::new();
    let mut known: HashMap<(Span, Option<Span>), usize> = HashMap::new();
    let tls = model.servers.iter().filter(|server| server.listens.iter().any(|one| one.ssl));
    for server in tls {
        let level = Level::Server(server.id);
        let certificates = words(model, level, "ssl_certificate");
        let keys = words(model, level, "ssl_certificate_key");
        // The first key is the first certificate's, and so on.
        let paired = certificates.len() == keys.len();
        for (at, word) in certificates.iter().enumerate() {
            let Some(path) = path(word) else { continue };
            let key = keys.get(at).filter(|_| paired);
            let place = (word.span(), key.map(WordRef::span));
            if let Some(same) = known.get(&place).and_then(|at| found.get_mut(*at)) {
                same.servers.push(server.id);
                continue;
            }
            known.insert(place, found.len());
            let key = key.and_then(|word| Some((word.span(), self::path(word)?)));
            found.push(one(sources.host(), server.id, word.span(), path, key));
        }
    }
    found
}

/// The files' words of a directive: several certificates stand beside each other, at one level.
pub(super) fn words<'m>(model: &'m Model, level: Level, name: &str) -> Vec<WordRef<'m>> {
    let block: Option<DirectiveId> = model.effective(level, name).level;
    let lines = model.named_in(block, name);
    lines.into_iter().filter_map(|id| model.config.get(id)?.argument(0)).collect()
}

/// The file that a word names; none where it names none, or only at each handshake.
pub(super) fn path(word: &WordRef) -> Option<PathBuf> {
    let text = word.text();
    let elsewhere = ["data:", "engine:", "store:"].iter().any(|p| text.starts_with(p));
    let open = elsewhere || text.is_empty() || has_variable(&text) || word.has_placeholder();
    (!open).then(|| tidy(&Path::new("/etc/nginx").join(text.as_ref())))
}

fn one(
    host: &dyn Host,
    server: ServerId,
    span: Span,
    path: PathBuf,
    key: Option<(Span, PathBuf)>,
) -> ServedCertificate {
    let read = host.read(&path, LIMIT);
    let is_none = read.as_ref().is_ok_and(|bytes| certificate::is_none(bytes));
    let chain = match read {
        Ok(bytes) => match Chain::parse(&bytes) {
            Ok(chain) => Known::Value(chain, Origin::Path(path.clone())),
            Err(fault) => Known::Unknown(Why::not_understood(fault).about(path.display())),
        },
        Err(error) => Known::Unknown(unread(&path, &error.kind)),
    };
    let key_fits = match (&chain, &key) {
        (Known::Unknown(why), _) => Known::Unknown(why.clone()),
        (_, None) => Known::Unknown(Why::not_understood("which key is its own is not known")),
        (chain, Some((_, key))) => match (chain.ok(), host.read(key, LIMIT)) {
            (Some(chain), Ok(bytes)) => match chain.fits(&bytes) {
                Some(fits) => Known::Value(fits, Origin::Path(key.clone())),
                None => Known::Unknown(Why::not_understood(format!(
                    "{}: its key is not understood",
                    key.display()
                ))),
            },
            (_, Err(error)) => Known::Unknown(unread(key, &error.kind)),
            (None, Ok(_)) => Known::Unknown(Why::not_read("the certificate was not read")),
        },
    };
    let key_span = key.map(|(span, _)| span);
    let changed = last_change(host, &path).map(|(time, _)| time);
    ServedCertificate {
        servers: vec![server],
        span,
        path,
        chain,
        is_none,
        key_span,
        key_fits,
        changed,
    }
}

fn unread(path: &Path, kind: &HostErrorKind) -> Why {
    Why::not_read(format!("{}: {kind}", path.display()))
}
