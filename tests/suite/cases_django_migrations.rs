//! Django's migrations: the graph (R705), what pending ones break (R706) and lock (R707), and which
//! are pending (R708). What Django does in each case was measured with 4.2, 5.2 and 6.1.

use crate::support::answers;
use crate::support::case::{Case, Seen};
use deploy_doctor::facts::{self, Request, Scope};
use deploy_doctor::rule::Severity;
use deploy_doctor::source::Sources;

const SITE: &str = "/srv/myapp/.venv/lib/python3.11/site-packages";

const SETTINGS: &str = "INSTALLED_APPS = ['django.contrib.auth', 'shop']\n\
    DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop'}}\n";

/// A Django project with one application, `shop`, and Django's own `auth`.
fn project() -> Case {
    let wsgi = "import os\nfrom django.core.wsgi import get_wsgi_application\n\
        os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_.settings')\n\
        app = get_wsgi_application()\n";
    let mut case = Case::healthy()
        .in_release("wsgi.py", wsgi)
        .in_release("site_/__init__.py", "")
        .in_release("site_/settings.py", SETTINGS)
        .in_release("shop/__init__.py", "")
        .in_release("shop/migrations/__init__.py", "");
    let auth = "contrib/auth/migrations";
    for file in [
        "__init__",
        "core/__init__",
        "core/wsgi",
        "contrib/__init__",
        "contrib/auth/__init__",
        "contrib/auth/migrations/__init__",
    ] {
        case = case.file(&format!("{SITE}/django/{file}.py"), "");
    }
    for (name, follows) in [("0001_initial", ""), ("0002_names", "('auth', '0001_initial')")] {
        let text = migration(&format!("[{follows}]"), "");
        case = case.file(&format!("{SITE}/django/{auth}/{name}.py"), text);
    }
    case.file(&format!("{SITE}/django/contrib/auth/apps.py"), "from django.apps import AppConfig\nclass AuthConfig(AppConfig):\n    name = 'django.contrib.auth'\n")
}

fn migration(dependencies: &str, rest: &str) -> String {
    format!(
        "from django.conf import settings\nfrom django.db import migrations, models\n\n\n\
         class Migration(migrations.Migration):\n    dependencies = {dependencies}\n{rest}"
    )
}

fn operations(dependencies: &str, operations: &str) -> String {
    migration(dependencies, &format!("    operations = [{operations}]\n"))
}

fn file(name: &str) -> String {
    format!("shop/migrations/{name}.py")
}

const INITIAL: &str = "migrations.CreateModel('Order', [('id', models.BigAutoField(primary_key=True)), \
    ('name', models.CharField(max_length=20)), ('note', models.TextField(null=True)), \
    ('old', models.CharField(max_length=5, db_column='older'))])";

/// The project with one migration.
fn first() -> Case {
    project().in_release(&file("0001_initial"), operations("[]", INITIAL))
}

fn with(case: Case, name: &str, follows: &str) -> Case {
    case.in_release(&file(name), migration(&format!("[('shop', '{follows}')]"), ""))
}

/// A second migration that does this, where the database has the first.
fn second(does: &str) -> Seen {
    let text = operations("[('shop', '0001_initial')]", does);
    first().in_release(&file("0002_more"), text).database_revision(APPLIED).check()
}

const APPLIED: &str = "[X]  auth.0001_initial\n[X]  auth.0002_names\n[X]  shop.0001_initial\n\
    [ ]  shop.0002_more\n";

#[test]
fn a_healthy_project_has_nothing_to_say() {
    let case = first().in_release(
        &file("0002_user"),
        migration(
            "[('shop', '0001_initial'), ('auth', '0002_names'), \
             migrations.swappable_dependency(settings.AUTH_USER_MODEL)]",
            "    run_before = []\n    atomic = False\n    operations = []\n",
        ),
    );
    let seen =
        with(case, "0003_x", "0002_user").in_release("shop/migrations/_helpers.py", "").check();
    seen.passes("R705");
    // What is applied, nobody said.
    for code in ["R706", "R708"] {
        let reason = seen.reasons(code)[0];
        assert!(reason.contains("--db-revision \"$(python manage.py showmigrations"), "{reason}");
        assert!(!reason.contains("flask"), "{reason}");
    }
    seen.passes("R707");
}

