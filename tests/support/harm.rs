//! Single wrong changes of known harm to a sound deployment, each with the code that must come.

#![allow(dead_code)] // each test binary uses a part of it

use super::case::Case;
use super::certificate::{Wanted, make};
use super::sound::{Framework, Listener, Shape, Written};

const SITE: &str = "/etc/nginx/sites-available/myapp";
const ENABLED: &str = "/etc/nginx/sites-enabled/myapp";
const NGINX: &str = "/etc/nginx/nginx.conf";
const ENVIRONMENT: &str = "/etc/myapp.env";
const PROGRAM: &str = "/.venv/bin/gunicorn";

/// One wrong change.
pub struct Harm {
    /// What is done.
    pub name: String,
    /// One of these has to come.
    pub codes: &'static [&'static str],
    /// These may be told as errors beside it: they are true, too.
    pub beside: &'static [&'static str],
    /// The deployment after it.
    pub case: Case,
}

/// What is put together.
struct List<'s> {
    shape: &'s Shape,
    harms: Vec<Harm>,
}

impl List<'_> {
    fn add(
        &mut self,
        name: String,
        codes: &'static [&'static str],
        beside: &'static [&'static str],
        case: Case,
    ) {
        self.harms.push(Harm { name, codes, beside, case });
    }

    /// Another text in a file; where the first is not there, this shape has nothing of the kind.
    fn swap(&mut self, path: &str, from: &str, to: &str, codes: &'static [&'static str]) {
        self.swap_with(path, from, to, codes, &[]);
    }

    fn swap_with(
        &mut self,
        path: &str,
        from: &str,
        to: &str,
        codes: &'static [&'static str],
        beside: &'static [&'static str],
    ) {
        let case = self.shape.case();
        if case.text(path).contains(from) {
            let name = format!("{path}: {} -> {}", from.escape_debug(), to.escape_debug());
            self.add(name, codes, beside, case.replace(path, from, to));
        }
    }

    fn unit(&mut self, from: &str, to: &str, codes: &'static [&'static str]) {
        self.swap(self.shape.unit_path(), from, to, codes);
    }

    fn unit_with(
        &mut self,
        from: &str,
        to: &str,
        codes: &'static [&'static str],
        beside: &'static [&'static str],
    ) {
        self.swap_with(self.shape.unit_path(), from, to, codes, beside);
    }

    fn option(&mut self, option: &str, codes: &'static [&'static str]) {
        self.unit(&format!("{PROGRAM} "), &format!("{PROGRAM} {option} "), codes);
    }

    fn site(&mut self, from: &str, to: &str, codes: &'static [&'static str]) {
        self.swap(SITE, from, to, codes);
    }

    fn line(&mut self, line: &str, codes: &'static [&'static str]) {
        self.unit("[Service]\n", &format!("[Service]\n{line}\n"), codes);
    }

    fn environment(&mut self, from: &str, to: &str, codes: &'static [&'static str]) {
        self.swap(ENVIRONMENT, from, to, codes);
    }
}

/// All that can be done to a deployment of this shape.
pub fn of(shape: &Shape) -> Vec<Harm> {
    let mut list = List { shape, harms: Vec::new() };
    unit(&mut list);
    accounts_and_files(&mut list);
    gunicorn(&mut list);
    environment(&mut list);
    nginx(&mut list);
    release(&mut list);
    list.harms
}

