//! Django settings that decide whether the project answers a request that nginx passes on.

use std::path::{Path, PathBuf};

use super::super::environment::as_lookup;
use super::super::place::tidy;
use super::super::server::{Gunicorn, opened_by};
use super::super::{Environment, Known, Place, Why};
use super::{Code, Resolution, SearchEntry};
use crate::host::{HostErrorKind, Outcome};
use crate::source::python::evaluate::{self, FileText, FromImport, Surroundings, TakenModule};
use crate::source::python::{self, ConfigFile, ConfigValue, PythonVersion};
use crate::source::{Lookup, Sources, Spanned};

/// How a Django project uses a request's headers.
#[derive(Debug)]
pub struct Django {
    /// `ALLOWED_HOSTS`.
    pub allowed_hosts: Known<Vec<String>>,
    /// Is `CommonMiddleware` in `MIDDLEWARE`, which asks each request for its host?
    pub asks_host: Known<bool>,
    /// `SECURE_SSL_REDIRECT`.
    pub ssl_redirect: Known<bool>,
    /// Is every request that did not come by https redirected to https at the same host, with nothing
    /// exempt, and read from no other header than `X-Forwarded-Proto`?
    pub insists_on_https: Known<bool>,
    /// `USE_X_FORWARDED_HOST`.
    pub forwarded_host: Known<bool>,
    /// `DEBUG`.
    pub debug: Known<bool>,
    /// `ENGINE` of the default database.
    pub engine: Known<String>,
    /// `NAME` of the default database, where that is SQLite's file.
    pub sqlite: Known<Option<PathBuf>>,
    /// The files that handlers of `LOGGING` open when Django starts.
    pub log_files: Vec<Spanned<String>>,
    /// `STATIC_ROOT`, which `collectstatic` copies to; `None` if it is not set.
    pub static_root: Known<Option<PathBuf>>,
    /// The manifest that its storage of static files reads: `staticfiles.json` in `STATIC_ROOT`. `None` if
    /// the storage reads none, or does so only where debug mode is off.
    pub static_manifest: Known<Option<Place>>,
    /// `STATIC_URL`, as it is written.
    pub static_url: Known<Option<String>>,
    /// `MEDIA_ROOT`, where Django's own storage saves uploads; `None` if it is not set, or if another
    /// storage has them.
    pub media_root: Known<Option<PathBuf>>,
    /// `MEDIA_URL`, as it is written.
    pub media_url: Known<Option<String>>,
    /// Is Django's admin among the applications, and are its files served as they are?
    pub admin: Known<bool>,
    /// Does its code mention serving static files by itself?
    pub serves_statics: bool,
}

/// Stands for the working directory in a path of a setting, where files are named from there.
pub(super) const HERE: &str = "/(here)";

