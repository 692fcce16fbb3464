//! A migration's file: its identifiers, and what its `upgrade()` does.
//!
//! Parsing, walking and dropping a syntax tree all recurse, so these steps run on a thread with a
//! large stack, and only for text that is not nested too deeply: CPython itself refuses more than
//! 200 nested parentheses, and expressions several thousand operators deep.

use std::sync::Arc;

use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::span::span;
use super::value::{self, Names, Value};
use super::{Revision, upgrade};
use crate::source::{SourceFile, Span, Spanned};

/// The largest migration that is parsed, in bytes.
const SIZE_LIMIT: usize = 4 << 20;
/// The deepest nesting of brackets, as CPython's tokenizer allows it.
const BRACKET_LIMIT: usize = 200;
/// The most operators of one statement that may be nested.
const OPERATOR_LIMIT: usize = 4000;
/// The deepest indentation, as CPython's tokenizer allows it.
const INDENT_LIMIT: usize = 100;
/// The stack for parsing; only the part in use takes up memory.
const STACK: usize = 512 << 20;

/// A migration, or the place and reason of a failure to understand it.
pub(super) type Outcome = Result<Revision, (Option<Span>, String)>;

/// Parses all files on one thread.
pub(super) fn all(files: &[Arc<SourceFile>]) -> Vec<Outcome> {
    let failed = |why: &str| files.iter().map(|_| Err((None, why.to_owned()))).collect();
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        // A `SourceFile` is shared by reference: nothing outlives the scope.
        let worker = builder.spawn_scoped(scope, || files.iter().map(|f| one(f)).collect());
        match worker {
            Ok(worker) => worker.join().unwrap_or_else(|_| failed("the parser failed")),
            Err(_) => failed("no thread could be started to parse it"),
        }
    })
}

fn one(file: &SourceFile) -> Outcome {
    if file.bytes.len() > SIZE_LIMIT {
        return Err((None, format!("is larger than the {SIZE_LIMIT} bytes that are parsed")));
    }
    let text = std::str::from_utf8(&file.bytes).map_err(|error| {
        let at = error.valid_up_to();
        (Some(Span::new(file.id, at, at + 1)), "is not UTF-8".to_owned())
    })?;
    if text.contains('\0') {
        return Err((None, "contains a NUL byte, which Python refuses".into()));
    }
    flat_enough(text)
        .map_err(|(at, why)| (Some(Span::new(file.id, at, at + 1)), why.to_owned()))?;
    let parsed = ruff_python_parser::parse_module(text).map_err(|error| {
        let range = error.location;
        (Some(span(file, range)), format!("is not Python: {}", error.error))
    })?;
    let body = &parsed.syntax().body;
    let names = value::module_names(body);
    revision(file, body, &names)
}

/// Checks that the text is flat enough to be parsed. Strings and comments count as code, which can
/// only refuse too much.
fn flat_enough(text: &str) -> Result<(), (usize, &'static str)> {
    let bytes = text.as_bytes();
    // The operators since the last comma, for each open bracket.
    let mut open: Vec<usize> = vec![0];
    let mut total = 0_usize;
    let reset = |open: &mut Vec<usize>, total: &mut usize| {
        if let Some(last) = open.last_mut() {
            *total = total.saturating_sub(*last);
            *last = 0;
        }
    };
    let mut line_start = true;
    for (at, byte) in bytes.iter().enumerate() {
        let word = |word: &[u8]| bytes.get(at..at + word.len()) == Some(word);
        match byte {
            b'\n' => {
                if open.len() == 1 {
                    reset(&mut open, &mut total);
                }
                line_start = true;
                continue;
            }
            b'(' | b'[' | b'{' => {
                open.push(0);
                if open.len() > BRACKET_LIMIT + 1 {
                    return Err((at, "nests brackets deeper than Python allows"));
                }
            }
            b')' | b']' | b'}' if open.len() > 1 => {
                reset(&mut open, &mut total);
                open.pop();
            }
            b',' | b';' => reset(&mut open, &mut total),
            b'+' | b'-' | b'~' | b'*' | b'/' | b'%' | b'|' | b'&' | b'^' | b'@' | b'.' | b':'
            | b'<' | b'>' => bump(&mut open, &mut total),
            // `not`, `lambda`, `await`, `else` and similar words nest too.
            b' ' | b'\t' if !line_start => {
                if word(b" not")
                    || word(b" if ")
                    || word(b" and")
                    || word(b" or ")
                    || word(b" lam")
                    || word(b" awa")
                    || word(b" in ")
                    || word(b" is ")
                    || word(b" els")
                {
                    bump(&mut open, &mut total);
                }
                continue;
            }
            _ => {}
        }
        line_start &= matches!(byte, b' ' | b'\t');
        if total > OPERATOR_LIMIT {
            return Err((at, "contains an expression deeper than Python allows"));
        }
    }
    indents(bytes)
}

