//! The numbered facts of nginx's behaviour that concern its files, each with a healthy
//! neighbour. Where nginx is installed, it is asked about the refusals.

use std::path::{Path, PathBuf};
use std::process::Command;

use deploy_doctor::host::{FilesHost, MemoryHost};
use deploy_doctor::source::Sources;
use deploy_doctor::source::nginx::{
    Address, FaultKind, Host, LocationKind, Malformed, Method, Model, NotReadReason, Place,
    Protocol, Reason, Target, load, load_fragments,
};

fn read(host: &MemoryHost) -> Model {
    let sources = Sources::new(host);
    Model::new(load(&sources, Path::new("/etc/nginx/nginx.conf"), Path::new("/etc/nginx")).unwrap())
}

fn http(text: &str) -> Model {
    let mut host = MemoryHost::new();
    host.file("/etc/nginx/nginx.conf", format!("events {{}} http {{ {text} }}"));
    read(&host)
}

fn site(text: &str) -> Model {
    http(&format!("server {{ listen 8090; {text} }}"))
}

fn kinds(model: &Model) -> Vec<FaultKind> {
    model.faults.iter().map(|fault| fault.kind).collect()
}

/// nginx's own judgement of the content of `http`, where it is installed.
fn nginx_refuses(text: &str) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nginx.conf");
    std::fs::write(&path, format!("pid nginx.pid; events {{}} http {{ {text} }}")).unwrap();
    let output = Command::new("nginx")
        .args(["-t", "-q", "-e", "stderr", "-p"])
        .arg(directory.path())
        .arg("-c")
        .arg(&path)
        .output()
        .ok()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(errors.split("[emerg] ").nth(1).unwrap_or_default().to_owned())
}

/// We find this fault and only this one, and nginx refuses it with our words.
fn refused(text: &str, kind: FaultKind) {
    let model = http(text);
    assert_eq!(kinds(&model), [kind], "{text}: {:?}", model.faults);
    let message = model.faults[0].message.split(", did you").next().unwrap();
    let message = message.split(": a \";\"").next().unwrap();
    match nginx_refuses(text) {
        Some(words) => assert!(words.contains(message), "{text}: {message:?} against {words:?}"),
        None => eprintln!("SKIPPED: nginx is not installed, it was not asked about {text}"),
    }
}

/// Neither we nor nginx find fault with it.
fn taken(text: &str) -> Model {
    let model = http(text);
    assert!(model.faults.is_empty(), "{text}: {:?}", model.faults);
    if let Some(words) = nginx_refuses(text) {
        assert_eq!(words, "", "{text}");
    }
    model
}

fn target(model: &Model) -> &Target {
    let all = model.locations.iter().flat_map(|location| &location.handling.passes);
    &all.into_iter().next().unwrap().target
}

