//! The graph of revisions, held against Alembic's own `ScriptDirectory` over generated graphs.

use crate::support::venv;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use deploy_doctor::host::TreeHost;
use deploy_doctor::source::Sources;
use deploy_doctor::source::alembic;

const COUNT: usize = 300;

#[test]
fn graphs_are_answered_as_alembic_answers() {
    let Some(python) = venv::with("alembic-venv", &["alembic==1.16.5"]) else { return };
    let top = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/python/alembic_graphs.py");
    let output = Command::new(python.join("bin/python"))
        .arg(script)
        .arg(top.path())
        .arg(COUNT.to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = expected.as_array().unwrap();
    assert_eq!(expected.len(), COUNT);

    let host = TreeHost::live().unwrap();
    let sources = Sources::new(&host);
    let (mut failing, mut overlooked, mut several, mut pendings) = (0, 0, 0, 0);
    for (number, expected) in expected.iter().enumerate() {
        let path = top.path().join(number.to_string()).join("versions");
        let revisions = alembic::read(&sources, &path).unwrap();
        assert!(revisions.faults.is_empty(), "{number}: {:?}", revisions.faults);
        if expected.get("error").is_some() {
            failing += 1;
            let missing = revisions.missing_parents().unwrap();
            assert!(
                !missing.is_empty() || !revisions.cycles().is_empty(),
                "{number}: Alembic fails with {}",
                expected["error"]
            );
            assert!(revisions.pending("").is_err(), "{number}");
            continue;
        }
        if let Some(cycle) = revisions.cycles().first() {
            // Alembic overlooks a cycle that also has a way in from outside: check it by hand.
            for (at, id) in cycle.iter().enumerate() {
                let revision = revisions.revisions.iter().find(|r| r.id.value == *id).unwrap();
                let next = cycle[(at + 1) % cycle.len()];
                let mut parents = revision.down.iter().chain(&revision.depends_on);
                assert!(parents.any(|p| next.starts_with(&p.value)), "{number}: {id}");
            }
            overlooked += 1;
            continue;
        }
        assert!(revisions.missing_parents().unwrap().is_empty(), "{number}");
        let heads = texts(&expected["heads"]);
        several += usize::from(heads.len() > 1);
        assert_eq!(set(&revisions.heads().unwrap()), heads, "{number}");
        assert_eq!(set(&revisions.bases().unwrap()), texts(&expected["bases"]), "{number}");
        for (from, pending) in expected["pending"].as_object().unwrap() {
            let found = revisions.pending(from).unwrap();
            assert_eq!(set(&found), texts(pending), "{number}: from {from:?}");
            pendings += 1;
            // Each comes after what it follows.
            for (at, id) in found.iter().enumerate() {
                let revision = revisions.revisions.iter().find(|r| r.id.value == *id).unwrap();
                for parent in revision.down.iter().chain(&revision.depends_on) {
                    assert!(!found[at..].contains(&parent.value.as_str()), "{number}: {id}");
                }
            }
        }
        for (short, whole) in expected["resolve"].as_object().unwrap() {
            let found = revisions.resolve(short).ok();
            assert_eq!(found, whole.as_str(), "{number}: {short}");
        }
    }
    eprintln!(
        "{COUNT} graphs, {failing} refused, {overlooked} cycles overlooked, {several} with several heads, {pendings} ranges"
    );
    assert!(failing >= 10 && several >= 50 && COUNT - failing - overlooked >= 200);
}

fn texts(value: &serde_json::Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

fn set(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}
