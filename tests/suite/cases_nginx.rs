//! The rules of nginx beyond their own examples: includes, templates, files given by themselves,
//! and nginx itself as the judge of what it refuses.

use crate::support;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::case::{Case, Seen};
use deploy_doctor::facts::Given;
use deploy_doctor::rule::{self, ExampleKind, Severity};
use deploy_doctor::rules;

const SITE: &str = "/etc/nginx/sites-available/myapp";
/// The path under which the site is read.
const ENABLED: &str = "/etc/nginx/sites-enabled/myapp";
const UNIT: &str = "/etc/systemd/system/myapp.service";
const HEADERS: &str = "proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
";

/// The healthy site with this in its `location /`, and this beside it.
fn site(pass: &str, beside: &str) -> String {
    format!(
        "server {{\nlisten 80 default_server;\nserver_name example.com;\n{beside}\nlocation / {{\n\
         {pass}\n{HEADERS}}}\n}}\n"
    )
}

fn with_site(text: &str) -> Seen {
    Case::healthy().file(SITE, text).check()
}

// N301

#[test]
fn the_nearest_peer_is_named() {
    for (nginx, bind, near) in [
        ("http://unix:/run/gunicorn.sock", "unix:/run/myapp/gunicorn.sock", true),
        ("http://unix:/run/myapp/app.sock", "unix:/run/myapp/gunicorn.sock", true),
        ("http://unix:/tmp/myapp.sock", "unix:/run/myapp/gunicorn.sock", true),
        ("http://127.0.0.1:8000", "unix:/run/myapp/gunicorn.sock", true),
        ("http://127.0.0.1:8000", "127.0.0.1:8001", true),
        ("http://10.0.0.7:8001", "127.0.0.1:8001", true),
        // Somebody else's: no site mentions the application, which is another rule's.
        ("http://unix:/run/other/gunicorn.sock", "unix:/run/myapp/gunicorn.sock", false),
        ("http://127.0.0.1:3000", "unix:/run/myapp/gunicorn.sock", false),
        ("http://grafana.internal:3000", "127.0.0.1:8000", false),
    ] {
        let seen = Case::healthy()
            .file(SITE, site(&format!("proxy_pass {nginx};"), ""))
            .replace(UNIT, "unix:/run/myapp/gunicorn.sock", bind)
            .check();
        if near {
            let to = nginx.trim_start_matches("http://");
            let hit = seen.only("N301");
            hit.at(ENABLED, 6).says(to).says(bind).also_at(UNIT, 16);
            assert_eq!(hit.app.as_deref(), Some("myapp.service"));
        } else {
            seen.passes("N301");
        }
    }
}

#[test]
fn a_mismatch_is_not_guessed() {
    // What a variable holds, and whether a name is this machine, files do not tell.
    with_site(&site("proxy_pass http://$backend;", "")).skipped("N301");
    Case::healthy()
        .file(SITE, site("proxy_pass http://app.internal:8000;", ""))
        .replace(UNIT, "unix:/run/myapp/gunicorn.sock", "0.0.0.0:8000")
        .check()
        .skipped("N301");
    let given = || Given {
        units: vec!["/repo/myapp.service".into()],
        nginx: vec!["/repo/site.conf".into()],
        ..Given::default()
    };
    let unit = |bind: &str| {
        format!("[Service]\nUser=www-data\nExecStart=/venv/bin/gunicorn -w 3 -b {bind} wsgi:app\n")
    };
    let case = |bind: &str| {
        Case::empty()
            .file("/repo/myapp.service", unit(bind))
            .file(
                "/repo/site.conf",
                site("proxy_pass http://unix:/run/myapp.sock;\ninclude proxy_params;", ""),
            )
            .check_files(given())
    };
    case("unix:/run/{{ name }}.sock").skipped("N301");
    case("unix:/run/myapp.sock").passes("N301");
    case("unix:/run/myapp/myapp.sock").only("N301").at("/repo/site.conf", 6);
}

#[test]
fn a_socket_unit_counts_as_the_bind() {
    let socket = "[Socket]\nListenStream=/run/other.sock\n[Install]\nWantedBy=sockets.target\n";
    let seen = Case::healthy().file("/etc/systemd/system/myapp.socket", socket).check();
    seen.only("N301").says("/run/other.sock").also_at("/etc/systemd/system/myapp.socket", 2);
}

// N303, N304

#[test]
fn headers_come_from_includes_too() {
    let include = "server {\nlisten 80 default_server;\nserver_name example.com;\nlocation / {\n\
                   include proxy_params;\nproxy_pass http://unix:/run/myapp/gunicorn.sock;\n}\n}\n";
    let case = || Case::healthy().file(SITE, include);
    case().file("/etc/nginx/proxy_params", HEADERS).check().passes("N303");
    case().file("/etc/nginx/proxy_params", HEADERS.replace('\n', "\r\n")).check().passes("N303");
    let seen =
        case().file("/etc/nginx/proxy_params", "proxy_set_header Host $http_host;\n").check();
    let hit = seen.only("N303");
    hit.at(ENABLED, 6).says("X-Forwarded-For, X-Forwarded-Proto").is(Severity::Warning);
    assert!(!hit.message.contains("Host"), "{hit:#?}");
    // Of a file alone, the include may set all of them.
    Case::nginx(include).skipped("N303");
}

