//! A real environment of real packages, held against `importlib.metadata`, pip's own reader of
//! requirements and `pip check`; then broken on purpose.

use crate::support::venv as support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use deploy_doctor::host::TreeHost;
use deploy_doctor::source::Sources;
use deploy_doctor::source::requirements::{self, check};
use deploy_doctor::source::venv::{self, metadata, record, shebang};

const PACKAGES: [&str; 12] = [
    "Flask==3.0.3",
    "Flask-SQLAlchemy==3.1.1",
    "gunicorn==22.0.0",
    "requests==2.32.3",
    "python-dateutil==2.9.0",
    "ruamel.yaml==0.18.6",
    "zope.interface==7.0.3",
    "attrs==24.2.0",
    "PyYAML==6.0.2",
    "cachetools==5.5.0",
    "asgiref==3.8.1",
    "python-dotenv==1.0.1",
];

const REQUIREMENTS: &str = "\
# what a site asks for
flask[async]>=3,<4   # the extra is installed
FLASK_SQLAlchemy ~= 3.1
gunicorn>=20.1,!=21.0 ; python_version >= '3.8'
requests[socks] == 2.32.*
python_dateutil>=2.9.0.post0
python.dateutil<2.9.0.post0
ruamel-yaml==0.18.6 --hash=sha256:00
zope_interface>7 \\
   , <8
attrs<24
pyyaml===6.0.2
django>=4
pywin32 ; sys_platform == 'win32'
uvloop ; implementation_name == 'cpython' and os_name == 'posix'
cachetools>=5.5.0rc1
tomli ; python_full_version < '3.11.0a6'
asgiref>=3.8.1.dev0
blinker
-c constraints.txt
-r more.txt
";

fn environment() -> Option<PathBuf> {
    support::with("packages-venv", &PACKAGES)
}

fn expected(venv: &Path, file: &Path) -> serde_json::Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/python/installed.py");
    let output = Command::new(venv.join("bin/python")).arg(script).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_environment_is_seen_as_python_sees_it() {
    let Some(path) = environment() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("requirements.txt");
    std::fs::write(&file, REQUIREMENTS).unwrap();
    std::fs::write(directory.path().join("constraints.txt"), "nothing==1\n").unwrap();
    std::fs::write(directory.path().join("more.txt"), "\u{feff}click\r\njinja2>99\r\n").unwrap();
    let expected = expected(&path, &file);

    let host = TreeHost::live().unwrap();
    let sources = Sources::new(&host);
    let start = Instant::now();
    let found = venv::read(&host, &sources, &path).unwrap();
    let taken = start.elapsed();
    assert_eq!(found.faults, []);
    let installed: BTreeMap<String, String> = found
        .distributions
        .iter()
        .map(|d| (d.name.clone(), d.version.as_ref().unwrap().to_string()))
        .collect();
    let python: BTreeMap<String, String> =
        serde_json::from_value(expected["installed"].clone()).unwrap();
    assert_eq!(installed, python);
    assert!(installed.len() >= 15, "{}", installed.len());
    eprintln!("{} distributions listed in {taken:?}", installed.len());

    let wanted = requirements::read(&sources, &file).unwrap();
    assert_eq!(wanted.faults, []);
    let markers = found.markers();
    let compared =
        requirements::compare(&sources, &wanted, &found, markers.as_ref().map_err(Clone::clone));
    assert!(compared.unknown.is_empty(), "{:?}", compared.unknown);
    let state = |requirement: &requirements::Requirement| {
        let is = |other: &requirements::Requirement| std::ptr::eq(other, requirement);
        if compared.satisfied.iter().any(|r| is(r)) {
            "satisfied"
        } else if compared.not_applicable.iter().any(|r| is(r)) {
            "not applicable"
        } else if compared.missing.iter().any(|n| is(n.requirement) && n.through.is_none()) {
            "missing"
        } else {
            "wrong"
        }
    };
    let mut ours: Vec<(String, &str)> = wanted
        .requirements
        .iter()
        .map(|r| (r.name.clone().unwrap_or_default(), state(r)))
        .collect();
    let lines = expected["lines"].as_array().unwrap();
    let mut theirs: Vec<(String, &str)> = lines
        .iter()
        .map(|line| (line[0].as_str().unwrap().to_owned(), line[1].as_str().unwrap()))
        // pip hands out what `-c` says as well.
        .filter(|(name, _)| name != "nothing")
        .collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    assert!(ours.len() >= 19);
    // What an extra needs: asgiref is there, PySocks is not.
    let through: Vec<_> = compared.missing.iter().filter_map(|n| n.through.as_deref()).collect();
    assert_eq!(through, ["requests[socks]"]);

    // `pip check` finds nothing either.
    assert_eq!(check::check(&sources, &found), []);
    let script = std::fs::read(path.join("bin/gunicorn")).unwrap();
    let interpreter = shebang(&script).unwrap().interpreter;
    assert!(interpreter.starts_with(&path), "{}", interpreter.display());
    for distribution in &found.distributions {
        let missing = record::missing_files(&host, &sources, &found, distribution).unwrap();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(metadata::read(&sources, distribution).unwrap().name.is_some());
    }
}

