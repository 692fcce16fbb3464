//! gunicorn's resulting settings: defaults (some of them from the environment), then the
//! configuration file, then GUNICORN_CMD_ARGS, then the command line.
//!
//! The order, and what each layer may do, is that of `Application.load_config` in gunicorn's
//! `app/base.py`; measured on 20.1, 23.0 and 27.0.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::place::tidy;
use super::super::written::Spelling;
use super::super::{Known, Origin, Whose, Why};
use crate::source::gunicorn::{
    Application, ArgumentFault, ArgumentWord, BindAddress, Event, SettingTable, SettingValue,
    Version, parse_address, parse_arguments,
};
use crate::source::python::ConfigFile;
use crate::source::{Lookup, Secret, Span, Spanned};

/// Where a setting was made, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// gunicorn's own default.
    Default,
    /// WEB_CONCURRENCY, PORT, FORWARDED_ALLOW_IPS.
    Environment,
    /// The configuration file.
    ConfigFile,
    /// GUNICORN_CMD_ARGS.
    CmdArgs,
    /// The command line.
    CommandLine,
}

/// Everything that decides gunicorn's settings.
pub struct Inputs<'a> {
    /// gunicorn's version.
    pub version: Known<Version>,
    /// The words behind `gunicorn`.
    pub arguments: &'a [ArgumentWord],
    /// GUNICORN_CMD_ARGS, if set.
    pub cmd_args: Known<Option<Secret>>,
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Lookup,
    /// Where a variable is set.
    pub variable_origin: &'a dyn Fn(&str) -> Option<Origin>,
    /// How a variable's value is written, where it is written as it comes out.
    pub variable_written: &'a dyn Fn(&str) -> Option<Spelling>,
    /// The words of GUNICORN_CMD_ARGS where they are, and how it is written itself.
    pub cmd_args_written: Option<(Spelling, Vec<ArgumentWord>)>,
    /// The configuration file that [`config_choice`] names, worked out; none when there is none
    /// (no `-c`, and no `gunicorn.conf.py` in the working directory).
    pub config: Known<Option<ConfigFile>>,
    /// The working directory as gunicorn sees it: `$PWD` where that is the same directory.
    pub working_directory: Known<PathBuf>,
}

/// Which configuration file gunicorn loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChoice {
    /// `-c PATH` or `-c file:PATH`; relative to the working directory, not to `--chdir`.
    File(String),
    /// `-c python:MODULE`: frozen for the life of the master, HUP does not read it again.
    Module(String),
    /// `gunicorn.conf.py` in the working directory, if it is there.
    Implicit,
}

/// Where a setting is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// In which layer.
    pub layer: Layer,
    /// All of it: the flag with its value, the value of an assignment or a variable.
    pub whole: Span,
    /// The value, the quotes right around it included; of a switch the flag itself.
    pub value: Span,
    /// The variable whose value it is, or is a part of, and how that is written.
    pub variable: Option<Spelling>,
}

/// A setting that lost against another layer, or against a later flag of the same layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overridden {
    /// The setting.
    pub setting: &'static str,
    /// Where the value that lost was set.
    pub origin: Origin,
    /// In which layer.
    pub layer: Layer,
    /// Where and how; nothing if that is not known.
    pub statements: Vec<Statement>,
    /// The layer that won against it.
    pub winner: Layer,
    /// Both say the same; `None` if one is not known.
    pub same: Option<bool>,
}

/// Why gunicorn does not start with these settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// The setting, where it is about one.
    pub setting: Option<&'static str>,
    /// What is wrong; holds no secret.
    pub message: String,
    /// What was probably meant.
    pub did_you_mean: Option<&'static str>,
    /// Where.
    pub origin: Option<Origin>,
    /// gunicorn's exit status.
    pub exit_status: u8,
    /// In which layer.
    pub layer: Layer,
}

/// A name in the configuration file that gunicorn silently ignores and that looks like a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The name.
    pub name: Spanned<String>,
    /// The setting that was probably meant.
    pub did_you_mean: &'static str,
    /// The variables that it names, where it is a dictionary or a list of `NAME=value`.
    pub variables: Vec<String>,
}

