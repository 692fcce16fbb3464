//! Merges the layers of settings, in the order of gunicorn's `load_config`.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::written::Spelling;
use super::super::{Known, Origin, Whose, Why};
use super::cmd_args::cmd_args_words;
use super::settings::{
    Entry, Inputs, Layer, Overridden, SettingFault, Settings, Statement, UnknownName, application,
    argument_fault, table_for,
};
use crate::source::gunicorn::arguments::ArgumentValue;
use crate::source::gunicorn::settings::Default as Shipped;
use crate::source::gunicorn::value::{Base, Validated, integer};
use crate::source::gunicorn::{
    Action, Application, Argument, ArgumentWord, Arguments, Event, RawValue, Setting, SettingTable,
    SettingValue, Version, parse_address, parse_arguments, validate,
};
use crate::source::python::{ConfigFile, ConfigValue};
use crate::source::{Lookup, Span};

impl Settings {
    /// Works out the settings.
    pub fn merge(inputs: &Inputs<'_>) -> Self {
        let table = table_for(&inputs.version);
        let mut merge = Merge {
            entries: BTreeMap::new(),
            overridden: Vec::new(),
            faults: Vec::new(),
            unknown_names: Vec::new(),
            table: &table,
            version: inputs.version.ok().map(|version| version.to_string().into()),
        };
        merge.defaults();
        merge.environment(inputs);
        merge.config(&inputs.config);
        merge.cmd_args(inputs);
        let arguments = parse_arguments(inputs.arguments, &table);
        merge.arguments(&arguments, &ArgumentsPlace::Command);
        merge.check_binds();
        merge.check_addresses(&inputs.version);
        let application = application(&arguments.application, &merge.entries);
        merge.check_application(&arguments);
        let Merge { entries, overridden, faults, unknown_names, .. } = merge;
        Self {
            entries,
            application,
            working_directory: inputs.working_directory.clone(),
            overridden,
            faults,
            unknown_names,
            only_prints: arguments.only_prints,
            table,
        }
    }
}

struct Merge<'t> {
    entries: BTreeMap<&'static str, Entry>,
    overridden: Vec<Overridden>,
    faults: Vec<SettingFault>,
    unknown_names: Vec<UnknownName>,
    table: &'t SettingTable,
    version: Option<Rc<str>>,
}

/// Where arguments are.
enum ArgumentsPlace {
    /// The command line.
    Command,
    /// GUNICORN_CMD_ARGS: where it is set; and how it is written, where its words are
    /// distinguished.
    CmdArgs(Origin, Option<Spelling>),
}

impl ArgumentsPlace {
    fn layer(&self) -> Layer {
        match self {
            Self::Command => Layer::CommandLine,
            Self::CmdArgs(..) => Layer::CmdArgs,
        }
    }

    /// The place that is shown for all of it.
    fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Command => None,
            Self::CmdArgs(origin, _) => Some(origin),
        }
    }

    fn statement(&self, argument: &Argument) -> Option<Statement> {
        let variable = match self {
            Self::Command => None,
            Self::CmdArgs(_, written) => Some((*written)?),
        };
        let (whole, value) = (argument.span, argument.value_span);
        Some(Statement { layer: self.layer(), whole, value, variable })
    }
}

/// Flags that repeat make one list.
struct Flags {
    items: Vec<RawValue>,
    secret: bool,
    spans: Vec<Span>,
    /// `None` if one of them is not known.
    statements: Option<Vec<Statement>>,
}

/// Where a value on its way into the settings comes from.
struct ValueSource {
    origin: Origin,
    layer: Layer,
    secret: bool,
    items: Vec<Span>,
    statements: Vec<Statement>,
}

impl Flags {
    fn add(&mut self, raw: RawValue, argument: &Argument, statement: Option<Statement>) {
        self.items.push(raw);
        self.secret |= argument.secret;
        self.spans.push(argument.value_span);
        match (&mut self.statements, statement) {
            (Some(all), Some(statement)) => all.push(statement),
            (all, _) => *all = None,
        }
    }
}

impl Default for Flags {
    fn default() -> Self {
        let statements = Some(Vec::new());
        Self { items: Vec::new(), secret: false, spans: Vec::new(), statements }
    }
}

