//! The headers that tell the application who requests what.

use std::collections::{BTreeMap, HashSet};

use crate::facts::front::server_title;
use crate::facts::nginx::{
    BlockPlace, Destination, DirectiveId, Effective, Model, ServerId, Target,
};
use crate::facts::release::Django;
use crate::facts::{App, Passing, Why};
use crate::rule::prelude::Span;
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// The application mistakes nginx for the client: wrong links and redirects, http instead of
    /// https.
    ///
    /// Unless `proxy_set_header` says otherwise, nginx sends `Host: $proxy_host`, which is the word
    /// after `http://` in `proxy_pass` (`myapp`, `localhost`, `127.0.0.1:8000`), and passes
    /// `X-Forwarded-For` and `X-Forwarded-Proto` on as the client sent them: absent, or forged.
    /// Flask then builds links and redirects to `http://myapp/…`, and logs nginx's address for
    /// every client. Of 132 public configurations that write out their headers, 85 lack
    /// `X-Forwarded-Proto`, 35 `X-Forwarded-For` and 23 `Host`.
    ///
    /// Django refuses a host that is not in its `ALLOWED_HOSTS`: without `Host` it answers 400 to
    /// everything (an error). With `SECURE_SSL_REDIRECT`, and TLS that ends at nginx, it redirects
    /// every request without `X-Forwarded-Proto: https` to the same address, for ever (an error).
    ///
    /// The same happens where nginx speaks no TLS at all and sends `X-Forwarded-Proto: $scheme`: that is
    /// always `http`, and nothing ever gets past the redirect, even if TLS ends in front of nginx
    /// (on a host or in its files; in a repository certbot may still be to come).
    ///
    /// Django must also allow the host that is passed on. With `ALLOWED_HOSTS = []` and `DEBUG` off
    /// it answers 400 to everything; if the list lacks a name of `server_name`, Django answers 400
    /// to every request for that name (measured on Django 5.2: `CommonMiddleware` asks for the
    /// host, so nothing is reported if `MIDDLEWARE` does not contain it). An error if no name of
    /// the site is allowed, otherwise a warning.
    ///
    /// Flask before 3.1 answers 404 to every request whose host is not its `SERVER_NAME`, where the code sets
    /// one: the port counts too, and a subdomain is another host (measured on 2.2.5, 3.0.3 and 3.1.2). An
    /// error if no name of the site is that one, otherwise a warning.
    ///
    /// If the server is reached only over plain HTTP, a missing `X-Forwarded-Proto` is an info: the
    /// application rightly sees the scheme as http, unless a client lies.
    ///
    /// `X-Forwarded-Ssl on` and `X-Forwarded-Protocol ssl`, which gunicorn supports too, count as
    /// `X-Forwarded-Proto`; with `$scheme` as their value gunicorn does not trust them. A forgotten
    /// `$` (`Host host`) sends the word itself.
    ///
    /// Proved by `forwarded-headers-missing`: the application took its host for `myapp`,
    /// the upstream's name, in every link that it makes.
    ///
    /// Proved by `django-host-refused`: Django answered 400 to every request.
    ///
    /// Proved by `flask-server-name`: Flask answered 404 to every request.
    ///
    /// Proved by `django-redirect-loop`: Django redirected each request to its own address, again
    /// and again, until the client gave up.
    ///
    /// Proved by `django-https-without-tls`: Django redirected every request to https, which nothing
    /// answered, and also those that came by https to a proxy in front of nginx.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     proxy_set_header host $http_host;
    ///     proxy_set_header x-forwarded-for $remote_addr;
    ///     proxy_set_header X-Forwarded-Ssl on;
    ///     location / { proxy_pass http://unix:/run/myapp/gunicorn.sock; }
    /// }
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/wsgi.py
    /// from flask import Flask
    /// app = Flask(__name__)
    /// app.config["SERVER_NAME"] = "localhost:5000"
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/wsgi.py
    /// from flask import Flask
    /// app = Flask(__name__)
    /// app.config["SERVER_NAME"] = "example.com"
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/wsgi.py
    /// from flask import Flask
    /// app = Flask(__name__, subdomain_matching=True)
    /// app.config["SERVER_NAME"] = "shop.example"
    /// ```
    N303 "forwarded-headers-missing" {
        severity: Warning, impact: Hygiene, fix: Some(Safe), item: UpstreamStable, hop: Nginx,
        since: "0.1.0", check: Passing(check)
    }
}

