//! Where systemd looks for units and drop-ins (systemd.unit(5), "Unit File Load Path"): one scan of
//! the search path serves everything that loads units.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::name::{UnitKind, UnitName};
use super::version;
use crate::host::{FileKind, Host, HostError, HostErrorKind, Lookup, Outcome};
use crate::source::Sources;

/// The system manager's search path, highest priority first, as measured on 252 and 257.
pub const SEARCH_PATH: [&str; 13] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/run/systemd/generator.late",
];

/// The most links between units that systemd follows (`FOLLOW_MAX`).
const FOLLOW_LIMIT: usize = 8;

/// The entry of the search path for a unit's name. Of several, the first in the path counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PathEntry {
    /// A fragment: a file, or a link to a file outside the search path.
    Fragment(PathBuf),
    /// An empty file, or a link to `/dev/null`.
    Masked(PathBuf),
    /// A link to another unit.
    Alias(UnitName),
}

/// The names of a directory's drop-ins.
type Listed = Rc<Result<Vec<OsString>, HostError>>;

/// A unit found by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The unit's own name, which may differ from the alias that was requested.
    pub name: UnitName,
    /// Its fragment's path.
    pub path: PathBuf,
    pub masked: bool,
}

/// The drop-ins of a unit.
pub(super) struct DropIns {
    pub files: Vec<PathBuf>,
    /// Empty files and links to `/dev/null`, which hide drop-ins of the same name in directories of
    /// lower priority.
    pub masked: Vec<PathBuf>,
}

/// A link in a `.wants`, `.requires` or `.upholds` directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The unit that pulls this one in, with the kind of dependency: `multi-user.target.wants`.
    pub directory: String,
    /// The link.
    pub path: PathBuf,
}

/// All units of a search path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Units with a fragment, by name: templates too, and the instances that other units pull in.
    pub units: Vec<UnitName>,
    /// Units that are masked.
    pub masked: Vec<UnitName>,
    /// What could not be read.
    pub problems: Vec<HostError>,
}

/// One scan of the search path.
#[derive(Debug)]
pub struct UnitPaths {
    directories: Vec<PathBuf>,
    entries: FxHashMap<UnitName, PathEntry>,
    /// The aliases that lead to each unit, directly or through other links.
    aliases: FxHashMap<UnitName, Vec<UnitName>>,
    /// For each name such as `x.service.d`, the indices of the search directories that have it, in
    /// order.
    drop_ins: FxHashMap<String, Vec<usize>>,
    pulls: BTreeMap<UnitName, Vec<Pull>>,
    /// What could not be read.
    pub problems: Vec<HostError>,
    /// The version of the systemd that will read the units.
    pub systemd: Option<u32>,
    listed: RefCell<FxHashMap<PathBuf, Listed>>,
}

impl UnitPaths {
    /// Scans the system manager's search path.
    pub fn scan(sources: &Sources) -> Self {
        Self::scan_path(sources, SEARCH_PATH.iter().map(PathBuf::from))
    }

    /// Scans any search path, highest priority first.
    pub fn scan_path(sources: &Sources, path: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut scan = Scan::new(sources.host());
        for directory in path {
            scan.directory(directory);
        }
        scan.finish()
    }

    /// The directories that exist, in order and without duplicates.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Finds a unit by its name, through links, or by its template.
    pub(super) fn find(&self, name: &UnitName) -> Option<Found> {
        let mut name = name.clone();
        for _ in 0..=FOLLOW_LIMIT {
            let entry = self.entries.get(&name).or_else(|| self.entries.get(&name.template()?))?;
            match entry {
                PathEntry::Fragment(path) => {
                    return Some(Found { name, path: path.clone(), masked: false });
                }
                PathEntry::Masked(path) => {
                    return Some(Found { name, path: path.clone(), masked: true });
                }
                PathEntry::Alias(target) => {
                    let instance = name.instance().map(str::to_owned);
                    name = instance
                        .and_then(|instance| target.with_instance(&instance))
                        .unwrap_or_else(|| target.clone());
                }
            }
        }
        None
    }

    /// The other names of a unit, in order.
    pub(super) fn aliases(&self, name: &UnitName) -> Vec<UnitName> {
        let mut names: Vec<UnitName> = self.aliases.get(name).cloned().unwrap_or_default();
        if let (Some(template), Some(instance)) = (name.template(), name.instance()) {
            let templates = self.aliases.get(&template).into_iter().flatten();
            names.extend(templates.filter_map(|alias| match alias.instance() {
                None => alias.with_instance(instance),
                Some(own) => (own == instance).then(|| alias.clone()),
            }));
        }
        names.sort();
        names.dedup();
        names
    }

    /// Whether any unit at all was enabled in `/etc`, that is, not by the distribution.
    pub fn enables_any(&self) -> bool {
        self.pulls.values().flatten().any(|pull| pull.path.starts_with("/etc"))
    }

