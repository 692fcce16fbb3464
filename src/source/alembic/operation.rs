//! The operations of a migration, and their effect on running code.

use crate::source::Span;

/// One change to the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The kind of change.
    pub kind: Kind,
    /// The table (or type), if known.
    pub table: Option<String>,
    /// The column, if there is one and it is known.
    pub column: Option<String>,
    /// The call.
    pub span: Span,
    /// Whether code of the previous release fails after this change.
    pub breaks: Breaks,
    /// Whether it locks a table for a long time on PostgreSQL.
    pub locks: Locks,
}

/// The kinds of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A new table.
    CreateTable,
    /// A table is dropped.
    DropTable,
    /// A table is renamed.
    RenameTable,
    /// A new column that is nullable or has a server default.
    AddColumn,
    /// A new column that is NOT NULL and has no server default.
    AddColumnNotNull,
    /// A column is dropped.
    DropColumn,
    /// A column is renamed.
    RenameColumn,
    /// A column becomes NOT NULL.
    SetNotNull,
    /// A column becomes nullable.
    DropNotNull,
    /// A server default is removed.
    DropServerDefault,
    /// A server default is set.
    SetServerDefault,
    /// Values must now be unique.
    AddUnique,
    /// Values must now pass a check.
    AddCheck,
    /// Values must now refer to existing rows.
    AddForeignKey,
    /// A primary key.
    AddPrimaryKey,
    /// An exclusion constraint.
    AddExclude,
    /// A constraint is dropped.
    DropConstraint,
    /// A type with fewer values than before.
    NarrowType,
    /// A type with at least the same values.
    WidenType,
    /// Another type, for which it is not known whether it has the same values.
    ChangeType,
    /// A value of an enum, or the enum itself, is renamed.
    EnumRename,
    /// An enum gets another value.
    EnumAddValue,
    /// An index.
    CreateIndex {
        /// Whether it is built without locking out writers.
        concurrently: bool,
        /// Whether it also makes values unique.
        unique: bool,
    },
    /// An index is dropped.
    DropIndex {
        /// Whether it is dropped without locking others out.
        concurrently: bool,
    },
    /// Rows are changed.
    ChangeRows,
    /// SQL that was not understood.
    RawSql,
    /// Anything else.
    Other,
}

/// Whether code of the previous release fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breaks {
    /// The code fails.
    Yes,
    /// The code does not fail.
    No,
    /// Not known, with the reason.
    Unknown(String),
}

/// Whether a table is locked on PostgreSQL for as long as the operation takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locks {
    /// The table is locked; the text says how.
    Yes(&'static str),
    /// The table is locked for a moment at most.
    No,
    /// Not known, with the reason.
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
