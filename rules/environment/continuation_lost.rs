use crate::facts::environment::{EnvAssignment, ReadFile, SwallowingComment};
use crate::facts::mended::CutValue;
use crate::rule::prelude::*;

crate::rule! {
    /// A variable is cut off, or is not set at all, because of a backslash at the end of a line.
    ///
    /// A backslash before the end of a line joins it with the next one. In a file with Windows line
    /// ends (CRLF) the backslash comes before the carriage return and escapes it: the value ends
    /// there, and the next line is lost. In double quotes the backslash and the line end become
    /// part of the value. And before systemd 254 a comment that ends in a backslash continues on
    /// the next line, so the variable assigned there is not set. Nothing is logged in any of these
    /// cases. (Measured on systemd 252, 257 and 262.)
    ///
    /// By hand: `sed -i 's/\r$//' /etc/myapp.env`, and no backslash at the end of a comment; then
    /// `systemctl restart`: a reload keeps the old environment.
    ///
    /// Proved by `environment-continuation`: the database's URL ended at the first line of its
    /// value.
    ///
    /// Proved by `environment-comment-swallows`: the variable below the comment never arrived, the
    /// application failed with KeyError at startup, and every request got 502.
    ///
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// # the old one was C:\mail\
    /// MAIL_SERVER=localhost
    /// ```
    /// ```tree,bad
    /// /usr/lib/systemd/libsystemd-shared-252.so
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// # the old one was C:\mail
    /// MAIL_SERVER=localhost
    /// ```
    /// ```tree,fixed
    /// /usr/lib/systemd/libsystemd-shared-252.so
    /// ```
    ///
    /// A leftover backslash turns two assignments into one value:
    ///
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c\
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    ///
    /// From systemd 254 on a comment ends with its line, so the lines of a longer comment may end
    /// in a backslash; values of several lines are all right:
    ///
    /// ```env,good
    /// # the old one was C:\mail\
    /// MAIL_SERVER=localhost
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/\
    /// myapp.db
    /// ```
    /// ```tree,good
    /// /usr/lib/systemd/libsystemd-shared-254.so
    /// ```
    /// ```env,good
    /// # a note \
    /// # of two lines
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```tree,good
    /// /usr/lib/systemd/libsystemd-shared-252.so
    /// ```
    E405 "continuation-lost" {
        severity: Error, impact: Outage, fix: Some(Safe), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for read in app.environment.read_files() {
        for (assignment, cut) in cut(app, read) {
            report_cut(read, assignment, &cut, out);
        }
        for assignment in &read.content.assignments {
            report_joined(app, assignment, out);
        }
        for comment in &read.content.swallowing_comments {
            report_comment(app, comment, out);
        }
        if read.content.before_254.is_some() {
            out.skip(&Why::depends(format!(
                "a comment of {} ends in a backslash: whether the next line continues it depends \
                 on systemd's version",
                read.place.path.display()
            )));
        }
    }
    Ok(())
}

/// The values of a file that are cut off, and what was meant to belong to them.
pub(super) fn cut<'r>(app: &App, read: &'r ReadFile) -> Vec<(&'r EnvAssignment, CutValue)> {
    let decisive = read.content.assignments.iter().filter(|assignment| {
        let name = &assignment.name;
        !assignment.lost_continuations.is_empty() && app.environment.decides(&name.value, name.span)
    });
    decisive.filter_map(|assignment| Some((assignment, read.cut(assignment)?))).collect()
}

fn report_cut(read: &ReadFile, assignment: &EnvAssignment, cut: &CutValue, out: &mut Sink) {
    let name = &assignment.name.value;
    let path = read.place.path.display();
    // In double quotes the value goes on, whatever is before the line's end.
    let quoted = assignment.lines.end() > assignment.lines.start();
    let (first, last) = (cut.lines.start(), cut.lines.end());
    let lines = match first == last {
        true => format!("line {first} of {path}"),
        false => format!("lines {first} to {last} of {path}"),
    };
    let message = match quoted {
        true => format!(
            "{name} contains the backslashes and line ends that should join its lines: the file \
             has Windows line ends, and each `\\` escapes the carriage return"
        ),
        false => format!(
            "the application gets {name} without {lines}: the file has Windows line ends, so `\\` \
             escapes the carriage return and joins nothing"
        ),
    };
    let edits = cut.returns.iter().map(|at| Edit::replace(*at, ""));
    out.report(message)
        .at(assignment.name.span, if quoted { "not joined" } else { "ends with its line" })
        .help(format!("Give the file Unix line ends: sed -i 's/\\r$//' {path}"))
        .subject(name.clone())
        .fix_if(Safety::Safe, format!("join the lines of {name}"), edits);
}

/// A line that looks like an assignment and is a part of the value before it.
fn report_joined(app: &App, assignment: &EnvAssignment, out: &mut Sink) {
    let joining = assignment.joining();
    let (Some(first), false) = (assignment.swallowed.first(), joining.is_empty()) else { return };
    let name = &assignment.name.value;
    let names = match assignment.swallowed.len() {
        1 => format!("{} is not set", first.value),
        count => format!("{} and {} more are not set", first.value, count - 1),
    };
    let set = |name: &Spanned<String>| app.environment.variables.contains_key(&name.value);
    let finding = out
        .report(format!(
            "{names}: the line before ends in a backslash, so systemd reads both as the value of \
             {name}"
        ))
        .at(first.span, "part of the value before it")
        .at(assignment.name.span, "gets the lines below it too")
        .help("Remove the backslash at the end of the line before it.")
        .subject(first.value.clone());
    if assignment.swallowed.iter().all(set) {
        finding.severity(Severity::Warning);
    }
    let edits = joining.iter().map(|at| Edit::replace(*at, ""));
    finding.fix_if(Safety::Safe, "remove the backslash from the line before", edits);
}

fn report_comment(app: &App, comment: &SwallowingComment, out: &mut Sink) {
    let Some(first) = comment.names.first() else { return };
    let set = |name: &Spanned<String>| app.environment.variables.contains_key(&name.value);
    let names = match comment.names.len() {
        1 => format!("{} is not set", first.value),
        count => format!("{} and {} more are not set", first.value, count - 1),
    };
    let message = format!(
        "{names}: the comment above ends in a backslash, so this systemd (before 254) swallows the \
         next line"
    );
    let finding = out
        .report(message)
        .at(first.span, "still a comment")
        .help("Remove the backslash at the end of the comment.")
        .subject(first.value.clone());
    if comment.names.iter().all(set) {
        finding.severity(Severity::Warning);
    }
    let edits = comment.backslashes.iter().map(|at| Edit::replace(*at, ""));
    // Of a line that is dropped the value was not judged.
    finding
        .fix_if(Safety::Safe, "remove the comment's last backslash", edits)
        .uncovers_rules(&["E402", "E406", "E409"]);
}
