//! The application's modules and what they import, followed from the one that gunicorn loads.

mod check;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use super::super::{Problem, Why};
use super::finder::{Finder, Found, Owner};
use super::is_absent;
use crate::source::python::imports::{Import, ImportPlace};
use crate::source::python::opened;
use crate::source::python::search::PathSurroundings;
use crate::source::python::{self, Module, PythonVersion};
use crate::source::{Sources, Span};

use super::read_module::{ReadModule, SocketIo};

/// The most modules of an application that are read.
const MODULE_LIMIT: usize = 1000;
/// The most bytes of modules that are read.
const BYTE_LIMIT: usize = 16 << 20;
/// The most imports that are kept for a second look.
const PENDING_LIMIT: usize = 10_000;

/// What the newest grammar refuses every Python 3 refuses: syntax is added, hardly ever taken away.
pub(super) const NEWEST: PythonVersion = PythonVersion { major: 3, minor: 14 };

/// A module that is to be read.
struct WantedModule {
    name: String,
    path: PathBuf,
    certain: bool,
    /// The module that imports it, by its number, and the import.
    from: Option<(usize, Span)>,
}

/// An import that led to something that is not there, to be looked at again when all that adds to
/// the search path is known.
struct Pending {
    module: usize,
    import: Import,
    certain: bool,
}

/// `from shop import name` where `shop` is the application's and has no such submodule.
struct NameCheck {
    from: (usize, Span),
    module: String,
    path: PathBuf,
    name: String,
}

pub(super) struct Graph<'a> {
    pub sources: &'a Sources<'a>,
    pub finder: Finder<'a>,
    pub version: Option<PythonVersion>,
    working_directory: Option<PathBuf>,
    /// Directories under which added ones are the application's own.
    tops: Vec<PathBuf>,
    pub modules: Vec<ReadModule>,
    /// The modules as they were parsed, in the same order.
    pub parsed: Vec<Module>,
    pub open: Option<Why>,
    pub provided: BTreeSet<String>,
    /// A change to the search path that could not be followed.
    pub unfollowed: Option<Why>,
    attributes: BTreeSet<String>,
    queue: VecDeque<WantedModule>,
    seen: HashSet<PathBuf>,
    pending: Vec<Pending>,
    names: Vec<NameCheck>,
    bytes: usize,
    full: bool,
    /// Functions that are called while a worker starts, by the module that they are taken from.
    called: HashMap<String, Vec<String>>,
    /// A module whose name is a variable's value: the variable, the name, where it is set.
    pub hidden: Option<(&'static str, String, Option<Span>)>,
}

/// How many functions of one module are followed that others call.
const CALLS_LIMIT: usize = 20;

impl<'a> Graph<'a> {
    pub(super) fn new(
        sources: &'a Sources<'a>,
        finder: Finder<'a>,
        version: Option<PythonVersion>,
        working_directory: Option<PathBuf>,
        tops: Vec<PathBuf>,
    ) -> Self {
        Self {
            sources,
            finder,
            version,
            working_directory,
            tops,
            modules: Vec::new(),
            parsed: Vec::new(),
            open: None,
            provided: BTreeSet::new(),
            unfollowed: None,
            attributes: BTreeSet::new(),
            queue: VecDeque::new(),
            seen: HashSet::new(),
            pending: Vec::new(),
            names: Vec::new(),
            hidden: None,
            called: HashMap::new(),
            bytes: 0,
            full: false,
        }
    }

    /// Reads the module that gunicorn loads and those that it imports.
    pub(super) fn start(&mut self, name: &str, path: &Path, problems: &mut Vec<Problem>) {
        for (package, init) in self.packages_above(name) {
            self.queue.push_back(WantedModule {
                name: package,
                path: init,
                certain: true,
                from: None,
            });
        }
        let (name, path) = (name.to_owned(), path.to_path_buf());
        self.queue.push_front(WantedModule { name, path, certain: true, from: None });
        self.run(problems);
    }

    /// Looks again at what was not found, as long as the search path grew in the meantime.
    pub(super) fn run(&mut self, problems: &mut Vec<Problem>) {
        loop {
            self.drain(problems);
            let pending = std::mem::take(&mut self.pending);
            let before = pending.len();
            for again in pending {
                self.import(again.import, again.module, again.certain);
            }
            if self.queue.is_empty() && self.pending.len() == before || self.full {
                return;
            }
        }
    }

