//! One file as a flat tree: directives in their order in the file, each with the index after its
//! last descendant. No byte of the file is lost: see [`Tree::pieces`].
//!
//! Reading stops at a fault, as in nginx; the tree contains what came before the fault.

use std::borrow::Cow;
use std::sync::Arc;

use super::fault::{Fault, FaultKind};
use super::lua;
use super::token::{Ending, TEMPLATE, TokenFault, Tokenizer, Word};
use crate::source::{SourceFile, Span};

/// Means "no directive" where an index is expected.
pub(super) const NONE: u32 = u32::MAX;

/// What is between a directive's braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// No braces: the directive ends with `;`.
    None,
    /// Directives.
    Directives,
    /// Lines of a `map`, `geo`, `types` … that only look like directives.
    Data,
    /// Lua source, not looked into.
    Raw,
}

/// A directive, as indices into its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directive {
    pub(super) first_word: u32,
    pub(super) words: u32,
    /// The index of the directive around this one, or [`NONE`].
    pub(super) parent: u32,
    /// The index after the last directive inside.
    pub(super) subtree_end: u32,
    /// The offset of its `;` or `{`.
    pub(super) mark: u32,
    /// The offset after its `;` or `}`.
    pub(super) end: u32,
    /// What is between its braces.
    pub body: Body,
    /// Whether it is a line of a data block.
    pub data: bool,
    /// Whether it ends as it should, rather than where a fault stopped the reading.
    pub closed: bool,
}

impl Directive {
    /// The values of its words, starting with the name.
    pub fn words<'t>(&self, tree: &'t Tree) -> impl Iterator<Item = Cow<'t, [u8]>> {
        let start = self.first_word as usize;
        let words = tree.words.get(start..start + self.words as usize).unwrap_or_default();
        words.iter().map(|word| word.value(&tree.file.bytes))
    }

    /// The index in [`Tree::directives`] after the last directive inside.
    pub fn subtree_end(&self) -> u32 {
        self.subtree_end
    }
}

/// One file's directives, words and comments.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The file.
    pub file: Arc<SourceFile>,
    /// All directives, in file order.
    pub directives: Vec<Directive>,
    /// All words, in file order.
    pub words: Vec<Word>,
    /// The start and end of each comment, `#` included and end of line excluded.
    pub comments: Vec<(u32, u32)>,
    /// Why the reading ended before the end of the file, if it did.
    pub fault: Option<Fault>,
    /// Whether it was read as a template, with `{{ … }}` as values that are not known.
    pub template: bool,
    /// The offset up to which the file was read.
    pub read: u32,
}

/// The kind of a piece of a file; see [`Tree::pieces`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// A word, quotes included.
    Word,
    /// `;`, `{` or `}`.
    Mark,
    /// A comment.
    Comment,
    /// White space.
    Blank,
    /// Lua source.
    Raw,
    /// Everything after a fault.
    Unread,
}

impl Tree {
    /// Reads a file.
    pub fn parse(file: Arc<SourceFile>) -> Self {
        let tree = Self::read(Arc::clone(&file), false);
        if tree.fault.is_none() || !looks_like_template(&file.bytes) {
            return tree;
        }
        Self::read(file, true)
    }

