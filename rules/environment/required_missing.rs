use std::collections::{HashMap, HashSet};

use crate::facts::gunicorn::UnknownName;
use crate::facts::lost::{LossKind, LostAssignment};
use crate::facts::release::{InFiles, Need, Reader, VariableUse};
use crate::facts::{App, Place, Why};
use crate::rule::prelude::{Span, nearest_within};
use crate::rule::{EvidenceKind, Finding, Severity, Sink};

crate::rule! {
    /// No worker boots after the next reload, because a variable that the code needs is set nowhere.
    ///
    /// `os.environ["NAME"]` at the top level of a module that gunicorn imports raises `KeyError` if
    /// NAME is not set; so do Flask's `app.config.from_envvar("NAME")`, python-decouple's
    /// `config("NAME")`, environs' `env.str("NAME")` and a field without default of a
    /// pydantic-settings class. When no new worker boots, gunicorn exits
    /// (with status 3 or 1), after a HUP as well. Variables that systemd itself sets (PATH, HOME,
    /// USER …) exist; PWD does not. A read under a condition, in `try … except KeyError` or in a
    /// function counts only if `.env.example` also lists the variable. The variables in
    /// `required-variables` of deploy-doctor.toml must be set, whatever the code shows.
    ///
    /// On a host or in its files, the files that the code itself takes variables from are looked at,
    /// too: what `load_dotenv()` and `read_env()` load, `.env` and `settings.ini` for python-decouple,
    /// `env_file` of pydantic-settings. Only names are kept of them. Where such a file is not known,
    /// and in a repository, which does not have it, the variable is skipped.
    ///
    /// Proved by `environment-variable-removed`: the site was up until its next restart; then no worker
    /// started, and every request got 502.
    ///
    /// `DefaultEnvironment=` of systemd's own settings counts as set. A variable that only the running
    /// master has, as `systemctl set-environment` leaves it, is a warning: it is lost at the next boot. An
    /// environment file that was changed after the master started makes it an error: the next start fails.
    ///
    /// Proved by `dotenv-variable-missing`: the reload returned 0, the master exited with KeyError, and
    /// every request got 502.
    ///
    /// Proved by `set-environment`: the site was up; once systemd had lost the variable, as at a boot, no
    /// worker started and every request got 502.
    ///
    /// Proved by `environment-variable-missing`: the application failed with KeyError at startup,
    /// and every request got 502.
    ///
    /// ```python,bad
    /// import os
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config["STRIPE_API_KEY"] = os.environ["STRIPE_API_KEY"]
    /// ```
    /// ```python,fixed
    /// import os
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config["STRIPE_API_KEY"] = os.environ["STRIPE_API_KEY"]
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// STRIPE_API_KEY=rk_9f2c1b7e5d8a4f03
    /// ```
    /// Healthy: with a default, under a condition, or set by gunicorn's command line:
    /// ```python,good
    /// import os
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config["MAIL_SERVER"] = os.environ.get("MAIL_SERVER", "localhost")
    /// if app.debug:
    ///     app.config["TRACE"] = os.environ["TRACE"]
    /// try:
    ///     app.config["REGION"] = os.environ["REGION"]
    /// except KeyError:
    ///     app.config["REGION"] = "eu"
    /// app.config["HOME"] = os.environ["HOME"]
    /// ```
    /// Flask's own way to name a file of settings, unless it is `silent`:
    /// ```python,bad
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config.from_envvar("MYAPP_SETTINGS")
    /// ```
    /// ```python,good
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// app.config.from_envvar("MYAPP_SETTINGS", silent=True)
    /// ```
    /// What the code loads by itself:
    /// ```python,bad
    /// import os
    ///
    /// from dotenv import load_dotenv
    /// from flask import Flask
    ///
    /// load_dotenv()
    /// app = Flask(__name__)
    /// app.config["STRIPE_API_KEY"] = os.environ["STRIPE_API_KEY"]
    /// ```
    /// ```python,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/dotenv/__init__.py
    /// ```
    /// ```env,bad,file=/srv/myapp/.env
    /// #STRIPE_API_KEY=
    /// ```
    /// ```python,good
    /// import os
    ///
    /// from dotenv import load_dotenv
    /// from flask import Flask
    ///
    /// load_dotenv()
    /// app = Flask(__name__)
    /// app.config["STRIPE_API_KEY"] = os.environ["STRIPE_API_KEY"]
    /// ```
    /// ```python,good,file=/srv/myapp/.venv/lib/python3.11/site-packages/dotenv/__init__.py
    /// ```
    /// ```env,good,file=/srv/myapp/.env
    /// export STRIPE_API_KEY="rk_9f2c1b7e5d8a4f03"
    /// ```
    /// A typo:
    /// ```env,bad
    /// SECRET_KEY=9f2c1b7e5d8a4f03b6c7d1e2a5f4988c
    /// DATABSE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    E410 "required-missing" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

/// How many files are named that do not set a variable.
const FILES: usize = 3;
/// For how many variables a typo is looked for: who lacks more has another fault.
const GUESSES: usize = 20;

/// What is asked for each variable, looked up instead of searched.
struct Lookups<'a> {
    /// The reads of a variable, by its name; the first of each.
    reads: HashMap<&'a str, &'a VariableUse>,
    /// The reads by their place.
    places: HashMap<Span, &'a VariableUse>,
    /// What the code needs.
    required: HashSet<&'a str>,
    /// What a file has and loses.
    dropped: HashSet<&'a str>,
    /// The variables that are set, without regard to case.
    folded: HashSet<String>,
    /// What is set and nothing reads, where there is still to be looked for.
    idle: Vec<&'a str>,
    guesses: usize,
}

