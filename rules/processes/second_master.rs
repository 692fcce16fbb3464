use super::start;
use crate::facts::processes::Master;
use crate::facts::sockets::Listener;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// A second gunicorn master answers for the same application: old code is served, and a reload
    /// does not reach it.
    ///
    /// Such a master is left over from an upgrade with SIGUSR2 that nobody finished, or somebody
    /// started it by hand, or another unit binds the same socket. Measured for two masters on one
    /// unix socket: the second takes the path over, and when the first stops, it deletes the
    /// second's file. A master in another unit, on its own socket, is another application. One that was
    /// started by hand on a socket that nginx does not pass to is not reported: it serves nobody.
    ///
    /// By hand: look at it (`ps -fp PID`, `systemctl status PID`), then end it: `kill -TERM PID`.
    ///
    /// Proved by `kill-mode-none`: after a restart the old master and its three workers were still
    /// there alongside the new ones.
    ///
    /// Proved by `second-master`: the second master took the requests, and when it stopped it
    /// deleted the socket: every request got 502 while the unit was active.
    ///
    /// ```proc,bad
    /// 900 parent=1 unit=session-1.scope user=33 start=600 cwd=/srv/myapp/releases/2026-04-14 : /srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --bind 127.0.0.1:8001 wsgi:app
    /// ```
    /// ```proc,fixed
    /// ```
    /// ```proc,bad
    /// 900 parent=1 unit=other.service user=33 start=600 cwd=/srv/other sockets=40001 : /srv/other/.venv/bin/python /srv/other/.venv/bin/gunicorn --bind unix:/run/myapp/gunicorn.sock other:app
    /// ```
    /// ```proc,bad
    /// 900 like=800 parent=800 start=600 set=GUNICORN_PID=800
    /// 911 like=900 parent=900 start=601
    /// 912 like=900 parent=900 start=601
    /// 913 like=900 parent=900 start=601
    /// ```
    ///
    /// Healthy: another application on the same host, the same code in its own unit, and a release that
    /// somebody tries by hand on a port of its own:
    ///
    /// ```proc,good
    /// 900 parent=1 unit=other.service user=33 start=600 cwd=/srv/other sockets=40009 : /srv/other/.venv/bin/python /srv/other/.venv/bin/gunicorn --bind unix:/run/other/gunicorn.sock wsgi:app
    /// listen unix:/run/other/gunicorn.sock inode=40009
    /// 950 parent=1 unit=myapp-green.service user=33 start=600 cwd=/srv/myapp/releases/2026-04-21 sockets=40010 : /srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --bind 127.0.0.1:8002 wsgi:app
    /// listen 127.0.0.1:8002 inode=40010
    /// 970 parent=1 unit=session-1.scope user=33 start=600 cwd=/srv/myapp/releases/2026-04-21 sockets=40011 : /srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --bind 127.0.0.1:9000 wsgi:app
    /// listen 127.0.0.1:9000 inode=40011
    /// ```
    P507 "second-master" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: WorkersReplaced,
        hop: Master, since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    if let [older @ .., newest] = processes.masters.as_slice()
        && let Some(oldest) = older.first()
    {
        let title = match newest.successor {
            true => "an upgrade by SIGUSR2 was not finished",
            false => "the unit runs two",
        };
        let other = if newest.successor { newest } else { oldest };
        report(app, other, title, "old and new code are served side by side", out);
    }
    for other in &processes.others {
        match competes(app, other) {
            Ok(None) => {}
            Ok(Some(how)) => report(app, other, how, "old code may be served", out),
            Err(why) => out.skip(&why),
        }
    }
    Ok(())
}

/// How a master outside the unit gets in the way of the application.
fn competes(app: &App, other: &Master) -> Result<Option<&'static str>, Why> {
    let sockets = app.sockets.get()?;
    let bounds = app.bounds().get()?;
    // The sockets of another user's process cannot be seen; its directory cannot either.
    let held = other.sockets.get()?;
    let own = || sockets.listeners.iter().filter(|listener| held.contains(&listener.inode));
    // The same port in another network is another port.
    for listener in own().filter(|listener| !listener.apart) {
        if bounds.iter().any(|bound| bound.endpoint.reaches(&listener.endpoint) == Some(true)) {
            return Ok(Some("it listens on the same socket"));
        }
    }
    // The same code in a unit of its own is meant to be there (blue and green, an admin's port).
    if other.process.unit.get()?.as_ref().is_some_and(|unit| unit.ends_with(".service")) {
        return Ok(None);
    }
    let directory = &other.process.directory.get()?.path;
    let home = match &app.release.link {
        Some(link) => directory.starts_with(&link.releases),
        None => directory == &app.release.directory.get()?.resolved,
    };
    let application = app.gunicorn.settings.wsgi_app();
    let same = home
        && other.running.ok().is_some_and(|running| running.arguments.last() == application.ok());
    // Somebody who tries a release by hand gives it a port of its own, which no visitor comes to.
    let passed = |listener: &Listener| {
        let peers = app.nginx.destinations.iter().flat_map(|pass| pass.peers.iter());
        peers.into_iter().any(|peer| peer.endpoint.reaches(&listener.endpoint) != Some(false))
    };
    if same && own().next().is_some() && app.nginx.all_passes().is_ok() && !own().any(passed) {
        return Ok(None);
    }
    Ok(same.then_some("it runs the same application outside any unit"))
}

fn report(app: &App, other: &Master, how: &str, consequence: &str, out: &mut Sink) {
    let process = &other.process;
    let pid = process.pid;
    let place = match process.unit.ok() {
        Some(Some(unit)) => format!("in {unit}"),
        _ => "in no unit".to_owned(),
    };
    out.report(format!(
        "{consequence}: a second gunicorn master, process {pid} {place}, runs alongside that of \
         {}; {how}",
        app.name
    ))
    .at_some(start(app), "starts the unit's own master")
    .evidence(
        EvidenceKind::Process,
        format!("{pid}, parent {}, {} workers, {place}", process.parent, other.workers.len()),
    )
    .help(format!(
        "Look at it, then end it:\nps -fp {pid}; systemctl status {pid}\nkill -TERM {pid}"
    ))
    .subject(place)
    .fix(Safety::Manual, format!("kill -TERM {pid}"));
}