#[test]
fn what_is_broken_on_purpose_is_seen() {
    let Some(original) = environment() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("venv");
    let copied = Command::new("cp").arg("-a").arg(&original).arg(&path).status().unwrap();
    assert!(copied.success());
    let host = TreeHost::live().unwrap();
    let read = || {
        let sources = Sources::new(&host);
        venv::read(&host, &sources, &path).unwrap()
    };
    let site = read().site_packages.unwrap();
    let info = |name: &str| read().find(name).next().unwrap().path.clone();

    // The package is gone, its dist-info is left: no tool of pip's sees that.
    std::fs::remove_dir_all(site.join("flask")).unwrap();
    let sources = Sources::new(&host);
    let found = read();
    let flask = found.find("flask").next().unwrap();
    let missing = record::missing_files(&host, &sources, &found, flask).unwrap();
    assert_eq!(missing, [site.join("flask")]);

    std::fs::remove_file(info("attrs").join("METADATA")).unwrap();
    let double = site.join("cachetools-4.0.0.dist-info");
    let copied = Command::new("cp").arg("-a").arg(info("cachetools")).arg(&double).status();
    assert!(copied.unwrap().success());
    std::fs::create_dir(site.join("~equests")).unwrap();
    std::fs::remove_dir_all(info("werkzeug")).unwrap();
    let found = read();
    assert_eq!(found.doubled(), ["cachetools"]);
    assert_eq!(found.leftovers, [site.join("~equests")]);
    assert!(!found.find("attrs").next().unwrap().metadata_present);

    let file = directory.path().join("requirements.txt");
    std::fs::write(&file, "attrs\ncachetools>=5\nwerkzeug\nclick\n").unwrap();
    let sources = Sources::new(&host);
    let wanted = requirements::read(&sources, &file).unwrap();
    let markers = found.markers();
    let compared =
        requirements::compare(&sources, &wanted, &found, markers.as_ref().map_err(Clone::clone));
    let unknown: Vec<_> = compared.unknown.iter().map(|(need, _)| need.name.as_str()).collect();
    assert_eq!(unknown, ["attrs", "cachetools"]);
    assert_eq!(compared.missing[0].name, "werkzeug");
    assert_eq!(compared.satisfied.len(), 1);

    // `pip check` names the same contradiction.
    let conflicts = check::check(&sources, &found);
    let needs = |c: &check::Conflict| {
        matches!(c, check::Conflict::Missing { package, needs }
            if package == "flask" && needs.to_lowercase().starts_with("werkzeug"))
    };
    assert!(conflicts.iter().any(needs), "{conflicts:?}");
    let python = path.join("bin/python");
    let pip = Command::new(python).args(["-m", "pip", "check"]).output().unwrap();
    let said = String::from_utf8_lossy(&pip.stdout).to_lowercase();
    assert!(said.contains("flask 3.0.3 requires werkzeug, which is not installed"), "{said}");

    // The script still names the place it was installed to: the environment was moved.
    let script = std::fs::read(path.join("bin/gunicorn")).unwrap();
    assert!(shebang(&script).unwrap().interpreter.starts_with(&original));
}
