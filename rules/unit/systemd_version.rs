use crate::facts::WhyKind;
use crate::facts::service::{Assignment, ExecFault, ExecFaultKind, Unit};
use crate::rule::prelude::*;
use crate::source::unit::known::{NEWEST, OLDEST, Presence, Setting, SettingLookup, lookup};

crate::rule! {
    /// A line of the unit is for a different version of systemd than the one installed here.
    ///
    /// systemd ignores a setting or a value that it does not support yet, and one that it has
    /// dropped (`MemoryLimit=`, `CPUShares=`, `BlockIO…=`, gone by 262); it reports this only in
    /// its log, and the line has no effect. An older version reads the prefix `|` (from 258 on) as
    /// the start of the program's name and refuses the unit. `!!` is ignored from 258 on. A `Type=`
    /// that systemd does not support yet is reported by U119, because the reload depends on it.
    ///
    /// The version is read from the name of systemd's library (`libsystemd-shared-252.so`); if that
    /// is not readable, nothing is reported.
    ///
    /// By hand: `systemctl --version`, and `systemd-analyze verify UNIT`, which shows the same lines.
    ///
    /// Proved by `prefix-of-a-newer-systemd`: systemd 252 refused the unit, and every request got
    /// 502.
    ///
    /// ```tree,bad
    /// /usr/lib/systemd/libsystemd-shared-252.so
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// RestartMode=direct
    /// ```
    /// ```tree,bad
    /// /usr/lib/systemd/libsystemd-shared-262.so
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// MemoryLimit=1G
    /// ```
    /// ```tree,fixed
    /// /usr/lib/systemd/libsystemd-shared-262.so
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// MemoryMax=1G
    /// ```
    /// ```tree,bad
    /// /usr/lib/systemd/libsystemd-shared-252.so
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=|/bin/kill -s HUP $MAINPID
    /// ```
    ///
    /// Healthy: this systemd supports the settings.
    ///
    /// ```tree,good
    /// /usr/lib/systemd/libsystemd-shared-262.so
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// RestartMode=direct
    /// RestartSteps=5
    /// ExecReload=
    /// ExecReload=|/bin/kill -s HUP $MAINPID
    /// ```
    /// ```tree,good
    /// /usr/lib/systemd/libsystemd-shared-252.so
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// MemoryLimit=1G
    /// ```
    U140 "systemd-version" {
        severity: Warning, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// The first systemd that has the prefix `|`, and the first that ignores `!!`.
const PREFIXES_CHANGED: u32 = 258;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let units = || std::iter::once(&app.service.unit).chain(&app.service.sockets);
    let Some(version) = app.machine.systemd.ok().copied() else {
        let mut lines = units().flat_map(Unit::files).flat_map(|file| &file.assignments);
        return match lines.any(hangs_on_the_version) {
            true => Err(Why::of(WhyKind::NeedsLivingHost, "systemd's version was not found")),
            false => Ok(()),
        };
    };
    for unit in units() {
        for file in unit.files() {
            for assignment in &file.assignments {
                setting(app, unit, assignment, version, out);
            }
        }
    }
    shell_prefix(app, version, out);
    lost_prefix(app, version, out);
    Ok(())
}

/// Do the versions that are known differ in this line?
fn hangs_on_the_version(line: &Assignment) -> bool {
    let SettingLookup::Known(setting) = lookup(&line.section, &line.key.value) else {
        return false;
    };
    setting.in_version(OLDEST) != Presence::Known
        || setting.in_version(NEWEST) != Presence::Known
        || setting.value_since(line.value.as_str()).is_some()
}

fn setting(app: &App, unit: &Unit, line: &Assignment, version: u32, out: &mut Sink) {
    let (section, key) = (&*line.section, line.key.value.as_str());
    let SettingLookup::Known(setting) = lookup(section, key) else { return };
    let value = line.value.as_str();
    let newer = setting.value_since(value).filter(|since| version < *since);
    let (message, note, help) = match (setting.in_version(version), newer) {
        (Presence::NotYet, _) => (
            format!("{key}= has no effect: systemd {version} here does not support it yet"),
            format!("supported from systemd {} on", setting.since_words()),
            "Update systemd, or do without the setting.".to_owned(),
        ),
        (Presence::Gone, _) => (
            format!("{key}= has no effect: systemd {version} here no longer has it"),
            gone_words(&setting),
            match successor(key) {
                Some(now) => format!("{now}= has taken its place."),
                None => "Remove the line: the setting is gone.".to_owned(),
            },
        ),
        (_, Some(since)) if !setting.matters() => (
            format!(
                "{key}={value} has no effect: systemd {version} here does not support the \
                 value"
            ),
            format!("supported from systemd {since} on"),
            "Update systemd, or use a value it supports.".to_owned(),
        ),
        _ => return,
    };
    let severity = if setting.matters() { Severity::Error } else { Severity::Warning };
    // The new name means the same with these values; nothing may say otherwise already.
    let renamed =
        successor(key).filter(|now| SAME_VALUE.contains(&key) && !set(unit, section, now));
    let finding = out.report(message).severity(severity).at(line.key.span, note).help(help);
    finding.by_hand(app.service.defined_at()).fix_if(
        Safety::Safe,
        format!("replace {key}= with what systemd {version} has instead"),
        renamed.map(|now| Edit::replace(line.key.span, now)),
    );
}

fn set(unit: &Unit, section: &str, key: &str) -> bool {
    unit.last(section, key).is_some()
}

fn gone_words(setting: &Setting) -> String {
    let last = setting.until.as_ref().map(|until| *until.start()).unwrap_or_default();
    format!("systemd {last} still had it")
}

/// Those whose successor takes the same value for the same.
const SAME_VALUE: [&str; 1] = ["MemoryLimit"];

/// What systemd.resource-control(5) names instead.
fn successor(key: &str) -> Option<&'static str> {
    Some(match key {
        "MemoryLimit" => "MemoryMax",
        "CPUShares" => "CPUWeight",
        "StartupCPUShares" => "StartupCPUWeight",
        "BlockIOAccounting" => "IOAccounting",
        "BlockIOWeight" => "IOWeight",
        "StartupBlockIOWeight" => "StartupIOWeight",
        "BlockIODeviceWeight" => "IODeviceWeight",
        "BlockIOReadBandwidth" => "IOReadBandwidthMax",
        "BlockIOWriteBandwidth" => "IOWriteBandwidthMax",
        _ => return None,
    })
}

