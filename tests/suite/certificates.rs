//! What is read of a certificate, and what is not.

use deploy_doctor::source::certificate::Chain;

use crate::support::case::Case;
use crate::support::certificate::{Wanted, make, make_all};
use crate::support::command::Copied;

const SITE: &str = "/etc/nginx/sites-available/myapp";

fn wanted<'a>(names: &[&'a str]) -> Wanted<'a> {
    Wanted { names: names.to_vec(), ..Wanted::default() }
}

#[test]
fn names_times_and_keys_are_read() {
    let (chain, key) = make(&wanted(&["example.com", "*.shop.example.com"]));
    let read = Chain::parse(chain.as_bytes()).unwrap();
    assert_eq!(read.names, ["example.com", "*.shop.example.com"]);
    assert_eq!(read.until - read.since, 90 * 24 * 60 * 60);
    assert!(!read.self_signed);
    let fits = ["example.com", "EXAMPLE.com", "a.shop.example.com"];
    assert!(fits.iter().all(|name| read.is_for(name) == Some(true)));
    let others = ["www.example.com", "shop.example.com", "a.b.shop.example.com"];
    assert!(others.iter().all(|name| read.is_for(name) == Some(false)));
    assert_eq!(read.is_for("not a name"), None);
    let other = make(&wanted(&["example.com"])).1;
    assert_eq!((read.fits(key.as_bytes()), read.fits(other.as_bytes())), (Some(true), Some(false)));
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!((read.fits(locked.as_bytes()), read.fits(b"")), (None, None));
    let own = Wanted { self_signed: true, ..wanted(&["example.com"]) };
    assert!(Chain::parse(make(&own).0.as_bytes()).unwrap().self_signed);
}

/// Cut anywhere, or with a byte changed: in words, and never a panic.
#[test]
fn a_broken_file_is_not_understood() {
    for nothing in ["", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n"] {
        assert!(Chain::parse(nothing.as_bytes()).is_err(), "{nothing}");
    }
    let (chain, _) = make(&wanted(&["example.com"]));
    let first = chain.find("-----END").unwrap();
    for at in 0..first {
        let _ = Chain::parse(&chain.as_bytes()[..at]);
        let mut bytes = chain.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        if let Ok(read) = Chain::parse(&bytes) {
            let _ = (read.is_for("example.com"), read.fits(b"x"));
        }
    }
}

fn site(listen: &str, names: &str, certificates: &[(&str, &[&str])]) -> Case {
    let mut lines = String::new();
    let mut case = Case::healthy();
    for (file, names) in certificates {
        let (chain, key) = make(&wanted(names));
        case = case
            .file(&format!("/etc/ssl/{file}.pem"), chain)
            .file(&format!("/etc/ssl/{file}.key"), key);
        lines += &format!("ssl_certificate /etc/ssl/{file}.pem;\n");
        lines += &format!("ssl_certificate_key /etc/ssl/{file}.key;\n");
    }
    let text = case.text(SITE);
    let text = text.replace("listen 80 default_server;", &format!("listen {listen};\n{lines}"));
    let text = text.replace("server_name example.com;", &format!("server_name {names};"));
    case.file(SITE, text)
}

#[test]
fn a_name_is_missed_where_clients_miss_it() {
    let tls = "443 ssl";
    let one: &[(&str, &[&str])] = &[("a", &["example.com"])];
    let warned =
        |case: Case| case.check().of("N326").iter().map(|hit| hit.message.clone()).collect();
    let none: Vec<String> = Vec::new();
    let missing: Vec<String> = warned(site(tls, "example.com www.example.com", one));
    assert_eq!(
        missing,
        ["clients refuse https://www.example.com: the certificate is not for www.example.com"]
    );
    // Another name may be for plain http alone, but one has to be in it.
    let both = "80; listen 443 ssl";
    assert_eq!(warned(site(both, "example.com myapp.internal.test", one)), none);
    assert_eq!(warned(site(both, "shop.example.org", one)).len(), 1);
    // Nobody's names.
    assert_eq!(warned(site(tls, "example.com _ localhost 192.0.2.1 ~^a\\.b$", one)), none);
    // Two beside each other: each name is in one of them.
    let two: &[(&str, &[&str])] = &[("a", &["example.com"]), ("b", &["www.example.com"])];
    assert_eq!(warned(site(tls, "example.com www.example.com", two)), none);
    let two: &[(&str, &[&str])] = &[("a", &["example.com"]), ("b", &["example.com"])];
    assert_eq!(warned(site(tls, "example.com www.example.com", two)).len(), 1);
}

