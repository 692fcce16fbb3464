//! What the fixes of the rules on nginx make of its configuration, form by form.

use case::Case;
use deploy_doctor::facts::Given;
use fix::{DROP_IN, Repair, SITE, is_manual};

use crate::support::case;
use crate::support::fix;

const SOCKET: &str = "unix:/run/myapp/gunicorn.sock";
const HEADERS: &str = "proxy_set_header Host $host; proxy_set_header X-Forwarded-For \
                       $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;";

/// The healthy deployment with this site.
fn site(text: &str) -> Case {
    Case::healthy().file(SITE, text)
}

/// A server with these lines in it.
fn server(lines: &str) -> String {
    format!("server {{\n    listen 80 default_server;\n    server_name example.com;\n{lines}}}\n")
}

/// A server with one location, with all headers.
fn location(lines: &str) -> String {
    server(&format!("    location / {{ {HEADERS}\n{lines}    }}\n"))
}

/// The fix of one rule makes the one site of the other, wherever units' changes go.
#[track_caller]
fn makes(code: &str, from: &str, to: &str) {
    fixed(site(from), code, to);
}

#[track_caller]
fn fixed(case: Case, code: &str, to: &str) {
    let repair = Repair::of(case).rule(code);
    repair.in_place().only(&[(SITE, to)]);
    repair.drop_in().only(&[(SITE, to)]);
}

/// gunicorn on another socket.
fn bound(bind: &str, text: &str) -> Case {
    let lines = format!(
        "[Service]\nExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn -w 3 --chdir \
         /srv/myapp/current --bind {bind} wsgi:app\n"
    );
    site(text).file(DROP_IN, lines)
}

#[test]
fn every_peer_that_is_wrong_leads_to_gunicorn() {
    for (from, to) in [
        ("http://unix:/run/myapp.sock", "http://unix:/run/myapp/gunicorn.sock"),
        ("http://unix:/run/myapp.sock:", "http://unix:/run/myapp/gunicorn.sock"),
        ("http://unix:/run/myapp.sock:/", "http://unix:/run/myapp/gunicorn.sock:/"),
        ("\"http://unix:/run/myapp.sock:/api/\"", "\"http://unix:/run/myapp/gunicorn.sock:/api/\""),
        ("http://127.0.0.1:8000", "http://unix:/run/myapp/gunicorn.sock"),
        ("http://127.0.0.1:8000/api/", "http://unix:/run/myapp/gunicorn.sock:/api/"),
    ] {
        let text = |url: &str| location(&format!("\tproxy_pass  {url} ; # app\n"));
        makes("N301", &text(from), &text(to));
    }
    for (from, to) in [
        ("unix:/run/myapp.sock", SOCKET),
        ("unix:/run/myapp.sock fail_timeout=0", &format!("{SOCKET} fail_timeout=0")),
        ("'unix:/run/myapp.sock' max_fails=0", &format!("'{SOCKET}' max_fails=0")),
        ("localhost:8000", SOCKET),
    ] {
        let text = |peer: &str| {
            let up = format!("upstream myapp {{ server {peer}; }}\r\n");
            up + &location("proxy_pass http://myapp;\r\n")
        };
        makes("N301", &text(from), &text(to));
    }
    // Two places, of which each is as wrong as the other.
    let text = |url: &str| {
        server(&format!(
            "    location / {{ proxy_pass {url}; {HEADERS} }}\n    location /api/ {{ proxy_pass \
             {url}; {HEADERS} }}\n"
        ))
    };
    makes("N301", &text("http://unix:/run/myapp.sock"), &text(&format!("http://{SOCKET}")));
}

#[test]
fn nginx_connects_to_an_address_and_not_to_all_of_them() {
    let text = |url: &str| location(&format!("proxy_pass {url};\n"));
    for (bind, to) in [
        ("0.0.0.0:8001", "127.0.0.1:8001"),
        ("localhost:8001", "127.0.0.1:8001"),
        ("[::]:8001", "127.0.0.1:8001"),
        ("[::1]:8001", "[::1]:8001"),
        ("10.0.0.5:8001", "10.0.0.5:8001"),
    ] {
        let case = bound(bind, &text("http://127.0.0.1:8000/x"));
        fixed(case, "N301", &text(&format!("http://{to}/x")));
    }
}

#[test]
fn a_peer_in_a_variable_is_left_to_its_reader() {
    let text = "set $app http://unix:/run/myapp.sock;\n proxy_pass $app;\n";
    is_manual(site(&location(text)), "N301");
    let text = location("proxy_pass http://unix:/run/myapp.sock:/a;\n");
    is_manual(bound("'unix:/run/my app/g.sock'", &text), "N301");
}