#[test]
fn fact_1_to_3_includes() {
    let mut host = MemoryHost::new();
    host.file(
        "/etc/nginx/nginx.conf",
        "events {} http { include sites-enabled/*; include none/*.conf; }",
    );
    host.file("/etc/nginx/sites-enabled/b", "server { server_name b; include part; }");
    host.file("/etc/nginx/sites-enabled/a.bak", "server { server_name a; }");
    host.file("/etc/nginx/sites-enabled/.hidden", "nonsense");
    host.file("/etc/nginx/part", "location / { proxy_pass http://x; }");
    let model = read(&host);
    assert!(model.faults.is_empty(), "{:?}", model.faults);
    let names: Vec<_> = model.servers.iter().map(|s| s.names[0].text.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let location = &model.locations[0];
    assert_eq!(location.server, model.servers[1].id);
    assert_eq!(model.chain(location.directive).len(), 2);

    host.link("/etc/nginx/sites-enabled/broken", "/nowhere");
    host.directory("/etc/nginx/sites-enabled/dir");
    host.file("/etc/nginx/sites-enabled/z", "include missing.conf;");
    let model = read(&host);
    assert_eq!(
        kinds(&model),
        [FaultKind::IncludeMissing, FaultKind::IncludeNotAFile, FaultKind::IncludeMissing]
    );
    assert!(model.faults[0].message.contains("is a link to /nowhere"), "{:?}", model.faults[0]);
    assert_eq!(model.faults[2].related.len(), 1, "the chain that led there");
}

#[test]
fn includes_that_loop_or_are_taken_twice() {
    let mut host = MemoryHost::new();
    host.file("/etc/nginx/nginx.conf", "events {} http { include a; }");
    host.file("/etc/nginx/a", "include b;");
    host.file("/etc/nginx/b", "include a;");
    assert_eq!(kinds(&read(&host)), [FaultKind::IncludeLoop]);
    host.file(
        "/etc/nginx/nginx.conf",
        "events {} http { server { location /a { include b; } location /b { include b; } } }",
    );
    host.file("/etc/nginx/b", "proxy_pass http://h;");
    let model = read(&host);
    assert!(model.faults.is_empty(), "{:?}", model.faults);
    assert_eq!(model.config.trees.len(), 2);
    let passes: Vec<_> = model.locations.iter().map(|l| l.handling.passes.len()).collect();
    assert_eq!(passes, [1, 1]);
    // A sibling of a pattern may include another of its matches.
    host.file("/etc/nginx/nginx.conf", "events {} http { include s/*; }");
    host.file("/etc/nginx/s/1", "include s/2;");
    host.file("/etc/nginx/s/2", "");
    assert!(read(&host).faults.is_empty());
}

#[test]
fn fact_4_default_servers_and_duplicates() {
    let model = taken(
        "server { listen 8090; server_name a; } server { listen 8090; server_name b; } \
         server { listen 8091; server_name c; }",
    );
    let on = |port| Address::Inet { host: Host::Any, port };
    let served = model.serve(&on(8090), "other");
    assert_eq!(served.server, Some(model.servers[0].id));
    assert_eq!(served.reason, Some(Reason::First));
    assert_eq!(model.serve(&on(8090), "B").server, Some(model.servers[1].id));
    assert_eq!(model.serve(&on(8099), "b").server, None);

    let model = http(
        "server { listen 8090; server_name a; } server { listen 8090 default_server; \
         server_name a; }",
    );
    assert_eq!(kinds(&model), [FaultKind::ConflictingServerName]);
    assert!(!model.faults[0].kind.is_fatal());
    assert_eq!(model.serve(&on(8090), "a").server, Some(model.servers[0].id));
    assert_eq!(model.serve(&on(8090), "x").reason, Some(Reason::DefaultServer));
    refused(
        "server { listen 8090 default_server; } server { listen 8090 default_server; }",
        FaultKind::DuplicateDefaultServer,
    );
    refused("server { listen 8090; listen 8090; }", FaultKind::DuplicateListen);
    refused(
        "server { listen 8090; location /a { } location ^~ /a { } }",
        FaultKind::DuplicateLocation,
    );
    taken("server { listen 8090; location /a { } location = /a { } location ~ /a { } }");
}

#[test]
fn names_with_wildcards_and_regexes() {
    let model = taken(
        "server { listen 8090; server_name ~^www\\d+\\.; } server { listen 8090; server_name \
         *.example.com; } server { listen 8090; server_name www.example.*; } server { listen \
         8090; server_name .sub.example.com; }",
    );
    let on = Address::Inet { host: Host::Any, port: 8090 };
    let serve = |host| model.serve(&on, host).server.unwrap().0;
    assert_eq!(serve("www1.test"), 0);
    assert_eq!(serve("www.example.com"), 1);
    assert_eq!(serve("www.example.org"), 2);
    assert_eq!(serve("sub.example.com"), 3);
    assert_eq!(serve("a.sub.example.com"), 3);
}

#[test]
fn fact_5_locations() {
    let model = taken(
        "server { listen 8090; location / { } location /static/ { } location ^~ /img/ { } \
         location = /x { } location ~ \\.png$ { } location ~* \\.PNG$ { } location ~ (?=x)/look \
         { } location /n/ { location /n/m/ { } location ~ m$ { } } }",
    );
    let locate = |uri| model.locate(model.servers[0].id, uri);
    let pattern = |uri| {
        let located = locate(uri);
        model.location(located.location.unwrap()).unwrap().pattern.value.clone()
    };
    assert_eq!(pattern("/a"), "/");
    assert_eq!(pattern("/x"), "/x");
    assert_eq!(pattern("/static/a.css"), "/static/");
    assert_eq!(pattern("/static/a.png"), "\\.png$");
    assert_eq!(pattern("/a.PNG"), "\\.PNG$");
    assert_eq!(pattern("/img/a.png"), "/img/");
    assert_eq!(pattern("/n/m/x"), "/n/m/");
    assert_eq!(pattern("/n/m"), "m$");
    // A pattern that only PCRE has is not judged, and said so.
    assert_eq!(locate("/a").unknown.len(), 1);
}

#[test]
fn fact_6_what_nested_blocks_inherit() {
    let model = taken(
        "proxy_read_timeout 10s; server { listen 8090; proxy_set_header Host $host; location / { \
         proxy_pass http://127.0.0.1:1; if ($arg_a) { set $x 1; } location /in/ { \
         proxy_read_timeout 20s; } } }",
    );
    let find = |kind, pattern: &str| {
        let wanted = |l: &&deploy_doctor::source::nginx::Location| {
            l.kind == kind && l.pattern.value == pattern
        };
        model.locations.iter().find(wanted).unwrap()
    };
    let inner = find(LocationKind::Prefix, "/in/");
    let branch = find(LocationKind::If, "($arg_a)");
    assert!(model.effective_passes(inner.id).is_empty());
    assert_eq!(model.effective_passes(branch.id).len(), 1);
    assert!(model.effective(Place::Location(inner.id), "proxy_pass").directives.is_empty());
    assert_eq!(model.effective(Place::Location(branch.id), "proxy_pass").directives.len(), 1);
    assert_eq!(model.effective(Place::Location(inner.id), "proxy_set_header").directives.len(), 1);
    let value = |id| {
        let directive =
            model.effective_directive(Place::Location(id), "proxy_read_timeout").unwrap();
        directive.argument(0).unwrap().text().into_owned()
    };
    assert_eq!((value(inner.id), value(branch.id)), ("20s".into(), "10s".into()));
}

#[test]
fn fact_7_named_targets() {
    let model = taken(
        "server { listen 8090; location / { try_files $uri @app; } location /b { error_page 404 \
         = @app; } location @app { proxy_pass http://127.0.0.1:1; } }",
    );
    for index in [0, 1] {
        let target = model.locations[index].handling.named_targets().next().unwrap();
        let named = model.named_location(model.servers[0].id, &target.value).unwrap();
        assert_eq!(named.handling.passes.len(), 1);
    }
}

#[test]
fn fact_8_and_9_groups_by_name() {
    let model = taken(
        "server { listen 8090; location / { proxy_pass http://APP; } } upstream app { server \
         127.0.0.1:1; }",
    );
    assert_eq!(*target(&model), Target::Group(model.upstreams[0].id));
    refused(
        "upstream app { server 127.0.0.1:1; } upstream APP { server 127.0.0.1:2; }",
        FaultKind::DuplicateUpstream,
    );
    let text = "upstream app { server 127.0.0.1:1; } server { listen 8090; location / { \
                proxy_pass http://app:8000; } }";
    refused(text, FaultKind::InvalidPass);
    let expected = Malformed::PortOnUpstream { upstream: http(text).upstreams[0].id, port: 8000 };
    assert_eq!(*target(&http(text)), Target::Malformed(expected));
}

#[test]
fn fact_10_hosts() {
    let model = site("location / { proxy_pass https://back.example/x?y; }");
    let expected =
        Target::Address { host: Host::Name("back.example".into()), port: 443, port_given: false };
    assert_eq!(*target(&model), expected);
    let pass = &model.locations[0].handling.passes[0];
    assert_eq!((pass.protocol, pass.uri.as_deref()), (Protocol::Https, Some("/x?y")));
}

#[test]
fn fact_11_variables_select_groups() {
    let groups = "upstream blue { server 127.0.0.1:1; } upstream green { server 127.0.0.1:2; } ";
    let model = taken(&format!(
        "{groups} map $cookie_c $pool {{ default blue; beta green; }} server {{ listen 8090; set \
         $up $pool; location / {{ proxy_pass http://$up; }} }}"
    ));
    let Target::Variable { values, complete } = target(&model) else { panic!() };
    assert!(complete);
    let targets: Vec<_> = values.iter().map(|value| value.target.clone()).collect();
    let ids = model.upstreams.iter().map(|upstream| Target::Group(upstream.id));
    assert_eq!(targets, ids.collect::<Vec<_>>());
    // A `set` under `if`, and a variable that requests fill, leave it open.
    for text in [
        "if ($arg_a) { set $up blue; } location / { proxy_pass http://$up; }",
        "location / { proxy_pass http://$host; }",
    ] {
        let model = taken(&format!("{groups} server {{ listen 8090; {text} }}"));
        assert!(matches!(target(&model), Target::Variable { complete: false, .. }), "{text}");
    }
    // Maps of each other end.
    let model = http(
        "map $a $b { default $a; } map $b $a { default $b; } server { location / { proxy_pass \
         http://$a; } }",
    );
    assert!(matches!(target(&model), Target::Variable { complete: false, .. }));
}

#[test]
fn fact_12_unix_sockets() {
    let unix =
        |path: &str, uri_separator| Target::Unix { path: PathBuf::from(path), uri_separator };
    let pass = |url: &str| {
        let text = format!("server {{ listen 8090; location / {{ proxy_pass {url}; }} }}");
        taken(&text).locations[0].handling.passes[0].clone()
    };
    assert_eq!(pass("http://unix:/run/a.sock").target, unix("/run/a.sock", false));
    let with_uri = pass("http://unix:/run/a.sock:/uri/");
    assert_eq!(with_uri.target, unix("/run/a.sock", true));
    assert_eq!(with_uri.uri.as_deref(), Some("/uri/"));
    assert_eq!(with_uri.malformed, None);
    let wrong = pass("http://unix:/run/a.sock/");
    assert_eq!(wrong.target, unix("/run/a.sock/", false));
    let path = PathBuf::from("/run/a.sock");
    let meant = Malformed::UnixUriWithoutColon { path: path.clone(), uri: "/".into() };
    assert_eq!(wrong.malformed, Some(meant));
    assert_eq!(pass("https://unix:/run/a.sock").malformed, Some(Malformed::HttpsToUnix));
    let bare = "server { listen 8090; location / { proxy_pass unix:/run/a.sock; } }";
    refused(bare, FaultKind::InvalidPass);
    let expected = Target::Malformed(Malformed::UnixWithoutScheme { path });
    assert_eq!(*target(&http(bare)), expected);
    refused("server { listen 8090; location / { proxy_pass app; } }", FaultKind::InvalidPass);

    let peer = |text: &str| {
        taken(&format!("upstream u {{ server {text}; }}")).upstreams[0].peers[0].clone()
    };
    assert_eq!(peer("unix:///run/a.sock").address, Some(Address::Unix("///run/a.sock".into())));
    assert!(peer("8000").default_port);
    refused("upstream u { server /run/a.sock; }", FaultKind::InvalidPeer);
    refused("upstream u { server http://127.0.0.1:8000; }", FaultKind::InvalidPeer);
}

#[test]
fn fact_13_uri_parts() {
    for block in [
        "location ~ ^/a { proxy_pass http://127.0.0.1:1/; }",
        "location @a { proxy_pass http://127.0.0.1:1/; }",
        "location / { if ($arg_a) { proxy_pass http://127.0.0.1:1/; } }",
        "location / { limit_except GET { proxy_pass http://127.0.0.1:1/; } }",
    ] {
        refused(&format!("server {{ listen 8090; {block} }}"), FaultKind::InvalidPass);
        taken(&format!("server {{ listen 8090; {} }}", block.replace("1/;", "1;")));
    }
    let model = site("location /a/ { proxy_pass http://127.0.0.1:1/; }");
    assert_eq!(model.locations[0].handling.passes[0].uri.as_deref(), Some("/"));
}

#[test]
fn fact_14_headers_are_inherited_whole_or_not() {
    let model = taken(
        "server { listen 8090; proxy_set_header Host $host; proxy_set_header X-A a; location /a \
         { } location /b { proxy_set_header X-B b; } }",
    );
    let headers = |index: usize| {
        model.effective(Place::Location(model.locations[index].id), "proxy_set_header")
    };
    assert_eq!((headers(0).directives.len(), headers(0).lost.len()), (2, 0));
    assert_eq!(headers(0).level, model.servers[0].directive);
    assert_eq!((headers(1).directives.len(), headers(1).lost.len()), (1, 2));
}

#[test]
fn fact_15_and_16_peers() {
    let model = taken(
        "upstream u { least_conn; keepalive 16; server 127.0.0.1 max_fails=0 fail_timeout=1m; \
         server [::1]:81 backup; server 127.0.0.1:9 down; }",
    );
    let group = &model.upstreams[0];
    let ip = Host::Ip("127.0.0.1".parse().unwrap());
    assert_eq!(group.peers[0].address, Some(Address::Inet { host: ip, port: 80 }));
    assert_eq!(group.peers[0].max_fails.as_ref().unwrap().value, 0);
    assert_eq!(group.peers[0].fail_timeout.as_ref().unwrap().value.as_secs(), 60);
    assert!(group.peers[1].backup && group.peers[2].down);
    assert_eq!(group.peers[1].max_fails, None);
    assert_eq!(group.method.value, Method::LeastConn);
    assert_eq!(group.keepalive.as_ref().unwrap().value, Some(16));
    taken("upstream u { server 127.0.0.1:1 down; }");
    refused("upstream u { }", FaultKind::EmptyUpstream);
    refused("upstream u { server 127.0.0.1:1 backup; }", FaultKind::EmptyUpstream);
    refused(
        "upstream u { ip_hash; server 127.0.0.1:1; server 127.0.0.1:2 backup; }",
        FaultKind::BackupNotSupported,
    );
    refused("upstream u { server 127.0.0.1:1 max_fail=1; }", FaultKind::InvalidPeer);
}

#[test]
fn fact_17_no_retry_of_what_was_sent() {
    let model = taken("server { listen 8090; proxy_next_upstream error non_idempotent; }");
    let place = Place::Server(model.servers[0].id);
    let directive = model.effective_directive(place, "proxy_next_upstream").unwrap();
    assert!(directive.arguments().any(|word| word.text() == "non_idempotent"));
}

#[test]
fn fact_18_other_protocols() {
    for (text, protocol) in [
        ("uwsgi_pass unix:/run/a.sock", Protocol::Uwsgi),
        ("fastcgi_pass unix:/run/a.sock", Protocol::Fastcgi),
        ("grpc_pass grpc://unix:/run/a.sock", Protocol::Grpc),
        ("scgi_pass unix:/run/a.sock", Protocol::Scgi),
    ] {
        let model = taken(&format!("server {{ listen 8090; location / {{ {text}; }} }}"));
        let pass = &model.locations[0].handling.passes[0];
        assert_eq!(pass.protocol, protocol);
        assert!(matches!(&pass.target, Target::Unix { .. }), "{text}");
    }
}

#[test]
fn what_nginx_refuses_of_single_directives() {
    refused("servr_name x; server { }", FaultKind::UnknownDirective);
    refused("server { listen 8090; prox_pass http://x; }", FaultKind::UnknownDirective);
    refused("location / { }", FaultKind::NotAllowedHere);
    refused("server { listen 8090; proxy_pass http://127.0.0.1; }", FaultKind::NotAllowedHere);
    refused("server { listen 8090; root /a /b; }", FaultKind::ArgumentCount);
    refused("server { listen 8090; location / ; }", FaultKind::NoBlock);
    refused("server { listen 8090; root /x { } }", FaultKind::NotTerminated);
    refused("server { listen 8090; proxy_buffering yes; }", FaultKind::InvalidValue);
    refused("server { listen 8090; root /a; root /b; }", FaultKind::DuplicateDirective);
    refused("server { listen 8090; location == /a { } }", FaultKind::InvalidLocation);
    refused("server { listen 8090; location /a { location /b { } } }", FaultKind::InvalidLocation);
    for text in [
        "proxy_pass http://;",
        "proxy_pass http://127.0.0.1:99999;",
        "proxy_pass http://unix:;",
        "uwsgi_pass 127.0.0.1;",
        "grpc_pass 127.0.0.1;",
        "fastcgi_pass 127.0.0.1;",
    ] {
        let text = format!("server {{ listen 8090; location / {{ {text} }} }}");
        refused(&text, FaultKind::InvalidPass);
    }
    refused("upstream u { server 127.0.0.1:1 weight=0; }", FaultKind::InvalidPeer);
    refused("server { listen foo:x; }", FaultKind::InvalidListen);
    refused(
        "server { listen 8090; location ~ ^/a { location /a/b { } } }",
        FaultKind::InvalidLocation,
    );
    taken(
        "server { listen 8090; location ~ ^/a { location ~ b { } } location @a { } location @a { } }",
    );
    taken("upstream u { server 127.0.0.1:1; server 127.0.0.1:2 backup; ip_hash; }");
    let model = site("location / { proxy_set_header Host $host\n proxy_pass http://x; }");
    assert_eq!(kinds(&model), [FaultKind::ArgumentCount]);
    assert!(model.faults[0].message.ends_with("a \";\" is missing before the next line"));
    // A module's directive is not judged, nor is one of a later nginx.
    assert!(site("brotli on; more_set_headers X; http2 on;").faults.is_empty());
}

#[test]
fn parts_of_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.conf");
    let text = "location /a { include proxy_params; proxy_pass http://{{ host }}; }\n\
                location /b { proxy_pass http://${BACKEND}; }";
    std::fs::write(&path, text).unwrap();
    let host = FilesHost::new(directory.path().into(), std::slice::from_ref(&path)).unwrap();
    let sources = Sources::new(&host);
    let model = Model::new(load_fragments(&sources, &[path]).unwrap());
    assert!(model.faults.is_empty(), "{:?}", model.faults);
    assert_eq!(model.servers.len(), 1);
    assert!(model.servers[0].addresses().is_empty());
    assert!(model.locations.iter().all(|l| l.handling.passes[0].target == Target::Unknown));
    assert!(matches!(model.config.not_read[0].reason, NotReadReason::Host(_)));
    let headers = |index: usize| {
        model.effective(Place::Location(model.locations[index].id), "proxy_set_header")
    };
    assert!(headers(0).incomplete);
    assert!(!headers(1).incomplete);
}