/// The settings, where the application is Django's.
pub(super) fn read(
    sources: &Sources,
    gunicorn: &Gunicorn,
    environment: &Environment,
    code: &Code,
    search_path: &[SearchEntry],
) -> Option<Django> {
    let Resolution::File(path) = &code.application.ok()?.resolution else { return None };
    let file = sources.load(path).ok()?;
    let text = String::from_utf8_lossy(&file.bytes);
    if !text.contains("django") {
        return None;
    }
    let unknown = |why: &str| Django {
        allowed_hosts: Known::Unknown(Why::not_understood(why)),
        asks_host: Known::Unknown(Why::not_understood(why)),
        ssl_redirect: Known::Unknown(Why::not_understood(why)),
        insists_on_https: Known::Unknown(Why::not_understood(why)),
        forwarded_host: Known::Unknown(Why::not_understood(why)),
        debug: Known::Unknown(Why::not_understood(why)),
        engine: Known::Unknown(Why::not_understood(why)),
        sqlite: Known::Unknown(Why::not_understood(why)),
        log_files: Vec::new(),
        static_root: Known::Unknown(Why::not_understood(why)),
        static_manifest: Known::Unknown(Why::not_understood(why)),
        static_url: Known::Unknown(Why::not_understood(why)),
        media_root: Known::Unknown(Why::not_understood(why)),
        media_url: Known::Unknown(Why::not_understood(why)),
        admin: Known::Unknown(Why::not_understood(why)),
        serves_statics: true,
    };
    let Some(path) = &code.django_settings else {
        return Some(unknown("the settings module is not known"));
    };
    let Some(settings) = settings(sources, gunicorn, environment, code, search_path, path) else {
        return Some(unknown("the settings module was not read"));
    };
    let boolean = |name: &str, default: bool| match value(&settings, name) {
        Known::Value(ConfigValue::Bool(value), origin) => Known::Value(value, origin),
        // Any text is true, "False" as well.
        Known::Value(ConfigValue::Str(text), origin) => Known::Value(!text.is_empty(), origin),
        Known::Value(ConfigValue::Int(number), origin) => Known::Value(number != 0, origin),
        Known::Default(..) | Known::Observed(..) => Known::Observed(default, "Django's default"),
        Known::Value(..) => Known::Unknown(Why::not_understood(format!("{name} is not known"))),
        Known::Unknown(why) => Known::Unknown(why),
    };
    let debug = boolean("DEBUG", false);
    let static_root = text_or_path(&settings, "STATIC_ROOT").map(|root| root.map(PathBuf::from));
    Some(Django {
        allowed_hosts: match value(&settings, "ALLOWED_HOSTS") {
            Known::Value(value, origin) => match texts(&value) {
                Some(hosts) => Known::Value(hosts, origin),
                None => Known::Unknown(Why::not_understood("ALLOWED_HOSTS is not known")),
            },
            Known::Default(..) | Known::Observed(..) => {
                Known::Observed(Vec::new(), "Django's default")
            }
            Known::Unknown(why) => Known::Unknown(why),
        },
        asks_host: listed(&settings, "MIDDLEWARE", "django.middleware.common.CommonMiddleware"),
        ssl_redirect: boolean("SECURE_SSL_REDIRECT", false),
        insists_on_https: insists_on_https(&settings, boolean("SECURE_SSL_REDIRECT", false)),
        forwarded_host: boolean("USE_X_FORWARDED_HOST", false),
        static_manifest: static_manifest(sources, &settings, &debug, &static_root),
        debug,
        engine: engine(&settings),
        sqlite: sqlite(&settings),
        log_files: log_files(&settings),
        static_root,
        static_url: text_or_path(&settings, "STATIC_URL"),
        media_root: media_root(&settings),
        media_url: text_or_path(&settings, "MEDIA_URL"),
        admin: admin(&settings),
        serves_statics: serves_statics(sources, code, &settings),
    })
}

fn settings(
    sources: &Sources,
    gunicorn: &Gunicorn,
    environment: &Environment,
    code: &Code,
    search_path: &[SearchEntry],
    path: &Path,
) -> Option<ConfigFile> {
    // A repository's files are named from the working directory, and their links are git's.
    let named_from_here = !path.is_absolute();
    let variable = |name: &str| match as_lookup(environment.seen_by_application(gunicorn, name)) {
        // An example of an environment file need not name what a host sets.
        Lookup::Unset if named_from_here => {
            Lookup::Unknown(format!("whether a host sets {name} is not known"))
        }
        // `load_dotenv()`, before the settings are read.
        Lookup::Unset => match &code.open {
            Some(why) => Lookup::Unknown(why.to_string()),
            None => Lookup::Unset,
        },
        other => other,
    };
    let seen_as = |path: &Path| named_from_here.then(|| tidy(&Path::new(HERE).join(path)));
    let resolve = |path: &Path| match named_from_here {
        true => Some(path.to_path_buf()),
        false => Some(sources.host().look(path).resolved),
    };
    let taken = |import: &FromImport<'_>| {
        let found = find(sources, search_path, import);
        match found.map(|path| Some((parse(sources, &path)?, path))) {
            Ok(Some((module, path))) => TakenModule::Module(Box::new(module), seen_as(&path)),
            // What git ignores, a host may have.
            Err(NoFile::Missing) if !named_from_here => TakenModule::Missing,
            _ => TakenModule::Unknown,
        }
    };
    let module = parse(sources, path)?;
    let file = seen_as(path);
    let surroundings = Surroundings {
        variable: &variable,
        cpu_count: None,
        file: file.as_deref(),
        working_directory: named_from_here.then(|| HERE.into()),
        resolve: &resolve,
        read: &|_| FileText::Unknown("files are not read for it".into()),
        imported: &|_| None,
        taken: &taken,
    };
    Some(evaluate::evaluate(&module, &surroundings))
}