    /// The links that pull a unit in under one of these names.
    pub(super) fn pulls(&self, names: &[UnitName]) -> Vec<Pull> {
        names.iter().filter_map(|name| self.pulls.get(name)).flatten().cloned().collect()
    }

    /// The drop-ins of a unit with these names, in the order in which they apply. Of several files
    /// with one name, the one in the first directory counts, even if it masks the others.
    pub(super) fn drop_ins(
        &self,
        host: &dyn Host,
        names: &[UnitName],
        problems: &mut Vec<HostError>,
    ) -> DropIns {
        let mut found: BTreeMap<Vec<u8>, PathBuf> = BTreeMap::new();
        for directory in self.drop_in_directories(names) {
            match &*self.list(host, &directory) {
                Ok(files) => {
                    for file in files {
                        let name = file.as_bytes();
                        if !found.contains_key(name) {
                            found.insert(name.to_vec(), directory.join(file));
                        }
                    }
                }
                Err(error) => problems.push(error.clone()),
            }
        }
        let (masked, files) = found.into_values().partition(|path| is_mask(&host.look(path)));
        DropIns { files, masked }
    }

    fn drop_in_directories(&self, names: &[UnitName]) -> Vec<PathBuf> {
        let mut directories = Vec::new();
        for name in names {
            let own = name.drop_in_directories();
            for (index, directory) in self.directories.iter().enumerate() {
                let here = own.iter().filter(|d| self.has_drop_ins(d, index));
                directories.extend(here.map(|d| directory.join(d)));
            }
        }
        if let Some(name) = names.first() {
            let own = name.kind_drop_in_directory();
            let at = self.drop_ins.get(&own).into_iter().flatten();
            directories.extend(at.filter_map(|i| self.directories.get(*i)).map(|d| d.join(&own)));
        }
        directories
    }

    fn has_drop_ins(&self, directory: &str, index: usize) -> bool {
        self.drop_ins.get(directory).is_some_and(|at| at.binary_search(&index).is_ok())
    }

    fn list(&self, host: &dyn Host, directory: &Path) -> Listed {
        if let Some(known) = self.listed.borrow().get(directory) {
            return Rc::clone(known);
        }
        let names = host.list(directory).map(|names| {
            let wanted = |name: &OsString| {
                name.as_bytes().ends_with(b".conf") && !name.as_bytes().starts_with(b".")
            };
            names.into_iter().filter(wanted).collect()
        });
        let names = Rc::new(names);
        self.listed.borrow_mut().insert(directory.into(), Rc::clone(&names));
        names
    }

    /// Every unit of the search path that has a fragment. Names that are only aliases are left out.
    pub fn list_units(&self) -> Listing {
        let mut listing = Listing { problems: self.problems.clone(), ..Listing::default() };
        for (name, entry) in &self.entries {
            match entry {
                PathEntry::Fragment(_) => listing.units.push(name.clone()),
                PathEntry::Masked(_) => listing.masked.push(name.clone()),
                PathEntry::Alias(_) => {}
            }
        }
        let instances = self.pulls.keys().filter(|name| name.instance().is_some());
        let found = instances.filter_map(|name| self.find(name)).filter(|found| !found.masked);
        listing.units.extend(found.map(|found| found.name));
        listing.units.sort();
        listing.units.dedup();
        listing.masked.sort();
        listing
    }

    /// Whether any of a unit's files contains `needle`: a quick check before the unit is read in
    /// full. A file that cannot be read counts as a yes, so that reading the unit in full shows
    /// why.
    pub fn mentions(&self, sources: &Sources, name: &UnitName, needle: &[u8]) -> bool {
        let Some(found) = self.find(name) else { return false };
        let mut names = vec![found.name.clone()];
        names.extend(self.aliases(&found.name));
        let mut problems = Vec::new();
        let drop_ins = self.drop_ins(sources.host(), &names, &mut problems);
        !problems.is_empty()
            || std::iter::once(found.path).chain(drop_ins.files).any(|path| {
                sources.load(&path).map_or(true, |file| {
                    file.bytes.windows(needle.len().max(1)).any(|window| window == needle)
                })
            })
    }
}

/// `null_or_empty()`: whether it is an empty file or a device. An image contains no devices before
/// it is started.
fn is_mask(lookup: &Lookup) -> bool {
    match &lookup.outcome {
        Outcome::Missing { at } => {
            [Path::new("/dev"), Path::new("/dev/null")].contains(&at.as_path())
                && lookup.links.last().is_some_and(|hop| hop.target.ends_with("dev/null"))
        }
        Outcome::Present(metadata) => match metadata.kind {
            FileKind::File => metadata.size == 0,
            FileKind::Device => true,
            _ => false,
        },
        _ => false,
    }
}

struct Scan<'h> {
    host: &'h dyn Host,
    paths: UnitPaths,
    /// The directories with their links resolved, to visit each only once and to distinguish
    /// aliases from linked units.
    resolved: FxHashSet<PathBuf>,
    /// For each name, its paths in the order of the search path.
    seen: FxHashMap<UnitName, Vec<PathBuf>>,
}