fn bump(open: &mut [usize], total: &mut usize) {
    *total += 1;
    if let Some(last) = open.last_mut() {
        *last += 1;
    }
}

/// Counts the levels of indentation as Python's tokenizer does.
fn indents(bytes: &[u8]) -> Result<(), (usize, &'static str)> {
    let mut levels = vec![0_usize];
    let mut start = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let width = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if line.trim_ascii().is_empty() {
            start += line.len();
            continue;
        }
        while levels.last().is_some_and(|last| *last > width) {
            levels.pop();
        }
        if levels.last().is_none_or(|last| *last < width) {
            levels.push(width);
        }
        if levels.len() > INDENT_LIMIT + 1 {
            return Err((start, "is indented deeper than Python allows"));
        }
        start += line.len();
    }
    Ok(())
}

fn revision(file: &SourceFile, body: &[Stmt], names: &Names) -> Outcome {
    let id =
        assigned(body, "revision").ok_or_else(|| (None, "assigns no `revision`".to_owned()))?;
    let id = match names.get("revision") {
        Some(Value::Text(text)) => Spanned { value: text.clone(), span: span(file, id) },
        _ => return Err((Some(span(file, id)), "`revision` is not a plain string".into())),
    };
    let down = references(file, body, names, "down_revision")?;
    let depends_on = references(file, body, names, "depends_on")?;
    let labels = references(file, body, names, "branch_labels")?;
    Ok(Revision {
        id,
        path: file.path.clone(),
        down,
        depends_on,
        labels: labels.into_iter().map(|label| label.value).collect(),
        operations: upgrade::operations(file, body, names),
    })
}

/// Reads `None`, a string, or several strings.
fn references(
    file: &SourceFile,
    body: &[Stmt],
    names: &Names,
    name: &str,
) -> Result<Vec<Spanned<String>>, (Option<Span>, String)> {
    let place = assigned(body, name).map(|range| span(file, range));
    let unknown = || (place, format!("`{name}` is not a plain string, tuple or None"));
    let whole = place.unwrap_or(Span::new(file.id, 0, 0));
    let one = |text: &str| Spanned { value: text.to_owned(), span: whole };
    match names.get(name) {
        None | Some(Value::None) => Ok(Vec::new()),
        // To Alembic, an empty string means none.
        Some(Value::Text(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::Text(text)) => Ok(vec![one(text)]),
        Some(Value::List(values)) => {
            values.iter().map(|v| v.text().map(one).ok_or_else(unknown)).collect()
        }
        Some(_) => Err(unknown()),
    }
}

/// The place at which the module last assigns a name.
fn assigned(body: &[Stmt], wanted: &str) -> Option<TextRange> {
    let is = |target: &Expr| matches!(target, Expr::Name(name) if name.id.as_str() == wanted);
    let mut found = None;
    for statement in body {
        match statement {
            Stmt::Assign(assign) if assign.targets.iter().any(is) => {
                found = Some(assign.value.range());
            }
            Stmt::AnnAssign(assign) if is(&assign.target) => {
                found = assign.value.as_ref().map(|value| value.range()).or(found);
            }
            Stmt::If(_) | Stmt::Try(_) | Stmt::With(_) | Stmt::For(_) | Stmt::While(_)
                if found.is_none() =>
            {
                let mut names = Names::new();
                value::unknown_names(statement, &mut names);
                if names.contains_key(wanted) {
                    found = Some(statement.range());
                }
            }
            Stmt::ImportFrom(import) => {
                let bound = |a: &ruff_python_ast::Alias| {
                    a.asname.as_ref().map_or(a.name.as_str(), |n| n.as_str()) == wanted
                };
                if import.names.iter().any(bound) {
                    found = Some(import.range());
                }
            }
            _ => {}
        }
    }
    found
}