fn unit(list: &mut List) {
    let reload = "ExecReload=/bin/kill -s HUP $MAINPID\n";
    list.unit(reload, "", &["U101"]);
    for command in [
        "/bin/kill -s TERM $MAINPID",
        "/bin/kill -s SIGTERM $MAINPID",
        "/bin/kill -TERM $MAINPID",
        "/bin/kill -INT $MAINPID",
        "/bin/kill -QUIT $MAINPID",
        "/bin/kill -KILL $MAINPID",
        "/bin/kill -9 $MAINPID",
        "/bin/kill -15 $MAINPID",
        "/bin/kill $MAINPID",
        "/bin/kill -s HUP $PID",
        "/bin/kill -s USR1 $MAINPID",
        "/bin/sh -c 'kill -TERM $MAINPID'",
    ] {
        list.unit_with(reload, &format!("ExecReload={command}\n"), &["U102"], &["U134"]);
    }
    for mode in ["none", "process"] {
        list.unit("KillMode=mixed", &format!("KillMode={mode}"), &["U109"]);
    }
    for seconds in ["1", "2", "3s", "5", "8", "10", "12", "15s", "20", "25", "29"] {
        list.unit("TimeoutStopSec=40", &format!("TimeoutStopSec={seconds}"), &["U110"]);
    }
    // Where systemd holds the socket, the next connection starts it.
    if !list.shape.is_activated() {
        list.unit("Restart=always\n", "", &["U107"]);
        for policy in ["no", "on-success"] {
            list.unit("Restart=always", &format!("Restart={policy}"), &["U107"]);
        }
    }
    for signal in ["SIGKILL", "SIGQUIT", "SIGINT", "SIGHUP", "SIGUSR1"] {
        list.line(&format!("KillSignal={signal}"), &["U137"]);
    }
    for time in ["1", "10", "30", "1min", "2min"] {
        list.line(&format!("WatchdogSec={time}"), &["U123"]);
    }
    for (from, to) in [
        ("ExecReload=", "ExecRelaod="),
        ("ExecReload=", "ExecReaload="),
        ("KillMode=", "KilMode="),
        ("TimeoutStopSec=", "TimeoutStopSecs="),
        ("Restart=", "Restrat="),
        ("RestartSec=", "RestartSek="),
        ("Description=", "Descripton="),
    ] {
        list.unit_with(from, to, &["U119"], &["U101"]);
    }
    list.unit("[Install]\n", "[Instal]\n", &["U119", "U120"]);
    let beside = &["U131", "U101", "G210", "U112", "N301"];
    list.unit_with("[Service]", "[Service", &["U128"], beside);
    list.unit("User=www-data", "User=www data", &["U128", "U131"]);
    for wrong in ["Requires=nosuch.service", "BindsTo=gone.service", "Requires=a.service b.service"]
    {
        list.unit("[Unit]\n", &format!("[Unit]\n{wrong}\n"), &["U138"]);
    }
    list.unit("Type=notify\n", "Type=forking\n", &["U104", "U135"]);
    list.unit("Type=exec\n", "Type=forking\n", &["U104", "U135"]);
    for tail in [" && echo up", " | tee /var/log/shop.log", " > /var/log/shop.log", " ; echo"] {
        let app = app(list.shape);
        let codes = &["U129", "G209", "U125"];
        list.unit_with(&format!("{app}\n"), &format!("{app}{tail}\n"), codes, &["U124"]);
    }
    let twice = format!("ExecStart=/bin/kill -0 1\n{reload}");
    list.unit_with(reload, &twice, &["U125"], &[]);
}

fn app(shape: &Shape) -> &'static str {
    match shape.framework {
        Framework::Flask => "wsgi:app",
        Framework::Django => "shop.wsgi:application",
        Framework::FastApi => "main:app",
    }
}