#[test]
fn two_leaves_are_shown_in_their_files() {
    let seen = with(with(first(), "0002_a", "0001_initial"), "0002_b", "0001_initial").check();
    let found = seen.only("R705");
    found.is(Severity::Error).says("the migrations of shop have 2 leaves, 0002_a, 0002_b");
    found.helps("python manage.py makemigrations --merge shop");
    found.at("/srv/myapp/current/shop/migrations/0002_a.py", 6);
    found.also_at("/srv/myapp/current/shop/migrations/0002_b.py", 6);
    assert!(!found.help.contains("flask") && !found.message.contains("flask"));

    let merged = with(with(first(), "0002_a", "0001_initial"), "0002_b", "0001_initial")
        .in_release(&file("0003_merge"), migration("[('shop', '0002_a'), ('shop', '0002_b')]", ""));
    merged.check().passes("R705");
    // Two of one number, one after the other.
    with(with(first(), "0002_a", "0001_initial"), "0002_b", "0002_a").check().passes("R705");
}

#[test]
fn only_installed_applications_are_judged() {
    let other = |case: Case| {
        let text = |follows| migration(follows, "");
        case.in_release("other/__init__.py", "")
            .in_release("other/migrations/__init__.py", "")
            .in_release("other/migrations/0001_a.py", text("[]"))
            .in_release("other/migrations/0001_b.py", text("[]"))
    };
    other(first()).check().passes("R705");
    let settings = SETTINGS.replace("'shop']", "'shop', 'other.apps.OtherConfig']");
    let config = "from django.apps import AppConfig\nclass OtherConfig(AppConfig):\n    name = 'other'\n    label = 'others'\n";
    let seen = other(first())
        .in_release("site_/settings.py", settings)
        .in_release("other/apps.py", config)
        .check();
    seen.only("R705").says("the migrations of others have 2 leaves");

    for unread in [
        "import shop\nINSTALLED_APPS = shop.apps()\n",
        "from importlib import import_module\nINSTALLED_APPS = [x for x in ('shop',)]\n",
        "INSTALLED_APPS = ['shop']\nMIGRATION_MODULES = {'shop': 'elsewhere'}\n",
    ] {
        let two = with(with(first(), "0002_a", "0001_initial"), "0002_b", "0001_initial");
        let seen = two.in_release("site_/settings.py", unread).check();
        assert!(seen.of("R705").is_empty(), "{unread}");
    }
    let split = first().in_release("site_/settings.py", "from .base import *\nDEBUG = False\n");
    let split = with(with(split, "0002_a", "0001_initial"), "0002_b", "0001_initial");
    split.in_release("site_/base.py", SETTINGS).check().only("R705").says("2 leaves");
}

#[test]
fn a_parent_that_nobody_has_is_shown_where_it_is_named() {
    let seen = with(first(), "0003_x", "0002_gone").check();
    let found = seen.only("R705");
    found.says(
        "NodeNotFoundError: migration shop.0003_x follows shop.0002_gone, which no file contains",
    );
    found.helps("git log --all --oneline -- '*/migrations/0002_gone.py'");

    let on = |dependencies: &str| {
        first().in_release(&file("0002_x"), migration(dependencies, "")).check()
    };
    on("[('shop', '0001_initial'), ('auth', '0099_future')]").only("R705").says("auth.0099_future");
    on("[('shop', '0001_initial'), ('gone', '0001_initial')]")
        .only("R705")
        .says("but no application of INSTALLED_APPS has the label gone");
    on("[('shop', '0001_initial'), ('gone', '__first__')]")
        .only("R705")
        .says("ends in a ValueError");
    for fine in ["('auth', '__first__')", "('auth', '__latest__')", "('auth', '0002_names')"] {
        on(&format!("[('shop', '0001_initial'), {fine}]")).passes("R705");
    }
    let before = "    run_before = [('gone', '0001_initial')]\n";
    let before = migration("[('shop', '0001_initial')]", before);
    let seen = first().in_release(&file("0002_x"), before).check();
    seen.only("R705").says("must run before gone.0001_initial");
}

