use crate::facts::gunicorn::{Coverage, Layer, SettingFault, SettingValue};
use crate::facts::{App, Why};
use crate::rule::prelude::{Span, apart};
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// gunicorn does not start: it refuses an option or a value.
    ///
    /// An option that the installed version does not have, an abbreviation that fits several
    /// options (`--max-request`), a value of the wrong kind, a hook with the wrong number of
    /// arguments (also one imported from another module), a user that does not exist, a
    /// `--reload-extra-file` that does not exist: gunicorn exits with 2 (the command line,
    /// `GUNICORN_CMD_ARGS`) or 1 (everything else) before it listens. If only the command line
    /// changed, a running gunicorn survives a reload and is gone after the next restart; if the
    /// configuration file changed, gunicorn rereads it on HUP and exits. A `WEB_CONCURRENCY` that
    /// is not a number is refused even if `--workers` overrides it.
    ///
    /// A name in the configuration file that is not a setting is silently ignored: that is a
    /// warning.
    ///
    /// Proved by `option-misspelt`: gunicorn exited with status 2 at startup, and every request got
    /// 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --max-request 500 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --wrokers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// preload_app = 0
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment=WEB_CONCURRENCY=auto
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// def post_fork(worker):
    ///     pass
    /// ```
    ///
    /// Options that only check the settings, left in place, and a variable without a value:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --check-config --workers 3 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --env DEBUG --workers 3 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --reload-extra-file /srv/myapp/watched.yaml --workers 3 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// Healthy: an abbreviation that fits only one option, and names that the file defines for
    /// itself.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --graceful 30 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// cores = 2
    /// preload_app = False
    /// def post_fork(server, worker):
    ///     pass
    /// post_request = lambda worker, request: None
    /// ```
    G209 "setting-refused" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    app.gunicorn.launch.get()?;
    let settings = &app.gunicorn.settings;
    let mut faults: Vec<&SettingFault> =
        settings.faults.iter().filter(|fault| !is_of_config_file(fault)).collect();
    // argparse ends it all before anything else is looked at.
    if let Some(first) = faults.iter().find(|fault| fault.exit_status == 2).copied() {
        // What is behind an option that is not understood follows from it.
        faults.retain(|fault| {
            *fault == first || fault.exit_status == 2 && fault.did_you_mean.is_some()
        });
    } else if faults.len() > 1 {
        // Who swallowed the application's name is reported, not that it is missing.
        faults.retain(|fault| fault.origin.is_some());
    }
    for fault in &faults {
        refused(app, fault, out);
    }
    // An option whose value is not known may have taken the application's name.
    if let Err(why) = settings.wsgi_app().get() {
        out.skip(&why);
    }
    let before = out.found();
    accounts(app, out)?;
    if faults.is_empty() && out.found() == before {
        no_worker(app, out);
    }
    only_looks(app, out);
    watched(app, out);
    no_assignment(app, out);
    misspelt_names(app, out);
    Ok(())
}

/// The file as a whole fails: that is G212's.
fn is_of_config_file(fault: &SettingFault) -> bool {
    fault.setting.is_none() && fault.layer == Layer::ConfigFile
}

fn refused(app: &App, fault: &SettingFault, out: &mut Sink) {
    let table = app.gunicorn.settings.table();
    // A version that was not looked at may know more.
    let newer = matches!(table.coverage(), Coverage::Newer | Coverage::Older);
    let unknown_option = fault.message.ends_with("is not an option of gunicorn");
    if newer && unknown_option && fault.did_you_mean.is_none() {
        let why = "this version of gunicorn may have options that are not known here";
        return out.skip(&Why::depends(why));
    }
    let meant =
        fault.did_you_mean.map_or_else(String::new, |flag| format!(" (did you mean {flag}?)"));
    let place = match fault.layer {
        Layer::CmdArgs => "GUNICORN_CMD_ARGS",
        Layer::ConfigFile => "gunicorn's configuration file",
        Layer::Environment => "the environment",
        _ => "the command line",
    };
    let span = fault.origin.as_ref().and_then(|origin| origin.span());
    let edit = span.and_then(|span| respelt(app, fault, span));
    let finding = out
        .report(format!(
            "gunicorn does not start (status {}): {}{meant}",
            fault.exit_status, fault.message
        ))
        .at_first([
            (span, "gunicorn refuses this"),
            (
                app.gunicorn.started_at(),
                "starts \
             gunicorn",
            ),
        ]);
    if matches!(fault.layer, Layer::CmdArgs | Layer::Environment) {
        finding.subject(fault.setting.unwrap_or("GUNICORN_CMD_ARGS"));
    }
    finding
        .help(format!("Correct this setting in {place}"))
        .by_hand(span.or_else(|| app.gunicorn.started_at()))
        .fix_if(Safety::Safe, format!("correct the setting in {place}"), edit)
        .uncovers();
}

/// The option as it was meant, where only letters are swapped, doubled, missing or capitals.
fn respelt(app: &App, fault: &SettingFault, span: Span) -> Option<Edit> {
    let meant = fault.did_you_mean.filter(|_| fault.layer == Layer::CommandLine)?;
    app.gunicorn.version.ok()?;
    let (at, written) = app.flag_at(span)?;
    if !written.starts_with("--") || apart(written, meant)? > 1 {
        return None;
    }
    Some(Edit::replace(at, meant))
}

