//! The effect of one call of `op.…` or of a batch method. Source: Alembic's operation reference.
//! What locks a table and what breaks running code follows PostgreSQL's documentation of ALTER
//! TABLE.

use ruff_python_ast::{Expr, ExprCall};

use super::operation::{Breaks, Kind, Locks, Operation};
use super::sql;
use super::value::{Names, Value, evaluate};
use crate::source::Span;

const SCANS: Locks = Locks::Yes("every row is checked while writers wait");
const REWRITES: Locks = Locks::Yes("the table is rewritten while readers and writers wait");
const BUILDS: Locks = Locks::Yes("an index is built while writers wait");

/// The arguments of a call.
pub(super) struct Arguments<'a> {
    call: &'a ExprCall,
    names: &'a Names,
}

impl<'a> Arguments<'a> {
    pub fn new(call: &'a ExprCall, names: &'a Names) -> Self {
        Self { call, names }
    }

    /// The expression at a position or under a keyword.
    fn expression(&self, at: usize, keyword: &str) -> Option<&'a Expr> {
        let positional = self.call.arguments.args.get(at);
        let before = self.call.arguments.args.iter().take(at.saturating_add(1));
        if before.clone().any(|argument| matches!(argument, Expr::Starred(_))) {
            return None;
        }
        positional.or_else(|| self.keyword(keyword))
    }

    fn keyword(&self, keyword: &str) -> Option<&'a Expr> {
        let is = |name: &ruff_python_ast::Identifier| name.as_str() == keyword;
        let mut keywords = self.call.arguments.keywords.iter();
        keywords.find(|k| k.arg.as_ref().is_some_and(is)).map(|k| &k.value)
    }

    /// Whether `**kwargs` or `*args` passes arguments that are not known.
    fn splat(&self) -> bool {
        self.call.arguments.keywords.iter().any(|k| k.arg.is_none())
            || self.call.arguments.args.iter().any(|a| matches!(a, Expr::Starred(_)))
    }

    /// The value at a position or under a keyword.
    pub fn value(&self, at: usize, keyword: &str) -> Option<Value> {
        self.expression(at, keyword).map(|e| evaluate(e, self.names))
    }

    /// The string at a position or under a keyword.
    pub fn text(&self, at: usize, keyword: &str) -> Option<String> {
        self.value(at, keyword).and_then(|value| value.text().map(str::to_owned))
    }

    fn flag(&self, keyword: &str) -> Option<Value> {
        self.keyword(keyword).map(|e| evaluate(e, self.names))
    }

    fn is(&self, keyword: &str, wanted: bool) -> bool {
        self.flag(keyword) == Some(Value::Bool(wanted))
    }
}

