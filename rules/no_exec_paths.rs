//! `NoExecPaths=` for U126: a file system from which the service may start no program.

use std::path::{Path, PathBuf};

use crate::facts::Place;
use crate::rule::prelude::*;
use crate::rules::listed_paths::paths;

/// Is one of gunicorn's programs where none may be executed?
pub(super) fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let closed = paths(app, "NoExecPaths")?;
    if closed.is_empty() {
        return Ok(());
    }
    let open = paths(app, "ExecPaths")?;
    for (place, span) in programs(app) {
        let Some((at, lock)) = lock(&place.resolved, &closed, &open) else { continue };
        let program = place.path.display();
        // Its libraries are mapped from there as well, so the whole environment has to be open.
        let top = place.resolved.parent().and_then(Path::parent).unwrap_or(&place.resolved);
        out.report(format!(
            "gunicorn does not start (203/EXEC): NoExecPaths={} forbids to execute {program}",
            lock.display()
        ))
        .at(at, "nothing below it may be executed")
        .at(span, "started here")
        .subject(format!("NoExecPaths {program}"))
        .help(format!(
            "In [Service], for the program and the libraries that belong to it:\nExecPaths={}",
            top.display()
        ))
        .by_hand(Some(at))
        .fix(Safety::Manual, format!("ExecPaths={}", top.display()));
        return Ok(());
    }
    Ok(())
}

/// What systemd starts, and what its `#!` line names.
fn programs(app: &App) -> impl Iterator<Item = (&Place, Span)> {
    app.service.exec_start.iter().flat_map(|command| {
        let (found, span) = (&command.executable, command.line.program.span);
        found.place.iter().chain(&found.interpreter).map(move |place| (place, span))
    })
}

/// The `NoExecPaths=` that applies to a file: of nested paths the innermost counts.
fn lock<'p>(
    file: &Path,
    closed: &'p [(PathBuf, Span)],
    open: &[(PathBuf, Span)],
) -> Option<(Span, &'p Path)> {
    let around = |all: &'p [(PathBuf, Span)]| {
        let around = all.iter().filter(|(top, _)| file.starts_with(top));
        around.max_by_key(|(top, _)| top.components().count())
    };
    let (top, span) = around(closed)?;
    let opened = open.iter().any(|(free, _)| file.starts_with(free) && free.starts_with(top));
    (!opened).then_some((*span, top))
}
