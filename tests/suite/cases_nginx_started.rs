//! nginx is started with another configuration than that of its packages.

use deploy_doctor::facts::{Request, Scope};
use deploy_doctor::host::{Host, MemoryHost};

use crate::support::answers::output;
use crate::support::case::Case;
use crate::support::living::World;
use crate::support::replayed::both;

const LIVE: Request = Request { apps: Vec::new(), scope: Scope::Live, database_revision: None };

const OTHER: &str = "/srv/nginx/nginx.conf";

/// The healthy site, read by a nginx that is started with `-c` [`OTHER`].
fn other_configuration(start: &str) -> Case {
    let mut case = Case::healthy();
    let read = |host: &MemoryHost, path: &str| {
        String::from_utf8(host.read(std::path::Path::new(path), 1 << 20).unwrap()).unwrap()
    };
    let main = read(&case.host, "/etc/nginx/nginx.conf");
    let site = read(&case.host, "/etc/nginx/sites-available/myapp");
    let main = main.replace("/etc/nginx/sites-enabled/", "/srv/nginx/sites/");
    case.host.file(OTHER, main).file("/srv/nginx/sites/myapp", site);
    case.host.remove("/etc/nginx/sites-enabled/myapp");
    case.host.file("/lib/systemd/system/nginx.service", format!("[Service]\n{start}\n"));
    case
}

#[test]
fn nginx_is_judged_by_the_configuration_that_it_is_started_with() {
    let own = "ExecStart=/usr/sbin/nginx -g 'daemon on;' -c /srv/nginx/nginx.conf";
    let seen = other_configuration(own).check();
    assert!(seen.hits.is_empty(), "{seen:#?}");
    let mut wrong = other_configuration(own);
    wrong.host.file(
        "/srv/nginx/sites/myapp",
        "server { listen 80; location / { proxy_pass http://unix:/run/myapp/other.sock; } }",
    );
    let seen = wrong.check();
    seen.only("N301").helps("nginx -t -c /srv/nginx/nginx.conf");
    assert!(seen.hits.iter().all(|hit| !matches!(hit.code, "N302" | "N315")), "{seen:#?}");
}

#[test]
fn a_configuration_that_is_not_known_gives_no_verdict() {
    let unknown = [
        "EnvironmentFile=/etc/default/nginx\nExecStart=/usr/sbin/nginx -c ${FILE}",
        "Environment=FILE=/srv/nginx/nginx.conf\nExecStart=/usr/sbin/nginx -c ${FILE}",
        "ExecStart=/usr/sbin/nginx -c nginx.conf",
        "ExecStart=/usr/sbin/nginx -c /srv/nginx/none.conf",
        "ExecStart=/usr/local/bin/start-web",
    ];
    for start in unknown {
        let seen = other_configuration(start).check();
        assert!(seen.hits.is_empty(), "{start}: {seen:#?}");
        assert!(seen.skips.iter().any(|(code, _)| *code == "N302"), "{start}: {seen:#?}");
    }
    let usual = "Environment=FILE=/etc/nginx/nginx.conf\nExecStart=/usr/sbin/nginx -c ${FILE}";
    other_configuration(usual).check().only("N315");
}

#[test]
fn the_running_master_says_which_configuration_counts() {
    let mut case = other_configuration("ExecStart=/usr/sbin/nginx");
    let mut world = World::healthy(&case.host);
    world.change(
        "500 parent=1 unit=nginx.service user=0 start=50 cwd=/ exe=/usr/sbin/nginx name=nginx : \
         nginx: master process /usr/sbin/nginx -c /srv/nginx/nginx.conf -g daemon on;",
    );
    world.write(&mut case.host);
    let refused = "nginx: [emerg] unknown directive \"x\" in /srv/nginx/sites/myapp:3\n";
    let mut answer = output(1, "");
    answer.stderr = refused.as_bytes().to_vec();
    case.host.command("nginx -t -c /srv/nginx/nginx.conf", Ok(answer));
    let seen = case.check();
    let captured = both(&case.host, &LIVE);
    assert_eq!(captured.first, captured.again, "{}", captured.difference());
    seen.only("N319")
        .says("unknown directive")
        .helps("nginx -t -c /srv/nginx/nginx.conf && systemctl reload nginx");
}