#[test]
fn what_a_wrong_peer_hid_is_mended_with_it() {
    let text = server("    location / {\n\tproxy_pass http://unix:/run/myapp.sock;\n    }\n");
    let after = server(
        "    location / {\n\tproxy_pass http://unix:/run/myapp/gunicorn.sock;\n\tproxy_set_header \
         Host $host;\n\tproxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
         \tproxy_set_header X-Forwarded-Proto $scheme;\n    }\n",
    );
    Repair::of(site(&text)).in_place().only(&[(SITE, &after)]);
}

#[test]
fn missing_headers_stand_behind_the_others_of_their_level() {
    let host = "proxy_set_header Host $host;";
    let client = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
    let scheme = "proxy_set_header X-Forwarded-Proto $scheme;";
    let pass = "proxy_pass http://unix:/run/myapp/gunicorn.sock;";
    for (from, to) in [
        // Right behind proxy_pass where there is none.
        (
            format!("    location / {{\n\t{pass} # app\n\tclient_max_body_size 1m;\n    }}\n"),
            format!(
                "    location / {{\n\t{pass} # app\n\t{host}\n\t{client}\n\t{scheme}\n\t\
                 client_max_body_size 1m;\n    }}\n"
            ),
        ),
        // One line stays one line.
        (
            format!("    location / {{ {pass} }}\n"),
            format!("    location / {{ {pass} {host} {client} {scheme} }}\n"),
        ),
        // Behind the last one of the location.
        (
            format!("    location / {{\n\t{host}\n\t{client}\n\n\t{pass}\n    }}\n"),
            format!("    location / {{\n\t{host}\n\t{client}\n\t{scheme}\n\n\t{pass}\n    }}\n"),
        ),
        // Where all come from the server, there.
        (
            format!("    {host}\n    {client}\n    location / {{ {pass} }}\n"),
            format!("    {host}\n    {client}\n    {scheme}\n    location / {{ {pass} }}\n"),
        ),
        // Two locations, one place; and two locations, two places.
        (
            format!(
                "    {host}\n    {scheme}\n    location / {{ {pass} }}\n    location /a {{ {pass} \
                 }}\n"
            ),
            format!(
                "    {host}\n    {scheme}\n    {client}\n    location / {{ {pass} }}\n    location \
                 /a {{ {pass} }}\n"
            ),
        ),
        (
            format!(
                "    location / {{ {host} {scheme} {pass} }}\n    location /a {{\n      {host}\n      \
                 {scheme}\n      {pass}\n    }}\n"
            ),
            format!(
                "    location / {{ {host} {scheme} {client} {pass} }}\n    location /a {{\n      \
                 {host}\n      {scheme}\n      {client}\n      {pass}\n    }}\n"
            ),
        ),
        // nginx takes none in `if`.
        (
            format!("    location / {{\n\t{pass}\n\tif ($arg_a) {{ {pass} }}\n    }}\n"),
            format!(
                "    location / {{\n\t{pass}\n\t{host}\n\t{client}\n\t{scheme}\n\tif ($arg_a) {{ \
                 {pass} }}\n    }}\n"
            ),
        ),
        (
            format!("    location / {{\n\tif ($arg_a) {{ {pass} }}\n    }}\n"),
            format!(
                "    location / {{\n\tif ($arg_a) {{ {pass} }}\n\t{host}\n\t{client}\n\t\
                 {scheme}\n    }}\n"
            ),
        ),
    ] {
        makes("N303", &server(&from), &server(&to));
    }
    let crlf = |text: String| server(&text).replace('\n', "\r\n");
    makes(
        "N303",
        &crlf(format!("    location / {{\n\t{pass}\n\t{host}\n\t{client}\n    }}\n")),
        &crlf(format!("    location / {{\n\t{pass}\n\t{host}\n\t{client}\n\t{scheme}\n    }}\n")),
    );
}

#[test]
fn headers_of_an_include_keep_their_company() {
    const PARAMS: &str = "/etc/nginx/proxy_params";
    let pass = "proxy_pass http://unix:/run/myapp/gunicorn.sock;";
    let params = "proxy_set_header Host $host;\nproxy_set_header X-Forwarded-For $remote_addr;\n";
    let scheme = "proxy_set_header X-Forwarded-Proto $scheme;";
    let text = |line: &str| {
        server(&format!("    location / {{\n\tinclude proxy_params;\n{line}\t{pass}\n    }}\n"))
    };
    let case = site(&text("")).file(PARAMS, params);
    fixed(case, "N303", &text(&format!("\t{scheme}\n")));
    // Lost by a line of the location's own.
    let text = |line: &str| {
        server(&format!(
            "    include proxy_params;\n    {scheme}\n    location / {{\n\tproxy_set_header \
             Upgrade \"a b\";\n{line}\t{pass}\n    }}\n"
        ))
    };
    let lost = "\tproxy_set_header Host $host;\n\tproxy_set_header X-Forwarded-For \
                $remote_addr;\n\tproxy_set_header X-Forwarded-Proto $scheme;\n";
    fixed(site(&text("")).file(PARAMS, params), "N304", &text(lost));
}

