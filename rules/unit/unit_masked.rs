use crate::facts::{Deployment, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// Every reload and restart fails: the unit is masked, and its gunicorn still runs.
    ///
    /// `systemctl mask` links the unit to `/dev/null`. A gunicorn that runs is not stopped by that, so
    /// the site goes on answering with the code that it has. `systemctl reload` and `systemctl restart`
    /// fail with `Unit myapp.service is masked.`, and once gunicorn stops, or the machine boots, nothing
    /// starts it. Only a live host shows that; the rest of the unit is not checked, because systemd
    /// does not read it.
    ///
    /// By hand: `systemctl unmask myapp`, then check again.
    ///
    /// Proved by `unit-masked`: the reload failed with `Unit myapp.service is masked.`, and the old
    /// release went on answering every request.
    ///
    /// ```tree,bad
    /// - /etc/systemd/system/myapp.service
    /// /etc/systemd/system/myapp.service -> /dev/null
    /// ```
    /// ```proc,bad
    /// 800 start=100
    /// ```
    /// Healthy: a masked unit in which nothing runs.
    ///
    /// ```tree,good
    /// /etc/systemd/system/other.service -> /dev/null
    /// ```
    U143 "unit-masked" {
        severity: Error, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    for masked in &deployment.masked {
        let name = &masked.unit;
        let stem = name.strip_suffix(".service").unwrap_or(name);
        let runtime = if masked.path.starts_with("/run") { "--runtime " } else { "" };
        out.report(format!(
            "every reload and restart of {name} fails, and when its gunicorn stops, nothing can start \
             it again: the unit is masked"
        ))
        .observed(
            EvidenceKind::Process,
            format!("gunicorn's master {} runs in {name}", masked.master),
        )
        .evidence(EvidenceKind::File, format!("{} leads to /dev/null", masked.path.display()))
        .subject(name)
        .help(format!("systemctl unmask {runtime}{stem}\nthen look at the rest: deploy-doctor check {stem}"))
        .fix(Safety::Manual, format!("systemctl unmask {runtime}{stem}"));
    }
    Ok(())
}
