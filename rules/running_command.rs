//! Whether gunicorn runs with the command line that its unit has now.

use crate::facts::processes::Running;
use crate::facts::{App, Why};
use crate::rule::prelude::Span;

/// The word of the unit that the running command line does not have.
pub(super) fn difference(
    app: &App,
    running: &Running,
) -> Result<Option<(Span, &'static str)>, Why> {
    let launch = app.gunicorn.launch.get()?;
    let mut wanted = Vec::with_capacity(launch.arguments.len());
    for word in &launch.arguments {
        match (word.value(), &word.unknown) {
            (Some(text), _) => wanted.push(text),
            (None, Some(why)) => return Err(Why::not_understood(why.clone())),
            (None, None) => return Err(Why::not_understood("a word of ExecStart= is not known")),
        }
    }
    if let (Some(word), Some(program)) = (&launch.gunicorn, &running.program)
        && let Some(path) = word.value()
        && path.starts_with('/')
        && program.starts_with('/')
        && path != program
    {
        return Ok(Some((word.span, "another gunicorn runs")));
    }
    let Some(at) = running.differs_at(&wanted) else { return Ok(None) };
    let start = app.service.exec_start.last().map(|command| command.line.span);
    let word = launch.arguments.get(at).or(launch.arguments.last()).map(|word| word.span);
    Ok(word.or(start).map(|span| (span, "the running command line differs from here on")))
}
