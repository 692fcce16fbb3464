use std::net::IpAddr;

use crate::facts::nginx::{LackingIssuer, ServedCertificate, ServerName, ServerNameKind};
use crate::rule::prelude::*;

crate::rule! {
    /// Clients refuse the site over https: its certificate has expired, is for other names, or does
    /// not match its key.
    ///
    /// nginx checks none of this: it still presents a certificate that expired yesterday, and
    /// `nginx -t` and a reload succeed. The clients refuse the connection, all of them at once.
    /// nginx itself refuses a key that does not match the certificate (`key values mismatch`): a
    /// reload keeps the old configuration, and the next start fails for every site of the host.
    ///
    /// An error if the certificate is not valid now, or if the key is not its own. A warning if it
    /// expires within 14 days, or within the last quarter of its validity if that is less (it
    /// should have been renewed by then), if it covers none of the names of its server, and if a
    /// server that listens only for TLS has a name that the certificate does not cover. A
    /// self-signed certificate is for clients configured to trust it: its expiry is a warning, and
    /// its names are not checked.
    ///
    /// It is also a warning if the file contains a certificate without the intermediate that signed
    /// it. Measured with nginx 1.22: nginx loads the file and sends only that certificate, even if
    /// `ssl_trusted_certificate` has the rest. curl (`unable to get local issuer certificate`),
    /// Python and Node then refuse the site; browsers fetch the intermediate or already have it, so
    /// nobody notices there. This is reported if the intermediate is next to the certificate
    /// (`cert.pem` named instead of `fullchain.pem`), and if the certificate is from a public
    /// authority, because no public authority signs with its root; a private one may, and its
    /// clients have the root. The order of the intermediates does not matter to any of these
    /// clients. nginx refuses a file in which the server's own certificate is not the first (`key
    /// values mismatch`).
    ///
    /// By hand: `openssl x509 -in FILE -noout -dates -ext subjectAltName`.
    ///
    /// Proved by `certificate-expired`: nginx tested and reloaded the certificate without a word, and
    /// a client that checks it got no answer.
    ///
    /// Proved by `certificate-without-intermediate`: nginx tested and reloaded it without a word, and a
    /// client that knows the root refused the site.
    ///
    /// Proved by `certificate-key-differs`: nginx refused to start, and every connection was refused.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,bad,live
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com until=-1d key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,fixed,live
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com until=60d key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// Nine days left, and a name that the certificate does not cover:
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,bad,live
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com until=9d key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com www.example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,bad,live
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com www.example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,fixed,live
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com,www.example.com key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// The key of the previous certificate:
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,bad,live
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com
    /// /root/other.pem certificate=example.com key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,fixed,live
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// `cert.pem` instead of `fullchain.pem`:
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/cert.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,bad,live
    /// /etc/letsencrypt/live/example.com/cert.pem certificate=example.com public alone key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// The key in the certificate's place:
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/privkey.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,bad
    /// /root/chain.pem certificate=example.com key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// Healthy: a wildcard certificate, one valid for six days with five left, and a self-signed
    /// one:
    ///
    /// ```nginx,good
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com *.example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,good,live
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com,*.example.com key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,good,live
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com until=5d length=6d key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
    ///     ssl_certificate_key /etc/letsencrypt/live/example.com/privkey.pem;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,good,live
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=snakeoil self-signed key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    N326 "certificate-expiring" {
        severity: Error, impact: Outage, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: App(check)
    }
}

const DAY: u64 = 24 * 60 * 60;
/// With so much left, a certificate should have been renewed.
const SOON: u64 = 14 * DAY;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    app.nginx.model.get()?;
    for certificate in app.certificates() {
        if certificate.is_none {
            no_certificate(certificate, out);
            continue;
        }
        match certificate.key_fits.get() {
            Ok(true) => {}
            Ok(false) => {
                wrong_key(certificate, out);
                continue;
            }
            Err(why) => out.skip(&why),
        }
        let Ok(chain) = certificate.chain.get() else { continue };
        if let Some(lacking) = &certificate.lacking {
            alone(certificate, lacking, out);
        }
        names(app, certificate, out);
        match app.nginx.now.get() {
            Ok(now) => time(certificate, chain.since, chain.until, *now, out),
            Err(why) => out.skip(&why),
        }
    }
    Ok(())
}

