use super::start;
use crate::facts::processes::Process;
use crate::facts::release::ReadModule;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// Old and new code answer side by side: some workers started before the code was changed,
    /// others after.
    ///
    /// If code is updated in place (`git pull`, `rsync` into the directory that is served) every
    /// worker that starts from then on imports the new code, even one that replaces another after
    /// `max_requests`, a timeout or a crash, long before the reload. And after a reload, a worker
    /// whose request does not end keeps running the old code; `graceful_timeout` does not limit it
    /// there (measured). A visitor gets old or new code by chance, and a form served by one is sent
    /// to the other.
    ///
    /// Detected by comparing the start of the workers with the modification times of the
    /// application's own modules, if there is no release link (otherwise see P503), and not before
    /// the workers have had their `graceful_timeout`.
    ///
    /// By hand: `systemctl reload myapp`; for a worker that stays after that, `kill -TERM PID`.
    /// Separate releases with a link do not have this problem.
    ///
    /// Proved by `mixed-generations`: the old and the new release answered side by side; after the reload
    /// only the new one did.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// WorkingDirectory=/srv/shop
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,bad,file=/srv/shop/wsgi.py
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// ```
    /// ```proc,bad
    /// touch /srv/shop/wsgi.py 5000
    /// 800 cwd=/srv/shop : /srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --workers 3 --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// 811 like=800 parent=800 start=101 caught=8304226
    /// 812 like=811
    /// 813 like=811 start=5200
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// WorkingDirectory=/srv/shop
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,fixed,file=/srv/shop/wsgi.py
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// ```
    /// ```proc,fixed
    /// touch /srv/shop/wsgi.py 5000
    /// 800 cwd=/srv/shop : /srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --workers 3 --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// 811 like=800 parent=800 start=5200 caught=8304226
    /// 812 like=811
    /// 813 like=811
    /// ```
    P504 "mixed-releases-or-generations" {
        severity: Warning, impact: StaleRelease, fix: Some(Manual), item: WorkersReplaced,
        hop: Workers, since: "0.1.0", check: App(check)
    }
}

/// By how much the clocks of processes and files may differ, in seconds.
const TOLERANCE: i64 = 2;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    // Where a link is moved, the time of the link counts and not that of a file: P503.
    if app.release.link.is_some() {
        return Ok(());
    }
    let Some(master) = processes.masters.last() else { return Ok(()) };
    let modules = app.release.code.modules.iter().filter(|module| module.certain);
    let dated = modules.filter_map(|module| Some((module.changed?, module)));
    let Some((changed, module)) = dated.max_by_key(|(changed, _)| *changed) else { return Ok(()) };
    let (mut old, mut young, mut youngest) = (Vec::new(), 0, i64::MIN);
    for worker in &master.workers {
        let started = *worker.started.get()?;
        if started.saturating_add(TOLERANCE) < changed {
            old.push(worker);
        } else if started > changed.saturating_add(TOLERANCE) {
            (young, youngest) = (young + 1, youngest.max(started));
        }
    }
    if old.is_empty() || young == 0 {
        return Ok(());
    }
    // With preload_app all have what the master loaded.
    if *app.gunicorn.settings.preload_app().get()? {
        return Ok(());
    }
    let grace = *app.gunicorn.settings.graceful_timeout().get()?;
    if processes.now.get()?.saturating_sub(youngest) <= grace.saturating_add(TOLERANCE) {
        return Err(Why::depends("workers are being replaced right now"));
    }
    report(app, &old, young, module, out);
    Ok(())
}

fn report(app: &App, old: &[&Process], young: usize, module: &ReadModule, out: &mut Sink) {
    let configured = app.gunicorn.workers().ok().copied().unwrap_or(i64::MAX);
    let more = i64::try_from(old.len() + young).unwrap_or(i64::MAX) > configured;
    let numbers: Vec<String> = old.iter().map(|worker| worker.pid.to_string()).collect();
    let (stem, path, listed) = (app.stem(), module.path.display(), numbers.join(" "));
    let help = match more {
        // A reload has been, and these did not go.
        true => {
            format!("ps -fp {}   shows what they do; then:\nkill -TERM {listed}", numbers.join(","))
        }
        false => format!("systemctl reload {stem}"),
    };
    let word = if old.len() == 1 { "worker runs" } else { "workers run" };
    out.report(format!(
        "old and new code answer side by side: {} {word} the code from before {path} was changed, \
         and {young} the new code",
        old.len()
    ))
    .at_some(start(app), "starts gunicorn")
    .evidence(EvidenceKind::Process, format!("started before the change: {}", numbers.join(", ")))
    .help(help.clone())
    .subject("workers")
    .fix(Safety::Manual, help.lines().last().unwrap_or_default().to_owned());
}