    fn read(file: Arc<SourceFile>, template: bool) -> Self {
        let source = Arc::clone(&file);
        let estimate = source.bytes.len() / 24;
        let mut tree = Self {
            file,
            directives: Vec::with_capacity(estimate / 2),
            words: Vec::with_capacity(estimate),
            comments: Vec::new(),
            fault: None,
            template,
            read: 0,
        };
        let mut tokenizer = if template {
            Tokenizer::template(&source.bytes)
        } else {
            Tokenizer::new(&source.bytes)
        };
        if source.bytes.starts_with(b"\xef\xbb\xbf") {
            tree.fail(TokenFault {
                kind: FaultKind::ByteOrderMark,
                start: 0,
                end: 3,
                message: "a byte order mark, which nginx takes as part of the first name: \
                          unknown directive"
                    .into(),
            });
            tokenizer.skip_to(3);
        }
        let mut open = Vec::new();
        let result = tree.statements(&mut tokenizer, &mut open);
        tree.read = small(tokenizer.offset());
        let end = tree.read;
        let count = small(tree.directives.len());
        for index in open {
            if let Some(directive) = tree.directives.get_mut(index as usize) {
                directive.subtree_end = count;
                directive.end = end;
            }
        }
        if let Err(fault) = result {
            // The words of a directive that never ended belong to the unread part.
            let kept = tree.directives.last().map_or(0, |d| d.first_word + d.words);
            let cut = tree.words.get(kept as usize).map(|word| word.start);
            tree.words.truncate(kept as usize);
            if let Some(cut) = cut {
                tree.read = cut;
                tree.comments.retain(|(start, _)| *start < cut);
            }
            tree.fail(fault);
        }
        tree
    }

    fn statements(
        &mut self,
        tokenizer: &mut Tokenizer<'_>,
        open: &mut Vec<u32>,
    ) -> Result<(), TokenFault> {
        loop {
            let first_word = small(self.words.len());
            let ending = tokenizer.read(&mut self.words, &mut self.comments)?;
            let at = tokenizer.offset();
            match ending {
                Ending::Semicolon | Ending::BlockStart => {
                    let index = self.push(first_word, at, open.last().copied(), ending)?;
                    match self.directives.get(index as usize).map(|d| d.body) {
                        Some(Body::Raw) => self.skip_lua(tokenizer, index)?,
                        Some(Body::Directives | Body::Data) => open.push(index),
                        _ => {}
                    }
                }
                Ending::BlockDone => {
                    let Some(index) = open.pop() else {
                        tokenizer.skip_to(at - 1);
                        return Err(TokenFault {
                            kind: FaultKind::UnexpectedCharacter,
                            start: at - 1,
                            end: at,
                            message: "unexpected \"}\"".into(),
                        });
                    };
                    let count = small(self.directives.len());
                    if let Some(directive) = self.directives.get_mut(index as usize) {
                        directive.subtree_end = count;
                        directive.end = small(at);
                        directive.closed = true;
                    }
                }
                Ending::FileDone => {
                    let Some(directive) =
                        open.last().and_then(|index| self.directives.get(*index as usize))
                    else {
                        return Ok(());
                    };
                    let start = self.words.get(directive.first_word as usize);
                    return Err(TokenFault {
                        kind: FaultKind::UnexpectedEnd,
                        start: start.map_or(at, |word| word.start as usize),
                        end: directive.mark as usize + 1,
                        message: "unexpected end of file, expecting \"}\"".into(),
                    });
                }
            }
        }
    }

    fn push(
        &mut self,
        first_word: u32,
        at: usize,
        parent: Option<u32>,
        ending: Ending,
    ) -> Result<u32, TokenFault> {
        let index = small(self.directives.len());
        let data = parent
            .and_then(|parent| self.directives.get(parent as usize))
            .is_some_and(|parent| parent.body == Body::Data);
        let body = match ending {
            Ending::BlockStart if data => {
                return Err(TokenFault {
                    kind: FaultKind::UnexpectedCharacter,
                    start: at - 1,
                    end: at,
                    message: "unexpected \"{\"".into(),
                });
            }
            Ending::BlockStart => body_of(self.words.get(first_word as usize), &self.file.bytes),
            _ => Body::None,
        };
        if self.template
            && let Some(word) = self.words.get(first_word as usize)
            && word.value(&self.file.bytes).starts_with(b"{{")
            && !data
        {
            return Err(TokenFault {
                kind: FaultKind::Template,
                start: word.start as usize,
                end: word.end as usize,
                message: TEMPLATE.into(),
            });
        }
        self.directives.push(Directive {
            first_word,
            words: small(self.words.len()) - first_word,
            parent: parent.unwrap_or(NONE),
            subtree_end: index + 1,
            mark: small(at - 1),
            end: small(at),
            body,
            data,
            closed: body == Body::None,
        });
        Ok(index)
    }

