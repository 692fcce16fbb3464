//! Faults that nginx's own parser and modules refuse.

use std::collections::HashSet;

use crate::facts::nginx::{Fault, FaultKind, Verdict};
use crate::facts::{Deployment, Why};
use crate::rule::prelude::{FileId, Span, nearest, placeholder};
use crate::rule::{Safety, Severity, Sink};

crate::rule! {
    /// nginx does not load: it refuses the configuration.
    ///
    /// A running nginx keeps its old configuration when a reload fails, so the site runs on as if
    /// nothing had happened, until a restart or a reboot takes it down. The message is nginx's own
    /// if it has one: a missing `;` or `}`, an unknown directive, one where it is not allowed, a
    /// duplicate location, `upstream` or `default_server`, an `upstream` without servers, a typo in
    /// the name of one of nginx's variables, zones and log formats that nothing defines, patterns
    /// with unclosed brackets, invalid values. A variable that nginx does not have and that nothing
    /// defines is reported if nginx's version is known and no third-party module, which may define
    /// it, is loaded.
    ///
    /// Proved by `nginx-syntax`: nginx refused to start, and every connection was refused.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com
    ///     location / {
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
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;# a comment may follow the semicolon
    ///     server_name example.com "www.example.com";
    ///     location ~ "^/a{2}$" { return 404; }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto ${scheme};
    ///     }
    /// }
    /// ```
    ///
    /// Healthy: variables that come from a `map`, a `set`, a pattern, a request or an answer:
    ///
    /// ```nginx,good
    /// map $host $tenant { default none; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     set $colour blue;
    ///     location ~ ^/(?<part>[a-z]+)/ {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///         proxy_set_header X-Many "$tenant $colour $part $1 $arg_a $cookie_b $http_c $sent_http_d";
    ///     }
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// A configuration needs an `events` block; and where several servers share an address, a name of more
    /// than 46 characters needs a larger `server_names_hash_bucket_size` (measured with nginx 1.22):
    ///
    /// ```nginx,bad,file=/etc/nginx/nginx.conf
    /// user www-data;
    /// http { include /etc/nginx/sites-enabled/*; }
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name ec2-203-0-113-25.compute-1.amazonaws.example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// server {
    ///     listen 80;
    ///     server_name example.org;
    ///     return 404;
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name ec2-203-0-113-25.compute-1.amazonaws.example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// The account in `user`, and the group of the same name if none is given, must exist
    /// (`getpwnam("nginx") failed`); a number is looked up as a name too:
    ///
    /// ```nginx,bad,file=/etc/nginx/nginx.conf
    /// user nginx;
    /// events { }
    /// http { include /etc/nginx/sites-enabled/*; }
    /// ```
    /// ```nginx,bad,file=/etc/nginx/nginx.conf
    /// user www-data webmasters;
    /// events { }
    /// http { include /etc/nginx/sites-enabled/*; }
    /// ```
    /// ```nginx,good,file=/etc/nginx/nginx.conf
    /// user root www-data;
    /// events { }
    /// http { include /etc/nginx/sites-enabled/*; }
    /// ```
    N317 "nginx-syntax" {
        severity: Error, impact: Outage, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let model = deployment.nginx.model.get()?;
    // What a template engine has yet to fill in is not what nginx will read.
    let templates: HashSet<FileId> = model
        .faults
        .iter()
        .filter(|fault| fault.kind == FaultKind::Template)
        .map(|fault| fault.span.file)
        .collect();
    // A build with modules of its own has more than the list tells.
    let passed = deployment.nginx.test.ok() == Some(&Verdict::Passed);
    let unexplained = |fault: &&Fault| fault.kind == FaultKind::UnexplainedVariable;
    if let Some(fault) = model.faults.iter().find(unexplained).filter(|_| !passed) {
        let message = format!("{}, unless this version of nginx has it", fault.message);
        out.skip(&Why::depends(message));
    }
    let mut seen = HashSet::new();
    for fault in model.faults.iter().filter(|fault| is_mine(fault.kind)) {
        if passed && fault.kind == FaultKind::UnknownVariable {
            continue;
        }
        if templates.contains(&fault.span.file) {
            out.skip(&Why::not_understood("the file is a template, not what nginx will read"));
            continue;
        }
        // A file that is included twice has its faults twice.
        let key = (fault.kind, fault.span);
        if seen.contains(&key) {
            continue;
        }
        seen.insert(key);
        let apart = |place: &Span| model.config.apart(place.file, fault.span.file);
        report(fault, fault.related.iter().any(apart), out);
    }
    if !deployment.machine.whole || passed {
        return Ok(());
    }
    if let Some(first) = model.config.lacks_events() {
        out.report("nginx refuses to load: no \"events\" section in configuration")
            .at(first, "the whole configuration has none")
            .help("add to nginx.conf, outside http { }:\nevents { }\nthen check with: nginx -t")
            .fix(Safety::Manual, "add events { }");
    }
    account(deployment, out)
}

/// `getpwnam("nginx") failed`, `getgrnam("nobody") failed`: nginx asks for the names of `user` while it
/// reads them, as root.
fn account(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let Some(words) = &deployment.nginx.model.get()?.user else { return Ok(()) };
    let (Some(user), group) = (words.value.first(), words.value.get(1)) else { return Ok(()) };
    if words.value.iter().any(|word| placeholder::holds(&word.value)) {
        return Err(Why::not_understood("nginx's user is a placeholder"));
    }
    let machine = &deployment.machine;
    let own_group = group.unwrap_or(user);
    let (name, kind, call) = if machine.lacks_user(&user.value)? {
        (user, "user", "getpwnam")
    } else if machine.lacks_group(&own_group.value)? {
        (own_group, "group", "getgrnam")
    } else {
        return Ok(());
    };
    let value = &name.value;
    let accounts = machine.accounts.get()?;
    let near = match kind {
        "user" => nearest(value, accounts.users.iter().map(|user| user.name.as_str())),
        _ => nearest(value, accounts.groups.iter().map(|group| group.name.as_str())),
    };
    let near = near.map_or_else(String::new, |near| format!("did you mean {near}?\n"));
    let make = match kind {
        "user" => format!("useradd --system --shell /usr/sbin/nologin {value}"),
        _ => format!("groupadd --system {value}"),
    };
    out.report(format!(
        "nginx refuses to load: {call}(\"{value}\") failed, there is no {kind} {value} on this host"
    ))
    .at(name.span, format!("no such {kind}"))
    .subject(format!("user {value}"))
    .help(format!(
        "{near}name an existing one (www-data on Debian, nginx on Fedora), or create it:\n{make}\n\
         then check with: nginx -t"
    ))
    .by_hand(Some(name.span))
    .fix(Safety::Manual, format!("name an existing {kind}"));
    Ok(())
}

/// Others have rules of their own.
fn is_mine(kind: FaultKind) -> bool {
    kind == FaultKind::GoneWithNewer
        || kind.is_fatal()
            && !matches!(
                kind,
                FaultKind::InvalidPass
                    | FaultKind::IncludeMissing
                    | FaultKind::IncludeNotAFile
                    | FaultKind::IncludeLoop
            )
}

fn report(fault: &Fault, apart: bool, out: &mut Sink) {
    let (note, related, help) = words(fault.kind);
    let (consequence, severity) = match fault.kind {
        FaultKind::GoneWithNewer => ("a newer nginx refuses to load", Severity::Warning),
        // One for development and one for production: files do not show which are installed.
        _ if apart => ("nginx refuses to load if both files are installed", Severity::Warning),
        _ => ("nginx refuses to load", Severity::Error),
    };
    let finding = out
        .report(format!("{consequence}: {}", fault.message))
        .severity(severity)
        .at(fault.span, note);
    for place in &fault.related {
        finding.at(*place, related);
    }
    finding.help(format!("{help}\nthen check with: nginx -t"));
    finding.fix(Safety::Manual, "correct the configuration");
}

/// The note at the place, the note at the places that belong to it, and what to do.
fn words(kind: FaultKind) -> (&'static str, &'static str, &'static str) {
    use FaultKind as K;
    match kind {
        K::UnexpectedEnd => {
            ("never closed", "included from here", "add the missing \"}\" or \";\"")
        }
        K::UnexpectedCharacter => {
            ("not expected here", "included from here", "look for a missing \";\" just before")
        }
        K::AfterQuote => (
            "directly after a closing quote",
            "included from here",
            "put a space or \";\" after the quote, or quote the whole word",
        ),
        K::UnterminatedQuote => ("never closed", "included from here", "close the quote"),
        K::TooLongParameter => {
            ("4096 bytes or more", "included from here", "look for a quote that is not closed")
        }
        K::ByteOrderMark => (
            "a byte order mark",
            "included from here",
            "save the file as UTF-8 without a byte order mark",
        ),
        K::GoneWithNewer => (
            "gone from nginx",
            "",
            "remove it before the next upgrade; for `ssl on;`: listen 443 ssl;",
        ),
        K::NotInVersion => {
            ("not in this version", "", "remove it, or install a version of nginx that has it")
        }
        K::NamesHash => (
            "too long for the table of names",
            "",
            "in http { }: server_names_hash_bucket_size 128;",
        ),
        K::BufferSizes => (
            "does not fit the other buffers here",
            "",
            "raise the sizes together (fastcgi_, uwsgi_ and scgi_ have the same three):\n\
             proxy_buffer_size 128k; proxy_buffers 4 256k; proxy_busy_buffers_size 256k;",
        ),
        K::InvalidParameter => ("nginx does not accept this", "", "correct or remove it"),
        K::CannotResolve => (
            "looked up while nginx runs",
            "",
            "add a zone (zone NAME 64k;) to the upstream and a resolver, or remove resolve",
        ),
        K::UnknownDirective => ("no such directive", "", "correct its name"),
        K::NotAllowedHere => ("not in this block", "", "move it into the block it belongs to"),
        K::ArgumentCount => (
            "wrong number of arguments",
            "the \";\" belongs after this",
            "look for a missing \";\" on this or the line before",
        ),
        K::NotTerminated => ("a block is not expected", "", "end it with \";\""),
        K::NoBlock => ("a block is expected", "", "open a block with \"{\""),
        K::InvalidValue => ("not a valid value", "", "write on or off"),
        K::DuplicateDirective
        | K::DuplicateUpstream
        | K::DuplicateLocation
        | K::DuplicateDefaultServer
        | K::DuplicateListen => ("the second", "the first", "remove one of the two"),
        K::InvalidLocation => ("not a valid location", "inside this", "correct the location"),
        K::EmptyUpstream => (
            "nothing to send requests to",
            "",
            "add a server that is not a backup: server unix:/run/APP/gunicorn.sock max_fails=0;",
        ),
        K::InvalidPeer => (
            "not a valid address or parameter",
            "",
            "write server unix:/PATH or server HOST:PORT, without http:// and without a URI",
        ),
        K::BackupNotSupported => {
            ("backup", "this method has no backups", "remove backup or the method")
        }
        K::UnknownVariable => ("no such variable", "", "correct its name"),
        K::NotDefined => ("nothing defines it", "", "define it in http, or correct its name"),
        K::InvalidRegex => ("not a valid PCRE pattern", "", "correct it; a dot alone is \".\""),
        K::InvalidListen => ("not an address", "", "write listen PORT or listen ADDRESS:PORT"),
        _ => ("here", "", "correct it"),
    }
}
