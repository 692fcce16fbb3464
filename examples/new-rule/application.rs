use crate::rule::prelude::*;

crate::rule! {
    /// TODO: the consequence for the people who use the site, in one sentence.
    ///
    /// TODO: why it is so, and what was measured.
    ///
    /// By hand: TODO.
    ///
    /// ```env,bad
    /// # TODO: the fault. This is testdata/healthy's /etc/myapp.env; `tree`, `proc`, `python` and
    /// # other files (`file=/path`) are examples too, see other rules of this area.
    /// ```
    ///
    /// TODO: what is nearly the same, and healthy:
    ///
    /// ```tree,good
    /// /etc/myapp.env mode=0640
    /// ```
    Z000 "rule-name" {
        severity: Warning, impact: Hygiene, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    // `?` ends the check where a value is not known: the rule then counts as skipped, with the
    // reason. No rule guesses.
    let directory = app.release.directory.get()?;
    if !directory.path.ends_with("TODO") {
        return Ok(());
    }
    // What no file shows (a process, a socket, an answer) is reported with `observed`.
    out.report("TODO the consequence, then the cause with its values")
        .at_known(&app.release.directory, "TODO what is to be seen here")
        .help("TODO what to type")
        .fix(Safety::Manual, "TODO in a few words");
    Ok(())
}
