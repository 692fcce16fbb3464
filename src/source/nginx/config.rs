//! A configuration of several files as nginx sees it: one tree, with the files of each `include` in
//! its place.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::PathBuf;

use super::fault::Fault;
use super::name_index::{NameId, NameIndex};
use super::token::{Word, has_mark, text_of};
use super::tree::{Body, Directive, NONE, Tree};
use crate::host::HostError;
use crate::source::{FileId, Span, placeholder};

/// The index of a directive in a [`Config`]. The directives of a file included twice have two
/// indices each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectiveId(pub u32);

/// How much of a configuration the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// A whole configuration, from `nginx.conf` on.
    Main,
    /// Parts of a configuration: `server`, `upstream` or `location` blocks without the `http`
    /// around them.
    Fragment,
}

/// Something that was not read, which is not a fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRead {
    /// The `include` that names the file or pattern.
    pub span: Span,
    /// The block in which the content is missing.
    pub parent: Option<DirectiveId>,
    /// The file or pattern.
    pub path: PathBuf,
    /// Why it was not read.
    pub reason: NotReadReason,
}

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReadReason {
    /// The host could not read the file, or was not given it.
    Host(HostError),
    /// Its name is a template's placeholder.
    Placeholder,
    /// In a part of a configuration, neither the base of a relative path nor the existence of the
    /// file on the server is known.
    Elsewhere,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub tree: u32,
    pub directive: u32,
    pub parent: u32,
    pub subtree_end: u32,
    pub include: u32,
    pub name: NameId,
}

/// One inclusion of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inclusion {
    /// The `include` directive; `NONE` for an entry file, which no `include` names.
    pub directive: u32,
    /// The file's tree.
    pub tree: u32,
    /// Whether the file is a fragment, or was included by one directly or through other files.
    pub fragment: bool,
}

/// All directives of a configuration.
#[derive(Debug)]
pub struct Config {
    /// A whole configuration, or parts of one.
    pub context: Context,
    /// The directory that relative paths of the configuration count from.
    pub prefix: PathBuf,
    /// The version of nginx that will read the configuration, if known.
    pub version: Option<super::version::Version>,
    /// The files, each once, in the order in which they were first read.
    pub trees: Vec<Tree>,
    /// What nginx would refuse while reading: faults of syntax and of includes.
    pub faults: Vec<Fault>,
    /// What was not read.
    pub not_read: Vec<NotRead>,
    pub(super) nodes: Vec<Node>,
    pub(super) inclusions: Vec<Inclusion>,
    pub(super) names: NameIndex,
}

impl Config {
    /// The number of directives; their indices run from 0, in the order nginx reads them.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no directive at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether a whole configuration was read completely, so that what was not found does not
    /// exist.
    pub(super) fn is_whole(&self) -> bool {
        self.context == Context::Main
            && self.not_read.is_empty()
            && self.trees.iter().all(|tree| tree.fault.is_none())
    }

    /// The main file's first line, if all of the configuration was read and it has no `events` block.
    pub fn lacks_events(&self) -> Option<Span> {
        let events = || self.roots().any(|root| root.name().as_ref() == b"events");
        let first = self.roots().next()?;
        (self.is_whole() && !events()).then(|| first.head_span())
    }

