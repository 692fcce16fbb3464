//! Describes a request's path through an application, hop by hop.

use super::{App, State};
use crate::source::nginx::{LocationKind, Model, Server};

/// The hops; one that is not known, or not there, is left out.
#[derive(Debug, Clone, Default)]
pub struct RequestPath {
    /// The server and location.
    pub nginx: Option<String>,
    /// The group.
    pub upstream: Option<String>,
    /// The socket.
    pub socket: Option<String>,
    /// gunicorn's master.
    pub master: Option<String>,
    /// Its workers.
    pub workers: Option<String>,
    /// The code.
    pub release: Option<String>,
}

/// Describes the way of a request through an application.
pub fn describe(app: &App) -> RequestPath {
    let mut path = RequestPath::default();
    if let Some(model) = app.nginx.model.ok() {
        match app.routes.first() {
            Some(route) => {
                let server = model.server(route.server);
                let mut text = "nginx".to_owned();
                if let Some(server) = server {
                    text.push_str(&server_text(server));
                }
                let location = route.location.and_then(|id| model.location(id));
                if let Some(location) = location {
                    text.push(' ');
                    text.push_str(&location_text(location));
                }
                path.nginx = Some(text);
                path.upstream = group(model, app);
                path.socket = Some(route.endpoint.to_string());
            }
            None => path.nginx = Some("nginx (no known way to this application)".to_owned()),
        }
    }
    if path.socket.is_none() {
        let bound = app.bounds().ok().and_then(|bounds| bounds.first());
        path.socket = bound.map(|bound| bound.endpoint.to_string());
    }
    let version = app.gunicorn.version.ok().map(|version| format!(" {version}"));
    path.master = Some(format!("gunicorn{}", version.unwrap_or_default()));
    path.workers = app.gunicorn.workers().ok().map(|count| match count {
        // A variable's value is not shown.
        _ if app.gunicorn.settings.is_secret("workers") => "workers".to_owned(),
        1 => "1 worker".to_owned(),
        count => format!("{count} workers"),
    });
    path.release = release(app);
    path
}

fn group(model: &Model, app: &App) -> Option<String> {
    let id = app.routes.first()?.upstream?;
    Some(format!("upstream {}", model.upstream(id)?.name.value))
}

fn server_text(server: &Server) -> String {
    let mut text = String::new();
    if let Some(address) = server.addresses().first() {
        text.push(' ');
        text.push_str(&address.to_string().replace("*:", ":").replace("0.0.0.0:", ":"));
    }
    if let Some(name) = server.names.first().filter(|name| !name.text.is_empty()) {
        text.push(' ');
        text.push_str(&name.text);
    }
    text
}

fn location_text(location: &crate::source::nginx::Location) -> String {
    let pattern = &location.pattern.value;
    match location.kind {
        LocationKind::Exact => format!("= {pattern}"),
        LocationKind::PrefixStop => format!("^~ {pattern}"),
        LocationKind::Regex { .. } => format!("~ {pattern}"),
        _ => pattern.clone(),
    }
}

fn release(app: &App) -> Option<String> {
    if let Some(link) = &app.release.link {
        let target = link.target.display();
        return Some(format!("{} -> {target}", link.path.display()));
    }
    let start = app.release.directory.ok()?;
    let missing = matches!(start.state.ok(), Some(State::Missing { .. }));
    Some(format!("{}{}", start.path.display(), if missing { " (missing)" } else { "" }))
}
