//! Servers and locations that other ones take the requests of.

use std::collections::{HashMap, HashSet};

use crate::facts::front::{location_title, server_title};
use crate::facts::nginx::{
    Address, Destination, FaultKind, Location, LocationId, LocationKind, Model, Server, ServerId,
    ServerName, ServerNameKind,
};
use crate::facts::{Nginx, Passing, Why};
use crate::rule::prelude::Span;
use crate::rule::{Safety, Severity, Sink};

crate::rule! {
    /// Requests never reach gunicorn: another server or location of nginx takes them.
    ///
    /// nginx chooses the server by `server_name` among those of one address, and where none
    /// matches, the one marked `default_server`, else the first in the order of the files. Of two
    /// servers with one name on one address the later is ignored, with a warning that scrolls by
    /// (`conflicting server name`). A site without a real name beside Debian's `default` is never
    /// asked.
    ///
    /// Of locations, the longest prefix wins, then regexes go before it in file order unless it is
    /// `^~` or `=`: behind a regex that matches everything, or one of the same text, nothing is
    /// reached. A named location is reached only through `try_files`, `error_page` and the like.
    ///
    /// A warning where the application is reached in another way as well.
    ///
    /// Proved by `server-shadowed`: the default site took every request and answered 404;
    /// gunicorn was never asked.
    ///
    /// ```nginx,bad,file=/etc/nginx/conf.d/old.conf
    /// server {
    ///     listen 80;
    ///     server_name example.com;
    ///     return 404;
    /// }
    /// ```
    /// ```nginx,fixed,file=/etc/nginx/conf.d/old.conf
    /// server {
    ///     listen 80;
    ///     server_name old.example.com;
    ///     return 404;
    /// }
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80;
    ///     server_name _;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     return 444;
    /// }
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 80;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     return 444;
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80;
    ///     server_name example.com;
    ///     return 301 https://$host$request_uri;
    /// }
    /// server {
    ///     listen 443;
    ///     server_name example.com;
    ///     location ~ ^/static/ { root /srv/myapp/current; }
    ///     location / { try_files $uri @app; root /srv/myapp/current/static; }
    ///     location @app {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N316 "server-shadowed" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Passing(check)
    }
}

/// A name that no site has: who gets it is the default.
const NOBODY: &str = "deploy-doctor.invalid";

fn check(front: &Passing, out: &mut Sink) -> Result<(), Why> {
    let passes = front.passes.as_slice();
    let mut servers: Vec<ServerId> = passes.iter().map(|pass| pass.server).collect();
    servers.sort_unstable();
    servers.dedup();
    let here = Here { nginx: &front.deployment.nginx, model: front.model, passes, servers };
    here.names(out);
    here.defaults(out);
    for server in &here.servers {
        here.locations(*server, out);
    }
    here.unused_names(out);
    Ok(())
}

/// The servers and passes of one application.
struct Here<'d> {
    nginx: &'d Nginx,
    model: &'d Model,
    passes: &'d [&'d Destination],
    servers: Vec<ServerId>,
}