impl<'a> Lookups<'a> {
    fn of(app: &'a App) -> Self {
        let code = &app.release.code;
        let mut reads: HashMap<&str, &VariableUse> = HashMap::new();
        let mut places = HashMap::new();
        for read in code.modules.iter().flat_map(|module| &module.environment.variables) {
            reads.entry(read.name.as_str()).or_insert(read);
            places.entry(read.span).or_insert(read);
        }
        let set = app.environment.variables.iter();
        let folded = set.clone().map(|(name, _)| name.to_ascii_lowercase()).collect();
        let idle = set
            .filter(|(name, variable)| variable.span.is_some() && !reads.contains_key(&***name))
            .map(|(name, _)| &**name)
            .collect();
        let required = code.required.iter().map(|required| required.name.as_str()).collect();
        Self { reads, places, required, dropped: dropped(app), folded, idle, guesses: GUESSES }
    }

    /// The name nearest to the one wanted, among those that are set and that nothing reads.
    fn nearest(&mut self, app: &App, name: &str) -> Option<(String, Option<Span>)> {
        self.guesses = self.guesses.checked_sub(1)?;
        // Two letters make another word of a short one.
        let letters = (name.len().saturating_sub(1) / 3).min(2);
        let near = nearest_within(name, letters, self.idle.iter().copied())?;
        Some((near.to_owned(), app.environment.variables.get(near)?.span))
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let code = &app.release.code;
    let mut lookups = Lookups::of(app);
    for wanted in &app.wanted.variables {
        // Where the code needs it, that is the better place to look at.
        if !lookups.required.contains(wanted.value.as_str()) {
            configured(app, &lookups, &wanted.value, wanted.span, out);
        }
    }
    code.application.get()?;
    for variable in &code.required {
        let read = lookups.places.get(&variable.span);
        let reader = read.filter(|read| read.name == variable.name).map(|read| read.reader);
        judge(app, &mut lookups, &variable.name, variable.span, reader, out);
    }
    for example in &code.examples {
        // Optional ones are listed in examples too, and what only docker-compose reads.
        if !lookups.required.contains(example.value.as_str())
            && let Some(read) = lookups.reads.get(example.value.as_str()).copied()
            && matches!(read.need, Need::Conditional | Need::InFunction)
            && let Some(finding) =
                judge(app, &mut lookups, &example.value, read.span, Some(read.reader), out)
        {
            finding.severity(Severity::Warning).at(example.span, "listed as needed");
        }
    }
    Ok(())
}

/// A variable that the settings file requires.
fn configured(app: &App, lookups: &Lookups<'_>, name: &str, span: Span, out: &mut Sink) {
    let known = app.environment.variables.contains_key(name);
    let empty = match app.variable(name) {
        Ok(Some(variable)) if !variable.value.expose().is_empty() => return,
        Ok(Some(_)) => true,
        Err(_) if known => return,
        Err(why) => return out.skip(&why.about(name)),
        Ok(None) => false,
    };
    // E401, E404 and U141 say where it is lost, and repair it there.
    let lost = app.environment.lost.iter().any(|lost| lost.concerns(name));
    if lookups.dropped.contains(name) || lost {
        return;
    }
    match app.release.code.files.of(name, span.file, None) {
        InFiles::Set => return,
        InFiles::Unknown(why) => return out.skip(&why.about(name)),
        InFiles::NotThere(why) if app.processes.ok().is_none() => {
            return out.skip(&why.about(name));
        }
        InFiles::NotThere(_) | InFiles::Nowhere(_) => {}
    }
    let how = if empty { "set but empty" } else { "set nowhere" };
    out.report(format!("{} starts without {name}, which it requires: it is {how}", app.name))
        .at(span, "required here")
        .help(help(app, name))
        .subject(name);
}

/// What to type. Where a line of the unit names files that systemd does not take from it, that is
/// to be repaired first (U116): the variable may well be in one of them.
fn help(app: &App, name: &str) -> String {
    let misread = app.environment.files.iter().any(|file| file.misread.is_some());
    if misread {
        return format!(
            "fix EnvironmentFile= first (U116): the file it names is not read, and {name} may be \
             in it; then restart the unit: a reload keeps the old environment"
        );
    }
    format!(
        "write {name}=… into {}, then restart the unit: a reload keeps the old environment",
        files(app)
    )
}

/// Where its variables are set.
fn files(app: &App) -> String {
    let files: Vec<String> =
        app.environment.read_files().map(|read| read.place.path.display().to_string()).collect();
    if files.is_empty() { "the unit".to_owned() } else { files.join(" and ") }
}

fn judge<'s>(
    app: &App,
    lookups: &mut Lookups<'_>,
    name: &str,
    span: Span,
    reader: Option<Reader>,
    out: &'s mut Sink,
) -> Option<&'s mut Finding> {
    let environment = &app.environment;
    let empty = match app.variable(name) {
        Ok(Some(variable)) if !variable.value.expose().is_empty() => return None,
        Ok(Some(_)) => true,
        // It is set, only its value is not known.
        Err(_) if environment.variables.contains_key(name) => return None,
        Err(why) => {
            out.skip(&why.about(name));
            return None;
        }
        Ok(None) => false,
    };
    // pydantic-settings looks a field up without regard to case.
    let folded = reader == Some(Reader::Pydantic)
        && lookups.folded.contains(name.to_ascii_lowercase().as_str());
    if folded || lookups.dropped.contains(name) {
        return None;
    }
    let files = match app.release.code.files.of(name, span.file, reader) {
        InFiles::Set => return None,
        InFiles::Unknown(why) => {
            out.skip(&why.about(name));
            return None;
        }
        InFiles::NotThere(why) if app.processes.ok().is_none() => {
            out.skip(&why.about(name));
            return None;
        }
        InFiles::NotThere(_) => Vec::new(),
        InFiles::Nowhere(files) => files,
    };
    if let Some(lost) = app.environment.lost.iter().find(|lost| lost.concerns(name)) {
        return Some(told_lost(name, span, lost, out));
    }
    if let Some(unknown) = misplaced(app, name) {
        return Some(told_where(name, span, unknown, out));
    }
    if !empty && still_running_with(app, name) {
        return Some(told_at_the_next_start(app, name, span, out));
    }
    let near = lookups.nearest(app, name);
    let guess = near.as_ref().map_or_else(String::new, |(near, _)| format!(" (is {near} a typo?)"));
    let (message, cause) = if empty {
        (format!("{name} is set but empty, and the code needs it"), "needed here")
    } else {
        (
            format!(
                "no worker boots after a reload: {name} is set nowhere, but the code needs \
                 it{guess}"
            ),
            "raises without it",
        )
    };
    let finding = out
        .report(message)
        .at(span, cause)
        .at_some(near.and_then(|(_, span)| span), "nothing reads this variable")
        .help(match files.first() {
            Some(file) if !empty => format!(
                "write {name}=… into {}, which the code reads whenever a worker starts",
                file.display()
            ),
            _ => help(app, name),
        })
        .subject(name);
    for file in files.iter().take(FILES) {
        finding.evidence(EvidenceKind::File, format!("{} does not set it", file.display()));
    }
    if empty {
        finding.severity(Severity::Warning);
    }
    Some(finding)
}