#[test]
fn a_parent_is_not_missed_where_it_cannot_be_told() {
    let text = migration("[('shop', '0001_initial'), ('gone', '0001_initial')]", "");
    let case = || first().in_release(&file("0002_x"), &text);
    for settings in [
        "import os\nINSTALLED_APPS = ['shop']\nif os.environ.get('D'):\n    INSTALLED_APPS += ['gone']\n",
        "INSTALLED_APPS = ['shop', 'unread.apps.GoneConfig']\n",
        "from .more import MORE\nINSTALLED_APPS = ['shop'] + MORE\n",
    ] {
        let seen = case().in_release("site_/settings.py", settings).check();
        assert!(seen.of("R705").is_empty(), "{settings}");
        assert!(seen.reasons("R705")[0].contains("gone.0001_initial"), "{:?}", seen.skips);
    }
    // What a package's squashed migration replaces need not be there.
    let squashed = migration("[]", "    replaces = [('auth', '0000_old')]\n");
    let seen = first()
        .file(&format!("{SITE}/django/contrib/auth/migrations/0000_squashed.py"), squashed)
        .in_release(
            &file("0002_x"),
            migration("[('shop', '0001_initial'), ('auth', '0000_old')]", ""),
        )
        .check();
    seen.passes("R705");
}

#[test]
fn a_circle_and_what_is_no_migration() {
    let seen = with(with(first(), "0002_a", "0003_b"), "0003_b", "0002_a").check();
    let found: Vec<&str> = seen.of("R705").iter().map(|hit| hit.message.as_str()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("CircularDependencyError"), "{found:?}");

    let seen = first().in_release("shop/migrations/helpers.py", "def fill(): pass\n").check();
    seen.only("R705").says("BadMigrationError: helpers.py").helps("_helpers.py");
    let seen =
        first().in_release("shop/migrations/again.py", "from shop.x import Migration\n").check();
    assert!(seen.of("R705").is_empty());
    assert!(seen.reasons("R705")[0].contains("again.py"), "{:?}", seen.skips);
}

#[test]
fn a_directory_that_is_no_package_is_passed_over_by_django() {
    let seen = first().remove("/srv/myapp/releases/2026-04-21/shop/migrations/__init__.py").check();
    let found = seen.only("R705");
    found.is(Severity::Error).says("exits 0 but does not apply the migration of shop");
    found.says("has no __init__.py");
    let none = project().remove("/srv/myapp/releases/2026-04-21/shop/migrations/__init__.py");
    none.in_release("shop/migrations/README.py", "").check().passes("R705");
}

#[test]
fn a_squashed_migration_stands_beside_what_it_replaces() {
    let replaces = "    replaces = [('shop', '0001_initial'), ('shop', '0002_a')]\n";
    let squashed = migration("[]", replaces);
    let case = || {
        let case = with(first(), "0002_a", "0001_initial");
        case.in_release(&file("0001_squashed"), &squashed)
    };
    case().check().passes("R705");
    with(case(), "0003_x", "0002_a").check().passes("R705");
    with(case(), "0003_x", "0001_squashed").check().passes("R705");
    let two = with(with(case(), "0003_x", "0001_squashed"), "0003_y", "0002_a");
    two.check().only("R705").says("2 leaves, 0003_x, 0003_y");
    // Where the replaced ones are gone, what follows them follows the squashed one.
    let gone = with(case(), "0003_x", "0002_a");
    let gone = gone.remove("/srv/myapp/releases/2026-04-21/shop/migrations/0002_a.py");
    gone.remove("/srv/myapp/releases/2026-04-21/shop/migrations/0001_initial.py")
        .check()
        .passes("R705");
}

