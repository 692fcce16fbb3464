//! What becomes of requests whose server in nginx's `upstream` does not answer: nginx asks the next one,
//! as long as its configuration lets it.

use super::nginx::{Destination, Effective, Protocol};
use super::{App, Endpoint, Route};

/// The other servers of an `upstream` of which one does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spare {
    /// `upstream myapp`.
    upstream: String,
    /// Its servers, without those that are marked `down`.
    servers: usize,
    /// Those of the others on which something listens on this host.
    alive: usize,
    /// Does nginx ask them after a connection that failed?
    passes: Passes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Passes {
    Never,
    Unknown,
    On,
}

impl Spare {
    /// Is no request lost?
    pub fn loses_nothing(&self) -> bool {
        self.passes == Passes::On && self.alive > 0
    }

    /// What happens, for the head of a message.
    pub fn happens(&self) -> String {
        let (servers, upstream) = (self.servers, &self.upstream);
        let one = format!("one of the {servers} servers of {upstream}");
        match self.passes {
            Passes::On => format!("{one} does not answer"),
            Passes::Unknown => format!("the requests that nginx gives to {one} may get 502"),
            Passes::Never => format!("the requests that nginx gives to {one} get 502"),
        }
    }

    /// Who answers instead, for its end.
    pub fn instead(&self) -> String {
        let others = match (self.servers, self.alive) {
            (_, 0) => "those on other hosts, which are not checked here",
            (2, _) => "the other",
            (_, 1) => "another",
            _ => "the others",
        };
        match self.passes {
            Passes::On => format!("nginx passes its requests to {others}"),
            Passes::Unknown => "whether nginx passes them on was not read".to_owned(),
            Passes::Never => "its configuration forbids to pass them on".to_owned(),
        }
    }
}

impl App {
    /// Who answers for a server that does not: nobody where the application has this one alone.
    pub fn spare_for(&self, endpoint: &Endpoint) -> Option<Spare> {
        self.least(self.routes.iter().filter(|route| route.endpoint == *endpoint))
    }

    /// Who answers if none of the application's own servers does.
    pub fn spare(&self) -> Option<Spare> {
        self.least(self.routes.iter())
    }

    /// The worst of what becomes of the requests of several ways.
    fn least<'r>(&self, routes: impl Iterator<Item = &'r Route>) -> Option<Spare> {
        let all: Option<Vec<Spare>> = routes.map(|route| self.others(route)).collect();
        all?.into_iter().min_by_key(|spare| (spare.passes, spare.alive))
    }

    fn others(&self, route: &Route) -> Option<Spare> {
        let model = self.nginx.model.ok()?;
        let sockets = self.sockets.ok()?;
        let destination = self.nginx.destinations.get(route.destination)?;
        let group = model.upstream(route.upstream?)?;
        let peers: Vec<_> = destination.peers.iter().filter(|peer| !peer.down).collect();
        let (mut alive, mut far) = (0, 0);
        for peer in peers.iter().filter(|peer| peer.endpoint != route.endpoint) {
            match sockets.answers(&peer.endpoint) {
                Some(true) => alive += 1,
                Some(false) => {}
                None => far += 1,
            }
        }
        // What is on other hosts, or was not read, may answer as well.
        if alive == 0 && far == 0 && destination.open.is_none() {
            return None;
        }
        let passes = self.passes_on(destination);
        let upstream = format!("upstream {}", group.name.value);
        Some(Spare { upstream, servers: peers.len(), alive, passes })
    }

    /// Does nginx ask the next server after a connection that failed? So it does by default, whatever the
    /// method.
    fn passes_on(&self, destination: &Destination) -> Passes {
        let Some(model) = self.nginx.model.ok() else { return Passes::Unknown };
        let prefix = match destination.protocol {
            Protocol::Http | Protocol::Https => "proxy",
            Protocol::Uwsgi => "uwsgi",
            _ => return Passes::Unknown,
        };
        let set = |name: &str| -> (Effective, Vec<String>) {
            let set = model.effective(destination.place(), &format!("{prefix}_{name}"));
            let line = set.last().and_then(|id| model.config.get(id));
            let words = line.iter().flat_map(|line| line.arguments());
            let words = words.map(|word| word.text().into_owned()).collect();
            (set, words)
        };
        let (on, words) = set("next_upstream");
        let (tries, number) = set("next_upstream_tries");
        if on.incomplete || tries.incomplete {
            return Passes::Unknown;
        }
        let error = words.is_empty() || words.iter().any(|word| word == "error");
        match error && number.first().is_none_or(|number| number != "1") {
            true => Passes::On,
            false => Passes::Never,
        }
    }
}
