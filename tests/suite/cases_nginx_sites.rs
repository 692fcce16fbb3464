//! Sites that nginx does not load, headers that the framework refuses, certificates and limits.

use crate::support::case::Case;
use deploy_doctor::facts::Given;
use deploy_doctor::rule::Severity;

const UNIT: &str = "/etc/systemd/system/myapp.service";
const SITE: &str = "/etc/nginx/sites-available/myapp";
const ENABLED: &str = "/etc/nginx/sites-enabled/myapp";
const NGINX: &str = "/etc/nginx/nginx.conf";
const SOCKET: &str = "unix:/run/myapp/gunicorn.sock";

#[test]
fn a_site_that_is_not_loaded_is_named_with_what_loads_it() {
    let hit = Case::healthy().remove(ENABLED).check();
    hit.only("N315")
        .at(SITE, 2)
        .is(Severity::Error)
        .helps("ln -s /etc/nginx/sites-available/myapp");
    hit.passes("N302");
    let unlinked =
        Case::healthy().replace(NGINX, "    include /etc/nginx/sites-enabled/*;\n", "").check();
    unlinked.only("N315").helps("include /etc/nginx/sites-enabled/*;");
    let elsewhere = Case::healthy().remove(ENABLED).remove(SITE).file(
        "/etc/nginx/conf.d/myapp.conf.off",
        "server { listen 80; location / { proxy_pass http://unix:/run/myapp/gunicorn.sock; } }\n",
    );
    elsewhere.check().only("N315").at("/etc/nginx/conf.d/myapp.conf.off", 1);
}

#[test]
fn what_others_reach_is_a_warning_and_what_another_site_reaches_none() {
    let open = Case::healthy()
        .replace(UNIT, SOCKET, "0.0.0.0:8000")
        .replace(SITE, SOCKET, "127.0.0.1:8000")
        .remove(ENABLED)
        .check();
    open.only("N315").is(Severity::Warning);
    let two = Case::healthy().file("/etc/nginx/sites-available/old", "server { listen 81; }\n");
    two.check().passes("N315");
}

#[test]
fn an_application_that_no_site_knows_is_a_warning() {
    let empty = "server { listen 80 default_server; root /usr/share/nginx/html; }\n";
    let seen = Case::healthy().file(SITE, empty).check();
    seen.only("N302").at(UNIT, 16).is(Severity::Warning);
    seen.passes("N315");
    // A socket that looks like it is a mismatch, not an absence.
    let near = Case::healthy().replace(SITE, "/gunicorn.sock", "/app.sock").check();
    near.only("N301");
    near.passes("N302");
    // Open to others, they may be who asks it.
    Case::healthy().file(SITE, empty).replace(UNIT, SOCKET, "0.0.0.0:8000").check().passes("N302");
    // Files of a repository are not all of a host's sites.
    let given = Given {
        units: vec!["/repo/a.service".into()],
        nginx: vec!["/repo/a.conf".into()],
        ..Given::default()
    };
    let seen = Case::empty()
        .file(
            "/repo/a.service",
            "[Service]\nExecStart=/srv/venv/bin/gunicorn -w 3 -b unix:/run/a.sock wsgi:app\n",
        )
        .file("/repo/a.conf", empty)
        .check_files(given);
    assert!(seen.of("N302").is_empty() && seen.of("N315").is_empty(), "{seen:#?}");
}

/// The deployment with a Django project that has these settings.
fn django(settings: &str) -> Case {
    let wsgi = "import os\nfrom django.core.wsgi import get_wsgi_application\n\
                os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n\
                app = get_wsgi_application()\n";
    Case::healthy()
        .in_release("wsgi.py", wsgi)
        .in_release("shop/__init__.py", "")
        .in_release("shop/settings.py", settings)
}

