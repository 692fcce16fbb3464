use crate::facts::release::migrations::{Breaks, Kind, Locks, Operation};
use crate::facts::release::{DjangoMigrations, Migrations, Standing};
use crate::facts::{App, Why};
use crate::rule::{Safety, Sink};

/// How many operations a finding shows at most.
const SHOWN: usize = 5;

crate::rule! {
    /// While a pending migration runs, requests that write to its table wait, and so does
    /// everything queued behind them: on a large table the site hangs for minutes.
    ///
    /// PostgreSQL builds an index while writers wait, checks every row of a new foreign key or
    /// check constraint, and rewrites the whole table for a change of type, while readers wait too.
    /// Waiting workers serve no requests; after `timeout` seconds gunicorn kills them (L803). Each
    /// of these changes has a form that blocks nothing: `postgresql_concurrently=True` inside
    /// `autocommit_block()`; `postgresql_not_valid=True`, and `VALIDATE CONSTRAINT` in its own
    /// migration. And if `SET lock_timeout` comes first, a migration that does not get its lock
    /// gives up instead of blocking everything else. On a small table any of these takes only a
    /// moment.
    ///
    /// Reported only for PostgreSQL, recognised by the scheme of the database's URL, and for
    /// migrations known to be pending: the database's revision must be known (`--db-revision`,
    /// `--preflight`), or in a gate the revision to start from (`--since`). Tables that the pending
    /// migrations create themselves are left out, and so are changes that break the running code
    /// anyway (R706).
    ///
    /// Django's migrations do the same, measured with 4.2 and 6.1 on PostgreSQL 15: `AddIndex`
    /// blocks writers; a changed type and `AutoField` to `BigAutoField` (from a changed
    /// DEFAULT_AUTO_FIELD) block everything. And because a migration is one transaction, altering a
    /// table blocks it, for readers too, until the whole migration is done: while `RunPython` after
    /// an `AddField` runs, and while the index of a new `ForeignKey` or `SlugField` is built. A new
    /// column takes a moment, even with `default` (PostgreSQL 11 and newer). `AddIndexConcurrently`
    /// with `atomic = False` blocks nothing; without `atomic = False` Django refuses it.
    ///
    /// By hand: rewrite the operation as above, before the migration is applied.
    ///
    /// ```env,bad
    /// SECRET_KEY=7f1c9a52f0b84d3f9d0e6c1a5b2e8f47
    /// DATABASE_URL=postgresql://myapp:hunter2@127.0.0.1/myapp
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py,db=a1f0c2d4e6b8,also=R708
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/b2_email.py
    /// from alembic import op
    ///
    /// revision = "b2e1d3c5f7a9"
    /// down_revision = "a1f0c2d4e6b8"
    ///
    /// def upgrade():
    ///     op.create_index("ix_users_email", "users", ["email"])
    /// ```
    /// Once it is applied:
    ///
    /// ```env,fixed
    /// SECRET_KEY=7f1c9a52f0b84d3f9d0e6c1a5b2e8f47
    /// DATABASE_URL=postgresql://myapp:hunter2@127.0.0.1/myapp
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py,db=b2e1d3c5f7a9
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/migrations/versions/b2_email.py
    /// from alembic import op
    ///
    /// revision = "b2e1d3c5f7a9"
    /// down_revision = "a1f0c2d4e6b8"
    ///
    /// def upgrade():
    ///     with op.get_context().autocommit_block():
    ///         op.create_index("ix_users_email", "users", ["email"], postgresql_concurrently=True)
    /// ```
    R707 "migration-locks" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: Migrations, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    of_alembic(app, out).and(of_django(app, out))
}

fn of_alembic(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(Some(migrations)) = app.release.migrations.ok() else { return Ok(()) };
    let said = match (&app.release.database_revision.ok(), &app.release.since) {
        (Some(said), _) => said.as_str(),
        (None, Some(since)) => since.as_str(),
        // R706 and R708 say that it is not known.
        (None, None) => return Ok(()),
    };
    // In an empty database nobody has any rows yet.
    if Migrations::is_empty_database(said) {
        return Ok(());
    }
    let Standing::Behind(pending) = migrations.standing(said)? else { return Ok(()) };
    let ids: Vec<&str> = pending.iter().map(|revision| revision.id.value.as_str()).collect();
    let mut operations = migrations.revisions.operations(&ids);
    operations.retain(|(_, operation)| locks(operation).is_some());
    if operations.is_empty() || !is_postgresql(app)? {
        return Ok(());
    }
    // The operations of one revision follow each other.
    for of_one in operations.chunk_by(|a, b| a.0.id.value == b.0.id.value) {
        if let Some((revision, _)) = of_one.first() {
            let all: Vec<&Operation> = of_one.iter().map(|(_, operation)| *operation).collect();
            report(&revision.id.value, ALEMBIC, &all, out);
        }
    }
    Ok(())
}

