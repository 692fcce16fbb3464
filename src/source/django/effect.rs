//! The effects of migrations on the database, computed from the state in which earlier migrations
//! left each model: an `AlterField` says what a field becomes, but not what it was.

use std::collections::{HashMap, HashSet};

use super::field::Type;
use super::{Field, Migration, Step};
use crate::source::alembic::{Breaks, Kind, Locks, Operation, classify_sql};
use crate::source::{Span, Spanned};

const SCANS: Locks = Locks::Yes("every row is checked while readers and writers wait");
const BUILDS: Locks = Locks::Yes("an index is built while writers wait");
/// The lock of an `ALTER TABLE` lasts until the end of the transaction.
const BUILDS_INSIDE: Locks = Locks::Yes(
    "an index is built while readers and writers wait, in the transaction that adds the column",
);
const REWRITES: Locks = Locks::Yes("the table is rewritten while readers and writers wait");
const HOLDS: Locks = Locks::Yes(
    "readers and writers wait for all of its Python: one transaction, in which the table was \
     altered before",
);

/// The effect of one migration.
#[derive(Debug, Clone, Default)]
pub struct Effect {
    /// The changes, in order, except those of tables that a pending migration creates.
    pub operations: Vec<Operation>,
    /// The migration's own code, which is not followed (`RunPython`).
    pub python: Vec<Span>,
}

/// The models as the migrations so far have made them.
#[derive(Default)]
pub(super) struct State {
    models: HashMap<(String, String), Model>,
    /// Removed fields and models (the latter with an empty field), and whether a pending migration
    /// removed them.
    gone: HashMap<(String, String, String), bool>,
    /// The tables that pending migrations create, by the names that Django gives them.
    fresh: HashSet<String>,
}

struct Model {
    /// Its name as shown: `shop.Order`.
    shown: String,
    tableless: bool,
    named_table: bool,
    /// Whether a pending migration creates it, so that no running code uses it.
    fresh: bool,
    fields: HashMap<String, Field>,
}

/// The place of a step.
#[derive(Clone, Copy)]
struct StepPlace<'a> {
    app: &'a str,
    span: Span,
    pending: bool,
    atomic: bool,
}

impl State {
    /// Applies one migration to the state.
    pub(super) fn apply(&mut self, app: &str, migration: &Migration, pending: bool) -> Effect {
        let mut effect = Effect::default();
        for step in &migration.steps {
            let place = StepPlace { app, span: step.span, pending, atomic: migration.atomic };
            self.step(place, &step.value, &mut effect);
        }
        if !pending {
            return Effect::default();
        }
        if migration.atomic {
            effect.operations.extend(held(&effect));
        }
        effect
    }

    fn model(&mut self, app: &str, name: &str) -> Option<&mut Model> {
        self.models.get_mut(&(app.to_owned(), name.to_lowercase()))
    }

    /// Whether no running code depends on the table of this model.
    fn spared(&mut self, app: &str, name: &str) -> bool {
        self.model(app, name).is_some_and(|model| model.fresh || model.tableless)
    }

    fn shown(&mut self, app: &str, name: &str) -> String {
        match self.model(app, name) {
            Some(model) => model.shown.clone(),
            None => format!("{app}.{name}"),
        }
    }

    /// Whether it was removed before, by a migration that is applied, so that no running code uses
    /// it.
    fn forgotten(&self, app: &str, model: &str, field: &str) -> bool {
        let key = (app.to_owned(), model.to_lowercase(), field.to_lowercase());
        self.gone.get(&key) == Some(&false)
    }

    fn forget(&mut self, place: StepPlace<'_>, model: &str, field: &str) {
        let key = (place.app.to_owned(), model.to_lowercase(), field.to_lowercase());
        self.gone.entry(key).or_insert(place.pending);
    }

