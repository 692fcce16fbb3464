use std::path::{Path, PathBuf};

use crate::facts::environment::{Lookup, SetVariable};
use crate::facts::gunicorn::{Layer, SettingValue};
use crate::facts::place::tidy;
use crate::facts::release::{Resolution, SearchEntry, SearchReason};
use crate::facts::{App, Known, Place, Why};
use crate::rule::prelude::Span;
use crate::rule::{Edit, EvidenceKind, Finding, Safety, Severity, Sink, Value};

crate::rule! {
    /// After a deployment moves the release link, a reload serves the old release and returns 0.
    ///
    /// systemd resolves `WorkingDirectory=/srv/myapp/current` once, at the start, and gunicorn puts
    /// its current directory on `sys.path`: `releases/A`, not `current`. PWD is not set in a
    /// service. So when `current` moves to B and SIGHUP makes new workers, they import A again.
    /// This was measured on gunicorn 20.1, 23 and 27, and also holds for `python -m gunicorn`; with
    /// `-c current/gunicorn.conf.py` you even get A's code with B's configuration.
    ///
    /// The following do follow the link: `--chdir /srv/myapp/current` (or `chdir=` in the
    /// configuration file), `--pythonpath`, `Environment=PWD=/srv/myapp/current`, or `cd` to the
    /// link in a shell before `exec gunicorn`. PYTHONPATH does not: it comes after that directory
    /// on `sys.path` (measured on 20.1, 23 and 27). It even undoes `--chdir` to the same directory,
    /// because gunicorn puts that first only if it is not on the path yet. With `--preload` nothing
    /// follows the link (G203).
    ///
    /// By hand: add `--chdir /srv/myapp/current` to `ExecStart=` and
    /// `Environment=PWD=/srv/myapp/current` to `[Service]`, `systemctl daemon-reload`, and restart
    /// once: the running master has neither. `--chdir` alone serves the new release too, but on
    /// each reload gunicorn passes through the directory it was started in: the first reload after
    /// that release was pruned ends it (measured, P506). And modules that the new release no longer
    /// has are still found in the old one. With PWD, gunicorn takes the link for the directory it
    /// was started in.
    ///
    /// If only the unit's file was read, it is not known whether `current` is a link, so this is a
    /// warning.
    ///
    /// Proved by `python-path`: after the link moved, the reload returned 0 and the old
    /// release went on answering every request; with `--pythonpath` the new one answered.
    ///
    /// Proved by `python-path-and-chdir`: with `--chdir` through the link and the same
    /// directory in PYTHONPATH the reload returned 0 and the old release went on answering every
    /// request; without PYTHONPATH the new one answered.
    ///
    /// Proved by `reload-keeps-old-release`: after the link moved, the reload returned 0
    /// and the old release went on answering every request.
    ///
    /// ```ini,bad
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```ini,fixed
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// Environment=PWD=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --chdir /srv/myapp/current --workers 3 \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    ///
    /// ```env,bad
    /// SECRET_KEY=8f3a
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// PYTHONPATH=/srv/myapp/current
    /// ```
    /// ```env,fixed
    /// SECRET_KEY=8f3a
    /// DATABASE_URL=sqlite:////srv/myapp/shared/myapp.db
    /// ```
    /// ```ini,good
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// Environment=PWD=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```ini,good
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --pythonpath /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    U113 "reload-keeps-old-release" {
        severity: Error, impact: StaleRelease, fix: Some(Safe), item: ReleasePath, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    // Nothing reloads gunicorn then: `systemctl reload` refuses, which is U101's, and a restart
    // serves the new release.
    let service = &app.service;
    let reloads = !service.unit.list("Service", "ExecReload").is_empty()
        || service.kind().ok().is_none_or(|kind| kind == "notify-reload");
    if !reloads && service.whole().is_ok() {
        return Ok(());
    }
    let Some(place) = app.service.working_directory.get()? else { return Ok(()) };
    if let Known::Unknown(why) = &place.state {
        return by_name(app, place, why, out);
    }
    let Some(link) = &app.release.link else { return Ok(()) };
    // Another link, on the way of something else than the working directory.
    if !place.links.iter().any(|hop| hop.link == link.path) || *app.release.follows_link.get()? {
        return Ok(());
    }
    // An application that is installed into the environment does not come from the link at all.
    if let Some(application) = app.release.code.application.ok()
        && let Resolution::File(file) = &application.resolution
        && !file.starts_with(&link.resolved)
        && !file.starts_with(&link.path)
    {
        return Ok(());
    }
    let (from, to) = (link.path.display(), link.target.display());
    // PYTHONPATH may name it all the same.
    let nothing = match app.release.search_path.ok().is_some_and(|entries| {
        entries.iter().any(|entry| entry.place.links.iter().any(|hop| hop.link == link.path))
    }) {
        true => "PYTHONPATH comes after the directory itself",
        false => "nothing puts the link on sys.path",
    };
    let message =
        format!("after {from} moves, a reload keeps serving {to} and returns 0: {nothing}");
    report(app, &place.path, message, Severity::Error, out)
        .evidence(EvidenceKind::File, format!("{from} -> {to}"));
    Ok(())
}

/// The path down to a component called `current`.
fn custom_link(path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .find(|part| part.file_name().is_some_and(|name| name == "current"))
        .map(Path::to_path_buf)
}

/// Where the links of the path were not read: by the name alone.
fn by_name(app: &App, place: &Place, why: &Why, out: &mut Sink) -> Result<(), Why> {
    let Some(link) = custom_link(&place.path) else { return Err(why.clone()) };
    if follows_by_name(app, place, &link)? {
        return Ok(());
    }
    let message = format!(
        "if {} is a link to a release (the path was not read), a reload keeps serving the old \
         release after the link moves: nothing in the unit puts the link on sys.path",
        link.display()
    );
    report(app, &place.path, message, Severity::Warning, out);
    Ok(())
}

fn follows_by_name(app: &App, place: &Place, link: &Path) -> Result<bool, Why> {
    let through = |path: &Path| path.starts_with(link);
    let launch = app.gunicorn.launch.get()?;
    if let Some(word) = &launch.working_directory {
        let Some(text) = word.value() else {
            return Err(Why::not_understood("the directory that a shell changes to is not known"));
        };
        // `cd` keeps the link's name in PWD; a relative one starts at the resolved directory.
        if through(Path::new(text)) {
            return Ok(true);
        }
    }
    let seen = |name: &str| app.environment.seen_by_gunicorn(Some(launch), name).ok().flatten();
    if seen("PWD")
        .is_some_and(|pwd| pwd.value.expose_str().is_some_and(|text| through(Path::new(text))))
    {
        return Ok(true);
    }
    for name in ["chdir", "pythonpath"] {
        let settings = &app.gunicorn.settings;
        match settings.get(name) {
            Known::Value(SettingValue::Text(text), _)
                if text.split(',').any(|part| through(Path::new(part))) =>
            {
                return Ok(true);
            }
            // A file that is named, and that was not given, may well set it; so may words of the
            // command line that are not known. The unnamed gunicorn.conf.py in the directory
            // itself, which may be there or not, is left to the message's "if".
            Known::Unknown(why)
                if settings.layer(name) > Some(Layer::ConfigFile)
                    || settings.layer("config") > Some(Layer::ConfigFile) =>
            {
                return Err(why);
            }
            _ => {}
        }
    }
    Ok(seen("PYTHONPATH").is_some_and(|set| {
        let text = set.value.expose_str().unwrap_or_default();
        text.split(':').map(Path::new).any(|part| {
            // After the working directory itself, which is found first.
            through(part) && part != place.path
        })
    }))
}

fn report<'s>(
    app: &App,
    path: &Path,
    message: String,
    severity: Severity,
    out: &'s mut Sink,
) -> &'s mut Finding {
    let path = tidy(path).display().to_string();
    let chdir = app.gunicorn.settings.get("chdir");
    let wanted = wanted(app, Path::new(&path));
    let path = wanted.as_ref().map_or(path, |path| path.display().to_string());
    let program = app.gunicorn.launch.ok().and_then(|launch| launch.gunicorn.as_ref());
    let start = app.service.exec_start.last().map(|command| command.line.span);
    let command = program.map(|word| word.span).or(start);
    let shown = command.map_or_else(|| path.clone(), |at| text_at(app, at, &path));
    let given = match chdir.ok() {
        Some(SettingValue::Text(text)) if *text == path => Chdir::Right,
        _ if wanted.is_some() => Chdir::Wanted,
        _ => Chdir::NotKnown,
    };
    let repair = repair(app, &path, &shown, given);
    let draft = out.report(message).severity(severity);
    let finding = match chdir.span() {
        Some(span) if given == Chdir::Right => draft.at(
            span,
            "not put first, because it is on the \
                                                               path already",
        ),
        Some(span) => draft.at(span, "does not go through the link"),
        None => draft.at_some(command, format!("no --chdir {shown}")),
    };
    finding.at_known(&app.service.working_directory, "resolved once, at startup");
    if let Some(variable) = in_python_path(app, Path::new(&path)) {
        finding.at_some(variable.span, "this keeps gunicorn from putting --chdir first");
    }
    let edits = repair.edits.unwrap_or_default();
    finding
        .help(repair.help)
        .by_hand(command)
        .fix_if(Safety::Safe, repair.title, edits)
        // As long as the code stays the old one, so may the settings.
        .uncovers_rules(&["G213"]);
    finding
}

