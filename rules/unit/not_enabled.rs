use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The site is gone after the next boot: nothing starts the unit then.
    ///
    /// `systemctl start` starts a unit once. At boot systemd starts what is linked from a target
    /// (`/etc/systemd/system/multi-user.target.wants/`), and `systemctl enable` makes that link
    /// from the unit's `[Install]` section; without that section it has nothing to do and says so.
    /// A unit that is started by another unit (through a setting, a timer or a `.socket` unit)
    /// needs neither.
    ///
    /// Reported only for a unit that serves: one that runs, or in an image one that nginx passes
    /// requests to. In an image without any such link the units are assumed to be enabled later.
    ///
    /// By hand: `systemctl enable myapp`; if there is no `[Install]` section, first add one with
    /// `WantedBy=multi-user.target`.
    ///
    /// Proved by `not-enabled`: the unit was not among those that a boot starts, and every request
    /// got 502.
    ///
    /// ```tree,bad
    /// - /etc/systemd/system/multi-user.target.wants/myapp.service
    /// /etc/systemd/system/multi-user.target.wants/nginx.service -> /lib/systemd/system/nginx.service
    /// ```
    /// ```tree,fixed
    /// ```
    /// ```tree,good
    /// - /etc/systemd/system/multi-user.target.wants/myapp.service
    /// ```
    /// ```tree,good
    /// - /etc/systemd/system/multi-user.target.wants/myapp.service
    /// /etc/systemd/system/multi-user.target.wants/site.service -> ../site.service
    /// ```
    /// ```ini,good,file=/etc/systemd/system/site.service
    /// [Unit]
    /// Wants=myapp.service
    ///
    /// [Service]
    /// Type=oneshot
    /// ExecStart=/bin/true
    /// ```
    U120 "not-enabled" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    // Made by systemd-run or a generator, for this run: `systemctl enable` refuses it.
    let for_this_run = ["/run/systemd/transient", "/run/systemd/generator"];
    if !service.idle_at_boot || for_this_run.iter().any(|top| service.unit.path.starts_with(top)) {
        return Ok(());
    }
    let serves = match app.state.ok() {
        // Made by a generator, or by hand for this run.
        Some(state) if matches!(state.unit_file.as_str(), "generated" | "transient") => false,
        Some(state) => state.is_active() && !state.unit_file.starts_with("enabled"),
        None => !app.routes.is_empty(),
    };
    if !serves {
        return Ok(());
    }
    let (name, stem) = (&app.name, app.stem());
    let installable = service.unit.is_installable();
    let cause = match installable {
        true => "it is not enabled",
        false => "it has no [Install] section and is not enabled",
    };
    let first = match installable {
        true => String::new(),
        false => format!(
            "systemctl edit --full {name}   add:\n[Install]\nWantedBy=multi-user.target\nthen:\n"
        ),
    };
    out.report(format!("after the next boot the site is gone: nothing starts {name}, {cause}"))
        .at_some(service.defined_at(), "started only by hand")
        .evidence(
            EvidenceKind::File,
            format!("there is no *.target.wants/{name}, and no other unit starts it"),
        )
        .help(format!("{first}systemctl enable {stem}"))
        .fix(Safety::Manual, format!("systemctl enable {stem}"));
    Ok(())
}
