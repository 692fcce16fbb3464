//! A name in `proxy_pass` that is neither an upstream nor a host.

use std::collections::HashSet;

use crate::facts::nginx::{Context, Host, Model, Pass, Target};
use crate::facts::{Deployment, Why};
use crate::rule::prelude::nearest;
use crate::rule::{Safety, Sink};

crate::rule! {
    /// nginx does not load: `proxy_pass` names an upstream that does not exist.
    ///
    /// A name that is not an `upstream` is looked up as a host when nginx loads its configuration.
    /// If that fails, nginx says `host not found in upstream` and neither reloads nor starts: a
    /// running site keeps the old configuration until the next restart, and is then down. Upstream
    /// names are compared without regard to case.
    ///
    /// Reported if the name is one typo away from an upstream. When a whole machine is read, a
    /// single word without a port is also reported if it is in no `upstream` and not in
    /// `/etc/hosts`, is not the machine's own name, and no search domain could complete it.
    ///
    /// Proved by `upstream-undefined`: nginx refused to start (`host not found in
    /// upstream`), and every connection was refused.
    ///
    /// ```nginx,bad
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / { proxy_pass http://myap; }
    /// }
    /// ```
    /// ```nginx,fixed
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
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
    ///     location / {
    ///         proxy_pass http://MyApp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    ///     location /search/ { proxy_pass http://search.internal:8080; }
    /// }
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// ```
    N310 "upstream-undefined" {
        severity: Error, impact: Outage, fix: Some(Manual), item: No502, hop: Upstream,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let model = deployment.nginx.model.get()?;
    let mut seen = HashSet::new();
    for destination in &deployment.nginx.destinations {
        let Some(pass) = destination.pass(model) else { continue };
        let Some(name) = bare_name(pass) else { continue };
        if seen.contains(&destination.word) || is_known_host(deployment, name) {
            continue;
        }
        seen.insert(destination.word);
        // An include that was not read may define it.
        if let Err(why) = deployment.nginx.all_upstreams() {
            out.skip(&why);
            continue;
        }
        let near = nearest(name, model.upstreams.iter().map(|group| group.name.value.as_str()));
        if near.is_none()
            && let Err(why) = cannot_be_host(deployment, model, pass, name)
        {
            if let Some(why) = why {
                out.skip(&why);
            }
            continue;
        }
        let finding = out
            .report(format!(
                "nginx refuses to load: \"{name}\" is not an upstream, and no host has this name"
            ))
            .at(destination.word, "\"host not found in upstream\"");
        let group = near.and_then(|near| model.upstream_named(near));
        let help = match group {
            Some(group) => {
                finding.at(group.span, "the existing upstream");
                let right = &group.name.value;
                format!("did you mean {right}? proxy_pass http://{right};")
            }
            None => format!(
                "define it: upstream {name} {{ server unix:/run/APP/gunicorn.sock \
                 fail_timeout=0; }}"
            ),
        };
        finding.help(format!("{help}\nthen check with: nginx -t"));
        finding.fix(Safety::Manual, "name gunicorn's upstream");
    }
    Ok(())
}

/// The name, where it is one word without a port, as upstreams are named.
fn bare_name(pass: &Pass) -> Option<&str> {
    match &pass.target {
        Target::Address { host: Host::Name(name), port_given: false, .. }
            if !name.contains('.') && name != "localhost" =>
        {
            Some(name)
        }
        _ => None,
    }
}

fn is_known_host(deployment: &Deployment, name: &str) -> bool {
    let names = deployment.machine.names.ok();
    names.is_some_and(|names| names.hosts.as_ref().is_some_and(|hosts| hosts.contains_key(name)))
}

/// Is it sure that nothing is called so? The error is why not; `None` if a resolver may know it.
fn cannot_be_host(
    deployment: &Deployment,
    model: &Model,
    pass: &Pass,
    name: &str,
) -> Result<(), Option<Why>> {
    // uwsgi and FastCGI have no default port: nginx refuses a host without one.
    let no_default_port = matches!(pass.target, Target::Address { port: 0, .. });
    if model.config.context == Context::Fragment {
        let why = format!("upstream {name} may be defined in a file that was not given");
        return Err(Some(Why::depends(why)));
    }
    if no_default_port {
        return Ok(());
    }
    let names = deployment.machine.names.get().map_err(Some)?;
    if names.may_be_host(name) { Err(None) } else { Ok(()) }
}