impl Merge<'_> {
    fn defaults(&mut self) {
        for setting in self.table.settings() {
            self.insert_default(setting);
        }
        for setting in self.table.sometimes() {
            let value =
                Known::Unknown(Why::depends("depends on gunicorn's version, which is not known"));
            self.entries.insert(setting.name, Entry::default(value));
        }
    }

    fn insert_default(&mut self, setting: &Setting) {
        let value = match setting.default {
            None => Known::Unknown(Why::depends("the default depends on gunicorn's version")),
            Some(default) => match shipped(setting, default) {
                Some(value) => Known::Default(value, Whose::gunicorn(self.version.clone())),
                None => Known::Unknown(Why::depends("the default depends on the machine")),
            },
        };
        self.entries.insert(setting.name, Entry::default(value));
    }

    /// Variables that are read when gunicorn's `config.py` is imported.
    fn environment(&mut self, inputs: &Inputs<'_>) {
        const READ: [(&str, &str); 3] = [
            ("WEB_CONCURRENCY", "workers"),
            ("PORT", "bind"),
            ("FORWARDED_ALLOW_IPS", "forwarded_allow_ips"),
        ];
        for (variable, setting) in READ {
            let origin = (inputs.variable_origin)(variable).unwrap_or(Origin::Default(variable));
            let value = match (inputs.variable)(variable) {
                Lookup::Unset => continue,
                Lookup::Unknown(why) => Err(format!("{variable} may set it: {why}")),
                Lookup::Set(secret) => match secret.expose_str() {
                    None => Err(format!("{variable} is not UTF-8")),
                    Some(text) => match variable {
                        "WEB_CONCURRENCY" => match integer(text, Base::Ten) {
                            Some(Some(number)) => Ok(RawValue::Int(number)),
                            Some(None) => Err(format!("{variable} is beyond 64 bits")),
                            None => {
                                let message = format!("{variable} is not a whole number");
                                self.fault(
                                    Some(setting),
                                    message,
                                    origin.clone(),
                                    Layer::Environment,
                                );
                                Err(format!("gunicorn does not start: {variable}"))
                            }
                        },
                        "PORT" => {
                            Ok(RawValue::List(vec![RawValue::Text(format!("0.0.0.0:{text}"))]))
                        }
                        _ => Ok(RawValue::Text(text.to_owned())),
                    },
                },
            };
            let raw = value.unwrap_or_else(RawValue::Unknown);
            let layer = Layer::Environment;
            let written = (inputs.variable_written)(variable);
            let statement = written.map(|variable| {
                let at = variable.span;
                Statement { layer, whole: at, value: at, variable: Some(variable) }
            });
            let statements = statement.into_iter().collect();
            let items = Vec::new();
            self.set(setting, &raw, ValueSource { origin, layer, secret: true, items, statements });
        }
    }

    fn config(&mut self, config: &Known<Option<ConfigFile>>) {
        let file = match config {
            Known::Unknown(why) => return self.anything(why.text(), Layer::ConfigFile),
            known => match known.ok() {
                Some(Some(file)) => file,
                _ => return,
            },
        };
        if let Some(why) = &file.unusable {
            return self.anything(why, Layer::ConfigFile);
        }
        if let Some((why, _)) = &file.open {
            self.anything(&format!("the configuration file may set it ({why})"), Layer::ConfigFile);
        }
        if let Some(raises) = &file.raises {
            let message = format!("the configuration file cannot be loaded: {}", raises.message);
            self.fault(None, message, Origin::text(raises.span), Layer::ConfigFile);
        }
        for assignment in &file.values {
            let name = assignment.name.value.as_str();
            if !self.table.may_have(name) {
                if !name.starts_with('_')
                    && !matches!(assignment.value(), ConfigValue::Unknown(_) | ConfigValue::Path(_))
                    && let Some(did_you_mean) = self.table.meant_name(name)
                    && file.get(did_you_mean).is_none()
                {
                    let variables = variables_of(assignment.value());
                    let name = assignment.name.clone();
                    self.unknown_names.push(UnknownName { name, did_you_mean, variables });
                }
                continue;
            }
            let raw = raw_value(assignment.value());
            let origin = Origin::text(assignment.value_span);
            let (layer, at) = (Layer::ConfigFile, assignment.value_span);
            let statements = vec![Statement { layer, whole: at, value: at, variable: None }];
            let (secret, items) = (assignment.secret, Vec::new());
            self.set(name, &raw, ValueSource { origin, layer, secret, items, statements });
        }
    }

    fn cmd_args(&mut self, inputs: &Inputs<'_>) {
        let (secret, origin) = match &inputs.cmd_args {
            Known::Unknown(why) => {
                let why = format!("GUNICORN_CMD_ARGS may set it: {why}");
                return self.anything(&why, Layer::CmdArgs);
            }
            Known::Value(Some(secret), origin) => (secret, origin.clone()),
            other => match other.ok() {
                Some(Some(secret)) => (secret, Origin::Default("GUNICORN_CMD_ARGS")),
                _ => return,
            },
        };
        let Some(words) = cmd_args_words(secret, &origin) else {
            let message = "GUNICORN_CMD_ARGS has quotes that do not close".to_owned();
            self.fault(None, message.clone(), origin, Layer::CmdArgs);
            return self.anything(&message, Layer::CmdArgs);
        };
        // The same words where they are, if that is known.
        let written = inputs.cmd_args_written.as_ref().filter(|(_, found)| {
            found.iter().map(ArgumentWord::value).eq(words.iter().map(ArgumentWord::value))
        });
        let (written, words) = match written {
            Some((written, words)) => (Some(*written), words),
            None => (None, &words),
        };
        let arguments = parse_arguments(words, self.table);
        self.arguments(&arguments, &ArgumentsPlace::CmdArgs(origin, written));
    }

    fn arguments(&mut self, arguments: &Arguments, line: &ArgumentsPlace) {
        let layer = line.layer();
        for fault in &arguments.faults {
            self.faults.push(argument_fault(fault.clone(), layer, line.origin().cloned()));
        }
        // Flags that repeat make one list; so does whatever is not known between them.
        let mut lists: BTreeMap<&'static str, Flags> = BTreeMap::new();
        let mut anything: Option<String> = None;
        for event in &arguments.events {
            let argument = match event {
                Event::Anything(why, _) => {
                    self.anything(why, layer);
                    anything = Some(why.clone());
                    continue;
                }
                Event::Set(argument) => argument,
            };
            let statement = line.statement(argument);
            let action = self.setting(argument.setting).map(|setting| setting.action);
            let raw = match &argument.value {
                Ok(ArgumentValue::Text(text)) => RawValue::Text(text.clone()),
                Ok(ArgumentValue::Int(number)) => RawValue::Int(*number),
                Ok(ArgumentValue::Bool(flag)) => RawValue::Bool(*flag),
                Err(why) => RawValue::Unknown(why.clone()),
            };
            if action == Some(Action::Append) {
                let list = lists.entry(argument.setting).or_default();
                list.add(raw, argument, statement);
                continue;
            }
            let at = || Origin::text(argument.value_span);
            let made = ValueSource {
                origin: line.origin().cloned().unwrap_or_else(at),
                layer,
                secret: argument.secret,
                items: Vec::new(),
                statements: statement.into_iter().collect(),
            };
            self.set(argument.setting, &raw, made);
        }
        for (setting, list) in lists {
            let Some(first) = list.spans.first().copied() else { continue };
            let raw = match &anything {
                Some(why) => RawValue::Unknown(why.clone()),
                None => RawValue::List(list.items),
            };
            let (origin, items) = match line.origin() {
                Some(origin) => (origin.clone(), Vec::new()),
                None => (Origin::text(first), list.spans),
            };
            let statements = list.statements.unwrap_or_default();
            self.set(
                setting,
                &raw,
                ValueSource { origin, layer, secret: list.secret, items, statements },
            );
        }
    }

    /// Nothing that was set so far is certain any more.
    fn anything(&mut self, why: &str, layer: Layer) {
        let table = self.table;
        for (name, entry) in &mut self.entries {
            // No option takes back what is on already: `--preload` has no opposite.
            if layer > Layer::ConfigFile && cannot_be_undone(table, name, entry.value.ok()) {
                continue;
            }
            // A setting without an option can only be in the configuration file; no word of
            // GUNICORN_CMD_ARGS names the application.
            let has_option = || table.get(name).is_none_or(|setting| !setting.flags.is_empty());
            if layer == Layer::CmdArgs && !has_option() {
                continue;
            }
            entry.value = Known::Unknown(Why::not_understood(why));
            entry.layer = layer;
            entry.items = Vec::new();
            entry.statements = Vec::new();
        }
    }

    fn setting(&self, name: &str) -> Option<&Setting> {
        let found = self.table.get(name);
        found.or_else(|| self.table.sometimes().iter().find(|setting| setting.name == name))
    }

    fn set(&mut self, name: &str, raw: &RawValue, made: ValueSource) {
        let Some(setting) = self.setting(name).copied() else { return };
        let ValueSource { origin, layer, secret, items, statements } = made;
        let value = match validate(setting.kind, name, raw) {
            Validated::Value(value) => Known::Value(value, origin),
            Validated::Unknown(why) => Known::Unknown(Why::not_understood(why)),
            Validated::Refused(wants) => {
                let message = match (name, layer) {
                    // From 24.1 on it takes a value, and so it takes the application's name.
                    ("proxy_protocol", Layer::CommandLine | Layer::CmdArgs) => format!(
                        "--proxy-protocol takes the next word as its value, which must be \
                         {wants}"
                    ),
                    _ => format!("{name} must be {wants}"),
                };
                self.fault(Some(setting.name), message, origin, layer);
                Known::Unknown(Why::not_understood(format!("gunicorn refuses the value of {name}")))
            }
        };
        self.put(setting.name, Entry { value, layer, secret, items, statements });
    }

    fn put(&mut self, name: &'static str, entry: Entry) {
        let winner = entry.layer;
        let Some(before) = self.entries.insert(name, entry) else { return };
        // Defaults, whoever makes them, are there to be overridden.
        if before.layer < Layer::ConfigFile {
            return;
        }
        let Entry { value, layer, statements, .. } = before;
        if let Known::Value(value, origin) = value {
            let now = self.entries.get(name).and_then(|entry| entry.value.ok());
            let same = now.map(|now| *now == value);
            let lost = Overridden { setting: name, origin, layer, statements, winner, same };
            self.overridden.push(lost);
        }
    }

    fn fault(
        &mut self,
        setting: Option<&'static str>,
        message: String,
        origin: Origin,
        layer: Layer,
    ) {
        let origin = Some(origin);
        let exit_status = 1;
        let did_you_mean = None;
        self.faults.push(SettingFault {
            setting,
            message,
            did_you_mean,
            origin,
            exit_status,
            layer,
        });
    }

    fn check_binds(&mut self) {
        let Some(entry) = self.entries.get("bind") else { return };
        let (origin, layer) = (entry.value.origin().cloned(), entry.layer);
        let Some(SettingValue::List(texts)) = entry.value.ok() else { return };
        let found: Vec<String> = texts
            .iter()
            .filter_map(|text| parse_address(text).err())
            .map(|fault| match entry.secret {
                true => "not an address".to_owned(),
                false => fault.message,
            })
            .collect();
        let origin = origin.unwrap_or(Origin::Default("gunicorn"));
        for message in found {
            self.fault(Some("bind"), message, origin.clone(), layer);
        }
    }

    /// `forwarded_allow_ips` since 23.0 takes addresses alone, networks too from 24.0 on.
    fn check_addresses(&mut self, version: &Known<Version>) {
        let Some(version) = version.ok().filter(|v| v.at_least("23.0") == Some(true)) else {
            return;
        };
        let networks = version.at_least("24.0") == Some(true);
        let Some(entry) = self.entries.get("forwarded_allow_ips") else { return };
        let (Known::Value(SettingValue::List(items), origin), layer) = (&entry.value, entry.layer)
        else {
            return;
        };
        let refused = |item: &&String| *item != "*" && !is_address(item, networks);
        let Some(item) = items.iter().find(refused) else { return };
        let shown = if entry.secret { "an entry".to_owned() } else { format!("`{item}`") };
        let wants = if networks { "an address or network" } else { "an address" };
        let message = format!("forwarded_allow_ips: {shown} is not {wants}");
        let origin = origin.clone();
        self.fault(Some("forwarded_allow_ips"), message, origin, layer);
    }

    fn check_application(&mut self, arguments: &Arguments) {
        let none = |name: &str| {
            let value = self.entries.get(name).and_then(|entry| entry.value.ok());
            matches!(value, Some(SettingValue::None))
        };
        if arguments.application == Application::NotGiven && none("wsgi_app") && none("paste") {
            self.faults.push(SettingFault {
                setting: Some("wsgi_app"),
                message: "no application module is named".into(),
                did_you_mean: None,
                origin: None,
                exit_status: 1,
                layer: Layer::CommandLine,
            });
        }
    }
}