impl Here<'_> {
    /// `conflicting server name`: the later is ignored.
    fn names(&self, out: &mut Sink) {
        let mut named: HashMap<Span, (&Server, &ServerName)> = HashMap::new();
        for server in &self.model.servers {
            named.extend(server.names.iter().map(|name| (name.span, (server, name))));
        }
        let mut seen = HashSet::new();
        for fault in &self.model.faults {
            if fault.kind != FaultKind::ConflictingServerName || seen.contains(&fault.span) {
                continue;
            }
            let Some((later, name)) = named.get(&fault.span) else { continue };
            let first = fault.related.first().and_then(|span| named.get(span));
            let Some((first, first_name)) = first else { continue };
            if !self.is_own(later.id) || first.id == later.id || catches_nothing(&name.text) {
                continue;
            }
            seen.insert(fault.span);
            let same_app = self.is_own(first.id);
            let elsewhere = self.reached_elsewhere(later, first);
            let finding = out.report(format!(
                "requests for {} never reach this site: nginx ignores the name here, an earlier \
                 server has it",
                name.text
            )).at(name.span, "ignored: \"conflicting server name\"");
            finding.at(first_name.span, "this server takes the requests");
            finding.subject(&name.text);
            if same_app || elsewhere {
                finding.severity(Severity::Warning);
            }
            finding.help(format!("remove {} from one of the two servers", name.text));
            finding.by_hand(Some(name.span));
            finding.fix(Safety::Manual, "leave the name to one of the two servers");
        }
    }

    fn is_own(&self, server: ServerId) -> bool {
        self.servers.binary_search(&server).is_ok()
    }

    /// Does the server listen where the other does not (https beside a redirect)?
    fn reached_elsewhere(&self, server: &Server, other: &Server) -> bool {
        let taken = other.addresses();
        server.addresses().iter().any(|address| !taken.contains(address))
    }

    /// Sites without a real name that are not their address's default.
    fn defaults(&self, out: &mut Sink) {
        let mut shadowed = Vec::new();
        for server in self.servers.iter().filter_map(|id| self.model.server(*id)) {
            let named = server.names.iter().any(|name| {
                !matches!(name.kind, ServerNameKind::Exact | ServerNameKind::Empty)
                    || !(catches_nothing(&name.text) || is_local(&name.text))
            });
            if named || server.directive.is_none() {
                continue;
            }
            match self.taken(server) {
                Ok(taken) if taken.is_empty() => {}
                Ok(taken) => shadowed.push((server, taken)),
                Err(why) => {
                    out.skip(&why);
                    return;
                }
            }
        }
        let reached = shadowed.len() < self.servers.len();
        for (server, taken) in &shadowed {
            self.report_default(server, taken, reached, out);
        }
    }

    /// The addresses of a server on which another application's is the default.
    fn taken(&self, server: &Server) -> Result<Vec<(Address, ServerId)>, Why> {
        let mut taken = Vec::new();
        for address in server.addresses() {
            let served = self.model.serve(&address, NOBODY);
            if !served.unknown.is_empty() {
                return Err(Why::new("which server is the default is not known"));
            }
            if let Some(other) = served.server.filter(|other| !self.is_own(*other)) {
                taken.push((address, other));
            }
        }
        Ok(taken)
    }

    fn report_default(
        &self,
        server: &Server,
        taken: &[(Address, ServerId)],
        reached: bool,
        out: &mut Sink,
    ) {
        let Some((address, other)) = taken.first() else { return };
        let Some(other) = self.model.server(*other) else { return };
        let local = server.names.iter().any(|name| is_local(&name.text));
        let place = server.names.first().map_or(server.span, |name| name.span);
        let finding = out
            .report(format!(
                "requests never reach this site: it has no name of its own, and {} is the default \
                 on {address}",
                server_title(self.model, other.id),
            ))
            .at(place, if local { "only this machine asks for it" } else { "no real name" });
        let mut listens = other.listens.iter().filter(|l| l.address.as_ref() == Some(address));
        match listens.find(|listen| listen.default_server) {
            Some(listen) => finding.at(listen.span, "takes what no name matches"),
            None => finding.at(other.span, "the first on this address takes what is left"),
        };
        if local || reached || taken.len() < server.addresses().len() {
            finding.severity(Severity::Warning);
        }
        finding.help(
            "server_name with the names that clients ask for (server_name example.com;),\nor \
             remove the other server",
        );
        finding.fix(Safety::Manual, "give the site its server_name");
    }

    /// Locations that are never chosen.
    fn locations(&self, server: ServerId, out: &mut Sink) {
        let Some(server) = self.model.server(server) else { return };
        let mut levels: Vec<(&[LocationId], bool)> = vec![(&server.locations, true)];
        while let Some((level, top)) = levels.pop() {
            let all: Vec<&Location> =
                level.iter().filter_map(|id| self.model.location(*id)).collect();
            for location in &all {
                if !location.children.is_empty() {
                    levels.push((&location.children, false));
                }
            }
            for (dead, winner) in dead_locations(&all, top) {
                self.report_dead(dead, winner, out);
            }
        }
    }

    fn report_dead(&self, dead: &Location, winner: &Location, out: &mut Sink) {
        let title = location_title(self.model, dead.id);
        let other = location_title(self.model, winner.id);
        let finding = out
            .report(format!(
                "{title} of {} is never reached: {other} takes all its requests",
                server_title(self.model, dead.server)
            ))
            .at(dead.span, "never reached");
        finding.at(winner.span, "takes its requests");
        if !self.has_pass(dead) || self.has_pass(winner) {
            finding.severity(Severity::Warning);
        }
        let help = match (dead.kind, winner.kind) {
            (LocationKind::Prefix, _) => {
                format!(
                    "write location ^~ {} {{ so that regexes do not go before it",
                    dead.pattern.value
                )
            }
            (_, LocationKind::PrefixStop) => {
                format!("write location {} {{ without ^~", winner.pattern.value)
            }
            _ => format!("move {title} before {other}, or narrow the other one's regex"),
        };
        finding.help(help);
        finding.fix(Safety::Manual, "let the location be reached");
    }

    /// Does the location, or one inside it, pass requests to the application?
    fn has_pass(&self, location: &Location) -> bool {
        self.passes.iter().filter_map(|pass| pass.location).any(|id| {
            id == location.id || self.model.ancestors(id).any(|around| around.id == location.id)
        })
    }

    /// Named locations that nothing leads to.
    fn unused_names(&self, out: &mut Sink) {
        let mut seen = HashSet::new();
        let mut mentioned = None;
        for pass in self.passes {
            let Some(location) = pass.location.and_then(|id| self.model.location(id)) else {
                continue;
            };
            if location.kind != LocationKind::Named
                || location.unknown
                || seen.contains(&location.span)
            {
                continue;
            }
            seen.insert(location.span);
            let name = &location.pattern.value;
            if mentioned.get_or_insert_with(|| self.mentioned()).contains(name.as_bytes()) {
                continue;
            }
            if let Err(why) = self.nginx.all_passes() {
                out.skip(&why);
                continue;
            }
            let finding = out.report(format!(
                "requests never reach gunicorn: nothing in nginx's configuration leads to {name}"
            )).at(location.span, "never reached");
            finding.help(format!("in location / add: try_files $uri {name};"));
            finding.fix(Safety::Manual, format!("lead requests to {name}"));
            let other = self.passes.iter().any(|other| other.location != pass.location);
            if other {
                finding.severity(Severity::Warning);
            }
        }
    }

    /// Every `@name` that stands anywhere but in the head of a location, Lua's code included.
    fn mentioned(&self) -> HashSet<Vec<u8>> {
        let mut found = HashSet::new();
        for directive in self.model.config.directives() {
            if directive.name().as_ref() == b"location" {
                continue;
            }
            for word in directive.arguments() {
                collect_names(&word.value(), &mut found);
            }
            if directive.name().ends_with(b"_by_lua_block")
                && let Some(body) = directive.body_span()
            {
                collect_names(directive.tree().file.slice(body), &mut found);
            }
        }
        found
    }
}

