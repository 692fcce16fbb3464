//! Migrations: identifiers, the graph, operations, where they are, and hostile files.

use std::path::Path;
use std::time::{Duration, Instant};

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::alembic::{self, Breaks, Kind, Locks, Operation, Revisions};
use deploy_doctor::source::{FileId, Sources, Span};

fn read(files: &[(&str, &str)]) -> Revisions {
    let mut host = MemoryHost::new();
    host.directory("/v");
    for (name, text) in files {
        host.file(format!("/v/{name}"), *text);
    }
    alembic::read(&Sources::new(&host), Path::new("/v")).unwrap()
}

fn revision(id: &str, down: &str) -> String {
    format!("revision = '{id}'\ndown_revision = {down}\ndef upgrade():\n    pass\n")
}

/// What a body of `upgrade()` does.
fn operations(body: &str) -> Vec<Operation> {
    let indented: String = body.lines().map(|line| format!("    {line}\n")).collect();
    migration(&format!("def upgrade():\n{indented}"))
}

fn migration(rest: &str) -> Vec<Operation> {
    let text = format!(
        "from alembic import op\nimport sqlalchemy as sa\nrevision = 'a'\ndown_revision = None\n{rest}"
    );
    let read = read(&[("a_x.py", &text)]);
    assert!(read.faults.is_empty(), "{:?}", read.faults);
    read.revisions[0].operations.clone()
}

fn kinds(body: &str) -> Vec<Kind> {
    operations(body).iter().map(|operation| operation.kind).collect()
}

#[test]
fn identifiers_in_every_form_are_read() {
    let read = read(&[
        ("a.py", "REV = 'aaaa'\nrevision: str = REV\ndown_revision: str | None = None\n"),
        ("b.py", "revision = 'bbbb'\ndown_revision = ('aaaa')\nbranch_labels = ('x',)\n"),
        ("c.py", "revision = 'cccc'\ndown_revision = ('aaaa', 'bbbb')\ndepends_on = ['aaaa']\n"),
        ("__init__.py", "boom("),
        (".#c.py", "boom("),
        ("notes.txt", "boom("),
    ]);
    assert!(read.faults.is_empty(), "{:?}", read.faults);
    assert_eq!(read.heads().unwrap(), ["cccc"]);
    assert_eq!(read.bases().unwrap(), ["aaaa"]);
    assert_eq!(read.revisions[1].labels, ["x"]);
    assert_eq!(read.revisions[2].depends_on[0].value, "aaaa");
    assert_eq!(read.pending("aaaa").unwrap(), ["bbbb", "cccc"]);
    assert_eq!(read.pending("").unwrap().len(), 3);
    assert!(read.pending("dddd").is_err());
    assert!(read.ancestors("bbbb").unwrap().contains("aaaa"));
    assert!(!read.ancestors("bbbb").unwrap().contains("cccc"));
}

#[test]
fn what_is_not_understood_makes_the_graph_unknown() {
    for bad in [
        "revision = make()\ndown_revision = None\n",
        "down_revision = None\n",
        "revision = 'b'\ndown_revision = previous()\n",
        "from other import down_revision\nrevision = 'b'\n",
        "if x:\n    revision = 'b'\n",
        "revision = 'b\n",
        "revision = 'b'\ndown_revision = f'{x}'\n",
    ] {
        let read = read(&[("a.py", &revision("a", "None")), ("b.py", bad)]);
        assert_eq!(read.faults.len(), 1, "{bad}");
        assert!(read.heads().is_err() && read.pending("a").is_err(), "{bad}");
    }
}

#[test]
fn broken_graphs_are_named() {
    let two = read(&[
        ("a.py", &revision("a", "None")),
        ("b.py", &revision("b", "'a'")),
        ("c.py", &revision("c", "'a'")),
    ]);
    assert_eq!(two.heads().unwrap(), ["b", "c"]);
    assert_eq!(two.pending("b").unwrap(), ["c"]);
    assert_eq!(two.pending("b, c").unwrap(), Vec::<&str>::new());

    let missing = read(&[("b.py", &revision("b", "'gone'"))]);
    assert_eq!(missing.missing_parents().unwrap()[0].1.value, "gone");
    assert!(missing.pending("").is_err());

    let cycle = read(&[
        ("a.py", &revision("a", "None")),
        ("b.py", &revision("b", "('a', 'd')")),
        ("c.py", &revision("c", "'b'")),
        ("d.py", &revision("d", "'c'")),
        ("e.py", &revision("e", "'d'")),
    ]);
    let mut found = cycle.cycles().concat();
    found.sort_unstable();
    assert_eq!(found, ["b", "c", "d"]);
    assert!(cycle.pending("a").is_err());

    let same = read(&[("a.py", &revision("a", "None")), ("b.py", &revision("a", "None"))]);
    assert_eq!(same.duplicates().len(), 1);
    assert_eq!(same.heads().unwrap(), ["a"]);
    let differ = read(&[("a.py", &revision("a", "None")), ("b.py", &revision("a", "'a'"))]);
    assert!(differ.heads().is_err());
}