#[test]
fn whether_leaves_are_two_can_hang_on_the_database() {
    // 0002_b follows what is replaced, and is not: with the squashed one in force it is one leaf.
    let replaces =
        "    replaces = [('shop', '0001_initial'), ('shop', '0002_a'), ('shop', '0002_b')]\n";
    let case = with(with(first(), "0002_a", "0001_initial"), "0002_b", "0001_initial");
    let seen = case.in_release(&file("0001_squashed"), migration("[]", replaces)).check();
    assert!(seen.of("R705").is_empty());
    assert!(seen.reasons("R705")[0].contains("depends on"), "{:?}", seen.skips);
}

#[test]
fn what_is_put_together_is_not_guessed() {
    for dependencies in ["previous()", "[('shop', NAME)]", "BASE + [('shop', '0001_initial')]"] {
        let seen = first().in_release(&file("0002_a"), migration(dependencies, "")).check();
        assert!(seen.of("R705").is_empty(), "{dependencies}");
    }
    let two = with(with(first(), "0002_a", "0001_initial"), "0002_b", "0001_initial");
    let seen = two.in_release(&file("0003_c"), migration("previous()", "")).check();
    assert!(seen.of("R705").is_empty());
    assert!(seen.reasons("R705")[0].contains("0003_c.py"), "{:?}", seen.skips);
}

#[test]
fn what_is_pending_is_told_by_showmigrations() {
    let seen = second("migrations.AddField('order', 'x', models.IntegerField(null=True))");
    let found = seen.only("R708");
    found.is(Severity::Error).says("1 migration not applied, shop.0002_more");
    found.helps("python manage.py migrate --settings site_.settings");
    found.helps("--uid=www-data");
    found.at("/srv/myapp/current/shop/migrations/0002_more.py", 5);
    seen.passes("R706");

    let all = APPLIED.replace("[ ]", "[X]");
    let more = || with(first(), "0002_more", "0001_initial");
    more().database_revision(&all).check().passes("R708");
    // A package that brings migrations of its own.
    let auth = all.replace("[X]  auth.0002", "[ ]  auth.0002");
    more().database_revision(&auth).check().only("R708").says("not applied, auth.0002_names");
    // As `showmigrations` prints it without --plan.
    let list =
        "auth\n [X] 0001_initial\n [X] 0002_names\nshop\n [X] 0001_initial\n [ ] 0002_more\n";
    more().database_revision(list).check().only("R708").says("shop.0002_more");
    // After a rollback, printed by the newer release.
    let ahead = format!("{all}[X]  shop.0003_newer\n");
    let seen = more().database_revision(&ahead).check();
    seen.only("R708").says("the database is ahead of the code").says("shop.0003_newer");
    for other in ["", "a1f0c2d4e6b8 (head)", "CommandError: x"] {
        let seen = more().database_revision(other).check();
        assert!(seen.of("R708").is_empty(), "{other}");
        assert!(seen.reasons("R708")[0].contains("is not the output"), "{:?}", seen.skips);
    }
}

#[test]
fn squashed_migrations_are_pending_as_django_has_them() {
    let replaces = "    replaces = [('shop', '0001_initial'), ('shop', '0002_more')]\n";
    let squashed = || {
        with(first(), "0002_more", "0001_initial")
            .in_release(&file("0001_squashed"), migration("[]", replaces))
    };
    let auth = "[X]  auth.0001_initial\n[X]  auth.0002_names\n";
    let none = format!("{auth}[ ]  shop.0001_squashed\n");
    squashed().database_revision(&none).check().only("R708").says("1 migration not applied");
    for all in ["[X]  shop.0001_squashed\n", "[X]  shop.0001_initial\n[X]  shop.0002_more\n"] {
        squashed().database_revision(&format!("{auth}{all}")).check().passes("R708");
    }
    let some = format!("{auth}[X]  shop.0001_initial\n");
    let seen = squashed().database_revision(&some).check();
    seen.only("R708").says("1 migration not applied, shop.0002_more");
}