/// The operations of a call. `batch` is the table of a batch, whose methods do not name it again.
pub(super) fn operation(
    name: &str,
    batch: Option<Option<String>>,
    call: &ExprCall,
    names: &Names,
    place: Span,
    autocommit: bool,
) -> Vec<Operation> {
    let arguments = Arguments::new(call, names);
    let in_batch = batch.is_some();
    // The positions of the table and of the column or name among the arguments of `op.…`.
    let table_at = |at: usize, keyword: &str| match &batch {
        Some(table) => table.clone(),
        None => arguments.text(at, keyword),
    };
    let shifted = |at: usize| if in_batch { at.saturating_sub(1) } else { at };
    let new = |kind: Kind| Operation::harmless(kind, place);
    let operation = match name {
        "create_table" => new(Kind::CreateTable).on(arguments.text(0, "table_name"), None),
        "drop_table" => {
            new(Kind::DropTable).on(arguments.text(0, "table_name"), None).breaking(Breaks::Yes)
        }
        "rename_table" => new(Kind::RenameTable)
            .on(arguments.text(0, "old_table_name"), None)
            .breaking(Breaks::Yes),
        "add_column" => {
            let column = arguments.expression(shifted(1), "column");
            return add_column(table_at(0, "table_name"), column, names, place);
        }
        "drop_column" => new(Kind::DropColumn)
            .on(table_at(0, "table_name"), arguments.text(shifted(1), "column_name"))
            .breaking(Breaks::Yes),
        "alter_column" => {
            let column = arguments.text(shifted(1), "column_name");
            return alter_column(&arguments, table_at(0, "table_name"), column, place);
        }
        "create_unique_constraint" => new(Kind::AddUnique)
            .on(table_at(1, "table_name"), None)
            .breaking(Breaks::Yes)
            .locking(BUILDS),
        "create_check_constraint" => new(Kind::AddCheck)
            .on(table_at(1, "table_name"), None)
            .breaking(Breaks::Yes)
            .locking(unless_not_valid(&arguments)),
        "create_foreign_key" => new(Kind::AddForeignKey)
            .on(table_at(1, "source_table"), None)
            .breaking(Breaks::Unknown("it depends on which rows the running code writes".into()))
            .locking(unless_not_valid(&arguments)),
        "create_primary_key" => new(Kind::AddPrimaryKey)
            .on(table_at(1, "table_name"), None)
            .breaking(Breaks::Yes)
            .locking(BUILDS),
        "create_exclude_constraint" => new(Kind::AddExclude)
            .on(table_at(1, "table_name"), None)
            .breaking(Breaks::Yes)
            .locking(BUILDS),
        "drop_constraint" => new(Kind::DropConstraint).on(table_at(1, "table_name"), None),
        "create_index" => {
            let table = table_at(1, "table_name");
            let unique = match arguments.flag("unique") {
                None | Some(Value::Bool(false)) => Some(false),
                Some(Value::Bool(true)) => Some(true),
                Some(_) => None,
            };
            let concurrently = arguments.is("postgresql_concurrently", true);
            let kind = Kind::CreateIndex { concurrently, unique: unique == Some(true) };
            new(kind)
                .on(table, None)
                .breaking(match unique {
                    Some(true) => Breaks::Yes,
                    Some(false) => Breaks::No,
                    None => Breaks::Unknown("it is not known whether the index is unique".into()),
                })
                .locking(concurrent(concurrently, autocommit, BUILDS))
        }
        "drop_index" => {
            let concurrently = arguments.is("postgresql_concurrently", true);
            let waits = Locks::Yes("readers and writers wait for the index to be dropped");
            new(Kind::DropIndex { concurrently })
                .on(table_at(1, "table_name"), None)
                .locking(concurrent(concurrently, autocommit, waits))
        }
        "execute" => {
            let text = arguments.text(0, "sqltext");
            return sql::executed(text.as_deref(), place, autocommit);
        }
        "bulk_insert" => new(Kind::ChangeRows),
        "get_bind" | "get_context" | "f" | "inline_literal" | "batch_alter_table"
        | "implementation_for" => return Vec::new(),
        "create_table_comment" | "drop_table_comment" => {
            new(Kind::Other).on(table_at(0, "table_name"), None)
        }
        _ => Operation::unknown(Kind::Other, place, "the operation is not one of Alembic's own"),
    };
    if !arguments.splat() || matches!(operation.breaks, Breaks::Yes) {
        return vec![operation];
    }
    // `create_table(name, *columns)` and similar calls: the hidden arguments do not change what
    // this call does.
    if operation.kind == Kind::CreateTable {
        return vec![operation];
    }
    let why = "some arguments are not known";
    let breaks = Breaks::Unknown(why.into());
    vec![operation.breaking(breaks).locking(Locks::Unknown(why.into()))]
}

fn unless_not_valid(arguments: &Arguments<'_>) -> Locks {
    if arguments.is("postgresql_not_valid", true) { Locks::No } else { SCANS }
}

/// `CONCURRENTLY` must run outside of a transaction, or PostgreSQL refuses it.
fn concurrent(concurrently: bool, autocommit: bool, otherwise: Locks) -> Locks {
    match (concurrently, autocommit) {
        (true, true) => Locks::No,
        (true, false) => Locks::Unknown("CONCURRENTLY outside of an autocommit_block()".into()),
        _ => otherwise,
    }
}

/// `sa.Column("name", type, …)`.
fn add_column(
    table: Option<String>,
    column: Option<&Expr>,
    names: &Names,
    place: Span,
) -> Vec<Operation> {
    let Some(Expr::Call(call)) = column else {
        let why = "the column is not written here";
        return vec![Operation::unknown(Kind::AddColumn, place, why).on(table, None)];
    };
    let arguments = Arguments::new(call, names);
    let name = arguments.text(0, "name");
    let generated = call.arguments.args.iter().any(|argument| {
        matches!(argument, Expr::Call(call)
            if matches!(last_name(&call.func), Some("Computed" | "Identity" | "FetchedValue")))
    });
    let default = generated || has_value(arguments.flag("server_default"));
    let not_null = arguments.is("nullable", false)
        || (arguments.is("primary_key", true) && !arguments.is("nullable", true));
    let unclear = arguments.splat()
        || matches!(arguments.flag("nullable"), Some(value) if !matches!(value, Value::Bool(_)));
    let add = |kind| Operation::harmless(kind, place).on(table.clone(), name.clone());
    let mut operations = Vec::new();
    if unclear && !default {
        let why = "it is not known whether the column may be empty";
        operations
            .push(Operation::unknown(Kind::AddColumn, place, why).on(table.clone(), name.clone()));
    } else if not_null && !default {
        operations.push(add(Kind::AddColumnNotNull).breaking(Breaks::Yes));
    } else if generated {
        operations.push(add(Kind::AddColumn).locking(REWRITES));
    } else {
        operations.push(add(Kind::AddColumn));
    }
    if arguments.is("unique", true) {
        // The running code leaves the column empty, and NULLs are never duplicates.
        let breaks = if default { Breaks::Yes } else { Breaks::No };
        operations.push(add(Kind::AddUnique).breaking(breaks).locking(BUILDS));
    }
    operations
}

