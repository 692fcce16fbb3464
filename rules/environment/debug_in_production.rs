use crate::facts::{App, Why};
use crate::rule::{Safety, Sink};
use crate::source::unit::VariableValue;

crate::rule! {
    /// Visitors see tracebacks and settings, because the application runs in debug mode.
    ///
    /// Flask takes `FLASK_DEBUG` for true unless it is empty, `0`, `false` or `no`, in any case:
    /// `off` and `n` turn debugging **on** (`flask.helpers.get_debug_flag`). Before Flask 2.3
    /// `FLASK_ENV=development` turned it on too, and configuration classes go on to be chosen by
    /// it. `DEBUG=1` is what most settings modules read. Debug mode also lets exceptions through
    /// that error handlers would have caught.
    ///
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// FLASK_DEBUG=1
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// FLASK_DEBUG=0
    /// ```
    /// ```env,good
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// FLASK_DEBUG=False
    /// FLASK_ENV=production
    /// DEBUG=
    /// ```
    /// A word that reads like "off" and is not:
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// FLASK_DEBUG=off
    /// ```
    /// In the unit:
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment=FLASK_ENV=development
    /// ```
    /// Here the environment file, which beats the unit, turns it off again:
    /// ```ini,good,drop-in
    /// [Service]
    /// Environment=DEBUG=1
    /// ```
    /// ```env,good
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// DEBUG=0
    /// ```
    E408 "debug-in-production" {
        severity: Error, impact: Exposure, fix: Some(Safe), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

/// Whose debug mode a variable turns on.
const SWITCHES: [(&str, fn(&str) -> bool, &str); 3] = [
    ("FLASK_DEBUG", is_true_to_flask, "0"),
    ("FLASK_ENV", is_development, "production"),
    ("DEBUG", is_true, "0"),
];

/// `flask.helpers.get_debug_flag`: only these are false.
fn is_true_to_flask(value: &str) -> bool {
    !value.is_empty() && !["0", "false", "no"].contains(&value.to_lowercase().as_str())
}

fn is_development(value: &str) -> bool {
    value == "development"
}

/// What the usual readers of settings take for true; `DEBUG=app:*` is another program's.
fn is_true(value: &str) -> bool {
    ["1", "true", "yes", "on", "y", "t"].contains(&value.to_lowercase().as_str())
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for (name, turns_on, off) in SWITCHES {
        let value = match app.environment.lookup(name) {
            VariableValue::Set(value) => value,
            VariableValue::Unset => continue,
            VariableValue::NotKnown(why) => {
                out.skip(&Why::new(format!("{name}: {why}")));
                continue;
            }
        };
        if !value.expose_str().is_some_and(turns_on) {
            continue;
        }
        let span = app.environment.variables.get(name).and_then(|variable| variable.span);
        out.report(format!("visitors see the application's insides: {name} turns debug mode on"))
            .at_some(span, "debug mode in production")
            .help(format!(
                "write {name}={off}, then restart the unit: workers keep the old environment over \
                 a reload\nFlask takes everything but an empty value, 0, false and no for true"
            ))
            .fix(Safety::Safe, format!("{name}={off}"))
            .subject(name);
    }
    Ok(())
}
