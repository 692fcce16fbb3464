//! Rules of the area `sockets`: faults that only the sockets of a live host show.

crate::area![
    not_listening,
    stale_socket_file,
    foreign_listener,
    address_family,
    permission,
    socket_replaced,
    listening_exposed,
    listen_queue_full,
    port_ephemeral,
];

use crate::facts::{App, Route};
use crate::rule::prelude::{Severity, Span};

/// The ways from nginx to the application that nginx may take: each socket once, none that is
/// marked `down`.
fn ways(app: &App) -> Vec<&Route> {
    let mut found: Vec<&Route> = Vec::new();
    for route in &app.routes {
        let destination = app.nginx.destinations.get(route.destination);
        let down = destination
            .is_some_and(|d| d.peers.iter().any(|peer| peer.span == route.peer && peer.down));
        if !down && !found.iter().any(|other| other.endpoint == route.endpoint) {
            found.push(route);
        }
    }
    found
}

/// Where the unit or gunicorn's settings say so.
fn bind(app: &App, route: &Route) -> Option<Span> {
    app.bounds().ok()?.get(route.bound)?.origin.span()
}

/// What becomes of the requests that nginx gives to a server that does not answer, and how bad that is:
/// in an `upstream` of several the others answer them.
fn without_answer(app: &App, route: &Route, cause: &str) -> (String, Severity) {
    match app.spare_for(&route.endpoint) {
        None => (format!("every request gets 502: {cause}"), Severity::Error),
        Some(spare) => {
            let message = format!("{}: {cause}; {}", spare.happens(), spare.instead());
            let lost = !spare.loses_nothing();
            (message, if lost { Severity::Error } else { Severity::Warning })
        }
    }
}
