use crate::rule::prelude::*;

crate::rule! {
    /// The Python that starts gunicorn does not find gunicorn: the site does not start.
    ///
    /// `bin/gunicorn` is a script of three lines; the program itself is in `site-packages`, and
    /// only the `site-packages` of the environment's own Python counts. If it is missing (an
    /// interrupted `pip install`, `pip uninstall`, a partly copied environment), the script fails
    /// with *No module named 'gunicorn'*, and `systemctl reload` does not help: the master is gone
    /// at the next start.
    ///
    /// Packages installed there for another Python are reported by `venv-broken`.
    ///
    /// By hand: `/srv/myapp/.venv/bin/python -m pip install gunicorn`, then restart.
    ///
    /// Proved by `gunicorn-not-importable`: gunicorn did not start, and every request got 502.
    ///
    /// ```text,bad,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask==3.0.3
    /// ```
    /// ```tree,bad
    /// - /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn
    /// - /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn/__init__.py
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info/METADATA
    /// ```
    ///
    /// Healthy: the environment has gunicorn, whatever the requirements say.
    ///
    /// ```text,good,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask==3.0.3
    /// ```
    G228 "gunicorn-not-importable" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Dependencies, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(venv) = app.gunicorn.venv.ok() else { return Ok(()) };
    // Another rule's: without its program nothing is started at all; and packages of another Python.
    let program = app.gunicorn.program.as_ref();
    let there = program.is_some_and(|program| program.metadata().is_some());
    let own = program.is_some_and(|program| program.path.starts_with(venv.path.join("bin")));
    if !there || !own || venv.site_packages.is_none() {
        return Ok(());
    }
    if venv.has_entry("gunicorn") || venv.has_entry("gunicorn.py") {
        return Ok(());
    }
    if let Some(why) = venv.absence_unknown() {
        return Err(Why::not_understood(why));
    }
    if let Some(path) = venv.path_file_that_adds() {
        return Err(Why::depends(format!("{} may add the directory of gunicorn", path.display())));
    }
    let place = venv.path.display();
    let packages = venv.site_packages.as_ref().unwrap_or(&venv.path).display();
    out.report(format!(
        "the next start takes the site down: {place}/bin/gunicorn exists, but its package is not \
         in {packages}"
    ))
    .at_some(app.gunicorn.started_at(), "starts this gunicorn")
    .help(format!("Install it, then restart:\n  {place}/bin/python -m pip install gunicorn"))
    .subject(place.to_string())
    .fix(Safety::Manual, "reinstall gunicorn");
    Ok(())
}
