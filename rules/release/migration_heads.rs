//! Reads the graph of Alembic's revisions, or of Django's migrations.

use std::collections::HashMap;

use crate::facts::release::DjangoMigrations;
use crate::facts::release::django_migrations::{DjangoApp, MissingMigration};
use crate::facts::release::migrations::{Operation, Revision, Revisions};
use crate::facts::{App, Why};
use crate::rule::prelude::{Span, Spanned};
use crate::rule::{Safety, Severity, Sink};

/// How many places one finding shows at most.
const SHOWN: usize = 5;

crate::rule! {
    /// Migrations that do not form one line cannot be applied: `flask db upgrade` stops, and the
    /// new code meets the old database.
    ///
    /// Alembic follows `down_revision` from file to file. Two heads come from two branches that
    /// were merged in git but not in Alembic; a missing parent comes from a file that was deleted,
    /// was not deployed or is in an unmerged branch; two files with the same revision come from
    /// copying one.
    ///
    /// Measured with Alembic 1.20: `flask db heads` and `flask db current` exit 0 with two heads,
    /// so a script that uses them notices nothing; `flask db upgrade` exits 1. With a missing
    /// parent every command ends in a bare `KeyError`, and with a cycle in a traceback. Of two
    /// files with the same revision, one is used and the other dropped with a warning.
    ///
    /// To repair it by hand: merge heads with `flask db merge heads`, restore the missing file from
    /// version control (or point `down_revision` at the revision before it), and give the second of
    /// two files with the same revision its own, or delete it.
    ///
    /// Django's migrations follow each other by `dependencies`, separately for each application. Of
    /// the applications in INSTALLED_APPS, measured with Django 4.2, 5.2 and 6.1: `manage.py
    /// migrate`, `migrate --check` and `makemigrations` exit 1 with two leaves in one application
    /// (`Conflicting migrations detected`); a parent that no file contains is a
    /// `NodeNotFoundError`, a cycle is a `CircularDependencyError`, and a module among the
    /// migrations without a class `Migration` is a `BadMigrationError`. If the directory has no
    /// `__init__.py`, `migrate` and `migrate --check` exit 0 and apply none of its migrations.
    /// `manage.py check` and the site itself notice none of this, and `showmigrations` exits 0 with
    /// two leaves. Two files with the same number are not a fault, nor is a squashed migration next
    /// to those it replaces; a parent in an installed package is looked up there. Merge leaves with
    /// `manage.py makemigrations --merge`.
    ///
    /// Proved by `django-migration-leaves`: `manage.py migrate` failed with `Conflicting migrations
    /// detected` and migrated nothing.
    ///
    /// Proved by `migration-heads`: `alembic upgrade head` failed with `Multiple head
    /// revisions` and migrated nothing.
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    ///
    /// def upgrade():
    ///     pass
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/b2_orders.py
    /// revision = "b2e1d3c5f7a9"
    /// down_revision = "a1f0c2d4e6b8"
    ///
    /// def upgrade():
    ///     pass
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/migrations/versions/c3_invoices.py
    /// revision = "c3d2e4b6a8f0"
    /// down_revision = "a1f0c2d4e6b8"
    ///
    /// def upgrade():
    ///     pass
    /// ```
    ///
    /// Corrected: the second branch follows the first:
    ///
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py
    /// revision = "a1f0c2d4e6b8"
    /// down_revision = None
    ///
    /// def upgrade():
    ///     pass
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/migrations/versions/b2_orders.py
    /// revision = "b2e1d3c5f7a9"
    /// down_revision = "a1f0c2d4e6b8"
    ///
    /// def upgrade():
    ///     pass
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/migrations/versions/c3_invoices.py
    /// revision = "c3d2e4b6a8f0"
    /// down_revision = "b2e1d3c5f7a9"
    ///
    /// def upgrade():
    ///     pass
    /// ```
    ///
    /// Healthy: a merge is not a second head, and labelled branches are meant to have one head
    /// each:
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/migrations/versions/a1_users.py
    /// revision: str = "a1f0c2d4e6b8"
    /// down_revision: str | None = None
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/migrations/versions/b2_orders.py
    /// revision: str = "b2e1d3c5f7a9"
    /// down_revision: str | None = "a1f0c2d4e6b8"
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/migrations/versions/c3_invoices.py
    /// revision: str = "c3d2e4b6a8f0"
    /// down_revision: str | None = "a1f0c2d4e6b8"
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/migrations/versions/d4_merge.py
    /// revision: str = "d4a3b5c7e9f1"
    /// down_revision: tuple[str, str] = ("b2e1d3c5f7a9", "c3d2e4b6a8f0")
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/migrations/versions/e5_reports.py
    /// revision: str = "e5b4c6d8f0a2"
    /// down_revision: str | None = None
    /// branch_labels: tuple[str] = ("reports",)
    /// ```
    R705 "migration-heads" {
        severity: Error, impact: Outage, fix: Some(Manual), item: Migrations, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let alembic = of_alembic(app, out);
    let django = match app.release.django_migrations.get()? {
        Some(migrations) => of_django(migrations, out),
        None => Ok(()),
    };
    alembic.and(django)
}

fn of_alembic(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(migrations) = app.release.migrations.get()? else { return Ok(()) };
    let revisions = &migrations.revisions;
    let flask = if migrations.of_flask() { "flask db" } else { "alembic" };
    duplicates(revisions, out);
    cycles(revisions, flask, out);
    missing_parents(revisions, flask, out)?;
    heads(revisions, flask, out)
}

fn duplicates(revisions: &Revisions, out: &mut Sink) {
    for same in revisions.duplicates() {
        let [first, rest @ ..] = same.as_slice() else { continue };
        let id = &first.id.value;
        let copies = rest.iter().all(|other| alike(first, other));
        let message = format!(
            "one of {} migrations is never applied: they all have revision {id}, and Alembic uses \
             one of them",
            same.len()
        );
        let places = same.iter().take(SHOWN);
        out.report(message)
            .severity(if copies { Severity::Warning } else { Severity::Error })
            .at_each(places.map(|revision| (revision.id.span, format!("revision {id}"))))
            .subject(id.clone())
            .help(
                "Delete the file that is a copy. If both are needed, give the later one its\nown \
                 revision, and put the other's into its down_revision.",
            )
            .fix(Safety::Manual, "give every migration file its own revision");
    }
}

/// Do two files do the same at the same place?
fn alike(one: &Revision, other: &Revision) -> bool {
    let values = |list: &[Spanned<String>]| -> Vec<String> {
        list.iter().map(|item| item.value.clone()).collect()
    };
    let does =
        |operation: &Operation| (operation.kind, operation.table.clone(), operation.column.clone());
    values(&one.down) == values(&other.down)
        && values(&one.depends_on) == values(&other.depends_on)
        && one.operations.iter().map(does).eq(other.operations.iter().map(does))
}

fn cycles(revisions: &Revisions, flask: &str, out: &mut Sink) {
    let by_id: HashMap<&str, &Revision> =
        revisions.revisions.iter().map(|r| (r.id.value.as_str(), r)).collect();
    for cycle in revisions.cycles() {
        let mut shown: Vec<&str> = cycle.iter().take(SHOWN).copied().collect();
        if cycle.len() > SHOWN {
            shown.push("…");
        }
        shown.extend(cycle.first());
        let message = format!(
            "`{flask} upgrade` ends in a traceback: migrations depend on each other in a cycle, {}",
            shown.join(" after ")
        );
        let members = cycle.iter().take(SHOWN).filter_map(|id| by_id.get(id));
        let places = members.map(|revision| {
            let place = revision.down.first().or(revision.depends_on.first());
            let follows = place.map_or("", |parent| parent.value.as_str());
            let span = place.map_or(revision.id.span, |parent| parent.span);
            (span, format!("{} follows {follows}", revision.id.value))
        });
        out.report(message)
            .at_each(places)
            .subject(cycle.join(" "))
            .help(
                "Find the one that existed first (`git log --diff-filter=A -- FILE`), \
                 and point\nits down_revision at the revision it was based on.",
            )
            .fix(Safety::Manual, "break the cycle at its oldest migration");
    }
}

fn missing_parents(revisions: &Revisions, flask: &str, out: &mut Sink) -> Result<(), Why> {
    for (revision, parent) in
        revisions.missing_parents().map_err(|unknown| Why::not_understood(unknown.0))?
    {
        let (id, parent_id) = (&revision.id.value, &parent.value);
        out.report(format!(
            "`{flask} upgrade` ends in a KeyError: migration {id} follows {parent_id}, which no \
             file contains"
        ))
        .at(parent.span, format!("no file contains {parent_id}"))
        .subject(format!("{id} {parent_id}"))
        .help(format!(
            "Restore the file from the branch that made it:\n  git log --all --oneline -S \
             {parent_id} -- '*.py'\nIf it is gone for good, put the revision before it here, and \
             tell the database:\n  {flask} stamp --purge REVISION"
        ))
        .fix(Safety::Manual, format!("restore the file of revision {parent_id}"));
    }
    Ok(())
}

fn heads(revisions: &Revisions, flask: &str, out: &mut Sink) -> Result<(), Why> {
    let heads = revisions.rival_heads().map_err(|unknown| Why::not_understood(unknown.0))?;
    let Some(first) = heads.first() else { return Ok(()) };
    let mut names: Vec<&str> = heads.iter().take(SHOWN).copied().collect();
    if heads.len() > SHOWN {
        names.push("…");
    }
    let message = format!(
        "`{flask} upgrade` applies nothing and exits 1: the migrations have {} heads, {}",
        heads.len(),
        names.join(", ")
    );
    let by_id: HashMap<&str, &Revision> =
        revisions.revisions.iter().map(|r| (r.id.value.as_str(), r)).collect();
    let rivals = heads.iter().take(SHOWN).filter_map(|head| by_id.get(head));
    out.report(message)
        .at_each(rivals.map(|revision| (revision.id.span, "nothing follows this one")))
        .subject((*first).to_owned())
        .help(format!(
            "Merge them in the repository, and deploy the file this writes:\n  {flask} merge -m \
             \"merge heads\" heads"
        ))
        .fix(Safety::Manual, "merge the heads");
    Ok(())
}

/// What applies Django's migrations.
const MIGRATE: &str = "`manage.py migrate`";

fn of_django(migrations: &DjangoMigrations, out: &mut Sink) -> Result<(), Why> {
    let project = &migrations.project;
    for (app, found) in &project.apps {
        match found {
            DjangoApp::Own { classless, .. } => classless_files(app, classless, out),
            DjangoApp::NoPackage { directory, files, first } => {
                no_package(app, directory, *files, *first, out);
            }
            _ => {}
        }
    }
    let (missing, unknown) = project.missing();
    for one in &missing {
        no_node(one, out);
    }
    let circle = django_circle(migrations, out);
    let broken: Vec<&str> = missing.iter().map(|one| one.app).collect();
    let leaves = leaves(migrations, &broken, out);
    if let Some(why) = unknown {
        return Err(Why::not_understood(why));
    }
    circle.and(leaves)
}

fn classless_files(app: &str, files: &[(std::path::PathBuf, Span)], out: &mut Sink) {
    for (path, span) in files.iter().take(SHOWN) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        out.report(format!(
            "{MIGRATE} ends in a BadMigrationError: {name}, among the migrations of {app}, defines \
             no Migration"
        ))
        .at(*span, "Django reads it as a migration")
        .subject(format!("{app} {name}"))
        .help(format!(
            "Django reads every module there as a migration, except those whose name starts with _ \
             or ~:\n  git mv {} {}",
            path.display(),
            path.with_file_name(format!("_{name}")).display()
        ))
        .fix(Safety::Manual, "rename it to start with _");
    }
}