    fn step(&mut self, place: StepPlace<'_>, step: &Step, effect: &mut Effect) {
        let app = place.app;
        let model_of = |name: &str| (app.to_owned(), name.to_lowercase());
        match step {
            Step::CreateModel { name, fields, tableless, named_table } => {
                let fields = fields.iter().map(|(name, f)| (name.to_lowercase(), f.clone()));
                let model = Model {
                    shown: format!("{app}.{name}"),
                    tableless: *tableless,
                    named_table: *named_table,
                    fresh: place.pending,
                    fields: fields.collect(),
                };
                self.models.insert(model_of(name), model);
                if place.pending {
                    self.fresh.insert(format!("{app}_{}", name.to_lowercase()));
                }
                let table = Some(format!("{app}.{name}"));
                effect.operations.push(new(Kind::CreateTable, place).on(table, None));
            }
            Step::DeleteModel(name) => {
                if !self.spared(app, name) && !self.forgotten(app, name, "") {
                    let table = Some(self.shown(app, name));
                    let operation = new(Kind::DropTable, place).on(table, None);
                    effect.operations.push(operation.breaking(Breaks::Yes));
                }
                self.forget(place, name, "");
                self.models.remove(&model_of(name));
            }
            Step::RenameModel(old, new_name) => self.rename_model(place, old, new_name, effect),
            Step::MoveTable(name) => {
                if !self.spared(app, name) {
                    let table = Some(self.shown(app, name));
                    let operation = new(Kind::RenameTable, place).on(table, None);
                    effect.operations.push(operation.breaking(Breaks::Yes));
                }
                if let Some(model) = self.model(app, name) {
                    model.named_table = true;
                }
            }
            Step::AddField(model, name, field) => {
                if !self.spared(app, model) {
                    let table = self.shown(app, model);
                    effect.operations.extend(added(place, &table, name, field));
                }
                if let Some(model) = self.model(app, model) {
                    model.fields.insert(name.to_lowercase(), field.clone());
                }
            }
            Step::RemoveField(model, name) => {
                let known = self.model(app, model);
                let known = known.is_some_and(|m| m.fields.contains_key(&name.to_lowercase()));
                if !self.spared(app, model) && (known || !self.forgotten(app, model, name)) {
                    let table = Some(self.shown(app, model));
                    let operation = new(Kind::DropColumn, place).on(table, Some(name.clone()));
                    effect.operations.push(operation.breaking(Breaks::Yes));
                }
                self.forget(place, model, name);
                if let Some(model) = self.model(app, model) {
                    model.fields.remove(&name.to_lowercase());
                }
            }
            Step::AlterField(model, name, field) => self.alter(place, (model, name), field, effect),
            Step::RenameField(model, old, new_name) => {
                self.rename_field(place, model, (old, new_name), effect);
            }
            Step::AddIndex { model, concurrently } => {
                if !self.spared(app, model) {
                    let kind = Kind::CreateIndex { concurrently: *concurrently, unique: false };
                    let table = Some(self.shown(app, model));
                    let locks = if *concurrently { Locks::No } else { BUILDS };
                    effect.operations.push(new(kind, place).on(table, None).locking(locks));
                }
            }
            Step::AddConstraint { model, class, validates } => {
                if !self.spared(app, model) {
                    let table = Some(self.shown(app, model));
                    let operation = constraint(place, class.as_deref(), *validates);
                    effect.operations.push(operation.on(table, None));
                }
            }
            Step::Unique(model) | Step::Index(model) | Step::Order(model) => {
                if !self.spared(app, model) {
                    let table = Some(self.shown(app, model));
                    effect.operations.push(together(place, step).on(table, None));
                }
            }
            Step::Sql(statements) => self.sql(place, statements.as_deref(), effect),
            Step::Python => {
                effect.python.push(place.span);
            }
            Step::Separate { database, state } => {
                self.separate(place, database, state, effect);
            }
            Step::Harmless => {}
            Step::Unknown(why) => {
                effect.operations.push(Operation::unknown(Kind::Other, place.span, why));
            }
        }
    }

    /// Applies what is done to the database, and what Django only records as done.
    fn separate(
        &mut self,
        place: StepPlace<'_>,
        database: &[Spanned<Step>],
        state: &[Spanned<Step>],
        effect: &mut Effect,
    ) {
        let at = |step: &Spanned<Step>| StepPlace { span: step.span, ..place };
        for step in database {
            self.step(at(step), &step.value, effect);
        }
        let mut nothing = Effect::default();
        for step in state {
            self.step(at(step), &step.value, &mut nothing);
            // The table of such a model already exists.
            if let Step::CreateModel { name, .. } = &step.value
                && !database.iter().any(|s| matches!(s.value, Step::CreateModel { .. }))
                && let Some(model) = self.model(place.app, name)
            {
                model.fresh = false;
            }
        }
    }

    fn rename_model(&mut self, place: StepPlace<'_>, old: &str, name: &str, effect: &mut Effect) {
        let key = |name: &str| (place.app.to_owned(), name.to_lowercase());
        if !self.spared(place.app, old) {
            let table = Some(self.shown(place.app, old));
            let operation = match self.model(place.app, old).map(|model| model.named_table) {
                Some(true) => new(Kind::Other, place),
                Some(false) => new(Kind::RenameTable, place).breaking(Breaks::Yes),
                None => Operation::unknown(
                    Kind::RenameTable,
                    place.span,
                    "whether its table has a name of its own is not known here",
                ),
            };
            effect.operations.push(operation.on(table, None));
        }
        if let Some(mut model) = self.models.remove(&key(old)) {
            model.shown = format!("{}.{name}", place.app);
            self.models.insert(key(name), model);
        }
    }