/// What serves static files from within the application.
const SERVING: [&str; 6] = [
    "whitenoise",
    "servestatic",
    "dj_static",
    "StaticFilesHandler",
    "views.static",
    "staticfiles.views",
];

fn serves_statics(sources: &Sources, code: &Code, settings: &ConfigFile) -> bool {
    let modules = code.modules.iter().map(|module| module.file);
    let settings = settings.values.iter().map(|line| line.name.span.file);
    let files: std::collections::BTreeSet<_> = modules.chain(settings).collect();
    files.into_iter().any(|id| {
        let file = sources.file(id);
        SERVING.iter().any(|word| memchr::memmem::find(&file.bytes, word.as_bytes()).is_some())
    })
}

/// A module of the settings, unless it writes into its names by other ways than assignments.
fn parse(sources: &Sources, path: &Path) -> Option<python::Module> {
    let found = sources.load(path).ok()?;
    let text = String::from_utf8_lossy(&found.bytes);
    if ["globals()", "locals()", "include("].iter().any(|way| text.contains(way)) {
        return None;
    }
    Some(python::parse(&found, PythonVersion::new(3, 13)))
}

/// Why no file of a module was found.
enum NoFile {
    /// There is none.
    Missing,
    /// It may be elsewhere.
    Unknown,
}

/// The file of the module that names are taken from.
fn find(
    sources: &Sources,
    search_path: &[SearchEntry],
    import: &FromImport<'_>,
) -> Result<PathBuf, NoFile> {
    let below = import.module.replace('.', "/");
    let importer = sources.file(import.importer).path.clone();
    let bases: Vec<PathBuf> = match import.level {
        0 => search_path.iter().map(|entry| entry.place.path.clone()).collect(),
        level => {
            importer.ancestors().nth(level as usize).map(Path::to_path_buf).into_iter().collect()
        }
    };
    for base in &bases {
        let base = base.join(&below);
        let mut name = base.clone().into_os_string();
        name.push(".py");
        for file in [base.join("__init__.py"), PathBuf::from(name)] {
            match sources.load(&file) {
                Ok(_) => return Ok(file),
                Err(error) if is_nothing(&error.kind) => {}
                Err(_) => return Err(NoFile::Unknown),
            }
        }
        // A directory without `__init__.py` is a package, too.
        match sources.host().look(&base).outcome {
            Outcome::Missing { .. } => {}
            _ => return Err(NoFile::Unknown),
        }
    }
    match import.level {
        0 => Err(NoFile::Unknown),
        _ => Err(NoFile::Missing),
    }
}

fn is_nothing(kind: &HostErrorKind) -> bool {
    matches!(kind, HostErrorKind::NotFound | HostErrorKind::NotADirectory)
}

/// A setting; what a file that was not followed may set is not known.
fn value(settings: &ConfigFile, name: &str) -> Known<ConfigValue> {
    use super::super::Origin;
    if let Some(why) = &settings.unusable {
        return Known::Unknown(Why::not_understood(why.clone()));
    }
    if let Some(raises) = &settings.raises {
        return Known::Unknown(Why::not_understood(format!("{name}: {}", raises.message)));
    }
    if let Some((why, _)) = &settings.open {
        return Known::Unknown(Why::not_understood(why.as_str()).about(name));
    }
    match settings.values.iter().find(|line| line.name.value == name) {
        Some(line) => match line.value() {
            ConfigValue::Unknown(why) => {
                Known::Unknown(Why::not_understood(why.as_str()).about(name))
            }
            value => Known::Value(value.clone(), Origin::text(line.name.span)),
        },
        None => Known::Observed(ConfigValue::None, "the settings do not name it"),
    }
}

