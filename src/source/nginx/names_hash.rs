//! Server names that are too long for nginx's hash table of names, which makes it refuse the
//! configuration (`ngx_hash_init`, `ngx_http_server_names` and `ngx_http_optimize_servers` in
//! nginx 1.22; the limits measured with `nginx -t`).

use std::collections::{HashMap, HashSet};

use super::address::Address;
use super::effective::Place;
use super::fault::{Fault, FaultKind};
use super::id::ServerId;
use super::model::Model;
use super::server::{ServerName, ServerNameKind};

/// The line of the processor's cache on every machine that runs Debian's nginx: the smallest bucket, and
/// the unit that a larger one is rounded up to.
const LINE: usize = 64;
/// A pointer.
const WORD: usize = 8;

pub(super) fn check(model: &Model, faults: &mut Vec<Fault>) {
    let long = |name: &&ServerName| name.kind == ServerNameKind::Exact && !fits(name, LINE);
    // Hardly any configuration has such a name.
    if !model.servers.iter().flat_map(|server| &server.names).any(|name| long(&name)) {
        return;
    }
    // The bucket's size may be set in a file that was not read.
    if !model.config.is_whole() {
        return;
    }
    let bucket = match model.effective_directive(Place::Http, "server_names_hash_bucket_size") {
        None => LINE,
        Some(line) => {
            let size = line.argument(0).and_then(|word| word.text().parse::<usize>().ok());
            let Some(size) = size else { return };
            size.next_multiple_of(LINE)
        }
    };
    // A server that is alone on its address takes every request, so nginx makes no table.
    let mut servers: HashMap<Address, HashSet<ServerId>> = HashMap::new();
    for server in &model.servers {
        for address in server.addresses() {
            servers.entry(address).or_default().insert(server.id);
        }
    }
    for server in &model.servers {
        let shared = |address: &Address| servers.get(address).is_some_and(|all| all.len() > 1);
        let Some(name) = server.names.iter().filter(long).find(|name| !fits(name, bucket)) else {
            continue;
        };
        if server.addresses().iter().any(shared) {
            let message = format!(
                "could not build server_names_hash, you should increase \
                 server_names_hash_bucket_size: {bucket}"
            );
            faults.push(Fault::new(FaultKind::NamesHash, name.span, message));
        }
    }
}

/// Does an element with this name, and the pointer that ends a bucket, fit?
fn fits(name: &ServerName, bucket: usize) -> bool {
    WORD + (name.text.len() + 2).next_multiple_of(WORD) + WORD <= bucket
}