#[test]
fn what_breaks_the_running_code_is_shown_with_model_and_field() {
    let cases = [
        ("migrations.DeleteModel('Order')", "drops the table of shop.Order"),
        ("migrations.RemoveField('order', 'name')", "drops shop.Order.name"),
        ("migrations.RemoveField(model_name='order', name='name')", "drops shop.Order.name"),
        ("migrations.RenameField('Order', 'name', 'title')", "renames shop.Order.name"),
        ("migrations.RenameModel('Order', 'Purchase')", "renames the table of shop.Order"),
        ("migrations.AlterModelTable('order', 'orders')", "renames the table of shop.Order"),
        (
            "migrations.AddField('order', 'x', models.IntegerField(default=0))",
            "adds shop.Order.x, which must be filled: its default is in Django, not in the \
             database",
        ),
        (
            "migrations.AlterField('order', 'note', models.TextField())",
            "makes shop.Order.note not nullable",
        ),
        (
            "migrations.AlterField('order', 'name', models.CharField(max_length=10))",
            "gives shop.Order.name a narrower type",
        ),
        (
            "migrations.AlterField('order', 'name', models.CharField(max_length=20, unique=True))",
            "makes values unique in shop.Order",
        ),
        ("migrations.RunSQL('ALTER TABLE shop_order DROP COLUMN name')", "drops shop_order.name"),
        (
            "migrations.AddConstraint('order', models.CheckConstraint(check=models.Q(x=1), name='c'))",
            "checks values in shop.Order",
        ),
    ];
    for (does, says) in cases {
        let seen = second(does);
        let found = seen.only("R706");
        found.is(Severity::Error);
        assert!(found.message.ends_with(says), "{does}: {}", found.message);
    }
}

#[test]
fn what_the_running_code_does_not_notice() {
    for does in [
        "migrations.AddField('order', 'x', models.IntegerField(null=True))",
        "migrations.AddField('order', 'x', models.IntegerField(db_default=0))",
        "migrations.AddField('order', 'x', models.ManyToManyField('auth.Group'))",
        "migrations.AlterField('order', 'name', models.CharField(max_length=20, verbose_name='n', default='x'))",
        "migrations.AlterField('order', 'name', models.CharField(max_length=30))",
        "migrations.AlterField('order', 'name', models.TextField())",
        "migrations.RenameField('order', 'old', 'young')",
        "migrations.AlterModelOptions('order', {'ordering': ['name']})",
        "migrations.AddIndex('order', models.Index(fields=['name'], name='i'))",
        "migrations.CreateModel('Line', [('id', models.AutoField(primary_key=True))]), migrations.AddField('line', 'x', models.IntegerField()), migrations.RunSQL('DROP TABLE shop_line')",
        "migrations.RunPython(migrations.RunPython.noop)",
        "migrations.RunSQL(migrations.RunSQL.noop)",
        "migrations.SeparateDatabaseAndState(database_operations=[], state_operations=[migrations.RemoveField('order', 'name')])",
    ] {
        second(does).passes("R706");
    }
    // Most fill what is new, so that this is no warning; it is not known, all the same.
    let seen = second("migrations.RunPython(fill)");
    assert!(seen.of("R706").is_empty());
    assert!(
        seen.reasons("R706")[0].contains("shop.0002_more runs its own Python"),
        "{:?}",
        seen.skips
    );
}

#[test]
fn what_was_taken_out_of_the_state_before_is_missed_by_nobody() {
    let state = "migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField('order', 'name')])";
    let drop = "migrations.SeparateDatabaseAndState(database_operations=[migrations.RemoveField('order', 'name')])";
    let case = || {
        first()
            .in_release(&file("0002_more"), operations("[('shop', '0001_initial')]", state))
            .in_release(&file("0003_drop"), operations("[('shop', '0002_more')]", drop))
    };
    let applied = APPLIED.replace("[ ]", "[X]");
    case().database_revision(&applied).check().passes("R706");
    case().database_revision(APPLIED).check().only("R706").says("drops shop.Order.name");
}

#[test]
fn what_is_not_known_may_break() {
    for does in [
        "own.Operation('order')",
        "*more()",
        "migrations.RunSQL(SQL)",
        "migrations.AddField('order', 'x', fields.Own())",
        "migrations.AlterField('other', 'x', models.IntegerField())",
    ] {
        second(does).only("R706").is(Severity::Warning);
    }
}