/// One address that gunicorn listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Where; a relative socket path is made absolute by the directory gunicorn changes to.
    pub address: BindAddress,
    /// As it was written.
    pub text: String,
    /// Where it was written, if in a file.
    pub span: Option<Span>,
}

#[derive(Clone)]
pub(super) struct Entry {
    pub value: Known<SettingValue>,
    pub layer: Layer,
    pub secret: bool,
    /// Where each item of a list is.
    pub items: Vec<Span>,
    /// Where it is made, for each item of a list that flags make; nothing if that is not known.
    pub statements: Vec<Statement>,
}

impl Entry {
    /// A value that nobody set.
    pub fn default(value: Known<SettingValue>) -> Self {
        let (items, statements) = (Vec::new(), Vec::new());
        Self { value, layer: Layer::Default, secret: false, items, statements }
    }
}

/// gunicorn's settings as they come out.
pub struct Settings {
    pub(super) table: SettingTable,
    pub(super) entries: BTreeMap<&'static str, Entry>,
    pub(super) application: Known<String>,
    pub(super) working_directory: Known<PathBuf>,
    /// Settings that lost.
    pub overridden: Vec<Overridden>,
    /// Why gunicorn does not start, if so.
    pub faults: Vec<SettingFault>,
    /// Names in the configuration file that are probably misspelt settings.
    pub unknown_names: Vec<UnknownName>,
    /// `--help` or `--version`: gunicorn prints and exits.
    pub only_prints: Option<Span>,
}

/// Which configuration file is loaded: the command line decides, then GUNICORN_CMD_ARGS.
pub fn config_choice(
    version: &Known<Version>,
    arguments: &[ArgumentWord],
    cmd_args: &Known<Option<Secret>>,
) -> Known<ConfigChoice> {
    let table = table_for(version);
    match last_config(&parse_arguments(arguments, &table).events) {
        Ok(None) => {}
        Ok(Some((text, span))) => return Known::Value(choice(&text), Origin::text(span)),
        Err(why) => return Known::Unknown(Why::not_understood(why)),
    }
    let (secret, origin) = match cmd_args {
        Known::Value(Some(secret), origin) => (secret, origin.clone()),
        Known::Unknown(why) => return Known::Unknown(why.clone()),
        other => match other.ok() {
            Some(Some(secret)) => (secret, Origin::Default("GUNICORN_CMD_ARGS")),
            _ => return Known::Default(ConfigChoice::Implicit, Whose::GUNICORN),
        },
    };
    let Some(words) = super::cmd_args::cmd_args_words(secret, &origin) else {
        return Known::Unknown(Why::not_understood(
            "GUNICORN_CMD_ARGS has quotes that do not close",
        ));
    };
    match last_config(&parse_arguments(&words, &table).events) {
        Ok(None) => Known::Default(ConfigChoice::Implicit, Whose::GUNICORN),
        Ok(Some((text, _))) => Known::Value(choice(&text), origin),
        Err(why) => Known::Unknown(Why::not_understood(why)),
    }
}

fn choice(text: &str) -> ConfigChoice {
    match (text.strip_prefix("python:"), text.strip_prefix("file:")) {
        (Some(module), _) => ConfigChoice::Module(module.to_owned()),
        (_, Some(path)) => ConfigChoice::File(path.to_owned()),
        _ => ConfigChoice::File(text.to_owned()),
    }
}

fn last_config(events: &[Event]) -> Result<Option<(String, Span)>, String> {
    let mut found = Ok(None);
    for event in events {
        match event {
            Event::Anything(why, _) => found = Err(why.clone()),
            Event::Set(argument) if argument.setting == "config" => {
                found = match &argument.value {
                    Ok(crate::source::gunicorn::arguments::ArgumentValue::Text(text)) => {
                        Ok((!text.is_empty()).then(|| (text.clone(), argument.value_span)))
                    }
                    Ok(_) => Ok(None),
                    Err(why) => Err(why.clone()),
                };
            }
            Event::Set(_) => {}
        }
    }
    found
}

