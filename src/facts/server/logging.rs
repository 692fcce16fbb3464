//! The files that a logging configuration opens while gunicorn starts: `logconfig_dict`,
//! `logconfig_json`, `logconfig`, the first of them that is set.

use std::path::Path;

use super::super::gunicorn::Settings;
use super::super::{Known, Machine, Place};
use super::named_file::absolute;
use crate::source::gunicorn::SettingValue;
use crate::source::python::evaluate::{ConfigFile, ConfigValue};
use crate::source::python::opened::HANDLERS;
use crate::source::{SourceFile, Sources, Span};

/// A file of a handler.
pub(super) struct LogFile {
    /// As it is written.
    pub path: String,
    /// Where it is set.
    pub span: Option<Span>,
    /// It must not be shown.
    pub secret: bool,
}

/// The file that `--log-config` names.
#[derive(Debug)]
pub struct LogConfig {
    /// The file.
    pub place: Place,
    /// Where it is named.
    pub span: Option<Span>,
    /// The path must not be shown.
    pub secret: bool,
}

/// A logger that names a handler which is not there: gunicorn does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggingFault {
    /// The logger's name; `root` for the root logger.
    pub logger: String,
    /// The handler's.
    pub handler: String,
    /// Is the logger gunicorn's own, which stays where the dictionary has none?
    pub own: bool,
    /// The dictionary.
    pub span: Span,
}

/// gunicorn's own handlers, and the loggers that name them. `logconfig_dict` is laid over these key
/// by key, one level deep: `handlers` in it replaces all of the handlers and none of the loggers.
const OWN_HANDLERS: [&str; 2] = ["console", "error_console"];
const OWN_LOGGERS: [(&str, &str); 2] =
    [("gunicorn.error", "error_console"), ("gunicorn.access", "console")];

/// The first logger of `logconfig_dict` whose handler is not there.
pub(super) fn fault(config: &ConfigFile) -> Option<LoggingFault> {
    let assignment = config.get("logconfig_dict").filter(|assignment| !assignment.secret)?;
    let items = dict(assignment.value()).filter(|items| !items.is_empty())?;
    // What is laid over what is there is another matter, and so is a name that is not known.
    if entry(items, "incremental").is_some() || !items.iter().all(|(key, _)| text(key).is_some()) {
        return None;
    }
    let handlers: Vec<&str> = match entry(items, "handlers") {
        None => OWN_HANDLERS.to_vec(),
        Some(own) => dict(own)?.iter().map(|(name, _)| text(name)).collect::<Option<_>>()?,
    };
    let found = |logger: &str, handler: &str, own: bool| {
        (!handlers.contains(&handler)).then(|| LoggingFault {
            logger: logger.to_owned(),
            handler: handler.to_owned(),
            own,
            span: assignment.value_span,
        })
    };
    let of = |logger: &str, value: &ConfigValue| {
        let named = entry(dict(value)?, "handlers")?;
        let ConfigValue::List(named) = named else { return None };
        named.iter().filter_map(text).find_map(|handler| found(logger, handler, false))
    };
    let loggers = match entry(items, "loggers") {
        None => OWN_LOGGERS.iter().find_map(|(logger, handler)| found(logger, handler, true)),
        Some(own) => dict(own).and_then(|own| own.iter().find_map(|(name, v)| of(text(name)?, v))),
    };
    loggers.or_else(|| match entry(items, "root") {
        None => found("root", "console", true),
        Some(own) => of("root", own),
    })
}

fn dict(value: &ConfigValue) -> Option<&[(ConfigValue, ConfigValue)]> {
    match value {
        ConfigValue::Dict(items) => Some(items),
        _ => None,
    }
}

fn text(value: &ConfigValue) -> Option<&str> {
    match value {
        ConfigValue::Str(text) => Some(text),
        _ => None,
    }
}

pub(super) fn files(
    sources: &Sources,
    settings: &Settings,
    config: &Known<Option<ConfigFile>>,
) -> Vec<LogFile> {
    let dictionary = config.ok().and_then(Option::as_ref).and_then(|c| c.get("logconfig_dict"));
    if let Some(assignment) = dictionary
        && let ConfigValue::Dict(items) = assignment.value()
        && !items.is_empty()
    {
        let (span, secret) = (Some(assignment.value_span), assignment.secret);
        return of_dict(items).map(|path| LogFile { path, span, secret }).collect();
    }
    // What could not be followed may be one, and then nothing else counts.
    if dictionary.is_some() {
        return Vec::new();
    }
    if let Some((file, span)) = named(sources, settings, "logconfig_json") {
        let Ok(json) = serde_json::from_slice(&file.bytes) else { return Vec::new() };
        return of_json(&json).map(|path| LogFile { path, span, secret: false }).collect();
    }
    named(sources, settings, "logconfig").map_or_else(Vec::new, |(file, _)| of_ini(&file))
}