    fn skip_lua(&mut self, tokenizer: &mut Tokenizer<'_>, index: u32) -> Result<(), TokenFault> {
        let start = tokenizer.offset();
        let close = lua::block_end(&self.file.bytes, start);
        let end = close.map_or(self.file.bytes.len(), |close| close + 1);
        tokenizer.skip_to(end);
        if let Some(directive) = self.directives.get_mut(index as usize) {
            directive.end = small(end);
            directive.closed = close.is_some();
        }
        if close.is_some() {
            return Ok(());
        }
        Err(TokenFault {
            kind: FaultKind::UnexpectedEnd,
            start: start - 1,
            end: start,
            message: "unexpected end of file, expecting \"}\" of a Lua block".into(),
        })
    }

    /// Only the first fault is kept: nginx does not see what follows a byte order mark.
    fn fail(&mut self, fault: TokenFault) {
        let span = Span::new(self.file.id, fault.start, fault.end);
        self.fault.get_or_insert_with(|| Fault::new(fault.kind, span, fault.message));
    }

    /// The whole file in pieces, in order and without gaps: joined, they are the file.
    pub fn pieces(&self) -> Vec<(PieceKind, Span)> {
        let mut solid: Vec<(u32, u32, PieceKind)> = Vec::new();
        solid.extend(self.words.iter().map(|word| (word.start, word.end, PieceKind::Word)));
        solid.extend(self.comments.iter().map(|(a, b)| (*a, *b, PieceKind::Comment)));
        for directive in &self.directives {
            let (mark, end) = (directive.mark, directive.end);
            solid.push((mark, mark + 1, PieceKind::Mark));
            if directive.body == Body::None {
                continue;
            }
            let closed = directive.closed;
            let inner_end = if closed { end - 1 } else { end };
            if directive.body == Body::Raw && inner_end > mark + 1 {
                solid.push((mark + 1, inner_end, PieceKind::Raw));
            }
            if closed {
                solid.push((end - 1, end, PieceKind::Mark));
            }
        }
        solid.sort_unstable_by_key(|piece| (piece.0, piece.1));
        let mut pieces = Vec::with_capacity(solid.len() * 2);
        let mut at = 0;
        let bom = u32::from(self.file.bytes.starts_with(b"\xef\xbb\xbf")) * 3;
        let push = |pieces: &mut Vec<_>, kind, from: u32, to: u32| {
            if from < to {
                pieces.push((kind, Span { file: self.file.id, start: from, end: to }));
            }
        };
        push(&mut pieces, PieceKind::Unread, 0, bom);
        at += bom;
        for (start, end, kind) in solid {
            push(&mut pieces, PieceKind::Blank, at, start);
            push(&mut pieces, kind, start, end);
            at = end;
        }
        let length = small(self.file.bytes.len());
        push(&mut pieces, PieceKind::Blank, at, self.read.min(length));
        push(&mut pieces, PieceKind::Unread, self.read.max(at), length);
        pieces
    }
}

fn body_of(name: Option<&Word>, source: &[u8]) -> Body {
    let Some(name) = name else { return Body::Directives };
    let name = name.value(source);
    match name.as_ref() {
        b"map" | b"geo" | b"types" | b"split_clients" | b"charset_map" | b"match" => Body::Data,
        name if name.ends_with(b"_by_lua_block") => Body::Raw,
        _ => Body::Directives,
    }
}

/// Whether there is a line with `{{ … }}` or `{% … %}`.
fn looks_like_template(bytes: &[u8]) -> bool {
    let find = |line: &[u8], mark: &[u8]| line.windows(2).position(|pair| pair == mark);
    let holds = |line: &[u8], open: &[u8], close: &[u8]| {
        find(line, open)
            .and_then(|at| line.get(at..))
            .is_some_and(|rest| find(rest, close).is_some())
    };
    bytes
        .split(|byte| *byte == b'\n')
        .any(|line| holds(line, b"{{", b"}}") || holds(line, b"{%", b"%}"))
}

pub(super) fn small(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
