//! The graph of a project's migrations, evaluated as Django's `MigrationLoader` and
//! `MigrationGraph` do: a squashed migration takes the place of those that it replaces if all or
//! none of them are applied. The algorithms are iterative and linear.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;

use super::effect::{Effect, State};
use super::{Dependency, Fault, Key, Migration, Printed};
use crate::source::{Span, Spanned};

/// An application of INSTALLED_APPS, as far as its migrations go.
#[derive(Debug)]
pub enum App {
    /// One of the project's own: its migrations are read.
    Own {
        /// Its `migrations` package.
        directory: PathBuf,
        /// The migrations that were understood.
        migrations: Vec<Migration>,
        /// The names of the migrations that were not understood.
        unread: Vec<String>,
        /// Why they were not understood.
        faults: Vec<Fault>,
        /// Files that define no migration, and the place where each begins.
        classless: Vec<(PathBuf, Span)>,
    },
    /// An installed package, of which only the names of migrations are known.
    Installed {
        /// The names of its migrations, and of those that they replace.
        names: HashSet<String>,
    },
    /// One of the project's own, with migrations in a directory that is not a package, so that
    /// Django finds none.
    NoPackage {
        /// The directory.
        directory: PathBuf,
        /// How many files are in the directory.
        files: usize,
        /// The place where the first of them begins.
        first: Span,
    },
    /// It has no migrations.
    Unmigrated,
    /// Not known, with the reason.
    Unknown(String),
}

/// The applications of a project, by their labels.
#[derive(Debug, Default)]
pub struct Project {
    /// The applications.
    pub apps: BTreeMap<String, App>,
    /// The labels of the applications that settings name: AUTH_USER_MODEL.
    pub swappable: BTreeMap<String, String>,
    /// Why there may be more applications than these.
    pub open: Option<String>,
}

/// An application that has several leaves, or for which that is not known.
#[derive(Debug)]
pub struct Leaves<'p> {
    /// Its label.
    pub app: &'p str,
    /// The leaves, by name.
    pub leaves: Result<Vec<&'p Migration>, String>,
}

/// A migration that another migration names and that does not exist.
#[derive(Debug)]
pub struct Missing<'p> {
    /// The application of the migration that names it.
    pub app: &'p str,
    /// The migration that names it.
    pub migration: &'p Migration,
    /// The missing migration.
    pub key: Key,
    /// The place where it is named.
    pub span: Span,
    /// Whether the whole application is missing from INSTALLED_APPS.
    pub no_such_app: bool,
    /// Whether it is named in `run_before`.
    pub before: bool,
}

/// Migrations that depend on each other in a cycle; each depends on the one before it.
pub type Cycle<'p> = Vec<(&'p str, &'p Migration)>;

/// The migrations that are not applied.
#[derive(Debug, Default)]
pub struct Pending<'p> {
    /// Those of the project's own applications, in an order in which they can be applied.
    pub own: Vec<(&'p str, &'p Migration)>,
    /// The migrations of installed packages that are not applied.
    pub installed: Vec<Key>,
    /// Migrations that are applied but not in any file of the release.
    pub unheard: Vec<Key>,
}

#[derive(Clone, Copy)]
struct GraphNode<'p> {
    app: &'p str,
    migration: &'p Migration,
}

/// Whether the graph contains squashed migrations or those that they replace.
enum Mode<'a> {
    /// The squashed migrations: none or all of the replaced ones are applied.
    Squashed,
    /// The replaced migrations: some of them are applied.
    Kept,
    /// Depending on what is applied in the database.
    Applied(&'a HashSet<usize>),
}

/// A dependency: the child follows the parent.
#[derive(Clone, Copy)]
struct Edge {
    child: usize,
    parent: usize,
    /// Whether the child was named by a migration that no longer exists and that the child
    /// replaces.
    child_gone: bool,
    /// Whether the parent was named by such a migration.
    parent_gone: bool,
}

struct Nodes<'p> {
    list: Vec<GraphNode<'p>>,
    ids: HashMap<(&'p str, &'p str), usize>,
    /// For each squashed migration, the migrations that it replaces, none of which is itself
    /// squashed.
    replaces: HashMap<usize, Vec<usize>>,
    /// For each migration, those that replace it.
    replaced_by: Vec<Vec<usize>>,
    edges: Vec<Edge>,
}

