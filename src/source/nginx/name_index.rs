//! The names of a configuration's directives, each once, with the lines that have it.
//!
//! Thousands of sites use the same few dozen names. With this index, whoever wants the lines of one
//! name looks at those alone, and what is true of a name is worked out once.

use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

use super::tree::{Directive, Tree, small};

/// The index of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NameId(u32);

impl NameId {
    /// The name of a line of data (`map`, `types` …), which has none of its own.
    pub(super) const DATA: Self = Self(u32::MAX);

    /// Its place in a list that has one entry for each name.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A line: the index of the block around it, and its own.
type Line = (u32, u32);

/// All names.
#[derive(Debug, Default)]
pub(super) struct NameIndex {
    names: Vec<Name>,
    /// The first name with this hash.
    first: FxHashMap<u64, NameId>,
}

#[derive(Debug)]
struct Name {
    text: Box<[u8]>,
    /// The next name with the same hash, which hardly any has.
    next: Option<NameId>,
    /// By block, and then in their order there.
    lines: Vec<Line>,
}

impl NameIndex {
    /// The names of a file's directives.
    pub(super) fn take(&mut self, tree: &Tree) -> Vec<NameId> {
        let id = |directive: &Directive| {
            let word = tree.words.get(directive.first_word as usize).filter(|_| !directive.data);
            word.map_or(NameId::DATA, |word| self.id_of(&word.value(&tree.file.bytes)))
        };
        tree.directives.iter().map(id).collect()
    }

    fn id_of(&mut self, name: &[u8]) -> NameId {
        if let Some(id) = self.find(name) {
            return id;
        }
        let id = NameId(small(self.names.len()));
        let next = self.first.insert(hash(name), id);
        self.names.push(Name { text: name.into(), next, lines: Vec::new() });
        id
    }

    fn find(&self, name: &[u8]) -> Option<NameId> {
        let mut at = self.first.get(&hash(name)).copied();
        while let Some(id) = at {
            let known = self.names.get(id.index())?;
            if is_same(&known.text, name) {
                return Some(id);
            }
            at = known.next;
        }
        None
    }

    /// Adds a line; lines come in the order in which nginx reads them.
    pub(super) fn add(&mut self, name: NameId, line: Line) {
        if let Some(name) = self.names.get_mut(name.index()) {
            name.lines.push(line);
        }
    }

    /// Brings the lines into their final order, after the last one was added.
    pub(super) fn finish(&mut self) {
        self.names.iter_mut().for_each(|name| name.lines.sort_unstable());
    }

    /// All names, in the order of their indices, with the lines of each.
    pub(super) fn all(&self) -> impl Iterator<Item = (&[u8], &[Line])> {
        self.names.iter().map(|name| (name.text.as_ref(), name.lines.as_slice()))
    }

    /// The lines with this name.
    pub(super) fn lines(&self, name: &[u8]) -> &[Line] {
        let name = self.find(name).and_then(|id| self.names.get(id.index()));
        name.map_or(&[], |name| name.lines.as_slice())
    }

    /// The lines with this name directly in a block.
    pub(super) fn lines_in(&self, block: u32, name: &[u8]) -> &[Line] {
        let lines = self.lines(name);
        let start = lines.partition_point(|line| line.0 < block);
        let rest = lines.get(start..).unwrap_or_default();
        let count = rest.iter().take_while(|line| line.0 == block).count();
        rest.get(..count).unwrap_or_default()
    }
}

fn hash(name: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(name);
    hasher.finish()
}

/// Whether two names are the same. In the static build, `==` compares byte by byte.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ((one, one_rest), (other, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    one.iter().eq(other) && one_rest.iter().eq(other_rest)
}