impl<'h> Scan<'h> {
    fn new(host: &'h dyn Host) -> Self {
        Self {
            host,
            paths: UnitPaths {
                directories: Vec::new(),
                entries: FxHashMap::default(),
                aliases: FxHashMap::default(),
                drop_ins: FxHashMap::default(),
                pulls: BTreeMap::new(),
                problems: Vec::new(),
                systemd: version::find(host).map(|(version, _)| version),
                listed: RefCell::default(),
            },
            resolved: FxHashSet::default(),
            seen: FxHashMap::default(),
        }
    }

    fn directory(&mut self, directory: PathBuf) {
        if !self.resolved.insert(self.host.look(&directory).resolved) {
            return;
        }
        let names = match self.host.list(&directory) {
            Ok(names) => names,
            Err(error) => return self.problem(error),
        };
        let index = self.paths.directories.len();
        self.paths.directories.push(directory.clone());
        for name in names.iter().filter_map(|name| name.to_str()) {
            let path = directory.join(name);
            if let Some(unit) = UnitName::exact(name) {
                self.seen.entry(unit).or_default().push(path);
            } else if name.ends_with(".d") {
                self.paths.drop_ins.entry(name.to_owned()).or_default().push(index);
            } else if is_pull_directory(name) {
                self.pull_directory(name, &path);
            }
        }
    }

    /// Records an error. A missing file is not a problem; an unreadable one is.
    fn problem(&mut self, error: HostError) {
        if !matches!(error.kind, HostErrorKind::NotFound | HostErrorKind::NotADirectory) {
            self.paths.problems.push(error);
        }
    }

    fn pull_directory(&mut self, directory: &str, path: &Path) {
        match self.host.list(path) {
            Ok(names) => {
                for name in names.iter().filter_map(|name| name.to_str()) {
                    let Some(unit) = UnitName::exact(name) else { continue };
                    let pull = Pull { directory: directory.to_owned(), path: path.join(name) };
                    self.paths.pulls.entry(unit).or_default().push(pull);
                }
            }
            Err(error) => self.problem(error),
        }
    }

    fn finish(mut self) -> UnitPaths {
        for (name, paths) in std::mem::take(&mut self.seen) {
            // An entry that systemd cannot use is skipped in favour of the next directory's.
            if let Some(entry) = paths.iter().find_map(|path| self.entry(&name, path)) {
                self.paths.entries.insert(name, entry);
            }
        }
        let mut aliases: FxHashMap<UnitName, Vec<UnitName>> = FxHashMap::default();
        for (name, entry) in &self.paths.entries {
            if matches!(entry, PathEntry::Alias(_))
                && let Some(found) = self.paths.find(name)
            {
                aliases.entry(found.name).or_default().push(name.clone());
            }
        }
        self.paths.aliases = aliases;
        self.paths.problems.sort_by(|a, b| a.path.cmp(&b.path));
        self.paths
    }

    fn entry(&mut self, name: &UnitName, path: &Path) -> Option<PathEntry> {
        let metadata = match self.host.link_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.problem(error);
                return None;
            }
        };
        match metadata.kind {
            FileKind::File if metadata.size == 0 => Some(PathEntry::Masked(path.into())),
            FileKind::File => Some(PathEntry::Fragment(path.into())),
            FileKind::Link => self.link(name, path),
            // A directory or a fifo: systemd does not accept it as a unit, although whoever put it
            // there meant one.
            kind => {
                let kind = HostErrorKind::NotAFile(kind);
                self.problem(HostError { path: path.into(), kind });
                None
            }
        }
    }

    fn link(&mut self, name: &UnitName, path: &Path) -> Option<PathEntry> {
        let target = match self.host.read_link(path) {
            Ok(target) => target,
            Err(error) => {
                self.problem(error);
                return None;
            }
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        let target = parent.join(target);
        let directory = self.host.look(target.parent().unwrap_or(Path::new("/"))).resolved;
        if self.resolved.contains(&directory) {
            let Some(target) = target.file_name()?.to_str().and_then(UnitName::exact) else {
                // The target's name is not a unit's name. If links form a cycle, there is no file
                // either.
                if let Outcome::Failed(error) = self.host.look(path).outcome {
                    self.problem(error);
                }
                return None;
            };
            return (name.may_alias(&target) && *name != target)
                .then_some(PathEntry::Alias(target));
        }
        let lookup = self.host.look(path);
        if is_mask(&lookup) {
            return Some(PathEntry::Masked(path.into()));
        }
        if let Outcome::Failed(error) = lookup.outcome {
            self.problem(error);
        }
        Some(PathEntry::Fragment(path.into()))
    }
}

fn is_pull_directory(name: &str) -> bool {
    let unit = name
        .strip_suffix(".wants")
        .or_else(|| name.strip_suffix(".requires"))
        .or_else(|| name.strip_suffix(".upholds"));
    unit.is_some_and(|unit| {
        UnitName::exact(unit).is_some() || UnitKind::from_suffix(unit).is_some()
    })
}
