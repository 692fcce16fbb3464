//! Units that show their service other files than the machine has at the paths that gunicorn needs.

use deploy_doctor::engine::Status;
use deploy_doctor::facts::Given;
use deploy_doctor::rule::Item;

use crate::support::case::{Case, Seen};

const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/view.conf";
/// What says that gunicorn cannot start, where nothing is at its paths.
const START: [&str; 3] = ["G210", "U112", "U124"];

fn with(settings: &str) -> Case {
    Case::healthy().file(DROP_IN, format!("[Service]\n{settings}\n"))
}

/// The same, and the application is somewhere else.
fn elsewhere(settings: &str) -> Case {
    let mut case = with(settings);
    for path in ["/srv/myapp/current", "/srv/myapp/releases", "/srv/myapp/.venv"] {
        case = case.remove(path);
    }
    case.directory("/srv/myapp")
}

#[track_caller]
fn not_judged(seen: &Seen, why: &str) {
    for code in START {
        assert!(seen.of(code).is_empty(), "{code}: {:#?}", seen.hits);
    }
    for code in ["U112", "U124"] {
        let reasons = seen.reasons(code);
        assert!(reasons.iter().any(|reason| reason.contains(why)), "{code}: {reasons:?}");
    }
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
}

#[test]
fn what_another_root_or_a_mount_shows_is_not_known() {
    for (settings, why) in [
        ("RootDirectory=/jail", "RootDirectory= gives the service a different file tree"),
        ("RootImage=/srv/jail.raw", "RootImage= gives"),
        ("BindReadOnlyPaths=/srv/blue:/srv/myapp", "shows the service /srv/blue at /srv/myapp"),
        ("BindPaths=-/srv/blue:/srv/myapp:norbind", "shows the service /srv/blue at /srv/myapp"),
        ("BindPaths=/data:/srv", "shows the service /data at /srv"),
        ("MountImages=/srv/a.raw:/srv/myapp", "MountImages= mounts an image at /srv/myapp"),
        ("BindPaths=/srv/a\\:b:/srv/myapp", "is not understood"),
        (
            "TemporaryFileSystem=/srv\nBindReadOnlyPaths=/srv/blue:/srv/myapp",
            "shows the service /srv/blue at /srv/myapp",
        ),
    ] {
        not_judged(&elsewhere(settings).check(), why);
        // With a copy outside, the copy is not what is served.
        let copy = with(settings).check();
        not_judged(&copy, why);
        let items = &copy.apps[0].2;
        let release = items.iter().find(|one| one.item == Item::ReleasePath).unwrap();
        assert_eq!(release.status, Status::Unknown, "{settings}: {release:?}");
    }
}

#[test]
fn what_a_service_sees_as_it_is_is_judged() {
    for settings in [
        "RootDirectory=/",
        "BindPaths=/srv/blue:/opt/data",
        "BindPaths=/srv/myapp",
        "BindPaths=/srv/blue:/srv/myapp\nBindPaths=",
        "TemporaryFileSystem=/var/cache",
    ] {
        let seen = elsewhere(settings).check();
        seen.only("U112");
        seen.only("U124");
        let seen = with(settings).check();
        for code in START {
            seen.passes(code);
        }
    }
    // Of nested mounts the deepest is seen: the machine's own directory in an empty one.
    let own = "TemporaryFileSystem=/srv:ro\nBindReadOnlyPaths=/srv/myapp";
    for code in START {
        with(own).check().passes(code);
    }
    with(own).remove("/srv/myapp/releases/2026-04-21/wsgi.py").check().only("G210");
}

#[test]
fn a_link_that_leads_below_a_mount_is_followed_no_further() {
    let unit = "/etc/systemd/system/myapp.service";
    let case = elsewhere("BindReadOnlyPaths=/srv/blue:/srv/myapp")
        .replace(unit, "WorkingDirectory=/srv/myapp/current", "WorkingDirectory=/opt/app")
        .link("/opt/app", "/srv/myapp/current");
    let seen = case.check();
    assert!(seen.of("U112").is_empty(), "{seen:?}");
    assert!(seen.reasons("U112")[0].contains("/srv/blue"), "{seen:?}");
}

#[test]
fn files_of_a_repository_are_the_services_own() {
    let given = Given {
        units: vec!["/etc/systemd/system/myapp.service".into()],
        app_dir: Some("/srv/myapp/current".into()),
        ..Given::default()
    };
    let unit = "/etc/systemd/system/myapp.service";
    let case = Case::healthy().replace(unit, "[Service]\n", "[Service]\nRootDirectory=/jail\n");
    case.remove("/srv/myapp/releases/2026-04-21/wsgi.py").check_files(given).only("G210");
}
