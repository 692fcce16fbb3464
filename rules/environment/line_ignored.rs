use crate::facts::environment::{Ignored, IgnoredKind, ReadFile};
use crate::facts::{App, Why};
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// A variable is not set, because systemd silently drops its line.
    ///
    /// An `EnvironmentFile=` looks like a shell script but is not one. systemd accepts only
    /// `NAME=value`: `export NAME=value`, a name with a dash or a dot or a leading digit, `NAME:
    /// value`, and the first line of a file that starts with a byte order mark are all ignored. The
    /// unit still starts, but the application lacks the variable: at the next reload its workers do
    /// not boot. For a bad name the journal has a line `Ignoring invalid environment assignment`;
    /// for `NAME: value` and for a line without `=` it has nothing. (Measured on systemd 252 and
    /// 257.)
    ///
    /// Proved by `environment-export`: the variable never arrived, the application failed with
    /// KeyError at startup, and every request got 502.
    ///
    /// ```env,bad
    /// export SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// Spaces around `=`, comments, blank lines and quotes are all right:
    /// ```env,good
    /// # export is not needed here
    /// ; nor here
    ///
    /// SECRET_KEY = "9f2c1b7e5d8a4f03b6c7d1e2a5f4988c"
    ///   DATABASE_URL='sqlite:////srv/myapp/shared/myapp.db'
    /// ```
    /// A name with a dash is not valid:
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// MAIL-SERVER=localhost
    /// ```
    /// YAML is not an environment file:
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// MAIL_SERVER: localhost
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// MAIL_SERVER=localhost
    /// ```
    E401 "line-ignored" {
        severity: Error, impact: Outage, fix: Some(Safe), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for read in app.environment.read_files() {
        let cut = super::continuation_lost::cut(app, read);
        for line in &read.content.ignored {
            // What was meant to be a part of the value above is another rule's.
            if !cut.iter().any(|(_, value)| value.lines.contains(line.lines.start())) {
                report(app, read, line, out);
            }
        }
    }
    Ok(())
}

fn report(app: &App, read: &ReadFile, line: &Ignored, out: &mut Sink) {
    let path = read.place.path.display();
    let number = line.lines.start();
    let meant = read.meant(line);
    let name = meant.as_ref().map(|name| name.value.as_str());
    let (cause, repair) = words(line.kind, name.unwrap_or("NAME"));
    let message = match name {
        Some(name) => format!(
            "{name} is not set from {path}: systemd drops the line, because \
                               {cause}"
        ),
        None => format!("systemd drops line {number} of {path}: {cause}"),
    };
    let set_elsewhere = name.is_some_and(|name| app.environment.variables.contains_key(name));
    // How long a hidden line is, is hidden too: without a name, its start alone is pointed at.
    let span = meant.as_ref().map_or(line.start(), |name| name.span);
    let finding = out.report(message).at(span, short(line.kind)).help(repair);
    match name {
        Some(name) => finding.subject(name),
        // The text may be a part of a secret: it is distinguished by its number among such lines.
        None => finding.subject(format!("{:?}", line.kind)),
    };
    // Nothing is known to be lost where no name can be made out, or where another line sets it.
    if name.is_none() || set_elsewhere {
        finding.severity(Severity::Warning);
    }
    let title = match (line.kind, name) {
        (IgnoredKind::Export, Some(name)) => format!("remove `export` before {name}"),
        (IgnoredKind::Bom, _) => "remove the byte order mark".to_owned(),
        (IgnoredKind::Colon, Some(name)) => format!("write `{name}=` instead of `{name}:`"),
        _ => return,
    };
    let edit = read.mended(line).map(|(at, with)| Edit::replace(at, with));
    let safety = match edit {
        None => Safety::Manual,
        // What another line set is then what this one says.
        Some(_) if set_elsewhere => Safety::Unsafe,
        Some(_) => Safety::Safe,
    };
    // Of a line that is dropped the value was not judged.
    finding.fix(safety, title).uncovers_rules(&["E402", "E403", "E406", "E409"]).edits(edit);
}

/// The cause, and what to type.
fn words(kind: IgnoredKind, name: &str) -> (&'static str, String) {
    let again = "then restart the unit: a reload keeps the old environment";
    match kind {
        IgnoredKind::Export => ("`export` is shell syntax", format!("write: {name}=…\n{again}")),
        IgnoredKind::Bom => (
            "the file starts with a byte order mark, which becomes part of the name",
            format!(
                "save the file as UTF-8 without BOM (sed -i '1s/^\\xef\\xbb\\xbf//' FILE)\n{again}"
            ),
        ),
        IgnoredKind::Colon => {
            ("`:` assigns nothing, only `=` does", format!("write: {name}=…\n{again}"))
        }
        IgnoredKind::Section => {
            ("an environment file has no sections", "delete the line".to_owned())
        }
        IgnoredKind::EmptyName => {
            ("there is no name before the `=`", "write the name, or delete the line".to_owned())
        }
        IgnoredKind::BadName => (
            "a name has only letters, digits and `_`, and does not start with a digit",
            format!("rename it here and where the code reads it\n{again}"),
        ),
        IgnoredKind::NoEquals => (
            "the line has no `=`",
            "write NAME=value; quote a value of several lines, or delete the line".to_owned(),
        ),
        IgnoredKind::TooLong => (
            "the line is longer than systemd can read",
            "put the value into a file, and only the file's path here".to_owned(),
        ),
    }
}

fn short(kind: IgnoredKind) -> &'static str {
    match kind {
        IgnoredKind::Export => "`export` is shell syntax",
        IgnoredKind::Bom => "preceded by a byte order mark",
        IgnoredKind::Colon => "should be `=`",
        IgnoredKind::Section => "sections have no place here",
        IgnoredKind::EmptyName => "no name",
        IgnoredKind::BadName => "not a name",
        IgnoredKind::NoEquals => "no `=`",
        IgnoredKind::TooLong => "too long",
    }
}
