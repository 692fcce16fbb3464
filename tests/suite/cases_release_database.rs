//! Packages and migrations of the release: what the examples on the rules' pages do not show.

use std::fmt::Write;

use crate::support::case::{self, Case};
use crate::support::command;
use deploy_doctor::rule::Severity;

/// The release that `current` leads to.
const RELEASE: &str = "/srv/myapp/releases/2026-04-21";

const USERS: &str = "revision = 'a1f0c2d4e6b8'\ndown_revision = None\n";

/// A migration with a body of `upgrade()`.
fn migration(revision: &str, down: &str, body: &str) -> String {
    format!(
        "from alembic import op\nimport sqlalchemy as sa\nrevision = '{revision}'\n\
         down_revision = {down}\n\ndef upgrade():\n    {body}\n"
    )
}

/// The healthy deployment with two migrations, the second of which does this.
fn second(body: &str) -> Case {
    Case::healthy().in_release("migrations/versions/a1_users.py", USERS).in_release(
        "migrations/versions/b2_x.py",
        migration("b2e1d3c5f7a9", "'a1f0c2d4e6b8'", body),
    )
}

fn versions(file: &str) -> String {
    // The release is seen through its link, as gunicorn sees it.
    format!("{}/migrations/versions/{file}", "/srv/myapp/current")
}

#[test]
fn a_missing_package_of_an_included_file_is_shown_there() {
    let seen = Case::healthy()
        .in_release("requirements.txt", "-r requirements/base.txt\r\ngunicorn==23.0.0\r\n")
        .in_release("requirements/base.txt", "Flask==3.0.3\r\n# cache\r\nredis>=5\r\n")
        .check();
    let found = seen.only("R703");
    let case::Place { file, line, note } = &found.places[0];
    assert!(file.ends_with("requirements/base.txt"), "{file}");
    assert_eq!((*line, note.as_str()), (3, "redis is not installed"));
    assert!(found.help.contains("/srv/myapp/.venv/bin/python -m pip install -r"), "{}", found.help);
}

#[test]
fn forty_missing_packages_are_one_readable_finding() {
    let mut text = String::new();
    for number in 0..40 {
        writeln!(text, "package-{number:02}==1.0").unwrap();
    }
    let seen = Case::healthy().in_release("requirements.txt", text).check();
    let found = seen.only("R703");
    assert_eq!(found.places.len(), 5);
    assert!(found.message.contains("package-04 and 35 more"), "{}", found.message);
    assert!(found.message.len() < 200, "{}", found.message);
}

#[test]
fn missing_and_outdated_packages_are_told_apart() {
    let seen = Case::healthy().in_release("requirements.txt", "redis\nFlask>=3.1\n").check();
    let found = seen.only("R703");
    let notes: Vec<&str> = found.places.iter().map(|place| place.note.as_str()).collect();
    assert_eq!(notes, ["redis is not installed", "3.0.3 is installed"]);
    assert!(found.message.contains("1 more in the wrong version"), "{}", found.message);
}

#[test]
fn a_lock_before_the_requirements_decides() {
    let lock = "version = 1\n[[package]]\nname = \"myapp\"\nversion = \"1\"\nsource = { virtual = \
                \".\" }\ndependencies = [{ name = \"redis\" }]\n[[package]]\nname = \
                \"redis\"\nversion = \"5.0.0\"\n";
    let seen = Case::healthy().in_release("uv.lock", lock).check();
    let found = seen.only("R703");
    assert!(found.message.contains("lacks redis, which uv.lock requires"), "{}", found.message);
    assert!(found.help.contains("uv sync --frozen"), "{}", found.help);
}

#[test]
fn what_cannot_be_told_of_packages_is_skipped_and_hides_nothing() {
    let seen =
        Case::healthy().in_release("requirements.txt", "-e ./libraries/billing\nredis\n").check();
    assert_eq!(seen.only("R703").places.len(), 1);
    assert!(seen.reasons("R703")[0].contains("without building the package"), "{:?}", seen.skips);

    let system = "home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11.2\n";
    let seen = Case::healthy()
        .in_release("requirements.txt", "redis\n")
        .file("/srv/myapp/.venv/pyvenv.cfg", system)
        .check();
    assert!(seen.of("R703").is_empty());
    assert!(seen.reasons("R703")[0].starts_with("redis: "), "{:?}", seen.skips);
}

#[test]
fn a_release_without_requirements_or_migrations_has_nothing_to_say() {
    let seen = Case::healthy().remove(&format!("{RELEASE}/requirements.txt")).check();
    for code in ["R703", "R705", "R706", "R708"] {
        seen.passes(code);
    }
}