#[test]
fn without_a_database_what_a_release_adds_is_likely_pending() {
    let earlier = "/srv/myapp/releases/2026-04-14/shop/migrations/0001_initial.py";
    let does = operations("[('shop', '0001_initial')]", "migrations.RemoveField('order', 'name')");
    let case = || first().in_release(&file("0002_more"), &does);
    assert!(case().check().of("R706").is_empty());
    let seen = case().file(earlier, operations("[]", INITIAL)).check();
    seen.only("R706").is(Severity::Warning).says("shop.0002_more");
    let seen = case().since("shop.0001_initial").check();
    seen.only("R706").is(Severity::Warning).says("shop.0002_more");
}

#[test]
fn locks_are_said_of_postgresql_alone() {
    let cases = [
        (
            "migrations.AddIndex('order', models.Index(fields=['name'], name='i'))",
            "an index is built",
        ),
        ("migrations.AddField('order', 'x', models.SlugField(null=True))", "an index is built"),
        (
            "migrations.AlterField('order', 'name', models.SlugField(max_length=20))",
            "an index is built",
        ),
        (
            "migrations.AddField('order', 'x', models.IntegerField(null=True)), migrations.RunPython(fill)",
            "one transaction",
        ),
    ];
    for (does, says) in cases {
        let seen = second(does);
        seen.only("R707").is(Severity::Warning).says(says).says("shop.Order");
        let text = operations("[('shop', '0001_initial')]", does);
        let lite = SETTINGS.replace("postgresql", "sqlite3");
        let lite =
            first().in_release("site_/settings.py", lite).in_release(&file("0002_more"), text);
        lite.database_revision(APPLIED).check().passes("R707");
    }
    for does in [
        "migrations.AddField('order', 'x', models.IntegerField(null=True))",
        "AddIndexConcurrently('order', models.Index(fields=['name'], name='i'))",
        "migrations.RunPython(fill)",
        "migrations.RunPython(fill), migrations.AddField('order', 'x', models.IntegerField(null=True))",
        "migrations.AlterField('order', 'name', models.CharField(max_length=200))",
        "migrations.CreateModel('Line', [('id', models.AutoField(primary_key=True))]), migrations.AddIndex('line', models.Index(fields=['id'], name='i'))",
    ] {
        second(does).passes("R707");
    }
    // A wider primary key: what a changed DEFAULT_AUTO_FIELD makes of every table.
    let small = INITIAL.replace("BigAutoField", "AutoField");
    let wide = "migrations.AlterField('order', 'id', models.BigAutoField(primary_key=True))";
    let seen = project()
        .in_release(&file("0001_initial"), operations("[]", &small))
        .in_release(&file("0002_more"), operations("[('shop', '0001_initial')]", wide))
        .database_revision(APPLIED)
        .check();
    seen.only("R707").says("the table is rewritten");
    seen.passes("R706");
}

