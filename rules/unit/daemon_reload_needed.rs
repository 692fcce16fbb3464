use crate::facts::service::Unit;
use crate::facts::{App, UnitState, Why};
use crate::rule::prelude::Span;
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// systemd still uses the old unit: its files have changed, but `daemon-reload` was not run.
    ///
    /// Measured: `systemctl reload` then returns 0, warns only on standard error, and runs the old
    /// ExecReload=; a crash restarts the old command line. `systemctl show` says
    /// `NeedDaemonReload=yes`. systemd does not report the first drop-in in a directory that did
    /// not exist when it loaded the unit (measured on 252), so the loaded drop-ins are compared
    /// too. Only the running systemd knows this, so the rule is skipped for a file tree.
    ///
    /// By hand: `systemctl daemon-reload`, then `systemctl restart` if ExecStart=, EnvironmentFile=
    /// or other settings of the process changed: a reload does not apply them.
    ///
    /// Proved by `daemon-reload-needed`: a restart returned 0 and brought the old command line
    /// back: three workers where the file says four.
    ///
    /// ```text,bad,command=systemctl show
    /// Id=myapp.service
    /// LoadState=loaded
    /// ActiveState=active
    /// NeedDaemonReload=yes
    /// FragmentPath=/etc/systemd/system/myapp.service
    /// ```
    /// ```text,fixed,command=systemctl show
    /// Id=myapp.service
    /// LoadState=loaded
    /// ActiveState=active
    /// NeedDaemonReload=no
    /// FragmentPath=/etc/systemd/system/myapp.service
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// TimeoutStopSec=50
    /// ```
    /// ```text,bad,command=systemctl show
    /// Id=myapp.service
    /// LoadState=loaded
    /// NeedDaemonReload=no
    /// DropInPaths=
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// TimeoutStopSec=50
    /// ```
    /// ```text,good,command=systemctl show
    /// Id=myapp.service
    /// LoadState=loaded
    /// Result=success
    /// NeedDaemonReload=no
    /// DropInPaths=/etc/systemd/system/myapp.service.d/10-example.conf
    /// ```
    ///
    /// The application's `.socket` unit counts as well: it keeps listening on the path, and with
    /// the mode, that systemd has loaded.
    ///
    /// ```ini,bad,also=U139,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp/gunicorn.sock
    /// ```
    /// ```text,bad,command=systemctl show
    /// Id=myapp.service
    /// LoadState=loaded
    /// ActiveState=active
    /// NeedDaemonReload=no
    /// DropInPaths=
    ///
    /// Id=myapp.socket
    /// LoadState=loaded
    /// ActiveState=active
    /// NeedDaemonReload=yes
    /// DropInPaths=
    /// ```
    U121 "daemon-reload-needed" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let sockets = app.service.sockets.iter().zip(&app.socket_states);
    for (unit, state) in std::iter::once((&app.service.unit, &app.state)).chain(sockets) {
        match state.get().and_then(|state| Ok((state, changed(unit, state)?))) {
            Ok((_, None)) => {}
            Ok((state, Some(change))) => report(app, unit, state, &change, out),
            Err(why) => out.skip(&why),
        }
    }
    Ok(())
}

/// How it is seen that systemd has another unit than the files say.
enum Changed {
    /// systemd says so.
    Said,
    /// It has not loaded this drop-in.
    Unloaded(Span),
}

fn changed(unit: &Unit, state: &UnitState) -> Result<Option<Changed>, Why> {
    // Of a unit that it refused systemd always says so (measured: two ExecStart=, `bad-setting`).
    if !matches!(state.load.as_str(), "" | "loaded") {
        return Err(Why::not_read(format!("systemd could not load the unit: {}", state.load)));
    }
    let said = state
        .need_daemon_reload
        .ok_or_else(|| Why::not_read("systemctl does not report whether the unit has changed"))?;
    Ok(match unloaded(unit, state) {
        Some(span) => Some(Changed::Unloaded(span)),
        None => said.then_some(Changed::Said),
    })
}

fn report(app: &App, unit: &Unit, state: &UnitState, change: &Changed, out: &mut Sink) {
    let name = unit.name.to_string();
    let section = unit.fragment.iter().flat_map(|file| &file.sections).next();
    let (place, note) = match change {
        Changed::Unloaded(span) => (Some(*span), "systemd has not loaded this file"),
        Changed::Said => {
            (section.map(|section| section.span), "changed since systemd loaded the unit")
        }
    };
    let evidence = if state.need_daemon_reload == Some(true) {
        format!("systemctl show -p NeedDaemonReload {name}: NeedDaemonReload=yes")
    } else {
        format!("systemctl show -p DropInPaths {name}: the drop-in is not among them")
    };
    let service = &app.name;
    // A .socket unit refuses to start while its service is active, also both in one command.
    let (consequence, restart) = if name == *service {
        ("`systemctl reload` applies none of that", format!("systemctl restart {name}"))
    } else {
        (
            "the socket stays as it was, even when the service restarts",
            format!(
                "systemctl stop {service} && systemctl restart {name} && systemctl start {service}"
            ),
        )
    };
    out.report(format!(
        "systemd still runs {name} as it was: its files have changed, and {consequence}"
    ))
    .at_some(place, note)
    .evidence(EvidenceKind::Command, evidence)
    .help(format!("systemctl daemon-reload\n{restart}"))
    .subject(if name == *service { String::new() } else { name })
    .fix(Safety::Manual, "systemctl daemon-reload");
}

/// A drop-in that systemd has not loaded. Below /usr the same file may have two names.
fn unloaded(unit: &Unit, state: &UnitState) -> Option<Span> {
    let loaded = state.drop_ins.as_ref().filter(|_| state.load == "loaded")?;
    let new = unit.drop_ins.iter().find(|file| {
        let path = file.file.path.to_string_lossy();
        (path.starts_with("/etc/") || path.starts_with("/run/"))
            && !path.contains(char::is_whitespace)
            && !loaded.iter().any(|known| *known == path)
    });
    new?.sections.first().map(|section| section.span)
}
