//! Reads the graph of Alembic's revisions.

use std::collections::HashMap;

use crate::facts::release::migrations::{Operation, Revision, Revisions};
use crate::facts::{App, Why};
use crate::rule::prelude::Spanned;
use crate::rule::{Safety, Severity, Sink};

/// The most places that one finding shows.
const SHOWN: usize = 5;

crate::rule! {
    /// Migrations that do not form one line cannot be applied: `flask db upgrade` stops, and the
    /// new code meets the old database.
    ///
    /// Alembic follows `down_revision` from file to file. Two heads come from two branches that
    /// were merged in git but not in Alembic; a missing parent from a file that was deleted, was
    /// not deployed or lies in an unmerged branch; two files with one revision from a copied file.
    ///
    /// What was measured with Alembic 1.20: `flask db heads` and `flask db current` exit 0 at two
    /// heads, so a script that asks them sees nothing; `flask db upgrade` exits 1. A missing parent
    /// ends every command in a bare `KeyError`, a circle in a traceback. Of two files with one
    /// revision one is used and the other dropped with a warning.
    ///
    /// To repair it by hand: join heads with `flask db merge heads`, bring the missing file back
    /// from version control (or point `down_revision` at the revision before it), give the second
    /// of two equal files a revision of its own or delete it.
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
    /// The second branch follows the first:
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
    /// A merge is no second head, and branches that carry labels are meant to have one each:
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
            "one of {} migrations is never applied: they all hold revision {id}, and Alembic uses \
             one of them",
            same.len()
        );
        let places = same.iter().take(SHOWN);
        out.report(message)
            .severity(if copies { Severity::Warning } else { Severity::Error })
            .at_each(places.map(|revision| (revision.id.span, format!("revision {id}"))))
            .subject(id.clone())
            .help(
                "Delete the file that is a copy. Where both are needed, give the later one a\n\
                 revision of its own, and put the other's into its down_revision.",
            )
            .fix(Safety::Manual, "give every migration file a revision of its own");
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
            "`{flask} upgrade` ends in a traceback: migrations follow each other in a circle, {}",
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
                "Find the one of them that was there first (`git log --diff-filter=A -- FILE`), \
                 and point\nits down_revision at the revision that it was made on.",
            )
            .fix(Safety::Manual, "break the circle at the oldest of its migrations");
    }
}

fn missing_parents(revisions: &Revisions, flask: &str, out: &mut Sink) -> Result<(), Why> {
    for (revision, parent) in
        revisions.missing_parents().map_err(|unknown| Why::not_understood(unknown.0))?
    {
        let (id, parent_id) = (&revision.id.value, &parent.value);
        out.report(format!(
            "`{flask} upgrade` ends in a KeyError: migration {id} follows {parent_id}, which no \
             file holds"
        ))
        .at(parent.span, format!("no file holds {parent_id}"))
        .subject(format!("{id} {parent_id}"))
        .help(format!(
            "Bring the file back from the branch that made it:\n  \
             git log --all --oneline -S {parent_id} -- '*.py'\n\
             If it is gone for good, put the revision before it here, and tell the database:\n  \
             {flask} stamp --purge REVISION"
        ))
        .fix(Safety::Manual, format!("bring back the file of revision {parent_id}"));
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
            "Join them in the repository, and deploy the file that it writes:\n  \
             {flask} merge -m \"merge heads\" heads"
        ))
        .fix(Safety::Manual, "merge the heads");
    Ok(())
}
