use crate::rule::prelude::*;

crate::rule! {
    /// TODO: the consequence for the people who use the site, in one sentence.
    ///
    /// TODO: why it is so, and what was measured in which versions of gunicorn.
    ///
    /// By hand: TODO, then `systemctl restart` where a reload does not apply it.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// # TODO: the fault
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// # TODO: what the fix makes of it, byte for byte
    /// ```
    ///
    /// The same in the configuration file:
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// # TODO
    /// ```
    ///
    /// TODO: what is nearly the same, and healthy:
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// timeout = 30
    /// ```
    Z000 "rule-name" {
        severity: Warning, impact: Hygiene, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    // The value that wins over all layers, and where it was set. `?` ends the check where it is
    // not known: the rule then counts as skipped, with the reason. No rule guesses.
    let setting = app.gunicorn.settings.timeout();
    let value = *setting.get()?;
    if value != -1 {
        return Ok(());
    }
    // A value of a variable is never shown.
    let shown = match app.gunicorn.settings.is_secret("timeout") {
        true => "what a variable says".to_owned(),
        false => value.to_string(),
    };
    out.report(format!("TODO the consequence, then the cause: timeout is {shown}"))
        .at_first([
            (setting.span(), "TODO what is to be seen here"),
            (app.gunicorn.started_at(), "the default"),
        ])
        .help("--timeout 30")
        .fix_if(Safety::Safe, "--timeout 30", Edit::setting(app, "timeout", Value::Number(30)));
    Ok(())
}
