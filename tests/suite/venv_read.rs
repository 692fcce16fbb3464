//! Virtual environments as trees in memory: configuration, interpreter, what is installed.

use std::path::{Path, PathBuf};

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::Sources;
use deploy_doctor::source::venv::{self, Venv, pth, record, shebang};

const SITE: &str = "/venv/lib/python3.11/site-packages";

fn base() -> MemoryHost {
    let mut host = MemoryHost::new();
    host.file(
        "/venv/pyvenv.cfg",
        "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.7\n\
         command = /usr/bin/python3 -m venv --clear /old/venv\n",
    );
    host.link("/venv/bin/python", "python3").link("/venv/bin/python3", "/usr/bin/python3.11");
    host.file("/usr/bin/python3.11", "").directory(SITE);
    host
}

fn read(host: &MemoryHost) -> Venv {
    venv::read(host, &Sources::new(host), Path::new("/venv")).unwrap()
}

#[test]
fn configuration_and_interpreter_are_read() {
    let found = read(&base());
    assert_eq!(venv::python_version(&found), Some((3, 11)));
    assert_eq!(found.config.as_ref().unwrap().made_in(), Some("/old/venv"));
    assert!(!found.sees_system_packages() && !found.python_dangling());
    assert_eq!(found.python.resolved, PathBuf::from("/usr/bin/python3.11"));
    assert_eq!(found.faults, []);
    assert!(found.markers().is_ok());

    let mut dangling = base();
    dangling.link("/venv/bin/python3", "/usr/bin/python3.9");
    assert!(read(&dangling).python_dangling());

    let mut several = base();
    several.directory("/venv/lib/python3.9/site-packages");
    assert_eq!(venv::python_version(&read(&several)), Some((3, 11)));
    several.file("/venv/pyvenv.cfg", "version_info = 3.12.1.final.0\n");
    assert_eq!(venv::python_version(&read(&several)), Some((3, 11)), "the interpreter decides");
    several.remove("/usr/bin/python3.11");
    assert_eq!(venv::python_version(&read(&several)), None);
    assert!(read(&several).absence_unknown().is_some());

    let mut without = base();
    without.file("/venv/pyvenv.cfg", b"\xff\n".to_vec());
    assert_eq!(read(&without).faults.len(), 1);
    let none = MemoryHost::new();
    assert!(venv::read(&none, &Sources::new(&none), Path::new("/venv")).is_err());
}

#[test]
fn what_is_installed_is_listed() {
    let mut host = base();
    host.file(format!("{SITE}/Flask_SQLAlchemy-3.1.1.dist-info/METADATA"), "Name: x\n");
    host.file(format!("{SITE}/flask_sqlalchemy-3.0.0.dist-info/METADATA"), "Name: x\n");
    host.directory(format!("{SITE}/bare-1.0.dist-info"));
    host.directory(format!("{SITE}/~lask"));
    host.file(format!("{SITE}/zope.interface-5.4.0-py3.11-linux-x86_64.egg-info/PKG-INFO"), "");
    host.file(format!("{SITE}/old-1.0-py3.11.egg-info"), "Name: old\nVersion: 1.0\n");
    host.file(format!("{SITE}/odd-version!.dist-info/METADATA"), "");
    host.file(format!("{SITE}/__editable__.app.pth"), "/srv/app/src\nimport x\n# c\n/gone\n");
    host.directory("/srv/app/src");
    let found = read(&host);
    let names: Vec<_> = found.distributions.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(
        names,
        ["flask-sqlalchemy", "bare", "flask-sqlalchemy", "odd", "old", "zope-interface"]
    );
    assert_eq!(found.doubled(), ["flask-sqlalchemy"]);
    assert_eq!(found.find("Flask.SQLAlchemy").count(), 2);
    assert_eq!(found.find("flask").count(), 0);
    assert!(!found.find("bare").next().unwrap().metadata_present);
    assert_eq!(found.leftovers.len(), 1);
    assert_eq!(found.faults.len(), 1, "{:?}", found.faults);
    let zope = found.find("zope-interface").next().unwrap();
    assert_eq!(zope.version.as_ref().unwrap().to_string(), "5.4.0");
    let sources = Sources::new(&host);
    let old = venv::metadata::read(&sources, found.find("old").next().unwrap()).unwrap();
    assert_eq!(old.version.as_deref(), Some("1.0"));
    let entries = pth::read(&host, &sources, &found).unwrap();
    assert!(matches!(&entries[0], pth::PathEntry::Directory { exists: true, .. }));
    assert!(matches!(&entries[1], pth::PathEntry::Code { .. }));
    assert!(matches!(&entries[2], pth::PathEntry::Directory { exists: false, .. }));
}

