//! The operations of a migration, as written.

use ruff_python_ast::Expr;

use super::Field;
use super::arguments::Arguments;
use super::expression::{elements, last_name, text};
use crate::source::python::Module;
use crate::source::{Span, Spanned};

/// One operation. Names of models are as written: Django ignores their case.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `CreateModel`.
    CreateModel {
        /// The model.
        name: String,
        /// Its fields.
        fields: Vec<(String, Field)>,
        /// Whether Django creates no table for it: `managed = False`, or a proxy.
        tableless: bool,
        /// `db_table`.
        named_table: bool,
    },
    /// `DeleteModel`.
    DeleteModel(String),
    /// `RenameModel`.
    RenameModel(String, String),
    /// `AlterModelTable`.
    MoveTable(String),
    /// `AddField`.
    AddField(String, String, Field),
    /// `RemoveField`.
    RemoveField(String, String),
    /// `AlterField`.
    AlterField(String, String, Field),
    /// `RenameField`.
    RenameField(String, String, String),
    /// `AddIndex`, `AddIndexConcurrently`.
    AddIndex {
        /// The model.
        model: String,
        /// Whether it is built without locking out writers.
        concurrently: bool,
    },
    /// `AddConstraint`.
    AddConstraint {
        /// The model.
        model: String,
        /// The class of the constraint, if known.
        class: Option<String>,
        /// Whether existing rows are checked.
        validates: bool,
    },
    /// `AlterUniqueTogether` with at least one entry.
    Unique(String),
    /// `AlterIndexTogether` with at least one entry.
    Index(String),
    /// `AlterOrderWithRespectTo` with a value: a new column that must be filled.
    Order(String),
    /// `RunSQL`; `None` if the text is computed at run time.
    Sql(Option<Vec<String>>),
    /// `RunPython`.
    Python,
    /// `SeparateDatabaseAndState`: what is done to the database, and what Django only records as
    /// done.
    Separate {
        /// What is done.
        database: Vec<Spanned<Step>>,
        /// What is recorded as done.
        state: Vec<Spanned<Step>>,
    },
    /// An operation without an effect on tables that anybody waits for or misses.
    Harmless,
    /// Not known, with the reason.
    Unknown(String),
}

pub(super) fn read(module: &Module, expression: &Expr) -> Step {
    let mut depth = 0;
    step(module, expression, &mut depth)
}

/// How deeply operations may be nested.
const DEPTH: usize = 10;

fn step(module: &Module, expression: &Expr, depth: &mut usize) -> Step {
    let unknown = |why: &str| Step::Unknown(why.to_owned());
    let Expr::Call(call) = expression else {
        return unknown("the operations are put together when it runs");
    };
    let Some(class) = last_name(&call.func) else {
        return unknown("the operation is put together when it runs");
    };
    let arguments = Arguments::of(call);
    known(module, class, &arguments, depth).unwrap_or_else(|| {
        Step::Unknown(format!("the effect of {class} with these arguments is not known here"))
    })
}

fn known(module: &Module, class: &str, is: &Arguments<'_>, depth: &mut usize) -> Option<Step> {
    Some(match class {
        "CreateModel" => create(is)?,
        "DeleteModel" => Step::DeleteModel(is.text(0, "name")?),
        "RenameModel" => Step::RenameModel(is.text(0, "old_name")?, is.text(1, "new_name")?),
        "AlterModelTable" => Step::MoveTable(is.text(0, "name")?),
        "AddField" => {
            let field = Field::of(is.at(2, "field")?);
            Step::AddField(is.text(0, "model_name")?, is.text(1, "name")?, field)
        }
        "RemoveField" => Step::RemoveField(is.text(0, "model_name")?, is.text(1, "name")?),
        "AlterField" => {
            let field = Field::of(is.at(2, "field")?);
            Step::AlterField(is.text(0, "model_name")?, is.text(1, "name")?, field)
        }
        "RenameField" => Step::RenameField(
            is.text(0, "model_name")?,
            is.text(1, "old_name")?,
            is.text(2, "new_name")?,
        ),
        "AddIndex" | "AddIndexConcurrently" => Step::AddIndex {
            model: is.text(0, "model_name")?,
            concurrently: class == "AddIndexConcurrently",
        },
        "AddConstraint" | "AddConstraintNotValid" => Step::AddConstraint {
            model: is.text(0, "model_name")?,
            class: match is.at(1, "constraint") {
                Some(Expr::Call(call)) => last_name(&call.func).map(str::to_owned),
                _ => None,
            },
            validates: class == "AddConstraint",
        },
        "AlterUniqueTogether" => match is_empty(is.at(1, "unique_together")?)? {
            true => Step::Harmless,
            false => Step::Unique(is.text(0, "name")?),
        },
        "AlterIndexTogether" => match is_empty(is.at(1, "index_together")?)? {
            true => Step::Harmless,
            false => Step::Index(is.text(0, "name")?),
        },
        "AlterOrderWithRespectTo" => match is.at(1, "order_with_respect_to")? {
            Expr::NoneLiteral(_) => Step::Harmless,
            _ => Step::Order(is.text(0, "name")?),
        },
        "RunSQL" => Step::Sql(statements(is.at(0, "sql")?)),
        "RunPython" => match is.at(0, "code").and_then(last_name) {
            Some("noop") => Step::Harmless,
            _ => Step::Python,
        },
        "SeparateDatabaseAndState" => separate(module, is, depth)?,
        "RemoveIndex"
        | "RemoveIndexConcurrently"
        | "RenameIndex"
        | "RemoveConstraint"
        | "ValidateConstraint"
        | "AlterConstraint"
        | "AlterModelOptions"
        | "AlterModelManagers"
        | "AlterModelTableComment"
        | "CreateExtension"
        | "BloomExtension"
        | "BtreeGinExtension"
        | "BtreeGistExtension"
        | "CITextExtension"
        | "CryptoExtension"
        | "HStoreExtension"
        | "TrigramExtension"
        | "UnaccentExtension"
        | "CreateCollation"
        | "RemoveCollation" => Step::Harmless,
        _ => return None,
    })
}

