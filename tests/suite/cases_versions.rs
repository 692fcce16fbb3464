//! What hangs on the version of nginx and systemd that the host has, each with a neighbour on
//! another version that is sound.

use deploy_doctor::rule::Severity;

use crate::support::case::{Case, Seen};

const SITE: &str = "/etc/nginx/sites-available/myapp";
const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/10-local.conf";
const UNIT: &str = "/etc/systemd/system/myapp.service";

/// The healthy site with this in its group of servers, this in its `server`, on a version of nginx.
fn on_nginx(version: &str, group: &str, server: &str) -> Seen {
    let status = format!("Package: nginx\nStatus: install ok installed\nVersion: {version}-2\n\n");
    let mut case =
        Case::healthy().replace(SITE, "fail_timeout=0;", &format!("fail_timeout=0; {group}"));
    if !version.is_empty() {
        case = case.file("/var/lib/dpkg/status", status);
    }
    case.replace(SITE, "listen 80 default_server;", &format!("listen 80 default_server; {server}"))
        .check()
}

/// The healthy unit with these lines in a drop-in, on a version of systemd.
fn on_systemd(version: u32, lines: &str) -> Case {
    let library = format!("/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-{version}.so");
    Case::healthy().file(&library, "").file(DROP_IN, format!("[Service]\n{lines}"))
}

#[test]
fn nginx_refuses_what_its_version_does_not_have() {
    for (group, server, has, has_not) in [
        ("keepalive 32 local;", "", "1.30.6", "1.22.1"),
        ("keepalive 0;", "", "1.30.6", "1.22.1"),
        ("", "http2 on;", "1.26.3", "1.22.1"),
        ("", "http3_max_concurrent_streams 16;", "1.30.6", "1.22.1"),
        ("", "early_hints 1;", "1.30.6", "1.26.3"),
        ("", "listen 8443 quic;", "1.26.3", "1.22.1"),
        ("", "listen 127.0.0.1:8100-8102;", "1.22.1", ""),
        ("", "geoip2_proxy 10.0.0.0/8;", "1.22.1", ""),
        ("", "js_access main.access;", "1.30.6", ""),
        ("", "subs_filter_types text/css;", "1.30.6", ""),
    ] {
        on_nginx(has, group, server).passes("N317");
        on_nginx("", group, server).passes("N317");
        if !has_not.is_empty() {
            let seen = on_nginx(has_not, group, server);
            assert!(!seen.of("N317").is_empty(), "{group}{server} on {has_not}");
        }
    }
}

#[test]
fn a_directive_that_is_gone_is_no_error_where_the_version_is_not_known() {
    on_nginx("1.22.1", "", "ssl off;").passes("N317");
    on_nginx("1.25.1", "", "ssl off;").only("N317").is(Severity::Error).says("no longer has it");
    on_nginx("", "", "ssl off;").only("N317").is(Severity::Warning).says("nginx 1.25.1");
}

#[test]
fn nginx_refuses_on_every_version() {
    for (group, server, says) in [
        ("keepalive 16; keepalive 16;", "", "duplicate"),
        ("keepalive 16 global;", "", "invalid parameter \"global\""),
        ("", "listen 8443 tls;", "invalid parameter \"tls\""),
        ("", "listen 8443 backlog=no;", "invalid parameter \"backlog=no\""),
        ("", "listen 127.0.0.1:8102-8100;", "invalid port"),
        ("", "sendfile on; sendfile off;", "duplicate"),
        ("server app.internal:8000 resolve;", "", "shared memory"),
        ("zone z 64k; server app.internal:8000 resolve;", "", "no resolver"),
    ] {
        for version in ["1.30.6", ""] {
            on_nginx(version, group, server).only("N317").says(says);
        }
    }
    let whole = "zone z 64k; resolver 127.0.0.53; server app.internal:8000 resolve;";
    on_nginx("1.30.6", whole, "").passes("N317");
    on_nginx("1.26.3", whole, "").only("N317").says("invalid parameter \"resolve\"");
}