#[test]
fn an_emptied_header_and_nginxs_own_are_not_set() {
    let headers = "proxy_set_header Host $proxy_host;\nproxy_set_header X-Forwarded-For \"\";\n\
                   proxy_set_header X-Forwarded-Proto $scheme;";
    let text = format!(
        "server {{ listen 80; location / {{ proxy_pass http://127.0.0.1:8000; {headers} }} }}"
    );
    Case::nginx(&text).only("N303").says("does not set Host, X-Forwarded-For");
}

#[test]
fn other_applications_headers_are_their_own() {
    let grafana = "location /grafana/ { proxy_pass http://127.0.0.1:3000; }";
    let seen = with_site(&site("proxy_pass http://unix:/run/myapp/gunicorn.sock;", grafana));
    seen.passes("N303");
    let one = Case::nginx("server { location / { proxy_pass http://127.0.0.1:3000; } }");
    assert_eq!(one.only("N303").app, None);
}

#[test]
fn one_finding_for_many_locations() {
    let text = "upstream app { server 127.0.0.1:8000; }\nserver {\n\
                location /a { proxy_pass http://app; }\nlocation /b { proxy_pass http://app; }\n}\n";
    Case::nginx(text).only("N303").at("/repo/site.conf", 3).also_at("/repo/site.conf", 4);
}

#[test]
fn a_missing_header_is_added_where_the_others_stand() {
    let text = "server {\nproxy_set_header Host $host;\nproxy_set_header X-Forwarded-For $remote_addr;\n\
                location / { proxy_pass http://127.0.0.1:8000; }\n}\n";
    Case::nginx(text).only("N303").helps("other proxy_set_header lines of server");
}

#[test]
fn headers_lost_from_http_are_named_with_their_place() {
    let seen = Case::healthy()
        .replace(
            "/etc/nginx/nginx.conf",
            "sendfile on;",
            "proxy_set_header Host $host;\nproxy_set_header X-Forwarded-Proto $scheme;",
        )
        .replace(SITE, "proxy_set_header Host $host;\n", "")
        .check();
    let hit = seen.only("N304");
    hit.at(ENABLED, 16).says("without Host").also_at("/etc/nginx/nginx.conf", 10);
    assert!(hit.help.contains("proxy_set_header Host $host;"), "{hit:#?}");
    assert!(!hit.help.contains("Proto"), "it is set again: {hit:#?}");
    seen.passes("N303");
}

// N305

#[test]
fn each_malformed_pass_has_its_repair() {
    let group = "upstream app { server 127.0.0.1:8000; }\n";
    for (inner, says, helps) in [
        ("location / { proxy_pass unix:/run/a.sock; }", "http://", "http://unix:/run/a.sock;"),
        ("location / { proxy_pass app; }", "http://", "proxy_pass http://app;"),
        ("location / { proxy_pass http://app:8000/x; }", "port", "proxy_pass http://app/x;"),
        (
            "location /api/ { proxy_pass http://unix:/run/a.sock/v1/; }",
            "502",
            "http://unix:/run/a.sock:/v1/;",
        ),
        ("location ~ ^/a { proxy_pass http://app/x; }", "URI part", "proxy_pass http://app;"),
        (
            "location @a { proxy_pass http://unix:/run/a.sock:/; }",
            "URI part",
            "proxy_pass http://unix:/run/a.sock;",
        ),
        ("location / { proxy_pass https://unix:/run/a.sock; }", "TLS", "http://unix:/run/a.sock;"),
        ("location / { proxy_pass http://127.0.0.1:80x; }", "invalid port", "nginx -t"),
    ] {
        let seen = Case::nginx(&format!("{group}server {{ listen 80;\n{inner}\n}}"));
        seen.only("N305").at("/repo/site.conf", 3).says(says).helps(helps);
        seen.passes("N317");
    }
}

#[test]
fn https_is_wrong_only_without_a_certificate() {
    let text = site("proxy_pass https://unix:/run/myapp/gunicorn.sock;", "");
    let hit = with_site(&text);
    assert_eq!(hit.only("N305").app.as_deref(), Some("myapp.service"));
    Case::healthy()
        .file(SITE, &text)
        .replace(UNIT, "--workers 3", "--workers 3 --certfile /etc/a.pem --keyfile /etc/a.key")
        .check()
        .passes("N305");
    Case::nginx("server { location / { proxy_pass https://10.0.0.1:8443; } }").passes("N305");
    Case::nginx("server { location / { proxy_pass {{ url }}; } }").passes("N305");
}

// N306

