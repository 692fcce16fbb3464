use crate::facts::service::{ExecFaultKind, Expansion, Fault, FaultKind, Refusal, Unit, UnitFile};
use crate::facts::{App, Why};
use crate::rule::prelude::{FileId, Span, Text, placeholder, show};
use crate::rule::{Edit, Safety, Severity, Sink};
use crate::source::unit::known::takes;

crate::rule! {
    /// systemd refuses the unit, or stops reading it in the middle.
    ///
    /// A unit with `bad-setting` cannot be started or reloaded at all; a running one lasts until
    /// its next restart, and then the site is down. Measured on 252 and 257, the following are
    /// fatal: text after a section header (even a comment), a header without `]`, a line that is
    /// not UTF-8 or is 1 MiB long, an unbalanced quote or an unknown `%` specifier in a command
    /// line, a `WorkingDirectory=` or `RootDirectory=` that is not absolute, a `User=` or `Group=`
    /// with an unknown specifier, no `ExecStart=`; on 262 also `[]` and `[[Service]]`, which older
    /// versions ignore with everything below it. In a drop-in the first four affect only that file,
    /// but silently: the rest of it is not read. White space after a backslash ends the command
    /// line there: the options on the next lines are lost.
    ///
    /// By hand: repair the line and let systemd check it: `systemd-analyze verify UNIT`.
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
        let before = out.found();
        for file in unit.files() {
            lines(unit, file, out);
        }
        commands(app, unit, out);
        values(unit, out);
        if out.found() == before {
            whole(unit, out);
        }
    }
    Ok(())
}