/// Real files are not suspected of what nginx would take. Those named here nginx 1.22 refuses
/// too, or they are no files of nginx.
#[test]
fn real_files_raise_no_false_alarm() {
    let Ok(files) = std::fs::read_dir("../shared/corpus/nginx") else {
        eprintln!("SKIPPED: the corpus of real nginx files is not here");
        return;
    };
    let mut accused = Vec::new();
    for file in files {
        let path = file.unwrap().path();
        let mut host = MemoryHost::new();
        host.file("/x.conf", std::fs::read(&path).unwrap());
        let sources = Sources::new(&host);
        let model = Model::new(load_fragments(&sources, &[PathBuf::from("/x.conf")]).unwrap());
        if model.faults.iter().any(|fault| fault.kind.is_fatal()) {
            accused.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    accused.sort();
    let known = [
        "named.conf",
        "elgg_nginx.conf",
        "itmo-graph-task__nginx_site.conf",
        // They use a log format that nothing defines.
        "server_blocks_catchall.conf",
        "server_blocks_two.conf",
    ];
    let unknown: Vec<_> =
        accused.iter().filter(|name| !known.iter().any(|known| name.ends_with(known))).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(accused.len(), known.len(), "{accused:?}");
}

#[test]
fn several_fragments_do_not_mix() {
    let mut host = MemoryHost::new();
    host.file("/a.conf", "proxy_set_header X-A a; proxy_pass http://unix:/run/a.sock;");
    host.file("/b.conf", "server { listen 80; location / { proxy_pass http://b; } }");
    let sources = Sources::new(&host);
    let paths = [PathBuf::from("/a.conf"), PathBuf::from("/b.conf")];
    let model = Model::new(load_fragments(&sources, &paths).unwrap());
    assert!(model.faults.is_empty(), "{:?}", model.faults);
    let headers = model.effective(Place::Location(model.locations[0].id), "proxy_set_header");
    assert!(headers.directives.is_empty() && headers.incomplete);
    let bare = &model.servers[0];
    assert!(bare.directive.is_none() && bare.handling.passes.len() == 1);
}

/// Asked of every location, what was not included is looked for each time.
#[test]
fn ten_thousand_includes_that_are_not_read_take_no_quadratic_time() {
    let location = |number: usize| {
        format!("location /{number} {{ include {{{{ more }}}}; proxy_pass http://a; }}\n")
    };
    let text: String = (0..10_000).map(location).collect();
    let model = site(&text);
    assert_eq!(model.config.not_read.len(), 10_000);
    let began = std::time::Instant::now();
    for location in &model.locations {
        for name in ["root", "proxy_read_timeout", "proxy_buffering", "add_header", "gzip"] {
            assert!(model.effective(Place::Location(location.id), name).incomplete);
        }
    }
    // With a look at each of them for each of these it took minutes.
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn sizes_of_buffers_that_nginx_refuses_together() {
    for lines in [
        "proxy_buffer_size 128k;",
        "proxy_buffer_size 16k;",
        "proxy_buffers 4 32k; proxy_busy_buffers_size 128k;",
        "proxy_buffers 4 32k; proxy_busy_buffers_size 16k;",
        "proxy_buffers 2 4k;",
        "fastcgi_buffer_size 32k;",
    ] {
        refused(&format!("server {{ location / {{ {lines} }} }}"), FaultKind::BufferSizes);
        refused(&format!("{lines} server {{ listen 8090; }}"), FaultKind::BufferSizes);
    }
    for lines in [
        "proxy_buffer_size 8k;",
        "proxy_buffer_size 128k; proxy_buffers 4 256k;",
        "proxy_buffer_size 128k; proxy_buffers 4 256k; proxy_busy_buffers_size 256k;",
        "proxy_buffers 8 16k;",
    ] {
        taken(&format!("server {{ location / {{ {lines} }} }}"));
        taken(&format!("{lines} server {{ listen 8090; }}"));
    }
    // What holds is what counts, wherever it stands.
    taken("proxy_buffer_size 128k; server { proxy_buffers 4 256k; }");
}

#[test]
fn conditions_as_nginx_reads_them() {
    for condition in [
        "($request_method= POST)",
        "($host =example.com)",
        "($host = a b)",
        "(!$host)",
        "$host = a",
        "($host = a",
        "($host == a)",
    ] {
        let text = format!("server {{ if {condition} {{ return 403; }} }}");
        refused(&text, FaultKind::InvalidParameter);
    }
    for condition in [
        "($host)",
        "( $request_method = POST )",
        "($host != '')",
        "($http_user_agent ~* \"a b\")",
        "(-f $document_root/maintenance.html)",
        "(!-e $request_filename)",
    ] {
        taken(&format!("server {{ if {condition} {{ return 403; }} }}"));
    }
}

/// Held against `nginx -t`: 46 characters fit into a bucket of 64, 110 into one of 128; sizes are rounded up
/// to 64; a server that is alone on its address has no table of names.
#[test]
fn names_that_are_too_long_for_the_table_of_names() {
    let servers = |length: usize, bucket: &str, others: &str| {
        let name = format!("{}.com", "a".repeat(length - 4));
        format!("{bucket} server {{ listen 8090; server_name {name}; }} {others}")
    };
    let beside = "server { listen 8090; }";
    for (length, bucket) in [
        (47, ""),
        (47, "server_names_hash_bucket_size 32;"),
        (111, "server_names_hash_bucket_size 128;"),
    ] {
        refused(&servers(length, bucket, beside), FaultKind::NamesHash);
    }
    for (length, bucket, others) in [
        (46, "", beside),
        (47, "server_names_hash_bucket_size 65;", beside),
        (110, "server_names_hash_bucket_size 128;", beside),
        (47, "", ""),
        (47, "", "server { listen 8091; }"),
    ] {
        taken(&servers(length, bucket, others));
    }
}
