//! Certificates as nginx loads them: PEM, the server's own first. They are parsed by webpki, as in
//! clients built on rustls.

use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use webpki::{EndEntityCert, Error, KeyUsage};

/// A server's certificate and those after it in its file.
#[derive(Debug, Clone)]
pub struct Chain {
    own: CertificateDer<'static>,
    /// The certificates after it.
    others: Vec<CertificateDer<'static>>,
    /// The start of its validity, in seconds since 1970.
    pub since: u64,
    /// The last second of its validity.
    pub until: u64,
    /// Whether it is self-signed, so that only clients that were told to do so trust it.
    pub self_signed: bool,
    /// The DNS names in it.
    pub names: Vec<String>,
}

/// Marks, in DER, that only certificates of public authorities have: the policies of the CA/Browser
/// Forum for domains, organizations, persons and extended validation (2.23.140.1), one of which
/// every certificate that browsers trust must name, and the timestamps of Certificate Transparency.
const PUBLIC: [&[u8]; 5] = [
    b"\x06\x06\x67\x81\x0c\x01\x02\x01",
    b"\x06\x06\x67\x81\x0c\x01\x02\x02",
    b"\x06\x06\x67\x81\x0c\x01\x02\x03",
    b"\x06\x05\x67\x81\x0c\x01\x01",
    b"\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02",
];
/// The most certificates of a file that are read.
const CERTIFICATES: usize = 1000;

/// What a file contains of a certificate's issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// Nothing.
    NotHere,
    /// A self-signed certificate: the end of a chain.
    Root,
    /// A certificate that another authority signed.
    Intermediate,
}

/// Whether a file contains no PEM block of a certificate at all; nginx refuses such a file.
pub fn is_none(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"CERTIFICATE-----").is_none()
}

/// Later than the end of every certificate: the beginning of the year 10000.
const END: u64 = 253_402_300_800;

impl Chain {
    /// Reads a file. The error says in words what was not understood.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut all = CertificateDer::pem_slice_iter(bytes).take(CERTIFICATES);
        let own = all.next().ok_or("it contains no certificate in PEM")?.map_err(|_| {
            "its PEM is \
                 broken"
        })?;
        let certificate =
            EndEntityCert::try_from(&own).map_err(|_| "its certificate is not understood")?;
        let not_understood = "how long its certificate is valid is not understood";
        let (since, until) = match (at(&certificate, 0), at(&certificate, END)) {
            (
                Some(Error::CertNotValidYet { not_before, .. }),
                Some(Error::CertExpired { not_after, .. }),
            ) => (not_before.as_secs(), not_after.as_secs()),
            _ => return Err(not_understood),
        };
        let self_signed = certificate.issuer() == certificate.subject();
        let names = certificate.valid_dns_names().map(str::to_ascii_lowercase).collect();
        let others = all.filter_map(Result::ok).collect();
        Ok(Self { since, until, self_signed, names, own, others })
    }

    /// Whether its file contains no certificate that could have issued it.
    pub fn is_alone(&self) -> bool {
        !self.self_signed && issuer_among(&self.own, self.others.iter()) == Issuer::NotHere
    }

    /// Whether a public authority issued it. Such authorities sign with intermediates rather than
    /// with their roots, and clients do not have the intermediates.
    pub fn is_public(&self) -> bool {
        PUBLIC.iter().any(|mark| memchr::memmem::find(&self.own, mark).is_some())
    }

    /// What another PEM file contains of its issuer.
    pub fn issuer_in(&self, bytes: &[u8]) -> Issuer {
        let all: Vec<_> = CertificateDer::pem_slice_iter(bytes)
            .take(CERTIFICATES)
            .filter_map(Result::ok)
            .collect();
        issuer_among(&self.own, all.iter())
    }

    /// Whether it is the first certificate of another PEM file.
    pub fn is_first_in(&self, bytes: &[u8]) -> bool {
        let first = CertificateDer::pem_slice_iter(bytes).next();
        first.and_then(Result::ok).is_some_and(|first| first == self.own)
    }

    /// The position, from 2, of the certificate after it that this private key in PEM belongs to:
    /// nginx wants that one first.
    pub fn fits_other(&self, key: &[u8]) -> Option<usize> {
        let public = public_key(key)?;
        let fits = |other: &CertificateDer| {
            EndEntityCert::try_from(other)
                .is_ok_and(|other| other.subject_public_key_info() == public)
        };
        self.others.iter().position(fits).map(|at| at + 2)
    }

    /// Whether it is valid for this host. `None` if the name cannot be a host's name.
    pub fn is_for(&self, name: &str) -> Option<bool> {
        let name = ServerName::try_from(name).ok()?;
        let certificate = EndEntityCert::try_from(&self.own).ok()?;
        Some(certificate.verify_is_valid_for_subject_name(&name).is_ok())
    }

    /// Whether this private key in PEM belongs to it. `None` if that is not known, because the key
    /// is of another kind or has a password.
    pub fn fits(&self, key: &[u8]) -> Option<bool> {
        let public = public_key(key)?;
        let certificate = EndEntityCert::try_from(&self.own).ok()?;
        Some(public == certificate.subject_public_key_info())
    }
}

