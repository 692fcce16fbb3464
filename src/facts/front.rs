//! Which of nginx's passes belong to which application: what the rules about nginx's settings
//! examine.

use super::nginx::{Destination, ServedCertificate};
use super::{App, Deployment, Why};
use crate::source::Span;
use crate::source::nginx::{
    Host, LocationId, LocationKind, Model, Pass, Place, Protocol, ServerId, Target,
};

/// An application as nginx meets it: the passes that lead to it, and the configuration that they
/// are in.
#[derive(Debug)]
pub struct Passing<'d> {
    /// The host.
    pub deployment: &'d Deployment,
    /// nginx's configuration.
    pub model: &'d Model,
    /// The application; none for passes of files that were given without its unit.
    pub app: Option<&'d App>,
    /// The passes that speak HTTP, each once, by the place of their word.
    pub passes: Vec<&'d Destination>,
}

/// An application, if there is one, and nginx's passes to it.
type AppPassing<'a> = (Option<&'a App>, Result<Passing<'a>, Why>);

impl Deployment {
    /// Each application with nginx's passes to it, or why they are not known: gunicorn's sockets
    /// are not. Of configuration files that were given by themselves, the passes that lead to no
    /// known application are judged too: such files are about the application, though its unit was
    /// not given or its sockets are not known. So are all passes where there is no application at
    /// all.
    pub fn passing(&self) -> Result<Vec<AppPassing<'_>>, Why> {
        let model = self.nginx.model.get()?;
        let all = &self.nginx.destinations;
        let free = self.apps.is_empty() || !self.machine.whole;
        let passing = |app, passes| Passing { deployment: self, model, app, passes };
        let mut found = Vec::with_capacity(self.apps.len() + 1);
        for app in &self.apps {
            let passes = match app.bounds().get() {
                Ok(_) => Ok(unique(app.routes.iter().filter_map(|r| all.get(r.destination)))),
                // The passes are among the free ones.
                Err(_) if free => continue,
                Err(why) => Err(why),
            };
            found.push((Some(app), passes.map(|passes| passing(Some(app), passes))));
        }
        if free {
            let app = match self.apps.as_slice() {
                [app] => Some(app),
                _ => None,
            };
            let mine = |pass: &&Destination| !pass.claimed && !is_of_others(model, pass);
            let passes = unique(all.iter().filter(mine));
            found.push((app, Ok(passing(app, passes))));
        }
        Ok(found)
    }

    /// Why nothing can be said about how requests come to an application: none of nginx's passes is
    /// known to lead to it. What else may, is not looked at.
    pub fn way_missing(&self, app: &App) -> Option<Why> {
        if !app.routes.is_empty() || app.bounds().get().is_err() {
            return None;
        }
        // Where no configuration was given the rules say so themselves.
        self.nginx.model.ok()?;
        if let Err(why) = self.nginx.all_passes() {
            return Some(why);
        }
        let open = self.nginx.destinations.iter().find_map(|pass| pass.open.clone());
        let none = match self.machine.whole {
            true => "nginx passes nothing to it",
            false => "the nginx files given pass nothing to it",
        };
        Some(open.unwrap_or_else(|| Why::not_there(none)))
    }
}

/// Does a pass lead to somebody else's site on the internet: by TLS to a public name?
fn is_of_others(model: &Model, pass: &Destination) -> bool {
    const OWN: [&str; 8] =
        ["local", "internal", "lan", "svc", "test", "home", "corp", "localdomain"];
    let target = pass.pass(model).map(|pass| &pass.target);
    let Some(Target::Address { host: Host::Name(name), .. }) = target else { return false };
    let last = name.rsplit_once('.').map(|(_, last)| last);
    pass.protocol == Protocol::Https && last.is_some_and(|last| !OWN.contains(&last))
}

impl App {
    /// nginx's passes to it, in the routes' order.
    pub fn passes(&self) -> impl Iterator<Item = &Destination> {
        self.routes.iter().filter_map(|route| self.nginx.destinations.get(route.destination))
    }

    /// The name that visitors use: the first of a server that passes requests to it. Addresses,
    /// patterns and `_` are not such names.
    pub fn site_name(&self) -> Option<&str> {
        let model = self.nginx.model.ok()?;
        let servers = self.http_passes().filter_map(|pass| model.server(pass.server));
        let mut names = servers.flat_map(|server| &server.names);
        names.find(|name| name.is_public()).map(|name| name.text.as_str())
    }

    /// Those that speak HTTP.
    pub fn http_passes(&self) -> impl Iterator<Item = &Destination> {
        self.passes().filter(|pass| pass.is_http())
    }

    /// Does this very line of nginx's lead to it?
    pub fn is_passed_at(&self, word: Span) -> bool {
        self.passes().any(|pass| pass.word == word)
    }

    /// The certificates that its clients are shown.
    pub fn certificates(&self) -> impl Iterator<Item = &ServedCertificate> {
        let shows = |one: &&ServedCertificate| {
            self.routes.iter().any(|route| one.servers.contains(&route.server))
        };
        self.nginx.served.iter().filter(shows)
    }
}

/// Those that speak HTTP, each place once: a file may be included twice.
fn unique<'d>(passes: impl Iterator<Item = &'d Destination>) -> Vec<&'d Destination> {
    let mut found: Vec<&Destination> = passes.filter(|pass| pass.is_http()).collect();
    found.sort_by_key(|pass| pass.word);
    found.dedup_by_key(|pass| pass.word);
    found
}

impl Destination {
    /// Does it speak HTTP?
    pub fn is_http(&self) -> bool {
        matches!(self.protocol, Protocol::Http | Protocol::Https)
    }

    /// The place that it is in.
    pub fn place(&self) -> Place {
        self.location.map_or(Place::Server(self.server), Place::Location)
    }

    /// The directive.
    pub fn pass<'m>(&self, model: &'m Model) -> Option<&'m Pass> {
        let passes = match self.location {
            Some(location) => &model.location(location)?.handling.passes,
            None => &model.server(self.server)?.handling.passes,
        };
        passes.iter().find(|pass| pass.word.span == self.word)
    }

    /// The place in the configuration's own words: `location /api/`, `server example.com`.
    pub fn title(&self, model: &Model) -> String {
        match self.location {
            Some(location) => location_title(model, location),
            None => server_title(model, self.server),
        }
    }
}

/// A location in the configuration's own words.
pub fn location_title(model: &Model, location: LocationId) -> String {
    let Some(location) = model.location(location) else { return "location".into() };
    let pattern = &location.pattern.value;
    match location.kind {
        LocationKind::Exact => format!("location = {pattern}"),
        LocationKind::Prefix | LocationKind::Named => format!("location {pattern}"),
        LocationKind::PrefixStop => format!("location ^~ {pattern}"),
        LocationKind::Regex { case_insensitive: false } => format!("location ~ {pattern}"),
        LocationKind::Regex { case_insensitive: true } => format!("location ~* {pattern}"),
        LocationKind::If => format!("if {pattern}"),
        LocationKind::LimitExcept => format!("limit_except {pattern}"),
    }
}

/// A server by its first name.
pub fn server_title(model: &Model, server: ServerId) -> String {
    let name = model.server(server).and_then(|server| server.names.first());
    match name {
        Some(name) if !name.text.is_empty() => format!("server {}", name.text),
        _ => "the server without a name".into(),
    }
}
