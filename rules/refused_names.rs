//! Names of a site that are passed on as they are asked for, and that the application refuses.

use std::collections::BTreeSet;

use crate::facts::nginx::{Destination, LocationId, LocationKind, Model, Server, ServerName};

/// What the application refuses.
pub(super) struct RefusedNames<'m> {
    /// The names; at least one.
    pub names: Vec<&'m ServerName>,
    /// Are there requests that it answers?
    pub others: bool,
}

/// Asks for each name of the servers that these passes are in, once.
pub(super) fn refused_names<'m>(
    model: &'m Model,
    passes: &[&Destination],
    refuses: impl Fn(&str) -> bool,
) -> Option<RefusedNames<'m>> {
    let mut seen = BTreeSet::new();
    let mut names: Vec<&ServerName> = Vec::new();
    let mut others = false;
    for pass in passes {
        let Some(server) = model.server(pass.server) else { continue };
        if !hands_names_on(model, server, pass) {
            others = true;
            continue;
        }
        for name in &server.names {
            if !name.is_host() {
                others = true;
            } else if seen.insert(name.text.as_str()) {
                match refuses(&name.text) {
                    true => names.push(name),
                    false => others = true,
                }
            }
        }
    }
    // Besides a name of the site's own, an address or `localhost` may be there for the machine
    // alone.
    if others {
        names.retain(|name| name.is_public());
    }
    (!names.is_empty()).then_some(RefusedNames { names, others })
}

impl RefusedNames<'_> {
    /// So many names are told.
    const MOST: usize = 5;

    /// The names in words.
    pub fn words(&self) -> String {
        let names: Vec<&str> = self.told().map(|name| name.text.as_str()).collect();
        let more = if self.names.len() > names.len() { " …" } else { "" };
        format!("{}{more}", names.join(", "))
    }

    /// Those that are told.
    pub fn told(&self) -> impl Iterator<Item = &ServerName> {
        self.names.iter().take(Self::MOST).copied()
    }
}

/// Does the pass send the host that was asked for, and is nothing else done for some hosts?
fn hands_names_on(model: &Model, server: &Server, pass: &Destination) -> bool {
    let is_if = |ids: &[LocationId]| {
        let kinds = ids.iter().filter_map(|id| model.location(*id)).map(|here| here.kind);
        kinds.into_iter().any(|kind| kind == LocationKind::If)
    };
    let mut around = pass
        .location
        .and_then(|id| model.location(id))
        .into_iter()
        .chain(pass.location.into_iter().flat_map(|id| model.ancestors(id)));
    let branches = is_if(&server.locations)
        || !server.handling.returns.is_empty()
        || !server.handling.rewrites.is_empty()
        || around.any(|here| {
            here.kind == LocationKind::If
                || is_if(&here.children)
                || !here.handling.returns.is_empty()
                || !here.handling.rewrites.is_empty()
        });
    let set = model.effective(pass.place(), "proxy_set_header");
    if branches || set.incomplete {
        return false;
    }
    let lines = set.directives.iter().filter_map(|id| model.config.get(*id));
    let mut hosts = lines.filter(|line| {
        line.argument(0).is_some_and(|name| name.text().eq_ignore_ascii_case("host"))
    });
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.argument(1).is_some_and(|value| {
        matches!(
            &*value.text(),
            "$host" | "$http_host" | "$host:$server_port" | "$host:$proxy_port"
        )
    })
}