#[test]
fn django_refuses_a_host_that_it_does_not_know() {
    let without = |case: Case| case.replace(SITE, "        proxy_set_header Host $host;\n", "");
    let one = "ALLOWED_HOSTS = ['example.com']\n";
    without(django(one)).check().only("N303").is(Severity::Error).says("400");
    for settings in [
        "ALLOWED_HOSTS = ['*']\n",
        "ALLOWED_HOSTS = ['myapp']\n",
        "ALLOWED_HOSTS = ['.myapp']\n",
        "from .base import *\n",
        "ALLOWED_HOSTS = hosts()\n",
        "ALLOWED_HOSTS = ['example.com']\nUSE_X_FORWARDED_HOST = True\n",
    ] {
        without(django(settings)).check().only("N303").is(Severity::Warning);
    }
    without(Case::healthy()).check().only("N303").is(Severity::Warning);
    django(one).check().passes("N303");
    // No name with an underscore is a host to Django, whatever it allows.
    let named = without(django("ALLOWED_HOSTS = ['*']\n"))
        .replace(SITE, "upstream myapp", "upstream my_app")
        .replace(SITE, "http://myapp", "http://my_app");
    named.check().only("N303").is(Severity::Error);
    // What leads there only where another way fails is not every request.
    let fallback = django(one).replace(
        SITE,
        "    location / {",
        "    error_page 502 = @again;\n    location @again { proxy_pass http://myapp; }\n    location / {",
    );
    let seen = fallback.check();
    seen.only("N303").is(Severity::Warning).says("passed on here").says("400");
}

#[test]
fn django_s_settings_see_what_gunicorn_itself_sets() {
    let settings = "import os\nALLOWED_HOSTS = [os.environ.get('SITE', '*')]\n";
    let host = "        proxy_set_header Host $host;\n";
    let without = || django(settings).replace(SITE, host, "");
    without().check().only("N303").is(Severity::Warning);
    let set = without().replace(UNIT, "/bin/gunicorn ", "/bin/gunicorn -e SITE=example.com ");
    set.check().only("N303").is(Severity::Error).says("400");
}

#[test]
fn django_s_settings_are_those_that_the_application_starts_with() {
    let host = "        proxy_set_header Host $host;\n";
    let named = |wsgi: &str| {
        let one = "ALLOWED_HOSTS = ['example.com']\n";
        let case = django("ALLOWED_HOSTS = ['*']\n").replace(SITE, host, "");
        case.in_release("wsgi.py", wsgi)
            .in_release("shop/strict.py", one)
            .replace(
                UNIT,
                "[Service]\n",
                "[Service]\nEnvironment=DJANGO_SETTINGS_MODULE=shop.strict\n",
            )
            .check()
    };
    let start = "from django.core.wsgi import get_wsgi_application\napp = get_wsgi_application()\n";
    // The environment alone names them.
    named(start).only("N303").is(Severity::Error);
    let default = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n";
    named(&format!("{default}{start}")).only("N303").is(Severity::Error);
    // The code insists.
    let forced = "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\n";
    named(&format!("{forced}{start}")).only("N303").is(Severity::Warning);
}

#[test]
fn django_redirects_for_ever_where_the_scheme_is_not_passed_on() {
    let settings = "ALLOWED_HOSTS = ['example.com']\nSECURE_SSL_REDIRECT = True\n\
                    SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')\n";
    let scheme = "        proxy_set_header X-Forwarded-Proto $scheme;\n";
    let tls = |case: Case| {
        case.replace(
            SITE,
            "listen 80 default_server;",
            "listen 443 ssl default_server;\n    ssl_certificate /etc/ssl/a.pem;\n    \
             ssl_certificate_key /etc/ssl/a.key;",
        )
        .file("/etc/ssl/a.pem", "")
        .file("/etc/ssl/a.key", "")
    };
    let without = |case: Case| case.replace(SITE, scheme, "");
    without(tls(django(settings))).check().only("N303").is(Severity::Error).says("redirects");
    // A site that listens on both ports loops all the same, for who comes over TLS.
    let both = tls(django(settings)).replace(
        SITE,
        "listen 443 ssl default_server;",
        "listen 80 default_server;\n    listen 443 ssl default_server;",
    );
    without(both).check().only("N303").is(Severity::Error).says("redirects");
    // Where TLS ends before nginx, what ends it may send the header.
    without(django(settings)).check().only("N303").is(Severity::Info);
    without(tls(django("ALLOWED_HOSTS = ['example.com']\n"))).check().only("N303");
    tls(django(settings)).check().passes("N303");
}

