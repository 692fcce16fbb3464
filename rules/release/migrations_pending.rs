//! Compares the database's revision, if the user gave it, with the release's migrations.

use crate::facts::release::django_migrations::{Pending, SHOWS};
use crate::facts::release::migrations::Revision;
use crate::facts::release::{DjangoMigrations, Migrations, Standing};
use crate::facts::{App, Origin, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

/// How many migrations a finding names at most.
const NAMED: usize = 5;

crate::rule! {
    /// The database is not at the newest migration of the release: the new code uses tables and
    /// columns that do not exist.
    ///
    /// A reload serves the new code from the first request on. Each query that names a new column
    /// fails with `UndefinedColumn` or `no such column`, and the client sees a 500.
    ///
    /// Files do not show the database's revision. Give it with `--db-revision`, as `flask db
    /// current` prints it (nothing for an empty database). Or use `--preflight`: if the imported
    /// application has Flask-Migrate, it runs the code of `flask db current`, as the service's
    /// user, changes nothing, and gives up after some seconds. Without either, this rule is skipped
    /// and never passes. The database is read only with `--preflight`.
    ///
    /// After a rollback the database can be *ahead*: the older code has no file for its revision.
    /// `flask db current`, `upgrade` and `downgrade` then exit 1 with `Can't locate revision`,
    /// until the newer release is deployed again, unless the database was downgraded first.
    ///
    /// For a Django application `--preflight` reads the default database in the same way
    /// (`django_migrations`). By hand, pass what `python manage.py showmigrations --plan` prints
    /// (`--db-revision "$(python manage.py showmigrations --plan)"`), run with the service's
    /// settings and variables: `manage.py` usually names the development settings. Migrations from
    /// an installed package count too. After a rollback Django reports nothing (4.2, 5.2 and 6.1,
    /// measured): `showmigrations`, `migrate` and `migrate --check` ignore applied migrations that
    /// no file contains, and exit 0. Only the newer release's output shows them.
    ///
    /// Proved by `migrations-pending`: the reload returned 0, and every request got 500 for the
    /// rest of the run (`no such column`).
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py,db=a1f0c2d4e6b8
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/b2_nickname.py
    /// from alembic import op
    /// import sqlalchemy as sa
    ///
    /// revision = "b2e1d3c5f7a9"
    /// down_revision = "a1f0c2d4e6b8"
    ///
    /// def upgrade():
    ///     op.add_column("users", sa.Column("nickname", sa.String(40)))
    /// ```
    ///
    /// Applied:
    ///
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py,db=b2e1d3c5f7a9 (head)
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/migrations/versions/b2_nickname.py
    /// from alembic import op
    /// import sqlalchemy as sa
    ///
    /// revision = "b2e1d3c5f7a9"
    /// down_revision = "a1f0c2d4e6b8"
    ///
    /// def upgrade():
    ///     op.add_column("users", sa.Column("nickname", sa.String(40)))
    /// ```
    ///
    /// After a rollback:
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py,db=b2e1d3c5f7a9
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    /// ```
    ///
    /// The beginning of the revision is enough:
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py,db=a1f0
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    /// ```
    ///
    /// What Flask-Migrate answers to `--preflight`:
    ///
    /// ```text,bad,command=import
    /// {"stage": "done", "seconds": 0.2}
    /// {"revisions": ["a1f0c2d4e6b8"]}
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/b2_groups.py
    /// from alembic import op
    /// import sqlalchemy as sa
    ///
    /// revision = "b2e1d3c5f7a9"
    /// down_revision = "a1f0c2d4e6b8"
    ///
    /// def upgrade():
    ///     op.create_table("groups", sa.Column("id", sa.Integer()))
    /// ```
    R708 "migrations-pending" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Migrations, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    if let Some(migrations) = app.release.django_migrations.get()? {
        let standing = migrations.standing(&app.release.database_revision);
        return match standing {
            Err(_) if migrations.is_empty() && !app.release.database_revision.is_set() => Ok(()),
            Err(why) => Err(why),
            Ok(pending) => {
                of_django(app, migrations, &pending, out);
                Ok(())
            }
        };
    }
    let Some(migrations) = app.release.migrations.get()? else {
        // Who says a revision expects it to be compared with something.
        return match app.release.database_revision.ok() {
            Some(said) if !Migrations::is_empty_database(said) => Err(Why::not_there(
                "the release has no migrations to compare with the database's revision",
            )),
            _ => Ok(()),
        };
    };
    let standing = migrations.database(&app.release.database_revision)?;
    match standing {
        Standing::AtHead => {}
        Standing::Behind(pending) => behind(app, migrations, &pending, out),
        Standing::Unheard(revision) => unheard(app, migrations, &revision, out),
    }
    Ok(())
}

fn behind(app: &App, migrations: &Migrations, pending: &[&Revision], out: &mut Sink) {
    let mut names: Vec<&str> =
        pending.iter().take(NAMED).map(|revision| revision.id.value.as_str()).collect();
    if pending.len() > NAMED {
        names.push("…");
    }
    let (count, plural) = (pending.len(), if pending.len() == 1 { "" } else { "s" });
    out.report(format!(
        "a reload serves code that the database is too old for: {count} migration{plural} not \
         applied, {}",
        names.join(", ")
    ))
    .at_each(pending.iter().take(NAMED).map(|revision| (revision.id.span, "not applied")))
    .subject(names.first().copied().unwrap_or_default())
    .evidence(EvidenceKind::Command, stated(app))
    .help(format!(
        "Back up the database, apply them, then reload:\n  {}",
        command(app, migrations, None)
    ))
    .fix(Safety::Manual, "apply the pending migrations");
}

fn unheard(app: &App, migrations: &Migrations, revision: &str, out: &mut Sink) {
    let mut newest = Vec::new();
    if let Ok(heads) = migrations.revisions.heads() {
        let known = &migrations.revisions.revisions;
        newest.extend(known.iter().filter(|r| heads.contains(&r.id.value.as_str())).take(NAMED));
    }
    let target = match newest.as_slice() {
        [head] => head.id.value.as_str(),
        _ => "REVISION",
    };
    let places = newest.iter().map(|head| (head.id.span, "the newest migration of this release"));
    out.report(format!(
        "the database is ahead of the code: it is at {revision}, and no migration of this release \
         has that revision"
    ))
    .at_each(places)
    .subject(revision.to_owned())
    .evidence(EvidenceKind::Command, stated(app))
    .help(format!(
        "After a rollback: deploy the release that has revision {revision} again. Or, if its \
         migration\ncan be undone without loss, downgrade in that release's directory:\n  {}",
        command(app, migrations, Some(target))
    ))
    .fix(Safety::Manual, format!("deploy a release that has revision {revision}"));
}

fn of_django(app: &App, migrations: &DjangoMigrations, pending: &Pending<'_>, out: &mut Sink) {
    let own = pending.own.iter().map(|(app, migration)| format!("{app}.{}", migration.name));
    let all: Vec<String> = own.chain(pending.installed.iter().map(ToString::to_string)).collect();
    if !all.is_empty() {
        let plural = if all.len() == 1 { "" } else { "s" };
        let message = format!(
            "a reload serves code that the database is too old for: {} migration{plural} not \
             applied, {}",
            all.len(),
            named(&all)
        );
        out.report(message)
            .at_each(
                pending
                    .own
                    .iter()
                    .take(NAMED)
                    .map(|(_, migration)| (migration.span, "not applied")),
            )
            .subject(all.first().cloned().unwrap_or_default())
            .evidence(EvidenceKind::Command, format!("{}: {SHOWS}", asked(app)))
            .help(format!(
                "Back up the database, apply them, then reload:\n  {} migrate --settings {}",
                manage(app, false),
                migrations.settings
            ))
            .fix(Safety::Manual, "apply the pending migrations");
    }
    let ahead: Vec<String> = pending.unheard.iter().map(ToString::to_string).collect();
    if let Some(first) = pending.unheard.first() {
        let newest = newest(migrations, &first.app);
        out.report(format!(
            "the database is ahead of the code: no migration of this release is {}",
            named(&ahead)
        ))
        .at_each(newest.map(|span| (span, "the newest migrations of this release")))
        .subject(first.to_string())
        .evidence(EvidenceKind::Command, format!("{}: {SHOWS}", asked(app)))
        .help(format!(
            "After a rollback: deploy the release that has {first} again. Or, if it can be undone \
             without loss, go back\nin that release's directory to the last migration that this \
             release has:\n  {} migrate {} MIGRATION --settings {}",
            manage(app, true),
            first.app,
            migrations.settings
        ))
        .fix(Safety::Manual, format!("deploy a release that has {first}"));
    }
}

/// Where a migration of an application is that nothing follows.
fn newest(migrations: &DjangoMigrations, app: &str) -> Option<crate::rule::prelude::Span> {
    use crate::facts::release::django_migrations::DjangoApp;
    match migrations.project.apps.get(app) {
        Some(DjangoApp::Own { migrations, .. }) => migrations.last().map(|last| last.span),
        _ => None,
    }
}

fn named(all: &[String]) -> String {
    let mut names: Vec<&str> = all.iter().take(NAMED).map(String::as_str).collect();
    if all.len() > NAMED {
        names.push("…");
    }
    names.join(", ")
}

/// Django's command line as the service would run it.
fn manage(app: &App, elsewhere: bool) -> String {
    let (mut line, programs) = as_service(app, elsewhere);
    line.push_str(&format!(" {programs}python manage.py"));
    line
}

/// Which option says where the database is.
fn asked(app: &App) -> &'static str {
    match app.release.database_revision.origin() {
        Some(Origin::Option(option)) => option,
        _ => "--db-revision",
    }
}

