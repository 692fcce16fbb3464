//! A location inherits all `proxy_set_header` lines or none.

use crate::facts::nginx::{Destination, DirectiveRef, Model, WordRef};
use crate::facts::{Passing, Why};
use crate::rule::{Safety, Sink};

crate::rule! {
    /// One `proxy_set_header` in a location discards all `proxy_set_header` lines of the server.
    ///
    /// nginx inherits `proxy_set_header` only where a level sets none itself. A location that adds
    /// one for WebSockets no longer sends the `Host`, `X-Forwarded-For` and `X-Forwarded-Proto`
    /// that the server sets: requests through it reach the application with the wrong host, from
    /// 127.0.0.1, over http. Repeat the lines in the location, or move all of them into a file that
    /// every location includes.
    ///
    /// Proved by `header-inheritance-lost`: the application took its host for `myapp`, the
    /// upstream's name, and saw no X-Forwarded-Proto.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / { proxy_pass http://unix:/run/myapp/gunicorn.sock; }
    ///     location /ws/ {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Upgrade $http_upgrade;
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / { proxy_pass http://unix:/run/myapp/gunicorn.sock; }
    ///     location /ws/ {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Upgrade $http_upgrade;
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
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         add_header X-Frame-Options DENY;
    ///     }
    ///     location /static/ {
    ///         alias /srv/myapp/current/static/;
    ///         proxy_set_header X-Unused yes;
    ///     }
    /// }
    /// ```
    N304 "header-inheritance-lost" {
        severity: Warning, impact: Hygiene, fix: Some(Safe), item: UpstreamStable, hop: Nginx,
        since: "0.1.0", check: Passing(check)
    }
}

fn check(front: &Passing, out: &mut Sink) -> Result<(), Why> {
    for pass in &front.passes {
        judge(front.model, pass, out);
    }
    Ok(())
}

fn judge(model: &Model, pass: &Destination, out: &mut Sink) {
    let set = model.effective(pass.place(), "proxy_set_header");
    let own: Vec<_> = set.directives.iter().filter_map(|id| model.config.get(*id)).collect();
    let above: Vec<_> = set.lost.iter().filter_map(|id| model.config.get(*id)).collect();
    let lost: Vec<_> = above
        .iter()
        .filter(|line| !own.iter().any(|own| name(own).eq_ignore_ascii_case(&name(line))))
        .collect();
    let (Some(first), false) = (own.first(), lost.is_empty()) else { return };
    if set.incomplete {
        out.skip(&Why::not_read("an include that may set headers was not read"));
        return;
    }
    if own.iter().filter_map(|line| line.argument(0)).any(|word| word.has_placeholder()) {
        out.skip(&Why::not_understood("proxy_set_header contains a placeholder"));
        return;
    }
    let mut names: Vec<String> = lost.iter().map(|line| name(line)).collect();
    names.dedup();
    let level = model
        .config
        .get(first.id)
        .and_then(|line| line.parent())
        .map_or_else(|| "the file".to_owned(), |block| words(&block));
    let outer = lost
        .first()
        .and_then(|line| line.parent())
        .map_or_else(|| "the level above".to_owned(), |block| outer_title(&block));
    let finding = out.report(format!(
        "requests through {} reach the application without {}: its own proxy_set_header cancels \
         those of {outer}",
        pass.title(model),
        names.join(", "),
    )).at(first.head_span(), format!("the headers of {outer} are no longer inherited"));
    for line in &lost {
        finding.at(line.head_span(), "lost");
    }
    let lines: Vec<String> = lost
        .iter()
        .map(|line| {
            let words: Vec<String> = line.words().map(|word| as_it_stands(line, &word)).collect();
            format!("{};", words.join(" "))
        })
        .collect();
    finding.help(format!("in {level}, repeat\n{}", lines.join("\n")));
    let edit = super::beside(model, pass, own.last().copied(), &lines.join("\n"));
    // Without the header nobody asks whether gunicorn would believe it.
    finding
        .fix_if(Safety::Safe, format!("repeat {} in {level}", names.join(", ")), edit)
        .uncovers_rules(&["G217"]);
}

fn name(line: &DirectiveRef<'_>) -> String {
    line.argument(0).map_or_else(String::new, |word| word.text().into_owned())
}

fn outer_title(block: &DirectiveRef<'_>) -> String {
    match block.name().as_ref() {
        b"server" => "the server".to_owned(),
        b"http" => "the http block".to_owned(),
        _ => words(block),
    }
}

fn words(block: &DirectiveRef<'_>) -> String {
    let words: Vec<String> = block.words().map(|word| word.text().into_owned()).collect();
    words.join(" ")
}

/// The word with its quotes, as it is in the file.
fn as_it_stands(line: &DirectiveRef<'_>, word: &WordRef<'_>) -> String {
    String::from_utf8_lossy(line.tree().file.slice(word.span())).into_owned()
}
