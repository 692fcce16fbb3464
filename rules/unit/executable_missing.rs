use crate::facts::service::{Command, ExecFaultKind};
use crate::facts::shell::base_name;
use crate::facts::{App, Place, State, Want, Why};
use crate::host::FileKind;
use crate::rule::prelude::placeholder;
use crate::rule::{EvidenceKind, Sink};

crate::rule! {
    /// A program that the unit runs cannot be executed, so gunicorn does not start or reload.
    ///
    /// systemd reports status 203/EXEC when the program is absent, a dangling link, not executable
    /// for the user, or a script whose `#!` interpreter is absent. A moved or copied virtual
    /// environment is such a case: its scripts name the Python at the old path. With `Type=simple`,
    /// `systemctl start` still returns 0. The program is an absolute path, or a bare name that is
    /// looked up in systemd's own path, not in `Environment=PATH=`; variables and `~` are not
    /// expanded in it, and a relative path makes systemd refuse the whole unit.
    ///
    /// A command that only another shell has comes to the same: Debian's and Ubuntu's `sh` is dash,
    /// which has no `source`, so that `sh -c "source .venv/bin/activate && gunicorn …"` ends with 127.
    ///
    /// The file that a shell or Python is told to run counts as well, and gunicorn's own program behind a
    /// shell: `python3 gunicorn …` looks for a file of that name in `WorkingDirectory=`, not in `PATH`.
    ///
    /// By hand: recreate the environment in place (`python3 -m venv --clear /srv/myapp/.venv &&
    /// /srv/myapp/.venv/bin/pip install -r …`), or correct the path.
    ///
    /// Proved by `venv-moved`: gunicorn did not start (203/EXEC), and every request got
    /// 502.
    ///
    /// Proved by `script-missing`: Python ended with status 2 (`can't open file`), again and again, and
    /// every request got 502.
    ///
    /// Proved by `source-in-dash`: the unit ended with status 127 (`source: not found`), again and
    /// again, and every request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=/srv/myapp/bin/prepare
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStartPre=-/srv/myapp/bin/prepare
    /// ```
    ///
    /// A moved environment: gunicorn's script names a Python that does not exist.
    ///
    /// ```text,bad,file=/srv/myapp/bin/check
    /// #!/home/deploy/old/.venv/bin/python
    /// print("fine")
    /// ```
    /// ```tree,bad
    /// /srv/myapp/bin/check mode=0755
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=/srv/myapp/bin/check
    /// ```
    /// ```text,fixed,file=/srv/myapp/bin/check
    /// #!/srv/myapp/.venv/bin/python
    /// print("fine")
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/bin/check mode=0755
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStartPre=/srv/myapp/bin/check
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStartPre=/bin/sh -e /srv/myapp/bin/prepare.sh
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/python3 gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/python3 -u /srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```tree,bad
    /// /bin/bash mode=0755
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/bin/bash -c "exec /srv/myapp/venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app"
    /// ```
    /// ```tree,bad
    /// /usr/bin/dash mode=0755
    /// /bin/sh -> /usr/bin/dash
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/bin/sh -c "source /srv/myapp/.venv/bin/activate && exec gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app"
    /// ```
    /// ```tree,good
    /// /usr/bin/dash mode=0755
    /// /bin/sh -> /usr/bin/dash
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/bin/sh -c ". /srv/myapp/.venv/bin/activate && exec gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app"
    /// ```
    /// ```tree,good
    /// /bin/bash mode=0755
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/bin/bash -c "source /srv/myapp/.venv/bin/activate && exec gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app"
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=kill -s HUP $MAINPID
    /// ```
    U124 "executable-missing" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    relative(app, out);
    unknown_to_dash(app, out);
    if let Err(why) = handed_on(app, out) {
        out.skip(&why);
    }
    let service = &app.service;
    let lists = [
        ("ExecCondition", &service.exec_condition),
        ("ExecStartPre", &service.exec_start_pre),
        ("ExecStart", &service.exec_start),
        ("ExecStartPost", &service.exec_start_post),
        ("ExecReload", &service.exec_reload),
        ("ExecReloadPost", &service.exec_reload_post),
    ];
    for (setting, commands) in lists {
        for command in commands {
            // A failure after `-` does not count.
            if command.line.prefixes.ignore_failure && setting != "ExecStart" {
                continue;
            }
            let runs = judge(app, setting, command, out);
            // A tree without the shell may well have its script.
            if runs != Ok(false)
                && let Err(why) = script(setting, command, out)
            {
                out.skip(&why);
            }
            if let Err(why) = runs {
                out.skip(&why);
            }
        }
    }
    Ok(())
}

