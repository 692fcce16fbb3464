//! Reads a configuration with all of its includes. An explicit stack of the files being read takes
//! the place of recursion.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::config::{
    Config, Context, DirectiveId, Inclusion, Node, NotRead, NotReadReason, has_placeholder, small,
};
use super::fault::{Fault, FaultKind};
use super::include::{Included, resolve};
use super::name_index::{NameId, NameIndex};
use super::tree::{Body, NONE, Tree};
use crate::host::HostError;
use crate::source::{SourceFile, Sources, Span};

/// The most directives that are read; those of a file included twice count twice.
const DIRECTIVE_LIMIT: usize = 4_000_000;
/// The deepest nesting of includes. nginx keeps every file of a chain open, and most systems allow
/// it 1024 open files.
const DEPTH_LIMIT: usize = 512;
/// The most inclusions.
const INCLUSION_LIMIT: usize = 100_000;

/// Reads a whole configuration. Relative includes start at `prefix`, the directory of nginx's main
/// file.
pub fn load(sources: &Sources<'_>, entry: &Path, prefix: &Path) -> Result<Config, HostError> {
    let mut loader = Loader::new(sources, prefix, false);
    let file = sources.load(entry)?;
    loader.file(entry, file);
    Ok(loader.finish())
}

/// Reads files of a repository, each a whole configuration or a part of one. A file that another
/// one includes is not added a second time. A missing included file is not a fault, because it is
/// not known where the files will be installed.
pub fn load_fragments(sources: &Sources<'_>, paths: &[PathBuf]) -> Result<Config, HostError> {
    let main = |tree: &Tree| is_main(tree);
    let mut whole = Vec::new();
    let mut parts = Vec::new();
    for path in paths {
        let file = sources.load(path)?;
        let tree = Tree::parse(file.clone());
        if main(&tree) { whole.push((path, file)) } else { parts.push((path, file)) }
    }
    let directory = whole.first().or(parts.first()).and_then(|(path, _)| path.parent());
    let mut loader = Loader::new(sources, directory.unwrap_or(Path::new("")), true);
    for (path, file) in whole.into_iter().chain(parts) {
        if loader.by_path.contains_key(path) {
            continue;
        }
        loader.config.prefix = path.parent().unwrap_or(Path::new("")).into();
        loader.file(path, file);
    }
    Ok(loader.finish())
}

/// Reads text that did not come from a file, and none of the files that it includes.
pub fn parse(sources: &Sources<'_>, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Config {
    let path = path.into();
    let file = sources.add(path.clone(), bytes);
    let mut loader = Loader::new(sources, Path::new(""), true);
    loader.closed = true;
    loader.file(&path, file);
    loader.finish()
}

/// Whether a file contains what only the outermost level may contain.
fn is_main(tree: &Tree) -> bool {
    let roots = tree.directives.iter().filter(|directive| directive.parent == NONE);
    roots.filter_map(|directive| tree.words.get(directive.first_word as usize)).any(|word| {
        matches!(
            word.value(&tree.file.bytes).as_ref(),
            b"http" | b"events" | b"stream" | b"mail" | b"user" | b"worker_processes" | b"pid"
        )
    })
}

struct Loader<'s, 'h> {
    sources: &'s Sources<'h>,
    config: Config,
    by_path: FxHashMap<PathBuf, u32>,
    /// For each tree, the names of its directives.
    names: Vec<Vec<NameId>>,
    frames: Vec<Frame>,
    /// Whether a missing file is no fault.
    lenient: bool,
    /// Whether no include is followed.
    closed: bool,
    full: bool,
}

/// A file that is being read.
struct Frame {
    tree: u32,
    inclusion: u32,
    next: u32,
    parent: u32,
    /// The open blocks: for each, its node and the index in the tree at which it ends.
    open: Vec<(u32, u32)>,
}

