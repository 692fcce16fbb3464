//! Services that listen on one socket.

use std::collections::HashMap;

use super::service::Service;
use super::{Endpoint, Gunicorn};

/// Leaves out of each service's shared directories the units that listen on the same socket: that is the
/// worse fault, and another rule reports it.
pub(super) fn leave_out(read: &mut [(&mut Service, &Gunicorn)]) {
    let mut sockets: HashMap<String, Vec<Endpoint>> = HashMap::new();
    for (service, gunicorn) in read.iter() {
        let bounds = gunicorn.bounds.ok().into_iter().flatten();
        let own = bounds.map(|bound| bound.endpoint.clone()).collect();
        sockets.insert(service.unit.name.to_string(), own);
    }
    for (service, _) in read.iter_mut() {
        let own = sockets.get(&service.unit.name.to_string()).cloned().unwrap_or_default();
        service.shared_directories.retain(|other| {
            let theirs = sockets.get(&other.unit).into_iter().flatten();
            !theirs.into_iter().any(|endpoint| own.contains(endpoint))
        });
    }
}