#[test]
fn timeouts_come_from_any_level_and_any_file() {
    let slow = || {
        Case::healthy().replace(UNIT, "--workers 3", "--workers 3 -t 120").replace(
            SITE,
            "proxy_read_timeout 75s;",
            "",
        )
    };
    let seen = slow().check();
    seen.only("N306").at(ENABLED, 14).says("is 60 s").says("timeout is 120 s").also_at(UNIT, 14);
    let http = |time: &str| format!("proxy_read_timeout {time};");
    slow().replace("/etc/nginx/nginx.conf", "sendfile on;", &http("2m1s")).check().passes("N306");
    let equal = slow().replace("/etc/nginx/nginx.conf", "sendfile on;", &http("2m")).check();
    equal.only("N306").at("/etc/nginx/nginx.conf", 10).helps("proxy_read_timeout 125s;");
    // 0 is for ever; that is another rule's.
    let never = Case::healthy().replace(UNIT, "--workers 3", "--workers 3 --timeout=0");
    never.check().passes("N306");
    let file = Case::healthy()
        .file("/srv/myapp/releases/2026-04-21/gunicorn.conf.py", "timeout = 90\n")
        .check();
    file.only("N306").also_at("/srv/myapp/releases/2026-04-21/gunicorn.conf.py", 1);
}

// N307

#[test]
fn a_blackout_needs_two_peers_that_count() {
    let group = |servers: &str| {
        Case::nginx(&format!(
            "upstream app {{\n{servers}\n}}\nserver {{ location / {{ proxy_pass http://app;\n\
             {HEADERS} }} }}"
        ))
    };
    let two = group("server 127.0.0.1:8000;\nserver 127.0.0.1:8001;");
    two.only("N307").at("/repo/site.conf", 2).also_at("/repo/site.conf", 3).is(Severity::Error);
    group("server unix:/run/a.sock;\nserver 127.0.0.1:8001 down;").only("N307");
    group("server unix:/run/a.sock max_fails=3 fail_timeout=30s;\nserver 127.0.0.1:81 backup;")
        .only("N307")
        .says("30 s of 502")
        .says("3 failures");
    group("server 10.0.0.1:8000;\nserver 10.0.0.2:8000;").only("N307").is(Severity::Warning);
    // nginx compares whole seconds: fail_timeout=0 leaves a peer out for the rest of one.
    group("server unix:/run/a.sock fail_timeout=0;\nserver 127.0.0.1:81 backup fail_timeout=0s;")
        .only("N307")
        .says("up to 1 s of 502")
        .is(Severity::Info);
    for healthy in [
        "server unix:/run/a.sock;",
        "server unix:/run/a.sock weight=5;",
        "server unix:/run/a.sock max_fails=0;\nserver 127.0.0.1:81 backup;",
        "server app.internal:8000;",
        "server localhost:8000;",
    ] {
        group(healthy).passes("N307");
    }
    group("server unix:/run/a.sock;\ninclude /etc/nginx/peers/*.conf;").skipped("N307");
}

#[test]
fn localhost_is_two_peers_where_hosts_says_so() {
    let hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost # both\n";
    let case = |pass: &str, group: &str| {
        Case::healthy().file(SITE, format!("{group}{}", site(pass, ""))).replace(
            UNIT,
            "unix:/run/myapp/gunicorn.sock",
            "127.0.0.1:8000",
        )
    };
    let direct = || case("proxy_pass http://localhost:8000;", "");
    direct().check().passes("N307");
    let seen = direct().file("/etc/hosts", hosts).check();
    seen.only("N307").at(ENABLED, 6).helps("proxy_pass http://127.0.0.1:8000;");
    let group = "upstream app { server localhost:8000; }\n";
    let seen = case("proxy_pass http://app;", group).file("/etc/hosts", hosts).check();
    seen.only("N307").at(ENABLED, 1).says("2 peers");
    let one = "127.0.0.1 localhost\n";
    direct().file("/etc/hosts", one).check().passes("N307");
}

// N310

#[test]
fn a_name_may_be_a_host() {
    let pass = |name: &str| site(&format!("proxy_pass http://{name};"), "");
    let case = |name: &str| Case::healthy().file(SITE, pass(name));
    case("backend").check().only("N310").at(ENABLED, 6).says("backend");
    case("backend").file("/etc/hosts", "10.0.0.1 db backend\n").check().passes("N310");
    case("backend").file("/etc/resolv.conf", "search corp.example\n").check().passes("N310");
    case("backend").file("/etc/resolv.conf", "search .\n").check().only("N310");
    case("box").file("/etc/hostname", "box\n").check().passes("N310");
    for host in ["backend:8080", "backend.corp", "localhost", "127.0.0.1", "$backend", "__HOST__"] {
        case(host).check().passes("N310");
    }
    // A part of a configuration says nothing of groups in other files, unless it is a slip.
    Case::nginx("server { location / { proxy_pass http://app; } }").skipped("N310");
    let slip = "upstream app_server { server 127.0.0.1:8000; }\n\
                server { location / { proxy_pass http://app-server; } }";
    Case::nginx(slip).only("N310").at("/repo/site.conf", 2).helps("app_server");
}

