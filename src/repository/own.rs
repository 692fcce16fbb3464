//! What belongs to one unit alone: gunicorn's configuration file, the environment files, the
//! application and its requirements.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::units::{AppUnit, read};
use super::{Contents, Survey, best, kind, listed, together};
use crate::facts::{App, Bound, Given};
use crate::host::tidy;
use crate::source::gunicorn::ApplicationName;
use crate::source::placeholder::{self, plain_name};
use crate::source::similar::nearest;
use crate::source::{Sources, requirements};

/// The production half of a directory of requirements, as it is commonly named.
const PRODUCTION: [&str; 2] = ["requirements/production.txt", "requirements/prod.txt"];

/// Where a unit's files are looked for.
pub(super) struct Here<'c> {
    pub contents: &'c Contents,
    /// The environment files that belong to no other unit of its name.
    pub environment: &'c [PathBuf],
    /// No other unit runs gunicorn on the same host.
    pub sole: bool,
}

/// Finds them by what the unit says, and with them where gunicorn listens. `base` are the units and
/// sockets of its host.
pub(super) fn join(
    sources: &Sources,
    here: &Here,
    unit: &AppUnit,
    base: &Given,
    survey: &mut Survey,
) -> (Given, Vec<Bound>) {
    let contents = here.contents;
    let mut own = Given { units: vec![unit.path.clone()], ..Given::default() };
    let deployment = read(sources, base.clone());
    let Some(app) = named(&deployment.apps, unit) else { return (own, Vec::new()) };
    own.gunicorn_conf = gunicorn_conf(sources, contents, unit, app, survey);
    own.gunicorn_conf_near =
        own.gunicorn_conf.is_none().then(|| conf_near(contents, app)).flatten();
    own.env_files = environment(here, unit, app, survey);
    let mut given = base.clone();
    given.each.push(own.clone());
    // What gunicorn imports may be in the configuration file.
    let mut deployment = read(sources, given.clone());
    let Some(app) = named(&deployment.apps, unit) else { return (own, Vec::new()) };
    match app_dir(contents, unit, app) {
        Ok(AppDir { directory, file, is_named }) => {
            let how = if is_named { "what" } else { "the closest match to what" };
            let why = format!("{} is {how} gunicorn loads", file.display());
            survey.take(&directory, "application", Some(&unit.path), Some(why));
            own.requirements = required(sources, contents, unit, &directory, survey);
            let implicit = tidy(&directory.join("gunicorn.conf.py"));
            own.app_dir = Some(directory);
            // gunicorn finds this one by itself. The application's code is not read for it.
            let unnamed = app
                .gunicorn
                .config
                .ok()
                .is_none_or(|config| config.as_ref().is_none_or(|config| config.implicit));
            if unnamed && own.gunicorn_conf.is_none() && contents.files.contains(&implicit) {
                given.each.retain(|one| one.units != own.units);
                given.each.push(Given {
                    gunicorn_conf: Some(implicit),
                    app_dir: None,
                    ..own.clone()
                });
                deployment = read(sources, given);
            }
        }
        Err(why) => own.app_dir_unknown = Some(why),
    }
    let bounds = named(&deployment.apps, unit).map_or(&[][..], bounds).to_vec();
    (own, bounds)
}

fn named<'d>(apps: &'d [App], unit: &AppUnit) -> Option<&'d App> {
    apps.iter().find(|app| app.service.unit.path == unit.path)
}

/// How many names two paths share from the end on, templates by the name of what they make.
fn tail(deployed: &Path, here: &Path) -> usize {
    let last = deployed.file_name().is_some_and(|name| name == plain_name(here).as_str());
    let rest = |path: &Path| -> Vec<_> {
        let parent = path.parent().unwrap_or(Path::new(""));
        parent.components().rev().map(|part| part.as_os_str().to_owned()).collect()
    };
    let (deployed, here) = (rest(deployed), rest(here));
    let above = deployed.iter().zip(&here).take_while(|(a, b)| a == b).count();
    if last { 1 + above } else { 0 }
}

/// The file that `-c` names, which on the host is elsewhere.
fn gunicorn_conf(
    sources: &Sources,
    contents: &Contents,
    unit: &AppUnit,
    app: &App,
    survey: &mut Survey,
) -> Option<PathBuf> {
    let Some(Some(config)) = app.gunicorn.config.ok() else { return None };
    if config.implicit || config.file.is_some() {
        return None;
    }
    let wanted = &config.place.path;
    let candidates = contents.files.iter().filter(|file| tail(wanted, file) > 0);
    let fits = |file: &Path| (tail(wanted, file), together(&unit.path, file));
    match best(candidates, fits) {
        Ok(None) => None,
        Ok(Some(file)) => {
            let text = sources.load(file).ok()?;
            let template = file.extension().is_none_or(|ending| ending != "py");
            if template && placeholder::holds(&String::from_utf8_lossy(&text.bytes)) {
                survey.leave(file, "a template with placeholders cannot be read as Python");
                return None;
            }
            let why = Some(format!("the unit names {}", wanted.display()));
            survey.take(file, "gunicorn's configuration", Some(&unit.path), why);
            Some(file.clone())
        }
        Err(alike) => {
            let all = listed(alike.iter().copied());
            for file in alike {
                let wanted = wanted.display();
                let unit = unit.path.display();
                survey.leave(file, format!("{unit} names {wanted}, and {all} match equally well"));
            }
            None
        }
    }
}