    fn drain(&mut self, problems: &mut Vec<Problem>) {
        while let Some(wanted) = self.queue.pop_front() {
            if !self.seen.insert(wanted.path.clone()) {
                continue;
            }
            if self.modules.len() == MODULE_LIMIT || self.bytes > BYTE_LIMIT {
                let why = Why::not_read("the application has more modules than are read");
                self.open.get_or_insert(why);
                self.full = true;
                return;
            }
            self.read(wanted, problems);
        }
    }

    fn read(&mut self, wanted: WantedModule, problems: &mut Vec<Problem>) {
        let file = match self.sources.load(&wanted.path) {
            Ok(file) => file,
            Err(error) => {
                if !is_absent(&error) {
                    problems.push(Problem::unreadable(&error));
                }
                self.open.get_or_insert(Why::not_read(error.to_string()));
                return;
            }
        };
        self.bytes += file.bytes.len();
        let mut module = python::parse(&file, self.version.unwrap_or(NEWEST));
        self.follow_calls(&mut module, &wanted);
        self.changes(&module);
        let imports = module.imports(self.version);
        let index = self.modules.len();
        let certain = wanted.certain && module.unusable().is_none();
        let changed = self.sources.host().look(&wanted.path).metadata().map(|found| found.mtime);
        let may_read_debug = may_read_debug(&file.bytes);
        // Most modules do not mention it, and need not be walked through.
        let makes_flask = memchr::memmem::find(&file.bytes, b"Flask(").is_some();
        self.modules.push(ReadModule {
            changed,
            name: wanted.name,
            path: wanted.path,
            file: file.id,
            certain: wanted.certain,
            from: wanted.from,
            faults: module.faults().to_vec(),
            not_judged: module.not_judged().map(str::to_owned),
            names_scheme: names_scheme(&file.bytes),
            may_read_debug,
            flask_debug: None,
            names_forwarding: names_forwarding(&file.bytes),
            socket_io: socket_io(&file.bytes),
            environment: module.environment(),
            environment_files: match takes_from_files(&file.bytes) {
                true => module.environment_files(self.working_directory.as_deref(), &|path| {
                    Some(self.sources.host().look(path).resolved)
                }),
                false => Vec::new(),
            },
            upload_limit: memchr::memmem::find(&file.bytes, b"MAX_CONTENT_LENGTH")
                .and_then(|_| module.upload_limit()),
            server_name: memchr::memmem::find(&file.bytes, b"SERVER_NAME")
                .and_then(|_| module.server_name()),
            sqlite: memchr::memmem::find(&file.bytes, b"sqlite:////")
                .and_then(|_| module.sqlite_file()),
            opened: match opened::mentions(&file.bytes) && certain {
                true => module.opened(self.working_directory.as_deref(), &|path| {
                    Some(self.sources.host().look(path).resolved)
                }),
                false => Vec::new(),
            },
            root_logs: memchr::memmem::find_iter(&file.bytes, b"basicConfig(").count(),
            names_debug: names_debug(&file.bytes),
            makes_directories: opened::makes_directories(&file.bytes),
            flask: if makes_flask { module.flask_applications() } else { Vec::new() },
        });
        self.parsed.push(module);
        for import in imports {
            let certain = certain && import.place == ImportPlace::TopLevel;
            self.import(import, index, certain);
        }
    }

    /// What others call of a module while a worker starts, and what it calls of others.
    fn follow_calls(&mut self, module: &mut Module, wanted: &WantedModule) {
        let package = package(&wanted.name, &wanted.path);
        let mut names = self.called.remove(&wanted.name).unwrap_or_default();
        names.sort();
        names.dedup();
        // Each of them is looked up among all imports: no module is called so often.
        names.truncate(CALLS_LIMIT);
        for name in names {
            module.runs(&name);
            // `from .factory import create_app` in a package passes it on.
            let from = module.hands_on(&name).and_then(|import| import.absolute(package));
            if let Some(from) = from {
                self.called.entry(from).or_default().push(name);
            }
        }
        if !wanted.certain {
            return;
        }
        for call in module.calls_elsewhere() {
            if let Some(from) = call.import.absolute(package) {
                self.called.entry(from).or_default().push(call.name);
            }
        }
    }