/// A header, the line that sets it right, and others that say the same.
const HEADERS: [(&str, &str, &[&str]); 3] = [
    ("Host", "proxy_set_header Host $host;", &[]),
    ("X-Forwarded-For", "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", &[]),
    (
        "X-Forwarded-Proto",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        &["X-Forwarded-Ssl", "X-Forwarded-Protocol"],
    ),
];

/// Passes of one server that lack the same headers and take the others from the same place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    server: ServerId,
    missing: Vec<usize>,
    /// The block that the other headers are inherited from.
    inherited: Option<DirectiveId>,
}

fn check(front: &Passing, out: &mut Sink) -> Result<(), Why> {
    let none = crate::rules::allowed_hosts::check(front, out);
    if let Err(why) = crate::rules::flask_server_name::check(front, out) {
        out.skip(&why);
    }
    if !none {
        crate::rules::https_redirect::check(front, out);
    }
    // One finding for each server and set of headers: many locations have one cause.
    let mut groups: BTreeMap<Group, Vec<&Destination>> = BTreeMap::new();
    for pass in &front.passes {
        match missing(front.model, pass) {
            Ok(group) if group.missing.is_empty() => {}
            Ok(group) => groups.entry(group).or_default().push(pass),
            Err(why) => out.skip(&why),
        }
    }
    for (group, passes) in groups {
        // Where every host is refused, the right one is as well.
        let app = front.app.filter(|_| !none);
        let refused = app.and_then(|app| refused(front.model, app, &group, &passes));
        // Over TLS it is the server's own requests alone that are redirected.
        let others = match refused {
            Some(Refused::Scheme) => {
                front.passes.iter().filter(|pass| pass.server == group.server).count()
            }
            _ => front.passes.len(),
        };
        let refused = refused.map(|refused| (refused, passes.len() == others));
        report(front.model, &group, &passes, refused, out);
    }
    Ok(())
}

/// How Django answers a request that lacks a header.
#[derive(Clone, Copy)]
enum Refused {
    /// 400: the host is none of its own.
    Host,
    /// A redirect to the same address.
    Scheme,
}

impl Refused {
    fn consequence(self, whole: bool) -> &'static str {
        match (self, whole) {
            (Self::Host, true) => "Django answers 400 to every request",
            (Self::Host, false) => "Django answers 400 to requests passed on here",
            (Self::Scheme, true) => "Django redirects every request over TLS to itself",
            (Self::Scheme, false) => "Django redirects TLS requests passed on here to themselves",
        }
    }
}

/// How Django reacts to the missing headers, if that is worse than wrong links.
fn refused(model: &Model, app: &App, group: &Group, passes: &[&Destination]) -> Option<Refused> {
    let django = app.release.django.as_ref()?;
    let lacks = |header: usize| group.missing.contains(&header);
    if lacks(0) && passes.iter().all(|pass| host_refused(model, django, pass)) {
        return Some(Refused::Host);
    }
    // Where nginx does not speak TLS itself, whoever does may send the header.
    let server = model.server(group.server)?;
    let tls = server.listens.iter().any(|listen| listen.ssl);
    let loops = lacks(2) && tls && django.ssl_redirect.ok() == Some(&true);
    loops.then_some(Refused::Scheme)
}

/// What nginx sends of itself is `$proxy_host`: the word behind `http://`, and for a socket
/// `localhost`.
fn host_refused(model: &Model, django: &Django, pass: &Destination) -> bool {
    let Some(pass) = pass.pass(model) else { return false };
    let host = match &pass.target {
        Target::Unix { .. } => "localhost".to_owned(),
        Target::Group(id) => match model.upstream(*id) {
            Some(group) => group.name.value.clone(),
            None => return false,
        },
        Target::Address { .. } => {
            let text = pass.word.value.split_once("://").map_or("", |(_, rest)| rest);
            text.split('/').next().unwrap_or_default().to_owned()
        }
        _ => return false,
    };
    !host.is_empty() && !host.contains('$') && django.refuses(&host) == Ok(true)
}

