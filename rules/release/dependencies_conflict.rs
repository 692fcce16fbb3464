use crate::facts::release::packages::Conflict;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

/// How many contradictions a finding names at most.
const NAMED: usize = 5;

crate::rule! {
    /// The next worker that starts may fail at an import: the virtual environment contradicts itself.
    ///
    /// A package that another one needs is missing, has a version that the other excludes, or is
    /// only partly there: an interrupted installation, two deployments into one environment at the
    /// same time, one `pip uninstall` too many. The running workers have everything in memory;
    /// those started by the next reload import it again, and if that fails, gunicorn's master
    /// exits.
    ///
    /// This rule checks what `pip check` checks, and one thing that `pip check` misses: a package
    /// whose files are gone while pip still lists it (measured: neither `pip check` nor `uv pip
    /// check` notices; its `RECORD` shows it). R703 checks the release's own requirements.
    ///
    /// By hand: reinstall the release's requirements; if files are gone, with `--force-reinstall`.
    ///
    /// ```text,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/flask-3.0.3.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: Flask
    /// Version: 3.0.3
    /// Requires-Dist: Werkzeug >=3.0.0
    /// Requires-Dist: flask-cors >=4
    /// Requires-Dist: asgiref >=3.2 ; extra == 'async'
    /// ```
    /// ```text,fixed,file=/srv/myapp/.venv/lib/python3.11/site-packages/flask-3.0.3.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: Flask
    /// Version: 3.0.3
    /// Requires-Dist: Werkzeug >=3.0.0
    /// Requires-Dist: flask-cors >=4
    /// Requires-Dist: asgiref >=3.2 ; extra == 'async'
    /// ```
    /// ```text,fixed,file=/srv/myapp/.venv/lib/python3.11/site-packages/flask_cors-4.0.1.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: Flask-Cors
    /// Version: 4.0.1
    /// ```
    /// pip lists it, but its files are gone:
    ///
    /// ```tree,bad
    /// - /srv/myapp/.venv/lib/python3.11/site-packages/click
    /// ```
    /// ```text,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/click-8.1.7.dist-info/RECORD
    /// click/__init__.py,sha256=x,1
    /// click/core.py,sha256=x,1
    /// click-8.1.7.dist-info/METADATA,,
    /// ```
    /// Healthy: conditions that do not apply:
    ///
    /// ```text,good,file=/srv/myapp/.venv/lib/python3.11/site-packages/flask-3.0.3.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: Flask
    /// Version: 3.0.3
    /// Requires-Dist: importlib-metadata >=3.6.0 ; python_version < "3.10"
    /// ```
    R704 "dependencies-conflict" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: Dependencies, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let packages = &app.release.packages;
    // What is not there because the release's own list is not satisfied is R703's.
    if let Some(Some(file)) = packages.requirements.ok()
        && !(file.missing.is_empty() && file.wrong_version.is_empty())
    {
        return Ok(());
    }
    let conflicts = match packages.conflicts.get() {
        Ok(conflicts) => conflicts,
        // Without an environment there is nothing that could contradict itself.
        Err(_) if app.gunicorn.venv.ok().is_none() => return Ok(()),
        Err(why) => return Err(why),
    };
    unknown(conflicts, out);
    let told: Vec<String> = conflicts.iter().filter_map(words).collect();
    let Some(first) = told.first() else { return Ok(()) };
    let venv = app.gunicorn.venv.get()?.path.display();
    let more = match told.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let finding = out
        .report(format!(
            "the workers that a reload starts may fail at an import: in {venv}, {first}{more}"
        ))
        .at_some(app.gunicorn.started_at(), "uses this environment");
    for text in told.iter().take(NAMED) {
        finding.evidence(EvidenceKind::File, text.as_str());
    }
    let again = match packages.requirements.ok() {
        Some(Some(file)) => {
            format!("{venv}/bin/python -m pip install --force-reinstall -r {}", file.path.display())
        }
        _ => format!("{venv}/bin/python -m pip install --force-reinstall PACKAGE"),
    };
    finding
        .help(format!(
            "{venv}/bin/python -m pip check   lists the packages that are missing or have the \
             wrong version; reinstall them, then check again before the reload:\n{again}"
        ))
        .subject("environment")
        .fix(Safety::Manual, "install the missing packages");
    Ok(())
}

fn words(conflict: &Conflict) -> Option<String> {
    Some(match conflict {
        Conflict::Missing { package, needs } => {
            format!("{package} needs {needs}, which is not installed")
        }
        Conflict::WrongVersion { package, needs, installed } => {
            format!("{package} needs {needs}, but {installed} is installed")
        }
        Conflict::Gone { package, file } => {
            format!("{package} is listed, but {} is gone", file.display())
        }
        Conflict::Unknown { .. } => return None,
    })
}

/// Of some packages it was not known.
fn unknown(conflicts: &[Conflict], out: &mut Sink) {
    let mut unknown = conflicts.iter().filter_map(|conflict| match conflict {
        Conflict::Unknown { package, reason } => Some((package, reason)),
        _ => None,
    });
    let Some((package, reason)) = unknown.next() else { return };
    let more = match unknown.count() {
        0 => String::new(),
        count => format!(" (and {count} more)"),
    };
    out.skip(&Why::not_understood(format!("what {package} needs: {reason}{more}")));
}
