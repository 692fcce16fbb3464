//! Combinations of buffer sizes that nginx refuses (`ngx_http_proxy_merge_loc_conf` and its
//! counterparts in the other modules, 1.22). nginx checks the values that apply in a server or
//! location, inherited ones included.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::config::{DirectiveId, DirectiveRef};
use super::effective::Place;
use super::fault::{Fault, FaultKind};
use super::model::Model;
use super::value::parse_size;
use super::{has_variable, id::ServerId};

/// The modules that pass requests on and that have such buffers.
const MODULES: [&str; 4] = ["proxy", "fastcgi", "uwsgi", "scgi"];
/// nginx's defaults: one page, and eight buffers of one page.
const PAGE: u64 = 4096;
const BUFFERS: u64 = 8;

/// How the names of these directives end.
const ENDS: [&str; 3] = ["_buffer_size", "_buffers", "_busy_buffers_size"];

pub(super) fn check(model: &Model, faults: &mut Vec<Fault>) {
    let of_buffers = |name: &[u8]| ENDS.iter().any(|end| name.ends_with(end.as_bytes()));
    let stated: Vec<DirectiveRef<'_>> = model.config.named_any(of_buffers).collect();
    if stated.is_empty() {
        return;
    }
    for module in MODULES {
        let names = ENDS.map(|end| format!("{module}{end}"));
        let mut seen = HashSet::new();
        for place in places(model, &stated, &names) {
            if let Some(fault) = judge(model, place, &names)
                && seen.insert(fault.span)
            {
                faults.push(fault);
            }
        }
    }
}

/// The servers and locations in which one of the named directives first takes effect.
fn places(model: &Model, stated: &[DirectiveRef<'_>], names: &[String]) -> Vec<Place> {
    let named = |line: &&DirectiveRef<'_>| {
        let name = line.name();
        names.iter().any(|one| one.as_bytes() == name.as_ref())
    };
    let mut stated = stated.iter().filter(named).peekable();
    if stated.peek().is_none() {
        return Vec::new();
    }
    let servers: HashMap<DirectiveId, ServerId> =
        model.servers.iter().filter_map(|server| Some((server.directive?, server.id))).collect();
    let locations: HashMap<DirectiveId, _> =
        model.locations.iter().map(|location| (location.directive, location.id)).collect();
    let mut everywhere = false;
    let mut own_servers = BTreeSet::new();
    let mut found = Vec::new();
    let mut own_locations = HashSet::new();
    for line in stated {
        let parent = line.parent().map(|parent| parent.id);
        let server = parent.and_then(|parent| servers.get(&parent));
        let location = parent.and_then(|parent| locations.get(&parent));
        match (server, location) {
            (Some(server), _) => {
                own_servers.insert(*server);
            }
            (None, Some(location)) => {
                if own_locations.insert(*location) {
                    found.push(Place::Location(*location));
                }
            }
            (None, None) => everywhere = true,
        }
    }
    match everywhere {
        true => found.extend(model.servers.iter().map(|server| Place::Server(server.id))),
        false => found.extend(own_servers.into_iter().map(Place::Server)),
    }
    found
}

fn judge(model: &Model, place: Place, names: &[String; 3]) -> Option<Fault> {
    let [single, many, busy] = names;
    let single_line = line(model, place, single)?;
    let many_line = line(model, place, many)?;
    let busy_line = line(model, place, busy)?;
    let first = match &single_line {
        Some(line) => size(line, 0)?,
        None => PAGE,
    };
    let (count, each) = match &many_line {
        Some(line) => {
            let count = line.argument(0).filter(|word| !word.has_placeholder())?;
            (count.text().parse::<u64>().ok()?, size(line, 1)?)
        }
        None => (BUFFERS, PAGE),
    };
    let largest = first.max(each);
    let in_use = match &busy_line {
        Some(line) => size(line, 0)?,
        None => largest.saturating_mul(2),
    };
    let stands = busy_line.or(single_line).or(many_line)?;
    let message = if in_use < largest {
        format!(
            "\"{busy}\" must be equal to or greater than the maximum of the value of \"{single}\" \
             and one of the \"{many}\""
        )
    } else if in_use > count.saturating_sub(1).saturating_mul(each) {
        format!("\"{busy}\" must be less than the size of all \"{many}\" minus one buffer")
    } else {
        return None;
    };
    Some(Fault::new(FaultKind::BufferSizes, stands.head_span(), message))
}

/// The directive that applies in a place, `Some(None)` if none does. `None` if that is not known.
fn line<'m>(model: &'m Model, place: Place, name: &str) -> Option<Option<DirectiveRef<'m>>> {
    let effective = model.effective(place, name);
    match effective.last() {
        Some(id) => Some(Some(model.config.get(id)?)),
        None => (!effective.incomplete).then_some(None),
    }
}

fn size(line: &DirectiveRef<'_>, at: usize) -> Option<u64> {
    let word = line.argument(at).filter(|word| !word.has_placeholder())?;
    let text = word.text();
    (!has_variable(&text)).then(|| parse_size(text.as_bytes())).flatten()
}
