use crate::facts::release::Needed;
use crate::facts::{App, Why};
use crate::rule::prelude::show;
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// Going back to the previous release runs its code with the current release's packages.
    ///
    /// All releases share one virtual environment outside them: moving the link back restores the
    /// code but not the packages. If the previous release requires other packages than those now
    /// installed, it fails at the import or behaves in untested ways, just when it is needed as the
    /// rescue. Nothing is reported while both require the same packages.
    ///
    /// By hand: create a virtual environment in each release (`/srv/myapp/releases/X/.venv`, named
    /// in the unit through the link: R715, U113); or remember that a rollback then has a second
    /// step, `pip install -r` for the release you go back to, before its reload.
    ///
    /// ```text,bad,file=/srv/myapp/releases/2026-04-14/requirements.txt
    /// Flask==2.3.3
    /// gunicorn==23.0.0
    /// ```
    /// ```text,fixed,file=/srv/myapp/releases/2026-04-14/requirements.txt
    /// Flask==3.0.3
    /// gunicorn==23.0.0
    /// ```
    /// Without a fixed version, and with other packages installed:
    ///
    /// ```text,good,file=/srv/myapp/releases/2026-04-14/requirements.txt
    /// Flask>=2.3
    /// ```
    R713 "shared-venv" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: RollbackPath, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(earlier) = &app.release.packages.earlier else { return Ok(()) };
    // As long as the release that is served does not have its own, that comes first: R703's.
    if let Some(Some(own)) = app.release.packages.requirements.ok()
        && !(own.missing.is_empty() && own.wrong_version.is_empty())
    {
        return Ok(());
    }
    let file = &earlier.file;
    let first = file.wrong_version.first().or(file.missing.first());
    let Some(first) = first else { return Ok(()) };
    let venv = app.gunicorn.venv.get()?.path.display();
    let count = file.wrong_version.len() + file.missing.len();
    let more = if count == 1 { String::new() } else { format!(", and {} more", count - 1) };
    let release = show::name(&earlier.release);
    let needs = file.wrong_version.iter().chain(&file.missing).take(5);
    let finding = out
        .report(format!(
            "going back to release {release} runs its code with the current release's packages: it \
             requires {}{more}",
            does_not_fit(first)
        ))
        .at_some(app.gunicorn.started_at(), "all releases use this environment");
    for need in needs {
        finding.at(need.span, does_not_fit(need));
    }
    finding
        .evidence(EvidenceKind::File, format!("{venv} is outside the releases"))
        .help(format!(
            "Give each release its own environment. Until then, when going back, before the \
             reload:\n{venv}/bin/python -m pip install -r {}",
            file.path.display()
        ))
        .subject("venv")
        .fix(Safety::Manual, "give each release its own virtual environment");
    Ok(())
}

fn does_not_fit(need: &Needed) -> String {
    match &need.installed {
        Some(version) => format!("{}, but {version} is installed", need.text),
        None => format!("{}, which is not installed", need.text),
    }
}
