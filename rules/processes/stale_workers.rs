use std::path::Path;

use crate::facts::processes::{Master, Process};
use crate::facts::{App, ReleaseLink, Why};
use crate::rule::prelude::show;
use crate::rule::{EvidenceKind, Safety, Severity, Sink};

crate::rule! {
    /// Workers serve a release other than the one `current` leads to.
    ///
    /// Measured: a worker runs the code that it imported when it started. If `sys.path` goes
    /// through the link (`--chdir /srv/myapp/current`), workers from before the link moved serve
    /// the old release until a reload: a warning. If it does not (U113), or with `preload_app`
    /// (G203), a reload returns 0 and changes nothing: that is an error, because only a restart
    /// helps. When the link is followed, the working directory of a process proves nothing by
    /// itself, so the start of the worker is compared with the time the link was created.
    ///
    /// By hand: `systemctl reload myapp`; if that does not help, `systemctl restart myapp`.
    ///
    /// Proved by `python-path`: after the link moved, the reload returned 0 and the old release
    /// went on answering every request; with `--pythonpath` the new one answered.
    ///
    /// Proved by `reload-keeps-old-release`: after the link moved, the reload returned 0 and the
    /// old release went on answering every request.
    ///
    /// ```proc,bad
    /// touch /srv/myapp/current 5000
    /// 800 cwd=/srv/myapp/releases/2026-04-14
    /// 811 cwd=/srv/myapp/releases/2026-04-14
    /// 812 cwd=/srv/myapp/releases/2026-04-14
    /// 813 cwd=/srv/myapp/releases/2026-04-14
    /// ```
    /// ```proc,fixed
    /// touch /srv/myapp/current 5000
    /// 811 start=5010
    /// 812 start=5010
    /// 813 start=5010
    /// ```
    ///
    /// Healthy: the link was recreated and leads to the same release:
    ///
    /// ```proc,good
    /// touch /srv/myapp/current 5000
    /// ```
    ///
    /// A worker that was replaced after the link moved has the new code, whatever directory it
    /// inherited:
    ///
    /// ```proc,good
    /// touch /srv/myapp/current 5000
    /// 800 cwd=/srv/myapp/releases/2026-04-14
    /// 811 cwd=/srv/myapp/releases/2026-04-14 start=5010
    /// 812 cwd=/srv/myapp/releases/2026-04-14 start=5010
    /// 813 cwd=/srv/myapp/releases/2026-04-14 start=5010
    /// ```
    P503 "stale-workers" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: ReleaseServes,
        hop: Workers, since: "0.1.0", check: App(check)
    }
}

/// By how much the clocks of processes and files may differ, in seconds: the time of the boot is
/// known to the second.
const TOLERANCE: i64 = 2;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    let Some(link) = &app.release.link else { return Ok(()) };
    let Some(master) = processes.masters.last() else { return Ok(()) };
    let preload = *app.gunicorn.settings.preload_app().get()?;
    let follows = *app.release.follows_link.get()?;
    let moved = processes.link_moved.get()?.filter(|_| follows);
    let mut stale = Vec::new();
    for worker in &master.workers {
        let loaded_by = if preload { &master.process } else { worker };
        if let Some(release) = other_release(worker, loaded_by, link, moved, preload)? {
            stale.push((worker, release));
        }
    }
    report(app, master, link, &stale, follows && !preload, out);
    Ok(())
}

/// The release that a worker serves, where it is not the link's.
fn other_release<'a>(
    worker: &'a Process,
    loaded_by: &Process,
    link: &ReleaseLink,
    moved: Option<i64>,
    preload: bool,
) -> Result<Option<&'a Path>, Why> {
    let directory = &worker.directory.get()?.path;
    if directory.starts_with(&link.resolved) {
        // With `--chdir` each SIGHUP takes the master to where the link leads, and not its code.
        if preload
            && let Some(moved) = moved
            && loaded_by.started.get()?.saturating_add(TOLERANCE) < moved
        {
            return Err(Why::depends(
                "the code was loaded by the master (preload_app), and the link was created later",
            ));
        }
        return Ok(None);
    }
    if let Some(moved) = moved
        && loaded_by.started.get()?.saturating_add(TOLERANCE) >= moved
    {
        return Ok(None);
    }
    let Ok(below) = directory.strip_prefix(&link.releases) else {
        return Err(Why::not_understood(format!(
            "the working directory {} names no release",
            directory.display()
        )));
    };
    Ok(below.components().next().map(|name| Path::new(name.as_os_str())))
}

fn report(
    app: &App,
    master: &Master,
    link: &ReleaseLink,
    stale: &[(&Process, &Path)],
    reload_helps: bool,
    out: &mut Sink,
) {
    let Some((first, release)) = stale.first() else { return };
    let stem = app.stem();
    let (count, all) = (stale.len(), master.workers.len());
    let command = if reload_helps { "reload" } else { "restart" };
    let but = if reload_helps { "" } else { ", and a reload does not change that" };
    let target = show::name(&link.resolved);
    out.report(format!(
        "{count} of {all} workers serve release {}{but}: {} leads to {target}",
        release.display(),
        link.path.display()
    ))
    .severity(if reload_helps { Severity::Warning } else { Severity::Error })
    .at_known(&app.release.directory, "gunicorn changes to this directory")
    .evidence(
        EvidenceKind::Process,
        format!("worker {} works in {}", first.pid, link.releases.join(release).display()),
    )
    .evidence(EvidenceKind::File, format!("{} -> {}", link.path.display(), link.target.display()))
    .help(format!("systemctl {command} {stem}"))
    .fix(Safety::Manual, format!("systemctl {command} {stem}"));
}
