use crate::facts::nginx::{ChangedFile, Verdict};
use crate::rule::prelude::*;

crate::rule! {
    /// nginx may still serve an earlier configuration: its files have changed, and it has not
    /// reloaded.
    ///
    /// nginx reads its files when it starts and when it is reloaded, and a reload replaces all of
    /// its workers: a file newer than every worker is not in effect. Until then requests meet the
    /// old configuration, without a socket's new path or a new timeout; and the change, with any
    /// fault in it, takes effect at somebody else's reload, at the renewal of a certificate or at a
    /// restart at night.
    ///
    /// Nothing shows what the running nginx has loaded: a comment, or `touch`, changes the file's time
    /// too, and then nothing is missing. `systemctl reload nginx` loses no request and settles it.
    ///
    /// Detected by comparing the times of the files and of the links that include them with the
    /// start of the workers of `nginx.service`. A file whose modification time is older than the
    /// change (`cp -p`, `rsync -a`) is not noticed.
    ///
    /// By hand: `nginx -t && systemctl reload nginx`.
    ///
    /// Proved by `nginx-not-reloaded`: gunicorn listened on the new socket that the files name,
    /// nginx went on to the old one, and every request got 502.
    ///
    /// ```proc,bad
    /// 501 start=4000
    /// touch /etc/nginx/sites-available/myapp 5000
    /// ```
    /// ```proc,fixed
    /// 501 start=5001
    /// touch /etc/nginx/sites-available/myapp 5000
    /// ```
    ///
    /// The site was enabled only now:
    ///
    /// ```proc,bad
    /// touch /etc/nginx/sites-enabled/myapp 5000
    /// ```
    ///
    /// Healthy: an old worker finishes its last requests, and a container's nginx does not count.
    ///
    /// ```proc,good
    /// 501 : nginx: worker process is shutting down
    /// 502 like=501 start=5001 : nginx: worker process
    /// 600 parent=1 unit=docker-1f3a.scope user=0 start=50 name=nginx : nginx: master process nginx
    /// 601 parent=600 unit=docker-1f3a.scope user=33 start=50 name=nginx : nginx: worker process
    /// touch /etc/nginx/nginx.conf 5000
    /// ```
    N318 "nginx-not-reloaded" {
        severity: Error, impact: Hygiene, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

/// By how much the clocks of processes and files may differ, in seconds.
const TOLERANCE: i64 = 2;

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let nginx = &deployment.nginx;
    let running = nginx.running.get()?;
    // What nginx refuses it could not have taken over: N319 says so.
    if matches!(nginx.test.ok(), Some(Verdict::Refused(_))) {
        return Ok(());
    }
    let (oldest, newest) = running.workers;
    let since = |time: i64| {
        let newer = move |file: &&ChangedFile| time.saturating_add(TOLERANCE) < file.time;
        running.files.iter().filter(newer).collect::<Vec<_>>()
    };
    let changed = since(newest);
    let Some(last) = changed.first() else {
        // One worker may have taken the place of another that died, with what the master has read.
        return match since(oldest).is_empty() {
            true => Ok(()),
            false => Err(Why::not_understood(
                "nginx's workers started at different times: it is not known whether it was \
                 reloaded since",
            )),
        };
    };
    let more = match changed.len() {
        1 => String::new(),
        2 => ", and another file".to_owned(),
        count => format!(", and {} other files", count - 1),
    };
    let path = last.path.display();
    out.report(format!(
        "nginx may still serve an earlier configuration: {path} changed{more}, and nginx has not \
         reloaded since (if only a comment or the file's time changed, nothing is missing)"
    ))
    .at(last.file.line_span(1), "nginx has not read this")
    .evidence(
        EvidenceKind::File,
        format!(
            "{path} changed {} s after the newest worker of nginx (master {}) started",
            last.time.saturating_sub(newest),
            running.master
        ),
    )
    .subject("reload")
    .help("nginx -t && systemctl reload nginx")
    .fix(Safety::Manual, "systemctl reload nginx");
    Ok(())
}