#[test]
fn lost_headers_are_repeated_as_they_are_written() {
    let pass = "proxy_pass http://unix:/run/myapp/gunicorn.sock;";
    let text = |line: &str| {
        server(&format!(
            "    {HEADERS}\n    proxy_set_header X-Name 'a \"b\"';\n    proxy_set_header\n        \
             X-Long # why\n        \"$host;\";\n    location / {{ proxy_set_header Upgrade u;{line} \
             {pass} }}\n"
        ))
    };
    let lost = format!(
        " {HEADERS} proxy_set_header X-Name 'a \"b\"'; proxy_set_header X-Long \"$host;\";"
    );
    makes("N304", &text(""), &text(&lost));
}

#[test]
fn a_url_is_written_as_nginx_takes_it() {
    let text = |url: &str| location(&format!("\tproxy_pass\t{url};# app\n"));
    for (from, to) in [
        ("unix:/run/myapp/gunicorn.sock", "http://unix:/run/myapp/gunicorn.sock"),
        ("http://unix:/run/myapp/gunicorn.sock/", "http://unix:/run/myapp/gunicorn.sock"),
        ("'http://unix:/run/myapp/gunicorn.sock/a/'", "'http://unix:/run/myapp/gunicorn.sock:/a/'"),
        ("https://unix:/run/myapp/gunicorn.sock", "http://unix:/run/myapp/gunicorn.sock"),
        ("https://unix:/run/myapp/gunicorn.sock:/b/", "http://unix:/run/myapp/gunicorn.sock:/b/"),
    ] {
        makes("N305", &text(from), &text(to));
    }
    let text = |url: &str| {
        format!("upstream myapp {{ server {SOCKET}; }}\n")
            + &location(&format!("\tproxy_pass {url};\n"))
    };
    for (from, to) in [
        ("myapp", "http://myapp"),
        ("http://myapp:8000", "http://myapp"),
        ("http://myapp:8000/a/", "http://myapp/a/"),
        ("https://myapp", "http://myapp"),
    ] {
        makes("N305", &text(from), &text(to));
    }
    let text =
        |url: &str| server(&format!("    location ~ \\.x$ {{ proxy_pass {url}; {HEADERS} }}\n"));
    makes("N305", &text(&format!("http://{SOCKET}:/x")), &text(&format!("http://{SOCKET}")));
}

#[test]
fn nginx_waits_longer_where_it_is_said() {
    let pass = "proxy_pass http://unix:/run/myapp/gunicorn.sock;";
    for (from, to) in [
        ("proxy_read_timeout 20s;", "proxy_read_timeout 35s;"),
        ("proxy_read_timeout '1s 500ms' ;", "proxy_read_timeout '35s' ;"),
        ("proxy_read_timeout\t30; # short", "proxy_read_timeout\t35s; # short"),
    ] {
        let text = |line: &str| location(&format!("\t{line}\n\t{pass}\n"));
        makes("N306", &text(from), &text(to));
        // Of the server, and in an include of it.
        let text =
            |line: &str| server(&format!("    {line}\n    location / {{ {HEADERS} {pass} }}\n"));
        makes("N306", &text(from), &text(to));
        const INCLUDED: &str = "/etc/nginx/snippets/proxy.conf";
        let case = site(&text(&format!("include {INCLUDED};"))).file(INCLUDED, format!("{from}\n"));
        Repair::of(case).rule("N306").in_place().only(&[(INCLUDED, &format!("{to}\n"))]);
    }
    // Nothing says it: 60 s against gunicorn's 90.
    let text = |line: &str, inline: &str| {
        server(&format!(
            "    location / {{\n\t{HEADERS}\n\t{pass}\n{line}    }}\n    location /a {{ {HEADERS} \
             {pass}{inline} }}\n    location /b {{ {HEADERS} {pass} proxy_read_timeout 95s; }}\n"
        ))
    };
    let slow = "[Service]\nExecStart=\nExecStart=/srv/myapp/.venv/bin/gunicorn -w 3 --chdir \
                /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock -t 90 --graceful-timeout 90 \
                wsgi:app\nTimeoutStopSec=100\n";
    let case = site(&text("", "")).file(DROP_IN, slow);
    let after = text("\tproxy_read_timeout 95s;\n", " proxy_read_timeout 95s;");
    fixed(case, "N306", &after);
}

