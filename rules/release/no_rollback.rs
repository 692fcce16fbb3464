use std::path::Path;

use crate::facts::release::PreviousRelease;
use crate::facts::{App, Why};
use crate::rule::prelude::show;
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// There is no earlier release to go back to when the new one fails.
    ///
    /// Going back takes one move of the link and a reload, if the previous release is still there
    /// and complete: with the module that gunicorn imports, and with its own virtual environment if
    /// each release has one. Without such a release, a failed deployment is an outage until a
    /// release is rebuilt.
    ///
    /// Releases are the directories next to the one the link leads to. Those with a name of the
    /// same form that sorts after the current one (`2026-04-28` after `2026-04-21`) count as later
    /// releases that are still being prepared.
    ///
    /// By hand: keep at least the previous release when you prune (Capistrano: `keep_releases`),
    /// and restore it from version control or the artefact store.
    ///
    /// Proved by `no-rollback`: there was no release to put the link back to, and every request got
    /// 500 for the rest of the run; with the previous release in place, moving the link and
    /// reloading ended it.
    ///
    /// ```tree,bad
    /// - /srv/myapp/releases/2026-04-14
    /// ```
    ///
    /// A release that lost its code does not count:
    ///
    /// ```tree,bad
    /// - /srv/myapp/releases/2026-04-14/wsgi.py
    /// ```
    ///
    /// A later release is not a way back:
    ///
    /// ```tree,bad
    /// - /srv/myapp/releases/2026-04-14
    /// /srv/myapp/releases/2026-04-28/
    /// /srv/myapp/releases/2026-04-28/wsgi.py
    /// ```
    ///
    /// Healthy: one complete release among others that are not.
    ///
    /// ```tree,good
    /// /srv/myapp/releases/2026-03-31/
    /// /srv/myapp/releases/2026-04-07/
    /// /srv/myapp/releases/.cache/
    /// ```
    R702 "no-rollback" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: RollbackPath, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let beside = app.release.previous.get()?;
    let Some(link) = &app.release.link else {
        return Err(Why::not_there("no release link is on the way"));
    };
    let mut incomplete = Vec::new();
    let mut unknown = None;
    for release in beside.iter().filter(|release| !is_later(&release.path, &link.resolved)) {
        match defect(release) {
            Ok(None) => return Ok(()),
            Ok(Some(defect)) => incomplete.push((release, defect)),
            Err(why) => unknown = Some(why),
        }
    }
    if let Some(why) = unknown {
        return Err(why);
    }
    let releases = link.releases.display();
    let cause = match incomplete.as_slice() {
        [] => format!("{releases} has no release older than {}", show::name(&link.resolved)),
        [(release, defect)] => {
            format!("{}, the only other release, {defect}", show::name(&release.path))
        }
        _ => format!("none of the {} other releases in {releases} is complete", incomplete.len()),
    };
    let finding = out
        .report(format!("a failed deployment cannot be rolled back: {cause}"))
        .at_some(app.link_named_at().or_else(|| app.gunicorn.started_at()), "");
    finding.evidence(
        EvidenceKind::File,
        format!("{} -> {}", link.path.display(), link.target.display()),
    );
    for (release, defect) in incomplete.iter().take(5) {
        finding.evidence(EvidenceKind::File, format!("{} {defect}", release.path.display()));
    }
    finding
        .help(format!(
            "Put the previous release back into {releases}, and keep one when pruning:\n\
             ls -1t {releases}"
        ))
        .subject(link.path.to_string_lossy())
        .fix(Safety::Manual, "keep the previous release");
    Ok(())
}

/// Why a release is nothing to go back to.
fn defect(release: &PreviousRelease) -> Result<Option<&'static str>, Why> {
    if !*release.has_application.get()? {
        return Ok(Some("lacks the module that gunicorn imports"));
    }
    Ok((!*release.has_venv.get()?).then_some("lacks its virtual environment"))
}

/// Is this name a greater one of the same form (`20260428093000`, `2026-04-28`, `v12`)?
fn is_later(release: &Path, current: &Path) -> bool {
    let (name, current) = (show::name(release), show::name(current));
    let shape = |name: &str| -> Vec<char> {
        name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
    };
    let dated = current.chars().filter(char::is_ascii_digit).count() >= 8;
    dated && shape(&name) == shape(&current) && name > current
}
