//! The operations of a migration, and their effect on running code.

use crate::source::Span;

/// One change to the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What kind of change.
    pub kind: Kind,
    /// The table (or type), where it is known.
    pub table: Option<String>,
    /// The column, where there is one and it is known.
    pub column: Option<String>,
    /// The call.
    pub span: Span,
    /// Whether code of the previous release fails once this is applied.
    pub breaks: Breaks,
    /// Whether it keeps others from a table for long on PostgreSQL.
    pub locks: Locks,
}

/// The kinds of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A new table.
    CreateTable,
    /// A table is dropped.
    DropTable,
    /// A table gets another name.
    RenameTable,
    /// A new column that may be empty or has a server default.
    AddColumn,
    /// A new column that must be filled and has no server default.
    AddColumnNotNull,
    /// A column is dropped.
    DropColumn,
    /// A column gets another name.
    RenameColumn,
    /// A column must be filled from now on.
    SetNotNull,
    /// A column may be empty from now on.
    DropNotNull,
    /// A server default is taken away.
    DropServerDefault,
    /// A server default is set.
    SetServerDefault,
    /// Values must be unique from now on.
    AddUnique,
    /// Values must pass a check from now on.
    AddCheck,
    /// Rows must be pointed at from now on.
    AddForeignKey,
    /// A primary key.
    AddPrimaryKey,
    /// An exclusion constraint.
    AddExclude,
    /// A constraint is dropped.
    DropConstraint,
    /// A type that holds less than before.
    NarrowType,
    /// A type that holds at least as much.
    WidenType,
    /// Another type, of which it is not known whether it holds as much.
    ChangeType,
    /// A value of an enum, or the enum itself, gets another name.
    EnumRename,
    /// An enum gets another value.
    EnumAddValue,
    /// An index.
    CreateIndex {
        /// Built without keeping writers out.
        concurrently: bool,
        /// It also makes values unique.
        unique: bool,
    },
    /// An index is dropped.
    DropIndex {
        /// Without keeping others out.
        concurrently: bool,
    },
    /// Rows are changed.
    ChangeRows,
    /// SQL that was not understood.
    RawSql,
    /// Anything else.
    Other,
}

/// Does code of the previous release fail?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breaks {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It depends on what is not known here.
    Unknown(String),
}

/// Does it lock a table on PostgreSQL for as long as the work takes?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locks {
    /// It does; how, in a few words.
    Yes(&'static str),
    /// For a moment at most.
    No,
    /// Not known.
    Unknown(String),
}

impl Operation {
    /// An operation that neither breaks nor locks.
    pub(in crate::source) fn harmless(kind: Kind, span: Span) -> Self {
        let (breaks, locks) = (Breaks::No, Locks::No);
        Self { kind, table: None, column: None, span, breaks, locks }
    }

    /// An operation about which nothing is known.
    pub(in crate::source) fn unknown(kind: Kind, span: Span, why: &str) -> Self {
        Self {
            breaks: Breaks::Unknown(why.to_owned()),
            locks: Locks::Unknown(why.to_owned()),
            ..Self::harmless(kind, span)
        }
    }

    pub(in crate::source) fn on(mut self, table: Option<String>, column: Option<String>) -> Self {
        self.table = table;
        self.column = column;
        self
    }

    pub(in crate::source) fn breaking(mut self, breaks: Breaks) -> Self {
        self.breaks = breaks;
        self
    }

    pub(in crate::source) fn locking(mut self, locks: Locks) -> Self {
        self.locks = locks;
        self
    }
}