/// The file that was probably meant by `-c`, where none here has its name: of the checkout itself,
/// to which a relative name leads, and a typo away.
fn conf_near(contents: &Contents, app: &App) -> Option<PathBuf> {
    let Some(Some(config)) = app.gunicorn.config.ok() else { return None };
    if config.implicit || config.file.is_some() {
        return None;
    }
    let started = app.service.working_directory.ok()?.as_ref()?;
    let inside = config.place.path.strip_prefix(&started.path).ok()?.to_string_lossy();
    let names = contents.files.iter().filter(|file| file.extension().is_some_and(|e| e == "py"));
    let shown = |file: &PathBuf| {
        let file = file.strip_prefix(&contents.directory).unwrap_or(file);
        file.to_string_lossy().into_owned()
    };
    let names: Vec<String> = names.map(shown).collect();
    let has_it = names.iter().any(|name| Path::new(name).ends_with(&*inside));
    let like = |name: &&str| name.contains("conf");
    let near = nearest(&inside, names.iter().map(String::as_str).filter(like))?;
    (!has_it).then(|| tidy(&contents.directory.join(near)))
}

/// The files that stand for those that `EnvironmentFile=` names: by their name, or the only one
/// for the only line.
fn environment(here: &Here, unit: &AppUnit, app: &App, survey: &mut Survey) -> Vec<PathBuf> {
    let lines: Vec<_> = app
        .environment
        .files
        .iter()
        .filter(|file| file.directive.is_some() && !file.ignored)
        .collect();
    let mut found = Vec::new();
    for line in &lines {
        let wanted = line.path.ok();
        let name = wanted.and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
        let named = |file: &&PathBuf| name.as_deref() == Some(plain_name(file).as_str());
        let exact = |file: &Path| file.file_name().map(|name| name.to_string_lossy()) == name;
        let candidates = here.environment.iter().filter(named);
        let said = wanted.map_or("a file".to_owned(), |path| path.display().to_string());
        match best(candidates, |file| (together(&unit.path, file), exact(file))) {
            Ok(Some(file)) => {
                let why = Some(format!("the unit names {said}"));
                survey.take(file, "environment file", Some(&unit.path), why);
                found.push(file.clone());
            }
            Ok(None) => match here.environment {
                [only] if here.sole && lines.len() == 1 => {
                    let why = format!(
                        "the unit names {said}, and this is the only file of that \
                                       kind here"
                    );
                    survey.take(only, "environment file", Some(&unit.path), Some(why));
                    found.push(only.clone());
                }
                _ => {}
            },
            Err(alike) => {
                let all = listed(alike.iter().copied());
                for file in alike {
                    let unit = unit.path.display();
                    survey
                        .leave(file, format!("{unit} names {said}, and {all} match equally well"));
                }
            }
        }
    }
    found
}

/// Where an application is.
struct AppDir {
    /// The directory from which gunicorn can import it.
    directory: PathBuf,
    /// The module's file.
    file: PathBuf,
    /// Does it have the name that gunicorn loads, and not one that is like it?
    is_named: bool,
}