#[test]
fn django_redirects_for_ever_where_nginx_speaks_no_tls() {
    let settings = "ALLOWED_HOSTS = ['example.com']\nSECURE_SSL_REDIRECT = True\n\
                    MIDDLEWARE = ['django.middleware.security.SecurityMiddleware']\n";
    let header = |name: &str| format!("{settings}SECURE_PROXY_SSL_HEADER = ('{name}', 'https')\n");
    django(settings).check().only("N303").is(Severity::Error).says("redirects every request");
    django(&header("HTTP_X_FORWARDED_PROTO")).check().only("N303").is(Severity::Error);
    for other in [
        header("HTTP_CLOUDFRONT_FORWARDED_PROTO"),
        format!("{settings}SECURE_SSL_HOST = 'www.example.com'\n"),
        settings.replace("security.SecurityMiddleware", "common.CommonMiddleware"),
        settings.replace("True", "False"),
        settings.replace("True", "enabled()"),
    ] {
        django(&other).check().passes("N303");
    }
    // Where TLS ends before nginx, and nginx passes on what that says.
    let scheme = "X-Forwarded-Proto $scheme";
    let handed =
        django(settings).replace(SITE, scheme, "X-Forwarded-Proto $http_x_forwarded_proto");
    handed.check().passes("N303");
    let tls = "server {\n    listen 443 ssl;\n    ssl_certificate /etc/ssl/a.pem;\n    \
               ssl_certificate_key /etc/ssl/a.key;\n    server_name example.com;\n    \
               include /etc/nginx/own;\n}\n";
    let with_tls =
        django(settings).file("/etc/nginx/conf.d/tls.conf", tls).file("/etc/nginx/own", "");
    with_tls.check().passes("N303");
    let port = django(settings)
        .replace(UNIT, "unix:/run/myapp/gunicorn.sock", "127.0.0.1:8000")
        .replace(SITE, "unix:/run/myapp/gunicorn.sock", "127.0.0.1:8000");
    port.check().only("N303").is(Severity::Warning);
}

#[test]
fn a_host_sent_twice_is_an_error_for_django_alone() {
    let twice = |case: Case| {
        case.file("/etc/nginx/proxy_params", "proxy_set_header Host $http_host;\n").replace(
            SITE,
            "        proxy_set_header Host $host;\n",
            "        include proxy_params;\n        proxy_set_header Host $host;\n",
        )
    };
    let seen = twice(django("ALLOWED_HOSTS = ['*']\n")).check();
    seen.only("N328").is(Severity::Error).at(ENABLED, 17);
    twice(Case::healthy()).check().only("N328").is(Severity::Warning);
    Case::healthy().check().passes("N328");
}

#[test]
fn a_certificate_is_looked_for_where_nginx_loads_it() {
    let site = |lines: &str| {
        Case::healthy().replace(SITE, "    server_name", &format!("    {lines}\n    server_name"))
    };
    let both = "ssl_certificate a.pem;\n    ssl_certificate_key /etc/ssl/a.key;";
    let seen = site(both).check();
    assert_eq!(seen.of("N325").len(), 2, "{seen:#?}");
    // A relative one counts from nginx.conf's directory.
    let seen = site(both).file("/etc/nginx/a.pem", "").file("/etc/ssl/a.key", "").check();
    seen.passes("N325");
    site("ssl_dhparam /etc/ssl/dh.pem;").check().passes("N325");
    let dangling = site(both).file("/etc/ssl/a.key", "").link("/etc/nginx/a.pem", "b.pem");
    dangling.check().only("N325").says("points to b.pem");
    // Of a file alone, what is on its host is not known.
    let text = "server { listen 443 ssl; ssl_certificate /a; ssl_certificate_key /b; }\n";
    assert!(Case::nginx(text).of("N325").is_empty());
}

