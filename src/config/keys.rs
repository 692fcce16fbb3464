//! The keys: one list for the reader, for "did you mean", and for the test that compares the schema
//! with it.

/// The kind of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// A day: `2026-05-01`, with or without quotes.
    Day,
    /// A table whose keys the user chooses.
    Map,
    /// A list of tables: `[[app]]`.
    Tables(&'static str),
}

/// A table and its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name; empty for the file itself.
    pub name: &'static str,
    /// Its keys in the order in which they are documented.
    pub keys: &'static [(&'static str, Kind)],
}

/// The top level of the file.
pub(super) const FILE: Table = Table {
    name: "",
    keys: &[
        ("fail-on", Kind::Text),
        ("baseline", Kind::Text),
        ("severity", Kind::Map),
        ("app", Kind::Tables("app")),
        ("ignore", Kind::Tables("ignore")),
    ],
};

/// `[[app]]`.
pub(super) const APP: Table = Table {
    name: "app",
    keys: &[
        ("name", Kind::Text),
        ("unit", Kind::Texts),
        ("nginx", Kind::Texts),
        ("env-file", Kind::Texts),
        ("app-dir", Kind::Text),
        ("gunicorn-conf", Kind::Text),
        ("requirements", Kind::Text),
        ("venv", Kind::Text),
        ("required-variables", Kind::Texts),
        ("expected-upstream", Kind::Text),
        ("probe", Kind::Texts),
    ],
};

/// `[[ignore]]`.
pub(super) const IGNORE: Table = Table {
    name: "ignore",
    keys: &[
        ("rule", Kind::Text),
        ("app", Kind::Text),
        ("file", Kind::Text),
        ("reason", Kind::Text),
        ("until", Kind::Day),
    ],
};

/// All tables.
pub const TABLES: [Table; 3] = [FILE, APP, IGNORE];
