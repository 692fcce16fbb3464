use std::collections::HashSet;

use crate::facts::environment::{EnvAssignment, ExpansionKind, ReadFile, ShellText};
use crate::rule::prelude::*;

crate::rule! {
    /// The application gets `$HOME` or `~` literally: systemd expands nothing in an environment
    /// file.
    ///
    /// A shell that reads the same file (`source`, `set -a`) and docker compose insert the
    /// variable's value; systemd passes on the text `$HOME` as it is, in double quotes too, and
    /// logs nothing (measured on 252, 257 and 262). With `PATH=/opt/tools/bin:$PATH` only programs
    /// in the first directory are found. Only certain cases are reported: a variable that is set
    /// for this service, `${NAME}` in capitals, `$(command …)`, and `~/` at the start. Text in
    /// single quotes is taken as meant literally. The unit's own `Environment=` is U141.
    ///
    /// By hand: write the full text, then `systemctl restart`.
    ///
    /// Proved by `environment-not-expanded`: the application saw the text `${HOME}/uploads` itself.
    ///
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// UPLOADS=${HOME}/uploads
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// UPLOADS=/var/www/uploads
    /// ```
    ///
    /// A search path, a command and a home directory:
    ///
    /// ```env,bad
    /// SECRET_KEY=$(openssl rand -hex 32)
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// PATH=/opt/tools/bin:$PATH
    /// UPLOADS=~/uploads
    /// ```
    ///
    /// Healthy: characters that may occur in a password.
    ///
    /// ```env,good
    /// SECRET_KEY=u$(b2)8$x7~${q}w$Zs!5vJ$q0
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// PRICE='$HOME is 5'
    /// ```
    E402 "not-expanded" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for read in app.environment.read_files() {
        let names = read.content.assignments.iter().map(|one| one.name.value.as_str());
        let names: HashSet<&str> = match app.machine.whole {
            true => HashSet::new(),
            false => names.collect(),
        };
        for assignment in &read.content.assignments {
            let name = &assignment.name;
            let mut expansions = assignment.expansions.iter();
            let meant = expansions.find_map(|one| Some((one.kind, meant(app, read, one)?)));
            let Some((kind, meant)) = meant else { continue };
            if !app.environment.decides(&name.value, name.span) {
                continue;
            }
            match expander(app, &names, read, assignment, kind) {
                Some(why) => out.skip(&why.about(&name.value)),
                None => report(assignment, &meant, out),
            }
        }
    }
    Ok(())
}

/// What a text that a shell would expand certainly means; `None` if it may be a password's.
fn meant(app: &App, read: &ReadFile, expansion: &ShellText) -> Option<String> {
    if expansion.single_quoted {
        return None;
    }
    let text = std::str::from_utf8(read.source.slice(expansion.span)).ok()?;
    match expansion.kind {
        ExpansionKind::Tilde => text.starts_with("~/").then(|| "`~`".to_owned()),
        ExpansionKind::Variable | ExpansionKind::Braced => {
            let inner = text.trim_start_matches(['$', '{']);
            let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let name = inner.get(..end.unwrap_or(inner.len())).filter(|name| name.len() > 1)?;
            let capitals = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
            let written_out =
                text.starts_with("${") && name.len() > 2 && name.bytes().all(capitals);
            let set = app.environment.variables.contains_key(name) && name.bytes().all(capitals);
            // The name of none is a part of the value, and not shown.
            match (set, written_out) {
                (true, _) => Some(format!("`${name}`")),
                (false, true) => Some("`${…}`".to_owned()),
                (false, false) => None,
            }
        }
        ExpansionKind::Command | ExpansionKind::Backticks => {
            let inner = text.strip_prefix("$(").or_else(|| text.strip_prefix('`'))?;
            let end = inner.find([' ', ')', '`'])?;
            let word = inner.get(..end).filter(|word| word.len() > 2)?;
            let plain = |b: u8| b.is_ascii_lowercase() || matches!(b, b'/' | b'-' | b'_');
            word.bytes().all(plain).then(|| "a command".to_owned())
        }
    }
}

/// What in the application may expand it after all.
fn expander(
    app: &App,
    names: &HashSet<&str>,
    read: &ReadFile,
    assignment: &EnvAssignment,
    kind: ExpansionKind,
) -> Option<Why> {
    // In files that are still to be filled in, it may be a placeholder, but for the name of another
    // line of the file.
    let is_variable = matches!(kind, ExpansionKind::Variable | ExpansionKind::Braced);
    let of_the_file = || spells_one(read, assignment, names);
    if !app.machine.whole && is_variable && !of_the_file() {
        return Some(Why::not_understood("in a repository's file it may be a placeholder"));
    }
    let venv = app.gunicorn.venv.ok()?;
    let found =
        ["django-environ", "environs"].into_iter().find(|name| venv.find(name).next().is_some());
    found.map(|name| Why::depends(format!("{name} may expand it")))
}

/// Does the value of a line name a variable of another line, `$X` or `${X}`?
fn spells_one(read: &ReadFile, assignment: &EnvAssignment, names: &HashSet<&str>) -> bool {
    assignment.expansions.iter().any(|one| {
        let text = String::from_utf8_lossy(read.source.slice(one.span));
        let inner = text.trim_start_matches(['$', '{']);
        let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let name = inner.get(..end.unwrap_or(inner.len())).unwrap_or_default();
        name != assignment.name.value && names.contains(name)
    })
}

fn report(assignment: &EnvAssignment, meant: &str, out: &mut Sink) {
    let name = &assignment.name;
    out.report(format!(
        "the application gets {meant} in {} literally: systemd expands nothing in an environment \
         file",
        name.value
    ))
    .at(name.span, "taken literally")
    .help(format!("Write the full value of {}.", name.value))
    .by_hand(Some(name.span))
    .subject(name.value.clone())
    .fix(Safety::Manual, format!("write the full text in {}", name.value));
}
