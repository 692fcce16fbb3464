//! Reports whose cause is the unit.

use super::{
    Case, RELEASES, Report, SITE, UNIT, broken, deployment, error, gunicorn_version, package,
    risky, silent, with_unit,
};

const SOCKET: &str = "[Unit]\nDescription=myapp\n\n[Socket]\n\
                      ListenStream=/run/myapp/gunicorn.sock\n\n[Install]\n\
                      WantedBy=sockets.target\n";

pub fn reports() -> Vec<Report> {
    vec![
        broken(
            "notify-gunicorn-19",
            || gunicorn_version(deployment(), "19.9.0"),
            vec![error(&["U135"], &["19.9.0"])],
        ),
        broken(
            "home-of-root-and-comment",
            || in_home_of_root("  # where shop.py lives"),
            vec![error(&["U112"], &["/root"])],
        )
        .untyped(&["# where"]),
        broken(
            "home-of-root",
            || in_home_of_root(""),
            vec![error(&["U112"], &["/root"]), error(&["U124"], &["/root"])],
        ),
        broken(
            "script-without-exec-notify",
            script_without_exec,
            vec![error(&["U135", "U103"], &["start"])],
        )
        .unsaid(&["returns 0"]),
        broken(
            "runtime-directory-takes-the-socket",
            socket_in_runtime_directory,
            vec![error(&["U139"], &["/run/myapp/gunicorn.sock"])],
        ),
        broken(
            "no-such-user",
            || with_unit("User=www-data\nGroup=www-data", "User=shop\nGroup=shop"),
            vec![error(&["U131"], &["shop"]).at(UNIT, "User=shop")],
        ),
        broken(
            "output-in-logs-directory",
            || {
                let output = "KillMode=mixed\nLogsDirectory=myapp\n\
                              StandardOutput=append:/var/log/myapp/stdout.log\n\
                              StandardError=inherit";
                with_unit("KillMode=mixed", output)
            },
            vec![error(&["U136"], &["/var/log/myapp"])],
        ),
        broken("protect-home", in_a_home_that_is_hidden, vec![error(&["U126"], &["/home"])]),
        broken(
            "socket-unit-without-exec-reload",
            activated_without_reload,
            vec![error(&["U101"], &["fails"])],
        )
        .never(&["U113"])
        .unsaid(&["a restart drops"]),
        broken(
            "kill-signal-quit",
            || with_unit("KillMode=mixed", "KillMode=mixed\nKillSignal=SIGQUIT"),
            vec![error(&["U137"], &["SIGQUIT"])],
        ),
        broken(
            "two-assignments-in-one-pair-of-quotes",
            two_in_one_quotes,
            vec![
                error(&["U141"], &["SECRET_KEY"]).at(UNIT, "Environment="),
                error(&["E410"], &["SECRET_KEY"]).at(UNIT, "Environment="),
            ],
        )
        .unsaid(&["set nowhere"]),
        broken(
            "percent-in-environment",
            percent_in_environment,
            vec![
                error(&["U141"], &["DATABASE_URL"]).at(UNIT, "Environment="),
                error(&["E410"], &["DATABASE_URL"]).at(UNIT, "Environment="),
            ],
        )
        .unsaid(&["set nowhere"]),
        silent("flask-env-of-flask-3", || {
            let case = package(
                deployment().remove(&format!("{}/flask-3.0.3.dist-info", super::PACKAGES)),
                "flask",
                "3.1.0",
            );
            let case = RELEASES.into_iter().fold(case, |case, release| {
                case.replace(&format!("{release}/requirements.txt"), "Flask==3.0.3", "Flask>=3.0")
            });
            case.file(
                "/etc/myapp.env",
                "SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\n\
                 DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db\nFLASK_ENV=development\n",
            )
            .own("/etc/myapp.env", 0o640, 0, 33)
        })
        .never(&["E408"]),
        risky(
            "environment-with-a-blank",
            unquoted_blank,
            vec![super::warning(&["U141"], &["SITE_NAME"])],
        ),
    ]
}

fn in_home_of_root(behind: &str) -> Case {
    let unit = format!(
        "[Unit]\nDescription=shop\n\n[Service]\nUser=myapp\nGroup=myapp\n\
         WorkingDirectory=/root/shop{behind}\nEnvironmentFile=/etc/myapp.env\n\
         ExecStart=/root/shop/venv/bin/gunicorn -w 4 -b 127.0.0.1:6161 shop:app\n\
         ExecReload=/bin/kill -s HUP $MAINPID\nRestart=always\n\n[Install]\n\
         WantedBy=multi-user.target\n"
    );
    let program = "/root/shop/venv/bin/gunicorn";
    deployment()
        .file(UNIT, unit)
        .file("/root/shop/shop.py", "from flask import Flask\n\napp = Flask(__name__)\n")
        .file(program, "#!/root/shop/venv/bin/python\n")
        .own(program, 0o755, 0, 0)
        .link("/root/shop/venv/bin/python", "/usr/bin/python3")
        .file("/root/shop/venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n")
        .own("/root", 0o700, 0, 0)
        .replace(SITE, "unix:/run/myapp/gunicorn.sock", "127.0.0.1:6161")
}