/// Names are looked for up to this length, so that hostile text costs little.
const NAME_LIMIT: usize = 256;

fn collect_names(text: &[u8], found: &mut HashSet<Vec<u8>>) {
    for at in memchr::memchr_iter(b'@', text) {
        let rest = text.get(at..).unwrap_or_default();
        let rest = rest.get(..NAME_LIMIT).unwrap_or(rest);
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"';,()".contains(byte);
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        found.insert(rest.get(..end).unwrap_or_default().to_vec());
    }
}

/// Names that no client asks for.
fn catches_nothing(name: &str) -> bool {
    matches!(name, "" | "_" | "-" | "--" | "!@#")
}

fn is_local(name: &str) -> bool {
    matches!(name, "localhost" | "127.0.0.1" | "[::1]" | "localhost.localdomain")
}

/// The locations of one level that are never chosen, each with the one that is chosen instead.
fn dead_locations<'m>(level: &[&'m Location], top: bool) -> Vec<(&'m Location, &'m Location)> {
    let regexes: Vec<(&Location, bool)> = level
        .iter()
        .filter(|location| !location.unknown)
        .filter_map(|location| match location.kind {
            LocationKind::Regex { case_insensitive } => Some((*location, case_insensitive)),
            _ => None,
        })
        .collect();
    let mut dead: Vec<(&Location, &Location)> = Vec::new();
    let mut all: Option<&Location> = None;
    let mut known: HashMap<&str, (&Location, bool)> = HashMap::new();
    for (location, any_case) in &regexes {
        let pattern = location.pattern.value.as_str();
        if let Some(winner) = all {
            dead.push((location, winner));
            continue;
        }
        match known.get(pattern) {
            Some((winner, winner_any_case)) if *winner_any_case || !any_case => {
                dead.push((location, winner));
                continue;
            }
            _ => {
                known.insert(pattern, (location, *any_case));
            }
        }
        if matches_all(pattern) {
            all = Some(location);
        }
    }
    if !top {
        return dead;
    }
    let prefixes = || level.iter().filter(|location| location.kind == LocationKind::Prefix);
    // Regexes inside a prefix go before those outside it.
    let plain = prefixes().filter(|location| location.children.is_empty() && !location.unknown);
    if let Some(winner) = all {
        dead.extend(plain.map(|location| (*location, winner)));
    }
    let stops = level
        .iter()
        .find(|l| l.kind == LocationKind::PrefixStop && l.pattern.value == "/" && !l.unknown);
    if let Some(winner) = stops
        && prefixes().next().is_none()
        && !level.iter().any(|location| location.unknown)
    {
        let already: Vec<LocationId> = dead.iter().map(|(location, _)| location.id).collect();
        let rest = regexes.iter().filter(|(location, _)| !already.contains(&location.id));
        dead.extend(rest.map(|(location, _)| (*location, *winner)));
    }
    dead
}

/// Regexes that every path matches.
fn matches_all(pattern: &str) -> bool {
    matches!(
        pattern,
        "/" | "^/"
            | "."
            | ".*"
            | "^"
            | "^.*"
            | ".*$"
            | "^.*$"
            | "^/.*"
            | "^/.*$"
            | "/.*"
            | "^(.*)$"
            | "^/(.*)$"
            | "^/(.*)"
            | "(.*)"
            | ".+"
            | "^.+$"
    )
}
