use crate::facts::{App, Endpoint, State, Why};
use crate::host::FileKind;
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// gunicorn does not start: something else is where its socket belongs.
    ///
    /// gunicorn replaces an old socket at the path of `--bind unix:…`. It leaves a regular file or
    /// directory alone, and exits with "is not a socket".
    ///
    /// Proved by `bind-path-taken`: gunicorn exited with `is not a socket`, and every request got
    /// 502.
    ///
    /// ```text,bad,file=/srv/myapp/releases/2026-04-21/app.sock
    /// left over
    /// ```
    /// ```ini,bad,drop-in,also=U117
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock \
    ///     --bind unix:/srv/myapp/releases/2026-04-21/app.sock wsgi:app
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    G233 "bind-path-taken" {
        severity: Error, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let bounds = app.bounds().get()?;
    for (index, place) in &app.socket_files {
        let Some(bound) = bounds.get(*index).filter(|bound| !bound.activated) else { continue };
        let Endpoint::Unix(path) = &bound.endpoint else { continue };
        // `unix:` and nothing behind it names no path.
        if app.gunicorn.settings.chdir().ok() == Some(path) {
            continue;
        }
        // Made anew at each start, and empty then.
        if path.parent().is_some_and(|above| matches!(app.service.managed(above), Ok(Some(_)))) {
            continue;
        }
        let metadata = match place.state.get() {
            Ok(State::Present(metadata)) => metadata,
            Ok(_) => continue,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        };
        if !matches!(metadata.kind, FileKind::File | FileKind::Directory) {
            continue;
        }
        let shown = path.display();
        out.report(format!(
            "gunicorn does not start: {shown} is {}, not a socket, so gunicorn does not replace it",
            metadata.kind
        ))
        .at_some(bound.origin.span(), "gunicorn should listen here")
        .evidence(EvidenceKind::File, format!("{shown}: {}", metadata.kind))
        .help(format!(
            "Look at it (ls -la {shown}); move it elsewhere, or name another path here and in \
             nginx."
        ))
        .by_hand(app.gunicorn.started_at())
        .fix(Safety::Manual, format!("free {shown} for the socket"));
    }
    Ok(())
}
