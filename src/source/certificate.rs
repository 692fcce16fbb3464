//! Certificates as nginx loads them: PEM, the server's own first. What they say is read by webpki, as
//! clients that are built on rustls read it.

use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

/// A server's certificate and those behind it in its file.
#[derive(Debug, Clone)]
pub struct Chain {
    own: CertificateDer<'static>,
    /// From when on it is valid, in seconds since 1970.
    pub since: u64,
    /// The last second of it.
    pub until: u64,
    /// Did it sign itself? Then no client trusts it but those that were told to.
    pub self_signed: bool,
    /// The DNS names in it.
    pub names: Vec<String>,
}

/// Is there none in a file: no block of PEM that is called one? nginx refuses it.
pub fn is_none(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"CERTIFICATE-----").is_none()
}

/// After every certificate's end: the year 9999 is over.
const END: u64 = 253_402_300_800;

impl Chain {
    /// Reads a file. Returns in words what is not understood.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let own = CertificateDer::pem_slice_iter(bytes)
            .next()
            .ok_or("it holds no certificate in PEM")?
            .map_err(|_| "its PEM is broken")?;
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
        Ok(Self { since, until, self_signed, names, own })
    }

    /// Is it for this host? None where it can be no host's name.
    pub fn is_for(&self, name: &str) -> Option<bool> {
        let name = ServerName::try_from(name).ok()?;
        let certificate = EndEntityCert::try_from(&self.own).ok()?;
        Some(certificate.verify_is_valid_for_subject_name(&name).is_ok())
    }

    /// Does this private key, in PEM, belong to it? None where that cannot be told: another kind of
    /// key, or one with a password.
    pub fn fits(&self, key: &[u8]) -> Option<bool> {
        let key = PrivateKeyDer::from_pem_slice(key).ok()?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key).ok()?;
        let public = key.public_key()?;
        let certificate = EndEntityCert::try_from(&self.own).ok()?;
        Some(public == certificate.subject_public_key_info())
    }
}

/// What stands against a certificate at a time. Nobody is trusted, so something always does, and
/// its own end comes before whoever signed it.
fn at(certificate: &EndEntityCert, seconds: u64) -> Option<Error> {
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let usage = KeyUsage::server_auth();
    certificate.verify_for_usage(&[], &[], &[], time, usage, None, None).err()
}
