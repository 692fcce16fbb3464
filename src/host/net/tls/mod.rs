//! TLS as users of curl expect it: verified with the system's certificates, with a given file, or
//! not at all.

mod verify;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, ConfigBuilder, Error, RootCertStore,
    WantsVerifier,
};

use verify::{Checked, Unchecked};

use super::NetError;

/// The largest file of certificates that is read.
const FILE_LIMIT: u64 = 16 << 20;

/// The library's message for a certificate that is its own authority.
const SELF_SIGNED: &str = "CaUsedAsEndEntity";

/// Which certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Certificates signed by one of the system's authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR`
    /// are respected).
    #[default]
    System,
    /// Only certificates signed by one of the authorities in this PEM file.
    File(PathBuf),
    /// Any certificate: the identity of the server is not verified.
    Anyone,
}

/// Why the trusted certificates could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustError(String);

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TrustError {}

/// The settings of TLS for one host.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the trusted certificates. `host` is the name that the server's certificate must
    /// contain, a DNS name or an address.
    pub fn new(trust: &Trust, host: &str) -> Result<Self, TrustError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            TrustError(format!("{host}: not a name that a certificate can contain"))
        })?;
        Ok(Self { config: config(trust)?, name })
    }

    pub(in crate::host) fn connection(&self) -> Result<ClientConnection, NetError> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
            .map_err(|error| failure(&error))
    }
}

fn config(trust: &Trust) -> Result<Arc<ClientConfig>, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TrustError(error.to_string()))?;
    let mut config = match trust {
        Trust::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
            .with_no_client_auth(),
        Trust::System => checked(builder, system()?, provider)?,
        Trust::File(path) => checked(builder, file(path)?, provider)?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn checked(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    own: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, TrustError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(own.iter().cloned());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map_err(|error| TrustError(error.to_string()))?;
    let verifier = Arc::new(Checked { inner, own });
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn system() -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let certificates = rustls_native_certs::load_native_certs().certs;
    if certificates.is_empty() {
        let why = "no certificate authorities are installed on this machine (Debian: apt install \
                   ca-certificates); --cacert FILE names them, --insecure does without";
        return Err(TrustError(why.to_owned()));
    }
    Ok(certificates)
}

fn file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let wrong = |why: String| TrustError(format!("{}: {why}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if !metadata.is_file() || metadata.len() > FILE_LIMIT {
        return Err(wrong("no file of certificates".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut store = RootCertStore::empty();
    let mut own = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|_| wrong("not PEM throughout".to_owned()))?;
        store.add(certificate.clone()).map_err(|error| wrong(error.to_string()))?;
        own.push(certificate);
    }
    if own.is_empty() {
        return Err(wrong("no certificate in it; PEM is read".to_owned()));
    }
    Ok(own)
}

/// The error, in words that say what to look at.
pub(super) fn failure(error: &Error) -> NetError {
    NetError::Tls(words(error))
}

/// The words of [`failure`] as text.
pub(in crate::host) fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "no authority that this machine trusts signed the certificate".to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the certificate has expired".to_owned(),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the certificate is for another name".to_owned(),
        Error::InvalidCertificate(CertificateError::Other(why))
            if why.to_string() == SELF_SIGNED =>
        {
            "the certificate signed itself".to_owned()
        }
        Error::InvalidMessage(_) => "the answer is not TLS".to_owned(),
        other => other.to_string(),
    }
}