/// The graph in one mode: which migrations are in it, and what each follows.
struct ModeGraph {
    used: Vec<bool>,
    parents: Vec<Vec<usize>>,
}

impl Project {
    fn nodes(&self) -> Nodes<'_> {
        let mut list = Vec::new();
        for (app, found) in &self.apps {
            if let App::Own { migrations, .. } = found {
                list.extend(migrations.iter().map(|migration| GraphNode { app, migration }));
            }
        }
        let ids: HashMap<(&str, &str), usize> = list
            .iter()
            .enumerate()
            .map(|(at, n)| ((n.app, n.migration.name.as_str()), at))
            .collect();
        let mut nodes = Nodes {
            replaced_by: vec![Vec::new(); list.len()],
            list,
            ids,
            replaces: HashMap::new(),
            edges: Vec::new(),
        };
        nodes.squash();
        nodes.connect(&self.swappable);
        nodes
    }

    /// Why the graph of one of the project's own applications is not known.
    fn unread(&self, app: &str) -> Option<String> {
        match self.apps.get(app) {
            Some(App::Own { faults, .. }) => faults.first().map(ToString::to_string),
            _ => None,
        }
    }

    /// The project's own applications with several leaves, for which `migrate` refuses to run.
    pub fn leaves(&self) -> Vec<Leaves<'_>> {
        let nodes = self.nodes();
        let mut squashed = nodes.graph(&Mode::Squashed).leaves(&nodes);
        let mut kept = nodes.graph(&Mode::Kept).leaves(&nodes);
        let mut found = Vec::new();
        for app in self.apps.keys() {
            let squashed = squashed.remove(app.as_str()).unwrap_or_default();
            let kept = kept.remove(app.as_str()).unwrap_or_default();
            let leaves = match (self.unread(app), squashed.len() > 1, kept.len() > 1) {
                (Some(why), ..) => Err(why),
                (None, false, false) => continue,
                (None, true, true) => Ok(nodes.named(&squashed)),
                _ => Err(format!(
                    "whether {app} has several leaves depends on which of its squashed migrations \
                     the database has applied"
                )),
            };
            found.push(Leaves { app, leaves });
        }
        found
    }

    /// The missing migrations that others name, and why that is not known for further ones.
    pub fn missing(&self) -> (Vec<Missing<'_>>, Option<String>) {
        let nodes = self.nodes();
        let replaced: HashSet<&Key> =
            nodes.list.iter().flat_map(|n| &n.migration.replaces).collect();
        let (mut found, mut unknown) = (Vec::new(), None);
        for node in &nodes.list {
            let on = node.migration.dependencies.iter().filter_map(|d| match &d.value {
                Dependency::On(key) => Some((key, d.span, false)),
                Dependency::Swappable(_) => None,
            });
            let before = node.migration.run_before.iter().map(|b| (&b.value, b.span, true));
            for (key, span, before) in on.chain(before) {
                match self.holds(&nodes, node.app, key) {
                    Holds::Yes => {}
                    _ if replaced.contains(key) => {}
                    Holds::Unknown(why) => {
                        unknown
                            .get_or_insert(format!("it is not known whether {key} exists: {why}"));
                    }
                    holds @ (Holds::No | Holds::NoApp) => found.push(Missing {
                        app: node.app,
                        migration: node.migration,
                        key: key.clone(),
                        span,
                        no_such_app: matches!(holds, Holds::NoApp),
                        before,
                    }),
                }
            }
        }
        (found, unknown)
    }

    fn holds(&self, nodes: &Nodes<'_>, from: &str, key: &Key) -> Holds {
        let vague = matches!(key.name.as_str(), "__first__" | "__latest__");
        let app = match self.apps.get(&key.app) {
            Some(app) => app,
            None => {
                return match &self.open {
                    Some(why) => Holds::Unknown(why.clone()),
                    None => Holds::NoApp,
                };
            }
        };
        match app {
            App::Unknown(why) => Holds::Unknown(why.clone()),
            // That Django finds none of these migrations is reported once, for the directory.
            App::NoPackage { .. } => Holds::Yes,
            App::Unmigrated if vague => Holds::Yes,
            // An application without migrations does not have this one either.
            App::Unmigrated => Holds::No,
            // Within the same application, Django ignores `__first__` and looks for a migration
            // that is actually named `__latest__`.
            App::Own { .. } if vague && key.app == from => {
                if key.name == "__first__" {
                    Holds::Yes
                } else {
                    Holds::No
                }
            }
            App::Own { migrations, unread, .. } if vague => {
                if migrations.is_empty() && unread.is_empty() { Holds::No } else { Holds::Yes }
            }
            App::Installed { names } if vague => {
                if names.is_empty() {
                    Holds::No
                } else {
                    Holds::Yes
                }
            }
            App::Own { unread, faults, .. } => {
                let there = nodes.id(key).is_some() || unread.contains(&key.name);
                match (there, faults.first()) {
                    (true, _) => Holds::Yes,
                    // The file that was not understood may replace the migration.
                    (false, Some(fault)) => Holds::Unknown(fault.to_string()),
                    (false, None) => Holds::No,
                }
            }
            App::Installed { names } => {
                if names.contains(&key.name) {
                    Holds::Yes
                } else {
                    Holds::No
                }
            }
        }
    }

    /// A cycle, if there is one.
    pub fn cycle(&self) -> Result<Option<Cycle<'_>>, String> {
        let nodes = self.nodes();
        let squashed = nodes.graph(&Mode::Squashed).cycle();
        let kept = nodes.graph(&Mode::Kept).cycle();
        match (squashed, kept) {
            (None, None) => Ok(None),
            (Some(cycle), Some(_)) => {
                let pair = |at: &usize| nodes.list.get(*at).map(|n| (n.app, n.migration));
                Ok(Some(cycle.iter().filter_map(pair).collect()))
            }
            _ => {
                Err("whether migrations depend on each other in a cycle depends on which squashed \
                      ones the database has applied"
                    .into())
            }
        }
    }

    /// The migrations that the database has not applied, according to the output of
    /// `showmigrations`.
    pub fn pending(&self, printed: &Printed) -> Result<Pending<'_>, String> {
        let nodes = self.nodes();
        if let Some(why) = self.apps.keys().find_map(|app| self.unread(app)) {
            return Err(why);
        }
        let is_applied = |node: &GraphNode<'_>| {
            printed
                .applied
                .contains(&Key { app: node.app.to_owned(), name: node.migration.name.clone() })
        };
        let mut applied: HashSet<usize> = (0..nodes.list.len())
            .filter(|at| nodes.list.get(*at).is_some_and(is_applied))
            .collect();
        // If a squashed migration is applied, so are those that it replaces, and vice versa.
        for (squashed, replaced) in &nodes.replaces {
            if applied.contains(squashed) {
                applied.extend(replaced);
            }
        }
        for (at, node) in nodes.list.iter().enumerate() {
            let replaces = &node.migration.replaces;
            if !replaces.is_empty() && replaces.iter().all(|key| printed.applied.contains(key)) {
                applied.insert(at);
            }
        }
        let own = nodes.left(&applied)?;
        let is_own = |key: &&Key| matches!(self.apps.get(&key.app), Some(App::Own { .. }));
        let replaced: HashSet<&Key> =
            nodes.list.iter().flat_map(|n| &n.migration.replaces).collect();
        let known = |key: &Key| nodes.id(key).is_some() || replaced.contains(key);
        let mut unheard: Vec<Key> =
            printed.applied.iter().filter(is_own).filter(|key| !known(key)).cloned().collect();
        unheard.sort_unstable();
        let installed = printed.pending.iter().filter(|key| !is_own(key)).cloned().collect();
        Ok(Pending { own, installed, unheard })
    }

    /// The migrations that a release adds, in an order in which they can be applied. `is_new` says
    /// whether a migration is new.
    pub fn added(&self, is_new: &dyn Fn(&str, &Migration) -> bool) -> Result<Pending<'_>, String> {
        let nodes = self.nodes();
        if let Some(why) = self.apps.keys().find_map(|app| self.unread(app)) {
            return Err(why);
        }
        let applied: HashSet<usize> = (0..nodes.list.len())
            .filter(|at| nodes.list.get(*at).is_some_and(|n| !is_new(n.app, n.migration)))
            .collect();
        let mut own = nodes.left(&applied)?;
        // A squashed migration is not pending if everything that it replaces is applied.
        own.retain(|(_, m)| {
            let old = |key: &Key| nodes.id(key).is_none_or(|at| applied.contains(&at));
            m.replaces.is_empty() || !m.replaces.iter().all(old)
        });
        Ok(Pending { own, ..Pending::default() })
    }

    /// A migration and everything that is applied before it.
    pub fn until(&self, key: &Key) -> Option<HashSet<Key>> {
        let nodes = self.nodes();
        let start = nodes.id(key)?;
        let mut parents: HashMap<usize, Vec<usize>> = HashMap::new();
        for Edge { child, parent, .. } in &nodes.edges {
            parents.entry(*child).or_default().push(*parent);
        }
        for (squashed, replaced) in &nodes.replaces {
            parents.entry(*squashed).or_default().extend(replaced);
        }
        let (mut seen, mut todo) = (HashSet::new(), vec![start]);
        while let Some(at) = todo.pop() {
            if seen.insert(at) {
                todo.extend(parents.get(&at).into_iter().flatten());
            }
        }
        let key = |at: usize| {
            let node = nodes.list.get(at)?;
            Some(Key { app: node.app.to_owned(), name: node.migration.name.clone() })
        };
        Some(seen.into_iter().filter_map(key).collect())
    }

    /// The effects of pending migrations, each computed with knowledge of the earlier ones.
    pub fn effects<'p>(&'p self, pending: &Pending<'p>) -> Vec<(&'p str, &'p Migration, Effect)> {
        let nodes = self.nodes();
        let waiting: HashSet<(&str, &str)> =
            pending.own.iter().map(|(app, m)| (*app, m.name.as_str())).collect();
        let applied: HashSet<usize> = (0..nodes.list.len())
            .filter(|at| {
                nodes
                    .list
                    .get(*at)
                    .is_some_and(|n| !waiting.contains(&(n.app, n.migration.name.as_str())))
            })
            .collect();
        let mut state = State::default();
        let mut found = Vec::new();
        // All applied migrations come first, because the pending ones follow them.
        let order = nodes.graph(&Mode::Applied(&applied)).order().unwrap_or_default();
        for at in order.iter().filter(|at| applied.contains(at)) {
            if let Some(node) = nodes.list.get(*at) {
                state.apply(node.app, node.migration, false);
            }
        }
        for (app, migration) in &pending.own {
            found.push((*app, *migration, state.apply(app, migration, true)));
        }
        found
    }
}

