use crate::facts::nginx::Verdict;
use crate::facts::{Deployment, Why};
use crate::rule::prelude::show;
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// nginx cannot be reloaded, and does not come back after a restart: `nginx -t` fails.
    ///
    /// The running nginx keeps its loaded configuration, so nothing is noticed until the next
    /// reload, restart or reboot. `nginx -t` (with the `-c`, `-p` and `-g` that nginx is started with) is run once, as root and only on a live host: it needs
    /// the keys and the logs, and it resolves the names of upstreams on the host where it runs.
    ///
    /// If it cannot be run, as for an image, one fault is still predicted: a log in a directory
    /// that does not exist.
    ///
    /// By hand: repair what `nginx -t` names, then `systemctl reload nginx`.
    ///
    /// Proved by `include-broken`: nginx refused to start, and every connection was refused.
    ///
    /// Proved by `nginx-syntax`: nginx refused to start, and every connection was refused.
    ///
    /// Proved by `nginx-test-fails`: `nginx -t` failed beforehand; the restart left nginx down, and
    /// every connection was refused.
    ///
    /// Proved by `upstream-undefined`: nginx refused to start (`host not found in upstream`), and
    /// every connection was refused.
    ///
    /// Proved by `enabled-backup-file`: the copy beside the site made nginx refuse to start
    /// (`duplicate upstream`), and every connection was refused.
    ///
    /// ```text,bad,command=nginx -t,status=1
    /// nginx: [emerg] cannot load certificate "/etc/ssl/example.pem": BIO_new_file() failed
    /// nginx: configuration file /etc/nginx/nginx.conf test failed
    /// ```
    /// ```text,fixed,command=nginx -t
    /// nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
    /// nginx: configuration file /etc/nginx/nginx.conf test is successful
    /// ```
    /// ```nginx,bad,file=/etc/nginx/conf.d/log.conf
    /// access_log /srv/myapp/logs/access.log;
    /// ```
    /// ```nginx,good,file=/etc/nginx/conf.d/log.conf
    /// access_log /srv/myapp/access.log;
    /// error_log syslog:server=unix:/dev/log;
    /// ```
    /// ```text,good,command=nginx -t
    /// nginx: [warn] conflicting server name "example.com" on 0.0.0.0:80, ignored
    /// nginx: configuration file /etc/nginx/nginx.conf test is successful
    /// ```
    N319 "nginx-test-fails" {
        severity: Error, impact: Outage, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let nginx = &deployment.nginx;
    let verdict = nginx.test.get();
    if verdict.is_err() {
        foretold(deployment, out);
    }
    let Verdict::Refused(refusal) = verdict? else { return Ok(()) };
    let said = match refusal {
        Some(refusal) => shortened(&refusal.message),
        None => "it gives no reason".to_owned(),
    };
    let test = nginx.started.test();
    let failed = format!("{test}: configuration test failed");
    let draft = out.report(format!("nginx cannot reload, `{test}` fails: {said}"));
    let finding = match refusal.as_ref().and_then(|refusal| refusal.place.as_ref()) {
        Some((path, line)) => {
            let mut trees = nginx.model.ok().into_iter().flat_map(|model| &model.config.trees);
            match trees.find(|tree| tree.file.path == *path) {
                Some(tree) => draft.at(tree.file.line_span(*line), "nginx stops here"),
                None => draft.observed(EvidenceKind::File, format!("{}:{line}", path.display())),
            }
            .evidence(EvidenceKind::Command, failed)
        }
        None => draft.observed(EvidenceKind::Command, failed),
    };
    finding
        .subject(&said)
        .help("repair it, then: nginx -t && systemctl reload nginx")
        .fix(Safety::Manual, "repair what nginx -t names");
    Ok(())
}

/// What the test would say about logs, where nobody may run it.
fn foretold(deployment: &Deployment, out: &mut Sink) {
    for log in &deployment.nginx.unopened_logs {
        let directory = log.directory.display();
        out.report(format!(
            "nginx does not start, and does not reload: {directory} does not exist, and nginx \
             creates no directory for a log"
        ))
        .at(log.span, "`open() … failed (2: No such file or directory)`")
        .subject(directory.to_string())
        .help(format!("mkdir -p {directory} && nginx -t && systemctl reload nginx"))
        .fix(Safety::Manual, format!("create {directory}, or log elsewhere"));
    }
}

/// nginx's sentence on one line, without what would make it endless.
fn shortened(message: &str) -> String {
    const LIMIT: usize = 160;
    let line = show::line(message);
    match line.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