/// Whether there is a server default other than `None`; an unknown value counts as a default.
fn has_value(value: Option<Value>) -> bool {
    value.is_some_and(|value| value != Value::None)
}

fn alter_column(
    arguments: &Arguments<'_>,
    table: Option<String>,
    column: Option<String>,
    place: Span,
) -> Vec<Operation> {
    let new = |kind| Operation::harmless(kind, place).on(table.clone(), column.clone());
    let mut operations = Vec::new();
    if arguments.keyword("new_column_name").or_else(|| arguments.keyword("name")).is_some() {
        operations.push(new(Kind::RenameColumn).breaking(Breaks::Yes));
    }
    match arguments.flag("nullable") {
        None | Some(Value::None) => {}
        Some(Value::Bool(true)) => operations.push(new(Kind::DropNotNull)),
        Some(Value::Bool(false)) if arguments.is("existing_nullable", false) => {}
        Some(Value::Bool(false)) => {
            operations.push(new(Kind::SetNotNull).breaking(Breaks::Yes).locking(SCANS));
        }
        Some(_) => {
            let why = "it is not known whether the column may be empty";
            operations.push(new(Kind::SetNotNull).breaking(Breaks::Unknown(why.into())));
        }
    }
    match arguments.flag("server_default") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::None) => {
            // A nullable column accepts a row without a value.
            let breaks = match arguments.flag("existing_nullable") {
                Some(Value::Bool(true)) => {
                    Breaks::Unknown("rows get no value where they had the default".into())
                }
                _ => Breaks::Yes,
            };
            operations.push(new(Kind::DropServerDefault).breaking(breaks));
        }
        Some(_) => operations.push(new(Kind::SetServerDefault)),
    }
    if let Some(to) = arguments.keyword("type_") {
        operations.push(change_type(arguments, to, &new));
    }
    if arguments.splat() {
        let why = "some arguments are not known";
        operations.push(Operation::unknown(Kind::Other, place, why).on(table, column));
    }
    operations
}

fn change_type(arguments: &Arguments<'_>, to: &Expr, new: &dyn Fn(Kind) -> Operation) -> Operation {
    let from = arguments.keyword("existing_type").and_then(|e| Type::of(e, arguments.names));
    let to = Type::of(to, arguments.names);
    match from.zip(to).and_then(|(from, to)| from.holds(&to).map(|holds| (from, holds))) {
        Some((from, true)) => {
            // Only lengthening a varchar is free; widening a number rewrites the table.
            let locks = if matches!(from, Type::Text(_)) { Locks::No } else { REWRITES };
            new(Kind::WidenType).locking(locks)
        }
        Some((_, false)) => new(Kind::NarrowType).breaking(Breaks::Yes).locking(REWRITES),
        None => new(Kind::ChangeType)
            .breaking(Breaks::Unknown("it depends on the types and the values".into()))
            .locking(REWRITES),
    }
}

/// The types that can be compared.
#[derive(Clone, Copy)]
enum Type {
    /// A string of at most this many characters.
    Text(i64),
    /// A whole number of this many bytes.
    Whole(i64),
    /// A decimal: digits, and digits after the point.
    Decimal(i64, i64),
}

impl Type {
    fn of(expression: &Expr, names: &Names) -> Option<Self> {
        let (name, call) = match expression {
            Expr::Call(call) => (last_name(&call.func)?, Some(call)),
            other => (last_name(other)?, None),
        };
        let number = |at: usize, keyword: &str| match call
            .and_then(|call| Arguments::new(call, names).value(at, keyword))
        {
            Some(Value::Int(number)) => Some(Some(number)),
            None | Some(Value::None) => Some(None),
            Some(_) => None,
        };
        Some(match name {
            "String" | "VARCHAR" | "Unicode" | "NVARCHAR" => {
                Self::Text(number(0, "length")?.unwrap_or(i64::MAX))
            }
            "Text" | "TEXT" | "UnicodeText" => Self::Text(i64::MAX),
            "SmallInteger" | "SMALLINT" => Self::Whole(2),
            "Integer" | "INTEGER" | "INT" => Self::Whole(4),
            "BigInteger" | "BIGINT" => Self::Whole(8),
            "Numeric" | "NUMERIC" | "DECIMAL" => {
                Self::Decimal(number(0, "precision")??, number(1, "scale")?.unwrap_or(0))
            }
            _ => return None,
        })
    }

    /// Whether `to` can represent every value of this type.
    fn holds(&self, to: &Self) -> Option<bool> {
        match (*self, *to) {
            (Self::Text(from), Self::Text(to)) | (Self::Whole(from), Self::Whole(to)) => {
                Some(to >= from)
            }
            (Self::Decimal(digits, scale), Self::Decimal(to_digits, to_scale)) => Some(
                to_scale >= scale
                    && to_digits.saturating_sub(to_scale) >= digits.saturating_sub(scale),
            ),
            _ => None,
        }
    }
}

fn last_name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}