fn accounts_and_files(list: &mut List) {
    for name in ["nosuch", "shop", "gunicorn", "webapp"] {
        list.unit("User=www-data", &format!("User={name}"), &["U131"]);
        list.unit("Group=www-data", &format!("Group={name}"), &["U131"]);
    }
    let home = if list.shape.template { "/srv/%i" } else { "/srv/myapp" };
    let directory = format!("WorkingDirectory={home}/current");
    for wrong in ["/srv/mayapp/current", "/srv/myapp/curent", "/opt/myapp", "/home/deploy/app"] {
        list.unit(&directory, &format!("WorkingDirectory={wrong}"), &["U112"]);
    }
    let file = if list.shape.template { "/etc/%i.env" } else { "/etc/myapp.env" };
    let line = format!("EnvironmentFile={file}\n");
    for wrong in ["/etc/mayapp.env", "/etc/myapp/env", "/srv/shared/.env", "/etc/default/myapp"] {
        list.unit_with(&line, &format!("EnvironmentFile={wrong}\n"), &["U115"], &["E410", "N301"]);
    }
    for wrong in ["\"/etc/myapp.env\"", "etc/myapp.env", "/etc/myapp.env /etc/b.env"] {
        let right = "EnvironmentFile=/etc/myapp.env\n";
        let wrong = format!("EnvironmentFile={wrong}\n");
        list.unit_with(right, &wrong, &["U116", "U115"], &["E410", "N301", "G201", "G229", "U113"]);
    }
    let program = format!("{home}{PROGRAM}");
    for wrong in
        ["/srv/myapp/venv/bin/gunicorn", "/usr/bin/gunicorn", "/srv/myapp/.venv/bin/guncorn"]
    {
        list.unit_with(
            &format!("ExecStart={program}"),
            &format!("ExecStart={wrong}"),
            &["U124"],
            &[],
        );
    }
    for wrong in ["append:/var/log/shop/out.log", "file:/srv/logs/out.log", "append:/nowhere/x.log"]
    {
        list.line(&format!("StandardOutput={wrong}"), &["U136"]);
        list.line(&format!("StandardError={wrong}"), &["U136"]);
    }
    for wrong in
        ["InaccessiblePaths=/srv/myapp", "TemporaryFileSystem=/srv", "InaccessiblePaths=/srv"]
    {
        list.line(wrong, &["U126"]);
    }
    list.unit("RuntimeDirectory=myapp\n", "", &["U117"]);
    list.unit("RuntimeDirectory=%i\n", "", &["U117"]);
    let shape = *list.shape;
    list.add(
        "the environment file is everybody's to read".into(),
        &["E407"],
        &[],
        shape.case().own(ENVIRONMENT, 0o644, 0, 0),
    );
    list.add(
        "the environment file is gone".into(),
        &["U115"],
        &["E410", "N301", "G201"],
        shape.case().remove(ENVIRONMENT),
    );
}

fn gunicorn(list: &mut List) {
    for option in [
        "--wrokers 3",
        "--timeuot 30",
        "--gracefull-timeout 30",
        "--bnd unix:/x",
        "--max-reqests 5",
        "--log-levle info",
        "--thraeds 2",
        "--acces-logfile -",
        "--keepalive 5",
        "--error-log-file -",
        "--workers x",
        "--workers -2",
        "--timeout abc",
        "--backlog many",
        "--max-requests 1.5",
        "--graceful-timeout -1",
        "--umask 9z",
    ] {
        list.option(option, &["G209"]);
    }
    for class in ["gevent", "eventlet", "tornado", "gthrad", "uvicorn.workers.Uv"] {
        if list.shape.framework == Framework::FastApi && list.shape.written == Written::CommandLine
        {
            continue;
        }
        let (from, to) = (format!("{PROGRAM} "), format!("{PROGRAM} --worker-class {class} "));
        // What is in a package that is installed is not read.
        if class.starts_with("uvicorn") && list.shape.framework == Framework::FastApi {
            continue;
        }
        list.unit_with(&from, &to, &["G208"], &["G229"]);
    }
    for option in ["--daemon", "-D"] {
        list.option(option, &["U104"]);
    }
    list.option("--reload", &["G204"]);
    list.option("--preload", &["G203"]);
    let one = "--workers 1";
    match list.shape.written {
        Written::CommandLine => list.unit("--workers 3", one, &["G201"]),
        Written::File => list.swap("/etc/myapp.conf.py", "workers = 3", "workers = 1", &["G201"]),
        Written::Environment => list.environment("--workers 3", one, &["G201"]),
    }
    for seconds in [120, 90, 300, 600] {
        list.option(&format!("--timeout {seconds}"), &["N306"]);
    }
    let name = app(list.shape);
    for wrong in ["wsgy:app", "shop.asgy:app", "application:app", "nothing"] {
        list.unit_with(&format!("{name}\n"), &format!("{wrong}\n"), &["G210"], &[]);
    }
    let module = name.split(':').next().unwrap_or_default();
    for wrong in ["nothing", "ap", "create_app()"] {
        let wrong = format!("{module}:{wrong}\n");
        list.unit_with(&format!("{name}\n"), &wrong, &["G210"], &[]);
    }
    if list.shape.written == Written::File {
        for (from, to) in [
            ("workers = 3", "workers = "),
            ("workers = 3", "workers = (3"),
            ("workers = 3", "import nothing_here\nworkers = 3"),
            ("workers = 3", "raise SystemExit(1)"),
        ] {
            list.swap_with(
                "/etc/myapp.conf.py",
                from,
                to,
                &["G212"],
                &["N301", "G201", "G229", "U113"],
            );
        }
        let gone = list.shape.case().remove("/etc/myapp.conf.py");
        list.add(
            "gunicorn's configuration file is gone".into(),
            &["G212"],
            &["N301", "G201"],
            gone,
        );
    }
}