/// Faults in the lines of a file.
fn lines(unit: &Unit, file: &UnitFile, out: &mut Sink) {
    let is_fragment = unit.fragment.as_ref().is_some_and(|f| f.file.id == file.file.id);
    let name = show::name(&file.file.path);
    for fault in &file.faults {
        let text = file.file.slice(fault.span);
        let (message, severity) = match fault.kind {
            _ if fault.fatal && super::is_template(text) => {
                out.skip(&Why::not_understood(format!("{name} is a template")));
                continue;
            }
            _ if fault.fatal && is_fragment => {
                (format!("systemd refuses {}: {fault}", unit.name), Severity::Error)
            }
            _ if fault.fatal => {
                (format!("systemd ignores the rest of {name}: {fault}"), Severity::Error)
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
        let finding = out
            .report(message)
            .severity(severity)
            .at(fault.span, note(fault.kind))
            .help(help(fault.kind));
        finding.fix_if(Safety::Safe, help(fault.kind), mended(file, fault)).uncovers();
    }
}

/// The sections that services and sockets have.
const SECTIONS: [&str; 4] = ["Unit", "Service", "Socket", "Install"];

/// What was meant, where there is only one thing that it can be.
fn mended(file: &UnitFile, fault: &Fault) -> Option<Edit> {
    let text = std::str::from_utf8(file.file.slice(fault.span)).ok()?;
    match fault.kind {
        FaultKind::HeaderFollowedByText => {
            let (header, _) = text.split_once(']')?;
            let known = SECTIONS.contains(&header.strip_prefix('[')?);
            let text = file.behind_header(fault.span)?;
            let said = String::from_utf8_lossy(file.file.slice(text));
            let comment = said.starts_with(['#', ';']) && !said.ends_with('\\');
            (known && comment).then_some(Edit::Lift { statement: fault.span, text })
        }
        FaultKind::HeaderUnclosed => {
            let known = SECTIONS.contains(&text.strip_prefix('[')?);
            known.then(|| Edit::append(fault.span, "]"))
        }
        FaultKind::HeaderBadCharacters | FaultKind::HeaderNoName => {
            let name: String =
                text.chars().filter(|c| !matches!(c, '[' | ']' | '"' | '\'' | '\\')).collect();
            let known = SECTIONS.contains(&name.as_str());
            known.then(|| Edit::replace(fault.span, format!("[{name}]")))
        }
        FaultKind::BlankAfterBackslash => {
            goes_on(file, fault.span.end).then(|| Edit::replace(fault.span, ""))
        }
        FaultKind::HeaderInContinuation => {
            let name = text.trim().strip_prefix('[')?.strip_suffix(']')?;
            let at = file.backslash_above(fault.span)?;
            SECTIONS.contains(&name).then(|| Edit::replace(at, ""))
        }
        _ => None,
    }
}

/// Does the next line look like more of the same command, and not like a setting of its own?
fn goes_on(file: &UnitFile, end: u32) -> bool {
    let rest = file.file.bytes.get(end as usize..).unwrap_or_default();
    let next = rest.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
    let next = String::from_utf8_lossy(next);
    let next = next.trim();
    let key = next.split_once('=').map_or("", |(key, _)| key.trim());
    let setting = SECTIONS.iter().any(|section| !takes(section, key).is_empty());
    !next.is_empty() && !next.starts_with(['#', ';', '[']) && !setting
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
        FaultKind::HeaderFollowedByText => "Put the comment on its own line.",
        FaultKind::HeaderUnclosed => "Close the header with ].",
        FaultKind::HeaderBadCharacters => "Remove quotes and backslashes from the header.",
        FaultKind::HeaderNoName => "Name one section in one pair of brackets: [Service].",
        FaultKind::NotUtf8 => "Save the file as UTF-8: iconv -f latin1 -t utf-8.",
        FaultKind::LineTooLong => "Shorten the line.",
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
            out.skip(&Why::not_understood("a command line contains a template's placeholder"));
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
        let finding = out
            .report(format!("{verdict}, {} does not start: {fault}", app.name))
            .at(fault.span, "")
            .help(help);
        let edits = match fault.kind {
            ExecFaultKind::UnknownSpecifier => {
                file.and_then(|file| doubled(unit, file, *assignment))
            }
            _ => None,
        };
        finding.fix_if(Safety::Safe, help, edits.unwrap_or_default()).uncovers();
    }
}

/// A percent sign for each one that systemd does not know. None where others next to it, which
/// systemd does know, may be meant or not.
fn doubled(unit: &Unit, file: &UnitFile, assignment: Span) -> Option<Vec<Edit>> {
    let at = file.assignments.partition_point(|line| line.span.start < assignment.start);
    let line = file.assignments.get(at)?;
    let text = line.value.as_str();
    let mut edits = Vec::new();
    // `date "+%Y-%m-%d %H:%M"`: up to this quote all of them are for another program.
    let mut format: Option<char> = None;
    for word in text.split([' ', '\t']) {
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        let bare = word.trim_start_matches(['\\', '"', '\'']);
        let quote = word.get(..word.len() - bare.len()).and_then(|head| head.chars().last());
        let opens = bare.starts_with("+%");
        let whole = opens || format.is_some();
        let signs = signs(unit, word);
        let unknown = signs.iter().any(|(_, known)| !known);
        if !whole && unknown && signs.iter().any(|(_, known)| *known) {
            return None;
        }
        let wrong = signs.into_iter().filter(|(_, known)| whole || !known);
        edits.extend(
            wrong.map(|(sign, _)| Edit::append(line.value.span_of(at + sign..at + sign + 1), "%")),
        );
        if opens {
            format = quote.filter(|quote| matches!(quote, '"' | '\''));
        }
        let rest = if opens { bare } else { word };
        format = format.filter(|quote| !rest.contains(*quote));
    }
    (!edits.is_empty()).then_some(edits)
}

/// The specifiers in a word: where, and whether systemd knows them.
fn signs(unit: &Unit, word: &str) -> Vec<(usize, bool)> {
    let mut found = Vec::new();
    let mut rest = word.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        let Some(letter) = rest.peek().map(|(_, letter)| *letter).filter(|_| character == '%')
        else {
            continue;
        };
        rest.next();
        if letter.is_ascii_alphanumeric() {
            let text = Text::verbatim(FileId(0), &format!("%{letter}"), 0);
            found.push((at, !matches!(unit.specifiers.expand(&text), Expansion::Invalid(_))));
        }
    }
    found
}

/// Values that are fatal for the whole unit (measured with `systemd-analyze verify`).
fn values(unit: &Unit, out: &mut Sink) {
    for (span, fault) in &unit.value_faults {
        let assignment = unit
            .files()
            .flat_map(|file| &file.assignments)
            .find(|assignment| assignment.span == *span);
        if placeholder::holds_in_path(assignment.map_or("", |line| line.value.as_str())) {
            out.skip(&Why::not_understood("a value contains a template's placeholder"));
            continue;
        }
        let key = assignment.map_or("", |assignment| assignment.key.value.as_str());
        let why = format!("{key}= takes {}, and this is something else", fault.expected);
        refused(unit, *span, &why, &format!("Write {} here.", fault.expected), out);
    }
    for assignment in unit.all("Service", "RootDirectory") {
        let value = assignment.value.as_str();
        if !value.is_empty()
            && !placeholder::holds_in_path(value)
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
            "gunicorn is not a oneshot: Type=notify, NotifyAccess=main.",
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