/// May no option of a command line change this value? A switch that is on stays on, and what has no
/// option at all is the configuration file's alone.
fn cannot_be_undone(table: &SettingTable, name: &str, value: Option<&SettingValue>) -> bool {
    let action = table.get(name).map(|setting| setting.action);
    matches!(
        (action, value),
        (Some(Action::StoreTrue), Some(SettingValue::Bool(true)))
            | (Some(Action::StoreFalse), Some(SettingValue::Bool(false)))
            | (Some(Action::None), Some(_))
    )
}

fn shipped(setting: &Setting, default: Shipped) -> Option<SettingValue> {
    let texts = |text: &str| text.split(',').map(|item| item.trim().to_owned()).collect();
    Some(match default {
        Shipped::None => SettingValue::None,
        Shipped::Int(number) => SettingValue::Int(number),
        Shipped::Bool(flag) => SettingValue::Bool(flag),
        Shipped::Text(text) => match setting.kind {
            crate::source::gunicorn::Kind::TextSet => SettingValue::List(texts(text)),
            _ => SettingValue::Text(text.to_owned()),
        },
        Shipped::List(items) => {
            SettingValue::List(items.iter().map(|item| (*item).to_owned()).collect())
        }
        Shipped::Callable => SettingValue::Callable,
        Shipped::Dict => SettingValue::Dict,
        // None stands for the caller's own user, group and directory.
        Shipped::Machine => match setting.name {
            "user" | "group" | "chdir" => SettingValue::None,
            _ => return None,
        },
    })
}