/// `source` is bash's word for `.`.
fn unknown_to_dash(app: &App, out: &mut Sink) {
    let launch = app.gunicorn.launch.ok();
    let Some(span) = launch.and_then(|launch| launch.unknown_to_dash) else { return };
    out.report(
        "gunicorn does not start: sh is dash here, which has no `source` (source: not found), and \
         the shell does not go on after it",
    )
    .at(span, "only bash knows this word")
    .subject("source")
    .help(
        "Write `.` instead of `source`, or /bin/bash instead of sh; or start the environment's own \
         program, .venv/bin/gunicorn, which needs neither.",
    )
    .by_hand(Some(span));
}

/// Programs that systemd does not even accept.
fn relative(app: &App, out: &mut Sink) {
    let unit = &app.service.unit;
    for (assignment, fault) in &unit.exec_faults {
        if super::systemd_version::is_shell_prefix(app, fault) {
            continue;
        }
        let what = match fault.kind {
            ExecFaultKind::RelativeProgram => "its program is not an absolute path",
            ExecFaultKind::DirectoryProgram => "its program is a directory",
            _ => continue,
        };
        let written = unit
            .files()
            .find(|file| file.file.id == fault.span.file)
            .map(|file| String::from_utf8_lossy(file.file.slice(fault.span)).into_owned())
            .unwrap_or_default();
        // What only a shell understands is another rule's. A host's unit is not a template, and a
        // `$` in it is a `$`.
        let template = match app.machine.whole {
            true => super::is_template(written.as_bytes()),
            false => placeholder::holds_in_path(&written),
        };
        if crate::rules::shell_syntax::is_shell_program(&written) || template {
            continue;
        }
        let (verdict, app_name) = match fault.refuses {
            true => ("systemd refuses the unit", &app.name),
            false => ("systemd ignores the line", &app.name),
        };
        let _ = assignment;
        out.report(format!("{verdict}, {app_name} does not start: {what}"))
            .at(fault.span, "neither an absolute path nor a bare name")
            .help("Write the program's path in full, starting with /. Variables, ~ and WorkingDirectory= do not count here.");
    }
}

/// Can the program be executed? Tells why, where it cannot.
fn judge(app: &App, setting: &str, command: &Command, out: &mut Sink) -> Result<bool, Why> {
    let program = &command.line.program;
    if let Some(why) = &program.unknown {
        return Err(Why::not_understood(why.clone()));
    }
    let name = program.text.as_str();
    if super::is_template(name.as_bytes()) {
        return Err(Why::not_understood(format!("{setting}='s program contains a placeholder")));
    }
    let consequence = super::consequence(setting);
    if name.contains('$') {
        if !app.machine.whole {
            return Err(Why::not_understood(format!("{setting}='s program may be a placeholder")));
        }
        out.report(format!(
            "{consequence} (203/EXEC): systemd expands no variable in a program's path"
        ))
        .at(program.span, "taken literally")
        .help("Write the program's path in full.");
        return Ok(false);
    }
    // Builtins of a shell are no programs, and another rule's.
    if crate::rules::shell_syntax::is_shell_program(name) {
        return Ok(false);
    }
    let Some(place) = &command.executable.place else {
        bare(setting, command, out)?;
        return Ok(false);
    };
    if let Some(cause) = absent(place)? {
        report(setting, command, &cause, "Correct the path, or install the program.", out);
        return Ok(false);
    }
    match place.metadata() {
        Some(metadata) if metadata.kind != FileKind::File => {
            let cause = format!("{name} is {}", metadata.kind);
            report(setting, command, &cause, "Correct the path, or install the program.", out);
            Ok(false)
        }
        Some(metadata) if metadata.mode & 0o111 == 0 => {
            let text = format!("{name} is not executable (mode {:04o})", metadata.mode);
            report(setting, command, &text, &format!("chmod +x {name}"), out);
            Ok(false)
        }
        _ => {
            interpreter(setting, command, out)?;
            not_for_user(app, setting, command, place, out)?;
            Ok(true)
        }
    }
}

/// A tree without any of the system's programs says nothing about one of them.
fn programs_read(path: &std::path::Path, missing: &std::path::Path) -> Result<(), Why> {
    let tops = ["/bin", "/sbin", "/usr", "/usr/bin", "/usr/sbin", "/usr/local", "/usr/local/bin"];
    if tops.iter().any(|top| missing == std::path::Path::new(top)) {
        return Err(Why::not_read(format!(
            "{} is in none of the directories that were read",
            path.display()
        )));
    }
    Ok(())
}

fn report(setting: &str, command: &Command, cause: &str, help: &str, out: &mut Sink) {
    let consequence = super::consequence(setting);
    out.report(format!("{consequence} (203/EXEC): {cause}"))
        .at(command.line.program.span, "")
        .help(help);
}

