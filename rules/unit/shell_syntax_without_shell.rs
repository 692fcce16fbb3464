use crate::facts::service::{ExecCommand, ExecFaultKind, Word};
use crate::facts::shell::{base_name, is_shell};
use crate::facts::{App, Why};
use crate::rule::prelude::Span;
use crate::rule::{Edit, Finding, Safety, Severity, Sink};
use crate::rules::shell_syntax::{assigns, is_shell_program, syntax};
use crate::rules::without_shell::{self, Repair};

crate::rule! {
    /// A line that no shell reads contains shell syntax: the program gets it as arguments and
    /// fails.
    ///
    /// systemd starts programs directly. It splits words and handles quotes and variables, but
    /// `&&`, `|`, `>`, `*`, `$(…)`, `~` and `# comment` are plain text to it, and the program gets
    /// them as arguments. `source`, `cd` and `export` are not programs at all (203/EXEC).
    ///
    /// Measured: `kill -s HUP $MAINPID && logger reloaded` in `ExecReload=` fails, and so does the
    /// reload. gunicorn exits with status 2 on an unknown option, but ignores plain words after the
    /// application: `wsgi:app >> /var/log/myapp.log 2>&1` starts and writes no log (a warning).
    ///
    /// By hand: use systemd's own settings: `WorkingDirectory=` for `cd`, `Environment=` and
    /// `EnvironmentFile=` for `export` and `source`, the environment's own
    /// `/srv/myapp/.venv/bin/gunicorn` for `activate`, several `ExecStartPre=` lines for `&&`,
    /// `StandardOutput=append:/var/log/myapp.log` for `>`. If it must be a shell:
    /// `ExecStart=/bin/bash -c 'cd … && exec gunicorn …'`, with `exec`, so the reload signal
    /// reaches gunicorn.
    ///
    /// Proved by `activate-without-shell`: systemd found no program `source` (203/EXEC), and every
    /// request got 502.
    ///
    /// Proved by `redirection-ignored`: gunicorn started and ignored the redirection: no log was
    /// written.
    ///
    /// Proved by `shell-syntax-without-shell`: kill sent SIGHUP, then took `&&` for a process:
    /// `systemctl reload` returned 1, though the new release was served.
    ///
    /// ```tree,bad
    /// /srv/prepare.sh mode=0755
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh /srv/prepare.sh && /bin/kill -0 1
    /// ```
    /// ```tree,fixed
    /// /srv/prepare.sh mode=0755
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh /srv/prepare.sh
    /// ExecStartPre=/bin/kill -0 1
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=source /srv/myapp/.venv/bin/activate
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=source /srv/myapp/.venv/bin/activate && gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh -c 'mkdir -p ~/cache && rm -f /tmp/myapp-* > /dev/null'
    /// ```
    /// ```ini,good
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --access-logformat '%%(h)s | %%(r)s > %%(s)s' \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    U129 "shell-syntax-without-shell" {
        severity: Error, impact: Outage, fix: Some(Unsafe), item: CodeBoots, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let unit = &app.service.unit;
    for (setting, command) in super::all_commands(&app.service) {
        if let Some((word, what)) = found(app, command) {
            if passed_over(setting, command, word) {
                let log = without_shell::without_effect(app, command, word);
                ignored(&what, word.span, log, out);
            } else {
                let repair = without_shell::repair(app, setting, command, word);
                report(setting, command, word.span, &what, repair, out);
            }
        }
    }
    for (_, fault) in &unit.exec_faults {
        if fault.kind != ExecFaultKind::RelativeProgram {
            continue;
        }
        let file = unit.files().find(|file| file.file.id == fault.span.file);
        let text = file.map(|file| String::from_utf8_lossy(file.file.slice(fault.span)));
        if let Some(text) = text.filter(|text| is_shell_program(text)) {
            if !text.starts_with('~') {
                out.report(format!(
                    "systemd refuses the unit: `{text}` is shell syntax, and Exec lines run no shell"
                ))
                .at(fault.span, "not a program")
                .help(INSTEAD);
                continue;
            }
            let finding = out
                .report("systemd refuses the unit: it does not expand ~ in a program's path")
                .at(fault.span, "only a shell expands this")
                .help("Write the path in full, starting with /.");
            let at = app.tilde_in(fault.span).filter(|at| at.start == fault.span.start);
            let edit =
                at.zip(without_shell::home(app)).map(|(at, home)| vec![Edit::replace(at, home)]);
            fix(finding, "write the path in full", edit.map(|edits| (String::new(), edits)));
        }
    }
    Ok(())
}

/// Does gunicorn take no notice? It reads options wherever they are, and ignores plain words behind
/// the application (measured).
const INSTEAD: &str = "Use systemd's settings (WorkingDirectory=, Environment=, EnvironmentFile=, one Exec line \
                       per command), or a shell that execs gunicorn:\nExecStart=/bin/bash -c 'cd DIRECTORY && \
                       exec gunicorn …'";

fn passed_over(setting: &str, command: &ExecCommand, word: &Word) -> bool {
    let words = &command.arguments;
    let Some(at) = words.iter().position(|other| other.span == word.span) else { return false };
    let (before, behind) = words.split_at(at);
    setting == "ExecStart"
        && base_name(command.program.text.as_str()) == "gunicorn"
        && before.last().is_some_and(|last| is_application(last.text.as_str()))
        && behind.iter().all(|word| !word.text.as_str().starts_with('-'))
}

/// `module:name` or `package.module:make()`.
fn is_application(text: &str) -> bool {
    let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    text.split_once(':').is_some_and(|(module, name)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        starts(module) && module.chars().all(plain) && starts(name)
    })
}

