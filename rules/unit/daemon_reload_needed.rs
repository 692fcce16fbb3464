use crate::facts::{App, UnitState, Why};
use crate::rule::{EvidenceKind, Safety, Sink};
use crate::source::Span;

crate::rule! {
    /// systemd goes on with the unit as it was: its files have changed, and `daemon-reload` was
    /// not run.
    ///
    /// Measured: `systemctl reload` then returns 0, warns on standard error alone, and runs the
    /// old ExecReload=; a crash restarts the old command line. `systemctl show` says
    /// `NeedDaemonReload=yes`. It does not say so for the first drop-in in a directory that was not
    /// there when it loaded the unit (measured on 252), so the drop-ins that it has loaded are
    /// compared, too. Only the running systemd knows this, so the rule is skipped for a file tree.
    ///
    /// By hand: `systemctl daemon-reload`, then `systemctl restart` where ExecStart=,
    /// EnvironmentFile= or other settings of the process changed: a reload does not take them over.
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
    U121 "daemon-reload-needed" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let state = app.state.get()?;
    // Of a unit that it refused systemd always says so (measured: two ExecStart=, `bad-setting`).
    if !matches!(state.load.as_str(), "" | "loaded") {
        return Err(Why::new(format!("systemd could not load the unit: {}", state.load)));
    }
    let said = state
        .need_daemon_reload
        .ok_or_else(|| Why::new("systemctl does not say whether the unit has changed"))?;
    let unloaded = unloaded(app, state);
    if !said && unloaded.is_none() {
        return Ok(());
    }
    let name = &app.name;
    let message = format!(
        "systemd still runs {name} as it was: its files have changed, and `systemctl reload` \
         takes nothing of that over"
    );
    let section = app.service.unit.fragment.iter().flat_map(|file| &file.sections).next();
    let (place, note) = match unloaded {
        Some(span) => (Some(span), "systemd has not loaded this file"),
        None => (section.map(|section| section.span), "changed since systemd loaded the unit"),
    };
    let evidence = if said {
        format!("systemctl show -p NeedDaemonReload {name}: NeedDaemonReload=yes")
    } else {
        format!("systemctl show -p DropInPaths {name}: the drop-in is not among them")
    };
    out.report(message)
        .at_some(place, note)
        .evidence(EvidenceKind::Command, evidence)
        .help(format!("systemctl daemon-reload\nsystemctl restart {name}"))
        .fix(Safety::Manual, "systemctl daemon-reload");
    Ok(())
}

/// A drop-in that systemd has not loaded. Below /usr the same file may have two names.
fn unloaded(app: &App, state: &UnitState) -> Option<Span> {
    let loaded = state.drop_ins.as_ref().filter(|_| state.load == "loaded")?;
    let new = app.service.unit.drop_ins.iter().find(|file| {
        let path = file.file.path.to_string_lossy();
        (path.starts_with("/etc/") || path.starts_with("/run/"))
            && !path.contains(char::is_whitespace)
            && !loaded.iter().any(|known| *known == path)
    });
    new?.sections.first().map(|section| section.span)
}
