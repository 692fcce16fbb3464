//! The zero-downtime checklist: what files can answer is answered, and what was not read is never
//! passed.

use deploy_doctor::engine::{ChecklistItem, SeenIn, Selection, Settings, Status};
use deploy_doctor::facts::{self, Request, Scope};
use deploy_doctor::rule::Item;
use deploy_doctor::source::Sources;
use deploy_doctor::{engine, rules};

use crate::support::case::{Case, Seen};
use crate::support::command::{Copied, run};
use crate::support::living::World;

fn item(list: &[ChecklistItem], item: Item) -> &ChecklistItem {
    list.iter().find(|one| one.item == item).unwrap()
}

fn list(seen: &Seen) -> &[ChecklistItem] {
    &seen.apps[0].2
}

/// The items of a status, in order.
fn of(list: &[ChecklistItem], status: Status) -> Vec<Item> {
    list.iter().filter(|one| one.status == status).map(|one| one.item).collect()
}

#[test]
fn what_files_can_answer_is_passed_as_far_as_files_show() {
    let seen = Case::healthy().check();
    // Of the logs no file tells anything; every other item has rules that read files alone.
    assert_eq!(of(list(&seen), Status::Unknown), [Item::CleanLogs]);
    assert_eq!(of(list(&seen), Status::Pass).len(), 14);
    assert!(item(list(&seen), Item::CleanLogs).needs_host);
    for one in list(&seen).iter().filter(|one| one.status == Status::Pass) {
        assert_eq!((one.seen, one.needs_host), (Some(SeenIn::Files), false), "{one:?}");
    }
}

#[test]
fn what_files_could_have_answered_and_was_not_read_is_not_passed() {
    let seen = Case::healthy().remove("/srv/myapp/.venv").check();
    let dependencies = item(list(&seen), Item::Dependencies);
    assert_eq!((dependencies.status, dependencies.seen), (Status::Unknown, None));
    // A host is not what is missing.
    assert!(!dependencies.needs_host, "{dependencies:?}");
}

#[test]
fn of_a_django_project_nothing_is_said_of_migrations_that_were_not_read() {
    let wsgi = "import os\nfrom django.core.wsgi import get_wsgi_application\n\
                os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n\
                app = get_wsgi_application()\n";
    let django = || {
        Case::healthy()
            .in_release("wsgi.py", wsgi)
            .in_release("shop/__init__.py", "")
            .in_release("shop/settings.py", "ALLOWED_HOSTS = ['example.com']\n")
    };
    let migrations = |seen: &Seen| item(list(seen), Item::Migrations).clone();
    let seen = migrations(&django().check());
    assert_eq!((seen.status, seen.needs_host), (Status::Unknown, false));
    assert!(seen.why.is_some_and(|why| why.contains("INSTALLED_APPS")));
    // Where Alembic's are beside it, they are what the release has.
    let first = "revision = 'a1'\ndown_revision = None\n\ndef upgrade():\n    pass\n";
    let both = django().in_release("migrations/versions/a1.py", first).database_revision("a1");
    assert_eq!(migrations(&both.check()).status, Status::Pass);
}

#[test]
fn a_unit_alone_passes_what_it_tells_and_nothing_of_what_was_not_given() {
    let unit = "testdata/healthy/etc/systemd/system/myapp.service";
    let said = run(&["check", "--format", "json", "--unit", unit]).stdout;
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let list = report["apps"][0]["checklist"].as_array().unwrap();
    let passed = list.iter().filter(|item| item["status"] == "pass");
    let passed: Vec<&str> = passed.map(|item| item["item"].as_str().unwrap()).collect();
    assert_eq!(passed, ["exec-reload", "multiple-workers"]);
    assert!(list.iter().all(|item| item["status"] != "pass" || item["seen"] == "files"), "{said}");
}

#[test]
fn a_rule_that_was_left_out_passes_nothing() {
    let case = Case::healthy();
    let sources = Sources::new(&case.host);
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
    let deployment = facts::read(&sources, &request);
    let without = |code: &str| {
        let selection = Selection::new(rules::all(), &[], &[code.to_owned()]).unwrap();
        let settings = Settings { selection, ..Settings::default() };
        engine::run(rules::all(), &deployment, &sources, &settings).apps.remove(0).checklist
    };
    let list = without("U101");
    let reload = item(&list, Item::ExecReload);
    assert_eq!((reload.status, reload.needs_host), (Status::Unknown, false), "{reload:?}");
    // One that only a host could have run is no less left out.
    assert_eq!(item(&without("L801"), Item::CleanLogs).status, Status::Unknown);
    assert!(!item(&without("L801"), Item::CleanLogs).needs_host);
}

#[test]
fn on_a_living_host_a_pass_says_so_and_what_was_not_asked_stays_open() {
    let mut case = Case::healthy();
    World::healthy(&case.host).write(&mut case.host);
    let seen = case.check();
    for one in list(&seen) {
        let expected = (one.status == Status::Pass).then_some(SeenIn::Host);
        assert_eq!((one.seen, one.needs_host), (expected, false), "{one:?}");
    }
    assert_eq!(item(list(&seen), Item::UpstreamStable).status, Status::Pass);
    // No answer was looked at, and nothing imported: here and now both could have been.
    assert_eq!(item(list(&seen), Item::No502).status, Status::Unknown);
    assert_eq!(item(list(&seen), Item::CodeBoots).status, Status::Unknown);
}

#[test]
fn the_text_says_in_one_line_what_only_a_host_can_answer() {
    let tree = Copied::of("healthy");
    let root = tree.root();
    let said = run(&["check", "--root", root.to_str().unwrap()]).stdout;
    assert!(
        said.contains("✓  systemctl reload reaches gunicorn    as far as files show"),
        "{said}"
    );
    assert!(said.contains("\n   1 item to check on a running host: run this there\n"), "{said}");
    assert!(!said.contains("the logs are clean"), "{said}");
    // What was not read is no matter of the host.
    let unit = tree.at("/etc/systemd/system/myapp.service");
    let said = run(&["check", "--unit", unit.to_str().unwrap()]).stdout;
    assert!(said.contains("?  requirements are installed           not known"), "{said}");
    assert!(said.contains("\n   1 item to check on a running host: run this there\n"), "{said}");
}