/// gunicorn's `chdir` next to what it should be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chdir {
    /// It goes through the link already.
    Right,
    /// It is to be another, which is known.
    Wanted,
    /// Which it is to be is for a person to say.
    NotKnown,
}

/// What puts the link on sys.path.
struct LinkRepair {
    title: String,
    help: String,
    /// None where a person has to make it.
    edits: Option<Vec<Edit>>,
}

fn repair(app: &App, path: &str, shown: &str, chdir: Chdir) -> LinkRepair {
    let (mut titles, mut lines) = (Vec::new(), Vec::new());
    // One that cannot be made leaves all to a person.
    let mut edits: Vec<Option<Edit>> = Vec::new();
    if chdir != Chdir::Right {
        titles.push(format!("--chdir {shown}"));
        lines.push(format!("Add to gunicorn's options in ExecStart=:\n--chdir {shown}"));
        edits.push(edit(app, path).filter(|_| chdir == Chdir::Wanted));
        if let Some((value, line)) = pwd(app) {
            titles.push(format!("PWD={value}"));
            lines.push(format!("and to [Service]:\nEnvironment=PWD={value}"));
            edits.push(Some(line));
        }
    }
    if in_python_path(app, Path::new(path)).is_some() {
        titles.push("remove PYTHONPATH".to_owned());
        lines.push(format!(
            "Remove {path} from PYTHONPATH: while it is there, gunicorn does not put it first."
        ));
        edits.push(line_of(app, path).map(Edit::remove));
    }
    if titles.is_empty() {
        // Something else is in the way, and that is for a person to find.
        titles.push(format!("put --chdir {shown} first on sys.path"));
        edits.push(None);
    }
    LinkRepair {
        title: titles.join(", and "),
        help: lines.join("\n"),
        edits: edits.into_iter().collect(),
    }
}