/// A key in its place, or something else.
fn no_certificate(certificate: &ServedCertificate, out: &mut Sink) {
    let path = certificate.path.display();
    out.report(format!(
        "nginx refuses to load, and no site answers after its next start: {path} contains no \
         certificate"
    ))
    .at(certificate.span, "no certificate in PEM")
    .help(format!(
        "put the certificate there, the server's own first (are certificate and key swapped?)\n\
         openssl x509 -in {path} -noout -subject\nthen check with: nginx -t"
    ))
    .fix(Safety::Manual, "put the certificate in place");
}

/// A certificate without the intermediate that signed it.
fn alone(certificate: &ServedCertificate, lacking: &LackingIssuer, out: &mut Sink) {
    let path = certificate.path.display();
    let help = match (&lacking.whole, &lacking.beside) {
        (Some(whole), _) => {
            format!("name the file that contains both:\nssl_certificate {};", whole.display())
        }
        (None, Some(beside)) => format!(
            "put the certificate and then the intermediate into a new file, and name that:\n\
             cat {path} {} > {}",
            beside.display(),
            certificate.path.with_file_name("fullchain.pem").display()
        ),
        (None, None) => format!(
            "append the authority's intermediate to {path} (certbot: name fullchain.pem; others \
             call it the bundle)"
        ),
    };
    out.report(
        "curl, Python, Node.js and programs built on them refuse the site over https, though \
         browsers may accept it: nginx sends the certificate without the intermediate that signed \
         it",
    )
    .at(certificate.span, "only the certificate")
    .severity(Severity::Warning)
    .subject("intermediate")
    .help(format!("{help}\nthen: nginx -t && systemctl reload nginx"))
    .fix(Safety::Manual, "send the intermediate too");
}

fn wrong_key(certificate: &ServedCertificate, out: &mut Sink) {
    let path = certificate.path.display();
    if let Some(place) = certificate.key_of {
        out.report(format!(
            "nginx refuses to load, and no site answers after its next start: the key's \
             certificate is number {place} in {path}, and must be the first"
        ))
        .at(certificate.span, "another certificate comes first")
        .at_some(certificate.key_span, "the key")
        .help(
            "put the server's own certificate first in the file, the intermediates after it\n\
             then check with: nginx -t",
        )
        .fix(Safety::Manual, "put the server's own certificate first");
        return;
    }
    out.report(format!(
        "nginx refuses to load, and no site answers after its next start: the key is not that of \
         {path}"
    ))
    .at(certificate.span, "the certificate")
    .at_some(certificate.key_span, "the key of another certificate")
    .help(
        "name a certificate and a key that were issued together (`certbot certificates` lists \
         them)\nthen check with: nginx -t",
    )
    .fix(Safety::Manual, "name a certificate and its own key");
}

fn time(certificate: &ServedCertificate, since: u64, until: u64, now: i64, out: &mut Sink) {
    let Ok(now) = u64::try_from(now) else { return };
    let self_signed = certificate.chain.ok().is_some_and(|chain| chain.self_signed);
    let soon = SOON.min(until.saturating_sub(since) / 4);
    let (message, cause, severity) = if now > until {
        (
            "clients refuse the site over https: its certificate has expired",
            format!("expired {} ago", days(now - until)),
            Severity::Error,
        )
    } else if now < since {
        (
            "clients refuse the site over https: its certificate is not valid yet",
            format!("valid in {}", days(since - now)),
            Severity::Error,
        )
    } else if until - now < soon {
        (
            "clients will refuse the site over https: its certificate expires soon and was not \
             renewed",
            format!("expires in {}", days(until - now)),
            Severity::Warning,
        )
    } else {
        return;
    };
    let path = certificate.path.display().to_string();
    let renew = match path.contains("/letsencrypt/") {
        true => {
            "certbot renew\nsystemctl list-timers certbot.timer   # will it run again?".to_owned()
        }
        false => format!("renew it into {path}"),
    };
    let severity = if self_signed { Severity::Warning } else { severity };
    out.report(format!("{message} ({cause})"))
        .at(certificate.span, cause)
        .severity(severity)
        .subject("time")
        .help(format!("{renew}\nthen: nginx -t && systemctl reload nginx"))
        .fix(Safety::Manual, "renew the certificate");
}