#[test]
fn ten_thousand_migrations_cost_little() {
    let mut case = first();
    let mut before = "0001_initial".to_owned();
    for number in 2..2000 {
        let name = format!("{number:04}_x");
        let follows = format!("[('shop', '{before}')]");
        case = case.in_release(
            &file(&name),
            operations(
                &follows,
                "migrations.AddField('order', 'x', models.IntegerField(null=True))",
            ),
        );
        before = name;
    }
    let start = std::time::Instant::now();
    case.check().passes("R705");
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn what_follows_itself_is_a_circle() {
    let own = migration("[('shop', '0001_initial'), ('shop', '0002_x')]", "");
    let seen = first().in_release(&file("0002_x"), own).check();
    seen.only("R705").says("in a cycle, shop.0002_x after shop.0002_x");
    // It follows what it replaces, which is gone.
    let text = migration("[('shop', '0002_x')]", "    replaces = [('shop', '0002_x')]\n");
    let seen = project().in_release(&file("0001_squashed"), text).check();
    seen.only("R705").says("CircularDependencyError");
    // What is replaced follows what is replaced and gone.
    let replaces = "    replaces = [('shop', '0001_initial'), ('shop', '0002_x')]\n";
    let case = project().in_release(&file("0001_squashed"), migration("[]", replaces));
    with(case, "0002_x", "0001_initial").check().passes("R705");
}

#[test]
fn preflight_asks_django_itself() {
    let asked = |answer: &str| {
        let text = format!("{{\"stage\": \"done\", \"seconds\": 0.2}}\n{answer}\n");
        let case = with(first(), "0002_more", "0001_initial").living(|host| {
            host.imports(Ok(answers::output(0, &text)));
        });
        let host = case.into_host();
        let sources = Sources::new(&host);
        let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
        let mut deployment = facts::read(&sources, &request);
        facts::preflight::run(&sources, &mut deployment);
        deployment.apps.remove(0).release.database_revision
    };
    let plan =
        asked("{\"plan\": [[true, \"shop\", \"0001_initial\"], [false, \"shop\", \"0002_more\"]]}");
    assert_eq!(plan.ok().unwrap(), "[X]  shop.0001_initial\n[ ]  shop.0002_more\n");
    for strange in ["\\n[X] a.b", "", "\\u001b[31m"] {
        let plan = asked(&format!("{{\"plan\": [[true, \"shop\", \"{strange}\"]]}}"));
        assert!(plan.ok().is_none(), "{strange}");
    }
}

#[test]
fn the_label_of_an_application_is_its_configurations() {
    let told = |config: &str| {
        let settings = SETTINGS.replace("'shop']", "'shop', 'other']");
        let leaf = || migration("[]", "");
        let seen = first()
            .in_release("site_/settings.py", settings)
            .in_release("other/__init__.py", "")
            .in_release("other/apps.py", config)
            .in_release("other/migrations/__init__.py", "")
            .in_release("other/migrations/0001_a.py", leaf())
            .in_release("other/migrations/0001_b.py", leaf())
            .check();
        let found = seen.of("R705").first().map(|hit| hit.message.clone());
        let word = |text: &str| text.split_whitespace().next().map(str::to_owned);
        found.and_then(|text| word(text.split("migrations of ").nth(1)?))
    };
    let app = "from django.apps import AppConfig\n";
    let class = |name: &str, base: &str, rest: &str| {
        format!("class {name}({base}):\n    name = 'other'\n    {rest}\n")
    };
    assert_eq!(told("").as_deref(), Some("other"));
    let one = format!("{app}{}", class("A", "AppConfig", "label = 'others'"));
    assert_eq!(told(&one).as_deref(), Some("others"));
    let two = class("A", "B", "label = 'others'");
    let two = format!("{app}class B(AppConfig):\n    default = False\n{two}");
    assert_eq!(told(&two).as_deref(), Some("others"));
    let import = "from search import SearchAppConfig\n";
    let chosen = class("A", "SearchAppConfig", "label = 'others'\n    default = True");
    assert_eq!(told(&format!("{import}{chosen}")).as_deref(), Some("others"));
    // Which one Django would take is not known.
    let imported = class("A", "SearchAppConfig", "label = 'others'");
    assert_eq!(told(&format!("{import}{imported}")), None);
    let computed = format!("{app}{}", class("A", "AppConfig", "label = LABEL"));
    assert_eq!(told(&computed), None);
}

#[test]
fn without_the_venv_the_projects_own_are_judged_all_the_same() {
    let two = with(with(first(), "0002_a", "0001_initial"), "0002_b", "0001_initial");
    two.remove("/srv/myapp/.venv").check().only("R705").says("2 leaves");
    let on = |name: &str| {
        let dependencies = format!("[('shop', '0001_initial'), ('auth', '{name}')]");
        let case = first().in_release(&file("0002_x"), migration(&dependencies, ""));
        case.remove("/srv/myapp/.venv").check()
    };
    let seen = on("0099_future");
    assert!(seen.of("R705").is_empty());
    assert!(seen.reasons("R705")[0].contains("auth.0099_future"), "{:?}", seen.skips);
}
