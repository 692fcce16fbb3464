use crate::facts::environment::{EnvironmentFile, LoadFaultKind, ReadFile};
use crate::rule::prelude::*;

crate::rule! {
    /// systemd cannot load an environment file, so gunicorn does not start.
    ///
    /// An environment file must be UTF-8. A name or value that is not (a file in Latin-1 with a
    /// single `é`), or one NUL byte anywhere (a file that Windows saved as UTF-16), makes systemd
    /// load nothing from the file: the start ends with `Failed to load environment files: Invalid
    /// argument` (or `Bad message`), and gunicorn is not run. A running gunicorn lasts until its
    /// next restart or crash. With a `-` before the path gunicorn starts, silently and without any
    /// variable from the file. Linux passes no assignment of 128 KiB or more to a program
    /// (203/EXEC), with or without the `-`. (Measured on systemd 252, 257 and 262; comments may
    /// contain any byte but NUL.)
    ///
    /// By hand: `iconv -f latin1 -t utf-8`, or `-f utf-16`, then `systemctl restart`.
    ///
    /// Proved by `environment-not-utf8`: the unit did not start, and every request got 502.
    ///
    /// Proved by `environment-nul-optional`: the application got no variable of the file and failed
    /// with KeyError at startup, and every request got 502.
    ///
    /// One letter in Latin-1:
    ///
    /// ```env,bad,latin1
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// SITE_NAME="Café Müller"
    /// ```
    ///
    /// A comment in Latin-1 is not a fault, and neither are letters in UTF-8:
    ///
    /// ```env,good,latin1
    /// # für Müller
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```env,good
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// SITE_NAME="Café Müller"
    /// ```
    E412 "undecodable" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Environment, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for file in &app.environment.files {
        for read in &file.files {
            report(file, read, out);
        }
    }
    Ok(())
}

fn report(file: &EnvironmentFile, read: &ReadFile, out: &mut Sink) {
    let Some((kind, line, start)) = read.fault() else { return };
    let path = read.place.path.display();
    let (cause, note) = match kind {
        LoadFaultKind::NonUtf8 => (format!("line {line} of {path} is not UTF-8"), "not UTF-8"),
        LoadFaultKind::Nul => {
            (format!("there is a NUL byte in line {line} of {path}"), "a NUL byte")
        }
        LoadFaultKind::TooLong => (
            format!("line {line} of {path} is longer than Linux passes to a program (128 KiB)"),
            "too long",
        ),
    };
    let ignored = file.optional && kind != LoadFaultKind::TooLong;
    let message = match ignored {
        true => format!(
            "the application gets no variable of {path}: {cause}, so systemd loads none of it, \
             silently because of the `-`"
        ),
        false => format!("gunicorn does not start: {cause}"),
    };
    out.report(message).at(start, note).help(help(read, kind)).by_hand(Some(start)).subject(note);
}

/// What to type: it keeps the file's owner and mode.
fn help(read: &ReadFile, kind: LoadFaultKind) -> String {
    let path = read.place.path.display();
    let wide = [b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| read.source.bytes.starts_with(*mark));
    let (what, filter) = match kind {
        LoadFaultKind::TooLong => {
            return "Put the value into its own file, and only that file's path here.".to_owned();
        }
        _ if wide => ("It is UTF-16. Save it as UTF-8:", "iconv -f utf-16 -t utf-8"),
        LoadFaultKind::NonUtf8 => {
            ("Save it as UTF-8. If it is Latin-1:", "iconv -f latin1 -t utf-8")
        }
        LoadFaultKind::Nul => ("Remove the NUL bytes:", "tr -d '\\000'"),
    };
    format!("{what}\ntext=$({filter} < {path}) && printf '%s\\n' \"$text\" > {path}")
}
