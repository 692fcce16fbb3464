use crate::facts::conditions::FailedCondition;
use crate::facts::dependencies::{Dependency, Standing};
use crate::rule::prelude::*;

crate::rule! {
    /// The unit is not started: another one that it requires, or a path, does not exist.
    ///
    /// `Requires=`, `BindsTo=` and `Requisite=` of a unit that does not exist, or that is masked,
    /// make systemd refuse the start (`Unit … not found`), at boot as well as by hand; a running
    /// service lasts until its next restart. `After=` and `Wants=` of such a unit are silently
    /// ignored: with a typo in its name, the intended order has no effect.
    ///
    /// With `ConditionPathExists=` of a path that does not exist the start is skipped, and
    /// `systemctl start` still returns 0; with `AssertPathExists=` it fails. Both begin with `!`
    /// for a path that must not exist.
    ///
    /// By hand: correct the name (`systemctl list-unit-files` lists the units), or remove the line;
    /// then `systemctl daemon-reload`.
    ///
    /// Proved by `condition-path-missing`: `systemctl start` ended with 0 and started nothing; every
    /// request got 502.
    ///
    /// Proved by `unit-dependency-missing`: the unit was not started, and every request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Unit]
    /// Requires=postgres.service
    /// ```
    /// ```tree,bad
    /// /usr/lib/systemd/system/basic.target mode=0644
    /// /usr/lib/systemd/system/network.target mode=0644
    /// /usr/lib/systemd/system/postgresql.service mode=0644
    /// ```
    /// ```ini,bad,drop-in
    /// [Unit]
    /// After=postgresq.service
    /// ```
    /// ```tree,bad
    /// /usr/lib/systemd/system/basic.target mode=0644
    /// /usr/lib/systemd/system/network.target mode=0644
    /// /usr/lib/systemd/system/postgresql.service mode=0644
    /// ```
    ///
    /// A path that does not exist:
    ///
    /// ```ini,bad,drop-in
    /// [Unit]
    /// ConditionPathExists=/srv/myapp/shared/.env
    /// ```
    /// ```ini,bad,drop-in
    /// [Unit]
    /// AssertPathExists=/etc/myapp/ready
    /// ```
    /// ```ini,good,drop-in
    /// [Unit]
    /// ConditionPathExists=/etc/myapp.env
    /// ConditionPathExists=!/etc/myapp/maintenance
    /// AssertPathIsDirectory=/srv/myapp
    /// ConditionPathExists=|/etc/one
    /// ConditionPathExists=|/etc/passwd
    /// ```
    ///
    /// Healthy: an existing unit, an instance of a template, a device, and a unit that is only
    /// wanted.
    ///
    /// ```ini,good,drop-in
    /// [Unit]
    /// Requires=postgresql@15-main.service dev-sda1.device
    /// After=postgresql@15-main.service redis.service
    /// Wants=redis.service
    /// ```
    /// ```tree,good
    /// /usr/lib/systemd/system/basic.target mode=0644
    /// /usr/lib/systemd/system/network.target mode=0644
    /// /usr/lib/systemd/system/postgresql@.service mode=0644
    /// ```
    U138 "unit-dependency-missing" {
        severity: Error, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    if app.service.unit.masked {
        return Ok(());
    }
    for condition in &app.service.failed_conditions {
        report_condition(app, condition, out);
    }
    for dependency in app.service.dependencies.get()? {
        let weak = matches!(dependency.setting, "After" | "Wants");
        match dependency.standing {
            Standing::Present => {}
            // What is only wanted may be absent, unless it is a slip of the hand.
            Standing::Missing if weak && dependency.near.is_none() => {}
            Standing::Masked if weak => {}
            standing => report(app, dependency, standing, weak, out),
        }
    }
    Ok(())
}

fn report_condition(app: &App, condition: &FailedCondition, out: &mut Sink) {
    let FailedCondition { setting, asserted, negated, path, span } = condition;
    let path = path.display();
    let is = if *negated { "exists" } else { "does not exist" };
    let consequence = match asserted {
        true => format!("systemd refuses to start {}", app.name),
        false => format!("systemd silently skips every start of {}", app.name),
    };
    out.report(format!(
        "{consequence}: {setting}= requires {path}, which {is}",
        path = match negated {
            true => format!("a host without {path}"),
            false => path.to_string(),
        }
    ))
    .at(*span, is)
    .subject(format!("{setting} {path}"))
    .help(format!("Correct the path, or remove {setting}=; check with: ls -ld {path}"))
    .by_hand(Some(*span))
    .fix(Safety::Manual, format!("correct {setting}="));
}

fn report(app: &App, dependency: &Dependency, standing: Standing, weak: bool, out: &mut Sink) {
    let Dependency { setting, name, near, .. } = dependency;
    let (is, note) = match standing {
        Standing::Masked => ("is masked", "masked"),
        _ => ("does not exist", "no such unit"),
    };
    let (severity, consequence) = match (weak, *setting) {
        (true, "After") => (Severity::Warning, format!("{} waits for nothing", app.name)),
        (true, _) => (Severity::Warning, format!("{} pulls in nothing", app.name)),
        _ => (Severity::Error, format!("systemd refuses to start {}", app.name)),
    };
    let help = match (near, standing) {
        (Some(near), _) => format!("Did you mean {setting}={near}?"),
        (None, Standing::Masked) => format!("systemctl unmask {name}, or remove {setting}="),
        (None, _) => format!(
            "Install the package that provides {name}, or remove {setting}=; to list the units: \
             systemctl list-unit-files"
        ),
    };
    out.report(format!("{consequence}: {setting}={name} {is}"))
        .severity(severity)
        .at(dependency.span, note)
        .subject(format!("{setting} {name}"))
        .help(help)
        .by_hand(Some(dependency.span))
        .fix(Safety::Manual, format!("name an existing unit in {setting}="));
}
