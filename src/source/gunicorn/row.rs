//! The rows of the table of settings: each is a setting in a range of versions, with its type and
//! its default.

/// What a flag does on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The setting has no flag.
    None,
    /// Takes text.
    Text,
    /// Takes a whole number, in decimal (`int(x)`).
    Int,
    /// Takes a whole number in any of Python's bases, `022` being octal.
    AutoInt,
    /// May be repeated; each use adds one value.
    Append,
    /// Takes nothing and sets true.
    StoreTrue,
    /// Takes nothing and sets false (`--no-sendfile`).
    StoreFalse,
    /// Takes text, which may be left out.
    Optional,
}

/// What a setting's validator in `config.py` accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text or None; white space at its ends is removed.
    Text,
    /// A list of texts; a single text is a list of one.
    TextList,
    /// Texts separated by commas.
    TextSet,
    /// A whole number that is not negative, or text that is such a number.
    PositiveInt,
    /// True, False, or text that means one of them.
    Bool,
    /// A directory that exists, made absolute.
    Directory,
    /// A user's name or number.
    User,
    /// A group's name or number.
    Group,
    /// A class, or text that names one.
    Class,
    /// A function, or text that names one.
    Callable,
    /// A dictionary.
    Dict,
    /// A list of files.
    Files,
    /// `off`, `v1`, `v2`, `auto`.
    ProxyProtocol,
    /// `inotify`, `poll`, `auto`.
    ReloadEngine,
    /// `host:port`.
    Statsd,
    /// One of a few words; which ones is not checked here.
    Choice,
    /// Not checked here.
    Opaque,
}

/// A default value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// None.
    None,
    /// A number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(&'static str),
    /// A list of texts.
    List(&'static [&'static str]),
    /// A function of gunicorn's.
    Callable,
    /// A dictionary of gunicorn's.
    Dict,
    /// Depends on the machine, the user or the working directory.
    Machine,
}

/// One setting in a range of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub(super) name: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) flags: &'static [&'static str],
    pub(super) action: Action,
    pub(super) kind: Kind,
    pub(super) default: Default,
}
