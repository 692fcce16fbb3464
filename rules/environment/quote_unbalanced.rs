use crate::facts::environment::EnvAssignment;
use crate::facts::{App, Why};
use crate::rule::{Severity, Sink};

crate::rule! {
    /// The rest of the file ends up in one variable, because a quote is never closed.
    ///
    /// A quoted value may span several lines, so systemd reads on to the next quote, or to
    /// the end of the file: the variables on those lines are not set, and nothing is logged. A
    /// quote that does not start the value (`it's`) is an ordinary character. (Measured on systemd
    /// 252 and 257.)
    ///
    /// Proved by `environment-quote`: the rest of the file became part of one value, the
    /// application failed with KeyError at startup, and every request got 502.
    ///
    /// ```env,bad
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// SECRET_KEY="9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// LOG_LEVEL=info
    /// ```
    /// ```env,fixed
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// SECRET_KEY="9f2c1b7e5d8a4f03b6c7d1e2a5f4988c"
    /// LOG_LEVEL=info
    /// ```
    /// Healthy: a value of several lines, and a quote inside a word:
    /// ```env,good
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// SECRET_KEY="9f2c1b7e5d8a4f03
    /// b6c7d1e2a5f4988c"
    /// MOTTO=it's
    /// ```
    /// The next quote in the file closes the value, and the string that this quote was meant to
    /// open stays open:
    /// ```env,bad
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// SECRET_KEY="9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// MAIL_SENDER="Shop <shop@example.com>"
    /// LOG_LEVEL=info
    /// ```
    E404 "quote-unbalanced" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for read in app.environment.read_files() {
        for assignment in &read.content.assignments {
            if assignment.is_unbalanced() {
                report(assignment, out);
            }
        }
    }
    Ok(())
}

fn report(assignment: &EnvAssignment, out: &mut Sink) {
    let name = &assignment.name.value;
    let (first, last) = (assignment.lines.start(), assignment.lines.end());
    let end = if assignment.open_quote.is_some() {
        "the quote is not closed"
    } else {
        "the quote is closed too late"
    };
    let lost: Vec<&str> = assignment.swallowed.iter().map(|name| name.value.as_str()).collect();
    let message = match (lost.as_slice(), first == last) {
        ([], true) => format!("the rest of the line ends up in the value of {name}: {end}"),
        ([], false) => format!("lines {first} to {last} all end up in {name}: {end}"),
        ([one], _) => format!("{one} is not set, because its line ends up in {name}: {end}"),
        ([one, rest @ ..], _) => format!(
            "{one} and {} more are not set, because lines {first} to {last} end up in {name}: \
             {end}",
            rest.len()
        ),
    };
    let finding = out
        .report(message)
        .at(assignment.name.span, format!("{end}; the value ends on line {last}"))
        .help(format!(
            "close the quote at the end of the value of {name}; a reload keeps the old environment"
        ))
        .by_hand(Some(assignment.name.span))
        .subject(name.clone());
    for name in assignment.swallowed.iter().take(5) {
        finding.at(name.span, "not set");
    }
    if lost.is_empty() && first == last {
        finding.severity(Severity::Warning);
    }
}