impl<'s, 'h> Loader<'s, 'h> {
    fn new(sources: &'s Sources<'h>, prefix: &Path, lenient: bool) -> Self {
        let config = Config {
            context: Context::Fragment,
            prefix: prefix.into(),
            version: None,
            trees: Vec::new(),
            faults: Vec::new(),
            not_read: Vec::new(),
            nodes: Vec::new(),
            inclusions: Vec::new(),
            names: NameIndex::default(),
        };
        let (by_path, names, frames) = (FxHashMap::default(), Vec::new(), Vec::new());
        Self { sources, config, by_path, names, frames, lenient, closed: false, full: false }
    }

    fn finish(mut self) -> Config {
        self.config.names.finish();
        let entries = self.config.inclusions.iter().filter(|entry| entry.directive == NONE);
        let mut trees = entries.filter_map(|entry| self.config.trees.get(entry.tree as usize));
        if !self.lenient || trees.any(is_main) {
            self.config.context = Context::Main;
        }
        self.config
    }

    fn file(&mut self, path: &Path, file: std::sync::Arc<SourceFile>) {
        let tree = self.tree(path, file, &[]);
        self.enter(tree, NONE, NONE);
        self.run();
    }

    /// The tree of a file, which is parsed when it is first included.
    fn tree(&mut self, path: &Path, file: std::sync::Arc<SourceFile>, chain: &[Span]) -> u32 {
        if let Some(index) = self.by_path.get(path) {
            return *index;
        }
        let tree = Tree::parse(file);
        self.config.faults.extend(tree.fault.clone().map(|fault| fault.with(chain.to_vec())));
        let index = small(self.config.trees.len());
        self.names.push(self.config.names.take(&tree));
        self.config.trees.push(tree);
        self.by_path.insert(path.into(), index);
        index
    }

    fn enter(&mut self, tree: u32, directive: u32, parent: u32) {
        let inclusion = small(self.config.inclusions.len());
        let around = self.config.nodes.get(directive as usize).map(|node| node.include);
        let around = around.and_then(|at| self.config.inclusions.get(at as usize));
        let fragment = match around {
            Some(around) => around.fragment,
            None => self.lenient && !self.config.trees.get(tree as usize).is_some_and(is_main),
        };
        self.config.inclusions.push(Inclusion { directive, tree, fragment });
        self.frames.push(Frame { tree, inclusion, next: 0, parent, open: Vec::new() });
    }

    fn run(&mut self) {
        while let Some(frame) = self.frames.last_mut() {
            let Some(tree) = self.config.trees.get(frame.tree as usize) else { return };
            while let Some((node, end)) = frame.open.last().copied() {
                if frame.next < end {
                    break;
                }
                let count = small(self.config.nodes.len());
                if let Some(node) = self.config.nodes.get_mut(node as usize) {
                    node.subtree_end = count;
                }
                frame.open.pop();
            }
            let Some(directive) = tree.directives.get(frame.next as usize) else {
                self.frames.pop();
                continue;
            };
            let id = small(self.config.nodes.len());
            if self.config.nodes.len() >= DIRECTIVE_LIMIT {
                self.fail_full();
                continue;
            }
            let parent = frame.open.last().map_or(frame.parent, |(node, _)| *node);
            let names = self.names.get(frame.tree as usize);
            let name = names.and_then(|names| names.get(frame.next as usize));
            let name = name.copied().unwrap_or(NameId::DATA);
            self.config.names.add(name, (parent, id));
            self.config.nodes.push(Node {
                tree: frame.tree,
                directive: frame.next,
                parent,
                subtree_end: id + 1,
                include: frame.inclusion,
                name,
            });
            frame.next += 1;
            if directive.body != Body::None {
                frame.open.push((id, directive.subtree_end));
            } else if directive.words == 2
                && let Some(name) = tree.words.get(directive.first_word as usize)
                && name.raw(&tree.file.bytes) == b"include"
            {
                self.include(DirectiveId(id), parent);
            }
        }
    }

