//! Certificates for examples and cases: made anew each time, valid around the examples' time.

#![allow(clippy::unwrap_used, reason = "a test's own input")]

use std::time::Duration;

use super::living::{BOOT, UP};

const DAY: i64 = 24 * 60 * 60;

/// What a certificate is to say.
pub struct Wanted<'a> {
    /// Its names.
    pub names: Vec<&'a str>,
    /// For how many days it is valid from the examples' present on; less than none: it was.
    pub days: i64,
    /// For how many days it is valid in all.
    pub length: i64,
    /// Did it sign itself?
    pub self_signed: bool,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self { names: Vec::new(), days: 60, length: 90, self_signed: false }
    }
}

/// The chain and the key, in PEM.
pub fn make(wanted: &Wanted) -> (String, String) {
    let names: Vec<String> = wanted.names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    let until = BOOT + UP + wanted.days * DAY;
    let at = |seconds: i64| {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.try_into().unwrap())
    };
    parameters.not_after = at(until);
    parameters.not_before = at(until - wanted.length * DAY);
    let key = rcgen::KeyPair::generate().unwrap();
    if wanted.self_signed {
        return (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem());
    }
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "An authority");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let signs = rcgen::KeyPair::generate().unwrap();
    let own = authority.self_signed(&signs).unwrap();
    let issuer = rcgen::Issuer::new(authority, signs);
    let certificate = parameters.signed_by(&key, &issuer).unwrap();
    (format!("{}{}", certificate.pem(), own.pem()), key.serialize_pem())
}

/// `certificate=a.example,b.example until=-1d length=90d key=PATH [self-signed]`, as the `tree`
/// examples write it: the chain, and the key with its path.
pub fn from_words<'a>(words: &[&'a str]) -> Option<(String, Option<(&'a str, String)>)> {
    let of = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let days = |name: &str, default: i64| {
        of(name).map_or(default, |text| text.trim_end_matches('d').parse().unwrap())
    };
    let names = of("certificate=")?.split(',').collect();
    let self_signed = words.contains(&"self-signed");
    let wanted =
        Wanted { names, days: days("until=", 60), length: days("length=", 90), self_signed };
    let (chain, key) = make(&wanted);
    Some((chain, of("key=").map(|path| (path, key))))
}
