//! Certificates, keys and parameters that nginx cannot load.

use std::collections::HashSet;

use crate::facts::nginx::{Address, BlockPlace, Listen, unreached};
use crate::facts::{Deployment, State, Why, WhyKind};
use crate::host::FileKind;
use crate::rule::{Safety, Severity, Sink};

crate::rule! {
    /// nginx loads no site of the host at all, because a certificate's file does not exist.
    ///
    /// nginx reads every `ssl_certificate`, `ssl_certificate_key`, `ssl_dhparam`,
    /// `ssl_trusted_certificate`, `ssl_client_certificate` and `ssl_crl` of a server with a certificate
    /// when it starts and when it reloads.
    /// If one is missing (a certificate that was never issued, or was deleted while its site
    /// stayed), nginx refuses the whole configuration: a reload keeps the old one, and the next
    /// start, at the latest on the next boot, fails for every site.
    ///
    /// The reverse is also reported: a server with a certificate that listens on 443 without `ssl`
    /// answers https clients in plain text, which they refuse.
    ///
    /// Proved by `certificate-missing`: nginx refused to start, and every connection was
    /// refused, also those of a site without a certificate.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     listen 443 ssl;
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
    /// TLS without any certificate:
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     listen 443 ssl;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// Healthy: with a variable, nginx looks for the file at each handshake; without a certificate
    /// it ignores the other files:
    ///
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     listen 443 ssl;
    ///     server_name example.com;
    ///     ssl_certificate /etc/ssl/$ssl_server_name.pem;
    ///     ssl_certificate_key /etc/ssl/$ssl_server_name.key;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// server {
    ///     listen 80;
    ///     server_name static.example.com;
    ///     ssl_dhparam /etc/nginx/not-there.pem;
    ///     return 204;
    /// }
    /// ```
    N325 "certificate-missing" {
        severity: Error, impact: Outage, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    deployment.nginx.model.get()?;
    in_plain(deployment, out);
    without_key(deployment, out);
    if !deployment.machine.whole && !deployment.nginx.certificates.is_empty() {
        return Err(Why::of(
            WhyKind::NeedsLivingHost,
            "only the machine can tell whether the certificates exist",
        ));
    }
    if deployment.machine.whole {
        without_any(deployment, out);
    }
    for file in &deployment.nginx.certificates {
        let state = match file.place.state.get() {
            Ok(state) => state,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        };
        let path = file.place.path.display();
        let cause = match state {
            State::Present(metadata) if metadata.kind == FileKind::Directory => {
                format!("{path} is a directory")
            }
            State::Present(_) => continue,
            State::Missing { link: Some(link), .. } => format!(
                "{} points to {}, which does not exist",
                link.link.display(),
                link.target.display()
            ),
            State::Missing { .. } => format!("{path} does not exist"),
            State::Broken { reason } => format!("{path}: {reason}"),
        };
        let finding = out
            .report(format!(
                "nginx refuses to load, and no site answers after its next start: {cause}"
            ))
            .at(file.span, format!("{} is read at each start and reload", file.directive));
        let help = if path.to_string().contains("/letsencrypt/") {
            "have it issued again (certbot certonly), or take the site out of sites-enabled until \
             then"
        } else {
            "put the file in place, or remove the directive or its site"
        };
        finding.help(format!("{help}\nthen check with: nginx -t"));
        finding.fix(Safety::Manual, "put the certificate in place");
    }
    Ok(())
}

/// `ssl_certificate` without its key, where something listens for TLS.
fn without_key(deployment: &Deployment, out: &mut Sink) {
    let Some(model) = deployment.nginx.model.ok() else { return };
    let mut seen = HashSet::new();
    for server in model.servers.iter().filter(|server| server.listens.iter().any(|l| l.ssl)) {
        let place = BlockPlace::Server(server.id);
        let key = model.effective(place, "ssl_certificate_key");
        let certificate = model.effective_directive(place, "ssl_certificate");
        let Some(certificate) = certificate.filter(|_| !key.incomplete) else { continue };
        let span = certificate.head_span();
        // An engine's key is in the certificate's place; and what is further out may have its key
        // in a file that is not among these.
        let own = certificate.parent().map(|block| block.id) == server.directive;
        if !key.directives.is_empty() || !(own || deployment.machine.whole) || !seen.insert(span) {
            continue;
        }
        out.report(
            "nginx refuses to load, and no site answers after its next start: no \"ssl_certificate_key\" \
             is defined for the certificate",
        )
        .at(span, "its key is not named")
        .help("add ssl_certificate_key with the certificate's key\nthen check with: nginx -t")
        .subject("ssl_certificate_key")
        .fix(Safety::Manual, "name the certificate's key");
    }
}

/// A server that has a certificate and listens on 443 without `ssl`: who asks it for https is
/// answered in plain text. One server of an address makes it TLS for all of them.
fn in_plain(deployment: &Deployment, out: &mut Sink) {
    let Some(model) = deployment.nginx.model.ok() else { return };
    let all = model.servers.iter().flat_map(|server| &server.listens);
    let tls: HashSet<&Address> = all
        .filter(|listen| listen.ssl || listen.quic)
        .filter_map(|listen| listen.address.as_ref())
        .collect();
    let mut seen = HashSet::new();
    let https = |listen: &&Listen| {
        matches!(listen.address, Some(Address::Inet { port: 443, .. })) && !listen.ssl
    };
    for server in &model.servers {
        if !server.listens.iter().any(|listen| https(&listen)) {
            continue;
        }
        let place = BlockPlace::Server(server.id);
        let set = |name: &str| !model.effective(place, name).directives.is_empty();
        // `ssl on;` was another way to say it, until nginx 1.25.
        if !set("ssl_certificate") || set("ssl") {
            continue;
        }
        for listen in server.listens.iter().filter(|listen| !listen.proxy_protocol) {
            let Some(address) = &listen.address else { continue };
            let https = matches!(address, Address::Inet { port: 443, .. });
            if !https || tls.contains(address) || !seen.insert(listen.span) {
                continue;
            }
            let finding = out.report(format!(
                "every https client gets an error: nginx speaks plain HTTP on {address}, although the \
                 server has a certificate"
            ))
            .at(listen.span, "without ssl");
            if !deployment.machine.whole {
                finding.severity(Severity::Warning);
            }
            finding
                .subject(address.to_string())
                .help("listen 443 ssl; (and for IPv6: listen [::]:443 ssl;)\nthen check with: nginx -t")
                .fix(Safety::Manual, "speak TLS on the port that https clients use");
        }
    }
}

/// Addresses with `ssl` whose default server has no certificate: nginx looks at no other server of
/// them.
fn without_any(deployment: &Deployment, out: &mut Sink) {
    let Some(model) = deployment.nginx.model.ok() else { return };
    let mut seen = HashSet::new();
    for server in &model.servers {
        let place = BlockPlace::Server(server.id);
        let certificate = model.effective(place, "ssl_certificate");
        let rejects = || {
            let line = model.effective_directive(place, "ssl_reject_handshake");
            let word = line.and_then(|line| line.argument(0));
            word.is_some_and(|word| word.value().eq_ignore_ascii_case(b"on"))
        };
        if !certificate.directives.is_empty() || certificate.incomplete || rejects() {
            continue;
        }
        for listen in server.listens.iter().filter(|listen| listen.ssl) {
            let Some(address) = &listen.address else { continue };
            let served = model.serve(address, unreached::NOBODY);
            if served.server != Some(server.id)
                || !served.unknown.is_empty()
                || !seen.insert(address.clone())
            {
                continue;
            }
            out.report(format!(
                "nginx refuses to load, and no site answers after its next start: {address} \
                 expects TLS, but its default server has no ssl_certificate"
            ))
            .at(listen.span, "no ssl_certificate for this address")
            .subject(address.to_string())
            .help(
                "add ssl_certificate and ssl_certificate_key to this server, or remove `ssl` from \
                 its listen\nthen check with: nginx -t",
            )
            .fix(Safety::Manual, "add a certificate for the address");
        }
    }
}
