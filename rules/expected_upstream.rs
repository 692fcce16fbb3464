//! The socket on which nginx is expected to reach an application, from the settings file
//! (`expected-upstream`): part of N301.

use crate::facts::{App, Bound, Deployment, Endpoint, Why};
use crate::rule::{Severity, Sink};

/// Does gunicorn listen, and surely not where it is expected?
pub(super) fn is_elsewhere(app: &App) -> bool {
    let (Some(wanted), Ok(bounds)) = (&app.wanted.upstream, app.bounds().get()) else {
        return false;
    };
    let missed = |bound: &Bound| wanted.value.reaches(&bound.endpoint) == Some(false);
    !bounds.is_empty() && bounds.iter().all(missed)
}

/// Does gunicorn listen there, and does nginx lead there?
pub(super) fn check(deployment: &Deployment, app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(wanted) = &app.wanted.upstream else { return Ok(()) };
    let meant = &wanted.value;
    let bounds = app.bounds().get()?;
    let Some(first) = bounds.first() else { return Ok(()) };
    if is_elsewhere(app) {
        let on = &first.endpoint;
        // Where nginx leads to what gunicorn binds, nothing is lost as long as both stay.
        let works = !app.routes.is_empty();
        let (severity, says) = match works {
            true => {
                (Severity::Warning, format!("{} is not reached at the expected address", app.name))
            }
            false => (Severity::Error, "every request gets 502".to_owned()),
        };
        out.report(format!(
            "{says}: nginx is expected to connect to {meant}, but gunicorn listens on {on}"
        ))
        .severity(severity)
        .at_some(first.origin.span(), "listens here")
        .at(wanted.span, "expected here")
        .subject(format!("expected {meant}"))
        .help(format!("make gunicorn listen at the expected address: --bind {meant}"));
        return Ok(());
    }
    if bounds.iter().any(|bound| meant.reaches(&bound.endpoint).is_none()) {
        return Err(Why::depends(format!(
            "only a resolver can tell whether {meant} is this machine"
        )));
    }
    leads(deployment, app, meant, out)
}

/// Does some pass of nginx lead to the socket that is meant?
fn leads(deployment: &Deployment, app: &App, meant: &Endpoint, out: &mut Sink) -> Result<(), Why> {
    let Some(wanted) = &app.wanted.upstream else { return Ok(()) };
    let bounds = app.bounds().get()?;
    // Two spellings of one address reach the same socket.
    let same = |peer: &Endpoint| {
        let both =
            |on: &Endpoint| peer.reaches(on) == Some(true) && meant.reaches(on) == Some(true);
        peer == meant || bounds.iter().any(|bound| both(&bound.endpoint))
    };
    let nginx = &deployment.nginx;
    nginx.all_passes()?;
    if nginx.destinations.iter().flat_map(|pass| pass.peers.iter()).any(|peer| same(&peer.endpoint))
    {
        return Ok(());
    }
    if let Some(why) = nginx.destinations.iter().find_map(|pass| pass.open.as_ref()) {
        return Err(why.clone());
    }
    let name = &app.name;
    let message = match app.routes.first() {
        Some(route) => format!(
            "{name} is not reached at the expected address: nginx connects to {}, not to {meant}",
            route.endpoint
        ),
        None => format!("no request reaches {name} through nginx: no site passes to {meant}"),
    };
    out.report(message)
        .severity(Severity::Warning)
        .at_each(
            app.routes
                .first()
                .map(|route| (route.peer, "nginx connects here"))
                .into_iter()
                .chain([(wanted.span, "expected here")]),
        )
        .subject(format!("expected {meant}"))
        .help(format!("in nginx: proxy_pass http://{meant};"));
    Ok(())
}