pub(super) fn table_for(version: &Known<Version>) -> SettingTable {
    match version.ok() {
        Some(version) => SettingTable::for_version(version),
        None => SettingTable::any_version(),
    }
}

/// Whether a worker class is gunicorn's `sync`, by its short name or its path.
pub fn is_sync(class: &str) -> bool {
    class == "sync" || class.ends_with("SyncWorker")
}

/// Whether a worker class is gunicorn's `gthread`, by its short name or its path.
pub fn is_gthread(class: &str) -> bool {
    class == "gthread" || class.ends_with("ThreadWorker")
}

impl Settings {
    /// The settings that this version has.
    pub fn table(&self) -> &SettingTable {
        &self.table
    }

    /// Why gunicorn certainly does not start with what it is given, in a few words.
    pub fn refused(&self) -> Option<&str> {
        self.faults.first().map(|fault| fault.message.as_str())
    }

    /// Any setting by its name in a configuration file.
    pub fn get(&self, name: &str) -> Known<SettingValue> {
        match self.entries.get(name) {
            Some(entry) => entry.value.clone(),
            None => Known::Unknown(Why::not_there(format!(
                "this version of gunicorn has no setting {name}"
            ))),
        }
    }

    /// Is the value made from an environment variable's (also gunicorn's own: WEB_CONCURRENCY, PORT,
    /// GUNICORN_CMD_ARGS), so that it must not be shown?
    pub fn is_secret(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.secret)
    }

    /// The setting whose value is at a place, whether it holds or lost.
    pub fn set_at(&self, at: Span) -> Option<&'static str> {
        let holds = |span: Option<Span>| {
            span.is_some_and(|span| {
                span.file == at.file && span.start <= at.start && at.start <= span.end
            })
        };
        let decides = self.entries.iter().find(|(_, entry)| {
            holds(entry.value.span()) || entry.items.iter().any(|item| holds(Some(*item)))
        });
        let lost = || self.overridden.iter().find(|lost| holds(lost.origin.span()));
        decides.map(|(name, _)| *name).or_else(|| Some(lost()?.setting))
    }

    /// Which layer decides a setting.
    pub fn layer(&self, name: &str) -> Option<Layer> {
        self.entries.get(name).map(|entry| entry.layer)
    }

    /// Where what decides a setting is made; nothing if that is not known.
    pub fn statements(&self, name: &str) -> &[Statement] {
        self.entries.get(name).map_or(&[], |entry| &entry.statements)
    }

    /// What a setting lost.
    pub fn lost(&self, name: &str) -> impl Iterator<Item = &Overridden> {
        self.overridden.iter().filter(move |lost| lost.setting == name)
    }

    /// All settings by name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Known<SettingValue>)> {
        self.entries.iter().map(|(name, entry)| (*name, &entry.value))
    }

    fn int(&self, name: &str) -> Known<i64> {
        convert(self.get(name), name, |value| match value {
            SettingValue::Int(number) => Some(number),
            _ => None,
        })
    }

    fn flag(&self, name: &str) -> Known<bool> {
        convert(self.get(name), name, |value| match value {
            SettingValue::Bool(flag) => Some(flag),
            SettingValue::None => Some(false),
            _ => None,
        })
    }

    fn optional_text(&self, name: &str) -> Known<Option<String>> {
        convert(self.get(name), name, |value| match value {
            SettingValue::Text(text) => Some(Some(text)),
            SettingValue::None => Some(None),
            SettingValue::Int(number) => Some(Some(number.to_string())),
            _ => None,
        })
    }

    fn list(&self, name: &str) -> Known<Vec<String>> {
        convert(self.get(name), name, |value| match value {
            SettingValue::List(items) => Some(items),
            SettingValue::None => Some(Vec::new()),
            _ => None,
        })
    }

    /// How many workers.
    pub fn workers(&self) -> Known<i64> {
        self.int("workers")
    }

    /// Threads of a worker.
    pub fn threads(&self) -> Known<i64> {
        self.int("threads")
    }

    /// Seconds after which a silent worker is killed; 0 means never.
    pub fn timeout(&self) -> Known<i64> {
        self.int("timeout")
    }

    /// Seconds for requests to finish on TERM.
    pub fn graceful_timeout(&self) -> Known<i64> {
        self.int("graceful_timeout")
    }

    /// Seconds an idle connection is kept.
    pub fn keepalive(&self) -> Known<i64> {
        self.int("keepalive")
    }

    /// The listen queue asked for.
    pub fn backlog(&self) -> Known<i64> {
        self.int("backlog")
    }

    /// Requests after which a worker is replaced; 0 means never.
    pub fn max_requests(&self) -> Known<i64> {
        self.int("max_requests")
    }

    /// How much of that is random.
    pub fn max_requests_jitter(&self) -> Known<i64> {
        self.int("max_requests_jitter")
    }

    /// The umask of socket and files.
    pub fn umask(&self) -> Known<i64> {
        self.int("umask")
    }

    /// Is the application loaded before the workers are forked?
    pub fn preload_app(&self) -> Known<bool> {
        self.flag("preload_app")
    }

    /// Does gunicorn restart workers when files change?
    pub fn reload(&self) -> Known<bool> {
        self.flag("reload")
    }

    /// Does gunicorn go into the background?
    pub fn daemon(&self) -> Known<bool> {
        self.flag("daemon")
    }

    /// SO_REUSEPORT.
    pub fn reuse_port(&self) -> Known<bool> {
        self.flag("reuse_port")
    }

    /// Paths put on `sys.path`, separated by commas.
    pub fn pythonpath(&self) -> Known<Option<String>> {
        self.optional_text("pythonpath")
    }

    /// The user that workers run as: a name or a number; none means the caller's.
    pub fn user(&self) -> Known<Option<String>> {
        self.caller("user")
    }

    /// The group that workers run as.
    pub fn group(&self) -> Known<Option<String>> {
        self.caller("group")
    }

    fn caller(&self, name: &str) -> Known<Option<String>> {
        self.optional_text(name)
    }

    /// The pid file.
    pub fn pidfile(&self) -> Known<Option<String>> {
        self.optional_text("pidfile")
    }

    /// Whose forwarded headers are believed.
    pub fn forwarded_allow_ips(&self) -> Known<Vec<String>> {
        self.list("forwarded_allow_ips")
    }

    /// Variables set for the application, `NAME=value`. The values must not be shown.
    pub fn raw_env(&self) -> Known<Vec<(String, Secret)>> {
        self.list("raw_env").map(|items| {
            let pairs = items.into_iter().filter_map(|item| {
                item.split_once('=').map(|(name, value)| (name.to_owned(), Secret::new(value)))
            });
            pairs.collect()
        })
    }

    /// The worker class as it was set.
    pub fn worker_class_setting(&self) -> Known<String> {
        convert(self.get("worker_class"), "worker_class", |value| match value {
            SettingValue::Text(text) => Some(text),
            _ => None,
        })
    }

    /// The worker class that runs: `sync` with more than one thread is `gthread`.
    pub fn worker_class(&self) -> Known<String> {
        let class = self.worker_class_setting();
        let sync = class.ok().is_some_and(|class| is_sync(class));
        if !sync {
            return class;
        }
        match self.threads() {
            Known::Unknown(why) => Known::Unknown(why),
            threads if threads.ok().is_some_and(|threads| *threads > 1) => {
                threads.map(|_| "gthread".to_owned())
            }
            _ => class,
        }
    }

    /// The directory that gunicorn changes to before it loads the application; the working
    /// directory unless it is set. Links in it are not followed.
    pub fn chdir(&self) -> Known<PathBuf> {
        match self.get("chdir") {
            Known::Value(SettingValue::Text(text), origin) => {
                let path = Path::new(&text);
                if path.is_absolute() {
                    return Known::Value(tidy(path), origin);
                }
                match self.working_directory.ok() {
                    Some(here) => Known::Value(tidy(&here.join(path)), origin),
                    None => self.working_directory.clone(),
                }
            }
            Known::Unknown(why) => Known::Unknown(why),
            _ => match self.working_directory.get() {
                Ok(path) => Known::Default(path.clone(), Whose::GUNICORN),
                Err(why) => Known::Unknown(why),
            },
        }
    }

    /// What gunicorn listens on, unless systemd hands it sockets.
    pub fn bind(&self) -> Known<Vec<Bind>> {
        let texts = self.list("bind");
        let Some(list) = texts.ok() else { return texts.map(|_| Vec::new()) };
        let spans = self.entries.get("bind").map(|entry| entry.items.clone()).unwrap_or_default();
        let whole = texts.span();
        let mut binds = Vec::new();
        for (at, text) in list.iter().enumerate() {
            let address = match parse_address(text) {
                Ok(BindAddress::Unix(path)) if !path.starts_with('/') => match self.chdir() {
                    Known::Unknown(why) => return Known::Unknown(why),
                    known => {
                        let here = known.ok().cloned().unwrap_or_default();
                        let joined = tidy(&here.join(&path));
                        BindAddress::Unix(joined.to_string_lossy().into_owned())
                    }
                },
                Ok(address) => address,
                Err(fault) => return Known::Unknown(Why::not_understood(fault.message)),
            };
            let span = spans.get(at).copied().or(whole);
            binds.push(Bind { address, text: text.clone(), span });
        }
        texts.map(|_| binds)
    }

    /// The application: the command line's, else the setting `wsgi_app`.
    pub fn wsgi_app(&self) -> Known<String> {
        self.application.clone()
    }
}

