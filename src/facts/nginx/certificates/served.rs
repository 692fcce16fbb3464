//! The certificates that nginx shows to clients, and what is in them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::running::last_change;
use crate::facts::place::tidy;
use crate::facts::{Known, Origin, Why};
use crate::host::{Host, HostErrorKind};
use crate::source::certificate::{self, Chain, Issuer};
use crate::source::nginx::{DirectiveId, Model, Place as Level, ServerId, WordRef, has_variable};
use crate::source::{Sources, Span};

/// The largest file that is read for a certificate or a key, in bytes.
const LIMIT: u64 = 1 << 20;

/// The roots that the host trusts.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The most files next to a certificate that are looked into for its issuer.
const BESIDE: usize = 50;

/// An issuer that clients need and nginx does not send.
#[derive(Debug, Clone)]
pub struct LackingIssuer {
    /// A file in the same directory that holds it.
    pub beside: Option<PathBuf>,
    /// A file in the same directory that begins with the certificate and holds its issuer, too.
    pub whole: Option<PathBuf>,
}

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
    /// Where it is not: the place in the file of the certificate whose key it is, from 2.
    pub key_of: Option<usize>,
    /// The intermediate that its file lacks, where it is certain that it needs one: not where an
    /// authority of its own may have issued it, whose root clients have.
    pub lacking: Option<LackingIssuer>,
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

/// The files' words of a directive: several certificates stand next to each other, at one level.
pub(super) fn words<'m>(model: &'m Model, level: Level, name: &str) -> Vec<WordRef<'m>> {
    let block: Option<DirectiveId> = model.effective(level, name).level;
    let lines = model.named_in(block, name);
    lines.into_iter().filter_map(|id| model.config.get(id)?.argument(0)).collect()
}

/// The file that a word names; `None` if it names none, or only at each handshake.
pub(in crate::facts::nginx) fn path(word: &WordRef) -> Option<PathBuf> {
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
        (_, None) => Known::Unknown(Why::not_understood("it is not known which key is its own")),
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
    let key_of = match (chain.ok(), &key, key_fits.ok()) {
        (Some(chain), Some((_, key)), Some(false)) => {
            host.read(key, LIMIT).ok().and_then(|bytes| chain.fits_other(&bytes))
        }
        _ => None,
    };
    let lacking = chain.ok().and_then(|chain| lacking(host, &path, chain));
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
        key_of,
        lacking,
        changed,
    }
}

/// The intermediate that a certificate's file lacks.
fn lacking(host: &dyn Host, path: &Path, chain: &Chain) -> Option<LackingIssuer> {
    if !chain.is_alone() {
        return None;
    }
    let trusted = host.read(Path::new(ROOTS), 4 * LIMIT);
    if trusted.is_ok_and(|roots| chain.issuer_in(&roots) != Issuer::NotHere) {
        return None;
    }
    let mut lacking = LackingIssuer { beside: None, whole: None };
    for file in beside(host, path) {
        let Ok(bytes) = host.read(&file, LIMIT) else { continue };
        match chain.issuer_in(&bytes) {
            // Its authority signs with a root, which clients have to have.
            Issuer::Root => return None,
            Issuer::NotHere => {}
            Issuer::Intermediate if chain.is_first_in(&bytes) => {
                lacking.whole.get_or_insert(file);
            }
            Issuer::Intermediate => {
                lacking.beside.get_or_insert(file);
            }
        }
    }
    let certain = chain.is_public() || lacking.beside.is_some() || lacking.whole.is_some();
    certain.then_some(lacking)
}

/// The other certificates of a directory, by their files' names.
fn beside(host: &dyn Host, path: &Path) -> Vec<PathBuf> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut names = host.list(directory).unwrap_or_default();
    names.sort_unstable();
    let is = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let key = path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains("key"));
        matches!(ending, "pem" | "crt" | "cer" | "ca-bundle") && !key
    };
    let files = names.into_iter().map(|name| directory.join(name));
    files.filter(|file| file != path).filter(is).take(BESIDE).collect()
}

fn unread(path: &Path, kind: &HostErrorKind) -> Why {
    Why::not_read(format!("{}: {kind}", path.display()))
}