/// Where the database's revision is known from.
fn stated(app: &App) -> String {
    let database = &app.release.database_revision;
    let from = asked(app);
    match database.ok().map(|said| said.trim()).unwrap_or_default() {
        "" => format!("{from}: the database has no revision"),
        said => format!("{from}: the database is at {said}"),
    }
}

/// What applies the migrations as the service would (its user, its directory, its variables), or
/// what undoes them down to a revision.
fn command(app: &App, migrations: &Migrations, down_to: Option<&str>) -> String {
    let (mut line, programs) = as_service(app, down_to.is_some());
    line.push_str(&format!(" {programs}"));
    if migrations.of_flask() {
        line.push_str("flask");
        if let Some(application) = app.release.code.application.ok() {
            line.push_str(&format!(" --app {}", application.name.module));
        }
        line.push_str(" db");
    } else {
        line.push_str("alembic");
    }
    match down_to {
        Some(revision) => line.push_str(&format!(" downgrade {revision}")),
        // Flask-Migrate's default.
        None if migrations.of_flask() => line.push_str(" upgrade"),
        None => line.push_str(" upgrade head"),
    }
    line
}

/// What runs a command as the service's user, in its directory and with its variables; and where
/// the programs of its environment are.
fn as_service(app: &App, elsewhere: bool) -> (String, String) {
    let mut line = String::from("systemd-run --pty");
    if let Some(Some(user)) = app.service.text("User").ok() {
        line.push_str(&format!(" --uid={}", user.as_str()));
    }
    if elsewhere {
        line.push_str(" --working-directory=DIRECTORY");
    } else if let Some(directory) = app.release.directory.ok() {
        line.push_str(&format!(" --working-directory={}", directory.path.display()));
    }
    for file in app.environment.read_files() {
        line.push_str(&format!(" -p EnvironmentFile={}", file.source.path.display()));
    }
    let programs = match app.gunicorn.venv.ok() {
        Some(venv) => format!("{}/bin/", venv.path.display()),
        None => String::new(),
    };
    (line, programs)
}