fn convert<T>(
    value: Known<SettingValue>,
    name: &str,
    take: impl FnOnce(SettingValue) -> Option<T>,
) -> Known<T> {
    let other =
        || Known::Unknown(Why::not_understood(format!("{name} is of a kind that is not followed")));
    match value {
        Known::Value(value, origin) => match take(value) {
            Some(value) => Known::Value(value, origin),
            None => other(),
        },
        Known::Default(value, whose) => match take(value) {
            Some(value) => Known::Default(value, whose),
            None => other(),
        },
        Known::Observed(value, from) => match take(value) {
            Some(value) => Known::Observed(value, from),
            None => other(),
        },
        Known::Unknown(why) => Known::Unknown(why),
    }
}

/// The application as the command line gives it.
pub(super) fn application(
    given: &Application,
    entries: &BTreeMap<&'static str, Entry>,
) -> Known<String> {
    let paste = entries.get("paste").map(|entry| &entry.value);
    match paste {
        Some(Known::Value(SettingValue::Text(_), _)) => {
            return Known::Unknown(Why::depends("the application comes from a paste file"));
        }
        // Who names an application means it, whatever a variable next to it may hold.
        Some(Known::Unknown(why)) if !matches!(given, Application::Given(_)) => {
            return Known::Unknown(why.clone());
        }
        _ => {}
    }
    match given {
        Application::Given(word) => match word.value() {
            Some(text) => Known::Value(text.to_owned(), Origin::text(word.span)),
            None => Known::Unknown(Why::not_understood(word.unknown.clone().unwrap_or_default())),
        },
        Application::Unknown(why) => Known::Unknown(Why::not_understood(why.clone())),
        Application::NotGiven => match entries.get("wsgi_app").map(|entry| entry.value.clone()) {
            Some(Known::Value(SettingValue::Text(text), origin)) => Known::Value(text, origin),
            Some(Known::Unknown(why)) => Known::Unknown(why),
            _ => Known::Unknown(Why::not_there("no application is named")),
        },
    }
}

/// An argument's mistake as a fault of the settings.
pub(super) fn argument_fault(
    fault: ArgumentFault,
    layer: Layer,
    origin: Option<Origin>,
) -> SettingFault {
    SettingFault {
        setting: None,
        message: fault.message,
        did_you_mean: fault.did_you_mean,
        origin: Some(origin.unwrap_or_else(|| Origin::text(fault.span))),
        exit_status: fault.kind.exit_status(),
        layer,
    }
}