    /// All directives, in the order nginx reads them.
    pub fn directives(&self) -> impl Iterator<Item = DirectiveRef<'_>> {
        (0..).zip(&self.nodes).filter_map(|(id, node)| self.at(DirectiveId(id), node))
    }

    /// The directives with this name, in the order nginx reads them; lines of data are none.
    pub fn named(&self, name: &str) -> impl Iterator<Item = DirectiveRef<'_>> {
        self.named_any(move |one| one == name.as_bytes())
    }

    /// The directives whose names fit, in the order nginx reads them; lines of data are none.
    pub fn named_any(
        &self,
        fits: impl Fn(&[u8]) -> bool,
    ) -> impl Iterator<Item = DirectiveRef<'_>> {
        let names = self.names.all().filter(|(name, _)| fits(name));
        let mut ids: Vec<u32> = names.flat_map(|(_, lines)| lines).map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| self.get(DirectiveId(id)))
    }

    /// Whether these two files were given separately and neither includes the other. Then it is not
    /// known whether one nginx loads both.
    pub fn apart(&self, one: FileId, other: FileId) -> bool {
        let entries = |file: FileId| -> HashSet<u32> {
            let of = |inclusion: &Inclusion| {
                self.trees.get(inclusion.tree as usize).is_some_and(|tree| tree.file.id == file)
            };
            let all = (0..).zip(&self.inclusions).filter(|(_, inclusion)| of(inclusion));
            all.map(|(at, _)| self.outermost(at)).collect()
        };
        one != other && entries(one).is_disjoint(&entries(other))
    }

    /// The directives outside every block.
    pub fn roots(&self) -> impl Iterator<Item = DirectiveRef<'_>> {
        Children { config: self, at: 0, end: small(self.nodes.len()) }
    }

    /// The directive with this index.
    pub fn get(&self, id: DirectiveId) -> Option<DirectiveRef<'_>> {
        self.at(id, self.nodes.get(id.0 as usize)?)
    }

    #[inline]
    fn at<'c>(&'c self, id: DirectiveId, node: &'c Node) -> Option<DirectiveRef<'c>> {
        let tree = self.trees.get(node.tree as usize)?;
        let directive = tree.directives.get(node.directive as usize)?;
        Some(DirectiveRef { config: self, id, node, tree, directive })
    }

    /// The `include` directives that lead to a directive, outermost first; empty for a directive in
    /// an entry file.
    pub fn chain(&self, id: DirectiveId) -> Vec<Span> {
        let mut chain = Vec::new();
        let mut at = self.nodes.get(id.0 as usize).map(|node| node.include);
        while let Some(inclusion) = at.and_then(|at| self.inclusions.get(at as usize)) {
            let Some(include) = self.get(DirectiveId(inclusion.directive)) else { break };
            chain.push(include.span());
            at = Some(include.node.include);
        }
        chain.reverse();
        chain
    }

    /// The inclusion of the entry file that led to a directive.
    pub(super) fn entry_of(&self, id: DirectiveId) -> Option<u32> {
        Some(self.outermost(self.nodes.get(id.0 as usize)?.include))
    }

    /// The inclusion of the entry file that led to the inclusion `at`.
    fn outermost(&self, mut at: u32) -> u32 {
        while let Some(around) =
            self.inclusions.get(at as usize).and_then(|i| self.nodes.get(i.directive as usize))
        {
            at = around.include;
        }
        at
    }

    /// The tree with this index: one file that was read.
    pub fn tree(&self, index: usize) -> Option<&Tree> {
        self.trees.get(index)
    }
}

/// A directive of a [`Config`].
#[derive(Clone, Copy)]
pub struct DirectiveRef<'c> {
    config: &'c Config,
    /// Its index in the [`Config`].
    pub id: DirectiveId,
    node: &'c Node,
    tree: &'c Tree,
    directive: &'c Directive,
}

impl std::fmt::Debug for DirectiveRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.id, String::from_utf8_lossy(&self.name()))
    }
}

