use crate::facts::environment::PLACEHOLDER_PARTS;
use crate::rule::prelude::*;

crate::rule! {
    /// Anyone can forge a session: the secret key can be guessed.
    ///
    /// Flask and Django sign sessions, password-reset links and messages with SECRET_KEY. Who knows
    /// it signs in as whom they like; tools that try the usual words (`dev`, `secret`, `changeme`)
    /// against a cookie need seconds. Reported is a key that is such a word or holds a placeholder's,
    /// one that Django made up for development (`django-insecure-…`, Django's own check W009), one
    /// of fewer than 16 characters, and one of a few characters over and over. The key is shown
    /// nowhere, nor how long it is. The files of a repository may be filled in when it is deployed:
    /// there it is not judged.
    ///
    /// By hand: a new one, then restart; everybody has to sign in again:
    /// `python3 -c 'import secrets; print(secrets.token_hex(32))'`.
    ///
    /// Proved by `secret-weak`: a cookie that was signed with the guessed key from outside was taken
    /// for the application's own.
    ///
    /// ```env,bad
    /// SECRET_KEY=changeme
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=4f1d9c07e5a2b86d3c90aa71f25e6b48
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    ///
    /// In the unit:
    ///
    /// ```env,bad
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment=SECRET_KEY=my-super-secret-key-please-change-me
    /// ```
    ///
    /// Healthy: short ones are no keys of this kind.
    ///
    /// ```env,good
    /// SECRET_KEY=4f1d9c07e5a2b86d3c90aa71f25e6b48
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// STRIPE_SECRET_KEY=test
    /// ```
    E409 "secret-weak" {
        severity: Warning, impact: Exposure, fix: Some(Manual), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

/// Names that Flask, Django and the templates for them use.
const NAMES: [&str; 5] =
    ["SECRET_KEY", "FLASK_SECRET_KEY", "DJANGO_SECRET_KEY", "APP_SECRET_KEY", "JWT_SECRET_KEY"];

/// Whole words that lists of usual keys begin with.
const WORDS: [&str; 7] =
    ["dev", "development", "secret", "supersecret", "password", "default", "insecure"];

/// Shorter ones are no random ones.
const SHORTEST: usize = 16;
/// Fewer different characters are no random ones.
const FEWEST: usize = 5;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for name in NAMES {
        let variable = match app.variable(name) {
            Ok(Some(variable)) => variable,
            Ok(None) => continue,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        };
        let Some(weakness) = weakness(variable.value.expose()) else { continue };
        if !app.machine.whole {
            out.skip(&Why::depends(format!("a repository's {name} may be another on the host")));
            continue;
        }
        out.report(format!(
            "anyone can forge a session of the application: {name} {weakness}"
        ))
        .at_some(variable.span, "signs sessions and reset links")
        .help(format!(
            "Set {name} to the output of this (everybody must sign in again):\npython3 -c 'import \
             secrets; print(secrets.token_hex(32))'"
        ))
        .by_hand(variable.span)
        .subject(name)
        .fix(Safety::Manual, format!("set a random {name}"));
    }
    Ok(())
}

/// What is weak about it, in words that do not tell it.
fn weakness(key: &[u8]) -> Option<&'static str> {
    // An empty one is E410's, where the code needs it.
    if key.is_empty() {
        return None;
    }
    let letters: String = String::from_utf8_lossy(key)
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    let yours = letters.starts_with("your") && letters.contains("secret");
    let part = PLACEHOLDER_PARTS.iter().any(|part| letters.contains(part));
    if yours || part || WORDS.contains(&letters.as_str()) {
        return Some("comes from a tutorial or is a placeholder");
    }
    let mut seen = [false; 256];
    key.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let different = seen.iter().filter(|seen| **seen).count();
    (key.len() < SHORTEST || different < FEWEST)
        .then_some("is too short or too simple to be random")
}