#[test]
fn three_heads_are_shown_in_their_files() {
    let mut case = Case::healthy().in_release("migrations/versions/a1.py", USERS);
    for (file, revision) in [("b", "b2e1d3c5f7a9"), ("c", "c3d2e4b6a8f0"), ("d", "d4a3b5c7e9f1")] {
        let text = migration(revision, "'a1f0c2d4e6b8'", "pass");
        case = case.in_release(&format!("migrations/versions/{file}.py"), text);
    }
    let seen = case.check();
    let found = seen.only("R705");
    assert!(found.message.contains("3 heads"), "{}", found.message);
    let places: Vec<(&str, usize)> =
        found.places.iter().map(|p| (p.file.as_str(), p.line)).collect();
    let expected = ["b.py", "c.py", "d.py"].map(versions);
    assert_eq!(places, expected.iter().map(|file| (file.as_str(), 3)).collect::<Vec<_>>());
}

#[test]
fn a_parent_that_no_file_holds_is_shown_where_it_is_named() {
    let seen = Case::healthy()
        .in_release("migrations/versions/b.py", migration("b2e1d3c5f7a9", "'gone00000000'", "pass"))
        .check();
    let found = seen.only("R705");
    assert!(found.message.contains("b2e1d3c5f7a9 follows gone00000000"), "{}", found.message);
    assert_eq!(
        (found.places[0].file.as_str(), found.places[0].line),
        (versions("b.py").as_str(), 4)
    );
}

#[test]
fn a_circle_is_shown_with_all_its_files() {
    let seen = Case::healthy()
        .in_release("migrations/versions/a.py", migration("aaaa00000001", "'bbbb00000002'", "pass"))
        .in_release("migrations/versions/b.py", migration("bbbb00000002", "'aaaa00000001'", "pass"))
        .check();
    let found = seen.only("R705");
    assert!(found.message.contains("in a cycle"), "{}", found.message);
    assert_eq!(found.places.len(), 2);
}

#[test]
fn a_copied_migration_is_a_warning_and_a_different_one_an_error() {
    let case = Case::healthy().in_release("migrations/versions/a.py", USERS);
    let copy = case.in_release("migrations/versions/a_copy.py", USERS).check();
    assert_eq!(copy.only("R705").severity, Severity::Warning);

    let seen = Case::healthy()
        .in_release("migrations/versions/a.py", USERS)
        .in_release(
            "migrations/versions/b.py",
            migration("a1f0c2d4e6b8", "None", "op.drop_table('users')"),
        )
        .check();
    assert_eq!(seen.only("R705").severity, Severity::Error);
    assert_eq!(seen.only("R705").places.len(), 2);
}

#[test]
fn two_heads_below_one_label_are_rivals_all_the_same() {
    let labelled = "revision = 'a1f0c2d4e6b8'\ndown_revision = None\nbranch_labels = ('x',)\n";
    let seen = Case::healthy()
        .in_release("migrations/versions/a.py", labelled)
        .in_release("migrations/versions/b.py", migration("b2e1d3c5f7a9", "'a1f0c2d4e6b8'", "pass"))
        .in_release("migrations/versions/c.py", migration("c3d2e4b6a8f0", "'a1f0c2d4e6b8'", "pass"))
        .check();
    assert!(seen.only("R705").message.contains("2 heads"));
}

#[test]
fn a_file_that_is_not_understood_skips_the_graph() {
    let seen = Case::healthy()
        .in_release("migrations/versions/a.py", USERS)
        .in_release("migrations/versions/b.py", "revision = next_id()\ndown_revision = None\n")
        .check();
    assert!(seen.of("R705").is_empty(), "{:#?}", seen.hits);
    assert!(seen.reasons("R705")[0].contains("b.py"), "{:?}", seen.skips);
}

#[test]
fn without_the_databases_revision_nothing_is_said_of_it() {
    let seen = second("op.drop_table('users')").check();
    for code in ["R706", "R708"] {
        assert!(seen.of(code).is_empty());
        let reason = seen.reasons(code)[0];
        assert!(reason.contains("--db-revision \"$(flask db current)\""), "{reason}");
    }
    seen.passes("R705");
}

