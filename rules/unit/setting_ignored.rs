use std::collections::HashSet;

use crate::facts::service::{Assignment, FaultKind, Unit, UnitFile, UnitKind};
use crate::facts::{App, Why};
use crate::rule::prelude::{Span, is_slip};
use crate::rule::{Edit, Finding, Safety, Severity, Sink};
use crate::source::unit::known::{
    NEWEST, Presence, Setting, SettingLookup, check_value, find, lookup, matters,
};

crate::rule! {
    /// systemd ignores a line, so its setting has no effect.
    ///
    /// systemd ignores unknown settings and sections, settings in the wrong section, and values it
    /// cannot read, with a line in the journal that nobody sees; `systemctl start` returns 0. It is
    /// an error if a reload or the start depends on the setting (`ExecReload`, `EnvironmentFile`,
    /// `User`, `WorkingDirectory`, `Restart` …), otherwise a warning. `systemd-analyze verify UNIT`
    /// shows the same lines. Sections and settings that start with `X-` are yours and never
    /// reported. Settings of another version of systemd are reported by U140.
    ///
    /// Proved by `setting-misspelt`: the environment never arrived, the application failed at
    /// startup, and every request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// TimeoutStopSecs=60
    /// ```
    /// ```tree,bad
    /// /usr/lib/systemd/libsystemd-shared-252.so
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// TimeoutStopSec=60
    /// ```
    /// ```tree,fixed
    /// /usr/lib/systemd/libsystemd-shared-252.so
    /// ```
    /// ```ini,bad,drop-in
    /// [Unit]
    /// User=www-data
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// User=www-data
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Restart=yes
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// RuntimeDirectory=/run/myapp
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// RuntimeDirectory=myapp
    /// ```
    /// ```ini,good,drop-in
    /// [X-Deploy]
    /// Tool=fabric
    ///
    /// [Service]
    /// X-Owner=team-web
    /// StartLimitInterval=0
    /// ```
    U119 "setting-ignored" {
        severity: Warning, impact: Hygiene, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let version = app.machine.systemd.ok().copied();
    for unit in std::iter::once(&app.service.unit).chain(&app.service.sockets) {
        for file in unit.files() {
            let (cut, sections) = (cut_lines(file), HashSet::new());
            AssignmentReader { unit, file, version, cut, sections, mended: 0 }.read(out);
        }
    }
    Ok(())
}

struct AssignmentReader<'a> {
    unit: &'a Unit,
    file: &'a UnitFile,
    version: Option<u32>,
    /// Lines that were meant to continue the one before, whose backslash does not end it.
    cut: HashSet<usize>,
    /// Sections that were reported.
    sections: HashSet<&'a str>,
    /// How many lines were looked at for what was meant.
    mended: usize,
}

/// The lines after a backslash with white space behind it: another rule's.
fn cut_lines(file: &UnitFile) -> HashSet<usize> {
    let cut = file.faults.iter().filter(|fault| fault.kind == FaultKind::BlankAfterBackslash);
    cut.map(|fault| file.file.position(fault.span.start).line + 1).collect()
}

impl<'a> AssignmentReader<'a> {
    fn read(&mut self, out: &mut Sink) {
        let mut last = None;
        for fault in &self.file.faults {
            let line = self.file.file.position(fault.span.start).line;
            let ignored = matches!(
                fault.kind,
                FaultKind::NoEquals | FaultKind::EmptyKey | FaultKind::OutsideSection
            );
            let text = self.file.file.slice(fault.span);
            if !ignored || self.is_cut(fault.span.start) || super::is_template(text) {
                continue;
            }
            // A run of such lines (prose, a shell's commands) is one mistake.
            let follows = last.is_some_and(|last| line == last + 1);
            last = Some(line);
            if follows {
                continue;
            }
            let text = String::from_utf8_lossy(text);
            let key = text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let matters = matters(key);
            out.report(format!("the line has no effect: {fault}"))
                .severity(severity(matters))
                .at(fault.span, "systemd ignores this")
                .help("Write the line as Setting=value below its [Section], or remove it.");
        }
        for assignment in &self.file.assignments {
            let whole = self.file.file.slice(assignment.span);
            let key = assignment.key.value.as_bytes();
            if self.is_cut(assignment.span.start)
                || super::is_template(key)
                || super::is_template(assignment.section.as_bytes())
                || whole.starts_with(b"{")
            {
                continue;
            }
            self.assignment(assignment, out);
        }
    }

    fn is_cut(&self, start: u32) -> bool {
        !self.cut.is_empty() && self.cut.contains(&self.file.file.position(start).line)
    }

