use crate::facts::conditions::FailedCondition;
use crate::facts::dependencies::{Dependency, Standing};
use crate::rule::prelude::*;

crate::rule! {
    /// The unit is not started: another unit that it requires, or a path, does not exist.
    ///
    /// `Requires=`, `BindsTo=` and `Requisite=` of a unit that does not exist, or that is masked,
    /// make systemd refuse the start (`Unit … not found`), at boot as well as by hand; a running
    /// service lasts until its next restart. `After=` and `Wants=` of such a unit are silently
    /// ignored: with a typo in its name, the intended order has no effect.
    ///
    /// With `ConditionPathExists=` and a path that does not exist, the start is skipped, and
    /// `systemctl start` still returns 0; with `AssertPathExists=` it fails. A `!` before the path
    /// means that the path must not exist.
    ///
    /// By hand: correct the name (`systemctl list-unit-files` lists the units), or remove the line;
    /// then `systemctl daemon-reload`.
    ///
    /// Proved by `condition-path-missing`: `systemctl start` returned 0 and started nothing; every
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
    /// ConditionFileNotEmpty=/etc/passwd
    /// ConditionDirectoryNotEmpty=/srv/myapp
    /// ConditionPathExistsGlob=/srv/myapp/releases/*
    /// ```
    ///
    /// Alternatives (`|`) none of which is met, a pattern that matches nothing, and something that
    /// is empty:
    ///
    /// ```ini,bad,drop-in
    /// [Unit]
    /// ConditionPathExists=|/etc/one
    /// ConditionPathIsDirectory=|/etc/passwd
    /// ```
    /// ```ini,bad,drop-in
    /// [Unit]
    /// ConditionPathExistsGlob=/srv/myapp/enabled/*.conf
    /// ```
    /// ```ini,bad,drop-in
    /// [Unit]
    /// ConditionDirectoryNotEmpty=/srv/myapp/shared
    /// ```
    /// ```tree,bad
    /// /srv/myapp/shared/
    /// ```
    /// ```ini,bad,drop-in
    /// [Unit]
    /// ConditionFileNotEmpty=/srv/myapp/ready
    /// ```
    /// ```tree,bad
    /// /srv/myapp/ready mode=0644
    /// ```
    ///
    /// Healthy, as far as files show: one of the alternatives does not concern files; a line
    /// without a value cancels all earlier conditions. It is not known what another unit or
    /// tmpfiles.d creates before the start.
    ///
    /// ```ini,good,drop-in
    /// [Unit]
    /// ConditionPathExists=|/etc/one
    /// ConditionHost=|web1
    /// ```
    /// ```ini,good,drop-in
    /// [Unit]
    /// ConditionPathExists=/etc/one
    /// ConditionFileNotEmpty=/etc/two
    /// ConditionHost=
    /// ```
    ///
    /// A typo in the name of a unit that systemd or a distribution ships is noticed without the
    /// host, too. A unit with `WantedBy=` a target that does not exist is never started at boot,
    /// though `systemctl enable` returns 0:
    ///
    /// ```ini,bad,drop-in
    /// [Unit]
    /// After=netwrok.target
    /// ```
    /// ```ini,bad,drop-in
    /// [Install]
    /// WantedBy=multiuser.target
    /// ```
    /// ```ini,bad,drop-in
    /// [Unit]
    /// Requires=postgresl.service
    /// ```
    /// ```ini,good,drop-in
    /// [Unit]
    /// After=network-online.target mysqld.service redis2.service mydb.service
    /// Wants=network-online.target
    /// ```
    /// ```tree,good
    /// /usr/lib/systemd/system/basic.target mode=0644
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
    let mut open = None;
    for condition in &app.service.failed_conditions {
        match &condition.maker {
            None => report_condition(app, condition, out),
            Some(maker) => {
                let FailedCondition { setting, path, is, .. } = condition;
                open.get_or_insert_with(|| {
                    let path = path.display();
                    Why::depends(format!(
                        "{setting}={path} {is}, and {maker} may change that first"
                    ))
                });
            }
        }
    }
    // Whether a unit of that name is on the host is not known: the typo is reported all the same.
    for dependency in &app.service.misspelt {
        report(app, dependency, Standing::Missing, true, out);
    }
    for dependency in app.service.dependencies.get()? {
        let weak = matches!(dependency.setting, "After" | "Wants" | "WantedBy" | "RequiredBy");
        match dependency.standing {
            Standing::Present => {}
            // What is only wanted may be absent, unless it is a typo.
            Standing::Missing if weak && dependency.near.is_none() => {}
            Standing::Masked if weak => {}
            standing => report(app, dependency, standing, weak, out),
        }
    }
    open.map_or(Ok(()), Err)
}

fn report_condition(app: &App, condition: &FailedCondition, out: &mut Sink) {
    let FailedCondition { setting, asserted, negated, path, span, is, .. } = condition;
    let path = path.display();
    let consequence = match asserted {
        true => format!("systemd refuses to start {}", app.name),
        false => format!("systemd silently skips every start of {}", app.name),
    };
    let asked = match negated {
        true => format!("{setting}=!{path} is not met: the path {is}"),
        false => format!("{setting}= requires {path}, which {is}"),
    };
    out.report(format!("{consequence}: {asked}"))
        .at(*span, *is)
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
        (true, "WantedBy" | "RequiredBy") => {
            (Severity::Warning, format!("enabled or not, no boot starts {}", app.name))
        }
        (true, "Requires" | "BindsTo" | "Requisite") => {
            (Severity::Warning, format!("systemd refuses to start {}", app.name))
        }
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
    out.report(format!("{consequence}: {setting}= names {name}, which {is}"))
        .severity(severity)
        .at(dependency.span, note)
        .subject(format!("{setting} {name}"))
        .help(help)
        .by_hand(Some(dependency.span))
        .fix(Safety::Manual, format!("name an existing unit in {setting}="));
}