/// Lets gunicorn take the link for the directory that it was started in, where nothing else names
/// it: what PWD is to be, and the line for it.
fn pwd(app: &App) -> Option<(String, Edit)> {
    let launch = app.gunicorn.launch.ok()?;
    // A shell's `cd` sets it; `env -i` would take it away again.
    if launch.working_directory.is_some()
        || launch.cleared
        || !matches!(app.environment.lookup("PWD"), Lookup::Unset)
    {
        return None;
    }
    let unit = &app.service.unit;
    let directory = unit.last("Service", "WorkingDirectory")?.span;
    let path = app.service.working_directory.ok()?.as_ref()?.path.to_str()?.to_owned();
    // Behind the last one, which may take back what is before it.
    let at = unit.all("Service", "Environment").last().map_or(directory, |last| last.span);
    let value = text_at(app, at, &path);
    super::plain(&path).then(|| {
        let line = format!("Environment=PWD={value}");
        (value, Edit::After { at, line })
    })
}

/// A path as it is to be written at a place: in a unit's file as the working directory's own line
/// has it, whose `%i` is another one for each instance.
fn text_at(app: &App, at: Span, path: &str) -> String {
    let unit = &app.service.unit;
    let leads_there = match app.service.working_directory.ok() {
        Some(Some(place)) => tidy(&place.path) == Path::new(path),
        _ => false,
    };
    let written = unit.last("Service", "WorkingDirectory").map(|line| line.value.as_str());
    // `-`: systemd goes on where the directory is not there.
    match written.map(|text| text.strip_prefix('-').unwrap_or(text)) {
        Some(text)
            if leads_there
                && text.contains('%')
                && super::plain(&text.replace('%', ""))
                && unit.files().any(|file| file.file.id == at.file) =>
        {
            text.to_owned()
        }
        _ => path.to_owned(),
    }
}

