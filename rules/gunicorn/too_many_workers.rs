use crate::facts::gunicorn::Layer;
use crate::rule::prelude::*;

crate::rule! {
    /// A reload stalls the site, or needs more memory than there is, because there are too many
    /// workers.
    ///
    /// On reload gunicorn starts as many new workers as it has, all at once, and tells the old ones
    /// to stop at the same moment. They all import the application on the same processors, and none
    /// serves until the first is done. Measured with gunicorn 23.0.0, two processors and an
    /// application that takes 0.3 s of a processor's time to import: 3 workers stalled the site for
    /// 0.5 s, 5 for 0.7 s, 24 for 2.7 s and 40 for 7.2 s. Requests that mostly wait need threads,
    /// or an asynchronous worker class. More than four times gunicorn's own advice (2 × processors + 1)
    /// is reported.
    ///
    /// The old workers stay until their last request is done, so a reload needs twice their memory.
    /// On a live host this is reported when the smallest worker's own memory, times their number,
    /// exceeds free memory and swap: the kernel then kills processes, gunicorn's or the database's.
    /// The unit's own limit (`MemoryMax=`) is not considered.
    ///
    /// With Socket.IO (Flask-SocketIO, python-socketio) two are too many: a client's first requests
    /// belong to one session, which one process alone knows, and gunicorn gives them to any. Measured
    /// with gunicorn 23.0.0 and Flask-SocketIO 5: of 30 sessions 22 ended with `400 Invalid session`
    /// with three workers, and none with one. Nothing is said where the code has a `message_queue` or
    /// chooses its transports.
    ///
    /// By hand: fewer `--workers`, and `--threads 4` if requests wait for a database or other
    /// services.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 40 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```text,bad,file=/proc/cpuinfo
    /// processor	: 0
    /// processor	: 1
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 5 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```text,fixed,file=/proc/cpuinfo
    /// processor	: 0
    /// processor	: 1
    /// ```
    ///
    /// Three workers, each with 60 MB of its own, and 100 MB left:
    ///
    /// ```proc,bad
    /// 800 memory=20000
    /// 811 memory=80000
    /// 812 memory=80000
    /// 813 memory=90000
    /// ```
    /// ```text,bad,file=/proc/meminfo
    /// MemTotal:        1000000 kB
    /// MemAvailable:     100000 kB
    /// SwapFree:              0 kB
    /// ```
    ///
    /// Healthy: enough memory, and three workers on one processor.
    ///
    /// ```proc,good
    /// 800 memory=20000
    /// 811 memory=80000
    /// 812 memory=80000
    /// 813 memory=90000
    /// ```
    /// ```text,good,file=/proc/meminfo
    /// MemTotal:        1000000 kB
    /// MemAvailable:     100000 kB
    /// SwapFree:         100000 kB
    /// ```
    /// ```text,good,live,file=/proc/cpuinfo
    /// processor	: 0
    /// ```
    ///
    /// Two are too many for Socket.IO:
    ///
    /// ```python,bad
    /// from flask import Flask
    /// from flask_socketio import SocketIO
    ///
    /// app = Flask(__name__)
    /// socketio = SocketIO(app)
    /// ```
    /// ```python,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/flask_socketio/__init__.py
    /// ```
    /// ```python,good
    /// from flask import Flask
    /// from flask_socketio import SocketIO
    ///
    /// app = Flask(__name__)
    /// socketio = SocketIO(app, message_queue="redis://")
    /// ```
    /// ```python,good,file=/srv/myapp/.venv/lib/python3.11/site-packages/flask_socketio/__init__.py
    /// ```
    G202 "too-many-workers" {
        severity: Warning, impact: Slow, fix: Some(Manual), item: MultipleWorkers, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

/// So many times gunicorn's advice is far above it.
const FAR: i64 = 4;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let number = *app.gunicorn.workers().get()?;
    if number > 1 && shares_sessions(app, number, out) {
        return Ok(());
    }
    // They import nothing then, and share the master's memory.
    if app.gunicorn.settings.preload_app().ok() == Some(&true) {
        return Ok(());
    }
    // Of one processor these are not too many yet.
    if number > FAR * advised(1) {
        let Some(processors) = app.machine.processors.ok() else { return Err(Why::not_live()) };
        let advised = advised(i64::from(*processors));
        if number > advised.saturating_mul(FAR) {
            report_processors(app, number, *processors, advised, out);
            return Ok(());
        }
    }
    memory(app, out)
}

/// Socket.IO's clients begin with several requests of one session, which only the worker knows that
/// answered the first; gunicorn hands each to any of them.
fn shares_sessions(app: &App, number: i64, out: &mut Sink) -> bool {
    let servers = || {
        let certain = app.release.code.modules.iter().filter(|module| module.certain);
        certain.filter_map(|module| module.socket_io)
    };
    // Who has put a queue between processes, or chosen transports, knows of it.
    if servers().next().is_none() || servers().any(|server| server.for_several) {
        return false;
    }
    let workers = app.gunicorn.workers();
    let hand = Hand::of(app, "workers", &Value::Number(1));
    out.report(format!(
        "clients of Socket.IO get 400 (Invalid session) again and again: {} share their requests, and \
         a session is known to one of them",
        amount(app, number)
    ))
    .at_first([
        (workers.span(), "decides how many workers there are"),
        (app.gunicorn.started_at(), ""),
    ])
    .help(format!(
        "{}, and --threads 100; or several units with one worker each, and a message queue between \
         them",
        hand.line()
    ))
    .subject("Socket.IO")
    .by_hand(workers.span())
    .fix(Safety::Manual, hand.title());
    true
}

fn advised(processors: i64) -> i64 {
    processors.saturating_mul(2).saturating_add(1)
}

/// A variable's value is not shown, nor what is made of one.
fn amount(app: &App, number: i64) -> String {
    let settings = &app.gunicorn.settings;
    match settings.is_secret("workers") || settings.layer("workers") == Some(Layer::Environment) {
        true => "all its workers".to_owned(),
        false => format!("{number} workers"),
    }
}

fn report_processors(app: &App, number: i64, processors: u32, advised: i64, out: &mut Sink) {
    let workers = app.gunicorn.workers();
    let hand = Hand::of(app, "workers", &Value::Number(advised));
    let on = if processors == 1 { "1 processor" } else { &format!("{processors} processors") };
    out.report(format!(
        "every reload stalls the site: {} import the application at once on {on}, with no answer \
         until the first is done",
        amount(app, number)
    ))
    .at_first([
        (workers.span(), "decides how many workers there are"),
        (app.gunicorn.started_at(), ""),
    ])
    .help(format!("{}  (2 x processors + 1), and --threads 4 if requests wait", hand.line()))
    .by_hand(workers.span())
    .fix(Safety::Manual, hand.title());
}

/// Is there room for as many workers once more?
fn memory(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = match app.processes.get() {
        Ok(processes) => processes,
        // Of files alone the rest was judged.
        Err(why) if why.kind().needs_more() => return Ok(()),
        Err(why) => return Err(why),
    };
    // That it does not run is another rule's.
    let Ok(master) = processes.master() else { return Ok(()) };
    let left = *app.machine.limits.memory_left.get()?;
    let mut smallest: Option<u64> = None;
    for worker in &master.workers {
        let own = *worker.memory.get()?;
        smallest = Some(smallest.map_or(own, |other| other.min(own)));
    }
    let (Some(smallest), Ok(count)) = (smallest, u64::try_from(master.workers.len())) else {
        return Ok(());
    };
    // What the master has was there when they were forked, and is shared.
    let own = smallest.saturating_sub(*master.process.memory.get()?);
    let wanted = own.saturating_mul(count);
    if wanted <= left {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes / 1_000_000;
    let workers = app.gunicorn.workers();
    out.report(format!(
        "a reload takes more memory than there is: {count} new workers next to the old ones need \
         about {} MB, and {} MB are left; the kernel then kills processes",
        megabytes(wanted),
        megabytes(left)
    ))
    .at_first([
        (workers.span(), "decides how many workers there are"),
        (app.gunicorn.started_at(), ""),
    ])
    .evidence(
        EvidenceKind::Process,
        format!(
            "each of {count} workers of master {} has at least {} MB of its own",
            master.process.pid,
            megabytes(own)
        ),
    )
    .subject("memory")
    .help("fewer workers, or threads instead; `free -m` shows the memory left")
    .fix(Safety::Manual, "reduce workers or add memory");
    Ok(())
}
