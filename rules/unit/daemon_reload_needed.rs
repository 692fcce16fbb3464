use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};
use crate::source::Span;

crate::rule! {
    /// systemd goes on with the unit as it was: its files have changed, and `daemon-reload` was
    /// not run.
    ///
    /// Measured: `systemctl reload` then returns 0, warns on standard error alone, and runs the
    /// old ExecReload=; a crash restarts the old command line. `systemctl show` says
    /// `NeedDaemonReload=yes`. Only the running systemd knows this, so the rule is skipped for a
    /// file tree.
    ///
    /// By hand: `systemctl daemon-reload`, then `systemctl restart` where ExecStart=,
    /// EnvironmentFile= or other settings of the process changed: a reload does not take them over.
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
    U121 "daemon-reload-needed" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let state = app.state.get()?;
    let needed = state
        .need_daemon_reload
        .ok_or_else(|| Why::new("systemctl does not say whether the unit has changed"))?;
    if !needed {
        return Ok(());
    }
    let name = &app.name;
    let (place, note) = changed(app, &state.drop_ins);
    let message = format!(
        "systemd still runs {name} as it was: its files have changed, and `systemctl reload` \
         takes nothing of that over"
    );
    out.report(message)
        .at_some(place, note)
        .evidence(
            EvidenceKind::Command,
            format!("systemctl show -p NeedDaemonReload {name}: NeedDaemonReload=yes"),
        )
        .help(format!("systemctl daemon-reload\nsystemctl restart {name}"))
        .fix(Safety::Manual, "systemctl daemon-reload");
    Ok(())
}

/// A drop-in that systemd has not loaded; else the unit's own file.
fn changed(app: &App, loaded: &[String]) -> (Option<Span>, &'static str) {
    let unit = &app.service.unit;
    let new = unit.drop_ins.iter().find(|file| {
        let path = file.file.path.to_string_lossy();
        !loaded.iter().any(|known| *known == path)
    });
    if let Some(section) = new.and_then(|file| file.sections.first()) {
        return (Some(section.span), "systemd has not loaded this file");
    }
    let section = unit.fragment.iter().flat_map(|file| &file.sections).next();
    (section.map(|section| section.span), "newer than what systemd has loaded")
}