enum Holds {
    Yes,
    No,
    NoApp,
    Unknown(String),
}

impl<'p> Nodes<'p> {
    fn id(&self, key: &Key) -> Option<usize> {
        self.ids.get(&(key.app.as_str(), key.name.as_str())).copied()
    }

    /// The migrations that are not applied, in an order in which they can be.
    fn left(&self, applied: &HashSet<usize>) -> Result<Vec<(&'p str, &'p Migration)>, String> {
        let graph = self.graph(&Mode::Applied(applied));
        let order = graph.order().ok_or("migrations depend on each other in a cycle")?;
        Ok(order
            .into_iter()
            .filter(|at| !applied.contains(at))
            .filter_map(|at| self.list.get(at).map(|node| (node.app, node.migration)))
            .collect())
    }

    /// Determines what squashed migrations replace. A migration that replaces a squashed one
    /// replaces what that one does (Django 6.0; earlier, `squashmigrations` refused this).
    fn squash(&mut self) {
        let squashed: Vec<usize> = (0..self.list.len())
            .filter(|at| self.list.get(*at).is_some_and(|n| !n.migration.replaces.is_empty()))
            .collect();
        for at in squashed {
            let (mut found, mut seen, mut todo) = (Vec::new(), HashSet::from([at]), vec![at]);
            while let Some(next) = todo.pop() {
                let Some(node) = self.list.get(next) else { continue };
                if next != at && node.migration.replaces.is_empty() {
                    found.push(next);
                    continue;
                }
                for inner in node.migration.replaces.iter().filter_map(|key| self.id(key)) {
                    if seen.insert(inner) {
                        todo.push(inner);
                    }
                }
            }
            for inner in seen.into_iter().filter(|inner| *inner != at) {
                if let Some(by) = self.replaced_by.get_mut(inner) {
                    by.push(at);
                }
            }
            self.replaces.insert(at, found);
        }
    }