fn no_package(app: &str, directory: &std::path::Path, files: usize, first: Span, out: &mut Sink) {
    let init = directory.join("__init__.py");
    let which =
        if files == 1 { "the migration".into() } else { format!("any of {files} migrations") };
    out.report(format!(
        "{MIGRATE} exits 0 but does not apply {which} of {app}: {} has no __init__.py",
        directory.display()
    ))
    .at(first, "Django does not see it")
    .subject(app.to_owned())
    .help(format!(
        "Add the file in the repository, and check why it was not deployed:\n  touch {0}\n  \
         git check-ignore -v {0}",
        init.display()
    ))
    .fix(Safety::Manual, "add an empty __init__.py next to the migrations");
}

fn no_node(missing: &MissingMigration<'_>, out: &mut Sink) {
    let MissingMigration { app, migration, key, .. } = missing;
    let id = format!("{app}.{}", migration.name);
    let relation = if missing.before { "must run before" } else { "follows" };
    let (why, note) = match missing.no_such_app {
        true => (
            format!("but no application of INSTALLED_APPS has the label {}", key.app),
            format!("no application {}", key.app),
        ),
        false => ("which no file contains".to_owned(), format!("no file contains {key}")),
    };
    let vague = matches!(key.name.as_str(), "__first__" | "__latest__");
    let vague = vague && key.app != *app;
    let error = if vague { "ValueError" } else { "NodeNotFoundError" };
    let help = match missing.no_such_app {
        true => format!(
            "Put the application back into INSTALLED_APPS, or remove it from every migration that \
             names it:\n  git grep -n \"'{}'\" -- '*/migrations/*.py'",
            key.app
        ),
        false => format!(
            "Restore the file from the branch that made it, or install the version of the \
             package that has it:\n  git log --all --oneline -- '*/migrations/{0}.py'\n  \
             git check-ignore -v {1}/migrations/{0}.py",
            key.name, key.app
        ),
    };
    out.report(format!("{MIGRATE} ends in a {error}: migration {id} {relation} {key}, {why}"))
        .at(missing.span, note)
        .subject(format!("{id} {key}"))
        .help(help)
        .fix(Safety::Manual, format!("restore {key}"));
}

