//! gunicorn's command line, read by the rules of Python's `argparse` (`_parse_known_args`, Python
//! 3.8 to 3.14 where they agree).
//!
//! An unknown word (an unexpanded variable, a template's placeholder) may be a flag. All settings
//! that the word could make, that is, all that are not made later on the line, are then unknown.

use super::super::{Span, Text};
use super::settings::{Action, Setting, SettingTable};
use super::value::{Base, integer};

/// One word of a command line.
#[derive(Clone, PartialEq, Eq)]
pub struct ArgumentWord {
    /// The word, expanded; if `unknown` is set, as it is in the file.
    pub text: Text,
    /// The place of the word.
    pub span: Span,
    /// Whether it contains an environment variable's value and must not be shown.
    pub secret: bool,
    /// Why the word is not known. `text` then still contains what is known of its beginning.
    pub unknown: Option<String>,
    /// Whether the unknown word can become any number of words (systemd's `$X`, a shell's unquoted
    /// `$X`).
    pub many: bool,
}

impl ArgumentWord {
    /// A known word.
    pub fn known(text: Text) -> Self {
        Self { span: text.span(), text, secret: false, unknown: None, many: false }
    }

    /// The text of the word, if known.
    pub fn value(&self) -> Option<&str> {
        self.unknown.is_none().then(|| self.text.as_str())
    }

    /// The part of the word that is certain: all of it, or what precedes the first sign of a
    /// variable or placeholder.
    pub fn certain(&self) -> &str {
        let text = self.text.as_str();
        if self.unknown.is_none() {
            return text;
        }
        let end = text.find(['$', '{', '%', '@', '`', '*', '?', '~']).unwrap_or(0);
        let end = text.find("__").map_or(end, |at| at.min(end));
        text.get(..end).unwrap_or_default()
    }
}

impl std::fmt::Debug for ArgumentWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = if self.secret { "(secret)" } else { self.text.as_str() };
        let mut out = f.debug_struct("ArgumentWord");
        out.field("text", &text).field("span", &self.span).field("unknown", &self.unknown).finish()
    }
}

/// A setting made by the command line.
#[derive(Clone, PartialEq, Eq)]
pub struct Argument {
    /// The setting's name.
    pub setting: &'static str,
    /// The value as text (`true`/`false` for switches), or why it is not known.
    pub value: Result<ArgumentValue, String>,
    /// The flag as written.
    pub flag: String,
    /// The place of the flag, including its value.
    pub span: Span,
    /// The place of the value; for a switch, of the flag itself.
    pub value_span: Span,
    /// Whether the value must not be shown.
    pub secret: bool,
}

impl std::fmt::Debug for Argument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Argument");
        out.field("setting", &self.setting).field("flag", &self.flag);
        match self.secret {
            true => out.field("value", &"(secret)"),
            false => out.field("value", &self.value),
        };
        out.field("span", &self.span).finish()
    }
}

/// A value as argparse passes it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentValue {
    /// Text.
    Text(String),
    /// A number.
    Int(i64),
    /// A switch.
    Bool(bool),
}

/// An event along the command line, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A setting is made.
    Set(Argument),
    /// Something unknown may set anything: the reason and the place.
    Anything(String, Span),
}

/// The application's name on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Application {
    /// Given.
    Given(ArgumentWord),
    /// The command line names no application: `wsgi_app` decides.
    NotGiven,
    /// Not known, with the reason.
    Unknown(String),
}

/// The kind of mistake, which determines the status with which gunicorn exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// An unknown flag: status 2.
    UnknownFlag,
    /// An abbreviation that several flags share: status 2.
    AmbiguousFlag,
    /// A flag without its value: status 2.
    MissingValue,
    /// A value for a switch: status 2.
    UnexpectedValue,
    /// A value that is not a number: status 2.
    WrongType,
    /// A positional argument that is separated from the first group: status 2.
    ExtraPositional,
    /// Unclosed quotes in GUNICORN_CMD_ARGS: status 1.
    Quoting,
    /// gunicorn's validator refuses the value: status 1.
    InvalidValue,
}

impl FaultKind {
    /// The status with which gunicorn exits.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Quoting | Self::InvalidValue => 1,
            _ => 2,
        }
    }
}

/// A mistake that keeps gunicorn from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentFault {
    /// The kind of mistake.
    pub kind: FaultKind,
    /// What is wrong, without any secret.
    pub message: String,
    /// The flag that was probably meant.
    pub did_you_mean: Option<&'static str>,
    /// The place of the mistake.
    pub span: Span,
}

/// A command line, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// The settings that are made, in order.
    pub events: Vec<Event>,
    /// The application.
    pub application: Application,
    /// Why gunicorn does not start, if it does not.
    pub faults: Vec<ArgumentFault>,
    /// The place of `--help` or `--version`: gunicorn prints its answer and exits with 0.
    pub only_prints: Option<Span>,
}

