//! Compares what the release requires with what is installed.

use std::path::Path;

use crate::facts::release::packages::{Format, Venv};
use crate::facts::release::{Needed, RequirementsFile};
use crate::facts::{App, Why};
use crate::rule::prelude::show;
use crate::rule::{Safety, Sink};

/// How many packages one finding names at most.
const NAMED: usize = 5;

crate::rule! {
    /// The virtual environment lacks packages that the release requires: the workers that a reload
    /// starts fail at the import, and gunicorn's master exits with them.
    ///
    /// A deployment that moves the release link and forgets `pip install` goes unnoticed until the
    /// reload, because the running workers loaded the old code and the old packages. `pip check`
    /// does not see it either: measured on an environment of 77 packages, neither `pip check` nor
    /// `uv pip check` reports a package as missing if no installed package asks for it.
    ///
    /// What is required is read from `uv.lock`, `poetry.lock`, `pylock.toml`, `Pipfile.lock`,
    /// `requirements.txt` or `pyproject.toml` of the release, whichever exists first in that order,
    /// with the files it includes and with its conditions (`; python_version < "3.11"`) evaluated
    /// for the environment's Python. Packages without a name (a bare URL, `-e .`) are compared if
    /// the environment records where they came from.
    ///
    /// Proved by `requirement-missing`: the reload returned 0, the master exited with
    /// ModuleNotFoundError, and the site answered 502 for the rest of the run.
    ///
    /// ```text,bad,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask==3.0.3
    /// gunicorn==23.0.0
    /// redis>=5
    /// ```
    /// ```text,fixed,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask==3.0.3
    /// gunicorn==23.0.0
    /// redis>=5
    /// ```
    /// ```text,fixed,file=/srv/myapp/.venv/lib/python3.11/site-packages/redis-5.0.8.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: redis
    /// Version: 5.0.8
    /// ```
    ///
    /// A version other than the one required:
    ///
    /// ```text,bad,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask>=3.1
    /// gunicorn
    /// ```
    ///
    /// Healthy: names in any spelling, conditions that do not apply, comments and hashes do not
    /// matter:
    ///
    /// ```text,good,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// # the web application
    /// flask ~= 3.0            # any 3.x
    /// GUNICORN==23.0.0 --hash=sha256:2f8a0f6b1d3e5c7a9b0d2e4f6a8c1b3d5e7f9a0b2c4d6e8f0a1b3c5d7e9f1a2b
    /// markupsafe
    /// importlib-metadata>=6; python_version < "3.10"
    /// pywin32; sys_platform == "win32"
    /// ```
    R703 "dependencies-missing" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Dependencies, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(file) = app.release.packages.requirements.get()? else { return Ok(()) };
    // Without the environment every package is unknown, for one reason.
    let venv = app.gunicorn.venv.get()?;
    unknown(file, out);
    let total = file.missing.len() + file.wrong_version.len();
    if total == 0 {
        return Ok(());
    }
    let name = show::name(&file.path);
    let place = venv.path.display();
    let missing = listed(&file.missing, |need| need.name.clone());
    let message = match (file.missing.len(), file.wrong_version.len()) {
        (0, _) => {
            let version = |need: &Needed| need.installed.clone().unwrap_or_default();
            let wrong = listed(&file.wrong_version, |n| format!("{} {}", n.name, version(n)));
            format!(
                "a reload runs the code with versions that {name} excludes: {place} has \
                     {wrong}"
            )
        }
        (_, 0) => format!(
            "a reload starts workers that fail at the import: {place} lacks {missing}, which \
             {name} requires"
        ),
        (_, wrong) => format!(
            "a reload starts workers that fail at the import: {place} lacks {missing}, which \
             {name} requires, and has {wrong} more in the wrong version"
        ),
    };
    let needs = file.missing.iter().chain(&file.wrong_version).take(NAMED);
    out.report(message)
        .at_each(needs.map(|need| (need.span, note(need))))
        .subject(name.clone())
        .help(format!(
            "Install the release's requirements, then check again before the reload:\n  {}\n  \
             deploy-doctor check {}",
            command(&file.path, venv),
            app.name.trim_end_matches(".service")
        ))
        .fix(Safety::Manual, format!("install the requirements of {name}"));
    Ok(())
}

/// `a, b, c and 4 more`.
fn listed(needs: &[Needed], name: impl Fn(&Needed) -> String) -> String {
    let mut names: Vec<String> = needs.iter().take(NAMED).map(name).collect();
    if needs.len() > NAMED {
        return format!("{} and {} more", names.join(", "), needs.len() - NAMED);
    }
    let last = names.pop().unwrap_or_default();
    if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) }
}

fn note(need: &Needed) -> String {
    let through = match &need.through {
        Some(extra) => format!("{extra} needs {}: ", need.text),
        None => String::new(),
    };
    match &need.installed {
        None => format!("{through}{} is not installed", need.name),
        Some(version) => format!("{through}{version} is installed"),
    }
}

/// What to type, by the tool that wrote the file.
fn command(path: &Path, venv: &Venv) -> String {
    let (file, venv) = (path.display(), venv.path.display());
    let directory = path.parent().unwrap_or(Path::new("/")).display();
    match Format::of(path) {
        Format::Text => format!("{venv}/bin/python -m pip install -r {file}"),
        Format::PyProject | Format::PyLock => {
            format!("uv pip install --python {venv}/bin/python -r {file}")
        }
        Format::Uv => format!(
            "UV_PROJECT_ENVIRONMENT={venv} uv sync --frozen --no-dev --inexact --project \
             {directory}"
        ),
        Format::Poetry => {
            format!("VIRTUAL_ENV={venv} poetry install --only main --directory {directory}")
        }
        Format::Pipfile => format!("cd {directory} && VIRTUAL_ENV={venv} pipenv sync"),
    }
}

/// What was not known, by reason.
fn unknown(file: &RequirementsFile, out: &mut Sink) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, why) in &file.unknown {
        let name = if name.is_empty() { "a package without a name" } else { name };
        match reasons.iter().position(|(reason, _)| reason == why) {
            None if reasons.len() < NAMED => reasons.push((why, vec![name])),
            // More reasons than anybody reads come to one.
            found => {
                let at = found.unwrap_or(NAMED - 1);
                if let Some((_, names)) = reasons.get_mut(at) {
                    names.push(name);
                }
            }
        }
    }
    for (reason, names) in reasons {
        let more = names.len().saturating_sub(NAMED);
        let mut shown = names[..names.len() - more].join(", ");
        if more > 0 {
            shown.push_str(&format!(" and {more} more"));
        }
        out.skip(&Why::not_understood(format!("{shown}: {reason}")));
    }
    if !file.requirements.faults.is_empty() {
        let count = file.requirements.faults.len();
        let path = file.path.display();
        out.skip(&Why::not_understood(format!("{path}: not understood in {count} places")));
    }
}