#[test]
fn connections_are_held_against_the_limit_that_counts() {
    const NGINX_UNIT: &str = "/lib/systemd/system/nginx.service";
    let unit = "[Service]\nType=forking\nExecStart=/usr/sbin/nginx\n";
    let case = |unit: &str, main: &str| {
        Case::healthy()
            .file(NGINX_UNIT, unit)
            .replace(NGINX, "worker_connections 768", "worker_connections 2048")
            .replace(NGINX, "pid ", &format!("{main}pid "))
            .check()
    };
    case(unit, "").only("N329").says("2048").says("1024");
    case(unit, "worker_rlimit_nofile 1500;\n").only("N329").says("worker_rlimit_nofile");
    case(unit, "worker_rlimit_nofile 2048;\n").passes("N329");
    let limit = |value: &str| format!("{unit}LimitNOFILE={value}\n");
    case(&limit("1024:524288"), "").only("N329").says("LimitNOFILE=");
    case(&limit("65536"), "").passes("N329");
    case(&limit("infinity"), "").passes("N329");
    Case::healthy().file(NGINX_UNIT, unit).check().passes("N329");
    Case::healthy().check().passes("N329");
    let unread =
        Case::healthy().replace(NGINX, "worker_connections 768", "worker_connections 4096");
    unread.check().skipped("N329");
}

/// Where nginx looks for a Django project's files is held against where they are.
#[test]
fn django_s_files_are_looked_for_where_they_are() {
    const ADMIN: &str = "static/admin/css/base.css";
    let with = |more: &str| {
        django(&format!(
            "from pathlib import Path\nBASE = Path(__file__).resolve().parent.parent\nDEBUG = False\n\
             ALLOWED_HOSTS = ['*']\nSTATIC_URL = 'static/'\nSTATIC_ROOT = BASE / 'static'\n\
             INSTALLED_APPS = ['django.contrib.admin', 'django.contrib.staticfiles']\n{more}"
        ))
    };
    with("").check().only("N312").is(Severity::Warning).says("collectstatic has not been run");
    with("").in_release(ADMIN, "").check().passes("N312");
    let other = "STATIC_ROOT = BASE / 'staticfiles'\n";
    let collected = || with(other).in_release("staticfiles/admin/css/base.css", "");
    let seen = collected().check();
    let finding = seen.only("N312");
    finding.says("has no admin/css/base.css");
    assert!(finding.help.contains("alias /srv/myapp/current/staticfiles/;"), "{}", finding.help);
    // A copy is as good, and so is one that is asked for in another place.
    collected().in_release(ADMIN, "").check().passes("N312");
    let fallback = collected().replace(
        SITE,
        "alias /srv/myapp/current/static/;",
        "root /srv/myapp/current; try_files $uri @app;\n    }\n    location @app {\n        \
         proxy_pass http://myapp; proxy_set_header Host $host; proxy_set_header X-Forwarded-For \
         $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;",
    );
    fallback.check().passes("N312");
    for unknown in [
        "STATICFILES_STORAGE = 'storages.backends.s3boto3.S3StaticStorage'\n",
        "STATIC_URL = 'https://cdn.example.net/'\n",
        "INSTALLED_APPS = ['django.contrib.staticfiles']\n",
    ] {
        with(unknown).check().passes("N312");
    }
    let served = "    location /static/ {\n        alias /srv/myapp/current/static/;\n    }\n\n";
    let nowhere = |more: &str| with(more).in_release(ADMIN, "").replace(SITE, served, "");
    nowhere("").check().only("N312").says("which serves no files when DEBUG is off");
    nowhere("MIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware']\n").check().passes("N312");
    let media = "MEDIA_URL = '/media/'\nMEDIA_ROOT = '/srv/myapp/shared/media'\n";
    let uploads =
        |more: &str| with(more).in_release(ADMIN, "").file("/srv/myapp/shared/media/a", "");
    uploads(media).check().only("N312").says("uploaded files get 404");
    with(media).in_release(ADMIN, "").check().passes("N312");
    let s3 = format!("{media}DEFAULT_FILE_STORAGE = 'storages.backends.s3boto3.S3Boto3Storage'\n");
    uploads(&s3).check().passes("N312");
    let located = |directory: &str| {
        let location = format!("    location /media/ {{ alias {directory}/; }}\n    location / {{");
        uploads(media)
            .file("/var/www/media/a", "")
            .replace(SITE, "    location / {", &location)
            .check()
    };
    located("/srv/myapp/shared/media").passes("N312");
    located("/var/www/media").only("N312").says("Django saves them in /srv/myapp/shared/media");
}