/// Has the master that runs a variable that nothing sets any more? Workers inherit it at a reload.
fn still_running_with(app: &App, name: &str) -> bool {
    let master = app.processes.ok().and_then(|processes| processes.masters.last());
    let environment = master.and_then(|master| master.environment.ok());
    environment.is_some_and(|environment| environment.has(name))
}

/// Taken out of its file, or set by `systemctl set-environment`, which ends with systemd.
fn told_at_the_next_start<'s>(
    app: &App,
    name: &str,
    span: Span,
    out: &'s mut Sink,
) -> &'s mut Finding {
    if let Some(path) = changed_since_the_start(app) {
        return out
            .report(format!(
                "the next start takes the site down: the code needs {name}, which gunicorn's master \
                 still has, and no file sets it any more"
            ))
            .at(span, "raises without it")
            .evidence(
                EvidenceKind::File,
                format!("{} was changed after gunicorn started", path.display()),
            )
            .help(help(app, name))
            .subject(name);
    }
    out.report(format!(
        "after the next boot no worker starts: the code needs {name}, which gunicorn's master was \
         started with, and no file sets it"
    ))
    .severity(Severity::Warning)
    .at(span, "raises without it")
    .help(format!(
        "{}\nif `systemctl show-environment` lists {name}: what `systemctl set-environment` sets is \
         lost at a boot",
        help(app, name)
    ))
    .subject(name)
}