#[test]
fn operations_are_classified() {
    let cases: [(&str, Kind, bool); 26] = [
        ("op.drop_column('t', 'c')", Kind::DropColumn, true),
        ("op.drop_table('t')", Kind::DropTable, true),
        ("op.rename_table('t', 'u')", Kind::RenameTable, true),
        ("op.alter_column('t', 'c', new_column_name='d')", Kind::RenameColumn, true),
        ("op.alter_column('t', 'c', nullable=False)", Kind::SetNotNull, true),
        ("op.alter_column('t', 'c', nullable=True)", Kind::DropNotNull, false),
        ("op.alter_column('t', 'c', server_default=None)", Kind::DropServerDefault, true),
        ("op.alter_column('t', 'c', server_default='x')", Kind::SetServerDefault, false),
        ("op.add_column('t', sa.Column('c', sa.Text()))", Kind::AddColumn, false),
        (
            "op.add_column('t', sa.Column('c', sa.Text(), nullable=False))",
            Kind::AddColumnNotNull,
            true,
        ),
        (
            "op.add_column('t', sa.Column('c', sa.Text(), nullable=False, server_default='x'))",
            Kind::AddColumn,
            false,
        ),
        ("op.create_unique_constraint('u', 't', ['c'])", Kind::AddUnique, true),
        ("op.create_check_constraint('u', 't', 'c > 0')", Kind::AddCheck, true),
        ("op.create_exclude_constraint('u', 't', ('c', '='))", Kind::AddExclude, true),
        ("op.drop_constraint('u', 't')", Kind::DropConstraint, false),
        (
            "op.create_index(op.f('i'), 't', ['c'])",
            Kind::CreateIndex { concurrently: false, unique: false },
            false,
        ),
        (
            "op.create_index('i', 't', ['c'], unique=True)",
            Kind::CreateIndex { concurrently: false, unique: true },
            true,
        ),
        (
            "op.alter_column('t', 'c', existing_type=sa.String(80), type_=sa.String(length=40))",
            Kind::NarrowType,
            true,
        ),
        (
            "op.alter_column('t', 'c', existing_type=sa.String(40), type_=sa.Text())",
            Kind::WidenType,
            false,
        ),
        (
            "op.alter_column('t', 'c', existing_type=sa.BigInteger(), type_=sa.Integer())",
            Kind::NarrowType,
            true,
        ),
        ("op.execute('DROP TABLE t')", Kind::DropTable, true),
        ("op.execute(sa.text('ALTER TABLE t DROP COLUMN c'))", Kind::DropColumn, true),
        ("op.execute(\"ALTER TYPE mood RENAME VALUE 'a' TO 'b'\")", Kind::EnumRename, true),
        ("op.get_bind().execute('alter table s.t rename to u')", Kind::RenameTable, true),
        ("op.execute('ALTER TABLE t ADD COLUMN c int NOT NULL')", Kind::AddColumnNotNull, true),
        ("op.execute('ALTER TABLE t ADD c int NOT NULL DEFAULT 0')", Kind::AddColumn, false),
    ];
    for (call, kind, breaks) in cases {
        let found = operations(call);
        assert_eq!(found.len(), 1, "{call}: {found:?}");
        assert_eq!(found[0].kind, kind, "{call}");
        assert_eq!(found[0].breaks == Breaks::Yes, breaks, "{call}: {:?}", found[0].breaks);
        assert!(breaks || found[0].breaks == Breaks::No, "{call}: {:?}", found[0].breaks);
    }
}

