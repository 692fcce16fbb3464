//! `PrivateUsers=` for U126: the service gets its own user namespace, in which few users exist
//! and no capability reaches the host.

use crate::rule::prelude::*;

/// What cannot work in the namespace; nothing where there is none.
pub(super) fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    let setting = service.word("PrivateUsers", "no");
    let word = setting.get()?.as_str();
    let own_alone = service.boolean("PrivateUsers", false).ok() == Some(&true) || word == "self";
    if !own_alone && !matches!(word, "identity" | "full") {
        return Ok(());
    }
    if matches!(word, "self" | "identity" | "full") {
        app.machine.systemd.get()?;
        // An older one ignores the value: another rule's.
        if !service.takes("PrivateUsers", word) {
            return Ok(());
        }
    }
    let Some((consequence, at, note, help)) = (match own_alone {
        true => stranger(app)?,
        false => None,
    })
    .or(low_port(app)?) else {
        return Ok(());
    };
    out.report(format!("gunicorn does not start: {consequence}"))
        .at_known(&setting, "gives the service its own users")
        .at_some(at, note)
        .help(help)
        .by_hand(setting.span())
        .fix(Safety::Manual, "make the host's users visible to the service");
    Ok(())
}

/// What does not work, where that is asked for, what can be seen there, and what to type.
type Harm = (String, Option<Span>, &'static str, String);

/// root that is meant to become somebody whom the namespace does not have.
fn stranger(app: &App) -> Result<Option<Harm>, Why> {
    if !app.service.user.get()?.is_root() {
        return Ok(None);
    }
    let settings = &app.gunicorn.settings;
    for (what, key, known) in
        [("user", "User", settings.user()), ("group", "Group", settings.group())]
    {
        let Some(name) = known.get()? else { continue };
        if matches!(name.as_str(), "" | "root" | "0") {
            continue;
        }
        let shown = if settings.is_secret(what) { "another one" } else { name };
        return Ok(Some((
            format!(
                "it is told to switch its {what} to {shown}, which PrivateUsers= hides from it"
            ),
            known.span(),
            "told to switch to this",
            format!(
                "In [Service]:\n\
                 {key}={shown}\n\
                 and remove --{what} from gunicorn's options: systemd switches the {what} before \
                 gunicorn runs"
            ),
        )));
    }
    Ok(None)
}

/// A port that a capability would have opened, which does not reach the host from in there.
fn low_port(app: &App) -> Result<Option<Harm>, Why> {
    if !app.service.gives("CAP_NET_BIND_SERVICE") && !app.service.user.get()?.is_root() {
        return Ok(None);
    }
    app.bounds().get()?;
    let Some(low) = &app.gunicorn.low_port else { return Ok(None) };
    Ok(Some((
        format!(
            "port {} is below 1024, and PrivateUsers= removes the capability to listen there",
            low.port
        ),
        low.origin.span(),
        "only a capability opens it",
        "Make gunicorn listen on a unix socket or on a port from 1024 up, and nginx pass to it; or \
         remove PrivateUsers=."
            .to_owned(),
    )))
}
