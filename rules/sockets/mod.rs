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
use crate::rule::prelude::Span;

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
