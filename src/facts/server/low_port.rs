//! From which port on anybody may listen: `net.ipv4.ip_unprivileged_port_start` of the running kernel,
//! or, for a tree, its default where no file of sysctl.d(5) says otherwise.

use std::path::{Path, PathBuf};

use super::super::endpoint::{Bound, Endpoint};
use super::super::{Known, Origin, Whose, Why};
use crate::source::Sources;

/// The kernel's own value since Linux 4.11; before, it could not be changed.
const DEFAULT: u16 = 1024;
const NAME: &str = "ip_unprivileged_port_start";
const DIRECTORIES: [&str; 4] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];
/// As much as such a file has.
const MAX_FILE: u64 = 1 << 16;

/// The first of gunicorn's own ports that is below 1024, with the first port that anybody may have.
#[derive(Debug, Clone)]
pub struct LowPort {
    /// The port.
    pub port: u16,
    /// All of the address.
    pub endpoint: Endpoint,
    /// Where it is set.
    pub origin: Origin,
    /// The first that needs no privilege.
    pub first_free: Known<u16>,
}

/// Looks where gunicorn listens, and asks the host only if that is a low port.
pub(super) fn read(sources: &Sources, bounds: &Known<Vec<Bound>>) -> Option<LowPort> {
    let mut own = bounds.ok()?.iter().filter(|bound| !bound.activated);
    let (port, bound) = own.find_map(|bound| match bound.endpoint {
        Endpoint::Tcp { port, .. } if (1..DEFAULT).contains(&port) => Some((port, bound)),
        _ => None,
    })?;
    let (endpoint, origin) = (bound.endpoint.clone(), bound.origin.clone());
    Some(LowPort { port, endpoint, origin, first_free: first_free(sources) })
}

fn first_free(sources: &Sources) -> Known<u16> {
    let text = |path: &Path| {
        let bytes = sources.host().read(path, MAX_FILE).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let kernel = Path::new("/proc/sys/net/ipv4").join(NAME);
    if let Some(text) = text(&kernel) {
        return match text.trim().parse() {
            Ok(port) => Known::Value(port, Origin::Path(kernel)),
            Err(_) => Known::Unknown(Why::not_understood(kernel.display().to_string())),
        };
    }
    let mut files = vec![PathBuf::from("/etc/sysctl.conf")];
    for directory in DIRECTORIES.map(Path::new) {
        let names = sources.host().list(directory).unwrap_or_default();
        files.extend(names.into_iter().map(|name| directory.join(name)));
    }
    match files.iter().find(|file| text(file).is_some_and(|text| text.contains(NAME))) {
        Some(file) => Known::Unknown(Why::depends(format!("{} may set {NAME}", file.display()))),
        None => Known::Default(DEFAULT, Whose { program: "the kernel", version: None }),
    }
}