    fn rename_field(
        &mut self,
        place: StepPlace<'_>,
        model: &str,
        (old, name): (&str, &str),
        effect: &mut Effect,
    ) {
        let field = self.model(place.app, model).and_then(|m| m.fields.remove(&old.to_lowercase()));
        if !self.spared(place.app, model) {
            let table = Some(self.shown(place.app, model));
            let operation = match &field {
                // The column keeps its name.
                Some(field) if field.column.is_some() => new(Kind::Other, place),
                Some(_) => new(Kind::RenameColumn, place).breaking(Breaks::Yes),
                None => Operation::unknown(
                    Kind::RenameColumn,
                    place.span,
                    "whether its column has a name of its own is not known here",
                ),
            };
            effect.operations.push(operation.on(table, Some(old.to_owned())));
        }
        if let (Some(field), Some(model)) = (field, self.model(place.app, model)) {
            model.fields.insert(name.to_lowercase(), field);
        }
    }

    fn alter(
        &mut self,
        place: StepPlace<'_>,
        (model, name): (&str, &str),
        field: &Field,
        effect: &mut Effect,
    ) {
        let before =
            self.model(place.app, model).and_then(|m| m.fields.get(&name.to_lowercase()).cloned());
        if !self.spared(place.app, model) {
            let table = self.shown(place.app, model);
            effect.operations.extend(altered(place, &table, name, before.as_ref(), field));
        }
        if let Some(model) = self.model(place.app, model) {
            model.fields.insert(name.to_lowercase(), field.clone());
        }
    }

    fn sql(&mut self, place: StepPlace<'_>, statements: Option<&[String]>, effect: &mut Effect) {
        let Some(statements) = statements else {
            let why = "the SQL is put together when the migration runs";
            return effect.operations.push(Operation::unknown(Kind::RawSql, place.span, why));
        };
        for statement in statements {
            let mut found = classify_sql(statement, place.span, !place.atomic);
            let fresh = |table: &String| self.fresh.contains(table.as_str());
            found.retain(|operation| !operation.table.as_ref().is_some_and(fresh));
            effect.operations.append(&mut found);
        }
    }
}

/// Code in a migration that has altered a table locks everybody out of the table, because
/// PostgreSQL releases a lock only at the end of the transaction.
fn held(effect: &Effect) -> Option<Operation> {
    let alters = |operation: &&Operation| {
        let column = matches!(
            operation.kind,
            Kind::AddColumn
                | Kind::AddColumnNotNull
                | Kind::DropColumn
                | Kind::RenameColumn
                | Kind::SetNotNull
                | Kind::DropNotNull
        );
        column && operation.table.is_some()
    };
    let first = effect.operations.iter().find(alters)?;
    let python = effect.python.iter().find(|span| span.start > first.span.start)?;
    let operation = Operation::harmless(Kind::ChangeRows, *python);
    Some(operation.on(first.table.clone(), None).locking(HOLDS))
}

fn new(kind: Kind, place: StepPlace<'_>) -> Operation {
    Operation::harmless(kind, place.span)
}

fn added(place: StepPlace<'_>, table: &str, name: &str, field: &Field) -> Vec<Operation> {
    let add = |kind| new(kind, place).on(Some(table.to_owned()), Some(name.to_owned()));
    if field.columnless {
        return vec![add(Kind::Other)];
    }
    let unknown = |why: &str| {
        let operation = Operation::unknown(Kind::AddColumn, place.span, why);
        vec![operation.on(Some(table.to_owned()), Some(name.to_owned()))]
    };
    let mut operations = match (field.database_fills, field.null) {
        (true, _) | (_, Some(true)) => {
            let rewrites = matches!(field.column_type, Some(Type::Generated(true)));
            let locks = if rewrites { REWRITES } else { Locks::No };
            vec![add(Kind::AddColumn).locking(locks)]
        }
        (false, None) => return unknown("whether the column may be empty is not known here"),
        (false, Some(false)) if field.class.is_none() => {
            return unknown("whether this class of field has a column is not known here");
        }
        (false, Some(false)) => {
            return vec![add(Kind::AddColumnNotNull).breaking(Breaks::Yes)];
        }
    };
    let builds = if place.atomic { BUILDS_INSIDE } else { BUILDS };
    if field.unique == Some(true) {
        let breaks = if field.database_fills { Breaks::Yes } else { Breaks::No };
        operations.push(add(Kind::AddUnique).breaking(breaks).locking(builds));
    } else if field.index == Some(true) {
        let kind = Kind::CreateIndex { concurrently: false, unique: false };
        operations.push(add(kind).locking(builds));
    }
    operations
}