#[test]
fn destructive_operations_are_shown_with_table_and_column() {
    let cases = [
        ("op.drop_table('orders')", "drops table orders"),
        ("op.drop_column('users', 'nickname')", "drops users.nickname"),
        ("op.alter_column('users', 'name', new_column_name='full_name')", "renames users.name"),
        ("op.alter_column('users', 'name', nullable=False)", "makes users.name not nullable"),
        (
            "op.add_column('users', sa.Column('plan', sa.String(8), nullable=False))",
            "adds users.plan that must be filled and has no server default",
        ),
        ("op.execute('ALTER TABLE users DROP COLUMN name')", "drops users.name"),
    ];
    for (body, does) in cases {
        let seen = second(body).database_revision("a1f0c2d4e6b8").check();
        let found = seen.only("R706");
        assert_eq!(found.severity, Severity::Error, "{body}");
        assert!(found.message.ends_with(does), "{}", found.message);
        found.at(&versions("b2_x.py"), 7);
        assert_eq!(found.places[0].note, does);
    }
}

#[test]
fn what_may_break_the_running_code_is_a_warning() {
    for body in [
        "op.execute('SELECT convert_everything()')",
        "op.execute(f'UPDATE {TABLE} SET x = 1')",
        "op.create_foreign_key(None, 'orders', 'users', ['user_id'], ['id'])",
    ] {
        let seen = second(body).database_revision("a1f0c2d4e6b8").check();
        assert_eq!(seen.only("R706").severity, Severity::Warning, "{body}");
    }
}

#[test]
fn what_the_running_code_does_not_notice_is_pending_and_no_more() {
    for body in [
        "op.add_column('users', sa.Column('nickname', sa.String(40)))",
        "op.add_column('users', sa.Column('plan', sa.String(8), nullable=False, \
         server_default='free'))",
        "op.create_index('ix', 'users', ['name'])",
        "op.create_table('plans', sa.Column('id', sa.Integer)); op.drop_column('plans', 'id')",
    ] {
        let seen = second(body).database_revision("a1f0c2d4e6b8").check();
        seen.passes("R706");
        let found = seen.only("R708");
        found.at(&versions("b2_x.py"), 3);
        assert_eq!(found.places[0].note, "not applied");
        assert!(found.help.contains("--uid=www-data"), "{}", found.help);
        assert!(found.help.contains("bin/flask --app wsgi db upgrade"), "{}", found.help);
    }
}

#[test]
fn an_applied_migration_is_of_no_concern() {
    for printed in ["b2e1d3c5f7a9", "b2e1d3c5f7a9 (head)\n", "b2e1d3c5f7a9 (effective head)"] {
        let seen = second("op.drop_table('users')").database_revision(printed).check();
        seen.passes("R706");
        seen.passes("R708");
    }
}

#[test]
fn an_empty_database_has_everything_pending_and_nothing_to_break() {
    let seen = second("op.drop_table('users')").database_revision("").check();
    assert!(seen.only("R708").message.contains("2 migrations"));
    seen.passes("R706");
}

#[test]
fn a_database_ahead_of_the_code_has_its_own_message() {
    let seen = second("pass").database_revision("ffff00000000 (head)").check();
    let found = seen.only("R708");
    assert!(found.message.contains("ahead of the code"), "{}", found.message);
    assert_eq!(found.places[0].file, versions("b2_x.py"));
    assert!(seen.reasons("R706")[0].contains("ffff00000000"));
}

#[test]
fn a_revision_that_could_be_several_is_not_taken_for_unknown() {
    let seen = Case::healthy()
        .in_release("migrations/versions/a.py", migration("aaaa00000001", "None", "pass"))
        .in_release("migrations/versions/b.py", migration("aaaa00000002", "'aaaa00000001'", "pass"))
        .database_revision("aaaa")
        .check();
    assert!(seen.of("R708").is_empty());
    assert_eq!(seen.reasons("R708").len(), 1);
}

#[test]
fn a_revision_without_migrations_to_hold_it_against_is_no_pass() {
    let seen = Case::healthy().database_revision("a1f0c2d4e6b8").check();
    assert_eq!(seen.reasons("R708").len(), 1);
    seen.passes("R706");
}

/// Without the database's revision, what a release adds to the one before is likely pending.
#[test]
fn what_a_release_adds_is_a_warning_where_the_database_was_not_asked() {
    const BEFORE: &str = "/srv/myapp/releases/2026-04-14/migrations/versions";
    let drop = || second("op.drop_column('users', 'nickname')");
    let added = drop().file(&format!("{BEFORE}/a1_users.py"), USERS).check();
    let found = added.only("R706");
    assert_eq!(found.severity, Severity::Warning);
    assert!(found.evidence[0].contains("2026-04-14 lacks it"), "{found:#?}");
    // Older ones may be pending too.
    assert!(!added.reasons("R706").is_empty());
    let there = migration("b2e1d3c5f7a9", "'a1f0c2d4e6b8'", "op.drop_column('users', 'nickname')");
    let known = drop()
        .file(&format!("{BEFORE}/a1_users.py"), USERS)
        .file(&format!("{BEFORE}/b2_x.py"), there)
        .check();
    known.skipped("R706");
    let harmless = second("pass").file(&format!("{BEFORE}/a1_users.py"), USERS).check();
    harmless.skipped("R706");
}

