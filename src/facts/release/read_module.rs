//! What is kept of a module that was read.

use std::path::PathBuf;

use crate::source::python::SyntaxFault;
use crate::source::python::environ::{EnvironmentFiles, EnvironmentUse};
use crate::source::python::flask::{FlaskApplication, FlaskDebug};
use crate::source::python::opened::Opened;
use crate::source::{FileId, Span, Spanned};

/// A server of Socket.IO's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketIo {
    /// Its text speaks of what several processes need: a queue between them, or a choice of transports.
    pub for_several: bool,
}

/// A module of the application that was read.
#[derive(Debug)]
pub struct ReadModule {
    /// Its dotted name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Its file's number.
    pub file: FileId,
    /// When its file was changed last, seconds since 1970.
    pub changed: Option<i64>,
    /// Is it certain that it is imported when a worker boots? Not where an import is in a function,
    /// a branch or a `try`.
    pub certain: bool,
    /// The module that imports it first, by its place among the modules, and the import; none for
    /// the one that gunicorn loads.
    pub from: Option<(usize, Span)>,
    /// Syntax errors for the environment's Python; where that is not known, what every Python
    /// refuses.
    pub faults: Vec<SyntaxFault>,
    /// Why it was not judged: too large, too deeply nested.
    pub not_judged: Option<String>,
    /// Its text names the scheme of a database's URL, and so may change the one that is given.
    pub names_scheme: bool,
    /// Its text speaks of debugging, or of what reads settings by names that are not in it.
    pub may_read_debug: bool,
    /// Where it turns the debug mode of a Flask application on that it makes, whatever is set elsewhere.
    pub flask_debug: Option<FlaskDebug>,
    /// Its text names what makes an application read X-Forwarded-Proto itself.
    pub names_forwarding: bool,
    /// It makes a server of Socket.IO's.
    pub socket_io: Option<SocketIo>,
    /// The variables that it reads.
    pub environment: EnvironmentUse,
    /// The files that it takes variables from.
    pub environment_files: Vec<EnvironmentFiles>,
    /// The largest request that it takes, in bytes, where that is written in it.
    pub upload_limit: Option<Spanned<u64>>,
    /// Flask's `SERVER_NAME` that it sets.
    pub server_name: Option<Spanned<String>>,
    /// The file of the SQLite database that it sets for Flask-SQLAlchemy.
    pub sqlite: Option<Spanned<String>>,
    /// What its import writes.
    pub opened: Vec<Opened>,
    /// How often its text names `basicConfig`.
    pub root_logs: usize,
    /// Its text names a setting of debug mode, or loads settings from a file.
    pub names_debug: bool,
    /// It speaks of making directories.
    pub makes_directories: bool,
    /// Where it makes Flask's applications.
    pub flask: Vec<FlaskApplication>,
}