/// A tree has no clock of its own: what has ended by now has ended.
#[test]
fn a_certificate_that_has_ended_is_found_in_a_tree() {
    let tree = Copied::of("healthy");
    let (chain, key) = make(&Wanted { days: -1, ..wanted(&["example.com"]) });
    tree.write("/etc/ssl/a.pem", chain).write("/etc/ssl/a.key", key);
    let lines = "listen 443 ssl;\n    ssl_certificate /etc/ssl/a.pem;\n    ssl_certificate_key \
                 /etc/ssl/a.key;";
    tree.edit(SITE, "listen 80 default_server;", lines);
    let ran = tree.check(&["--select", "N326"]);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert!(ran.stdout.contains("its certificate has expired"), "{}", ran.all());
    tree.write("/etc/ssl/a.pem", "not a certificate\n");
    assert!(tree.check(&["--select", "N326"]).stdout.contains("contains no certificate"));
}

/// The site with this in the certificate's file.
fn with_file(file: &str, key: &str) -> Case {
    let server = "server {\n listen 443 ssl default_server;\n server_name example.com;\n \
                  ssl_certificate /etc/ssl/site/cert.pem;\n ssl_certificate_key \
                  /etc/ssl/site/privkey.pem;\n location / { proxy_pass \
                  http://unix:/run/myapp/gunicorn.sock; proxy_set_header Host $host; }\n}\n";
    Case::healthy()
        .file(SITE, server)
        .file("/etc/ssl/site/cert.pem", file)
        .file("/etc/ssl/site/privkey.pem", key)
}

#[test]
fn a_certificate_without_its_intermediate_is_told_where_that_is_certain() {
    let public = make_all(&Wanted { public: true, ..wanted(&["example.com"]) });
    let found = with_file(&public.own, &public.key).check();
    let found = found.only("N326");
    found.is(deploy_doctor::rule::Severity::Warning).says("without the intermediate");
    found.helps("certbot: name fullchain.pem");

    // The authority may be one's own, whose root clients have.
    let own = make_all(&wanted(&["example.com"]));
    let alone = || with_file(&own.own, &own.key);
    let quiet = |case: Case| assert!(case.check().of("N326").is_empty());
    quiet(alone());
    quiet(alone().file("/etc/ssl/site/other.pem", make_all(&wanted(&["x.example"])).root));
    let whole = format!("{}{}", own.own, own.intermediate);
    let told = alone().file("/etc/ssl/site/fullchain.pem", &whole).check();
    told.only("N326").helps("ssl_certificate /etc/ssl/site/fullchain.pem;");
    let told = alone().file("/etc/ssl/site/chain.pem", &own.intermediate).check();
    told.only("N326").helps("cat /etc/ssl/site/cert.pem /etc/ssl/site/chain.pem > ");
    // A host that trusts who signed it.
    let trusted = "/etc/ssl/certs/ca-certificates.crt";
    quiet(with_file(&public.own, &public.key).file(trusted, &public.intermediate));
    let trusted = with_file(&public.own, &public.key).file(trusted, &public.root);
    trusted.check().only("N326").says("without the intermediate");

    // In whatever order, and with the root.
    for file in [
        format!("{}{}{}", public.own, public.root, public.intermediate),
        format!("{}{}", public.own, public.intermediate),
    ] {
        quiet(with_file(&file, &public.key));
    }
}

#[test]
fn the_servers_own_certificate_has_to_be_the_first() {
    let made = make_all(&wanted(&["example.com"]));
    let second = format!("{}{}", made.intermediate, made.own);
    let seen = with_file(&second, &made.key).check();
    let found = seen.only("N326");
    found.is(deploy_doctor::rule::Severity::Error).says("is number 2").helps("first in the file");
}