/// `ipaddress.ip_address(text)`, or `ip_network(text)`, which wants the bits of the host to be 0.
fn is_address(text: &str, networks: bool) -> bool {
    use std::net::IpAddr;
    let Some((address, length)) = text.split_once('/').filter(|_| networks) else {
        return text.parse::<IpAddr>().is_ok();
    };
    let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u32>()) else {
        // A mask written out, `/255.0.0.0`, is accepted: not followed further.
        return address.parse::<IpAddr>().is_ok() && length.parse::<IpAddr>().is_ok();
    };
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let host = width_of_host(width, length);
    host.is_some_and(|host| host >= 128 && bits == 0 || host < 128 && bits & ((1 << host) - 1) == 0)
}

fn width_of_host(width: u32, length: u32) -> Option<u32> {
    width.checked_sub(length)
}

/// The names in `{"NAME": …}` and `["NAME=…"]`.
fn variables_of(value: &ConfigValue) -> Vec<String> {
    let name = |value: &ConfigValue| match value {
        ConfigValue::Str(text) => text.split('=').next().map(str::to_owned),
        _ => None,
    };
    match value {
        ConfigValue::Dict(items) => items.iter().filter_map(|(key, _)| name(key)).collect(),
        ConfigValue::List(items) => items.iter().filter_map(name).collect(),
        _ => Vec::new(),
    }
}

fn raw_value(value: &ConfigValue) -> RawValue {
    match value {
        ConfigValue::Int(number) => RawValue::Int(*number),
        ConfigValue::Float(number) => RawValue::Float(*number),
        ConfigValue::Str(text) => RawValue::Text(text.clone()),
        ConfigValue::Bool(flag) => RawValue::Bool(*flag),
        ConfigValue::None => RawValue::None,
        ConfigValue::List(items) => RawValue::List(items.iter().map(raw_value).collect()),
        ConfigValue::Dict(_) => RawValue::Dict,
        ConfigValue::Callable(count) => RawValue::Callable(*count),
        // gunicorn refuses it where it wants text; that is for its validators to say.
        ConfigValue::Path(_) => RawValue::Unknown("a pathlib.Path".into()),
        ConfigValue::Unknown(why) => RawValue::Unknown(why.clone()),
    }
}
