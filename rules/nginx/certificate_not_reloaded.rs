use crate::rule::prelude::*;

crate::rule! {
    /// Clients keep getting the old certificate, and refuse the site on the day it expires: it was
    /// renewed, but nginx was not reloaded.
    ///
    /// nginx reads a certificate when it starts and when it is reloaded. The program that renews it
    /// must also reload nginx: `certbot --nginx` does; `certbot certonly`, acme.sh and lego do only
    /// with a hook. Everything looks right: the file is new, and `certbot certificates` shows the
    /// new date.
    ///
    /// Detected by comparing the modification time of the file, or of the link to it, with the
    /// start of nginx's workers, which a reload replaces.
    ///
    /// By hand: `systemctl reload nginx`; and for next time `certbot reconfigure --cert-name NAME
    /// --deploy-hook 'systemctl reload nginx'`, or a script with that `systemctl` line in
    /// `/etc/letsencrypt/renewal-hooks/deploy/`.
    ///
    /// Proved by `certificate-not-reloaded`: the file was renewed, and clients were shown the
    /// previous one until nginx was reloaded.
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
    /// ```tree,bad
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// ```proc,bad
    /// 501 start=4000
    /// 502 start=4000
    /// touch /etc/letsencrypt/live/example.com/fullchain.pem 5000
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
    /// ```tree,fixed
    /// /etc/letsencrypt/live/example.com/fullchain.pem certificate=example.com key=/etc/letsencrypt/live/example.com/privkey.pem
    /// ```
    /// ```proc,fixed
    /// 501 start=5100
    /// 502 start=5100
    /// touch /etc/letsencrypt/live/example.com/fullchain.pem 5000
    /// ```
    N327 "certificate-not-reloaded" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: App(check)
    }
}

/// What renews it has so many seconds to reload nginx.
const GRACE: i64 = 60;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let nginx = &app.nginx;
    nginx.model.get()?;
    let mut shown = app.certificates().peekable();
    if shown.peek().is_none() {
        return Ok(());
    }
    let (_, newest) = nginx.running.get()?.workers;
    for certificate in shown {
        let Some(changed) = certificate.changed else { continue };
        let late = changed.saturating_sub(newest);
        if late <= GRACE {
            continue;
        }
        let path = certificate.path.display();
        out.report(format!(
            "clients keep getting the old certificate until it expires: {path} was renewed, but \
             nginx was not reloaded"
        ))
        .at(certificate.span, "nginx has not read this file")
        .evidence(
            EvidenceKind::File,
            format!("{path} changed {late} s after nginx's newest worker started"),
        )
        .subject("renewed")
        .help(
            "nginx -t && systemctl reload nginx\n\
             and for next time, in /etc/letsencrypt/renewal-hooks/deploy/nginx (mode 0755):\n\
             #!/bin/sh\n\
             systemctl reload nginx",
        )
        .fix(Safety::Manual, "systemctl reload nginx");
    }
    Ok(())
}
