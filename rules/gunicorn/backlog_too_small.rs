use crate::facts::Route;
use crate::rule::prelude::*;

crate::rule! {
    /// During a reload nginx answers 502 as soon as the listen queue is full, and this one is
    /// short.
    ///
    /// From the moment of the reload until the new workers have imported the application, nothing
    /// takes a request from the queue. A unix socket whose queue is full refuses the next
    /// connection at once, and nginx answers 502 (`11: Resource temporarily unavailable`).
    /// Measured, with an import of 3 seconds and 200 requests a second: 548 of 1,599 got 502 with
    /// `--backlog 64`, none with gunicorn's default of 2048. The queue is as long as `backlog`
    /// says, but never longer than the kernel's `net.core.somaxconn`, which is 4096 since Linux 5.4
    /// and was 128 before. A queue shorter than 128 is reported. Over TCP a full queue delays a
    /// connection by a second or more; the queue of a socket handed over by systemd is systemd's
    /// own (`Backlog=`; older gunicorn sets it again).
    ///
    /// By hand: remove `--backlog`, or write 2048, and restart; `sysctl -w net.core.somaxconn=4096`
    /// if the kernel is the limit.
    ///
    /// Proved by `slow-boot-small-backlog`: at the reload the queue ran full, and nginx answered 502
    /// (`11: Resource temporarily unavailable`) until the new workers had booted.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --backlog 64 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --backlog 2048 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// The kernel's limit is the lower one:
    ///
    /// ```text,bad,live,file=/proc/sys/net/core/somaxconn
    /// 64
    /// ```
    ///
    ///
    /// Healthy:
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --backlog 512 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```text,good,file=/proc/sys/net/core/somaxconn
    /// 4096
    /// ```
    G224 "backlog-too-small" {
        severity: Warning, impact: BadGateway, fix: Some(Safe), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

/// The shortest queue that is not remarkable: what every kernel before 5.4 has.
const ENOUGH: i64 = 128;
/// gunicorn's own default.
const USUAL: i64 = 2048;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let unix = app.bounds().get()?.iter().enumerate().find_map(|(index, bound)| {
        let own = !bound.activated && matches!(bound.endpoint, Endpoint::Unix(_));
        let route = app.routes.iter().find(|route| route.bound == index)?;
        own.then_some((bound, route))
    });
    let Some((bound, route)) = unix else { return Ok(()) };
    let backlog = app.gunicorn.settings.backlog();
    let asked = *backlog.get()?;
    if asked < ENOUGH {
        report(app, asked, route, out);
        return Ok(());
    }
    let kernel = match app.machine.limits.longest_queue.get() {
        Ok(kernel) => *kernel,
        // Of files alone the rest was judged.
        Err(why) if why.kind().needs_more() => return Ok(()),
        Err(why) => return Err(why),
    };
    if kernel < ENOUGH {
        out.report(format!(
            "{}: the kernel's net.core.somaxconn is {kernel}, whatever backlog says",
            consequence(&kernel.to_string())
        ))
        .at_some(bound.origin.span(), "its queue is limited to that")
        .at(route.peer, "nginx connects here")
        .evidence(EvidenceKind::File, format!("/proc/sys/net/core/somaxconn is {kernel}"))
        .subject("somaxconn")
        .help(format!(
            "sysctl -w net.core.somaxconn=4096\necho net.core.somaxconn=4096 \
             >/etc/sysctl.d/60-listen-queue.conf\nsystemctl restart {}",
            app.stem()
        ))
        .fix(Safety::Manual, "net.core.somaxconn=4096");
    }
    Ok(())
}

fn consequence(length: &str) -> String {
    format!("during a reload nginx answers 502 as soon as {length} requests wait")
}

fn report(app: &App, asked: i64, route: &Route, out: &mut Sink) {
    let backlog = app.gunicorn.settings.backlog();
    let secret = app.gunicorn.settings.is_secret("backlog");
    let length = if secret { "a few".to_owned() } else { asked.max(0).to_string() };
    let hand = Hand::of(app, "backlog", &Value::Number(USUAL));
    let finding = out
        .report(format!(
            "{}: backlog makes gunicorn's listen queue that short, and nothing empties it until \
             the new workers have booted",
            consequence(&length)
        ))
        .at_first([
            (backlog.span(), "gunicorn's default is 2048"),
            (app.gunicorn.started_at(), ""),
        ]);
    finding.at(route.peer, "nginx connects here").help(hand.line()).by_hand(backlog.span());
    let edits = Edit::setting(app, "backlog", Value::Number(USUAL)).map(|edit| vec![edit]);
    finding.fix_or_why(Safety::Safe, hand.title(), edits);
}