/// A setting that is text or a path; `None` if it is not set or `None`.
fn text_or_path(settings: &ConfigFile, name: &str) -> Known<Option<String>> {
    // It is shown, and what an environment variable holds never is.
    if settings.get(name).is_some_and(|line| line.secret) {
        let why = Why::not_understood("it comes from the environment").about(name);
        return Known::Unknown(why);
    }
    match value(settings, name) {
        Known::Value(ConfigValue::Str(text) | ConfigValue::Path(text), origin) => {
            Known::Value(Some(text), origin)
        }
        Known::Value(ConfigValue::None, origin) => Known::Value(None, origin),
        Known::Value(..) => Known::Unknown(Why::not_understood(format!("{name} is not known"))),
        Known::Default(..) | Known::Observed(..) => Known::Observed(None, "Django's default"),
        Known::Unknown(why) => Known::Unknown(why),
    }
}

/// Does a list hold this text?
fn listed(settings: &ConfigFile, name: &str, wanted: &str) -> Known<bool> {
    let unknown = || Known::Unknown(Why::not_understood(format!("{name} is not known")));
    match value(settings, name) {
        Known::Value(ConfigValue::List(items), origin) => {
            let is = |item: &ConfigValue| matches!(item, ConfigValue::Str(text) if text == wanted);
            let plain = items.iter().all(|item| matches!(item, ConfigValue::Str(_)));
            match items.iter().any(is) {
                true => Known::Value(true, origin),
                false if plain => Known::Value(false, origin),
                false => unknown(),
            }
        }
        Known::Value(..) => unknown(),
        Known::Default(..) | Known::Observed(..) => Known::Observed(false, "Django's default"),
        Known::Unknown(why) => Known::Unknown(why),
    }
}

/// `SecurityMiddleware` redirects, by `SECURE_SSL_REDIRECT`.
fn insists_on_https(settings: &ConfigFile, redirect: Known<bool>) -> Known<bool> {
    const MIDDLEWARE: &str = "django.middleware.security.SecurityMiddleware";
    if redirect.ok() != Some(&true) {
        return redirect;
    }
    match listed(settings, "MIDDLEWARE", MIDDLEWARE) {
        Known::Value(true, _) => {}
        other => return other,
    }
    let elsewhere = ["SECURE_SSL_HOST", "SECURE_REDIRECT_EXEMPT"];
    if let Some(name) = elsewhere.into_iter().find(|name| settings.get(name).is_some()) {
        return Known::Unknown(Why::depends(format!("{name} is set")));
    }
    match value(settings, "SECURE_PROXY_SSL_HEADER") {
        Known::Value(ConfigValue::None, _) | Known::Default(..) | Known::Observed(..) => redirect,
        Known::Value(ConfigValue::List(items), _) if matches!(items.first(), Some(ConfigValue::Str(name)) if name == "HTTP_X_FORWARDED_PROTO") => {
            redirect
        }
        Known::Unknown(why) => Known::Unknown(why),
        Known::Value(..) => {
            Known::Unknown(Why::depends("SECURE_PROXY_SSL_HEADER names another header"))
        }
    }
}

/// `DATABASES["default"]["ENGINE"]`.
fn engine(settings: &ConfigFile) -> Known<String> {
    let unknown = || Known::Unknown(Why::not_understood("the engine of DATABASES is not known"));
    let (databases, origin) = match value(settings, "DATABASES") {
        Known::Value(value, origin) => (value, origin),
        Known::Unknown(why) => return Known::Unknown(why),
        Known::Default(..) | Known::Observed(..) => return unknown(),
    };
    match item(&databases, "default").and_then(|default| item(default, "ENGINE")) {
        Some(ConfigValue::Str(engine)) => Known::Value(engine.clone(), origin),
        _ => unknown(),
    }
}