#[test]
fn since_names_the_revision_after_which_migrations_are_new() {
    let drop = || second("op.drop_column('users', 'nickname')");
    let found = drop().since("a1f0c2d4e6b8").check();
    assert_eq!(found.only("R706").severity, Severity::Warning);
    assert!(found.only("R706").evidence[0].contains("--since"), "{found:#?}");
    drop().since("b2e1d3c5f7a9").check().passes("R706");
    drop().since("ffff00000000").check().skipped("R706");
}

/// A gate that is given the unit and not the virtual environment has not looked at it.
#[test]
fn an_environment_that_was_not_given_is_not_passed() {
    let unit = "testdata/healthy/etc/systemd/system/myapp.service";
    let ran = command::run(&["check", "--unit", unit, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let skipped = report["skipped"].as_array().unwrap();
    let kind = skipped.iter().find(|skip| skip["code"] == "R712").map(|skip| &skip["kind"]);
    assert_eq!(kind, Some(&"not-read".into()), "{}", ran.stdout);
    Case::healthy().check().passes("R712");
}

#[test]
fn what_keeps_writers_waiting_is_told_of_postgresql_and_of_what_is_pending() {
    let on = |case: Case, url: &str| {
        case.file(
            "/etc/myapp.env",
            format!("SECRET_KEY=7f1c9a52f0b84d3f9d0e6c1a5b2e8f47\nDATABASE_URL={url}\n"),
        )
    };
    let postgresql = "postgresql://myapp:x@127.0.0.1/myapp";
    let index = || second("op.create_index('ix', 'users', ['email'])");
    let seen = on(index(), postgresql).database_revision("a1f0c2d4e6b8").check();
    let found = seen.only("R707");
    found.is(Severity::Warning).says("write to users hang while migration b2e1d3c5f7a9 runs");
    assert!(!found.message.contains("myapp:x"), "{}", found.message);
    // Another database, one at head, an empty one, and one that is not known.
    for (case, revision) in [
        (on(index(), "sqlite:////srv/myapp/shared/myapp.db"), Some("a1f0c2d4e6b8")),
        (on(index(), postgresql), Some("b2e1d3c5f7a9")),
        (on(index(), postgresql), Some("")),
        (on(index(), postgresql), None),
    ] {
        let case = match revision {
            Some(revision) => case.database_revision(revision),
            None => case,
        };
        assert!(case.check().of("R707").is_empty(), "{revision:?}");
    }
    // The forms that keep nobody waiting, a table of its own, a moment, and what is R706's.
    for body in [
        "with op.get_context().autocommit_block():\n        op.create_index('ix', 'users', ['email'], postgresql_concurrently=True)",
        "op.create_foreign_key('fk', 'users', 'groups', ['g'], ['id'], postgresql_not_valid=True)",
        "op.create_table('groups', sa.Column('id', sa.Integer()))\n    op.create_index('ix', 'groups', ['id'])",
        "op.drop_index('ix', 'users')",
        "op.alter_column('users', 'email', nullable=False)",
    ] {
        let case = on(second(body), postgresql).database_revision("a1f0c2d4e6b8");
        assert!(case.check().of("R707").is_empty(), "{body}");
    }
}

#[test]
fn a_module_that_its_user_may_not_read_is_told_unless_python_has_it_compiled() {
    let closed = || {
        Case::healthy()
            .in_release("wsgi.py", "from shop.web import app\n")
            .in_release("shop/__init__.py", "")
            .in_release("shop/web.py", "from flask import Flask\n\napp = Flask(__name__)\n")
    };
    let file = format!("{RELEASE}/shop/web.py");
    let seen = closed().own(&file, 0o600, 0, 0).check();
    seen.only("R711").says("www-data cannot read").says("shop/web.py");
    let seen = closed().own(&format!("{RELEASE}/shop"), 0o700, 0, 0).check();
    seen.only("R711").says("cannot pass").says("nor 1 other module");
    // An up-to-date compiled form is read in its place.
    let compiled = format!("{RELEASE}/shop/__pycache__/web.cpython-311.pyc");
    closed()
        .own(&file, 0o600, 0, 0)
        .file(&compiled, "")
        .own(&compiled, 0o644, 0, 0)
        .check()
        .passes("R711");
    // The whole release is closed: systemd does not even get there.
    let seen = closed().own(RELEASE, 0o700, 0, 0).check();
    seen.only("U112");
    assert!(seen.of("R711").is_empty());
}
