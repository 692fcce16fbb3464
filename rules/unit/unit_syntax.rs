use crate::facts::{App, Why};
use crate::rule::{Safety, Severity, Sink};
use crate::source::unit::effective::Refusal;
use crate::source::unit::exec::ExecFaultKind;
use crate::source::unit::{Expansion, FaultKind, Unit, UnitFile};
use crate::source::{Span, placeholder};

crate::rule! {
    /// systemd refuses the unit, or stops reading it in the middle.
    ///
    /// A unit with `bad-setting` cannot be started or reloaded at all; what runs goes on until its
    /// next restart, and then the site is down. Measured on 252 and 257, fatal are: text after a
    /// section header (also a comment), a header without `]`, a line that is not UTF-8 or is 1 MiB
    /// long, an unbalanced quote or an unknown `%` specifier in a command line, a
    /// `WorkingDirectory=` or `RootDirectory=` that is not absolute, a `User=` or `Group=` with an
    /// unknown specifier, no `ExecStart=`. In a drop-in the first four stop only that file, but
    /// silently: what stands below is not read. White space after a backslash ends the command
    /// line there: the options on the next lines are lost.
    ///
    /// By hand: repair the line and let systemd judge: `systemd-analyze verify UNIT`.
    ///
    /// Proved by `unit-header-comment`: systemd refused the unit, and every request got
    /// 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service] # local changes
    /// TimeoutStopSec=60
    /// ```
    /// ```ini,fixed,drop-in
    /// # local changes
    /// [Service]
    /// TimeoutStopSec=60
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh -c 'echo starting
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh -c 'date +%Z'
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh -c 'date +%%Z'
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh -c \
    ///   # a comment in the middle of a continuation is passed over
    ///   'echo starting'
    /// ```
    U128 "unit-syntax" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for unit in std::iter::once(&app.service.unit).chain(&app.service.sockets) {
        let before = out.findings.len();
        for file in unit.files() {
            lines(unit, file, out);
        }
        commands(app, unit, out);
        values(unit, out);
        if out.findings.len() == before {
            whole(unit, out);
        }
    }
    Ok(())
}

/// Faults in the lines of a file.
fn lines(unit: &Unit, file: &UnitFile, out: &mut Sink) {
    let is_fragment = unit.fragment.as_ref().is_some_and(|f| f.file.id == file.file.id);
    let name = super::file_name(&file.file.path);
    for fault in &file.faults {
        let text = file.file.slice(fault.span);
        let (message, severity) = match fault.kind {
            _ if fault.fatal && super::is_template(text) => {
                out.skip(&Why::new(format!("{name} is a template")));
                continue;
            }
            _ if fault.fatal && is_fragment => {
                (format!("systemd refuses {}: {fault}", unit.name), Severity::Error)
            }
            _ if fault.fatal => {
                (format!("nothing below this line of {name} holds: {fault}"), Severity::Error)
            }
            FaultKind::BlankAfterBackslash => {
                (format!("the next line is lost to this setting: {fault}"), Severity::Error)
            }
            FaultKind::HeaderInContinuation => {
                (format!("the section does not start here: {fault}"), Severity::Error)
            }
            FaultKind::Nul => (format!("the line is cut: {fault}"), Severity::Error),
            _ => continue,
        };
        out.report(message)
            .severity(severity)
            .at(fault.span, note(fault.kind))
            .help(help(fault.kind))
            .fix(Safety::Safe, help(fault.kind));
    }
}

fn note(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::BlankAfterBackslash => "white space here",
        FaultKind::HeaderInContinuation => "still the value of the setting above",
        _ => "systemd stops here",
    }
}

fn help(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::HeaderFollowedByText => "Put the comment on a line of its own.",
        FaultKind::HeaderUnclosed => "Close the header with ].",
        FaultKind::HeaderBadCharacters => "Take quotes and backslashes out of the header.",
        FaultKind::NotUtf8 => "Save the file as UTF-8: iconv -f latin1 -t utf-8.",
        FaultKind::LineTooLong => "Cut the line.",
        FaultKind::BlankAfterBackslash => "Remove the white space after the backslash.",
        FaultKind::HeaderInContinuation => "Remove the backslash at the end of the line above.",
        _ => "Remove the NUL byte.",
    }
}