#[test]
fn what_is_not_known_is_said_to_be_unknown() {
    for call in [
        "op.execute(f'DROP TABLE {x}')",
        "op.execute('DO $$ BEGIN END $$')",
        "op.execute('SELECT do_it()')",
        "op.execute(\"ALTER TYPE mood ADD VALUE 'x'\")",
        "op.execute('UPDATE t SET c = 1')",
        "op.add_column('t', column)",
        "op.add_column('t', sa.Column('c', sa.Text(), nullable=maybe))",
        "op.alter_column('t', 'c', type_=Custom())",
        "op.alter_column('t', 'c', **options)",
        "op.frobnicate('t')",
        "other.migrate(op)",
    ] {
        let found = operations(call);
        let unknown = found.iter().any(|o| matches!(o.breaks, Breaks::Unknown(_)));
        assert!(unknown, "{call}: {found:?}");
    }
    let helper = migration("from app.helpers import move\ndef upgrade():\n    move()\n");
    assert!(matches!(helper[0].breaks, Breaks::Unknown(_)));
    let none = migration("def downgrade():\n    pass\n");
    assert!(matches!(none[0].breaks, Breaks::Unknown(_)));
    assert!(operations("print('x')\nx = [1, 2]\nop.get_context()").is_empty());
}

#[test]
fn batches_helpers_constants_and_loops_are_followed() {
    let batch = operations(
        "with op.batch_alter_table('t', schema=None) as batch_op:\n    \
         batch_op.drop_column('c')\n    batch_op.create_index('i', ['c'], unique=False)\n    \
         batch_op.alter_column('d', nullable=False)",
    );
    let shown: Vec<_> = batch.iter().map(|o| (o.table.as_deref(), o.column.as_deref())).collect();
    assert_eq!(shown, [(Some("t"), Some("c")), (Some("t"), None), (Some("t"), Some("d"))]);
    assert_eq!(batch[2].kind, Kind::SetNotNull);

    let helper = migration(
        "T = 'users'\ndef drop(o, column, table=T):\n    o.drop_column(table, column)\n\
         def upgrade():\n    drop(op, 'a')\n    drop(op, column='b', table='x')\n    upgrade()\n",
    );
    let shown: Vec<_> = helper.iter().map(|o| (o.table.as_deref(), o.column.as_deref())).collect();
    assert_eq!(shown[..2], [(Some("users"), Some("a")), (Some("x"), Some("b"))]);
    assert!(matches!(helper[2].breaks, Breaks::Unknown(_)));

    let repeat = operations("for t in ('a', 'b'):\n    op.drop_table(t)");
    assert_eq!(repeat.len(), 2);
    assert_eq!(repeat[1].table.as_deref(), Some("b"));
    let unknown = operations("for t in tables:\n    op.drop_table(t)");
    assert_eq!((unknown.len(), &unknown[0].table), (1, &None));

    let direct = migration("from alembic.op import drop_table as d\ndef upgrade():\n    d('t')\n");
    assert_eq!(direct[0].kind, Kind::DropTable);
    let several = migration(
        "def upgrade(engine):\n    globals()['upgrade_%s' % engine]()\n\
         def upgrade_one():\n    op.drop_table('t')\ndef downgrade_one():\n    op.drop_table('u')\n",
    );
    assert_eq!(several.len(), 1);
    assert_eq!(several[0].table.as_deref(), Some("t"));
}

#[test]
fn locks_are_told_for_postgresql() {
    let plain = operations("op.create_index('i', 't', ['c'])");
    assert!(matches!(plain[0].locks, Locks::Yes(_)));
    let outside = operations("op.create_index('i', 't', ['c'], postgresql_concurrently=True)");
    assert!(matches!(outside[0].locks, Locks::Unknown(_)));
    let inside = operations(
        "with op.get_context().autocommit_block():\n    \
         op.create_index('i', 't', ['c'], postgresql_concurrently=True)\n\
         op.drop_index('j', table_name='t')",
    );
    assert_eq!(inside[0].locks, Locks::No);
    assert!(matches!(inside[1].locks, Locks::Yes(_)));
    let valid = operations(
        "op.create_foreign_key('f', 't', 'u', ['a'], ['b'])\n\
         op.create_foreign_key('f', 't', 'u', ['a'], ['b'], postgresql_not_valid=True)",
    );
    assert!(matches!(valid[0].locks, Locks::Yes(_)));
    assert_eq!(valid[1].locks, Locks::No);
    let place = Span::new(FileId(0), 0, 0);
    let sql = alembic::classify_sql("create index concurrently i on t (c); -- x", place, true);
    assert_eq!((sql.len(), &sql[0].locks, sql[0].table.as_deref()), (1, &Locks::No, Some("t")));
}

