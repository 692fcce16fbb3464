//! Reports whose cause is nginx's configuration.

use super::{
    BIND, Case, Report, SITE, UNIT, broken, deployment, error, gunicorn_version, nginx_version,
    risky, silent, warning,
};

const HEADERS: &str = "        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
";
const PASS: &str = "        proxy_pass http://myapp;\n";

pub fn reports() -> Vec<Report> {
    let mut all = sites();
    all.extend(versions());
    all.extend(refused());
    all
}

fn sites() -> Vec<Report> {
    vec![
        broken(
            "include-commented-out",
            include_commented_out,
            vec![error(&["N302", "N315"], &["sites-available/myapp"])],
        ),
        risky(
            "alias-without-a-slash",
            alias_without_slash,
            vec![warning(&["N312"], &["staticfilesa"])],
        ),
        broken(
            "host-twice-for-django",
            || super::release::django(host_twice(), ""),
            vec![error(&["N328"], &["Host", "400"])],
        ),
        risky("host-twice-for-flask", host_twice, vec![warning(&["N328"], &["Host"])]),
        broken(
            "ipv4-against-ipv6",
            || {
                deployment().replace(UNIT, "unix:/run/myapp/gunicorn.sock", "0.0.0.0:8000").replace(
                    SITE,
                    "unix:/run/myapp/gunicorn.sock",
                    "[::1]:8000",
                )
            },
            vec![error(&["N301", "S604"], &["[::1]:8000"])],
        ),
        silent("service-record", || {
            let peer = "zone z 64k;\n    resolver 127.0.0.1:5353;\n    \
                        server app.internal service=http resolve;";
            newest_nginx().replace(UNIT, "unix:/run/myapp/gunicorn.sock", "127.0.0.1:8000").replace(
                SITE,
                "server unix:/run/myapp/gunicorn.sock fail_timeout=0;",
                peer,
            )
        })
        .or_unknown()
        .never(&["N301"]),
    ]
}

fn versions() -> Vec<Report> {
    vec![
        broken(
            "http2-to-gunicorn",
            || {
                newest_nginx().replace(
                    SITE,
                    PASS,
                    &format!("{PASS}        proxy_http_version 2;\n"),
                )
            },
            vec![error(&["N331"], &["502"])],
        ),
        broken("gthread-20-behind-1.30", || gthread("20.1.0", NEWEST), vec![error(&["G207"], &[])]),
        broken("gthread-23-behind-1.30", || gthread("23.0.0", NEWEST), vec![error(&["G207"], &[])]),
        silent("gthread-20-behind-1.22", || gthread("20.1.0", OLD)).never(&["G207"]),
        silent("gthread-27-behind-1.30", || gthread("27.0.1", NEWEST)).never(&["G207"]),
        broken("gthread-26-kept-behind-1.22", kept, vec![error(&["G207"], &["gunicorn>=27.0"])])
            .unsaid(&["26.2 or later"]),
    ]
}

fn refused() -> Vec<Report> {
    let accepts = |name, change| silent(name, change).never(&["N317"]);
    let refuses = |name, change, words| broken(name, change, vec![error(&["N317"], words)]);
    vec![
        accepts("keepalive-local", || in_upstream("    keepalive 32 local;\n")),
        accepts("http3-streams", || {
            in_server("    listen 443 quic;\n    http3_max_concurrent_streams 64;\n")
        }),
        accepts("debian-geoip2-proxy", || {
            let case = module("ngx_http_geoip2_module");
            let text = case.text(SITE);
            case.file(SITE, format!("geoip2_proxy 127.0.0.1;\ngeoip2_proxy_recursive on;\n{text}"))
        }),
        accepts("njs-access", || {
            njs().replace(SITE, PASS, &format!("{PASS}        js_access m.a;\n"))
        }),
        accepts("njs-content-in-if", || {
            let location = "\n    location /j { if ($arg_a) { js_content m.a; } return 204; }\n";
            njs().replace(SITE, "    location / {", &format!("{location}    location / {{"))
        }),
        refuses(
            "resolve-without-resolver",
            || {
                newest_nginx()
                    .replace(UNIT, "unix:/run/myapp/gunicorn.sock", "127.0.0.1:8000")
                    .replace(
                        SITE,
                        "server unix:/run/myapp/gunicorn.sock fail_timeout=0;",
                        "zone z 64k;\n    server localhost:8000 resolve;",
                    )
            },
            &["resolver"],
        ),
        refuses("ssl-on", || in_server("    ssl on;\n"), &["ssl"]),
        refuses("listen-parameter", || in_server("    listen 8105 foo;\n"), &["foo"]),
        refuses(
            "keepalive-twice",
            || in_upstream("    keepalive 2;\n    keepalive 3;\n"),
            &["keepalive"],
        ),
    ]
}

