//! Plain SQL that a migration executes: the simple statements of PostgreSQL's DDL. Any other
//! statement is unknown.

use super::operation::{Breaks, Kind, Locks, Operation};
use crate::source::Span;

const SCANS: Locks = Locks::Yes("every row is checked while writers wait");
const BUILDS: Locks = Locks::Yes("an index is built while writers wait");
const REWRITES: Locks = Locks::Yes("the table is rewritten while readers and writers wait");

/// The operations of `execute(text)`; `None` if the text is computed at run time.
pub(super) fn executed(text: Option<&str>, place: Span, autocommit: bool) -> Vec<Operation> {
    match text {
        Some(text) => classify(text, place, autocommit),
        None => {
            let why = "the SQL is put together when the migration runs";
            vec![Operation::unknown(Kind::RawSql, place, why)]
        }
    }
}

/// Splits SQL into one or more operations for each statement.
pub fn classify(text: &str, place: Span, autocommit: bool) -> Vec<Operation> {
    let Some(tokens) = tokens(text) else {
        let why = "the SQL contains something that is not recognised here";
        return vec![Operation::unknown(Kind::RawSql, place, why)];
    };
    tokens
        .split(|token| token.is(";"))
        .filter(|statement| !statement.is_empty())
        .flat_map(|statement| self::statement(statement, place, autocommit))
        .collect()
}

/// A word in capitals, a name, a string or another character.
#[derive(Debug, Clone)]
struct Token {
    upper: String,
    text: String,
    /// Whether it was written in quotes, so that it cannot be a keyword.
    quoted: bool,
}

impl Token {
    fn is(&self, word: &str) -> bool {
        !self.quoted && self.upper == word
    }
}

/// Splits SQL into tokens. `None` for dollar quotes and for unterminated text.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let start = at;
        match byte {
            b if b.is_ascii_whitespace() => at += 1,
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at += bytes.get(at..)?.iter().take_while(|b| **b != b'\n').count();
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at += text.get(at..)?.find("*/")? + 2;
            }
            b'$' => return None,
            b'\'' | b'"' | b'`' => {
                at += 1;
                loop {
                    at += bytes.get(at..)?.iter().position(|b| b == byte)? + 1;
                    if bytes.get(at) != Some(byte) {
                        break;
                    }
                    at += 1;
                }
                let inner = text.get(start + 1..at - 1)?.to_owned();
                tokens.push(Token { upper: String::new(), text: inner, quoted: true });
            }
            b if b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80 => {
                let word = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_' || **b >= 0x80;
                at += bytes.get(at..)?.iter().take_while(word).count();
                let word = text.get(start..at)?.to_owned();
                tokens.push(Token { upper: word.to_ascii_uppercase(), text: word, quoted: false });
            }
            _ => {
                at += 1;
                let sign = text.get(start..at)?.to_owned();
                tokens.push(Token { upper: sign.clone(), text: sign, quoted: false });
            }
        }
    }
    Some(tokens)
}

/// Reads the tokens of a statement in order.
struct StatementReader<'t> {
    rest: &'t [Token],
}

impl<'t> StatementReader<'t> {
    /// Takes these words if they are next.
    fn take(&mut self, words: &[&str]) -> bool {
        let fits = self.rest.len() >= words.len()
            && words.iter().zip(self.rest).all(|(word, token)| token.is(word));
        if fits {
            self.rest = self.rest.get(words.len()..).unwrap_or_default();
        }
        fits
    }

    /// Takes a name, without its schema.
    fn name(&mut self) -> Option<String> {
        let (token, mut rest) = self.rest.split_first()?;
        let mut name = token;
        while let [dot, next, after @ ..] = rest
            && dot.is(".")
        {
            (name, rest) = (next, after);
        }
        self.rest = rest;
        Some(name.text.clone())
    }

    fn holds(&self, words: &[&str]) -> bool {
        self.rest
            .windows(words.len())
            .any(|window| words.iter().zip(window).all(|(word, token)| token.is(word)))
    }
}