fn bare(setting: &str, command: &Command, out: &mut Sink) -> Result<(), Why> {
    let mut read = false;
    for place in &command.executable.searched {
        if let State::Missing { at, .. } = place.state.get()? {
            read |= programs_read(&place.path, at).is_ok();
        }
    }
    let name = command.line.program.text.as_str();
    if !read {
        return Err(Why::not_read(format!("{name} is in no directory that was read")));
    }
    let cause = format!("{name} is in no directory of systemd's own search path");
    let help = format!(
        "Write the path in full (command -v {name}); Environment=PATH= does not count here."
    );
    report(setting, command, &cause, &help, out);
    Ok(())
}

fn interpreter(setting: &str, command: &Command, out: &mut Sink) -> Result<(), Why> {
    let Some(place) = &command.executable.interpreter else { return Ok(()) };
    let cause = match place.state.get()? {
        State::Missing { link: Some(link), .. } => format!(
            "its #! line leads to {}, a link to {} that does not exist",
            link.link.display(),
            link.target.display()
        ),
        State::Missing { at, .. } => {
            programs_read(&place.path, at)?;
            format!("its #! line names {}, which does not exist", place.path.display())
        }
        State::Broken { reason } => format!("{}: {reason}", place.path.display()),
        State::Present(_) => return Ok(()),
    };
    let name = command.line.program.text.as_str();
    let help = "The virtual environment was moved, or its Python removed: recreate it in place \
         (python3 -m venv --clear …) and install the requirements.";
    report(setting, command, &format!("{name} cannot run: {cause}"), help, out);
    Ok(())
}

/// What a shell or Python is told to run.
fn script(setting: &str, command: &Command, out: &mut Sink) -> Result<(), Why> {
    let Some(script) = &command.executable.script else { return Ok(()) };
    let Some(cause) = absent(&script.place)? else { return Ok(()) };
    let program = base_name(command.line.program.text.as_str());
    out.report(format!(
        "{}: {program} cannot open the file that it is to run: {cause}",
        super::consequence(setting)
    ))
    .at(script.span, "")
    .help(WRITE_IN_FULL);
    Ok(())
}

/// gunicorn's own program, where a shell or another program starts it.
fn handed_on(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(launch) = app.gunicorn.launch.ok() else { return Ok(()) };
    let (Some(word), Some(place)) = (&launch.gunicorn, &app.gunicorn.program) else {
        return Ok(());
    };
    // systemd's own program, and an interpreter's script, are told for each command.
    let scripts = app.service.exec_start.iter().filter_map(|one| one.executable.script.as_ref());
    let told = launch.wrappers.is_empty() && launch.interpreter.is_none()
        || scripts.into_iter().any(|script| script.span == word.span);
    if told || !launch.certain {
        return Ok(());
    }
    let Some(cause) = absent(place)? else { return Ok(()) };
    out.report(format!("gunicorn does not start: {cause}")).at(word.span, "").help(WRITE_IN_FULL);
    Ok(())
}

const WRITE_IN_FULL: &str = "Correct the path, or install what it names. A path that does not start with / \
                             counts from WorkingDirectory=.";

/// Why there is no file in this place, if there is none.
fn absent(place: &Place) -> Result<Option<String>, Why> {
    let path = place.path.display();
    Ok(match place.state.get()? {
        State::Present(metadata) if metadata.kind == FileKind::Directory => {
            Some(format!("{path} is {}", metadata.kind))
        }
        State::Present(_) => None,
        State::Broken { reason } => Some(format!("{path}: {reason}")),
        State::Missing { link: Some(link), .. } => Some(format!(
            "{} points to {}, which does not exist",
            link.link.display(),
            link.target.display()
        )),
        State::Missing { at, .. } => {
            programs_read(&place.path, at)?;
            Some(format!("{path} does not exist"))
        }
    })
}

fn not_for_user(
    app: &App,
    setting: &str,
    command: &Command,
    place: &Place,
    out: &mut Sink,
) -> Result<(), Why> {
    if command.line.prefixes.full_privileges {
        return Ok(());
    }
    let user = app.service.user.get()?;
    if place.accessible(user, Want::Execute)? {
        return Ok(());
    }
    let (wall, metadata) = match place.blocked_at(user)? {
        Some(step) => (step.path.clone(), Some(step.metadata)),
        None => (place.resolved.clone(), place.metadata().copied()),
    };
    let (name, wall) = (&user.name, wall.display());
    let consequence = super::consequence(setting);
    let finding = out
        .report(format!(
            "{consequence} (203/EXEC): {name} cannot execute {}",
            command.line.program.text.as_str()
        ))
        .at(command.line.program.span, format!("stopped at {wall}"))
        .at_known(&app.service.user, "runs as this user")
        .help(format!("Let that user pass through: chmod o+x {wall}"));
    if let Some(metadata) = metadata {
        finding.evidence(
            EvidenceKind::File,
            format!("{wall}: mode {:04o}, owner {}:{}", metadata.mode, metadata.uid, metadata.gid),
        );
    }
    Ok(())
}