fn django_circle(migrations: &DjangoMigrations, out: &mut Sink) -> Result<(), Why> {
    let Some(cycle) = migrations.project.cycle().map_err(Why::not_understood)? else {
        return Ok(());
    };
    let mut shown: Vec<String> = cycle
        .iter()
        .take(SHOWN)
        .map(|(app, migration)| format!("{app}.{}", migration.name))
        .collect();
    let first = shown.first().cloned().unwrap_or_default();
    if cycle.len() > SHOWN {
        shown.push("…".into());
    }
    shown.push(first.clone());
    out.report(format!(
        "{MIGRATE} ends in a CircularDependencyError: migrations depend on each other in a cycle, \
         {}",
        shown.join(" after ")
    ))
    .at_each(cycle.iter().take(SHOWN).map(|(app, migration)| {
        let place = migration.dependencies.first().map(|dependency| dependency.span);
        (place.unwrap_or(migration.span), format!("{app}.{} follows another", migration.name))
    }))
    .subject(first)
    .help(
        "Find the one that existed first (`git log --diff-filter=A -- FILE`), and remove \
         the\nlater one from its dependencies.",
    )
    .fix(Safety::Manual, "break the cycle at its oldest migration");
    Ok(())
}

/// `broken`: applications whose migrations lead to nothing, of which Django says that first.
fn leaves(migrations: &DjangoMigrations, broken: &[&str], out: &mut Sink) -> Result<(), Why> {
    let mut unknown = None;
    let leaves = migrations.project.leaves().into_iter();
    for of_app in leaves.filter(|of_app| !broken.contains(&of_app.app)) {
        let app = of_app.app;
        let leaves = match of_app.leaves {
            Ok(leaves) => leaves,
            Err(why) => {
                unknown.get_or_insert(why);
                continue;
            }
        };
        let mut names: Vec<&str> =
            leaves.iter().take(SHOWN).map(|leaf| leaf.name.as_str()).collect();
        if leaves.len() > SHOWN {
            names.push("…");
        }
        out.report(format!(
            "{MIGRATE} applies nothing and exits 1: the migrations of {app} have {} leaves, {}",
            leaves.len(),
            names.join(", ")
        ))
        .at_each(leaves.iter().take(SHOWN).map(|leaf| {
            let place = leaf.dependencies.first().map_or(leaf.span, |dependency| dependency.span);
            (place, format!("nothing follows {}", leaf.name))
        }))
        .subject(format!("{app} {}", names.first().copied().unwrap_or_default()))
        .help(format!(
            "Merge them in the repository, and deploy the file this writes:\n  python manage.py \
             makemigrations --merge {app}"
        ))
        .fix(Safety::Manual, "merge the leaves");
    }
    unknown.map_or(Ok(()), |why| Err(Why::not_understood(why)))
}
