//! An `include` that nginx cannot follow.

use crate::facts::nginx::FaultKind;
use crate::facts::{Deployment, Why};
use crate::rule::{Safety, Sink};

crate::rule! {
    /// nginx does not load: an `include` names a file that does not exist, or a directory.
    ///
    /// A pattern that matches nothing is fine, but a literal file that is missing, a broken link
    /// among the matches (`sites-enabled/myapp` after its file was removed or renamed), and a
    /// match that is a directory are fatal: nginx refuses to reload, and after the next restart
    /// or reboot the site is down. A relative path starts at nginx.conf's directory, whichever file
    /// the `include` is in.
    ///
    /// Proved by `include-broken`: nginx refused to start, and every connection was
    /// refused.
    ///
    /// ```tree,bad
    /// /etc/nginx/sites-enabled/old -> ../sites-available/old
    /// ```
    /// ```tree,fixed
    /// - /etc/nginx/sites-enabled/old
    /// ```
    /// ```nginx,good,file=/etc/nginx/nginx.conf
    /// user www-data;
    /// events { worker_connections 768; }
    /// http {
    ///     include mime.types;
    ///     include conf.d/nothing-here-*.conf;
    ///     include /etc/nginx/sites-enabled/*;
    /// }
    /// ```
    N314 "include-broken" {
        severity: Error, impact: Outage, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let model = deployment.nginx.model.get()?;
    for fault in &model.faults {
        let (note, help) = match fault.kind {
            FaultKind::IncludeMissing if fault.message.contains(" is a link to ") => {
                ("matches a broken link", "remove the link, or put back the file it points to")
            }
            FaultKind::IncludeMissing => (
                "does not exist",
                "put the file in place, or remove the include; a relative path counts from \
                 nginx.conf's directory",
            ),
            FaultKind::IncludeNotAFile => (
                "not a file",
                "move the directory elsewhere, or make the pattern match only files (*.conf)",
            ),
            FaultKind::IncludeLoop => ("includes itself in a circle", "remove one of the includes"),
            _ => continue,
        };
        let finding =
            out.report(format!("nginx refuses to load: {}", fault.message)).at(fault.span, note);
        for include in fault.related.iter().rev() {
            finding.at(*include, "included from here");
        }
        finding.subject(&fault.message);
        finding.help(format!("{help}\nthen check with: nginx -t"));
        finding.fix(Safety::Manual, "repair or remove the include");
    }
    Ok(())
}