// N312, N313

#[test]
fn static_directories_that_are_not_there_or_not_readable() {
    Case::healthy()
        .replace(SITE, "/srv/myapp/current/static/", "/srv/myapp/current/assets/")
        .check()
        .only("N312")
        .at(ENABLED, 10)
        .says("/srv/myapp/current/assets")
        .is(Severity::Warning);
    let closed = Case::healthy().own("/srv/myapp", 0o750, 1000, 1000).check();
    let hit = closed.only("N312");
    hit.at(ENABLED, 10).says("www-data").says("/srv/myapp").also_at("/etc/nginx/nginx.conf", 1);
    assert!(hit.evidence.iter().any(|text| text.contains("mode 0750")), "{hit:#?}");
    // In the group of nginx's user it is open.
    Case::healthy().own("/srv/myapp", 0o750, 1000, 33).check().passes("N312");
}

#[test]
fn roots_that_no_request_comes_to_may_be_missing() {
    let proxied = |extra: &str| {
        with_site(&site(
            "proxy_pass http://unix:/run/myapp/gunicorn.sock;",
            &format!("root /var/www/none;\n{extra}"),
        ))
    };
    proxied("").passes("N312");
    proxied("location /old/ { return 410; }").passes("N312");
    proxied("location = /favicon.ico { access_log off; }").only("N312").says("/var/www/none");
    // A file behind an exact location is not a directory.
    let text = "location = /robots.txt { alias /srv/myapp/current/wsgi.py; }";
    with_site(&site("proxy_pass http://unix:/run/myapp/gunicorn.sock;", text)).passes("N312");
}

#[test]
fn alias_traversal_is_seen_in_files_alone() {
    let seen = Case::nginx("server {\nlocation ^~ /static {\nalias /srv/app/static/;\n}\n}");
    seen.only("N312").at("/repo/site.conf", 2).is(Severity::Error).helps("location ^~ /static/ {");
    for healthy in [
        "location /static { alias /srv/app/static; }",
        "location = /static { alias /srv/app/static/; }",
        "location ~ ^/static { alias /srv/app/static/; }",
        "location {{ url }} { alias /srv/app/static/; }",
        "location /static { root /srv/app/; }",
    ] {
        Case::nginx(&format!("server {{ {healthy} }}")).passes("N312");
    }
}

#[test]
fn a_pinned_static_directory_is_seen_through_another_link_and_in_files() {
    let seen = Case::healthy()
        .link("/var/www", "/srv/myapp/releases/2026-04-14")
        .replace(SITE, "/srv/myapp/current/static/", "/var/www/static/")
        .check();
    let hit = seen.only("N313");
    hit.at(ENABLED, 10).says("2026-04-14").helps("alias /srv/myapp/current/static/;");
    let given = Given {
        units: vec!["/repo/myapp.service".into()],
        nginx: vec!["/repo/site.conf".into()],
        ..Given::default()
    };
    let unit = "[Service]\nWorkingDirectory=/srv/myapp/current\n\
                ExecStart=/venv/bin/gunicorn -b 127.0.0.1:8000 wsgi:app\n";
    let nginx = "server {\nlocation /s/ { alias /srv/myapp/releases/42/static/; }\n}\n";
    let case = Case::empty().file("/repo/myapp.service", unit).file("/repo/site.conf", nginx);
    case.check_files(given).only("N313").at("/repo/site.conf", 2).says("release 42");
}

// N314, N317

#[test]
fn includes_that_break() {
    let missing =
        Case::healthy().replace(SITE, "server_name", "include snippets/none.conf;\nserver_name");
    missing.check().only("N314").at(ENABLED, 7).says("No such file");
    let directory = Case::healthy().directory("/etc/nginx/sites-enabled/old.d");
    directory.check().only("N314").at("/etc/nginx/nginx.conf", 18).says("Is a directory");
    let seen =
        Case::healthy().link("/etc/nginx/sites-enabled/a", "../sites-available/gone").check();
    seen.only("N314").says("is a link to ../sites-available/gone");
    // nginx skips names that begin with a dot.
    let hidden = Case::healthy().link("/etc/nginx/sites-enabled/.a", "gone").check();
    hidden.passes("N314");
    Case::nginx("server { include snippets/none.conf; }").passes("N314");
}

#[test]
fn templates_are_not_judged_by_their_syntax() {
    let jinja =
        "server {\n{% if tls %}\nlisten 443 ssl;\n{% endif %}\nserver_name {{ name }};\n}\n";
    let seen = Case::nginx(jinja);
    assert!(seen.of("N317").is_empty(), "{seen:#?}");
    Case::nginx("server {\nlisten 80;\nserver_name {{ name }};\nlocation / { return 200 }\n}\n")
        .only("N317");
}