    /// A function of the module that gunicorn loads is called by it.
    pub(super) fn calls(&mut self, module: &str, function: &str) {
        self.called.entry(module.to_owned()).or_default().push(function.to_owned());
    }

    /// What a module changes about the search for others.
    pub(super) fn changes(&mut self, module: &Module) {
        let resolve = |path: &Path| self.sources.host().look(path).resolved;
        let changes = module.search_changes(&PathSurroundings {
            working_directory: self.working_directory.as_deref(),
            resolve: &resolve,
        });
        for directory in changes.directories {
            let owner = self.owner(&directory);
            self.finder.add(directory, owner);
        }
        if let Some((span, what)) = changes.unfollowed {
            let file = self.sources.file(span.file);
            let line = file.position(span.start).line;
            let why = format!("{}:{line}: {what}", file.path.display());
            self.unfollowed.get_or_insert(Why::not_understood(why));
        }
        self.provided.extend(changes.provided);
        self.attributes.extend(changes.attributes);
    }

    /// Whose code a directory holds that something puts onto the search path.
    pub(super) fn owner(&self, directory: &Path) -> Owner {
        match self.tops.iter().any(|top| directory.starts_with(top)) {
            true => Owner::Release,
            false => Owner::Installed,
        }
    }

    /// The `__init__.py` files of the application's packages that a module is in.
    fn packages_above(&self, module: &str) -> Vec<(String, PathBuf)> {
        module
            .match_indices('.')
            .filter_map(|(at, _)| match self.finder.find(&module[..at]) {
                Found::File(path, Owner::Release) => Some((module[..at].to_owned(), path)),
                _ => None,
            })
            .collect()
    }

    /// The package that relative imports of a module count from.
    pub(super) fn package_of(module: &ReadModule) -> &str {
        package(&module.name, &module.path)
    }

    pub(super) fn import(&mut self, import: Import, index: usize, certain: bool) {
        let Some(importer) = self.modules.get(index) else { return };
        let from = (index, import.span);
        let Some(module) = import.absolute(Self::package_of(importer)) else {
            self.keep(Pending { module: index, import, certain });
            return;
        };
        // A module that Python has loaded already is not looked for.
        let certain = certain && !self.finder.is_python(&module);
        let ends = module.match_indices('.').map(|(at, _)| at).chain([module.len()]);
        let mut last = Found::Missing(String::new());
        for end in ends {
            let name = &module[..end];
            last = self.finder.find(name);
            match &last {
                Found::File(path, Owner::Release) => {
                    self.want(name.to_owned(), path.clone(), certain, from);
                }
                Found::File(..) | Found::Opaque(_) | Found::Namespace(_) => {}
                Found::Python => return,
                Found::Missing(_) | Found::Unknown(_) => {
                    return self.keep(Pending { module: index, import, certain });
                }
            }
        }
        for name in &import.names {
            let inner = format!("{module}.{name}");
            match (&last, self.finder.find(&inner)) {
                // `from package import module` loads the module, too.
                (_, Found::File(path, Owner::Release)) => {
                    self.want(inner, path, certain, from);
                }
                (Found::File(path, Owner::Release), Found::Missing(_)) if certain => {
                    let (module, path) = (module.clone(), path.clone());
                    self.names.push(NameCheck { from, module, path, name: name.clone() });
                }
                (Found::Namespace(_), Found::Missing(_)) => {
                    let names = vec![name.clone()];
                    let import = Import { names, ..import.clone() };
                    self.keep(Pending { module: index, import, certain });
                }
                _ => {}
            }
        }
    }

    fn want(&mut self, name: String, path: PathBuf, certain: bool, from: (usize, Span)) {
        // What was read brings nothing new; that the queue is empty says that nothing is to come.
        if self.seen.contains(&path) {
            return;
        }
        let wanted = WantedModule { name, path, certain, from: Some(from) };
        // What is certain goes first, so that nothing is taken for uncertain only because a
        // function imported it, too.
        if certain { self.queue.push_front(wanted) } else { self.queue.push_back(wanted) }
    }

