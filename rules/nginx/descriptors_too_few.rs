//! More connections than nginx's workers can keep open.

use crate::facts::nginx::descriptors::DEFAULT;
use crate::facts::{Deployment, Known, Why};
use crate::rule::{Safety, Sink};

crate::rule! {
    /// Under load nginx refuses connections: its workers cannot open as many files as their
    /// connections need.
    ///
    /// Each connection takes one descriptor, or two if it is passed on to gunicorn.
    /// `worker_connections` above the system's limit for a worker is never reached: nginx logs
    /// `worker_connections exceed open file resource limit` at each start, and `Too many open
    /// files` when that happens. `worker_rlimit_nofile` raises the limit; without it nginx's unit
    /// decides (`LimitNOFILE=`), and without that systemd's default of 1024.
    ///
    /// ```tree,bad
    /// /lib/systemd/system/
    /// ```
    /// ```ini,bad,file=/lib/systemd/system/nginx.service
    /// [Service]
    /// Type=forking
    /// ExecStart=/usr/sbin/nginx
    /// ```
    /// ```nginx,bad,file=/etc/nginx/nginx.conf
    /// user www-data;
    /// events { worker_connections 4096; }
    /// http { include /etc/nginx/sites-enabled/*; }
    /// ```
    /// ```ini,good,file=/lib/systemd/system/nginx.service
    /// [Service]
    /// Type=forking
    /// ExecStart=/usr/sbin/nginx
    /// ```
    /// ```nginx,good,file=/etc/nginx/nginx.conf
    /// user www-data;
    /// worker_rlimit_nofile 8192;
    /// events { worker_connections 4096; }
    /// http { include /etc/nginx/sites-enabled/*; }
    /// ```
    /// ```ini,good,file=/lib/systemd/system/nginx.service
    /// [Service]
    /// Type=forking
    /// LimitNOFILE=65536
    /// ExecStart=/usr/sbin/nginx
    /// ```
    /// ```nginx,good,file=/etc/nginx/nginx.conf
    /// user www-data;
    /// events { worker_connections 4096; }
    /// http { include /etc/nginx/sites-enabled/*; }
    /// ```
    N329 "descriptors-too-few" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: UpstreamStable, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let descriptors = &deployment.nginx.descriptors;
    let connections = *descriptors.connections.get()?;
    let limit = match descriptors.limit.get() {
        Ok(limit) => *limit,
        // What systemd gives to every service is enough.
        Err(_) if connections <= DEFAULT => return Ok(()),
        Err(why) => return Err(why),
    };
    if connections <= limit {
        return Ok(());
    }
    let whose = match &descriptors.limit {
        Known::Default(..) => "systemd's default",
        Known::Value(_, origin)
            if origin.span().is_some_and(|span| deployment.nginx.files().contains(&span.file)) =>
        {
            "worker_rlimit_nofile"
        }
        _ => "LimitNOFILE= of nginx's unit",
    };
    let finding = out.report(format!(
        "under load nginx refuses connections: each worker is allowed {connections} connections, \
         but only {limit} open files ({whose})"
    )).at_known(&descriptors.connections, "more than a worker can open");
    finding.at_known(&descriptors.limit, "the limit");
    finding.help(format!(
        "at the top of nginx.conf:\nworker_rlimit_nofile {};\nthen: nginx -t, and restart nginx",
        connections.saturating_mul(2)
    ));
    finding.fix(Safety::Manual, "raise the limit to two files per connection");
    Ok(())
}