fn report(
    model: &Model,
    group: &Group,
    passes: &[&Destination],
    refused: Option<(Refused, bool)>,
    out: &mut Sink,
) {
    let wrongly = set_wrongly(model, group, passes);
    let absent = |index: &&usize| !wrongly.iter().any(|line| line.header == **index);
    // `$proxy_host` is what nginx sends where nothing is set.
    let bare = || wrongly.iter().filter(|line| is_bare(&line.value));
    let unset = |index: &&usize| !bare().any(|line| line.header == **index);
    let headers = group.missing.iter().filter_map(|index| HEADERS.get(*index));
    let names: Vec<&str> = headers.map(|(name, _, _)| *name).collect();
    let added = group.missing.iter().filter(absent).filter_map(|index| HEADERS.get(*index));
    let lines: Vec<&str> = added.map(|(_, line, _)| *line).collect();
    let right = scheme_is_right(model, group.server);
    let wrong: Vec<&str> = group
        .missing
        .iter()
        .filter_map(|index| match index {
            0 => Some("host"),
            1 => Some("client address"),
            _ => (!right).then_some("scheme"),
        })
        .collect();
    let server = server_title(model, group.server);
    let place = match passes {
        [pass] => format!("{} of {server}", pass.title(model)),
        many => format!("{} locations of {server}", many.len()),
    };
    let one = passes.len() == 1;
    let mut faults = Vec::new();
    let unset = group.missing.iter().filter(unset).filter_map(|index| HEADERS.get(*index));
    let unset: Vec<&str> = unset.map(|(name, _, _)| *name).collect();
    if !unset.is_empty() {
        faults.push(format!("{} not set {}", if one { "does" } else { "do" }, unset.join(", ")));
    }
    let mut told = HashSet::new();
    for line in bare().filter(|line| told.insert(line.header)) {
        let verb = if one { "sets" } else { "set" };
        faults.push(format!("{verb} {} to {}", line.name(), line.value));
    }
    let faults = faults.join(", and ");
    let message = match wrong.is_empty() {
        true => format!(
            "clients can claim that they came by https: {place} {faults}, and nginx passes on what \
             they send"
        ),
        false => format!("the application sees the wrong {}: {place} {faults}", wrong.join(", ")),
    };
    let (message, severity) = match (refused, wrong.is_empty()) {
        (Some((refused, whole)), _) => {
            let message = format!("{}: {message}", refused.consequence(whole));
            // What is passed on elsewhere may be all that anybody asks for.
            (message, if whole { Severity::Error } else { Severity::Warning })
        }
        (None, false) => (message, Severity::Warning),
        // As long as nobody lies, all is as it should be.
        (None, true) => (message, Severity::Info),
    };
    let draft = out.report(message).severity(severity);
    let finding = draft.at_each(passes.iter().enumerate().map(|(index, pass)| {
        let note = match index {
            0 if wrongly.is_empty() => format!("passed on without {}", names.join(", ")),
            0 => "passed on with it".to_owned(),
            _ => "here too".to_owned(),
        };
        (pass.word, note)
    }));
    // One line next to proxy_pass would cancel those that are inherited.
    let where_to = match group.inherited.and_then(|block| model.config.get(block)) {
        Some(block) => format!(
            "next to the other proxy_set_header lines of {}",
            String::from_utf8_lossy(&block.name())
        ),
        None => "next to proxy_pass".to_owned(),
    };
    let mut help: Vec<String> = Vec::new();
    for line in &wrongly {
        finding.at(line.span, format!("{} is {}", line.name(), line.value));
        help.push(line.right().to_owned());
    }
    help.dedup();
    if !help.is_empty() {
        help.insert(0, "instead of the current line:".to_owned());
    }
    if !lines.is_empty() {
        help.push(format!("{where_to}, add\n{}", lines.join("\n")));
    }
    finding.help(help.join("\n"));
    let added = passes.iter().filter(|_| !lines.is_empty()).map(|pass| {
        let set = model.effective(pass.place(), "proxy_set_header");
        let last = set.last().and_then(|id| model.config.get(id));
        super::beside(model, pass, last, &lines.join("\n"))
    });
    let mended = wrongly.iter().map(|line| Some(Edit::replace(line.span, line.right_value())));
    let edits: Option<Vec<Edit>> = mended.chain(added).collect();
    let title = match lines.is_empty() {
        true => format!("correct the value of {}", names.join(", ")),
        false => format!("set {} {where_to}", names.join(", ")),
    };
    // Without the header nobody asks whether gunicorn would believe it.
    finding.fix_if(Safety::Safe, title, edits.unwrap_or_default()).uncovers_rules(&["G217"]);
}

/// A line that sets a header to what is none: a variable without its `$`, `$proxy_host`.
struct Wrongly {
    /// Which of the headers.
    header: usize,
    value: String,
    /// The value.
    span: Span,
}