/// `DATABASES["default"]["NAME"]` of SQLite; not what a variable holds, nor `:memory:` or a URI.
fn sqlite(settings: &ConfigFile) -> Known<Option<PathBuf>> {
    let none = || Known::Observed(None, "Django's settings");
    match engine(settings) {
        Known::Unknown(why) => return Known::Unknown(why),
        engine if engine.ok().is_some_and(|engine| engine.ends_with(".sqlite3")) => {}
        _ => return none(),
    }
    let unknown = || Known::Unknown(Why::not_understood("the database's NAME is not known"));
    if settings.get("DATABASES").is_none_or(|line| line.secret) {
        return unknown();
    }
    let Known::Value(databases, origin) = value(settings, "DATABASES") else { return unknown() };
    match item(&databases, "default").and_then(|default| item(default, "NAME")) {
        Some(ConfigValue::Str(name)) if name.contains(':') || name.is_empty() => none(),
        Some(ConfigValue::Str(name) | ConfigValue::Path(name)) => {
            Known::Value(Some(PathBuf::from(name)), origin)
        }
        _ => unknown(),
    }
}

/// The storages that look each file's name up in a manifest, and raise for one that is not listed.
const WITH_MANIFEST: [&str; 2] = [
    "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    "whitenoise.storage.CompressedManifestStaticFilesStorage",
];

/// `STORAGES["staticfiles"]` (Django 4.2 and later), where it has no options of its own.
fn static_manifest(
    sources: &Sources,
    settings: &ConfigFile,
    debug: &Known<bool>,
    static_root: &Known<Option<PathBuf>>,
) -> Known<Option<Place>> {
    let none = || Known::Observed(None, "Django's settings");
    let (storages, origin) = match value(settings, "STORAGES") {
        Known::Value(value, origin) => (value, origin),
        Known::Unknown(why) => return Known::Unknown(why),
        Known::Default(..) | Known::Observed(..) => return none(),
    };
    let Some(entry) = item(&storages, "staticfiles") else { return none() };
    let reads = match item(entry, "BACKEND") {
        Some(ConfigValue::Str(backend)) => WITH_MANIFEST.contains(&backend.as_str()),
        _ => false,
    };
    let lenient = settings.get("WHITENOISE_MANIFEST_STRICT").is_some();
    if !reads || lenient || item(entry, "OPTIONS").is_some() {
        return none();
    }
    match (debug.get(), static_root.get()) {
        (Err(why), _) | (_, Err(why)) => Known::Unknown(why),
        (Ok(false), Ok(Some(root))) if root.is_absolute() && !root.starts_with(HERE) => {
            let place = Place::look(sources.host(), &root.join("staticfiles.json"), false);
            Known::Value(Some(place), origin)
        }
        _ => none(),
    }
}

/// `MEDIA_ROOT`, unless uploads go to a storage that the settings name.
fn media_root(settings: &ConfigFile) -> Known<Option<PathBuf>> {
    const OWN: &str = "django.core.files.storage.FileSystemStorage";
    let storages = value(settings, "STORAGES");
    let named = match &storages {
        Known::Value(storages, _) => item(storages, "default"),
        Known::Unknown(why) => return Known::Unknown(why.clone()),
        Known::Default(..) | Known::Observed(..) => None,
    };
    let backend = named.map(|named| item(named, "BACKEND"));
    let own = match backend {
        None => true,
        Some(Some(ConfigValue::Str(backend))) => {
            backend == OWN && named.is_some_and(|named| item(named, "OPTIONS").is_none())
        }
        Some(_) => false,
    };
    if !own || settings.get("DEFAULT_FILE_STORAGE").is_some() {
        return Known::Observed(None, "another storage");
    }
    text_or_path(settings, "MEDIA_ROOT").map(|root| root.map(PathBuf::from))
}

