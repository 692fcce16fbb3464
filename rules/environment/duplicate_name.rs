use crate::facts::environment::{EnvAssignment, ReadFile};
use crate::rule::prelude::*;

crate::rule! {
    /// A variable is set twice in an environment file, and the first line has no effect.
    ///
    /// systemd uses the last line and logs nothing (measured on 252, 257 and 262). Changing the
    /// other line, by hand or with a deployment script that looks for the first, changes nothing;
    /// and a line added at the end for a test stays in production. Lines with the same value are
    /// not reported, nor is a second file that sets a variable again: several files are meant for
    /// that.
    ///
    /// By hand: keep the line that you want and delete the others; then `systemctl restart`.
    ///
    /// Proved by `environment-duplicate`: the application saw the value of the last line, and
    /// changing the first one had no effect after a restart.
    ///
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// MAIL_SERVER=mail.example.com
    /// # for a test
    /// MAIL_SERVER=localhost
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// # for a test
    /// MAIL_SERVER=localhost
    /// ```
    ///
    /// Healthy: the same value twice.
    ///
    /// ```env,good
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// MAIL_SERVER=localhost
    /// MAIL_SERVER="localhost"
    /// ```
    E406 "duplicate-name" {
        severity: Warning, impact: Hygiene, fix: Some(Unsafe), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for read in app.environment.read_files() {
        // A template writes one of its branches.
        if placeholder::holds(&String::from_utf8_lossy(&read.source.bytes)) {
            continue;
        }
        for group in read.content.duplicates() {
            judge(app, read, &group, out);
        }
    }
    Ok(())
}

fn judge(app: &App, read: &ReadFile, group: &[&EnvAssignment], out: &mut Sink) {
    let Some((last, before)) = group.split_last() else { return };
    let name = &last.name.value;
    let lost: Vec<_> = before.iter().filter(|one| one.value != last.value).copied().collect();
    // What another file or line replaces altogether decides nothing.
    if lost.is_empty() || !app.environment.decides(name, last.name.span) {
        return;
    }
    // A quote that is missing makes more of a line than was meant: E404.
    if group.iter().any(|one| one.is_unbalanced()) {
        return;
    }
    let path = read.place.path.display();
    let lines: Vec<String> = lost.iter().map(|one| one.lines.start().to_string()).collect();
    let (does, its) = if lost.len() == 1 { ("line", "has") } else { ("lines", "have") };
    let last_line = last.lines.start();
    let finding = out
        .report(format!(
            "{does} {} of {path} {its} no effect: line {last_line} sets {name} again, to another \
             value, and the last one counts",
            lines.join(", ")
        ))
        .at(last.name.span, "counts");
    for one in &lost {
        finding.at(one.name.span, "no effect");
    }
    let whole = |one: &&EnvAssignment| one.lines.start() == one.lines.end();
    let edits: Vec<Edit> = lost.iter().map(|one| Edit::remove(one.span)).collect();
    let edits = if lost.iter().all(whole) { edits } else { Vec::new() };
    finding
        .help(format!("Keep the {name} line that you want and delete the other."))
        .by_hand(Some(last.name.span))
        .subject(name.clone())
        .fix_if(Safety::Unsafe, format!("remove {does} {}", lines.join(", ")), edits);
}