    fn connect(&mut self, swappable: &BTreeMap<String, String>) {
        // The first migration of an application is one that follows none of the same application.
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (at, node) in self.list.iter().enumerate() {
            let inner = node.migration.dependencies.iter().any(|d| {
                matches!(&d.value, Dependency::On(key) if key.app == node.app && key.name != "__first__")
            });
            if !inner {
                first.entry(node.app).or_insert(at);
            }
        }
        // A dependency on a replaced migration that no longer exists is a dependency on the
        // migration that replaces it.
        let mut instead: HashMap<&Key, usize> = HashMap::new();
        for (at, node) in self.list.iter().enumerate() {
            for key in &node.migration.replaces {
                instead.entry(key).or_insert(at);
            }
        }
        let mut edges = Vec::new();
        for (at, node) in self.list.iter().enumerate() {
            let resolve = |key: &Key| match key.name.as_str() {
                "__first__" if key.app != node.app => {
                    first.get(key.app.as_str()).map(|at| (*at, false))
                }
                // Which migration is the latest depends on the rest of the graph.
                "__first__" | "__latest__" => None,
                _ => {
                    let there = self.id(key).map(|at| (at, false));
                    there.or_else(|| instead.get(key).map(|at| (*at, true)))
                }
            };
            for dependency in &node.migration.dependencies {
                let parent = match &dependency.value {
                    Dependency::On(key) => resolve(key),
                    Dependency::Swappable(setting) => swappable
                        .get(setting)
                        .filter(|app| app.as_str() != node.app)
                        .and_then(|app| first.get(app.as_str()))
                        .map(|at| (*at, false)),
                };
                let edge = |(parent, parent_gone)| Edge {
                    child: at,
                    parent,
                    child_gone: false,
                    parent_gone,
                };
                edges.extend(parent.map(edge));
            }
            for Spanned { value, .. } in &node.migration.run_before {
                let edge = |(child, child_gone)| Edge {
                    child,
                    parent: at,
                    child_gone,
                    parent_gone: false,
                };
                edges.extend(resolve(value).map(edge));
            }
        }
        self.edges = edges;
    }