/// The admin's style sheets are asked for by their own names, unless a storage makes others of them.
fn admin(settings: &ConfigFile) -> Known<bool> {
    let others =
        ["STATICFILES_STORAGE", "STATICFILES_FINDERS", "WHITENOISE_KEEP_ONLY_HASHED_FILES"];
    if let Some(name) = others.into_iter().find(|name| settings.get(name).is_some()) {
        return Known::Unknown(Why::depends(format!("{name} is set")));
    }
    match value(settings, "STORAGES") {
        Known::Unknown(why) => return Known::Unknown(why),
        Known::Value(storages, _) => {
            match item(&storages, "staticfiles").map(|one| item(one, "BACKEND")) {
                None => {}
                Some(Some(ConfigValue::Str(backend)))
                    if backend.starts_with("django.contrib.staticfiles.")
                        || backend.starts_with("whitenoise.") => {}
                Some(_) => return Known::Unknown(Why::depends("STORAGES names another storage")),
            }
        }
        Known::Default(..) | Known::Observed(..) => {}
    }
    match listed(settings, "INSTALLED_APPS", "django.contrib.admin") {
        Known::Value(true, _) => listed(settings, "INSTALLED_APPS", "django.contrib.staticfiles"),
        other => other,
    }
}

/// `LOGGING`, unless another function is given it (`LOGGING_CONFIG`); not what a variable names.
fn log_files(settings: &ConfigFile) -> Vec<Spanned<String>> {
    let of_django = settings.get("LOGGING_CONFIG").is_none();
    let named = settings.get("LOGGING").filter(|line| of_django && !line.secret);
    let (Some(line), Known::Value(dictionary, _)) = (named, value(settings, "LOGGING")) else {
        return Vec::new();
    };
    let span = line.name.span;
    opened_by(&dictionary)
        .into_iter()
        .filter(|path| !Path::new(path).starts_with(HERE))
        .map(|value| Spanned { value, span })
        .collect()
}

fn item<'v>(value: &'v ConfigValue, wanted: &str) -> Option<&'v ConfigValue> {
    let ConfigValue::Dict(items) = value else { return None };
    let is = |key: &ConfigValue| matches!(key, ConfigValue::Str(key) if key == wanted);
    items.iter().rev().find(|(key, _)| is(key)).map(|(_, value)| value)
}

fn texts(value: &ConfigValue) -> Option<Vec<String>> {
    let ConfigValue::List(items) = value else { return None };
    items
        .iter()
        .map(|item| match item {
            ConfigValue::Str(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

impl Django {
    /// Does Django answer every request by 400, whatever its `Host` is?
    pub fn refuses_all(&self) -> Result<bool, Why> {
        Ok(self.allowed_hosts.get()?.is_empty() && !*self.debug.get()? && *self.asks_host.get()?)
    }

    /// Does Django answer a request with this `Host` by 400, whatever it asks for
    /// (`HttpRequest.get_host()` and `validate_host()`)?
    pub fn refuses(&self, host: &str) -> Result<bool, Why> {
        if *self.forwarded_host.get()? {
            return Err(Why::depends("USE_X_FORWARDED_HOST is on"));
        }
        let host = host.to_ascii_lowercase();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port),
            _ => (host.as_str(), ""),
        };
        let letters =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
        if !name.chars().all(letters) || !port.chars().all(|c| c.is_ascii_digit()) {
            return Ok(true);
        }
        let allowed = self.allowed_hosts.get()?;
        if allowed.is_empty() && *self.debug.get()? {
            let local = name == "localhost" || name.ends_with(".localhost");
            return Ok(!local && name != "127.0.0.1" && name != "[::1]");
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        Ok(!allowed.iter().any(|pattern| {
            let pattern = pattern.to_ascii_lowercase();
            pattern == "*"
                || pattern == name
                || pattern
                    .strip_prefix('.')
                    .is_some_and(|domain| name == domain || name.ends_with(&pattern))
        }))
    }
}