fn fix(finding: &mut Finding, title: &str, repair: Repair) {
    match repair {
        Some((own, edits)) => {
            let title = if own.is_empty() { title.to_owned() } else { own };
            finding.fix(Safety::Unsafe, title).edits(edits).uncovers()
        }
        None => finding.fix(Safety::Manual, title),
    };
}

fn ignored(what: &str, span: Span, repair: Repair, out: &mut Sink) {
    let finding = out.report(format!(
        "{what} and the rest of the line have no effect: ExecStart= runs no shell, and gunicorn \
         ignores words after the application"
    )).severity(Severity::Warning).at(span, "plain text to systemd").help(
        "Remove it. For a log: StandardOutput=append:/var/log/myapp.log, or gunicorn's own \
         --access-logfile and --error-logfile.",
    );
    fix(finding, "remove the words that have no effect", repair);
}

fn report(
    setting: &str,
    command: &ExecCommand,
    span: Span,
    what: &str,
    repair: Repair,
    out: &mut Sink,
) {
    let program = base_name(command.program.text.as_str());
    let consequence = super::consequence(setting);
    let cause = if is_shell_program(command.program.text.as_str()) {
        format!("{what} is shell syntax, and {setting}= runs no shell")
    } else {
        format!("{setting}= runs no shell, so {program} gets {what} as an argument")
    };
    let finding = out
        .report(format!("{consequence}: {cause}"))
        .at(span, "plain text to systemd")
        .help(INSTEAD);
    fix(finding, "use systemd's own setting, or a shell that execs gunicorn", repair);
}

/// The first word that only a shell would understand, and what it is.
fn found<'c>(app: &App, command: &'c ExecCommand) -> Option<(&'c Word, String)> {
    let program = command.program.text.as_str();
    if is_shell_program(program) {
        let shown = if assigns(program) { "NAME=value" } else { program };
        return Some((&command.program, format!("`{shown}`")));
    }
    let mut shell = is_shell(program);
    for word in &command.arguments {
        let text = word.text.as_str();
        // From `sh -c` on a shell reads it. What holds white space was quoted, for somebody.
        if shell && text.starts_with('-') && !text.starts_with("--") && text.contains('c') {
            return None;
        }
        shell |= is_shell(text);
        if word.unknown.is_some() || text.contains(char::is_whitespace) {
            continue;
        }
        if let Some(what) = syntax(app, word) {
            return Some((word, format!("`{what}`")));
        }
    }
    None
}