/// The forms that keep nobody waiting.
const ALEMBIC: &str = "An index: postgresql_concurrently=True inside `with op.get_context().autocommit_block():`\n\
     A constraint: postgresql_not_valid=True, and VALIDATE CONSTRAINT in its own migration\n\
     First in upgrade(): op.execute(\"SET lock_timeout = '3s'\")";
const DJANGO: &str = "An index: AddIndexConcurrently of django.contrib.postgres.operations, in a migration with \
     atomic = False\n\
     A constraint: AddConstraintNotValid, and ValidateConstraint in its own migration\n\
     RunPython: in its own migration, after the one that alters the table\n\
     First in operations: migrations.RunSQL(\"SET LOCAL lock_timeout = '3s'\", migrations.RunSQL.noop)";

fn of_django(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(Some(migrations)) = app.release.django_migrations.ok() else { return Ok(()) };
    let pending = match (app.release.database_revision.ok(), &app.release.since) {
        (Some(said), _) if DjangoMigrations::is_empty_database(said) => return Ok(()),
        // R706 and R708 say where it is not understood.
        (Some(_), _) => match migrations.standing(&app.release.database_revision) {
            Ok(pending) => pending,
            Err(_) => return Ok(()),
        },
        (None, Some(since)) => migrations.since(since)?,
        (None, None) => return Ok(()),
    };
    let effects = migrations.project.effects(&pending);
    let found: Vec<(String, Vec<&Operation>)> = effects
        .iter()
        .map(|(app, migration, effect)| {
            let all = effect.operations.iter().filter(|operation| locks(operation).is_some());
            (format!("{app}.{}", migration.name), all.collect())
        })
        .filter(|(_, operations): &(String, Vec<&Operation>)| !operations.is_empty())
        .collect();
    let engine = app.release.django.as_ref().and_then(|django| django.engine.ok());
    let is_postgresql = match engine {
        _ if found.is_empty() => return Ok(()),
        Some(engine) => engine.contains("postgresql") || engine.contains("postgis"),
        None => is_postgresql(app)?,
    };
    for (id, operations) in found.iter().filter(|_| is_postgresql) {
        report(id, DJANGO, operations, out);
    }
    Ok(())
}

/// How it keeps others waiting, where the running code stands it otherwise. An index is dropped in a
/// moment.
fn locks(operation: &Operation) -> Option<&'static str> {
    match (&operation.locks, &operation.kind, &operation.breaks) {
        (_, Kind::DropIndex { .. }, _) | (_, _, Breaks::Yes) => None,
        (Locks::Yes(how), ..) => Some(how),
        (Locks::No | Locks::Unknown(_), ..) => None,
    }
}

/// Names of variables that hold the database's URL.
const NAMES: [&str; 5] = [
    "DATABASE_URL",
    "SQLALCHEMY_DATABASE_URI",
    "SQLALCHEMY_DATABASE_URL",
    "DATABASE_URI",
    "DB_URL",
];

fn is_postgresql(app: &App) -> Result<bool, Why> {
    for name in NAMES {
        let Some(variable) = app.variable(name)? else { continue };
        let value = variable.value.expose_str().unwrap_or_default();
        if let Some((scheme, _)) = value.split_once("://") {
            return Ok(scheme.starts_with("postgres"));
        }
    }
    Err(Why::depends("no variable tells whether the database is PostgreSQL"))
}

fn report(id: &str, forms: &str, operations: &[&Operation], out: &mut Sink) {
    let Some(first) = operations.first() else { return };
    let table = first.table.as_deref().unwrap_or("a table");
    let how = locks(first).unwrap_or_default();
    let more = match operations.len() {
        1 => String::new(),
        count => format!(", and {} more such changes", count - 1),
    };
    let shown = operations.iter().take(SHOWN);
    out.report(format!(
        "requests that write to {table} hang while migration {id} runs: {how}{more}"
    ))
    .at_each(shown.map(|operation| (operation.span, locks(operation).unwrap_or_default())))
    .subject(id)
    .help(format!(
        "{forms}\nOn a small table it takes only a moment: deploy-doctor check --ignore \
         R707"
    ))
    .fix(Safety::Manual, "use the form that blocks no requests");
}
