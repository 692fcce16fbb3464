use crate::facts::nginx::AbsentNginx;
use crate::rule::prelude::*;

crate::rule! {
    /// The site is down: nginx passes its requests to the application, and nginx does not run.
    ///
    /// Visitors get `connection refused`, whatever gunicorn does. nginx was stopped or killed, its
    /// unit is masked, or it refused its configuration when it was started last; Debian's
    /// `nginx.service` has no `Restart=`, so that nothing starts it again.
    ///
    /// This is an error only where nginx's configuration leads to the application, no process of
    /// nginx runs and nothing listens on the site's addresses. Where another program listens there,
    /// or nginx runs in a container, it is not known who serves the site. A unit that is stopped
    /// *and* disabled is a warning: something else may be in front of the application.
    ///
    /// By hand: `nginx -t` shows a fault of the configuration; then `systemctl start nginx`, after
    /// `systemctl unmask nginx` where the unit is masked.
    ///
    /// Proved by `nginx-killed`: after nginx was killed its unit stayed failed, gunicorn was active,
    /// and every connection was refused.
    ///
    /// Proved by `nginx-masked`: nginx was stopped and masked, `systemctl start nginx` was refused,
    /// and every connection was refused.
    ///
    /// ```proc,bad
    /// - 500
    /// ```
    /// ```text,bad,command=systemctl show
    /// Id=nginx.service
    /// Names=nginx.service
    /// LoadState=loaded
    /// ActiveState=failed
    /// Result=signal
    /// ExecMainCode=2
    /// ExecMainStatus=9
    /// UnitFileState=enabled
    /// ```
    /// ```proc,fixed
    /// ```
    ///
    /// Healthy: an nginx that was started by hand has the port.
    ///
    /// ```proc,good
    /// - 500
    /// 600 parent=1 unit=session-1.scope user=0 start=50 name=nginx : nginx: master process nginx
    /// listen 0.0.0.0:80 inode=40009
    /// ```
    N333 "nginx-not-running" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let Some(absent) = deployment.nginx.absent.get()? else { return Ok(()) };
    let mut led = deployment.apps.iter().filter(|app| !app.routes.is_empty());
    if let (Some(only), None) = (led.next(), led.next()) {
        out.about(Some(only));
    }
    let places: Vec<String> = absent.addresses.iter().map(|(at, _)| at.to_string()).collect();
    let places = places.join(" or ");
    let state = state(absent);
    let masked = is_masked(absent);
    let left = !absent.enabled && !masked && !failed(absent);
    let message = match left {
        true => format!("visitors who connect to {places} are refused: {state}"),
        false => format!("the site is down: {state}, and nothing listens on {places}"),
    };
    let finding = out
        .report(message)
        .at_each(absent.addresses.iter().map(|(_, span)| (*span, "visitors connect here")))
        .evidence(EvidenceKind::Process, "no process of nginx runs")
        .evidence(EvidenceKind::Socket, format!("nothing listens on {places}"))
        .subject("nginx.service");
    if left {
        finding
            .severity(Severity::Warning)
            .help(
                "nginx -t && systemctl enable --now nginx\nif another program or host is in front \
                 of the application: remove its site from nginx's configuration",
            )
            .fix(Safety::Manual, "systemctl enable --now nginx");
        return Ok(());
    }
    let unmask = if masked { "systemctl unmask nginx\n" } else { "" };
    finding
        .help(format!(
            "{unmask}nginx -t   names a fault of the configuration; repair it first\n\
             systemctl start nginx\njournalctl -u nginx -n 20   if it fails"
        ))
        .fix(
            Safety::Manual,
            match masked {
                true => "systemctl unmask nginx && systemctl start nginx",
                false => "systemctl start nginx",
            },
        );
    Ok(())
}

fn is_masked(absent: &AbsentNginx) -> bool {
    absent.state.as_ref().is_some_and(|state| state.load == "masked")
}

fn failed(absent: &AbsentNginx) -> bool {
    absent.state.as_ref().is_some_and(|state| state.active == "failed")
}

/// How the unit is, in words.
fn state(absent: &AbsentNginx) -> String {
    let Some(state) = &absent.state else {
        let enabled = if absent.enabled { "" } else { ", and nginx.service is not enabled" };
        return format!("nginx does not run{enabled}");
    };
    let how = match state.failure() {
        Some(how) => how,
        None if state.result.is_empty() => "no reason is given".to_owned(),
        None => format!("Result={}", state.result),
    };
    match (is_masked(absent), failed(absent), absent.enabled) {
        (true, true, _) => format!("nginx.service has failed ({how}) and is masked"),
        (true, false, _) => "nginx.service is stopped and masked".to_owned(),
        (false, true, _) => format!("nginx.service has failed ({how})"),
        (false, false, true) => "nginx.service is stopped".to_owned(),
        (false, false, false) => "nginx.service is stopped and disabled".to_owned(),
    }
}
