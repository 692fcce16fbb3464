use crate::facts::release::Alike;
use crate::rule::prelude::*;

crate::rule! {
    /// Two releases have the same modification time: after a reload Python uses the old release's
    /// list of files, and does not find the new one's modules.
    ///
    /// Python keeps its list of a directory's names as long as the directory's modification time
    /// does not change (`importlib.machinery.FileFinder`), and knows the directory by its path:
    /// `/srv/myapp/current` before and after the link moved. gunicorn's master has listed the
    /// directory, and each worker inherits that list. If both releases have the same time to the
    /// nanosecond, as `rsync -a`, `cp -a`, `tar` and reproducible builds leave them, new top-level
    /// modules and packages are *not found* although they exist: the master exits with
    /// ModuleNotFoundError (measured on gunicorn 23.0.0 and 27.0.1, Python 3.11 and 3.13). A
    /// restart helps, because a new master has no list.
    ///
    /// It is an error if the application imports a top-level module that the other release lacks,
    /// and a warning if it does not yet. Reported only if the search path goes through the link; if
    /// gunicorn keeps the resolved directory, see `reload-keeps-old-release`.
    ///
    /// By hand: `touch /srv/myapp/current/` (with the slash: the directory, not the link) after each
    /// deployment and before the reload.
    ///
    /// Proved by `release-mtime-equal`: the reload returned 0, the master did not find the module,
    /// though it was in the release, and exited, and the site answered 502 for the rest of the run.
    ///
    /// ```python,bad
    /// import shop
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/shop.py
    /// ```
    /// ```tree,bad
    /// /srv/myapp/releases/2026-04-14/ mtime=1777000000
    /// /srv/myapp/releases/2026-04-21/ mtime=1777000000
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/releases/2026-04-21/ mtime=1777000060
    /// ```
    ///
    /// The modules are still the same, but the next new one will not be found:
    ///
    /// ```tree,bad
    /// /srv/myapp/releases/2026-04-14/ mtime=1777000000
    /// /srv/myapp/releases/2026-04-21/ mtime=1777000000
    /// ```
    /// ```tree,fixed
    /// /srv/myapp/releases/2026-04-14/ mtime=1777000000
    /// /srv/myapp/releases/2026-04-21/ mtime=1777000001
    /// ```
    R716 "release-mtime-equal" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: ReleasePath, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    // Without a link no reload changes what Python lists; and one that is not followed is another
    // rule's.
    if app.release.link.is_none() || !*app.release.follows_link.get()? {
        return Ok(());
    }
    let previous = app.release.previous.get()?;
    // The newest of those that are alike is the likeliest to run.
    let alike =
        previous.iter().filter_map(|release| Some((&release.path, release.alike.as_ref()?)));
    let worst = alike.max_by_key(|(path, alike)| (!alike.lacks.is_empty(), *path));
    if let Some((_, alike)) = worst {
        report(app, alike, out);
    }
    Ok(())
}

fn report(app: &App, alike: &Alike, out: &mut Sink) {
    let (other, current) = (alike.path.display(), alike.current.display());
    let draft = match alike.lacks.first() {
        Some(_) => out
            .report(format!(
                "a reload from {other} takes the site down: {} is new in {current}, but Python \
                 does not list the directory again, because both directories have the same \
                 modification time",
                alike.lacks.join(", ")
            ))
            .severity(Severity::Error),
        None => out.report(format!(
            "after a reload from {other} Python will not find new modules of {current}: both \
             directories have the same modification time"
        )),
    };
    let finding = draft.at_some(app.link_named_at(), "goes through the release link");
    let time = alike.time;
    for directory in [&alike.current, &alike.path] {
        let text =
            format!("{}: modification time {time} (seconds since 1970)", directory.display());
        finding.evidence(EvidenceKind::File, text);
    }
    let link = app.release.link.as_ref().map(|link| link.path.display().to_string());
    finding
        .help(format!(
            "Give the release a modification time of its own before the reload:\n  touch \
             {current}\nand do so in each deployment, before or after it moves {}.",
            link.unwrap_or_default()
        ))
        .subject(alike.path.to_string_lossy())
        .fix(Safety::Manual, format!("touch {current}"));
}