fn altered(
    place: StepPlace<'_>,
    table: &str,
    name: &str,
    before: Option<&Field>,
    after: &Field,
) -> Vec<Operation> {
    let alter = |kind| new(kind, place).on(Some(table.to_owned()), Some(name.to_owned()));
    let unknown = |kind, why: &str| {
        Operation::unknown(kind, place.span, why).on(Some(table.to_owned()), Some(name.to_owned()))
    };
    let Some(before) = before else {
        return vec![unknown(Kind::ChangeType, "what the field was before is not known here")];
    };
    if before.columnless && after.columnless {
        return Vec::new();
    }
    let mut operations = Vec::new();
    if before.column != after.column {
        operations.push(alter(Kind::RenameColumn).breaking(Breaks::Yes));
    }
    match (before.null, after.null) {
        (Some(true), Some(false)) => {
            operations.push(alter(Kind::SetNotNull).breaking(Breaks::Yes).locking(SCANS));
        }
        (Some(false), Some(true)) => operations.push(alter(Kind::DropNotNull)),
        (None, Some(false)) | (Some(true), None) => {
            let why = "whether the column may be empty is not known here";
            operations.push(unknown(Kind::SetNotNull, why));
        }
        _ => {}
    }
    operations.extend(retyped(before, after, &alter, &unknown));
    match (before.unique, after.unique) {
        (Some(false), Some(true)) => {
            operations.push(alter(Kind::AddUnique).breaking(Breaks::Yes).locking(BUILDS));
        }
        _ if before.index == Some(false) && after.index == Some(true) => {
            let kind = Kind::CreateIndex { concurrently: false, unique: false };
            operations.push(alter(kind).locking(BUILDS));
        }
        _ => {}
    }
    if (before.primary_key, after.primary_key) == (Some(false), Some(true)) {
        operations.push(alter(Kind::AddPrimaryKey).breaking(Breaks::Yes));
    }
    operations
}

/// Handles a change of a column's type.
fn retyped(
    before: &Field,
    after: &Field,
    alter: &dyn Fn(Kind) -> Operation,
    unknown: &dyn Fn(Kind, &str) -> Operation,
) -> Option<Operation> {
    if before.column_type.is_some() && before.column_type == after.column_type {
        return None;
    }
    if let (Some(from), Some(to)) = (before.column_type, after.column_type)
        && let Some(holds) = from.holds(to)
    {
        // PostgreSQL keeps the rows if a varchar gets longer, or if the number stays the same.
        let same = match (from, to) {
            (Type::Text(_), Type::Text(_)) => true,
            (Type::Whole(from, _), Type::Whole(to, _)) => from == to,
            (Type::Counted(from), Type::Counted(to)) => from == to,
            _ => false,
        };
        return Some(match holds {
            true => alter(Kind::WidenType).locking(if same { Locks::No } else { REWRITES }),
            false => alter(Kind::NarrowType).breaking(Breaks::Yes).locking(REWRITES),
        });
    }
    match (&before.class, &after.class) {
        (Some(from), Some(to)) if from == to && before.to == after.to => None,
        (Some(from), Some(to)) if from == to => {
            Some(unknown(Kind::ChangeType, "it points at another model"))
        }
        (Some(_), Some(_)) => Some(
            alter(Kind::ChangeType)
                .breaking(Breaks::Unknown("it depends on the types and the values".into()))
                .locking(REWRITES),
        ),
        // The class of the field is unknown; in most such cases only its options change.
        (None, None) => None,
        _ => Some(unknown(Kind::ChangeType, "the class of the field is not known here")),
    }
}

fn constraint(place: StepPlace<'_>, class: Option<&str>, validates: bool) -> Operation {
    let new = |kind| new(kind, place);
    let locks = if validates { SCANS } else { Locks::No };
    match class {
        Some("UniqueConstraint") => new(Kind::AddUnique).breaking(Breaks::Yes).locking(BUILDS),
        Some("CheckConstraint") => new(Kind::AddCheck).breaking(Breaks::Yes).locking(locks),
        Some("ExclusionConstraint") => new(Kind::AddExclude).breaking(Breaks::Yes).locking(BUILDS),
        _ => Operation::unknown(Kind::AddCheck, place.span, "the constraint is not known here"),
    }
}

/// Handles a constraint over several fields. Which of the fields were unique before is not tracked.
fn together(place: StepPlace<'_>, step: &Step) -> Operation {
    match step {
        Step::Unique(_) => {
            let why = "it depends on which were unique together before";
            new(Kind::AddUnique, place).breaking(Breaks::Unknown(why.into())).locking(BUILDS)
        }
        Step::Index(_) => {
            new(Kind::CreateIndex { concurrently: false, unique: false }, place).locking(BUILDS)
        }
        _ => new(Kind::AddColumnNotNull, place).breaking(Breaks::Yes),
    }
}