fn environment(list: &mut List) {
    let key = "SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\n";
    for (to, codes) in [
        (format!("export {key}"), &["E401"] as &[&str]),
        (key.replace("SECRET_KEY=", "SECRET_KEY: "), &["E401"]),
        (key.replace("SECRET_KEY=", "SECRET-KEY="), &["E401"]),
        (key.replace("SECRET_KEY=", "SECRTE_KEY="), &["E410"]),
        (key.replace("SECRET_KEY=", "SECRET_KE="), &["E410"]),
        (key.replace("SECRET_KEY=", "SECRET_KEY=\""), &["E404"]),
        (key.replace("SECRET_KEY=", "SECRET_KEY='"), &["E404"]),
        (key.replace("88c\n", "88c # of May\n"), &["E403"]),
        (key.replace("88c\n", "88c\\\n"), &["E405"]),
        (String::new(), &["E410"]),
        ("SECRET_KEY=\n".to_owned(), &["E410"]),
        (key.replace("SECRET_KEY=", "set SECRET_KEY="), &["E401"]),
    ] {
        let codes: &'static [&'static str] = match codes {
            ["E401"] => &["E401"],
            ["E403"] => &["E403"],
            ["E404"] => &["E404"],
            ["E405"] => &["E405"],
            _ => &["E410"],
        };
        list.swap_with(ENVIRONMENT, key, &to, codes, &["E410", "N301", "G201", "U113", "G229"]);
    }
    let shape = *list.shape;
    let mut bytes = shape.case().text(ENVIRONMENT).into_bytes();
    bytes.extend(b"CITY=M\xfcnchen\n");
    let case = shape.case().file(ENVIRONMENT, bytes).own(ENVIRONMENT, 0o640, 0, 0);
    list.add("a byte that is no UTF-8".into(), &["E412"], &["E410", "N301", "G201"], case);
    if shape.framework == Framework::Flask {
        list.environment("SECRET_KEY=", "FLASK_DEBUG=1\nSECRET_KEY=", &["E408"]);
    }
}

