//! A site file for the application exists, but nginx does not load it.

use crate::facts::nginx::DormantPeer;
use crate::facts::{App, Bound, Deployment, Endpoint, TcpHost, Why};
use crate::rule::{Safety, Severity, Sink};

crate::rule! {
    /// No request reaches the application: its site exists, but nginx does not load it.
    ///
    /// nginx reads what its main file includes, and nothing else. A site in `sites-available`
    /// without a link in `sites-enabled`, or linked there while nginx.conf does not include that
    /// directory (nginx.org's own packages do not), answers no request: visitors get the default
    /// page, or another site. It is an error if gunicorn listens on a socket that only nginx can
    /// reach, and a warning if it also listens on an address that others can reach.
    ///
    /// Proved by `site-not-enabled`: gunicorn was up, and every request got nginx's own 404.
    ///
    /// ```tree,bad
    /// - /etc/nginx/sites-enabled/myapp
    /// ```
    /// ```tree,good
    /// /etc/nginx/sites-enabled/myapp -> ../sites-available/myapp
    /// ```
    /// Healthy: another file that leads to the application and is not loaded does no harm:
    ///
    /// ```nginx,good,file=/etc/nginx/sites-available/old
    /// server {
    ///     listen 80;
    ///     server_name old.example.com;
    ///     location / { proxy_pass http://unix:/run/myapp/gunicorn.sock; }
    /// }
    /// ```
    N315 "site-not-enabled" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    // Files of a repository are never all of a host's sites.
    for app in deployment.apps.iter().filter(|app| app.machine.whole) {
        out.about(Some(app));
        match dormant(deployment, app) {
            Ok(Some((peer, bound))) => report(app, peer, bound, out),
            Ok(None) => {}
            Err(why) => out.skip(&why),
        }
    }
    Ok(())
}

/// The first peer of a site that is not loaded and that leads to the application, where nothing
/// that is loaded does.
pub(super) fn dormant<'d>(
    deployment: &'d Deployment,
    app: &'d App,
) -> Result<Option<(&'d DormantPeer, &'d Bound)>, Why> {
    let bounds = app.bounds().get()?;
    if bounds.is_empty() || !app.routes.is_empty() {
        return Ok(None);
    }
    let nginx = &deployment.nginx;
    nginx.whole()?;
    if let Some(why) = nginx.destinations.iter().find_map(|pass| pass.open.as_ref()) {
        return Err(why.clone());
    }
    let found = nginx.dormant.iter().find_map(|peer| {
        let mut reached =
            bounds.iter().filter(|bound| peer.endpoint.reaches(&bound.endpoint) == Some(true));
        reached.next().map(|bound| (peer, bound))
    });
    Ok(found)
}

/// Can nobody but a program on this host connect to it?
pub(super) fn is_local(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Unix(_) => true,
        Endpoint::Tcp { host: TcpHost::Localhost, .. } => true,
        Endpoint::Tcp { host: TcpHost::Address(ip), .. } => ip.is_loopback(),
        Endpoint::Tcp { .. } => false,
    }
}

fn report(app: &App, peer: &DormantPeer, bound: &Bound, out: &mut Sink) {
    let local = app.bounds().ok().is_some_and(|all| all.iter().all(|b| is_local(&b.endpoint)));
    let path = peer.path.display();
    let name = peer.path.file_name().unwrap_or_default().to_string_lossy();
    let finding = out
        .report(format!(
            "no request reaches {} through nginx: {path} passes to it, but nothing includes that \
             file",
            app.name
        ))
        .at(peer.span, "would pass to gunicorn");
    if !local {
        finding.severity(Severity::Warning);
    }
    finding.at_some(bound.origin.span(), "listens here");
    let help = match peer.linked {
        true => "in the http block of nginx.conf, add\ninclude /etc/nginx/sites-enabled/*;".into(),
        false => format!("ln -s {path} /etc/nginx/sites-enabled/{name}"),
    };
    finding.help(format!("{help}\nthen: nginx -t && systemctl reload nginx"));
    finding.fix(Safety::Manual, "make nginx load the site");
}