#[test]
fn every_peer_is_asked_again_at_once() {
    let text = |one: &str, other: &str| {
        format!("upstream myapp {{\n\tserver {one}; # one\n\n\tserver\n\t\t{other}\n\t;\n}}\n")
            + &location("proxy_pass http://myapp;\n")
    };
    let other = "127.0.0.1:8001 backup";
    for (from, to) in [
        (SOCKET.to_owned(), format!("{SOCKET} max_fails=0")),
        (format!("{SOCKET} fail_timeout=10s weight=2"), format!("{SOCKET} max_fails=0 weight=2")),
        (format!("{SOCKET} fail_timeout=0"), format!("{SOCKET} max_fails=0")),
        (
            format!("{SOCKET} fail_timeout=30s max_fails=3"),
            format!("{SOCKET} fail_timeout=30s max_fails=0"),
        ),
    ] {
        makes("N307", &text(&from, other), &text(&to, &format!("{other} max_fails=0")));
        let off = format!("{other} max_fails=0");
        makes("N307", &text(&from, &off), &text(&to, &off));
    }
    // All in one line, in a file of its own.
    const UPSTREAM: &str = "/etc/nginx/conf.d/upstream.conf";
    let one_line = |a: &str| {
        format!("upstream myapp {{ server {SOCKET}{a}; server 127.0.0.1:8001 down{a}; }}\n")
    };
    let case = site(&location("proxy_pass http://myapp;\n")).file(UPSTREAM, one_line(""));
    let repair = Repair::of(case).rule("N307");
    repair.in_place().only(&[(UPSTREAM, &one_line(" max_fails=0"))]);
}

#[test]
fn localhost_is_one_address() {
    let text = |host: &str| location(&format!("proxy_pass 'http://{host}:8000/localhost';\n"));
    let hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n";
    let case = |bind: &str| bound(bind, &text("localhost")).file("/etc/hosts", hosts);
    fixed(case("127.0.0.1:8000"), "N307", &text("127.0.0.1"));
    fixed(case("[::1]:8000"), "N307", &text("[::1]"));
}

#[test]
fn static_files_are_served_through_the_link_and_slashes_stay() {
    let pass = "    location / { proxy_pass http://unix:/run/myapp/gunicorn.sock; ";
    let text = |line: &str| server(&format!("    {line}\n{pass}{HEADERS} }}\n"));
    for (from, to) in [
        ("location /static/ { alias @/static/; }", "location /static/ { alias %/static/; }"),
        ("location /static { alias\t\"@/static\"; }", "location /static { alias\t\"%/static\"; }"),
        ("location /static/ { root @; }", "location /static/ { root %; }"),
        ("location /static/ { root @/; }", "location /static/ { root %/; }"),
        ("root @/static; # new", "root %/static; # new"),
    ] {
        let from = from.replace('@', case::RELEASE);
        let to = to.replace('%', "/srv/myapp/current");
        makes("N313", &text(&from), &text(&to));
    }
    let case = site(&text("location /s/ { alias /srv/myapp/assets/; }"))
        .link("/srv/myapp/assets", "releases/2026-04-21/static");
    fixed(case, "N313", &text("location /s/ { alias /srv/myapp/current/static/; }"));
}

#[test]
fn a_repositorys_site_is_repaired_in_place() {
    let text = |line: &str| {
        format!(
            "server {{\n  location / {{\n    proxy_pass http://127.0.0.1:8000;\n{line}  }}\n}}\n"
        )
    };
    let case = Case::empty().file("/repo/site.conf", text(""));
    let given = Given { nginx: vec!["/repo/site.conf".into()], ..Given::default() };
    let repair = Repair::of(case).given(given).rule("N303");
    let lines = "    proxy_set_header Host $host;\n    proxy_set_header X-Forwarded-For \
                 $proxy_add_x_forwarded_for;\n    proxy_set_header X-Forwarded-Proto $scheme;\n";
    repair.in_place().only(&[("/repo/site.conf", &text(lines))]);
}

/// A header that is set to what is none gets its value: beside it a second line would send two.
#[test]
fn a_header_that_is_set_wrongly_is_set_right_where_it_stands() {
    let site = |host: &str, other: &str| {
        format!(
            "server {{\n    listen 80 default_server;\n    server_name example.com;\n    location / {{\n        \
             proxy_pass http://unix:/run/myapp/gunicorn.sock;\n        proxy_set_header Host {host};\n        \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n{other}    }}\n}}\n"
        )
    };
    let scheme = "        proxy_set_header X-Forwarded-Proto $scheme;\n";
    for wrong in ["host", "'host'", "$proxy_host"] {
        let repair = Repair::of(Case::healthy().file(SITE, site(wrong, scheme))).rule("N303");
        repair.in_place().only(&[(SITE, &site("$host", scheme))]);
    }
    let seen = Case::healthy().file(SITE, site("host", "")).check();
    seen.only("N303").says("sets Host to host").says("does not set X-Forwarded-Proto");
}