#[test]
fn duplicates_name_both_places() {
    let text = "server { listen 80 default_server; }\nserver { listen 80 default_server; }\n";
    let seen = Case::nginx(text);
    seen.only("N317")
        .at("/repo/site.conf", 2)
        .also_at("/repo/site.conf", 1)
        .says("duplicate default server");
    // CRLF is white space to nginx.
    Case::nginx("server {\r\n  listen 80;\r\n  location / { return 200; }\r\n}\r\n").passes("N317");
}

// N316

const PASS: &str = "proxy_pass http://127.0.0.1:8000;";

#[test]
fn sites_that_are_never_asked() {
    let app =
        |names: &str| format!("server {{\nlisten 80;\n{names}\nlocation / {{ {PASS} }}\n}}\n");
    let default = "server { listen 80 default_server; server_name _; root /var/www/html; }\n";
    let judge = |text: String| Case::nginx(&text);
    judge(format!("{default}{}", app("server_name _;"))).only("N316").at("/repo/site.conf", 4);
    judge(format!("{}{default}", app("")))
        .only("N316")
        .at("/repo/site.conf", 1)
        .is(Severity::Error);
    let both = format!("{default}{}{}", app(""), app("").replace("listen 80", "listen 81"))
        + "server { listen 81 default_server; return 444; }";
    let both = judge(both);
    let severities: Vec<Severity> = both.of("N316").iter().map(|hit| hit.severity).collect();
    assert_eq!(severities, [Severity::Error, Severity::Error], "{both:#?}");
    let half = format!("{default}{}{}", app(""), app("").replace("listen 80", "listen 81"));
    judge(half).only("N316").is(Severity::Warning);
    let local = judge(format!("{default}{}", app("server_name localhost;")));
    local.only("N316").is(Severity::Warning);
    for healthy in [
        app("server_name _;"),
        format!("{}server {{ listen 80; server_name b.example; return 404; }}\n", app("")),
        format!("{default}{}", app("server_name example.com;")),
        format!("{default}{}", app("server_name *.example.com;")),
        format!("{default}{}", app("server_name ~^app;")),
        format!("{default}{}", app("server_name {{ host }};")),
        format!("{default}{}", app("server_name _;").replace("listen 80", "listen 8080")),
    ] {
        judge(healthy).passes("N316");
    }
}

#[test]
fn a_name_that_an_earlier_server_has() {
    let app =
        format!("server {{\nlisten 80;\nserver_name a.example;\nlocation / {{ {PASS} }}\n}}\n");
    let other = "server { listen 80; server_name A.example; return 404; }\n";
    let seen = Case::nginx(&format!("{other}{app}"));
    seen.only("N316").at("/repo/site.conf", 4).also_at("/repo/site.conf", 1).is(Severity::Error);
    Case::nginx(&format!("{app}{other}")).passes("N316");
    // The same site twice still reaches the application.
    Case::nginx(&format!("{app}{app}")).only("N316").is(Severity::Warning);
    let tls = app.replace("listen 80;", "listen 80; listen 443 ssl;");
    Case::nginx(&format!("{other}{tls}")).only("N316").is(Severity::Warning);
}

#[test]
fn locations_that_are_never_reached() {
    let server = |locations: &str| Case::nginx(&format!("server {{ listen 80;\n{locations}\n}}"));
    let app = format!("{{ {PASS} }}");
    let dead = server(&format!("location / {app}\nlocation ~ ^/ {{ return 404; }}"));
    dead.only("N316").at("/repo/site.conf", 2).says("location ~ ^/").is(Severity::Error);
    server(&format!("location ^~ / {{ return 404; }}\nlocation ~ ^/api {app}")).only("N316");
    let twice = format!("location ~* ^/api {{ return 404; }}\nlocation ~ ^/api {app}");
    server(&twice).only("N316").at("/repo/site.conf", 3);
    server(&format!("location @app {app}")).only("N316").says("@app");
    let statics = server(&format!("location ~ ^/ {app}\nlocation /static/ {{ alias /srv/s/; }}"));
    statics.only("N316").at("/repo/site.conf", 3).is(Severity::Warning);
    for healthy in [
        format!("location / {app}\nlocation ~ \\.php$ {{ return 404; }}"),
        format!("location ~ ^/ {app}\nlocation ^~ /static/ {{ alias /srv/s/; }}"),
        format!("location ~ ^/api {{ return 404; }}\nlocation ~* ^/api {app}"),
        format!(
            "location ^~ / {{ return 404; }}\nlocation /x {{ return 404; }}\nlocation ~ y$ {app}"
        ),
        format!("error_page 404 = @app;\nlocation @app {app}"),
        format!("location / {{ try_files $uri @app; }}\nlocation @app {app}"),
    ] {
        server(&healthy).passes("N316");
    }
}

// nginx's own word