/// A user or group that is not there.
fn accounts(app: &App, out: &mut Sink) -> Result<(), Why> {
    let settings = &app.gunicorn.settings;
    for (name, known) in [("user", settings.user()), ("group", settings.group())] {
        let wanted = match known.get() {
            Ok(Some(wanted)) => wanted.clone(),
            Ok(None) => continue,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        };
        if wanted.is_empty() || wanted.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let accounts = app.machine.accounts.get()?;
        let there = match name {
            "user" => accounts.user(&wanted).is_some(),
            _ => accounts.group(&wanted).is_some(),
        };
        if there || wanted == "root" {
            continue;
        }
        let shown = if settings.is_secret(name) { String::new() } else { format!(" {wanted}") };
        out.report(format!("gunicorn does not start (status 1): there is no {name}{shown}"))
            .at_some(known.span(), "gunicorn looks it up at startup")
            .help(format!(
                "Create the {name}, or remove the setting: the unit's User= and Group= already \
                 decide this."
            ))
            .by_hand(known.span())
            .subject(name)
            .fix(Safety::Manual, format!("name an existing {name}"));
    }
    Ok(())
}

/// `--check-config` left in the unit: gunicorn looks at its settings and ends.
fn only_looks(app: &App, out: &mut Sink) {
    for (name, option) in [("check_config", "--check-config"), ("print_config", "--print-config")] {
        let known = app.gunicorn.settings.get(name);
        if !matches!(known.get(), Ok(SettingValue::Bool(true))) {
            continue;
        }
        out.report(format!(
            "gunicorn serves no requests: {option} makes it check its settings and exit with 0"
        ))
        .at_some(known.span().or_else(|| app.gunicorn.started_at()), "then it exits")
        .help(format!("Remove {option}"))
        .by_hand(known.span().or_else(|| app.gunicorn.started_at()))
        .subject(name)
        .fix_or_why(Safety::Safe, format!("remove {option}"), Edit::switch_off(app, name));
    }
}

/// `--reload-extra-file` that is not there: it is asked for without `--reload`, too.
fn watched(app: &App, out: &mut Sink) {
    for file in &app.gunicorn.watched {
        let path = &file.place.path;
        match file.place.is_missing() {
            Ok(true) => {}
            Ok(false) => continue,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        }
        if let Err(why) = app.service.untouched_before_the_start(path) {
            out.skip(&why);
            continue;
        }
        let at = file.span.or_else(|| app.gunicorn.started_at());
        out.report(format!(
            "gunicorn does not start (status 1): {}, a file it must watch, does not exist",
            path.display()
        ))
        .at_some(at, "a file of reload_extra_files")
        .help("Remove --reload-extra-file (reload_extra_files): it is for development")
        .by_hand(at)
        .subject("reload_extra_files")
        .fix(Safety::Manual, "remove the missing file");
    }
}

/// `--env NAME` without a value.
fn no_assignment(app: &App, out: &mut Sink) {
    let known = app.gunicorn.settings.get("raw_env");
    let Ok(SettingValue::List(items)) = known.get() else { return };
    if items.iter().all(|item| item.contains('=')) {
        return;
    }
    out.report(
        "gunicorn does not start (status 1): one of its --env options (raw_env) is not \
                NAME=VALUE",
    )
    .at_some(known.span().or_else(|| app.gunicorn.started_at()), "no `=`")
    .help("Write NAME=VALUE, or set the variable in the unit")
    .by_hand(known.span().or_else(|| app.gunicorn.started_at()))
    .subject("raw_env")
    .fix(Safety::Manual, "NAME=VALUE");
}

/// With no worker at all gunicorn listens, and every request hangs.
fn no_worker(app: &App, out: &mut Sink) {
    let workers = app.gunicorn.workers();
    if workers.ok() != Some(&0) {
        return;
    }
    out.report("every request hangs: gunicorn is set to start no workers")
        .at_some(workers.span().or_else(|| app.gunicorn.started_at()), "decides how many")
        .help("Set the number of workers to at least 2")
        .by_hand(workers.span().or_else(|| app.gunicorn.started_at()))
        .subject("workers")
        .fix(Safety::Manual, "set 2 workers or more");
}

fn misspelt_names(app: &App, out: &mut Sink) {
    let config = app.gunicorn.config.ok().and_then(Option::as_ref);
    let file = config.and_then(|config| config.file.as_deref());
    for unknown in &app.gunicorn.settings.unknown_names {
        let (name, meant) = (&unknown.name.value, unknown.did_you_mean);
        // A name that the file itself uses is its own.
        if file.is_none_or(|file| uses(&file.bytes, name) > 1) {
            continue;
        }
        out.report(format!(
            "a setting has no effect: {name} is not a gunicorn setting, {meant} is"
        ))
        .severity(Severity::Warning)
        .at(unknown.name.span, "silently ignored")
        .help(format!("Write {meant} = …"))
        .by_hand(Some(unknown.name.span))
        .subject(name.clone())
        .fix(Safety::Manual, format!("write {meant} instead of {name}"));
    }
}

/// How often a name is in a text as a word of its own.
fn uses(text: &[u8], name: &str) -> usize {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    memchr::memmem::find_iter(text, name.as_bytes())
        .filter(|at| {
            let before = at.checked_sub(1).and_then(|at| text.get(at));
            let after = text.get(at + name.len());
            !before.is_some_and(part) && !after.is_some_and(part)
        })
        .count()
}