impl Wrongly {
    fn name(&self) -> &'static str {
        HEADERS.get(self.header).map_or("", |header| header.0)
    }

    /// The whole line as it is to be.
    fn right(&self) -> &'static str {
        HEADERS.get(self.header).map_or("", |header| header.1)
    }

    fn right_value(&self) -> &'static str {
        let value = self.right().split_whitespace().last().unwrap_or_default();
        value.trim_end_matches(';')
    }
}

/// The lines in effect that set one of the missing headers wrongly, each once.
fn set_wrongly(model: &Model, group: &Group, passes: &[&Destination]) -> Vec<Wrongly> {
    let mut found: Vec<Wrongly> = Vec::new();
    for pass in passes {
        let set = model.effective(pass.place(), "proxy_set_header");
        for line in set.directives.iter().filter_map(|id| model.config.get(*id)) {
            let (Some(name), Some(value)) = (line.argument(0), line.argument(1)) else { continue };
            let is = |index: &&usize| {
                HEADERS.get(**index).is_some_and(|one| name.text().eq_ignore_ascii_case(one.0))
            };
            let header = group.missing.iter().find(is).copied();
            // An empty value takes a header away, and adds none to another line's.
            let Some(header) = header.filter(|_| !value.text().is_empty()) else { continue };
            if !found.iter().any(|known| known.span == value.span()) {
                found.push(Wrongly {
                    header,
                    value: value.text().into_owned(),
                    span: value.span(),
                });
            }
        }
    }
    found
}

/// Who is asked in plain HTTP alone takes the scheme for http, and rightly so.
fn scheme_is_right(model: &Model, server: ServerId) -> bool {
    let server = model.server(server).filter(|server| server.directive.is_some());
    server.is_some_and(|server| {
        let place = BlockPlace::Server(server.id);
        server.listens_plainly() && model.effective(place, "ssl").directives.is_empty()
    })
}

/// The headers that nothing sets. Those that a level above sets and that are lost on the way are
/// N304's.
fn missing(model: &Model, pass: &Destination) -> Result<Group, Why> {
    let set = model.effective(pass.place(), "proxy_set_header");
    let own = pass.location.and_then(|id| model.location(id)).map(|location| location.directive);
    let inherited = set.level.filter(|level| Some(*level) != own);
    let mut group = Group { server: pass.server, missing: Vec::new(), inherited };
    for (index, (name, _, others)) in HEADERS.iter().enumerate() {
        let mut names = std::iter::once(name).chain(*others);
        if !names.any(|name| sets(model, &set, name)) {
            group.missing.push(index);
        }
    }
    if group.missing.is_empty() {
        return Ok(group);
    }
    if set.incomplete {
        return Err(Why::not_read("an include that may set headers was not read"));
    }
    let names = set.directives.iter().filter_map(|id| model.config.get(*id)?.argument(0));
    if names.clone().any(|name| name.has_placeholder()) {
        return Err(Why::not_understood("proxy_set_header contains a placeholder"));
    }
    Ok(group)
}

/// Is it the name of a variable whose `$` was forgotten? Then that word is what is sent.
fn is_bare(value: &str) -> bool {
    matches!(
        value,
        "host"
            | "http_host"
            | "scheme"
            | "remote_addr"
            | "proxy_add_x_forwarded_for"
            | "server_name"
    )
}

/// Of the headers besides X-Forwarded-Proto gunicorn believes one word alone
/// (`secure_scheme_headers`): `$scheme` is never that.
fn is_believed(header: &str, value: &str) -> bool {
    let only = match header {
        "X-Forwarded-Ssl" => "on",
        "X-Forwarded-Protocol" => "ssl",
        _ => return true,
    };
    value == only || (value.starts_with('$') && value != "$scheme")
}

/// Does anything set a header to more than nothing?
pub(in crate::rules) fn sets(model: &Model, set: &Effective, name: &str) -> bool {
    let lines = set.directives.iter().chain(&set.lost).filter_map(|id| model.config.get(*id));
    let mut values = lines
        .filter(|line| line.argument(0).is_some_and(|word| word.text().eq_ignore_ascii_case(name)));
    // An empty value takes the header away; `$proxy_host` is what nginx sends by itself.
    values.any(|line| {
        line.argument(1).is_some_and(|value| {
            let value = value.text();
            !value.is_empty()
                && !value.eq_ignore_ascii_case("$proxy_host")
                && !is_bare(&value)
                && is_believed(name, &value)
        })
    })
}
