use crate::facts::{App, Deployment, Why};
use crate::rule::{EvidenceKind, Safety, Severity, Sink};

crate::rule! {
    /// The site does not answer, or answers with a server error.
    ///
    /// `--probe URL` makes one GET request over HTTP/1.1 with a limit of 10 seconds (`--timeout`),
    /// from this host, following no redirect. A status of 500 or more, a refused connection and
    /// silence are findings; 404 and 302 count as answers. 400 and 421 are a warning: the request itself
    /// was refused, as Django does with a host that is not in `ALLOWED_HOSTS`, and what visitors get, who
    /// ask by another name, is not known. For a URL of a socket
    /// (`unix:/run/x.sock`, `http://127.0.0.1:8000/`) see app-not-answering.
    ///
    /// By hand: `curl -sv URL`, then nginx's error log.
    ///
    /// Proved by `app-answers-500`: the service was active, gunicorn answered, and every request
    /// got 500, through nginx and straight at the socket.
    ///
    /// Proved by `upstream-mismatch`: gunicorn was up, and every request got 502.
    ///
    /// ```text,bad,probe=http://example.com/
    /// example.com:80 502
    /// unix:/run/myapp/gunicorn.sock 200
    /// ```
    /// ```text,fixed,probe=http://example.com/
    /// example.com:80 200
    /// unix:/run/myapp/gunicorn.sock 200
    /// ```
    /// ```text,bad,probe=http://127.0.0.1/
    /// 127.0.0.1:80 400
    /// unix:/run/myapp/gunicorn.sock 400
    /// ```
    /// ```text,good,probe=http://example.com/
    /// example.com:80 404
    /// unix:/run/myapp/gunicorn.sock 404
    /// ```
    L805 "site-not-answering" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    for probe in deployment.probes.get()? {
        if let Some(why) = probe.not_made() {
            out.skip(&why);
            continue;
        }
        // Straight at an application's socket: the other rule says so.
        if probe.direct {
            continue;
        }
        let url = &probe.target;
        if let Ok((status, _)) = probe.answer
            && probe.is_refused()
        {
            refused(deployment, url, status, out);
            continue;
        }
        let Some(fault) = probe.fault() else { continue };
        out.report(format!("the site is down for its visitors: {url} {fault}"))
            .observed(EvidenceKind::Http, format!("GET {url}: {fault}"))
            .subject(url)
            .help(format!("curl -sv {url}\ntail /var/log/nginx/error.log"))
            .fix(Safety::Manual, "find the cause in nginx's error log");
    }
    Ok(())
}

/// An answer that shows nothing of what visitors get.
fn refused(deployment: &Deployment, url: &str, status: u16, out: &mut Sink) {
    let name = deployment.apps.iter().find_map(App::site_name);
    let by = match name {
        Some(name) => format!("deploy-doctor check --probe http://{name}/"),
        None => "deploy-doctor check --probe http://NAME-OF-THE-SITE/".to_owned(),
    };
    out.report(format!(
        "whether visitors are answered is not known: {url} answers with {status}, which refuses the \
         request itself"
    ))
    .severity(Severity::Warning)
    .observed(EvidenceKind::Http, format!("GET {url}: {status}"))
    .subject(url)
    .help(format!("ask by a name that the application accepts:\n{by}"))
    .fix(Safety::Manual, "probe the site by its own name");
}