#[test]
fn tables_that_the_pending_set_creates_are_skipped() {
    let one = "from alembic import op\nrevision='a'\ndown_revision=None\n\
               def upgrade():\n    op.create_table('new')\n    op.drop_column('new', 'c')\n";
    let two = "from alembic import op\nrevision='b'\ndown_revision='a'\n\
               def upgrade():\n    op.drop_column('new', 'd')\n    op.drop_column('old', 'd')\n";
    let read = read(&[("a.py", one), ("b.py", two)]);
    let all = read.operations(&read.pending("").unwrap());
    let tables: Vec<_> = all.iter().map(|(_, o)| (o.kind, o.table.as_deref().unwrap())).collect();
    assert_eq!(tables, [(Kind::CreateTable, "new"), (Kind::DropColumn, "old")]);
    assert_eq!(read.operations(&read.pending("a").unwrap()).len(), 2);
    assert_eq!(kinds("pass"), []);
}

#[test]
fn the_directory_is_found() {
    let find = |files: &[(&str, &str)]| {
        let mut host = MemoryHost::new();
        for (path, text) in files {
            host.file(format!("/app/{path}"), *text);
        }
        alembic::locate::find(&Sources::new(&host), Path::new("/app")).unwrap()
    };
    let shown = |files: &[(&str, &str)]| -> Vec<String> {
        find(files).directories.iter().map(|d| d.display().to_string()).collect()
    };
    assert_eq!(shown(&[("migrations/versions/a.py", "")]), ["/app/migrations/versions"]);
    assert_eq!(shown(&[("alembic/versions/a.py", "")]), ["/app/alembic/versions"]);
    assert_eq!(
        shown(&[("alembic.ini", "[alembic]\n# x\nscript_location = %(here)s/db\n")]),
        ["/app/db/versions"]
    );
    assert_eq!(
        shown(&[(
            "alembic.ini",
            "[x]\nversion_locations = no\n[alembic]\nversion_locations = a\n    b\npath_separator = newline\n"
        )]),
        ["/app/a", "/app/b"]
    );
    assert!(shown(&[("app.py", "")]).is_empty());
    let package = find(&[("alembic.ini", "[alembic]\nscript_location = app:migrations\n")]);
    assert_eq!((package.directories.len(), package.faults.len()), (0, 1));
}

#[test]
fn hostile_files_are_faults() {
    let deep = |open: &str, count: usize, end: &str| {
        format!("revision = 'a'\nx = {}1{}\n", open.repeat(count), end.repeat(count))
    };
    let mut blocks = String::from("revision = 'a'\n");
    for depth in 0..150 {
        blocks.push_str(&format!("{}if x:\n", " ".repeat(depth)));
    }
    for text in [
        deep("(", 100_000, ")"),
        deep("-", 200_000, ""),
        deep("1 + ", 200_000, ""),
        deep("not ", 200_000, ""),
        deep("lambda: ", 100_000, ""),
        deep("1 if x else ", 100_000, ""),
        deep("x.", 200_000, ""),
        blocks,
        "revision = 'a'\0".into(),
        "x".repeat(5 << 20),
    ] {
        let read = read(&[("a.py", &text)]);
        assert_eq!(read.faults.len(), 1, "{}", &text[..60]);
    }
    // Just below what is refused, all is parsed on the thread's stack.
    for text in
        [deep("(", 190, ")"), deep("-", 3900, ""), deep("1 + ", 3900, ""), deep("not ", 3900, "")]
    {
        let read = read(&[("a.py", &text)]);
        assert_eq!(read.faults, [], "{}", &text[..60]);
    }
}

#[test]
fn five_thousand_revisions_take_linear_time() {
    let mut host = MemoryHost::new();
    for number in 0..5000 {
        let down = if number == 0 { "None".into() } else { format!("'r{:05}'", number - 1) };
        host.file(format!("/v/{number:05}.py"), revision(&format!("r{number:05}"), &down));
    }
    let sources = Sources::new(&host);
    let start = Instant::now();
    let read = alembic::read(&sources, Path::new("/v")).unwrap();
    assert_eq!(read.heads().unwrap(), ["r04999"]);
    assert_eq!(read.pending("r00000").unwrap().len(), 4999);
    assert_eq!(read.ancestors("r04999").unwrap().len(), 5000);
    assert!(read.cycles().is_empty());
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