/// The public part of a private key in PEM, or of one that was left out of a capture.
fn public_key(key: &[u8]) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let Ok(key) = PrivateKeyDer::from_pem_slice(key) else { return left_out(key) };
    let key = rustls::crypto::ring::sign::any_supported_type(&key).ok()?;
    key.public_key().map(SubjectPublicKeyInfoDer::into_owned)
}

/// The text that replaces a private key in a capture, followed by the public key.
const LEFT_OUT: &str = "# deploy-doctor left a private key out; its public one: ";
/// The text in place of a public key that is not known.
const NOT_KNOWN: &str = "not known";
/// Parts of a private key's first and last line, between which is the kind of the key.
const BEGIN: &[u8] = b"-----BEGIN ";
const KEY: &[u8] = b"PRIVATE KEY-----";

fn left_out(key: &[u8]) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let text = std::str::from_utf8(key).ok()?;
    let hex = text.lines().find_map(|line| line.strip_prefix(LEFT_OUT))?;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte).collect();
    bytes.map(SubjectPublicKeyInfoDer::from)
}

/// Whether this line replaces a private key in a capture.
pub fn is_left_out(line: &[u8]) -> bool {
    line.starts_with(LEFT_OUT.as_bytes())
}

/// The ranges of private keys in a text: from the first line of PEM to the end of the last, or to
/// the end of the text if there is no last line.
pub fn private_keys(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    for at in memchr::memmem::find_iter(bytes, BEGIN) {
        let rest = bytes.get(at..).unwrap_or_default();
        let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let first = rest.get(..line).unwrap_or_default();
        let Some(kind) = memchr::memmem::find(first, KEY) else { continue };
        if found.last().is_some_and(|last| at < last.end) {
            continue;
        }
        let behind = kind + KEY.len();
        let end = memchr::memmem::find(rest.get(behind..).unwrap_or_default(), KEY)
            .map_or(bytes.len(), |end| at + behind + end + KEY.len());
        found.push(at..end);
    }
    found
}

/// A file without its private keys: each is replaced by its public key, which is enough to decide
/// whether the key belongs to a certificate.
pub fn without_private_keys(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for range in private_keys(bytes) {
        out.extend_from_slice(bytes.get(at..range.start).unwrap_or_default());
        at = range.end;
        let block = bytes.get(range).unwrap_or_default();
        // What the parser does not accept as a key is not replaced.
        if PrivateKeyDer::from_pem_slice(block).is_err() {
            continue;
        }
        out.extend_from_slice(LEFT_OUT.as_bytes());
        match public_key(block) {
            Some(public) => {
                let hex = public.as_ref().iter().map(|byte| format!("{byte:02x}"));
                out.extend(hex.collect::<String>().bytes());
            }
            None => out.extend_from_slice(NOT_KNOWN.as_bytes()),
        }
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}

/// Compares names only: a certificate with a different name did not issue it.
fn issuer_among<'c>(
    own: &CertificateDer<'_>,
    all: impl Iterator<Item = &'c CertificateDer<'static>>,
) -> Issuer {
    let Ok(own) = EndEntityCert::try_from(own) else { return Issuer::NotHere };
    let mut found = Issuer::NotHere;
    for other in all {
        let Ok(other) = EndEntityCert::try_from(other) else { continue };
        if other.subject() == own.issuer() {
            match other.issuer() == other.subject() {
                true => return Issuer::Root,
                false => found = Issuer::Intermediate,
            }
        }
    }
    found
}

/// The first objection to a certificate at a time. Since no issuer is trusted here, there always is
/// one; the validity period is checked before the issuer.
fn at(certificate: &EndEntityCert, seconds: u64) -> Option<Error> {
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let usage = KeyUsage::server_auth();
    certificate.verify_for_usage(&[], &[], &[], time, usage, None, None).err()
}