impl Arguments {
    /// An empty command line.
    pub fn none() -> Self {
        Self {
            events: Vec::new(),
            application: Application::NotGiven,
            faults: Vec::new(),
            only_prints: None,
        }
    }

    /// The known settings, in order.
    pub fn set(&self) -> impl Iterator<Item = &Argument> {
        self.events.iter().filter_map(|event| match event {
            Event::Set(argument) => Some(argument),
            Event::Anything(..) => None,
        })
    }
}

/// Reads the words after `gunicorn`.
pub fn parse_arguments(words: &[ArgumentWord], table: &SettingTable) -> Arguments {
    let mut reader =
        ArgumentReader { words, table, out: Arguments::none(), at: 0, unsettled: false };
    let mut groups = 0_usize;
    let mut in_group = false;
    let mut only_positionals = false;
    while let Some(word) = words.get(reader.at) {
        let positional = only_positionals || reader.is_positional(word);
        if !positional && word.value() == Some("--") {
            only_positionals = true;
            // `--` belongs to the surrounding group of positional arguments.
            reader.at += 1;
            continue;
        }
        if positional {
            if !in_group {
                groups += 1;
                in_group = true;
                reader.positional(word, groups);
            }
            reader.at += 1;
            reader.unsettled = false;
            continue;
        }
        in_group = false;
        reader.option(word);
        if reader.out.only_prints.is_some() {
            break;
        }
    }
    reader.out
}

/// The meaning of a word that looks like an option.
enum OptionMatch<'t> {
    /// A flag as written, with the value attached to it and that value's offset.
    Flag(Match<'t>, Option<(String, usize)>),
    Ambiguous(Vec<&'static str>),
    /// An abbreviation that is ambiguous in some versions and clear in others.
    ByVersion,
    Unknown,
}

#[derive(Clone, Copy)]
enum Match<'t> {
    Setting(&'t Setting, &'static str),
    /// A setting that only some versions have.
    Sometimes(&'t Setting, &'static str),
    Prints,
}

struct ArgumentReader<'t> {
    words: &'t [ArgumentWord],
    table: &'t SettingTable,
    out: Arguments,
    at: usize,
    /// Whether the previous word may have been a flag that takes the next word.
    unsettled: bool,
}

impl<'t> ArgumentReader<'t> {
    /// `_parse_optional`: whether this is a positional argument.
    fn is_positional(&self, word: &ArgumentWord) -> bool {
        if word.unknown.is_some() {
            let certain = word.certain();
            return !certain.is_empty() && !certain.starts_with('-');
        }
        let text = word.text.as_str();
        if !text.starts_with('-') || text.len() == 1 {
            return true;
        }
        if text == "--" || !matches!(self.find(text), OptionMatch::Unknown) {
            return false;
        }
        is_negative_number(text) || text.contains(' ')
    }

    fn positional(&mut self, word: &ArgumentWord, group: usize) {
        if group > 1 {
            let message = match word.secret {
                true => "an argument that gunicorn does not know".to_owned(),
                false => format!("unrecognized arguments: {}", word.text.as_str()),
            };
            if self.out.events.iter().any(|e| matches!(e, Event::Anything(..))) {
                // An unknown word may take this word as its value.
                return;
            }
            return self.fault(FaultKind::ExtraPositional, message, None, word.span);
        }
        let anything = self.unsettled;
        self.out.application = match anything {
            true => Application::Unknown(
                "the word before is not known and may take this as its \
                                          value"
                    .into(),
            ),
            false => Application::Given(word.clone()),
        };
        if word.many {
            self.anything(word);
        }
    }

    fn option(&mut self, word: &'t ArgumentWord) {
        if word.unknown.is_some() {
            return self.unknown_option(word);
        }
        self.unsettled = false;
        match self.find(word.text.as_str()) {
            OptionMatch::Ambiguous(flags) => {
                let flags = flags.join(", ");
                let message = format!("{} could match {flags}", word.text.as_str());
                self.fault(FaultKind::AmbiguousFlag, message, None, word.span);
                self.at += 1;
                self.unsettled = true;
            }
            OptionMatch::ByVersion => {
                let why = "the option chosen depends on gunicorn's version".to_owned();
                self.out.events.push(Event::Anything(why, word.span));
                self.at += 1;
                self.unsettled = true;
            }
            OptionMatch::Unknown => {
                let text = word.text.as_str();
                let flag = text.split('=').next().unwrap_or(text);
                // Only the first mistakes get a hint, because nobody reads a thousand.
                let few = self.out.faults.len() < 20;
                let meant = few.then(|| self.table.nearest_flag(flag)).flatten();
                let shown = if word.secret { "an argument" } else { flag };
                let message = format!("{shown} is not an option of gunicorn");
                self.fault(FaultKind::UnknownFlag, message, meant, word.span);
                self.at += 1;
                // Later values would be positional arguments; argparse names them all at once.
                self.unsettled = true;
            }
            OptionMatch::Flag(found, attached) => self.flag(word, found, attached),
        }
    }

