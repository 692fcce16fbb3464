use crate::facts::environment::{EnvAssignment, ReadFile};
use crate::facts::{App, Why};
use crate::rule::{Edit, Safety, Sink};

crate::rule! {
    /// A comment after a value is part of the value that the application gets.
    ///
    /// systemd allows comments only on their own lines. `A=x # note` gives the process `x # note`,
    /// and `A="x" # note` gives it `x# note`; nothing is logged. A shell, docker and most libraries
    /// for `.env` files cut the comment off, so the same file works on a laptop. (Measured on
    /// systemd 252 and 257.)
    ///
    /// Proved by `environment-comment`: the comment became part of the value that the
    /// application saw.
    ///
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db # on the data disk
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// # on the data disk
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// A `#` without a space before it, or in quotes, is intended:
    /// ```env,good
    /// SECRET_KEY='9f2c1b7e5d8a # f03b6c7d1e2a5f4988c'
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// DOCUMENTATION=https://example.com/docs#install
    /// ACCENT=#3366ff
    /// ```
    /// Quotes that close before the `#` do not help:
    /// ```env,bad
    /// SECRET_KEY="9f2c1b7e5d8a4f03b6c7d1e2a5f4988c" # new since May
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```env,fixed
    /// # new since May
    /// SECRET_KEY="9f2c1b7e5d8a4f03b6c7d1e2a5f4988c"
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    E403 "comment-in-value" {
        severity: Warning, impact: Outage, fix: Some(Safe), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for read in app.environment.read_files() {
        for assignment in &read.content.assignments {
            let name = &assignment.name;
            if assignment.comment.is_none() || !app.environment.decides(&name.value, name.span) {
                continue;
            }
            let name = &name.value;
            let edit = lifted(read, assignment);
            // Where the comment starts would tell how long the value is: the name is shown.
            out.report(format!(
                "the application gets the comment after {name} as part of its value: systemd \
                 treats `#` as a comment only at the start of a line"
            ))
            .at(assignment.name.span, "its value ends with a `# …`")
            .help(
                "move the comment to its own line above; if the ` #` belongs to the value, \
                 single-quote the value; a reload keeps the old environment",
            )
            .subject(name.clone())
            .fix_if(Safety::Safe, format!("move the comment to a line above {name}"), edit)
            .uncovers_rules(&["E409"]);
        }
    }
    Ok(())
}

/// The comment as a line of its own, where it ends the value and the value is one line.
fn lifted(read: &ReadFile, assignment: &EnvAssignment) -> Option<Edit> {
    let comment = assignment.comment?;
    let one_line = assignment.lines.start() == assignment.lines.end();
    let last = assignment.value_span.end == comment.end;
    // It would continue the comment on the next line, before systemd 254.
    let continued = read.source.slice(comment).trim_ascii_end().ends_with(b"\\");
    let plain = one_line && last && !continued && !assignment.is_unbalanced();
    plain.then_some(Edit::Lift { statement: assignment.span, text: comment })
}