fn statement(tokens: &[Token], place: Span, autocommit: bool) -> Vec<Operation> {
    let mut reader = StatementReader { rest: tokens };
    let new = |kind| Operation::harmless(kind, place);
    let unknown = |why: &str| vec![Operation::unknown(Kind::RawSql, place, why)];
    if reader.take(&["ALTER", "TABLE"]) {
        return alter_table(reader, place);
    }
    if reader.take(&["ALTER", "TYPE"]) {
        return alter_type(reader, place);
    }
    if reader.take(&["DROP", "TABLE"]) {
        reader.take(&["IF", "EXISTS"]);
        let mut dropped = Vec::new();
        while let Some(name) = reader.name() {
            dropped.push(new(Kind::DropTable).on(Some(name), None).breaking(Breaks::Yes));
            if !reader.take(&[","]) {
                break;
            }
        }
        return dropped;
    }
    let unique = tokens.get(1).is_some_and(|token| token.is("UNIQUE"));
    if reader.take(&["CREATE", "UNIQUE", "INDEX"]) || reader.take(&["CREATE", "INDEX"]) {
        let concurrently = reader.take(&["CONCURRENTLY"]);
        let table = reader.rest.iter().position(|token| token.is("ON")).and_then(|at| {
            let mut reader = StatementReader { rest: reader.rest.get(at + 1..)? };
            reader.take(&["ONLY"]);
            reader.name()
        });
        return vec![
            new(Kind::CreateIndex { concurrently, unique })
                .on(table, None)
                .breaking(if unique { Breaks::Yes } else { Breaks::No })
                .locking(concurrent(concurrently, autocommit, BUILDS)),
        ];
    }
    if reader.take(&["DROP", "INDEX"]) {
        let concurrently = reader.take(&["CONCURRENTLY"]);
        let waits = Locks::Yes("readers and writers wait for the index to be dropped");
        let locks = concurrent(concurrently, autocommit, waits);
        return vec![new(Kind::DropIndex { concurrently }).locking(locks)];
    }
    if reader.take(&["CREATE", "TABLE"]) {
        let tentative = reader.take(&["IF", "NOT", "EXISTS"]);
        let table = reader.name();
        // A table that may already exist is not new.
        let kind = if tentative { Kind::Other } else { Kind::CreateTable };
        return vec![new(kind).on(table, None)];
    }
    if reader.take(&["INSERT"]) {
        return vec![new(Kind::ChangeRows)];
    }
    if reader.take(&["UPDATE"]) {
        reader.take(&["ONLY"]);
        let table = reader.name();
        let why = "it depends on which rows are changed, and how";
        return vec![Operation::unknown(Kind::ChangeRows, place, why).on(table, None)];
    }
    if reader.take(&["DELETE", "FROM"]) || reader.take(&["TRUNCATE"]) {
        reader.take(&["TABLE"]);
        reader.take(&["ONLY"]);
        let table = reader.name();
        let why = "it depends on which rows are deleted";
        return vec![Operation::unknown(Kind::ChangeRows, place, why).on(table, None)];
    }
    const HARMLESS: [&[&str]; 12] = [
        &["CREATE", "EXTENSION"],
        &["CREATE", "TYPE"],
        &["CREATE", "SCHEMA"],
        &["CREATE", "SEQUENCE"],
        &["CREATE", "VIEW"],
        &["CREATE", "MATERIALIZED", "VIEW"],
        &["COMMENT", "ON"],
        &["GRANT"],
        &["SET"],
        &["ANALYZE"],
        &["COMMIT"],
        &["BEGIN"],
    ];
    if HARMLESS.iter().any(|words| reader.take(words)) {
        return vec![new(Kind::Other)];
    }
    // A query with a function call can do anything.
    if tokens.first().is_some_and(|token| token.is("SELECT")) && !tokens.iter().any(|t| t.is("(")) {
        return vec![new(Kind::Other)];
    }
    unknown("the SQL is not recognised here")
}

fn concurrent(concurrently: bool, autocommit: bool, otherwise: Locks) -> Locks {
    match (concurrently, autocommit) {
        (true, true) => Locks::No,
        (true, false) => Locks::Unknown("CONCURRENTLY outside of an autocommit_block()".into()),
        _ => otherwise,
    }
}

fn alter_type(mut reader: StatementReader<'_>, place: Span) -> Vec<Operation> {
    let name = reader.name();
    let new = |kind| Operation::harmless(kind, place).on(name.clone(), None);
    if reader.take(&["ADD", "VALUE"]) {
        let why = "code that does not know the new value fails on rows that contain it";
        return vec![new(Kind::EnumAddValue).breaking(Breaks::Unknown(why.into()))];
    }
    if reader.take(&["RENAME"]) {
        return vec![new(Kind::EnumRename).breaking(Breaks::Yes)];
    }
    vec![Operation::unknown(Kind::RawSql, place, "the SQL is not recognised here").on(name, None)]
}

fn alter_table(mut reader: StatementReader<'_>, place: Span) -> Vec<Operation> {
    reader.take(&["IF", "EXISTS"]);
    reader.take(&["ONLY"]);
    let table = reader.name();
    let mut depth = 0_usize;
    let actions = reader.rest.split(|token| {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth = depth.saturating_sub(1);
        }
        depth == 0 && token.is(",")
    });
    actions.map(|rest| action(StatementReader { rest }, table.clone(), place)).collect()
}