/// Command lines that systemd does not accept.
fn commands(app: &App, unit: &Unit, out: &mut Sink) {
    for (assignment, fault) in &unit.exec_faults {
        let path_fault =
            matches!(fault.kind, ExecFaultKind::RelativeProgram | ExecFaultKind::DirectoryProgram);
        let file = unit.files().find(|file| file.file.id == assignment.file);
        let text = file.map(|file| file.file.slice(*assignment)).unwrap_or_default();
        // The program's path is another rule's.
        if path_fault {
            continue;
        }
        if super::is_template(text) {
            out.skip(&Why::new("a command line holds a template's placeholder"));
            continue;
        }
        let verdict = match fault.refuses {
            true => format!("systemd refuses {}", unit.name),
            false => "systemd ignores this command".to_owned(),
        };
        let help = match fault.kind {
            ExecFaultKind::UnbalancedQuote => "Close the quote.",
            ExecFaultKind::UnknownSpecifier => "Write a literal % as %%.",
            _ => "Write the program's path in full after the prefixes.",
        };
        out.report(format!("{verdict}, {} does not start: {fault}", app.name))
            .at(fault.span, "")
            .help(help)
            .fix(Safety::Safe, help);
    }
}

/// Values that are fatal for the whole unit (measured with `systemd-analyze verify`).
fn values(unit: &Unit, out: &mut Sink) {
    for (span, fault) in &unit.value_faults {
        let assignment = unit
            .files()
            .flat_map(|file| &file.assignments)
            .find(|assignment| assignment.span == *span);
        // `<project_path>/src`: no path that anybody has, and many a template's placeholder.
        let value = assignment.map_or("", |assignment| assignment.value.as_str());
        if value.find('<').zip(value.rfind('>')).is_some_and(|(from, to)| from < to) {
            out.skip(&Why::new("a value holds a template's placeholder"));
            continue;
        }
        let key = assignment.map_or("", |assignment| assignment.key.value.as_str());
        let why = format!("{key}= takes {}, and this is none", fault.expected);
        refused(unit, *span, &why, &format!("Write {} here.", fault.expected), out);
    }
    for assignment in unit.all("Service", "RootDirectory") {
        let value = assignment.value.as_str();
        if !value.is_empty()
            && placeholder::find_with_dollar(value).is_none()
            && matches!(unit.specifiers.expand(&assignment.value),
                Expansion::Known(text) if !text.as_str().starts_with('/'))
        {
            let help = "Write the path in full, starting with / and without quotes.";
            refused(unit, assignment.value.span(), "the path is not absolute", help, out);
        }
    }
}

fn refused(unit: &Unit, span: Span, why: &str, help: &str, out: &mut Sink) {
    out.report(format!("systemd refuses {}: {why}", unit.name)).at(span, "").help(help);
}

/// What makes a unit as a whole one that systemd refuses.
fn whole(unit: &Unit, out: &mut Sink) {
    let header = unit.fragment.as_ref().and_then(|file| file.sections.last()).map(|s| s.span);
    let (span, why, help) = match unit.refusal() {
        Some(Refusal::NothingToStart | Refusal::NoExecStart) => {
            (header, "there is no ExecStart=", "Add ExecStart= to [Service].")
        }
        Some(Refusal::OneshotRestart(span)) => (
            Some(span),
            "Type=oneshot cannot be restarted always or on success",
            "gunicorn is no oneshot: Type=notify, NotifyAccess=main.",
        ),
        Some(Refusal::DbusWithoutName(span)) => (
            Some(span),
            "Type=dbus needs BusName=",
            "gunicorn is not on D-Bus: Type=notify, NotifyAccess=main.",
        ),
        _ => return,
    };
    // A faulty command line is what took ExecStart= away, and reported by itself.
    if !unit.exec_faults.is_empty() {
        return;
    }
    out.report(format!("systemd refuses {}: {why}", unit.name)).at_some(span, "").help(help);
}