/// The directory from which gunicorn can import the application, and the module's file; why there
/// is none, or not one.
fn app_dir(contents: &Contents, unit: &AppUnit, app: &App) -> Result<AppDir, String> {
    let text = app.gunicorn.settings.wsgi_app();
    let text = text.get().map_err(|why| {
        format!(
            "the application that gunicorn loads is not known: \
         {why}"
        )
    })?;
    let module = ApplicationName::parse(text).module;
    // `./app.py` and `app.app` are told where they are; the file that is meant is here.
    if let Some(found) = misspelt(contents, &module) {
        return Ok(found);
    }
    let is_name = |c: char| c.is_alphanumeric() || "._-".contains(c);
    // What is not a name at all is in no file anywhere, wherever one looks.
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let no_name = module.contains('/') || module.split('.').next().is_some_and(number);
    if no_name && !placeholder::holds_in_path(&module) {
        let directory = PathBuf::from(".");
        return Ok(AppDir { file: directory.clone(), directory, is_named: false });
    }
    if module.is_empty() || !module.chars().all(is_name) {
        return Err("the application that gunicorn loads is not a module name".to_owned());
    }
    let path = module.replace('.', "/");
    let forms = [format!("{path}.py"), format!("{path}/__init__.py")];
    let below = |file: &PathBuf| {
        let depth = forms.iter().find(|form| file.ends_with(form))?.split('/').count();
        let directory = file.ancestors().nth(depth)?;
        let inside = directory.strip_prefix(&contents.directory).unwrap_or(directory);
        kind::aside(&inside.join("x")).is_none().then(|| directory.to_path_buf())
    };
    let directories: Vec<PathBuf> = contents.files.iter().filter_map(below).collect();
    let started = app.gunicorn.settings.chdir();
    let fits = |directory: &Path| {
        let by_name = started.ok().map_or(0, |started| tail(started, directory));
        (by_name, together(&unit.path, &directory.join("x")))
    };
    let mut unique = directories;
    unique.sort_by_key(|directory| Reverse(directory.clone()));
    unique.dedup();
    match best(&unique, fits) {
        Ok(Some(directory)) => {
            let is_there = |form: &&String| contents.files.contains(&directory.join(form.as_str()));
            let form = forms.iter().find(is_there).unwrap_or(&forms[0]);
            let (directory, file) = (shown(directory), directory.join(form));
            Ok(AppDir { directory, file, is_named: true })
        }
        Ok(None) => match module_near(contents, &module) {
            Some((directory, file)) => {
                Ok(AppDir { directory: shown(&directory), file, is_named: false })
            }
            None => Err(format!("{module}, which gunicorn loads, is in no file here")),
        },
        Err(alike) => {
            let all: Vec<PathBuf> = alike.into_iter().map(|directory| shown(directory)).collect();
            Err(format!("{module}, which gunicorn loads, is in {}", listed(&all)))
        }
    }
}

/// A module that is named by its file, or with its attribute behind a dot.
fn misspelt(contents: &Contents, module: &str) -> Option<AppDir> {
    let has = |path: &str| {
        contents.files.iter().find(|file| file.ends_with(path) && kind::aside(file).is_none())
    };
    if has(&format!("{}.py", module.replace('.', "/"))).is_some() {
        return None;
    }
    let as_file = module.trim_start_matches("./");
    let as_file = as_file.ends_with(".py").then(|| as_file.to_owned());
    let with_attribute = || {
        let (module, _) = module.rsplit_once('.')?;
        Some(format!("{}.py", module.replace('.', "/")))
    };
    let path = as_file.or_else(with_attribute)?;
    let file = has(&path)?;
    let up = path.split('/').count();
    let directory = shown(file.ancestors().nth(up)?);
    Some(AppDir { directory, file: file.clone(), is_named: false })
}

/// A directory as one writes it: the one where one is is `.`.
fn shown(directory: &Path) -> PathBuf {
    match directory.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => directory.to_path_buf(),
    }
}

/// The module that was probably meant by a name that no file here has, and the directory to import it
/// from; `None` if several are like it.
fn module_near(contents: &Contents, module: &str) -> Option<(PathBuf, PathBuf)> {
    let depth = module.split('.').count();
    let mut named: BTreeMap<String, Vec<&PathBuf>> = BTreeMap::new();
    for file in contents.files.iter().filter(|file| kind::aside(file).is_none()) {
        let Some(stem) = file.to_str().and_then(|text| text.strip_suffix(".py")) else { continue };
        let parts: Vec<&str> = stem.trim_end_matches("/__init__").split('/').collect();
        let Some(from) = parts.len().checked_sub(depth) else { continue };
        named.entry(parts[from..].join(".")).or_default().push(file);
    }
    let near = nearest(module, named.keys().map(String::as_str))?;
    let [file] = named.get(near)?.as_slice() else { return None };
    let up = depth + usize::from(file.ends_with("__init__.py"));
    Some((file.ancestors().nth(up)?.to_path_buf(), file.to_path_buf()))
}

/// The requirements: next to the application, or in the nearest directory above it. Returned only
/// where they would not be found there.
fn required(
    sources: &Sources,
    contents: &Contents,
    unit: &AppUnit,
    app_dir: &Path,
    survey: &mut Survey,
) -> Option<PathBuf> {
    let here = if app_dir == Path::new(".") { Path::new("") } else { app_dir };
    for directory in here.ancestors().filter(|above| {
        above.starts_with(&contents.directory) || contents.directory == Path::new(".")
    }) {
        let found = requirements::find(sources.host(), directory).ok().flatten();
        let listed = |path: &PathBuf| contents.files.contains(path);
        let production = || PRODUCTION.iter().map(|name| directory.join(name)).find(listed);
        if let Some(path) = found.filter(listed).or_else(production) {
            survey.take(&path, "requirements", Some(&unit.path), None);
            return Some(path);
        }
    }
    None
}

/// Where it listens, as far as that is known.
fn bounds(app: &App) -> &[Bound] {
    app.gunicorn.bounds.ok().map_or(&[], Vec::as_slice)
}