fn nginx(list: &mut List) {
    let socket = match list.shape.listener {
        Listener::Unix => "unix:/run/myapp/gunicorn.sock",
        Listener::Activated => "unix:/run/myapp.sock",
        _ => "127.0.0.1:8000",
    };
    let server = format!("server {socket} fail_timeout=0;");
    for other in [
        "unix:/run/myapp/app.sock",
        "unix:/run/gunicorn.sock",
        "unix:/tmp/myapp.sock",
        "127.0.0.1:8001",
        "127.0.0.1:9000",
    ] {
        list.site(&server, &format!("server {other} fail_timeout=0;"), &["N301", "N302"]);
    }
    if matches!(list.shape.listener, Listener::Tcp | Listener::ActivatedTcp) {
        list.site(&server, "server [::1]:8000 fail_timeout=0;", &["S604", "N301"]);
    }
    list.site(&server, &format!("server {socket};\n    server 127.0.0.1:8009;"), &["N307"]);
    for pass in ["http://myap", "http://my_app", "http://app"] {
        list.site("http://myapp;", &format!("{pass};"), &["N310"]);
    }
    for pass in ["myapp", "unix:/run/myapp.sock", "http:/myapp", "http//myapp", "https//myapp"] {
        list.site("http://myapp;", &format!("{pass};"), &["N305"]);
    }
    for header in
        ["Host $host", "X-Forwarded-For $proxy_add_x_forwarded_for", "X-Forwarded-Proto $scheme"]
    {
        list.site(&format!("        proxy_set_header {header};\n"), "", &["N303"]);
    }
    list.site(
        "    location / {",
        "    proxy_set_header X-Request-Id $request_id;\n\n    location / {",
        &["N304"],
    );
    for seconds in ["1s", "5s", "10", "20s", "29s", "500ms"] {
        list.site("proxy_read_timeout 75s", &format!("proxy_read_timeout {seconds}"), &["N306"]);
    }
    for (from, to) in [
        ("proxy_pass http", "proxy_pas http"),
        ("proxy_set_header Host", "proxy_set_headr Host"),
        ("proxy_read_timeout", "proxy_read_timeoutt"),
        ("server_name example.com;", "server_name example.com"),
        ("alias /srv", "alais /srv"),
        ("listen 80", "lisen 80"),
        ("location / {", "locaton / {"),
        ("location / {", "location / "),
        ("upstream myapp {", "upsteam myapp {"),
        ("proxy_read_timeout 75s;", "proxy_read_timeout 75s; proxy_read_timeout 60s;"),
        ("proxy_read_timeout 75s;", "proxy_read_timeout seventy;"),
        ("proxy_read_timeout 75s;", "proxy_read_timeout;"),
        ("proxy_set_header Host $host;", "proxy_set_header Host;"),
        ("listen 80 default_server;", "listen 99999;"),
        ("listen 80 default_server;", "listen 80 default_servr;"),
        ("    location /static/ {", "    location / {"),
        ("    location /static/ {", "    }\n    location /static/ {"),
    ] {
        list.swap_with(SITE, from, to, &["N317", "N310"], &["N310", "N305", "N325", "N303"]);
    }
    for file in ["/etc/nginx/proxy.conf", "snippets/proxy.conf", "proxy_parms"] {
        let line = format!("proxy_read_timeout 75s;\n        include {file};");
        list.site("proxy_read_timeout 75s;", &line, &["N314"]);
    }
    for path in ["/srv/myapp/current/statics/", "/var/www/static/", "/srv/mayapp/current/static/"] {
        list.site("/srv/myapp/current/static/", path, &["N312"]);
    }
    for release in ["2026-04-14", "2026-04-21"] {
        let pinned = format!("/srv/myapp/releases/{release}/static/");
        list.site("/srv/myapp/current/static/", &pinned, &["N313"]);
    }
    let shape = *list.shape;
    list.add("the site is not enabled".into(), &["N315"], &[], shape.case().remove(ENABLED));
    let backup = shape.case().text(SITE);
    let backup = shape.case().file("/etc/nginx/sites-enabled/myapp.bak", backup);
    list.add("a backup among the sites".into(), &["N322"], &["N317", "N316"], backup);
    list.swap(NGINX, "    include /etc/nginx/sites-enabled/*;\n", "", &["N315"]);
    list.swap_with(NGINX, "worker_connections 768", "worker_conections 768", &["N317"], &[]);
    if shape.framework != Framework::FastApi {
        list.site(
            "proxy_read_timeout 75s;",
            "proxy_read_timeout 75s; proxy_buffering off;",
            &["N320"],
        );
    }
    if shape.tls {
        for file in ["fullchain", "privkey"] {
            let gone = shape.case().remove(&format!("/etc/ssl/site/{file}.pem"));
            list.add(format!("{file}.pem is gone"), &["N325"], &[], gone);
        }
        let (chain, other) = make(&Wanted { names: vec!["example.com"], ..Wanted::default() });
        let case = shape.case().file("/etc/ssl/site/privkey.pem", other);
        list.add("another's key".into(), &["N326"], &[], case);
        let case = shape.case().file("/etc/ssl/site/fullchain.pem", chain);
        list.add("another's certificate".into(), &["N326"], &[], case);
        let (chain, key) = make(&Wanted { names: vec!["shop.example.org"], ..Wanted::default() });
        let case = shape
            .case()
            .file("/etc/ssl/site/fullchain.pem", chain)
            .file("/etc/ssl/site/privkey.pem", key);
        list.add("a certificate for another name".into(), &["N326"], &[], case);
    }
}