fn script_without_exec() -> Case {
    let script = "/srv/myapp/start.sh";
    let case = deployment()
        .file(
            script,
            "#!/bin/bash\nexport APP_ENV=\"$1\"\ncd /srv/myapp/current\n\
             . /srv/myapp/.venv/bin/activate\n\
             gunicorn --workers 3 --bind unix:/run/myapp/gunicorn.sock wsgi:app\n",
        )
        .own(script, 0o755, 0, 0)
        .file(
            "/srv/myapp/.venv/bin/activate",
            "VIRTUAL_ENV=\"/srv/myapp/.venv\"\nexport VIRTUAL_ENV\n\
             PATH=\"$VIRTUAL_ENV/bin:$PATH\"\nexport PATH\n",
        );
    let unit = case.text(UNIT);
    let (start, end) = (unit.find("ExecStart=").unwrap(), unit.find("ExecReload=").unwrap());
    let line = "ExecStart=/srv/myapp/start.sh production\n";
    case.file(UNIT, format!("{}{line}{}", &unit[..start], &unit[end..]))
}

fn socket_in_runtime_directory() -> Case {
    with_unit("[Service]\nType=notify\nNotifyAccess=main\n", "[Service]\n")
        .replace(UNIT, "After=network.target", "Requires=myapp.socket\nAfter=network.target")
        .file("/etc/systemd/system/myapp.socket", SOCKET)
        .link(
            "/etc/systemd/system/sockets.target.wants/myapp.socket",
            "/etc/systemd/system/myapp.socket",
        )
}

fn activated_without_reload() -> Case {
    let unit = "[Unit]\nDescription=myapp\nRequires=myapp.socket\nAfter=network.target\n\n\
                [Service]\nUser=www-data\nGroup=www-data\nWorkingDirectory=/srv/myapp/current\n\
                EnvironmentFile=/etc/myapp.env\nExecStart=/srv/myapp/.venv/bin/gunicorn \
                --workers 3 --bind unix:/run/gunicorn.sock wsgi:app\nRestart=always\n\
                RestartSec=3\n\n[Install]\nWantedBy=multi-user.target\n";
    deployment()
        .file(UNIT, unit)
        .file(
            "/etc/systemd/system/myapp.socket",
            SOCKET.replace("/run/myapp/gunicorn.sock", "/run/gunicorn.sock"),
        )
        .link(
            "/etc/systemd/system/sockets.target.wants/myapp.socket",
            "/etc/systemd/system/myapp.socket",
        )
        .replace(SITE, "unix:/run/myapp/gunicorn.sock", "unix:/run/gunicorn.sock")
}

fn in_a_home_that_is_hidden() -> Case {
    let program = "/home/deploy/venv/bin/gunicorn";
    let application = "from flask import Flask\n\napp = Flask(__name__)\n";
    with_unit("User=www-data\n", "User=deploy\nProtectHome=yes\n")
        .replace(UNIT, "WorkingDirectory=/srv/myapp/current", "WorkingDirectory=/home/deploy/site")
        .replace(UNIT, "--chdir /srv/myapp/current", "--chdir /home/deploy/site")
        .replace(UNIT, "/srv/myapp/.venv", "/home/deploy/venv")
        .file("/home/deploy/site/wsgi.py", application)
        .file(program, "#!/home/deploy/venv/bin/python\n")
        .own(program, 0o755, 1000, 1000)
        .link("/home/deploy/venv/bin/python", "/usr/bin/python3")
        .file("/home/deploy/venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n")
}

fn two_in_one_quotes() -> Case {
    let line = "Environment=\"DATABASE_URL=postgresql://127.0.0.1/app SECRET_KEY=9f2c1b7e5d8a\"\n";
    with_unit("EnvironmentFile=/etc/myapp.env\n", line)
}

fn percent_in_environment() -> Case {
    let lines = "Environment=\"SECRET_KEY=9f2c1b7e5d8a4f03\"\n\
                 Environment=\"DATABASE_URL=postgresql://app:p%23ss%21w@127.0.0.1/app\"\n";
    with_unit("EnvironmentFile=/etc/myapp.env\n", lines)
}

/// The second word of a name with a blank in it is lost; the code does not need it.
fn unquoted_blank() -> Case {
    let line = "EnvironmentFile=/etc/myapp.env\nEnvironment=SITE_NAME=My Shop\n";
    with_unit("EnvironmentFile=/etc/myapp.env\n", line)
}