/// One action of `ALTER TABLE`.
fn action(mut reader: StatementReader<'_>, table: Option<String>, place: Span) -> Operation {
    let new = |kind| Operation::harmless(kind, place).on(table.clone(), None);
    let column = |kind, name| Operation::harmless(kind, place).on(table.clone(), name);
    if reader.take(&["RENAME", "TO"]) {
        return new(Kind::RenameTable).breaking(Breaks::Yes);
    }
    if reader.take(&["RENAME", "CONSTRAINT"]) {
        return new(Kind::Other);
    }
    if reader.take(&["RENAME"]) {
        reader.take(&["COLUMN"]);
        return column(Kind::RenameColumn, reader.name()).breaking(Breaks::Yes);
    }
    if reader.take(&["DROP", "CONSTRAINT"]) {
        return new(Kind::DropConstraint);
    }
    if reader.take(&["DROP"]) {
        reader.take(&["COLUMN"]);
        reader.take(&["IF", "EXISTS"]);
        return column(Kind::DropColumn, reader.name()).breaking(Breaks::Yes);
    }
    if reader.take(&["VALIDATE", "CONSTRAINT"]) {
        return new(Kind::Other);
    }
    if reader.take(&["ALTER"]) {
        reader.take(&["COLUMN"]);
        let name = reader.name();
        return alter(reader, &|kind| column(kind, name.clone()));
    }
    if reader.take(&["ADD"]) {
        if reader.take(&["CONSTRAINT"]) {
            reader.name();
            return constraint(&reader, &new);
        }
        let first = reader.rest.first();
        if first.is_some_and(|t| {
            ["UNIQUE", "CHECK", "FOREIGN", "PRIMARY", "EXCLUDE"].iter().any(|w| t.is(w))
        }) {
            return constraint(&reader, &new);
        }
        reader.take(&["COLUMN"]);
        reader.take(&["IF", "NOT", "EXISTS"]);
        let name = reader.name();
        let default = reader.holds(&["DEFAULT"]) || reader.holds(&["GENERATED"]);
        let filled = reader.holds(&["NOT", "NULL"]) || reader.holds(&["PRIMARY", "KEY"]);
        let serial = reader.rest.first().is_some_and(|token| token.upper.ends_with("SERIAL"));
        return if filled && !default && !serial {
            column(Kind::AddColumnNotNull, name).breaking(Breaks::Yes)
        } else if reader.holds(&["UNIQUE"]) {
            column(Kind::AddColumn, name).locking(BUILDS)
        } else {
            column(Kind::AddColumn, name)
        };
    }
    Operation::unknown(Kind::RawSql, place, "the SQL is not recognised here").on(table, None)
}

fn alter(mut reader: StatementReader<'_>, column: &dyn Fn(Kind) -> Operation) -> Operation {
    if reader.take(&["SET", "NOT", "NULL"]) {
        column(Kind::SetNotNull).breaking(Breaks::Yes).locking(SCANS)
    } else if reader.take(&["DROP", "NOT", "NULL"]) {
        column(Kind::DropNotNull)
    } else if reader.take(&["SET", "DEFAULT"]) {
        column(Kind::SetServerDefault)
    } else if reader.take(&["DROP", "DEFAULT"]) {
        column(Kind::DropServerDefault).breaking(Breaks::Yes)
    } else if reader.take(&["TYPE"]) || reader.take(&["SET", "DATA", "TYPE"]) {
        column(Kind::ChangeType)
            .breaking(Breaks::Unknown("it depends on the types and the values".into()))
            .locking(REWRITES)
    } else {
        let why = "the SQL is not recognised here";
        column(Kind::RawSql)
            .breaking(Breaks::Unknown(why.into()))
            .locking(Locks::Unknown(why.into()))
    }
}

fn constraint(reader: &StatementReader<'_>, new: &dyn Fn(Kind) -> Operation) -> Operation {
    let locks = if reader.holds(&["NOT", "VALID"]) { Locks::No } else { SCANS };
    let starts = |word: &str| reader.rest.first().is_some_and(|token| token.is(word));
    if starts("UNIQUE") {
        new(Kind::AddUnique).breaking(Breaks::Yes).locking(BUILDS)
    } else if starts("CHECK") {
        new(Kind::AddCheck).breaking(Breaks::Yes).locking(locks)
    } else if starts("FOREIGN") {
        new(Kind::AddForeignKey)
            .breaking(Breaks::Unknown("it depends on which rows the running code writes".into()))
            .locking(locks)
    } else if starts("PRIMARY") {
        new(Kind::AddPrimaryKey).breaking(Breaks::Yes).locking(BUILDS)
    } else {
        new(Kind::AddExclude).breaking(Breaks::Yes).locking(BUILDS)
    }
}
