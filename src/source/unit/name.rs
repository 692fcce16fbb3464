//! Names of units (systemd.unit(5)): prefix, instance, type, escapes, drop-in directories.

use std::fmt;

/// The longest name that systemd accepts, in bytes (`UNIT_NAME_MAX` without its NUL).
const NAME_LIMIT: usize = 255;

/// The types of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // each is the suffix of its own name
pub enum UnitKind {
    Service,
    Socket,
    Target,
    Device,
    Mount,
    Automount,
    Swap,
    Timer,
    Path,
    Slice,
    Scope,
}

impl UnitKind {
    const ALL: [Self; 11] = [
        Self::Service,
        Self::Socket,
        Self::Target,
        Self::Device,
        Self::Mount,
        Self::Automount,
        Self::Swap,
        Self::Timer,
        Self::Path,
        Self::Slice,
        Self::Scope,
    ];

    /// The suffix without its dot: `service`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Socket => "socket",
            Self::Target => "target",
            Self::Device => "device",
            Self::Mount => "mount",
            Self::Automount => "automount",
            Self::Swap => "swap",
            Self::Timer => "timer",
            Self::Path => "path",
            Self::Slice => "slice",
            Self::Scope => "scope",
        }
    }

    /// The type with this suffix, given without its dot.
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.suffix() == suffix)
    }
}

/// A valid name of a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName {
    prefix: String,
    /// What is after `@`: empty in a template, `None` without `@`.
    instance: Option<String>,
    kind: UnitKind,
}

impl UnitName {
    /// Parses a name as a user writes it: a name without a type's suffix is a service, as for
    /// systemctl.
    pub fn parse(text: &str) -> Option<Self> {
        Self::exact(text).or_else(|| {
            let suffix = text.rsplit_once('.').map_or("", |(_, suffix)| suffix);
            match UnitKind::from_suffix(suffix) {
                Some(_) => None,
                None => Self::exact(&format!("{text}.service")),
            }
        })
    }

    /// Parses a complete name with its suffix, as files are named.
    pub fn exact(text: &str) -> Option<Self> {
        let (name, suffix) = text.rsplit_once('.')?;
        let kind = UnitKind::from_suffix(suffix)?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b);
        if text.len() > NAME_LIMIT || name.is_empty() || !name.bytes().all(allowed) {
            return None;
        }
        let (prefix, instance) = match name.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance.to_owned())),
            None => (name, None),
        };
        (!prefix.is_empty()).then(|| Self { prefix: prefix.to_owned(), instance, kind })
    }

    /// A placeholder name for text that is no named unit.
    pub(super) fn unnamed() -> Self {
        Self { prefix: "unit".into(), instance: None, kind: UnitKind::Service }
    }

    /// The part before `@`, or before the suffix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The part between `@` and the suffix; `None` for a template and for a plain name.
    pub fn instance(&self) -> Option<&str> {
        self.instance.as_deref().filter(|instance| !instance.is_empty())
    }

    /// The type.
    pub fn kind(&self) -> UnitKind {
        self.kind
    }

    /// Whether it is a template: `web@.service`.
    pub fn is_template(&self) -> bool {
        self.instance.as_deref() == Some("")
    }

    /// The name without its suffix: `web@blue`.
    pub fn stem(&self) -> String {
        match &self.instance {
            Some(instance) => format!("{}@{instance}", self.prefix),
            None => self.prefix.clone(),
        }
    }

    /// The template of an instance; `None` if this is not an instance.
    pub fn template(&self) -> Option<Self> {
        self.instance().map(|_| Self { instance: Some(String::new()), ..self.clone() })
    }

    /// An instance of this template; `None` if this is not a template.
    pub fn with_instance(&self, instance: &str) -> Option<Self> {
        if !self.is_template() || instance.is_empty() {
            return None;
        }
        Self::exact(&format!("{}@{instance}.{}", self.prefix, self.kind.suffix()))
    }

    /// The part of the prefix after its last dash (`%j`).
    pub fn last_component(&self) -> &str {
        self.prefix.rsplit_once('-').map_or(&self.prefix, |(_, last)| last)
    }

    /// The directories of this unit's drop-ins, the most specific first, without the directory for
    /// all units of the type: `a-b@i.service.d`, `a-b@.service.d`, `a-@i.service.d`,
    /// `a-@.service.d`.
    pub fn drop_in_directories(&self) -> Vec<String> {
        let mut directories = Vec::new();
        let mut name = self.clone();
        loop {
            directories.push(format!("{name}.d"));
            directories.extend(name.template().map(|template| format!("{template}.d")));
            let Some(shorter) = shorten(&name.prefix) else { return directories };
            name.prefix = shorter;
        }
    }

    /// The directory of drop-ins for every unit of the type: `service.d`.
    pub fn kind_drop_in_directory(&self) -> String {
        format!("{}.d", self.kind.suffix())
    }

    /// Whether a link of this name may lead to the unit `target` (an alias). The types must agree;
    /// a template leads to a template, an instance to the same instance or to a template.
    pub fn may_alias(&self, target: &Self) -> bool {
        self.kind == target.kind
            && match (self.is_template(), self.instance()) {
                (true, _) => target.is_template(),
                (false, Some(instance)) => {
                    target.is_template() || target.instance() == Some(instance)
                }
                (false, None) => !target.is_template(),
            }
    }
}

/// Drops the last component of a prefix: `a-b-c` gives `a-b-`, which gives `a-`, which gives
/// nothing.
fn shorten(prefix: &str) -> Option<String> {
    let trimmed = prefix.strip_suffix('-').unwrap_or(prefix);
    let dash = trimmed.rfind('-')?;
    if dash == 0 {
        return None;
    }
    prefix.get(..=dash).map(str::to_owned)
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)?;
        if let Some(instance) = &self.instance {
            write!(f, "@{instance}")?;
        }
        write!(f, ".{}", self.kind.suffix())
    }
}

/// Undoes systemd's escapes: `-` is `/`, `\x2d` is a byte. `None` if an escape is broken or the
/// result is not UTF-8.
pub fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return String::from_utf8(bytes).ok(),
            [b'-', rest @ ..] => {
                bytes.push(b'/');
                rest
            }
            [b'\\', b'x', high, low, rest @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(*high)?.checked_mul(16)?.checked_add(digit(*low)?)?;
                bytes.push(u8::try_from(value).ok()?);
                rest
            }
            [b'\\', ..] => return None,
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}
