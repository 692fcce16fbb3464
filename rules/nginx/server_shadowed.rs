//! Servers and locations that never get a request because others take them.

use std::collections::HashSet;

use crate::facts::front::{location_title, server_title};
use crate::facts::nginx::diverted::{RewriteEnd, internal, leads_on as may_lead_on, rewritten};
use crate::facts::nginx::unreached::{
    IgnoredName, dead_locations, defaults, has_real_name, ignored_names, is_local, matches_all,
    mentioned_names, only_files,
};
use crate::facts::nginx::{
    Address, BlockPlace, Destination, DirectiveId, DirectiveRef, Location, LocationKind, Model,
    Server, ServerId, ServerName, ServerNameKind,
};
use crate::facts::{Nginx, Passing, Why};
use crate::rule::prelude::{Span, nearest};
use crate::rule::{Safety, Severity, Sink};

crate::rule! {
    /// Requests never reach gunicorn: another server or location of nginx takes them.
    ///
    /// nginx chooses the server by `server_name` among those of one address, and if none matches,
    /// it chooses the one marked `default_server`, or else the first in the order of the files. Of
    /// two servers with the same name on the same address the later one is ignored, with a warning
    /// that is easily missed (`conflicting server name`). A site without a real name next to
    /// Debian's `default` is never reached.
    ///
    /// Of the locations, the longest prefix wins; but unless it is marked `^~` or `=`, regular
    /// expressions take precedence over it, in file order. Nothing after a regular expression that
    /// matches everything, or after one with the same text, is reached. A named location is reached
    /// only through `try_files`, `error_page` and the like.
    ///
    /// This is a warning if the application is also reached in another way.
    ///
    /// Proved by `server-shadowed`: the default site took every request and answered 404;
    /// gunicorn was never asked.
    ///
    /// Proved by `try-files-before-pass`: every request but the one for `/` was answered with 404;
    /// gunicorn was never asked.
    ///
    /// Proved by `location-internal`: every request was answered with 404; gunicorn was never asked.
    ///
    /// Proved by `passwords-missing`: every request was answered with 401, or, with any password,
    /// with 403.
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
    /// A `return` in the server itself answers before any location is chosen, and an `upstream`
    /// whose servers are all `down` passes no request on (502):
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     return 301 https://$host$request_uri;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,bad
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock down;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     if ($host != example.com) { return 301 http://example.com$request_uri; }
    ///     location = /old { return 301 /new; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// The same applies to a `return` under a condition that is always true: without TLS in this
    /// server `$scheme` is always `http`, so behind a load balancer that ends TLS the redirect leads
    /// back to itself.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     if ($scheme != "https") { return 301 https://$host$request_uri; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     if ($http_x_forwarded_proto != "https") { return 301 https://$host$request_uri; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;
    ///     }
    /// }
    /// ```
    /// So does a `return` next to `proxy_pass` in a location; and `deny all` refuses everyone
    /// (403):
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///         return 503;
    ///     }
    /// }
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     deny all;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     deny all;
    ///     location / {
    ///         if ($arg_maintenance) { return 503; }
    ///         allow 10.0.0.0/8;
    ///         deny all;
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// Names that no client uses:
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80;
    ///     server_name example.com,www.example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// A `try_files` next to `proxy_pass` that ends in a status lets only requests for existing
    /// files through; all others get that status. Debian's default site has such a line:
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         try_files $uri $uri/ =404;
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         try_files $uri @app;
    ///         root /srv/myapp/current/static;
    ///     }
    ///     location @app {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// `internal` keeps clients out of a location and of those inside it (404). A `rewrite` of
    /// every path next to `proxy_pass` makes nginx choose a location again, which may be the same
    /// one until nginx gives up (500). And `location = /` is for the front page alone (measured
    /// with nginx 1.22):
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         internal;
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         rewrite ^(.*)$ /app$1 last;
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     rewrite ^ /index.html last;
    ///     location /app {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location = / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// Healthy: a location for `auth_request`, one that rewrites without leaving the location, one
    /// to which a rewrite leads, and a front page next to the files of a `root`.
    ///
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location = /auth {
    ///         internal;
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    ///     location / {
    ///         auth_request /auth;
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         rewrite ^(.*)$ /app$1 break;
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         rewrite ^(.*)$ /app$1 last;
    ///     }
    ///     location /app/ {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         if ($arg_old) { rewrite ^(.*)$ /old last; }
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         rewrite ^/old/(.*)$ /new/$1 last;
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     root /srv/myapp/current/static;
    ///     location = / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// A password file that does not exist lets nobody in; relative paths start at /etc/nginx:
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     auth_basic "Members";
    ///     auth_basic_user_file members;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     auth_basic "Members";
    ///     auth_basic_user_file mime.types;
    ///     location /open {
    ///         auth_basic off;
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    ///     location / {
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

fn check(front: &Passing, out: &mut Sink) -> Result<(), Why> {
    let passes = front.passes.as_slice();
    let mut servers: Vec<ServerId> = passes.iter().map(|pass| pass.server).collect();
    servers.sort_unstable();
    servers.dedup();
    let here = Here { nginx: &front.deployment.nginx, model: front.model, passes, servers };
    here.names(out);
    here.no_names(out);
    here.defaults(out);
    for server in &here.servers {
        here.returns(*server, out);
        here.locations(*server, out);
    }
    here.returns_beside(out);
    here.files_beside(out);
    here.rewritten(out);
    here.internal(out);
    here.only_the_front_page(out);
    here.unused_names(out);
    here.down(out);
    here.denied(out);
    here.no_passwords(out);
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
        for IgnoredName { server: later, name, first, first_name } in ignored_names(self.model) {
            if !self.is_own(later.id) {
                continue;
            }
            let same_app = self.is_own(first.id);
            let elsewhere = self.reached_elsewhere(later, first);
            let finding = out.report(format!(
                "requests for {} never reach this site: nginx ignores the name here, because an \
                 earlier server has it",
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

    /// Names that no client can ask for: a URL, several with commas between, one with a port.
    fn no_names(&self, out: &mut Sink) {
        for server in self.servers.iter().filter_map(|id| self.model.server(*id)) {
            let is_none = |name: &&ServerName| {
                name.kind == ServerNameKind::Exact
                    && !name.text.starts_with('[')
                    && name.text.contains([',', '/', ':', '(', '^'])
            };
            let Some(name) = server.names.iter().find(is_none) else { continue };
            let others = server.names.iter().filter(|name| !is_none(name));
            let named = others.filter(|name| !is_local(&name.text) && name.text != "_").count() > 0;
            let default = defaults(self.model, server)
                .is_ok_and(|all| all.iter().all(|(_, default)| self.is_own(*default)));
            let right = "put spaces between the names: server_name example.com www.example.com;";
            out.report(format!(
                "requests never come to this site by its name: no client asks for the host `{}`",
                name.text
            ))
            .severity(if named || default { Severity::Warning } else { Severity::Error })
            .at(name.span, "not a host name")
            .subject(&name.text)
            .help(format!("write {right}\na regular expression starts with ~"))
            .by_hand(Some(name.span))
            .fix(Safety::Manual, "write the names that clients ask for");
        }
    }

    fn is_own(&self, server: ServerId) -> bool {
        self.servers.binary_search(&server).is_ok()
    }

    /// Does the server listen where the other does not (https next to a redirect)?
    fn reached_elsewhere(&self, server: &Server, other: &Server) -> bool {
        let taken = other.addresses();
        server.addresses().iter().any(|address| !taken.contains(address))
    }

    /// Sites without a real name that are not their address's default.
    fn defaults(&self, out: &mut Sink) {
        let mut shadowed = Vec::new();
        for server in self.servers.iter().filter_map(|id| self.model.server(*id)) {
            if has_real_name(server) || server.directive.is_none() {
                continue;
            }
            match defaults(self.model, server) {
                Ok(mut defaults) => {
                    defaults.retain(|(_, other)| !self.is_own(*other));
                    if !defaults.is_empty() {
                        shadowed.push((server, defaults));
                    }
                }
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
            Some(listen) => finding.at(listen.span, "gets requests whose name matches no server"),
            None => finding.at(other.span, "the first server on this address gets the rest"),
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

    /// Groups that send nobody on.
    fn down(&self, out: &mut Sink) {
        let down = |pass: &&&Destination| {
            !pass.peers.is_empty() && pass.open.is_none() && pass.peers.iter().all(|peer| peer.down)
        };
        let Some(pass) = self.passes.iter().find(down) else { return };
        let finding = out
            .report("every request gets 502: all servers of the upstream are marked `down`")
            .at(pass.word, "passed on here");
        for peer in pass.peers.iter() {
            finding.at(peer.span, "down");
        }
        finding
            .subject("down")
            .help("remove `down` from the server that should answer")
            .fix(Safety::Manual, "keep one server of the upstream that is not down");
    }

    /// A `return` right in the server comes before any location is chosen.
    fn returns(&self, server: ServerId, out: &mut Sink) {
        let Some(answer) = self.answer(server) else { return };
        let inside = |pass: &&&Destination| pass.server == server;
        let Some(pass) = self.passes.iter().find(inside) else { return };
        // The way from http to https, with what was there before: the other server answers.
        let elsewhere = self.servers.iter().any(|other| self.answer(*other).is_none());
        if elsewhere && leads_on(&answer) {
            return;
        }
        let finding = out
            .report(format!(
                "requests never reach gunicorn: `{}` in {} answers every one of them before a \
                 location is chosen",
                String::from_utf8_lossy(&answer.name()),
                server_title(self.model, server)
            ))
            .at(answer.head_span(), "answers all requests of this server")
            .at(pass.word, "never reached");
        if elsewhere {
            finding.severity(Severity::Warning);
        }
        finding
            .subject("return")
            .help(
                "put the return into its own location, or, to redirect http to https, into its own \
             server with listen 80",
            )
            .fix(Safety::Manual, "limit the return to the requests it is for");
    }

    /// The `return` of a server that answers whatever is asked.
    fn answer(&self, server: ServerId) -> Option<DirectiveRef<'_>> {
        let server = self.model.server(server)?;
        let block = self.model.config.get(server.directive?)?;
        always_returns(&block).or_else(|| returns_without_tls(server, &block))
    }

    /// A `return` next to the pass of a location answers before anything is passed on.
    fn returns_beside(&self, out: &mut Sink) {
        let mut seen = HashSet::new();
        for pass in self.passes {
            let location = pass.location.and_then(|id| self.model.location(id));
            // Most have none at all.
            if location.is_none_or(|location| {
                location.handling.returns.is_empty() && location.handling.rewrites.is_empty()
            }) {
                continue;
            }
            let block = location.and_then(|location| self.model.config.get(location.directive));
            let (Some(location), Some(answer)) =
                (location, block.as_ref().and_then(always_returns))
            else {
                continue;
            };
            if location.kind == LocationKind::If
                || self.answer(pass.server).is_some()
                || !seen.insert(answer.head_span())
            {
                continue;
            }
            let finding = out.report(format!(
                "requests for {} never reach gunicorn: `{}` in the same location answers every one \
                 of them",
                location_title(self.model, location.id),
                String::from_utf8_lossy(&answer.name()),
            ))
            .at(answer.head_span(), "answers first, wherever it is written")
            .at(pass.word, "never reached");
            if self.passed_elsewhere(pass) {
                finding.severity(Severity::Warning);
            }
            finding
                .subject("return")
                .help("remove the return from this location, or the line that passes requests on")
                .fix(Safety::Manual, "limit the return to the requests it is for");
        }
    }

    /// A `try_files` next to the pass of a location that ends in a status.
    fn files_beside(&self, out: &mut Sink) {
        let mut seen = HashSet::new();
        for pass in self.passes {
            let location = pass.location.and_then(|id| self.model.location(id));
            let Some(location) = location else { continue };
            let Some((line, status)) = only_files(self.model, location) else { continue };
            if !seen.insert(line) {
                continue;
            }
            let title = location_title(self.model, location.id);
            let finding = out
                .report(format!(
                    "requests for {title} never reach gunicorn: `try_files` in the same location \
                     answers {status} when no such file exists"
                ))
                .at(line, format!("no file: {status}"))
                .at(pass.word, "reached only for existing files");
            if self.passed_elsewhere(pass) {
                finding.severity(Severity::Warning);
            }
            finding
                .subject("try_files")
                .help(
                    "remove the line, or give the application its own location and reach it by \
                     name:\n\
                     try_files $uri @app;\n\
                     with proxy_pass in location @app { }",
                )
                .fix(Safety::Manual, "pass on requests that match no file");
        }
    }

    /// A `rewrite` of every path, in a server or next to a pass, that leads to no pass.
    fn rewritten(&self, out: &mut Sink) {
        let mut seen = HashSet::new();
        for pass in self.passes {
            let location = pass.location.and_then(|id| self.model.location(id));
            let beside = location.and_then(|own| rewritten(self.model, pass.server, Some(own)));
            let Some(found) = beside.or_else(|| rewritten(self.model, pass.server, None)) else {
                continue;
            };
            let taker = match found.end {
                RewriteEnd::Location(id) => self.model.location(id),
                _ => None,
            };
            let passes = taker.is_some_and(|taker| self.has_pass(taker));
            if passes || may_lead_on(self.model, found.end, pass.server) || !seen.insert(found.line)
            {
                continue;
            }
            let path = &found.path;
            let ends = match taker {
                Some(taker) => {
                    format!("{}, and that passes nothing on", location_title(self.model, taker.id))
                }
                None if found.end == RewriteEnd::Loop => {
                    "the same location again, until nginx answers 500".to_owned()
                }
                None => "no location: nginx looks for a file of that name".to_owned(),
            };
            let finding = out
                .report(format!(
                    "requests never reach gunicorn: `rewrite` gives every one of them the path \
                     {path}, which leads to {ends}"
                ))
                .at(found.line, "leads every request away")
                .at(pass.word, "never reached");
            if self.passed_elsewhere(pass) {
                finding.severity(Severity::Warning);
            }
            finding
                .subject("rewrite")
                .help(
                    "remove the rewrite; to pass on another path, stay in the same location:\n\
                     rewrite ^(.*)$ /prefix$1 break;",
                )
                .fix(Safety::Manual, "let requests reach the pass");
        }
    }

    /// Nobody from outside may ask: every pass is in an `internal` location.
    fn internal(&self, out: &mut Sink) {
        let closed: Option<Vec<_>> =
            self.passes.iter().map(|pass| Some((internal(self.model, pass)?, pass.word))).collect();
        let closed = closed.unwrap_or_default();
        if let Some(why) = closed.iter().find_map(|(line, _)| line.as_ref().err()) {
            return out.skip(why);
        }
        let Some((Ok(line), word)) = closed.first() else { return };
        out.report(
            "every request gets 404: the location that passes them on is `internal`, so clients cannot enter it",
        )
        .at(*line, "only nginx itself may redirect here, and nothing does")
        .at(*word, "never reached")
        .subject("internal")
        .help("remove `internal;`")
        .fix(Safety::Manual, "let clients into the location");
    }

    /// The one pass is in `location = /`, and every other path is looked for among files.
    fn only_the_front_page(&self, out: &mut Sink) {
        for server in self.servers.iter().filter_map(|id| self.model.server(*id)) {
            let own = || self.passes.iter().filter(|pass| pass.server == server.id);
            let front = |pass: &&&Destination| {
                let location = pass.location.and_then(|id| self.model.location(id));
                location.is_some_and(|at| at.kind == LocationKind::Exact && at.pattern.value == "/")
            };
            let Some(pass) = own().find(front) else { continue };
            let located = self.model.locate(server.id, "/deploy-doctor.invalid");
            let place = BlockPlace::Server(server.id);
            let root = self.model.effective(place, "root");
            let handled = !own().all(|pass| front(&pass))
                || self
                    .nginx
                    .destinations
                    .iter()
                    .any(|other| other.server == server.id && other.location != pass.location)
                || located.location.is_some()
                || !located.unknown.is_empty()
                || !root.directives.is_empty()
                || root.incomplete
                || may_lead_on(self.model, RewriteEnd::Server, server.id)
                || !server.handling.rewrites.is_empty()
                || !server.handling.returns.is_empty();
            if handled || server.directive.is_none() {
                continue;
            }
            out.report(
                "only the front page reaches gunicorn: for every other path nginx looks for a \
                 file, and answers 404",
            )
            .severity(Severity::Warning)
            .at_some(
                pass.location.and_then(|id| self.model.location(id)).map(|at| at.span),
                "only for the path /",
            )
            .at(pass.word, "not reached by any other path")
            .subject("= /")
            .help("write location / { for all paths")
            .fix(Safety::Manual, "let all paths reach gunicorn");
        }
    }

    /// Is the application asked from another location, too?
    fn passed_elsewhere(&self, pass: &Destination) -> bool {
        self.passes.iter().any(|other| other.location != pass.location)
    }

    /// Nobody may ask: `deny all` without an `allow` before it, for every pass.
    fn denied(&self, out: &mut Sink) {
        let mut first = None;
        for pass in self.passes {
            let Some(rule) = self.denies_all(pass) else { return };
            first.get_or_insert((rule, pass.word));
        }
        let Some((rule, word)) = first else { return };
        out.report("every request gets 403: nginx lets no request through to gunicorn")
            .at(rule, "refuses everyone; an `allow` after it is never read")
            .at(word, "never reached")
            .subject("deny")
            .help("put `allow ADDRESS;` lines before `deny all;`, or remove it")
            .fix(Safety::Manual, "allow the intended clients");
    }

    /// Nobody's password can be right: the file with the passwords is not there, for every pass.
    fn no_passwords(&self, out: &mut Sink) {
        let mut first = None;
        for pass in self.passes {
            let Some((word, path)) = self.asks_a_missing_file(pass) else { return };
            first.get_or_insert((word, path, pass.word));
        }
        let Some((word, path, pass)) = first else { return };
        out.report(format!(
            "every request gets 401, and with any password 403: the password file {path} does \
             not exist"
        ))
        .at(word, "does not exist, so nobody gets in")
        .at(pass, "never reached")
        .subject("auth_basic_user_file")
        .help(format!("create the file: htpasswd -c {path} NAME\nor remove auth_basic"))
        .by_hand(Some(word))
        .fix(Safety::Manual, "create the password file");
    }

    /// The file that a pass asks for passwords, where it is surely not there, and nothing else lets
    /// anybody in.
    fn asks_a_missing_file(&self, pass: &Destination) -> Option<(Span, String)> {
        let place = pass.place();
        let word = |name: &str| {
            let lines = self.model.effective(place, name);
            let line = lines.last().filter(|_| !lines.incomplete);
            line.and_then(|line| self.model.config.get(line)?.argument(0))
        };
        let realm = word("auth_basic")?;
        let text = realm.text();
        if text == "off" || text.contains('$') || realm.has_placeholder() {
            return None;
        }
        if word("satisfy").is_some_and(|word| word.value().as_ref() == b"any") {
            return None;
        }
        let span = word("auth_basic_user_file")?.span();
        let file = self.nginx.passwords.iter().find(|file| file.span == span)?;
        (file.place.is_missing() == Ok(true)).then(|| (span, file.place.path.display().to_string()))
    }

    /// The `deny all` that holds where a pass is, with nothing before it that lets anybody in.
    fn denies_all(&self, pass: &Destination) -> Option<Span> {
        let place = match pass.location {
            Some(location) => BlockPlace::Location(location),
            None => BlockPlace::Server(pass.server),
        };
        // Who knows the password may come in all the same.
        let satisfied = self.model.effective_directive(place, "satisfy");
        if satisfied.and_then(|line| line.argument(0)).is_some_and(|w| w.value().as_ref() == b"any")
        {
            return None;
        }
        // Both are one list, which the nearest level that has either of them sets.
        let (deny, allow) =
            (self.model.effective(place, "deny"), self.model.effective(place, "allow"));
        if deny.incomplete || allow.incomplete {
            return None;
        }
        let level = |id: &DirectiveId| self.model.config.get(*id)?.parent().map(|block| block.id);
        let all = |id: &&DirectiveId| {
            let word = self.model.config.get(**id).and_then(|line| line.argument(0));
            word.is_some_and(|word| word.value().as_ref() == b"all")
        };
        let rule = deny.directives.iter().find(all)?;
        let let_in = allow.directives.iter().any(|other| {
            other < rule && level(other) == level(rule)
                || level(other) != level(rule) && level(other) > level(rule)
        });
        (!let_in).then(|| self.model.config.get(*rule).map(|line| line.head_span())).flatten()
    }

    /// Locations that are never chosen.
    fn locations(&self, server: ServerId, out: &mut Sink) {
        for (dead, winner) in dead_locations(self.model, server) {
            self.report_dead(dead, winner, out);
        }
    }

    fn report_dead(&self, dead: &Location, winner: &Location, out: &mut Sink) {
        let title = location_title(self.model, dead.id);
        let other = location_title(self.model, winner.id);
        let finding = out
            .report(format!(
                "{title} of {} is never reached: {other} gets all its requests",
                server_title(self.model, dead.server)
            ))
            .at(dead.span, "never reached");
        finding.at(winner.span, "gets its requests");
        if !self.has_pass(dead) || self.has_pass(winner) {
            finding.severity(Severity::Warning);
        }
        let help = match (dead.kind, winner.kind) {
            (LocationKind::Prefix, _) => {
                format!(
                    "write location ^~ {} {{ so that no regular expression takes its requests",
                    dead.pattern.value
                )
            }
            (_, LocationKind::PrefixStop) => {
                format!("write location {} {{ without ^~", winner.pattern.value)
            }
            _ => format!("move {title} before {other}, or narrow that regular expression"),
        };
        finding.help(help);
        finding.fix(Safety::Manual, "make the location reachable");
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
            if mentioned
                .get_or_insert_with(|| mentioned_names(self.model))
                .contains(name.as_bytes())
            {
                continue;
            }
            if let Err(why) = self.nginx.all_passes() {
                out.skip(&why);
                continue;
            }
            let finding = out
                .report(format!(
                    "requests never reach gunicorn: nothing in nginx's configuration redirects to \
                 {name}"
                ))
                .at(location.span, "never reached");
            let asked = mentioned.iter().flatten().map(|name| String::from_utf8_lossy(name));
            let asked: Vec<String> = asked.map(|name| name.into_owned()).collect();
            let near = nearest(name, asked.iter().map(String::as_str));
            finding.help(match near {
                Some(near) => format!(
                    "the configuration redirects to {near}: did you mean \
                                       location {near} {{?"
                ),
                None => format!("in location /, redirect here: try_files $uri {name};"),
            });
            finding.fix(Safety::Manual, format!("redirect requests to {name}"));
            let other = self.passed_elsewhere(pass);
            if other {
                finding.severity(Severity::Warning);
            }
        }
    }
}

/// Does a `return` send clients to another address?
fn leads_on(answer: &DirectiveRef<'_>) -> bool {
    if answer.name().as_ref() == b"rewrite" {
        return true;
    }
    answer.argument(0).is_some_and(|word| {
        let text = word.text();
        matches!(text.as_ref(), "301" | "302" | "303" | "307" | "308") || text.contains("://")
    })
}

/// The `return` of a block that answers whatever is asked: `None` if a `rewrite`, a `break` or a
/// condition before it may lead past it.
fn always_returns<'c>(block: &DirectiveRef<'c>) -> Option<DirectiveRef<'c>> {
    for directive in block.children() {
        match directive.name().as_ref() {
            b"return" => return Some(directive),
            b"rewrite" if redirects_all(&directive) => return Some(directive),
            name if is_way_out(name) => return None,
            b"if" if directive.children().any(|inner| is_way_out(inner.name().as_ref())) => {
                return None;
            }
            _ => {}
        }
    }
    None
}

/// The `return` under a condition that holds for every request, because the server has no address for
/// TLS: `if ($scheme != "https") { return 301 https://… }`.
fn returns_without_tls<'c>(server: &Server, block: &DirectiveRef<'c>) -> Option<DirectiveRef<'c>> {
    if !server.listens_plainly() {
        return None;
    }
    for directive in block.children() {
        match directive.name().as_ref() {
            b"if" if asks_for_plain_http(&directive) => {
                return directive.children().find(|inner| inner.name().as_ref() == b"return");
            }
            name if is_way_out(name) || matches!(name, b"include" | b"if") => return None,
            _ => {}
        }
    }
    None
}

/// Does an `if` hold for whatever comes without TLS, and not change what is asked?
fn asks_for_plain_http(directive: &DirectiveRef<'_>) -> bool {
    let words: Vec<_> = directive.arguments().map(|word| word.text().into_owned()).collect();
    let condition = words.join(" ");
    let condition = condition.trim_start_matches('(').trim_end_matches(')').trim();
    let plain = matches!(
        condition,
        "$scheme != https" | "$scheme = http" | "$https = " | "$https =" | "$https != on"
    );
    plain && !directive.children().any(|inner| is_way_out(inner.name().as_ref()))
}

/// `rewrite ^ https://… permanent`, which is a `return` in an older way.
fn redirects_all(rewrite: &DirectiveRef<'_>) -> bool {
    let word = |at| rewrite.argument(at).map(|word| word.text().into_owned());
    let (Some(pattern), Some(target)) = (word(0), word(1)) else { return false };
    let away = target.starts_with("http") || target.starts_with("$scheme");
    matches_all(&pattern)
        && (matches!(word(2).as_deref(), Some("permanent" | "redirect")) && word(3).is_none()
            || away && word(2).is_none())
}

fn is_way_out(name: &[u8]) -> bool {
    matches!(name, b"rewrite" | b"break")
}
