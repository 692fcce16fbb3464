use crate::facts::environment::{SetBy, looks_random};
use crate::facts::gunicorn::Layer;
use crate::facts::{App, Why};
use crate::rule::prelude::Span;
use crate::rule::{Safety, Sink};

crate::rule! {
    /// Every account on the host can read the application's secrets: they are in the unit.
    ///
    /// A unit's file is mode 0644, and whatever its mode is, `systemctl show -p Environment myapp`
    /// shows the values of `Environment=` to anyone who asks (documented in systemd.exec(5)). It
    /// does not show the values from an `EnvironmentFile=`, and that file can be closed to others
    /// (mode 0600: systemd reads it as root).
    ///
    /// The same is true of `ExecStart=` (`gunicorn -e NAME=…`, `/usr/bin/env NAME=…`), which the list of
    /// processes may show as well.
    ///
    /// A secret is recognised by its name (`SECRET`, `PASSWORD`, `TOKEN`, `API_KEY` …), or by a URL
    /// that contains a password. In a repository a value counts only if it is too random to be a
    /// placeholder. Its value is never shown.
    ///
    /// By hand: move the assignments into `/etc/myapp.env`, mode 0600, name that in `EnvironmentFile=`,
    /// `systemctl daemon-reload`, `systemctl restart myapp`; then change the secrets, because
    /// anyone could read them.
    ///
    /// Proved by `secret-in-unit`: an ordinary user without privileges read the value with
    /// `systemctl show`; values from an environment file were not shown.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment=PAYMENT_API_KEY=sk_live_51Hc8tJ2eZvKYlo2C
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// EnvironmentFile=/etc/myapp.env
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment="CACHE_URL=redis://:s3cr3tpass@cache.example.com:6379/0" LANG=C.UTF-8
    /// ```
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --env PAYMENT_API_KEY=sk_live_51Hc8tJ2eZvKYlo2C \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// Healthy: names that only look like secrets, paths, and URLs without a password:
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// Environment=SECRET_KEY_FILE=/etc/myapp.key TOKEN_LIFETIME=3600 PASSWORD_MIN_LENGTH=12
    /// Environment=CACHE_URL=redis://cache.example.com:6379/0 API_TOKEN_PATH=/run/token
    /// Environment=SECRET_KEY=
    /// ```
    U133 "secret-in-unit" {
        severity: Warning, impact: Exposure, fix: Some(Manual), item: Environment, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let mut found = Vec::new();
    let mut open = false;
    for (name, value, span) in set_in_the_unit(app) {
        let secret = match password(value) {
            Some(password) => password,
            None if is_secret(name) && may_be_secret(value) => value,
            None => continue,
        };
        // In a repository it may be a placeholder, unless nobody would think of it as one.
        match app.service.on_machine || looks_random(secret) {
            true => found.push((name.to_owned(), span)),
            false => open = true,
        }
    }
    let from_unit = found.len();
    for (name, value, span) in on_the_command_line(app) {
        let plain = is_secret(&name) && may_be_secret(&value);
        let secret = password(&value).or_else(|| plain.then_some(value.as_str()));
        match secret.map(|secret| app.service.on_machine || looks_random(secret)) {
            Some(true) => found.push((name, span)),
            Some(false) => open = true,
            None => {}
        }
    }
    let told = match (from_unit, found.len() - from_unit) {
        (_, 0) => "the values of Environment=",
        (0, _) => "ExecStart=",
        _ => "the values of Environment= and ExecStart=",
    };
    let Some((first, _)) = found.first() else {
        return match open {
            true => Err(Why::nothing_expected("a value in a repository may be a placeholder")),
            false => Ok(()),
        };
    };
    let names: Vec<&str> = found.iter().take(5).map(|(name, _)| name.as_str()).collect();
    let more = if found.len() > names.len() { " …" } else { "" };
    let stem = app.stem();
    out.report(format!(
        "every account on the host can read {}{more}: systemd shows {told} to anyone who asks",
        names.join(", ")
    ))
    .at_first(found.iter().map(|(_, span)| (*span, "set in the unit")))
    .subject(first.as_str())
    .help(format!(
        "install -m 0600 -o root -g root /dev/null /etc/{stem}.env\n\
         move the assignments to that file, and in [Service] replace them with:\n\
         EnvironmentFile=/etc/{stem}.env\n\
         and change the secrets, because anyone could read them"
    ))
    .by_hand(found.iter().find_map(|(_, span)| *span))
    .fix(Safety::Manual, format!("move the secrets to /etc/{stem}.env"));
    Ok(())
}

/// What `Environment=` sets and no environment file sets anew.
fn set_in_the_unit(app: &App) -> impl Iterator<Item = (&str, &str, Option<Span>)> {
    let variables = app.environment.variables.iter();
    let own = variables
        .filter(|(_, variable)| variable.set_by == SetBy::Unit && variable.unknown.is_none());
    own.map(|(name, variable)| {
        (&**name, variable.value.expose_str().unwrap_or_default(), variable.span)
    })
}

/// What is in `ExecStart=` itself: `gunicorn -e NAME=…`, `env NAME=… gunicorn`. What a script says
/// is another file's.
fn on_the_command_line(app: &App) -> Vec<(String, String, Option<Span>)> {
    let mut found = Vec::new();
    let Some(launch) = app.gunicorn.launch.ok().filter(|launch| launch.scripts.is_empty()) else {
        return found;
    };
    let settings = &app.gunicorn.settings;
    let raw = settings.raw_env();
    if settings.layer("raw_env") == Some(Layer::CommandLine)
        && let Some(items) = raw.ok()
    {
        found.extend(items.iter().filter_map(|(name, value)| {
            Some((name.clone(), value.expose_str()?.to_owned(), raw.span()))
        }));
    }
    let set = launch.environment.iter();
    found.extend(set.filter_map(|(name, value, span)| {
        Some((name.clone(), value.expose_str()?.to_owned(), Some(*span)))
    }));
    found
}

/// Words of a name that suggests a secret, and of one that only speaks about one.
const SECRET: [&str; 7] =
    ["SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "CREDENTIALS", "APIKEY"];
const KEYS: [&str; 6] = ["API", "PRIVATE", "ACCESS", "AUTH", "ENCRYPTION", "SIGNING"];
const ABOUT: [&str; 22] = [
    "FILE",
    "PATH",
    "DIR",
    "NAME",
    "ID",
    "USER",
    "HEADER",
    "LIFETIME",
    "AGE",
    "TTL",
    "EXPIRE",
    "EXPIRES",
    "EXPIRY",
    "TIMEOUT",
    "LENGTH",
    "MIN",
    "MAX",
    "HASHERS",
    "RESET",
    "ALGORITHM",
    "TYPE",
    "ISSUER",
];

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words: Vec<&str> = name.split('_').collect();
    let key = words.windows(2).any(|pair| KEYS.contains(&pair[0]) && pair[1] == "KEY");
    let about = words.iter().any(|word| ABOUT.contains(word));
    !about && (key || words.iter().any(|word| SECRET.contains(word)))
}

/// A switch, a number or a path is none.
fn may_be_secret(value: &str) -> bool {
    value.len() >= 6 && !value.starts_with(['/', '.']) && !value.bytes().all(|b| b.is_ascii_digit())
}

/// The password of `scheme://user:password@host`.
fn password(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    (!password.is_empty()).then_some(password)
}
