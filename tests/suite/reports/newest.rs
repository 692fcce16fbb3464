//! The newest systemd: what it knows, what it no longer does, what an old one ignores.

use super::{
    Case, Report, SITE, UNIT, broken, deployment, error, program, risky, silent, systemd_version,
    warning, with_unit,
};

pub fn reports() -> Vec<Report> {
    let mut all = prefixes_and_settings();
    all.extend(reload());
    all
}

fn prefixes_and_settings() -> Vec<Report> {
    vec![
        silent("unset-environment-on-262", || {
            let unset = "EnvironmentFile=/etc/myapp.env\n\
                         Environment=SOCK=/run/myapp/gunicorn.sock\nUnsetEnvironment=SOCK\n";
            on(262, "EnvironmentFile=/etc/myapp.env\n", unset).replace(
                UNIT,
                "unix:/run/myapp/gunicorn.sock",
                "unix:${SOCK}",
            )
        })
        .never(&["N301", "U117"]),
        silent("exec-search-path", || {
            on(
                262,
                "ExecStart=/srv/myapp/.venv/bin/gunicorn",
                "ExecSearchPath=/srv/myapp/.venv/bin:/usr/bin\nExecStart=gunicorn",
            )
        })
        .judged(&["R703", "U124"]),
        silent("pipe-before-a-login-shell", || {
            on(262, "ExecStart=/srv", "ExecStart=|/srv").replace(
                UNIT,
                "User=www-data",
                "User=deploy",
            )
        })
        .or_unknown()
        .never(&["U124"]),
        broken(
            "pipe-before-nologin",
            || {
                let case = on(262, "ExecStart=/srv", "ExecStart=|/srv").replace(
                    UNIT,
                    "Type=notify\nNotifyAccess=main\n",
                    "",
                );
                program(case, "/bin/dash").link("/bin/sh", "dash")
            },
            vec![error(&["U103"], &["/bin/sh"])],
        )
        .never(&["U124"]),
        broken(
            "runtime-directory-read-only",
            || on(262, "RuntimeDirectory=myapp\n", "RuntimeDirectory=myapp::ro\n"),
            vec![error(&["U117"], &["read-only"])],
        ),
        // It answers; the separation that the line asks for is not there.
        risky(
            "private-tmp-disconnected-on-252",
            || {
                on(252, "KillMode=mixed", "KillMode=mixed\nPrivateTmp=disconnected")
                    .replace(UNIT, "unix:/run/myapp/gunicorn.sock", "unix:/tmp/g.sock")
                    .replace(SITE, "unix:/run/myapp/gunicorn.sock", "unix:/tmp/g.sock")
            },
            vec![warning(&["U140"], &["252"])],
        )
        .never(&["U118"]),
        silent("new-settings-of-an-unknown-version", || {
            with_unit(
                "KillMode=mixed",
                "KillMode=mixed\nExecReloadPost=/bin/kill -0 $MAINPID\n\
                 RestartRandomizedDelaySec=1s\nStateDirectoryQuota=1G\nCPUPressureWatch=auto",
            )
        })
        .or_unknown()
        .never(&["U119"]),
        silent("private-bpf", || on(262, "KillMode=mixed", "KillMode=mixed\nPrivateBPF=yes"))
            .never(&["U119"]),
        silent("library-in-lib64", || {
            with_unit("KillMode=mixed", "KillMode=mixed\nExecReloadPost=/bin/kill -0 $MAINPID")
                .file("/usr/lib64/systemd/libsystemd-shared-262.so", b"\x7fELF")
        })
        .never(&["U119", "U140"]),
    ]
}

fn reload() -> Vec<Report> {
    const RELOAD: &str = "ExecReload=/bin/kill -s HUP $MAINPID\n";
    vec![
        broken(
            "notify-reload-on-262",
            || on(262, "Type=notify", "Type=notify-reload").replace(UNIT, RELOAD, ""),
            vec![error(&["U106"], &["RELOADING=1"])],
        ),
        broken(
            "notify-reload-on-252",
            || on(252, "Type=notify", "Type=notify-reload").replace(UNIT, RELOAD, ""),
            vec![error(&["U101"], &[])],
        ),
        broken(
            "refresh-on-reload",
            || {
                let refresh = "LoadCredential=a:/etc/hostname\nRefreshOnReload=credentials\n";
                on(262, RELOAD, refresh).file("/etc/hostname", "web\n")
            },
            vec![error(&["U101"], &["RefreshOnReload"])],
        )
        .unsaid(&["fails"]),
        broken(
            "exec-reload-post-missing",
            || on(262, "KillMode=mixed", "ExecReloadPost=/bin/nosuch\nKillMode=mixed"),
            vec![error(&["U124"], &["/bin/nosuch"])],
        ),
        silent("pipe-before-the-reload", || {
            on(262, "ExecReload=/bin/kill", "ExecReload=|/bin/kill")
        })
        .or_unknown()
        .never(&["U124"]),
    ]
}

/// The deployment on this systemd, with a piece of its unit replaced.
fn on(version: u32, from: &str, to: &str) -> Case {
    systemd_version(deployment(), version).replace(UNIT, from, to)
}
