//! A change to be made by hand: the lines of the help, derived from the same edits that a fix
//! makes.

use super::{Edit, Value};
use crate::facts::App;
use crate::facts::gunicorn::Layer;

/// A setting of gunicorn as a person writes it, in the layer that decides it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hand {
    place: &'static str,
    write: String,
    /// Whether the setting is removed there.
    goes: bool,
}

impl Hand {
    /// The change with which a person gives a setting this value.
    pub fn of(app: &App, name: &'static str, to: &Value) -> Self {
        let settings = &app.gunicorn.settings;
        let flags = settings.table().get(name).map_or(&[] as &[_], |setting| setting.flags);
        let flag = flags.iter().rev().find(|flag| flag.starts_with("--")).copied();
        let layer = settings.layer(name).unwrap_or(Layer::Default);
        Self::in_layer(layer, name, flag.unwrap_or(name), to)
    }

    fn in_layer(layer: Layer, name: &str, flag: &str, to: &Value) -> Self {
        let (value, quoted) = match to {
            Value::Number(number) => (number.to_string(), number.to_string()),
            Value::Text(text) | Value::OfUnit(text) => (text.clone(), format!("\"{text}\"")),
            Value::Off | Value::Unset => (String::new(), "False".to_owned()),
        };
        let goes = value.is_empty() && layer != Layer::ConfigFile;
        let argument = format!("{flag} {value}").trim_end().to_owned();
        let (place, write) = match layer {
            Layer::Default => ("ExecStart=", argument),
            Layer::Environment => ("the environment", format!("WEB_CONCURRENCY={value}")),
            Layer::ConfigFile => ("the configuration file", format!("{name} = {quoted}")),
            Layer::CmdArgs => ("GUNICORN_CMD_ARGS", argument),
            Layer::CommandLine if goes => ("ExecStart=", argument),
            Layer::CommandLine => ("the command line", argument),
        };
        Self { place, write, goes }
    }

    /// The same change in other words, for a value that must not be shown.
    pub fn saying(self, write: &str) -> Self {
        Self { write: write.to_owned(), ..self }
    }

    /// The change on one line, as a title.
    pub fn title(&self) -> String {
        match self.goes {
            true => format!("remove {} from {}", self.write, self.place),
            false => format!("set {} in {}", self.write, self.place),
        }
    }

    /// The change on one line of a help.
    pub fn line(&self) -> String {
        match self.goes {
            true => format!("Remove {} from {}", self.write, self.place),
            false => format!("In {}: {}", self.place, self.write),
        }
    }
}

/// The lines that a person writes to make these edits; `None` if one of the edits is not a line.
pub(super) fn lines(edits: &[Edit]) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut around = None;
    for edit in edits {
        match edit {
            Edit::Set { section, key, value, .. } => {
                if around.replace(section) != Some(section) {
                    lines.push(format!("In [{section}]:"));
                }
                lines.push(format!("{key}={value}"));
            }
            _ => return None,
        }
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}
