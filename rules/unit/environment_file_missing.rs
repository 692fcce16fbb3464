use crate::facts::environment::EnvironmentFile;
use crate::facts::{App, Origin, Place, State, Why};
use crate::host::FileKind;
use crate::rule::{Severity, Sink};

crate::rule! {
    /// systemd cannot read an environment file, so gunicorn does not start.
    ///
    /// Measured: an `EnvironmentFile=` without `-` that is absent or a directory ends the start
    /// with `Failed to load environment files: No such file or directory` (or `Is a directory`). A
    /// unit that is running does not notice until its next start; and once the file is gone,
    /// `Restart=` cannot recover from a crash either. With a `-` before the path an absent file is
    /// ignored. That is reported too, because all its variables are then missing.
    ///
    /// By hand: put the file there, `install -m 0640 -o root -g www-data myapp.env
    /// /etc/myapp.env`, or correct the path.
    ///
    /// Proved by `environment-file-missing`: the unit did not start, and every request got
    /// 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// EnvironmentFile=/etc/myapp/production.env
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// EnvironmentFile=/etc/myapp.env
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// EnvironmentFile=-/etc/default/myapp
    /// ```
    /// ```tree,good
    /// /etc/myapp.d/10-local.env mode=0640
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// EnvironmentFile=/etc/myapp.d/*.env
    /// ```
    U115 "environment-file-missing" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Environment, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for file in &app.environment.files {
        // What the user named on our command line is not a finding about the deployment. What
        // systemd takes for another path than was written is another rule's.
        if file.misread.is_some() || matches!(file.path.origin(), Some(Origin::Option(_))) {
            continue;
        }
        if let Err(why) = file.path.get() {
            out.skip(&why);
            continue;
        }
        for place in &file.places {
            if let Err(why) = judge(file, place, out) {
                out.skip(&why);
            }
        }
    }
    Ok(())
}

fn judge(file: &EnvironmentFile, place: &Place, out: &mut Sink) -> Result<(), Why> {
    let path = place.path.display();
    let pattern = place.path.to_string_lossy().contains(['*', '?', '[']);
    let (cause, missing) = match place.state.get()? {
        State::Present(metadata) => match metadata.kind {
            FileKind::File | FileKind::Device | FileKind::Fifo => return Ok(()),
            kind => (format!("{path} is {kind}"), false),
        },
        State::Broken { reason } => (format!("{path}: {reason}"), false),
        State::Missing { link: Some(link), .. } => (
            format!(
                "{} points to {}, which does not exist",
                link.link.display(),
                link.target.display()
            ),
            true,
        ),
        State::Missing { .. } if pattern => (format!("no file matches {path}"), true),
        State::Missing { .. } => (format!("{path} does not exist"), true),
    };
    let (severity, consequence) = match (file.optional, missing) {
        (true, true) => (
            Severity::Info,
            format!("the variables of {path} are missing, and systemd does not report it"),
        ),
        (true, false) => return Ok(()),
        (false, _) => (Severity::Error, "gunicorn does not start".to_owned()),
    };
    out.report(format!("{consequence}: {cause}"))
        .severity(severity)
        .at_some(file.directive, if file.optional { "the `-` makes it optional" } else { "" })
        .help(match file.optional {
            true => "Put the file there, or remove the line.".to_owned(),
            false => format!(
                "Put the file there (install -m 0640 -o root FILE {path}), correct the path, or \
                 write EnvironmentFile=-{path} if it is optional."
            ),
        });
    Ok(())
}