/// What `nginx -t` says of the healthy configuration with this site; none where there is no nginx.
fn nginx_test(changes: &[(&str, &str)]) -> Option<Result<(), String>> {
    let program = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];
    let Some(program) = program.iter().find(|path| Path::new(path).exists()) else {
        support::skip("there is no nginx to ask");
        return None;
    };
    let directory = tempfile::tempdir().unwrap();
    let top = directory.path();
    let mut files = vec![
        ("/etc/nginx/nginx.conf", fs::read_to_string(healthy("/etc/nginx/nginx.conf")).unwrap()),
        ("/etc/nginx/mime.types", "types { text/css css; }\n".to_owned()),
        ("/etc/nginx/sites-enabled/myapp", fs::read_to_string(healthy(SITE)).unwrap()),
    ];
    let mut links = Vec::new();
    for (path, text) in changes {
        let path = if *path == SITE { "/etc/nginx/sites-enabled/myapp" } else { path };
        match text.strip_prefix("-> ") {
            Some(target) => links.push((path, target)),
            None => files.push((path, (*text).to_owned())),
        }
    }
    for (path, text) in files {
        let path = top.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Nothing outside the directory is read, written or listened on.
        let inside = |name: &str| format!("{}{name}", top.display());
        let text = text
            .replace("/etc/nginx/", &inside("/etc/nginx/"))
            .replace("/var/log/nginx/", &inside("/"))
            .replace("/run/nginx.pid", &inside("/nginx.pid"))
            .replace("listen 80 ", "listen 127.0.0.1:18080 ")
            .replace("listen 80;", "listen 127.0.0.1:18080;")
            .replace("listen 443", "listen 127.0.0.1:18443");
        fs::write(path, text).unwrap();
    }
    for (path, target) in links {
        std::os::unix::fs::symlink(target, top.join(path.trim_start_matches('/'))).unwrap();
    }
    let output = Command::new(program)
        .args(["-t", "-e"])
        .arg(top.join("error.log"))
        .arg("-p")
        .arg(top)
        .arg("-c")
        .arg(top.join("etc/nginx/nginx.conf"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(said) })
}

fn healthy(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/healthy")
        .join(path.trim_start_matches('/'))
}

/// nginx and the rule agree on one site.
#[track_caller]
fn agree(code: &str, path: &str, text: &str, refused: bool) {
    let Some(said) = nginx_test(&[(path, text)]) else { return };
    assert_eq!(said.is_err(), refused, "{code}: nginx says {said:?} of\n{text}");
    let case = match text.strip_prefix("-> ") {
        Some(target) => Case::healthy().link(path, target),
        None => Case::healthy().file(path, text),
    };
    let seen = case.check();
    assert_eq!(!seen.of(code).is_empty(), refused, "{code} on\n{text}\n{seen:#?}");
}

#[test]
fn nginx_itself_is_content_with_the_healthy_deployment() {
    if let Some(said) = nginx_test(&[]) {
        assert_eq!(said, Ok(()));
    }
}

#[test]
fn nginx_refuses_what_the_examples_say_it_refuses() {
    let mut count = 0;
    for rule in rules::all().iter().filter(|rule| matches!(rule.code, "N310" | "N317")) {
        for example in rule::examples(rule) {
            let path = example.file().unwrap_or(SITE).to_owned();
            let bad = example.kind == ExampleKind::Bad;
            // nginx asks a resolver for other names.
            let text = example.text.replace("search.internal", "127.0.0.1");
            agree(rule.code, &path, &text, bad);
            count += 1;
        }
    }
    assert!(count >= 6, "only {count} examples");
    agree("N314", "/etc/nginx/sites-enabled/old", "-> ../sites-available/old", true);
}

#[test]
fn nginx_and_the_rules_agree_on_malformed_passes() {
    let group = "upstream app { server 127.0.0.1:8000; }\n";
    for (location, refused) in [
        ("location / { proxy_pass unix:/run/a.sock; }", true),
        ("location / { proxy_pass app; }", true),
        ("location / { proxy_pass http://app:8000; }", true),
        ("location ~ ^/a { proxy_pass http://app/x; }", true),
        ("location @a { proxy_pass http://app/; }", true),
        ("location / { if ($arg_x) { proxy_pass http://app/; } }", true),
        ("location / { proxy_pass http://127.0.0.1:80x; }", true),
        ("location / { proxy_pass http://unix:/run/a.sock:/x/; }", false),
        ("location / { proxy_pass http://APP/x/; }", false),
        ("location ~ ^/a { proxy_pass http://app; }", false),
    ] {
        agree("N305", SITE, &format!("{group}server {{ listen 80; {location} }}\n"), refused);
    }
}