    /// Handles a word of which only the beginning is known, if anything.
    fn unknown_option(&mut self, word: &'t ArgumentWord) {
        self.at += 1;
        let certain = word.certain();
        let long = certain.starts_with("--") && certain.contains('=');
        let short = !certain.starts_with("--") && certain.len() >= 2;
        if (long || short)
            && let OptionMatch::Flag(Match::Setting(setting, flag), Some(_)) =
                self.find(&format!("{certain}x"))
            && takes_value(setting.action)
        {
            let why = word.unknown.clone().unwrap_or_default();
            self.push(setting, flag, Err(why), word, word);
            if word.many {
                self.anything(word);
            }
            return;
        }
        if self.out.application == Application::NotGiven {
            let why = word.unknown.clone().unwrap_or_default();
            self.out.application = Application::Unknown(why);
        }
        self.anything(word);
        self.unsettled = true;
    }

    fn anything(&mut self, word: &ArgumentWord) {
        let why = word.unknown.clone().unwrap_or_default();
        self.out.events.push(Event::Anything(why, word.span));
        self.unsettled = true;
    }

    /// `consume_optional`.
    fn flag(
        &mut self,
        word: &'t ArgumentWord,
        found: Match<'t>,
        attached: Option<(String, usize)>,
    ) {
        let (mut found, mut attached) = (found, attached);
        loop {
            let (setting, flag) = match found {
                Match::Prints => {
                    if attached.is_none() || !word.text.as_str().starts_with("--") {
                        self.out.only_prints = Some(word.span);
                    } else {
                        self.unexpected(word);
                    }
                    self.at += 1;
                    return;
                }
                Match::Sometimes(setting, flag) => {
                    // `--proxy-protocol` has become an option with a value; other flags were added
                    // or removed.
                    if setting.action == Action::Optional || setting.name == "proxy_protocol" {
                        let why = "depends on gunicorn's version".to_owned();
                        self.push(setting, flag, Err(why), word, word);
                        self.at += 1;
                        self.unsettled = attached.is_none();
                        return;
                    }
                    (setting, flag)
                }
                Match::Setting(setting, flag) => (setting, flag),
            };
            if takes_value(setting.action) {
                return self.with_value(word, setting, flag, attached);
            }
            let value = ArgumentValue::Bool(setting.action == Action::StoreTrue);
            match attached {
                None => {
                    self.push(setting, flag, Ok(value), word, word);
                    self.at += 1;
                    return;
                }
                // `-DR`: several switches in one word.
                Some((rest, _)) if !flag.starts_with("--") && !rest.is_empty() => {
                    let next = self.short(&rest);
                    let Some(next) = next else {
                        self.unexpected(word);
                        self.at += 1;
                        return;
                    };
                    self.push(setting, flag, Ok(value), word, word);
                    found = next;
                    let width = rest.chars().next().map_or(0, char::len_utf8);
                    let rest = rest.get(width..).unwrap_or_default().to_owned();
                    let offset = word.text.as_str().len() - rest.len();
                    attached = (!rest.is_empty()).then_some((rest, offset));
                }
                Some(_) => {
                    self.unexpected(word);
                    self.at += 1;
                    return;
                }
            }
        }
    }

    fn unexpected(&mut self, word: &ArgumentWord) {
        let message = "a value for an option that takes none".to_owned();
        self.fault(FaultKind::UnexpectedValue, message, None, word.span);
    }

