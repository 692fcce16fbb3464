//! How much disk space is left where a deployment needs it.

use std::path::PathBuf;

use super::{App, Known, Nginx, Why};
use crate::host::HostErrorKind;
use crate::source::Sources;

pub use crate::host::Room;

/// A place where room is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// The directory.
    pub path: PathBuf,
    /// What finds no room there, as the subject of a sentence.
    pub who: &'static str,
    /// How much is left.
    pub room: Room,
}

/// What everybody needs: nginx's bodies where its packages put them, logs, and temporary files.
const PLACES: [(&str, &str); 4] = [
    ("/var/lib/nginx", "uploads get 500, because nginx first writes them to disk"),
    ("/var/cache/nginx", "uploads get 500, because nginx first writes them to disk"),
    ("/var/log", "no line of a log is written"),
    ("/tmp", "whatever writes a temporary file fails"),
];

/// Looks at each place once; of several in one file system at the first.
pub(super) fn read(sources: &Sources, apps: &[App], nginx: &Nginx) -> Known<Vec<Needed>> {
    let mut places: Vec<(PathBuf, &'static str)> = Vec::new();
    for app in apps {
        let root = match &app.release.link {
            Some(link) => Some(link.releases.clone()),
            None => app.release.directory.ok().map(|place| place.resolved.clone()),
        };
        places.extend(root.map(|root| (root, "the next release cannot be written")));
    }
    let uses_nginx = nginx.model.ok().is_some();
    let common = PLACES.iter().filter(|(path, _)| uses_nginx || !path.contains("nginx"));
    places.extend(common.map(|(path, who)| (PathBuf::from(path), *who)));
    let mut found: Vec<Needed> = Vec::new();
    for (path, who) in places {
        match sources.host().room(&path) {
            Ok(room) if found.iter().any(|other| is_same(&other.room, &room)) => {}
            Ok(room) => found.push(Needed { path, who, room }),
            Err(error) if error.kind == HostErrorKind::NotGiven => {}
            Err(error) if is_away(&error.kind) => {}
            Err(error) => return Known::Unknown(Why::not_read(error.to_string())),
        }
    }
    match found.is_empty() {
        true => Known::Unknown(Why::not_live()),
        false => Known::Observed(found, "the file systems"),
    }
}

fn is_away(kind: &HostErrorKind) -> bool {
    matches!(kind, HostErrorKind::NotFound | HostErrorKind::NotADirectory)
}

/// One file system shows the same numbers everywhere, but for what is written in the meantime.
fn is_same(one: &Room, other: &Room) -> bool {
    const MEANWHILE: u64 = 8 << 20;
    (one.size, one.files) == (other.size, other.files) && one.left.abs_diff(other.left) < MEANWHILE
}
