//! The graph of revisions, evaluated as Alembic's `RevisionMap` does: heads and bases follow from
//! `down_revision`; what must be applied first also follows from `depends_on`. The algorithms are
//! iterative and linear.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::ops::Bound;

use super::{Revision, Revisions};
use crate::source::Spanned;

/// Why the graph gives no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(pub String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type Parents<'r> = HashMap<&'r str, Vec<&'r str>>;

impl Revisions {
    /// The revisions that nothing follows, sorted. With more than one, `flask db upgrade` refuses.
    pub fn heads(&self) -> Result<Vec<&str>, Unknown> {
        self.understood()?;
        let followed: HashSet<&str> =
            self.revisions.iter().flat_map(|r| &r.down).map(|d| d.value.as_str()).collect();
        let mut heads: Vec<&str> =
            self.ids().into_iter().filter(|id| !followed.contains(id)).collect();
        heads.sort_unstable();
        Ok(heads)
    }

    /// The unintended heads: those that share their branch with another head. A branch is
    /// identified by the nearest `branch_labels` below the head; heads of differently labelled
    /// branches are the several heads of Alembic's "working with branches", applied with `upgrade
    /// heads`.
    pub fn rival_heads(&self) -> Result<Vec<&str>, Unknown> {
        let heads = self.heads()?;
        let by_id: HashMap<&str, &Revision> =
            self.revisions.iter().map(|r| (r.id.value.as_str(), r)).collect();
        let mut branch_of: HashMap<&str, Option<&str>> = HashMap::new();
        let mut by_branch: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
        for head in heads {
            let mut path = Vec::new();
            let mut seen = HashSet::new();
            let mut here = Some(head);
            let branch = loop {
                let Some(id) = here else { break None };
                if let Some(branch) = branch_of.get(id) {
                    break *branch;
                }
                let Some(revision) = by_id.get(id).filter(|_| seen.insert(id)) else { break None };
                path.push(id);
                if !revision.labels.is_empty() {
                    break Some(id);
                }
                here = revision.down.first().map(|down| down.value.as_str());
            };
            branch_of.extend(path.into_iter().map(|id| (id, branch)));
            by_branch.entry(branch).or_default().push(head);
        }
        let mut rivals: Vec<&str> =
            by_branch.into_values().filter(|heads| heads.len() > 1).flatten().collect();
        rivals.sort_unstable();
        Ok(rivals)
    }

    /// The revisions that follow nothing, sorted.
    pub fn bases(&self) -> Result<Vec<&str>, Unknown> {
        self.understood()?;
        let mut bases: Vec<&str> = self
            .revisions
            .iter()
            .filter(|r| r.down.is_empty())
            .map(|r| r.id.value.as_str())
            .collect();
        bases.sort_unstable();
        bases.dedup();
        Ok(bases)
    }

    /// The revisions that others follow or depend on and that no file contains, each with the
    /// revision that names it. Fails if a file was not understood, because that file may contain
    /// one of them.
    pub fn missing_parents(&self) -> Result<Vec<(&Revision, &Spanned<String>)>, Unknown> {
        let ids: BTreeSet<&str> = self.ids().into_iter().collect();
        let labels = self.labelled();
        let mut missing = Vec::new();
        for revision in &self.revisions {
            for parent in &revision.down {
                if !ids.contains(parent.value.as_str()) {
                    missing.push((revision, parent));
                }
            }
            for parent in &revision.depends_on {
                if !labels.contains_key(parent.value.as_str())
                    && self.resolve_in(&ids, &parent.value).is_none()
                {
                    missing.push((revision, parent));
                }
            }
        }
        if !missing.is_empty() {
            self.understood()?;
        }
        Ok(missing)
    }

    /// The revisions that more than one file contains, each with these files' revisions.
    pub fn duplicates(&self) -> Vec<Vec<&Revision>> {
        let mut by_id: BTreeMap<&str, Vec<&Revision>> = BTreeMap::new();
        for revision in &self.revisions {
            by_id.entry(&revision.id.value).or_default().push(revision);
        }
        by_id.into_values().filter(|revisions| revisions.len() > 1).collect()
    }

    /// The cycles: each is a list of revisions in which every one follows (or depends on) the next.
    pub fn cycles(&self) -> Vec<Vec<&str>> {
        let parents = self.parents();
        let (_, mut left) = sorted(&parents);
        let mut cycles = Vec::new();
        // Every remaining node has a remaining parent, so walking up must find a cycle.
        let mut starts: Vec<&str> = left.iter().copied().collect();
        starts.sort_unstable();
        for start in starts {
            let mut path = Vec::new();
            let mut place: HashMap<&str, usize> = HashMap::new();
            let mut here = start;
            while left.remove(here) {
                place.insert(here, path.len());
                path.push(here);
                let up = parents.get(here).into_iter().flatten();
                let mut next = None;
                for parent in up {
                    if let Some(from) = place.get(parent) {
                        cycles.push(path.iter().skip(*from).copied().collect());
                        next = None;
                        break;
                    }
                    if next.is_none() && left.contains(parent) {
                        next = Some(*parent);
                    }
                }
                match next {
                    Some(parent) => here = parent,
                    None => break,
                }
            }
        }
        cycles
    }

    /// A revision and everything that must be applied before it.
    pub fn ancestors(&self, revision: &str) -> Result<HashSet<&str>, Unknown> {
        self.sound()?;
        let id = self.resolve(revision)?;
        Ok(above(&self.parents(), std::iter::once(id)))
    }