    fn assignment(&mut self, assignment: &'a Assignment, out: &mut Sink) {
        let (section, key) = (&*assignment.section, assignment.key.value.as_str());
        match lookup(section, key) {
            SettingLookup::Known(setting) => {
                if self.in_version(assignment, &setting, out) {
                    self.value(assignment, &setting, out);
                }
            }
            SettingLookup::Private => {}
            SettingLookup::UnknownSection { did_you_mean } => {
                self.section(assignment, did_you_mean, out);
            }
            SettingLookup::UnknownKey { did_you_mean } => {
                // A newer systemd may have it, however near it is to another.
                if self.version.is_some_and(|version| version > NEWEST) {
                    out.skip(&Why::depends(format!(
                        "whether this systemd knows {key}= is not known here"
                    )));
                    return;
                }
                let matters = did_you_mean.is_some_and(matters);
                let message = match self.version {
                    Some(_) => format!("systemd has no such setting in [{section}]"),
                    None => format!("no systemd up to {NEWEST} has such a setting in [{section}]"),
                };
                let finding = out
                    .report(format!("{key}= has no effect: {message}"))
                    .severity(severity(matters))
                    .at(assignment.key.span, "ignored");
                match did_you_mean {
                    Some(meant) => {
                        let title = format!("write {meant}= instead of {key}=");
                        let edits = self.more().then(|| self.renamed(assignment, meant)).flatten();
                        finding.help(format!("Did you mean {meant}=?"));
                        fix(finding, title, edits)
                    }
                    None => finding.help(format!(
                        "Remove the line, or name it X-{key}= if it is your own note."
                    )),
                };
            }
            SettingLookup::WrongSection { right } => {
                let more = self.more();
                self.wrong_section(assignment, &right, more, out);
            }
        }
    }

    /// Does the host's systemd know the setting, and this value? Where it does not, another rule
    /// says so, but for a value that the reload depends on.
    fn in_version(&self, assignment: &Assignment, setting: &Setting, out: &mut Sink) -> bool {
        let Some(version) = self.version else { return true };
        let (key, value) = (setting.key, assignment.value.as_str());
        if matches!(setting.in_version(version), Presence::NotYet | Presence::Gone) {
            return false;
        }
        let Some(since) = setting.value_since(value).filter(|since| version < *since) else {
            return true;
        };
        if setting.matters() {
            out.report(format!(
                "{key}={value} has no effect: systemd {version} here does not support the value"
            ))
            .severity(Severity::Error)
            .at(assignment.key.span, format!("supported from systemd {since} on"))
            .help("Update systemd, or use a value it supports.");
        }
        false
    }

    /// Looking for what was meant goes through the whole file. One where it is needed more often is
    /// not a unit.
    fn more(&mut self) -> bool {
        self.mended += 1;
        self.mended <= 100
    }

    fn wrong_section(&self, assignment: &Assignment, right: &[&str], more: bool, out: &mut Sink) {
        let (section, key) = (&*assignment.section, assignment.key.value.as_str());
        // Of several sections the one that units of this kind have.
        let own = if self.unit.name.kind() == UnitKind::Socket {
            ["Socket", "Unit", "Install"]
        } else {
            ["Service", "Unit", "Install"]
        };
        let to = own.iter().find(|own| right.contains(*own)).or(right.first());
        let Some(to) = to else { return };
        let fits = own.contains(to);
        let finding = out
            .report(format!("{key}= has no effect: systemd ignores it in [{section}]"))
            .severity(severity(fits && matters(key)))
            .at(assignment.key.span, format!("belongs in [{to}]"));
        if fits {
            finding.help(format!("Move the line to [{to}]"));
            let edits = more.then(|| self.moved(assignment, to)).flatten();
            fix(finding, format!("move {key}= to [{to}]"), edits);
        } else {
            finding.help("Remove the line: units of this kind have no such setting.");
        }
    }

    fn section(&mut self, assignment: &'a Assignment, meant: Option<&str>, out: &mut Sink) {
        let section = &*assignment.section;
        if !self.sections.insert(section) {
            return;
        }
        let header = self
            .file
            .sections
            .iter()
            .find(|header| header.value == section)
            .map_or(assignment.key.span, |header| header.span);
        let own = meant.filter(|meant| ["Unit", "Service", "Socket", "Install"].contains(meant));
        let finding = out
            .report(format!("systemd ignores all of [{section}]: there is no such section"))
            .severity(severity(own.is_some()))
            .at(header, "ignored, with everything below it");
        match meant {
            Some(meant) => {
                let headers = self.file.sections.iter().filter(|header| header.value == section);
                let edits = headers.map(|header| Edit::replace(header.span, format!("[{meant}]")));
                finding.help(format!("Did you mean [{meant}]?"));
                let title = format!("write [{meant}] instead of [{section}]");
                fix(finding, title, own.map(|_| edits.collect()))
            }
            None => finding.help(format!(
                "Remove the section, or name it [X-{section}] if it is your own note."
            )),
        };
    }

