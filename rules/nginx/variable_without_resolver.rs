use crate::facts::nginx::{Context, Destination, Host, Model, Target};
use crate::rule::prelude::*;

crate::rule! {
    /// Every request gets 502: nginx must look a name up for each request, but has no resolver.
    ///
    /// A name that comes from a variable in `proxy_pass` is not looked up when nginx loads, so
    /// `nginx -t` and the reload succeed. For a request nginx uses only the `resolver` of this
    /// configuration: neither `/etc/hosts` nor resolv.conf, not even for `localhost`. Without one
    /// it logs `no resolver defined to resolve NAME`. An address or a socket needs no resolver, and
    /// the name of an `upstream` is found without one.
    ///
    /// By hand: `upstream myapp { server 127.0.0.1:8000; }` and the name `myapp` in the variable;
    /// or the address instead of the name; or a `resolver`.
    ///
    /// Proved by `variable-without-resolver`: `nginx -t` and the reload succeeded, gunicorn
    /// listened, and every request got 502 (`no resolver defined to resolve localhost`).
    ///
    /// ```nginx,bad
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     set $search search.internal;
    ///     location /search/ { proxy_pass http://$search:9200; }
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     set $search 10.0.0.7;
    ///     location /search/ { proxy_pass http://$search:9200; }
    ///     set $backend myapp;
    ///     location / {
    ///         proxy_pass http://$backend;
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
    ///     set $socket unix:/run/myapp/gunicorn.sock;
    ///     set $search 127.0.0.1:9200;
    ///     location / {
    ///         proxy_pass http://$socket;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    ///     location /search/ { proxy_pass http://$search; }
    ///     location /mail/ {
    ///         resolver 127.0.0.53;
    ///         set $mail mail.internal;
    ///         proxy_pass http://$mail:8080;
    ///     }
    ///     location /any/ { proxy_pass http://$http_x_backend; }
    /// }
    /// ```
    N311 "variable-without-resolver" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Upstream,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let model = deployment.nginx.model.get()?;
    let mut seen = Vec::new();
    for destination in &deployment.nginx.destinations {
        let Some(lookup) = lookup(model, destination) else { continue };
        if seen.contains(&destination.word) {
            continue;
        }
        seen.push(destination.word);
        match lacks_resolver(deployment, model, destination) {
            Ok(true) => report(deployment, model, destination, &lookup, out),
            Ok(false) => {}
            Err(why) => out.skip(&why),
        }
    }
    Ok(())
}

/// A name that has to be looked up for a request.
struct RequestLookup<'m> {
    name: &'m str,
    port: u16,
    /// Where the variable gets it.
    set: Option<Span>,
    /// Can the variable lead nowhere else?
    always: bool,
}

/// The first of the names that a pass with a variable leads to.
fn lookup<'m>(model: &'m Model, destination: &Destination) -> Option<RequestLookup<'m>> {
    let Target::Variable { values, complete } = &destination.pass(model)?.target else {
        return None;
    };
    let named = |target: &'m Target| match target {
        Target::Address { host: Host::Name(name), port, .. } if !name.is_empty() => {
            Some((name.as_str(), *port))
        }
        _ => None,
    };
    let all = values.iter().all(|value| named(&value.target).is_some());
    values.iter().find_map(|value| {
        let (name, port) = named(&value.target)?;
        let set = value.via.first().copied();
        Some(RequestLookup { name, port, set, always: *complete && all })
    })
}

/// Is it sure that nothing answers the name: no group of the name, and no resolver?
fn lacks_resolver(
    deployment: &Deployment,
    model: &Model,
    destination: &Destination,
) -> Result<bool, Why> {
    let resolver = model.effective(destination.place(), "resolver");
    if resolver.last().is_some() {
        return Ok(false);
    }
    deployment.nginx.all_upstreams()?;
    if resolver.incomplete || model.config.context == Context::Fragment {
        return Err(Why::depends(
            "a resolver may be set, or the group defined, in a file that was \
                                 not given",
        ));
    }
    Ok(true)
}

fn report(
    deployment: &Deployment,
    model: &Model,
    destination: &Destination,
    lookup: &RequestLookup<'_>,
    out: &mut Sink,
) {
    let RequestLookup { name, port, set, always } = lookup;
    let which = match always {
        true => format!("every request to {}", destination.title(model)),
        false => format!("a request that {} sends to {name}", destination.title(model)),
    };
    let finding = out
        .report(format!(
            "{which} gets 502: nginx has no resolver to look up {name}, which comes from a variable"
        ))
        .at(destination.word, "\"no resolver defined to resolve\"")
        .at_some(*set, "the name comes from here");
    let address = known_address(deployment, name);
    let help = match address {
        Some(address) => format!("write the address instead of {name}: {address}:{port}"),
        None => {
            "in the server: resolver 127.0.0.53;   (the address of the machine's own name server)"
                .to_owned()
        }
    };
    finding
        .help(format!(
            "{help}\n\
             or outside the server: upstream app {{ server {name}:{port}; }}; set the variable to app, \
             and write no port behind it in proxy_pass"
        ))
        .by_hand(Some(destination.word));
    finding
        .fix(Safety::Manual, "set a resolver, or replace the name with an address or an upstream");
}

/// The IPv4 address of a name that the machine's own files tell.
fn known_address(deployment: &Deployment, name: &str) -> Option<std::net::IpAddr> {
    if name == "localhost" {
        return Some(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let hosts = deployment.machine.names.ok()?.hosts.as_ref()?;
    hosts.get(name)?.iter().find(|address| address.is_ipv4()).copied()
}