/// The file of `logconfig`, where that is what counts. gunicorn ends with 1 where it does not
/// exist; a `logconfig_json` that does not it ignores.
pub(super) fn configuration(
    sources: &Sources,
    machine: &Machine,
    settings: &Settings,
    config: &Known<Option<ConfigFile>>,
) -> Option<LogConfig> {
    let assigned = |name: &str| config.ok().and_then(Option::as_ref).and_then(|c| c.get(name));
    let json = settings.get("logconfig_json");
    if assigned("logconfig_dict").is_some()
        || !matches!(json.get(), Ok(SettingValue::None)) && json.is_set()
    {
        return None;
    }
    let known = settings.get("logconfig");
    let Some(SettingValue::Text(text)) = known.ok() else { return None };
    let path = absolute(settings, text)?;
    Some(LogConfig {
        place: Place::look(sources.host(), &path, machine.owners_known),
        span: known.span(),
        secret: settings.is_secret("logconfig"),
    })
}

/// The file that a setting names.
fn named(
    sources: &Sources,
    settings: &Settings,
    name: &str,
) -> Option<(std::sync::Arc<SourceFile>, Option<Span>)> {
    let known = settings.get(name);
    let SettingValue::Text(text) = known.ok()? else { return None };
    let file = sources.load(&absolute(settings, text)?).ok()?;
    Some((file, known.span()))
}

/// Is this one that opens its file at once?
fn opens(class: &str) -> bool {
    HANDLERS.contains(&class.rsplit('.').next().unwrap_or(class))
        && (!class.contains('.') || class.starts_with("logging.") || class.starts_with("handlers."))
}

/// The files that handlers of a dictionary for `logging.config.dictConfig` open at once.
pub fn opened_by(dictionary: &ConfigValue) -> Vec<String> {
    dict(dictionary).map_or_else(Vec::new, |items| of_dict(items).collect())
}

fn of_dict(items: &[(ConfigValue, ConfigValue)]) -> impl Iterator<Item = String> {
    let handlers = match entry(items, "handlers") {
        Some(ConfigValue::Dict(handlers)) => &handlers[..],
        _ => &[],
    };
    handlers.iter().filter_map(|(_, handler)| {
        let ConfigValue::Dict(handler) = handler else { return None };
        let text = |key| match entry(handler, key) {
            Some(ConfigValue::Str(text) | ConfigValue::Path(text)) => Some(text.as_str()),
            _ => None,
        };
        (opens(text("class")?) && entry(handler, "delay").is_none())
            .then(|| text("filename").map(str::to_owned))?
    })
}

fn entry<'a>(items: &'a [(ConfigValue, ConfigValue)], key: &str) -> Option<&'a ConfigValue> {
    let found = items.iter().rfind(|(name, _)| matches!(name, ConfigValue::Str(n) if n == key));
    found.map(|(_, value)| value)
}

fn of_json(json: &serde_json::Value) -> impl Iterator<Item = String> {
    let handlers = json.get("handlers").and_then(serde_json::Value::as_object);
    handlers.into_iter().flat_map(serde_json::Map::values).filter_map(|handler| {
        let text = |key| handler.get(key).and_then(serde_json::Value::as_str);
        (opens(text("class")?) && handler.get("delay").is_none())
            .then(|| text("filename").map(str::to_owned))?
    })
}

/// `[handler_x]` with `class=FileHandler` and `args=('/var/log/x.log', 'a')`, where `keys=` of
/// `[handlers]` lists it.
fn of_ini(file: &SourceFile) -> Vec<LogFile> {
    let Ok(text) = std::str::from_utf8(&file.bytes) else { return Vec::new() };
    let mut found = Vec::new();
    let (mut section, mut class, mut listed) = ("", "", "");
    for line in text.lines() {
        let bare = line.trim();
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (section, class) = (name, "");
            continue;
        }
        let Some((key, value)) = bare.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match (section, key) {
            ("handlers", "keys") => listed = value,
            (_, "class") => class = value,
            (_, "args") if opens(class) => {
                if let Some(path) = first_text(value) {
                    let start = path.as_ptr() as usize - text.as_ptr() as usize;
                    found.push((section, path, start));
                }
            }
            _ => {}
        }
    }
    let is_listed = |section: &str| {
        let name = section.strip_prefix("handler_").unwrap_or_default();
        listed.split(',').any(|key| key.trim() == name)
    };
    let offset = |at: usize| u32::try_from(at).ok();
    found
        .into_iter()
        .filter(|(section, ..)| is_listed(section))
        .filter_map(|(_, path, start)| {
            let span =
                Span { file: file.id, start: offset(start)?, end: offset(start + path.len())? };
            Some(LogFile { path: path.to_owned(), span: Some(span), secret: false })
        })
        .collect()
}

/// The first argument of `('/var/log/x.log', 'a')`, where nothing in it is computed.
fn first_text(arguments: &str) -> Option<&str> {
    let rest = arguments.strip_prefix('(')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (path, behind) = rest.get(1..)?.split_once(quote)?;
    // `delay` is the fourth; `%` is the file's own interpolation.
    let plain = !path.contains(['%', '\\', '\n']) && !behind.contains("True");
    let computed = !behind.trim_start().starts_with([',', ')']);
    (plain && !computed && Path::new(path).file_name().is_some()).then_some(path)
}