#[test]
fn records_tell_what_is_gone() {
    let mut host = base();
    let info = format!("{SITE}/pkg-1.0.dist-info");
    host.file(format!("{info}/METADATA"), "Name: pkg\n").file(
        format!("{info}/RECORD"),
        "pkg/__init__.py,sha256=x,1\npkg/sub/a.py,,\n\"odd,name/__init__.py\",,\nsingle.py,,\n\
         ../../../bin/pkg,,\npkg-1.0.dist-info/METADATA,,\n__pycache__/single.pyc,,\n",
    );
    let missing = |host: &MemoryHost| {
        let sources = Sources::new(host);
        let found = read(host);
        let pkg = found.find("pkg").next().unwrap();
        record::missing_files(host, &sources, &found, pkg).unwrap().len()
    };
    assert_eq!(missing(&host), 3);
    host.file(format!("{SITE}/pkg/sub/a.py"), "").file(format!("{SITE}/single.py"), "");
    host.file(format!("{SITE}/odd,name/__init__.py"), "");
    assert_eq!(missing(&host), 1, "__init__.py alone");
    host.file(format!("{SITE}/pkg/__init__.py"), "");
    assert_eq!(missing(&host), 0);

    let json = r#"{"url": "file:///srv/my%20app", "dir_info": {"editable": true}}"#;
    host.file(format!("{info}/direct_url.json"), json);
    let sources = Sources::new(&host);
    let found = read(&host);
    let pkg = found.find("pkg").next().unwrap();
    let direct = record::direct_url(&sources, pkg).unwrap().unwrap();
    assert!(direct.editable);
    assert_eq!(direct.path, Some(PathBuf::from("/srv/my app")));
    assert_eq!(record::import_names(&sources, pkg).unwrap(), ["odd,name", "pkg", "single"]);
}

#[test]
fn shebangs_are_read_as_linux_reads_them() {
    let of = |text: &str| {
        shebang(text.as_bytes()).map(|s| (s.interpreter.display().to_string(), s.arguments))
    };
    let plain = |path: &str| Some((path.to_owned(), None));
    assert_eq!(of("#!/venv/bin/python\nx"), plain("/venv/bin/python"));
    assert_eq!(
        of("#! /usr/bin/env python3 -u \n"),
        Some(("/usr/bin/env".into(), Some("python3 -u".into())))
    );
    assert_eq!(of("#!/bin/sh\necho\n"), plain("/bin/sh"));
    let long = "#!/bin/sh\n'''exec' \"/a b/venv/bin/python\" \"$0\" \"$@\"\n' '''\n";
    assert_eq!(of(long), plain("/a b/venv/bin/python"));
    let found = shebang(long.as_bytes()).unwrap();
    assert_eq!(&long[found.span], "/a b/venv/bin/python");
    let bare = "#!/bin/sh\n'''exec' /venv/bin/python \"$0\" \"$@\"\n' '''\n";
    assert_eq!(of(bare), plain("/venv/bin/python"));
    let uv =
        "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n";
    let found = shebang(uv.as_bytes()).unwrap();
    assert!(found.beside_script && found.interpreter == Path::new("python"));
    for text in ["", "#!", "#!  \n", "import x", "\u{feff}#!/bin/sh"] {
        assert_eq!(of(text), None, "{text:?}");
    }
}
