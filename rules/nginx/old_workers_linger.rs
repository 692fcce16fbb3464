use crate::rule::prelude::*;

crate::rule! {
    /// Some visitors get the earlier configuration for as long as they stay connected: old workers of nginx
    /// have not ended since its last reload.
    ///
    /// On reload nginx starts new workers and tells the old ones to stop; each ends with the last
    /// of its connections. A websocket, an event stream or a download that never finishes keeps a
    /// worker alive for days, with the old configuration (the old socket, the old certificate) and
    /// with its memory, and every reload adds more. `worker_shutdown_timeout` ends that. (It exists
    /// from nginx 1.11.11 on; measured on 1.22.1 and 1.30.6.)
    ///
    /// Reported if such a worker is left an hour after the newest ones started, and nothing sets
    /// `worker_shutdown_timeout`.
    ///
    /// By hand: `worker_shutdown_timeout 10m;` at the top of `/etc/nginx/nginx.conf`, outside every
    /// block, then `nginx -t && systemctl reload nginx`. Workers already stopping do not apply it:
    /// `kill -s TERM PID` ends one, with its connections.
    ///
    /// ```proc,bad
    /// 501 : nginx: worker process is shutting down
    /// 502 like=501 start=4000 : nginx: worker process
    /// ```
    /// ```proc,fixed
    /// 501 start=4000 : nginx: worker process
    /// ```
    ///
    /// Healthy: the reload was half an hour ago:
    ///
    /// ```proc,good
    /// 501 : nginx: worker process is shutting down
    /// 502 like=501 start=8200 : nginx: worker process
    /// ```
    N330 "old-workers-linger" {
        severity: Info, impact: StaleRelease, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

/// So many seconds after a reload an old worker should have ended.
const LONG: i64 = 60 * 60;

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let nginx = &deployment.nginx;
    let model = nginx.model.get()?;
    let running = nginx.running.get()?;
    let since = nginx.now.get()?.saturating_sub(running.workers.1);
    let Some(first) = running.leaving.first().filter(|_| since > LONG) else { return Ok(()) };
    if !model.named_in(None, "worker_shutdown_timeout").is_empty() {
        return Ok(());
    }
    let hours = since / LONG;
    let count = match running.leaving.len() {
        1 => "an old worker of nginx still serves".to_owned(),
        count => format!("{count} old workers of nginx still serve"),
    };
    let numbers: Vec<String> = running.leaving.iter().map(u32::to_string).collect();
    let plural = if hours == 1 { "hour" } else { "hours" };
    let Some(tree) = model.config.trees.first() else { return Ok(()) };
    out.report(format!(
        "some visitors still get the earlier configuration: {count}, {hours} {plural} after the reload"
    ))
    .at(tree.file.line_span(1), "no worker_shutdown_timeout")
    .evidence(
        EvidenceKind::Process,
        format!("nginx workers that are shutting down: process {}", numbers.join(", ")),
    )
    .subject("leaving")
    .help(format!(
        "at the top of nginx.conf, outside every block: worker_shutdown_timeout 10m;\n\
         nginx -t && systemctl reload nginx\n\
         and to end an old worker with its connections: kill -s TERM {first}"
    ))
    .fix(Safety::Manual, "set worker_shutdown_timeout 10m");
    Ok(())
}