/// `|` before a program, for a systemd that takes it for a part of the path.
fn shell_prefix(app: &App, version: u32, out: &mut Sink) {
    for (_, fault) in &app.service.unit.exec_faults {
        if !is_shell_prefix(app, fault) {
            continue;
        }
        let what = match fault.refuses {
            true => format!("{} does not start: systemd refuses the unit", app.name),
            false => "the line has no effect".to_owned(),
        };
        out.report(format!(
            "{what}: systemd {version} here does not support the prefix | and reads it as part of \
             the program's name"
        ))
        .severity(Severity::Error)
        .at(fault.span, format!("supported from systemd {PREFIXES_CHANGED} on"))
        .help("Remove the |; if a shell is needed: /bin/bash -lc 'exec …'")
        .by_hand(Some(fault.span))
        .fix(Safety::Manual, "remove the prefix |");
    }
}

/// Is a program refused for nothing but the prefix `|`, by a systemd that does not know it?
pub(super) fn is_shell_prefix(app: &App, fault: &ExecFault) -> bool {
    let old = app.machine.systemd.ok().is_some_and(|version| *version < PREFIXES_CHANGED);
    let parts = app.prefixes_at(fault.span);
    old && fault.kind == ExecFaultKind::RelativeProgram
        && parts.is_some_and(|(signs, program)| signs.contains('|') && program.starts_with('/'))
}

/// `!!` before a program, which a newer systemd ignores.
fn lost_prefix(app: &App, version: u32, out: &mut Sink) {
    if version < PREFIXES_CHANGED {
        return;
    }
    let service = &app.service;
    let commands = [&service.exec_start_pre, &service.exec_start, &service.exec_reload];
    for command in commands.into_iter().flatten() {
        let span = command.line.span;
        if !app.prefixes_at(span).is_some_and(|(signs, _)| signs.contains("!!")) {
            continue;
        }
        out.report(format!("the prefix !! has no effect: systemd {version} ignores it"))
            .at(span, format!("gone since systemd {PREFIXES_CHANGED}"))
            .help("Remove the !!: the command runs as the user in User=.")
            .by_hand(Some(span))
            .fix(Safety::Manual, "remove the prefix !!");
    }
}
