//! An application that nginx does not serve.

use super::site_not_enabled::{dormant, is_local};
use super::upstream_mismatch;
use crate::facts::{App, Deployment, Why};
use crate::rule::{Safety, Sink};

crate::rule! {
    /// No request reaches the application: no nginx site passes to it.
    ///
    /// gunicorn listens on a socket that only this host can reach, nginx runs next to it, but
    /// nothing in its configuration passes requests there. That may be intended (another program on
    /// the host may use the socket), so this is a warning; a site for it in `sites-available` is
    /// N315, and a site that leads to a similar socket is N301.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / { return 204; }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N302 "no-site" {
        severity: Warning, impact: BadGateway, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    // Files of a repository are never all of a host's sites.
    for app in deployment.apps.iter().filter(|app| app.machine.whole) {
        out.about(Some(app));
        let bounds = match app.bounds().get() {
            Ok(bounds) => bounds,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        };
        let reached = !app.routes.is_empty() || bounds.iter().any(|b| !is_local(&b.endpoint));
        if bounds.is_empty() || reached || wrong_family(deployment, app) {
            continue;
        }
        match (dormant(deployment, app), upstream_mismatch::is_mismatched(deployment, app)) {
            (Err(why), _) | (_, Err(why)) => out.skip(&why),
            (Ok(None), Ok(false)) => {
                let on = bounds.first().map(|bound| bound.endpoint.to_string()).unwrap_or_default();
                let origin = bounds.first().and_then(|bound| bound.origin.span());
                out.report(format!(
                    "no request reaches {} through nginx: no site passes to {on}",
                    app.name
                ))
                .at_some(origin, "listens here")
                .help(format!(
                    "write a site: deploy-doctor init shows one; its proxy_pass goes to {on}\n\
                     if nginx is not meant to serve it: deploy-doctor check --ignore N302"
                ))
                .fix(Safety::Manual, "add a site that passes to it");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Does a site lead to its port by the other family of addresses? Then that is reported, by S604.
fn wrong_family(deployment: &Deployment, app: &App) -> bool {
    let bounds = app.bounds().ok().map(Vec::as_slice).unwrap_or_default();
    let mut peers = deployment.nginx.destinations.iter().flat_map(|to| to.peers.iter());
    peers.any(|peer| bounds.iter().any(|bound| peer.endpoint.misses_family(&bound.endpoint)))
}
