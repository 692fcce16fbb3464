use crate::facts::WhyKind;
use crate::rule::prelude::*;

crate::rule! {
    /// The virtual environment's Python is not the one its packages were installed for: gunicorn is
    /// not found, and the site does not start.
    ///
    /// `bin/python` of a virtual environment is a link to the system's Python. When the system is
    /// upgraded from 3.11 to 3.12, the link leads to the new one, which looks for packages in
    /// `lib/python3.12/site-packages`, while they are in `lib/python3.11/site-packages`: *No module
    /// named 'gunicorn'*. A running gunicorn lasts until its next start, and the first reload after
    /// the upgrade ends it.
    ///
    /// A `bin/python` that leads nowhere, or an environment that was moved, is reported by
    /// `executable-missing`.
    ///
    /// By hand: recreate the environment: `python3 -m venv --clear /srv/myapp/.venv`, then install
    /// the requirements, then restart.
    ///
    /// Proved by `venv-broken`: gunicorn was not found, and every request got 502.
    ///
    /// ```tree,bad
    /// /usr/bin/python3.12 mode=0755
    /// /usr/bin/python3 -> python3.12
    /// /srv/myapp/.venv/bin/python -> /usr/bin/python3
    /// ```
    /// ```tree,fixed
    /// /usr/bin/python3.11 mode=0755
    /// /usr/bin/python3 -> python3.11
    /// ```
    ///
    /// Healthy: the environment keeps old files after an upgrade and has the packages for the new
    /// Python.
    ///
    /// ```tree,good
    /// /usr/bin/python3.11 mode=0755
    /// /srv/myapp/.venv/bin/python -> /usr/bin/python3.11
    /// /srv/myapp/.venv/lib/python3.9/site-packages/
    /// ```
    R712 "venv-broken" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Dependencies, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let venv = match app.gunicorn.venv.get() {
        Ok(venv) => venv,
        Err(why) if why.kind() == WhyKind::NotRead => return Err(why),
        // That there is no environment is nothing broken.
        Err(_) => return Ok(()),
    };
    let Some((major, minor)) = venv.interpreter() else { return Ok(()) };
    if venv.libraries.is_empty() || venv.libraries.contains(&(major, minor)) {
        return Ok(());
    }
    let place = venv.path.display();
    let had: Vec<String> =
        venv.libraries.iter().map(|(major, minor)| format!("{major}.{minor}")).collect();
    let python = venv.python.resolved.display();
    out.report(format!(
        "the next start takes the site down: {place} runs Python {major}.{minor} but has its \
         packages for {}, so gunicorn is not found",
        had.join(" and ")
    ))
    .at_some(app.gunicorn.started_at(), "starts gunicorn from here")
    .evidence(EvidenceKind::File, format!("{place}/bin/python leads to {python}"))
    .evidence(EvidenceKind::File, format!("{place}/lib/python{}/site-packages", had.join(", ")))
    .help(format!(
        "Recreate it and reinstall, then restart:\n  python{major}.{minor} -m venv --clear \
         {place}\n  {place}/bin/python -m pip install -r requirements.txt"
    ))
    .subject(place.to_string())
    .fix(Safety::Manual, format!("recreate {place}"));
    Ok(())
}