impl<'c> DirectiveRef<'c> {
    /// Its words, starting with the name.
    pub fn words(&self) -> impl ExactSizeIterator<Item = WordRef<'c>> + Clone {
        let start = self.directive.first_word as usize;
        let words = self.tree.words.get(start..start + self.directive.words as usize);
        let tree = self.tree;
        words.unwrap_or_default().iter().map(move |word| WordRef { tree, word: *word })
    }

    /// Its first word.
    pub fn name(&self) -> Cow<'c, [u8]> {
        self.words().next().map_or(Cow::Borrowed(&[]), |word| word.value())
    }

    /// The place of the first word.
    pub fn name_span(&self) -> Span {
        self.words().next().map_or_else(|| self.span(), |word| word.span())
    }

    /// How many words there are after the name.
    pub(super) fn argument_count(&self) -> usize {
        (self.directive.words as usize).saturating_sub(1)
    }

    /// The words after the name.
    pub fn arguments(&self) -> impl ExactSizeIterator<Item = WordRef<'c>> + Clone {
        self.words().skip(1)
    }

    /// One of the words after the name, counted from 0.
    pub fn argument(&self, index: usize) -> Option<WordRef<'c>> {
        self.arguments().nth(index)
    }

    /// The range from its name to its `;` or closing `}`.
    pub fn span(&self) -> Span {
        let start = self.tree.words.get(self.directive.first_word as usize).map_or(0, |w| w.start);
        Span { file: self.tree.file.id, start, end: self.directive.end }
    }

    /// The range from its name to its last word, without `;` or braces.
    pub fn head_span(&self) -> Span {
        let last = self.words().last().map_or(self.span(), |word| word.span());
        Span { file: self.tree.file.id, start: self.span().start, end: last.end }
    }

    /// What is between its braces.
    pub fn body(&self) -> Body {
        self.directive.body
    }

    /// The range between its braces, without the braces.
    pub fn body_span(&self) -> Option<Span> {
        let inset = u32::from(self.directive.closed);
        (self.directive.body != Body::None).then_some(Span {
            file: self.tree.file.id,
            start: self.directive.mark + 1,
            end: (self.directive.end - inset).max(self.directive.mark + 1),
        })
    }

    /// Whether it is a line of a `map`, `geo`, `types` … block.
    pub fn is_data(&self) -> bool {
        self.directive.data
    }

    /// The index of the block around it.
    pub(super) fn parent_id(&self) -> Option<DirectiveId> {
        (self.node.parent != NONE).then_some(DirectiveId(self.node.parent))
    }

    /// The block around it; for a directive of an included file, this may be in the including file.
    pub fn parent(&self) -> Option<DirectiveRef<'c>> {
        self.config.get(self.parent_id()?)
    }

    /// The directives in its block, including those of included files.
    pub fn children(&self) -> impl Iterator<Item = DirectiveRef<'c>> + use<'c> {
        Children { config: self.config, at: self.id.0 + 1, end: self.node.subtree_end }
    }

    /// The `include` directives that lead here, outermost first.
    pub fn chain(&self) -> Vec<Span> {
        self.config.chain(self.id)
    }

    /// The index of its name; that of a line of data is no name's.
    pub(super) fn name_id(&self) -> NameId {
        self.node.name
    }

    /// The index of the inclusion that brought the directive, and whether that inclusion is part of
    /// a fragment.
    pub(super) fn inclusion(&self) -> (u32, bool) {
        let inclusion = self.config.inclusions.get(self.node.include as usize);
        (self.node.include, inclusion.is_some_and(|inclusion| inclusion.fragment))
    }

    /// The tree of its file.
    pub fn tree(&self) -> &'c Tree {
        self.tree
    }
}

struct Children<'c> {
    config: &'c Config,
    at: u32,
    end: u32,
}

impl<'c> Iterator for Children<'c> {
    type Item = DirectiveRef<'c>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let found = self.config.get(DirectiveId(self.at))?;
        self.at = found.node.subtree_end.max(self.at + 1);
        Some(found)
    }
}

/// A word of a directive.
#[derive(Clone, Copy)]
pub struct WordRef<'c> {
    tree: &'c Tree,
    word: Word,
}

impl<'c> WordRef<'c> {
    /// The value as nginx sees it.
    pub fn value(&self) -> Cow<'c, [u8]> {
        self.word.value(&self.tree.file.bytes)
    }

    /// The value as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> Cow<'c, str> {
        match self.value() {
            Cow::Borrowed(bytes) => text_of(bytes),
            Cow::Owned(bytes) => Cow::Owned(text_of(&bytes).into_owned()),
        }
    }

    /// The place of the word, quotes included.
    pub fn span(&self) -> Span {
        Span { file: self.tree.file.id, start: self.word.start, end: self.word.end }
    }

    /// The word as the tokenizer found it.
    pub fn word(&self) -> Word {
        self.word
    }

    /// Whether the word contains a template's placeholder, so that its value is not known.
    pub fn has_placeholder(&self) -> bool {
        let raw = self.word.raw(&self.tree.file.bytes);
        has_mark(raw) && has_placeholder(&text_of(raw))
    }
}

/// Whether this text contains a template's placeholder. `${X}` counts if its name is in capitals:
/// envsubst writes its names so, and nginx's own variables are never written so.
pub(super) fn has_placeholder(text: &str) -> bool {
    // Most words contain no such byte and need no closer look.
    if !has_mark(text.as_bytes()) {
        return false;
    }
    let capitals = |rest: &str| {
        rest.find('}').is_some_and(|end| {
            end > 0
                && rest
                    .bytes()
                    .take(end)
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        })
    };
    placeholder::find(text).is_some()
        || text.contains("<%")
        || text.contains("%>")
        || text.match_indices("${").any(|(at, mark)| capitals(&text[at + mark.len()..]))
}

pub(super) fn small(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