/// PYTHONPATH, where it names the directory.
fn in_python_path(app: &App, directory: &Path) -> Option<SetVariable> {
    let is_it = |entry: &SearchEntry| {
        entry.reason == SearchReason::PythonpathVariable && entry.place.path == directory
    };
    app.release.search_path.ok().filter(|entries| entries.iter().any(is_it))?;
    app.environment.seen_by_gunicorn(app.gunicorn.launch.ok(), "PYTHONPATH").ok()?
}

/// The line of an environment file that sets PYTHONPATH to this directory and nothing else, if no
/// other line sets it.
fn line_of(app: &App, directory: &str) -> Option<Span> {
    let lines = app.environment.read_files().flat_map(|file| &file.content.assignments);
    let mut lines = lines.filter(|line| line.name.value == "PYTHONPATH");
    let line = lines.next().filter(|line| line.value.expose_str() == Some(directory))?;
    let set = app.environment.seen_by_gunicorn(app.gunicorn.launch.ok(), "PYTHONPATH").ok()??;
    (set.span == Some(line.name.span) && lines.next().is_none()).then_some(line.span)
}

/// The directory through the link: the working directory's name, or where gunicorn changes to now.
fn wanted(app: &App, path: &Path) -> Option<PathBuf> {
    let settings = &app.gunicorn.settings;
    if !settings.get("chdir").is_set() {
        return Some(path.to_path_buf());
    }
    let now = settings.chdir();
    let now = now.ok()?;
    match &app.release.link {
        Some(link) => Some(tidy(&link.path.join(now.strip_prefix(&link.resolved).ok()?))),
        None => now.starts_with(path).then(|| now.clone()),
    }
}

/// It goes in place of the one that is given, else right behind gunicorn.
fn edit(app: &App, path: &str) -> Option<Edit> {
    if !super::plain(path) {
        return None;
    }
    let literal = Value::Text(path.to_owned());
    let edit = match Edit::setting(app, "chdir", literal.clone()) {
        Ok(edit) => edit,
        // The command line beats all but itself.
        Err(_) if app.gunicorn.settings.layer("chdir") == Some(Layer::CommandLine) => return None,
        Err(_) => Edit::argument(app, "chdir", literal).ok()?,
    };
    match (edit.place().map(|at| text_at(app, at, path)), edit) {
        (Some(text), Edit::Setting { name, at, .. }) if text != path => {
            Some(Edit::Setting { name, to: Value::OfUnit(text), at })
        }
        (_, edit) => Some(edit),
    }
}