    fn named(&self, ids: &[usize]) -> Vec<&'p Migration> {
        let mut found: Vec<&Migration> =
            ids.iter().filter_map(|at| self.list.get(*at).map(|n| n.migration)).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    fn graph(&self, mode: &Mode<'_>) -> ModeGraph {
        let count = self.list.len();
        let stands = |at: &usize| {
            let replaced = self.replaces.get(at).map_or(&[][..], Vec::as_slice);
            match mode {
                Mode::Squashed => true,
                // If the replaced files are gone, there is nothing to keep.
                Mode::Kept => replaced.is_empty(),
                Mode::Applied(applied) => {
                    let done = replaced.iter().filter(|at| applied.contains(at)).count();
                    done == 0 || done == replaced.len()
                }
            }
        };
        let standing: HashSet<usize> =
            self.replaces.keys().filter(|at| stands(at)).copied().collect();
        // What takes the place of each migration: the outermost squashed migration, or the
        // migration itself.
        let place = |at: usize| -> usize {
            let by = self.replaced_by.get(at).map_or(&[][..], Vec::as_slice);
            let mut by = by.iter().filter(|by| standing.contains(by));
            by.clone()
                .find(|one| {
                    let above = self.replaced_by.get(**one).map_or(&[][..], Vec::as_slice);
                    !above.iter().any(|above| standing.contains(above))
                })
                .or_else(|| by.next())
                .copied()
                .unwrap_or(at)
        };
        let dropped = |at: usize| self.replaces.contains_key(&at) && !standing.contains(&at);
        let used: Vec<bool> = (0..count).map(|at| place(at) == at && !dropped(at)).collect();
        // For a squashed migration that is not in the graph: the last ones of those that it
        // replaces.
        let mut last: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, replaced) in self.replaces.iter().filter(|(at, _)| !standing.contains(at)) {
            let inside: HashSet<usize> = replaced.iter().copied().collect();
            last.insert(*at, inside.into_iter().collect());
        }
        let mut followed: HashMap<usize, HashSet<usize>> = HashMap::new();
        for Edge { child, parent, .. } in &self.edges {
            for at in self.replaced_by.get(*parent).into_iter().flatten() {
                let by_same = self.replaced_by.get(*child).is_some_and(|by| by.contains(at));
                if by_same {
                    followed.entry(*at).or_default().insert(*parent);
                }
            }
        }
        for (at, ends) in &mut last {
            if let Some(followed) = followed.get(at) {
                ends.retain(|end| !followed.contains(end));
            }
        }
        let mut parents = vec![Vec::new(); count];
        for Edge { child, parent, child_gone, parent_gone } in &self.edges {
            // Django would miss a migration that is gone and not replaced here; whether it does
            // depends on the database.
            if dropped(*child) || (dropped(*parent) && *parent_gone) {
                continue;
            }
            let to = place(*child);
            let ends = match dropped(*parent) {
                true => last.get(parent).cloned().unwrap_or_default(),
                false => vec![*parent],
            };
            // A squashed migration does not follow the migrations that it replaces.
            let inside = |end: &usize| {
                place(*end) == to && (*child != to || *child_gone) && (*end != to || *parent_gone)
            };
            let ends = ends.into_iter().filter(|end| !inside(end)).map(place);
            if let Some(parents) = parents.get_mut(to) {
                parents.extend(ends.filter(|end| used.get(*end) == Some(&true)));
            }
        }
        for parents in &mut parents {
            parents.sort_unstable();
            parents.dedup();
        }
        ModeGraph { used, parents }
    }
}

