//! What must follow a finding's fix, as the last line of its help: derived from the edits or,
//! without edits, from the places that a person has to change. Before that line come the lines that
//! a person writes; if the rule has no words of its own for them, they are derived from the edits
//! too.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Edit, Finding, hand};
use crate::facts::follow::{Follow, Touched, changed};
use crate::facts::{App, Deployment, Nginx};
use crate::source::unit::{Assignment, Unit, UnitFile, syntax};
use crate::source::{FileId, SourceFile, Span};

impl Finding {
    /// Names the place that a person must change if no edit changes it: the place decides what must
    /// follow. Without a place (a program's default), nothing is added.
    pub fn by_hand(&mut self, at: Option<Span>) -> &mut Self {
        self.by_hand.extend(at.map(|at| Edit::replace(at, "")));
        self
    }
}

/// Adds what must follow to the help of every finding that proposes a change.
pub fn complete(findings: &mut [Finding], deployment: &Deployment) {
    name_tested_file(findings, &deployment.nginx);
    if findings.iter().all(|finding| changes(finding).is_empty()) {
        return;
    }
    let apps: HashMap<&str, &App> =
        deployment.apps.iter().map(|app| (app.name.as_str(), app)).collect();
    let nginx = (deployment.nginx.files(), deployment.nginx.started.options.as_slice());
    for finding in findings {
        if finding.help.is_empty()
            && let Some(lines) = finding.fix.as_ref().and_then(|fix| hand::lines(&fix.edits))
        {
            finding.help = lines;
        }
        let app = finding.app.as_deref().and_then(|name| apps.get(name).copied());
        let mut follow = Follow::default();
        for edit in changes(finding) {
            touch(&mut follow, app, (&nginx.0, nginx.1), edit);
        }
        if let Some(line) = follow.line() {
            let end =
                if finding.help.is_empty() || finding.help.ends_with('\n') { "" } else { "\n" };
            finding.help.push_str(&format!("{end}then: {line}"));
        }
    }
}

fn changes(finding: &Finding) -> &[Edit] {
    match &finding.fix {
        Some(fix) if !fix.edits.is_empty() => &fix.edits,
        _ => &finding.by_hand,
    }
}

/// `nginx -t` in a rule's words tests the packages' own configuration. Where nginx is started with
/// another one, the command names it.
fn name_tested_file(findings: &mut [Finding], nginx: &Nginx) {
    const USUAL: &str = "nginx -t";
    if nginx.started.options.is_empty() {
        return;
    }
    let test = nginx.started.test();
    for finding in findings {
        for text in
            finding.fix.as_mut().map(|fix| &mut fix.title).into_iter().chain([&mut finding.help])
        {
            if text.contains(USUAL) {
                *text = text.replace(USUAL, &test);
            }
        }
    }
}

fn touch(
    follow: &mut Follow,
    app: Option<&App>,
    (nginx, options): (&[FileId], &[String]),
    edit: &Edit,
) {
    if let (Edit::Set { unit, section, key, .. }, Some(app)) = (edit, app) {
        follow.touch(app, app, Touched::Unit { unit, section, key });
        return;
    }
    let Some(at) = edit.place() else { return };
    if nginx.contains(&at.file) {
        return follow.nginx(options);
    }
    let Some(app) = app else { return };
    for unit in std::iter::once(&app.service.unit).chain(&app.service.sockets) {
        if let Some(file) = unit.files().find(|file| file.file.id == at.file) {
            return in_unit(follow, app, unit, file, edit, at);
        }
    }
    // The file belongs to another unit: systemd reads it again, and nothing of this application is
    // restarted for it.
    if app.service.shared_directories.iter().any(|other| other.span.file == at.file) {
        return follow.unit();
    }
    let config = app.gunicorn.config.ok().and_then(Option::as_ref);
    if config.and_then(|config| config.file.as_ref()).is_some_and(|file| file.id == at.file) {
        let setting = app.gunicorn.settings.set_at(at).unwrap_or_default();
        return follow.touch(app, app, Touched::Gunicorn(setting));
    }
    follow.touch(app, app, Touched::Start);
}

/// Records which settings of a unit a change of text at a place affects.
fn in_unit(follow: &mut Follow, app: &App, unit: &Unit, file: &UnitFile, edit: &Edit, at: Span) {
    follow.unit();
    let name = unit.name.to_string();
    let mut touch = |section: &str, key: &str| {
        follow.touch(app, app, Touched::Unit { unit: &name, section, key });
    };
    let around = assignment_at(file, at);
    match (edit, around) {
        (Edit::Before { line, .. } | Edit::After { line, .. }, _) => {
            let header = file.sections.iter().rev().find(|header| header.span.start <= at.start);
            let mut section = header.map_or("", |header| header.value.as_str());
            for line in line.lines() {
                match (line.strip_prefix('['), line.split_once('=')) {
                    (Some(header), _) => section = header.trim_end_matches(']'),
                    (None, Some((key, _))) => touch(section, key.trim()),
                    (None, None) => {}
                }
            }
        }
        (Edit::Replace { with, .. }, Some(line)) if line.key.span == at => {
            touch(&line.section, with);
        }
        (_, Some(line)) => touch(&line.section, &line.key.value),
        // The edit changes how systemd reads the file: a header, a continuation.
        (_, None) => match mended(file, edit) {
            Some(after) => {
                for (section, key) in changed(file, &after) {
                    touch(&section, &key);
                }
            }
            None => touch("Service", ""),
        },
    }
}

/// The file as systemd would read it with this change alone. `None` if so much in it is wrong that
/// it is not a unit.
fn mended(file: &UnitFile, edit: &Edit) -> Option<UnitFile> {
    let (at, with) = match edit {
        Edit::Replace { at, with } => (*at, with.as_str()),
        Edit::Lift { text, .. } => (*text, ""),
        _ => return None,
    };
    let bytes = &file.file.bytes;
    let (before, after) = (bytes.get(..at.start as usize)?, bytes.get(at.end as usize..)?);
    if file.faults.len() > 64 {
        return None;
    }
    // Text removed from the end of a line is removed with the spaces before it.
    let before = if with.is_empty() { before.trim_ascii_end() } else { before };
    let text = [before, with.as_bytes(), after].concat();
    Some(syntax::parse(Arc::new(SourceFile::new(at.file, file.file.path.clone(), text))))
}

fn assignment_at(file: &UnitFile, at: Span) -> Option<&Assignment> {
    let behind = file.assignments.partition_point(|line| line.span.start <= at.start);
    let last = file.assignments.get(behind.checked_sub(1)?)?;
    (at.start <= last.span.end).then_some(last)
}
