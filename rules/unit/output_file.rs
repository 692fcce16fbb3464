use crate::facts::service::OutputFile;
use crate::rule::prelude::*;

crate::rule! {
    /// The unit does not start: the file for its output cannot be opened.
    ///
    /// `StandardOutput=` and `StandardError=` with `file:`, `append:` or `truncate:` name a file
    /// that systemd opens as root before any command of the unit runs, and before it creates the
    /// directories of `LogsDirectory=` and `RuntimeDirectory=`. It creates the file, but not the
    /// directory: if the directory is missing, every start fails with 209/STDOUT.
    ///
    /// By hand: create the directory (`install -d`), or send the output to the journal
    /// (`StandardOutput=journal`, `journalctl -u NAME`); then `systemctl daemon-reload` and
    /// `systemctl restart`.
    ///
    /// Proved by `output-file`: the unit failed with 209/STDOUT, and every request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// LogsDirectory=myapp
    /// StandardOutput=append:/var/log/myapp/gunicorn.log
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// LogsDirectory=myapp
    /// StandardOutput=journal
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// StandardError=file:/run/myapp/error.log
    /// ```
    /// ```tree,bad
    /// /run/myapp/ owner=33:33
    /// ```
    ///
    /// Healthy: a directory that already exists.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// StandardOutput=append:/var/log/myapp/gunicorn.log
    /// StandardError=inherit
    /// ```
    /// ```tree,good
    /// /var/log/myapp/
    /// ```
    U136 "output-file" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    if app.service.unit.masked {
        return Ok(());
    }
    for output in &app.service.outputs {
        match fault(app, output) {
            Ok(Some(cause)) => report(app, output, &cause, out),
            Ok(None) => {}
            Err(why) => out.skip(&why),
        }
    }
    Ok(())
}

/// Why the file cannot be opened when systemd tries to.
fn fault(app: &App, output: &OutputFile) -> Result<Option<String>, Why> {
    if !app.machine.whole {
        return Err(Why::depends(
            "only the machine can tell whether the output's directory exists",
        ));
    }
    let directory = &output.directory;
    let shown = directory.path.display();
    let managed = app.service.directories.get()?.iter().find(|made| directory.path == made.path);
    // That one is taken away at each stop.
    if managed.is_some_and(|made| made.path.starts_with("/run")) {
        if app.service.word("RuntimeDirectoryPreserve", "no").get()? == "yes" {
            return Err(Why::depends(format!("{shown} may exist from an earlier start")));
        }
        return Ok(Some(format!(
            "RuntimeDirectory= creates {shown} only after the file is opened"
        )));
    }
    Ok(match directory.state.get()? {
        State::Present(metadata) if metadata.kind != crate::host::FileKind::Directory => {
            Some(format!("{shown} is not a directory"))
        }
        State::Present(_) if output.file.is(crate::host::FileKind::Directory)? => {
            Some(format!("{} is a directory", output.file.path.display()))
        }
        State::Present(_) => None,
        State::Missing { .. } if made_at_boot(app, directory)? => None,
        State::Missing { .. } if managed.is_some() => Some(format!(
            "{shown} does not exist, and LogsDirectory= creates it only after the \
                          file is opened"
        )),
        State::Missing { .. } => Some(format!("{shown} does not exist")),
        State::Broken { reason } => Some(format!("{shown}: {reason}")),
    })
}

/// By tmpfiles.d, before any service starts.
fn made_at_boot(app: &App, directory: &Place) -> Result<bool, Why> {
    Ok(app.machine.tmpfiles.get()?.iter().any(|made| made.path == directory.path))
}

fn report(app: &App, output: &OutputFile, cause: &str, out: &mut Sink) {
    let setting = output.setting;
    out.report(format!("{} does not start (209/STDOUT): {cause}", app.name))
        .at(output.span, "opened before any command of the unit runs")
        .help(format!(
            "In [Service]:\n{setting}=journal\nor create the directory: install -d {}",
            output.directory.path.display()
        ))
        .fix(Safety::Safe, format!("{setting}=journal"))
        .edit(Edit::set(&app.service.unit, setting, "journal"));
}
