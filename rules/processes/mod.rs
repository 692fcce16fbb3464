//! Rules of the area `processes`: what only the process table of a living host shows.

crate::area![
    not_running,
    fewer_workers,
    stale_workers,
    boot_loop,
    deleted_release,
    second_master,
    main_pid_not_master,
];

use crate::facts::App;
use crate::rule::prelude::Span;

/// gunicorn's own reason why it ended, where the journal has it.
fn last_words(app: &App) -> Option<&str> {
    app.journal.ok()?.last_words.as_deref()
}

/// Where the unit starts gunicorn.
fn start(app: &App) -> Option<Span> {
    app.service.exec_start.last().map(|command| command.line.span)
}