    /// The revisions that must be applied to get from the database's revision to the heads, in a
    /// possible order. `from` is the output of `flask db current`: `""` or `base` for an empty
    /// database, several separated by spaces or commas for several branches.
    pub fn pending(&self, from: &str) -> Result<Vec<&str>, Unknown> {
        self.sound()?;
        let mut applied_heads = Vec::new();
        let words = from.split([' ', ',', '\n', '\t']);
        for word in words.filter(|w| !w.is_empty() && *w != "base" && *w != "(head)") {
            applied_heads.push(self.resolve(word)?);
        }
        let parents = self.parents();
        let applied = above(&parents, applied_heads.into_iter());
        let (order, _) = sorted(&parents);
        Ok(order.into_iter().filter(|id| !applied.contains(id)).collect())
    }

    /// The full identifier of a revision, given that identifier, an abbreviation or a branch label.
    pub fn resolve(&self, revision: &str) -> Result<&str, Unknown> {
        self.understood()?;
        let ids: BTreeSet<&str> = self.ids().into_iter().collect();
        if let Some(found) = ids.get(revision) {
            return Ok(found);
        }
        if self.is_label(revision) {
            return Err(Unknown(format!("{revision} is a branch label, which is not followed")));
        }
        if revision.is_empty() {
            return Err(Unknown("no revision is given".into()));
        }
        self.resolve_in(&ids, revision).ok_or_else(|| {
            Unknown(format!("no revision of this release is {revision}, or several"))
        })
    }

    /// Alembic accepts the beginning of an identifier with more than three characters if only one
    /// identifier begins so.
    fn resolve_in<'r>(&self, ids: &BTreeSet<&'r str>, revision: &str) -> Option<&'r str> {
        if let Some(found) = ids.get(revision) {
            return Some(found);
        }
        let from = (Bound::Included(revision), Bound::Unbounded);
        let mut matching = ids
            .range::<str, _>(from)
            .take_while(|id| id.starts_with(revision))
            .filter(|id| id.len() > 3);
        let first = matching.next()?;
        matching.next().is_none().then_some(first)
    }

    fn is_label(&self, name: &str) -> bool {
        self.revisions.iter().any(|revision| revision.labels.iter().any(|label| label == name))
    }

    fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.revisions.iter().map(|r| r.id.value.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Fails unless every file was understood.
    fn understood(&self) -> Result<(), Unknown> {
        if let Some(fault) = self.faults.first() {
            return Err(Unknown(format!("{}: {}", fault.path.display(), fault.message)));
        }
        let differing = self.duplicates().into_iter().find(|same| {
            let downs = |r: &Revision| -> Vec<String> {
                r.down.iter().chain(&r.depends_on).map(|d| d.value.clone()).collect()
            };
            same.windows(2).any(|pair| downs(pair[0]) != downs(pair[1]))
        });
        match differing.and_then(|same| same.first().map(|r| r.id.value.clone())) {
            Some(id) => Err(Unknown(format!("several files hold revision {id}, and they differ"))),
            None => Ok(()),
        }
    }

    /// Fails unless Alembic itself could answer: every parent exists, and there is no cycle.
    fn sound(&self) -> Result<(), Unknown> {
        self.understood()?;
        if let Some((revision, parent)) = self.missing_parents()?.first() {
            let (id, parent) = (&revision.id.value, &parent.value);
            return Err(Unknown(format!("{id} follows {parent}, which no file contains")));
        }
        match self.cycles().first().and_then(|cycle| cycle.first()) {
            Some(id) => Err(Unknown(format!("{id} depends on itself through a cycle"))),
            None => Ok(()),
        }
    }

    /// The direct parents of each revision. A parent that no file contains is left out.
    fn parents(&self) -> Parents<'_> {
        let ids: BTreeSet<&str> = self.ids().into_iter().collect();
        let labels = self.labelled();
        let mut parents: Parents<'_> = HashMap::new();
        for revision in &self.revisions {
            let above = parents.entry(&revision.id.value).or_default();
            for parent in &revision.down {
                above.extend(ids.get(parent.value.as_str()));
            }
            for parent in &revision.depends_on {
                match labels.get(parent.value.as_str()) {
                    Some(labelled) => above.push(labelled),
                    None => above.extend(self.resolve_in(&ids, &parent.value)),
                }
            }
            above.sort_unstable();
            above.dedup();
        }
        parents
    }

    fn labelled(&self) -> HashMap<&str, &str> {
        self.revisions
            .iter()
            .flat_map(|r| r.labels.iter().map(|label| (label.as_str(), r.id.value.as_str())))
            .collect()
    }
}

/// The given nodes and all of their ancestors.
fn above<'r>(parents: &Parents<'r>, from: impl Iterator<Item = &'r str>) -> HashSet<&'r str> {
    let mut seen = HashSet::new();
    let mut todo: Vec<&str> = from.collect();
    while let Some(id) = todo.pop() {
        if seen.insert(id) {
            todo.extend(parents.get(id).into_iter().flatten());
        }
    }
    seen
}

/// The nodes in an order in which each comes after its parents, and the nodes in or behind a cycle.
fn sorted<'r>(parents: &Parents<'r>) -> (Vec<&'r str>, HashSet<&'r str>) {
    let mut children: HashMap<&str, Vec<&'r str>> = HashMap::new();
    let mut waiting: HashMap<&'r str, usize> = HashMap::new();
    for (id, above) in parents {
        waiting.insert(id, above.len());
        for parent in above {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut ready: Vec<&str> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    ready.sort_unstable();
    let mut ready: VecDeque<&str> = ready.into();
    let mut order = Vec::with_capacity(parents.len());
    while let Some(id) = ready.pop_front() {
        order.push(id);
        waiting.remove(id);
        let mut next = Vec::new();
        for child in children.get(id).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(child) {
                *count -= 1;
                if *count == 0 {
                    next.push(*child);
                }
            }
        }
        next.sort_unstable();
        ready.extend(next);
    }
    (order, waiting.into_keys().collect())
}