    fn include(&mut self, id: DirectiveId, parent: u32) {
        let Some(directive) = self.config.get(id) else { return };
        let Some(argument) = directive.argument(0) else { return };
        let (span, value) = (directive.head_span(), argument.value().into_owned());
        let path = self.config.prefix.join(OsStr::from_bytes(&value));
        let parent_id = (parent != NONE).then_some(DirectiveId(parent));
        let not_read = |path: PathBuf, reason| NotRead { span, parent: parent_id, path, reason };
        if has_placeholder(&String::from_utf8_lossy(&value)) {
            self.config.not_read.push(not_read(path, NotReadReason::Placeholder));
            return;
        }
        if self.closed {
            self.config.not_read.push(not_read(path, NotReadReason::Elsewhere));
            return;
        }
        if self.config.inclusions.len() >= INCLUSION_LIMIT {
            self.fail_full();
            return;
        }
        let chain = self.config.chain(id);
        if chain.len() >= DEPTH_LIMIT {
            let message = format!("includes nested more than {DEPTH_LIMIT} deep");
            self.config.faults.push(Fault::new(FaultKind::IncludeLoop, span, message).with(chain));
            return;
        }
        let mut found = Vec::new();
        let prefix = self.config.prefix.clone();
        let mut resolved = resolve(self.sources, &prefix, &value);
        if self.lenient && resolved.is_empty() {
            self.config.not_read.push(not_read(path.clone(), NotReadReason::Elsewhere));
        }
        for one in resolved.drain(..) {
            match one {
                Included::File(path, file) => {
                    let mut via = chain.clone();
                    via.push(span);
                    found.push(self.tree(&path, file, &via));
                }
                Included::Fault(FaultKind::IncludeMissing, _) if self.lenient => {
                    let reason = NotReadReason::Elsewhere;
                    self.config.not_read.push(not_read(path.clone(), reason));
                }
                Included::Fault(kind, message) => {
                    let fault = Fault::new(kind, span, message).with(chain.clone());
                    self.config.faults.push(fault);
                }
                Included::NotRead(error) => {
                    let path = error.path.clone();
                    self.config.not_read.push(not_read(path, NotReadReason::Host(error)));
                }
            }
        }
        for tree in found.into_iter().rev() {
            if self.surrounds(id, tree) {
                let path = self.config.trees.get(tree as usize).map(|tree| tree.file.path.clone());
                let shown = path.unwrap_or_default();
                let message = format!("\"{}\" includes itself without end", shown.display());
                let fault = Fault::new(FaultKind::IncludeLoop, span, message).with(chain.clone());
                self.config.faults.push(fault);
                continue;
            }
            self.enter(tree, id.0, parent);
        }
    }

    /// Whether the directive is in this file, or in a file that this one included directly or
    /// through others.
    fn surrounds(&self, id: DirectiveId, tree: u32) -> bool {
        let mut at = self.config.nodes.get(id.0 as usize).map(|node| node.include);
        while let Some(inclusion) = at.and_then(|at| self.config.inclusions.get(at as usize)) {
            if inclusion.tree == tree {
                return true;
            }
            at = self.config.nodes.get(inclusion.directive as usize).map(|node| node.include);
        }
        false
    }

    fn fail_full(&mut self) {
        // The fault is added only once. All files that are open end here.
        if !self.full {
            let file = self.frames.last().and_then(|f| self.config.trees.get(f.tree as usize));
            if let Some(tree) = file {
                let message = format!(
                    "more than {DIRECTIVE_LIMIT} directives or {INCLUSION_LIMIT} inclusions: \
                     the rest was not read"
                );
                let fault = Fault::new(FaultKind::TooLarge, tree.file.span(), message);
                self.config.faults.push(fault);
            }
        }
        self.full = true;
        let count = small(self.config.nodes.len());
        for frame in self.frames.drain(..) {
            for (node, _) in frame.open {
                if let Some(node) = self.config.nodes.get_mut(node as usize) {
                    node.subtree_end = count;
                }
            }
        }
    }
}
