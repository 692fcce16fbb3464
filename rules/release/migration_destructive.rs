//! Searches the pending migrations for changes that break the running code.

use crate::facts::processes::Process;
use crate::facts::release::django_migrations::Pending;
use crate::facts::release::migrations::{Breaks, Kind, Operation, Revision};
use crate::facts::release::{DjangoMigrations, Migrations, Standing};
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Finding, Safety, Severity, Sink};

/// How many operations a finding shows at most.
const SHOWN: usize = 5;

crate::rule! {
    /// A pending migration removes something the running code uses: requests fail from the moment
    /// it is applied until the reload is done, and permanently after a rollback.
    ///
    /// Migrations run before the reload, so for a while the old code meets the new database. It
    /// fails on a dropped or renamed table or column (SQLAlchemy names every column of a model in
    /// every query), and on inserts if a column must now be filled and has no server default.
    /// Unique and check constraints, and narrower types, refuse values the old code still writes. A
    /// foreign key, plain SQL and a helper in another file *may* break it: these are warnings.
    ///
    /// The repair is to change the database in two releases. The first makes only changes that the
    /// old code does not notice: new tables, and new columns that are nullable or have a server
    /// default. The rest goes into a later release, when no running code and no rollback target
    /// uses it; leave this rule out of that later check with `--ignore R706`.
    ///
    /// Only pending migrations count, from the database's revision (`--db-revision`) to the head.
    /// Without `--db-revision`, those count that this release adds to the previous one (on a host),
    /// or that come after a revision (`--since REV`, in a repository's gate): they are likely
    /// pending, so they are warnings. Tables that a pending migration creates itself are left out,
    /// and so is a database without any revision: no running code uses them. On a live host whose workers
    /// all run this very release, nothing is reported: the running code is the one the migration is for.
    ///
    /// With Django, the pending ones are those that `manage.py showmigrations --plan` prints with
    /// `[ ]` (`--db-revision "$(…)"`). The same changes break there, and one more, measured with
    /// 4.2, 5.2 and 6.1 on PostgreSQL and SQLite: `AddField` with a `default` adds a column that
    /// must be filled and drops the default at once, so every insert of the old code fails; with
    /// `null=True` or, since 5.0, `db_default=` the inserts keep working. The earlier migrations
    /// show what `AlterField` changes. Dropping a field that was already removed from Django's
    /// state (`SeparateDatabaseAndState`) does no harm. `RunPython` is not followed: its effect is
    /// unknown, so there is no warning.
    ///
    /// Proved by `django-default-not-in-database`: from the migration until the reload the old workers
    /// answered 500 (`NOT NULL constraint failed`).
    ///
    /// Proved by `migration-destructive`: from the migration until the reload the old
    /// workers answered 500.
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py,db=a1f0c2d4e6b8,also=R708
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/b2_nickname.py
    /// from alembic import op
    ///
    /// revision = "b2e1d3c5f7a9"
    /// down_revision = "a1f0c2d4e6b8"
    ///
    /// def upgrade():
    ///     with op.batch_alter_table("users") as batch:
    ///         batch.drop_column("nickname")
    /// ```
    ///
    /// Once the running code no longer uses the column, the migration is applied and nothing is
    /// pending:
    ///
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py,db=b2e1d3c5f7a9
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/migrations/versions/b2_nickname.py
    /// from alembic import op
    ///
    /// revision = "b2e1d3c5f7a9"
    /// down_revision = "a1f0c2d4e6b8"
    ///
    /// def upgrade():
    ///     with op.batch_alter_table("users") as batch:
    ///         batch.drop_column("nickname")
    /// ```
    R706 "migration-destructive" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Migrations, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    if runs_already(app) {
        return Ok(());
    }
    let alembic = of_alembic(app, out);
    let django = match app.release.django_migrations.get()? {
        Some(migrations) => of_django(app, migrations, out),
        None => Ok(()),
    };
    alembic.and(django)
}

/// Do all workers run this very release, so that the running code is the one that the migration is for?
fn runs_already(app: &App) -> bool {
    let Some(processes) = app.processes.ok() else { return false };
    let (Some(link), Some(master)) = (&app.release.link, processes.masters.last()) else {
        return false;
    };
    let here = |process: &Process| {
        process.directory.ok().is_some_and(|directory| directory.path.starts_with(&link.resolved))
    };
    let loaded_by_workers = app.gunicorn.settings.preload_app().ok() == Some(&false);
    loaded_by_workers && !master.workers.is_empty() && master.workers.iter().all(here)
}

fn of_alembic(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(migrations) = app.release.migrations.get()? else { return Ok(()) };
    let database = &app.release.database_revision;
    let standing = match migrations.database(database) {
        Ok(standing) => standing,
        Err(why) => return added(app, migrations, why, out),
    };
    let pending = behind(standing)?;
    if database.ok().is_some_and(|said| Migrations::is_empty_database(said)) {
        return Ok(());
    }
    judge(migrations, &pending, None, out);
    Ok(())
}

