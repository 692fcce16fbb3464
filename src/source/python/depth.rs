//! How deeply a file nests, measured on its tokens before any recursive code reads it.
//!
//! CPython's own limits come first (200 open brackets, 100 indentations: `Parser/tokenizer.h`);
//! then our own limit on how many tokens may build on each other without a separator, which bounds
//! the depth of the syntax tree (`a + a + …` nests as deeply as it is long).

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

use super::super::{FileId, Span};
use super::SyntaxFault;

const BRACKETS: usize = 200;
const INDENTS: usize = 100;
const RUN: usize = 1_200;

pub(super) enum Depth {
    Fine,
    Refused(SyntaxFault),
    TooDeep,
}

pub(super) fn check(file: FileId, text: &str) -> Depth {
    let mut lexer = lexer::lex(text, Mode::Module);
    // The number of tokens in each open bracket since its last separator, and the sum of these
    // numbers.
    let mut runs = vec![0_usize];
    let mut sum = 0_usize;
    let mut indents = 0_usize;
    loop {
        let kind = lexer.next_token();
        let refuse = |message: &str| {
            // The lexer does not reveal its position, so the fault is placed at the start of the
            // file.
            let span = Span::new(file, 0, text.len().min(1));
            Depth::Refused(SyntaxFault { message: message.into(), span })
        };
        match kind {
            TokenKind::EndOfFile => return Depth::Fine,
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                sum += 1;
                if let Some(run) = runs.last_mut() {
                    *run += 1;
                }
                runs.push(0);
                if runs.len() > BRACKETS {
                    return refuse("too many nested parentheses");
                }
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => {
                if runs.len() > 1 {
                    sum -= runs.pop().unwrap_or(0);
                }
            }
            TokenKind::Comma => {
                if let Some(run) = runs.last_mut() {
                    sum -= std::mem::take(run);
                }
            }
            TokenKind::Newline | TokenKind::Semi => {
                runs.truncate(1);
                if let Some(run) = runs.last_mut() {
                    *run = 0;
                }
                sum = 0;
            }
            TokenKind::Indent => {
                indents += 1;
                if indents >= INDENTS {
                    return refuse("too many levels of indentation");
                }
            }
            TokenKind::Dedent => indents = indents.saturating_sub(1),
            // Adjacent strings and the pieces of an f-string do not nest.
            TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline => {}
            _ => {
                sum += 1;
                if let Some(run) = runs.last_mut() {
                    *run += 1;
                }
            }
        }
        if sum > RUN {
            return Depth::TooDeep;
        }
    }
}