/// An environment file that is younger than the master, so that a line may have been taken out of it.
fn changed_since_the_start(app: &App) -> Option<&std::path::Path> {
    let master = app.processes.ok()?.masters.last()?;
    let started = *master.process.started.ok()?;
    let files = app.environment.files.iter().flat_map(|file| &file.places);
    let younger = |place: &&Place| place.metadata().is_some_and(|found| found.mtime > started);
    files.filter(younger).map(|place| place.path.as_path()).next()
}

/// The name of the configuration file that gunicorn ignores and that sets it, `env = {…}`.
fn misplaced<'a>(app: &'a App, name: &str) -> Option<&'a UnknownName> {
    app.gunicorn.settings.unknown_names.iter().find(|unknown| {
        unknown.did_you_mean == "raw_env" && unknown.variables.iter().any(|set| set == name)
    })
}

fn told_where<'s>(
    name: &str,
    span: Span,
    unknown: &UnknownName,
    out: &'s mut Sink,
) -> &'s mut Finding {
    let written = &unknown.name.value;
    out.report(format!(
        "no worker boots after a reload: the code needs {name}, but `{written}` does not set it, \
         because gunicorn's setting is raw_env"
    ))
    .at(span, "raises without it")
    .at(unknown.name.span, "gunicorn ignores this")
    .help(format!(
        "write raw_env = [\"{name}=…\"] in the configuration file: a list, not a dictionary"
    ))
    .by_hand(Some(unknown.name.span))
    .subject(name)
}

/// A line of the unit was meant to set it, and does not: U141 repairs the line.
fn told_lost<'s>(
    name: &str,
    span: Span,
    lost: &LostAssignment,
    out: &'s mut Sink,
) -> &'s mut Finding {
    let (why, note) = match lost.kind {
        LossKind::Specifier => (
            "systemd drops the assignment for a `%` in it".to_owned(),
            "`%` starts a specifier; write `%%` for a percent sign",
        ),
        LossKind::Unclosed => (
            "its quotes do not close, or it has an invalid escape".to_owned(),
            "systemd ignores the rest of the line",
        ),
        _ => (
            format!("it is part of the value of {}", lost.name),
            "one pair of quotes makes one assignment",
        ),
    };
    out.report(format!(
        "no worker boots after a reload: the code needs {name}, but the line that should set it \
         does not: {why}"
    ))
    .at(span, "raises without it")
    .at(lost.span, note)
    .help(
        "Correct the line as U141 says, then restart the unit: a reload keeps the old \
           environment",
    )
    .subject(name)
}

/// What a file has and loses. E401 or E404 says so, where it can be repaired.
fn dropped(app: &App) -> HashSet<&str> {
    let mut found = HashSet::new();
    for read in app.environment.read_files() {
        found.extend(read.content.ignored.iter().filter_map(|line| line.name.as_deref()));
        for assignment in &read.content.assignments {
            if assignment.is_unbalanced() || !assignment.joining().is_empty() {
                found.extend(assignment.swallowed.iter().map(|name| name.value.as_str()));
            }
        }
    }
    found
}
