//! Host names in the machine's own files: hosts(5), resolv.conf(5), hostname(5).

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use crate::host::HostErrorKind;
use crate::source::Sources;

use super::{Known, Why};

/// The names that a machine knows by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNames {
    /// `/etc/hosts`, in lower case; `None` if it is not there.
    pub hosts: Option<HashMap<String, Vec<IpAddr>>>,
    /// The machine's own name.
    pub own: Option<String>,
    /// Does a resolver try domains behind a name of one word?
    pub searches: bool,
}

impl HostNames {
    /// Reads them; unknown where one of the files is there and cannot be read.
    pub fn read(sources: &Sources) -> Known<Self> {
        let mut names = Self::default();
        match text(sources, "/etc/hosts") {
            Ok(hosts) => names.hosts = hosts.as_deref().map(parse_hosts),
            Err(why) => return Known::Unknown(Why::not_read(why)),
        }
        match text(sources, "/etc/resolv.conf") {
            Ok(resolver) => names.searches = resolver.is_some_and(|text| searches(&text)),
            Err(why) => return Known::Unknown(Why::not_read(why)),
        }
        if let Ok(Some(own)) = text(sources, "/etc/hostname") {
            names.own = Some(own.trim().to_ascii_lowercase()).filter(|own| !own.is_empty());
        }
        Known::Observed(names, "/etc/hosts, /etc/resolv.conf and /etc/hostname")
    }

    /// The addresses of `localhost`; none where `/etc/hosts` does not say.
    pub fn localhost(&self) -> &[IpAddr] {
        self.hosts.as_ref().and_then(|hosts| hosts.get("localhost")).map_or(&[], Vec::as_slice)
    }

    /// Can a name of one word be a host, as far as files show?
    pub fn may_be_host(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.searches
            || self.own.as_deref().and_then(|own| own.split('.').next()) == Some(name.as_str())
            || self.hosts.as_ref().is_some_and(|hosts| hosts.contains_key(&name))
    }
}

fn text(sources: &Sources, path: &str) -> Result<Option<String>, String> {
    match sources.load(Path::new(path)) {
        Ok(file) => Ok(Some(String::from_utf8_lossy(&file.bytes).into_owned())),
        // systemd's resolver keeps resolv.conf in /run, where a tree has nothing.
        Err(error) if error.kind == HostErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_hosts(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        for name in words {
            let known = hosts.entry(name.to_ascii_lowercase()).or_default();
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    hosts
}

/// `search .` is how systemd's resolver says that there is none.
fn searches(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("search" | "domain")) && words.any(|domain| domain != ".")
    })
}