#[test]
fn records_tell_the_port_of_a_service() {
    let group = "zone z 64k; resolver 127.0.0.53; server app.internal service=http resolve;";
    let seen = Case::healthy()
        .file("/usr/sbin/nginx", "nginx version: nginx/1.30.6\n")
        .replace(SITE, "server unix:/run/myapp/gunicorn.sock fail_timeout=0;", group)
        .check();
    // Where they lead is not known, so nothing is said of it.
    seen.skipped("N301");
    seen.passes("N317");
}

#[test]
fn units_are_read_as_the_hosts_systemd_reads_them() {
    // Ignored by 252: there is no reload.
    let old = on_systemd(252, "Type=notify-reload\nExecReload=\n").check();
    old.only("U101");
    old.only("U119").says("systemd 252 here does not support the value");
    on_systemd(257, "Type=notify-reload\nExecReload=\n").check().passes("U101");
    // The setting is there, and the reload reaches nobody.
    let refresh = "ExecReload=\nRefreshOnReload=yes\n";
    on_systemd(262, refresh).check().only("U101").says("RefreshOnReload=");
    on_systemd(252, refresh).check().only("U101").says("fails");
    // Its program runs after the signal; an older systemd passes over the line.
    let post = "ExecReloadPost=/bin/nosuch\n";
    on_systemd(262, post).check().only("U124").says("/bin/nosuch");
    on_systemd(252, post).check().passes("U124");
    // Settings that came since, that went, and that no version has.
    on_systemd(262, "PrivateBPF=yes\n").check().passes("U119");
    on_systemd(252, "PrivateBPF=yes\n").check().only("U140").says("does not support it yet");
    on_systemd(262, "MemoryLimit=1G\n").check().only("U140").says("no longer has it");
    on_systemd(300, "TimeoutStopSecs=60\n").check().skipped("U119");
}

#[test]
fn the_users_shell_runs_the_line() {
    let through = |version, shell: &str| {
        on_systemd(version, "")
            .replace(UNIT, "ExecStart=/srv", "ExecStart=|/srv")
            .file("/usr/bin/dash", "\x7fELF")
            .file("/bin/bash", "\x7fELF")
            .link("/bin/sh", "/usr/bin/dash")
            .file(
                "/etc/passwd",
                format!("root:x:0:0::/root:/bin/bash\nwww-data:x:33:33::/var/www:{shell}\n"),
            )
            .check()
    };
    let stays = through(262, "/usr/sbin/nologin");
    stays.only("U103").says("dash");
    stays.passes("U124");
    let makes_way = through(262, "/bin/bash");
    makes_way.passes("U103");
    makes_way.passes("U124");
    // Before 258 it is part of the program's name.
    let old = through(257, "/bin/bash");
    old.only("U140").says("does not support the prefix |");
    old.passes("U124");
    on_systemd(262, "ExecReload=\nExecReload=|/bin/kill -s HUP $MAINPID\n").check().passes("U124");
}

#[test]
fn variables_are_taken_away_after_the_command_line_was_made() {
    let lines = "Environment=SOCK=/run/myapp/gunicorn.sock\nUnsetEnvironment=SOCK\n";
    let seen = |version| {
        on_systemd(version, lines)
            .replace(UNIT, "unix:/run/myapp/gunicorn.sock", "unix:${SOCK}")
            .check()
    };
    seen(262).passes("N301");
    assert!(!seen(252).of("N301").is_empty());
}

#[test]
fn a_temporary_directory_that_is_not_its_own() {
    let seen = |version| {
        on_systemd(version, "PrivateTmp=disconnected\n")
            .replace(UNIT, "unix:/run/myapp/gunicorn.sock", "unix:/tmp/gunicorn.sock")
            .replace(SITE, "unix:/run/myapp/gunicorn.sock", "unix:/tmp/gunicorn.sock")
            .check()
    };
    seen(252).passes("U118");
    seen(257).only("U118");
}