/// `/app/x` becomes `/appx`, or `//x`.
#[test]
fn a_slash_on_one_side_alone_is_told() {
    let told = |location: &str, uri: &str| {
        let site = site(&format!("proxy_pass http://unix:/run/myapp/gunicorn.sock{uri};"), "");
        let site = site.replace("location / {", &format!("location {location} {{"));
        let seen = Case::healthy().file(SITE, site).check();
        seen.of("N305").iter().map(|one| one.message.clone()).collect::<Vec<_>>()
    };
    assert!(told("/", ":/api")[0].ends_with("/x becomes /apix"), "{:?}", told("/", ":/api"));
    assert!(told("/app/", ":/app")[0].ends_with("/app/x becomes /appx"));
    assert!(told("/app", ":/")[0].ends_with("/app/x becomes //x"));
    for (location, uri) in [
        ("/", ""),
        ("/", ":/"),
        ("/app/", ":/"),
        ("/app", ":/v1"),
        ("/img_", ":/images/"),
        ("= /app", ":/"),
        ("/app", ":/?a=b"),
        ("/app", ""),
    ] {
        assert_eq!(told(location, uri), Vec::<String>::new(), "{location} {uri}");
    }
}

#[test]
fn nginx_and_the_rules_agree_on_what_is_refused() {
    let server = |inner: &str| format!("server {{ listen 80; {inner}\n}}\n");
    for (text, refused) in [
        (server("location / { return 200 }"), true),
        (server("location /a { } location /a { }"), true),
        (server("location /a { } location = /a { }"), false),
        (server("listen 80;"), true),
        (server("proxy_read_timout 5s;"), true),
        (server("server { }"), true),
        (server("sendfile maybe;"), true),
        (server("root /a; root /b;"), true),
        (server("location ~ ^/a{2}$ { }"), true),
        (server("location \"a\"b { }"), true),
        (server("location /a { location /b { } }"), true),
        ("upstream a { }\n".into(), true),
        ("upstream a { server 127.0.0.1:1 backup; }\n".into(), true),
        ("upstream a { server 127.0.0.1:1; }\nupstream A { server 127.0.0.1:2; }\n".into(), true),
        ("upstream a { server http://127.0.0.1:1; }\n".into(), true),
        ("upstream a { server /run/a.sock; }\n".into(), true),
        ("upstream a { ip_hash; server 127.0.0.1:1; server 127.0.0.1:2 backup; }\n".into(), true),
        ("upstream a { server 127.0.0.1:1 down; }\n".into(), false),
        ("upstream a { server unix:///run/a.sock; }\n".into(), false),
        (
            "server { listen 80 default_server; }\nserver { listen 80 default_server; }\n".into(),
            true,
        ),
        (server("return 200 '# {a;b}';# a comment"), false),
        ("server { listen 80;".into(), true),
    ] {
        agree("N317", SITE, &text, refused);
    }
}

/// One line of a server or a location, judged by nginx and by the rule.
#[test]
fn nginx_and_the_rule_agree_on_names_values_and_patterns() {
    let here = |line: &str, refused: bool| {
        let text = format!(
            "limit_req_zone $binary_remote_addr zone=one:1m rate=9r/s;\n\
             limit_conn_zone $binary_remote_addr zone=two:1m;\n\
             log_format short '$remote_addr $status';\n\
             map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}\n\
             server {{\n    listen 81;\n    server_name a.example.com;\n    {line}\n}}\n"
        );
        agree("N317", SITE, &text, refused);
    };
    for line in [
        "location /a { limit_req zone=one; limit_conn two 9; return 200 $connection_upgrade; }",
        "location ~ ^/u/(?<user>[a-z]+)$ { return 200 \"$user $1 $arg_x $cookie_y $http_z\"; }",
        "set $mine a; location /a { return 200 ${mine}b; }",
        "access_log /dev/null short buffer=4k; access_log off;",
        "access_log /dev/null combined if=$loggable; set $loggable 1;",
        "location /a { rewrite ^/(a|b)$ /$1 last; }",
        "location ~* \\.(?:css|js)$ { expires 1d; }",
        "location ~ \"^/[[:alpha:]_]{2,}$\" { return 444; }",
        "location /a { return https://$host$request_uri; }",
        "location /a { return 301 https://$host$request_uri; }",
        "location /a { proxy_next_upstream error timeout http_502; proxy_pass http://127.0.0.1:1; }",
        "satisfy any; keepalive_requests 100; server_tokens off;",
        "error_log /dev/null warn;",
    ] {
        here(line, false);
    }
    for line in [
        "location /a { return 200 $htpp_host; }",
        "location /a { return 200 $requset_uri; }",
        "location /a { proxy_pass http://127.0.0.1:1; proxy_set_header X-A $proxy_add_x_forwarded_fro; }",
        "location /a { return 200 $connection_upgarde; }",
        "location /a { limit_req zone=ono; }",
        "location /a { limit_req zone=other; }",
        "location /a { limit_conn tow 9; }",
        "access_log /dev/null main;",
        "access_log /dev/null shrot;",
        "location /a { proxy_cache mine; proxy_pass http://127.0.0.1:1; }",
        "location ~ *.php$ { return 404; }",
        "location ~ ^/(a|b { return 404; }",
        "location ~ ^/a) { return 404; }",
        "location ~ [a-z { return 404; }",
        "location /a { rewrite ^/(.*$ /x last; }",
        "location /a { rewrite ^ /x lastt; }",
        "location /a { return permanent; }",
        "location /a { proxy_next_upstream errors; proxy_pass http://127.0.0.1:1; }",
        "satisfy some;",
        "keepalive_requests many;",
        "error_log /dev/null warning;",
        "server_name ~^(a;",
    ] {
        here(line, true);
    }
}