    /// The flag of the first letter in what remains of `-xyz`.
    fn short(&self, rest: &str) -> Option<Match<'t>> {
        let flag = format!("-{}", rest.chars().next()?);
        self.exact(&flag)
    }

    fn with_value(
        &mut self,
        word: &'t ArgumentWord,
        setting: &'t Setting,
        flag: &'static str,
        attached: Option<(String, usize)>,
    ) {
        self.at += 1;
        if let Some((value, offset)) = attached {
            let text = word.text.slice(offset..word.text.as_str().len());
            let part = ArgumentWord { span: text.span(), text, ..word.clone() };
            let value = self.typed(setting, &value, &part);
            return self.push(setting, flag, value, word, &part);
        }
        let next = self.words.get(self.at).filter(|next| {
            // An unknown word is taken for the value, which is what its author meant.
            self.is_positional(next) || (next.unknown.is_some() && !next.certain().starts_with('-'))
        });
        let Some(next) = next else {
            if setting.action == Action::Optional {
                let value = Ok(ArgumentValue::Text("auto".into()));
                return self.push(setting, flag, value, word, word);
            }
            let message = format!("{flag} needs a value");
            return self.fault(FaultKind::MissingValue, message, None, word.span);
        };
        self.at += 1;
        let value = match &next.unknown {
            Some(why) => Err(why.clone()),
            None => self.typed(setting, next.text.as_str(), next),
        };
        self.push(setting, flag, value, word, next);
        if next.many {
            self.anything(next);
        }
    }

    fn typed(
        &mut self,
        setting: &Setting,
        text: &str,
        word: &ArgumentWord,
    ) -> Result<ArgumentValue, String> {
        let base = match setting.action {
            Action::Int => Base::Ten,
            Action::AutoInt => Base::Auto,
            _ => return Ok(ArgumentValue::Text(text.to_owned())),
        };
        match integer(text, base) {
            Some(Some(number)) => Ok(ArgumentValue::Int(number)),
            Some(None) => Err("a number beyond 64 bits".into()),
            None => {
                let message = match word.secret {
                    true => format!("{} wants a whole number", setting.name),
                    false => format!("{} wants a whole number, not `{text}`", setting.name),
                };
                self.fault(FaultKind::WrongType, message, None, word.span);
                Err("gunicorn refuses the value".into())
            }
        }
    }

    fn push(
        &mut self,
        setting: &Setting,
        flag: &str,
        value: Result<ArgumentValue, String>,
        word: &ArgumentWord,
        value_word: &ArgumentWord,
    ) {
        self.out.events.push(Event::Set(Argument {
            setting: setting.name,
            value,
            flag: flag.to_owned(),
            span: word.span.to(value_word.span),
            value_span: value_word.span,
            secret: word.secret || value_word.secret,
        }));
    }

    fn fault(
        &mut self,
        kind: FaultKind,
        message: String,
        did_you_mean: Option<&'static str>,
        span: Span,
    ) {
        self.out.faults.push(ArgumentFault { kind, message, did_you_mean, span });
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, Match<'t>)> + use<'t> {
        let table = self.table;
        let always = table.settings().iter().flat_map(|setting| {
            setting.flags.iter().map(move |flag| (*flag, Match::Setting(setting, flag)))
        });
        let sometimes = table.sometimes().iter().flat_map(|setting| {
            setting.flags.iter().map(move |flag| (*flag, Match::Sometimes(setting, flag)))
        });
        let own = ["-h", "--help", "-v", "--version"];
        always.chain(sometimes).chain(own.into_iter().map(|flag| (flag, Match::Prints)))
    }

    fn exact(&self, flag: &str) -> Option<Match<'t>> {
        self.all().find(|(known, _)| *known == flag).map(|(_, found)| found)
    }

    /// `_parse_optional` and `_get_option_tuples`.
    fn find(&self, text: &str) -> OptionMatch<'t> {
        if let Some(found) = self.exact(text) {
            return OptionMatch::Flag(found, None);
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some((value.to_owned(), name.len() + 1))),
            None => (text, None),
        };
        if value.is_some()
            && let Some(found) = self.exact(name)
        {
            return OptionMatch::Flag(found, value);
        }
        if text.starts_with("--") {
            let mut found: Vec<(&'static str, Match<'t>)> =
                self.all().filter(|(flag, _)| flag.starts_with(name)).collect();
            return match (found.pop(), found.is_empty()) {
                (None, _) => OptionMatch::Unknown,
                (Some((_, one)), true) => OptionMatch::Flag(one, value),
                (Some(last), false) => {
                    found.push(last);
                    let sometimes = |(_, one): &(_, Match<'_>)| matches!(one, Match::Sometimes(..));
                    if found.iter().any(sometimes) {
                        return OptionMatch::ByVersion;
                    }
                    OptionMatch::Ambiguous(found.into_iter().map(|(flag, _)| flag).collect())
                }
            };
        }
        // `-w3`: a flag of one letter, directly followed by its value.
        let width = text.chars().nth(1).map_or(0, char::len_utf8);
        let (Some(flag), Some(rest)) = (text.get(..1 + width), text.get(1 + width..)) else {
            return OptionMatch::Unknown;
        };
        match self.exact(flag) {
            Some(found) => OptionMatch::Flag(found, Some((rest.to_owned(), 1 + width))),
            None => OptionMatch::Unknown,
        }
    }
}

fn takes_value(action: Action) -> bool {
    matches!(
        action,
        Action::Text | Action::Int | Action::AutoInt | Action::Append | Action::Optional
    )
}

/// `^-\d+$|^-\d*\.\d+$`.
fn is_negative_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('-') else { return false };
    let all = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    match digits.split_once('.') {
        None => !digits.is_empty() && all(digits),
        Some((whole, part)) => all(whole) && !part.is_empty() && all(part),
    }
}
