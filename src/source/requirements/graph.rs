//! The condition under which each package of a lock file is needed.
//!
//! uv.lock and older poetry.lock files put markers on the edges, so a package's condition is the OR
//! over all paths from the project to the package, each path being the AND of its edges.

use std::collections::{HashMap, VecDeque};

use pep508_rs::MarkerTree;

use super::Marker;

/// The most steps for each edge: in real lock files, conditions settle after a few rounds.
const STEPS_PER_EDGE: usize = 64;

/// One package, or one extra of a package.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The package's index in the lock.
    pub package: usize,
    /// The extra, or `None` for the package itself.
    pub extra: Option<String>,
}

/// Packages and what they need.
#[derive(Default)]
pub(super) struct Graph {
    numbers: HashMap<Key, usize>,
    keys: Vec<Key>,
    edges: Vec<Vec<(usize, Marker)>>,
    count: usize,
}

#[derive(Clone)]
struct Condition {
    tree: MarkerTree,
    /// The markers on the path, which show what they ask of the environment.
    text: String,
    unknown: Option<String>,
}

impl Graph {
    /// The index of a node.
    pub fn node(&mut self, key: Key) -> usize {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = self.keys.len();
        self.numbers.insert(key.clone(), number);
        self.keys.push(key);
        self.edges.push(Vec::new());
        number
    }

    /// Records that `from` needs `to` under a condition.
    pub fn edge(&mut self, from: usize, to: usize, marker: Marker) {
        if let Some(edges) = self.edges.get_mut(from) {
            edges.push((to, marker));
            self.count += 1;
        }
    }

    /// The condition of each package that is needed at all, by its index. Fails if the conditions
    /// did not settle.
    pub fn conditions(&self, roots: &[usize]) -> Result<HashMap<usize, Marker>, String> {
        let nothing = Condition { tree: MarkerTree::FALSE, text: String::new(), unknown: None };
        let mut conditions = vec![nothing; self.keys.len()];
        let mut queued = vec![false; self.keys.len()];
        let mut todo = VecDeque::new();
        for root in roots {
            if let (Some(condition), Some(flag)) =
                (conditions.get_mut(*root), queued.get_mut(*root))
            {
                condition.tree = MarkerTree::TRUE;
                *flag = true;
                todo.push_back(*root);
            }
        }
        let mut steps = self.count.saturating_mul(STEPS_PER_EDGE).saturating_add(64);
        while let Some(from) = todo.pop_front() {
            queued[from] = false;
            let source = conditions[from].clone();
            for (to, marker) in self.edges.get(from).into_iter().flatten() {
                steps = steps.checked_sub(1).ok_or(
                    "the conditions of the lock could not be worked \
                                                    out",
                )?;
                if spread(&source, marker, &mut conditions[*to]) && !queued[*to] {
                    queued[*to] = true;
                    todo.push_back(*to);
                }
            }
        }
        let mut packages: HashMap<usize, Condition> = HashMap::new();
        for (key, condition) in self.keys.iter().zip(conditions) {
            packages
                .entry(key.package)
                .and_modify(|whole| {
                    spread(&condition, &Marker::always(), whole);
                })
                .or_insert(condition);
        }
        packages.retain(|_, c| !c.tree.is_false() || c.unknown.is_some());
        Ok(packages.into_iter().map(|(package, c)| (package, c.marker())).collect())
    }
}

impl Condition {
    fn marker(self) -> Marker {
        let unknown = self.unknown.filter(|_| !self.tree.is_true());
        let text = if self.tree.is_true() { String::new() } else { self.text };
        Marker { tree: self.tree, text, unknown }
    }
}

/// Adds `source and marker` to the condition of `target`; returns whether the condition changed.
fn spread(source: &Condition, marker: &Marker, target: &mut Condition) -> bool {
    let mut changed = false;
    if let Some(reason) = source.unknown.as_ref().or(marker.unknown.as_ref()) {
        changed |= target.unknown.is_none();
        target.unknown.get_or_insert_with(|| reason.clone());
    }
    if marker.unknown.is_some() {
        return changed;
    }
    let mut both = source.tree.clone();
    both.and(marker.tree.clone());
    let mut whole = target.tree.clone();
    whole.or(both.clone());
    if whole != target.tree {
        target.tree = whole;
        changed = true;
    }
    if !both.is_false() {
        for name in [
            "platform_release",
            "platform_version",
            "python_full_version",
            "implementation_version",
        ] {
            let mentions = source.text.contains(name) || marker.text.contains(name);
            if mentions && !target.text.contains(name) {
                target.text.push_str(name);
                target.text.push(' ');
                changed = true;
            }
        }
    }
    changed
}
