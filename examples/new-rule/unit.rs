use crate::rule::prelude::*;

crate::rule! {
    /// TODO: the consequence for the people who use the site, in one sentence.
    ///
    /// TODO: why it is so, and what was measured.
    ///
    /// By hand: TODO, then `systemctl daemon-reload`.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// # TODO: the fault. These lines are a drop-in of testdata/healthy's unit; without `drop-in`
    /// # they are the whole unit.
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// # TODO: what the fix makes of it, byte for byte. A rule without a fix has no such block.
    /// ```
    ///
    /// TODO: what is nearly the same, and healthy:
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// ```
    Z000 "rule-name" {
        severity: Warning, impact: Hygiene, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    // `?` ends the check where a value is not known: the rule then counts as skipped, with the
    // reason. No rule guesses.
    app.service.whole()?;
    let setting = app.service.text("TODO");
    let Some(text) = setting.get()? else { return Ok(()) };
    if text.as_str() != "TODO" {
        return Ok(());
    }
    out.report(format!("TODO the consequence, then the cause: TODO={}", text.as_str()))
        .at_known(&setting, "TODO what is to be seen here")
        .help("In [Service]:\nTODO=value")
        .fix(Safety::Safe, "TODO=value")
        .edit(Edit::set(&app.service.unit, "TODO", "value"));
    Ok(())
}