/// Where nobody said what the database is at: the migrations that are new in this release, which
/// are likely not applied yet.
fn added(app: &App, migrations: &Migrations, why: Why, out: &mut Sink) -> Result<(), Why> {
    if let Some(since) = &app.release.since {
        let pending = behind(migrations.standing(since)?)?;
        let said = format!("it comes after {since}, given with --since");
        judge(migrations, &pending, Some(&said), out);
        return Ok(());
    }
    if let Some(earlier) = app.release.earlier.ok() {
        let said = format!("it is new: {} lacks it", earlier.release.display());
        judge(migrations, &migrations.added_to(earlier)?, Some(&said), out);
    }
    // Older ones may not be applied either.
    Err(why)
}

fn behind(standing: Standing<'_>) -> Result<Vec<&Revision>, Why> {
    match standing {
        Standing::AtHead => Ok(Vec::new()),
        Standing::Behind(pending) => Ok(pending),
        Standing::Unheard(revision) => {
            Err(Why::not_there(format!("no migration of the release has revision {revision}")))
        }
    }
}

/// `guess`: why they are taken for pending, where the database did not say so.
fn judge(migrations: &Migrations, pending: &[&Revision], guess: Option<&str>, out: &mut Sink) {
    let ids: Vec<&str> = pending.iter().map(|revision| revision.id.value.as_str()).collect();
    let operations = migrations.revisions.operations(&ids);
    // The operations of one revision follow each other.
    for of_one in operations.chunk_by(|a, b| a.0.id.value == b.0.id.value) {
        let Some((revision, _)) = of_one.first() else { continue };
        let with = |wanted: fn(&Breaks) -> bool| -> Vec<&Operation> {
            of_one.iter().map(|(_, operation)| *operation).filter(|o| wanted(&o.breaks)).collect()
        };
        let id = &revision.id.value;
        doubt(certain(id, &ALEMBIC, &with(|breaks| *breaks == Breaks::Yes), out), guess);
        let unknown = with(|breaks| matches!(breaks, Breaks::Unknown(_)));
        doubt(possible(id, &ALEMBIC, &unknown, out), guess);
    }
}

fn of_django(app: &App, migrations: &DjangoMigrations, out: &mut Sink) -> Result<(), Why> {
    let database = &app.release.database_revision;
    let why = match migrations.standing(database) {
        Ok(_) if database.ok().is_some_and(|said| DjangoMigrations::is_empty_database(said)) => {
            return Ok(());
        }
        Ok(pending) => return judge_django(migrations, &pending, None, out),
        Err(_) if migrations.is_empty() => return Ok(()),
        Err(why) => why,
    };
    if let Some(since) = &app.release.since {
        let said = format!("it comes after {since}, given with --since");
        return judge_django(migrations, &migrations.since(since)?, Some(&said), out);
    }
    if let Some(earlier) = app.release.earlier_django.ok() {
        let said = format!("it is new: {} lacks it", earlier.release.display());
        // Code of its own is no more to be told where the database says more.
        let _ = judge_django(migrations, &migrations.added_to(earlier)?, Some(&said), out);
    }
    Err(why)
}

fn judge_django(
    migrations: &DjangoMigrations,
    pending: &Pending<'_>,
    guess: Option<&str>,
    out: &mut Sink,
) -> Result<(), Why> {
    let mut python = None;
    for (app, migration, effect) in migrations.project.effects(pending) {
        let id = format!("{app}.{}", migration.name);
        let with = |wanted: fn(&Breaks) -> bool| -> Vec<&Operation> {
            effect.operations.iter().filter(|operation| wanted(&operation.breaks)).collect()
        };
        doubt(certain(&id, &DJANGO, &with(|breaks| *breaks == Breaks::Yes), out), guess);
        let unknown = with(|breaks| matches!(breaks, Breaks::Unknown(_)));
        doubt(possible(&id, &DJANGO, &unknown, out), guess);
        if !effect.python.is_empty() {
            python.get_or_insert(id);
        }
    }
    match python {
        // Most fill what is new, and break nobody.
        Some(id) => Err(Why::not_understood(format!(
            "{id} runs its own Python code (RunPython), which is not followed"
        ))),
        None => Ok(()),
    }
}

/// What differs between those who migrate.
struct FrameworkWords {
    /// What a column needs so that the old code's rows fit.
    fills: &'static str,
    does: fn(&Operation) -> String,
}

const ALEMBIC: FrameworkWords =
    FrameworkWords { fills: "columns that are nullable\nor have a server_default", does };
const DJANGO: FrameworkWords = FrameworkWords {
    fills: "fields with null=True\nor, since Django 5.0, db_default=",
    does: django_does,
};