    fn value(&self, assignment: &Assignment, setting: &Setting, out: &mut Sink) {
        let (section, key) = (setting.section, setting.key);
        let value = assignment.value.as_str();
        let absolute = key.ends_with("Directory")
            && ["RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory"]
                .contains(&key)
            && value.split_whitespace().any(|word| word.starts_with('/'));
        let expected = if absolute {
            "a name below its top directory, not an absolute path"
        } else if key == "RootDirectory"
            || key == "EnvironmentFile"
            || self.unit.value_faults.iter().any(|(span, _)| *span == assignment.span)
        {
            // Where systemd refuses the whole unit, or what should be read, is another rule's.
            return;
        } else {
            match check_value(section, key, value) {
                Some(fault) => fault.expected,
                None => return,
            }
        };
        let finding = out
            .report(format!("{key}= has no effect: systemd ignores its value"))
            .severity(severity(matters(key)))
            .at(assignment.value.span(), format!("takes {expected}"))
            .help(format!("{key}= takes {expected}."));
        let below = ["/run/", "/var/run/"].iter().find_map(|top| value.strip_prefix(top));
        if let Some(name) = below.filter(|name| key == "RuntimeDirectory" && super::plain(name)) {
            let edit = Edit::replace(assignment.value.span(), name);
            fix(finding, format!("RuntimeDirectory={name}"), Some(vec![edit]));
        }
    }

    /// The name that was meant, if the line then says what nothing else says.
    fn renamed(&self, assignment: &Assignment, meant: &str) -> Option<Vec<Edit>> {
        let section = &*assignment.section;
        // A systemd that is not known may know the name as it is.
        let judged = self.version.is_some_and(|version| version <= NEWEST);
        if !judged || !is_slip(&assignment.key.value, meant) {
            return None;
        }
        let fits = check_value(section, meant, assignment.value.as_str()).is_none();
        (fits && self.is_free(section, meant))
            .then(|| vec![Edit::replace(assignment.key.span, meant)])
    }

    /// Is nothing said about it that this would fight with? A drop-in is there to say otherwise
    /// than the files before it.
    fn is_free(&self, section: &str, key: &str) -> bool {
        let own = |span: Span| self.unit.files().position(|file| file.file.id == span.file);
        let here = self.unit.files().position(|file| file.file.id == self.file.file.id);
        let others = self.unit.list(section, key);
        find(section, key).is_some_and(|setting| setting.adds_up())
            || others.is_empty()
            || (!key.starts_with("Exec") && others.iter().all(|other| own(other.span) < here))
    }

    /// The line in its section of the same file.
    fn moved(&self, assignment: &Assignment, to: &str) -> Option<Vec<Edit>> {
        let key = assignment.key.value.as_str();
        let others = self.unit.list(to, key);
        let same =
            others.last().is_some_and(|other| other.value.as_str() == assignment.value.as_str());
        if !self.is_free(to, key) && !same {
            return None;
        }
        if let Some(header) = self.header_for(assignment, to) {
            return Some(vec![Edit::replace(header, format!("[{to}]"))]);
        }
        let mut edits = vec![Edit::remove(assignment.span)];
        if same {
            return Some(edits);
        }
        let line = String::from_utf8(self.file.file.slice(assignment.span).to_vec()).ok()?;
        let mut lines = self.file.assignments.iter().filter(|line| line.span != assignment.span);
        let inside = lines.clone().rev().find(|line| *line.section == *to).map(|line| line.span);
        let header = self.file.sections.iter().rev().find(|header| header.value == to);
        edits.push(match inside.or(header.map(|header| header.span)) {
            Some(at) => Edit::After { at, line },
            None => Edit::After { at: lines.next_back()?.span, line: format!("\n[{to}]\n{line}") },
        });
        Some(edits)
    }

    /// The header above the line, if all below it belongs in the same other section.
    fn header_for(&self, assignment: &Assignment, to: &str) -> Option<Span> {
        let sections = &self.file.sections;
        let above = sections.partition_point(|header| header.span.start < assignment.span.start);
        let header = sections.get(above.checked_sub(1)?)?.span;
        let end = sections.get(above).map_or(u32::MAX, |next| next.span.start);
        let mut below = self
            .file
            .assignments
            .iter()
            .filter(|line| (header.end..end).contains(&line.span.start));
        below
            .all(|line| {
                let found = lookup(&line.section, &line.key.value);
                matches!(found, SettingLookup::WrongSection { right } if right.contains(&to))
            })
            .then_some(header)
    }
}

/// What then holds was not seen before.
fn fix(finding: &mut Finding, title: String, edits: Option<Vec<Edit>>) -> &mut Finding {
    finding.fix_if(Safety::Safe, title, edits.unwrap_or_default()).uncovers();
    finding
}

fn severity(matters: bool) -> Severity {
    if matters { Severity::Error } else { Severity::Warning }
}
