//! What a report could as well have had: another spelling, another layer, a drop-in, a template
//! unit, TCP in place of a unix socket. Those that were silent or false once.

use super::{
    BIND, Case, Report, SITE, UNIT, WORKERS, broken, deployment, error, program, risky,
    systemd_version, warning, with_unit,
};

const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/10-local.conf";
const CONFIG: &str = "gunicorn.conf.py";

pub fn reports() -> Vec<Report> {
    let mut all = unit();
    all.extend(gunicorn());
    all.extend(nginx());
    all
}

fn unit() -> Vec<Report> {
    vec![
        broken(
            "script-without-exec-notify-exec",
            || {
                let line = "[Service]\nNotifyAccess=exec\nExecStart=\nExecStart=/bin/sh -c 'cd \
                            /srv/myapp/current && /srv/myapp/.venv/bin/gunicorn -w 3 -b \
                            unix:/run/myapp/gunicorn.sock wsgi:app'\n";
                program(drop_in(line), "/bin/dash").link("/bin/sh", "dash")
            },
            vec![error(&["U103"], &["the start times out"])],
        )
        .unsaid(&["returns 0"]),
        broken(
            "temporary-file-system-over-the-application",
            || drop_in("[Service]\nTemporaryFileSystem=/srv:ro\n"),
            vec![error(&["U126"], &["TemporaryFileSystem=/srv"]).at(DROP_IN, "Temporary")],
        ),
        broken(
            "private-users-of-root-that-changes-its-user",
            || {
                with_unit("User=www-data\nGroup=www-data\n", "PrivateUsers=yes\n").replace(
                    UNIT,
                    WORKERS,
                    &format!("{WORKERS}    -u www-data -g www-data \\\n"),
                )
            },
            vec![error(&["U126"], &["www-data"])],
        ),
        broken(
            "runtime-directory-read-only-with-a-link",
            || {
                systemd_version(deployment(), 262).replace(
                    UNIT,
                    "RuntimeDirectory=myapp\n",
                    "RuntimeDirectory=shop:myapp:ro\n",
                )
            },
            vec![error(&["U117"], &["read-only"])],
        ),
        risky(
            "settings-of-another-version",
            || {
                let case = drop_in("[Service]\nRestartMode=direct\nExecReloadPost=/bin/true\n");
                systemd_version(case, 252)
            },
            vec![warning(&["U140"], &["RestartMode"]), warning(&["U140"], &["ExecReloadPost"])],
        )
        .never(&["U119"]),
    ]
}

fn gunicorn() -> Vec<Report> {
    vec![
        broken(
            "bind-is-a-port-in-the-configuration-file",
            || {
                with_unit(BIND, "").in_release(CONFIG, "port = 5000\nbind = [str(port)]\n").replace(
                    SITE,
                    "unix:/run/myapp/gunicorn.sock",
                    "127.0.0.1:5000",
                )
            },
            vec![error(&["G234"], &["0.0.19.136"])],
        ),
        broken(
            "configuration-file-imports-what-is-not-installed",
            || deployment().in_release(CONFIG, "from prometheus_client import multiprocess\n"),
            vec![error(&["G212"], &["prometheus_client"])],
        ),
        broken(
            "worker-class-of-nobody",
            || deployment().in_release(CONFIG, "worker_class = \"shop.workers.Worker\"\n"),
            vec![error(&["G208"], &["shop"])],
        ),
        broken(
            "log-file-of-a-logging-configuration",
            || {
                let text = "logconfig_dict = {\n    \"version\": 1,\n    \"handlers\": {\n        \
                            \"file\": {\"class\": \"logging.FileHandler\", \"filename\": \
                            \"/var/log/shop.log\"},\n    },\n    \"root\": {\"handlers\": \
                            [\"file\"]},\n}\n";
                deployment().in_release(CONFIG, text)
            },
            vec![error(&["G230"], &["/var/log"])],
        ),
        broken(
            "two-assignments-in-single-quotes",
            || {
                let line = "Environment='DATABASE_URL=sqlite:// SECRET_KEY=9f2c1b7e5d8a'\n";
                with_unit("EnvironmentFile=/etc/myapp.env\n", line)
            },
            vec![
                error(&["U141"], &["SECRET_KEY"]),
                error(&["E410"], &["SECRET_KEY"]).at(UNIT, "Environment="),
            ],
        )
        .unsaid(&["set nowhere"]),
    ]
}

fn nginx() -> Vec<Report> {
    vec![
        broken(
            "ipv4-loopback-against-ipv6",
            || {
                let listens =
                    deployment().replace(UNIT, "unix:/run/myapp/gunicorn.sock", "127.0.0.1:8000");
                listens.replace(SITE, "unix:/run/myapp/gunicorn.sock", "[::1]:8000")
            },
            vec![error(&["N301", "S604"], &["[::1]:8000"])],
        )
        .never(&["N302"]),
    ]
}

fn drop_in(text: &str) -> Case {
    deployment().file(DROP_IN, text)
}