/// What an operation does to a model.
fn django_does(operation: &Operation) -> String {
    let model = operation.table.as_deref().unwrap_or("a model");
    let column = match &operation.column {
        Some(column) => format!("{model}.{column}"),
        None => format!("a column of {model}"),
    };
    match operation.kind {
        Kind::DropTable => format!("drops the table of {model}"),
        Kind::RenameTable => format!("renames the table of {model}"),
        Kind::AddColumnNotNull => {
            format!(
                "adds {column}, which must be filled: its default is in Django, not in the database"
            )
        }
        Kind::AddColumn => format!("adds {column}"),
        _ => does(operation),
    }
}

/// Whether it is pending, the database did not say.
fn doubt(finding: Option<&mut Finding>, guess: Option<&str>) {
    if let (Some(finding), Some(guess)) = (finding, guess) {
        finding.severity(Severity::Warning).evidence(
            EvidenceKind::File,
            format!("it is not known whether the database has it already; {guess}"),
        );
    }
}

fn certain<'s>(
    id: &str,
    words: &FrameworkWords,
    operations: &[&Operation],
    out: &'s mut Sink,
) -> Option<&'s mut Finding> {
    let first = operations.first()?;
    let shown = operations.iter().take(SHOWN);
    let finding = out
        .report(format!(
            "the running code fails once migration {id} is applied: the migration {}{}",
            (words.does)(first),
            more(operations.len())
        ))
        .at_each(shown.map(|operation| (operation.span, (words.does)(operation))))
        .subject(id)
        .help(format!(
            "Split it: in this release, only changes that the old code does not notice (new \
             tables, {}); the rest in the next release, when no running code needs it.\n\
             If the running release no longer uses it: deploy-doctor check --ignore R706",
            words.fills
        ));
    finding.fix(Safety::Manual, "split the migration over two releases");
    Some(finding)
}

fn possible<'s>(
    id: &str,
    words: &FrameworkWords,
    operations: &[&Operation],
    out: &'s mut Sink,
) -> Option<&'s mut Finding> {
    let first = operations.first()?;
    let places = operations.iter().take(SHOWN).map(|operation| match &operation.breaks {
        Breaks::Unknown(why) => (operation.span, why.as_str()),
        Breaks::Yes | Breaks::No => (operation.span, ""),
    });
    let finding = out
        .report(format!(
            "the running code may fail once migration {id} is applied: the migration {}{}",
            (words.does)(first),
            more(operations.len())
        ))
        .severity(Severity::Warning)
        .at_each(places)
        .subject(format!("{id} may"))
        .help(
            "Read it with the running release in mind: does that release use what changes here?\n\
             If so, change it in two releases; if not: deploy-doctor check --ignore R706",
        );
    finding.fix(Safety::Manual, "check what the migration does to the running release");
    Some(finding)
}

fn more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        2 => ", and 1 more change".into(),
        _ => format!(", and {} more changes", count - 1),
    }
}

/// What an operation does, as the end of a sentence that begins with "it".
fn does(operation: &Operation) -> String {
    let table = operation.table.as_deref().unwrap_or("(not known here)");
    let column = match &operation.column {
        Some(column) => format!("{table}.{column}"),
        None => format!("a column of {table}"),
    };
    let on = |text: &str| match &operation.table {
        Some(table) => format!("{text} {table}"),
        None => format!("{text} a table"),
    };
    match operation.kind {
        Kind::DropTable => format!("drops table {table}"),
        Kind::RenameTable => format!("renames table {table}"),
        Kind::AddColumnNotNull => {
            format!("adds {column} that must be filled and has no server default")
        }
        Kind::DropColumn => format!("drops {column}"),
        Kind::RenameColumn => format!("renames {column}"),
        Kind::SetNotNull => format!("makes {column} not nullable"),
        Kind::DropServerDefault => format!("removes the server default of {column}"),
        Kind::NarrowType => format!("gives {column} a narrower type"),
        Kind::ChangeType => format!("gives {column} another type"),
        Kind::AddUnique | Kind::CreateIndex { .. } => on("makes values unique in"),
        Kind::AddCheck => on("checks values in"),
        Kind::AddForeignKey => on("adds a foreign key to"),
        Kind::AddPrimaryKey => on("changes the primary key of"),
        Kind::AddExclude => on("adds an exclusion constraint to"),
        Kind::EnumRename => format!("renames {table} or a value of it"),
        Kind::EnumAddValue => format!("adds a value to the enum {table}"),
        Kind::ChangeRows => on("changes rows of"),
        Kind::RawSql => "runs SQL that is not recognised here".into(),
        Kind::AddColumn => format!("adds {column}"),
        Kind::CreateTable
        | Kind::DropNotNull
        | Kind::SetServerDefault
        | Kind::DropConstraint
        | Kind::WidenType
        | Kind::DropIndex { .. }
        | Kind::Other => "does something that is not recognised here".into(),
    }
}
