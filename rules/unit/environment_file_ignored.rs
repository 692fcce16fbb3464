use crate::facts::environment::{EnvironmentFile, MeantFile, Misread, Misreading};
use crate::host::FileKind;
use crate::rule::prelude::*;

crate::rule! {
    /// The application gets nothing from an environment file, because the line does not name that
    /// file correctly.
    ///
    /// `EnvironmentFile=` takes one absolute path, and no quotes. systemd ignores a line whose path
    /// is relative, starts with `~` or is in quotes, with a warning in the journal; the start
    /// continues without the file. Everything else up to the end of the line is one path:
    /// `/etc/a.env /etc/b.env` is one file with a space in its name, and a comment after a path is
    /// part of it. No such file exists, so the unit does not start; with a `-` before the path it
    /// starts silently. (Measured on systemd 252 and 262.)
    ///
    /// By hand: one line per file, `EnvironmentFile=/etc/myapp.env`; then `systemctl
    /// daemon-reload` and `systemctl restart`: a reload keeps the old environment.
    ///
    /// Proved by `environment-file-quoted`: the application got no variable of the file and failed
    /// with KeyError at startup, and every request got 502.
    ///
    /// Proved by `environment-file-two`: the unit did not start, and every request got 502.
    ///
    /// ```tree,bad
    /// /etc/myapp.d/mail.env mode=0640
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// EnvironmentFile="/etc/myapp.d/mail.env"
    /// ```
    /// ```tree,fixed
    /// /etc/myapp.d/mail.env mode=0640
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// EnvironmentFile=/etc/myapp.d/mail.env
    /// ```
    ///
    /// A path below the working directory:
    ///
    /// ```tree,bad
    /// /srv/myapp/releases/2026-04-21/.env mode=0640
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// EnvironmentFile=-.env
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/releases/2026-04-21/.env mode=0640
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// EnvironmentFile=-/srv/myapp/current/.env
    /// ```
    ///
    /// Two files, and a comment:
    ///
    /// ```tree,bad
    /// /etc/myapp.d/mail.env mode=0640
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// EnvironmentFile=
    /// EnvironmentFile=/etc/myapp.env /etc/myapp.d/mail.env  # for the newsletter
    /// ```
    /// ```tree,fixed
    /// /etc/myapp.d/mail.env mode=0640
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// EnvironmentFile=
    /// # for the newsletter
    /// EnvironmentFile=/etc/myapp.env
    /// EnvironmentFile=/etc/myapp.d/mail.env
    /// ```
    ///
    /// Healthy: a space in a file's name, and a pattern:
    ///
    /// ```tree,good
    /// /etc/myapp.d/10-local.env mode=0640
    /// /etc/myapp.d/20-mail.env mode=0640
    /// ```
    /// ```text,good,file=/etc/my app.env
    /// LOG_LEVEL=info
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// EnvironmentFile=/etc/my app.env
    /// EnvironmentFile=-/etc/myapp.d/*.env
    /// ```
    U116 "environment-file-ignored" {
        severity: Error, impact: Outage, fix: Some(Safe), item: Environment, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for file in &app.environment.files {
        let (Some(misread), Some(directive)) = (&file.misread, file.directive) else { continue };
        report(app, file, misread, directive, out);
    }
    Ok(())
}

fn report(app: &App, file: &EnvironmentFile, misread: &Misread, directive: Span, out: &mut Sink) {
    let (cause, note) = match misread.kind {
        Misreading::Quoted => (
            "systemd treats the quotes as part of the path and ignores the line",
            "quotes are not allowed in this path",
        ),
        Misreading::Relative => {
            ("systemd ignores a path that does not start with a slash", "not an absolute path")
        }
        Misreading::Specifier => (
            "`%` starts a specifier, and systemd ignores the line because this one does not exist",
            "ignored",
        ),
        Misreading::Several => (
            "EnvironmentFile= takes one path, so systemd looks for one file of this long name",
            "read as one path",
        ),
        Misreading::Comment => {
            ("the comment is part of the path, and there is no such file", "read as one path")
        }
    };
    let refuses = !misread.kind.is_ignored() && !file.optional;
    let consequence = match (refuses, misread.files.len()) {
        (true, _) => "gunicorn does not start",
        (false, 0 | 1) => "the application gets no variable of this environment file",
        (false, _) => "the application gets no variable of these environment files",
    };
    let help = "Write one absolute path per line, without quotes and with nothing after it:\n\
                EnvironmentFile=/etc/myapp.env";
    let title = match misread.kind {
        Misreading::Quoted => "remove the quotes",
        Misreading::Relative => "write the path in full",
        Misreading::Specifier => "write %% for %",
        Misreading::Several => "write one line per file",
        Misreading::Comment => "move the comment to its own line",
    };
    let repair = repair(app, misread, directive);
    let (safety, edits) = repair.unwrap_or((Safety::Manual, Vec::new()));
    out.report(format!("{consequence}: {cause}"))
        .at(directive, note)
        .help(help)
        .by_hand(Some(directive))
        .fix_if(safety, title, edits)
        // What the file holds was not read.
        .uncovers();
}

/// The line as it was meant. A file that is not there would keep the unit from starting; where that
/// is not known, the change is not a safe one.
fn repair(app: &App, misread: &Misread, directive: Span) -> Option<(Safety, Vec<Edit>)> {
    let mut safety = Safety::Safe;
    let mut edits = Vec::new();
    for file in &misread.files {
        match file.place.as_ref()?.is(FileKind::File) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) => safety = Safety::Unsafe,
        }
        edits.extend(in_full(file)?);
    }
    let behind = misread.files.windows(2).map(|pair| Edit::Split {
        left: pair[0].span,
        right: pair[1].span,
        key: "EnvironmentFile".to_owned(),
    });
    edits.extend(behind);
    if let Some(text) = misread.comment {
        let statement = statement(app, directive)?;
        edits.push(Edit::Lift { statement, text });
    }
    (!edits.is_empty()).then_some((safety, edits))
}

/// A path without its quotes, and with the directory before it that it lacks.
fn in_full(file: &MeantFile) -> Option<Vec<Edit>> {
    let mut edits: Vec<Edit> = file.quotes.iter().map(|at| Edit::replace(*at, "")).collect();
    if let Some(below) = &file.below {
        let below = below.to_str().filter(|below| super::plain(below))?;
        edits.push(Edit::replace(file.lead, format!("{}/", below.trim_end_matches('/'))));
    }
    Some(edits)
}

/// The whole assignment of a value.
fn statement(app: &App, value: Span) -> Option<Span> {
    let file = app.service.unit.files().find(|file| file.file.id == value.file)?;
    let line = file.assignments.iter().find(|line| line.value.span() == value)?;
    Some(line.span)
}