/// A certificate that no listen on 443 uses.
#[test]
fn https_clients_are_not_answered_in_plain_text_unnoticed() {
    let site = |listen: &str, more: &str| {
        format!(
            "server {{\n    {listen}\n    server_name example.com;\n    ssl_certificate /etc/ssl/a.pem;\n    \
             ssl_certificate_key /etc/ssl/a.key;\n    location / {{ return 204; }}\n}}\n{more}"
        )
    };
    let plain = |text: String| {
        let seen = Case::nginx(&text);
        let found = seen.of("N325");
        found.iter().any(|finding| finding.message.contains("plain HTTP on"))
    };
    assert!(plain(site("listen 443;", "")));
    assert!(plain(site("listen 443 ssl; listen [::]:443;", "")));
    for healthy in ["listen 443 ssl;", "listen 80;", "listen 443 proxy_protocol;", "listen 8443;"] {
        assert!(!plain(site(healthy, "")), "{healthy}");
    }
    // One server of an address makes it TLS for all of them.
    let other = "server { listen 443 ssl; server_name b.example.com; return 204; }\n";
    assert!(!plain(site("listen 443;", other)));
    assert!(!plain(site("listen 443; ssl on;", "")));
}

/// gunicorn speaks uwsgi where it is told to, since 24.1.
#[test]
fn another_protocol_than_http_is_a_502() {
    let site = "server {\n    listen 80 default_server;\n    server_name example.com;\n    location / {\n        \
                uwsgi_pass unix:/run/myapp/gunicorn.sock;\n    }\n}\n";
    Case::healthy().file(SITE, site).check().only("N305");
}

/// A site over TLS, and the server on port 80 that leads there.
const BOTH: &str = "server {\n    listen 80;\n    server_name example.com;\n    RETURN\n    location / { proxy_pass \
    http://unix:/run/myapp/gunicorn.sock; proxy_set_header Host $host; proxy_set_header X-Forwarded-For \
    $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; }\n}\nserver {\n    listen 8443;\n    \
    server_name example.com;\n    location / { proxy_pass http://unix:/run/myapp/gunicorn.sock; proxy_set_header Host \
    $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; \
    }\n}\n";

#[test]
fn a_way_from_http_to_https_takes_nothing_from_the_application() {
    let seen = |line: &str| Case::healthy().file(SITE, BOTH.replace("RETURN", line)).check();
    seen("return 301 https://$host$request_uri;").passes("N316");
    seen("return https://$host$request_uri;").passes("N316");
    // Who asks on port 80 gets nothing but this.
    seen("return 404;").only("N316").is(Severity::Warning);
}

/// In plain HTTP alone the scheme is right unless a client lies; a public site of others is nobody's
/// application.
#[test]
fn only_a_scheme_that_is_wrong_is_a_warning() {
    let site = |listen: &str, pass: &str| {
        format!(
            "server {{\n    listen {listen};\n    server_name example.com;\n    location / {{\n        proxy_pass \
             {pass};\n        proxy_set_header Host $host;\n        proxy_set_header X-Forwarded-For \
             $proxy_add_x_forwarded_for;\n    }}\n}}\n"
        )
    };
    let local = "http://127.0.0.1:8000";
    Case::nginx(&site("80", local)).only("N303").is(Severity::Info).says("claim");
    Case::nginx(&site("443 ssl", local)).only("N303").is(Severity::Warning).says("wrong scheme");
    Case::nginx(&site("443 ssl", "https://backend.internal")).only("N303");
    Case::nginx(&site("443 ssl", "https://stats.example.org/js")).passes("N303");
}

#[test]
fn a_variable_that_nothing_brings() {
    let dpkg = |version: &str| {
        format!("Package: nginx\nStatus: install ok installed\nVersion: {version}\n")
    };
    let of = |more: &str, version: &str| {
        let uses = format!("proxy_set_header X-Mine $nosuch;\n{more}");
        let case = Case::healthy().replace(SITE, "proxy_read_timeout 75s;", &uses);
        case.file("/var/lib/dpkg/status", dpkg(version))
    };
    of("", "1.22.1-9").check().only("N317").says("unknown \"nosuch\" variable");
    // A newer nginx may have it, and so may a module of others.
    of("", "9.0.0-1").check().skipped("N317");
    assert!(of("brotli on;", "1.22.1-9").check().of("N317").is_empty());
    let main = "/etc/nginx/nginx.conf";
    let module = |name: &str| {
        let line = format!("load_module modules/{name}.so;\nuser www-data;");
        of("", "1.22.1-9").replace(main, "user www-data;", &line).check()
    };
    assert!(module("ngx_http_echo_module").of("N317").is_empty());
    module("ngx_stream_module").only("N317");
}
