//! A socket in a directory that systemd creates: the lines for the unit, gunicorn's settings and
//! nginx together.

use std::path::Path;

use crate::facts::{App, Bound, Endpoint};
use crate::rule::{Edit, Finding, Safety};

/// What brings a socket into a directory that systemd makes.
pub(super) struct Repair {
    title: String,
    help: String,
    /// None where a person has to do it.
    edits: Option<Vec<Edit>>,
}

impl Repair {
    /// Says so in a finding.
    pub fn of(self, finding: &mut Finding) {
        finding.help(self.help);
        match self.edits {
            Some(edits) => finding.fix(Safety::Safe, self.title).edits(edits),
            None => finding.fix(Safety::Manual, self.title),
        };
    }
}

/// The directory where the socket is now is made by systemd from now on. None where that is not
/// for this unit to do.
pub(super) fn make(app: &App, path: &Path) -> Option<Repair> {
    let unit = &app.service.unit;
    let name = path.parent()?.strip_prefix("/run").ok()?.to_str()?;
    let few = app.bounds().ok()?.len() <= MOST;
    if !few || !super::unit::plain(name) || is_shared(app) || has_neighbour(app, path) {
        return None;
    }
    let (line, edit) = match unit.list("Service", "RuntimeDirectory").last() {
        None => (name.to_owned(), Edit::set(unit, "RuntimeDirectory", name)),
        Some(last) => {
            let line = format!("{} {name}", last.value.as_str());
            (line, Edit::append(last.value.span(), format!(" {name}")))
        }
    };
    let title = format!("RuntimeDirectory={line}");
    let help = format!("In [Service]:\n{title}");
    Some(Repair { title, help, edits: Some(vec![edit]) })
}

/// The socket goes to such a directory, and all who name it follow.
pub(super) fn go(app: &App, bound: &Bound) -> Repair {
    let stem = stem(app);
    // In a template's lines it is each instance's own; nginx knows one of them.
    let in_unit = for_every_instance(app, &stem);
    let bind = socket(app, bound, &in_unit);
    let socket = socket(app, bound, &stem);
    let nginx = match app.routes.first() {
        Some(route) if route.upstream.is_some() => format!("server unix:{socket} fail_timeout=0;"),
        _ => format!("proxy_pass http://unix:{socket};"),
    };
    Repair {
        title: format!("set RuntimeDirectory={in_unit}, and unix:{socket} in both files"),
        help: format!(
            "in [Service]:          RuntimeDirectory={in_unit}\n\
             in gunicorn's options: --bind unix:{bind}\n\
             in nginx:              {nginx}"
        ),
        edits: edits(app, bound, &stem, &socket),
    }
}

/// The name of the directory that `RuntimeDirectory=` would make for an application: the one that
/// it makes already, else the unit's name.
fn stem(app: &App) -> String {
    let name = app.stem();
    made(app).unwrap_or_else(|| name.replace('@', "-").trim_end_matches('-').to_owned())
}

/// The name with `%i` where it ends in the instance's.
fn for_every_instance(app: &App, stem: &str) -> String {
    let instance = app.service.unit.name.instance();
    match instance.and_then(|instance| stem.strip_suffix(instance)) {
        Some(before) if before.is_empty() || before.ends_with(['-', '_', '/']) => {
            format!("{before}%i")
        }
        _ => stem.to_owned(),
    }
}

fn made(app: &App) -> Option<String> {
    let directories = app.service.directories.ok()?;
    let directory = directories.iter().find(|directory| directory.path.starts_with("/run"))?;
    Some(directory.path.strip_prefix("/run").ok()?.to_string_lossy().into_owned())
}

/// Of several sockets each keeps its name.
fn socket(app: &App, bound: &Bound, stem: &str) -> String {
    let bounds = app.bounds().ok().map(Vec::as_slice).unwrap_or_default();
    let several = bounds.iter().filter(|b| matches!(b.endpoint, Endpoint::Unix(_))).count() > 1;
    let own = match &bound.endpoint {
        Endpoint::Unix(path) if several => path.file_name().map(|name| name.to_string_lossy()),
        _ => None,
    };
    format!("/run/{stem}/{}", own.as_deref().unwrap_or("gunicorn.sock"))
}

/// Do several units have this file? Then a name in it is not for one of them.
fn is_shared(app: &App) -> bool {
    let name = &app.service.unit.name;
    name.is_template() || name.instance().is_some()
}

/// Does nginx know another socket in that directory? At a stop systemd would remove it too.
fn has_neighbour(app: &App, path: &Path) -> bool {
    let peers = app.nginx.destinations.iter().flat_map(|destination| destination.peers.iter());
    peers.into_iter().any(|peer| match &peer.endpoint {
        Endpoint::Unix(other) => other != path && other.parent() == path.parent(),
        Endpoint::Tcp { .. } => false,
    })
}

/// Nobody listens on more sockets; each has to be looked for everywhere.
const MOST: usize = 16;

fn edits(app: &App, bound: &Bound, stem: &str, socket: &str) -> Option<Vec<Edit>> {
    let unit = &app.service.unit;
    let taken = Endpoint::unix(Path::new(socket));
    let bounds = app.bounds().ok()?;
    if bound.activated
        || is_shared(app)
        || !super::unit::plain(socket)
        || bounds.len() > MOST
        || bounds.iter().any(|other| other.endpoint == taken)
    {
        return None;
    }
    let mut edits = Vec::new();
    if made(app).is_none() {
        edits.push(Edit::set(unit, "RuntimeDirectory", stem));
    }
    edits.extend(Edit::socket(app, bound, socket).ok()?);
    Some(edits)
}
