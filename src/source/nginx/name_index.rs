//! The names of a configuration's directives, each once, with the lines that have it.
//!
//! Thousands of sites use the same few dozen names. With this index, whoever wants the lines of one
//! name looks at those alone, and what is true of a name is worked out once.

use super::interner::Interner;
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
    names: Interner,
    /// The lines of each name, by block, and then in their order there.
    lines: Vec<Vec<Line>>,
}

impl NameIndex {
    /// The names of a file's directives.
    pub(super) fn take(&mut self, tree: &Tree) -> Vec<NameId> {
        let id = |directive: &Directive| {
            let word = tree.words.get(directive.first_word as usize).filter(|_| !directive.data);
            word.map_or(NameId::DATA, |word| {
                NameId(small(self.names.number_of(&word.value(&tree.file.bytes))))
            })
        };
        tree.directives.iter().map(id).collect()
    }

    /// Adds a line; lines come in the order in which nginx reads them.
    pub(super) fn add(&mut self, name: NameId, line: Line) {
        if name == NameId::DATA {
            return;
        }
        if self.lines.len() <= name.index() {
            self.lines.resize_with(name.index() + 1, Vec::new);
        }
        if let Some(lines) = self.lines.get_mut(name.index()) {
            lines.push(line);
        }
    }

    /// Brings the lines into their final order, after the last one was added.
    pub(super) fn finish(&mut self) {
        self.lines.iter_mut().for_each(|lines| lines.sort_unstable());
    }

    /// All names, in the order of their indices, with the lines of each.
    pub(super) fn all(&self) -> impl Iterator<Item = (&[u8], &[Line])> {
        self.names.texts().zip(self.lines.iter().map(Vec::as_slice))
    }

    /// The lines with this name.
    pub(super) fn lines(&self, name: &[u8]) -> &[Line] {
        self.names.find(name).and_then(|id| self.lines.get(id)).map_or(&[], Vec::as_slice)
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