fn separate(module: &Module, is: &Arguments<'_>, depth: &mut usize) -> Option<Step> {
    if *depth == DEPTH || is.open() {
        return None;
    }
    *depth += 1;
    let mut all = |expression: Option<&Expr>| -> Option<Vec<Spanned<Step>>> {
        let Some(expression) = expression.filter(|e| !e.is_none_literal_expr()) else {
            return Some(Vec::new());
        };
        let items = elements(expression)?.iter();
        let one =
            |item: &Expr| Spanned { value: step(module, item, depth), span: span(module, item) };
        Some(items.map(one).collect())
    };
    let found = (all(is.at(0, "database_operations")), all(is.at(1, "state_operations")));
    *depth -= 1;
    Some(Step::Separate { database: found.0?, state: found.1? })
}

fn span(module: &Module, expression: &Expr) -> Span {
    module.span(expression)
}

/// `CreateModel(name, fields, options)`.
fn create(is: &Arguments<'_>) -> Option<Step> {
    let name = is.text(0, "name")?;
    let mut fields = Vec::new();
    for pair in elements(is.at(1, "fields")?)? {
        // Nothing is known about a field that is constructed elsewhere.
        let [field, made] = elements(pair)? else { return None };
        fields.push((text(field)?.to_owned(), Field::of(made)));
    }
    let (mut tableless, mut named_table) = (false, false);
    match is.at(2, "options") {
        None => {}
        Some(Expr::Dict(options)) => {
            for item in options.iter() {
                match (item.key.as_ref().and_then(text), &item.value) {
                    (Some("managed"), Expr::BooleanLiteral(value)) => tableless |= !value.value,
                    (Some("proxy"), Expr::BooleanLiteral(value)) => tableless |= value.value,
                    (Some("managed" | "proxy") | None, _) => return None,
                    (Some("db_table"), _) => named_table = true,
                    _ => {}
                }
            }
        }
        Some(_) => return None,
    }
    Some(Step::CreateModel { name, fields, tableless, named_table })
}

/// Whether a `unique_together` is empty. `None` if that is not known.
fn is_empty(expression: &Expr) -> Option<bool> {
    match expression {
        Expr::NoneLiteral(_) => Some(true),
        Expr::Call(call) if last_name(&call.func) == Some("set") => {
            call.arguments.args.is_empty().then_some(true)
        }
        other => elements(other).map(<[Expr]>::is_empty),
    }
}

/// The statements of `RunSQL`, given as a text, or as a list of texts and of pairs of a text and
/// its parameters.
fn statements(sql: &Expr) -> Option<Vec<String>> {
    if let Some(sql) = text(sql) {
        return Some(vec![sql.to_owned()]);
    }
    if last_name(sql) == Some("noop") {
        return Some(Vec::new());
    }
    elements(sql)?
        .iter()
        .map(|one| match elements(one) {
            Some([sql, _]) => text(sql).map(str::to_owned),
            Some(_) => None,
            None => text(one).map(str::to_owned),
        })
        .collect()
}
