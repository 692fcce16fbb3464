use crate::rule::prelude::*;

crate::rule! {
    /// gunicorn's master exits at the start or at the next reload, and the site goes down:
    /// `TasksMax=` allows fewer processes than gunicorn needs.
    ///
    /// systemd counts every process and thread of the unit, and beyond `TasksMax=` the kernel
    /// refuses a new one (`BlockingIOError: [Errno 11] Resource temporarily unavailable`). If that
    /// happens to gunicorn's master, it exits with status 255. Measured with gunicorn 23.0.0 and
    /// three workers: with `TasksMax=3` no start succeeds, although `systemctl start` returns 0.
    /// With 4, 5 or 6 the site runs until it is reloaded: a reload starts three new workers before
    /// the old ones are gone, `systemctl reload` returns 0, and the master exits. With 7 (two times
    /// the workers, and the master) no request was lost.
    ///
    /// Each thread of a `gthread` worker counts too. A worker that cannot start a thread exits with
    /// all its requests (`RuntimeError: can't start new thread`) and is replaced by one that does
    /// the same: with three workers of four threads, under load, 26 of 222 requests were lost with
    /// `TasksMax=13`, and 159 with 8. What else the application starts is not known from files, so
    /// the fix leaves room: it sets twice what a reload under full load takes, and at least 64.
    ///
    /// Without the line the limit is 15 % of what the kernel allows for the whole host. A limit in
    /// percent, or on a slice, is not checked.
    ///
    /// By hand: a larger `TasksMax=`, then `systemctl daemon-reload`, which is enough: the
    /// new limit applies to the running service at once.
    ///
    /// Proved by `tasks-max-too-small`: the reload returned 0, gunicorn's master exited, and
    /// requests got 502 until systemd had started it again.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// TasksMax=3
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// TasksMax=64
    /// ```
    ///
    /// Enough for the start, not for a reload:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// TasksMax=6
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// TasksMax=64
    /// ```
    ///
    /// Enough for the processes, not for their threads (gunicorn 27, which loses no request on reload):
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// TasksMax=40
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 5 --threads 8 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```tree,bad
    /// - /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-27.0.1.dist-info/
    /// ```
    /// ```text,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-27.0.1.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: gunicorn
    /// Version: 27.0.1
    /// ```
    /// ```text,bad,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask==3.0.3
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// TasksMax=182
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 5 --threads 8 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```tree,fixed
    /// - /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-27.0.1.dist-info/
    /// ```
    /// ```text,fixed,file=/srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-27.0.1.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: gunicorn
    /// Version: 27.0.1
    /// ```
    /// ```text,fixed,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask==3.0.3
    /// ```
    ///
    /// The number of workers comes from a variable, and is not shown:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// TasksMax=8
    /// Environment=WEB_CONCURRENCY=4
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// Healthy: exactly enough for a reload, no limit, and systemd's default.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// TasksMax=7
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// TasksMax=3
    /// TasksMax=infinity
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// TasksMax=3
    /// TasksMax=
    /// ```
    U142 "tasks-max-too-small" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// The fix sets at least this, since nobody means to count tasks one by one.
const LEAST: i64 = 64;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    service.whole()?;
    let setting = service.text("TasksMax");
    let Some(text) = setting.get()? else { return Ok(()) };
    let Some(limit) = limit(text.as_str())? else { return Ok(()) };
    let workers = *app.gunicorn.workers().get()?;
    // Other classes start threads as they like, or none.
    let threads = match app.gunicorn.settings.worker_class().get()?.as_str() {
        "gthread" => *app.gunicorn.settings.threads().get()?,
        _ => 0,
    };
    let running = workers.saturating_add(1);
    let reloading = workers.saturating_mul(2).saturating_add(1);
    let loaded = workers.saturating_mul(threads.saturating_add(1)).saturating_add(1);
    // A variable's value is not shown, nor what is computed from it.
    let settings = &app.gunicorn.settings;
    let shown = !settings.is_secret("workers") && !settings.is_secret("threads");
    let who = |text: String, without: &str| if shown { text } else { without.to_owned() };
    let (consequence, cause) = if limit < running {
        (
            "gunicorn does not start, and every request gets 502",
            who(
                format!("the master and {workers} workers are {running} processes"),
                "the master and the workers are more than that",
            ),
        )
    } else if limit < reloading {
        (
            "the next reload takes the site down: gunicorn's master exits",
            who(
                format!(
                    "the master, {workers} old and {workers} new workers are {reloading} processes"
                ),
                "the master, the old workers and the new ones are more than that",
            ),
        )
    } else if limit < loaded {
        (
            "requests are lost under load: workers that cannot start a thread exit",
            who(
                format!(
                    "the master and {workers} workers with {threads} threads each are {loaded} tasks"
                ),
                "the master, the workers and their threads are more than that",
            ),
        )
    } else {
        return Ok(());
    };
    // Both generations of a reload at work, and as much again for what the application starts.
    let better = loaded.max(running).saturating_mul(4).saturating_sub(2).max(LEAST);
    let finding = out
        .report(format!("{consequence}, because TasksMax= allows {limit}: {cause}"))
        .at_known(&setting, "the kernel refuses every further process and thread")
        .at_some(app.gunicorn.workers().span(), "decides how many workers there are");
    match shown {
        true => {
            finding
                .help(format!("In [Service]:\nTasksMax={better}"))
                .fix(Safety::Safe, format!("TasksMax={better}"))
                .edit(Edit::set(&service.unit, "TasksMax", better.to_string()));
        }
        false => {
            finding
                .help(
                    "In [Service], at least 4 x workers x (threads + 1), for example:\n\
                     TasksMax=512",
                )
                .by_hand(setting.span())
                .fix(Safety::Manual, "raise TasksMax=");
        }
    }
    Ok(())
}

/// The number of tasks; none: no limit.
fn limit(text: &str) -> Result<Option<i64>, Why> {
    if text.is_empty() || text == "infinity" {
        return Ok(None);
    }
    if text.ends_with('%') {
        return Err(Why::depends("TasksMax= in percent depends on the host's own limit"));
    }
    // systemd takes 010 for octal and 0x10 for hexadecimal, and ignores 0.
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if plain => Ok(Some(number)),
        _ => Err(Why::not_understood("TasksMax= is no plain number")),
    }
}
