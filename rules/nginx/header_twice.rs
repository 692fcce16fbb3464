//! One request header set twice in the same location.

use std::collections::HashSet;

use crate::facts::nginx::{Destination, DirectiveRef, Model};
use crate::facts::{Passing, Why};
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// Django answers 400 to every request: nginx sends the `Host` header twice.
    ///
    /// `proxy_set_header` adds up: `include proxy_params;`, which sets `Host` and the
    /// `X-Forwarded-` headers, together with the same lines written by hand give two of each.
    /// gunicorn joins them with a comma (`example.com,example.com`), which Django does not accept
    /// as a host, whatever `ALLOWED_HOSTS` says. Flask answers, but builds links with both names
    /// joined, or, from Werkzeug 3.1 on, with no name: that is a warning, and so is a doubled
    /// `X-Forwarded-Proto` for any application.
    ///
    /// Proved by `header-twice`: the application saw the header as `example.com,example.com`, which
    /// no host is called.
    ///
    /// Proved by `django-host-twice`: Django answered 400 to every request.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $http_host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///         proxy_set_header Host $host;
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $http_host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// Healthy: lines of an outer level are not added, and an empty value sends no header:
    ///
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     proxy_set_header Host $http_host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header Host "";
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N328 "header-twice" {
        severity: Warning, impact: BadGateway, fix: Some(Safe), item: UpstreamStable, hop: Nginx,
        since: "0.1.0", check: Passing(check)
    }
}

/// The headers that say who asks for what.
const HEADERS: [&str; 4] = ["Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"];

fn check(front: &Passing, out: &mut Sink) -> Result<(), Why> {
    // Many locations have one cause: the lines that they inherit.
    let mut seen = HashSet::new();
    for pass in &front.passes {
        if front.model.effective(pass.place(), "proxy_set_header").incomplete {
            out.skip(&Why::not_read("an include that may set headers was not read"));
        }
        for header in HEADERS {
            let lines = lines(front.model, pass, header);
            let spans: Vec<_> = lines.iter().map(DirectiveRef::span).collect();
            if lines.len() > 1 && seen.insert(spans) {
                report(front, pass, header, &lines, out);
            }
        }
    }
    Ok(())
}

/// The lines that send this header, in the order in which nginx has them.
fn lines<'m>(model: &'m Model, pass: &Destination, header: &str) -> Vec<DirectiveRef<'m>> {
    let set = model.effective(pass.place(), "proxy_set_header");
    let lines = set.directives.iter().filter_map(|id| model.config.get(*id));
    lines
        .filter(|line| {
            line.argument(0).is_some_and(|name| name.text().eq_ignore_ascii_case(header))
                && line.argument(1).is_some_and(|value| !value.text().is_empty())
        })
        .collect()
}

fn report(
    front: &Passing,
    pass: &Destination,
    header: &str,
    lines: &[DirectiveRef<'_>],
    out: &mut Sink,
) {
    let django = front.app.is_some_and(|app| app.release.django.is_some());
    let place = pass.title(front.model);
    let (message, severity) = match (header, django) {
        ("Host", true) => (
            format!("Django answers 400 to every request: {place} sets Host {} times", lines.len()),
            Severity::Error,
        ),
        ("Host", false) => (
            format!(
                "the application sees two host names joined into one (Django answers 400): {place} \
                 sets Host {} times",
                lines.len()
            ),
            Severity::Warning,
        ),
        _ => (
            format!(
                "the application sees two values joined in {header}: {place} sets it {} times",
                lines.len()
            ),
            Severity::Warning,
        ),
    };
    let mut places = Vec::new();
    for (index, line) in lines.iter().enumerate().rev() {
        let note = if index + 1 == lines.len() { "also sent" } else { "sent" };
        places.push((line.span(), note));
        // Where it comes from another file: the include that brings it.
        if let Some(include) = line.chain().last()
            && line.span().file != pass.word.file
        {
            places.push((*include, "set by this include"));
        }
    }
    let finding = out.report(message).severity(severity).at_each(places);
    finding.subject(header);
    let help = format!("leave one line that sets {header}, then check with: nginx -t");
    finding.help(help);
    let title = format!("set {header} once");
    finding.fix_if(Safety::Safe, title, edits(pass, lines).unwrap_or_default());
}

/// One line stays: what an include brings, which other sites share, else the first. Nothing where
/// the others say something else, so that a person has to choose.
fn edits(pass: &Destination, lines: &[DirectiveRef<'_>]) -> Option<Vec<Edit>> {
    let own = |line: &DirectiveRef<'_>| line.span().file == pass.word.file;
    let kept = lines.iter().position(|line| !own(line)).unwrap_or(0);
    let meaning = |line: &DirectiveRef<'_>| {
        let value = line.argument(1).map(|value| value.text().into_owned());
        // The same name, with or without the port that the client gave.
        value.map(|value| if value == "$http_host" { "$host".to_owned() } else { value })
    };
    let stays = meaning(lines.get(kept)?)?;
    let others = lines.iter().enumerate().filter(|(index, _)| *index != kept);
    others
        .map(|(_, line)| {
            let same = own(line) && meaning(line).as_ref() == Some(&stays);
            same.then(|| Edit::remove(line.span()))
        })
        .collect()
}