impl ModeGraph {
    /// For each application, the migrations that no other of the same application follows.
    fn leaves<'p>(&self, nodes: &Nodes<'p>) -> HashMap<&'p str, Vec<usize>> {
        let app = |at: usize| nodes.list.get(at).map(|node| node.app);
        let mut followed = HashSet::new();
        for (child, parents) in self.parents.iter().enumerate() {
            followed.extend(parents.iter().copied().filter(|parent| app(*parent) == app(child)));
        }
        let mut leaves: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, node) in nodes.list.iter().enumerate() {
            if self.used.get(at) == Some(&true) && !followed.contains(&at) {
                leaves.entry(node.app).or_default().push(at);
            }
        }
        leaves
    }

    /// The migrations in an order in which each comes after those that it follows, and the
    /// migrations in or behind a cycle.
    fn sorted(&self) -> (Vec<usize>, HashSet<usize>) {
        let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut waiting: HashMap<usize, usize> = HashMap::new();
        for (at, parents) in self.parents.iter().enumerate() {
            if self.used.get(at) != Some(&true) {
                continue;
            }
            waiting.insert(at, parents.len());
            for parent in parents {
                children.entry(*parent).or_default().push(at);
            }
        }
        let mut ready: Vec<usize> =
            waiting.iter().filter(|(_, count)| **count == 0).map(|(at, _)| *at).collect();
        ready.sort_unstable();
        let mut ready: VecDeque<usize> = ready.into();
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(at) = ready.pop_front() {
            order.push(at);
            waiting.remove(&at);
            for child in children.get(&at).into_iter().flatten() {
                if let Some(count) = waiting.get_mut(child) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push_back(*child);
                    }
                }
            }
        }
        (order, waiting.into_keys().collect())
    }

    fn order(&self) -> Option<Vec<usize>> {
        let (order, left) = self.sorted();
        left.is_empty().then_some(order)
    }

    /// A cycle: each migration follows the next, and the last follows the first.
    fn cycle(&self) -> Option<Vec<usize>> {
        let (_, left) = self.sorted();
        let mut here = left.iter().copied().min()?;
        let mut path = Vec::new();
        let mut place = HashMap::new();
        // Every remaining migration follows another remaining one, so walking up must find a cycle.
        loop {
            if let Some(from) = place.insert(here, path.len()) {
                return Some(path.into_iter().skip(from).collect());
            }
            path.push(here);
            here = *self.parents.get(here)?.iter().find(|parent| left.contains(parent))?;
        }
    }
}