fn days(seconds: u64) -> String {
    match seconds / DAY {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// Names of the servers that the certificate is not for.
fn names(app: &App, certificate: &ServedCertificate, out: &mut Sink) {
    let (Some(chain), Some(model)) = (certificate.chain.ok(), app.nginx.model.ok()) else { return };
    if chain.self_signed {
        return;
    }
    let servers = certificate.servers.iter().filter_map(|id| model.server(*id));
    for server in servers.filter(|server| app.routes.iter().any(|one| one.server == server.id)) {
        // Another certificate next to it, for another kind of key, may have the name.
        let beside = |one: &&ServedCertificate| one.servers.contains(&server.id);
        let all: Vec<&ServedCertificate> = app.nginx.served.iter().filter(beside).collect();
        // The first of them says it for all.
        if all.first().is_some_and(|first| first.span != certificate.span) {
            continue;
        }
        let judged = |name: &ServerName| {
            let hosts = hosts(name);
            let one = |host: &String| {
                let mut open = false;
                for certificate in &all {
                    match certificate.chain.ok().and_then(|own| own.is_for(host)) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => open = true,
                    }
                }
                (!open).then_some(false)
            };
            (!hosts.is_empty()).then(|| hosts.iter().map(one).collect::<Option<Vec<bool>>>())?
        };
        let told: Vec<(&ServerName, bool)> = server
            .names
            .iter()
            .filter_map(|name| Some((name, judged(name)?.into_iter().all(|fits| fits))))
            .collect();
        let missing: Vec<&ServerName> =
            told.iter().filter(|(_, fits)| !fits).map(|(name, _)| *name).collect();
        let Some(first) = missing.first() else { continue };
        // Where plain http is answered too, a name may be for that alone.
        let tls_only = server.listens.iter().all(|one| one.ssl);
        if !tls_only && missing.len() < told.len() {
            continue;
        }
        let listed: Vec<String> = missing.iter().map(|name| name.text.clone()).collect();
        let own = match chain.names.as_slice() {
            [] => "names no host".to_owned(),
            names => format!("is for {}", show::listed(&names[..names.len().min(5)])),
        };
        out.report(format!(
            "clients refuse https://{}: the certificate is not for {}",
            first.text.trim_start_matches("*.").trim_start_matches('.'),
            show::listed(&listed)
        ))
        .at(certificate.span, own)
        .at(first.span, "clients use this name")
        .severity(Severity::Warning)
        .subject(listed.join(" "))
        .help(
            "have the certificate issued for all of these names (certbot: -d NAME for each), or \
             remove the name\nthen: nginx -t && systemctl reload nginx",
        )
        .fix(Safety::Manual, "have the certificate issued for all names");
    }
}

/// Hosts that a name stands for; none where it is not a name that a certificate could be for.
fn hosts(name: &ServerName) -> Vec<String> {
    let text = name.text.as_str();
    let below = |top: &str| format!("any.{top}");
    let hosts = match name.kind {
        ServerNameKind::Exact => vec![text.to_owned()],
        ServerNameKind::WildcardStart => vec![below(text.trim_start_matches("*."))],
        ServerNameKind::ExactAndWildcard => vec![text.trim_start_matches('.').to_owned()],
        _ => Vec::new(),
    };
    // `_` and `localhost` are nobody's names.
    hosts.into_iter().filter(|host| host.contains('.') && host.parse::<IpAddr>().is_err()).collect()
}