fn release(list: &mut List) {
    let shape = *list.shape;
    let module = app(&shape).split(':').next().unwrap_or_default().replace('.', "/");
    let path = format!("/srv/myapp/releases/2026-04-21/{module}.py");
    let code = shape.case().text(&path);
    for (broken, what) in [
        ("def (:\n", "def (:"),
        ("import os\n  x = 1\n", "an indent"),
        ("x = (1,\n", "an open bracket"),
        ("print 'x'\n", "print of Python 2"),
        ("class A\n", "no colon"),
        ("<<<<<<< HEAD\n", "a merge's mark"),
        ("x = 'abc\n", "an open string"),
    ] {
        let case = shape.case().file(&path, format!("{broken}{code}"));
        list.add(format!("{path}: {what}"), &["G211"], &[], case);
    }
    for import in ["requests", "nosuch", "yaml", "shop_utils", "redis"] {
        let case = shape.case().file(&path, format!("import {import}\n{code}"));
        list.add(format!("{path}: import {import}"), &["R717"], &[], case);
    }
    for name in ["NEEDED", "STRIPE_KEY", "MAIL_HOST"] {
        let line = format!("{code}\nX = os.environ[\"{name}\"]\n");
        let case = shape.case().file(&path, line);
        list.add(format!("{path}: needs {name}"), &["E410"], &[], case);
    }
    let dangling = shape.case().link("/srv/myapp/current", "releases/2026-05-01");
    list.add("current leads nowhere".into(), &["R701"], &["U112", "G210", "N312"], dangling);
    let first = shape.case().remove("/srv/myapp/releases/2026-04-14");
    list.add("no release before".into(), &["R702"], &[], first);
    for package in ["requests", "celery", "psycopg2-binary", "Pillow"] {
        let manifest = match shape.case().text_of("/srv/myapp/releases/2026-04-21/requirements.txt")
        {
            Some(text) => ("requirements.txt", format!("{text}{package}==9.9.9\n")),
            None => {
                let text = shape.case().text("/srv/myapp/releases/2026-04-21/pyproject.toml");
                let text = match text.contains("dependencies = [") {
                    true => text.replace(
                        "dependencies = [",
                        &format!("dependencies = [\"{package}==9.9.9\", "),
                    ),
                    false => format!("{text}{package} = \"9.9.9\"\n"),
                };
                ("pyproject.toml", text)
            }
        };
        let case = shape
            .case()
            .file(&format!("/srv/myapp/releases/2026-04-21/{}", manifest.0), manifest.1);
        list.add(format!("{package} is wanted"), &["R703"], &[], case);
    }
    let gone = shape.case().remove("/srv/myapp/.venv/lib/python3.11/site-packages/gunicorn");
    list.add("gunicorn's package is gone".into(), &["G228"], &["R703"], gone);
    let gone = shape.case().remove("/srv/myapp/.venv/bin/gunicorn");
    list.add("gunicorn's program is gone".into(), &["U124"], &[], gone);
}
