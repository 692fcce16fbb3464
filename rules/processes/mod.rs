//! Rules of the area `processes`: faults that only the process table of a live host shows.

crate::area![
    not_running,
    fewer_workers,
    stale_workers,
    boot_loop,
    deleted_release,
    second_master,
    main_pid_not_master,
    orphan_workers,
    wrong_user,
    gunicorn_upgraded_on_disk,
    mixed_releases_or_generations,
];

use crate::facts::processes::Orphan;
use crate::facts::spare::Spare;
use crate::facts::{App, Endpoint, Processes};
use crate::rule::prelude::Span;

/// gunicorn's own reason why it ended, where the journal has it.
fn last_words(app: &App) -> Option<&str> {
    app.journal.ok()?.last_words.as_deref()
}

/// Where the unit starts gunicorn.
fn start(app: &App) -> Option<Span> {
    app.service.exec_start.last().map(|command| command.line.span)
}

/// The workers without a master that are this application's: in its unit, or on its socket. With a
/// master in the unit, only those from before it: a younger one is what a worker left behind.
fn orphans<'p>(app: &App, processes: &'p Processes) -> Vec<&'p Orphan> {
    let mine = |orphan: &&Orphan| {
        let unit = orphan.process.unit.ok();
        matches!(unit, Some(Some(unit)) if *unit == app.name) || holds(app, orphan).is_some()
    };
    let newest = processes.masters.last().map(|master| master.process.started.ok());
    let before = |orphan: &&Orphan| match (newest, orphan.process.started.ok()) {
        (None, _) => true,
        (Some(Some(master)), Some(worker)) => worker < master,
        (Some(_), _) => false,
    };
    processes.orphans.iter().map(AsRef::as_ref).filter(mine).filter(before).collect()
}

/// The address of the application, or of nginx's way to it, on which this worker listens. Not a
/// unix socket whose file is another one by now.
fn holds<'a>(app: &'a App, orphan: &Orphan) -> Option<&'a Endpoint> {
    let (sockets, held) = (app.sockets.ok()?, orphan.sockets.ok()?);
    let own = sockets.listeners.iter().filter(|listener| held.contains(&listener.inode));
    let bounds = app.bounds().ok().into_iter().flatten().map(|bound| &bound.endpoint);
    let wanted: Vec<_> = bounds.chain(app.routes.iter().map(|route| &route.endpoint)).collect();
    let mut reached = own.filter(|listener| match &listener.endpoint {
        Endpoint::Unix(path) => sockets.is_at(listener, path) == Ok(true),
        Endpoint::Tcp { .. } => !listener.apart,
    });
    reached.find_map(|listener| {
        wanted.iter().find(|one| one.reaches(&listener.endpoint) == Some(true)).copied()
    })
}

/// What becomes of the site when the application does not run, in words: in an `upstream` of several the
/// other servers answer.
fn down(spare: Option<&Spare>, cause: &str) -> String {
    match spare {
        None => format!("the site is down: {cause}"),
        Some(spare) => format!("{}: {cause}; {}", spare.happens(), spare.instead()),
    }
}
