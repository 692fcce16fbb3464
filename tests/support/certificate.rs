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
    /// Is it of a public authority?
    pub public: bool,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self { names: Vec::new(), days: 60, length: 90, self_signed: false, public: false }
    }
}

/// A certificate, those that stand behind it, and its key, in PEM.
pub struct Made {
    /// The server's own.
    pub own: String,
    /// Who signed it, and was signed by the root.
    pub intermediate: String,
    /// The root.
    pub root: String,
    /// The server's key.
    pub key: String,
}

/// The chain and the key, in PEM.
pub fn make(wanted: &Wanted) -> (String, String) {
    let made = make_all(wanted);
    match wanted.self_signed {
        true => (made.own, made.key),
        false => (format!("{}{}", made.own, made.intermediate), made.key),
    }
}

/// All of them, each by itself.
pub fn make_all(wanted: &Wanted) -> Made {
    let names: Vec<String> = wanted.names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    let until = BOOT + UP + wanted.days * DAY;
    let at = |seconds: i64| {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.try_into().unwrap())
    };
    parameters.not_after = at(until);
    parameters.not_before = at(until - wanted.length * DAY);
    if wanted.public {
        // certificatePolicies: the CA/Browser Forum's for domains.
        let policy = b"\x30\x0a\x30\x08\x06\x06\x67\x81\x0c\x01\x02\x01".to_vec();
        let extension = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 32], policy);
        parameters.custom_extensions.push(extension);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    if wanted.self_signed {
        let own = parameters.self_signed(&key).unwrap().pem();
        let (intermediate, root) = (String::new(), String::new());
        return Made { own, intermediate, root, key: key.serialize_pem() };
    }
    let authority = |name: &str| {
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.distinguished_name.push(rcgen::DnType::CommonName, name);
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        (authority, rcgen::KeyPair::generate().unwrap())
    };
    let ((top, top_key), (middle, middle_key)) = (authority("A root"), authority("An authority"));
    let root = top.self_signed(&top_key).unwrap().pem();
    let top = rcgen::Issuer::new(top, top_key);
    let intermediate = middle.signed_by(&middle_key, &top).unwrap().pem();
    let middle = rcgen::Issuer::new(middle, middle_key);
    let own = parameters.signed_by(&key, &middle).unwrap().pem();
    Made { own, intermediate, root, key: key.serialize_pem() }
}

/// `certificate=a.example,b.example until=-1d length=90d key=PATH [self-signed] [public] [alone]`, as the `tree`
/// examples write it: the chain, and the key with its path.
pub fn from_words<'a>(words: &[&'a str]) -> Option<(String, Option<(&'a str, String)>)> {
    let of = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let days = |name: &str, default: i64| {
        of(name).map_or(default, |text| text.trim_end_matches('d').parse().unwrap())
    };
    let names = of("certificate=")?.split(',').collect();
    let self_signed = words.contains(&"self-signed");
    let (days, length) = (days("until=", 60), days("length=", 90));
    let wanted = Wanted { names, days, length, self_signed, public: words.contains(&"public") };
    let made = make_all(&wanted);
    let (mut chain, key) = (made.own, made.key);
    if !words.contains(&"alone") {
        chain.push_str(&made.intermediate);
    }
    Some((chain, of("key=").map(|path| (path, key))))
}