    fn keep(&mut self, pending: Pending) {
        if self.pending.len() < PENDING_LIMIT {
            self.pending.push(pending);
        }
    }

    /// The imports that lead to each other from the module that gunicorn loads to this one.
    pub(super) fn chain(&self, from: (usize, Span)) -> Vec<Span> {
        let mut chain = vec![from.1];
        let mut at = from.0;
        // Each module was read by one that was read before it.
        while let Some((parent, span)) = self.modules.get(at).and_then(|module| module.from) {
            chain.push(span);
            if parent >= at {
                break;
            }
            at = parent;
        }
        chain.reverse();
        chain
    }

    /// A chain in words: `wsgi.py:3 → shop/__init__.py:1 → stripe`.
    pub(super) fn way(&self, chain: &[Span], end: &str) -> String {
        let mut way = String::new();
        for span in chain {
            let file = self.sources.file(span.file);
            let base = self.working_directory.as_deref();
            let path =
                base.and_then(|base| file.path.strip_prefix(base).ok()).unwrap_or(&file.path);
            way.push_str(&format!("{}:{} → ", path.display(), file.position(span.start).line));
        }
        way.push_str(end);
        way
    }

    /// The place of a module among those that were read, by its file.
    pub(super) fn position(&self, path: &Path) -> Option<usize> {
        self.modules.iter().position(|module| module.path == path)
    }

    /// The module that a place is in.
    pub(super) fn module_at(&self, span: Span) -> Option<usize> {
        self.modules.iter().position(|module| module.file == span.file)
    }
}

/// Does a module mention what makes Flask or Django read X-Forwarded-Proto, or read it itself?
fn names_forwarding(bytes: &[u8]) -> bool {
    let names: [&[u8]; 5] = [
        b"ProxyFix",
        b"SECURE_PROXY_SSL_HEADER",
        b"FORWARDED_PROTO",
        b"Forwarded-Proto",
        b"forwarded-proto",
    ];
    speaks_of(bytes, &names)
}

/// Does a module make a server of Socket.IO's?
fn socket_io(bytes: &[u8]) -> Option<SocketIo> {
    let makes: [&[u8]; 3] = [b"SocketIO(", b"socketio.Server(", b"socketio.AsyncServer("];
    let several: [&[u8]; 4] = [b"message_queue", b"client_manager", b"Manager(", b"transports"];
    (speaks_of(bytes, &[b"socketio"]) && speaks_of(bytes, &makes))
        .then(|| SocketIo { for_several: speaks_of(bytes, &several) })
}

fn speaks_of(bytes: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|name| memchr::memmem::find(bytes, name).is_some())
}

/// The package that relative imports of a module count from, by its name and its file.
pub(super) fn package<'n>(name: &'n str, path: &Path) -> &'n str {
    match path.file_name().is_some_and(|file| file == "__init__.py") {
        true => name,
        false => name.rsplit_once('.').map_or("", |(package, _)| package),
    }
}

/// Does a module speak of debugging, or of what loads settings from elsewhere?
fn may_read_debug(bytes: &[u8]) -> bool {
    let names: [&[u8]; 12] = [
        b"DEBUG",
        b"debug",
        b"Debug",
        b"from_object",
        b"from_pyfile",
        b"from_prefixed_env",
        b"from_mapping",
        b"import_string",
        b"import_module",
        b"__import__",
        b"BaseSettings",
        b"SETTINGS_MODULE",
    ];
    speaks_of(bytes, &names)
}

/// Might a module take variables from a file?
fn takes_from_files(bytes: &[u8]) -> bool {
    speaks_of(bytes, &[b"dotenv", b"read_env", b"decouple", b"starlette.config", b"env_file"])
}

/// Does a module name a setting of debug mode, or load settings from a file?
fn names_debug(bytes: &[u8]) -> bool {
    let names: [&[u8]; 5] =
        [b"DEBUG", b"debug=", b"from_pyfile", b"from_envvar", b"from_prefixed_env"];
    speaks_of(bytes, &names)
}

fn names_scheme(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    ["postgres", "drivername", "mysql", "psycopg", "asyncpg"].iter().any(|word| text.contains(word))
}