const OLD: &str = "1.22.1-9+deb12u11";
const NEWEST: &str = "1.30.6-2";

fn newest_nginx() -> Case {
    nginx_version(deployment(), NEWEST)
}

fn in_upstream(lines: &str) -> Case {
    newest_nginx().replace(SITE, "fail_timeout=0;\n", &format!("fail_timeout=0;\n{lines}"))
}

fn in_server(lines: &str) -> Case {
    let name = "    server_name example.com;\n";
    newest_nginx().replace(SITE, name, &format!("{name}{lines}"))
}

fn module(name: &str) -> Case {
    newest_nginx()
        .file("/etc/nginx/modules-enabled/50-mod.conf", format!("load_module modules/{name}.so;\n"))
        .file(&format!("/usr/lib/nginx/modules/{name}.so"), b"\x7fELF")
        .link("/usr/share/nginx/modules", "/usr/lib/nginx/modules")
        .replace(
            "/etc/nginx/nginx.conf",
            "events {",
            "include /etc/nginx/modules-enabled/*.conf;\nevents {",
        )
}

fn njs() -> Case {
    let case = module("ngx_http_js_module");
    let text = case.text(SITE);
    case.file(SITE, format!("js_path /etc/nginx/js/;\njs_import m from m.js;\n{text}"))
}

fn include_commented_out() -> Case {
    let include = "    include /etc/nginx/sites-enabled/*;\n";
    let server = "    server {\n        listen 80 default_server;\n        server_name _;\n        \
                  root /usr/share/nginx/html;\n        # include /etc/nginx/sites-enabled/*;\n        \
                  location / {\n        }\n    }\n";
    deployment()
        .directory("/usr/share/nginx/html")
        .replace("/etc/nginx/nginx.conf", include, server)
        .replace(SITE, "listen 80 default_server;", "listen 80;")
}

fn alias_without_slash() -> Case {
    deployment().file("/var/www/track/staticfiles/a.css", "b {}\n").replace(
        SITE,
        "alias /srv/myapp/current/static/;",
        "alias /var/www/track/staticfiles;",
    )
}

fn host_twice() -> Case {
    deployment().file("/etc/nginx/proxy_params", HEADERS.replace("        ", "")).replace(
        SITE,
        HEADERS,
        "        include proxy_params;\n        proxy_set_header Host $host;\n",
    )
}

fn gthread(gunicorn: &str, nginx: &str) -> Case {
    nginx_version(gunicorn_version(deployment(), gunicorn), nginx).replace(
        UNIT,
        BIND,
        &format!("    --threads 4 \\\n{BIND}"),
    )
}

/// Connections that are kept by hand, behind an nginx that keeps none by itself.
fn kept() -> Case {
    let lines = "        proxy_http_version 1.1;\n        proxy_set_header Connection \"\";\n";
    gthread("26.2.2", OLD)
        .replace(SITE, "fail_timeout=0;\n", "fail_timeout=0;\n    keepalive 16;\n")
        .replace(SITE, PASS, &format!("{PASS}{lines}"))
}
